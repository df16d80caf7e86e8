"""Public channels: books that can be trusted, events encoded once, and the rule for clients that read too slowly."""

from __future__ import annotations

import json
import random

import pytest
import trio
import trio.testing

from exchange.client import ExchangeClient, RequestFailed
from exchange.gateway_params import GatewayParams
from exchange.outbox import LARGEST_FRAME_BYTES, Outbox, Stream
from exchange.protocol import PingRequest
from exchange.protocol_events import (
    BookEvent,
    Delta,
    Missed,
    Report,
    Status,
    TickerEvent,
    Trade,
    checksum_of,
    decode_events,
    levels_of,
    listing_of,
)
from market.book import Book
from market.messages import (
    BUY,
    SELL,
    STATUS_HALTED,
    STATUS_TRADING,
    InstrumentStatus,
    PublicTrade,
    SnapshotWanted,
    Ticker,
)
from tests.exchange.gateways import BITCOIN, SECRET, World, delta, report, snapshot, world
from tests.seeds import seeds


def trade(number: int) -> PublicTrade:
    """A public trade."""
    return PublicTrade(1, number, 6_000_000 + number, 50_000, SELL, 7, 0)


class Follower:
    """Keeps a book as the page says, and checks continuity and checksums."""

    def __init__(self, client: ExchangeClient) -> None:
        self.client = client
        self.book = Book()
        self.sequence = -1
        self.books = 0

    async def follow(self, sequence: int) -> None:
        """Read until the book has reached a sequence."""
        while self.sequence < sequence:
            event = await self.client.next_event((BookEvent, Delta))
            assert isinstance(event, BookEvent | Delta)
            if isinstance(event, BookEvent):
                self.book.clear()
                self.books += 1
            else:
                assert event.first_sequence == self.sequence + 1
            for side, levels in ((BUY, event.bids), (SELL, event.asks)):
                for price, size in levels:
                    self.book.set_level(side, BITCOIN.parse_price(price), BITCOIN.parse_size(size))
            self.sequence = event.sequence
            if event.checksum >= 0:
                assert event.checksum == checksum(self.book)


def checksum(book: Book) -> int:
    """The checksum of a book, by the page."""
    sides = [levels_of(side.prices(10), side.sizes(10), listing_of(BITCOIN)) for side in (book.bids, book.asks)]
    return checksum_of(*sides)


class Market:
    """A book that changes by chance, told to a gateway."""

    def __init__(self, here: World, seed: int) -> None:
        self.here = here
        self.draw = random.Random(seed)
        self.book = Book()
        self.sequence = 10
        self.change(0, BUY, {6_000_000: 100_000})
        self.change(0, SELL, {6_000_100: 200_000})

    def change(self, count: int, side: int, levels: dict[int, int]) -> None:
        """Set levels of one side."""
        self.sequence += count
        for price, size in levels.items():
            self.book.set_level(side, price, size)

    def step(self) -> None:
        """Change some levels and tell of it."""
        side = self.draw.choice((BUY, SELL))
        levels = {
            6_000_050 - side * self.draw.randrange(1, 40): self.draw.choice((0, self.draw.randrange(1, 10**9)))
            for _ in range(self.draw.randrange(1, 5))
        }
        self.change(1, side, levels)
        empty: dict[int, int] = {}
        bids, asks = (levels, empty) if side == BUY else (empty, levels)
        self.here.tell(delta(self.sequence, self.sequence, bids, asks))


@pytest.mark.parametrize("seed", seeds(4, 200))
async def test_a_follower_has_the_true_book(autojump_clock: object, seed: int) -> None:
    """Snapshot, deltas and checksums lead every subscriber to the same book, whenever it came."""
    async with world() as here, here.client() as early, here.client() as late:
        market = Market(here, seed)
        followers = [Follower(early), Follower(late)]
        await early.subscribe("book.BTCUSDT", checksum=True)
        for step in range(120):
            if step == 60:
                await late.subscribe("book.BTCUSDT")
            market.step()
            if market.draw.random() < 0.3:
                await trio.testing.wait_all_tasks_blocked()
        for follower in followers:
            await follower.follow(market.sequence)
            assert follower.book.save() == market.book.save()
            assert follower.books == 1
        assert here.gateway.hub.public.books[1].book.save() == market.book.save()


