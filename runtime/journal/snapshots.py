"""Snapshots: the state of every actor of a lane after a given input, as plain data in one checked file each.

A snapshot is written under another name, flushed and renamed, so a crash leaves the old ones or one more, never half
of one. It is never ahead of the journal: the records up to its number are made durable first. The newest one that
checks is used; damaged ones are named and passed over. Only JSON's own types go in, because anything else would come
back as something different.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re

import attrs

from runtime.journal.durability import Durability
from runtime.journal.errors import SnapshotFailed, SnapshotNotPlain
from runtime.journal.segments import SEQUENCE_DIGITS
from runtime.journal.storage import Storage

FORMAT_VERSION = 1
KEEP = 3
_PREFIX = "snapshot-"
_SUFFIX = ".json"
_UNFINISHED = ".unfinished"
_NAME = re.compile(rf"{_PREFIX}([0-9]{{{SEQUENCE_DIGITS}}}){re.escape(_SUFFIX)}", re.ASCII)
_MARK = "hftrun-snapshot"


@attrs.frozen
class Snapshot:
    """The state after input `sequence`: digest and decision count as they were then, and every actor's `save()`."""

    lane: str
    sequence: int
    time_ns: int
    digest: int
    count: int
    schema_fingerprint: str
    build: str
    state: dict[str, object]


@attrs.frozen
class EncodedSnapshot:
    """A snapshot as its file will have it, so that nothing that happens after it can change it."""

    sequence: int
    data: bytes


@attrs.frozen
class SkippedSnapshot:
    """A snapshot that was there and not used, and why."""

    name: str
    reason: str


@attrs.frozen
class FoundSnapshot:
    """The newest usable snapshot, if any, and those that were passed over to get to it."""

    snapshot: Snapshot | None
    skipped: tuple[SkippedSnapshot, ...]


class _Unusable(Exception):
    """Why one file is no good snapshot."""


def snapshot_name(sequence: int) -> str:
    """The file name of the snapshot after this input."""
    return f"{_PREFIX}{sequence:0{SEQUENCE_DIGITS}d}{_SUFFIX}"


def check_plain(value: object, path: str = "$") -> None:
    """Raise `SnapshotNotPlain` unless JSON gives back exactly this value.

    Tuples, enums, bytes and keys that are no text would be changed or refused; so would subclasses of plain types.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return
    if kind is list:
        assert isinstance(value, list)
        for index, item in enumerate(value):
            check_plain(item, f"{path}[{index}]")
        return
    if kind is dict:
        assert isinstance(value, dict)
        for key, item in value.items():
            if type(key) is not str:
                raise SnapshotNotPlain(f"{path} has the key {key!r} of type {type(key).__name__}: use text keys")
            check_plain(item, f"{path}.{key}")
        return
    raise SnapshotNotPlain(
        f"{path} is a {kind.__qualname__}: save() must return only None, bool, int, float, str, list and dict"
    )


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The file of a snapshot: one line with format, checksum and length of the rest, then one line of JSON."""
    check_plain(snapshot.state)
    document = {
        "lane": snapshot.lane,
        "sequence": snapshot.sequence,
        "time_ns": snapshot.time_ns,
        "digest": snapshot.digest,
        "count": snapshot.count,
        "schema_fingerprint": snapshot.schema_fingerprint,
        "build": snapshot.build,
        "state": snapshot.state,
    }
    try:
        text = json.dumps(document, separators=(",", ":"))
    except ValueError as error:
        # The interpreter refuses to write integers of more than some thousand digits, and so to read them back.
        raise SnapshotNotPlain(f"the state cannot be written: {error}") from error
    body = text.encode("ascii") + b"\n"
    head = f"{_MARK} {FORMAT_VERSION} {hashlib.sha256(body).hexdigest()} {len(body)}\n"
    return head.encode("ascii") + body


def decode_snapshot(data: bytes) -> Snapshot:
    """The snapshot in these bytes; raises with the reason when they are not exactly what was written."""
    head, newline, body = data.partition(b"\n")
    parts = head.split(b" ")
    if not newline or len(parts) != 4 or parts[0] != _MARK.encode("ascii"):
        raise _Unusable("its first line is no snapshot header")
    if parts[1] != str(FORMAT_VERSION).encode("ascii"):
        raise _Unusable(f"it has format {parts[1].decode('ascii', 'replace')}, this build reads {FORMAT_VERSION}")
    if parts[3] != str(len(body)).encode("ascii"):
        raise _Unusable(f"it has {len(body)} bytes, its header says {parts[3].decode('ascii', 'replace')}")
    if parts[2] != hashlib.sha256(body).hexdigest().encode("ascii"):
        raise _Unusable("its SHA-256 does not match")
    document = json.loads(body)
    return Snapshot(**document)


