"""Reads Binance's depth, trade and snapshot bytes without making an object for a level. Compiled.

It knows one spelling of each message, the one that the venue sends: these fields, in this order, without spaces. Of
anything else it says `UNKNOWN` and nothing more; the careful decoder in `venues/binance.py` then reads the same frame.
Whatever is recognised here, the careful decoder reads to the same values: a property test holds them together.
It never raises on bad bytes, never guesses, and never touches a book.

A frame is looked at only when its last byte is a closing brace. Every step below goes over bytes that were found to be
something else, so no step can leave the frame.
"""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i32_le, read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

UNKNOWN: Final = 0
DEPTH: Final = 1
TRADE: Final = 2
SNAPSHOT: Final = 3
OTHER: Final = 4
REPLY: Final = 5
REFUSAL: Final = 6
SHUTDOWN: Final = 7

_QUOTE: Final = 34
_DOT: Final = 46
_ZERO: Final = 48
_NINE: Final = 57
_OPEN: Final = 91
_BACKSLASH: Final = 92
_CLOSE: Final = 93
_BRACE: Final = 125
_SPACE: Final = 32
_TILDE: Final = 126

# Eighteen digits fit an i64 whatever they are; longer numbers are left to the careful decoder.
_MOST_DIGITS: Final = 18
# The venue writes eight decimal places, whatever the tick.
_PLACES: Final = 8
# Thirteen digits of milliseconds fit an i64 as nanoseconds and last until the year 2286.
MOST_MILLISECONDS: Final = 9999999999999

# Eight decimal digits in one 64-bit word, the first in its lowest byte. No step overflows: a byte holds 99 at most, a
# pair of bytes 9,999, four of them 99,999,999.
_UPPER_HALVES: Final = -0x0F0F0F0F0F0F0F10  # 0xF0 in every byte
_EIGHT_ZEROS: Final = 0x3030303030303030
_EIGHT_SIXES: Final = 0x0606060606060606
_PAIRS: Final = 0x00FF00FF00FF00FF
_FOURS: Final = 0x0000FFFF0000FFFF
_EIGHT: Final = 0xFFFFFFFF

# What stands between two numbers, read as a little-endian word: `","`, `"],[` and `"]]`.
_THREE_BYTES: Final = 0xFFFFFF
_TO_THE_SIZE: Final = 0x222C22
_TO_THE_NEXT: Final = 0x5B2C5D22
_TO_THE_END: Final = 0x5D5D22

_COMBINED: Final = b'{"stream":"'
_DATA: Final = b'","data":'
_DEPTH_EVENT: Final = b'{"e":"depthUpdate","E":'
_TRADE_EVENT: Final = b'{"e":"trade","E":'
_SYMBOL: Final = b',"s":"'
_FIRST_ID: Final = b'","U":'
_LAST_ID: Final = b',"u":'
_BIDS: Final = b',"b":['
_ASKS: Final = b',"a":['
_TRADE_ID: Final = b'","t":'
_PRICE: Final = b',"p":"'
_SIZE: Final = b'","q":"'
_TRADE_TIME: Final = b'","T":'
_MAKER_BOUGHT: Final = b',"m":true,"M":'
_MAKER_SOLD: Final = b',"m":false,"M":'
_TRUE: Final = b"true}"
_FALSE: Final = b"false}"
_SNAPSHOT_ID: Final = b'{"lastUpdateId":'
_SNAPSHOT_BIDS: Final = b',"bids":['
_SNAPSHOT_ASKS: Final = b',"asks":['
_NEXT_LEVEL: Final = b',["'


@final
class DecimalForm:
    """What the reading of a decimal number with eight places needs to know of its scale."""

    def __init__(self, scale: int) -> None:
        """Prepare for a scale; above 8 the venue's eight places are not the last, and the careful decoder reads all."""
        self.scale: Final[int] = scale
        self.most_whole_digits: i64 = _MOST_DIGITS - scale if scale <= _PLACES else -1
        self.one: i64 = 10**scale
        self.shift: i64 = 8 * (_PLACES - scale) if 0 < scale <= _PLACES else 0
        self.beyond_scale: i64 = sum(0x0F << (8 * place) for place in range(scale, _PLACES))


