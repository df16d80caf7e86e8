"""The order manager: the fewest requests, one at a time for an order, and nothing working that nobody wants."""

from __future__ import annotations

import attrs
import pytest
from librt.vecs import vec
from mypy_extensions import i64

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from actors.portfolio import Portfolio
from market.messages import (
    BUY,
    LIVE,
    MAKER,
    REJECT_TOO_LATE,
    SELL,
    STALE,
    SYNCING,
    ActorFailed,
    BookStateChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    Lagging,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PauseQuoting,
    RunStarted,
    ShutdownRequested,
    TradingHalted,
    WantedQuotes,
)
from runtime.actor import ActorError
from runtime.build_core import make_actor
from tests.actors.trading_lane import INSTRUMENT_ID, SESSION, START_NS, TradingLane, plan_of

STRATEGY = 77
# The session, the order manager as the first of the actors, and the first order.
FIRST_ID = (SESSION << 31) + (1 << 24) + 1
Levels = list[tuple[int, int]]
# Prices are written short: 99 stands for this many times as much, so that small sizes are worth enough for the venue.
UNIT = 200_000
LIVE_BOOK = BookStateChanged(INSTRUMENT_ID, LIVE, "test", 0, 0)


def wanted(bids: Levels, asks: Levels) -> WantedQuotes:
    """What the strategy wants: (price, size) for each level."""
    return WantedQuotes(
        STRATEGY, INSTRUMENT_ID, vec[i64]([price * UNIT for price, _ in bids]), vec[i64]([size for _, size in bids]),
        vec[i64]([price * UNIT for price, _ in asks]), vec[i64]([size for _, size in asks]), 0.0, "test", START_NS,
    )  # fmt: skip


def manager() -> TradingLane:
    """An order manager before a live book; the test plays risk and venue."""
    lane = TradingLane(OrderManager)
    lane.take(LIVE_BOOK)
    return lane


def accept(lane: TradingLane) -> None:
    """Let every order that was asked for pass risk and be accepted."""
    for order in lane.of(ChildOrder):
        known = lane.core.ledger.order(order.order_id)
        if known is not None and not known.sent:
            lane.take(
                NewOrder(
                    order.order_id, 0, order.strategy_id, order.instrument_id, order.side, 1, 1, order.price,
                    order.size, 0, 0, True, False, 0, START_NS,
                )
            )  # fmt: skip
            lane.take(OrderAccepted(order.order_id, order.instrument_id, "v", START_NS))


def quoting() -> TradingLane:
    """A bid at 99 and an ask at 101, both working; the protocol begins after that."""
    lane = manager()
    lane.take(wanted([(99, 10)], [(101, 10)]))
    accept(lane)
    lane.forget()
    return lane


