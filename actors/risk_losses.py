"""The limits on what may be lost: in a day, from the highest value, in one position, and down to a floor.

Results are those of the ledger's positions, marked to the mid of the own live book, or else to the worst that is known
of the same pair, with fees and funding, in the common currency, each instrument rounded down. It says which limit is
reached; what follows is up to `Risk`. A person who ends a halt has looked at it: the day, the peak and each losing
position count anew from there, the floor does not.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from actors.portfolio_rates import BASE_SCALE, Factor
from actors.risk_limits import Bound
from actors.risk_watched import Watched
from market.numbers import format_decimal_short

NANOSECONDS_PER_MINUTE: Final = 60_000_000_000
NANOSECONDS_PER_DAY: Final = 86_400_000_000_000
# A percentage has four decimals.
PERCENT_SCALE: Final = 4
WHOLE: Final = 100 * 10**PERCENT_SCALE
NO_DAY: Final = -1
# What is told of results in money that never had a rate.
NOT_KNOWN: Final = "unknown"


@final
class Earned:
    """What one instrument has earned, in the common currency."""

    def __init__(self, watched: Watched) -> None:
        self.watched: Final = watched
        self.profit: int = 0
        # What its mid, position and rate were when that was counted.
        self.double: int = -1
        self.version: i64 = -1
        self.rate_version: i64 = -1
        # How much of an open loss a person has seen, and whether of a long or a short; it does not count again.
        self.seen_loss: int = 0
        self.seen_side: int = 0
        self.factor: Final = Factor()

    def is_current(self) -> bool:
        """Whether nothing has changed since it was counted; a flat position is worth the same at any mid."""
        watched = self.watched
        if self.version != watched.standing.version or self.rate_version != watched.rate.version:
            return False
        return watched.standing.net_size == 0 or watched.mark_double() == self.double

    def count(self) -> None:
        """Count anew."""
        watched = self.watched
        self.version = watched.standing.version
        if self.rate_version != watched.rate.version:
            self.rate_version = watched.rate.version
            self.factor.set(watched.rate, watched.instrument.money_scale)
        self.double = watched.mark_double()
        mark = self.double // 2
        total: int = 0
        for position in watched.standing.positions:
            if mark > 0:
                total += position.profit(mark)
            else:
                # Without a mark, what is open counts as worth what it cost.
                total += position.realised - position.fees + position.funding
        self.profit = self.factor.convert(total)

    def side(self) -> int:
        """1 for a long, -1 for a short, 0 when nothing is held."""
        net = self.watched.standing.net_size
        return 1 if net > 0 else -1 if net < 0 else 0

    def open_loss(self) -> tuple[int, int]:
        """What the open positions have lost at the mid, and what they cost, in the instrument's money."""
        watched = self.watched
        mark = watched.mark_double() // 2
        loss: int = 0
        cost: int = 0
        if mark > 0:
            for position in watched.standing.positions:
                if position.net_size != 0:
                    loss -= position.unrealised(mark)
                    cost += abs(position.cost)
        return loss, cost


