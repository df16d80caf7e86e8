"""The main job in simulated time: every unit killed again and again, every actor in a lane of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import tomli

from runtime.replay import replay_state
from tests.data import ROOT
from tests.desk.main_job import CONFIG, START_NS, run_main_job
from tests.desk.processes import run

ACTORS = (
    "venue_book", "aggregated_book", "fair_value", "order_manager", "router", "risk", "paper_venue", "portfolio",
    "market_maker",
)  # fmt: skip
CRITICAL = ("order_manager", "risk", "paper_venue", "portfolio")
LATER_NS = START_NS + 3_600_000_000_000


def units_of(summary: dict[str, object]) -> dict[str, dict[str, Any]]:
    """The supervised units of a summary."""
    return cast("dict[str, dict[str, Any]]", summary["units"])


def totals_of(summary: dict[str, object]) -> dict[str, int]:
    """The counts of a summary."""
    return cast("dict[str, int]", summary["totals"])


def ends_in_order(summary: dict[str, object]) -> bool:
    """Whether the run ended flat, complete and without a word of the ledger."""
    shutdown = cast("dict[str, object]", summary["shutdown"])
    return bool(shutdown["orderly"]) and totals_of(summary)["open_orders"] == totals_of(summary)["anomalies"] == 0


@pytest.mark.parametrize("lanes", ["one lane", "own lanes"])
@pytest.mark.parametrize("target", [*ACTORS, "feed"])
def test_every_unit_can_be_killed(tmp_path: Path, target: str, lanes: str) -> None:
    """Killed on request, a unit comes back as its policy says, the run ends in order, and the journal replays."""
    config = own_lanes(tmp_path, *(() if lanes == "one lane" else ACTORS))
    every = 4 if target in CRITICAL else 25
    summary = run_main_job(tmp_path / "state", 2.0, f"kill:{target}:every={every}", config)
    unit = units_of(summary)[target]
    assert unit["failures"] >= 1
    assert "killed by fault injection" in unit["last_error"]
    assert ends_in_order(summary), summary["shutdown"]
    halted = any(lane["halted"] for lane in cast("dict[str, dict[str, Any]]", summary["lanes"]).values())
    assert halted == (target in CRITICAL)
    if target not in CRITICAL:
        assert unit["restarts"] >= 1
        assert totals_of(summary)["orders"] > 0
    assert all(lane.agrees for lane in replay_state(tmp_path / "state"))


def test_a_halt_outlives_the_run(tmp_path: Path) -> None:
    """Trading that was halted stays halted when the state is gone on from: the kill switch latches."""
    run_main_job(tmp_path, 1.0, "kill:risk:every=5")
    summary = run_main_job(tmp_path, 1.0, start_ns=LATER_NS)
    assert totals_of(summary)["orders_this_run"] == 0
    assert cast("dict[str, dict[str, Any]]", summary["lanes"])["main"]["halted"]


def own_lanes(folder: Path, *names: str) -> Path:
    """The shipped configuration with some actors in lanes of their own; without fsync, which is not the point here."""
    lines = [f'include = ["{CONFIG}"]', "[journal]", 'durability = "never"']
    for name in names:
        lines += [f"[actors.{name}]", 'lane = "own"']
    path = folder / "own.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_list_of_actors_is_the_shipped_one() -> None:
    """What these tests kill and move is everything that is shipped, with one venue book for three."""
    names: list[str] = []
    for name in ("standard-actors.toml", "mm.toml"):
        names += tomli.loads((ROOT / "configs" / name).read_text(encoding="utf-8"))["actors"]
    assert tuple(tomli.loads(CONFIG.read_text(encoding="utf-8"))["actors"]) == ACTORS
    assert ("venue_book", *(name for name in names if not name.startswith("book_"))) == ACTORS


@pytest.mark.parametrize("name", ACTORS)
def test_every_actor_works_in_a_lane_of_its_own(tmp_path: Path, name: str) -> None:
    """It trades, ends in order, replays lane by lane, and goes on from its state."""
    config = own_lanes(tmp_path, name)
    summary = run_main_job(tmp_path / "state", 2.5, config=config)
    assert ends_in_order(summary)
    assert totals_of(summary)["fills"] > 0
    lanes = replay_state(tmp_path / "state")
    assert {lane.lane for lane in lanes} == {"main", name}
    assert all(lane.agrees for lane in lanes)
    again = run_main_job(tmp_path / "state", 0.5, config=config, start_ns=LATER_NS)
    assert ends_in_order(again)
    assert totals_of(again)["orders_this_run"] > 0


def test_all_lanes_own_with_the_command(tmp_path: Path) -> None:
    """A lane for each actor in a process: status, summary and replay tell of all of them."""
    config, state = own_lanes(tmp_path, *ACTORS), tmp_path / "state"
    code, output, errors = run(config, "--duration", "500ms", "--status-every", "100ms", "--state", state)
    assert code == 0, errors
    assert " quotes " in output
    assert all(f"lane       {name}: " in output for name in ACTORS)
    code, output, _ = run("replay", state)
    assert code == 0
    assert output.count("every decision is the recorded one") == len(ACTORS)


def test_a_wall_clock_that_was_set_back_stops_nothing(tmp_path: Path) -> None:
    """A run that resumes a state from its future goes on in that time: orders are answered, it ends flat."""
    first = run_main_job(tmp_path / "state")
    second = run_main_job(tmp_path / "state", 5.0, start_ns=START_NS - 3_600_000_000_000)
    assert totals_of(second)["orders_this_run"] > 20
    assert totals_of(second)["fills_this_run"] > 0
    assert ends_in_order(second), second["shutdown"]
    assert cast("int", first["started_ns"]) < cast("int", second["started_ns"])
