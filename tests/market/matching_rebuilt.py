"""A book rebuilt from the events of an engine alone, order by order, as docs/matching.md promises that it can be.

It knows orders only by what events tell. `first` names the order that has priority, which the storms hold every trade
against.
"""

from __future__ import annotations

from dataclasses import dataclass

from market.messages import (
    BUY,
    EVENT_ACCEPTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REDUCED,
    EVENT_REPLACED,
    EVENT_REPLENISHED,
    EVENT_REPRICED,
    EVENT_RESTED,
    EVENT_TRADED,
    SELL,
)
from tests.market.matching_engines import Cells

RESTS = 1
KEEPS_PLACE = 1
Row = tuple[int, int, int, int, int]


@dataclass
class Resting:
    """What events have told of an order in the book."""

    order_id: int
    side: int
    price: int
    remaining: int
    shown: int
    hidden: bool

    @property
    def offered(self) -> int:
        """What an incoming order can trade with."""
        return self.remaining if self.hidden else self.shown


# The orders of one price: displayed and hidden ones, each in the order of time.
Level = tuple[dict[int, Resting], dict[int, Resting]]


class RebuiltBook:
    """The orders in the book, by side, price and priority."""

    def __init__(self) -> None:
        """An empty book."""
        self.orders: dict[int, Resting] = {}
        self.levels: dict[int, dict[int, Level]] = {BUY: {}, SELL: {}}

    def add(self, order: Resting) -> None:
        """Puts an order at the back of its queue."""
        assert order.order_id not in self.orders
        level = self.levels[order.side].setdefault(order.price, ({}, {}))
        level[order.hidden][order.order_id] = order
        self.orders[order.order_id] = order

    def remove(self, order_id: int) -> Resting | None:
        """Takes an order out, if it is there."""
        order = self.orders.pop(order_id, None)
        if order is not None:
            level = self.levels[order.side][order.price]
            del level[order.hidden][order_id]
            if not level[0] and not level[1]:
                del self.levels[order.side][order.price]
        return order

    def apply(self, cells: Cells) -> None:
        """Does what one event tells."""
        kind, order_id, _, side, price, size, remaining, code, other_id, _, other_remaining, number = cells
        if (kind == EVENT_ACCEPTED and code == RESTS) or kind == EVENT_RESTED:
            self.add(Resting(order_id, side, price, remaining, number, number == 0))
        elif kind == EVENT_TRADED:
            other = self.orders[other_id]
            other.remaining = other_remaining
            if not other.hidden:
                other.shown -= size
            if other_remaining == 0:
                self.remove(other_id)
        elif kind == EVENT_REPLENISHED:
            order = self.remove(order_id)
            assert order is not None
            order.shown = size
            self.add(order)
        elif kind in (EVENT_CANCELLED, EVENT_EXPIRED):
            self.remove(order_id)
        elif kind == EVENT_REPRICED:
            self.remove(order_id)
            if price:
                self.add(Resting(order_id, side, price, remaining, number, False))
        elif kind in (EVENT_REDUCED, EVENT_REPLACED) and order_id in self.orders:
            order = self.orders[order_id]
            order.remaining, order.shown = remaining, number
            if (kind == EVENT_REPLACED and code != KEEPS_PLACE) or remaining == 0:
                self.remove(order_id)

    def best(self, side: int) -> int:
        """The best price of a side, hidden orders included, 0 for none."""
        prices = self.levels[side]
        return (max(prices) if side == BUY else min(prices)) if prices else 0

    def first(self, side: int) -> Resting | None:
        """The order of a side that has priority."""
        if not self.levels[side]:
            return None
        displayed, hidden = self.levels[side][self.best(side)]
        return next(iter((displayed or hidden).values()))

    def rows(self) -> list[Row]:
        """Every order in the book: bids by priority, then asks by priority."""
        found = []
        for side in (BUY, SELL):
            for price in sorted(self.levels[side], reverse=side == BUY):
                for queue in self.levels[side][price]:
                    found += [(one.order_id, side, price, one.remaining, one.shown) for one in queue.values()]
        return found
