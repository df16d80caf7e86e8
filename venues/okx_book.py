"""Keeps an OKX book right: every change names the one before it, and what came before the snapshot is kept. Compiled.

`prevSeqId` of a change is the `seqId` of the one before it, whatever their sizes: where the two are equal nothing
changed, and where `seqId` is the lower one the venue began to number anew, a reset that is still chained. So numbers
alone do not tell an old change from one behind a reset that was lost: a change is a repeated one when just this pair
of numbers is among the last `MOST_REMEMBERED` since the snapshot or the reset, and else something is missing.

The snapshot is the answer to a subscription. Changes that come while there is none are kept, so that the answer to a
request (`apply_snapshot`) can be joined to them: those up to its `seqId` are dropped, the first one after must begin at
or before it. Numbers of two ages cannot be compared, so an answer is joined only when what is kept, a chain without a
reset, reaches from before it to behind it, by time and by number. One that is older is refused; one that is newer waits
for the stream to pass it, and a reset or a break in the stream makes it void. What is kept is replayed in steps.

A frame with a checksum, as they were sent until June 2026, is compared with the book: the venue makes it of the text of
the 25 best levels, so that text is kept from a snapshot on as long as every frame carries one, and not at all since.
Frames of that time have no sequence numbers before 2023; then the checksum alone tells whether a change follows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, cast, final

from librt.vecs import vec
from mypy_extensions import i64

from market.book import Book
from market.bounded_book import BoundedBook
from market.dialect import (
    BOOK_CHANGED,
    BUFFERED,
    CONTROL,
    GAP,
    IGNORED,
    PIECE,
    REPLAYING,
    SNAPSHOT_WANTED,
    STEP_BYTES,
    STEP_WITH_SNAPSHOT_BYTES,
    BadFrame,
)
from market.frame_pieces import FramePieces
from market.ladder import BookError, Ladder
from venues.okx_scan import OkxScan
from venues.scanning import REFUSAL, UNKNOWN, Scan
from venues.streamed import FOLLOWS, MISSING, OLD, Careful, StreamedDecoder

MOST_REMEMBERED: Final = 64
"""So many changes are remembered to know a repeated one; a power of two."""
MOST_WAITING: Final = 1_024
"""So many changes wait for a snapshot, at ten a second more than a minute and a half; beyond that the oldest go."""
MOST_WAITING_BYTES: Final = 1_048_576
"""So many bytes of them."""
CHECKED_LEVELS: Final = 25

_LAST_REMEMBERED: Final = MOST_REMEMBERED - 1
_NOTHING: Final = -1

Texts = Callable[[Scan, bytes], tuple[list[tuple[int, str]], list[tuple[int, str]]]]


@final
class OkxDecoder(StreamedDecoder):
    """One instrument's book, trades and quotes."""

    def __init__(self, scan: OkxScan, careful: Careful, answer: Careful, texts: Texts) -> None:
        """Read with this scan, and where it knows no answer, with the careful reader; answers with `answer`."""
        super().__init__(scan, careful)
        self._okx_scan: OkxScan = scan
        self._answer: Careful = answer
        self._texts: Texts = texts
        self._answer_pieces: FramePieces = FramePieces()
        self._is_numbered: bool = True
        # The last number of the stream, beside `update_id` where no snapshot came yet.
        self._streamed_id: i64 = _NOTHING
        self._previous_ids: vec[i64] = vec[i64]([_NOTHING] * MOST_REMEMBERED)
        self._ids: vec[i64] = vec[i64]([_NOTHING] * MOST_REMEMBERED)
        self._remembered: i64 = 0
        # Where the changes that are held lead to.
        self._held_ids: list[int] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes: i64 = 0
        # The time of the last change that waits; the answer that the stream has not passed yet, its time and number.
        self._waiting_ns: i64 = 0
        self._early: bytes = b""
        self._early_ns: i64 = 0
        self._early_id: i64 = _NOTHING
        self._next: BoundedBook = BoundedBook()
        self._has_texts: bool = False
        self._bid_texts: dict[int, str] = {}
        self._ask_texts: dict[int, str] = {}

    # ---- the rule

    def order(self, scan: Scan) -> i64:
        """See the head of this file."""
        previous = scan.previous_update_id
        last = scan.last_update_id
        if self._okx_scan.is_numbered != self._is_numbered:
            return MISSING
        if not self._is_numbered:
            return FOLLOWS
        if previous == self.update_id:
            # Behind a reset that was lost the numbers may come to where the book stands: then what is held says so.
            return MISSING if self.holding and previous in self._held_ids else FOLLOWS
        return OLD if self._is_repeated(previous, last) else MISSING

    def _is_repeated(self, previous: i64, last: i64) -> bool:
        place: i64 = 0
        while place < MOST_REMEMBERED:
            if self._ids[place] == last and self._previous_ids[place] == previous:
                return True
            place += 1
        return False

    def _remember(self, previous: i64, last: i64) -> None:
        if last < previous:
            self._forget()
        place = self._remembered & _LAST_REMEMBERED
        self._previous_ids[place] = previous
        self._ids[place] = last
        self._remembered = place + 1
        self._streamed_id = last

    def _forget(self) -> None:
        place: i64 = 0
        while place < MOST_REMEMBERED:
            self._ids[place] = _NOTHING
            place += 1
        self._remembered = 0

    def _hold(self, scan: Scan, frame: bytes) -> i64:
        if not self.holding:
            self._held_ids = []
        last: int = scan.last_update_id
        self._held_ids.append(last)
        return super()._hold(scan, frame)

    def agrees(self, scan: Scan) -> bool:
        """Note the numbers of the frame, and compare the book with its checksum where it has one."""
        own = self._okx_scan
        if own.is_snapshot:
            self._is_numbered = own.is_numbered
            self._forget()
            self._streamed_id = scan.last_update_id
        elif self._is_numbered:
            self._remember(scan.previous_update_id, scan.last_update_id)
            if self.holding:
                self._held_ids = [held for held in self._held_ids if held != scan.last_update_id]
        if not scan.has_checksum:
            self._drop_texts()
            return True
        return self._is_checked(own)

    def _is_checked(self, scan: OkxScan) -> bool:
        """Whether the text of the best levels has the frame's checksum; true where some of it was never told."""
        if scan.is_snapshot:
            self._drop_texts()
            self._has_texts = True
        if not self._has_texts:
            return True
        bids, asks = self._texts(scan, scan.checked_frame)
        _keep_texts(self._bid_texts, bids)
        _keep_texts(self._ask_texts, asks)
        book: Book = self.kept.book
        found = checksum_of(_best(self._bid_texts, book.bids), _best(self._ask_texts, book.asks))
        told: int = scan.checksum
        if found != told:
            self.cause = f"the book has the checksum {found}, and the venue's is {told}"
            return False
        self.checksums_passed += 1
        return True

    def _drop_texts(self) -> None:
        if self._has_texts:
            self._has_texts = False
            self._bid_texts = {}
            self._ask_texts = {}

    # ---- while there is no book

    def _take_snapshot(self, scan: Scan, frame: bytes) -> i64:
        # What waited is older: a subscription's answer comes before the changes that follow it.
        outcome = super()._take_snapshot(scan, frame)
        self._stop_waiting()
        return outcome

    def _take_change(self, scan: Scan, frame: bytes) -> i64:
        if self.live:
            return super()._take_change(scan, frame)
        if scan.event_ns != 0:
            self.venue_ns = scan.event_ns
        return self._wait(scan, frame)

    def _wait(self, scan: Scan, frame: bytes) -> i64:
        """Keep a change for the answer to a request."""
        if not self._okx_scan.is_numbered:
            self.cause = "a change while there is no book"
            return IGNORED
        previous = scan.previous_update_id
        last = scan.last_update_id
        if self._is_repeated(previous, last):
            self.cause = "a change that came before"
            return IGNORED
        self.cause = ""
        is_reset = last < previous
        is_broken = is_reset or (len(self._waiting) > 0 and previous != self._streamed_id)
        was_replaying = self.replaying
        if is_broken:
            self._stop_waiting()
        self._remember(previous, last)
        if not is_reset:
            self._waiting_ns = scan.event_ns
            self._keep(frame)
        if is_broken and was_replaying:
            self.cause = "while changes were replayed some were missing, or they were numbered anew"
            return GAP
        if len(self._early) > 0 and self._has_passed(self._early_ns, self._early_id):
            return self._join(self._early)
        return BUFFERED

    def _has_passed(self, time_ns: i64, number: i64) -> bool:
        """Whether the changes that wait lead beyond a book of this time and number, or just to it."""
        if self._waiting_ns == time_ns:
            return self._streamed_id == number
        return self._waiting_ns > time_ns and self._streamed_id >= number

    def _keep(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        while len(self._waiting) > MOST_WAITING or (
            self._waiting_bytes > MOST_WAITING_BYTES and len(self._waiting) > 1
        ):
            self._waiting_bytes -= len(self._waiting[0])
            del self._waiting[0]
            self.cause = "more changes wait for a snapshot than are kept; the oldest was dropped"

    def apply_snapshot(self, frame: bytes) -> i64:
        """Take the answer to a request for a book and join it to what waits for it."""
        scan = self._okx_scan
        if self._answer(scan, frame) == REFUSAL:
            self.cause = scan.text
            self.refused = True
            return CONTROL
        if self.live or self.replaying:
            self.cause = "an answer where the stream brought a snapshot already"
            return IGNORED
        if not self._waiting:
            self.cause = "there is nothing in the stream yet that the answer could be joined to"
            return SNAPSHOT_WANTED
        answer_ns = scan.event_ns
        reached = scan.last_update_id
        if self._is_older(answer_ns, reached):
            return SNAPSHOT_WANTED
        if self._has_passed(answer_ns, reached):
            return self._join(frame)
        # Of two that wait the stream passes the earlier one first.
        if len(self._early) == 0 or answer_ns <= self._early_ns:
            self._early = frame
            self._early_ns = answer_ns
            self._early_id = reached
        self.cause = "the answer waits until the stream has passed it"
        return PIECE

    def _is_older(self, answer_ns: i64, reached: i64) -> bool:
        """Whether an answer of this time and number is from before what is kept, so that changes would be missing."""
        scan = self._okx_scan
        self._read(self._waiting[0])
        first = scan.previous_update_id
        self.cause = f"the answer at {reached} is older than the first change kept, which follows {first}"
        return reached < first or answer_ns < scan.event_ns

    def _join(self, frame: bytes) -> i64:
        """Begin the book with an answer that the stream has passed, and replay what follows it."""
        scan = self._okx_scan
        self._early = b""
        self._answer(scan, frame)
        answer_ns = scan.event_ns
        reached = scan.last_update_id
        try:
            self._next.replace(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
        except BookError as error:
            raise BadFrame(str(error), frame) from error
        if self._is_older(answer_ns, reached):
            self._next.clear()
            return SNAPSHOT_WANTED
        self.replaying = True
        self._is_numbered = True
        self._drop_texts()
        self.first_update_id = reached
        self.update_id = reached
        self.cause = ""
        return self._replay(STEP_BYTES) if self._waiting_bytes <= STEP_WITH_SNAPSHOT_BYTES else REPLAYING

    def go_on(self) -> i64:
        """Replay another step of what waited; `IGNORED` when there is nothing to replay."""
        if not self.replaying:
            self.cause = "nothing waits to be replayed"
            return IGNORED
        self.cause = ""
        return self._replay(STEP_BYTES)

    def _replay(self, most_bytes: int) -> i64:
        """Apply so much of what waited; the frames of `_waiting` are a chain, so that none can be missing."""
        scan = self._okx_scan
        taken = 0
        left = most_bytes
        for frame in self._waiting:
            size = len(frame)
            if size > left and taken > 0:
                break
            left -= size
            taken += 1
            self._read(frame)
            if scan.last_update_id > self.update_id:
                self._next.change(scan.level_prices, scan.level_sizes, scan.bid_count, scan.level_count)
                self.first_update_id = scan.first_update_id
                self.update_id = scan.last_update_id
        for place in range(taken):
            self._waiting_bytes -= len(self._waiting[place])
        del self._waiting[:taken]
        if self._waiting:
            return REPLAYING
        book = self._next.book
        bids = book.bids.count
        asks = book.asks.count
        prices = _joined(book.bids.prices(bids), book.asks.prices(asks))
        sizes = _joined(book.bids.sizes(bids), book.asks.sizes(asks))
        self.kept.replace(prices, sizes, bids, bids + asks)
        self._stop_waiting()
        self.live = True
        return BOOK_CHANGED

    def _read(self, frame: bytes) -> None:
        """Read a change that was read before."""
        if self._okx_scan.scan(frame) == UNKNOWN:
            self._careful(self._okx_scan, frame)

    def _stop_waiting(self) -> None:
        self._waiting = []
        self._waiting_bytes = 0
        self._waiting_ns = 0
        self._early = b""
        self._next.clear()
        self.replaying = False

    # ---- pieces, and the end

    def apply_snapshot_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """Hold a piece of an answer; the last one makes it whole, and it is taken."""
        pieces = self._answer_pieces
        return (
            self.apply_snapshot(b"".join(pieces.finish())) if _is_whole(pieces, piece, part, parts, checksum) else PIECE
        )

    def drop(self) -> None:
        """The book is lost: it is empty until the next snapshot."""
        super().drop()
        self._stop_waiting()
        self._drop_texts()
        self._forget()
        self._is_numbered = True
        self._streamed_id = _NOTHING

    def reset(self) -> None:
        """Forget everything, pieces too."""
        super().reset()
        self._answer_pieces.clear()

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        saved = super().save()
        saved["okx"] = {
            "numbers": [int(self._streamed_id), int(self._remembered), int(self._waiting_ns)],
            "early": [self._early.decode("latin-1"), int(self._early_ns), int(self._early_id)],
            "flags": [self._is_numbered, self.replaying, self._has_texts],
            "ids": list(self._ids),
            "previous_ids": list(self._previous_ids),
            "held_ids": list(self._held_ids),
            "waiting": [frame.decode("latin-1") for frame in self._waiting],
            "next": self._next.save(),
            "texts": [[[price, text] for price, text in side.items()] for side in (self._bid_texts, self._ask_texts)],
            "pieces": self._answer_pieces.save(),
        }
        return saved

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        super().load(saved)
        own = cast("dict[str, object]", saved["okx"])
        self._streamed_id, self._remembered, self._waiting_ns = cast("list[int]", own["numbers"])
        early = cast("list[object]", own["early"])
        self._early = cast(str, early[0]).encode("latin-1")
        self._early_ns = cast(int, early[1])
        self._early_id = cast(int, early[2])
        self._is_numbered, self.replaying, self._has_texts = cast("list[bool]", own["flags"])
        self._ids = vec[i64](cast("list[int]", own["ids"]))
        self._previous_ids = vec[i64](cast("list[int]", own["previous_ids"]))
        self._held_ids = cast("list[int]", own["held_ids"])
        self._waiting = [text.encode("latin-1") for text in cast("list[str]", own["waiting"])]
        self._waiting_bytes = sum([len(frame) for frame in self._waiting])
        self._next.load(cast("dict[str, object]", own["next"]))
        bids, asks = cast("list[list[tuple[int, str]]]", own["texts"])
        self._bid_texts = dict(bids)
        self._ask_texts = dict(asks)
        self._answer_pieces.load(cast("dict[str, object]", own["pieces"]))


def checksum_of(bids: list[str], asks: list[str]) -> int:
    """The venue's checksum of the texts of the best levels: bid and ask in turn, as a signed number of 32 bits."""
    parts: list[str] = []
    for place in range(max(len(bids), len(asks))):
        parts.extend(bids[place : place + 1])
        parts.extend(asks[place : place + 1])
    found = zlib.crc32(":".join(parts).encode())
    return found - 2**32 if found >= 2**31 else found


def _best(texts: dict[int, str], side: Ladder) -> list[str]:
    return [texts.get(price, "") for price in side.prices(CHECKED_LEVELS)]


def _keep_texts(texts: dict[int, str], levels: list[tuple[int, str]]) -> None:
    for price, text in levels:
        if text:
            texts[price] = text
        else:
            texts.pop(price, None)


def _joined(first: vec[i64], second: vec[i64]) -> vec[i64]:
    """One array behind the other."""
    middle = len(first)
    joined = vec[i64]([0] * (middle + len(second)))
    place: i64 = 0
    while place < middle:
        joined[place] = first[place]
        place += 1
    while place < len(joined):
        joined[place] = second[place - middle]
        place += 1
    return joined


def _is_whole(pieces: FramePieces, piece: bytes, part: i64, parts: i64, checksum: i64) -> bool:
    """Whether a frame is complete with this piece."""
    return pieces.take(piece, part, parts, checksum) and part == parts
