"""A market maker that is where it should be works nothing out: what it wants is the same, to the last message."""

from __future__ import annotations

from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.config.rules import DecimalText
from strategies.market_maker_params import MarketMakerParams
from strategies.quote_ladder import QuoteSide
from tests.seeds import examples, seeds
from tests.strategies.maker_lane import INSTRUMENTS, MakerLane
from tests.strategies.maker_lane import settings as maker_settings
from tests.strategies.test_market_maker_rules import EVENTS, PARAMS, History


class Restless(History):
    """A market maker that looks at everything with every batch."""

    def forget(self) -> None:
        """Whatever was found to need no plan needs one."""
        for quoting in self.lane.maker.quoting.values():
            quoting.calm = False


def both_live_through(plain: History, restless: Restless, event: tuple[str, int, float, float]) -> None:
    """The same event for both."""
    restless.forget()
    for _ in zip(plain.live_through(event), restless.live_through(event), strict=True):
        restless.forget()


@given(PARAMS, st.integers(0, 3), EVENTS)
@settings(max_examples=examples(40, 3_000), deadline=None)
def test_with_and_without_the_band_the_wants_are_the_same(
    params: MarketMakerParams, moves: int, events: list[tuple[str, int, float, float]]
) -> None:
    """Over drawn histories, with small moves of the price in between, in every mode."""
    params = attrs.evolve(params, moves_per_batch=moves)
    plain, restless = History(params), Restless(params)
    for event in events:
        both_live_through(plain, restless, event)
        for share in (0.01, -0.03, 0.1):
            both_live_through(plain, restless, ("market", 1, event[2] * share, event[3]))
        assert restless.lane.told == plain.lane.told


@pytest.mark.parametrize("seed", seeds(2, 40))
def test_most_ticks_of_a_quiet_market_need_no_plan(seed: int) -> None:
    """A seeded stream of small steps: the wants are the same, and nearly always nothing was worked out."""
    random = Random(seed)
    shipped = maker_settings(
        levels=3, half_spread_bps=0.4, requote_bps=0.25, requote_away_bps=0.5, requote_outer_bps=0.25,
        moves_per_batch=1, level_spacing_bps=0.5, queue_patience=1.0, maximum_position=DecimalText("0.06"),
    )  # fmt: skip
    plain, restless = MakerLane(shipped, INSTRUMENTS), MakerLane(shipped, INSTRUMENTS)
    price, calm, ticks = 60_000.0, 0, 1_000
    for _ in range(ticks):
        price *= 1.0 + random.gauss(0.0, 0.02) * 1e-4
        width, number, off = random.uniform(0.05, 3.0), random.randrange(1, 4), random.uniform(-0.1, 0.1)
        quoting = plain.maker.quoting[number]
        for lane in (plain, restless):
            lane.now_ns += 1_000_000
            lane.take(lane.top(number, price + off, width), *(lane.fair(each, price) for each in (1, 2, 3)))
            if lane is restless:
                for one in lane.maker.quoting.values():
                    one.calm = False
        calm += plain.maker.planner.stays(quoting)
    assert plain.told == restless.told
    assert calm > ticks * 0.6


@given(
    st.sampled_from([1, -1]), st.sampled_from([1, 5]), st.floats(0.0, 30.0), st.floats(0.0, 20.0), st.floats(0.0, 20.0),
    st.floats(0.0, 10.0), st.floats(0.0, 40.0), st.floats(0.0, 30.0), st.lists(st.floats(-60.0, 60.0), max_size=12),
    st.floats(0.0, 5.0), st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=examples(200, 20_000), deadline=None)
def test_within_the_band_a_plan_is_no_news_and_just_outside_it_is(
    sign: int, tick: int, half: float, threshold: float, away: float, outer: float, nearer: float, spacing: float,
    moves: list[float], patience: float, levels: int,
) -> None:  # fmt: skip
    """Settings in basis points, a fair value of about a million: no fair value of the band moves a level."""
    unit = 1e-4
    share = sign - half * unit

    def news(side: QuoteSide, fair: float) -> bool:
        return side.plan(
            fair * share, fair * spacing * unit, fair * threshold * unit, fair * away * unit, fair * outer * unit,
            patience, fair * nearer * unit, sign * 1_000_000 + 1_000_000, 10, 0, 1_000,
        )  # fmt: skip

    side = QuoteSide(sign, levels, tick, 1, 1, 0.0)
    fair = 1_000_000.0
    if not news(side, fair):
        return
    side.take_plan(0.0, 0.0)
    assert side.complete
    side.find_band(share, spacing * unit, threshold * unit, away * unit, outer * unit, nearer * unit)
    for bps in moves:
        tried = fair * (1.0 + bps * unit)
        if side.low <= tried <= side.high:
            assert not news(side, tried)
    if side.low > side.high:
        return
    for edge in (side.low, side.high):
        assert not news(side, edge)
    if patience == 0.0 and levels == 1:
        assert news(side, side.low * (1.0 - 1e-9))
        assert news(side, side.high * (1.0 + 1e-9))
