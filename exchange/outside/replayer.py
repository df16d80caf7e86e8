"""A venue made of its own recording: serves the frames that were received and the answers that were given, unchanged.

Each recorded connection is a path of its own, `/0`, `/1` and so on. Any other path is that of the recorded connections
to the same path, or else of all of them, which carried the most. A client that connects and says something, as a
subscriber does, gets the recording from its beginning, at the pace at which it came or at a multiple of it, frame by
frame and unchanged. A request is answered as one to the same path was, whose query says nothing else about what both
name, depths apart. It understands nothing of what it serves: what a client says beyond its first word changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio

from exchange.outside.params import OutsideParams
from exchange.outside.server import HttpRequest, HttpResponse, OutsideServer, SocketSession
from exchange.outside.sockets import Socket
from market.messages import FRAME_STREAM, FaultInjected, RawFrame
from runtime.clock import Clock
from runtime.feed_faults import FeedFaults
from runtime.logs import Logger
from venues.facts import Venue
from venues.recordings import ANSWER, CONNECT, FRAME, Record, read_recording

NANOSECONDS: Final = 1_000_000_000
# What may wait for a client before the replay waits for it.
AHEAD_BYTES: Final = 1_048_576
WAIT_SECONDS: Final = 0.001
# Of a query, what says how much is wanted and not of what.
DEPTH_KEYS: Final = frozenset({"limit", "depth", "count", "sz", "len"})

Question = tuple[str, tuple[tuple[str, str], ...]]


class NothingRecorded(Exception):
    """The files hold no frame that could be served."""


@attrs.frozen
class Served:
    """What a recording gives: the frames of each connection with their times, and the answers by question."""

    connections: tuple[tuple[tuple[int, bytes], ...], ...]
    paths: tuple[str, ...]
    answers: dict[Question, bytes]

    def largest(self, path: str) -> int:
        """The connection that carried the most frames, of those to this path if there are any."""
        numbers = [number for number, one in enumerate(self.paths) if one == path] or range(len(self.connections))
        return max(numbers, key=lambda number: len(self.connections[number]))


def question_of(target: str) -> Question:
    """What a path with its query asks for, whatever depth it asks for."""
    parts = urlsplit(target)
    query = sorted((key, value) for key, value in parse_qsl(parts.query) if key not in DEPTH_KEYS)
    return parts.path, tuple(query)


def read_served(venue: Venue, paths: Sequence[Path]) -> Served:
    """Read recordings of a venue; those that continue each other are given together."""
    frames: dict[str, list[tuple[int, bytes]]] = {}
    addresses: dict[str, str] = {}
    answers: dict[Question, bytes] = {}
    nameless: list[bytes] = []
    for path in paths:
        for record in read_recording(path):
            if record.kind == CONNECT:
                addresses.setdefault(record.connection, urlsplit(record.url).path.rstrip("/"))
            elif record.kind == FRAME:
                frames.setdefault(record.connection, []).append((record.receive_ns, record.data))
            elif record.kind == ANSWER:
                _note_answer(venue, record, answers, nameless)
    if not frames:
        raise NothingRecorded(f"{', '.join(map(str, paths))}: there is no frame that could be served")
    _name_answers(venue, frames, nameless, answers)
    rows = tuple(tuple(one) for one in frames.values())
    return Served(rows, tuple(addresses.get(name, "") for name in frames), answers)


def _note_answer(venue: Venue, record: Record, answers: dict[Question, bytes], nameless: list[bytes]) -> None:
    if record.url:
        # The first one: a later one belongs to a later time.
        answers.setdefault(_relative(venue, record.url), record.data)
    else:
        nameless.append(record.data)


def _relative(venue: Venue, url: str) -> Question:
    """The question as a client asks it, whose base is the server's bare address."""
    base = urlsplit(venue.facts.rest_url).path.rstrip("/")
    parts = urlsplit(url)
    path = parts.path.removeprefix(base) if base else parts.path
    return question_of(f"{path}?{parts.query}")


def _name_answers(
    venue: Venue, frames: dict[str, list[tuple[int, bytes]]], nameless: list[bytes], answers: dict[Question, bytes]
) -> None:
    """A recording that keeps no addresses holds one instrument's snapshots: they answer for it."""
    symbols = {symbol for rows in frames.values() for _, data in rows[:1_000] if (symbol := venue.venue_symbol(data))}
    if nameless and len(symbols) == 1:
        target = venue.snapshot_path(symbols.pop(), 1)
        if target:
            answers.setdefault(question_of(target), nameless[0])


