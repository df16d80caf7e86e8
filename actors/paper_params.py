"""The settings of `PaperVenue`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

import attrs

from runtime.config.rules import between, setting


@attrs.frozen(kw_only=True)
class PaperVenueParams:
    """Settings of `PaperVenue`."""

    latency_us: int = setting(
        "Shortest time until an order or a cancel reaches the venue.",
        default=5_000, rule=between(0, 60_000_000), unit="us",
    )  # fmt: skip
    jitter_us: int = setting(
        "Up to this much is added, evenly drawn.", default=5_000, rule=between(0, 60_000_000), unit="us"
    )
    seed: int = setting("Seed of the draw.", default=1, rule=between(0, 2**63 - 1))
