"""What money of one currency is worth in another: from live books, or by a stated parity. Exact fractions of integers.

A rate is known only while a book of its symbol is LIVE with two sides; the last one is kept beside it, marked as no
longer known, so that a result can still be shown and a limit can still say no. It guesses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import Final, final

from mypy_extensions import i64

from market.instruments import Instrument, InstrumentTable
from market.messages import LIVE, TopOfBook
from market.numbers import decimal_places, parse_decimal

# Amounts in the common currency have this many decimals, as the catalogue of messages says.
BASE_SCALE: Final = 8
# Products up to this one are taken in 64 bits.
QUICK: Final = 2305843009213693952  # 2 ** 61


@final
class Factor:
    """What money of an instrument at its scale becomes in the common currency: a fraction, quick where 64 bits do."""

    def __init__(self) -> None:
        self.above: int = 0
        self.below: int = 1
        self.quick_above: i64 = 0
        self.quick_below: i64 = 1
        self.quick_money: i64 = 0

    def set(self, rate: Rate, scale: int) -> None:
        """Another rate, for money of this scale."""
        above: int = rate.above * 10**BASE_SCALE
        below: int = rate.below * 10**scale
        shared = gcd(above, below)
        self.above = above // shared
        self.below = below // shared
        self.quick_money = 0
        if 0 < self.above <= QUICK and self.below <= QUICK:
            self.quick_above = self.above
            self.quick_below = self.below
            self.quick_money = QUICK // self.above

    def convert(self, money: int) -> int:
        """Money in the common currency, rounded down."""
        most: int = self.quick_money
        if -most <= money <= most:
            small: i64 = money
            product = small * self.quick_above
            return product if self.quick_below == 1 else product // self.quick_below
        return money * self.above // self.below


@final
class Rate:
    """What one unit of a currency is worth in the common one: `above / below`."""

    def __init__(self, asset: str, above: int, below: int, known: bool) -> None:
        self.asset: Final = asset
        self.above: int = above
        self.below: int = below
        # Whether it holds now; without it `above` is the last one, or 0 when there never was one.
        self.known: bool = known
        # Counts every change.
        self.version: i64 = 0

    def set(self, above: int, below: int) -> None:
        """A new rate."""
        shared = gcd(above, below)
        self.above = above // shared
        self.below = below // shared
        self.known = True
        self.version += 1

    def lose(self) -> None:
        """Nothing vouches for it now."""
        if self.known:
            self.known = False
            self.version += 1


class RateSource:
    """A symbol whose price is a rate: the mid of the first of its books that is LIVE."""

    def __init__(self, rate: Rate, instruments: list[Instrument], inverted: bool) -> None:
        self.rate: Final = rate
        self.instruments: Final = instruments
        self.inverted: Final = inverted
        # Bid and ask together, by instrument, of the books that are LIVE.
        self.double_mids: Final[dict[int, int]] = {}

    def follow(self, instrument_id: int, double_mid: int) -> None:
        """A touch of one of its books; 0 when that is not LIVE."""
        if double_mid > 0:
            self.double_mids[instrument_id] = double_mid
        else:
            self.double_mids.pop(instrument_id, None)
        for instrument in self.instruments:
            found = self.double_mids.get(instrument.instrument_id, 0)
            if found > 0:
                unit: int = 2 * 10**instrument.price_scale
                if self.inverted:
                    self.rate.set(unit, found)
                else:
                    self.rate.set(found, unit)
                return
        self.rate.lose()


class Rates:
    """See the head of this file."""

    def __init__(
        self,
        currency: str,
        symbols: Mapping[str, str],
        parity: Mapping[str, str],
        instruments: list[Instrument],
        table: InstrumentTable,
    ) -> None:
        """Raises `ValueError` when money of an instrument has no stated way into the common currency."""
        assets = list(dict.fromkeys(one.money_asset for one in instruments if one.symbol not in symbols.values()))
        if not currency and len(assets) > 1:
            raise ValueError(f"currency: the instruments have money in {', '.join(assets)}: say in which to count")
        self.currency: Final = currency or (assets[0] if assets else "")
        self.rates: Final[dict[str, Rate]] = {self.currency: Rate(self.currency, 1, 1, True)}
        self.sources: Final[list[RateSource]] = []
        self.source_of: Final[dict[int, RateSource]] = {}
        for asset, text in parity.items():
            places = decimal_places(text)
            rate = Rate(asset, 0, 1, False)
            worth: int = parse_decimal(text, places)
            rate.set(worth, 10**places)
            self.rates[asset] = rate
        for asset, symbol in symbols.items():
            self.add_source(asset, symbol, table)
        for asset in assets:
            if asset not in self.rates:
                raise ValueError(
                    f"rates: money in {asset} has no rate to {self.currency}: name its symbol under rates, "
                    "or an amount under parity"
                )

    def add_source(self, asset: str, symbol: str, table: InstrumentTable) -> None:
        """Take the rate of a currency from the books of a symbol."""
        instruments = [one for one in table if one.symbol == symbol]
        if not instruments:
            raise ValueError(f"rates: there is no instrument {symbol!r} for the rate of {asset}")
        first = instruments[0]
        if (first.base, first.quote) != (asset, self.currency) and (first.quote, first.base) != (asset, self.currency):
            raise ValueError(f"rates: {symbol} is no price of {asset} in {self.currency}")
        rate = Rate(asset, 0, 1, False)
        self.rates[asset] = rate
        source = RateSource(rate, instruments, first.quote == asset)
        self.sources.append(source)
        for one in instruments:
            self.source_of[one.instrument_id] = source

    def of(self, asset: str) -> Rate:
        """The rate of a currency; one that nobody stated is never known."""
        found = self.rates.get(asset)
        if found is None:
            found = Rate(asset, 0, 1, False)
            self.rates[asset] = found
        return found

    def on_top_of_book(self, top: TopOfBook) -> bool:
        """Take the touch of a rate's book; says whether it was one."""
        source = self.source_of.get(top.instrument_id)
        if source is None:
            return False
        double_mid: int = 0
        if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0:
            bid_price: int = top.bid_price
            ask_price: int = top.ask_price
            double_mid = bid_price + ask_price
        source.follow(top.instrument_id, double_mid)
        return True

    def forget(self, instrument_id: int) -> None:
        """A book is no longer LIVE; 0 for all of them."""
        for source in self.sources:
            for one in source.instruments:
                if instrument_id in (0, one.instrument_id):
                    source.follow(one.instrument_id, 0)

    def in_currency(self, money: int, scale: int, asset: str) -> int:
        """Money at a scale in the common currency, rounded down, by the last rate; 0 where there never was one."""
        rate = self.of(asset)
        below: int = 10**scale
        return money * rate.above * 10**BASE_SCALE // (rate.below * below)

    def save(self) -> list[object]:
        """Rates and the books that they are from, as plain data."""
        return [
            [[rate.asset, rate.above, rate.below, rate.known] for rate in self.rates.values()],
            [[[number, mid] for number, mid in source.double_mids.items()] for source in self.sources],
        ]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        for asset, above, below, known in state[0]:
            rate = self.of(asset)
            rate.above, rate.below, rate.known = above, below, known
            rate.version += 1
        for source, rows in zip(self.sources, state[1], strict=False):
            source.double_mids.clear()
            for number, mid in rows:
                source.double_mids[number] = mid
