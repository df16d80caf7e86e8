"""The public side of the gateway: the books as clients see them, trades, tickers, states of trading.

Each book is kept from the lane's snapshot and deltas, with a check that no delta is missing; after a gap a snapshot is
asked for, and every subscriber gets a fresh book. An event is encoded once for all who subscribe, and not at all where
nobody does. It waits for nothing and knows no socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from exchange.outbox import Outbox, Stream
from exchange.protocol import Listing, Refused
from exchange.protocol_events import (
    CHECKSUM_LEVELS,
    BookEvent,
    EventWriter,
    checksum_of,
    encode,
    levels_of,
)
from market.book import Book
from market.messages import (
    BUY,
    SELL,
    BookDelta,
    BookSnapshot,
    InstrumentStatus,
    Message,
    PublicTrade,
    Ticker,
)

STATUS_CHANNEL: Final = "status"
# A snapshot is encoded anew when the deltas since it have more bytes than it, and than this.
SMALLEST_TAIL_BYTES: Final = 16 * 1024


class Feed:
    """A channel without a book: who subscribes, and the last event where a newcomer gets it."""

    def __init__(self, keeps_last: bool) -> None:
        self.keeps_last = keeps_last
        self.last: dict[int, bytes] = {}
        self.streams: dict[Stream, None] = {}

    def publish(self, instrument_id: int, event: bytes) -> None:
        """Hand an event to every subscriber."""
        if self.keeps_last:
            self.last[instrument_id] = event
        for stream in self.streams:
            stream.outbox.add_public(stream, event)

    def add(self, stream: Stream) -> None:
        """Take a subscriber, who gets what is known."""
        self.streams[stream] = None
        for event in self.last.values():
            stream.outbox.add_public(stream, event)

    def remove(self, stream: Stream) -> None:
        """Let a subscriber go."""
        self.streams.pop(stream, None)


class BookView:
    """A book as the subscribers with, or those without, a checksum in every delta get it.

    The last encoded snapshot is kept with the deltas that followed, so that many newcomers cost one encoding.
    """

    def __init__(self, owner: PublicBook, with_checksum: bool) -> None:
        self.owner = owner
        self.with_checksum = with_checksum
        self.streams: dict[Stream, None] = {}
        self._snapshot = b""
        self._tail: list[bytes] = []
        self._tail_bytes = 0

    def add(self, stream: Stream) -> None:
        """Take a subscriber, who gets the book first."""
        self.streams[stream] = None
        stream.outbox.refresh(stream)

    def remove(self, stream: Stream) -> None:
        """Let a subscriber go."""
        self.streams.pop(stream, None)

    def fresh(self) -> Sequence[bytes] | None:
        """The events that bring a client up to date; None while the book itself is not."""
        if not self.owner.is_synced:
            return None
        if not self._snapshot:
            self._snapshot = self.owner.encoded_snapshot()
        return (self._snapshot, *self._tail)

    def refresh_all(self) -> None:
        """Send every subscriber the whole book."""
        self._forget()
        for stream in self.streams:
            stream.outbox.refresh(stream)

    def publish(self, delta: BookDelta) -> None:
        """Hand a delta to every subscriber."""
        if not self.streams and not self._snapshot:
            return
        event = self.owner.writer.delta(delta, self.owner.checksum() if self.with_checksum else -1)
        if self._snapshot:
            self._tail.append(event)
            self._tail_bytes += len(event)
            if self._tail_bytes > max(SMALLEST_TAIL_BYTES, len(self._snapshot)):
                self._forget()
        for stream in self.streams:
            stream.outbox.add_public(stream, event)

    def _forget(self) -> None:
        self._snapshot = b""
        self._tail = []
        self._tail_bytes = 0


class PublicBook:
    """One instrument's book, and those who subscribe to it."""

    def __init__(self, listing: Listing, writer: EventWriter) -> None:
        self.listing = listing
        self.writer = writer
        self.book = Book()
        self.sequence = 0
        self.is_synced = False
        self.gaps = 0
        self.venue_ns = 0
        self.plain = BookView(self, False)
        self.checked = BookView(self, True)

    def on_snapshot(self, message: BookSnapshot) -> None:
        """Become the book that the lane tells; a snapshot that says what is known changes nothing."""
        if self.is_synced and message.update_id == self.sequence:
            return
        self.book.replace(message.bid_prices, message.bid_sizes, message.ask_prices, message.ask_sizes)
        self.sequence = message.update_id
        self.venue_ns = message.venue_ns
        self.is_synced = True
        self.plain.refresh_all()
        self.checked.refresh_all()

    def on_delta(self, message: BookDelta) -> str:
        """Apply a delta, or tell why a snapshot is needed; empty where it is not."""
        if not self.is_synced:
            return ""
        if message.first_update_id != self.sequence + 1 or message.update_id < message.first_update_id:
            self.is_synced = False
            self.gaps += 1
            return f"gap: {self.sequence + 1} was due and {message.first_update_id} came"
        book = self.book
        for price, size in zip(message.bid_prices, message.bid_sizes, strict=True):
            book.set_level(BUY, price, size)
        for price, size in zip(message.ask_prices, message.ask_sizes, strict=True):
            book.set_level(SELL, price, size)
        self.sequence = message.update_id
        self.venue_ns = message.venue_ns
        self.plain.publish(message)
        self.checked.publish(message)
        return ""

    def checksum(self) -> int:
        """The checksum of the best levels as they are now."""
        bids, asks = self.book.bids, self.book.asks
        levels = CHECKSUM_LEVELS
        return checksum_of(
            levels_of(bids.prices(levels), bids.sizes(levels), self.listing),
            levels_of(asks.prices(levels), asks.sizes(levels), self.listing),
        )

    def encoded_snapshot(self) -> bytes:
        """The whole book as an event."""
        bid_prices, bid_sizes, ask_prices, ask_sizes = self.book.save()
        return encode(
            BookEvent(
                symbol=self.listing.symbol,
                sequence=self.sequence,
                bids=levels_of(bid_prices, bid_sizes, self.listing),
                asks=levels_of(ask_prices, ask_sizes, self.listing),
                checksum=self.checksum(),
                time_ns=self.venue_ns,
            )
        )


