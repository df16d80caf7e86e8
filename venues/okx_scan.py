"""Reads OKX's order book, trade and best price frames without making an object for a level. Compiled.

It knows the spelling that the venue sends: a level is `["price","size","0","orders"]`, asks before bids, and behind
them time, checksum and sequence numbers in whatever order. Of anything else it says `UNKNOWN`. A frame of the book must
tell where it stands in the sequence, or else, as before 2023, what the checksum of the book is after it.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.messages.constants import BUY, SELL
from venues.quoted_levels import read_levels, read_quoted
from venues.scanning import DELTA, MINUS, QUOTE, QUOTE_MARK, SNAPSHOT, TRADES, UNKNOWN, Scan, stands

NANOSECONDS: Final = 1_000_000  # in a millisecond
# The largest whole millisecond that fits an i64 as nanoseconds; it is in the year 2262.
MOST_MILLISECONDS: Final = 9_223_372_036_854
NO_NUMBER: Final = -1
"""What stands where a number is missing, and before the first of a sequence."""

_CHANNEL: Final = b'{"arg":{"channel":"'
_UPDATE: Final = b'"},"action":"update","data":[{"asks":['
_SNAPSHOT: Final = b'"},"action":"snapshot","data":[{"asks":['
_QUOTE: Final = b'"},"data":[{"asks":['
_TRADE: Final = b'"},"data":[{"instId":"'
_NEXT_TRADE: Final = b'},{"instId":"'
_BIDS: Final = b',"bids":['
_TIME: Final = b',"ts":"'
_CHECKSUM: Final = b',"checksum":'
_CHECKSUM_END: Final = 2**31  # it is a signed number of 32 bits
_PREVIOUS: Final = b',"prevSeqId":'
_SEQUENCE: Final = b',"seqId":'
_END: Final = b"}]}"
_TRADE_ID: Final = b'","tradeId":"'
_PRICE: Final = b'","px":"'
_SIZE: Final = b'","sz":"'
_BOUGHT: Final = b'","side":"buy","ts":"'
_SOLD: Final = b'","side":"sell","ts":"'
_COUNT: Final = b',"count":"'
_SOURCE: Final = b',"source":"'

# One bit for each key behind the levels.
_HAS_TIME: Final = 1
_HAS_SEQUENCE: Final = 2
_HAS_PREVIOUS: Final = 4
_HAS_CHECKSUM: Final = 8


@final
class OkxScan(Scan):
    """Scans the frames of one instrument; see the head of this file."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this instrument into integers of these scales."""
        super().__init__(venue_symbol, price_scale, size_scale)
        name = venue_symbol.encode()
        books = _CHANNEL + b'books","instId":"' + name
        self._update_head: Final[bytes] = books + _UPDATE
        self._snapshot_head: Final[bytes] = books + _SNAPSHOT
        self._quote_head: Final[bytes] = _CHANNEL + b'bbo-tbt","instId":"' + name + _QUOTE
        self._trades_head: Final[bytes] = _CHANNEL + b'trades","instId":"' + name + _TRADE
        self._name_then_id: Final[bytes] = name + _TRADE_ID
        # Asks come first in a frame and last in the arrays.
        self._asks: Final[Scan] = Scan(venue_symbol, price_scale, size_scale)
        self.is_snapshot: bool = False
        self.is_numbered: bool = False
        # The frame that was read, where its checksum will ask for the text of its levels.
        self.checked_frame: bytes = b""

    def scan(self, frame: bytes) -> i64:
        """Read one frame: `DELTA`, `SNAPSHOT`, `QUOTE`, `TRADES` or `UNKNOWN`."""
        if stands(frame, 0, self._update_head):
            self.is_snapshot = False
            if not self._read(frame, len(self._update_head)):
                return UNKNOWN
            return self.kind_of_book(frame)
        if stands(frame, 0, self._trades_head):
            return self._trades(frame, len(self._trades_head))
        if stands(frame, 0, self._quote_head):
            return self.kind_of_quote() if self._read(frame, len(self._quote_head)) else UNKNOWN
        if stands(frame, 0, self._snapshot_head):
            self.is_snapshot = True
            if not self._read(frame, len(self._snapshot_head)):
                return UNKNOWN
            return self.kind_of_book(frame)
        return UNKNOWN

    def begin(self) -> None:
        """Forget the levels and numbers held."""
        self.begin_levels()
        self.event_ns = 0
        self.checksum = 0
        self.previous_update_id = NO_NUMBER
        self.last_update_id = NO_NUMBER

    def kind_of_book(self, frame: bytes) -> i64:
        """What a frame of the book is whose fields are all read; `UNKNOWN` when it is none."""
        last = self.last_update_id
        previous = self.previous_update_id
        self.has_checksum = self.checksum != 0
        self.is_numbered = last != NO_NUMBER
        if self.event_ns == 0 or last < NO_NUMBER or previous < NO_NUMBER:
            return UNKNOWN
        if not self.is_numbered:
            if not self.has_checksum or previous != NO_NUMBER:
                return UNKNOWN
            self.last_update_id = 0
        # A change names the one before it; where the number stands still, nothing changed.
        elif not self.is_snapshot and (previous == NO_NUMBER or (previous == last and self.level_count > 0)):
            return UNKNOWN
        self.first_update_id = self.last_update_id
        self.checked_frame = frame if self.has_checksum else b""
        return SNAPSHOT if self.is_snapshot else DELTA

    def kind_of_quote(self) -> i64:
        """Tell the decoder the one level of each side, 0 where a side has none; `UNKNOWN` when there are more."""
        asks = self.level_count - self.bid_count
        if self.bid_count > 1 or asks > 1 or self.event_ns == 0 or self.last_update_id < NO_NUMBER:
            return UNKNOWN
        told = self.trades_to
        told.quoted_update_id = max(self.last_update_id, 0)
        told.quoted_bid_price = self.level_prices[0] if self.bid_count > 0 else 0
        told.quoted_bid_size = self.level_sizes[0] if self.bid_count > 0 else 0
        told.quoted_ask_price = self.level_prices[self.bid_count] if asks > 0 else 0
        told.quoted_ask_size = self.level_sizes[self.bid_count] if asks > 0 else 0
        return QUOTE

    def _read(self, frame: bytes, position: i64) -> bool:
        """Levels and numbers from the asks on; whether that was all, to the end of the frame."""
        self.begin()
        asks = self._asks
        asks.level_count = 0
        position = read_levels(asks, frame, position, True)
        if not stands(frame, position, _BIDS):
            return False
        position = read_levels(self, frame, position + len(_BIDS), True)
        if position < 0:
            return False
        self.bid_count = self.level_count
        count = asks.level_count
        place: i64 = 0
        while place < count:
            self.add_level(asks.level_prices[place], asks.level_sizes[place])
            place += 1
        return self._numbers(frame, position)

    def _numbers(self, frame: bytes, position: i64) -> bool:
        end = i64(len(frame))
        seen: i64 = 0
        while position + len(_END) < end:
            key: i64 = _HAS_TIME
            if stands(frame, position, _TIME):
                position = self._milliseconds(frame, position + len(_TIME))
                self.event_ns = self.number
            elif stands(frame, position, _SEQUENCE):
                key = _HAS_SEQUENCE
                position = self._signed(frame, position + len(_SEQUENCE))
                self.last_update_id = self.number
            elif stands(frame, position, _PREVIOUS):
                key = _HAS_PREVIOUS
                position = self._signed(frame, position + len(_PREVIOUS))
                self.previous_update_id = self.number
            elif stands(frame, position, _CHECKSUM):
                key = _HAS_CHECKSUM
                position = self._signed(frame, position + len(_CHECKSUM))
                self.checksum = self.number
                if not -_CHECKSUM_END <= self.checksum < _CHECKSUM_END:
                    return False
            else:
                return False
            # Of a key that comes twice the careful reader knows which value counts, and whether both can be values.
            if position < 0 or seen & key != 0:
                return False
            seen |= key
        return position + len(_END) == end and stands(frame, position, _END)

    def _milliseconds(self, frame: bytes, position: i64) -> i64:
        """A time in quotes as nanoseconds; the position behind the closing mark, or -1."""
        position = self.whole(frame, position)
        if position < 0 or frame[position] != QUOTE_MARK or self.number > MOST_MILLISECONDS:
            return -1
        self.number *= NANOSECONDS
        return position + 1

    def _signed(self, frame: bytes, position: i64) -> i64:
        if position >= i64(len(frame)) or frame[position] != MINUS:
            return self.whole(frame, position)
        position = self.whole(frame, position + 1)
        if self.number == 0:
            return -1
        self.number = -self.number
        return position

    def _trades(self, frame: bytes, position: i64) -> i64:
        told = self.trades_to
        told.trade_count = 0
        end = i64(len(frame))
        while stands(frame, position, self._name_then_id):
            position = self._trade(frame, position + len(self._name_then_id))
            if stands(frame, position, _NEXT_TRADE):
                position += len(_NEXT_TRADE)
            elif position >= 0 and position + len(_END) == end and stands(frame, position, _END):
                self.event_ns = told.trade_times_ns[told.trade_count - 1]
                return TRADES
            else:
                return UNKNOWN
        return UNKNOWN

    def _trade(self, frame: bytes, position: i64) -> i64:
        """A trade from its id on; the position of its brace, or -1."""
        position = self.whole(frame, position)
        trade_id = self.number
        if not stands(frame, position, _PRICE):
            return -1
        position = read_quoted(self, frame, position + len(_PRICE), self.price_places)
        price = self.number
        if not stands(frame, position, _SIZE):
            return -1
        position = read_quoted(self, frame, position + len(_SIZE), self.size_places)
        size = self.number
        side: i64 = BUY
        if stands(frame, position, _BOUGHT):
            position += len(_BOUGHT)
        elif stands(frame, position, _SOLD):
            position += len(_SOLD)
            side = SELL
        else:
            return -1
        position = self._milliseconds(frame, position)
        time_ns = self.number
        if stands(frame, position, _COUNT):
            position = self._marked(frame, position + len(_COUNT))
        if stands(frame, position, _SOURCE):
            position = self._marked(frame, position + len(_SOURCE))
        if stands(frame, position, _SEQUENCE):
            position = self._signed(frame, position + len(_SEQUENCE))
        if position >= 0:
            self.trades_to.add_trade(trade_id, price, size, side, time_ns)
        return position

    def _marked(self, frame: bytes, position: i64) -> i64:
        """A whole number in quotes; the position behind the closing mark, or -1."""
        position = self.whole(frame, position)
        return position + 1 if position >= 0 and frame[position] == QUOTE_MARK else -1
