"""Keeps a Binance book right: the rule that joins the REST snapshot to the stream, and what to do when it breaks.

Every depth event carries the first and last update id that it covers. While there is no book, events are kept, bounded
and in the order of their ids, and a snapshot is asked for. How an event stands to what is known is the one thing in
which the markets differ (`order`). Spot: a snapshot at id L drops the events that end at or before L; the first one
kept must begin at or before L + 1, each later one at or before the id reached plus one. (The venue's documents say that
L lies inside the first event; that fails when a dropped event ended exactly at L, as it did in four of four recorded
sessions.) Futures: events that end before L are dropped; the first one kept must hold L, or follow an event that ended
exactly there; each later one names the last id of the event before it, which must be the id reached. Their own first
ids leave holes there, for many instruments share one numbering. Sizes are absolute, so that an event that overlaps
what is known is applied as a whole.

An event that comes too early is held, and the book stays as it is, until what is missing has come. When that does not
come in time, as the owner says with `give_up`, or when more than `MOST_HELD` are held, it is a gap: the book is
dropped, what was held waits for a snapshot, and that is asked for again.

What was kept is applied to the snapshot's book in steps of bounded size, each when it is asked for: that book is shown
once nothing is left to apply. Events that come meanwhile are kept behind the others.

The book holds at most 10,000 levels a side (`market/bounded_book.py`). The venue's snapshot holds 5,000 a side at most,
and tells nothing of those beyond until they change: a level deeper than the snapshot is right when it is shown, but
others may be missing beside it. Beyond the price at which a side was cut none is shown at all, and a side of which too
little is left after a cut is treated as a gap.

A frame that comes in pieces is read piece by piece into a scan of its own, and is taken with its last piece, as the
whole frame would be: until then it is no part of the book.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from mypy_extensions import i64

from market.bounded_book import BoundedBook
from market.dialect import (
    BOOK_CHANGED,
    BUFFERED,
    CLOSING,
    CONTROL,
    GAP,
    HELD,
    IGNORED,
    MOST_HELD,
    MOST_KEPT_BYTES,
    MOST_PIECED_LEVELS,
    PIECE,
    QUOTED,
    REPLAYING,
    SNAPSHOT_WANTED,
    STEP_BYTES,
    STEP_WITH_SNAPSHOT_BYTES,
    TRADED,
    UNKNOWN_TYPE,
    BadFrame,
    Decoder,
)
from market.frame_pieces import FramePieces
from market.ladder import BookError
from venues.binance_scan import FrameScan
from venues.scanning import CLOSES, DELTA, QUOTE, REFUSAL, REPLY, SNAPSHOT, STRANGE, TRADES, UNKNOWN
from venues.streamed import FOLLOWS, MISSING, OLD, TOO_FEW

BROKEN_OFF: Final = 3
"""It names an event before it that is not the one that was: none that may still come can stand between."""

# At one event in 100 ms this is more than a quarter of an hour of waiting for a snapshot; see `MOST_KEPT_BYTES` too.
MOST_BUFFERED: Final = 10_000


CarefulPiece = Callable[[FrameScan, bytes, int, int, int], None]


class BinanceDecoder(Decoder):
    """One instrument's book and trades from Binance's frames, raw or combined. Spot and futures differ in `order`."""

    def __init__(
        self,
        scan: FrameScan,
        careful: Callable[[FrameScan, bytes], int],
        careful_snapshot: Callable[[FrameScan, bytes], int],
        careful_piece: CarefulPiece,
        most_buffered: int = MOST_BUFFERED,
        most_kept_bytes: int = MOST_KEPT_BYTES,
    ) -> None:
        """Read with this scan, and where it knows no answer, with the careful decoders."""
        super().__init__()
        self._scan: FrameScan = scan
        scan.trades_to = self
        self._careful: Callable[[FrameScan, bytes], int] = careful
        self._careful_snapshot: Callable[[FrameScan, bytes], int] = careful_snapshot
        self._careful_piece: CarefulPiece = careful_piece
        self._most_buffered: int = most_buffered
        self._most_kept_bytes: int = most_kept_bytes
        # Between the pieces of a snapshot come frames of the stream, in pieces too: each of the three has its scan.
        self._stream_pieces: FramePieces = FramePieces()
        self._stream_piece_scan: FrameScan = _another(scan)
        self._snapshot_pieces: FramePieces = FramePieces()
        self._snapshot_piece_scan: FrameScan = _another(scan)
        # What waits for a snapshot: of each frame its pieces, or itself.
        self._buffer: list[list[bytes]] = []
        # Of each the earliest snapshot that it can follow, in rising order.
        self._buffer_joins: list[int] = []
        self._buffer_bytes: i64 = 0
        # What came too early while there is a book.
        self._held: list[list[bytes]] = []
        # Whether an event was applied to the snapshot's book.
        self._joined: bool = False
        # The book that is shown, and the one that a snapshot begins and the replay completes.
        self._shown: BoundedBook = BoundedBook()
        self._next: BoundedBook = BoundedBook()
        self.book = self._shown.book
        self._replay_scan: FrameScan = _another(scan)
        self._replayed_pieces: int = 0

    def order(self, scan: FrameScan) -> i64:
        """How an event stands to what is known: `OLD`, `FOLLOWS`, `MISSING` or `BROKEN_OFF`."""
        raise NotImplementedError

    def joins(self, scan: FrameScan) -> i64:
        """The id of the earliest snapshot that an event can follow."""
        raise NotImplementedError

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        scan = self._scan
        kind = scan.scan(frame)
        if kind == UNKNOWN:
            kind = self._careful(scan, frame)
        if kind == DELTA:
            return self._take_depth(scan, frame, None)
        if kind == TRADES:
            self.venue_ns = scan.event_ns
            return TRADED
        self.refused = kind == REFUSAL
        if kind == QUOTE:
            self.cause = ""
            return QUOTED
        self.cause = scan.text
        if kind == CLOSES:
            return CLOSING
        if kind in (REPLY, REFUSAL):
            return CONTROL
        return UNKNOWN_TYPE if kind == STRANGE else IGNORED

    def apply_snapshot(self, frame: bytes) -> i64:
        """Take the body of a depth request and return its outcome, or raise `BadFrame`."""
        scan = self._scan
        kind = scan.scan_snapshot(frame)
        if kind == UNKNOWN:
            kind = self._careful_snapshot(scan, frame)
        if kind == REFUSAL:
            self.cause = scan.text
            self.refused = True
            return CONTROL
        return self._take_snapshot(scan, frame)

    def apply_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """Take one piece of a frame of the stream; the last one gives the frame's outcome, the others `PIECE`."""
        pieces = self._stream_pieces
        scan = self._stream_piece_scan
        if not self._is_complete(pieces, scan, piece, part, parts, checksum, DELTA):
            return PIECE
        return self._take_depth(scan, piece, pieces.finish())

    def apply_snapshot_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """The same for a snapshot's body."""
        pieces = self._snapshot_pieces
        scan = self._snapshot_piece_scan
        if not self._is_complete(pieces, scan, piece, part, parts, checksum, SNAPSHOT):
            return PIECE
        pieces.clear()
        return self._take_snapshot(scan, piece)

    def _is_complete(
        self, pieces: FramePieces, scan: FrameScan, piece: bytes, part: i64, parts: i64, checksum: i64, kind: i64
    ) -> bool:
        """Read a piece into its scan; whether its frame is complete with it."""
        if not pieces.take(piece, part, parts, checksum):
            return False
        try:
            self._read_piece(scan, piece, part, parts, kind)
        except BadFrame:
            pieces.refuse()
            raise
        return part == parts

    def _read_piece(self, scan: FrameScan, piece: bytes, part: i64, parts: i64, kind: i64) -> None:
        if scan.scan_piece(piece, part, parts, kind) == UNKNOWN:
            self._careful_piece(scan, piece, part, parts, kind)
        if scan.level_count > MOST_PIECED_LEVELS:
            raise BadFrame(f"a frame of more than {MOST_PIECED_LEVELS} levels", piece)

    def _take_snapshot(self, scan: FrameScan, frame: bytes) -> i64:
        reached = scan.last_update_id
        if (self.live or self.replaying) and reached < self.update_id:
            self.cause = f"a snapshot at {reached} is older than the book at {self.update_id}"
            return IGNORED
        if self._buffer and reached < self._buffer_joins[0]:
            join = self._buffer_joins[0]
            self.cause = f"the snapshot at {reached} is older than the first event kept, which follows {join}"
            return SNAPSHOT_WANTED
        try:
            self._next.replace(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
        except BookError as error:
            raise BadFrame(str(error), frame) from error
        self.replaying = True
        self._joined = False
        self._replayed_pieces = 0
        self.first_update_id = reached
        self.update_id = reached
        self.cause = ""
        return self._replay(STEP_WITH_SNAPSHOT_BYTES) if self._buffer_bytes <= STEP_WITH_SNAPSHOT_BYTES else REPLAYING

    def go_on(self) -> i64:
        """Replay another step of what waited for the snapshot; `IGNORED` when there is nothing to replay."""
        if not self.replaying:
            self.cause = "nothing waits to be replayed"
            return IGNORED
        self.cause = ""
        return self._replay(STEP_BYTES)

    def _replay(self, most_bytes: int) -> i64:
        """Apply so much of what was kept while the snapshot was on its way; a gap in it keeps the rest."""
        kept = self._buffer
        taken = 0
        left = most_bytes
        while taken < len(kept):
            pieces = kept[taken]
            size = len(pieces[self._replayed_pieces])
            if size > left and left < most_bytes:
                break
            left -= size
            scan = self._read_kept(pieces)
            if scan is None:
                continue
            first = scan.first_update_id
            order = self.order(scan)
            if order in (MISSING, BROKEN_OFF):
                self._forget_kept(taken)
                return self._stop_replay(_missing(self.update_id, first))
            if order == FOLLOWS:
                self._next.change(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
                self._joined = True
                self.first_update_id = first
                self.update_id = scan.last_update_id
                if not self._next.is_enough:
                    self._forget_kept(taken)
                    return self._stop_replay(TOO_FEW)
            taken += 1
        self._forget_kept(taken)
        if kept:
            return REPLAYING
        self._shown, self._next = self._next, self._shown
        self._next.clear()
        self.book = self._shown.book
        self.replaying = False
        self.live = True
        return self._release() if self.holding else BOOK_CHANGED

    def _read_kept(self, pieces: list[bytes]) -> FrameScan | None:
        """Read what is next of a kept frame, itself or a piece; its scan once it is complete."""
        parts = len(pieces)
        if parts == 1:
            # It was read once, so that it is known to be a depth event.
            if self._scan.scan(pieces[0]) == UNKNOWN:
                self._careful(self._scan, pieces[0])
            return self._scan
        self._replayed_pieces += 1
        part = self._replayed_pieces
        self._read_piece(self._replay_scan, pieces[part - 1], part, parts, DELTA)
        if part < parts:
            return None
        self._replayed_pieces = 0
        return self._replay_scan

    def _stop_replay(self, cause: str) -> i64:
        """Give up the book that was being completed; what is still kept waits for another snapshot."""
        self._next.clear()
        self.replaying = False
        self._replayed_pieces = 0
        self._joined = False
        self.cause = cause
        return GAP

    def _take_depth(self, scan: FrameScan, frame: bytes, pieces: list[bytes] | None) -> i64:
        """Take an event, of a frame or of all the pieces of one."""
        self.venue_ns = scan.event_ns
        if not self.live:
            return self._keep([frame] if pieces is None else pieces, self.joins(scan))
        order = self.order(scan)
        if order == FOLLOWS:
            outcome = self._change(scan, frame, pieces)
            return self._release() if self.holding and outcome == BOOK_CHANGED else outcome
        if order == OLD:
            self.cause = "an event that the book already holds"
            return IGNORED
        cause = _missing(self.update_id, scan.first_update_id)
        whole = [frame] if pieces is None else pieces
        if order == BROKEN_OFF or len(self._held) >= MOST_HELD:
            return self._begin_anew(whole, self.joins(scan), cause)
        self._held.append(whole)
        self.holding = True
        self.cause = cause
        return HELD

    def _change(self, scan: FrameScan, frame: bytes, pieces: list[bytes] | None) -> i64:
        """Apply an event that follows."""
        shown = self._shown
        shown.change(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
        self._joined = True
        self.first_update_id = scan.first_update_id
        self.update_id = scan.last_update_id
        if shown.is_cut and not shown.is_enough:
            return self._begin_anew([frame] if pieces is None else pieces, self.joins(scan), TOO_FEW)
        return BOOK_CHANGED

    def _release(self) -> i64:
        """Apply what was held, as far as it follows now."""
        again = True
        while again:
            again = False
            for pieces in self._held[:]:
                scan = self._read_held(pieces)
                order = self.order(scan)
                if order == MISSING:
                    continue
                self._held.remove(pieces)
                if order == OLD:
                    continue
                if order == BROKEN_OFF:
                    cause = _missing(self.update_id, scan.first_update_id)
                    return self._begin_anew(pieces, self.joins(scan), cause)
                outcome = self._change(scan, b"", pieces)
                if outcome != BOOK_CHANGED:
                    return outcome
                again = True
        self.holding = len(self._held) > 0
        return BOOK_CHANGED

    def _read_held(self, pieces: list[bytes]) -> FrameScan:
        """Read a frame again that was read once, so that it is known to be a depth event."""
        parts = len(pieces)
        if parts == 1:
            if self._scan.scan(pieces[0]) == UNKNOWN:
                self._careful(self._scan, pieces[0])
            return self._scan
        for part, piece in enumerate(pieces, 1):
            self._read_piece(self._replay_scan, piece, part, parts, DELTA)
        return self._replay_scan

    def give_up(self) -> i64:
        """What was held for too long counts as lost: the book is dropped, what was held waits for a snapshot."""
        if not self.holding:
            return IGNORED
        cause = f"what comes after {self.update_id} did not come in time"
        pieces = self._held.pop()
        return self._begin_anew(pieces, self.joins(self._read_held(pieces)), cause)

    def _begin_anew(self, pieces: list[bytes], join: i64, cause: str) -> i64:
        """Drop the book; this event, and those that were held, are the first that wait for a snapshot."""
        held = self._held
        self._drop()
        self._keep(pieces, join)
        for other in held:
            self._keep(other, self.joins(self._read_held(other)))
        self.cause = cause
        return GAP

    def _keep(self, pieces: list[bytes], join: i64) -> i64:
        buffer = self._buffer
        joins = self._buffer_joins
        # Behind those before it; of the one that is being replayed the pieces that were read must stay the first.
        place = len(buffer)
        first = 1 if self.replaying else 0
        while place > first and joins[place - 1] > join:
            place -= 1
        buffer.insert(place, pieces)
        joins.insert(place, join)
        self._buffer_bytes += _bytes_of(pieces)
        if len(buffer) == 1:
            self.cause = "the stream has begun and there is no book yet"
            return SNAPSHOT_WANTED
        self.cause = ""
        dropped = 0
        held_bytes = self._buffer_bytes
        while len(buffer) - dropped > self._most_buffered or (
            held_bytes > self._most_kept_bytes and dropped < len(buffer) - 1
        ):
            held_bytes -= _bytes_of(buffer[dropped])
            dropped += 1
        if dropped > 0:
            # The oldest go: whatever snapshot comes, it must then reach to the ones that are left.
            self._forget_kept(dropped)
            self._replayed_pieces = 0
            self.cause = (
                f"more than {self._most_buffered} events or {self._most_kept_bytes} bytes wait for a snapshot; "
                "the oldest was dropped"
            )
        return BUFFERED

    def _forget_kept(self, count: int) -> None:
        """Let go of the oldest frames that are kept."""
        for place in range(count):
            self._buffer_bytes -= _bytes_of(self._buffer[place])
        del self._buffer[:count]
        del self._buffer_joins[:count]

    def audited(self) -> BoundedBook | None:
        """The book that is shown."""
        return self._shown

    def reset(self) -> None:
        """Forget the book, what was buffered and the pieces of what is not complete."""
        self._drop()
        self._stream_pieces.clear()
        self._snapshot_pieces.clear()

    def _drop(self) -> None:
        """Forget the book and what was buffered. A snapshot that is on its way may still be the one that is wanted."""
        self._shown.clear()
        self._next.clear()
        self.live = False
        self.replaying = False
        self._replayed_pieces = 0
        self._buffer = []
        self._buffer_joins = []
        self._buffer_bytes = 0
        self._held = []
        self.holding = False
        self._joined = False

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        return {
            "live": self.live,
            "first_update_id": self.first_update_id,
            "update_id": self.update_id,
            "venue_ns": self.venue_ns,
            "book": self._shown.save(),
            "replaying": self.replaying,
            "next_book": self._next.save(),
            "replayed_pieces": self._replayed_pieces,
            "buffer": [[piece.decode("latin-1") for piece in pieces] for pieces in self._buffer],
            "buffer_joins": list(self._buffer_joins),
            "held": [[piece.decode("latin-1") for piece in pieces] for pieces in self._held],
            "joined": self._joined,
            "stream_pieces": self._stream_pieces.save(),
            "snapshot_pieces": self._snapshot_pieces.save(),
        }

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        self.live = cast(bool, saved["live"])
        self.first_update_id = cast(int, saved["first_update_id"])
        self.update_id = cast(int, saved["update_id"])
        self.venue_ns = cast(int, saved["venue_ns"])
        self._shown.load(cast("dict[str, object]", saved["book"]))
        self.replaying = cast(bool, saved["replaying"])
        self._next.load(cast("dict[str, object]", saved["next_book"]))
        self._buffer = [
            [piece.encode("latin-1") for piece in pieces] for pieces in cast("list[list[str]]", saved["buffer"])
        ]
        self._buffer_joins = list(cast("list[int]", saved["buffer_joins"]))
        self._held = [
            [piece.encode("latin-1") for piece in pieces] for pieces in cast("list[list[str]]", saved["held"])
        ]
        self.holding = len(self._held) > 0
        self._joined = cast(bool, saved["joined"])
        self._buffer_bytes = sum([_bytes_of(pieces) for pieces in self._buffer])
        self._replayed_pieces = 0
        for _ in range(cast(int, saved["replayed_pieces"])):
            self._read_kept(self._buffer[0])
        self._load_pieces(self._stream_pieces, self._stream_piece_scan, saved["stream_pieces"], DELTA)
        self._load_pieces(self._snapshot_pieces, self._snapshot_piece_scan, saved["snapshot_pieces"], SNAPSHOT)

    def _load_pieces(self, pieces: FramePieces, scan: FrameScan, saved: object, kind: i64) -> None:
        """Take back the pieces, and read them again."""
        pieces.load(cast("dict[str, object]", saved))
        for part, piece in enumerate(pieces.held, 1):
            self._read_piece(scan, piece, part, pieces.parts, kind)


def _missing(reached: i64, first: i64) -> str:
    return f"events between {reached} and {first} are missing"


def _bytes_of(pieces: list[bytes]) -> int:
    """How large a kept frame is."""
    return sum([len(piece) for piece in pieces])


def _another(scan: FrameScan) -> FrameScan:
    """A scan that reads as this one does."""
    return FrameScan(scan.symbol, scan.price_scale, scan.size_scale, scan.futures)
