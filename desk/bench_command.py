"""`hftrun bench`: measures the figures that this project claims and says whether they hold here.

It promises that the figures are told as they are measured, that a failed comparison of results is an error whatever
the times were, and that limits are judged only where the modules are compiled: for those alone they are claimed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.figures import MISSED, ChecksumMismatch, Figure, Measured, Run
from benchmarks.machine import Machine, calibrate, look_at_machine, quiet
from benchmarks.recordings import RecordingsAbsent
from desk.exits import EXIT_OK, EXIT_USAGE, EXIT_WRONG

NAME_WIDTH: Final = 36
UNIT_WIDTH: Final = 11
NUMBER_WIDTH: Final = 11


class BenchUsage(Exception):
    """The command asks for something that cannot be done; the message says what can."""


@attrs.frozen
class Report:
    """What a run of the figures came to."""

    machine: Machine
    measured: list[tuple[Figure, Measured]]
    missed: list[str]
    wrong: list[str]


def run_benchmarks(only: list[str], json_path: Path | None, repeats: int) -> int:
    """Measure the figures whose names begin with one of `only`; exit code 1 when a limit is missed."""
    from benchmarks.catalogue import FIGURES

    try:
        return bench(FIGURES, only, json_path, repeats)
    except (BenchUsage, RecordingsAbsent) as error:
        sys.stderr.write(f"hftrun: {error}\n")
        return EXIT_USAGE


def bench(figures: Sequence[Figure], only: Sequence[str], json_path: Path | None, repeats: int) -> int:
    """The same with these figures; raises `BenchUsage`."""
    chosen = choose(figures, only)
    if repeats < 0:
        raise BenchUsage(f"--repeats {repeats} is no number of times: give 1 or more, or leave it out")
    if json_path is not None and (json_path.is_dir() or not json_path.parent.is_dir()):
        raise BenchUsage(f"--json {json_path} is no file that can be written: name a file in a folder that exists")
    report = measure_all(chosen, repeats)
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(as_data(report), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise BenchUsage(f"--json {json_path} cannot be written: {error.strerror}") from error
    return EXIT_WRONG if report.missed or report.wrong else EXIT_OK


def choose(figures: Sequence[Figure], only: Sequence[str]) -> list[Figure]:
    """The figures whose name begins with one of these; every prefix must fit at least one."""
    for prefix in only:
        if not any(one.name.startswith(prefix) for one in figures):
            names = "\n  ".join(one.name for one in figures)
            raise BenchUsage(f"--only {prefix}: no figure's name begins so. There are\n  {names}")
    return [one for one in figures if not only or one.name.startswith(tuple(only))]


def measure_all(figures: Sequence[Figure], repeats: int) -> Report:
    """Measure one figure after the other, and print each when it is done."""
    measured: list[tuple[Figure, Measured]] = []
    missed: list[str] = []
    wrong: list[str] = []
    with quiet():
        machine = look_at_machine()
        _print_head(machine)
        compiled = machine.mode == "compiled"
        for number, one in enumerate(figures, start=1):
            progress = _Progress(f"{number} of {len(figures)}: {one.name}")
            try:
                result = one.measure(Run(repeats or one.repeats, progress.tell))
            except ChecksumMismatch as error:
                wrong.append(one.name)
                progress.clear()
                print(f"{one.name}: WRONG, {error}", flush=True)
                continue
            progress.clear()
            measured.append((one, result))
            if one.verdict(result, compiled) == MISSED:
                missed.append(one.name)
            _print_figure(one, result, compiled)
        _print_tail(machine, missed, wrong, calibrate())
    return Report(machine, measured, missed, wrong)


def as_data(report: Report) -> dict[str, Any]:
    """The report as JSON holds it; a figure's value is its median."""
    return {
        "machine": attrs.asdict(report.machine),
        "figures": [
            {
                "name": one.name,
                "value": result.value,
                "unit": one.unit,
                "min": min(result.subject),
                "max": max(result.subject),
                "limit": one.limit,
                "reference": None
                if result.reference is None
                else {"name": result.reference[0], "value": result.reference_value},
            }
            for one, result in report.measured
        ],
    }


class _Progress:
    """The line that moves while a figure is measured; only a terminal sees it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._write: Callable[[str], object] | None = sys.stderr.write if sys.stderr.isatty() else None

    def tell(self, done: int, repeats: int) -> None:
        """Say how far it is; the first sample warms up."""
        if self._write is not None:
            self._write(f"\r\033[Kmeasuring {self._text}, {'warming up' if done == 0 else f'{done} of {repeats}'}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Make room for the result."""
        if self._write is not None:
            self._write("\r\033[K")
            sys.stderr.flush()


def _print_head(machine: Machine) -> None:
    print(f"modules    {machine.mode}" + ("" if machine.mode == "compiled" else ": limits are not judged"))
    print(f"machine    {machine.processor}, {machine.cores} cores, {machine.system}, {machine.python}")
    print(f"measured   pinned {machine.pinned}; garbage collector {machine.garbage_collector}")
    print(f"calibrated {machine.calibration_ns:.1f} ns an iteration of a loop in plain Python\n")
    print(_row("figure", "unit", "minimum", "median", "maximum", "limit", "verdict"), flush=True)


def _print_figure(one: Figure, result: Measured, compiled: bool) -> None:
    limit = "" if one.limit is None else ("at least " if one.at_least else "") + _number(one.limit)
    print(_row(one.name, one.unit, *_spread(result.subject), limit, one.verdict(result, compiled)))
    ratio = one.ratio(result)
    if result.reference is not None and ratio is not None:
        name, values = result.reference
        claim = "" if one.ratio_at_least is None else f" (at least {_number(one.ratio_at_least)})"
        print(_row(f"  {name}", one.unit, *_spread(values), "", f"{ratio:.1f} times as long{claim}"))
    for note in result.notes:
        print(f"  {note}")
    sys.stdout.flush()


def _print_tail(machine: Machine, missed: list[str], wrong: list[str], calibration_ns: float) -> None:
    print(f"\ncalibrated again {calibration_ns:.1f} ns an iteration", end="")
    moved = calibration_ns / machine.calibration_ns
    print(": the machine was busy with other things, repeat it" if not 0.8 < moved < 1.25 else "")
    if wrong:
        print(f"wrong results: {', '.join(wrong)}")
    if missed:
        print(f"limits missed: {', '.join(missed)}")
    sys.stdout.flush()


def _row(name: str, unit: str, low: str, middle: str, high: str, limit: str, verdict: str) -> str:
    numbers = "".join(f"{text:>{NUMBER_WIDTH}}" for text in (low, middle, high))
    return f"{name:<{NAME_WIDTH}} {unit:<{UNIT_WIDTH}}{numbers}{limit:>20}  {verdict}".rstrip()


def _spread(values: list[float]) -> tuple[str, str, str]:
    result = Measured(values)
    return _number(min(values)), _number(result.value), _number(max(values))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10_000 or value == int(value) else f"{value:,.1f}"
