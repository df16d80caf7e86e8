"""One connection id of a feed, kept alive: connect, move over, lose, wait, connect again.

At any time at most one link is heard. A successor is opened and subscribed while the old link goes on; what it brings
is kept until every instrument has brought something, then `ConnectionUp` with a new epoch is sent, then what was kept,
and nothing of the old one after that. A link that is lost is told with `ConnectionDown` before the next is tried.
Waits are drawn by backoff with full jitter; connections are budgeted for all feeds of a venue together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import trio

from market.dialect import BY_CONNECTION, BY_SUBSCRIPTION, Conversation, Router
from market.messages import (
    FRAME_STREAM,
    ConnectionDown,
    ConnectionUp,
    Message,
    SubscriptionChanged,
    VenueHeartbeat,
)
from runtime.backoff import BackoffOptions, RestartTracker
from runtime.service import InjectedDisconnect
from venues.budgets import shared_budget
from venues.dialing import DialFailed
from venues.feed_link import HEARD, PASSED_OVER, WAITING, Link
from venues.framing import batches_of, frames_of
from venues.http import seconds_of
from venues.transport import HandshakeRefused, TransportError

if TYPE_CHECKING:
    from venues.feed import Feed

NANOSECONDS: Final = 1_000_000_000
# A full inbox must not keep it from ending.
FAREWELL_SECONDS: Final = 0.5
# A connection that lived for so long was a good one: waits begin anew.
_HEALTHY_SECONDS: Final = 60
_UNBOUNDED: Final = 2**31
# What a venue book says when it hears of a new connection; where the stream brings the snapshot, it is on its way.
NEW_CONNECTION: Final = "new connection"
# An instrument, or a connection, is begun anew no more often than this.
SETTLING_SECONDS: Final = 1.0
# Where only a new connection brings a snapshot, one that the latest did not bring is worth another so seldom.
SILENT_SECONDS: Final = 300.0
# How long no connection is tried after a handshake that was refused for being one too many, without saying how long.
_HANDSHAKE_PAUSES_S: Final = {429: 60.0, 418: 120.0}
_MOST_PATIENCE: Final = 64
_FEW_FRAMES: Final = 16


class Session:
    """See the head of this file. The first route of a venue brings the books: it alone is told up and down."""

    def __init__(self, feed: Feed, connection_id: int, instrument_ids: Sequence[int], route: str) -> None:
        """Keep a connection for these instruments."""
        params, venue = feed.params, feed.venue
        self.feed: Final = feed
        self.facts: Final = venue.facts
        self.connection_id: Final = connection_id
        self.route: Final = route
        self.brings_books: Final = route == venue.routes[0]
        self.ids: Final = {feed.instruments.by_id(number).venue_symbol: number for number in instrument_ids}
        self.symbols: Final = tuple(self.ids)
        self.log: Final = feed.log
        self.words: Final = {"connection": connection_id, **({"route": route} if route else {})}
        self.randomness: Final = feed.randomness
        self.now_ns: Final = feed.clock.now_ns
        self.stream_options: Final = feed.stream_options
        self.silence_s: Final = params.silence_s or venue.facts.silence_s
        self.stall_s: Final = params.stall_s or max(60.0, 3 * self.silence_s)
        self.life_s: Final = params.life_s or venue.facts.life_s
        self.patience_s = params.first_data_s
        self.live: Link | None = None
        self.successor: Link | None = None
        self.last_error = ""
        self._told_reason = ""
        self._was_up = False
        self.connects = 0
        self._epoch = 0
        self._postponed: set[str] = set()
        self._tracker = RestartTracker(
            BackoffOptions(
                initial_ns=params.first_pause_ms * 1_000_000, factor=2.0,
                maximum_ns=max(params.first_pause_ms, params.longest_pause_ms) * 1_000_000,
                healthy_ns=_HEALTHY_SECONDS * NANOSECONDS, intensity=_UNBOUNDED, window_ns=0,
            ),
            feed.randomness,
        )  # fmt: skip
        self._announced: list[Message] = []
        self._count_frames, self._count_bytes, self._count_connects, self._count_losses = feed.counters_of(self)

    # ---- what a link asks for

    def url(self) -> str:
        """Where to connect."""
        return self.feed.venue.route_url(self.route, self.symbols, self.feed.params.url)

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return self.feed.venue.route_conversation(self.route)

    def router(self) -> Router:
        """Who the frames of a new connection are for."""
        return self.feed.venue.router()

    def awake_seconds(self) -> float:
        """A clock that goes on while the machine sleeps."""
        return self.feed.awake_seconds()

    # ---- the life of the session

    async def run(self) -> None:
        """Be connected, always again, until cancelled; however it ends, whoever trusts it is told."""
        reason = "the feed stopped"
        try:
            async with trio.open_nursery() as nursery:
                link = await self._begun(nursery)
                while True:
                    await link.turning.wait()
                    if link.is_over:
                        await self._pause()
                        link = await self._begun(nursery)
                    else:
                        link = await self._replaced(link, nursery)
        finally:
            if self.live is not None:
                with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                    await self._tell_down(self.live, self.live.reason or reason)

    async def _begun(self, nursery: trio.Nursery) -> Link:
        """A link that is heard from its first frame on."""
        link = await self._opened(nursery)
        await self._hear(link)
        return link

    async def _replaced(self, old: Link, nursery: trio.Nursery) -> Link:
        """A successor that has data for every instrument, if that can be had; the old link is heard until then."""
        while True:
            self.successor = link = await self._opened(nursery)
            if not old.is_over:
                # It is ready when it has waited long enough for those that stay silent, and over when all of them do.
                await link.ready.wait()
            self.successor = None
            if not link.is_over:
                break
            await self._pause()
        old.phase = PASSED_OVER
        await self._hear(link)
        old.end("replaced")
        return link

    async def _opened(self, nursery: trio.Nursery) -> Link:
        """A connection that is made, at last."""
        budget = shared_budget(f"connects {self.feed.params.venue}", self.facts.connects, self.facts.connects_per_s)
        while True:
            await budget.spend()
            self._epoch = max(self._epoch + 1, self.now_ns())
            link = Link(self, self._epoch)
            self.connects += 1
            self._count_connects.add()
            try:
                await nursery.start(link.run)
                return link
            except (DialFailed, TransportError) as error:
                self.note_trouble(str(error))
                await self._tell_unreached(str(error))
                if isinstance(error, HandshakeRefused):
                    # For all feeds of the venue: it counts by address.
                    asked_s = seconds_of(error.retry_after)
                    budget.hold(_HANDSHAKE_PAUSES_S.get(error.status, 0.0) if asked_s is None else asked_s)
            await self._pause()

    async def _tell_unreached(self, reason: str) -> None:
        """Nobody was ever there: said once for each reason, so that the books tell why they have nothing."""
        if not self._was_up and self.brings_books and reason != self._told_reason:
            self._told_reason = reason
            await self.feed.send([ConnectionDown(self.connection_id, self._epoch, reason)])

    async def _hear(self, link: Link) -> None:
        """From now on this link is heard, beginning with what it has kept."""
        self.live = link
        self._was_up = True
        self._tracker.started(self.now_ns())
        if self.brings_books:
            await self.feed.send([ConnectionUp(self.connection_id, link.epoch)])
        self.log.info("connected", epoch=link.epoch, **self.words)
        while link.waiting:
            receive_ns, frames = link.waiting.popleft()
            await self.send_frames(link, receive_ns, frames)
        if link.phase == WAITING:
            link.phase = HEARD

    async def on_over(self, link: Link) -> None:
        """A link is no more: whoever trusts it is told, and nobody waits for it."""
        if link.phase != PASSED_OVER:
            self._count_losses.add()
            self.note_trouble(link.reason)
        if self.successor is not None:
            self.successor.ready.set()
        await self._tell_down(link, link.reason)

    async def _tell_down(self, link: Link, reason: str) -> None:
        if self.live is link:
            self.live = None
            if self.brings_books:
                await self.feed.send([ConnectionDown(self.connection_id, link.epoch, reason)])

    async def _pause(self) -> None:
        """Wait as backoff says."""
        wait_ns = self._tracker.failed(self.now_ns())
        assert wait_ns is not None
        await trio.sleep(wait_ns / NANOSECONDS)

    def pause_after(self, failures: int) -> float:
        """Seconds to wait after so many requests in a row without an answer."""
        return self.randomness.randrange(self._tracker.options.ceiling_ns(failures) + 1) / NANOSECONDS

    # ---- what a link tells

    async def send_frames(self, link: Link, receive_ns: int, frames: Sequence[bytes]) -> None:
        """Pass on what one read brought, unless another link has been moved over to meanwhile."""
        feed = self.feed
        self._count_frames.value += len(frames)
        self._count_bytes.value += sum(map(len, frames))
        venue, connection_id = feed.venue, self.connection_id
        batches = batches_of(
            [frames_of(venue, connection_id, FRAME_STREAM, 0, receive_ns, frame) for frame in frames]
        )
        # Whoever reads waits at the socket next, so the one batch of a read needs no turn of the scheduler of its own;
        # between the pieces of a frame that was cut, and between reads that were kept, others have theirs. Where a read
        # brings many frames the lane is behind, and would not take them at once.
        is_single = len(batches) == 1 and len(frames) <= _FEW_FRAMES and link.phase == HEARD and not link.is_over
        for batch in batches:
            if self.live is not link or link.phase == PASSED_OVER:
                return
            try:
                if not (is_single and feed.offer(batch)):
                    await feed.send(batch)
            except InjectedDisconnect as fault:
                link.end(str(fault))
                return

    async def on_sign_of_life(self, link: Link, count: int, receive_ns: int) -> None:
        """A read that brought no frame: a control frame, or a piece of something."""
        if link.phase == HEARD and self.brings_books:
            await self.feed.send([VenueHeartbeat(self.connection_id, count, 0, receive_ns)])

    def on_subscription(self, venue_symbol: str, active: bool, cause: str) -> None:
        """Tell, soon, that a subscription was confirmed, refused or found silent."""
        instrument_id = self.ids.get(venue_symbol, 0)
        self._announced.append(SubscriptionChanged(self.connection_id, instrument_id, self.route, active, cause))

    def on_maintenance(self, link: Link, cause: str) -> None:
        """The venue does not work: its books are not to be trusted until it says that it does, on a new connection."""
        self.note_trouble(f"the venue is in maintenance: {cause}")
        link.end(f"maintenance: {cause}")

    async def send_announced(self) -> None:
        """Send what was to be told of subscriptions."""
        if self._announced:
            announced, self._announced = self._announced, []
            await self.feed.send(announced)

    def note_trouble(self, reason: str) -> None:
        """Remember and tell what went wrong last."""
        self.last_error = reason
        self.log.warning("trouble with a connection", reason=reason, **self.words)

    def be_patient(self) -> None:
        """Every instrument has brought something: the next time it is waited for as long as usual."""
        self.patience_s = self.feed.params.first_data_s

    def lose_patience(self) -> None:
        """Nothing came of any instrument: wait longer the next time, for a quiet market may be just that."""
        self.patience_s = min(2 * self.patience_s, self.feed.params.first_data_s * _MOST_PATIENCE)

    # ---- what a venue book wants

    def begin_anew(self, instrument_id: int, venue_symbol: str, cause: str, start_soon: Callable[..., None]) -> None:
        """Begin a book anew where the stream brings its snapshot: by its subscription, or by a new connection."""
        link = self.live
        if cause == NEW_CONNECTION or link is None or link.is_over or link.is_leaving:
            return
        recovery = self.feed.venue.recovery
        now = trio.current_time()
        if self._is_on_its_way(link, venue_symbol, now):
            return
        wait_s = link.subscribed_at.get(venue_symbol, now) + SETTLING_SECONDS - now
        if wait_s > 0:
            if venue_symbol not in self._postponed:
                self._postponed.add(venue_symbol)
                start_soon(self._begin_later, instrument_id, venue_symbol, cause, wait_s, start_soon)
        elif recovery == BY_CONNECTION:
            link.leave(f"the book of {venue_symbol} was lost: {cause}")
        elif recovery == BY_SUBSCRIPTION and not link.renew(venue_symbol):
            link.leave(f"the book of {venue_symbol} was lost and cannot be renewed: {cause}")

    def _is_on_its_way(self, link: Link, venue_symbol: str, now: float) -> bool:
        """Whether the request for a snapshot is not sent yet, or was sent so lately that the snapshot may still come.

        The link asks again too, but ever more seldom: a book that wants one more often is heard.
        """
        if link.is_queued(venue_symbol):
            return True
        by_connection = self.feed.venue.recovery == BY_CONNECTION
        pace_s = SILENT_SECONDS if by_connection else self.feed.params.first_data_s
        return venue_symbol in link.awaited and now < link.subscribed_at.get(venue_symbol, now) + pace_s

    async def _begin_later(
        self, instrument_id: int, venue_symbol: str, cause: str, wait_s: float, start_soon: Callable[..., None]
    ) -> None:
        link = self.live
        await trio.sleep(wait_s)
        self._postponed.discard(venue_symbol)
        if self.live is link:
            self.begin_anew(instrument_id, venue_symbol, cause, start_soon)
