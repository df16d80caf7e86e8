"""What it costs to append a record to the journal, and how fast a journal is replayed.

The records hold seeded frames whose binary form has 400 bytes. Appending includes encoding, checksum, one decision
mixed into the digest, and the copy that one write a batch takes; the write itself is the kernel's. The reference makes
the same bytes with `struct`, interpreted. Replaying reads segments from the disk (in the cache by then), checks every
record, decodes it and lets a lane with one idle actor take it, digests compared, as a recovery does it.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter_ns
from typing import Final
from zlib import crc32

from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.journal_loops import START_NS, Idle, append_messages
from benchmarks.lanes import lane_of
from market.messages import FRAME_STREAM, Digest, Message, RawFrame, encode
from runtime.journal.reader import JournalReader
from runtime.journal.records import BATCH_END, RecordBuffer
from runtime.journal.storage import DirectoryStorage
from runtime.journal.writer import JournalWriter
from runtime.replay_core import Replayer

MESSAGE_BYTES: Final = 400
FRAMES: Final = 1_000
ROUNDS: Final = 20
BATCH: Final = 8
_HEAD = struct.Struct("<II")
_FIELDS = struct.Struct("<qqqqh")


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


def append() -> Sample:
    """Nanoseconds a record; the checksum is of every byte that was to be written."""
    frames = seeded_frames()
    buffer = RecordBuffer(1, 1 << 20)
    digest = Digest()
    start_ns = perf_counter_ns()
    writes = append_messages(buffer, digest, frames, ROUNDS, BATCH)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / (FRAMES * ROUNDS), _checksum(writes)


def append_reference() -> Sample:
    """The same records with `struct` and `zlib` in an interpreted loop; message and digest make their own bytes."""
    frames = seeded_frames()
    digest = Digest()
    sequence = 0
    writes: list[bytes] = []
    parts: list[bytes] = []
    start_ns = perf_counter_ns()
    for _ in range(ROUNDS):
        for frame in frames:
            sequence += 1
            head = _FIELDS.pack(sequence, START_NS + sequence, digest.value, digest.count, BATCH_END)
            payload = head + encode(frame)
            digest.mix(sequence)
            parts.append(_HEAD.pack(len(payload), crc32(payload)) + payload)
            if len(parts) == BATCH:
                writes.append(b"".join(parts))
                parts.clear()
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / (FRAMES * ROUNDS), _checksum(writes)


def _checksum(writes: list[bytes]) -> int:
    checksum = 0
    for write in writes:
        checksum = crc32(write, checksum)
    return checksum


def replay() -> Sample:
    """Records a second: read, checked, decoded and dispatched to an idle actor."""
    with tempfile.TemporaryDirectory() as folder:
        storage = _write_journal(Path(folder), ROUNDS)
        replayer = Replayer(lane_of(Idle))
        reader = JournalReader(storage)
        start_ns = perf_counter_ns()
        while reader.refill():
            replayer.scan(reader.scanner)
        replayer.finish()
        taken_ns = perf_counter_ns() - start_ns
    idle = replayer.core.slots[0].actor
    assert isinstance(idle, Idle)
    return int(replayer.records) * 1e9 / taken_ns, int(idle.frames)


def _write_journal(folder: Path, rounds: int) -> DirectoryStorage:
    """A journal that the core itself wrote, so that digests and counts are those that a replay expects."""
    storage = DirectoryStorage(folder)
    writer = JournalWriter(
        storage, lane="main", schema_fingerprint="", build="", next_sequence=1, clock=perf_counter_ns
    )
    core = lane_of(Idle)
    core.records = writer.buffer
    frames = seeded_frames()
    for number in range(rounds):
        for frame in frames:
            core.take(frame, START_NS + number, True)
        writer.hand_over()
    writer.close_files()
    return storage


@figure(name="journal.append_ns", unit="ns", limit=500)
def journal_append(run: Run) -> Measured:
    """One record of 400 bytes with its checksum and the digest."""
    return run.measure(append, "struct and zlib in Python", append_reference)


@figure(name="journal.replay_records_per_second", unit="records/s", limit=1_000_000, at_least=True)
def journal_replay(run: Run) -> Measured:
    """Records read, checked, decoded and dispatched to an idle actor."""
    return run.measure(replay)
