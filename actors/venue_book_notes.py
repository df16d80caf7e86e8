"""What a venue book notes beside its books: trades that were told, and frames that nobody understood. It is bounded.

Trades come once over each connection, and again after a reconnect. One whose number is above every number before is
new; any other is new when it is not among the last `MOST_TRADES` that were told. So a trade that came in another order,
or on one connection only, is told, and one that came twice is told once, as long as the two are not further apart than
that many trades. A trade without a number is always told.
"""

from __future__ import annotations

from typing import Final, cast, final

from mypy_extensions import i64

MOST_TRADES: Final = 4_096
MOST_FRAMES: Final = 8
MOST_NAMES: Final = 32
SHOWN_BYTES: Final = 200
OTHERS: Final = "others"


@final
class SeenTrades:
    """Which trades of one instrument were told."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.ring: list[int] = []
        self.place: i64 = 0
        self.highest: i64 = 0
        self.doubled: i64 = 0

    def is_new(self, trade_id: i64) -> bool:
        """Whether a trade was not told yet; from now on it was."""
        if trade_id == 0:
            return True
        if trade_id > self.highest:
            self.highest = trade_id
        elif trade_id in self.seen:
            self.doubled += 1
            return False
        ring = self.ring
        if len(ring) < MOST_TRADES:
            ring.append(trade_id)
        else:
            place = self.place
            self.seen.discard(ring[place])
            ring[place] = trade_id
            self.place = place + 1 if place + 1 < MOST_TRADES else 0
        self.seen.add(trade_id)
        return True

    def begin(self) -> None:
        """A new run: nothing was told yet."""
        self.seen.clear()
        self.ring.clear()
        self.place = 0
        self.highest = 0

    def save(self) -> dict[str, object]:
        """The trades that count as told."""
        return {"ring": self.ring[:], "numbers": [int(self.place), int(self.highest), int(self.doubled)]}

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.ring = list(cast("list[int]", saved["ring"]))
        self.seen = set(self.ring)
        self.place, self.highest, self.doubled = cast("list[int]", saved["numbers"])


def without_numbers(text: str) -> str:
    """The text with `#` for each number, so that what differs by its numbers alone counts together."""
    shown: list[str] = []
    for letter in text:
        if "0" <= letter <= "9":
            if not shown or shown[len(shown) - 1] != "#":
                shown.append("#")
        else:
            shown.append(letter)
    return "".join(shown)


@final
class Names:
    """How often each of a bounded number of names came, numbers aside; what comes after those counts as `OTHERS`."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, name: str) -> None:
        """One more of a name."""
        counts = self.counts
        shown = without_numbers(name[:SHOWN_BYTES])
        if shown not in counts and len(counts) >= MOST_NAMES:
            shown = OTHERS
        counts[shown] = counts.get(shown, 0) + 1


@final
class Oddities:
    """Frames of one actor that did nothing: malformed ones with the last few of them, unknown types, refusals."""

    def __init__(self) -> None:
        self.malformed: i64 = 0
        self.frames: list[list[object]] = []
        self.unknown: Final = Names()
        self.passed_over: Final = Names()
        self.refusals: Final = Names()

    def take_malformed(self, connection_id: i64, receive_ns: i64, reason: str, frame: bytes) -> None:
        """Count a frame that could not be understood, and keep its beginning."""
        self.malformed += 1
        shown = frame[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        self.frames.append([int(connection_id), int(receive_ns), reason[: 2 * SHOWN_BYTES], shown])
        if len(self.frames) > MOST_FRAMES:
            del self.frames[0]

    def summary(self) -> dict[str, object]:
        """What there was of it; empty when all was well."""
        told: dict[str, object] = {}
        if self.malformed > 0:
            told["malformed"] = int(self.malformed)
            told["malformed_frames"] = [
                {"connection_id": one[0], "receive_ns": one[1], "reason": one[2], "frame": one[3]}
                for one in self.frames
            ]
        if self.unknown.counts:
            told["unknown_types"] = dict(self.unknown.counts)
        if self.passed_over.counts:
            told["passed_over"] = dict(self.passed_over.counts)
        if self.refusals.counts:
            told["refusals"] = dict(self.refusals.counts)
        return told

    def save(self) -> dict[str, object]:
        """Everything as plain data."""
        return {
            "malformed": int(self.malformed),
            "frames": [one[:] for one in self.frames],
            "unknown": dict(self.unknown.counts),
            "passed_over": dict(self.passed_over.counts),
            "refusals": dict(self.refusals.counts),
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.malformed = cast(int, saved["malformed"])
        self.frames = [list(one) for one in cast("list[list[object]]", saved["frames"])]
        self.unknown.counts = dict(cast("dict[str, int]", saved["unknown"]))
        self.passed_over.counts = dict(cast("dict[str, int]", saved["passed_over"]))
        self.refusals.counts = dict(cast("dict[str, int]", saved["refusals"]))
