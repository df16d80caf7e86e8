"""Settings of a strategy changed while it runs: checked as at the start, in force at once, not forgotten."""

from __future__ import annotations

import json
from typing import ClassVar, cast

import attrs
import pytest

from market.messages import BUY, ConfigChanged, ConfigRefused, Message, TopOfBook
from runtime.actor import ActorSetup, Strategy
from runtime.config.changes import ChangeRefused, changed_params, key_within
from runtime.config.rules import DecimalText, between, setting
from strategies.market_maker import MarketMaker
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
    lane = MakerLane(settings(queue_patience=1.0))
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
    """A fresh instance in its place has the change, and so has a new lane that takes back a snapshot."""
    lane = MakerLane()
    lane.market()
    lane.take(ConfigChanged(KEY + "half_spread_bps", "5.0"))
    slot = lane.core.slots[0]
    fresh = slot.make()
    assert isinstance(fresh, MarketMaker)
    assert fresh.params.half_spread_bps == 5.0
    state = json.loads(json.dumps(lane.core.save()))
    other = MakerLane()
    other.core.load(state)
    assert other.maker.params.half_spread_bps == 5.0
    assert other.core.save() == state
    for each in (lane, other):
        each.now_ns += 1
        each.market(60_100.0)
    assert lane.bids() == other.bids()


def test_what_it_does_not_hear_cannot_become_needed() -> None:
    """A setting for which more messages would be needed than it hears is refused with their names."""
    lane = MakerLane(settings(calibrate=False))
    lane.take(ConfigChanged(KEY + "queue_patience", "1.0"))
    assert refused(lane) == ["takes effect at the next start: with it the strategy needs PublicTrade"]
    assert lane.maker.params.queue_patience == 0.0


@attrs.frozen(kw_only=True)
class Own:
    """Settings of a strategy of one's own."""

    fixed: int = setting("Cannot change.", default=1)
    free: int = setting("Can change.", default=1, rule=between(1, 9), reload=True)
    size: DecimalText = setting("Can change.", default=DecimalText("1"), reload=True)


class OwnStrategy(Strategy):
    """What a user writes: nothing in it is about changes of settings."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_top_of_book"}
    PARAMS: ClassVar[type | None] = Own

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, Own)
        if setup.params.free == 7:
            raise ValueError("seven is more than there is")
        if setup.params.free == 8:
            raise KeyError("a mistake")
        self.free = setup.params.free
        self.seen = 0

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Count, so that there is something to keep."""
        self.seen += 1

    def save(self) -> dict[str, object]:
        """What it has counted."""
        return {"seen": self.seen}

    def load(self, state: dict[str, object]) -> None:
        """Take it back."""
        self.seen = cast(int, state["seen"])


class FixedStrategy(Strategy):
    """Settings of which none may change."""

    @attrs.frozen
    class Params:
        """One that cannot."""

        fixed: int = setting("Cannot change.", default=1)

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_config"}
    PARAMS: ClassVar[type | None] = Params


def own(lane: MakerLane) -> OwnStrategy:
    """The strategy of a lane."""
    actor = lane.core.slots[0].actor
    assert isinstance(actor, OwnStrategy)
    return actor


def test_a_strategy_of_ones_own_needs_nothing_for_it() -> None:
    """Its declared settings change in the same step, and what it had counted is kept; wrong values are refused."""
    lane = MakerLane(Own(), class_=OwnStrategy)
    lane.take(lane.top())
    lane.take(ConfigChanged("actors.ownstrategy.params.free", "3"), lane.top())
    assert (own(lane).free, own(lane).seen) == (3, 2)
    lane.take(
        ConfigChanged("actors.ownstrategy.params.free", "10"),
        ConfigChanged("actors.ownstrategy.params.fixed", "2"),
        ConfigChanged("actors.ownstrategy.params.free", "7"),
    )
    assert [("1 to 9" in why, "next start" in why, "seven" in why) for why in refused(lane)] == [
        (True, False, False), (False, True, False), (False, False, True),
    ]  # fmt: skip
    lane.take(lane.top())
    assert (own(lane).free, own(lane).seen) == (3, 3)
    assert ConfigChanged not in FixedStrategy.HANDLERS
    assert ConfigRefused not in FixedStrategy.GIVES


def test_a_mistake_in_it_is_a_failure_and_leaves_the_settings_as_they_were() -> None:
    """What fails with a changed setting is made again with the settings from before."""
    lane = MakerLane(Own(), class_=OwnStrategy)
    lane.core.take(ConfigChanged("actors.ownstrategy.params.free", "8"), lane.now_ns, True)
    assert [str(one.error) for one in lane.core.reported] == ["'a mistake'"]
    fresh = lane.core.slots[0].make()
    assert isinstance(fresh, OwnStrategy)
    assert fresh.free == 1


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
