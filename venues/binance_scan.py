"""Reads the bytes of Binance, spot and futures, without making an object for a level. Compiled.

It knows one spelling of each message, the one that the venue sends: these fields, in this order, without spaces. Of
anything else it says `UNKNOWN` and nothing more; the careful decoder in `venues/binance_reading.py` then reads the same
frame. Whatever is recognised here, the careful decoder reads to the same values: a property test holds them together.
It never raises on bad bytes, never guesses, and never touches a book.

A frame is looked at only when its last byte is a closing brace. Every step below goes over bytes that were found to be
something else, so no step can leave the frame.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.messages.constants import BUY, SELL
from venues.binance_levels import LevelScan, read_decimal, read_levels, read_rows, read_whole
from venues.scanning import CLOSE, CLOSE_BRACE, DELTA, QUOTE, QUOTE_MARK, SNAPSHOT, TRADES, UNKNOWN, stands

_BACKSLASH: Final = 92
_SPACE: Final = 32
_TILDE: Final = 126

# The largest whole millisecond that fits an i64 as nanoseconds; it is in the year 2262.
MOST_MILLISECONDS: Final = 9_223_372_036_854
NANOSECONDS: Final = 1_000_000  # in a millisecond

COMBINED: Final = b'{"stream":"'
_DATA: Final = b'","data":'
_PARTIAL_DEPTH: Final = (b"@depth5", b"@depth10", b"@depth20")
_DEPTH_EVENT: Final = b'{"e":"depthUpdate","E":'
_TRADE_EVENT: Final = b'{"e":"trade","E":'
_AGGREGATE_EVENT: Final = b'{"e":"aggTrade","E":'
_SPOT_QUOTE: Final = b'{"u":'
_FUTURES_QUOTE: Final = b'{"e":"bookTicker","u":'
_QUOTE_EVENT: Final = b',"e":"bookTicker"'
_TIME: Final = b',"T":'
_EVENT_TIME: Final = b',"E":'
_SYMBOL: Final = b',"s":"'
_PAIR: Final = b',"ps":"'
_MARGIN: Final = b',"st":'
_FIRST_ID: Final = b',"U":'
_LAST_ID: Final = b',"u":'
_PREVIOUS_ID: Final = b',"pu":'
_BIDS: Final = b',"b":['
_ASKS: Final = b',"a":['
_TRADE_ID: Final = b',"t":'
_AGGREGATE_ID: Final = b',"a":'
_FIRST_TRADE: Final = b'","f":'
_LAST_TRADE: Final = b',"l":'
_PRICE: Final = b',"p":"'
_SIZE: Final = b'","q":"'
_TRADE_TIME: Final = b'","T":'
_BY_MARKET: Final = b'","X":"MARKET"'
_MAKER_BOUGHT: Final = b',"m":true'
_MAKER_SOLD: Final = b',"m":false'
_BEST_TRUE: Final = b',"M":true}'
_BEST_FALSE: Final = b',"M":false}'
_BID: Final = b',"b":"'
_BID_SIZE: Final = b'","B":"'
_ASK: Final = b'","a":"'
_ASK_SIZE: Final = b'","A":"'
_SNAPSHOT_ID: Final = b'{"lastUpdateId":'
_SNAPSHOT_SYMBOL: Final = b',"symbol":"'
_SNAPSHOT_PAIR: Final = b',"pair":"'
_SNAPSHOT_BIDS: Final = b',"bids":['
_SNAPSHOT_ASKS: Final = b',"asks":['
_NEXT_LEVEL: Final = b',["'


@final
class FrameScan(LevelScan):
    """Scans the frames of one instrument, of spot or of the futures; after a scan it holds what the frame said.

    Of a frame that comes in pieces it also holds how far it is.
    """

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int, futures: bool = False) -> None:
        """Scan frames of this symbol into integers of these scales."""
        super().__init__(venue_symbol, price_scale, size_scale)
        self.futures: Final[bool] = futures
        # With what the last change of the book in a combined frame began: the next one will begin with the same.
        self._usual_beginning: bytes = COMBINED + venue_symbol.lower().encode() + b"@depth@100ms" + _DATA + _DEPTH_EVENT
        self._symbol_field: Final[bytes] = _SYMBOL + venue_symbol.encode() + b'"'
        # The names that the last change had: the next one has the same.
        self._usual_names: bytes = self._symbol_field
        self._symbol_named: Final[bytes] = _SNAPSHOT_SYMBOL + venue_symbol.encode() + b'"'
        # Of a frame that comes in pieces: whether it is a combined one, and whether its bids go on.
        self.wrapped: bool = False
        self.bids_open: bool = False

    def scan(self, frame: bytes) -> i64:
        """Read one frame of the stream: `DELTA`, `TRADES`, `QUOTE` or `UNKNOWN`."""
        end = i64(len(frame)) - 1
        if end < 1 or frame[end] != CLOSE_BRACE:
            return UNKNOWN
        # By far the most frequent frame begins with bytes that are known beforehand.
        if frame[end - 1] == CLOSE_BRACE and stands(frame, 0, self._usual_beginning):
            return self._depth(frame, len(self._usual_beginning), end - 1)
        position: i64 = 0
        if stands(frame, 0, COMBINED):
            position = _payload(frame)
            # The wrapper's own brace is taken off here, so that the payload must end just before it.
            if position < 0 or frame[end - 1] != CLOSE_BRACE:
                return UNKNOWN
            end -= 1
        if stands(frame, position, _DEPTH_EVENT):
            if position > 0:
                self._usual_beginning = frame[: position + len(_DEPTH_EVENT)]
            return self._depth(frame, position + len(_DEPTH_EVENT), end)
        if stands(frame, position, _SPOT_QUOTE):
            return self._quote(frame, position + len(_SPOT_QUOTE), end, False)
        if stands(frame, position, _FUTURES_QUOTE):
            return self._quote(frame, position + len(_FUTURES_QUOTE), end, True)
        if stands(frame, position, _TRADE_EVENT):
            return self._trade(frame, position + len(_TRADE_EVENT), end)
        if stands(frame, position, _AGGREGATE_EVENT):
            return self._aggregate(frame, position + len(_AGGREGATE_EVENT), end)
        return UNKNOWN

    def scan_snapshot(self, frame: bytes) -> i64:
        """Read the answer to a depth request: `SNAPSHOT` or `UNKNOWN`."""
        end = i64(len(frame)) - 1
        if end < 0 or frame[end] != CLOSE_BRACE:
            return UNKNOWN
        position = self._head_of_snapshot(frame)
        if position < 0:
            return UNKNOWN
        self.level_count = 0
        position = read_levels(self, frame, position, _SNAPSHOT_BIDS)
        self.bid_count = self.level_count
        if position >= 0:
            position = read_levels(self, frame, position, _SNAPSHOT_ASKS)
        return SNAPSHOT if position == end else UNKNOWN

    def scan_piece(self, piece: bytes, part: i64, parts: i64, kind: i64) -> i64:
        """Read a piece of a `DELTA` or `SNAPSHOT` frame behind the pieces before it: that kind or `UNKNOWN`.

        Between the pieces of a frame the scan must be used for nothing else. After `UNKNOWN` it holds the levels that
        it held before.
        """
        end = i64(len(piece)) - 1
        is_last = part == parts
        if not ends_like_a_piece(piece, is_last):
            return UNKNOWN
        held = self.level_count
        bids_were_open = self.bids_open
        is_snapshot = kind == SNAPSHOT
        position: i64 = -1
        if part == 1:
            held = 0
            self.level_count = 0
            self.bids_open = True
            self.wrapped = False
            position = self._head_of_snapshot(piece) if is_snapshot else self._head_of_depth(piece)
            if position >= 0:
                position = read_levels(self, piece, position, _SNAPSHOT_BIDS if is_snapshot else _BIDS)
        elif stands(piece, 0, _NEXT_LEVEL):
            position = read_rows(self, piece, len(_NEXT_LEVEL))
        # Behind a list that is closed there is at least the brace.
        if 0 <= position <= end and self.bids_open:
            self.bids_open = False
            self.bid_count = self.level_count
            position = read_levels(self, piece, position, _SNAPSHOT_ASKS if is_snapshot else _ASKS)
        if is_last and position == (end - 1 if self.wrapped else end) and piece[position] == CLOSE_BRACE:
            return kind
        if not is_last and position == end + 1:
            return kind
        self.level_count = held
        self.bids_open = bids_were_open
        return UNKNOWN

    def _head_of_snapshot(self, frame: bytes) -> i64:
        """Read what comes before the bids; their position, or -1."""
        if not stands(frame, 0, _SNAPSHOT_ID):
            return -1
        position = read_whole(self, frame, len(_SNAPSHOT_ID))
        self.last_update_id = self.number
        if self.futures and position >= 0 and stands(frame, position, _EVENT_TIME):
            position = self._milliseconds(frame, position, _EVENT_TIME)
            if position >= 0:
                position = self._milliseconds(frame, position, _TIME)
            if position >= 0 and stands(frame, position, self._symbol_named):
                position = _past_text(frame, position + i64(len(self._symbol_named)), _SNAPSHOT_PAIR)
        return position

    def _head_of_depth(self, piece: bytes) -> i64:
        """Read what comes before the bids; their position, or -1."""
        position: i64 = 0
        self.wrapped = stands(piece, 0, COMBINED)
        if self.wrapped:
            position = _payload(piece)
        if position < 0 or not stands(piece, position, _DEPTH_EVENT):
            return -1
        position = self._depth_header(piece, position + len(_DEPTH_EVENT))
        return -1 if self.first_update_id > self.last_update_id else position

    def _depth(self, frame: bytes, position: i64, end: i64) -> i64:
        position = self._depth_header(frame, position)
        if position < 0:
            return UNKNOWN
        self.level_count = 0
        position = read_levels(self, frame, position, _BIDS)
        self.bid_count = self.level_count
        if position >= 0:
            position = read_levels(self, frame, position, _ASKS)
        if position != end or self.first_update_id > self.last_update_id:
            return UNKNOWN
        return DELTA

    def _depth_header(self, frame: bytes, position: i64) -> i64:
        """The event time and the update ids; the position after them, or -1."""
        position = self._event_time(frame, position)
        if self.futures and position >= 0:
            position = self._milliseconds(frame, position, _TIME)
        if position < 0:
            return -1
        names_end = position + i64(len(self._usual_names))
        if stands(frame, position, self._usual_names) and not stands(frame, names_end, _PAIR):
            position = names_end
        else:
            position = self._names(frame, position)
        if self.futures and position >= 0 and stands(frame, position, _MARGIN):
            position = read_whole(self, frame, position + len(_MARGIN))
        if position < 0 or not stands(frame, position, _FIRST_ID):
            return -1
        position = read_whole(self, frame, position + len(_FIRST_ID))
        self.first_update_id = self.number
        if position < 0 or not stands(frame, position, _LAST_ID):
            return -1
        position = read_whole(self, frame, position + len(_LAST_ID))
        self.last_update_id = self.number
        if self.futures:
            if position < 0 or not stands(frame, position, _PREVIOUS_ID):
                return -1
            position = read_whole(self, frame, position + len(_PREVIOUS_ID))
            self.previous_update_id = self.number
        return position

    def _names(self, frame: bytes, position: i64) -> i64:
        """The symbol, and the pair that some futures tell too; the position after them, or -1."""
        first = position
        if not stands(frame, position, self._symbol_field):
            return -1
        position += i64(len(self._symbol_field))
        if self.futures:
            position = _past_text(frame, position, _PAIR)
        if position >= 0:
            self._usual_names = frame[first:position]
        return position

    def _event_time(self, frame: bytes, position: i64) -> i64:
        """Milliseconds, as `event_ns`; the position after them, or -1."""
        position = read_whole(self, frame, position)
        if self.number > MOST_MILLISECONDS:
            return -1
        self.event_ns = self.number * NANOSECONDS
        return position

    def _milliseconds(self, frame: bytes, position: i64, key: bytes) -> i64:
        """A key and a time, left in `number`; the position after it, or -1."""
        if not stands(frame, position, key):
            return -1
        position = read_whole(self, frame, position + i64(len(key)))
        return -1 if self.number > MOST_MILLISECONDS else position

    def _trade(self, frame: bytes, position: i64, end: i64) -> i64:
        """A trade, from its event time on."""
        position = self._event_time(frame, position)
        trade_ns: i64 = 0
        if self.futures and position >= 0:
            position = self._milliseconds(frame, position, _TIME)
            trade_ns = self.number * NANOSECONDS
        if position < 0 or not stands(frame, position, self._symbol_field):
            return UNKNOWN
        position += i64(len(self._symbol_field))
        if not stands(frame, position, _TRADE_ID):
            return UNKNOWN
        position = read_whole(self, frame, position + len(_TRADE_ID))
        trade_id = self.number
        position = self._decimal(frame, position, _PRICE, True)
        price = self.number
        position = self._decimal(frame, position, _SIZE, False)
        size = self.number
        if self.futures:
            if position < 0 or not stands(frame, position, _BY_MARKET):
                return UNKNOWN
            position += len(_BY_MARKET)
        else:
            if position < 0:
                return UNKNOWN
            position = self._milliseconds(frame, position, _TRADE_TIME)
            trade_ns = self.number * NANOSECONDS
        return self._end_of_trade(frame, position, end, trade_id, price, size, trade_ns)

    def _aggregate(self, frame: bytes, position: i64, end: i64) -> i64:
        """An aggregated trade, from its event time on; the futures tell its id before the symbol."""
        position = self._event_time(frame, position)
        trade_id: i64 = 0
        if self.futures and position >= 0:
            if not stands(frame, position, _AGGREGATE_ID):
                return UNKNOWN
            position = read_whole(self, frame, position + len(_AGGREGATE_ID))
            trade_id = self.number
        if position < 0 or not stands(frame, position, self._symbol_field):
            return UNKNOWN
        position += i64(len(self._symbol_field))
        if not self.futures:
            if not stands(frame, position, _AGGREGATE_ID):
                return UNKNOWN
            position = read_whole(self, frame, position + len(_AGGREGATE_ID))
            trade_id = self.number
        position = self._decimal(frame, position, _PRICE, True)
        price = self.number
        position = self._decimal(frame, position, _SIZE, False)
        size = self.number
        if position < 0 or not stands(frame, position, _FIRST_TRADE):
            return UNKNOWN
        position = read_whole(self, frame, position + len(_FIRST_TRADE))
        if position < 0 or not stands(frame, position, _LAST_TRADE):
            return UNKNOWN
        position = read_whole(self, frame, position + len(_LAST_TRADE))
        if position < 0:
            return UNKNOWN
        position = self._milliseconds(frame, position, _TIME)
        return self._end_of_trade(frame, position, end, trade_id, price, size, self.number * NANOSECONDS)

    def _end_of_trade(
        self, frame: bytes, position: i64, end: i64, trade_id: i64, price: i64, size: i64, trade_ns: i64
    ) -> i64:
        """Who was the maker, and what follows; the trade is told when the payload ends there."""
        if position < 0 or size == 0:
            return UNKNOWN
        # "m" says that the buyer was the maker, so then it was the seller who came to trade.
        side: i64 = BUY
        if stands(frame, position, _MAKER_BOUGHT):
            side = SELL
            position += len(_MAKER_BOUGHT)
        elif stands(frame, position, _MAKER_SOLD):
            position += len(_MAKER_SOLD)
        else:
            return UNKNOWN
        if self.futures:
            if position != end:
                return UNKNOWN
        elif not (
            (stands(frame, position, _BEST_TRUE) and position + len(_BEST_TRUE) == end + 1)
            or (stands(frame, position, _BEST_FALSE) and position + len(_BEST_FALSE) == end + 1)
        ):
            return UNKNOWN
        self.trades_to.trade_count = 0
        self.trades_to.add_trade(trade_id, price, size, side, trade_ns)
        return TRADES

    def _quote(self, frame: bytes, position: i64, end: i64, named: bool) -> i64:
        """A best bid and ask, from its update id on; `named` where the event's name came before it."""
        position = read_whole(self, frame, position)
        update_id = self.number
        if self.futures and not named and position >= 0:
            if not stands(frame, position, _QUOTE_EVENT):
                return UNKNOWN
            position += len(_QUOTE_EVENT)
        if position < 0 or (named and not self.futures) or not stands(frame, position, self._symbol_field):
            return UNKNOWN
        position += i64(len(self._symbol_field))
        if self.futures:
            position = _past_text(frame, position, _PAIR)
        position = self._decimal(frame, position, _BID, True)
        bid_price = self.number
        position = self._decimal(frame, position, _BID_SIZE, False)
        bid_size = self.number
        position = self._decimal(frame, position, _ASK, True)
        ask_price = self.number
        position = self._decimal(frame, position, _ASK_SIZE, False)
        ask_size = self.number
        if position < 0 or frame[position] != QUOTE_MARK:
            return UNKNOWN
        position += 1
        if self.futures:
            position = self._milliseconds(frame, position, _TIME)
            if position >= 0 and stands(frame, position, _EVENT_TIME):
                position = self._event_time(frame, position + len(_EVENT_TIME))
            else:
                return UNKNOWN
        if position != end:
            return UNKNOWN
        owner = self.trades_to
        owner.quoted_update_id = update_id
        owner.quoted_bid_price = bid_price
        owner.quoted_bid_size = bid_size
        owner.quoted_ask_price = ask_price
        owner.quoted_ask_size = ask_size
        return QUOTE

    def _decimal(self, frame: bytes, position: i64, key: bytes, is_price: bool) -> i64:
        """A key and a decimal number, left in `number`; the position of what follows it, or -1."""
        if position < 0 or not stands(frame, position, key):
            return -1
        return read_decimal(self, frame, position + i64(len(key)), self.price_form if is_price else self.size_form)


