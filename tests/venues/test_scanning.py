"""What all scans share: numbers of a frame against the exact parser, and the rule of books whose snapshots stream."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.dialect import (
    BAD_CHECKSUM,
    BOOK_CHANGED,
    GAP,
    HELD,
    IGNORED,
    MOST_HELD,
    PIECE,
    TRADED,
    UNKNOWN_TYPE,
    BadFrame,
)
from market.numbers import NumberError, parse_decimal
from tests.seeds import examples
from venues.scanning import DELTA, SNAPSHOT, STRANGE, TRADES, UNKNOWN, Scan, stands
from venues.streamed import FOLLOWS, MISSING, OLD, StreamedDecoder

DIGITS = st.text("0123456789", max_size=12)


@settings(max_examples=examples(300, 20_000), deadline=None)
@given(whole=DIGITS, places=st.none() | DIGITS, after=st.sampled_from('",e-'), scale=st.integers(0, 10))
def test_a_number_is_read_to_what_the_exact_parser_says_or_not_at_all(
    whole: str, places: str | None, after: str, scale: int
) -> None:
    """Whatever stands there: the same integer and the place behind it, or -1 and the careful reader's turn."""
    text = whole if places is None else f"{whole}.{places}"
    frame = f'x"{text}{after}'.encode()
    scan = Scan("X", scale, scale)
    position = scan.decimal(frame, 2, scale)
    if position < 0:
        return
    assert position == 2 + len(text)
    assert scan.number == parse_decimal(text, scale)


@settings(max_examples=examples(200, 5_000), deadline=None)
@given(value=st.integers(0, 10**7), drop=st.integers(0, 4), scale=st.integers(0, 8))
def test_usual_numbers_are_read(value: int, drop: int, scale: int) -> None:
    """What a venue writes is not left to the careful reader: with fewer places than the scale, or zeros beyond it."""
    text = f"{value // 10**drop}.{value % 10**drop:0{drop}d}" if drop else str(value)
    try:
        expected = parse_decimal(text, scale)
    except NumberError:
        expected = -1
    scan = Scan("X", scale, scale)
    position = scan.decimal(f"{text},".encode(), 0, scale)
    assert (position, scan.number) == (len(text), expected) if expected >= 0 else position == -1


@pytest.mark.parametrize("text", ["", ".", ".5", "5.", "00", "01.5", "-1", "1e5", "1" * 19, "1." + "0" * 30 + "1", "x"])
def test_what_is_no_usual_number_is_left_to_the_careful_reader(text: str) -> None:
    """A sign, an exponent, nothing at all, superfluous zeros, too many digits."""
    scan = Scan("X", 2, 2)
    position = scan.decimal(f"{text},".encode(), 0, 2)
    assert position < 0 or not stands(f"{text},".encode(), position, b",")


def test_no_number_goes_beyond_the_frame() -> None:
    """A frame that ends in a number ends the reading, wherever it was cut."""
    scan = Scan("X", 8, 8)
    for text in (b"1", b"12", b"1.", b"1.5", b"1.50000000", b"1.500000000000", b"123456789012345678"):
        assert scan.decimal(text, 0, 8) == -1
        assert scan.whole(text, 0) == -1 or b"." in text
        assert scan.whole(b"before " + text, 7) == -1 or b"." in text
        assert scan.decimal(b"before " + text, 7, 8) == -1
    assert scan.decimal(b"1,", 5, 8) == -1
    assert scan.whole(b"1,", 5) == -1


@given(frame=st.binary(max_size=40), text=st.binary(min_size=1, max_size=20), position=st.integers(-2, 45))
def test_a_text_stands_where_it_stands(frame: bytes, text: bytes, position: int) -> None:
    """The same answer as a slice gives, anywhere."""
    assert stands(frame, position, text) == (position >= 0 and frame[position : position + len(text)] == text)
    whole = frame + text
    assert stands(whole, len(frame), text)


class _Message(msgspec.Struct):
    kind: str
    previous: int = 0
    last: int = 0
    bids: list[tuple[int, int]] = []
    asks: list[tuple[int, int]] = []
    checksum: int | None = None


_messages = msgspec.json.Decoder(_Message)
_KINDS = {"snapshot": SNAPSHOT, "change": DELTA, "trades": TRADES, "strange": STRANGE}


class PlainScan(Scan):
    """It leaves every frame to the careful reader."""

    def scan(self, frame: bytes) -> int:
        """Know nothing."""
        return UNKNOWN


def read(scan: Scan, frame: bytes) -> int:
    """Read the venue of this test."""
    try:
        message = _messages.decode(frame)
    except msgspec.DecodeError as error:
        raise BadFrame(str(error), frame) from error
    scan.begin_levels()
    for price, size in message.bids:
        scan.add_level(price, size)
    scan.bid_count = scan.level_count
    for price, size in message.asks:
        scan.add_level(price, size)
    scan.previous_update_id, scan.last_update_id = message.previous, message.last
    scan.has_checksum = message.checksum is not None
    scan.checksum = message.checksum or 0
    scan.text = message.kind
    if message.kind == "trades":
        scan.trades_to.trade_count = 0
        scan.trades_to.add_trade(message.last, 5, 6, 1, 7)
    return _KINDS[message.kind]


