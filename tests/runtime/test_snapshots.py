"""Snapshots: exact, checked, the newest good one wins, a crash never costs an older one."""

from __future__ import annotations

import math
from enum import IntEnum
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.journal.durability import Durability, DurabilitySetting
from runtime.journal.errors import SnapshotFailed, SnapshotNotPlain
from runtime.journal.snapshots import (
    EncodedSnapshot,
    Snapshot,
    SnapshotStore,
    decode_snapshot,
    encode_snapshot,
    snapshot_name,
)
from runtime.journal.storage import DirectoryStorage
from tests.seeds import SOAK, examples, seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.journals import draw_records, make_writer, read_all, run_here, write_all

LAST = 1 << 62

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def snapshot(sequence: int, **state: object) -> Snapshot:
    """A snapshot of the lane `main`."""
    return Snapshot("main", sequence, 5, -(2**63), 7, "schema-1", "build-1", state)


def store_in(disk: SimulatedDisk, *, keep: int = 3) -> SnapshotStore:
    """The snapshots of the lane `main` on this disk."""
    return SnapshotStore(disk, lane="main", schema_fingerprint="schema-1", keep=keep)


def put(store: SnapshotStore, value: Snapshot) -> None:
    """Keep a snapshot, blocking."""
    store.store(value.sequence, encode_snapshot(value))


def same(left: object, right: object) -> bool:
    """Equal in value and in type all the way down, zeros with their signs."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return left == right


@settings(max_examples=examples(100, 1_000), deadline=None)
@given(plain)
def test_plain_data_comes_back_exactly(value: object) -> None:
    """Integers of any size, floats to the last bit, texts of any kind, the order of keys: all as it was."""
    found = decode_snapshot(encode_snapshot(snapshot(9, actor=value)))
    assert same(found.state["actor"], value)
    assert attrs.evolve(found, state={}) == snapshot(9)


class Colour(IntEnum):
    """An integer that is more than an integer."""

    RED = 1


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ((1, 2), r"\$\.actor is a tuple"),
        ([0, {"levels": [b"x"]}], r"\$\.actor\[1\]\.levels\[0\] is a bytes"),
        ({1: "x"}, r"\$\.actor has the key 1 of type int"),
        (Colour.RED, r"\$\.actor is a Colour"),
        ({"a": {1, 2}}, r"\$\.actor\.a is a set"),
        pytest.param(10**5000, "cannot be written", id="too many digits"),
    ],
)
def test_what_would_come_back_changed_is_refused_with_its_place(value: object, place: str) -> None:
    """An actor whose `save()` gives more than plain data hears where, when it saves and not when it recovers."""
    with pytest.raises(SnapshotNotPlain, match=place):
        encode_snapshot(snapshot(1, actor=value))


def test_the_newest_is_used_and_the_last_few_are_kept() -> None:
    """Of many snapshots the newest is found, and only as many files stay as were asked for."""
    disk = SimulatedDisk(1)
    store = store_in(disk, keep=3)
    assert store.newest(LAST).snapshot is None
    assert store.oldest_kept() == 0
    for sequence in (5, 10, 15, 20, 25):
        put(store, snapshot(sequence, n=sequence))
    assert disk.list() == [snapshot_name(sequence) for sequence in (15, 20, 25)]
    found = store.newest(LAST)
    assert found.snapshot == snapshot(25, n=25)
    assert found.skipped == ()
    assert store.oldest_kept() == 15
    assert store.newest(24).snapshot == snapshot(20, n=20)


@pytest.mark.parametrize("seed", seeds(1, 3))
def test_a_damaged_snapshot_is_named_and_the_older_one_used(seed: int) -> None:
    """Any flipped bit and any cut is noticed: the snapshot is passed over by name, never loaded changed."""
    disk = SimulatedDisk(seed)
    store = store_in(disk)
    put(store, snapshot(5, a=[1, 2]))
    put(store, snapshot(9, a=[1, 2, 3.5]))
    name = snapshot_name(9)
    data = disk.read(name, 0, disk.size(name))
    bits = range(len(data) * 8) if SOAK else disk.random.sample(range(len(data) * 8), 300)
    for bit in bits:
        disk.flip_bit(name, bit)
        found = store.newest(LAST)
        assert found.snapshot == snapshot(5, a=[1, 2])
        assert [skipped.name for skipped in found.skipped] == [name]
        disk.flip_bit(name, bit)
    for length in range(len(data)):
        disk.replace(name, data[:length])
        assert store.newest(LAST).snapshot == snapshot(5, a=[1, 2])
    disk.replace(name, data + b"\n")
    assert "bytes, its header says" in store.newest(LAST).skipped[0].reason


def test_a_snapshot_from_elsewhere_is_passed_over_with_the_reason() -> None:
    """Another lane, another schema, another number than its name, or one ahead of the journal: each is named."""
    disk = SimulatedDisk(1)
    store = store_in(disk, keep=9)
    good = snapshot(1)
    put(store, good)
    put(store, attrs.evolve(snapshot(2), lane="other"))
    put(store, attrs.evolve(snapshot(3), schema_fingerprint="old"))
    store.store(4, encode_snapshot(snapshot(7)))
    put(store, snapshot(50))
    found = store.newest(10)
    assert found.snapshot == good
    reasons = [skipped.reason for skipped in found.skipped]
    expected = ["ahead of the journal, which ends at 10", "of input 7", "message schema old", "lane 'other'"]
    assert len(reasons) == len(expected)
    for reason, words in zip(reasons, expected, strict=True):
        assert words in reason


def test_snapshots_ahead_of_the_journal_are_set_aside() -> None:
    """When a journal goes on from a cut, a snapshot of what was cut must never look usable again."""
    disk = SimulatedDisk(1)
    store = store_in(disk)
    put(store, snapshot(5))
    put(store, snapshot(9))
    disk.create(snapshot_name(11) + ".unfinished").close()
    assert store.set_aside(7) == [snapshot_name(9)]
    assert disk.list() == [snapshot_name(5)]
    assert list(disk.archived) == [snapshot_name(9)]


async def test_a_snapshot_is_never_ahead_of_the_durable_journal() -> None:
    """Saving flushes the records first, under every setting: after a loss of power the journal reaches so far."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk)
    durability = Durability(writer, DurabilitySetting.NEVER, run_blocking=run_here)
    records = draw_records(1, 10)
    write_all(writer, records[:9])
    writer.append(*records[9])
    await store_in(disk).save(EncodedSnapshot(10, encode_snapshot(snapshot(10))), durability)
    disk.power_loss()
    assert store_in(disk).newest(LAST).snapshot == snapshot(10)
    assert read_all(disk)[0] == records


