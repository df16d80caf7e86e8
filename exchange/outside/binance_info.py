"""The public answers of Binance's REST interface: what is traded, books, trades, tickers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from exchange.outside.binance_frames import (
    Aggregate,
    Day,
    Frame,
    aggregates,
    milliseconds,
    padded,
    price_of,
    size_of,
)
from exchange.outside.binance_orders import SELF_TRADES, TYPES
from exchange.outside.binance_params import BinanceParams
from exchange.outside.books import Market
from market.ladder import MOST_PRICE
from market.messages import (
    SELL,
    STATUS_CANCEL_ONLY,
    STATUS_HALTED,
    STATUS_POST_ONLY,
    STATUS_TRADING,
    PublicTrade,
)

PLACES: Final = 8
# No order is as large: the exchange's own bound lies below, and what passes it is refused as a filter failure.
MOST_LOTS: Final = 2**53

_STATUSES: Final[dict[int, str]] = {
    STATUS_TRADING: "TRADING", STATUS_POST_ONLY: "TRADING", STATUS_CANCEL_ONLY: "CANCEL_ONLY",
    STATUS_HALTED: "HALT",
}  # fmt: skip


class RateLimit(Frame, frozen=True, kw_only=True, rename="camel"):
    """A limit of requests."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class SymbolInfo(Frame, frozen=True, kw_only=True, rename="camel"):
    """What is traded, with its steps and bounds."""

    symbol: str
    status: str
    base_asset: str
    base_asset_precision: int = PLACES
    quote_asset: str
    quote_precision: int = PLACES
    quote_asset_precision: int = PLACES
    base_commission_precision: int = PLACES
    quote_commission_precision: int = PLACES
    order_types: list[str]
    iceberg_allowed: bool = True
    oco_allowed: bool = False
    oto_allowed: bool = False
    quote_order_qty_market_allowed: bool = False
    allow_trailing_stop: bool = False
    cancel_replace_allowed: bool = False
    amend_allowed: bool = False
    is_spot_trading_allowed: bool = True
    is_margin_trading_allowed: bool = False
    filters: list[dict[str, object]]
    permissions: tuple[str, ...] = ()
    permission_sets: tuple[tuple[str, ...], ...] = (("SPOT",),)
    default_self_trade_prevention_mode: str = "NONE"
    allowed_self_trade_prevention_modes: list[str]


class ExchangeInfo(Frame, frozen=True, kw_only=True, rename="camel"):
    """All that is traded, and the limits."""

    timezone: str = "UTC"
    server_time: int
    rate_limits: list[RateLimit]
    exchange_filters: tuple[str, ...] = ()
    symbols: list[SymbolInfo]


def exchange_info(markets: Iterable[Market], params: BinanceParams, now_ns: int) -> ExchangeInfo:
    """The answer to `exchangeInfo`."""
    return ExchangeInfo(
        server_time=milliseconds(now_ns),
        rate_limits=[
            _limit("REQUEST_WEIGHT", "MINUTE", 1, params.weight_per_minute),
            _limit("ORDERS", "SECOND", 10, params.orders_per_10_seconds),
        ],
        symbols=[_symbol(market) for market in markets],
    )


def _limit(kind: str, interval: str, number: int, limit: int) -> RateLimit:
    return RateLimit(rate_limit_type=kind, interval=interval, interval_num=number, limit=limit)


