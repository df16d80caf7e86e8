"""The settings of `FairValueActor`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

import attrs

from runtime.config.rules import between, setting


@attrs.frozen(kw_only=True)
class FairValueParams:
    """Settings of `FairValueActor`."""

    microprice_weight: float = setting(
        "Share of the microprice, which leans to the thinner side; the rest is the mid.",
        default=0.5, rule=between(0.0, 1.0),
    )  # fmt: skip
