"""Settings of the market maker changed while it runs: checked as at the start, in force at once, not forgotten."""

from __future__ import annotations

import json

import attrs
import pytest

from market.messages import BUY, ConfigChanged, ConfigRefused
from runtime.config.changes import ChangeRefused, changed_params, key_within
from runtime.config.rules import DecimalText, between, setting
from strategies.market_maker_params import MarketMakerParams
from tests.strategies.maker_lane import INSTRUMENTS, MakerLane, settings

KEY = "actors.marketmaker.params."


def refused(lane: MakerLane) -> list[str]:
    """Why changes were refused so far."""
    heard = getattr(lane.core.slots[1].actor, "heard", [])
    return [one.reason for one in heard if isinstance(one, ConfigRefused)]


def test_a_change_is_in_force_at_once() -> None:
    """A wider half spread moves the quotes in the same step, one level more is there, and nothing is forgotten."""
    lane = MakerLane(settings(levels=1), INSTRUMENTS[:2])
    lane.market()
    lane.fill(BUY, 0.01, number=2)
    lane.take(ConfigChanged(KEY + "half_spread_bps", "5.0"))
    assert lane.bids(1)[0][0] == pytest.approx(59_997.6 - 30.0, abs=0.02)
    lane.take(ConfigChanged(KEY + "levels", "3"))
    assert len(lane.asks(1)) == len(lane.asks(2)) == 3
    lane.take(ConfigChanged(KEY + "levels", "1"), ConfigChanged(KEY + "size", '"0.02"'))
    assert [size for _, size in lane.asks(1)] == [0.02]
    assert refused(lane) == []


def test_the_mode_can_change_too() -> None:
    """What was measured stays, and the model takes it."""
    lane = MakerLane()
    lane.market()
    lane.take(ConfigChanged(KEY + "mode", '"glft"'))
    assert lane.maker.mode == "glft"
    assert lane.bids() != []


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("half_spread_bps", "-1.0", "expected a number from 0.0 to 1000.0"),
        ("half_spread_bps", '"wide"', "expected a number"),
        ("levels", "2.5", "expected a whole number"),
        ("size", '"0.000000000001"', "decimal"),
        ("spread", "1.0", "unknown key: there are size, maximum_position"),
    ],
)
def test_a_wrong_change_is_refused_in_words_and_changes_nothing(key: str, value: str, why: str) -> None:
    """The same rules as at the start; the quotes stay where they are."""
    lane = MakerLane()
    lane.market()
    before = lane.told
    lane.take(ConfigChanged(KEY + key, value))
    (reason,) = refused(lane)
    assert why in reason
    assert lane.told == before
    lane.market(60_100.0)
    assert lane.bids() == [(60_087.98, 0.01)]


def test_changes_of_others_are_not_its_own() -> None:
    """Only keys beneath its own params concern it."""
    lane = MakerLane()
    lane.market()
    told = len(lane.told)
    lane.take(ConfigChanged("actors.other.params.half_spread_bps", "9.0"), ConfigChanged("runtime.seed", "9"))
    assert (len(lane.told), refused(lane)) == (told, [])


def test_a_change_outlives_a_failure_and_a_snapshot() -> None:
    """A fresh instance in its place has the change, and so has one that takes back a saved state."""
    lane = MakerLane()
    lane.market()
    lane.take(ConfigChanged(KEY + "half_spread_bps", "5.0"))
    slot = lane.core.slots[0]
    state = json.loads(json.dumps(slot.actor.save()))
    assert slot.make().save()["changes"] == [["half_spread_bps", "5.0"]]
    other = MakerLane().core.slots[0].make()
    other.load(state)
    assert other.save() == state
    assert isinstance(other, type(lane.maker))
    assert other.params.half_spread_bps == 5.0


@attrs.frozen(kw_only=True)
class Own:
    """Settings of a strategy of one's own."""

    fixed: int = setting("Cannot change.", default=1)
    free: int = setting("Can change.", default=1, rule=between(1, 9), reload=True)
    size: DecimalText = setting("Can change.", default=DecimalText("1"), reload=True)


def test_only_what_is_declared_so_can_change() -> None:
    """A setting without `reload=True` takes effect at the next start, and says so."""
    assert changed_params(Own(), "free", "7") == Own(free=7)
    for text in ('"0.5"', "0.5"):
        assert changed_params(Own(), "size", text) == Own(size=DecimalText("0.5"))
    with pytest.raises(ChangeRefused, match="at the next start"):
        changed_params(Own(), "fixed", "2")
    with pytest.raises(ChangeRefused, match="number from 1 to 9, not 10"):
        changed_params(Own(), "free", "10")
    assert key_within("mine", "actors.mine.params.free") == "free"
    assert key_within("mine", "actors.mine.lane") == ""


def test_every_setting_of_the_market_maker_can_change() -> None:
    """None has to wait for a start."""
    assert [one.name for one in attrs.fields(MarketMakerParams) if not one.metadata["reload"]] == []
