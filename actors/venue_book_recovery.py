"""Why a book was lost, how often, for how long, and when to ask for it anew.

The first request goes out at once. One that leads to no book, or a book that is lost again before it was LIVE for a
while, makes the next request wait, twice as long each time up to a maximum; after so many of these within a stretch of
time the book is BROKEN until it is LIVE again, and goes on trying. It decides by the times that it is told alone: it
reads no clock and draws nothing.
"""

from __future__ import annotations

from typing import Final, cast, final

from mypy_extensions import i64

GAPPED: Final = 0
CHECKSUM: Final = 1
CROSSED: Final = 2
STALL: Final = 3
RESET: Final = 4
CONNECTION: Final = 5
AUDIT: Final = 6
OVERFLOW: Final = 7
QUOTE: Final = 8
CAUSES: Final = ("gap", "checksum", "crossed", "stall", "reset", "connection", "audit", "overflow", "best bid/ask")

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


@final
class RecoveryRules:
    """How patient a recovery is."""

    def __init__(
        self, answer_ns: i64, retry_ns: i64, retry_most_ns: i64, healthy_ns: i64, broken_after: i64, window_ns: i64
    ) -> None:
        self.answer_ns: Final[i64] = answer_ns
        self.retry_ns: Final[i64] = retry_ns
        self.retry_most_ns: Final[i64] = retry_most_ns
        self.healthy_ns: Final[i64] = healthy_ns
        self.broken_after: Final[i64] = broken_after
        self.window_ns: Final[i64] = window_ns


@final
class Recovery:
    """See the head of this file. One for each book of each connection."""

    def __init__(self, rules: RecoveryRules) -> None:
        self.rules: Final = rules
        self.counts: list[int] = [0] * len(CAUSES)
        # Since when it is lost, and since when it is LIVE; 0 is "it is not".
        self.lost_ns: i64 = 0
        self.live_since_ns: i64 = 0
        # The request that is on its way, and when the next one is due; 0 is "none".
        self.asked_ns: i64 = 0
        self.due_ns: i64 = 0
        self.attempts: i64 = 0
        self.kept: i64 = 0
        self.quick_losses: i64 = 0
        self.broken: bool = False
        self.failures: list[int] = []
        self.recoveries: i64 = 0
        self.last_outage_ns: i64 = 0
        self.most_outage_ns: i64 = 0

    @property
    def level(self) -> i64:
        """How often it failed of late: 0 asks at once."""
        return self.attempts + max(self.quick_losses - 1, 0)

    @property
    def delay_ns(self) -> i64:
        """How long the next request waits."""
        level = self.level
        if level == 0:
            return 0
        delay = self.rules.retry_ns
        most = self.rules.retry_most_ns
        while level > 1 and delay < most:
            delay *= 2
            level -= 1
        return min(delay, most)

    @property
    def patience_ns(self) -> i64:
        """How long a request that has gone out may stay without an answer."""
        return max(self.rules.answer_ns, self.delay_ns)

    def begin(self) -> None:
        """A new run: what was on its way is void, and failures of an earlier run say nothing of this one."""
        self.asked_ns = 0
        self.due_ns = 0
        self.attempts = 0
        self.quick_losses = 0
        self.broken = False
        self.failures = []
        self.lost_ns = 0
        self.live_since_ns = 0

    def lose(self, cause: i64, now_ns: i64) -> None:
        """The book is lost: count it, and begin to time it unless it was lost already."""
        self.counts[cause] += 1
        self.asked_ns = 0
        self.due_ns = 0
        if self.live_since_ns != 0:
            healthy = now_ns - self.live_since_ns >= self.rules.healthy_ns
            self.quick_losses = 1 if healthy else self.quick_losses + 1
            self.live_since_ns = 0
        if self.lost_ns == 0:
            self.lost_ns = now_ns
            self.kept = 0

    def ask(self, now_ns: i64) -> None:
        """A request goes out. One after a failure counts, and makes the book BROKEN when there were too many."""
        if self.level > 0:
            self.failures.append(now_ns)
            if len(self.failures) > self.rules.broken_after:
                del self.failures[0]
            if len(self.failures) >= self.rules.broken_after and now_ns - self.failures[0] <= self.rules.window_ns:
                self.broken = True
        self.asked_ns = now_ns
        self.attempts += 1

    def answered(self) -> None:
        """The answer has come, whatever it is."""
        self.asked_ns = 0
        self.due_ns = 0

    def recover(self, now_ns: i64) -> i64:
        """The book is LIVE: how long it was lost, or -1 when it was not."""
        self.asked_ns = 0
        self.due_ns = 0
        self.broken = False
        # One that was only STALE goes on with the health that it had.
        if self.live_since_ns == 0:
            self.live_since_ns = now_ns
        if self.lost_ns == 0:
            self.attempts = 0
            return -1
        outage_ns = now_ns - self.lost_ns
        self.lost_ns = 0
        self.recoveries += 1
        self.last_outage_ns = outage_ns
        self.most_outage_ns = max(self.most_outage_ns, outage_ns)
        return outage_ns

    def settle(self) -> None:
        """What it took was told: the next loss counts anew."""
        self.attempts = 0
        self.kept = 0

    def losses(self) -> dict[str, int]:
        """How often it was lost, by cause; without those that never came."""
        return {name: self.counts[place] for place, name in enumerate(CAUSES) if self.counts[place] > 0}

    def save(self) -> dict[str, object]:
        """Everything as plain data."""
        return {
            "counts": self.counts[:],
            "failures": self.failures[:],
            "broken": self.broken,
            "numbers": [
                int(self.lost_ns),
                int(self.live_since_ns),
                int(self.asked_ns),
                int(self.due_ns),
                int(self.attempts),
                int(self.kept),
                int(self.quick_losses),
                int(self.recoveries),
                int(self.last_outage_ns),
                int(self.most_outage_ns),
            ],
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.counts = list(cast("list[int]", saved["counts"]))
        self.failures = list(cast("list[int]", saved["failures"]))
        self.broken = cast(bool, saved["broken"])
        numbers = cast("list[int]", saved["numbers"])
        self.lost_ns = numbers[0]
        self.live_since_ns = numbers[1]
        self.asked_ns = numbers[2]
        self.due_ns = numbers[3]
        self.attempts = numbers[4]
        self.kept = numbers[5]
        self.quick_losses = numbers[6]
        self.recoveries = numbers[7]
        self.last_outage_ns = numbers[8]
        self.most_outage_ns = numbers[9]
