"""The command in a real terminal, which tmux is: what it shows, at any size, and how it leaves the terminal.

Waits are for what appears, with a deadline; between two looks a few hundredths of a second pass.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import TracebackType

from tests.data import ROOT
from tests.desk.processes import CALL, environment

LIMIT_SECONDS = 40
LOOK_SECONDS = 0.05
TMUX = shutil.which("tmux") or ""
# What the shell says once the command has ended.
AFTER = 'echo "ENDED $?"; exec cat'


class RealTerminal:
    """A tmux server of its own with one window, in which `hftrun` runs."""

    def __init__(self, folder: Path, *arguments: str | Path, size: tuple[int, int] = (80, 24), **more: str) -> None:
        self.folder = folder
        words = " ".join(shlex.quote(str(one)) for one in (sys.executable, "-c", CALL, *arguments))
        self.environment = {**environment(), "LANG": "C.UTF-8", "TMUX_TMPDIR": str(folder), **more}
        self.environment.pop("TMUX", None)
        sizes = ["-x", str(size[0]), "-y", str(size[1])]
        self.tmux("-f", os.devnull, "-u", "new-session", "-d", *sizes, "-c", str(ROOT), f"{words}; {AFTER}")

    def tmux(self, *words: str) -> str:
        """Tell tmux something; gives what it answers."""
        told = subprocess.run(
            [TMUX, "-L", "test", *words], env=self.environment, capture_output=True, text=True, timeout=LIMIT_SECONDS,
            check=True,
        )  # fmt: skip
        return told.stdout

    def shown(self) -> list[str]:
        """The lines of the screen."""
        return self.tmux("capture-pane", "-p").split("\n")[:-1]

    def wait_for(self, *words: str, absent: str = "", may_have_ended: bool = False) -> list[str]:
        """Wait until all of these are on the screen, and gives it."""
        found: list[str] = []

        def all_there() -> bool:
            nonlocal found
            found = self.shown()
            whole = "\n".join(found)
            if all(word in whole for word in words) and not (absent and absent in whole):
                return True
            assert may_have_ended or "ENDED " not in whole, f"it ended before {words} came:\n{whole}"
            return False

        self.wait_until(all_there, f"{words} on the screen", lambda: "\n".join(found))
        return found

    def wait_until(self, wanted: Callable[[], bool], words: str, told: Callable[[], str] = str) -> None:
        """Look again and again, until it is so."""
        deadline = monotonic() + LIMIT_SECONDS
        while not wanted():
            assert monotonic() < deadline, f"never came: {words}\n{told()}"
            select.select([], [], [], LOOK_SECONDS)

    def pass_seconds(self, seconds: float) -> None:
        """Let some time of a measurement pass."""
        until = monotonic() + seconds
        self.wait_until(lambda: monotonic() >= until, "the end of the measurement")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        for key in keys:
            self.tmux("send-keys", key)

    def press_until(self, key: str, *words: str) -> None:
        """Press a key that does no harm until words appear: one that has just started takes no keys yet."""

        def appear() -> bool:
            self.press(key)
            whole = "\n".join(self.shown())
            return all(word in whole for word in words)

        self.wait_until(appear, f"{words} after {key}", lambda: "\n".join(self.shown()))

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal larger or smaller."""
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def state(self) -> dict[str, str]:
        """Whether the other screen is shown, and the cursor."""
        answer = self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split()
        return {"alternate": answer[0], "cursor": answer[1]}

    def is_restored(self) -> bool:
        """Whether the terminal is as it was before: its own screen, a cursor, and keys by the line, echoed."""
        tty = self.tmux("display-message", "-p", "#{pane_tty}").strip()
        told = subprocess.run(["stty", "-a", "-F", tty], capture_output=True, text=True, check=True).stdout
        settings = {"icanon", "echo", "isig", "ixon"} <= set(re.split(r"[\s;]+", told))
        return settings and self.state() == {"alternate": "0", "cursor": "1"}

    def check_restored(self) -> list[str]:
        """Wait for the end; the terminal is as it was before."""
        lines = self.wait_for("ENDED")
        assert self.is_restored()
        return lines

    def trading(self) -> int:
        """The process that trades."""
        return children_of(int(self.tmux("display-message", "-p", "#{pane_pid}")), "desk.entry")[0]

    def dashboard(self) -> int:
        """The process that draws, once there is one."""
        found: list[int] = []

        def is_there() -> bool:
            found[:] = children_of(self.trading(), "desk.dashboard")
            return bool(found)

        self.wait_until(is_there, "a dashboard process")
        return found[0]

    def __enter__(self) -> RealTerminal:
        """Runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Whatever happened, leave no process behind."""
        try:
            pane = int(self.tmux("display-message", "-p", "#{pane_pid}"))
        except (subprocess.CalledProcessError, ValueError):
            # The test has closed the terminal itself.
            return
        for process in descendants_of(pane):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.tmux("kill-server")


def descendants_of(process: int) -> list[int]:
    """Every process below one, the lowest first."""
    return [one for child in children_of(process) for one in (*descendants_of(child), child)]


def children_of(process: int, words: str = "") -> list[int]:
    """The processes that one has started, where their command has these words."""
    try:
        listed = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:
        return []
    return [int(one) for text in listed for one in text.split() if words in command_of(int(one))]


def command_of(process: int) -> str:
    """The command line of a process; empty for one that has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def waited_seconds(process: int) -> float:
    """How long the threads of a process could have run and had no processor, because others had it."""
    waited = 0
    for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
        try:
            waited += int(path.read_text().split()[1])
        except OSError:
            # That thread has just ended.
            continue
    return waited / 1e9


def processor_seconds(process: int) -> float:
    """How long a process has kept the processor busy, in both modes."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
