"""A book whose own stream is dead is not LIVE for long, whatever else comes; nor one that may lack a frame."""

from __future__ import annotations

import pytest

from actors.venue_book import VenueBook
from actors.venue_book_keeper import FEWEST_QUOTES, MOST_STALLS
from market.messages import (
    BROKEN,
    LIVE,
    STALE,
    SYNCING,
    BookGap,
    BookRecovered,
    BookStateChanged,
    Rejected,
    TopOfBook,
)
from tests.actors.test_venue_book_recovery import ScriptedLane, live


def hear(lane: ScriptedLane, seconds: int, *frames: str, every_ms: int = 1_000) -> None:
    """The same frames again and again, and nothing else."""
    for _ in range(seconds * 1_000 // every_ms):
        lane.pass_ms(every_ms)
        lane.say(*frames)


@pytest.mark.parametrize("sign", ["* alive", "A quoted id=0 bid=99 ask=111", "A traded id=0"])
def test_signs_of_life_do_not_keep_a_book_whose_own_stream_is_silent(sign: str) -> None:
    """LIVE while it may be quiet, then STALE with its levels, counted and asked for once; no sign makes it LIVE."""
    lane = live("ScriptedStream", stall_after_ms=10_000)
    hear(lane, 9, sign)
    assert lane.states() == []
    hear(lane, 2, sign)
    assert lane.states() == [STALE]
    (change,) = (one for one in lane.of(BookStateChanged) if one.instrument_id == 1)
    assert change.cause == "stall: nothing of the book itself for 10 s"
    assert [gap.cause for gap in lane.of(BookGap) if gap.instrument_id == 1] == ["stall"]
    assert lane.told()["losses"] == {"stall": 1}
    assert lane.asked().count((1, 1)) == 1
    assert [top.bid_size for top in lane.of(TopOfBook) if top.instrument_id == 1] == [5]
    hear(lane, 60, sign)
    assert LIVE not in lane.states()
    # Nobody answers: it asked on, ever less often, and is BROKEN, without levels.
    assert lane.states() == [STALE, BROKEN]
    assert 5 <= lane.asked().count((1, 1)) <= 8
    assert lane.of(TopOfBook)[-1].bid_size == 0


@pytest.mark.parametrize("news", ["A traded id=7", "A quoted id=0 bid=99 ask=111"])
@pytest.mark.parametrize("sign", ["A change bid=101 id=11", "* alive"])
def test_after_a_silence_a_trade_or_a_quote_does_not_revive_a_book(news: str, sign: str) -> None:
    """What was missed from the book may have been missed for good: a change of it or a heartbeat shows that it was not.

    Before the silence is over both prolong its life: a book that trades is not silent.
    """
    lane = live("ScriptedStream", stale_after_ms=3_000)
    hear(lane, 6, news, every_ms=2_000)
    assert lane.states() == []
    lane.pass_ms(3_100)
    assert lane.states() == [STALE]
    for _ in range(3):
        lane.say(news)
        lane.pass_ms(100)
    assert lane.states() == [STALE]
    lane.say(sign)
    lane.pass_ms(100)
    assert lane.states() == [STALE, LIVE]


@pytest.mark.parametrize("frame", ["A snapshot id=11", "A change bid=101 id=11"])
def test_a_stalled_book_is_live_again_by_its_own_stream(frame: str) -> None:
    """By a snapshot, or because the stream goes on; the outage is told, and the next silence counts anew."""
    lane = live("ScriptedStream", stall_after_ms=10_000)
    hear(lane, 10, "* alive")
    lane.say(frame)
    assert lane.states() == [STALE, LIVE]
    assert len([one for one in lane.of(BookRecovered) if one.instrument_id == 1]) == 1
    asked = lane.asked().count((1, 1))
    hear(lane, 9, "* alive")
    assert lane.states() == [STALE, LIVE]
    hear(lane, 2, "* alive")
    assert lane.states() == [STALE, LIVE, STALE]
    assert lane.asked().count((1, 1)) == asked + 1


def test_a_stalled_book_takes_the_answer_to_its_request() -> None:
    """Where a snapshot is a request's answer the book is held meanwhile, and an answer makes it LIVE."""
    lane = live(stall_after_ms=10_000)
    hear(lane, 10, "* alive", "A alive", "B change bid=99")
    assert lane.states() == [STALE]
    assert lane.states(2) == []
    assert lane.asked() == [(1, 1)]
    lane.answer("A snapshot id=15")
    assert lane.states() == [STALE, LIVE]


def test_silence_of_everything_is_stale_and_then_a_stall() -> None:
    """The two clocks run side by side: STALE for silence, and asked for anew when it lasts."""
    lane = live(stall_after_ms=5_000)
    lane.pass_ms(3_100)
    assert lane.states() == [STALE]
    assert lane.told()["losses"] == {}
    lane.pass_ms(2_000)
    assert lane.states() == [STALE]
    assert lane.told()["losses"] == {"stall": 1}
    assert (1, 1) in lane.asked()
    lane.say("A alive")
    assert lane.states() == [STALE]


def test_a_stalled_book_may_be_lost_in_another_way() -> None:
    """What is missing is missing: no levels any more, and both causes are counted."""
    lane = live("ScriptedStream", stall_after_ms=10_000)
    hear(lane, 10, "* alive")
    lane.say("A gap")
    assert lane.states() == [STALE, SYNCING]
    assert lane.told()["losses"] == {"gap": 1, "stall": 1}
    lane.say("A snapshot id=15", "* alive")
    assert lane.states() == [STALE, SYNCING, LIVE]


def test_no_stall_where_it_is_switched_off() -> None:
    """A venue whose heartbeats are of the book itself needs no second clock."""
    lane = live("ScriptedStream", stall_after_ms=0)
    hear(lane, 60, "* alive")
    assert lane.states() == []


def test_a_quiet_book_costs_others_a_connection_less_and_less_often() -> None:
    """Where only a new connection brings a snapshot the patience doubles, until the stream brings a change again."""
    lane = live("ScriptedLine", stall_after_ms=10_000)
    waits: list[int] = []
    for _ in range(7):
        began_ns, asked = lane.now_ns, len(lane.asked())
        while len(lane.asked()) == asked:
            lane.pass_ms(1_000)
            lane.say("* alive", "B change bid=99")
        waits.append(round((lane.now_ns - began_ns) / 10**10))
        lane.up()
        lane.say("A snapshot id=10", "B snapshot id=20")
    assert waits == [1, 2, 4, 8, MOST_STALLS, MOST_STALLS, MOST_STALLS]
    lane.say("A change bid=101", "B change bid=101")
    asked = len(lane.asked())
    hear(lane, 11, "* alive", "B change bid=99")
    assert len(lane.asked()) == asked + 1


@pytest.mark.parametrize("quote", ["A quoted id=0 bid=90 ask=100", "A quoted id=99 bid=110 ask=112"])
def test_a_book_that_the_venues_own_touch_crosses_is_lost(quote: str) -> None:
    """Not at once, for the two streams are not in step; after the bound, with its cause, and asked for anew."""
    lane = live()
    lane.say("A change bid=99 id=11", quote)
    hear(lane, 1, quote, every_ms=50)
    assert lane.states() == [BROKEN]
    assert lane.told()["losses"] == {"best bid/ask": 1}
    assert lane.asked() == [(1, 1)]
    (change,) = lane.of(BookStateChanged)
    assert "crossed by the venue's own" in change.cause


def test_streams_that_are_not_in_step_lose_no_book() -> None:
    """A quote that agrees ends the disagreement, and so does a change of the book that makes it agree."""
    lane = live()
    for _ in range(40):
        lane.say("A quoted id=0 bid=90 ask=95")
        lane.pass_ms(240)
        lane.say("A quoted id=0 bid=99 ask=111")
        lane.pass_ms(10)
    for _ in range(40):
        lane.say("A quoted id=0 bid=110 ask=115")
        lane.pass_ms(240)
        lane.say("A change ask=110 size=0", "A change ask=115", "A change bid=110")
        lane.say("A change bid=110 size=0", "A change ask=110")
    assert lane.states() == []


def test_one_quote_after_a_long_wait_is_no_long_disagreement() -> None:
    """Where quotes are rare, or both streams stood still, several of them in a row have to cross the book."""
    lane = live(stale_after_ms=60_000)
    for _ in range(FEWEST_QUOTES):
        lane.say("A quoted id=0 bid=90 ask=95")
        lane.pass_ms(5_000)
    assert lane.states() == []
    lane.say("A quoted id=0 bid=90 ask=95")
    assert lane.states() == [BROKEN]


def test_quotes_say_nothing_where_that_is_switched_off() -> None:
    """Zero never loses a book for its touch; an older update's quote, and one of an empty side, never do."""
    lane = live(quote_disagree_ms=0)
    hear(lane, 5, "A quoted id=0 bid=90 ask=95", every_ms=100)
    assert lane.states() == []
    lane = live()
    hear(lane, 5, "A quoted id=9 bid=90 ask=95", "A quoted id=0 bid=0 ask=0", every_ms=100)
    assert lane.states() == []


def test_an_unreadable_frame_loses_the_book_where_nothing_would_show_the_loss() -> None:
    """The book that it names; all where it names none; none when it is of a type that changes no book."""
    lane = live("ScriptedUnnumbered")
    lane.say("A bad-trade")
    assert lane.states() == lane.states(2) == []
    lane.say("A bad")
    assert lane.states() == [SYNCING]
    assert lane.states(2) == []
    assert lane.told()["losses"] == {"gap": 1}
    assert lane.asked() == [(1, 1)]
    lane.say("A snapshot id=12")
    lane.say("* bad")
    assert lane.states() == [SYNCING, LIVE, SYNCING]
    assert lane.states(2) == [SYNCING]


def test_a_name_in_another_spelling_is_the_same_name() -> None:
    """A frame whose symbol is written with escapes goes to its book; of one that is not kept nothing is applied."""
    lane = live("ScriptedUnnumbered")
    lane.say(r"\u0041 change bid=101")
    assert lane.of(Rejected) == []
    assert [(top.instrument_id, top.bid_price) for top in lane.of(TopOfBook)] == [(1, 101)]
    lane.say(r"\u0043 change bid=102", r"\uD change bid=103")
    assert len(lane.of(Rejected)) == 2
    assert len(lane.of(TopOfBook)) == 1


def test_doubts_are_saved() -> None:
    """Stalled, crossed by a quote, patient: a leg that is loaded is the one that was saved."""
    lane = live("ScriptedLine", stall_after_ms=4_000)
    for _ in range(12):
        lane.pass_ms(500)
        lane.say("* alive", "A quoted id=0 bid=90 ask=98", "B quoted id=0 bid=90 ask=100")
    legs = lane.actor(VenueBook).legs
    assert legs[1].stalled or legs[1].recovery.counts[8] == 1
    other = ScriptedLane("ScriptedLine").actor(VenueBook).legs
    for leg, loaded in zip(legs, other, strict=True):
        loaded.load(leg.save())
        assert loaded.save() == leg.save()
