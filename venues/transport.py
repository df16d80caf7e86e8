"""The client's side of a WebSocket: frames in batches, the time stamped once a read, pings answered.

Common frames are read by `venues/frame_reader.py`; the handshake, control frames, fragments and compression are the
work of the sans-I/O core of `websockets`. It promises that what is read is what the library alone would give, in its
order, and that a message above the limit ends the connection. Every way in which a connection fails is a
`TransportError`. It never reconnects, and never says anything of its own beside pongs and the closing frame.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import attrs
import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.protocol import CONNECTING, OPEN, State
from websockets.uri import parse_uri

from venues.dialing import STREAM_SCHEMES, DialFailed, Dialing, address_of, closed_on_failure, dial
from venues.frame_reader import FrameReader

NORMAL: Final = 1000
ABNORMAL: Final = 1006
READ_BYTES: Final = 64 * 1024
CLOSING_SECONDS: Final = 0.5
USER_AGENT: Final = "hftrun"
_SHOWN_BYTES: Final = 200
_END_OF_HEAD: Final = b"\r\n\r\n"
_MOST_HEAD_BYTES: Final = 64 * 1024
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class TransportError(Exception):
    """Something is wrong with a connection; the message is for people."""


class HandshakeRefused(TransportError):
    """The other side answered, and not with a WebSocket."""

    def __init__(self, reason: str, status: int = 0, retry_after: str = "") -> None:
        """Keep the status of the answer, 0 for none, and how long the venue wants to be left alone."""
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class StreamClosed(TransportError):
    """The connection has ended, with the code of RFC 6455; 1006 is an end without a farewell."""

    def __init__(self, code: int, reason: str) -> None:
        """Keep code and reason."""
        super().__init__(f"closed with code {code}{f': {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


@attrs.frozen(kw_only=True)
class StreamOptions:
    """How a connection is made and kept."""

    dialing: Dialing = attrs.field(factory=Dialing)
    compression: bool = False
    most_message_bytes: int = 16 * 1024 * 1024
    read_bytes: int = READ_BYTES
    handshake_s: float = 10.0


class MessageStream:
    """An open connection; made by `open_stream`. One task reads, any may send."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        protocol: ClientProtocol,
        options: StreamOptions,
        now_ns: Callable[[], int],
        early: bytes = b"",
    ) -> None:
        self.controls = 0
        """Control frames that have come: signs of life without a message."""
        self.bytes_read = 0
        self._stream = stream
        self._protocol = protocol
        self._now_ns = now_ns
        self._read_bytes = options.read_bytes
        self._most_bytes = options.most_message_bytes
        self._reader = FrameReader(options.most_message_bytes)
        self._message = bytearray()
        self._sending = trio.Lock()
        self._cause = ""
        # What `send_at_once` could not write.
        self._rest = bytearray()
        # What came in one read with the answer to the handshake.
        self._early = early

    async def read(self) -> tuple[int, list[bytes]]:
        """What one read of the socket completed, maybe nothing, and when it was read; raises `StreamClosed` at the end.

        Frames that came before the end are given first.
        """
        protocol = self._protocol
        if protocol.state is not OPEN:
            raise self._closed()
        data, self._early = self._early, b""
        if not data:
            try:
                data = bytes(await self._stream.receive_some(self._read_bytes))
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._cause = str(error.__cause__ or error)
        receive_ns = self._now_ns()
        frames: list[bytes] = []
        self.take(data, frames)
        if protocol.writes:
            # When a pong cannot be sent, the next read tells how the connection ended.
            with suppress(StreamClosed):
                await self.flush()
        if protocol.state is not OPEN and not frames:
            raise self._closed()
        return receive_ns, frames

    def take(self, data: bytes, frames: list[bytes]) -> None:
        """Append the messages that these bytes complete; no bytes at all are the end of the stream."""
        self.bytes_read += len(data)
        reader = self._reader
        if not data:
            self._hear(reader.rest(), frames)
            self._protocol.receive_eof()
            return
        reader.feed(data)
        while uncommon := reader.take(frames):
            self._hear(uncommon, frames)

    def _hear(self, data: bytes, frames: list[bytes]) -> None:
        """Let the library have its part."""
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode not in _DATA:
                self.controls += 1
            elif not event.fin:
                self._message += event.data
            elif self._message:
                frames.append(bytes(self._message + event.data))
                self._message = bytearray()
            else:
                frames.append(bytes(event.data))
        self._reader.is_fragmented = protocol.current_size is not None
        if protocol.state is not OPEN:
            self._reader.is_over = True

    async def send(self, text: bytes) -> None:
        """Send a text message."""
        if self._protocol.state is not OPEN:
            raise self._closed()
        self._protocol.send_text(text)
        await self.flush()

    @property
    def is_direct(self) -> bool:
        """Whether `send_at_once` may be called: the socket is a bare one, and nothing waits to be written to it.

        In TLS it never may: what a write there has to wait for is not only room.
        """
        is_bare = isinstance(self._stream, trio.SocketStream)
        return is_bare and not self._rest and not self._sending.locked() and self._protocol.state is OPEN

    @property
    def is_behind(self) -> bool:
        """Whether `send_at_once` has left something: `flush` sends it, and so does everything that sends."""
        return bool(self._rest)

    def send_at_once(self, text: bytes) -> bool:
        """Send a text message without waiting, while `is_direct`; False if something of it is left, see `is_behind`."""
        stream, rest = self._stream, self._rest
        assert isinstance(stream, trio.SocketStream)
        self._protocol.send_text(text)
        rest += b"".join(self._protocol.data_to_send())
        # A full socket is waited for by `flush`, which fails of one that is gone: an error has one way to be told.
        with suppress(OSError):
            del rest[: os.write(stream.socket.fileno(), rest)]
        return not rest

    async def ping(self) -> None:
        """Ask for a sign of life; the pong counts among `controls`."""
        if self._protocol.state is not OPEN:
            raise self._closed()
        self._protocol.send_ping(b"")
        await self.flush()

    async def aclose(self) -> None:
        """Say farewell and close; it waits a moment for what cannot be sent at once, and never fails."""
        with trio.move_on_after(CLOSING_SECONDS, shield=True):
            with suppress(StreamClosed):
                if self._protocol.state is OPEN:
                    self._protocol.send_close(NORMAL)
                await self.flush()
        await trio.aclose_forcefully(self._stream)

    async def flush(self) -> None:
        """Send what is left of a message, then what the library has to say."""
        async with self._sending:
            data = b"".join((self._rest, *self._protocol.data_to_send()))
            self._rest.clear()
            if not data:
                return
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._cause = str(error.__cause__ or error)
                raise self._closed() from error

    def _closed(self) -> StreamClosed:
        """How it ended: by the venue's closing frame, by ours, or without any."""
        protocol = self._protocol
        if protocol.close_rcvd is not None:
            return StreamClosed(protocol.close_rcvd.code, protocol.close_rcvd.reason)
        if protocol.close_sent is not None and protocol.close_sent.code != NORMAL:
            return StreamClosed(protocol.close_sent.code, protocol.close_sent.reason)
        return StreamClosed(ABNORMAL, self._cause or "the connection ended without a farewell")


