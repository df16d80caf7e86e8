"""What a dashboard costs the trade: the time of an input at its slowest hundredth, with one and without.

The whole main job takes the traffic of three venues as fast as it can, as for `system.ticks_per_second`. In turn there
is nobody at its desk, or somebody who stopped reading: connected, served with states until the socket is full, never
heard of again. The figure is by how much the 99th percentile of an input differs.
"""

from __future__ import annotations

import socket
from pathlib import Path
from statistics import median
from typing import Final

import trio

from benchmarks.figures import Measured, Run, figure
from benchmarks.system import last_ids_of, taken_with, venues
from benchmarks.system_traffic import traffic
from desk.link import DeskLink, private_socket
from runtime.session import Session

PERCENT: Final = 99.0
ROUNDS: Final = 3


async def stopped_reader(session: Session, nursery: trio.Nursery, folder: Path) -> socket.socket:
    """A dashboard that connected and then stopped: nobody ever reads from it."""
    await nursery.start(DeskLink(session, folder, "bench").run)
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    reader.connect(str(folder))
    return reader


def slowest_hundredth(with_reader: bool) -> float:
    """The 99th percentile of the time of an input, in nanoseconds."""
    market = traffic()
    last_ids = last_ids_of(market)
    with venues("fast") as (ports, _), private_socket() as path:

        async def beside(session: Session, nursery: trio.Nursery) -> None:
            if with_reader:
                held.append(await stopped_reader(session, nursery, path))

        held: list[socket.socket] = []
        try:
            _, _, session = taken_with(market, ports, last_ids, beside)
        finally:
            for one in held:
                one.close()
        return float(session.system.lanes[0].input_time.total.percentile(PERCENT))


@figure(name="system.dashboard_p99_percent", unit="%", limit=10, repeats=1)
def dashboard_cost(run: Run) -> Measured:
    """By how much a dashboard that stopped moves the 99th percentile of an input."""
    values, notes = [], []
    for _ in range(run.repeats):
        without, with_one = [], []
        for _ in range(ROUNDS):
            without.append(slowest_hundredth(False))
            with_one.append(slowest_hundredth(True))
        values.append(100 * (median(with_one) - median(without)) / median(without))
        notes.append(f"p99 of an input {median(without) / 1_000:.1f} us without, {median(with_one) / 1_000:.1f} with")
    return Measured(values, None, tuple(notes))
