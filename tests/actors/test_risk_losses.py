"""Losses: by day, from the peak, in one position, down to a floor; what follows, and what a person's reset forgives."""

from __future__ import annotations

import json

import pytest

from actors.risk import Risk
from actors.risk_params import minutes_of
from actors.risk_words import date_of
from market.messages import (
    BUY,
    REJECT_HALTED,
    SELL,
    CancelAll,
    DayBegan,
    FundingPaid,
    HaltReset,
    LimitReached,
    TradingHalted,
)
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, BTC_EUR, EUR_USDT, KRAKEN, STRATEGY, RiskLane

HOUR_MS = 3_600_000


def lane_with(**limits: object) -> RiskLane:
    """Every book open, wide limits except these."""
    lane = RiskLane(limits)
    lane.open_books()
    return lane


def halts(lane: RiskLane) -> list[str]:
    """Which limits have halted trading so far."""
    reached = [one.limit for one in lane.of(LimitReached) if one.halts]
    assert len(reached) == len([one for one in lane.of(TradingHalted) if one.source == "risk"])
    assert lane.failures() == []
    return reached


def test_loss_of_the_day_is_that_of_the_whole_portfolio() -> None:
    """What one venue loses another may earn: only the sum counts, in the common currency."""
    lane = lane_with(maximum_daily_loss=DecimalText("100"))
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.trade(KRAKEN, SELL, "60000", "1")
    lane.touch(KRAKEN, "59499", "59501")
    lane.touch(BINANCE, "59499", "59501")
    assert halts(lane) == []
    lane.touch(BINANCE, "59398.98", "59400.98")
    assert halts(lane) == ["maximum_daily_loss"]
    (told,) = [one for one in lane.of(LimitReached) if one.halts]
    assert (told.value, told.bound) == (100_02000000, 100_00000000)
    assert "100.02 USDT is above maximum_daily_loss 100" in lane.of(TradingHalted)[0].reason
    assert len(lane.of(CancelAll)) == 1
    lane.ask(BINANCE, SELL, "59400", "0.1")
    assert lane.codes() == [REJECT_HALTED]


def test_loss_in_another_currency_moves_with_its_rate() -> None:
    """A loss of 100 EUR is 120 USDT, and more when EUR rises."""
    lane = lane_with(maximum_daily_loss=DecimalText("125"))
    lane.trade(BTC_EUR, BUY, "50000", "1")
    lane.touch(BTC_EUR, "49899", "49901")
    assert halts(lane) == []
    lane.touch(EUR_USDT, "1.2999", "1.3001")
    assert halts(lane) == ["maximum_daily_loss"]


def test_funding_counts_as_loss() -> None:
    """What a position pays is lost like a fee."""
    lane = lane_with(maximum_daily_loss=DecimalText("10"))
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.take(FundingPaid(BINANCE, STRATEGY, -10_00000000, 0, 10_000, 0))
    assert halts(lane) == ["maximum_daily_loss"]


def test_drawdown_is_counted_from_the_highest_value() -> None:
    """A gain raises the peak; the fall from there counts, not from the beginning."""
    lane = lane_with(maximum_drawdown=DecimalText("100"))
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.touch(BINANCE, "60999", "61001")
    lane.touch(BINANCE, "60899", "60901")
    assert halts(lane) == []
    lane.touch(BINANCE, "60898.98", "60900.98")
    assert halts(lane) == ["maximum_drawdown"]


def test_reset_forgives_what_a_person_has_seen() -> None:
    """Day and peak count anew from there, so that the same loss does not halt at once again."""
    lane = lane_with(maximum_drawdown=DecimalText("100"), maximum_daily_loss=DecimalText("100"))
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.touch(BINANCE, "59898", "59900")
    assert halts(lane) == ["maximum_daily_loss"]
    lane.take(HaltReset("test"))
    lane.touch(BINANCE, "59897", "59899")
    assert halts(lane) == ["maximum_daily_loss"]
    lane.touch(BINANCE, "59797", "59799")
    assert halts(lane) == ["maximum_daily_loss"] * 2


def test_value_has_a_floor_that_no_reset_moves() -> None:
    """A person who goes on must lower it by command."""
    lane = lane_with(starting_value=DecimalText("1000"), minimum_portfolio_value=DecimalText("900"))
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.touch(BINANCE, "59899", "59901")
    assert halts(lane) == []
    lane.touch(BINANCE, "59898", "59900")
    assert halts(lane) == ["minimum_portfolio_value"]
    assert "portfolio value 899 USDT is below minimum_portfolio_value 900" in lane.of(TradingHalted)[0].reason
    lane.take(HaltReset("test"))
    lane.touch(BINANCE, "59897", "59899")
    assert halts(lane) == ["minimum_portfolio_value"] * 2


