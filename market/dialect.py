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
from typing import ClassVar, Final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from market.book import Book
from market.bounded_book import BoundedBook

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

HELD: Final = 10
"""The frame came before another that is missing: it is kept, up to `MOST_HELD` of them, and the book is behind."""
BAD_CHECKSUM: Final = 11
"""The book is not what the venue's checksum says: it was dropped and must be begun anew; `cause` has both numbers."""
ALIVE: Final = 12
"""A sign of life without data."""
STATUS: Final = 13
"""The venue or the instrument trades in another way from now on: `status` and `cause`."""
QUOTED: Final = 14
"""A message of best bid and ask, now in the `quoted_` attributes."""
UNKNOWN_TYPE: Final = 15
"""Well formed, and of a type that is not documented: counted and shown, never guessed at. `cause` names it."""

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
    "held",
    "bad checksum",
    "alive",
    "status",
    "quoted",
    "unknown type",
)

MOST_HELD: Final = 16
"""So many frames that came too early are kept; with one more what is missing counts as lost."""

# What `Router.route` says of a frame.
FOR_ONE: Final = 0
"""It is for the instrument that `symbol` names."""
FOR_ALL: Final = 1
"""Every instrument of the connection takes it: a reply, a sign of life, or one that tells of several."""
FOR_NONE: Final = 2
"""Nobody takes it: what it tells was told before; `cause` says what."""
LOST: Final = 3
"""Messages of the connection are missing before it, as its numbering over all channels shows (`cause`): every book of
the connection is void. What the frame itself brings counts no more than the books: it is passed over."""

# What `Conversation.hear` says of a frame, beside what it leaves in `replies`.
DATA: Final = 0
"""Data or a sign of life: nothing for the connection to do."""
CONFIRMED: Final = 1
"""A subscription was confirmed; `cause` names it."""
REFUSED: Final = 2
"""A request was refused: `cause` has the venue's words, `venue_symbol` the instrument where it is known."""
LEAVING: Final = 3
"""The venue will end this connection: open another one and move over."""
RECONNECT: Final = 4
"""This connection is of no more use: end it and connect again."""
MAINTENANCE: Final = 5
"""The venue says that it does not work now; `cause` has its words."""
BACK: Final = 6
"""The venue works again after maintenance: what was known before is old, subscribe anew."""

# How a book that was lost is begun anew.
BY_REQUEST: Final = 0
"""By the answer to `snapshot_path`."""
BY_SUBSCRIPTION: Final = 1
"""By ending and beginning the instrument's subscription, which brings a snapshot in the stream."""
BY_CONNECTION: Final = 2
"""By a new connection."""

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
        # Whether frames are held that came before one that is missing: the book is right for `update_id`, and behind.
        self.holding: bool = False
        self.checksums_passed: i64 = 0
        self.status: i64 = 0
        self.quoted_update_id: i64 = 0
        self.quoted_bid_price: i64 = 0
        self.quoted_bid_size: i64 = 0
        self.quoted_ask_price: i64 = 0
        self.quoted_ask_size: i64 = 0

    def audited(self) -> BoundedBook | None:
        """The book that is shown, as it can be compared with a fresh snapshot; None where that cannot be done."""
        return None

    def give_up(self) -> i64:
        """What was held for too long counts as lost: `GAP`, or `IGNORED` when nothing is held."""
        return IGNORED

    def add_trade(self, trade_id: i64, price: i64, size: i64, side: i64, time_ns: i64) -> None:
        """Put a trade behind those of this frame; for subclasses, which set `trade_count` to 0 first."""
        count = self.trade_count
        if count == len(self.trade_ids):
            self.trade_ids = _grown(self.trade_ids)
            self.trade_prices = _grown(self.trade_prices)
            self.trade_sizes = _grown(self.trade_sizes)
            self.trade_sides = _grown(self.trade_sides)
            self.trade_times_ns = _grown(self.trade_times_ns)
        self.trade_ids[count] = trade_id
        self.trade_prices[count] = price
        self.trade_sizes[count] = size
        self.trade_sides[count] = side
        self.trade_times_ns[count] = time_ns
        self.trade_count = count + 1

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


def _grown(values: vec[i64]) -> vec[i64]:
    """A copy with room for twice as many."""
    size = len(values)
    larger = vec[i64]([0] * (size * 2))
    place: i64 = 0
    while place < size:
        larger[place] = values[place]
        place += 1
    return larger


