"""The task of one lane: waits for inputs, lets the drain take them, hands the journal over, delivers the output.

It promises: what leaves has its cause in the journal first; a closed lane has taken everything that had arrived. The
handlers of its actors run here and nowhere else, one turn after the other: in the lane's own trio task, or, while that
task sleeps, in the task of the service that has just brought something. A turn never waits, and what fails in it, or
cannot be ended without waiting, is the own task's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from market.messages import Message
from runtime.channels import ChannelClosed
from runtime.lane_core import LaneCore
from runtime.lane_drain import Inlet, LaneDrain, LaneOptions
from runtime.lane_parts import describe, origin_of, refusal_of
from runtime.timers import NEVER

if TYPE_CHECKING:
    from runtime.channels import Channel, Doorbell
    from runtime.clock import Clock
    from runtime.lane_journal import LaneJournal
    from runtime.lane_parts import Failure, Port, Slot
    from runtime.metrics import MetricRegistry

NANOSECONDS = 1_000_000_000
# How soon a full receiver is tried again.
RETRY_SECONDS = 0.002
# So much of why an actor cannot show itself is shown instead.
MOST_FAILURE = 200


@attrs.frozen
class LaneLink:
    """The two channels from one other lane, which has this number among the lanes."""

    number: int
    ordinary: Channel
    urgent: Channel


@attrs.frozen
class LaneChannels:
    """The ways into a lane: from services, from each other lane, and the urgent ones that nothing else fills."""

    doorbell: Doorbell
    inbox: Channel
    urgent: Channel
    lanes: Mapping[str, LaneLink] = attrs.field(factory=dict)

    def all(self) -> list[Channel]:
        """Every one of them."""
        links = [channel for link in self.lanes.values() for channel in (link.urgent, link.ordinary)]
        return [self.urgent, *links, self.inbox]


@attrs.frozen
class Target:
    """Where the messages of a port go; `receiver` is the lane that takes them, where it is one."""

    port: Port
    inbox: Channel
    urgent: Channel
    receiver: LaneCore | None = None
    number: int = 0

    def received(self) -> tuple[int, int]:
        """How many of the port's messages the receiving lane has taken, ordinary and urgent ones."""
        assert self.receiver is not None
        taken = self.receiver.received
        return taken.get(origin_of(self.number, False), 0), taken.get(origin_of(self.number, True), 0)

    def is_quiet(self) -> bool:
        """Whether nothing is on its way: only then can a snapshot stand for everything before it."""
        sent = (int(self.port.pending_sent), int(self.port.urgent_sent))
        return self.receiver is None or self.received() == sent


