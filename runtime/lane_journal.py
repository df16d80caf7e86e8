"""The journal of one lane at work: recovery at the start, handing over and snapshots on the way, rebuilding an actor.

It promises that what leaves a lane has its cause with the kernel first (and on the disk, where the setting says
`always`), that a lane goes on after a crash exactly where its journal ends, and that a critical actor comes back as
it was before the input that killed it. Recovery, rebuild and replay are the same act: `runtime/replay_core.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from market.messages.catalogue import SCHEMA_FINGERPRINT
from runtime.journal.durability import Durability
from runtime.journal.errors import SnapshotFailed, SnapshotNotPlain
from runtime.journal.reader import JournalReader, TornTail, last_sequence
from runtime.journal.snapshots import EncodedSnapshot, SkippedSnapshot, Snapshot, SnapshotStore, encode_snapshot
from runtime.journal.writer import JournalWriter, segments_before
from runtime.lane_parts import SaveFailed
from runtime.replay_core import Replayer

if TYPE_CHECKING:
    from market.messages import Message
    from runtime.actor import Actor
    from runtime.clock import Clock
    from runtime.journal.durability import DurabilitySetting, RunBlocking
    from runtime.journal.storage import Storage
    from runtime.lane_core import LaneCore
    from runtime.lane_parts import Slot

LAST = 2**62


@attrs.frozen
class JournalOptions:
    """How a lane keeps its journal."""

    durability: DurabilitySetting
    interval_ms: int
    segment_bytes: int
    snapshot_every_ns: int
    keep_snapshots: int
    build: str
    # Whether what lies wholly before the oldest snapshot is removed: for a journal that nobody reads after the run.
    forget: bool = False


@attrs.frozen
class Recovered:
    """What a lane found when it opened its journal."""

    lane: str
    snapshot_sequence: int
    records: int
    sequence: int
    torn: TornTail | None
    skipped: tuple[SkippedSnapshot, ...]

    @property
    def is_new(self) -> bool:
        """Whether there was nothing before."""
        return self.sequence == 0


class LaneJournal:
    """See the head of this file."""

    def __init__(
        self,
        core: LaneCore,
        storage: Storage,
        clock: Clock,
        options: JournalOptions,
        build_core: Callable[[], LaneCore],
        run_blocking: RunBlocking | None = None,
    ) -> None:
        self.core = core
        self.storage = storage
        self.clock = clock
        self.options = options
        self.build_core = build_core
        self.run_blocking = run_blocking
        self.snapshots = SnapshotStore(
            storage, lane=core.name, schema_fingerprint=SCHEMA_FINGERPRINT, keep=options.keep_snapshots
        )
        self.on_trouble: Callable[[str], None] = ignore_trouble
        self.snapshots_missed = 0
        self._rebuild_earlier = rebuilder(build_core, storage, self.snapshots)
        self._writer: JournalWriter | None = None
        self._durability: Durability | None = None
        self._snapshot_due_ns = 0
        self._snapshot: EncodedSnapshot | None = None
        self._snapshot_wanted = trio.Event()

    @property
    def writer(self) -> JournalWriter:
        """The writer, once `recover` has opened it."""
        assert self._writer is not None, "recover() opens the journal"
        return self._writer

    @property
    def durability(self) -> Durability:
        """What makes the records last, once `recover` has opened the journal."""
        assert self._durability is not None, "recover() opens the journal"
        return self._durability

    def recover(self) -> Recovered:
        """Bring the core to where its journal ends, cut a torn tail, and open the journal for writing."""
        core = self.core
        # A snapshot that is ahead of the journal tells of inputs that a loss of power took: it must never be used.
        self.snapshots.set_aside(last_sequence(self.storage))
        found = replay_into(core, self.storage, self.snapshots, self._rebuild_earlier, LAST)
        torn = found.reader.cut_torn_tail()
        core.failures.extend(found.replayer.finish())
        self._open(core.sequence + 1)
        core.rebuild = self.rebuild
        return Recovered(
            core.name, found.snapshot_sequence, int(found.replayer.records), int(core.sequence), torn, found.skipped
        )

    def _open(self, next_sequence: int) -> None:
        options = self.options
        self._writer = JournalWriter(
            self.storage,
            lane=self.core.name,
            schema_fingerprint=SCHEMA_FINGERPRINT,
            build=options.build,
            next_sequence=next_sequence,
            clock=self.clock.now_ns,
            segment_bytes=options.segment_bytes,
        )
        self.core.records = self._writer.buffer
        if self.run_blocking is None:
            self._durability = Durability(self._writer, options.durability, interval_ms=options.interval_ms)
        else:
            self._durability = Durability(
                self._writer, options.durability, interval_ms=options.interval_ms, run_blocking=self.run_blocking
            )
        self._snapshot_due_ns = self.clock.now_ns() + options.snapshot_every_ns

    def rebuild(self, slot: Slot, failed_sequence: int) -> Actor:
        """A fresh actor in the state that the failed one had before the input that killed it."""
        self.writer.hand_over()
        # Later rebuilds begin behind this one.
        self._snapshot_due_ns = 0
        return self._rebuild_earlier(slot, failed_sequence)

    # ---- on the way

    async def hand_over(self, leaving: bool) -> None:
        """Give the records to the kernel, and wait for the disk where something leaves and the setting says so."""
        self.writer.hand_over()
        if leaving and self.durability.waits:
            await self.durability.make_durable()

    def snapshot_is_due(self) -> bool:
        """Whether it is time for a snapshot."""
        return self.options.snapshot_every_ns > 0 and self.clock.now_ns() >= self._snapshot_due_ns

    def want_snapshot(self) -> None:
        """Take the state now; the background task writes it."""
        self._snapshot_due_ns = self.clock.now_ns() + self.options.snapshot_every_ns
        if self._snapshot is None and not self.core.failures:
            self._snapshot = self.take_snapshot()
            if self._snapshot is not None:
                self._snapshot_wanted.set()

    def take_snapshot(self) -> EncodedSnapshot | None:
        """The state of the lane at this moment; None when an actor cannot give its own, which is told.

        It is encoded before anything else runs: an actor may give the very lists that it goes on with.
        """
        core = self.core
        try:
            snapshot = Snapshot(
                lane=core.name,
                sequence=int(core.sequence),
                time_ns=int(core.outlet.now_ns),
                digest=int(core.digest.value),
                count=int(core.digest.count),
                schema_fingerprint=SCHEMA_FINGERPRINT,
                build=self.options.build,
                state=core.save(),
            )
            return EncodedSnapshot(snapshot.sequence, encode_snapshot(snapshot))
        except (SaveFailed, SnapshotNotPlain) as error:
            # The journal is whole without it: a later start only takes longer.
            self.snapshots_missed += 1
            self.on_trouble(f"no snapshot of lane {core.name}: {error}")
            return None

    async def run(self) -> None:
        """The background work: fsync by time, and writing snapshots."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.durability.run)
            while True:
                await self._snapshot_wanted.wait()
                snapshot = self._snapshot
                if snapshot is not None:
                    await self._save(snapshot)
                self._snapshot = None
                self._snapshot_wanted = trio.Event()

    async def _save(self, snapshot: EncodedSnapshot) -> None:
        """Write a snapshot; one that cannot be written costs only time at the next start."""
        try:
            await self.snapshots.save(snapshot, self.durability)
        except SnapshotFailed as error:
            self.snapshots_missed += 1
            self.on_trouble(f"no snapshot of lane {self.core.name}: {error}")
            return
        if self.options.forget:
            remove_before(self.storage, self.snapshots.oldest_kept())

    async def close(self, quiet: bool) -> None:
        """The orderly end: the close record, and a last snapshot unless something is still on its way elsewhere."""
        core = self.core
        self.writer.hand_over()
        snapshot = self.take_snapshot() if quiet and core.sequence and not core.failures else None
        if snapshot is not None:
            await self._save(snapshot)
        await self.durability.close(int(core.outlet.now_ns), int(core.digest.value), int(core.digest.count))
        core.records = None


