"""The task of one lane: waits for inputs, lets the drain take them, hands the journal over, delivers the output.

It promises: what leaves has its cause in the journal first; a closed lane has taken everything that had arrived. The
handlers of its actors run here, in one trio task, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from runtime.lane_drain import Inlet, LaneDrain, LaneOptions
from runtime.timers import NEVER

if TYPE_CHECKING:
    from runtime.channels import Channel, Doorbell
    from runtime.clock import Clock
    from runtime.lane_core import LaneCore
    from runtime.lane_journal import LaneJournal
    from runtime.lane_parts import Failure, Port

NANOSECONDS = 1_000_000_000


@attrs.frozen
class LaneChannels:
    """The ways into a lane: from services, from other lanes, and the urgent one that nothing else fills."""

    doorbell: Doorbell
    inbox: Channel
    lanes: Channel
    urgent: Channel


@attrs.frozen
class Target:
    """Where the messages of a port go."""

    port: Port
    inbox: Channel
    urgent: Channel


class Lane:
    """See the head of this file."""

    def __init__(
        self,
        core: LaneCore,
        channels: LaneChannels,
        clock: Clock,
        options: LaneOptions,
        journal: LaneJournal | None = None,
    ) -> None:
        self.name = core.name
        self.core = core
        self.channels = channels
        self.clock = clock
        self.journal = journal
        self.drain = LaneDrain(
            core,
            Inlet(channels.urgent.core, channels.urgent.drain_into),
            Inlet(channels.lanes.core, channels.lanes.drain_into),
            Inlet(channels.inbox.core, channels.inbox.drain_into),
            options,
        )
        self.targets: list[Target] = []
        self.on_failure: Callable[[Lane, Failure], None] = raise_failure
        self.closing = False

    async def run(self) -> None:
        """Work until `close` is called and everything that had arrived is done; then end the journal in order."""
        if self.journal is None:
            await self.loop()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.journal.run)
            await self.loop()
            nursery.cancel_scope.cancel()
        await self.journal.close()

    async def loop(self) -> None:
        """Turn after turn, with a wait where there is nothing to do."""
        drain = self.drain
        while True:
            await trio.lowlevel.checkpoint()
            taken = drain.turn(self.clock.now_ns())
            self.report_failures()
            await self.let_out()
            if taken or not drain.is_empty():
                continue
            if self.closing:
                return
            await self.wait()

    def close(self) -> None:
        """Ask the loop to end once its channels are empty."""
        self.closing = True
        self.channels.doorbell.ring()

    async def wait(self) -> None:
        """Sleep until something arrives or a timer is due."""
        due_ns = self.core.timers.next_due_ns()
        if due_ns == NEVER:
            await self.channels.doorbell.wait()
            return
        seconds = max(0, due_ns - self.clock.now_ns()) / NANOSECONDS
        with trio.move_on_after(seconds):
            await self.channels.doorbell.wait()

    def report_failures(self) -> None:
        """Tell the supervisor what failed since the last turn."""
        reported = self.core.reported
        while reported:
            self.on_failure(self, reported.pop(0))

    async def let_out(self) -> None:
        """Hand the journal over, then deliver: what leaves has its cause on record first."""
        leaving = self.drain.waiting_to_leave() > 0
        if self.journal is not None:
            await self.journal.hand_over(leaving)
        if leaving:
            for target in self.targets:
                await self.deliver(target)

    async def deliver(self, target: Target) -> None:
        """Give a port's messages to their receiver, the urgent ones first."""
        port = target.port
        if port.urgent:
            await target.urgent.send_batch(port.urgent)
        if port.pending:
            # What a cancelled call could not send stays in the port.
            await target.inbox.send_batch(port.pending)
            port.mark = 0


def raise_failure(_lane: Lane, failure: Failure) -> None:
    """What happens with a failure while nobody supervises the lane."""
    raise failure.error
