"""The paper venue: when a request arrives, where it queues, what fills it, and what it costs."""

from __future__ import annotations

import pytest

from actors.paper_lines import draw
from actors.paper_params import PaperVenueParams
from actors.paper_venue import PaperVenue
from market.messages import (
    BUY,
    CAUSE_KILL_SWITCH,
    CAUSE_REQUESTED,
    CAUSE_TIME_IN_FORCE,
    FOK,
    IOC,
    MAKER,
    MARKET,
    NO_SIDE,
    REJECT_BAD_SIZE,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_NOT_FILLABLE,
    REJECT_POST_ONLY,
    REJECT_TOO_LATE,
    REJECT_UNSUPPORTED,
    SELL,
    STALE,
    STOP,
    TAKER,
    ActorFailed,
    CancelAll,
    CancelOrder,
    CancelRejected,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PublicTrade,
)
from runtime.actor import RESTART
from runtime.lane_parts import RosterEntry
from tests.actors.trading_lane import INSTRUMENT, INSTRUMENT_ID, START_NS, TradingLane, sent, top

# Prices around 60,000.00; a size of 1,000 is 0.01.
BID, ASK = 5_999_900, 6_000_100


def venue(latency_us: int = 1_000, jitter_us: int = 0) -> TradingLane:
    """A paper venue that displays 0.05 on each side."""
    lane = TradingLane(PaperVenue, params={PaperVenue: PaperVenueParams(latency_us=latency_us, jitter_us=jitter_us)})
    lane.take(top(BID, ASK, 5_000, 5_000))
    return lane


def place(
    lane: TradingLane, order_id: int, side: int, price: int, size: int, *, order_type: int = 1, time_in_force: int = 1,
    post_only: bool = False,
) -> None:  # fmt: skip
    """Send an order and let it arrive."""
    lane.take(
        *sent(
            order_id, side, price, size, time_in_force=time_in_force, post_only=post_only, order_type=order_type
        )
    )
    lane.pass_ms(1)


def trade(price: int, size: int, aggressor_side: int) -> PublicTrade:
    """A public trade."""
    return PublicTrade(INSTRUMENT_ID, 1, price, size, aggressor_side, START_NS, START_NS)


def fills(lane: TradingLane) -> list[tuple[int, int, int, int]]:
    """The fills so far: order, price, size, what is left."""
    return [(fill.order_id, fill.price, fill.size, fill.remaining) for fill in lane.of(OrderFilled)]


def test_order_arrives_late_and_rests() -> None:
    """Nothing is answered before the delay is over."""
    lane = venue(latency_us=5_000)
    lane.take(*sent(1, BUY, BID, 1_000))
    lane.pass_ms(4.9)
    assert lane.of(OrderAccepted) == []
    lane.pass_ms(0.2)
    assert [accepted.order_id for accepted in lane.of(OrderAccepted)] == [1]
    assert lane.of(OrderFilled) == []


def test_requests_do_not_overtake_each_other() -> None:
    """A cancel that was drawn a shorter way arrives behind its order all the same."""
    lane = venue(latency_us=0, jitter_us=50_000)
    for order_id in range(1, 30):
        lane.take(*sent(order_id, BUY, BID, 1_000))
        lane.take(CancelOrder(order_id, INSTRUMENT_ID, "test", 0))
    lane.pass_ms(60)
    assert [accepted.order_id for accepted in lane.of(OrderAccepted)] == list(range(1, 30))
    assert [cancelled.order_id for cancelled in lane.of(OrderCancelled)] == list(range(1, 30))


def test_draw_follows_from_seed_and_counter_and_is_even() -> None:
    """The same seed and counter give the same delay; over many draws they spread over the whole range."""
    drawn = [draw(7, counter, 1_000) for counter in range(10_000)]
    assert drawn == [draw(7, counter, 1_000) for counter in range(10_000)]
    assert drawn != [draw(8, counter, 1_000) for counter in range(10_000)]
    assert 490 < sum(drawn) / len(drawn) < 510
    assert (min(drawn), max(drawn)) == (0, 999)


def test_queues_behind_what_is_displayed() -> None:
    """Trades at its price serve those ahead first; what is left of a trade fills it in part, the next one further."""
    lane = venue()
    place(lane, 1, BUY, BID, 1_000)
    lane.take(trade(BID, 4_000, SELL))
    assert fills(lane) == []
    lane.take(trade(BID, 1_300, SELL))
    assert fills(lane) == [(1, BID, 300, 700)]
    lane.take(trade(BID, 10_000, SELL))
    assert fills(lane) == [(1, BID, 300, 700), (1, BID, 700, 0)]
    assert [fill.liquidity for fill in lane.of(OrderFilled)] == [MAKER, MAKER]


