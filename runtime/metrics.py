"""Counters, gauges and histograms with fixed labels, and the registry that takes their snapshot.

It promises that counting costs one attribute addition (`counter.value += 1`), that names and labels follow the rules
of Prometheus and are checked at registration, never when counting, and that a snapshot is plain data. It holds
numbers only: it exports nothing, reads no clock, and each metric belongs to the thread that counts in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from runtime.histogram import Histogram

NAME_PATTERN = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_PATTERN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)

Labels = tuple[tuple[str, str], ...]


class MetricError(ValueError):
    """A metric was registered under a name, label or kind that cannot be."""


@attrs.frozen
class MetricIdentity:
    """What a metric is called: fixed when it is registered."""

    name: str
    help: str
    labels: Labels = ()

    def __str__(self) -> str:
        """The name with its labels, as Prometheus writes it."""
        if not self.labels:
            return self.name
        return self.name + "{" + ",".join(f'{label}="{value}"' for label, value in self.labels) + "}"


class Counter:
    """A number that only grows. On a hot path: `counter.value += 1`."""

    __slots__ = ("identity", "value")

    def __init__(self, identity: MetricIdentity) -> None:
        """Start at zero."""
        self.identity = identity
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Add to it; never less than nothing."""
        if amount < 0:
            raise MetricError(f"counter {self.identity} cannot shrink by {-amount}: use a gauge")
        self.value += amount


class Gauge:
    """A number that goes up and down, set by its owner, or read from a function when a snapshot is taken."""

    __slots__ = ("_read", "_value", "identity")

    def __init__(self, identity: MetricIdentity, read: Callable[[], float] | None = None) -> None:
        """Start at zero."""
        self.identity = identity
        self._value: float = 0
        self._read = read

    @property
    def value(self) -> float:
        """The number now."""
        return self._value if self._read is None else self._read()

    def set(self, value: float) -> None:
        """Replace the number."""
        if self._read is not None:
            raise MetricError(f"gauge {self.identity} is read from a function and cannot be set")
        self._value = value


class HistogramMetric:
    """A latency histogram with a window: `current` since the last `roll`, `total` since the start.

    On a hot path: `metric.current.record(value_ns)`.
    """

    __slots__ = ("_earlier", "current", "identity")

    def __init__(self, identity: MetricIdentity) -> None:
        """Start empty."""
        self.identity = identity
        self.current = Histogram()
        self._earlier = Histogram()

    @property
    def total(self) -> Histogram:
        """Everything since the start, as a copy."""
        total = self._earlier.copy()
        total.merge(self.current)
        return total

    def roll(self) -> Histogram:
        """End the window: give what it holds, and begin the next in the same `current`."""
        window = self.current.window()
        self._earlier.merge(window)
        return window


@attrs.frozen
class Sample:
    """One counter or gauge at one moment."""

    name: str
    labels: Labels
    value: float


@attrs.frozen
class HistogramSample:
    """One histogram at one moment; `percentiles` are pairs of percent and nanoseconds."""

    name: str
    labels: Labels
    count: int
    sum: int
    minimum: int
    maximum: int
    percentiles: tuple[tuple[float, int], ...]


@attrs.frozen
class MetricSnapshot:
    """All metrics of a registry at one moment, in the order of their names and labels."""

    counters: tuple[Sample, ...]
    gauges: tuple[Sample, ...]
    histograms: tuple[HistogramSample, ...]


Metric = Counter | Gauge | HistogramMetric
AnyMetric = TypeVar("AnyMetric", Counter, Gauge, HistogramMetric)


