"""Under faults of all kinds at once no book is ever LIVE and wrong, and every book recovers. Hours of it in a soak."""

from __future__ import annotations

import pytest

from tests.seeds import SOAK, seeds
from tests.simulation.venue_speakers import BinanceSpeaker
from tests.simulation.venue_truth import ALL_FAULTS, Faults, Speaker, World

SPEAKERS: dict[str, type[Speaker]] = {"binance": BinanceSpeaker}
# A step is 40 ms: 40 s, or an hour.
STEPS = 90_000 if SOAK else 1_000


def run(world: World, steps: int) -> None:
    """Faults, then none: nothing may be wrong meanwhile, and all must be well in the end."""
    world.run(steps)
    world.settle(40)
    world.check_trades()
    assert world.judged > steps


@pytest.mark.parametrize("venue", SPEAKERS)
@pytest.mark.parametrize("seed", seeds(3, 12))
def test_no_book_is_live_and_wrong(venue: str, seed: int) -> None:
    """Every frame may be dropped, doubled, late, out of order or damaged, every connection lost or silent."""
    world = World({1: SPEAKERS[venue]()}, seed, ALL_FAULTS)
    run(world, STEPS)
    kept = world.book.books[0]
    assert sum(kept.legs[0].recovery.counts) > 0
    assert sum(world.injected.values()) > 5


@pytest.mark.parametrize("venue", SPEAKERS)
@pytest.mark.parametrize("fault", ["drop", "duplicate", "reorder", "corrupt", "disconnect", "stall", "delay"])
def test_every_fault_alone_is_survived(venue: str, fault: str) -> None:
    """Each kind of fault by itself, often."""
    share = 0.02 if fault in ("drop", "duplicate", "reorder", "corrupt") else 0.005
    world = World({1: SPEAKERS[venue]()}, 1, Faults(**{fault: share}))
    run(world, 600)
    assert world.injected[fault] > 0
