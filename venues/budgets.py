"""What a venue allows within a time: so much weight of requests, so many connections, so many messages.

A `RateBudget` is spent before the thing is done; who asks for more than is left waits, in the order of asking. Within
any span of the budget's length no more is spent than it holds. What the venue itself says counts more than our own
books: it may have counted more than we did, and it may want to be left alone for a while. One budget is shared by all
of a process that spend it, whichever service they belong to; it belongs to one trio run.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

_shared: trio.lowlevel.RunVar[dict[str, RateBudget]] = trio.lowlevel.RunVar("venue_budgets")


class RateBudget:
    """See the head of this file. A budget of 0 has no limit; it can still be held."""

    def __init__(self, amount: int, per_s: float) -> None:
        """So much may be spent in any `per_s` seconds."""
        self.amount: Final = amount
        self.per_s: Final = per_s
        self.spent_total = 0
        self._spent: deque[tuple[float, int]] = deque()
        self._spent_now = 0
        self._held_until = 0.0
        self._turn = trio.Lock()

    async def spend(self, weight: int = 1) -> None:
        """Wait until so much may be spent, and spend it; more than the whole budget waits for all of it."""
        if self.amount:
            weight = min(weight, self.amount)
        async with self._turn:
            while (wait_s := self.wait_s(weight)) > 0:
                await trio.sleep(wait_s)
            self._note(weight)

    def wait_s(self, weight: int = 1) -> float:
        """How long it would take until so much may be spent, as far as is known."""
        now = trio.current_time()
        wait_s = self._held_until - now
        self._forget(now)
        if self.amount:
            over = self._spent_now + weight - self.amount
            for spent_at, amount in self._spent:
                if over <= 0:
                    break
                over -= amount
                wait_s = max(wait_s, spent_at + self.per_s - now)
        return wait_s

    @property
    def left(self) -> int:
        """What may be spent at once."""
        self._forget(trio.current_time())
        return max(0, self.amount - self._spent_now)

    def hold(self, seconds: float) -> None:
        """Spend nothing for so long: the venue says so."""
        self._held_until = max(self._held_until, trio.current_time() + seconds)

    def note_used(self, used: int) -> None:
        """The venue has counted so much within its span: what it has counted beside ours is spent as well."""
        self._forget(trio.current_time())
        if used > self._spent_now:
            self._note(used - self._spent_now)

    def _note(self, weight: int) -> None:
        self.spent_total += weight
        self._spent.append((trio.current_time(), weight))
        self._spent_now += weight

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] + self.per_s <= now:
            self._spent_now -= self._spent.popleft()[1]


def shared_budget(name: str, amount: int, per_s: float) -> RateBudget:
    """The budget of this name, one for the whole process; the first who asks says how large it is."""
    try:
        budgets = _shared.get()
    except LookupError:
        budgets = {}
        _shared.set(budgets)
    return budgets.setdefault(name, RateBudget(amount, per_s))
