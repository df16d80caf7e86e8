"""Metrics: counting, names that fit Prometheus, snapshots of plain data, windows."""

from __future__ import annotations

import attrs
import pytest

from runtime.metrics import MetricError, MetricRegistry


def test_a_snapshot_is_plain_data_in_order() -> None:
    """A snapshot lists every metric by name and labels with its value, and later counting does not change it."""
    registry = MetricRegistry()
    second = registry.counter("hftrun_inputs_total", "Inputs taken.", {"lane": "b"})
    first = registry.counter("hftrun_inputs_total", "Inputs taken.", {"lane": "a"})
    depth = registry.gauge("hftrun_channel_depth", "Messages waiting.")
    delay = registry.histogram("hftrun_delay_ns", "From tick to order.")
    first.value += 1
    second.add(2)
    depth.set(7)
    delay.current.record(100)
    before = registry.snapshot()
    first.add()
    delay.current.record(50)
    assert [(dict(sample.labels), sample.value) for sample in before.counters] == [
        ({"lane": "a"}, 1),
        ({"lane": "b"}, 2),
    ]
    assert [(sample.name, sample.value) for sample in before.gauges] == [("hftrun_channel_depth", 7)]
    assert (before.histograms[0].count, before.histograms[0].maximum) == (1, 100)
    assert before.histograms[0].percentiles[-1] == (99.99, 100)
    assert attrs.asdict(registry.snapshot())["histograms"][0]["count"] == 2


def test_the_same_registration_gives_the_same_metric() -> None:
    """Registering again with the same labels, in any order, gives the metric that is there."""
    registry = MetricRegistry()
    one = registry.counter("a_total", "A.", {"lane": "x", "actor": "y"})
    assert registry.counter("a_total", "A.", {"actor": "y", "lane": "x"}) is one
    assert str(one.identity) == 'a_total{actor="y",lane="x"}'
    assert str(registry.gauge("b", "B.").identity) == "b"


def test_one_name_has_one_kind_help_and_set_of_labels() -> None:
    """A name that comes back as another kind, with other labels or another help text, is refused."""
    registry = MetricRegistry()
    registry.gauge("depth_ns", "Depth.", {"lane": "x"})
    with pytest.raises(MetricError, match="registered as a Gauge"):
        registry.histogram("depth_ns", "Depth.", {"lane": "x"})
    with pytest.raises(MetricError, match="one set of labels"):
        registry.gauge("depth_ns", "Depth.", {"actor": "x"})
    with pytest.raises(MetricError, match="one help text"):
        registry.gauge("depth_ns", "Another.", {"lane": "x"})


@pytest.mark.parametrize("name", ["", "1st_total", "a-b_total", "pröfit_total", "a total"])
def test_names_follow_the_rules_of_prometheus(name: str) -> None:
    """A name that Prometheus would refuse is refused at registration."""
    with pytest.raises(MetricError):
        MetricRegistry().counter(name, "Wrong.")


def test_endings_and_labels_are_checked() -> None:
    """Counters end in _total, histograms in _ns; labels are plain names with text values."""
    registry = MetricRegistry()
    with pytest.raises(MetricError, match="ends in _total"):
        registry.counter("orders", "Orders.")
    with pytest.raises(MetricError, match="ends in _ns"):
        registry.histogram("delay", "Delay.")
    for label in ("a:b", "__name", "1st", ""):
        with pytest.raises(MetricError, match="label"):
            registry.gauge("depth", "Depth.", {label: "x"})
    with pytest.raises(MetricError, match="must be text"):
        registry.gauge("depth", "Depth.", {"lane": 1})  # type: ignore[dict-item]


def test_a_counter_never_shrinks() -> None:
    """Adding less than nothing is refused and changes nothing."""
    counter = MetricRegistry().counter("a_total", "A.")
    with pytest.raises(MetricError, match="cannot shrink"):
        counter.add(-1)
    assert counter.value == 0


def test_a_gauge_can_be_read_from_its_owner() -> None:
    """A gauge with a function is asked when the snapshot is taken, and cannot be set beside it."""
    registry = MetricRegistry()
    queue = [1, 2, 3]
    gauge = registry.gauge("queue_depth", "Depth.", read=lambda: len(queue))
    queue.append(4)
    assert registry.snapshot().gauges[0].value == 4
    with pytest.raises(MetricError, match="cannot be set"):
        gauge.set(1)


def test_windows_roll_and_the_total_stays() -> None:
    """A window holds what came since the last roll; the total holds everything, rolled or not."""
    registry = MetricRegistry()
    metric = registry.histogram("delay_ns", "Delay.")
    current = metric.current
    current.record(10)
    assert registry.roll_windows()[0].count == 1
    assert metric.current is current, "a hot path may keep it"
    current.record(20)
    current.record(30)
    assert metric.total.count == 3
    window = metric.roll()
    assert (window.count, window.minimum, metric.total.sum) == (2, 20, 60)
