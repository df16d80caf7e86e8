"""The venue book and large frames: pieces count as one frame, at their end, and never show a book that is not right."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.venue_book import VenueBook
from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    STALE,
    SYNCING,
    BookStateChanged,
    ConnectionDown,
    ConnectionUp,
    Message,
    PublicTrade,
    RawFrame,
    Rejected,
    SnapshotWanted,
    TopOfBook,
)
from runtime.build_core import build_core
from runtime.lane_core import LaneCore
from tests.actors.trading_lane import CONNECTION, INSTRUMENT_ID, MILLISECOND, START_NS, TradingLane, plan_of
from tests.conformance.check_actor import Input, check_save_and_load
from tests.seeds import examples
from venues.binance import BinanceSpot
from venues.framing import KEPT_BYTES, frames_of

DIALECT = BinanceSpot()
ENCODER = DIALECT.encoder("BTCUSDT", 2, 5)
Levels = list[tuple[int, int]]


def frames(
    data: bytes, kind: int, now_ns: int, most_bytes: int = 400, instrument_id: int = INSTRUMENT_ID
) -> list[RawFrame]:
    """A frame as a service would send it, cut as small as is asked for."""
    return frames_of(DIALECT, CONNECTION, kind, instrument_id, now_ns, data, most_bytes)


def snapshot_data(update_id: int = 100, levels: int = 40) -> bytes:
    """A book around 100.00 with so many levels a side."""
    bids = [(10_000 - place, 5 + place) for place in range(levels)]
    return ENCODER.snapshot(update_id, bids, [(10_001 + place, 6 + place) for place in range(levels)])


def change_data(first: int, last: int, best_bid: int = 9_999) -> bytes:
    """A change that deletes down to a bid and touches many levels."""
    bids = [(10_000 - place, 0 if 10_000 - place > best_bid else 50 + place) for place in range(30)]
    return ENCODER.depth(START_NS, first, last, bids, [(10_001 + place, 60) for place in range(10)])


def waiting() -> TradingLane:
    """A venue book that waits for its first snapshot."""
    lane = TradingLane(VenueBook)
    lane.take(ConnectionUp(CONNECTION, 1))
    lane.forget()
    return lane


def live() -> TradingLane:
    """A venue book that has it."""
    lane = waiting()
    take(lane, frames(snapshot_data(), FRAME_SNAPSHOT, lane.now_ns, 100_000))
    lane.forget()
    return lane


def take(lane: TradingLane, pieces: list[RawFrame]) -> None:
    """Each piece is a batch of its own."""
    for piece in pieces:
        lane.take(piece)


def states(lane: TradingLane) -> list[int]:
    """The states that were told."""
    return [change.state for change in lane.of(BookStateChanged)]


def heard(lane: TradingLane) -> list[Message]:
    """What the lane's venue book said."""
    told = (TopOfBook, PublicTrade, BookStateChanged, SnapshotWanted, Rejected)
    return [message for message in lane.heard if isinstance(message, told)]


def test_a_snapshot_in_pieces_is_live_with_the_last() -> None:
    """Until then nothing is told; then the same as for the whole."""
    lane, whole = waiting(), waiting()
    pieces = frames(snapshot_data(), FRAME_SNAPSHOT, lane.now_ns)
    assert len(pieces) > 5
    take(lane, pieces[:-1])
    assert heard(lane) == []
    take(lane, pieces[-1:])
    take(whole, frames(snapshot_data(), FRAME_SNAPSHOT, lane.now_ns, 100_000))
    assert states(lane) == [LIVE]
    assert heard(lane) == heard(whole)
    assert lane.actor(VenueBook).save() == whole.actor(VenueBook).save()


def test_trades_are_told_between_the_pieces() -> None:
    """What comes between is not held up, and no touch is told before the last piece of a change."""
    lane = live()
    pieces = frames(change_data(101, 101, 9_990), FRAME_STREAM, lane.now_ns)
    trade = RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, lane.now_ns, ENCODER.trade(lane.now_ns, 1, 10_000, 1, 1))
    take(lane, [pieces[0], trade, *pieces[1:-1]])
    assert [type(message) for message in heard(lane)] == [PublicTrade]
    take(lane, pieces[-1:])
    assert [top.bid_price for top in lane.of(TopOfBook)] == [9_990]


def test_a_lost_piece_is_rejected_once_and_the_snapshot_asked_for_again() -> None:
    """The book waits on, in no state but SYNCING, and the next snapshot is taken."""
    lane = waiting()
    pieces = frames(snapshot_data(), FRAME_SNAPSHOT, lane.now_ns)
    take(lane, [*pieces[:2], *pieces[3:]])
    (rejected,) = lane.of(Rejected)
    assert rejected.reason == f"piece 4 of {len(pieces)} came where 3 of {len(pieces)} was due"
    assert states(lane) == []
    lane.pass_ms(7_000)
    assert len(lane.of(SnapshotWanted)) >= 1
    take(lane, frames(snapshot_data(), FRAME_SNAPSHOT, lane.now_ns))
    assert states(lane) == [LIVE]


