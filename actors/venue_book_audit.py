"""Where the shadow audit of one book stands: a fresh snapshot, asked for now and then, held against the kept book.

A snapshot by request is of no known moment: it may come from a cache, and the stream may be behind it or before it. So
only prices are compared that did not change meanwhile. Their noting begins `note` before the request, which covers an
answer older than its request, and the comparison waits for a frame that comes `note` after the answer and is not late,
which covers a stream that is behind: what the answer told, the stream has told by then. One difference is looked at
again at once; the second time in a row the book is wrong. Nothing here emits or asks.
"""

from __future__ import annotations

from typing import Final, cast, final

from mypy_extensions import i64

from market.frame_pieces import FramePieces

RESTING: Final = 0
NOTING: Final = 1
ASKED: Final = 2
SETTLING: Final = 3

MOST_DIFFERING: Final = 2
ANSWER_NS: Final = 30_000_000_000
"""An audit whose answer does not come within this time is given up."""

Levels = list[tuple[int, int]]


@final
class Audit:
    """See the head of this file."""

    def __init__(self) -> None:
        self.phase: i64 = RESTING
        # Which of the book's connections it is of.
        self.leg: i64 = 0
        self.answered_ns: i64 = 0
        self.bids: Levels = []
        self.asks: Levels = []
        self.pieces: Final = FramePieces()
        # How often in a row it differed.
        self.differing: i64 = 0
        self.done: i64 = 0
        self.given_up: i64 = 0
        self.levels: i64 = 0
        self.differences: i64 = 0

    def begin(self, leg: i64) -> None:
        """The noting begins."""
        self.phase = NOTING
        self.leg = leg
        self.pieces.clear()

    def take(self, bids: Levels, asks: Levels, now_ns: i64) -> None:
        """The answer has come."""
        self.phase = SETTLING
        self.answered_ns = now_ns
        self.bids = bids
        self.asks = asks

    def finish(self, levels: int, differences: int) -> None:
        """It was compared."""
        self.rest()
        self.done += 1
        self.levels += levels
        self.differences += differences
        self.differing = self.differing + 1 if differences > 0 else 0

    def give_up(self) -> None:
        """The book was lost meanwhile, or no usable answer came: this one says nothing."""
        if self.phase != RESTING:
            self.given_up += 1
        self.rest()

    def rest(self) -> None:
        """Nothing is under way."""
        self.phase = RESTING
        self.bids = []
        self.asks = []
        self.pieces.clear()

    def summary(self) -> dict[str, object]:
        """How many there were and what they found; empty without any."""
        if self.done == 0 and self.given_up == 0:
            return {}
        return {
            "audits": int(self.done),
            "audits_given_up": int(self.given_up),
            "audited_levels": int(self.levels),
            "audit_differences": int(self.differences),
        }

    def save(self) -> dict[str, object]:
        """Everything as plain data."""
        return {
            "bids": [[price, size] for price, size in self.bids],
            "asks": [[price, size] for price, size in self.asks],
            "pieces": self.pieces.save(),
            "numbers": [
                int(self.phase),
                int(self.leg),
                int(self.answered_ns),
                int(self.differing),
                int(self.done),
                int(self.given_up),
                int(self.levels),
                int(self.differences),
            ],
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.bids = [(one[0], one[1]) for one in cast("list[list[int]]", saved["bids"])]
        self.asks = [(one[0], one[1]) for one in cast("list[list[int]]", saved["asks"])]
        self.pieces.load(cast("dict[str, object]", saved["pieces"]))
        numbers = cast("list[int]", saved["numbers"])
        self.phase = numbers[0]
        self.leg = numbers[1]
        self.answered_ns = numbers[2]
        self.differing = numbers[3]
        self.done = numbers[4]
        self.given_up = numbers[5]
        self.levels = numbers[6]
        self.differences = numbers[7]