class ChainedDecoder(StreamedDecoder):
    """A venue whose changes name the one before, and whose checksum is the sum of all sizes."""

    def order(self, scan: Scan) -> int:
        """By the previous id."""
        if scan.previous_update_id == self.update_id:
            return FOLLOWS
        return OLD if scan.last_update_id <= self.update_id else MISSING

    def agrees(self, scan: Scan) -> bool:
        """By the sum."""
        book = self.book
        total = book.bids.cumulative_size(1_000) + book.asks.cumulative_size(1_000)
        if scan.has_checksum and scan.checksum != total:
            self.cause = f"checksum {total} is not {scan.checksum}"
            return False
        self.checksums_passed += scan.has_checksum
        return True


def decoder() -> ChainedDecoder:
    """A new one."""
    return ChainedDecoder(PlainScan("X", 0, 0), read)


def frame(kind: str, previous: int = 0, last: int = 0, **more: object) -> bytes:
    """A frame of the venue."""
    return msgspec.json.encode({"kind": kind, "previous": previous, "last": last, **more})


def begun() -> ChainedDecoder:
    """One with a book of one level a side at id 10."""
    one = decoder()
    assert one.apply(frame("snapshot", last=10, bids=[[99, 1]], asks=[[101, 1]])) == BOOK_CHANGED
    return one


def test_changes_follow_a_snapshot_and_old_ones_say_nothing() -> None:
    """In order they are applied; what is known already is passed over; before the snapshot nothing counts."""
    early = decoder()
    assert early.apply(frame("change", 9, 10, bids=[[98, 1]])) == IGNORED
    assert not early.live
    one = begun()
    assert one.apply(frame("change", 10, 12, bids=[[100, 2]])) == BOOK_CHANGED
    assert one.apply(frame("change", 10, 12, bids=[[100, 9]])) == IGNORED
    assert (one.book.best_bid_price, one.book.best_bid_size, one.update_id) == (100, 2, 12)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (2, 0, 1)])
def test_what_comes_too_early_is_held_until_the_missing_one_comes(order: tuple[int, ...]) -> None:
    """In whatever order a few changes come, the book is in the end what it would have been."""
    changes = [frame("change", 10 + step, 11 + step, bids=[[99, 5 + step]]) for step in range(3)]
    one = begun()
    outcomes = [one.apply(changes[number]) for number in order]
    assert HELD in outcomes
    assert outcomes[-1] == BOOK_CHANGED
    assert (one.book.best_bid_size, one.update_id, one.holding) == (7, 13, False)


def test_what_never_comes_is_a_gap_by_number_or_by_time() -> None:
    """A bounded count is held; whoever waits too long gives up; either way the book is empty until a snapshot."""
    one = begun()
    for number in range(MOST_HELD):
        assert one.apply(frame("change", 20 + number, 21 + number)) == HELD
    assert one.apply(frame("change", 50, 51)) == GAP
    assert (one.live, one.holding, one.book.bids.count) == (False, False, 0)
    other = begun()
    assert other.give_up() == IGNORED
    other.apply(frame("change", 20, 21))
    assert other.give_up() == GAP
    assert not other.live
    assert other.apply(frame("snapshot", last=30, bids=[[98, 1]])) == BOOK_CHANGED


def test_a_book_that_is_not_what_the_checksum_says_is_dropped() -> None:
    """With the snapshot or with any change; a checksum that agrees is counted."""
    one = begun()
    assert one.apply(frame("change", 10, 11, bids=[[98, 3]], checksum=5)) == BOOK_CHANGED
    assert one.apply(frame("change", 11, 12, bids=[[98, 4]], checksum=7)) == BAD_CHECKSUM
    assert (one.checksums_passed, one.live, one.book.bids.count) == (1, False, 0)
    assert one.apply(frame("snapshot", last=10, bids=[[99, 1]], checksum=9)) == BAD_CHECKSUM


def test_pieces_are_the_frame_and_bad_frames_change_nothing() -> None:
    """A frame that comes in pieces counts with its last one; a broken one is refused as a whole."""
    from zlib import crc32

    one = begun()
    whole = frame("change", 10, 11, bids=[[98, 3]])
    assert one.apply_piece(whole[:9], 1, 2, crc32(whole)) == PIECE
    assert one.apply(frame("trades", last=4)) == TRADED
    assert one.apply_piece(whole[9:], 2, 2, crc32(whole)) == BOOK_CHANGED
    for bad in (b"", b"{", b'{"kind":1}', b'{"kind":"change","bids":[[1]]}'):
        with pytest.raises(BadFrame):
            one.apply(bad)
    with pytest.raises(BadFrame, match="answer to a request"):
        one.apply_snapshot(whole)
    assert one.apply(frame("strange")) == UNKNOWN_TYPE
    assert one.book.bids.levels() == [(99, 1), (98, 3)]


@settings(max_examples=examples(30, 1_000), deadline=None)
@given(steps=st.lists(st.integers(10, 16), max_size=25), cut=st.integers(0, 25))
def test_saved_and_loaded_it_goes_on_as_if_nothing_had_been(steps: list[int], cut: int) -> None:
    """Book, numbers, held frames: from any moment the outcomes are the same."""
    one, other = begun(), begun()
    frames = [frame("change", step, step + 1, bids=[[90 + step % 5, step]]) for step in steps]
    outcomes = [one.apply(data) for data in frames]
    before = [other.apply(data) for data in frames[:cut]]
    loaded = decoder()
    loaded.load(other.save())
    assert before + [loaded.apply(data) for data in frames[cut:]] == outcomes
    assert loaded.save() == one.save()
