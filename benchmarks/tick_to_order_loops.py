"""The inner loop of the tick-to-order figures: frames into a lane, orders out of it, each tick timed. Compiled.

A tick is one frame, taken as a socket read of its own. The time of a tick begins with the bytes of the frame and ends
when the journal has been handed to the kernel and every command that leaves is in its binary form. Timers are taken
between two frames, at the time at which they are due, and are no ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Final

from mypy_extensions import i64

from market.messages import CancelAll, CancelOrder, Message, NewOrder, RawFrame, ReplaceOrder, encode
from runtime.histogram import Histogram
from runtime.lane_drain import LaneDrain
from runtime.lane_parts import Port
from runtime.timers import NEVER


class Tally:
    """What left a lane, and how long it took."""

    def __init__(self) -> None:
        self.ticks: i64 = 0
        self.orders: i64 = 0
        self.replaces: i64 = 0
        self.cancels: i64 = 0
        self.bytes: i64 = 0
        # Commands that followed a timer, such as those after a confirmed cancel.
        self.between: i64 = 0
        self.began_ns: i64 = 0
        # Ticks that led to a command, and their stages: the lane, the journal, the encoding.
        self.whole: Final = Histogram()
        self.lane: Final = Histogram()
        self.journal: Final = Histogram()
        self.encoding: Final = Histogram()
        # Ticks that led to none.
        self.idle: Final = Histogram()

    def write(self, messages: list[Message]) -> None:
        """Bring commands into the form in which they leave."""
        for message in messages:
            if isinstance(message, NewOrder):
                self.orders += 1
            elif isinstance(message, ReplaceOrder):
                self.replaces += 1
            elif isinstance(message, (CancelOrder, CancelAll)):
                self.cancels += 1
            else:
                continue
            self.bytes += len(encode(message))


def take_timers(drain: LaneDrain, until_ns: i64, hand_over: Callable[[], int], port: Port, tally: Tally) -> None:
    """Take the timers that are due, each at its time."""
    timers = drain.core.timers
    while True:
        due_ns = timers.next_due_ns()
        if due_ns == NEVER or due_ns > until_ns:
            return
        drain.turn(due_ns)
        hand_over()
        tally.between += port.depth()
        port.clear()


def play(
    frames: list[RawFrame],
    offer: Callable[[Message], int],
    drain: LaneDrain,
    hand_over: Callable[[], int],
    port: Port,
    tally: Tally,
) -> None:
    """Let a lane take every frame."""
    for frame in frames:
        receive_ns = frame.receive_ns
        take_timers(drain, receive_ns, hand_over, port, tally)
        began_ns: i64 = perf_counter_ns()
        tally.began_ns = began_ns
        offer(
            RawFrame(
                frame.connection_id, frame.kind, frame.instrument_id, receive_ns, frame.data, frame.part, frame.parts,
                frame.checksum,
            )
        )  # fmt: skip
        drain.turn(receive_ns)
        taken_ns: i64 = perf_counter_ns()
        hand_over()
        handed_ns: i64 = perf_counter_ns()
        tally.ticks += 1
        if len(port.urgent) + len(port.pending) == 0:
            tally.idle.record(handed_ns - began_ns)
            continue
        tally.write(port.urgent)
        tally.write(port.pending)
        done_ns: i64 = perf_counter_ns()
        port.clear()
        tally.whole.record(done_ns - began_ns)
        tally.lane.record(taken_ns - began_ns)
        tally.journal.record(handed_ns - taken_ns)
        tally.encoding.record(done_ns - handed_ns)
