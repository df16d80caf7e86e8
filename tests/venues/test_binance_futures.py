"""Binance's futures: the chain of changes, both readers, the venue's examples and every recording."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import chain, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.book import Book
from market.dialect import BadFrame, Decoder
from market.messages import FRAME_SNAPSHOT
from market.messages.constants import BUY, SELL
from tests.data import recordings
from tests.generators import book_events
from tests.seeds import examples
from tests.venues.binance_wire import Wire, respelled, spelled, wire_levels
from venues.binance_book import BROKEN_OFF
from venues.binance_futures import BinanceCoinm, BinanceUsdm
from venues.binance_markets import chained
from venues.binance_reading import read_carefully, read_snapshot_carefully
from venues.binance_scan import FrameScan
from venues.facts import Venue
from venues.scanning import DELTA, OTHER, QUOTE, SNAPSHOT, TRADES, UNKNOWN
from venues.streamed import FOLLOWS, MISSING, OLD

USDM = BinanceUsdm()
Levels = list[tuple[int, int]]


def depth(first: int, last: int, previous: int, bids: Wire | None = None, asks: Wire | None = None) -> dict[str, Any]:
    """A change of the book, as the venue orders its fields."""
    return {
        "e": "depthUpdate", "E": 2, "T": 1, "s": "BTCUSDT", "U": first, "u": last, "pu": previous,
        "b": bids or [], "a": asks or [],
    }  # fmt: skip


def snapshot(update_id: int, bids: Wire | None = None, asks: Wire | None = None) -> bytes:
    """A snapshot with this id."""
    return spelled({"lastUpdateId": update_id, "E": 2, "T": 1, "bids": bids or [], "asks": asks or []})


def event(first: int, last: int, previous: int, bids: Wire | None = None) -> bytes:
    """A change as a raw frame."""
    return spelled(depth(first, last, previous, bids))


def said(scan: FrameScan, kind: int) -> tuple[object, ...]:
    """What a scan says after reading a frame of this kind."""
    owner = scan.trades_to
    if kind == TRADES:
        return (
            scan.event_ns, owner.trade_count, owner.trade_ids[0], owner.trade_prices[0], owner.trade_sizes[0],
            owner.trade_sides[0], owner.trade_times_ns[0],
        )  # fmt: skip
    if kind == QUOTE:
        return (
            scan.event_ns, owner.quoted_update_id, owner.quoted_bid_price, owner.quoted_bid_size,
            owner.quoted_ask_price, owner.quoted_ask_size,
        )  # fmt: skip
    levels = (list(scan.level_prices[: scan.level_count]), list(scan.level_sizes[: scan.level_count]), scan.bid_count)
    if kind == SNAPSHOT:
        return (scan.last_update_id, levels)
    return (scan.event_ns, scan.first_update_id, scan.last_update_id, scan.previous_update_id, levels)


def both(symbol: str, price_scale: int, size_scale: int) -> tuple[FrameScan, FrameScan]:
    """Two scans of the same instrument."""
    return FrameScan(symbol, price_scale, size_scale, True), FrameScan(symbol, price_scale, size_scale, True)


def check_readers_agree(frame: bytes, symbol: str = "BTCUSDT", price_scale: int = 8, size_scale: int = 8) -> int:
    """What the quick reader recognises the careful one reads alike; the kind that the quick one told."""
    quick, careful = both(symbol, price_scale, size_scale)
    kind = quick.scan(frame)
    if kind != UNKNOWN:
        assert read_carefully(careful, frame) == kind
        assert said(quick, kind) == said(careful, kind)
    found = quick.scan_snapshot(frame)
    if found != UNKNOWN:
        assert read_snapshot_carefully(careful, frame) == found
        assert said(quick, found) == said(careful, found)
    return int(kind or found)


@pytest.mark.parametrize(
    ("reached", "joined", "first", "last", "previous", "order"),
    [
        (10, False, 5, 9, 4, OLD), (10, False, 5, 10, 4, FOLLOWS), (10, False, 5, 20, 4, FOLLOWS),
        (10, False, 10, 12, 9, FOLLOWS), (10, False, 15, 20, 10, FOLLOWS), (10, False, 11, 20, 9, MISSING),
        (10, True, 15, 20, 10, FOLLOWS), (10, True, 11, 20, 10, FOLLOWS), (10, True, 15, 20, 14, MISSING),
        (10, True, 5, 10, 4, OLD), (10, True, 2, 3, 1, OLD), (10, True, 11, 20, 9, BROKEN_OFF),
        (10, True, 5, 10, 10, OLD),
    ],
)  # fmt: skip
def test_the_chain(reached: int, joined: bool, first: int, last: int, previous: int, order: int) -> None:
    """The first event holds the snapshot's id or follows it; each later one names the one before, holes or not."""
    assert chained(reached, joined, first, last, previous) == order


