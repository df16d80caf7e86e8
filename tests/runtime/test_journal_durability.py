"""Durability: what an fsync covers, who waits for it, and what is left after a kill or a loss of power."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trio.testing

from runtime.journal.durability import Durability, DurabilitySetting
from runtime.journal.errors import JournalDamaged, JournalFailed, StateInUse
from runtime.journal.reader import find_end
from runtime.journal.storage import DirectoryStorage, StateLock
from tests.seeds import seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.journals import draw_records, make_writer, read_all, run_here, write_all

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent.parent


class SlowRunner:
    """Runs blocking work only when it is told to."""

    def __init__(self) -> None:
        self.started = 0
        self.gate = trio.Semaphore(0)

    async def __call__(self, function: Callable[[], T], /) -> T:
        """Wait for permission, then run."""
        self.started += 1
        await self.gate.acquire()
        return function()


async def test_always_returns_only_when_the_bytes_last() -> None:
    """After `make_durable` a loss of power takes nothing that was handed over before it."""
    disk = SimulatedDisk(1)
    records = draw_records(1, 30)
    writer = make_writer(disk, segment_bytes=700)
    durability = Durability(writer, DurabilitySetting.ALWAYS, run_blocking=run_here)
    assert durability.waits
    write_all(writer, records)
    assert writer.unsynced_bytes == writer.handed_over_bytes
    await durability.make_durable()
    assert writer.unsynced_bytes == 0
    disk.power_loss()
    assert read_all(disk)[0] == records
    statistics = writer.statistics()
    assert statistics.fsyncs == statistics.segments > 1
    assert statistics.fsync_ns_max == 1_000
    assert statistics.fsync_ns_total == statistics.fsyncs * 1_000


async def test_one_fsync_serves_all_who_wait() -> None:
    """Those who come while an fsync runs share the next one; nobody is told too early, nobody waits twice."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk)
    runner = SlowRunner()
    durability = Durability(writer, DurabilitySetting.ALWAYS, run_blocking=runner)
    finished: list[int] = []

    async def order(sequence: int) -> None:
        writer.append(sequence, 0, 0, 0, 0, b"m")
        writer.hand_over()
        await durability.make_durable()
        finished.append(sequence)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(order, 1)
        await trio.testing.wait_all_tasks_blocked()
        for sequence in range(2, 7):
            # Waiting for each keeps the numbers in order whatever the scheduler draws.
            nursery.start_soon(order, sequence)
            await trio.testing.wait_all_tasks_blocked()
        assert (runner.started, finished) == (1, [])
        runner.gate.release()
        await trio.testing.wait_all_tasks_blocked()
        assert (runner.started, finished) == (2, [1])
        runner.gate.release()
    assert sorted(finished) == [1, 2, 3, 4, 5, 6]
    assert disk.syncs == writer.statistics().fsyncs == 2


async def test_a_cancelled_leader_leaves_the_others_served() -> None:
    """Cancelling one who waits, at any stage, never costs another the fsync it was promised."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk)
    runner = SlowRunner()
    durability = Durability(writer, DurabilitySetting.ALWAYS, run_blocking=runner)
    writer.append(1, 0, 0, 0, 0, b"m")
    writer.hand_over()
    with trio.CancelScope() as cancelled:
        cancelled.cancel()
        await durability.make_durable()
    assert cancelled.cancelled_caught
    assert runner.started == 0
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def leader() -> None:
            with scope:
                await durability.make_durable()

        nursery.start_soon(leader)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(durability.make_durable)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        runner.gate.release()
    assert runner.started == 1
    assert writer.unsynced_bytes == 0


async def test_a_failed_fsync_is_final_and_told_to_everyone() -> None:
    """The kernel may report success the next time although the pages are gone: no second try, nothing more written."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk)
    durability = Durability(writer, DurabilitySetting.ALWAYS, run_blocking=run_here)
    write_all(writer, draw_records(1, 3))
    disk.failing_syncs = 1
    failed: list[JournalFailed] = []

    async def wait() -> None:
        with pytest.raises(JournalFailed, match="fsync failed") as caught:
            await durability.make_durable()
        failed.append(caught.value)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
    assert len(failed) == 3
    assert disk.syncs == 1
    writer.append(4, 0, 0, 0, 0, b"m")
    with pytest.raises(JournalFailed):
        writer.hand_over()
    with pytest.raises(JournalFailed):
        await durability.make_durable()
    assert disk.syncs == 1


