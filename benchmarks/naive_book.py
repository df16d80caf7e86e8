"""The book of the reference engine: its orders in priority, their places, what it tells, and what it refuses.

After docs/matching.md. It trades nothing by itself: that is naive_matching.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.naive_orders import (
    DORMANT,
    GONE,
    MARKET_LIKE,
    RESTING,
    STOPS,
    TRAILING,
    WAITING,
    Entry,
    Form,
    Group,
    Order,
    Settings,
    bad_limit,
    below_minimum_notional,
    can_fill,
    down_to_tick,
    first_stop_price,
    is_price,
    refusal_by_form,
    too_many_slices,
    up_to_tick,
)
from market.messages import (
    BUY,
    DAY,
    EVENT_ACCEPTED,
    EVENT_REDUCED,
    EVENT_REJECTED,
    FOK,
    GTD,
    PEGGED,
    POST_ONLY_REPRICE,
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_INSTRUMENT_STATUS,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_NOT_FILLABLE,
    REJECT_OPEN_ORDERS,
    REJECT_POST_ONLY,
    REJECT_UNSUPPORTED,
    SELL,
    STATUS_POST_ONLY,
    STATUS_TRADING,
)

PARTS_PER_MILLION: Final = 1_000_000

# Kind, order, account, side, price, size, remaining, code, other order, other account, other remaining, number.
Event = tuple[int, int, int, int, int, int, int, int, int, int, int, int]


def within(side: int, limit: int | None, price: int) -> bool:
    """Whether an order of this side may trade at this price; a limit of None is no limit."""
    return limit is None or (price <= limit if side == BUY else price >= limit)


def ranks_before(one: Order, other: Order) -> bool:
    """Whether one has priority over another of its side, whatever their times: by price, then displayed first."""
    if one.price != other.price:
        return one.price > other.price if one.side == BUY else one.price < other.price
    return not one.hidden and other.hidden


class NaiveBook:
    """All orders of one instrument; `events` are those of the last input, `orders` all that work or wait, by id."""

    def __init__(self, settings: Settings) -> None:
        """An empty book that trades."""
        self.settings = settings
        self.status: int = STATUS_TRADING
        self.last_price = 0
        self.trade_count = 0
        self.accepted_count = 0
        self.events: list[Event] = []
        self.orders: dict[int, Order] = {}  # in the order of acceptance
        self.book: dict[int, list[Order]] = {BUY: [], SELL: []}  # each side in the order of priority
        self.owing: list[Group] = []  # brackets whose exits are still to be given what the entry has traded

    # -------------------------------------------------------------------------------------------------------- views

    @property
    def open_orders(self) -> int:
        """How many orders work or wait."""
        return len(self.orders)

    @property
    def best_bid(self) -> int:
        """The best displayed bid, 0 for none."""
        return next((order.price for order in self.book[BUY] if order.shown), 0)

    @property
    def best_ask(self) -> int:
        """The best displayed ask, 0 for none."""
        return next((order.price for order in self.book[SELL] if order.shown), 0)

    def depth(self, side: int, levels: int) -> list[tuple[int, int]]:
        """The best levels of a side with what they show; levels that show nothing are left out."""
        shown: dict[int, int] = {}
        for order in self.book[side]:
            if order.shown:
                shown[order.price] = shown.get(order.price, 0) + order.shown
        return list(shown.items())[:levels]

    def expires(self, order: Order) -> bool:
        """Whether an order ends by time."""
        return order.entry.time_in_force in (GTD, DAY)

    def next_expiry_ns(self) -> int:
        """When the next order ends by time, 0 for none."""
        return min((order.entry.expire_ns for order in self.orders.values() if self.expires(order)), default=0)

    def best_opposite(self, side: int) -> int:
        """The best price against this side, hidden orders included; 0 for none."""
        return self.book[-side][0].price if self.book[-side] else 0

    def behind_opposite(self, side: int) -> int:
        """One tick behind the best opposite price."""
        return self.best_opposite(side) - side * self.settings.tick

    def would_trade(self, side: int, price: int) -> bool:
        """Whether a limit order would meet another."""
        return self.best_opposite(side) != 0 and within(side, price, self.best_opposite(side))

    # ------------------------------------------------------------------------------------------------------- events

    def tell(
        self, kind: int, order: Order, price: int | None = None, size: int = 0, remaining: int = 0, code: int = 0,
        other: Order | None = None, number: int = 0,
    ) -> None:  # fmt: skip
        """One event about an order; its price where no other is given."""
        about_other = (0, 0, 0) if other is None else (other.order_id, other.account_id, other.remaining)
        told_price = order.price if price is None else price
        self.events.append((
            kind, order.order_id, order.account_id, order.side, told_price, size, remaining, code, *about_other, number,
        ))  # fmt: skip

    def tell_rejected(self, entry: Entry, code: int) -> None:
        """The refusal of an order."""
        row = (EVENT_REJECTED, entry.order_id, entry.account_id, entry.side, entry.price, entry.size)
        self.events.append((*row, 0, code, 0, 0, 0, 0))

    # ---------------------------------------------------------------------------------------------- accepted orders

    def accept(self, entry: Entry, place: str) -> Order:
        """Writes an order down."""
        self.accepted_count += 1
        pegged = entry.order_type == PEGGED
        order = Order(
            entry=entry, rank=self.accepted_count, order_id=entry.order_id, account_id=entry.account_id,
            side=entry.side, order_type=entry.order_type, price=0 if pegged else entry.price, size=entry.size,
            stop_price=entry.stop_price if entry.order_type in STOPS else 0, cap=entry.price if pegged else 0,
            remaining=entry.size, place=place,
        )  # fmt: skip
        self.orders[order.order_id] = order
        return order

    def tell_accepted(self, order: Order, code: int) -> None:
        """What `accepted` tells."""
        self.tell(EVENT_ACCEPTED, order, size=order.size, remaining=order.remaining, code=code, number=order.shown)

    # ------------------------------------------------------------------------------------------------ places of orders

    def rest(self, order: Order) -> None:
        """Puts an order at the back of its queue, with a fresh slice."""
        order.place = RESTING
        order.shown = order.fresh_slice()
        queue = self.book[order.side]
        position = 0
        while position < len(queue) and not ranks_before(order, queue[position]):
            position += 1
        queue.insert(position, order)

    def wait(self, order: Order) -> None:
        """Puts a stop order among those that wait for their trigger."""
        order.place = WAITING
        if order.order_type in TRAILING and order.stop_price == 0:
            order.stop_price = first_stop_price(order.entry, self.last_price)

    def take_out(self, order: Order, place: str) -> None:
        """Takes an order from where it is."""
        if order.place == RESTING:
            self.book[order.side].remove(order)
        order.shown = 0
        order.place = place
        if place == GONE:
            del self.orders[order.order_id]

    def leave_filled(self, order: Order) -> None:
        """Nothing is left of an order: it is done, but for an exit that may still be given more."""
        self.take_out(order, DORMANT if order.future else GONE)

    def reduce(self, order: Order, size: int, cause: int) -> None:
        """Makes an order smaller where it is."""
        order.remaining -= size
        order.shown = min(order.shown, order.remaining)
        self.tell(EVENT_REDUCED, order, size=size, remaining=order.remaining, code=cause, number=order.shown)

    # ---------------------------------------------------------------------------------------------- what is refused

    def refusal(self, entry: Entry, now_ns: int, before: Sequence[Entry], not_in_groups: bool) -> int | None:
        """The code of the first of rules 1 to 8, the orders of its group `before` it taken as accepted."""
        duplicate = entry.order_id in self.orders or entry.order_id in [other.order_id for other in before]
        form = Form(entry, duplicate, not_in_groups)
        code = refusal_by_form(form, self.settings, self.status, self.last_price, now_ns)
        if code is not None:
            return code
        pegged = [order for order in self.orders.values() if order.order_type == PEGGED]
        if len(self.orders) + len(before) >= self.settings.most_orders:
            return REJECT_OPEN_ORDERS
        if entry.order_type == PEGGED and len(pegged) >= self.settings.most_pegged:
            return REJECT_OPEN_ORDERS
        return None

    def limit(self, side: int, order_type: int, price: int) -> int | None:
        """The worst price at which an order may trade: its own, and of a market-like one its protection band now."""
        if order_type not in MARKET_LIKE:
            return price
        own = price or None
        best, band = self.best_opposite(side), self.settings.band_ppm
        if band == 0 or best == 0:
            return own
        if side == BUY:
            protection = down_to_tick(best * (PARTS_PER_MILLION + band), PARTS_PER_MILLION, self.settings.tick)
            return protection if own is None else min(own, protection)
        protection = up_to_tick(best * (PARTS_PER_MILLION - band), PARTS_PER_MILLION, self.settings.tick)
        return protection if own is None else max(own, protection)

    def refusal_by_book(self, entry: Entry) -> int | None:
        """Rules 9 and 10, which look at the book."""
        goes_to_book_now = entry.order_type not in (*STOPS, PEGGED)
        if entry.post_only and goes_to_book_now and self.would_trade(entry.side, entry.price):
            reprices = entry.post_only == POST_ONLY_REPRICE
            if not reprices or not is_price(self.behind_opposite(entry.side), self.settings):
                return REJECT_POST_ONLY
        if entry.time_in_force == FOK:
            limit = self.limit(entry.side, entry.order_type, entry.price)
            opposite = [order for order in self.book[-entry.side] if within(entry.side, limit, order.price)]
            if not can_fill(entry, opposite):
                return REJECT_NOT_FILLABLE
        return None

    def refusal_of_replace(self, order: Order, price: int, size: int) -> int | None:
        """Why the change of an order is refused, or None."""
        settings = self.settings
        post_only = order.entry.post_only != 0
        if self.status != STATUS_TRADING and not (self.status == STATUS_POST_ONLY and post_only):
            return REJECT_INSTRUMENT_STATUS
        if size <= order.traded or size % settings.lot or size > settings.maximum_size:
            return REJECT_BAD_SIZE
        if too_many_slices(order.entry.display_size, size, settings):
            return REJECT_BAD_SIZE
        if bad_limit(order.order_type, price, settings):
            return REJECT_BAD_PRICE
        if order.group is not None:
            return REJECT_UNSUPPORTED
        if below_minimum_notional(order.order_type, price, order.stop_price, size - order.traded, settings):
            return REJECT_MINIMUM_NOTIONAL
        if post_only and order.place == RESTING and order.order_type != PEGGED and self.would_trade(order.side, price):
            return REJECT_POST_ONLY
        return None
