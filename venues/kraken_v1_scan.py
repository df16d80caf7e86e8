"""Reads the book frames of Kraken's WebSocket v1 for one pair, in the venue's own spelling, without objects. Compiled.

A frame is an array: the channel's number, one object or two with lists of levels, the channel's name and the pair.
Numbers are texts with more places than the pair has, and the checksum is made of them as they are written, so that the
places are told beside them. Of trades, tickers, replies and any other spelling it says `UNKNOWN`, and
venues/kraken_v1.py reads the same frame with msgspec.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_le
from librt.vecs import vec
from mypy_extensions import i64

from venues.kraken_book import MOST_CHECKSUM, UNWRITTEN, KrakenScan
from venues.scanning import CLOSE, COMMA, DELTA, LIFE, OPEN, QUOTE_MARK, SNAPSHOT, UNKNOWN, stands

_HEARTBEAT: Final = b'{"event":"heartbeat"}'
_ASKS: Final = b',{"a":['
_BIDS: Final = b',{"b":['
_ALL_ASKS: Final = b',{"as":['
_ALL_BIDS: Final = b',"bs":['
_NEXT_OBJECT: Final = b'},{"b":['
_CHECKSUM: Final = b',"c":"'
_CHANNEL: Final = b'},"book-'
_PAIR: Final = b'","'
_END: Final = b'"]'
_REPUBLISHED: Final = b',"r"'

# `","` and `"],["`, read as words.
_THREE_BYTES: Final = 0x00FFFFFF
_BETWEEN_NUMBERS: Final = 0x00222C22
_TO_THE_NEXT: Final = 0x5B2C5D22
_TIME_PLACES: Final = 6
_NANOSECONDS: Final = 1_000  # in a microsecond
MOST_MICROSECONDS: Final = 9_999_999_999_999_999


class KrakenV1Scan(KrakenScan):
    """See the head of this file. The time of a change is that of its newest level that was not published before."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int, depth: int) -> None:
        """Scan frames of this pair, as the venue calls it: `XBT/USD`."""
        super().__init__(venue_symbol, price_scale, size_scale, depth)
        self._pair: Final[bytes] = _PAIR + venue_symbol.encode() + _END
        self._newest: i64 = 0

    def scan(self, frame: bytes) -> i64:
        """Read one frame: `DELTA`, `SNAPSHOT`, `LIFE` or `UNKNOWN`."""
        if i64(len(frame)) < 16:
            return UNKNOWN
        if frame[0] != OPEN:
            is_heartbeat = len(frame) == len(_HEARTBEAT) and stands(frame, 0, _HEARTBEAT)
            return LIFE if is_heartbeat else UNKNOWN
        self.begin_levels()
        self.price_written = UNWRITTEN
        self.size_written = UNWRITTEN
        self.has_checksum = False
        self.checksum = 0
        self._newest = 0
        position = self.whole(frame, 1)
        if position < 0:
            return UNKNOWN
        if stands(frame, position, _ALL_ASKS):
            position = self._sides(frame, position + len(_ALL_ASKS), _ALL_BIDS)
            # The snapshot's times are those of orders, some of them old.
            self.event_ns = 0
            self.checksum_due = False
            return SNAPSHOT if self._is_whole(frame, position) else UNKNOWN
        self.checksum_due = True
        if stands(frame, position, _BIDS):
            position = self._levels(frame, position + len(_BIDS))
            self.bid_count = self.level_count
        elif stands(frame, position, _ASKS):
            position = self._sides(frame, position + len(_ASKS), _NEXT_OBJECT)
        else:
            return UNKNOWN
        if position >= 0 and stands(frame, position, _CHECKSUM):
            position = self.whole(frame, position + len(_CHECKSUM))
            if position < 0 or self.number > MOST_CHECKSUM or not stands(frame, position, b'"'):
                return UNKNOWN
            self.checksum = self.number
            self.has_checksum = True
            position += 1
        self.event_ns = self._newest * _NANOSECONDS
        return DELTA if self._is_whole(frame, position) else UNKNOWN

    def _sides(self, frame: bytes, position: i64, bids_key: bytes) -> i64:
        """The asks and then, where their key stands, the bids, which go to the front; the position behind, or -1."""
        position = self._levels(frame, position)
        asks = self.level_count
        if position < 0 or not stands(frame, position, bids_key):
            return position
        position = self._levels(frame, position + len(bids_key))
        if position >= 0:
            self.bid_count = self.level_count - asks
            self.level_prices = _rotated(self.level_prices, asks, self.level_count)
            self.level_sizes = _rotated(self.level_sizes, asks, self.level_count)
        return position

    def _is_whole(self, frame: bytes, position: i64) -> bool:
        """Whether the channel's name with its depth and the pair come now, and nothing else."""
        if position < 0 or not stands(frame, position, _CHANNEL):
            return False
        position = self.whole(frame, position + len(_CHANNEL))
        if position < 0 or self.number == 0 or self.number > 1_000:
            return False
        if position + len(self._pair) != i64(len(frame)) or not stands(frame, position, self._pair):
            return False
        self.depth = self.number
        return True

    def _levels(self, frame: bytes, position: i64) -> i64:
        """A list of levels behind its bracket, put behind those held; the position after it, or -1."""
        # Behind a list there is at least the channel's name.
        last = i64(len(frame)) - 8
        if position > last:
            return -1
        if frame[position] == CLOSE:
            return position + 1
        if frame[position] != OPEN or frame[position + 1] != QUOTE_MARK:
            return -1
        position += 2
        while True:
            position = self.number_at(frame, position, self.price_places)
            price = self.number
            price_written = self.written
            if position < 0 or position > last or read_i32_le(frame, position) & _THREE_BYTES != _BETWEEN_NUMBERS:
                return -1
            position = self.number_at(frame, position + 3, self.size_places)
            size = self.number
            if self.price_written == UNWRITTEN:
                self.price_written = price_written
                self.size_written = self.written
            elif self.price_written != price_written or self.size_written != self.written:
                return -1
            if position < 0 or position > last or read_i32_le(frame, position) & _THREE_BYTES != _BETWEEN_NUMBERS:
                return -1
            position = self.number_at(frame, position + 3, _TIME_PLACES)
            moment = self.number
            if position < 0 or position > last or moment > MOST_MICROSECONDS:
                return -1
            self.add_level(price, size)
            if read_i32_le(frame, position) == _TO_THE_NEXT and frame[position + 4] == QUOTE_MARK:
                self._newest = max(self._newest, moment)
                position += 5
                continue
            if frame[position] != QUOTE_MARK:
                return -1
            position += 1
            if stands(frame, position, _REPUBLISHED):
                position += len(_REPUBLISHED)
            else:
                self._newest = max(self._newest, moment)
            if position > last or frame[position] != CLOSE:
                return -1
            if frame[position + 1] == CLOSE:
                return position + 2
            if frame[position + 1] != COMMA or frame[position + 2] != OPEN or frame[position + 3] != QUOTE_MARK:
                return -1
            position += 4


def _rotated(values: vec[i64], first: i64, end: i64) -> vec[i64]:
    """A copy with what stands from `first` to `end` before what stands before it."""
    size = len(values)
    copied = vec[i64]([0] * size)
    place: i64 = 0
    while place < end:
        copied[place] = values[first + place] if place < end - first else values[place - (end - first)]
        place += 1
    return copied
