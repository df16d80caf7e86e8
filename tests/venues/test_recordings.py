"""Recordings are read whole and in order, whatever their form, and damage is told with its line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    ConnectionDown,
    ConnectionUp,
    Message,
    RawFrame,
    RunStarted,
    encode,
)
from runtime.journal.records import RecordBuffer
from runtime.journal.segments import SegmentHeader, encode_header, segment_name
from tests.data import recordings
from venues.recordings import (
    ANSWER,
    CONNECT,
    END,
    FRAME,
    LEFT_OUT,
    SEND,
    Record,
    RecordingDamaged,
    RecordingError,
    read_recording,
    zstd,
)

TEXT = b"""1723161253937085768 {"stream":"a@depth","data":{"u":1}}
1723161254036059768 {"lastUpdateId":7,"bids":[],"asks":[]}
1723161254087891268 {"stream":"a@depth","data":{"u":2}}
"""


def json_line(kind: str, connection: str, ts: str, **more: str) -> str:
    """A line of the second form, whose time is spelled as given."""
    return json.dumps({"t": kind, "conn": connection, "ts": 0, **more}).replace('"ts": 0', f'"ts": {ts}')


JSON_LINES = "\n".join(
    [
        json.dumps({"t": "header", "format": 2}),
        json_line("http", "h", "1633998512.320639", url="https://a/depth?symbol=X", data="{}"),
        json_line("connect", "w1", "1633998511.159679", addr="wss://a"),
        json_line("send", "w1", "1633998511.2", addr="wss://a", data="subscribe"),
        json_line("recv", "w1", "1633998512.0633569", data='{"p":"\u00e9"}'),
        json_line("recv", "w1", "1.6339985134E9", b64="AAE="),
        json_line("connect", "w2", "1633998511.5", addr="wss://b"),
    ]
).encode()

FORMS: list[Callable[[bytes], bytes]] = [bytes, gzip.compress, zstd.compress]


def written(path: Path, data: bytes) -> Path:
    """A file of these bytes."""
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_text_lines_are_read_in_any_compression(tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
    """A line without a stream is an answer; compression is told by the first bytes, not by the name."""
    records = list(read_recording(written(tmp_path / "odd.name", form(TEXT))))
    assert [record.kind for record in records] == [FRAME, ANSWER, FRAME]
    assert [record.line for record in records] == [1, 2, 3]
    assert records[0].receive_ns == 1723161253937085768
    assert records[1].data == b'{"lastUpdateId":7,"bids":[],"asks":[]}'


@pytest.mark.parametrize(("text", "expected"), [("1680652700423575", 1_000), ("1680652700423", 1_000_000)])
def test_local_times_are_told_by_their_size(tmp_path: Path, text: str, expected: int) -> None:
    """Microseconds and milliseconds become nanoseconds."""
    path = written(tmp_path / "file", f'{text} {{"stream":"a"}}\n'.encode())
    assert next(read_recording(path)).receive_ns == int(text) * expected


@pytest.mark.parametrize("form", FORMS)
def test_json_lines_come_in_the_order_of_their_times(tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
    """Connections that stand one after the other in the file are woven together, with exact times."""
    records = list(read_recording(written(tmp_path / "file", form(JSON_LINES))))
    assert [(record.kind, record.connection) for record in records] == [
        (CONNECT, "w1"),
        (SEND, "w1"),
        (CONNECT, "w2"),
        (FRAME, "w1"),
        (ANSWER, "h"),
        (FRAME, "w1"),
    ]
    assert records[0].url == "wss://a"
    assert records[3] == Record(5, 1633998512063356900, "w1", FRAME, '{"p":"\u00e9"}'.encode())
    assert records[4].url == "https://a/depth?symbol=X"
    assert records[5].data == b"\x00\x01"
    assert records[5].receive_ns == 1633998513400000000


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_breaks_off_gives_what_came_before(
    tmp_path: Path, form: Callable[[bytes], bytes], share: float
) -> None:
    """A compressed file that was cut is told with a line, after every record that could be read."""
    whole = form(TEXT * 50)
    found: list[Record] = []
    with pytest.raises(RecordingDamaged) as raised:
        found.extend(read_recording(written(tmp_path / "file", whole[: int(len(whole) * share)])))
    assert raised.value.line >= len(found)
    assert "cut short" in str(raised.value)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (TEXT[:-12], 3),
        (TEXT.replace(b"1723161254036059768", b"17231612540360"), 2),
        (TEXT + b"hello\n", 4),
        (JSON_LINES[:-20], 7),
        (JSON_LINES.replace(b'"send"', b'"sent"'), 4),
        (JSON_LINES.replace(b"AAE=", b"A*"), 6),
        (JSON_LINES.replace(b"1633998511.2,", b'"soon",'), 4),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, damage: bytes, line: int) -> None:
    """What is no record ends the reading with its line, and not before the good ones were given."""
    path = written(tmp_path / "file", damage)
    with pytest.raises(RecordingDamaged, match=f"line {line}:") as raised:
        list(read_recording(path))
    assert raised.value.line == line


@pytest.mark.parametrize("data", [b"", b"\n\n", b"hello", b"[1,2]\n", b"\x00\x01\x02"])
def test_what_is_no_recording_is_refused(tmp_path: Path, data: bytes) -> None:
    """Other files are refused by name; so are files that are not there, and folders that hold no state."""
    with pytest.raises(RecordingError, match="file"):
        list(read_recording(written(tmp_path / "file", data)))


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """No file and no state directory: one line each."""
    with pytest.raises(RecordingError, match="No such file"):
        list(read_recording(tmp_path / "absent"))
    with pytest.raises(RecordingError, match="no state directory"):
        list(read_recording(tmp_path))


def journal(path: Path, messages: list[Message]) -> Path:
    """A state directory whose only lane took these messages."""
    lane = path / "lanes" / "main"
    lane.mkdir(parents=True)
    buffer = RecordBuffer(1, 1 << 20)
    for sequence, message in enumerate(messages, 1):
        buffer.append(sequence, sequence * 1_000, 0, 0, 0, encode(message))
    header = encode_header(SegmentHeader("main", "schema", "build", 1, 0))
    (lane / segment_name(1)).write_bytes(header + buffer.pending())
    return path


def test_a_journal_is_read_as_a_recording(tmp_path: Path) -> None:
    """Frames keep connection, time and instrument; pieces are put together; connections begin and end."""
    whole = b"0123456789"
    checksum = zlib.crc32(whole)
    path = journal(
        tmp_path,
        [
            RunStarted(1, 1, "", ""),
            ConnectionUp(3, 77),
            RawFrame(3, FRAME_STREAM, 0, 11, b"{}"),
            RawFrame(3, FRAME_SNAPSHOT, 5, 12, b"[]"),
            RawFrame(3, FRAME_STREAM, 0, 13, whole[:4], 1, 2, checksum),
            RawFrame(3, FRAME_STREAM, 0, 13, whole[4:], 2, 2, checksum),
            RawFrame(3, FRAME_STREAM, 0, 14, whole, 1, 0),
            RawFrame(3, FRAME_STREAM, 0, 15, whole[4:], 2, 2, checksum),
            ConnectionDown(3, 77, "gone"),
        ],
    )
    assert list(read_recording(path)) == [
        Record(1, 1_000, "main/", END, b"a new run"),
        Record(2, 2_000, "main/3", CONNECT, b""),
        Record(3, 11, "main/3", FRAME, b"{}"),
        Record(4, 12, "main/3", ANSWER, b"[]", "", 5),
        Record(6, 13, "main/3", FRAME, whole),
        Record(7, 14, "main/3", LEFT_OUT, whole),
        Record(8, 15, "main/3", LEFT_OUT, whole[4:]),
        Record(9, 9_000, "main/3", END, b"gone"),
    ]


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    """A record with a wrong checksum before good ones is damage, told after the records before it."""
    path = journal(tmp_path, [RawFrame(3, FRAME_STREAM, 0, place, b"{}") for place in range(9)])
    (segment,) = (path / "lanes" / "main").iterdir()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    found: list[Record] = []
    with pytest.raises(RecordingDamaged) as raised:
        found.extend(read_recording(path))
    assert 0 < len(found) < 9
    assert raised.value.line == len(found) + 1


@pytest.mark.parametrize(
    "name",
    [
        "binance_hftbacktest/dev/spot_btcusdt_20240808.gz",
        "cryptofeed/dev/KRAKEN.jsonl.zst",
        "cryptofeed/dev/BYBIT.first20s.jsonl.zst",
    ],
)
def test_real_recordings_are_read_to_the_end(name: str) -> None:
    """Times never go back, and every frame is text of JSON."""
    last_ns = 0
    for record in read_recording(recordings() / name):
        assert record.receive_ns >= last_ns
        last_ns = record.receive_ns
        if record.kind == FRAME:
            assert record.data[:1] in (b"{", b"[")
