"""The rehearsal: a lane of a configuration that a test of one's own feeds by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.new_templates import CONFIG, STRATEGY
from market.messages import SELL, STALE, OrderFilled
from strategies.rehearsal import Rehearsal
from tests.data import ROOT


def written(folder: Path, name: str, **changes: str) -> Path:
    """The configuration of a new strategy, with its text changed."""
    names = {"name": name, "class_name": "Mine"}
    text = STRATEGY.substitute(names)
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / f"{name}.toml").write_text(CONFIG.substitute(names), encoding="utf-8")
    return folder / f"{name}.toml"


def test_orders_rest_trade_and_change_the_position(tmp_path: Path) -> None:
    """A touch brings orders, a trade through one of them a fill after it arrived, and the position follows."""
    lane = Rehearsal(written(tmp_path, "rehearsed_one"))
    lane.show(bid="60000.00", ask="60001.00")
    assert lane.orders() == [("buy", "60000.00", "0.01000"), ("sell", "60001.00", "0.01000")]
    lane.trade("59999.00", "1", SELL)
    assert lane.position() == "0.00000"
    lane.wait(20)
    lane.trade("59999.00", "1", SELL)
    lane.wait(20)
    assert lane.position() == "0.01000"
    assert next(one for one in lane.decided if isinstance(one, OrderFilled)).price == 6_000_000
    lane.show(bid="60000.00", ask="60001.00", state=STALE)
    assert lane.orders() == []


def test_what_a_strategy_raises_is_raised_in_the_test(tmp_path: Path) -> None:
    """A mistake in a handler shows where it was made, instead of an actor that is restarted."""
    config = written(tmp_path, "rehearsed_two", **{"top.bid_size > 0": "1 // 0"})
    with pytest.raises(ZeroDivisionError):
        Rehearsal(config).show(bid="60000.00", ask="60001.00")


def test_several_venues_are_shown_by_their_place() -> None:
    """In the shipped configuration the fair value is that of the venues which are shown, and all of them are quoted."""
    lane = Rehearsal(ROOT / "configs" / "mm.toml")
    for place in range(3):
        lane.show(bid="60000.0", ask="60001.0", place=place)
        lane.wait(50)
    assert {one.instrument_id for one in lane.core.ledger.working_orders()} == {1, 2, 3}
    best = next(price for side, price, _ in lane.orders() if side == "buy")
    assert 59_990 < float(best) < 60_001
