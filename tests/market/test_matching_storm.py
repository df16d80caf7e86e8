"""Seeded storms of all kinds of inputs against the engine, with every invariant checked after every event."""

from __future__ import annotations

import pytest

from tests.market.matching_engines import DrivenEngine
from tests.market.matching_judge import Judge
from tests.market.matching_streams import seeded_numbers, settings, stream
from tests.seeds import examples, seeds

OPERATIONS = examples(6_000, 1_000_000)
COMPARED_EVERY = 2_000
LIFETIME = 300


@pytest.mark.parametrize("seed", seeds(2, 2))
def test_storm(seed: int) -> None:
    """Never crossed, priority never violated, sizes conserved, over many operations on a book of hundreds of orders."""
    driven, judge = DrivenEngine(settings(band_ppm=50_000, most_orders=600, most_pegged=20)), Judge()
    for number, given in enumerate(stream(seeded_numbers(seed, OPERATIONS), LIFETIME), 1):
        judge.judge(given, driven.apply(given))
        if number % COMPARED_EVERY == 0:
            judge.compare(driven.engine)
    judge.compare(driven.engine)
    assert judge.trade_count > OPERATIONS // 10
