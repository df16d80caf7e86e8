"""The main job under dashboards in every condition, for a figure: `python -m desk.dashboard.conditions PORT...`.

The ports are those of a process that plays the venues. Conditions take turns: no dashboard, one that looks on, one that
is stopped, one that is stopped and let go again several times a second, and one that is killed as often as it would be
started again for ever. They take turns in one session, so that what else the machine does meets all of them alike. When
its input ends it prints, for each condition, the number of frames and the 99th percentile of their age when the lane
took them. What draws never has the core of the lane, from its very start.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

import trio

from benchmarks.system import whole_system
from benchmarks.system_traffic import traffic
from benchmarks.transport import silence
from desk.dashboard.process import BACKOFF, NANOSECONDS, Keeper
from desk.link import DeskLink, private_socket
from desk.link_log import LogTail
from runtime.clock import LiveClock
from runtime.histogram import Histogram
from runtime.session import Session

NONE: Final = "none"
LOOKING: Final = "looking on"
STOPPED: Final = "stopped"
SLOW: Final = "slow"
KILLED: Final = "killed"
CONDITIONS: Final = (NONE, LOOKING, STOPPED, SLOW, KILLED)
CONDITION_SECONDS: Final = 2.0
_SLOW_SECONDS: Final = 0.2
# Killed more often than that, it would be given up; one such time is the turn of one that is killed.
_KILLED_SECONDS: Final = BACKOFF.window_ns / BACKOFF.intensity / NANOSECONDS
_PATIENCE_SECONDS: Final = 20.0


def dashboard() -> list[str]:
    """How to start a dashboard on the cores that the lane does not have.

    It leaves the lane's core by itself too, but only when Python has begun, which is most of the work of a start.
    """
    words = [sys.executable, "-m", "desk.dashboard.unwatched"]
    others = sorted(set(range(os.cpu_count() or 1)) - (os.sched_getaffinity(0) if sys.platform == "linux" else set()))
    placer = shutil.which("taskset")
    if placer is None or not others or sys.platform != "linux":
        return words
    return [placer, "-c", ",".join(map(str, others)), *words]


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
            keeper = Keeper(self.session, self.path, dashboard())
            if condition != NONE:
                nursery.start_soon(keeper.keep)
                with trio.fail_after(_PATIENCE_SECONDS):
                    while self.link.clients == 0:
                        await trio.sleep(0.01)
                # Until it has drawn a few times.
                await trio.sleep(1.0)
            age = self.session.system.lanes[0].lag
            age.roll()
            with trio.move_on_after(_KILLED_SECONDS if condition == KILLED else CONDITION_SECONDS):
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
            os.kill(keeper.process_id, signal.SIGKILL)
            self.killed += 1
        await trio.sleep_forever()


async def watched(ports: list[int]) -> dict[str, Histogram]:
    """The ages of frames in each condition, until the input of this process ends."""
    with private_socket() as path, Session(whole_system(traffic(), ports, True), LiveClock(), silence()) as session:
        conditions = Conditions(session, path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run)
            nursery.start_soon(conditions.take_turns)
            await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
        ledger = session.system.lanes[0].core.ledger
        if ledger.halted:
            sys.exit(f"it did not work: {ledger.halt_reason}")
    return conditions.ages


def main(words: list[str]) -> None:
    """Measure and print; the garbage collector rests, as in a run."""
    gc.collect()
    gc.freeze()
    gc.disable()
    ages = trio.run(watched, [int(word) for word in words])
    print(json.dumps({name: [one.count, one.percentile(99)] for name, one in ages.items()}))


if __name__ == "__main__":
    main(sys.argv[1:])
