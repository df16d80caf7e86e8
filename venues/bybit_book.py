"""Keeps a Bybit book right: every change has the update id after the one before it. Compiled.

A snapshot, and a change with update id 1, is the whole book whatever was known before. The venue numbers each depth of
an instrument by itself, so a book is kept of one depth, the one whose snapshot began it; frames of another are passed
over while it is live. So a quote, which is the book of depth 1, cannot be compared with a book by its number.
"""

from __future__ import annotations

from typing import cast, final

from mypy_extensions import i64

from market.dialect import IGNORED
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

    def order(self, scan: Scan) -> i64:
        """The next number follows; a lower one is old."""
        number = scan.last_update_id
        reached = self.update_id
        if number == reached + 1:
            return FOLLOWS
        return OLD if number <= reached else MISSING

    def agrees(self, scan: Scan) -> bool:
        """There is nothing to compare with; the depth of what is kept is noted."""
        self.depth = self._bybit_scan.depth
        return True

    def _take_snapshot(self, scan: Scan, frame: bytes) -> i64:
        return self._pass_over() if self._is_of_another_depth() else super()._take_snapshot(scan, frame)

    def _take_change(self, scan: Scan, frame: bytes) -> i64:
        return self._pass_over() if self._is_of_another_depth() else super()._take_change(scan, frame)

    def _is_of_another_depth(self) -> bool:
        return self.live and self._bybit_scan.depth != self.depth

    def _pass_over(self) -> i64:
        self.cause = f"a book of depth {self._bybit_scan.depth} where one of depth {self.depth} is kept"
        return IGNORED

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        saved = super().save()
        saved["depth"] = int(self.depth)
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        super().load(saved)
        self.depth = cast(int, saved["depth"])