def test_moves_up_when_less_is_displayed_than_was_ahead() -> None:
    """Those ahead may cancel: once no trade has explained it, no more can be ahead than was displayed."""
    lane = venue()
    place(lane, 1, BUY, BID, 1_000)
    lane.take(top(BID, ASK, 200, 5_000))
    lane.take(top(BID, ASK, 9_000, 5_000))
    lane.pass_ms(500)
    lane.take(trade(BID, 700, SELL))
    assert fills(lane) == [(1, BID, 500, 500)]


def test_own_orders_at_one_price_share_a_trade_in_the_order_of_time() -> None:
    """What the first takes is not there for the second."""
    lane = venue()
    place(lane, 1, SELL, ASK, 1_000)
    place(lane, 2, SELL, ASK, 1_000)
    lane.take(trade(ASK, 6_500, BUY))
    assert fills(lane) == [(1, ASK, 1_000, 0), (2, ASK, 500, 500)]


def test_trade_through_the_price_fills_up_to_its_size() -> None:
    """A trade beyond its price went past it, whatever was ahead; the better price comes first."""
    lane = venue()
    place(lane, 1, BUY, BID - 100, 1_000)
    place(lane, 2, BUY, BID, 1_000)
    lane.take(trade(BID - 200, 1_500, SELL))
    assert fills(lane) == [(2, BID, 1_000, 0), (1, BID - 100, 500, 500)]


def test_order_below_the_touch_is_behind_all_that_is_displayed_when_the_touch_comes() -> None:
    """Nothing is known of the queue below the touch, so the worst is taken."""
    lane = venue()
    place(lane, 1, BUY, BID - 100, 1_000)
    lane.take(trade(BID - 100, 100, SELL))
    assert fills(lane) == []
    lane.take(top(BID - 100, ASK, 2_000, 5_000))
    lane.take(trade(BID - 100, 2_400, SELL))
    assert fills(lane) == [(1, BID - 100, 400, 600)]


def test_order_inside_the_spread_is_first() -> None:
    """Nobody is ahead of a better price."""
    lane = venue()
    place(lane, 1, BUY, BID + 100, 1_000)
    lane.take(trade(BID + 100, 400, SELL))
    assert fills(lane) == [(1, BID + 100, 400, 600)]


def test_trade_of_the_other_side_or_of_none_fills_nothing() -> None:
    """A buyer who comes to trade does not fill a bid, and a trade without a side proves nothing."""
    lane = venue()
    place(lane, 1, BUY, BID + 100, 1_000)
    lane.take(trade(BID, 9_000, BUY))
    lane.take(trade(BID, 9_000, NO_SIDE))
    assert fills(lane) == []


def test_taker_pays_the_displayed_price_and_the_taker_fee() -> None:
    """An order that crosses takes at the displayed price, not at its own, and rests with what is left."""
    lane = venue()
    place(lane, 1, BUY, ASK + 500, 2_000)
    (fill,) = lane.of(OrderFilled)
    assert (fill.price, fill.size, fill.liquidity) == (ASK, 2_000, TAKER)
    assert fill.fee == INSTRUMENT.fee(ASK, 2_000, TAKER)


def test_displayed_liquidity_is_never_taken_twice() -> None:
    """What was taken stays taken while the level stands, also behind a better one; only more or new size is there."""
    lane = venue()
    place(lane, 1, BUY, ASK, 4_000, time_in_force=IOC)
    place(lane, 2, BUY, ASK, 4_000, time_in_force=IOC)
    assert [size for _, _, size, _ in fills(lane)] == [4_000, 1_000]
    lane.take(top(BID, ASK - 100, 5_000, 10))
    lane.take(top(BID, ASK, 5_000, 6_000))
    place(lane, 3, BUY, ASK, 4_000, time_in_force=IOC)
    assert [size for _, _, size, _ in fills(lane)] == [4_000, 1_000, 1_000]
    lane.take(top(BID, ASK + 100, 5_000, 5_000))
    lane.take(top(BID, ASK, 5_000, 5_000))
    place(lane, 4, BUY, ASK, 4_000, time_in_force=IOC)
    assert [size for _, _, size, _ in fills(lane)] == [4_000, 1_000, 1_000, 4_000]


def test_touch_that_comes_to_a_resting_order_fills_it_as_maker() -> None:
    """A seller who asks our bid or less would have traded with us, at our price, for what is displayed."""
    lane = venue()
    place(lane, 1, BUY, BID, 1_000)
    lane.take(top(BID - 200, BID - 100, 5_000, 600))
    assert fills(lane) == [(1, BID, 600, 400)]
    assert lane.of(OrderFilled)[0].liquidity == MAKER
    lane.take(top(BID - 200, BID - 100, 5_000, 600))
    assert len(fills(lane)) == 1


