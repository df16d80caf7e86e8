"""A dialect for tests whose frames say themselves what they mean: `SYMBOL OUTCOME key=value ...`, one after the other.

`* ...` is for every instrument, `? ...` for none, `! ...` shows that messages of the connection are missing. A frame
whose outcome begins with `bad` is refused. `snapshot` begins a book, `change` sets a level of it, every other outcome
is named as in `market.dialect`.
"""

from __future__ import annotations

from typing import ClassVar

from market.bounded_book import BoundedBook
from market.dialect import (
    ALIVE,
    BAD_CHECKSUM,
    BOOK_CHANGED,
    BY_CONNECTION,
    BY_SUBSCRIPTION,
    FOR_ALL,
    FOR_NONE,
    FOR_ONE,
    GAP,
    HELD,
    IGNORED,
    LOST,
    OUTCOME_NAMES,
    QUOTED,
    STATUS,
    TRADED,
    UNKNOWN_TYPE,
    BadFrame,
    Decoder,
    Dialect,
    Router,
)
from market.messages import BUY, SELL


class ScriptedDecoder(Decoder):
    """Does what the frames say."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = BoundedBook()
        self.book = self.kept.book

    def audited(self) -> BoundedBook | None:
        """The book."""
        return self.kept

    def apply(self, frame: bytes) -> int:
        """One frame."""
        words = frame.decode().split()
        if words[1].startswith("bad") and words[1] != "bad_checksum":
            raise BadFrame("it says so", frame)
        fields = {key: int(value) for key, _, value in (word.partition("=") for word in words[2:])}
        self.cause = f"scripted {words[1]}"
        return self.follow(words[1], fields)

    def apply_snapshot(self, frame: bytes) -> int:
        """The same."""
        return self.apply(frame)

    def follow(self, what: str, fields: dict[str, int]) -> int:
        """Do it."""
        if what == "snapshot":
            self.kept.clear()
            self.book.set_level(BUY, fields.get("bid", 100), 5)
            self.book.set_level(SELL, fields.get("ask", 110), 5)
            self.live, self.update_id, self.holding = True, fields.get("id", 1), False
            return BOOK_CHANGED
        if what == "change":
            if not self.live:
                return IGNORED
            side = BUY if "bid" in fields else SELL
            self.book.set_level(side, fields.get("bid") or fields["ask"], fields.get("size", 5))
            self.update_id = fields.get("id", self.update_id + 1)
            self.holding = fields.get("holding", 0) == 1
            return BOOK_CHANGED
        outcome = OUTCOME_NAMES.index(what.replace("_", " "))
        if outcome in (GAP, BAD_CHECKSUM):
            self.reset()
        elif outcome == HELD:
            self.holding = True
        elif outcome == TRADED:
            self.trade_count = 0
            self.add_trade(fields["id"], 100, 1, BUY, 0)
        elif outcome == QUOTED:
            self.quoted_update_id = fields["id"]
            self.quoted_bid_price, self.quoted_ask_price = fields["bid"], fields["ask"]
            self.quoted_bid_size = self.quoted_ask_size = 5
        elif outcome == STATUS:
            self.status = fields["status"]
        else:
            assert outcome in (ALIVE, IGNORED, UNKNOWN_TYPE)
        return outcome

    def give_up(self) -> int:
        """What was held counts as lost."""
        if not self.holding:
            return IGNORED
        self.reset()
        self.cause = "given up"
        return GAP

    def reset(self) -> None:
        """Forget the book."""
        self.kept.clear()
        self.live = self.holding = False

    def save(self) -> dict[str, object]:
        """Nothing that a test needs."""
        return {}

    def load(self, saved: dict[str, object]) -> None:
        """Nothing was saved."""


class ScriptedRouter(Router):
    """Routes by the first word."""

    def route(self, frame: bytes) -> int:
        """For whom a frame is."""
        self.symbol = frame.decode().split()[0]
        self.cause = f"scripted {self.symbol}"
        return {"*": FOR_ALL, "?": FOR_NONE, "!": LOST}.get(self.symbol, FOR_ONE)


class Scripted(Dialect):
    """Snapshots come by request, and nothing is numbered over a connection."""

    @property
    def venue(self) -> str:
        """Its name."""
        return "scripted"

    def venue_symbol(self, frame: bytes) -> str:
        """The first word."""
        return frame.decode().split()[0]

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A decoder of such frames."""
        return ScriptedDecoder()

    def audit_path(self, venue_symbol: str) -> str:
        """There are audits."""
        return "/audit"

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """`bid ask`, of size 5 each."""
        bid, ask = body.split()
        return [(int(bid), 5)], [(int(ask), 5)]


class ScriptedLine(Scripted):
    """Messages are numbered over a connection, which is the only way to a new book."""

    recovery: ClassVar[int] = BY_CONNECTION
    is_numbered_by_book: ClassVar[bool] = False

    def router(self) -> Router:
        """One that sees what is missing."""
        return ScriptedRouter(self)


class ScriptedUnnumbered(Scripted):
    """Nothing shows that a message is missing; the second word of a frame is its type."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
    is_numbered_by_book: ClassVar[bool] = False
    sees_missing: ClassVar[bool] = False
    beside_books: ClassVar[tuple[str, ...]] = ("traded", "bad-trade")

    def venue_symbol(self, frame: bytes) -> str:
        """The first word, unless it is for all."""
        name = super().venue_symbol(frame)
        return "" if name == "*" else name

    def message_type(self, frame: bytes) -> str:
        """What it is called."""
        return frame.decode().split()[1]


class ScriptedStream(ScriptedLine):
    """The same, but a new subscription brings a new book."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
