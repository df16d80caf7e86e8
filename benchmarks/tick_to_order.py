"""From the bytes of a frame to the bytes of an order, through the whole main job, on recorded traffic of three venues.

The shipped wiring and market maker run in one lane with journal, digest, histograms, all checks of risk and the shadow
accounts of the paper venue on. Only ticks that lead to a command count: a new order, a replace or a cancel, in the
binary form in which messages leave the process. A pass takes the whole recording; each figure is a percentile of a
pass, and the median over the passes counts.
"""

from __future__ import annotations

import gc
from functools import cache
from statistics import median
from typing import Final

import attrs

from benchmarks.figures import ChecksumMismatch, Measured, Run, figure
from benchmarks.system_traffic import Traffic, traffic
from benchmarks.tick_to_order_apart import play_apart
from benchmarks.tick_to_order_lane import order_lane
from benchmarks.tick_to_order_loops import play
from hftrun_kernel import mode
from runtime.histogram import Histogram

REPEATS: Final = 5
APART: Final = "each actor in a lane of its own"
# Tick to submitted order, through its risk and execution engines, on this kind of machine.
NAUTILUS_US: Final = 34.0
FEWEST_TICKS: Final = 10
# Interpreted, where nothing is judged, a beginning is enough.
FRAMES_INTERPRETED: Final = 12_000
_NANOSECONDS_PER_MICROSECOND: Final = 1_000


@attrs.frozen
class Pass:
    """What one pass through the traffic took, in microseconds, and what was decided in it."""

    p50_us: float
    p99_us: float
    p999_us: float
    ticks: int
    decided: tuple[int, int]
    told: str


def play_once(market: Traffic) -> Pass:
    """One pass with a fresh lane."""
    with order_lane(market) as lane:
        gc.collect()
        frames = market.frames if mode() == "compiled" else market.frames[:FRAMES_INTERPRETED]
        play(list(frames), lane.channel.offer, lane.drain, lane.writer.hand_over, lane.port, lane.tally)
        failed = [f"{failure.slot.name}: {failure.error!r}" for failure in lane.core.reported]
        if failed or lane.core.anomaly_count:
            raise ChecksumMismatch(f"the lane did not work: {failed} {list(lane.core.anomalies)}")
        tally = lane.tally
        whole = tally.whole
        if whole.count < FEWEST_TICKS:
            raise ChecksumMismatch(f"only {int(whole.count)} ticks led to a command: there is nothing to measure")
        p50, p99, p999 = (whole.percentile(percent) / _NANOSECONDS_PER_MICROSECOND for percent in (50, 99, 99.9))
        stages = ", ".join(
            f"{name} {stage.percentile(50) / _NANOSECONDS_PER_MICROSECOND:.1f}"
            for name, stage in (("lane", tally.lane), ("journal", tally.journal), ("encoding", tally.encoding))
        )
        told = (
            f"{int(whole.count):,} of {int(tally.ticks):,} ticks led to commands: {int(tally.orders):,} new, "
            f"{int(tally.replaces):,} replaced, {int(tally.cancels):,} cancelled; {int(tally.between):,} more "
            f"followed timers; us at the median: {stages}"
        )
        digest = lane.core.digest
        return Pass(p50, p99, p999, int(whole.count), (int(digest.value), int(digest.count)), told)


@cache
def passes(repeats: int) -> tuple[Pass, ...]:
    """So many passes after a cold one; all of them decide the same."""
    market = traffic()
    found = [play_once(market) for _ in range(repeats + 1)]
    if len({one.decided for one in found}) > 1:
        raise ChecksumMismatch("two passes over the same frames decided differently")
    return tuple(found[1:])


@cache
def passes_apart(repeats: int) -> tuple[Histogram, ...]:
    """The same frames, fewer of them, with a lane for each actor."""
    return tuple(play_apart(traffic()) for _ in range(repeats + 1))[1:]


def measured(run: Run, values: list[float], percent: float) -> Measured:
    """The figures of the passes with what they are of."""
    reference = [one.percentile(percent) / _NANOSECONDS_PER_MICROSECOND for one in passes_apart(run.repeats)]
    times = NAUTILUS_US / median(one.p50_us for one in passes(run.repeats))
    peer = f"nautilus_trader 1.231, not measured in this run: {NAUTILUS_US:.0f} us, {times:.1f} times the median here"
    return Measured(values, (APART, reference), (traffic().source, passes(run.repeats)[-1].told, peer))


@figure(name="tick_to_order.p50_us", unit="us", limit=8, repeats=REPEATS)
def median_tick(run: Run) -> Measured:
    """Half of the ticks that lead to a command take this long."""
    return measured(run, [one.p50_us for one in passes(run.repeats)], 50)


@figure(name="tick_to_order.p99_us", unit="us", limit=25, repeats=REPEATS)
def slow_tick(run: Run) -> Measured:
    """Ninety-nine of a hundred take no longer."""
    return measured(run, [one.p99_us for one in passes(run.repeats)], 99)


@figure(name="tick_to_order.p999_us", unit="us", limit=100, repeats=REPEATS)
def slowest_tick(run: Run) -> Measured:
    """And 999 of a thousand."""
    return measured(run, [one.p999_us for one in passes(run.repeats)], 99.9)
