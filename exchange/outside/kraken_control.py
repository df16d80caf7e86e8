"""One WebSocket client of Kraken's protocol: what it asks for, the channels that it has, and its heartbeat.

Each symbol of a request gets an answer of its own, and then its snapshot. A heartbeat goes out when a client that has
a channel has heard nothing for a second. It waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from exchange.outside.figures import SECOND_NS, time_text
from exchange.outside.kraken_frames import HEARTBEAT, encode, instrument_frame, status_frame
from exchange.outside.kraken_params import KrakenParams
from exchange.outside.kraken_streams import DEPTHS, TRADES, TRIGGERS, Name, Streams
from exchange.outside.sockets import Socket, text_frame
from exchange.sessions import Bucket
from runtime.clock import Clock

MAX_U64: Final = 2**64 - 1
MOST_SYMBOLS: Final = 1_000
CHANNELS: Final = ("book", "ticker", "trade", "instrument")
METHODS: Final = ("subscribe", "unsubscribe", "ping")

_WARNING: Final = "tick_size is deprecated, use price_increment"
_HEARTBEAT: Final = text_frame(HEARTBEAT)
_decode: Final = msgspec.json.Decoder().decode


class Refused(Exception):
    """A request, or a symbol of it, that cannot be served; the message is what the client reads."""


class KrakenSession:
    """See the head of this file; it is a `SocketSession`, and a `Member` of its channels."""

    def __init__(self, streams: Streams, socket: Socket, clock: Clock, params: KrakenParams, number: int) -> None:
        self._streams = streams
        self._socket = socket
        self._clock = clock
        self._rate = Bucket(params.messages_per_second, params.messages_burst)
        self._names: dict[Name, None] = {}
        self._has_instruments = False
        self._sent_ns = clock.now_ns()
        streams.clients[self] = None
        self.send(text_frame(status_frame(self._sent_ns + number)))

    def send(self, frame: bytes) -> None:
        """Take a frame."""
        self._sent_ns = self._clock.now_ns()
        self._socket.send(frame)

    def beat(self) -> None:
        """A second of silence ends with a heartbeat."""
        if (self._names or self._has_instruments) and self._clock.now_ns() - self._sent_ns >= SECOND_NS:
            self.send(_HEARTBEAT)

    def receive(self, text: str) -> None:
        """Answer a request."""
        time_in = time_text(self._clock.now_ns())
        method, request_id = "error", None
        try:
            request = _read(text)
            method, request_id = _method_of(request), _request_id(request)
            if not self._rate.take(self._clock.now_ns()):
                raise Refused("Exceeded msg rate")
            if method == "ping":
                self._answer({"method": "pong", **request_id}, time_in)
                return
            for answer, snapshot in self._serve(method, request.get("params")):
                told = {"method": method, **request_id, **answer}
                self._answer(dict(sorted(told.items())), time_in)
                if snapshot is not None:
                    self.send(text_frame(snapshot))
        except Refused as refused:
            self._answer({"error": str(refused), "method": method, **(request_id or {}), "success": False}, time_in)

    def leave(self) -> None:
        """The connection is over."""
        for name in self._names:
            self._streams.part(name, self)
        self._names.clear()
        self._streams.followers.pop(self, None)
        self._streams.clients.pop(self, None)

    def _answer(self, told: dict[str, object], time_in: str) -> None:
        times = {"time_in": time_in, "time_out": time_text(self._clock.now_ns())}
        self.send(text_frame(encode({**told, **times})))

    # ---- requests

    def _serve(self, method: str, params: object) -> Iterator[tuple[dict[str, object], bytes | None]]:
        """The answers to a request, each with the snapshot that follows it."""
        if not isinstance(params, dict):
            raise Refused("Malformed request")
        channel = params.get("channel")
        if channel not in CHANNELS:
            raise Refused(f"Channel not supported {str(channel)[:64]}")
        wants_snapshot = params.get("snapshot", channel != "trade")
        if not isinstance(wants_snapshot, bool):
            raise Refused("Snapshot must be a boolean")
        if channel == "instrument":
            yield self._serve_instruments(method, wants_snapshot)
            return
        option = _option_of(channel, params)
        told = {"book": {"depth": option}, "ticker": {"event_trigger": option}}.get(channel, {})
        if method == "subscribe":
            told = {**told, "snapshot": wants_snapshot}
        for symbol in _symbols_of(params):
            result = {"channel": channel, **told, "symbol": symbol}
            try:
                snapshot = self._change(method, (channel, symbol, option), wants_snapshot)
            except Refused as refused:
                yield {"error": str(refused), "success": False}, None
            else:
                yield {"result": dict(sorted(result.items())), "success": True}, snapshot

    def _change(self, method: str, name: Name, wants_snapshot: bool) -> bytes | None:
        """Give or take a channel; gives its snapshot."""
        channel, symbol, _ = name
        if symbol not in self._streams.pairs:
            raise Refused(f"Currency pair not supported {symbol[:64]}")
        if method == "unsubscribe":
            if name not in self._names:
                raise Refused(f"Subscription not found {symbol}")
            del self._names[name]
            self._streams.part(name, self)
            return None
        if any(one[:2] == (channel, symbol) for one in self._names):
            raise Refused(f"Already subscribed to one {channel} {symbol}")
        self._names[name] = None
        stream = self._streams.join(name, self)
        return stream.snapshot() if wants_snapshot else None

    def _serve_instruments(self, method: str, wants_snapshot: bool) -> tuple[dict[str, object], bytes | None]:
        streams = self._streams
        if method == "unsubscribe":
            if not self._has_instruments:
                raise Refused("Subscription not found instrument")
            self._has_instruments = False
            streams.followers.pop(self, None)
            return {"result": {"channel": "instrument"}, "success": True}, None
        if self._has_instruments:
            raise Refused("Already subscribed to one instrument")
        self._has_instruments = True
        streams.followers[self] = None
        snapshot = instrument_frame("snapshot", list(streams.pairs.values()), streams.assets)
        result = {"channel": "instrument", "snapshot": wants_snapshot, "warnings": [_WARNING]}
        return {"result": result, "success": True}, snapshot if wants_snapshot else None


def _read(text: str) -> dict[str, object]:
    try:
        request = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise Refused("Malformed request") from None
    if not isinstance(request, dict):
        raise Refused("Malformed request")
    return request


def _method_of(request: dict[str, object]) -> str:
    method = request.get("method")
    if not isinstance(method, str) or method not in METHODS:
        raise Refused("Malformed request")
    return method


def _request_id(request: dict[str, object]) -> dict[str, object]:
    """What of the answer tells which request it is for."""
    found = request.get("req_id")
    if found is None:
        return {}
    if type(found) is not int or not 0 <= found <= MAX_U64:
        raise Refused("Malformed request")
    return {"req_id": found}


def _symbols_of(params: dict[str, object]) -> list[str]:
    symbols = params.get("symbol")
    if not isinstance(symbols, list) or not 0 < len(symbols) <= MOST_SYMBOLS:
        raise Refused("Symbol(s) must be a list of currency pairs")
    found: list[str] = []
    for symbol in symbols:
        if not isinstance(symbol, str):
            raise Refused("Symbol(s) must be a list of currency pairs")
        found.append(symbol)
    return list(dict.fromkeys(found))


def _option_of(channel: str, params: dict[str, object]) -> int | str | None:
    """The depth of a book, or the trigger of a ticker."""
    if channel == "book":
        depth = params.get("depth", DEPTHS[0])
        if type(depth) is not int:
            raise Refused("Subscription book depth must be an integer")
        if depth not in DEPTHS:
            raise Refused("Subscription depth not supported")
        return depth
    if channel == "ticker":
        trigger = params.get("event_trigger", TRADES)
        if trigger not in TRIGGERS:
            raise Refused("Event trigger not supported")
        return str(trigger)
    return None
