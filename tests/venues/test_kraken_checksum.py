"""Kraken's checksum: the documents' examples, and the documents' formula on any book."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.vecs import vec
from mypy_extensions import i64

from market.book import Book
from tests.seeds import examples
from venues.kraken_checksum import book_checksum, checksum_text

Levels = list[tuple[int, int]]

# docs.kraken.com, guide "Book checksum v2": places 1 and 8.
DOCUMENTED_ASKS = [
    (452852, 100000), (452864, 154571953), (452866, 154571109), (452896, 154560911), (452902, 15890660),
    (452918, 154553491), (452947, 4454749), (452961, 35380000), (452975, 9945542), (452995, 18772827),
]  # fmt: skip
DOCUMENTED_BIDS = [
    (452835, 10000000), (452834, 154582015), (452821, 10000000), (452810, 10000000), (452803, 154592586),
    (452790, 7990000), (452776, 3310103), (452775, 30000000), (452773, 154602737), (452766, 15445238),
]  # fmt: skip


def book_of(bids: Levels, asks: Levels) -> Book:
    """A book of these levels."""
    book = Book()
    columns = [vec[i64]([level[column] for level in side]) for side in (bids, asks) for column in (0, 1)]
    book.replace(*columns)
    return book


def documented_text(bids: Levels, asks: Levels) -> str:
    """The text that the documents describe, of levels that are best first."""
    return "".join(str(number) for side in (asks, bids) for level in side[:10] for number in level)


def test_the_documents_example() -> None:
    """The worked example of the documents gives its text and its checksum."""
    book = book_of(DOCUMENTED_BIDS, DOCUMENTED_ASKS)
    assert checksum_text(book).startswith(b"452852100000452864154571953")
    assert checksum_text(book) == documented_text(DOCUMENTED_BIDS, DOCUMENTED_ASKS).encode()
    assert book_checksum(book) == 3310070434


@pytest.mark.parametrize("levels", [0, 1, 9, 11])
def test_thin_and_deep_sides(levels: int) -> None:
    """A side with fewer than ten levels counts with what it has, one with more with its ten best."""
    bids = [(1_000_000 - number, 5 + number) for number in range(levels)]
    asks = [(1_000_001 + number, 7 + number) for number in range(levels)]
    assert checksum_text(book_of(bids, asks)) == documented_text(bids, asks).encode()


@given(
    sizes=st.lists(st.one_of(st.integers(1, 10**18 - 1), st.integers(1, 10**9)), min_size=1, max_size=25),
    best=st.one_of(st.integers(100, 10**17), st.integers(100, 10**6)),
)
@settings(max_examples=examples(200, 5_000), deadline=None)
def test_the_digits_of_any_book(sizes: list[int], best: int) -> None:
    """Whatever the numbers, the text is their digits and the checksum that of zlib."""
    half = len(sizes) // 2
    bids = [(best - number, size) for number, size in enumerate(sizes[:half])]
    asks = [(best + 1 + number * number, size) for number, size in enumerate(sizes[half:])]
    book = book_of(bids, asks)
    assert checksum_text(book).decode() == documented_text(bids, asks)
    assert book_checksum(book) == zlib.crc32(documented_text(bids, asks).encode())


@given(price=st.integers(1, 10**12), size=st.integers(1, 10**12), more=st.integers(-2, 5))
@settings(max_examples=examples(100, 2_000), deadline=None)
def test_places_beyond_the_scale(price: int, size: int, more: int) -> None:
    """Where the venue writes more places than the scale has, zeros follow; where fewer, those that are there go."""
    book = book_of([(price * 100, size * 100)], [])
    expected = [str(number * 100 * 10**more if more >= 0 else number * 100 // 10**-more) for number in (price, size)]
    assert checksum_text(book, more, more).decode() == "".join(expected)
