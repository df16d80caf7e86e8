"""Market data as Binance's spot streams write it: the forms of the frames, with their keys in the venue's order.

Numbers of prices and sizes are text with at least eight decimal places, times are milliseconds. Written from the
venue's documentation; a test holds every form against the example messages. It knows no socket and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from exchange.outside.books import Market
from market.messages import SELL, PublicTrade
from market.numbers import format_decimal_short

PLACES: Final = 8
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
DAY_MS: Final = 86_400_000

Level = tuple[str, str]

encode: Final = msgspec.json.Encoder().encode


def padded(value: int, scale: int) -> str:
    """A scaled integer with eight decimal places, or as many more as it takes to be exact."""
    whole, _, fraction = format_decimal_short(value, scale).partition(".")
    return f"{whole}.{fraction.ljust(PLACES, '0')}"


def milliseconds(time_ns: int) -> int:
    """A time as the venue tells it."""
    return time_ns // NANOSECONDS_PER_MILLISECOND


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A frame; the order of its fields is the order of its keys."""


class DepthUpdate(
    Frame, frozen=True, kw_only=True,
    rename={"event": "e", "event_ms": "E", "symbol": "s", "first": "U", "last": "u", "bids": "b", "asks": "a"},
):  # fmt: skip
    """Levels that have another size now."""

    event: str = "depthUpdate"
    event_ms: int
    symbol: str
    first: int
    last: int
    bids: list[Level]
    asks: list[Level]


class DepthPicture(Frame, frozen=True, kw_only=True, rename={"last": "lastUpdateId"}):
    """The best levels, or all of them: of the stream and of the request alike."""

    last: int
    bids: list[Level]
    asks: list[Level]


class TradeFrame(
    Frame, frozen=True, kw_only=True,
    rename={"event": "e", "event_ms": "E", "symbol": "s", "trade_id": "t", "price": "p", "quantity": "q",
            "trade_ms": "T", "buyer_made": "m", "ignored": "M"},
):  # fmt: skip
    """A trade; `buyer_made` says that the buyer was the maker."""

    event: str = "trade"
    event_ms: int
    symbol: str
    trade_id: int
    price: str
    quantity: str
    trade_ms: int
    buyer_made: bool
    ignored: bool = True


class AggregateFrame(
    Frame, frozen=True, kw_only=True,
    rename={"event": "e", "event_ms": "E", "symbol": "s", "aggregate_id": "a", "price": "p", "quantity": "q",
            "first": "f", "last": "l", "trade_ms": "T", "buyer_made": "m", "ignored": "M"},
):  # fmt: skip
    """Trades of one incoming order at one price."""

    event: str = "aggTrade"
    event_ms: int
    symbol: str
    aggregate_id: int
    price: str
    quantity: str
    first: int
    last: int
    trade_ms: int
    buyer_made: bool
    ignored: bool = True


class TopFrame(
    Frame, frozen=True, kw_only=True,
    rename={"last": "u", "symbol": "s", "bid": "b", "bid_quantity": "B", "ask": "a", "ask_quantity": "A"},
):  # fmt: skip
    """The best bid and ask: no event name and no time."""

    last: int
    symbol: str
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str


class TickerFrame(
    Frame, frozen=True, kw_only=True,
    rename={"event": "e", "event_ms": "E", "symbol": "s", "change": "p", "change_percent": "P", "average": "w",
            "before": "x", "last_price": "c", "last_quantity": "Q", "bid": "b", "bid_quantity": "B", "ask": "a",
            "ask_quantity": "A", "open_price": "o", "high": "h", "low": "l", "volume": "v", "quote_volume": "q",
            "open_ms": "O", "close_ms": "C", "first": "F", "last": "L", "count": "n"},
):  # fmt: skip
    """The last 24 hours."""

    event: str = "24hrTicker"
    event_ms: int
    symbol: str
    change: str
    change_percent: str
    average: str
    before: str
    last_price: str
    last_quantity: str
    bid: str
    bid_quantity: str
    ask: str
    ask_quantity: str
    open_price: str
    high: str
    low: str
    volume: str
    quote_volume: str
    open_ms: int
    close_ms: int
    first: int
    last: int
    count: int