class SnapshotStore:
    """The snapshots of one lane, beside its journal."""

    def __init__(self, storage: Storage, *, lane: str, schema_fingerprint: str, keep: int = KEEP) -> None:
        if keep < 1:
            raise ValueError("at least one snapshot is kept")
        self._storage = storage
        self._lane = lane
        self._schema_fingerprint = schema_fingerprint
        self._keep = keep

    async def save(self, snapshot: EncodedSnapshot, durability: Durability) -> None:
        """Keep a snapshot, behind the journal that it belongs to; the actors go on while the disk works."""
        durability.writer.hand_over()
        await durability.make_durable()
        await durability.run_blocking(functools.partial(self.store, snapshot.sequence, snapshot.data))

    def store(self, sequence: int, data: bytes) -> None:
        """Write an encoded snapshot and let go of the oldest; blocks until it lasts."""
        name = snapshot_name(sequence)
        try:
            self._put(name, data)
        except OSError as error:
            self._clear_quietly()
            raise SnapshotFailed(
                f"snapshot {self._storage.describe(name)} could not be kept: {error.strerror or error}. The journal "
                f"and the older snapshots are untouched; free space or check the disk, a later snapshot will do"
            ) from error

    def _put(self, name: str, data: bytes) -> None:
        storage = self._storage
        self._clear_unfinished()
        file = storage.create(name + _UNFINISHED)
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()
        storage.rename(name + _UNFINISHED, name)
        storage.sync_directory()
        for old in self._names()[: -self._keep]:
            storage.remove(old)

    def newest(self, at_most: int) -> FoundSnapshot:
        """The newest usable snapshot of an input up to `at_most`, the last number of the journal."""
        skipped: list[SkippedSnapshot] = []
        for name in reversed(self._names()):
            try:
                snapshot = self._open(name, at_most)
            except _Unusable as reason:
                skipped.append(SkippedSnapshot(self._storage.describe(name), str(reason)))
            else:
                return FoundSnapshot(snapshot, tuple(skipped))
        return FoundSnapshot(None, tuple(skipped))

    def oldest_kept(self) -> int:
        """The input of the oldest snapshot that is kept, 0 without any; segments wholly before it may go."""
        names = self._names()
        return _sequence_of(names[0]) if names else 0

    def set_aside(self, at_most: int) -> list[str]:
        """Remove unfinished snapshots and archive those ahead of the journal; the names archived.

        Called once, before a journal that was cut goes on: when it has grown past the number of such a snapshot, that
        would look usable, and tell of inputs that are not in the journal.
        """
        self._clear_unfinished()
        ahead = [name for name in self._names() if _sequence_of(name) > at_most]
        for name in ahead:
            self._storage.archive(name)
        if ahead:
            self._storage.sync_directory()
        return ahead

    def _clear_unfinished(self) -> None:
        for name in self._storage.list():
            if name.startswith(_PREFIX) and name.endswith(_UNFINISHED):
                self._storage.remove(name)

    def _clear_quietly(self) -> None:
        # The disk has just failed and that is being told: whether the leftover goes now or at the next start is moot.
        with contextlib.suppress(OSError):
            self._clear_unfinished()

    def _open(self, name: str, at_most: int) -> Snapshot:
        sequence = _sequence_of(name)
        if sequence > at_most:
            raise _Unusable(f"it is ahead of the journal, which ends at {at_most}")
        snapshot = decode_snapshot(self._storage.read(name, 0, self._storage.size(name)))
        if snapshot.sequence != sequence:
            raise _Unusable(f"it is of input {snapshot.sequence}, its name says {sequence}")
        if snapshot.lane != self._lane:
            raise _Unusable(f"it belongs to lane {snapshot.lane!r}, not to {self._lane!r}")
        if snapshot.schema_fingerprint != self._schema_fingerprint:
            raise _Unusable(f"it was written with message schema {snapshot.schema_fingerprint}")
        return snapshot

    def _names(self) -> list[str]:
        return [name for name in self._storage.list() if _NAME.fullmatch(name)]


def _sequence_of(name: str) -> int:
    return int(name[len(_PREFIX) : -len(_SUFFIX)])
