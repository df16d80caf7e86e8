"""The compiled reader before the library: together they give what the library alone gives, however the bytes come."""

from __future__ import annotations

import random

import pytest
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN

from tests.seeds import examples
from venues.frame_reader import FrameReader
from venues.transport import MessageStream, StreamOptions, new_protocol

MOST_BYTES = 100_000
OPTIONS = StreamOptions(most_message_bytes=MOST_BYTES)
URL = "ws://venue/"

# What a connection ends with, for a comparison: messages, control frames, the closing frames of both sides.
Told = tuple[list[bytes], int, tuple[int, str] | None, tuple[int, str] | None]


def protocol_of(is_compressed: bool) -> ClientProtocol:
    """An open connection's library part."""
    protocol = new_protocol(URL, OPTIONS, OPEN)
    if is_compressed:
        protocol.extensions = [PerMessageDeflate(False, False, 15, 15)]
    return protocol


def code_of(close: Close | None) -> tuple[int, str] | None:
    """A closing frame in a form that compares."""
    return None if close is None else (close.code, close.reason)


def by_library(data: bytes, is_compressed: bool) -> Told:
    """All bytes given to the library at once, and its frames joined to messages."""
    protocol = protocol_of(is_compressed)
    protocol.receive_data(data)
    protocol.receive_eof()
    messages: list[bytes] = []
    parts = b""
    controls = 0
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            parts += event.data
            if event.fin:
                messages.append(parts)
                parts = b""
        else:
            controls += 1
    return messages, controls, code_of(protocol.close_rcvd), code_of(protocol.close_sent)


def by_reader(pieces: list[bytes], is_compressed: bool) -> Told:
    """The same bytes through the reader and the library behind it, piece by piece."""
    protocol = protocol_of(is_compressed)
    stream = MessageStream(trio.testing.memory_stream_pair()[0], protocol, OPTIONS, lambda: 0)
    messages: list[bytes] = []
    for piece in pieces:
        stream.take(piece, messages)
    stream.take(b"", messages)
    return messages, stream.controls, code_of(protocol.close_rcvd), code_of(protocol.close_sent)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces that end at these places, none of them empty."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    starts = [0, *ends[:-1]]
    return [data[start:end] for start, end in zip(starts, ends, strict=True) if end > start]


def written(opcode: int, payload: bytes, fin: bool = True, rsv1: bool = False, mask: bool = False) -> bytes:
    """A frame as it is on the wire, right or wrong."""
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    second = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = bytes([first, second | size])
    elif size < 65_536:
        head = bytes([first, second | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, second | 127]) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if mask else b"") + payload


PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, 125, 126, 127, 400, 65_535, 65_536, 70_000]).map(lambda size: b"x" * size),
)
COMMON = st.builds(written, st.sampled_from([1, 2]), PAYLOADS)
CONTROLS = st.builds(written, st.sampled_from([9, 10]), st.binary(max_size=125))
CLOSES = st.sampled_from([written(8, payload) for payload in (b"\x03\xe8bye", b"", b"\x03\xe8\xff", b"\x00")])
FRAGMENTED = st.builds(
    lambda kind, parts, between: b"".join(
        written(kind if not number else 0, part, number == len(parts) - 1) + between
        for number, part in enumerate(parts)
    ),
    st.sampled_from([1, 2]), st.lists(PAYLOADS, min_size=1, max_size=4), st.one_of(st.just(b""), CONTROLS),
)  # fmt: skip
ANY = st.builds(written, st.integers(0, 15), PAYLOADS, st.booleans(), st.booleans(), st.booleans())
STREAMS = st.lists(st.one_of(COMMON, COMMON, CONTROLS, FRAGMENTED), max_size=8)
ENDS = st.one_of(st.just(b""), CLOSES, ANY, st.binary(max_size=20), st.just(b"\x81\x7f" + b"\xff" * 12))


@settings(max_examples=examples(150, 5_000), deadline=None)
@given(STREAMS, ENDS, STREAMS, st.lists(st.integers(0, 400_000), max_size=12), st.booleans())
def test_any_pieces_of_any_frames_give_what_the_library_gives(
    before: list[bytes], end: bytes, after: list[bytes], places: list[int], is_compressed: bool
) -> None:
    """Messages, control frames, and how the connection ends, whatever the frames and wherever they are cut."""
    data = b"".join([*before, end, *after])
    assert by_reader(cut(data, places), is_compressed) == by_library(data, is_compressed)


@settings(max_examples=examples(25, 1_000), deadline=None)
@given(st.lists(st.one_of(COMMON, FRAGMENTED, CONTROLS), max_size=4), ENDS)
def test_single_bytes_give_what_the_library_gives(before: list[bytes], end: bytes) -> None:
    """The trickle: every byte is a read of its own."""
    data = b"".join(frame for frame in before if len(frame) < 1_000) + end
    assert by_reader([data[place : place + 1] for place in range(len(data))], False) == by_library(data, False)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_compressed_messages_stand_in_their_place(is_compressed: bool) -> None:
    """Compressed and plain messages in turn come out in their order."""
    server = PerMessageDeflate(False, False, 15, 15)
    chance = random.Random(3)
    expected: list[bytes] = []
    data = b""
    for number in range(60):
        payload = f"message {number} ".encode() * chance.randrange(1, 200)
        expected.append(payload)
        frame = Frame(Opcode.TEXT, payload)
        if is_compressed and number % 3:
            frame = server.encode(frame)
        data += written(1, bytes(frame.data), rsv1=frame.rsv1)
    places = [chance.randrange(len(data)) for _ in range(50)]
    assert by_reader(cut(data, places), is_compressed)[0] == expected


def test_common_frames_never_reach_the_library() -> None:
    """The reader alone takes what is common, of every length, in pieces or whole."""
    payloads = [b"x" * size for size in (0, 1, 125, 126, 65_535, 65_536, MOST_BYTES)]
    data = b"".join(written(1 + number % 2, payload) for number, payload in enumerate(payloads))
    for places in ([], [1, 2, 3, 130, 260, 66_000], list(range(0, len(data), 777))):
        reader = FrameReader(MOST_BYTES)
        frames: list[bytes] = []
        for piece in cut(data, list(places)):
            reader.feed(piece)
            assert reader.take(frames) == b""
        assert frames == payloads
        assert reader.rest() == b""


def test_a_message_above_the_limit_is_for_the_library() -> None:
    """It gets the header and everything behind it, and ends the connection with code 1009."""
    data = written(1, b"y") + written(1, b"x" * (MOST_BYTES + 1)) + written(1, b"z")
    messages, _, _, sent = by_reader(cut(data, [5, 900]), False)
    assert messages == [b"y"]
    assert sent is not None
    assert sent[0] == 1009
