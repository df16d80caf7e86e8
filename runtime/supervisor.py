"""The supervisor: starts lanes and services, restarts what fails, escalates, and shuts down in order.

It promises: no exception is lost, each is logged with its unit, counted and shown; a failed service or actor comes
back after a backoff with full jitter, until it fails too often, when trading halts; shutdown runs in reverse order of
start, within a deadline, and leaves no task behind, at whatever moment it is asked for. Orders, fills and positions
are not its business: they lie in the ledger of each lane, which outlives every actor.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import attrs
import trio

from market.messages import (
    ActorRestarted,
    ActorStopped,
    ChannelTripped,
    Message,
    ServiceFailed,
    ServiceRestarted,
    ShutdownRequested,
    TradingHalted,
)
from runtime.actor import HALT_TRADING, RESTART, RESTART_WITH_DEPENDENTS, STOP
from runtime.backoff import RestartTracker
from runtime.channels import FULL
from runtime.journal.errors import JournalError
from runtime.lane_parts import InjectedFault, describe

if TYPE_CHECKING:
    from runtime.backoff import BackoffOptions
    from runtime.channels import Channel
    from runtime.clock import Clock
    from runtime.lane import Lane
    from runtime.lane_parts import Failure
    from runtime.logs import Logger
    from runtime.service import Mailbox
    from runtime.watchdog import Stall

NANOSECONDS = 1_000_000_000
FLAT_POLL_SECONDS = 0.005
# During a shutdown nothing waits longer than this to be started again.
LAST_PAUSE_SECONDS = 0.1


class UnitState(enum.Enum):
    """What a supervised unit is doing."""

    WAITING = "waiting"
    RUNNING = "running"
    BACKING_OFF = "backing off"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@attrs.define(eq=False)
class Unit:
    """One supervised lane, service or actor, and what became of it."""

    name: str
    kind: str
    policy: str
    tracker: RestartTracker
    run: Callable[[], Awaitable[None]] | None = None
    lane: Lane | None = None
    mailbox: Mailbox | None = None
    actor_id: int = 0
    state: UnitState = UnitState.WAITING
    failures: int = 0
    restarts: int = 0
    last_error: str = ""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    finished: trio.Event = attrs.field(factory=trio.Event)


@attrs.frozen
class ServiceEntry:
    """A service as the wiring hands it over: made anew for each start."""

    name: str
    policy: str
    make: Callable[[], Callable[[], Awaitable[None]]]
    mailbox: Mailbox


@attrs.frozen
class SupervisorOptions:
    """How failures and shutdown are dealt with."""

    backoff: BackoffOptions
    shutdown_deadline_ns: int = 5 * NANOSECONDS


@attrs.frozen
class ShutdownReport:
    """How the shutdown went."""

    reason: str
    flat: bool
    unfinished: tuple[str, ...]
    fatal: str

    @property
    def orderly(self) -> bool:
        """Whether everything was cancelled, confirmed and stopped within the deadline."""
        return self.flat and not self.unfinished and not self.fatal


def unit_name(lane: Lane) -> str:
    """What a lane is called among the units; an actor with a lane of its own has that lane's name already."""
    return f"lane {lane.name}"


