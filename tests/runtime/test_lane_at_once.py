"""A lane that sleeps works in the task of the service that brings something: nothing but the time it takes differs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import trio
import trio.testing

from market.messages import FRAME_SNAPSHOT, CancelAll, Message, PublicTrade, RawFrame, Signal, TimerFired, schema_id_of
from runtime.actor import Actor
from runtime.channels import BLOCK, HALT, Channel, Doorbell
from runtime.clock import TrioClock
from runtime.journal.durability import DurabilitySetting
from runtime.journal.errors import JournalError
from runtime.lane import Lane, LaneChannels, Target
from runtime.lane_core import LaneCore
from runtime.lane_drain import LaneOptions
from runtime.lane_journal import JournalOptions, LaneJournal
from runtime.lane_parts import Failure, Port, RemoteTaker
from runtime.metrics import MetricRegistry
from runtime.supervisor import cause_of
from tests.runtime.lanes import core_of
from tests.runtime.test_lane_drain import Talker, trade
from tests.simulation.disk import SimulatedDisk
from tests.simulation.world import run_inline

START_NS = 1_700_000_000_000_000_000
MILLISECOND_NS = 1_000_000


class Sleeper(Actor):
    """Says a signal for each timer, which it sets for each trade: as many milliseconds ahead as the trade's number."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def on_trade(self, message: PublicTrade) -> None:
        """Set it."""
        self.set_timer(message.trade_id, self.now + message.trade_id * MILLISECOND_NS)

    def on_timer(self, timer: TimerFired) -> None:
        """Say when it came."""
        self.emit(Signal("slept", 1, float((self.now - START_NS) // MILLISECOND_NS), 1.0, 0))


class Clumsy(Actor):
    """Says a signal for each trade, and breaks at the second."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def on_trade(self, message: PublicTrade) -> None:
        """Say, or break."""
        self.emit(Signal("said", 1, float(message.trade_id), 1.0, 0))
        if message.trade_id == 2:
            raise ValueError("it broke")


class Rig:
    """A lane with a journal on a simulated disk, whose signals go to a channel that the test reads."""

    def __init__(self, actor: type[Actor], durability: DurabilitySetting, capacity: int = 8) -> None:
        doorbell = Doorbell()
        self.inbox = Channel("inbox", capacity, BLOCK, doorbell=doorbell)
        self.urgent = Channel("urgent", 10, HALT, doorbell=doorbell)
        self.target = Channel("target", 4, BLOCK)
        self.disk = SimulatedDisk(1)
        clock = TrioClock(START_NS)
        clock.now_ns()
        self.core = core_of(actor)
        port = Port("target", framed=False)
        self.core.ports.append(port)
        self.core.routes[schema_id_of(Signal)].remote.append(RemoteTaker(port, False, []))

        def build() -> LaneCore:
            return core_of(actor)

        options = JournalOptions(durability, 100, 1_000_000, 0, 2, "build")
        journal = LaneJournal(self.core, self.disk, clock, options, build, run_inline)
        journal.recover()
        channels = LaneChannels(doorbell, self.inbox, self.urgent)
        limits = LaneOptions(250 * MILLISECOND_NS, 64, 100)
        self.lane = Lane(self.core, channels, clock, limits, MetricRegistry(), journal)
        self.lane.targets.append(Target(port, self.target, self.target))

    def said(self) -> list[int]:
        """The values of the signals that have come since the last look."""
        found: list[Message] = []
        self.target.drain_into(found)
        return [int(message.value) for message in found if isinstance(message, Signal)]


@asynccontextmanager
async def asleep(
    actor: type[Actor], durability: DurabilitySetting = DurabilitySetting.INTERVAL, capacity: int = 8
) -> AsyncIterator[Rig]:
    """A running lane that has nothing to do; ended in order."""
    rig = Rig(actor, durability, capacity)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.lane.run)
        await trio.testing.wait_all_tasks_blocked()
        yield rig
        rig.lane.close()


async def test_a_lane_that_sleeps_answers_before_the_sender_goes_on(autojump_clock: trio.testing.MockClock) -> None:
    """Input, decision, journal and delivery happen within the call; the lane's own task sleeps on."""
    async with asleep(Talker) as rig:
        assert rig.inbox.bring([trade(1), trade(2)]) == 2
        assert rig.said() == [1, 2]
        assert rig.core.sequence == 2
        assert rig.disk.writes == 1
        assert not rig.inbox.doorbell.rung
        await rig.inbox.send_batch([trade(3)])
        assert rig.said() == [3]


async def test_another_way_in_only_wakes_the_lane(autojump_clock: trio.testing.MockClock) -> None:
    """What lanes and the supervisor offer never runs a lane in their task, and what a service brings goes behind it."""
    async with asleep(Talker) as rig:
        rig.inbox.offer_batch([trade(1)])
        assert rig.said() == []
        rig.inbox.bring([trade(2)])
        assert rig.said() == []
        await trio.testing.wait_all_tasks_blocked()
        assert rig.said() == [1, 2]


async def test_what_is_urgent_goes_first_all_the_same(autojump_clock: trio.testing.MockClock) -> None:
    """A cancel that was offered before a service brings a frame is taken before it."""
    async with asleep(Talker) as rig:
        rig.urgent.offer(CancelAll(0, "now"))
        rig.inbox.bring([trade(1)])
        assert rig.core.sequence == 0
        await trio.testing.wait_all_tasks_blocked()
        assert (rig.core.sequence, rig.said()) == (2, [1])


async def test_timers_that_such_a_turn_sets_end_the_sleep_when_they_are_due(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An earlier one, a later one, and one beside others: each comes in its millisecond."""
    async with asleep(Sleeper) as rig:
        rig.inbox.bring([trade(30)])
        await trio.sleep(0.010)
        rig.inbox.bring([trade(5)])
        rig.inbox.bring([trade(90)])
        await trio.sleep(0.200)
        assert rig.said() == [15, 30, 100]


async def test_a_handler_that_fails_is_told_of_in_the_lane_s_own_task(autojump_clock: trio.testing.MockClock) -> None:
    """The service that brought the input learns nothing of it; nothing leaves before the supervisor was told."""
    told: list[tuple[str, str, int]] = []

    async with asleep(Clumsy) as rig:

        def note(_: Lane, failure: Failure) -> None:
            told.append((failure.slot.name, trio.lowlevel.current_task().name, int(rig.target.core.depth)))

        rig.lane.on_failure = note
        rig.inbox.bring([trade(1), trade(2)])
        assert (told, rig.said()) == ([], [])
        await trio.testing.wait_all_tasks_blocked()
        assert rig.said() == [1]
    ((slot, task, depth),) = told
    assert (slot, depth) == ("clumsy", 0)
    assert task.endswith("Lane.run")


async def test_a_journal_that_fails_ends_the_lane_and_not_the_service(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing leaves whose cause is not on record."""
    rig = Rig(Talker, DurabilitySetting.INTERVAL)
    failed: list[Exception] = []

    async def run() -> None:
        try:
            await rig.lane.run()
        except* JournalError as group:
            failed.append(cause_of(group))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        rig.disk.failing_writes = 1
        assert rig.inbox.bring([trade(1)]) == 1
        assert rig.inbox.bring([trade(2)]) == 1
    (error,) = failed
    assert isinstance(error, JournalError)
    assert rig.said() == []


async def test_where_what_leaves_waits_for_the_disk_the_lane_works_in_its_own_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """With `durability = "always"` only that task can wait."""
    async with asleep(Talker, DurabilitySetting.ALWAYS) as rig:
        rig.inbox.bring([trade(1)])
        assert (rig.core.sequence, rig.said()) == (0, [])
        await trio.testing.wait_all_tasks_blocked()
        assert rig.said() == [1]
        assert rig.disk.syncs > 0


async def test_of_a_frame_that_was_cut_one_piece_is_taken_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """The others come in turns of the lane's own task: whoever has something urgent can say it in between."""
    pieces: list[Message] = [RawFrame(1, FRAME_SNAPSHOT, 1, START_NS, b"piece", part, 3) for part in (1, 2, 3)]
    async with asleep(Talker) as rig:
        rig.inbox.bring(pieces)
        assert rig.core.sequence == 1
        await trio.testing.wait_all_tasks_blocked()
        assert rig.core.sequence == 3


async def test_more_than_the_inbox_holds_waits_for_the_lane_s_own_task(autojump_clock: trio.testing.MockClock) -> None:
    """A sender who waits for room is woken, and all arrives once and in order."""
    async with asleep(Talker, capacity=3) as rig:
        got: list[int] = []
        wanted: list[Message] = [trade(number) for number in range(1, 11)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.inbox.send_batch, wanted)
            while len(got) < 10:
                await trio.sleep(0.001)
                got += rig.said()
        assert got == list(range(1, 11))


async def test_a_full_receiver_is_tried_again_by_the_lane_s_own_task(autojump_clock: trio.testing.MockClock) -> None:
    """What does not leave at once is delivered, in order, when there is room."""
    async with asleep(Talker) as rig:
        rig.inbox.bring([trade(number) for number in range(1, 8)])
        assert rig.target.core.depth == 4
        rig.inbox.bring([trade(8)])
        got = rig.said()
        while len(got) < 8:
            await trio.sleep(0.010)
            got += rig.said()
        assert got == list(range(1, 9))
