"""A true market, the frames that a venue would send of it, and a network that damages them, all from one seed.

The lane is the real one with the real venue book; the venue is a `Speaker`, written from the venue's own documents.
Everything that reaches the lane is a numbered input at a stated time. After each of them `Judge` looks at every book
that has levels: it must be the true book at the update id that it claims, or, where a venue numbers nothing, one that
the market really had within the last seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random
from typing import Protocol

import attrs

from actors.venue_book import VenueBook
from actors.venue_book_legs import Leg
from actors.venue_book_params import VenueBookParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    FRAME_AUDIT,
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    STALE,
    AuditWanted,
    ConnectionDown,
    ConnectionUp,
    Message,
    PublicTrade,
    RawFrame,
    RunStarted,
    SnapshotWanted,
)
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.lane_core import LaneCore
from tests.actors.trading_lane import MILLISECOND, SECOND, SESSION, START_NS, Spy, TradingLane
from tests.runtime.lanes import node_of
from venues.simulated_market import DepthEvent, MarketShape, SimulatedMarket, TradeEvent

Levels = list[tuple[int, int]]
Sides = tuple[Levels, Levels]

STEP_NS = 40 * MILLISECOND
MOST_AGE_NS = 6 * SECOND
HISTORY = 2_000
MOST_INPUTS = 10_000


@attrs.frozen
class Change:
    """What one step changed, as a venue of a bounded depth tells it; size 0 for a level that is gone."""

    number: int
    before_id: int
    bids: Levels
    asks: Levels
    after: Sides


class Speaker(Protocol):
    """Writes what a venue sends on one connection. Prices and sizes are scaled integers."""

    dialect: str
    venue_symbol: str
    depth: int
    """Levels a side that the venue sends; 0 is all of them."""
    numbered: str
    """What a book's update id says: `id` is the market's own, `count` counts its changes, `none` says nothing."""

    def opened(self) -> list[bytes]:
        """What a new connection brings before any data."""

    def subscribed(self, now_ns: int, update_id: int, number: int, sides: Sides) -> list[bytes]:
        """What a new subscription brings: a snapshot, where the stream has one."""

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """A change of the book."""

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A public trade."""

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The answer to a request for a snapshot, where there is such a request."""

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """A frame damaged in a way that the venue's rule, or the form of its messages, must show."""


@attrs.frozen(kw_only=True)
class Faults:
    """How often what happens: shares of frames, and of the steps of the market."""

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    disconnect: float = 0.0
    stall: float = 0.0
    delay: float = 0.0
    lose_answer: float = 0.0


ALL_FAULTS = Faults(
    drop=0.004,
    duplicate=0.01,
    reorder=0.01,
    corrupt=0.003,
    disconnect=0.001,
    stall=0.0008,
    delay=0.003,
    lose_answer=0.1,
)


class Truth:
    """The market as it really is, and as it was."""

    def __init__(self, seed: int, depth: int) -> None:
        self.market = SimulatedMarket(seed, MarketShape(6_000_000, 100, 1_000))
        self.depth = depth
        self.at: dict[int, Sides] = {}
        self.id_of: dict[int, int] = {}
        self.number = 0
        self.before_id = 0
        self.before: Sides = ([], [])
        self.times: deque[tuple[int, int]] = deque()
        self.trades: dict[int, TradeEvent] = {}
        self.note(START_NS)

    def step(self, now_ns: int) -> list[DepthEvent | TradeEvent]:
        """What happens next."""
        self.before_id, self.before = self.market.update_id, self.sides()
        events = self.market.step()
        for event in events:
            if isinstance(event, TradeEvent):
                self.trades[event.trade_id] = event
        self.note(now_ns)
        return events

    def note(self, now_ns: int) -> None:
        """Remember the present book by its id."""
        self.number += 1
        self.id_of[self.number] = self.market.update_id
        self.at[self.market.update_id] = self.sides()
        self.times.append((now_ns, self.market.update_id))
        while len(self.times) > HISTORY:
            _, old = self.times.popleft()
            self.at.pop(old, None)
            self.id_of.pop(self.number - HISTORY, None)

    def sides(self) -> Sides:
        """The present book as far as the venue tells it."""
        bids = sorted(self.market.bids.items(), reverse=True)
        asks = sorted(self.market.asks.items())
        return (bids[: self.depth], asks[: self.depth]) if self.depth else (bids, asks)

    def change(self) -> Change:
        """What the last step changed, of the levels that the venue tells; what fell out of its depth is not told."""
        now = self.sides()
        bids, asks = (
            changed_levels(before, after, true)
            for before, after, true in zip(self.before, now, (self.market.bids, self.market.asks), strict=True)
        )
        return Change(self.number, self.before_id, bids, asks, now)

    def recent(self, since_ns: int) -> Iterator[Sides]:
        """The books that the market had since then, the last first, and the one that it had at that moment."""
        for time_ns, update_id in reversed(self.times):
            yield self.at[update_id]
            if time_ns < since_ns:
                return


