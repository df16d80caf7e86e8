"""Fair value: a blend of what live books show, over all venues, told for each in its own numbers."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.vecs import vec
from mypy_extensions import i64

from actors.fair_value import FairValueActor
from actors.fair_value_params import FairValueParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    BROKEN,
    BUY,
    LIVE,
    STALE,
    SYNCING,
    ActorFailed,
    ActorRestarted,
    BookSnapshot,
    BookStateChanged,
    FairValue,
    Message,
    PublicTrade,
    RunStarted,
    TopOfBook,
)
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.errors import RuleBroken
from runtime.config.model import SystemConfig
from tests.actors.trading_lane import START_NS, Spy, TradingLane, top
from tests.runtime.lanes import node_of
from tests.seeds import examples

SECOND = 1_000_000_000


def instrument(number: int, venue: str, tick: str, base: str = "BTC", quote: str = "USDT") -> Instrument:
    """One symbol at one venue."""
    return Instrument.from_text(
        instrument_id=number, symbol=f"{base}/{quote}", venue=venue, venue_symbol=f"{base}{number}", base=base,
        quote=quote, kind="spot", tick=tick, lot="0.001", minimum_size="0.001",
    )  # fmt: skip


THREE = (instrument(1, "binance", "0.01"), instrument(2, "kraken", "0.1"), instrument(3, "coinbase", "0.001"))


class FairLane:
    """The fair value actor over some instruments, with a bystander that may fail."""

    def __init__(self, params: FairValueParams | None = None, instruments: tuple[Instrument, ...] = THREE) -> None:
        names = {one.venue + one.symbol: one.instrument_id for one in instruments}
        nodes = (
            node_of(FairValueActor, 1, params=params or FairValueParams()),
            node_of(Spy, 2),
            node_of(Spy, 3, "bystander"),
        )
        self.core = build_core(Blueprint(SystemConfig(), InstrumentTable(instruments), names, nodes, ()), "main")
        self.scales = {one.instrument_id: one.price_scale for one in instruments}
        self.now_ns = START_NS
        self.take(RunStarted(START_NS, 1, "", ""))

    def take(self, *messages: Message) -> list[tuple[int, float, float]]:
        """One batch; gives what was told of it: instrument, price as people write it, confidence."""
        before = len(self.told)
        for number, message in enumerate(messages, start=1):
            self.core.take(message, self.now_ns, number == len(messages))
        assert self.core.reported == []
        return [
            (int(one.instrument_id), round(one.price / 10 ** self.scales[one.instrument_id], 6), one.confidence)
            for one in self.told[before:]
        ]

    @property
    def told(self) -> list[FairValue]:
        """Everything that was told so far."""
        heard: list[Message] = getattr(self.core.slots[1].actor, "heard", [])
        return [one for one in heard if isinstance(one, FairValue)]

    def top(self, number: int, bid: float, ask: float, sizes: tuple[int, int] = (1, 1), state: int = LIVE) -> TopOfBook:
        """A touch."""
        unit = 10 ** self.scales[number]
        return TopOfBook(
            number, state, round(bid * unit), sizes[0], round(ask * unit), sizes[1], 1, self.now_ns, self.now_ns
        )


# ---- of one venue


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 10_050.0), (1.0, 10_075.0), (0.5, 10_062.5)])
def test_price_blends_mid_and_microprice(weight: float, expected: float) -> None:
    """The microprice leans towards the side with less size: three times the bid size moves it up by a quarter."""
    lane = TradingLane(FairValueActor, params={FairValueActor: FairValueParams(microprice_weight=weight)})
    lane.take(top(10_000, 10_100, bid_size=300, ask_size=100))
    (fair,) = lane.of(FairValue)
    assert (fair.price, fair.confidence) == (expected, 1.0)


@pytest.mark.parametrize("state", [STALE, BROKEN])
def test_withdraws_once_when_the_book_is_not_live(state: int) -> None:
    """It says once that it does not know, and then nothing until it knows again."""
    lane = TradingLane(FairValueActor)
    lane.take(top(10_000, 10_100))
    lane.take(top(10_000, 10_100, state=state))
    lane.take(top(10_001, 10_100, state=state))
    assert [fair.confidence for fair in lane.of(FairValue)] == [1.0, 0.0]
    lane.take(top(10_000, 10_100, state=LIVE))
    assert [fair.confidence for fair in lane.of(FairValue)] == [1.0, 0.0, 1.0]


def test_one_sided_book_has_no_fair_value() -> None:
    """A book without bids or without asks prices nothing."""
    lane = TradingLane(FairValueActor)
    lane.take(top(10_000, 10_100, ask_size=0))
    assert lane.of(FairValue) == []


def test_large_numbers_do_not_wrap() -> None:
    """Prices and sizes whose product passes 64 bits are priced as any other."""
    lane = TradingLane(FairValueActor, params={FairValueActor: FairValueParams(microprice_weight=1.0)})
    lane.take(top(2**60, 2**60, bid_size=2**60, ask_size=2**60))
    assert lane.of(FairValue)[0].price == float(2**60)


def test_depth_weighted_price_looks_at_the_first_levels() -> None:
    """Mean prices of two levels a side, crosswise weighted; deeper levels and an empty side count for nothing."""
    lane = FairLane(FairValueParams(microprice_weight=0.0, depth_weight=1.0, depth_levels=2), THREE[:1])
    assert lane.take(lane.top(1, 100.0, 101.0)) == [(1, 100.5, 1.0)]
    bids, asks = vec[i64]([10_000, 9_900, 100]), vec[i64]([10_100, 10_300, 99_900])
    depth = BookSnapshot(1, 1, bids, vec[i64]([30, 10, 999]), asks, vec[i64]([10, 10, 999]), 0, 0)
    # Bids 99.75 of 40, asks 102 of 20: (99.75 * 20 + 102 * 40) / 60.
    assert lane.take(depth) == [(1, 101.25, 1.0)]
    nothing = vec[i64]()
    assert lane.take(BookSnapshot(1, 2, bids, vec[i64]([30, 10, 9]), nothing, nothing, 0, 0)) == [(1, 100.5, 1.0)]


def test_the_levels_of_a_book_that_is_not_live_count_for_nothing() -> None:
    """What a stale book still shows is not there when it is live again, before its new levels are."""
    lane = FairLane(FairValueParams(microprice_weight=0.0, depth_weight=1.0, depth_levels=2), THREE[:1])
    one = vec[i64]([1])
    depth = BookSnapshot(1, 1, vec[i64]([9_000]), one, vec[i64]([9_100]), one, 0, 0)
    lane.take(lane.top(1, 100.0, 101.0), depth)
    assert lane.take(lane.top(1, 90.0, 91.0, state=STALE), depth) == [(1, 0.0, 0.0)]
    assert lane.take(lane.top(1, 100.0, 101.0)) == [(1, 100.5, 1.0)]


def test_last_trade_counts_while_it_is_new() -> None:
    """Half of the weight after one half-life, a quarter after two; the mid has the rest."""
    lane = FairLane(
        FairValueParams(microprice_weight=0.0, last_trade_weight=0.5, last_trade_half_life_s=2.0), THREE[:1]
    )
    lane.take(lane.top(1, 100.0, 102.0))
    assert lane.take(PublicTrade(1, 1, 10_200, 1, BUY, 0, lane.now_ns)) == [(1, 101.5, 1.0)]
    lane.now_ns += 2 * SECOND
    assert lane.take(lane.top(1, 100.0, 102.0)) == [(1, 101.25, 1.0)]
    lane.now_ns += 2 * SECOND
    assert lane.take(lane.top(1, 100.0, 102.0)) == [(1, 101.125, 1.0)]
    lane.take(BookStateChanged(1, STALE, "test", 0, 0))
    assert lane.take(PublicTrade(1, 2, 10_200, 1, BUY, 0, lane.now_ns)) == []
    assert lane.take(lane.top(1, 100.0, 102.0)) == [(1, 101.0, 1.0)]


# ---- over venues


def test_one_price_over_all_venues_in_the_numbers_of_each() -> None:
    """Each venue's own price counts by its weight, and all are told the mean at their own scales."""
    lane = FairLane(FairValueParams(venue_weights={"kraken": 2.0}))
    told = lane.take(lane.top(1, 100.0, 100.2), lane.top(2, 100.4, 100.6), lane.top(3, 100.9, 101.1))
    assert told == [(1, 100.525, 1.0), (2, 100.525, 1.0), (3, 100.525, 1.0)]
    assert [one.price for one in lane.told] == pytest.approx([10_052.5, 1_005.25, 100_525.0])


