"""The settings of `Router`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

import attrs

from runtime.config.rules import between, setting


@attrs.frozen(kw_only=True)
class RouterParams:
    """Settings of `Router`."""

    rounds: int = setting(
        "How often one order is routed: once, and then what was not filled.", default=4, rule=between(1, 100)
    )
    reroute_pause_ms: int = setting(
        "How long it waits for another book when no venue can take what is left.",
        default=50, rule=between(1, 60_000), unit="ms",
    )  # fmt: skip
    fill_rate: float = setting(
        "The share of an order that is expected to fill at a venue of which nothing is known yet.",
        default=0.9, rule=between(0.0, 1.0),
    )  # fmt: skip
    latency_ms: float = setting(
        "The time to an answer that is expected of a venue of which nothing is known yet.",
        default=20.0, rule=between(0.0, 60_000.0), unit="ms",
    )  # fmt: skip
    learning_weight: float = setting(
        "The weight of one new outcome in what is known of a venue.", default=0.1, rule=between(0.0001, 1.0)
    )
    latency_weight: float = setting(
        "What one standard deviation of the price over a venue's latency costs, as a share of it, beside the slippage "
        "that is expected anyway.",
        default=0.25, rule=between(0.0, 10.0),
    )  # fmt: skip
    volatility_half_life_s: float = setting(
        "After this time a price change counts half in the volatility.", default=60.0, rule=between(0.1, 86_400.0),
        unit="s",
    )  # fmt: skip
