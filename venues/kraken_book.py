"""Keeps Kraken's books, of both generations of its WebSocket interface: cut to the depth, then checked. Compiled.

The venue numbers nothing, and it tells of no level that falls out of the depth that is subscribed to: after every
change each side is cut to that depth, and then the ten best levels of each side have to give the checksum that the
frame carries. A frame without one is applied and counted, in `checksums_absent`. What a lost or damaged frame changed
below the tenth level shows when it moves up, not before.
"""

from __future__ import annotations

from typing import Final, cast

from librt.strings import read_i64_le
from mypy_extensions import i64, mypyc_attr

from venues.kraken_checksum import book_checksum
from venues.scanning import DOT, MOST_DIGITS, NINE, ZERO, Scan
from venues.streamed import Careful, StreamedDecoder

MOST_CHECKSUM: Final = 0xFFFFFFFF
UNWRITTEN: Final = -1

_UPPER_HALVES: Final = -0x0F0F0F0F0F0F0F10
_EIGHT_ZEROS: Final = 0x3030303030303030
_EIGHT_SIXES: Final = 0x0606060606060606
_PAIRS: Final = 0x00FF00FF00FF00FF
_FOURS: Final = 0x0000FFFF0000FFFF
_EIGHT: Final = 0x00000000FFFFFFFF
_EIGHT_PLACES: Final = 100_000_000


@mypyc_attr(allow_interpreted_subclasses=True)
class KrakenScan(Scan):
    """What the scans of both generations share.

    `depth` is what the venue said last of the depth of this book. `price_written` and `size_written` are the places
    with which the frame writes, `UNWRITTEN` where that does not matter or is not known.
    """

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int, depth: int) -> None:
        """Scan frames of this symbol, of a book of this depth until the venue names another one."""
        super().__init__(venue_symbol, price_scale, size_scale)
        self.depth: i64 = depth
        self.checksum_due: bool = True
        self.price_written: i64 = UNWRITTEN
        self.size_written: i64 = UNWRITTEN
        self.written: i64 = 0

    def number_at(self, frame: bytes, position: i64, places: i64) -> i64:
        """As `decimal` of the base, but quicker, and with the places as they are written left in `written`."""
        end = i64(len(frame))
        if position + 8 > end:
            return -1
        first = position
        value: i64 = 0
        word = read_i64_le(frame, position)
        leading: i64 = (word & 0xFF) - ZERO
        digit = leading
        while 0 <= digit <= 9:
            value = value * 10 + digit
            position += 1
            word >>= 8
            digit = (word & 0xFF) - ZERO
        if position - first == 8:
            # All of the word were digits.
            while position < end and ZERO <= frame[position] <= NINE and position - first <= MOST_DIGITS:
                digit = frame[position]
                value = value * 10 + (digit - ZERO)
                position += 1
            if position >= end:
                return -1
            digit = frame[position]
            digit -= ZERO
        whole = position - first
        if whole == 0 or (leading == 0 and whole > 1) or whole + places > MOST_DIGITS:
            return -1
        if digit != DOT - ZERO:
            self.written = 0
            self.number = value * self.powers[places]
            return position
        return self._fraction(frame, position + 1, places, value)

    def _fraction(self, frame: bytes, position: i64, places: i64, value: i64) -> i64:
        """The digits behind the dot, put behind those of `value`; the position after them, or -1."""
        end = i64(len(frame))
        count: i64 = 0
        if position + 8 <= end:
            word = read_i64_le(frame, position)
            # Each of eight characters is a digit when its upper half is 3, and still is after adding 6.
            if word & _UPPER_HALVES == _EIGHT_ZEROS and (word + _EIGHT_SIXES) & _UPPER_HALVES == _EIGHT_ZEROS:
                word -= _EIGHT_ZEROS
                word = (word * 10 + (word >> 8)) & _PAIRS
                word = (word * 100 + (word >> 16)) & _FOURS
                word = (word * 10000 + (word >> 32)) & _EIGHT
                if places >= 8:
                    value = value * _EIGHT_PLACES + word
                else:
                    below = self.powers[8 - places]
                    upper = word // below
                    if upper * below != word:
                        return -1
                    value = value * self.powers[places] + upper
                count = 8
                position += 8
        while position < end:
            digit: i64 = frame[position]
            digit -= ZERO
            if digit < 0 or digit > 9:
                break
            if count < places:
                value = value * 10 + digit
            elif digit != 0:
                # What is below the scale must be nothing.
                return -1
            count += 1
            position += 1
        if count == 0 or position >= end:
            return -1
        self.written = count
        if count < places:
            value *= self.powers[places - count]
        self.number = value
        return position


@mypyc_attr(allow_interpreted_subclasses=True)
class KrakenDecoder(StreamedDecoder):
    """See the head of this file."""

    def __init__(self, scan: KrakenScan, careful: Careful) -> None:
        """Begin without a book."""
        super().__init__(scan, careful)
        self._own: Final[KrakenScan] = scan
        self.checksums_absent: i64 = 0
        self._price_written: i64 = UNWRITTEN
        self._size_written: i64 = UNWRITTEN

    @property
    def depth(self) -> i64:
        """The levels that each side is cut to."""
        return self._own.depth

    def agrees(self, scan: Scan) -> bool:
        """Cut the book to its depth, then compare it with the checksum of the frame."""
        own = self._own
        book = self.kept.book
        book.bids.truncate(own.depth)
        book.asks.truncate(own.depth)
        if not self._is_written_alike(own):
            return False
        if not own.has_checksum:
            if own.checksum_due:
                self.checksums_absent += 1
            return True
        price_zeros = self._price_written - self.scan.price_places if self._price_written >= 0 else 0
        size_zeros = self._size_written - self.scan.size_places if self._size_written >= 0 else 0
        kept = book_checksum(book, price_zeros, size_zeros)
        if kept != own.checksum:
            self.cause = f"the venue's checksum is {own.checksum}, that of the book {kept}"
            return False
        self.checksums_passed += 1
        return True

    def _is_written_alike(self, scan: KrakenScan) -> bool:
        """The places with which a pair is written, once known, stay as they are; the checksum depends on them."""
        if scan.price_written == UNWRITTEN:
            return True
        if self._price_written == UNWRITTEN:
            self._price_written = scan.price_written
            self._size_written = scan.size_written
            return True
        if scan.price_written == self._price_written and scan.size_written == self._size_written:
            return True
        self.cause = (
            f"numbers of {scan.price_written} and {scan.size_written} places,"
            f" where this book's have {self._price_written} and {self._size_written}"
        )
        return False

    def drop(self) -> None:
        """The book is lost, and how it was written is found out anew."""
        super().drop()
        self._price_written = UNWRITTEN
        self._size_written = UNWRITTEN

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        saved = super().save()
        saved["checksums_absent"] = int(self.checksums_absent)
        saved["depth"] = int(self._own.depth)
        saved["written"] = [int(self._price_written), int(self._size_written)]
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        super().load(saved)
        self.checksums_absent = cast(int, saved["checksums_absent"])
        self._own.depth = cast(int, saved["depth"])
        self._price_written, self._size_written = cast("list[int]", saved["written"])
