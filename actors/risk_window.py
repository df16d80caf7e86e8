"""How much happened within the last while: a ring of times that never grows, for limits on rates.

It holds as many times as its limit allows and no more, so that it says exactly how many there were while there is room,
and that there is none when there is none.
"""

from __future__ import annotations

from typing import final

from librt.vecs import vec
from mypy_extensions import i64


@final
class Window:
    """See the head of this file."""

    def __init__(self, length_ns: i64, capacity: i64) -> None:
        self.length_ns: i64 = length_ns
        self.capacity: i64 = capacity
        self.times: vec[i64] = vec[i64]([0] * capacity)
        self.first: i64 = 0
        self.kept: i64 = 0

    def count(self, now_ns: i64) -> i64:
        """How many there were within the window that ends now."""
        begin_ns = now_ns - self.length_ns
        while self.kept > 0 and self.times[self.first] <= begin_ns:
            self.first += 1
            if self.first == self.capacity:
                self.first = 0
            self.kept -= 1
        return self.kept

    def add(self, now_ns: i64) -> None:
        """One more; when there is no room the oldest goes, for there are enough to say no."""
        if self.capacity == 0:
            return
        place = self.first + self.kept
        if place >= self.capacity:
            place -= self.capacity
        self.times[place] = now_ns
        if self.kept < self.capacity:
            self.kept += 1
            return
        self.first += 1
        if self.first == self.capacity:
            self.first = 0

    def resize(self, capacity: i64) -> None:
        """Room for another number; the latest ones are kept."""
        times = self.save()
        self.capacity = capacity
        self.times = vec[i64]([0] * capacity)
        self.load(times[max(len(times) - int(capacity), 0) :])

    def save(self) -> list[int]:
        """The times, oldest first."""
        found: list[int] = []
        index: i64 = 0
        while index < self.kept:
            place = self.first + index
            if place >= self.capacity:
                place -= self.capacity
            found.append(self.times[place])
            index += 1
        return found

    def load(self, times: list[int]) -> None:
        """Take back what `save` gave."""
        self.first = 0
        self.kept = 0
        for time_ns in times:
            self.add(time_ns)
