"""Requests at the paper venue: changes, orders that end by the clock, questions, several venues, and the way back."""

from __future__ import annotations

import pytest

from actors.paper_params import PaperDelays
from market.messages import (
    BUY,
    FOK,
    GTD,
    IOC,
    MARKET,
    REJECT_BAD_PRICE,
    REJECT_EXPIRED,
    REJECT_NOT_FILLABLE,
    REJECT_POST_ONLY,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNSUPPORTED,
    SELL,
    STALE,
    STATE_BALANCES,
    STATE_OPEN_ORDERS,
    VENUE_CANCELLED,
    VENUE_FILLED,
    VENUE_UNKNOWN,
    VENUE_WORKING,
    CancelAll,
    CancelOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatus,
    OrderStatusWanted,
    QueuePosition,
    ReplaceRejected,
    ShadowFilled,
    VenueStateComplete,
    VenueStateWanted,
)
from tests.actors.paper_lane import ASK, BID, PaperLane
from tests.actors.trading_lane import MILLISECOND, START_NS


def lane_of(**settings: object) -> PaperLane:
    """A venue that displays 0.05 on each side."""
    lane = PaperLane(**settings)
    lane.top(BID, 5_000, ASK, 5_000)
    return lane


# ---- changes


def test_smaller_size_keeps_the_place() -> None:
    """What is ahead stays what it was; the new size holds what was filled before."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000)
    lane.trade(BID, 5_100, SELL)
    lane.replace(1, BID, 600)
    (replaced,) = lane.of(OrderReplaced)
    assert (replaced.price, replaced.size) == (BID, 600)
    lane.trade(BID, 9_000, SELL)
    assert lane.fills() == [(1, BID, 100, 900), (1, BID, 500, 0)]
    assert list(lane.core.anomalies) == []


@pytest.mark.parametrize(("price", "size"), [(BID, 1_100), (BID - 100, 1_000), (BID + 100, 900)])
def test_larger_size_or_another_price_loses_the_place(price: int, size: int) -> None:
    """The order queues anew, behind what is displayed at its price."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000)
    lane.trade(BID, 4_900, SELL)
    lane.replace(1, price, size)
    lane.trade(price, 200, SELL)
    expected = [(1, price, 200, size - 200)] if price > BID else []
    assert lane.fills() == expected


def test_change_of_a_post_only_order_that_would_trade_is_refused_and_leaves_it() -> None:
    """The order is as it was, at its place."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000, post_only=True)
    lane.replace(1, ASK, 1_000)
    assert [one.code for one in lane.of(ReplaceRejected)] == [REJECT_POST_ONLY]
    lane.trade(BID, 5_400, SELL)
    assert lane.fills() == [(1, BID, 400, 600)]


def test_change_that_crosses_takes() -> None:
    """First the change is confirmed, then what it takes is told."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000)
    lane.replace(1, ASK, 6_000)
    kinds = [type(one) for one in lane.heard if isinstance(one, (OrderReplaced, OrderFilled))]
    assert kinds == [OrderReplaced, OrderFilled]
    assert lane.fills() == [(1, ASK, 5_000, 1_000)]


def test_change_of_what_is_over_or_cannot_be_is_refused() -> None:
    """An order that is filled, a size that has traded already, a price off the tick."""
    lane = lane_of()
    lane.place(1, BUY, BID + 100, 1_000)
    lane.trade(BID + 100, 600, SELL)
    lane.replace(1, BID + 100, 600)
    lane.replace(1, 0, 900)
    lane.trade(BID, 600, SELL)
    lane.replace(1, BID, 900)
    assert [one.code for one in lane.of(ReplaceRejected)] == [REJECT_TOO_LATE, REJECT_BAD_PRICE, REJECT_TOO_LATE]


# ---- kinds of orders


def test_order_that_ends_by_the_clock_ends_then() -> None:
    """What is left of it expires, the earliest first; one that arrives too late is refused."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000, time_in_force=GTD, expire_ns=START_NS + 20 * MILLISECOND)
    lane.place(2, BUY, BID, 1_000, time_in_force=GTD, expire_ns=START_NS + 10 * MILLISECOND)
    lane.place(3, BUY, BID, 1_000, time_in_force=GTD, expire_ns=START_NS)
    assert [one.code for one in lane.of(OrderRejected)] == [REJECT_EXPIRED]
    lane.pass_ms(11)
    assert [(one.order_id, one.remaining) for one in lane.of(OrderExpired)] == [(2, 1_000)]
    lane.pass_ms(10)
    assert [one.order_id for one in lane.of(OrderExpired)] == [2, 1]
    assert lane.core.timers.first() is None


def test_post_only_can_only_rest() -> None:
    """With IOC, FOK or as a market order it makes no sense."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000, time_in_force=IOC, post_only=True)
    lane.place(2, BUY, 0, 1_000, order_type=MARKET, post_only=True)
    assert [one.code for one in lane.of(OrderRejected)] == [REJECT_UNSUPPORTED] * 2


