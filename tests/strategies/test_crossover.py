"""The crossover: which position it wants, when it says so, and that it can be stopped anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.loading import load_and_plan
from market.messages import ALGORITHM_AT_ONCE, BUY, LIVE, SELL, STALE, ConfigChanged, ConfigRefused, TargetPosition
from runtime.actor import ActorSetup, Outlet
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText
from runtime.ledger import Ledger
from strategies.crossover import Average, Crossover, CrossoverParams
from strategies.wants import held, quotes, target
from tests.data import ROOT
from tests.seeds import examples
from tests.strategies.maker_lane import FAIR, INSTRUMENTS, SECOND, MakerLane


def params(**more: object) -> CrossoverParams:
    """Averages of two and of four bars of a second."""
    chosen: dict[str, object] = {"size": DecimalText("0.01"), "fast": 2, "slow": 4, "average": "sma", **more}
    return CrossoverParams(**chosen)  # type: ignore[arg-type]


class Bars(MakerLane):
    """A crossover that is told one touch a bar."""

    def __init__(self, more: CrossoverParams | None = None) -> None:
        super().__init__(more or params(), INSTRUMENTS, Crossover)

    def bar(self, *prices: float) -> None:
        """One touch at each price, a second apart."""
        for price in prices:
            self.now_ns += SECOND
            self.take(self.top(1, price))

    @property
    def targets(self) -> list[TargetPosition]:
        """Every position that it wanted so far."""
        heard = getattr(self.core.slots[1].actor, "heard", [])
        return [one for one in heard if isinstance(one, TargetPosition)]

    @property
    def sizes(self) -> list[int]:
        """Their sizes, in lots of 0.00001."""
        return [int(one.net_size) for one in self.targets]


def test_long_above_and_short_below() -> None:
    """The fast average over the slow one wants the size, under it the opposite, said once each time."""
    lane = Bars()
    lane.bar(*[FAIR] * 3)
    assert lane.sizes == []
    lane.bar(FAIR + 10, FAIR + 20, FAIR + 30)
    assert lane.sizes == [1_000]
    lane.bar(FAIR - 30, FAIR - 60)
    assert lane.sizes == [1_000, -1_000]
    first = lane.targets[0]
    assert (first.strategy_id, first.instrument_id, first.algorithm) == (1, 1, ALGORITHM_AT_ONCE)
    assert first.reason == "sma of 2 bars 60005.00, of 4 60002.50"


def test_flat_below_where_it_may_not_be_short() -> None:
    """Without shorts the other side of the cross is no position."""
    lane = Bars(params(short=False))
    lane.bar(FAIR, FAIR, FAIR, FAIR + 10, FAIR - 30, FAIR - 60)
    assert lane.sizes == [1_000, 0]


def test_nothing_before_both_averages_are_full() -> None:
    """Three bars of four are not enough to want anything."""
    lane = Bars()
    lane.bar(FAIR, FAIR + 10, FAIR + 20)
    assert lane.targets == []
    assert lane.core.slots[0].actor.panel()["status"] == "3 of 4 bars seen"


def test_within_the_band_it_keeps_what_it_wants() -> None:
    """A cross that is smaller than the band changes nothing."""
    lane = Bars(params(band_bps=2.0))
    lane.bar(FAIR, FAIR, FAIR, FAIR + 60, FAIR + 60)
    assert lane.sizes == [1_000]
    lane.bar(FAIR + 55, FAIR + 50, FAIR + 50)
    assert lane.sizes == [1_000]


def test_a_bar_takes_the_last_touch_and_only_of_live_books() -> None:
    """Touches within a bar are one; a book that is not live closes none."""
    lane = Bars()
    for _ in range(50):
        lane.now_ns += SECOND // 10
        lane.take(lane.top(1, FAIR))
    actor = lane.core.slots[0].actor
    assert isinstance(actor, Crossover)
    assert actor.fast.seen == 5
    lane.now_ns += 10 * SECOND
    lane.take(lane.top(1, FAIR, state=STALE))
    assert actor.fast.seen == 5


def test_with_a_bar_of_nothing_every_touch_counts() -> None:
    """Ticks instead of time."""
    lane = Bars(params(bar_ms=0))
    for step in range(5):
        lane.take(lane.top(1, FAIR + step))
    assert lane.sizes == [1_000]


@pytest.mark.parametrize(("slippage", "limit"), [(5.0, 6_004_101), (0.0, 0)])
def test_the_limit_price_is_so_far_beyond_the_touch(slippage: float, limit: int) -> None:
    """Five basis points above the best ask for a buyer, on a tick; 0 is any price."""
    lane = Bars(params(slippage_bps=slippage))
    lane.bar(FAIR, FAIR, FAIR, FAIR + 10)
    assert lane.targets[0].limit_price == limit


def test_a_change_of_mind_has_the_limit_of_its_own_side() -> None:
    """Long again while the sale is still under way: whatever of it trades is bought back, at a buyer's limit."""
    lane = Bars(params(fast=1, slow=2))
    lane.bar(FAIR, FAIR + 10)
    lane.fill(BUY, 0.01, number=1)
    lane.bar(FAIR - 60, FAIR + 60)
    assert lane.sizes == [1_000, -1_000, 1_000]
    touch = round((FAIR + 60) * 100)
    long, short, again = (one.limit_price for one in lane.targets)
    assert short < round((FAIR - 60) * 100) < long < again
    assert again > touch


