"""The aggregated book as an actor: who counts when, rates and parity, what is told, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from librt.vecs import vec
from mypy_extensions import i64

from actors.aggregated_book import AggregatedBookActor
from actors.aggregated_params import AggregatedBookParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    LIVE,
    STALE,
    SYNCING,
    ActorFailed,
    AggregateBook,
    AggregateTop,
    BookSnapshot,
    BookStateChanged,
    Opportunity,
    TopOfBook,
    VenueIncluded,
)
from runtime.actor import RESTART
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.errors import RuleBroken
from runtime.config.model import SystemConfig
from runtime.config.rules import DecimalText
from runtime.lane_parts import RosterEntry
from tests.actors.trading_lane import Spy, TradingLane
from tests.conformance.check_actor import check_declarations
from tests.runtime.lanes import node_of


def instrument(number: int, venue: str, base: str, quote: str, **more: str) -> Instrument:
    """A spot instrument at a venue, with prices of two places and sizes of three."""
    fields = {"tick": "0.01", "lot": "0.001", "taker_fee_bps": "10", **more}
    return Instrument.from_text(
        instrument_id=number, symbol=f"{base}/{quote}", venue=venue, venue_symbol=f"{base}{quote}", base=base,
        quote=quote, kind="spot", **fields,  # type: ignore[arg-type]
    )  # fmt: skip


ONE = instrument(1, "kraken", "BTC", "USD")
TWO = instrument(2, "coinbase", "BTC", "USD")
THREE = instrument(3, "binance", "BTC", "USDT")
RATE = instrument(4, "kraken", "USDT", "USD", tick="0.0001")
DEPTH = BookSnapshot(
    1, 8, vec[i64]([10_000, 9_998]), vec[i64]([100, 50]), vec[i64]([10_010, 10_012]), vec[i64]([100, 60]), 5, 6
)


class AggregateLane(TradingLane):
    """A lane of the aggregated book alone, over some instruments."""

    def __init__(self, *instruments: Instrument, params: Mapping[str, Any] | None = None) -> None:
        numbers = tuple(one.instrument_id for one in instruments)
        nodes = (
            node_of(AggregatedBookActor, 1, params=AggregatedBookParams(**(params or {})), instrument_ids=numbers),
            node_of(Spy, 2, instrument_ids=numbers),
        )
        table = InstrumentTable(instruments)
        names = {f"i{one.instrument_id}": one.instrument_id for one in instruments}
        self.core = build_core(Blueprint(SystemConfig(), table, names, nodes, ()), "main")
        self.now_ns = 1

    def tops(self) -> list[tuple[int, int, int, int, int]]:
        """What was told of the touch: bid, its size, ask, its size, live venues."""
        return [
            (one.bid_price, one.bid_size, one.ask_price, one.ask_size, one.live_venues)
            for one in self.of(AggregateTop)
        ]


def touch(number: int, bid: int, ask: int, size: int = 100, state: int = LIVE) -> TopOfBook:
    """A venue's touch in its own numbers."""
    return TopOfBook(number, state, bid, size, ask, size, 7, 5, 6)


def test_a_venue_leaves_in_the_step_in_which_its_book_is_not_live_and_returns() -> None:
    """Whatever the reason: out with the state change, in again with the first LIVE touch, both told."""
    lane = AggregateLane(ONE, TWO)
    lane.take(touch(1, 10_000, 10_010), touch(2, 10_001, 10_011))
    assert lane.tops() == [(10_001, 100, 10_010, 100, 2)]
    lane.take(BookStateChanged(2, SYNCING, "gap", 0, 0))
    assert lane.tops()[-1] == (10_000, 100, 10_010, 100, 1)
    lane.take(touch(2, 10_002, 10_011, state=STALE))
    assert lane.tops()[-1] == (10_000, 100, 10_010, 100, 1)
    lane.take(touch(2, 10_002, 10_011))
    assert lane.tops()[-1] == (10_002, 100, 10_010, 100, 2)
    included = [(one.instrument_id, one.common_instrument_id, one.included) for one in lane.of(VenueIncluded)]
    assert included == [(1, 1, True), (2, 1, True), (2, 1, False), (2, 1, True)]


