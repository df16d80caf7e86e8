"""How a group of orders is taken: all of them or none."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.checks import NO_FAULT, is_stop
from market.matching.entry import OrderEntry
from market.matching.intake import Intake
from market.matching.runs import Runs
from market.matching.special import DORMANT, ENTRY, PAIRED, Group
from market.matching.store import GROUPED, REMAINING, STATE, WORDS
from market.messages.constants import (
    EVENT_REJECTED,
    FOK,
    GROUP_BRACKET,
    GROUP_OCO,
    IOC,
    MARKET,
    PEGGED,
    REJECT_DUPLICATE,
    REJECT_INSTRUMENT_STATUS,
    REJECT_OTHER,
    REJECT_UNSUPPORTED,
)


@final
class GroupIntake:
    """Takes groups into one book."""

    def __init__(self, book: OrderBook, runs: Runs, intake: Intake) -> None:
        """Work on one book."""
        self._book: OrderBook = book
        self._runs: Runs = runs
        self._intake: Intake = intake

    def submit(self, kind: i64, entries: list[OrderEntry], now_ns: i64) -> None:
        """Take the orders of a group, or refuse them all."""
        codes: list[int] = []
        if is_misshapen(kind, entries):
            codes = [REJECT_UNSUPPORTED] * len(entries)
        else:
            seen: set[int] = set()
            for number in range(len(entries)):
                entry = entries[number]
                codes.append(self._fault_of(kind, entry, number, entry.order_id in seen, now_ns))
                seen.add(entry.order_id)
        if any(code != NO_FAULT for code in codes):
            for number in range(len(entries)):
                self._reject(entries[number], codes[number])
        else:
            self._take(kind, entries)

    def _fault_of(self, kind: i64, entry: OrderEntry, number: i64, repeated: bool, now_ns: i64) -> i64:
        """The first fault by rules 1 to 8, and by what groups do not take."""
        code = self._intake.fault_of(entry, now_ns, number)
        if code in (REJECT_INSTRUMENT_STATUS, REJECT_DUPLICATE):
            return code
        if repeated:
            return REJECT_DUPLICATE
        if is_unfit(entry, kind == GROUP_BRACKET and number == 0):
            return REJECT_UNSUPPORTED
        return code

    def _reject(self, entry: OrderEntry, code: i64) -> None:
        self._book.events.add(
            EVENT_REJECTED, entry.order_id, entry.account_id, entry.side, entry.price, entry.size, 0,
            REJECT_OTHER if code == NO_FAULT else code, 0, 0, 0, 0,
        )  # fmt: skip

    def _take(self, kind: i64, entries: list[OrderEntry]) -> None:
        book = self._book
        group = Group(kind)
        for entry in entries:
            slot = self._intake.add(entry, entry.price)
            special = self._intake.special_of(slot)
            special.group = group
            special.place = DORMANT
            special.role = PAIRED
            group.members.append(special)
            book.store.rows[slot * WORDS + STATE] |= GROUPED
            if kind == GROUP_BRACKET:
                if len(group.members) == 1:
                    special.role = ENTRY
                    group.entry = special
                else:
                    book.store.rows[slot * WORDS + REMAINING] = 0
            if is_stop(entry.order_type):
                self._intake.prepare_stop(entry, special)
            self._intake.accept_member(entry)
        for member in group.members.copy():
            if member.group is group and (kind == GROUP_OCO or member.role == ENTRY):
                self._runs.begin(member)
                self._runs.pay_exits()


def is_misshapen(kind: i64, entries: list[OrderEntry]) -> bool:
    """Whether these orders, whatever each is by itself, are no group of this kind."""
    count = len(entries)
    if kind == GROUP_OCO:
        wrong = count != 2
    else:
        wrong = kind != GROUP_BRACKET or count < 2 or count > 3
    if wrong:
        return True
    first = entries[0]
    for number in range(1, count):
        entry = entries[number]
        if entry.account_id != first.account_id or entry.account_group != first.account_group:
            return True
        if kind == GROUP_OCO:
            if entry.side != first.side:
                return True
        elif entry.side == first.side or entry.size != first.size:
            return True
    return False


def is_unfit(entry: OrderEntry, is_entry: bool) -> bool:
    """Whether groups do not take this kind of order."""
    if entry.order_type == MARKET:
        return not is_entry or entry.time_in_force == FOK or entry.display_size != 0
    at_once = entry.time_in_force == IOC or entry.time_in_force == FOK
    return at_once or entry.order_type == PEGGED or entry.display_size != 0
