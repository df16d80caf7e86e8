"""Seeded storms of all kinds of inputs against the engine, with every invariant checked after every event."""

from __future__ import annotations

import pytest

from tests.market.matching_engines import DrivenEngine
from tests.market.matching_judge import Judge
from tests.market.matching_streams import (
    LEVELS,
    WIDE_LEVELS,
    WIDE_MAXIMUM_PRICE,
    Cancel,
    seeded_numbers,
    settings,
    stream,
)
from tests.seeds import examples

OPERATIONS = examples(5_000, 1_000_000)
COMPARED_EVERY = 2_000
LIFETIME = 300
MOST_HELD = 500


@pytest.mark.parametrize(("levels", "maximum_price"), [(LEVELS, 125), (WIDE_LEVELS, WIDE_MAXIMUM_PRICE)])
def test_storm(levels: range, maximum_price: int) -> None:
    """Never crossed, priority never violated, sizes conserved, over many operations on a book of many orders."""
    chosen = settings(band_ppm=50_000, most_orders=600, most_pegged=20, maximum_price=maximum_price)
    driven, judge = DrivenEngine(chosen), Judge()
    numbers = seeded_numbers(maximum_price, OPERATIONS)
    for number, given in enumerate(stream(numbers, LIFETIME, levels), 1):
        judge.judge(given, driven.apply(given))
        if driven.engine.open_orders > MOST_HELD:
            # The oldest order goes, so that orders far from the market do not fill the book.
            oldest = Cancel(next(order_id for order_id in judge.followed if driven.engine.find(order_id) != -1))
            judge.judge(oldest, driven.apply(oldest))
        if number % COMPARED_EVERY == 0:
            judge.compare(driven.engine)
    judge.compare(driven.engine)
    assert judge.trade_count > OPERATIONS // 10
