"""The events of the engine alone rebuild its book, order by order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from market.matching.engine import MatchingEngine
from market.matching.settings import MatchingSettings
from market.matching.view import IN_BOOK
from market.messages import BUY, SELL
from tests.market.matching_engines import DrivenEngine
from tests.market.matching_rebuilt import RebuiltBook, Row
from tests.market.matching_streams import Input, any_settings, drawn_settings, seeded_numbers, stream, streams
from tests.seeds import examples, seeds


def book_of(engine: MatchingEngine) -> list[Row]:
    """Every order in the engine's book, in priority."""
    return [
        (order.order_id, order.side, order.price, order.remaining, order.shown)
        for order in engine.orders()
        if order.place == IN_BOOK
    ]


def check_rebuilt(chosen: MatchingSettings, inputs: list[Input]) -> None:
    """After every input, what the events have told is the book."""
    engine, rebuilt = DrivenEngine(chosen), RebuiltBook()
    for given_input in inputs:
        for cells in engine.apply(given_input):
            rebuilt.apply(cells)
        assert rebuilt.rows() == book_of(engine.engine), given_input


@given(any_settings(), streams())
@settings(max_examples=examples(60, 5_000))
def test_events_rebuild_the_book_of_any_stream(chosen: MatchingSettings, inputs: list[Input]) -> None:
    """Whoever reads every event knows every order in the book, its place, its size and what it shows."""
    check_rebuilt(chosen, inputs)


@pytest.mark.parametrize("seed", seeds(5, 300))
def test_events_rebuild_the_book_of_long_streams(seed: int) -> None:
    """The same for books that have lived for a while."""
    check_rebuilt(drawn_settings(seed * 7919), list(stream(seeded_numbers(seed, 400), lifetime=40)))


@pytest.mark.parametrize("seed", seeds(5, 300))
def test_touched_levels_are_enough(seed: int) -> None:
    """What is shown changes on touched levels alone: whoever looks at those after each input keeps the depth."""
    driven = DrivenEngine(drawn_settings(seed * 104729))
    engine = driven.engine
    shown: dict[tuple[int, int], int] = {}
    engine.clear_touched()
    for given_input in stream(seeded_numbers(seed, 400), lifetime=40):
        driven.feed(given_input)
        for side, price in engine.touched:
            shown[side, price] = engine.shown(side, price)
        engine.clear_touched()
        for side in (BUY, SELL):
            kept = {price: size for (of, price), size in shown.items() if of == side and size}
            assert kept == dict(engine.depth(side, len(kept) + 1)), given_input
