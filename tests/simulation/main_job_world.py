"""The main job's lane in a simulated world: three venues of one true market, a network that damages, actors that die.

The lane is the shipped one with a journal on a simulated disk; books, trades and connections are those of
`venue_truth.py`, all from one seed. Orders go to the lane's own paper venue, or to a venue outside whose answers come
late. What the supervisor would do when an actor fails is done here at drawn times. After every input the auditor
judges; at the end everything is brought to rest and compared, and the journal is replayed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from heapq import heappop

import attrs

from actors.paper_venue import PaperVenue
from actors.venue_book import VenueBook
from market.instruments import Instrument
from market.messages import (
    FRAME_SNAPSHOT,
    ActorRestarted,
    HaltReset,
    Message,
    RawFrame,
    RunStarted,
    ShutdownRequested,
    SnapshotWanted,
)
from market.messages.catalogue import SCHEMA_FINGERPRINT
from runtime.actor import HALT_TRADING, STOP, Actor
from runtime.build_core import build_core
from runtime.journal.writer import JournalWriter
from runtime.lane_core import LaneCore
from runtime.lane_journal import LAST, rebuilder, replay_into
from runtime.lane_parts import Slot
from tests.actors.trading_lane import MILLISECOND, SESSION, START_NS, TradingLane
from tests.simulation.disk import SimulatedDisk
from tests.simulation.main_job_auditor import Auditor
from tests.simulation.main_job_plan import connection_of, risk_params, simulated_plan
from tests.simulation.main_job_venue import LateVenue, VenueManners
from tests.simulation.venue_speakers import BinanceSpeaker, CoinbaseSpeaker, KrakenSpeaker
from tests.simulation.venue_truth import Connection, Faults, Longest, Network, Speaker, Truth
from venues.simulated_market import MarketShape, SimulatedMarket, TradeEvent

STEP_NS = 40 * MILLISECOND
SHUTDOWN_NS = 5_000 * MILLISECOND
SETTLE_NS = 30_000 * MILLISECOND
SPEAKERS: dict[str, type[Speaker]] = {"binance": BinanceSpeaker, "kraken": KrakenSpeaker, "coinbase": CoinbaseSpeaker}


@attrs.frozen(kw_only=True)
class Troubles:
    """What befalls the lane beside its network: the share of the steps in which an actor is told to die, and which."""

    kill: float = 0.0
    victim: str = ""
    """Nobody else dies; empty for whoever is drawn."""


class SharedTruth(Truth):
    """The book of one venue of a market that all venues share."""

    def __init__(self, market: SimulatedMarket, depth: int) -> None:
        super().__init__(0, depth)
        self.market = market
        self.at.clear()
        self.id_of.clear()
        self.times.clear()
        self.note(START_NS)

    def remember(self) -> None:
        """Before the market moves."""
        self.before_id, self.before = self.market.update_id, self.sides()


class VenueSide:
    """One venue: its truth, its words and its connection, as a `Connection` wants to see them."""

    def __init__(self, world: MainJobWorld, instrument_id: int, connection_id: int, speaker: Speaker) -> None:
        self.world = world
        self.instrument_id = instrument_id
        self.truth = SharedTruth(world.market, speaker.depth)
        self.speakers = {connection_id: speaker}
        self.draw = world.draw
        self.connection = Line(self, connection_id)
        self.forget = world.forget
        self.count = world.count

    @property
    def faults(self) -> Faults:
        """Those of the moment."""
        return self.world.faults

    @property
    def speaker(self) -> Speaker:
        """Who writes its frames."""
        return self.speakers[self.connection.connection_id]

    def deliver(self, due_ns: int, connection: Connection, message: Message) -> None:
        """Let a message reach the lane at a time."""
        self.world.deliver(due_ns, connection, message)


class Line(Connection):
    """A connection that brings one instrument."""

    def __init__(self, side: VenueSide, connection_id: int) -> None:
        super().__init__(side, connection_id)  # type: ignore[arg-type]
        self.instrument_id = side.instrument_id

    def frame(self, kind: int, data: bytes) -> RawFrame:
        """A frame as the feed hands it on."""
        made = super().frame(kind, data)
        instrument_id = self.instrument_id if made.instrument_id else 0
        return RawFrame(made.connection_id, kind, instrument_id, 0, data)


class MainJobLane(TradingLane):
    """The lane with its journal."""

    def __init__(
        self, seed: int, with_paper: bool, params: Mapping[type[Actor], Mapping[str, object]], is_mixed: bool
    ) -> None:
        self.plan = simulated_plan(with_paper, params, is_mixed)
        self.core = self.another()
        self.disk = SimulatedDisk(seed)
        self.writer = JournalWriter(
            self.disk,
            lane="main",
            schema_fingerprint=SCHEMA_FINGERPRINT,
            build="test",
            next_sequence=1,
            clock=lambda: 0,
        )
        self.core.records = self.writer.buffer
        self.earlier = rebuilder(self.another, self.disk, None)
        self.core.rebuild = self.rebuild
        self.now_ns = START_NS
        self.core.take(RunStarted(START_NS, SESSION, "", ""), START_NS, True)

    def another(self) -> LaneCore:
        """A lane like this one that has heard nothing."""
        return build_core(self.plan, "main")

    def rebuild(self, slot: Slot, failed_sequence: int) -> Actor:
        """As a lane's journal does it."""
        self.writer.hand_over()
        return self.earlier(slot, failed_sequence)

    def check_replay(self) -> None:
        """The journal from its first record gives the same decisions and the same state, to the last bit."""
        self.writer.hand_over()
        core = self.another()
        replay_into(core, self.disk, None, rebuilder(self.another, self.disk, None), LAST).replayer.finish()
        assert (core.digest.value, core.digest.count) == (self.core.digest.value, self.core.digest.count)
        assert as_text(core) == as_text(self.core)


