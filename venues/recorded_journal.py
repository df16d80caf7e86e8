"""Reads the frames that a run kept in its journals: what its lanes were given, as records of a recording.

Lanes come one after the other, each in the order of its inputs, for a connection may feed several. The pieces of a
frame that was cut are put together again; one whose pieces do not fit is told as left out. A tail that a crash left
torn ends its lane in silence, as it does for a replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from market.dialect import BadFrame
from market.frame_pieces import FramePieces
from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    ConnectionDown,
    ConnectionUp,
    RawFrame,
    RunStarted,
    decode,
    schema_id_of,
)
from runtime.journal.errors import JournalError
from runtime.journal.reader import JournalReader, read_records
from runtime.journal.storage import DirectoryStorage
from runtime.state import LANES
from venues.recordings import (
    ANSWER,
    CONNECT,
    END,
    FRAME,
    LEFT_OUT,
    Record,
    RecordingDamaged,
    RecordingError,
)

_SCHEMA_BYTES: Final = 2
_KINDS: Final = {FRAME_STREAM: FRAME, FRAME_SNAPSHOT: ANSWER}
_KEPT: Final = {schema_id_of(kept) for kept in (RawFrame, ConnectionUp, ConnectionDown, RunStarted)}


def read_journal(path: Path) -> Iterator[Record]:
    """The frames and connections in the journals of a state directory."""
    lanes = path / LANES
    if not lanes.is_dir():
        raise RecordingError(f"{path} is no state directory: it has no {LANES} (--state makes one)")
    for lane in sorted(lanes.iterdir()):
        yield from _read_lane(lane)


def _read_lane(lane: Path) -> Iterator[Record]:
    pieces: dict[tuple[int, int, int], FramePieces] = {}
    last = 0
    try:
        for record in read_records(JournalReader(DirectoryStorage(lane))):
            last = record.sequence
            if int.from_bytes(record.message[:_SCHEMA_BYTES], "little") not in _KEPT:
                continue
            message = decode(record.message)
            if isinstance(message, RawFrame):
                found = _frame(lane.name, record.sequence, message, pieces)
                if found is not None:
                    yield found
            elif isinstance(message, RunStarted):
                pieces.clear()
                # Whatever was connected before this run is not any more.
                yield Record(record.sequence, record.time_ns, f"{lane.name}/", END, b"a new run")
            elif isinstance(message, ConnectionUp):
                yield Record(record.sequence, record.time_ns, f"{lane.name}/{message.connection_id}", CONNECT, b"")
            elif isinstance(message, ConnectionDown):
                name = f"{lane.name}/{message.connection_id}"
                yield Record(record.sequence, record.time_ns, name, END, message.reason.encode())
    except JournalError as error:
        raise RecordingDamaged(lane, last + 1, str(error)) from error
    except OSError as error:
        raise RecordingError(f"{error.filename or lane} cannot be read: {error.strerror or error}") from error


def _frame(lane: str, number: int, frame: RawFrame, pieces: dict[tuple[int, int, int], FramePieces]) -> Record | None:
    """The record of a frame, of the last piece of one, or None while one is not complete."""
    name = f"{lane}/{frame.connection_id}"
    kind = _KINDS.get(frame.kind)
    if kind is None:
        return None
    if frame.parts == 1:
        return Record(number, frame.receive_ns, name, kind, frame.data, "", frame.instrument_id)
    if frame.parts < 1:
        return Record(number, frame.receive_ns, name, LEFT_OUT, frame.data, "", frame.instrument_id)
    held = pieces.setdefault((frame.connection_id, frame.kind, frame.instrument_id), FramePieces())
    try:
        if not held.take(frame.data, frame.part, frame.parts, frame.checksum) or frame.part < frame.parts:
            return None
    except BadFrame:
        return Record(number, frame.receive_ns, name, LEFT_OUT, frame.data, "", frame.instrument_id)
    return Record(number, frame.receive_ns, name, kind, b"".join(held.finish()), "", frame.instrument_id)
