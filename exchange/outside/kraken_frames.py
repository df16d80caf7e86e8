"""Market data as Kraken's WebSocket v2 writes it: the forms of the frames, with their keys in the venue's order.

Prices and sizes are JSON numbers without trailing zeros and without exponents, times are RFC 3339 with microseconds.
The checksum is that of the venue's guide. Written from the venue's documentation; a test holds every form against
the example messages. It knows no socket and keeps nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from exchange.outside.books import Market
from exchange.outside.figures import DayFigures, short, time_text
from exchange.outside.kraken_names import Pair
from market.messages import (
    BUY,
    STATUS_AUCTION,
    STATUS_CANCEL_ONLY,
    STATUS_DELISTED,
    STATUS_POST_ONLY,
    STATUS_TRADING,
    PublicTrade,
)

CHECKED_LEVELS: Final = 10
ASSET_PLACES: Final = 10
SHOWN_PLACES: Final = 5
COST_PLACES: Final = 5

encode: Final = msgspec.json.Encoder().encode

HEARTBEAT: Final = b'{"channel":"heartbeat"}'

_STATUSES: Final[dict[int, str]] = {
    STATUS_TRADING: "online", STATUS_CANCEL_ONLY: "cancel_only", STATUS_POST_ONLY: "post_only",
    STATUS_AUCTION: "post_only", STATUS_DELISTED: "delisted",
}  # fmt: skip


def number(value: int, scale: int) -> msgspec.Raw:
    """A scaled integer as a JSON number."""
    return msgspec.Raw(short(value, scale).encode())


def status_word(market: Market) -> str:
    """How a market trades, as the venue says it."""
    return _STATUSES.get(market.status, "maintenance")


def checksum(market: Market) -> int:
    """The CRC-32 of the ten best levels, asks first; the digits of each number without its leading zeros."""
    parts: list[str] = []
    for levels in (market.ask_levels(CHECKED_LEVELS), market.bid_levels(CHECKED_LEVELS)):
        # A scaled integer is its digits, with the pair's places and without leading zeros.
        parts += [f"{price}{size}" for price, size in levels]
    return zlib.crc32("".join(parts).encode())


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A frame, or a part of one; the order of its fields is the order of its keys."""


class Level(Frame, frozen=True, kw_only=True):
    """A price and what is there; 0 removes it."""

    price: msgspec.Raw
    qty: msgspec.Raw


class BookData(Frame, frozen=True, kw_only=True):
    """A book or what has changed in it."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: int
    timestamp: str


class TradeData(Frame, frozen=True, kw_only=True):
    """A trade; the side is the taker's."""

    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    ord_type: str = "limit"
    trade_id: int
    timestamp: str


class TickerData(Frame, frozen=True, kw_only=True):
    """The best bid and ask, and the last 24 hours."""

    symbol: str
    bid: msgspec.Raw
    bid_qty: msgspec.Raw
    ask: msgspec.Raw
    ask_qty: msgspec.Raw
    last: msgspec.Raw
    volume: msgspec.Raw
    vwap: msgspec.Raw
    low: msgspec.Raw
    high: msgspec.Raw
    change: msgspec.Raw
    change_pct: msgspec.Raw
    trades: int
    timestamp: str


class AssetData(Frame, frozen=True, kw_only=True):
    """An asset of the channel `instrument`."""

    id: str
    status: str = "enabled"
    precision: int = ASSET_PLACES
    precision_display: int = SHOWN_PLACES
    borrowable: bool = False
    collateral_value: msgspec.Raw = msgspec.Raw(b"0.0")
    margin_rate: msgspec.Raw = msgspec.Raw(b"0.0")


class PairData(Frame, frozen=True, kw_only=True):
    """A pair of the channel `instrument`."""

    symbol: str
    base: str
    quote: str
    status: str
    qty_precision: int
    qty_increment: msgspec.Raw
    price_precision: int
    cost_precision: int = COST_PLACES
    marginable: bool = False
    has_index: bool = False
    cost_min: msgspec.Raw
    tick_size: msgspec.Raw
    price_increment: msgspec.Raw
    qty_min: msgspec.Raw


