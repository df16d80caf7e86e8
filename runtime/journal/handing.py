"""The hand-over of records to the kernel as it is nearly always: one write to the segment that is open. Compiled.

It happens once in each turn of a lane, before anything leaves. Whatever is not usual, the first write of a segment, one
that does not fit any more and a write that fails, is the writer's (`writer.py`). `DescriptorFile` appends to a file of
the system and never overwrites.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from runtime.journal.records import RecordBuffer


def sync_descriptor(descriptor: int) -> None:
    """Flush a file to the medium with the strongest call the system has for it."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


class DescriptorFile:
    """An open file of the operating system."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor

    def write(self, data: bytes) -> None:
        """Append all of it, going on after a short write."""
        written: int = os.write(self._descriptor, data)
        while written < len(data):
            data = data[written:]
            written = os.write(self._descriptor, data)

    def sync(self) -> None:
        """Flush to the medium."""
        sync_descriptor(self._descriptor)

    def truncate(self, length: int) -> None:
        """Cut to `length` bytes."""
        os.ftruncate(self._descriptor, length)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class Handing:
    """Hands over what waits in a buffer, and counts it."""

    def __init__(
        self, buffer: RecordBuffer, segment_bytes: i64, begin_segment: Callable[[bytes], None],
        explain: Callable[[OSError], Exception],
    ) -> None:  # fmt: skip
        self.buffer: Final = buffer
        self.segment_bytes: Final[i64] = segment_bytes
        # What writes a batch where no segment is open, or the open one has no room; what says why a write failed.
        self.begin_segment: Final = begin_segment
        self.explain: Final = explain
        # What appends to the segment that is open; None where there is none, or where nothing may be written any more.
        self.write: Callable[[bytes], None] | None = None
        # Of the segment that is open, and of all since the journal was opened.
        self.length: i64 = 0
        self.bytes: i64 = 0
        self.records: i64 = 0
        self.writes: i64 = 0

    def hand_over(self) -> int:
        """Give everything in memory to the kernel in one write; how many bytes that were."""
        buffer = self.buffer
        size = buffer.pending_bytes()
        write = self.write
        if size == 0 and write is not None:
            return 0
        data = buffer.pending()
        if write is None or self.length + size > self.segment_bytes:
            self.begin_segment(data)
        else:
            try:
                write(data)
            except OSError as error:
                raise self.explain(error) from error
            self.length += size
        if size > 0:
            self.records += buffer.records
            self.bytes += size
            self.writes += 1
            buffer.clear()
        return size
