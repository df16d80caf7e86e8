"""The main job's actors fused in one lane and each in a lane of its own: the same decisions; the same in every run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import attrs
import trio
import trio.testing

from actors.order_manager import OrderManager
from market.messages import Message, RawFrame, RunStarted, encode, name_of
from runtime.actor import Actor
from runtime.blueprint import Blueprint, draw_blueprint
from runtime.classes import params_of
from runtime.clock import TrioClock
from runtime.config.load import load_config
from runtime.config.model import ActorConfig, ServiceConfig, SystemConfig
from runtime.config.rules import DecimalText
from runtime.wiring import build_system
from strategies.market_maker import MarketMaker
from strategies.market_maker_params import MarketMakerParams
from tests.actors.trading_lane import SimulatedLane
from tests.simulation.factory import START_NS
from tests.simulation.world import Silence, simulate
from venues.simulated import SimulatedFeed

if TYPE_CHECKING:
    from runtime.logs import Logger

CONFIG = Path(__file__).resolve().parents[1] / "desk" / "one_venue.toml"
FEED = {"message_limit": 1_300, "burst_share": 0.0, "messages_per_second": 400}


class SeparateFrames(SimulatedFeed):
    """Sends every frame as a read of its own, a moment apart.

    Within one read a trade and a change of the book reach a strategy as one step when fused, and by two ways when not:
    by the fill and by the fair value. Apart in time there is one way only, and the decisions must be the same.
    """

    async def send(self, messages: Sequence[Message]) -> None:
        """One after the other."""
        for message in messages:
            if isinstance(message, RawFrame):
                message = RawFrame(
                    message.connection_id, message.kind, message.instrument_id, self.clock.now_ns(), message.data
                )
            await super().send([message])
            await trio.sleep(0.001)


def main_job(own_lanes: bool, seed: int = 1) -> Blueprint:
    """The main job in small with a limited feed, fused or with every actor in a lane of its own."""

    def changed(config: SystemConfig) -> SystemConfig:
        lane = "own" if own_lanes else "main"
        actors: dict[str, ActorConfig] = {
            name: attrs.evolve(actor, lane=lane) for name, actor in config.actors.items()
        }
        services: dict[str, ServiceConfig] = {
            name: attrs.evolve(one, class_="tests.simulation.test_lanes:SeparateFrames")
            for name, one in config.services.items()
        }
        return attrs.evolve(config, actors=actors, services=services)

    loaded = load_config(CONFIG, environment={}, params_of=params_of)
    config = changed(loaded.config)
    params = {
        place: attrs.evolve(value, **FEED, seed=seed) if place[0] == "services" else value
        for place, value in loaded.params.items()
    }
    blueprint, problems = draw_blueprint(attrs.evolve(loaded, config=config, params=params))
    assert problems == []
    return blueprint


def decisions_of(blueprint: Blueprint, seed: int) -> dict[str, list[bytes]]:
    """Run it in simulated time until the feed is silent; gives what was decided, by message type, in order."""
    decided: dict[str, list[bytes]] = {}

    def note(message: Message, _: int) -> None:
        decided.setdefault(name_of(message.schema_id), []).append(encode(message))

    async def main(_: random.Random) -> None:
        clock = TrioClock(START_NS)
        log = cast("Logger", Silence())
        system = build_system(blueprint, clock, random.Random(5), log, lambda _: None)
        for lane in system.lanes:
            lane.core.on_decision = note
            lane.channels.urgent.offer(RunStarted(START_NS, 7, "", ""))
        with trio.move_on_after(6):
            await system.supervisor.run()
        for lane in system.lanes:
            assert not lane.core.anomalies

    simulate(seed, main)
    return decided


def test_fused_and_unfused_make_the_same_decisions() -> None:
    """An actor does not know which lane it is in.

    Asserted where an instant brings one thing by one way. Where a change of the book both fills an order and moves the
    fair value, a strategy in a lane of its own hears of the two in two batches and may answer the first alone;
    docs/architecture.md says so. The run ends before the first such instant.
    """
    fused = decisions_of(main_job(own_lanes=False), 1)
    unfused = decisions_of(main_job(own_lanes=True), 2)
    assert len(fused["ChildOrder"]) > 80
    assert len(fused["OrderFilled"]) > 5
    assert fused.keys() == unfused.keys()
    for name, messages in fused.items():
        assert messages == unfused[name], name


def test_a_late_frame_pulls_the_quotes_of_every_lane() -> None:
    """The lane that takes the frame says that it lags; the order manager hears it in a lane of its own as well."""
    found: list[bool] = []

    async def main(_: random.Random) -> None:
        clock = TrioClock(START_NS)
        log = cast("Logger", Silence())
        system = build_system(main_job(own_lanes=True), clock, random.Random(5), log, lambda _: None)
        for lane in system.lanes:
            lane.channels.urgent.offer(RunStarted(START_NS, 7, "", ""))

        async def late() -> None:
            await trio.sleep(1)
            book = system.lane("venue_book")
            book.channels.inbox.offer(RawFrame(1, 0, 1, clock.now_ns() - 3_000_000_000, b"{}"))
            await trio.testing.wait_all_tasks_blocked()
            manager = system.lane("order_manager").core.slots[0].actor
            assert isinstance(manager, OrderManager)
            found.append(manager.lagging)
            system.supervisor.request_shutdown("seen")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(late)
            await system.supervisor.run()

    simulate(4, main)
    assert found == [True]


def test_a_run_does_not_depend_on_process_or_hash_seed() -> None:
    """The same inputs give the same digest in processes with other hash seeds."""
    program = "from tests.simulation.test_lanes import print_digest; print_digest()"
    found = set()
    for hash_seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment,
            cwd=CONFIG.parents[2],
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1
    assert found.pop().strip().isdigit()


def print_digest() -> None:
    """For the test above: run, and print a digest of every decision."""
    from zlib import crc32

    decided = decisions_of(main_job(own_lanes=False), 1)
    print(crc32(b"".join(b"".join(messages) for messages in decided.values())))


class SecondMaker(MarketMaker):
    """A strategy more."""


class ThirdMaker(MarketMaker):
    """A strategy more."""


class FourthMaker(MarketMaker):
    """A strategy more."""


class FifthMaker(MarketMaker):
    """A strategy more."""


class SixthMaker(MarketMaker):
    """A strategy more."""


MORE: tuple[type[MarketMaker], ...] = (SecondMaker, ThirdMaker, FourthMaker, FifthMaker, SixthMaker)


class DozenLane(SimulatedLane):
    """The main job's actors and five more strategies that each want something else."""

    CLASSES: ClassVar[tuple[type[Actor], ...]] = (*SimulatedLane.CLASSES, *MORE)


def test_a_lane_of_a_dozen_actors_decides_the_same_a_hundred_times() -> None:
    """Same inputs, same digest, same state, in every run."""
    params: dict[type[Actor], object] = {
        class_: MarketMakerParams(
            size=DecimalText(f"0.00{number}"), maximum_position=DecimalText("0.05"), half_spread_bps=0.3 * number
        )
        for number, class_ in enumerate(MORE, start=1)
    }
    found = set()
    for _ in range(100):
        lane = DozenLane(3, params=params)
        lane.run(40)
        assert lane.failures() == []
        found.add((int(lane.core.digest.value), int(lane.core.digest.count), json.dumps(lane.core.save())))
    assert len(found) == 1
    assert found.pop()[1] > 50
