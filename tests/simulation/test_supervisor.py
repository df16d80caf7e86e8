"""The supervisor under seeded failures: nothing that a policy keeps is lost, everything ends as the policies say."""

from __future__ import annotations

import functools
import random

import pytest
import trio

from market.messages import RunStarted
from runtime.actor import HALT_TRADING, STOP
from runtime.build_core import build_core
from runtime.lane_journal import LAST, rebuilder, replay_into
from runtime.supervisor import ShutdownReport, UnitState, cause_of
from runtime.wiring import System
from tests.seeds import seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.factory import Critical, Observer, Plan, blueprint_of, system_of
from tests.simulation.world import simulate


async def run_to_end(system: System, run: Plan, limit_seconds: float = 120) -> ShutdownReport:
    """Run until the feed has sent everything and the lanes have nothing left, then shut down."""
    supervisor = system.supervisor
    for lane in system.lanes:
        lane.channels.urgent.offer(RunStarted(0, 1, "", ""))
    reports: list[ShutdownReport] = []

    async def watch() -> None:
        with trio.move_on_after(limit_seconds):
            while not run.feed_done and supervisor.units["feed"].state is not UnitState.FAILED:
                await trio.sleep(0.1)
            await trio.sleep(2)
        supervisor.request_shutdown("the test is over")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        reports.append(await supervisor.run())
        nursery.cancel_scope.cancel()
    return reports[0]


def check_replay(run: Plan, disks: dict[str, SimulatedDisk], system: System, lanes: int) -> None:
    """Every journal, replayed from its first record, gives the digest it recorded and the state that was reached."""
    blueprint = blueprint_of(run, lanes)
    for lane in system.lanes:
        name, disk = lane.name, disks[lane.name]
        core = build_core(blueprint, name)
        build = functools.partial(build_core, blueprint, name)
        replay_into(core, disk, None, rebuilder(build, disk, None), LAST).replayer.finish()
        assert core.digest.value == lane.core.digest.value
        assert core.ledger.save() == lane.core.ledger.save()


def check_end(run: Plan, system: System, report: ShutdownReport) -> None:
    """What must hold at the end of every run, whatever failed in between."""
    supervisor = system.supervisor
    assert report.unfinished == ()
    assert report.fatal == ""
    assert report.flat
    main = system.lane("main")
    observer = main.core.slots[0].actor
    assert isinstance(observer, Observer)
    # The channel from the feed blocks and the one to the sink may never drop: each number once, in order.
    assert observer.seen == run.sent == list(range(1, len(run.sent) + 1))
    waiting = sum(int(box.inbox.core.depth) for box in system.mailboxes.values())
    assert len(run.received) + waiting + main.undelivered == len(run.sent)
    assert run.received == run.sent[: len(run.received)]
    halted = any(lane.core.ledger.halted for lane in system.lanes)
    for lane in system.lanes:
        for slot in lane.core.slots:
            unit = supervisor.units[slot.name]
            assert unit.failures == slot.failures
            if slot.policy == STOP:
                assert slot.down == (slot.failures > 0)
            elif slot.policy == HALT_TRADING and slot.failures:
                assert halted
                assert not slot.down or unit.state is UnitState.FAILED
            elif slot.down:
                assert unit.state in (UnitState.FAILED, UnitState.BACKING_OFF)
            if unit.state is UnitState.FAILED:
                assert halted
    assert run.feed_done or supervisor.units["feed"].state is UnitState.FAILED


def simulated(run: Plan, lanes: int = 1) -> tuple[System, ShutdownReport, dict[str, SimulatedDisk]]:
    """One whole run in a world of its own."""
    disks: dict[str, SimulatedDisk] = {}
    found: list[System] = []

    async def main(_: random.Random) -> ShutdownReport:
        found.append(system_of(run, disks, lanes))
        return await run_to_end(found[0], run)

    report = simulate(run.seed, main)
    return found[0], report, disks


@pytest.mark.parametrize("lanes", [1, 2])
def test_seeded_failures_lose_nothing_and_end_as_the_policies_say(lanes: int) -> None:
    """Random actors and services fail at random; what was sent arrives once and in order, and a replay agrees."""
    failures = 0
    for seed in seeds(25, 1000):
        run = Plan(seed, one_in=5 + seed % 40)
        system, report, disks = simulated(run, lanes)
        try:
            check_end(run, system, report)
            check_replay(run, disks, system, lanes)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
        failures += sum(unit.failures for unit in system.supervisor.units.values())
    assert failures > 20


def test_the_same_seed_gives_the_same_run() -> None:
    """Two runs of one seed, faults and all, make the same decisions."""
    digests = {int(simulated(Plan(7, one_in=9))[0].lanes[0].core.digest.value) for _ in range(3)}
    assert len(digests) == 1


def test_a_critical_actor_comes_back_with_its_state() -> None:
    """It is rebuilt from the journal as it was before the input that killed it, and trading is halted."""
    for seed in seeds(40, 400):
        core = simulated(Plan(seed, messages=120, one_in=6))[0].lanes[0].core
        slot = next(slot for slot in core.slots if isinstance(slot.actor, Critical))
        critical = slot.actor
        assert isinstance(critical, Critical)
        if slot.failures and slot.restarts and critical.passed:
            assert core.ledger.halted
            sent = [int(one.order_id) for one in (*core.ledger.ended.values(), *core.ledger.open.values()) if one.sent]
            # What it let through before it failed is remembered; the lane stopped what it passed on after the halt.
            assert sent
            assert critical.passed[: len(sent)] == sorted(sent)
            return
    pytest.fail("no seed made the critical actor fail: the rule of failures has changed")


def test_a_failure_that_two_tasks_meet_is_one() -> None:
    """A group of one exception, however deep and however often it is in there, is that exception; of two it is both."""
    error, other = ValueError("it"), ValueError("it")
    assert cause_of(error) is error
    assert cause_of(ExceptionGroup("", [error, ExceptionGroup("", [error])])) is error
    both = ExceptionGroup("", [error, other])
    assert cause_of(both) is both
