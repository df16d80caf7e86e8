"""Bounded channels between lanes and services, with a declared policy for a full one and a shared doorbell.

The messages lie in a compiled ring (`runtime/channel_core.py`); the wake-up travels over a trio memory channel of
size one, the doorbell, which several channels may share so that one lane waits for any of its inboxes. It promises
that senders who wait are served in the order in which they came, that a cancelled send neither loses nor doubles a
message, and that a closed channel can still be drained. All calls are for the trio thread, but for those that end in
`_from_thread`. It never grows and never drops silently.
"""

from __future__ import annotations

from collections.abc import Callable, Sized

import attrs
import outcome
import trio

from market.messages.base import Message
from runtime.channel_core import (
    ACCEPTED,
    BLOCK,
    COALESCE,
    COALESCED,
    DROP_OLDEST,
    DROPPED_OLDEST,
    FULL,
    HALT,
    POLICY_NAMES,
    TRIPPED,
    ChannelCore,
    ChannelSetupError,
    policy_of,
)

__all__ = [
    "ACCEPTED",
    "BLOCK",
    "COALESCE",
    "COALESCED",
    "DROPPED_OLDEST",
    "DROP_OLDEST",
    "FULL",
    "HALT",
    "TRIPPED",
    "Channel",
    "ChannelClosed",
    "ChannelSetupError",
    "ChannelStatistics",
    "Doorbell",
    "policy_of",
]


class ChannelClosed(Exception):
    """The channel takes no more messages; what it already holds can still be drained."""


@attrs.frozen
class ChannelStatistics:
    """One channel's numbers at one moment; `sent == received + dropped + coalesced + depth` always holds."""

    name: str
    policy: str
    capacity: int
    reserve: int
    depth: int
    high_water: int
    sent: int
    received: int
    waits: int
    waiting: int
    coalesced: int
    dropped: int
    tripped: int
    closed: bool


class Doorbell:
    """Wakes the one task that waits for any of the channels that ring it.

    Ringing a bell that is already rung costs one attribute test. `wait` returns at once when it is rung; the task
    that waits then drains all its channels before it waits again.
    """

    def __init__(self) -> None:
        """Make a silent bell; no trio run is needed yet."""
        self.rung = False
        self._sender, self._receiver = trio.open_memory_channel[None](1)

    def ring(self) -> None:
        """Wake the waiting task, or let its next `wait` return at once."""
        if not self.rung:
            self.rung = True
            self._sender.send_nowait(None)

    async def wait(self) -> None:
        """Wait until rung and silence the bell; always a trio checkpoint. For one task at a time."""
        await self._receiver.receive()
        self.rung = False


class _WaitingSender:
    """A task that waits in `send` or `send_all`, and how far its messages have been taken."""

    __slots__ = ("messages", "taken", "task")

    def __init__(self, task: trio.lowlevel.Task, messages: list[Message], taken: int) -> None:
        self.task = task
        self.messages = messages
        self.taken = taken


