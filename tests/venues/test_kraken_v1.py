"""Kraken over WebSocket v1: every recorded checksum passes, both readers agree, and damage shows where it can."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from contextlib import suppress
from functools import cache
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.dialect import OUTCOME_NAMES, BadFrame
from market.instruments import Instrument
from market.messages.constants import BUY, SELL, STATUS_CANCEL_ONLY
from tests.seeds import SOAK, examples
from tests.venues.kraken_spelling import respelled
from tests.venues.recorded import recorded_answer, recorded_frames
from venues.kraken_book import KrakenDecoder
from venues.kraken_v1 import KrakenV1, read_carefully
from venues.kraken_v1_scan import KrakenV1Scan
from venues.scanning import DELTA, LIFE, SNAPSHOT, UNKNOWN

RECORDING = "cryptofeed/dev/KRAKEN.jsonl.zst"
VENUE = KrakenV1()
PAIR = "XBT/CHF"
SNAPSHOT_FRAME = (
    b'[464,{"as":[["56800.10000","0.50000000","1618678123.481570"],["56801.00000","1.00000000","1618678132.136369"]],'
    b'"bs":[["56799.90000","2.00000000","1618678123.419442"]]},"book-10","XBT/CHF"]'
)
REMAINING_ASK = ["56801.00000", "1.00000000"]
Levels = list[tuple[int, int]]


def new_decoder(pair: str = PAIR, price_scale: int = 1, size_scale: int = 8) -> KrakenDecoder:
    """A decoder for this pair."""
    return cast(KrakenDecoder, VENUE.decoder(pair, price_scale, size_scale))


def frame_of(*objects: str, pair: str = PAIR) -> bytes:
    """A book's frame."""
    return f'[464,{",".join(objects)},"book-10","{pair}"]'.encode()


def checksum_of(asks: list[list[str]], bids: list[list[str]]) -> int:
    """As the documents say, of prices and sizes as they are written."""
    text = "".join(text.replace(".", "").lstrip("0") for side in (asks, bids) for level in side for text in level)
    return zlib.crc32(text.encode())


def fields(scan: KrakenV1Scan) -> tuple[object, ...]:
    """What a scan says after reading a book's frame."""
    levels = (list(scan.level_prices[: scan.level_count]), list(scan.level_sizes[: scan.level_count]))
    written = (scan.price_written, scan.size_written, scan.depth)
    return scan.event_ns, scan.bid_count, scan.has_checksum, scan.checksum_due, scan.checksum, written, levels


def check_readers_agree(frame: bytes, pair: str = PAIR, price_scale: int = 1, size_scale: int = 8) -> int:
    """What the quick reader recognises, the careful one reads to the same values; gives what the quick one said."""
    quick = KrakenV1Scan(pair, price_scale, size_scale, 10)
    careful = KrakenV1Scan(pair, price_scale, size_scale, 10)
    kind: int = quick.scan(frame)
    if kind != UNKNOWN:
        assert read_carefully(careful, frame) == kind
        if kind != LIFE:
            assert fields(quick) == fields(careful)
        return kind
    with suppress(BadFrame):
        new_decoder(pair, price_scale, size_scale).apply(frame)
    return kind


@cache
def instruments() -> dict[str, Instrument]:
    """The pairs as the recording's own answer tells them."""
    return {one.venue_symbol: one for one in VENUE.instruments([recorded_answer(RECORDING, "AssetPairs")])}


@cache
def books_by_pair() -> dict[str, list[bytes]]:
    """The recorded frames of books."""
    by_pair: dict[str, list[bytes]] = {}
    for frame in recorded_frames(RECORDING):
        if VENUE.message_type(frame).startswith("book"):
            by_pair.setdefault(VENUE.venue_symbol(frame), []).append(frame)
    return by_pair


def recorded_decoder(pair: str) -> KrakenDecoder:
    """A decoder for a pair of the recording."""
    return new_decoder(pair, instruments()[pair].price_scale, instruments()[pair].size_scale)


def top_of(decoder: KrakenDecoder) -> tuple[Levels, Levels]:
    """The ten best levels of each side."""
    return decoder.book.bids.levels()[:10], decoder.book.asks.levels()[:10]