class PublicSide:
    """All public channels of one exchange."""

    def __init__(self, listings: Iterable[Listing], writer: EventWriter) -> None:
        self.writer = writer
        self.books: dict[int, PublicBook] = {}
        self.trades: dict[int, Feed] = {}
        self.tickers: dict[int, Feed] = {}
        self.status = Feed(keeps_last=True)
        self._statuses: dict[int, int] = {}
        self._by_symbol: dict[str, int] = {}
        for listing in listings:
            instrument_id = listing.instrument_id
            self.books[instrument_id] = PublicBook(listing, writer)
            self.trades[instrument_id] = Feed(keeps_last=False)
            self.tickers[instrument_id] = Feed(keeps_last=True)
            self._by_symbol[listing.symbol] = instrument_id

    def subscribe(self, channel: str, outbox: Outbox, with_checksum: bool) -> Stream:
        """Begin to hand a channel's events to an outbox; `Refused` where there is no such channel."""
        target = self._find(channel, with_checksum)
        stream = Stream(channel, outbox, target if isinstance(target, BookView) else None)
        target.add(stream)
        return stream

    def unsubscribe(self, stream: Stream) -> None:
        """Hand it nothing more, and forget what waits."""
        if isinstance(stream.source, BookView):
            stream.source.remove(stream)
        else:
            feed = self._find(stream.channel, False)
            feed.remove(stream)
        stream.outbox.remove(stream)

    def on_message(self, message: Message) -> str:
        """Take what the lane tells of an instrument that is traded here; gives why a snapshot is needed, if it is."""
        if isinstance(message, BookDelta):
            book = self.books.get(message.instrument_id)
            return "" if book is None else book.on_delta(message)
        if isinstance(message, PublicTrade):
            feed = self.trades.get(message.instrument_id)
            if feed is not None and feed.streams:
                feed.publish(message.instrument_id, self.writer.trade(message))
        elif isinstance(message, Ticker):
            feed = self.tickers.get(message.instrument_id)
            if feed is not None:
                feed.publish(message.instrument_id, self.writer.ticker(message))
        elif isinstance(message, BookSnapshot):
            book = self.books.get(message.instrument_id)
            if book is not None:
                book.on_snapshot(message)
        elif isinstance(message, InstrumentStatus) and message.instrument_id in self.books:
            self._on_status(message)
        return ""

    def _on_status(self, message: InstrumentStatus) -> None:
        """Tell a change; with every snapshot the lane tells what is known already."""
        if self._statuses.get(message.instrument_id) != message.status:
            self._statuses[message.instrument_id] = message.status
            self.status.publish(message.instrument_id, self.writer.status(message))

    def _find(self, channel: str, with_checksum: bool) -> Feed | BookView:
        if channel == STATUS_CHANNEL:
            return self.status
        kind, _, symbol = channel.partition(".")
        instrument_id = self._by_symbol.get(symbol, 0)
        if instrument_id and kind == "book":
            book = self.books[instrument_id]
            return book.checked if with_checksum else book.plain
        if instrument_id and kind == "trades":
            return self.trades[instrument_id]
        if instrument_id and kind == "ticker":
            return self.tickers[instrument_id]
        raise Refused(
            "unknown_channel",
            f"there is no channel {channel[:80]!r}: use book.SYMBOL, trades.SYMBOL, ticker.SYMBOL with a symbol "
            "of the request instruments, or status",
        )
