"""The venues of the figures of the whole system: a process that sends the traffic of three venues over loopback.

`python -m benchmarks.system_sender fast` sends each venue's frames as fast as they are taken, once its snapshot was
asked for. `... paced MICROSECONDS FRAMES` sends so many frames one by one, so far apart, and notes when the orders that
they led to came back over a socket of their own; it prints what it found. Both print their ports first.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import threading
import time
from typing import Final

import attrs

from benchmarks.system_traffic import Traffic, traffic
from benchmarks.transport_sender import Sender, framed
from market.messages import FRAME_SNAPSHOT, FRAME_STREAM

# What an order begins with on its way back: the connection of the frame that caused it, its number there, its length.
ORDER_HEAD: Final = struct.Struct("<IqI")
_SETTLE_SECONDS: Final = 0.5
_LAST_SECONDS: Final = 0.2
_READ_BYTES: Final = 65_536
_NANOSECONDS_PER_SECOND: Final = 1_000_000_000
_PATIENCE_SECONDS: Final = 30.0


# A frame: its connection and its number among the frames of that connection.
Cause = tuple[int, int]


@attrs.frozen
class Spoken:
    """What one venue sends: its snapshot, the first frame, and all that follow it as one body."""

    snapshot: bytes
    first: bytes
    frames: list[bytes]


def whole_frames(market: Traffic) -> list[tuple[int, int, bytes]]:
    """Connection, kind and bytes of every frame in the order of their receipt, as they were before they were cut."""
    found: list[tuple[int, int, bytes]] = []
    pieces: dict[int, bytes] = {}
    for frame in market.frames:
        data = pieces.pop(frame.connection_id, b"") + frame.data
        if frame.part < frame.parts:
            pieces[frame.connection_id] = data
        else:
            found.append((frame.connection_id, frame.kind, data))
    return found


def spoken(frames: list[tuple[int, int, bytes]], connection_id: int) -> Spoken:
    """What one venue sends."""
    own = [(kind, data) for number, kind, data in frames if number == connection_id]
    snapshot = next(data for kind, data in own if kind == FRAME_SNAPSHOT)
    stream = [data for kind, data in own if kind == FRAME_STREAM]
    return Spoken(snapshot, stream[0], stream[1:])


class Venue(Sender):
    """One venue; a connection for a route that brings no books stays silent."""

    def __init__(self, words: Spoken, is_paced: bool) -> None:
        body = b"" if is_paced else b"".join(map(framed, words.frames))
        super().__init__(framed(words.first), body, words.snapshot)
        self.snapshot_asked = self._asked
        self.is_paced: Final = is_paced
        self.stream: socket.socket | None = None

    def _stream(self, taken: socket.socket, request: bytes) -> None:
        if b"/market/" in request.split(b"\r\n", 1)[0]:
            silent = Sender(b"", b"", b"")
            silent._stream(taken, request)
            return
        if self.is_paced:
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.stream = taken
        super()._stream(taken, request)


def listen(venue: Venue) -> int:
    """Serve a venue; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            taken, _ = listener.accept()
            threading.Thread(target=venue.serve, args=(taken,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def paced(
    frames: list[tuple[int, int, bytes]], venues: list[Venue], gateway: socket.socket, pause_ns: int, count: int
) -> list[int]:
    """Send frames one by one and hear the orders; gives nanoseconds from a frame's leave to its first order."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while any(venue.stream is None for venue in venues) and time.monotonic() < until:
        time.sleep(0.05)
    orders, _ = gateway.accept()
    time.sleep(_SETTLE_SECONDS)
    streams = {number: venue.stream for number, venue in enumerate(venues, start=1)}
    numbers = dict.fromkeys(streams, 0)
    sent_ns: dict[Cause, int] = {}
    heard: dict[Cause, int] = {}
    due_ns = time.monotonic_ns()
    for connection_id, kind, frame in frames[:count]:
        stream = streams[connection_id]
        if kind != FRAME_STREAM or stream is None:
            continue
        numbers[connection_id] += 1
        if numbers[connection_id] == 1:
            # The first one went out with the connection.
            continue
        data = framed(frame)
        sent_ns[(connection_id, numbers[connection_id])] = time.monotonic_ns()
        stream.sendall(data)
        due_ns = max(due_ns + pause_ns, time.monotonic_ns())
        hear(orders, due_ns, heard)
    hear(orders, time.monotonic_ns() + round(_LAST_SECONDS * _NANOSECONDS_PER_SECOND), heard)
    return [at_ns - sent_ns[cause] for cause, at_ns in heard.items() if cause in sent_ns]


def hear(orders: socket.socket, until_ns: int, heard: dict[Cause, int]) -> None:
    """Until then, note when the first order of each frame comes.

    It looks again and again, where it has a core of its own: its own awakening is not what is measured.
    """
    has_core = (os.cpu_count() or 1) > 1
    orders.setblocking(False)
    data = b""
    while (left_ns := until_ns - time.monotonic_ns()) > 0 or data:
        if not has_core:
            select.select([orders], [], [], max(left_ns, 1_000) / _NANOSECONDS_PER_SECOND)
        try:
            read = orders.recv(_READ_BYTES)
        except BlockingIOError:
            continue
        now_ns = time.monotonic_ns()
        if not read:
            return
        data += read
        while len(data) >= ORDER_HEAD.size:
            connection_id, number, length = ORDER_HEAD.unpack_from(data)
            if len(data) < ORDER_HEAD.size + length:
                break
            data = data[ORDER_HEAD.size + length :]
            heard.setdefault((connection_id, number), now_ns)


def main(words: list[str]) -> None:
    """Listen until the input ends."""
    market = traffic()
    frames = whole_frames(market)
    is_paced = words[0] == "paced"
    numbers = [one.connection_id for one in market.markets]
    venues = [Venue(spoken(frames, number), is_paced) for number in numbers]
    gateway = socket.create_server(("127.0.0.1", 0))
    ports = [*(listen(venue) for venue in venues), gateway.getsockname()[1]]
    print(json.dumps(ports), flush=True)
    if is_paced:
        print(json.dumps(paced(frames, venues, gateway, int(words[1]) * 1_000, int(words[2]))), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
