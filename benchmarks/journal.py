"""What it costs to append a record to the journal, and how fast a journal is replayed.

The records hold seeded frames whose binary form has 400 bytes. Appending includes encoding, checksum, digest field and
the copy that one write a batch takes; the write itself is the kernel's. Replaying reads segments from the disk (in the
cache by then), checks every record, decodes it and lets a lane with one idle actor take it, digests compared. The
references do the same bytes with `struct`, and the same reading without dispatch, in interpreted Python.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter_ns
from typing import Final
from zlib import crc32

from benchmarks.journal_loops import START_NS, Idle, append_messages
from market.instruments import InstrumentTable
from market.messages import FRAME_STREAM, Message, RawFrame, encode
from runtime.actor import RESTART
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.journal.reader import JournalReader
from runtime.journal.records import BATCH_END, RecordBuffer
from runtime.journal.storage import DirectoryStorage
from runtime.journal.writer import JournalWriter
from runtime.lane_core import LaneCore
from runtime.replay_core import Replayer

MESSAGE_BYTES: Final = 400
FRAMES: Final = 1_000
ROUNDS: Final = 50
REFERENCE_ROUNDS: Final = 5
BATCH: Final = 8
_HEAD = struct.Struct("<II")
_FIELDS = struct.Struct("<qqqqB")
_PAYLOAD_FIELDS_BYTES: Final = 33


def seeded_frames(seed: int = 1) -> list[Message]:
    """Frames that each make a message of exactly 400 bytes."""
    random = Random(seed)
    overhead = len(encode(RawFrame(1, FRAME_STREAM, 0, START_NS, b"")))
    return [
        RawFrame(
            random.randrange(1, 8),
            FRAME_STREAM,
            random.randrange(1, 8),
            START_NS + number,
            random.randbytes((MESSAGE_BYTES - overhead) // 2).hex().encode("ascii"),
        )
        for number in range(FRAMES)
    ]


def append() -> tuple[float, int]:
    """Nanoseconds a record; the checksum is that of the first batches."""
    frames = seeded_frames()
    buffer = RecordBuffer(1, 1 << 20)
    start_ns = perf_counter_ns()
    append_messages(buffer, frames, ROUNDS, BATCH)
    taken_ns = perf_counter_ns() - start_ns
    checked = RecordBuffer(1, 1 << 20)
    for sequence, frame in enumerate(frames, start=1):
        checked.append_message(sequence, START_NS + sequence, sequence * 7, sequence, BATCH_END, frame)
    return taken_ns / (FRAMES * ROUNDS), crc32(checked.take())


def append_reference() -> tuple[float, int]:
    """The same records with `struct` and `zlib` in an interpreted loop."""
    frames = seeded_frames()
    checksum = 0
    start_ns = perf_counter_ns()
    for _ in range(REFERENCE_ROUNDS):
        parts: list[bytes] = []
        for sequence, frame in enumerate(frames, start=1):
            payload = _FIELDS.pack(sequence, START_NS + sequence, sequence * 7, sequence, BATCH_END) + encode(frame)
            parts.append(_HEAD.pack(len(payload), crc32(payload)) + payload)
        checksum = crc32(b"".join(parts))
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / (FRAMES * REFERENCE_ROUNDS), checksum


def replay() -> tuple[float, int]:
    """Records a second: read, checked, decoded and dispatched to an idle actor."""
    with tempfile.TemporaryDirectory() as folder:
        storage = _write_journal(Path(folder), ROUNDS)
        replayer = Replayer(_core())
        reader = JournalReader(storage)
        start_ns = perf_counter_ns()
        while reader.refill():
            replayer.scan(reader.scanner)
        replayer.finish()
        taken_ns = perf_counter_ns() - start_ns
    idle = replayer.core.slots[0].actor
    assert isinstance(idle, Idle)
    assert idle.frames == FRAMES * ROUNDS
    return int(replayer.records) * 1e9 / taken_ns, replayer.core.sequence


def replay_reference() -> tuple[float, int]:
    """Records a second: read and checked with `struct` and `zlib` in an interpreted loop, not even decoded."""
    with tempfile.TemporaryDirectory() as folder:
        storage = _write_journal(Path(folder), ROUNDS)
        sequence = 0
        start_ns = perf_counter_ns()
        for name in storage.list():
            data = storage.read(name, 0, storage.size(name))
            position = 16 + int.from_bytes(data[8:12], "little")
            while position < len(data):
                length, checksum = _HEAD.unpack_from(data, position)
                payload = data[position + 8 : position + 8 + length]
                assert crc32(payload) == checksum
                sequence = _FIELDS.unpack_from(payload)[0]
                assert payload[_PAYLOAD_FIELDS_BYTES:]
                position += 8 + length
        taken_ns = perf_counter_ns() - start_ns
    return FRAMES * ROUNDS * 1e9 / taken_ns, sequence


def _write_journal(folder: Path, rounds: int) -> DirectoryStorage:
    """A journal that the core itself wrote, so that digests and counts are those that a replay expects."""
    storage = DirectoryStorage(folder)
    writer = JournalWriter(
        storage, lane="main", schema_fingerprint="", build="", next_sequence=1, clock=perf_counter_ns
    )
    core = _core()
    core.records = writer.buffer
    frames = seeded_frames()
    for number in range(rounds):
        for frame in frames:
            core.take(frame, START_NS + number, True)
        writer.hand_over()
    writer.close_files()
    return storage


def _core() -> LaneCore:
    """A lane with one idle actor."""
    node = Node(
        name="idle",
        node_id=1,
        kind="actor",
        class_=Idle,
        class_path="benchmarks.journal_loops:Idle",
        policy=RESTART,
        lane="main",
        instrument_ids=(),
        params=None,
        takes=Idle.HANDLERS,
        gives=(),
        owns=(),
    )
    return build_core(Blueprint(SystemConfig(), InstrumentTable(), {"one": 1}, (node,), ()), "main")
