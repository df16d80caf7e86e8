"""Reads Bybit's order book and trade frames without making an object for a level. Compiled.

It knows the two spellings that the venue sends: on the linear stream `type` stands before `ts`, on the spot stream
behind it, and the fields of a trade come in another order. Of anything else it says `UNKNOWN`. A frame of depth 1 is a
`QUOTE`; one of another depth, which `depth` tells, is a `SNAPSHOT` or a `DELTA`, and a delta with update id 1 is a
snapshot, as the venue says of a restart of its service.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.messages.constants import BUY, SELL
from venues.quoted_levels import read_levels, read_quoted
from venues.scanning import CLOSE_BRACE, DELTA, NINE, QUOTE, QUOTE_MARK, SNAPSHOT, TRADES, UNKNOWN, ZERO, Scan, stands

QUOTE_DEPTH: Final = 1
"""The depth of which every frame is a snapshot of the best bid and ask."""
NANOSECONDS: Final = 1_000_000  # in a millisecond
# The largest whole millisecond that fits an i64 as nanoseconds; it is in the year 2262.
MOST_MILLISECONDS: Final = 9_223_372_036_854
RESTART_ID: Final = 1

_BOOK: Final = b'{"topic":"orderbook.'
_TRADE_TOPIC: Final = b'{"topic":"publicTrade.'
_TYPE_DELTA: Final = b'"type":"delta",'
_TYPE_SNAPSHOT: Final = b'"type":"snapshot",'
_TIME: Final = b'"ts":'
_COMMA_TYPE: Final = b',"type":"'
_DATA: Final = b'"data":{"s":"'
_BIDS: Final = b'","b":['
_ASKS: Final = b',"a":['
_UPDATE: Final = b',"u":'
_SEQUENCE: Final = b',"seq":'
_ENGINE_TIME: Final = b'},"cts":'
_TRADE_ROWS: Final = b'"data":[{'
_COMMA: Final = 44
_DOT: Final = 46
_MOST_DEPTH: Final = 999_999_999

_LINEAR_TIME: Final = b'"T":'
_LINEAR_SYMBOL: Final = b',"s":"'
_LINEAR_SIDE: Final = b'","S":"'
_BUY_SIZE: Final = b'Buy","v":"'
_SELL_SIZE: Final = b'Sell","v":"'
_LINEAR_PRICE: Final = b'","p":"'
_LINEAR_TICK: Final = b'","L":"'
_LINEAR_ID: Final = b'","i":"'
_BLOCK: Final = b'","BT":'
_SPOT_ID: Final = b'"i":"'
_SPOT_TIME: Final = b'","T":'
_SPOT_PRICE: Final = b',"p":"'
_SPOT_SIZE: Final = b'","v":"'
_SPOT_SIDE: Final = b'","S":"'
_SPOT_BUY: Final = b'Buy","seq":'
_SPOT_SELL: Final = b'Sell","seq":'
_SPOT_SYMBOL: Final = b',"s":"'
_RETAIL: Final = b',"RPI":'
_TRUE: Final = b"true"
_FALSE: Final = b"false"
_NEXT_TRADE: Final = b"},{"
_LAST_TRADE: Final = b"}]}"

_HYPHENS: Final = (8, 13, 18, 23)
_UUID_CHARACTERS: Final = 36
# The last fifteen hexadecimal digits of an id begin behind the one that holds its variant.
_ID_BEGINS: Final = 20
_LOWER_A: Final = 97
_LOWER_F: Final = 102
_HYPHEN: Final = 45
_MOST_BEFORE_LAST_DIGIT: Final = 922337203685477579


@final
class BybitScan(Scan):
    """Scans the frames of one symbol; see the head of this file."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this symbol into integers of these scales."""
        super().__init__(venue_symbol, price_scale, size_scale)
        symbol = venue_symbol.encode()
        self._symbol_mark: Final[bytes] = symbol + b'",'
        self._symbol_bids: Final[bytes] = symbol + _BIDS
        self._symbol_side: Final[bytes] = symbol + _LINEAR_SIDE
        self._symbol_block: Final[bytes] = symbol + _BLOCK
        self.depth: i64 = 0
        self._is_snapshot: bool = False
        self._trade_id: i64 = 0
        self._side: i64 = 0
        self._price: i64 = 0
        self._size: i64 = 0
        self._time: i64 = 0

    def scan(self, frame: bytes) -> i64:
        """Read one frame: `DELTA`, `SNAPSHOT`, `QUOTE`, `TRADES` or `UNKNOWN`."""
        if stands(frame, 0, _BOOK):
            position = self.whole(frame, len(_BOOK))
            if position < 0 or self.number > _MOST_DEPTH or frame[position] != _DOT:
                return UNKNOWN
            if not stands(frame, position + 1, self._symbol_mark):
                return UNKNOWN
            self.depth = self.number
            return self._book(frame, position + 1 + len(self._symbol_mark))
        if stands(frame, 0, _TRADE_TOPIC) and stands(frame, len(_TRADE_TOPIC), self._symbol_mark):
            return self._trades(frame, len(_TRADE_TOPIC) + len(self._symbol_mark))
        return UNKNOWN

    def _head(self, frame: bytes, position: i64) -> i64:
        """Type and time in either order, with the commas behind them; the position after them, or -1."""
        typed = self._type(frame, position)
        position = typed if typed >= 0 else position
        if not stands(frame, position, _TIME):
            return -1
        position = self.whole(frame, position + len(_TIME))
        if position < 0 or self.number > MOST_MILLISECONDS or frame[position] != _COMMA:
            return -1
        self.event_ns = self.number * NANOSECONDS
        position += 1
        return position if typed >= 0 else self._type(frame, position)

    def _type(self, frame: bytes, position: i64) -> i64:
        if stands(frame, position, _TYPE_DELTA):
            self._is_snapshot = False
            return position + len(_TYPE_DELTA)
        if stands(frame, position, _TYPE_SNAPSHOT):
            self._is_snapshot = True
            return position + len(_TYPE_SNAPSHOT)
        return -1

    def _book(self, frame: bytes, position: i64) -> i64:
        position = self._head(frame, position)
        if position < 0 or not stands(frame, position, _DATA):
            return UNKNOWN
        position += len(_DATA)
        if not stands(frame, position, self._symbol_bids):
            return UNKNOWN
        self.level_count = 0
        position = read_levels(self, frame, position + len(self._symbol_bids), False)
        self.bid_count = self.level_count
        if not stands(frame, position, _ASKS):
            return UNKNOWN
        position = read_levels(self, frame, position + len(_ASKS), False)
        if not stands(frame, position, _UPDATE):
            return UNKNOWN
        position = self.whole(frame, position + len(_UPDATE))
        self.last_update_id = self.number
        self.first_update_id = self.number
        if not stands(frame, position, _SEQUENCE):
            return UNKNOWN
        position = self.whole(frame, position + len(_SEQUENCE))
        if not stands(frame, position, _ENGINE_TIME):
            return UNKNOWN
        position = self.whole(frame, position + len(_ENGINE_TIME))
        if position != i64(len(frame)) - 1 or frame[position] != CLOSE_BRACE:
            return UNKNOWN
        return self.kind_of_book(self._is_snapshot)

    def kind_of_book(self, is_snapshot: bool) -> i64:
        """What a frame of the book is whose fields are all read; a quote that is none is `UNKNOWN`."""
        if self.depth == QUOTE_DEPTH:
            if self.bid_count > 1 or self.level_count - self.bid_count > 1 or not is_snapshot:
                return UNKNOWN
            self._quote()
            return QUOTE
        return SNAPSHOT if is_snapshot or self.last_update_id == RESTART_ID else DELTA

    def _quote(self) -> None:
        """Tell the decoder the one level of each side, 0 where a side has none."""
        told = self.trades_to
        told.quoted_update_id = 0
        told.quoted_bid_price = 0
        told.quoted_bid_size = 0
        told.quoted_ask_price = 0
        told.quoted_ask_size = 0
        if self.bid_count > 0:
            told.quoted_bid_price = self.level_prices[0]
            told.quoted_bid_size = self.level_sizes[0]
        if self.level_count > self.bid_count:
            told.quoted_ask_price = self.level_prices[self.bid_count]
            told.quoted_ask_size = self.level_sizes[self.bid_count]

    def _trades(self, frame: bytes, position: i64) -> i64:
        position = self._head(frame, position)
        if not stands(frame, position, _TRADE_ROWS):
            return UNKNOWN
        position += len(_TRADE_ROWS)
        self.trades_to.trade_count = 0
        end = i64(len(frame))
        while True:
            if stands(frame, position, _LINEAR_TIME):
                position = self._linear_trade(frame, position + len(_LINEAR_TIME))
            else:
                position = self._spot_trade(frame, position)
            if position < 0:
                return UNKNOWN
            self.trades_to.add_trade(self._trade_id, self._price, self._size, self._side, self._time)
            if stands(frame, position, _NEXT_TRADE):
                position += len(_NEXT_TRADE)
            elif position + len(_LAST_TRADE) == end and stands(frame, position, _LAST_TRADE):
                return TRADES
            else:
                return UNKNOWN

    def _linear_trade(self, frame: bytes, position: i64) -> i64:
        """A trade from its time on, in the order of the linear stream; the position of its brace, or -1."""
        position = self._milliseconds(frame, position)
        if position < 0 or not stands(frame, position, _LINEAR_SYMBOL):
            return -1
        position += len(_LINEAR_SYMBOL)
        if not stands(frame, position, self._symbol_side):
            return -1
        position = self._side_then(frame, position + len(self._symbol_side), _BUY_SIZE, _SELL_SIZE)
        position = self._text_number(frame, position, self.size_places)
        self._size = self.number
        if position < 0 or not stands(frame, position, _LINEAR_PRICE):
            return -1
        position = self._text_number(frame, position + len(_LINEAR_PRICE), self.price_places)
        self._price = self.number
        if position < 0:
            return -1
        if stands(frame, position, _LINEAR_TICK):
            position = _past_letters(frame, position + len(_LINEAR_TICK))
        if position < 0 or not stands(frame, position, _LINEAR_ID):
            return -1
        position = self._identifier(frame, position + len(_LINEAR_ID))
        if position < 0 or not stands(frame, position, _BLOCK):
            return -1
        position = _past_truth(frame, position + len(_BLOCK))
        if stands(frame, position, _RETAIL):
            position = _past_truth(frame, position + len(_RETAIL))
        if stands(frame, position, _SEQUENCE):
            position = self.whole(frame, position + len(_SEQUENCE))
        return position

    def _spot_trade(self, frame: bytes, position: i64) -> i64:
        """A trade from its identifier on, in the order of the spot stream; the position of its brace, or -1."""
        if not stands(frame, position, _SPOT_ID):
            return -1
        position = self._identifier(frame, position + len(_SPOT_ID))
        if position < 0 or not stands(frame, position, _SPOT_TIME):
            return -1
        position = self._milliseconds(frame, position + len(_SPOT_TIME))
        if position < 0 or not stands(frame, position, _SPOT_PRICE):
            return -1
        position = self._text_number(frame, position + len(_SPOT_PRICE), self.price_places)
        self._price = self.number
        if position < 0 or not stands(frame, position, _SPOT_SIZE):
            return -1
        position = self._text_number(frame, position + len(_SPOT_SIZE), self.size_places)
        self._size = self.number
        if position < 0 or not stands(frame, position, _SPOT_SIDE):
            return -1
        position = self._side_then(frame, position + len(_SPOT_SIDE), _SPOT_BUY, _SPOT_SELL)
        if position < 0:
            return -1
        position = self.whole(frame, position)
        if position < 0 or not stands(frame, position, _SPOT_SYMBOL):
            return -1
        position += len(_SPOT_SYMBOL)
        if not stands(frame, position, self._symbol_block):
            return -1
        position = _past_truth(frame, position + len(self._symbol_block))
        if stands(frame, position, _RETAIL):
            position = _past_truth(frame, position + len(_RETAIL))
        return position

    def _milliseconds(self, frame: bytes, position: i64) -> i64:
        position = self.whole(frame, position)
        if position < 0 or self.number > MOST_MILLISECONDS:
            return -1
        self._time = self.number * NANOSECONDS
        return position

    def _text_number(self, frame: bytes, position: i64, places: i64) -> i64:
        return -1 if position < 0 else read_quoted(self, frame, position, places)

    def _side_then(self, frame: bytes, position: i64, bought: bytes, sold: bytes) -> i64:
        """The side of whoever came to trade, and what stands behind it; the position after both, or -1."""
        if stands(frame, position, bought):
            self._side = BUY
            return position + len(bought)
        if stands(frame, position, sold):
            self._side = SELL
            return position + len(sold)
        return -1

    def _identifier(self, frame: bytes, position: i64) -> i64:
        """A trade's id up to its closing mark: a number, or an UUID of which the last 60 bits count."""
        end = i64(len(frame))
        first = position
        value: i64 = 0
        while position < end and ZERO <= frame[position] <= NINE and value <= _MOST_BEFORE_LAST_DIGIT:
            digit: i64 = frame[position]
            value = value * 10 + (digit - ZERO)
            position += 1
        if position > first and position < end and frame[position] == QUOTE_MARK:
            self._trade_id = value
            return position if position - first == 1 or frame[first] != ZERO else -1
        return self._unique_identifier(frame, first)

    def _unique_identifier(self, frame: bytes, first: i64) -> i64:
        """An UUID in lower case, its closing mark's position, or -1."""
        end = first + _UUID_CHARACTERS
        if end >= i64(len(frame)) or frame[end] != QUOTE_MARK:
            return -1
        value: i64 = 0
        place: i64 = 0
        while place < _UUID_CHARACTERS:
            byte: i64 = frame[first + place]
            if place in _HYPHENS:
                if byte != _HYPHEN:
                    return -1
            else:
                if ZERO <= byte <= NINE:
                    byte -= ZERO
                elif _LOWER_A <= byte <= _LOWER_F:
                    byte -= _LOWER_A - 10
                else:
                    return -1
                if place >= _ID_BEGINS:
                    value = value * 16 + byte
            place += 1
        self._trade_id = value
        return end


def _past_letters(frame: bytes, position: i64) -> i64:
    """The position of the mark that ends a word of letters, or -1."""
    end = i64(len(frame))
    while position < end and 65 <= frame[position] <= 122 and frame[position] != 92:
        position += 1
    return position if position < end and frame[position] == QUOTE_MARK else -1


def _past_truth(frame: bytes, position: i64) -> i64:
    """The position behind `true` or `false`, or -1."""
    if stands(frame, position, _TRUE):
        return position + len(_TRUE)
    return position + len(_FALSE) if stands(frame, position, _FALSE) else -1
