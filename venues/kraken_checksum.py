"""Kraken's checksum of a book: CRC-32 over the digits of the ten best asks and then the ten best bids. Compiled.

Of each level the price and then the size are written with the places that the venue gives the pair, without the dot
and without leading zeros. A number scaled to just those places is that text, so that no text of the venue is kept;
where the venue writes more or fewer places than the scale has, zeros are put behind or taken off. It reads a book and
changes nothing.
"""

from __future__ import annotations

import zlib
from typing import Final

from librt.strings import BytesWriter, write_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from market.book import Book

CHECKED_LEVELS: Final = 10
"""So many levels a side are in the checksum."""

_EIGHT_PLACES: Final = 100_000_000
_EIGHT_ZEROS: Final = 0x3030303030303030
_PAIRS: Final = 0x0000007F0000007F
_ONES: Final = 0x000F000F000F000F
_ZERO: Final = 48


def book_checksum(book: Book, price_zeros: i64 = 0, size_zeros: i64 = 0) -> i64:
    """The checksum of a book, as an unsigned number; the two others say by how many places the venue writes more."""
    text = checksum_text(book, price_zeros, size_zeros)
    return zlib.crc32(text)


def checksum_text(book: Book, price_zeros: i64 = 0, size_zeros: i64 = 0) -> bytes:
    """What the checksum is made of."""
    writer = BytesWriter()
    _write_side(writer, book.asks.prices(CHECKED_LEVELS), book.asks.sizes(CHECKED_LEVELS), price_zeros, size_zeros)
    _write_side(writer, book.bids.prices(CHECKED_LEVELS), book.bids.sizes(CHECKED_LEVELS), price_zeros, size_zeros)
    return writer.getvalue()


def _write_side(writer: BytesWriter, prices: vec[i64], sizes: vec[i64], price_zeros: i64, size_zeros: i64) -> None:
    levels = i64(len(prices))
    level: i64 = 0
    while level < levels:
        _write_number(writer, prices[level], price_zeros)
        _write_number(writer, sizes[level], size_zeros)
        level += 1


def _write_number(writer: BytesWriter, value: i64, zeros: i64) -> None:
    """The digits of a number, none for 0, with so many zeros behind them or so many taken off."""
    while zeros < 0:
        value = value // 10
        zeros += 1
    if value <= 0:
        return
    if value < _EIGHT_PLACES:
        _write_leading(writer, value)
    else:
        upper = value // _EIGHT_PLACES
        if upper < _EIGHT_PLACES:
            _write_leading(writer, upper)
        else:
            _write_leading(writer, upper // _EIGHT_PLACES)
            write_i64_le(writer, _eight_digits(upper % _EIGHT_PLACES))
        write_i64_le(writer, _eight_digits(value % _EIGHT_PLACES))
    while zeros > 0:
        writer.append(_ZERO)
        zeros -= 1


def _write_leading(writer: BytesWriter, value: i64) -> None:
    """A number below 10^8 without leading zeros."""
    digits = _eight_digits(value)
    count: i64 = 8
    while digits & 0xFF == _ZERO and count > 1:
        digits >>= 8
        count -= 1
    size = i64(len(writer))
    write_i64_le(writer, digits)
    writer.truncate(size + count)


def _eight_digits(value: i64) -> i64:
    """The eight characters that write a number below 10^8, the first one lowest."""
    # Two halves of four digits, then four pairs, then eight digits, each divided in its place by a multiplication.
    parts = (value // 10_000) | ((value % 10_000) << 32)
    upper = ((parts * 10_486) >> 20) & _PAIRS
    parts = upper | ((parts - 100 * upper) << 16)
    upper = ((parts * 103) >> 10) & _ONES
    return (upper | ((parts - 10 * upper) << 8)) + _EIGHT_ZEROS
