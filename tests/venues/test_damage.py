"""One damage at a time: a record dropped, doubled, swapped with its neighbour, or with one digit changed.

Each is made at every tenth frame of every recording (a sample in a quick run) and followed until the venue's rule has
seen it, the damaged book is the true one again, or it is live and wrong with nobody to say so. The last is allowed only
where `docs/verifying.md` says that the rule cannot see it, and the first difference of the two books must be there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import pytest

from market.dialect import Decoder
from market.messages import Message, RawFrame
from runtime.faults import parse_faults
from runtime.feed_faults import FeedFaults
from tests.seeds import SOAK, seeds
from tests.venues.verified import RECORDED, Recorded, records_of, surveyed
from venues.damaged import DamagedVerification
from venues.recordings import FRAME, Record
from venues.rules import RULES
from venues.verification import Verification

DROP: Final = "drop"
DOUBLE: Final = "double"
SWAP: Final = "swap"
DIGIT: Final = "digit"
KINDS: Final = (DROP, DOUBLE, SWAP, DIGIT)

SEEN: Final = "seen"
HARMLESS: Final = "harmless"
SILENT: Final = "silent"
AT_THE_END: Final = "at the end"

# What may be wrong in silence: a changed digit of a price or size is well formed, and without a checksum nobody can
# tell; where changes are not numbered, a lost or displaced one that lies beyond the levels of the checksum.
ALWAYS_ALLOWED: Final = {DIGIT}
UNNUMBERED_ALLOWED: Final = {DIGIT, DROP, SWAP}

EVERY: Final = 10
FEW_POSITIONS: Final = 5
FEW_RECORDS: Final = 1_000
# Books of 12,000 levels take their time to copy.
FEW_LARGE: Final = 200
# A damage is followed for so many records at least, and at most.
FEWEST_AFTER: Final = 12
MOST_AFTER: Final = 4_000
# Comparing whole books takes its time.
LOOK_EVERY: Final = 4


class OneDamage:
    """Damages the first frame that it is given, and no other."""

    def __init__(self, kind: str, seed: int) -> None:
        self.disconnects = False
        self._kind = kind
        self._randomness = random.Random(seed)
        self._is_done = False
        self._waiting: RawFrame | None = None

    def apply(self, messages: Sequence[Message], now_ns: int) -> list[Message]:
        """What comes instead of these messages."""
        out: list[Message] = []
        for message in messages:
            if not isinstance(message, RawFrame):
                continue
            if not self._is_done:
                self._is_done = True
                out += self._damaged(message)
            else:
                out.append(message)
                if self._waiting is not None and self._waiting.connection_id == message.connection_id:
                    out.append(self._waiting)
                    self._waiting = None
        return out

    def _damaged(self, frame: RawFrame) -> list[Message]:
        if self._kind == DROP:
            return []
        if self._kind == DOUBLE:
            return [frame, frame]
        if self._kind == SWAP:
            self._waiting = frame
            return []
        data = bytearray(frame.data)
        places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
        if places:
            at = self._randomness.choice(places)
            data[at] = 48 + (data[at] - 48 + self._randomness.randrange(1, 10)) % 10
        return [RawFrame(frame.connection_id, frame.kind, frame.instrument_id, frame.receive_ns, bytes(data))]


@attrs.frozen
class Verdict:
    """What became of one damage."""

    kind: str
    position: int
    outcome: str
    # Whether the damaged frame changed a book that was there.
    is_change: bool
    level: int = 0

    def __str__(self) -> str:
        """Where to look."""
        return f"{self.kind} at record {self.position}: {self.outcome}, from level {self.level}"


def judge(recorded: Recorded, before: Verification, records: list[tuple[Path, Record]], at: int, kind: str) -> Verdict:
    """Damage the record at this place, and follow it."""
    venue, found = surveyed(recorded)
    connection = records[at][1].connection
    pair = DamagedVerification(venue, found, recorded.paths(), OneDamage(kind, at))
    pair.copy_from(before, [connection])
    changes = _changes(pair.truth)
    is_change = False
    for number, (path, record) in enumerate(records[at : at + MOST_AFTER]):
        pair.take(path, record)
        if number == 0:
            is_change = _changes(pair.truth) > changes
        if pair.told.silent:
            return Verdict(kind, at, SILENT, is_change, min(pair.told.silent_levels))
        if _is_seen(pair):
            return Verdict(kind, at, SEEN, is_change)
        if number >= FEWEST_AFTER and number % LOOK_EVERY == 0 and _is_healed(pair, connection):
            return Verdict(kind, at, HARMLESS, is_change)
    pair.finish()
    if _is_seen(pair):
        return Verdict(kind, at, SEEN, is_change)
    return Verdict(kind, at, HARMLESS if _is_healed(pair, connection) else AT_THE_END, is_change)


def _changes(verification: Verification) -> int:
    return sum(
        kept.report.deltas_applied
        for symbols in verification.kept.values()
        for kept in symbols.values()
    )


def _is_seen(pair: DamagedVerification) -> bool:
    report = pair.report
    return bool(report.lost or report.malformed or report.strays) or any(
        book.gaps or book.checksums_failed or book.crossed or (book.top_disagreed and not book.is_partial)
        or book.resyncs
        for book in (kept.report for symbols in pair.kept.values() for kept in symbols.values())
    )  # fmt: skip


def _is_healed(pair: DamagedVerification, connection: str) -> bool:
    return all(
        _is_same(kept.decoder, pair.truth.book(connection, kept.report.symbol).decoder)
        for kept in pair.of_connection(connection)
    )


def _is_same(one: Decoder, other: Decoder) -> bool:
    is_level = one.live == other.live and one.update_id == other.update_id
    return is_level and one.book.save() == other.book.save()


def verdicts(recorded: Recorded) -> tuple[list[Verdict], bool]:
    """What became of every damage at the sampled frames of a recording, and whether it holds checksums."""
    venue, found = surveyed(recorded)
    records = list(records_of(recorded, None if SOAK else FEW_RECORDS))
    frames = [at for at, (_, record) in enumerate(records) if record.kind == FRAME][::EVERY]
    if not SOAK:
        frames = frames[:: max(1, len(frames) // FEW_POSITIONS)]
    wanted = set(frames)
    before = Verification(venue, found, recorded.paths())
    told = []
    for at, (path, record) in enumerate(records):
        if at in wanted:
            told += [judge(recorded, before, records, at, kind) for kind in KINDS]
        before.take(path, record)
    return told, any(book.checksums_passed for book in before.finish().books)


@pytest.mark.parametrize("recorded", RECORDED, ids=str)
def test_every_damage_is_seen_or_known_to_be_invisible(recorded: Recorded) -> None:
    """No damaged book is live and wrong but where the venue's rule cannot know, which the page of the command says."""
    rule = RULES[recorded.venue]
    kinds = ALWAYS_ALLOWED if rule.sees_every_loss else UNNUMBERED_ALLOWED
    told, has_checksums = verdicts(recorded)
    checked = rule.checked_levels if has_checksums else 0
    assert len(told) >= 4 * FEW_POSITIONS
    silent = [one for one in told if one.outcome == SILENT]
    assert [str(one) for one in silent if one.kind not in kinds or one.level <= checked] == []
    if rule.sees_every_loss:
        missed = [one for one in told if one.kind == DROP and one.is_change and one.outcome == HARMLESS]
        assert [str(one) for one in missed] == []
    # A second copy never matters.
    counts = Counter((one.kind, one.outcome) for one in told)
    assert counts[(DOUBLE, SILENT)] == counts[(DOUBLE, AT_THE_END)] == 0


