"""How many times slower everything runs interpreted: the same subjects in two processes, one with HFTRUN_PURE=1.

Started as a module with a number, it measures every subject so often in the mode that it finds itself in, and prints
its name, median and checksum; that is what the two processes do. Informative: there is no limit.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from typing import Final

from benchmarks import books, journal, lanes, messages, numbers, positions
from benchmarks.figures import ChecksumMismatch, Measured, Run, Sample, figure
from benchmarks.machine import TREE

SUBJECTS: Final[dict[str, Callable[[], Sample]]] = {
    "number parsed": numbers.subject,
    "depth message into the book": books.apply_depth,
    "message encoded": messages.encoded,
    "message decoded": messages.decoded,
    "hop in a lane": lanes.hop,
    "journal record appended": journal.append,
    "fill of a position": positions.subject,
}


def main(samples: int) -> None:
    """Measure every subject in this process and print one line for each."""
    gc.disable()
    for name, subject in SUBJECTS.items():
        _, checksum = subject()
        value = median(subject()[0] for _ in range(samples))
        print(value, checksum, name)


def _run_in(pure: bool, samples: int) -> dict[str, Sample]:
    environment = {name: value for name, value in os.environ.items() if name != "HFTRUN_PURE"}
    if pure:
        environment["HFTRUN_PURE"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.slowdown", str(samples)],
        cwd=TREE, env=environment, capture_output=True, check=True, text=True,
    )  # fmt: skip
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    return {name: (float(value), int(checksum)) for value, checksum, name in rows}


@figure(name="pure.slowdown", unit="times", repeats=3)
def pure_slowdown(run: Run) -> Measured:
    """Interpreted against compiled, the median over a few subjects; both modes must give the same results."""
    compiled = _run_in(False, run.repeats)
    pure = _run_in(True, run.repeats)
    for name, (_, checksum) in compiled.items():
        if pure[name][1] != checksum:
            raise ChecksumMismatch(f"{name}: compiled gave {checksum}, interpreted gave {pure[name][1]}")
    ratios = {name: pure[name][0] / value for name, (value, _) in compiled.items()}
    return Measured(list(ratios.values()), notes=tuple(f"{name}: {ratio:.1f} times" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
