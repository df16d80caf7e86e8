"""The settings of `Portfolio`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from market.positions import METHODS
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, between, decimal, each, one_of, setting, text_of


@attrs.frozen(kw_only=True)
class PortfolioParams:
    """Settings of `Portfolio`."""

    method: str = setting(
        "Which lots a fill closes: average (one cost for all), fifo or lifo. It moves results between realised and "
        "unrealised; their sum is the same.",
        default="average", rule=one_of(*METHODS),
    )  # fmt: skip
    currency: str = setting(
        "In which results are added up. Empty: the money of the instruments, when all have one.", default=""
    )
    rates: Mapping[str, str] = setting(
        'Where the rate of other money comes from: EUR = "EUR/USDT" takes it live from that symbol.',
        factory=dict, rule=each(text_of(64)),
    )  # fmt: skip
    parity: Mapping[str, DecimalText] = setting(
        "Money held to be worth a fixed amount of `currency`, and that amount.",
        factory=dict, rule=each(decimal(above_zero=True)),
    )  # fmt: skip
    starting_value: DecimalText = setting(
        "What the portfolio is worth before its first fill; its value is this and all profit since.",
        default=DecimalText("0"), rule=decimal("0"), unit="currency",
    )  # fmt: skip
    tell_ms: int = setting(
        "Results are told at most once in this time.", default=1_000, rule=between(100, 600_000), unit="ms"
    )
    markout_reference: str = setting(
        "What a fill is compared with 1, 10 and 60 s later: the mid of its own live book, or the fair value.",
        default="mid", rule=one_of("mid", "fair"),
    )  # fmt: skip
    markouts_pending: int = setting(
        "So many fills may wait for their markouts; beyond it the oldest are left out and counted.",
        default=4_096, rule=between(16, 1_000_000),
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """A currency has one rate."""
        both = sorted(set(self.rates) & set(self.parity))
        if both:
            raise RuleBroken("a rate or a parity", "leave one of the two out", key=("parity", both[0]), value=both[0])
