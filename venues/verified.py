"""What a verification found, as plain records: of all recordings together, and of each book.

A book is what one connection told of one instrument. Nothing here decides; `venues/verification.py` fills it in.
"""

from __future__ import annotations

from collections import Counter

import attrs

MOST_SAMPLES = 5
SHOWN_BYTES = 120


@attrs.frozen
class Place:
    """A place in a recording."""

    file: str
    line: int
    receive_ns: int = 0

    def __str__(self) -> str:
        """The place as people look for it."""
        return f"{self.file}, line {self.line}"


@attrs.frozen
class Sample:
    """One thing that went wrong, for looking at."""

    what: str
    reason: str
    place: Place
    frame: str = ""


@attrs.define
class BookReport:
    """One book, and what was told of its instrument beside it."""

    symbol: str
    connection: str
    price_scale: int
    size_scale: int
    frames: int = 0
    snapshots: int = 0
    deltas_applied: int = 0
    # Deltas that waited for a snapshot, or for one that was missing before them.
    deltas_kept: int = 0
    deltas_old: int = 0
    # Deltas that came before any snapshot did, where snapshots come in the stream.
    deltas_before_snapshot: int = 0
    trades: int = 0
    quotes: int = 0
    gaps: Counter[str] = attrs.field(factory=Counter)
    resyncs: int = 0
    checksums_passed: int = 0
    checksums_failed: int = 0
    crossed: int = 0
    top_agreed: int = 0
    top_disagreed: int = 0
    # Where it was known first, and whether a snapshot said so or only what changed since is known.
    known_from: Place | None = None
    known_from_update_id: int = 0
    is_partial: bool = False
    top_agreed_from: Place | None = None
    live: bool = False
    # Whether it was live until its connection ended; then what follows is the book at that time.
    has_ended: bool = False
    update_id: int = 0
    best_bid: tuple[str, str] | None = None
    best_ask: tuple[str, str] | None = None
    bid_levels: int = 0
    ask_levels: int = 0

    @property
    def is_book(self) -> bool:
        """Whether anything of a book was told, not trades or best prices alone."""
        told = self.snapshots + self.deltas_applied + self.deltas_kept + self.deltas_before_snapshot
        return told + self.gaps.total() + self.checksums_failed > 0

    @property
    def failures(self) -> list[str]:
        """What failed, in words."""
        told = [
            (self.gaps.total(), "gap"),
            (self.checksums_failed, "failed checksum"),
            (self.crossed, "crossed book"),
            (0 if self.is_partial else self.top_disagreed, "disagreement"),
        ]
        words = [_count(count, what) for count, what in told if count]
        if self.top_disagreed and not self.is_partial:
            words[-1] += " with best bid and ask"
        if self.is_book and self.known_from is None:
            words.append("never known: no snapshot of it is recorded")
        return words


@attrs.define
class Report:
    """All of it."""

    venue: str
    files: tuple[str, ...]
    records: int = 0
    frames: int = 0
    answers: int = 0
    sent: int = 0
    connections: int = 0
    first_ns: int = 0
    last_ns: int = 0
    depth: int = 0
    scales_from: str = ""
    types: Counter[str] = attrs.field(factory=Counter)
    unknown: Counter[str] = attrs.field(factory=Counter)
    # Where messages of a whole connection are missing, by its own numbering.
    lost: Counter[str] = attrs.field(factory=Counter)
    passed_over: Counter[str] = attrs.field(factory=Counter)
    refused: Counter[str] = attrs.field(factory=Counter)
    statuses: Counter[str] = attrs.field(factory=Counter)
    malformed: int = 0
    strays: int = 0
    samples: list[Sample] = attrs.field(factory=list)
    damage: str = ""
    books: list[BookReport] = attrs.field(factory=list)

    def note(self, what: str, reason: str, place: Place, frame: bytes = b"") -> None:
        """Keep one of the first things that went wrong."""
        if len(self.samples) < MOST_SAMPLES:
            shown = frame[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
            self.samples.append(Sample(what, reason, place, shown))

    @property
    def failures(self) -> list[str]:
        """Everything that failed, in words; empty when all is well."""
        words = [f"{book.symbol}: {what}" for book in self.books for what in book.failures]
        if self.lost:
            words.append(f"{_count(self.lost.total(), 'time')} messages of a connection were missing")
        if self.malformed:
            words.append(_count(self.malformed, "malformed frame"))
        if self.strays:
            words.append(f"{_count(self.strays, 'frame')} of instruments that nothing else tells of")
        if self.damage:
            words.append(f"damage: {self.damage}")
        if not self.frames:
            words.append("there is no frame in it")
        return words


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
