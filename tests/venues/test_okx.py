"""OKX: both readers, the chain and its two exceptions, checksums, and answers that are joined to the stream."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.dialect import BadFrame
from market.messages.constants import BUY, SELL
from tests.seeds import examples
from tests.venues.binance_wire import respelled, spelled, wire_levels
from tests.venues.okx_wire import (
    EMPTY,
    NAME,
    NOW_MS,
    OKX,
    SCALES,
    Wire,
    agree,
    answer,
    book,
    example,
    live,
    quote,
    scans,
    snapshot,
    trades,
    update,
)
from tests.venues.streamed_checks import (
    check_trickle,
    outcome_of,
    reloaded,
    said,
)
from venues.okx_book import MOST_WAITING, checksum_of
from venues.okx_reading import read_carefully
from venues.scanning import DELTA, QUOTE, SNAPSHOT, TRADES


def test_the_usual_spelling_takes_the_quick_way() -> None:
    """Books, best prices and trades, with the numbers in whatever order, and newer fields of a trade."""
    assert agree(update(5, 7, [["1.50", "2"]], [["1.60", "0"]])) == DELTA
    assert agree(snapshot(7, [["1.50", "2"]])) == SNAPSHOT
    assert agree(spelled(quote([["8476.97", "256"]], [["8476.98", "4.15"]], 123456))) == QUOTE
    rows = [("130639474", "42219.9", "0.123", "buy"), ("130639475", "42219", "1", "sell")]
    assert agree(spelled(trades(rows))) == agree(spelled(trades(rows, count="3", source="0", seqId=5))) == TRADES
    turned = book("update", 5, 7, [], [["1.60", "0"]])
    turned["data"][0]["prevSeqId"] = turned["data"][0].pop("prevSeqId")
    assert agree(spelled(turned)) == DELTA


def test_the_ladder_of_the_documents() -> None:
    """10, 15, a sign of life at 15, a reset to 3, then 5: every step follows."""
    decoder = OKX.decoder(NAME, 0, 0)
    frames = example("sequence-rules.json")["ws"]
    reached = []
    for frame in frames:
        assert decoder.apply(spelled(frame)) == dialect.BOOK_CHANGED
        reached.append(decoder.update_id)
    assert reached == [10, 15, 15, 3, 5]
    assert decoder.book.save() == [[100], [2], [101, 102], [2, 1]]


def test_repeated_and_early_changes() -> None:
    """A pair of numbers that came before is old, one that is not chained is held, and a gap when it stays so."""
    decoder = live()
    assert decoder.apply(update(10, 15, [["1.10", "1"]])) == dialect.BOOK_CHANGED
    assert decoder.apply(update(10, 15, [["1.10", "2"]])) == dialect.IGNORED
    assert decoder.apply(update(18, 20, [["1.20", "1"]])) == dialect.HELD
    assert decoder.apply(update(15, 18)) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.best_bid_price) == (20, 120)
    assert decoder.apply(update(25, 26)) == dialect.HELD
    assert decoder.give_up() == dialect.GAP
    assert (decoder.live, decoder.book.save()) == (False, EMPTY)


def test_a_lost_reset_is_not_taken_for_an_old_change() -> None:
    """Behind a reset that was lost numbers are lower than the book's, and yet no repetition: that ends in a gap."""
    decoder = live()
    decoder.apply(update(10, 15))
    assert decoder.apply(update(3, 5)) == dialect.HELD
    outcomes = [decoder.apply(update(number, number + 1)) for number in range(5, 5 + dialect.MOST_HELD)]
    # On the way the numbers even come to where the book stands.
    assert set(outcomes) == {dialect.HELD, dialect.GAP}
    assert outcomes[-1] == dialect.GAP
    # And what was remembered before a reset says nothing behind it.
    decoder = live()
    for previous, number in ((10, 15), (15, 20), (20, 12)):
        assert decoder.apply(update(previous, number)) == dialect.BOOK_CHANGED
    assert decoder.apply(update(20, 12)) == dialect.IGNORED
    assert decoder.apply(update(15, 20)) == dialect.HELD


