"""Amounts as venues write them, exactly: decimal text becomes a ratio, and a fee becomes money of its instrument.

No float is anywhere. Fees are rounded once, up: costs grow and rebates shrink. It remembers nothing.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Final

import attrs

from market.instruments import Instrument
from market.numbers import NumberError, parse_decimal
from market.positions import SIZE_PARTS

AMOUNT_SCALE: Final = 12
"""The scale of `BalanceChanged`: no asset has more decimal places."""


class UnreadableAmount(ValueError):
    """A venue wrote an amount that is no decimal number, or one that the instrument cannot hold."""


@attrs.frozen
class Fee:
    """A fee in the money of its instrument; an estimate where it was paid in an asset that has no price here.

    `size_parts` is what of it was taken out of the base, in billionths of a unit of size; `other_asset` is what an
    estimate was paid in: the balance of that asset has changed by it.
    """

    money: int
    size_parts: int = 0
    other_asset: str = ""


def ratio_of(text: str) -> Fraction:
    """Decimal text as an exact ratio."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise UnreadableAmount(f"{text!r} is no decimal number") from error


def scaled(text: str, scale: int) -> int:
    """A price or a size at its scale, exactly, whatever zeros stand at its end."""
    try:
        return parse_decimal(text.rstrip("0").rstrip(".") if "." in text else text, scale)
    except NumberError as error:
        raise UnreadableAmount(str(error)) from error


def asset_amount(text: str) -> int:
    """A balance at the scale of `BalanceChanged`; digits below it are cut off."""
    return floor(ratio_of(text) * 10**AMOUNT_SCALE)


def fee_of(instrument: Instrument, asset: str, text: str, price: int, size: int, liquidity: int) -> Fee:
    """A fee as money: in the quote as it is, in the base at the trade's price, in others by the configured rate.

    What is taken of the base is out of the position, also where it is what all fees of the account are paid in.
    """
    if not text:
        return Fee(0)
    amount = ratio_of(text)
    if asset == instrument.quote or not amount:
        return Fee(ceil(amount * 10**instrument.money_scale))
    if asset == instrument.base:
        taken = amount * 10**instrument.size_scale
        return Fee(ceil(taken * price), size_parts=ceil(taken * SIZE_PARTS))
    return Fee(instrument.fee(price, size, liquidity), other_asset=asset)
