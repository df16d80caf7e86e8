"""What a venue's terms mean for an order on paper: why it would be refused, and what a fill costs.

The same answers as `Instrument.check_order` and `Instrument.fee` give, from compiled code, and with the reason as a
code for programs.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.instruments import PPM, Instrument
from market.ladder import MOST_PRICE
from market.messages.constants import (
    MAKER,
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_MINIMUM_NOTIONAL,
)
from market.paper_queue import MOST_SIZE

FINE: Final[i64] = -1
"""Nothing is wrong with an order."""


class PaperTerms:
    """The terms of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument: Final = instrument
        self.tick: Final[i64] = instrument.tick
        self.lot: Final[i64] = instrument.lot
        self.minimum_size: Final[i64] = min(instrument.minimum_size, MOST_SIZE)
        self.minimum_notional: Final[int] = instrument.minimum_notional
        self.inverse: Final[bool] = instrument.inverse
        self.maker_rate: Final[int] = instrument.money_multiplier * instrument.maker_fee_ppm
        self.taker_rate: Final[int] = instrument.money_multiplier * instrument.taker_fee_ppm
        self.divisor: Final[int] = instrument.money_divisor * PPM

    def fee(self, price: i64, size: i64, liquidity: i64) -> int:
        """The fee of a fill as maker or taker, exact, rounded once, up."""
        wide_price: int = price
        wide_size: int = size
        rate = self.maker_rate if liquidity == MAKER else self.taker_rate
        if self.inverse:
            return -(-wide_size * rate // (wide_price * self.divisor))
        return -(-wide_price * wide_size * rate // self.divisor)

    def problem_of(self, price: i64, size: i64) -> i64:
        """Why the venue would refuse a limit order of this price and size, as a reject code, or `FINE`."""
        if price <= 0 or price > MOST_PRICE or price % self.tick != 0:
            return REJECT_BAD_PRICE
        problem = self.problem_of_size(size)
        if problem != FINE or self.minimum_notional == 0:
            return problem
        return FINE if self.instrument.check_order(price, size) is None else REJECT_MINIMUM_NOTIONAL

    def problem_of_size(self, size: i64) -> i64:
        """Why it would refuse a size, as a reject code, or `FINE`."""
        if size <= 0 or size > MOST_SIZE or size % self.lot != 0 or size < self.minimum_size:
            return REJECT_BAD_SIZE
        return FINE

    def words_of(self, price: int, size: int) -> str:
        """The problem in words."""
        found = self.instrument.check_order(price, size)
        return found if found is not None else "the price or the size is larger than the paper venue can hold"

    def words_of_size(self, size: int) -> str:
        """The problem of a market order in words."""
        instrument = self.instrument
        return (
            f"the size {instrument.format_size(size)} is below the minimum of "
            f"{instrument.format_size(instrument.minimum_size)}, no whole number of lots of "
            f"{instrument.format_size(self.lot)}, or too large"
        )
