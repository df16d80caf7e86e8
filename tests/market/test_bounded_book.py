"""A book with a bound: cut to its best levels, silent about what lies beyond, and right in all that it shows."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from librt.vecs import vec
from mypy_extensions import i64

from market.bounded_book import FEWEST_LEVELS, KEPT_LEVELS, MOST_LEVELS, BoundedBook
from tests.seeds import examples

Levels = list[tuple[int, int]]


def changed(book: BoundedBook, bids: Levels, asks: Levels) -> None:
    """Make a change."""
    both = [*bids, *asks]
    prices, sizes = vec[i64]([price for price, _ in both]), vec[i64]([size for _, size in both])
    book.change(prices, sizes, len(bids), len(both))


def test_a_side_beyond_the_bound_is_cut_to_its_best() -> None:
    """Twenty levels are held; with the one above, ten are left, and nothing beyond them is taken from then on."""
    book = BoundedBook(20, 10, 3)
    changed(book, [(100 - place, 1) for place in range(20)], [(101, 1)])
    assert book.book.bids.count == 20
    changed(book, [(101, 2)], [])
    assert book.book.bids.levels() == [(101, 2), *((100 - place, 1) for place in range(9))]
    changed(book, [(91, 5), (92, 7), (50, 5), (102, 3)], [(5_000, 1)])
    assert book.book.bids.levels()[0] == (102, 3)
    assert book.book.bids.levels()[-1] == (92, 7)
    assert book.book.asks.levels() == [(101, 1), (5_000, 1)]


def test_it_says_when_too_little_is_left_of_a_side_that_was_cut() -> None:
    """A side that was never cut may have as few levels as the venue says; a snapshot begins anew."""
    book = BoundedBook(20, 10, 3)
    changed(book, [], [(100 + place, 1) for place in range(21)])
    changed(book, [], [(100 + place, 0) for place in range(7)])
    assert (book.is_enough, book.book.asks.count) == (True, 3)
    changed(book, [], [(107, 0), (200, 1)])
    assert (book.is_enough, book.book.asks.count) == (False, 2)
    book.replace(vec[i64]([5, 9]), vec[i64]([1, 1]), 1, 2)
    changed(book, [], [(300, 1)])
    assert book.is_enough
    assert book.book.asks.levels() == [(9, 1), (300, 1)]


def test_the_bounds_leave_room_for_the_largest_snapshot() -> None:
    """5,000 levels a side are never cut, nor too few of what a cut leaves."""
    assert FEWEST_LEVELS < 5_000 < KEPT_LEVELS < MOST_LEVELS


@given(
    changes=st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=25),
            st.lists(st.tuples(st.integers(30, 90), st.integers(0, 3)), max_size=25),
        ),
        max_size=12,
    )
)
@settings(max_examples=examples(200, 3_000), deadline=None)
def test_what_it_shows_is_the_whole_book_up_to_some_price(changes: list[tuple[Levels, Levels]]) -> None:
    """Beside a book without a bound: the same levels from the touch on, none left out, also when saved and loaded."""
    bounded, whole = BoundedBook(20, 10, 3), BoundedBook(10_000, 5_000, 0)
    for bids, asks in changes:
        changed(bounded, bids, asks)
        changed(whole, bids, asks)
        for side, every in ((bounded.book.bids, whole.book.bids), (bounded.book.asks, whole.book.asks)):
            assert side.count <= 20
            assert side.levels() == every.levels()[: side.count]
        loaded = BoundedBook(20, 10, 3)
        loaded.load(json.loads(json.dumps(bounded.save())))
        assert loaded.save() == bounded.save()
        bounded = loaded


def small(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> BoundedBook:
    """A book of these levels."""
    book = BoundedBook()
    book.replace(
        vec[i64]([price for price, _ in bids + asks]), vec[i64]([size for _, size in bids + asks]), len(bids),
        len(bids) + len(asks),
    )  # fmt: skip
    return book


def change(book: BoundedBook, price: int, size: int) -> None:
    """One bid changes."""
    book.change(vec[i64]([price]), vec[i64]([size]), 1, 1)


def test_differences_are_counted_as_deep_as_both_know() -> None:
    """A level that one has and the other has not, or has in another size; none beyond where either ends."""
    book = small([(100, 5), (99, 6), (97, 7), (90, 1)], [(101, 5), (103, 2)])
    assert book.differences([(100, 5), (99, 6), (97, 7)], [(101, 5)]) == (4, 0)
    assert book.differences([(100, 4), (98, 1), (97, 7)], [(101, 5), (102, 1)]) == (6, 4)
    assert book.differences([(100, 5), (99, 6), (97, 7), (90, 1), (80, 1)], [(101, 5), (103, 2)]) == (6, 0)
    assert book.differences([], [(101, 5), (103, 2)]) == (6, 4)
    assert BoundedBook().differences([(1, 1)], []) == (1, 1)


def test_a_price_that_changed_is_not_compared() -> None:
    """Also one that changed back; a snapshot ends the noting, and what was noted is saved."""
    book = small([(100, 5), (99, 6)], [(101, 5)])
    change(book, 99, 1)
    book.begin_noting()
    change(book, 100, 9)
    change(book, 100, 5)
    loaded = BoundedBook()
    loaded.load(book.save())
    for one in (book, loaded):
        assert one.is_noting
        assert one.differences([(100, 7), (99, 1)], [(101, 5)]) == (2, 0)
    book.end_noting()
    assert book.differences([(100, 7), (99, 1)], [(101, 5)]) == (3, 1)
    loaded.replace(vec[i64]([100]), vec[i64]([5]), 1, 1)
    assert not loaded.is_noting
