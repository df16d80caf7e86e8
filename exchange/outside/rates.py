"""How much each address has used of a limit, in windows of a fixed length."""

from __future__ import annotations

import math
from typing import Final

SECOND_NS: Final = 1_000_000_000


class Windows:
    """Counts by name; all of them begin again with the next window, so that no name is kept for long."""

    def __init__(self, limit: int, length_ns: int) -> None:
        self.limit = limit
        self.length_ns = length_ns
        self._number = -1
        self._used: dict[str, int] = {}

    def take(self, name: str, now_ns: int) -> bool:
        """Count one use; whether it is within the limit."""
        number = now_ns // self.length_ns
        if number != self._number:
            self._number = number
            self._used.clear()
        used = self._used[name] = self._used.get(name, 0) + 1
        return used <= self.limit

    def seconds_left(self, now_ns: int) -> int:
        """Whole seconds until the next window."""
        return math.ceil((self.length_ns - now_ns % self.length_ns) / SECOND_NS)
