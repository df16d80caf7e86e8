"""Hands a lane's records to the kernel: one write a batch, segments cut by size.

When `hand_over` returns, everything appended before it survives the death of this process; to survive a loss of power
it must be made durable as well (`durability.py`). A full disk leaves what had been handed over readable and the rest
in memory; any other failure makes the writer refuse everything from then on. It never retries, never overwrites and
never waits for the medium.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable

import attrs

from market.messages.base import Message
from runtime.journal.errors import JournalFailed, JournalFull
from runtime.journal.handing import Handing
from runtime.journal.records import BATCH_END, CLOSE, RecordBuffer
from runtime.journal.segments import SegmentHeader, encode_header, first_sequence_of, segment_name
from runtime.journal.storage import SegmentFile, Storage

SEGMENT_BYTES = 64 * 1024 * 1024
BUFFER_BYTES = 128 * 1024 * 1024
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@attrs.frozen
class JournalStatistics:
    """What a journal has done since it was opened."""

    records: int
    bytes: int
    writes: int
    segments: int
    pending_bytes: int
    unsynced_bytes: int
    fsyncs: int
    fsync_ns_max: int
    fsync_ns_total: int


@attrs.frozen
class SyncWork:
    """What must be flushed so that all bytes up to `mark` last; done in a thread, once, then reported back."""

    mark: int
    files: tuple[SegmentFile, ...]
    finished: tuple[SegmentFile, ...]
    directory: Storage | None

    def run(self, clock: Callable[[], int]) -> tuple[int, ...]:
        """Flush each file and then the directory; gives the time each file took."""
        times: list[int] = []
        for file in self.files:
            began_ns = clock()
            file.sync()
            times.append(clock() - began_ns)
        # The entry comes last: a name that lasts with nothing behind it would read as a torn segment.
        if self.directory is not None:
            self.directory.sync_directory()
        for file in self.finished:
            file.close()
        return tuple(times)


class JournalWriter:
    """The one writer of a lane's journal."""

    def __init__(
        self,
        storage: Storage,
        *,
        lane: str,
        schema_fingerprint: str,
        build: str,
        next_sequence: int,
        clock: Callable[[], int],
        segment_bytes: int = SEGMENT_BYTES,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self.buffer = RecordBuffer(next_sequence, buffer_bytes)
        self.clock = clock
        self._storage = storage
        self._lane = lane
        self._schema_fingerprint = schema_fingerprint
        self._build = build
        self._failure: JournalFailed | None = None
        self._name = ""
        self._file: SegmentFile | None = None
        self._handing = Handing(self.buffer, segment_bytes, self._begin_segment, self._explain_write)
        # Gives everything in memory to the kernel in one write; how many bytes that were.
        self.hand_over: Callable[[], int] = self._handing.hand_over
        self._finished: list[SegmentFile] = []
        self._new_entries = False
        self._segments = 0
        self._durable_bytes = 0
        self._fsyncs = 0
        self._fsync_ns_max = 0
        self._fsync_ns_total = 0

    @property
    def next_sequence(self) -> int:
        """The number the next record must have."""
        return int(self.buffer.next_sequence)

    @property
    def handed_over_bytes(self) -> int:
        """All record bytes the kernel has taken since the writer was opened."""
        return int(self._handing.bytes)

    @property
    def unsynced_bytes(self) -> int:
        """How many of them a loss of power could still take."""
        return self.handed_over_bytes - self._durable_bytes

    def append(self, sequence: int, time_ns: int, digest: int, count: int, flags: int, message: bytes) -> None:
        """Add a record to memory, its message in binary form."""
        self.buffer.append(sequence, time_ns, digest, count, flags, message)

    def append_message(
        self, sequence: int, time_ns: int, digest: int, count: int, flags: int, message: Message
    ) -> None:
        """Add a record to memory; a compiled lane calls `buffer.append_message` itself."""
        self.buffer.append_message(sequence, time_ns, digest, count, flags, message)

    def append_close(self, time_ns: int, digest: int, count: int) -> None:
        """Add the record of an orderly end, which takes a number of its own and has no message."""
        self.buffer.append(self.next_sequence, time_ns, digest, count, CLOSE | BATCH_END, b"")

    def _begin_segment(self, data: bytes) -> None:
        """Header and first batch go in one write, so that only a crash leaves a segment without records."""
        if self._failure is not None:
            raise self._failure
        if not data:
            return
        if self._file is not None:
            self._finished.append(self._file)
            self._file = self._handing.write = None
        first_sequence = int(self.buffer.first_sequence)
        self._name = name = segment_name(first_sequence)
        header = encode_header(
            SegmentHeader(self._lane, self._schema_fingerprint, self._build, first_sequence, self.clock())
        )
        try:
            file = self._storage.create(name)
        except OSError as error:
            raise self._explain(error, f"could not create {self._storage.describe(name)}") from error
        try:
            file.write(header + data)
        except OSError as error:
            failure = self._explain(error, f"could not write to {self._storage.describe(name)}")
            if isinstance(failure, JournalFull):
                # The empty file must not stand in the way of the next attempt.
                self._discard(file)
            raise failure from error
        self._file = file
        self._handing.write = file.write
        self._handing.length = len(header) + len(data)
        self._segments += 1
        self._new_entries = True

    def _explain_write(self, error: OSError) -> JournalFailed | JournalFull:
        """Why a write to the open segment failed; on a full disk that segment ends with a whole record again."""
        failure = self._explain(error, f"could not write to {self._storage.describe(self._name)}")
        if isinstance(failure, JournalFull) and self._file is not None:
            self._cut_back(self._file, failure)
        return failure

    def _cut_back(self, file: SegmentFile, cause: JournalFull) -> None:
        """Take back the part of a batch that still fitted, so that the file ends with a whole record."""
        try:
            file.truncate(int(self._handing.length))
        except OSError as error:
            raise self._explain(error, f"{cause}; and the half-written batch could not be taken back", True) from error

    def _discard(self, file: SegmentFile) -> None:
        try:
            file.close()
            self._storage.remove(self._name)
        except OSError as error:
            name = self._storage.describe(self._name)
            raise self._explain(error, f"could not remove the unused {name}", True) from error

    def _explain(self, error: OSError, what: str, fatal: bool = False) -> JournalFailed | JournalFull:
        if error.errno in _DISK_FULL and not fatal:
            return JournalFull(
                f"{what}: {error.strerror}. {self.buffer.records} records ({self.buffer.pending_bytes()} bytes) wait "
                f"in memory, everything before is readable. Free space on that disk, or move old segments away, "
                f"then hand over again"
            )
        return self.fail(f"{what}: {error.strerror or error}")

    def fail(self, what: str) -> JournalFailed:
        """Refuse everything from now on; the error to raise."""
        self._handing.write = None
        if self._failure is None:
            self._failure = JournalFailed(
                f"journal of lane {self._lane}: {what}. Nothing more is written, because what the disk holds is no "
                f"longer certain. Check the disk, then start again from this state directory"
            )
        return self._failure

    @property
    def failure(self) -> JournalFailed | None:
        """Why this writer refuses everything, if it does."""
        return self._failure

    def sync_work(self) -> SyncWork:
        """What has to be flushed for everything handed over so far; at most one such work may be under way."""
        current = () if self._file is None else (self._file,)
        finished = tuple(self._finished)
        directory = self._storage if self._new_entries else None
        work = SyncWork(self.handed_over_bytes, finished + current, finished, directory)
        self._finished.clear()
        self._new_entries = False
        return work

    def finished_work(self) -> SyncWork:
        """The same for the segments that are complete, whose number alone does not make everything durable."""
        finished = tuple(self._finished)
        work = SyncWork(
            self._durable_bytes, finished, finished, self._storage if finished and self._new_entries else None
        )
        self._finished.clear()
        if finished:
            self._new_entries = False
        return work

    def synced(self, work: SyncWork, times_ns: tuple[int, ...]) -> None:
        """Take note that the work has been done."""
        self._durable_bytes = max(self._durable_bytes, work.mark)
        self._fsyncs += len(times_ns)
        self._fsync_ns_total += sum(times_ns)
        self._fsync_ns_max = max(self._fsync_ns_max, *times_ns) if times_ns else self._fsync_ns_max

    def close_files(self) -> None:
        """Give the files back without flushing them."""
        for file in self._finished:
            file.close()
        self._finished.clear()
        if self._file is not None:
            self._file.close()
            self._file = self._handing.write = None

    def statistics(self) -> JournalStatistics:
        """What has been written and flushed so far."""
        return JournalStatistics(
            records=int(self._handing.records),
            bytes=self.handed_over_bytes,
            writes=int(self._handing.writes),
            segments=self._segments,
            pending_bytes=int(self.buffer.pending_bytes()),
            unsynced_bytes=self.unsynced_bytes,
            fsyncs=self._fsyncs,
            fsync_ns_max=self._fsync_ns_max,
            fsync_ns_total=self._fsync_ns_total,
        )


def segments_before(storage: Storage, before_sequence: int) -> list[str]:
    """The segments all of whose records come before this number; never the last one."""
    names = [name for name in storage.list() if first_sequence_of(name) is not None]
    found: list[str] = []
    for name, following in itertools.pairwise(names):
        next_first = first_sequence_of(following)
        if next_first is None or next_first > before_sequence:
            break
        found.append(name)
    return found
