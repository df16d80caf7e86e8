"""The timers of a lane: which are set, and which is due first. It never looks at a clock.

Timers of equal due time fire in the order of actor and timer id, so that their order is the same in every run.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final

from mypy_extensions import i64

NEVER: Final[i64] = -1
# Later than any time.
_LATEST: Final[i64] = 0x7FFFFFFFFFFFFFFF


class TimerTable:
    """A heap with lazy removal beside the table of what is really set."""

    def __init__(self) -> None:
        self.due_of: dict[tuple[int, int], int] = {}
        self.heap: list[tuple[int, int, int]] = []
        # No timer is due before this.
        self.earliest_ns: i64 = _LATEST

    def set(self, actor_id: int, timer_id: int, due_ns: int) -> None:
        """Set a timer, replacing one of the same actor and id."""
        self.due_of[(actor_id, timer_id)] = due_ns
        heappush(self.heap, (due_ns, actor_id, timer_id))
        if due_ns < self.earliest_ns:
            self.earliest_ns = due_ns
        if len(self.heap) > 64 and len(self.heap) > 4 * len(self.due_of):
            self.compact()

    def remove(self, actor_id: int, timer_id: int) -> None:
        """Take a timer out; nothing happens when it is not set."""
        self.due_of.pop((actor_id, timer_id), None)

    def remove_actor(self, actor_id: int) -> None:
        """Take out every timer of an actor."""
        for key in [key for key in self.due_of if key[0] == actor_id]:
            del self.due_of[key]

    def may_be_due(self, now_ns: i64) -> bool:
        """Whether there is anything to ask `first` for: false for nearly every input."""
        return self.earliest_ns <= now_ns

    def first(self) -> tuple[int, int, int] | None:
        """The earliest timer that is set as (due, actor, timer), left in place."""
        while self.heap:
            due_ns, actor_id, timer_id = self.heap[0]
            if self.due_of.get((actor_id, timer_id)) == due_ns:
                self.earliest_ns = due_ns
                return self.heap[0]
            heappop(self.heap)
        self.earliest_ns = _LATEST
        return None

    def next_due_ns(self) -> i64:
        """When the earliest timer is due, or NEVER."""
        first = self.first()
        return NEVER if first is None else first[0]

    def compact(self) -> None:
        """Drop what lazy removal left in the heap, so that it stays in proportion."""
        self.heap = [(due_ns, key[0], key[1]) for key, due_ns in self.due_of.items()]
        heapify(self.heap)
        self.earliest_ns = self.heap[0][0] if self.heap else _LATEST

    def save(self) -> list[list[int]]:
        """The timers as plain data, in a fixed order."""
        return sorted([due_ns, key[0], key[1]] for key, due_ns in self.due_of.items())

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        self.due_of = {(actor_id, timer_id): due_ns for due_ns, actor_id, timer_id in state}
        self.compact()