def answer_to(target: str, answers: dict[Question, bytes]) -> bytes | None:
    """What was answered to a question that does not contradict this one; of several the one most alike."""
    path, query = question_of(target)
    wanted = dict(query)
    best: bytes | None = None
    most = -1
    for (recorded_path, recorded_query), body in answers.items():
        shared = [(key, value) for key, value in recorded_query if key in wanted]
        alike = sum(1 for key, value in shared if wanted[key] == value)
        if recorded_path == path and alike == len(shared) and alike > most:
            best, most = body, alike
    return best


class Replay:
    """One client and where it is in its recording."""

    def __init__(self, site: Replayer, socket: Socket, frames: tuple[tuple[int, bytes], ...]) -> None:
        self.site = site
        self.socket = socket
        self.frames = frames
        # Every client is done the same to: the draws begin anew.
        self.faults = site.make_faults() if site.make_faults is not None else None
        self.begun = False
        self.scope = trio.CancelScope()

    def receive(self, text: str) -> None:
        """The first word begins the replay."""
        if not self.begun and self.site.nursery is not None:
            self.begun = True
            self.site.nursery.start_soon(self._play)

    def leave(self) -> None:
        """The client has gone."""
        self.scope.cancel()

    async def _play(self) -> None:
        with self.scope:
            await self._send_all()
            while self.socket.waiting_bytes:
                await trio.sleep(WAIT_SECONDS)
            self.socket.cut(1000, "the recording ends")

    async def _send_all(self) -> None:
        speed = self.site.speed
        began = trio.current_time()
        first_ns = self.frames[0][0]
        for receive_ns, data in self.frames:
            if speed > 0:
                due = began + (receive_ns - first_ns) / NANOSECONDS / speed
                if due > trio.current_time():
                    await trio.sleep_until(due)
            while self.socket.waiting_bytes > AHEAD_BYTES:
                await trio.sleep(WAIT_SECONDS)
            for one in self._damaged(receive_ns, data):
                self.socket.send_text(one)
                self.site.sent += 1
            if self.faults is not None and self.faults.disconnects:
                return

    def _damaged(self, receive_ns: int, data: bytes) -> list[bytes]:
        """What is sent instead of a frame; what was done to it is counted."""
        if self.faults is None:
            return [data]
        sent: list[bytes] = []
        for message in self.faults.apply([RawFrame(1, FRAME_STREAM, 0, receive_ns, data)], receive_ns):
            if isinstance(message, RawFrame):
                sent.append(message.data)
            elif isinstance(message, FaultInjected):
                self.site.injected[message.kind] += 1
        return sent


class Replayer:
    """See the head of this file. A site for `OutsideServer`; `speed` 0 sends as fast as is taken."""

    def __init__(
        self,
        served: Served,
        params: OutsideParams,
        clock: Clock,
        log: Logger,
        speed: float = 1.0,
        make_faults: Callable[[], FeedFaults] | None = None,
    ) -> None:
        self.served = served
        self.speed = speed
        self.make_faults = make_faults
        self.sent = 0
        self.injected: Counter[str] = Counter()
        self.nursery: trio.Nursery | None = None
        self.server = OutsideServer(params, self, clock, log)

    async def listen(self) -> list[trio.SocketListener]:
        """Take the port of the settings, or a free one, which `server.port` then is; raises `OSError`."""
        listeners = await trio.open_tcp_listeners(self.server.params.port, host=self.server.params.host)
        self.server.port = listeners[0].socket.getsockname()[1]
        return listeners

    async def run(self, listeners: list[trio.SocketListener]) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            await trio.serve_listeners(self.server.serve_stream, listeners, handler_nursery=nursery)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """What was answered when it was recorded."""
        found = answer_to(f"{request.path}?{request.query}", self.served.answers)
        if found is None:
            return self.fault(404, f"nothing was recorded for {request.path}")
        return HttpResponse(200, found)

    def accept(self, request: HttpRequest, socket: Socket) -> SocketSession | HttpResponse:
        """The recorded connection that the path names."""
        name = request.path.strip("/")
        connections = self.served.connections
        is_number = name.isascii() and name.isdigit()
        number = int(name) if is_number else self.served.largest(request.path.rstrip("/"))
        if number >= len(connections):
            return self.fault(404, f"connections 0 to {len(connections) - 1} were recorded")
        return Replay(self, socket, connections[number])

    def fault(self, status: int, text: str) -> HttpResponse:
        """In plain words, whatever the venue's own form is."""
        return HttpResponse(status, text.encode(), (("content-type", "text/plain; charset=utf-8"),))
