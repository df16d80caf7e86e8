"""The pieces of a frame: taken in their order, refused once, and given back as the frame that was cut."""

from __future__ import annotations

import zlib

import pytest

from market.dialect import MOST_FRAME_BYTES, BadFrame
from market.frame_pieces import FramePieces

CHECKSUM = zlib.crc32(b"abc")


def begun() -> FramePieces:
    """The first of three pieces was taken."""
    pieces = FramePieces()
    assert pieces.take(b"a", 1, 3, CHECKSUM)
    return pieces


def test_the_pieces_give_the_frame() -> None:
    """In order they are the whole frame; afterwards nothing is held."""
    pieces = begun()
    assert pieces.take(b"b", 2, 3, CHECKSUM)
    assert pieces.take(b"c", 3, 3, CHECKSUM)
    assert pieces.finish() == [b"a", b"b", b"c"]
    assert pieces.save() == FramePieces().save()


@pytest.mark.parametrize(
    ("piece", "part", "parts", "checksum", "reason"),
    [
        (b"c", 3, 3, CHECKSUM, "piece 3 of 3 came where 2 of 3 was due"),
        (b"b", 2, 4, CHECKSUM, "piece 2 of 4 came where 2 of 3 was due"),
        (b"b", 2, 3, 1, "piece 2 of 3 is one of another frame"),
        (b"b", 0, 3, CHECKSUM, "piece 0 of 3"),
        (b"b", -1, -1, CHECKSUM, "piece -1 of -1"),
    ],
)
def test_a_piece_that_is_not_due_is_refused_once(
    piece: bytes, part: int, parts: int, checksum: int, reason: str
) -> None:
    """It says why; nothing is held any more, and the rest of that frame is passed over."""
    pieces = begun()
    with pytest.raises(BadFrame, match=reason):
        pieces.take(piece, part, parts, checksum)
    assert list(pieces.held) == []
    for left in range(part + 1, parts + 1 if part > 0 else 0):
        assert not pieces.take(b"x", left, parts, checksum)


def test_other_bytes_are_found_at_the_end() -> None:
    """What was damaged on the way is no frame."""
    pieces = begun()
    assert pieces.take(b"x", 2, 3, CHECKSUM)
    with pytest.raises(BadFrame, match="not the frame that was cut"):
        pieces.take(b"c", 3, 3, CHECKSUM)
    assert pieces.save() == FramePieces().save()


def test_a_first_piece_begins_anew() -> None:
    """Whatever became of the frame before, also when it was refused."""
    pieces = begun()
    pieces.refuse()
    assert not pieces.take(b"b", 2, 3, CHECKSUM)
    for part, piece in enumerate((b"a", b"b", b"c"), 1):
        assert pieces.take(piece, part, 3, CHECKSUM)
    assert pieces.finish() == [b"a", b"b", b"c"]


def test_memory_is_bounded() -> None:
    """No more is held than the largest frame that is cut."""
    pieces = FramePieces()
    assert pieces.take(bytes(MOST_FRAME_BYTES), 1, 3, 0)
    with pytest.raises(BadFrame, match="more than"):
        pieces.take(b"a", 2, 3, 0)
    assert list(pieces.held) == []


def test_it_goes_on_after_loading() -> None:
    """In the middle of a frame, and in the middle of a refused one."""
    pieces = begun()
    fresh = FramePieces()
    fresh.load(pieces.save())
    assert fresh.take(b"b", 2, 3, CHECKSUM)
    assert fresh.take(b"c", 3, 3, CHECKSUM)
    pieces.refuse()
    other = FramePieces()
    other.load(pieces.save())
    assert not other.take(b"b", 2, 3, CHECKSUM)
