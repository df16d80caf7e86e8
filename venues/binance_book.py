"""Keeps a Binance book right: the rule that joins the REST snapshot to the stream, and what to do when it breaks.

Every depth event carries the first and last update id that it covers. While there is no book, events are kept, bounded,
and a snapshot is asked for. A snapshot at id L drops the events that end at or before L; the first one kept must begin
at or before L + 1, each later one at or before the id reached plus one. (The venue's documents say that L lies inside
the first event; that fails when a dropped event ended exactly at L, as it did in four of four recorded sessions.)
An event that begins later is a gap: the book is dropped, the event becomes the first one kept, and a snapshot is asked
for again. Sizes are absolute, so an event that overlaps what is known is applied as a whole.

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
from typing import Final, cast, final

from mypy_extensions import i64

from market.bounded_book import FEWEST_LEVELS, BoundedBook
from market.dialect import (
    BOOK_CHANGED,
    BUFFERED,
    CLOSING,
    CONTROL,
    GAP,
    IGNORED,
    MOST_KEPT_BYTES,
    MOST_PIECED_LEVELS,
    PIECE,
    REPLAYING,
    SNAPSHOT_WANTED,
    STEP_BYTES,
    STEP_WITH_SNAPSHOT_BYTES,
    TRADED,
    BadFrame,
    Decoder,
)
from market.frame_pieces import FramePieces
from market.ladder import BookError
from market.messages.constants import BUY, SELL
from venues.binance_scan import (
    DEPTH,
    REFUSAL,
    REPLY,
    SHUTDOWN,
    SNAPSHOT,
    TRADE,
    UNKNOWN,
    FrameScan,
)

OLD: Final = 0
FOLLOWS: Final = 1
MISSING: Final = 2

# At one event in 100 ms this is more than a quarter of an hour of waiting for a snapshot; see `MOST_KEPT_BYTES` too.
MOST_BUFFERED: Final = 10_000
_NANOSECONDS: Final = 1_000_000  # in a millisecond
_TOO_FEW: Final = f"fewer than {FEWEST_LEVELS} levels are left of a side that was cut for its depth"


def continuity(reached: i64, first: i64, last: i64) -> i64:
    """How the event `first`..`last` stands to a book at `reached`: `OLD`, `FOLLOWS`, or with some `MISSING` before."""
    if last <= reached:
        return OLD
    if first > reached + 1:
        return MISSING
    return FOLLOWS


CarefulPiece = Callable[[FrameScan, bytes, int, int, int], None]


@final
class BinanceDecoder(Decoder):
    """One instrument's book and trades from Binance spot frames, raw or combined."""

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
        self._buffer_first_ids: list[int] = []
        self._buffer_bytes: i64 = 0
        # The book that is shown, and the one that a snapshot begins and the replay completes.
        self._shown: BoundedBook = BoundedBook()
        self._next: BoundedBook = BoundedBook()
        self.book = self._shown.book
        self._replay_scan: FrameScan = _another(scan)
        self._replayed_pieces: int = 0

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        scan = self._scan
        kind = scan.scan(frame)
        if kind == UNKNOWN:
            kind = self._careful(scan, frame)
        if kind == DEPTH:
            return self._take_depth(scan, frame, None)
        if kind == TRADE:
            return self._take_trade(scan)
        self.cause = scan.text
        self.refused = kind == REFUSAL
        if kind == SHUTDOWN:
            return CLOSING
        if kind in (REPLY, REFUSAL):
            return CONTROL
        return IGNORED

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
        if not self._is_complete(pieces, scan, piece, part, parts, checksum, DEPTH):
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
        if self._buffer and reached + 1 < self._buffer_first_ids[0]:
            self.cause = f"the snapshot at {reached} ends before the first event kept, at {self._buffer_first_ids[0]}"
            return SNAPSHOT_WANTED
        try:
            self._next.replace(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
        except BookError as error:
            raise BadFrame(str(error), frame) from error
        self.replaying = True
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
            order = continuity(self.update_id, first, scan.last_update_id)
            if order == MISSING:
                self._forget_kept(taken)
                return self._stop_replay(_missing(self.update_id, first))
            if order == FOLLOWS:
                self._next.change(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
                self.first_update_id = first
                self.update_id = scan.last_update_id
                if not self._next.is_enough:
                    self._forget_kept(taken)
                    return self._stop_replay(_TOO_FEW)
            taken += 1
        self._forget_kept(taken)
        if kept:
            return REPLAYING
        self._shown, self._next = self._next, self._shown
        self._next.clear()
        self.book = self._shown.book
        self.replaying = False
        self.live = True
        return BOOK_CHANGED

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
        self._read_piece(self._replay_scan, pieces[part - 1], part, parts, DEPTH)
        if part < parts:
            return None
        self._replayed_pieces = 0
        return self._replay_scan

    def _stop_replay(self, cause: str) -> i64:
        """Give up the book that was being completed; what is still kept waits for another snapshot."""
        self._next.clear()
        self.replaying = False
        self._replayed_pieces = 0
        self.cause = cause
        return GAP

    def _take_depth(self, scan: FrameScan, frame: bytes, pieces: list[bytes] | None) -> i64:
        """Take an event, of a frame or of all the pieces of one."""
        first = scan.first_update_id
        last = scan.last_update_id
        self.venue_ns = scan.event_milliseconds * _NANOSECONDS
        if not self.live:
            return self._keep([frame] if pieces is None else pieces, first)
        order = continuity(self.update_id, first, last)
        if order == OLD:
            self.cause = "an event that the book already holds"
            return IGNORED
        if order == MISSING:
            cause = _missing(self.update_id, first)
            return self._begin_anew([frame] if pieces is None else pieces, first, cause)
        shown = self._shown
        shown.change(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
        self.first_update_id = first
        self.update_id = last
        if shown.is_cut and not shown.is_enough:
            return self._begin_anew([frame] if pieces is None else pieces, first, _TOO_FEW)
        return BOOK_CHANGED

    def _begin_anew(self, pieces: list[bytes], first: i64, cause: str) -> i64:
        """Drop the book; the event is the first that waits for a snapshot."""
        self._drop()
        self._keep(pieces, first)
        self.cause = cause
        return GAP

    def _keep(self, pieces: list[bytes], first: i64) -> i64:
        buffer = self._buffer
        buffer.append(pieces)
        self._buffer_first_ids.append(first)
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
        del self._buffer_first_ids[:count]

    def _take_trade(self, scan: FrameScan) -> i64:
        self.venue_ns = scan.event_milliseconds * _NANOSECONDS
        self.trade_count = 1
        self.trade_ids[0] = scan.trade_id
        self.trade_prices[0] = scan.trade_price
        self.trade_sizes[0] = scan.trade_size
        # "m" says that the buyer was the maker, so then it was the seller who came to trade.
        self.trade_sides[0] = SELL if scan.buyer_was_maker else BUY
        self.trade_times_ns[0] = scan.trade_milliseconds * _NANOSECONDS
        return TRADED

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
        self._buffer_first_ids = []
        self._buffer_bytes = 0

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
            "buffer_first_ids": list(self._buffer_first_ids),
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
        self._buffer_first_ids = list(cast("list[int]", saved["buffer_first_ids"]))
        self._buffer_bytes = sum([_bytes_of(pieces) for pieces in self._buffer])
        self._replayed_pieces = 0
        for _ in range(cast(int, saved["replayed_pieces"])):
            self._read_kept(self._buffer[0])
        self._load_pieces(self._stream_pieces, self._stream_piece_scan, saved["stream_pieces"], DEPTH)
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
    return FrameScan(scan.symbol, scan.price_form.scale, scan.size_form.scale)
