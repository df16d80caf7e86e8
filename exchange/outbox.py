"""What waits to be sent to one client, bounded, with a stated rule for a client that reads too slowly.

Private events and answers go first, are never left out, and have a bound of bytes: what does not fit is told to the
caller, who ends the connection. Public events share a second bound. Past it the deltas of a book are dropped and the
client gets a fresh book once it has caught up; of other channels the oldest events are dropped, and how many is told.
Nothing here waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from exchange.protocol_events import Missed, encode

LARGEST_FRAME_BYTES: Final = 64 * 1024


class FreshBook(Protocol):
    """Where a stream of a book gets the book as it is now."""

    def fresh(self) -> Sequence[bytes] | None:
        """The events that bring a client up to date; None while the book itself is not."""


class Stream:
    """One client's subscription to one channel, and what of it waits."""

    __slots__ = ("channel", "is_stale", "missed", "outbox", "pending", "source")

    def __init__(self, channel: str, outbox: Outbox, source: FreshBook | None) -> None:
        self.channel = channel
        self.outbox = outbox
        self.source = source
        self.pending: deque[bytes] = deque()
        self.missed = 0
        # A book begins with a fresh one.
        self.is_stale = source is not None


class Outbox:
    """The queues of one connection."""

    def __init__(self, private_limit: int, public_limit: int, ring: Callable[[], None]) -> None:
        self.private_limit = private_limit
        self.public_limit = public_limit
        self.private_bytes = 0
        self.public_bytes = 0
        self.sent_frames = 0
        self._private: deque[bytes] = deque()
        self._ready: dict[Stream, None] = {}
        self._heartbeat = b""
        self._ring = ring

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._private or self._ready or self._heartbeat)

    def add_private(self, event: bytes) -> bool:
        """Queue what must not be left out; False where it does not fit."""
        size = len(event)
        if self.private_bytes + size > self.private_limit:
            return False
        self.private_bytes += size
        self._private.append(event)
        self._ring()
        return True

    def add_heartbeat(self, event: bytes) -> None:
        """Queue a sign of life in the place of one that still waits."""
        self._heartbeat = event
        self._ring()

    def add_public(self, stream: Stream, event: bytes) -> None:
        """Queue an event of a channel, or leave something out by the rule."""
        if stream.is_stale:
            return
        size = len(event)
        if self.public_bytes + size > self.public_limit and not self._make_room(stream, size):
            return
        self.public_bytes += size
        stream.pending.append(event)
        self._ready[stream] = None
        self._ring()

    def refresh(self, stream: Stream) -> None:
        """Send the whole book next; what waits of it is out of date."""
        self._drop_pending(stream)
        stream.is_stale = True
        self._ready[stream] = None
        self._ring()

    def remove(self, stream: Stream) -> None:
        """Forget what waits of a channel."""
        self._drop_pending(stream)
        self._ready.pop(stream, None)

    def take(self) -> str | None:
        """The next frame: as many waiting events as it may hold, or None when nothing waits."""
        parts: list[bytes] = []
        size = self._take_private(parts)
        if self._heartbeat:
            parts.append(self._heartbeat)
            self._heartbeat = b""
        while self._ready and size < LARGEST_FRAME_BYTES:
            stream = next(iter(self._ready))
            del self._ready[stream]
            size += self._take_public(stream, parts, LARGEST_FRAME_BYTES - size)
        if not parts:
            return None
        self.sent_frames += 1
        return (b"[" + b",".join(parts) + b"]").decode()

    def _take_private(self, parts: list[bytes]) -> int:
        private = self._private
        size = 0
        while private and size < LARGEST_FRAME_BYTES:
            event = private.popleft()
            size += len(event)
            parts.append(event)
        self.private_bytes -= size
        return size

    def _take_public(self, stream: Stream, parts: list[bytes], room: int) -> int:
        """Take what waits of one channel; what has no room goes to the back of the channels."""
        if stream.is_stale:
            return self._take_fresh(stream, parts)
        if stream.missed:
            parts.append(encode(Missed(channel=stream.channel, count=stream.missed)))
            stream.missed = 0
        pending = stream.pending
        size = 0
        while pending and size < room:
            event = pending.popleft()
            size += len(event)
            parts.append(event)
        self.public_bytes -= size
        if pending:
            self._ready[stream] = None
        return size

    def _take_fresh(self, stream: Stream, parts: list[bytes]) -> int:
        events = None if stream.source is None else stream.source.fresh()
        if events is None:
            # The book itself is being recovered: its channel asks for a refresh when it is complete.
            return 0
        stream.is_stale = False
        parts += events
        return sum(map(len, events))

    def _make_room(self, stream: Stream, size: int) -> bool:
        if stream.source is not None:
            self.refresh(stream)
            return False
        pending = stream.pending
        while pending and self.public_bytes + size > self.public_limit:
            self.public_bytes -= len(pending.popleft())
            stream.missed += 1
        if self.public_bytes + size > self.public_limit:
            stream.missed += 1
            self._ready[stream] = None
            return False
        return True

    def _drop_pending(self, stream: Stream) -> None:
        self.public_bytes -= sum(map(len, stream.pending))
        stream.pending.clear()
