"""Large Binance frames in pieces: the same book, outcome and cause as from the whole frame, or a refusal."""

from __future__ import annotations

import gzip
import json
import zlib
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.dialect import MOST_PIECED_LEVELS, PIECE_BYTES, BadFrame, Decoder
from market.messages import FRAME_SNAPSHOT, FRAME_STREAM
from tests.data import recordings
from tests.seeds import examples
from venues.binance import BinanceSpot

SPOT = BinanceSpot()
Levels = list[tuple[int, int]]
Piece = tuple[bytes, int, int, int]
ENDS = ('"]', ',"u":', '"asks":[', '"a":[', '"b":[', '"bids":[', "]}", "{")


def level_lists() -> st.SearchStrategy[Levels]:
    """Levels in any order, some twice, some of size zero, some of many digits."""
    return st.lists(st.tuples(st.integers(1, 60), st.one_of(st.integers(0, 9), st.integers(0, 10**15))), max_size=25)


@st.composite
def frames(draw: st.DrawFn, snapshot: bool) -> bytes:
    """A snapshot at 10 or a depth event around it, raw or combined, some with levels in another spelling."""
    encoder = SPOT.encoder("BTCUSDT", 2, 8, draw(st.booleans()))
    bids, asks = draw(level_lists()), draw(level_lists())
    if snapshot:
        frame = encoder.snapshot(draw(st.integers(8, 12)), bids, asks)
    else:
        first = draw(st.integers(8, 13))
        frame = encoder.depth(5_000_000, first, first + draw(st.integers(0, 3)), bids, asks)
    if draw(st.integers(0, 3)) == 0:
        frame = frame.replace(b'0"]', draw(st.sampled_from([b'0" ]', b'"]', b'0e0"]', b'x"]', b'0"],"z":[]'])))
    return frame


def pieces_of(frame: bytes, kind: int, most_bytes: int) -> list[Piece]:
    """A frame that was cut, with what tells its pieces apart; empty when it cannot be cut."""
    cut = SPOT.cut(frame, kind, most_bytes)
    assert b"".join(cut) == (frame if cut else b"")
    assert all(len(piece) <= most_bytes for piece in cut)
    return [(piece, part, len(cut), zlib.crc32(frame)) for part, piece in enumerate(cut, 1)] if len(cut) > 1 else []


def words(decoder: Decoder, outcome: int) -> str:
    """An outcome by its name, with its cause where it has one."""
    name = dialect.OUTCOME_NAMES[outcome]
    has_cause = outcome not in (dialect.PIECE, dialect.BOOK_CHANGED, dialect.TRADED)
    return f"{name}: {decoder.cause}" if has_cause else name


def take(decoder: Decoder, piece: Piece, kind: int) -> str:
    """What a piece led to."""
    apply = decoder.apply_snapshot_piece if kind == FRAME_SNAPSHOT else decoder.apply_piece
    try:
        return words(decoder, apply(*piece))
    except BadFrame:
        return "bad frame"


def take_whole(decoder: Decoder, frame: bytes, kind: int) -> str:
    """What a whole frame led to."""
    try:
        return words(decoder, decoder.apply_snapshot(frame) if kind == FRAME_SNAPSHOT else decoder.apply(frame))
    except BadFrame:
        return "bad frame"


def state(decoder: Decoder) -> dict[str, object]:
    """Everything that a decoder would go on with; of what it keeps, whole frames."""
    saved = decoder.save()
    buffer = saved["buffer"]
    held = saved["held"]
    assert isinstance(buffer, list)
    assert isinstance(held, list)
    return {
        **saved,
        "buffer": ["".join(pieces) for pieces in buffer],
        "held": ["".join(pieces) for pieces in held],
    }


def finished(decoder: Decoder, outcome: int) -> int:
    """The outcome once nothing is left to replay."""
    while outcome == dialect.REPLAYING:
        assert (decoder.live, decoder.book.bids.count, decoder.book.asks.count) == (False, 0, 0)
        outcome = decoder.go_on()
    return outcome