def as_text(core: LaneCore) -> str:
    """Everything that a lane knows."""
    return json.dumps(core.save(), sort_keys=True)


class MainJobWorld(Network):
    """See the head of this file."""

    def __init__(
        self,
        seed: int,
        faults: Faults,
        troubles: Troubles | None = None,
        manners: VenueManners | None = None,
        params: Mapping[type[Actor], Mapping[str, object]] | None = None,
        is_mixed: bool = False,
    ) -> None:
        """With `manners` the orders go to a late venue outside, else to the paper venue of the lane."""
        super().__init__(seed, faults, Longest(down_ms=2_000, silent_ms=5_000, held_ms=1_500))
        self.troubles = troubles or Troubles()
        self.market = SimulatedMarket(seed, MarketShape(6_000_000, 100, 1_000))
        self.lane = MainJobLane(seed, manners is None, params or {}, is_mixed)
        plan = self.lane.plan
        self.venue = None if manners is None else LateVenue(plan.instruments, seed, manners)
        self.auditor = Auditor(plan.instruments, risk_params(plan), self.owners_of_books())
        self.sides = {one.connection.connection_id: one for one in map(self.side_of, plan.instruments)}
        self.recovery = {
            connection_id: self.book_of(side.instrument_id).dialect.recovery
            for connection_id, side in self.sides.items()
        }
        self.restarts: list[tuple[int, int]] = []
        self.reset_ns: int | None = None
        self.closing_ns: int | None = None
        self.killed: list[str] = []
        self.died: list[str] = []
        self.look()

    def side_of(self, instrument: Instrument) -> VenueSide:
        """One venue of the world."""
        speaker = SPEAKERS[instrument.venue]()
        speaker.venue_symbol = instrument.venue_symbol
        connection_id = connection_of(self.lane.plan, instrument.instrument_id)
        return VenueSide(self, instrument.instrument_id, connection_id, speaker)

    def owners_of_books(self) -> dict[int, int]:
        """Which actor keeps the book of an instrument."""
        return {
            instrument.instrument_id: node.node_id
            for instrument in self.lane.plan.instruments
            for node in self.lane.plan.actors
            if issubclass(node.class_, VenueBook) and node.works_on(instrument.instrument_id)
        }

    def book_of(self, instrument_id: int) -> VenueBook:
        """The actor that keeps a book."""
        actor = self.lane.core.slot_of[self.owners_of_books()[instrument_id]].actor
        assert isinstance(actor, VenueBook)
        return actor

    # ---- time

    def run(self, steps: int) -> None:
        """Let the market take so many steps."""
        for _ in range(steps):
            now_ns = self.lane.now_ns + STEP_NS
            self.move(now_ns)
            self.pass_until(now_ns)
            self.trouble(now_ns)
            self.lane.writer.hand_over()

    def run_part(self, things: int) -> None:
        """Begin a step, and stop after so many of the things that come from outside in it."""
        end_ns = self.lane.now_ns + STEP_NS
        self.move(end_ns)
        for _ in range(things):
            due_ns = self.next_due_ns(end_ns)
            if due_ns is None:
                return
            self.wait(max(due_ns, self.lane.now_ns))
            self.take_due(self.lane.now_ns, 1)

    def move(self, now_ns: int) -> None:
        """The market moves, every venue tells of it, and faults of connections come."""
        for side in self.sides.values():
            side.truth.remember()
        events = self.market.step()
        for side in self.sides.values():
            connection, truth = side.connection, side.truth
            truth.note(now_ns)
            if not connection.is_up:
                if now_ns >= connection.back_ns:
                    connection.connect(now_ns)
                continue
            self.disturb(connection, now_ns)
            change = truth.change()
            for event in events:
                if isinstance(event, TradeEvent):
                    frames = side.speaker.traded(now_ns, event)
                else:
                    frames = side.speaker.changed(now_ns, event, change)
                for frame in frames:
                    connection.send(now_ns, frame)

    def pass_until(self, end_ns: int) -> None:
        """Deliver what comes due, with timers, restarts and the answers of the venue between, each an input judged."""
        while True:
            due_ns = self.next_due_ns(end_ns)
            if due_ns is None:
                break
            self.wait(max(due_ns, self.lane.now_ns))
            self.take_due(self.lane.now_ns)
        self.wait(end_ns)

    def next_due_ns(self, end_ns: int) -> int | None:
        """When the next thing from outside comes, if that is before the end."""
        dues = [self.queue[0][0]] if self.queue else []
        dues += [due_ns for due_ns, _ in self.restarts]
        if self.reset_ns is not None:
            dues.append(self.reset_ns)
        if self.venue is not None and (venue_ns := self.venue.next_due_ns()) is not None:
            dues.append(venue_ns)
        first = min(dues, default=None)
        return first if first is not None and first <= end_ns else None

    def take_due(self, now_ns: int, most_frames: int = 1 << 30) -> None:
        """Everything that is due now, but no more frames than so many."""
        while self.queue and self.queue[0][0] <= now_ns and most_frames > 0:
            most_frames -= 1
            message = heappop(self.queue)[4]
            if isinstance(message, RawFrame):
                message = RawFrame(message.connection_id, message.kind, message.instrument_id, now_ns, message.data)
            self.take(message)
        for due in [one for one in self.restarts if one[0] <= now_ns]:
            self.restarts.remove(due)
            self.take(ActorRestarted(due[1], 1))
        if self.reset_ns is not None and self.reset_ns <= now_ns:
            self.reset_ns = None
            self.take(HaltReset("the operator"))
        if self.venue is not None:
            touches = {side.instrument_id: self.touch_of(side) for side in self.sides.values()}
            for report in self.venue.arrived(now_ns, touches):
                self.take(report)

    def touch_of(self, side: VenueSide) -> tuple[int, int]:
        """The true touch at the scale of the venue's instrument."""
        instrument = self.lane.plan.instruments.by_id(side.instrument_id)
        factor = 10 ** (instrument.price_scale - 2)
        return self.market.best_bid * factor, self.market.best_ask * factor

    def wait(self, until_ns: int) -> None:
        """Let timers fire, each judged."""
        lane = self.lane
        while (first := lane.core.timers.first()) is not None and first[0] <= until_ns:
            lane.pass_ms(max(0, first[0] - lane.now_ns) / MILLISECOND)
            self.look()
        lane.now_ns = max(lane.now_ns, until_ns)

    def take(self, message: Message) -> None:
        """One input."""
        self.lane.take(message)
        self.look()

    # ---- what it leads to

    def look(self) -> None:
        """Hear what was said, let the auditor judge, and answer what was asked of the outside."""
        lane = self.lane
        heard = list(lane.heard)
        lane.forget()
        self.auditor.hear(heard, lane.now_ns)
        self.auditor.judge()
        for message in heard:
            if isinstance(message, SnapshotWanted):
                self.begin_anew(message)
            elif self.venue is not None:
                self.venue.take(message, lane.now_ns)
        self.supervise()

    def begin_anew(self, wanted: SnapshotWanted) -> None:
        """What the feed does when it is asked for a snapshot."""
        side = self.sides[int(wanted.connection_id)]
        connection = side.connection
        if not connection.is_up:
            return
        how = self.recovery[connection.connection_id]
        now_ns = self.lane.now_ns
        if how == 1:
            connection.subscribe(now_ns)
        elif how != 0:
            connection.disconnect(now_ns, 200 * MILLISECOND, "the book was lost")
        elif self.draw.random() < self.faults.lose_answer:
            self.count("lose_answer")
        else:
            _, update_id = side.truth.times[-min(len(side.truth.times), self.draw.randrange(1, 6))]
            body = side.speaker.snapshot(update_id, side.truth.at[update_id])
            due_ns = now_ns + self.draw.randrange(5, 400) * MILLISECOND
            self.deliver(due_ns, connection, connection.frame(FRAME_SNAPSHOT, body))

    def supervise(self) -> None:
        """What the supervisor does about failures, and a person about halts."""
        core = self.lane.core
        while core.reported:
            failure = core.reported.pop(0)
            slot = failure.slot
            assert "killed by fault injection" in str(failure.error), f"{slot.name}: {failure.error!r}"
            slot.kill_every = 0
            self.died.append(slot.name)
            if slot.policy not in (HALT_TRADING, STOP):
                due_ns = self.lane.now_ns + self.draw.randrange(10, 800) * MILLISECOND
                self.restarts.append((due_ns, int(slot.actor_id)))
        if core.ledger.halted and self.reset_ns is None:
            self.reset_ns = self.lane.now_ns + self.draw.randrange(200, 1_500) * MILLISECOND

    def trouble(self, now_ns: int) -> None:
        """Draw which actor dies, at one of the next messages that it takes."""
        if self.venue is not None:
            self.venue.trade(now_ns, {side.instrument_id: self.touch_of(side) for side in self.sides.values()})
        if self.draw.random() < self.troubles.kill:
            slots = [
                slot
                for slot in self.lane.core.slots[:-1]
                if not slot.down and slot.kill_every == 0 and self.troubles.victim in ("", slot.name)
            ]
            if slots:
                self.kill(self.draw.choice(slots))

    def kill(self, slot: Slot) -> None:
        """Let an actor die at one of the next messages that it takes."""
        self.count("kill")
        self.killed.append(slot.name)
        slot.kill_every = 1 << 40
        slot.kill_countdown = self.draw.randrange(1, 12)

    # ---- the end

    def shut_down(self, within_ns: int = SHUTDOWN_NS) -> None:
        """Ask for the end at this moment: in time, nothing works any more."""
        asked_ns = self.lane.now_ns
        self.faults = Faults()
        self.reset_ns = None
        self.take(ShutdownRequested("the test says so", 0))
        while self.is_working() and self.lane.now_ns < asked_ns + within_ns:
            self.run(1)
        assert not self.is_working(), f"still working {sorted(self.auditor.open)}"

    def is_working(self) -> bool:
        """Whether any order works, by anybody's count."""
        venue = self.venue
        if venue is not None and (venue.working or venue.requests or venue.answers):
            return True
        return bool(self.auditor.open) or self.lane.core.ledger.open_order_count() > 0

    def settle(self) -> None:
        """Without faults everything that is on its way arrives; then all counts agree and the journal repeats it."""
        self.faults, self.troubles = Faults(), Troubles()
        for slot in self.lane.core.slots:
            slot.kill_every = 0
        if self.venue is not None:
            self.venue.is_calm = True
        # What is on its way already may be late.
        self.shut_down(SETTLE_NS)
        core = self.lane.core
        self.auditor.compare(core.ledger)
        self.check_venue()
        assert list(core.anomalies) == []
        self.lane.check_replay()

    def check_venue(self) -> None:
        """What the lane believes to have is what it has at the venue."""
        for slot in self.lane.core.slots:
            if isinstance(slot.actor, PaperVenue) and not slot.down:
                assert slot.actor.summary()["resting"] == 0
        if self.venue is None:
            return
        for instrument_id, true in self.venue.accounts.items():
            known = [one for key, one in self.auditor.accounts.items() if key[1] == instrument_id]
            assert sum(one.net_size for one in known) == true.net_size
            assert sum(one.cash for one in known) == true.cash
            assert sum(one.fees for one in known) == true.fees
            assert sum(one.fills for one in known) == true.fills
