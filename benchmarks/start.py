"""What the command costs to start: a whole process from the call to the printed help.

There is no reference: no other program does the same work.
"""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter_ns
from typing import Final
from zlib import crc32

from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.machine import TREE

# What the installed command does; started so that it is this tree's command wherever another one is installed.
COMMAND: Final = "import sys; from desk.entry import main; sys.exit(main())"


def start() -> Sample:
    """Milliseconds from the start of the process to its end; the checksum is of what it printed."""
    began_ns = perf_counter_ns()
    done = subprocess.run([sys.executable, "-c", COMMAND, "--help"], cwd=TREE, capture_output=True, check=True)
    taken_ns = perf_counter_ns() - began_ns
    return taken_ns / 1e6, crc32(done.stdout)


@figure(name="start.help_ms", unit="ms", limit=300, repeats=9)
def help_printed(run: Run) -> Measured:
    """`hftrun --help` as a process of its own."""
    return run.measure(start)