def prepared(choice: int) -> Decoder:
    """A decoder that has a book at 10, or none and an event that waits, or nothing at all."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8)
    encoder = SPOT.encoder("BTCUSDT", 2, 8)
    if choice == 1:
        decoder.apply_snapshot(encoder.snapshot(10, [(20, 1), (19, 4)], [(21, 2), (50, 3)]))
    elif choice == 2:
        decoder.apply(encoder.depth(1_000_000, 11, 12, [(20, 7)], [(21, 0)]))
    return decoder


def reloaded(decoder: Decoder) -> Decoder:
    """A fresh decoder with the state of this one, through JSON."""
    fresh = SPOT.decoder("BTCUSDT", 2, 8)
    fresh.load(json.loads(json.dumps(decoder.save())))
    return fresh


@given(data=st.data(), kind=st.sampled_from([FRAME_STREAM, FRAME_SNAPSHOT]), choice=st.integers(0, 2))
@settings(max_examples=examples(300, 5_000), deadline=None)
def test_pieces_mean_what_the_frame_means(data: st.DataObject, kind: int, choice: int) -> None:
    """However a frame is cut: the same state, outcome and cause, also when loaded in between; and one refusal."""
    frame = data.draw(frames(kind == FRAME_SNAPSHOT))
    pieces = pieces_of(frame, kind, data.draw(st.integers(120, 500)))
    whole, cut = prepared(choice), prepared(choice)
    expected = take_whole(whole, frame, kind)
    outcomes: list[str] = []
    for piece in pieces:
        before = state(cut)["book"], cut.live, cut.update_id
        outcomes.append(take(cut, piece, kind))
        if piece[1] < piece[2]:
            assert (state(cut)["book"], cut.live, cut.update_id) == before
        if data.draw(st.booleans()):
            cut = reloaded(cut)
    if expected == "bad frame":
        assert set(outcomes) - {"piece"} <= {"bad frame"}
        assert outcomes.count("bad frame") == bool(pieces)
    elif pieces:
        assert outcomes == ["piece"] * (len(pieces) - 1) + [expected]
    if pieces:
        assert state(cut) == state(whole)


@given(data=st.data(), kind=st.sampled_from([FRAME_STREAM, FRAME_SNAPSHOT]))
@settings(max_examples=examples(300, 5_000), deadline=None)
def test_pieces_that_are_not_right_never_give_another_book(data: st.DataObject, kind: int) -> None:
    """With pieces left out, repeated, swapped, damaged or of two frames mixed, only a whole frame changes the book."""
    one = data.draw(frames(kind == FRAME_SNAPSHOT).filter(lambda frame: len(pieces_of(frame, kind, 150)) > 1))
    two = data.draw(frames(kind == FRAME_SNAPSHOT).filter(lambda frame: len(pieces_of(frame, kind, 150)) > 1))
    both = pieces_of(one, kind, 150) + pieces_of(two, kind, 150)
    stream = [data.draw(st.sampled_from(both)) for _ in range(data.draw(st.integers(0, 12)))]
    stream += both if data.draw(st.booleans()) else data.draw(st.permutations(both))
    for place in range(len(stream)):
        if data.draw(st.integers(0, 9)) == 0:
            bytes_, part, parts, checksum = stream[place]
            at = data.draw(st.integers(0, len(bytes_) - 1))
            stream[place] = (bytes_[:at] + data.draw(st.binary(max_size=2)) + bytes_[at + 1 :], part, parts, checksum)
    cut, whole = prepared(1), prepared(1)
    taken: list[Piece] = []
    for piece in stream:
        outcome = take(cut, piece, kind)
        taken = [piece] if piece[1] == 1 else [*taken, piece]
        if outcome not in ("bad frame", "piece"):
            # Whatever was completed is one of the two frames, taken in one run of its pieces.
            run = b"".join(each[0] for each in taken[-piece[2] :])
            assert run in (one, two)
            assert take_whole(whole, run, kind) == outcome
        assert cut.book.save() == whole.book.save()
        assert (cut.live, cut.update_id) == (whole.live, whole.update_id)


@given(frame=st.one_of(frames(True), frames(False), st.binary(max_size=300)), data=st.data())
@settings(max_examples=examples(300, 3_000), deadline=None)
def test_cutting_raises_nothing(frame: bytes, data: st.DataObject) -> None:
    """Whatever the bytes: pieces that are the frame together, or none."""
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(frame)))
        end = data.draw(st.sampled_from(ENDS)).encode()
        frame = frame[:at] + data.draw(st.one_of(st.just(end), st.binary(max_size=4))) + frame[at:]
    for kind in (FRAME_STREAM, FRAME_SNAPSHOT):
        pieces_of(frame, kind, data.draw(st.integers(1, 300)))


def large_snapshot(levels: int, update_id: int = 10) -> bytes:
    """A snapshot with so many levels a side."""
    encoder = SPOT.encoder("BTCUSDT", 2, 8)
    bids = [(6_000_000 - place, 10 + place) for place in range(levels)]
    return encoder.snapshot(update_id, bids, [(6_000_001 + place, 20 + place) for place in range(levels)])


def test_the_largest_snapshot_comes_in_pieces_that_are_read_the_quick_way() -> None:
    """5,000 levels a side: every piece is small, the book lives with the last one and is that of the whole."""
    frame = large_snapshot(5_000)
    pieces = pieces_of(frame, FRAME_SNAPSHOT, PIECE_BYTES)
    assert len(pieces) > 15
    cut, whole = prepared(0), prepared(0)
    for piece in pieces[:-1]:
        assert cut.apply_snapshot_piece(*piece) == dialect.PIECE
        assert not cut.live
    assert cut.apply_snapshot_piece(*pieces[-1]) == whole.apply_snapshot(frame) == dialect.BOOK_CHANGED
    assert cut.save() == whole.save()


def test_the_stream_goes_on_between_the_pieces_of_a_snapshot() -> None:
    """Events and trades, whole and in pieces, are taken as ever; the snapshot joins them at its end."""
    encoder = SPOT.encoder("BTCUSDT", 2, 8)
    cut, whole = prepared(0), prepared(0)
    snapshot = large_snapshot(2_000)
    pieces = pieces_of(snapshot, FRAME_SNAPSHOT, 8_000)
    change: Levels = [(6_000_000 - 2 * place, place % 3) for place in range(600)]
    large = encoder.depth(5_000_000, 12, 13, change, [])
    large_pieces = pieces_of(large, FRAME_STREAM, 8_000)
    small = encoder.depth(4_000_000, 11, 11, [(1, 5)], [])
    assert cut.apply(small) == whole.apply(small) == dialect.SNAPSHOT_WANTED
    trade = encoder.trade(4_000_000, 1, 100, 5, 1)
    for number, piece in enumerate(pieces[:-1]):
        assert cut.apply_snapshot_piece(*piece) == dialect.PIECE
        assert cut.apply(trade) == dialect.TRADED
        if number < len(large_pieces):
            cut.apply_piece(*large_pieces[number])
    assert whole.apply(large) == dialect.BUFFERED
    whole.apply(trade)
    assert finished(cut, cut.apply_snapshot_piece(*pieces[-1])) == dialect.BOOK_CHANGED
    assert finished(whole, whole.apply_snapshot(snapshot)) == dialect.BOOK_CHANGED
    assert cut.save() == whole.save()
    assert cut.update_id == 13


def test_a_gap_between_the_pieces_leaves_the_snapshot_on_its_way() -> None:
    """The book is dropped, and the snapshot that was already coming is applied as it would be in one piece."""
    encoder = SPOT.encoder("BTCUSDT", 2, 8)
    decoder = prepared(1)
    pieces = pieces_of(large_snapshot(1_000, 15), FRAME_SNAPSHOT, 20_000)
    decoder.apply_snapshot_piece(*pieces[0])
    assert decoder.apply(encoder.depth(0, 16, 16, [(5, 5)], [])) == dialect.HELD
    assert decoder.give_up() == dialect.GAP
    for piece in pieces[1:]:
        outcome = decoder.apply_snapshot_piece(*piece)
    assert outcome == dialect.BOOK_CHANGED
    assert (decoder.live, decoder.update_id) == (True, 16)


def test_reset_forgets_the_pieces() -> None:
    """After a lost connection what is left of a frame is refused once, then passed over."""
    decoder = prepared(0)
    pieces = pieces_of(large_snapshot(1_000), FRAME_SNAPSHOT, 16_000)
    for piece in pieces[:2]:
        decoder.apply_snapshot_piece(*piece)
    decoder.reset()
    assert decoder.save() == prepared(0).save()
    with pytest.raises(BadFrame, match=f"piece 3 of {len(pieces)} came without those before it"):
        decoder.apply_snapshot_piece(*pieces[2])
    assert [decoder.apply_snapshot_piece(*piece) for piece in pieces[3:]] == [dialect.PIECE] * len(pieces[3:])
    assert not decoder.live
    assert [decoder.apply_snapshot_piece(*piece) for piece in pieces][-1] == dialect.BOOK_CHANGED


def test_a_frame_of_too_many_levels_is_refused() -> None:
    """What the last piece would apply at once is bounded."""
    decoder = prepared(1)
    pieces = pieces_of(large_snapshot(MOST_PIECED_LEVELS // 2 + 1), FRAME_SNAPSHOT, PIECE_BYTES)
    outcomes = [take(decoder, piece, FRAME_SNAPSHOT) for piece in pieces]
    assert outcomes.count("bad frame") == 1
    assert (decoder.live, decoder.update_id) == (True, 10)


@pytest.mark.parametrize(
    "frame",
    [
        b'{ "lastUpdateId":1,"bids":[["1","1"],["2","1"]],"asks":[]}',
        b'{"asks":[],"bids":[["1","1"],["2","1"]],"lastUpdateId":1}',
        b'{"lastUpdateId":1,"bids":[["1","1"],["2","1"]],"asks":[],"more":[["1","1"],["2","1"]]}',
        b'{"lastUpdateId":1,"bids":[["1","1"], ["2","1"]],"asks":[]}',
        b'{"code":-1,"msg":"' + b"x" * 600 + b'"}',
        b'[["1","1"],["1","1"]]',
        b"",
    ],
)
def test_another_spelling_is_not_cut(frame: bytes) -> None:
    """Where a level ends is known only in the venue's own spelling; nothing else is cut."""
    assert len(SPOT.cut(frame, FRAME_SNAPSHOT, 40)) == 0
    assert SPOT.cut(frame, FRAME_STREAM, 40) == []