class DeepTruth(Truth):
    """The same, but of every two steps the second changes a size below the ten best levels, and nothing else."""

    def step(self, now_ns: int) -> list[DepthEvent | TradeEvent]:
        """What happens next."""
        if self.number % 2:
            return super().step(now_ns)
        self.before_id, self.before = self.market.update_id, self.sides()
        self.market.update_id += 1
        number = self.market.update_id
        price = self.before[0][12 + number % 10][0]
        size = self.market.bids[price] = 1 + self.market.bids[price] % 7_919
        self.note(now_ns)
        return [DepthEvent(number, number, [(price, size)], [])]


def changed_levels(before: Levels, after: Levels, true: dict[int, int]) -> Levels:
    """Levels to set, then levels that are gone."""
    known = dict(before)
    set_now = [(price, size) for price, size in after if known.get(price) != size]
    return set_now + [(price, 0) for price, _ in before if price not in true]


class Lane(TradingLane):
    """A lane of a venue book alone, for any venue."""

    def __init__(self, speaker: Speaker, params: VenueBookParams) -> None:
        self.instrument = Instrument.from_text(
            instrument_id=1, symbol="BTC/USD", venue="test", venue_symbol=speaker.venue_symbol, base="BTC",
            quote="USD", kind="spot", tick="0.01", lot="0.00001", minimum_size="0.00001", minimum_notional="0",
            maker_fee_bps="1", taker_fee_bps="5",
        )  # fmt: skip
        nodes = (node_of(VenueBook, 1, params=params), node_of(Spy, 2))
        self.plan = Blueprint(SystemConfig(), InstrumentTable([self.instrument]), {"btc": 1}, nodes, ())
        self.core = build_core(self.plan, "main")
        self.now_ns = START_NS
        self.started = RunStarted(START_NS, SESSION, "", "")
        self.core.take(self.started, START_NS, True)


class Connection:
    """One connection to the venue: what is on its way, in order unless a fault changes that."""

    def __init__(self, world: World, connection_id: int) -> None:
        self.world = world
        self.connection_id = connection_id
        self.is_up = False
        self.epoch = 0
        self.back_ns = START_NS
        self.last_due_ns = 0
        self.silent_until_ns = 0
        self.held_until_ns = 0

    def connect(self, now_ns: int) -> None:
        """A new connection, subscribed."""
        world = self.world
        self.is_up = True
        self.epoch += 1
        self.last_due_ns = now_ns
        self.silent_until_ns = self.held_until_ns = 0
        world.deliver(now_ns, self, ConnectionUp(self.connection_id, self.epoch))
        for frame in world.speakers[self.connection_id].opened():
            self.send(now_ns, frame)
        self.subscribe(now_ns)

    def subscribe(self, now_ns: int) -> None:
        """A new subscription on it."""
        truth = self.world.truth
        speaker = self.world.speakers[self.connection_id]
        for frame in speaker.subscribed(now_ns, truth.market.update_id, truth.number, truth.sides()):
            self.send(now_ns, frame)

    def disconnect(self, now_ns: int, back_in_ns: int, reason: str = "a fault") -> None:
        """It is lost, with all that was on its way."""
        if not self.is_up:
            return
        self.is_up = False
        self.back_ns = now_ns + back_in_ns
        self.world.forget(self)
        self.world.deliver(now_ns, self, ConnectionDown(self.connection_id, self.epoch, reason))

    def send(self, now_ns: int, frame: bytes) -> None:
        """The venue sends a frame; what becomes of it is drawn."""
        world = self.world
        draw, faults = world.draw, world.faults
        if not self.is_up or now_ns < self.silent_until_ns:
            return
        if draw.random() < faults.drop:
            world.count("drop")
            return
        due_ns = max(now_ns + draw.randrange(1, 20) * MILLISECOND, self.last_due_ns, self.held_until_ns)
        if draw.random() < faults.reorder:
            # What is sent after it may come before it.
            world.count("reorder")
            due_ns += draw.randrange(20, 300) * MILLISECOND
        else:
            self.last_due_ns = due_ns
        if draw.random() < faults.corrupt:
            world.count("corrupt")
            frame = world.speakers[self.connection_id].corrupted(frame, draw)
        world.deliver(due_ns, self, self.frame(FRAME_STREAM, frame))
        if draw.random() < faults.duplicate:
            world.count("duplicate")
            world.deliver(due_ns + draw.randrange(1, 400) * MILLISECOND, self, self.frame(FRAME_STREAM, frame))

    def frame(self, kind: int, data: bytes) -> RawFrame:
        """A frame as the feed hands it on; its time of receipt is set when it arrives."""
        return RawFrame(self.connection_id, kind, 0 if kind == FRAME_STREAM else 1, 0, data)


