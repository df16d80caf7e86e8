"""When the records that were handed over are made to survive a loss of power.

`always`: nothing leaves the process before an fsync that covers its cause; one fsync serves all who wait. `interval`:
an fsync in the background every so often. `never`: none on the path and none by time, only finished segments are
flushed in the background. The fsync runs in a thread, so the lane goes on; one is under way at a time. A failed
fsync is final: the kernel may have dropped the pages and would report success the next time.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import attrs
import trio

from runtime.journal.writer import JournalWriter, SyncWork

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs a blocking function elsewhere and gives back what it returned."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """Run it."""


async def run_in_thread(function: Callable[[], T], /) -> T:
    """Run it in a thread of trio; not abandoned on cancellation, because it owns open files."""
    return await trio.to_thread.run_sync(function)


class DurabilitySetting(enum.Enum):
    """How much a loss of power may take."""

    ALWAYS = "always"
    INTERVAL = "interval"
    NEVER = "never"


@attrs.frozen
class _Outcome:
    times_ns: tuple[int, ...]
    error: OSError | None


class Durability:
    """Makes one writer's records durable, as the setting says."""

    def __init__(
        self,
        writer: JournalWriter,
        setting: DurabilitySetting,
        *,
        interval_ms: int = 100,
        run_blocking: RunBlocking = run_in_thread,
    ) -> None:
        self.writer = writer
        self.setting = setting
        # A lane asks this before it lets an order go; a plain attribute, because it asks for every batch.
        self.waits = setting is DurabilitySetting.ALWAYS
        self.run_blocking = run_blocking
        self._interval_seconds = interval_ms / 1000
        self._under_way: trio.Event | None = None

    async def make_durable(self) -> None:
        """Return when everything handed over before this call would survive a loss of power."""
        writer = self.writer
        target = writer.handed_over_bytes
        while True:
            if writer.failure is not None:
                raise writer.failure
            if writer.handed_over_bytes - writer.unsynced_bytes >= target:
                return
            if self._under_way is not None:
                # It may have begun before our bytes were written: wait, look again, and lead the next one if need be.
                await self._under_way.wait()
            else:
                await self._sync(writer.sync_work)

    async def run(self) -> None:
        """The background service of the settings `interval` and `never`; ends only by cancellation or failure."""
        while True:
            await trio.sleep(self._interval_seconds)
            if self.setting is not DurabilitySetting.NEVER:
                await self.make_durable()
            elif self._under_way is None:
                await self._sync(self.writer.finished_work)

    async def close(self, time_ns: int, digest: int, count: int) -> None:
        """End the journal in order: the close record, the last write, the last fsync under every setting."""
        self.writer.append_close(time_ns, digest, count)
        self.writer.hand_over()
        await self.make_durable()
        self.writer.close_files()

    async def _sync(self, take_work: Callable[[], SyncWork]) -> None:
        self._under_way = done = trio.Event()
        try:
            # The work is taken inside the thread's turn: a cancellation before that leaves nothing half taken.
            await trio.lowlevel.checkpoint_if_cancelled()
            work = take_work()
            with trio.CancelScope(shield=True):
                outcome = await self.run_blocking(lambda: self._flush(work))
        finally:
            self._under_way = None
            done.set()
        if outcome.error is not None:
            failure = self.writer.fail(f"fsync failed: {outcome.error.strerror or outcome.error}")
            raise failure from outcome.error
        self.writer.synced(work, outcome.times_ns)

    def _flush(self, work: SyncWork) -> _Outcome:
        try:
            return _Outcome(work.run(self.writer.clock), None)
        except OSError as error:
            return _Outcome((), error)
