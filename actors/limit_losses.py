"""What all lanes together have lost, by what their portfolios tell: in a day, and from the highest value.

Each result of a strategy in an instrument counts with what was told of it last, so that it is as late as portfolios
tell. All of them have to count in one currency. It says which limit is reached; what follows is up to `LimitKeeper`.
"""

from __future__ import annotations

from typing import Final

from actors.limit_keeper_params import LimitKeeperParams
from actors.portfolio_rates import BASE_SCALE
from actors.risk_limits import scaled
from market.messages import ProfitChanged
from market.numbers import format_decimal_short

NANOSECONDS_PER_MINUTE: Final = 60_000_000_000
NANOSECONDS_PER_DAY: Final = 86_400_000_000_000
DAILY_LOSS: Final = "maximum_daily_loss"
DRAWDOWN: Final = "maximum_drawdown"


class LossReached:
    """A limit that is reached."""

    def __init__(self, limit: str, value: int, bound: int, what: str) -> None:
        self.limit: Final = limit
        self.value: Final = value
        self.bound: Final = bound
        told, most = format_decimal_short(value, BASE_SCALE), format_decimal_short(bound, BASE_SCALE)
        self.reason: Final = f"{what} of all lanes together {told} is above {limit} {most}"


class TotalLosses:
    """See the head of this file."""

    def __init__(self, params: LimitKeeperParams) -> None:
        daily_loss, drawdown = params.maximum_daily_loss, params.maximum_drawdown
        # 0 where there is no limit.
        self.daily_loss: Final[int] = 0 if daily_loss is None else scaled(daily_loss, BASE_SCALE)
        self.drawdown: Final[int] = 0 if drawdown is None else scaled(drawdown, BASE_SCALE)
        self.day_begins_ns: Final[int] = params.day_begins_minutes * NANOSECONDS_PER_MINUTE
        self.profits: dict[tuple[int, int], int] = {}
        self.total: int = 0
        self.peak: int = 0
        self.day: int = -1
        self.day_began_with: int = 0

    def take(self, told: ProfitChanged, now_ns: int, remembers: bool) -> LossReached | None:
        """What a strategy has earned in an instrument; gives the limit that is reached by it."""
        if told.strategy_id == 0 or told.instrument_id == 0:
            # A sum of others.
            return None
        self.begin_day(now_ns)
        key = (int(told.strategy_id), int(told.instrument_id))
        profit = told.realised + told.unrealised - told.fees + told.funding
        before = self.profits.get(key)
        if before is None:
            before = 0 if remembers else profit
        self.profits[key] = profit
        self.total += profit - before
        self.peak = max(self.peak, self.total)
        return self.reached()

    def begin_day(self, now_ns: int) -> None:
        """A new day counts from here."""
        day = (now_ns - self.day_begins_ns) // NANOSECONDS_PER_DAY
        if day != self.day:
            self.day = day
            self.day_began_with = self.total

    def reached(self) -> LossReached | None:
        """The first limit that is reached."""
        loss = self.day_began_with - self.total
        if 0 < self.daily_loss < loss:
            return LossReached(DAILY_LOSS, loss, self.daily_loss, "loss of the day")
        fall = self.peak - self.total
        if 0 < self.drawdown < fall:
            return LossReached(DRAWDOWN, fall, self.drawdown, "fall from the highest value")
        return None

    def forgive(self) -> None:
        """A person has looked at it: everything counts anew from here."""
        self.day_began_with = self.total
        self.peak = self.total

    def told(self) -> dict[str, object]:
        """Loss of the day and fall from the peak as text."""
        loss, fall = max(self.day_began_with - self.total, 0), self.peak - self.total
        return {
            "loss_of_day": format_decimal_short(loss, BASE_SCALE),
            "fall_from_peak": format_decimal_short(fall, BASE_SCALE),
        }

    def save(self) -> list[object]:
        """Results, day and peak as plain data."""
        rows = [[key[0], key[1], profit] for key, profit in self.profits.items()]
        return [rows, self.total, self.peak, self.day, self.day_began_with]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        rows, self.total, self.peak, self.day, self.day_began_with = state
        self.profits = {(row[0], row[1]): row[2] for row in rows}