def test_every_recorded_frame() -> None:
    """All 4,269 checksums of ten pairs pass, and nothing of the recording is refused or unknown."""
    outcomes: Counter[str] = Counter()
    decoders: dict[str, KrakenDecoder] = {}
    router = VENUE.router()
    trades = 0
    for frame in recorded_frames(RECORDING):
        if router.route(frame) != dialect.FOR_ONE:
            continue
        decoder = decoders.get(router.symbol) or decoders.setdefault(router.symbol, recorded_decoder(router.symbol))
        outcome = decoder.apply(frame)
        outcomes[OUTCOME_NAMES[outcome]] += 1
        if outcome == dialect.TRADED:
            trades += decoder.trade_count
    assert sum(decoder.checksums_passed for decoder in decoders.values()) == 4_269
    assert sum(decoder.checksums_absent for decoder in decoders.values()) == 0
    assert outcomes == {"book changed": 4_279, "control": 30, "ignored": 18, "traded": 8}
    assert (trades, len(decoders)) == (10, 10)
    assert all(decoder.live and decoder.depth == 1_000 for decoder in decoders.values())


def test_both_readers_read_every_recorded_book_alike() -> None:
    """The quick reader recognises each of them; respelled, the careful one reads a sample of them to the same."""
    random = Random(1)
    for pair, frames in books_by_pair().items():
        scales = (pair, instruments()[pair].price_scale, instruments()[pair].size_scale)
        for number, frame in enumerate(frames):
            assert check_readers_agree(frame, *scales) in (DELTA, SNAPSHOT)
            if number % 20 == 0:
                quick, careful = KrakenV1Scan(*scales, 10), KrakenV1Scan(*scales, 10)
                quick.scan(frame)
                read_carefully(careful, respelled(frame, random))
                assert fields(quick) == fields(careful)


@pytest.mark.parametrize("damage", ["drop", "double", "swap", "digit"])
def test_damage_of_recorded_frames(damage: str) -> None:
    """At every tenth position: no book is live whose ten best levels are not the venue's, whatever became of a frame.

    Where nothing is detected the ten best levels were right all the time: the damage lies deeper, or healed.
    """
    random = Random(7)
    pairs = sorted(books_by_pair())
    for pair in pairs if SOAK else pairs[:3]:
        frames = books_by_pair()[pair]
        decoder = recorded_decoder(pair)
        saved, tops = [], []
        for frame in frames:
            decoder.apply(frame)
            saved.append(json.dumps(decoder.save()))
            tops.append(top_of(decoder))
        for place in range(1, len(frames) - 2, 10):
            sent = list(zip(frames, tops, strict=True))[place : place + 40]
            if damage == "drop":
                del sent[0]
            elif damage == "double":
                sent.insert(0, sent[0])
            elif damage == "swap":
                sent[0], sent[1] = sent[1], sent[0]
            else:
                sent[0] = (with_another_digit(sent[0][0], random), sent[0][1])
            check_damaged(pair, saved[place - 1], sent)


def check_damaged(pair: str, saved: str, sent: list[tuple[bytes, tuple[Levels, Levels]]]) -> None:
    """Go on from a good book with these frames; where the book is said to have changed, its top is the venue's."""
    decoder = recorded_decoder(pair)
    decoder.load(json.loads(saved))
    for frame, top in sent:
        outcome = dialect.IGNORED
        with suppress(BadFrame):
            outcome = decoder.apply(frame)
        if outcome == dialect.BOOK_CHANGED:
            assert top_of(decoder) == top
        elif outcome == dialect.BAD_CHECKSUM:
            assert not decoder.live
            return


def with_another_digit(frame: bytes, random: Random) -> bytes:
    """The frame with one digit changed, anywhere."""
    at = random.choice([place for place in range(len(frame)) if frame[place : place + 1].isdigit()])
    digit = (frame[at] - 48 + random.randrange(1, 10)) % 10
    return frame[:at] + bytes([48 + digit]) + frame[at + 1 :]