def test_joining_snapshot_and_stream() -> None:
    """Events before the snapshot are dropped; holes between the ids of following events mean nothing."""
    decoder = USDM.decoder("BTCUSDT", 2, 3)
    assert decoder.apply(event(5, 9, 3, [["1.00", "1"]])) == dialect.SNAPSHOT_WANTED
    assert decoder.apply(event(15, 20, 9, [["2.00", "1"]])) == dialect.BUFFERED
    assert decoder.apply_snapshot(snapshot(2)) == dialect.SNAPSHOT_WANTED
    assert decoder.apply_snapshot(snapshot(17, [["1.50", "2"]])) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.bids.levels()) == (20, [(200, 1000), (150, 2000)])
    assert decoder.apply(event(31, 40, 20)) == dialect.BOOK_CHANGED
    assert decoder.apply(event(31, 40, 20)) == dialect.IGNORED
    assert decoder.apply(event(61, 70, 50)) == dialect.HELD
    assert decoder.apply(event(45, 50, 40)) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.holding) == (70, False)
    assert decoder.apply(event(71, 80, 69)) == dialect.GAP
    assert (decoder.live, decoder.book.bids.count) == (False, 0)


def test_a_quiet_instrument_joins_at_the_end_of_the_event_before() -> None:
    """A snapshot at the end of an event that came before the stream began is followed by the one that names it."""
    decoder = USDM.decoder("BTCUSDT", 2, 3)
    assert decoder.apply_snapshot(snapshot(10)) == dialect.BOOK_CHANGED
    assert decoder.apply(event(95, 99, 10)) == dialect.BOOK_CHANGED


def test_the_venues_session() -> None:
    """The session of the venue's examples: three events dropped, the fourth begins at the snapshot's id."""
    path = recordings().parent / "venue-examples" / "binance-usdm" / "session-sushiusdt.json"
    session = json.loads(path.read_text())
    decoder = USDM.decoder("SUSHIUSDT", 4, 0)
    events = next(value for value in session.values() if isinstance(value, list))
    outcomes = [decoder.apply(spelled(each)) for each in events[:4]]
    outcomes.append(decoder.apply_snapshot(spelled(session["rest_snapshot"])))
    outcomes += [decoder.apply(spelled(each)) for each in events[4:]]
    assert outcomes[4:] == [dialect.BOOK_CHANGED] * (len(events) - 3)


