"""The inner loops of the journal's figures. Compiled, so that what is timed is the journal and not the loop."""

from __future__ import annotations

from mypy_extensions import i64

from market.messages.base import Message
from runtime.journal.records import BATCH_END, RecordBuffer, RecordScanner


def append_messages(buffer: RecordBuffer, messages: list[Message], first_sequence: i64, count: i64, batch: i64) -> i64:
    """Append `count` records, `batch` of them for each write; the bytes that would have been written."""
    sequence = first_sequence
    written: i64 = 0
    waiting: i64 = 0
    index: i64 = 0
    distinct: i64 = len(messages)
    for step in range(count):
        buffer.append_message(sequence, 1_700_000_000_000_000_000 + step, step, step, BATCH_END, messages[index])
        sequence += 1
        waiting += 1
        index += 1
        if index == distinct:
            index = 0
        if waiting == batch:
            written += i64(len(buffer.take()))
            waiting = 0
    return written + i64(len(buffer.take()))


def scan_messages(scanner: RecordScanner) -> i64:
    """Check every record of the scanner's chunk and decode its message; a sum over them, for comparison."""
    total: i64 = 0
    while scanner.next():
        message = scanner.message()
        total += scanner.sequence + message.schema_id
    return total
