"""Binance spot: both readers agree on every frame, the book is never wrong, and what is written can be read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.book import Book
from market.dialect import OUTCOME_NAMES, BadFrame, Decoder
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL
from market.numbers import NumberError, parse_decimal
from tests.data import recordings
from tests.generators import book_events, wire_decimals
from tests.seeds import examples
from venues.binance import BinanceSpot
from venues.binance_markets import continuity
from venues.binance_reading import read_carefully, read_snapshot_carefully
from venues.binance_scan import FrameScan
from venues.scanning import DELTA, QUOTE, SNAPSHOT, TRADES, UNKNOWN
from venues.streamed import FOLLOWS, MISSING, OLD

FRAMES = Path(__file__).resolve().parent.parent / "frames" / "binance_spot.jsonl"
SPOT = BinanceSpot()
Levels = list[tuple[int, int]]


class Known(NamedTuple):
    """A single frame with its source and what it means to a new decoder."""

    name: str
    source: str
    symbol: str
    price_scale: int
    size_scale: int
    outcome: str
    frame: str

    def scan(self) -> FrameScan:
        """A scan for this frame's symbol."""
        return FrameScan(self.symbol, self.price_scale, self.size_scale)

    def decoder(self) -> Decoder:
        """A decoder for this frame's symbol."""
        return SPOT.decoder(self.symbol, self.price_scale, self.size_scale)


KNOWN = [Known(**json.loads(line)) for line in FRAMES.read_text(encoding="utf-8").splitlines()]
VALID = [known for known in KNOWN if known.outcome != "bad frame"]
DEPTH_FRAME = next(known for known in VALID if known.name == "recorded depth")
TRADE_FRAME = next(known for known in VALID if known.name == "recorded trade")


def fields(scan: FrameScan, kind: int) -> tuple[object, ...]:
    """What a scan says after reading a frame of this kind."""
    owner = scan.trades_to
    if kind == TRADES:
        return (
            kind, scan.event_ns, owner.trade_count, owner.trade_ids[0], owner.trade_prices[0], owner.trade_sizes[0],
            owner.trade_sides[0], owner.trade_times_ns[0],
        )  # fmt: skip
    if kind == QUOTE:
        return (
            kind, owner.quoted_update_id, owner.quoted_bid_price, owner.quoted_bid_size, owner.quoted_ask_price,
            owner.quoted_ask_size,
        )  # fmt: skip
    levels = (
        scan.bid_count,
        list(scan.level_prices[: scan.level_count]),
        list(scan.level_sizes[: scan.level_count]),
    )
    if kind == SNAPSHOT:
        return (kind, scan.last_update_id, *levels)
    return (kind, scan.event_ns, scan.first_update_id, scan.last_update_id, *levels)


def check_readers_agree(known: Known, frame: bytes) -> None:
    """What the quick reader recognises, the careful one reads to the same values; else both are free to differ."""
    quick = known.scan()
    kind = quick.scan(frame)
    careful = known.scan()
    if kind != UNKNOWN:
        assert read_carefully(careful, frame) == kind
        assert fields(quick, kind) == fields(careful, kind)
    else:
        with suppress(BadFrame):
            known.decoder().apply(frame)
    snapshot = known.scan()
    if snapshot.scan_snapshot(frame) != UNKNOWN:
        assert read_snapshot_carefully(careful, frame) == SNAPSHOT
        assert fields(snapshot, SNAPSHOT) == fields(careful, SNAPSHOT)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_known_frames_mean_what_they_should(known: Known) -> None:
    """Every frame of the collection has the stated outcome for a new decoder, or is refused as a bad frame."""
    decoder = known.decoder()
    if known.outcome == "bad frame":
        with pytest.raises(BadFrame):
            decoder.apply(known.frame.encode("utf-8", "surrogatepass"))
        assert not decoder.live
    else:
        assert OUTCOME_NAMES[decoder.apply(known.frame.encode())] == known.outcome


