"""What an outside gateway knows of the markets: books in sequence, the last trades, tickers, how each market trades.

Books are kept from the lane's snapshot and deltas, with a check that none is missing; after a gap a snapshot is asked
for. Whoever writes a venue's frames is told through `MarketListener`, in the order in which the lane told it. It
knows no venue and no client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import trio

from exchange.protocol import Listing
from exchange.protocol_events import listing_of
from market.book import Book
from market.instruments import Instrument
from market.messages import (
    BUY,
    SELL,
    STATUS_TRADING,
    BookDelta,
    BookSnapshot,
    InstrumentStatus,
    Message,
    PublicTrade,
    SnapshotWanted,
    Ticker,
)
from market.numbers import format_decimal

SNAPSHOT_RETRY_SECONDS: Final = 1.0
# So many questions for a book without an answer are told, and not again for this long.
UNANSWERED_ROUNDS: Final = 3
WARNING_PAUSE_SECONDS: Final = 60.0

PUBLIC_MESSAGES: Final[tuple[type[Message], ...]] = (BookDelta, BookSnapshot, PublicTrade, Ticker, InstrumentStatus)
"""What `MarketSide.on_message` takes: a gateway lists these in its TAKES, and `SnapshotWanted` in its GIVES."""


class Market:
    """One instrument. Prices and sizes are scaled integers; `update_id` is that of the last change."""

    def __init__(self, instrument: Instrument, trades_kept: int) -> None:
        self.instrument = instrument
        self.listing: Listing = listing_of(instrument)
        self.symbol: str = instrument.venue_symbol
        self.book = Book()
        self.update_id = 0
        self.is_synced = False
        self.gaps = 0
        self.venue_ns = 0
        self.trades: deque[PublicTrade] = deque(maxlen=trades_kept)
        self.ticker: Ticker | None = None
        self.status = STATUS_TRADING

    @property
    def instrument_id(self) -> int:
        """The instrument's number."""
        return self.instrument.instrument_id

    def price_text(self, price: int) -> str:
        """A price with all its decimal places."""
        return format_decimal(price, self.instrument.price_scale)

    def size_text(self, size: int) -> str:
        """A size with all its decimal places."""
        return format_decimal(size, self.instrument.size_scale)

    def best_bid(self) -> tuple[int, int]:
        """Price and size of the best bid; zeros where there is none."""
        bids = self.book.bids
        return (bids.best_price, bids.best_size) if bids.count else (0, 0)

    def best_ask(self) -> tuple[int, int]:
        """Price and size of the best ask; zeros where there is none."""
        asks = self.book.asks
        return (asks.best_price, asks.best_size) if asks.count else (0, 0)

    def bid_levels(self, levels: int) -> list[tuple[int, int]]:
        """The best bids, from the touch outward."""
        bids = self.book.bids
        return list(zip(bids.prices(levels), bids.sizes(levels), strict=True))

    def ask_levels(self, levels: int) -> list[tuple[int, int]]:
        """The best asks, from the touch outward."""
        asks = self.book.asks
        return list(zip(asks.prices(levels), asks.sizes(levels), strict=True))


class MarketListener(Protocol):
    """What a gateway makes of what happens in the markets. Every book is synced when it is told of."""

    def on_book(self, market: Market) -> None:
        """The book has begun, or begun again after a gap: what was known of it before is out of date."""

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """The book has changed; it has the change already."""

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        """A trade; it is the last of `market.trades`."""

    def on_ticker(self, market: Market) -> None:
        """The figures of the last 24 hours have changed."""

    def on_status(self, market: Market) -> None:
        """The market trades in another way than before."""


class MarketSide:
    """All markets of one exchange; `ask` sends to the lane, `warn` tells that the exchange does not answer."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        exchange_id: int,
        trades_kept: int,
        listener: MarketListener,
        ask: Callable[[list[Message]], None],
        warn: Callable[[list[str]], None],
    ) -> None:
        self.markets: dict[int, Market] = {one.instrument_id: Market(one, trades_kept) for one in instruments}
        self.by_symbol: dict[str, Market] = {market.symbol: market for market in self.markets.values()}
        self._exchange_id = exchange_id
        self._listener = listener
        self._ask = ask
        self._warn = warn

    def on_message(self, message: Message) -> None:
        """Take what the lane tells; what concerns other instruments, or is of another kind, is passed over."""
        market = self.markets.get(message.route_key())
        if market is None:
            return
        if isinstance(message, BookDelta):
            self._on_delta(market, message)
        elif isinstance(message, PublicTrade):
            market.trades.append(message)
            self._listener.on_trade(market, message)
        elif isinstance(message, Ticker):
            market.ticker = message
            self._listener.on_ticker(market)
        elif isinstance(message, BookSnapshot):
            self._on_snapshot(market, message)
        elif isinstance(message, InstrumentStatus) and message.status != market.status:
            market.status = message.status
            self._listener.on_status(market)

    async def keep_books(self) -> None:
        """Ask for the books at the start, and again for those that have not come."""
        cause = "the gateway has started"
        rounds = 0
        quiet_until = trio.current_time()
        while True:
            missing = [market for market in self.markets.values() if not market.is_synced]
            for market in missing:
                self._want(market, cause)
            rounds = rounds + 1 if missing else 0
            if rounds > UNANSWERED_ROUNDS and trio.current_time() >= quiet_until:
                quiet_until = trio.current_time() + WARNING_PAUSE_SECONDS
                self._warn([market.symbol for market in missing])
            cause = "no snapshot has come"
            await trio.sleep(SNAPSHOT_RETRY_SECONDS)

    def _want(self, market: Market, cause: str) -> None:
        self._ask([SnapshotWanted(self._exchange_id, market.instrument_id, cause)])

    def _on_snapshot(self, market: Market, message: BookSnapshot) -> None:
        """Become the book that the lane tells; one that says what is known changes nothing."""
        if market.is_synced and message.update_id == market.update_id:
            return
        market.book.replace(message.bid_prices, message.bid_sizes, message.ask_prices, message.ask_sizes)
        market.update_id = message.update_id
        market.venue_ns = message.venue_ns
        market.is_synced = True
        self._listener.on_book(market)

    def _on_delta(self, market: Market, message: BookDelta) -> None:
        if not market.is_synced:
            return
        if message.first_update_id != market.update_id + 1 or message.update_id < message.first_update_id:
            market.is_synced = False
            market.gaps += 1
            self._want(market, f"gap: {market.update_id + 1} was due and {message.first_update_id} came")
            return
        book = market.book
        for price, size in zip(message.bid_prices, message.bid_sizes, strict=True):
            book.set_level(BUY, price, size)
        for price, size in zip(message.ask_prices, message.ask_sizes, strict=True):
            book.set_level(SELL, price, size)
        market.update_id = message.update_id
        market.venue_ns = message.venue_ns
        self._listener.on_delta(market, message)
