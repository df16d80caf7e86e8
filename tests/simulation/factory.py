"""A small system for simulations: a feed that numbers what it sends, actors and services that fail by a stated rule.

Whether something fails follows from the seed and the number of the message alone, so that a replay fails alike.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, ClassVar, cast

import attrs
import trio

from market.messages import (
    BUY,
    GTC,
    LIMIT,
    CancelAll,
    CancelOrder,
    ChildOrder,
    FairValue,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    PublicTrade,
    Signal,
)
from runtime.actor import HALT_TRADING, RESTART, RESTART_WITH_DEPENDENTS, STOP, Actor, ActorSetup, Strategy
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.clock import TrioClock
from runtime.config.model import RestartConfig, RuntimeConfig, SystemConfig
from runtime.journal.durability import DurabilitySetting
from runtime.lane_core import LaneCore
from runtime.lane_journal import JournalOptions, LaneJournal
from runtime.ledger import Ledger
from runtime.service import Service, ServiceSetup
from runtime.wiring import System, build_system
from tests.runtime.lanes import node_of, plan
from tests.simulation.disk import SimulatedDisk
from tests.simulation.world import Silence, run_inline

if TYPE_CHECKING:
    from runtime.logs import Logger

START_NS = 1_700_000_000_000_000_000


def fails(seed: int, salt: int, number: int, one_in: int) -> bool:
    """Whether this one fails: a fixed scramble of seed, place and number."""
    return one_in > 0 and (seed * 1_000_003 + salt * 7_919 + number * 104_729) % 1_009 % one_in == 0


@attrs.define
class Plan:
    """What a simulated run does, and what the outside saw of it."""

    seed: int
    messages: int = 60
    one_in: int = 0
    next_to_send: int = 1
    sent: list[int] = attrs.field(factory=list)
    received: list[int] = attrs.field(factory=list)
    feed_done: bool = False
    watched: int = 0
    reached: trio.Event | None = None


class Feed(Service):
    """Sends numbered trades in batches, and fails between two batches by the rule."""

    GIVES: ClassVar[tuple[type[Message], ...]] = (PublicTrade,)

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, Plan)
        self.plan = setup.params

    async def run(self) -> None:
        """Go on where the run before this one stopped."""
        plan = self.plan
        while plan.next_to_send <= plan.messages:
            first = plan.next_to_send
            numbers = list(range(first, min(first + self.randomness.randint(1, 4), plan.messages + 1)))
            await self.send([PublicTrade(1, number, 100, 1, BUY, 0, self.clock.now_ns()) for number in numbers])
            plan.sent += numbers
            plan.next_to_send = numbers[-1] + 1
            if plan.reached is not None and plan.watched in numbers:
                plan.reached.set()
            if fails(plan.seed, 1, first, plan.one_in):
                raise ConnectionError(f"the feed broke after {numbers[-1]}")
            await trio.sleep(self.randomness.random() / 20)
        plan.feed_done = True


class Sink(Service):
    """Takes signals and remembers them; fails after it has taken one by the rule."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, Plan)
        self.plan = setup.params

    async def run(self) -> None:
        """Take one after the other."""
        while True:
            message = await self.mailbox.receive()
            assert isinstance(message, Signal)
            self.plan.received.append(int(message.value))
            if fails(self.plan.seed, 2, int(message.value), self.plan.one_in):
                raise ConnectionError(f"the sink broke at {message.value}")


class Observer(Actor):
    """Passes every trade on as a signal and never fails."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (Signal,)

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.seen: list[int] = []

    def on_trade(self, message: PublicTrade) -> None:
        """Pass it on."""
        self.seen.append(int(message.trade_id))
        self.emit(Signal("seen", 1, float(message.trade_id), 1.0, 0))

    def save(self) -> dict[str, object]:
        """What it saw."""
        return {"seen": self.seen}

    def load(self, state: dict[str, object]) -> None:
        """Take it back."""
        seen = state["seen"]
        assert isinstance(seen, list)
        self.seen = seen


class Fragile(Actor):
    """Gives a fair value for each trade and fails by the rule."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (FairValue,)

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, Plan)
        self.plan = setup.params

    def on_trade(self, message: PublicTrade) -> None:
        """Give, or fail."""
        if fails(self.plan.seed, int(self.actor_id), int(message.trade_id), self.plan.one_in * 2):
            raise ValueError(f"{self.name} cannot take {message.trade_id}")
        self.emit(FairValue(1, float(message.trade_id), 1.0, 0))


