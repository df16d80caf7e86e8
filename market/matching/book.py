"""The book of one instrument: who rests where, who waits, and how an order joins, shrinks, leaves and ends.

It knows nothing of incoming orders. Every change of what a level shows is noted once somebody has asked for that.
"""

from __future__ import annotations

from typing import final

from librt.vecs import append, vec
from mypy_extensions import i64
from sortedcontainers import SortedDict

from market.matching.events import EventBuffer
from market.matching.levels import (
    FIRST,
    HIDDEN_FIRST,
    HIDDEN_LAST,
    LAST,
    LEVEL_PRICE,
    MARK,
    PEGGED_SHOWN,
    SHOWN,
    LevelSide,
)
from market.matching.settings import MatchingSettings
from market.matching.special import DORMANT, NOWHERE, PARKED, WAITING, Special
from market.matching.store import (
    ACCOUNT,
    BOOKED,
    HALF,
    HIDDEN,
    ICEBERG,
    IS_PEGGED,
    LINKS,
    LOWER,
    ORDER_ID,
    PRICE,
    REMAINING,
    SELLS,
    SPECIAL,
    STATE,
    TYPE_MASK,
    TYPE_SHIFT,
    WORDS,
    OrderStore,
)
from market.matching.triggers import Triggers
from market.messages.constants import BUY, SELL


