"""The venue book: continuity, states, what it tells and when."""

from __future__ import annotations

from actors.venue_book import VenueBook
from market.messages import (
    BROKEN,
    BUY,
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    SELL,
    STALE,
    SYNCING,
    ActorFailed,
    ActorRestarted,
    BookStateChanged,
    ConnectionDown,
    ConnectionUp,
    PublicTrade,
    RawFrame,
    Rejected,
    RunStarted,
    SnapshotWanted,
    TopOfBook,
)
from tests.actors.trading_lane import CONNECTION, INSTRUMENT_ID, TradingLane
from venues.binance import BinanceSpot

Levels = list[tuple[int, int]]
ENCODER = BinanceSpot().encoder("BTCUSDT", 2, 5)


def stream(lane: TradingLane, data: bytes) -> RawFrame:
    """A frame of the stream, received now."""
    return RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, lane.now_ns, data)


def depth(lane: TradingLane, first: int, last: int, bids: Levels, asks: Levels) -> RawFrame:
    """A change of the book, received now."""
    return stream(lane, ENCODER.depth(lane.now_ns, first, last, bids, asks))


def snapshot(lane: TradingLane, update_id: int = 100) -> RawFrame:
    """A book of 100.00 / 101.00, received now."""
    body = ENCODER.snapshot(update_id, [(10_000, 5), (9_900, 7)], [(10_100, 6), (10_200, 8)])
    return RawFrame(CONNECTION, FRAME_SNAPSHOT, INSTRUMENT_ID, lane.now_ns, body)


def live_book() -> TradingLane:
    """A venue book that has its snapshot at id 100."""
    lane = TradingLane(VenueBook)
    lane.take(ConnectionUp(CONNECTION, 1))
    lane.take(snapshot(lane))
    return lane


def states(lane: TradingLane) -> list[int]:
    """The states that were told."""
    return [change.state for change in lane.of(BookStateChanged)]


def told(lane: TradingLane) -> list[tuple[type, int]]:
    """What was told of the book, in order, with the state it was told with."""
    news = [one for one in lane.heard if isinstance(one, BookStateChanged | TopOfBook)]
    return [(type(one), one.state) for one in news]


def test_new_connection_asks_for_a_snapshot_and_becomes_live() -> None:
    """A connection begins without a book, asks for one, and tells its touch once it has it."""
    lane = TradingLane(VenueBook)
    lane.take(ConnectionUp(CONNECTION, 1))
    assert len(lane.of(SnapshotWanted)) == 1
    assert lane.of(TopOfBook) == []
    lane.take(snapshot(lane))
    assert states(lane) == [LIVE]
    (top,) = lane.of(TopOfBook)
    assert (top.state, top.bid_price, top.bid_size, top.ask_price, top.ask_size) == (LIVE, 10_000, 5, 10_100, 6)


def test_touch_is_told_once_at_the_end_of_a_batch() -> None:
    """Several changes in one read give one touch; a change behind the touch gives none."""
    lane = live_book()
    lane.forget()
    lane.take(depth(lane, 101, 101, [(10_010, 1)], []), depth(lane, 102, 102, [(10_020, 2)], []))
    assert [top.bid_price for top in lane.of(TopOfBook)] == [10_020]
    lane.take(depth(lane, 103, 103, [(9_900, 9)], []))
    assert len(lane.of(TopOfBook)) == 1


def test_trade_is_told_at_once() -> None:
    """A trade is told before the touch of its batch, with the side that came to trade."""
    lane = live_book()
    lane.forget()
    trade = stream(lane, ENCODER.trade(lane.now_ns, 7, 10_000, 3, SELL))
    lane.take(trade, depth(lane, 101, 101, [(10_000, 2)], []))
    kinds = [type(message) for message in lane.heard if isinstance(message, PublicTrade | TopOfBook)]
    assert kinds == [PublicTrade, TopOfBook]
    (told,) = lane.of(PublicTrade)
    assert (told.trade_id, told.price, told.size, told.aggressor_side) == (7, 10_000, 3, SELL)


def test_gap_drops_the_book_and_asks_again() -> None:
    """With an event missing the book is STALE in the same step, soon SYNCING without levels, LIVE with a snapshot."""
    lane = live_book()
    lane.forget()
    lane.take(depth(lane, 105, 106, [(10_010, 1)], []))
    assert states(lane) == [STALE]
    lane.pass_ms(200)
    assert states(lane) == [STALE, SYNCING]
    assert len(lane.of(SnapshotWanted)) == 1
    assert [(top.state, top.bid_size) for top in lane.of(TopOfBook)] == [(STALE, 5), (SYNCING, 0)]
    lane.take(snapshot(lane, 105))
    assert states(lane) == [STALE, SYNCING, LIVE]
    assert lane.of(TopOfBook)[-1].bid_price == 10_010


def test_crossed_book_is_broken_until_a_snapshot() -> None:
    """A bid at or above the ask is never shown as a market."""
    lane = live_book()
    lane.forget()
    lane.take(depth(lane, 101, 101, [(10_100, 1)], []))
    assert states(lane) == [BROKEN]
    assert lane.of(TopOfBook)[-1].state == BROKEN
    lane.take(snapshot(lane, 101))
    assert states(lane) == [BROKEN, LIVE]


def test_silence_makes_it_stale_and_a_frame_live_again() -> None:
    """A book that hears nothing for long enough is STALE; it keeps its levels and is LIVE with the next event."""
    lane = live_book()
    lane.forget()
    lane.pass_ms(2_900)
    assert states(lane) == []
    lane.pass_ms(200)
    assert states(lane) == [STALE]
    assert lane.of(TopOfBook)[-1].bid_size == 5
    lane.take(depth(lane, 101, 101, [], [(10_200, 1)]))
    assert states(lane) == [STALE, LIVE]
    assert lane.of(TopOfBook)[-1].state == LIVE