async def test_a_gap_is_found_and_healed(autojump_clock: object) -> None:
    """A missing delta makes the gateway ask for a snapshot; subscribers get a fresh book and no wrong one."""
    async with world() as here, here.client() as client:
        follower = Follower(client)
        await client.subscribe("book.BTCUSDT")
        await follower.follow(10)
        here.lane.book = snapshot(15, {6_000_000: 7}, {6_000_001: 8})
        here.tell(delta(13, 13, {6_000_000: 5}, {}))
        await follower.follow(15)
        assert follower.books == 2
        assert (follower.book.best_bid_size, follower.book.best_ask_price) == (7, 6_000_001)
        wanted = [one.cause for one in here.lane.taken if isinstance(one, SnapshotWanted)]
        assert wanted == ["the gateway has started", "gap: 11 was due and 13 came"]


async def test_a_book_that_does_not_come_is_asked_for_again(autojump_clock: object) -> None:
    """Until there is a book a subscriber waits; then it gets the book."""
    async with world() as here:
        here.lane.is_silent = True
        async with here.client() as client:
            here.gateway.hub.public.books[1].is_synced = False
            await client.subscribe("book.BTCUSDT")
            with trio.move_on_after(3.5):
                await client.next_event(BookEvent)
                raise AssertionError("a book came from nowhere")
            here.lane.is_silent = False
            event = await client.next_event(BookEvent)
            assert isinstance(event, BookEvent)
            assert event.sequence == 10


async def test_trades_tickers_and_statuses(autojump_clock: object) -> None:
    """Each channel gives its events; newcomers get the last ticker and status, and a status is told when it changes."""
    async with world() as here, here.client() as client:
        here.tell(Ticker(1, 1, 2, 3, 4, 5, 6, 7, 8), InstrumentStatus(1, STATUS_TRADING, "opened", 7, 8))
        await client.subscribe("trades.BTCUSDT", "ticker.BTCUSDT", "status")
        here.tell(trade(5), InstrumentStatus(1, STATUS_TRADING, "as asked", 7, 8))
        here.tell(InstrumentStatus(1, STATUS_HALTED, "by hand", 7, 8))
        events = [await client.next_event((Trade, TickerEvent, Status)) for _ in range(4)]
        assert sorted(map(repr, events)) == sorted(map(repr, [
            TickerEvent(symbol="BTCUSDT", last_price="0.01", open_price="0.02", high_price="0.03", low_price="0.04",
                        volume="0.00005", turnover="0.0000006", time_ns=7),
            Status(symbol="BTCUSDT", status="trading", text="opened", time_ns=7),
            Trade(symbol="BTCUSDT", trade_id=5, price="60000.05", size="0.50000", side="sell", time_ns=7),
            Status(symbol="BTCUSDT", status="halted", text="by hand", time_ns=7),
        ]))  # fmt: skip


