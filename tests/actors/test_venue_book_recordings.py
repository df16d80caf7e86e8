"""The venue book over recordings of real venues: what it doubts of a book is never said of one that is right."""

from __future__ import annotations

import pytest

from actors.venue_book import VenueBook
from actors.venue_book_params import VenueBookParams
from market.dialect import BY_REQUEST
from market.instruments import Instrument, InstrumentTable
from market.messages import FRAME_STREAM, ConnectionUp, RawFrame, RunStarted
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from tests.actors.trading_lane import MILLISECOND, SESSION, TradingLane
from tests.runtime.lanes import node_of
from tests.seeds import SOAK
from tests.venues.verified import RECORDED, Recorded, records_of, surveyed
from venues.recordings import FRAME
from venues.registry import DIALECTS, venue_named

STREAMED = [one for one in RECORDED if venue_named(one.venue).recovery != BY_REQUEST]
FEW_RECORDS = None if SOAK else 6_000


class RecordedLane(TradingLane):
    """A lane of a venue book of everything that a recording names, over as many connections as it has."""

    def __init__(self, recorded: Recorded, quote_disagree_ms: int) -> None:
        venue, found = surveyed(recorded)
        self.numbers = {name: number for number, name in enumerate(found.symbols, start=1)}
        instruments = []
        for number, name in enumerate(found.all_symbols(), start=1):
            scales = found.scales[name]
            instruments.append(
                Instrument.from_text(
                    instrument_id=number, symbol=name, venue="recorded", venue_symbol=name, base=name, quote="USD",
                    kind="spot", tick=one_at(scales.price), lot=one_at(scales.size),
                )
            )  # fmt: skip
        settings = VenueBookParams(
            dialect=DIALECTS[recorded.venue], depth=venue.depth, connections=tuple(self.numbers.values()),
            max_venue_lag_ms=0, quote_disagree_ms=quote_disagree_ms,
        )  # fmt: skip
        ids = tuple(range(1, len(instruments) + 1))
        nodes = (node_of(VenueBook, 1, params=settings, instrument_ids=ids),)
        named = {one.symbol: one.instrument_id for one in instruments}
        plan = Blueprint(SystemConfig(), InstrumentTable(instruments), named, nodes, ())
        self.core = build_core(plan, "main")
        self.now_ns = found.first_ns
        self.core.take(RunStarted(self.now_ns, SESSION, "", ""), self.now_ns, True)
        for number in self.numbers.values():
            self.core.take(ConnectionUp(number, 1), self.now_ns, True)


def one_at(scale: int) -> str:
    """The smallest step at a scale, as text."""
    return "1" if scale == 0 else f"0.{'0' * (scale - 1)}1"


@pytest.mark.parametrize("recorded", STREAMED, ids=str)
def test_no_book_is_lost_for_the_venues_own_quotes(recorded: Recorded) -> None:
    """Not even with a bound of a tenth of what is usual; and nothing else is lost, but by silence of a quiet book."""
    lane = RecordedLane(recorded, quote_disagree_ms=100)
    for _, record in records_of(recorded, FEW_RECORDS):
        number = lane.numbers.get(record.connection)
        if record.kind == FRAME and number is not None:
            lane.pass_ms((record.receive_ns - lane.now_ns) / MILLISECOND)
            lane.core.take(RawFrame(number, FRAME_STREAM, 0, lane.now_ns, record.data), lane.now_ns, True)
    assert lane.failures() == []
    legs = lane.actor(VenueBook).legs
    assert any(leg.decoder.live for leg in legs)
    assert {cause for leg in legs for cause in leg.recovery.losses()} <= {"stall", "overflow"}
