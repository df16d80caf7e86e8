"""Keeps Bitfinex's books, says whose each frame is, and watches the numbers of a connection's frames. Compiled.

A book carries no number of its own: every array of a connection, whatever its channel, ends with the next number, and
one that is missing is a loss of every book there (`BitfinexRouter`). That a level changed is told by the channel alone:
channels get their numbers with each subscription, and the router keeps which instrument each stands for. The venue's
checksum, where it is sent, covers the best 25 levels a side as they are at that moment, in its own print of numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, cast, final

from librt.vecs import vec
from mypy_extensions import i64

from market.book import Book
from market.dialect import BOOK_CHANGED, FOR_ALL, FOR_NONE, FOR_ONE, GAP, LOST, Dialect, Router
from market.messages.constants import STATUS_TRADING
from venues.bitfinex_scan import BitfinexScan
from venues.scanning import CLOSE, COMMA, DELTA, NINE, OPEN, OPEN_BRACE, TRADING, ZERO, Scan
from venues.streamed import Careful, StreamedDecoder

CHECKED_LEVELS: Final = 25
_EXPONENT_BELOW: Final = 6  # decimal places: what has more zeros than these before its digits is written with one
_MOST_NAMELESS: Final = 64


@final
class BitfinexDecoder(StreamedDecoder):
    """One instrument's book, trades and best prices."""

    def __init__(self, scan: BitfinexScan, careful: Careful) -> None:
        """Read with this scan, and where it knows no answer, with the careful decoder."""
        super().__init__(scan, careful)
        self._own: Final[BitfinexScan] = scan

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        # Nearly every frame is the change of one level, in the usual spelling: it follows whatever came before it.
        scan = self._own
        if self.live and scan.scan(frame) == DELTA and not scan.has_checksum:
            kept = self.kept
            if not kept.is_cut:
                kept.change(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
                self.first_update_id = 0
                self.update_id = scan.last_update_id
                if not kept.is_cut or kept.is_enough:
                    return BOOK_CHANGED
        return super().apply(frame)

    def agrees(self, scan: Scan) -> bool:
        """Whether the book is what the venue's checksum says, where the frame is one."""
        if not scan.has_checksum:
            return True
        found = book_checksum(self.book, scan.price_scale, scan.size_scale)
        if found == scan.checksum:
            self.checksums_passed += 1
            return True
        self.cause = f"the book's checksum is {found}, and the venue's is {scan.checksum}"
        return False

    def _take_other(self, scan: Scan, kind: i64) -> i64:
        """What is neither a book nor a trade; after a maintenance what was known before it is old."""
        outcome = super()._take_other(scan, kind)
        if kind == TRADING and scan.status == STATUS_TRADING and self.live:
            self.drop()
            return GAP
        return outcome

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        saved = super().save()
        saved["channel"] = int(self._own.book_channel)
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        super().load(saved)
        self._own.book_channel = cast(int, saved["channel"])


def book_checksum(book: Book, price_scale: int, size_scale: int) -> i64:
    """The checksum of a book, as a signed number of 32 bits."""
    unsigned: i64 = zlib.crc32(checksum_text(book, price_scale, size_scale).encode())
    return unsigned - 4_294_967_296 if unsigned > 2_147_483_647 else unsigned


def checksum_text(book: Book, price_scale: int, size_scale: int) -> str:
    """What the checksum is made of: of each level the bid, then the ask, prices and amounts, those of asks negative."""
    bid_prices, bid_sizes = book.bids.prices(CHECKED_LEVELS), book.bids.sizes(CHECKED_LEVELS)
    ask_prices, ask_sizes = book.asks.prices(CHECKED_LEVELS), book.asks.sizes(CHECKED_LEVELS)
    texts: list[str] = []
    for level in range(CHECKED_LEVELS):
        if level < len(bid_prices):
            texts.append(plain_text(bid_prices[level], price_scale))
            texts.append(printed_text(bid_sizes[level], size_scale))
        if level < len(ask_prices):
            texts.append(plain_text(ask_prices[level], price_scale))
            texts.append("-" + printed_text(ask_sizes[level], size_scale))
    return ":".join(texts)


def plain_text(value: int, scale: int) -> str:
    """A number without zeros at its end and without exponent."""
    digits = str(value).rjust(scale + 1, "0")
    if scale == 0:
        return digits
    fraction = digits[-scale:].rstrip("0")
    whole = digits[:-scale]
    return f"{whole}.{fraction}" if fraction else whole


def printed_text(value: int, scale: int) -> str:
    """A number as JavaScript prints it: below 0.000001 with an exponent."""
    digits = str(value)
    exponent = scale - len(digits) + 1
    if value == 0 or exponent <= _EXPONENT_BELOW:
        return plain_text(value, scale)
    digits = digits.rstrip("0")
    return f"{digits[0]}.{digits[1:]}e-{exponent}" if len(digits) > 1 else f"{digits}e-{exponent}"


Event = Callable[[bytes], tuple[str, int, str, bool]]
"""Reads an event: its name, its channel or 0, its symbol or nothing, and whether frames are numbered from now on."""

Glance = Callable[[bytes], tuple[int, int, bool]]
"""Reads an array in any spelling: its channel and its last number, or -1 each, and whether it changes a level."""


@final
class BitfinexRouter(Router):
    """The channels of one connection, and the numbers of its frames."""

    def __init__(self, dialect: Dialect, read_event: Event, read_array: Glance) -> None:
        """Route the frames of one connection; what is no plain array is read by these two."""
        super().__init__(dialect)
        self._read_event: Final[Event] = read_event
        self._read_array: Final[Glance] = read_array
        self.numbered: bool = False
        # The number of the last frame, -1 while the next one may have any.
        self._last: i64 = -1
        self._channels: vec[i64] = vec[i64]([0] * 8)
        self._symbols: list[str] = []
        # Channels that were ended, and those that sent something before they were confirmed.
        self._nameless: list[int] = []

    def begin(self) -> None:
        """A new connection has no channels, and numbers nothing before it is told to."""
        self.numbered = False
        self._last = -1
        self._symbols = []
        self._nameless = []

    def route(self, frame: bytes) -> i64:
        """Whose a frame is; `LOST` when the numbers jump, or a channel changes a book that nobody has announced."""
        size = i64(len(frame))
        if size < 4 or frame[0] != OPEN or frame[size - 1] != CLOSE:
            return self._route_event(frame)
        position: i64 = 1
        channel: i64 = 0
        digit: i64 = frame[1]
        while ZERO <= digit <= NINE and position < 18:
            channel = channel * 10 + (digit - ZERO)
            position += 1
            digit = frame[position]
        is_plain = digit == COMMA
        number: i64 = -1
        if self.numbered and is_plain:
            place = size - 2
            digit = frame[place]
            power: i64 = 1
            total: i64 = 0
            while ZERO <= digit <= NINE and size - place < 18:
                total += (digit - ZERO) * power
                power *= 10
                place -= 1
                digit = frame[place]
            if digit == COMMA and place < size - 2:
                number = total
        if not is_plain or (self.numbered and number < 0):
            found_channel, found_number, _ = self._read_array(frame)
            if found_channel < 0:
                self.symbol = ""
                return FOR_ALL
            channel, number = found_channel, found_number
        if self.numbered and number != self._last + 1 and self._last >= 0:
            return self._jump(number)
        self._last = number
        symbols = self._symbols
        channels = self._channels
        count = i64(len(symbols))
        place = 0
        while place < count:
            if channels[place] == channel:
                self.symbol = symbols[place]
                return FOR_ONE
            place += 1
        return self._route_nameless(channel, frame)

    def _jump(self, number: i64) -> i64:
        """A number that is not the next one."""
        if number < 0:
            self.cause = "a frame without a number on a connection whose frames are numbered"
        elif number <= self._last:
            self.cause = f"frame {number} of the connection came again, after {self._last}"
            return FOR_NONE
        else:
            self.cause = f"frames {self._last + 1} to {number - 1} of the connection are missing"
        # This number itself may be the damaged one: whichever comes next is taken.
        self._last = -1
        return LOST

    def _route_nameless(self, channel: i64, frame: bytes) -> i64:
        """A frame of a channel that stands for nothing now."""
        if int(channel) in self._nameless:
            self.cause = f"a frame of channel {channel}, which was ended or is not confirmed yet"
            return FOR_NONE
        _, _, is_change = self._read_array(frame)
        if not is_change:
            # What a channel sends first may come before its confirmation: if that was a book, it is asked for again.
            self._forget(channel)
            self.cause = f"a frame of channel {channel}, which is not confirmed yet"
            return FOR_NONE
        # A book was there before this: the number of its channel may be damaged.
        self.cause = f"a change in channel {channel}, which nobody has subscribed to"
        self._last = -1
        return LOST

    def _route_event(self, frame: bytes) -> i64:
        """Note what an event tells of channels and numbers; it is for the instrument that it names, or for all."""
        self.symbol = ""
        if i64(len(frame)) == 0 or frame[0] != OPEN_BRACE:
            return FOR_ALL
        name, channel, symbol, numbered = self._read_event(frame)
        if name == "conf":
            self.numbered = numbered
            self._last = -1
        elif name == "subscribed" and channel > 0 and symbol:
            self._end(channel)
            self._add(channel, symbol)
        elif name == "unsubscribed":
            symbol = self._end(channel)
            self._forget(channel)
        self.symbol = symbol
        return FOR_ONE if symbol else FOR_ALL

    def _add(self, channel: int, symbol: str) -> None:
        place = len(self._symbols)
        if place == len(self._channels):
            larger = vec[i64]([0] * (2 * place))
            for held in range(place):
                larger[held] = self._channels[held]
            self._channels = larger
        self._channels[place] = channel
        self._symbols.append(symbol)
        if channel in self._nameless:
            self._nameless.remove(channel)

    def _end(self, channel: int) -> str:
        """Forget what a channel stands for; gives that."""
        for place in range(len(self._symbols)):
            if self._channels[place] == channel:
                last = len(self._symbols) - 1
                symbol = self._symbols[place]
                self._symbols[place] = self._symbols[last]
                self._channels[place] = self._channels[last]
                self._symbols.pop()
                return symbol
        return ""

    def _forget(self, channel: i64) -> None:
        self._nameless.append(int(channel))
        if len(self._nameless) > _MOST_NAMELESS:
            del self._nameless[0]

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        return {
            "numbered": self.numbered,
            "last": int(self._last),
            "channels": [int(self._channels[place]) for place in range(len(self._symbols))],
            "symbols": list(self._symbols),
            "nameless": list(self._nameless),
        }

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        self.begin()
        self.numbered = cast(bool, saved["numbered"])
        self._last = cast(int, saved["last"])
        for channel, symbol in zip(
            cast("list[int]", saved["channels"]), cast("list[str]", saved["symbols"]), strict=True
        ):
            self._add(channel, symbol)
        self._nameless = list(cast("list[int]", saved["nameless"]))