def test_order_walks_the_levels_that_are_known() -> None:
    """Each level at its own price, none twice, and no further than the limit; a market order walks all of them."""
    lane = PaperLane()
    lane.depth([(BID, 500)], [(ASK, 300), (ASK + 100, 200), (ASK + 300, 900)])
    lane.place(1, BUY, ASK + 200, 600, time_in_force=FOK)
    assert [one.code for one in lane.of(OrderRejected)] == [REJECT_NOT_FILLABLE]
    lane.place(2, BUY, ASK + 200, 400, time_in_force=FOK)
    lane.place(3, BUY, 0, 2_000, order_type=MARKET)
    assert lane.fills() == [(2, ASK, 300, 100), (2, ASK + 100, 100, 0), (3, ASK + 100, 100, 1_900),
                            (3, ASK + 300, 900, 1_000)]  # fmt: skip
    lane.depth([(BID, 500)], [(ASK, 300), (ASK + 100, 250), (ASK + 300, 900)])
    lane.place(4, BUY, ASK + 300, 1_000, time_in_force=IOC)
    assert lane.fills()[4:] == [(4, ASK + 100, 50, 950)]


def test_depth_tells_the_place_below_the_touch() -> None:
    """With depth an order below the touch knows what is ahead at once; without, when the touch comes."""
    lane = PaperLane()
    lane.depth([(BID, 5_000), (BID - 200, 700)], [(ASK, 5_000)])
    for order_id, price in enumerate((BID, BID - 100, BID - 200, BID - 300), start=1):
        lane.place(order_id, BUY, price, 1_000)
    told = [(one.order_id, one.queue_ahead, one.level_size) for one in lane.of(QueuePosition)]
    assert told == [(1, 5_000, 6_000), (2, 0, 1_000), (3, 700, 1_700)]


def test_place_is_told_when_half_of_it_is_left() -> None:
    """News of the place are few: when it is known, at each half, at the front."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000)
    for _ in range(50):
        lane.trade(BID, 100, SELL)
    assert [one.queue_ahead for one in lane.of(QueuePosition)] == [5_000, 2_500, 1_200, 600, 300, 100, 0]


# ---- several venues, and the way back


def test_each_venue_has_a_line_of_its_own() -> None:
    """A slow venue keeps nobody waiting elsewhere; at one venue an instrument waits for another."""
    lane = lane_of(latency_us=1_000, venues={"kraken": PaperDelays(latency_us=5_000, jitter_us=0)})
    lane.send(1, BUY, 100_000, 1_000, instrument=3)
    lane.send(2, BUY, BID, 1_000, instrument=2)
    lane.pass_ms(2)
    assert [one.order_id for one in lane.of(OrderAccepted)] == [2]
    lane.pass_ms(4)
    assert [one.order_id for one in lane.of(OrderAccepted)] == [2, 1]


def test_cancels_may_have_a_delay_of_their_own_but_overtake_nothing() -> None:
    """A quick cancel waits for the slow order before it."""
    lane = lane_of(latency_us=5_000, cancel_latency_us=1_000)
    lane.place(1, BUY, BID, 1_000)
    lane.pass_ms(5)
    lane.send(2, BUY, BID, 1_000)
    lane.take(CancelOrder(1, 1, "test", 0))
    lane.pass_ms(4)
    assert lane.of(OrderCancelled) == []
    lane.pass_ms(1)
    lane.take(CancelOrder(2, 1, "test", 0))
    lane.pass_ms(1)
    assert [one.order_id for one in lane.of(OrderCancelled)] == [1, 2]


def test_reports_come_back_late_and_in_order() -> None:
    """What has happened at the venue has happened, whenever it is told; shadow fills travel with the others."""
    lane = lane_of(report_latency_us=2_000, report_jitter_us=3_000)
    for order_id in range(1, 20):
        lane.send(order_id, BUY, ASK, 100)
        lane.send(order_id + 100, BUY, BID, 100)
        lane.take(CancelOrder(order_id + 100, 1, "test", 0))
    lane.pass_ms(1)
    assert not [one for one in lane.heard if isinstance(one, (OrderAccepted, OrderFilled))]
    lane.pass_ms(20)
    assert [one.order_id for one in lane.of(OrderFilled)] == list(range(1, 20))
    assert [one.order_id for one in lane.of(OrderCancelled)] == list(range(101, 120))
    assert len(lane.of(ShadowFilled)) == 38
    assert {one.venue_ns for one in lane.of(OrderFilled)} == {START_NS}
    assert list(lane.core.anomalies) == []


def test_cancel_that_meets_a_fill_on_its_way_back_is_too_late() -> None:
    """The order was filled at the venue, though nobody here knows it yet."""
    lane = lane_of(report_latency_us=5_000)
    lane.place(1, BUY, ASK, 1_000)
    lane.pass_ms(1)
    lane.cancel(1)
    lane.pass_ms(10)
    assert [one.order_id for one in lane.of(OrderFilled)] == [1]
    assert lane.of(OrderCancelled) == []
    assert list(lane.core.anomalies) == []


def test_unknown_instrument_is_refused() -> None:
    """Whoever asks for what is not traded here gets an answer."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000, instrument=9)
    assert [one.code for one in lane.of(OrderRejected)] == [REJECT_UNKNOWN_INSTRUMENT]


