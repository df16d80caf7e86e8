"""What accounts at venues hold of each asset, by what they began with and every fill since; only for spot.

An order must be covered: a buy with its fee by the quote asset, a sell by the base asset, together with everything else
that is open at the venue. Accounts that the configuration does not name are not watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mypy_extensions import i64

from actors.risk_limits import scaled
from actors.risk_watched import Watched
from market.instruments import PPM, InstrumentKind
from market.messages import BUY

KEY: Final = "balances"


class Balance:
    """One asset at one venue."""

    def __init__(self, venue: str, asset: str, scale: int, text: str) -> None:
        self.venue: Final = venue
        self.asset: Final = asset
        self.scale: Final = scale
        self.total: int = scaled(text, scale)
        # The instruments that are paid for with it, and those that are sold out of it, with what brings their amounts
        # to this scale.
        self.paying: Final[list[Watched]] = []
        self.paying_factors: Final[list[int]] = []
        self.delivering: Final[list[Watched]] = []
        self.delivering_factors: Final[list[int]] = []

    def needed(self) -> int:
        """What every open order together could take of it."""
        total: int = 0
        for index in range(len(self.paying)):
            one = self.paying[index]
            buys = one.standing.buys
            money = buys.money
            if buys.unpriced > 0:
                money += one.terms.worth(one.reference(), buys.unpriced)
            fee_ppm = one.instrument.taker_fee_ppm
            if fee_ppm > 0:
                money += -(-money * fee_ppm // PPM)
            total += money * self.paying_factors[index]
        for index in range(len(self.delivering)):
            total += self.delivering[index].standing.sells.size * self.delivering_factors[index]
        return total


class Balances:
    """See the head of this file."""

    def __init__(self, texts: Mapping[str, str], watched: list[Watched]) -> None:
        """Raises `ValueError` for an account that no instrument uses."""
        self.balances: Final[dict[str, Balance]] = {}
        spot = [one for one in watched if one.instrument.kind is InstrumentKind.SPOT]
        for name, text in texts.items():
            venue, asset = name.split()
            paying = [one for one in spot if one.venue == venue and one.instrument.quote == asset]
            delivering = [one for one in spot if one.venue == venue and one.instrument.base == asset]
            scales = [one.instrument.money_scale for one in paying] + [one.instrument.size_scale for one in delivering]
            if not scales:
                raise ValueError(f"balances: no spot instrument at {venue} is traded for or out of {asset}")
            balance = Balance(venue, asset, max(scales), text)
            for one in paying:
                factor: int = 10 ** (balance.scale - one.instrument.money_scale)
                balance.paying.append(one)
                balance.paying_factors.append(factor)
            for one in delivering:
                size_factor: int = 10 ** (balance.scale - one.instrument.size_scale)
                balance.delivering.append(one)
                balance.delivering_factors.append(size_factor)
            self.balances[name] = balance

    def paid_from(self, watched: Watched, side: i64) -> Balance | None:
        """The account that an order draws on; None when it is not watched."""
        asset = watched.instrument.quote if side == BUY else watched.instrument.base
        return self.balances.get(f"{watched.venue} {asset}")

    def fill(self, watched: Watched, side: i64, price: i64, size: i64, fee: int) -> None:
        """A fill moves both assets; the fee is paid in the quote asset."""
        signed: int = size if side == BUY else -size
        money: int = watched.terms.worth(price, size) if price > 0 else 0
        for balance in self.balances.values():
            for index in range(len(balance.paying)):
                if balance.paying[index] is watched:
                    cash = -money - fee if side == BUY else money - fee
                    balance.total += cash * balance.paying_factors[index]
            for index in range(len(balance.delivering)):
                if balance.delivering[index] is watched:
                    balance.total += signed * balance.delivering_factors[index]

    def save(self) -> list[object]:
        """What there is, as plain data."""
        return [[name, balance.total] for name, balance in self.balances.items()]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        for name, total in state:
            balance = self.balances.get(name)
            if balance is not None:
                balance.total = total
