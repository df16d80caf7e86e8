"""Under faults of all kinds at once no book is ever LIVE and wrong, and every book recovers. Hours of it in a soak."""

from __future__ import annotations

from random import Random

import pytest

from actors.venue_book import VenueBook
from actors.venue_book_recovery import AUDIT
from market.messages import BUY, LIVE
from tests.actors.trading_lane import MILLISECOND
from tests.conformance.check_actor import check_save_and_load
from tests.seeds import SOAK, seeds
from tests.simulation.venue_speakers import (
    BinanceSpeaker,
    BybitSpeaker,
    CoinbaseSpeaker,
    DeepKrakenSpeaker,
    DeribitSpeaker,
    KrakenSpeaker,
    OkxSpeaker,
    UsdmSpeaker,
)
from tests.simulation.venue_truth import ALL_FAULTS, DeepTruth, Faults, Speaker, World

SPEAKERS: dict[str, type[Speaker]] = {
    "binance": BinanceSpeaker,
    "coinbase": CoinbaseSpeaker,
    "kraken": KrakenSpeaker,
    "bybit": BybitSpeaker,
    "okx": OkxSpeaker,
    "binance_usdm": UsdmSpeaker,
    "deribit": DeribitSpeaker,
}
# A step is 40 ms: half a minute; in a soak six minutes for each of many seeds, hours in all.
STEPS = 9_000 if SOAK else 700


def run(world: World, steps: int) -> None:
    """Faults, then none: nothing may be wrong meanwhile, and all must be well in the end."""
    world.run(steps)
    world.settle(20)
    world.check_trades()
    assert world.judged > steps // 2


@pytest.mark.parametrize("venue", SPEAKERS)
@pytest.mark.parametrize("seed", seeds(2, 12))
def test_no_book_is_live_and_wrong(venue: str, seed: int) -> None:
    """Every frame may be dropped, doubled, late, out of order or damaged, every connection lost or silent."""
    world = World({1: SPEAKERS[venue]()}, seed, ALL_FAULTS)
    run(world, STEPS)
    kept = world.book.books[0]
    assert sum(kept.legs[0].recovery.counts) > 0
    assert sum(world.injected.values()) > 5


@pytest.mark.parametrize("venue", SPEAKERS)
@pytest.mark.parametrize("fault", ["drop", "duplicate", "reorder", "corrupt", "disconnect", "stall", "delay"])
def test_every_fault_alone_is_survived(venue: str, fault: str) -> None:
    """Each kind of fault by itself, often."""
    share = 0.02 if fault in ("drop", "duplicate", "reorder", "corrupt") else 0.005
    world = World({1: SPEAKERS[venue]()}, 1, Faults(**{fault: share}))
    run(world, 400)
    assert world.injected[fault] > 0


@pytest.mark.parametrize("seed", seeds(2, 12))
def test_a_frame_that_nobody_can_read_is_never_passed_over(seed: int) -> None:
    """Below the levels of Kraken's checksum nothing would ever show that a change is missing: the book begins anew.

    Only frames that come damaged: of one that never comes at all nothing there could be known.
    """
    speaker = DeepKrakenSpeaker()
    world = World({1: speaker}, seed, Faults(corrupt=0.03, disconnect=0.001, delay=0.003))
    world.truth = DeepTruth(seed, speaker.depth)
    run(world, STEPS)
    assert world.injected["corrupt"] > 10


@pytest.mark.parametrize("venue", SPEAKERS)
@pytest.mark.parametrize("seed", seeds(1, 20))
def test_either_of_two_connections_may_be_lost_at_any_time(venue: str, seed: int) -> None:
    """Now one dies, now the other, for seconds: the book stays LIVE all the while and every trade is told, once."""
    speaker = SPEAKERS[venue]
    world = World({1: speaker(), 2: speaker()}, seed, Faults())
    draw = Random(seed)
    world.run(25)
    kept = world.book.books[0]
    first_trade = max(world.truth.trades, default=0)
    assert kept.state == LIVE
    changes = 0
    for _ in range(6):
        connection = world.connections[draw.choice((1, 2))]
        if draw.random() < 0.5:
            connection.disconnect(world.lane.now_ns, draw.randrange(40, 3_000) * MILLISECOND)
        else:
            connection.silent_until_ns = world.lane.now_ns + draw.randrange(500, 2_500) * MILLISECOND
        for _ in range(draw.randrange(1, 60)):
            world.run(1)
            changes += kept.state != LIVE
        # The next one dies only when this one is back, with its snapshot.
        while not all(leg.state == LIVE for leg in kept.legs) or world.lane.now_ns < connection.silent_until_ns:
            world.run(1)
            changes += kept.state != LIVE
        world.run(100)
    assert changes == 0
    world.settle(20)
    told = world.check_trades()
    assert {number for number in world.truth.trades if number > first_trade} <= told


@pytest.mark.parametrize("venue", SPEAKERS)
@pytest.mark.parametrize("seed", seeds(1, 6))
def test_two_damaged_connections_are_never_wrong(venue: str, seed: int) -> None:
    """Faults of all kinds on both: every leg is judged by itself, and what is shown is right."""
    world = World({1: SPEAKERS[venue](), 2: SPEAKERS[venue]()}, seed, ALL_FAULTS)
    run(world, STEPS // 3)


@pytest.mark.parametrize("venue", SPEAKERS)
def test_a_right_book_passes_every_audit(venue: str) -> None:
    """Under faults too: what the stream and the answer cannot both know is not compared."""
    world = World({1: SPEAKERS[venue]()}, 5, Faults(delay=0.003, drop=0.0005, lose_answer=0.1), audit_every_s=8)
    run(world, 2_000)
    audit = world.book.books[0].audit
    assert audit.done > 2
    # Of ten levels a side all change in the time that an audit takes.
    assert audit.levels > 0 or SPEAKERS[venue].depth == 10
    assert audit.differences == 0


@pytest.mark.parametrize("venue", SPEAKERS)
def test_a_saved_book_goes_on_as_if_nothing_had_been(venue: str) -> None:
    """Two damaged connections with audits: at any input, saving, loading and going on is going on."""
    speakers = {1: SPEAKERS[venue](), 2: SPEAKERS[venue]()}
    world = World(speakers, 7, ALL_FAULTS, audit_every_s=6)
    world.run(500)
    assert len(world.inputs) > 500
    places = range(7, len(world.inputs), 11 if SOAK else 283)
    check_save_and_load(world.another_core, VenueBook, world.inputs, places)


@pytest.mark.parametrize("venue", ["binance", "okx", "bybit", "coinbase"])
def test_an_audit_finds_what_no_rule_can_see(venue: str) -> None:
    """A size that is wrong in a book whose venue sends no checksum: lost after two audits, and right again."""
    world = World({1: SPEAKERS[venue]()}, 2, Faults(), audit_every_s=8)
    world.run(100)
    kept = world.book.books[0]
    counts = kept.legs[0].recovery.counts
    # It is the test that damages the book, so it must not judge it.
    world.judges = False
    for _ in range(40):
        # Far from the touch, where little changes.
        bids = kept.decoder.book.bids
        kept.decoder.book.set_level(BUY, bids.price(20), bids.size(20) + 1)
        world.run(250)
        if counts[AUDIT] > 0:
            break
    assert counts[AUDIT] == 1
    world.run(100)
    world.judges = True
    world.settle(20)
