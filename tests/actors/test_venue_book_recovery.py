"""The venue book when things go wrong: causes, routers, patience, several connections, the audit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from actors.venue_book import VenueBook
from actors.venue_book_notes import MOST_FRAMES, MOST_NAMES, MOST_TRADES, SeenTrades
from actors.venue_book_params import VenueBookParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    BROKEN,
    FRAME_AUDIT,
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    STALE,
    STATUS_HALTED,
    SYNCING,
    AuditWanted,
    BookAudited,
    BookGap,
    BookRecovered,
    BookSnapshot,
    BookStateChanged,
    ConnectionDown,
    ConnectionUp,
    FeedSwitched,
    InstrumentStatus,
    PublicTrade,
    RawFrame,
    Rejected,
    RunStarted,
    SnapshotWanted,
    TopOfBook,
)
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.errors import RuleBroken
from runtime.config.model import SystemConfig
from tests.actors.trading_lane import SESSION, START_NS, Spy, TradingLane
from tests.runtime.lanes import node_of

SCRIPT = "tests.actors.venue_book_script:"


class ScriptedLane(TradingLane):
    """A lane of a venue book of two instruments, A and B, whose venue speaks as the script says."""

    def __init__(self, dialect: str = "Scripted", **params: object) -> None:
        instruments = [
            Instrument.from_text(
                instrument_id=number, symbol=f"{name}/USD", venue="scripted", venue_symbol=name, base=name, quote="USD",
                kind="spot", tick="1", lot="1", minimum_size="1", minimum_notional="0", maker_fee_bps="0",
                taker_fee_bps="0",
            )
            for number, name in enumerate("AB", start=1)
        ]  # fmt: skip
        settings: dict[str, Any] = {"dialect": SCRIPT + dialect, "max_venue_lag_ms": 0, **params}
        nodes = (
            node_of(VenueBook, 1, params=VenueBookParams(**settings), instrument_ids=(1, 2)),
            node_of(Spy, 2, instrument_ids=(1, 2)),
        )
        plan = Blueprint(SystemConfig(), InstrumentTable(instruments), {"a": 1, "b": 2}, nodes, ())
        self.core = build_core(plan, "main")
        self.now_ns = START_NS
        self.core.take(RunStarted(START_NS, SESSION, "", ""), START_NS, True)

    def up(self, *connections: int) -> None:
        """Connections are up."""
        for number in connections or (1,):
            self.take(ConnectionUp(number, 1))

    def say(self, *frames: str, connection: int = 1, kind: int = FRAME_STREAM, instrument_id: int = 0) -> None:
        """Frames come, each in a batch of its own."""
        for frame in frames:
            self.take(RawFrame(connection, kind, instrument_id, self.now_ns, frame.encode()))

    def answer(self, frame: str, connection: int = 1, instrument_id: int = 1) -> None:
        """The answer to a request for a snapshot comes."""
        self.say(frame, connection=connection, kind=FRAME_SNAPSHOT, instrument_id=instrument_id)

    def states(self, instrument_id: int = 1) -> list[int]:
        """The states that were told of a book."""
        return [told.state for told in self.of(BookStateChanged) if told.instrument_id == instrument_id]

    def asked(self) -> list[tuple[int, int]]:
        """For which snapshots it asked: connection and instrument."""
        return [(one.connection_id, one.instrument_id) for one in self.of(SnapshotWanted)]

    def told(self) -> dict[str, Any]:
        """What the summary says of A."""
        books = self.actor(VenueBook).summary()["books"]
        assert isinstance(books, dict)
        found = books["A/USD"]
        assert isinstance(found, dict)
        return found


def live(dialect: str = "Scripted", **params: object) -> ScriptedLane:
    """Both books are LIVE, and healthy."""
    lane = ScriptedLane(dialect, **params)
    for line in lane.actor(VenueBook).lines:
        if line.has_books:
            lane.up(line.connection_id)
            lane.say("A snapshot id=10", "B snapshot id=20", connection=line.connection_id)
    lane.forget()
    return lane


@pytest.mark.parametrize(
    ("frame", "state", "cause"),
    [
        ("A gap", SYNCING, "gap"),
        ("A bad_checksum", SYNCING, "checksum"),
        ("A change bid=110", BROKEN, "crossed"),
        ("A quoted id=10 bid=99 ask=110", BROKEN, "best bid/ask"),
    ],
)
def test_each_way_to_lose_a_book(frame: str, state: int, cause: str) -> None:
    """It is empty in the same step, counted and told with its cause, asked for once, timed; the other book stays."""
    lane = live()
    lane.say(frame)
    assert lane.states() == [state]
    assert lane.states(2) == []
    assert [gap.cause for gap in lane.of(BookGap)] == [cause]
    assert lane.asked() == [(1, 1)]
    assert [(top.instrument_id, top.bid_size) for top in lane.of(TopOfBook)] == [(1, 0)]
    lane.say("A change bid=101")
    assert lane.states() == [state]
    lane.pass_ms(40)
    lane.answer("A snapshot id=12")
    assert lane.states() == [state, LIVE]
    (recovered,) = lane.of(BookRecovered)
    assert (recovered.outage_ns, recovered.attempts) == (40_000_000, 1)
    assert lane.told()["losses"] == {cause: 1}


def test_a_quote_of_another_update_says_nothing() -> None:
    """Only at the same update id the touch must be the venue's; one that agrees is counted."""
    lane = live()
    lane.say("A quoted id=0 bid=1 ask=2", "A quoted id=9 bid=1 ask=2", "A quoted id=10 bid=100 ask=110")
    assert lane.states() == []
    assert lane.told()["quotes_agreed"] == 1


