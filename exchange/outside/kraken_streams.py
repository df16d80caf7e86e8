"""The channels of Kraken's WebSocket v2: what each publishes, when, and to whom.

A frame is built once, however many clients have the channel, and not at all where nobody has. What the lane told at
once becomes one frame of each channel. A book of a depth is told as a client must keep it: what falls out of the depth
is not told, what comes into it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from exchange.outside.books import Market
from exchange.outside.kraken_frames import book_frame, instrument_frame, ticker_frame, trade_frame
from exchange.outside.kraken_names import Pair, pairs_by_symbol
from exchange.outside.sockets import text_frame
from market.ladder import MOST_PRICE
from market.messages import BookDelta, PublicTrade

BEAT_MS: Final = 100
DEPTHS: Final = (10, 25, 100, 500, 1000)
SNAPSHOT_TRADES: Final = 50
TRADES: Final = "trades"
BEST_BID_AND_ASK: Final = "bbo"
TRIGGERS: Final = (TRADES, BEST_BID_AND_ASK)


class Member(Protocol):
    """A client of a channel."""

    def send(self, frame: bytes) -> None:
        """Take a whole WebSocket frame."""

    def beat(self) -> None:
        """A beat of the clock has passed."""


class Stream:
    """A channel of one pair, with its settings; this one never publishes anything of its own."""

    def __init__(self, pair: Pair, now_ns: Callable[[], int]) -> None:
        self.pair = pair
        self.members: dict[Member, None] = {}
        self._now_ns = now_ns

    def publish(self, payload: bytes) -> None:
        """Send a payload to every client."""
        frame = text_frame(payload)
        for member in list(self.members):
            member.send(frame)

    def snapshot(self) -> bytes | None:
        """What a new client gets first; None where there is nothing to tell yet."""
        return None

    def on_book(self) -> None:
        """The book has begun again."""

    def on_delta(self, delta: BookDelta) -> None:
        """The book has changed."""

    def on_trade(self, trade: PublicTrade) -> None:
        """A trade."""

    def at_end(self) -> None:
        """No more comes of what the lane told at once."""


class BookStream(Stream):
    """A book of a depth."""

    def __init__(self, pair: Pair, now_ns: Callable[[], int], depth: int) -> None:
        super().__init__(pair, now_ns)
        self._depth = depth
        self._is_touched = False
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._lowest_bid = 0
        self._highest_ask = MOST_PRICE
        self._look()

    def snapshot(self) -> bytes | None:
        """The book as the clients have it; one that is being recovered comes later."""
        if not self.pair.market.is_synced:
            return None
        return book_frame("snapshot", self.pair, self._bids.items(), self._asks.items())

    def on_book(self) -> None:
        """Everybody gets the book anew."""
        self._look()
        self.publish(book_frame("snapshot", self.pair, self._bids.items(), self._asks.items()))

    def on_delta(self, delta: BookDelta) -> None:
        """Note whether the change lies within the depth."""
        self._is_touched = (
            self._is_touched
            or any(price >= self._lowest_bid for price in delta.bid_prices)
            or any(price <= self._highest_ask for price in delta.ask_prices)
        )

    def at_end(self) -> None:
        """Tell what has changed: first what is gone, but for what a client drops of itself, then what is there."""
        if not self._is_touched or not self.pair.market.is_synced:
            return
        bids_before, asks_before = self._bids, self._asks
        self._look()
        bids = [(price, 0) for price in bids_before if price not in self._bids and price > self._lowest_bid]
        asks = [(price, 0) for price in asks_before if price not in self._asks and price < self._highest_ask]
        bids += [(price, size) for price, size in self._bids.items() if bids_before.get(price) != size]
        asks += [(price, size) for price, size in self._asks.items() if asks_before.get(price) != size]
        if bids or asks:
            self.publish(book_frame("update", self.pair, bids, asks))

    def _look(self) -> None:
        """See the book as it is now, down to the depth."""
        self._is_touched = False
        market, depth = self.pair.market, self._depth
        bids, asks = market.bid_levels(depth), market.ask_levels(depth)
        self._bids, self._asks = dict(bids), dict(asks)
        # Where there are fewer levels than the depth, every price lies within it.
        self._lowest_bid = bids[-1][0] if len(bids) == depth else 0
        self._highest_ask = asks[-1][0] if len(asks) == depth else MOST_PRICE


class TradeStream(Stream):
    """Every trade."""

    def __init__(self, pair: Pair, now_ns: Callable[[], int]) -> None:
        super().__init__(pair, now_ns)
        self._waiting: list[PublicTrade] = []

    def snapshot(self) -> bytes | None:
        """The last trades."""
        return trade_frame("snapshot", self.pair, list(self.pair.market.trades)[-SNAPSHOT_TRADES:])

    def on_trade(self, trade: PublicTrade) -> None:
        """Put it to those that came at once."""
        self._waiting.append(trade)

    def at_end(self) -> None:
        """Tell them."""
        if self._waiting:
            self.publish(trade_frame("update", self.pair, self._waiting))
            self._waiting.clear()


class TickerStream(Stream):
    """The ticker, with every trade or with every change of the best bid and ask."""

    def __init__(self, pair: Pair, now_ns: Callable[[], int], trigger: str) -> None:
        super().__init__(pair, now_ns)
        self._is_by_trades = trigger == TRADES
        self._is_due = False
        self._told = self._top()

    def snapshot(self) -> bytes | None:
        """The ticker as it is."""
        return ticker_frame("snapshot", self.pair, self._now_ns())

    def on_trade(self, trade: PublicTrade) -> None:
        """The figures have changed."""
        self._is_due = self._is_by_trades

    def at_end(self) -> None:
        """Tell it where it is due."""
        top = self._top()
        if self._is_due or (not self._is_by_trades and top != self._told):
            self._is_due = False
            self._told = top
            self.publish(ticker_frame("update", self.pair, self._now_ns()))

    def _top(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self.pair.market.best_bid(), self.pair.market.best_ask()


Name = tuple[str, str, int | str | None]
"""A channel, a symbol, and the depth of a book or the trigger of a ticker."""


class Streams:
    """All channels that somebody has; it is the gateway's hub."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.pairs: dict[str, Pair] = {}
        self.assets: list[str] = []
        # Those that have the channel `instrument`.
        self.followers: dict[Member, None] = {}
        self.clients: dict[Member, None] = {}
        self._now_ns = now_ns
        self._by_market: dict[int, Pair] = {}
        self._streams: dict[Name, Stream] = {}
        self._of_market: dict[int, dict[Stream, None]] = {}

    def __contains__(self, name: Name) -> bool:
        return name in self._streams

    def begin(self, markets: list[Market]) -> None:
        """Know the markets by the venue's names."""
        self.pairs = pairs_by_symbol(markets)
        self._by_market = {pair.market.instrument_id: pair for pair in self.pairs.values()}
        self._of_market = {market.instrument_id: {} for market in markets}
        self.assets = sorted({asset for pair in self.pairs.values() for asset in (pair.base, pair.quote)})

    def join(self, name: Name, member: Member) -> Stream:
        """Give a client a channel."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = self._make(name)
            self._of_market[stream.pair.market.instrument_id][stream] = None
        stream.members[member] = None
        return stream

    def part(self, name: Name, member: Member) -> None:
        """Take it from a client."""
        stream = self._streams[name]
        stream.members.pop(member, None)
        if not stream.members:
            del self._streams[name]
            del self._of_market[stream.pair.market.instrument_id][stream]

    def _make(self, name: Name) -> Stream:
        channel, symbol, option = name
        pair = self.pairs[symbol]
        if channel == "book":
            assert isinstance(option, int)
            return BookStream(pair, self._now_ns, option)
        if channel == "ticker":
            return TickerStream(pair, self._now_ns, str(option))
        return TradeStream(pair, self._now_ns)

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
        """A market trades in another way: those who have `instrument` hear of it."""
        pair = self._by_market[market.instrument_id]
        frame = text_frame(instrument_frame("update", [pair], [pair.base, pair.quote]))
        for member in list(self.followers):
            member.send(frame)

    def at_end(self) -> None:
        """The end of what the lane told at once."""
        for streams in self._of_market.values():
            for stream in streams:
                stream.at_end()

    def beat(self) -> None:
        """`BEAT_MS` have passed."""
        for member in list(self.clients):
            member.beat()
