"""Market data as Coinbase's Advanced Trade writes it: the events of the frames, with their keys in the venue's order.

Numbers are text without padding, times are RFC 3339 without trailing zeros. A frame is built from its events, which
are the same for everybody, and from its number, which each connection has of its own. Written from the venue's
documentation; a test holds every form against the example messages and a recording. It keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from exchange.outside.books import Market
from exchange.outside.figures import SECOND_NS, DayFigures, moment, short, short_time_text
from market.messages import (
    SELL,
    STATUS_AUCTION,
    STATUS_CANCEL_ONLY,
    STATUS_DELISTED,
    STATUS_POST_ONLY,
    STATUS_TRADING,
    PublicTrade,
)

LEVEL2_DATA: Final = "l2_data"
PERCENT_PLACES: Final = 14
# The venue tells times of changes and trades in microseconds, those of frames in nanoseconds.
EVENT_PLACES: Final = 6

OPEN_STATUSES: Final = (STATUS_TRADING, STATUS_AUCTION, STATUS_CANCEL_ONLY, STATUS_POST_ONLY)

encode: Final = msgspec.json.Encoder().encode


class Product:
    """A market under the venue's name."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.base: str = market.instrument.base
        self.quote: str = market.instrument.quote
        self.name = f"{self.base}-{self.quote}"
        """As the venue calls it."""
        self.price_scale: int = market.instrument.price_scale
        self.size_scale: int = market.instrument.size_scale

    def price(self, price: int) -> str:
        """A price as the venue writes it."""
        return short(price, self.price_scale)

    def size(self, size: int) -> str:
        """A size as the venue writes it."""
        return short(size, self.size_scale)

    @property
    def status_word(self) -> str:
        """How it trades."""
        if self.market.status in OPEN_STATUSES:
            return "online"
        return "delisted" if self.market.status == STATUS_DELISTED else "offline"


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part of a frame; the order of its fields is the order of its keys."""


class LevelUpdate(Frame, frozen=True, kw_only=True):
    """A price and what is there; 0 removes it."""

    side: str
    event_time: str
    price_level: str
    new_quantity: str


class BookEvent(Frame, frozen=True, kw_only=True):
    """A book, or what has changed in it."""

    type: str
    product_id: str
    updates: list[LevelUpdate]


class TradeRow(Frame, frozen=True, kw_only=True):
    """A trade; the side is the maker's."""

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class TradesEvent(Frame, frozen=True, kw_only=True):
    """Trades, the newest first."""

    type: str
    trades: list[TradeRow]


class TickerRow(Frame, frozen=True, kw_only=True, omit_defaults=True):
    """The last price, the last 24 hours, and in `ticker` the best bid and ask."""

    type: str
    product_id: str
    price: str
    volume_24_h: str
    low_24_h: str
    high_24_h: str
    low_52_w: str
    high_52_w: str
    price_percent_chg_24_h: str
    best_bid: str | msgspec.UnsetType = msgspec.UNSET
    best_ask: str | msgspec.UnsetType = msgspec.UNSET
    best_bid_quantity: str | msgspec.UnsetType = msgspec.UNSET
    best_ask_quantity: str | msgspec.UnsetType = msgspec.UNSET


class TickersEvent(Frame, frozen=True, kw_only=True):
    """Tickers."""

    type: str
    tickers: list[TickerRow]


class StatusRow(Frame, frozen=True, kw_only=True):
    """A product of the channel `status`."""

    product_type: str = "SPOT"
    id: str
    base_currency: str
    quote_currency: str
    base_increment: str
    quote_increment: str
    display_name: str
    status: str
    status_message: str = ""
    min_market_funds: str


class StatusEvent(Frame, frozen=True, kw_only=True):
    """Products."""

    type: str
    products: list[StatusRow]


