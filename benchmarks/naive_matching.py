"""A slow, obvious matching engine: docs/matching.md in code, with lists, dicts and plain loops.

It is the judge of the tests, which hold every event of the engine against it, and the reference that the benchmark of
matching runs beside the engine. It has the engine's calls; its events are tuples in the columns of the page. Nothing in
it is there for speed, and nothing is shared with the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.naive_book import (
    NaiveBook,
    within,
)
from benchmarks.naive_orders import (
    DORMANT,
    GONE,
    INCOMING,
    MARKET_LIKE,
    PARKED,
    STOPS,
    TRAILING,
    WAITING,
    Entry,
    Group,
    Order,
    is_price,
    makes_group,
    not_in_groups,
    same_owner,
)
from benchmarks.naive_pegs import (
    move_pegged,
    place_new,
)
from market.messages import (
    BUY,
    CAUSE_EMPTY_BOOK,
    CAUSE_GROUP,
    CAUSE_POST_ONLY,
    CAUSE_PRICE_BAND,
    CAUSE_SELF_TRADE,
    CAUSE_TIME_IN_FORCE,
    EVENT_CANCEL_REJECTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REDUCED,
    EVENT_REPLACE_REJECTED,
    EVENT_REPLACED,
    EVENT_REPLENISHED,
    EVENT_RESTED,
    EVENT_SELF_TRADE,
    EVENT_TRADED,
    EVENT_TRIGGERED,
    GROUP_BRACKET,
    IOC,
    MARKET,
    PEGGED,
    POST_ONLY_REJECT,
    REJECT_OTHER,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
    STATUS_TRADING,
    STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_DECREMENT_BOTH,
)

ACCEPTED_INCOMING: Final = 0
ACCEPTED_RESTS: Final = 1
ACCEPTED_WAITS: Final = 2


class NaiveEngine(NaiveBook):
    """The market of one instrument."""

    # ------------------------------------------------------------------------------------------------------ inputs

    def submit(self, entry: Entry, now_ns: int) -> int:
        """A new order."""
        self.events = []
        code = self.refusal(entry, now_ns, [], False)
        if code is None:
            code = self.refusal_by_book(entry)
        if code is None:
            self.take_in(entry)
        else:
            self.tell_rejected(entry, code)
        return self.finish_input()

    def submit_group(self, kind: int, entries: Sequence[Entry], now_ns: int) -> int:
        """Orders that depend on each other: all or none."""
        self.events = []
        bracket = kind == GROUP_BRACKET
        codes: list[int | None] = [REJECT_UNSUPPORTED for _ in entries]
        if makes_group(kind, entries):
            codes = [
                self.refusal(entry, now_ns, entries[:position], not_in_groups(entry, bracket and position == 0))
                for position, entry in enumerate(entries)
            ]
        if all(code is None for code in codes):
            self.take_in_group(bracket, entries)
        else:
            for entry, code in zip(entries, codes, strict=True):
                self.tell_rejected(entry, REJECT_OTHER if code is None else code)
        return self.finish_input()

    def cancel(self, order_id: int, cause: int) -> int:
        """The end of an order, asked for."""
        self.events = []
        order = self.orders.get(order_id)
        if order is None:
            unknown = (EVENT_CANCEL_REJECTED, order_id, 0, 0, 0, 0, 0, REJECT_UNKNOWN_ORDER, 0, 0, 0, 0)
            self.events.append(unknown)
        else:
            self.end(order, cause)
        return self.finish_input()

    def replace(self, order_id: int, price: int, size: int) -> int:
        """Another price or total size for an order."""
        self.events = []
        order = self.orders.get(order_id)
        code = REJECT_UNKNOWN_ORDER if order is None else self.refusal_of_replace(order, price, size)
        if order is not None and code is None:
            self.change(order, price, size)
        else:
            account_id = 0 if order is None else order.account_id
            row = (EVENT_REPLACE_REJECTED, order_id, account_id, 0, price, size, 0, code or 0, 0, 0, 0, 0)
            self.events.append(row)
        return self.finish_input()

    def expire(self, now_ns: int) -> int:
        """The end of every order whose time has come."""
        self.events = []
        due = [order for order in self.orders.values() if self.expires(order) and order.entry.expire_ns <= now_ns]
        for order in sorted(due, key=lambda order: (order.entry.expire_ns, order.rank)):
            if order.place != GONE:
                self.take_out(order, GONE)
                self.tell(EVENT_EXPIRED, order, remaining=order.remaining)
                self.end_group(order)
        return self.finish_input()

    def set_status(self, status: int) -> int:
        """How the instrument trades from now on."""
        self.events = []
        self.status = status
        return self.finish_input()

    def finish_input(self) -> int:
        """What follows on the input's own order: stop orders, then pegged ones. Gives the number of events."""
        self.fire_triggers()
        move_pegged(self)
        return len(self.events)

    # -------------------------------------------------------------------------------------------- orders that come in

    def take_in(self, entry: Entry) -> None:
        """A new order that nothing refuses, to its end."""
        order = self.accept(entry, INCOMING)
        if order.order_type == PEGGED:
            place_new(self, order)
            self.tell_accepted(order, ACCEPTED_WAITS if order.place == PARKED else ACCEPTED_RESTS)
        elif order.order_type in STOPS:
            self.wait(order)
            self.tell_accepted(order, ACCEPTED_WAITS)
            if self.fires(order):
                self.fire(order)
        elif order.order_type == MARKET:
            self.tell_accepted(order, ACCEPTED_INCOMING)
            self.come_in(order)
        else:
            if entry.post_only and self.would_trade(order.side, order.price):
                order.price = self.behind_opposite(order.side)
            if entry.time_in_force == IOC or self.would_trade(order.side, order.price):
                self.tell_accepted(order, ACCEPTED_INCOMING)
                self.come_in(order)
            else:
                self.rest(order)
                self.tell_accepted(order, ACCEPTED_RESTS)

    def come_in(self, order: Order) -> None:
        """An incoming order to its end, and then what the exits of brackets are owed by its trades."""
        self.run(order)
        self.give_exits()

    def run(self, order: Order) -> None:
        """An incoming order to its end: it trades within its limit, and what is left rests or is cancelled."""
        order.place = INCOMING
        if order.entry.post_only and self.would_trade(order.side, order.price):
            behind = self.behind_opposite(order.side)
            if order.entry.post_only == POST_ONLY_REJECT or not is_price(behind, self.settings):
                self.end(order, CAUSE_POST_ONLY)
                return
            order.price = behind
        self.match(order, self.limit(order.side, order.order_type, order.price))
        if order.place == GONE:
            return
        if order.remaining == 0:
            self.leave_filled(order)
        elif order.order_type in MARKET_LIKE:
            self.end(order, CAUSE_PRICE_BAND if self.book[-order.side] else CAUSE_EMPTY_BOOK)
        elif order.entry.time_in_force == IOC:
            self.end(order, CAUSE_TIME_IN_FORCE)
        else:
            self.rest(order)
            self.tell(EVENT_RESTED, order, remaining=order.remaining, number=order.shown)

    def match(self, order: Order, limit: int | None) -> None:
        """An incoming order meets the first in priority, again and again, while size is left and the price allows."""
        while order.place == INCOMING and order.remaining > 0:
            opposite = self.book[-order.side]
            if not opposite or not within(order.side, limit, opposite[0].price):
                return
            if same_owner(order.entry, opposite[0]):
                self.prevent_self_trade(order, opposite[0])
            else:
                self.trade(order, opposite[0])

    def trade(self, order: Order, resting: Order) -> None:
        """One trade at the resting order's price, and what it means for the groups of both."""
        size = min(order.remaining, resting.offered)
        for one in (order, resting):
            one.remaining -= size
            one.traded += size
        if not resting.hidden:
            resting.shown -= size
        self.trade_count += 1
        self.last_price = resting.price
        self.follow_last_price()
        self.tell(EVENT_TRADED, order, resting.price, size, order.remaining, other=resting, number=self.trade_count)
        for one in (resting, order):
            self.owe_exits(one, size)
        if resting.remaining == 0:
            self.leave_filled(resting)
        elif not resting.hidden and resting.shown == 0:
            self.take_out(resting, INCOMING)
            self.rest(resting)
            self.tell(EVENT_REPLENISHED, resting, size=resting.shown, remaining=resting.remaining)
        for one in (resting, order):
            self.take_from_mates(one, size)

    def prevent_self_trade(self, order: Order, resting: Order) -> None:
        """What happens instead of a trade between orders of one account group."""
        mode = order.entry.self_trade
        remaining = order.remaining
        self.tell(EVENT_SELF_TRADE, order, resting.price, remaining=remaining, code=mode, other=resting)
        smaller = min(order.remaining, resting.remaining)
        if mode == STP_CANCEL_RESTING:
            ending = [resting]
        elif mode == STP_CANCEL_INCOMING:
            ending = [order]
        elif mode == STP_CANCEL_BOTH:
            ending = [resting, order]
        else:
            ending = [one for one in (resting, order) if one.remaining == smaller]
        for one in (resting, order):
            if one in ending:
                self.end(one, CAUSE_SELF_TRADE)
            elif mode == STP_DECREMENT_BOTH:
                self.reduce(one, smaller, CAUSE_SELF_TRADE)

    def end(self, order: Order, cause: int) -> None:
        """Cancels an order, and with it its group."""
        self.take_out(order, GONE)
        self.tell(EVENT_CANCELLED, order, remaining=order.remaining, code=cause)
        self.end_group(order)

    # -------------------------------------------------------------------------------------------------- stop orders

    def follow_last_price(self) -> None:
        """Trailing stops follow a trade."""
        for order in self.orders.values():
            if order.place == WAITING and order.order_type in TRAILING:
                if order.side == BUY:
                    order.stop_price = min(order.stop_price, self.last_price + order.entry.offset)
                else:
                    order.stop_price = max(order.stop_price, self.last_price - order.entry.offset)

    def fires(self, order: Order) -> bool:
        """Whether the condition of a waiting order holds."""
        if order.place != WAITING or self.last_price == 0:
            return False
        return self.last_price >= order.stop_price if order.rising else self.last_price <= order.stop_price

    def fire(self, order: Order) -> None:
        """Triggers an order and runs it to its end."""
        self.tell(EVENT_TRIGGERED, order, order.stop_price, remaining=order.remaining, number=self.last_price)
        self.come_in(order)

    def fire_triggers(self) -> None:
        """Fires waiting orders one at a time: rising ones from below, then falling ones from above, then by time."""
        for _ in range(self.settings.most_triggers):
            ready = [order for order in self.orders.values() if self.fires(order)]
            if not ready or self.status != STATUS_TRADING:
                return
            self.fire(min(ready, key=lambda order: (
                not order.rising, order.stop_price if order.rising else -order.stop_price, order.rank,
            )))  # fmt: skip

    # ------------------------------------------------------------------------------------------------------ replace

    def change(self, order: Order, price: int, size: int) -> None:
        """A replace that nothing refuses."""
        remaining = size - order.traded
        grows = remaining > order.remaining
        pegged = order.order_type == PEGGED
        waits = order.place in (WAITING, PARKED)
        stays = order.place == WAITING or (not grows and (pegged or price == order.price))
        order.size, order.remaining = size, remaining
        if stays:
            order.shown = min(order.shown, remaining)
        elif not waits:
            self.take_out(order, INCOMING)
        if pegged:
            order.cap = price
        else:
            order.price = price
        self.tell(EVENT_REPLACED, order, price, size, remaining, int(stays), number=order.shown)
        if not stays and not pegged:
            self.come_in(order)
        elif not stays and not waits:
            self.rest(order)
            self.tell(EVENT_RESTED, order, remaining=remaining, number=order.shown)

    # ------------------------------------------------------------------------------------------------------- groups

    def take_in_group(self, bracket: bool, entries: Sequence[Entry]) -> None:
        """All orders of a group are accepted; then they enter, but for the exits of a bracket."""
        group = Group(bracket=bracket)
        for entry in entries:
            order = self.accept(entry, DORMANT)
            order.group = group
            group.members.append(order)
            self.tell_accepted(order, ACCEPTED_WAITS)
        for order in group.exits:
            order.remaining = 0
        for order in group.members[:1] if bracket else group.members:
            if order.place != GONE:
                self.enter(order)
                self.give_exits()

    def enter(self, order: Order) -> None:
        """An order of a group begins to wait for its trigger, or comes in."""
        if order.order_type in STOPS:
            self.wait(order)
        else:
            self.run(order)

    def owe_exits(self, order: Order, size: int) -> None:
        """What the entry of a bracket has traded is owed to each of its exits."""
        group = order.group
        if group is not None and order is group.entry:
            for exit_order in group.exits:
                if exit_order.place != GONE:
                    exit_order.owed += size
            if group not in self.owing:
                self.owing.append(group)

    def give_exits(self) -> None:
        """Gives exits what they are owed, group by group; what that brings about comes behind."""
        while self.owing:
            for order in self.owing.pop(0).exits:
                if order.place != GONE and order.owed > 0:
                    order.remaining += order.owed
                    order.owed = 0
                    self.grow(order)

    def grow(self, order: Order) -> None:
        """An exit has been given more."""
        if order.place == DORMANT:
            self.enter(order)
            return
        waits = order.place == WAITING
        if not waits:
            self.take_out(order, INCOMING)
        total = order.traded + order.remaining
        self.tell(EVENT_REPLACED, order, size=total, remaining=order.remaining, code=int(waits))
        if not waits:
            self.rest(order)
            self.tell(EVENT_RESTED, order, remaining=order.remaining, number=order.shown)

    def take_from_mates(self, order: Order, size: int) -> None:
        """What an OCO order or an exit has traded is lost to the others of its group."""
        group = order.group
        if group is None or order is group.entry:
            return
        for mate in group.losers:
            if mate is order or mate.place == GONE:
                continue
            before = mate.remaining
            from_live = min(size, mate.remaining)
            from_owed = min(size - from_live, mate.owed)
            mate.owed -= from_owed
            if from_live == before and mate.future == 0:
                self.take_out(mate, GONE)
                self.tell(EVENT_CANCELLED, mate, remaining=before, code=CAUSE_GROUP)
            elif from_live + from_owed > 0:
                mate.remaining -= from_live
                if mate.remaining == 0:
                    self.take_out(mate, DORMANT)
                mate.shown = min(mate.shown, mate.remaining)
                self.tell(
                    EVENT_REDUCED, mate, size=from_live + from_owed, remaining=mate.remaining, code=CAUSE_GROUP,
                    number=mate.shown,
                )  # fmt: skip

    def end_group(self, order: Order) -> None:
        """An order of a group has ended in another way than by trading."""
        group = order.group
        if group is None:
            return
        if order is group.entry:
            ending = [other for other in group.exits if other.remaining == 0 and other.owed == 0]
        else:
            ending = group.members
        for other in ending:
            if other.place != GONE:
                self.take_out(other, GONE)
                self.tell(EVENT_CANCELLED, other, remaining=other.remaining, code=CAUSE_GROUP)