@attrs.frozen(kw_only=True)
class Longest:
    """How long a connection is down, silent or held up at most."""

    down_ms: int
    silent_ms: int
    held_ms: int


class Network:
    """What is on its way over connections, and the faults that are drawn for them."""

    def __init__(self, seed: int, faults: Faults, longest: Longest) -> None:
        self.draw = Random(seed)
        self.faults = faults
        self.longest = longest
        self.queue: list[tuple[int, int, int, int, Message]] = []
        self.number = 0
        self.injected: dict[str, int] = {}

    def count(self, fault: str) -> None:
        """One more fault of a kind."""
        self.injected[fault] = self.injected.get(fault, 0) + 1

    def deliver(self, due_ns: int, connection: Connection, message: Message) -> None:
        """Let a message reach the lane at a time, unless its connection is lost before."""
        self.number += 1
        heappush(self.queue, (due_ns, self.number, connection.connection_id, connection.epoch, message))

    def forget(self, connection: Connection) -> None:
        """What is on its way over a connection is lost."""
        self.queue = [one for one in self.queue if one[2] != connection.connection_id]
        self.queue.sort()

    def disturb(self, connection: Connection, now_ns: int) -> None:
        """Draw what befalls a whole connection."""
        draw, faults, longest = self.draw, self.faults, self.longest
        if draw.random() < faults.disconnect:
            self.count("disconnect")
            connection.disconnect(now_ns, draw.randrange(1, longest.down_ms) * MILLISECOND)
        if draw.random() < faults.stall:
            # It stays open, and what is sent is never seen.
            self.count("stall")
            connection.silent_until_ns = now_ns + draw.randrange(500, longest.silent_ms) * MILLISECOND
        if draw.random() < faults.delay:
            self.count("delay")
            connection.held_until_ns = now_ns + draw.randrange(50, longest.held_ms) * MILLISECOND


