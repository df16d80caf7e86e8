"""A run without --state: its journal is there for rebuilding actors, does not grow for ever, and goes with the run."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing

import runtime.session
from desk.loading import load_and_plan
from runtime.clock import TrioClock
from runtime.faults import parse_faults
from runtime.lane_journal import remove_before
from runtime.logs import Logger
from runtime.session import Session
from tests.desk.main_job import CONFIG, SECOND_NS, START_NS
from tests.simulation.disk import SimulatedDisk
from tests.simulation.world import Silence, run_inline

SECONDS = 8


def test_segments_before_the_oldest_snapshot_go() -> None:
    """One that holds an input behind it stays, and so does what is no segment."""
    disk = SimulatedDisk(1)
    names = [f"{first:020d}.journal" for first in (1, 11, 21, 31)]
    for name in (*names, "snapshot-00000000000000000020"):
        disk.create(name).close()
    remove_before(disk, 19)
    assert [name for name in disk.list() if name.endswith(".journal")] == names[1:]
    remove_before(disk, 20)
    remove_before(disk, 1_000)
    assert [name for name in disk.list() if name.endswith(".journal")] == names[3:]
    assert "snapshot-00000000000000000020" in disk.list()


@pytest.mark.parametrize("is_temporary", [True, False])
def test_a_temporary_journal_keeps_what_a_rebuilding_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_temporary: bool
) -> None:
    """Its first segments are gone, a critical actor that fails then is rebuilt; with --state all of them stay."""
    config = tmp_path / "short.toml"
    config.write_text(
        f'include = ["{CONFIG}"]\n[journal]\nsnapshot_every_ms = 500\nsegment_mb = 1\nkeep_snapshots = 2\n',
        encoding="utf-8",
    )
    # Segments of 16 KiB.
    monkeypatch.setattr(runtime.session, "BYTES_PER_MEBIBYTE", 16 * 1024)
    _, blueprint = load_and_plan(config)
    state = None if is_temporary else tmp_path / "state"

    async def run() -> None:
        log = cast("Logger", Silence())
        faults = parse_faults("kill:risk:every=900")
        with Session(blueprint, TrioClock(START_NS), log, state, faults, run_inline) as session:
            report = await session.run(SECONDS * SECOND_NS)
            assert report.orderly
            unit = session.system.supervisor.units["risk"]
            assert unit.failures >= 1
            assert unit.state.value == "running"
            segments = sorted(session.state.path.glob("lanes/main/*.journal"))
            assert segments
            assert segments[0].name.startswith("00000000000000000001.") is not is_temporary
        assert session.state.path.exists() is not is_temporary

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
