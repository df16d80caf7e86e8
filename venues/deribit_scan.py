"""Reads Deribit's book frames of one instrument in the venue's own spelling, without an object per level. Compiled.

The keys of a book may come in any order, as they did change over the years, each of them once and without spaces.
Prices and amounts are JSON numbers. An exponent, and everything else that is not read here, is `UNKNOWN`: then
venues/deribit_reading.py reads the same frame with msgspec.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from venues.scanning import (
    CLOSE,
    CLOSE_BRACE,
    COMMA,
    DELTA,
    OPEN,
    QUOTE_MARK,
    SNAPSHOT,
    UNKNOWN,
    Scan,
    stands,
)

MOST_MILLISECONDS: Final = 9_223_372_036_854
NANOSECONDS: Final = 1_000_000  # in a millisecond
BOOK_CHANNEL: Final = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.'
# The last part of a channel's name, and what stands behind it.
_INTERVAL: Final = b'100ms","data":{'
_OTHER_INTERVALS: Final = (b'raw","data":{', b'agg2","data":{')
_END: Final = b"}}"

_TIMESTAMP: Final = b'timestamp":'
_CHANGE_ID: Final = b'change_id":'
_PREVIOUS: Final = b'prev_change_id":'
_INSTRUMENT: Final = b'instrument_name":"'
_BIDS: Final = b'bids":['
_ASKS: Final = b'asks":['
_IS_CHANGE: Final = b'type":"change"'
_IS_SNAPSHOT: Final = b'type":"snapshot"'
_NEW: Final = b'["new",'
_CHANGE: Final = b'["change",'
_DELETE: Final = b'["delete",'

# One bit for each key that was read.
_HAS_TIME: Final = 1
_HAS_TYPE: Final = 2
_HAS_ID: Final = 4
_HAS_PREVIOUS: Final = 8
_HAS_NAME: Final = 16
_HAS_BIDS: Final = 32
_HAS_ASKS: Final = 64
_OF_A_SNAPSHOT: Final = 119
_OF_A_CHANGE: Final = 127

_LETTER_A: Final = 97
_LETTER_B: Final = 98
_LETTER_C: Final = 99
_LETTER_I: Final = 105
_LETTER_N: Final = 110
_LETTER_P: Final = 112
_LETTER_T: Final = 116


class DeribitScan(Scan):
    """See the head of this file. The ids are change ids; `previous_update_id` is that of the change before."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this instrument into integers of these scales."""
        super().__init__(venue_symbol, price_scale, size_scale)
        symbol = venue_symbol.encode()
        self._channel: Final[bytes] = BOOK_CHANNEL + symbol + b"."
        self._name: Final[bytes] = _INSTRUMENT + symbol + b'"'
        self._kind: i64 = UNKNOWN
        self._key: i64 = 0

    def scan(self, frame: bytes) -> i64:
        """Read one frame: `DELTA`, `SNAPSHOT` or `UNKNOWN`."""
        if not stands(frame, 0, self._channel):
            return UNKNOWN
        position = self._interval(frame, len(self._channel))
        if position < 0:
            return UNKNOWN
        end = i64(len(frame))
        self.begin_levels()
        self.previous_update_id = 0
        seen: i64 = 0
        while True:
            # At least the two braces of the frame follow the data.
            if position + 3 >= end or frame[position] != QUOTE_MARK:
                return UNKNOWN
            position = self._field(frame, position + 1)
            if position < 0 or position >= end or seen & self._key != 0:
                return UNKNOWN
            seen |= self._key
            # The bids are put before the asks.
            if self._key == _HAS_BIDS and seen & _HAS_ASKS != 0:
                return UNKNOWN
            if frame[position] != COMMA:
                break
            position += 1
        if frame[position] != CLOSE_BRACE or position + 3 != end or not stands(frame, position + 1, _END):
            return UNKNOWN
        if seen != (_OF_A_SNAPSHOT if self._kind == SNAPSHOT else _OF_A_CHANGE):
            return UNKNOWN
        self.first_update_id = self.last_update_id if self._kind == SNAPSHOT else self.previous_update_id + 1
        return self._kind

    def _interval(self, frame: bytes, position: i64) -> i64:
        """The last part of the channel's name, an interval that the venue has; the position of the first key, or -1."""
        if stands(frame, position, _INTERVAL):
            return position + len(_INTERVAL)
        for other in _OTHER_INTERVALS:
            if stands(frame, position, other):
                return position + len(other)
        return -1

    def _field(self, frame: bytes, position: i64) -> i64:
        """One key, noted in `_key`, and its value; the position after it, or -1."""
        first = frame[position]
        if first == _LETTER_B:
            self._key = _HAS_BIDS
            position = self._levels(frame, position, _BIDS)
            self.bid_count = self.level_count
            return position
        if first == _LETTER_A:
            self._key = _HAS_ASKS
            return self._levels(frame, position, _ASKS)
        if first == _LETTER_C:
            self._key = _HAS_ID
            position = self._whole_of(frame, position, _CHANGE_ID)
            self.last_update_id = self.number
            return position
        if first == _LETTER_P:
            self._key = _HAS_PREVIOUS
            position = self._whole_of(frame, position, _PREVIOUS)
            self.previous_update_id = self.number
            return position
        if first == _LETTER_I:
            self._key = _HAS_NAME
            return position + len(self._name) if stands(frame, position, self._name) else -1
        if first != _LETTER_T:
            return -1
        if frame[position + 1] == _LETTER_I:
            self._key = _HAS_TIME
            position = self._whole_of(frame, position, _TIMESTAMP)
            if position < 0 or self.number > MOST_MILLISECONDS:
                return -1
            self.event_ns = self.number * NANOSECONDS
            return position
        self._key = _HAS_TYPE
        if stands(frame, position, _IS_CHANGE):
            self._kind = DELTA
            return position + len(_IS_CHANGE)
        if stands(frame, position, _IS_SNAPSHOT):
            self._kind = SNAPSHOT
            return position + len(_IS_SNAPSHOT)
        return -1

    def _whole_of(self, frame: bytes, position: i64, key: bytes) -> i64:
        if not stands(frame, position, key):
            return -1
        return self.whole(frame, position + len(key))

    def _levels(self, frame: bytes, position: i64, key: bytes) -> i64:
        """A key and its list of `["action",price,amount]`; the position after it, or -1."""
        if not stands(frame, position, key):
            return -1
        position += len(key)
        end = i64(len(frame))
        if position < end and frame[position] == CLOSE:
            return position + 1
        count = self.level_count
        prices = self.level_prices
        sizes = self.level_sizes
        while True:
            is_held = True
            # The mark of a level is seven bytes at least, and so is what ends a frame behind one.
            if position + 7 > end or frame[position] != OPEN:
                return -1
            if frame[position + 2] == _LETTER_N and stands(frame, position, _NEW):
                position += len(_NEW)
            elif stands(frame, position, _CHANGE):
                position += len(_CHANGE)
            elif stands(frame, position, _DELETE):
                position += len(_DELETE)
                is_held = False
            else:
                return -1
            position = self.decimal(frame, position, self.price_places)
            if position < 0 or frame[position] != COMMA:
                return -1
            if count == len(prices):
                self.level_count = count
                self.grow()
                prices = self.level_prices
                sizes = self.level_sizes
            prices[count] = self.number
            position = self.decimal(frame, position + 1, self.size_places)
            if position < 0 or position + 1 >= end or frame[position] != CLOSE:
                return -1
            # Whatever amount a delete names, it ends the level.
            sizes[count] = self.number if is_held else 0
            count += 1
            position += 1
            if frame[position] != COMMA:
                break
            position += 1
        self.level_count = count
        return position + 1 if frame[position] == CLOSE else -1
