"""What a venue's dialect gives, in both directions: bytes in, books and trades out; scaled integers in, frames out.

A `Dialect` is the venue, a `Decoder` keeps one instrument's book there, an `Encoder` speaks as that venue does, for the
embedded exchange and the simulated feeds. All three are sans-I/O: they never open, wait, read a clock or log.
A decoder returns what a frame meant as one of the outcomes below and leaves the particulars in its attributes until
the next call; it makes no object for a level or a trade. It applies a frame as a whole or, when it raises `BadFrame`,
not at all. A frame that would take too long is cut by `Dialect.cut`: the decoder shows nothing of it before it has the
last piece, and then what the whole frame would have shown. What waited for a snapshot is replayed in steps of at most
`STEP_BYTES`, and the book is `live` with the last one. A book that is not `live` is empty: a decoder never shows levels
that it cannot vouch for, and of a book that was cut for its depth none beyond the cut (`market/bounded_book.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from market.book import Book

IGNORED: Final = 0
"""Valid, and nothing to us: an old event, another stream. `cause` says what."""
BOOK_CHANGED: Final = 1
"""The book is live and changed as the frame said."""
TRADED: Final = 2
"""There are `trade_count` trades in the trade arrays."""
BUFFERED: Final = 3
"""The frame is kept until the snapshot comes; `cause` tells when the buffer was full and its oldest frame was lost."""
SNAPSHOT_WANTED: Final = 4
"""Fetch a snapshot, this time or again; `cause` says why. The frame, if it was one of the stream, is kept."""
GAP: Final = 5
"""Events are missing: the book was dropped and a snapshot must be fetched; `cause` names the numbers."""
CONTROL: Final = 6
"""A reply to a request; `cause` is its text and `refused` whether it is an error."""
CLOSING: Final = 7
"""The venue will close this connection: open another one now."""

PIECE: Final = 8
"""A piece of a frame was taken that does not complete it, or that is left of one that was refused: nothing changed."""
REPLAYING: Final = 9
"""A snapshot was taken, and there is more that waited for it: call `go_on`, later, until it gives another outcome."""

OUTCOME_NAMES: Final[tuple[str, ...]] = (
    "ignored",
    "book changed",
    "traded",
    "buffered",
    "snapshot wanted",
    "gap",
    "control",
    "closing",
    "piece",
    "replaying",
)

# What may reach a lane at once. The slowest way to read a level, the careful one of the shortest spelling, takes 65 ns
# a byte compiled: 16 KiB are 1.1 ms at most, 20 KiB 1.4 ms, and 16 KiB 0.03 ms in the venue's usual spelling. Merging a
# change into the deepest book that is kept comes on top, with 0.3 ms for 1,000 levels. 2 ms is what a frame may take.
PIECE_BYTES: Final = 16_384
"""Frames up to this size are taken whole; a larger one is cut into pieces of at most as many bytes."""
MOST_WHOLE_BYTES: Final = 20_480
"""A frame that a dialect cannot cut is taken whole up to this size; of a larger one only the beginning is told."""
MOST_FRAME_BYTES: Final = 1_048_576
"""A frame above this size is not cut any more: no message of a venue is as large."""
MOST_PIECED_LEVELS: Final = 10_000
"""Levels that the pieces of one frame may bring, for the last piece applies them all: in 1.4 ms at most, compiled."""

STEP_BYTES: Final = PIECE_BYTES
"""Of the frames that waited for a snapshot so many bytes are replayed in one step, or one frame or piece."""
STEP_WITH_SNAPSHOT_BYTES: Final = 4_096
"""When no more than this waited, it is replayed in the step of the snapshot."""
MOST_KEPT_BYTES: Final = 8_388_608
"""The frames that wait for a snapshot may have so many bytes together; beyond that the oldest are dropped."""

_SHOWN_BYTES: Final = 120


class BadFrame(ValueError):
    """A frame that is not what the venue documents. Nothing of it was applied."""

    def __init__(self, reason: str, frame: bytes) -> None:
        """Say what is wrong and keep the frame."""
        super().__init__(f"{reason}; the frame begins {frame[:_SHOWN_BYTES]!r}")
        self.reason = reason
        self.frame = frame


@mypyc_attr(allow_interpreted_subclasses=True)
class Decoder:
    """Keeps one instrument's book from its venue's frames. Subclassed once for each venue."""

    def __init__(self) -> None:
        """Begin without a book."""
        self.book: Book = Book()
        self.live: bool = False
        self.replaying: bool = False
        self.cause: str = ""
        self.refused: bool = False
        self.venue_ns: i64 = 0
        self.first_update_id: i64 = 0
        self.update_id: i64 = 0
        self.trade_count: i64 = 0
        self.trade_ids: vec[i64] = vec[i64]([0])
        self.trade_prices: vec[i64] = vec[i64]([0])
        self.trade_sizes: vec[i64] = vec[i64]([0])
        self.trade_sides: vec[i64] = vec[i64]([0])
        self.trade_times_ns: vec[i64] = vec[i64]([0])

    def apply(self, frame: bytes) -> i64:
        """Take one frame of the stream and return its outcome, or raise `BadFrame`."""
        raise NotImplementedError

    def apply_snapshot(self, frame: bytes) -> i64:
        """Take the body of a snapshot request and return its outcome, or raise `BadFrame`."""
        raise NotImplementedError

    def apply_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """Take one piece of a frame of the stream; the last one gives the frame's outcome, the others `PIECE`.

        Raises `BadFrame` once for a frame: what is left of it is `PIECE`. Whole frames may come in between.
        """
        raise NotImplementedError

    def apply_snapshot_piece(self, piece: bytes, part: i64, parts: i64, checksum: i64) -> i64:
        """The same for a snapshot's body; frames of the stream, and pieces of them, may come in between."""
        raise NotImplementedError

    def go_on(self) -> i64:
        """Replay another step of what waited, after an outcome `REPLAYING`; `IGNORED` when there is nothing to replay.

        Frames of the stream that come in between wait behind the others. Of a book whose state is replayed nothing is
        shown before the outcome that ends it: `BOOK_CHANGED`, or `GAP`.
        """
        return IGNORED

    def reset(self) -> None:
        """Forget the book, what was buffered, and pieces: the connection was lost, or the book proved wrong."""
        raise NotImplementedError

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        raise NotImplementedError

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Encoder:
    """Writes one instrument's market data as its venue does. Levels are (price, size), scaled, size 0 for a delete."""

    def depth(
        self,
        event_ns: int,
        first_update_id: int,
        last_update_id: int,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
    ) -> bytes:
        """One change of the book as a frame of the stream."""
        raise NotImplementedError

    def trade(self, event_ns: int, trade_id: int, price: int, size: int, aggressor_side: int) -> bytes:
        """One public trade as a frame of the stream."""
        raise NotImplementedError

    def snapshot(
        self, update_id: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]
    ) -> bytes:
        """The whole book, each side from the touch outward, as the answer to a snapshot request."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Dialect:
    """One venue's way of speaking. Subclassed once for each venue."""

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        raise NotImplementedError

    def subscribe(self, venue_symbols: Sequence[str], request_id: int) -> list[bytes]:
        """The frames that ask for the book and the trades of these instruments."""
        raise NotImplementedError

    def unsubscribe(self, venue_symbols: Sequence[str], request_id: int) -> list[bytes]:
        """The frames that end what `subscribe` began."""
        raise NotImplementedError

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """The path and query of the request for a snapshot, empty where the stream itself brings one."""
        raise NotImplementedError

    def venue_symbol(self, frame: bytes) -> str:
        """The instrument that a frame is about, empty when it names none; a glance, not a check."""
        raise NotImplementedError

    def cut(self, frame: bytes, kind: int, most_bytes: int = PIECE_BYTES) -> list[bytes]:
        """The frame in pieces of at most so many bytes, which together are the frame; none when it cannot be cut.

        A pure look at the bytes: it raises nothing, whatever they are. A decoder of this dialect reads each piece as
        it comes. `kind` is `FRAME_STREAM` or `FRAME_SNAPSHOT`. Unless a dialect says otherwise, it cuts nothing.
        """
        return []

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one instrument."""
        raise NotImplementedError

    def encoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Encoder:
        """A new encoder for one instrument."""
        raise NotImplementedError