def test_confidence_is_the_share_of_weight_that_is_live() -> None:
    """Of weights 1, 2 and 1 the second alone is half of all; one that is lost takes its share with it."""
    lane = FairLane(FairValueParams(venue_weights={"kraken": 2.0}))
    assert {told[2] for told in lane.take(lane.top(2, 100.0, 101.0))} == {0.5}
    assert {told[2] for told in lane.take(lane.top(1, 100.0, 101.0))} == {0.75}
    assert {told[2] for told in lane.take(lane.top(3, 100.0, 101.0))} == {1.0}
    assert {told[2] for told in lane.take(BookStateChanged(2, SYNCING, "gap", 0, 0))} == {0.5}


def test_a_book_that_is_not_live_never_counts() -> None:
    """The price goes on without it, and it is back with its first live touch."""
    lane = FairLane()
    lane.take(lane.top(1, 100.0, 100.0), lane.top(2, 103.0, 103.0))
    lane.take(BookStateChanged(2, STALE, "silence", 0, 0))
    assert lane.take(lane.top(1, 101.0, 101.0)) == [(1, 101.0, 1 / 3), (2, 101.0, 1 / 3), (3, 101.0, 1 / 3)]
    assert lane.take(lane.top(2, 109.0, 109.0, state=STALE)) == []
    assert {told[1] for told in lane.take(lane.top(2, 103.0, 103.0))} == {102.0}


