"""Volatility on line: found again in seeded walks, whatever the rhythm of looking, and blind to gaps and jitter."""

from __future__ import annotations

import json
from math import exp, sqrt
from random import Random

import pytest

from market.volatility import VolatilityMeter
from tests.seeds import seeds

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND


def walked(seed: int, volatility_bps: float, seconds: float, irregular: bool) -> VolatilityMeter:
    """A meter after a walk of this volatility, with looks every 100 ms or at random times."""
    random = Random(seed)
    meter = VolatilityMeter(300.0, SECOND // 2, 10 * SECOND)
    now_ns, price = START_NS, 60_000.0
    while now_ns < START_NS + round(seconds * SECOND):
        step_ns = random.randrange(1, SECOND) if irregular else SECOND // 10
        now_ns += step_ns
        price *= exp(random.gauss(0.0, volatility_bps * 1e-4 * sqrt(step_ns / SECOND)))
        meter.add(price, now_ns)
    return meter


@pytest.mark.parametrize("irregular", [False, True], ids=["regular", "irregular"])
@pytest.mark.parametrize("seed", seeds(3, 50))
def test_the_volatility_of_a_walk_is_found(seed: int, irregular: bool) -> None:
    """Within a tenth after an hour, whether the price is looked at regularly or not."""
    meter = walked(seed, 2.5, 3_600.0, irregular)
    assert meter.volatility_bps(0.0) == pytest.approx(2.5, rel=0.15)


def test_it_is_right_before_its_memory_is_full() -> None:
    """The first returns count for what they are, not for a share of a memory that is empty."""
    meter = VolatilityMeter(3_600.0, SECOND, 10 * SECOND)
    for second in range(11):
        meter.add(60_000.0 * (1.0 + 1e-4 * (second % 2)), START_NS + second * SECOND)
    assert meter.samples == 10
    assert meter.volatility_bps(0.0) == pytest.approx(1.0, rel=1e-3)


def test_jitter_within_a_sample_is_not_movement() -> None:
    """A price that jumps about between two looks and is where it was counts as one that stood still."""
    meter = VolatilityMeter(60.0, SECOND, 10 * SECOND)
    for look in range(1_000):
        meter.add(60_000.0 if look % 10 == 0 else 60_100.0, START_NS + look * SECOND // 10)
    assert meter.volatility_bps(7.0) == 0.0


def test_a_gap_is_no_return() -> None:
    """What happened while the price was unknown does not count, neither after `gap` nor after a long silence."""
    meter = VolatilityMeter(60.0, SECOND, 10 * SECOND)
    for second in range(20):
        meter.add(60_000.0, START_NS + second * SECOND)
    meter.gap()
    meter.add(66_000.0, START_NS + 21 * SECOND)
    meter.add(66_000.0, START_NS + 22 * SECOND)
    meter.add(70_000.0, START_NS + 60 * SECOND)
    meter.add(70_000.0, START_NS + 61 * SECOND)
    assert meter.volatility_bps(7.0) == 0.0


def test_old_returns_fade() -> None:
    """After a half-life a nervous time counts half in the variance."""
    meter = VolatilityMeter(60.0, SECOND, 10 * SECOND)
    for second in range(3_600):
        meter.add(60_000.0 * (1.0 + 1e-4 * (second % 2)), START_NS + second * SECOND)
    nervous = meter.volatility_bps(0.0)
    for second in range(3_600, 3_660):
        meter.add(meter.price, START_NS + second * SECOND)
    assert meter.volatility_bps(0.0) ** 2 == pytest.approx(nervous**2 / 2.0, rel=0.01)


def test_without_enough_returns_it_says_what_it_is_told() -> None:
    """Before the first return, or the wanted number of them, there is no measure."""
    meter = VolatilityMeter(60.0, SECOND, 10 * SECOND)
    assert meter.volatility_bps(3.5) == 3.5
    assert not meter.add(60_000.0, START_NS)
    assert meter.add(60_006.0, START_NS + SECOND)
    assert meter.volatility_bps(3.5) == pytest.approx(1.0)
    assert meter.volatility_bps(3.5, 2) == 3.5


def test_prices_that_are_none_are_passed_over() -> None:
    """A price of 0 or less changes nothing."""
    meter = VolatilityMeter(60.0, SECOND, 10 * SECOND)
    meter.add(60_000.0, START_NS)
    assert not meter.add(0.0, START_NS + SECOND)
    assert not meter.add(-1.0, START_NS + 2 * SECOND)
    assert meter.price == 60_000.0


@pytest.mark.parametrize(("half_life_s", "sample_ns", "longest_ns"), [(0.0, 1, 1), (1.0, 0, 1), (1.0, 2, 1)])
def test_settings_that_mean_nothing_are_refused(half_life_s: float, sample_ns: int, longest_ns: int) -> None:
    """No memory, no sample, or a longest return below the sample."""
    with pytest.raises(ValueError, match="above 0"):
        VolatilityMeter(half_life_s, sample_ns, longest_ns)


def test_save_load_and_go_on_equals_going_on() -> None:
    """Through JSON, to the last bit."""
    meter = walked(1, 2.0, 60.0, True)
    fresh = VolatilityMeter(300.0, SECOND // 2, 10 * SECOND)
    fresh.load(json.loads(json.dumps(meter.save())))
    for one in (meter, fresh):
        one.add(61_000.0, START_NS + 62 * SECOND)
    assert fresh.save() == meter.save()
