"""The parameters of a REST request: read from query and body, each once, each by the venue's rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

from exchange.outside.binance_errors import (
    BAD_PARAMETER,
    BAD_PRECISION,
    BAD_SYMBOL,
    EMPTY,
    ILLEGAL_CHARACTERS,
    MANDATORY,
    TOO_MANY_PARAMETERS,
    UNREAD,
    ApiError,
    missing,
)
from exchange.outside.books import Market
from market.numbers import NumberError, TooManyDigits, parse_decimal

MOST_PARAMETERS: Final = 64
MAX_I64: Final = 2**63 - 1
_NUMBER: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_WHOLE: Final = r"^[0-9]{1,20}$"
CLIENT_ID: Final = r"^[a-zA-Z0-9-_]{1,36}$"
_PATTERNS: Final = {pattern: re.compile(pattern, re.ASCII) for pattern in (_NUMBER, _WHOLE, CLIENT_ID)}


def read_parameters(query: str, body: str) -> dict[str, str]:
    """Names and values, decoded; what stands twice is refused, as no one could tell which counts."""
    found: dict[str, str] = {}
    pieces = [piece for text in (query, body) for piece in text.split("&") if piece]
    if len(pieces) > MOST_PARAMETERS:
        raise ApiError(
            TOO_MANY_PARAMETERS, f"Too many parameters; expected '{MOST_PARAMETERS}' and received '{len(pieces)}'."
        )
    for piece in pieces:
        name, _, value = piece.partition("=")
        name = unquote_plus(name)
        if name in found:
            raise ApiError(TOO_MANY_PARAMETERS, "Duplicate values for a parameter detected.")
        found[name] = unquote_plus(value)
    return found


def unsigned_payload(query: str, body: str) -> str:
    """What is signed: query and body as they were sent, one behind the other, without the signature itself."""
    return "".join(
        "&".join(piece for piece in text.split("&") if not piece.startswith("signature=")) for text in (query, body)
    )


class Query:
    """The parameters of one request, against the names that its path knows."""

    def __init__(self, values: Mapping[str, str], known: frozenset[str]) -> None:
        read = [name for name in values if name in known]
        if len(read) < len(values):
            raise ApiError(
                UNREAD,
                f"Not all sent parameters were read; read '{len(read)}' parameter(s) but was sent '{len(values)}'.",
            )
        self._values = values

    def has(self, name: str) -> bool:
        """Whether it was sent."""
        return name in self._values

    def text(self, name: str, default: str | None = None) -> str:
        """Text; without a default it must be there."""
        value = self._values.get(name)
        if value is None:
            if default is None:
                raise missing(name)
            return default
        if not value:
            raise missing(name) if default is None else ApiError(EMPTY, f"Parameter '{name}' was empty.")
        return value

    def matching(self, name: str, pattern: str, default: str | None = None) -> str:
        """Text of a form."""
        value = self.text(name, default)
        if self.has(name) and _PATTERNS[pattern].fullmatch(value) is None:
            raise ApiError(
                ILLEGAL_CHARACTERS, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'."
            )
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number that an `i64` holds."""
        value = int(self.matching(name, _WHOLE, None if default is None else str(default)))
        if value > MAX_I64:
            raise ApiError(BAD_PARAMETER, f"Data sent for parameter '{name}' is not valid.")
        return value

    def limit(self, default: int, most: int) -> int:
        """How many rows; more than there can be are as many as there can be."""
        value = self.whole("limit", default)
        if value == 0:
            raise ApiError(MANDATORY, "Mandatory parameter 'limit' was not sent, was empty/null, or malformed.")
        return min(value, most)

    def amount(self, name: str, scale: int, default: str | None = None) -> int:
        """A price or a size, exactly, as a scaled integer."""
        value = self.matching(name, _NUMBER, default)
        try:
            # Zeros behind the last digit say nothing: clients write as many places as they like.
            return int(parse_decimal(value.rstrip("0").rstrip(".") if "." in value else value, scale))
        except TooManyDigits:
            raise ApiError(BAD_PRECISION, f"Parameter '{name}' has too much precision.") from None
        except NumberError:
            raise ApiError(BAD_PARAMETER, f"Data sent for parameter '{name}' is not valid.") from None

    def market(self, markets: Mapping[str, Market]) -> Market:
        """The market that `symbol` names."""
        market = markets.get(self.text("symbol"))
        if market is None:
            raise ApiError(BAD_SYMBOL, "Invalid symbol.")
        return market
