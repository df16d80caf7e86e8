"""The same main job with a lane for each actor: what the figures of tick to order are compared with.

Each lane is a task of its own with a journal, channels to all others and a clock that the traffic moves; a frame is
sent when everything before it has come to rest. The time is from its leave to the first command that comes out.
"""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import ClassVar, Final

import attrs
import trio
import trio.testing

from benchmarks.system_traffic import Traffic
from benchmarks.tick_to_order_lane import COMMANDS, SESSION, shipped_blueprint
from benchmarks.transport import silence
from hftrun_kernel import mode
from market.messages import ConnectionUp, Message, RawFrame, RunStarted, encode
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.clock import TrioClock
from runtime.config.model import RuntimeConfig
from runtime.histogram import Histogram
from runtime.journal.durability import DurabilitySetting
from runtime.journal.storage import DirectoryStorage
from runtime.lane_core import LaneCore
from runtime.lane_journal import JournalOptions, LaneJournal
from runtime.service import Service, ServiceSetup
from runtime.wiring import System, build_system

FRAMES: Final = 8_000
FRAMES_INTERPRETED: Final = 1_500
_SEGMENT_BYTES: Final = 64 * 1024 * 1024
_NANOSECONDS: Final = 1_000_000_000


@attrs.define
class Watch:
    """When a frame was sent, and how long its first command took."""

    traffic: Traffic
    clock: trio.testing.MockClock
    began_ns: int = 0
    times: Histogram = attrs.field(factory=Histogram)
    done: trio.Event = attrs.field(factory=trio.Event)


class TrafficFeed(Service):
    """Sends the traffic, each frame when everything before it has come to rest."""

    GIVES: ClassVar[tuple[type[Message], ...]] = (RawFrame, ConnectionUp)

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, Watch)
        self.watch: Final = setup.params

    async def run(self) -> None:
        """All of it."""
        watch = self.watch
        frames = watch.traffic.frames[: FRAMES if mode() == "compiled" else FRAMES_INTERPRETED]
        await self.send([ConnectionUp(market.connection_id, 1) for market in watch.traffic.markets])
        before_ns = frames[0].receive_ns
        for frame in frames:
            await trio.testing.wait_all_tasks_blocked()
            watch.began_ns = 0
            watch.clock.jump(max(0, frame.receive_ns - before_ns) / _NANOSECONDS)
            before_ns = max(before_ns, frame.receive_ns)
            await trio.testing.wait_all_tasks_blocked()
            watch.began_ns = perf_counter_ns()
            await self.send([frame])
        await trio.testing.wait_all_tasks_blocked()
        watch.done.set()


class Leaving(Service):
    """Takes the commands that leave, in their binary form."""

    TAKES: ClassVar[tuple[type[Message], ...]] = COMMANDS

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, Watch)
        self.watch: Final = setup.params

    async def run(self) -> None:
        """Note the first after each frame."""
        watch = self.watch
        while True:
            message = await self.mailbox.receive()
            encode(message)
            if watch.began_ns:
                watch.times.record(perf_counter_ns() - watch.began_ns)
                watch.began_ns = 0


def apart(traffic: Traffic, watch: Watch) -> Blueprint:
    """The shipped plan with a lane for each actor."""
    plan = shipped_blueprint(traffic)
    # What is sent at once must find room in every lane, however small the batch of each.
    config = attrs.evolve(plan.config, runtime=attrs.evolve(plan.config.runtime, max_lag_ms=60_000))
    assert isinstance(config.runtime, RuntimeConfig)
    actors = tuple(attrs.evolve(node, lane=node.name) for node in plan.actors)
    services = (service_of(TrafficFeed, 1, watch), service_of(Leaving, 2, watch))
    return Blueprint(config, plan.instruments, plan.instrument_names, actors, services)


def service_of(class_: type[Service], number: int, watch: Watch) -> Node:
    """One of the two edges."""
    return Node(
        name=class_.__name__.lower(), node_id=number, kind="service", class_=class_,
        class_path=f"benchmarks.tick_to_order_apart:{class_.__name__}", policy=Service.POLICY, lane="",
        instrument_ids=(), params=watch, takes=dict.fromkeys(class_.TAKES, ""), gives=class_.GIVES, owns=(),
    )  # fmt: skip


def system_of(blueprint: Blueprint, start_ns: int, folder: Path) -> System:
    """The system with a journal for each lane."""
    clock = TrioClock(start_ns)
    options = JournalOptions(DurabilitySetting.NEVER, 1_000, _SEGMENT_BYTES, 0, 1, "bench")

    def journal_of(core: LaneCore) -> LaneJournal:
        storage = DirectoryStorage(folder / core.name)
        return LaneJournal(core, storage, clock, options, lambda: build_core(blueprint, core.name))

    system = build_system(blueprint, clock, random.Random(1), silence(), journal_of)
    for lane in system.lanes:
        assert lane.journal is not None
        lane.journal.recover()
        lane.channels.urgent.offer(RunStarted(start_ns, SESSION, "", ""))
    return system


def play_apart(traffic: Traffic) -> Histogram:
    """The times of the frames that led to commands."""
    watch = Watch(traffic, trio.testing.MockClock())

    async def main() -> None:
        with TemporaryDirectory(prefix="hftrun-bench-") as folder:
            system = system_of(apart(traffic, watch), traffic.frames[0].receive_ns, Path(folder))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(system.supervisor.run)
                await watch.done.wait()
                # The end waits for answers; from here on time passes by itself.
                watch.clock.autojump_threshold = 0
                nursery.cancel_scope.cancel()

    trio.run(main, clock=watch.clock)
    return watch.times
