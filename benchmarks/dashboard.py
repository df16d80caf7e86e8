"""What a dashboard costs the trade: the age of frames when a lane takes them, with a dashboard in every condition.

One session of the whole main job takes recorded frames one by one from loopback, as where the time from socket to
socket is measured. Meanwhile conditions take turns: no dashboard, one that looks on, one that is stopped, one that is
stopped and let go again several times a second, and one that is killed once a second. They take turns many times in one
session, so that what else the machine does meets all of them alike.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Final

import trio

from benchmarks.figures import ChecksumMismatch, Measured, Run, figure
from benchmarks.system import venues, whole_system
from benchmarks.system_traffic import traffic
from benchmarks.transport import silence
from desk.dashboard.process import Keeper
from desk.link import DeskLink, private_socket
from desk.link_log import LogTail
from runtime.clock import LiveClock
from runtime.histogram import Histogram
from runtime.session import Session

NONE: Final = "none"
LOOKING: Final = "looking on"
STOPPED: Final = "stopped"
SLOW: Final = "slow"
KILLED: Final = "killed once a second"
CONDITIONS: Final = (NONE, LOOKING, STOPPED, SLOW, KILLED)
# One frame every 250 us: about as many as three busy venues send.
PAUSE_US: Final = 250
FRAMES: Final = 180_000
CONDITION_SECONDS: Final = 2.0
_SLOW_SECONDS: Final = 0.2
_KILL_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 20.0
_DASHBOARD: Final = [sys.executable, "-m", "benchmarks.dashboard_terminal"]
FEWEST_FRAMES: Final = 5_000


class Conditions:
    """Lets the conditions take turns and keeps the ages of frames apart."""

    def __init__(self, session: Session, path: Path) -> None:
        self.session: Final = session
        self.path: Final = path
        self.link: Final = DeskLink(session, path, "nobody", LogTail())
        self.ages: Final = {condition: Histogram() for condition in CONDITIONS}
        self.killed = 0

    async def take_turns(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.link.run)
            while True:
                for condition in CONDITIONS:
                    await self.one(condition)

    async def one(self, condition: str) -> None:
        """One condition for its time; what its beginning and its end cost is not counted."""
        async with trio.open_nursery() as nursery:
            keeper = Keeper(self.session, self.path, _DASHBOARD)
            if condition != NONE:
                nursery.start_soon(keeper.keep)
                with trio.fail_after(_PATIENCE_SECONDS):
                    while self.link.clients == 0:
                        await trio.sleep(0.01)
                # Until it has drawn a few times.
                await trio.sleep(1.0)
            age = self.session.system.lanes[0].lag
            age.roll()
            with trio.move_on_after(CONDITION_SECONDS):
                await self.trouble(condition, keeper)
            self.ages[condition].merge(age.roll())
            with contextlib.suppress(ProcessLookupError):
                if keeper.process_id:
                    os.kill(keeper.process_id, signal.SIGKILL)
            nursery.cancel_scope.cancel()
        with trio.fail_after(_PATIENCE_SECONDS):
            while self.link.clients:
                await trio.sleep(0.01)

    async def trouble(self, condition: str, keeper: Keeper) -> None:
        """What happens to the dashboard in a condition."""
        if condition == STOPPED:
            os.kill(keeper.process_id, signal.SIGSTOP)
        elif condition == SLOW:
            for one in (signal.SIGSTOP, signal.SIGCONT) * round(CONDITION_SECONDS / _SLOW_SECONDS):
                os.kill(keeper.process_id, one)
                await trio.sleep(_SLOW_SECONDS)
        elif condition == KILLED:
            while True:
                os.kill(keeper.process_id, signal.SIGKILL)
                self.killed += 1
                await trio.sleep(_KILL_SECONDS)
        await trio.sleep_forever()


async def ages(ports: list[int], process: subprocess.Popen[str]) -> dict[str, Histogram]:
    """The ages of frames in each condition."""
    with private_socket() as path, Session(whole_system(traffic(), ports, True), LiveClock(), silence()) as session:
        conditions = Conditions(session, path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run)
            nursery.start_soon(conditions.take_turns)
            assert process.stdout is not None
            await trio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
        ledger = session.system.lanes[0].core.ledger
        if ledger.halted:
            raise ChecksumMismatch(f"it did not work: {ledger.halt_reason}")
    return conditions.ages


@figure(name="dashboard.lag_p99_percent", unit="%", limit=10, repeats=3)
def lag_p99(run: Run) -> Measured:
    """By how much the worst condition of a dashboard raises the 99th percentile of the age of frames."""
    found: list[dict[str, float]] = []
    for _ in range(run.repeats):
        with venues("paced", str(PAUSE_US), str(FRAMES)) as (ports, process):
            measured = trio.run(ages, ports, process)
        few = [f"{name}: {one.count}" for name, one in measured.items() if one.count < FEWEST_FRAMES]
        if few:
            raise ChecksumMismatch(f"too few frames to say anything: {', '.join(few)}")
        found.append({name: one.percentile(99) / 1_000 for name, one in measured.items()})
    worse = [100.0 * (max(one[name] for name in CONDITIONS[1:]) / one[NONE] - 1.0) for one in found]
    notes = tuple(
        f"{name}: {median(one[name] for one in found):,.0f} us, {_change(found, name)}" for name in CONDITIONS
    )
    return Measured(worse, None, notes)


def _change(found: list[dict[str, float]], name: str) -> str:
    """The change against no dashboard, run by run."""
    return "/".join(f"{100.0 * (one[name] / one[NONE] - 1.0):+.1f}" for one in found) + " %"
