"""The settings of `PaperVenue`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, Rule, between, decimal, one_of, setting

DELAY = between(0, 60_000_000)
FEWEST_QUANTILES = 2
MOST_QUANTILES = 1_001


def _are_quantiles(values: tuple[int, ...]) -> bool:
    if not values:
        return True
    if not FEWEST_QUANTILES <= len(values) <= MOST_QUANTILES:
        return False
    return all(DELAY.holds(value) for value in values) and list(values) == sorted(values)


QUANTILES = Rule(
    f"none, or {FEWEST_QUANTILES} to {MOST_QUANTILES} delays from 0 to 60000000, none below the one before it",
    _are_quantiles,
)


@attrs.frozen(kw_only=True)
class PaperDelays:
    """How long requests and reports are on their way at one venue; what is left out is as for all venues."""

    latency_us: int | None = setting("As below, for this venue.", default=None, unit="us")
    jitter_us: int | None = setting("As below, for this venue.", default=None, unit="us")
    quantiles_us: tuple[int, ...] = setting("As below, for this venue.", default=(), rule=QUANTILES, unit="us")
    cancel_latency_us: int | None = setting("As below, for this venue.", default=None, unit="us")
    cancel_jitter_us: int | None = setting("As below, for this venue.", default=None, unit="us")
    cancel_quantiles_us: tuple[int, ...] = setting("As below, for this venue.", default=(), rule=QUANTILES, unit="us")
    report_latency_us: int | None = setting("As below, for this venue.", default=None, unit="us")
    report_jitter_us: int | None = setting("As below, for this venue.", default=None, unit="us")
    report_quantiles_us: tuple[int, ...] = setting("As below, for this venue.", default=(), rule=QUANTILES, unit="us")

    def __attrs_post_init__(self) -> None:
        """Delays of one venue keep the rule of all delays."""
        for name in ("latency_us", "jitter_us", "cancel_latency_us", "cancel_jitter_us", "report_latency_us",
                     "report_jitter_us"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not DELAY.holds(value):
                raise RuleBroken(DELAY.expected, key=(name,), value=str(value))


Delay = tuple[int, int, tuple[int, ...]]
"""The shortest, what is added at most, and the quantiles that stand for both where there are any; microseconds."""


@attrs.frozen(kw_only=True)
class PaperVenueParams:
    """Settings of `PaperVenue`."""

    latency_us: int = setting(
        "Shortest time until an order, a change or a question reaches the venue.",
        default=5_000, rule=DELAY, unit="us",
    )  # fmt: skip
    jitter_us: int = setting("Up to this much is added, evenly drawn.", default=5_000, rule=DELAY, unit="us")
    quantiles_us: tuple[int, ...] = setting(
        "Instead of both: delays that you measured, as evenly spaced quantiles from the shortest to the longest. "
        "A delay is drawn between two neighbours, each pair as likely as another.",
        default=(), rule=QUANTILES, unit="us",
    )  # fmt: skip
    cancel_latency_us: int | None = setting(
        "The same for cancels; left out, they take as long as orders.", default=None, unit="us"
    )
    cancel_jitter_us: int | None = setting("The same for cancels.", default=None, unit="us")
    cancel_quantiles_us: tuple[int, ...] = setting("The same for cancels.", default=(), rule=QUANTILES, unit="us")
    report_latency_us: int = setting(
        "The same for reports on their way back; 0, the default, charges the whole delay on the way there.",
        default=0, rule=DELAY, unit="us",
    )  # fmt: skip
    report_jitter_us: int = setting("The same for reports.", default=0, rule=DELAY, unit="us")
    report_quantiles_us: tuple[int, ...] = setting("The same for reports.", default=(), rule=QUANTILES, unit="us")
    venues: Mapping[str, PaperDelays] = setting("Delays of single venues, by the venue's name.", factory=dict)
    seed: int = setting("Seed of the draws.", default=1, rule=between(0, 2**63 - 1))
    drive: str = setting(
        "The model that fills: queue, beside which the other two are told as shadows; with another one all three "
        "accounts follow it, for a backtest of each.",
        default="queue", rule=one_of("queue", "optimistic", "pessimistic"),
    )  # fmt: skip
    cancels_ahead: str = setting(
        "How much of what others cancel at a price was ahead of us: linear as all that stands there is as likely to be "
        "cancelled; squared by the squares of what is ahead and behind; fixed by cancels_ahead_share.",
        default="linear", rule=one_of("linear", "squared", "fixed"),
    )  # fmt: skip
    cancels_ahead_share: DecimalText = setting(
        "The share with fixed, from 0 (the harshest) to 1.", default=DecimalText("0.5"), rule=decimal("0")
    )
    pair_ms: int = setting(
        "A trade and the shrinking of its level that come within this time, in either order, are one event.",
        default=200, rule=between(1, 60_000), unit="ms",
    )  # fmt: skip
    connection_id: int = setting(
        "The connection by which it may be asked for its open orders; it always answers when 0 is asked.",
        default=0, rule=between(0, 2**31),
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """A share is no more than the whole, and cancels keep the rule of delays."""
        if self.share_ppm > 1_000_000:
            shown = f'"{self.cancels_ahead_share}"'
            raise RuleBroken('a decimal from 0 to 1 in quotes', key=("cancels_ahead_share",), value=shown)
        for name in ("cancel_latency_us", "cancel_jitter_us"):
            value = getattr(self, name)
            if value is not None and not DELAY.holds(value):
                raise RuleBroken(DELAY.expected, key=(name,), value=str(value))

    @property
    def share_ppm(self) -> int:
        """The fixed share of cancels ahead, in parts per million, rounded down."""
        whole, _, fraction = str(self.cancels_ahead_share).partition(".")
        return int(whole) * 1_000_000 + int(fraction[:6].ljust(6, "0"))

    def delays_of(self, venue: str) -> tuple[Delay, Delay, Delay]:
        """Of orders, of cancels, of reports at a venue."""
        own = self.venues.get(venue, PaperDelays())
        orders = _first(
            (own.latency_us, own.jitter_us, own.quantiles_us), (self.latency_us, self.jitter_us, self.quantiles_us)
        )
        cancels = _first(
            (own.cancel_latency_us, own.cancel_jitter_us, own.cancel_quantiles_us),
            _first((self.cancel_latency_us, self.cancel_jitter_us, self.cancel_quantiles_us), orders),
        )
        reports = _first(
            (own.report_latency_us, own.report_jitter_us, own.report_quantiles_us),
            (self.report_latency_us, self.report_jitter_us, self.report_quantiles_us),
        )
        return orders, cancels, reports


def _first(own: tuple[int | None, int | None, tuple[int, ...]], common: Delay) -> Delay:
    """The delay that one table says, and what it leaves out as the other says."""
    latency_us, jitter_us, quantiles_us = own
    if quantiles_us:
        return 0, 0, tuple(quantiles_us)
    if latency_us is None and jitter_us is None:
        return common
    return (
        common[0] if latency_us is None else latency_us,
        common[1] if jitter_us is None else jitter_us,
        (),
    )
