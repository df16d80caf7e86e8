"""What an instrument's matching is told once: steps, limits and bounds, and in words why an order was refused.

The bounds are checked here once, so that no sum or product inside the engine can pass 64 bits: prices stay below 2^61,
and all the orders that an engine may hold at their largest size stay below 2^62 together.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.messages.constants import (
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_DUPLICATE,
    REJECT_EXPIRED,
    REJECT_INSTRUMENT_STATUS,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_NOT_FILLABLE,
    REJECT_OPEN_ORDERS,
    REJECT_OTHER,
    REJECT_POST_ONLY,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
)

MOST_PRICE: Final = 2305843009213693951  # 2 ** 61 - 1
MOST_TOGETHER: Final = 4611686018427387903  # 2 ** 62 - 1
MOST_ORDERS: Final = 1 << 30
MOST_SLICES: Final = 1 << 20
MILLION: Final = 1_000_000

TEXTS: Final[dict[int, str]] = {
    REJECT_OTHER: "another order of its group was refused",
    REJECT_UNKNOWN_ORDER: "no order with this id works or waits",
    REJECT_DUPLICATE: "an order with this id works or waits already",
    REJECT_BAD_PRICE: "a price, stop price, offset or time of expiry is missing, off the tick or out of bounds",
    REJECT_BAD_SIZE: "the size or display size is off the lot or out of bounds",
    REJECT_MINIMUM_NOTIONAL: "price times size is below the minimum",
    REJECT_UNSUPPORTED: "order type, time in force and flags do not go together",
    REJECT_OPEN_ORDERS: "the book holds as many orders as it may",
    REJECT_POST_ONLY: "it is post-only and would trade at once",
    REJECT_NOT_FILLABLE: "it is fill-or-kill and cannot be filled whole now",
    REJECT_EXPIRED: "its time of expiry has passed",
    REJECT_INSTRUMENT_STATUS: "the instrument does not take this now",
}


class MatchingError(ValueError):
    """Settings, an order id or saved data that no engine can work with; the message says what is wrong."""


def reject_text(code: i64) -> str:
    """Why the engine refused, in plain words."""
    return TEXTS.get(code, "it was refused")


@final
class MatchingSettings:
    """Steps and limits of one instrument; see `docs/matching.md` for what each does."""

    def __init__(
        self,
        tick: i64 = 1,
        lot: i64 = 1,
        minimum_size: i64 = 1,
        maximum_size: i64 = 1_000_000_000_000,
        maximum_price: i64 = 1_000_000_000_000,
        minimum_notional: i64 = 0,
        band_ppm: i64 = 0,
        most_orders: i64 = 2_000_000,
        most_pegged: i64 = 1_000,
        most_slices: i64 = 1_000,
        most_triggers: i64 = 1_000,
    ) -> None:
        """Check every bound."""
        _check("tick", tick, 1, MOST_PRICE)
        _check("lot", lot, 1, MOST_TOGETHER)
        _check("maximum_size", maximum_size, 1, MOST_TOGETHER)
        _check("minimum_size", minimum_size, 1, maximum_size)
        _check("maximum_price", maximum_price, tick, MOST_PRICE)
        _check("minimum_notional", minimum_notional, 0, MOST_TOGETHER)
        _check("band_ppm", band_ppm, 0, MILLION)
        _check("most_orders", most_orders, 1, MOST_ORDERS)
        _check("most_pegged", most_pegged, 0, MOST_ORDERS)
        _check("most_slices", most_slices, 1, MOST_SLICES)
        _check("most_triggers", most_triggers, 1, MOST_ORDERS)
        largest: int = maximum_size
        count: int = most_orders
        if largest * count > MOST_TOGETHER:
            raise MatchingError(f"{most_orders} orders of {maximum_size} pass {MOST_TOGETHER}: lower one of the two")
        self.tick: i64 = tick
        self.lot: i64 = lot
        self.minimum_size: i64 = minimum_size
        self.maximum_size: i64 = maximum_size
        self.maximum_price: i64 = maximum_price
        self.minimum_notional: i64 = minimum_notional
        self.band_ppm: i64 = band_ppm
        self.most_orders: i64 = most_orders
        self.most_pegged: i64 = most_pegged
        self.most_slices: i64 = most_slices
        self.most_triggers: i64 = most_triggers
        price: int = maximum_price
        self.narrow: bool = price * largest <= MOST_TOGETHER

    def below_minimum(self, price: i64, size: i64) -> bool:
        """Whether price times size, exactly, is below the minimum notional."""
        if self.minimum_notional == 0:
            return False
        if self.narrow:
            return price * size < self.minimum_notional
        wide_price: int = price
        wide_size: int = size
        least: int = self.minimum_notional  # an i64 here would make the product one
        return wide_price * wide_size < least


def _check(name: str, value: i64, least: i64, most: i64) -> None:
    if value < least or value > most:
        raise MatchingError(f"{name} must be from {least} to {most}, not {value}")