def test_what_is_out_of_order_is_waited_for_but_not_long() -> None:
    """STALE while something is missing; LIVE when it comes; lost when it does not come in time."""
    lane = live()
    lane.say("A held")
    lane.pass_ms(150)
    lane.say("A change bid=101")
    lane.pass_ms(1_000)
    assert lane.states() == [STALE, LIVE]
    lane.say("A held")
    lane.pass_ms(199)
    assert lane.states() == [STALE, LIVE, STALE]
    lane.pass_ms(1)
    assert lane.states() == [STALE, LIVE, STALE, SYNCING]
    assert lane.asked() == [(1, 1)]


def test_what_goes_on_does_not_lengthen_the_wait() -> None:
    """A frame that is held and fits nowhere is lost in its time, whatever else comes meanwhile."""
    lane = live()
    lane.say("A held")
    for _ in range(10):
        lane.pass_ms(50)
        lane.say("A change bid=99 holding=1")
    assert lane.states() == [STALE, SYNCING]


def test_signs_of_life_keep_a_quiet_book() -> None:
    """A heartbeat of the connection is heard by every book, a trade by its own; unknown messages say nothing."""
    lane = live("ScriptedStream")
    for _ in range(5):
        lane.pass_ms(2_000)
        lane.say("* alive")
    assert lane.states() == lane.states(2) == []
    lane.pass_ms(2_000)
    lane.say("A traded id=7", "* unknown_type")
    lane.pass_ms(1_100)
    assert lane.states() == []
    assert lane.states(2) == [STALE]


def test_lost_messages_of_a_connection_void_its_books() -> None:
    """Every book of it, and one new connection for all of them; by subscription one request for each."""
    lane = live("ScriptedLine")
    lane.say("! whatever")
    assert lane.states() == lane.states(2) == [SYNCING]
    assert lane.asked() == [(1, 1)]
    lane = live("ScriptedStream")
    lane.say("! whatever")
    assert lane.states() == lane.states(2) == [SYNCING]
    assert lane.asked() == [(1, 1), (1, 2)]


def test_a_frame_that_nobody_can_read_voids_a_book_without_numbers_of_its_own() -> None:
    """Its number counted for the connection, so that no later one would show that something is missing."""
    lane = live("ScriptedStream")
    lane.say("A bad")
    assert lane.states() == [SYNCING]
    assert lane.states(2) == []
    lane = live()
    lane.say("A bad")
    assert lane.states() == []


def test_frames_that_do_nothing_are_counted_and_shown() -> None:
    """Malformed ones with the last few of them, unknown types by name, what was passed over; all bounded."""
    lane = live("ScriptedStream")
    lane.say("? old", "A unknown_type", *(f"* bad {number}" for number in range(20)))
    told = lane.actor(VenueBook).summary()
    assert told["malformed"] == 20
    frames = told["malformed_frames"]
    assert isinstance(frames, list)
    assert len(frames) == MOST_FRAMES
    assert frames[-1]["frame"] == "* bad 19"
    assert len(lane.of(Rejected)) == 20
    assert told["passed_over"] == {"scripted ?": 1}
    assert told["unknown_types"] == {"scripted unknown_type": 1}
    names = lane.actor(VenueBook).oddities.unknown
    for number in range(2 * MOST_NAMES):
        names.count("x" * (number + 1))
        names.count(f"y{number}")
    assert len(names.counts) == MOST_NAMES + 1


