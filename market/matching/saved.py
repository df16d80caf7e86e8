"""The state of an engine as plain data: the columns of all orders as packed text, and the rarer fields in lists.

What is saved does not depend on the slots that orders happen to have: engines that took the same inputs save the same,
whether or not one of them was loaded on the way.
"""

from __future__ import annotations

from typing import Final

from librt.base64 import b64decode, b64encode
from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from market.matching.book import OrderBook
from market.matching.settings import MatchingError
from market.matching.special import ENTRY, Group, Special
from market.matching.store import (
    ACCOUNT,
    ACCOUNT_GROUP,
    BOOKED,
    FILLED,
    ICEBERG,
    LOWER,
    ORDER_ID,
    PRICE,
    REMAINING,
    SPECIAL,
    STATE,
    WORDS,
)
from market.matching.view import outside_of, slots_of

VERSION: Final = 1
_SAVED_WORDS: Final = 7


def save_book(book: OrderBook) -> dict[str, object]:
    """All of a book as plain data."""
    # Levels from the worst on: each is then listed at the end when it is loaded, and nothing moves.
    inside = slots_of(book, book.bids, False) + slots_of(book, book.asks, False)
    outside = outside_of(book)
    slots = inside + outside
    rows = book.store.rows
    packed = vec[i64]([0] * (len(slots) * _SAVED_WORDS))
    position: i64 = 0
    specials: list[list[int]] = []
    groups: dict[Group, int] = {}
    for slot in slots:
        at = slot * WORDS
        packed[position] = rows[at + ORDER_ID]
        packed[position + 1] = rows[at + ACCOUNT]
        packed[position + 2] = rows[at + ACCOUNT_GROUP]
        packed[position + 3] = rows[at + PRICE]
        packed[position + 4] = rows[at + REMAINING]
        packed[position + 5] = rows[at + FILLED]
        packed[position + 6] = rows[at + STATE] & (LOWER - BOOKED - SPECIAL)
        if rows[at + STATE] & SPECIAL != 0:
            specials.append(_save_special(book.special_of(slot), position // _SAVED_WORDS))
        position += _SAVED_WORDS
    ranked = sorted(book.specials.values(), key=_rank)
    for special in ranked:
        if special.group is not None and special.group not in groups:
            groups[special.group] = len(groups)
    return {
        "version": VERSION,
        "orders": b64encode(bytes(memoryview(packed))).decode("ascii"),
        "booked": len(inside),
        "specials": specials,
        "groups": [_save_group(group) for group in groups],
        "last_price": int(book.last_price),
        "trade_count": int(book.trade_count),
        "sequence": int(book.sequence),
    }


def _rank(special: Special) -> int:
    return special.sequence


def _save_special(special: Special, number: i64) -> list[int]:
    return [
        number, special.sequence, special.place, special.display_size, special.slice, special.stop_price,
        special.offset, special.expire_ns, special.peg_reference, special.cap, special.role, special.owed,
    ]  # fmt: skip


def _save_group(group: Group) -> list[int]:
    return [group.kind, *[member.sequence for member in group.members]]


def load_book(book: OrderBook, saved: dict[str, object]) -> None:
    """Become what `save_book` described; the book is a new one."""
    if saved.get("version") != VERSION:
        raise MatchingError(f"the saved state of a matching engine is not of version {VERSION}")
    orders = saved["orders"]
    if not isinstance(orders, str):
        raise MatchingError("the saved orders are not a text")
    packed = b64decode(orders)
    count = len(packed) // (8 * _SAVED_WORDS)
    booked = _number(saved, "booked")
    by_order = {row[0]: row for row in _rows(saved, "specials")}
    by_sequence: dict[int, Special] = {}
    number: i64 = 0
    while number < count:
        slot = _add_row(book, packed, number * 8 * _SAVED_WORDS)
        row = by_order.get(number)
        if row is not None:
            special = _load_special(book, slot, row)
            by_sequence[special.sequence] = special
        if number < booked:
            book.join(slot)
            if row is not None and book.store.rows[slot * WORDS + STATE] & ICEBERG != 0:
                book.set_slice(slot, row[4])
        elif row is not None:
            book.wait(book.special_of(slot), row[2])
        number += 1
    for sequence in sorted(by_sequence):
        special = by_sequence[sequence]
        if special.peg_reference != 0:
            book.pegs[sequence] = special
    for members in _rows(saved, "groups"):
        group = Group(members[0])
        for sequence in members[1:]:
            special = by_sequence[sequence]
            special.group = group
            group.members.append(special)
            if special.role == ENTRY:
                group.entry = special
    book.last_price = _number(saved, "last_price")
    book.trade_count = _number(saved, "trade_count")
    book.sequence = _number(saved, "sequence")


def _add_row(book: OrderBook, packed: bytes, at: i64) -> i64:
    """Give a saved order a row, in no queue yet."""
    slot = book.store.add(
        read_i64_le(packed, at), read_i64_le(packed, at + 8), read_i64_le(packed, at + 16),
        read_i64_le(packed, at + 24), read_i64_le(packed, at + 32), read_i64_le(packed, at + 48),
    )  # fmt: skip
    book.store.rows[slot * WORDS + FILLED] = read_i64_le(packed, at + 40)
    return slot


def _load_special(book: OrderBook, slot: i64, row: list[int]) -> Special:
    special = book.make_special(slot)
    special.sequence = row[1]
    special.display_size = row[3]
    special.slice = row[4]
    special.stop_price = row[5]
    special.offset = row[6]
    special.expire_ns = row[7]
    special.peg_reference = row[8]
    special.cap = row[9]
    special.role = row[10]
    special.owed = row[11]
    if special.expire_ns != 0:
        book.expiries[(special.expire_ns, special.sequence)] = special
    return special


def _number(saved: dict[str, object], name: str) -> int:
    value = saved[name]
    if not isinstance(value, int):
        raise MatchingError(f"the saved {name} is not a number")
    return value


def _rows(saved: dict[str, object], name: str) -> list[list[int]]:
    """A saved list of lists of numbers."""
    found: list[list[int]] = []
    value = saved[name]
    if not isinstance(value, list):
        raise MatchingError(f"the saved {name} are not a list")
    for row in value:
        if not isinstance(row, list):
            raise MatchingError(f"the saved {name} are not lists of numbers")
        found.append([int(cell) for cell in row])
    return found