def test_the_venues_own_spelling_takes_the_quick_way() -> None:
    """Recorded depth and trade frames, and what the encoder writes, are recognised without the careful reader."""
    assert DEPTH_FRAME.scan().scan(DEPTH_FRAME.frame.encode()) == DELTA
    assert TRADE_FRAME.scan().scan(TRADE_FRAME.frame.encode()) == TRADES
    for combined in (True, False):
        encoder = SPOT.encoder("BTCUSDT", 2, 8, combined)
        scan = FrameScan("BTCUSDT", 2, 8)
        assert scan.scan(encoder.depth(1_000_000, 1, 2, [(100, 5)], [])) == DELTA
        assert scan.scan(encoder.depth(1_000_000, 1, 2, [], [(100, 5), (99, 0)])) == DELTA
        assert scan.scan(encoder.trade(1_000_000, 1, 100, 5, BUY)) == TRADES
        assert scan.scan_snapshot(encoder.snapshot(7, [(100, 5)], [(101, 5)])) == SNAPSHOT


@pytest.mark.parametrize("known", VALID, ids=lambda known: known.name)
def test_trickle(known: Known) -> None:
    """Cut off at every byte, or with bytes behind it, a frame is a bad frame or read alike by both readers."""
    whole = known.frame.encode()
    for end in range(len(whole)):
        with pytest.raises(BadFrame):
            known.decoder().apply(whole[:end])
        check_readers_agree(known, whole[:end])
    for trailing in (b" ", b"\n", b"}", b"]", b"\x00", b"{}", whole):
        check_readers_agree(known, whole + trailing)


@given(
    known=st.sampled_from(VALID),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3),
)
@settings(max_examples=examples(300, 2_000), deadline=None)
def test_damaged_frames(known: Known, changes: list[tuple[int, bytes, int]]) -> None:
    """With bytes replaced, inserted or removed anywhere, the readers agree and only `BadFrame` is raised."""
    frame = known.frame.encode()
    for place, inserted, removed in changes:
        at = place % (len(frame) + 1)
        frame = frame[:at] + inserted + frame[at + removed :]
    check_readers_agree(known, frame)


@given(price=wire_decimals(), size=wire_decimals(), price_scale=st.integers(0, 12), size_scale=st.integers(0, 12))
@settings(max_examples=examples(300, 2_000), deadline=None)
def test_numbers_are_read_as_market_numbers_reads_them(
    price: str, size: str, price_scale: int, size_scale: int
) -> None:
    """A level's price and size are exactly what `parse_decimal` makes of their text, or the frame is refused."""
    levels = f'[["{price}","{size}"]]'
    text = f'{{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":{levels},"a":{levels}}}'
    frame = text.encode()
    known = Known("", "", "BTCUSDT", price_scale, size_scale, "", text)
    check_readers_agree(known, frame)
    scan = known.scan()
    try:
        expected = [
            parse_decimal(price, price_scale, allow_exponent=True, allow_sign=False),
            parse_decimal(size, size_scale, allow_exponent=True, allow_sign=False),
        ]
        assert expected[0] <= MOST_PRICE
    except (NumberError, AssertionError):
        assert scan.scan(frame) == UNKNOWN
        with pytest.raises(BadFrame):
            read_carefully(scan, frame)
        return
    if scan.scan(frame) == UNKNOWN:
        read_carefully(scan, frame)
    assert list(scan.level_prices[:2]) == [expected[0]] * 2
    assert list(scan.level_sizes[:2]) == [expected[1]] * 2


