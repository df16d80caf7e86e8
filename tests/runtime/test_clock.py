"""Clocks: the live one never steps back and tells of drift; the simulated and the manual one."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from runtime.clock import Clock, ClockError, LiveClock, ManualClock, TrioClock, measured_resolution_ns

SECOND = 1_000_000_000


class Hardware:
    """A wall clock and a monotonic one, set by hand."""

    def __init__(self) -> None:
        self.wall_ns = 1_700_000_000 * SECOND
        self.monotonic_ns = 50 * SECOND

    def pass_time(self, elapsed_ns: int) -> None:
        """Both move on."""
        self.wall_ns += elapsed_ns
        self.monotonic_ns += elapsed_ns

    def clock(self, threshold_ns: int = 1_000_000) -> LiveClock:
        """A live clock on this hardware."""
        return LiveClock(threshold_ns, lambda: self.wall_ns, lambda: self.monotonic_ns)


def test_the_live_clock_ignores_a_wall_clock_that_is_set() -> None:
    """Setting the wall clock back or forward does not move `now_ns`, which follows elapsed time only."""
    hardware = Hardware()
    clock = hardware.clock()
    start_ns = clock.now_ns()
    assert start_ns == hardware.wall_ns
    hardware.wall_ns -= 3_600 * SECOND
    hardware.pass_time(SECOND)
    assert clock.now_ns() == start_ns + SECOND


def test_drift_is_reported_once_for_each_correction() -> None:
    """A drift beyond the threshold is reported once; a further correction, and one back, again."""
    hardware = Hardware()
    clock = hardware.clock(threshold_ns=1_000_000)
    assert clock.correction_ns() is None
    hardware.wall_ns += 1_000_000
    assert clock.correction_ns() is None, "the threshold itself is tolerated"
    hardware.wall_ns += 1
    assert clock.correction_ns() == 1_000_001
    assert clock.correction_ns() is None
    hardware.wall_ns -= 5_000_000
    assert clock.correction_ns() == -3_999_999
    hardware.wall_ns += 3_999_999
    assert clock.correction_ns() == 0
    assert clock.drift_ns() == 0


def test_an_interruption_between_readings_is_no_drift() -> None:
    """When the process is held up between reading the two clocks, the tightest of several readings decides."""
    hardware = Hardware()
    clock = hardware.clock()
    held_up = iter([20_000_000, 0, 0])

    def interrupted_wall_ns() -> int:
        wall_ns = hardware.wall_ns
        hardware.pass_time(next(held_up))
        return wall_ns

    clock._wall_ns = interrupted_wall_ns
    assert clock.correction_ns() is None


def test_the_real_clock_never_steps_back() -> None:
    """Ten thousand readings of the real clock never fall, and begin near the wall time."""
    clock: Clock = LiveClock()
    readings = [clock.now_ns() for _ in range(10_000)]
    assert readings == sorted(readings)
    assert measured_resolution_ns() >= 1


async def test_the_trio_clock_follows_simulated_time(autojump_clock: trio.testing.MockClock) -> None:
    """Under MockClock, time passes exactly as it is slept away."""
    clock: Clock = TrioClock(1_700_000_000 * SECOND)
    start_ns = clock.now_ns()
    assert start_ns == 1_700_000_000 * SECOND
    await trio.sleep(3_600.25)
    assert clock.now_ns() == start_ns + 3_600_250_000_000


def test_the_manual_clock_moves_forward_only() -> None:
    """A manual clock stands until moved, may be moved to where it is, and refuses to step back."""
    clock = ManualClock(100)
    clock.advance_to(100)
    clock.advance_by(50)
    assert clock.now_ns() == 150
    with pytest.raises(ClockError, match="cannot step back to 149"):
        clock.advance_to(149)
    with pytest.raises(ClockError):
        clock.advance_by(-1)
    assert clock.now_ns() == 150


def test_resolution_is_the_smallest_step() -> None:
    """Repeated readings are no step; the smallest difference counts."""
    readings = iter([0, 0, 40, 40, 50, 80, 80, 110])
    assert measured_resolution_ns(lambda: next(readings), steps=4) == 10


def test_the_live_clock_goes_on_from_where_an_earlier_run_stopped() -> None:
    """A wall clock that was set back in between puts the clock forward, and is told as a drift from then on."""
    hardware = Hardware()
    clock = hardware.clock()
    assert clock.begin_at_least(hardware.wall_ns - SECOND) == 0
    assert clock.begin_at_least(hardware.wall_ns + 60 * SECOND) == 60 * SECOND
    hardware.pass_time(SECOND)
    assert clock.now_ns() == hardware.wall_ns + 60 * SECOND
    assert clock.correction_ns() == -60 * SECOND


def test_other_clocks_go_on_from_there_too() -> None:
    """The one that is set by hand, and the simulated one, before and inside its run."""
    manual = ManualClock(5)
    assert (manual.begin_at_least(3), manual.begin_at_least(9), manual.now_ns()) == (0, 4, 9)
    simulated = TrioClock(SECOND)
    assert simulated.begin_at_least(3 * SECOND) == 2 * SECOND

    async def look() -> None:
        assert simulated.now_ns() == 3 * SECOND
        assert simulated.begin_at_least(4 * SECOND) == SECOND
        assert simulated.now_ns() == 4 * SECOND

    trio.run(look, clock=trio.testing.MockClock())
