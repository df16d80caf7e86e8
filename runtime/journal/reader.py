"""Reads a lane's journal from end to end, and tells a torn tail from damage.

A crash can only leave the end of the last segment half written: a record that runs past the end of the file or ends
there with a wrong checksum, or zeros the file system had not filled yet. That is a torn tail; it is reported, and cut
by `cut_torn_tail` alone. Everything else that does not check (a good record after a bad one, a missing segment, a
number out of order, a header that does not hold) raises `JournalDamaged` and changes nothing. What the reader gives
is therefore always exactly what was appended, up to a point it names.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from runtime.journal.errors import JournalDamaged, JournalForeign
from runtime.journal.records import (
    BAD_CHECKSUM,
    BAD_LENGTH,
    BAD_SEQUENCE,
    CHUNK_END,
    CLOSE,
    PAYLOAD_HEADER_BYTES,
    RECORD_HEADER_BYTES,
    RecordScanner,
    find_record,
)
from runtime.journal.segments import FRAME_BYTES, MAX_HEADER_BYTES, SegmentHeader, decode_header, first_sequence_of
from runtime.journal.storage import Storage

CHUNK_BYTES = 256 * 1024


@attrs.frozen
class TornTail:
    """The end of the last segment that a crash left unfinished."""

    segment: str
    offset: int
    lost_bytes: int
    last_sequence: int
    reason: str
    whole_segment: bool

    def __str__(self) -> str:
        """The message for the operator."""
        return (
            f"torn tail in {self.segment} at byte {self.offset}: {self.reason}; {self.lost_bytes} bytes are cut, "
            f"the last whole record is {self.last_sequence}"
        )


@attrs.frozen
class JournalEnd:
    """Where a journal ends: what the last whole record says, and whether it was closed in order."""

    next_sequence: int
    time_ns: int
    digest: int
    count: int
    flags: int
    torn: TornTail | None

    @property
    def closed(self) -> bool:
        """True after an orderly end; an empty journal counts as never opened."""
        return bool(self.flags & CLOSE)


@attrs.frozen
class JournalRecord:
    """One record with the place it stands at."""

    sequence: int
    time_ns: int
    digest: int
    count: int
    flags: int
    message: bytes
    segment: str
    offset: int


@attrs.frozen
class _Segment:
    name: str
    first_sequence: int
    size: int


class JournalReader:
    """Feeds a `RecordScanner` with one chunk after the other over all segments.

    The loop is: `while reader.refill(): while scanner.next(): ...`, with `scanner = reader.scanner`. When `refill`
    has returned False, `end` says where the journal ends.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        first_sequence: int = 1,
        lane: str | None = None,
        schema_fingerprint: str | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.headers: list[SegmentHeader] = []
        self.end: JournalEnd | None = None
        self._storage = storage
        self._lane = lane
        self._schema_fingerprint = schema_fingerprint
        self._chunk_bytes = chunk_bytes
        self._first_sequence = first_sequence
        self._segments = self._select()
        self._index = -1
        self._base = 0
        begin = self._segments[0].first_sequence if self._segments else first_sequence
        self.scanner = RecordScanner(begin)
        self._skipping = begin < first_sequence

    def _select(self) -> list[_Segment]:
        """The segments from the one that holds the first wanted record on."""
        found: list[_Segment] = []
        for name in self._storage.list():
            first = first_sequence_of(name)
            if first is not None:
                found.append(_Segment(name, first, self._storage.size(name)))
        starts = [index for index, segment in enumerate(found) if segment.first_sequence <= self._first_sequence]
        if starts:
            return found[starts[-1] :]
        if not found and self._first_sequence == 1:
            return []
        name = found[0].name if found else "(no segment)"
        raise JournalDamaged(
            self._storage.describe(name), 0, f"a segment that holds record {self._first_sequence}", "none that early"
        )

    @property
    def segment(self) -> str:
        """The segment the scanner is in."""
        return self._storage.describe(self._segments[self._index].name) if self._index >= 0 else "(no segment)"

    def offset_of_chunk(self) -> int:
        """Where in its segment the scanner's chunk begins."""
        return self._base

    def refill(self) -> bool:
        """Give the scanner more to walk over; False at the end of the journal, raises where it is damaged."""
        if self.end is not None:
            return False
        while self._advance():
            if not self._skipping:
                return True
            if self._skip():
                self._skipping = False
                return True
        return False

    def _skip(self) -> bool:
        """Pass over the records before the first wanted one; True when it is next."""
        scanner = self.scanner
        while scanner.next_sequence < self._first_sequence:
            if not scanner.next():
                return False
        return True

    def _advance(self) -> bool:
        """Load the next chunk of this segment or open the next segment."""
        if self._index < 0:
            return self._open_next()
        scanner = self.scanner
        segment = self._segments[self._index]
        offset = self._base + scanner.position
        left = segment.size - offset
        if scanner.status in (BAD_LENGTH, BAD_CHECKSUM, BAD_SEQUENCE):
            return self._judge(segment, offset)
        if left == 0:
            return self._open_next()
        wanted = scanner.wanted_bytes
        if scanner.status == CHUNK_END:
            wanted = 0
        if wanted > left:
            return self._judge(segment, offset)
        self._load(segment, offset, max(wanted, self._chunk_bytes))
        return True

    def _load(self, segment: _Segment, offset: int, length: int) -> None:
        length = min(length, segment.size - offset)
        chunk = self._storage.read(segment.name, offset, length)
        if len(chunk) != length:
            raise JournalDamaged(
                self._storage.describe(segment.name),
                offset + len(chunk),
                f"a file of {segment.size} bytes",
                "an earlier end: something else changes this file",
            )
        self._base = offset
        self.scanner.feed(chunk)

    def _open_next(self) -> bool:
        self._index += 1
        if self._index == len(self._segments):
            self._index -= 1
            return self._finish(None)
        segment = self._segments[self._index]
        name = self._storage.describe(segment.name)
        expected = self.scanner.next_sequence
        if segment.first_sequence != expected:
            raise JournalDamaged(
                name, 0, f"the segment of record {expected}", f"the segment of record {segment.first_sequence}"
            )
        last = self._index == len(self._segments) - 1
        data = self._storage.read(segment.name, 0, MAX_HEADER_BYTES)
        try:
            header, length = decode_header(name, data)
        except JournalDamaged:
            if last and self._header_is_torn(segment, data):
                return self._finish(self._torn_segment(segment, "the segment ends within its header"))
            raise
        if header.first_sequence != segment.first_sequence:
            raise JournalDamaged(
                name, 0, f"first record {segment.first_sequence} in the header", f"{header.first_sequence}"
            )
        self._check_origin(name, header)
        if last and segment.size == length:
            return self._finish(self._torn_segment(segment, "the segment ends before its first record"))
        self.headers.append(header)
        self._load(segment, length, self._chunk_bytes)
        return True

    def _header_is_torn(self, segment: _Segment, data: bytes) -> bool:
        """A crash leaves a bad header missing, short or unfilled to the end of the file; anything else is damage."""
        if segment.size < FRAME_BYTES:
            return True
        end = FRAME_BYTES + int.from_bytes(data[8:12], "little")
        if end > MAX_HEADER_BYTES:
            return False
        if segment.size < end:
            # A flipped length would look the same, but then the records are still there.
            return find_record(data, FRAME_BYTES, self.scanner.next_sequence) < 0
        rest = self._storage.read(segment.name, end - 1, segment.size)
        return not rest.strip(b"\0")

    def _torn_segment(self, segment: _Segment, reason: str) -> TornTail:
        name = self._storage.describe(segment.name)
        return TornTail(name, 0, segment.size, self.scanner.next_sequence - 1, reason, True)

    def _check_origin(self, name: str, header: SegmentHeader) -> None:
        if self._lane is not None and header.lane != self._lane:
            raise JournalForeign(
                f"{name} belongs to lane {header.lane!r}, not to {self._lane!r}: give each lane its own directory"
            )
        if self._schema_fingerprint is not None and header.schema_fingerprint != self._schema_fingerprint:
            raise JournalForeign(
                f"{name} was written by build {header.build} with message schema {header.schema_fingerprint}, this "
                f"build has {self._schema_fingerprint}: read it with that build, or begin a new state directory"
            )

    def _judge(self, segment: _Segment, offset: int) -> bool:
        """Decide about a record that is not whole and good: torn tail, or damage."""
        scanner = self.scanner
        name = self._storage.describe(segment.name)
        expected = scanner.next_sequence
        if scanner.status == BAD_SEQUENCE:
            raise JournalDamaged(name, offset, f"record {expected}", f"record {scanner.sequence}")
        left = segment.size - offset
        claim = scanner.wanted_bytes
        found = _describe_bad(scanner.status, claim, left)
        if self._index < len(self._segments) - 1:
            raise JournalDamaged(name, offset, f"whole record {expected}, for more segments follow", found)
        tail = self._storage.read(segment.name, offset, left)
        following = find_record(tail, 1, expected)
        if following >= 0:
            raise JournalDamaged(
                name, offset, f"whole record {expected}", f"{found}, with a good record at byte {offset + following}"
            )
        if left > claim and tail[claim:].strip(b"\0"):
            raise JournalDamaged(name, offset, f"whole record {expected}", f"{found}, with more data after it")
        reason = "only zeros from here on" if not tail.strip(b"\0") else found
        whole = expected == segment.first_sequence
        if whole:
            return self._finish(self._torn_segment(segment, reason))
        return self._finish(TornTail(name, offset, left, expected - 1, reason, False))

    def _finish(self, torn: TornTail | None) -> bool:
        scanner = self.scanner
        next_sequence = scanner.next_sequence
        self._index = max(0, self._index)
        if next_sequence < self._first_sequence:
            raise JournalDamaged(
                self.segment, self._base, f"record {self._first_sequence - 1}", f"the end after {next_sequence - 1}"
            )
        self.end = JournalEnd(next_sequence, scanner.time_ns, scanner.digest, scanner.count, scanner.flags, torn)
        return False

    def cut_torn_tail(self) -> TornTail | None:
        """Cut what a crash left unfinished, and make the rest last, so that the journal can go on; what was cut.

        A killed process leaves records that the kernel has and the medium has not. They must be there before anything
        that follows from them is: otherwise a loss of power would tear a segment that is no longer the last.
        """
        if self.end is None:
            raise RuntimeError("the journal must be read to its end before its tail is cut")
        torn = self.end.torn
        kept = self._segments
        if torn is not None:
            last = kept[-1]
            if torn.whole_segment:
                self._storage.remove(last.name)
                kept = kept[:-1]
            else:
                self._storage.truncate(last.name, torn.offset)
            self.end = attrs.evolve(self.end, torn=None)
        for segment in kept:
            self._storage.sync(segment.name)
        self._storage.sync_directory()
        return torn


