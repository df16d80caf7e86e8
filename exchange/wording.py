"""What the exchange says when it refuses: the text of each code, which names there can be, what makes no group.

A refusal says what is wrong in words that a client can act on; its code is what programs read.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.matching.settings import reject_text
from market.messages import (
    FOK,
    GROUP_BRACKET,
    GROUP_OCO,
    IOC,
    MARKET,
    PEGGED,
    REJECT_AUTHENTICATION,
    REJECT_BAD_PRICE,
    REJECT_BALANCE,
    REJECT_DUPLICATE,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_RATE,
    REJECT_OTHER,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
    EntryWanted,
)

LONGEST_CLIENT_ID: Final = 36

TEXTS: Final[dict[int, str]] = {
    REJECT_AUTHENTICATION: "there is no such account",
    REJECT_BAD_PRICE: "a pegged buy needs a cap when nothing is offered",
    REJECT_BALANCE: "the account has less than the order may need",
    REJECT_DUPLICATE: "an open order of the account has this client order id",
    REJECT_OPEN_ORDERS: "the account has as many open orders as it may, or the book as many slices",
    REJECT_ORDER_RATE: "too many orders for the trades of this day",
    REJECT_RATE_LIMITED: "too many messages in the window",
    REJECT_TOO_LATE: "the order has ended already",
    REJECT_UNKNOWN_INSTRUMENT: "there is no such instrument here",
    REJECT_UNKNOWN_ORDER: "the account has no such order in this instrument",
}
INCOMPLETE: Final = "its group did not arrive whole"
BAD_CLIENT_ID: Final = "a client order id has at most 36 printable ASCII characters"

NO_GROUP: Final = "a group is a pair, or an entry with one or two exits"
NO_PAIR: Final = "of a pair one cancels the other: it has two orders"
TWO_SIDES: Final = "both orders of a pair are on the same side"
EXIT_SIDE: Final = "the exits of a bracket are on the other side than its entry"
EXIT_SIZE: Final = "the exits of a bracket have the size of its entry"
NO_MARKET: Final = "of a group only the entry of a bracket may be a market order"
NOT_AT_ONCE: Final = "an order of a group is not IOC or FOK; a market entry of a bracket may be IOC"
NOT_PEGGED: Final = "an order of a group is not pegged"
NO_ICEBERG: Final = "an order of a group is no iceberg and not hidden"
NO_CHANGE: Final = "an order of a group cannot be changed: cancel it, which ends the group, and enter another"


def is_client_id(text: str) -> bool:
    """Whether a client may call an order so."""
    return len(text) <= LONGEST_CLIENT_ID and text.isascii() and text.isprintable()


def text_of(entry: EntryWanted, code: i64) -> str:
    """Why an order is refused, in plain words."""
    if code == REJECT_UNSUPPORTED and not is_client_id(entry.client_order_id):
        return BAD_CLIENT_ID
    if code == REJECT_OTHER:
        return reject_text(code)
    return TEXTS[code]


def count_fault(entry: EntryWanted) -> str:
    """What is wrong with the kind of a group or the number of its orders; empty when nothing is."""
    if entry.group_kind == GROUP_OCO:
        return "" if entry.group_count == 2 else NO_PAIR
    return "" if entry.group_kind == GROUP_BRACKET and entry.group_count in (2, 3) else NO_GROUP


def shape_fault(kind: i64, entries: list[EntryWanted]) -> str:
    """Why these orders, whatever each is by itself, make no group; empty when they do."""
    first = entries[0]
    for place in range(1, len(entries)):
        entry = entries[place]
        if kind == GROUP_OCO:
            if entry.side != first.side:
                return TWO_SIDES
        elif entry.side == first.side:
            return EXIT_SIDE
        elif entry.size != first.size:
            return EXIT_SIZE
    return ""


def member_fault(entry: EntryWanted, is_entry: bool) -> str:
    """Why groups do not take an order of this kind; empty when they do. The engine refuses the same."""
    if entry.order_type == PEGGED:
        return NOT_PEGGED
    if entry.display_size != 0:
        return NO_ICEBERG
    if entry.order_type == MARKET:
        if not is_entry:
            return NO_MARKET
        return NOT_AT_ONCE if entry.time_in_force == FOK else ""
    return NOT_AT_ONCE if entry.time_in_force in (IOC, FOK) else ""
