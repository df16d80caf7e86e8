"""The site of Kraken's public protocol: its requests, their answers and limits, and where WebSockets are.

Every answer has status 200 and the form `{"error": [...], "result": ...}`, as at the venue. It keeps nothing but
counts of requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from exchange.outside.figures import SECOND_NS, DayFigures, moment, short, short_time_text
from exchange.outside.kraken_control import KrakenSession
from exchange.outside.kraken_frames import ASSET_PLACES, COST_PLACES, SHOWN_PLACES, encode, number, status_word
from exchange.outside.kraken_names import Pair, alternative, asset_code, pairs_by_name
from exchange.outside.kraken_params import KrakenParams
from exchange.outside.kraken_streams import Streams
from exchange.outside.rates import Windows
from exchange.outside.server import HttpRequest, HttpResponse, SocketSession
from exchange.outside.sockets import Socket
from market.messages import BUY, PublicTrade
from market.numbers import format_decimal
from runtime.clock import Clock

HEADERS: Final = (("content-type", "application/json; charset=utf-8"),)
USUAL_LEVELS: Final = 100
MOST_LEVELS: Final = 500
MOST_TRADES: Final = 1_000
PRICE_PLACES: Final = 5
VOLUME_PLACES: Final = 8

_WHOLE: Final = re.compile(r"[0-9]{1,19}")
_SINCE: Final = re.compile(r"[0-9]{1,19}(\.[0-9]{1,9})?")

Values = Mapping[str, str]


class Refused(Exception):
    """A request that is answered with an error of the venue."""


def padded(value: int, scale: int, places: int) -> str:
    """A scaled integer with so many places, or as many more as its scale has."""
    return format_decimal(value * 10 ** max(places - scale, 0), max(places, scale))


class KrakenSite:
    """See the head of this file; it is the server's `Site`."""

    def __init__(self, params: KrakenParams, streams: Streams, clock: Clock) -> None:
        self.params = params
        self._streams = streams
        self._clock = clock
        self._requests = Windows(60 * SECOND_NS, params.requests_per_minute)
        self._sockets = Windows(600 * SECOND_NS, params.sockets_per_10_minutes)
        self._connections = 0
        self._paths: dict[str, Callable[[Values], object]] = {
            f"{params.REQUEST_PATH}/{name}": serve
            for name, serve in {
                "Time": self._time, "SystemStatus": self._status, "Assets": self._assets, "AssetPairs": self._pairs,
                "Depth": self._depth, "Trades": self._trades, "Ticker": self._ticker,
            }.items()
        }  # fmt: skip

    # ---- requests

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Serve a request."""
        try:
            if not self._requests.take(request.address, self._clock.now_ns()):
                raise Refused("EGeneral:Too many requests")
            serve = self._paths.get(request.path)
            if serve is None or request.method not in ("GET", "POST"):
                raise Refused("EGeneral:Unknown method")
            text = request.query if request.method == "GET" else request.body.decode("utf-8", "replace")
            return _answer([], serve(dict(parse_qsl(text))))
        except Refused as refused:
            return _answer([str(refused)], msgspec.UNSET)

    def fault(self, status: int, text: str) -> HttpResponse:
        """What is no proper request."""
        return HttpResponse(status, _answer([f"EGeneral:Invalid arguments:{text[:200]}"], msgspec.UNSET).body, HEADERS)

    def _named(self, values: Values) -> dict[str, Pair]:
        """The pairs that a request names, by the name of the answer; all where it names none."""
        pairs = list(self._streams.pairs.values())
        if "pair" not in values:
            return {pair.key: pair for pair in pairs}
        known = pairs_by_name(pairs)
        try:
            return {known[name].key: known[name] for name in values["pair"].split(",")}
        except KeyError:
            raise Refused("EQuery:Unknown asset pair") from None

    def _one(self, values: Values) -> Pair:
        """The one pair that a request names."""
        named = self._named(values)
        if "pair" not in values or len(named) != 1:
            raise Refused("EGeneral:Invalid arguments")
        return next(iter(named.values()))

    def _time(self, _: Values) -> object:
        now_ns = self._clock.now_ns()
        return {"unixtime": now_ns // SECOND_NS, "rfc1123": f"{moment(now_ns):%a, %d %b %y %H:%M:%S} +0000"}

    def _status(self, _: Values) -> object:
        return {"status": "online", "timestamp": short_time_text(self._clock.now_ns(), 0)}

    def _assets(self, values: Values) -> object:
        row = {"aclass": "currency", "decimals": ASSET_PLACES, "display_decimals": SHOWN_PLACES, "status": "enabled"}
        assets = self._streams.assets
        if "asset" in values:
            known = {name: asset for asset in assets for name in (asset, alternative(asset), asset_code(asset))}
            wanted = values["asset"].split(",")
            if any(name not in known for name in wanted):
                raise Refused("EQuery:Unknown asset")
            assets = [known[name] for name in wanted]
        return {asset_code(asset): {"altname": alternative(asset), **row} for asset in assets}

    def _pairs(self, values: Values) -> object:
        return {key: pair_row(pair) for key, pair in self._named(values).items()}

    def _depth(self, values: Values) -> object:
        pair = self._one(values)
        count = _count(values, USUAL_LEVELS, MOST_LEVELS)
        market, one = pair.market, pair.market.instrument
        if not market.is_synced:
            raise Refused("EService:Unavailable")
        seconds = market.venue_ns // SECOND_NS

        def rows(levels: list[tuple[int, int]]) -> object:
            return [
                (padded(price, one.price_scale, PRICE_PLACES), padded(size, one.size_scale, 3), seconds)
                for price, size in levels
            ]

        return {pair.key: {"asks": rows(market.ask_levels(count)), "bids": rows(market.bid_levels(count))}}

    def _trades(self, values: Values) -> object:
        """The first trades after a time, or else the last ones; `last` is the time to ask from next."""
        pair = self._one(values)
        count = _count(values, MOST_TRADES, MOST_TRADES)
        since_ns = _since_ns(values)
        found = [trade for trade in pair.market.trades if trade.venue_ns > since_ns]
        chosen = found[:count] if since_ns else found[-count:]
        last_ns = chosen[-1].venue_ns if chosen else since_ns
        return {pair.key: [trade_row(pair, trade) for trade in chosen], "last": str(last_ns)}

    def _ticker(self, values: Values) -> object:
        now_ns = self._clock.now_ns()
        return {key: ticker_row(pair, now_ns) for key, pair in self._named(values).items()}

    # ---- WebSockets

    def accept(self, request: HttpRequest, socket: Socket) -> SocketSession | HttpResponse:
        """Take a WebSocket at `/v2`."""
        if request.path.rstrip("/") != self.params.SOCKET_PATH:
            return self.fault(404, "there is no such path")
        now_ns = self._clock.now_ns()
        if not self._sockets.take(request.address, now_ns):
            refused = self.fault(429, "too many connections in ten minutes")
            again = ("retry-after", str(self._sockets.seconds_left(now_ns)))
            return HttpResponse(refused.status, refused.body, (*HEADERS, again))
        self._connections += 1
        return KrakenSession(self._streams, socket, self._clock, self.params, self._connections)


def _answer(errors: list[str], result: object) -> HttpResponse:
    told: dict[str, object] = {"error": errors}
    if result is not msgspec.UNSET:
        told["result"] = result
    return HttpResponse(200, encode(told), HEADERS)


def _count(values: Values, usual: int, most: int) -> int:
    text = values.get("count", str(usual))
    if not _WHOLE.fullmatch(text) or int(text) == 0:
        raise Refused("EGeneral:Invalid arguments")
    return min(int(text), most)


def _since_ns(values: Values) -> int:
    """The time to begin after: seconds, or nanoseconds as `last` tells them."""
    text = values.get("since", "0")
    if not _SINCE.fullmatch(text):
        raise Refused("EGeneral:Invalid arguments")
    whole, _, fraction = text.partition(".")
    # No time in seconds has so many digits for thousands of years.
    return int(whole) if len(whole) > 12 else int(whole) * SECOND_NS + int(fraction.ljust(9, "0"))


def pair_row(pair: Pair) -> dict[str, object]:
    """A pair as `AssetPairs` tells it."""
    one = pair.market.instrument
    return {
        "altname": pair.alternative,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": asset_code(pair.base),
        "aclass_quote": "currency",
        "quote": asset_code(pair.quote),
        "lot": "unit",
        "cost_decimals": COST_PLACES,
        "pair_decimals": one.price_scale,
        "lot_decimals": one.size_scale,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, number(one.taker_fee_ppm, 4)]],
        "fees_maker": [[0, number(one.maker_fee_ppm, 4)]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": short(max(one.minimum_size, one.lot), one.size_scale),
        "costmin": short(one.minimum_notional, one.money_scale),
        "tick_size": short(one.tick, one.price_scale),
        "status": status_word(pair.market),
    }


def trade_row(pair: Pair, trade: PublicTrade) -> tuple[object, ...]:
    """A trade as `Trades` tells it: price, size, time, side of the taker, type, nothing, number."""
    one = pair.market.instrument
    return (
        padded(trade.price, one.price_scale, PRICE_PLACES), padded(trade.size, one.size_scale, VOLUME_PLACES),
        number(trade.venue_ns, 9), "b" if trade.aggressor_side == BUY else "s", "l", "", trade.trade_id,
    )  # fmt: skip


def ticker_row(pair: Pair, now_ns: int) -> dict[str, object]:
    """A pair as `Ticker` tells it; today counts as the last 24 hours."""
    market, day = pair.market, DayFigures(pair.market, now_ns)
    scale, size_scale = day.price_scale, day.size_scale

    def top(level: tuple[int, int]) -> list[str]:
        size = padded(level[1], size_scale, 3)
        return [padded(level[0], scale, PRICE_PLACES), size.partition(".")[0], size]

    def twice(value: int, value_scale: int, places: int) -> list[str]:
        return [padded(value, value_scale, places)] * 2

    return {
        "a": top(market.best_ask()),
        "b": top(market.best_bid()),
        "c": [padded(day.last, scale, PRICE_PLACES), padded(day.last_size, size_scale, VOLUME_PLACES)],
        "v": twice(day.volume, size_scale, VOLUME_PLACES),
        "p": twice(day.average, scale, PRICE_PLACES),
        "t": [day.count, day.count],
        "l": twice(day.low, scale, PRICE_PLACES),
        "h": twice(day.high, scale, PRICE_PLACES),
        "o": padded(day.open, scale, PRICE_PLACES),
    }
