"""The settings of `MarketMaker`. They stand in a module of their own because the strategy is compiled.

`docs/market-making.md` tells what they do to the quotes, with the formulas.
"""

from __future__ import annotations

from typing import Final

import attrs

from runtime.config.rules import DecimalText, at_least, between, decimal, one_of, setting

BASE: Final = "base"
AVELLANEDA_STOIKOV: Final = "avellaneda_stoikov"
GLFT: Final = "glft"

@attrs.frozen(kw_only=True)
class MarketMakerParams:
    """Settings of `MarketMaker`. Sizes are in base, and hold for all venues of one base together."""

    # ---- how much
    size: DecimalText = setting(
        "Size of the best quote of a side.", rule=decimal(above_zero=True), unit="base", reload=True
    )
    maximum_position: DecimalText = setting(
        "It never wants quotes that could take the position further from the target than this.",
        rule=decimal(above_zero=True), unit="base", reload=True,
    )  # fmt: skip
    target: DecimalText = setting(
        "The position that it leans towards.", default=DecimalText("0"), rule=decimal(), unit="base", reload=True
    )
    levels: int = setting("Quotes a side.", default=1, rule=between(1, 20), reload=True)
    level_spacing_bps: float = setting(
        "Distance of a quote from the next better one.",
        default=1.0, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    size_step: DecimalText = setting(
        "By how much each level is larger than the one before it.",
        default=DecimalText("0"), rule=decimal("0"), unit="base", reload=True,
    )  # fmt: skip
    size_shading: float = setting(
        "Share of its size that the side which adds to the position has lost when the position is at its limit.",
        default=0.0, rule=between(0.0, 1.0), reload=True,
    )  # fmt: skip

    # ---- where
    mode: str = setting(
        "base: half_spread_bps, volatility and fees. avellaneda_stoikov and glft: the published models, with "
        "half_spread_bps as the least half spread.",
        default=BASE, rule=one_of(BASE, AVELLANEDA_STOIKOV, GLFT), reload=True,
    )  # fmt: skip
    half_spread_bps: float = setting(
        "Distance of the best quotes from the (skewed) fair value, before volatility and fees.",
        default=2.0, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    volatility_factor: float = setting(
        "In base mode the half spread grows by so many standard deviations of one second.",
        default=0.0, rule=between(0.0, 100.0), reload=True,
    )  # fmt: skip
    fee_share: float = setting(
        "Share of the venue's maker fee that each quote has to earn; a rebate brings it nearer. 0 leaves fees out.",
        default=1.0, rule=between(0.0, 1.0), reload=True,
    )  # fmt: skip
    skew_bps: float = setting(
        "In base mode: how far both quotes move at the largest position.",
        default=2.0, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    maximum_skew_bps: float = setting(
        "The models move both quotes by no more than this.",
        default=25.0, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    maximum_spread_bps: float = setting(
        "No half spread, fees apart, is larger than this.",
        default=100.0, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip

    # ---- when a quote moves
    requote_bps: float = setting(
        "A quote that has come nearer to the fair value than meant stays until it should move by more than this.",
        default=0.2, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    requote_away_bps: float = setting(
        "A quote that is further away than meant, which risks nothing, stays until it should move by more than this.",
        default=0.4, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    requote_outer_bps: float = setting(
        "Both grow by this with each level behind the best.",
        default=0.1, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    queue_patience: float = setting(
        "For a quote that is first in its queue all three are larger by so many times.",
        default=1.0, rule=between(0.0, 100.0), reload=True,
    )  # fmt: skip
    moves_per_batch: int = setting(
        "So many quotes move at once, those that are most out of place, and the others with the next messages. What is "
        "dangerously near or has to go never waits. 0 moves all at once.",
        default=2, rule=between(0, 1_000), reload=True,
    )  # fmt: skip

    # ---- when there is none
    minimum_confidence: float = setting(
        "It trusts a fair value of at least this confidence.", default=0.5, rule=between(0.0, 1.0), reload=True
    )
    min_live_venues: int = setting(
        "It quotes nowhere while fewer of its venues than this are live; a base with fewer needs all of them.",
        default=1, rule=at_least(1), reload=True,
    )  # fmt: skip
    maximum_deviation_bps: float = setting(
        "It does not quote at a venue whose touch is further from the fair value than this. 0 is off.",
        default=50.0, rule=between(0.0, 5_000.0), unit="bps", reload=True,
    )  # fmt: skip

    # ---- the models
    risk_aversion: float = setting(
        "Gamma of the models: for each basis point and each quote of `size` held.",
        default=0.1, rule=between(0.0, 1_000.0), reload=True,
    )  # fmt: skip
    horizon_s: float = setting(
        "How far avellaneda_stoikov looks ahead, at any time; 0 is its formula without a horizon.",
        default=60.0, rule=between(0.0, 86_400.0), unit="s", reload=True,
    )  # fmt: skip

    # ---- what is measured
    volatility_bps: float = setting(
        "Volatility over one second until enough is measured.",
        default=0.5, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    volatility_half_life_s: float = setting(
        "How long volatility is remembered: half of it for this time.",
        default=60.0, rule=between(0.1, 86_400.0), unit="s", reload=True,
    )  # fmt: skip
    volatility_sample_ms: int = setting(
        "Time between two looks at the fair value; movement within it is noise.",
        default=500, rule=between(1, 60_000), unit="ms", reload=True,
    )  # fmt: skip
    calibrate: bool = setting(
        "Whether the models measure how orders arrive; otherwise they take the two settings below.",
        default=True, reload=True,
    )  # fmt: skip
    arrival_rate: float = setting(
        "Orders a second at the middle, A of the models, until enough are seen.",
        default=1.0, rule=between(0.000001, 1_000_000.0), reload=True,
    )  # fmt: skip
    arrival_decay: float = setting(
        "k of the models, for each basis point, until enough orders are seen. A measured one is held between a tenth "
        "and ten times this.",
        default=1.0, rule=between(0.0001, 10_000.0), reload=True,
    )  # fmt: skip
    arrival_half_life_s: float = setting(
        "How long arrivals are remembered: half of them for this time.",
        default=600.0, rule=between(1.0, 604_800.0), unit="s", reload=True,
    )  # fmt: skip
    least_samples: int = setting(
        "So many returns, or orders, are measured before they count.",
        default=30, rule=between(1, 1_000_000), reload=True,
    )  # fmt: skip
