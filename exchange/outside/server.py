"""An HTTP and WebSocket server on one port: reads requests, asks its site for the answer, hands over WebSockets.

It promises: a client has a bounded time and room for everything that it sends; nothing that it does harms another or
ends the server; every request that could be read gets one answer. What the paths mean is the site's. HTTP is read by
h11, on the stream that a WebSocket then goes on with.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote

import attrs
import h11
import trio

from exchange.outside.params import OutsideParams
from exchange.outside.sockets import HandshakeRefused, Socket
from runtime.clock import Clock
from runtime.metrics import Gauge

if TYPE_CHECKING:
    from runtime.logs import Logger

MILLISECONDS: Final = 1_000
READ_BYTES: Final = 16 * 1024
LARGEST_HEAD_BYTES: Final = 16 * 1024
# Connections beyond the limit that still get an answer.
POLITE_REFUSALS: Final = 16


@attrs.frozen
class HttpRequest:
    """A whole request. Names of headers are in small letters; `query` is as it came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    address: str


@attrs.frozen
class HttpResponse:
    """An answer."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json;charset=UTF-8"),)


class SocketSession(Protocol):
    """What a site does with one WebSocket."""

    def receive(self, text: str) -> None:
        """Take a message of the client."""

    def leave(self) -> None:
        """Give up everything: the connection is over."""


class Site(Protocol):
    """What the paths of a server mean."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request; raises nothing that a client can cause."""

    def accept(self, request: HttpRequest, socket: Socket) -> SocketSession | HttpResponse:
        """Take a WebSocket, or refuse it with an answer. What is sent before it returns goes out first."""

    def fault(self, status: int, text: str) -> HttpResponse:
        """The answer to what is no proper request, in the form that the venue has for errors."""


