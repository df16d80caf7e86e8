"""Files that are edited while the command runs, or between two runs: what takes effect, and what is refused."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from desk.exits import EXIT_OK, EXIT_USAGE
from runtime.lane_parts import CHANGED, saved_state
from runtime.replay import replay_state
from runtime.resume import TOLD_NAME
from tests.desk.main_job import CONFIG
from tests.desk.processes import Command, run

# It ends by itself where what is waited for never comes.
STATUS = ("--status-every", "250ms", "--duration", "20s")
SPREAD = "actors.market_maker.params.half_spread_bps"


def write(path: Path, *changes: tuple[str, str]) -> Path:
    """The small main job with other words in it."""
    text = CONFIG.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
    return path


def hung_up(command: Command, *wanted: str) -> None:
    """Send SIGHUP and read on until the log has said all of these."""
    command.process.send_signal(signal.SIGHUP)
    said: list[str] = []
    assert command.process.stderr is not None
    for line in command.process.stderr:
        said.append(line)
        if all(any(re.search(one, line) for line in said) for one in wanted):
            return
    raise AssertionError("".join(said))


def test_a_hang_up_reads_the_file_again(tmp_path: Path) -> None:
    """What may change is one input each, the rest is refused with key, both values, why and remedy; a replay agrees."""
    path, state, summary = write(tmp_path / "mm.toml"), tmp_path / "state", tmp_path / "summary.json"
    with Command(path, *STATUS, "--state", state, "--summary", summary) as command:
        command.wait_for_status()
        hung_up(command, "0 settings changed, 0 refused")
        write(path, ("half_spread_bps = 0.4", "half_spread_bps = 3.5"), ("seed = 42", "seed = 43"),
              ('maximum_daily_loss = "1000"', 'maximum_daily_loss = "2000"'))  # fmt: skip
        hung_up(
            command,
            rf"{SPREAD} = 3\.5 instead of 0\.4",
            r"mm\.toml:\d+: runtime\.seed: 43 instead of 42, which stays in force: it takes effect at the next start",
            "1 setting changed, 2 refused",
            r"maximum_daily_loss is not changed: 2000 is looser than the 1000 in force: start with --limit",
        )
        command.wait_for_status()
        command.process.send_signal(signal.SIGTERM)
        code, _, errors = command.end()
    assert code == EXIT_OK, errors
    facts = json.loads(summary.read_text(encoding="utf-8"))["actors"]["market_maker"]
    assert facts
    [lane] = replay_state(state)
    assert lane.agrees
    assert saved_state(lane.core.slots[-1])[CHANGED] == [["half_spread_bps", "3.5"]]
    assert json.loads((state / TOLD_NAME).read_text(encoding="utf-8")) == {SPREAD: "3.5"}


@pytest.mark.parametrize(
    ("text", "why"),
    [("name = ", "TOML"), ("", "at least one actor or service"), ("nonsense = 1\n", "unknown key"), (None, "No such")],
)
def test_a_file_that_does_not_load_changes_nothing(tmp_path: Path, text: str | None, why: str) -> None:
    """Its errors are told as at the start, and the run goes on as it was; mended, it is taken."""
    path, state = write(tmp_path / "mm.toml"), tmp_path / "state"
    with Command(path, *STATUS, "--state", state) as command:
        command.wait_for_status()
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")
        hung_up(command, why, "cannot be used as it is now: nothing is changed")
        write(path, ("half_spread_bps = 0.4", "half_spread_bps = 0.9"))
        hung_up(command, "1 setting changed, 0 refused")
        command.process.send_signal(signal.SIGTERM)
        code, _, errors = command.end()
    assert code == EXIT_OK, errors
    assert "Traceback" not in errors
    assert all(lane.agrees for lane in replay_state(state))


def test_a_limit_of_the_command_line_stands_above_the_file(tmp_path: Path) -> None:
    """As long as the run goes on; the refusal names the option."""
    path = write(tmp_path / "mm.toml")
    with Command(path, *STATUS, "--limit", "maximum_daily_loss=500") as command:
        command.wait_for_status()
        write(path, ('maximum_daily_loss = "1000"', 'maximum_daily_loss = "100"'))
        hung_up(command, r'"100" instead of "1000", which stays in force: the command line says it with --limit')
        command.process.send_signal(signal.SIGTERM)
        assert command.end()[0] == EXIT_OK


def test_a_restart_neither_undoes_nor_doubles_a_change(tmp_path: Path) -> None:
    """Killed after a change, the next run has it once; one with the old file takes it back; both are on record."""
    path, state = write(tmp_path / "mm.toml"), tmp_path / "state"
    edited = ("half_spread_bps = 0.4", "half_spread_bps = 3.5")
    with Command(path, *STATUS, "--state", state) as command:
        command.wait_for_status()
        write(path, edited)
        hung_up(command, "1 setting changed, 0 refused")
        for _ in range(3):
            command.wait_for_status()
        command.process.kill()
        command.end()
    for _ in range(2):
        code, _, errors = run(path, "--duration", "300ms", "--state", state)
        assert code == EXIT_OK, errors
    [lane] = replay_state(state)
    assert lane.agrees
    assert saved_state(lane.core.slots[-1])[CHANGED] == [["half_spread_bps", "3.5"]]
    write(path)
    code, _, errors = run(path, "--duration", "300ms", "--state", state)
    assert code == EXIT_OK, errors
    assert f"{SPREAD} = 0.4 instead of 3.5" in errors
    [lane] = replay_state(state)
    assert lane.agrees
    assert saved_state(lane.core.slots[-1])[CHANGED] == [["half_spread_bps", "3.5"], ["half_spread_bps", "0.4"]]


def test_a_file_that_was_edited_between_runs(tmp_path: Path) -> None:
    """What may change is told first to the actors; what may not is refused with the keys that differ."""
    path, state = write(tmp_path / "mm.toml"), tmp_path / "state"
    assert run(path, "--duration", "300ms", "--state", state)[0] == EXIT_OK
    write(path, ("half_spread_bps = 0.4", "half_spread_bps = 3.5"), ("max_lag_ms = 250", "max_lag_ms = 300"))
    code, _, errors = run(path, "--duration", "300ms", "--state", state)
    assert code == EXIT_OK, errors
    assert f"{SPREAD} = 3.5 instead of 0.4" in errors
    assert all(lane.agrees for lane in replay_state(state))
    write(path, ("seed = 42", "seed = 43"))
    code, _, errors = run(path, "--duration", "300ms", "--state", state)
    assert code == EXIT_USAGE
    assert "was begun with another configuration" in errors
    assert "What differs: runtime.seed" in errors
