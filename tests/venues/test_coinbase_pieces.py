"""Coinbase's frames in pieces: a snapshot of megabytes is read as it comes, and is what the whole frame would be."""

from __future__ import annotations

from functools import cache
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.dialect import MOST_PIECED_LEVELS, PIECE_BYTES, BadFrame, Decoder
from tests.seeds import examples
from tests.venues.binance_wire import spelled
from tests.venues.recorded import recorded_frames
from tests.venues.streamed_checks import reloaded
from tests.venues.test_coinbase import (
    COINBASE,
    FIRST,
    NAME,
    RECORDING,
    SCALES,
    Rows,
    book,
    event,
    framed,
    live,
    trades,
)
from venues.coinbase_book import MOST_BETWEEN_BYTES

SMALL = 700


def rows_of(count: int, first_bid: int = 5_000_000) -> Rows:
    """A snapshot's levels from the touch outward."""
    bids = [("bid", f"{(first_bid - place) / 100:.2f}", "0.5") for place in range(count)]
    return bids + [("offer", f"{(first_bid + 1 + place) / 100:.2f}", "1.25") for place in range(count)]


def give(decoder: Decoder, frame: bytes, size: int = SMALL, between: tuple[bytes, ...] = ()) -> list[int]:
    """The outcomes of a frame in pieces; after the second come others."""
    pieces = COINBASE.cut(frame, 0, size)
    assert b"".join(pieces) == frame
    outcomes = []
    for part, piece in enumerate(pieces, 1):
        outcomes.append(int(decoder.apply_piece(piece, part, len(pieces), crc32(frame))))
        if part == 2:
            outcomes.extend(int(decoder.apply(other)) for other in between)
    return outcomes


def state(decoder: Decoder) -> tuple[object, ...]:
    """What is shown."""
    return decoder.live, decoder.update_id, decoder.book.save(), decoder.save()["book"]


def test_a_frame_of_one_event_is_cut_between_levels() -> None:
    """Its first piece ends with a brace, and that of any other frame does not."""
    one = book(1, "snapshot", rows_of(20))
    pieces = COINBASE.cut(one, 0, SMALL)
    assert all(piece.endswith(b'"}') and len(piece) <= SMALL for piece in pieces[:-1])
    assert all(piece.startswith(b",{") for piece in pieces[1:])
    two = spelled(framed("l2_data", 1, [event("update", rows_of(9)), event("update", FIRST, "ETH-USD")]))
    for size in range(100, 900, 37):
        pieces = COINBASE.cut(two, 0, size)
        assert b"".join(pieces) == two
        assert not pieces[0].endswith(b"}")
        router = COINBASE.router()
        router.load({"reached": 0, "repeats": 0, "begun": [NAME]})
        assert router.route(pieces[0]) == dialect.FOR_ALL


@given(data=st.data())
@settings(max_examples=examples(60, 2_000), deadline=None)
def test_pieces_are_what_the_whole_is(data: st.DataObject) -> None:
    """In any order, with levels twice, with deletes, in any size of piece: the same book, or the same refusal."""
    rows = data.draw(st.sampled_from([rows_of(30), [*rows_of(10), *rows_of(3, 4_900_000)], rows_of(12) + rows_of(1)]))
    if data.draw(st.booleans()):
        rows = data.draw(st.permutations(rows))
    rows = [(side, price, "0" if price.endswith("7") else size) for side, price, size in rows]
    kind = data.draw(st.sampled_from(["snapshot", "update"]))
    frame = book(1, kind, rows)
    decoder, whole = live(), live()
    size = data.draw(st.integers(250, 2_000))
    try:
        outcome = whole.apply(frame)
    except BadFrame:
        with pytest.raises(BadFrame):
            give(decoder, frame, size)
    else:
        outcomes = give(decoder, frame, size)
        assert outcomes == [dialect.PIECE] * (len(outcomes) - 1) + [outcome]
    assert state(decoder) == state(whole)