def test_no_venue_counts_after_a_failure_until_it_is_told_again() -> None:
    """What failed may keep a book that others still believe in: no opportunity is made of its last levels."""
    lane = AggregateLane(ONE, TWO)
    lane.core.roster[9] = RosterEntry("book", RESTART, [], [])
    lane.take(touch(1, 10_000, 10_010), touch(2, 10_001, 10_011))
    lane.take(ActorFailed(9, 1, 1, "a test"))
    assert lane.tops()[-1][4] == 0
    lane.take(touch(2, 10_020, 10_030))
    assert lane.tops()[-1] == (10_020, 100, 10_030, 100, 1)
    assert lane.of(Opportunity) == []


def test_a_batch_is_told_once_and_no_news_is_not_told() -> None:
    """Many touches of one read give one message; a touch that changes nothing gives none."""
    lane = AggregateLane(ONE, TWO)
    lane.take(touch(1, 10_000, 10_010), touch(1, 10_001, 10_010), touch(2, 9_999, 10_012))
    lane.take(touch(2, 9_998, 10_013))
    assert lane.tops() == [(10_001, 100, 10_010, 100, 2)]


def test_another_currency_counts_while_its_rate_is_live() -> None:
    """Bids are converted at the bid of the rate, asks at its ask; without a LIVE rate the venue is left out."""
    lane = AggregateLane(ONE, THREE, RATE, params={"quote": "USD", "rates": {"USDT": "USDT/USD"}})
    lane.take(touch(1, 10_000, 10_010), touch(3, 10_100, 10_110))
    # Six places, so that a rate with four of its own rounds nothing that matters.
    assert lane.tops() == [(100_000_000, 100, 100_100_000, 100, 1)]
    assert "nobody tells" not in "".join(one.reason for one in lane.of(VenueIncluded))
    lane.take(touch(4, 9_990, 10_005))
    assert lane.tops()[-1] == (100_899_000, 100, 100_100_000, 100, 2)  # 101.00 at 0.999 is 100.899
    assert lane.of(Opportunity)[-1].sell_instrument_id == 3
    lane.take(BookStateChanged(4, STALE, "silence", 0, 0))
    assert lane.tops()[-1] == (100_000_000, 100, 100_100_000, 100, 1)
    assert lane.of(VenueIncluded)[-1].reason == "nobody tells what USDT is worth in USD"


def test_parity_takes_its_risk_into_the_prices_and_says_so() -> None:
    """Nobody measures it, so bids go down and asks up by the stated risk, and the summary tells."""
    params = {"quote": "USD", "parity": {"USDT": DecimalText("1")}, "parity_risk_bps": 20}
    lane = AggregateLane(THREE, params=params)
    lane.take(touch(3, 10_000, 10_010))
    assert lane.tops() == [(9_980, 100, 10_031, 100, 1)]
    summary = lane.actor(AggregatedBookActor).summary()
    assert summary["parity"] == ["USDT at 1 USD, unmeasured, 20 bps taken into the prices"]


def test_a_small_parity_does_not_round_the_spread_away() -> None:
    """Prices get as many places as the worth of their currency needs; what is rounded to nothing is no price."""
    yen = instrument(5, "tokyo", "DOGE", "JPY")
    lane = AggregateLane(yen, params={"quote": "USD", "parity": {"JPY": DecimalText("0.0066")}})
    lane.take(touch(5, 2_210, 2_211))
    assert lane.tops() == [(145_860, 100, 145_926, 100, 1)]
    small = AggregateLane(yen, params={"quote": "USD", "parity": {"JPY": DecimalText("0.000000001")}})
    small.take(touch(5, 1, 2))
    assert small.tops() == [(10, 100, 20, 100, 1)]


def test_a_rate_too_small_to_be_told_is_no_rate() -> None:
    """The venue is left out, as without a LIVE rate."""
    tiny = instrument(6, "kraken", "USDT", "USD", tick="0.00000000001")
    lane = AggregateLane(ONE, THREE, tiny, params={"quote": "USD", "rates": {"USDT": "USDT/USD"}})
    lane.take(touch(6, 1, 2), touch(3, 10_000, 10_010))
    assert lane.of(VenueIncluded) == []


