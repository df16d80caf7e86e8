"""The settings of `OrderManager`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runtime.config.rules import at_least, between, each, one_of, setting


@attrs.frozen(kw_only=True)
class OrderManagerParams:
    """Settings of `OrderManager`."""

    answer_ms: int = setting(
        "An order, change or cancel that is not answered within this time is cancelled (again).",
        default=2_000, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
    attempts: int = setting(
        "After this many unanswered cancels of one order, trading halts.", default=3, rule=between(1, 100)
    )
    away_ms: int = setting(
        "Orders may be open for this time behind a gateway that is away; then trading halts. 0 is for ever.",
        default=60_000, rule=between(0, 86_400_000), unit="ms",
    )  # fmt: skip
    refusal_pause_ms: int = setting(
        "After a refused order its side is not tried again for this time.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
    amend: Mapping[str, str] = setting(
        'What can be changed of a working order, by venue: "nothing", "size" (it may only become smaller, and keeps '
        'its place in the queue) or "all". A venue that is not named: what it documents and its gateway can.',
        factory=dict, rule=each(one_of("nothing", "size", "all")),
    )  # fmt: skip
    keep_within_ticks: int = setting(
        "An order this many ticks from the wanted price stays, for its place in the queue.", default=0, rule=at_least(0)
    )
    keep_within_bps: float = setting(
        "The same in basis points of the price; the larger of the two counts.",
        default=0.0, rule=between(0.0, 1_000.0), unit="bps",
    )  # fmt: skip
    keep_size_percent: int = setting(
        "A partly filled order stays while this share of the wanted size is left of it; then it is sent anew.",
        default=50, rule=between(0, 100), unit="%",
    )  # fmt: skip
    replace_at_once: bool = setting(
        "Whether a new order is sent along with the cancel of the one that it replaces. A side may then hold twice as "
        "much until the venue has cancelled; the risk checks count both.",
        default=False,
    )  # fmt: skip
    maximum_open_orders: int = setting(
        "Most open orders in one instrument; what is beyond waits.", default=20, rule=between(1, 10_000)
    )
    routed: bool = setting(
        "Whether it takes target positions and gives them to a router: true where there is a `Router`, and only there.",
        default=False,
    )  # fmt: skip
    target_pause_ms: int = setting(
        "A target that was not reached is tried again after this time.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
    target_rounds: int = setting(
        "After so many rounds without a fill a target is given up.", default=10, rule=between(1, 10_000)
    )