class Supervisor:
    """See the head of this file."""

    def __init__(
        self,
        lanes: list[Lane],
        services: list[ServiceEntry],
        clock: Clock,
        randomness: random.Random,
        options: SupervisorOptions,
        log: Logger,
    ) -> None:
        self.lanes = lanes
        self.clock = clock
        self.options = options
        self.log = log
        self.fatal = ""
        self.halts: list[str] = []
        self.stalls = 0
        self.report: ShutdownReport | None = None
        self._randomness = randomness
        self._shutdown = trio.Event()
        self._hurry = trio.Event()
        self._reason = ""
        self._nursery: trio.Nursery | None = None
        self._started: list[Unit] = []
        self.units: dict[str, Unit] = {}
        for lane in lanes:
            self._add(Unit(unit_name(lane), "lane", HALT_TRADING, self._tracker(), run=lane.run, lane=lane))
            lane.on_failure = self.on_actor_failure
            for slot in lane.core.slots:
                actor = Unit(slot.name, "actor", slot.policy, self._tracker(), lane=lane, actor_id=slot.actor_id)
                actor.state = UnitState.RUNNING
                self._add(actor)
        for entry in services:
            self._add(
                Unit(entry.name, "service", entry.policy, self._tracker(), self._runner(entry), mailbox=entry.mailbox)
            )

    # ---- what others ask of it

    def request_shutdown(self, reason: str) -> None:
        """Begin the orderly shutdown; a second request makes it hurry, never makes it careless."""
        if self._shutdown.is_set():
            self._hurry.set()
            return
        self._reason = reason
        self._shutdown.set()

    def halt(self, reason: str, source: str) -> None:
        """Trip the kill switch in every lane."""
        self.halts = [*self.halts[-99:], f"{source}: {reason}"]
        self.log.error("trading halted", reason=reason, source=source)
        self.tell_lanes(TradingHalted(reason, source))

    def channel_tripped(self, channel: Channel) -> None:
        """A channel that must lose nothing is full: it still holds everything, and trading halts."""
        self.log.error("channel tripped", channel=channel.name, depth=int(channel.core.depth))
        self.tell_lanes(ChannelTripped(channel.name, "halt", int(channel.core.depth)))

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> ShutdownReport:
        """Run everything until a shutdown is asked for, from inside, or by cancelling this call."""
        async with trio.open_nursery() as outer:
            outer.start_soon(self._notice_cancellation)
            # What runs below must still cancel orders and write its journal when this call is cancelled.
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    await self._start_units(nursery)
                    task_status.started()
                    await self._shutdown.wait()
                    self.report = await self._shut_down()
                    nursery.cancel_scope.cancel()
            outer.cancel_scope.cancel()
        assert self.report is not None
        return self.report

    # ---- start and keep

    async def _notice_cancellation(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.request_shutdown("cancelled")

    async def _start_units(self, nursery: trio.Nursery) -> None:
        """Start lanes and services in order; one that fails to start is restarted like any other."""
        for unit in self.units.values():
            if self._shutdown.is_set() and not self._open_orders():
                return
            if unit.kind != "actor":
                self._started.append(unit)
                nursery.start_soon(self._keep, unit)
                await trio.lowlevel.checkpoint()
        for lane in self.lanes:
            for slot in lane.core.slots:
                if slot.down:
                    self._plan_restart(self.units[slot.name], nursery)

    async def _keep(self, unit: Unit) -> None:
        """Run a unit, and again after each failure, as long as its policy and its intensity allow."""
        assert unit.run is not None
        try:
            with unit.scope:
                while True:
                    unit.state = UnitState.RUNNING
                    unit.tracker.started(self.clock.now_ns())
                    try:
                        await unit.run()
                    except Exception as error:
                        delay_ns = self._on_unit_failure(unit, error)
                        if delay_ns is None:
                            return
                        unit.state = UnitState.BACKING_OFF
                        await self._pause(delay_ns / NANOSECONDS)
                        unit.restarts += 1
                        self.tell_lanes(ServiceRestarted(unit.name, unit.restarts))
                    else:
                        unit.state = UnitState.FINISHED
                        return
        finally:
            if unit.state in (UnitState.RUNNING, UnitState.BACKING_OFF):
                unit.state = UnitState.STOPPED
            if unit.mailbox is not None:
                # Nobody will take these any more: whoever sends is told, instead of waiting.
                unit.mailbox.close()
            unit.finished.set()

    async def _pause(self, seconds: float) -> None:
        """Wait before a restart; a shutdown does not: what takes orders out of a venue may be what is down."""
        if self._shutdown.is_set():
            await trio.sleep(min(seconds, LAST_PAUSE_SECONDS))
            return
        with trio.move_on_after(seconds):
            await self._shutdown.wait()

    def _runner(self, entry: ServiceEntry) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await entry.make()()

        return run

    def _on_unit_failure(self, unit: Unit, error: Exception) -> int | None:
        """Note a failed lane or service; gives the delay before it starts again, or None when it must not."""
        self._note(unit, error)
        if unit.kind == "lane":
            unit.state = UnitState.FAILED
            self.fatal = self.fatal or f"{unit.name}: {unit.last_error}"
            self.halt(f"{unit.name} failed", unit.name)
            self.request_shutdown(f"{unit.name} failed")
            return None
        self.tell_lanes(ServiceFailed(unit.name, unit.last_error, unit.failures))
        if unit.policy == STOP:
            unit.state = UnitState.FAILED
            return None
        if unit.policy == HALT_TRADING:
            self.halt(f"{unit.name} failed: {unit.last_error}", unit.name)
        delay_ns = unit.tracker.failed(self.clock.now_ns())
        if delay_ns is None:
            self._escalate(unit)
        return delay_ns

    def on_actor_failure(self, lane: Lane, failure: Failure) -> None:
        """Note a failed actor, which its lane has taken out of service already, and plan its return."""
        unit = self.units[failure.slot.name]
        self._note(unit, failure.error)
        if failure.slot.policy == HALT_TRADING and not failure.slot.down:
            # The lane has rebuilt it in the same step.
            unit.restarts += 1
        nursery = self._nursery
        if nursery is not None:
            self._plan_restart(unit, nursery)

    def _plan_restart(self, unit: Unit, nursery: trio.Nursery) -> None:
        if unit.policy == STOP:
            unit.state = UnitState.STOPPED
            return
        delay_ns = unit.tracker.failed(self.clock.now_ns())
        if delay_ns is None:
            self._escalate(unit)
        elif unit.policy in (RESTART, RESTART_WITH_DEPENDENTS):
            unit.state = UnitState.BACKING_OFF
            self._set_dependents(unit, UnitState.BACKING_OFF)
            nursery.start_soon(self._restart_actor, unit, delay_ns)

    async def _restart_actor(self, unit: Unit, delay_ns: int) -> None:
        """Bring an actor back after its backoff: the lane does it when it takes this input."""
        assert unit.lane is not None
        await self._pause(delay_ns / NANOSECONDS)
        if unit.state is not UnitState.BACKING_OFF or unit.lane.closing:
            return
        unit.restarts += 1
        unit.state = UnitState.RUNNING
        self._set_dependents(unit, UnitState.RUNNING)
        unit.tracker.started(self.clock.now_ns())
        self.tell_lanes(ActorRestarted(unit.actor_id, unit.restarts))

    def _set_dependents(self, unit: Unit, state: UnitState) -> None:
        """What goes down and comes back with a unit is shown so; one that has failed for good stays failed."""
        if unit.policy != RESTART_WITH_DEPENDENTS or unit.kind != "actor":
            return
        for lane in self.lanes:
            for slot in lane.core.roster[unit.actor_id].dependents:
                dependent = self.units[slot.name]
                if dependent.state is not UnitState.FAILED:
                    dependent.state = state

    def _escalate(self, unit: Unit) -> None:
        """A unit failed too often in its window: it stays down and trading halts until a person looks."""
        unit.state = UnitState.FAILED
        self._set_dependents(unit, UnitState.FAILED)
        reason = f"{unit.name} failed {unit.failures} times, more often than restart.intensity allows"
        if unit.lane is not None:
            self._urge(unit.lane, ActorStopped(unit.actor_id, reason))
        self.halt(reason, "supervisor")

    # ---- shutdown

    async def _shut_down(self) -> ShutdownReport:
        """Stop quoting, cancel, wait for the confirmations, then stop everything in reverse order of start."""
        seconds = self.options.shutdown_deadline_ns / NANOSECONDS
        deadline = trio.current_time() + seconds
        self.log.info("shutting down", reason=self._reason)
        self.tell_lanes(ShutdownRequested(self._reason, self.clock.now_ns() + self.options.shutdown_deadline_ns))
        # The last part of the time belongs to stopping: a venue that never confirms must not cost the journal.
        flat = await self._wait_until_flat(deadline - seconds / 4)
        unfinished: list[str] = []
        for unit in reversed(self._started):
            if not await self._stop(unit, deadline):
                unfinished.append(unit.name)
        # Hurried or late, the last confirmations may have come while the lanes ended.
        flat = flat or self._is_flat()
        report = ShutdownReport(self._reason, flat, tuple(unfinished), self.fatal)
        self.log.info("stopped", orderly=report.orderly, flat=flat, unfinished=unfinished)
        return report

    async def _wait_until_flat(self, deadline: float) -> bool:
        """Wait until no lane knows of a working order."""
        while not self._is_flat():
            if self._hurry.is_set() or trio.current_time() >= deadline or not self._any_lane_runs():
                return self._is_flat()
            await trio.sleep(FLAT_POLL_SECONDS)
        return True

    def _is_flat(self) -> bool:
        # What waits for a lane that was never started is no order.
        lanes = [unit.lane for unit in self._started if unit.lane is not None]
        return not self._open_orders() and not any(lane.drain.is_urgent_waiting() for lane in lanes)

    def _open_orders(self) -> int:
        """How many orders the lanes know of that may work somewhere."""
        return sum(lane.core.ledger.open_order_count() for lane in self.lanes)

    def _any_lane_runs(self) -> bool:
        return any(self.units[unit_name(lane)].state is UnitState.RUNNING for lane in self.lanes)

    async def _stop(self, unit: Unit, deadline: float) -> bool:
        """End one unit; a lane may first take what has arrived. Says whether it ended by itself and in time."""
        if unit.lane is not None:
            unit.lane.close()
        else:
            unit.scope.cancel()
        with trio.CancelScope(deadline=deadline) as patience:
            await unit.finished.wait()
        if patience.cancelled_caught and not unit.finished.is_set():
            unit.scope.cancel()
            return False
        return True

    def on_stall(self, stall: Stall) -> None:
        """A handler does not return, or has returned at last: say which, and where it stands."""
        if stall.ended:
            self.log.warning("handler returned", handler=stall.label, duration_ns=stall.duration_ns)
        else:
            self.stalls += 1
            self.log.error(
                "handler does not return", handler=stall.label, duration_ns=stall.duration_ns, stack=stall.stack
            )

    # ---- words

    def tell_lanes(self, message: Message) -> None:
        """Give every lane an urgent input; none is dropped."""
        for lane in self.lanes:
            self._urge(lane, message)

    def _urge(self, lane: Lane, message: Message) -> None:
        """Put a message into a lane's urgent channel; when even its reserve is full, wait there rather than drop it."""
        if lane.channels.urgent.offer(message) == FULL and self._nursery is not None:
            self._nursery.start_soon(lane.channels.urgent.send, message)

    def _note(self, unit: Unit, error: Exception) -> None:
        cause = cause_of(error)
        unit.failures += 1
        unit.last_error = describe(cause)
        # A fault on request and a full disk say all there is to say; a traceback is for what is to be mended here.
        explains_itself = isinstance(cause, InjectedFault | JournalError)
        self.log.error(
            f"{unit.kind} failed",
            unit=unit.name,
            policy=unit.policy,
            failures=unit.failures,
            error=unit.last_error,
            exc_info=None if explains_itself else cause,
        )

    def _tracker(self) -> RestartTracker:
        return RestartTracker(self.options.backoff, self._randomness)

    def _add(self, unit: Unit) -> None:
        if unit.name in self.units:
            raise ValueError(f"two units are called {unit.name}")
        self.units[unit.name] = unit


def cause_of(error: Exception) -> Exception:
    """The one exception in a group, however deep, which is what trio makes of it on the way.

    Two tasks of a unit may meet one failure, such as that of its journal: then the group has it twice.
    """
    leaves = {id(leaf): leaf for leaf in _leaves(error)}
    return next(iter(leaves.values())) if len(leaves) == 1 else error


def _leaves(error: Exception) -> Iterator[Exception]:
    """The exceptions in a group, and in the groups within it."""
    if isinstance(error, ExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error
