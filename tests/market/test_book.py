"""The order book: levels, questions from the touch, snapshots, and equality with a naive book under any operations."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from librt.vecs import vec
from mypy_extensions import i64

from market.book import Book
from market.ladder import MOST_PRICE, BookError, Ladder, NoSuchLevel
from market.messages.constants import BUY, SELL
from tests.generators import book_levels, book_prices, book_sizes
from tests.seeds import examples

MAX_I64 = 2**63 - 1
SIDES = st.sampled_from([BUY, SELL])


def filled(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Book:
    """A book with these levels."""
    book = Book()
    replace(book, bids, asks)
    return book


def replace(book: Book, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """Load a snapshot given as pairs."""
    book.replace(
        vec[i64]([price for price, _ in bids]),
        vec[i64]([size for _, size in bids]),
        vec[i64]([price for price, _ in asks]),
        vec[i64]([size for _, size in asks]),
    )


SMALL_BIDS = [(100, 5), (99, 7), (97, 1)]
SMALL_ASKS = [(101, 2), (103, 4), (110, 30)]


def test_an_empty_book_has_no_best() -> None:
    """An empty side has best price 0, best size 0 and no levels, and an empty book is not crossed."""
    book = Book()
    assert (book.best_bid_price, book.best_bid_size, book.best_ask_price, book.best_ask_size) == (0, 0, 0, 0)
    assert (book.bids.count, book.asks.count, book.crossed) == (0, 0, False)
    assert book.bids.levels() == []
    assert book.bids.vwap(5) == (0, 0)
    assert book.bids.price_for_size(5) == (0, 0)
    assert book.bids.cumulative_size(5) == 0
    book.set_level(BUY, 100, 1)
    assert not book.crossed


def test_set_change_and_delete() -> None:
    """A level is what the last call for its price said; size 0 deletes it; deleting what is unknown does nothing."""
    book = filled(SMALL_BIDS, SMALL_ASKS)
    book.set_level(BUY, 98, 3)
    book.set_level(BUY, 99, 8)
    book.set_level(BUY, 100, 0)
    book.set_level(BUY, 12345, 0)
    book.set_level(SELL, 101, 0)
    assert book.bids.levels() == [(99, 8), (98, 3), (97, 1)]
    assert book.asks.levels() == [(103, 4), (110, 30)]
    assert (book.best_bid_price, book.best_bid_size, book.best_ask_price, book.best_ask_size) == (99, 8, 103, 4)


def test_questions_from_the_touch() -> None:
    """Sizes, prices and costs are summed from the best level outward on both sides."""
    book = filled(SMALL_BIDS, SMALL_ASKS)
    bids, asks = book.bids, book.asks
    assert (bids.price(0), bids.size(0), bids.price(2), asks.price(2), asks.size(2)) == (100, 5, 97, 110, 30)
    assert (list(bids.prices(2)), list(bids.sizes(2))) == ([100, 99], [5, 7])
    assert (list(asks.prices(99)), list(asks.sizes(-1))) == ([101, 103, 110], [])
    assert (bids.cumulative_size(2), asks.cumulative_size(9), asks.cumulative_size(0)) == (12, 36, 0)
    assert (bids.size_to(99), bids.size_to(98), asks.size_to(103), asks.size_to(100)) == (12, 12, 6, 0)
    assert (bids.size_at(99), bids.size_at(98), asks.size_at(110)) == (7, 0, 30)
    assert asks.price_for_size(2) == (101, 2)
    assert asks.price_for_size(3) == (103, 3)
    assert asks.price_for_size(100) == (110, 36)
    assert asks.price_for_size(0) == (0, 0)
    assert asks.vwap(3) == (2 * 101 + 103, 3)
    assert bids.vwap(1000) == (500 + 693 + 97, 13)
    assert bids.vwap(-1) == (0, 0)


def test_sums_and_products_are_exact_beyond_64_bits() -> None:
    """Sizes and costs that pass 2^63 are exact integers, never wrapped."""
    book = filled([(MOST_PRICE, MAX_I64), (MOST_PRICE - 1, MAX_I64)], [])
    assert book.bids.cumulative_size(2) == 2 * MAX_I64
    assert book.bids.size_to(1) == 2 * MAX_I64
    assert book.bids.price_for_size(MAX_I64 + 1) == (MOST_PRICE - 1, MAX_I64 + 1)
    assert book.bids.vwap(2 * MAX_I64) == (MAX_I64 * (2 * MOST_PRICE - 1), 2 * MAX_I64)


def test_negative_prices_keep_their_order() -> None:
    """Spreads have prices below zero: the best bid is still the highest and the best ask the lowest."""
    book = filled([(-5, 1), (-7, 2)], [(-4, 3), (2, 4)])
    assert (book.best_bid_price, book.best_ask_price) == (-5, -4)
    book.set_level(SELL, -6, 1)
    assert book.best_ask_price == -6


def test_crossed_and_locked() -> None:
    """A bid at or above an ask is a crossed book."""
    book = filled([(100, 1)], [(101, 1)])
    assert not book.crossed
    book.set_level(BUY, 101, 1)
    assert book.crossed
    book.set_level(BUY, 102, 1)
    assert book.crossed


def test_truncate_and_clear() -> None:
    """Truncating keeps the best levels of each side, clearing keeps none, and the book goes on afterwards."""
    book = filled(SMALL_BIDS, SMALL_ASKS)
    book.truncate(2)
    assert (book.bids.levels(), book.asks.levels()) == (SMALL_BIDS[:2], SMALL_ASKS[:2])
    book.truncate(2)
    book.set_level(SELL, 100, 9)
    assert book.asks.levels() == [(100, 9), (101, 2), (103, 4)]
    book.clear()
    assert (book.bids.count, book.asks.count) == (0, 0)
    book.set_level(SELL, 7, 9)
    assert book.asks.levels() == [(7, 9)]


@pytest.mark.parametrize(
    ("side", "price", "size"),
    [(0, 1, 1), (2, 1, 1), (BUY, 1, -1), (SELL, -(2**63), 1), (BUY, -(2**62), 1), (BUY, 2**62, 0)],
)
def test_what_no_book_can_hold_is_refused(side: int, price: int, size: int) -> None:
    """An unknown side, a negative size and a price too large are typed errors and change nothing."""
    book = filled(SMALL_BIDS, SMALL_ASKS)
    before = book.save()
    with pytest.raises(BookError):
        book.set_level(side, price, size)
    assert book.save() == before


def test_many_levels_are_set_up_to_the_one_that_is_refused() -> None:
    """Of several levels set at once, those before an impossible one stay, and the book goes on in order."""
    book = filled(SMALL_BIDS, SMALL_ASKS)
    with pytest.raises(BookError):
        book.bids.set_many(vec[i64]([100, 98, 96, 95]), vec[i64]([0, 4, -1, 5]), 0, 4)
    assert book.bids.levels() == [(99, 7), (98, 4), (97, 1)]
    assert book.best_bid_price == 99


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("held", [0, 5, 300, 5_000])
@pytest.mark.parametrize("order", ["best first", "worst first", "none"])
def test_a_large_change_is_what_its_levels_are_one_by_one(side: int, held: int, order: str) -> None:
    """Merged in one pass or set singly: the same levels, also with prices named twice and with deletes."""
    chance = Random(held)
    start = [(2 * place, 1 + place) for place in range(held)]
    change = [(chance.randrange(-50, 2 * held + 900), chance.randrange(4)) for _ in range(1_500)]
    if order != "none":
        change.sort(key=lambda level: level[0], reverse=(side == BUY) == (order == "best first"))
    merged, singly = Ladder(side), Ladder(side)
    for ladder in (merged, singly):
        ladder.set_many(vec[i64]([p for p, _ in start]), vec[i64]([s for _, s in start]), 0, held)
    merged.set_many(vec[i64]([p for p, _ in change]), vec[i64]([s for _, s in change]), 0, len(change))
    for price, size in change:
        singly.set(price, size)
    assert merged.levels() == singly.levels()
    assert (merged.count, merged.best_price, merged.best_size) == (singly.count, singly.best_price, singly.best_size)


def test_a_large_change_is_made_up_to_the_level_that_is_refused() -> None:
    """What is merged keeps the rule of what is set singly."""
    ladder = Ladder(BUY)
    prices = [*range(900), MOST_PRICE + 1, *range(900, 1_200)]
    with pytest.raises(BookError, match="no level can have price"):
        ladder.set_many(vec[i64](prices), vec[i64]([1] * len(prices)), 0, len(prices))
    assert (ladder.count, ladder.best_price) == (900, 899)


def test_levels_and_sides_that_do_not_exist() -> None:
    """Asking for a level or a side that is not there is a typed error."""
    book = filled(SMALL_BIDS, SMALL_ASKS)
    for level in (-1, 3, 2**40):
        with pytest.raises(NoSuchLevel):
            book.bids.price(level)
        with pytest.raises(NoSuchLevel):
            book.asks.size(level)
    with pytest.raises(BookError):
        book.side(0)
    with pytest.raises(BookError):
        Ladder(3)
    with pytest.raises(BookError):
        book.truncate(-1)
    assert book.side(BUY).best_price == 100
    assert book.side(SELL).best_price == 101


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([(100, 1), (100, 2)], []),
        ([], [(100, 1), (101, 2), (100, 1)]),
        ([(100, -1)], []),
        ([], [(-(2**63), 1)]),
    ],
)
def test_a_bad_snapshot_leaves_the_book_as_it_was(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """A snapshot with a price named twice, a negative size or an impossible price is refused as a whole."""
    book = filled(SMALL_BIDS, SMALL_ASKS)
    with pytest.raises(BookError):
        replace(book, bids, asks)
    assert (book.bids.levels(), book.asks.levels()) == (SMALL_BIDS, SMALL_ASKS)


def test_unequal_snapshot_arrays_are_refused() -> None:
    """Prices without their sizes are no snapshot."""
    with pytest.raises(BookError, match="1 prices with 0 sizes"):
        Book().replace(vec[i64]([1]), vec[i64]([]), vec[i64]([]), vec[i64]([]))
    with pytest.raises(BookError, match="four lists"):
        Book().load([[1], [1]])


@given(bids=book_levels(), asks=book_levels(), order=st.randoms())
@settings(max_examples=examples(60, 400))
def test_snapshot_in_any_order(bids: dict[int, int], asks: dict[int, int], order: object) -> None:
    """A snapshot's levels may come in any order; the book is the same, and save and load keep it."""
    shuffled_bids, shuffled_asks = list(bids.items()), list(asks.items())
    order.shuffle(shuffled_bids)  # type: ignore[attr-defined]
    order.shuffle(shuffled_asks)  # type: ignore[attr-defined]
    book = filled(shuffled_bids, shuffled_asks)
    assert book.bids.levels() == sorted(((p, s) for p, s in bids.items() if s), reverse=True)
    assert book.asks.levels() == sorted((p, s) for p, s in asks.items() if s)
    copy = Book()
    copy.load(book.save())
    assert copy.save() == book.save()


