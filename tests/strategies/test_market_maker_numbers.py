"""Numbers at their ends: what is no price is no quote, and a market that has gone quiet leaves the model finite."""

from __future__ import annotations

from math import exp, inf, isfinite, nan

import pytest

from market.arrivals import ArrivalMeter
from market.messages import BUY, SELL, PublicTrade
from market.quoting import (
    glft_ask_distance,
    glft_bid_distance,
    infinite_reservation_ask,
    infinite_reservation_bid,
    intensity_half_spread,
    natural_discount,
    optimal_spread,
    reservation_price,
)
from runtime.config.rules import DecimalText
from strategies.market_maker_params import MarketMakerParams
from strategies.market_maker_spread import Spread
from strategies.quote_ladder import QuoteSide
from tests.strategies.maker_lane import MakerLane, settings

SECOND = 1_000_000_000


@pytest.mark.parametrize(("target", "levels"), [(nan, 0), (-inf, 0), (-4e18, 0), (inf, 1), (4e18, 1), (500.0, 1)])
@pytest.mark.parametrize("told", [False, True])
def test_only_a_target_at_or_beyond_the_touch_is_clamped_to_it(target: float, levels: int, told: bool) -> None:
    """One that is no number, or infinitely far away, is no level; what was told there is pulled."""
    side = QuoteSide(1, 1, 1, 1, 1, 0.0)
    if told:
        side.plan(900.0, 1.0, 0.1, 0.1, 0.0, 0.0, 1.0, 1_000, 10, 0, 100)
        side.take_plan(0.0, 0.0)
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


@pytest.mark.parametrize("inventory", [-5.0, -1.0, 0.0, 2.0, 4.0])
@pytest.mark.parametrize(
    ("mode", "horizon_s"), [("avellaneda_stoikov", 60.0), ("avellaneda_stoikov", 0.0), ("glft", 60.0)]
)
def test_the_quotes_are_those_of_the_published_formulas(mode: str, horizon_s: float, inventory: float) -> None:
    """Half spread and skew put both quotes where the functions that the worked values check put them."""
    gamma, sigma, rate, decay, most = 0.05, 0.7, 1.3, 0.8, 6.0
    params = MarketMakerParams(
        size=DecimalText("0.01"), maximum_position=DecimalText("0.06"), mode=mode, horizon_s=horizon_s,
        risk_aversion=gamma, volatility_bps=sigma, arrival_rate=rate, arrival_decay=decay, half_spread_bps=0.0,
        maximum_skew_bps=1_000.0, maximum_spread_bps=1_000.0,
    )  # fmt: skip
    spread = Spread(params, 0.0)
    spread.work_out(inventory, most)
    if mode == "glft":
        bid = -glft_bid_distance(inventory, gamma, sigma, rate, decay)
        ask = glft_ask_distance(inventory, gamma, sigma, rate, decay)
    elif horizon_s > 0.0:
        middle = reservation_price(0.0, inventory, gamma, sigma, horizon_s)
        half = optimal_spread(gamma, sigma, horizon_s, decay) / 2.0
        bid, ask = middle - half, middle + half
    else:
        half = intensity_half_spread(gamma, decay)
        discount = natural_discount(gamma, sigma, most)
        # At the largest inventory one of them is infinite: the strategy stays just before it.
        bid = infinite_reservation_bid(0.0, inventory * 0.999, gamma, sigma, discount) - half
        ask = infinite_reservation_ask(0.0, inventory * 0.999, gamma, sigma, discount) + half
    assert -spread.skew - spread.half() == pytest.approx(bid, abs=1e-9)
    assert -spread.skew + spread.half() == pytest.approx(ask, abs=1e-9)


def test_trades_and_prices_calibrate_the_model_while_it_quotes() -> None:
    """With enough of both the shipped strategy quotes with what it measured, no longer with the first guesses."""
    lane = MakerLane(
        settings(
            mode="glft", half_spread_bps=0.0, least_samples=20, arrival_decay=1.0, arrival_rate=1.0, risk_aversion=0.1,
            volatility_bps=5.0, volatility_half_life_s=10.0, arrival_half_life_s=60.0, requote_bps=0.0,
            requote_away_bps=0.0,
        )
    )  # fmt: skip
    lane.market(width=6.0)
    first = lane.maker.quoting[1].spread
    assert (first.sigma, first.decay, first.rate) == (5.0, 1.0, 1.0)
    guessed = lane.asks()[0][0] - lane.bids()[0][0]
    for second in range(60):
        lane.now_ns += SECOND
        # Orders reach one basis point beyond a half spread of half a basis point, twice a second.
        for side in (BUY, SELL):
            price = round((60_000.0 + side * (3.0 + 6.0)) * 100)
            lane.take(PublicTrade(1, second, price, 1_000, side, lane.now_ns, lane.now_ns))
        lane.market(60_000.0 + 3.0 * (second % 2), width=6.0)
    spread = lane.maker.quoting[1].spread
    assert spread.sigma == pytest.approx(0.5, rel=0.02)
    assert spread.decay == pytest.approx(1.0 / 1.0, rel=0.3)
    assert spread.rate == pytest.approx(2.0 * exp(0.5 * spread.decay), rel=0.2)
    assert lane.asks()[0][0] - lane.bids()[0][0] < guessed
    # Where the closed form puts them, to what rounding to a tick and the last half second leave.
    half = glft_bid_distance(0.0, 0.1, spread.sigma, spread.rate, spread.decay)
    assert (lane.asks()[0][0] - lane.bids()[0][0]) / 2.0 == pytest.approx(half * 6.0, rel=0.02)
