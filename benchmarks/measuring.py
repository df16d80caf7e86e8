"""What it costs compiled code to record one latency, beside plain Python with the same buckets.

Both record the same seeded latencies, spread over five powers of ten; the checksum is over buckets and sum.
"""

from __future__ import annotations

from random import Random
from time import perf_counter_ns
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.measuring_loops import record_all
from runtime.histogram import Histogram

VALUES: Final = 10_000
ROUNDS: Final = 20
_HEAD_FIELDS: Final = 9


def seeded_latencies(seed: int = 1, count: int = VALUES) -> list[int]:
    """Latencies from 300 ns to 30 ms, evenly spread over the powers of ten."""
    random = Random(seed)
    return [int(300 * 10 ** random.uniform(0, 5)) for _ in range(count)]


def subject() -> Sample:
    """Nanoseconds a record in a compiled loop."""
    values = vec[i64](seeded_latencies())
    histogram = Histogram()
    start_ns = perf_counter_ns()
    record_all(histogram, values, ROUNDS)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / (VALUES * ROUNDS), checksum_of(histogram)


def reference() -> Sample:
    """Nanoseconds a record with a list and `int.bit_length`, inlined in an interpreted loop."""
    values = seeded_latencies()
    counts = [0] * 4_096
    total_ns = 0
    start_ns = perf_counter_ns()
    for _ in range(ROUNDS):
        for value in values:
            shift = value.bit_length() - 7
            if shift < 0:
                shift = 0
            counts[shift * 64 + (value >> shift)] += 1
            total_ns += value
    taken_ns = perf_counter_ns() - start_ns
    weighted = sum(bucket * count for bucket, count in enumerate(counts))
    return taken_ns / (VALUES * ROUNDS), weighted + total_ns


def checksum_of(histogram: Histogram) -> int:
    """The sum of all values and of each record's bucket."""
    saved = histogram.save()
    buckets = zip(saved[_HEAD_FIELDS::2], saved[_HEAD_FIELDS + 1 :: 2], strict=True)
    return histogram.sum + sum(bucket * count for bucket, count in buckets)


@figure(name="histogram.record_ns", unit="ns", limit=40)
def histogram_record(run: Run) -> Measured:
    """One latency recorded by compiled code."""
    return run.measure(subject, "list and bit_length in Python", reference)
