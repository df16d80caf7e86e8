"""The keeper of the garbage collector: it stays out of a run, comes when a bound is passed, and is put back."""

from __future__ import annotations

import gc
import mmap

from runtime.collector import Collector, resident_bytes, tracked_objects
from runtime.metrics import MetricRegistry


class Knot:
    """A reference cycle of one."""

    def __init__(self) -> None:
        self.me = self


def test_within_a_run_nothing_is_collected_and_afterwards_all_is_as_before() -> None:
    """The collector is off and what was there is frozen; both end with the block, also after an error."""
    collector = Collector(lambda: True)
    assert gc.isenabled()
    try:
        with collector.collecting_later():
            assert not gc.isenabled()
            assert gc.get_freeze_count() > 0
            raise ValueError("the run failed")
    except ValueError:
        pass
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_run_within_another_leaves_the_collector_off() -> None:
    """Who began last puts back only what it found."""
    with Collector(lambda: True).collecting_later():
        with Collector(lambda: True).collecting_later():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_cycles_beyond_the_bound_are_collected_when_nobody_waits() -> None:
    """First it waits for an idle moment, then it collects once, counts, and begins anew."""
    idle = [False]
    registry = MetricRegistry()
    collector = Collector(lambda: idle[0], registry, most_objects=300)
    with collector.collecting_later():
        assert not collector.look()
        for _ in range(400):
            Knot()
        assert tracked_objects() > 300
        assert not collector.look()
        idle[0] = True
        assert collector.look()
        assert collector.found >= 400
        assert not collector.look()
    shown = {sample.name: sample.value for sample in registry.snapshot().gauges}
    assert shown["collector_runs"] == 1
    assert shown["collector_put_off"] == 1
    assert shown["collector_found"] == collector.found


def test_memory_beyond_the_bound_is_looked_at_too() -> None:
    """A cycle may hold much memory with few objects."""
    collector = Collector(lambda: True, most_bytes=8 * 1024 * 1024)
    with collector.collecting_later():
        knot = Knot()
        # Memory from the system itself: what an allocator was given back before would be no growth.
        block = mmap.mmap(-1, 64 * 1024 * 1024)
        block.write(bytes(len(block)))
        knot.__dict__["held"] = block
        del block
        del knot
        assert collector.look() == (resident_bytes() > 0)