def test_best_prices_trades_and_everything_else() -> None:
    """A quote has the number of its state; the side of a trade is the taker's; events and other channels are told."""
    decoder = live()
    assert decoder.apply(spelled(quote([["1.00", "3"]], [], 11))) == dialect.QUOTED
    told = (decoder.quoted_update_id, decoder.quoted_bid_price, decoder.quoted_bid_size, decoder.quoted_ask_size)
    assert told == (11, 100, 3000, 0)
    assert decoder.apply(spelled(trades([("9", "1.5", "2", "sell"), ("10", "1.6", "1", "buy")]))) == dialect.TRADED
    assert (list(decoder.trade_sides[:2]), list(decoder.trade_ids[:2])) == ([SELL, BUY], [9, 10])
    assert decoder.trade_times_ns[0] == decoder.venue_ns == 1630048897897_000_000
    assert decoder.apply(b"pong") == dialect.ALIVE
    assert decoder.apply(spelled(example("notice-upgrade.json"))) == dialect.CLOSING
    assert decoder.apply(spelled(example("subscribe-ack.json"))) == dialect.CONTROL
    assert (decoder.apply(spelled(example("error.json"))), decoder.refused) == (dialect.CONTROL, True)
    assert decoder.apply(b'{"event":"channel-conn-count","connCount":"1"}') == dialect.IGNORED
    assert decoder.apply(spelled(example("ticker-live.json"))) == dialect.IGNORED
    assert decoder.apply(b'{"arg":{"channel":"news","instId":"BTC-USDT"},"data":[]}') == dialect.UNKNOWN_TYPE
    assert decoder.apply(b'{"event":"party"}') == dialect.UNKNOWN_TYPE
    unnumbered = update(10, 11).replace(b',"prevSeqId":10,"seqId":11', b"")
    for bad in (b"", b"{}", b"ping", b"[]", unnumbered, update(11, 11, [["1", "1"]]), update(-1, 11)):
        with pytest.raises(BadFrame):
            decoder.apply(bad)
    assert decoder.update_id == 10


# ---- checksums


def test_the_documented_checksums() -> None:
    """Bid and ask in turn, what a side lacks is passed over, and the result has a sign."""
    assert checksum_of(["3366.1:7", "3366:6"], ["3366.8:9", "3368:8"]) == -1881014294
    assert checksum_of(["3366.1:7"], ["3366.8:9", "3368:8", "3372:8"]) == 831078360


def test_the_recorded_session_and_its_damage() -> None:
    """Six real checksums; with another digit the book is dropped; once there are none, none is checked."""
    frames = [spelled(frame) for frame in example("legacy-checksum-session.json")["ws"]]
    decoder = OKX.decoder("BTC-USD-220527", 1, 0)
    assert [decoder.apply(frame) for frame in frames] == [dialect.BOOK_CHANGED] * 6
    assert decoder.checksums_passed == 6
    damaged = OKX.decoder("BTC-USD-220527", 1, 0)
    damaged.apply(frames[0].replace(b'"30238.8","2"', b'"30238.8","3"'))
    assert (damaged.live, damaged.book.save()) == (False, EMPTY)
    assert "1054815633" in damaged.cause
    assert damaged.apply(frames[1]) == dialect.IGNORED


def test_a_checksum_can_be_checked_once_every_text_is_known() -> None:
    """After frames without one it is passed over until the next snapshot that has one."""
    decoder = live()
    wrong = update(10, 11).replace(b'"checksum":0', b'"checksum":7')
    assert (decoder.apply(wrong), decoder.checksums_passed) == (dialect.BOOK_CHANGED, 0)
    expected = checksum_of(["1.00:1"], ["2.00:1"])
    first = snapshot(20, [["1.00", "1"]], [["2.00", "1"]]).replace(b'"checksum":0', b'"checksum":%d' % expected)
    assert (decoder.apply(first), decoder.checksums_passed) == (dialect.BOOK_CHANGED, 1)
    assert decoder.apply(update(20, 21, [["1.00", "1"]])) == dialect.BOOK_CHANGED
    assert decoder.apply(update(21, 22).replace(b'"checksum":0', b'"checksum":7')) == dialect.BOOK_CHANGED
    assert decoder.apply(first.replace(b'"1.00","1"', b'"1.0","1"')) == dialect.BAD_CHECKSUM


# ---- the answer to a request


def test_an_answer_is_joined_to_what_waits() -> None:
    """Changes up to its number are dropped, the first one after may overlap it, and the book goes on from there."""
    decoder = OKX.decoder(NAME, *SCALES)
    assert decoder.apply_snapshot(answer(10)) == dialect.SNAPSHOT_WANTED
    for previous, number in ((5, 8), (8, 12), (12, 15)):
        frame = update(previous, number, [[f"1.{number}", "1"]], ts=NOW_MS + number)
        assert decoder.apply(frame) == dialect.BUFFERED
    assert decoder.apply(update(8, 12)) == dialect.IGNORED
    assert decoder.apply_snapshot(answer(4)) == dialect.SNAPSHOT_WANTED
    assert decoder.apply_snapshot(answer(10, ts=1)) == dialect.SNAPSHOT_WANTED
    assert decoder.apply_snapshot(answer(10, [["1.00", "1"]], NOW_MS + 10)) == dialect.BOOK_CHANGED
    assert (decoder.live, decoder.update_id, decoder.book.save()[0]) == (True, 15, [115, 112, 100])
    assert decoder.apply(update(15, 16)) == dialect.BOOK_CHANGED
    assert decoder.apply_snapshot(answer(17)) == dialect.IGNORED