def test_a_side_holds_what_a_book_can_use() -> None:
    """Of a snapshot deeper than a book the best levels are held, and the cut is known, as from the whole."""
    frame = book(1, "snapshot", rows_of(MOST_PIECED_LEVELS + 500))
    decoder, whole = COINBASE.decoder(NAME, *SCALES), COINBASE.decoder(NAME, *SCALES)
    assert whole.apply(frame) == dialect.BOOK_CHANGED
    assert give(decoder, frame, PIECE_BYTES)[-1] == dialect.BOOK_CHANGED
    assert decoder.book.bids.count == 6_000
    assert state(decoder) == state(whole)


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_changes_between_pieces_follow_the_last(is_live: bool, kind: str) -> None:
    """They are held, told so, and are applied in the order of their numbers; other frames pass."""
    between = (
        book(2, "update", [("bid", "50000.00", "7")]),
        trades(3, "update", [("5", "BUY")]),
        book(4, "update", [("offer", "50000.01", "0")]),
    )
    frame = book(1, kind, rows_of(20))
    decoder = live() if is_live else COINBASE.decoder(NAME, *SCALES)
    whole = live() if is_live else COINBASE.decoder(NAME, *SCALES)
    outcomes = give(decoder, frame, SMALL, between)
    assert outcomes[2:5] == [dialect.HELD, dialect.TRADED, dialect.HELD]
    for one in (frame, *between):
        whole.apply(one)
    assert state(decoder) == state(whole)
    assert not decoder.holding


