"""Numbers at their ends: what is no price is no quote, and a market that has gone quiet leaves the model finite."""

from __future__ import annotations

from math import inf, isfinite, nan

import pytest

from market.arrivals import ArrivalMeter
from runtime.config.rules import DecimalText
from strategies.market_maker_params import MarketMakerParams
from strategies.market_maker_spread import Spread
from strategies.quote_ladder import QuoteSide

SECOND = 1_000_000_000


@pytest.mark.parametrize(("target", "levels"), [(nan, 0), (-inf, 0), (-4e18, 0), (inf, 1), (4e18, 1), (500.0, 1)])
@pytest.mark.parametrize("told", [False, True])
def test_only_a_target_at_or_beyond_the_touch_is_clamped_to_it(target: float, levels: int, told: bool) -> None:
    """One that is no number, or infinitely far away, is no level; what was told there is pulled."""
    side = QuoteSide(1, 1, 1, 1, 1, 0.0)
    if told:
        side.plan(900.0, 1.0, 0.1, 0.1, 0.0, 0.0, 1.0, 1_000, 10, 0, 100)
        side.take_plan()
    news = side.plan(target, 1.0, 0.1, 0.1, 0.0, 0.0, 1.0, 1_000, 10, 0, 100)
    assert side.planned == levels
    assert news == (levels > 0 or told)
    if levels > 0:
        assert side.planned_prices[0] == (500 if target == 500.0 else 1_000)


def busy(meter: ArrivalMeter) -> None:
    """Two hundred orders, one a second."""
    meter.begin(SECOND)
    for number in range(200):
        meter.add(SECOND * (1 + number) + 1, 1, 2.0, 0.5, 0.1)


def test_a_rate_that_has_faded_away_is_nothing_and_not_the_first_guess() -> None:
    """The longer nobody comes the lower it is, down to nothing."""
    meter = ArrivalMeter(1.0)
    busy(meter)
    rates = []
    for gap in (1, 10, 100, 500, 800, 1_100, 5_000):
        meter.settle()
        meter.fade((200 + gap) * SECOND)
        rates.append(meter.rate(1.0, 7.0, 1))
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0


def test_the_model_stays_finite_when_nobody_comes_any_more() -> None:
    """The spread is as wide as it may be and never leaps back."""
    params = MarketMakerParams(
        size=DecimalText("0.01"), maximum_position=DecimalText("0.05"), mode="glft", arrival_half_life_s=1.0,
        least_samples=1,
    )  # fmt: skip
    spread = Spread(params, 0.0)
    busy(spread.arrivals)
    spread.volatility.add(100.0, SECOND)
    spread.volatility.add(100.1, 2 * SECOND)
    halves = []
    for gap in (600, 730, 1_000, 1_030, 1_060, 1_100, 5_000):
        spread.measure((200 + gap) * SECOND)
        spread.work_out(1.0, 5.0)
        assert isfinite(spread.skew)
        assert spread.rate > 0.0
        halves.append(spread.half())
    assert all(isfinite(half) for half in halves)
    assert halves == sorted(halves)
