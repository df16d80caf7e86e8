"""The site of Binance's spot protocol: which path is what, who may ask, how much, and which WebSockets there are.

A signature is checked before anything is done, then the time, then the rights. Weights and orders are counted in
fixed windows, as the venue counts them, and told in the headers of every answer. Whatever a client sends ends in an
answer of the venue's form.
"""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import unquote

from exchange.keys import Key, KeyRing
from exchange.outside.binance_account import ACCOUNT
from exchange.outside.binance_calls import OPEN, SIGNED, Call, Context, Endpoint, Endpoints
from exchange.outside.binance_control import BinanceSession, Refused
from exchange.outside.binance_errors import (
    BAD_KEY_FORMAT,
    BAD_WINDOW,
    BANNED_STATUS,
    INVALID_SIGNATURE,
    INVALID_TIMESTAMP,
    LIMITED_STATUS,
    TOO_MANY_ORDERS,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED_STATUS,
    UNKNOWN,
    ApiError,
    error_response,
    rejected_key,
)
from exchange.outside.binance_frames import encode, milliseconds
from exchange.outside.binance_params import BinanceParams
from exchange.outside.binance_public import PUBLIC
from exchange.outside.binance_query import Query, read_parameters, unsigned_payload
from exchange.outside.binance_streams import Streams
from exchange.outside.rates import SECOND_NS, Windows
from exchange.outside.server import HttpRequest, HttpResponse, SocketSession
from exchange.outside.sockets import Socket

ENDPOINTS: Final[Endpoints] = {**PUBLIC, **ACCOUNT}
PATHS: Final = frozenset(path for _, path in ENDPOINTS)

MINUTE_NS: Final = 60 * SECOND_NS
DEFAULT_WINDOW_MS: Final = 5_000
# A request may be so much ahead of the server's clock.
AHEAD_MS: Final = 1_000
# Past so many times its limit an address is shut out.
BAN_FACTOR: Final = 2
BAN_NS: Final = 2 * MINUTE_NS
LONGEST_KEY: Final = 64
_ORDER: Final = ("POST", "/api/v3/order")


