"""What a file that was read again may change: settings by settings, with what is not taken named."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from market.messages import ConfigChanged, Message
from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.clock import ManualClock
from runtime.config.load import load_config
from runtime.logs import Logger
from runtime.reload import AT_START, LEFT_OUT, compare, settings_of
from runtime.session import Session
from runtime.trial import plan_checked
from runtime.watchdog import Watchdog
from tests.data import ROOT
from tests.desk.main_job import START_NS
from tests.simulation.world import Silence

CONFIG = ROOT / "tests" / "desk" / "one_venue.toml"


def plan_with(folder: Path, *changes: tuple[str, str], more: str = "") -> Blueprint:
    """The plan of the small main job with other words in it."""
    text = CONFIG.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = folder / "edited.toml"
    path.write_text(text + more, encoding="utf-8")
    return plan_checked(load_config(path, {}, params_of))


def test_what_may_change_and_what_may_not(tmp_path: Path) -> None:
    """Settings that are declared so change, by what the class has for them; everything else is refused by its key."""
    old = settings_of(plan_with(tmp_path))
    new = settings_of(
        plan_with(
            tmp_path,
            ("max_lag_ms = 250", "max_lag_ms = 300"),
            ("seed = 42", "seed = 43"),
            ("half_spread_bps = 0.4", "half_spread_bps = 0.6"),
            ("warn_percent = 80", "warn_percent = 70"),
            ("\nlatency_us = 5000", "\nlatency_us = 6000"),
        )
    )
    changes, refused = compare(old, new)
    assert [(one.key, one.before, one.after) for one in changes] == [
        ("runtime.max_lag_ms", "250", "300"),
        ("actors.market_maker.params.half_spread_bps", "0.4", "0.6"),
    ]
    assert [str(one).partition(":")[0] for one in refused] == [
        "runtime.seed", "actors.risk.params.warn_percent", "actors.paper_venue.params.latency_us",
    ]  # fmt: skip
    assert all(one.why == AT_START for one in refused)
    assert "43 instead of 42, which stays in force" in str(refused[0])
    assert compare(old, old) == ([], [])


def test_a_default_that_is_written_is_no_change(tmp_path: Path) -> None:
    """What counts is the value in force; one that is taken out falls back to the default."""
    old = settings_of(plan_with(tmp_path))
    without = settings_of(plan_with(tmp_path, ("max_lag_ms = 250", "")))
    assert compare(old, without) == ([], [])


def test_a_limit_that_is_taken_out_stays(tmp_path: Path) -> None:
    """A limit that can be left out cannot be switched off by leaving it out while the run goes on."""
    old = settings_of(plan_with(tmp_path))
    changes, refused = compare(old, settings_of(plan_with(tmp_path, ('maximum_drawdown = "1000"', ""))))
    assert changes == []
    assert [one.why for one in refused] == [LEFT_OUT]
    changes, refused = compare(settings_of(plan_with(tmp_path, ('maximum_drawdown = "1000"', ""))), old)
    assert [(one.path[-1], one.after) for one in changes] == [("maximum_drawdown", '"1000"')]
    assert refused == []


def test_tables_that_come_and_go_are_named_whole(tmp_path: Path) -> None:
    """A new actor or channel is one difference, not one for each of its keys."""
    old = settings_of(plan_with(tmp_path))
    new = settings_of(plan_with(tmp_path, more='\n[channels."main.inbox"]\ncapacity = 512\n'))
    changes, refused = compare(old, new)
    assert changes == []
    assert [str(one).partition(":")[0] for one in refused] == ['channels."main.inbox"']
    _, gone = compare(new, old)
    assert "nothing instead of a table" in str(gone[0])


def test_the_settings_of_the_program_itself_take_effect(tmp_path: Path) -> None:
    """The lanes, the supervisor, the watchdog and the logs have them at once, and each is an input all the same."""
    old, new = (
        plan_with(tmp_path),
        plan_with(
            tmp_path, ("max_lag_ms = 250", "max_lag_ms = 300\nshutdown_deadline_ms = 7000\nwatchdog_ms = 1500")
        ),
    )
    with Session(old, ManualClock(START_NS), cast("Logger", Silence()), tmp_path / "state") as session:
        session.watchdog = Watchdog([], 1, lambda _: None)
        changes, refused = compare(session.settings.in_force, settings_of(new))
        assert refused == []
        session.change_settings(changes, new.config)
        [lane] = session.system.lanes
        assert lane.drain.options.max_lag_ns == 300_000_000
        assert session.system.supervisor.options.shutdown_deadline_ns == 7_000_000_000
        assert session.watchdog.limit_ns == 1_500_000_000
        told: list[Message] = []
        lane.channels.urgent.drain_into(told, 100)
        assert [(one.key, one.value) for one in told if isinstance(one, ConfigChanged)] == [
            ("runtime.max_lag_ms", "300"), ("runtime.shutdown_deadline_ms", "7000"), ("runtime.watchdog_ms", "1500"),
        ]  # fmt: skip
        assert compare(session.settings.in_force, settings_of(new)) == ([], [])
