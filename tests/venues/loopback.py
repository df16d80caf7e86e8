"""A connection over the loopback whose buffers hold little, and what its far end hears."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from websockets.frames import Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from venues.dialing import Dialing, Proxies
from venues.transport import MessageStream, StreamOptions, new_protocol

BUFFER_BYTES = 16 * 1024
PATIENCE_SECONDS = 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def small_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Both ends of a new connection."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listeners[0] as listener:
        # Before a connection is made: its window depends on it.
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        here = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        return here, await listener.accept()


def holds_something(stream: trio.SocketStream, patience_s: float = PATIENCE_SECONDS) -> bool:
    """Whether bytes have come to this end, as the kernel has it: no task gets a turn."""
    return bool(select.select([stream.socket.fileno()], [], [], patience_s)[0])


def reset(stream: trio.SocketStream) -> None:
    """End a connection as a machine does that knows nothing of it any more."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    stream.socket.close()


@attrs.define
class FarEnd:
    """The other side of a connection."""

    stream: trio.SocketStream
    protocol: ServerProtocol = attrs.field(factory=lambda: ServerProtocol(state=OPEN))
    heard: list[bytes] = attrs.field(factory=list)

    async def hear(self, count: int) -> list[bytes]:
        """Wait until so many messages and pings have come; gives what they hold."""
        while len(self.heard) < count:
            data = bytes(await self.stream.receive_some(1_000))
            assert data, "the connection has ended"
            self.protocol.receive_data(data)
            for event in self.protocol.events_received():
                assert isinstance(event, Frame)
                self.heard.append(bytes(event.data))
        return self.heard


@asynccontextmanager
async def over_loopback() -> AsyncIterator[tuple[MessageStream, FarEnd]]:
    """An open stream of messages, and who hears them."""
    options = StreamOptions(dialing=Dialing(proxies=Proxies()))
    here, there = await small_pair()
    async with here, there:
        with trio.fail_after(PATIENCE_SECONDS):
            protocol = new_protocol("ws://loopback", options, OPEN)
            yield MessageStream(here, protocol, options, lambda: 0), FarEnd(there)
