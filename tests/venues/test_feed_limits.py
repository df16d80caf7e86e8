"""What several connections, feeds and routes of one venue share, and what each has for itself."""

from __future__ import annotations

from typing import ClassVar, cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from market.dialect import BY_REQUEST
from market.messages import ConnectionDown, ConnectionUp, RawFrame, SnapshotWanted
from tests.venues import venue_server
from tests.venues.venue_server import (
    FACTS,
    Client,
    FakeVenue,
    Server,
    make_feed,
    mute,
    obedient,
    register,
    running,
)
from venues import registry
from venues.feed_params import FeedParams


class TwoRoutes(FakeVenue):
    """Books come over one connection and trades over another."""

    routes: ClassVar[tuple[str, ...]] = ("books", "trades")

    def route_url(self, route: str, venue_symbols: object, base: str = "") -> str:
        """A path for each."""
        return f"ws://{route}.fake/"


async def test_a_route_without_books_is_lost_in_silence(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both share the connection id; the one with the books alone is told up and down, the other is mended."""
    monkeypatch.setitem(venue_server.VENUES, BY_REQUEST, TwoRoutes)
    monkeypatch.setattr(venue_server, "TwoRoutes", TwoRoutes, raising=False)
    monkeypatch.setattr(registry, "DIALECTS", register())
    async with running(count=1) as rig:
        await rig.until(RawFrame, 4)
        books, trades = rig.feed.sessions
        assert (books.brings_books, trades.brings_books) == (True, False)
        assert books.live is not None
        assert trades.live is not None
        trades.live.end("the test wants it")
        await rig.until(RawFrame, 6)
        assert len(rig.of(ConnectionUp)) == 1
        assert not rig.of(ConnectionDown)
        books.live.end("the test wants it")
        await rig.until(ConnectionUp, 2)
    assert {cast(RawFrame, frame).connection_id for frame in rig.of(RawFrame)} == {1}


async def test_feeds_of_one_venue_share_its_budgets(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two feeds connect and ask no more often together than one of them may alone."""
    facts = attrs.evolve(FACTS, connects=4, connects_per_s=100.0, rest_weight=30, snapshot_weight=10)
    monkeypatch.setattr(registry, "DIALECTS", register(facts=facts))

    async def rude(client: Client) -> None:
        """Leaves at once."""

    async with trio.open_nursery() as nursery:
        server = Server(nursery, rude)
        rigs = [
            make_feed(server, FeedParams(venue="fake", connection_id=number, first_pause_ms=1, longest_pause_ms=1))
            for number in (1, 2)
        ]
        for rig in rigs:
            nursery.start_soon(rig.feed.run)
        await trio.sleep(95)
        assert len(server.connects) == 4
        server.behaviour = obedient
        for rig in rigs:
            await rig.until(RawFrame, 4)
            for instrument_id in (1, 2):
                connection_id = rig.feed.params.connection_id
                rig.mailbox.inbox.offer(SnapshotWanted(connection_id, instrument_id, "gap"))
        await trio.sleep(50)
        assert len(server.asked) == 3
        await trio.sleep(20)
        assert len(server.asked) == 4
        nursery.cancel_scope.cancel()


async def test_a_lane_that_asks_for_nothing_known_is_not_answered(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instrument of another connection is somebody else's; nothing is asked of the venue for it."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, instruments_per_connection=1)))
    async with running() as rig:
        await rig.until(RawFrame, 4)
        rig.mailbox.inbox.offer(SnapshotWanted(1, 2, "gap"))
        rig.mailbox.inbox.offer(SnapshotWanted(2, 2, "gap"))
        await rig.until(RawFrame, 5)
        await trio.sleep(30)
    assert rig.server.asked == ["/depth?symbol=BBB&limit=1000"]


async def test_a_silent_successor_is_not_moved_over_to(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old connection is heard while others are tried; one of which some instruments speak is good enough."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, silence_s=100.0)))

    async def partial(client: Client) -> None:
        await client.tell("AAA at last")
        await mute(client)

    async with running() as rig:
        old = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        rig.server.behaviour = mute
        await old.tell("leaving soon")
        await rig.server.connected(3)
        await old.tell("AAA still")
        await rig.until(RawFrame, 6)
        assert len(rig.of(ConnectionUp)) == 1
        rig.server.behaviour = partial
        await rig.until(ConnectionUp, 2)
        await rig.until(RawFrame, 7)
        assert not rig.of(ConnectionDown)
    assert [cast(RawFrame, frame).data for frame in rig.of(RawFrame)][-2:] == [b"AAA still", b"AAA at last"]


async def test_metrics_tell_each_connection(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames, bytes, attempts and losses of each, and what requests have cost."""
    monkeypatch.setattr(registry, "DIALECTS", register())
    async with running() as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        rig.mailbox.inbox.offer(SnapshotWanted(1, 1, "gap"))
        await rig.until(RawFrame, 5)
        await client.leave()
        await rig.until(RawFrame, 9)
        snapshot = rig.feed.metrics.snapshot()
        found = {sample.name: sample.value for sample in (*snapshot.counters, *snapshot.gauges)}
    assert found["feed_frames_total"] == 8
    assert found["feed_bytes_total"] == 2 * sum(map(len, (b"ok AAA", b"AAA snapshot 1", b"ok BBB", b"BBB snapshot 1")))
    assert (found["feed_connects_total"], found["feed_losses_total"], found["feed_connected"]) == (2, 1, 1)
    assert found["feed_request_weight_total"] == 10
    assert found["feed_silent_instruments"] == 0
