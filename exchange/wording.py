"""What the exchange says when it refuses: the text of each code, and which names of orders there can be.

A refusal says what is wrong in words that a client can act on; its code is what programs read.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.matching.settings import reject_text
from market.messages import (
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
