"""The inner loops of the journal's figures. Compiled, so that what is timed is the journal and not the loop."""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from market.messages import Message, RawFrame
from runtime.actor import Actor, ActorSetup
from runtime.journal.records import BATCH_END, RecordBuffer

START_NS: Final = 1_700_000_000_000_000_000


class Idle(Actor):
    """An actor that takes frames and does nothing but count them."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {RawFrame: "on_frame"}

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.frames: i64 = 0

    def on_frame(self, _frame: RawFrame) -> None:
        """Count it."""
        self.frames += 1


def append_messages(buffer: RecordBuffer, messages: list[Message], rounds: i64, batch: i64) -> i64:
    """Append every message `rounds` times, `batch` records to a write; the bytes that would have been written."""
    sequence = buffer.next_sequence
    written: i64 = 0
    waiting: i64 = 0
    for _ in range(rounds):
        for message in messages:
            buffer.append_message(sequence, START_NS + sequence, sequence * 7, sequence, BATCH_END, message)
            sequence += 1
            waiting += 1
            if waiting == batch:
                written += i64(len(buffer.take()))
                waiting = 0
    return written + i64(len(buffer.take()))
