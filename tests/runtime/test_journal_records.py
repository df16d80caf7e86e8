"""Records in memory: built, checked and read back, one by one."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.messages import FRAME_STREAM, RawFrame, RunStarted, encode
from runtime.journal.errors import JournalBufferFull, RecordTooLarge, SequenceBroken
from runtime.journal.records import (
    BAD_CHECKSUM,
    BAD_LENGTH,
    BAD_SEQUENCE,
    BATCH_END,
    CHUNK_END,
    INCOMPLETE,
    MAX_RECORD_BYTES,
    URGENT,
    RecordBuffer,
    RecordScanner,
    find_record,
)
from tests.seeds import examples

i64s = st.integers(-(2**63), 2**63 - 1)
LIMIT = 1 << 20


def scanner_over(data: bytes, next_sequence: int = 1) -> RecordScanner:
    """A scanner that stands before the first byte."""
    scanner = RecordScanner(next_sequence)
    scanner.feed(data)
    return scanner


@settings(max_examples=examples(100, 1_000))
@given(st.lists(st.tuples(i64s, i64s, i64s, st.integers(0, 255), st.binary(max_size=200)), max_size=8))
def test_what_was_appended_is_what_is_scanned(drawn: list[tuple[int, int, int, int, bytes]]) -> None:
    """Every field of every record comes back as it was, over the whole range of its type."""
    buffer = RecordBuffer(7, LIMIT)
    for index, (time_ns, digest, count, flags, message) in enumerate(drawn):
        buffer.append(7 + index, time_ns, digest, count, flags, message)
    scanner = scanner_over(buffer.take(), 7)
    for index, expected in enumerate(drawn):
        assert scanner.next()
        assert scanner.sequence == 7 + index
        found = (scanner.time_ns, scanner.digest, scanner.count, scanner.flags, scanner.message_bytes())
        assert found == expected
    assert not scanner.next()
    assert scanner.status == CHUNK_END


def test_a_record_has_the_documented_bytes() -> None:
    """The layout is the one of the docs, built here a second time with other means."""
    buffer = RecordBuffer(1, LIMIT)
    buffer.append(1, 2, -3, 4, BATCH_END | URGENT, b"message")
    payload = struct.pack("<qqqqh", 1, 2, -3, 4, 5) + b"message"
    assert buffer.take() == struct.pack("<II", len(payload), crc32(payload)) + payload


def test_a_message_is_encoded_straight_into_the_record() -> None:
    """Appending a message and appending its binary form give the same bytes, and it decodes to an equal message."""
    frame = RawFrame(3, FRAME_STREAM, 0, 1_700_000_000_000_000_000, b'{"u":1}' * 60)
    direct, by_bytes = RecordBuffer(1, LIMIT), RecordBuffer(1, LIMIT)
    direct.append_message(1, 5, 6, 7, BATCH_END, frame)
    by_bytes.append(1, 5, 6, 7, BATCH_END, encode(frame))
    data = direct.take()
    assert data == by_bytes.take()
    scanner = scanner_over(data)
    assert scanner.next()
    assert scanner.message() == frame


def test_messages_of_all_kinds_share_one_buffer() -> None:
    """The scratch space of one record leaves nothing behind in the next, shorter one."""
    messages = [RawFrame(1, FRAME_STREAM, 0, 1, b"x" * 500), RunStarted(1, 2, "c" * 64, "b")]
    buffer = RecordBuffer(1, LIMIT)
    for sequence in range(1, 21):
        buffer.append_message(sequence, 0, 0, 0, 0, messages[sequence % 2])
    scanner = scanner_over(buffer.take())
    for sequence in range(1, 21):
        assert scanner.next()
        assert scanner.message() == messages[sequence % 2]


@pytest.mark.parametrize("sequence", [0, 1, 3, -1])
def test_a_number_out_of_order_is_refused(sequence: int) -> None:
    """A lane that skips or repeats a number is stopped before the record exists."""
    buffer = RecordBuffer(2, LIMIT)
    with pytest.raises(SequenceBroken, match=f"record {sequence} was appended where 2 is next"):
        buffer.append(sequence, 0, 0, 0, 0, b"m")
    assert buffer.pending() == b""


def test_a_full_buffer_refuses_and_keeps_what_it_has() -> None:
    """The bound of the memory is an error that names the remedy; the records before it are whole."""
    buffer = RecordBuffer(1, 200)
    buffer.append(1, 0, 0, 0, 0, b"a" * 100)
    with pytest.raises(JournalBufferFull, match="buffer_bytes"):
        buffer.append(2, 0, 0, 0, 0, b"b" * 100)
    assert buffer.records == 1
    scanner = scanner_over(buffer.take())
    assert scanner.next()
    assert not scanner.next()
    assert scanner.status == CHUNK_END
    buffer.append(2, 0, 0, 0, 0, b"b" * 100)


def test_a_record_beyond_the_bound_is_refused() -> None:
    """A frame larger than a journal takes is refused where it is appended, not found unreadable later."""
    buffer = RecordBuffer(1, 4 * MAX_RECORD_BYTES)
    with pytest.raises(RecordTooLarge, match="cut the frame"):
        buffer.append(1, 0, 0, 0, 0, bytes(MAX_RECORD_BYTES))
    buffer.append(1, 0, 0, 0, 0, b"small")
    assert buffer.records == 1


@pytest.mark.parametrize("flags", [-1, 32768])
def test_flags_fit_two_bytes(flags: int) -> None:
    """Flags that would be cut off are refused."""
    with pytest.raises(ValueError, match="do not fit two bytes"):
        RecordBuffer(1, LIMIT).append(1, 0, 0, 0, flags, b"")


def test_pending_records_wait_until_they_are_cleared() -> None:
    """Looking at what waits changes nothing, so a failed write can be tried again."""
    buffer = RecordBuffer(1, LIMIT)
    buffer.append(1, 0, 0, 0, 0, b"m")
    assert buffer.pending() == buffer.pending() != b""
    assert buffer.first_sequence == 1
    buffer.clear()
    assert buffer.pending() == b""
    assert buffer.pending_bytes() == 0
    assert buffer.first_sequence == 2


def test_the_trickle() -> None:
    """A chunk that ends at any byte gives the whole records before it, and says that the next is incomplete."""
    buffer = RecordBuffer(1, LIMIT)
    ends = [0]
    for sequence in range(1, 5):
        buffer.append(sequence, 0, 0, 0, 0, b"m" * sequence)
        ends.append(buffer.pending_bytes())
    data = buffer.take()
    for length in range(len(data) + 1):
        scanner = scanner_over(data[:length])
        whole = 0
        while scanner.next():
            whole += 1
        assert ends[whole] <= length
        assert whole == len(ends) - 1 or ends[whole + 1] > length
        assert scanner.position == ends[whole]
        assert scanner.status == (CHUNK_END if length == ends[whole] else INCOMPLETE)


def test_the_scanner_names_what_is_wrong() -> None:
    """Length, checksum and number each have a verdict of their own, and the scanner stays before the bad record."""
    buffer = RecordBuffer(1, LIMIT)
    buffer.append(1, 0, 0, 0, 0, b"message")
    good = buffer.take()
    wrong_length = struct.pack("<I", 5) + good[4:]
    huge_length = struct.pack("<I", MAX_RECORD_BYTES + 1) + good[4:]
    wrong_payload = good[:-1] + b"?"
    cases = [(wrong_length, BAD_LENGTH), (huge_length, BAD_LENGTH), (wrong_payload, BAD_CHECKSUM)]
    for data, status in cases:
        scanner = scanner_over(data)
        assert not scanner.next()
        assert (scanner.status, scanner.position) == (status, 0)
    scanner = scanner_over(good, 2)
    assert not scanner.next()
    assert (scanner.status, scanner.sequence) == (BAD_SEQUENCE, 1)


@settings(max_examples=examples(100, 1_000))
@given(st.binary(max_size=100), st.integers(1, 3), st.binary(max_size=50))
def test_a_good_record_is_found_in_any_rubbish(before: bytes, sequence: int, after: bytes) -> None:
    """The search that tells damage from a torn tail finds a record that could follow, wherever it begins."""
    buffer = RecordBuffer(sequence, LIMIT)
    buffer.append(sequence, 0, 0, 0, 0, b"message")
    data = before + buffer.take() + after
    assert find_record(data, 0, 1) == len(before)
    assert find_record(data, len(before) + 1, 1) == -1
    assert find_record(data, 0, sequence + 1) == -1
