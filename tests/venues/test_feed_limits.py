"""What several connections, feeds and routes of one venue share, and what each has for itself."""

from __future__ import annotations

from typing import ClassVar, cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from market.dialect import BY_CONNECTION, BY_REQUEST, BY_SUBSCRIPTION, LOST, Conversation, Router
from market.messages import ConnectionDown, ConnectionUp, RawFrame, SnapshotWanted, SubscriptionChanged
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


async def test_feeds_of_one_venue_share_its_budgets(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_venues_of_one_address_share_its_weight(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two venues spend of one budget, as Binance's futures do, is counted once though they have two addresses."""
    facts = attrs.evolve(FACTS, rest_weight=30, snapshot_weight=10, budget="shared")
    names = register(facts=facts)

    class Other(FakeVenue):
        """Another address."""

    Other.facts = attrs.evolve(facts, rest_url="http://rest.other")
    monkeypatch.setattr(venue_server, "Other", Other, raising=False)
    monkeypatch.setattr(registry, "DIALECTS", {**names, "other": f"{venue_server.__name__}:Other"})
    async with trio.open_nursery() as nursery:
        server = Server(nursery, obedient)
        rigs = [make_feed(server, FeedParams(venue=name)) for name in ("fake", "other")]
        for rig in rigs:
            nursery.start_soon(rig.feed.run)
            await rig.until(RawFrame, 4)
            for instrument_id in (1, 2):
                rig.mailbox.inbox.offer(SnapshotWanted(1, instrument_id, "gap"))
        await trio.sleep(FACTS.rest_per_s / 2)
        assert len(server.asked) == 3
        await trio.sleep(FACTS.rest_per_s)
        assert len(server.asked) == 4
        nursery.cancel_scope.cancel()


def test_futures_share_their_weight() -> None:
    """Binance counts what is asked about both of its futures together; spot is counted apart, as every other venue."""
    assert registry.venue_named("binance_usdm").facts.budget == registry.venue_named("binance_coinm").facts.budget != ""
    assert registry.venue_named("binance").facts.budget == ""


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


async def test_a_symbol_has_its_time_from_when_its_request_was_sent(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where requests go out slowly, nobody is told as silent, or subscribed to again, before the turn was theirs."""
    facts = attrs.evolve(FACTS, requests=2, requests_per_s=3.0)
    monkeypatch.setattr(registry, "DIALECTS", register(BY_SUBSCRIPTION, facts=facts))
    async with running(count=9) as rig:
        client = await rig.server.connected(1)
        await client.heard("sub III")
        await trio.sleep(20)
    assert [text for text in client.said if "sub" in text] == [f"sub {chr(65 + number) * 3}" for number in range(9)]
    assert all(cast(SubscriptionChanged, one).active for one in rig.of(SubscriptionChanged))


async def test_a_queued_symbol_is_not_renewed(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that asks while its request waits for its turn is on its way; so is one that was just subscribed to."""
    facts = attrs.evolve(FACTS, requests=2, requests_per_s=3.0)
    monkeypatch.setattr(registry, "DIALECTS", register(BY_SUBSCRIPTION, facts=facts))
    async with running(count=6) as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 2)
        for _ in range(3):
            rig.mailbox.inbox.offer(SnapshotWanted(1, 6, "checksum"))
            await trio.sleep(3)
        await client.heard("sub FFF")
        await trio.sleep(20)
    assert [text for text in client.said if text.endswith("FFF")] == ["sub FFF"]


async def test_an_answer_goes_before_what_is_queued(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that asks whether we live hears it with the next message, however many requests wait."""
    monkeypatch.setattr(registry, "DIALECTS", register(facts=attrs.evolve(FACTS, requests=2, requests_per_s=1.0)))
    async with running(count=9) as rig:
        client = await rig.server.connected(1)
        await rig.until(RawFrame, 2)
        await client.tell("who is there")
        began = trio.current_time()
        await client.heard("me")
        assert trio.current_time() - began < 2.1
    assert "sub III" not in client.said


async def test_a_successor_waits_for_those_whose_turn_has_not_come(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One silent instrument does not hurry it: it is moved over to when the others have been subscribed to."""
    facts = attrs.evolve(FACTS, requests=2, requests_per_s=3.0)
    monkeypatch.setattr(registry, "DIALECTS", register(facts=facts))

    async def without_the_first(client: Client) -> None:
        while True:
            text = str(await client.socket.get_message())
            client.said.append(text)
            if text.startswith("sub ") and text != "sub AAA":
                await client.tell(f"{text[4:]} first")

    async with running(count=9) as rig:
        old = await rig.server.connected(1)
        await rig.until(RawFrame, 18)
        rig.server.behaviour = without_the_first
        await old.tell("leaving soon")
        new = await rig.server.connected(2)
        await rig.until(ConnectionUp, 2)
        assert "sub III" in new.said


class Counted(FakeVenue):
    """Every frame of a connection counts, answers to requests too: `AAA 3` is the fourth."""

    def router(self) -> Router:
        """One that counts."""
        return CountingRouter(self)


class CountingRouter(Router):
    """Any other number than the next one is a loss."""

    seen = -1

    def route(self, frame: bytes) -> int:
        """By the number at the end."""
        self.seen, expected = int(frame.split(b" ")[-1]), self.seen + 1
        return super().route(frame) if self.seen == expected else LOST


async def test_the_link_counts_every_frame_as_the_lane_does(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers use up numbers: the snapshot behind them is none after a loss, and the quiet instrument has spoken."""
    monkeypatch.setitem(venue_server.VENUES, BY_REQUEST, Counted)
    monkeypatch.setattr(venue_server, "Counted", Counted, raising=False)
    facts = attrs.evolve(FACTS, silence_s=100.0)
    monkeypatch.setattr(registry, "DIALECTS", register(facts=facts))

    async def counting(client: Client) -> None:
        await client.tell("ok 0", "AAA 1", "ok 2")
        await mute(client)

    async with running(behaviour=counting, count=1) as rig:
        await rig.until(RawFrame, 3)
        await trio.sleep(30)
    assert len(rig.of(ConnectionUp)) == 1
    assert len(rig.server.clients) == 1
    assert all(cast(SubscriptionChanged, one).active for one in rig.of(SubscriptionChanged))


async def test_a_book_that_was_never_brought_is_asked_for_as_often_as_it_wants(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link asks ever more seldom; a book that asks each half minute is heard, once each time."""
    monkeypatch.setattr(registry, "DIALECTS", register(BY_SUBSCRIPTION))

    async def partial(client: Client) -> None:
        await client.tell("AAA 1")
        while True:
            client.said.append(str(await client.socket.get_message()))
            await client.tell("AAA 2")

    async with running(behaviour=partial) as rig:
        client = await rig.server.connected(1)
        for _ in range(40):
            await trio.sleep(30)
            await client.tell("AAA 3")
            for _ in range(3):
                rig.mailbox.inbox.offer(SnapshotWanted(1, 2, "no snapshot came"))
    assert 36 <= client.said.count("sub BBB") < 46
    assert len(rig.server.clients) == 1


async def test_a_book_that_only_a_connection_brings_is_not_asked_for_all_the_time(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An instrument of which nothing comes is worth another connection, but not at the cost of the others."""
    monkeypatch.setattr(registry, "DIALECTS", register(BY_CONNECTION))
    monkeypatch.setattr(venue_server.FakeConversation, "renew", Conversation.renew)

    async def partial(client: Client) -> None:
        await client.tell("AAA 1")
        await mute(client)

    async with running(behaviour=partial) as rig:
        for _ in range(40):
            await trio.sleep(30)
            await rig.server.client.tell("AAA 3")
            rig.mailbox.inbox.offer(SnapshotWanted(1, 2, "no snapshot came"))
    assert 3 <= len(rig.server.clients) <= 5