async def test_subscriptions_begin_and_end(autojump_clock: object) -> None:
    """Twice is once; what is not there is refused and takes nothing with it; ended ones bring nothing more."""
    async with world(GatewayParams(port=0, most_subscriptions=3)) as here, here.client() as client:
        assert (await client.subscribe("trades.BTCUSDT")).affected == 1
        assert (await client.subscribe("trades.BTCUSDT", "trades.BTCUSDT")).affected == 0
        for channel in ("trades.ETHUSDT", "book", "candles.BTCUSDT", "", "book." + "x" * 70, "é"):
            with pytest.raises(RequestFailed, match="there is no channel"):
                await client.subscribe("status", channel)
        with pytest.raises(RequestFailed, match="a connection may have 3"):
            await client.subscribe("status", "book.BTCUSDT", "ticker.BTCUSDT")
        assert (await client.subscribe("status")).affected == 1
        assert (await client.unsubscribe("trades.BTCUSDT", "book.BTCUSDT")).affected == 1
        here.tell(trade(1))
        await trio.testing.wait_all_tasks_blocked()
        assert (await client.subscribe("trades.BTCUSDT")).affected == 1
        here.tell(trade(2))
        event = await client.next_event(Trade)
        assert isinstance(event, Trade)
        assert event.trade_id == 2
    public = here.gateway.hub.public
    assert (public.trades[1].streams, public.status.streams, public.books[1].plain.streams) == ({}, {}, {})


async def test_many_newcomers_cost_one_snapshot(autojump_clock: object) -> None:
    """The last encoded book is kept with what followed, and left when too much has followed."""
    async with world() as here:
        book = here.gateway.hub.public.books[1]
        await trio.testing.wait_all_tasks_blocked()
        made: list[bytes] = []
        encode_book = book.encoded_snapshot

        def counted() -> bytes:
            made.append(encode_book())
            return made[-1]

        book.encoded_snapshot = counted  # type: ignore[method-assign]
        market = Market(here, 1)
        for _ in range(20):
            async with here.client() as client:
                await client.subscribe("book.BTCUSDT")
                market.step()
                await Follower(client).follow(market.sequence)
        assert len(made) == 1
        for _ in range(500):
            market.step()
        await trio.testing.wait_all_tasks_blocked()
        async with here.client() as client:
            await client.subscribe("book.BTCUSDT")
            await Follower(client).follow(market.sequence)
        assert len(made) == 2


# ---- slow clients

SMALL = GatewayParams(port=0, public_queue_bytes=8_192, private_queue_bytes=65_536)


async def test_a_slow_client_gets_a_fresh_book_and_a_count_of_missed_trades(autojump_clock: object) -> None:
    """What waits for it is bounded; once it reads again its book is right, and it knows how many trades it missed."""
    async with world(SMALL) as here, here.client() as quick, here.client(stream=here.connect(is_narrow=True)) as slow:
        outbox = here.connection().outbox
        market = Market(here, 3)
        for client in (quick, slow):
            await client.subscribe("book.BTCUSDT", "trades.BTCUSDT")
        gate = FrozenReader(slow)
        await gate.hold()
        follower = Follower(quick)
        for number in range(1, 1_001):
            market.step()
            here.tell(trade(number))
            if number % 20 == 0:
                await trio.testing.wait_all_tasks_blocked()
                assert outbox.public_bytes <= SMALL.public_queue_bytes
        await follower.follow(market.sequence)
        gate.release()
        seen: dict[str, int] = {"missed": 0, "trade": 0}
        late = Follower(slow)
        last = 0
        while late.sequence < market.sequence or last < 1_000:
            with trio.fail_after(20):
                event = await slow.next_event((Missed, Trade, BookEvent, Delta))
            if isinstance(event, Missed):
                seen["missed"] += event.count
            elif isinstance(event, Trade):
                seen["trade"] += 1
                assert event.trade_id > last
                last = event.trade_id
            elif isinstance(event, BookEvent | Delta):
                late.client = Repeat(event)  # type: ignore[assignment]
                await late.follow(event.sequence)
        assert late.book.save() == follower.book.save() == market.book.save()
        assert late.books == 2
        assert seen["missed"] > 500
        assert seen["missed"] + seen["trade"] == 1_000


class Repeat:
    """Gives one event, as if it came."""

    def __init__(self, event: object) -> None:
        self.event = event

    async def next_event(self, kind: object) -> object:
        """The event."""
        return self.event


