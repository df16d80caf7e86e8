"""What the scans of all venues share: the levels and numbers of a frame, and the reading of decimal text. Compiled.

A scan knows one spelling of each message, the one that its venue sends. Of anything else it says `UNKNOWN` and nothing
more; the venue's careful decoder then reads the same frame with msgspec into the same scan. It never raises on bad
bytes, never guesses, never touches a book, and never goes beyond the frame.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_le, read_i64_le
from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from market.dialect import Decoder

UNKNOWN: Final = 0
DELTA: Final = 1
SNAPSHOT: Final = 2
TRADES: Final = 3
QUOTE: Final = 4
OTHER: Final = 5
"""Known and not kept; `text` says what."""
REPLY: Final = 6
REFUSAL: Final = 7
LIFE: Final = 8
CLOSES: Final = 9
TRADING: Final = 10
"""The way of trading changed: `status` and `text`."""
STRANGE: Final = 11
"""Well formed and of no documented type; `text` names it."""

QUOTE_MARK: Final = 34
COMMA: Final = 44
MINUS: Final = 45
DOT: Final = 46
ZERO: Final = 48
NINE: Final = 57
COLON: Final = 58
OPEN: Final = 91
CLOSE: Final = 93
OPEN_BRACE: Final = 123
CLOSE_BRACE: Final = 125

# A character is a digit when its upper half is 3, and still is after adding 6. Seven characters are looked at together:
# the top byte of the word is left out, so that no step overflows.
_SEVEN_BYTES: Final = 0x00FFFFFFFFFFFFFF
_SEVEN_ZEROS: Final = 0x0030303030303030
_BEYOND_NINE: Final = 0x0076767676767676
_SEVEN_FLAGS: Final = 0x0080808080808080
_SEVEN_ONES: Final = 0x0001010101010101
# How many decimal places are read as one word.
_PLACES: Final = 8

# Eighteen digits fit an i64 whatever they are, and stay below the largest price of a book.
MOST_DIGITS: Final = 18

# Eight characters at once, the first in the lowest byte: each is a digit when its upper half is 3, and still is after
# adding 6. Then neighbours are added in pairs, and those again.
_UPPER_HALVES: Final = -0x0F0F0F0F0F0F0F10  # 0xF0 in every byte
_EIGHT_ZEROS: Final = 0x3030303030303030
_EIGHT_SIXES: Final = 0x0606060606060606
_PAIRS: Final = 0x00FF00FF00FF00FF
_FOURS: Final = 0x0000FFFF0000FFFF
_EIGHT: Final = 0xFFFFFFFF

_POWERS: Final = (
    1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000,
    100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000,
    10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000,
)  # fmt: skip


@mypyc_attr(allow_interpreted_subclasses=True)
class Scan:
    """Scans the frames of one instrument; after a scan its attributes hold what the frame said.

    `level_prices` and `level_sizes` hold the bids, `bid_count` of them, then the asks, up to `level_count`. Trades go
    to `trades_to`, whose `trade_count` is set to 0 first.
    """

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this symbol into integers of these scales."""
        self.symbol: Final[str] = venue_symbol
        self.price_scale: Final[int] = price_scale
        self.size_scale: Final[int] = size_scale
        self.powers: vec[i64] = vec[i64](list(_POWERS))
        self.price_places: i64 = price_scale
        self.size_places: i64 = size_scale
        self.text: str = ""
        self.status: i64 = 0
        self.event_ns: i64 = 0
        self.first_update_id: i64 = 0
        self.last_update_id: i64 = 0
        self.previous_update_id: i64 = 0
        self.checksum: i64 = 0
        self.has_checksum: bool = False
        self.bid_count: i64 = 0
        self.level_count: i64 = 0
        self.level_prices: vec[i64] = vec[i64]([0] * 128)
        self.level_sizes: vec[i64] = vec[i64]([0] * 128)
        self.trades_to: Decoder = Decoder()
        self.number: i64 = 0

    def scan(self, frame: bytes) -> i64:
        """Read one frame: one of the kinds above, or `UNKNOWN`."""
        raise NotImplementedError

    def begin_levels(self) -> None:
        """Forget the levels held."""
        self.bid_count = 0
        self.level_count = 0

    def add_level(self, price: i64, size: i64) -> None:
        """Put a level behind those held."""
        count = self.level_count
        if count == len(self.level_prices):
            self.grow()
        self.level_prices[count] = price
        self.level_sizes[count] = size
        self.level_count = count + 1

    def grow(self) -> None:
        """Make room for twice as many levels."""
        held = len(self.level_prices)
        prices = vec[i64]([0] * (held * 2))
        sizes = vec[i64]([0] * (held * 2))
        position: i64 = 0
        while position < held:
            prices[position] = self.level_prices[position]
            sizes[position] = self.level_sizes[position]
            position += 1
        self.level_prices = prices
        self.level_sizes = sizes

    def decimal(self, frame: bytes, position: i64, places: i64) -> i64:
        """Digits, perhaps a dot and more digits, scaled exactly into `number`; the position after them, or -1.

        -1 is said of everything else: a sign, an exponent's mantissa that is too long, a superfluous leading zero,
        digits other than zeros below the scale, or a number that the end of the frame cuts off.
        """
        if position + 8 > i64(len(frame)):
            return self._decimal_slowly(frame, position, places)
        word = read_i64_le(frame, position) & _SEVEN_BYTES
        # Of the seven bytes those that are no digits have a flag; below the lowest of them are the digits.
        flags = ((word ^ _SEVEN_ZEROS) + _BEYOND_NINE | word) & _SEVEN_FLAGS
        if flags == 0:
            return self._decimal_slowly(frame, position, places)
        below = ((flags & (0 - flags)) >> 7) - 1
        ones = below & _SEVEN_ONES
        ones += ones >> 32
        ones += ones >> 16
        count = (ones + (ones >> 8)) & 0xFF
        if count == 0 or (count > 1 and word & 0xFF == ZERO):
            return -1
        digits = ((word ^ _SEVEN_ZEROS) & below) << (64 - 8 * count)
        digits = (digits * 10 + (digits >> 8)) & _PAIRS
        digits = (digits * 100 + (digits >> 16)) & _FOURS
        value = (digits * 10000 + (digits >> 32)) & _EIGHT
        if count + places > MOST_DIGITS:
            return -1
        first = position
        position += count
        if frame[position] != DOT:
            self.number = value * self.powers[places]
            return position
        position += 1
        if places == 0 or position + _PLACES >= i64(len(frame)):
            return self._decimal_slowly(frame, first, places)
        word = read_i64_le(frame, position)
        last = ((word >> 56) & 0xFF) - ZERO
        word &= _SEVEN_BYTES
        flags = ((word ^ _SEVEN_ZEROS) + _BEYOND_NINE | word) & _SEVEN_FLAGS
        count = 7
        below = _SEVEN_BYTES
        if flags != 0:
            below = ((flags & (0 - flags)) >> 7) - 1
            ones = below & _SEVEN_ONES
            ones += ones >> 32
            ones += ones >> 16
            count = (ones + (ones >> 8)) & 0xFF
            last = 0
        elif 0 <= last <= 9:
            # The eighth place, and what stands behind it.
            if places < _PLACES or ZERO <= frame[position + _PLACES] <= NINE:
                return self._decimal_slowly(frame, first, places)
            position += 1
        else:
            last = 0
        if count == 0 or count > places:
            return self._decimal_slowly(frame, first, places)
        # Zeros behind the digits make them as many as the scale has, or eight of a larger one.
        digits = (word ^ _SEVEN_ZEROS) & below
        kept = min(places, _PLACES)
        digits <<= 8 * (_PLACES - kept)
        digits = (digits * 10 + (digits >> 8)) & _PAIRS
        digits = (digits * 100 + (digits >> 16)) & _FOURS
        digits = (digits * 10000 + (digits >> 32)) & _EIGHT
        value = value * self.powers[kept] + digits + last
        self.number = value if kept == places else value * self.powers[places - kept]
        return position + count

    def _decimal_slowly(self, frame: bytes, position: i64, places: i64) -> i64:
        """What `decimal` says, digit by digit: for long numbers, and near the end of the frame."""
        end = i64(len(frame))
        first = position
        value: i64 = 0
        if position >= end:
            return -1
        leading: i64 = frame[position]
        digit = leading - ZERO
        while 0 <= digit <= 9:
            value = value * 10 + digit
            position += 1
            if position >= end or position - first > MOST_DIGITS:
                return -1
            digit = frame[position]
            digit -= ZERO
        whole = position - first
        if whole == 0 or (leading == ZERO and whole > 1) or whole + places > MOST_DIGITS:
            return -1
        if digit != DOT - ZERO:
            self.number = value * self.powers[places]
            return position
        position += 1
        first = position
        last = position + places
        if last >= end:
            last = end - 1
        if last - position >= 8:
            # The usual eight places at once.
            eight = eight_digits(read_i64_le(frame, position))
            if eight >= 0:
                value = value * 100_000_000 + eight
                position += 8
        while position < last:
            digit = frame[position]
            digit -= ZERO
            if digit < 0 or digit > 9:
                break
            value = value * 10 + digit
            position += 1
        if position == first and places > 0:
            return -1
        value *= self.powers[places - (position - first)]
        # What is below the scale must be nothing.
        below = position
        while position < end and frame[position] == ZERO:
            position += 1
        if position >= end or ZERO <= frame[position] <= NINE or (position == below and below == first):
            return -1
        self.number = value
        return position

    def whole(self, frame: bytes, position: i64) -> i64:
        """A JSON integer without sign into `number`; the position after it, or -1. It cannot end the frame."""
        last_word = i64(len(frame)) - 8
        if position >= last_word + 8:
            return -1
        word: i64 = 0
        if position <= last_word:
            word = read_i64_le(frame, position) & _SEVEN_BYTES
        elif last_word >= 0:
            # The end of the frame, and zeros behind it, which are no digits.
            word = (read_i64_le(frame, last_word) >> (8 * (position - last_word))) & (
                _SEVEN_BYTES >> (8 * (position - last_word - 1))
            )
        flags = ((word ^ _SEVEN_ZEROS) + _BEYOND_NINE | word) & _SEVEN_FLAGS
        if flags == 0:
            return self._whole_slowly(frame, position)
        below = ((flags & (0 - flags)) >> 7) - 1
        ones = below & _SEVEN_ONES
        ones += ones >> 32
        ones += ones >> 16
        count = (ones + (ones >> 8)) & 0xFF
        if count == 0 or (count > 1 and word & 0xFF == ZERO) or position + count >= last_word + 8:
            return -1
        digits = ((word ^ _SEVEN_ZEROS) & below) << (64 - 8 * count)
        digits = (digits * 10 + (digits >> 8)) & _PAIRS
        digits = (digits * 100 + (digits >> 16)) & _FOURS
        self.number = (digits * 10000 + (digits >> 32)) & _EIGHT
        return position + count

    def _whole_slowly(self, frame: bytes, position: i64) -> i64:
        """What `whole` says, digit by digit: of more than seven, and in a frame of fewer than eight bytes."""
        end = i64(len(frame))
        first = position
        value: i64 = 0
        if position >= end:
            return -1
        leading: i64 = frame[position]
        digit = leading - ZERO
        while 0 <= digit <= 9:
            value = value * 10 + digit
            position += 1
            if position >= end or position - first > MOST_DIGITS:
                return -1
            digit = frame[position]
            digit -= ZERO
        digits = position - first
        if digits == 0 or (leading == ZERO and digits > 1):
            return -1
        self.number = value
        return position


