"""Risk: what passes, and that every refusal names the limit, the value and the order."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from actors.risk import Risk
from actors.risk_limits import scaled
from actors.risk_params import RiskParams
from market.messages import (
    BUY,
    LIVE,
    MAKER,
    REJECT_DAILY_LOSS,
    REJECT_HALTED,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_NOTIONAL,
    REJECT_ORDER_RATE,
    REJECT_ORDER_SIZE,
    REJECT_POSITION,
    REJECT_PRICE_COLLAR,
    REJECT_STALE_BOOK,
    SELL,
    STALE,
    SYNCING,
    ActorFailed,
    BookStateChanged,
    CancelAll,
    HaltReset,
    NewOrder,
    OrderFilled,
    OrderRejected,
    TradingHalted,
)
from runtime.config.rules import DecimalText
from tests.actors.trading_lane import INSTRUMENT_ID, STANDARD, START_NS, TradingLane, child, top

# The mid is 60,000.00; a size of 1,000 is 0.01.
BID, ASK = 5_999_900, 6_000_100


def lane_with(**limits: object) -> TradingLane:
    """Risk with a live book and the standard limits except these."""
    standard = STANDARD[Risk]
    assert isinstance(standard, RiskParams)
    changed: dict[str, Any] = dict(limits)
    lane = TradingLane(Risk, params={Risk: attrs.evolve(standard, **changed)})
    lane.take(top(BID, ASK))
    return lane


def refusal(lane: TradingLane) -> OrderRejected:
    """The one refusal so far."""
    (rejected,) = lane.of(OrderRejected)
    assert rejected.source == "risk"
    return rejected


def filled(order_id: int, side: int, price: int, size: int, fee: int = 0) -> OrderFilled:
    """A complete fill of an order."""
    return OrderFilled(order_id, INSTRUMENT_ID, 90, order_id, side, price, size, 0, fee, MAKER, START_NS)


def test_order_within_its_limits_passes_unchanged() -> None:
    """An order that passes leaves as a `NewOrder` with the same fields."""
    lane = lane_with()
    order = child(1, BUY, BID, 1_000)
    lane.take(order)
    (passed,) = lane.of(NewOrder)
    assert repr(passed) == repr(order).replace("ChildOrder", "NewOrder")
    assert lane.of(OrderRejected) == []


@pytest.mark.parametrize(
    ("limits", "price", "size", "code", "names"),
    [
        ({}, BID, 5_001, REJECT_ORDER_SIZE, ["order 1", "0.05001", "maximum_order_size", "0.05000"]),
        (
            {"maximum_order_notional": DecimalText("599.98")}, BID, 1_000, REJECT_ORDER_NOTIONAL,
            ["order 1", "599.99", "maximum_order_notional", "599.98"],
        ),
        ({"collar_bps": 10}, 5_993_900, 1_000, REJECT_PRICE_COLLAR, ["order 1", "59939.00", "11 bps", "collar_bps 10"]),
        (
            {"maximum_position": DecimalText("0.00999")}, BID, 1_000, REJECT_POSITION,
            ["order 1", "0.01000", "maximum_position", "0.00999"],
        ),
    ],
)  # fmt: skip
def test_refusal_names_limit_value_and_order(
    limits: dict[str, object], price: int, size: int, code: int, names: list[str]
) -> None:
    """One step beyond a limit is refused with the limit's name, its value, the order's value and the order."""
    lane = lane_with(**limits)
    lane.take(child(1, BUY, price, size))
    rejected = refusal(lane)
    assert rejected.code == code
    assert [name for name in names if name not in rejected.reason] == []
    assert lane.of(NewOrder) == []


def test_limits_themselves_pass() -> None:
    """An order exactly at every limit passes."""
    lane = lane_with(
        maximum_order_size=DecimalText("0.01"), maximum_order_notional=DecimalText("599.94"), collar_bps=10,
        maximum_position=DecimalText("0.01"),
    )  # fmt: skip
    lane.take(child(1, BUY, 5_994_000, 1_000))
    assert len(lane.of(NewOrder)) == 1


@pytest.mark.parametrize("state", [STALE, SYNCING])
def test_without_a_live_book_nothing_passes(state: int) -> None:
    """Neither a book that was never told, nor one that is not live, nor one whose keeper may have failed will do."""
    lane = lane_with()
    lane.take(BookStateChanged(INSTRUMENT_ID, state, "test", 0, 0))
    lane.take(child(1, BUY, BID, 1_000))
    assert refusal(lane).code == REJECT_STALE_BOOK
    lane.take(top(BID, ASK, state=LIVE))
    lane.take(child(2, BUY, BID, 1_000))
    assert len(lane.of(NewOrder)) == 1
    lane.actor(Risk).on_actor_failed(ActorFailed(2, 1, 1, "test"))
    lane.take(child(3, BUY, BID, 1_000))
    assert [rejected.code for rejected in lane.of(OrderRejected)] == [REJECT_STALE_BOOK] * 2


def test_open_orders_are_limited() -> None:
    """The order that would be one too many is refused."""
    lane = lane_with(maximum_open_orders=2)
    for order_id in (1, 2, 3):
        lane.take(child(order_id, BUY, BID, 100))
    assert len(lane.of(NewOrder)) == 2
    assert refusal(lane).code == REJECT_OPEN_ORDERS


def test_order_rate_is_limited_in_a_sliding_window() -> None:
    """No more orders than the limit within any window; a refused one does not count."""
    lane = lane_with(maximum_orders=2, window_ms=100)
    for order_id in (1, 2, 3):
        lane.take(child(order_id, BUY, BID, 100))
        lane.pass_ms(40)
    assert refusal(lane).code == REJECT_ORDER_RATE
    lane.take(child(4, BUY, BID, 100))
    assert [order.order_id for order in lane.of(NewOrder)] == [1, 2, 4]


def test_position_counts_open_orders_at_their_worst() -> None:
    """What is held and every open order of the same side count together; the other side does not help."""
    lane = lane_with(maximum_position=DecimalText("0.03"))
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(filled(1, BUY, BID, 1_000))
    lane.take(child(2, SELL, ASK, 1_000))
    lane.take(child(3, BUY, BID, 2_000))
    lane.take(child(4, BUY, BID, 1))
    assert [order.order_id for order in lane.of(NewOrder)] == [1, 2, 3]
    assert "position 0.03001 at worst" in refusal(lane).reason


def test_order_that_reduces_the_position_passes_beyond_the_limit() -> None:
    """A position that is already too large may be made smaller, not turned over the other limit."""
    lane = lane_with(maximum_position=DecimalText("0.01"))
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(filled(1, BUY, BID, 1_000))
    lane.take(child(2, SELL, ASK, 2_000))
    assert [order.order_id for order in lane.of(NewOrder)] == [1, 2]
    lane.take(child(3, SELL, ASK, 1))
    assert refusal(lane).code == REJECT_POSITION


def test_loss_of_the_day_halts_until_a_person_resets_it() -> None:
    """The loss is marked to the mid; beyond the limit everything is cancelled and every order refused."""
    lane = lane_with(maximum_daily_loss=DecimalText("10"))
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(filled(1, BUY, BID, 1_000))
    lane.take(top(BID - 100_100, ASK - 100_100))
    assert lane.of(TradingHalted) == []
    lane.take(top(BID - 100_102, ASK - 100_102))
    (halted,) = lane.of(TradingHalted)
    assert "maximum_daily_loss" in halted.reason
    assert len(lane.of(CancelAll)) == 1
    lane.take(child(2, SELL, ASK - 100_100, 100))
    assert refusal(lane).code == REJECT_HALTED
    lane.take(HaltReset("test"))
    lane.take(child(3, SELL, ASK - 100_100, 100))
    assert [order.order_id for order in lane.of(NewOrder)] == [1, 3]


def test_fee_alone_can_reach_the_loss_limit() -> None:
    """Fees count as loss, at the fill, without a new price."""
    lane = lane_with(maximum_daily_loss=DecimalText("10"))
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(filled(1, BUY, BID, 1_000, fee=101_000_000))
    assert len(lane.of(TradingHalted)) == 1


def test_loss_counts_anew_on_a_new_day() -> None:
    """What was lost before midnight UTC is not held against the new day."""
    lane = lane_with(maximum_daily_loss=DecimalText("10"))
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(filled(1, BUY, BID, 1_000))
    lane.take(top(BID - 80_000, ASK - 80_000))
    lane.pass_ms(86_400_000)
    lane.take(top(BID - 80_000, ASK - 80_000))
    lane.take(top(BID - 160_000, ASK - 160_000))
    assert lane.of(TradingHalted) == []
    lane.take(child(2, SELL, ASK - 160_000, 100))
    assert REJECT_DAILY_LOSS not in [rejected.code for rejected in lane.of(OrderRejected)]


@pytest.mark.parametrize(
    ("text", "scale", "expected"), [("1.5", 2, 150), ("0.019", 2, 1), ("1000", 30, 1000 * 10**30), ("7", 0, 7)]
)
def test_amounts_of_the_configuration_are_exact(text: str, scale: int, expected: int) -> None:
    """Amounts are scaled without a float, however large the scale; digits below the scale are cut off."""
    assert scaled(text, scale) == expected
