"""The summary of a run: that every metric is in it under its full name, and that what was lost is told to people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from desk.summary import metrics_of, summary_lines
from runtime.metrics import MetricRegistry
from tests.desk.main_job import CONFIG, run_main_job


def test_metrics_are_told_by_their_full_names() -> None:
    """Counters and gauges are numbers, histograms have their percentiles; labels are part of the name."""
    registry = MetricRegistry()
    registry.counter("frames_total", "Frames.").add(3)
    registry.gauge("depth", "Depth.", {"channel": "feed"}, lambda: 7)
    registry.histogram("idle_ns", "Nothing was recorded.")
    registry.histogram("work_ns", "Work.").current.record(100)
    told = metrics_of(registry.snapshot())
    assert told["counters"] == {"frames_total": 3}
    assert told["gauges"] == {'depth{channel="feed"}': 7}
    assert told["histograms"]["idle_ns"] == {"count": 0}
    work = told["histograms"]["work_ns"]
    assert work["count"] == 1
    assert work["min"] == work["p50"] == work["p99"] == work["max"] == work["sum"] == 100


def test_a_run_tells_its_metrics_and_what_was_not_delivered(tmp_path: Path) -> None:
    """The numbers of the metrics are those of the rest of the summary; people hear of lost messages, and only then."""
    summary = cast("dict[str, Any]", run_main_job(tmp_path / "state", seconds=0.5))
    assert json.loads(json.dumps(summary["metrics"])) == summary["metrics"]
    gauges = summary["metrics"]["gauges"]
    assert gauges['lane_inputs{lane="main"}'] == summary["lanes"]["main"]["inputs"] > 0
    assert gauges['lane_undelivered{lane="main"}'] == summary["lanes"]["main"]["undelivered"] == 0
    assert not any("LOST" in line for line in summary_lines(summary))
    summary["lanes"]["main"]["undelivered"] = 2
    assert "  LOST       main: 2 messages for a receiver that is gone" in summary_lines(summary)


def test_a_run_that_ended_halted_says_so_and_in_which_lane(tmp_path: Path) -> None:
    """However orderly its end was, the first line tells it; where there are several lanes each halt names its own."""
    lines = [f'include = ["{CONFIG}"]', "[journal]", 'durability = "never"', "[actors.market_maker]", 'lane = "own"']
    lines += ["[actors.risk.params]", 'minimum_portfolio_value = "99999999"']
    path = tmp_path / "poor.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary = cast("dict[str, Any]", run_main_job(tmp_path / "state", seconds=0.5, config=path))
    shutdown = summary["shutdown"]
    assert (shutdown["orderly"], shutdown["halted"]) == (True, True)
    assert "stopped in order, with trading HALTED: the duration is over" in summary_lines(summary)[1]
    assert summary["halts"]
    assert all(reason.startswith("risk, lane main: ") for reason in summary["halts"])
