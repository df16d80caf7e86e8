"""Reads the frames of Kraken's WebSocket v2 for one symbol, in the venue's own spelling, without objects. Compiled.

Books, trades and heartbeats are read here; of anything else, and of any other spelling, it says `UNKNOWN`, and
venues/kraken_reading.py reads the same frame with msgspec. Numbers are JSON numbers there, with or without the zeros at
their end, and small sizes perhaps with an exponent. It never raises on bad bytes and never goes beyond the frame.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64

from market.messages.constants import BUY, SELL
from venues.kraken_book import MOST_CHECKSUM, KrakenScan
from venues.scanning import (
    CLOSE,
    CLOSE_BRACE,
    DELTA,
    LIFE,
    MINUS,
    MOST_DIGITS,
    NINE,
    QUOTE_MARK,
    SNAPSHOT,
    TRADES,
    UNKNOWN,
    ZERO,
    stands,
)
from venues.utc_times import utc_ns

_HEARTBEAT: Final = b'{"channel":"heartbeat"}'
_UPDATE: Final = b'{"channel":"book","type":"update","data":[{"symbol":"'
_SNAPSHOT: Final = b'{"channel":"book","type":"snapshot","data":[{"symbol":"'
_TRADE: Final = b'{"channel":"trade","type":"update","data":[{"symbol":"'
_BIDS: Final = b'","bids":['
_ASKS: Final = b',"asks":['
_FIRST_LEVEL: Final = b'{"price":'
_CHECKSUM: Final = b',"checksum":'
_TIMESTAMP: Final = b',"timestamp":"'
_END: Final = b'"}]}'
_END_WITHOUT_TIME: Final = b"}]}"
_SIDE: Final = b'","side":"'
_BOUGHT: Final = b'buy","price":'
_SOLD: Final = b'sell","price":'
_SIZE: Final = b',"qty":'
_KIND: Final = b',"ord_type":"'
_TRADE_ID: Final = b'","trade_id":'
_NEXT_TRADE: Final = b',{"symbol":"'
_LISTS_END: Final = b"]}"

# `,"qty":` in seven of eight bytes, and what stands between two levels: `},{"pric`, then `e":` in three of four.
_SEVEN_BYTES: Final = 0x00FFFFFFFFFFFFFF
_THREE_BYTES: Final = 0x00FFFFFF
_TO_THE_SIZE: Final = 0x003A22797471222C
_TO_THE_NEXT: Final = 0x63697270227B2C7D
_THE_REST: Final = 0x003A2265
_BETWEEN_BYTES: Final = 11
_LETTER_E: Final = 101
_MOST_TIME_BYTES: Final = 30
_MOST_KIND_BYTES: Final = 16


class KrakenV2Scan(KrakenScan):
    """See the head of this file. There are no numbers of frames: update ids stay 0."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int, depth: int) -> None:
        """Scan frames of this symbol; the scales must be the venue's precisions, for the checksum is made of them."""
        super().__init__(venue_symbol, price_scale, size_scale, depth)
        symbol = venue_symbol.encode()
        self._update: Final[bytes] = _UPDATE + symbol + _BIDS
        self._snapshot: Final[bytes] = _SNAPSHOT + symbol + _BIDS
        self._trade: Final[bytes] = _TRADE + symbol + _SIDE
        self._next_trade: Final[bytes] = _NEXT_TRADE + symbol + _SIDE

    def scan(self, frame: bytes) -> i64:
        """Read one frame: `DELTA`, `SNAPSHOT`, `TRADES`, `LIFE` or `UNKNOWN`."""
        if stands(frame, 0, self._update):
            return DELTA if self._book(frame, len(self._update)) else UNKNOWN
        if stands(frame, 0, self._trade):
            return TRADES if self._trades(frame, len(self._trade)) else UNKNOWN
        if stands(frame, 0, _HEARTBEAT):
            return LIFE if len(frame) == len(_HEARTBEAT) else UNKNOWN
        if stands(frame, 0, self._snapshot):
            return SNAPSHOT if self._book(frame, len(self._snapshot)) else UNKNOWN
        return UNKNOWN

    def _book(self, frame: bytes, position: i64) -> bool:
        """Read from the first bid on; whether all of it is as expected."""
        self.level_count = 0
        position = self._levels(frame, position)
        self.bid_count = self.level_count
        if position < 0 or not stands(frame, position, _ASKS):
            return False
        position = self._levels(frame, position + len(_ASKS))
        if position < 0:
            return False
        self.has_checksum = stands(frame, position, _CHECKSUM)
        self.checksum = 0
        if self.has_checksum:
            position = self.whole(frame, position + len(_CHECKSUM))
            if position < 0 or self.number > MOST_CHECKSUM:
                return False
            self.checksum = self.number
        self.event_ns = 0
        if stands(frame, position, _TIMESTAMP):
            return self._time(frame, position + len(_TIMESTAMP)) and self._is_end(frame, _END)
        self.number = position
        return self._is_end(frame, _END_WITHOUT_TIME)

    def _time(self, frame: bytes, position: i64) -> bool:
        """A time up to its closing quote, whose position is left in `number`."""
        end = position
        last = min(i64(len(frame)), position + _MOST_TIME_BYTES + 1)
        while end < last and frame[end] != QUOTE_MARK:
            end += 1
        self.event_ns = utc_ns(frame, position, end)
        self.number = end
        return self.event_ns >= 0

    def _is_end(self, frame: bytes, end: bytes) -> bool:
        """Whether just this stands from `number` on."""
        return self.number + len(end) == i64(len(frame)) and stands(frame, self.number, end)

    def _levels(self, frame: bytes, position: i64) -> i64:
        """A list of levels behind its bracket, put behind those held; the position after it, or -1."""
        # The shortest thing that can follow a list of levels is longer than what stands between two of them.
        last = i64(len(frame)) - _BETWEEN_BYTES
        if position > last:
            if position < i64(len(frame)) and frame[position] == CLOSE:
                return position + 1
            return -1
        if frame[position] == CLOSE:
            return position + 1
        if not stands(frame, position, _FIRST_LEVEL):
            return -1
        position += len(_FIRST_LEVEL)
        price_places = self.price_places
        size_places = self.size_places
        prices = self.level_prices
        sizes = self.level_sizes
        count = self.level_count
        while True:
            position = self.number_at(frame, position, price_places)
            if position < 0 or position > last or read_i64_le(frame, position) & _SEVEN_BYTES != _TO_THE_SIZE:
                return -1
            if count == len(prices):
                self.grow()
                prices = self.level_prices
                sizes = self.level_sizes
            prices[count] = self.number
            position = self.number_at(frame, position + 7, size_places)
            if position >= 0 and frame[position] == _LETTER_E:
                position = self._small(frame, position)
            if position < 0:
                return -1
            sizes[count] = self.number
            count += 1
            if position <= last and read_i64_le(frame, position) == _TO_THE_NEXT:
                if read_i32_le(frame, position + 7) >> 8 & _THREE_BYTES != _THE_REST:
                    return -1
                position += _BETWEEN_BYTES
                continue
            if position + 2 > i64(len(frame)) or frame[position] != CLOSE_BRACE or frame[position + 1] != CLOSE:
                return -1
            self.level_count = count
            return position + 2

    def _small(self, frame: bytes, position: i64) -> i64:
        """Make `number` smaller by an exponent of two digits, as in `5e-05`; the position after it, or -1."""
        if position + 4 >= i64(len(frame)) or frame[position + 1] != MINUS:
            return -1
        tens: i64 = frame[position + 2]
        ones: i64 = frame[position + 3]
        if not ZERO <= tens <= ZERO + 1 or not ZERO <= ones <= NINE:
            return -1
        exponent = (tens - ZERO) * 10 + ones - ZERO
        if exponent > MOST_DIGITS:
            return -1
        divisor = self.powers[exponent]
        value = self.number // divisor
        if value * divisor != self.number:
            return -1
        self.number = value
        return position + 4

    def _trades(self, frame: bytes, position: i64) -> bool:
        """Read from the first side on; whether all of it is as expected."""
        owner = self.trades_to
        owner.trade_count = 0
        while True:
            side: i64 = BUY
            if stands(frame, position, _BOUGHT):
                position += len(_BOUGHT)
            elif stands(frame, position, _SOLD):
                side = SELL
                position += len(_SOLD)
            else:
                return False
            position = self.number_at(frame, position, self.price_places)
            price = self.number
            if position < 0 or not stands(frame, position, _SIZE):
                return False
            position = self.number_at(frame, position + len(_SIZE), self.size_places)
            size = self.number
            if position < 0 or not stands(frame, position, _KIND):
                return False
            position = self._word_end(frame, position + len(_KIND))
            if position < 0 or not stands(frame, position, _TRADE_ID):
                return False
            position = self.whole(frame, position + len(_TRADE_ID))
            trade_id = self.number
            if position < 0 or not stands(frame, position, _TIMESTAMP):
                return False
            if not self._time(frame, position + len(_TIMESTAMP)):
                return False
            owner.add_trade(trade_id, price, size, side, self.event_ns)
            position = self.number
            if self._is_end(frame, _END):
                return True
            position += 2
            if not stands(frame, position - 2, b'"}') or not stands(frame, position, self._next_trade):
                return False
            position += len(self._next_trade)

    def _word_end(self, frame: bytes, position: i64) -> i64:
        """Where a word of small letters and hyphens ends, which is at its quote, or -1."""
        last = min(i64(len(frame)), position + _MOST_KIND_BYTES)
        while position < last:
            byte: i64 = frame[position]
            if byte == QUOTE_MARK:
                return position
            if not (97 <= byte <= 122 or byte == 45):
                return -1
            position += 1
        return -1
