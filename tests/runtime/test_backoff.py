"""Backoff: the ceiling grows, the jitter is full, health resets it, intensity escalates."""

from __future__ import annotations

import random
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.backoff import BackoffError, BackoffOptions, RestartTracker
from tests.seeds import examples

SECOND = 1_000_000_000
OPTIONS = BackoffOptions(
    initial_ns=SECOND, factor=2, maximum_ns=60 * SECOND, healthy_ns=30 * SECOND, intensity=5, window_ns=600 * SECOND
)
PATIENT = attrs.evolve(OPTIONS, intensity=10**9)


def test_the_ceiling_grows_to_its_maximum() -> None:
    """The ceiling is the initial wait, times the factor for each further failure, and never above the maximum."""
    assert [OPTIONS.ceiling_ns(failures) // SECOND for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert OPTIONS.ceiling_ns(10**9) == 60 * SECOND
    assert attrs.evolve(OPTIONS, factor=1).ceiling_ns(10**9) == SECOND
    assert attrs.evolve(OPTIONS, initial_ns=0).ceiling_ns(10**9) == 0
    assert attrs.evolve(OPTIONS, factor=1e300, initial_ns=1).ceiling_ns(3) == 60 * SECOND


def test_the_jitter_is_full() -> None:
    """Waits spread evenly over everything from zero to the ceiling."""
    rng = random.Random(1)
    waits = [RestartTracker(OPTIONS, rng).failed(0) or 0 for _ in range(2_000)]
    tenths = [sum(1 for wait in waits if wait * 10 // (SECOND + 1) == tenth) for tenth in range(10)]
    assert min(tenths) > 140
    assert max(waits) <= SECOND


def test_the_same_seed_gives_the_same_waits() -> None:
    """The only randomness is the one handed in."""
    first, second = (RestartTracker(PATIENT, random.Random(9)) for _ in range(2))
    assert [first.failed(n) for n in range(20)] == [second.failed(n) for n in range(20)]


def test_a_healthy_time_begins_anew() -> None:
    """A unit that was up for the healthy time counts its failures in a row from one again; a shorter time does not."""
    tracker = RestartTracker(PATIENT, random.Random(1))
    tracker.failed(0)
    tracker.started(10)
    tracker.failed(10 + OPTIONS.healthy_ns - 1)
    assert tracker.failures_in_a_row == 2
    tracker.started(100 * SECOND)
    tracker.failed(100 * SECOND + OPTIONS.healthy_ns)
    assert tracker.failures_in_a_row == 1


def test_time_spent_down_is_not_healthy_time() -> None:
    """A unit that fails again without having been started is not healthy, however long that took."""
    tracker = RestartTracker(PATIENT, random.Random(1))
    tracker.started(0)
    tracker.failed(1)
    tracker.failed(10**6 * SECOND)
    assert tracker.failures_in_a_row == 2


def test_intensity_escalates() -> None:
    """The failure that exceeds the intensity within the window escalates; failures outside it are forgotten."""
    tracker = RestartTracker(OPTIONS, random.Random(1))
    assert all(tracker.failed(number * SECOND) is not None for number in range(5))
    assert tracker.failed(5 * SECOND) is None
    assert tracker.failed(602 * SECOND) is not None, "the first two have left the window"
    tracker.reset()
    assert tracker.failures_in_a_row == 0
    assert tracker.failed(603 * SECOND) is not None


def test_an_intensity_of_zero_never_restarts() -> None:
    """With an intensity of 0, the first failure escalates."""
    assert RestartTracker(attrs.evolve(OPTIONS, intensity=0), random.Random(1)).failed(0) is None


@given(st.lists(st.integers(min_value=0, max_value=200 * SECOND), min_size=1, max_size=60))
@settings(max_examples=examples(50, 1_000))
def test_it_escalates_exactly_when_the_window_is_full(gaps: list[int]) -> None:
    """Against a plain count of failures in the window, the answer is always the same, and within the ceiling."""
    tracker = RestartTracker(OPTIONS, random.Random(1))
    failures: list[int] = []
    now_ns = 0
    for gap in gaps:
        now_ns += gap
        failures.append(now_ns)
        recent = [at for at in failures if now_ns - at <= OPTIONS.window_ns]
        wait_ns = tracker.failed(now_ns)
        assert (wait_ns is None) == (len(recent) > OPTIONS.intensity)
        assert wait_ns is None or 0 <= wait_ns <= OPTIONS.ceiling_ns(tracker.failures_in_a_row)


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial_ns": -1},
        {"maximum_ns": 1},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"healthy_ns": -1},
        {"window_ns": -1},
        {"intensity": -1},
    ],
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    """Negative times, a maximum below the initial wait and a factor that shrinks are typed errors."""
    with pytest.raises(BackoffError):
        attrs.evolve(OPTIONS, **wrong)
