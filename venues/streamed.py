"""Keeps a book whose snapshots come in the stream itself: the common part of every such venue's rule. Compiled.

A snapshot, whenever it comes, is the whole book. A change is old, follows what is known, or comes after one that is
missing: which of the three is the venue's own rule, `order`. What comes too early is held, at most `MOST_HELD` frames,
until the missing one has come; the owner bounds the time with `give_up`. After every change `agrees` may cut the book
to the depth that is subscribed to and compare it with the venue's checksum. A book that is lost is empty until the next
snapshot, and changes that come before it say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from mypy_extensions import i64, mypyc_attr

from market.bounded_book import FEWEST_LEVELS, BoundedBook
from market.dialect import (
    ALIVE,
    BAD_CHECKSUM,
    BOOK_CHANGED,
    CLOSING,
    CONTROL,
    GAP,
    HELD,
    IGNORED,
    MOST_FRAME_BYTES,
    MOST_HELD,
    PIECE,
    QUOTED,
    STATUS,
    TRADED,
    UNKNOWN_TYPE,
    BadFrame,
    Decoder,
)
from market.frame_pieces import FramePieces
from market.ladder import BookError
from venues.scanning import (
    CLOSES,
    DELTA,
    LIFE,
    QUOTE,
    REFUSAL,
    REPLY,
    SNAPSHOT,
    STRANGE,
    TRADES,
    TRADING,
    UNKNOWN,
    Scan,
)

OLD: Final = 0
FOLLOWS: Final = 1
MISSING: Final = 2

NO_BOOK: Final = "a change while there is no book"
"""The cause of a change that says nothing: none of the book is known."""
TOO_FEW: Final = f"fewer than {FEWEST_LEVELS} levels are left of a side that was cut for its depth"

Careful = Callable[[Scan, bytes], int]


@mypyc_attr(allow_interpreted_subclasses=True)
class StreamedDecoder(Decoder):
    """See the head of this file. A venue overrides `order`, and `agrees` where it has a checksum or a depth."""

    def __init__(self, scan: Scan, careful: Careful, most_frame_bytes: int = MOST_FRAME_BYTES) -> None:
        """Read with this scan, and where it knows no answer, with the careful decoder; frames of so many bytes."""
        super().__init__()
        self.scan: Final[Scan] = scan
        scan.trades_to = self
        self.kept: Final[BoundedBook] = BoundedBook()
        self.book = self.kept.book
        self._careful: Final[Careful] = careful
        self._pieces: Final[FramePieces] = FramePieces(most_frame_bytes)
        self._held: list[bytes] = []

    def order(self, scan: Scan) -> i64:
        """How a change stands to `update_id`: `OLD`, `FOLLOWS`, or with something `MISSING` before it."""
        return FOLLOWS

    def agrees(self, scan: Scan) -> bool:
        """Whether the book, just changed, is what the venue says; `cause` tells when not. It may cut the book first."""
        return True

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        scan = self.scan
        kind = scan.scan(frame)
        if kind == UNKNOWN:
            kind = self._careful(scan, frame)
        if kind == DELTA:
            return self._take_change(scan, frame)
        if kind == TRADES:
            if scan.event_ns != 0:
                self.venue_ns = scan.event_ns
            return TRADED if self.trade_count > 0 else IGNORED
        if kind == SNAPSHOT:
            return self._take_snapshot(scan, frame)
        return self._take_other(scan, kind)

    def _take_other(self, scan: Scan, kind: i64) -> i64:
        self.cause = scan.text
        self.refused = kind == REFUSAL
        if kind == QUOTE:
            return QUOTED
        if kind == LIFE:
            return ALIVE
        if kind in (REPLY, REFUSAL):
            return CONTROL
        if kind == CLOSES:
            return CLOSING
        if kind == TRADING:
            self.status = scan.status
            return STATUS
        if kind == STRANGE:
            return UNKNOWN_TYPE
        return IGNORED

    def _take_snapshot(self, scan: Scan, frame: bytes) -> i64:
        try:
            self.kept.replace(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
        except BookError as error:
            raise BadFrame(str(error), frame) from error
        if scan.event_ns != 0:
            self.venue_ns = scan.event_ns
        self.first_update_id = scan.last_update_id
        self.update_id = scan.last_update_id
        self._let_go()
        self.live = True
        if not self.agrees(scan):
            self.drop()
            return BAD_CHECKSUM
        self.cause = ""
        return BOOK_CHANGED

    def _take_change(self, scan: Scan, frame: bytes) -> i64:
        if scan.event_ns != 0:
            self.venue_ns = scan.event_ns
        if not self.live:
            self.cause = NO_BOOK
            return IGNORED
        order = self.order(scan)
        if order == OLD:
            self.cause = "a change that the book already holds"
            return IGNORED
        if order == MISSING:
            return self._hold(scan, frame)
        outcome = self._change(scan)
        if outcome == BOOK_CHANGED and self.holding:
            return self._release()
        return outcome

    def _change(self, scan: Scan) -> i64:
        kept = self.kept
        kept.change(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
        self.first_update_id = scan.first_update_id
        self.update_id = scan.last_update_id
        if kept.is_cut and not kept.is_enough:
            self.cause = TOO_FEW
            self.drop()
            return GAP
        if not self.agrees(scan):
            self.drop()
            return BAD_CHECKSUM
        return BOOK_CHANGED

    def _hold(self, scan: Scan, frame: bytes) -> i64:
        self.cause = f"what comes between {self.update_id} and {scan.last_update_id} is missing"
        if len(self._held) >= MOST_HELD:
            self.drop()
            return GAP
        self._held.append(frame)
        self.holding = True
        return HELD

    def _release(self) -> i64:
        """Apply what was held, as far as it follows now."""
        scan = self.scan
        again = True
        while again:
            again = False
            for frame in self._held[:]:
                if scan.scan(frame) == UNKNOWN:
                    self._careful(scan, frame)
                order = self.order(scan)
                if order == MISSING:
                    continue
                self._held.remove(frame)
                if order == FOLLOWS:
                    outcome = self._change(scan)
                    if outcome != BOOK_CHANGED:
                        return outcome
                    again = True
        self.holding = len(self._held) > 0
        return BOOK_CHANGED

    def audited(self) -> BoundedBook | None:
        """The book that is kept."""
        return self.kept

    def give_up(self) -> i64:
        """What was held for too long counts as lost."""
        if not self.holding:
            return IGNORED
        self.cause = f"what comes after {self.update_id} did not come in time"
        self.drop()
        return GAP

    def apply_snapshot(self, frame: bytes) -> i64:
        """No snapshot is asked for by a request here."""
        raise BadFrame("an answer to a request where snapshots come in the stream", frame)

    def apply_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """Hold a piece of a frame; the last one makes it whole, and the frame is taken."""
        pieces = self._pieces
        if not pieces.take(piece, part, parts, checksum) or part < parts:
            return PIECE
        return self.apply(b"".join(pieces.finish()))

    def apply_snapshot_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """No snapshot is asked for by a request here."""
        raise BadFrame("an answer to a request where snapshots come in the stream", piece)

    def drop(self) -> None:
        """The book is lost: it is empty until the next snapshot. Pieces of a frame that is on its way stay."""
        self.kept.clear()
        self.live = False
        self._let_go()

    def _let_go(self) -> None:
        self._held = []
        self.holding = False

    def reset(self) -> None:
        """Forget the book, what was held, and pieces."""
        self.drop()
        self._pieces.clear()

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        return {
            "live": self.live,
            "first_update_id": self.first_update_id,
            "update_id": self.update_id,
            "venue_ns": self.venue_ns,
            "checksums_passed": self.checksums_passed,
            "book": self.kept.save(),
            "held": [frame.decode("latin-1") for frame in self._held],
            "pieces": self._pieces.save(),
        }

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        self.live = cast(bool, saved["live"])
        self.first_update_id = cast(int, saved["first_update_id"])
        self.update_id = cast(int, saved["update_id"])
        self.venue_ns = cast(int, saved["venue_ns"])
        self.checksums_passed = cast(int, saved["checksums_passed"])
        self.kept.load(cast("dict[str, object]", saved["book"]))
        self._held = [text.encode("latin-1") for text in cast("list[str]", saved["held"])]
        self.holding = len(self._held) > 0
        self._pieces.load(cast("dict[str, object]", saved["pieces"]))
