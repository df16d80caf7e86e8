"""What is asked for in one step: an order that was refused gives no room to the ones that were asked for with it."""

from __future__ import annotations

import pytest

from actors.risk import Risk
from market.messages import (
    BUY,
    REJECT_GROSS_EXPOSURE,
    REJECT_HALTED,
    REJECT_POSITION,
    REJECT_POSITION_COUNT,
    SELL,
    ChildReplace,
    ReplaceOrder,
    ReplaceRejected,
    TradingHalted,
)
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, COINBASE, KRAKEN, PAIRS, RiskLane, Together


def lane_with(**limits: object) -> RiskLane:
    """Every book open, and an actor that asks for several orders at once."""
    lane = RiskLane(limits, classes=(Together, Risk))
    lane.open_books()
    return lane


@pytest.mark.parametrize("first", [BUY, SELL])
def test_gross_limit_holds_when_both_sides_are_asked_for_at_once(first: int) -> None:
    """Neither side passes, whichever is asked for first: a refused bid does not make its ask add nothing."""
    lane = lane_with(maximum_gross_exposure=DecimalText("6000"))
    orders = [
        lane.wanted(BINANCE, side, str(60_000 - side * away), "0.5")
        for side in (first, -first)
        for away in (10, 20, 30)
    ]  # fmt: skip
    lane.ask_together(*orders)
    assert lane.passed == []
    assert lane.codes() == [REJECT_GROSS_EXPOSURE] * 6


def test_both_sides_that_fit_pass_at_once() -> None:
    """What is within the limit passes; the next is refused, on either side."""
    lane = lane_with(maximum_gross_exposure=DecimalText("6000"))
    lane.ask_together(
        lane.wanted(BINANCE, BUY, "59990", "0.1"),
        lane.wanted(BINANCE, SELL, "60010", "0.1"),
        lane.wanted(BINANCE, BUY, "59980", "0.1"),
        lane.wanted(BINANCE, SELL, "60020", "0.1"),
    )
    assert lane.passed == [1, 2]
    assert lane.codes() == [REJECT_GROSS_EXPOSURE] * 2


def test_number_of_positions_holds_when_both_sides_are_asked_for_at_once() -> None:
    """The second order in a refused instrument is the first one there, too."""
    lane = lane_with(maximum_positions=1)
    lane.ask_together(lane.wanted(BINANCE, BUY, "59990", "0.5"))
    lane.ask_together(
        *[lane.wanted(number, side, str(60_000 - side * 10), "0.5")
          for number in (KRAKEN, COINBASE) for side in (BUY, SELL)]
    )  # fmt: skip
    assert lane.passed == [1]
    assert lane.codes() == [REJECT_POSITION_COUNT] * 4


def test_a_refused_order_takes_no_room_from_the_others() -> None:
    """One that is too large does not keep out the one that is asked for with it."""
    lane = lane_with(maximum_position=DecimalText("1"))
    lane.ask_together(lane.wanted(BINANCE, BUY, "59990", "0.6"))
    lane.ask_together(lane.wanted(BINANCE, BUY, "59980", "0.5"), lane.wanted(BINANCE, BUY, "59970", "0.4"))
    assert lane.passed == [1, 3]
    assert lane.codes() == [REJECT_POSITION]


def test_a_refused_change_counts_no_longer_within_its_step() -> None:
    """Gross: a bid that may not grow gives no room to an ask of the same step, and counts as before."""
    lane = lane_with(maximum_gross_exposure=DecimalText("6000"))
    order_id = lane.ask(BINANCE, BUY, "59990", "0.05")
    lane.accept(order_id)
    one = PAIRS[BINANCE - 1]
    change = ChildReplace(order_id, BINANCE, one.parse_price("59990"), one.parse_size("0.5"), lane.now_ns)
    lane.ask_together(change, lane.wanted(BINANCE, SELL, "60010", "0.4"))
    assert lane.passed == [order_id]
    assert lane.codes() == [REJECT_GROSS_EXPOSURE] * 2
    assert len(lane.of(ReplaceRejected)) == 1
    assert lane.core.ledger.standing(BINANCE).longest() == one.parse_size("0.05")


def test_a_change_that_passed_does_not_leave_after_a_halt_of_the_same_step() -> None:
    """Neither does an order: both are refused by the lane, and the order counts as before."""
    lane = lane_with()
    order_id = lane.ask(BINANCE, BUY, "59990", "0.1")
    lane.accept(order_id)
    lane.forget()
    one = PAIRS[BINANCE - 1]
    change = ChildReplace(order_id, BINANCE, one.parse_price("59990"), one.parse_size("0.9"), lane.now_ns)
    lane.ask_together(change, TradingHalted("test", "test"), lane.wanted(BINANCE, BUY, "59980", "0.1"))
    assert lane.of(ReplaceOrder) == []
    assert lane.passed == []
    (refused,) = lane.of(ReplaceRejected)
    assert (refused.code, refused.reason) == (REJECT_HALTED, "trading is halted")
    assert lane.core.ledger.standing(BINANCE).longest() == one.parse_size("0.1")
    assert lane.core.anomalies == []
