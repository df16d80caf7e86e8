"""The market of one instrument on paper: what is displayed, the orders that rest in it, and what fills them.

One account drives: by its place in the queue. Two shadow accounts judge the very same orders at the same moments:
optimistic, for which being at the price is enough, and pessimistic, for which only a trade through the price is. Each
never fills more than the order has left for it, nor more than traded or was displayed, and never less than the next
harsher one: optimistic >= queue >= pessimistic, order by order, at any time. What one order takes of the displayed
sizes is not there for another. `docs/paper.md` states every rule.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from market.messages.constants import BUY, MAKER, MODEL_OPTIMISTIC, MODEL_PESSIMISTIC, MODEL_QUEUE, SELL, TAKER
from market.paper_queue import MOST_SIZE, UNKNOWN, PaperLevel, PaperOrder, QueueRules
from market.paper_side import NO_LIMIT, PaperSide


class PaperFill:
    """One fill of one order in one of the accounts."""

    def __init__(self, order: PaperOrder, model: i64, price: i64, size: i64, remaining: i64, liquidity: i64) -> None:
        self.order: Final = order
        self.model: Final = model
        self.price: Final = price
        self.size: Final = size
        self.remaining: Final = remaining
        self.liquidity: Final = liquidity


class PaperBook:
    """See the head of this file. `fills` is what the last call filled; the caller takes it away with `clear`."""

    def __init__(self, rules: QueueRules) -> None:
        self.drive: Final = rules.drive
        # Every fill is a whole number of lots, whatever a share of what was cancelled comes to.
        self.lot: i64 = 1
        self.live: bool = False
        # The venue's time of what is displayed, 0 when it tells none.
        self.venue_ns: i64 = 0
        self.bids: Final = PaperSide(BUY, rules)
        self.asks: Final = PaperSide(SELL, rules)
        self.fills: list[PaperFill] = []
        # Orders that came while nothing was known, and those of them that the first touch refused.
        self.unjudged: list[PaperOrder] = []
        self.refused: list[PaperOrder] = []

    def own(self, side: i64) -> PaperSide:
        """The side that an order of this side joins."""
        return self.bids if side == BUY else self.asks

    def other(self, side: i64) -> PaperSide:
        """The side that an order of this side takes from."""
        return self.asks if side == BUY else self.bids

    def crosses(self, side: i64, price: i64) -> bool:
        """Whether a limit order would trade with what is displayed."""
        return self.live and self.other(side).crosses(price)

    def available(self, side: i64, limit: i64) -> i64:
        """What an order of this side could take at once."""
        return self.other(side).available_to(limit) if self.live else 0

    def has_news(self) -> bool:
        """Whether there is something to tell since the last time."""
        return (
            len(self.fills) > 0 or len(self.bids.moved) > 0 or len(self.asks.moved) > 0 or len(self.refused) > 0
        )

    def level_size(self, order: PaperOrder) -> i64:
        """What stands at the price of an order that rests: what was last displayed there, and what is ours."""
        level = self.own(order.side).level_at(order.price)
        size = max(level.size, 0)
        for one in level.orders:
            size += one.remaining
        return size

    # ---- orders

    def rest(self, order: PaperOrder, now_ns: i64) -> None:
        """Let an order queue. While the book is not LIVE the first LIVE touch will judge it."""
        order.since_ns = self.venue_ns
        self.own(order.side).rest(order, self.live, now_ns)
        if not self.live:
            order.judged = False
            self.unjudged.append(order)

    def leave(self, order: PaperOrder, now_ns: i64) -> None:
        """Take an order out."""
        self.own(order.side).leave(order, now_ns)
        if not order.judged:
            self.unjudged.remove(order)
            order.judged = True

    def count_as_judged(self, order: PaperOrder) -> None:
        """An order that was judged before a failure is not judged again."""
        if not order.judged:
            order.judged = True
            self.unjudged.remove(order)

    def take(self, order: PaperOrder, limit: i64) -> None:
        """Take what is displayed, level by level, up to a limit price; the same in all three accounts."""
        if not self.live:
            return
        other = self.other(order.side)
        if other.size == 0 or (limit != NO_LIMIT and not other.crosses(limit)):
            return
        self.take_level(order, other, other.price, other.available())
        place: i64 = 0
        count: i64 = len(other.deep_prices)
        while place < count and order.remaining > 0:
            price = other.deep_prices[place]
            if limit != NO_LIMIT and (price - limit) * other.side < 0:
                break
            if (price - other.price) * other.side < 0:
                self.take_level(order, other, price, other.available_deep(place))
            place += 1

    def take_level(self, order: PaperOrder, other: PaperSide, price: i64, available: i64) -> None:
        """Take from one level."""
        size = min(order.remaining, available)
        if size > 0:
            other.take(price, size)
            self.fill(order, price, TAKER, size, min(size, order.optimistic), min(size, order.pessimistic))

    # ---- the market

    def show(
        self, live: bool, bid_price: i64, bid_size: i64, ask_price: i64, ask_size: i64, now_ns: i64, venue_ns: i64 = 0
    ) -> None:
        """Follow the touch: it may come to an order, or show what is ahead of one. Not LIVE, it says nothing."""
        bids = self.bids
        asks = self.asks
        if not live:
            if self.live:
                self.live = False
                bids.forget_deep()
                asks.forget_deep()
            return
        self.live = True
        self.venue_ns = venue_ns
        bids.show(bid_price, bid_size, now_ns)
        asks.show(ask_price, ask_size, now_ns)
        if len(self.unjudged) > 0:
            self.judge(now_ns)
        if len(bids.levels) > 0:
            if asks.crosses(bids.levels[0].price):
                self.meet(bids, asks, now_ns)
            bids.follow_touch(now_ns)
        if len(asks.levels) > 0:
            if bids.crosses(asks.levels[0].price):
                self.meet(asks, bids, now_ns)
            asks.follow_touch(now_ns)

    def show_deep(
        self, bid_prices: vec[i64], bid_sizes: vec[i64], ask_prices: vec[i64], ask_sizes: vec[i64], now_ns: i64,
        venue_ns: i64 = 0,
    ) -> None:  # fmt: skip
        """Follow the levels behind the touch."""
        if not self.live:
            return
        self.venue_ns = venue_ns
        self.bids.show_deep(bid_prices, bid_sizes)
        self.asks.show_deep(ask_prices, ask_sizes)
        if len(self.bids.levels) > 0:
            self.bids.follow_deep(now_ns)
        if len(self.asks.levels) > 0:
            self.asks.follow_deep(now_ns)

    def judge(self, now_ns: i64) -> None:
        """Treat the orders that came while nothing was known as if they came now."""
        waiting = self.unjudged
        self.unjudged = []
        for order in waiting:
            order.judged = True
            order.since_ns = self.venue_ns
            self.own(order.side).mark(order)
            if not self.crosses(order.side, order.price):
                continue
            if order.post_only:
                self.own(order.side).leave(order, now_ns)
                self.refused.append(order)
                continue
            self.take(order, order.price)
            if order.remaining == 0:
                self.own(order.side).leave(order, now_ns)

    def meet(self, own: PaperSide, other: PaperSide, now_ns: i64) -> None:
        """The touch of the other side has come to orders of ours: it would have traded with them, at their price."""
        available = other.available()
        if available == 0 or self.drive == MODEL_PESSIMISTIC:
            return
        by_queue: i64 = 0
        by_touch: i64 = 0
        for level in own.levels:
            if not other.crosses(level.price):
                break
            if level.waiting:
                level.settle(now_ns)
            for order in level.orders:
                size = min(order.remaining, available - by_queue)
                shadow = min(order.optimistic, available - by_touch)
                by_queue += size
                if shadow > 0:
                    by_touch += shadow
                if size > 0 or shadow > 0:
                    self.fill(order, order.price, MAKER, size, shadow, 0)
        if by_queue > 0:
            other.take(other.price, by_queue)
            own.drop_filled()

    def trade(self, price: i64, size: i64, aggressor_side: i64, now_ns: i64, venue_ns: i64 = 0) -> None:
        """Somebody traded: those past whose price it went are filled, and those at it once who was ahead is served.

        Who came after the trade was made is not filled by it, in no account.
        """
        if aggressor_side != BUY and aggressor_side != SELL:
            return
        own = self.asks if aggressor_side == BUY else self.bids
        size = min(size, MOST_SIZE)
        own.past.trade(price, size, now_ns)
        if len(own.levels) == 0:
            return
        is_gone = own.is_gone(price)
        by_queue: i64 = 0
        by_touch: i64 = 0
        by_trade: i64 = 0
        for level in own.levels:
            beyond = (level.price - price) * own.side
            if beyond < 0:
                break
            if level.waiting:
                level.settle(now_ns)
            if beyond == 0:
                self.trade_at(level, size, by_queue, by_touch, now_ns, venue_ns, is_gone)
                break
            for order in level.orders:
                if order.came_after(price, venue_ns, now_ns, is_gone):
                    break
                queue = min(order.remaining, size - by_queue)
                touch = min(order.optimistic, size - by_touch)
                through = min(order.pessimistic, size - by_trade)
                by_queue += queue
                by_trade += through
                if touch > 0:
                    by_touch += touch
                if queue > 0 or touch > 0 or through > 0:
                    self.fill(order, order.price, MAKER, queue, touch, through)
            level.pass_by(price, now_ns, venue_ns, is_gone)
        if len(self.fills) > 0:
            own.drop_filled()
            if len(self.unjudged) > 0:
                self.unjudged = [order for order in self.unjudged if order.remaining > 0]

    def trade_at(
        self, level: PaperLevel, size: i64, by_queue: i64, by_touch: i64, now_ns: i64, venue_ns: i64, is_gone: bool
    ) -> None:
        """A trade at the price of a level. While the book is not LIVE it serves those ahead and fills nobody."""
        if self.live:
            for order in level.orders:
                if order.came_after(level.price, venue_ns, now_ns, is_gone):
                    break
                queue: i64 = 0
                left = size - order.late_for(venue_ns)
                if self.drive == MODEL_OPTIMISTIC:
                    queue = min(order.remaining, left - by_queue)
                elif order.ahead != UNKNOWN and self.drive == MODEL_QUEUE:
                    queue = min(order.remaining, size - order.ahead - by_queue)
                touch = min(order.optimistic, left - by_touch)
                if touch > 0:
                    by_touch += touch
                    if queue > 0:
                        by_queue += queue
                    self.fill(order, order.price, MAKER, queue, touch, 0)
                elif queue > 0:
                    by_queue += queue
                    self.fill(order, order.price, MAKER, queue, 0, 0)
        level.trade(size, now_ns, venue_ns, is_gone)

    def fill(self, order: PaperOrder, price: i64, liquidity: i64, queue: i64, touch: i64, through: i64) -> None:
        """Note what each account fills of an order at one price; none where the size is not above 0."""
        if self.drive != MODEL_QUEUE:
            touch = queue
            through = queue
        lot = self.lot
        queue -= queue % lot
        touch -= touch % lot
        through -= through % lot
        if queue > 0:
            order.remaining -= queue
            self.fills.append(PaperFill(order, MODEL_QUEUE, price, queue, order.remaining, liquidity))
        if touch > 0:
            order.optimistic -= touch
            self.fills.append(PaperFill(order, MODEL_OPTIMISTIC, price, touch, order.optimistic, liquidity))
        if through > 0:
            order.pessimistic -= through
            self.fills.append(PaperFill(order, MODEL_PESSIMISTIC, price, through, order.pessimistic, liquidity))

    # ---- state

    def orders(self) -> list[PaperOrder]:
        """Every order that rests."""
        return [*self.bids.orders(), *self.asks.orders()]

    def save(self) -> list[object]:
        """Everything as plain data."""
        unjudged = [int(order.order_id) for order in self.unjudged]
        return [self.live, self.bids.save(), self.asks.save(), unjudged, int(self.venue_ns)]

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        live, bids, asks, unjudged, venue_ns = state
        assert isinstance(live, bool)
        assert isinstance(bids, list)
        assert isinstance(asks, list)
        assert isinstance(unjudged, list)
        assert isinstance(venue_ns, int)
        self.live = live
        self.venue_ns = venue_ns
        self.bids.load(bids)
        self.asks.load(asks)
        by_id = {int(order.order_id): order for order in self.orders()}
        self.unjudged = [by_id[order_id] for order_id in unjudged]
