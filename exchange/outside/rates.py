"""How much each address has used of a limit, in windows of a fixed length."""

from __future__ import annotations

import math
from typing import Final

SECOND_NS: Final = 1_000_000_000


class Windows:
    """Counts by name; all of them begin again with the next window, so that no name is kept for long."""

    def __init__(self, length_ns: int, limit: int = 0) -> None:
        self.length_ns = length_ns
        self.limit = limit
        self._number = -1
        self._used: dict[str, int] = {}

    def use(self, name: str, amount: int, now_ns: int) -> int:
        """Count, and give what the name has used."""
        number = now_ns // self.length_ns
        if number != self._number:
            self._number = number
            self._used.clear()
        used = self._used[name] = self._used.get(name, 0) + amount
        return used

    def take(self, name: str, now_ns: int) -> bool:
        """Count one use; whether it is within the limit."""
        return self.use(name, 1, now_ns) <= self.limit

    def seconds_left(self, now_ns: int) -> int:
        """Whole seconds until the next window."""
        return math.ceil((self.length_ns - now_ns % self.length_ns) / SECOND_NS)
