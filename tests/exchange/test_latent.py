"""The hidden price: the same for all who ask, whatever they ask, with the shape that its settings say."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.chance import (
    LOG_ONE,
    MASK,
    NORMAL_ONE,
    ONE_20,
    ONE_30,
    Chance,
    draw,
    exp_of,
    exponential_of,
    key_of,
    mix,
    normal,
)
from exchange.latent import (
    BLOCK_NS,
    CALM,
    FINE,
    MOST_LOG,
    NORMAL,
    STEP_NS,
    WILD,
    LatentPrice,
    LatentSettings,
    Wander,
    seed_of,
)
from tests.seeds import examples

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
YEAR = 365 * 24 * HOUR
ANCHOR = 1_767_225_600 * SECOND
KEY = seed_of(7, "BTC/USDT")
SPAN_NS = 1_024 * BLOCK_NS
GOLDEN_DRAWS = [1753845952, 3729821795831728705, 83290073, -47490, 1151978, 2918732878]
GOLDEN_PATH = [1280000000, 1279958635, 1280976465, 594103673]


def price(settings: LatentSettings | None = None, key: int = KEY) -> LatentPrice:
    """A hidden price."""
    return LatentPrice(key, ANCHOR, 5_000_000, settings or LatentSettings())


def returns(latent: LatentPrice, every_ns: int, count: int) -> list[float]:
    """Moves over even times."""
    path = [latent.log_at(ANCHOR + number * every_ns) / LOG_ONE for number in range(count + 1)]
    return [after - before for before, after in pairwise(path)]


def test_draws_are_what_they_were() -> None:
    """Seeds mean the same on every machine and in every mode: these numbers never change."""
    key = key_of(1, 2)
    found = [mix(1), key, draw(key, 3), normal(key, 4), exponential_of(MASK // 3), exp_of(LOG_ONE)]
    assert found == GOLDEN_DRAWS


def test_the_path_is_what_it_was() -> None:
    """So is the hidden price, after a second, an hour and a year."""
    latent = price()
    assert [latent.fine_at(ANCHOR + passed) for passed in (0, SECOND, HOUR, YEAR)] == GOLDEN_PATH


def test_draws_have_their_shapes() -> None:
    """Mean and deviation of the normal and the exponential draw; the exponential function."""
    key = key_of(3, 4)
    normals = [normal(key, number) / NORMAL_ONE for number in range(5_000)]
    waits = [exponential_of(draw(key, number)) / ONE_20 for number in range(5_000)]
    assert abs(statistics.mean(normals)) < 0.04
    assert abs(statistics.pstdev(normals) - 1) < 0.03
    assert abs(statistics.mean(waits) - 1) < 0.05
    assert abs(statistics.pstdev(waits) - 1) < 0.08
    for log in (-3.0, -0.5, 0.0, 0.1, 0.69, 2.0, 6.9):
        assert exp_of(int(log * LOG_ONE)) / ONE_30 == pytest.approx(math.exp(log), rel=1e-7)
    for word in (0, 1, 1_000, MASK // 2, MASK - 1, MASK):
        assert exponential_of(word) / ONE_20 == pytest.approx(-math.log((word + 1) / 2**32), abs=1e-4)


@given(st.integers(0, 2**62), st.integers(0, 2**62))
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_nothing_passes_its_bounds(seed: int, number: int) -> None:
    """Whatever is drawn with, sizes, distances and waits keep their bounds."""
    chance = Chance(key_of(seed, number))
    chance.drawn = number % 2**40
    assert 0 <= chance.below(10) < 10
    assert 1 <= chance.log_normal(1_000, 900, 50_000) <= 50_000
    assert 0 <= chance.power_law(900, 250) <= 250
    assert 1 <= chance.wait_ns(2**46) < 23 * 2**46


@given(st.lists(st.integers(0, 3 * SPAN_NS), min_size=1, max_size=4))
@settings(max_examples=examples(5, 100), deadline=None)
def test_the_order_of_questions_does_not_matter(times: list[int]) -> None:
    """One who is asked here and there and one who is asked in order say the same."""
    here_and_there = price()
    asked = {passed: here_and_there.log_at(ANCHOR + passed) for passed in times}
    in_order = price()
    assert {passed: in_order.log_at(ANCHOR + passed) for passed in sorted(times)} == asked


def test_the_path_has_no_seams() -> None:
    """Where a block or a span ends the path goes on as it does elsewhere."""
    latent = price(LatentSettings(jumps_an_hour=0))
    for seam in (BLOCK_NS, 17 * BLOCK_NS, SPAN_NS, 2 * SPAN_NS):
        move: int = latent.log_at(ANCHOR + seam) - latent.log_at(ANCHOR + seam - STEP_NS)
        # A wild step has 30 parts per million; five of them are more than any draw gives.
        assert abs(move) < 6 * 30 * LOG_ONE // 1_000_000


def test_a_long_sleep_is_cheap() -> None:
    """After decades the price is there at once, within its bounds; before the anchor it stands."""
    latent = price()
    log: int = latent.log_at(ANCHOR + 40 * YEAR)
    assert abs(log) <= MOST_LOG
    assert latent.fine_at(ANCHOR + 40 * YEAR) > 0
    assert latent.log_at(ANCHOR - HOUR) == 0
    assert latent.fine_at(ANCHOR) == 5_000_000 * FINE


def test_names_and_seeds_have_paths_of_their_own() -> None:
    """Two symbols of one seed are not correlated, nor two seeds of one symbol."""
    paths = [returns(price(key=seed_of(*one)), BLOCK_NS, 500) for one in ((1, "A"), (1, "B"), (2, "A"))]
    assert abs(statistics.correlation(paths[0], paths[1])) < 0.2
    assert abs(statistics.correlation(paths[0], paths[2])) < 0.2


def test_volatility_is_as_set() -> None:
    """Of one regime alone: 100 parts per million in the square root of a second, at every distance."""
    still = LatentSettings(100, 100, 100, jumps_an_hour=0)
    for every_ns, count in ((STEP_NS, 2_000), (SECOND, 60), (BLOCK_NS, 3_000), (16 * BLOCK_NS, 400)):
        found = statistics.pstdev(returns(price(still), every_ns, count))
        wanted = 100e-6 * math.sqrt(every_ns / SECOND)
        assert found == pytest.approx(wanted, rel=0.25 if count < 100 else 0.12)


def test_regimes_and_jumps_make_fat_tails() -> None:
    """The moves of a changing market are far from normal; all three regimes come."""
    latent = price()
    moves = returns(latent, BLOCK_NS, 4_000)
    variance = statistics.pvariance(moves)
    assert sum(move**4 for move in moves) / len(moves) / variance**2 > 5
    regimes = {latent.regime_at(ANCHOR + number * BLOCK_NS) for number in range(4_000)}
    assert regimes == {CALM, NORMAL, WILD}


def test_a_wander_comes_back() -> None:
    """A venue's error has the deviation that was set, no drift, and changes its sign."""
    wander = Wander(key_of(1, 1), 100, 4 * SECOND)
    path = [int(wander.log_at(ANCHOR + number * SECOND)) / 1e6 for number in range(4_000)]
    assert abs(statistics.mean(path)) < 15
    assert 70 < statistics.pstdev(path) < 130
    crossings = sum(before * after < 0 for before, after in pairwise(path))
    assert crossings > 400
    assert Wander(1, 0, SECOND).log_at(ANCHOR) == 0