def test_too_much_between_pieces_is_a_gap() -> None:
    """What is held is bounded; nothing of the frame counts then."""
    decoder = live()
    frame = book(1, "snapshot", rows_of(20))
    pieces = COINBASE.cut(frame, 0, SMALL)
    decoder.apply_piece(pieces[0], 1, len(pieces), crc32(frame))
    change = book(2, "update", rows_of(20))
    outcomes = [decoder.apply(change) for _ in range(MOST_BETWEEN_BYTES // len(change) + 1)]
    assert outcomes[-1] == dialect.GAP
    assert not decoder.live
    assert decoder.apply_piece(pieces[1], 2, len(pieces), crc32(frame)) == dialect.PIECE
    assert decoder.give_up() == dialect.IGNORED


def test_pieces_that_do_not_come_cost_the_book() -> None:
    """A frame whose last pieces are missing was a change for all that is known: the next frame gives the book up."""
    frame = book(1, "update", rows_of(20))
    pieces = COINBASE.cut(frame, 0, SMALL)
    decoder = live()
    decoder.apply_piece(pieces[0], 1, len(pieces), crc32(frame))
    with pytest.raises(BadFrame, match="came where 2"):
        decoder.apply_piece(pieces[2], 3, len(pieces), crc32(frame))
    assert decoder.apply(trades(2, "update", [("5", "BUY")])) == dialect.TRADED
    assert decoder.apply(book(3, "update", FIRST)) == dialect.GAP
    decoder = live()
    decoder.apply_piece(pieces[0], 1, len(pieces), crc32(frame))
    assert decoder.apply(book(2, "update", FIRST)) == dialect.HELD
    assert decoder.give_up() == dialect.GAP
    decoder = live()
    decoder.apply_piece(pieces[0], 1, len(pieces), crc32(frame))
    again = book(2, "update", rows_of(21))
    assert give(decoder, again)[-1] == dialect.GAP
    assert not decoder.live


def test_a_bad_level_is_told_with_its_piece() -> None:
    """The rest of the frame is passed over, the book is as it was, and the next frame gives it up."""
    frame = book(1, "snapshot", rows_of(20)).replace(b'"49999.95"', b'"49999.9x"')
    pieces = COINBASE.cut(frame, 0, SMALL)
    decoder = live()
    before = decoder.book.save()
    outcomes: list[object] = []
    for part, piece in enumerate(pieces, 1):
        try:
            outcomes.append(decoder.apply_piece(piece, part, len(pieces), crc32(frame)))
        except BadFrame as error:
            outcomes.append(error.reason)
    assert len([outcome for outcome in outcomes if outcome != dialect.PIECE]) == 1
    assert decoder.book.save() == before
    assert decoder.apply(book(2, "update", FIRST)) == dialect.GAP


def test_it_goes_on_from_what_was_saved() -> None:
    """After every piece, with a change between."""
    frame = book(1, "snapshot", rows_of(20))
    pieces = COINBASE.cut(frame, 0, SMALL)
    decoder = live()
    change = book(2, "update", [("bid", "50000.00", "7")])
    for part, piece in enumerate(pieces, 1):
        outcome = decoder.apply_piece(piece, part, len(pieces), crc32(frame))
        if part == 3:
            decoder.apply(change)
        decoder = reloaded(COINBASE, NAME, SCALES, decoder)
    assert outcome == dialect.BOOK_CHANGED
    assert decoder.update_id == 2
    assert decoder.book.best_bid_size == 700_000_000


@cache
def recording() -> list[bytes]:
    """The recorded frames."""
    return recorded_frames(RECORDING)


def replay(frames: list[bytes]) -> tuple[dict[str, Decoder], list[int]]:
    """Both products' decoders after these frames, routed and cut as in a lane, and what the router said."""
    router = COINBASE.router()
    decoders = {name: COINBASE.decoder(name, *SCALES) for name in (NAME, "ETH-USD")}
    said = []
    for frame in frames:
        pieces = COINBASE.cut(frame, 0) if len(frame) > PIECE_BYTES else [frame]
        said.append(int(router.route(pieces[0])))
        if said[-1] == dialect.LOST:
            for decoder in decoders.values():
                decoder.reset()
        if said[-1] in (dialect.FOR_NONE, dialect.LOST):
            continue
        for name, decoder in decoders.items():
            if said[-1] == dialect.FOR_ONE and name != router.symbol:
                continue
            if len(pieces) == 1:
                decoder.apply(frame)
            else:
                for part, piece in enumerate(pieces, 1):
                    decoder.apply_piece(piece, part, len(pieces), crc32(frame))
    return decoders, said


def test_the_recording() -> None:
    """537 frames without a gap: both books live, uncrossed, and the same from pieces as from whole frames."""
    decoders, said = replay(recording())
    assert set(said) == {dialect.FOR_ONE, dialect.FOR_ALL}
    for name, decoder in decoders.items():
        whole = COINBASE.decoder(name, *SCALES)
        for frame in recording():
            if COINBASE.venue_symbol(frame) == name:
                whole.apply(frame)
        assert decoder.live
        assert not decoder.book.crossed
        assert state(decoder) == state(whole)
    assert (decoders[NAME].book.best_bid_price, decoders[NAME].book.best_ask_price) == (6_508_366, 6_508_367)


@pytest.mark.parametrize("damage", ["drop", "double", "swap"])
def test_damage_to_the_recording_is_seen(damage: str) -> None:
    """At every tenth position: a frame that is missing or late voids every book, one that came twice does no harm."""
    # Without the snapshots of megabytes, so that the books are small.
    frames = [frame for frame in recording() if len(frame) < PIECE_BYTES]
    frames = [_numbered(frame, number) for number, frame in enumerate(frames)]
    for place in range(5, len(frames) - 1, 10):
        damaged = list(frames)
        if damage == "drop":
            del damaged[place]
        elif damage == "double":
            damaged.insert(place, damaged[place])
        else:
            damaged[place], damaged[place + 1] = damaged[place + 1], damaged[place]
        router = COINBASE.router()
        router.load({"reached": -1, "repeats": 0, "begun": [NAME, "ETH-USD"]})
        said = [router.route(frame) for frame in damaged]
        assert (dialect.LOST in said) == (damage != "double")
        assert (dialect.FOR_NONE in said) == (damage != "drop")


def _numbered(frame: bytes, number: int) -> bytes:
    head, _, rest = frame.partition(b'"sequence_num":')
    return head + b'"sequence_num":%d,' % number + rest.partition(b",")[2]
