"""Feeds a lane's core its recorded inputs again, and checks at each that it decides what it decided then.

Every record carries the digest of all decisions before it, so the first input that goes another way is named. The
failures that were recorded are repeated at the very call where they happened, whatever their cause was; a failure
that was not recorded is a divergence, unless it belongs to the last record: then the process died before it could
write it down, and it is handed back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from market.messages import ActorFailed, Message
from runtime.journal.records import BATCH_END, CLOSE, RecordScanner
from runtime.lane_core import LaneCore
from runtime.lane_parts import ORIGIN_SHIFT, Failure, ReplayDiverged, describe


class HeldRecord:
    """One record, held back until it is known which failures followed it."""

    def __init__(self, sequence: i64, time_ns: i64, digest: i64, count: i64, flags: i64, message: Message) -> None:
        self.sequence: Final = sequence
        self.time_ns: Final = time_ns
        self.digest: Final = digest
        self.count: Final = count
        self.flags: Final = flags
        self.message: Final = message


class Replayer:
    """Replays records into one core. Feed it whole journals in order, then call `finish`."""

    def __init__(self, core: LaneCore, last_sequence: i64 = -1) -> None:
        core.replaying = True
        self.core: Final = core
        # Records after this one are left alone; -1 replays all.
        self.last_sequence: Final = last_sequence
        self.records: i64 = 0
        self.held: HeldRecord | None = None
        self.failed: list[HeldRecord] = []
        self.done: bool = False
        # Told of each input after it was taken, with its number and time: for who reads what a replay makes again.
        self.on_taken: Callable[[Message, int, int], None] | None = None

    def scan(self, scanner: RecordScanner) -> None:
        """Replay every record that the scanner has at hand."""
        core = self.core
        while not self.done and scanner.next():
            sequence = scanner.sequence
            if self.last_sequence >= 0 and sequence > self.last_sequence:
                self.done = True
                return
            self.records += 1
            if scanner.flags & CLOSE != 0:
                self.flush()
                self.check(sequence, scanner.digest, scanner.count)
                core.sequence = sequence
                continue
            message = scanner.message()
            record = HeldRecord(
                sequence, scanner.time_ns, scanner.digest, scanner.count, scanner.flags, message
            )
            if self.held is not None and isinstance(message, ActorFailed) and message.actor_id in core.slot_of:
                self.failed.append(record)
                continue
            self.flush()
            self.held = record

    def flush(self) -> None:
        """Replay the record that was held back, and the failures that it led to."""
        held = self.held
        if held is None:
            return
        self.held = None
        if len(self.failed) == 0:
            self.apply(held)
            self.settle(0)
            return
        failed = self.failed
        self.failed = []
        self.core.forced = failures_of(failed)
        self.apply(held)
        matched = self.settle(len(failed))
        for record in failed:
            self.apply(record)
            matched += self.settle(len(failed))
        self.core.forced = []
        if matched != len(failed):
            raise ReplayDiverged(
                f"after input {held.sequence} the journal tells of {len(failed)} failures, the replay saw {matched}"
            )

    def apply(self, record: HeldRecord) -> None:
        """Let the core take one record, after a look at what it had decided before."""
        self.stop_on_unrecorded()
        self.check(record.sequence, record.digest, record.count)
        core = self.core
        core.take(record.message, record.time_ns, record.flags & BATCH_END != 0, record.flags >> ORIGIN_SHIFT)
        if self.on_taken is not None:
            self.on_taken(record.message, record.sequence, record.time_ns)
        for port in core.ports:
            port.trim()

    def check(self, sequence: i64, digest: i64, count: i64) -> None:
        """Compare the decisions so far with those that were recorded."""
        core = self.core
        if core.sequence + 1 != sequence:
            raise ReplayDiverged(f"input {sequence} follows input {core.sequence}")
        if core.digest.value != digest or core.digest.count != count:
            raise ReplayDiverged(
                f"the decisions after input {sequence - 1} are others than recorded: {core.digest.count} with digest "
                f"{core.digest.value}, recorded were {count} with digest {digest}"
            )

    def settle(self, recorded: i64) -> i64:
        """Count the failures of one input; without any on record they stay, for `apply` or `finish` to find."""
        reported = self.core.reported
        if len(reported) == 0 or recorded == 0:
            return 0
        count: i64 = len(reported)
        reported.clear()
        return count

    def finish(self) -> list[Failure]:
        """Replay the last record; gives the failures that the process had no time to record."""
        core = self.core
        self.flush()
        unrecorded = list(core.reported)
        core.reported.clear()
        core.replaying = False
        return unrecorded

    def stop_on_unrecorded(self) -> None:
        """A failure that is not on record, with more records behind it, is a divergence."""
        reported = self.core.reported
        if len(reported) > 0:
            failure = reported[0]
            raise ReplayDiverged(
                f"{failure.slot.name} failed in the replay of input {failure.input_sequence} and had not failed then: "
                f"{describe(failure.error)}"
            )


def failures_of(records: list[HeldRecord]) -> list[ActorFailed]:
    """The failures in a row of records."""
    failures: list[ActorFailed] = []
    for record in records:
        message = record.message
        if isinstance(message, ActorFailed):
            failures.append(message)
    return failures
