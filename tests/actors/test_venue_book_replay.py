"""The venue book and what waited for a snapshot: replayed step by step, each an input, with everything else between."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from actors.venue_book import VenueBook
from actors.venue_book_keeper import REPLAY
from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    BookStateChanged,
    ConnectionDown,
    ConnectionUp,
    PublicTrade,
    RawFrame,
    SnapshotWanted,
    TimerFired,
    TopOfBook,
)
from runtime.build_core import build_core
from runtime.lane_core import LaneCore
from tests.actors.trading_lane import CONNECTION, INSTRUMENT_ID, MILLISECOND, START_NS, TradingLane, plan_of
from tests.conformance.check_actor import Input, check_save_and_load
from venues.binance import BinanceSpot

ENCODER = BinanceSpot().encoder("BTCUSDT", 2, 5)
FIRST = 101


def frame(data: bytes, now_ns: int, kind: int = FRAME_STREAM) -> RawFrame:
    """A frame of the instrument."""
    return RawFrame(CONNECTION, kind, INSTRUMENT_ID, now_ns, data)


def change(update_id: int) -> bytes:
    """A change of 300 bids, of which the best is told by its size."""
    return ENCODER.depth(START_NS, update_id, update_id, [(10_000 - place, update_id) for place in range(300)], [])


def snapshot(update_id: int = FIRST - 1) -> bytes:
    """A small book."""
    return ENCODER.snapshot(update_id, [(9_000, 1)], [(10_001, 6)])


def replaying(events: int = 20) -> TradingLane:
    """A venue book whose snapshot has come, with so many events to replay."""
    lane = TradingLane(VenueBook)
    lane.take(ConnectionUp(CONNECTION, 1))
    for update_id in range(FIRST, FIRST + events):
        lane.take(frame(change(update_id), lane.now_ns))
    lane.forget()
    lane.take(frame(snapshot(), lane.now_ns, FRAME_SNAPSHOT))
    return lane


def step(lane: TradingLane) -> bool:
    """Let the next step's timer fire; false when there is none."""
    first = lane.core.timers.first()
    assert first is not None
    due_ns, actor_id, timer_id = first
    if timer_id != REPLAY:
        return False
    assert due_ns > lane.now_ns
    lane.now_ns = due_ns
    lane.take(TimerFired(actor_id, timer_id, due_ns))
    return True


def test_it_is_live_with_the_last_step_and_says_nothing_before() -> None:
    """Trades and events that come between the steps are taken; the events are applied behind the others."""
    lane = replaying()
    assert lane.of(BookStateChanged) == lane.of(TopOfBook) == []
    assert step(lane)
    lane.take(frame(ENCODER.trade(START_NS, 7, 10_000, 5, 1), lane.now_ns))
    lane.take(frame(change(FIRST + 20), lane.now_ns))
    assert [trade.trade_id for trade in lane.of(PublicTrade)] == [7]
    steps = 1
    while step(lane):
        steps += 1
    assert steps > 10
    assert [(told.state, told.cause) for told in lane.of(BookStateChanged)] == [(LIVE, "snapshot applied")]
    assert [(top.bid_price, top.bid_size, top.update_id) for top in lane.of(TopOfBook)] == [
        (10_000, FIRST + 20, FIRST + 20)
    ]
    assert lane.of(SnapshotWanted) == []


def test_a_gap_among_them_asks_for_another_snapshot() -> None:
    """As it would have been all at once; not immediately, for the first attempt has failed."""
    lane = replaying(3)
    lane.take(frame(change(FIRST + 9), lane.now_ns))
    while step(lane):
        pass
    assert lane.of(SnapshotWanted) == []
    lane.pass_ms(250)
    assert len(lane.of(SnapshotWanted)) == 1
    assert "are missing" in lane.of(SnapshotWanted)[0].cause
    assert lane.of(BookStateChanged) == []
    lane.take(frame(snapshot(FIRST + 8), lane.now_ns, FRAME_SNAPSHOT))
    while step(lane):
        pass
    assert [told.state for told in lane.of(BookStateChanged)] == [LIVE]


def test_a_lost_connection_ends_it() -> None:
    """The timer that is left finds nothing to do, and nothing of the old book is ever shown."""
    lane = replaying()
    step(lane)
    lane.take(ConnectionDown(CONNECTION, 1, "gone"))
    assert step(lane)
    assert not step(lane)
    assert lane.of(BookStateChanged) == []
    assert all(top.bid_size == 0 for top in lane.of(TopOfBook))
    assert lane.failures() == []


def make_core() -> LaneCore:
    """A venue book with a spy behind it."""
    return build_core(plan_of((VenueBook,), {}), "main")


def inputs() -> Iterator[Input]:
    """Events that wait, a snapshot, the steps of the replay and events between them, and a second time after a gap."""
    times = count(START_NS, MILLISECOND)
    yield ConnectionUp(CONNECTION, 1), next(times), True
    for update_id in range(FIRST, FIRST + 8):
        now_ns = next(times)
        yield frame(change(update_id), now_ns), now_ns, True
    for round_number in range(2):
        now_ns = next(times)
        yield frame(snapshot(FIRST - 1 + 20 * round_number), now_ns, FRAME_SNAPSHOT), now_ns, True
        for number in range(6):
            yield TimerFired(1, REPLAY, now_ns + 1), now_ns + 1, True
            now_ns = next(times)
            yield frame(change(FIRST + 8 + number + 12 * round_number), now_ns), now_ns, True


def test_it_is_saved_and_loaded_between_the_steps() -> None:
    """A venue book loaded in the midst of a replay says the same as one that was never stopped."""
    recorded = list(inputs())
    check_save_and_load(make_core, VenueBook, recorded, range(len(recorded)))
