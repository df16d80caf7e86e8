"""A queue on paper: one order that rests, and one price level with what is ahead of each order there.

An order joins behind what is displayed. Trades at its price serve those ahead. When the level shrinks without a trade,
a stated share of that was ahead. A trade and the shrinking that it causes come over different ways and in either order,
so each waits for the other, for one to two stretches of time: together they are one event, and what stayed alone was a
cancel. All of it is integers, rounded against us. An order never has more ahead than was ever displayed since it came.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.messages.constants import MODEL_QUEUE

UNKNOWN: Final[i64] = -1
"""The size of a level that is out of sight, and the place of an order in it."""

MOST_SIZE: Final = 1 << 60
"""Larger sizes are taken for this one, so that no sum of them can wrap."""

SMALL_PRODUCT: Final[i64] = 1 << 61

# How many of the cancels at a level were ahead of an order.
FIXED_SHARE: Final[i64] = 0
LINEAR: Final[i64] = 1
SQUARED: Final[i64] = 2
PPM: Final = 1_000_000


class QueueRules:
    """How a queue moves up: the rule for cancels, its share where that is fixed, and the wait for the other message.

    `drive` is the model that fills; with another one than the queue all accounts follow it.
    """

    def __init__(self, cancels: i64, share_ppm: i64, pair_ns: i64, drive: i64 = MODEL_QUEUE) -> None:
        self.drive: Final = drive
        self.cancels: Final = cancels
        self.share_ppm: Final = share_ppm
        self.pair_ns: Final = pair_ns

    def ahead_of(self, cancelled: i64, ahead: i64, behind: i64) -> i64:
        """How much of what was cancelled stood ahead: exact, rounded down, at most all that was there."""
        if cancelled <= 0 or ahead <= 0:
            return 0
        if self.cancels == LINEAR and ahead <= SMALL_PRODUCT // cancelled:
            # The usual case: no product here passes 64 bits.
            part = cancelled * ahead // (ahead + behind)
            return ahead if part > ahead else part
        # Unbounded integers: squares of sizes pass 64 bits.
        gone: int = cancelled
        before: int = ahead
        after: int = behind
        if self.cancels == LINEAR:
            moved = gone * before // (before + after)
        elif self.cancels == SQUARED:
            moved = gone * before * before // (before * before + after * after)
        else:
            share: int = self.share_ppm
            moved = gone * share // PPM
        return before if moved > before else moved


class PaperOrder:
    """One order that rests on paper, with what each of the three accounts has left of it.

    `ahead` also counts `late`: what had left the level before this order came, and may still be told as a trade.
    `since_ns` is the venue's time of the market that it met, 0 where the venue tells none.
    """

    def __init__(
        self, order_id: i64, strategy_id: i64, instrument_id: i64, side: i64, price: i64, size: i64, post_only: bool,
        expire_ns: i64,
    ) -> None:  # fmt: skip
        self.order_id: Final = order_id
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        self.post_only: Final = post_only
        self.expire_ns: Final = expire_ns
        self.price: i64 = price
        self.size: i64 = size
        self.remaining: i64 = size
        self.optimistic: i64 = size
        self.pessimistic: i64 = size
        self.ahead: i64 = UNKNOWN
        self.late: i64 = 0
        self.least: i64 = 0
        self.since_ns: i64 = 0
        # From where the touch had fallen when it came, and how long trades of that fall may still be told.
        self.gone_price: i64 = 0
        self.gone_until_ns: i64 = 0
        # What was told last of its place.
        self.told: i64 = UNKNOWN
        # False for one that came while nothing was known of the market, until the first LIVE touch judges it.
        self.judged: bool = True

    @property
    def filled(self) -> i64:
        """What the driving account has filled."""
        return self.size - self.remaining

    @property
    def queue_ahead(self) -> i64:
        """What stands before it now; `UNKNOWN` while its level is out of sight."""
        if self.ahead == UNKNOWN:
            return UNKNOWN
        return max(self.ahead - self.late, 0)

    def join(self, displayed: i64, late: i64) -> None:
        """Stand behind what is displayed."""
        self.ahead = displayed + late
        self.late = late
        self.least = displayed

    def came_after(self, price: i64, venue_ns: i64, now_ns: i64, is_gone: bool) -> bool:
        """Whether a trade was made before this order came, so that it cannot have met it.

        The venue's times say so. Without them, or when they are the same, a trade where nothing is displayed any more
        (`is_gone`) is taken for one of the fall of the touch that was just over when the order came.
        """
        if venue_ns > 0 and self.since_ns > 0 and venue_ns != self.since_ns:
            return venue_ns < self.since_ns
        return is_gone and now_ns < self.gone_until_ns and (price - self.gone_price) * self.side <= 0

    def late_for(self, venue_ns: i64) -> i64:
        """How much of a trade may be from before this order came; nothing when the venue's times say otherwise."""
        return 0 if venue_ns > self.since_ns and self.since_ns > 0 else self.late

    def resize(self, size: i64) -> None:
        """Another total size, for all three accounts; a shadow that filled more already has less than nothing left."""
        grown = size - self.size
        self.size = size
        self.remaining += grown
        self.optimistic += grown
        self.pessimistic += grown

    def save(self) -> list[int]:
        """The order as plain data."""
        return [
            int(self.order_id), int(self.strategy_id), int(self.instrument_id), int(self.side), int(self.price),
            int(self.size), int(self.post_only), int(self.expire_ns), int(self.remaining), int(self.optimistic),
            int(self.pessimistic), int(self.ahead), int(self.late), int(self.least), int(self.told), int(self.judged),
            int(self.since_ns), int(self.gone_price), int(self.gone_until_ns),
        ]  # fmt: skip