def ends_like_a_piece(piece: bytes, is_last: bool) -> bool:
    """Whether it ends with a brace, as a frame does, or else with the end of a level."""
    end = i64(len(piece)) - 1
    if end < 1:
        return False
    if is_last:
        return piece[end] == CLOSE_BRACE
    return piece[end] == CLOSE and piece[end - 1] == QUOTE_MARK


def _payload(frame: bytes) -> i64:
    """Where the payload of a combined frame begins, or -1; the stream's name must be plain printable text."""
    position: i64 = len(COMBINED)
    last: i64 = len(frame) - 1
    byte: i64 = frame[position]
    while byte != QUOTE_MARK:
        if byte < _SPACE or byte > _TILDE or byte == _BACKSLASH:
            return -1
        position += 1
        if position > last:
            return -1
        byte = frame[position]
    if not stands(frame, position, _DATA):
        return -1
    # A picture of the best levels may look like a change of the book.
    for partial in _PARTIAL_DEPTH:
        if frame.find(partial, 0, position) >= 0:
            return -1
    return position + len(_DATA)


def _past_text(frame: bytes, position: i64, key: bytes) -> i64:
    """The position after a key and its plain text, if they stand there; -1 for text that is not plain."""
    if position < 0 or not stands(frame, position, key):
        return position
    position += i64(len(key))
    last: i64 = i64(len(frame)) - 1
    byte: i64 = frame[position]
    while byte != QUOTE_MARK:
        if byte < _SPACE or byte > _TILDE or byte == _BACKSLASH:
            return -1
        position += 1
        if position > last:
            return -1
        byte = frame[position]
    return position + 1
