"""Reads Coinbase Advanced Trade frames of one instrument in the venue's own spelling, without an object per level.

That is the spelling of recorded frames: one event, its keys in their fixed order, bids before offers. Compiled. What
it cannot read is `UNKNOWN`, and venues/coinbase.py reads the same frame with msgspec. A large frame of one event comes
in pieces that end with a level; each is read as it comes, and of a snapshot that is in order no more levels are held
than a book can use.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from market.bounded_book import MOST_LEVELS
from market.dialect import Decoder
from market.messages.constants import BUY, SELL
from venues.scanning import (
    CLOSE,
    CLOSE_BRACE,
    COMMA,
    DELTA,
    DOT,
    QUOTE_MARK,
    SNAPSHOT,
    TRADES,
    UNKNOWN,
    ZERO,
    Scan,
    eight_digits,
    stands,
)
from venues.utc_times import utc_ns

BOOK_HEAD: Final = b'{"channel":"l2_data","timestamp":"'
TRADES_HEAD: Final = b'{"channel":"market_trades","timestamp":"'
SEQUENCE: Final = b'","sequence_num":'
EVENTS: Final = b',"events":[{"type":"'
END: Final = b"]}]}"

_BID: Final = b'{"side":"bid","event_time":"'
_OFFER: Final = b'{"side":"offer","event_time":"'
_PRICE_LEVEL: Final = b'","price_level":"'
_NEW_QUANTITY: Final = b'","new_quantity":"'
_TRADE_ID: Final = b'","trade_id":"'
_PRICE: Final = b'","price":"'
_SIZE: Final = b'","size":"'
_TIME: Final = b'","time":"'
_MAKER_BOUGHT: Final = b'","side":"BUY"}'
_MAKER_SOLD: Final = b'","side":"SELL"}'

_MOST_TIME_BYTES: Final = 40
_LONGEST_TIME: Final = 30
_TO_SECONDS: Final = 17
_LETTER_Z: Final = 90
_BACKSLASH: Final = 92
_SPACE: Final = 32
_TILDE: Final = 126
# One more than a book holds, so that it knows that it was cut.
MOST_KEPT: Final = MOST_LEVELS + 1


class CoinbaseScan(Scan):
    """See the head of this file. `first_update_id` and `last_update_id` are the frame's `sequence_num`."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this product into integers of these scales."""
        super().__init__(venue_symbol, price_scale, size_scale)
        symbol = venue_symbol.encode()
        self._update: Final[bytes] = b'update","product_id":"' + symbol + b'","updates":['
        self._snapshot: Final[bytes] = b'snapshot","product_id":"' + symbol + b'","updates":['
        self._trade: Final[bytes] = b'{"product_id":"' + symbol + _TRADE_ID
        # Whether the trades of the frame are those from before the subscription.
        self.are_past: bool = False
        # The last minute that was read, as 2026-08-09T21:05: and as a time.
        self._minute: bytes = b""
        self._minute_ns: i64 = -1
        # What is known of a frame that is read in pieces.
        self.kind: i64 = UNKNOWN
        self.bids_open: bool = True
        self._bids_kept: i64 = 0
        self._asks_kept: i64 = 0
        self._last_bid: i64 = 0
        self._last_ask: i64 = 0

    def scan(self, frame: bytes) -> i64:
        """Read one frame: `DELTA`, `SNAPSHOT`, `TRADES`, or `UNKNOWN`."""
        if stands(frame, 0, BOOK_HEAD):
            return self._book(frame)
        if stands(frame, 0, TRADES_HEAD):
            return self._trades(frame)
        return UNKNOWN

    def _head(self, frame: bytes, position: i64) -> i64:
        """The time and the number of the frame; the position of the first event's type, or -1."""
        end = time_end(frame, position)
        self.event_ns = self._time_ns(frame, position, end)
        if self.event_ns < 0 or not stands(frame, end, SEQUENCE):
            return -1
        position = self.whole(frame, end + len(SEQUENCE))
        if position < 0 or not stands(frame, position, EVENTS):
            return -1
        self.first_update_id = self.number
        self.last_update_id = self.number
        return position + len(EVENTS)

    def _time_ns(self, frame: bytes, start: i64, end: i64) -> i64:
        """What `utc_ns` says, quicker within one minute."""
        seconds = start + _TO_SECONDS
        last = end - 1
        # At least 48.4Z, and no place below the nanosecond.
        is_known = self._minute_ns >= 0 and last - seconds >= 4 and end - start <= _LONGEST_TIME
        if not is_known or end > i64(len(frame)) or not stands(frame, start, self._minute):
            return self._new_minute(frame, start, end)
        tens: i64 = frame[seconds]
        ones: i64 = frame[seconds + 1]
        tens -= ZERO
        ones -= ZERO
        fraction: i64 = 0
        position = seconds + 3
        if last - position >= 8:
            fraction = eight_digits(read_i64_le(frame, position))
            if fraction < 0:
                return self._new_minute(frame, start, end)
            position += 8
        while position < last:
            digit: i64 = frame[position]
            digit -= ZERO
            if digit < 0 or digit > 9:
                return self._new_minute(frame, start, end)
            fraction = fraction * 10 + digit
            position += 1
        if tens < 0 or tens > 5 or ones < 0 or ones > 9 or frame[seconds + 2] != DOT or frame[last] != _LETTER_Z:
            return self._new_minute(frame, start, end)
        fraction *= self.powers[9 - (last - seconds - 3)]
        return self._minute_ns + (tens * 10 + ones) * 1_000_000_000 + fraction

    def _new_minute(self, frame: bytes, start: i64, end: i64) -> i64:
        time_ns = utc_ns(frame, start, end)
        if time_ns >= 0:
            self._minute = frame[start : start + _TO_SECONDS]
            self._minute_ns = utc_ns(self._minute + b"00Z", 0, _TO_SECONDS + 3)
        return time_ns

    def _book_head(self, frame: bytes) -> i64:
        """What comes before the levels; their position, or -1."""
        position = self._head(frame, len(BOOK_HEAD))
        if position < 0:
            return -1
        if stands(frame, position, self._update):
            self.kind = DELTA
            position += len(self._update)
        elif stands(frame, position, self._snapshot):
            self.kind = SNAPSHOT
            position += len(self._snapshot)
        else:
            return -1
        self.begin_levels()
        self.bids_open = True
        return position

    def _book(self, frame: bytes) -> i64:
        position = self._book_head(frame)
        if position < 0 or position >= i64(len(frame)):
            return UNKNOWN
        if frame[position] != CLOSE:
            position = self._rows(frame, position)
        if self.bids_open:
            self.bid_count = self.level_count
        if position < 0 or position + len(END) != i64(len(frame)) or not stands(frame, position, END):
            return UNKNOWN
        return self.kind

    def _rows(self, frame: bytes, position: i64) -> i64:
        """Levels, up to what is no comma behind one; the position of that, which may be the end, or -1."""
        prices = self.level_prices
        sizes = self.level_sizes
        count = self.level_count
        price_places = self.price_places
        size_places = self.size_places
        end = i64(len(frame))
        # What stands before a level's price is mostly the same as at the level before.
        head: i64 = 0
        head_size: i64 = 0
        while True:
            if head_size == 0 or not _same(frame, head, position, head_size):
                self.level_count = count
                head = position
                head_size = self._level_head(frame, position)
                if head_size < 0:
                    return -1
            position = self.decimal(frame, position + head_size, price_places)
            if position < 0 or not stands(frame, position, _NEW_QUANTITY):
                return -1
            if count == len(prices):
                self.grow()
                prices = self.level_prices
                sizes = self.level_sizes
            prices[count] = self.number
            position = self.decimal(frame, position + len(_NEW_QUANTITY), size_places)
            if position < 0 or position + 2 > end or frame[position] != QUOTE_MARK:
                return -1
            if frame[position + 1] != CLOSE_BRACE:
                return -1
            sizes[count] = self.number
            count += 1
            position += 2
            if position == end or frame[position] != COMMA:
                self.level_count = count
                return position
            position += 1

    def _level_head(self, frame: bytes, position: i64) -> i64:
        """How many bytes stand before the price of a level, or -1; the first offer ends the bids."""
        start = position
        if stands(frame, position, _BID):
            if not self.bids_open:
                return -1
            position += len(_BID)
        elif stands(frame, position, _OFFER):
            position += len(_OFFER)
            if self.bids_open:
                self.bids_open = False
                self.bid_count = self.level_count
        else:
            return -1
        # The time of a level is not kept: any plain text will do.
        last = min(i64(len(frame)), position + _MOST_TIME_BYTES)
        while position < last and frame[position] != QUOTE_MARK:
            byte: i64 = frame[position]
            if byte < _SPACE or byte > _TILDE or byte == _BACKSLASH:
                return -1
            position += 1
        if not stands(frame, position, _PRICE_LEVEL):
            return -1
        return position + len(_PRICE_LEVEL) - start

    def _trades(self, frame: bytes) -> i64:
        position = self._head(frame, len(TRADES_HEAD))
        if position < 0:
            return UNKNOWN
        if stands(frame, position, b'update","trades":['):
            self.are_past = False
            position += 18
        elif stands(frame, position, b'snapshot","trades":['):
            self.are_past = True
            position += 20
        else:
            return UNKNOWN
        owner = self.trades_to
        owner.trade_count = 0
        end = i64(len(frame))
        while True:
            position = self._one_trade(frame, position, owner)
            if position < 0 or position >= end:
                return UNKNOWN
            if frame[position] != COMMA:
                break
            position += 1
        if position + len(END) != end or not stands(frame, position, END):
            return UNKNOWN
        turn_round(owner, 0)
        return TRADES

    def _one_trade(self, frame: bytes, position: i64, owner: Decoder) -> i64:
        """Give the owner a trade; the position after it, or -1."""
        if not stands(frame, position, self._trade):
            return -1
        position = self.whole(frame, position + len(self._trade))
        trade_id = self.number
        if position < 0 or not stands(frame, position, _PRICE):
            return -1
        position = self.decimal(frame, position + len(_PRICE), self.price_places)
        price = self.number
        if position < 0 or not stands(frame, position, _SIZE):
            return -1
        position = self.decimal(frame, position + len(_SIZE), self.size_places)
        size = self.number
        if position < 0 or not stands(frame, position, _TIME):
            return -1
        position += len(_TIME)
        start = position
        last = min(i64(len(frame)), position + _MOST_TIME_BYTES)
        while position < last and frame[position] != QUOTE_MARK:
            position += 1
        time_ns = utc_ns(frame, start, position)
        if time_ns < 0:
            return -1
        # The side is the maker's, so it was the other one who came to trade.
        if stands(frame, position, _MAKER_BOUGHT):
            owner.add_trade(trade_id, price, size, SELL, time_ns)
            return position + len(_MAKER_BOUGHT)
        if stands(frame, position, _MAKER_SOLD):
            owner.add_trade(trade_id, price, size, BUY, time_ns)
            return position + len(_MAKER_SOLD)
        return -1

    def scan_piece(self, piece: bytes, part: i64, parts: i64) -> bool:
        """Read a piece behind the ones before it; False, and nothing of it is held, when it is spelled otherwise."""
        end = i64(len(piece))
        held = self.level_count
        bids_were_open = self.bids_open
        position: i64 = 1
        if part == 1:
            held = 0
            position = self._book_head(piece) if stands(piece, 0, BOOK_HEAD) else -1
            self.begin_pieces()
        elif end == 0 or piece[0] != COMMA:
            return False
        if position >= 0:
            position = self._rows(piece, position)
        if part == parts:
            if position >= 0 and position + len(END) == end and stands(piece, position, END):
                return True
        elif position == end:
            return True
        self.level_count = held
        self.bids_open = bids_were_open
        if self.bids_open:
            self.bid_count = 0
        return False

    def begin_pieces(self) -> None:
        """Forget what was held of another frame in pieces."""
        self.begin_levels()
        self.bids_open = True
        self._bids_kept = 0
        self._asks_kept = 0

    def keep_best(self, held: i64) -> bool:
        """Of the levels of a snapshot behind the first `held` keep those that a book can use.

        False when a side is not in its order from the touch outward: then only all levels together tell the best.
        """
        prices = self.level_prices
        sizes = self.level_sizes
        end = self.level_count
        bids_end = end if self.bids_open else self.bid_count
        target = held
        place = held
        while place < end:
            price = prices[place]
            size = sizes[place]
            is_kept = False
            if size == 0:
                # No level, as in any snapshot.
                is_kept = False
            elif place < bids_end:
                if self._bids_kept > 0 and price >= self._last_bid:
                    return False
                self._last_bid = price
                is_kept = self._bids_kept < MOST_KEPT
                if is_kept:
                    self._bids_kept += 1
            else:
                if self._asks_kept > 0 and price <= self._last_ask:
                    return False
                self._last_ask = price
                is_kept = self._asks_kept < MOST_KEPT
                if is_kept:
                    self._asks_kept += 1
            if is_kept:
                prices[target] = price
                sizes[target] = size
                target += 1
            place += 1
        self.level_count = target
        self.bid_count = self._bids_kept
        return True


