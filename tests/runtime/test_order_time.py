"""The time from a frame to its first command, as a lane records it while it runs: ticks, and nothing else."""

from __future__ import annotations

from typing import ClassVar

import pytest

from market.messages import (
    FRAME_STREAM,
    CancelOrder,
    ChildOrder,
    Message,
    NewOrder,
    PublicTrade,
    RawFrame,
    ReplaceOrder,
    Signal,
    TimerFired,
)
from runtime.actor import Actor
from runtime.histogram import Histogram
from runtime.lane_core import LaneCore
from tests.runtime.lanes import core_of
from tests.runtime.test_lane_core import order, signal, trade

RECEIVED_NS = 1_000
NOW_NS = 1_700


class Commander(Actor):
    """Sends what a frame names, and a cancel at a trade and at a timer."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {RawFrame: "on_frame", PublicTrade: "on_trade"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (ChildOrder, NewOrder, ReplaceOrder, CancelOrder, Signal)

    def on_frame(self, frame: RawFrame) -> None:
        """One command for each letter."""
        for letter in frame.data.decode():
            if letter == "n":
                for message in order(1):
                    self.emit(message)
            elif letter == "r":
                self.emit(ReplaceOrder(1, 1, 101, 10, frame.receive_ns))
            elif letter == "c":
                self.emit(CancelOrder(1, 1, "a test", frame.receive_ns))
            else:
                self.emit(signal(letter))

    def on_trade(self, _: PublicTrade) -> None:
        """As after a report, a cancel that no frame of this input decided."""
        self.emit(CancelOrder(1, 1, "a test", RECEIVED_NS))

    def on_timer(self, timer: TimerFired) -> None:
        """A cancel by time."""
        self.emit(CancelOrder(1, 1, "a test", RECEIVED_NS))


def timed_core() -> tuple[LaneCore, Histogram]:
    """A lane with a clock that stands still, and what it records."""
    core = core_of(Commander)
    core.order_time, core.clock = Histogram(), lambda: NOW_NS
    return core, core.order_time


def frame(data: bytes) -> RawFrame:
    """A frame with these commands."""
    return RawFrame(1, FRAME_STREAM, 0, RECEIVED_NS, data, 1, 1, 0)


@pytest.mark.parametrize(("data", "recorded"), [(b"n", 1), (b"c", 1), (b"r", 1), (b"sc", 1), (b"ccn", 1), (b"s", 0)])
def test_a_frame_counts_once_when_it_leads_to_a_command(data: bytes, recorded: int) -> None:
    """Whatever the command, and however many there are, from the receipt to the first of them."""
    core, times = timed_core()
    core.take(frame(data), RECEIVED_NS, True)
    assert times.count == recorded
    if recorded:
        assert times.minimum == times.maximum == NOW_NS - RECEIVED_NS


def test_commands_that_no_frame_led_to_do_not_count() -> None:
    """One at a timer or at another message is no tick, even when it bears the time of a frame before it."""
    core, times = timed_core()
    core.take(frame(b"s"), RECEIVED_NS, True)
    core.take(trade(1), NOW_NS, True)
    core.take(TimerFired(1, 1, NOW_NS), NOW_NS, True)
    assert core.digest.count == 2
    assert times.count == 0


def test_a_replay_records_nothing() -> None:
    """What was once decided took its time then."""
    core, times = timed_core()
    core.replaying = True
    core.take(frame(b"c"), RECEIVED_NS, True)
    assert core.digest.count == 1
    assert times.count == 0
