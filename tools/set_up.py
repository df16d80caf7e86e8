"""Makes the clone ready to run: `.venv`, the pinned packages, the compiled modules.

It does only what has to be done: every step leaves a record of its inputs in `.venv`, and a step whose inputs are as
recorded is skipped, so that a second run takes a fraction of a second. It shows what it does, keeps the full output in
a log, and prints the end of that log when a step fails. It uses the standard library alone and changes nothing
outside the clone.

    tools/set_up.py             everything
    tools/set_up.py compile     the same, but an error when the modules cannot be compiled
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import hftrun_kernel  # noqa: E402  the path to it is known only here

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
RECORD = VENV / "set_up.json"
LOG = VENV / "set_up.log"
LONGEST_LOG_BYTES = 1_000_000
PURE_ASKED = os.environ.get("HFTRUN_PURE") == "1"


def say(text: str) -> None:
    """One line of progress."""
    print(f"set-up: {text}", flush=True)


def read_record() -> dict[str, Any]:
    """What the last run recorded of its inputs."""
    try:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
        return record if isinstance(record, dict) else {}
    except (OSError, ValueError):
        return {}


def write_record(record: dict[str, Any]) -> None:
    """Records the inputs of the steps that are done."""
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def digests(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file below the root; an absent file has an empty one."""
    return {path: hftrun_kernel.sha256_of(str(ROOT / path)) if (ROOT / path).is_file() else "" for path in paths}


def environment_identity() -> dict[str, str]:
    """What the virtual environment and the installed packages depend on."""
    version = ".".join(map(str, sys.version_info[:3]))
    inputs = digests(["pyproject.toml", "constraints.txt", "tools/set_up.py"])
    return {**inputs, "python": version, "root": hashlib.sha256(str(ROOT).encode()).hexdigest()}


def run_logged(command: list[str], shown: re.Pattern[str], environment: dict[str, str] | None = None) -> None:
    """Runs a step, all of its output to the log; shows the parts of lines that match, and on failure the log's end."""
    terminal = sys.stdout.isatty()
    tail: deque[str] = deque(maxlen=40)
    last = ""
    shown_at = 0.0
    with LOG.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **(environment or {})}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            tail.append(line)
            found = shown.search(line)
            if found is None:
                continue
            last = found.group(0).strip()
            if terminal:
                print(f"\r\033[K        {last[:100]}", end="", flush=True)
            elif time.monotonic() - shown_at > 5:
                print(f"        {last}", flush=True)
                shown_at = time.monotonic()
        code = process.wait()
    if terminal and last:
        print("\r\033[K", end="", flush=True)
    if code != 0:
        print("".join(tail), file=sys.stderr)
        step = " ".join(command[1:6])
        sys.exit(f"set-up: failed (exit code {code}): {step} ... The whole output is in .venv/{LOG.name}")


def make_environment() -> None:
    """Makes `.venv` with this interpreter, in place of one of another version or another place."""
    say(f"making .venv with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"set-up: the virtual environment could not be made:\n{made.stdout}{made.stderr}")


def install_packages() -> None:
    """Installs the pinned packages, and the clone itself as a path, so that its sources are what runs."""
    pins = sum(1 for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    say(f"installing up to {pins} pinned packages (constraints.txt)")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    install = [*pip, "install", "-c", "constraints.txt"]
    shown = re.compile(r"^(Collecting|Downloading|Installing|Building) [^ (]+")
    run_logged([*install, "setuptools>=80"], shown)
    editable = ["--no-build-isolation", "--config-settings", "editable_mode=compat", "-e", ".[test]"]
    run_logged([*install, *editable], shown, {"HFTRUN_PURE": "1"})


def own_imports(path: str) -> set[str]:
    """The modules of this project that a module imports, as paths."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in hftrun_kernel.PACKAGES:
                stem = name.replace(".", "/")
                found.update(p for p in (f"{stem}.py", f"{stem}/__init__.py") if (ROOT / p).is_file())
    return found


def compile_inputs() -> list[str]:
    """Every file that the compiled modules depend on: their own sources and all that those import of this project."""
    pending = hftrun_kernel.read_list(str(ROOT / hftrun_kernel.LIST))
    inputs = {"setup.py", "hftrun_kernel.py", "pyproject.toml", "constraints.txt", hftrun_kernel.LIST}
    while pending:
        path = pending.pop()
        if path not in inputs and (ROOT / path).is_file():
            inputs.add(path)
            pending.extend(own_imports(path) - inputs)
    return sorted(inputs)


def compiled_as_recorded(record: dict[str, Any]) -> bool:
    """Whether the last compilation still stands: same inputs, same compiler at hand, and nothing deleted since."""
    done = record.get("compiled")
    if not isinstance(done, dict) or done["compiler"] != compiler_at_hand():
        return False
    decision = hftrun_kernel.decide(str(ROOT), pure_asked=False)
    return not decision.refusal and decision.mode == done["mode"] and digests(done["inputs"]) == done["inputs"]


def is_compiled() -> bool:
    """Whether the clone would run compiled."""
    decision = hftrun_kernel.decide(str(ROOT), pure_asked=False)
    return decision.mode == "compiled" and not decision.refusal


def compiler_at_hand() -> str:
    """The compiler that would be tried, or an empty text: a build that fell back is tried again when this changes."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc") or shutil.which("clang") or ""


def compile_modules(record: dict[str, Any]) -> None:
    """Compiles what changed, in place beside the sources."""
    inputs = digests(compile_inputs())
    say("compiling (only what changed)")
    began = time.monotonic()
    place = ["--build-lib", "build/in-place/lib", "--build-temp", "build/in-place/objects"]
    command = [str(PYTHON), "setup.py", "--quiet", "build_ext", "--inplace", *place]
    shown = re.compile(r"^(translating .*|compiled \d+ of .*)")
    run_logged(command, shown)
    decision = hftrun_kernel.decide(str(ROOT), pure_asked=False)
    record["compiled"] = {"inputs": inputs, "compiler": compiler_at_hand(), "mode": decision.mode}
    write_record(record)
    say(f"{decision.reason} ({time.monotonic() - began:.1f} s)")


def main(arguments: list[str]) -> int:
    """Runs the steps whose inputs changed."""
    record = read_record()
    identity = environment_identity()
    if record.get("python") != identity["python"] or record.get("root") != identity["root"] or not PYTHON.exists():
        if Path(sys.executable).is_relative_to(VENV):
            # This very interpreter lives in the environment to be replaced: hand over to the one that made it.
            base = getattr(sys, "_base_executable", sys.executable)
            os.execv(base, [base, "-I", str(Path(__file__)), *arguments])
        make_environment()
        record = {"python": identity["python"], "root": identity["root"]}
        write_record(record)
    with (VENV / "set_up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return steps(arguments, read_record(), identity)


def steps(arguments: list[str], record: dict[str, Any], identity: dict[str, str]) -> int:
    """Installs and compiles where needed."""
    if LOG.exists() and LOG.stat().st_size > LONGEST_LOG_BYTES:
        LOG.unlink()
    if record.get("installed") != identity:
        install_packages()
        record["installed"] = identity
        write_record(record)
    required = "compile" in arguments
    if PURE_ASKED:
        if required:
            sys.exit("set-up: HFTRUN_PURE=1 forbids compiling: unset it")
        return 0
    if not compiled_as_recorded(record) or (required and not is_compiled()):
        compile_modules(record)
    if required and not is_compiled():
        sys.exit(f"set-up: nothing is compiled; the whole output is in .venv/{LOG.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
