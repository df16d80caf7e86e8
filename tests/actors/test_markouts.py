"""Markouts: at which price a fill is compared, for makers and takers, and that memory does not grow."""

from __future__ import annotations

import json

from actors.markouts import Markouts, Waiting, mean_bps
from actors.portfolio import Portfolio
from actors.portfolio_params import PortfolioParams
from actors.risk import Risk
from market.messages import BUY, MAKER, SELL, STALE, TAKER, BookStateChanged, FairValue, Markout
from tests.actors.risk_lane import BINANCE, KRAKEN, RiskLane

SECOND = 1_000_000_000


def lane_with(reference: str = "mid") -> RiskLane:
    """Risk and portfolio with every book open."""
    params = PortfolioParams(currency="USDT", rates={"EUR": "EUR/USDT"}, markout_reference=reference)
    lane = RiskLane(classes=(Risk, Portfolio), portfolio=params)
    lane.open_books()
    return lane


def told(lane: RiskLane) -> list[tuple[int, float]]:
    """Horizons in seconds and basis points so far."""
    assert lane.failures() == []
    return [(one.horizon_ns // SECOND, one.markout_bps) for one in lane.of(Markout)]


def test_fill_is_compared_with_the_price_that_held_at_the_horizon() -> None:
    """Not with the first one after it: a touch that comes late brings the markout of the price before it."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.touch(BINANCE, "60005", "60007")
    lane.pass_ms(1_001)
    lane.touch(BINANCE, "70000", "70002")
    assert told(lane) == [(1, 1.0)]
    (markout,) = lane.of(Markout)
    assert (markout.mark_price, markout.fill_price, markout.liquidity) == (6_000_600.0, 6_000_000, MAKER)


def test_every_horizon_is_told_once_and_a_sale_gains_when_the_price_falls() -> None:
    """1, 10 and 60 seconds after each fill."""
    lane = lane_with()
    lane.trade(BINANCE, SELL, "60000", "0.1")
    lane.touch(BINANCE, "59939", "59941")
    lane.pass_ms(61_000)
    assert told(lane) == [(1, 10.0), (10, 10.0), (60, 10.0)]
    lane.pass_ms(120_000)
    assert len(told(lane)) == 3


def test_makers_and_takers_are_kept_apart() -> None:
    """Their means are told in the summary and the panel, as text."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "60000", "0.1", liquidity=MAKER)
    lane.trade(KRAKEN, BUY, "60000", "0.1", liquidity=TAKER)
    lane.touch(BINANCE, "60005", "60007")
    lane.touch(KRAKEN, "59987", "59989")
    lane.pass_ms(2_000)
    first = lane.actor(Portfolio).markouts.told()[0]
    assert first == {"horizon_s": 1, "maker_bps": "1.00", "taker_bps": "-2.00", "count": 2, "left_out": 0}


def test_without_a_live_price_a_fill_is_left_out() -> None:
    """A price that nobody vouches for says nothing; it is counted."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.take(BookStateChanged(BINANCE, STALE, "test", 0, 0))
    lane.pass_ms(2_000)
    lane.touch(BINANCE, "60005", "60007")
    lane.pass_ms(10_000)
    assert told(lane) == [(10, 1.0)]
    assert [one["left_out"] for one in lane.actor(Portfolio).markouts.told()] == [1, 0, 0]


def test_fair_value_may_be_the_reference() -> None:
    """Where the configuration says so; without confidence there is none."""
    lane = lane_with("fair")
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.take(FairValue(BINANCE, 6_001_200.0, 1.0, 0))
    lane.pass_ms(1_000)
    lane.take(FairValue(BINANCE, 6_001_200.0, 0.0, 0))
    lane.pass_ms(10_000)
    assert told(lane) == [(1, 2.0)]


def test_memory_does_not_grow() -> None:
    """Where more fills wait than there is room, the oldest are left out of what is still due, and counted."""
    markouts = Markouts(16)
    markouts.double_prices[1] = 200
    for number in range(100):
        markouts.add(Waiting(number, 1, 90, number, BUY, MAKER, 100, number))
    assert len(markouts.ring) == 16
    found = markouts.look(100 * SECOND)
    assert len(found) == 3 * 16
    assert {one.trade_id for one in found} == set(range(84, 100))
    assert [one.left_out for one in markouts.horizons] == [84, 84, 84]
    assert not markouts.waits()


def test_fills_that_wait_survive_saving() -> None:
    """In the middle of their horizons."""
    markouts = Markouts(16)
    markouts.double_prices[1] = 202
    for number in range(20):
        markouts.add(Waiting(number, 1, 90, number, BUY, MAKER, 100, number * SECOND))
        markouts.look(number * SECOND)
    again = Markouts(16)
    again.load(json.loads(json.dumps(markouts.save())))
    expected = [repr(one) for one in markouts.look(100 * SECOND)]
    assert [repr(one) for one in again.look(100 * SECOND)] == expected
    assert again.save() == markouts.save()


def test_means_are_told_with_two_decimals() -> None:
    """Rounded down; nothing when there is nothing."""
    assert mean_bps(0, 0) == ""
    assert mean_bps(1_234_567, 1) == "1.23"
    assert mean_bps(-1_234_567, 1) == "-1.24"
    assert mean_bps(-10_000, 1) == "-0.01"
