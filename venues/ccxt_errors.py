"""What ccxt's errors mean for a gateway: refused, limited, not allowed, or an outcome that nobody knows.

Only an error that a venue gives instead of doing what it was asked for is a refusal. Everything else, a lost
connection, no answer in time, an answer that says nothing, leaves the outcome UNKNOWN: the venue is asked. Texts are
cut before they are shown: those of ccxt quote addresses with signatures in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from market.messages import (
    REJECT_AUTHENTICATION,
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_BALANCE,
    REJECT_DUPLICATE,
    REJECT_INSTRUMENT_STATUS,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_NOT_FILLABLE,
    REJECT_OPEN_ORDERS,
    REJECT_OTHER,
    REJECT_POST_ONLY,
    REJECT_PRICE_COLLAR,
    REJECT_RATE_LIMITED,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
)
from runtime.config.secrets import scrub
from venues.http import seconds_of

MOST_SHOWN: Final = 300
USUAL_PAUSE_S: Final = 30.0
LONGEST_PAUSE_S: Final = 3 * 24 * 3_600.0


class Outcome(Enum):
    """What is known of a request that failed."""

    REFUSED = "refused"
    NOT_FOUND = "not found"
    LIMITED = "limited"
    CLOCK = "clock"
    DENIED = "denied"
    UNKNOWN = "unknown"


class CallFailed(Exception):
    """A request that did not do what it was made for."""

    def __init__(
        self, outcome: Outcome, code: int, reason: str, pause_s: float = 0.0, is_of_orders: bool = False
    ) -> None:
        """Keep what is known; a pause is what the venue wants, of all requests or of new orders alone."""
        super().__init__(reason)
        self.outcome = outcome
        self.code = code
        self.reason = reason
        self.pause_s = pause_s
        self.is_of_orders = is_of_orders


# By the name of ccxt's class, the first in the order of inheritance counts.
_CLASSES: Final[dict[str, tuple[Outcome, int]]] = {
    "InsufficientFunds": (Outcome.REFUSED, REJECT_BALANCE),
    "OrderImmediatelyFillable": (Outcome.REFUSED, REJECT_POST_ONLY),
    "OrderNotFillable": (Outcome.REFUSED, REJECT_NOT_FILLABLE),
    "DuplicateOrderId": (Outcome.REFUSED, REJECT_DUPLICATE),
    "OrderNotFound": (Outcome.NOT_FOUND, REJECT_UNKNOWN_ORDER),
    "InvalidOrder": (Outcome.REFUSED, REJECT_OTHER),
    "BadSymbol": (Outcome.REFUSED, REJECT_UNKNOWN_INSTRUMENT),
    "BadRequest": (Outcome.REFUSED, REJECT_OTHER),
    "ArgumentsRequired": (Outcome.REFUSED, REJECT_OTHER),
    "NotSupported": (Outcome.REFUSED, REJECT_UNSUPPORTED),
    "MarketClosed": (Outcome.REFUSED, REJECT_INSTRUMENT_STATUS),
    "OperationRejected": (Outcome.REFUSED, REJECT_OTHER),
    "AuthenticationError": (Outcome.DENIED, REJECT_AUTHENTICATION),
    "InvalidNonce": (Outcome.CLOCK, REJECT_AUTHENTICATION),
    "DDoSProtection": (Outcome.LIMITED, REJECT_RATE_LIMITED),
    "RateLimitExceeded": (Outcome.LIMITED, REJECT_RATE_LIMITED),
}

# What a refusal says more exactly, by words in its text.
_WORDS: Final[tuple[tuple[str, int], ...]] = (
    ("PRICE_FILTER", REJECT_BAD_PRICE),
    ("PERCENT_PRICE", REJECT_PRICE_COLLAR),
    ("LOT_SIZE", REJECT_BAD_SIZE),
    ("NOTIONAL", REJECT_MINIMUM_NOTIONAL),
    ("MAX_NUM_ORDERS", REJECT_OPEN_ORDERS),
    ("Duplicate order", REJECT_DUPLICATE),
    ("precision", REJECT_BAD_PRICE),
    ("Unsupported order combination", REJECT_UNSUPPORTED),
)
_TOO_MANY_ORDERS: Final = "-1015"
_QUERY: Final = re.compile(r"\?\S+")


def failure_of(error: Exception, headers: Mapping[str, str] | None) -> CallFailed:
    """What an error of ccxt means; `headers` are those of the last answer, if there was one."""
    text = _QUERY.sub("", scrub(str(error)))[:MOST_SHOWN]
    reason = f"{type(error).__name__}: {text}"
    outcome, code = next(
        (_CLASSES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _CLASSES),
        (Outcome.UNKNOWN, REJECT_OTHER),
    )
    if outcome is Outcome.REFUSED and code == REJECT_OTHER:
        code = next((number for word, number in _WORDS if word in text), REJECT_OTHER)
    if outcome is Outcome.LIMITED:
        asked_s = seconds_of((headers or {}).get("Retry-After", ""))
        pause_s = USUAL_PAUSE_S if asked_s is None else min(asked_s, LONGEST_PAUSE_S)
        return CallFailed(outcome, code, reason, pause_s, _TOO_MANY_ORDERS in text)
    return CallFailed(outcome, code, reason)
