"""What the paths of Binance's REST interface have in common: their table's rows, and what a call is served from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import attrs

from exchange.keys import Key
from exchange.outside.binance_errors import rejected_key, timed_out
from exchange.outside.binance_params import BinanceParams
from exchange.outside.binance_query import Query
from exchange.outside.binance_users import ListenKeys
from exchange.outside.books import Market
from exchange.outside.desk import DeskTimeout, OrderDesk, Seat, SeatRefused
from runtime.clock import Clock

OPEN: Final = 0
"""Anybody may ask."""
KEYED: Final = 1
"""A key must be named."""
SIGNED: Final = 2
"""A key must have signed it."""

SIGNED_NAMES: Final = frozenset({"timestamp", "recvWindow", "signature"})


@attrs.frozen
class Context:
    """What calls are served from."""

    params: BinanceParams
    clock: Clock
    markets: dict[str, Market]
    desk: OrderDesk
    listen_keys: ListenKeys


@attrs.frozen
class Call:
    """One request, its parameters read, and who asks where that was proved."""

    context: Context
    query: Query
    key: Key | None

    async def seat(self) -> Seat:
        """The asker's place at the exchange."""
        assert self.key is not None
        try:
            return await self.context.desk.seat_of(self.key)
        except SeatRefused:
            raise rejected_key() from None
        except DeskTimeout:
            raise timed_out() from None


def light(_: Mapping[str, str]) -> int:
    """The weight of what costs nothing."""
    return 1


@attrs.frozen
class Endpoint:
    """What is behind a method and a path. `scope` is what the key must be allowed to, 0 for nothing."""

    serve: Callable[[Call], Awaitable[object]]
    names: frozenset[str] = frozenset()
    weight: Callable[[Mapping[str, str]], int] = light
    security: int = OPEN
    scope: int = 0

    def known(self) -> frozenset[str]:
        """Every parameter that it reads."""
        return self.names | SIGNED_NAMES if self.security == SIGNED else self.names


Endpoints = dict[tuple[str, str], Endpoint]


def fixed(weight: int) -> Callable[[Mapping[str, str]], int]:
    """The same weight whatever the parameters are."""
    return lambda _: weight
