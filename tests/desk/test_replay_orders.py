"""`hftrun replay DIR --orders`: each order of a run that is over, with the reason that its strategy had for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from desk.cli import main
from desk.exits import EXIT_OK
from tests.desk.main_job import CONFIG, run_main_job

NEW = re.compile(
    r"\d\d:\d\d:\d\d\.\d{6} input \d+ new \d+ market_maker binance BTC/USDT (buy|sell) [\d.]+ at ([\d.]+): "
    r"fair ([\d.]+); half ([\d.]+) bps = .*; skew (-?[\d.]+) bps; held -?[\d.]+"
)
# Fair value and price are told to the cent, what lies between in hundredths of a basis point.
CLOSE = 0.7

Captured = pytest.CaptureFixture[str]


def configuration(folder: Path, *lines: str) -> Path:
    """The small main job with more."""
    path = folder / "more.toml"
    path.write_text("\n".join([f'include = ["{CONFIG}"]', *lines]) + "\n", encoding="utf-8")
    return path


def rows_of(capsys: Captured, state: Path) -> dict[str, list[dict[str, Any]]]:
    """What the command tells as data, by lane."""
    capsys.readouterr()
    assert main(["replay", str(state), "--orders", "--json"]) == EXIT_OK
    return {lane["lane"]: lane["orders"] for lane in json.loads(capsys.readouterr().out)["lanes"]}


def test_each_quote_of_a_run_is_told_with_why_it_was_there(tmp_path: Path, capsys: Captured) -> None:
    """From the journal alone: the price of every order follows from the fair value, spread and skew of its reason."""
    run_main_job(tmp_path, 2.0)
    assert main(["replay", str(tmp_path), "--orders"]) == EXIT_OK
    output = capsys.readouterr().out
    lines = output.splitlines()
    new = [line for line in lines if " new " in line]
    assert len(new) > 20
    for line in new:
        found = NEW.match(line)
        assert found is not None, line
        side, (price, fair, half, skew) = found[1], map(float, found.groups()[1:])
        away = -half if side == "buy" else half
        if "held back" not in line:
            assert abs(price - fair * (1 + (skew + away) / 10_000)) < CLOSE, line
    assert any(" cancel " in line and ": fair " in line for line in lines)
    assert " cancel all: the duration is over" in output
    assert lines[-1] == "  every decision is the recorded one"


def test_a_strategy_in_a_lane_of_its_own_is_told_as_well(tmp_path: Path, capsys: Captured) -> None:
    """Then what it wants is in the journal of the lane that sends the orders; as data every row has the same keys."""
    config = configuration(tmp_path, "[journal]", 'durability = "never"', "[actors.market_maker]", 'lane = "own"')
    run_main_job(tmp_path / "state", 1.0, config=config)
    rows = rows_of(capsys, tmp_path / "state")
    assert rows["market_maker"] == []
    new = [row for row in rows["main"] if row["what"] == "new"]
    assert len(new) > 5
    assert all(row["reason"].startswith("fair ") for row in new)
    assert set(new[0]) == {
        "input", "time_ns", "what", "order_id", "strategy", "venue", "symbol", "side", "size", "price", "reason",
    }  # fmt: skip


def test_an_order_that_was_refused_says_why(tmp_path: Path, capsys: Captured) -> None:
    """The limit that risk named stands below the order that it refused."""
    config = configuration(tmp_path, "[actors.risk.params]", 'maximum_order_notional = "6"')
    run_main_job(tmp_path / "state", 0.5, config=config)
    rows = rows_of(capsys, tmp_path / "state")["main"]
    refused = [row for row in rows if row["what"] == "refused"]
    asked = {row["order_id"] for row in rows if row["what"] == "new"}
    assert refused
    assert all("maximum_order_notional" in row["reason"] and row["order_id"] in asked for row in refused)


def test_a_position_that_a_strategy_wants_is_told_with_its_reason_and_the_way_it_was_routed(
    tmp_path: Path, capsys: Captured
) -> None:
    """What the router sends carries the reason of the target, and which venues its parent was split over."""
    params = ('size = "0.01"', "fast = 2", "slow = 4", "bar_ms = 50", "band_bps = 0.01", "retry_s = 1")
    config = configuration(
        tmp_path, "[actors.crossover]", 'class = "strategies.crossover:Crossover"', "[actors.crossover.params]", *params
    )
    run_main_job(tmp_path / "state", 1.5, config=config)
    rows = rows_of(capsys, tmp_path / "state")["main"]
    new = [row for row in rows if row["what"] == "new" and row["strategy"] == "crossover"]
    assert new
    assert all(row["reason"].startswith("ema of 2 bars ") and "; routed: " in row["reason"] for row in new)