def test_fewer_live_venues_than_wanted_are_none() -> None:
    """With two wanted, one alone prices nothing; a symbol with one venue needs that one."""
    alone = instrument(4, "kraken", "0.01", base="ETH")
    lane = FairLane(FairValueParams(min_live_venues=2), (*THREE, alone))
    assert lane.take(lane.top(1, 100.0, 101.0)) == []
    assert lane.take(lane.top(4, 50.0, 51.0)) == [(4, 50.5, 1.0)]
    assert len(lane.take(lane.top(3, 100.0, 101.0))) == 3
    lost = lane.take(BookStateChanged(1, STALE, "silence", 0, 0))
    assert lost == [(1, 0.0, 0.0), (2, 0.0, 0.0), (3, 0.0, 0.0)]
    assert lane.take(lane.top(3, 100.5, 101.5)) == []


def test_other_quote_currencies_kinds_and_bases_stay_apart() -> None:
    """Dollars are no tethers: only what is the same thing is priced together."""
    dollars = instrument(4, "kraken", "0.01", quote="USD")
    lane = FairLane(instruments=(THREE[0], dollars))
    assert lane.take(lane.top(1, 100.0, 101.0), lane.top(4, 90.0, 91.0)) == [(1, 100.5, 1.0), (4, 90.5, 1.0)]


def test_a_share_of_a_venues_own_price() -> None:
    """With a cross weight of a quarter, three quarters of what is told at a venue are its own."""
    lane = FairLane(FairValueParams(cross_weight=0.25), THREE[:2])
    assert lane.take(lane.top(1, 100.0, 100.0), lane.top(2, 104.0, 104.0)) == [(1, 100.5, 1.0), (2, 103.5, 1.0)]
    # A venue that is not live has no price of its own.
    assert lane.take(BookStateChanged(1, STALE, "gap", 0, 0)) == [(1, 104.0, 0.5), (2, 104.0, 0.5)]


def test_a_venue_without_weight_is_told_and_does_not_count() -> None:
    """It takes the price of the others, and adds nothing to it."""
    lane = FairLane(FairValueParams(venue_weights={"kraken": 0.0}), THREE[:2])
    assert lane.take(lane.top(2, 104.0, 104.0)) == []
    assert lane.take(lane.top(1, 100.0, 100.0)) == [(1, 100.0, 1.0), (2, 100.0, 1.0)]


def test_told_once_a_batch_and_only_when_it_changed() -> None:
    """Ten touches of one batch are one price, and the same touch again is none."""
    lane = FairLane(instruments=THREE[:1])
    assert lane.take(*(lane.top(1, 100.0 + step, 101.0 + step) for step in range(10))) == [(1, 109.5, 1.0)]
    assert lane.take(lane.top(1, 109.0, 110.0)) == []


def test_who_begins_anew_is_told_again() -> None:
    """After a restart of anybody the price is told once more, although it is the same, when the book was told again."""
    lane = FairLane(instruments=THREE[:1])
    lane.take(lane.top(1, 100.0, 101.0))
    assert lane.take(ActorFailed(3, 1, 1, "test")) == [(1, 0.0, 0.0)]
    assert lane.take(ActorRestarted(3, 1)) == []
    assert lane.take(lane.top(1, 100.0, 101.0)) == [(1, 100.5, 1.0)]
    assert lane.take(ActorRestarted(3, 2)) == [(1, 100.5, 1.0)]