def test_a_position_that_was_not_reached_is_asked_for_again() -> None:
    """After the stated time, and not when it was reached."""
    lane = Bars(params(retry_s=3))
    lane.bar(FAIR, FAIR, FAIR, FAIR + 10, FAIR + 20, FAIR + 30)
    assert lane.sizes == [1_000]
    lane.bar(FAIR + 40)
    assert lane.sizes == [1_000, 1_000]
    lane.fill(BUY, 0.006, number=1)
    lane.fill(BUY, 0.004, number=2)
    lane.bar(*(FAIR + 50 + step for step in range(10)))
    assert lane.sizes == [1_000, 1_000]
    lane.fill(SELL, 0.01, number=3)
    lane.bar(FAIR + 70)
    assert lane.sizes[2:] == [1_000]


def test_averages_of_both_kinds() -> None:
    """A simple mean of the last bars, and one that forgets: both are the price of a market that stands still."""
    simple, fading = Average("sma", 3), Average("ema", 3)
    for price in (1.0, 2.0, 3.0, 6.0):
        simple.add(price)
        fading.add(price)
    assert simple.value == pytest.approx(11.0 / 3.0)
    assert fading.value == pytest.approx((((1.0 + 0.5) * 0.5 + 1.5) * 0.5) + 3.0)
    for _ in range(60):
        fading.add(6.0)
    assert fading.value == pytest.approx(6.0)
    assert Average("sma", 2).ready is False


@given(
    st.lists(st.tuples(st.floats(-50.0, 50.0), st.integers(1, 1_500), st.booleans()), min_size=1, max_size=40),
    st.integers(0, 39),
    st.sampled_from(["sma", "ema"]),
)
@settings(max_examples=examples(30, 1_000), deadline=None)
def test_save_load_and_go_on_equals_going_on(
    steps: list[tuple[float, int, bool]], place: int, average: str
) -> None:
    """Stopped anywhere and taken up again through JSON, it wants the same."""
    plain, saved = (Bars(params(average=average)) for _ in range(2))
    for number, (move, milliseconds, live) in enumerate(steps):
        for lane in (plain, saved):
            lane.now_ns += milliseconds * 1_000_000
            lane.take(lane.top(1, FAIR + move, state=LIVE if live else STALE), lane.top(2, FAIR))
        assert saved.targets == plain.targets
        if number == place:
            slot = saved.core.slots[0]
            state = json.loads(json.dumps(slot.actor.save(), allow_nan=False))
            fresh = slot.make()
            fresh.load(state)
            assert fresh.save() == state
            slot.replace_actor(fresh)


KEY = "actors.crossover.params."