def test_another_spelling_means_the_same() -> None:
    """Spaces, another order of fields, exponents and escapes go to the careful reader and give the same book."""
    usual = b'{"e":"depthUpdate","E":5,"s":"BTCUSDT","U":3,"u":4,"b":[["1.50000000","2.00000000"]],"a":[]}'
    others = [
        msgspec.json.format(usual, indent=2),
        b'{"a":[],"b":[["15e-1","2"]],"u":4,"U":3,"s":"BTCUSD\\u0054","E":5,"e":"depthUpdate","extra":{"x":[1]}}',
        b'{"data":' + usual + b',"stream":"btcusdt@depth"}',
    ]
    for other in others:
        decoder = SPOT.decoder("BTCUSDT", 2, 8)
        decoder.apply_snapshot(b'{"lastUpdateId":2,"bids":[],"asks":[["2.00000000","1.00000000"]]}')
        assert decoder.apply(other) == dialect.BOOK_CHANGED
        assert decoder.book.save() == [[150], [200000000], [200], [100000000]]
        assert (decoder.first_update_id, decoder.update_id, decoder.venue_ns) == (3, 4, 5_000_000)


def test_trade_tells_who_came_to_trade() -> None:
    """With the buyer as maker the seller was the aggressor, and the other way round; times are nanoseconds."""
    encoder = SPOT.encoder("BTCUSDT", 2, 8)
    for side in (BUY, SELL):
        decoder = SPOT.decoder("BTCUSDT", 2, 8)
        assert decoder.apply(encoder.trade(1_700_000_000_123_000_000, 77, 6_000_001, 5, side)) == dialect.TRADED
        assert decoder.trade_count == 1
        assert (decoder.trade_ids[0], decoder.trade_prices[0], decoder.trade_sizes[0]) == (77, 6_000_001, 5)
        assert decoder.trade_sides[0] == side
        assert decoder.trade_times_ns[0] == decoder.venue_ns == 1_700_000_000_123_000_000
    assert b'"m":true' in encoder.trade(0, 1, 1, 1, SELL)


def test_replies_and_refusals() -> None:
    """A reply and a refusal are told apart, with their text."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    assert decoder.apply(b'{"result":null,"id":1}') == dialect.CONTROL
    assert (decoder.refused, decoder.cause) == (False, "request 1 answered with null")
    assert decoder.apply(b'{"code":2,"msg":"Invalid request","id":"x"}') == dialect.CONTROL
    assert (decoder.refused, decoder.cause) == (True, "refused with code 2: Invalid request")
    assert decoder.apply_snapshot(b'{"code":-1121,"msg":"Invalid symbol."}') == dialect.CONTROL
    assert decoder.refused


def test_requests() -> None:
    """A snapshot's size is kept within the venue's."""
    assert SPOT.snapshot_path("BTCUSDT", 9999) == "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    assert SPOT.venue == "binance"


@pytest.mark.parametrize("known", VALID, ids=lambda known: known.name)
def test_the_symbol_is_found_at_a_glance(known: Known) -> None:
    """A frame that names an instrument is routed to it, one that names none is not."""
    named = f'"{known.symbol}"' in known.frame
    assert SPOT.venue_symbol(known.frame.encode()) == (known.symbol if named else "")


@pytest.mark.parametrize(
    ("reached", "first", "last", "order"),
    [
        (10, 11, 11, FOLLOWS), (10, 11, 20, FOLLOWS), (10, 5, 11, FOLLOWS), (10, 10, 11, FOLLOWS),
        (10, 5, 10, OLD), (10, 1, 2, OLD), (10, 12, 12, MISSING), (10, 12, 30, MISSING),
    ],
)  # fmt: skip
def test_continuity(reached: int, first: int, last: int, order: int) -> None:
    """An event follows when it begins at or before the next id and ends after the one reached."""
    assert continuity(reached, first, last) == order


def event(first: int, last: int, bids: Levels | None = None) -> bytes:
    """A depth frame with these ids."""
    return SPOT.encoder("BTCUSDT", 2, 8).depth(0, first, last, bids or [], [])


def snapshot(update_id: int, bids: Levels | None = None) -> bytes:
    """A snapshot with this id."""
    return SPOT.encoder("BTCUSDT", 2, 8).snapshot(update_id, bids or [], [])


def test_joining_snapshot_and_stream() -> None:
    """Events are kept until a snapshot comes that reaches them; one that ends exactly at the snapshot is dropped."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    assert decoder.apply(event(11, 12, [(100, 1)])) == dialect.SNAPSHOT_WANTED
    assert decoder.apply(event(13, 14, [(101, 2)])) == dialect.BUFFERED
    assert decoder.apply_snapshot(snapshot(9)) == dialect.SNAPSHOT_WANTED
    assert (decoder.live, decoder.book.bids.count) == (False, 0)
    assert decoder.apply_snapshot(snapshot(12, [(100, 9)])) == dialect.BOOK_CHANGED
    assert (decoder.live, decoder.update_id, decoder.book.bids.levels()) == (True, 14, [(101, 2), (100, 9)])
    assert decoder.apply(event(13, 14, [(101, 7)])) == dialect.IGNORED
    assert decoder.apply(event(15, 15, [(101, 0)])) == dialect.BOOK_CHANGED
    assert decoder.book.bids.levels() == [(100, 9)]
    assert decoder.apply_snapshot(snapshot(14)) == dialect.IGNORED
    assert decoder.apply_snapshot(snapshot(16, [(90, 1)])) == dialect.BOOK_CHANGED
    assert decoder.book.bids.levels() == [(90, 1)]


