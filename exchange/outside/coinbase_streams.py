"""The channels of Coinbase's Advanced Trade: what each publishes, when, and to whom.

What is batched goes out by the clock: changes of books and tickers in short beats, trades in longer ones. Events are
built once, however many clients have the channel, and not at all where nobody has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from exchange.outside.books import Market
from exchange.outside.coinbase_frames import (
    LEVEL2_DATA,
    Product,
    Told,
    book_event,
    heartbeat_event,
    status_event,
    ticker_event,
    trades_event,
)
from exchange.outside.coinbase_params import CoinbaseParams
from exchange.outside.figures import SECOND_NS
from market.messages import BookDelta, PublicTrade

BEAT_MS: Final = 50
SNAPSHOT_TRADES: Final = 100
HEARTBEAT_MS: Final = 1_000
BATCH_MS: Final = 5_000

LEVEL2: Final = "level2"
MARKET_TRADES: Final = "market_trades"
TICKER: Final = "ticker"
TICKER_BATCH: Final = "ticker_batch"
HEARTBEATS: Final = "heartbeats"
STATUS: Final = "status"
OF_PRODUCTS: Final = (LEVEL2, MARKET_TRADES, TICKER, TICKER_BATCH)
CHANNELS: Final = (*OF_PRODUCTS, HEARTBEATS, STATUS)


class Member(Protocol):
    """A client of a channel."""

    def tell(self, told: Told) -> None:
        """Take a frame, which gets the connection's number."""

    def beat(self) -> None:
        """A beat of the clock has passed."""


class Stream:
    """A channel of one product."""

    def __init__(self, product: Product, now_ns: Callable[[], int], period_ms: int) -> None:
        self.product = product
        self.members: dict[Member, None] = {}
        self.period_ms = period_ms
        """How often `flush` is due."""
        self._now_ns = now_ns

    def publish(self, channel: str, event: object) -> None:
        """Send an event to every client."""
        told = Told(channel, event, self._now_ns())
        for member in list(self.members):
            member.tell(told)

    def snapshot(self) -> Told | None:
        """What a new client gets first; None where there is nothing to tell yet."""
        return None

    def on_book(self) -> None:
        """The book has begun again."""

    def on_delta(self, delta: BookDelta) -> None:
        """The book has changed."""

    def on_trade(self, trade: PublicTrade) -> None:
        """A trade."""

    def flush(self) -> None:
        """A period is over."""


class BookStream(Stream):
    """The whole book and what changes in it, each price once a period."""

    def __init__(self, product: Product, now_ns: Callable[[], int], period_ms: int) -> None:
        super().__init__(product, now_ns, period_ms)
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def snapshot(self) -> Told | None:
        """The whole book; one that is being recovered comes later."""
        return self._whole() if self.product.market.is_synced else None

    def on_book(self) -> None:
        """Everybody gets the book anew."""
        self._bids.clear()
        self._asks.clear()
        told = self._whole()
        for member in list(self.members):
            member.tell(told)

    def on_delta(self, delta: BookDelta) -> None:
        """Put a change to those that wait."""
        self._bids.update(zip(delta.bid_prices, delta.bid_sizes, strict=True))
        self._asks.update(zip(delta.ask_prices, delta.ask_sizes, strict=True))

    def flush(self) -> None:
        """Tell what has changed."""
        if (self._bids or self._asks) and self.product.market.is_synced:
            bids, asks = sorted(self._bids.items(), reverse=True), sorted(self._asks.items())
            self._bids.clear()
            self._asks.clear()
            self.publish(LEVEL2_DATA, book_event("update", self.product, bids, asks))

    def _whole(self) -> Told:
        market = self.product.market
        bids, asks = market.bid_levels(market.book.bids.count), market.ask_levels(market.book.asks.count)
        return Told(LEVEL2_DATA, book_event("snapshot", self.product, bids, asks), self._now_ns())


class TradeStream(Stream):
    """Every trade, a period's trades together."""

    def __init__(self, product: Product, now_ns: Callable[[], int], period_ms: int) -> None:
        super().__init__(product, now_ns, period_ms)
        self._waiting: list[PublicTrade] = []

    def snapshot(self) -> Told | None:
        """The last trades."""
        trades = list(self.product.market.trades)[-SNAPSHOT_TRADES:]
        return Told(MARKET_TRADES, trades_event("snapshot", self.product, trades), self._now_ns())

    def on_trade(self, trade: PublicTrade) -> None:
        """Put it to those that wait."""
        self._waiting.append(trade)

    def flush(self) -> None:
        """Tell them."""
        if self._waiting:
            self.publish(MARKET_TRADES, trades_event("update", self.product, self._waiting))
            self._waiting.clear()