def test_fields_of_2026_and_best_prices() -> None:
    """The pair and the kind of margin are passed over, quickly; best prices and trades are told."""
    frame = (
        b'{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"U":157,"u":160,'
        b'"pu":149,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}'
    )
    assert check_readers_agree(frame) == DELTA
    decoder = USDM.decoder("BTCUSDT", 2, 3)
    quote = (
        b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":7,"s":"BTCUSDT","b":"28145.10","B":"3.868",'
        b'"a":"28145.20","A":"6.887","T":1680652700430,"E":1680652700435}}'
    )
    assert check_readers_agree(quote) == QUOTE
    assert decoder.apply(quote) == dialect.QUOTED
    assert (decoder.quoted_update_id, decoder.quoted_bid_price, decoder.quoted_ask_size) == (7, 2_814_510, 6_887)
    trade = (
        b'{"e":"aggTrade","E":1626992741575,"a":16599292,"s":"BTCUSDT","p":"1.01","q":"10","f":23961322,'
        b'"l":23961322,"T":1626992741421,"m":true}'
    )
    assert check_readers_agree(trade) == TRADES
    assert decoder.apply(trade) == dialect.TRADED
    assert (decoder.trade_ids[0], decoder.trade_sides[0], decoder.trade_prices[0]) == (16599292, SELL, 101)
    other = trade.replace(b'"m":true', b'"m":false,"nq":"9"')
    assert check_readers_agree(other) == 0
    assert decoder.apply(other) == dialect.TRADED
    assert decoder.trade_sides[0] == BUY


def test_partial_depth_is_not_taken_for_a_change() -> None:
    """Of the same form, told by the stream's name alone."""
    decoder = USDM.decoder("BTCUSDT", 2, 3)
    decoder.apply_snapshot(snapshot(10))
    for name in ("btcusdt@depth5", "btcusdt@depth10@100ms", "btcusdt@depth20@500ms"):
        frame = spelled({"stream": name, "data": depth(10, 11, 10, [["1.00", "1"]])})
        assert decoder.apply(frame) == dialect.IGNORED
    assert decoder.apply(spelled({"stream": "btcusdt@depth@500ms", "data": depth(10, 11, 10)})) == dialect.BOOK_CHANGED


def test_types_that_nobody_knows_are_told() -> None:
    """A documented event that is not kept is ignored, one that is not documented is told, and neither is bad."""
    decoder = USDM.decoder("BTCUSDT", 2, 3)
    assert decoder.apply(b'{"e":"markPriceUpdate","E":1,"s":"BTCUSDT"}') == dialect.IGNORED
    assert decoder.apply(b'{"stream":"x@new","data":{"e":"newEvent","E":1,"s":"BTCUSDT"}}') == dialect.UNKNOWN_TYPE
    assert "newEvent" in decoder.cause
    assert decoder.apply(b'{"e":"serverShutdown","E":1}') == dialect.CLOSING


def test_routes_addresses_and_requests() -> None:
    """Books and best prices come over one route, trades over another; coin-margined ones all over one connection."""
    assert USDM.routes == ("public", "market")
    assert USDM.route_url("market", ["BTCUSDT"]) == "wss://fstream.binance.com/market/stream"
    assert USDM.url(["BTCUSDT"], "ws://127.0.0.1:9") == "ws://127.0.0.1:9/public/stream"
    assert USDM.route_conversation("market").open(["BTCUSDT"]) == [
        b'{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}'
    ]
    assert USDM.snapshot_path("BTCUSDT", 300) == "/fapi/v1/depth?symbol=BTCUSDT&limit=500"
    assert USDM.snapshot_path("BTCUSDT", 10**6) == "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
    coinm = BinanceCoinm()
    assert coinm.routes == ("",)
    assert coinm.url(["BTCUSD_PERP"]) == "wss://dstream.binance.com/stream"
    assert b'"btcusd_perp@aggTrade"' in coinm.conversation().open(["BTCUSD_PERP"])[0]


