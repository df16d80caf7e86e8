"""What a figure was measured on, and the quiet in which it is measured.

It promises that the collector and the processor affinity are put back as they were, and that what it says of the
machine names no user, no host and no path.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Final

import attrs

import hftrun_kernel

# The folder that the packages lie in, whether a clone or an installation.
TREE: Final = Path(hftrun_kernel.__file__).resolve().parent
CALIBRATION_STEPS: Final = 100_000
CALIBRATION_REPEATS: Final = 9
COLLECTOR: Final = "off while timing, run between samples"
_PROCESSORS: Final = Path("/proc/cpuinfo")


@attrs.frozen
class Machine:
    """What absolute times depend on."""

    processor: str
    cores: int
    system: str
    python: str
    mode: str
    garbage_collector: str
    pinned: str
    calibration_ns: float


def look_at_machine() -> Machine:
    """This machine, with the calibration loop run on it; call it inside `quiet`."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        mode=hftrun_kernel.mode(),
        garbage_collector=COLLECTOR,
        pinned="to one core" if len(_allowed()) == 1 else "no",
        calibration_ns=round(calibrate(), 2),
    )


def calibrate() -> float:
    """Nanoseconds an iteration of a loop in plain Python, the median of a few: tells machines and moments apart."""
    return median(_calibration_loop() for _ in range(CALIBRATION_REPEATS))


def _calibration_loop() -> float:
    total = 0
    began_ns = perf_counter_ns()
    for step in range(CALIBRATION_STEPS):
        total = (total + step) & 0xFFFF
    return (perf_counter_ns() - began_ns) / CALIBRATION_STEPS


@contextmanager
def quiet() -> Iterator[None]:
    """One core, nothing for the collector to look at but what a figure makes, and no collection unless asked for."""
    was_enabled = gc.isenabled()
    allowed = _allowed()
    gc.collect()
    gc.freeze()
    gc.disable()
    _pin({max(allowed)} if allowed else set())
    try:
        yield
    finally:
        _pin(allowed)
        gc.unfreeze()
        if was_enabled:
            gc.enable()


@contextmanager
def undisturbed() -> Iterator[bool]:
    """Real-time priority for this process and those that it starts, where the system allows it; says whether it does.

    For what sleeps most of the time: neighbours on the same cores then cost their share of the caches and no more.
    """
    if sys.platform != "linux" or (os.cpu_count() or 1) == 1:
        yield False
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()


def _pin(cores: set[int]) -> None:
    """Stay on these cores, where the system can be told so and allows it; it is a help to the figures, no need."""
    if sys.platform == "linux" and cores:
        try:
            os.sched_setaffinity(0, cores)
        except OSError:
            return


def _processor() -> str:
    """The model as the system names it."""
    try:
        lines = _PROCESSORS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