def test_a_lost_connection_forgets_the_pieces() -> None:
    """What is left of the frame after it is told once and never becomes a book."""
    lane = waiting()
    pieces = frames(snapshot_data(), FRAME_SNAPSHOT, lane.now_ns)
    take(lane, pieces[:3])
    lane.take(ConnectionDown(CONNECTION, 1, "test"))
    lane.take(ConnectionUp(CONNECTION, 2))
    take(lane, pieces[3:])
    assert len(lane.of(Rejected)) == 1
    assert LIVE not in states(lane)
    assert not lane.actor(VenueBook).books[0].decoder.live


def test_pieces_that_name_no_instrument_follow_the_first_one() -> None:
    """The first piece names it; those of an instrument that is not kept are rejected once."""
    lane = live()
    take(lane, frames(change_data(101, 101, 9_980), FRAME_STREAM, lane.now_ns, instrument_id=0))
    assert [top.bid_price for top in lane.of(TopOfBook)] == [9_980]
    other = change_data(102, 102).replace(b"BTCUSDT", b"ETHUSDT").replace(b"btcusdt", b"ethusdt")
    pieces = frames(other, FRAME_STREAM, lane.now_ns, instrument_id=0)
    take(lane, pieces)
    take(lane, pieces[1:])
    assert len(lane.of(Rejected)) == 1
    take(lane, frames(change_data(102, 102, 9_970), FRAME_STREAM, lane.now_ns, instrument_id=0))
    assert lane.of(TopOfBook)[-1].bid_price == 9_970


def test_a_frame_that_is_too_large_is_rejected_with_its_beginning() -> None:
    """It changes nothing; what it held is missed by the venue's own numbers with the next event."""
    lane = live()
    data = change_data(101, 101).replace(b'"],["', b'"] ,["') + b" " * 50_000
    (left,) = frames(data, FRAME_STREAM, lane.now_ns, 16_384)
    assert left.data == data[:KEPT_BYTES]
    lane.take(left)
    (rejected,) = lane.of(Rejected)
    assert "too large" in rejected.reason
    assert data.startswith(rejected.data)
    lane.take(*frames(change_data(102, 102), FRAME_STREAM, lane.now_ns, 100_000))
    lane.pass_ms(200)
    assert states(lane) == [STALE, SYNCING]


@given(data=st.data())
@settings(max_examples=examples(40, 1_000), deadline=None)
def test_whatever_is_cut_the_book_says_the_same(data: st.DataObject) -> None:
    """A run of snapshots and changes, some malformed or lost, cut and whole: the same messages in the same order."""
    whole, cut = waiting(), waiting()
    update_id = 100
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.integers(0, 2)) == 0:
            frame, kind = snapshot_data(update_id, data.draw(st.integers(2, 40))), FRAME_SNAPSHOT
        else:
            update_id += data.draw(st.integers(1, 2))
            frame, kind = change_data(update_id, update_id, data.draw(st.integers(9_975, 10_000))), FRAME_STREAM
        if data.draw(st.integers(0, 5)) == 0:
            frame = frame.replace(b'0"]', b'x"]', 1)
        whole.take(*frames(frame, kind, whole.now_ns, 100_000))
        take(cut, frames(frame, kind, cut.now_ns, data.draw(st.integers(150, 2_000))))
    assert [comparable(message) for message in heard(cut)] == [comparable(message) for message in heard(whole)]
    assert cut.actor(VenueBook).books[0].decoder.book.save() == whole.actor(VenueBook).books[0].decoder.book.save()


def comparable(message: Message) -> object:
    """A message to compare; what is wrong with a frame is worded for what was looked at."""
    return Rejected if isinstance(message, Rejected) else message


def make_core() -> LaneCore:
    """A venue book with a spy behind it."""
    return build_core(plan_of((VenueBook,), {}), "main")


def inputs() -> Iterator[Input]:
    """Pieces of snapshots and of changes between each other, one frame refused half way, one left unfinished."""
    now_ns = START_NS
    snapshot = frames(snapshot_data(), FRAME_SNAPSHOT, now_ns)
    change = frames(change_data(101, 101, 9_990), FRAME_STREAM, now_ns, instrument_id=0)
    late = frames(change_data(102, 102, 9_980), FRAME_STREAM, now_ns)
    again = frames(snapshot_data(102), FRAME_SNAPSHOT, now_ns)
    messages: list[Message] = [ConnectionUp(CONNECTION, 1), *snapshot[:3], *change[:2], *snapshot[3:], *change[2:]]
    messages += [*again[:2], *late[:2], *again[3:], *late[2:], *again[:4]]
    for message in messages:
        now_ns += MILLISECOND
        yield message, now_ns, True


def test_it_is_saved_and_loaded_between_the_pieces() -> None:
    """At every input of such a run, saving, loading and going on is going on."""
    recorded = list(inputs())
    check_save_and_load(make_core, VenueBook, recorded, range(len(recorded)))