def test_a_dropped_visible_change_is_always_seen() -> None:
    """A frame that changes the ten best levels and is lost makes the very next checksum wrong, unless that heals it."""
    pair = max(books_by_pair(), key=lambda name: len(books_by_pair()[name]))
    decoder = recorded_decoder(pair)
    seen = healed = 0
    before = ""
    for frame, following in zip(books_by_pair()[pair][:400], books_by_pair()[pair][1:401], strict=True):
        was = top_of(decoder)
        without = recorded_decoder(pair)
        if before:
            without.load(json.loads(before))
        decoder.apply(frame)
        if before and top_of(decoder) != was:
            outcome = without.apply(following)
            ahead = recorded_decoder(pair)
            ahead.load(json.loads(json.dumps(decoder.save())))
            ahead.apply(following)
            if outcome == dialect.BAD_CHECKSUM:
                seen += 1
            else:
                healed += 1
                assert top_of(without) == top_of(ahead)
        before = json.dumps(decoder.save())
    assert seen > 50
    assert healed <= seen


def test_the_two_sides_in_two_objects() -> None:
    """A change with both sides, in two objects or in one, is one change; bids come first in what is kept."""
    decoder = new_decoder()
    assert decoder.apply(SNAPSHOT_FRAME) == dialect.BOOK_CHANGED
    checksum = checksum_of([REMAINING_ASK], [["56800.00000", "1.50000000"], ["56799.90000", "2.00000000"]])
    ask = '"a":[["56800.10000","0.00000000","1618678145.920470"]]'
    bid = '"b":[["56800.00000","1.50000000","1618678145.920708"]]'
    two, one = frame_of(f"{{{ask}}}", f'{{{bid},"c":"{checksum}"}}'), frame_of(f'{{{ask},{bid},"c":"{checksum}"}}')
    saved = decoder.save()
    for frame in (two, one):
        decoder.load(saved)
        assert decoder.apply(frame) == dialect.BOOK_CHANGED
        assert decoder.book.save() == [[568_000, 567_999], [150_000_000, 200_000_000], [568_010], [100_000_000]]
        assert decoder.venue_ns == 1_618_678_145_920_708_000
    assert check_readers_agree(two) == DELTA
    assert check_readers_agree(one) == UNKNOWN


def test_what_is_published_again_has_no_time_of_its_own() -> None:
    """A level with `r` is taken like any other, and its old time does not count."""
    decoder = new_decoder()
    decoder.apply(SNAPSHOT_FRAME)
    assert decoder.venue_ns == 0
    checksum = checksum_of([["56800.10000", "0.50000000"], REMAINING_ASK], [["56799.90000", "3.00000000"]])
    frame = frame_of(f'{{"b":[["56799.90000","3.00000000","1618678000.000001","r"]],"c":"{checksum}"}}')
    assert check_readers_agree(frame) == DELTA
    assert decoder.apply(frame) == dialect.BOOK_CHANGED
    assert (decoder.venue_ns, decoder.book.bids.best_size) == (0, 300_000_000)


def test_the_depth_of_the_channel_counts() -> None:
    """A side that grows beyond the depth in the channel's name loses its last level."""
    decoder = new_decoder()
    levels = ",".join(f'["{56_700 + number}.00000","1.00000000","1618678123.481570"]' for number in range(10))
    decoder.apply(frame_of(f'{{"as":[],"bs":[{levels}]}}'))
    frame = frame_of('{"b":[["56710.00000","1.00000000","1618678124.000000"]]}')
    assert decoder.apply(frame) == dialect.BOOK_CHANGED
    assert (decoder.book.bids.count, decoder.book.bids.levels()[-1][0]) == (10, 567_010)
    assert decoder.checksums_absent == 1


def test_places_that_change_are_no_book_to_check() -> None:
    """Within a frame other places are a bad frame; from frame to frame they cost the book: no checksum can agree."""
    decoder = new_decoder()
    decoder.apply(SNAPSHOT_FRAME)
    mixed = '{"b":[["1.00000","1.00000000","1.0"],["2.0","1.00000000","1.0"]],"c":"1"}'
    with pytest.raises(BadFrame, match="places"):
        decoder.apply(frame_of(mixed))
    assert decoder.live
    assert decoder.apply(frame_of('{"b":[["1.0","1.00000000","1.0"]],"c":"1"}')) == dialect.BAD_CHECKSUM
    assert "places" in decoder.cause


