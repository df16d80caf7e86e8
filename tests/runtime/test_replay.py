"""Offline replay of a state: it repeats every decision, finds the first that differs, and leaves all as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

import runtime.replay
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.errors import ConfigErrors
from runtime.lane_core import LaneCore
from runtime.replay import replay_state
from runtime.state import StateUnusable
from tests.desk.main_job import journals, run_main_job


def lane_of(summary: dict[str, object], name: str = "main") -> dict[str, Any]:
    """What a summary says of one lane."""
    return cast("dict[str, dict[str, Any]]", summary["lanes"])[name]


def contents(state: Path) -> dict[str, bytes]:
    """Every file of a state."""
    return {str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()}


def test_a_recorded_run_is_repeated(tmp_path: Path) -> None:
    """The replay takes every input and comes to the digest, the orders and the positions of the run."""
    summary = run_main_job(tmp_path)
    (lane,) = replay_state(tmp_path)
    assert lane.agrees
    assert (lane.divergence, lane.damage, lane.torn) == ("", "", None)
    # The record that closes the journal is one more.
    assert lane.records == lane_of(summary)["inputs"] + 1
    assert lane.decisions == lane_of(summary)["decisions"] > 100
    assert f"{lane.digest:016x}" == lane_of(summary)["digest"]


def test_several_runs_with_failures_are_repeated(tmp_path: Path) -> None:
    """Failures, restarts, a halt and a resumption are inputs: the whole life of a state is repeated."""
    run_main_job(tmp_path, 1.0, "kill:fair_value:every=20")
    run_main_job(tmp_path, 1.0, "kill:market_maker:every=30", start_ns=1_700_000_100_000_000_000)
    summary = run_main_job(tmp_path, 1.0, "kill:risk:every=15", start_ns=1_700_000_200_000_000_000)
    assert lane_of(summary)["halted"]
    (lane,) = replay_state(tmp_path)
    assert lane.agrees
    assert f"{lane.digest:016x}" == lane_of(summary)["digest"]
    assert lane.core.ledger.halted


def test_rebuilds_do_not_multiply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A critical actor that failed again and again costs one replay a failure, not one for each pair of them."""
    summary = run_main_job(tmp_path, 2.0, "kill:portfolio:every=4")
    failures = cast("dict[str, dict[str, Any]]", summary["units"])["portfolio"]["failures"]
    built: list[str] = []

    def count(blueprint: Blueprint, lane: str) -> LaneCore:
        built.append(lane)
        return build_core(blueprint, lane)

    monkeypatch.setattr(runtime.replay, "build_core", count)
    (lane,) = replay_state(tmp_path)
    assert lane.agrees
    assert failures > 5
    assert len(built) <= failures + 1


def test_replay_changes_nothing(tmp_path: Path) -> None:
    """Not a byte, not a file, not a folder; also with a torn tail and without the folder of a lane."""
    run_main_job(tmp_path, 0.5)
    last = journals(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-5])
    before = contents(tmp_path)
    assert [lane.agrees for lane in replay_state(tmp_path)] == [True]
    assert contents(tmp_path) == before
    for path in tmp_path.glob("lanes/main/*"):
        path.unlink()
    (tmp_path / "lanes" / "main").rmdir()
    (lane,) = replay_state(tmp_path)
    assert (lane.records, lane.agrees) == (0, True)
    assert not (tmp_path / "lanes" / "main").exists()


def test_a_torn_tail_is_told_and_the_rest_repeated(tmp_path: Path) -> None:
    """The last record was cut in its middle: everything before it is replayed, and the tail is named."""
    summary = run_main_job(tmp_path, 0.5)
    last = journals(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-5])
    (lane,) = replay_state(tmp_path)
    assert lane.agrees
    assert lane.records == lane_of(summary)["inputs"]
    assert lane.torn is not None
    assert last.name in str(lane.torn)


def test_damage_is_told_with_its_place(tmp_path: Path) -> None:
    """A flipped bit in the middle stops the replay there; segment and byte are named, and it does not agree."""
    run_main_job(tmp_path, 0.5)
    first = journals(tmp_path)[0]
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 16
    first.write_bytes(data)
    (lane,) = replay_state(tmp_path)
    assert not lane.agrees
    assert f"journal damaged in {first} at byte " in lane.damage


def test_other_settings_diverge_at_a_named_input(tmp_path: Path) -> None:
    """With another width of its quotes the market maker decides otherwise, and the replay says from where on."""
    run_main_job(tmp_path, 0.5)
    path = tmp_path / "config.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["config"]["actors"]["market_maker"]["params"]["half_spread_bps"] = 0.9
    path.write_text(json.dumps(document), encoding="utf-8")
    (lane,) = replay_state(tmp_path)
    assert not lane.agrees
    assert lane.divergence.startswith("lane main does not decide what its journal says it decided: the decisions after")


def test_what_cannot_be_planned_is_told(tmp_path: Path) -> None:
    """A state whose configuration no longer fits the code is refused with the errors of a configuration."""
    run_main_job(tmp_path, 0.1)
    path = tmp_path / "config.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("strategies.market_maker:MarketMaker", "strategies.gone:Maker"), encoding="utf-8")
    with pytest.raises(ConfigErrors, match=r"strategies\.gone"):
        replay_state(tmp_path)
    path.unlink()
    with pytest.raises(StateUnusable, match="no state directory"):
        replay_state(tmp_path)
