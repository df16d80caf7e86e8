"""How an order comes in and runs to its end, and what follows once it has: exits, stop orders, pegged orders."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.checks import is_market_like, is_stop, trailing_stop
from market.matching.crossing import DONE, LEFT, Crossing
from market.matching.groups import Groups
from market.matching.pegs import Pegs
from market.matching.special import NOWHERE, PAIRED, WAITING, Special
from market.matching.store import (
    ACCOUNT,
    BOOKED,
    FILLED,
    FORCE_MASK,
    FORCE_SHIFT,
    GROUPED,
    ORDER_ID,
    POST_ONLY_MASK,
    POST_ONLY_SHIFT,
    PRICE,
    REMAINING,
    SELLS,
    STATE,
    TYPE_MASK,
    TYPE_SHIFT,
    WORDS,
)
from market.matching.triggers import is_trailing
from market.messages.constants import (
    BUY,
    CAUSE_EMPTY_BOOK,
    CAUSE_POST_ONLY,
    CAUSE_PRICE_BAND,
    CAUSE_TIME_IN_FORCE,
    EVENT_CANCELLED,
    EVENT_REPLACED,
    EVENT_RESTED,
    EVENT_TRIGGERED,
    FOK,
    IOC,
    POST_ONLY_NONE,
    POST_ONLY_REPRICE,
    SELL,
    STATUS_TRADING,
)


@final
class Runs:
    """Runs incoming orders on one book."""

    def __init__(self, book: OrderBook) -> None:
        """Work on one book, which trades from the start."""
        self._book: OrderBook = book
        self.groups: Groups = Groups(book)
        self.crossing: Crossing = Crossing(book, self.groups)
        self.pegs: Pegs = Pegs(book)
        self.status: i64 = STATUS_TRADING

    def price_behind(self, side: i64) -> i64:
        """One tick behind the best opposite order; 0 where no order can have that price."""
        best = self.crossing.opposite(side).best_price()
        settings = self._book.settings
        price = best - side * settings.tick
        if price <= 0 or price > settings.maximum_price:
            return 0
        return price

    def enter(self, slot: i64) -> None:
        """Run an accepted order that is in no queue as an incoming one, by what its row says; nothing refuses it."""
        rows = self._book.store.rows
        at = slot * WORDS
        state = rows[at + STATE]
        side: i64 = SELL if state & SELLS != 0 else BUY
        price = rows[at + PRICE]
        if is_market_like((state >> TYPE_SHIFT) & TYPE_MASK):
            limit = self.crossing.band_price(side, price)
            self.run(slot, limit != 0, limit)
            return
        post_only = (state >> POST_ONLY_SHIFT) & POST_ONLY_MASK
        if post_only != POST_ONLY_NONE and self.crossing.crosses(side, price):
            price = self.price_behind(side) if post_only == POST_ONLY_REPRICE else 0
            if price == 0:
                self.groups.end(slot, EVENT_CANCELLED, CAUSE_POST_ONLY)
                return
            rows[at + PRICE] = price
        self.run(slot, True, price)

    def run(self, slot: i64, limited: bool, limit: i64) -> None:
        """Let an order trade within its limit, and do with the rest what its type and time in force say."""
        book = self._book
        result = self.crossing.cross(slot, limited, limit)
        if result == DONE:
            if book.store.rows[slot * WORDS + STATE] & GROUPED != 0:
                self.groups.filled(slot)
            else:
                book.forget(slot)
        elif result == LEFT:
            state = book.store.rows[slot * WORDS + STATE]
            force = (state >> FORCE_SHIFT) & FORCE_MASK
            if is_market_like((state >> TYPE_SHIFT) & TYPE_MASK):
                opposite = book.bids if state & SELLS != 0 else book.asks
                self.groups.end(slot, EVENT_CANCELLED, CAUSE_EMPTY_BOOK if opposite.end == 0 else CAUSE_PRICE_BAND)
            elif force in (IOC, FOK):
                self.groups.end(slot, EVENT_CANCELLED, CAUSE_TIME_IN_FORCE)
            else:
                shown = book.join(slot)
                book.report(EVENT_RESTED, slot, 0, 0, shown)
        if self.crossing.highest != 0:
            book.triggers.trail(self.crossing.highest, self.crossing.lowest)

    def pay_exits(self) -> None:
        """Let the exits of brackets take what their entries have traded, until nothing is owed to any."""
        group = self.groups.next_owing()
        while group is not None:
            for member in group.members.copy():
                if member.group is group and member.role == PAIRED and member.owed > 0:
                    self._pay(member)
            group = self.groups.next_owing()

    def _pay(self, member: Special) -> None:
        """Let an exit grow by what it is owed, or enter with it."""
        book = self._book
        slot = member.slot
        at = slot * WORDS
        owed = member.owed
        member.owed = 0
        rows = book.store.rows
        state = rows[at + STATE]
        if state & BOOKED != 0:
            book.leave(slot)
            rows[at + REMAINING] += owed
            book.report(EVENT_REPLACED, slot, rows[at + FILLED] + rows[at + REMAINING], 0, 0)
            shown = book.join(slot)
            book.report(EVENT_RESTED, slot, 0, 0, shown)
            return
        rows[at + REMAINING] += owed
        if member.place == WAITING:
            book.report(EVENT_REPLACED, slot, rows[at + FILLED] + rows[at + REMAINING], 1, 0)
        else:
            self.begin(member)

    def begin(self, member: Special) -> None:
        """Let a member of a group that has slept enter: stop orders wait, others come in."""
        book = self._book
        state = book.store.rows[member.slot * WORDS + STATE]
        order_type = (state >> TYPE_SHIFT) & TYPE_MASK
        if is_stop(order_type):
            if member.stop_price == 0 and is_trailing(order_type):
                side: i64 = SELL if state & SELLS != 0 else BUY
                member.stop_price = trailing_stop(side, member.offset, book.last_price)
            book.wait(member, WAITING)
        else:
            member.place = NOWHERE
            self.enter(member.slot)

    def fire(self, special: Special) -> None:
        """Run an order whose stop price has been reached."""
        book = self._book
        rows = book.store.rows
        slot = special.slot
        at = slot * WORDS
        book.withdraw(slot)
        book.events.add(
            EVENT_TRIGGERED, rows[at + ORDER_ID], rows[at + ACCOUNT], SELL if rows[at + STATE] & SELLS != 0 else BUY,
            special.stop_price, 0, rows[at + REMAINING], 0, 0, 0, 0, book.last_price,
        )  # fmt: skip
        self.enter(slot)
        self.pay_exits()

    def settle(self) -> None:
        """End an input: fire the stop orders that are due, then move the pegged orders."""
        book = self._book
        if book.triggers.count > 0 and self.status == STATUS_TRADING:
            fired: i64 = 0
            most = book.settings.most_triggers
            while fired < most:
                due = book.triggers.due(book.last_price)
                if due is None:
                    break
                self.fire(due)
                fired += 1
        if len(book.pegs) > 0:
            self.pegs.settle()
