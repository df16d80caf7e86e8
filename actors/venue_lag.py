"""How late the frames of one book come, judged by the times that the venue writes into them.

The clocks of a venue and of this machine differ, by an unknown amount that may be negative. So a frame is held against
the quickest one of late: its delay, less the smallest delay of the window, is its lateness. The window is the present
stretch of five minutes and the one before it, so a clock that was set, or a quick frame that was wrong, is forgotten
after ten minutes at most. By the same rule, what is evenly late for longer than that is taken for the normal state. It
reads no clock and decides by the frames alone.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

STRETCH_NS: Final = 300_000_000_000
# No delay lies beyond this, either way: what a venue writes may be absurd, and differences must stay within 64 bits.
MOST_DELAY_NS: Final = 2_000_000_000_000_000_000
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


class VenueLag:
    """The lateness of one book's frames, and whether it is too large; a limit of 0 never is."""

    def __init__(self, limit_ns: i64) -> None:
        self.limit_ns: Final[i64] = limit_ns
        # Counted since the epoch; -1 before the first frame.
        self.stretch: i64 = -1
        self.least_ns: i64 = MOST_DELAY_NS
        self.least_before_ns: i64 = MOST_DELAY_NS
        self.lateness_ns: i64 = 0
        self.most_lateness_ns: i64 = 0
        self.times_late: i64 = 0
        self.late: bool = False

    def begin(self) -> None:
        """Forget everything: another run may have another clock."""
        self.stretch = -1
        self.least_ns = MOST_DELAY_NS
        self.least_before_ns = MOST_DELAY_NS
        self.lateness_ns = 0
        self.most_lateness_ns = 0
        self.times_late = 0
        self.late = False

    def measure(self, venue_ns: i64, receive_ns: i64) -> None:
        """Take one frame. It is late above the limit, and no longer below half of it."""
        stretch = receive_ns // STRETCH_NS
        if stretch > self.stretch:
            self.least_before_ns = self.least_ns if stretch == self.stretch + 1 else MOST_DELAY_NS
            self.least_ns = MOST_DELAY_NS
            self.stretch = stretch
        delay_ns = min(max(receive_ns - venue_ns, -MOST_DELAY_NS), MOST_DELAY_NS)
        self.least_ns = min(self.least_ns, delay_ns)
        self.lateness_ns = delay_ns - min(self.least_ns, self.least_before_ns)
        self.most_lateness_ns = max(self.most_lateness_ns, self.lateness_ns)
        if self.limit_ns == 0:
            return
        if not self.late and self.lateness_ns > self.limit_ns:
            self.late = True
            self.times_late += 1
        elif self.late and self.lateness_ns * 2 < self.limit_ns:
            self.late = False

    def summary(self) -> dict[str, object]:
        """The lateness now and at most, in milliseconds, and how often it was too large."""
        return {
            "late_ms": int(self.lateness_ns // NANOSECONDS_PER_MILLISECOND),
            "most_late_ms": int(self.most_lateness_ns // NANOSECONDS_PER_MILLISECOND),
            "times_late": int(self.times_late),
        }

    def save(self) -> list[int]:
        """The window and the counts as plain data."""
        return [
            int(self.stretch),
            int(self.least_ns),
            int(self.least_before_ns),
            int(self.lateness_ns),
            int(self.most_lateness_ns),
            int(self.times_late),
            int(self.late),
        ]

    def load(self, numbers: list[int]) -> None:
        """Take back what `save` gave."""
        self.stretch = numbers[0]
        self.least_ns = numbers[1]
        self.least_before_ns = numbers[2]
        self.lateness_ns = numbers[3]
        self.most_lateness_ns = numbers[4]
        self.times_late = numbers[5]
        self.late = numbers[6] == 1
