"""The aggregated book against a plain one in exact fractions: best, depth, scales, contracts, rates and fees."""

from __future__ import annotations

from fractions import Fraction

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.vecs import vec
from mypy_extensions import i64

from market.aggregated import RATE_ONE, AggregatedBook, AggregateError, VenueTerms
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL
from tests.seeds import examples

PRICE_SCALE = 4
SIZE_SCALE = 8


@attrs.frozen
class Venue:
    """One venue as a test makes it up: terms, rates and levels, best first."""

    instrument_id: int
    price_scale: int
    size_scale: int
    multiplier: int
    inverse: bool
    fee_ppm: int
    rate_bid: int
    rate_ask: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]

    def terms(self) -> VenueTerms:
        """What the book is told of it."""
        return VenueTerms(
            self.instrument_id, self.price_scale, self.size_scale, self.multiplier, 1, self.inverse, self.fee_ppm,
            PRICE_SCALE, SIZE_SCALE,
        )  # fmt: skip

    def price(self, side: int, price: int, adjusted: bool) -> int:
        """A price in common numbers, by fractions."""
        rate = Fraction(self.rate_bid if side == BUY else self.rate_ask, RATE_ONE)
        exact = Fraction(price, 10**self.price_scale) * rate * 10**PRICE_SCALE
        if adjusted:
            exact *= 1 - Fraction(self.fee_ppm * side, 1_000_000)
        return int(exact.numerator // exact.denominator if side == BUY else -(-exact.numerator // exact.denominator))

    def size(self, price: int, size: int) -> int:
        """A size in base, by fractions."""
        exact = Fraction(size, 10**self.size_scale) * self.multiplier * 10**SIZE_SCALE
        if self.inverse:
            exact /= Fraction(price, 10**self.price_scale)
        return int(exact.numerator // exact.denominator)


@st.composite
def venues(draw: st.DrawFn, instrument_id: int) -> Venue:
    """Any venue: its scales, a contract or not, a rate, and a book."""
    price_scale = draw(st.integers(0, PRICE_SCALE))
    middle = draw(st.integers(90, 110)) * 10**price_scale
    steps = draw(st.lists(st.integers(1, 3), max_size=5))
    sizes = draw(st.lists(st.integers(1, 10**6), min_size=12, max_size=12))
    bids, asks, distance = [], [], 0
    for place, step in enumerate(steps):
        distance += step
        bids.append((middle - distance, sizes[place]))
        asks.append((middle + distance, sizes[place + 6]))
    rate = draw(st.sampled_from([RATE_ONE, 999_300_001, 1_000_700_003]))
    return Venue(
        instrument_id, price_scale, draw(st.integers(0, SIZE_SCALE)), draw(st.sampled_from([1, 10, 100])),
        draw(st.booleans()), draw(st.integers(-200, 2_000)), rate, rate + draw(st.integers(0, 10**6)),
        bids, asks[: draw(st.integers(0, 5))],
    )  # fmt: skip


def book_of(made: list[Venue]) -> AggregatedBook:
    """All of them, included, with touch and depth."""
    book = AggregatedBook([one.terms() for one in made])
    for place, one in enumerate(made):
        bid, ask = (one.bids or [(0, 0)])[0], (one.asks or [(0, 0)])[0]
        book.set_rate(place, one.rate_bid, one.rate_ask)
        book.update(place, *bid, *ask)
        book.include(place, True)
        sides = [vec[i64]([level[part] for level in side]) for side in (one.bids, one.asks) for part in (0, 1)]
        book.set_depth(place, *sides)
    return book


def expected(made: list[Venue], side: int, adjusted: bool) -> list[tuple[int, int, int]]:
    """Every level in common numbers, best first."""
    levels = [
        (one.price(side, price, adjusted), one.size(price, size), one.instrument_id)
        for one in made
        for price, size in (one.bids if side == BUY else one.asks)
    ]
    return sorted((level for level in levels if level[1] > 0), key=lambda level: -side * level[0])


@settings(max_examples=examples(100, 5_000), deadline=None)
@given(st.integers(1, 5).flatmap(lambda count: st.tuples(*[venues(number + 1) for number in range(count)])))
def test_best_and_depth_are_those_of_exact_fractions(made: tuple[Venue, ...]) -> None:
    """Whatever scales, contracts, rates and fees: bids rounded down, asks up, sizes down, and merged in order."""
    book = book_of(list(made))
    for side in (BUY, SELL):
        for adjusted in (False, True):
            wanted = expected(list(made), side, adjusted)
            levels = book.depth(side, 100, adjusted).levels()
            assert [price for price, _, _ in levels] == [price for price, _, _ in wanted]
            assert sorted(levels) == sorted(wanted)
        touches = {one.instrument_id for one in made for _ in (one.bids if side == BUY else one.asks)[:1]}
        first = [
            level
            for one in made
            if one.instrument_id in touches
            for level in expected([attrs.evolve(one, bids=one.bids[:1], asks=one.asks[:1])], side, False)
        ]
        best = max((price * side for price, _, _ in first), default=0) * side
        size = sum(level_size for price, level_size, _ in first if price == best)
        told = (book.bid_price, book.bid_size) if side == BUY else (book.ask_price, book.ask_size)
        assert told == ((best, size) if first else (0, 0))


def plain(*touches: tuple[int, int, int, int]) -> AggregatedBook:
    """Venues without rates and contracts, by their touches."""
    terms = [VenueTerms(number, 2, 3, 1, 1, False, 0, 2, 3) for number in range(1, len(touches) + 1)]
    book = AggregatedBook(terms)
    for place, touch in enumerate(touches):
        book.update(place, *touch)
        book.include(place, True)
    return book


def test_sizes_at_one_price_are_summed_and_the_largest_is_named() -> None:
    """The best says how much all venues show there, and who shows most."""
    book = plain((100, 3, 105, 1), (100, 5, 104, 2), (99, 50, 104, 1))
    assert (book.bid_price, book.bid_size, book.bid_instrument_id) == (100, 8, 2)
    assert (book.ask_price, book.ask_size, book.ask_instrument_id) == (104, 3, 2)


def test_a_venue_that_does_not_count_is_not_seen_and_its_touch_is_ready_for_its_return() -> None:
    """Left out, it changes neither best nor depth; back, it counts with what it showed last."""
    book = plain((100, 3, 105, 1), (101, 5, 104, 2))
    book.include(1, False)
    assert (book.bid_price, book.ask_price, book.live_venues) == (100, 105, 1)
    book.update(1, 103, 1, 104, 1)
    assert book.bid_price == 100
    assert book.depth(BUY, 10).levels() == [(100, 3, 1)]
    book.include(1, True)
    assert (book.bid_price, book.live_venues) == (103, 2)


def test_venues_may_cross_each_other() -> None:
    """A bid above another venue's ask is told, and nothing is taken away."""
    book = plain((100, 3, 101, 1), (102, 5, 103, 2))
    assert book.crossed
    assert (book.bid_price, book.ask_price) == (102, 101)
    assert book.depth(SELL, 10).levels() == [(101, 1, 1), (103, 2, 2)]


def test_what_no_book_can_hold_is_left_out() -> None:
    """A price or size too large for the common scale is no level; the others stay."""
    terms = [VenueTerms(1, 0, 0, 1, 1, False, 0, 10, 10), VenueTerms(2, 10, 10, 1, 1, False, 0, 10, 10)]
    book = AggregatedBook(terms)
    for place in (0, 1):
        book.include(place, True)
    book.update(0, MOST_PRICE, 5, MOST_PRICE, 5)
    assert (book.bid_size, book.ask_size) == (0, 0)
    book.update(0, 5, MOST_PRICE, 7, 1)
    assert (book.bid_size, book.ask_price, book.ask_size) == (0, 7 * 10**10, 10**10)
    book.update(1, 8 * 10**10, MOST_PRICE, 0, 0)
    assert (book.bid_price, book.bid_size) == (8 * 10**10, MOST_PRICE)


def test_what_cannot_be_aggregated_is_refused() -> None:
    """Scales finer than the common ones, rates that are none, sides that are none."""
    with pytest.raises(AggregateError, match="finer scales"):
        VenueTerms(1, 5, 3, 1, 1, False, 0, 4, 3)
    book = plain((100, 3, 101, 1))
    for bid, ask in ((0, 1), (-1, 1), (2, 1)):
        with pytest.raises(AggregateError, match="a rate is above 0"):
            book.set_rate(0, bid, ask)
    with pytest.raises(AggregateError, match="a side is"):
        book.depth(0, 5)
    with pytest.raises(AggregateError, match="as many prices as sizes"):
        book.set_depth(0, vec[i64]([1]), vec[i64](), vec[i64](), vec[i64]())