def load_order(state: list[int]) -> PaperOrder:
    """The order that `save` described."""
    order = PaperOrder(state[0], state[1], state[2], state[3], state[4], state[5], state[6] != 0, state[7])
    order.remaining = state[8]
    order.optimistic = state[9]
    order.pessimistic = state[10]
    order.ahead = state[11]
    order.late = state[12]
    order.least = state[13]
    order.told = state[14]
    order.judged = state[15] != 0
    order.since_ns = state[16]
    order.gone_price = state[17]
    order.gone_until_ns = state[18]
    return order


class PaperLevel:
    """One price at which orders of ours rest, in the order of time, and what the venue displays there without them.

    What waits for the other message is kept by stretches of `pair_ns`, this one and the one before it.
    """

    def __init__(self, price: i64, rules: QueueRules, moved: list[PaperOrder]) -> None:
        self.price: Final = price
        self.rules: Final = rules
        # Orders whose place is news, which it is when it becomes known and each time that half of it is left.
        self.moved: Final = moved
        self.size: i64 = UNKNOWN
        # Whether the place of an order here is not known.
        self.hidden: bool = False
        self.orders: list[PaperOrder] = []
        # What left the level and no trade has explained, and what traded and has not left the level.
        self.older_shrunk: i64 = 0
        self.shrunk: i64 = 0
        self.older_traded: i64 = 0
        self.traded: i64 = 0
        self.stretch: i64 = 0
        self.waiting: bool = False

    def knows_all_places(self) -> bool:
        """Whether it is known of each order here what stands before it; so it is where there is none."""
        return all(order.ahead != UNKNOWN for order in self.orders)

    # ---- what happens to the level

    def show(self, size: i64, now_ns: i64) -> None:
        """The venue displays this size at the price."""
        if self.waiting:
            self.settle(now_ns)
        known = self.size
        self.size = size
        if known != UNKNOWN and size < known:
            self.shrink(known - size, now_ns)
        late = self.older_shrunk + self.shrunk
        for order in self.orders:
            if order.ahead == UNKNOWN:
                order.join(size, late)
                self.note(order)
            elif size < order.least:
                order.least = size
        self.hidden = False

    def shrink(self, size: i64, now_ns: i64) -> None:
        """So much left the level: first what trades have told already, and what is left waits for a trade."""
        paired = min(size, self.older_traded)
        self.older_traded -= paired
        size -= paired
        paired = min(size, self.traded)
        self.traded -= paired
        size -= paired
        if size > 0:
            self.wait(now_ns)
            self.shrunk = min(self.shrunk + size, MOST_SIZE)

    def trade(self, size: i64, now_ns: i64, venue_ns: i64, is_gone: bool) -> None:
        """So much traded at the price: those ahead are served. Fills are taken before."""
        left = size
        paired = min(left, self.older_shrunk)
        self.older_shrunk -= paired
        left -= paired
        newer = min(left, self.shrunk)
        self.shrunk -= newer
        left -= newer
        paired += newer
        if left > 0:
            self.wait(now_ns)
            self.traded = min(self.traded + left, MOST_SIZE)
        is_before = False
        for order in self.orders:
            is_before = is_before or order.came_after(self.price, venue_ns, now_ns, is_gone)
            if order.ahead != UNKNOWN:
                served = size
                if is_before:
                    # It was no longer there when the order came: only what is counted as late can be of it.
                    served = min(paired, order.late)
                order.ahead = max(order.ahead - served, 0)
                order.late = min(max(order.late - paired, 0), order.ahead)
                if order.told > 0 and order.ahead <= order.told >> 1:
                    self.note(order)

    def note(self, order: PaperOrder) -> None:
        """The place of an order is news."""
        order.told = order.ahead
        self.moved.append(order)

    def pass_by(self, price: i64, now_ns: i64, venue_ns: i64, is_gone: bool) -> None:
        """A trade beyond the level: all who were ahead have been served."""
        for order in self.orders:
            if order.came_after(price, venue_ns, now_ns, is_gone):
                return
            order.ahead = 0
            order.late = 0
            order.least = 0
            if order.told != 0:
                self.note(order)
        self.hidden = False

    # ---- what waits

    def begin(self, older_shrunk: i64, shrunk: i64, now_ns: i64) -> None:
        """What had left the price before orders of ours came to it, and no trade has explained."""
        if older_shrunk > 0 or shrunk > 0:
            self.wait(now_ns)
            self.older_shrunk = older_shrunk
            self.shrunk = shrunk

    def wait(self, now_ns: i64) -> None:
        """Something begins to wait for the other message."""
        if not self.waiting:
            self.waiting = True
            self.stretch = now_ns // self.rules.pair_ns

    def settle(self, now_ns: i64) -> None:
        """What has waited for its time: what shrank was cancelled, and what traded had never been displayed.

        To be called before anything else happens to the level, so that it does not matter when it is.
        """
        stretch = now_ns // self.rules.pair_ns
        while self.waiting and self.stretch < stretch:
            cancelled = self.older_shrunk
            self.older_shrunk = self.shrunk
            self.older_traded = self.traded
            self.shrunk = 0
            self.traded = 0
            self.stretch += 1
            if cancelled > 0:
                self.cancel(cancelled)
            self.waiting = self.older_shrunk > 0 or self.older_traded > 0

    def cancel(self, cancelled: i64) -> None:
        """So much was cancelled: move up by the share that was ahead, never past an older order of ours."""
        left = self.older_shrunk
        displayed = max(self.size, 0) + left
        before: i64 = 0
        for order in self.orders:
            if order.ahead == UNKNOWN:
                continue
            late = min(order.late, cancelled)
            ahead = order.ahead - late
            order.late -= late
            gone = cancelled - late
            ahead -= self.rules.ahead_of(gone, ahead, max(displayed + gone - ahead, 0))
            ahead = max(min(ahead, order.least + left), before)
            order.ahead = ahead
            order.late = min(order.late, ahead)
            before = ahead
            if order.told > 0 and ahead <= order.told >> 1:
                self.note(order)

    # ---- state

    def save(self) -> list[object]:
        """The level as plain data."""
        return [
            int(self.price), int(self.size), self.hidden, [order.save() for order in self.orders],
            int(self.older_shrunk), int(self.shrunk), int(self.older_traded), int(self.traded), int(self.stretch),
            self.waiting,
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        numbers = state[4:9]
        size, hidden, orders, waiting = state[1], state[2], state[3], state[9]
        assert isinstance(size, int)
        assert isinstance(hidden, bool)
        assert isinstance(orders, list)
        assert isinstance(waiting, bool)
        self.size = size
        self.hidden = hidden
        self.orders = [load_order(row) for row in orders]
        kept = [one for one in numbers if isinstance(one, int)]
        self.older_shrunk = kept[0]
        self.shrunk = kept[1]
        self.older_traded = kept[2]
        self.traded = kept[3]
        self.stretch = kept[4]
        self.waiting = waiting