def test_the_recorded_session_whose_snapshot_lies_outside_the_first_event() -> None:
    """A dropped event that ended exactly at the snapshot's id does not keep the next one from following."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    decoder.apply(event(499869750, 499869752))
    decoder.apply(event(499869753, 499869760, [(35130, 1)]))
    assert decoder.apply_snapshot(snapshot(499869752)) == dialect.BOOK_CHANGED
    assert decoder.update_id == 499869760


def test_what_comes_too_early_is_held_and_then_a_gap() -> None:
    """The book stays as it is while an event is held; when its owner gives up it is emptied and the cause named."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    decoder.apply_snapshot(snapshot(10, [(100, 1)]))
    assert decoder.give_up() == dialect.IGNORED
    assert decoder.apply(event(12, 13, [(101, 2)])) == dialect.HELD
    assert decoder.cause == "events between 10 and 12 are missing"
    assert (decoder.live, decoder.holding, decoder.update_id, decoder.book.bids.count) == (True, True, 10, 1)
    assert decoder.give_up() == dialect.GAP
    assert decoder.cause == "what comes after 10 did not come in time"
    assert (decoder.live, decoder.holding, decoder.book.bids.count) == (False, False, 0)
    assert decoder.apply(event(14, 14)) == dialect.BUFFERED
    assert decoder.apply_snapshot(snapshot(11, [(100, 1)])) == dialect.BOOK_CHANGED
    assert (decoder.update_id, decoder.book.bids.levels()) == (14, [(101, 2), (100, 1)])


def test_what_was_held_is_applied_once_the_missing_one_has_come() -> None:
    """In the order of ids, whatever the order of arrival, and what is still too early stays held."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    decoder.apply_snapshot(snapshot(10, [(100, 1)]))
    for number in (13, 12, 15, 13):
        assert decoder.apply(event(number, number, [(100, number)])) == dialect.HELD
    fresh = SPOT.decoder("BTCUSDT", 2, 8)
    fresh.load(json.loads(json.dumps(decoder.save())))
    assert fresh.apply(event(11, 11, [(100, 11)])) == dialect.BOOK_CHANGED
    assert (fresh.holding, fresh.update_id, fresh.book.bids.levels()) == (True, 13, [(100, 13)])
    assert fresh.apply(event(14, 14)) == dialect.BOOK_CHANGED
    assert (fresh.holding, fresh.update_id, fresh.book.bids.levels()) == (False, 15, [(100, 15)])


def test_with_too_many_held_the_missing_one_is_lost() -> None:
    """One more than the bound is a gap; all that was held waits for the snapshot, in order."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    decoder.apply_snapshot(snapshot(10, [(100, 1)]))
    early = [event(number, number) for number in range(12, 12 + dialect.MOST_HELD)]
    assert {decoder.apply(frame) for frame in reversed(early)} == {dialect.HELD}
    assert decoder.apply(event(40, 40)) == dialect.GAP
    assert decoder.apply_snapshot(snapshot(11, [(100, 1)])) == dialect.GAP
    assert decoder.apply_snapshot(snapshot(39, [(100, 1)])) == dialect.BOOK_CHANGED
    assert decoder.update_id == 40


