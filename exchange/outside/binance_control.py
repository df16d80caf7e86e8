"""One WebSocket client of Binance's spot protocol: what it asks for, and the streams that it has.

Requests and errors are those of the venue's documentation. A well-formed name of a stream that does not exist is
acknowledged and stays silent. It waits for nothing.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from exchange.outside.binance_frames import encode
from exchange.outside.binance_streams import Streams, shutdown_payload
from exchange.outside.sockets import Socket
from runtime.clock import Clock

LONGEST_NAME: Final = 128
LONGEST_ID: Final = 36
MAX_I64: Final = 2**63 - 1

METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

BAD_PROPERTY: Final = 0
BAD_VALUE: Final = 1
BAD_REQUEST: Final = 2
BAD_JSON: Final = 3

Id = int | str | None

_BYTE: Final = re.compile(r"byte (\d+)")
_METHOD: Final = re.compile(r'"method"\s*:\s*"(?:[^"\\]|\\.)*"')


class Refused(Exception):
    """A request that cannot be served; `code` is one of those above."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Reply(msgspec.Struct, frozen=True):
    """The answer to a request."""

    result: list[str] | bool | None
    id: Id


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong; `id` is left out where none could be read."""

    code: int
    msg: str
    id: Id | msgspec.UnsetType = msgspec.UNSET


class BinanceSession:
    """See the head of this file; it is a `SocketSession`, and a `Member` of its streams."""

    def __init__(self, streams: Streams, socket: Socket, clock: Clock, most_streams: int, is_combined: bool) -> None:
        self.is_combined = is_combined
        self._streams = streams
        self._socket = socket
        self._most_streams = most_streams
        self._names: dict[str, None] = {}
        socket.farewell = lambda: shutdown_payload(clock.now_ns(), self.is_combined)

    def send(self, frame: bytes) -> None:
        """Take a frame of a stream."""
        self._socket.send(frame)

    def begin(self, names: list[str]) -> None:
        """Have the streams that the address named; `Refused` where they are too many."""
        self._subscribe(names)

    def receive(self, text: str) -> None:
        """Answer a request."""
        request_id: Id | msgspec.UnsetType = msgspec.UNSET
        try:
            request = _decoded(text)
            request_id = _id_of(request)
            result = self._serve(request, text)
        except Refused as refused:
            self._socket.send_text(encode(Fault(refused.code, refused.text, request_id)))
            return
        self._socket.send_text(encode(Reply(result, request_id)))

    def leave(self) -> None:
        """The connection is over."""
        for name in self._names:
            self._streams.part(name, self)
        self._names.clear()

    # ---- requests

    def _serve(self, request: dict[str, object], text: str) -> list[str] | bool | None:
        method = request.get("method")
        if "method" not in request:
            raise Refused(BAD_REQUEST, f"Invalid request: missing field `method` at line 1 column {len(text)}")
        if method not in METHODS:
            known = ", ".join(f"`{one}`" for one in METHODS)
            place = _METHOD.search(text)
            column = len(text) if place is None else place.end()
            raise Refused(
                BAD_REQUEST,
                f"Invalid request: unknown variant {str(method)[:64]}, expected one of {known} "
                f"at line 1 column {column}",
            )
        if method == "LIST_SUBSCRIPTIONS":
            return list(self._names)
        params = request.get("params")
        if not isinstance(params, list):
            raise Refused(BAD_REQUEST, "Invalid request: params must be a list")
        if method == "SET_PROPERTY":
            self._set_property(params)
            return None
        if method == "GET_PROPERTY":
            _check_property(params, 1)
            return self.is_combined
        names: list[str] = []
        for name in params:
            if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
                raise Refused(
                    BAD_REQUEST, f"Invalid request: a stream is text of at most {LONGEST_NAME} characters"
                )
            names.append(name)
        if method == "SUBSCRIBE":
            self._subscribe(names)
        else:
            self._unsubscribe(names)
        return None

    def _subscribe(self, names: list[str]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self._names]
        if len(self._names) + len(new) > self._most_streams:
            raise Refused(
                BAD_REQUEST, f"Invalid request: a connection has at most {self._most_streams} streams"
            )
        for name in new:
            self._names[name] = None
            self._streams.join(name, self)

    def _unsubscribe(self, names: list[str]) -> None:
        for name in names:
            if name in self._names:
                del self._names[name]
                self._streams.part(name, self)

    def _set_property(self, params: list[object]) -> None:
        _check_property(params, 2)
        if not isinstance(params[1], bool):
            raise Refused(BAD_VALUE, "Invalid value type: expected Boolean")
        self.is_combined = params[1]


def _check_property(params: list[object], count: int) -> None:
    """Whether a request about a property is about the one that there is."""
    if len(params) > count:
        raise Refused(BAD_REQUEST, "Invalid request: too many parameters")
    if not params or not isinstance(params[0], str):
        raise Refused(BAD_REQUEST, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise Refused(BAD_PROPERTY, "Unknown property")
    if len(params) < count:
        raise Refused(BAD_VALUE, "Invalid value type: expected Boolean")


def _decoded(text: str) -> dict[str, object]:
    try:
        request = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        place = _BYTE.search(str(error))
        if place is None:
            raise Refused(BAD_JSON, f"Invalid JSON: EOF while parsing a value at line 1 column {len(text)}") from None
        raise Refused(BAD_JSON, f"Invalid JSON: expected value at line 1 column {int(place[1]) + 1}") from None
    except RecursionError:
        raise Refused(BAD_JSON, "Invalid JSON: recursion limit exceeded at line 1 column 128") from None
    if not isinstance(request, dict):
        raise Refused(BAD_REQUEST, "Invalid request: expected an object")
    return request


def _id_of(request: dict[str, object]) -> Id:
    """The request's id; one that is left out counts as null."""
    found = request.get("id")
    if found is None or (isinstance(found, str) and len(found) <= LONGEST_ID):
        return found
    if type(found) is int and -MAX_I64 - 1 <= found <= MAX_I64:
        return found
    raise Refused(BAD_REQUEST, "Invalid request: request ID must be an unsigned integer")