class MiniTickerFrame(
    Frame, frozen=True, kw_only=True,
    rename={"event": "e", "event_ms": "E", "symbol": "s", "last_price": "c", "open_price": "o", "high": "h", "low": "l",
            "volume": "v", "quote_volume": "q"},
):  # fmt: skip
    """The last 24 hours in short."""

    event: str = "24hrMiniTicker"
    event_ms: int
    symbol: str
    last_price: str
    open_price: str
    high: str
    low: str
    volume: str
    quote_volume: str


def price_of(market: Market, price: int) -> str:
    """A price as the venue writes it."""
    return padded(price, market.instrument.price_scale)


def size_of(market: Market, size: int) -> str:
    """A size as the venue writes it."""
    return padded(size, market.instrument.size_scale)


def levels_of(market: Market, levels: Sequence[tuple[int, int]]) -> list[Level]:
    """Levels as the venue writes them."""
    return [(price_of(market, price), size_of(market, size)) for price, size in levels]


def depth_update(
    market: Market, first: int, last: int, bids: Mapping[int, int], asks: Mapping[int, int], now_ns: int
) -> bytes:
    """A `depthUpdate`: each changed price once, from the touch outward."""
    return encode(
        DepthUpdate(
            event_ms=milliseconds(now_ns),
            symbol=market.symbol,
            first=first,
            last=last,
            bids=levels_of(market, sorted(bids.items(), reverse=True)),
            asks=levels_of(market, sorted(asks.items())),
        )
    )


def picture(market: Market, levels: int) -> bytes:
    """The best levels."""
    return encode(
        DepthPicture(
            last=market.update_id,
            bids=levels_of(market, market.bid_levels(levels)),
            asks=levels_of(market, market.ask_levels(levels)),
        )
    )


def trade_frame(market: Market, trade: PublicTrade, now_ns: int) -> bytes:
    """A `trade`."""
    return encode(
        TradeFrame(
            event_ms=milliseconds(now_ns),
            symbol=market.symbol,
            trade_id=trade.trade_id,
            price=price_of(market, trade.price),
            quantity=size_of(market, trade.size),
            trade_ms=milliseconds(trade.venue_ns),
            buyer_made=trade.aggressor_side == SELL,
        )
    )


def aggregate_frame(market: Market, trade: Aggregate, now_ns: int) -> bytes:
    """An `aggTrade`."""
    return encode(
        AggregateFrame(
            event_ms=milliseconds(now_ns),
            symbol=market.symbol,
            aggregate_id=trade.first,
            price=price_of(market, trade.price),
            quantity=size_of(market, trade.size),
            first=trade.first,
            last=trade.last,
            trade_ms=milliseconds(trade.venue_ns),
            buyer_made=trade.side == SELL,
        )
    )


def top_frame(market: Market) -> bytes:
    """A `bookTicker`; a side without an order has zeros."""
    (bid, bid_size), (ask, ask_size) = market.best_bid(), market.best_ask()
    return encode(
        TopFrame(
            last=market.update_id,
            symbol=market.symbol,
            bid=price_of(market, bid),
            bid_quantity=size_of(market, bid_size),
            ask=price_of(market, ask),
            ask_quantity=size_of(market, ask_size),
        )
    )


