"""Orders and levels of an engine as objects, for whoever asks seldom: tests, rows of an answer, people."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.levels import FIRST, HIDDEN_FIRST, SHOWN, LevelSide
from market.matching.special import DORMANT, NOWHERE, PARKED, WAITING, Special
from market.matching.store import (
    ACCOUNT,
    ACCOUNT_GROUP,
    BOOKED,
    FILLED,
    FORCE_MASK,
    FORCE_SHIFT,
    HALF,
    HIDDEN,
    LINKS,
    ORDER_ID,
    POST_ONLY_MASK,
    POST_ONLY_SHIFT,
    PRICE,
    REMAINING,
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    SELLS,
    SPECIAL,
    STATE,
    TYPE_MASK,
    TYPE_SHIFT,
    WORDS,
)
from market.messages.constants import BUY, SELL

# Where an order is.
IN_BOOK: Final = NOWHERE
WAITS_FOR_PRICE: Final = WAITING
WAITS_FOR_REFERENCE: Final = PARKED
WAITS_FOR_GROUP: Final = DORMANT


@final
class OrderView:
    """The fields of one order as they were when it was asked for; changing them changes nothing."""

    def __init__(self, book: OrderBook, slot: i64, special: Special) -> None:
        """Copy the fields of an order."""
        rows = book.store.rows
        at = slot * WORDS
        state = rows[at + STATE]
        self.order_id: i64 = rows[at + ORDER_ID]
        self.account_id: i64 = rows[at + ACCOUNT]
        self.account_group: i64 = rows[at + ACCOUNT_GROUP]
        self.side: i64 = SELL if state & SELLS != 0 else BUY
        self.order_type: i64 = (state >> TYPE_SHIFT) & TYPE_MASK
        self.time_in_force: i64 = (state >> FORCE_SHIFT) & FORCE_MASK
        self.post_only: i64 = (state >> POST_ONLY_SHIFT) & POST_ONLY_MASK
        self.self_trade: i64 = (state >> SELF_TRADE_SHIFT) & SELF_TRADE_MASK
        self.price: i64 = rows[at + PRICE]
        self.remaining: i64 = rows[at + REMAINING]
        self.filled: i64 = rows[at + FILLED]
        self.size: i64 = self.remaining + self.filled
        self.shown: i64 = book.shown_of(slot)
        self.display_size: i64 = -1 if state & HIDDEN != 0 else special.display_size
        self.stop_price: i64 = special.stop_price
        self.offset: i64 = special.offset
        self.expire_ns: i64 = special.expire_ns
        self.peg_reference: i64 = special.peg_reference
        self.cap: i64 = special.cap
        self.place: i64 = IN_BOOK if state & BOOKED != 0 else special.place


def view_of(book: OrderBook, slot: i64) -> OrderView:
    """An order as an object."""
    if book.store.rows[slot * WORDS + STATE] & SPECIAL != 0:
        return OrderView(book, slot, book.special_of(slot))
    return OrderView(book, slot, Special(slot, 0))


def slots_of(book: OrderBook, levels: LevelSide, best_first: bool) -> list[i64]:
    """The orders of one side, those of a level by priority; the levels from the best on, or from the worst."""
    found: list[i64] = []
    rows = book.store.rows
    end = levels.end
    step: i64 = -1 if best_first else 1
    place: i64 = end - 1 if best_first else 0
    while 0 <= place < end:
        on = i64(levels.numbers[place]) * WORDS
        slot = levels.cells[on + FIRST]
        while slot != 0:
            found.append(slot)
            slot = rows[slot * WORDS + LINKS] >> HALF
        slot = levels.cells[on + HIDDEN_FIRST]
        while slot != 0:
            found.append(slot)
            slot = rows[slot * WORDS + LINKS] >> HALF
        place += step
    return found


def outside_of(book: OrderBook) -> list[i64]:
    """The orders outside the book, as they were accepted."""
    found: list[tuple[int, int]] = []
    for special in book.specials.values():
        if book.store.rows[special.slot * WORDS + STATE] & BOOKED == 0:
            found.append((special.sequence, special.slot))
    return [slot for _, slot in sorted(found)]


def orders_of(book: OrderBook) -> list[OrderView]:
    """Every order: bids, asks, then those outside the book."""
    slots = slots_of(book, book.bids, True) + slots_of(book, book.asks, True) + outside_of(book)
    return [view_of(book, slot) for slot in slots]


def depth_of(levels: LevelSide, most: i64) -> list[tuple[int, int]]:
    """Price and shown size of the best levels that show something."""
    found: list[tuple[int, int]] = []
    place = levels.end - 1
    while place >= 0 and i64(len(found)) < most:
        shown = levels.cells[i64(levels.numbers[place]) * WORDS + SHOWN]
        if shown != 0:
            found.append((levels.side * levels.keys[place], shown))
        place -= 1
    return found
