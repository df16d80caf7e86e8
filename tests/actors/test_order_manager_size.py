"""The order manager: everything of a side that may fill is never more than what is wanted there, or was before."""

from __future__ import annotations

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from market.messages import BUY, CAUSE_REQUESTED, ChildReplace, OrderCancelled, OrderReplaced
from tests.actors.test_order_manager import FIRST_ID, LIVE_BOOK, UNIT, accept, cancels, orders, wanted
from tests.actors.trading_lane import INSTRUMENT_ID, START_NS, TradingLane


def two_levels(amend: str) -> TradingLane:
    """Bids of 10 and of 20, both working; the protocol begins after that."""
    params = OrderManagerParams(amend={"binance": amend})
    lane = TradingLane(OrderManager, params={OrderManager: params})
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10), (98, 20)], []))
    accept(lane)
    lane.forget()
    return lane


def cancelled(number: int, remaining: int) -> OrderCancelled:
    """The venue has cancelled an order as it was asked to."""
    return OrderCancelled(FIRST_ID + number, INSTRUMENT_ID, remaining, CAUSE_REQUESTED, "test")


def test_a_larger_order_waits_until_a_larger_one_is_gone() -> None:
    """Where the small order is gone first, the large one that is wanted would be too much beside the old large one."""
    lane = two_levels("nothing")
    lane.take(wanted([(97, 20), (96, 10)], []))
    assert (cancels(lane), orders(lane)) == ([0, 1], [])
    lane.take(cancelled(0, 10))
    assert orders(lane) == []
    lane.take(cancelled(1, 20))
    assert orders(lane) == [(BUY, 97, 20), (BUY, 96, 10)]


def test_an_order_grows_when_another_is_known_to_be_smaller() -> None:
    """Both are changed in place: the one that becomes smaller at once, the other when that is answered."""
    lane = two_levels("all")
    lane.take(wanted([(99, 24), (98, 6)], []))
    assert [(one.order_id - FIRST_ID, one.size) for one in lane.of(ChildReplace)] == [(1, 6)]
    lane.forget()
    lane.take(OrderReplaced(FIRST_ID + 1, INSTRUMENT_ID, 98 * UNIT, 6, START_NS))
    assert [(one.order_id - FIRST_ID, one.size) for one in lane.of(ChildReplace)] == [(0, 24)]


def test_what_a_smaller_want_leaves_open_counts_until_it_is_gone() -> None:
    """Fewer and smaller levels: nothing new before the side has come below what is wanted."""
    lane = two_levels("nothing")
    lane.take(wanted([(97, 8), (96, 8)], []))
    lane.take(cancelled(0, 10))
    assert orders(lane) == []
    lane.take(cancelled(1, 20))
    assert orders(lane) == [(BUY, 97, 8), (BUY, 96, 8)]
