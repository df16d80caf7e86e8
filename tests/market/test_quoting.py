"""The published formulas against values worked out another way: from the papers, in 50 digits, from first causes."""

from __future__ import annotations

from decimal import Decimal, localcontext
from math import exp, inf, log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.quoting import (
    glft_ask_distance,
    glft_bid_distance,
    glft_slope,
    infinite_reservation_ask,
    infinite_reservation_bid,
    intensity_half_spread,
    natural_discount,
    optimal_spread,
    reservation_price,
)
from tests.seeds import examples

GAMMAS = st.floats(min_value=1e-4, max_value=10.0)
DECAYS = st.floats(min_value=1e-2, max_value=100.0)
VOLATILITIES = st.floats(min_value=1e-3, max_value=50.0)
RATES = st.floats(min_value=1e-3, max_value=1e3)
INVENTORIES = st.integers(min_value=-20, max_value=20).map(float)


@pytest.mark.parametrize(("gamma", "spread"), [(0.1, 1.49), (0.01, 1.35)])
def test_mean_spread_of_the_paper(gamma: float, spread: float) -> None:
    """Avellaneda and Stoikov simulate s = 100, T = 1, sigma = 2, k = 1.5 and print these mean spreads."""
    steps = 200
    mean = sum(optimal_spread(gamma, 2.0, 1.0 - step / steps, 1.5) for step in range(steps)) / steps
    assert round(mean, 2) == spread


@pytest.mark.parametrize("inventory", [-3, 0, 1, 7])
@pytest.mark.parametrize("remaining", ["0", "0.25", "1"])
def test_reservation_price_is_where_one_is_indifferent(inventory: int, remaining: str) -> None:
    """It is the middle of the prices at which a unit more, or less, leaves the expected utility as it was."""
    with localcontext(prec=50):
        gamma, sigma, price, left = Decimal("0.1"), Decimal(2), Decimal(100), Decimal(remaining)

        def exponent(held: int) -> Decimal:
            # ln(-v) / gamma without the cash: the value function of who holds until the end.
            return -held * price + gamma * held * held * sigma * sigma * left / 2

        bid = exponent(inventory) - exponent(inventory + 1)
        ask = exponent(inventory - 1) - exponent(inventory)
        expected = float((bid + ask) / 2)
    assert reservation_price(100.0, float(inventory), 0.1, 2.0, float(remaining)) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("inventory", [-9, -1, 0, 1, 4, 9])
def test_infinite_reservation_prices_are_where_one_is_indifferent(inventory: int) -> None:
    """Without a horizon the value is 1 / (omega - gamma^2 q^2 sigma^2 / 2): solved for both prices, in 50 digits."""
    with localcontext(prec=50):
        gamma, sigma = Decimal("0.1"), Decimal(2)
        omega = gamma**2 * sigma**2 * 11**2 / 2

        def value(held: int) -> Decimal:
            return omega - gamma**2 * held**2 * sigma**2 / 2

        def unit_more(held: int) -> float:
            return float((value(held + 1) / value(held)).ln() / gamma)

        bid, ask = unit_more(inventory), unit_more(inventory - 1)
        printed = float((1 + (1 - 2 * inventory) * gamma**2 * sigma**2 / (2 * value(inventory))).ln() / gamma)
    discount = natural_discount(0.1, 2.0, 10.0)
    assert infinite_reservation_bid(0.0, float(inventory), 0.1, 2.0, discount) == pytest.approx(bid, rel=1e-11)
    assert infinite_reservation_ask(0.0, float(inventory), 0.1, 2.0, discount) == pytest.approx(ask, rel=1e-11)
    # The ask as it is printed in the paper is the same to the first order.
    assert abs(inventory) > 1 or ask == pytest.approx(printed, rel=0.03)


def test_infinite_horizon_wants_no_more_than_its_largest_inventory() -> None:
    """At the largest inventory no price is low enough for one more; beyond it the model has no answer but to be rid."""
    discount = natural_discount(0.25, 2.0, 3.0)
    assert infinite_reservation_bid(100.0, 3.0, 0.25, 2.0, discount) == -inf
    assert infinite_reservation_ask(100.0, -3.0, 0.25, 2.0, discount) > 100.0
    assert infinite_reservation_ask(100.0, 9.0, 0.25, 2.0, discount) == -inf
    assert infinite_reservation_bid(100.0, -9.0, 0.25, 2.0, discount) == inf


@given(GAMMAS, DECAYS)
@settings(max_examples=examples(100, 2_000))
def test_half_spread_in_high_precision(gamma: float, decay: float) -> None:
    """`ln(1 + gamma / k) / gamma` as 50 digits have it; it is less than 1 / k and falls with gamma."""
    with localcontext(prec=50):
        expected = float((1 + Decimal(gamma) / Decimal(decay)).ln() / Decimal(gamma))
    found = intensity_half_spread(gamma, decay)
    assert found == pytest.approx(expected, rel=1e-12)
    assert 0.0 < intensity_half_spread(gamma * 2.0, decay) < found < 1.0 / decay