class Channel:
    """A bounded channel with one receiver, any number of senders, and a policy for when it is full."""

    def __init__(
        self,
        name: str,
        capacity: int,
        policy: int = BLOCK,
        *,
        doorbell: Doorbell | None = None,
        reserve: int = -1,
        on_trip: Callable[[Channel], None] | None = None,
    ) -> None:
        """Make an open, empty channel; `on_trip` is for `halt` and is called once, until `reset_trip`."""
        self.name = name
        self.core = ChannelCore(name, capacity, policy, reserve)
        self.doorbell = Doorbell() if doorbell is None else doorbell
        self.on_trip = on_trip
        # What a receiver that sleeps does at once with what is brought; False leaves it to the bell.
        self.work_at_once: Callable[[], bool] | None = None
        self.closed = False
        self.is_tripped = False
        # A dict keeps the order of arrival, and a cancelled sender leaves from the middle in constant time.
        self._waiting: dict[_WaitingSender, None] = {}

    def offer(self, message: Message) -> int:
        """Send without waiting; FULL means that the message was not taken and is still the caller's."""
        if self.closed:
            raise self._closed_error()
        result = self.core.offer(message)
        if result == FULL:
            return result
        if not self.doorbell.rung:
            self.doorbell.ring()
        if result == TRIPPED:
            self._trip()
        return result

    async def send(self, message: Message) -> None:
        """Send, waiting for room where the policy refuses; when it is cancelled, the message was not sent."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.offer(message) == FULL:
            await self._wait_for_room(_WaitingSender(trio.lowlevel.current_task(), [message], 0))
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def send_batch(self, messages: list[Message]) -> None:
        """Send all of them in order, removing from the list what was sent.

        However it ends (done, cancelled, closed), the list holds exactly the messages that were not sent.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        taken = self.bring(messages)
        if taken == len(messages):
            messages.clear()
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        sender = _WaitingSender(trio.lowlevel.current_task(), messages, taken)
        try:
            await self._wait_for_room(sender)
        finally:
            del messages[: sender.taken]

    def offer_batch(self, messages: list[Message]) -> int:
        """Send from the front without waiting; how many were taken. The list is left as it is."""
        taken = self._offer_all(messages)
        if taken and not self.doorbell.rung:
            self.doorbell.ring()
        return taken

    def bring(self, messages: list[Message]) -> int:
        """`offer_batch`; a receiver that sleeps and works at once has taken them when this returns.

        What did not all fit waits for the receiver's own task: the sender must be among those who wait by then.
        """
        work = self.work_at_once
        if work is None or self.doorbell.rung:
            return self.offer_batch(messages)
        taken = self._offer_all(messages)
        if taken and not (taken == len(messages) and work()):
            self.doorbell.ring()
        return taken

    @property
    def senders(self) -> Sized:
        """Those who wait for room: the same object for as long as the channel lives."""
        return self._waiting

    def is_idle(self) -> bool:
        """Whether nothing lies in it and nobody waits for room: its receiver has kept up."""
        return not self.closed and not self._waiting and self.core.depth == 0

    def drain_into(self, target: list[Message], limit: int = -1) -> int:
        """Move up to `limit` messages (all when negative) to `target`, then let waiting senders in, oldest first.

        What is left rings the bell, so that a receiver who takes a part cannot sleep on the rest.
        """
        moved = self.take_into(target, limit)
        if self.core.depth and not self.doorbell.rung:
            self.doorbell.ring()
        return moved

    def take_into(self, target: list[Message], limit: int = -1) -> int:
        """`drain_into` for a receiver that takes the rest before it sleeps: what is left rings nothing."""
        moved = self.core.drain_into(target, limit)
        if self._waiting:
            self._admit_waiting()
        return moved

    def close(self) -> None:
        """Take no more messages: waiting and later senders get ChannelClosed, and the receiver is woken."""
        if self.closed:
            return
        self.closed = True
        waiting = list(self._waiting)
        self._waiting.clear()
        for sender in waiting:
            trio.lowlevel.reschedule(sender.task, outcome.Error(self._closed_error()))
        self.doorbell.ring()

    def reset_trip(self) -> None:
        """Arm `on_trip` again, after a person has dealt with the halt."""
        self.is_tripped = False

    def offer_from_thread(self, message: Message, token: trio.lowlevel.TrioToken) -> int:
        """`offer`, from a worker thread; blocks the thread until the trio thread has answered."""
        return trio.from_thread.run_sync(self.offer, message, trio_token=token)

    def send_from_thread(self, message: Message, token: trio.lowlevel.TrioToken) -> None:
        """`send`, from a worker thread; a full channel holds the thread back."""
        trio.from_thread.run(self.send, message, trio_token=token)

    def statistics(self) -> ChannelStatistics:
        """The numbers of this moment."""
        core = self.core
        return ChannelStatistics(
            name=self.name,
            policy=POLICY_NAMES[core.policy],
            capacity=core.capacity,
            reserve=core.reserve,
            depth=core.depth,
            high_water=core.high_water,
            sent=core.sent,
            received=core.received,
            waits=core.waits,
            waiting=len(self._waiting),
            coalesced=core.coalesced,
            dropped=core.dropped,
            tripped=core.tripped,
            closed=self.closed,
        )

    def _offer_all(self, messages: list[Message]) -> int:
        if self.closed:
            raise self._closed_error()
        tripped_before = self.core.tripped
        taken = self.core.offer_all(messages, 0)
        if self.core.tripped != tripped_before:
            self._trip()
        return taken

    async def _wait_for_room(self, sender: _WaitingSender) -> None:
        self._waiting[sender] = None

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._waiting[sender]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)

    def _admit_waiting(self) -> None:
        """Hand the freed room to waiting senders; one is woken when all its messages are in."""
        core = self.core
        tripped_before = core.tripped
        for sender in list(self._waiting):
            messages = sender.messages
            while sender.taken < len(messages) and core.accepts(messages[sender.taken]):
                core.offer(messages[sender.taken])
                sender.taken += 1
            if sender.taken < len(messages):
                break
            del self._waiting[sender]
            trio.lowlevel.reschedule(sender.task)
        if core.tripped != tripped_before:
            self._trip()

    def _trip(self) -> None:
        if not self.is_tripped:
            self.is_tripped = True
            if self.on_trip is not None:
                self.on_trip(self)

    def _closed_error(self) -> ChannelClosed:
        return ChannelClosed(f"channel {self.name!r} is closed: its receiver takes no more messages")
