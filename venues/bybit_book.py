"""Keeps a Bybit book right: every change has the update id after the one before it. Compiled.

A snapshot, and a change with update id 1, is the whole book whatever was known before. The venue numbers each depth of
an instrument by itself, so a book is kept of one depth, the one whose snapshot began it; frames of another are passed
over while it is live. So a quote, which is the book of depth 1, cannot be compared with a book by its number.

A frame that comes again has a number that was reached and a time that was reached; one that follows by its number and
is older than the book is of a run of the venue before its restart, and passed over. A later time, or more than
`MOST_HELD` such frames in a row, show that the venue numbers anew and that its new snapshot was missed: a gap.
"""

from __future__ import annotations

from typing import cast, final

from mypy_extensions import i64

from market.dialect import GAP, IGNORED, MOST_HELD
from venues.bybit_scan import BybitScan
from venues.scanning import Scan
from venues.streamed import FOLLOWS, MISSING, OLD, Careful, StreamedDecoder


@final
class BybitDecoder(StreamedDecoder):
    """One instrument's book, trades and quotes."""

    def __init__(self, scan: BybitScan, careful: Careful) -> None:
        """Read with this scan, and where it knows no answer, with the careful reader."""
        super().__init__(scan, careful)
        self._bybit_scan: BybitScan = scan
        self.depth: i64 = 0
        # The venue's time of what the book has reached, and how many frames in a row were not beyond it.
        self._reached_ns: i64 = 0
        self._repeats: i64 = 0

    def order(self, scan: Scan) -> i64:
        """The next number follows; a lower one is old."""
        number = scan.last_update_id
        reached = self.update_id
        if number == reached + 1:
            # After a restart numbers come again: only its time shows that one is of the run before.
            return FOLLOWS if scan.event_ns >= self._reached_ns else OLD
        return OLD if number <= reached else MISSING

    def agrees(self, scan: Scan) -> bool:
        """There is nothing to compare with; the depth and the time of what is kept are noted."""
        self.depth = self._bybit_scan.depth
        self._reached_ns = scan.event_ns
        self._repeats = 0
        return True

    def _take_snapshot(self, scan: Scan, frame: bytes) -> i64:
        return self._pass_over() if self._is_of_another_depth() else super()._take_snapshot(scan, frame)

    def _take_change(self, scan: Scan, frame: bytes) -> i64:
        if self._is_of_another_depth():
            return self._pass_over()
        if self.live and scan.last_update_id <= self.update_id:
            return self._take_reached(scan, frame)
        return super()._take_change(scan, frame)

    def _take_reached(self, scan: Scan, frame: bytes) -> i64:
        """A change with a number that the book has reached: it comes again, or the venue numbers anew."""
        self._repeats += 1
        if scan.event_ns <= self._reached_ns and self._repeats <= MOST_HELD:
            return super()._take_change(scan, frame)
        self.venue_ns = scan.event_ns
        self.cause = f"{scan.last_update_id} came after {self.update_id}: the venue numbers anew, from what was missed"
        self.drop()
        return GAP

    def _is_of_another_depth(self) -> bool:
        return self.live and self._bybit_scan.depth != self.depth

    def _pass_over(self) -> i64:
        self.cause = f"a book of depth {self._bybit_scan.depth} where one of depth {self.depth} is kept"
        return IGNORED

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        saved = super().save()
        saved["depth"] = int(self.depth)
        saved["reached"] = [int(self._reached_ns), int(self._repeats)]
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        super().load(saved)
        self.depth = cast(int, saved["depth"])
        reached = cast("list[int]", saved["reached"])
        self._reached_ns = reached[0]
        self._repeats = reached[1]
