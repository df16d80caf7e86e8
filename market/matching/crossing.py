"""The loop in which an incoming order meets the orders of the other side, and the look ahead of fill-or-kill orders."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.groups import Groups
from market.matching.levels import FIRST, HIDDEN_FIRST, LAST, PEGGED_SHOWN, SHOWN, LevelSide
from market.matching.settings import MILLION
from market.matching.special import PAIRED, Group
from market.matching.store import (
    ACCOUNT,
    ACCOUNT_GROUP,
    FILLED,
    GROUPED,
    HALF,
    HIDDEN,
    ICEBERG,
    IS_PEGGED,
    LINKS,
    ORDER_ID,
    PRICE,
    REMAINING,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    SELLS,
    SPECIAL,
    STATE,
    WORDS,
)
from market.messages.constants import (
    BUY,
    CAUSE_SELF_TRADE,
    EVENT_CANCELLED,
    EVENT_REDUCED,
    EVENT_REPLENISHED,
    EVENT_SELF_TRADE,
    EVENT_TRADED,
    SELL,
    STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_CANCEL_SMALLEST,
    STP_DECREMENT_BOTH,
    STP_NONE,
)

# How an incoming order's crossing has ended.
LEFT: Final = 0  # something is left of it
DONE: Final = 1  # it has traded whole
GONE: Final = 2  # self-trade prevention has ended it
NO_LIMIT: Final = -4611686018427387904  # below the key of every price


@final
class Crossing:
    """Lets incoming orders trade with one book."""

    def __init__(self, book: OrderBook, groups: Groups) -> None:
        """Work on one book."""
        self._book: OrderBook = book
        self._groups: Groups = groups
        # The range of prices of the incoming order's trades; 0 when there was none.
        self.highest: i64 = 0
        self.lowest: i64 = 0

    def opposite(self, side: i64) -> LevelSide:
        """The levels that an order of this side trades with."""
        if side == BUY:
            return self._book.asks
        return self._book.bids

    def crosses(self, side: i64, price: i64) -> bool:
        """Whether an order at this price would meet any other, hidden ones included."""
        if side == BUY:
            best = self._book.asks.best_price()
            return best != 0 and best <= price
        return self._book.bids.best_price() >= price

    def band_price(self, side: i64, bound: i64) -> i64:
        """The limit of a market-like order that comes now; 0 where it has none, or meets nothing."""
        settings = self._book.settings
        best = self.opposite(side).best_price()
        if settings.band_ppm == 0 or best == 0:
            return bound
        ppm = settings.band_ppm
        # Whole millions and the rest apart: their products fit 64 bits, and together they are exact.
        width = best // MILLION * ppm + best % MILLION * ppm // MILLION
        if side == BUY:
            limit = (best + width) // settings.tick * settings.tick
            return limit if bound == 0 or limit < bound else bound
        limit = (best - width + settings.tick - 1) // settings.tick * settings.tick
        # A band of the whole price protects from nothing.
        return max(limit, bound)

    def cross(self, slot: i64, limited: bool, limit: i64) -> i64:
        """Let an order that is in no queue trade; returns `LEFT`, `DONE` or `GONE`, and leaves it to the caller."""
        book = self._book
        rows = book.store.rows
        at = slot * WORDS
        state = rows[at + STATE]
        account_group = rows[at + ACCOUNT_GROUP]
        if (state >> SELF_TRADE_SHIFT) & SELF_TRADE_MASK == STP_NONE:
            account_group = 0
        other_side = book.bids if state & SELLS != 0 else book.asks
        limit_key = other_side.side * limit if limited else NO_LIMIT
        self.highest = 0
        remaining = rows[at + REMAINING]
        while remaining > 0:
            end = other_side.end
            if end == 0:
                return LEFT
            if other_side.keys[end - 1] < limit_key:
                return LEFT
            on = i64(other_side.numbers[end - 1]) * WORDS
            resting = other_side.cells[on + FIRST]
            if resting == 0:
                resting = other_side.cells[on + HIDDEN_FIRST]
            if account_group != 0 and rows[resting * WORDS + ACCOUNT_GROUP] == account_group:
                if self._meet_own(slot, resting):
                    return GONE
            else:
                self._trade(slot, resting, other_side, on)
            remaining = rows[at + REMAINING]
        return DONE

    def _trade(self, slot: i64, resting: i64, other_side: LevelSide, on: i64) -> None:
        """Trade with the first order of a level."""
        book = self._book
        rows = book.store.rows
        at = slot * WORDS
        there = resting * WORDS
        state = rows[there + STATE]
        price = rows[there + PRICE]
        left = rows[at + REMAINING]
        other_left = rows[there + REMAINING]
        size = other_left
        if state & ICEBERG != 0:
            size = book.special_of(resting).slice
        if left < size:
            size = left
        left -= size
        other_left -= size
        rows[at + REMAINING] = left
        rows[at + FILLED] += size
        rows[there + FILLED] += size
        book.trade_count += 1
        book.last_price = price
        if self.highest == 0:
            self.highest = price
            self.lowest = price
        elif price > self.highest:
            self.highest = price
        elif price < self.lowest:
            self.lowest = price
        book.events.add(
            EVENT_TRADED, rows[at], rows[at + ACCOUNT], 0 - other_side.side, price, size, left, 0,
            rows[there], rows[there + ACCOUNT], other_left, book.trade_count,
        )  # fmt: skip
        grouped = (rows[at + STATE] | state) & GROUPED != 0
        if state & ICEBERG != 0 and other_left > 0:
            self._trade_slice(resting, other_side, on, size)
        elif other_left == 0:
            if not grouped and state & (HIDDEN | SPECIAL) == 0 and rows[there + LINKS] >> HALF != 0:
                self._pass_first(resting, other_side, on)
                return
            book.leave(resting)
            rows[there + REMAINING] = 0
        elif state & HIDDEN != 0:
            rows[there + REMAINING] = other_left
        else:
            rows[there + REMAINING] = other_left
            other_side.cells[on + SHOWN] -= size
            if state & IS_PEGGED != 0:
                other_side.cells[on + PEGGED_SHOWN] -= size
            if book.following:
                book.touch(other_side, state >> HALF)
        if grouped:
            # Trailing stops follow before one of them may go to sleep.
            book.triggers.trail(self.highest, self.lowest)
            self._groups.traded(slot, resting, size)
        if other_left == 0:
            if state & GROUPED != 0:
                self._groups.filled(resting)
            else:
                book.forget(resting)

    def _pass_first(self, resting: i64, other_side: LevelSide, on: i64) -> None:
        """The plain first order of a level with others behind it has traded whole: the shortest way to end it."""
        book = self._book
        rows = book.store.rows
        there = resting * WORDS
        following = rows[there + LINKS] >> HALF
        cells = other_side.cells
        cells[on + FIRST] = following
        cells[on + SHOWN] -= rows[there + REMAINING]
        rows[following * WORDS + LINKS] -= resting
        if book.following:
            book.touch(other_side, rows[there + STATE] >> HALF)
        book.store.remove(resting)

    def _trade_slice(self, resting: i64, other_side: LevelSide, on: i64, size: i64) -> None:
        """An iceberg with something left has traded: it shows its next slice at the back when this one is spent."""
        book = self._book
        rows = book.store.rows
        there = resting * WORDS
        special = book.special_of(resting)
        if size < special.slice:
            special.slice -= size
            rows[there + REMAINING] -= size
            other_side.cells[on + SHOWN] -= size
        else:
            if other_side.cells[on + LAST] == resting:
                special.slice = min(special.display_size, rows[there + REMAINING] - size)
                rows[there + REMAINING] -= size
                other_side.cells[on + SHOWN] += special.slice - size
            else:
                book.leave(resting)
                rows[there + REMAINING] -= size
                book.join(resting)
            book.report(EVENT_REPLENISHED, resting, special.slice, 0, 0)
        if book.following:
            book.touch(other_side, rows[there + STATE] >> HALF)

    def _meet_own(self, slot: i64, resting: i64) -> bool:
        """Two orders of one account group have met; returns whether the incoming one has ended."""
        book = self._book
        rows = book.store.rows
        at = slot * WORDS
        there = resting * WORDS
        mode = (rows[at + STATE] >> SELF_TRADE_SHIFT) & SELF_TRADE_MASK
        left = rows[at + REMAINING]
        other_left = rows[there + REMAINING]
        side: i64 = SELL if rows[at + STATE] & SELLS != 0 else BUY
        book.events.add(
            EVENT_SELF_TRADE, rows[at + ORDER_ID], rows[at + ACCOUNT], side, rows[there + PRICE], 0, left, mode,
            rows[there + ORDER_ID], rows[there + ACCOUNT], other_left, 0,
        )  # fmt: skip
        if mode == STP_DECREMENT_BOTH:
            size = min(left, other_left)
            self._decrement(resting, size)
            return self._decrement(slot, size)
        ends_resting = mode in (STP_CANCEL_RESTING, STP_CANCEL_BOTH)
        ends_incoming = mode in (STP_CANCEL_INCOMING, STP_CANCEL_BOTH)
        if mode == STP_CANCEL_SMALLEST:
            ends_resting = other_left <= left
            ends_incoming = left <= other_left
        if ends_resting:
            self._groups.end(resting, EVENT_CANCELLED, CAUSE_SELF_TRADE)
        if ends_incoming:
            self._groups.end(slot, EVENT_CANCELLED, CAUSE_SELF_TRADE)
        return ends_incoming

    def _decrement(self, slot: i64, size: i64) -> bool:
        """Take a size from an order without a trade; returns whether that has ended it."""
        book = self._book
        if book.store.rows[slot * WORDS + REMAINING] == size:
            self._groups.end(slot, EVENT_CANCELLED, CAUSE_SELF_TRADE)
            return True
        shown = book.shrink(slot, size)
        book.report(EVENT_REDUCED, slot, size, CAUSE_SELF_TRADE, shown)
        return False

    def fills(self, side: i64, limited: bool, limit: i64, size: i64, account_group: i64, mode: i64) -> bool:
        """Whether an incoming order would trade whole, self-trade prevention and groups considered."""
        levels = self.opposite(side)
        search = FillSearch(self._book, size, account_group if mode != STP_NONE else 0, mode)
        limit_key = levels.side * limit if limited else NO_LIMIT
        place = levels.end - 1
        while place >= 0 and search.left > 0 and levels.keys[place] >= limit_key:
            on = i64(levels.numbers[place]) * WORDS
            if not search.visit(levels.cells[on + FIRST]) or not search.visit(levels.cells[on + HIDDEN_FIRST]):
                return False
            place -= 1
        return search.left == 0


@final
class FillSearch:
    """What a fill-or-kill order would trade with, level by level, without touching anything."""

    def __init__(self, book: OrderBook, size: i64, account_group: i64, mode: i64) -> None:
        """Begin with all of the size left; an account group of 0 meets no order of its own."""
        self._book: OrderBook = book
        self.left: i64 = size
        self._account_group: i64 = account_group
        self._mode: i64 = mode
        # Slices matter only where an order of its own behind them may end the search.
        self._in_slices: bool = account_group != 0 and mode != STP_CANCEL_RESTING
        self._taken: dict[Group, int] = {}
        self._ended: set[Group] = set()

    def visit(self, first: i64) -> bool:
        """Go along a queue; returns False where an order of its own would end the incoming one."""
        book = self._book
        rows = book.store.rows
        again: list[tuple[int, int]] = []
        slot = first
        while slot != 0 and self.left > 0:
            at = slot * WORDS
            total = self._total(slot)
            if total == 0:
                slot = rows[at + LINKS] >> HALF
                continue
            if self._account_group != 0 and rows[at + ACCOUNT_GROUP] == self._account_group:
                if not self._passes_own(slot, total):
                    return False
            else:
                offered = self._offered(slot, total)
                taken = min(offered, self.left)
                self._take(slot, taken)
                if taken == offered and total > offered and rows[at + STATE] & ICEBERG != 0:
                    again.append((slot, total - taken))
            slot = rows[at + LINKS] >> HALF
        # The slices that come after, at the back of the queue again and again.
        place: i64 = 0
        while place < len(again) and self.left > 0:
            iceberg, reserve = again[place]
            slice_size = min(book.special_of(iceberg).display_size, reserve)
            taken = min(slice_size, self.left)
            self.left -= taken
            if reserve > taken and taken == slice_size:
                again.append((iceberg, reserve - taken))
            place += 1
        return True

    def _total(self, slot: i64) -> i64:
        """What is left of an order by the time it is met: what its group leaves of it."""
        rows = self._book.store.rows
        total = rows[slot * WORDS + REMAINING]
        if rows[slot * WORDS + STATE] & GROUPED != 0:
            special = self._book.special_of(slot)
            group = special.group
            if group is not None:
                if group in self._ended:
                    return 0
                if special.role == PAIRED:
                    return max(0, total - self._taken.get(group, 0))
        return total

    def _offered(self, slot: i64, total: i64) -> i64:
        """What an order of somebody else offers at its first turn."""
        if self._in_slices and self._book.store.rows[slot * WORDS + STATE] & ICEBERG != 0:
            return self._book.special_of(slot).slice
        return total

    def _take(self, slot: i64, size: i64) -> None:
        self.left -= size
        if self._book.store.rows[slot * WORDS + STATE] & GROUPED != 0:
            special = self._book.special_of(slot)
            group = special.group
            if group is not None and special.role == PAIRED:
                self._taken[group] = self._taken.get(group, 0) + size

    def _passes_own(self, slot: i64, total: i64) -> bool:
        """Whether the incoming order goes on after it has met this one of its own."""
        passes = self._mode == STP_CANCEL_RESTING or (self._mode == STP_CANCEL_SMALLEST and total < self.left)
        if passes and self._book.store.rows[slot * WORDS + STATE] & GROUPED != 0:
            special = self._book.special_of(slot)
            if special.group is not None and special.role == PAIRED:
                self._ended.add(special.group)
        return passes