def test_depth_is_merged_by_venue() -> None:
    """Each level is one venue's; a venue without depth shows its touch."""
    lane = AggregateLane(ONE, TWO, params={"depth": 3})
    lane.take(touch(1, 10_000, 10_010), touch(2, 9_999, 10_009, size=7))
    lane.take(DEPTH)
    book = lane.of(AggregateBook)[-1]
    assert list(book.bid_prices) == [10_000, 9_999, 9_998]
    assert list(book.bid_sizes) == [100, 7, 50]
    assert list(book.bid_instruments) == [1, 2, 1]
    assert list(book.ask_prices) == [10_009, 10_010, 10_012]


def test_crossed_venues_are_an_opportunity_told_once_with_what_fees_leave() -> None:
    """Both takers' fees count; the same pair of prices is not told again; locked and crossed are counted apart."""
    lane = AggregateLane(ONE, TWO)
    lane.take(touch(1, 10_000, 10_010), touch(2, 10_050, 10_060, size=40))
    lane.take(touch(1, 9_990, 10_010))
    (one,) = lane.of(Opportunity)
    assert (one.buy_instrument_id, one.sell_instrument_id) == (1, 2)
    assert (one.buy_price, one.sell_price, one.size) == (10_010, 10_050, 40)
    # 100.50 less 0.1 % is 100.3995, told down: 100.39; 100.10 and 0.1 % is 100.2001, told up: 100.21; times 0.040.
    assert one.edge == 18 * 40 * 10**3
    lane.take(touch(1, 9_990, 10_050))
    group = lane.actor(AggregatedBookActor).groups[0]
    assert (group.crossed, group.locked) == (1, 1)
    assert lane.of(Opportunity)[-1].edge < 0


@pytest.mark.parametrize(
    ("instruments", "params", "words"),
    [
        ((ONE, THREE), {"quote": "USD"}, "is quoted in USDT: name its worth in USD"),
        ((ONE, THREE), {"quote": "USD", "rates": {"USDT": "USDT/EUR"}}, "no instrument 'USDT/EUR'"),
        ((ONE, THREE), {"quote": "USD", "rates": {"USDT": "BTC/USD"}}, "no price of USDT in USD"),
    ],
)
def test_what_cannot_be_told_in_one_currency_is_refused(
    instruments: tuple[Instrument, ...], params: dict[str, object], words: str
) -> None:
    """Before the start, with the setting to change."""
    with pytest.raises(ValueError, match=words):
        AggregateLane(*instruments, params=params)


def test_settings_that_contradict_each_other_are_refused() -> None:
    """A currency has a rate or a parity, and either only with a common currency."""
    with pytest.raises(RuleBroken, match="a rate or a parity"):
        AggregatedBookParams(quote="USD", rates={"USDT": "USDT/USD"}, parity={"USDT": DecimalText("1")})
    for table in ({"rates": {"USD": "USD/USD"}}, {"parity": {"USD": DecimalText("2")}}):
        with pytest.raises(RuleBroken, match="another currency than quote"):
            AggregatedBookParams(quote="USD", **table)
    with pytest.raises(RuleBroken, match="a common currency"):
        AggregatedBookParams(parity={"USDT": DecimalText("1")})


def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been() -> None:
    """All it knows is in its state: the same messages follow from the same inputs."""
    check_declarations(AggregatedBookActor)
    params: dict[str, Any] = {"quote": "USD", "rates": {"USDT": "USDT/USD"}, "depth": 2}
    lane, other = (AggregateLane(ONE, TWO, THREE, RATE, params=params) for _ in range(2))
    lane.take(touch(1, 10_000, 10_010), touch(2, 10_050, 10_060), touch(3, 10_100, 10_110), touch(4, 9_990, 10_005))
    lane.take(DEPTH)
    actor = other.actor(AggregatedBookActor)
    actor.load(lane.actor(AggregatedBookActor).save())
    assert actor.save() == lane.actor(AggregatedBookActor).save()
    lane.forget()
    for one in (lane, other):
        one.take(touch(2, 10_049, 10_060), BookStateChanged(3, STALE, "silence", 0, 0))
        one.take(touch(3, 10_101, 10_110))
    assert lane.heard == other.heard
    assert len(lane.heard) > 4
