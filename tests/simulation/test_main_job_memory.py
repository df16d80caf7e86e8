"""What the main job leaves behind while it runs: nothing that only a garbage collector could free."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import cast

import trio
import trio.testing

from desk.loading import load_and_plan
from runtime.clock import TrioClock
from runtime.logs import Logger
from runtime.session import Session
from tests.desk.main_job import CONFIG, START_NS
from tests.simulation.world import Silence, run_inline

SETTLED_SECONDS = 3
WATCHED_SECONDS = 20


def cycles_of_a_run(state: Path) -> tuple[int, list[str], int]:
    """Objects in cycles that a run made in steady state, of which types, and the inputs that it took meanwhile."""
    _, blueprint = load_and_plan(CONFIG)
    found: list[str] = []
    inputs = 0

    async def main() -> None:
        nonlocal inputs
        with Session(blueprint, TrioClock(START_NS), cast("Logger", Silence()), state, None, run_inline) as session:

            async def look() -> None:
                nonlocal inputs
                await trio.sleep(SETTLED_SECONDS)
                gc.collect()
                before = int(session.system.lanes[0].core.sequence)
                await trio.sleep(WATCHED_SECONDS)
                gc.set_debug(gc.DEBUG_SAVEALL)
                try:
                    gc.collect()
                    found.extend(type(one).__name__ for one in gc.garbage)
                finally:
                    gc.set_debug(0)
                    gc.garbage.clear()
                inputs = int(session.system.lanes[0].core.sequence) - before
                assert session.collector.collections == 0

            async with trio.open_nursery() as nursery:
                nursery.start_soon(look)
                await session.run((SETTLED_SECONDS + WATCHED_SECONDS + 1) * 1_000_000_000)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return len(found), found, inputs


def test_steady_state_makes_no_reference_cycles(tmp_path: Path) -> None:
    """Thousands of inputs with orders, fills, timers, fsyncs and snapshots: not one object needs a collector."""
    count, types, inputs = cycles_of_a_run(tmp_path / "state")
    assert inputs > 2_000
    assert count == 0, sorted(set(types))