@given(data=st.data(), bids=wire_levels(), asks=wire_levels(), scales=st.tuples(st.integers(0, 12), st.integers(0, 12)))
@settings(max_examples=examples(300, 5_000), deadline=None)
def test_both_readers_agree_on_any_spelling(
    data: st.DataObject, bids: Wire, asks: Wire, scales: tuple[int, int]
) -> None:
    """In the usual spelling and in any other: the same values, or a bad frame from both."""
    first = data.draw(st.integers(0, 10**13))
    message = depth(first, first + data.draw(st.integers(0, 99)), data.draw(st.integers(0, 10**13)), bids, asks)
    usual = spelled(message)
    if data.draw(st.booleans()):
        usual = b'{"stream":"btcusdt@depth@100ms","data":' + usual + b"}"
    check_readers_agree(usual, "BTCUSDT", *scales)
    one, other = both("BTCUSDT", *scales)
    try:
        kind = one.scan(usual) or read_carefully(one, usual)
    except BadFrame:
        with pytest.raises(BadFrame):
            read_carefully(other, data.draw(respelled(message)))
        return
    assert read_carefully(other, data.draw(respelled(message))) == kind == DELTA
    assert said(one, DELTA) == said(other, DELTA)


@given(
    habit=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    numbers=st.lists(
        st.tuples(st.integers(0, 10**8), st.integers(0, 9), st.sampled_from(["", "x", "1", "."])), max_size=9
    ),
    scale=st.integers(0, 12),
)
@settings(max_examples=examples(300, 5_000), deadline=None)
def test_a_number_of_another_form_than_those_before_it(
    habit: tuple[int, int], numbers: list[tuple[int, int, str]], scale: int
) -> None:
    """What the quick reader expects from the numbers before never changes what it reads."""
    quick, careful = both("BTCUSDT", scale, scale)
    usual = ["1" * habit[0] + "." + "0" * (habit[1] - 1) + ("0" if scale < habit[1] else "5")] * 2
    quick.scan(spelled(depth(1, 1, 1, [usual] * 40)))
    for number, places, damage in numbers:
        digits = str(number).rjust(places + 1, "0")
        text = f"{digits[: len(digits) - places]}.{digits[len(digits) - places :]}" if places else digits
        frame = spelled(depth(1, 1, 1, [[text + damage, text], [text, text + damage]]))
        if quick.scan(frame) == DELTA:
            assert read_carefully(careful, frame) == DELTA
            assert said(quick, DELTA) == said(careful, DELTA)


@given(data=st.data())
@settings(max_examples=examples(300, 3_000), deadline=None)
def test_damaged_frames(data: st.DataObject) -> None:
    """With bytes replaced, inserted or removed the readers agree; only `BadFrame` is raised, and it changes nothing."""
    frame = data.draw(
        st.sampled_from([
            event(15, 20, 10, [["1.50", "2.003"], ["1.40", "0"]]),
            snapshot(30, [["1.50", "2"]], [["1.60", "1"]]),
            b'{"e":"bookTicker","u":7,"s":"BTCUSDT","b":"5.10","B":"3.868","a":"5.20","A":"6.887","T":1,"E":2}',
            b'{"e":"trade","E":2,"T":1,"s":"BTCUSDT","t":9,"p":"5.30","q":"4","X":"MARKET","m":false}',
            b'{"e":"aggTrade","E":2,"a":9,"s":"BTCUSDT","p":"5.30","q":"4","f":1,"l":2,"T":1,"m":false}',
        ])
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame)))
        frame = frame[:at] + data.draw(st.binary(max_size=3)) + frame[at + data.draw(st.integers(0, 3)) :]
    check_readers_agree(frame, "BTCUSDT", 2, 3)
    decoder = USDM.decoder("BTCUSDT", 2, 3)
    decoder.apply_snapshot(snapshot(10, [["1.00", "1"]]))
    before = decoder.save()
    for apply in (decoder.apply, decoder.apply_snapshot):
        try:
            apply(frame)
        except BadFrame:
            assert decoder.save() == before
        before = decoder.save()


def test_trickle() -> None:
    """Cut off at every byte a frame is a bad frame."""
    frame = event(15, 20, 10, [["1.50", "2.003"], ["1.40", "0"]])
    for end in range(len(frame)):
        with pytest.raises(BadFrame):
            USDM.decoder("BTCUSDT", 2, 3).apply(frame[:end])
        check_readers_agree(frame[:end])


