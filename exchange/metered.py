"""The stream below a client's WebSocket: bounds what comes without a message, and how long a write may take.

The WebSocket library bounds the size of a message, not the number of empty fragments that never make one, nor pings
that never stop: what has come without a message is counted here, slowly forgiven, and told when it is too much. Nor
does it tell who waits for a handshake that the peer has gone: the end of the stream is told as well. A write is never
given up because its task is cancelled, only because its time is over: half of a frame would leave the client without
the closing frame that says why it was cut.
"""

from __future__ import annotations

from collections.abc import Callable

import trio


class EndToldStream(trio.abc.Stream):
    """A stream that tells its end: the WebSocket library waits for a handshake also from a peer that is gone."""

    def __init__(self, stream: trio.abc.Stream, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What has come; tells when nothing more comes."""
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._on_end()
            raise
        if not data:
            self._on_end()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close."""
        self._on_end()
        await self._stream.aclose()


class MeteredStream(EndToldStream):
    """See the head of this file."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        most_bytes: int,
        stall_seconds: float,
        on_excess: Callable[[], None],
        on_stall: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(stream, on_end)
        self._most_bytes = most_bytes
        self._stall_seconds = stall_seconds
        self._on_excess = on_excess
        self._on_stall = on_stall
        self._sending: trio.CancelScope | None = None
        self.unaccounted_bytes = 0
        # A write was given up half-way: nothing can be sent after it.
        self.is_torn = False
        # The connection ends, and nobody should begin to write but who ends it.
        self.is_hurried = False

    def account(self) -> None:
        """A message has come: what was counted belongs to it."""
        self.unaccounted_bytes = 0

    def forgive(self, size: int) -> None:
        """Some time has passed."""
        self.unaccounted_bytes = max(0, self.unaccounted_bytes - size)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What has come; tells where it has been too much, and when nothing more comes."""
        data = await super().receive_some(max_bytes)
        self.unaccounted_bytes += len(data)
        if self.unaccounted_bytes > self._most_bytes:
            self._on_excess()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, or tell that the peer takes nothing."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._stall_seconds) as scope:
            self._sending = scope
            await self._stream.send_all(data)
        self._sending = None
        if scope.cancelled_caught:
            self.is_torn = True
            self._on_stall()
            raise trio.BrokenResourceError("the peer does not read")

    def hurry(self, seconds: float) -> None:
        """The connection ends: what is being sent, and what follows, has this long."""
        self.is_hurried = True
        self._stall_seconds = seconds
        if self._sending is not None:
            self._sending.deadline = min(self._sending.deadline, trio.current_time() + seconds)