def test_a_change_that_no_book_can_hold_is_refused_as_a_whole() -> None:
    """A price beyond what a ladder takes is found before the first level is set."""
    decoder = SPOT.decoder("BTCUSDT", 0, 0)
    decoder.apply_snapshot(b'{"lastUpdateId":1,"bids":[],"asks":[]}')
    with pytest.raises(BadFrame, match="no level can have the price"):
        decoder.apply(
            b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":2,"u":2,"b":[["5","1"],["9000000000000000000","1"]],"a":[]}'
        )
    assert decoder.book.bids.count == 0


def test_recorded_snapshots_and_events_give_the_same_book_in_pieces() -> None:
    """A recorded snapshot of 1,000 levels a side and the events around it, cut small, as against whole."""
    path = recordings() / "binance_hftbacktest" / "dev" / "spot_btcusdt_20240808.gz"
    with gzip.open(path, "rb") as lines:
        recorded = [line.split(b" ", 1)[1].rstrip() for line in islice(lines, examples(3_000, 60_000))]
    cut, whole = SPOT.decoder("BTCUSDT", 2, 8), SPOT.decoder("BTCUSDT", 2, 8)
    snapshots = changes = 0
    for line in recorded:
        kind = FRAME_SNAPSHOT if line.startswith(b'{"lastUpdateId"') else FRAME_STREAM
        expected = take_whole(whole, line, kind)
        pieces = pieces_of(line, kind, PIECE_BYTES if kind == FRAME_SNAPSHOT else 1_000)
        if pieces:
            assert [take(cut, piece, kind) for piece in pieces][-1] == expected
            snapshots += kind == FRAME_SNAPSHOT
            changes += kind == FRAME_STREAM
            if changes % 20 == 0:
                assert cut.book.save() == whole.book.save()
        else:
            assert take_whole(cut, line, kind) == expected
    assert snapshots > 0
    assert changes > 50
    assert cut.save() == whole.save()
    assert all(one > two for one, two in pairwise(cut.book.save()[0]))
