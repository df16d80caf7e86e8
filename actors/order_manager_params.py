"""The settings of `OrderManager`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

import attrs

from runtime.config.rules import between, setting


@attrs.frozen(kw_only=True)
class OrderManagerParams:
    """Settings of `OrderManager`."""

    answer_ms: int = setting(
        "An order or a cancel that is not answered within this time is cancelled (again).",
        default=2_000, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
    attempts: int = setting(
        "After this many unanswered cancels of one order, trading halts.", default=3, rule=between(1, 100)
    )
    refusal_pause_ms: int = setting(
        "After a refused order its side is not tried again for this time.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip
