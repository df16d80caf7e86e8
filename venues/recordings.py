"""Reads recordings of venues, record by record: what was received, asked for, answered and sent, each with its time.

Three forms are known, and told by their first bytes: text lines `<local time> <raw frame>`, JSON lines of `header`,
`http`, `connect`, `send` and `recv`, and the journals of a state directory. The first two may be plain, gzip or zstd.
Records come in the order of their times, whatever the order of the connections in the file. A file that is damaged or
ends early gives every record before the damage, and then raises `RecordingDamaged` with the line. Nothing is changed.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import sys
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

import attrs
import msgspec

from market.numbers import NumberError, parse_decimal

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

FRAME: Final = 0
"""A frame of the stream, as received."""
ANSWER: Final = 1
"""The body of an answer to a request; `url` says to which, where the recording keeps that."""
CONNECT: Final = 2
"""A connection begins here; `url` is its address."""
SEND: Final = 3
"""A frame that was sent."""
END: Final = 4
"""A connection ends here; `data` says why, where that is known."""
LEFT_OUT: Final = 5
"""A frame that was too large to be kept; `data` is its beginning."""

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
FORMS: Final = "text lines `<local time> <raw frame>`, JSON lines with the key `t`, or a state directory"

# A line of a recording holds one frame or one answer; the largest answers of venues have some 10 MB.
MOST_LINE_BYTES: Final = 128 * 1024 * 1024
_SHOWN_BYTES: Final = 80
_SECOND_PLACES: Final = 9


class RecordingError(Exception):
    """A recording cannot be used; the message names it and says why."""


class RecordingDamaged(RecordingError):
    """A recording stops making sense at a line; what came before it is good."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


@attrs.frozen
class Record:
    """One thing that a recording holds. `line` is counted from 1; in a journal it is the number of the record."""

    line: int
    receive_ns: int
    connection: str
    kind: int
    data: bytes
    url: str = ""
    # The instrument that a journal names; 0 where the bytes or the url must tell.
    instrument_id: int = 0


class _Line(msgspec.Struct):
    """A line of the second form."""

    t: str
    conn: str = ""
    ts: msgspec.Raw = msgspec.Raw()
    data: str | None = None
    b64: str | None = None
    url: str = ""
    addr: str = ""


class _Time(msgspec.Struct):
    """Of such a line only the time."""

    ts: msgspec.Raw = msgspec.Raw()


_lines = msgspec.json.Decoder(_Line)
_times = msgspec.json.Decoder(_Time)
_KINDS: Final = {"recv": FRAME, "http": ANSWER, "connect": CONNECT, "send": SEND, "close": END, "disconnect": END}


def read_recording(path: Path) -> Iterator[Record]:
    """The records of a file or of a state directory in the order of their times; raises `RecordingError`."""
    if path.is_dir():
        from venues.recorded_journal import read_journal  # it brings the journal's reader, which files do not need

        return read_journal(path)
    first = _first_byte(path)
    if first == b"{":
        return _read_json_lines(path)
    if first.isdigit():
        return _read_text_lines(path)
    raise RecordingError(f"{path} is no recording: give it {FORMS}; plain, gzip or zstd")


def _first_byte(path: Path) -> bytes:
    for _, line in _numbered_lines(path):
        return line[:1]
    raise RecordingError(f"{path} is empty")


