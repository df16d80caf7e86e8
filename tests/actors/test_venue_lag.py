"""The lag guard on the venue's times: against a plain model, on recorded frames, and with quotes that are pulled."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice, pairwise

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.venue_book import VenueBook
from actors.venue_book_params import VenueBookParams
from actors.venue_lag import STRETCH_NS, VenueLag
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    STALE,
    SYNCING,
    BookStateChanged,
    ConnectionUp,
    NewOrder,
    OrderCancelled,
    RawFrame,
    RunStarted,
    SnapshotWanted,
    TopOfBook,
)
from runtime.build_core import build_core
from tests.actors.trading_lane import (
    CONNECTION,
    INSTRUMENT_ID,
    MILLISECOND,
    SECOND,
    SESSION,
    STANDARD,
    START_NS,
    SimulatedLane,
    TradingLane,
    plan_of,
)
from tests.data import recordings
from tests.seeds import examples
from venues.binance import BinanceSpot

ENCODER = BinanceSpot().encoder("BTCUSDT", 2, 5)
LIMIT_NS = SECOND
MOST_64 = 2**63 - 1


# ---- the measure


def late_after(frames: list[tuple[int, int]], limit_ns: int = LIMIT_NS) -> list[tuple[int, bool]]:
    """Lateness and verdict after each frame, given as (venue time, receive time)."""
    lag = VenueLag(limit_ns)
    found = []
    for venue_ns, receive_ns in frames:
        lag.measure(venue_ns, receive_ns)
        found.append((int(lag.lateness_ns), lag.late))
    return found


def by_the_rule(frames: list[tuple[int, int]], limit_ns: int) -> list[tuple[int, bool]]:
    """The same by the words of the rule, from the whole past each time."""
    found: list[tuple[int, bool]] = []
    late = False
    for number, (venue_ns, receive_ns) in enumerate(frames, start=1):
        stretch = receive_ns // STRETCH_NS
        window = [frame for frame in frames[:number] if stretch - 1 <= frame[1] // STRETCH_NS <= stretch]
        lateness = receive_ns - venue_ns - min(received - written for written, received in window)
        if limit_ns > 0:
            late = lateness > limit_ns or (late and 2 * lateness >= limit_ns)
        found.append((lateness, late))
    return found


@st.composite
def timed_frames(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Frames of a venue whose clock is off by any amount, drifts and is set, with jitter and bursts after a stop."""
    offset_ns = draw(st.integers(-3_600, 3_600)) * SECOND
    drift = draw(st.integers(-200, 200))
    sent_ns = received_ns = START_NS
    frames = []
    for _ in range(draw(st.integers(1, 40))):
        sent_ns += draw(st.sampled_from([MILLISECOND, 100 * MILLISECOND, 10 * SECOND, 100 * SECOND, 2_000 * SECOND]))
        delay_ns = draw(st.integers(0, 100)) * MILLISECOND
        delay_ns += draw(st.sampled_from([0, 0, 0, 400 * MILLISECOND, 900 * MILLISECOND, 5 * SECOND]))
        # What is held up by one frame comes with it, all at once.
        received_ns = max(received_ns, sent_ns + delay_ns)
        if draw(st.integers(0, 19)) == 0:
            offset_ns += draw(st.integers(-30, 30)) * SECOND
        frames.append((sent_ns + offset_ns + (sent_ns - START_NS) * drift // 1_000_000, received_ns))
    return frames


@given(timed_frames(), st.sampled_from([0, 1, 500, 1_000, 60_000]), st.integers(-(10**6), 10**6))
@settings(max_examples=examples(150, 5_000), deadline=None)
def test_lateness_is_what_the_rule_says(frames: list[tuple[int, int]], limit_ms: int, off_seconds: int) -> None:
    """Each frame against the quickest of this stretch and the one before; an offset of the clocks changes nothing.

    Saving and loading at any moment changes nothing either.
    """
    limit_ns = limit_ms * MILLISECOND
    expected = by_the_rule(frames, limit_ns)
    assert late_after(frames, limit_ns) == expected
    assert late_after([(venue_ns + off_seconds * SECOND, at_ns) for venue_ns, at_ns in frames], limit_ns) == expected
    lag = VenueLag(limit_ns)
    for venue_ns, receive_ns in frames:
        lag.measure(venue_ns, receive_ns)
        saved = lag.save()
        lag = VenueLag(limit_ns)
        lag.load(saved)
    assert (lag.lateness_ns, lag.late) == expected[-1]
    assert lag.most_lateness_ns == max(lateness for lateness, _ in expected)
    verdicts = [False, *(late for _, late in expected)]
    assert lag.times_late == sum(now and not before for before, now in pairwise(verdicts))


def test_it_is_late_above_the_limit_and_in_time_below_half_of_it() -> None:
    """In between it stays what it was, so that a lateness about the limit does not flicker."""
    delays_ms = [0, 1_000, 1_001, 600, 500, 499, 1_000, 0]
    frames = [(START_NS + one * SECOND, START_NS + one * SECOND + ms * MILLISECOND) for one, ms in enumerate(delays_ms)]
    assert [late for _, late in late_after(frames)] == [False, False, True, True, True, False, False, False]


@pytest.mark.parametrize("venue_step_seconds", [-60, 60])
def test_a_venue_clock_that_was_set_is_forgotten_with_the_window(venue_step_seconds: int) -> None:
    """Set back, its frames seem late until the quicker ones are out of the window; set ahead, nothing is seen.

    A venue that was ahead for one frame only is forgotten in the same way.
    """
    begin_ns = START_NS // STRETCH_NS * STRETCH_NS
    for shift in ([0] * 100 + [venue_step_seconds] * 700, [0] * 100 + [-venue_step_seconds] + [0] * 699):
        frames = [
            (begin_ns + number * SECOND + seconds * SECOND, begin_ns + number * SECOND)
            for number, seconds in enumerate(shift)
        ]
        late = [verdict for _, verdict in late_after(frames)]
        after = late[101:]
        assert not any(late[:100])
        assert not any(late[600:])
        backward = shift[100] < 0 if shift[-1] else shift[100] > 0
        assert all(after[:499]) == backward
        assert any(after) == backward


def test_a_time_that_no_venue_has_does_no_harm() -> None:
    """The least and the largest times of 64 bits are measured without an overflow."""
    for one in (1, MOST_64):
        for other in (1, MOST_64):
            found = late_after([(one, START_NS), (other, START_NS + 1), (START_NS, START_NS + 2)])
            assert all(0 <= lateness <= MOST_64 for lateness, _ in found)


# ---- the book


class LateLane(TradingLane):
    """A venue book whose frames can be late."""

    def __init__(self, limit_ms: int = 1_000) -> None:
        params = VenueBookParams(dialect="venues.binance:BinanceSpot", max_venue_lag_ms=limit_ms)
        super().__init__(VenueBook, params={VenueBook: params})
        self.update_id = 100
        self.take(ConnectionUp(CONNECTION, 1))
        self.snapshot()

    def snapshot(self) -> None:
        """A book of 100.00 / 101.00; Binance writes no time into it."""
        body = ENCODER.snapshot(self.update_id, [(10_000, 5), (9_900, 7)], [(10_100, 6), (10_200, 8)])
        self.take(RawFrame(CONNECTION, FRAME_SNAPSHOT, INSTRUMENT_ID, self.now_ns, body))

    def depth(self, late_ms: int = 0, ahead_ms: int = 1_300) -> RawFrame:
        """A change of the book, late by so much, of a venue whose clock is ahead."""
        self.update_id += 1
        venue_ns = self.now_ns + (ahead_ms - late_ms) * MILLISECOND
        data = ENCODER.depth(venue_ns, self.update_id, self.update_id, [(9_900, self.update_id)], [])
        return RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, self.now_ns, data)

    def told(self) -> list[tuple[int, str]]:
        """The states that were told, with their causes."""
        return [(change.state, change.cause) for change in self.of(BookStateChanged)]

    def shown(self) -> tuple[object, object, object]:
        """What the summary says of lateness: now, at most, how often."""
        books = self.actor(VenueBook).summary()["books"]
        assert isinstance(books, dict)
        (book,) = books.values()
        return book["late_ms"], book["most_late_ms"], book["times_late"]


def live_lane(limit_ms: int = 1_000) -> LateLane:
    """One that has heard some frames in time."""
    lane = LateLane(limit_ms)
    for _ in range(3):
        lane.pass_ms(100)
        lane.take(lane.depth())
    lane.forget()
    return lane


def test_late_frames_make_the_book_stale_and_frames_in_time_live_again() -> None:
    """The state and its touch are told in the same step; the levels stay, and the summary counts."""
    lane = live_lane()
    lane.take(lane.depth(late_ms=1_000))
    assert lane.told() == []
    lane.take(lane.depth(late_ms=1_700))
    assert lane.told() == [(STALE, "late by 1700 ms")]
    (top,) = lane.of(TopOfBook)
    assert (top.state, top.bid_size) == (STALE, 5)
    lane.take(lane.depth(late_ms=500))
    assert len(lane.told()) == 1
    lane.take(lane.depth(late_ms=499))
    assert lane.told()[1:] == [(LIVE, "heard of again")]
    assert lane.of(TopOfBook)[-1].state == LIVE
    assert lane.shown() == (499, 1_700, 1)


def test_zero_switches_the_guard_off() -> None:
    """Lateness is then shown, and nothing is done about it."""
    lane = live_lane(limit_ms=0)
    lane.take(lane.depth(late_ms=60_000))
    assert lane.told() == []
    assert lane.shown() == (60_000, 60_000, 0)


def test_backlog_that_comes_at_once_ends_live() -> None:
    """What was held up comes in one read; its last frames are in time, and with them the book is LIVE."""
    lane = live_lane()
    lane.take(*(lane.depth(late_ms=late) for late in (2_000, 1_400, 800, 200)))
    assert [state for state, _ in lane.told()] == [STALE, LIVE]
    assert [top.state for top in lane.of(TopOfBook)] == []


def test_frames_without_a_time_of_the_venue_do_not_count() -> None:
    """A ticker and a snapshot say nothing of lateness, however long after the last event they come."""
    lane = live_lane()
    ticker = b'{"u":1,"s":"BTCUSDT","b":"100.00","B":"5","a":"101.00","A":"6"}'
    for _ in range(4):
        lane.pass_ms(700)
        lane.take(RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, lane.now_ns, ticker))
    lane.snapshot()
    assert lane.told() == []
    assert lane.shown() == (0, 0, 0)
    lane.take(lane.depth(ahead_ms=0, late_ms=lane.now_ns // MILLISECOND))
    assert lane.shown() == (0, 0, 0)


def test_frame_that_is_refused_leaves_the_time_of_the_book() -> None:
    """The touch goes on bearing the time of the last event that was understood."""
    lane = live_lane()
    venue_ns = lane.actor(VenueBook).books[0].decoder.venue_ns
    lane.take(RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, lane.now_ns, b'{"e":"depthUpdate","E":5}'))
    assert lane.actor(VenueBook).books[0].decoder.venue_ns == venue_ns > 0


def test_book_that_is_rebuilt_from_late_frames_is_not_live() -> None:
    """A gap and its snapshot do not hide that what comes is late; the first frame in time makes it LIVE."""
    lane = live_lane()
    lane.update_id += 5
    lane.take(lane.depth(late_ms=3_000))
    assert lane.told() == [(STALE, "out of order")]
    lane.pass_ms(200)
    assert lane.told()[1][0] == SYNCING
    lane.snapshot()
    assert lane.told()[2:] == [(STALE, "late by 3000 ms")]
    lane.take(lane.depth())
    assert lane.told()[3:] == [(LIVE, "heard of again")]


def test_new_run_measures_anew() -> None:
    """Another run may have another clock: what was quick in the one before says nothing."""
    lane = live_lane()
    lane.take(RunStarted(lane.now_ns, 2, "", ""))
    lane.take(ConnectionUp(CONNECTION, 2))
    lane.snapshot()
    lane.forget()
    lane.take(lane.depth(late_ms=30_000))
    assert lane.told() == []
    assert lane.shown() == (0, 0, 0)


# ---- recorded frames, and a whole lane


def recorded(count: int) -> Iterator[tuple[int, bytes]]:
    """Receive time and bytes of the first frames of a session whose venue's clock is 1.3 s ahead of the recorder's."""
    path = recordings() / "binance_hftbacktest" / "dev" / "spot_btcusdt_20240808.gz"
    if not path.exists():
        pytest.skip("no recording binance_hftbacktest/dev/spot_btcusdt_20240808.gz among the recordings")
    with gzip.open(path, "rb") as lines:
        for line in islice(lines, count):
            receive, _, data = line.rstrip().partition(b" ")
            yield int(receive), data


def lane_of_the_recording() -> TradingLane:
    """A venue book of an instrument whose sizes have as many digits as the recorded ones."""
    lane = TradingLane(VenueBook)
    fine = Instrument.from_text(
        instrument_id=INSTRUMENT_ID, symbol="BTC/USDT", venue="binance", venue_symbol="BTCUSDT", base="BTC",
        quote="USDT", kind="spot", tick="0.01", lot="0.00000001",
    )  # fmt: skip
    plan = attrs.evolve(plan_of((VenueBook,), {}), instruments=InstrumentTable([fine]))
    lane.core = build_core(plan, "main")
    lane.take(RunStarted(START_NS, SESSION, "", ""))
    lane.take(ConnectionUp(CONNECTION, 1))
    lane.forget()
    return lane


def test_healthy_recording_is_never_late() -> None:
    """Recorded frames with a clock that is off by more than the limit: no frame is late by a tenth of it."""
    lane = lane_of_the_recording()
    changes = 0
    for receive_ns, data in recorded(examples(6_000, 10**9)):
        lane.now_ns = max(lane.now_ns, receive_ns)
        kind = FRAME_SNAPSHOT if data.startswith(b'{"lastUpdateId"') else FRAME_STREAM
        lane.take(RawFrame(CONNECTION, kind, INSTRUMENT_ID, receive_ns, data))
        changes += kind == FRAME_STREAM
    (kept,) = lane.actor(VenueBook).books
    assert [change.state for change in lane.of(BookStateChanged)] == [LIVE]
    assert changes > 1_000
    assert kept.lag.times_late == 0
    assert -1_400 * MILLISECOND < min(kept.lag.least_ns, kept.lag.least_before_ns) < -1_200 * MILLISECOND
    assert 0 < kept.lag.most_lateness_ns < 100 * MILLISECOND


def test_quotes_are_pulled_while_the_feed_is_late_and_come_back() -> None:
    """The whole lane of the main job: a line that holds frames up for two seconds, and then no longer."""
    standard = STANDARD[VenueBook]
    assert isinstance(standard, VenueBookParams)
    lane = SimulatedLane(1, {VenueBook: attrs.evolve(standard, max_venue_lag_ms=1_000)})
    lane.run(200)
    assert lane.core.ledger.open_order_count() > 0
    waiting: list[tuple[int, list[bytes]]] = []
    late_ns = 0
    for read in range(1_200):
        lane.pass_ms(5)
        waiting.append((lane.now_ns, lane.line.step(lane.now_ns)))
        late_ns = 2 * SECOND if 100 <= read < 600 else 0
        arrived = [frames for sent_ns, frames in waiting if sent_ns + late_ns <= lane.now_ns]
        del waiting[: len(arrived)]
        if read == 100:
            lane.forget()
        at_ns = lane.now_ns
        lane.take(*(RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, at_ns, one) for some in arrived for one in some))
        stale = [change for change in lane.of(BookStateChanged) if change.state == STALE]
        if read in (550, 599):
            # Two seconds of nothing are less than the silence that makes a book stale: only the lateness does.
            assert [change.cause for change in stale] == ["late by 2000 ms"]
            assert lane.core.ledger.open_order_count() == 0
    cancelled = lane.of(OrderCancelled)
    assert cancelled
    assert lane.of(BookStateChanged)[-1].state == LIVE
    last = max(number for number, one in enumerate(lane.heard) if isinstance(one, BookStateChanged))
    assert any(isinstance(one, NewOrder) for one in lane.heard[last:])
    assert not any(isinstance(one, NewOrder) for one in between(lane, STALE, LIVE))
    assert lane.core.ledger.open_order_count() > 0
    assert lane.of(SnapshotWanted) == []
    assert lane.failures() == []


def between(lane: TradingLane, first: int, last: int) -> list[object]:
    """What was said after one state was told and before the other."""
    changes = [(number, one) for number, one in enumerate(lane.heard) if isinstance(one, BookStateChanged)]
    begin = next(number for number, one in changes if one.state == first)
    end = next(number for number, one in changes if number > begin and one.state == last)
    return list(lane.heard[begin:end])
