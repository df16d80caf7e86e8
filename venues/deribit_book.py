"""Keeps a Deribit book right: each change names the one before it, and each trade its place in the row. Compiled.

A change follows when its `prev_change_id` is what the book has reached. Change ids rise, in irregular steps, so that a
change at or below what was reached, and no later than it by the venue's time, is one that the book already holds.
Every other change comes after one that is missing; also one with a lower id and a later time, as it would come if the
venue began to number anew without a snapshot. It is held, and the book is given up when the missing one does not come.
"""

from __future__ import annotations

from typing import Final, cast, final

from mypy_extensions import i64

from market.dialect import IGNORED, TRADED
from venues.deribit_scan import DeribitScan
from venues.scanning import Scan
from venues.streamed import FOLLOWS, MISSING, OLD, Careful, StreamedDecoder
from venues.told_trades import ToldTrades


@final
class DeribitDecoder(StreamedDecoder):
    """One instrument's book and trades."""

    def __init__(self, scan: DeribitScan, careful: Careful) -> None:
        """Read with this scan, and where it knows no answer, with the careful decoder."""
        super().__init__(scan, careful)
        self._told: Final[ToldTrades] = ToldTrades()
        # The venue's time of what the book has reached.
        self._reached_ns: i64 = 0

    def order(self, scan: Scan) -> i64:
        """See the head of this file."""
        if scan.previous_update_id == self.update_id:
            return FOLLOWS
        if scan.last_update_id <= self.update_id and scan.event_ns <= self._reached_ns:
            return OLD
        return MISSING

    def agrees(self, scan: Scan) -> bool:
        """There is no checksum; the time of what was applied is noted."""
        self._reached_ns = scan.event_ns
        return True

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        outcome = super().apply(frame)
        if outcome != TRADED:
            return outcome
        told = self._told
        if not told.keep_new(self, False):
            self.cause = "trades that were told before"
            return IGNORED
        # Nobody sends them again; the number says that they were.
        self.cause = f"{told.skipped} trades before these were not seen" if told.skipped > 0 else ""
        return TRADED

    def reset(self) -> None:
        """Forget everything, also which trades were told."""
        super().reset()
        self._told.reset()

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        saved = super().save()
        saved["told_trades"] = self._told.save()
        saved["reached_ns"] = int(self._reached_ns)
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        super().load(saved)
        self._told.load(cast("list[int]", saved["told_trades"]))
        self._reached_ns = cast(int, saved["reached_ns"])
