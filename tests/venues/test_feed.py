"""The feed and its sessions: what is lost is told, mended and begun anew, without a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from market.dialect import BY_CONNECTION, BY_SUBSCRIPTION, PIECE_BYTES
from market.messages import (
    FRAME_AUDIT,
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    AuditWanted,
    ConnectionDown,
    ConnectionUp,
    Message,
    RawFrame,
    SnapshotWanted,
    SubscriptionChanged,
)
from tests.venues import venue_server
from tests.venues.venue_server import FACTS, Client, FakeVenue, Rig, mute, obedient, register, running
from venues import registry
from venues.feed_params import FeedParams


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue of these tests is among those that configurations name."""
    monkeypatch.setattr(registry, "DIALECTS", register())


def frames(rig: Rig) -> list[bytes]:
    """The frames of the stream that were passed on."""
    return [one.data for one in cast("list[RawFrame]", rig.of(RawFrame)) if one.kind == FRAME_STREAM]


async def test_a_feed_connects_subscribes_and_passes_frames_on(autojump_clock: MockClock) -> None:
    """First the connection is told, then every frame, with its time, in its order."""
    async with running() as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        await client.tell("AAA 1", "AAA 2", "BBB 1")
        await rig.until(RawFrame, 7)
    assert client.said == ["sub AAA", "sub BBB"]
    kinds = [type(message) for message in rig.messages()]
    assert kinds[0] is ConnectionUp
    assert frames(rig)[-3:] == [b"AAA 1", b"AAA 2", b"BBB 1"]
    assert all(frame.receive_ns >= venue_server.START_NS for frame in cast("list[RawFrame]", rig.of(RawFrame)))
    down = cast(ConnectionDown, rig.of(ConnectionDown)[0])
    assert kinds[-1] is ConnectionDown
    assert down.reason == "the feed stopped"


