"""Keeps a Coinbase book right: the numbering of the connection, the snapshot in pieces, the trades told once. Compiled.

`sequence_num` counts every frame of a connection, over all channels and products, from 0. So it is the router, which
sees every frame, that finds what is missing; a decoder sees the frames of its product alone and can tell an old one
only. Nothing in a change says which change it follows. A frame that could not be read may have been one, and its
number was counted: after such a frame the book is given up with the next one that comes.

A snapshot is several megabytes. Each of its pieces is read as it comes, into arrays beside the book, and with the last
one the book is replaced. Of a side only the best levels are held, as many as a book can use, as long as the side comes
from the touch outward, which it does in every recording. Should it not, or should a piece be spelled in an unknown way,
the pieces are put together and read as one frame, to the same result. Changes that come between pieces are held, and
follow the last piece.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast, final

from mypy_extensions import i64

from market.dialect import (
    BOOK_CHANGED,
    FOR_ALL,
    FOR_NONE,
    FOR_ONE,
    GAP,
    HELD,
    IGNORED,
    LOST,
    MOST_HELD,
    PIECE,
    PIECE_BYTES,
    TRADED,
    BadFrame,
    Dialect,
    Router,
)
from venues.coinbase_scan import BOOK_HEAD, EVENTS, SEQUENCE, CoinbaseScan, time_end
from venues.scanning import CLOSE_BRACE, SNAPSHOT, UNKNOWN, ZERO, Scan, stands
from venues.streamed import FOLLOWS, OLD, Careful, StreamedDecoder
from venues.told_trades import ToldTrades

MOST_FRAME_BYTES: Final = 16 * 1024 * 1024
"""Three times the snapshot of the largest book that was recorded."""
MOST_BETWEEN_BYTES: Final = PIECE_BYTES
"""So many bytes of changes are held between the pieces of a frame: they are applied in one step with the last."""

_CHANNEL: Final = b'{"channel":"'
_UPDATE_OF: Final = b'update","product_id":"'
_SNAPSHOT_OF: Final = b'snapshot","product_id":"'
_PRODUCT: Final = b'"product_id":"'
_NUMBER_KEY: Final = b'"sequence_num":'
# A channel's name and a time stand before the number, and all of it before the first event.
_MOST_HEAD_BYTES: Final = 256
_MOST_DIGITS: Final = 18

CarefulPiece = Callable[[CoinbaseScan, bytes, int, int], bool]
CarefulNumber = Callable[[bytes], int]


@final
class CoinbaseRouter(Router):
    """Watches `sequence_num` over all channels of one connection."""

    def __init__(self, dialect: Dialect, careful_number: CarefulNumber) -> None:
        """Route the frames of one connection; where a look finds no number in a frame, the careful reader is asked."""
        super().__init__(dialect)
        self._careful_number: Final[CarefulNumber] = careful_number
        self._reached: i64 = -1
        self._repeats: i64 = 0
        self._begun: Final[dict[str, bool]] = {}
        self._symbol_bytes: bytes = b""
        self._has_begun: bool = False
        # Of the frame that is being routed.
        self._after_number: i64 = 0
        self._is_book: bool = False

    def begin(self) -> None:
        """A new connection counts from 0."""
        self._reached = -1
        self._repeats = 0
        self._begun.clear()
        self.symbol = ""
        self._symbol_bytes = b""

    def route(self, frame: bytes) -> i64:
        """Count the frame, and find the product that it is for."""
        number = self._number(frame)
        if number < 0:
            # An error has no number, nor has what cannot be understood.
            return FOR_ALL
        expected = self._reached + 1
        if number < expected:
            self._repeats += 1
            self.cause = f"frame {number} came after {self._reached}"
            if self._repeats <= MOST_HELD:
                return FOR_NONE
            self.cause = f"{self._repeats} frames in a row are numbered below {self._reached}: the numbering began anew"
            return self._lose(number)
        if number > expected:
            self.cause = f"frames {expected} to {number - 1} of the connection are missing"
            return self._lose(number)
        self._repeats = 0
        self._reached = number
        return self._whom(frame)

    def _lose(self, number: i64) -> i64:
        """Every book is void; what comes from here on is numbered from here."""
        self._reached = number
        self._repeats = 0
        return LOST

    def _number(self, frame: bytes) -> i64:
        """The number of the frame, -1 where it has none; notes where the text behind it begins."""
        position: i64 = -1
        is_book = stands(frame, 0, BOOK_HEAD)
        self._is_book = is_book
        if is_book:
            position = time_end(frame, len(BOOK_HEAD))
            position = position + len(SEQUENCE) if stands(frame, position, SEQUENCE) else -1
        if position < 0:
            position = frame.find(_NUMBER_KEY, 0, _MOST_HEAD_BYTES)
            if position < 0:
                return self._number_carefully(frame)
            position += len(_NUMBER_KEY)
        end = i64(len(frame))
        first = position
        number: i64 = 0
        while position < end:
            digit: i64 = frame[position]
            digit -= ZERO
            if digit < 0 or digit > 9:
                break
            number = number * 10 + digit
            position += 1
            if position - first > _MOST_DIGITS:
                return self._number_carefully(frame)
        self._after_number = position
        return number if position > first else self._number_carefully(frame)

    def _number_carefully(self, frame: bytes) -> i64:
        """The number of a frame in another spelling, whose products are looked for anywhere."""
        self._is_book = False
        return self._careful_number(frame)

    def _whom(self, frame: bytes) -> i64:
        """Which instrument the frame is for; every one of a frame that may tell of several."""
        position = self._after_number
        if self._is_book and stands(frame, position, EVENTS):
            position += len(EVENTS)
            is_update = stands(frame, position, _UPDATE_OF)
            if is_update:
                position += len(_UPDATE_OF)
            elif stands(frame, position, _SNAPSHOT_OF):
                position += len(_SNAPSHOT_OF)
            else:
                return FOR_ALL
            return self._whose_book(frame, position, is_update)
        self._symbol_bytes = b""
        self.symbol = self.dialect.venue_symbol(frame)
        if len(self.symbol) == 0 or not frame.endswith(b"]}]}"):
            return FOR_ALL
        wanted = _PRODUCT + self.symbol.encode() + b'"'
        return FOR_ONE if frame.count(_PRODUCT) == frame.count(wanted) else FOR_ALL

    def _whose_book(self, frame: bytes, position: i64, is_update: bool) -> i64:
        known = self._symbol_bytes
        if len(known) == 0 or not stands(frame, position, known):
            at: int = frame.find(b'"', position, position + 64)
            if at < 0:
                return FOR_ALL
            start: int = position
            # With its quote, so that no product is taken for one whose name it begins.
            known = frame[start : at + 1]
            self._symbol_bytes = known
            self.symbol = known[:-1].decode("utf-8", "replace")
            self._has_begun = self.symbol in self._begun
        if not is_update:
            self._begun[self.symbol] = True
            self._has_begun = True
        elif not self._has_begun:
            self.cause = f"a change of {self.symbol!r} came before its snapshot"
            self._begun[self.symbol] = True
            self._has_begun = True
            return self._lose(self._reached)
        # A frame of one event has one list of levels, which ends where the frame does; a first piece of it has no end.
        end: i64 = len(frame)
        after = position + len(known)
        closing: i64 = frame.find(b"]", after)
        # A frame of several that was cut does not end with a brace in its first piece.
        is_one = frame[end - 1] == CLOSE_BRACE and (closing < 0 or closing == end - 4)
        return FOR_ONE if is_one else FOR_ALL

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        return {"reached": int(self._reached), "repeats": int(self._repeats), "begun": list(self._begun)}

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        self.begin()
        self._reached = cast(int, saved["reached"])
        self._repeats = cast(int, saved["repeats"])
        for symbol in cast("list[str]", saved["begun"]):
            self._begun[symbol] = True


@final
class CoinbaseDecoder(StreamedDecoder):
    """One product's book and trades."""

    def __init__(
        self, scan: CoinbaseScan, piece_scan: CoinbaseScan, careful: Careful, careful_piece: CarefulPiece
    ) -> None:
        """Read with these scans, whole frames and pieces, and where they know no answer, with the careful decoders."""
        super().__init__(scan, careful, MOST_FRAME_BYTES)
        self._own_scan: Final[CoinbaseScan] = scan
        self._piece_scan: Final[CoinbaseScan] = piece_scan
        self._careful_piece: Final[CarefulPiece] = careful_piece
        # Whether the pieces that are on their way are read one by one.
        self._by_piece: bool = False
        self._between: list[bytes] = []
        self._between_bytes: i64 = 0
        # A frame that could not be read, and may have been a change of this book.
        self._unread: str = ""
        self._told: Final[ToldTrades] = ToldTrades()

    def order(self, scan: Scan) -> i64:
        """What is not old follows: what is missing was found by the router."""
        return OLD if scan.last_update_id <= self.update_id else FOLLOWS

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        try:
            outcome = super().apply(frame)
        except BadFrame as error:
            self._distrust(frame, error.reason)
            raise
        if outcome == TRADED:
            return self._only_new()
        return self._after(outcome)

    def _distrust(self, frame: bytes, reason: str) -> None:
        """Note a frame that may have changed this book; one of another channel cannot have, by itself."""
        is_other = stands(frame, 0, _CHANNEL) and not stands(frame, 0, BOOK_HEAD)
        if is_other and len(self._between) == 0:
            return
        self._unread = reason
        if not is_other and self._is_under_way():
            # What follows the pieces would follow this frame too, which is not there.
            self._pieces.refuse()
        if not self._is_under_way():
            self._forget_between()

    def _after(self, outcome: i64) -> i64:
        """The outcome, unless a change may have been missed before it. A frame in pieces is waited for."""
        if len(self._unread) == 0 or self._is_under_way():
            return outcome
        self.cause = f"a frame could not be read, and may have changed the book: {self._unread}"
        self.drop()
        return GAP

    def _only_new(self) -> i64:
        """Leave out trades from before the subscription, and those that were told."""
        are_past = self._own_scan.are_past
        if self._told.keep_new(self, are_past):
            return TRADED
        self.cause = "trades from before the subscription" if are_past else "trades that were told before"
        return IGNORED

    def apply_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """Take one piece of a frame; the last one gives the frame's outcome, the others `PIECE`."""
        pieces = self._pieces
        first = pieces.held[0] if part > 1 and len(pieces.held) > 0 else piece
        if part == 1:
            self._by_piece = False
            if self._is_under_way():
                self._abandon(pieces.held[0], "the last pieces of a frame did not come")
        try:
            if not pieces.take(piece, part, parts, checksum):
                return PIECE
            if part == 1:
                self._by_piece = stands(piece, 0, BOOK_HEAD) and piece[len(piece) - 1] == CLOSE_BRACE
            if self._by_piece:
                self._read_piece(piece, part, parts)
        except BadFrame as error:
            self._abandon(first, error.reason)
            raise
        if part < parts:
            return PIECE
        if not self._by_piece:
            return self._go_on_with_between(self.apply(b"".join(pieces.finish())))
        pieces.clear()
        self._by_piece = False
        return self._after(self._take_read(piece))

    def _abandon(self, first_piece: bytes, reason: str) -> None:
        """Nothing comes of a frame in pieces, nor of the changes that were to follow it."""
        if self._is_under_way():
            self._pieces.refuse()
        self._distrust(first_piece, reason)

    def _read_piece(self, piece: bytes, part: i64, parts: i64) -> None:
        """Read a piece behind those before it, or find that they must be read together."""
        scan = self._piece_scan
        held = 0 if part == 1 else scan.level_count
        is_read = scan.scan_piece(piece, part, parts) or self._careful_piece(scan, piece, part, parts)
        self._by_piece = is_read and (scan.kind != SNAPSHOT or scan.keep_best(held))

    def _take_read(self, last_piece: bytes) -> i64:
        """Take the frame whose pieces were all read."""
        scan = self._piece_scan
        if scan.kind == SNAPSHOT:
            return self._take_snapshot(scan, last_piece)
        if scan.bids_open:
            scan.bid_count = scan.level_count
        return self._go_on_with_between(self._take_change(scan, last_piece))

    def _is_under_way(self) -> bool:
        pieces = self._pieces
        return pieces.parts != 0 and not pieces.refused

    def _take_snapshot(self, scan: Scan, frame: bytes) -> i64:
        if self._is_under_way():
            # A whole snapshot between the pieces of another frame is newer than that.
            self._pieces.refuse()
            self._forget_between()
        outcome = super()._take_snapshot(scan, frame)
        if outcome == BOOK_CHANGED:
            self._unread = ""
            return self._go_on_with_between(outcome)
        return outcome

    def _take_change(self, scan: Scan, frame: bytes) -> i64:
        if not self._is_under_way():
            return super()._take_change(scan, frame)
        self._between_bytes += len(frame)
        if self._between_bytes > MOST_BETWEEN_BYTES:
            self._pieces.refuse()
            self.cause = f"changes of more than {MOST_BETWEEN_BYTES} bytes came between the pieces of a frame"
            self.drop()
            return GAP
        self._between.append(frame)
        self.holding = True
        self.cause = "a change between the pieces of a frame follows it"
        return HELD

    def _go_on_with_between(self, outcome: i64) -> i64:
        """Apply the changes that came between the pieces of a frame, now that it was taken."""
        if len(self._between) == 0:
            return outcome
        between = self._between
        self._forget_between()
        scan = self.scan
        for frame in between:
            if scan.scan(frame) == UNKNOWN:
                self._careful(scan, frame)
            taken = super()._take_change(scan, frame)
            if taken == GAP:
                return taken
            if taken == BOOK_CHANGED:
                outcome = taken
        return outcome

    def _forget_between(self) -> None:
        self._between = []
        self._between_bytes = 0
        self.holding = False

    def give_up(self) -> i64:
        """Pieces that did not all come in time count as lost."""
        if self.holding and self._is_under_way():
            self._pieces.refuse()
        return super().give_up()

    def drop(self) -> None:
        """The book is lost: it is empty until the next snapshot. Pieces on their way stay if nothing waits for them."""
        if len(self._between) > 0 and self._is_under_way():
            self._pieces.refuse()
        super().drop()
        self._forget_between()
        self._unread = ""

    def reset(self) -> None:
        """Forget the book, what was held, pieces, and which trades were told: a subscription begins with those."""
        super().reset()
        self._told.reset()
        self._by_piece = False

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        saved = super().save()
        saved["between"] = [frame.decode("latin-1") for frame in self._between]
        saved["unread"] = self._unread
        saved["told_trades"] = self._told.save()
        saved["by_piece"] = self._by_piece
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        super().load(saved)
        self._between = [text.encode("latin-1") for text in cast("list[str]", saved["between"])]
        self._between_bytes = sum([len(frame) for frame in self._between])
        self.holding = len(self._between) > 0
        self._unread = cast(str, saved["unread"])
        self._told.load(cast("list[int]", saved["told_trades"]))
        self._by_piece = cast(bool, saved["by_piece"])
        if self._by_piece:
            for part, piece in enumerate(self._pieces.held, 1):
                self._read_piece(piece, part, self._pieces.parts)