def test_an_answer_ahead_of_the_stream_waits_for_it() -> None:
    """It is joined once the stream has passed its time and its number; of two the earlier one is."""
    decoder = OKX.decoder(NAME, *SCALES)
    decoder.apply(update(5, 8, ts=NOW_MS))
    assert decoder.apply_snapshot(answer(25, [["3.00", "1"]], NOW_MS + 25)) == dialect.PIECE
    assert decoder.apply_snapshot(answer(20, [["1.00", "1"]], NOW_MS + 20)) == dialect.PIECE
    assert decoder.apply_snapshot(answer(22, [["2.00", "1"]], NOW_MS + 22)) == dialect.PIECE
    assert decoder.apply(update(8, 12, [["9.00", "1"]], ts=NOW_MS + 12)) == dialect.BUFFERED
    decoder = reloaded(OKX, NAME, SCALES, decoder)
    # Later, and still before it by number.
    assert decoder.apply(update(12, 18, [["9.00", "0"]], ts=NOW_MS + 21)) == dialect.BUFFERED
    assert decoder.apply(update(18, 24, [["1.10", "1"]], ts=NOW_MS + 24)) == dialect.BOOK_CHANGED
    assert (decoder.live, decoder.update_id, decoder.book.save()[0]) == (True, 24, [110, 100])


def test_an_answer_from_behind_a_reset_is_not_joined() -> None:
    """Its number is among those that wait, but its time is behind them: the reset comes, and makes it void."""
    for first, second in ((8, 200), (100, 200)):
        decoder = OKX.decoder(NAME, *SCALES)
        decoder.apply(update(5, first, ts=NOW_MS))
        decoder.apply(update(first, second, ts=NOW_MS + 1))
        assert decoder.apply_snapshot(answer(150, [["1.00", "1"]], NOW_MS + 9)) == dialect.PIECE
        assert decoder.apply(update(second, 140, ts=NOW_MS + 5)) == dialect.BUFFERED
        assert decoder.apply(update(140, 150, ts=NOW_MS + 9)) == dialect.BUFFERED
        assert decoder.apply(update(150, 160, ts=NOW_MS + 10)) == dialect.BUFFERED
        assert not decoder.live
        assert decoder.apply_snapshot(answer(150, [["1.00", "1"]], NOW_MS + 9)) == dialect.BOOK_CHANGED
        assert decoder.update_id == 160


def test_what_waits_is_void_behind_a_gap_or_a_reset() -> None:
    """A broken chain begins anew with the change behind it, a reset with the next one; the bound is kept."""
    decoder = OKX.decoder(NAME, *SCALES)
    decoder.apply(update(5, 8))
    assert decoder.apply(update(9, 12, ts=NOW_MS + 1)) == dialect.BUFFERED
    assert decoder.apply_snapshot(answer(8, ts=NOW_MS)) == dialect.SNAPSHOT_WANTED
    decoder.apply(update(12, 2))
    assert decoder.apply_snapshot(answer(12)) == dialect.SNAPSHOT_WANTED
    decoder.apply(update(2, 4, ts=NOW_MS + 500))
    assert decoder.apply_snapshot(answer(12)) == dialect.SNAPSHOT_WANTED
    assert decoder.apply_snapshot(answer(4, ts=NOW_MS + 500)) == dialect.BOOK_CHANGED
    assert decoder.update_id == 4
    decoder.reset()
    for number in range(MOST_WAITING + 5):
        decoder.apply(update(number, number + 1, ts=NOW_MS + number))
    assert "oldest" in decoder.cause
    assert decoder.apply_snapshot(answer(3)) == dialect.SNAPSHOT_WANTED
    assert decoder.apply_snapshot(answer(50, ts=NOW_MS + 49)) == dialect.REPLAYING
    assert (decoder.live, decoder.book.save()) == (False, EMPTY)
    decoder = reloaded(OKX, NAME, SCALES, decoder)
    assert decoder.apply(update(MOST_WAITING + 5, MOST_WAITING + 6, [["1", "1"]])) == dialect.BUFFERED
    while (outcome := decoder.go_on()) == dialect.REPLAYING:
        assert not decoder.live
    assert (outcome, decoder.live, decoder.update_id) == (dialect.BOOK_CHANGED, True, MOST_WAITING + 6)
    assert decoder.go_on() == dialect.IGNORED


