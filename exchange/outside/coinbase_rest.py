"""The site of Coinbase's public protocol: its requests, their answers and limits, and where WebSockets are.

An error is `{"error": ..., "error_details": ..., "message": ...}` with a status of HTTP. It keeps nothing but counts
of requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from exchange.outside.coinbase_control import CoinbaseSession
from exchange.outside.coinbase_frames import EVENT_PLACES, OPEN_STATUSES, Product, encode, trade_row
from exchange.outside.coinbase_params import CoinbaseParams
from exchange.outside.coinbase_streams import Streams
from exchange.outside.figures import SECOND_NS, DayFigures, short, short_time_text
from exchange.outside.rates import Windows
from exchange.outside.server import HttpRequest, HttpResponse, SocketSession
from exchange.outside.sockets import Socket
from market.messages import STATUS_AUCTION, STATUS_CANCEL_ONLY, STATUS_POST_ONLY
from runtime.clock import Clock

HEADERS: Final = (("content-type", "application/json; charset=utf-8"),)
PRODUCTS: Final = "/market/products"
MOST_TRADES: Final = 1_000
USUAL_TRADES: Final = 100
MOST_LEVELS: Final = 1_000_000
MILLISECOND_NS: Final = 1_000_000
PERCENT_PLACES: Final = 14
SPREAD_PLACES: Final = 12
# No order is as large.
MOST_LOTS: Final = 2**53

_WHOLE: Final = re.compile(r"[0-9]{1,18}")

Values = Mapping[str, str]


class Refused(Exception):
    """A request that cannot be served: the status, the venue's word for it, and what is wrong."""

    def __init__(self, status: int, word: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.word = word
        self.text = text


class CoinbaseSite:
    """See the head of this file; it is the server's `Site`."""

    def __init__(self, params: CoinbaseParams, streams: Streams, clock: Clock) -> None:
        self.params = params
        self._streams = streams
        self._clock = clock
        self._requests = Windows(SECOND_NS, params.requests_per_second)
        self._sockets = Windows(SECOND_NS, params.sockets_per_second)
        self._paths: dict[str, Callable[[Values], object]] = {
            "/time": self._time, PRODUCTS: self._products, "/market/product_book": self._book,
        }  # fmt: skip

    # ---- requests

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Serve a request."""
        try:
            if not self._requests.take(request.address, self._clock.now_ns()):
                raise Refused(429, "rate_limit_exceeded", "too many requests")
            if request.method not in ("GET", "HEAD"):
                raise Refused(405, "method_not_allowed", "only GET is served")
            pairs = parse_qsl(request.query)
            found = self._serve(request.path, dict(pairs), [value for name, value in pairs if name == "product_ids"])
            return HttpResponse(200, encode(found), HEADERS)
        except Refused as refused:
            return _error(refused)

    def fault(self, status: int, text: str) -> HttpResponse:
        """What is no proper request."""
        return _error(Refused(status, "invalid_request", text))

    def _serve(self, path: str, values: Values, named: list[str]) -> object:
        if path == "/v2/time":
            now_ns = self._clock.now_ns()
            return {"data": {"iso": short_time_text(now_ns, 0), "epoch": now_ns // SECOND_NS}}
        inner = path.removeprefix(self.params.REQUEST_PATH)
        serve = self._paths.get(inner) if inner != path else None
        if serve is not None:
            return serve({**values, "product_ids": ",".join(named)})
        if inner != path and inner.startswith(f"{PRODUCTS}/"):
            name, _, rest = inner.removeprefix(f"{PRODUCTS}/").partition("/")
            if not rest:
                return product_row(self._named(name), self._clock.now_ns())
            if rest == "ticker":
                return self._ticker(self._named(name), values)
        raise Refused(404, "not_found", "there is no such path")

    def _named(self, name: str) -> Product:
        product = self._streams.products.get(name)
        if product is None:
            raise Refused(404, "NOT_FOUND", "valid product_id is required")
        return product

    def _time(self, _: Values) -> object:
        now_ns = self._clock.now_ns()
        return {
            "iso": short_time_text(now_ns, 0),
            "epochSeconds": str(now_ns // SECOND_NS),
            "epochMillis": str(now_ns // MILLISECOND_NS),
        }

    def _products(self, values: Values) -> object:
        products = list(self._streams.products.values())
        if values["product_ids"]:
            products = [self._named(name) for name in values["product_ids"].split(",")]
        if values.get("product_type", "SPOT") not in ("SPOT", "UNKNOWN_PRODUCT_TYPE"):
            products = []
        begin = _whole(values, "offset", 0, MOST_LEVELS)
        chosen = products[begin : begin + _whole(values, "limit", MOST_LEVELS, MOST_LEVELS)]
        now_ns = self._clock.now_ns()
        return {
            "products": [product_row(product, now_ns) for product in chosen],
            "num_products": len(chosen),
            "pagination": {"prev_cursor": "", "next_cursor": "", "has_next": False, "has_prev": False},
        }

    def _book(self, values: Values) -> object:
        product = self._named(values.get("product_id", ""))
        if not product.market.is_synced:
            raise Refused(503, "unavailable", "the book is being recovered: ask again")
        return book_answer(product, _whole(values, "limit", MOST_LEVELS, MOST_LEVELS))

    def _ticker(self, product: Product, values: Values) -> object:
        """The last trades, the newest first, and the best bid and ask."""
        limit = _whole(values, "limit", USUAL_TRADES, MOST_TRADES)
        begin, end = _whole(values, "start", 0, 10**10), _whole(values, "end", 10**10, 10**10)
        trades = [one for one in product.market.trades if begin <= one.venue_ns // SECOND_NS < end]
        rows = [trade_row(product, trade) for trade in reversed(trades[-limit:] if limit else [])]
        market = product.market
        return {
            "trades": [
                {
                    "trade_id": row.trade_id, "product_id": row.product_id, "price": row.price, "size": row.size,
                    "time": row.time, "side": row.side, "bid": "", "ask": "", "exchange": "CBE",
                }
                for row in rows
            ],
            "best_bid": product.price(market.best_bid()[0]),
            "best_ask": product.price(market.best_ask()[0]),
        }  # fmt: skip

    # ---- WebSockets

    def accept(self, request: HttpRequest, socket: Socket) -> SocketSession | HttpResponse:
        """Take a WebSocket, which the venue has at the root."""
        if request.path.strip("/"):
            return self.fault(404, "there is no such path")
        if not self._sockets.take(request.address, self._clock.now_ns()):
            return _error(Refused(429, "rate_limit_exceeded", "too many connections in a second"))
        return CoinbaseSession(self._streams, socket, self._clock, self.params)


def _error(refused: Refused) -> HttpResponse:
    told = {"error": refused.word, "error_details": refused.text, "message": refused.text}
    return HttpResponse(refused.status, encode(told), HEADERS)


def _whole(values: Values, name: str, usual: int, most: int) -> int:
    text = values.get(name, str(usual))
    if not _WHOLE.fullmatch(text):
        raise Refused(400, "INVALID_ARGUMENT", f"{name} must be a whole number")
    return min(int(text), most)


def product_row(product: Product, now_ns: int) -> dict[str, object]:
    """A product as `market/products` tells it."""
    market, one = product.market, product.market.instrument
    day = DayFigures(market, now_ns)
    return {
        "product_id": product.name,
        "price": product.price(day.last) if day.last else "",
        "price_percentage_change_24h": day.change_percent(PERCENT_PLACES),
        "volume_24h": product.size(day.volume),
        "volume_percentage_change_24h": "0",
        "base_increment": product.size(one.lot),
        "quote_increment": product.price(one.tick),
        "quote_min_size": short(one.minimum_notional, one.money_scale),
        "quote_max_size": "150000000",
        "base_min_size": product.size(max(one.minimum_size, one.lot)),
        "base_max_size": product.size(MOST_LOTS // one.lot * one.lot),
        "base_name": product.base,
        "quote_name": product.quote,
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": product.status_word,
        "cancel_only": market.status == STATUS_CANCEL_ONLY,
        "limit_only": False,
        "post_only": market.status == STATUS_POST_ONLY,
        "trading_disabled": market.status not in OPEN_STATUSES,
        "auction_mode": market.status == STATUS_AUCTION,
        "product_type": "SPOT",
        "quote_currency_id": product.quote,
        "base_currency_id": product.base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": product.base,
        "quote_display_symbol": product.quote,
        "view_only": False,
        "price_increment": product.price(one.tick),
        "display_name": product.name,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": short(day.turnover, one.money_scale),
        "new_at": "2023-01-01T00:00:00Z",
        **dict.fromkeys(
            ("market_cap", "base_cbrn", "quote_cbrn", "product_cbrn", "icon_color", "icon_url",
             "display_name_overwrite"), "",
        ),
        "is_alpha_testing": False,
        **dict.fromkeys(("about_description", "best_bid_price", "best_ask_price"), ""),
        "high_24h": product.price(day.high) if day.last else "",
        "low_24h": product.price(day.low) if day.last else "",
    }  # fmt: skip


def book_answer(product: Product, levels: int) -> dict[str, object]:
    """A book as `market/product_book` tells it; without both sides there is no middle and no spread."""
    market = product.market
    bids, asks = market.bid_levels(levels or MOST_LEVELS), market.ask_levels(levels or MOST_LEVELS)
    (bid, _), (ask, _) = market.best_bid(), market.best_ask()
    middle = spread = points = ""
    if bid and ask:
        middle = short((bid + ask) * 5, product.price_scale + 1)
        spread = product.price(ask - bid)
        points = short((ask - bid) * 10_000 * 10**SPREAD_PLACES // ask, SPREAD_PLACES)

    def rows(side: list[tuple[int, int]]) -> list[dict[str, str]]:
        return [{"price": product.price(price), "size": product.size(size)} for price, size in side]

    return {
        "pricebook": {
            "product_id": product.name,
            "bids": rows(bids),
            "asks": rows(asks),
            "time": short_time_text(market.venue_ns, EVENT_PLACES),
        },
        "last": middle,
        "mid_market": middle,
        "spread_bps": points,
        "spread_absolute": spread,
    }