class FrozenReader:
    """Holds a client's reading, while its WebSocket stays as it is."""

    def __init__(self, client: ExchangeClient) -> None:
        self.stream = client.socket._stream
        self.receive = self.stream.receive_some
        self.gate = trio.Event()

    async def hold(self) -> None:
        """Read nothing more after what is on its way."""

        async def receive_some(most: int | None = None) -> bytes | bytearray:
            await self.gate.wait()
            return await self.receive(most)

        await trio.testing.wait_all_tasks_blocked()
        setattr(self.stream, "receive_some", receive_some)  # noqa: B010  the type checker takes it for a method

    def release(self) -> None:
        """Read again."""
        self.gate.set()

    def slow_down(self, seconds: float) -> None:
        """Take so long for each read."""

        async def receive_some(most: int | None = None) -> bytes | bytearray:
            with trio.move_on_after(seconds):
                await trio.Event().wait()
            return await self.receive(most)

        setattr(self.stream, "receive_some", receive_some)  # noqa: B010  as above


async def test_a_client_that_takes_no_frame_is_cut(autojump_clock: object) -> None:
    """A socket without progress ends after the stated time, and the others never notice."""
    async with world(SMALL) as here, here.client() as quick, here.client(stream=here.connect(is_narrow=True)) as slow:
        connection = here.connection()
        for client in (quick, slow):
            await client.subscribe("trades.BTCUSDT")
        await FrozenReader(slow).hold()
        started = trio.current_time()
        for number in range(1, 4):
            here.tell(trade(number))
            await trio.testing.wait_all_tasks_blocked()
        assert await here.until_left(connection) == 4004
        assert 5 <= trio.current_time() - started < 6
        assert (await quick.ask(PingRequest(id=100))).ok


async def test_private_events_are_never_left_out(autojump_clock: object) -> None:
    """Where they do not fit the queue the connection is cut, and until then none is missing."""
    async with world(SMALL) as here, here.trader() as quick:
        stream = here.connect(is_narrow=True)
        async with here.client(stream=stream) as slow:
            connection = here.connection()
            await slow.login("trader", SECRET)
            await FrozenReader(slow).hold()
            sequence = 0
            while not connection.is_cut:
                sequence += 1
                here.tell(report(7, sequence))
                await trio.testing.wait_all_tasks_blocked()
                assert connection.outbox.private_bytes <= SMALL.private_queue_bytes
            assert connection.close_code == 4004
            assert sequence > 100
        for number in range(1, sequence + 1):
            event = await quick.next_event()
            assert getattr(event, "sequence", number) == number


async def test_a_slow_client_that_is_cut_learns_why(autojump_clock: object) -> None:
    """Whoever reads again in time gets every event that was queued, without a gap, then 4004 with what to do."""
    async with world(SMALL) as here, here.client(stream=here.connect(is_narrow=True)) as slow:
        connection = here.connection()
        await slow.login("trader", SECRET)
        gate = FrozenReader(slow)
        await gate.hold()
        sequence = 0
        while not connection.is_cut:
            sequence += 1
            here.tell(report(7, sequence))
            await trio.testing.wait_all_tasks_blocked()
        gate.release()
        with trio.fail_after(SMALL.close_ms / 1_000):
            told = [event.sequence async for event in slow.events() if isinstance(event, Report)]
            reason = await slow.wait_closed()
        assert told == list(range(1, sequence))
        assert reason is not None
        assert (reason.code, reason.reason) == (4004, "private events do not fit the queue: read faster")


async def test_a_client_that_reads_slowly_stays(autojump_clock: object) -> None:
    """Who takes a little all the time is never cut: it gets fresh books and counts of what it missed, ever again."""
    async with world(SMALL) as here, here.client(stream=here.connect(is_narrow=True)) as slow:
        connection = here.connection()
        await slow.subscribe("book.BTCUSDT", "trades.BTCUSDT", "ticker.BTCUSDT", checksum=True)
        FrozenReader(slow).slow_down(0.5)
        market = Market(here, 5)
        late = Follower(slow)
        published = 0
        counts = {"missed": 0, "trade": 0}
        with trio.fail_after(300):
            while late.books < 3 or counts["missed"] < 300:
                for _ in range(100):
                    published += 1
                    market.step()
                    here.tell(trade(published))
                await trio.testing.wait_all_tasks_blocked()
                assert connection.outbox.public_bytes <= SMALL.public_queue_bytes
                await take_one(slow, late, counts)
            while late.sequence < market.sequence or sum(counts.values()) < published:
                await take_one(slow, late, counts)
        assert late.book.save() == market.book.save()
        assert sum(counts.values()) == published
        assert not connection.is_cut


