"""Shutdown while the service that takes the orders is down: it is started again at once, and what cannot be is said."""

from __future__ import annotations

import random
from typing import ClassVar, cast

import attrs
import pytest

from market.messages import CancelAll, CancelOrder, Message, NewOrder, OrderAccepted, OrderCancelled, RunStarted
from runtime.actor import HALT_TRADING
from runtime.blueprint import Blueprint
from runtime.clock import TrioClock
from runtime.config.model import RestartConfig, RuntimeConfig, SystemConfig
from runtime.service import Service, ServiceSetup
from runtime.supervisor import ShutdownReport
from runtime.wiring import System, build_system
from tests.actors.trading_lane import sent
from tests.runtime.lanes import node_of, plan
from tests.simulation.factory import START_NS, Critical, Feed, Fragile, Observer, Plan, Taker, service_of
from tests.simulation.test_shutdown import interrupted
from tests.simulation.world import Silence, simulate


@attrs.define
class EdgePlan(Plan):
    """A run whose orders go to a service, and what they did there."""

    fails_at: int = 20
    fails_again: bool = False
    resting: list[int] = attrs.field(factory=list)
    is_cleared: bool = False
    starts: int = 0


class Edge(Service):
    """Accepts orders and cancels them; fails at one order, and at every start after that where it is to."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (NewOrder, CancelOrder, CancelAll)
    GIVES: ClassVar[tuple[type[Message], ...]] = (OrderAccepted, OrderCancelled)
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, EdgePlan)
        self.plan = setup.params

    async def run(self) -> None:
        """Take one after the other."""
        plan = self.plan
        plan.starts += 1
        if plan.starts > 1 and plan.fails_again:
            raise ConnectionError("the edge is still broken")
        while True:
            message = await self.mailbox.receive()
            if isinstance(message, NewOrder):
                await self.enter(int(message.order_id))
            elif isinstance(message, CancelAll):
                plan.is_cleared = True
                await self.take_out(list(plan.resting))
            elif isinstance(message, CancelOrder):
                await self.take_out([int(message.order_id)] if message.order_id in plan.resting else [])

    async def enter(self, order_id: int) -> None:
        """Accept an order; one that is older than a cancel of all, whose channel is faster, is over at once."""
        plan = self.plan
        plan.resting.append(order_id)
        await self.send([OrderAccepted(order_id, 1, "", 0)])
        if plan.is_cleared:
            await self.take_out([order_id])
        if len(plan.resting) == plan.fails_at and plan.starts == 1:
            raise ConnectionError("the edge broke")

    async def take_out(self, order_ids: list[int]) -> None:
        """Cancel these."""
        self.plan.resting = [one for one in self.plan.resting if one not in order_ids]
        await self.send([OrderCancelled(one, 1, 10, 0, "") for one in order_ids])


def system_of(run: EdgePlan) -> System:
    """The system: the pauses before a restart are longer than any shutdown."""
    config = SystemConfig(
        runtime=RuntimeConfig(seed=run.seed, shutdown_deadline_ms=4_000),
        restart=RestartConfig(initial_ms=3_600_000, maximum_ms=3_600_000, intensity=6, window_ms=60_000),
    )
    blueprint: Blueprint = plan(
        node_of(Observer, 1), node_of(Fragile, 2, "fragile", params=run), node_of(Taker, 4),
        node_of(Critical, 5, params=run),
        services=(service_of(Feed, 1, run), service_of(Edge, 2, run, HALT_TRADING)), config=config,
    )  # fmt: skip
    log = cast("object", Silence())
    return build_system(blueprint, TrioClock(START_NS), random.Random(run.seed), log, lambda _: None)  # type: ignore[arg-type]


def ended(run: EdgePlan) -> tuple[ShutdownReport, float, System]:
    """Run until the edge has failed, and ask for the end while it waits."""
    systems: list[System] = []

    async def main(_: random.Random) -> tuple[ShutdownReport, float]:
        systems.append(system_of(run))
        return await interrupted(systems[0], 20.0, 0, False)

    report, took = simulate(run.seed, main)
    return report, took, systems[0]


@pytest.mark.parametrize("seed", range(5))
def test_what_waits_for_its_restart_is_started_for_the_shutdown(seed: int) -> None:
    """Orders rest at a venue whose gateway is down for long: it comes back at once, and takes them out."""
    run = EdgePlan(seed, messages=100)
    report, took, _ = ended(run)
    assert run.starts == 2
    assert report.orderly
    assert run.resting == []
    assert took < 1.0


def test_what_cannot_be_started_is_said() -> None:
    """It fails at each start: the shutdown ends within its deadline, and does not say that nothing works."""
    run = EdgePlan(1, messages=100, fails_again=True)
    report, took, system = ended(run)
    assert run.starts > 2
    assert (report.flat, report.orderly) == (False, False)
    assert took <= 4.0
    # An order that was never taken may work for all that is known here.
    assert run.resting
    assert set(run.resting) <= {int(one) for one in system.lanes[0].core.ledger.open}


def test_asked_to_end_before_anything_was_started_it_ends_in_order() -> None:
    """Nothing works and nothing is started: what waits for the lanes, such as the beginning of the run, is no order."""
    run = EdgePlan(3)

    async def main(_: random.Random) -> ShutdownReport:
        system = system_of(run)
        system.supervisor.tell_lanes(RunStarted(0, 1, "", ""))
        system.supervisor.request_shutdown("at once")
        return await system.supervisor.run()

    assert simulate(3, main).orderly
    assert run.starts == 0


def test_orders_of_an_earlier_run_are_cancelled_by_a_run_that_is_asked_to_end_at_once() -> None:
    """The end comes before anything was started: what the ledger knows to work makes it start all the same."""
    run = EdgePlan(2, messages=0, resting=[7])

    async def main(_: random.Random) -> ShutdownReport:
        system = system_of(run)
        ledger = system.lanes[0].core.ledger
        system.lanes[0].core.take(RunStarted(0, 1, "", ""), START_NS, True)
        for message in sent(7, 1, 100, 10):
            ledger.observe(message)
        assert ledger.open_order_count() == 1
        system.supervisor.request_shutdown("at once")
        return await system.supervisor.run()

    assert simulate(2, main).orderly
    assert run.resting == []