async def test_the_interval_bounds_what_a_loss_of_power_takes(autojump_clock: trio.testing.MockClock) -> None:
    """Under `interval` nobody waits, and everything older than one interval lasts."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk)
    durability = Durability(writer, DurabilitySetting.INTERVAL, interval_ms=50, run_blocking=run_here)
    assert not durability.waits
    async with trio.open_nursery() as nursery:
        nursery.start_soon(durability.run)
        for record in draw_records(1, 20):
            writer.append(*record)
            writer.hand_over()
            assert writer.unsynced_bytes
            await trio.sleep(0.051)
            assert writer.unsynced_bytes == 0
        syncs = disk.syncs
        await trio.sleep(10)
        assert disk.syncs == syncs == 20
        nursery.cancel_scope.cancel()


async def test_a_failed_fsync_in_the_background_is_raised(autojump_clock: trio.testing.MockClock) -> None:
    """The background service does not swallow the failure: its supervisor gets it."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk)
    durability = Durability(writer, DurabilitySetting.INTERVAL, run_blocking=run_here)
    write_all(writer, draw_records(1, 3))
    disk.failing_syncs = 1
    with pytest.raises(JournalFailed):
        await durability.run()


async def test_never_flushes_only_finished_segments(autojump_clock: trio.testing.MockClock) -> None:
    """Under `never` the current segment is left to the kernel, a finished one is flushed once and its file closed."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk, segment_bytes=500)
    durability = Durability(writer, DurabilitySetting.NEVER, run_blocking=run_here)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(durability.run)
        write_all(writer, draw_records(1, 3))
        await trio.sleep(1)
        assert disk.syncs == 0
        write_all(writer, draw_records(1, 30, first_sequence=4))
        await trio.sleep(1)
        assert disk.syncs == writer.statistics().segments - 1 > 0
        assert disk.open_files == 1
        assert writer.unsynced_bytes == writer.handed_over_bytes
        nursery.cancel_scope.cancel()
    await durability.make_durable()
    assert writer.unsynced_bytes == 0


@pytest.mark.parametrize("setting", DurabilitySetting)
async def test_an_orderly_end_lasts_under_every_setting(setting: DurabilitySetting) -> None:
    """Closing flushes, whatever the setting, and gives every file back."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk, segment_bytes=500)
    durability = Durability(writer, setting, run_blocking=run_here)
    write_all(writer, draw_records(1, 20))
    await durability.close(5, 6, 7)
    assert disk.open_files == 0
    disk.power_loss()
    assert find_end(disk).closed


async def test_the_real_disk_is_flushed_in_a_thread(tmp_path: Path) -> None:
    """The default way through trio's threads works on real files."""
    writer = make_writer(DirectoryStorage(tmp_path), segment_bytes=500)
    durability = Durability(writer, DurabilitySetting.ALWAYS)
    write_all(writer, draw_records(1, 20))
    await durability.make_durable()
    assert writer.unsynced_bytes == 0
    await durability.close(1, 2, 3)
    assert find_end(DirectoryStorage(tmp_path)).closed


