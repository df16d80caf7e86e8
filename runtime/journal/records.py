"""The records of a journal, built in memory and read back. Compiled.

A record is u32 length, u32 CRC-32 of the payload, payload; the payload is i64 sequence, i64 time_ns, i64 digest,
i64 decision count, i16 flags and the message in its binary form, all little endian. `RecordBuffer` builds records for
one write a batch; `RecordScanner` walks over a chunk and makes no object a record but the bytes it checks and the
message that is asked for. Neither touches a file, and neither ever drops or repairs anything.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from librt.strings import BytesWriter, read_i16_le, read_i64_le, write_i16_le, write_i64_le
from mypy_extensions import i16, i64

from market.messages.base import Message
from market.messages.codec import decode, encode_into
from runtime.journal.errors import JournalBufferFull, RecordTooLarge, SequenceBroken

BATCH_END: Final = 1
CLOSE: Final = 2
URGENT: Final = 4
# The lane that an input came from stands above the single flags, counted from 1; 0 is everything but a lane.
SOURCE_SHIFT: Final = 3
MOST_FLAGS: Final = 0x7FFF
MOST_LANES: Final = 0x0FFF

RECORD_HEADER_BYTES: Final = 8
PAYLOAD_HEADER_BYTES: Final = 34
MAX_RECORD_BYTES: Final = 64 * 1024 * 1024

# What a scanner found when `next` returned False.
CHUNK_END: Final = 0
INCOMPLETE: Final = 1
BAD_LENGTH: Final = 2
BAD_CHECKSUM: Final = 3
BAD_SEQUENCE: Final = 4

LOW_32_BITS: Final = 0xFFFFFFFF


class RecordBuffer:
    """Records in memory, in the order of their numbers, until they are handed over in one write."""

    def __init__(self, next_sequence: i64, limit_bytes: i64) -> None:
        self.next_sequence: i64 = next_sequence
        self.first_sequence: i64 = next_sequence
        self.limit_bytes: i64 = limit_bytes
        self.records: i64 = 0
        self._batch = BytesWriter()
        self._scratch = BytesWriter()

    def append(self, sequence: i64, time_ns: i64, digest: i64, count: i64, flags: i64, message: bytes) -> None:
        """Add a record whose message is given in its binary form."""
        scratch = self._scratch
        self._begin(sequence, time_ns, digest, count, flags)
        scratch.write(message)
        self._finish()

    def append_message(
        self, sequence: i64, time_ns: i64, digest: i64, count: i64, flags: i64, message: Message
    ) -> None:
        """Add a record of this message, encoded straight into the buffer."""
        self._begin(sequence, time_ns, digest, count, flags)
        encode_into(message, self._scratch)
        self._finish()

    def _begin(self, sequence: i64, time_ns: i64, digest: i64, count: i64, flags: i64) -> None:
        if sequence != self.next_sequence:
            raise SequenceBroken(f"record {sequence} was appended where {self.next_sequence} is next")
        if flags < 0 or flags > MOST_FLAGS:
            raise ValueError(f"flags {flags} do not fit two bytes")
        scratch = self._scratch
        # An append that failed half way leaves its bytes here: they go first.
        scratch.truncate(0)
        write_i64_le(scratch, sequence)
        write_i64_le(scratch, time_ns)
        write_i64_le(scratch, digest)
        write_i64_le(scratch, count)
        write_i16_le(scratch, i16(flags))

    def _finish(self) -> None:
        payload = self._scratch.getvalue()
        length: i64 = len(payload)
        batch = self._batch
        if length > MAX_RECORD_BYTES:
            # A buffer that once grew this far would keep the memory.
            self._scratch = BytesWriter()
            raise RecordTooLarge(
                f"record {self.next_sequence} has {length} bytes, a journal takes {MAX_RECORD_BYTES}: "
                f"cut the frame into chunks before it enters the lane"
            )
        if i64(len(batch)) + RECORD_HEADER_BYTES + length > self.limit_bytes:
            raise JournalBufferFull(
                f"record {self.next_sequence} does not fit: {len(batch)} of {self.limit_bytes} bytes wait to be "
                f"handed over. Hand over more often, or raise the journal's buffer_bytes"
            )
        checksum: i64 = crc32(payload)
        if checksum > 0x7FFFFFFF:
            # The upper half of a signed word: the same bits in compiled and interpreted form.
            checksum -= 0x100000000
        write_i64_le(batch, (checksum << 32) | length)
        batch.write(payload)
        self.next_sequence += 1
        self.records += 1

    def pending_bytes(self) -> i64:
        """How many bytes wait to be handed over."""
        return i64(len(self._batch))

    def pending(self) -> bytes:
        """Everything that waits, and it goes on waiting until `clear`."""
        return self._batch.getvalue()

    def clear(self) -> None:
        """Forget what waited: it has been handed over."""
        self._batch.truncate(0)
        self.records = 0
        self.first_sequence = self.next_sequence

    def take(self) -> bytes:
        """Everything that waits, forgotten here at once."""
        data = self._batch.getvalue()
        self.clear()
        return data


class RecordScanner:
    """Walks over records in chunks of bytes, checking length, checksum and number of each."""

    def __init__(self, next_sequence: i64) -> None:
        self.next_sequence: i64 = next_sequence
        self.chunk: bytes = b""
        self.position: i64 = 0
        self.status: i64 = CHUNK_END
        self.wanted_bytes: i64 = 0
        self.sequence: i64 = 0
        self.time_ns: i64 = 0
        self.digest: i64 = 0
        self.count: i64 = 0
        self.flags: i64 = 0
        self.message_start: i64 = 0
        self.message_end: i64 = 0

    def feed(self, chunk: bytes) -> None:
        """Go on with a chunk that begins at the next record."""
        self.chunk = chunk
        self.position = 0
        self.status = CHUNK_END

    def next(self) -> bool:
        """Step to the next record; False when there is no whole, good one here, and `status` says why."""
        chunk = self.chunk
        start = self.position
        left: i64 = i64(len(chunk)) - start
        if left < RECORD_HEADER_BYTES:
            self.status = CHUNK_END if left == 0 else INCOMPLETE
            self.wanted_bytes = RECORD_HEADER_BYTES
            return False
        head = read_i64_le(chunk, start)
        length = head & LOW_32_BITS
        self.wanted_bytes = RECORD_HEADER_BYTES + length
        if length < PAYLOAD_HEADER_BYTES or length > MAX_RECORD_BYTES:
            self.status = BAD_LENGTH
            return False
        if left - RECORD_HEADER_BYTES < length:
            self.status = INCOMPLETE
            return False
        body = start + RECORD_HEADER_BYTES
        end = body + length
        checksum: i64 = crc32(chunk[body:end])
        if checksum != ((head >> 32) & LOW_32_BITS):
            self.status = BAD_CHECKSUM
            return False
        sequence = read_i64_le(chunk, body)
        self.sequence = sequence
        if sequence != self.next_sequence:
            self.status = BAD_SEQUENCE
            return False
        self.time_ns = read_i64_le(chunk, body + 8)
        self.digest = read_i64_le(chunk, body + 16)
        self.count = read_i64_le(chunk, body + 24)
        self.flags = i64(read_i16_le(chunk, body + 32))
        self.message_start = body + PAYLOAD_HEADER_BYTES
        self.message_end = end
        self.position = end
        self.next_sequence = sequence + 1
        return True

    def message(self) -> Message:
        """The message of the record stepped to; a CLOSE record has none."""
        return decode(self.chunk, self.message_start, self.message_end)

    def message_bytes(self) -> bytes:
        """The binary form of the message of the record stepped to."""
        return self.chunk[self.message_start : self.message_end]


def find_record(data: bytes, start: i64, first_sequence: i64) -> i64:
    """Where in `data`, at any byte from `start`, a good record begins that could follow; -1 when there is none.

    Tells a torn tail from damage: after a crash nothing good can follow the first bad byte of a batch.
    """
    size: i64 = len(data)
    smallest: i64 = RECORD_HEADER_BYTES + PAYLOAD_HEADER_BYTES
    highest: i64 = first_sequence + size // smallest + 1
    offset = start
    while offset + smallest <= size:
        sequence = read_i64_le(data, offset + RECORD_HEADER_BYTES)
        if first_sequence <= sequence <= highest:
            head = read_i64_le(data, offset)
            length = head & LOW_32_BITS
            body = offset + RECORD_HEADER_BYTES
            if PAYLOAD_HEADER_BYTES <= length <= size - body:
                checksum: i64 = crc32(data[body : body + length])
                if checksum == ((head >> 32) & LOW_32_BITS):
                    return offset
        offset += 1
    return -1
