"""The errors of Binance's REST interface: documented codes with their documented words, and what the exchange's mean.

An error is a status, a code and a text. What the exchange refuses for a reason that the venue has no word for carries
the exchange's own words behind the nearest code.
"""

from __future__ import annotations

from typing import Final

import msgspec

from exchange.outside.binance_frames import encode
from exchange.outside.server import HttpResponse
from market.messages import (
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_BALANCE,
    REJECT_DUPLICATE,
    REJECT_HALTED,
    REJECT_INSTRUMENT_STATUS,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_RATE,
    REJECT_POST_ONLY,
    REJECT_PRICE_COLLAR,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
    RequestAnswered,
)

UNKNOWN: Final = -1000
TOO_MANY_REQUESTS: Final = -1003
TIMEOUT: Final = -1007
INVALID_MESSAGE: Final = -1013
TOO_MANY_ORDERS: Final = -1015
INVALID_TIMESTAMP: Final = -1021
INVALID_SIGNATURE: Final = -1022
ILLEGAL_CHARACTERS: Final = -1100
TOO_MANY_PARAMETERS: Final = -1101
MANDATORY: Final = -1102
UNREAD: Final = -1104
EMPTY: Final = -1105
NOT_REQUIRED: Final = -1106
BAD_PRECISION: Final = -1111
BAD_TIME_IN_FORCE: Final = -1115
BAD_ORDER_TYPE: Final = -1116
BAD_SIDE: Final = -1117
BAD_INTERVAL: Final = -1120
BAD_SYMBOL: Final = -1121
BAD_LISTEN_KEY: Final = -1125
BAD_COMBINATION: Final = -1128
BAD_PARAMETER: Final = -1130
BAD_WINDOW: Final = -1131
ORDER_REJECTED: Final = -2010
CANCEL_REJECTED: Final = -2011
NO_SUCH_ORDER: Final = -2013
BAD_KEY_FORMAT: Final = -2014
REJECTED_KEY: Final = -2015

BAD_REQUEST_STATUS: Final = 400
UNAUTHORIZED_STATUS: Final = 401
LIMITED_STATUS: Final = 429
BANNED_STATUS: Final = 418
TIMEOUT_STATUS: Final = 504

FAILED_TIMEOUT: Final = (
    "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
)
FAILED_KEY: Final = "Invalid API-key, IP, or permissions for action."

_OF_ORDERS: Final[dict[int, tuple[int, str]]] = {
    REJECT_BAD_PRICE: (INVALID_MESSAGE, "Filter failure: PRICE_FILTER"),
    REJECT_BAD_SIZE: (INVALID_MESSAGE, "Filter failure: LOT_SIZE"),
    REJECT_MINIMUM_NOTIONAL: (INVALID_MESSAGE, "Filter failure: NOTIONAL"),
    REJECT_PRICE_COLLAR: (INVALID_MESSAGE, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    REJECT_OPEN_ORDERS: (INVALID_MESSAGE, "Filter failure: MAX_NUM_ORDERS"),
    REJECT_ORDER_RATE: (TOO_MANY_ORDERS, "Too many new orders."),
    REJECT_RATE_LIMITED: (TOO_MANY_ORDERS, "Too many new orders."),
    REJECT_BALANCE: (ORDER_REJECTED, "Account has insufficient balance for requested action."),
    REJECT_DUPLICATE: (ORDER_REJECTED, "Duplicate order sent."),
    REJECT_POST_ONLY: (ORDER_REJECTED, "Order would immediately match and take."),
    REJECT_HALTED: (ORDER_REJECTED, "Market is closed."),
    REJECT_INSTRUMENT_STATUS: (ORDER_REJECTED, "Market is closed."),
    REJECT_UNSUPPORTED: (ORDER_REJECTED, "Unsupported order combination"),
}


class ApiError(Exception):
    """What a client is answered instead of what it wanted."""

    def __init__(
        self, code: int, text: str, status: int = BAD_REQUEST_STATUS, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status
        self.headers = headers


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of an error."""

    code: int
    msg: str


def error_response(error: ApiError) -> HttpResponse:
    """The answer that tells an error."""
    response = HttpResponse(error.status, encode(ErrorBody(error.code, error.text)))
    return HttpResponse(error.status, response.body, (*response.headers, *error.headers))


def missing(name: str) -> ApiError:
    """A parameter that must be there."""
    return ApiError(MANDATORY, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def rejected_key() -> ApiError:
    """A key that may not do this, or is none."""
    return ApiError(REJECTED_KEY, FAILED_KEY, UNAUTHORIZED_STATUS)


def timed_out() -> ApiError:
    """The exchange has not answered: nobody knows whether it will."""
    return ApiError(TIMEOUT, FAILED_TIMEOUT, TIMEOUT_STATUS)


def refused_order(answer: RequestAnswered) -> ApiError:
    """An order that the exchange did not take."""
    code, text = _OF_ORDERS.get(answer.code, (ORDER_REJECTED, f"NEW_ORDER_REJECTED: {answer.reason}"))
    return ApiError(code, text, LIMITED_STATUS if code == TOO_MANY_ORDERS else BAD_REQUEST_STATUS)


def refused_cancel(answer: RequestAnswered) -> ApiError:
    """A cancel that the exchange did not take."""
    if answer.code in (REJECT_UNKNOWN_ORDER, REJECT_TOO_LATE):
        return ApiError(CANCEL_REJECTED, "Unknown order sent.")
    return ApiError(CANCEL_REJECTED, f"CANCEL_REJECTED: {answer.reason}")
