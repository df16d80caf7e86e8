"""Reads the frames of Bitfinex for one symbol, in the venue's own spelling, without objects. Compiled.

A frame is an array that begins with the number of its channel and says by its form what it is: three numbers are a
change of one level, a list of threes is a whole book, a text names anything else. Books, checksums, executed trades and
signs of life are read here; of the rest, and of any other spelling, it says `UNKNOWN`, and `venues/bitfinex_reading.py`
reads the same frame with msgspec. Numbers are JSON numbers without zeros at their end. It never raises on bad bytes and
never goes beyond the frame: a frame is looked at only when its last byte is a closing bracket.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.messages.constants import BUY, SELL
from venues.scanning import (
    CLOSE,
    COMMA,
    DELTA,
    LIFE,
    MINUS,
    OPEN,
    SNAPSHOT,
    TRADES,
    UNKNOWN,
    Scan,
    stands,
)

_LIFE: Final = b'"hb"'
_CHECKSUM: Final = b'"cs",'
_EXECUTED: Final = b'"te",['
MOST_CHECKSUM: Final = 2_147_483_647
# The largest whole millisecond that fits an i64 as nanoseconds; it is in the year 2262.
MOST_MILLISECONDS: Final = 9_223_372_036_854
_NANOSECONDS: Final = 1_000_000  # in a millisecond



@final
class BitfinexScan(Scan):
    """See the head of this file. `last_update_id` is the number of the frame over the whole connection."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this symbol into integers of these scales."""
        super().__init__(venue_symbol, price_scale, size_scale)
        # The channel of the book, once a confirmation has told it.
        self.book_channel: i64 = 0
        # With what the last change began: the next one will begin with the same.
        self._usual_beginning: bytes = b"["
        self._usual_channel: i64 = -1

    def scan(self, frame: bytes) -> i64:
        """Read one frame: `DELTA`, `SNAPSHOT`, `TRADES`, `LIFE` or `UNKNOWN`."""
        end = i64(len(frame)) - 1
        if end < 8 or frame[end] != CLOSE or frame[0] != OPEN:
            return UNKNOWN
        if self._usual_channel == self.book_channel and stands(frame, 0, self._usual_beginning):
            position = i64(len(self._usual_beginning))
            if frame[position] != OPEN:
                return self._change(frame, position, end)
        position = self.whole(frame, 1)
        channel = self.number
        if position < 0 or frame[position] != COMMA:
            return UNKNOWN
        position += 1
        if frame[position] == OPEN:
            if channel != self.book_channel and self.book_channel != 0:
                return UNKNOWN
            if frame[position + 1] == OPEN:
                return self._snapshot(frame, position + 2, end)
            if channel == self.book_channel:
                self._usual_beginning = frame[: position + 1]
                self._usual_channel = channel
            return self._change(frame, position + 1, end)
        if stands(frame, position, _LIFE):
            return LIFE if self._is_end(frame, position + len(_LIFE), end) else UNKNOWN
        if stands(frame, position, _EXECUTED):
            return self._trade(frame, position + len(_EXECUTED), end)
        if stands(frame, position, _CHECKSUM):
            return self._checksum(frame, position + len(_CHECKSUM), end)
        return UNKNOWN

    def _change(self, frame: bytes, position: i64, end: i64) -> i64:
        """The change of one level, from its price on."""
        self.level_count = 0
        self.first_update_id = 0
        self.has_checksum = False
        position = self._level(frame, position)
        return DELTA if position >= 0 and self._is_end(frame, position, end) else UNKNOWN

    def _level(self, frame: bytes, position: i64) -> i64:
        """Price, count and amount, put behind the levels held; the position behind its bracket, or -1."""
        position = self.decimal(frame, position, self.price_places)
        price = self.number
        if position < 0 or frame[position] != COMMA:
            return -1
        position = self.whole(frame, position + 1)
        count = self.number
        if position < 0 or frame[position] != COMMA:
            return -1
        position += 1
        is_ask = frame[position] == MINUS
        if is_ask:
            position += 1
        position = self.decimal(frame, position, self.size_places)
        size = self.number
        if position < 0 or frame[position] != CLOSE or size == 0:
            return -1
        place = self.level_count
        if place == len(self.level_prices):
            self.grow()
        self.level_prices[place] = price
        # A count of zero removes the level; the amount is then but a mark of the side.
        self.level_sizes[place] = size if count > 0 else 0
        self.level_count = place + 1
        if is_ask:
            if place == 0:
                self.bid_count = 0
        elif place == 0 or self.bid_count == place:
            self.bid_count = place + 1
        else:
            return -1
        return position + 1

    def _snapshot(self, frame: bytes, position: i64, end: i64) -> i64:
        """The whole book, from its first price on."""
        self.level_count = 0
        self.bid_count = 0
        self.has_checksum = False
        while True:
            position = self._level(frame, position)
            if position < 0 or position > end:
                return UNKNOWN
            if frame[position] == CLOSE:
                return SNAPSHOT if self._is_end(frame, position + 1, end) else UNKNOWN
            if frame[position] != COMMA or frame[position + 1] != OPEN:
                return UNKNOWN
            position += 2

    def _checksum(self, frame: bytes, position: i64, end: i64) -> i64:
        """A checksum of the book as it is now: a change without a level."""
        is_negative = frame[position] == MINUS
        if is_negative:
            position += 1
        position = self.whole(frame, position)
        if position < 0 or self.number > MOST_CHECKSUM:
            return UNKNOWN
        self.checksum = 0 - self.number if is_negative else self.number
        self.has_checksum = True
        self.level_count = 0
        self.bid_count = 0
        self.first_update_id = 0
        return DELTA if self._is_end(frame, position, end) else UNKNOWN

    def _trade(self, frame: bytes, position: i64, end: i64) -> i64:
        """An executed trade, from its id on; the sign of its amount is the side that came to trade."""
        position = self.whole(frame, position)
        trade_id = self.number
        if position < 0 or frame[position] != COMMA:
            return UNKNOWN
        position = self.whole(frame, position + 1)
        milliseconds = self.number
        if position < 0 or frame[position] != COMMA or milliseconds > MOST_MILLISECONDS:
            return UNKNOWN
        position += 1
        side: i64 = SELL if frame[position] == MINUS else BUY
        if side == SELL:
            position += 1
        position = self.decimal(frame, position, self.size_places)
        size = self.number
        if position < 0 or frame[position] != COMMA or size == 0:
            return UNKNOWN
        position = self.decimal(frame, position + 1, self.price_places)
        price = self.number
        if position < 0 or frame[position] != CLOSE or not self._is_end(frame, position + 1, end):
            return UNKNOWN
        self.event_ns = milliseconds * _NANOSECONDS
        self.trades_to.trade_count = 0
        self.trades_to.add_trade(trade_id, price, size, side, self.event_ns)
        return TRADES

    def _is_end(self, frame: bytes, position: i64, end: i64) -> bool:
        """Whether nothing follows but the number of the frame, if it has one; leaves it in `last_update_id`."""
        self.event_ns = 0
        self.last_update_id = 0
        if position < end and frame[position] == COMMA:
            position = self.whole(frame, position + 1)
            self.last_update_id = self.number
        return position == end