class Unharmed:
    """Damages nothing."""

    disconnects = False

    def apply(self, messages: Sequence[Message], now_ns: int) -> list[Message]:
        """The messages."""
        return list(messages)


_UNWATCHED: Final = {"bitfinex": 40}
EVERYTHING: Final = (
    "drop:feed:rate=0.02,duplicate:feed:rate=0.02,reorder:feed:rate=0.02,delay:feed:rate=0.02:ms=300,"
    "corrupt:feed:rate=0.02,stall:feed:rate=0.01:ms=500,disconnect:feed:rate=0.005,seed="
)


@pytest.mark.parametrize("recorded", RECORDED, ids=str)
def test_under_all_faults_at_once_no_book_is_wrong_in_silence(recorded: Recorded) -> None:
    """Whatever comes of the frames is seen, and every book comes back; a checksum sees its levels and no more."""
    venue, found = surveyed(recorded)
    rule = RULES[recorded.venue]
    for seed in seeds(1, 10):
        faults = parse_faults(f"{EVERYTHING}{seed}")
        injected = FeedFaults("feed", faults.feeds, faults.seed)
        pair = DamagedVerification(venue, found, recorded.paths(), injected)
        most = FEW_LARGE if recorded.venue == "coinbase" else FEW_RECORDS
        for number, (path, record) in enumerate(records_of(recorded, most)):
            # The reply that switches numbering on has no number: Bitfinex's rule holds from there on.
            if number < _UNWATCHED.get(recorded.venue, 0):
                pair.faults, harmed = Unharmed(), pair.faults
                pair.take(path, record)
                pair.faults = harmed
            else:
                pair.take(path, record)
        # What waits for a frame that was lost is behind, and given up in time; nothing else is down.
        assert all(
            kept.decoder.live == pair.truth.book(connection, kept.report.symbol).decoder.live
            for connection in found.symbols
            for kept in pair.of_connection(connection)
        )
        pair.finish()
        assert pair.told.injected.total() > 0
        if rule.sees_every_loss:
            assert pair.told.samples == []
        else:
            assert all(level > rule.checked_levels for level in pair.told.silent_levels)