class Told:
    """A frame without its number."""

    __slots__ = ("head", "tail")

    def __init__(self, channel: str, event: object, now_ns: int) -> None:
        self.head = f'{{"channel":"{channel}","timestamp":"{short_time_text(now_ns)}","sequence_num":'.encode()
        self.tail = b',"events":[' + encode(event) + b"]}"

    def payload(self, sequence: int) -> bytes:
        """The whole frame of one connection."""
        return self.head + str(sequence).encode() + self.tail


Levels = Iterable[tuple[int, int]]


def book_event(kind: str, product: Product, bids: Levels, asks: Levels) -> BookEvent:
    """Levels of a book; `kind` is `snapshot` or `update`."""
    event_time = short_time_text(product.market.venue_ns, EVENT_PLACES)
    return BookEvent(
        type=kind,
        product_id=product.name,
        updates=[
            LevelUpdate(
                side=side, event_time=event_time, price_level=product.price(price), new_quantity=product.size(size)
            )
            for side, levels in (("bid", bids), ("offer", asks))
            for price, size in levels
        ],
    )


def trade_row(product: Product, trade: PublicTrade) -> TradeRow:
    """A trade; who took was on the other side."""
    return TradeRow(
        product_id=product.name,
        trade_id=str(trade.trade_id),
        price=product.price(trade.price),
        size=product.size(trade.size),
        time=short_time_text(trade.venue_ns, EVENT_PLACES),
        side="BUY" if trade.aggressor_side == SELL else "SELL",
    )


def trades_event(kind: str, product: Product, trades: Iterable[PublicTrade]) -> TradesEvent:
    """Trades that came in this order, told the newest first."""
    return TradesEvent(type=kind, trades=[trade_row(product, trade) for trade in reversed(list(trades))])


def ticker_event(kind: str, product: Product, now_ns: int, has_quotes: bool) -> TickersEvent:
    """The ticker of a product; a year is not longer than what is known."""
    market = product.market
    day = DayFigures(market, now_ns)
    (bid, bid_size), (ask, ask_size) = market.best_bid(), market.best_ask()
    low, high = product.price(day.low), product.price(day.high)
    unset = msgspec.UNSET
    row = TickerRow(
        type="ticker",
        product_id=product.name,
        price=product.price(day.last),
        volume_24_h=product.size(day.volume),
        low_24_h=low,
        high_24_h=high,
        low_52_w=low,
        high_52_w=high,
        price_percent_chg_24_h=day.change_percent(PERCENT_PLACES),
        best_bid=product.price(bid) if has_quotes else unset,
        best_ask=product.price(ask) if has_quotes else unset,
        best_bid_quantity=product.size(bid_size) if has_quotes else unset,
        best_ask_quantity=product.size(ask_size) if has_quotes else unset,
    )
    return TickersEvent(type=kind, tickers=[row])


def status_event(kind: str, products: Iterable[Product]) -> StatusEvent:
    """Products with their steps."""
    return StatusEvent(type=kind, products=[_status_row(product) for product in products])


def _status_row(product: Product) -> StatusRow:
    one = product.market.instrument
    return StatusRow(
        id=product.name,
        base_currency=product.base,
        quote_currency=product.quote,
        base_increment=product.size(one.lot),
        quote_increment=product.price(one.tick),
        display_name=f"{product.base}/{product.quote}",
        status=product.status_word,
        min_market_funds=short(one.minimum_notional, one.money_scale),
    )


def heartbeat_event(now_ns: int, counter: int) -> dict[str, object]:
    """A heartbeat; its time is as the venue's language prints one, with the seconds that the server has run."""
    nanoseconds = now_ns % SECOND_NS
    text = f"{moment(now_ns):%Y-%m-%d %H:%M:%S}.{nanoseconds:09d} +0000 UTC m=+{counter}.{nanoseconds:09d}"
    return {"current_time": text, "heartbeat_counter": counter}


def subscriptions_event(names: Mapping[str, Iterable[str]]) -> dict[str, object]:
    """Everything that a connection has, by channel."""
    return {"subscriptions": {channel: list(names[channel]) for channel in sorted(names)}}