@pytest.mark.parametrize("seed", seeds(100, 1_000))
def test_a_loss_of_power_never_costs_an_older_snapshot(seed: int) -> None:
    """Power fails at any step of a save: the one before is still found, or the new one whole."""
    disk = SimulatedDisk(seed)
    draw = disk.random
    store = store_in(disk, keep=draw.randrange(1, 4))
    put(store, snapshot(1, n=1))
    put(store, snapshot(2, n=2))
    disk.failing_writes = draw.randrange(2)
    disk.failing_syncs = draw.randrange(2)
    disk.capacity_bytes = draw.choice((None, 700))
    try:
        put(store, snapshot(3, n=list(range(100))))
    except SnapshotFailed:
        stored = False
    else:
        stored = True
    disk.power_loss()
    found = store.newest(LAST)
    assert found.skipped == ()
    assert found.snapshot == (snapshot(3, n=list(range(100))) if stored else snapshot(2, n=2))


def test_a_failed_save_says_what_to_do_and_leaves_no_rubbish() -> None:
    """A full disk is a typed error with its remedy; the half file is removed again."""
    disk = SimulatedDisk(1, capacity_bytes=50)
    with pytest.raises(SnapshotFailed, match="free space"):
        put(store_in(disk), snapshot(1))
    assert disk.list() == []
    assert disk.open_files == 0


def test_at_least_one_snapshot_is_kept() -> None:
    """Keeping none would delete the one just written."""
    with pytest.raises(ValueError, match="at least one"):
        store_in(SimulatedDisk(1), keep=0)


def test_snapshots_lie_beside_the_segments_on_a_real_disk(tmp_path: Path) -> None:
    """Journal and snapshots share a directory and do not disturb each other."""
    storage = DirectoryStorage(tmp_path)
    records = draw_records(1, 10)
    write_all(make_writer(storage), records)
    store = SnapshotStore(storage, lane="main", schema_fingerprint="schema-1")
    for sequence in range(1, 6):
        put(store, snapshot(sequence))
    assert store.newest(LAST).snapshot == snapshot(5)
    assert read_all(storage)[0] == records
    assert len(storage.list()) == 4