class MetricRegistry:
    """Every metric of a process, each name and set of labels once."""

    def __init__(self) -> None:
        """Start without metrics."""
        self._metrics: dict[tuple[str, Labels], Metric] = {}
        self._kinds: dict[str, tuple[type[Metric], str, tuple[str, ...]]] = {}

    def counter(self, name: str, help: str, labels: Mapping[str, str] | None = None) -> Counter:
        """Register a counter; its name ends in `_total`. The same name and labels give the same counter again."""
        if not name.endswith("_total"):
            raise MetricError(f"counter {name!r}: the name of a counter ends in _total")
        return self._register(Counter, name, help, labels)

    def gauge(
        self,
        name: str,
        help: str,
        labels: Mapping[str, str] | None = None,
        read: Callable[[], float] | None = None,
    ) -> Gauge:
        """Register a gauge; with `read`, its value is asked for when a snapshot is taken."""
        gauge = self._register(Gauge, name, help, labels)
        if read is not None:
            gauge._read = read
        return gauge

    def histogram(self, name: str, help: str, labels: Mapping[str, str] | None = None) -> HistogramMetric:
        """Register a histogram of nanoseconds; its name ends in `_ns`."""
        if not name.endswith("_ns"):
            raise MetricError(f"histogram {name!r}: it holds nanoseconds, so its name ends in _ns")
        return self._register(HistogramMetric, name, help, labels)

    def snapshot(self) -> MetricSnapshot:
        """Every metric as plain data; histograms since the start."""
        counters = tuple(_sample(counter) for counter in self._ordered(Counter))
        gauges = tuple(_sample(gauge) for gauge in self._ordered(Gauge))
        histograms = tuple(histogram_sample(each.identity, each.total) for each in self._ordered(HistogramMetric))
        return MetricSnapshot(counters, gauges, histograms)

    def roll_windows(self) -> tuple[HistogramSample, ...]:
        """End the window of every histogram and give what each held, as plain data."""
        return tuple(histogram_sample(each.identity, each.roll()) for each in self._ordered(HistogramMetric))

    def _ordered(self, kind: type[AnyMetric]) -> list[AnyMetric]:
        ordered = (self._metrics[key] for key in sorted(self._metrics))
        return [metric for metric in ordered if isinstance(metric, kind)]

    def _register(self, kind: type[AnyMetric], name: str, help: str, labels: Mapping[str, str] | None) -> AnyMetric:
        identity = MetricIdentity(name, help, tuple(sorted((labels or {}).items())))
        _check_names(identity)
        label_names = tuple(label for label, _ in identity.labels)
        known = self._kinds.setdefault(name, (kind, help, label_names))
        if known != (kind, help, label_names):
            raise MetricError(
                f"{name!r} is registered as a {known[0].__name__} with the labels {list(known[2])} and the help"
                f" {known[1]!r}: one name has one kind, one help text and one set of labels"
            )
        metric = self._metrics.get((name, identity.labels))
        if isinstance(metric, kind):
            return metric
        made = kind(identity)
        self._metrics[(name, identity.labels)] = made
        return made


def histogram_sample(identity: MetricIdentity, histogram: Histogram) -> HistogramSample:
    """A histogram as plain data."""
    return HistogramSample(
        name=identity.name,
        labels=identity.labels,
        count=histogram.count,
        sum=histogram.sum,
        minimum=histogram.minimum,
        maximum=histogram.maximum,
        percentiles=tuple((percent, histogram.percentile(percent)) for percent in PERCENTILES),
    )


def _sample(metric: Counter | Gauge) -> Sample:
    return Sample(metric.identity.name, metric.identity.labels, metric.value)


def _check_names(identity: MetricIdentity) -> None:
    if not NAME_PATTERN.fullmatch(identity.name):
        raise MetricError(f"metric name {identity.name!r}: letters, digits, _ and : only, not starting with a digit")
    for label, value in identity.labels:
        if not LABEL_PATTERN.fullmatch(label) or label.startswith("__"):
            raise MetricError(f"metric {identity.name!r}: label {label!r} may hold letters, digits and _ only")
        if not isinstance(value, str):
            raise MetricError(f"metric {identity.name!r}: the value of label {label!r} must be text, not {value!r}")
