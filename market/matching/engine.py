"""The matching engine of one instrument: it takes orders, cancels and changes, and gives events.

Each input runs to its end before the next: the order itself, what its group and its trades set off, the stop orders
that fire, the pegged orders that move. It is a function of its inputs alone. The rules are in `docs/matching.md`.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.checks import NO_FAULT
from market.matching.entry import OrderEntry
from market.matching.events import EventBuffer
from market.matching.group_intake import GroupIntake
from market.matching.intake import Intake
from market.matching.levels import LevelSide
from market.matching.replacing import Replacing
from market.matching.runs import Runs
from market.matching.saved import load_book, save_book
from market.matching.settings import MatchingError, MatchingSettings
from market.matching.store import ACCOUNT, ORDER_ID, WORDS
from market.matching.view import OrderView, depth_of, orders_of, view_of
from market.messages.constants import (
    BUY,
    EVENT_CANCEL_REJECTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    REJECT_UNKNOWN_ORDER,
    SELL,
    STATUS_CLOSED,
    STATUS_DELISTED,
)


@final
class MatchingEngine:
    """See the head of this file. Every input returns how many events it gave; they stay in `events` until the next."""

    def __init__(self, settings: MatchingSettings) -> None:
        """Begin with an empty book that trades."""
        self.settings: MatchingSettings = settings
        self._book: OrderBook = OrderBook(settings)
        self.events: EventBuffer = self._book.events
        self._runs: Runs = Runs(self._book)
        self._intake: Intake = Intake(self._book, self._runs)
        self._groups: GroupIntake = GroupIntake(self._book, self._runs, self._intake)
        self._replacing: Replacing = Replacing(self._book, self._runs)

    def submit(self, entry: OrderEntry, now_ns: i64) -> i64:
        """A new order."""
        _check_id(entry)
        events = self.events
        events.clear()
        code = self._intake.fault_of(entry, now_ns, 0)
        if code == NO_FAULT:
            code = self._intake.admit(entry)
        if code != NO_FAULT:
            events.add(
                EVENT_REJECTED, entry.order_id, entry.account_id, entry.side, entry.price, entry.size, 0, code,
                0, 0, 0, 0,
            )  # fmt: skip
        self._runs.settle()
        return events.count

    def submit_group(self, kind: i64, entries: list[OrderEntry], now_ns: i64) -> i64:
        """New orders that belong together."""
        for entry in entries:
            _check_id(entry)
        self.events.clear()
        self._groups.submit(kind, entries, now_ns)
        self._runs.settle()
        return self.events.count

    def cancel(self, order_id: i64, cause: i64) -> i64:
        """The end of an order, for one of the `CAUSE_` reasons."""
        events = self.events
        events.clear()
        slot = self._book.store.find(order_id)
        if slot != 0:
            self._runs.groups.end(slot, EVENT_CANCELLED, cause)
        else:
            events.add(EVENT_CANCEL_REJECTED, order_id, 0, 0, 0, 0, 0, REJECT_UNKNOWN_ORDER, 0, 0, 0, 0)
        self._runs.settle()
        return events.count

    def replace(self, order_id: i64, price: i64, size: i64) -> i64:
        """Another price or total size for an order."""
        events = self.events
        events.clear()
        slot = self._book.store.find(order_id)
        code: i64 = REJECT_UNKNOWN_ORDER
        account_id: i64 = 0
        if slot != 0:
            account_id = self._book.store.rows[slot * WORDS + ACCOUNT]
            code = self._replacing.fault_of(slot, price, size)
        if code == NO_FAULT:
            self._replacing.apply(slot, price, size)
        else:
            events.add(EVENT_REPLACE_REJECTED, order_id, account_id, 0, price, size, 0, code, 0, 0, 0, 0)
        self._runs.settle()
        return events.count

    def expire(self, now_ns: i64) -> i64:
        """End the orders whose time has come."""
        self.events.clear()
        due = self.next_expiry_ns()
        while due != 0 and due <= now_ns:
            slot = self._book.expiries.peekitem(0)[1].slot
            self._runs.groups.end(slot, EVENT_EXPIRED, 0)
            due = self.next_expiry_ns()
        self._runs.settle()
        return self.events.count

    def next_expiry_ns(self) -> i64:
        """When the next order expires; 0 when none does."""
        expiries = self._book.expiries
        if len(expiries) == 0:
            return 0
        key: tuple[int, int] = expiries.peekitem(0)[0]
        return key[0]

    def set_status(self, status: i64) -> i64:
        """How the instrument trades from now on: one of the `STATUS_` constants."""
        if status < STATUS_CLOSED or status > STATUS_DELISTED:
            raise MatchingError(f"{status} is no status of an instrument: take one of the STATUS_ constants")
        self.events.clear()
        self._runs.status = status
        self._runs.settle()
        return self.events.count

    @property
    def status(self) -> i64:
        """How the instrument trades."""
        return self._runs.status

    @property
    def best_bid(self) -> i64:
        """The best displayed bid, 0 for none."""
        return self._book.bids.best_shown_price()

    @property
    def best_ask(self) -> i64:
        """The best displayed ask, 0 for none."""
        return self._book.asks.best_shown_price()

    @property
    def last_price(self) -> i64:
        """The price of the last trade, 0 before the first."""
        return self._book.last_price

    @property
    def trade_count(self) -> i64:
        """How many trades there have been; the last one's id."""
        return self._book.trade_count

    @property
    def open_orders(self) -> i64:
        """How many orders work or wait."""
        return self._book.store.count

    @property
    def waiting_orders(self) -> i64:
        """How many stop orders wait for their trigger."""
        return self._book.triggers.count

    def band_price(self, side: i64) -> i64:
        """The limit that a market order of this side would get now; 0 where it has none or meets nothing."""
        return self._runs.crossing.band_price(side, 0)

    def depth(self, side: i64, levels: i64) -> list[tuple[int, int]]:
        """Price and shown size of the best levels that show something, best first."""
        return depth_of(self._side(side), levels)

    def shown(self, side: i64, price: i64) -> i64:
        """What a price shows."""
        return self._side(side).shown_at(price)

    def _side(self, side: i64) -> LevelSide:
        if side == BUY:
            return self._book.bids
        if side == SELL:
            return self._book.asks
        raise MatchingError(f"a side is {BUY} (bids) or {SELL} (asks), not {side}")

    @property
    def touched(self) -> list[tuple[int, int]]:
        """Side and price of the levels whose shown size may have changed since `clear_touched`, each once.

        Nothing is noted before the first `clear_touched`. Compiled code reads `touched_key(number)` instead.
        """
        found: dict[tuple[int, int], None] = {}
        number: i64 = 0
        while number < self._book.touched_count:
            key: int = self._book.touched_keys[number]
            found[(BUY, key) if key > 0 else (SELL, -key)] = None
            number += 1
        return list(found)

    @property
    def touched_count(self) -> i64:
        """How many touched levels are noted; seldom one of them twice."""
        return self._book.touched_count

    def touched_key(self, number: i64) -> i64:
        """A touched level: its price for a bid, its price negated for an ask."""
        if number < 0 or number >= self._book.touched_count:
            raise IndexError(f"there are {self._book.touched_count} touched levels, and none has the number {number}")
        return self._book.touched_keys[number]

    def clear_touched(self) -> None:
        """Begin to note anew which levels change."""
        self._book.clear_touched()

    def find(self, order_id: i64) -> i64:
        """The slot of an order, -1 for none; good until the next input."""
        slot = self._book.store.find(order_id)
        return slot if slot != 0 else -1

    def word(self, slot: i64, word: i64) -> i64:
        """One word of an order's row: `PRICE`, `REMAINING`, `FILLED` and so on of `store.py`."""
        rows = self._book.store.rows
        if slot <= 0 or rows[slot * WORDS + ORDER_ID] == 0:
            raise MatchingError(f"no order is in slot {slot}")
        return rows[slot * WORDS + word]

    def order(self, order_id: i64) -> OrderView | None:
        """All fields of a working or waiting order."""
        slot = self._book.store.find(order_id)
        if slot == 0:
            return None
        return view_of(self._book, slot)

    def orders(self) -> list[OrderView]:
        """Every order: bids by priority, asks by priority, then those outside the book as they were accepted."""
        return orders_of(self._book)

    def save(self) -> dict[str, object]:
        """The state as plain data."""
        saved = save_book(self._book)
        saved["status"] = int(self._runs.status)
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Become what `save` described; only for an engine that has taken no input."""
        if self._book.store.count != 0 or self._book.trade_count != 0:
            raise MatchingError("only a new engine can load a saved state")
        load_book(self._book, saved)
        status = saved["status"]
        if not isinstance(status, int):
            raise MatchingError("the saved status is not a number")
        self._runs.status = status


def _check_id(entry: OrderEntry) -> None:
    if entry.order_id <= 0:
        raise MatchingError(f"an order id is positive, not {entry.order_id}")