def test_settings_change_while_it_runs() -> None:
    """A new size is asked for with the next bar, the averages go on, and what cannot be is refused in words."""
    lane = Bars(params(average="ema"))
    lane.bar(FAIR, FAIR, FAIR, FAIR + 10)
    lane.take(ConfigChanged(KEY + "size", '"0.02"'))
    lane.bar(FAIR + 20)
    assert lane.sizes == [1_000, 2_000]
    lane.take(ConfigChanged(KEY + "fast", "4"), ConfigChanged(KEY + "slow", "8"), ConfigChanged(KEY + "fast", "5"))
    refused = [one.reason for one in getattr(lane.core.slots[1].actor, "heard", []) if isinstance(one, ConfigRefused)]
    assert refused == ["expected fewer bars than slow, not 4"]
    actor = lane.core.slots[0].actor
    assert isinstance(actor, Crossover)
    assert (actor.fast.bars, actor.slow.bars, actor.fast.seen) == (5, 8, 5)


def test_a_longer_average_waits_for_its_bars() -> None:
    """Of all bars alike it needs as many as it is of, also when it is made longer: nothing is wanted meanwhile."""
    lane = Bars(params())
    lane.bar(FAIR, FAIR, FAIR, FAIR + 10)
    lane.take(ConfigChanged(KEY + "slow", "6"), ConfigChanged(KEY + "short", "false"))
    lane.bar(FAIR - 50)
    assert lane.sizes == [1_000]
    lane.bar(FAIR - 100)
    assert lane.sizes == [1_000, 0]


def test_within_the_band_another_size_is_asked_for_all_the_same() -> None:
    """It stays on its side, with the size that the settings have now."""
    lane = Bars(params(band_bps=2.0))
    lane.bar(FAIR, FAIR, FAIR, FAIR + 60)
    lane.take(ConfigChanged(KEY + "band_bps", "50.0"), ConfigChanged(KEY + "size", '"0.03"'))
    lane.bar(FAIR + 50)
    assert lane.sizes == [1_000, 3_000]


def test_the_fast_average_is_the_faster_one() -> None:
    """A fast average of more bars than the slow one is refused."""
    with pytest.raises(RuleBroken, match="fewer bars than slow"):
        params(fast=4)


def test_words_for_a_person() -> None:
    """Summary and panel say what is wanted and what is held."""
    lane = Bars()
    lane.bar(FAIR, FAIR, FAIR, FAIR + 10)
    lane.fill(BUY, 0.01)
    actor = lane.core.slots[0].actor
    assert actor.summary() == {"status": "wants 0.01000", "held": "0.01000"}
    panel = actor.panel()
    assert panel["facts"] == [["fast", "60005.00"], ["slow", "60002.50"], ["wanted", "0.01000"], ["held", "0.01000"]]


def test_short_words_for_wants() -> None:
    """Lists of prices and sizes become quotes, a size a target, fills a position; different scales are not added up."""
    lane = Bars()
    lane.fill(BUY, 0.02)
    strategy = lane.core.slots[0].actor
    assert isinstance(strategy, Crossover)
    first = INSTRUMENTS[0]
    wanted = quotes(strategy, first, bids=[(5, 1), (4, 2)], asks=[], reason="why", receive_ns=3)
    assert (list(wanted.bid_prices), list(wanted.bid_sizes), list(wanted.ask_prices)) == ([5, 4], [1, 2], [])
    assert (wanted.strategy_id, wanted.instrument_id, wanted.reason, wanted.receive_ns) == (1, 1, "why", 3)
    assert target(strategy, first, net_size=-7, reason="why").net_size == -7
    assert held(strategy, first) == 2_000
    with pytest.raises(ValueError, match="different size scales"):
        held(strategy, *INSTRUMENTS)


def test_it_can_be_made_alone() -> None:
    """A strategy is a plain object of a setup; nothing runs."""
    from market.instruments import InstrumentTable

    setup = ActorSetup("c", 1, params(), InstrumentTable(INSTRUMENTS), [1], {"c": 1}, Outlet(Ledger(), 100))
    assert Crossover(setup).summary()["status"] == "wants nothing yet"


def test_the_shipped_configuration_is_right_and_explained() -> None:
    """It is planned without a problem, the strategy is its last actor, and every value has a comment beside it."""
    path = ROOT / "configs" / "crossover.toml"
    _, blueprint = load_and_plan(path)
    assert blueprint.actors[-1].class_ is Crossover
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [one for one in lines if "=" in one and "#" not in one and not one.startswith("class =")] == []
