"""The inner loops of the journal's figures. Compiled, so that what is timed is the journal and not the loop."""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from market.messages import Digest, Message, RawFrame
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


def append_messages(
    buffer: RecordBuffer, digest: Digest, messages: list[Message], rounds: i64, batch: i64
) -> list[bytes]:
    """Append every message `rounds` times, a decision mixed for each; what one write for each `batch` would take."""
    sequence = buffer.next_sequence
    waiting: i64 = 0
    writes: list[bytes] = []
    for _ in range(rounds):
        for message in messages:
            buffer.append_message(sequence, START_NS + sequence, digest.value, digest.count, BATCH_END, message)
            digest.mix(sequence)
            sequence += 1
            waiting += 1
            if waiting == batch:
                writes.append(buffer.take())
                waiting = 0
    return writes
