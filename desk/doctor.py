"""`hftrun doctor`: looks at the machine and the installation, with a verdict and a remedy for each thing."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version

import attrs

import hftrun_kernel
from desk.exits import EXIT_OK, EXIT_WRONG

GOOD, FAIR, BAD = "good", "fair", "bad"
PACKAGES = (
    "trio", "trio-websocket", "attrs", "cattrs", "sortedcontainers", "ccxt", "tomli", "rich", "msgspec", "websockets",
    "structlog", "librt",
)  # fmt: skip
OLDEST_PYTHON = (3, 11)
ENOUGH_FILES = 1024
FINE_CLOCK_NS = 1_000


@attrs.frozen
class Finding:
    """One thing looked at."""

    name: str
    value: str
    verdict: str
    remedy: str = ""


def print_diagnosis(as_json: bool) -> int:
    """Print every finding; exit code 1 when one is bad."""
    findings = diagnose()
    if as_json:
        print(json.dumps({"findings": [attrs.asdict(one) for one in findings]}, indent=2))
    else:
        width = max(len(one.name) for one in findings)
        for one in findings:
            print(f"{one.name:<{width}}  {one.verdict:<4}  {one.value}")
            if one.remedy:
                print(f"{'':<{width}}        remedy: {one.remedy}")
    return EXIT_WRONG if any(one.verdict == BAD for one in findings) else EXIT_OK


def diagnose() -> list[Finding]:
    """Look at everything."""
    return [_python(), _modules(), _compiler(), _packages(), _processors(), _clock(), _files(), _terminal()]


def _python() -> Finding:
    text = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", text, BAD, "install Python 3.11 or newer and run `make setup` again")
    return Finding("python", text, GOOD)


def _modules() -> Finding:
    mode, reason = hftrun_kernel.mode(), hftrun_kernel.reason()
    if mode == "compiled":
        return Finding("modules", f"compiled: {reason}", GOOD)
    remedy = "install a C compiler and run `make setup` for full speed"
    return Finding("modules", f"interpreted: {reason}", FAIR, remedy)


def _compiler() -> Finding:
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            return Finding("compiler", path, GOOD)
    verdict = GOOD if hftrun_kernel.mode() == "compiled" else FAIR
    return Finding("compiler", "none found", verdict, "install gcc or clang to compile the hot modules")


def _packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "missing: " + ", ".join(missing), BAD, "run `make setup`")
    return Finding("packages", ", ".join(found), GOOD)


def _processors() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{usable} usable of {os.cpu_count()}"
    if usable < 2:
        return Finding("processors", text, FAIR, "the dashboard and the trading process will share one")
    return Finding("processors", text, GOOD)


def _clock() -> Finding:
    """The smallest step that the monotonic clock was seen to make."""
    smallest = min(_clock_step() for _ in range(100))
    text = f"monotonic clock steps by {smallest} ns"
    if smallest > FINE_CLOCK_NS:
        return Finding("clock", text, FAIR, "latencies below this step cannot be measured here")
    return Finding("clock", text, GOOD)


def _clock_step() -> int:
    before = time.perf_counter_ns()
    after = time.perf_counter_ns()
    while after == before:
        after = time.perf_counter_ns()
    return after - before


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} open files allowed (at most {hard})"
    if soft < ENOUGH_FILES:
        return Finding("files", text, FAIR, f"run `ulimit -n {ENOUGH_FILES}` before starting")
    return Finding("files", text, GOOD)


def _terminal() -> Finding:
    if not sys.stdout.isatty():
        return Finding("terminal", "the output is not a terminal", GOOD)
    size = shutil.get_terminal_size()
    text = f"{size.columns}x{size.lines}, TERM={os.environ.get('TERM', '')}"
    if size.columns < 80 or size.lines < 24:
        return Finding("terminal", text, FAIR, "make it at least 80x24")
    return Finding("terminal", text, GOOD)
