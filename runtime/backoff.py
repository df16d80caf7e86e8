"""When to start again what has failed: exponential backoff with full jitter, and when to give up.

The wait is drawn evenly between zero and a ceiling, so that units that fail together do not come back together; the
ceiling grows by `factor` with each failure in a row, up to `maximum_ns`. A unit that stayed up for `healthy_ns` begins
anew. More than `intensity` failures within `window_ns` escalate. Pure: time and randomness are handed in.
"""

from __future__ import annotations

import random
from collections import deque

import attrs


class BackoffError(ValueError):
    """Backoff options that cannot work."""


@attrs.frozen
class BackoffOptions:
    """How a unit is brought back; from the configuration's `[restart]`."""

    initial_ns: int
    factor: float
    maximum_ns: int
    healthy_ns: int
    intensity: int
    window_ns: int

    def __attrs_post_init__(self) -> None:
        """Refuse what could never wait, never grow or never escalate."""
        if self.initial_ns < 0 or self.maximum_ns < self.initial_ns:
            raise BackoffError(f"initial_ns {self.initial_ns} must lie between 0 and maximum_ns {self.maximum_ns}")
        if not self.factor >= 1:
            raise BackoffError(f"factor {self.factor} must be at least 1")
        if self.healthy_ns < 0 or self.window_ns < 0 or self.intensity < 0:
            raise BackoffError("healthy_ns, window_ns and intensity must not be negative")

    def ceiling_ns(self, failures_in_a_row: int) -> int:
        """The longest wait after so many failures in a row, counted from 1."""
        ceiling_ns: float = self.initial_ns
        for _ in range(failures_in_a_row - 1):
            if ceiling_ns >= self.maximum_ns or self.factor == 1 or ceiling_ns == 0:
                break
            ceiling_ns *= self.factor
        return self.maximum_ns if ceiling_ns >= self.maximum_ns else int(ceiling_ns)


class RestartTracker:
    """The history of one unit: tell it of starts and failures, it says how long to wait or that it is enough."""

    def __init__(self, options: BackoffOptions, randomness: random.Random) -> None:
        """A unit that has not failed yet."""
        self.options = options
        self.failures_in_a_row = 0
        self._randomness = randomness
        self._started_ns: int | None = None
        self._failed_ns: deque[int] = deque()

    def started(self, now_ns: int) -> None:
        """The unit is up since now."""
        self._started_ns = now_ns

    def failed(self, now_ns: int) -> int | None:
        """The wait in nanoseconds before the next start; None when failures exceed the intensity: escalate."""
        options = self.options
        if self._started_ns is not None and now_ns - self._started_ns >= options.healthy_ns:
            self.failures_in_a_row = 0
        self._started_ns = None
        self.failures_in_a_row += 1
        self._failed_ns.append(now_ns)
        while now_ns - self._failed_ns[0] > options.window_ns:
            self._failed_ns.popleft()
        if len(self._failed_ns) > options.intensity:
            return None
        return self._randomness.randrange(options.ceiling_ns(self.failures_in_a_row) + 1)

    def reset(self) -> None:
        """Forget every failure, after a person has dealt with an escalation."""
        self.failures_in_a_row = 0
        self._failed_ns.clear()