class _Unreadable(Exception):
    """What came is no request that can be answered by the site."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class OutsideServer:
    """See the head of this file."""

    def __init__(
        self, params: OutsideParams, site: Site, clock: Clock, log: Logger, connected: Gauge | None = None
    ) -> None:
        self.params = params
        self.site = site
        self.clock = clock
        self.log = log
        self.port = 0
        self.connections = 0
        self.refused_connections = 0
        self._connected = connected
        self._by_address: dict[str, int] = {}

    async def serve(self, certificate: ssl.SSLContext | None, words: str) -> None:
        """Listen, tell where in the log, and serve until cancelled."""
        params = self.params
        plain = await trio.open_tcp_listeners(params.port, host=params.host)
        self.port = plain[0].socket.getsockname()[1]
        listeners: list[trio.abc.Listener[trio.abc.Stream]] = [*plain]
        if certificate is not None:
            listeners = [trio.SSLListener(one, certificate, https_compatible=True) for one in plain]
        scheme = "http" if certificate is None else "https"
        self.log.info(words, url=f"{scheme}://{params.host}:{self.port}")
        async with trio.open_nursery() as nursery:
            await trio.serve_listeners(self.serve_stream, listeners, handler_nursery=nursery)

    async def serve_stream(self, stream: trio.abc.Stream, address: str = "") -> None:
        """Serve one client from its first byte to its last; whatever it does ends here."""
        address = address or _address_of(stream)
        params = self.params
        held = self._by_address.get(address, 0)
        if self.connections >= params.most_connections + POLITE_REFUSALS:
            self.refused_connections += 1
            await trio.aclose_forcefully(stream)
            return
        is_crowded = self.connections >= params.most_connections or held >= params.most_connections_per_address
        self.connections += 1
        self._tell_connected()
        self._by_address[address] = held + 1
        try:
            if is_crowded:
                self.refused_connections += 1
            await self._serve_requests(stream, address, is_crowded)
        except* (h11.LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError, OSError) as group:
            self.log.debug("connection failed", address=address, error=repr(group.exceptions[0]))
        finally:
            self.connections -= 1
            self._tell_connected()
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            await trio.aclose_forcefully(stream)

    def _tell_connected(self) -> None:
        if self._connected is not None:
            self._connected.set(self.connections)

    async def _serve_requests(self, stream: trio.abc.Stream, address: str, is_crowded: bool) -> None:
        """One request after the other, until the client goes, becomes a WebSocket, or makes a mistake."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD_BYTES)
        while True:
            try:
                event = await self._read_request(http, stream, address)
                if event is None:
                    return
                request, headers, target = event
                if is_crowded:
                    raise _Unreadable(503, "too many connections: close some, or try again later")
                if request.headers.get("upgrade", "").lower() == "websocket":
                    await self._upgrade(http, stream, request, headers, target)
                    return
            except _Unreadable as wrong:
                if http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    fault = self.site.fault(wrong.status, wrong.text)
                    await self._respond(http, stream, attrs.evolve(fault, headers=(*fault.headers, _CLOSE)))
                return
            response = await self.site.answer(request)
            await self._respond(http, stream, response, request.method == "HEAD")
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()

    async def _read_request(
        self, http: h11.Connection, stream: trio.abc.Stream, address: str
    ) -> tuple[HttpRequest, list[tuple[bytes, bytes]], bytes] | None:
        """The next whole request, with its headers and target as they came; None where the client has gone."""
        head: h11.Request | None = None
        body = bytearray()
        # What a client has pipelined lies here already.
        begun = bool(http.trailing_data[0])
        until = trio.current_time() + (self.params.request_ms if begun else self.params.idle_ms) / MILLISECONDS
        while True:
            event = self._next_event(http)
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self.params.largest_body_bytes:
                    raise _Unreadable(413, f"a body has at most {self.params.largest_body_bytes} bytes")
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return _whole(head, bytes(body), address), list(head.headers), head.target
            elif isinstance(event, h11.ConnectionClosed):
                return None
            else:
                if http.they_are_waiting_for_100_continue:
                    await self._send(stream, http.send(h11.InformationalResponse(status_code=100, headers=[])))
                with trio.move_on_at(until) as scope:
                    http.receive_data(bytes(await stream.receive_some(READ_BYTES)))
                if scope.cancelled_caught:
                    if begun:
                        raise _Unreadable(408, "the request did not come whole in time")
                    return None
                if not begun:
                    begun = True
                    until = trio.current_time() + self.params.request_ms / MILLISECONDS

    def _next_event(self, http: h11.Connection) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            return http.next_event()
        except h11.RemoteProtocolError as error:
            raise _Unreadable(error.error_status_hint, str(error)[:200]) from None

    async def _respond(
        self, http: h11.Connection, stream: trio.abc.Stream, response: HttpResponse, is_head: bool = False
    ) -> None:
        headers = [*response.headers, ("content-length", str(len(response.body)))]
        reason = HTTPStatus(response.status).phrase
        data = http.send(h11.Response(status_code=response.status, headers=headers, reason=reason))
        if not is_head:
            data += http.send(h11.Data(data=response.body)) or b""
        data += http.send(h11.EndOfMessage()) or b""
        await self._send(stream, data)

    async def _send(self, stream: trio.abc.Stream, data: bytes | None) -> None:
        """Send, or give a client up that takes nothing."""
        with trio.move_on_after(self.params.stall_ms / MILLISECONDS) as scope:
            await stream.send_all(data or b"")
        if scope.cancelled_caught:
            raise trio.BrokenResourceError("the client does not read")

    async def _upgrade(
        self,
        http: h11.Connection,
        stream: trio.abc.Stream,
        request: HttpRequest,
        headers: list[tuple[bytes, bytes]],
        target: bytes,
    ) -> None:
        """Make it a WebSocket, and serve that until it ends."""
        socket = Socket(stream, self.params, self.clock, request.address)
        try:
            socket.shake_hands(headers, target)
        except HandshakeRefused as refused:
            raise _Unreadable(400, str(refused)) from None
        session = self.site.accept(request, socket)
        if isinstance(session, HttpResponse):
            await self._respond(http, stream, attrs.evolve(session, headers=(*session.headers, _CLOSE)))
            return
        try:
            await socket.serve(session.receive, http.trailing_data[0])
        finally:
            session.leave()


_CLOSE: Final = ("connection", "close")


def _whole(head: h11.Request, body: bytes, address: str) -> HttpRequest:
    path, _, query = head.target.decode("latin-1").partition("?")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
    return HttpRequest(head.method.decode("latin-1"), unquote(path), query, headers, body, address)


def _address_of(stream: trio.abc.Stream) -> str:
    """Where a client comes from; limits are held by it."""
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if isinstance(stream, trio.SocketStream):
        return str(stream.socket.getpeername()[0])
    return "memory"
