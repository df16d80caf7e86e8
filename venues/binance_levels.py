"""Reads the numbers and levels of Binance's frames, eight decimal places at once where there are eight. Compiled.

A number is digits, and perhaps a dot and more digits, up to a quotation mark. Spot writes eight decimal places, the
futures write as many as the instrument has; both are read here to the same values as `market/numbers.py` reads them, or
not at all. It never raises on bad bytes and never leaves the frame: a frame is looked at only when its last byte is a
closing brace or bracket, and every step goes over bytes that were found to be something else.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64

from venues.scanning import MOST_DIGITS, Scan, stands

_QUOTE: Final = 34
_DOT: Final = 46
_ZERO: Final = 48
_NINE: Final = 57
_OPEN: Final = 91
_CLOSE: Final = 93

# How many decimal places are read as one word.
_PLACES: Final = 8

# Eight decimal digits in one 64-bit word, the first in its lowest byte. No step overflows: a byte holds 99 at most, a
# pair of bytes 9,999, four of them 99,999,999.
_UPPER_HALVES: Final = -0x0F0F0F0F0F0F0F10  # 0xF0 in every byte
_EIGHT_ZEROS: Final = 0x3030303030303030
_EIGHT_SIXES: Final = 0x0606060606060606
_PAIRS: Final = 0x00FF00FF00FF00FF
_FOURS: Final = 0x0000FFFF0000FFFF
_EIGHT: Final = 0xFFFFFFFF

# After so many numbers of another form than the one that is expected, it is that of the last which is.
_MOST_MISSES: Final = 16

# What stands between two numbers, read as a little-endian word: `","`, `"],[` and `"]]`.
_THREE_BYTES: Final = 0xFFFFFF
_TO_THE_SIZE: Final = 0x222C22
_TO_THE_NEXT: Final = 0x5B2C5D22
_TO_THE_END: Final = 0x5D5D22


@final
class DecimalForm:
    """What the reading of a decimal number needs to know of its scale, and the form that its numbers have had lately.

    That form is a guess at the next one, which saves time where it holds and means nothing where it does not.
    """

    def __init__(self, scale: int) -> None:
        """Prepare for a scale."""
        self.scale: Final[int] = scale
        self.places: i64 = scale
        self.most_whole_digits: i64 = MOST_DIGITS - scale
        self.one: i64 = 10**scale
        self.shift: i64 = 8 * (_PLACES - scale) if 0 < scale <= _PLACES else 0
        # Of eight places at once those that must be zeros: of a scale that wants more places, all of them.
        self.beyond_scale: i64 = sum(0x0F << (8 * place) for place in range(scale, _PLACES)) if scale <= _PLACES else -1
        self.misses: i64 = 0
        self.length: i64 = 0
        self.dot_shift: i64 = 0
        self.whole_mask: i64 = 0
        self.fraction_mask: i64 = 0
        self.fill: i64 = 0
        self.below_scale: i64 = 0
        self.usual_shift: i64 = 0
        self.rest: i64 = 1

    def learn(self, whole: int, places: int) -> None:
        """Expect so many digits before the dot and so many behind it, where all of it fits a word."""
        self.misses = 0
        if whole + 1 + places > 8 or whole + self.scale > MOST_DIGITS:
            return
        kept = min(places, self.scale)
        self.length = whole + 1 + places
        self.dot_shift = 8 * whole
        self.whole_mask = sum(0xFF << (8 * place) for place in range(whole))
        self.fraction_mask = sum(0xFF << (8 * place) for place in range(whole, whole + places))
        self.fill = sum(_ZERO << (8 * place) for place in range(whole + places, 8))
        self.below_scale = sum(0x0F << (8 * place) for place in range(whole + kept, whole + places))
        self.usual_shift = 8 * (8 - whole - kept)
        self.rest = 10 ** (self.scale - kept)


class LevelScan(Scan):
    """A scan with what its numbers need; the functions below read into it."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this symbol into integers of these scales."""
        super().__init__(venue_symbol, price_scale, size_scale)
        self.price_form: Final[DecimalForm] = DecimalForm(price_scale)
        self.size_form: Final[DecimalForm] = DecimalForm(size_scale)


def read_levels(scan: LevelScan, frame: bytes, position: i64, key: bytes) -> i64:
    """A key and its list of `["price","size"]`, put behind the levels held; the position after it, or -1."""
    if not stands(frame, position, key):
        return -1
    position += len(key)
    if frame[position] == _CLOSE:
        return position + 1
    if frame[position] != _OPEN or frame[position + 1] != _QUOTE:
        return -1
    return read_rows(scan, frame, position + 2)


def read_rows(scan: LevelScan, frame: bytes, position: i64) -> i64:
    """The levels from a first price on, to the end of their list or of a piece; the position after it, or -1."""
    price_form = scan.price_form
    size_form = scan.size_form
    prices = scan.level_prices
    sizes = scan.level_sizes
    count = scan.level_count
    # A mark is four bytes; the shortest thing that can follow a size, the end of a raw frame, is as long.
    last_mark = i64(len(frame)) - 4
    while True:
        position = read_decimal(scan, frame, position, price_form)
        if position < 0 or position > last_mark or read_i32_le(frame, position) & _THREE_BYTES != _TO_THE_SIZE:
            return -1
        if count == len(prices):
            scan.grow()
            prices = scan.level_prices
            sizes = scan.level_sizes
        prices[count] = scan.number
        position = read_decimal(scan, frame, position + 3, size_form)
        if position < 0:
            return -1
        sizes[count] = scan.number
        if position > last_mark:
            # Nothing but a piece of a frame ends with a level: what is whole ends with a brace.
            if position != last_mark + 2 or frame[position] != _QUOTE or frame[position + 1] != _CLOSE:
                return -1
            scan.level_count = count + 1
            return position + 2
        count += 1
        mark = read_i32_le(frame, position)
        if mark == _TO_THE_NEXT:
            if frame[position + 4] != _QUOTE:
                return -1
            position += 5
        elif mark & _THREE_BYTES == _TO_THE_END:
            scan.level_count = count
            return position + 3
        else:
            return -1


