"""Reads lists of levels whose numbers are quoted text, `["price","size"...]`, into a scan. Compiled.

Bybit and OKX write them so; OKX puts two more numbers behind the size, which are passed over. A number is digits and
perhaps a dot and more digits. Of any other spelling the answer is -1, and the venue's careful decoder reads the frame.
Nothing is read beyond the frame, whatever its bytes are.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64

from venues.scanning import CLOSE, MOST_DIGITS, OPEN, QUOTE_MARK, ZERO, Scan

# What stands around a number, read as a little-endian word: `","`, `"],[`, `"]]`.
_THREE_BYTES: Final = 0xFFFFFF
_TO_THE_SIZE: Final = 0x222C22
_TO_THE_NEXT: Final = 0x5B2C5D22
_TO_THE_END: Final = 0x5D5D22
_DOT_DIGIT: Final = 46 - 48
_QUOTE_DIGIT: Final = 34 - 48
# So many bytes behind the beginning of a number a word can be read at every one of its characters: 18 digits, a dot,
# and the word.
_FAR: Final = 28


def read_levels(scan: Scan, frame: bytes, position: i64, more: bool) -> i64:
    """A list behind its opening bracket, put behind the levels held; the position after the list, or -1.

    With `more` two whole numbers follow each size.
    """
    end = i64(len(frame))
    # Behind a list there are at least four bytes: no frame ends with one.
    last = end - 4
    if position > last:
        return -1
    if frame[position] == CLOSE:
        return position + 1
    if frame[position] != OPEN or frame[position + 1] != QUOTE_MARK:
        return -1
    position += 2
    prices = scan.level_prices
    sizes = scan.level_sizes
    count = scan.level_count
    price_places = scan.price_places
    size_places = scan.size_places
    while True:
        position = read_quoted(scan, frame, position, price_places)
        if position < 0 or position > last or read_i32_le(frame, position) & _THREE_BYTES != _TO_THE_SIZE:
            return -1
        if count == len(prices):
            scan.level_count = count
            scan.grow()
            prices = scan.level_prices
            sizes = scan.level_sizes
        prices[count] = scan.number
        position = read_quoted(scan, frame, position + 3, size_places)
        if position < 0 or position > last:
            return -1
        sizes[count] = scan.number
        count += 1
        if more:
            position = _past_two_numbers(frame, position, last)
            if position < 0:
                return -1
        mark = read_i32_le(frame, position)
        if mark == _TO_THE_NEXT:
            position += 4
            if position >= end or frame[position] != QUOTE_MARK:
                return -1
            position += 1
        elif mark & _THREE_BYTES == _TO_THE_END:
            scan.level_count = count
            return position + 3
        else:
            return -1


def _past_two_numbers(frame: bytes, position: i64, last: i64) -> i64:
    """From the end of a size behind `","digits","digits`; the position of the closing mark, or -1."""
    left: i64 = 2
    while left > 0:
        if read_i32_le(frame, position) & _THREE_BYTES != _TO_THE_SIZE:
            return -1
        position += 3
        first = position
        while position <= last and ZERO <= frame[position] <= ZERO + 9:
            position += 1
        if position > last or position == first:
            return -1
        left -= 1
    return position


def read_quoted(scan: Scan, frame: bytes, position: i64, places: i64) -> i64:
    """A decimal number up to its closing mark, scaled into `scan.number`; the mark's position, or -1."""
    if position + _FAR > i64(len(frame)):
        position = scan.decimal(frame, position, places)
        return position if position >= 0 and frame[position] == QUOTE_MARK else -1
    first = position
    value: i64 = 0
    word = read_i64_le(frame, position)
    leading: i64 = word & 0xFF
    digit = leading - ZERO
    left: i64 = 8
    while 0 <= digit <= 9:
        value = value * 10 + digit
        position += 1
        left -= 1
        if left == 0:
            if position - first > MOST_DIGITS:
                return -1
            word = read_i64_le(frame, position)
            left = 8
        else:
            word >>= 8
        digit = (word & 0xFF) - ZERO
    whole = position - first
    if whole == 0 or (leading == ZERO and whole > 1) or whole + places > MOST_DIGITS:
        return -1
    if digit == _QUOTE_DIGIT:
        scan.number = value * scan.powers[places]
        return position
    if digit != _DOT_DIGIT:
        return -1
    position += 1
    first = position
    # At most eighteen digits stand before this place, so that words can still be read.
    word = read_i64_le(frame, position)
    digit = (word & 0xFF) - ZERO
    left = 8
    while 0 <= digit <= 9 and places > 0:
        value = value * 10 + digit
        places -= 1
        position += 1
        left -= 1
        if left == 0:
            break
        word >>= 8
        digit = (word & 0xFF) - ZERO
    if left > 0 and digit == _QUOTE_DIGIT and position > first:
        scan.number = value * scan.powers[places]
        return position
    return _finish(scan, frame, position, first, value, places)


def _finish(scan: Scan, frame: bytes, position: i64, first: i64, value: i64, places: i64) -> i64:
    """What is left of the decimal places, and zeros below the scale; the closing mark's position, or -1."""
    end = i64(len(frame))
    while position < end and places > 0:
        digit: i64 = frame[position]
        digit -= ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        places -= 1
        position += 1
    # What is below the scale must be nothing.
    while position < end and frame[position] == ZERO:
        position += 1
    if position >= end or position == first or frame[position] != QUOTE_MARK:
        return -1
    scan.number = value * scan.powers[places]
    return position
