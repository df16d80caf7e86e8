"""The journal whole: written, rotated, closed, read from anywhere, refused where it is foreign."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.journal.errors import JournalDamaged, JournalFailed, JournalForeign, JournalFull
from runtime.journal.reader import JournalReader, find_end, last_sequence
from runtime.journal.segments import MAX_HEADER_BYTES, SegmentHeader, decode_header, encode_header, segment_name
from runtime.journal.storage import DirectoryStorage
from tests.seeds import examples, seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.journals import draw_records, make_writer, read_all, write_all


@settings(max_examples=examples(60, 1_000), deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 9), st.integers(200, 4000), st.integers(1, 600))
def test_what_is_written_is_what_is_read(seed: int, count: int, batch: int, segment: int, chunk: int) -> None:
    """Whatever the batches, the segments and the chunks of reading, the records are the same and end clean."""
    disk = SimulatedDisk(seed)
    records = draw_records(seed, count)
    write_all(make_writer(disk, segment_bytes=segment), records, batch=batch)
    found, end = read_all(disk, chunk_bytes=chunk)
    assert found == records
    assert end.torn is None
    assert end.next_sequence == count + 1


def test_the_directory_of_the_system_behaves_like_the_simulated_one(tmp_path: Path) -> None:
    """The same records through real files and through the simulated disk give the same bytes."""
    real, simulated = DirectoryStorage(tmp_path / "state" / "main"), SimulatedDisk(1)
    records = draw_records(1, 100)
    for storage in (real, simulated):
        write_all(make_writer(storage, segment_bytes=2000), records)
    assert real.list() == simulated.list()
    for name in real.list():
        assert real.read(name, 0, 1 << 20) == simulated.read(name, 0, 1 << 20)
    assert read_all(real)[0] == records
    assert (tmp_path / "state" / "main" / real.list()[0]).stat().st_mode & 0o077 == 0


def test_every_batch_is_one_write_and_segments_are_named_by_their_first_record() -> None:
    """A batch is never split over writes or segments; a segment begins with the batch that did not fit."""
    disk = SimulatedDisk(1)
    writer = make_writer(disk, segment_bytes=1500)
    write_all(writer, draw_records(1, 60), batch=4)
    statistics = writer.statistics()
    assert disk.writes == statistics.writes == 15
    assert statistics.records == 60
    assert statistics.segments == len(disk.list()) > 2
    for name in disk.list():
        header, _ = decode_header(name, disk.read(name, 0, MAX_HEADER_BYTES))
        assert segment_name(header.first_sequence) == name
        assert header.first_sequence % 4 == 1
        assert (header.lane, header.schema_fingerprint, header.build) == ("main", "schema-1", "build-1")


def test_nothing_is_created_before_the_first_batch() -> None:
    """A lane that never took an input leaves no file, and an empty journal reads as such."""
    disk = SimulatedDisk(1)
    assert make_writer(disk).hand_over() == 0
    assert disk.list() == []
    records, end = read_all(disk)
    assert records == []
    assert (end.next_sequence, end.closed) == (1, False)


@pytest.mark.parametrize("first", range(1, 62))
def test_reading_begins_at_any_record(first: int) -> None:
    """A replay from a snapshot starts in the middle: it gets exactly the records from there on."""
    disk = SimulatedDisk(1)
    records = draw_records(1, 60)
    write_all(make_writer(disk, segment_bytes=1200), records)
    found, end = read_all(disk, first_sequence=first, chunk_bytes=150)
    assert found == records[first - 1 :]
    assert (end.next_sequence, end.digest) == (61, records[-1][2])


def test_the_last_number_is_found_without_reading_all() -> None:
    """To choose a snapshot only the last segment is read, torn or not."""
    disk = SimulatedDisk(1)
    assert last_sequence(disk) == 0
    write_all(make_writer(disk, segment_bytes=1200), draw_records(1, 60))
    assert last_sequence(disk) == 60
    first, last = disk.list()[0], disk.list()[-1]
    disk.remove(first)
    disk.truncate(last, disk.size(last) - 1)
    assert last_sequence(disk) == 59
    disk.truncate(last, 3)
    assert segment_name(last_sequence(disk) + 1) == last


def test_reading_from_beyond_the_end_is_refused() -> None:
    """A snapshot that is ahead of its journal is no place to go on from."""
    disk = SimulatedDisk(1)
    write_all(make_writer(disk), draw_records(1, 10))
    with pytest.raises(JournalDamaged, match="record 11"):
        read_all(disk, first_sequence=12)
    with pytest.raises(JournalDamaged, match="record 2"):
        read_all(SimulatedDisk(1), first_sequence=2)


def test_a_run_goes_on_in_a_segment_of_its_own() -> None:
    """Each run states its build in its own segment; together they read as one journal."""
    disk = SimulatedDisk(1)
    records = draw_records(1, 30)
    for begin in (0, 10, 20):
        writer = make_writer(disk, next_sequence=begin + 1)
        write_all(writer, records[begin : begin + 10])
        writer.close_files()
    reader = JournalReader(disk)
    while reader.refill():
        while reader.scanner.next():
            pass
    assert [header.first_sequence for header in reader.headers] == [1, 11, 21]
    assert read_all(disk)[0] == records
    assert disk.open_files == 0


def test_an_orderly_end_is_told_from_a_crash() -> None:
    """The close record has a number and no message; without it the journal was not closed."""
    disk = SimulatedDisk(1)
    records = draw_records(1, 5)
    writer = make_writer(disk)
    write_all(writer, records)
    assert not find_end(disk).closed
    writer.append_close(123, -9, 4)
    writer.hand_over()
    end = find_end(disk)
    assert end.closed
    assert (end.next_sequence, end.time_ns, end.digest, end.count) == (7, 123, -9, 4)
    assert read_all(disk)[0][-1][5] == b""


def test_a_journal_of_another_lane_or_schema_is_refused_by_name() -> None:
    """An intact journal that this build cannot understand is not called damaged, and the message says what to do."""
    disk = SimulatedDisk(1)
    write_all(make_writer(disk, schema_fingerprint="old"), draw_records(1, 5))
    with pytest.raises(JournalForeign, match="schema old, this build has new"):
        JournalReader(disk, schema_fingerprint="new").refill()
    with pytest.raises(JournalForeign, match="lane 'main', not to 'other'"):
        JournalReader(disk, lane="other").refill()
    assert JournalReader(disk, lane="main", schema_fingerprint="old").refill()


def test_a_header_has_a_bound() -> None:
    """A header that a reader would not accept is never written."""
    with pytest.raises(ValueError, match="fit"):
        encode_header(SegmentHeader("x" * MAX_HEADER_BYTES, "", "", 1, 0))


@pytest.mark.parametrize("seed", seeds(40, 800))
def test_a_full_disk_keeps_what_was_handed_over(seed: int) -> None:
    """When the disk is full the records before are readable, the rest waits in memory, and goes once there is room."""
    records = draw_records(seed, 60)
    disk = SimulatedDisk(seed)
    disk.capacity_bytes = disk.random.randrange(1, 4000)
    writer = make_writer(disk, segment_bytes=800)
    handed_over = 0
    full = 0
    for begin in range(0, 60, 3):
        for record in records[begin : begin + 3]:
            writer.append(*record)
        try:
            writer.hand_over()
        except JournalFull:
            full += 1
            assert read_all(disk)[0] == records[:handed_over]
            disk.capacity_bytes += disk.random.randrange(500)
        else:
            handed_over = begin + 3
    assert full
    disk.capacity_bytes = None
    writer.hand_over()
    assert read_all(disk)[0] == records
    assert disk.open_files == writer.statistics().segments


def test_a_full_disk_says_what_to_do() -> None:
    """The message says what is safe, what waits, and what helps."""
    writer = make_writer(SimulatedDisk(1, capacity_bytes=10))
    writer.append(1, 0, 0, 0, 0, b"message")
    with pytest.raises(JournalFull, match=r"1 records \(49 bytes\) wait in memory.*Free space on that disk"):
        writer.hand_over()


def test_a_write_error_ends_the_journal_for_good() -> None:
    """After an error that is not a full disk nobody knows what the disk holds: every later call is refused."""
    disk = SimulatedDisk(1)
    records = draw_records(1, 9)
    writer = make_writer(disk)
    write_all(writer, records[:6])
    disk.failing_writes = 1
    writer.append(*records[6])
    with pytest.raises(JournalFailed, match="simulated write error"):
        writer.hand_over()
    with pytest.raises(JournalFailed, match="simulated write error"):
        writer.hand_over()
    assert writer.failure is not None
    assert read_all(disk)[0][:6] == records[:6]


def test_archived_files_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """On a real disk the archive is a folder beside the segments, which reading passes over."""
    storage = DirectoryStorage(tmp_path)
    write_all(make_writer(storage, segment_bytes=1000), draw_records(1, 60))
    names = storage.list()
    storage.archive(names[0])
    assert [path.name for path in (tmp_path / "archive").iterdir()] == names[:1]
    assert storage.list() == names[1:]
