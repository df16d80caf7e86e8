"""Several exchanges in one process: the configuration that the page shows, run, and what goes wrong when they mix."""

from __future__ import annotations

import math
import re
import statistics
from pathlib import Path

import pytest

from exchange.venue import ExchangeVenue
from market.messages import RunStarted, TimerFired
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.classes import params_of
from runtime.config.errors import ConfigErrors
from runtime.config.load import load_config
from runtime.lane_core import LaneCore
from runtime.trial import plan_checked
from tests.data import ROOT

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND
STEP_NS = SECOND // 10
WARM, LONG = 5, 45


def shown() -> str:
    """The configuration of two exchanges that the page shows."""
    page = (ROOT / "docs" / "exchange.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", page[page.index("## Several exchanges") :], re.DOTALL)
    assert found is not None
    return found.group(1)


def plan(folder: Path, text: str) -> Blueprint:
    """The plan of a configuration, checked as `hftrun check` does."""
    path = folder / "two.toml"
    path.write_text(text, encoding="utf-8")
    return plan_checked(load_config(str(path), {}, params_of))


def venue_of(core: LaneCore, name: str) -> ExchangeVenue:
    """One of the exchanges."""
    actor = next(slot.actor for slot in core.slots if slot.name == name)
    assert isinstance(actor, ExchangeVenue)
    return actor


def middle(venue: ExchangeVenue) -> float:
    """The logarithm of the middle of its one market."""
    (market,) = venue.exchange.markets
    return math.log((market.engine.best_bid + market.engine.best_ask) / 2)


def run(core: LaneCore) -> list[tuple[float, float]]:
    """Let all timers fire for a while; the middles of both markets at even times."""
    core.take(RunStarted(START_NS, 1, "", ""), START_NS, True)
    mids = []
    for number in range(1, LONG * SECOND // STEP_NS + 1):
        end_ns = START_NS + number * STEP_NS
        while (first := core.timers.first()) is not None and first[0] <= end_ns:
            due_ns, actor_id, timer_id = first
            core.take(TimerFired(actor_id, timer_id, due_ns), due_ns, True)
        if end_ns > START_NS + WARM * SECOND:
            mids.append((middle(venue_of(core, "north")), middle(venue_of(core, "south"))))
    assert [f"{failure.slot.name}: {failure.error!r}" for failure in core.reported] == []
    return mids


def test_the_two_exchanges_of_the_page_move_together(tmp_path: Path) -> None:
    """Each has its own books and trades; both follow the one hidden price, so their middles stay near each other."""
    core = build_core(plan(tmp_path, shown()), "main")
    mids = run(core)
    north, south = venue_of(core, "north"), venue_of(core, "south")
    for venue in (north, south):
        assert venue.exchange.markets[0].engine.trade_count > 50
        venue.exchange.check_invariants()
    assert north.exchange.markets[0].instrument_id != south.exchange.markets[0].instrument_id
    apart = [one - other for one, other in mids]
    assert max(abs(one) for one in apart) < 1_000e-6
    assert len(set(apart)) > 50
    moved = max(one for one, _ in mids) - min(one for one, _ in mids)
    assert moved > 4 * statistics.pstdev(apart)
    assert statistics.correlation([one for one, _ in mids], [other for _, other in mids]) > 0.8


@pytest.mark.parametrize(
    "text", [shown().replace('"btc_south"', '"btc_north"'), re.sub(r"instruments = .*\n", "", shown())]
)
def test_exchanges_that_share_instruments_are_an_error_of_the_plan(tmp_path: Path, text: str) -> None:
    """One error for the two of them, which names both and says what to do; naming none means all."""
    with pytest.raises(ConfigErrors) as refused:
        plan(tmp_path, text)
    told = str(refused.value)
    assert "owns BookDelta, BookSnapshot, TopOfBook, PublicTrade, InstrumentStatus, Ticker" in told
    assert "name different instruments at north and south" in told
    assert "two tables under [instruments]" in told
    assert told.count(" owns them already") == 1
