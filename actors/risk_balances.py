"""What accounts at venues hold of each asset, by what they began with and every fill since; only for spot.

An order must be covered: a buy with its fee by the quote asset, a sell by the base asset, together with everything else
that is open at the venue. Accounts that the configuration does not name are not watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mypy_extensions import i64

from actors.risk_limits import Bound, Limits
from actors.risk_watched import Balance, Watched
from market.instruments import InstrumentKind
from market.messages import BUY

# The key of the limit that an account begins with.
ACCOUNT: Final = "balances"


class Balances:
    """See the head of this file."""

    def __init__(self, texts: Mapping[str, str], watched: list[Watched], limits: Limits) -> None:
        """Raises `ValueError` for an account that no instrument uses."""
        self.balances: Final[dict[str, Balance]] = {}
        self.watched: Final = watched
        self.limits: Final = limits
        # What an account began with is a limit like the others: a file may make it tighter, not looser.
        self.bounds: Final[dict[str, Bound]] = {}
        for name, text in texts.items():
            if not self.add(name, text):
                venue, asset = name.split()
                raise ValueError(f"balances: no spot instrument at {venue} is traded for or out of {asset}")

    def add(self, name: str, text: str) -> bool:
        """Watch an account; says whether anything is traded in it."""
        venue, asset = name.split()
        spot = [one for one in self.watched if one.instrument.kind is InstrumentKind.SPOT and one.venue == venue]
        paying = [one for one in spot if one.instrument.quote == asset]
        delivering = [one for one in spot if one.instrument.base == asset]
        scales = [one.instrument.money_scale for one in paying] + [one.instrument.size_scale for one in delivering]
        if not scales:
            return False
        scale = max(scales)
        bound = self.limits.add(ACCOUNT, text, scale, name)
        balance = Balance(venue, asset, scale, bound.value)
        for one in paying:
            one.quote_balance = balance
            one.quote_factor = 10 ** (scale - one.instrument.money_scale)
        for one in delivering:
            one.base_balance = balance
            one.base_factor = 10 ** (scale - one.instrument.size_scale)
        self.balances[name] = balance
        self.bounds[name] = bound
        return True

    def keep(self, name: str, text: str) -> None:
        """An account that the file has left out since the last run stays watched."""
        if self.add(name, text):
            self.bounds[name].left_out = True

    def aim(self) -> None:
        """A limit has changed: what an account began with may be another, and what it holds with it."""
        for name, balance in self.balances.items():
            start = self.bounds[name].value
            balance.total += start - balance.start
            balance.start = start

    def fill(self, watched: Watched, side: i64, price: i64, size: i64, fee: int) -> None:
        """A fill moves both assets; the fee is paid in the quote asset."""
        quote, base = watched.quote_balance, watched.base_balance
        if quote is not None:
            money: int = watched.terms.worth(price, size) if price > 0 else 0
            quote.total += (-money - fee if side == BUY else money - fee) * watched.quote_factor
        if base is not None:
            signed: int = size if side == BUY else -size
            base.total += signed * watched.base_factor

    def take_fee(self, watched: Watched, size: int, fee: int) -> None:
        """A fee left in the base asset, of which the fill was counted, or will be, as if it were paid in the quote."""
        quote, base = watched.quote_balance, watched.base_balance
        if quote is not None:
            quote.total += fee * watched.quote_factor
        if base is not None:
            base.total -= size * watched.base_factor

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
        self.aim()
