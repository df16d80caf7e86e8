"""Orders that belong together: one cancels the other, and exits that grow with what their entry has traded.

What an entry has traded is owed to its exits until the incoming order has come to its end; the engine then lets the
exits take it. What one member trades, the others lose at once.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.special import DORMANT, ENTRY, PAIRED, Group, Special
from market.matching.store import GROUPED, REMAINING, STATE, WORDS
from market.messages.constants import CAUSE_GROUP, EVENT_CANCELLED, EVENT_REDUCED


@final
class Groups:
    """The groups whose exits are owed something, and what happens to the members of a group."""

    def __init__(self, book: OrderBook) -> None:
        """Work on one book."""
        self._book: OrderBook = book
        self._owing: list[Group] = []

    def end(self, slot: i64, kind: i64, cause: i64) -> None:
        """End an order otherwise than by trading: its event, and what follows for its group."""
        book = self._book
        book.report(kind, slot, 0, cause, 0)
        book.withdraw(slot)
        if book.store.rows[slot * WORDS + STATE] & GROUPED != 0:
            special = book.special_of(slot)
            book.forget(slot)
            self._dissolve(special)
        else:
            book.forget(slot)

    def _dissolve(self, ended: Special) -> None:
        """A member has ended, not by trading: the others go, but the exits of an entry keep what they have."""
        group = ended.group
        if group is None:
            return
        ended.group = None
        left = [member for member in group.members if member is not ended]
        if ended.role == ENTRY:
            group.entry = None
            kept = [member for member in left if self._live(member) + member.owed != 0]
            going = [member for member in left if self._live(member) + member.owed == 0]
        else:
            kept = []
            going = left
            group.entry = None
        group.members = kept
        for member in going:
            self._cancel(member)

    def _cancel(self, member: Special) -> None:
        """Cancel a member on account of its group, without consequences."""
        book = self._book
        book.report(EVENT_CANCELLED, member.slot, 0, CAUSE_GROUP, 0)
        book.withdraw(member.slot)
        member.owed = 0
        member.group = None
        book.forget(member.slot)

    def _live(self, member: Special) -> i64:
        return self._book.store.rows[member.slot * WORDS + REMAINING]

    def _future(self, group: Group) -> i64:
        """What the exits of a group may still come to have: what is left of the entry."""
        entry = group.entry
        if entry is None:
            return 0
        return self._live(entry)

    def traded(self, incoming: i64, resting: i64, size: i64) -> None:
        """Two orders have traded: exits are owed what an entry has traded, then the others lose what a member has."""
        rows = self._book.store.rows
        one: Special | None = None
        other: Special | None = None
        if rows[resting * WORDS + STATE] & GROUPED != 0:
            one = self._book.special_of(resting)
            self._owe(one, size)
        if rows[incoming * WORDS + STATE] & GROUPED != 0:
            other = self._book.special_of(incoming)
            self._owe(other, size)
        if one is not None:
            self._lose(one, size)
        if other is not None:
            self._lose(other, size)

    def _owe(self, special: Special, size: i64) -> None:
        group = special.group
        if special.role != ENTRY or group is None:
            return
        for member in group.members:
            if member is not special:
                member.owed += size
        if not group.queued:
            group.queued = True
            self._owing.append(group)

    def _lose(self, special: Special, size: i64) -> None:
        group = special.group
        if special.role != PAIRED or group is None:
            return
        future = self._future(group)
        for member in group.members.copy():
            if member is special or member.role != PAIRED:
                continue
            live = self._live(member)
            lost = min(size, live + member.owed)
            if live + member.owed - lost + future == 0:
                group.members.remove(member)
                self._cancel(member)
            elif lost > 0:
                self._reduce(member, lost)

    def _reduce(self, member: Special, lost: i64) -> None:
        """Take a loss from what a member has, first from what works."""
        book = self._book
        at = member.slot * WORDS
        live = book.store.rows[at + REMAINING]
        part = min(lost, live)
        member.owed -= lost - part
        shown: i64 = 0
        if part == live:
            if member.place != DORMANT:
                book.withdraw(member.slot)
                book.wait(member, DORMANT)
            book.store.rows[at + REMAINING] = 0
        else:
            shown = book.shrink(member.slot, part)
        book.report(EVENT_REDUCED, member.slot, lost, CAUSE_GROUP, shown)

    def filled(self, slot: i64) -> None:
        """A member in no queue has traded all that it had: it ends, or it sleeps until more is owed to it."""
        book = self._book
        special = book.special_of(slot)
        group = special.group
        if group is not None:
            if special.role == PAIRED and special.owed + self._future(group) != 0:
                book.wait(special, DORMANT)
                return
            group.members.remove(special)
            special.group = None
            if special.role == ENTRY:
                group.entry = None
        book.forget(slot)

    def next_owing(self) -> Group | None:
        """Take the next group whose exits are owed something."""
        if len(self._owing) == 0:
            return None
        group = self._owing.pop(0)
        group.queued = False
        return group