def read_decimal(scan: LevelScan, frame: bytes, position: i64, form: DecimalForm) -> i64:
    """Digits, perhaps a dot and more digits, scaled into `number`; the position after them, or -1 for another form."""
    last_word = i64(len(frame)) - 8
    if position > last_word:
        return scan.decimal(frame, position, form.places)
    word = read_i64_le(frame, position)
    length = form.length
    if length != 0 and (word >> form.dot_shift) & 0xFF == _DOT:
        # Without its dot the number is up to seven digits, and zeros that fill the word.
        digits = (word & form.whole_mask) | ((word >> 8) & form.fraction_mask) | form.fill
        if (
            digits & _UPPER_HALVES == _EIGHT_ZEROS
            and (digits + _EIGHT_SIXES) & _UPPER_HALVES == _EIGHT_ZEROS
            and frame[position + length] == _QUOTE
        ):
            digits -= _EIGHT_ZEROS
            if digits & form.below_scale != 0:
                return -1
            digits <<= form.usual_shift
            digits = (digits * 10 + (digits >> 8)) & _PAIRS
            digits = (digits * 100 + (digits >> 16)) & _FOURS
            scan.number = ((digits * 10000 + (digits >> 32)) & _EIGHT) * form.rest
            return position + length
    first = position
    value: i64 = 0
    digit: i64 = (word & 0xFF) - _ZERO
    while 0 <= digit <= 9:
        value = value * 10 + digit
        position += 1
        word >>= 8
        digit = (word & 0xFF) - _ZERO
    if position - first == 8:
        digit = frame[position]
        digit -= _ZERO
        while 0 <= digit <= 9:
            value = value * 10 + digit
            position += 1
            digit = frame[position]
            digit -= _ZERO
    if position == first or position - first > form.most_whole_digits:
        return -1
    if digit != _DOT - _ZERO:
        scan.number = value * form.one
        return position if digit == _QUOTE - _ZERO else -1
    position += 1
    if position > last_word:
        return scan.decimal(frame, first, form.places)
    digits = read_i64_le(frame, position)
    # Each of eight characters is a digit when its upper half is 3, and still is after adding 6.
    if digits & _UPPER_HALVES != _EIGHT_ZEROS or (digits + _EIGHT_SIXES) & _UPPER_HALVES != _EIGHT_ZEROS:
        return _read_few_places(scan, digits, position, value, form, position - 1 - first)
    digits -= _EIGHT_ZEROS
    if digits & form.beyond_scale != 0:
        return -1
    # Digits below the scale, all zeros, go to the front as leading ones; then neighbours are added in pairs.
    digits <<= form.shift
    digits = (digits * 10 + (digits >> 8)) & _PAIRS
    digits = (digits * 100 + (digits >> 16)) & _FOURS
    digits = (digits * 10000 + (digits >> 32)) & _EIGHT
    scan.number = value * form.one + digits
    return position + 8


def _read_few_places(scan: LevelScan, word: i64, position: i64, value: i64, form: DecimalForm, whole: i64) -> i64:
    """Fewer than eight decimal places, in one word, behind a whole number; the position after them, or -1."""
    first = position
    left = form.places
    digit: i64 = (word & 0xFF) - _ZERO
    while 0 <= digit <= 9 and left > 0:
        value = value * 10 + digit
        position += 1
        left -= 1
        word >>= 8
        digit = (word & 0xFF) - _ZERO
    # What is below the scale must be nothing.
    while digit == 0:
        position += 1
        word >>= 8
        digit = (word & 0xFF) - _ZERO
    if digit != _QUOTE - _ZERO or position == first:
        return -1
    scan.number = value if left == 0 else value * scan.powers[left]
    form.misses += 1
    if form.misses > _MOST_MISSES:
        form.learn(whole, position - first)
    return position


def read_whole(scan: LevelScan, frame: bytes, position: i64) -> i64:
    """A JSON integer without sign into `number`; the position after it, or -1."""
    first = position
    value: i64 = 0
    byte: i64 = frame[position]
    leading = byte
    if position + 8 < i64(len(frame)):
        # Times and identifiers have more than eight digits: the first eight at once.
        eight = _eight_digits(read_i64_le(frame, position))
        if eight >= 0:
            value = eight
            position += 8
            byte = frame[position]
    while _ZERO <= byte <= _NINE:
        value = value * 10 + (byte - _ZERO)
        position += 1
        byte = frame[position]
    digits = position - first
    if digits == 0 or digits > MOST_DIGITS or (leading == _ZERO and digits > 1):
        return -1
    scan.number = value
    return position


def _eight_digits(word: i64) -> i64:
    """The number that eight characters in a little-endian word write, -1 if one of them is no digit."""
    if word & _UPPER_HALVES != _EIGHT_ZEROS or (word + _EIGHT_SIXES) & _UPPER_HALVES != _EIGHT_ZEROS:
        return -1
    word -= _EIGHT_ZEROS
    word = (word * 10 + (word >> 8)) & _PAIRS
    word = (word * 100 + (word >> 16)) & _FOURS
    return (word * 10000 + (word >> 32)) & _EIGHT
