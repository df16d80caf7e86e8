"""The market maker's largest position: kept with everything that may still fill, whatever venues come and go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.messages import BUY, SELL, TimerFired
from runtime.config.rules import DecimalText
from tests.seeds import examples
from tests.strategies.limit_lane import MILLISECOND, LimitLane
from tests.strategies.maker_lane import settings as maker_settings

MAXIMUM = 0.06
# What floats make of a sum of three.
DUST = 1e-9
# An order of half of the wanted size stays as it is.
MOST_KEPT = 0.0101


def lane_of(amend: str = "nothing", **more: object) -> LimitLane:
    """Three levels a side at three venues, all live, all working; the room is used up."""
    chosen = {
        "maximum_position": DecimalText(str(MAXIMUM)), "levels": 3, "size": DecimalText("0.01"),
        "size_step": DecimalText("0.005"), "requote_bps": 0.25, "requote_away_bps": 0.5, **more,
    }  # fmt: skip
    lane = LimitLane(maker_settings(**chosen), amend)
    for number in (1, 2, 3):
        lane.back(number)
    lane.move(0.0)
    lane.answer_all()
    return lane


def test_the_room_is_used_up() -> None:
    """With all venues live and everything answered the quotes use the room, and no more."""
    lane = lane_of()
    assert MAXIMUM - MOST_KEPT < lane.worst(BUY) <= MAXIMUM + DUST
    assert MAXIMUM - MOST_KEPT < lane.worst(SELL) <= MAXIMUM + DUST


def test_a_venue_that_leaves_keeps_its_room_until_its_orders_are_known_to_be_gone() -> None:
    """The others take over its share only when its cancels are answered, and fill it then without other news."""
    lane = lane_of()
    lane.lose(1)
    lane.move(0.0)
    assert lane.worst_of_both() <= MAXIMUM + DUST
    elsewhere = [order for order in lane.open() if order.instrument_id != 1]
    assert sum(order.size / 10 ** lane.instruments[int(order.instrument_id)].size_scale for order in elsewhere) < 0.0801
    lane.answer_all()
    assert MAXIMUM - MOST_KEPT < lane.worst(BUY) <= MAXIMUM + DUST
    assert {int(order.instrument_id) for order in lane.open()} == {2, 3}


def test_a_venue_that_returns_waits_until_the_others_have_given_back() -> None:
    """It opens nothing that would be too much while the others' cancels are not answered."""
    lane = lane_of()
    lane.lose(1)
    lane.answer_all()
    lane.back(1)
    assert lane.worst_of_both() <= MAXIMUM + DUST
    lane.answer_all()
    assert MAXIMUM - MOST_KEPT < lane.worst(BUY) <= MAXIMUM + DUST
    assert {int(order.instrument_id) for order in lane.open()} == {1, 2, 3}


def test_a_fill_after_the_cancel_was_asked_for_finds_room() -> None:
    """Every order of a venue that left fills late: the position is at most what it may be."""
    lane = lane_of()
    lane.lose(1)
    lane.move(3.0)
    for order in [one for one in lane.open() if one.instrument_id == 1 and one.side == BUY]:
        lane.trade(order, 1.0)
        assert lane.worst_of_both() <= MAXIMUM + DUST
    lane.move(0.0)
    for order in [one for one in lane.open() if one.side == BUY]:
        lane.trade(order, 1.0)
        assert lane.worst_of_both() <= MAXIMUM + DUST


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["move", "move", "lose", "back", "answer", "answer", "refuse", "fill", "fill", "time", "all"]),
        st.integers(0, 40),
        st.floats(-3.0, 3.0),
        st.floats(0.0, 1.0),
    ),
    min_size=1,
    max_size=40,
)


def live_through(lane: LimitLane, event: tuple[str, int, float, float]) -> None:
    """One event, and what comes due before it."""
    kind, number, bps, share = event
    lane.now_ns += 40 * MILLISECOND if kind != "time" else 2_500 * MILLISECOND
    while (first := lane.core.timers.first()) is not None and first[0] <= lane.now_ns:
        lane.take(TimerFired(first[1], first[2], first[0]))
    orders = lane.open()
    venue = number % 3 + 1
    if kind == "move":
        lane.move(bps)
    elif kind == "lose":
        lane.lose(venue)
    elif kind == "back":
        lane.back(venue)
    elif kind == "all":
        lane.answer_all()
    elif orders:
        order = orders[number % len(orders)]
        if kind == "fill":
            lane.trade(order, share)
        else:
            lane.answer(order, kind == "answer")


@pytest.mark.parametrize("amend", ["nothing", "size", "all"])
@given(EVENTS, st.integers(0, 3), st.sampled_from([0.0, 1.0]), st.sampled_from(["0", "0.03"]))
@settings(max_examples=examples(25, 2_000), deadline=None)
def test_position_and_everything_that_may_fill_never_pass_the_largest_position(
    amend: str, events: list[tuple[str, int, float, float]], moves: int, shading: float, target: str
) -> None:
    """Venues leave and return, cancels stay unanswered or are refused, fills come late: it is never too much."""
    lane = lane_of(amend, moves_per_batch=moves, size_shading=shading, target=DecimalText(target), skew_bps=5.0)
    leaned = float(target)
    for event in events:
        live_through(lane, event)
        assert list(lane.core.anomalies) == []
        assert lane.worst(BUY) <= MAXIMUM + leaned + DUST
        assert lane.worst(SELL) <= MAXIMUM - leaned + DUST