def test_a_gap_and_a_snapshot_while_waiting_changes_are_replayed() -> None:
    """A break of the chain in the middle of the replay is a gap; a snapshot of the stream makes it needless."""
    for last in (update(9_999, 10_000), snapshot(7)):
        decoder = OKX.decoder(NAME, *SCALES)
        for number in range(200):
            decoder.apply(update(number, number + 1, ts=NOW_MS + number))
        assert decoder.apply_snapshot(answer(3, ts=NOW_MS + 3)) == dialect.REPLAYING
        decoder.go_on()
        assert decoder.apply(last) == (dialect.BOOK_CHANGED if b"snapshot" in last else dialect.GAP)
        assert decoder.go_on() == dialect.IGNORED
        assert decoder.live == (b"snapshot" in last)


def test_answers_that_bring_nothing() -> None:
    """A refusal, an answer without a number, and one that cannot be read."""
    decoder = OKX.decoder(NAME, *SCALES)
    decoder.apply(update(5, 8))
    for body in (b'{"code":"51001","msg":"no such instrument","data":[]}', spelled(example("rest-books.json"))):
        scales = (1, 8)
        decoder = OKX.decoder(NAME, *scales)
        assert (decoder.apply_snapshot(body), decoder.refused) == (dialect.CONTROL, True)
    for body in (b"", b"[]", b'{"code":"0","data":[]}', answer(8, [["1.001", "1"]])):
        with pytest.raises(BadFrame):
            live().apply_snapshot(body)


# ---- properties


@given(data=st.data(), bids=wire_levels(), asks=wire_levels(), scales=st.tuples(st.integers(0, 12), st.integers(0, 12)))
@settings(max_examples=examples(150, 2_000), deadline=None)
def test_both_readers_agree_on_any_spelling(
    data: st.DataObject, bids: Wire, asks: Wire, scales: tuple[int, int]
) -> None:
    """In the usual spelling and in any other: the same values, or a bad frame from both."""
    numbers = st.one_of(st.integers(-1, 20), st.integers(-1, 10**15))
    previous, number = data.draw(numbers), data.draw(numbers)
    message = book(data.draw(st.sampled_from(["snapshot", "update", "other"])), previous, number, bids, asks)
    message["data"][0]["checksum"] = data.draw(st.sampled_from([0, 0, 7, -(2**31), 2**31 - 1, 2**31]))
    kind = data.draw(st.integers(0, 4))
    if kind == 0:
        sides = st.sampled_from(["buy", "sell"])
        rows = [(str(place), row[0], row[1], data.draw(sides)) for place, row in enumerate(bids + asks)]
        more: dict[str, object] = data.draw(st.sampled_from([{}, {"count": "2"}, {"seqId": 5}]))
        message = trades(rows, **more)
    elif kind == 1:
        message = quote(bids[:1], asks[:1], number)
    usual = spelled(message)
    agree(usual, scales)
    one, other = scans(scales)
    try:
        found = one.scan(usual) or read_carefully(one, usual)
    except BadFrame:
        with pytest.raises(BadFrame):
            read_carefully(other, data.draw(respelled(message)))
        return
    assert read_carefully(other, data.draw(respelled(message))) == found
    assert said(one, found) == said(other, found)


@given(data=st.data())
@settings(max_examples=examples(200, 3_000), deadline=None)
def test_damaged_frames(data: st.DataObject) -> None:
    """With bytes replaced, inserted or removed the readers agree; only `BadFrame` is raised, and it changes nothing."""
    frame = data.draw(
        st.sampled_from([
            update(10, 15, [["1.50", "2.003"], ["1.40", "0"]], [["1.60", "3"]]),
            snapshot(30, [["1.50", "2"]], [["1.60", "1"]]).replace(b'"checksum":0', b'"checksum":-77'),
            spelled(quote([["1.50", "2"]], [["1.60", "1"]], 9)),
            spelled(trades([("9", "1.5", "2", "sell"), ("10", "1.6", "1", "buy")], count="1")),
            answer(12, [["1.50", "2"]]),
            b'{"event":"error","code":"60018","msg":"instId:BTC-USDT","connId":"a4d3ae55"}',
            b"pong",
        ])
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame)))
        frame = frame[:at] + data.draw(st.binary(max_size=3)) + frame[at + data.draw(st.integers(0, 3)) :]
    agree(frame)
    outcome_of(live(), frame)
    waiting = OKX.decoder(NAME, *SCALES)
    waiting.apply(update(5, 8))
    before = waiting.save()
    try:
        waiting.apply_snapshot(frame)
    except BadFrame:
        assert waiting.save() == before
    for call in (OKX.venue_symbol, OKX.message_type, OKX.conversation().hear):
        call(frame)


