"""The settings of `FairValueActor`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runtime.config.errors import RuleBroken
from runtime.config.rules import at_least, between, each, positive, setting


@attrs.frozen(kw_only=True)
class FairValueParams:
    """Settings of `FairValueActor`."""

    microprice_weight: float = setting(
        "Share of the microprice, which leans to the thinner side; the mid has what the shares leave.",
        default=0.5, rule=between(0.0, 1.0),
    )  # fmt: skip
    depth_weight: float = setting(
        "Share of the depth-weighted price: the microprice of the first levels instead of the touch alone. "
        "It needs depth_levels at the venue book.",
        default=0.0, rule=between(0.0, 1.0),
    )  # fmt: skip
    depth_levels: int = setting("Levels a side that the depth-weighted price looks at.", default=5, rule=at_least(1))
    last_trade_weight: float = setting(
        "Share of the last trade's price when the trade is new.", default=0.0, rule=between(0.0, 1.0)
    )
    last_trade_half_life_s: float = setting(
        "A trade of this age has half of its share, one of twice this age a quarter; the mid has the rest.",
        default=1.0, rule=positive(), unit="s",
    )  # fmt: skip
    cross_weight: float = setting(
        "Share of the price over all live venues in what is told for one of them; the rest is that venue's own.",
        default=1.0, rule=between(0.0, 1.0),
    )  # fmt: skip
    venue_weights: Mapping[str, float] = setting(
        "How much a venue counts beside the others; 1 where nothing is said, 0 counts not at all.",
        factory=dict, rule=each(at_least(0.0)),
    )  # fmt: skip
    min_live_venues: int = setting(
        "With fewer live venues than this it knows no price; a symbol of fewer venues needs all of them.",
        default=1, rule=at_least(1),
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """The shares are shares of one whole."""
        shares = self.microprice_weight + self.depth_weight + self.last_trade_weight
        if shares > 1.0:
            raise RuleBroken(
                "shares of microprice, depth and last trade of at most 1 together", "make one of them smaller",
                key=("microprice_weight",), value=f"{shares:g}",
            )  # fmt: skip