def new_protocol(url: str, options: StreamOptions, state: State = CONNECTING) -> ClientProtocol:
    """The library's part of one connection."""
    extensions = [ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5})] if options.compression else None
    return ClientProtocol(parse_uri(url), extensions=extensions, state=state, max_size=options.most_message_bytes)


async def shake_hands(stream: trio.abc.Stream, url: str, options: StreamOptions) -> tuple[ClientProtocol, bytes]:
    """Make a WebSocket of a stream, or say why it is none; gives what came behind the answer as well."""
    protocol = new_protocol(url, options)
    request = protocol.connect()
    request.headers["User-Agent"] = USER_AGENT
    protocol.send_request(request)
    head = b""
    is_head_over = False
    try:
        await stream.send_all(b"".join(protocol.data_to_send()))
        while protocol.state is CONNECTING and protocol.handshake_exc is None:
            data = bytes(await stream.receive_some(options.read_bytes))
            if not data:
                protocol.receive_data(head)
                protocol.receive_eof()
                break
            head += data
            end = head.find(_END_OF_HEAD)
            if end >= 0 and not is_head_over:
                # No more than the head: whole frames behind it are for the reader, not for the library.
                is_head_over = True
                end += len(_END_OF_HEAD)
                protocol.receive_data(head[:end])
                head = head[end:]
                if protocol.state is not CONNECTING:
                    break
            if is_head_over or len(head) > _MOST_HEAD_BYTES:
                # The answer is a refusal with a body, or nothing that the library will take.
                protocol.receive_data(head)
                head = b""
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise HandshakeRefused(f"the connection broke in the handshake: {error.__cause__ or error}") from error
    refusal = protocol.handshake_exc
    if refusal is not None:
        raise _refusal_of(refusal)
    protocol.events_received()
    return protocol, head


def _refusal_of(error: Exception) -> HandshakeRefused:
    if isinstance(error, InvalidStatus):
        response = error.response
        body = bytes(response.body or b"")[:_SHOWN_BYTES].decode(errors="replace").strip()
        status = response.status_code
        text = f"the handshake was refused with status {status}{f': {body}' if body else ''}"
        return HandshakeRefused(text, status, response.headers.get("Retry-After", ""))
    kind = "invalid handshake" if isinstance(error, InvalidHandshake) else "no handshake"
    return HandshakeRefused(f"{kind}: {error}")


@asynccontextmanager
async def open_stream(
    url: str, options: StreamOptions, now_ns: Callable[[], int]
) -> AsyncIterator[MessageStream]:
    """An open connection to a ws or wss address, closed at the end; raises `DialFailed` or `HandshakeRefused`."""
    address = address_of(url, STREAM_SCHEMES)
    try:
        parse_uri(url)
    except (InvalidURI, ValueError) as error:
        raise DialFailed(f"{url!r} is no address of a stream: {error}") from error
    stream = await dial(address, options.dialing)
    try:
        async with closed_on_failure(stream):
            with trio.fail_after(options.handshake_s):
                protocol, early = await shake_hands(stream, url, options)
    except trio.TooSlowError as error:
        raise DialFailed(f"no handshake with {url} in {options.handshake_s:g} s") from error
    messages = MessageStream(stream, protocol, options, now_ns, early)
    try:
        yield messages
    finally:
        await messages.aclose()
