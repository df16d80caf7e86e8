"""What no market, no settings and no history may make the market maker do, over drawn histories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.messages import BUY, LIVE, SELL, STALE, BookStateChanged, PauseQuoting, PublicTrade, WantedQuotes
from runtime.config.rules import DecimalText
from strategies.market_maker_params import MarketMakerParams
from strategies.quote_ladder import QuoteSide
from tests.seeds import examples
from tests.strategies.maker_lane import INSTRUMENTS, MakerLane
from tests.strategies.maker_lane import settings as maker_settings

MAXIMUM = 0.05

PARAMS = st.builds(
    lambda **chosen: maker_settings(maximum_position=DecimalText(str(MAXIMUM)), **chosen),
    mode=st.sampled_from(["base", "avellaneda_stoikov", "glft"]),
    levels=st.integers(1, 5),
    half_spread_bps=st.floats(0.0, 20.0),
    level_spacing_bps=st.floats(0.0, 5.0),
    size_step=st.sampled_from(["0", "0.003"]).map(DecimalText),
    size_shading=st.floats(0.0, 1.0),
    skew_bps=st.floats(0.0, 50.0),
    requote_bps=st.floats(0.0, 5.0),
    requote_away_bps=st.floats(0.0, 5.0),
    requote_outer_bps=st.floats(0.0, 2.0),
    queue_patience=st.floats(0.0, 5.0),
    risk_aversion=st.floats(0.0, 5.0),
    horizon_s=st.sampled_from([0.0, 10.0, 3_600.0]),
    volatility_bps=st.floats(0.0, 20.0),
    fee_share=st.sampled_from([0.0, 1.0]),
    least_samples=st.just(2),
    min_live_venues=st.integers(1, 3),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["market", "market", "market", "touch", "fill", "fill", "trade", "lost", "time"]),
        st.integers(1, 3),
        st.floats(-8.0, 8.0),
        st.floats(0.05, 40.0),
    ),
    min_size=1,
    max_size=25,
)


class History:
    """A lane that lives through drawn events, and what a person would know of its markets."""

    def __init__(self, params: MarketMakerParams) -> None:
        self.lane = MakerLane(params, INSTRUMENTS)
        self.live: dict[int, bool] = {}
        self.touch: dict[int, tuple[int, int]] = {}
        self.price = 60_000.0

    def live_through(self, event: tuple[str, int, float, float]) -> Iterator[None]:
        """One event; comes back after each input, before anything else can have changed."""
        kind, number, drawn, width = event
        lane = self.lane
        lane.now_ns += 700_000_000
        if kind == "market":
            self.price *= 1.0 + drawn * 1e-4
            for each in (1, 2, 3):
                self.show(each, self.price, width)
                yield
                lane.take(lane.fair(each, self.price))
                yield
        elif kind == "touch":
            self.show(number, self.price * (1.0 + drawn * 1e-4), width)
        elif kind == "fill":
            size = round(min(abs(drawn) / 400.0, 0.02), 5)
            if size > 0.0:
                lane.fill(BUY if drawn > 0 else SELL, size, number, round(self.price))
        elif kind == "trade":
            one = lane.instruments[number]
            price = round((self.price * (1.0 + drawn * 1e-4)) * 10**one.price_scale)
            lane.take(PublicTrade(number, 1, price, 10**one.size_scale, BUY if drawn > 0 else SELL, 0, lane.now_ns))
        elif kind == "lost":
            self.live[number] = False
            lane.take(BookStateChanged(number, STALE, "test", 0, lane.now_ns))
        yield

    def show(self, number: int, middle: float, width: float) -> None:
        """A live touch of one venue."""
        top = self.lane.top(number, middle, width)
        self.live[number] = True
        self.touch[number] = (int(top.bid_price), int(top.ask_price))
        self.lane.take(top)

    def held(self) -> float:
        """The position over all venues, in base."""
        found = 0.0
        for number, one in self.lane.instruments.items():
            position = self.lane.core.ledger.position(1, number)
            found += 0.0 if position is None else position.net_size / 10**one.size_scale
        return found


@given(PARAMS, EVENTS)
@settings(max_examples=examples(60, 3_000), deadline=None)
def test_every_want_keeps_the_rules(params: MarketMakerParams, events: list[tuple[str, int, float, float]]) -> None:
    """On tick and lot, best first, bid below ask, behind the touch, of a live book, within the largest position."""
    history = History(params)
    seen = 0
    for event in events:
        for _ in history.live_through(event):
            told = history.lane.told
            for wants in told[seen:]:
                check(history, wants)
            seen = len(told)


def check(history: History, wants: WantedQuotes) -> None:
    """The rules for one want."""
    number = int(wants.instrument_id)
    one = history.lane.instruments[number]
    bids = list(zip(wants.bid_prices, wants.bid_sizes, strict=True))
    asks = list(zip(wants.ask_prices, wants.ask_sizes, strict=True))
    assert wants.reason
    if not bids and not asks:
        return
    assert history.live.get(number), "a quote on a book that is not live"
    assert sum(history.live.values()) >= history.lane.maker.min_live_venues
    assert all(one.check_order(price, size) is None for price, size in (*bids, *asks))
    assert [price for price, _ in bids] == sorted({price for price, _ in bids}, reverse=True)
    assert [price for price, _ in asks] == sorted({price for price, _ in asks})
    if bids and asks:
        assert bids[0][0] < asks[0][0]
    bid, ask = history.touch[number]
    assert not bids or bids[0][0] < ask
    assert not asks or asks[0][0] > bid
    unit = 10**one.size_scale
    held = history.held()
    assert held + sum(size for _, size in bids) / unit <= max(MAXIMUM, held) + 1e-12
    assert held - sum(size for _, size in asks) / unit >= min(-MAXIMUM, held) - 1e-12
    assert len(bids) <= 5 >= len(asks)
    assert "bps" in wants.reason


@given(PARAMS, EVENTS, st.integers(0, 24))
@settings(max_examples=examples(25, 1_000), deadline=None)
def test_save_load_and_go_on_equals_going_on(
    params: MarketMakerParams, events: list[tuple[str, int, float, float]], place: int
) -> None:
    """At any event, through JSON, it goes on as if nothing had happened."""
    plain, saved = History(params), History(params)
    for number, event in enumerate(events):
        for history in (plain, saved):
            for _ in history.live_through(event):
                pass
        assert saved.lane.told == plain.lane.told
        if number == place:
            slot = saved.lane.core.slots[0]
            state = json.loads(json.dumps(slot.actor.save(), allow_nan=False))
            fresh = slot.make()
            fresh.load(state)
            slot.replace_actor(fresh)
            assert fresh.save() == state


@pytest.mark.parametrize("mode", ["base", "avellaneda_stoikov", "glft"])
@given(st.floats(0.01, 0.1), st.floats(0.1, 2.0), st.integers(-4, 4))
@settings(max_examples=examples(20, 500), deadline=None)
def test_a_long_inventory_lowers_both_quotes(mode: str, gamma: float, volatility: float, units: int) -> None:
    """One quote more held never raises a bid or an ask, and lowers the middle of both, in every mode."""
    found = []
    for held in (units, units + 1):
        lane = MakerLane(
            maker_settings(
                mode=mode, risk_aversion=gamma, volatility_bps=volatility, skew_bps=5.0,
                requote_bps=0.0, requote_away_bps=0.0,
                maximum_position=DecimalText("0.06"), maximum_skew_bps=1_000.0, maximum_spread_bps=1_000.0,
            )
        )  # fmt: skip
        lane.market(width=4_000.0)
        if held:
            lane.fill(BUY if held > 0 else SELL, abs(held) * 0.01)
        assert lane.told[-1].fair_value == 6_000_000.0
        found.append((lane.bids()[0][0], lane.asks()[0][0]))
    (bid, ask), (lower_bid, lower_ask) = found
    assert lower_bid <= bid
    assert lower_ask <= ask
    assert lower_bid + lower_ask < bid + ask


LEVEL_PRICES = st.floats(900.0, 1_100.0)


@given(
    st.lists(st.tuples(LEVEL_PRICES, st.integers(950, 1_150), st.integers(0, 50)), min_size=1, max_size=20),
    st.sampled_from([1, -1]),
    st.sampled_from([1, 5, 7]),
    st.floats(0.0, 20.0),
    st.floats(0.0, 20.0),
)
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_a_side_keeps_its_levels_apart_and_near_their_targets(
    plans: list[tuple[float, int, int]], sign: int, tick: int, threshold: float, away: float
) -> None:
    """Whatever was told before, levels fall by a tick at least, none takes, none is nearer than it may be."""
    side = QuoteSide(sign, 4, tick, 1, 1, 0.0)
    for target, limit, room in plans:
        mirrored = target * sign
        most = sign * limit - (sign * limit) % tick
        news = side.plan(mirrored, 3.0, threshold, away, 0.0, 0.0, 2.0, most, 10, 0, room)
        prices = list(side.planned_prices)[: side.planned]
        assert all(price % tick == 0 and price <= most for price in prices)
        assert all(earlier - later >= tick for earlier, later in pairwise(prices))
        nearest = mirrored + min(threshold, 2.0)
        assert all(float(price) <= nearest - 3.0 * place for place, price in enumerate(prices))
        # A size within a quarter of the wanted one stays.
        assert min(room, 40) * 3 // 4 <= sum(list(side.planned_sizes)[: side.planned]) <= min(room, 50)
        before = list(side.prices)[: side.count]
        if news:
            side.take_plan(0.0, 0.0)
        else:
            assert prices == before
        assert not side.plan(mirrored, 3.0, threshold, away, 0.0, 0.0, 2.0, most, 10, 0, room)


@given(
    st.lists(st.tuples(LEVEL_PRICES, st.integers(950, 1_150), st.integers(0, 50)), min_size=1, max_size=12),
    st.sampled_from([1, -1]),
    st.sampled_from([1, 5]),
    st.integers(1, 3),
)
@settings(max_examples=examples(100, 5_000), deadline=None)
def test_staggered_moves_end_where_all_at_once_would(
    plans: list[tuple[float, int, int]], sign: int, tick: int, moves: int
) -> None:
    """In each step no level takes, is dangerously near or has no room; soon nothing is left to move."""
    side = QuoteSide(sign, 4, tick, 1, 1, 0.0)

    def step(mirrored: float, most: int, room: int) -> bool:
        news = side.plan(mirrored, 3.0, 1.0, 1.5, 0.5, 0.0, 2.0, most, 10, 0, room)
        if not news:
            return False
        left = moves - side.pick_urgent()
        while left > 0 and side.most_urgent() > 0:
            side.pick(side.most_urgent())
            left -= 1
        side.settle(most, 10, 0, room)
        prices = list(side.planned_prices)[: side.planned]
        assert all(price % tick == 0 and price <= most for price in prices)
        assert all(earlier - later >= tick for earlier, later in pairwise(prices))
        assert all(float(price) <= mirrored + 2.0 + tick for price in prices)
        assert sum(list(side.planned_sizes)[: side.planned]) <= room
        side.take_plan(0.0, 0.0)
        return True

    for target, limit, room in plans:
        most = sign * limit - (sign * limit) % tick
        steps = 0
        while step(target * sign, most, room):
            steps += 1
            assert steps <= 12


def test_the_most_displaced_quotes_move_first_and_the_others_follow_without_news() -> None:
    """With one move a batch a change of the price moves one quote; each message that follows moves one more."""
    lane = MakerLane(maker_settings(moves_per_batch=1, levels=3, maximum_position=DecimalText("0.6")))
    lane.market(width=40.0)
    assert (len(lane.bids()), len(lane.asks())) == (3, 3)
    before = set(lane.bids()) | set(lane.asks())
    # 1.2 bps: beyond what is waited for, and not yet dangerous for a half spread of 2 bps.
    lane.take(lane.fair(price=60_005.0))
    counts = [len((set(lane.bids()) | set(lane.asks())) - before)]
    for _ in range(6):
        lane.take(lane.top(width=40.0))
        counts.append(len((set(lane.bids()) | set(lane.asks())) - before))
    assert counts == [1, 2, 3, 4, 5, 6, 6]
    told = len(lane.told)
    lane.take(lane.top(width=40.0))
    assert len(lane.told) == told


def test_what_is_dangerous_or_must_go_does_not_wait() -> None:
    """A quote nearer to the price than half of the half spread moves at once, and a pause pulls all."""
    lane = MakerLane(maker_settings(moves_per_batch=1, levels=3, maximum_position=DecimalText("0.6")))
    lane.market(width=400.0)
    asks = lane.asks()
    lane.take(lane.fair(price=60_020.0))
    # The three asks were at 60,012, 60,018 and 60,024; each is less than 6 above the price.
    assert not set(asks) & set(lane.asks())
    lane.take(PauseQuoting(True, "operator"))
    assert lane.bids() + lane.asks() == []


def test_the_state_of_a_book_alone_is_not_trusted() -> None:
    """A book that says it is LIVE but has one side only is quoted on by nobody."""
    lane = MakerLane()
    top = lane.top()
    one_sided = type(top)(1, LIVE, top.bid_price, top.bid_size, 0, 0, 1, 0, 0)
    lane.take(one_sided, lane.fair())
    assert lane.bids() == []