def eight_digits(word: i64) -> i64:
    """The number that eight characters in a little-endian word write, -1 if one of them is no digit."""
    if word & _UPPER_HALVES != _EIGHT_ZEROS or (word + _EIGHT_SIXES) & _UPPER_HALVES != _EIGHT_ZEROS:
        return -1
    word -= _EIGHT_ZEROS
    word = (word * 10 + (word >> 8)) & _PAIRS
    word = (word * 100 + (word >> 16)) & _FOURS
    return (word * 10000 + (word >> 32)) & _EIGHT


def stands(frame: bytes, position: i64, text: bytes) -> bool:
    """Whether the text stands at this position, all of it inside the frame."""
    size = i64(len(text))
    if position < 0 or position + size > i64(len(frame)):
        return False
    place: i64 = 0
    # Word by word; the last word overlaps the one before it.
    if size >= 8:
        last = size - 8
        while place < last:
            if read_i64_le(frame, position + place) != read_i64_le(text, place):
                return False
            place += 8
        return read_i64_le(frame, position + last) == read_i64_le(text, last)
    if size >= 4:
        last = size - 4
        return read_i32_le(frame, position) == read_i32_le(text, 0) and (
            read_i32_le(frame, position + last) == read_i32_le(text, last)
        )
    while place < size:
        if frame[position + place] != text[place]:
            return False
        place += 1
    return True
