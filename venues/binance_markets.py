"""How the events of Binance's markets stand to each other: spot by ids without holes, the futures by a chain. Compiled.

The rules are told at the head of `venues/binance_book.py`, which keeps the books. They are pure: the ids say it all.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from venues.binance_book import BROKEN_OFF, BinanceDecoder
from venues.binance_scan import FrameScan
from venues.streamed import FOLLOWS, MISSING, OLD


def continuity(reached: i64, first: i64, last: i64) -> i64:
    """How the event `first`..`last` of spot stands to a book at `reached`: `OLD`, `FOLLOWS`, or `MISSING` some."""
    if last <= reached:
        return OLD
    if first > reached + 1:
        return MISSING
    return FOLLOWS


def chained(reached: i64, joined: bool, first: i64, last: i64, previous: i64) -> i64:
    """The same for an event of the futures, the first one behind a snapshot (then not yet `joined`) or a later one."""
    if not joined:
        if last < reached:
            return OLD
        return FOLLOWS if first <= reached or previous == reached else MISSING
    if previous == reached and last > reached:
        return FOLLOWS
    if last <= reached:
        return OLD
    return MISSING if previous > reached else BROKEN_OFF


@final
class SpotDecoder(BinanceDecoder):
    """One instrument of spot."""

    def order(self, scan: FrameScan) -> i64:
        """An event follows when it begins at or before the next id."""
        return continuity(self.update_id, scan.first_update_id, scan.last_update_id)

    def joins(self, scan: FrameScan) -> i64:
        """A snapshot that ends just before the event begins."""
        return scan.first_update_id - 1


@final
class FuturesDecoder(BinanceDecoder):
    """One instrument of the futures, of either margin."""

    def order(self, scan: FrameScan) -> i64:
        """An event follows when it names the one before it."""
        return chained(
            self.update_id, self._joined, scan.first_update_id, scan.last_update_id, scan.previous_update_id
        )

    def joins(self, scan: FrameScan) -> i64:
        """A snapshot that ends with the event before it."""
        return scan.previous_update_id
