"""The public paths of Binance's REST interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from exchange.outside.binance_calls import Call, Endpoint, Endpoints, fixed
from exchange.outside.binance_errors import BAD_COMBINATION, BAD_SYMBOL, ILLEGAL_CHARACTERS, UNKNOWN, ApiError
from exchange.outside.binance_frames import Frame, milliseconds, picture
from exchange.outside.binance_info import (
    aggregate_rows,
    day_row,
    exchange_info,
    price_row,
    top_row,
    trade_rows,
)
from exchange.outside.books import Market

MOST_LEVELS: Final = 5_000
MOST_TRADES: Final = 1_000
MOST_MS: Final = 2**63 - 1

_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (MOST_LEVELS, 250))
_SYMBOLS: Final = "^\\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\\]$"
_decode_symbols: Final = msgspec.json.Decoder(list[str]).decode


async def ping(_: Call) -> object:
    """Whether anybody is there."""
    return {}


async def time(call: Call) -> object:
    """The server's clock."""
    return {"serverTime": milliseconds(call.context.clock.now_ns())}


async def info(call: Call) -> object:
    """What is traded."""
    context = call.context
    return exchange_info(_named_markets(call), context.params, context.clock.now_ns())


async def depth(call: Call) -> object:
    """A book."""
    market = call.query.market(call.context.markets)
    limit = call.query.limit(100, MOST_LEVELS)
    if not market.is_synced:
        raise ApiError(UNKNOWN, "The book is being recovered: ask again.", 503)
    return msgspec.Raw(picture(market, limit))


async def trades(call: Call) -> object:
    """The last trades."""
    return trade_rows(call.query.market(call.context.markets), call.query.limit(500, MOST_TRADES))


async def aggregated(call: Call) -> object:
    """The last trades, those of one incoming order at one price together."""
    query = call.query
    market = query.market(call.context.markets)
    limit = query.limit(500, MOST_TRADES)
    start_ms, end_ms = query.whole("startTime", 0), query.whole("endTime", MOST_MS)
    from_id = query.whole("fromId", 0)
    if from_id and (query.has("startTime") or query.has("endTime")):
        raise ApiError(BAD_COMBINATION, "Combination of optional parameters invalid.")
    return aggregate_rows(market, limit, from_id, start_ms, end_ms)


async def tops(call: Call) -> object:
    """The best bids and asks."""
    return _of_markets(call, top_row)


async def prices(call: Call) -> object:
    """The last prices."""
    return _of_markets(call, lambda market: price_row(market, call.context.clock.now_ns()))


async def days(call: Call) -> object:
    """The last 24 hours."""
    return _of_markets(call, lambda market: day_row(market, call.context.clock.now_ns()))


def _of_markets(call: Call, row: Callable[[Market], Frame]) -> object:
    """One row where one symbol was named, else a list."""
    rows = [row(market) for market in _named_markets(call)]
    return rows[0] if call.query.has("symbol") else rows


def _named_markets(call: Call) -> list[Market]:
    """The markets of `symbol` or `symbols`, or all."""
    markets, query = call.context.markets, call.query
    if query.has("symbol") and query.has("symbols"):
        raise ApiError(BAD_COMBINATION, "Combination of optional parameters invalid.")
    if query.has("symbol"):
        return [query.market(markets)]
    if not query.has("symbols"):
        return list(markets.values())
    try:
        names = _decode_symbols(query.text("symbols"))
    except msgspec.DecodeError:
        raise ApiError(
            ILLEGAL_CHARACTERS, f"Illegal characters found in parameter 'symbols'; legal range is '{_SYMBOLS}'."
        ) from None
    if any(name not in markets for name in names):
        raise ApiError(BAD_SYMBOL, "Invalid symbol.")
    return [markets[name] for name in dict.fromkeys(names)]


def _depth_weight(values: Mapping[str, str]) -> int:
    limit = values.get("limit", "100")
    wanted = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 10 else 0
    return next((weight for most, weight in _DEPTH_WEIGHTS if wanted <= most), 250)


def _per_symbol(one: int, every: int) -> Callable[[Mapping[str, str]], int]:
    return lambda values: one if "symbol" in values else every


_SYMBOL: Final = frozenset({"symbol"})
_MANY: Final = frozenset({"symbol", "symbols"})

PUBLIC: Final[Endpoints] = {
    ("GET", "/api/v3/ping"): Endpoint(ping),
    ("GET", "/api/v3/time"): Endpoint(time),
    ("GET", "/api/v3/exchangeInfo"): Endpoint(info, _MANY | {"permissions", "showPermissionSets"}, fixed(20)),
    ("GET", "/api/v3/depth"): Endpoint(depth, _SYMBOL | {"limit"}, _depth_weight),
    ("GET", "/api/v3/trades"): Endpoint(trades, _SYMBOL | {"limit"}, fixed(25)),
    ("GET", "/api/v3/aggTrades"): Endpoint(
        aggregated, _SYMBOL | {"limit", "fromId", "startTime", "endTime"}, fixed(4)
    ),
    ("GET", "/api/v3/ticker/bookTicker"): Endpoint(tops, _MANY, _per_symbol(2, 4)),
    ("GET", "/api/v3/ticker/price"): Endpoint(prices, _MANY, _per_symbol(2, 4)),
    ("GET", "/api/v3/ticker/24hr"): Endpoint(days, _MANY, _per_symbol(2, 80)),
}
