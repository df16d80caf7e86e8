"""Bybit, spot and linear: both readers, the numbering, the venue's examples, the recording and damage to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.book import Book
from market.dialect import BadFrame
from market.instruments import Instrument
from market.messages.constants import BUY, SELL
from tests.data import recordings
from tests.seeds import examples
from tests.venues.binance_wire import Wire, respelled, spelled, wire_levels
from tests.venues.recorded import recorded
from tests.venues.streamed_checks import (
    check_readers_agree,
    check_trickle,
    frames_for,
    outcome_of,
    reloaded,
    said,
)
from venues.bybit import Bybit, BybitLinear
from venues.bybit_reading import read_carefully, trade_number
from venues.bybit_scan import BybitScan
from venues.facts import UnknownDepth
from venues.recordings import ANSWER
from venues.scanning import DELTA, QUOTE, SNAPSHOT, TRADES, UNKNOWN

RECORDING = "cryptofeed/dev/BYBIT.first20s.jsonl.zst"
SPOT = Bybit()
LINEAR = BybitLinear()
SCALES = (2, 3)
UUID = "a9188a0a-82bc-50de-be60-03eedbe3cdd7"


def book(
    kind: str, number: int, bids: Wire | None = None, asks: Wire | None = None, depth: int = 50, spot: bool = False,
    after_ms: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """A frame of the order book, as one of the streams orders its fields."""
    data = {"s": "BTCUSDT", "b": bids or [], "a": asks or [], "u": number, "seq": number * 7}
    typed: dict[str, Any] = {"type": kind}
    told = {"ts": 1786310818130 + after_ms}
    head = told | typed if spot else typed | told
    return {"topic": f"orderbook.{depth}.BTCUSDT"} | head | {"data": data, "cts": 1786310818129 + after_ms}


def snapshot(number: int, bids: Wire | None = None, asks: Wire | None = None, depth: int = 50) -> bytes:
    """A snapshot in the linear spelling."""
    return spelled(book("snapshot", number, bids, asks, depth))


def delta(number: int, bids: Wire | None = None, asks: Wire | None = None, depth: int = 50) -> bytes:
    """A change in the linear spelling."""
    return spelled(book("delta", number, bids, asks, depth))


def trades(rows: list[tuple[str, str, str, str]], spot: bool = False) -> dict[str, Any]:
    """Trades of price, size, side and id, as one of the streams orders its fields."""
    told: list[dict[str, Any]] = []
    for price, size, side, identifier in rows:
        if spot:
            told.append({
                "i": identifier, "T": 1786310821917, "p": price, "v": size, "S": side, "seq": 5, "s": "BTCUSDT",
                "BT": False, "RPI": True,
            })  # fmt: skip
        else:
            told.append({
                "T": 1786310819680, "s": "BTCUSDT", "S": side, "v": size, "p": price, "L": "ZeroMinusTick",
                "i": identifier, "BT": False, "RPI": False, "seq": 5,
            })  # fmt: skip
    head = {"ts": 5, "type": "snapshot"} if spot else {"type": "snapshot", "ts": 5}
    return {"topic": "publicTrade.BTCUSDT"} | head | {"data": told}


def scans(scales: tuple[int, int] = SCALES) -> tuple[BybitScan, BybitScan]:
    """Two scans of the same instrument."""
    return BybitScan("BTCUSDT", *scales), BybitScan("BTCUSDT", *scales)


def agree(frame: bytes, scales: tuple[int, int] = SCALES) -> int:
    """The kind of a frame that both readers read alike."""
    return check_readers_agree(*scans(scales), read_carefully, frame)


def example(name: str) -> Any:  # noqa: ANN401  it is the parsed JSON of any of the examples
    """One of the examples that were collected of the venue."""
    return json.loads((recordings().parent / "venue-examples" / "bybit-v5" / name).read_text())


def test_the_usual_spellings_take_the_quick_way() -> None:
    """Books, best prices and trades of either stream are recognised without the careful reader."""
    for spot in (False, True):
        assert agree(spelled(book("delta", 5, [["1.50", "2"]], [], spot=spot))) == DELTA
        assert agree(spelled(book("snapshot", 5, [["1.50", "2"]], [["1.60", "1.5"]], spot=spot))) == SNAPSHOT
        assert agree(spelled(book("snapshot", 5, [["1.50", "2"]], [], depth=1, spot=spot))) == QUOTE
        rows = [("1.50", "0.004", "Buy", "2280000001739247417"), ("1.40", "1", "Sell", UUID)]
        assert agree(spelled(trades(rows, spot))) == TRADES


def test_numbers_follow_one_by_one() -> None:
    """The next number follows, a lower one is old, a higher one is held and then a gap; a snapshot begins anew."""
    decoder = LINEAR.decoder("BTCUSDT", *SCALES)
    assert decoder.apply(delta(5)) == dialect.IGNORED
    assert decoder.apply(snapshot(10, [["1.00", "1"]], [["2.00", "1"]])) == dialect.BOOK_CHANGED
    assert decoder.apply(delta(11, [["1.10", "2"]])) == dialect.BOOK_CHANGED
    assert decoder.apply(delta(11, [["1.10", "3"]])) == dialect.IGNORED
    assert decoder.apply(delta(13, [["1.10", "0"]])) == dialect.HELD
    assert decoder.apply(delta(12, [["1.20", "1"]])) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.holding, decoder.book.best_bid_price) == (13, False, 120)
    assert decoder.apply(delta(15)) == dialect.HELD
    assert decoder.give_up() == dialect.GAP
    assert (decoder.live, decoder.book.save()) == (False, [[], [], [], []])
    assert decoder.apply(snapshot(7, [["0.90", "1"]])) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.best_bid_price) == (7, 90)


def test_number_one_is_a_snapshot_whatever_it_is_called() -> None:
    """After a restart of the venue's service the whole book comes with number 1, after any number."""
    decoder = LINEAR.decoder("BTCUSDT", *SCALES)
    decoder.apply(snapshot(500, [["1.00", "1"]]))
    assert decoder.apply(delta(1, [["3.00", "1"], ["2.00", "0"]], [["4.00", "1"]])) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.save()) == (1, [[300], [1000], [400], [1000]])
    assert decoder.apply(delta(2)) == dialect.BOOK_CHANGED