# ---- questions


def test_open_orders_are_told_when_asked() -> None:
    """Of every venue, and at the end that this was all; so a halt can be confirmed."""
    lane = lane_of(report_latency_us=1_000, venues={"kraken": PaperDelays(report_latency_us=9_000)})
    lane.place(1, BUY, BID, 1_000)
    lane.place(2, BUY, 100_000, 1_000, instrument=3)
    lane.take(VenueStateWanted(0, STATE_OPEN_ORDERS, 0, "test"))
    lane.take(VenueStateWanted(0, STATE_BALANCES, 0, "test"))
    lane.take(CancelAll(0, "halt"))
    lane.take(VenueStateWanted(0, STATE_OPEN_ORDERS, 0, "test"))
    lane.pass_ms(20)
    told = [one for one in lane.heard if isinstance(one, (OrderStatus, OrderCancelled, VenueStateComplete))]
    statuses = [one for one in told if isinstance(one, OrderStatus)]
    assert [(one.order_id, one.status, one.size) for one in statuses] == [
        (1, VENUE_WORKING, 1_000), (2, VENUE_WORKING, 1_000),
    ]  # fmt: skip
    completes = [one for one in told if isinstance(one, VenueStateComplete)]
    assert [(one.connection_id, one.count) for one in completes] == [(0, 2), (0, 0)]
    assert isinstance(told[-1], VenueStateComplete)


def test_one_order_is_told_when_asked() -> None:
    """One that works, one that is filled, one that was cancelled, one that nobody knows; as it stands there."""
    lane = lane_of(report_latency_us=1_000)
    lane.place(1, BUY, BID, 1_000)
    lane.place(2, BUY, ASK, 1_000)
    lane.place(3, BUY, BID, 1_000)
    lane.pass_ms(2)
    lane.cancel(3)
    for order_id in (1, 2, 3, 4):
        lane.take(OrderStatusWanted(order_id, 1, "test", START_NS))
    lane.pass_ms(2)
    told = [(one.order_id, one.status, one.filled) for one in lane.of(OrderStatus)]
    assert told == [(1, VENUE_WORKING, 0), (2, VENUE_FILLED, 1_000), (3, VENUE_CANCELLED, 0), (4, VENUE_UNKNOWN, 0)]


def test_cancel_all_of_one_instrument_leaves_the_others() -> None:
    """The kill switch may concern one instrument."""
    lane = lane_of()
    lane.place(1, BUY, BID, 1_000)
    lane.place(2, BUY, BID, 1_000, instrument=2)
    lane.take(CancelAll(2, "test"))
    lane.pass_ms(0)
    assert [one.order_id for one in lane.of(OrderCancelled)] == [2]


def test_panel_and_summary_tell_places_and_delays() -> None:
    """Numbers are text; a place that nobody knows is empty; what is drawn is bounded."""
    lane = lane_of(latency_us=3_000)
    lane.top(BID, 5_000, ASK, 5_000)
    for order_id in range(1, 60):
        lane.send(order_id, BUY, BID if order_id == 1 else BID - 100, 1_000)
    lane.pass_ms(5)
    panel = lane.venue.panel()
    assert (panel["kind"], panel["latency_us"]) == ("paper", "3000")
    orders = panel["orders"]
    assert isinstance(orders, list)
    assert len(orders) == 40
    assert orders[0] == {"order_id": 1, "instrument_id": 1, "queue_ahead": "0.05000", "level_size": "0.06000"}
    assert orders[1]["queue_ahead"] == ""
    summary = lane.venue.summary()
    assert (summary["accepted"], summary["resting"], summary["on_the_way"]) == (59, 59, 0)


def test_orders_that_come_while_the_book_is_not_live_are_judged_by_the_first_touch() -> None:
    """A post-only one that would trade then is cancelled; another one takes, and pays for it; the rest queue."""
    lane = PaperLane()
    lane.top(BID, 5_000, ASK, 5_000, STALE)
    lane.place(1, BUY, ASK, 1_000, post_only=True)
    lane.place(2, BUY, ASK, 1_000)
    lane.place(3, BUY, BID, 1_000)
    lane.place(4, BUY, ASK, 1_000, time_in_force=IOC)
    assert [one.order_id for one in lane.of(OrderCancelled)] == [4]
    lane.top(BID, 5_000, ASK, 5_000)
    assert [one.order_id for one in lane.of(OrderCancelled)] == [4, 1]
    assert [(one.order_id, one.price, one.liquidity) for one in lane.of(OrderFilled)] == [(2, ASK, 2)]
    assert lane.venue.summary()["resting"] == 1