class DataFrame(Frame, frozen=True, kw_only=True):
    """A frame of any channel."""

    channel: str
    type: str
    data: object


def status_frame(connection_id: int) -> bytes:
    """What every client hears first."""
    row = {
        "version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": connection_id,
        "upcoming_maintenance": [], "emergency": [],
    }  # fmt: skip
    return encode(DataFrame(channel="status", type="update", data=[row]))


def book_frame(kind: str, pair: Pair, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> bytes:
    """Levels of a book; `kind` is `snapshot` or `update`, and the checksum is that of the book as it is now."""
    market = pair.market
    row = BookData(
        symbol=pair.symbol,
        bids=[_level(market, *level) for level in bids],
        asks=[_level(market, *level) for level in asks],
        checksum=checksum(market),
        timestamp=time_text(market.venue_ns),
    )
    return encode(DataFrame(channel="book", type=kind, data=[row]))


def _level(market: Market, price: int, size: int) -> Level:
    one = market.instrument
    return Level(price=number(price, one.price_scale), qty=number(size, one.size_scale))


def trade_frame(kind: str, pair: Pair, trades: Iterable[PublicTrade]) -> bytes:
    """Trades, the oldest first."""
    return encode(DataFrame(channel="trade", type=kind, data=[_trade(pair, trade) for trade in trades]))


def _trade(pair: Pair, trade: PublicTrade) -> TradeData:
    one = pair.market.instrument
    return TradeData(
        symbol=pair.symbol,
        side="buy" if trade.aggressor_side == BUY else "sell",
        price=number(trade.price, one.price_scale),
        qty=number(trade.size, one.size_scale),
        trade_id=trade.trade_id,
        timestamp=time_text(trade.venue_ns),
    )


def ticker_frame(kind: str, pair: Pair, now_ns: int) -> bytes:
    """The ticker."""
    market = pair.market
    day = DayFigures(market, now_ns)
    (bid, bid_size), (ask, ask_size) = market.best_bid(), market.best_ask()
    price_scale, size_scale = day.price_scale, day.size_scale
    row = TickerData(
        symbol=pair.symbol,
        bid=number(bid, price_scale),
        bid_qty=number(bid_size, size_scale),
        ask=number(ask, price_scale),
        ask_qty=number(ask_size, size_scale),
        last=number(day.last, price_scale),
        volume=number(day.volume, size_scale),
        vwap=number(day.average, price_scale),
        low=number(day.low, price_scale),
        high=number(day.high, price_scale),
        change=number(day.last - day.open, price_scale),
        change_pct=msgspec.Raw(day.change_percent(2).encode()),
        trades=day.count,
        timestamp=time_text(now_ns),
    )
    return encode(DataFrame(channel="ticker", type=kind, data=[row]))


def instrument_frame(kind: str, pairs: Sequence[Pair], assets: Sequence[str]) -> bytes:
    """What is traded, with its precisions and steps."""
    rows = {"assets": [AssetData(id=asset) for asset in assets], "pairs": [_pair(pair) for pair in pairs]}
    return encode(DataFrame(channel="instrument", type=kind, data=rows))


def _pair(pair: Pair) -> PairData:
    one = pair.market.instrument
    tick = number(one.tick, one.price_scale)
    return PairData(
        symbol=pair.symbol,
        base=pair.base,
        quote=pair.quote,
        status=status_word(pair.market),
        qty_precision=one.size_scale,
        qty_increment=number(one.lot, one.size_scale),
        price_precision=one.price_scale,
        cost_min=number(one.minimum_notional, one.money_scale),
        tick_size=tick,
        price_increment=tick,
        qty_min=number(max(one.minimum_size, one.lot), one.size_scale),
    )
