"""Damages recorded frames on purpose and sees what the venue's rule notices, beside the same frames undamaged.

Two verifications run over one recording: one takes it as it is, the other what fault injection leaves of it. A book
that the second one has lost is begun anew as the first one has it, as a snapshot would. A damaged book that is live
counts as wrong in silence when it differs from the true one, at the same update id, after two changes in a row: some
rules see a damage with the message after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, Protocol

import attrs

from market.dialect import Router
from market.messages import FRAME_STREAM, ConnectionUp, FaultInjected, Message, RawFrame
from venues.facts import Venue
from venues.recording_survey import Survey
from venues.recordings import CONNECT, END, FRAME, Record
from venues.verification import Kept, Top, Verification
from venues.verified import MOST_SAMPLES, Report, Sample

# So many changes in a row may differ from the truth before nobody will notice any more.
MOST_DIFFERENT: Final = 1


class FrameFaults(Protocol):
    """What damages frames: `runtime.feed_faults.FeedFaults`, or a test's own."""

    disconnects: bool

    def apply(self, messages: Sequence[Message], now_ns: int) -> list[Message]:
        """What comes instead of these messages."""


@attrs.define
class FaultReport:
    """What was done to the frames, and what became of it."""

    injected: Counter[str] = attrs.field(factory=Counter)
    detected: Counter[str] = attrs.field(factory=Counter)
    silent: int = 0
    # The first level from the touch that differed, each time; 1 is the touch.
    silent_levels: Counter[int] = attrs.field(factory=Counter)
    samples: list[Sample] = attrs.field(factory=list)