class Critical(Actor):
    """Lets orders through and counts them; fails by the rule, and must come back with its count."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {ChildOrder: "on_order"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (NewOrder,)
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, Plan)
        self.plan = setup.params
        self.passed: list[int] = []

    def on_order(self, message: ChildOrder) -> None:
        """Pass it on, or fail."""
        if fails(self.plan.seed, 4, int(message.order_id), self.plan.one_in * 8):
            raise ValueError(f"risk cannot take {message.order_id}")
        self.passed.append(int(message.order_id))
        self.emit(NewOrder(*order_fields(message.order_id, message.strategy_id)))

    def save(self) -> dict[str, object]:
        """What it let through."""
        return {"passed": self.passed}

    def load(self, state: dict[str, object]) -> None:
        """Take it back."""
        passed = state["passed"]
        assert isinstance(passed, list)
        self.passed = passed


class Taker(Strategy):
    """Wants an order for every fair value."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {FairValue: "on_fair_value"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (ChildOrder,)

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.next_order = 1

    def prime(self, ledger: Ledger) -> None:
        """Never use a number twice."""
        known = [order.order_id for order in ledger.open.values()] + [order.order_id for order in ledger.ended.values()]
        self.next_order = max([int(one) for one in known], default=0) + 1

    def on_fair_value(self, _: FairValue) -> None:
        """Ask for one."""
        self.emit(ChildOrder(*order_fields(self.next_order, self.strategy_id)))
        self.next_order += 1

    def save(self) -> dict[str, object]:
        """The next number."""
        return {"next_order": self.next_order}

    def load(self, state: dict[str, object]) -> None:
        """Take it back."""
        next_order = state["next_order"]
        assert isinstance(next_order, int)
        self.next_order = next_order


class Market(Actor):
    """Accepts every order and cancels what it is asked to."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        NewOrder: "on_order",
        CancelOrder: "on_cancel",
        CancelAll: "on_cancel_all",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (OrderAccepted, OrderCancelled)
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.resting: list[int] = []

    def on_order(self, message: NewOrder) -> None:
        """Accept it."""
        self.resting.append(int(message.order_id))
        self.emit(OrderAccepted(message.order_id, message.instrument_id, "", 0))

    def on_cancel(self, message: CancelOrder) -> None:
        """Cancel one."""
        if message.order_id in self.resting:
            self.resting.remove(int(message.order_id))
            self.emit(OrderCancelled(message.order_id, message.instrument_id, 10, 0, message.reason))

    def on_cancel_all(self, message: CancelAll) -> None:
        """Cancel all."""
        for order_id in self.resting:
            self.emit(OrderCancelled(order_id, 1, 10, 0, message.reason))
        self.resting = []

    def save(self) -> dict[str, object]:
        """What rests."""
        return {"resting": self.resting}

    def load(self, state: dict[str, object]) -> None:
        """Take it back."""
        resting = state["resting"]
        assert isinstance(resting, list)
        self.resting = resting


OrderFields = tuple[int, int, int, int, int, int, int, int, int, int, int, bool, bool, int, int]


def order_fields(order_id: int, strategy_id: int) -> OrderFields:
    """The fields of a resting order."""
    return (order_id, 0, strategy_id, 1, BUY, LIMIT, GTC, 100, 10, 0, 0, True, False, 0, 0)


def service_of(class_: type[Service], number: int, params: object, policy: str = RESTART) -> Node:
    """A service in a plan."""
    return Node(
        name=class_.__name__.lower(),
        node_id=number,
        kind="service",
        class_=class_,
        class_path=f"tests:{class_.__name__}",
        policy=policy,
        lane="",
        instrument_ids=(),
        params=params,
        takes=dict.fromkeys(class_.TAKES, "run"),
        gives=class_.GIVES,
        owns=(),
    )


def blueprint_of(run: Plan, lanes: int = 1) -> Blueprint:
    """The system: a feed, an observer and fragile actors, orders through a critical actor, a sink."""
    second = "orders" if lanes > 1 else "main"
    config = SystemConfig(
        runtime=RuntimeConfig(seed=run.seed, shutdown_deadline_ms=4_000, inbox_capacity=16),
        restart=RestartConfig(initial_ms=10, maximum_ms=200, intensity=6, window_ms=2_000, healthy_ms=500),
    )
    return plan(
        node_of(Observer, 1),
        node_of(Fragile, 2, "fragile", policy=RESTART_WITH_DEPENDENTS if run.seed % 2 else RESTART, params=run),
        node_of(Fragile, 3, "stopping", policy=STOP, params=run),
        node_of(Taker, 4),
        node_of(Critical, 5, lane=second, params=run),
        node_of(Market, 6, lane=second),
        services=(service_of(Feed, 1, run), service_of(Sink, 2, run)),
        config=config,
    )


def system_of(run: Plan, disks: dict[str, SimulatedDisk], lanes: int = 1) -> System:
    """The system built on simulated disks, in simulated time."""
    blueprint = blueprint_of(run, lanes)
    clock = TrioClock(START_NS)
    options = JournalOptions(DurabilitySetting.INTERVAL, 50, 1 << 20, 400_000_000, 2, "test")

    def journal_of(core: LaneCore) -> LaneJournal:
        name = core.name
        disk = disks.setdefault(name, SimulatedDisk(run.seed))
        return LaneJournal(core, disk, clock, options, lambda: build_core(blueprint, name), run_inline)

    system = build_system(blueprint, clock, random.Random(run.seed), cast("Logger", Silence()), journal_of)
    for lane in system.lanes:
        assert lane.journal is not None
        lane.journal.recover()
    assert system.settle_after_recovery() == []
    return system
