"""The pieces of risk by themselves: collars, worth, windows and rates, each against its definition."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.portfolio_rates import Factor, Rate, Rates
from actors.risk_limits import Bound
from actors.risk_watched import Collar, Watched, scaled_up
from actors.risk_window import Window
from market.instruments import Instrument, InstrumentTable
from market.messages import LIVE, STALE, TopOfBook
from runtime.ledger_orders import MoneyTerms, Standing
from tests import generators
from tests.actors.risk_lane import EUR_USDT, PAIRS
from tests.seeds import examples


def bound(value: int) -> Bound:
    """A limit of this value."""
    return Bound("test", "", 0, 0, str(value))


@given(double=st.integers(1, 2**62), bps=st.integers(1, 10_000), near=st.integers(-3, 3))
@settings(max_examples=examples(300, 20_000), deadline=None)
def test_collar_is_what_its_definition_says(double: int, bps: int, near: int) -> None:
    """A price passes when twice its distance from the reference is within the basis points of twice the reference."""
    collar = Collar(bound(bps))
    collar.set(double)
    for edge in (int(collar.lowest), int(collar.highest), double // 2):
        price = edge + near
        allowed = abs(2 * price - double) * 10_000 <= bps * double
        assert (collar.lowest <= price <= collar.highest) == allowed


def test_collar_without_a_reference_lets_nothing_pass() -> None:
    """Not even a price of 0, and also after there was one."""
    collar = Collar(bound(100))
    collar.set(1_000)
    collar.set(0)
    for price in (0, 1, 500, 2**62):
        assert not collar.lowest <= price <= collar.highest


@given(
    instrument=generators.instruments(), size=st.integers(-(2**62), 2**62), double=st.integers(1, 2**40),
    above=st.integers(1, 10**12), below=st.integers(1, 10**12),
)  # fmt: skip
@settings(max_examples=examples(300, 20_000), deadline=None)
def test_worth_is_exact_and_away_from_zero(
    instrument: Instrument, size: int, double: int, above: int, below: int
) -> None:
    """Size times mid by the rate, for linear and inverse contracts, however large, rounded once."""
    rate = Rate("X", 0, 1, False)
    rate.set(above, below)
    terms = MoneyTerms(instrument.money_multiplier, instrument.money_divisor, instrument.inverse)
    one = Watched(instrument, Standing(-1, 1), terms, rate, *(bound(1) for _ in range(5)))
    one.set_reference(double, 0)
    one.find_worth()
    mid = Fraction(double, 2)
    money = Fraction(instrument.money_multiplier, instrument.money_divisor)
    money *= Fraction(size) / mid if instrument.inverse else size * mid
    exact = money * Fraction(above, below) * 10**8 / 10**instrument.money_scale
    found = one.worth(size)
    assert 0 <= abs(found) - abs(exact) < 1
    assert found * exact >= 0


@given(
    money=st.integers(-(2**70), 2**70), above=st.integers(1, 2**40), below=st.integers(1, 2**40),
    scale=generators.scales(),
)  # fmt: skip
@settings(max_examples=examples(200, 10_000), deadline=None)
def test_money_is_converted_exactly_and_rounded_down(money: int, above: int, below: int, scale: int) -> None:
    """In 64 bits or beyond, the same."""
    rate = Rate("X", 0, 1, False)
    rate.set(above, below)
    factor = Factor()
    factor.set(rate, scale)
    exact = Fraction(money) * above * 10**8 / (below * 10**scale)
    assert factor.convert(money) == exact.numerator // exact.denominator


@given(amount=st.integers(-(2**70), 2**70), factor=st.integers(0, 2**40))
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_amounts_are_scaled_up_exactly(amount: int, factor: int) -> None:
    """In 64 bits or beyond, the same."""
    assert scaled_up(amount, factor) == amount * factor


@given(
    capacity=st.integers(0, 8), steps=st.lists(st.integers(0, 60), max_size=60), other=st.integers(0, 8)
)
@settings(max_examples=examples(150, 5_000), deadline=None)
def test_window_counts_what_a_list_counts(capacity: int, steps: list[int], other: int) -> None:
    """Up to its capacity; it may be resized in between, and goes through saving."""
    window = Window(100, capacity)
    times: list[int] = []
    now_ns = 1_000
    for place, step in enumerate(steps):
        now_ns += step
        if place == len(steps) // 2:
            window.resize(other)
            capacity = other
            times = times[-other:] if other else []
        recent = [one for one in times if one > now_ns - 100]
        assert window.count(now_ns) == min(len(recent), capacity)
        window.add(now_ns)
        times = [*times, now_ns][-capacity:] if capacity else []
        again = Window(100, capacity)
        again.load(window.save())
        assert again.save() == window.save()


def touch(bid: int, ask: int, state: int = LIVE) -> TopOfBook:
    """A touch of the pair from which the rate of EUR comes."""
    return TopOfBook(EUR_USDT, state, bid, 1, ask, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("currency", "asset", "worth"), [("USDT", "EUR", Fraction(6, 5)), ("EUR", "USDT", Fraction(5, 6))]
)
def test_rate_is_the_mid_of_its_live_book_in_either_direction(currency: str, asset: str, worth: Fraction) -> None:
    """It is known only while the book is live; the last one is kept beside it."""
    rates = Rates(currency, {asset: "EUR/USDT"}, {}, list(PAIRS), InstrumentTable(PAIRS))
    rate = rates.of(asset)
    assert (rate.known, rate.above) == (False, 0)
    assert rates.on_top_of_book(touch(11_999, 12_001))
    assert rate.known
    assert Fraction(rate.above, rate.below) == worth
    rates.on_top_of_book(touch(20_000, 20_002, STALE))
    assert not rate.known
    assert Fraction(rate.above, rate.below) == worth
    assert rates.in_currency(10**8, 8, asset) == 10**8 * worth.numerator // worth.denominator


def test_rate_that_is_no_price_of_the_currency_is_an_error() -> None:
    """As is one of a symbol that nobody trades."""
    with pytest.raises(ValueError, match="BTC/USDT is no price of EUR in USDT"):
        Rates("USDT", {"EUR": "BTC/USDT"}, {}, list(PAIRS), InstrumentTable(PAIRS))
    with pytest.raises(ValueError, match="there is no instrument 'EUR/CHF'"):
        Rates("USDT", {"EUR": "EUR/CHF"}, {}, list(PAIRS), InstrumentTable(PAIRS))
