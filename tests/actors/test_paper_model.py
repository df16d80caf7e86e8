"""The market on paper against a slow judge, over random markets and orders, and the invariants of its accounts."""

from __future__ import annotations

import pytest

from benchmarks.paper_naive import OPTIMISTIC, PESSIMISTIC, QUEUE
from tests.actors.paper_pair import PaperPair
from tests.seeds import seeds

STEPS = 250


@pytest.mark.parametrize("deep", [False, True], ids=["touch", "depth"])
@pytest.mark.parametrize("seed", seeds(60, 3_000))
def test_every_fill_and_place_is_that_of_the_judge(seed: int, deep: bool) -> None:
    """Every fill of every account, and every place in a queue; optimistic >= queue >= pessimistic, order by order."""
    pair = PaperPair(seed, deep, large=seed % 7 == 3)
    for number in range(STEPS):
        pair.step()
        if number % 10 == 9:
            pair.check_places()
    pair.check_sums()


def test_the_stream_is_worth_running() -> None:
    """It fills in all three accounts, which come to differ, makes makers and takers, and refuses some."""
    models: set[int] = set()
    ends: set[tuple[bool, bool]] = set()
    for seed in range(20):
        pair = PaperPair(seed, True)
        for _ in range(STEPS):
            pair.step()
        models |= {fill[1] for fill in pair.fills}
        for order, _ in pair.orders.values():
            ends.add((order.optimistic < order.remaining, order.remaining < order.pessimistic))
    assert models == {QUEUE, OPTIMISTIC, PESSIMISTIC}
    assert {(False, False), (False, True), (True, False)} <= ends