def test_a_status_is_told() -> None:
    """What the venue says of an instrument goes on as a message."""
    lane = live()
    lane.say(f"A status status={STATUS_HALTED}")
    assert [(one.instrument_id, one.status) for one in lane.of(InstrumentStatus)] == [(1, STATUS_HALTED)]


def test_repeated_failure_waits_longer_and_ends_in_broken() -> None:
    """The first request goes out at once, each later one after twice the time; BROKEN until it is LIVE, trying on."""
    lane = live(retry_most_ms=2_000)
    times: list[int] = []
    for _ in range(7):
        lane.say("A gap")
        while len(lane.asked()) == len(times):
            lane.pass_ms(1)
        times.append(lane.now_ns)
        lane.answer("A snapshot id=12")
    waits = [round((later - earlier) / 1e6) for earlier, later in pairwise(times)]
    assert waits == [250, 500, 1_000, 2_000, 2_000, 2_000]
    assert lane.states() == [SYNCING, LIVE] * 5 + [SYNCING, BROKEN, LIVE] * 2
    for _ in range(6):
        lane.pass_ms(1_000)
        lane.say("A change bid=99")
    asked = len(lane.asked())
    lane.say("A gap")
    assert len(lane.asked()) == asked + 1


def test_a_broken_book_goes_on_trying() -> None:
    """Without any answer it is BROKEN after a while, asks on, and is LIVE with the first snapshot."""
    lane = live()
    lane.say("A gap")
    lane.pass_ms(60_000)
    assert lane.states() == [SYNCING, BROKEN]
    asked = len(lane.asked())
    lane.pass_ms(60_000)
    assert lane.states() == [SYNCING, BROKEN]
    assert len(lane.asked()) > asked
    lane.answer("A snapshot id=12")
    assert lane.states()[-1] == LIVE
    (recovered,) = lane.of(BookRecovered)
    assert recovered.outage_ns == 120_000_000_000
    assert recovered.attempts == len([one for one in lane.asked() if one[1] == 1])


def test_nothing_is_asked_of_a_lost_connection() -> None:
    """While it is down there is nobody to ask; when it is up again, one request for each book."""
    lane = live()
    lane.take(ConnectionDown(1, 1, "test"))
    lane.pass_ms(30_000)
    assert lane.asked() == []
    lane.say("A snapshot id=50")
    assert LIVE not in lane.states()
    lane.up()
    assert lane.asked() == [(1, 1), (1, 2)]


def test_one_of_two_connections_may_be_lost_unnoticed() -> None:
    """No state changes, the switch is told, and the touch is that of the other one."""
    lane = live(connections=(1, 2))
    lane.say("A change bid=101 id=11")
    lane.take(ConnectionDown(1, 1, "test"))
    assert lane.states() == []
    (switched, _) = lane.of(FeedSwitched)
    assert (switched.lost_connection_id, switched.leading_connection_id) == (1, 2)
    assert [top.bid_price for top in lane.of(TopOfBook)] == [101, 100]
    lane.take(ConnectionDown(2, 1, "test"))
    assert lane.states() == [SYNCING]
    assert lane.of(FeedSwitched)[-1].leading_connection_id == 0
    lane.up(2)
    lane.answer("A snapshot id=30", connection=2)
    assert lane.states() == [SYNCING, LIVE]


def test_the_first_arrival_is_shown_where_numbers_can_be_compared() -> None:
    """Each change is told when the quicker connection brings it, and not again; by turns is no news."""
    lane = live(connections=(1, 2))
    lane.say("A change bid=101 id=11", connection=2)
    lane.say("A change bid=101 id=11", connection=1)
    lane.say("A change bid=102 id=12", connection=1)
    lane.say("A change bid=102 id=12", connection=2)
    assert [top.bid_price for top in lane.of(TopOfBook)] == [101, 102]
    assert lane.of(FeedSwitched) == []
    assert lane.told()["switches"] == 2


def test_without_numbers_the_leader_stays() -> None:
    """What the other connection brings is shown only when the leader is lost."""
    lane = live("ScriptedStream", connections=(1, 2))
    lane.say("A change bid=103", connection=2)
    assert lane.of(TopOfBook) == []
    lane.say("A gap", connection=1)
    assert lane.states() == []
    assert [top.bid_price for top in lane.of(TopOfBook)] == [103]
    lane.say("A snapshot bid=104", connection=1)
    assert [top.bid_price for top in lane.of(TopOfBook)] == [103]