async def take_one(client: ExchangeClient, follower: Follower, counts: dict[str, int]) -> None:
    """Take the next event, into the book or into the counts."""
    event = await client.next_event()
    if isinstance(event, Missed):
        assert event.channel == "trades.BTCUSDT"
        counts["missed"] += event.count
    elif isinstance(event, Trade):
        counts["trade"] += 1
        assert event.trade_id == sum(counts.values())
    elif isinstance(event, BookEvent | Delta):
        follower.client = Repeat(event)  # type: ignore[assignment]
        await follower.follow(event.sequence)


# ---- the queues by themselves


class Rung:
    """A book that is known."""

    def fresh(self) -> list[bytes]:
        """The book."""
        return [b'"fresh"']


@pytest.mark.parametrize("seed", seeds(20, 2_000))
def test_queues_are_bounded_and_keep_their_order(seed: int) -> None:
    """Whatever comes and however it is taken, the bounds hold, counts agree, and nothing private is lost."""
    draw = random.Random(seed)
    outbox = Outbox(2_000, 1_000, lambda: None)
    streams = [Stream(name, outbox, None) for name in ("a", "b")]
    book = Stream("book", outbox, Rung())
    outbox.refresh(book)
    private: list[int] = []
    taken: list[object] = []
    published = {"a": 0, "b": 0}
    for number in range(400):
        event = b'{"n":%d,"x":"%s"}' % (number, b"x" * draw.randrange(60))
        choice = draw.random()
        if choice < 0.2:
            if outbox.add_private(event):
                private.append(number)
        elif choice < 0.8:
            stream = draw.choice(streams)
            published[stream.channel] += 1
            outbox.add_public(stream, b'["%s",%d]' % (stream.channel.encode(), number))
        elif choice < 0.95:
            outbox.add_public(book, event)
        else:
            taken += events_of(outbox.take())
        assert outbox.private_bytes <= 2_000
        assert outbox.public_bytes <= 1_000
    while (frame := outbox.take()) is not None:
        taken += events_of(frame)
    assert outbox.is_empty
    assert (outbox.private_bytes, outbox.public_bytes) == (0, 0)
    for stream in streams:
        numbers = [row[1] for row in taken if isinstance(row, list) and row[0] == stream.channel]
        missed = sum(
            row["count"] for row in taken if isinstance(row, dict) and row.get("channel") == stream.channel
        )
        assert numbers == sorted(numbers)
        assert len(numbers) + missed == published[stream.channel]
    told = [row["n"] for row in taken if isinstance(row, dict) and row.get("n") in set(private)]
    assert told == private
    assert "fresh" in taken


def events_of(frame: str | None) -> list[object]:
    """The events of a frame."""
    return [] if frame is None else list(json.loads(frame))


def test_frames_are_bounded_too() -> None:
    """Much that waits is sent as several frames."""
    outbox = Outbox(10**7, 10**6, lambda: None)
    for number in range(2_000):
        assert outbox.add_private(b'{"type":"heartbeat","time_ms":%d}' % number + b" " * 200)
    frames = []
    while (frame := outbox.take()) is not None:
        frames.append(frame)
    assert max(map(len, frames)) < LARGEST_FRAME_BYTES + 1_000
    assert [event.time_ms for frame in frames for event in decode_events(frame)] == list(range(2_000))  # type: ignore[union-attr]