def test_a_restart_whose_first_frame_was_missed_is_a_gap() -> None:
    """A number that was reached comes again with its time; with a later one, or too often, the venue numbers anew."""
    repeat, later = delta(2), delta(2).replace(b"1786310818130", b"1786310818131")
    for frame, count in ((later, 1), (repeat, dialect.MOST_HELD + 1)):
        decoder = LINEAR.decoder("BTCUSDT", *SCALES)
        decoder.apply(snapshot(500, [["1.00", "1"]]))
        assert {decoder.apply(repeat) for _ in range(dialect.MOST_HELD)} == {dialect.IGNORED}
        assert decoder.apply(delta(501, [["1.10", "1"]])) == dialect.BOOK_CHANGED
        assert [decoder.apply(frame) for _ in range(count)] == [dialect.IGNORED] * (count - 1) + [dialect.GAP]
        assert (decoder.live, decoder.book.save()) == (False, [[], [], [], []])
        assert decoder.apply(snapshot(3, [["0.90", "1"]])) == dialect.BOOK_CHANGED


def test_a_change_of_before_a_restart_is_passed_over() -> None:
    """Its number follows that of the new book and its time does not: the book keeps waiting for the true one."""
    decoder = LINEAR.decoder("BTCUSDT", *SCALES)
    decoder.apply(snapshot(1, [["5.00", "1"]]))
    anew = spelled(book("snapshot", 1, [["1.00", "1"]], [["2.00", "1"]], after_ms=100))
    assert decoder.apply(anew) == dialect.BOOK_CHANGED
    before = spelled(book("delta", 2, [["1.50", "9"]], after_ms=99))
    assert decoder.apply(before) == dialect.IGNORED
    assert (decoder.live, decoder.update_id, decoder.book.best_bid_price) == (True, 1, 100)
    # The venue may tell two changes in one millisecond.
    true = spelled(book("delta", 2, [["1.20", "1"]], after_ms=100))
    assert decoder.apply(true) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.best_bid_price) == (2, 120)


def test_a_book_is_of_one_depth() -> None:
    """Depths are numbered apart: frames of another one than the live book's are passed over."""
    decoder = LINEAR.decoder("BTCUSDT", *SCALES)
    decoder.apply(snapshot(10, [["1.00", "1"]], depth=200))
    assert decoder.apply(snapshot(90, [["5.00", "1"]], depth=50)) == dialect.IGNORED
    assert decoder.apply(delta(11, [["5.00", "1"]], depth=50)) == dialect.IGNORED
    assert decoder.apply(delta(11, [["1.10", "1"]], depth=200)) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.best_bid_price) == (11, 110)


