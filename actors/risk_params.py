"""The settings of `Risk`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

import attrs

from runtime.config.rules import DecimalText, between, decimal, setting


@attrs.frozen(kw_only=True)
class RiskParams:
    """Settings of `Risk`. Sizes are in base, amounts in quote, each for one instrument."""

    maximum_order_size: DecimalText = setting("Largest size of one order.", rule=decimal(above_zero=True), unit="base")
    maximum_order_notional: DecimalText = setting(
        "Largest price times size of one order.", rule=decimal(above_zero=True), unit="quote"
    )
    collar_bps: int = setting(
        "A limit price may be this far from the mid.", default=100, rule=between(1, 10_000), unit="bps"
    )
    maximum_position: DecimalText = setting(
        "Largest position, with every open order of one side counted as filled.",
        rule=decimal(above_zero=True), unit="base",
    )  # fmt: skip
    maximum_open_orders: int = setting("Most orders open at once.", default=20, rule=between(1, 100_000))
    maximum_orders: int = setting("Most orders within the window.", default=100, rule=between(1, 1_000_000))
    window_ms: int = setting("The window of `maximum_orders`.", default=1_000, rule=between(1, 86_400_000), unit="ms")
    maximum_daily_loss: DecimalText = setting(
        "A larger loss since midnight UTC halts trading.", rule=decimal(above_zero=True), unit="quote"
    )
    leased: bool = setting(
        "Whether it opens risk only within a lease of the limits of the whole system: true where there is a "
        "`LimitKeeper`, and only there.",
        default=False,
    )  # fmt: skip
    lease_orders: int = setting(
        "It asks for what is at risk and so many orders of `maximum_order_notional` on top.",
        default=4, rule=between(1, 100_000),
    )  # fmt: skip
    lease_retry_ms: int = setting(
        "A request for a lease that was not answered, or not in full, is repeated after this time.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
