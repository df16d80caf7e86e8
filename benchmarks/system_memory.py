"""How the trading process grows over an hour of messages: 1,000 a second, an hour's worth, as fast as they are taken.

`python -m benchmarks.system_memory MESSAGES` feeds the whole main job's lane in a process of its own and prints what it
holds at times. Each message comes a simulated millisecond after the one before, so that timers, windows and histories
see an hour; at the end of the recording every connection is lost and comes back with the same frames anew. The journal
is written and thrown away. The collector is frozen and off, as it is in a run.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from typing import Any, Final

import attrs

from actors.venue_book_params import VenueBookParams
from benchmarks.figures import ChecksumMismatch, Measured, Run, figure
from benchmarks.machine import TREE
from benchmarks.system_traffic import traffic
from benchmarks.tick_to_order_lane import OrderLane, shipped_blueprint
from hftrun_kernel import mode
from market.messages import ConnectionDown, ConnectionUp, RawFrame
from runtime.blueprint import Blueprint
from runtime.collector import resident_bytes
from runtime.journal.storage import SegmentFile

MESSAGES: Final = 3_600_000
SHORT: Final = 40_000
SPACING_NS: Final = 1_000_000
LOOKS: Final = 20
MOST_MEGABYTES: Final = 200
SETTING: Final = "HFTRUN_BENCH_MESSAGES"
_BYTES_PER_MEGABYTE: Final = 1024 * 1024


class Nowhere:
    """A file that takes everything and keeps nothing."""

    def write(self, data: bytes) -> None:
        """Take it."""

    def sync(self) -> None:
        """Nothing."""

    def truncate(self, length: int) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class NoStorage:
    """A journal's place that keeps nothing: an hour of it would fill a small disk."""

    def describe(self, name: str) -> str:
        """Its name."""
        return name

    def list(self) -> list[str]:
        """Nothing is here."""
        return []

    def size(self, name: str) -> int:
        """Nothing is here."""
        return 0

    def read(self, name: str, start: int, length: int) -> bytes:
        """Nothing is here."""
        return b""

    def create(self, name: str) -> SegmentFile:
        """A file that keeps nothing."""
        return Nowhere()

    def truncate(self, name: str, length: int) -> None:
        """Nothing."""

    def sync(self, name: str) -> None:
        """Nothing."""

    def remove(self, name: str) -> None:
        """Nothing."""

    def rename(self, old: str, new: str) -> None:
        """Nothing."""

    def archive(self, name: str) -> None:
        """Nothing."""

    def sync_directory(self) -> None:
        """Nothing."""


def without_venue_lag(plan: Blueprint) -> Blueprint:
    """The same plan without the guard against late frames: each time the recording begins anew, its times go back."""
    actors = tuple(
        attrs.evolve(node, params=attrs.evolve(node.params, max_venue_lag_ms=0))
        if isinstance(node.params, VenueBookParams)
        else node
        for node in plan.actors
    )
    return attrs.evolve(plan, actors=actors)


class Hour:
    """A lane that is fed for as long as it is asked to."""

    def __init__(self) -> None:
        self.market = traffic()
        self.lane = OrderLane(without_venue_lag(shipped_blueprint(self.market)), self.market, NoStorage())
        self.now_ns = self.market.frames[0].receive_ns
        self.place = 0
        self.epoch = 1

    def feed(self, count: int) -> None:
        """So many messages more, each a millisecond later."""
        lane, frames = self.lane, self.market.frames
        for _ in range(count):
            if self.place == len(frames):
                self.begin_anew()
            frame = frames[self.place]
            self.place += 1
            self.now_ns += SPACING_NS
            self.take_timers()
            lane.channel.offer(
                RawFrame(
                    frame.connection_id, frame.kind, frame.instrument_id, self.now_ns, frame.data, frame.part,
                    frame.parts, frame.checksum,
                )
            )  # fmt: skip
            self.turn(self.now_ns)

    def take_timers(self) -> None:
        """Timers at their time."""
        timers = self.lane.core.timers
        while (first := timers.first()) is not None and first[0] <= self.now_ns:
            self.turn(first[0])

    def turn(self, now_ns: int) -> None:
        """One turn of the lane, its journal handed over, its commands taken away."""
        lane = self.lane
        lane.drain.turn(now_ns)
        lane.writer.hand_over()
        lane.port.clear()
        lane.core.reported.clear()

    def begin_anew(self) -> None:
        """All connections are lost and come back."""
        self.place = 0
        self.epoch += 1
        for market in self.market.markets:
            self.lane.channel.offer(ConnectionDown(market.connection_id, self.epoch - 1, "the recording is over"))
            self.lane.channel.offer(ConnectionUp(market.connection_id, self.epoch))
            self.turn(self.now_ns)


def watch(messages: int) -> dict[str, object]:
    """Feed so many messages; what the process held at equal distances, and what was done."""
    hour = Hour()
    gc.collect()
    gc.freeze()
    gc.disable()
    held = []
    for _ in range(LOOKS):
        hour.feed(messages // LOOKS)
        held.append(resident_bytes())
    core = hour.lane.core
    return {
        "resident_bytes": held,
        "inputs": int(core.sequence),
        "orders": int(core.ledger.orders),
        "fills": int(core.ledger.fills),
        "failed": [slot.name for slot in core.slots if slot.failures],
        "traffic_bytes": sum(len(frame.data) for frame in hour.market.frames),
        "in_cycles": gc.collect(),
    }


@figure(name="system.memory_growth_percent", unit="%", limit=2, repeats=1)
def memory_growth(run: Run) -> Measured:
    """By how much the resident size grows in the second half of an hour at 1,000 messages a second."""
    messages = int(os.environ.get(SETTING, "0")) or (MESSAGES if mode() == "compiled" else SHORT)
    values: list[float] = []
    notes: tuple[str, ...] = ()
    for _ in range(run.repeats):
        found = watched_apart(messages)
        held = found["resident_bytes"]
        resident = held[-1] - found["traffic_bytes"]
        if found["failed"] or resident > MOST_MEGABYTES * _BYTES_PER_MEGABYTE:
            raise ChecksumMismatch(f"failed {found['failed']}, resident {resident / _BYTES_PER_MEGABYTE:.0f} MB")
        values.append(100 * (held[-1] - held[LOOKS // 2 - 1]) / held[LOOKS // 2 - 1])
        notes = (told(found, messages),)
    return Measured(values, None, notes)


def told(found: dict[str, Any], messages: int) -> str:
    """What was held, for people."""
    held = [one / _BYTES_PER_MEGABYTE for one in found["resident_bytes"]]
    traffic_mb = found["traffic_bytes"] / _BYTES_PER_MEGABYTE
    return (
        f"{messages:,} messages, {found['inputs']:,} inputs, {found['orders']:,} orders, {found['fills']:,} fills; "
        f"resident {held[0]:.1f} MB at first, {held[LOOKS // 2 - 1]:.1f} at half time, {held[-1]:.1f} at the end, of "
        f"which {traffic_mb:.0f} are the recording itself; {found['in_cycles']} objects in reference cycles"
    )


def watched_apart(messages: int) -> dict[str, Any]:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.system_memory", str(messages)],
        cwd=TREE, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(watch(int(sys.argv[1]))))