def remove_before(storage: Storage, sequence: int) -> None:
    """Remove the segments that hold nothing behind this input."""
    for name in segments_before(storage, sequence + 1):
        storage.remove(name)


def ignore_trouble(_: str) -> None:
    """What happens with a missed snapshot while nobody listens; it is counted all the same."""


@attrs.frozen
class Replayed:
    """A replay that has come to the end of what it was asked for."""

    reader: JournalReader
    replayer: Replayer
    snapshot_sequence: int
    skipped: tuple[SkippedSnapshot, ...]


def rebuilder(
    build: Callable[[], LaneCore], storage: Storage, snapshots: SnapshotStore | None
) -> Callable[[Slot, int], Actor]:
    """What rebuilds one actor: a whole lane of fresh ones is brought to the input before the one that killed it."""
    # On its way a lane meets the failures before this one, and rebuilds for each: without what is known of them the
    # replays within replays would double with every failure.
    known: dict[tuple[int, int], dict[str, object] | None] = {}

    def rebuild(slot: Slot, failed_sequence: int) -> Actor:
        key = (int(slot.actor_id), failed_sequence)
        if key not in known:
            shadow = build()
            replay_into(shadow, storage, snapshots, rebuild, failed_sequence - 1).replayer.finish()
            reference = shadow.slot_of[int(slot.actor_id)]
            known[key] = None if reference.down else reference.actor.save()
        actor = slot.make()
        state = known[key]
        if state is not None:
            # An actor may go on with the very lists that it is given.
            actor.load(copy.deepcopy(state))
        return actor

    return rebuild


def replay_into(
    core: LaneCore,
    storage: Storage,
    snapshots: SnapshotStore | None,
    rebuild: Callable[[Slot, int], Actor],
    last_sequence: int,
    on_taken: Callable[[Message, int, int], None] | None = None,
) -> Replayed:
    """Load the newest snapshot up to `last_sequence` and replay what follows it, up to and with that input."""
    snapshot_sequence = 0
    skipped: tuple[SkippedSnapshot, ...] = ()
    core.rebuild = rebuild
    if snapshots is not None:
        found = snapshots.newest(last_sequence)
        skipped = found.skipped
        if found.snapshot is not None:
            core.load(found.snapshot.state)
            snapshot_sequence = found.snapshot.sequence
    reader = JournalReader(
        storage, first_sequence=snapshot_sequence + 1, lane=core.name, schema_fingerprint=SCHEMA_FINGERPRINT
    )
    replayer = Replayer(core, last_sequence)
    replayer.on_taken = on_taken
    while not replayer.done and reader.refill():
        replayer.scan(reader.scanner)
    if replayer.done:
        # The rest of the journal is not asked for.
        replayer.flush()
    return Replayed(reader, replayer, snapshot_sequence, skipped)