class TickerStream(Stream):
    """The ticker, once a period in which there was a trade or the best bid or ask has changed."""

    def __init__(self, product: Product, now_ns: Callable[[], int], period_ms: int, has_quotes: bool) -> None:
        super().__init__(product, now_ns, period_ms)
        self._has_quotes = has_quotes
        self._channel = TICKER if has_quotes else TICKER_BATCH
        self._is_due = False
        self._told = self._top()

    def snapshot(self) -> Told | None:
        """The ticker as it is."""
        event = ticker_event("snapshot", self.product, self._now_ns(), self._has_quotes)
        return Told(self._channel, event, self._now_ns())

    def on_trade(self, trade: PublicTrade) -> None:
        """The figures have changed."""
        self._is_due = True

    def flush(self) -> None:
        """Tell it where it has changed."""
        top = self._top()
        if self._is_due or top != self._told:
            self._is_due = False
            self._told = top
            self.publish(self._channel, ticker_event("update", self.product, self._now_ns(), self._has_quotes))

    def _top(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        market = self.product.market
        return (market.best_bid(), market.best_ask()) if self._has_quotes else None


Name = tuple[str, str]
"""A channel and a product."""


class Streams:
    """All channels that somebody has; it is the gateway's hub."""

    def __init__(self, params: CoinbaseParams, now_ns: Callable[[], int]) -> None:
        self.products: dict[str, Product] = {}
        self.heartbeat_members: dict[Member, None] = {}
        self.status_members: dict[Member, None] = {}
        self.clients: dict[Member, None] = {}
        self._params = params
        self._now_ns = now_ns
        self._begun_ns = now_ns()
        self._by_market: dict[int, Product] = {}
        self._streams: dict[Name, Stream] = {}
        self._of_market: dict[int, dict[Stream, None]] = {}
        self._beats = 0

    def begin(self, markets: Sequence[Market]) -> None:
        """Know the markets by the venue's names."""
        self.products = {product.name: product for product in map(Product, markets)}
        self._of_market = {market.instrument_id: {} for market in markets}
        self._by_market = {product.market.instrument_id: product for product in self.products.values()}

    def join(self, name: Name, member: Member) -> Stream:
        """Give a client a channel of a product."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = self._make(name)
            self._of_market[stream.product.market.instrument_id][stream] = None
        # What waits for the others is in the snapshot of the new one already.
        stream.flush()
        stream.members[member] = None
        return stream

    def part(self, name: Name, member: Member) -> None:
        """Take it from a client."""
        stream = self._streams[name]
        stream.members.pop(member, None)
        if not stream.members:
            del self._streams[name]
            del self._of_market[stream.product.market.instrument_id][stream]

    def _make(self, name: Name) -> Stream:
        channel, product_id = name
        product, now_ns, params = self.products[product_id], self._now_ns, self._params
        if channel == LEVEL2:
            return BookStream(product, now_ns, params.level2_ms)
        if channel == MARKET_TRADES:
            return TradeStream(product, now_ns, params.trades_ms)
        if channel == TICKER:
            return TickerStream(product, now_ns, params.level2_ms, True)
        return TickerStream(product, now_ns, BATCH_MS, False)

    # ---- what happens in the markets

    def on_book(self, market: Market) -> None:
        """A book has begun, or begun again."""
        for stream in self._of_market[market.instrument_id]:
            stream.on_book()

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """A book has changed."""
        for stream in self._of_market[market.instrument_id]:
            stream.on_delta(delta)

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        """A trade."""
        for stream in self._of_market[market.instrument_id]:
            stream.on_trade(trade)

    def on_ticker(self, market: Market) -> None:
        """The figures of the last 24 hours are told with the next ticker."""

    def on_status(self, market: Market) -> None:
        """A market trades in another way: those who have `status` hear of it."""
        told = Told(STATUS, status_event("update", [self._by_market[market.instrument_id]]), self._now_ns())
        for member in list(self.status_members):
            member.tell(told)

    def status(self) -> Told:
        """All products."""
        return Told(STATUS, status_event("snapshot", self.products.values()), self._now_ns())

    def at_end(self) -> None:
        """Everything goes out by the clock."""

    def beat(self) -> None:
        """`BEAT_MS` have passed."""
        self._beats += 1
        for streams in self._of_market.values():
            for stream in streams:
                if self._is_due(stream.period_ms):
                    stream.flush()
        if self._is_due(HEARTBEAT_MS) and self.heartbeat_members:
            now_ns = self._now_ns()
            told = Told(HEARTBEATS, heartbeat_event(now_ns, (now_ns - self._begun_ns) // SECOND_NS), now_ns)
            for member in list(self.heartbeat_members):
                member.tell(told)
        for member in list(self.clients):
            member.beat()

    def _is_due(self, period_ms: int) -> bool:
        return self._beats % max(period_ms // BEAT_MS, 1) == 0