def test_best_prices_are_quotes() -> None:
    """Depth 1 leaves the book alone; a side without a level has size 0, and no number compares it with the book."""
    decoder = LINEAR.decoder("BTCUSDT", *SCALES)
    decoder.apply(snapshot(10, [["1.00", "1"]]))
    assert decoder.apply(snapshot(10, [["1.05", "2"]], depth=1)) == dialect.QUOTED
    told = (decoder.quoted_bid_price, decoder.quoted_bid_size, decoder.quoted_ask_price, decoder.quoted_ask_size)
    assert told == (105, 2000, 0, 0)
    assert (decoder.quoted_update_id, decoder.book.best_bid_price) == (0, 100)
    with pytest.raises(BadFrame):
        decoder.apply(delta(11, [["1.05", "2"]], depth=1))


def test_trades_tell_who_came_to_trade() -> None:
    """The side is the taker's, the time the trade's; every trade of a frame is told."""
    decoder = LINEAR.decoder("BTCUSDT", *SCALES)
    rows = [("1.50", "0.004", "Buy", UUID), ("1.40", "1", "Sell", "77")]
    assert decoder.apply(spelled(trades(rows))) == dialect.TRADED
    assert list(decoder.trade_sides[:2]) == [BUY, SELL]
    assert list(decoder.trade_ids[:2]) == [0xE6003EEDBE3CDD7, 77]
    assert list(decoder.trade_prices[:2]) == [150, 140]
    assert decoder.trade_times_ns[1] == 1786310819680_000_000
    assert decoder.apply(spelled(trades([]))) == dialect.IGNORED
    with pytest.raises(BadFrame):
        decoder.apply(spelled(trades([("1.50", "1", "Both", "1")])))


def test_trade_ids_are_numbers() -> None:
    """A number stays, of an UUID the last 60 bits count, and any other text has a number of its own."""
    assert trade_number("2280000001739247417") == 2280000001739247417
    assert trade_number(UUID) == 0xE6003EEDBE3CDD7
    others = {trade_number(text) for text in ("", "x", UUID.upper(), "007", "9" * 19, "9223372036854775808")}
    assert len(others) == 6
    assert all(0 <= number < 2**63 for number in others)


def test_answers_signs_of_life_and_what_nobody_knows() -> None:
    """Both forms of a pong, answers with and without success, other topics, and ones that are not documented."""
    decoder = SPOT.decoder("BTCUSDT", *SCALES)
    for name in ("pong-linear.json", "pong-spot.json", "pong-private.json"):
        assert decoder.apply(spelled(example(name))) == dialect.ALIVE
    for name, refused in (("subscribe-ack-linear", False), ("subscribe-ack-spot", False), ("subscribe-error", True)):
        assert decoder.apply(spelled(example(f"{name}.json"))) == dialect.CONTROL
        assert decoder.refused == refused
    for name in ("ticker-linear-delta", "ticker-linear-snapshot", "ticker-spot"):
        assert decoder.apply(spelled(example(f"{name}.json"))) == dialect.IGNORED
    assert decoder.apply(b'{"topic":"news.BTCUSDT","data":1}') == dialect.UNKNOWN_TYPE
    assert "news" in decoder.cause
    for bad in (b"", b"[]", b"{}", b'{"topic":"orderbook.50.ETHUSDT","type":"delta","ts":1,"data":{}}', b"\xff"):
        with pytest.raises(BadFrame):
            decoder.apply(bad)


def test_the_venues_session() -> None:
    """A live session: the first change has the number after the snapshot's."""
    session = example("session-linear-orderbook50.json")["ws"]
    decoder = LINEAR.decoder("BTCUSDT", 2, 3)
    assert [decoder.apply(spelled(frame)) for frame in session] == [dialect.BOOK_CHANGED] * 2
    assert decoder.update_id == 53935310


def test_requests_hold_few_enough_topics() -> None:
    """Three topics for each instrument, ten at most in a request of spot; a depth that there is not is refused."""
    symbols = [f"S{number}USDT" for number in range(8)]
    requests = [json.loads(request) for request in SPOT.conversation().open(symbols)]
    assert [len(request["args"]) for request in requests] == [9, 9, 6]
    assert requests[0]["args"][:3] == ["orderbook.50.S0USDT", "publicTrade.S0USDT", "orderbook.1.S0USDT"]
    assert len({request["req_id"] for request in requests}) == 3
    assert "orderbook.200.S0USDT" in json.loads(BybitLinear(200).conversation().open(symbols)[0])["args"]
    assert json.loads(SPOT.conversation().close(["A"])[0])["op"] == "unsubscribe"
    with pytest.raises(UnknownDepth, match="50, 200, 1000"):
        Bybit(7)


