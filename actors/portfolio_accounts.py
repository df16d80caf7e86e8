"""One account: what is held and was earned by the fills of one fill model, by strategy and instrument.

The paper venue's queue model drives the strategy and is the account of what is held; two shadow accounts take the fills
that it tells of the very same orders by kinder and by harder rules. Every amount is an exact integer in the money of
its instrument, and is brought to the common currency, rounded down, when it is added up.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.portfolio_rates import Rates
from market.instruments import Instrument
from market.positions import Position, new_position

AT_MID: Final = 0
AT_TOUCH: Final = 1


class Mark:
    """The last touch of a live book of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument: Final = instrument
        # 0 before there was one; they stay where they were while the book is not live.
        self.bid: i64 = 0
        self.ask: i64 = 0
        # Counts every change.
        self.version: i64 = 0

    def set(self, bid: i64, ask: i64) -> None:
        """A touch of a live book."""
        if bid != self.bid or ask != self.ask:
            self.bid = bid
            self.ask = ask
            self.version += 1

    @property
    def mid(self) -> int:
        """Between bid and ask, rounded down; 0 before there was a touch."""
        bid: int = self.bid
        ask: int = self.ask
        return (bid + ask) // 2

    def price(self, net_size: i64, at: i64) -> int:
        """What an open size is marked to: the mid, or the side of the touch at which it could be closed."""
        if at == AT_MID:
            return self.mid
        return self.bid if net_size > 0 else self.ask


class Result:
    """An amount in parts: in the money of an instrument, or in the common currency."""

    def __init__(self, realised: int, unrealised: int, fees: int, funding: int, known: bool = True) -> None:
        self.realised: int = realised
        self.unrealised: int = unrealised
        self.fees: int = fees
        self.funding: int = funding
        # Whether all of it has a rate into the common currency, or ever had one.
        self.known: bool = known

    @property
    def profit(self) -> int:
        """Everything together."""
        return self.realised + self.unrealised - self.fees + self.funding

    def add(self, other: Result) -> None:
        """One result more."""
        self.realised += other.realised
        self.unrealised += other.unrealised
        self.fees += other.fees
        self.funding += other.funding
        self.known = self.known and other.known


class Holding:
    """The position of one strategy in one instrument."""

    def __init__(self, strategy_id: i64, mark: Mark, position: Position) -> None:
        self.strategy_id: Final = strategy_id
        self.mark: Final = mark
        self.instrument_id: Final[i64] = mark.instrument.instrument_id
        self.position: Final = position

    def result(self, at: i64 = AT_MID) -> Result:
        """Its parts in the instrument's money; without a mark, what is open counts as worth what it cost."""
        position = self.position
        unrealised: int = 0
        if position.net_size != 0:
            price = self.mark.price(position.net_size, at)
            if price > 0:
                unrealised = position.unrealised(price)
        return Result(position.realised, unrealised, position.fees, position.funding)


class Account:
    """See the head of this file."""

    def __init__(self, method: str, marks: dict[int, Mark], rates: Rates) -> None:
        self.method: Final = method
        self.marks: Final = marks
        self.rates: Final = rates
        self.holdings: Final[dict[tuple[int, int], Holding]] = {}
        self.fills: i64 = 0

    def holding(self, strategy_id: int, instrument_id: int) -> Holding | None:
        """The position of a strategy, a flat one where there was none; None for an instrument that is not ours."""
        key = (strategy_id, instrument_id)
        found = self.holdings.get(key)
        if found is None:
            mark = self.marks.get(instrument_id)
            if mark is None:
                return None
            one = mark.instrument
            position = new_position(self.method, one.money_multiplier, one.money_divisor, one.inverse)
            found = Holding(strategy_id, mark, position)
            self.holdings[key] = found
        return found

    def fill(self, strategy_id: int, instrument_id: int, side: i64, price: i64, size: i64, fee: int) -> Holding | None:
        """Take a fill; gives the position that it moved."""
        holding = self.holding(strategy_id, instrument_id)
        if holding is not None:
            holding.position.apply_fill(side, price, size, fee)
            self.fills += 1
        return holding

    def of(self, strategy_id: int, instrument_id: int) -> list[Holding]:
        """The positions of a strategy, or of all for 0, in an instrument, or in all for 0."""
        return [
            one
            for key, one in self.holdings.items()
            if strategy_id in (0, key[0]) and instrument_id in (0, key[1])
        ]  # fmt: skip

    def result(self, holdings: list[Holding], at: i64 = AT_MID) -> Result:
        """Some positions together in the common currency, each rounded down."""
        total = Result(0, 0, 0, 0)
        for one in holdings:
            total.add(self.in_currency(one, one.result(at)))
        return total

    def in_currency(self, holding: Holding, result: Result) -> Result:
        """A result in the common currency; the whole is rounded down, and what rounding leaves is in `unrealised`."""
        instrument = holding.mark.instrument
        scale, asset = instrument.money_scale, instrument.money_asset
        rates = self.rates
        profit = rates.in_currency(result.profit, scale, asset)
        realised = rates.in_currency(result.realised, scale, asset)
        fees = -rates.in_currency(-result.fees, scale, asset)
        funding = rates.in_currency(result.funding, scale, asset)
        return Result(realised, profit - realised + fees - funding, fees, funding, rates.of(asset).above > 0)

    def held(self, instrument_id: int) -> tuple[int, Result]:
        """Net size and result of one instrument over all strategies, in its own money."""
        net: int = 0
        total = Result(0, 0, 0, 0)
        for one in self.of(0, instrument_id):
            net += one.position.net_size
            total.add(one.result())
        return net, total

    def is_flat(self) -> bool:
        """Whether nothing is held."""
        return all(one.position.net_size == 0 for one in self.holdings.values())

    def save(self) -> list[object]:
        """All positions as plain data."""
        return [
            int(self.fills),
            [[key[0], key[1], one.position.save()] for key, one in self.holdings.items()],
        ]  # fmt: skip

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        self.fills = state[0]
        self.holdings.clear()
        for strategy_id, instrument_id, saved in state[1]:
            holding = self.holding(strategy_id, instrument_id)
            if holding is not None:
                holding.position.load(saved)