def test_a_snapshot_that_reaches_what_was_held_ends_the_holding() -> None:
    """A snapshot in between, of an owner that did not want to wait, is joined with what was held."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    decoder.apply_snapshot(snapshot(10, [(100, 1)]))
    assert decoder.apply(event(12, 13, [(101, 2)])) == dialect.HELD
    assert decoder.apply_snapshot(snapshot(11, [(100, 1)])) == dialect.BOOK_CHANGED
    assert (decoder.holding, decoder.update_id, decoder.book.bids.levels()) == (False, 13, [(101, 2), (100, 1)])


def test_a_gap_among_the_kept_events_is_found_with_the_snapshot() -> None:
    """The events before the hole are not applied to a book that then could not go on; the rest waits for another."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    for first in (11, 12, 14, 15):
        decoder.apply(event(first, first, [(first, 1)]))
    assert decoder.apply_snapshot(snapshot(10)) == dialect.GAP
    assert decoder.cause == "events between 12 and 14 are missing"
    assert (decoder.live, decoder.book.bids.count) == (False, 0)
    assert decoder.apply_snapshot(snapshot(13)) == dialect.BOOK_CHANGED
    assert (decoder.live, decoder.update_id) == (True, 15)


def test_the_buffer_is_bounded_and_says_what_it_lost() -> None:
    """When too many events wait the oldest is dropped, and a snapshot that needed it is refused."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8, most_buffered=3)
    outcomes = [decoder.apply(event(first, first)) for first in range(1, 6)]
    assert outcomes == [dialect.SNAPSHOT_WANTED, *[dialect.BUFFERED] * 4]
    assert "oldest was dropped" in decoder.cause
    assert decoder.apply_snapshot(snapshot(1)) == dialect.SNAPSHOT_WANTED
    assert decoder.apply_snapshot(snapshot(2)) == dialect.BOOK_CHANGED
    assert decoder.update_id == 5


def test_a_bad_frame_changes_nothing_and_leaves_a_gap_behind_it() -> None:
    """A live book outlives a bad frame as it was; the next event shows that one was lost."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    decoder.apply_snapshot(snapshot(10, [(100, 1)]))
    with pytest.raises(BadFrame):
        decoder.apply(event(11, 11, [(101, 2)])[:-20])
    with pytest.raises(BadFrame, match="twice"):
        decoder.apply_snapshot(snapshot(12, [(100, 1), (100, 1)]))
    assert (decoder.live, decoder.update_id, decoder.book.bids.levels()) == (True, 10, [(100, 1)])
    assert decoder.apply(event(12, 12)) == dialect.HELD
    assert decoder.give_up() == dialect.GAP