@pytest.mark.parametrize("with_id", [True, False])
def test_one_bad_symbol_does_not_take_the_others_with_it(with_id: bool) -> None:
    """A request that fails is asked again in halves until the one instrument that is refused is known."""
    conversation = LINEAR.conversation()
    waiting = conversation.open(["A", "B", "BAD", "C", "D"])
    refused, confirmed = [], []
    while waiting:
        request = json.loads(waiting.pop(0))
        failed = any(topic.endswith(".BAD") for topic in request["args"])
        reply = {"success": not failed, "ret_msg": "Invalid topic" if failed else "", "op": "subscribe"}
        if with_id:
            reply["req_id"] = request["req_id"]
        heard = conversation.hear(spelled(reply))
        if heard == dialect.REFUSED:
            refused.append(conversation.venue_symbol)
        elif heard == dialect.CONFIRMED:
            confirmed += [topic.split(".")[2] for topic in request["args"] if topic.startswith("orderbook.50")]
        waiting += conversation.replies
        conversation.replies.clear()
    assert (refused, sorted(confirmed)) == (["BAD"], ["A", "B", "C", "D"])


def test_a_book_is_renewed_once_its_end_was_answered() -> None:
    """Unsubscribe, wait, subscribe; of a renewal that was asked for twice only the second counts."""
    conversation = SPOT.conversation()
    (first,) = conversation.renew("A")
    (second,) = conversation.renew("A")
    assert json.loads(second)["args"] == ["orderbook.50.A"]
    for number, request in enumerate((first, second)):
        reply = {"success": number == 0, "ret_msg": "", "op": "unsubscribe", "req_id": json.loads(request)["req_id"]}
        assert conversation.hear(spelled(reply)) == dialect.DATA
        assert len(conversation.replies) == number
    again = json.loads(conversation.replies[0])
    assert (again["op"], again["args"]) == ("subscribe", ["orderbook.50.A"])
    assert conversation.hear(delta(5)) == conversation.hear(b"\xff") == dialect.DATA
    assert conversation.hear(b'{"op":"subscribe","success":false,"ret_code":20003}') == dialect.RECONNECT
    assert json.loads(conversation.sign_of_life())["op"] == "ping"


def test_symbols_and_names_of_frames() -> None:
    """The last part of the topic, in any spelling; an answer names no instrument."""
    assert SPOT.venue_symbol(delta(5)) == SPOT.venue_symbol(json.dumps(book("delta", 5), indent=1).encode())
    assert SPOT.venue_symbol(delta(5)) == "BTCUSDT"
    assert SPOT.venue_symbol(b'{"success":true,"op":"ping"}') == SPOT.venue_symbol(b"\xff") == ""
    assert SPOT.message_type(delta(5)) == "orderbook.50 delta"
    assert SPOT.message_type(b'{"success":true,"op":"ping"}') == "answer to ping"
    assert [SPOT.message_type(frame) for frame in (b"\xff", b"{}")] == ["unreadable", "nameless"]


def test_instruments_and_audit_from_the_venues_examples() -> None:
    """Steps, minimums and fees of spot and linear; the audit's levels at the instrument's scales."""
    (spot,) = SPOT.instruments([spelled(example("rest-instrument-spot.json"))], 7)
    (linear,) = LINEAR.instruments([spelled(example("rest-instrument-linear.json"))])
    assert isinstance(spot, Instrument)
    assert (spot.instrument_id, spot.symbol, spot.price_scale, spot.size_scale) == (7, "BTC/USDT", 4, 8)
    assert (spot.minimum_size, linear.kind, linear.tick, linear.taker_fee_ppm) == (4_800, "perpetual", 100, 550)
    audit = spelled(example("rest-orderbook.json"))
    assert SPOT.read_audit(audit, 2, 6) == ([(6548547, 47081829)], [(6555770, 16606555)])
    assert SPOT.audit_path("BTCUSDT") == "/v5/market/orderbook?category=spot&symbol=BTCUSDT&limit=50"
    for bad in (b"{}", b'{"retCode":10001,"retMsg":"no"}'):
        for read in (lambda body: SPOT.read_audit(body, 2, 6), lambda body: SPOT.instruments([body])):
            with pytest.raises(BadFrame):
                read(bad)
    more = b'{"retCode":0,"result":{"list":[],"nextPageCursor":"a%3Db"}}'
    assert LINEAR.next_metadata_path("", more).endswith("category=linear&limit=1000&cursor=a%3Db")
    assert LINEAR.next_metadata_path("", audit) == ""


