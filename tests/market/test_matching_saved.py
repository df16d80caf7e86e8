"""An engine that was saved and loaded goes on as one that was not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.matching.settings import MatchingSettings
from tests.market.matching_engines import DrivenEngine
from tests.market.matching_streams import Input, any_settings, drawn_settings, seeded_numbers, stream, streams
from tests.seeds import examples, seeds


def reloaded(engine: DrivenEngine, chosen: MatchingSettings) -> DrivenEngine:
    """An engine loaded from what another saves, over text as it would lie on a disk."""
    saved = json.loads(json.dumps(engine.engine.save()))
    fresh = DrivenEngine(chosen)
    fresh.engine.load(saved)
    return fresh


def check_going_on(chosen: MatchingSettings, inputs: list[Input], cuts: set[int]) -> None:
    """One engine runs through; the other is saved and loaded before the inputs at `cuts`."""
    whole, pieces = DrivenEngine(chosen), DrivenEngine(chosen)
    for position, given_input in enumerate(inputs):
        if position in cuts:
            pieces = reloaded(pieces, chosen)
            assert pieces.engine.save() == whole.engine.save()
        assert pieces.apply(given_input) == whole.apply(given_input), given_input
        assert pieces.engine.next_expiry_ns() == whole.engine.next_expiry_ns()
    assert pieces.engine.save() == whole.engine.save()


@given(any_settings(), streams(), st.sets(st.integers(1, 49), min_size=1, max_size=4))
@settings(max_examples=examples(60, 5_000))
def test_any_stream_goes_on_after_a_load(chosen: MatchingSettings, inputs: list[Input], cuts: set[int]) -> None:
    """Save, load, go on gives the same events as going on."""
    check_going_on(chosen, inputs, cuts)


@pytest.mark.parametrize("seed", seeds(5, 300))
def test_long_streams_go_on_after_loads(seed: int) -> None:
    """The same for books that have lived for a while, loaded again and again."""
    inputs = list(stream(seeded_numbers(seed, 400), lifetime=40))
    check_going_on(drawn_settings(seed * 7919), inputs, set(range(seed % 7, 400, 23)))