@given(events=book_events(), data=st.data())
@settings(max_examples=examples(80, 1_000), deadline=None)
def test_a_live_book_is_never_wrong(events: list[tuple[int, Levels, Levels]], data: st.DataObject) -> None:
    """With frames lost, repeated and swapped and snapshots old or new, a live book is the venue's at its update id."""

    def wire(levels: Levels) -> Wire:
        return [[str(price), str(size)] for price, size in levels]

    truth = Book()
    saved = {0: truth.save()}
    snapshots = {0: snapshot(0)}
    frames: list[bytes] = []
    reached = 0
    for width, bids, asks in events:
        for side, levels in ((BUY, bids), (SELL, asks)):
            for price, size in levels:
                truth.set_level(side, price, size)
        first = reached + data.draw(st.integers(1, 9))
        last = first + width
        frames.append(spelled(depth(first, last, reached, wire(bids), wire(asks))))
        reached = last
        saved[reached] = truth.save()
        snapshots[reached] = snapshot(reached, wire(truth.bids.levels()), wire(truth.asks.levels()))
    order = data.draw(st.lists(st.integers(0, len(frames) - 1), max_size=30)) if data.draw(st.booleans()) else [
        place for place in range(len(frames)) if data.draw(st.integers(0, 9)) > 0
    ]
    decoder = USDM.decoder("BTCUSDT", 0, 0)
    for place in order:
        if data.draw(st.integers(0, 9)) == 0:
            decoder.give_up()
        if decoder.apply(frames[place]) != dialect.BOOK_CHANGED and data.draw(st.booleans()):
            decoder.apply_snapshot(snapshots[data.draw(st.sampled_from(sorted(snapshots)))])
        if data.draw(st.integers(0, 4)) == 0:
            state = decoder.save()
            decoder = USDM.decoder("BTCUSDT", 0, 0)
            decoder.load(json.loads(json.dumps(state)))
        assert decoder.book.save() == (saved[decoder.update_id] if decoder.live else [[], [], [], []])


RECORDED: dict[str, tuple[Venue, str, int, int, tuple[str, ...]]] = {
    "usdm 2023": (USDM, "BTCUSDT", 2, 3, ("usdm_btcusdt_20230404.dat.gz", "usdm_btcusdt_20230405.dat.gz")),
    "usdm 2024": (USDM, "BTCUSDT", 1, 3, ("usdm_btcusdt_20240808.gz",)),
    "coinm": (BinanceCoinm(), "BTCUSD_PERP", 1, 9, ("cm_btcusd_perp_20240808.gz", "cm_btcusd_perp_20240809.gz")),
}


def recorded_frames(names: tuple[str, ...]) -> Iterator[bytes]:
    """The frames of files that continue each other."""
    folder = recordings() / "binance_hftbacktest" / "dev"
    for name in names:
        with gzip.open(folder / name, "rb") as lines:
            yield from (line.split(b" ", 1)[1].rstrip() for line in lines)


@cache
def beginning(name: str, count: int) -> list[bytes]:
    """The first frames of a recording."""
    return list(islice(recorded_frames(RECORDED[name][4]), count))


def take(decoder: Decoder, frame: bytes) -> int:
    """Apply a recorded frame, a snapshot or one of the stream, to its end."""
    outcome = decoder.apply_snapshot(frame) if frame.startswith(b'{"lastUpdateId"') else decoder.apply(frame)
    while outcome == dialect.REPLAYING:
        outcome = decoder.go_on()
    return outcome