def orders(lane: TradingLane) -> list[tuple[int, int, int]]:
    """The orders asked for so far: side, price, size."""
    return [(order.side, order.price // UNIT, order.size) for order in lane.of(ChildOrder)]


def cancels(lane: TradingLane) -> list[int]:
    """The orders whose cancel was asked for so far, counted from the first."""
    return [cancel.order_id - FIRST_ID for cancel in lane.of(CancelOrder)]


def cancelled(number: int, remaining: int = 10) -> OrderCancelled:
    """The venue has cancelled an order."""
    return OrderCancelled(FIRST_ID + number, INSTRUMENT_ID, remaining, 0, "test")


def filled(number: int, side: int, price: int, size: int, remaining: int) -> OrderFilled:
    """The venue reports a fill."""
    return OrderFilled(
        FIRST_ID + number, INSTRUMENT_ID, STRATEGY, 1, side, price * UNIT, size, remaining, 0, MAKER, START_NS
    )


def test_wanted_quotes_become_post_only_orders_with_ids_of_the_session() -> None:
    """Two quotes are two orders, and their ids say the run and a counter."""
    lane = manager()
    lane.take(wanted([(99, 10)], [(101, 10)]))
    assert orders(lane) == [(BUY, 99, 10), (SELL, 101, 10)]
    assert [order.order_id for order in lane.of(ChildOrder)] == [FIRST_ID, FIRST_ID + 1]
    assert all(order.post_only and order.strategy_id == STRATEGY for order in lane.of(ChildOrder))


def test_the_same_wants_again_ask_for_nothing() -> None:
    """What works and what is on its way is not asked for twice."""
    lane = manager()
    lane.take(wanted([(99, 10)], [(101, 10)]), wanted([(99, 10)], [(101, 10)]))
    accept(lane)
    lane.take(wanted([(99, 10)], [(101, 10)]))
    assert len(orders(lane)) == 2
    assert cancels(lane) == []


def test_a_quote_moves_by_cancel_then_new_order() -> None:
    """Only the side that moves is touched, and the new order waits until the old one is gone."""
    lane = quoting()
    lane.take(wanted([(98, 10)], [(101, 10)]))
    assert (cancels(lane), orders(lane)) == ([0], [])
    lane.take(wanted([(97, 10)], [(101, 10)]))
    assert (cancels(lane), orders(lane)) == ([0], [])
    lane.take(cancelled(0))
    assert (cancels(lane), orders(lane)) == ([0], [(BUY, 97, 10)])


def test_an_order_keeps_its_place_after_a_partial_fill() -> None:
    """Less than wanted at the wanted price stays; more than wanted becomes less, in its place."""
    lane = quoting()
    lane.take(filled(0, BUY, 99, 4, 6))
    lane.take(wanted([(99, 10)], [(101, 10)]))
    assert (cancels(lane), orders(lane)) == ([], [])
    lane.take(wanted([(99, 5)], [(101, 10)]))
    assert [(one.order_id - FIRST_ID, one.size) for one in lane.of(ChildReplace)] == [(0, 9)]
    assert cancels(lane) == []


def test_several_levels_of_a_side() -> None:
    """A new level is added beside those that stay."""
    lane = quoting()
    lane.take(wanted([(99, 10), (98, 20)], [(101, 10)]))
    assert (cancels(lane), orders(lane)) == ([], [(BUY, 98, 20)])


def test_nothing_wanted_cancels_everything() -> None:
    """Empty ladders pull both quotes."""
    lane = quoting()
    lane.take(wanted([], []))
    assert (cancels(lane), orders(lane)) == ([0, 1], [])


@pytest.mark.parametrize(
    "news",
    [
        BookStateChanged(INSTRUMENT_ID, SYNCING, "gap", 0, 0),
        BookStateChanged(INSTRUMENT_ID, STALE, "silence", 0, 0),
        Lagging(300_000_000),
        PauseQuoting(True, "test"),
        ShutdownRequested("test", 0),
    ],
    ids=lambda news: type(news).__name__,
)
def test_what_forbids_quotes_cancels_them_in_the_same_step_and_forgets_the_wants(news: Message) -> None:
    """Both quotes are cancelled at once, and do not come back when the cancels are confirmed."""
    lane = quoting()
    lane.take(news)
    assert cancels(lane) == [0, 1]
    lane.take(cancelled(0))
    lane.take(cancelled(1))
    assert orders(lane) == []


@pytest.mark.parametrize(
    ("forbids", "allows"),
    [
        (Lagging(300_000_000), Lagging(0)),
        (PauseQuoting(True, "test"), PauseQuoting(False, "test")),
        (ShutdownRequested("test", 0), RunStarted(START_NS, SESSION + 1, "", "")),
    ],
    ids=["lagging", "paused", "shutdown"],
)
def test_wants_are_refused_while_forbidden_and_taken_afterwards(forbids: Message, allows: Message) -> None:
    """A strategy that goes on wanting gets nothing until it may quote again."""
    lane = manager()
    lane.take(forbids)
    lane.take(wanted([(99, 10)], []))
    assert orders(lane) == []
    lane.take(allows)
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    assert orders(lane) == [(BUY, 99, 10)]


def test_book_that_is_live_again_takes_no_want_from_before() -> None:
    """The strategy has to want again."""
    lane = quoting()
    lane.take(BookStateChanged(INSTRUMENT_ID, SYNCING, "gap", 0, 0), BookStateChanged(INSTRUMENT_ID, LIVE, "ok", 0, 0))
    lane.take(cancelled(0), cancelled(1))
    assert orders(lane) == []


def test_halt_forgets_the_wants() -> None:
    """Whoever halts cancels everything; nothing is asked for until the halt is over."""
    lane = quoting()
    lane.take(TradingHalted("test", "test"))
    lane.take(cancelled(0), cancelled(1))
    lane.take(wanted([(99, 10)], [(101, 10)]))
    assert orders(lane) == []
    assert len(lane.of(CancelAll)) == 1


def test_failure_of_an_actor_forgets_the_wants_and_looks_after_the_lanes_cancels() -> None:
    """The lane cancels; the order manager does not cancel again, but chases what is not answered."""
    lane = quoting()
    lane.actor(OrderManager).on_actor_failed(ActorFailed(STRATEGY, 1, 1, "test"))
    lane.take(CancelOrder(FIRST_ID, INSTRUMENT_ID, "strategy failed", 0))
    lane.take(cancelled(1))
    assert (cancels(lane), orders(lane)) == ([0], [])
    lane.pass_ms(2_100)
    assert cancels(lane) == [0, 0]


def test_refused_side_rests_for_a_while_and_is_then_tried_again() -> None:
    """A refusal never leads to a storm of orders; the other side is not concerned."""
    lane = manager()
    lane.take(wanted([(99, 10)], [(101, 10)]))
    lane.take(OrderRejected(FIRST_ID, INSTRUMENT_ID, 8, "test", "risk"))
    for _ in range(10):
        lane.take(wanted([(99, 10)], [(101, 10)]))
    assert len(orders(lane)) == 2
    lane.pass_ms(260)
    assert orders(lane)[2:] == [(BUY, 99, 10)]


def test_unanswered_order_is_cancelled_and_unanswered_cancel_halts() -> None:
    """After the configured number of cancels nobody knows what is at the venue: trading halts."""
    lane = TradingLane(OrderManager, params={OrderManager: OrderManagerParams(answer_ms=1_000, attempts=2)})
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    lane.pass_ms(1_000)
    assert cancels(lane) == [0]
    lane.pass_ms(1_000)
    assert cancels(lane) == [0, 0]
    assert lane.of(TradingHalted) == []
    lane.pass_ms(1_000)
    assert "did not answer 2 cancels" in lane.of(TradingHalted)[0].reason
    assert len(lane.of(CancelAll)) == 1


def test_refused_cancel_of_a_filled_order_is_no_trouble() -> None:
    """The fill was faster; there is nothing left to chase."""
    lane = quoting()
    lane.take(wanted([], [(101, 10)]))
    lane.take(filled(0, BUY, 99, 10, 0))
    lane.take(CancelRejected(FIRST_ID, INSTRUMENT_ID, REJECT_TOO_LATE, "test"))
    lane.pass_ms(10_000)
    assert cancels(lane) == [0]
    assert lane.core.anomalies == []


def test_ids_of_a_later_run_never_meet_those_of_an_earlier_one() -> None:
    """A new session counts anew above; the same session again, after a quick restart, goes on counting."""
    lane = manager()
    lane.take(wanted([(99, 10)], []))
    lane.take(RunStarted(START_NS, SESSION, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10)], [(101, 10)]))
    lane.take(RunStarted(START_NS, SESSION + 1, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10), (98, 10)], [(101, 10)]))
    ids = [order.order_id for order in lane.of(ChildOrder)]
    assert ids == [FIRST_ID, FIRST_ID + 1, FIRST_ID + (1 << 31)]


def test_fresh_manager_numbers_above_everything_the_ledger_knows() -> None:
    """Without saved state no id is used twice."""
    lane = quoting()
    slot = lane.core.slots[0]
    lane.core.put_to_work(slot, slot.make())
    lane.take(wanted([(99, 10), (98, 10)], []))
    later = START_NS // 1_000_000_000 << 31
    assert [order.order_id for order in lane.of(ChildOrder)] == [later + (1 << 24) + 1]


def test_order_managers_in_different_lanes_never_use_the_same_id() -> None:
    """The number of the order manager among the actors is part of the id; one that does not fit is refused."""
    other = TradingLane(Portfolio, OrderManager)
    other.take(LIVE_BOOK)
    other.take(wanted([(99, 10)], []))
    assert [order.order_id for order in other.of(ChildOrder)] == [FIRST_ID + (1 << 24)]
    blueprint = plan_of((OrderManager,), {})
    with pytest.raises(ActorError, match="place it among the first 127 actors"):
        make_actor(blueprint, attrs.evolve(blueprint.actors[0], node_id=128))
