"""Which working order serves which wanted level, so that the fewest requests are needed. Compiled, pure.

Orders and levels of one side are two rows, best price first. They are laid beside each other, neither crossing, as two
texts are in a comparison: an order that serves a level costs nothing, a smaller size costs one request, an order
without a level one (its cancel), a level without an order one (a new order). Where the venue changes prices too, an
order without a level and a level without an order cost one together, wherever they stand: the order moves there. The
cheapest layout is found exactly.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import append, vec
from mypy_extensions import i64

from actors.order_rules import AMEND_ALL, AMEND_NOTHING, AMEND_SIZE

KEEP: Final = 0
"""The order stays as it is."""
REDUCE: Final = 1
"""The order gets smaller and keeps its place."""
MOVE: Final = 2
"""The order gets another price or a larger size."""
DROP: Final = 3
"""The order serves nothing."""

NONE: Final = -1
REQUEST: Final = 1_000
# Of two layouts with as many requests, the one in which more orders keep their places.
IN_PLACE: Final = 2
MOST_LEVELS: Final = 32
IMPOSSIBLE: Final = 1_000_000_000


def zeros(count: int) -> vec[i64]:
    """A row of noughts."""
    row = vec[i64]()
    for _ in range(count):
        row = append(row, i64(0))
    return row


@final
class Alignment:
    """One side's orders and levels; filled anew for each comparison, without making anything."""

    def __init__(self, keep_size_percent: i64) -> None:
        """An order with at least this share of the wanted size left is not refilled."""
        self.keep_size_percent: Final[i64] = keep_size_percent
        self.side: i64 = 0
        self.amend: i64 = AMEND_NOTHING
        self.keep_within: i64 = 0
        # Orders, best price first: id, price and total size that they have or will have, what is filled.
        self.orders: i64 = 0
        self.ids: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.prices: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.sizes: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.filled: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.busy: Final[vec[i64]] = zeros(MOST_LEVELS)
        # Levels, best price first.
        self.levels: i64 = 0
        self.level_prices: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.level_sizes: Final[vec[i64]] = zeros(MOST_LEVELS)
        # The answer: what becomes of each order, and which level it serves; which order each level has.
        self.actions: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.level_of: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.order_of: Final[vec[i64]] = zeros(MOST_LEVELS)
        self.table: Final[vec[i64]] = zeros((MOST_LEVELS + 1) * (MOST_LEVELS + 1))

    def begin(self, side: i64, amend: i64, keep_within: i64) -> None:
        """Empty both rows."""
        self.side = side
        self.amend = amend
        self.keep_within = keep_within
        self.orders = 0
        self.levels = 0

    def add_order(self, order_id: i64, price: i64, size: i64, filled: i64, busy: bool) -> bool:
        """An order, at its place in the row; false when the row is full."""
        place = self.orders
        if place >= MOST_LEVELS:
            return False
        side = self.side
        while place > 0 and (price - self.prices[place - 1]) * side > 0:
            self.ids[place] = self.ids[place - 1]
            self.prices[place] = self.prices[place - 1]
            self.sizes[place] = self.sizes[place - 1]
            self.filled[place] = self.filled[place - 1]
            self.busy[place] = self.busy[place - 1]
            place -= 1
        self.ids[place] = order_id
        self.prices[place] = price
        self.sizes[place] = size
        self.filled[place] = filled
        self.busy[place] = 1 if busy else 0
        self.orders += 1
        return True

    def add_level(self, price: i64, size: i64) -> None:
        """A wanted level, at its place in the row; beyond the room of the row there are none."""
        place = self.levels
        if place >= MOST_LEVELS:
            return
        side = self.side
        while place > 0 and (price - self.level_prices[place - 1]) * side > 0:
            self.level_prices[place] = self.level_prices[place - 1]
            self.level_sizes[place] = self.level_sizes[place - 1]
            place -= 1
        self.level_prices[place] = price
        self.level_sizes[place] = size
        self.levels += 1

    def fits(self, order: i64, level: i64) -> i64:
        """What makes an order serve a level: `KEEP`, `REDUCE`, `MOVE`, or `DROP` when nothing does."""
        away = self.prices[order] - self.level_prices[level]
        wanted = self.level_sizes[level]
        left = self.sizes[order] - self.filled[order]
        near = -self.keep_within <= away <= self.keep_within
        if near:
            if 0 < left <= wanted and self.is_enough(left, wanted):
                return KEEP
            if left > wanted and self.amend >= AMEND_SIZE:
                return REDUCE
        return MOVE if self.amend == AMEND_ALL else DROP

    def is_enough(self, left: i64, wanted: i64) -> bool:
        """Whether what is left of an order is no smaller than the share that is not refilled."""
        percent = self.keep_size_percent
        return left >= wanted // 100 * percent + wanted % 100 * percent // 100

    def align(self) -> None:
        """Find the answer for what is not as wanted."""
        orders = self.orders
        levels = self.levels
        width = levels + 1
        table = self.table
        # Two that stand alone are one move where the venue can: each costs half of it.
        alone: i64 = REQUEST // 2 if self.amend == AMEND_ALL else REQUEST
        for place in range(width):
            table[place] = place * alone
        for order in range(orders):
            table[(order + 1) * width] = (order + 1) * alone
            for level in range(levels):
                best = table[order * width + level] + self.cost(order, level)
                without_level = table[order * width + level + 1] + alone
                if without_level < best:
                    best = without_level
                without_order = table[(order + 1) * width + level] + alone
                if without_order < best:
                    best = without_order
                table[(order + 1) * width + level + 1] = best
        self.trace(orders, levels, width, alone)
        if self.amend == AMEND_ALL:
            # One that can be changed now before one whose answer is awaited.
            self.move(0)
            self.move(1)

    def move(self, busy: i64) -> None:
        """Give the orders without a level, idle ones or busy ones, the levels without an order, best first."""
        level: i64 = 0
        for order in range(self.orders):
            if self.actions[order] != DROP or self.busy[order] != busy:
                continue
            while level < self.levels and self.order_of[level] != NONE:
                level += 1
            if level == self.levels:
                return
            self.actions[order] = self.fits(order, level)
            self.level_of[order] = level
            self.order_of[level] = order

    def is_as_wanted(self) -> bool:
        """Whether each order serves the level beside it as it is: the usual case."""
        if self.orders != self.levels:
            return False
        for place in range(self.orders):
            if self.fits(place, place) != KEEP:
                return False
            self.actions[place] = KEEP
            self.level_of[place] = place
            self.order_of[place] = place
        return True

    def cost(self, order: i64, level: i64) -> i64:
        """What it costs that an order serves a level in its place: requests, and of equal ones the lesser change."""
        action = self.fits(order, level)
        if action == KEEP:
            return 0 if self.prices[order] == self.level_prices[level] else 1
        return REQUEST - IN_PLACE if action == REDUCE else IMPOSSIBLE

    def trace(self, orders: i64, levels: i64, width: i64, alone: i64) -> None:
        """Walk the cheapest layout back."""
        table = self.table
        order = orders
        level = levels
        while order > 0 or level > 0:
            here = table[order * width + level]
            if order > 0 and level > 0:
                cost = self.cost(order - 1, level - 1)
                if cost < IMPOSSIBLE and here == table[(order - 1) * width + level - 1] + cost:
                    order -= 1
                    level -= 1
                    self.actions[order] = self.fits(order, level)
                    self.level_of[order] = level
                    self.order_of[level] = order
                    continue
            if order > 0 and here == table[(order - 1) * width + level] + alone:
                order -= 1
                self.actions[order] = DROP
                self.level_of[order] = NONE
            else:
                level -= 1
                self.order_of[level] = NONE
