"""A histogram of nanoseconds: log-spaced buckets of bounded relative error, cheap enough for every message.

Each power of two is cut into 64 equal buckets and a bucket answers with its middle, so a percentile is off by at most
1/128 (0.79 %) of its value, and exact below 128 ns. It covers 0 to 2^42 - 1 ns (73 minutes); what lies outside is
clamped to the nearer end and counted. Recording allocates nothing, and count, sum, minimum and maximum are exact for
the clamped values. It never reads a clock, and it is not for two threads at once. Compiled.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

HIGHEST_NS: Final = (1 << 42) - 1
RELATIVE_ERROR: Final = 1 / 128
SUB_BUCKETS: Final = 64
EXACT_BELOW_NS: Final = 128
BUCKETS: Final = 2368

_VERSION: Final = 1
_HEAD_FIELDS: Final = 9
# Small enough for mypyc to keep it as a machine word; at 2^62 each use would unpack a Python integer.
_SUM_SPAN: Final = 1 << 61
_PERCENTILE_PARTS: Final = 100_000


class HistogramError(ValueError):
    """Saved data that is not a histogram, or a percentile outside 0 to 100."""


def bucket_of(value_ns: i64) -> i64:
    """The bucket of a value within the range.

    The values of a bucket share their seven leading bits. How many bits follow is counted in halving steps without a
    branch: latencies vary, and each mispredicted branch costs as much as all the rest.
    """
    rest = value_ns >> 6
    step = i64(rest >= 0x100000000) << 5
    rest >>= step
    shift = step
    step = i64(rest >= 0x10000) << 4
    rest >>= step
    shift += step
    step = i64(rest >= 0x100) << 3
    rest >>= step
    shift += step
    step = i64(rest >= 0x10) << 2
    rest >>= step
    shift += step
    step = i64(rest >= 0x4) << 1
    rest >>= step
    shift += step + i64(rest >= 0x2)
    return shift * SUB_BUCKETS + (value_ns >> shift)


def lowest_of(bucket: i64) -> i64:
    """The lowest value of a bucket."""
    if bucket < EXACT_BELOW_NS:
        return bucket
    shift = bucket // SUB_BUCKETS - 1
    return (bucket - shift * SUB_BUCKETS) << shift


def middle_of(bucket: i64) -> i64:
    """The value that stands for a bucket."""
    low = lowest_of(bucket)
    return low + (lowest_of(bucket + 1) - low) // 2


class Histogram:
    """See the head of this file."""

    def __init__(self) -> None:
        """Make an empty histogram; its buckets take 19 KB."""
        self.count: i64 = 0
        self.minimum: i64 = 0
        self.maximum: i64 = 0
        self.below_range: i64 = 0
        self.above_range: i64 = 0
        # The sum in two parts, so that no number of records can wrap it.
        self._sum_high: i64 = 0
        self._sum_low: i64 = 0
        self._counts: vec[i64] = vec[i64]([0] * BUCKETS)

    def record(self, value_ns: i64) -> None:
        """Count one value."""
        if value_ns < 0:
            value_ns = 0
            self.below_range += 1
        elif value_ns > HIGHEST_NS:
            value_ns = HIGHEST_NS
            self.above_range += 1
        if self.count == 0:
            self.minimum = value_ns
            self.maximum = value_ns
        elif value_ns > self.maximum:
            self.maximum = value_ns
        elif value_ns < self.minimum:
            self.minimum = value_ns
        self.count += 1
        low = self._sum_low + value_ns
        if low >= _SUM_SPAN:
            low -= _SUM_SPAN
            self._sum_high += 1
        self._sum_low = low
        self._counts[bucket_of(value_ns)] += 1

    @property
    def sum(self) -> int:
        """The exact sum of the clamped values."""
        high: int = self._sum_high
        low: int = self._sum_low
        return high * _SUM_SPAN + low

    @property
    def mean(self) -> float:
        """The mean of the clamped values; 0 when empty."""
        count: int = self.count
        return self.sum / count if count else 0.0

    def percentile(self, percent: float) -> int:
        """The value that `percent` of the records do not exceed; 0 when empty. Resolves thousandths of a percent."""
        if not 0.0 <= percent <= 100.0:
            raise HistogramError(f"percentile {percent} is not between 0 and 100")
        count: int = self.count
        if count == 0:
            return 0
        parts = round(percent * 1000)
        rank = -(-count * parts // _PERCENTILE_PARTS)
        if rank <= 1:
            return self.minimum
        if rank >= count:
            return self.maximum
        wanted: i64 = rank
        value = middle_of(self._bucket_at(wanted))
        if value > self.maximum:
            return self.maximum
        return value if value > self.minimum else self.minimum

    def count_at_most(self, bound_ns: i64) -> int:
        """How many records lie in buckets that end at or below `bound_ns`, for cumulative export."""
        total: i64 = 0
        bucket: i64 = 0
        while bucket < BUCKETS and lowest_of(bucket + 1) - 1 <= bound_ns:
            total += self._counts[bucket]
            bucket += 1
        return total

    def merge(self, other: Histogram) -> None:
        """Add the records of another histogram, which stays as it is."""
        if other.count == 0:
            return
        if self.count == 0 or other.minimum < self.minimum:
            self.minimum = other.minimum
        if self.count == 0 or other.maximum > self.maximum:
            self.maximum = other.maximum
        self.count += other.count
        self.below_range += other.below_range
        self.above_range += other.above_range
        low = self._sum_low + other._sum_low - _SUM_SPAN
        self._sum_high += other._sum_high
        if low >= 0:
            self._sum_high += 1
        else:
            low += _SUM_SPAN
        self._sum_low = low
        mine = self._counts
        theirs = other._counts
        bucket: i64 = 0
        while bucket < BUCKETS:
            mine[bucket] += theirs[bucket]
            bucket += 1

    def copy(self) -> Histogram:
        """An independent histogram with the same records."""
        other = Histogram()
        other.merge(self)
        return other

    def window(self) -> Histogram:
        """Hand over everything recorded since the last window as a histogram of its own, and begin anew."""
        other = self.copy()
        self.reset()
        return other

    def reset(self) -> None:
        """Forget every record."""
        self.count = 0
        self.minimum = 0
        self.maximum = 0
        self.below_range = 0
        self.above_range = 0
        self._sum_high = 0
        self._sum_low = 0
        self._counts = vec[i64]([0] * BUCKETS)

    def save(self) -> list[int]:
        """Everything as plain integers: a head, then bucket and count of each bucket that is not empty."""
        saved: list[int] = [
            _VERSION,
            SUB_BUCKETS,
            self.count,
            self.minimum,
            self.maximum,
            self._sum_high,
            self._sum_low,
            self.below_range,
            self.above_range,
        ]
        bucket: i64 = 0
        while bucket < BUCKETS:
            if self._counts[bucket] != 0:
                saved.append(bucket)
                saved.append(self._counts[bucket])
            bucket += 1
        return saved

    def load(self, saved: list[int]) -> None:
        """Become what `save` gave; anything else is refused and leaves the histogram as it was."""
        _check_saved(saved)
        self.reset()
        self.count = saved[2]
        self.minimum = saved[3]
        self.maximum = saved[4]
        self._sum_high = saved[5]
        self._sum_low = saved[6]
        self.below_range = saved[7]
        self.above_range = saved[8]
        for place in range(_HEAD_FIELDS, len(saved), 2):
            bucket: i64 = saved[place]
            self._counts[bucket] = saved[place + 1]

    def _bucket_at(self, rank: i64) -> i64:
        """The bucket that holds the record of this rank, counted from 1."""
        seen: i64 = 0
        bucket: i64 = 0
        while bucket < BUCKETS:
            seen += self._counts[bucket]
            if seen >= rank:
                return bucket
            bucket += 1
        raise HistogramError("the histogram was written to while it was read: keep it in one thread")


def _check_saved(saved: list[int]) -> None:
    if len(saved) < _HEAD_FIELDS or (len(saved) - _HEAD_FIELDS) % 2 or saved[0] != _VERSION:
        raise HistogramError("saved histogram: wrong length or version")
    if saved[1] != SUB_BUCKETS:
        raise HistogramError(f"saved histogram: {saved[1]} buckets in a power of two, this build has {SUB_BUCKETS}")
    if min(saved) < 0 or max(saved) >= 1 << 63 or not saved[3] <= saved[4] <= HIGHEST_NS or saved[6] >= _SUM_SPAN:
        raise HistogramError("saved histogram: a number in it is out of range")
    total = 0
    for place in range(_HEAD_FIELDS, len(saved), 2):
        if not 0 <= saved[place] < BUCKETS or saved[place + 1] < 1:
            raise HistogramError(f"saved histogram: bucket {saved[place]} with count {saved[place + 1]} cannot be")
        total += saved[place + 1]
    if total != saved[2]:
        raise HistogramError(f"saved histogram: the buckets hold {total} records, the head says {saved[2]}")
