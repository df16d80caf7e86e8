"""The command as a user starts it: a process of its own, waited for by what it prints, never by the clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.data import ROOT

LIMIT_SECONDS = 30
CALL = "import sys; from desk.entry import main; sys.exit(main())"

# A process that signals itself, from a thread that knows nothing of the rest.
SIGNALLER = (
    "import os, signal, threading, time; "
    "threading.Thread(target=lambda: (time.sleep({seconds}), os.kill(os.getpid(), signal.{name})), daemon=True)"
    ".start(); "
)


def signal_after(seconds: float, name: str) -> str:
    """What a process runs before everything else, to be sent a signal so many seconds later."""
    return SIGNALLER.format(seconds=seconds, name=name)


def kill_after(seconds: float) -> str:
    """What a process runs before everything else, to die by kill -9 so many seconds later."""
    return signal_after(seconds, "SIGKILL")


def environment() -> dict[str, str]:
    """The environment of the tests, without what would change a configuration."""
    kept = {"HFTRUN_PURE", "HFTRUN_DATA"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HFTRUN_") or name in kept}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _heed_hang_up() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Command:
    """A running `hftrun`."""

    def __init__(
        self, *arguments: str | Path, before: str = "", stdout: int | IO[bytes] = subprocess.PIPE, cwd: Path = ROOT
    ) -> None:
        words = [sys.executable, "-c", before + CALL, *map(str, arguments)]
        self.process = subprocess.Popen(
            words,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            cwd=cwd,
            # A test run under nohup hands down an ignored hang-up, and the command would rightly go on ignoring it.
            preexec_fn=_heed_hang_up,
        )

    def wait_for(self, wanted: Callable[[str], bool]) -> str:
        """Read lines of the output until one is wanted; gives it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if wanted(line):
                return line.rstrip("\n")
        raise AssertionError(f"the line never came; the command ended with {self.end()}")

    def wait_for_status(self) -> str:
        """The first status line from which on there are quotes."""
        return self.wait_for(lambda line: " quotes " in line)

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, the rest of the output, the errors."""
        output, errors = self.process.communicate(timeout=LIMIT_SECONDS)
        return self.process.returncode, output or "", errors

    def __enter__(self) -> Command:
        """Runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Whatever happened, leave no process behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def run(*arguments: str | Path, before: str = "", cwd: Path = ROOT) -> tuple[int, str, str]:
    """Run it to its end: exit code, output, errors."""
    with Command(*arguments, before=before, cwd=cwd) as command:
        return command.end()
