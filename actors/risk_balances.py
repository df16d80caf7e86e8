"""What accounts at venues hold of each asset, by what they began with and every fill since; only for spot.

An order must be covered: a buy with its fee by the quote asset, a sell by the base asset, together with everything else
that is open at the venue. Accounts that the configuration does not name are not watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mypy_extensions import i64

from actors.risk_limits import scaled
from actors.risk_watched import Balance, Watched
from market.instruments import InstrumentKind
from market.messages import BUY


class Balances:
    """See the head of this file."""

    def __init__(self, texts: Mapping[str, str], watched: list[Watched]) -> None:
        """Raises `ValueError` for an account that no instrument uses."""
        self.balances: Final[dict[str, Balance]] = {}
        self.watched: Final = watched
        spot = [one for one in watched if one.instrument.kind is InstrumentKind.SPOT]
        for name, text in texts.items():
            venue, asset = name.split()
            paying = [one for one in spot if one.venue == venue and one.instrument.quote == asset]
            delivering = [one for one in spot if one.venue == venue and one.instrument.base == asset]
            scales = [one.instrument.money_scale for one in paying] + [one.instrument.size_scale for one in delivering]
            if not scales:
                raise ValueError(f"balances: no spot instrument at {venue} is traded for or out of {asset}")
            scale = max(scales)
            balance = Balance(venue, asset, scale, scaled(text, scale))
            for one in paying:
                one.quote_balance = balance
                one.quote_factor = 10 ** (scale - one.instrument.money_scale)
            for one in delivering:
                one.base_balance = balance
                one.base_factor = 10 ** (scale - one.instrument.size_scale)
            self.balances[name] = balance

    def fill(self, watched: Watched, side: i64, price: i64, size: i64, fee: int) -> None:
        """A fill moves both assets; the fee is paid in the quote asset."""
        quote, base = watched.quote_balance, watched.base_balance
        if quote is not None:
            money: int = watched.terms.worth(price, size) if price > 0 else 0
            quote.total += (-money - fee if side == BUY else money - fee) * watched.quote_factor
        if base is not None:
            signed: int = size if side == BUY else -size
            base.total += signed * watched.base_factor

    def recount(self) -> None:
        """Count every account anew from the positions of the ledger, such as when a fill was missed."""
        for balance in self.balances.values():
            balance.total = balance.start
        for watched in self.watched:
            quote, base = watched.quote_balance, watched.base_balance
            for position in watched.standing.positions:
                net: int = position.net_size
                if quote is not None:
                    quote.total += (position.realised - position.cost - position.fees) * watched.quote_factor
                if base is not None:
                    base.total += net * watched.base_factor

    def save(self) -> list[object]:
        """What there is, as plain data."""
        return [[name, balance.start, balance.total] for name, balance in self.balances.items()]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        for name, start, total in state:
            balance = self.balances.get(name)
            if balance is not None:
                balance.start, balance.total = start, total
