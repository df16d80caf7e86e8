"""The engine against its reference: the same streams, all kinds of orders, and every event the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from benchmarks.naive_matching import NaiveEngine
from market.matching.engine import MatchingEngine
from market.matching.settings import MatchingSettings
from market.messages import BUY, SELL
from tests.market.matching_engines import DrivenEngine, DrivenNaive, told
from tests.market.matching_streams import (
    WIDE_LEVELS,
    WIDE_MAXIMUM_PRICE,
    Input,
    any_settings,
    drawn_settings,
    seeded_numbers,
    stream,
    streams,
)
from tests.market.matching_streams import settings as narrow_settings
from tests.seeds import examples, seeds

EVERY_LEVEL = 1000


def first_difference(chosen: MatchingSettings, inputs: list[Input]) -> tuple[int, list[str], list[str]] | None:
    """The first input after which the two differ, with what each then tells; None when they agree throughout."""
    engine, naive = DrivenEngine(chosen), DrivenNaive(chosen)
    for position, given_input in enumerate(inputs):
        expected, events = naive.apply(given_input), engine.apply(given_input)
        if events != expected:
            return position, [told(cells) for cells in events], [told(cells) for cells in expected]
        views = views_of(engine.engine), views_of(naive.engine)
        if views[0] != views[1]:
            return position, [views[0]], [views[1]]
    return None


def views_of(engine: MatchingEngine | NaiveEngine) -> str:
    """What can be seen of an engine between inputs."""
    bids, asks = engine.depth(BUY, EVERY_LEVEL), engine.depth(SELL, EVERY_LEVEL)
    best, last = (engine.best_bid, engine.best_ask), (engine.last_price, engine.trade_count)
    return f"{best} {bids} {asks} {last} {engine.open_orders} {engine.next_expiry_ns()}"


def without_idle_inputs(chosen: MatchingSettings, inputs: list[Input]) -> list[Input]:
    """A stream on which the two differ, without the inputs that have nothing to do with that."""
    position = 0
    while position < len(inputs):
        fewer = inputs[:position] + inputs[position + 1 :]
        difference = first_difference(chosen, fewer)
        if difference is None:
            position += 1
        else:
            inputs = fewer[: difference[0] + 1]
    return inputs


def check_agreement(chosen: MatchingSettings, inputs: list[Input]) -> None:
    """Hands the inputs to both; a difference fails with the few inputs that make it."""
    difference = first_difference(chosen, inputs)
    if difference is not None:
        inputs = without_idle_inputs(chosen, inputs[: difference[0] + 1])
        difference = first_difference(chosen, inputs)
        assert difference is not None
        _, events, expected = difference
        lines = [*map(str, inputs), "the engine:", *events, "the reference:", *expected]
        pytest.fail("\n".join(lines), pytrace=False)


@given(any_settings(), streams())
@settings(max_examples=examples(300, 10_000))
def test_both_agree_on_any_stream(chosen: MatchingSettings, inputs: list[Input]) -> None:
    """Whatever comes, engine and reference give the same events, one by one."""
    check_agreement(chosen, inputs)


@pytest.mark.parametrize("seed", seeds(40, 3000))
def test_both_agree_on_long_streams(seed: int) -> None:
    """Books that have lived for a while agree as well."""
    inputs = list(stream(seeded_numbers(seed, 400), lifetime=40))
    check_agreement(drawn_settings(seed * 7919), inputs)


@pytest.mark.parametrize("seed", seeds(5, 300))
def test_both_agree_on_wide_books(seed: int) -> None:
    """Books of hundreds of price levels agree as well."""
    inputs = list(stream(seeded_numbers(seed, 800), lifetime=300, levels=WIDE_LEVELS))
    check_agreement(
        narrow_settings(maximum_price=WIDE_MAXIMUM_PRICE, most_orders=400, most_pegged=20, band_ppm=20_000), inputs
    )
