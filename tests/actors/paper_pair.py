"""A market on paper and its slow judge side by side: one random stream for both, compared after every step.

What the stream holds is drawn from a seed: touches and levels that move by ticks, books that stop being LIVE, trades
at, through and away from our prices, orders of every kind, changes and cancels. After each step the invariants hold
that `docs/paper.md` promises.
"""

from __future__ import annotations

from fractions import Fraction
from random import Random

from librt.vecs import vec
from mypy_extensions import i64

from benchmarks.paper_naive import OPTIMISTIC, PESSIMISTIC, QUEUE, NaiveFill, NaiveOrder, NaivePaper
from market.messages import BUY, MAKER, SELL, TAKER
from market.paper_book import PaperBook
from market.paper_queue import FIXED_SHARE, LINEAR, SQUARED, UNKNOWN, PaperOrder, QueueRules

MIDDLE = 1_000
PAIR_NS = 100
RULES = {"linear": LINEAR, "squared": SQUARED, "fixed": FIXED_SHARE}


class PaperPair:
    """See the head of this file."""

    def __init__(self, seed: int, deep: bool, large: bool = False) -> None:
        self.random = Random(seed)
        self.deep = deep
        # Sizes beyond 32 bits have squares beyond 64.
        self.unit = 10**14 + 7 if large else 1
        name = self.random.choice(list(RULES))
        share_ppm = self.random.choice([0, 250_000, 333_333, 1_000_000])
        self.book = PaperBook(QueueRules(RULES[name], share_ppm, PAIR_NS))
        self.naive = NaivePaper(name, Fraction(share_ppm, 1_000_000), PAIR_NS)
        self.orders: dict[int, tuple[PaperOrder, NaiveOrder]] = {}
        self.over: set[int] = set()
        self.ending: set[int] = set()
        # A third of the streams tell the venue's times, and trades up to that much late.
        self.timed = seed % 3 == 0
        self.now_ns = 1
        self.number = 0
        self.middle = MIDDLE
        self.told = 0
        self.fills: list[NaiveFill] = []
        # By side and price: what was displayed last, all that was ever displayed anew, and what of it was taken.
        self.last: dict[tuple[int, int], int] = {}
        self.supplied: dict[tuple[int, int], int] = {}
        self.consumed: dict[tuple[int, int], int] = {}

    # ---- what is drawn

    def size(self, most: int = 20) -> int:
        """A size, small ones more often."""
        return self.random.randint(1, self.random.randint(1, most)) * self.unit

    def side(self) -> int:
        """A side."""
        return self.random.choice((BUY, SELL))

    def step(self) -> None:
        """One event, and everything that has to hold after it."""
        self.now_ns += self.random.choice((0, 1, 30, 30, 60, 150, 400))
        kind = self.random.random()
        if kind < 0.35:
            self.show()
        elif kind < 0.65:
            self.trade()
        elif kind < 0.85:
            self.place()
        elif kind < 0.93:
            self.cancel()
        else:
            self.replace()
        self.compare()

    def levels(self, side: int, best: int) -> list[tuple[int, int]]:
        """A few levels from the best price on, with gaps."""
        price = best
        found = []
        for _ in range(self.random.randint(1, 4)):
            found.append((price, self.size()))
            price -= side * self.random.randint(1, 2)
        return found

    def venue_ns(self, most_late_ns: int = 0) -> int:
        """When the venue says that it happened; 0 when it does not say."""
        if not self.timed or self.random.random() < 0.1:
            return 0
        return max(self.now_ns - self.random.randint(0, most_late_ns), 1)

    def show(self) -> None:
        """Another touch, or the end of the LIVE state."""
        if self.random.random() < 0.08:
            self.book.show(False, 0, 0, 0, 0, self.now_ns)
            self.naive.show(False, (0, 0), (0, 0), self.now_ns)
            return
        self.middle += self.random.choice((-2, -1, 0, 0, 0, 0, 1, 2))
        bids = self.levels(BUY, self.middle - self.random.randint(1, 2))
        asks = self.levels(SELL, self.middle + self.random.randint(0, 2))
        bid = bids[0] if self.random.random() < 0.97 else (0, 0)
        ask = asks[0] if self.random.random() < 0.97 else (0, 0)
        self.supply(BUY, [bid])
        self.supply(SELL, [ask])
        venue_ns = self.venue_ns()
        self.book.show(True, *bid, *ask, self.now_ns, venue_ns)
        self.naive.show(True, bid, ask, self.now_ns, venue_ns)
        self.check_met(bid, ask)
        if self.deep and bid[1] and ask[1]:
            self.supply(BUY, bids)
            self.supply(SELL, asks)
            self.book.show_deep(*columns(bids), *columns(asks), self.now_ns, venue_ns)
            self.naive.show_deep(bids, asks, self.now_ns, venue_ns)

    def supply(self, side: int, levels: list[tuple[int, int]]) -> None:
        """Count what is displayed that was not before; what lies within these levels and is not among them is gone."""
        worst = levels[-1][0]
        empty = levels[0][1] == 0
        for at in [at for at in self.last if at[0] == side and (empty or (at[1] - worst) * side > 0)]:
            if at[1] not in [price for price, _ in levels]:
                self.last[at] = 0
        for price, size in levels:
            key = (side, price)
            self.supplied[key] = self.supplied.get(key, 0) + max(size - self.last.get(key, 0), 0)
            self.last[key] = size

    def check_met(self, bid: tuple[int, int], ask: tuple[int, int]) -> None:
        """What came to resting orders has taken from the touch."""
        for one in self.book.fills:
            if one.model == QUEUE and one.liquidity == MAKER:
                side = -int(one.order.side)
                self.consume(side, bid[0] if side == BUY else ask[0], int(one.size))

    def consume(self, side: int, price: int, size: int) -> None:
        """Nothing displayed is ever taken twice: all that was taken of a level is at most all that came to it."""
        key = (side, price)
        self.consumed[key] = self.consumed.get(key, 0) + size
        assert self.consumed[key] <= self.supplied.get(key, 0)

    def trade(self) -> None:
        """A trade near the touch: no account fills more than traded."""
        side = self.side()
        price = self.middle - side * self.random.randint(-1, 3)
        size = self.size(40)
        venue_ns = self.venue_ns(150)
        self.book.trade(price, size, -side, self.now_ns, venue_ns)
        self.naive.trade(price, size, -side, self.now_ns, venue_ns)
        for model in (QUEUE, OPTIMISTIC, PESSIMISTIC):
            assert sum(one.size for one in self.book.fills if one.model == model) <= size

    def place(self) -> None:
        """An order of any kind."""
        self.number += 1
        side = self.side()
        price = 0 if self.random.random() < 0.1 else self.middle - side * self.random.randint(-3, 4)
        size = self.size()
        post_only = price != 0 and self.random.random() < 0.4
        order = PaperOrder(self.number, 1, 1, side, price, size, post_only, 0)
        naive = NaiveOrder(self.number, side, price, size, post_only)
        assert self.book.available(side, price) == sum(one for _, one in self.naive.available(side, price))
        if post_only and self.book.crosses(side, price):
            return
        rests = price != 0 and (post_only or self.random.random() < 0.8)
        self.orders[self.number] = (order, naive)
        self.book.take(order, price)
        self.naive.place(naive, self.now_ns, rests)
        if rests and order.remaining > 0:
            self.book.rest(order, self.now_ns)
        else:
            self.ending.add(self.number)

    def resting(self) -> list[int]:
        """The orders that rest."""
        return [number for number in self.orders if number not in self.over]

    def cancel(self) -> None:
        """The end of an order."""
        if found := self.resting():
            number = self.random.choice(found)
            order, naive = self.orders[number]
            self.book.leave(order, self.now_ns)
            self.naive.leave(naive, self.now_ns)
            self.over.add(number)

    def replace(self) -> None:
        """A smaller size at the same price, or anything else."""
        if not (found := self.resting()):
            return
        order, naive = self.orders[self.random.choice(found)]
        filled = order.size - order.remaining
        size = filled + self.size()
        price = order.price if self.random.random() < 0.5 else order.price + self.random.randint(-2, 2)
        if order.post_only and self.book.crosses(order.side, price):
            return
        keeps = price == order.price and size <= order.size
        grown = size - order.size
        if not keeps:
            self.book.leave(order, self.now_ns)
            self.naive.leave(naive, self.now_ns)
            order.price = price
            naive.price = price
        order.resize(size)
        naive.size = size
        naive.left = {model: left + grown for model, left in naive.left.items()}
        if not keeps:
            self.book.take(order, price)
            self.naive.place(naive, self.now_ns)
            if order.remaining > 0:
                self.book.rest(order, self.now_ns)

    # ---- what has to hold

    def compare(self) -> None:
        """Fills, places and what is left are the same, and the invariants hold."""
        mine = [
            (int(one.order.order_id), int(one.model), int(one.price), int(one.size), int(one.remaining),
             int(one.liquidity)) for one in self.book.fills
        ]  # fmt: skip
        self.book.fills.clear()
        theirs = self.naive.fills[self.told :]
        self.told = len(self.naive.fills)
        assert sorted(mine) == sorted(theirs)
        self.check_over(theirs)
        for number, model, price, size, _, liquidity in theirs:
            if model == QUEUE and liquidity == TAKER:
                self.consume(-int(self.orders[number][0].side), price, size)
        self.fills += theirs
        refused = [int(order.order_id) for order in self.book.refused]
        self.book.refused.clear()
        assert refused == self.naive.refused
        self.naive.refused.clear()
        self.over |= self.ending
        self.over.update(refused)
        self.over.update(fill[0] for fill in theirs if fill[1] == QUEUE and fill[4] == 0)
        for order, naive in self.orders.values():
            left = naive.left
            assert (order.remaining, order.optimistic, order.pessimistic) == (left[0], left[1], left[2])
            assert left[OPTIMISTIC] <= left[QUEUE] <= left[PESSIMISTIC] <= order.size
        assert sorted(int(order.order_id) for order in self.book.orders()) == sorted(self.resting())

    def check_over(self, fills: list[NaiveFill]) -> None:
        """No order that is over is filled, in whichever account."""
        assert self.over.isdisjoint(fill[0] for fill in fills)

    def check_places(self) -> None:
        """Settled to this moment, every place is the same."""
        for side in (self.book.bids, self.book.asks):
            for level in side.levels:
                level.settle(self.now_ns)
        self.naive.settle(self.now_ns)
        for number in self.resting():
            order, naive = self.orders[number]
            assert order.ahead == (UNKNOWN if naive.ahead is None else naive.ahead)

    def check_sums(self) -> None:
        """What was filled of each order is what is missing of it, in each account, and taken alike by all three."""
        for number, (order, _) in self.orders.items():
            left = (order.remaining, order.optimistic, order.pessimistic)
            taken: dict[int, int] = {QUEUE: 0, OPTIMISTIC: 0, PESSIMISTIC: 0}
            for model in taken:
                sizes = [fill[3] for fill in self.fills if fill[0] == number and fill[1] == model]
                assert sum(sizes) == order.size - left[model]
                taken[model] = sum(
                    fill[3] for fill in self.fills if fill[0] == number and fill[1] == model and fill[5] == TAKER
                )
            assert taken[QUEUE] == taken[PESSIMISTIC] >= taken[OPTIMISTIC]


def columns(levels: list[tuple[int, int]]) -> tuple[vec[i64], vec[i64]]:
    """Prices and sizes of levels."""
    return vec[i64]([price for price, _ in levels]), vec[i64]([size for _, size in levels])