def turn_round(owner: Decoder, start: i64) -> None:
    """The trades from this place on, which came newest first, oldest first."""
    first = start
    last = owner.trade_count - 1
    while first < last:
        _swap(owner.trade_ids, first, last)
        _swap(owner.trade_prices, first, last)
        _swap(owner.trade_sizes, first, last)
        _swap(owner.trade_sides, first, last)
        _swap(owner.trade_times_ns, first, last)
        first += 1
        last -= 1


def time_end(frame: bytes, position: i64) -> i64:
    """Where the quote behind the time that begins here stands, looked for from the longest on; or another place."""
    end = min(position + _LONGEST_TIME, i64(len(frame)) - 1)
    while end > position and (frame[end] != QUOTE_MARK or frame[end - 1] != _LETTER_Z):
        end -= 1
    return end


def _swap(values: vec[i64], one: i64, other: i64) -> None:
    value = values[one]
    values[one] = values[other]
    values[other] = value


def _same(frame: bytes, one: i64, other: i64, size: i64) -> bool:
    """Whether the same bytes, eight at least, stand at both positions; the first lies before the other."""
    if other + size > i64(len(frame)):
        return False
    last = size - 8
    place: i64 = 0
    differs: i64 = 0
    while place < last:
        differs |= read_i64_le(frame, one + place) ^ read_i64_le(frame, other + place)
        place += 8
    return (differs | (read_i64_le(frame, one + last) ^ read_i64_le(frame, other + last))) == 0