def _symbol(market: Market) -> SymbolInfo:
    one = market.instrument
    lot = {
        "minQty": size_of(market, max(one.minimum_size, one.lot)),
        "maxQty": size_of(market, MOST_LOTS // one.lot * one.lot),
        "stepSize": size_of(market, one.lot),
    }
    tick = {
        "minPrice": price_of(market, one.tick),
        "maxPrice": price_of(market, MOST_PRICE // one.tick * one.tick),
        "tickSize": price_of(market, one.tick),
    }
    least = padded(one.minimum_notional, one.money_scale)
    return SymbolInfo(
        symbol=market.symbol,
        status=_STATUSES.get(market.status, "BREAK"),
        base_asset=one.base,
        quote_asset=one.quote,
        order_types=list(TYPES),
        filters=[
            {"filterType": "PRICE_FILTER", **tick},
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {
                "filterType": "NOTIONAL", "minNotional": least, "applyMinToMarket": False,
                "maxNotional": "9000000000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5,
            },
        ],
        allowed_self_trade_prevention_modes=list(SELF_TRADES),
    )  # fmt: skip


class TradeRow(Frame, frozen=True, kw_only=True, rename="camel"):
    """A public trade."""

    id: int
    price: str
    qty: str
    quote_qty: str
    time: int
    is_buyer_maker: bool
    is_best_match: bool = True


class AggregateRow(
    Frame, frozen=True, kw_only=True,
    rename={"aggregate_id": "a", "price": "p", "quantity": "q", "first": "f", "last": "l", "trade_ms": "T",
            "buyer_made": "m", "ignored": "M"},
):  # fmt: skip
    """Trades of one incoming order at one price."""

    aggregate_id: int
    price: str
    quantity: str
    first: int
    last: int
    trade_ms: int
    buyer_made: bool
    ignored: bool = True


class TopRow(Frame, frozen=True, kw_only=True, rename="camel"):
    """The best bid and ask."""

    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class PriceRow(Frame, frozen=True, kw_only=True):
    """The last price."""

    symbol: str
    price: str


class DayRow(Frame, frozen=True, kw_only=True, rename="camel"):
    """The last 24 hours."""

    symbol: str
    price_change: str
    price_change_percent: str
    weighted_avg_price: str
    prev_close_price: str
    last_price: str
    last_qty: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str
    open_price: str
    high_price: str
    low_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


def trade_rows(market: Market, limit: int) -> list[TradeRow]:
    """The last trades, the oldest first."""
    return [_trade_row(market, trade) for trade in list(market.trades)[-limit:]]


def _trade_row(market: Market, trade: PublicTrade) -> TradeRow:
    return TradeRow(
        id=trade.trade_id,
        price=price_of(market, trade.price),
        qty=size_of(market, trade.size),
        quote_qty=padded(int(trade.price) * int(trade.size), market.instrument.money_scale),
        time=milliseconds(trade.venue_ns),
        is_buyer_maker=trade.aggressor_side == SELL,
    )


def aggregate_rows(market: Market, limit: int, from_id: int, start_ms: int, end_ms: int) -> list[AggregateRow]:
    """Aggregated trades: the first ones from an id or a time on, or else the last ones."""
    found = [
        one
        for one in aggregates(list(market.trades))
        if one.first >= from_id and start_ms <= milliseconds(one.venue_ns) <= end_ms
    ]
    chosen = found[:limit] if from_id or start_ms else found[-limit:]
    return [_aggregate_row(market, one) for one in chosen]


def _aggregate_row(market: Market, one: Aggregate) -> AggregateRow:
    return AggregateRow(
        aggregate_id=one.first,
        price=price_of(market, one.price),
        quantity=size_of(market, one.size),
        first=one.first,
        last=one.last,
        trade_ms=milliseconds(one.venue_ns),
        buyer_made=one.side == SELL,
    )


def top_row(market: Market) -> TopRow:
    """The best bid and ask."""
    (bid, bid_size), (ask, ask_size) = market.best_bid(), market.best_ask()
    return TopRow(
        symbol=market.symbol,
        bid_price=price_of(market, bid),
        bid_qty=size_of(market, bid_size),
        ask_price=price_of(market, ask),
        ask_qty=size_of(market, ask_size),
    )


def price_row(market: Market, now_ns: int) -> PriceRow:
    """The last price."""
    return PriceRow(symbol=market.symbol, price=price_of(market, Day(market, now_ns).last))


def day_row(market: Market, now_ns: int) -> DayRow:
    """The last 24 hours."""
    day, top = Day(market, now_ns), top_row(market)
    return DayRow(
        symbol=market.symbol,
        price_change=price_of(market, day.last - day.open),
        price_change_percent=day.change_percent(),
        weighted_avg_price=day.average(),
        prev_close_price=price_of(market, day.open),
        last_price=price_of(market, day.last),
        last_qty=size_of(market, day.last_size),
        bid_price=top.bid_price,
        bid_qty=top.bid_qty,
        ask_price=top.ask_price,
        ask_qty=top.ask_qty,
        open_price=price_of(market, day.open),
        high_price=price_of(market, day.high),
        low_price=price_of(market, day.low),
        volume=size_of(market, day.volume),
        quote_volume=padded(day.turnover, market.instrument.money_scale),
        open_time=day.open_ms,
        close_time=day.close_ms,
        first_id=day.first_id,
        last_id=day.last_id,
        count=day.count,
    )
