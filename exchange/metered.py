"""A stream that counts what a peer has sent since its last complete message, below the WebSocket.

The WebSocket library bounds the size of a message, not the number of empty fragments that never make one, nor pings
that never stop. Here both are bounded: what has come without a message is counted, slowly forgiven, and told when it
is too much.
"""

from __future__ import annotations

from collections.abc import Callable

import trio


class MeteredStream(trio.abc.Stream):
    """Passes everything on, and counts."""

    def __init__(self, stream: trio.abc.Stream, most_bytes: int, on_excess: Callable[[], None]) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._on_excess = on_excess
        self.unaccounted_bytes = 0
        # Something is being sent, or was given up half-way: nothing more can be sent after it.
        self.is_torn = False

    def account(self) -> None:
        """A message has come: what was counted belongs to it."""
        self.unaccounted_bytes = 0

    def forgive(self, size: int) -> None:
        """Some time has passed."""
        self.unaccounted_bytes = max(0, self.unaccounted_bytes - size)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What has come; tells where it has been too much."""
        data = await self._stream.receive_some(max_bytes)
        self.unaccounted_bytes += len(data)
        if self.unaccounted_bytes > self._most_bytes:
            self._on_excess()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        self.is_torn = True
        await self._stream.send_all(data)
        self.is_torn = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()