def test_a_new_run_begins_without_prices() -> None:
    """What an earlier run knew is withdrawn, and has to be told again."""
    lane = FairLane(instruments=THREE[:1])
    lane.take(lane.top(1, 100.0, 101.0))
    assert lane.take(RunStarted(START_NS, 2, "", "")) == [(1, 0.0, 0.0)]
    assert lane.take(lane.top(1, 100.0, 101.0)) == [(1, 100.5, 1.0)]


TOUCHES = st.lists(
    st.tuples(st.integers(1, 3), st.floats(99.0, 101.0), st.sampled_from([LIVE, LIVE, LIVE, STALE, SYNCING])),
    max_size=30,
)


@given(TOUCHES, st.integers(1, 3), st.floats(0.0, 1.0))
@settings(max_examples=examples(80, 3_000), deadline=None)
def test_only_live_books_count(touches: list[tuple[int, float, int]], least: int, cross: float) -> None:
    """Whatever comes, a price lies within those of the live books, and is none with too few of them."""
    lane = FairLane(FairValueParams(min_live_venues=least, cross_weight=cross, microprice_weight=0.0))
    live: dict[int, float] = {}
    told: dict[int, tuple[float, float]] = {}
    for number, price, state in touches:
        shown = lane.top(number, price, price, state=state)
        live.pop(number, None)
        if state == LIVE:
            live[number] = shown.bid_price / 10 ** lane.scales[number]
        told.update({told_of: (fair, confidence) for told_of, fair, confidence in lane.take(shown)})
        for fair, confidence in told.values():
            if len(live) < least:
                assert (fair, confidence) == (0.0, 0.0)
            else:
                assert confidence == pytest.approx(len(live) / 3)
                assert min(live.values()) - 1e-4 <= fair <= max(live.values()) + 1e-4


@given(TOUCHES, st.integers(0, 29))
@settings(max_examples=examples(30, 1_000), deadline=None)
def test_save_load_and_go_on_equals_going_on(touches: list[tuple[int, float, int]], place: int) -> None:
    """Over three venues, through JSON, at any place."""
    params = FairValueParams(last_trade_weight=0.3, min_live_venues=2)
    plain, saved = FairLane(params), FairLane(params)
    for step, (number, price, state) in enumerate(touches):
        for lane in (plain, saved):
            lane.now_ns += SECOND // 3
            lane.take(lane.top(number, price, price, state=state), PublicTrade(number, step, 10_000, 1, BUY, 0, 0))
        assert saved.told == plain.told
        if step == place:
            slot = saved.core.slots[0]
            fresh = slot.make()
            fresh.load(json.loads(json.dumps(slot.actor.save(), allow_nan=False)))
            slot.replace_actor(fresh)


def test_panel_tells_price_and_confidence() -> None:
    """Each instrument with its price at its own scale, as text; a dash where nothing is known."""
    lane = FairLane(instruments=THREE[:2])
    assert [one["price"] for one in values(lane)] == ["-", "-"]
    lane.take(lane.top(1, 100.0, 101.0))
    assert values(lane) == [
        {"instrument_id": 1, "symbol": "BTC/USDT", "venue": "binance", "price": "100.50", "confidence": "0.50"},
        {"instrument_id": 2, "symbol": "BTC/USDT", "venue": "kraken", "price": "100.5", "confidence": "0.50"},
    ]


def values(lane: FairLane) -> list[dict[str, object]]:
    """The rows of the panel."""
    found = lane.core.slots[0].actor.panel()["values"]
    assert isinstance(found, list)
    return found


def test_shares_of_more_than_one_are_refused() -> None:
    """Microprice, depth and last trade are parts of one whole; the rule says so."""
    with pytest.raises(RuleBroken, match="at most 1 together"):
        attrs.evolve(FairValueParams(), microprice_weight=0.8, last_trade_weight=0.4)


def test_a_weight_of_an_unknown_venue_is_refused() -> None:
    """A name that no instrument has is a mistake, told with those there are."""
    with pytest.raises(ValueError, match="venue_weights names krakken, but the instruments are at binance"):
        FairLane(FairValueParams(venue_weights={"krakken": 2.0}))


def test_what_has_no_share_is_not_listened_to() -> None:
    """Depth and trades are taken only where the settings give them a share."""
    assert FairValueActor.unused(FairValueParams()) == (BookSnapshot, PublicTrade)
    assert FairValueActor.unused(FairValueParams(depth_weight=0.2, last_trade_weight=0.2)) == ()