async def test_the_one_batch_of_a_read_takes_no_turn_of_the_scheduler(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is offered; what a read brings in pieces is sent, so that others have a turn between two of them."""
    async with running() as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        sent: list[Sequence[Message]] = []
        send = rig.feed.send

        async def noting(messages: Sequence[Message]) -> None:
            sent.append(messages)
            await send(messages)

        monkeypatch.setattr(rig.feed, "send", noting)
        await client.tell("AAA 1", "AAA 2")
        await rig.until(RawFrame, 6)
        assert sent == []
        monkeypatch.setattr(FakeVenue, "cut", lambda _, frame, __, most: [frame[:most], frame[most:]])
        await client.tell("AAA " + "1" * PIECE_BYTES)
        await rig.until(RawFrame, 8)
        assert [[cast(RawFrame, one).part for one in batch] for batch in sent] == [[1], [2]]


async def test_confirmed_and_refused_subscriptions_are_told(autojump_clock: MockClock) -> None:
    """Each with the instrument and the venue's words."""

    async def refusing(client: Client) -> None:
        await client.tell("ok AAA", "AAA 1", "no BBB")
        await obedient(client)

    async with running(behaviour=refusing) as rig:
        await rig.until(SubscriptionChanged, 2)
    told = [(one.instrument_id, one.active) for one in cast("list[SubscriptionChanged]", rig.of(SubscriptionChanged))]
    assert told[:2] == [(1, True), (2, False)]


async def test_a_network_that_goes_and_returns(autojump_clock: MockClock) -> None:
    """The loss is told once, attempts wait with growing jittered pauses, and the return begins a new epoch."""
    async with running() as rig:
        await rig.until(RawFrame, 4)
        await rig.server.cut()
        await rig.until(ConnectionDown)
        await trio.sleep(60)
        assert len(rig.of(ConnectionUp)) == 1
        rig.server.is_up = True
        up = cast(ConnectionUp, await rig.until(ConnectionUp, 2))
        await rig.until(RawFrame, 8)
    first = cast(ConnectionUp, rig.of(ConnectionUp)[0])
    assert up.epoch > first.epoch
    assert len(rig.of(ConnectionDown)) == 2
    assert rig.feed.sessions[0].connects >= 4


async def test_a_venue_that_was_never_reached_is_told_with_the_reason(autojump_clock: MockClock) -> None:
    """Once for each reason, so that a book says why it has nothing; then it is told as any connection is."""
    async with running(is_up=False) as rig:
        down = cast(ConnectionDown, await rig.until(ConnectionDown))
        await trio.sleep(30)
        assert len(rig.of(ConnectionDown)) == 1
        assert down.reason
        rig.server.is_up = True
        await rig.until(ConnectionUp)


async def test_a_silent_connection_is_given_up(autojump_clock: MockClock) -> None:
    """A server that answers nothing, pings neither, is left after the venue's time of silence."""
    async with running() as rig:
        await rig.until(RawFrame, 4)
        rig.server.fall_silent()
        began = trio.current_time()
        down = cast(ConnectionDown, await rig.until(ConnectionDown))
        assert trio.current_time() - began < 20
        await rig.until(ConnectionUp, 2)
    assert "nothing came for 8" in down.reason


async def test_a_quiet_market_is_no_dead_connection(autojump_clock: MockClock) -> None:
    """Pings are answered, so the connection is kept; without a frame for much longer it is not."""
    async with running() as rig:
        await rig.until(RawFrame, 4)
        await trio.sleep(50)
        assert not rig.of(ConnectionDown)
        down = cast(ConnectionDown, await rig.until(ConnectionDown))
    assert "no frame came for 60" in down.reason


async def test_instruments_that_stay_silent_are_named(autojump_clock: MockClock) -> None:
    """After the time for first data they are told and subscribed to again; when they speak, that is told."""

    async def partial(client: Client) -> None:
        await client.tell("AAA 1")
        await mute(client)

    async with running(behaviour=partial) as rig:
        silent = cast(SubscriptionChanged, await rig.until(SubscriptionChanged))
        assert (silent.instrument_id, silent.active) == (2, False)
        assert "no data came for 10 s" in silent.reason
        client = rig.server.client
        await client.heard("sub BBB", 2)
        await client.tell("BBB 1")
        again = cast(SubscriptionChanged, await rig.until(SubscriptionChanged, 2))
    assert (again.instrument_id, again.active) == (2, True)
    assert len(rig.server.clients) == 1


async def test_a_connection_without_any_data_is_made_again(autojump_clock: MockClock) -> None:
    """What is acknowledged and never sends is a wrong connection; the next one is waited for longer."""
    async with running(behaviour=mute) as rig:
        down = cast(ConnectionDown, await rig.until(ConnectionDown))
        assert "no data came of any of AAA, BBB" in down.reason
        rig.server.behaviour = obedient
        await rig.until(RawFrame, 4)


async def test_the_venue_is_left_before_it_cuts(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the end of its life another connection is subscribed; then it is moved over to, and the old one closed."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, life_s=100.0, silence_s=1_000.0)))
    async with running() as rig:
        old = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        new = await rig.server.connected(2)
        assert 85 < rig.server.connects[1] - rig.server.connects[0] < 98
        up = cast(ConnectionUp, await rig.until(ConnectionUp, 2))
        await new.tell("AAA new")
        await rig.until(RawFrame, 9)
        assert old.socket.closed is not None
        assert not rig.of(ConnectionDown)
    messages = rig.messages()
    after = messages[messages.index(up) :]
    assert [one.data for one in after if type(one) is RawFrame] == [
        b"ok AAA", b"AAA snapshot 2", b"ok BBB", b"BBB snapshot 2", b"AAA new",
    ]  # fmt: skip


async def test_a_venue_that_leaves_is_followed(autojump_clock: MockClock) -> None:
    """What it announces is acted upon; until the successor has data the old connection is heard."""
    async with running() as rig:
        old = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        rig.server.behaviour = mute
        await old.tell("leaving soon")
        new = await rig.server.connected(2)
        await old.tell("AAA still")
        await rig.until(RawFrame, 6)
        assert len(rig.of(ConnectionUp)) == 1
        await new.tell("AAA first", "BBB first")
        await rig.until(ConnectionUp, 2)
    assert frames(rig)[-4:] == [b"leaving soon", b"AAA still", b"AAA first", b"BBB first"]


async def test_a_successor_takes_over_at_once_when_the_old_connection_dies(autojump_clock: MockClock) -> None:
    """It is not waited for data from every instrument when there is nothing else to hear."""
    async with running() as rig:
        old = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        rig.server.behaviour = mute
        await old.tell("leaving soon")
        await rig.server.connected(2)
        began = trio.current_time()
        await old.leave()
        await rig.until(ConnectionUp, 2)
        assert trio.current_time() - began < 2
    assert [type(one) for one in rig.messages() if type(one) in (ConnectionUp, ConnectionDown)] == [
        ConnectionUp, ConnectionDown, ConnectionUp, ConnectionDown,
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["reconnect", "maintenance until noon", "back again"])
async def test_the_venue_s_words_end_a_connection(autojump_clock: MockClock, word: str) -> None:
    """A connection that is of no more use, maintenance and its end: each leads to a new connection, and says why."""
    async with running() as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        await client.tell(word)
        down = cast(ConnectionDown, await rig.until(ConnectionDown))
        assert word in down.reason
        await rig.until(RawFrame, 8)


async def test_maintenance_that_lasts_is_asked_about_seldom(autojump_clock: MockClock) -> None:
    """While the venue says so on every connection, attempts are as far apart as backoff says; then it is back."""

    async def closed(client: Client) -> None:
        await client.tell("maintenance until noon")
        await mute(client)

    async with running(behaviour=closed) as rig:
        await trio.sleep(600)
        assert 15 < len(rig.server.clients) < 120
        rig.server.behaviour = obedient
        await rig.until(RawFrame, 4)


async def test_a_machine_that_slept_begins_anew(autojump_clock: MockClock) -> None:
    """Time that passed while nothing of ours ran ends the connection, whatever the socket says."""
    async with running() as rig:
        await rig.until(RawFrame, 4)
        slept = [0.0]
        rig.feed.awake_seconds = lambda: trio.current_time() + slept[0]
        await trio.sleep(5)
        slept[0] = 3_600.0
        down = cast(ConnectionDown, await rig.until(ConnectionDown))
        assert "slept for 3600 s" in down.reason
        await rig.until(ConnectionUp, 2)


async def test_signs_of_life_are_sent(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the conversation replies goes out, and what the venue wants to hear is sent in time."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, ping_every_s=3.0)))
    async with running() as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        await client.tell("who is there")
        await client.heard("me")
        await client.heard("alive", 3)


async def test_requests_are_paced(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more messages go out in a second than the venue takes, one of them left for pongs."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, requests=5, requests_per_s=1.0)))
    async with running(count=9) as rig:
        client = await rig.server.connected(1)
        began = trio.current_time()
        await client.heard("sub III")
        assert 1.9 < trio.current_time() - began < 2.5


async def test_connections_are_budgeted(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that closes at once is not tried more often than the venue allows."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, connects=10, connects_per_s=300.0)))

    async def rude(client: Client) -> None:
        await client.socket.aclose(1009, "too big")

    async with running(FeedParams(venue="fake", first_pause_ms=1, longest_pause_ms=1), rude) as rig:
        await trio.sleep(290)
        assert len(rig.server.connects) == 10
        await trio.sleep(20)
        assert len(rig.server.connects) == 20
    down = cast(ConnectionDown, rig.of(ConnectionDown)[0])
    assert "code 1009: too big" in down.reason


async def test_a_snapshot_is_asked_for_by_request(autojump_clock: MockClock) -> None:
    """Once for an instrument at a time; the answer comes as a frame that names the instrument."""
    async with running() as rig:
        await rig.until(RawFrame, 4)
        for _ in range(3):
            rig.mailbox.inbox.offer(SnapshotWanted(1, 2, "gap"))
        rig.mailbox.inbox.offer(SnapshotWanted(9, 2, "another connection"))
        await rig.until(RawFrame, 5)
        await trio.sleep(1)
    snapshot = cast(RawFrame, rig.of(RawFrame)[4])
    assert (snapshot.kind, snapshot.instrument_id) == (FRAME_SNAPSHOT, 2)
    assert snapshot.data == b"/depth?symbol=BBB&limit=1000"
    assert rig.server.asked == ["/depth?symbol=BBB&limit=1000"]


async def test_an_audit_is_a_request_of_its_own_kind(autojump_clock: MockClock) -> None:
    """It is answered with a frame to compare with, and not made again when it fails."""
    async with running() as rig:
        await rig.until(RawFrame, 4)
        rig.server.answers.append((500, "", b"no"))
        rig.mailbox.inbox.offer(AuditWanted(1, 1))
        await trio.sleep(60)
        rig.mailbox.inbox.offer(AuditWanted(1, 1))
        await rig.until(RawFrame, 5)
    audit = cast(RawFrame, rig.of(RawFrame)[4])
    assert (audit.kind, audit.instrument_id, audit.data) == (FRAME_AUDIT, 1, b"/audit?symbol=AAA")
    assert len(rig.server.asked) == 2


async def test_a_request_that_fails_is_made_again_when_the_venue_allows_it(autojump_clock: MockClock) -> None:
    """A refusal with a time is obeyed; another is told and waited after."""
    async with running() as rig:
        await rig.until(RawFrame, 4)
        rig.server.answers += [(429, "Retry-After: 33\r\n", b"slow down"), (500, "", b"oh")]
        began = trio.current_time()
        rig.mailbox.inbox.offer(SnapshotWanted(1, 1, "gap"))
        await rig.until(RawFrame, 5)
        assert 33 <= trio.current_time() - began < 36
    assert len(rig.server.asked) == 3
    assert "status 500: oh" in rig.feed.sessions[0].last_error


async def test_a_book_renewed_by_subscription(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the stream brings snapshots, one instrument is subscribed to again; what a new connection brings is not."""
    monkeypatch.setattr(registry, "DIALECTS", register(BY_SUBSCRIPTION))
    async with running() as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 4)
        for instrument_id in (1, 2):
            rig.mailbox.inbox.offer(SnapshotWanted(1, instrument_id, "new connection"))
        rig.mailbox.inbox.offer(SnapshotWanted(1, 2, "checksum"))
        rig.mailbox.inbox.offer(SnapshotWanted(1, 2, "checksum"))
        await client.heard("sub BBB", 2)
        await trio.sleep(5)
    assert client.said == ["sub AAA", "sub BBB", "unsub BBB", "sub BBB"]
    assert len(rig.server.clients) == 1


async def test_a_snapshot_that_the_stream_does_not_bring(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the venue is known for it, it is asked for by request too, some time after it was wanted."""
    facts = attrs.evolve(FACTS, snapshot_after_s=3.0)
    monkeypatch.setattr(registry, "DIALECTS", register(BY_SUBSCRIPTION, facts=facts))
    async with running() as rig:
        await rig.until(RawFrame, 4)
        for _ in range(2):
            rig.mailbox.inbox.offer(SnapshotWanted(1, 2, "new connection"))
        await trio.sleep(2.5)
        assert rig.server.asked == []
        await rig.until(RawFrame, 5)
        await trio.sleep(5)
    assert rig.server.asked == ["/depth?symbol=BBB&limit=1000"]
    assert cast(RawFrame, rig.of(RawFrame)[4]).kind == FRAME_SNAPSHOT


async def test_a_book_renewed_by_connection(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else brings a snapshot; however many books ask, one connection is made, and no more after it."""
    monkeypatch.setattr(registry, "DIALECTS", register(BY_CONNECTION))
    async with running() as rig:
        await rig.until(RawFrame, 4)
        await trio.sleep(2)
        for instrument_id in (1, 2, 1, 2):
            rig.mailbox.inbox.offer(SnapshotWanted(1, instrument_id, "gap"))
        await rig.until(ConnectionUp, 2)
        for instrument_id in (1, 2):
            rig.mailbox.inbox.offer(SnapshotWanted(1, instrument_id, "new connection"))
        await trio.sleep(30)
    assert len(rig.server.clients) == 2


async def test_instruments_are_spread(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, as many as the venue takes on each; a loss concerns one of them."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, instruments_per_connection=2)))
    async with running(count=3) as rig:
        await rig.until(RawFrame, 6)
        ups = {cast(ConnectionUp, one).connection_id for one in rig.of(ConnectionUp)}
        by_client = {tuple(client.said): client for client in rig.server.clients}
        assert set(by_client) == {("sub AAA", "sub BBB"), ("sub CCC",)}
        await by_client["sub CCC",].leave()
        down = cast(ConnectionDown, await rig.until(ConnectionDown))
        await rig.until(ConnectionUp, 3)
    assert ups == {1, 2}
    assert down.connection_id == 2


async def test_a_full_lane_stops_the_reading(autojump_clock: MockClock) -> None:
    """What the lane cannot take is left to the network: nothing is lost and nothing piles up here."""
    async with trio.open_nursery() as servers:
        server = venue_server.Server(servers)
        rig = venue_server.make_feed(server, FeedParams(venue="fake"), capacity=8)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.feed.run)
            client = await server.connected(1)
            nursery.start_soon(client.tell, *(f"AAA {number}" for number in range(50)))
            await trio.sleep(3)
            while len(frames(rig)) < 54:
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        servers.cancel_scope.cancel()
    assert [frame for frame in frames(rig) if b"snapshot" not in frame and b"ok" not in frame] == [
        b"AAA %d" % number for number in range(50)
    ]
