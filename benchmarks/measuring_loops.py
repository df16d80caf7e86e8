"""The compiled loop behind the histogram's figure: seeded values recorded one after the other.

It promises to do nothing but take a value from the list and record it.
"""

from __future__ import annotations

from librt.vecs import vec
from mypy_extensions import i64

from runtime.histogram import Histogram


def record_all(histogram: Histogram, values_ns: vec[i64], rounds: i64) -> None:
    """Record every value, `rounds` times over."""
    count: i64 = len(values_ns)
    done: i64 = 0
    while done < rounds:
        index: i64 = 0
        while index < count:
            histogram.record(values_ns[index])
            index += 1
        done += 1
