"""Journals for the tests: records drawn from a seed, written to any storage, and read back as plain tuples."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import trio

from runtime.journal.reader import JournalEnd, JournalReader, read_records
from runtime.journal.records import BATCH_END
from runtime.journal.storage import Storage
from runtime.journal.writer import JournalWriter

T = TypeVar("T")
Record = tuple[int, int, int, int, int, bytes]


class Ticks:
    """A clock that goes one microsecond further each time it is asked."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        """The time."""
        self.now_ns += 1_000
        return self.now_ns


def draw_records(seed: int, count: int, *, first_sequence: int = 1, message_bytes: int = 60) -> list[Record]:
    """Records with messages of all lengths up to the bound."""
    draw = random.Random(seed)
    records: list[Record] = []
    time_ns = 1_700_000_000_000_000_000
    for sequence in range(first_sequence, first_sequence + count):
        time_ns += draw.randrange(1_000_000)
        message = draw.randbytes(draw.randrange(1, message_bytes))
        digest = draw.randrange(-(2**63), 2**63)
        records.append((sequence, time_ns, digest, draw.randrange(1000), BATCH_END, message))
    return records


def make_writer(
    storage: Storage,
    *,
    next_sequence: int = 1,
    segment_bytes: int = 64 * 1024 * 1024,
    buffer_bytes: int = 1024 * 1024,
    schema_fingerprint: str = "schema-1",
) -> JournalWriter:
    """A writer of the lane `main`."""
    return JournalWriter(
        storage,
        lane="main",
        schema_fingerprint=schema_fingerprint,
        build="build-1",
        next_sequence=next_sequence,
        clock=Ticks(),
        segment_bytes=segment_bytes,
        buffer_bytes=buffer_bytes,
    )


def write_all(writer: JournalWriter, records: list[Record], *, batch: int = 3) -> None:
    """Append all records and hand them over in batches of this many."""
    for begin in range(0, len(records), batch):
        for record in records[begin : begin + batch]:
            writer.append(*record)
        writer.hand_over()


def read_all(storage: Storage, *, first_sequence: int = 1, chunk_bytes: int = 4096) -> tuple[list[Record], JournalEnd]:
    """All records from this one on, and where the journal ends."""
    reader = JournalReader(storage, first_sequence=first_sequence, chunk_bytes=chunk_bytes)
    records = [
        (record.sequence, record.time_ns, record.digest, record.count, record.flags, record.message)
        for record in read_records(reader)
    ]
    assert reader.end is not None
    return records, reader.end


async def run_here(function: Callable[[], T], /) -> T:
    """Runs blocking work in place, after letting the others run."""
    await trio.lowlevel.checkpoint()
    return function()