class World(Network):
    """See the head of this file."""

    def __init__(self, speakers: dict[int, Speaker], seed: int, faults: Faults, audit_every_s: int = 0) -> None:
        super().__init__(seed, faults, Longest(down_ms=3_000, silent_ms=12_000, held_ms=2_500))
        self.speakers = speakers
        first = next(iter(speakers.values()))
        self.truth = Truth(seed, first.depth)
        settings = VenueBookParams(
            dialect=first.dialect, depth=first.depth, connections=tuple(speakers), retry_most_ms=5_000,
            audit_every_s=audit_every_s,
        )  # fmt: skip
        self.lane = Lane(first, settings)
        self.book = self.lane.actor(VenueBook)
        self.connections = {number: Connection(self, number) for number in speakers}
        self.trades: list[PublicTrade] = []
        self.live_ns = 0
        self.judged = 0
        self.judges = True
        self.inputs: deque[tuple[Message, int, bool]] = deque([(self.lane.started, START_NS, True)], maxlen=MOST_INPUTS)

    def another_core(self) -> LaneCore:
        """A lane like this one that has heard nothing."""
        return build_core(self.lane.plan, "main")

    def run(self, steps: int) -> None:
        """Let the market take so many steps."""
        for _ in range(steps):
            now_ns = self.lane.now_ns + STEP_NS
            self.move(now_ns)
            self.pass_until(now_ns)

    def move(self, now_ns: int) -> None:
        """The market moves, and faults of connections come."""
        events = self.truth.step(now_ns)
        change = self.truth.change()
        for connection in self.connections.values():
            if not connection.is_up:
                if now_ns >= connection.back_ns:
                    connection.connect(now_ns)
                continue
            self.disturb(connection, now_ns)
            speaker = self.speakers[connection.connection_id]
            for event in events:
                if isinstance(event, TradeEvent):
                    frames = speaker.traded(now_ns, event)
                else:
                    frames = speaker.changed(now_ns, event, change)
                for frame in frames:
                    connection.send(now_ns, frame)

    def pass_until(self, end_ns: int) -> None:
        """Deliver what comes due, with the timers of the lane between."""
        while self.queue and self.queue[0][0] <= end_ns:
            due_ns, _, _, _, message = heappop(self.queue)
            self.wait(max(due_ns, self.lane.now_ns))
            if isinstance(message, RawFrame):
                message = RawFrame(
                    message.connection_id, message.kind, message.instrument_id, self.lane.now_ns, message.data
                )
            self.inputs.append((message, self.lane.now_ns, True))
            self.lane.take(message)
            self.look()
        self.wait(end_ns)

    def wait(self, until_ns: int) -> None:
        """Let timers fire."""
        self.lane.pass_ms((until_ns - self.lane.now_ns) / MILLISECOND)
        self.look()

    def look(self) -> None:
        """Judge every book, hear what was said, and answer it."""
        for leg in self.book.books[0].legs:
            if self.judges and leg.state in (LIVE, STALE):
                self.judge(leg)
        heard = list(self.lane.heard)
        self.lane.forget()
        for message in heard:
            if isinstance(message, PublicTrade):
                self.trades.append(message)
            elif isinstance(message, SnapshotWanted):
                self.begin_anew(self.connections[message.connection_id])
            elif isinstance(message, AuditWanted):
                connection = self.connections[message.connection_id]
                self.answer(connection, FRAME_AUDIT)

    def begin_anew(self, connection: Connection) -> None:
        """What the feed does when it is asked for a snapshot."""
        if not connection.is_up:
            return
        how = self.book.dialect.recovery
        if how == 0:
            self.answer(connection, FRAME_SNAPSHOT)
        elif how == 1:
            connection.subscribe(self.lane.now_ns)
        else:
            connection.disconnect(self.lane.now_ns, 200 * MILLISECOND, "the book was lost")

    def answer(self, connection: Connection, kind: int) -> None:
        """Answer a request after a while, with the book of some moment in it; or not at all."""
        draw = self.draw
        if draw.random() < self.faults.lose_answer:
            self.count("lose_answer")
            return
        _, update_id = self.truth.times[-min(len(self.truth.times), draw.randrange(1, 6))]
        body = self.speakers[connection.connection_id].snapshot(update_id, self.truth.at[update_id])
        due_ns = self.lane.now_ns + draw.randrange(5, 400) * MILLISECOND
        self.deliver(due_ns, connection, connection.frame(kind, body))

    def judge(self, leg: Leg) -> None:
        """A book that shows levels is a true one."""
        decoder = leg.decoder
        found = (decoder.book.bids.levels(), decoder.book.asks.levels())
        now_ns = self.lane.now_ns
        self.judged += 1
        numbered = self.speakers[leg.line.connection_id].numbered
        if numbered != "none":
            update_id = int(decoder.update_id)
            true = self.truth.at.get(self.truth.id_of.get(update_id, 0) if numbered == "count" else update_id)
            assert true is not None, f"no true book had the id {decoder.update_id}"
            assert found == true, f"wrong at {decoder.update_id}: {difference(found, true)}"
        else:
            assert any(found == true for true in self.truth.recent(now_ns - 4 * MOST_AGE_NS)), "no true book"
        if leg.state == LIVE:
            assert any(found == true for true in self.truth.recent(now_ns - MOST_AGE_NS)), "LIVE and old"

    def check_trades(self) -> set[int]:
        """Every trade that was told is a true one, told once; gives their ids."""
        told = [int(trade.trade_id) for trade in self.trades]
        assert len(told) == len(set(told)), "a trade was told twice"
        for trade in self.trades:
            true = self.truth.trades[trade.trade_id]
            assert (trade.price, trade.size, trade.aggressor_side) == (true.price, true.size, true.aggressor_side)
        return set(told)

    def settle(self, seconds: int = 60) -> None:
        """Without faults every book becomes LIVE, and is the present one."""
        self.faults = Faults()
        for connection in self.connections.values():
            connection.silent_until_ns = connection.held_until_ns = 0
        self.run(seconds * SECOND // STEP_NS)
        # What is on its way arrives.
        self.pass_until(self.lane.now_ns + 1_000 * MILLISECOND)
        for leg in self.book.books[0].legs:
            assert leg.state == LIVE, f"not recovered: {leg.state} {leg.cause}"
            book = leg.decoder.book
            assert (book.bids.levels(), book.asks.levels()) == self.truth.sides()
        assert self.lane.failures() == []


def difference(found: Sides, true: Sides) -> str:
    """The first levels in which two books differ."""
    return str([sorted(set(one) ^ set(other))[:4] for one, other in zip(found, true, strict=True)])
