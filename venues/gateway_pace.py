"""How fast a gateway may ask: the venue's limits, with room in them that only cancels can use.

New orders never wait here: one that would come late is refused at once, for its price is old by then. Cancels wait for
their turn and for nothing else. A venue that wants to be left alone is left alone by all. It never sleeps itself.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio


class Pace:
    """See the head of this file. It belongs to one trio run."""

    def __init__(self, amount: int, per_s: float, kept_for_cancels: int) -> None:
        """So much may be asked within any `per_s` seconds, of which so much is for cancels alone; 0 is no limit."""
        self.amount: Final = amount
        self.per_s: Final = per_s
        self.for_ordinary: Final = max(1, amount - kept_for_cancels)
        self._spent: Final[deque[tuple[float, int]]] = deque()
        self._spent_now = 0
        self._held_until = 0.0

    def spend(self, weight: int = 1) -> bool:
        """Spend it if that may be done at once; says whether it was."""
        return self._spend(weight, self.for_ordinary)

    def spend_urgently(self, weight: int = 1) -> bool:
        """The same for a cancel, which has all of the room."""
        return self._spend(weight, self.amount)

    def hold(self, seconds: float) -> None:
        """The venue wants nothing for so long."""
        self._held_until = max(self._held_until, trio.current_time() + seconds)

    def held_s(self) -> float:
        """How long the venue still wants nothing."""
        return max(0.0, self._held_until - trio.current_time())

    def delay_s(self) -> float:
        """How long nothing at all may be asked, as far as is known."""
        now = trio.current_time()
        self._forget(now)
        delay_s = self.held_s()
        if self.amount and self._spent_now >= self.amount:
            delay_s = max(delay_s, self._spent[0][0] + self.per_s - now)
        return delay_s

    def _spend(self, weight: int, most: int) -> bool:
        now = trio.current_time()
        self._forget(now)
        if now < self._held_until or (self.amount and self._spent_now + min(weight, most) > most):
            return False
        self._spent.append((now, weight))
        self._spent_now += weight
        return True

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] + self.per_s <= now:
            self._spent_now -= self._spent.popleft()[1]