def _describe_bad(status: int, claim: int, left: int) -> str:
    if status == BAD_CHECKSUM:
        return f"a wrong checksum over {claim} bytes"
    if status == BAD_LENGTH:
        return f"an impossible length of {claim - RECORD_HEADER_BYTES} bytes"
    if left < RECORD_HEADER_BYTES:
        return f"{left} bytes, less than the head of a record"
    return f"{left} of the {claim} bytes of a record"


def read_records(reader: JournalReader) -> Iterator[JournalRecord]:
    """All records as objects, for tools and tests; a replay walks the scanner itself."""
    scanner = reader.scanner
    while reader.refill():
        while scanner.next():
            yield JournalRecord(
                sequence=scanner.sequence,
                time_ns=scanner.time_ns,
                digest=scanner.digest,
                count=scanner.count,
                flags=scanner.flags,
                message=scanner.message_bytes(),
                segment=reader.segment,
                offset=reader.offset_of_chunk() + scanner.message_start - PAYLOAD_HEADER_BYTES - RECORD_HEADER_BYTES,
            )


def find_end(storage: Storage, *, first_sequence: int = 1, repair: bool = False) -> JournalEnd:
    """Check a whole journal and say where it ends; with `repair` a torn tail is cut, and `torn` tells what was."""
    reader = JournalReader(storage, first_sequence=first_sequence)
    while reader.refill():
        while reader.scanner.next():
            pass
    assert reader.end is not None
    end = reader.end
    if repair:
        reader.cut_torn_tail()
    return end


def last_sequence(storage: Storage) -> int:
    """The number of the last whole record, 0 without any; reads the last segment only, to choose a snapshot by."""
    firsts = [first for first in map(first_sequence_of, storage.list()) if first is not None]
    return find_end(storage, first_sequence=max(firsts, default=1)).next_sequence - 1