class Aggregate:
    """Trades of one incoming order at one price, as far as the public can tell: they follow each other at one time."""

    __slots__ = ("first", "last", "price", "side", "size", "venue_ns")

    def __init__(self, trade: PublicTrade) -> None:
        self.first: int = trade.trade_id
        self.last: int = trade.trade_id
        self.price: int = trade.price
        self.size: int = trade.size
        self.side: int = trade.aggressor_side
        self.venue_ns: int = trade.venue_ns

    def take(self, trade: PublicTrade) -> bool:
        """Count a trade in, where it belongs to the same order and price."""
        if (trade.price, trade.aggressor_side, trade.venue_ns) != (self.price, self.side, self.venue_ns):
            return False
        self.last = trade.trade_id
        self.size += trade.size
        return True


def aggregates(trades: Sequence[PublicTrade]) -> list[Aggregate]:
    """Trades, put together where they belong together."""
    found: list[Aggregate] = []
    for trade in trades:
        if not found or not found[-1].take(trade):
            found.append(Aggregate(trade))
    return found


class Day:
    """The last 24 hours of a market, as the venue's figures need them; zeros where nothing has traded."""

    def __init__(self, market: Market, now_ns: int) -> None:
        ticker = market.ticker
        trades = market.trades
        self.market = market
        self.close_ms = milliseconds(now_ns)
        self.open_ms = self.close_ms - DAY_MS
        self.last: int = ticker.last_price if ticker is not None else trades[-1].price if trades else 0
        self.open: int = ticker.open_price if ticker is not None else trades[0].price if trades else 0
        self.high: int = ticker.high_price if ticker is not None else max((one.price for one in trades), default=0)
        self.low: int = ticker.low_price if ticker is not None else min((one.price for one in trades), default=0)
        self.volume: int = ticker.volume if ticker is not None else sum(one.size for one in trades)
        turnover = sum(int(one.price) * int(one.size) for one in trades)
        self.turnover: int = ticker.turnover if ticker is not None else turnover
        kept = [one.trade_id for one in trades if milliseconds(one.venue_ns) >= self.open_ms]
        self.first_id = kept[0] if kept else -1
        self.last_id = kept[-1] if kept else -1
        self.count = len(kept)
        self.last_size: int = trades[-1].size if trades else 0

    def change_percent(self) -> str:
        """The change from the first to the last price, in percent, rounded down to three places."""
        if self.open == 0:
            return "0.000"
        thousandths = (self.last - self.open) * 100_000 // self.open
        sign = "-" if thousandths < 0 else ""
        return f"{sign}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"

    def average(self) -> str:
        """The price weighted by volume."""
        return price_of(self.market, self.turnover // self.volume if self.volume else 0)

    def frame(self) -> bytes:
        """A `24hrTicker`."""
        market = self.market
        (bid, bid_size), (ask, ask_size) = market.best_bid(), market.best_ask()
        return encode(
            TickerFrame(
                event_ms=self.close_ms,
                symbol=market.symbol,
                change=price_of(market, self.last - self.open),
                change_percent=self.change_percent(),
                average=self.average(),
                before=price_of(market, self.open),
                last_price=price_of(market, self.last),
                last_quantity=size_of(market, self.last_size),
                bid=price_of(market, bid),
                bid_quantity=size_of(market, bid_size),
                ask=price_of(market, ask),
                ask_quantity=size_of(market, ask_size),
                open_price=price_of(market, self.open),
                high=price_of(market, self.high),
                low=price_of(market, self.low),
                volume=size_of(market, self.volume),
                quote_volume=padded(self.turnover, market.instrument.money_scale),
                open_ms=self.open_ms,
                close_ms=self.close_ms,
                first=self.first_id,
                last=self.last_id,
                count=self.count,
            )
        )

    def short_frame(self) -> bytes:
        """A `24hrMiniTicker`."""
        market = self.market
        return encode(
            MiniTickerFrame(
                event_ms=self.close_ms,
                symbol=market.symbol,
                last_price=price_of(market, self.last),
                open_price=price_of(market, self.open),
                high=price_of(market, self.high),
                low=price_of(market, self.low),
                volume=size_of(market, self.volume),
                quote_volume=padded(self.turnover, market.instrument.money_scale),
            )
        )