@given(events=book_events(), data=st.data())
@settings(max_examples=examples(80, 1_000), deadline=None)
def test_a_live_book_is_never_wrong(events: list[tuple[int, Levels, Levels]], data: st.DataObject) -> None:
    """With frames lost, repeated and swapped and snapshots old or new, a live book is the venue's at its update id.

    Saving and loading at any moment changes nothing.
    """
    encoder = SPOT.encoder("BTCUSDT", 2, 8)
    truth = Book()
    saved = {0: truth.save()}
    snapshots = {0: encoder.snapshot(0, [], [])}
    frames: list[bytes] = []
    reached = 0
    for width, bids, asks in events:
        for side, levels in ((BUY, bids), (SELL, asks)):
            for price, size in levels:
                truth.set_level(side, price, size)
        frames.append(encoder.depth(0, reached + 1, reached + width, bids, asks))
        reached += width
        saved[reached] = truth.save()
        snapshots[reached] = encoder.snapshot(reached, truth.bids.levels(), truth.asks.levels())
    order = data.draw(st.lists(st.integers(0, len(frames) - 1), max_size=30)) if data.draw(st.booleans()) else [
        place for place in range(len(frames)) if data.draw(st.integers(0, 9)) > 0
    ]
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    for place in order:
        if data.draw(st.integers(0, 9)) == 0:
            decoder.give_up()
        if decoder.apply(frames[place]) != dialect.BOOK_CHANGED and data.draw(st.booleans()):
            decoder.apply_snapshot(snapshots[data.draw(st.sampled_from(sorted(snapshots)))])
        if data.draw(st.integers(0, 4)) == 0:
            state = decoder.save()
            decoder = SPOT.decoder("BTCUSDT", 2, 8)
            decoder.load(state)
        assert decoder.book.save() == (saved[decoder.update_id] if decoder.live else [[], [], [], []])
    decoder.reset()
    assert (decoder.live, decoder.book.bids.count, decoder.book.asks.count) == (False, 0, 0)


@cache
def recorded_lines(count: int) -> list[bytes]:
    """The first messages of the recorded spot session, snapshot among them."""
    path = recordings() / "binance_hftbacktest" / "dev" / "spot_btcusdt_20240808.gz"
    with gzip.open(path, "rb") as lines:
        return [line.split(b" ", 1)[1].rstrip() for line in islice(lines, count)]


def tops(decoder: Decoder, lines: list[bytes]) -> Iterator[tuple[object, object]]:
    """The decoder's best prices and the venue's own, wherever both are known at one update id."""
    tickers: dict[int, dict[str, str]] = {}
    for line in lines:
        if line.startswith(b'{"lastUpdateId"'):
            assert decoder.apply_snapshot(line) == dialect.BOOK_CHANGED
            continue
        if b"@bookTicker" in line[:40]:
            ticker = json.loads(line)["data"]
            tickers[ticker["u"]] = ticker
            assert decoder.apply(line) == dialect.QUOTED
        elif decoder.apply(line) == dialect.GAP:
            pytest.fail(decoder.cause)
        known = tickers.pop(decoder.update_id, None) if decoder.live else None
        if known is not None:
            book = decoder.book
            kept = (book.best_bid_price, book.best_bid_size, book.best_ask_price, book.best_ask_size)
            told = tuple(parse_decimal(known[key], scale) for key, scale in (("b", 2), ("B", 8), ("a", 2), ("A", 8)))
            yield kept, told


def test_recorded_session_rebuilds_the_venues_own_best_prices() -> None:
    """From a recorded snapshot and depth stream, the top equals the venue's bookTicker at every common update id."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    compared = 0
    for kept, told in tops(decoder, recorded_lines(examples(8000, 10**9))):
        assert kept == told
        compared += 1
    assert compared > 100
    assert not decoder.book.crossed


def test_recorded_frames_are_read_alike_by_both_readers() -> None:
    """Every recorded depth, trade and best price frame takes the quick way and means the same to the careful reader."""
    for line in recorded_lines(examples(8000, 10**9)):
        if not line.startswith(b'{"lastUpdateId"'):
            quick, careful = FrameScan("BTCUSDT", 2, 8), FrameScan("BTCUSDT", 2, 8)
            kind = quick.scan(line)
            assert kind != UNKNOWN
            assert read_carefully(careful, line) == kind
            assert fields(quick, kind) == fields(careful, kind)
