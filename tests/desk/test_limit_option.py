"""`--limit`: the way of an operator to another limit, kept with the state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desk.exits import EXIT_OK, EXIT_USAGE, EXIT_WRONG
from runtime.replay import replay_state
from tests.desk.main_job import CONFIG
from tests.desk.processes import run


def risk_after(folder: Path, *words: str) -> dict[str, Any]:
    """What risk tells after a short run on a state."""
    path = folder / "summary.json"
    code, _, errors = run(CONFIG, "--duration", "600ms", "--state", folder / "state", "--summary", path, *words)
    assert code == EXIT_OK, errors
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["actors"]["risk"]
    return told


def test_a_limit_is_changed_by_an_operator_and_stays_so(tmp_path: Path) -> None:
    """A tighter one holds at once and in the next run; loosened again, orders pass; the journal replays."""
    tight = risk_after(tmp_path, "--limit", "maximum_order_notional=6")
    assert tight["passed"] == 0
    assert "maximum_order_notional" in tight["last_refusal"]
    again = risk_after(tmp_path)
    assert again["passed"] == 0
    assert again["refused"] > tight["refused"]
    loose = risk_after(tmp_path, "--limit", "maximum_order_notional=5000")
    assert loose["passed"] > 0
    assert all(lane.agrees for lane in replay_state(tmp_path / "state"))


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("maximum_position", "write KEY=VALUE with a limit"),
        ("maximum_position=", "write KEY=VALUE with a limit"),
        ("=3", "write KEY=VALUE with a limit"),
        ("nonsense=3", "there is no limit nonsense: there are collar_bps, "),
        ("warn_percent=5", "there is no limit warn_percent: there are "),
        ("maximum_position=abc", "maximum_position: "),
        ("maximum_position=0,1", "maximum_position: "),
        ("maximum_position=-1", "give it a value above 0"),
        ("collar_bps=99999", "give it a value of at most 10000"),
        ("maximum_position:ETH/USDT=1", "it binds binance BTC/USDT"),
    ],
)
def test_what_is_no_limit_is_told_before_the_start(limit: str, why: str) -> None:
    """One line with what is wrong and the limits that there are, exit code 2."""
    code, output, errors = run(CONFIG, "--duration", "1s", "--limit", limit)
    assert (code, output) == (EXIT_USAGE, "")
    assert f"--limit {limit}: " in errors
    assert why in errors


def test_a_limit_of_one_symbol_is_told_when_it_holds() -> None:
    """The scope may be named; the log says that it was changed, and by whom."""
    code, _, errors = run(CONFIG, "--duration", "500ms", "--limit", "maximum_position:BTC/USDT=0.02")
    assert code == EXIT_OK, errors
    assert "limit maximum_position:binance BTC/USDT changed, by " in errors


def test_what_actors_have_to_say_is_logged(tmp_path: Path) -> None:
    """A halt by risk is in the log and among the halts of the summary, and so is the limit that was near."""
    path = tmp_path / "summary.json"
    words = ("--duration", "2s", "--summary", path, "--limit", "minimum_portfolio_value=99999999")
    code, _, errors = run(CONFIG, *words)
    assert code == EXIT_WRONG, errors
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert summary["lanes"]["main"]["halted"]
    assert len(summary["halts"]) == 1
    assert "trading halted: " in errors
    assert summary["lanes"]["main"]["halt_reason"] in summary["halts"][0]
