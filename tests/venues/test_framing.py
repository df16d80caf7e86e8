"""What a service makes of one frame: itself, its pieces, or the beginning of what nobody could take in time."""

from __future__ import annotations

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from market.dialect import MOST_FRAME_BYTES, MOST_WHOLE_BYTES, PIECE_BYTES, Dialect
from market.messages import FRAME_SNAPSHOT, FRAME_STREAM, RawFrame
from tests.seeds import examples
from venues.binance import BinanceSpot
from venues.framing import KEPT_BYTES, batches_of, frames_of

SPOT = BinanceSpot()


def snapshot(levels: int) -> bytes:
    """A snapshot with so many levels a side."""
    encoder = SPOT.encoder("BTCUSDT", 2, 8)
    return encoder.snapshot(1, [(9_999_999 - place, 1) for place in range(levels)], [(10_000_000 + levels, 1)])


def test_a_small_frame_is_itself() -> None:
    """No copy is made of what a lane can take at once."""
    data = snapshot(300)
    (frame,) = frames_of(SPOT, 1, FRAME_SNAPSHOT, 7, 5, data)
    assert frame == RawFrame(1, FRAME_SNAPSHOT, 7, 5, data)
    assert frame.data is data
    assert (frame.part, frame.parts, frame.checksum) == (1, 1, 0)


def test_a_large_frame_is_cut_into_pieces_that_are_the_frame() -> None:
    """They bear the same numbers, count up, and put together are the bytes that came."""
    data = snapshot(5_000)
    frames = frames_of(SPOT, 1, FRAME_SNAPSHOT, 7, 5, data)
    assert b"".join(frame.data for frame in frames) == data
    assert max(len(frame.data) for frame in frames) <= PIECE_BYTES
    assert [frame.part for frame in frames] == list(range(1, len(frames) + 1))
    assert {(frame.parts, frame.checksum, frame.instrument_id, frame.receive_ns, frame.kind) for frame in frames} == {
        (len(frames), zlib.crc32(data), 7, 5, FRAME_SNAPSHOT)
    }


def test_what_cannot_be_cut_is_whole_up_to_a_limit_and_a_beginning_above_it() -> None:
    """A venue that cuts nothing, another spelling, and a frame beyond any message of a venue."""
    spelled = snapshot(560).replace(b'"],["', b'"], ["')
    assert PIECE_BYTES < len(spelled) <= MOST_WHOLE_BYTES
    assert frames_of(SPOT, 1, FRAME_SNAPSHOT, 7, 5, spelled) == [RawFrame(1, FRAME_SNAPSHOT, 7, 5, spelled)]
    for data in (b"x" * (MOST_WHOLE_BYTES + 1), snapshot(5_000)):
        assert frames_of(Dialect(), 1, FRAME_STREAM, 7, 5, data) == [
            RawFrame(1, FRAME_STREAM, 7, 5, data[:KEPT_BYTES], 1, 0)
        ]
    huge = snapshot(40_000)
    assert len(huge) > MOST_FRAME_BYTES
    assert [frame.parts for frame in frames_of(SPOT, 1, FRAME_SNAPSHOT, 7, 5, huge)] == [0]


@given(data=st.binary(max_size=400), most_bytes=st.integers(1, 200), kind=st.integers(-1, 3))
@settings(max_examples=examples(200, 2_000), deadline=None)
def test_nothing_is_raised(data: bytes, most_bytes: int, kind: int) -> None:
    """Whatever the bytes are, there is a message that tells of them."""
    frames = frames_of(SPOT, 1, kind, 7, 5, data, most_bytes)
    assert b"".join(frame.data for frame in frames) == data


def test_pieces_are_batches_of_their_own() -> None:
    """What came in one read stays one batch, but for what was cut; the order is that of the read."""
    small = frames_of(SPOT, 1, FRAME_STREAM, 7, 5, b"{}")
    large = frames_of(SPOT, 1, FRAME_SNAPSHOT, 7, 5, snapshot(1_000))
    batches = batches_of([small, small, large, small])
    assert batches == [[*small, *small], *([piece] for piece in large), small]
    assert batches_of([]) == []