def _open(path: Path) -> BufferedReader | gzip.GzipFile | zstd.ZstdFile:
    """The file's bytes as they were before they were compressed."""
    try:
        with open(path, "rb") as file:
            magic = file.read(len(ZSTD_MAGIC))
        if magic.startswith(GZIP_MAGIC):
            return gzip.open(path, "rb")
        if magic == ZSTD_MAGIC:
            return zstd.open(path, "rb")
        return open(path, "rb")
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line that is not empty, with its number; a stream that breaks off is told with the line it breaks in."""
    number = 0
    with _open(path) as file:
        while True:
            number += 1
            try:
                line = file.readline(MOST_LINE_BYTES)
            except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
                raise RecordingDamaged(path, number, f"the compressed file is damaged or cut short: {error}") from error
            except OSError as error:
                raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
            if not line:
                return
            if len(line) >= MOST_LINE_BYTES:
                raise RecordingDamaged(path, number, f"a line of more than {MOST_LINE_BYTES} bytes")
            line = line.rstrip(b"\r\n")
            if line:
                yield number, line


# ---- text lines


def _read_text_lines(path: Path) -> Iterator[Record]:
    connection = ""
    for number, line in _numbered_lines(path):
        text, _, frame = line.partition(b" ")
        receive_ns = _nanoseconds(text)
        if receive_ns == 0 or not frame.endswith((b"}", b"]")):
            reason = "no line `<local time> <raw frame>`, or one that was cut short"
            raise RecordingDamaged(path, number, f"{reason}: {line[:_SHOWN_BYTES]!r}")
        yield Record(number, receive_ns, connection, _kind_of(frame), frame)


def _nanoseconds(text: bytes) -> int:
    """A local time in nanoseconds, microseconds or milliseconds, told by its size; 0 when it is none."""
    if not text.isdigit():
        return 0
    steps = {19: 1, 16: 1_000, 13: 1_000_000}.get(len(text), 0)
    return int(text) * steps


def _kind_of(frame: bytes) -> int:
    """Whether a line is a frame of the stream or an answer: a body of `lastUpdateId` that no stream names."""
    head = frame[:_SHOWN_BYTES]
    return ANSWER if b'"lastUpdateId"' in head and b'"stream"' not in head else FRAME


# ---- JSON lines


def _read_json_lines(path: Path) -> Iterator[Record]:
    """In file order where that is the order of the times; else all of the file is held and sorted."""
    if _is_ordered(path):
        yield from _parse_json_lines(path)
        return
    records: list[Record] = []
    damage: RecordingDamaged | None = None
    try:
        records.extend(_parse_json_lines(path))
    except RecordingDamaged as error:
        damage = error
    records.sort(key=lambda record: record.receive_ns)
    yield from records
    if damage is not None:
        raise damage


def _is_ordered(path: Path) -> bool:
    last_ns = 0
    try:
        for number, line in _numbered_lines(path):
            ts = bytes(_times.decode(line).ts)
            if ts:
                receive_ns = _seconds(path, number, ts)
                if receive_ns < last_ns:
                    return False
                last_ns = receive_ns
    except (RecordingDamaged, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The reading that follows tells it, with what came before.
        return True
    return True


def _parse_json_lines(path: Path) -> Iterator[Record]:
    for number, line in _numbered_lines(path):
        try:
            found = _lines.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RecordingDamaged(path, number, f"{error}: {line[:_SHOWN_BYTES]!r}") from error
        if found.t == "header":
            continue
        kind = _KINDS.get(found.t)
        if kind is None:
            raise RecordingDamaged(path, number, f"a record of the unknown kind {found.t!r}")
        receive_ns = _seconds(path, number, bytes(found.ts))
        yield Record(number, receive_ns, found.conn, kind, _data_of(path, number, found), found.url or found.addr)


def _data_of(path: Path, number: int, found: _Line) -> bytes:
    if found.b64 is not None:
        try:
            return base64.b64decode(found.b64, validate=True)
        except binascii.Error as error:
            raise RecordingDamaged(path, number, f"b64: {error}") from error
    return (found.data or "").encode()


def _seconds(path: Path, number: int, text: bytes) -> int:
    """A time in seconds, exactly, in nanoseconds."""
    try:
        return parse_decimal(text.decode(), _SECOND_PLACES, allow_exponent=True)
    except (NumberError, UnicodeDecodeError) as error:
        raise RecordingDamaged(path, number, f"ts: {error}") from error
