"""Keeps a Binance book right: the rule that joins the REST snapshot to the stream, and what to do when it breaks.

Every depth event carries the first and last update id that it covers. While there is no book, events are kept, bounded,
and a snapshot is asked for. A snapshot at id L drops the events that end at or before L; the first one kept must begin
at or before L + 1, each later one at or before the id reached plus one. (The venue's documents say that L lies inside
the first event; that fails when a dropped event ended exactly at L, as it did in four of four recorded sessions.)
An event that begins later is a gap: the book is dropped, the event becomes the first one kept, and a snapshot is asked
for again. Sizes are absolute, so an event that overlaps what is known is applied as a whole.

A frame that comes in pieces is read piece by piece into a scan of its own, and is taken with its last piece, as the
whole frame would be: until then it is no part of the book.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast, final

from mypy_extensions import i64

from market.dialect import (
    BOOK_CHANGED,
    BUFFERED,
    CLOSING,
    CONTROL,
    GAP,
    IGNORED,
    MOST_PIECED_LEVELS,
    PIECE,
    SNAPSHOT_WANTED,
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

# At one event in 100 ms this is more than a quarter of an hour of waiting for a snapshot.
MOST_BUFFERED: Final = 10_000
_NANOSECONDS: Final = 1_000_000  # in a millisecond


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
    ) -> None:
        """Read with this scan, and where it knows no answer, with the careful decoders."""
        super().__init__()
        self._scan: FrameScan = scan
        self._careful: Callable[[FrameScan, bytes], int] = careful
        self._careful_snapshot: Callable[[FrameScan, bytes], int] = careful_snapshot
        self._careful_piece: CarefulPiece = careful_piece
        self._most_buffered: int = most_buffered
        # Between the pieces of a snapshot come frames of the stream, in pieces too: each of the three has its scan.
        self._stream_pieces: FramePieces = FramePieces()
        self._stream_piece_scan: FrameScan = _another(scan)
        self._snapshot_pieces: FramePieces = FramePieces()
        self._snapshot_piece_scan: FrameScan = _another(scan)
        self._buffer: list[bytes] = []
        self._buffer_first_ids: list[int] = []

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        scan = self._scan
        kind = scan.scan(frame)
        if kind == UNKNOWN:
            kind = self._careful(scan, frame)
        if kind == DEPTH:
            return self._take_depth(scan, frame)
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
        return self._take_depth(scan, pieces.finish())

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
        if self.live and reached < self.update_id:
            self.cause = f"a snapshot at {reached} is older than the book at {self.update_id}"
            return IGNORED
        if self._buffer and reached + 1 < self._buffer_first_ids[0]:
            self.cause = f"the snapshot at {reached} ends before the first event kept, at {self._buffer_first_ids[0]}"
            return SNAPSHOT_WANTED
        bids = scan.bid_count
        levels = scan.level_count
        prices = scan.level_prices
        sizes = scan.level_sizes
        try:
            self.book.replace(prices[:bids], sizes[:bids], prices[bids:levels], sizes[bids:levels])
        except BookError as error:
            raise BadFrame(str(error), frame) from error
        self.live = True
        self.first_update_id = reached
        self.update_id = reached
        return self._replay()

    def _replay(self) -> i64:
        """Apply what was kept while the snapshot was on its way; a gap in it keeps the rest."""
        kept = self._buffer
        self._buffer = []
        self._buffer_first_ids = []
        outcome: i64 = BOOK_CHANGED
        cause = ""
        for frame in kept:
            if self.apply(frame) == GAP:
                outcome = GAP
                cause = self.cause
        self.cause = cause
        return outcome

    def _take_depth(self, scan: FrameScan, frame: bytes) -> i64:
        first = scan.first_update_id
        last = scan.last_update_id
        self.venue_ns = scan.event_milliseconds * _NANOSECONDS
        if not self.live:
            return self._keep(frame, first)
        order = continuity(self.update_id, first, last)
        if order == OLD:
            self.cause = "an event that the book already holds"
            return IGNORED
        if order == MISSING:
            cause = f"events between {self.update_id} and {first} are missing"
            self._drop()
            self._keep(frame, first)
            self.cause = cause
            return GAP
        bids = scan.bid_count
        book = self.book
        book.bids.set_many(scan.level_prices, scan.level_sizes, 0, bids)
        book.asks.set_many(scan.level_prices, scan.level_sizes, bids, scan.level_count)
        self.first_update_id = first
        self.update_id = last
        return BOOK_CHANGED

    def _keep(self, frame: bytes, first: i64) -> i64:
        buffer = self._buffer
        buffer.append(frame)
        self._buffer_first_ids.append(first)
        if len(buffer) == 1:
            self.cause = "the stream has begun and there is no book yet"
            return SNAPSHOT_WANTED
        self.cause = ""
        if len(buffer) > self._most_buffered:
            # The oldest goes: whatever snapshot comes, it must then reach to the ones that are left.
            del buffer[0]
            del self._buffer_first_ids[0]
            self.cause = f"more than {self._most_buffered} events wait for a snapshot; the oldest was dropped"
        return BUFFERED

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
        self.book.clear()
        self.live = False
        self._buffer = []
        self._buffer_first_ids = []

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        return {
            "live": self.live,
            "first_update_id": self.first_update_id,
            "update_id": self.update_id,
            "venue_ns": self.venue_ns,
            "book": self.book.save(),
            "buffer": [frame.decode("latin-1") for frame in self._buffer],
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
        self.book.load(cast("list[list[int]]", saved["book"]))
        self._buffer = [text.encode("latin-1") for text in cast("list[str]", saved["buffer"])]
        self._buffer_first_ids = list(cast("list[int]", saved["buffer_first_ids"]))
        self._load_pieces(self._stream_pieces, self._stream_piece_scan, saved["stream_pieces"], DEPTH)
        self._load_pieces(self._snapshot_pieces, self._snapshot_piece_scan, saved["snapshot_pieces"], SNAPSHOT)

    def _load_pieces(self, pieces: FramePieces, scan: FrameScan, saved: object, kind: i64) -> None:
        """Take back the pieces, and read them again."""
        pieces.load(cast("dict[str, object]", saved))
        for part, piece in enumerate(pieces.held, 1):
            self._read_piece(scan, piece, part, pieces.parts, kind)


def _another(scan: FrameScan) -> FrameScan:
    """A scan that reads as this one does."""
    return FrameScan(scan.symbol, scan.price_form.scale, scan.size_form.scale)
