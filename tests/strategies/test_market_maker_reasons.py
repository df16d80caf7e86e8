"""What the market maker says of each quote is true of that quote, also of one that it placed a while ago."""

from __future__ import annotations

import re
from random import Random
from typing import cast

import pytest

from market.messages import BUY, SELL
from tests.seeds import seeds
from tests.strategies.maker_lane import FAIR, INSTRUMENTS, SECOND, MakerLane, settings

WHY = re.compile(
    r"level (\d)(?:, placed as (\d))?: fair ([0-9.]+); half (-?[0-9.]+) bps = .*; skew (-?[0-9.]+) bps; held .*; "
    r"levels ([0-9.]+) bps apart"
)


@pytest.mark.parametrize("seed", seeds(3, 30))
def test_every_level_is_where_its_own_reason_says(seed: int) -> None:
    """Whatever was kept, staggered, skewed or held back: price and reason of each level fit; one that stays says so."""
    random = Random(seed)
    lane = MakerLane(
        settings(
            levels=3, level_spacing_bps=0.5, half_spread_bps=0.4, requote_bps=0.25, requote_away_bps=0.5,
            requote_outer_bps=0.25, moves_per_batch=1, volatility_factor=0.3, queue_patience=1.0,
        ),
        INSTRUMENTS,
    )  # fmt: skip
    price, checked, held_back, stays = FAIR, 0, 0, 0
    for step in range(150):
        price *= 1.0 + random.gauss(0.0, 0.15) * 1e-4
        lane.now_ns += SECOND // 10
        lane.market(price, 1.0)
        if step % 40 == 20:
            lane.fill(random.choice((BUY, SELL)), 0.004, number=random.randrange(1, 4), price=round(price))
        for quote in cast("list[dict[str, str]]", lane.maker.panel()["quotes"]):
            checked += 1
            found = WHY.match(quote["why"])
            assert found is not None, quote["why"]
            fair, half, skew, spacing = (float(found[part]) for part in range(3, 7))
            place = int(found[2] or found[1]) - 1
            away = (half + place * spacing) * 1e-4
            sign = 1 if quote["side"] == "buy" else -1
            meant = fair * (1.0 + skew * 1e-4) - sign * fair * away
            beyond = (meant - float(quote["price"])) * sign
            # Two decimals of basis points, and rounding to the coarsest of the ticks.
            near = fair * 0.015e-4 + 0.1
            if "behind" in quote["why"]:
                held_back += 1
            else:
                assert -near <= beyond <= near, quote["why"]
            stays += "than it would be placed now" in quote["why"]
    assert stays > 0
    assert held_back < checked * 0.2


def test_a_quote_that_is_held_back_says_so() -> None:
    """With a fair value beyond the touch the best bid stays a tick before it, in the reason that is told too."""
    lane = MakerLane(settings(half_spread_bps=0.1))
    lane.take(lane.top(1, 60_000.0, 2.0), lane.fair(1, 60_020.0))
    assert lane.last().reason.endswith("; best bid held back by the asks")
    first = cast("list[dict[str, str]]", lane.maker.panel()["quotes"])[0]
    assert "a tick behind what was before it" in first["why"]
