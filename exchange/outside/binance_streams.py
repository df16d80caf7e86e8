"""The streams of Binance's spot protocol: what each publishes, when, and to whom.

A frame is built once, however many clients have the stream, and not at all where nobody has. What is batched goes out
by the clock; everything else at once. A stream begins with its first client and ends with its last. Unknown names
are streams too: nothing is ever published there, as at the venue.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from exchange.outside.binance_frames import (
    Aggregate,
    Day,
    aggregate_frame,
    depth_update,
    milliseconds,
    picture,
    top_frame,
    trade_frame,
)
from exchange.outside.books import Market
from exchange.outside.sockets import text_frame
from market.messages import BookDelta, PublicTrade

FAST_MS: Final = 100
SLOW_MS: Final = 1_000

_PARTIAL: Final = re.compile(r"depth(5|10|20)(@100ms|@1000ms)?")


class Member(Protocol):
    """A client of a stream."""

    is_combined: bool

    def send(self, frame: bytes) -> None:
        """Take a whole WebSocket frame."""


class Stream:
    """A stream by name; this one never publishes anything of its own."""

    period_ms = 0
    """How often `flush` is due; 0 never."""

    def __init__(self, name: str, market: Market | None, now_ns: Callable[[], int]) -> None:
        self.name = name
        self.market = market
        self.members: dict[Member, None] = {}
        self._now_ns = now_ns
        self._head = b'{"stream":"' + name.encode() + b'","data":'

    def publish(self, payload: bytes) -> None:
        """Send a payload to every client, as it is or in its wrapper."""
        raw = combined = b""
        for member in list(self.members):
            if member.is_combined:
                combined = combined or text_frame(self._head + payload + b"}")
                member.send(combined)
            else:
                raw = raw or text_frame(payload)
                member.send(raw)

    def on_book(self, market: Market) -> None:
        """The book has begun again."""

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """The book has changed."""

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        """A trade."""

    def on_ticker(self, market: Market) -> None:
        """The figures of the last 24 hours have changed."""

    def at_end(self, market: Market) -> None:
        """No more comes of what the lane told at once."""

    def flush(self, market: Market) -> None:
        """A period is over."""


class DepthStream(Stream):
    """Changes of the book, put together for a period; their ids follow one another without a gap."""

    def __init__(self, name: str, market: Market, now_ns: Callable[[], int], period_ms: int) -> None:
        super().__init__(name, market, now_ns)
        self.period_ms = period_ms
        self._first = 0
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def on_book(self, market: Market) -> None:
        """What was being put together is of a book that is gone; the client sees the gap."""
        self._clear()

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """Put a change to those that wait."""
        self._first = self._first or delta.first_update_id
        self._bids.update(zip(delta.bid_prices, delta.bid_sizes, strict=True))
        self._asks.update(zip(delta.ask_prices, delta.ask_sizes, strict=True))

    def flush(self, market: Market) -> None:
        """Send what has changed."""
        if self._first:
            self.publish(
                depth_update(market, self._first, market.update_id, self._bids, self._asks, self._now_ns())
            )
            self._clear()

    def _clear(self) -> None:
        self._first = 0
        self._bids.clear()
        self._asks.clear()


class PictureStream(Stream):
    """The best levels, whole, once a period in which the book has changed; the first one comes in any case."""

    def __init__(self, name: str, market: Market, now_ns: Callable[[], int], period_ms: int, levels: int) -> None:
        super().__init__(name, market, now_ns)
        self.period_ms = period_ms
        self._levels = levels
        self._is_due = True

    def on_book(self, market: Market) -> None:
        """Another book."""
        self._is_due = True

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """The book has changed."""
        self._is_due = True

    def flush(self, market: Market) -> None:
        """Send the picture."""
        if self._is_due and market.is_synced:
            self._is_due = False
            self.publish(picture(market, self._levels))


class TradeStream(Stream):
    """Every trade at once."""

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        """Send it."""
        self.publish(trade_frame(market, trade, self._now_ns()))


class AggregateStream(Stream):
    """Trades of one incoming order at one price as one."""

    def __init__(self, name: str, market: Market, now_ns: Callable[[], int]) -> None:
        super().__init__(name, market, now_ns)
        self._current: Aggregate | None = None

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        """Put it to the one before, or send that."""
        if self._current is None or not self._current.take(trade):
            self.at_end(market)
            self._current = Aggregate(trade)

    def at_end(self, market: Market) -> None:
        """Send what has been put together."""
        if self._current is not None:
            self.publish(aggregate_frame(market, self._current, self._now_ns()))
            self._current = None


class TopStream(Stream):
    """The best bid and ask, whenever one of them has changed."""

    def __init__(self, name: str, market: Market, now_ns: Callable[[], int]) -> None:
        super().__init__(name, market, now_ns)
        self._told = (market.best_bid(), market.best_ask())

    def on_book(self, market: Market) -> None:
        """Look again."""
        self._look(market)

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """Look again."""
        self._look(market)

    def _look(self, market: Market) -> None:
        now = (market.best_bid(), market.best_ask())
        if now != self._told:
            self._told = now
            self.publish(top_frame(market))


class DayStream(Stream):
    """The figures of the last 24 hours, once a second in which they, or the touch, may have changed."""

    period_ms = SLOW_MS

    def __init__(self, name: str, market: Market, now_ns: Callable[[], int]) -> None:
        super().__init__(name, market, now_ns)
        self._is_due = True

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """The touch may have changed."""
        self._is_due = True

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        """The figures have changed."""
        self._is_due = True

    def on_ticker(self, market: Market) -> None:
        """The figures have changed."""
        self._is_due = True

    def flush(self, market: Market) -> None:
        """Send them."""
        if self._is_due:
            self._is_due = False
            self.publish(self.payload(Day(market, self._now_ns())))

    def payload(self, day: Day) -> bytes:
        """The figures as this stream writes them."""
        return day.frame()


class ShortDayStream(DayStream):
    """The same in short."""

    def payload(self, day: Day) -> bytes:
        """In short."""
        return day.short_frame()


class Streams:
    """All streams that somebody has; it is the gateway's `MarketListener`."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.markets: dict[str, Market] = {}
        # Streams that are there without a client: those of users, by their listenKey.
        self.private: dict[str, Stream] = {}
        self._now_ns = now_ns
        self._streams: dict[str, Stream] = {}
        self._by_market: dict[int, dict[Stream, None]] = {}
        self._beats = 0

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, name: str) -> bool:
        return name in self._streams

    def begin(self, markets: dict[str, Market]) -> None:
        """Know the markets by the symbols that stand in names of streams."""
        self.markets = {symbol.lower(): market for symbol, market in markets.items()}
        self._by_market = {market.instrument_id: {} for market in markets.values()}

    def join(self, name: str, member: Member) -> None:
        """Give a client a stream."""
        stream = self.private.get(name) or self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = self._make(name)
            if stream.market is not None:
                self._by_market[stream.market.instrument_id][stream] = None
        stream.members[member] = None

    def part(self, name: str, member: Member) -> None:
        """Take it from a client."""
        if name in self.private:
            self.private[name].members.pop(member, None)
        stream = self._streams.get(name)
        if stream is None:
            return
        stream.members.pop(member, None)
        if not stream.members:
            del self._streams[name]
            if stream.market is not None:
                del self._by_market[stream.market.instrument_id][stream]

    def _make(self, name: str) -> Stream:
        symbol, _, kind = name.partition("@")
        market = self.markets.get(symbol)
        if market is None:
            return Stream(name, None, self._now_ns)
        now_ns = self._now_ns
        partial = _PARTIAL.fullmatch(kind)
        if partial is not None:
            period_ms = FAST_MS if partial[2] == "@100ms" else SLOW_MS
            return PictureStream(name, market, now_ns, period_ms, int(partial[1]))
        if kind == "depth@100ms":
            return DepthStream(name, market, now_ns, FAST_MS)
        if kind in ("depth", "depth@1000ms"):
            return DepthStream(name, market, now_ns, SLOW_MS)
        plain: dict[str, type[TradeStream | AggregateStream | TopStream | DayStream]] = {
            "trade": TradeStream, "aggTrade": AggregateStream, "bookTicker": TopStream, "ticker": DayStream,
            "miniTicker": ShortDayStream,
        }  # fmt: skip
        made = plain.get(kind)
        return Stream(name, None, now_ns) if made is None else made(name, market, now_ns)

    # ---- what happens in the markets

    def on_book(self, market: Market) -> None:
        """A book has begun, or begun again."""
        for stream in self._by_market[market.instrument_id]:
            stream.on_book(market)

    def on_delta(self, market: Market, delta: BookDelta) -> None:
        """A book has changed."""
        for stream in self._by_market[market.instrument_id]:
            stream.on_delta(market, delta)

    def on_trade(self, market: Market, trade: PublicTrade) -> None:
        """A trade."""
        for stream in self._by_market[market.instrument_id]:
            stream.on_trade(market, trade)

    def on_ticker(self, market: Market) -> None:
        """The figures of the last 24 hours have changed."""
        for stream in self._by_market[market.instrument_id]:
            stream.on_ticker(market)

    def on_status(self, market: Market) -> None:
        """How a market trades stands in `exchangeInfo` alone."""

    def at_end(self) -> None:
        """The end of what the lane told at once."""
        for market in self.markets.values():
            for stream in self._by_market[market.instrument_id]:
                stream.at_end(market)

    def beat(self) -> None:
        """`FAST_MS` have passed."""
        self._beats += 1
        is_slow = self._beats % (SLOW_MS // FAST_MS) == 0
        for market in self.markets.values():
            for stream in self._by_market[market.instrument_id]:
                if stream.period_ms == FAST_MS or (is_slow and stream.period_ms == SLOW_MS):
                    stream.flush(market)


def shutdown_payload(now_ns: int, is_combined: bool) -> bytes:
    """What a client hears when the server ends."""
    event = b'{"e":"serverShutdown","E":' + str(milliseconds(now_ns)).encode() + b"}"
    return b'{"stream":"!serverShutdown","data":' + event + b"}" if is_combined else event