def test_trickle() -> None:
    """Cut off anywhere a frame is bad; in pieces of any size it is the same as whole, an answer too."""
    check_trickle(OKX, NAME, SCALES, snapshot(10, [["1.00", "1"]], [["1.50", "2.003"], ["1.60", "1"]]))
    check_trickle(OKX, NAME, SCALES, spelled(trades([("9", "1.5", "2", "sell")])))


AGES = 7


class World:
    """The venue: frames with the states that they lead to, by number, through resets."""

    def __init__(self, data: st.DataObject, steps: int) -> None:
        self.frames: list[bytes] = []
        self.states: dict[int, list[list[list[int]]]] = {}
        self.answers: list[bytes] = []
        self.last: list[list[int]] = EMPTY
        levels: dict[int, int] = {}
        # Resets lead to lower numbers, and never to one that was there before, where no rule could tell the two apart.
        number = 700
        age = 0
        self.note(number, levels, 0)
        for step in range(steps):
            previous, kind = number, data.draw(st.integers(0, 19))
            price, size = data.draw(st.tuples(st.integers(1, 9), st.integers(0, 3)))
            if kind == 1 and age < AGES - 1 and number >= AGES:
                age += 1
                number = data.draw(st.integers(0, number // AGES - 1)) * AGES + age
            elif kind != 0:
                number += AGES * (1 + kind % 3)
            if number != previous:
                levels[price] = size
            rows = [] if number == previous else [[str(price), str(size)]]
            self.frames.append(update(previous, number, rows, ts=1_700_000_000_000 + step))
            self.note(number, levels, step)

    def note(self, number: int, levels: dict[int, int], step: int) -> None:
        """Keep the state, and the answer that a request would have here."""
        kept = sorted(((price, size) for price, size in levels.items() if size), reverse=True)
        self.last = [[price for price, _ in kept], [size for _, size in kept], [], []]
        self.states.setdefault(number, []).append(self.last)
        rows = [[str(price), str(size)] for price, size in kept]
        self.answers.append(answer(number, rows, 1_700_000_000_000 + step))

    def whole(self, place: int) -> bytes:
        """The snapshot that a subscription would bring before the frame at this place."""
        data = json.loads(self.answers[place])["data"][0]
        return snapshot(data["seqId"], [level[:2] for level in data["bids"]])


@given(data=st.data())
@settings(max_examples=examples(80, 1_000), deadline=None)
def test_a_live_book_is_never_wrong(data: st.DataObject) -> None:
    """Frames lost, repeated and swapped, resets, snapshots and answers at any time: a live book is the venue's.

    And behind a stretch of frames in their order it is the last one, or not live, or knows that something is missing.
    """
    steps = data.draw(st.integers(5, 40))
    world = World(data, steps + 20)
    decoder = OKX.decoder(NAME, 0, 0)
    order = [place for place in range(steps) for _ in range(data.draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2])))]
    for place in range(len(order) - 1):
        if data.draw(st.integers(0, 9)) == 0:
            order[place], order[place + 1] = order[place + 1], order[place]
    for place in order + list(range(steps, steps + 20)):
        chance = data.draw(st.integers(0, 19)) if place < steps else 9
        if chance == 0 or (not decoder.live and chance < 4):
            decoder.apply(world.whole(place))
        elif chance < 8 and not decoder.live:
            # An answer tells a state of now, or of a moment before or after.
            decoder.apply_snapshot(world.answers[min(max(place + data.draw(st.integers(-2, 4)), 0), steps + 20)])
        decoder.apply(world.frames[place])
        while decoder.replaying:
            decoder.go_on()
        if chance == 19:
            decoder.give_up()
        if chance == 18:
            decoder = reloaded(OKX, NAME, (0, 0), decoder)
        shown = decoder.book.save()
        assert shown in world.states[decoder.update_id] if decoder.live else shown == EMPTY
    assert not decoder.live or decoder.holding or decoder.book.save() == world.last