@final
class OrderBook:
    """All orders of one instrument, and the events that what happens to them gives."""

    def __init__(self, settings: MatchingSettings) -> None:
        """Begin empty."""
        self.settings: MatchingSettings = settings
        self.events: EventBuffer = EventBuffer()
        self.store: OrderStore = OrderStore()
        self.bids: LevelSide = LevelSide(BUY)
        self.asks: LevelSide = LevelSide(SELL)
        self.specials: dict[int, Special] = {}
        self.triggers: Triggers = Triggers()
        self.pegs: dict[int, Special] = {}
        self.expiries: SortedDict[tuple[int, int], Special] = SortedDict()
        self.last_price: i64 = 0
        self.trade_count: i64 = 0
        self.sequence: i64 = 0
        self.following: bool = False
        self.touched_count: i64 = 0
        self.touched_keys: vec[i64] = vec[i64]()
        self._epoch: i64 = 1

    def side_of(self, state: i64) -> LevelSide:
        """The side that an order with this state is on."""
        if state & SELLS != 0:
            return self.asks
        return self.bids

    def special_of(self, slot: i64) -> Special:
        """The rarer fields of an order that has some."""
        return self.specials[slot]

    def make_special(self, slot: i64) -> Special:
        """Give an order rarer fields, ranked after all before it."""
        self.sequence += 1
        special = Special(slot, self.sequence)
        self.specials[slot] = special
        self.store.rows[slot * WORDS + STATE] |= SPECIAL
        return special

    def report(self, kind: i64, slot: i64, size: i64, code: i64, number: i64) -> None:
        """Give an event about one order as it is now."""
        rows = self.store.rows
        at = slot * WORDS
        side: i64 = SELL if rows[at + STATE] & SELLS != 0 else BUY
        self.events.add(
            kind, rows[at + ORDER_ID], rows[at + ACCOUNT], side, rows[at + PRICE], size, rows[at + REMAINING], code,
            0, 0, 0, number,
        )  # fmt: skip

    def join(self, slot: i64) -> i64:
        """Put an order at the back of its queue; returns what it shows."""
        rows = self.store.rows
        at = slot * WORDS
        state = rows[at + STATE] & LOWER
        side = self.asks if state & SELLS != 0 else self.bids
        level = side.level_for(rows[at + PRICE])
        rows[at + STATE] = state | BOOKED | level << HALF
        cells = side.cells
        on = level * WORDS
        if state & HIDDEN != 0:
            last = cells[on + HIDDEN_LAST]
            cells[on + HIDDEN_LAST] = slot
            if last == 0:
                cells[on + HIDDEN_FIRST] = slot
            else:
                rows[last * WORDS + LINKS] += slot << HALF
            rows[at + LINKS] = last
            return 0
        shown = rows[at + REMAINING]
        if state & (ICEBERG | IS_PEGGED) != 0:
            if state & ICEBERG != 0:
                shown = self._fresh_slice(slot, shown)
            else:
                cells[on + PEGGED_SHOWN] += shown
        last = cells[on + LAST]
        cells[on + LAST] = slot
        cells[on + SHOWN] += shown
        if last == 0:
            cells[on + FIRST] = slot
        else:
            rows[last * WORDS + LINKS] += slot << HALF
        rows[at + LINKS] = last
        if self.following:
            self.touch(side, level)
        return shown

    def _fresh_slice(self, slot: i64, remaining: i64) -> i64:
        special = self.special_of(slot)
        special.slice = min(special.display_size, remaining)
        return special.slice

    def set_slice(self, slot: i64, size: i64) -> None:
        """Let an iceberg in the book show this much."""
        special = self.special_of(slot)
        state = self.store.rows[slot * WORDS + STATE]
        self.side_of(state).cells[(state >> HALF) * WORDS + SHOWN] += size - special.slice
        special.slice = size

    def shown_of(self, slot: i64) -> i64:
        """What an order shows now."""
        rows = self.store.rows
        state = rows[slot * WORDS + STATE]
        if state & BOOKED == 0 or state & HIDDEN != 0:
            return 0
        if state & ICEBERG != 0:
            return self.special_of(slot).slice
        return rows[slot * WORDS + REMAINING]

    def leave(self, slot: i64) -> None:
        """Take an order out of its queue."""
        rows = self.store.rows
        at = slot * WORDS
        state = rows[at + STATE]
        side = self.asks if state & SELLS != 0 else self.bids
        level = state >> HALF
        cells = side.cells
        on = level * WORDS
        links = rows[at + LINKS]
        following = links >> HALF
        before = links & LOWER
        first: i64 = FIRST
        if state & HIDDEN != 0:
            first = HIDDEN_FIRST
        else:
            shown = rows[at + REMAINING]
            if state & (ICEBERG | IS_PEGGED) != 0:
                if state & ICEBERG != 0:
                    shown = self.special_of(slot).slice
                else:
                    cells[on + PEGGED_SHOWN] -= shown
            cells[on + SHOWN] -= shown
            if self.following:
                self.touch(side, level)
        rows[at + STATE] = (state & LOWER) - BOOKED
        if following != 0:
            rows[following * WORDS + LINKS] += before - slot
        else:
            cells[on + first + 1] = before
        if before != 0:
            rows[before * WORDS + LINKS] += (following - slot) << HALF
        else:
            cells[on + first] = following
            if following == 0 and cells[on + FIRST] == 0 and cells[on + HIDDEN_FIRST] == 0:
                side.emptied(level)

    def shrink(self, slot: i64, by: i64) -> i64:
        """Take a part of what is left of an order, which keeps its place; returns what it shows then."""
        rows = self.store.rows
        at = slot * WORDS
        state = rows[at + STATE]
        remaining = rows[at + REMAINING] - by
        rows[at + REMAINING] = remaining
        if state & BOOKED == 0 or state & HIDDEN != 0:
            return 0
        shown = remaining
        lost = by
        side = self.side_of(state)
        on = (state >> HALF) * WORDS
        if state & ICEBERG != 0:
            special = self.special_of(slot)
            shown = min(special.slice, remaining)
            lost = special.slice - shown
            special.slice = shown
        elif state & IS_PEGGED != 0:
            side.cells[on + PEGGED_SHOWN] -= lost
        side.cells[on + SHOWN] -= lost
        if self.following:
            self.touch(side, state >> HALF)
        return shown

    def wait(self, special: Special, place: i64) -> None:
        """Let an order that is in no queue wait for its trigger, its reference or its group."""
        special.place = place
        if place == WAITING:
            state = self.store.rows[special.slot * WORDS + STATE]
            self.triggers.add(special, state & SELLS != 0, (state >> TYPE_SHIFT) & TYPE_MASK)

    def withdraw(self, slot: i64) -> None:
        """Take an order from wherever it is."""
        state = self.store.rows[slot * WORDS + STATE]
        if state & BOOKED != 0:
            self.leave(slot)
        elif state & SPECIAL != 0:
            special = self.special_of(slot)
            if special.place == WAITING:
                self.triggers.remove(special, state & SELLS != 0, (state >> TYPE_SHIFT) & TYPE_MASK)
            special.place = NOWHERE

    def forget(self, slot: i64) -> None:
        """Free what an order took that is in no queue any more."""
        if self.store.rows[slot * WORDS + STATE] & SPECIAL != 0:
            special = self.special_of(slot)
            del self.specials[slot]
            if special.peg_reference != 0:
                del self.pegs[special.sequence]
            if special.expire_ns != 0:
                del self.expiries[(special.expire_ns, special.sequence)]
        self.store.remove(slot)

    def waits(self, slot: i64) -> bool:
        """Whether an order is outside the book."""
        if self.store.rows[slot * WORDS + STATE] & SPECIAL == 0:
            return False
        place = self.special_of(slot).place
        return place in (WAITING, PARKED, DORMANT)

    def touch(self, side: LevelSide, level: i64) -> None:
        """Note that what a level shows may have changed."""
        on = level * WORDS
        if side.cells[on + MARK] != self._epoch:
            side.cells[on + MARK] = self._epoch
            # One word for both: prices are positive, so that the sign is the side.
            key = side.side * side.cells[on + LEVEL_PRICE]
            if self.touched_count < len(self.touched_keys):
                self.touched_keys[self.touched_count] = key
            else:
                self.touched_keys = append(self.touched_keys, key)
            self.touched_count += 1

    def clear_touched(self) -> None:
        """Begin to note anew; nothing is noted before the first call."""
        self.following = True
        self.touched_count = 0
        self._epoch += 1