class DamagedVerification(Verification):
    """The verification of what fault injection leaves; `truth` takes the frames as they are."""

    def __init__(
        self,
        venue: Venue,
        found: Survey,
        files: Collection[Path],
        faults: FrameFaults,
        only: Collection[str] = (),
    ) -> None:
        super().__init__(venue, found, files, only)
        self.truth: Final = Verification(venue, found, files, only)
        self.faults: FrameFaults = faults
        self.told: Final = FaultReport()
        self._numbers: Final[dict[str, int]] = {}
        # Books that were changed by the present record, and those that may differ, with how often they did in a row.
        self._changed: list[Kept] = []
        self._different: Final[dict[int, int]] = {}

    def take(self, path: Path, record: Record) -> None:
        """Take one record, damaged and undamaged, and compare what became of it."""
        self.truth.take(path, record)
        self._changed = []
        number = self._numbers.setdefault(record.connection, len(self._numbers) + 1)
        if record.kind == FRAME:
            frame = RawFrame(number, FRAME_STREAM, 0, record.receive_ns, record.data)
            self._take_all(path, record, self.faults.apply([frame], record.receive_ns))
            if self.faults.disconnects:
                self.begin(record.connection)
        else:
            if record.kind in (CONNECT, END):
                self.faults.apply([ConnectionUp(number, 0)], record.receive_ns)
            super().take(path, record)
        self._compare(record.connection)

    def _take_all(self, path: Path, record: Record, messages: Sequence[Message]) -> None:
        connections = {number: name for name, number in self._numbers.items()}
        for message in messages:
            if isinstance(message, FaultInjected):
                self.told.injected[message.kind] += 1
            elif isinstance(message, RawFrame):
                connection = connections[message.connection_id]
                super().take(path, Record(record.line, record.receive_ns, connection, FRAME, message.data))

    def shown(self, kept: Kept) -> None:
        """A book was changed: it is to be compared once the record is done, unless it shows itself that it is wrong."""
        crossed = kept.report.crossed
        super().shown(kept)
        if kept.report.crossed > crossed:
            self.lose(kept)
        self._changed.append(kept)

    def compare(self, kept: Kept, told: Top, top: Top) -> None:
        """A book that disagrees with the best bid and ask is lost."""
        disagreed = kept.report.top_disagreed
        super().compare(kept, told, top)
        if kept.report.top_disagreed > disagreed and not kept.report.is_partial:
            self.lose(kept)

    # ---- beside the truth

    def _compare(self, connection: str) -> None:
        # Once for each book, however many frames came with the present one.
        for kept in {id(kept): kept for kept in self._changed}.values():
            if kept.decoder.live:
                self._compare_book(kept, self._true(kept))
        self._restore(connection)

    def _compare_book(self, kept: Kept, true: Kept) -> None:
        damaged, right = kept.decoder, true.decoder
        if not right.live or damaged.update_id != right.update_id:
            # One of them is ahead: the comparison waits for a common update.
            return
        if damaged.book.save() == right.book.save():
            self._different.pop(id(kept), None)
            return
        times = self._different.get(id(kept), 0) + 1
        self._different[id(kept)] = times
        if times > MOST_DIFFERENT:
            self._note_silent(kept, _first_difference(damaged.book.save(), right.book.save()))
            self.lose(kept)

    def _note_silent(self, kept: Kept, level: int) -> None:
        self.told.silent += 1
        self.told.silent_levels[level] += 1
        if len(self.told.samples) < MOST_SAMPLES:
            reason = f"{kept.report.symbol} differs from the true book from level {level} on, and nothing says so"
            self.told.samples.append(Sample("silent", reason, self.place))

    def _restore(self, connection: str) -> None:
        """What was lost is begun anew as the truth has it."""
        books = self.of_connection(connection)
        lost = [kept for kept in books if self._true(kept).decoder.live and not kept.decoder.live]
        if lost and type(self.router(connection)) is not Router:
            # With the numbering of the connection goes whatever else it would have found missing.
            self.router(connection).load(self.truth.router(connection).save())
            lost = books
        for kept in lost:
            is_new = not kept.decoder.live and self._true(kept).decoder.live
            kept.decoder.load(self._true(kept).decoder.save())
            self._different.pop(id(kept), None)
            kept.held_since_ns = 0
            if is_new:
                self.begun(kept)

    def _true(self, kept: Kept) -> Kept:
        return self.truth.book(kept.report.connection, kept.report.symbol)

    def copy_from(self, other: Verification, connections: Collection[str]) -> None:
        """Go on, damaged and undamaged, from where another verification is; for looking at one damage after another."""
        for connection in connections:
            for verification in (self, self.truth):
                verification.router(connection).load(other.router(connection).save())
                for theirs in other.of_connection(connection):
                    ours = verification.book(connection, theirs.report.symbol)
                    ours.decoder.load(theirs.decoder.save())
                    ours.was_live = ours.decoder.live
                    ours.report.known_from = theirs.report.known_from
                    ours.report.is_partial = theirs.report.is_partial

    # ---- the end

    def finish(self, damage: str = "") -> Report:
        """Everything that was found of the damaged frames; the report of the undamaged ones is `truth.finish`."""
        report = super().finish(damage)
        detected = self.told.detected
        for book in report.books:
            detected["gaps"] += book.gaps.total()
            detected["checksums failed"] += book.checksums_failed
            detected["crossed"] += book.crossed
            detected["disagreements with best bid and ask"] += 0 if book.is_partial else book.top_disagreed
            detected["resyncs"] += book.resyncs
        detected["connections with lost messages"] += report.lost.total()
        detected["malformed frames"] += report.malformed
        detected["frames of other instruments"] += report.strays
        for name in [name for name, count in detected.items() if not count]:
            del detected[name]
        return report


def _first_difference(one: list[list[int]], other: list[list[int]]) -> int:
    """The first level, counted from 1 at the touch, at which two saved books differ on either side."""
    found = []
    for mine, theirs in zip(one, other, strict=True):
        same = next((at for at, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), None)
        if same is not None:
            found.append(same + 1)
        elif len(mine) != len(theirs):
            found.append(min(len(mine), len(theirs)) + 1)
    return min(found, default=0)
