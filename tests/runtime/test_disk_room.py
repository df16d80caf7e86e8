"""A disk that is nearly full: the run ends in order before its journal cannot be written, or does not begin."""

from __future__ import annotations

from pathlib import Path

import pytest

import runtime.session
from runtime.disk_room import LEAST_BYTES, SCARCE_BYTES, free_bytes
from runtime.replay import replay_state
from runtime.state import StateDirectory, StateUnusable
from tests.desk.main_job import run_main_job


def test_what_is_left_is_asked_of_the_disk(tmp_path: Path) -> None:
    """It is what the system says of the disk of that directory."""
    assert free_bytes(tmp_path) > 0


def test_a_run_ends_in_order_while_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are cancelled and confirmed, the journal is closed and replays, and the reason is told."""
    left = [SCARCE_BYTES + 1] * 3 + [SCARCE_BYTES - 1] * 3
    monkeypatch.setattr(runtime.session, "free_bytes", lambda _: left.pop(0) if left else LEAST_BYTES - 1)
    summary = run_main_job(tmp_path / "state", 60)
    shutdown = summary["shutdown"]
    assert isinstance(shutdown, dict)
    assert (shutdown["reason"], shutdown["orderly"], shutdown["flat"]) == ("the disk is nearly full", True, True)
    [lane] = replay_state(tmp_path / "state")
    assert lane.agrees
    assert lane.core.ledger.open_order_count() == 0


def test_a_run_does_not_begin_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal says how much there is, how much is wanted, and the directory is free again."""
    monkeypatch.setattr(runtime.session, "free_bytes", lambda _: LEAST_BYTES - 1)
    with pytest.raises(StateUnusable, match=r"has 8\.0 MiB left, and a run needs 8 MiB: free some"):
        run_main_job(tmp_path / "state", 1)
    StateDirectory(tmp_path / "state").release()
