"""The feed of one venue: its connections, its subscriptions, and the snapshots that its books ask for.

It promises that the loss of a connection, whatever the cause, is told and mended without a person; that within an
epoch every frame is passed on once, in its order, with the time at which it was read; that the venue's limits for
connections, messages and requests are kept, for all feeds of the process together. A request that fails is told,
counted and made again; the book stays as it is until the answer comes. It never looks into a book: what a frame means
is for the lane, what is said to the venue for the dialect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final

import trio

from market.dialect import BY_REQUEST
from market.messages import (
    FRAME_AUDIT,
    FRAME_SNAPSHOT,
    AuditWanted,
    ConnectionDown,
    ConnectionUp,
    Message,
    RawFrame,
    SnapshotWanted,
    SubscriptionChanged,
    VenueHeartbeat,
)
from runtime.metrics import Counter
from runtime.service import InjectedDisconnect, Service, ServiceSetup
from venues.budgets import shared_budget
from venues.dialing import Dialing
from venues.feed_params import FeedParams
from venues.feed_session import Session
from venues.framing import batches_of, frames_of
from venues.http import HttpClient, HttpOptions, RequestFailed
from venues.registry import venue_named
from venues.transport import StreamOptions

NANOSECONDS: Final = 1_000_000_000


def awake_seconds() -> float:
    """A clock that goes on while the machine sleeps, where the system has one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


