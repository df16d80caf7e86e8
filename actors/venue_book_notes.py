"""What a venue book notes beside its books: trades that were told, and frames that nobody understood. It is bounded.

Trades come once over each connection, and again after a reconnect. One whose number is above every number before is
new; any other is new when it is not among the last `MOST_TRADES` that were told. So a trade that came in another order,
or on one connection only, is told, and one that came twice is told once, as long as the two are not further apart than
that many trades. A trade without a number is always told.
"""

from __future__ import annotations

from typing import Final, cast, final

from librt.vecs import vec
from mypy_extensions import i64

MOST_TRADES: Final = 4_096
TABLE_BITS: Final = 13
TABLE_PLACES: Final = 8_192
MOST_FRAMES: Final = 8
MOST_NAMES: Final = 32
SHOWN_BYTES: Final = 200
OTHERS: Final = "others"


@final
class SeenTrades:
    """Which trades of one instrument were told: a ring in their order, and a table to find them in.

    Both have a fixed size. A set would be made anew, half a megabyte of it, each time that some thousands had come and
    gone, in the middle of whatever the lane was doing.
    """

    def __init__(self) -> None:
        self.ring: vec[i64] = vec[i64]([0] * MOST_TRADES)
        # Each number where its lower bits say, or in the next place that is free; 0 is free.
        self.table: vec[i64] = vec[i64]([0] * TABLE_PLACES)
        self.count: i64 = 0
        self.place: i64 = 0
        self.highest: i64 = 0
        self.doubled: i64 = 0

    def is_new(self, trade_id: i64) -> bool:
        """Whether a trade was not told yet; from now on it was."""
        if trade_id == 0:
            return True
        if trade_id > self.highest:
            self.highest = trade_id
        elif self.table[place_in(self.table, trade_id)] != 0:
            self.doubled += 1
            return False
        self.note(trade_id)
        return True

    def note(self, trade_id: i64) -> None:
        """Count a trade as told, and forget the oldest one when there are too many."""
        place = self.place
        if self.count < MOST_TRADES:
            place = self.count
            self.count += 1
        else:
            free(self.table, place_in(self.table, self.ring[place]))
            self.place = place + 1 if place + 1 < MOST_TRADES else 0
        self.ring[place] = trade_id
        self.table[place_in(self.table, trade_id)] = trade_id

    def begin(self) -> None:
        """A new run: nothing was told yet."""
        self.table = vec[i64]([0] * TABLE_PLACES)
        self.count = 0
        self.place = 0
        self.highest = 0

    def save(self) -> dict[str, object]:
        """The trades that count as told."""
        return {
            "ring": [int(trade_id) for trade_id in self.ring[: self.count]],
            "numbers": [int(self.place), int(self.highest), int(self.doubled)],
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.begin()
        for trade_id in cast("list[int]", saved["ring"]):
            self.note(trade_id)
        self.place, self.highest, self.doubled = cast("list[int]", saved["numbers"])


def home_of(trade_id: i64) -> i64:
    """The place in the table at which a number is looked for first; those of one market come one after the other."""
    return (trade_id ^ (trade_id >> TABLE_BITS)) & (TABLE_PLACES - 1)


def place_in(table: vec[i64], trade_id: i64) -> i64:
    """Where a number stands in the table, or the free place where it would."""
    place = home_of(trade_id)
    while table[place] != 0 and table[place] != trade_id:
        place = (place + 1) & (TABLE_PLACES - 1)
    return place


def free(table: vec[i64], place: i64) -> None:
    """Take a number out, and move up those behind it that would not be found any more."""
    following = place
    while True:
        following = (following + 1) & (TABLE_PLACES - 1)
        number = table[following]
        if number == 0:
            table[place] = 0
            return
        # It may stand in the gap unless its home lies between the gap, not counted, and where it stands.
        if ((following - home_of(number)) & (TABLE_PLACES - 1)) >= ((following - place) & (TABLE_PLACES - 1)):
            table[place] = number
            place = following


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
