"""How the trading process keeps a dashboard: restarts after a backoff, gives up, and ends when a person left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, cast

import pytest
import trio
import trio.testing

from desk.dashboard.exits import ENDED, LEFT_BY_USER, LINK_GONE, TERMINAL_GONE
from desk.dashboard.process import BACKOFF, Keeper, can_show
from desk.link_log import LogTail
from desk.loading import load_and_plan
from runtime.clock import ManualClock
from runtime.config.model import LogConfig
from runtime.logs import configure_logs, get_logger
from runtime.session import Session
from tests.data import ROOT
from tests.desk.processes import environment


class Stream:
    """A stream that is a terminal or is not."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        """What was said."""
        return self.is_terminal

    def fileno(self) -> int:
        """There is no terminal behind it."""
        raise OSError("no descriptor")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """The main job at one venue, built and not running."""
    _, blueprint = load_and_plan(ROOT / "tests" / "desk" / "one_venue.toml")
    with Session(blueprint, ManualClock(1), get_logger("test"), tmp_path / "state") as made:
        yield made


@pytest.fixture
def tail() -> Iterator[LogTail]:
    """What was logged."""
    kept = LogTail()
    logs = configure_logs(LogConfig(), cast("TextIO", kept), lambda: 1)
    yield kept
    logs.close()


def keeper(session: Session, code: str) -> Keeper:
    """A keeper of a process that runs this instead of a dashboard."""
    return Keeper(session, Path("socket"), [sys.executable, "-c", code])


def run(kept: Keeper) -> None:
    """Keep it, with waits that pass at once."""
    trio.run(kept.keep, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_one_that_cannot_live_is_given_up(session: Session, tail: LogTail) -> None:
    """It was started so often as the backoff allows, what it said stands in the log, and the run goes on."""
    kept = keeper(session, "import sys; sys.stderr.write('no terminal like this'); sys.exit(3)")
    run(kept)
    assert kept.starts == BACKOFF.intensity + 1
    assert not session.is_ending
    assert any("no terminal like this" in line for line in tail.lines)
    assert any("lines instead" in line for line in tail.lines)


@pytest.mark.parametrize(("code", "reason"), [(LEFT_BY_USER, "left"), (TERMINAL_GONE, "terminal")])
def test_one_that_was_left_ends_the_run(session: Session, tail: LogTail, code: int, reason: str) -> None:
    """Whoever leaves wants to quit; a terminal that is gone shows nothing any more. It is asked for once only."""
    kept = keeper(session, f"import sys; sys.exit({code})")
    run(kept)
    assert kept.starts == 1
    assert session.is_ending
    assert reason in session.system.supervisor._reason
    run(keeper(session, f"import sys; sys.exit({code})"))
    assert not session.system.supervisor._hurry.is_set()


@pytest.mark.parametrize("code", [ENDED, LINK_GONE])
def test_any_other_end_is_a_death(session: Session, tail: LogTail, code: int) -> None:
    """As long as the trading process runs, a dashboard has no reason to end by itself."""
    kept = keeper(session, f"import sys; sys.exit({code})")
    run(kept)
    assert kept.starts == BACKOFF.intensity + 1


def test_one_that_does_not_heed_the_goodbye_is_killed(session: Session, tail: LogTail) -> None:
    """Cancelling waits a moment for it, and not longer."""
    kept = keeper(session, "import signal; signal.pause()")

    async def main() -> None:
        with trio.move_on_after(0.1) as scope:
            await kept.keep()
        assert scope.cancelled_caught

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.5))
    with pytest.raises(ProcessLookupError):
        os.kill(kept.process_id, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("term", "stdin", "stdout", "shown"),
    [
        ("xterm-256color", True, True, True),
        ("tmux", True, True, True),
        ("dumb", True, True, False),
        ("", True, True, False),
        ("xterm", False, True, False),
        ("xterm", True, False, False),
    ],
)
def test_it_is_shown_in_a_real_terminal_only(term: str, stdin: bool, stdout: bool, shown: bool) -> None:
    """Keys come from one side and the drawing goes to the other: both must be a terminal, and one that can draw."""
    environment = {"TERM": term} if term else {}
    assert can_show(environment, Stream(stdin), Stream(stdout)) is shown  # type: ignore[arg-type]


def test_a_command_in_the_background_leaves_the_terminal_alone() -> None:
    """Its keys are the shell's: then it prints lines."""
    code = (
        "import os, pty, sys; pid, fd = pty.fork()\n"
        "if pid: os.read(fd, 100); sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "from desk.dashboard.process import can_show\n"
        "assert can_show({'TERM': 'xterm'}); child = os.fork()\n"
        "if child: print('there', flush=True); sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "os.setpgid(0, 0); sys.exit(7 if not can_show({'TERM': 'xterm'}) else 8)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), check=False, timeout=30)
    assert done.returncode == 7
