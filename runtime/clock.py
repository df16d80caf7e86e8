"""Clocks: where the time of a run comes from. Live, simulated under trio's clock, and set by hand.

They promise that `now_ns` is in nanoseconds since the epoch and never steps back, also when somebody sets the wall
clock: the live clock is the wall time at its start plus monotonic elapsed time, and reports how far the wall clock has
moved away instead of following it. Nothing here sleeps; only services and lanes hold a clock, actors never do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import trio

NANOSECONDS = 1_000_000_000
DRIFT_THRESHOLD_NS = 1_000_000
_READINGS = 3


class ClockError(ValueError):
    """A clock was asked to step back."""


class Clock(Protocol):
    """What lanes and services ask for the time."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch; never less than before."""

    def begin_at_least(self, earliest_ns: int) -> int:
        """Go on no earlier than this, as a run that resumes another must; gives how far the clock was put forward."""


class LiveClock:
    """The wall time at the start plus monotonic elapsed time."""

    def __init__(
        self,
        drift_threshold_ns: int = DRIFT_THRESHOLD_NS,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Fix the start; a drift of the wall clock beyond the threshold is reported by `correction_ns`."""
        self.drift_threshold_ns = drift_threshold_ns
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._wall_less_monotonic_ns = self._measured_difference_ns()
        self._reported_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, unmoved by corrections of the wall clock."""
        return self._wall_less_monotonic_ns + self._monotonic_ns()

    def begin_at_least(self, earliest_ns: int) -> int:
        """Put the clock forward where the wall clock was set back since an earlier run; a drift from then on."""
        forward_ns = max(0, earliest_ns - self.now_ns())
        self._wall_less_monotonic_ns += forward_ns
        return forward_ns

    def drift_ns(self) -> int:
        """How far the wall clock is ahead of this clock."""
        return self._measured_difference_ns() - self._wall_less_monotonic_ns

    def correction_ns(self) -> int | None:
        """The drift, when it has moved beyond the threshold since it was last reported; None otherwise.

        For a `ClockCorrected` input: ask now and then, send what is not None.
        """
        drift_ns = self.drift_ns()
        if abs(drift_ns - self._reported_ns) <= self.drift_threshold_ns:
            return None
        self._reported_ns = drift_ns
        return drift_ns

    def _measured_difference_ns(self) -> int:
        """Wall minus monotonic, from the tightest of a few readings: the process may be interrupted between two."""
        best_width_ns = -1
        best_ns = 0
        for _ in range(_READINGS):
            before_ns = self._monotonic_ns()
            wall_ns = self._wall_ns()
            width_ns = self._monotonic_ns() - before_ns
            if best_width_ns < 0 or width_ns < best_width_ns:
                best_width_ns = width_ns
                best_ns = wall_ns - before_ns - width_ns // 2
        return best_ns


class TrioClock:
    """A start plus the time that trio's clock has run since: under MockClock, simulated time. For inside a trio run."""

    def __init__(self, start_ns: int) -> None:
        """Begin at `start_ns` with the first reading."""
        self._start_ns = start_ns
        self._zero_seconds: float | None = None

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, in the time of the trio run."""
        seconds = trio.current_time()
        if self._zero_seconds is None:
            self._zero_seconds = seconds
        return self._start_ns + round((seconds - self._zero_seconds) * NANOSECONDS)

    def begin_at_least(self, earliest_ns: int) -> int:
        """Put the clock forward where it is behind."""
        now_ns = self._start_ns if self._zero_seconds is None else self.now_ns()
        forward_ns = max(0, earliest_ns - now_ns)
        self._start_ns += forward_ns
        return forward_ns


class ManualClock:
    """A clock that only its owner moves: for replays, backtests and tests."""

    def __init__(self, start_ns: int = 0) -> None:
        """Stand at `start_ns`."""
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Where it was put."""
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        """Move to a time that is not earlier."""
        if now_ns < self._now_ns:
            raise ClockError(f"the clock stands at {self._now_ns} and cannot step back to {now_ns}")
        self._now_ns = now_ns

    def begin_at_least(self, earliest_ns: int) -> int:
        """Put the clock forward where it is behind."""
        forward_ns = max(0, earliest_ns - self._now_ns)
        self._now_ns += forward_ns
        return forward_ns

    def advance_by(self, elapsed_ns: int) -> None:
        """Move on by a time that is not negative."""
        self.advance_to(self._now_ns + elapsed_ns)


def measured_resolution_ns(now_ns: Callable[[], int] = time.monotonic_ns, steps: int = 100) -> int:
    """The smallest step that a clock was seen to make in so many of its steps; what is shorter cannot be measured."""
    smallest_ns = 0
    previous_ns = now_ns()
    while steps > 0:
        current_ns = now_ns()
        step_ns = current_ns - previous_ns
        if step_ns > 0:
            steps -= 1
            previous_ns = current_ns
            if smallest_ns == 0 or step_ns < smallest_ns:
                smallest_ns = step_ns
    return smallest_ns