@final
class FrameScan:
    """Scans the frames of one instrument; after a scan its attributes hold what the frame said.

    `level_prices` and `level_sizes` hold the bids, `bid_count` of them, then the asks, up to `level_count`.
    """

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int) -> None:
        """Scan frames of this symbol into integers of these scales."""
        self.symbol: Final[str] = venue_symbol
        symbol = venue_symbol.encode()
        self._usual_beginning: Final[bytes] = (
            _COMBINED + venue_symbol.lower().encode() + b"@depth@100ms" + _DATA + _DEPTH_EVENT
        )
        self._symbol_then_first_id: Final[bytes] = _SYMBOL + symbol + _FIRST_ID
        self._symbol_then_trade_id: Final[bytes] = _SYMBOL + symbol + _TRADE_ID
        self.price_form: Final[DecimalForm] = DecimalForm(price_scale)
        self.size_form: Final[DecimalForm] = DecimalForm(size_scale)
        self.event_milliseconds: i64 = 0
        self.first_update_id: i64 = 0
        self.last_update_id: i64 = 0
        self.bid_count: i64 = 0
        self.level_count: i64 = 0
        self.level_prices: vec[i64] = vec[i64]([0] * 128)
        self.level_sizes: vec[i64] = vec[i64]([0] * 128)
        self.trade_id: i64 = 0
        self.trade_price: i64 = 0
        self.trade_size: i64 = 0
        self.trade_milliseconds: i64 = 0
        self.buyer_was_maker: bool = False
        self.text: str = ""
        # Of a frame that comes in pieces: whether it is a combined one, and whether its bids go on.
        self.wrapped: bool = False
        self.bids_open: bool = False
        self._number: i64 = 0

    def scan(self, frame: bytes) -> i64:
        """Read one frame of the stream: `DEPTH`, `TRADE` or `UNKNOWN`."""
        end = i64(len(frame)) - 1
        if end < 1 or frame[end] != _BRACE:
            return UNKNOWN
        # By far the most frequent frame begins with bytes that are known beforehand.
        if frame[end - 1] == _BRACE and _stands(frame, 0, self._usual_beginning):
            return self._depth(frame, len(self._usual_beginning), end - 1)
        position: i64 = 0
        if _stands(frame, 0, _COMBINED):
            position = _payload(frame)
            # The wrapper's own brace is taken off here, so that the payload must end just before it.
            if position < 0 or frame[end - 1] != _BRACE:
                return UNKNOWN
            end -= 1
        if _stands(frame, position, _DEPTH_EVENT):
            return self._depth(frame, position + len(_DEPTH_EVENT), end)
        if _stands(frame, position, _TRADE_EVENT):
            return self._trade(frame, position + len(_TRADE_EVENT), end)
        return UNKNOWN

    def scan_snapshot(self, frame: bytes) -> i64:
        """Read the answer to a depth request: `SNAPSHOT` or `UNKNOWN`."""
        end = len(frame) - 1
        if end < 0 or frame[end] != _BRACE or not _stands(frame, 0, _SNAPSHOT_ID):
            return UNKNOWN
        position = self._whole(frame, len(_SNAPSHOT_ID))
        if position < 0:
            return UNKNOWN
        self.last_update_id = self._number
        self.level_count = 0
        position = self._levels(frame, position, _SNAPSHOT_BIDS)
        self.bid_count = self.level_count
        if position >= 0:
            position = self._levels(frame, position, _SNAPSHOT_ASKS)
        return SNAPSHOT if position == end else UNKNOWN

    def scan_piece(self, piece: bytes, part: i64, parts: i64, kind: i64) -> i64:
        """Read a piece of a `DEPTH` or `SNAPSHOT` frame behind the pieces before it: that kind or `UNKNOWN`.

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
            position = self._head_of_snapshot(piece) if is_snapshot else self._head_of_depth(piece)
            if position >= 0:
                position = self._levels(piece, position, _SNAPSHOT_BIDS if is_snapshot else _BIDS)
        elif _stands(piece, 0, _NEXT_LEVEL):
            position = self._rows(piece, len(_NEXT_LEVEL))
        # Behind a list that is closed there is at least the brace.
        if 0 <= position <= end and self.bids_open:
            self.bids_open = False
            self.bid_count = self.level_count
            position = self._levels(piece, position, _SNAPSHOT_ASKS if is_snapshot else _ASKS)
        if is_last and position == (end - 1 if self.wrapped else end) and piece[position] == _BRACE:
            return kind
        if not is_last and position == end + 1:
            return kind
        self.level_count = held
        self.bids_open = bids_were_open
        return UNKNOWN

    def _head_of_snapshot(self, piece: bytes) -> i64:
        """Read what comes before the bids; their position, or -1."""
        self.wrapped = False
        if not _stands(piece, 0, _SNAPSHOT_ID):
            return -1
        position = self._whole(piece, len(_SNAPSHOT_ID))
        self.last_update_id = self._number
        return position

    def _head_of_depth(self, piece: bytes) -> i64:
        """Read what comes before the bids; their position, or -1."""
        position: i64 = 0
        self.wrapped = _stands(piece, 0, _COMBINED)
        if self.wrapped:
            position = _payload(piece)
        if position < 0 or not _stands(piece, position, _DEPTH_EVENT):
            return -1
        position = self._depth_header(piece, position + len(_DEPTH_EVENT))
        return -1 if self.first_update_id > self.last_update_id else position

    def _depth_header(self, frame: bytes, position: i64) -> i64:
        """The event time and both update ids; the position after them, or -1."""
        position = self._header(frame, position, self._symbol_then_first_id)
        if position < 0:
            return -1
        self.first_update_id = self._number
        if not _stands(frame, position, _LAST_ID):
            return -1
        position = self._whole(frame, position + len(_LAST_ID))
        self.last_update_id = self._number
        return position

    def _depth(self, frame: bytes, position: i64, end: i64) -> i64:
        position = self._depth_header(frame, position)
        if position < 0:
            return UNKNOWN
        self.level_count = 0
        position = self._levels(frame, position, _BIDS)
        self.bid_count = self.level_count
        if position >= 0:
            position = self._levels(frame, position, _ASKS)
        if position != end or self.first_update_id > self.last_update_id:
            return UNKNOWN
        return DEPTH

    def _trade(self, frame: bytes, position: i64, end: i64) -> i64:
        position = self._header(frame, position, self._symbol_then_trade_id)
        if position < 0:
            return UNKNOWN
        self.trade_id = self._number
        if not _stands(frame, position, _PRICE):
            return UNKNOWN
        position = self._decimal(frame, position + len(_PRICE), self.price_form)
        self.trade_price = self._number
        if position < 0 or not _stands(frame, position, _SIZE):
            return UNKNOWN
        position = self._decimal(frame, position + len(_SIZE), self.size_form)
        self.trade_size = self._number
        if position < 0 or not _stands(frame, position, _TRADE_TIME):
            return UNKNOWN
        position = self._whole(frame, position + len(_TRADE_TIME))
        self.trade_milliseconds = self._number
        if position < 0 or self._number > MOST_MILLISECONDS:
            return UNKNOWN
        self.buyer_was_maker = _stands(frame, position, _MAKER_BOUGHT)
        if self.buyer_was_maker:
            position += len(_MAKER_BOUGHT)
        elif _stands(frame, position, _MAKER_SOLD):
            position += len(_MAKER_SOLD)
        else:
            return UNKNOWN
        if end + 1 - position == len(_TRUE) and _stands(frame, position, _TRUE):
            return TRADE
        if end + 1 - position == len(_FALSE) and _stands(frame, position, _FALSE):
            return TRADE
        return UNKNOWN

    def _header(self, frame: bytes, position: i64, symbol_then_id: bytes) -> i64:
        """The event time, the symbol, and the identifier that follows, left in `_number`; -1 if they are not there."""
        position = self._whole(frame, position)
        if position < 0 or self._number > MOST_MILLISECONDS:
            return -1
        self.event_milliseconds = self._number
        if not _stands(frame, position, symbol_then_id):
            return -1
        return self._whole(frame, position + len(symbol_then_id))

    def _levels(self, frame: bytes, position: i64, key: bytes) -> i64:
        """A key and its list of `["price","size"]`, put behind the levels held; the position after it, or -1."""
        if not _stands(frame, position, key):
            return -1
        position += len(key)
        if frame[position] == _CLOSE:
            return position + 1
        if frame[position] != _OPEN or frame[position + 1] != _QUOTE:
            return -1
        return self._rows(frame, position + 2)

    def _rows(self, frame: bytes, position: i64) -> i64:
        """The levels from a first price on, to the end of their list or of a piece; the position after it, or -1."""
        price_form = self.price_form
        size_form = self.size_form
        prices = self.level_prices
        sizes = self.level_sizes
        count = self.level_count
        # A mark is four bytes; the shortest thing that can follow a size, the end of a raw frame, is as long.
        last_mark = i64(len(frame)) - 4
        while True:
            position = self._decimal(frame, position, price_form)
            if position < 0 or position > last_mark or read_i32_le(frame, position) & _THREE_BYTES != _TO_THE_SIZE:
                return -1
            if count == len(prices):
                self._grow()
                prices = self.level_prices
                sizes = self.level_sizes
            prices[count] = self._number
            position = self._decimal(frame, position + 3, size_form)
            if position < 0:
                return -1
            sizes[count] = self._number
            if position > last_mark:
                # Nothing but a piece of a frame ends with a level: what is whole ends with a brace.
                if position != last_mark + 2 or frame[position] != _QUOTE or frame[position + 1] != _CLOSE:
                    return -1
                self.level_count = count + 1
                return position + 2
            count += 1
            mark = read_i32_le(frame, position)
            if mark == _TO_THE_NEXT:
                if frame[position + 4] != _QUOTE:
                    return -1
                position += 5
            elif mark & _THREE_BYTES == _TO_THE_END:
                self.level_count = count
                return position + 3
            else:
                return -1

    def _decimal(self, frame: bytes, position: i64, form: DecimalForm) -> i64:
        """Whole digits, a dot, eight places, scaled into `_number`; the position after them, or -1 for another form."""
        last_word = i64(len(frame)) - 8
        if position > last_word:
            return -1
        word = read_i64_le(frame, position)
        first = position
        value: i64 = 0
        digit: i64 = (word & 0xFF) - _ZERO
        while 0 <= digit <= 9:
            value = value * 10 + digit
            position += 1
            word >>= 8
            digit = (word & 0xFF) - _ZERO
        if position - first == 8:
            digit = frame[position]
            digit -= _ZERO
            while 0 <= digit <= 9:
                value = value * 10 + digit
                position += 1
                digit = frame[position]
                digit -= _ZERO
        if digit != _DOT - _ZERO or position >= last_word:
            return -1
        if position == first or position - first > form.most_whole_digits:
            return -1
        digits = read_i64_le(frame, position + 1)
        # Each of eight characters is a digit when its upper half is 3, and still is after adding 6.
        if digits & _UPPER_HALVES != _EIGHT_ZEROS or (digits + _EIGHT_SIXES) & _UPPER_HALVES != _EIGHT_ZEROS:
            return -1
        digits -= _EIGHT_ZEROS
        if digits & form.beyond_scale != 0:
            return -1
        # Digits below the scale, all zeros, go to the front as leading ones; then neighbours are added in pairs.
        digits <<= form.shift
        digits = (digits * 10 + (digits >> 8)) & _PAIRS
        digits = (digits * 100 + (digits >> 16)) & _FOURS
        digits = (digits * 10000 + (digits >> 32)) & _EIGHT
        self._number = value * form.one + digits
        return position + 9

    def _whole(self, frame: bytes, position: i64) -> i64:
        """A JSON integer without sign into `_number`; the position after it, or -1."""
        first = position
        value: i64 = 0
        byte: i64 = frame[position]
        leading = byte
        if position + 8 < i64(len(frame)):
            # Times and identifiers have more than eight digits: the first eight at once.
            eight = _eight_digits(read_i64_le(frame, position))
            if eight >= 0:
                value = eight
                position += 8
                byte = frame[position]
        while _ZERO <= byte <= _NINE:
            value = value * 10 + (byte - _ZERO)
            position += 1
            byte = frame[position]
        digits = position - first
        if digits == 0 or digits > _MOST_DIGITS or (leading == _ZERO and digits > 1):
            return -1
        self._number = value
        return position

    def begin_levels(self) -> None:
        """Forget the levels held; for the careful decoder."""
        self.bid_count = 0
        self.level_count = 0

    def add_level(self, price: i64, size: i64) -> None:
        """Put a level behind those held; for the careful decoder."""
        count = self.level_count
        if count == len(self.level_prices):
            self._grow()
        self.level_prices[count] = price
        self.level_sizes[count] = size
        self.level_count = count + 1

    def _grow(self) -> None:
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


def ends_like_a_piece(piece: bytes, is_last: bool) -> bool:
    """Whether it ends with a brace, as a frame does, or else with the end of a level."""
    end = i64(len(piece)) - 1
    if end < 1:
        return False
    if is_last:
        return piece[end] == _BRACE
    return piece[end] == _CLOSE and piece[end - 1] == _QUOTE


def _eight_digits(word: i64) -> i64:
    """The number that eight characters in a little-endian word write, -1 if one of them is no digit."""
    if word & _UPPER_HALVES != _EIGHT_ZEROS or (word + _EIGHT_SIXES) & _UPPER_HALVES != _EIGHT_ZEROS:
        return -1
    word -= _EIGHT_ZEROS
    word = (word * 10 + (word >> 8)) & _PAIRS
    word = (word * 100 + (word >> 16)) & _FOURS
    return (word * 10000 + (word >> 32)) & _EIGHT


def _stands(frame: bytes, position: i64, text: bytes) -> bool:
    """Whether the text stands at this position, all of it inside the frame."""
    size = i64(len(text))
    if position + size > i64(len(frame)):
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


def _payload(frame: bytes) -> i64:
    """Where the payload of a combined frame begins, or -1; the stream's name must be plain printable text."""
    position: i64 = len(_COMBINED)
    last: i64 = len(frame) - 1
    byte: i64 = frame[position]
    while byte != _QUOTE:
        if byte < _SPACE or byte > _TILDE or byte == _BACKSLASH:
            return -1
        position += 1
        if position > last:
            return -1
        byte = frame[position]
    if not _stands(frame, position, _DATA):
        return -1
    return position + len(_DATA)
