"""How orders arrive, on line: the law is found again in seeded streams; orders inside the spread are not seen."""

from __future__ import annotations

import json
from random import Random

import pytest

from market.arrivals import ArrivalMeter
from tests.seeds import seeds

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND


def watched(
    seed: int, rate: float, decay: float, half_spread: float, tick: float, seconds: float = 7_200.0
) -> ArrivalMeter:
    """A meter after orders of this law; each prints at every level that it reaches, and one inside prints nothing."""
    random = Random(seed)
    meter = ArrivalMeter(3_600.0)
    meter.begin(START_NS)
    now_s = 0.0
    while (now_s := now_s + random.expovariate(rate)) < seconds:
        reach = random.expovariate(decay)
        side = random.choice((1, -1))
        distance = half_spread
        while distance <= reach:
            meter.add(START_NS + round(now_s * SECOND), side, distance, half_spread, tick / 2.0)
            distance += tick
    meter.begin(START_NS + round(seconds * SECOND))
    return meter


@pytest.mark.parametrize(("rate", "decay", "half_spread"), [(2.0, 1.5, 0.05), (5.0, 0.5, 1.0), (8.0, 1.0, 2.0)])
@pytest.mark.parametrize("seed", seeds(2, 30))
def test_the_law_is_found(seed: int, rate: float, decay: float, half_spread: float) -> None:
    """Within a seventh after two hours, for a narrow spread and for one that hides most of the orders."""
    meter = watched(seed, rate, decay, half_spread, 0.02)
    found = meter.decay(0.0)
    assert found == pytest.approx(decay, rel=0.15)
    assert meter.rate(decay, 0.0) == pytest.approx(rate, rel=0.15)
    assert meter.rate(found, 0.0) == pytest.approx(rate, rel=0.35)


def test_orders_that_all_stop_at_the_touch_have_a_bounded_decay() -> None:
    """Each is taken to have reached half a tick more."""
    meter = ArrivalMeter(600.0)
    meter.begin(START_NS)
    for second in range(1, 102):
        meter.add(START_NS + second * SECOND, 1, 0.5, 0.5, 0.25)
    assert meter.decay(0.0) == pytest.approx(4.0)


def test_prints_of_one_time_and_side_are_one_order() -> None:
    """An order that sweeps five levels counts once, for the farthest; one of the other side is another."""
    meter = ArrivalMeter(600.0)
    meter.begin(START_NS)
    begun = [meter.add(START_NS + SECOND, 1, float(level), 1.0, 0.5) for level in (1, 2, 5, 4, 3)]
    begun.append(meter.add(START_NS + SECOND, -1, 1.0, 1.0, 0.5))
    assert begun == [True, False, False, False, False, True]
    meter.settle()
    assert meter.orders == 2
    assert meter.beyond == 5.0


def test_the_rate_fades_with_time_when_no_order_comes() -> None:
    """Silence is news: the rate falls while the memory lasts."""
    meter = watched(3, 2.0, 1.0, 0.1, 0.02, 1_000.0)
    busy = meter.rate(1.0, 0.0)
    meter.fade(START_NS + 3_000 * SECOND)
    assert meter.rate(1.0, 0.0) < busy / 2.0
    assert meter.decay(0.0) == pytest.approx(1.0, rel=0.15)


def test_before_enough_orders_it_says_what_it_is_told() -> None:
    """Nothing is concluded from a handful of orders."""
    meter = ArrivalMeter(600.0)
    assert (meter.decay(1.5), meter.rate(1.5, 2.5)) == (1.5, 2.5)
    for second in range(1, 5):
        meter.add(START_NS + second * SECOND, 1, 1.0, 0.5, 0.1)
    assert (meter.decay(1.5, 30), meter.rate(1.5, 2.5, 30)) == (1.5, 2.5)
    with pytest.raises(ValueError, match="half-life"):
        ArrivalMeter(0.0)


def test_a_decay_without_measure_gives_no_absurd_rate() -> None:
    """What is seen at a wide spread is brought back to the middle by no more than a stated factor."""
    meter = ArrivalMeter(600.0)
    meter.begin(START_NS)
    for second in range(1, 50):
        meter.add(START_NS + second * SECOND, 1, 100.0, 100.0, 0.01)
    assert meter.rate(1_000.0, 0.0) < 1e9


def test_save_load_and_go_on_equals_going_on() -> None:
    """Through JSON, to the last bit, also in the middle of an order."""
    meter = watched(1, 2.0, 1.0, 0.1, 0.02, 100.0)
    meter.add(START_NS + 101 * SECOND, 1, 0.5, 0.1, 0.01)
    fresh = ArrivalMeter(3_600.0)
    fresh.load(json.loads(json.dumps(meter.save())))
    for one in (meter, fresh):
        one.add(START_NS + 101 * SECOND, 1, 0.7, 0.1, 0.01)
        one.settle()
    assert fresh.save() == meter.save()
    assert fresh.reach == 0.7