def test_more_places_than_the_scale() -> None:
    """Digits below the scale are a bad frame unless they are zeros."""
    decoder = new_decoder()
    decoder.apply(SNAPSHOT_FRAME)
    with pytest.raises(BadFrame):
        decoder.apply(frame_of('{"b":[["56799.95000","1.00000000","1.0"]],"c":"1"}'))
    assert decoder.live


def test_trades_tell_who_came_to_trade() -> None:
    """Each trade of a frame is told, `b` bought and `s` sold; there is no identifier."""
    decoder = new_decoder()
    rows = '[["56800.10000","0.25","1618678145.5","b","m",""],["56800.00000","1.00","1618678146.5","s","l",""]]'
    assert decoder.apply(f'[465,{rows},"trade","{PAIR}"]'.encode()) == dialect.TRADED
    assert list(decoder.trade_sides[:2]) == [BUY, SELL]
    assert list(decoder.trade_prices[:2]) == [568_001, 568_000]
    assert list(decoder.trade_ids[:2]) == [0, 0]
    assert decoder.trade_times_ns[1] == decoder.venue_ns == 1_618_678_146_500_000_000


def test_events() -> None:
    """Replies, refusals, signs of life and the venue's status are told as such."""
    decoder = new_decoder()
    assert decoder.apply(b'{"event":"heartbeat"}') == dialect.ALIVE
    assert decoder.apply(b'{"event":"pong","reqid":42}') == dialect.ALIVE
    assert decoder.apply(b'{"event":"systemStatus","status":"cancel_only"}') == dialect.STATUS
    assert decoder.status == STATUS_CANCEL_ONLY
    refusal = b'{"errorMessage":"Currency pair not supported","event":"subscriptionStatus","pair":"A/B"}'
    refusal = refusal[:-1] + b',"status":"error"}'
    assert decoder.apply(refusal) == dialect.CONTROL
    assert (decoder.refused, decoder.cause) == (True, "A/B refused: Currency pair not supported")
    assert decoder.apply(b'{"event":"news"}') == dialect.UNKNOWN_TYPE
    assert decoder.apply(b'[1,{},"spread","XBT/CHF"]') == dialect.IGNORED
    with pytest.raises(BadFrame, match="ETH/CHF"):
        decoder.apply(SNAPSHOT_FRAME.replace(b"XBT/CHF", b"ETH/CHF"))


KEPT_FRAMES = (
    SNAPSHOT_FRAME,
    frame_of('{"a":[["56800.10000","0.00000000","1618678145.920470"]]}', '{"b":[],"c":"4105471083"}'),
    frame_of('{"b":[["56799.90000","3.00000000","1618678000.000001","r"],["1.00000","0.10000000","1.5"]],"c":"0"}'),
)


@pytest.mark.parametrize("frame", KEPT_FRAMES, ids=["snapshot", "two objects", "published again"])
def test_trickle(frame: bytes) -> None:
    """Cut off at every byte it is a bad frame; with bytes behind it, it is read alike by both readers."""
    assert check_readers_agree(frame) != UNKNOWN
    for end in range(len(frame)):
        with pytest.raises(BadFrame):
            new_decoder().apply(frame[:end])
    for trailing in (b" ", b"]", b"\x00", frame):
        check_readers_agree(frame + trailing)


@given(
    frame=st.sampled_from(KEPT_FRAMES),
    changes=st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3),
)
@settings(max_examples=examples(300, 4_000), deadline=None)
def test_damaged_bytes(frame: bytes, changes: list[tuple[int, bytes, int]]) -> None:
    """With bytes replaced, inserted or removed anywhere, the readers agree, and a bad frame changes no book."""
    for place, inserted, removed in changes:
        at = place % (len(frame) + 1)
        frame = frame[:at] + inserted + frame[at + removed :]
    check_readers_agree(frame)
    decoder = new_decoder()
    decoder.apply(SNAPSHOT_FRAME)
    before = decoder.book.save()
    try:
        decoder.apply(frame)
    except BadFrame:
        assert decoder.live
        assert decoder.book.save() == before
