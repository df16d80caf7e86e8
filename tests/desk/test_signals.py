"""Signals as people and machines send them: the end at any moment, the hurry, the kill switch."""

from __future__ import annotations

import io
import json
import random
import re
import signal
from pathlib import Path

import pytest
import trio

from desk.exits import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, EXIT_WRONG
from desk.held_signals import held_back
from desk.loading import load_and_plan
from desk.output import Output
from desk.run_command import Face, View, _run
from runtime.clock import LiveClock
from runtime.faults import parse_faults
from runtime.logs import get_logger
from runtime.replay import replay_state
from runtime.session import Session
from runtime.state import CONFIG_NAME
from tests.data import ROOT
from tests.desk.main_job import CONFIG
from tests.desk.processes import Command, run, signal_after
from tests.seeds import seeds

OPEN_ORDERS = re.compile(r"(\d+) open$", re.MULTILINE)


@pytest.mark.parametrize("seed", seeds(4, 60))
def test_sigterm_at_any_moment_leaves_nothing_working(tmp_path: Path, seed: int) -> None:
    """Before the start it ends at once; then in order, with every order cancelled and a journal that replays."""
    draw = random.Random(seed)
    moment = draw.uniform(0.05, 1.5)
    before = signal_after(moment, "SIGTERM")
    code, output, errors = run(CONFIG, "--status-every", "20ms", "--state", tmp_path, before=before)
    assert "Traceback" not in errors, errors
    # A process that had not come to its own code yet ends as any other.
    assert code in (EXIT_OK, EXIT_INTERRUPTED, -signal.SIGTERM)
    if code == EXIT_OK:
        assert "stopped in order: SIGTERM" in output
        assert OPEN_ORDERS.findall(output) == ["0"]
    if (tmp_path / CONFIG_NAME).exists():
        assert all(lane.agrees for lane in replay_state(tmp_path))
    code, _, errors = run(CONFIG, "--resume-quoting")
    assert (code, "--resume-quoting needs --state" in errors) == (EXIT_USAGE, True)


LOST = """
import signal
from desk import run_command

class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def plan(*arguments, planned=run_command.load_and_plan, **named):
    Dying()
    return planned(*arguments, **named)

run_command.load_and_plan = plan
"""


def test_a_ctrl_c_that_comes_within_a_destructor_is_heeded() -> None:
    """Python cannot pass it on from there and would go on for the whole minute."""
    code, _, errors = run(CONFIG, "--duration", "60s", before=LOST)
    assert code in (EXIT_OK, EXIT_INTERRUPTED), errors
    assert "Traceback" not in errors


