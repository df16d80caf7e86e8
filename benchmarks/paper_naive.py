"""A slow, obvious market on paper: docs/paper.md in code, with dicts, lists and plain loops.

It is the judge of the tests, which hold every fill of `PaperBook` against it, and the reference that the benchmark runs
beside it. Nothing in it is there for speed, and nothing is shared with what it judges. It looks at every order at every
event, settles every level at every event, and works out shares as fractions.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Final

BUY: Final = 1
SELL: Final = -1
QUEUE: Final = 0
OPTIMISTIC: Final = 1
PESSIMISTIC: Final = 2
MAKER: Final = 1
TAKER: Final = 2

# Order, model, price, size, what is left, liquidity.
NaiveFill = tuple[int, int, int, int, int, int]


class NaiveOrder:
    """An order with what each account has left; `ahead` is None while nobody can know it."""

    def __init__(self, order_id: int, side: int, price: int, size: int, post_only: bool) -> None:
        self.order_id = order_id
        self.side = side
        self.price = price
        self.size = size
        self.post_only = post_only
        self.left = {QUEUE: size, OPTIMISTIC: size, PESSIMISTIC: size}
        self.ahead: int | None = None
        self.late = 0
        self.seen: list[int] = []
        self.judged = True
        # The venue's time of the market that it met, and from where, until when, the touch had fallen.
        self.since = 0
        self.fell = (0, 0)


class NaiveLevel:
    """One price with orders of ours: what was displayed last, and what waits, by the stretch in which it came."""

    def __init__(self, stretch: int) -> None:
        self.displayed: int | None = None
        self.stretch = stretch
        self.shrunk: dict[int, int] = {}
        self.traded: dict[int, int] = {}


def recent(waiting: dict[int, int], stretch: int) -> dict[int, int]:
    """Forget what came before the last two stretches; gives what is left."""
    for old in [one for one in waiting if one < stretch - 1]:
        del waiting[old]
    return waiting


def pair(size: int, waiting: dict[int, int]) -> int:
    """Match a size with what waits, the oldest first; gives what was matched."""
    matched = 0
    for stretch in sorted(waiting):
        part = min(size - matched, waiting[stretch])
        waiting[stretch] -= part
        matched += part
    return matched


class NaivePaper:
    """One instrument. `fills` grows; `refused` names orders that the first LIVE touch refused."""

    def __init__(self, cancels: str, share: Fraction, pair_ns: int) -> None:
        self.cancels = cancels
        self.share = share
        self.pair_ns = pair_ns
        self.live = False
        # Displayed levels in sight, best first, and whether there may be more behind them.
        self.touch: dict[int, tuple[int, int]] = {BUY: (0, 0), SELL: (0, 0)}
        self.deep: dict[int, list[tuple[int, int]]] = {BUY: [], SELL: []}
        self.taken: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.orders: list[NaiveOrder] = []
        self.levels: dict[tuple[int, int], NaiveLevel] = {}
        self.fills: list[NaiveFill] = []
        self.refused: list[int] = []
        # What happened at the touch, by side, price and stretch, and from where and until when it has fallen.
        self.venue_ns = 0
        self.shrunk: dict[tuple[int, int], dict[int, int]] = {}
        self.traded: dict[tuple[int, int], dict[int, int]] = {}
        self.fell: dict[int, tuple[int, int]] = {BUY: (0, 0), SELL: (0, 0)}

    # ---- what is displayed

    def in_sight(self, side: int) -> list[tuple[int, int]]:
        """The levels of a side, best first."""
        price, size = self.touch[side]
        if size == 0:
            return []
        return [(price, size)] + [level for level in self.deep[side] if (level[0] - price) * side < 0]

    def displayed(self, side: int, price: int) -> int | None:
        """What is displayed at a price, None where it is out of sight."""
        levels = self.in_sight(side)
        for at, size in levels:
            if at == price:
                return size
        if not levels or (price - levels[-1][0]) * side > 0:
            return 0
        return None

    def available(self, side: int, limit: int) -> list[tuple[int, int]]:
        """What an order of this side could take now, best first; a limit of 0 is none."""
        if not self.live:
            return []
        found = []
        for price, size in self.in_sight(-side):
            if limit == 0 or (limit - price) * side >= 0:
                found.append((price, max(size - self.taken[-side].get(price, 0), 0)))
        return found

    def show(self, live: bool, bid: tuple[int, int], ask: tuple[int, int], now_ns: int, venue_ns: int = 0) -> None:
        """A new touch."""
        self.settle(now_ns)
        if not live:
            self.live = False
            self.deep = {BUY: [], SELL: []}
            return
        self.live = True
        self.venue_ns = venue_ns
        self.remember(BUY, bid, now_ns)
        self.remember(SELL, ask, now_ns)
        self.touch = {BUY: bid, SELL: ask}
        for side in (BUY, SELL):
            price, size = self.touch[side]
            for at in list(self.taken[side]):
                if size == 0 or (at - price) * side > 0:
                    del self.taken[side][at]
            self.clip(side, price, size)
        self.judge()
        for side in (BUY, SELL):
            self.meet(side)
            price, size = self.touch[side]
            for at_side, at in list(self.levels):
                if at_side == side and (size == 0 or (at - price) * side >= 0):
                    self.see(side, at, size if size and at == price else 0, now_ns)

    def remember(self, side: int, touch: tuple[int, int], now_ns: int) -> None:
        """What leaves the touch by this new one, whoever may be there."""
        price, size = self.touch[side]
        is_gone = size > 0 and (touch[1] == 0 or (price - touch[0]) * side > 0)
        if is_gone:
            best, until = self.fell[side]
            if now_ns >= until or (price - best) * side > 0:
                best = price
            self.fell[side] = (best, now_ns + 2 * self.pair_ns)
        if is_gone or (touch[0] == price and touch[1] < size):
            left = size - (0 if is_gone else touch[1])
            stretch = now_ns // self.pair_ns
            left -= pair(left, recent(self.traded.setdefault((side, price), {}), stretch))
            shrunk = self.shrunk.setdefault((side, price), {})
            shrunk[stretch] = shrunk.get(stretch, 0) + left

    def show_deep(
        self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now_ns: int, venue_ns: int = 0
    ) -> None:
        """The levels behind the touch."""
        self.settle(now_ns)
        if not self.live:
            return
        self.venue_ns = venue_ns
        self.deep = {BUY: bids, SELL: asks}
        for side in (BUY, SELL):
            for price in list(self.taken[side]):
                size = self.displayed(side, price)
                if size is not None:
                    self.clip(side, price, size)
            for at_side, price in list(self.levels):
                size = self.displayed(side, price)
                if at_side == side and size is not None:
                    self.see(side, price, size, now_ns)

    def clip(self, side: int, price: int, size: int) -> None:
        """No more is taken of a level than is there."""
        if price in self.taken[side]:
            self.taken[side][price] = min(self.taken[side][price], size)

    # ---- queues

    def at(self, side: int, price: int) -> list[NaiveOrder]:
        """Our orders at a price, by time."""
        return [order for order in self.orders if order.side == side and order.price == price]

    def see(self, side: int, price: int, size: int, now_ns: int) -> None:
        """The level displays a size."""
        level = self.levels[side, price]
        if level.displayed is not None and size < level.displayed:
            left = level.displayed - size
            left -= pair(left, level.traded)
            stretch = now_ns // self.pair_ns
            level.shrunk[stretch] = level.shrunk.get(stretch, 0) + left
        level.displayed = size
        for order in self.at(side, price):
            if order.ahead is None:
                self.join(order, size)
            order.seen.append(size)

    def join(self, order: NaiveOrder, size: int) -> None:
        """Stand behind what is displayed and what may still be told as traded."""
        order.late = sum(self.levels[order.side, order.price].shrunk.values())
        order.ahead = size + order.late
        order.seen = [size]

    def settle(self, now_ns: int) -> None:
        """What has waited for two stretches has waited long enough."""
        today = now_ns // self.pair_ns
        for (side, price), level in self.levels.items():
            while level.stretch < today:
                level.stretch += 1
                old = level.stretch - 2
                level.traded.pop(old, None)
                cancelled = level.shrunk.pop(old, 0)
                if cancelled:
                    self.cancel_at(side, price, level, cancelled)

    def cancel_at(self, side: int, price: int, level: NaiveLevel, cancelled: int) -> None:
        """So much was cancelled at a level."""
        waiting = sum(level.shrunk.values())
        furthest = 0
        for order in self.at(side, price):
            if order.ahead is None:
                continue
            before = min(order.late, cancelled)
            order.late -= before
            order.ahead -= before
            gone = cancelled - before
            behind = max((level.displayed or 0) + waiting + gone - order.ahead, 0)
            order.ahead -= min(floor(gone * self.share_ahead(order.ahead, behind)), order.ahead)
            order.ahead = max(min(order.ahead, min(order.seen) + waiting), furthest)
            order.late = min(order.late, order.ahead)
            furthest = order.ahead

    def share_ahead(self, ahead: int, behind: int) -> Fraction:
        """The share of cancels that were ahead."""
        if ahead == 0:
            return Fraction(0)
        if self.cancels == "linear":
            return Fraction(ahead, ahead + behind)
        if self.cancels == "squared":
            return Fraction(ahead**2, ahead**2 + behind**2)
        return self.share

    # ---- orders

    def place(self, order: NaiveOrder, now_ns: int, rests: bool = True) -> None:
        """An order arrives: it takes, and what is left rests where it may; a price of 0 is a market order."""
        self.settle(now_ns)
        self.take(order)
        if rests and order.left[QUEUE] > 0:
            self.rest(order, now_ns)

    def take(self, order: NaiveOrder) -> None:
        """Take what is there."""
        for price, size in self.available(order.side, order.price):
            size = min(size, order.left[QUEUE])
            if size > 0:
                self.taken[-order.side][price] = self.taken[-order.side].get(price, 0) + size
                for model in (QUEUE, OPTIMISTIC, PESSIMISTIC):
                    self.fill(order, model, price, min(size, order.left[model]), TAKER)

    def rest(self, order: NaiveOrder, now_ns: int) -> None:
        """Queue."""
        key = (order.side, order.price)
        stretch = now_ns // self.pair_ns
        if key not in self.levels:
            self.levels[key] = NaiveLevel(stretch)
            self.levels[key].shrunk = dict(recent(self.shrunk.get(key, {}), stretch))
        level = self.levels[key]
        order.since = self.venue_ns
        order.fell = self.fell[order.side]
        self.orders.append(order)
        order.judged = self.live
        order.ahead = None
        order.late = 0
        older = [one for one in self.orders if (one.side, one.price) == key and one is not order]
        size = None
        if self.live and all(one.ahead is not None for one in older):
            # Behind what older orders of ours are behind.
            size = level.displayed if older else None
            if size is None:
                size = self.displayed(order.side, order.price)
        if size is not None:
            if level.displayed is None:
                level.displayed = size
            self.join(order, size)

    def leave(self, order: NaiveOrder, now_ns: int) -> None:
        """An order ends or is taken away."""
        self.settle(now_ns)
        self.orders.remove(order)
        self.forget_levels()

    def forget_levels(self) -> None:
        """Levels without orders are not watched."""
        self.levels = {key: level for key, level in self.levels.items() if self.at(*key)}

    def judge(self) -> None:
        """The orders that came unseen, as if they came now."""
        for order in [order for order in self.orders if not order.judged]:
            order.judged = True
            order.since = self.venue_ns
            order.fell = self.fell[order.side]
            if not self.available(order.side, order.price):
                continue
            if order.post_only:
                self.refused.append(order.order_id)
                self.orders.remove(order)
                continue
            self.take(order)
        self.drop_filled()

    def drop_filled(self) -> None:
        """What is filled is over."""
        self.orders = [order for order in self.orders if order.left[QUEUE] > 0]
        self.forget_levels()

    # ---- fills

    def by_priority(self, side: int) -> list[NaiveOrder]:
        """The orders of a side, best price first, then by time."""
        return sorted((order for order in self.orders if order.side == side), key=lambda order: -order.price * side)

    def meet(self, side: int) -> None:
        """The other touch at or past our prices."""
        price, size = self.touch[-side]
        free = max(size - self.taken[-side].get(price, 0), 0)
        used = {QUEUE: 0, OPTIMISTIC: 0}
        for order in self.by_priority(side):
            if size > 0 and (order.price - price) * side >= 0:
                for model in (QUEUE, OPTIMISTIC):
                    used[model] += self.fill(order, model, order.price, free - used[model], MAKER)
        if used[QUEUE]:
            self.taken[-side][price] = self.taken[-side].get(price, 0) + used[QUEUE]
        self.drop_filled()

    def is_from_before(self, order: NaiveOrder, price: int, now_ns: int, venue_ns: int) -> bool:
        """Whether a trade was made before an order came, or before one that stands in front of it at its price."""
        touch, size = self.touch[order.side]
        for one in self.at(order.side, order.price):
            best, until = one.fell
            if venue_ns and one.since and venue_ns != one.since:
                if venue_ns < one.since:
                    return True
            elif now_ns < until and (best - price) * one.side >= 0 and (not size or (price - touch) * one.side > 0):
                return True
            if one is order:
                break
        return False

    def trade(self, price: int, size: int, aggressor_side: int, now_ns: int, venue_ns: int = 0) -> None:
        """A trade."""
        self.settle(now_ns)
        side = -aggressor_side
        before = [order for order in self.orders if self.is_from_before(order, price, now_ns, venue_ns)]
        used = {QUEUE: 0, OPTIMISTIC: 0, PESSIMISTIC: 0}
        for order in self.by_priority(side):
            if order in before:
                continue
            if (order.price - price) * side > 0:
                order.ahead, order.late, order.seen = 0, 0, [0]
                for model in (QUEUE, OPTIMISTIC, PESSIMISTIC):
                    used[model] += self.fill(order, model, order.price, size - used[model], MAKER)
            elif order.price == price and self.live:
                if order.ahead is not None:
                    used[QUEUE] += self.fill(order, QUEUE, price, size - order.ahead - used[QUEUE], MAKER)
                late = order.late if order.since == 0 or venue_ns <= order.since else 0
                used[OPTIMISTIC] += self.fill(order, OPTIMISTIC, price, size - late - used[OPTIMISTIC], MAKER)
        stretch = now_ns // self.pair_ns
        left = size - pair(size, recent(self.shrunk.setdefault((side, price), {}), stretch))
        traded = self.traded.setdefault((side, price), {})
        traded[stretch] = traded.get(stretch, 0) + left
        if (side, price) in self.levels:
            level = self.levels[side, price]
            matched = pair(size, level.shrunk)
            level.traded[stretch] = level.traded.get(stretch, 0) + size - matched
            for order in self.at(side, price):
                if order.ahead is not None:
                    served = min(matched, order.late) if order in before else size
                    order.ahead = max(order.ahead - served, 0)
                    order.late = min(max(order.late - matched, 0), order.ahead)
        self.drop_filled()

    def fill(self, order: NaiveOrder, model: int, price: int, size: int, liquidity: int) -> int:
        """Fill up to a size in one account; gives what was filled."""
        size = min(size, order.left[model])
        if size <= 0:
            return 0
        order.left[model] -= size
        self.fills.append((order.order_id, model, price, size, order.left[model], liquidity))
        return size
