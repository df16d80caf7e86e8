"""Death at any moment: the lane comes back exactly where its journal ends, and goes on as if nothing had happened."""

from __future__ import annotations

import copy
import json
import random

import pytest
import trio

from market.messages import RunStarted
from runtime.wiring import System
from tests.seeds import seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.factory import Observer, Plan, system_of
from tests.simulation.test_supervisor import check_replay, run_to_end
from tests.simulation.world import simulate

# Inputs come between the moment of a snapshot and its writing: it has the state of the moment.
TAKEN_BEFORE_MORE = 48


def state_of(system: System) -> str:
    """Everything that a system knows, as text."""
    return json.dumps({lane.name: lane.core.save() for lane in system.lanes}, sort_keys=True)


def killed(run: Plan, lanes: int) -> tuple[dict[str, SimulatedDisk], list[int]]:
    """The disks of a run as a kill at some moment leaves them, and what had left the process by then."""
    disks: dict[str, SimulatedDisk] = {}
    left: dict[str, SimulatedDisk] = {}
    received: list[int] = []

    async def main(source: random.Random) -> None:
        system = system_of(run, disks, lanes)
        run.reached = trio.Event()
        run.watched = source.randint(1, run.messages)

        async def kill() -> None:
            # Right after a message has arrived and a few steps of the scheduler: in the midst of what it leads to.
            assert run.reached is not None
            await run.reached.wait()
            for _ in range(source.randrange(8)):
                await trio.lowlevel.checkpoint()
            left.update({name: copy.deepcopy(disk) for name, disk in disks.items()})
            received.extend(run.received)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            await run_to_end(system, run, limit_seconds=3)

    simulate(run.seed, main)
    if lanes == 1 and dies_writing(run.seed):
        # The last write is cut: what it held had not left, so nothing is known of what may be missing.
        for disk in left.values():
            disk.kill()
        received.clear()
    return left, received


def orders_of(system: System, lane: str) -> dict[int, tuple[int, int, int]]:
    """Every order that a lane knows to have been sent, with its state and what was filled."""
    ledger = system.lane(lane).core.ledger
    known = (*ledger.ended.values(), *ledger.open.values())
    return {int(one.order_id): (int(one.state), int(one.size), int(one.filled)) for one in known if one.sent}


def dies_writing(seed: int) -> bool:
    """Whether the death of a seed's process falls into a write to its journal."""
    return seed % 3 == 0


@pytest.mark.parametrize("lanes", [1, 2])
def test_after_a_kill_at_any_moment_it_goes_on_where_the_journal_ends(lanes: int) -> None:
    """What had left has its cause on record; two recoveries agree; the run that follows replays from the beginning."""
    recovered_records = 0
    for seed in sorted({*seeds(20, 120), TAKEN_BEFORE_MORE}):
        run = Plan(seed, messages=80, one_in=0 if seed % 2 else 14)
        disks, received = killed(run, lanes)
        twin = copy.deepcopy(disks)
        again = Plan(seed, messages=30, one_in=run.one_in)
        states: list[str] = []
        systems: list[System] = []

        async def main(
            _: random.Random,
            again: Plan = again,
            disks: dict[str, SimulatedDisk] = disks,
            twin: dict[str, SimulatedDisk] = twin,
            states: list[str] = states,
            systems: list[System] = systems,
        ) -> None:
            system = system_of(again, disks, lanes)
            systems.append(system)
            states.append(state_of(system))
            states.append(state_of(system_of(again, twin, lanes)))
            await run_to_end(system, again, limit_seconds=4)

        simulate(seed + 1, main)
        system = systems[0]
        assert states[0] == states[1], seed
        observer = system.lane("main").core.slots[0].actor
        assert isinstance(observer, Observer)
        cut = len(observer.seen) - len(again.sent)
        seen_before = observer.seen[:cut]
        recovered_records += cut
        # The journal may hold more than had left, never less, and nothing that was not sent.
        assert seen_before == list(range(1, cut + 1)), seed
        assert set(received) <= set(seen_before), seed
        assert observer.seen[cut:] == again.sent, seed
        for lane in system.lanes:
            assert not [one for one in lane.core.anomalies if "used twice" in one], seed
        if lanes == 2:
            # What one lane had sent and the other had not taken was delivered after the recovery, once.
            assert orders_of(system, "main") == orders_of(system, "orders"), seed
        check_replay(again, disks, system, lanes)
    assert recovered_records > 100


def test_a_second_run_is_told_that_it_is_one() -> None:
    """Every run begins with an input of its own; actors of a recovered lane are not started anew."""
    run = Plan(1, messages=20)
    disks: dict[str, SimulatedDisk] = {}

    async def main(_: random.Random) -> int:
        system = system_of(run, disks)
        await run_to_end(system, run, limit_seconds=3)
        follower = system_of(Plan(1, messages=0), disks)
        lane = follower.lane("main")
        before = int(lane.core.sequence)
        lane.channels.urgent.offer(RunStarted(0, 2, "", ""))
        lane.drain.turn(system.supervisor.clock.now_ns())
        return int(lane.core.sequence) - before

    assert simulate(1, main) == 1
