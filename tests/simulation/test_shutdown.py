"""Shutdown at every point of start-up and run: asked for or cancelled, in order, in time, with nothing left behind."""

from __future__ import annotations

import random

import pytest
import trio

from market.messages import CancelAll, CancelOrder, RunStarted, schema_id_of
from runtime.journal.reader import JournalReader, read_records
from runtime.journal.records import CLOSE
from runtime.supervisor import ShutdownReport
from runtime.wiring import System
from tests.seeds import seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.factory import Plan, system_of
from tests.simulation.world import simulate

# Inputs come between the moment of a snapshot and its writing: it has the state of the moment.
TAKEN_BEFORE_MORE = 249


async def interrupted(system: System, seconds: float, checkpoints: int, cancel: bool) -> tuple[ShutdownReport, float]:
    """Run and interrupt after a time and a number of steps of the scheduler; gives the report and how long it took."""
    supervisor = system.supervisor
    for lane in system.lanes:
        lane.channels.urgent.offer(RunStarted(0, 1, "", ""))
    began = [0.0]

    async def interrupt(scope: trio.CancelScope) -> None:
        if seconds:
            await trio.sleep(seconds)
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        began[0] = trio.current_time()
        if cancel:
            scope.cancel()
        else:
            supervisor.request_shutdown("the test says so")

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(interrupt, scope)
            await supervisor.run()
        nursery.cancel_scope.cancel()
    assert supervisor.report is not None
    return supervisor.report, trio.current_time() - began[0]


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("lanes", [1, 2])
def test_interrupted_anywhere_it_stops_in_order_and_in_time(lanes: int, cancel: bool) -> None:
    """Whatever it was doing: everything is cancelled and confirmed, the journals are closed, no task is left."""
    for step in sorted({*seeds(60, 250), TAKEN_BEFORE_MORE}):
        early = step % 2 == 0
        run = Plan(step, messages=500, one_in=0 if step % 3 else 30)
        disks: dict[str, SimulatedDisk] = {}
        systems: list[System] = []

        async def main(
            _: random.Random,
            run: Plan = run,
            disks: dict[str, SimulatedDisk] = disks,
            systems: list[System] = systems,
            place: tuple[float, int] = (0.0, step) if early else (step * 0.037, step % 7),
        ) -> tuple[ShutdownReport, float, int]:
            before = trio.lowlevel.current_statistics().tasks_living
            systems.append(system_of(run, disks, lanes))
            report, took = await interrupted(systems[0], *place, cancel)
            return report, took, trio.lowlevel.current_statistics().tasks_living - before

        report, took, left = simulate(step, main)
        assert report.unfinished == (), step
        assert report.fatal == "", step
        assert report.flat, step
        assert took <= 4.0, step
        assert left == 0, step
        for lane in systems[0].lanes:
            assert lane.core.ledger.open_order_count() == 0
            records = list(read_records(JournalReader(disks[lane.name])))
            # A lane that never took an input has nothing to close; any other ends with the mark of an orderly end.
            assert not records or records[-1].flags & CLOSE, step


def deafen(system: System) -> None:
    """Let the market take orders and no cancels."""
    core = system.lanes[0].core
    core.routes[schema_id_of(CancelAll)].everyone.clear()
    core.routes[schema_id_of(CancelOrder)].everyone.clear()


def test_a_market_that_never_confirms_does_not_hold_the_shutdown_beyond_its_deadline() -> None:
    """The report says that orders are still open, and the journal is closed all the same."""
    run = Plan(3, messages=40)
    disks: dict[str, SimulatedDisk] = {}

    async def main(_: random.Random) -> tuple[ShutdownReport, float]:
        system = system_of(run, disks)
        deafen(system)
        return await interrupted(system, 2.0, 0, False)

    report, took = simulate(3, main)
    assert not report.flat
    assert not report.orderly
    assert report.unfinished == ()
    assert took <= 4.0


def test_a_second_request_hurries() -> None:
    """It stops waiting for confirmations, and still closes the journal."""
    run = Plan(3, messages=40)
    disks: dict[str, SimulatedDisk] = {}

    async def main(_: random.Random) -> tuple[ShutdownReport, float]:
        system = system_of(run, disks)
        deafen(system)
        async with trio.open_nursery() as nursery:

            async def hurry() -> None:
                await trio.sleep(2.1)
                system.supervisor.request_shutdown("again")

            nursery.start_soon(hurry)
            return await interrupted(system, 2.0, 0, False)

    report, took = simulate(3, main)
    assert took < 0.5
    assert report.unfinished == ()
    assert list(read_records(JournalReader(disks["main"])))[-1].flags & CLOSE