class Lane:
    """See the head of this file."""

    def __init__(
        self,
        core: LaneCore,
        channels: LaneChannels,
        clock: Clock,
        options: LaneOptions,
        metrics: MetricRegistry,
        journal: LaneJournal | None = None,
    ) -> None:
        self.name = core.name
        self.core = core
        self.channels = channels
        self.clock = clock
        self.journal = journal
        labels = {"lane": core.name}
        self.input_time = metrics.histogram("lane_input_ns", "Time that one input takes.", labels)
        self.lag = metrics.histogram("lane_lag_ns", "Age of a frame when it is taken.", labels)
        self.drain = LaneDrain(
            core,
            [_inlet(channels.urgent), *(_inlet(link.urgent, link.number, True) for link in channels.lanes.values())],
            [*(_inlet(link.ordinary, link.number) for link in channels.lanes.values()), _inlet(channels.inbox)],
            options,
            self.input_time.current,
            self.lag.current,
        )
        self.targets: list[Target] = []
        self.on_failure: Callable[[Lane, Failure], None] = raise_failure
        self.closing = False
        # While the own task sleeps: its sleep, and the timer that ends it.
        self._sleep: trio.CancelScope | None = None
        self._alarm_ns = int(NEVER)
        self._failure: Exception | None = None
        channels.inbox.work_at_once = self.work_at_once
        # Messages for a receiver that is gone; of these, news that came after the shutdown had begun to end receivers.
        self.undelivered = 0
        self.unread = 0
        self.refusals: list[Message] = []

    async def run(self) -> None:
        """Work until `close` is called and everything that had arrived is done; then end the journal in order."""
        if self.journal is None:
            await self.loop()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.journal.run)
            await self.loop()
            nursery.cancel_scope.cancel()
        await self.journal.close(self.is_quiet())

    async def loop(self) -> None:
        """Turn after turn, with a wait where there is nothing to do."""
        drain = self.drain
        await trio.lowlevel.checkpoint()
        while True:
            # What failed in a turn at once is told before another input is taken: the journal has it in that order.
            self.report_failures()
            taken = drain.turn(self.clock.now_ns()) + self.take_refusals()
            self.report_failures()
            delivered = await self.let_out()
            has_more = self.refusals or not drain.is_empty()
            if delivered and not has_more and not self.closing:
                await self.wait(math.inf)
            # Others get a turn once in each round and no more: every further one would delay an answer.
            elif taken or (delivered and has_more):
                await trio.lowlevel.checkpoint()
            elif not delivered:
                await self.wait(RETRY_SECONDS)
            else:
                return

    def is_quiet(self) -> bool:
        """Whether every other lane has taken all that this one has sent it."""
        return all(target.is_quiet() for target in self.targets)

    def close(self) -> None:
        """Ask the loop to end once its channels are empty."""
        self.closing = True
        self.channels.doorbell.ring()

    async def wait(self, at_most_seconds: float) -> None:
        """Sleep until something arrives or a timer is due."""
        due_ns = self.core.timers.next_due_ns()
        seconds = at_most_seconds
        if due_ns != NEVER:
            seconds = min(seconds, max(0, due_ns - self.clock.now_ns()) / NANOSECONDS)
        with trio.move_on_after(seconds) as sleep:
            if at_most_seconds == math.inf:
                self._sleep, self._alarm_ns = sleep, due_ns
            try:
                await self.channels.doorbell.wait()
            finally:
                self._sleep = None
        if self._failure is not None:
            raise self._failure

    def work_at_once(self) -> bool:
        """Take what a service has just brought, in its task; False when the lane's own task has to be woken for it.

        It saves a turn of the scheduler for an input that finds the lane asleep.
        """
        sleep = self._sleep
        if sleep is None or (self.journal is not None and self.journal.durability.waits):
            return False
        # Nothing that a turn leads to may begin another one inside it.
        self._sleep = None
        try:
            is_done = self._turn_at_once()
        except Exception as error:
            # It is not the service's: the own task raises it.
            self._failure = error
            return False
        self._sleep = sleep
        due_ns = self.core.timers.next_due_ns()
        if is_done and due_ns != self._alarm_ns:
            self._alarm_ns = due_ns
            wait_ns = due_ns - self.clock.now_ns()
            sleep.deadline = math.inf if due_ns == NEVER else trio.current_time() + max(0, wait_ns) / NANOSECONDS
        return is_done

    def _turn_at_once(self) -> bool:
        """A turn, the journal's part, the delivery; False as soon as there is something that the own task must do."""
        drain = self.drain
        drain.turn(self.clock.now_ns())
        if self.core.reported:
            return False
        if self.journal is not None:
            if self.journal.snapshot_is_due():
                return False
            self.journal.writer.hand_over()
        return self.deliver_all() and not self.refusals and drain.is_empty()

    def report_failures(self) -> None:
        """Tell the supervisor what failed since the last turn."""
        reported = self.core.reported
        while reported:
            self.on_failure(self, reported.pop(0))

    async def let_out(self) -> bool:
        """Hand the journal over, then deliver: what leaves has its cause on record first. Says whether all has left."""
        leaving = self.drain.waiting_to_leave() > 0
        if self.journal is not None:
            await self.journal.hand_over(leaving)
            if self.journal.snapshot_is_due() and self.is_quiet():
                self.journal.want_snapshot()
        return not leaving or self.deliver_all()

    def deliver_all(self) -> bool:
        """Give every receiver what waits for it; says whether all has left."""
        if self.drain.waiting_to_leave() == 0:
            return True
        for target in self.targets:
            if target.port.depth():
                self.deliver(target)
        return self.drain.waiting_to_leave() == 0

    def deliver(self, target: Target) -> None:
        """Give a port's messages to their receiver, the urgent ones first.

        What a full channel does not take stays here, in order: a slow receiver must not keep the lane from a cancel.
        """
        port = target.port
        for channel, waiting in ((target.urgent, port.urgent), (target.inbox, port.pending)):
            if not waiting:
                continue
            try:
                taken = channel.bring(waiting)
            except ChannelClosed:
                self.take_back(port, waiting)
                taken = len(waiting)
            del waiting[:taken]
        port.mark = len(port.pending)

    def take_back(self, port: Port, messages: list[Message]) -> None:
        """A receiver that is gone for good answers nothing: what it should have answered is refused, as an input."""
        self.undelivered += len(messages)
        for message in messages:
            refusal = refusal_of(message, f"{port.name} is down")
            if refusal is not None:
                self.refusals.append(refusal)
            elif self.core.ledger.closing:
                self.unread += 1

    def take_refusals(self) -> int:
        """Take the refusals as inputs, so that what they lead to leaves after its cause is on record."""
        taken = 0
        while self.refusals:
            self.core.take(self.refusals.pop(0), self.clock.now_ns(), True)
            taken += 1
        return taken


def _inlet(channel: Channel, lane_number: int = 0, urgent: bool = False) -> Inlet:
    origin = origin_of(lane_number, urgent) if lane_number else 0
    return Inlet(channel.core, channel.drain_into, origin, channel.senders)


def raise_failure(_lane: Lane, failure: Failure) -> None:
    """What happens with a failure while nobody supervises the lane."""
    raise failure.error


def words_of(slot: Slot) -> dict[str, object]:
    """What an actor tells of itself, or why it cannot."""
    words, failure = told_by(slot.actor.summary)
    return {"status": f"{slot.name}.summary() failed: {failure}"} if failure else words


def picture_of(slot: Slot) -> dict[str, object]:
    """What an actor shows of itself on a dashboard, or why it cannot."""
    panel, failure = told_by(slot.actor.panel)
    return {"kind": "failed", "error": failure[:MOST_FAILURE]} if failure else panel


def told_by(tell: Callable[[], dict[str, object]]) -> tuple[dict[str, object], str]:
    """What an actor tells, or why that failed: users write what tells it, and words must never stop the trade."""
    try:
        return tell(), ""
    except Exception as error:
        return {}, describe(error)