@pytest.mark.parametrize(
    ("side", "price", "changes", "code"),
    [
        (BUY, ASK, {"post_only": True}, REJECT_POST_ONLY),
        (BUY, ASK, {"time_in_force": FOK, "size": 6_000}, REJECT_NOT_FILLABLE),
        (BUY, BID, {"time_in_force": FOK}, REJECT_NOT_FILLABLE),
        (BUY, BID, {"order_type": STOP}, REJECT_UNSUPPORTED),
        (BUY, BID, {"size": 1}, REJECT_MINIMUM_NOTIONAL),
        (BUY, BID, {"size": 0}, REJECT_BAD_SIZE),
        (BUY, BID, {"time_in_force": 5}, REJECT_UNSUPPORTED),
    ],
)
def test_what_the_venue_refuses(side: int, price: int, changes: dict[str, int], code: int) -> None:
    """Post-only that would trade, fill-or-kill that cannot, unknown kinds and what the instrument forbids."""
    lane = venue()
    options = {"size": 1_000, **changes}
    place(lane, 1, side, price, **options)  # type: ignore[arg-type]
    (rejected,) = lane.of(OrderRejected)
    assert (rejected.code, rejected.source) == (code, "paper venue")
    assert lane.of(OrderAccepted) == []


def test_what_is_left_of_ioc_and_market_orders_is_cancelled() -> None:
    """They never rest."""
    lane = venue()
    place(lane, 1, BUY, ASK, 6_000, time_in_force=IOC)
    place(lane, 2, SELL, 0, 6_000, order_type=MARKET)
    cancelled = {one.order_id: one.remaining for one in lane.of(OrderCancelled)}
    assert cancelled == {1: 1_000, 2: 1_000}
    assert lane.of(OrderCancelled)[0].cause == CAUSE_TIME_IN_FORCE


def test_nothing_is_taken_while_the_book_is_not_live() -> None:
    """What was displayed before proves nothing now."""
    lane = venue()
    lane.take(top(BID, ASK, 5_000, 5_000, state=STALE))
    place(lane, 1, BUY, ASK, 1_000)
    assert fills(lane) == []
    lane.take(top(BID, ASK, 5_000, 5_000))
    assert fills(lane) == [(1, ASK, 1_000, 0)]


def test_nothing_is_taken_from_a_book_whose_keeper_failed() -> None:
    """Any actor that fails may be the one that keeps the books: an order waits until the touch is told again."""
    lane = venue()
    lane.core.roster[9] = RosterEntry("book", RESTART, [], [])
    lane.take(ActorFailed(9, 1, 1, "a test"))
    place(lane, 1, BUY, ASK, 1_000)
    assert [accepted.order_id for accepted in lane.of(OrderAccepted)] == [1]
    assert fills(lane) == []
    lane.take(top(BID, ASK, 5_000, 5_000))
    assert fills(lane) == [(1, ASK, 1_000, 0)]


def test_cancel_takes_the_order_out_and_the_second_one_is_too_late() -> None:
    """A cancel is answered with what was left; one more finds nothing."""
    lane = venue()
    place(lane, 1, BUY, BID, 1_000)
    lane.take(CancelOrder(1, INSTRUMENT_ID, "test", 0))
    lane.take(CancelOrder(1, INSTRUMENT_ID, "again", 0))
    lane.pass_ms(2)
    (cancelled,) = lane.of(OrderCancelled)
    assert (cancelled.remaining, cancelled.cause) == (1_000, CAUSE_REQUESTED)
    assert [rejected.code for rejected in lane.of(CancelRejected)] == [REJECT_TOO_LATE]
    lane.take(trade(BID - 100, 9_000, SELL))
    assert fills(lane) == []


def test_cancel_that_overtakes_its_order_cancels_it_on_arrival() -> None:
    """Where a faster channel brings the cancel first, the order never works."""
    lane = venue()
    asked, passed = sent(1, BUY, BID, 1_000)
    lane.take(asked)
    lane.take(CancelOrder(1, INSTRUMENT_ID, "test", 0))
    lane.take(passed)
    lane.pass_ms(2)
    assert [cancelled.order_id for cancelled in lane.of(OrderCancelled)] == [1]
    assert lane.of(OrderAccepted) == []
    assert lane.core.anomalies == []


def test_cancel_all_cancels_all() -> None:
    """The kill switch empties the venue."""
    lane = venue()
    place(lane, 1, BUY, BID, 1_000)
    place(lane, 2, SELL, ASK, 1_000)
    lane.take(CancelAll(0, "test"))
    lane.pass_ms(2)
    assert [(one.order_id, one.cause) for one in lane.of(OrderCancelled)] == [
        (1, CAUSE_KILL_SWITCH),
        (2, CAUSE_KILL_SWITCH),
    ]


def test_fresh_venue_takes_its_orders_back_from_the_ledger() -> None:
    """After a failure without saved state the orders that work are still there, behind an unknown queue."""
    lane = venue()
    place(lane, 1, BUY, BID, 1_000)
    lane.take(*sent(2, BUY, BID, 1_000))
    slot = lane.core.slots[0]
    lane.core.put_to_work(slot, slot.make())
    lane.take(top(BID, ASK, 100, 5_000))
    assert [rejected.order_id for rejected in lane.of(OrderRejected)] == [2]
    lane.take(trade(BID, 400, SELL))
    assert fills(lane) == [(1, BID, 300, 700)]
