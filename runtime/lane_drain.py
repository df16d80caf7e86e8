"""The drain of a lane: takes what has arrived and what is due, one input after the other, in a stated order.

Urgent messages first, between any two inputs; then timers that are due; then what other lanes sent; then what the
services sent. A batch's end is a property of its last input; a batch that stays incomplete is closed, it never waits.
A frame taken too late is preceded by a `Lagging` input. After a piece of a frame that was cut the turn takes no more
from its channel: whoever has something urgent can say it before the next piece. It knows no task: `Lane` calls `turn`
and waits in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from time import perf_counter_ns
from typing import Final

from mypy_extensions import i64

from market.messages import BatchMark, FairValue, Lagging, Message, PublicTrade, RawFrame, TimerFired, TopOfBook
from runtime.channel_core import ChannelCore
from runtime.histogram import Histogram
from runtime.lane_core import LaneCore


class LaneOptions:
    """The limits that a lane keeps."""

    def __init__(self, max_lag_ns: i64, batch_limit: i64, outbox_capacity: i64) -> None:
        # May change while running.
        self.max_lag_ns: i64 = max_lag_ns
        self.batch_limit: Final = batch_limit
        self.outbox_capacity: Final = outbox_capacity


class Inlet:
    """One channel into a lane, and how much of a batch of it is still to come."""

    def __init__(
        self, core: ChannelCore, drain: Callable[[list[Message], int], int], origin: i64 = 0,
        senders: Sized | None = None,
    ) -> None:  # fmt: skip
        self.core: Final = core
        self.origin: Final = origin
        self.drain: Final = drain
        # Who waits for room in the channel: while there is nobody, what is taken as a whole needs no word to anybody.
        self.senders: Final = senders
        self.waiting: list[Message] = []
        self.next_index: i64 = 0
        self.batch_remaining: i64 = 0

    def refill(self, limit: i64) -> bool:
        """Take more from the channel once everything taken before is used up."""
        if self.next_index < len(self.waiting):
            return True
        if self.next_index > 0:
            self.waiting.clear()
            self.next_index = 0
        if self.core.depth == 0:
            return False
        senders = self.senders
        if senders is not None and len(senders) == 0 and self.core.depth <= limit:
            self.core.drain_into(self.waiting)
        else:
            self.drain(self.waiting, limit)
        return len(self.waiting) > 0

    def pop(self) -> Message:
        """The next message that was taken from the channel."""
        message = self.waiting[self.next_index]
        self.next_index += 1
        return message

    def is_empty(self) -> bool:
        """Whether nothing is left here or in the channel behind."""
        return self.next_index >= len(self.waiting) and self.core.depth == 0


class LaneDrain:
    """See the head of this file."""

    def __init__(
        self,
        core: LaneCore,
        urgent: list[Inlet],
        ordinary: list[Inlet],
        options: LaneOptions,
        input_time: Histogram,
        lag: Histogram,
    ) -> None:
        self.core: Final = core
        self.urgent: Final = urgent
        self.ordinary: Final = ordinary
        self.options: Final = options
        self.input_time: Final = input_time
        self.lag: Final = lag
        self.busy_since_ns: i64 = 0
        self.lag_reported_ns: i64 = 0
        self.inputs: i64 = 0

    def turn(self, now_ns: i64) -> i64:
        """Take what is due and what has arrived, up to the batch limit; gives the number of inputs taken."""
        self.busy_since_ns = perf_counter_ns()
        taken: i64 = self.take_urgent(now_ns) + self.take_timers(now_ns)
        for inlet in self.ordinary:
            taken += self.take_channel(inlet, now_ns)
        self.busy_since_ns = 0
        self.inputs += taken
        return taken

    def take(self, message: Message, stamp_ns: i64, batch_end: bool, origin: i64 = 0) -> None:
        """Give one input to the core and note how long it took; the next one's time begins here."""
        self.core.take(message, stamp_ns, batch_end, origin)
        done_ns: i64 = perf_counter_ns()
        self.input_time.record(done_ns - self.busy_since_ns)
        self.busy_since_ns = done_ns

    def is_empty(self) -> bool:
        """Whether nothing has arrived that is not taken."""
        return all(inlet.is_empty() for inlet in self.ordinary) and not self.is_urgent_waiting()

    def is_urgent_waiting(self) -> bool:
        """Whether something urgent has arrived."""
        return any(not inlet.is_empty() for inlet in self.urgent)

    def take_channel(self, inlet: Inlet, now_ns: i64) -> i64:
        """Take what one channel holds, as far as the limits of a turn allow."""
        taken: i64 = 0
        budget = self.options.batch_limit
        while budget > 0 and self.waiting_to_leave() < self.options.outbox_capacity and inlet.refill(budget):
            if self.is_urgent_waiting():
                taken += self.take_urgent(now_ns)
            message = inlet.pop()
            taken += self.take_from(inlet, message, now_ns)
            budget = 0 if is_piece(message) else budget - 1
        return taken

    def take_from(self, inlet: Inlet, message: Message, now_ns: i64) -> i64:
        """Take one message of a channel as an input."""
        if isinstance(message, BatchMark):
            inlet.batch_remaining = message.count
            return 0
        if inlet.batch_remaining > 1 and inlet.is_empty():
            inlet.batch_remaining = 1
        batch_end = inlet.batch_remaining <= 1
        if inlet.batch_remaining > 0:
            inlet.batch_remaining -= 1
        stamp_ns = now_ns
        received_ns = received_at(message)
        if received_ns > 0:
            self.guard_lag(now_ns, received_ns)
            if inlet.origin == 0:
                stamp_ns = received_ns
        self.take(message, stamp_ns, batch_end, inlet.origin)
        return 1

    def take_urgent(self, now_ns: i64) -> i64:
        """Take everything urgent."""
        taken: i64 = 0
        for inlet in self.urgent:
            while inlet.refill(self.options.batch_limit):
                self.take(inlet.pop(), now_ns, True, inlet.origin)
                taken += 1
        return taken

    def take_timers(self, now_ns: i64) -> i64:
        """Turn the timers that are due into inputs, the earliest first."""
        timers = self.core.timers
        if not timers.may_be_due(now_ns):
            return 0
        taken: i64 = 0
        while taken < self.options.batch_limit and self.waiting_to_leave() < self.options.outbox_capacity:
            if self.is_urgent_waiting():
                taken += self.take_urgent(now_ns)
            first = timers.first()
            if first is None or first[0] > now_ns:
                break
            due_ns, actor_id, timer_id = first
            self.take(TimerFired(actor_id, timer_id, due_ns), now_ns, True)
            taken += 1
        return taken

    def guard_lag(self, now_ns: i64, stamp_ns: i64) -> None:
        """Say it, as an input, when a frame is taken too late, and again when the lane has caught up."""
        lag_ns = now_ns - stamp_ns
        self.lag.record(lag_ns if lag_ns > 0 else 0)
        limit_ns = self.options.max_lag_ns
        if lag_ns > limit_ns:
            if self.lag_reported_ns == 0 or now_ns - self.lag_reported_ns >= limit_ns:
                self.lag_reported_ns = now_ns
                self.take(Lagging(lag_ns), now_ns, True)
        elif self.lag_reported_ns != 0:
            self.lag_reported_ns = 0
            self.take(Lagging(0), now_ns, True)

    def waiting_to_leave(self) -> i64:
        """How many messages wait for delivery."""
        count: i64 = 0
        for port in self.core.ports:
            count += port.depth()
        return count

    def current_label(self) -> str:
        """The lane and the actor at work, for the watchdog."""
        current = self.core.current
        return f"{self.core.name}/{current.name if current is not None else 'none'}"


def is_piece(message: Message) -> bool:
    """Whether it is a piece of a frame that was cut because it would take too long at once."""
    return isinstance(message, RawFrame) and message.parts > 1


def received_at(message: Message) -> i64:
    """When the frame came in that a message is or was made from; 0 where that says nothing about a lag."""
    if isinstance(message, RawFrame):
        return message.receive_ns
    if isinstance(message, TopOfBook):
        return message.receive_ns
    if isinstance(message, PublicTrade):
        return message.receive_ns
    if isinstance(message, FairValue):
        return message.receive_ns
    return 0
