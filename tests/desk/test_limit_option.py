"""`--limit`: the way of an operator to another limit, kept with the state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desk.exits import EXIT_OK, EXIT_USAGE
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


@pytest.mark.parametrize("limit", ["maximum_position", "maximum_position=", "=3", "nonsense=3"])
def test_what_is_no_limit_is_told_before_the_start(limit: str) -> None:
    """One line, exit code 2."""
    code, output, errors = run(CONFIG, "--duration", "1s", "--limit", limit)
    assert (code, output) == (EXIT_USAGE, "")
    assert f"--limit {limit}: write KEY=VALUE" in errors