class BinanceSite:
    """See the head of this file; it is the server's `Site`."""

    def __init__(self, params: BinanceParams, context: Context, streams: Streams) -> None:
        self.params = params
        self.keys = KeyRing()
        self._context = context
        self._streams = streams
        self._weights = Windows(MINUTE_NS)
        self._sockets = Windows(5 * MINUTE_NS)
        self._orders = Windows(10 * SECOND_NS)
        self._banned: dict[str, int] = {}

    # ---- requests

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Serve a request."""
        used: tuple[tuple[str, str], ...] = ()
        try:
            endpoint = self._endpoint(request)
            body = request.body.decode("utf-8", "replace")
            values = read_parameters(request.query, body)
            used = self._charge(request.address, endpoint.weight(values))
            query = Query(values, endpoint.known())
            key = self._authorized(request, body, endpoint, query)
            if (request.method, request.path) == _ORDER and key is not None:
                used = (*used, self._count_order(key))
            found = await endpoint.serve(Call(self._context, query, key))
        except ApiError as error:
            response = error_response(error)
            return HttpResponse(response.status, response.body, (*response.headers, *used))
        plain = HttpResponse(200, encode(found))
        return HttpResponse(200, plain.body, (*plain.headers, *used))

    def fault(self, status: int, text: str) -> HttpResponse:
        """What is no proper request."""
        return error_response(ApiError(UNKNOWN, text, status))

    def _endpoint(self, request: HttpRequest) -> Endpoint:
        endpoint = ENDPOINTS.get((request.method, request.path))
        if endpoint is None:
            self._charge(request.address, 1)
            if request.path in PATHS:
                raise ApiError(UNKNOWN, f"Request method '{request.method}' is not supported.", 405)
            raise ApiError(UNKNOWN, "There is no such path.", 404)
        return endpoint

    def _charge(self, address: str, weight: int) -> tuple[tuple[str, str], ...]:
        """Count a request's weight; gives the headers that tell it."""
        now_ns = self._context.clock.now_ns()
        banned_until = self._banned.get(address, 0)
        if banned_until > now_ns:
            raise self._ban(banned_until, now_ns)
        used = self._weights.use(address, weight, now_ns)
        limit = self.params.weight_per_minute
        if used > limit * BAN_FACTOR:
            self._banned = {one: until for one, until in self._banned.items() if until > now_ns}
            self._banned[address] = now_ns + BAN_NS
            raise self._ban(now_ns + BAN_NS, now_ns)
        told = (("x-mbx-used-weight", str(used)), ("x-mbx-used-weight-1m", str(used)))
        if used > limit:
            raise ApiError(
                TOO_MANY_REQUESTS,
                f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API.",
                LIMITED_STATUS,
                (("retry-after", str(self._weights.seconds_left(now_ns))), *told),
            )
        return told

    def _ban(self, until_ns: int, now_ns: int) -> ApiError:
        return ApiError(
            TOO_MANY_REQUESTS,
            f"Way too much request weight used; IP banned until {milliseconds(until_ns)}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            BANNED_STATUS,
            (("retry-after", str(math.ceil((until_ns - now_ns) / SECOND_NS))),),
        )

    def _count_order(self, key: Key) -> tuple[str, str]:
        now_ns = self._context.clock.now_ns()
        used = self._orders.use(str(key.account_id), 1, now_ns)
        limit = self.params.orders_per_10_seconds
        if used > limit:
            raise ApiError(
                TOO_MANY_ORDERS,
                f"Too many new orders; current limit is {limit} orders per 10 SECOND.",
                LIMITED_STATUS,
                (("retry-after", str(self._orders.seconds_left(now_ns))),),
            )
        return ("x-mbx-order-count-10s", str(used))

    # ---- who asks

    def _authorized(self, request: HttpRequest, body: str, endpoint: Endpoint, query: Query) -> Key | None:
        """The key that asks, where the path needs one."""
        if endpoint.security == OPEN:
            return None
        key_id = request.headers.get("x-mbx-apikey", "")
        if not 0 < len(key_id) <= LONGEST_KEY or not key_id.isascii():
            raise ApiError(BAD_KEY_FORMAT, "API-key format invalid.", UNAUTHORIZED_STATUS)
        key = self.keys.find(key_id)
        if key is None or (endpoint.scope and not key.scopes & endpoint.scope):
            raise rejected_key()
        if endpoint.security == SIGNED:
            sent_ms = query.whole("timestamp")
            signature = query.text("signature")
            if self.keys.verify(key_id, unsigned_payload(request.query, body), signature) is None:
                raise ApiError(INVALID_SIGNATURE, "Signature for this request is not valid.")
            self._check_time(query, sent_ms)
        return key

    def _check_time(self, query: Query, sent_ms: int) -> None:
        """Whether a request is neither old nor from the future."""
        window_ms = query.amount("recvWindow", 3, str(DEFAULT_WINDOW_MS)) / 1_000
        if window_ms > self.params.largest_window_ms:
            raise ApiError(BAD_WINDOW, f"recvWindow must be less than {self.params.largest_window_ms}.")
        # Clients may count in microseconds: no time in milliseconds has so many digits for thousands of years.
        sent_ms = sent_ms // 1_000 if sent_ms > 10**14 else sent_ms
        behind_ms = milliseconds(self._context.clock.now_ns()) - sent_ms
        if behind_ms <= -AHEAD_MS:
            raise ApiError(
                INVALID_TIMESTAMP, f"Timestamp for this request was {AHEAD_MS}ms ahead of the server's time."
            )
        if behind_ms > window_ms:
            raise ApiError(INVALID_TIMESTAMP, "Timestamp for this request is outside of the recvWindow.")

    # ---- WebSockets

    def accept(self, request: HttpRequest, socket: Socket) -> SocketSession | HttpResponse:
        """Take a WebSocket at `/ws`, `/ws/NAMES` or `/stream?streams=NAMES`."""
        try:
            return self._accept(request, socket)
        except ApiError as error:
            return error_response(error)
        except Refused as refused:
            return error_response(ApiError(UNKNOWN, refused.text))

    def _accept(self, request: HttpRequest, socket: Socket) -> BinanceSession:
        now_ns = self._context.clock.now_ns()
        limit = self.params.sockets_per_5_minutes
        if self._sockets.use(request.address, 1, now_ns) > limit:
            raise ApiError(
                TOO_MANY_REQUESTS,
                f"Too many connections; current limit is {limit} attempts per 5 MINUTE.",
                LIMITED_STATUS,
                (("retry-after", str(self._sockets.seconds_left(now_ns))),),
            )
        path = request.path.rstrip("/")
        values = dict(piece.partition("=")[::2] for piece in request.query.split("&") if piece)
        if "timeUnit" in values and values["timeUnit"].lower() != "millisecond":
            raise ApiError(UNKNOWN, "timeUnit: times are told in milliseconds here.")
        if path == "/stream":
            is_combined, names = True, unquote(values.get("streams", "")).split("/")
        elif path == "/ws" or path.startswith("/ws/"):
            is_combined, names = False, path.removeprefix("/ws").split("/")
        else:
            raise ApiError(UNKNOWN, "There is no such path.", 404)
        self._context.listen_keys.expire()
        session = BinanceSession(
            self._streams, socket, self._context.clock, self.params.most_streams, is_combined
        )
        session.begin([name for name in names if name])
        return session
