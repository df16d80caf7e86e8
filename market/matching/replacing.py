"""How a working or waiting order gets another price or size: what is refused, and what keeps its place."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.checks import NO_FAULT, has_limit, has_too_many_slices, is_bad_limit, is_market_like
from market.matching.runs import Runs
from market.matching.store import (
    ACCOUNT,
    BOOKED,
    FILLED,
    GROUPED,
    ICEBERG,
    IS_PEGGED,
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
from market.messages.constants import (
    BUY,
    EVENT_REPLACED,
    EVENT_RESTED,
    POST_ONLY_NONE,
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_INSTRUMENT_STATUS,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_POST_ONLY,
    REJECT_UNSUPPORTED,
    SELL,
    STATUS_POST_ONLY,
    STATUS_TRADING,
)


@final
class Replacing:
    """Changes orders of one book."""

    def __init__(self, book: OrderBook, runs: Runs) -> None:
        """Work on one book."""
        self._book: OrderBook = book
        self._runs: Runs = runs

    def fault_of(self, slot: i64, price: i64, size: i64) -> i64:
        """Why this change is refused, `NO_FAULT` if it is not."""
        book = self._book
        settings = book.settings
        rows = book.store.rows
        at = slot * WORDS
        state = rows[at + STATE]
        order_type = (state >> TYPE_SHIFT) & TYPE_MASK
        post_only = (state >> POST_ONLY_SHIFT) & POST_ONLY_MASK
        status = self._runs.status
        if status != STATUS_TRADING and (status != STATUS_POST_ONLY or post_only == POST_ONLY_NONE):
            return REJECT_INSTRUMENT_STATUS
        if size <= rows[at + FILLED] or size > settings.maximum_size or size % settings.lot != 0:
            return REJECT_BAD_SIZE
        if state & ICEBERG != 0 and has_too_many_slices(size, book.special_of(slot).display_size, settings):
            return REJECT_BAD_SIZE
        if (price != 0 or has_limit(order_type)) and is_bad_limit(price, settings):
            return REJECT_BAD_PRICE
        if state & GROUPED != 0:
            return REJECT_UNSUPPORTED
        measured: i64 = 0
        if has_limit(order_type):
            measured = price
        elif is_market_like(order_type):
            measured = book.special_of(slot).stop_price
        if measured != 0 and settings.below_minimum(measured, size - rows[at + FILLED]):
            return REJECT_MINIMUM_NOTIONAL
        if post_only != POST_ONLY_NONE and state & BOOKED != 0 and state & IS_PEGGED == 0:
            side: i64 = SELL if state & SELLS != 0 else BUY
            if self._runs.crossing.crosses(side, price):
                return REJECT_POST_ONLY
        return NO_FAULT

    def apply(self, slot: i64, price: i64, size: i64) -> None:
        """Make a change that nothing refuses."""
        book = self._book
        rows = book.store.rows
        at = slot * WORDS
        state = rows[at + STATE]
        remaining = size - rows[at + FILLED]
        grows = remaining > rows[at + REMAINING]
        pegged = state & IS_PEGGED != 0
        if pegged:
            book.special_of(slot).cap = price
            self._runs.pegs.restless = True
        if state & BOOKED == 0:
            if not pegged:
                rows[at + PRICE] = price
            rows[at + REMAINING] = remaining
            self._report(slot, price, size, 0 if pegged and grows else 1, 0)
        elif not grows and (pegged or price == rows[at + PRICE]):
            shown = book.shrink(slot, rows[at + REMAINING] - remaining)
            self._report(slot, price, size, 1, shown)
        else:
            book.leave(slot)
            rows[at + REMAINING] = remaining
            self._report(slot, price, size, 0, 0)
            if pegged:
                shown = book.join(slot)
                book.report(EVENT_RESTED, slot, 0, 0, shown)
            else:
                rows[at + PRICE] = price
                self._runs.enter(slot)
                self._runs.pay_exits()

    def _report(self, slot: i64, price: i64, size: i64, code: i64, shown: i64) -> None:
        """Give the event of a change; its price is the one given, for a pegged order the cap."""
        rows = self._book.store.rows
        at = slot * WORDS
        side: i64 = SELL if rows[at + STATE] & SELLS != 0 else BUY
        self._book.events.add(
            EVENT_REPLACED, rows[at + ORDER_ID], rows[at + ACCOUNT], side, price, size, rows[at + REMAINING], code,
            0, 0, 0, shown,
        )  # fmt: skip
