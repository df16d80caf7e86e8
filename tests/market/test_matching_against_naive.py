"""The engine against its reference: the same streams, all kinds of orders, and every event the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

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

EVERY_LEVEL = 100


def check_agreement(chosen: MatchingSettings, inputs: list[Input]) -> None:
    """Hands the inputs to both; the first difference fails, with the input that made it."""
    engine, naive = DrivenEngine(chosen), DrivenNaive(chosen)
    for given_input in inputs:
        expected, events = naive.apply(given_input), engine.apply(given_input)
        assert list(map(told, events)) == list(map(told, expected)), given_input
        assert events == expected, given_input
        assert engine.engine.next_expiry_ns() == naive.engine.next_expiry_ns(), given_input
        assert (engine.engine.best_bid, engine.engine.best_ask, engine.engine.open_orders) == (
            naive.engine.best_bid, naive.engine.best_ask, naive.engine.open_orders,
        ), given_input  # fmt: skip
    for side in (BUY, SELL):
        assert engine.engine.depth(side, EVERY_LEVEL) == naive.engine.depth(side, EVERY_LEVEL)
    assert engine.engine.last_price == naive.engine.last_price
    assert engine.engine.trade_count == naive.engine.trade_count


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