@pytest.mark.parametrize("seed", seeds(60, 1_000))
async def test_after_a_kill_everything_handed_over_is_there(seed: int) -> None:
    """The death of the process costs at most the write it died in; after the repair the journal goes on, again."""
    disk = SimulatedDisk(seed)
    draw = disk.random
    records = draw_records(seed, 60)
    done = 0
    while done < len(records):
        writer = make_writer(disk, next_sequence=done + 1, segment_bytes=draw.randrange(200, 2000))
        batch = draw.randrange(1, 6)
        life = min(len(records), done + draw.randrange(1, 20))
        write_all(writer, records[done:life], batch=batch)
        disk.kill()
        end = find_end(disk, repair=True)
        assert end.next_sequence - 1 >= life - batch
        done = end.next_sequence - 1
        assert read_all(disk)[0] == records[:done]


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("seed", seeds(60, 1_000))
async def test_after_a_loss_of_power_everything_durable_is_there(seed: int, holes: bool) -> None:
    """What an fsync covered is read back; without page holes the rest is a torn tail, with them it may be damage."""
    disk = SimulatedDisk(seed)
    draw = disk.random
    records = draw_records(seed, 60, message_bytes=400)
    done = 0
    while done < len(records):
        writer = make_writer(disk, next_sequence=done + 1, segment_bytes=draw.randrange(600, 6000))
        durability = Durability(writer, DurabilitySetting.ALWAYS, run_blocking=run_here)
        durable = min(len(records), done + draw.randrange(20))
        write_all(writer, records[done:durable])
        await durability.make_durable()
        written = min(len(records), durable + draw.randrange(1, 5))
        write_all(writer, records[durable:written], batch=1 << 20)
        disk.power_loss(holes=holes)
        try:
            end = find_end(disk, repair=True)
        except JournalDamaged as error:
            damage = error
            break
        done = end.next_sequence - 1
        assert durable <= done <= written
        assert read_all(disk)[0] == records[:done]
    else:
        return
    assert holes, "only a hole may look like damage"
    damaged_sequence = end_of_damage(disk, damage)
    assert damaged_sequence > durable
    if damage.offset:
        assert f"whole record {damaged_sequence}" in damage.expected


def end_of_damage(disk: SimulatedDisk, damage: JournalDamaged) -> int:
    """The number of the record that is damaged, found by cutting there as an operator would."""
    data = disk.read(damage.segment, 0, damage.offset)
    copy = SimulatedDisk(0)
    for name in disk.list():
        if name <= damage.segment:
            copy.replace(name, disk.read(name, 0, disk.size(name)) if name < damage.segment else data)
    return find_end(copy).next_sequence


WRITER = """
import sys
from pathlib import Path
from runtime.journal.storage import DirectoryStorage
from tests.simulation.journals import draw_records, make_writer

writer = make_writer(DirectoryStorage(Path(sys.argv[1])), segment_bytes=20_000)
for record in draw_records(1, 5_000):
    writer.append(*record)
    if record[0] % 3 == 0:
        writer.hand_over()
        print(record[0], flush=True)
"""


@pytest.mark.parametrize("seed", seeds(2, 100))
def test_a_process_killed_by_the_system_loses_nothing_it_handed_over(seed: int, tmp_path: Path) -> None:
    """kill -9 while it writes: every record it had reported as handed over is on the real disk, and no other."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        reported = 0
        for _ in range(1 + (seed * 397) % 1500):
            reported = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = [line for line in process.stdout.read().split("\n") if line]
    reported = int(rest[-1]) if rest else reported
    end = find_end(DirectoryStorage(tmp_path), repair=True)
    assert end.next_sequence - 1 >= reported
    assert read_all(DirectoryStorage(tmp_path))[0] == draw_records(1, 5_000)[: end.next_sequence - 1]


def test_a_state_directory_has_one_owner(tmp_path: Path) -> None:
    """A second process is refused with the number of the first and the remedy; letting go makes room."""
    with StateLock(tmp_path / "state"):
        with pytest.raises(StateInUse, match=f"in use by process {os.getpid()}.*--state"):
            StateLock(tmp_path / "state")
        with StateLock(tmp_path / "other"):
            pass
    again = StateLock(tmp_path / "state")
    again.release()
    again.release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """A killed process leaves the lock file, and the next one starts all the same."""
    code = "import sys, os, pathlib, runtime.journal.storage as s; s.StateLock(pathlib.Path(sys.argv[1])); os.abort()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False, capture_output=True)
    assert (tmp_path / "lock").exists()
    with StateLock(tmp_path):
        pass