def test_position_has_a_stop() -> None:
    """A position that has lost more than its share of what it cost halts, whatever the others earned."""
    lane = lane_with(stop_loss_percent=DecimalText("1"))
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.trade(KRAKEN, SELL, "60000", "1")
    lane.touch(KRAKEN, "58999", "59001")
    lane.touch(BINANCE, "59399", "59401")
    assert halts(lane) == []
    lane.touch(BINANCE, "59398.98", "59400.98")
    assert halts(lane) == ["stop_loss_percent"]
    (told,) = [one for one in lane.of(LimitReached) if one.halts]
    assert told.instrument_id == BINANCE
    lane.take(HaltReset("test"))
    lane.touch(BINANCE, "59000", "59002")
    assert halts(lane) == ["stop_loss_percent"]
    lane.touch(BINANCE, "58700", "58702")
    assert halts(lane) == ["stop_loss_percent"] * 2


def test_limit_that_is_near_is_told_once() -> None:
    """At its share it is a warning; again only after it was far away."""
    lane = lane_with(maximum_daily_loss=DecimalText("100"), warn_percent=80)
    lane.trade(BINANCE, BUY, "60000", "1")
    for bid in ("59921", "59919", "59915", "59950", "59919", "59990", "59919"):
        lane.touch(BINANCE, bid, str(int(bid) + 2))
    warnings = [one for one in lane.of(LimitReached) if not one.halts]
    assert [one.value for one in warnings] == [80_00000000, 80_00000000]
    assert halts(lane) == []


@pytest.mark.parametrize(
    ("begins", "offset", "minutes"),
    [("00:00", "+00:00", 0), ("17:00", "-05:00", 22 * 60), ("00:00", "+09:00", -9 * 60), ("08:30", "+01:00", 450)],
)
def test_day_begins_when_the_configuration_says(begins: str, offset: str, minutes: int) -> None:
    """A timer wakes it: the new day is told at its boundary, with its date, and its loss begins at nothing."""
    lane = lane_with(maximum_daily_loss=DecimalText("100"), day_begins=begins, day_offset=offset)
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.touch(BINANCE, "59919", "59921")
    lane.pass_ms(24 * HOUR_MS)
    (began,) = lane.of(DayBegan)
    assert began.start_ns % (24 * HOUR_MS * 1_000_000) == minutes * 60_000_000_000 % (24 * HOUR_MS * 1_000_000)
    assert began.day == date_of(began.start_ns)
    lane.touch(BINANCE, "59830", "59832")
    assert halts(lane) == []
    lane.touch(BINANCE, "59800", "59802")
    assert halts(lane) == ["maximum_daily_loss"]


def test_results_are_the_same_after_saving_and_loading() -> None:
    """Day, peak and what was seen survive; a loaded one halts where the saved one would have."""
    lane = lane_with(maximum_drawdown=DecimalText("100"), stop_loss_percent=DecimalText("10"))
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.touch(BINANCE, "60499", "60501")
    state = json.loads(json.dumps(lane.core.save()))
    again = RiskLane({"maximum_drawdown": DecimalText("100"), "stop_loss_percent": DecimalText("10")})
    again.core.load(state)
    again.now_ns = lane.now_ns
    again.touch(BINANCE, "60398", "60400")
    assert [one.limit for one in again.of(LimitReached)] == ["maximum_drawdown"]
    assert again.actor(Risk).losses.peak == lane.actor(Risk).losses.peak


@pytest.mark.parametrize(
    ("text", "expected"), [("00:00", 0), ("23:59", 1439), ("24:00", -1), ("7:00", -1), ("07-00", -1), ("aa:00", -1)]
)
def test_times_of_day_are_read_strictly(text: str, expected: int) -> None:
    """Two digits, a colon, two digits."""
    assert minutes_of(text) == expected


@pytest.mark.parametrize(
    ("day", "expected"), [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_454, "2026-01-01")]
)
def test_dates(day: int, expected: str) -> None:
    """Days since 1970 as dates, leap days included."""
    assert date_of(day * 86_400_000_000_000 + 5) == expected


@pytest.mark.parametrize("sales", [("2",), ("1", "1")])
def test_forgiven_loss_is_that_of_the_position_that_was_seen(sales: tuple[str, ...]) -> None:
    """A short that was opened since is judged by itself, also when one sale closed the long and opened it."""
    lane = RiskLane(
        {
            "stop_loss_percent": DecimalText("1"), "maximum_position": DecimalText("3"),
            "maximum_order_size": DecimalText("3"), "maximum_order_notional": DecimalText("500000"),
        }
    )  # fmt: skip
    lane.open_books()
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.touch(BINANCE, "58499", "58501")
    assert len(lane.of(TradingHalted)) == 1
    lane.take(HaltReset("test"))
    for size in sales:
        lane.trade(BINANCE, SELL, "58500", size)
    lane.touch(BINANCE, "59079", "59081")
    assert len(lane.of(TradingHalted)) == 1
    lane.touch(BINANCE, "59099", "59101")
    assert len(lane.of(TradingHalted)) == 2
