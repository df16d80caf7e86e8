"""Money without a rate: nothing is opened in it, and what was lost in it is unknown, not nothing."""

from __future__ import annotations

from actors.portfolio import Portfolio
from actors.risk import Risk
from market.messages import BUY, MAKER, REJECT_STALE_BOOK, SELL, HaltReset, OrderFilled, TradingHalted
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, BTC_EUR, EUR_USDT, STRATEGY, RiskLane


def lane_without_a_rate() -> RiskLane:
    """The books of two instruments are live, that of the rate of EUR never was; no limit on exposure."""
    lane = RiskLane({"maximum_daily_loss": DecimalText("1000")}, classes=(Risk, Portfolio))
    lane.touch(BTC_EUR, "49999", "50001")
    lane.touch(BINANCE, "59999", "60001")
    return lane


def test_nothing_is_opened_in_money_whose_rate_was_never_known() -> None:
    """Also where only losses are limited: they could not be counted."""
    lane = lane_without_a_rate()
    lane.ask(BTC_EUR, BUY, "49999", "1")
    assert lane.codes() == [REJECT_STALE_BOOK]
    lane.touch(EUR_USDT, "1.1999", "1.2001")
    last = lane.ask(BTC_EUR, BUY, "49999", "1")
    assert lane.passed == [last]


def test_loss_in_money_that_never_had_a_rate_is_unknown() -> None:
    """Nothing passes in any instrument, and everybody says so; with the rate the limit halts."""
    lane = lane_without_a_rate()
    lane.take(OrderFilled(0, BTC_EUR, STRATEGY, 1, BUY, 500_000, 10**8, 0, 0, MAKER, 0))
    lane.take(HaltReset("test"))  # The lane halts for a fill of an order that nobody sent.
    lane.touch(BTC_EUR, "29999", "30001")
    lane.ask(BINANCE, BUY, "59999", "0.1")
    lane.ask(BINANCE, SELL, "60001", "0.1")
    assert lane.codes() == [REJECT_STALE_BOOK] * 2
    assert lane.risk.summary()["loss_of_day"] == "unknown"
    told = lane.actor(Portfolio).summary()
    assert told["profit"] == "unknown"
    assert "unknown USDT" in str(told["status"])
    lane.forget()
    lane.touch(EUR_USDT, "1.1999", "1.2001")
    (halted,) = lane.of(TradingHalted)
    assert "loss of the day 24000" in halted.reason
    assert lane.actor(Portfolio).summary()["profit"] == "-24000"