class BookAgainstDictionaries(RuleBasedStateMachine):
    """The packed book and two plain dictionaries take the same operations and must always hold the same levels."""

    def __init__(self) -> None:
        """Begin with both empty."""
        super().__init__()
        self.book = Book()
        self.naive: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}

    def naive_levels(self, side: int) -> list[tuple[int, int]]:
        """The dictionary's levels, from the touch outward."""
        return sorted(self.naive[side].items(), reverse=side == BUY)

    @rule(bids=book_levels(), asks=book_levels())
    def snapshot(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Load both sides."""
        replace(self.book, list(bids.items()), list(asks.items()))
        self.naive = {BUY: {p: s for p, s in bids.items() if s}, SELL: {p: s for p, s in asks.items() if s}}

    @rule(side=SIDES, price=book_prices(), size=book_sizes())
    def set_any(self, side: int, price: int, size: int) -> None:
        """Set or delete a level anywhere."""
        self.book.set_level(side, price, size)
        self.naive[side].pop(price, None)
        if size:
            self.naive[side][price] = size

    @rule(side=SIDES, level=st.integers(0, 200), size=book_sizes())
    def set_known(self, side: int, level: int, size: int) -> None:
        """Change or delete a level that exists."""
        levels = self.naive_levels(side)
        if level < len(levels):
            self.set_any(side, levels[level][0], size)

    @rule(side=SIDES, count=st.integers(1, 150), start=st.integers(-300, 300), step=st.sampled_from([-1, 1, 3]))
    def set_run(self, side: int, count: int, start: int, step: int) -> None:
        """Set a run of neighbouring levels, so that the arrays grow."""
        for place in range(count):
            self.set_any(side, start + place * step, place % 7)

    @rule(levels=st.integers(0, 20))
    def truncate(self, levels: int) -> None:
        """Cut both sides."""
        self.book.truncate(levels)
        for side in (BUY, SELL):
            self.naive[side] = dict(self.naive_levels(side)[:levels])

    @rule()
    def clear(self) -> None:
        """Forget everything."""
        self.book.clear()
        self.naive = {BUY: {}, SELL: {}}

    @rule()
    def save_and_load(self) -> None:
        """Go on with a book made from what was saved."""
        saved = self.book.save()
        self.book = Book()
        self.book.load(saved)

    @rule(side=SIDES, levels=st.lists(st.tuples(book_prices(), book_sizes()), max_size=40), best_first=st.booleans())
    def set_many(self, side: int, levels: list[tuple[int, int]], best_first: bool) -> None:
        """Set a message's levels at once, best first as venues send them or in any order."""
        if best_first:
            levels = sorted(levels, reverse=side == BUY)
        self.set_both(side, levels)

    @rule(
        side=SIDES,
        count=st.integers(900, 1_300),
        span=st.sampled_from([20, 200, 5_000]),
        order=st.sampled_from(["best first", "worst first", "none"]),
        chance=st.randoms(use_true_random=False),
    )
    def set_very_many(self, side: int, count: int, span: int, order: str, chance: object) -> None:
        """Set so many levels at once that they are merged: new, known, deleted and repeated ones, in any order."""
        draw = chance.randint  # type: ignore[attr-defined]
        levels = [(draw(-span, span), draw(0, 3)) for _ in range(count)]
        if order != "none":
            levels.sort(key=lambda level: level[0], reverse=(side == BUY) == (order == "best first"))
        self.set_both(side, levels)

    def set_both(self, side: int, levels: list[tuple[int, int]]) -> None:
        """Set these levels in both."""
        prices, sizes = vec[i64]([0, *(p for p, _ in levels)]), vec[i64]([0, *(s for _, s in levels)])
        self.book.side(side).set_many(prices, sizes, 1, len(prices))
        for price, size in levels:
            self.naive[side].pop(price, None)
            if size:
                self.naive[side][price] = size

    @rule(side=SIDES, size=st.integers(0, 3000), levels=st.integers(0, 300), price=book_prices())
    def ask(self, side: int, size: int, levels: int, price: int) -> None:
        """Every question has the answer that a walk over the dictionary gives."""
        ladder, naive = self.book.side(side), self.naive_levels(side)
        assert ladder.cumulative_size(levels) == sum(s for _, s in naive[:levels])
        assert ladder.size_to(price) == sum(s for p, s in naive if (p - price) * side >= 0)
        assert ladder.size_at(price) == self.naive[side].get(price, 0)
        assert list(ladder.prices(levels)) == [p for p, _ in naive[:levels]]
        assert list(ladder.sizes(levels)) == [s for _, s in naive[:levels]]
        cost, filled_size, last_price = 0, 0, 0
        for level_price, level_size in naive:
            if filled_size == size:
                break
            taken = min(level_size, size - filled_size)
            cost, filled_size, last_price = cost + level_price * taken, filled_size + taken, level_price
        assert ladder.vwap(size) == (cost, filled_size)
        assert ladder.price_for_size(size) == (last_price, filled_size)

    @invariant()
    def same_levels(self) -> None:
        """Levels, counts, best and crossed are the same at every step."""
        bids, asks = self.naive_levels(BUY), self.naive_levels(SELL)
        assert self.book.bids.levels() == bids
        assert self.book.asks.levels() == asks
        assert (self.book.bids.count, self.book.asks.count) == (len(bids), len(asks))
        assert (self.book.best_bid_price, self.book.best_bid_size) == (bids[0] if bids else (0, 0))
        assert (self.book.best_ask_price, self.book.best_ask_size) == (asks[0] if asks else (0, 0))
        assert self.book.crossed == (bool(bids) and bool(asks) and bids[0][0] >= asks[0][0])


TestBookAgainstDictionaries = BookAgainstDictionaries.TestCase
TestBookAgainstDictionaries.settings = settings(max_examples=examples(40, 400), stateful_step_count=40, deadline=None)