def slow_venue(folder: Path) -> Path:
    """A venue whose answers take longer than anybody waits."""
    path = folder / "slow.toml"
    lines = [f'include = ["{CONFIG}"]', "[runtime]", "shutdown_deadline_ms = 60000", "[actors.order_manager.params]"]
    lines += ["answer_ms = 600000", "[actors.paper_venue.params]", "latency_us = 60000000"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_second_ctrl_c_hurries_past_a_venue_that_does_not_answer(tmp_path: Path) -> None:
    """The first waits for confirmations, the second ends it; what was not confirmed is told, and nothing is corrupt."""
    state = tmp_path / "state"
    with Command(slow_venue(tmp_path), "--status-every", "20ms", "--state", state) as command:
        command.wait_for(lambda line: "orders " in line and " orders 0 " not in line)
        command.process.send_signal(signal.SIGINT)
        command.wait_for(lambda line: " orders " in line)
        command.process.send_signal(signal.SIGINT)
        code, output, errors = command.end()
    assert code == EXIT_WRONG, errors
    assert "NOT FLAT" in output
    assert "were not confirmed as cancelled in time" in output
    assert all(lane.agrees for lane in replay_state(state))


def test_sigusr1_is_the_kill_switch(tmp_path: Path) -> None:
    """One signal: everything is cancelled, nothing is sent, the run goes on halted, and the next one begins halted."""
    state, path = tmp_path / "state", tmp_path / "summary.json"
    with Command(CONFIG, "--status-every", "20ms", "--state", state, "--summary", path) as command:
        command.wait_for_status()
        command.process.send_signal(signal.SIGUSR1)
        halted = command.wait_for(lambda line: "HALTED: kill switch, by " in line and " no quotes" in line)
        orders = re.search(r"orders (\d+)", halted)
        later = command.wait_for(lambda line: "HALTED" in line)
        assert orders is not None
        assert orders[0] in later
        command.process.send_signal(signal.SIGTERM)
        code, output, errors = command.end()
    assert code == EXIT_WRONG, errors
    assert "stopped in order, with trading HALTED: SIGTERM" in output
    assert "SIGUSR1, the kill switch" in errors
    assert OPEN_ORDERS.findall(output) == ["0"]
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert any("kill switch, by " in reason for reason in summary["halts"])
    assert (summary["shutdown"]["orderly"], summary["shutdown"]["halted"]) == (True, True)
    code, output, _ = run(CONFIG, "--duration", "500ms", "--state", state)
    assert code == EXIT_WRONG
    assert "trading is HALTED since an earlier run: kill switch, by " in output
    assert "0 sent" in output
    assert all(lane.agrees for lane in replay_state(state))


def test_a_signal_before_anybody_heeds_signals_ends_the_run(tmp_path: Path) -> None:
    """It is kept, and heeded as the first thing: a Ctrl-C in the first moment of a run is not lost in its tasks."""
    with held_back() as came:
        signal.raise_signal(signal.SIGINT)
    assert came == [signal.SIGINT]
    _, blueprint = load_and_plan(ROOT / "tests" / "desk" / "one_venue.toml")
    with Session(blueprint, LiveClock(), get_logger("hftrun"), tmp_path / "state", parse_faults("")) as session:
        view = View(session, 0, Face(), Output(io.StringIO()))
        report = trio.run(_run, view, None, came)
    assert report.orderly
    assert report.reason == "SIGINT"


def test_sigusr2_pauses_and_the_pause_outlives_the_run_until_a_person_ends_it(tmp_path: Path) -> None:
    """The next run says that it is paused and quotes nothing; one signal resumes it, or `--resume-quoting` does."""
    words = (CONFIG, "--status-every", "20ms", "--state", tmp_path)
    with Command(*words) as command:
        command.wait_for_status()
        command.process.send_signal(signal.SIGUSR2)
        command.wait_for(lambda line: "| QUOTING PAUSED |" in line and " no quotes" in line)
        command.process.send_signal(signal.SIGTERM)
        code, _, errors = command.end()
    assert code == EXIT_OK, errors
    assert "SIGUSR2: quoting is paused; once more to resume" in errors
    code, output, _ = run(*words, "--duration", "500ms")
    assert "quoting is PAUSED since an earlier run, as an operator asked (--resume-quoting, SIGUSR2, or p" in output
    assert "| QUOTING PAUSED |" in output
    assert (code, "0 sent" in output) == (EXIT_OK, True)
    with Command(*words) as command:
        command.wait_for(lambda line: "| QUOTING PAUSED |" in line and "LIVE" in line)
        command.process.send_signal(signal.SIGUSR2)
        assert "PAUSED" not in command.wait_for_status()
        command.process.send_signal(signal.SIGUSR2)
        command.wait_for(lambda line: "| QUOTING PAUSED |" in line)
    code, output, _ = run(*words, "--duration", "500ms", "--resume-quoting")
    assert "quoting is PAUSED since an earlier run, as an operator asked (resumed now)" in output
    assert "| QUOTING PAUSED" not in output
    assert (code, " 0 sent" in output) == (EXIT_OK, False)
    assert all(lane.agrees for lane in replay_state(tmp_path))
    code, _, errors = run(CONFIG, "--resume-quoting")
    assert (code, "--resume-quoting needs --state" in errors) == (EXIT_USAGE, True)
