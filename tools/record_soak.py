"""Runs the suite with the full counts and writes `docs/soak.md`: what was run, from which seeds, with what result.

It is started by `make soak`, takes pytest's arguments, and writes the record of a failed run too: a record that only
tells of success would tell nothing. The seeds are written down so that a failure can be repeated.
"""

from __future__ import annotations

import ast
import datetime
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import hftrun_kernel  # noqa: E402  the path to it is known only here

RECORD = ROOT / "docs" / "soak.md"
CLOSING = re.compile(r"^=*\s*(\d+ (?:passed|failed|skipped|error).*?)\s*=*$")


def commit() -> str:
    """The commit that is tested, and whether anything differs from it; a copy without git is called that."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git clone)"
    return f"{head}, with uncommitted changes" if changed else head


def full_counts() -> list[tuple[str, str, int, int]]:
    """Every count that the soak raises, from the tests' own calls: file, kind, small count, full count."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"examples", "seeds"}:
                counts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                if len(counts) == 2 and isinstance(counts[0], int) and isinstance(counts[1], int):
                    found.append((path.relative_to(ROOT).as_posix(), node.func.id, counts[0], counts[1]))
    return found


def run_tests(arguments: list[str]) -> tuple[int, str]:
    """Runs pytest with the full counts, shows its output, and returns its exit code and closing line."""
    closing = "no closing line"
    command = [sys.executable, "-m", "pytest", *arguments]
    environment = {**os.environ, "HFTRUN_SOAK": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        found = CLOSING.match(line.strip())
        closing = found.group(1) if found else closing
    return process.wait(), closing


def record(code: int, closing: str, seed: int, tested: str, arguments: list[str], duration_s: float) -> str:
    """The text of `docs/soak.md`."""
    rows = "\n".join(f"| {path} | {kind} | {few:,} | {full:,} |" for path, kind, few, full in full_counts())
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    return f"""# The last soak

`make soak` runs every test with the full counts and writes this page; `make test` runs a fixed small set of the same.

| what | value |
|---|---|
| result | {"passed" if code == 0 else f"FAILED (exit code {code})"}: {closing} |
| commit | {tested} |
| date | {today} |
| modules | {hftrun_kernel.mode()} ({hftrun_kernel.reason()}) |
| Python | {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores |
| generated values | hypothesis seed {seed}; repeat with `make soak ARGS="--hypothesis-seed={seed}"` |
| seeded runs | seeds 0 to the full count of each test, below |
| pytest arguments | {" ".join(arguments)} |
| duration | {duration_s / 60:.1f} minutes |

## Counts

| test file | kind | small | full |
|---|---|---|---|
{rows}
"""


def main(arguments: list[str]) -> int:
    """Runs, records, and ends as pytest ended."""
    named = next((a.partition("=")[2] for a in arguments if a.startswith("--hypothesis-seed=")), "")
    seed = int(named) if named else time.time_ns() // 1_000_000_000
    if not named:
        arguments = [*arguments, f"--hypothesis-seed={seed}"]
    tested = commit()
    began = time.monotonic()
    code, closing = run_tests(arguments)
    RECORD.write_text(record(code, closing, seed, tested, arguments, time.monotonic() - began), encoding="utf-8")
    print(f"recorded in {RECORD.relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