def test_trades_are_told_once_over_all_connections() -> None:
    """Also those of a connection that brings trades only, whose loss harms no book."""
    lane = live(connections=(1, 2), trade_connections=(3,))
    lane.up(3)
    lane.say("A traded id=5", connection=1)
    lane.say("A traded id=5", "A traded id=6", connection=2)
    lane.say("A traded id=4", "A traded id=6", "A snapshot id=99", connection=3)
    assert [trade.trade_id for trade in lane.of(PublicTrade)] == [5, 6, 4]
    lane.take(ConnectionDown(3, 1, "test"))
    assert lane.states() == []
    assert lane.told()["trades_doubled"] == 2


def test_trades_of_a_lost_connection_are_still_told() -> None:
    """They may come over another route of the same connection; its books wait until it is up."""
    lane = live()
    lane.take(ConnectionDown(1, 1, "test"))
    lane.say("A traded id=5", "A snapshot id=12")
    assert [trade.trade_id for trade in lane.of(PublicTrade)] == [5]
    assert lane.states() == [SYNCING]


def test_seen_trades_are_bounded() -> None:
    """The last few thousand are known; a trade without a number is always new."""
    seen = SeenTrades()
    assert all(seen.is_new(number) for number in range(1, 3 * MOST_TRADES))
    assert seen.count == MOST_TRADES
    assert not any(seen.is_new(number) for number in range(2 * MOST_TRADES, 3 * MOST_TRADES))
    assert seen.is_new(0)
    assert seen.is_new(0)
    other = SeenTrades()
    other.load(seen.save())
    assert not other.is_new(3 * MOST_TRADES - 1)


def test_the_levels_are_told_where_they_are_wanted() -> None:
    """With each batch that changed them, so many a side."""
    lane = live(depth_levels=1)
    lane.say("A change bid=99")
    (depth,) = lane.of(BookSnapshot)
    assert (list(depth.bid_prices), list(depth.ask_prices), depth.update_id) == ([100], [110], 11)


def audit(lane: ScriptedLane, answer: str) -> None:
    """Let an audit be asked for, answer it, and let it be compared."""
    asked = len(lane.of(AuditWanted))
    while len(lane.of(AuditWanted)) == asked:
        lane.pass_ms(100)
        lane.say("* alive")
    lane.say(answer, kind=FRAME_AUDIT, instrument_id=lane.of(AuditWanted)[-1].instrument_id)
    done = len(lane.of(BookAudited))
    while len(lane.of(BookAudited)) == done:
        lane.pass_ms(100)
        lane.say("* alive")


def test_an_audit_compares_what_did_not_change() -> None:
    """A level that changed meanwhile is left out; books are audited one after the other."""
    lane = live("ScriptedStream", audit_every_s=10, stall_after_ms=0)
    audit(lane, "100 110")
    (first,) = lane.of(BookAudited)
    assert (first.instrument_id, first.levels, first.differences) == (1, 2, 0)
    audit(lane, "100 110")
    assert lane.of(BookAudited)[-1].instrument_id == 2
    assert lane.states() == lane.states(2) == []


def test_two_differing_audits_in_a_row_lose_the_book() -> None:
    """The second look comes at once; then the book is begun anew."""
    lane = live("ScriptedStream", audit_every_s=100, stall_after_ms=0)
    audit(lane, "100 111")
    assert lane.states() == []
    began_ns = lane.now_ns
    audit(lane, "100 111")
    assert lane.now_ns - began_ns < 8_000_000_000
    assert lane.states() == [BROKEN]
    assert lane.told()["losses"] == {"audit": 1}
    assert [(one.levels, one.differences) for one in lane.of(BookAudited)] == [(2, 1), (2, 1)]


def test_an_audit_that_cannot_be_finished_says_nothing() -> None:
    """No answer, an answer that nobody can read, a book lost meanwhile."""
    lane = live("ScriptedStream", audit_every_s=4, stall_after_ms=0)
    for _ in range(100):
        lane.pass_ms(1_000)
        lane.say("* alive")
    assert len(lane.of(AuditWanted)) > 2
    assert lane.of(BookAudited) == []
    assert lane.states() == []


def test_a_connection_is_named_once() -> None:
    """A mistake of a configuration is told before the start."""
    with pytest.raises(RuleBroken, match="named once"):
        VenueBookParams(dialect=SCRIPT + "Scripted", connections=(1, 2), trade_connections=(2,))
