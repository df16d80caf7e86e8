"""The server's end of one WebSocket, on a stream whose HTTP part has been read already.

It promises: what is sent waits in one bounded queue and goes out in order, many frames in one write; a client that
reads too slowly, writes too often or too much, answers no ping or stays beyond its time is cut with a code and a
reason; a cut comes between two frames, never within one, unless the client takes nothing. A frame for many clients is
built once, by `text_frame`. It knows no venue.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from exchange.outside.params import OutsideParams
from exchange.sessions import Bucket
from runtime.channels import Doorbell
from runtime.clock import Clock

MILLISECONDS: Final = 1_000
READ_BYTES: Final = 16 * 1024
LARGEST_WRITE_BYTES: Final = 64 * 1024

CLOSE_NORMAL: Final = 1000
CLOSE_GOING_AWAY: Final = 1001
CLOSE_PROTOCOL: Final = 1002
CLOSE_UNSUPPORTED: Final = 1003
CLOSE_POLICY: Final = 1008
CLOSE_TOO_LARGE: Final = 1009

_TEXT: Final = 0x81
_SHORT: Final = 126
_LONG: Final = 65_536


def text_frame(payload: bytes) -> bytes:
    """A text message as a server sends it: whole, unmasked, uncompressed; the payload must be UTF-8."""
    size = len(payload)
    if size < _SHORT:
        return bytes((_TEXT, size)) + payload
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class HandshakeRefused(Exception):
    """The request asks for a WebSocket in a way that no server can accept; the message says what is wrong."""


class Socket:
    """See the head of this file."""

    def __init__(self, stream: trio.abc.Stream, params: OutsideParams, clock: Clock, address: str) -> None:
        self.address = address
        self.params = params
        self.close_code = CLOSE_NORMAL
        self.close_reason = ""
        self.is_cut = False
        self.waiting_bytes = 0
        # The last message of a connection that the server ends of itself.
        self.farewell: Callable[[], bytes] | None = None
        self._stream = stream
        self._clock = clock
        self._ws = WSConnection(ConnectionType.SERVER)
        self._rate = Bucket(params.frames_per_second, params.frames_burst)
        self._waiting: deque[bytes] = deque()
        self._bell = Doorbell()
        self._scope: trio.CancelScope | None = None
        self._sending: trio.CancelScope | None = None
        self._stall_seconds = params.stall_ms / MILLISECONDS
        self._is_torn = False
        self._is_closed_by_peer = False
        self._pong_due = math.inf
        self._parts: list[str] = []
        self._size = 0

    # ---- what its owner does with it

    def send(self, frame: bytes) -> None:
        """Queue a whole frame; a client for whom it does not fit is cut."""
        if self.is_cut:
            return
        if self.waiting_bytes + len(frame) > self.params.queue_bytes:
            self.cut(CLOSE_POLICY, "the client reads too slowly")
            return
        self._push(frame)

    def send_text(self, payload: bytes) -> None:
        """Queue a text message."""
        self.send(text_frame(payload))

    def cut(self, code: int, reason: str) -> None:
        """End the connection once what waits is sent; the first reason counts."""
        if not self.is_cut:
            self.is_cut = True
            self.close_code = code
            self.close_reason = reason
            if self._scope is not None:
                self._scope.cancel()

    # ---- its life

    def shake_hands(self, headers: list[tuple[bytes, bytes]], target: bytes) -> None:
        """Queue the answer that opens it; `HandshakeRefused` where the request is not one for a WebSocket."""
        try:
            self._ws.initiate_upgrade_connection(headers, target)
            for event in self._ws.events():
                if isinstance(event, Request):
                    self._push(self._ws.send(AcceptConnection()))
        except (RemoteProtocolError, LocalProtocolError, UnicodeDecodeError) as error:
            raise HandshakeRefused(str(error)) from None

    async def serve(self, receive: Callable[[str], None], first: bytes) -> None:
        """Serve until either side ends it; `receive` gets every text message, `first` came with the request."""
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                if self.is_cut:
                    return
                nursery.start_soon(self._write)
                nursery.start_soon(self._keep)
                await self._read(receive, first)
                nursery.cancel_scope.cancel()
        finally:
            if not self.is_cut:
                if not self._is_closed_by_peer:
                    self.close_code, self.close_reason = CLOSE_GOING_AWAY, "the server ends"
                    if self.farewell is not None:
                        self._push(text_frame(self.farewell()))
                self.is_cut = True
            await self._finish()

    async def _read(self, receive: Callable[[str], None], first: bytes) -> None:
        data: bytes | bytearray = first
        while not self.is_cut:
            if data:
                try:
                    self._ws.receive_data(bytes(data))
                    for event in self._ws.events():
                        if not self._take(event, receive):
                            return
                except RemoteProtocolError as error:
                    self.cut(CLOSE_PROTOCOL, str(error)[:100])
                    return
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                self._is_closed_by_peer = True
                self._is_torn = True
                return

    def _take(self, event: Event, receive: Callable[[str], None]) -> bool:
        """One event; False where it is the last one."""
        if isinstance(event, TextMessage):
            self._parts.append(event.data)
            self._size += len(event.data.encode())
            if self._size > self.params.largest_frame_bytes:
                self.cut(CLOSE_TOO_LARGE, f"messages have at most {self.params.largest_frame_bytes} bytes")
            elif event.frame_finished and self._is_in_time() and event.message_finished:
                text = "".join(self._parts)
                self._parts.clear()
                self._size = 0
                receive(text)
        elif isinstance(event, BytesMessage):
            self.cut(CLOSE_UNSUPPORTED, "send text messages")
        elif isinstance(event, Ping):
            if self._is_in_time():
                self._push(self._ws.send(event.response()))
        elif isinstance(event, Pong):
            self._pong_due = math.inf
            self._is_in_time()
        elif isinstance(event, CloseConnection):
            self._is_closed_by_peer = True
            self._push(self._ws.send(event.response()))
            return False
        return not self.is_cut

    def _is_in_time(self) -> bool:
        """Count a frame of the client; says whether the connection goes on."""
        if not self._rate.take(self._clock.now_ns()):
            self.cut(CLOSE_POLICY, "Too many requests")
        return not self.is_cut

    async def _keep(self) -> None:
        """Send pings, and end a client that answers none or stays beyond its time."""
        params = self.params
        born = trio.current_time()
        ends = born + params.life_ms / MILLISECONDS if params.life_ms else math.inf
        every = params.ping_ms / MILLISECONDS if params.ping_ms else math.inf
        next_ping = born + every
        try:
            while True:
                await trio.sleep_until(min(ends, next_ping, self._pong_due))
                now = trio.current_time()
                if now >= ends:
                    self.cut(CLOSE_NORMAL, "the connection has reached its age: connect again")
                if now >= self._pong_due:
                    self.cut(CLOSE_POLICY, "Pong timeout")
                if now >= next_ping:
                    next_ping += every
                    self._pong_due = min(self._pong_due, now + params.pong_ms / MILLISECONDS)
                    self._push(self._ws.send(Ping(payload=str(self._clock.now_ns() // 1_000_000).encode())))
        finally:
            # What is being sent, and what follows, has only so long from here on.
            self._stall_seconds = params.close_ms / MILLISECONDS
            if self._sending is not None:
                self._sending.deadline = min(self._sending.deadline, trio.current_time() + self._stall_seconds)

    # ---- writing

    def _push(self, data: bytes) -> None:
        self._waiting.append(data)
        self.waiting_bytes += len(data)
        self._bell.ring()

    def _next_write(self) -> bytes:
        """As many waiting frames as make one write."""
        waiting = self._waiting
        parts: list[bytes] = []
        size = 0
        while waiting and size < LARGEST_WRITE_BYTES:
            frame = waiting.popleft()
            size += len(frame)
            parts.append(frame)
        self.waiting_bytes -= size
        return b"".join(parts)

    async def _write(self) -> None:
        while not self._is_torn:
            if self._waiting:
                await self._send_next()
            else:
                await self._bell.wait()

    async def _send_next(self) -> None:
        """One write, whole, unless the client takes nothing: then nothing more can be sent."""
        data = self._next_write()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._stall_seconds) as scope:
            self._sending = scope
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._is_torn = True
        self._sending = None
        if scope.cancelled_caught:
            self._is_torn = True
            self.cut(CLOSE_POLICY, "the client reads too slowly")
        if not self._waiting:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def _finish(self) -> None:
        """Send what still waits, and the closing frame, as far as the client takes it."""
        if self._is_torn:
            return
        with trio.move_on_after(self.params.close_ms / MILLISECONDS, shield=True):
            if not self._is_closed_by_peer:
                # A peer that has closed in the same moment is no fault.
                with suppress(LocalProtocolError):
                    self._push(self._ws.send(CloseConnection(self.close_code, self.close_reason[:120] or None)))
            while self._waiting and not self._is_torn:
                await self._send_next()
            if not self._is_closed_by_peer:
                await self._await_close()

    async def _await_close(self) -> None:
        """Give the client time to read why it was cut: a stream that is closed with bytes unread may lose them."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, RemoteProtocolError):
            while data := await self._stream.receive_some(READ_BYTES):
                self._ws.receive_data(bytes(data))
                if any(isinstance(event, CloseConnection) for event in self._ws.events()):
                    return
