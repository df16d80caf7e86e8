"""Starts the dashboard as a process of its own, keeps it there, and gives the terminal back whatever happens to it.

The trading process calls `run_dashboard` and never draws a line itself. A dashboard that dies is started again after
a backoff; when it cannot be kept alive this gives up and returns, and whoever called says so in lines instead. Cancel
it at the end of the run: the dashboard hears goodbye, restores the terminal and ends, or is killed after a moment.

    if can_show():                                   # a real terminal on both sides, and not TERM=dumb
        tail = LogTail(...)                          # where the log goes meanwhile: give it to configure_logs
        nursery.start_soon(run_dashboard, session, operator, tail, banner)
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import termios
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import attrs
import trio

from desk.dashboard.escapes import LEAVE_SCREEN
from desk.dashboard.exits import GAVE_BACK, LEFT_BY_USER, TERMINAL_GONE
from desk.link import DeskLink, no_files, private_socket
from desk.link_log import LogTail
from runtime.backoff import BackoffOptions, RestartTracker
from runtime.logs import get_logger

if TYPE_CHECKING:
    from runtime.session import Session

NANOSECONDS = 1_000_000_000
# Five deaths within a minute: it is not going to work.
BACKOFF = BackoffOptions(
    initial_ns=NANOSECONDS // 4, factor=2.0, maximum_ns=10 * NANOSECONDS, healthy_ns=10 * NANOSECONDS, intensity=5,
    window_ns=60 * NANOSECONDS,
)  # fmt: skip
GOODBYE_SECONDS = 1.5
RESTORE_SECONDS = 0.5
KEPT_ERROR_BYTES = 4096
# Why the run ends when a dashboard ends so.
REASONS = {LEFT_BY_USER: "the dashboard was left", TERMINAL_GONE: "the terminal is gone"}


def can_show(
    environment: Mapping[str, str] | None = None, stdin: TextIO | None = None, stdout: TextIO | None = None
) -> bool:
    """Whether there is a terminal that a screen can be drawn on and keys come from."""
    term = (os.environ if environment is None else environment).get("TERM", "")
    if term in ("", "dumb", "unknown"):
        return False
    keyboard = stdin or sys.stdin
    return keyboard.isatty() and (stdout or sys.stdout).isatty() and _is_in_foreground(keyboard)


def _is_in_foreground(keyboard: TextIO) -> bool:
    """Whether the keys are for us: a command that the shell runs in the background must not take the terminal."""
    try:
        return os.tcgetpgrp(keyboard.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True


async def run_dashboard(
    session: Session, operator: str, tail: LogTail, banner: str = "", reload: Callable[[], None] = no_files
) -> None:
    """Serve the state and keep a dashboard in this terminal until cancelled; returns only when it gives up."""
    log = get_logger("desk.dashboard")
    try:
        with private_socket() as path:
            async with trio.open_nursery() as nursery:
                await nursery.start(DeskLink(session, path, operator, tail, banner, reload).run)
                await Keeper(session, path).keep()
                nursery.cancel_scope.cancel()
    except* OSError as errors:
        log.error("the dashboard cannot be reached: lines instead", error=str(errors.exceptions[0]))


@attrs.define
class Keeper:
    """Keeps one dashboard process running in this terminal."""

    session: Session
    path: Path
    command: list[str] = attrs.field(factory=lambda: [sys.executable, "-P", "-m", "desk.dashboard"])
    starts: int = 0
    process_id: int = 0

    async def keep(self) -> None:
        """Start it, and again after each death, until that is no use."""
        log = get_logger("desk.dashboard")
        tracker = RestartTracker(BACKOFF, random.Random(os.getpid()))
        terminal = Terminal.now()
        while True:
            tracker.started(trio_ns())
            code, said = await self._once(terminal)
            if code in REASONS:
                # Asked for once more, the end of the run would hurry: the signal of a closed terminal came before us.
                if not self.session.is_ending:
                    self.session.request_shutdown(REASONS[code])
                return
            delay_ns = tracker.failed(trio_ns())
            log.error("the dashboard died", code=code, said=said, starts=self.starts)
            if delay_ns is None:
                log.error("the dashboard dies again and again: lines instead")
                return
            await trio.sleep(delay_ns / NANOSECONDS)

    async def _once(self, terminal: Terminal) -> tuple[int, str]:
        """One dashboard from start to end: its exit code, and what it said last on its error stream."""
        said: deque[bytes] = deque(maxlen=2)
        process = await trio.lowlevel.open_process(
            [*self.command, str(self.path)], stdin=None, stdout=None, stderr=subprocess.PIPE, env=_environment()
        )
        self.starts += 1
        self.process_id = process.pid
        code: int | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_hear, process, said)
                code = await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                if code is None:
                    code = await _end(process)
                if code not in GAVE_BACK:
                    await terminal.restore()
        return code, b"".join(said)[-KEPT_ERROR_BYTES:].decode("utf-8", "replace").strip()


async def _hear(process: trio.Process, said: deque[bytes]) -> None:
    """Take what it says on its error stream: a traceback must neither tear the screen nor fill a pipe."""
    assert process.stderr is not None
    while data := await process.stderr.receive_some(KEPT_ERROR_BYTES):
        said.append(bytes(data))


async def _end(process: trio.Process) -> int:
    """Let it end by itself, for it has heard goodbye; kill one that does not."""
    with trio.move_on_after(GOODBYE_SECONDS):
        return await process.wait()
    process.kill()
    return await process.wait()


def _environment() -> dict[str, str]:
    """It finds the modules that this process runs, and no folder of the same name where the user stands."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}


def trio_ns() -> int:
    """The time by the clock of this run of trio."""
    return round(trio.current_time() * NANOSECONDS)


@attrs.frozen
class Terminal:
    """How the terminal was before anything was drawn on it."""

    settings: list[Any] | None
    descriptor: int

    @classmethod
    def now(cls) -> Terminal:
        """As it is now."""
        try:
            descriptor = sys.stdin.fileno()
            return cls(termios.tcgetattr(descriptor), descriptor)
        except (OSError, ValueError, termios.error):
            return cls(None, -1)

    async def restore(self) -> None:
        """Give it back after a dashboard that could not; a terminal that takes nothing is not waited for."""
        with trio.move_on_after(RESTORE_SECONDS):
            await trio.to_thread.run_sync(self._restore, abandon_on_cancel=True)

    def _restore(self) -> None:
        if self.settings is None:
            return
        try:
            termios.tcsetattr(self.descriptor, termios.TCSANOW, self.settings)
            os.write(sys.stdout.fileno(), LEAVE_SCREEN)
        except (OSError, ValueError, termios.error):
            return