@pytest.mark.parametrize("name", RECORDED)
def test_recordings_rebuild_the_venues_own_best_prices(name: str) -> None:
    """Every frame is taken, none is unknown, and the top is the venue's at every update id that both tell."""
    venue, symbol, price_scale, size_scale, files = RECORDED[name]
    decoder = venue.decoder(symbol, price_scale, size_scale)
    quoted: dict[int, tuple[int, ...]] = {}
    kept: dict[int, tuple[int, ...]] = {}
    compared = 0
    frames = recorded_frames(files) if examples(0, 1) else chain(beginning(name, 5_000))
    for frame in frames:
        outcome = take(decoder, frame)
        assert outcome not in (dialect.GAP, dialect.HELD, dialect.UNKNOWN_TYPE), decoder.cause
        if outcome == dialect.QUOTED:
            quoted[decoder.quoted_update_id] = (
                decoder.quoted_bid_price, decoder.quoted_bid_size, decoder.quoted_ask_price, decoder.quoted_ask_size,
            )  # fmt: skip
            update_id = decoder.quoted_update_id
        elif outcome == dialect.BOOK_CHANGED:
            book = decoder.book
            kept[decoder.update_id] = (
                book.best_bid_price, book.best_bid_size, book.best_ask_price, book.best_ask_size,
            )  # fmt: skip
            update_id = decoder.update_id
        else:
            continue
        if update_id in kept and update_id in quoted:
            assert kept.pop(update_id) == quoted.pop(update_id)
            compared += 1
    assert compared > 20
    assert not decoder.book.crossed


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_frames_are_read_alike_and_quickly(name: str) -> None:
    """Both readers agree on every frame; all but what is rare take the quick way."""
    _, symbol, price_scale, size_scale, _ = RECORDED[name]
    # A respelled snapshot, another stream, and trades of the venue's insurance fund, which are none of the market.
    rare = (b"markPrice", b'{"lastUpdateId": ', b'"X":"INSURANCE_FUND"')
    for frame in beginning(name, examples(2_000, 50_000)):
        kind = check_readers_agree(frame, symbol, price_scale, size_scale)
        assert kind not in (UNKNOWN, OTHER) or any(one in frame for one in rare)


@pytest.mark.parametrize("name", RECORDED)
def test_damage_to_a_recording_is_seen(name: str) -> None:
    """A change left out is a gap; one doubled is passed over; two swapped give the same book."""
    venue, symbol, price_scale, size_scale, _ = RECORDED[name]
    frames = [frame for frame in beginning(name, 3_000) if b"depthUpdate" in frame or b"lastUpdateId" in frame[:20]]
    start = next(place for place, frame in enumerate(frames) if frame.startswith(b'{"lastUpdateId"')) + 2
    whole = venue.decoder(symbol, price_scale, size_scale)
    for frame in frames:
        take(whole, frame)
    for place in range(start, len(frames) - 20, max(1, len(frames) // examples(4, 100))):
        for changed in (
            [*frames[:place], frames[place + 1], frames[place], *frames[place + 2 :]],
            [*frames[: place + 1], *frames[place:]],
        ):
            decoder = venue.decoder(symbol, price_scale, size_scale)
            for frame in changed:
                assert take(decoder, frame) != dialect.GAP
            assert decoder.book.save() == whole.book.save()
        decoder = venue.decoder(symbol, price_scale, size_scale)
        outcomes = [take(decoder, frame) for frame in (*frames[:place], *frames[place + 1 : place + 19])]
        assert outcomes.count(dialect.GAP) == 1
        assert not decoder.live


def test_a_large_snapshot_comes_in_pieces() -> None:
    """The recorded snapshot of a thousand levels a side, cut, gives the book of the whole."""
    frame = next(frame for frame in beginning("usdm 2024", 3_000) if frame.startswith(b'{"lastUpdateId"'))
    pieces = USDM.cut(frame, FRAME_SNAPSHOT)
    assert len(pieces) > 2
    cut, whole = USDM.decoder("BTCUSDT", 1, 3), USDM.decoder("BTCUSDT", 1, 3)
    for part, piece in enumerate(pieces, 1):
        cut.apply_snapshot_piece(piece, part, len(pieces), zlib.crc32(frame))
    whole.apply_snapshot(frame)
    assert cut.live
    assert cut.book.save() == whole.book.save()
    with suppress(BadFrame):
        cut.apply_snapshot_piece(b"", 2, 2, 0)
    assert cut.book.save() == whole.book.save()