@given(data=st.data(), bids=wire_levels(), asks=wire_levels(), scales=st.tuples(st.integers(0, 12), st.integers(0, 12)))
@settings(max_examples=examples(150, 2_000), deadline=None)
def test_both_readers_agree_on_any_spelling(
    data: st.DataObject, bids: Wire, asks: Wire, scales: tuple[int, int]
) -> None:
    """In the usual spelling and in any other: the same values, or a bad frame from both."""
    kind = data.draw(st.sampled_from(["snapshot", "delta"]))
    number = data.draw(st.integers(0, 10**15))
    message = book(kind, number, bids, asks, data.draw(st.sampled_from([1, 50, 1000])), data.draw(st.booleans()))
    if data.draw(st.integers(0, 3)) == 0:
        rows = [(row[0], row[1], data.draw(st.sampled_from(["Buy", "Sell"])), UUID) for row in bids + asks]
        message = trades(rows, data.draw(st.booleans()))
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
            delta(11, [["1.50", "2.003"], ["1.40", "0"]], [["1.60", "3"]]),
            spelled(book("snapshot", 30, [["1.50", "2"]], [["1.60", "1"]], spot=True)),
            snapshot(30, [["1.50", "2"]], [["1.60", "1"]], depth=1),
            spelled(trades([("1.50", "0.004", "Buy", UUID), ("1.40", "1", "Sell", "77")])),
            spelled(trades([("1.50", "0.004", "Buy", "2280000001739247417")], spot=True)),
            b'{"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}',
        ])
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame)))
        frame = frame[:at] + data.draw(st.binary(max_size=3)) + frame[at + data.draw(st.integers(0, 3)) :]
    agree(frame)
    decoder = LINEAR.decoder("BTCUSDT", *SCALES)
    decoder.apply(snapshot(10, [["1.00", "1"]]))
    outcome_of(decoder, frame)
    for call in (LINEAR.venue_symbol, LINEAR.message_type, LINEAR.conversation().hear):
        call(frame)


def test_trickle() -> None:
    """Cut off anywhere a frame is bad; in pieces of any size it is the same as whole."""
    check_trickle(LINEAR, "BTCUSDT", SCALES, snapshot(10, [["1.00", "1"]], [["1.50", "2.003"], ["1.60", "1"]]))
    check_trickle(LINEAR, "BTCUSDT", SCALES, spelled(trades([("1.50", "0.004", "Buy", UUID)])))


@given(data=st.data())
@settings(max_examples=examples(60, 1_000), deadline=None)
def test_a_live_book_is_never_wrong(data: st.DataObject) -> None:
    """With frames lost, repeated and swapped, and a restart, a live book is the venue's at its number.

    Of two restarts, where all is lost that comes between the first snapshots of both, nothing could tell the second.
    """
    truth = Book()
    states: dict[int, list[list[list[int]]]] = {}
    frames: list[bytes] = []
    number = 100
    for _ in range(data.draw(st.integers(5, 40))):
        number += 1
        chance = data.draw(st.integers(0, 19))
        if chance == 0 and 1 not in states:
            number = 1
        changed = data.draw(st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(0, 3))))
        for side, price, size in changed:
            truth.set_level(side, price, size)
        rows = [[[str(price), str(size)] for one, price, size in changed if one == side] for side in (BUY, SELL)]
        if chance <= 2 or not frames:
            rows = [[[str(price), str(size)] for price, size in each.levels()] for each in (truth.bids, truth.asks)]
        kind = "snapshot" if chance <= 2 or len(frames) == 0 else "delta"
        frames.append(spelled(book(kind, number, rows[0], rows[1], after_ms=20 * len(frames))))
        states.setdefault(number, []).append(truth.save())
    order = [place for place in range(len(frames)) for _ in range(data.draw(st.sampled_from([0, 1, 1, 1, 1, 2])))]
    for place in range(len(order) - 1):
        if data.draw(st.integers(0, 7)) == 0:
            order[place], order[place + 1] = order[place + 1], order[place]
    decoder = LINEAR.decoder("BTCUSDT", 0, 0)
    for place in order:
        decoder.apply(frames[place])
        if data.draw(st.integers(0, 9)) == 0:
            decoder = reloaded(LINEAR, "BTCUSDT", (0, 0), decoder)
        if data.draw(st.integers(0, 9)) == 0:
            decoder.give_up()
        shown = decoder.book.save()
        assert shown in states[decoder.update_id] if decoder.live else shown == [[], [], [], []]