class NearLimit:
    """A loss limit that may be near: from where on, and from where it is far again."""

    def __init__(self, bound: Bound, percent: int) -> None:
        self.bound: Final = bound
        self.percent: Final = percent
        self.made_for: int = -1
        self.near_from: int = 0
        self.far_below: int = 0

    def aim(self) -> None:
        """The limit has changed."""
        self.made_for = self.bound.value
        self.near_from = -(-self.made_for * self.percent // 100)
        self.far_below = self.near_from // 2


class Reached:
    """A limit that is reached, or nearly so."""

    def __init__(self, bound: Bound, instrument_id: int, value: int, reason: str, halts: bool) -> None:
        self.bound: Final = bound
        self.instrument_id: Final = instrument_id
        self.value: Final = value
        self.reason: Final = reason
        self.halts: Final = halts


@final
class Losses:
    """See the head of this file."""

    def __init__(
        self, watched: list[Watched], currency: str, day_begins_ns: int, start: Bound, warn_percent: int,
        daily_loss: Bound, drawdown: Bound, stop_loss: Bound, floor: Bound,
    ) -> None:  # fmt: skip
        self.earned: Final[dict[int, Earned]] = {int(one.instrument_id): Earned(one) for one in watched}
        self.currency: Final = currency
        self.day_begins_ns: Final = day_begins_ns
        # What the portfolio began with is a limit like the others: a file may make it lower, not higher.
        self.start: Final = start
        self.starting_value: int = start.value
        self.near_day: Final = NearLimit(daily_loss, warn_percent)
        self.near_fall: Final = NearLimit(drawdown, warn_percent)
        self.daily_loss: Final = daily_loss
        self.drawdown: Final = drawdown
        self.stop_loss: Final = stop_loss
        self.floor: Final = floor
        self.profit: int = 0
        self.peak: int = start.value
        self.day: int = NO_DAY
        self.next_day_ns: i64 = 0
        self.day_began_with: int = 0
        # Keys of the limits of which it was told that they are near.
        self.warned: dict[str, bool] = {}

    def aim(self) -> None:
        """A limit has changed. Another start is no gain and no loss, so that the fall from the peak stays the same."""
        self.peak += self.start.value - self.starting_value
        self.starting_value = self.start.value

    # ---- the day

    def begin_day(self, now_ns: i64) -> bool:
        """Whether a new day has begun; its loss counts from here."""
        if now_ns < self.next_day_ns and self.day != NO_DAY:
            return False
        wide_ns: int = now_ns
        day = (wide_ns - self.day_begins_ns) // NANOSECONDS_PER_DAY
        self.next_day_ns = (day + 1) * NANOSECONDS_PER_DAY + self.day_begins_ns
        is_next = self.day not in (NO_DAY, day)
        if self.day != day:
            self.day = day
            self.day_began_with = self.profit
            self.warned.pop(self.daily_loss.key, None)
        return is_next

    def day_start_ns(self) -> int:
        """When the day began."""
        return self.day * NANOSECONDS_PER_DAY + self.day_begins_ns

    # ---- results

    @property
    def value(self) -> int:
        """What the portfolio is worth."""
        return self.starting_value + self.profit

    def loss_of_day(self) -> int:
        """What was lost since the day began; below zero when something was earned."""
        return self.day_began_with - self.profit

    def recount(self, earned: Earned) -> bool:
        """Count what an instrument has earned, if anything has changed; says whether it has.

        It may not be the last: the peak is seen when all have been counted.
        """
        if earned.is_current():
            return False
        before = earned.profit
        earned.count()
        self.profit += earned.profit - before
        return True

    def see_peak(self) -> None:
        """Everything is counted: the value may be the highest so far."""
        value = self.value
        if value > self.peak:
            self.peak = value

    def count_all(self) -> bool:
        """Count every instrument, such as when a rate has moved; says whether anything has changed."""
        changed = False
        for earned in self.earned.values():
            changed = self.recount(earned) or changed
        if changed:
            self.see_peak()
        return changed

    # ---- limits

    def reached(self, instrument_id: int) -> Reached | None:
        """The first limit that is reached, or else the first that is near and was not told yet."""
        loss = self.loss_of_day()
        if loss > self.daily_loss.value:
            return self.halt(self.daily_loss, loss, "loss of the day")
        fall = self.peak - self.value
        if self.drawdown.on and fall > self.drawdown.value:
            return self.halt(self.drawdown, fall, "fall from the highest value")
        if self.floor.on and self.value < self.floor.value:
            told, least = format_decimal_short(self.value, BASE_SCALE), self.floor.told(self.floor.value)
            reason = f"portfolio value {told} {self.currency} is below {self.floor.key} {least}"
            return Reached(self.floor, 0, self.value, reason, True)
        if self.stop_loss.on:
            stopped = self.stopped(instrument_id)
            if stopped is not None:
                return stopped
        return self.near(self.near_day, loss) or self.near(self.near_fall, fall)

    def halt(self, bound: Bound, value: int, what: str) -> Reached:
        """A limit that halts."""
        reason = f"{what} {format_decimal_short(value, BASE_SCALE)} {self.currency} is above {bound.key} "
        return Reached(bound, 0, value, reason + bound.told(bound.value), True)

    def near(self, limit: NearLimit, value: int) -> Reached | None:
        """A limit of which this share is used up for the first time since it was far."""
        bound = limit.bound
        if not bound.on or limit.percent >= 100:
            return None
        if limit.made_for != bound.value:
            limit.aim()
        if value < limit.near_from:
            if value < limit.far_below and len(self.warned) > 0:
                self.warned.pop(bound.key, None)
            return None
        if bound.key in self.warned:
            return None
        self.warned[bound.key] = True
        return Reached(bound, 0, value, "", False)

    def stopped(self, instrument_id: int) -> Reached | None:
        """Whether the position in an instrument has lost more than its share."""
        earned = self.earned.get(instrument_id)
        if earned is None:
            return None
        if earned.seen_loss > 0 and earned.side() != earned.seen_side:
            # What was seen is closed, and what is held now was opened since.
            earned.seen_loss = 0
        loss, cost = earned.open_loss()
        counted = loss - earned.seen_loss
        if counted <= 0 or cost == 0 or counted * WHOLE <= self.stop_loss.value * cost:
            return None
        share = counted * WHOLE // cost
        told, most = self.stop_loss.told(share), self.stop_loss.told(self.stop_loss.value)
        reason = f"the position at {earned.watched.name} has lost {told} percent, above {self.stop_loss.key} {most}"
        return Reached(self.stop_loss, instrument_id, share, reason, True)

    def forgive(self) -> None:
        """A person has looked at it: all but the floor counts anew from here."""
        self.day_began_with = self.profit
        self.peak = self.value
        self.warned.clear()
        for earned in self.earned.values():
            earned.seen_loss = max(earned.open_loss()[0], 0)
            earned.seen_side = earned.side()

    def is_unknown(self) -> bool:
        """Whether something was earned or lost in money that never had a rate."""
        return any(one.watched.is_rateless() for one in self.earned.values())

    # ---- state

    def told(self) -> dict[str, object]:
        """Loss of the day, fall from the peak and value as text."""
        if self.is_unknown():
            keys = ("loss_of_day", "fall_from_peak", "portfolio_value")
            return {"currency": self.currency, **dict.fromkeys(keys, NOT_KNOWN)}
        return {
            "currency": self.currency,
            "loss_of_day": format_decimal_short(max(self.loss_of_day(), 0), BASE_SCALE),
            "fall_from_peak": format_decimal_short(self.peak - self.value, BASE_SCALE),
            "portfolio_value": format_decimal_short(self.value, BASE_SCALE),
        }

    def save(self) -> list[object]:
        """Results, day and peak as plain data."""
        return [
            self.profit, self.peak, self.day, int(self.next_day_ns), self.day_began_with, list(self.warned),
            [
                [instrument_id, one.profit, one.double, one.seen_loss, one.seen_side]
                for instrument_id, one in self.earned.items()
            ],
            self.starting_value,
        ]  # fmt: skip

    def load(self, state: object) -> None:
        """Take back what `save` gave; what was earned is counted anew at the next look."""
        assert isinstance(state, list)
        self.profit, self.peak, self.day, self.next_day_ns, self.day_began_with, warned, rows = state[:7]
        self.starting_value = state[7]
        self.aim()
        self.warned = dict.fromkeys(warned, True)
        for instrument_id, profit, double, seen_loss, seen_side in rows:
            earned = self.earned.get(instrument_id)
            if earned is not None:
                earned.profit, earned.double, earned.seen_loss = profit, double, seen_loss
                earned.seen_side = seen_side
                earned.version = -1