@mypyc_attr(allow_interpreted_subclasses=True)
class Router:
    """Says for whom each frame of one connection is, and watches what a venue numbers over a whole connection.

    It stands in the lane before the decoders and sees every frame, or the first piece of one, once and in order; it
    decides by the bytes and by what came before, so that a replay decides the same. This base asks the dialect which
    instrument a frame names. Where a venue numbers nothing over a connection and names the instrument in every frame,
    that is all there is to do.
    """

    def __init__(self, dialect: Dialect) -> None:
        """Route the frames of one connection to a venue of this dialect."""
        self.dialect: Final = dialect
        self.symbol: str = ""
        self.cause: str = ""

    def begin(self) -> None:
        """A new connection: what was numbered and named on the one before is void."""

    def route(self, frame: bytes) -> i64:
        """`FOR_ONE`, `FOR_ALL`, `FOR_NONE` or `LOST`. It never raises: what cannot be understood is `FOR_ALL`."""
        self.symbol = self.dialect.venue_symbol(frame)
        return FOR_ONE if self.symbol else FOR_ALL

    def save(self) -> dict[str, object]:
        """What is needed to go on, as plain data."""
        return {}

    def load(self, saved: dict[str, object]) -> None:
        """Go on from what `save` returned."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Conversation:
    """What our side says on one connection: requests, answers to the venue's questions, signs of life. Sans-I/O.

    It belongs to the service that holds the connection, which sends what is given here, within the venue's limits. It
    is told every frame; of data it must make nothing more than a glance at a few bytes.
    """

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.replies: list[bytes] = []
        self.cause: str = ""
        self.venue_symbol: str = ""

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """The requests that a new connection begins with, in their order, each within the venue's limits."""
        raise NotImplementedError

    def renew(self, venue_symbol: str) -> list[bytes]:
        """The requests that bring a new snapshot of one instrument; what must wait for a reply comes by `replies`."""
        return []

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """The requests that end the subscriptions of these instruments."""
        raise NotImplementedError

    def hear(self, frame: bytes) -> i64:
        """What a frame means for the connection; `replies` holds what to send at once, and the caller empties it."""
        return DATA

    def sign_of_life(self) -> bytes:
        """What is sent when `VenueFacts.ping_every_s` has passed; empty where nothing is asked for."""
        return b""


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

    recovery: ClassVar[int] = BY_REQUEST
    """How a book is begun anew: `BY_REQUEST`, `BY_SUBSCRIPTION` or `BY_CONNECTION`."""
    is_numbered_by_book: ClassVar[bool] = True
    """Whether update ids mean the same on every connection, so that two connections can be compared by them."""
    most_frame_bytes: ClassVar[int] = MOST_FRAME_BYTES
    """A larger frame is not cut any more, and not taken."""
    sees_missing: ClassVar[bool] = True
    """Whether later frames of a book show that one is missing; where not, one that nobody can read loses the book."""
    beside_books: ClassVar[tuple[str, ...]] = ()
    """With what `message_type` begins for frames that change no book, whatever is wrong with them."""
    usual_beginning: ClassVar[tuple[bytes, bytes]] = (b"", b"")
    """How most frames begin, and the byte that ends what comes next: `venue_symbol` says the same of two that begin so
    and are equal up to that byte. Empty where nothing of the kind can be said."""
    default_depth: ClassVar[int] = 0
    """Levels a side that are subscribed to unless told otherwise; 0 where the venue offers no choice."""

    def __init__(self, depth: int = 0) -> None:
        """Speak of books of this depth, or of the venue's usual one."""
        self.depth: Final[int] = depth or self.default_depth

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        raise NotImplementedError

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        raise NotImplementedError

    def router(self) -> Router:
        """Who the frames of a new connection are for."""
        return Router(self)

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """The path and query of the request for a snapshot, empty where the stream itself brings one."""
        raise NotImplementedError

    def audit_path(self, venue_symbol: str) -> str:
        """The request for a snapshot to compare a kept book with; empty where the venue has none without a key."""
        return ""

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of the answer to `audit_path`, best first, as (price, size) scaled, or a `BadFrame`."""
        raise BadFrame("an answer to an audit of a venue that has none", body)

    def venue_symbol(self, frame: bytes) -> str:
        """The instrument that a frame is about, empty when it names none; a glance, not a check."""
        raise NotImplementedError

    def cut(self, frame: bytes, kind: int, most_bytes: int = PIECE_BYTES) -> list[bytes]:
        """The frame in pieces of at most so many bytes, which together are the frame; none when it cannot be cut.

        A pure look at the bytes: it raises nothing, whatever they are. A decoder of this dialect reads each piece as
        it comes. `kind` is `FRAME_STREAM` or `FRAME_SNAPSHOT`. Unless a dialect says otherwise, it cuts nothing.
        """
        return []

    def message_type(self, frame: bytes) -> str:
        """The venue's own name of what a frame is, for counting: `depthUpdate`, `book`, `subscribed`; never raises."""
        raise NotImplementedError

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one instrument."""
        raise NotImplementedError

    def encoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Encoder:
        """A new encoder for one instrument."""
        raise NotImplementedError
