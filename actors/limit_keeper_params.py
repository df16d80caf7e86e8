"""The settings of `LimitKeeper`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runtime.config.rules import DecimalText, between, decimal, each, setting


@attrs.frozen(kw_only=True)
class LimitKeeperParams:
    """Settings of `LimitKeeper`: limits over all lanes together."""

    maximum_exposure: Mapping[str, DecimalText] = setting(
        "Most that may be at risk, by currency: positions at cost, and what open orders could add.",
        rule=each(decimal(above_zero=True)),
    )  # fmt: skip
    maximum_open_orders: int = setting("Most orders open at once.", rule=between(1, 1_000_000))
    lease_ms: int = setting(
        "A lane that hears nothing for this long opens no risk.", default=5_000, rule=between(10, 3_600_000), unit="ms"
    )
