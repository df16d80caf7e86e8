"""One side of a market on paper: what is displayed there, what of it was taken, and the orders of ours that rest on it.

What is displayed comes from the touch and, where it is told, from the levels behind it. What an order has taken of a
level stays taken while the level stands, and is never taken twice: only what is displayed on top of it is there. A
level that was gone is new when it comes back.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from market.messages.constants import BUY
from market.paper_past import TouchPast
from market.paper_queue import MOST_SIZE, UNKNOWN, PaperLevel, PaperOrder, QueueRules

NO_LIMIT: Final[i64] = 0
"""The price of a market order."""

MOST_TAKEN: Final = 256
"""Levels of a side of which it is remembered what was taken; the one farthest from the touch is forgotten first."""


class PaperSide:
    """One displayed side, what of it was taken, and the orders of ours that rest on it, the best price first."""

    def __init__(self, side: i64, rules: QueueRules) -> None:
        self.side: Final = side
        self.rules: Final = rules
        self.price: i64 = 0
        self.size: i64 = 0
        self.deep_prices: vec[i64] = vec[i64]()
        self.deep_sizes: vec[i64] = vec[i64]()
        self.taken: dict[int, int] = {}
        self.levels: list[PaperLevel] = []
        self.past: Final = TouchPast(side, rules.pair_ns)
        # Orders whose place in the queue is news.
        self.moved: Final[list[PaperOrder]] = []

    # ---- what is displayed

    def show(self, price: i64, size: i64, now_ns: i64) -> None:
        """Follow the touch. A level that is known to be gone is forgotten; if it comes back, it is new."""
        size = size if size < MOST_SIZE else MOST_SIZE
        if self.size > 0:
            if size == 0 or (price - self.price) * self.side < 0:
                self.past.fall(self.price, now_ns)
                self.past.shrink(self.price, self.size, now_ns)
            elif price == self.price and size < self.size:
                self.past.shrink(price, self.size - size, now_ns)
        self.price = price
        self.size = size
        if len(self.taken) > 0:
            self.forget_gone()

    def forget_gone(self) -> None:
        """Forget what was taken of levels that are gone, and of those that shrank what is gone of them."""
        if self.size == 0:
            self.taken.clear()
            return
        for price in list(self.taken):
            if (price - self.price) * self.side > 0:
                del self.taken[price]
        self.clip_taken(self.price, self.size)

    def clip_taken(self, price: i64, size: i64) -> None:
        """No more can be taken of a level than is displayed there; what comes on top of that is new."""
        taken = self.taken.get(price, 0)
        if taken > size:
            if size == 0:
                del self.taken[price]
            else:
                self.taken[price] = size

    def show_deep(self, prices: vec[i64], sizes: vec[i64]) -> None:
        """Follow the levels behind the touch."""
        self.deep_prices = prices
        self.deep_sizes = sizes
        if len(self.taken) > 0:
            for price in list(self.taken):
                displayed = self.displayed_at(price)
                if displayed != UNKNOWN:
                    self.clip_taken(price, displayed)

    def forget_deep(self) -> None:
        """Nothing is known behind the touch any more."""
        self.deep_prices = vec[i64]()
        self.deep_sizes = vec[i64]()

    def displayed_at(self, price: i64) -> i64:
        """What is displayed at a price: 0 where nobody is, `UNKNOWN` where it is out of sight."""
        if self.size == 0:
            return 0
        distance = (price - self.price) * self.side
        if distance > 0:
            return 0
        if distance == 0:
            return self.size
        place: i64 = 0
        count: i64 = len(self.deep_prices)
        while place < count:
            beyond = (price - self.deep_prices[place]) * self.side
            if beyond == 0:
                return min(self.deep_sizes[place], MOST_SIZE)
            if beyond > 0:
                return 0
            place += 1
        return UNKNOWN

    def crosses(self, price: i64) -> bool:
        """Whether an order at this price, from the other side, would trade with the touch."""
        return self.size > 0 and (self.price - price) * self.side >= 0

    def is_gone(self, price: i64) -> bool:
        """Whether nothing is displayed at a price or at a better one."""
        return self.size == 0 or (price - self.price) * self.side > 0

    def available(self) -> i64:
        """What is displayed at the touch and not taken."""
        if len(self.taken) == 0:
            return self.size
        left: i64 = self.size - self.taken.get(self.price, 0)
        return left if left > 0 else 0

    def available_to(self, limit: i64) -> i64:
        """What is displayed up to a limit price, the whole side for `NO_LIMIT`, and not taken."""
        if self.size == 0 or (limit != NO_LIMIT and not self.crosses(limit)):
            return 0
        total = self.available()
        place: i64 = 0
        count: i64 = len(self.deep_prices)
        while place < count and total < MOST_SIZE:
            price = self.deep_prices[place]
            if limit != NO_LIMIT and (price - limit) * self.side < 0:
                break
            if (price - self.price) * self.side < 0:
                total += self.available_deep(place)
            place += 1
        return total

    def available_deep(self, place: i64) -> i64:
        """What is displayed at a level behind the touch and not taken."""
        left: i64 = min(self.deep_sizes[place], MOST_SIZE) - self.taken.get(self.deep_prices[place], 0)
        return left if left > 0 else 0

    def take(self, price: i64, size: i64) -> None:
        """Take from a level."""
        self.taken[price] = self.taken.get(price, 0) + size
        if len(self.taken) > MOST_TAKEN:
            farthest = min(self.taken) if self.side == BUY else max(self.taken)
            del self.taken[farthest]

    # ---- the orders that rest

    def level_at(self, price: i64) -> PaperLevel:
        """The level of a price, made where there is none."""
        place = 0
        while place < len(self.levels):
            level = self.levels[place]
            if level.price == price:
                return level
            if (level.price - price) * self.side < 0:
                break
            place += 1
        made = PaperLevel(price, self.rules, self.moved)
        self.levels.insert(place, made)
        return made

    def rest(self, order: PaperOrder, live: bool, now_ns: i64) -> None:
        """Let an order queue behind what is displayed at its price."""
        level = self.level_at(order.price)
        if level.waiting:
            level.settle(now_ns)
        past = self.past
        if len(level.orders) == 0:
            stretch = now_ns // self.rules.pair_ns
            level.begin(
                past.shrunk.waiting(order.price, stretch - 1), past.shrunk.waiting(order.price, stretch), now_ns
            )
        self.mark(order)
        displayed: i64 = UNKNOWN
        if live and level.knows_all_places():
            # Older orders of ours stand before it: what is known to stand before them stands before it too.
            displayed = level.size if len(level.orders) > 0 else UNKNOWN
            if displayed == UNKNOWN:
                displayed = self.displayed_at(order.price)
        if displayed == UNKNOWN:
            order.ahead = UNKNOWN
            order.late = 0
            level.hidden = True
        else:
            if level.size == UNKNOWN:
                level.size = displayed
            order.join(displayed, level.older_shrunk + level.shrunk)
            level.note(order)
        level.orders.append(order)

    def mark(self, order: PaperOrder) -> None:
        """Note on an order that comes now from where the touch has fallen lately."""
        order.gone_price = self.past.gone_price
        order.gone_until_ns = self.past.gone_until_ns

    def leave(self, order: PaperOrder, now_ns: i64) -> None:
        """Take an order out."""
        level = self.level_at(order.price)
        if level.waiting:
            level.settle(now_ns)
        if order in level.orders:
            level.orders.remove(order)
        if len(level.orders) == 0:
            self.levels.remove(level)

    def drop_filled(self) -> None:
        """Take out what the driving account has filled."""
        levels: list[PaperLevel] = []
        for level in self.levels:
            for order in level.orders:
                if order.remaining == 0:
                    level.orders = [one for one in level.orders if one.remaining > 0]
                    break
            if len(level.orders) > 0:
                levels.append(level)
        self.levels = levels

    def follow_touch(self, now_ns: i64) -> None:
        """Tell the levels at the touch and before it what is displayed there."""
        price = self.price
        for level in self.levels:
            distance = (level.price - price) * self.side
            displayed = self.size
            if displayed > 0:
                if distance < 0:
                    return
                if distance > 0:
                    displayed = 0
            if displayed != level.size or level.hidden:
                level.show(displayed, now_ns)

    def follow_deep(self, now_ns: i64) -> None:
        """Tell every level in sight what is displayed there; both run from the best price on, so in one pass."""
        side = self.side
        touch = self.price
        prices = self.deep_prices
        count: i64 = len(prices)
        place: i64 = 0
        for level in self.levels:
            price = level.price
            distance = (price - touch) * side
            displayed: i64 = 0
            if self.size > 0 and distance <= 0:
                if distance == 0:
                    displayed = self.size
                else:
                    while place < count and (price - prices[place]) * side < 0:
                        place += 1
                    if place == count:
                        return
                    if prices[place] == price:
                        displayed = self.deep_sizes[place]
                        if displayed > MOST_SIZE:
                            displayed = MOST_SIZE
            if displayed != level.size or level.hidden:
                level.show(displayed, now_ns)

    def orders(self) -> list[PaperOrder]:
        """Every order here, the best price first, then by time."""
        return [order for level in self.levels for order in level.orders]

    # ---- state

    def save(self) -> list[object]:
        """The side as plain data."""
        return [
            int(self.price), int(self.size), [int(one) for one in self.deep_prices],
            [int(one) for one in self.deep_sizes], [[price, taken] for price, taken in self.taken.items()],
            [level.save() for level in self.levels], self.past.save(),
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        price, size, deep_prices, deep_sizes, taken, levels, past = state
        assert isinstance(price, int)
        assert isinstance(size, int)
        assert isinstance(deep_prices, list)
        assert isinstance(deep_sizes, list)
        assert isinstance(taken, list)
        assert isinstance(levels, list)
        assert isinstance(past, list)
        self.past.load(past)
        self.price = price
        self.size = size
        self.deep_prices = vec[i64](deep_prices)
        self.deep_sizes = vec[i64](deep_sizes)
        self.taken = {row[0]: row[1] for row in taken}
        self.levels = []
        for row in levels:
            level = PaperLevel(row[0], self.rules, self.moved)
            level.load(row)
            self.levels.append(level)
