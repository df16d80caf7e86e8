"""Pegged orders: the price that each wants, and the moves at the end of an input.

Only orders that are not pegged are references, so no pegged order follows another. Those that must retreat move first,
which makes room; then those that may advance do, and none of them ever meets an order of the other side.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.levels import HIDDEN_FIRST, PEGGED_SHOWN, SHOWN, WORDS, LevelSide
from market.matching.special import NOWHERE, PARKED, Special
from market.matching.store import PRICE, SELLS, STATE
from market.messages.constants import BUY, EVENT_REPRICED, PEG_FAR, PEG_NEAR, SELL


@final
class Pegs:
    """Looks after the pegged orders of one book."""

    def __init__(self, book: OrderBook) -> None:
        """Begin without any."""
        self._book: OrderBook = book
        # Best prices of orders that are not pegged: displayed, and hidden ones included.
        self._bid: i64 = 0
        self._ask: i64 = 0
        self._any_bid: i64 = 0
        self._any_ask: i64 = 0
        # Whether a look at the book is due even when none of these prices has changed.
        self.restless: bool = True

    def _look(self) -> bool:
        """Read the references; returns whether one has changed."""
        book = self._book
        bid = unpegged_best(book.bids, False)
        ask = unpegged_best(book.asks, False)
        any_bid = unpegged_best(book.bids, True)
        any_ask = unpegged_best(book.asks, True)
        changed = bid != self._bid or ask != self._ask or any_bid != self._any_bid or any_ask != self._any_ask
        self._bid = bid
        self._ask = ask
        self._any_bid = any_bid
        self._any_ask = any_ask
        return changed

    def price_now(self, side: i64, peg_reference: i64, offset: i64, cap: i64) -> i64:
        """Where a pegged order that is accepted now goes; 0 where it is parked."""
        self._look()
        return self._behind_best(side, self._wanted(side, peg_reference, offset, cap))

    def _wanted(self, side: i64, peg_reference: i64, offset: i64, cap: i64) -> i64:
        """The price that a pegged order wants by the references last read; 0 where it is parked."""
        settings = self._book.settings
        tick = settings.tick
        near = self._bid if side == BUY else self._ask
        far = self._ask if side == BUY else self._bid
        if peg_reference == PEG_NEAR:
            wanted = near
        elif peg_reference == PEG_FAR:
            wanted = far
        elif near == 0 or far == 0:
            wanted = 0
        elif side == BUY:
            wanted = (near + far) // 2 // tick * tick
        else:
            # The sum rounded up to whole ticks of both halves.
            wanted = -(-(near + far) // (2 * tick)) * tick
        if wanted == 0:
            return 0
        if side == BUY:
            wanted -= offset
            if cap != 0 and wanted > cap:
                wanted = cap
            if self._any_ask != 0 and wanted > self._any_ask - tick:
                wanted = self._any_ask - tick
        else:
            wanted += offset
            if wanted < cap:
                wanted = cap
            if self._any_bid != 0 and wanted < self._any_bid + tick:
                wanted = self._any_bid + tick
        if wanted <= 0 or wanted > settings.maximum_price:
            return 0
        return wanted

    def _behind_best(self, side: i64, wanted: i64) -> i64:
        """The wanted price, but behind the best order of any kind on the other side; 0 where there is no such price."""
        if wanted == 0:
            return 0
        settings = self._book.settings
        if side == BUY:
            best = self._book.asks.best_price()
            if best != 0 and wanted >= best:
                return best - settings.tick
            return wanted
        best = self._book.bids.best_price()
        if best != 0 and wanted <= best:
            wanted = best + settings.tick
        return wanted if wanted <= settings.maximum_price else 0

    def settle(self) -> None:
        """Move every pegged order that must or may move; nothing is looked at when nothing can have changed."""
        book = self._book
        if not self._look() and not self.restless:
            return
        rows = book.store.rows
        advancing: list[tuple[Special, int]] = []
        for special in list(book.pegs.values()):
            at = special.slot * WORDS
            side: i64 = SELL if rows[at + STATE] & SELLS != 0 else BUY
            wanted = self._wanted(side, special.peg_reference, special.offset, special.cap)
            present = rows[at + PRICE]
            if wanted == present:
                continue
            if present == 0 or (wanted != 0 and side * wanted > side * present):
                advancing.append((special, wanted))
            else:
                self._move(special, wanted)
        self.restless = False
        for special, wanted in advancing:
            at = special.slot * WORDS
            side = SELL if rows[at + STATE] & SELLS != 0 else BUY
            present = rows[at + PRICE]
            target = self._behind_best(side, wanted)
            if target != 0 and (present == 0 or side * target > side * present):
                self._move(special, target)
            if target != wanted:
                # A pegged order of the other side is in its way, and may leave it in any input.
                self.restless = True

    def _move(self, special: Special, price: i64) -> None:
        """Move an order to a price, or park it."""
        book = self._book
        slot = special.slot
        shown: i64 = 0
        book.withdraw(slot)
        book.store.rows[slot * WORDS + PRICE] = price
        if price == 0:
            book.wait(special, PARKED)
        else:
            special.place = NOWHERE
            shown = book.join(slot)
        book.report(EVENT_REPRICED, slot, 0, 0, shown)


def unpegged_best(levels: LevelSide, with_hidden: bool) -> i64:
    """The best price of an order that is not pegged, displayed or, if wanted, hidden; 0 for none."""
    cells = levels.cells
    place = levels.end - 1
    while place >= 0:
        on = i64(levels.numbers[place]) * WORDS
        if cells[on + SHOWN] != cells[on + PEGGED_SHOWN] or (with_hidden and cells[on + HIDDEN_FIRST] != 0):
            return levels.side * levels.keys[place]
        place -= 1
    return 0
