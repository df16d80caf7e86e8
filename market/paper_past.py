"""What happened at the touch of one side lately, whether or not an order of ours was there.

A trade and the shrinking of the touch that it causes are told by two messages. An order that comes between them must
not be filled by a trade that was made before it came, so what left the touch and no trade has explained is remembered
for one to two stretches of `pair_ns`, and so is from where the touch fell. What is remembered is bounded; the oldest
goes first.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.paper_queue import MOST_SIZE

MOST_REMEMBERED: Final[i64] = 64
"""Changes of the touch of a side that are remembered at once."""


class PastChange:
    """A size that left a price, or traded at it, in one stretch; a size of 0 is none."""

    def __init__(self) -> None:
        self.price: i64 = 0
        self.size: i64 = 0
        self.stretch: i64 = 0


class PastChanges:
    """The newest changes of one kind, in a ring. It makes no objects once it stands."""

    def __init__(self) -> None:
        self.ring: Final = [PastChange() for _ in range(int(MOST_REMEMBERED))]
        self.oldest: i64 = 0
        self.count: i64 = 0

    def at(self, number: i64) -> PastChange:
        """The change of this number, counted from the oldest."""
        place = self.oldest + number
        return self.ring[place if place < MOST_REMEMBERED else place - MOST_REMEMBERED]

    def add(self, price: i64, size: i64, stretch: i64) -> None:
        """Remember a size."""
        if self.count > 0:
            change = self.at(self.count - 1)
            if change.size > 0 and change.price == price and change.stretch == stretch:
                change.size = min(change.size + size, MOST_SIZE)
                return
        self.put(price, size, stretch)

    def put(self, price: i64, size: i64, stretch: i64) -> None:
        """Come behind the newest, where there is no room in the place of the oldest."""
        if self.count == MOST_REMEMBERED:
            self.drop_oldest()
        change = self.at(self.count)
        change.price = price
        change.size = size
        change.stretch = stretch
        self.count += 1

    def drop_oldest(self) -> None:
        """Forget one."""
        self.oldest += 1
        if self.oldest == MOST_REMEMBERED:
            self.oldest = 0
        self.count -= 1

    def forget(self, stretch: i64) -> None:
        """Forget what is over: so only what is recent is ever looked at."""
        while self.count > 0:
            change = self.ring[self.oldest]
            if change.size > 0 and change.stretch >= stretch - 1:
                return
            self.drop_oldest()

    def pair(self, price: i64, size: i64, stretch: i64) -> i64:
        """Match a size with what is remembered at its price, the oldest first; gives what was not matched."""
        self.forget(stretch)
        number: i64 = 0
        while number < self.count and size > 0:
            change = self.at(number)
            if change.price == price:
                matched = min(size, change.size)
                change.size -= matched
                size -= matched
            number += 1
        return size

    def waiting(self, price: i64, stretch: i64) -> i64:
        """What is remembered of one price and one stretch."""
        found: i64 = 0
        number: i64 = 0
        while number < self.count:
            change = self.at(number)
            if change.price == price and change.stretch == stretch:
                found = min(found + change.size, MOST_SIZE)
            number += 1
        return found

    def save(self) -> list[list[int]]:
        """What is remembered as plain data, the oldest first."""
        kept: list[list[int]] = []
        number: i64 = 0
        while number < self.count:
            change = self.at(number)
            if change.size > 0:
                kept.append([int(change.price), int(change.size), int(change.stretch)])
            number += 1
        return kept

    def load(self, state: list[list[int]]) -> None:
        """Take back what `save` gave."""
        self.oldest = 0
        self.count = 0
        for price, size, stretch in state:
            self.put(price, size, stretch)


class TouchPast:
    """See the head of this file."""

    def __init__(self, side: i64, pair_ns: i64) -> None:
        self.side: Final = side
        self.pair_ns: Final = pair_ns
        # What left the touch and no trade has explained, and what traded and has not left the touch.
        self.shrunk: Final = PastChanges()
        self.traded: Final = PastChanges()
        # The best price from which the touch fell lately, and until when that counts.
        self.gone_price: i64 = 0
        self.gone_until_ns: i64 = 0

    def shrink(self, price: i64, size: i64, now_ns: i64) -> None:
        """So much left the touch."""
        stretch = now_ns // self.pair_ns
        size = self.traded.pair(price, size, stretch)
        if size > 0:
            self.shrunk.add(price, size, stretch)

    def fall(self, price: i64, now_ns: i64) -> None:
        """The touch fell from this price."""
        if now_ns >= self.gone_until_ns or (price - self.gone_price) * self.side > 0:
            self.gone_price = price
        self.gone_until_ns = now_ns + 2 * self.pair_ns

    def trade(self, price: i64, size: i64, now_ns: i64) -> None:
        """So much traded: first what has left already, and what is left waits."""
        stretch = now_ns // self.pair_ns
        size = self.shrunk.pair(price, size, stretch)
        if size > 0:
            self.traded.add(price, size, stretch)

    def save(self) -> list[object]:
        """Everything as plain data."""
        return [self.shrunk.save(), self.traded.save(), int(self.gone_price), int(self.gone_until_ns)]

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        shrunk, traded, gone_price, gone_until_ns = state
        assert isinstance(shrunk, list)
        assert isinstance(traded, list)
        assert isinstance(gone_price, int)
        assert isinstance(gone_until_ns, int)
        self.shrunk.load(shrunk)
        self.traded.load(traded)
        self.gone_price = gone_price
        self.gone_until_ns = gone_until_ns
