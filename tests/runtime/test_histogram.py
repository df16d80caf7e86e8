"""The latency histogram: bounded error against sorted data, merge, windows, and what it refuses."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.histogram import (
    BUCKETS,
    HIGHEST_NS,
    RELATIVE_ERROR,
    Histogram,
    HistogramError,
    bucket_of,
    lowest_of,
    middle_of,
)
from tests.seeds import examples

PERCENTS = [0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0]

values = st.integers(min_value=0, max_value=HIGHEST_NS) | st.integers(min_value=0, max_value=1_000_000)


def filled(numbers: list[int]) -> Histogram:
    """A histogram of these values."""
    histogram = Histogram()
    for number in numbers:
        histogram.record(number)
    return histogram


def test_buckets_cover_the_range_without_gap_or_overlap() -> None:
    """Every bucket's lowest value lies in it, the value before it in the bucket before, and the last one ends it."""
    for bucket in range(1, BUCKETS):
        assert bucket_of(lowest_of(bucket)) == bucket
        assert bucket_of(lowest_of(bucket) - 1) == bucket - 1
    assert bucket_of(HIGHEST_NS) == BUCKETS - 1
    assert lowest_of(BUCKETS) == HIGHEST_NS + 1


@given(values)
@settings(max_examples=examples(200, 2_000))
def test_a_bucket_stands_for_its_values_within_the_stated_error(value: int) -> None:
    """The middle of a value's bucket is off by at most the stated share of the value, and exact for small ones."""
    error = abs(int(middle_of(bucket_of(value))) - value)
    assert error <= value * RELATIVE_ERROR
    assert value >= 128 or error == 0


@given(st.lists(values, min_size=1, max_size=300), st.sampled_from(PERCENTS))
@settings(max_examples=examples(100, 1_000))
def test_percentiles_match_sorted_data(numbers: list[int], percent: float) -> None:
    """A percentile is the value of its rank in the sorted data, within the stated error and within the bounds."""
    ordered = sorted(numbers)
    rank = max(1, math.ceil(len(ordered) * round(percent * 1000) / 100_000))
    exact = ordered[rank - 1]
    histogram = filled(numbers)
    assert abs(histogram.percentile(percent) - exact) <= exact * RELATIVE_ERROR
    assert ordered[0] <= histogram.percentile(percent) <= ordered[-1]
    assert (histogram.count, histogram.sum) == (len(numbers), sum(numbers))
    assert (histogram.minimum, histogram.maximum) == (ordered[0], ordered[-1])
    assert histogram.mean == sum(numbers) / len(numbers)


def test_the_far_tail_is_told_apart() -> None:
    """One slow record in ten thousand shows in the maximum, two show at 99.99 too."""
    histogram = filled([1_000] * 9_999 + [5_000_000])
    assert histogram.percentile(99.99) < 1_010
    assert histogram.percentile(100) == 5_000_000
    histogram = filled([1_000] * 9_998 + [5_000_000] * 2)
    assert abs(histogram.percentile(99.99) - 5_000_000) <= 5_000_000 * RELATIVE_ERROR


def test_values_out_of_range_are_clamped_and_counted() -> None:
    """A negative value counts as 0 and one beyond the range as its end; both are told."""
    histogram = filled([-5, 10, HIGHEST_NS + 1, 2**62])
    assert (histogram.below_range, histogram.above_range, histogram.count) == (1, 2, 4)
    assert (histogram.minimum, histogram.maximum) == (0, HIGHEST_NS)
    assert histogram.sum == 10 + 2 * HIGHEST_NS


def test_an_empty_histogram_answers_zero() -> None:
    """Without records, every answer is 0 and a merge changes nothing."""
    histogram = Histogram()
    histogram.merge(Histogram())
    assert (histogram.count, histogram.sum, histogram.mean, histogram.percentile(99.0)) == (0, 0, 0.0, 0)
    assert (histogram.minimum, histogram.maximum) == (0, 0)


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_a_percentile_outside_its_range_is_refused(percent: float) -> None:
    """A percentile is between 0 and 100."""
    with pytest.raises(HistogramError, match="between 0 and 100"):
        filled([1]).percentile(percent)


@given(st.lists(values, max_size=100), st.lists(values, max_size=100))
@settings(max_examples=examples(60, 1_000))
def test_merge_equals_recording_everything_in_one(left: list[int], right: list[int]) -> None:
    """A merged histogram equals one that recorded both lists, and the other one is left alone."""
    merged, other = filled(left), filled(right)
    merged.merge(other)
    assert merged.save() == filled(left + right).save()
    assert other.save() == filled(right).save()


def test_the_sum_never_wraps() -> None:
    """Merging itself again and again passes 2^63 in the sum, which stays exact."""
    histogram = filled([HIGHEST_NS, HIGHEST_NS - 1])
    for doubling in range(1, 31):
        histogram.merge(histogram.copy())
        assert histogram.sum == (2 * HIGHEST_NS - 1) << doubling


def test_windows_add_up_to_the_whole() -> None:
    """Each window holds what was recorded since the last, exactly, and together they are everything."""
    rng = random.Random(5)
    total, current, everything = Histogram(), Histogram(), []
    for _ in range(10):
        numbers = [rng.randrange(1_000_000) for _ in range(rng.randrange(20))]
        for number in numbers:
            current.record(number)
        window = current.window()
        assert window.save() == filled(numbers).save()
        assert current.count == 0
        total.merge(window)
        everything += numbers
    assert total.save() == filled(everything).save()


def test_a_copy_is_independent() -> None:
    """Recording in a copy leaves the original alone, and resetting the original leaves the copy."""
    original = filled([1, 2, 3])
    copied = original.copy()
    copied.record(1_000)
    assert original.count == 3
    original.reset()
    assert (original.save(), copied.count) == (Histogram().save(), 4)


@given(st.lists(values | st.sampled_from([-1, 2**62]), max_size=100))
@settings(max_examples=examples(60, 1_000))
def test_save_and_load_round_trip(numbers: list[int]) -> None:
    """What was saved loads into an equal histogram, over what was there before."""
    saved = filled(numbers).save()
    loaded = filled([7, 8, 9])
    loaded.load(saved)
    assert loaded.save() == saved
    loaded.record(1)
    assert loaded.count == len(numbers) + 1


def test_damaged_data_is_refused_and_changes_nothing() -> None:
    """Data that no histogram saved is a typed error, and the histogram keeps what it had."""
    good = filled([100, 200, 300]).save()
    damaged = [
        [],
        good[:-1],
        [2, *good[1:]],
        [good[0], 32, *good[2:]],
        [*good[:2], 4, *good[3:]],
        [*good[:3], 10**6, *good[4:]],
        [*good[:9], -1, *good[10:]],
        [*good[:9], BUCKETS, *good[10:]],
        [*good[:10], 0, *good[11:]],
        [*good[:5], 2**63, *good[6:]],
    ]
    histogram = filled([5])
    for data in damaged:
        with pytest.raises(HistogramError, match="saved histogram"):
            histogram.load(data)
    assert histogram.save() == filled([5]).save()


def test_cumulative_counts_for_export() -> None:
    """`count_at_most` counts the buckets that end at or below a bound."""
    histogram = filled([5, 100, 127, 1_000, HIGHEST_NS])
    assert [histogram.count_at_most(bound) for bound in (4, 5, 127, 2_000, HIGHEST_NS)] == [0, 1, 3, 4, 5]
