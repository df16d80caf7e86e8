"""The settings of `LimitKeeper`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from actors.risk_params import ABOVE_ZERO, OFFSET, TIME_OF_DAY, begins_minutes
from runtime.config.rules import DecimalText, between, decimal, each, setting


@attrs.frozen(kw_only=True)
class LimitKeeperParams:
    """Settings of `LimitKeeper`: limits over all lanes together."""

    maximum_exposure: Mapping[str, DecimalText] = setting(
        "Most that may be at risk, by currency: positions at cost, and what open orders could add.",
        rule=each(decimal(above_zero=True)),
    )  # fmt: skip
    maximum_open_orders: int = setting("Most orders open at once.", rule=between(1, 1_000_000))
    maximum_daily_loss: DecimalText | None = setting(
        "A larger loss of all lanes together since the day began halts trading, as late as portfolios tell of it; all "
        "of them count in one currency.",
        default=None, rule=ABOVE_ZERO, unit="currency",
    )  # fmt: skip
    maximum_drawdown: DecimalText | None = setting(
        "A larger fall of all lanes together from their highest value halts trading.",
        default=None, rule=ABOVE_ZERO, unit="currency",
    )  # fmt: skip
    day_begins: str = setting("When a day begins, by the clock of `day_offset`.", default="00:00", rule=TIME_OF_DAY)
    day_offset: str = setting(
        "How far that clock is ahead of UTC; it knows no summer time.", default="+00:00", rule=OFFSET
    )
    lease_ms: int = setting(
        "A lane that hears nothing for this long opens no risk.", default=5_000, rule=between(10, 3_600_000), unit="ms"
    )

    @property
    def day_begins_minutes(self) -> int:
        """When a day begins, in minutes after midnight UTC; below zero on the day before."""
        return begins_minutes(self.day_begins, self.day_offset)
