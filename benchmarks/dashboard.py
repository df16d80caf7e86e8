"""What a dashboard costs the trade: the age of frames when a lane takes them, with a dashboard in every condition.

One session of the whole main job, in a process of its own (`desk/dashboard/conditions.py`), takes recorded frames one
by one from loopback, as where the time from socket to socket is measured. Its lane keeps to this process's core; what
plays the venues and what draws have the others.
"""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import Final

from benchmarks.figures import ChecksumMismatch, Measured, Run, figure
from benchmarks.machine import TREE
from benchmarks.system import venues

# One frame every 250 us: about as many as three busy venues send.
PAUSE_US: Final = 250
FRAMES: Final = 240_000
FEWEST_FRAMES: Final = 5_000
NONE: Final = "none"
_LAST_SECONDS: Final = 90.0


def ages() -> dict[str, tuple[int, int]]:
    """Number of frames and 99th percentile of their age in nanoseconds, for each condition of the dashboard."""
    with venues("paced", str(PAUSE_US), str(FRAMES)) as (ports, sender):
        session = subprocess.Popen(
            [sys.executable, "-m", "desk.dashboard.conditions", *map(str, ports)],
            cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert sender.stdout is not None
        try:
            sender.stdout.readline()
            told, errors = session.communicate(timeout=_LAST_SECONDS)
        finally:
            session.kill()
            session.communicate()
    if session.returncode:
        raise ChecksumMismatch(f"it did not work: {errors[-1_000:]}")
    found: dict[str, list[int]] = json.loads(told)
    return {name: (count, age_ns) for name, (count, age_ns) in found.items()}


@figure(name="dashboard.lag_p99_percent", unit="%", limit=10, repeats=3)
def lag_p99(run: Run) -> Measured:
    """By how much the worst condition of a dashboard raises the 99th percentile of the age of frames.

    One run says little, for the 99th percentile of what was never disturbed differs by a third between runs: the worst
    condition is the one whose median over the runs is highest.
    """
    found = [ages() for _ in range(run.repeats)]
    few = [f"{name}: {count}" for one in found for name, (count, _) in one.items() if count < FEWEST_FRAMES]
    if few:
        raise ChecksumMismatch(f"too few frames to say anything: {', '.join(few)}")
    changes = [_changes(one) for one in found]
    worst = max(found[0].keys() - {NONE}, key=lambda name: median(one[name] for one in changes))
    values = [one[worst] for one in changes]
    notes = tuple(
        f"{name}: {median(one[name][1] for one in found) / 1_000:,.0f} us, "
        + "/".join(f"{one[name]:+.1f}" for one in changes) + " %"
        for name in found[0]
    )  # fmt: skip
    return Measured(values, None, notes)


def _changes(found: dict[str, tuple[int, int]]) -> dict[str, float]:
    """By how many percent each condition differs from no dashboard."""
    return {name: 100.0 * (age_ns / found[NONE][1] - 1.0) for name, (_, age_ns) in found.items()}
