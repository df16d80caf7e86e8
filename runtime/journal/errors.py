"""What can go wrong with a journal, each with the place and what to do.

Nothing here is ever caught to go on as if nothing had happened: `JournalFull` may be answered by freeing space and
handing over again, everything else ends the lane's run.
"""

from __future__ import annotations


class JournalError(Exception):
    """Something is wrong with a journal or with the directory it lives in."""


class JournalFailed(JournalError):
    """Writing or fsync failed: what is on the disk is no longer known, so this journal takes nothing more."""


class JournalFull(JournalError):
    """The disk is full: what had been handed over is still readable, the rest is still in memory."""


class JournalBufferFull(JournalError):
    """The records in memory reached their bound before they were handed over."""


class RecordTooLarge(JournalError):
    """One record is larger than a journal takes."""


class SequenceBroken(JournalError):
    """A record was appended whose number does not follow the one before it."""


class JournalDamaged(JournalError):
    """The journal is damaged in a place that no crash explains: names segment, offset, what was expected and found."""

    def __init__(self, segment: str, offset: int, expected: str, found: str) -> None:
        super().__init__(
            f"journal damaged in {segment} at byte {offset}: expected {expected}, found {found}. "
            f"Nothing was changed. Restore the file from a copy, or decide by hand where to cut (docs/journal.md)."
        )
        self.segment = segment
        self.offset = offset
        self.expected = expected
        self.found = found


class JournalForeign(JournalError):
    """The journal is intact, but was written by another format, schema or lane than the one that reads it."""


class SnapshotNotPlain(JournalError):
    """An actor's `save()` returned something that would not come back as it was."""


class SnapshotFailed(JournalError):
    """A snapshot could not be kept; the journal and older snapshots are untouched."""


class StateInUse(JournalError):
    """Another process holds the state directory."""