class Feed(Service):
    """See the head of this file."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (SnapshotWanted, AuditWanted)
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        ConnectionUp,
        ConnectionDown,
        RawFrame,
        SubscriptionChanged,
        VenueHeartbeat,
    )
    PARAMS: ClassVar[type | None] = FeedParams

    def __init__(self, setup: ServiceSetup, dialing: Dialing | None = None) -> None:
        """Prepare sessions; a test hands in how streams are opened."""
        super().__init__(setup)
        assert isinstance(setup.params, FeedParams)
        self.params: Final = setup.params
        self.venue: Final = venue_named(self.params.venue, self.params.depth)
        facts = self.venue.facts
        params = self.params
        self.awake_seconds: Callable[[], float] = awake_seconds
        self.dialing: Final = dialing or Dialing(
            ca_file=params.ca_file,
            timeout_s=params.connect_timeout_s,
            receive_buffer_bytes=params.receive_buffer_bytes,
        )
        self.stream_options: Final = StreamOptions(
            dialing=self.dialing,
            compression=facts.compression,
            most_message_bytes=facts.most_message_bytes,
            handshake_s=params.connect_timeout_s,
        )
        self.sessions: Final = self._make_sessions()
        self._asking: set[tuple[int, int]] = set()
        label = {"service": self.name}
        self._rest_weight = self.metrics.counter("feed_request_weight_total", "Weight of requests made.", label)
        self._rest_failures = self.metrics.counter("feed_request_failures_total", "Requests without answer.", label)

    def _make_sessions(self) -> list[Session]:
        """One for each connection id and route. Instruments keep their order; each id has as many as it may."""
        ids = self.instrument_ids
        most = self.params.instruments_per_connection or self.venue.facts.instruments_per_connection or len(ids) or 1
        return [
            Session(self, self.params.connection_id + number, ids[start : start + most], route)
            for number, start in enumerate(range(0, len(ids), most))
            for route in self.venue.routes
        ]

    def counters_of(self, session: Session) -> tuple[Counter, Counter, Counter, Counter]:
        """Frames, bytes, connections and losses of a session."""
        label = {"service": self.name, "connection": str(session.connection_id), "route": session.route}
        metrics = self.metrics
        metrics.gauge(
            "feed_connected", "Whether a connection is up.", label, read=lambda: float(session.live is not None)
        )
        metrics.gauge(
            "feed_silent_instruments", "Instruments of which nothing has come since they were subscribed to.", label,
            read=lambda: float(len(session.live.awaited)) if session.live is not None else 0.0,
        )  # fmt: skip
        return (
            metrics.counter("feed_frames_total", "Frames received.", label),
            metrics.counter("feed_bytes_total", "Bytes of the frames received.", label),
            metrics.counter("feed_connects_total", "Connections that were tried.", label),
            metrics.counter("feed_losses_total", "Connections that were lost.", label),
        )

    async def run(self) -> None:
        """Be connected and answer until cancelled."""
        facts = self.venue.facts
        base_url = self.params.rest_url or facts.rest_url
        # Venues of one budget have each an address of its own; another server than the venue's counts for itself.
        counted = f"{facts.budget or self.params.venue} {self.params.rest_url}"
        budget = shared_budget(f"requests {counted}", facts.rest_weight, facts.rest_per_s)
        options = HttpOptions(dialing=self.dialing, timeout_s=self.params.request_timeout_s)
        client = HttpClient(base_url, budget, options)
        try:
            async with trio.open_nursery() as nursery:
                for session in self.sessions:
                    nursery.start_soon(session.run)
                while True:
                    self._answer(await self.mailbox.receive(), client, nursery)
        finally:
            await client.aclose()

    # ---- what books want

    def _answer(self, message: Message, client: HttpClient, nursery: trio.Nursery) -> None:
        """Begin to do what a venue book asks for."""
        if not isinstance(message, SnapshotWanted | AuditWanted):
            return
        session = self._session_of(message.connection_id, message.instrument_id)
        if session is None:
            return
        instrument_id = message.instrument_id
        venue_symbol = self.instruments.by_id(instrument_id).venue_symbol
        facts = self.venue.facts
        wait_s = 0.0
        if isinstance(message, AuditWanted):
            path, kind, weight = self.venue.audit_path(venue_symbol), FRAME_AUDIT, facts.audit_weight
        elif self.venue.recovery == BY_REQUEST:
            path = self.venue.snapshot_path(venue_symbol, self.params.snapshot_levels)
            kind, weight = FRAME_SNAPSHOT, facts.snapshot_weight
        else:
            session.begin_anew(instrument_id, venue_symbol, message.cause, nursery.start_soon)
            # A stream that brings no snapshot of late: a decoder that has one by then passes the answer over.
            wait_s = facts.snapshot_after_s
            path = self.venue.snapshot_path(venue_symbol, self.params.snapshot_levels) if wait_s > 0 else ""
            kind, weight = FRAME_SNAPSHOT, facts.snapshot_weight
        if path and (instrument_id, kind) not in self._asking:
            self._asking.add((instrument_id, kind))
            nursery.start_soon(self._ask, session, client, instrument_id, kind, path, weight, wait_s)

    def _session_of(self, connection_id: int, instrument_id: int) -> Session | None:
        for session in self.sessions:
            if session.connection_id == connection_id and instrument_id in session.ids.values():
                return session
        return None

    async def _ask(
        self,
        session: Session,
        client: HttpClient,
        instrument_id: int,
        kind: int,
        path: str,
        weight: int,
        wait_s: float,
    ) -> None:
        """Ask, after a while, until there is an answer, and pass it on."""
        failures = 0
        try:
            await trio.sleep(wait_s)
            while True:
                self._rest_weight.add(weight)
                try:
                    answer = await client.get(path, weight)
                    break
                except RequestFailed as error:
                    failures += 1
                    self._rest_failures.add()
                    session.note_trouble(str(error))
                if kind == FRAME_AUDIT:
                    # The next audit comes anyway.
                    return
                await trio.sleep(session.pause_after(failures))
        finally:
            self._asking.discard((instrument_id, kind))
        now_ns = self.clock.now_ns()
        for batch in batches_of(
            [frames_of(self.venue, session.connection_id, kind, instrument_id, now_ns, answer.body)]
        ):
            try:
                await self.send(batch)
            except InjectedDisconnect as fault:
                if session.live is not None:
                    session.live.end(str(fault))
                return
