"""The main job in small for tests of what is around it: run in this process in simulated time, on real files."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import trio
import trio.testing

from desk.loading import load_and_plan
from desk.summary import summary_of
from runtime.clock import TrioClock
from runtime.faults import parse_faults
from runtime.logs import Logger
from runtime.session import Session
from tests.data import ROOT
from tests.simulation.world import Silence, run_inline

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
CONFIG = ROOT / "tests" / "desk" / "one_venue.toml"

Summary = dict[str, object]


def run_main_job(
    state: Path, seconds: float = 2.0, faults: str = "", config: Path = CONFIG, start_ns: int = START_NS
) -> Summary:
    """Run it for so long in simulated time; gives the summary."""
    _, blueprint = load_and_plan(config)

    async def run() -> Summary:
        log = cast("Logger", Silence())
        with Session(blueprint, TrioClock(start_ns), log, state, parse_faults(faults), run_inline) as session:
            report = await session.run(round(seconds * SECOND_NS))
            return summary_of(session, report)

    return trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


def journals(state: Path) -> list[Path]:
    """The segments of a state, oldest first."""
    return sorted(state.glob("lanes/*/*.journal"))