# ---- the recording

BOOKS = [(venue, connection, symbol, scales) for venue, connection, symbol, scales in (
    (LINEAR, "ws.2", "BTCUSDT", (1, 3)), (LINEAR, "ws.2", "ETHUSDT", (2, 2)), (LINEAR, "ws.2", "SOLUSDT", (3, 1)),
    (LINEAR, "ws.2", "DOGEUSDT", (5, 0)), (SPOT, "ws.3", "BTCUSDT", (1, 6)), (SPOT, "ws.3", "ETHUSDT", (2, 5)),
)]  # fmt: skip


def test_every_recorded_frame() -> None:
    """Every frame is taken, books and trades the quick way, and no number is missing; numbers count what is there."""
    counts = dict.fromkeys((dialect.BOOK_CHANGED, dialect.TRADED, dialect.IGNORED), 0)
    for venue, connection, symbol, scales in BOOKS:
        decoder = venue.decoder(symbol, *scales)
        one, other = BybitScan(symbol, *scales), BybitScan(symbol, *scales)
        for frame in frames_for(RECORDING, venue, symbol, connection):
            kind = check_readers_agree(one, other, read_carefully, frame)
            assert (kind != UNKNOWN) == frame.startswith((b'{"topic":"orderbook', b'{"topic":"publicTrade'))
            counts[decoder.apply(frame)] += 1
        book = decoder.book
        assert (decoder.live, book.crossed, book.bids.count, book.asks.count) == (True, False, 200, 200)
    assert counts == {dialect.BOOK_CHANGED: 1077, dialect.TRADED: 56, dialect.IGNORED: 447}


def test_recorded_instruments() -> None:
    """Every listed instrument can be described; BTCUSDT has the recorded steps."""
    bodies = [record.data for record in recorded(RECORDING) if record.kind == ANSWER]
    linear, spot = LINEAR.instruments(bodies[:1]), SPOT.instruments(bodies[1:])
    assert (len(linear), len(spot)) == (800, 557)
    btc = next(one for one in spot if one.venue_symbol == "BTCUSDT")
    assert (btc.price_scale, btc.size_scale, btc.tick, btc.lot) == (3, 8, 100, 100)
    assert any(one.kind == "future" and one.expiry_ns for one in linear)


def test_damage_to_the_recording() -> None:
    """At every tenth change: lost and swapped ones are seen, repeated ones do nothing; a digit cannot be seen."""
    venue, connection, symbol, scales = BOOKS[4]
    frames = [
        frame for frame in frames_for(RECORDING, venue, symbol, connection) if frame.startswith(b'{"topic":"orderbook')
    ]
    final = venue.decoder(symbol, *scales)
    for frame in frames:
        final.apply(frame)
    for place in range(1, len(frames) - 1, 10):
        before, frame, after = frames[:place], frames[place], frames[place + 1 :]
        lost = venue.decoder(symbol, *scales)
        outcomes = [lost.apply(each) for each in before + after]
        assert dialect.HELD in outcomes[place:]
        assert lost.give_up() == dialect.GAP if lost.live else dialect.GAP in outcomes
        for order in ([*before, frame, frame, *after], [*before, after[0], frame, *after[1:]]):
            other = venue.decoder(symbol, *scales)
            outcomes = [other.apply(each) for each in order]
            assert outcomes.count(dialect.IGNORED) + outcomes.count(dialect.HELD) == 1
            assert (other.update_id, other.book.save()) == (final.update_id, final.book.save())
        number = json.loads(frame)["data"]["u"]
        wrong = venue.decoder(symbol, *scales)
        for each in [*before, frame.replace(b'"u":%d' % number, b'"u":%d' % (number - 7)), *after]:
            wrong.apply(each)
        assert not wrong.live or wrong.holding


def test_saved_and_loaded_in_the_middle_of_the_recording() -> None:
    """Going on from what was saved is the same as going on."""
    venue, connection, symbol, scales = BOOKS[0]
    going = venue.decoder(symbol, *scales)
    for place, frame in enumerate(frames_for(RECORDING, venue, symbol, connection)):
        other = reloaded(venue, symbol, scales, going)
        outcome = going.apply(frame)
        if place % 10 == 0:
            assert other.apply(frame) == outcome
            assert other.save() == going.save()