@given(GAMMAS, VOLATILITIES, RATES, DECAYS)
@settings(max_examples=examples(100, 2_000))
def test_slope_in_high_precision(gamma: float, sigma: float, rate: float, decay: float) -> None:
    """The square root of the closed form as 60 digits have it."""
    with localcontext(prec=60):
        g, k, a = Decimal(gamma), Decimal(decay), Decimal(rate)
        growth = ((1 + k / g) * (1 + g / k).ln()).exp()
        expected = float(Decimal(sigma) * (g / (2 * k * a) * growth).sqrt())
    assert glft_slope(gamma, sigma, rate, decay) == pytest.approx(expected, rel=1e-10)


def test_closed_form_for_the_parameters_of_the_paper() -> None:
    """sigma = 0.3, A = 0.9, k = 0.3, gamma = 0.01, all in ticks and seconds, worked out by hand."""
    half = log(1.0 + 0.01 / 0.3) / 0.01
    slope = sqrt(0.3**2 * 0.01 / (2 * 0.3 * 0.9) * (1 + 0.01 / 0.3) ** (1 + 0.3 / 0.01))
    assert (round(half, 4), round(slope, 4)) == (3.279, 0.0679)
    assert glft_bid_distance(0.0, 0.01, 0.3, 0.9, 0.3) == pytest.approx(half + slope / 2)
    assert glft_bid_distance(5.0, 0.01, 0.3, 0.9, 0.3) == pytest.approx(half + 5.5 * slope)
    assert glft_ask_distance(5.0, 0.01, 0.3, 0.9, 0.3) == pytest.approx(half - 4.5 * slope)


def test_closed_form_is_near_the_solution_of_the_equations() -> None:
    """Far from the end the optimal quotes come from an eigenvector; the closed form is within three per cent of them.

    `M` has `k gamma sigma^2 q^2 / 2` on its diagonal and `-eta` beside it; the bid of who holds q is
    `ln(f(q) / f(q + 1)) / k + ln(1 + gamma / k) / gamma`, for the vector f of its smallest eigenvalue.
    """
    gamma, sigma, rate, decay, most = 0.01, 0.3, 0.9, 0.3, 30
    alpha = decay / 2.0 * gamma * sigma * sigma
    eta = rate * (1.0 + gamma / decay) ** -(1.0 + decay / gamma)
    held = range(-most, most + 1)
    vector = [exp(-0.01 * q * q) for q in held]
    for _ in range(20_000):
        moved = []
        for place, q in enumerate(held):
            beside = (vector[place - 1] if place > 0 else 0.0) + (vector[place + 1] if place < 2 * most else 0.0)
            moved.append(vector[place] - 0.2 * (alpha * q * q * vector[place] - eta * beside))
        largest = max(moved)
        vector = [one / largest for one in moved]
    half = log(1.0 + gamma / decay) / gamma
    for q in (-10, -5, 0, 5, 10):
        exact_bid = log(vector[q + most] / vector[q + 1 + most]) / decay + half
        exact_ask = log(vector[q + most] / vector[q - 1 + most]) / decay + half
        assert glft_bid_distance(float(q), gamma, sigma, rate, decay) == pytest.approx(exact_bid, rel=0.03)
        assert glft_ask_distance(float(q), gamma, sigma, rate, decay) == pytest.approx(exact_ask, rel=0.03)


@given(DECAYS, VOLATILITIES, RATES, INVENTORIES)
@settings(max_examples=examples(50, 1_000))
def test_without_aversion_only_the_chance_of_a_fill_counts(
    decay: float, sigma: float, rate: float, inventory: float
) -> None:
    """With gamma 0 both models ask 1 / k a side, whatever is held; a gamma that is nearly 0 is nearly there."""
    for gamma in (0.0, 1e-13):
        assert optimal_spread(gamma, sigma, 1.0, decay) == pytest.approx(2.0 / decay, rel=1e-6)
        assert reservation_price(1e6, inventory, gamma, sigma, 1.0) == pytest.approx(1e6, rel=1e-9)
    assert glft_bid_distance(inventory, 0.0, sigma, rate, decay) == 1.0 / decay
    assert glft_ask_distance(inventory, 0.0, sigma, rate, decay) == 1.0 / decay
    assert infinite_reservation_bid(7.0, inventory, 0.0, sigma, 1.0) == 7.0


@given(GAMMAS, VOLATILITIES, RATES, DECAYS, INVENTORIES)
@settings(max_examples=examples(100, 2_000))
def test_a_long_inventory_lowers_both_quotes(
    gamma: float, sigma: float, rate: float, decay: float, inventory: float
) -> None:
    """In every model one unit more moves bid and ask down, and the ask is above the bid."""
    more = inventory + 1.0
    assert reservation_price(0.0, more, gamma, sigma, 1.0) < reservation_price(0.0, inventory, gamma, sigma, 1.0)
    bid, ask = (distance(inventory, gamma, sigma, rate, decay) for distance in (glft_bid_distance, glft_ask_distance))
    assert glft_bid_distance(more, gamma, sigma, rate, decay) >= bid
    assert glft_ask_distance(more, gamma, sigma, rate, decay) <= ask
    assert bid + ask > 0.0
    discount = natural_discount(gamma, sigma, 22.0)
    for price in (infinite_reservation_bid, infinite_reservation_ask):
        assert price(0.0, more, gamma, sigma, discount) < price(0.0, inventory, gamma, sigma, discount)