def test_snapshot_that_does_not_come_is_asked_for_again() -> None:
    """A book without a snapshot never waits in silence."""
    lane = TradingLane(VenueBook)
    lane.take(ConnectionUp(CONNECTION, 1))
    lane.pass_ms(9_500)
    assert len(lane.of(SnapshotWanted)) == 4


def test_malformed_frame_is_rejected_and_the_book_goes_on() -> None:
    """Bytes that cannot be understood change nothing and are told with their reason and their beginning."""
    lane = live_book()
    lane.forget()
    lane.take(stream(lane, b'{"e":"depthUpdate","E":"soon"}'))
    (rejected,) = lane.of(Rejected)
    assert rejected.connection_id == CONNECTION
    assert rejected.data.startswith(b'{"e":"depthUpdate"')
    lane.take(depth(lane, 101, 101, [(10_010, 1)], []))
    assert lane.of(TopOfBook)[-1].bid_price == 10_010
    assert states(lane) == []


def test_frame_of_another_instrument_is_rejected() -> None:
    """A frame that names an instrument that is not kept is told, not applied; other connections are not ours."""
    lane = live_book()
    lane.forget()
    other = BinanceSpot().encoder("ETHUSDT", 2, 5).trade(lane.now_ns, 1, 100, 1, BUY)
    lane.take(RawFrame(CONNECTION, FRAME_STREAM, 0, lane.now_ns, other))
    assert len(lane.of(Rejected)) == 1
    lane.take(RawFrame(CONNECTION + 1, FRAME_STREAM, 0, lane.now_ns, other))
    assert len(lane.of(Rejected)) == 1
    ours = ENCODER.trade(lane.now_ns, 1, 10_000, 1, BUY)
    lane.take(RawFrame(CONNECTION, FRAME_STREAM, 0, lane.now_ns, ours))
    assert len(lane.of(PublicTrade)) == 1


def test_lost_connection_leaves_no_book() -> None:
    """Without a connection nothing is known."""
    lane = live_book()
    lane.forget()
    lane.take(ConnectionDown(CONNECTION, 1, "reset by peer"))
    assert states(lane) == [SYNCING]
    assert lane.of(TopOfBook)[-1].bid_size == 0


def test_restart_of_another_actor_hears_state_and_touch_again() -> None:
    """Whoever begins anew gets the present state, and then the touch, without waiting for a change of either."""
    lane = live_book()
    lane.forget()
    lane.take(ActorRestarted(2, 1))
    assert told(lane) == [(BookStateChanged, LIVE), (TopOfBook, LIVE)]
    assert [top.bid_price for top in lane.of(TopOfBook)] == [10_000]
    lane.pass_ms(3_100)
    lane.forget()
    lane.take(ActorRestarted(2, 2))
    assert told(lane) == [(BookStateChanged, STALE), (TopOfBook, STALE)]


def test_fresh_instance_of_a_failed_actor_knows_the_book() -> None:
    """Whoever failed and was made anew has heard state and touch of every book with the input that restarted it."""
    lane = live_book()
    before = lane.core.slots[-1].actor
    lane.take(ActorFailed(2, int(lane.core.sequence), 1, "test"))
    lane.take(depth(lane, 101, 101, [(10_010, 1)], []))
    lane.take(ActorRestarted(2, 1))
    assert lane.core.slots[-1].actor is not before
    assert told(lane) == [(BookStateChanged, LIVE), (TopOfBook, LIVE)]
    assert lane.of(TopOfBook)[0].bid_price == 10_010


def test_change_of_the_same_batch_is_told_in_the_same_order() -> None:
    """State first, then the touch: what is repeated for one that begins anew has the order of what is new."""
    lane = TradingLane(VenueBook)
    lane.take(ConnectionUp(CONNECTION, 1))
    lane.take(snapshot(lane))
    assert told(lane) == [(BookStateChanged, LIVE), (TopOfBook, LIVE)]


def test_own_restart_begins_without_a_book_and_says_so() -> None:
    """After a failure of its own it tells everyone that there is no book, and asks for a snapshot."""
    lane = live_book()
    lane.forget()
    lane.take(ActorRestarted(1, 1))
    assert states(lane)[0] == SYNCING
    assert lane.of(TopOfBook)[0].state == SYNCING
    assert len(lane.of(SnapshotWanted)) == 1
    lane.take(snapshot(lane, 200))
    assert lane.of(TopOfBook)[-1].state == LIVE


def test_share_of_live_time_is_told() -> None:
    """The summary says how much of the time since the run began the book was LIVE, and a new run measures anew."""
    lane = TradingLane(VenueBook)
    lane.take(RunStarted(lane.now_ns, 1, "", ""))
    lane.take(ConnectionUp(CONNECTION, 1))
    lane.pass_ms(250)
    lane.take(snapshot(lane))
    lane.pass_ms(750)
    lane.take(depth(lane, 101, 101, [(9_950, 1)], []))
    assert live_percent(lane) == "75.0"
    lane.take(ConnectionDown(CONNECTION, 1, "test"))
    lane.pass_ms(500)
    lane.take(ConnectionUp(CONNECTION, 2))
    assert live_percent(lane) == "50.0"
    lane.take(RunStarted(lane.now_ns, 2, "", ""))
    assert live_percent(lane) == "0.0"


def live_percent(lane: TradingLane) -> str:
    """What the summary says of the one book."""
    books = lane.actor(VenueBook).summary()["books"]
    assert isinstance(books, dict)
    (book,) = books.values()
    return str(book["live_percent"])
