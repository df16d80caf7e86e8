"""The settings of `AggregatedBook`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, at_least, between, decimal, each, setting, text_of


@attrs.frozen(kw_only=True)
class AggregatedBookParams:
    """Settings of `AggregatedBook`."""

    quote: str = setting(
        "The currency that all prices are told in. Empty aggregates the instruments of one symbol, as they are.",
        default="",
    )
    rates: Mapping[str, str] = setting(
        'Where the rate of another quote currency comes from: USDT = "USDT/USD" takes it live from that symbol.',
        factory=dict, rule=each(text_of(64)),
    )  # fmt: skip
    parity: Mapping[str, DecimalText] = setting(
        "Currencies held to be worth a fixed amount of `quote`, and that amount. What they are really worth is a risk "
        "that nobody measures then; `parity_risk_bps` takes it into the prices.",
        factory=dict, rule=each(decimal(above_zero=True)),
    )  # fmt: skip
    parity_risk_bps: int = setting(
        "Bids converted at parity are lowered by this much and asks raised.",
        default=0, rule=between(0, 5_000), unit="bps",
    )  # fmt: skip
    depth: int = setting(
        "So many levels a side are told as `AggregateBook` after each change; 0 tells the touch alone.",
        default=0, rule=at_least(0),
    )  # fmt: skip
    adjusted: bool = setting("Whether the told depth is what a taker pays or gets after fees.", default=False)

    def __attrs_post_init__(self) -> None:
        """A currency has one rate, and only where there is a common currency."""
        both = sorted(set(self.rates) & set(self.parity))
        if both:
            raise RuleBroken("a rate or a parity", "leave one of the two out", key=("parity", both[0]), value=both[0])
        for name, table in (("rates", self.rates), ("parity", self.parity)):
            if self.quote and self.quote in table:
                raise RuleBroken(
                    "another currency than quote, which is worth 1 of itself", "leave it out",
                    key=(name, self.quote), value=self.quote,
                )  # fmt: skip
        if (self.rates or self.parity) and not self.quote:
            raise RuleBroken("a common currency for rates", 'set quote, such as "USD"', key=("quote",), value="")
