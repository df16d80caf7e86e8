"""Damage: journals cut at every byte and flipped at every bit are cut back or named, never read as something else."""

from __future__ import annotations

import random

import pytest

from runtime.journal.errors import JournalDamaged
from runtime.journal.reader import JournalReader, TornTail, find_end
from runtime.journal.segments import MAX_HEADER_BYTES, decode_header
from tests.seeds import SOAK, seeds
from tests.simulation.disk import SimulatedDisk
from tests.simulation.journals import Record, draw_records, make_writer, read_all, write_all


def journal(seed: int, *, count: int = 12, segment_bytes: int = 500) -> tuple[SimulatedDisk, list[Record]]:
    """A journal of some segments."""
    disk = SimulatedDisk(seed)
    records = draw_records(seed, count)
    write_all(make_writer(disk, segment_bytes=segment_bytes), records)
    return disk, records


def starts_of(disk: SimulatedDisk, name: str) -> list[int]:
    """Where the records of a segment begin, and where the last one ends, by the lengths alone."""
    data = disk.read(name, 0, disk.size(name))
    _, offset = decode_header(name, data[:MAX_HEADER_BYTES])
    starts = [offset]
    while offset < len(data):
        offset += 8 + int.from_bytes(data[offset : offset + 4], "little")
        starts.append(offset)
    return starts


def read_or_name(disk: SimulatedDisk, records: list[Record]) -> TornTail | JournalDamaged | None:
    """Reads a possibly damaged journal: whatever comes must be a prefix of the truth; gives what was reported."""
    reader = JournalReader(disk, chunk_bytes=256)
    scanner = reader.scanner
    taken = 0
    try:
        while reader.refill():
            while scanner.next():
                found = (
                    scanner.sequence,
                    scanner.time_ns,
                    scanner.digest,
                    scanner.count,
                    scanner.flags,
                    scanner.message_bytes(),
                )
                assert found == records[taken], "something was read that was never written"
                taken += 1
    except JournalDamaged as damage:
        return damage
    assert reader.end is not None
    assert reader.end.next_sequence == taken + 1
    return reader.end.torn


@pytest.mark.parametrize("seed", seeds(2, 40))
def test_a_last_segment_cut_at_any_byte_gives_the_whole_records_before(seed: int) -> None:
    """Truncation at the end loses exactly the records it touches, says so, and after the repair reads clean."""
    disk, records = journal(seed)
    name = disk.list()[-1]
    data = disk.read(name, 0, disk.size(name))
    starts = starts_of(disk, name)
    before = len(records) - (len(starts) - 1)
    for length in range(len(data)):
        disk.replace(name, data[:length])
        whole = max(0, sum(start <= length for start in starts) - 1)
        found, end = read_all(disk)
        assert found == records[: before + whole]
        if length in starts[1:]:
            assert end.torn is None
            continue
        assert end.torn is not None
        assert name in str(end.torn)
        assert f"the last whole record is {before + whole}" in str(end.torn)
        assert find_end(disk, repair=True).torn is not None
        assert read_all(disk) == (found, find_end(disk))
        assert find_end(disk).torn is None


@pytest.mark.parametrize("seed", seeds(1, 10))
def test_an_earlier_segment_cut_at_any_byte_is_named(seed: int) -> None:
    """No crash shortens a segment that another follows: wherever it is cut, reading stops with the place."""
    disk, records = journal(seed)
    assert len(disk.list()) >= 2
    for name in disk.list()[:-1]:
        data = disk.read(name, 0, disk.size(name))
        for length in range(len(data)):
            disk.replace(name, data[:length])
            damage = read_or_name(disk, records)
            assert isinstance(damage, JournalDamaged)
        disk.replace(name, data)


@pytest.mark.parametrize("seed", seeds(1, 10))
def test_every_flipped_bit_is_named_or_lies_in_the_last_record(seed: int) -> None:
    """One flipped bit anywhere is damage with its place, or in the last record of all a torn tail; never other data.

    In the small run a fifth of the bits, drawn by the seed, and all of the last segment; in the soak run every bit.
    """
    disk, records = journal(seed, count=9, segment_bytes=400)
    draw = random.Random(seed)
    last = disk.list()[-1]
    last_record = starts_of(disk, last)[-2]
    for name in disk.list():
        for bit in range(disk.size(name) * 8):
            if not SOAK and name != last and draw.random() > 0.2:
                continue
            disk.flip_bit(name, bit)
            report = read_or_name(disk, records)
            assert report is not None, f"bit {bit} of {name} was flipped and nothing noticed"
            assert report.segment == name
            if isinstance(report, TornTail):
                assert name == last
                assert bit // 8 >= last_record
                assert report.offset in (0, last_record)
            else:
                assert str(report.offset) in str(report)
                assert report.offset <= bit // 8
            disk.flip_bit(name, bit)
    assert read_or_name(disk, records) is None


@pytest.mark.parametrize("seed", seeds(30, 1_000))
def test_several_wounds_at_once_never_give_other_data(seed: int) -> None:
    """Flips, overwritten stretches and cuts together: what is read is still a prefix of what was written."""
    disk, records = journal(seed, count=20, segment_bytes=600)
    draw = random.Random(seed)
    for _ in range(draw.randrange(1, 5)):
        name = draw.choice(disk.list())
        data = bytearray(disk.read(name, 0, disk.size(name)))
        begin = draw.randrange(len(data))
        wound = draw.choice(("flip", "rubbish", "zeros", "cut", "repeat"))
        length = min(draw.randrange(1, 80), len(data) - begin)
        if wound == "flip":
            data[begin] ^= 1 << draw.randrange(8)
        elif wound == "rubbish":
            data[begin : begin + length] = draw.randbytes(length)
        elif wound == "zeros":
            data[begin : begin + length] = bytes(length)
        elif wound == "cut":
            del data[begin : begin + length]
        else:
            data[begin:begin] = data[begin : begin + length]
        disk.replace(name, bytes(data))
    read_or_name(disk, records)


def test_a_missing_segment_is_named() -> None:
    """Whichever segment is gone, except the last, the number that should follow is named."""
    for index in range(len(journal(1)[0].list()) - 1):
        disk, records = journal(1)
        disk.remove(disk.list()[index])
        damage = read_or_name(disk, records) if index else None
        if index:
            assert isinstance(damage, JournalDamaged)
            assert "the segment of record" in damage.expected
        else:
            with pytest.raises(JournalDamaged, match="a segment that holds record 1"):
                JournalReader(disk)


def test_a_segment_under_another_name_is_named() -> None:
    """A copied or renamed segment does not pass, because its header says where it belongs."""
    disk, records = journal(1)
    names = disk.list()
    disk.replace(names[1], disk.read(names[2], 0, disk.size(names[2])))
    damage = read_or_name(disk, records)
    assert isinstance(damage, JournalDamaged)
    assert damage.segment == names[1]
    assert "in the header" in damage.expected


def test_a_record_that_jumps_is_named() -> None:
    """A segment out of which a whole record was cut has good checksums and a hole, and the hole is found."""
    disk, records = journal(1, segment_bytes=1 << 20)
    (name,) = disk.list()
    data = disk.read(name, 0, disk.size(name))
    starts = starts_of(disk, name)
    disk.replace(name, data[: starts[4]] + data[starts[5] :])
    damage = read_or_name(disk, records)
    assert isinstance(damage, JournalDamaged)
    assert (damage.offset, damage.expected, damage.found) == (starts[4], "record 5", "record 6")


@pytest.mark.parametrize("zeros", [1, 7, 8, 9, 512, 5000])
def test_a_tail_of_zeros_is_torn(zeros: int) -> None:
    """A file that was lengthened and never filled ends with its last record, and the message says zeros."""
    disk, records = journal(1)
    name = disk.list()[-1]
    size = disk.size(name)
    disk.replace(name, disk.read(name, 0, size) + bytes(zeros))
    torn = read_or_name(disk, records)
    assert isinstance(torn, TornTail)
    assert (torn.offset, torn.lost_bytes, torn.reason) == (size, zeros, "only zeros from here on")


def test_zeros_in_the_middle_are_damage() -> None:
    """A hole with good records behind it is no torn tail, even in the last segment: nothing is cut."""
    disk, records = journal(1, segment_bytes=1 << 20)
    (name,) = disk.list()
    starts = starts_of(disk, name)
    data = bytearray(disk.read(name, 0, disk.size(name)))
    data[starts[3] : starts[6]] = bytes(starts[6] - starts[3])
    disk.replace(name, bytes(data))
    damage = read_or_name(disk, records)
    assert isinstance(damage, JournalDamaged)
    assert f"good record at byte {starts[6]}" in damage.found
    assert "Nothing was changed" in str(damage)
    assert disk.read(name, 0, len(data)) == bytes(data)


@pytest.mark.parametrize("bit", range(64, 96))
def test_a_flipped_length_of_the_last_header_never_costs_its_records(bit: int) -> None:
    """Whatever length the header claims, records that are still there keep the segment from being cut."""
    disk = SimulatedDisk(1)
    records = [(sequence, 0, 0, 0, 1, bytes(5)) for sequence in range(1, 9)]
    write_all(make_writer(disk, segment_bytes=10), records, batch=4)
    disk.flip_bit(disk.list()[-1], bit)
    assert isinstance(read_or_name(disk, records), JournalDamaged)


def test_a_tail_is_cut_only_after_reading_to_the_end() -> None:
    """Cutting without having judged the tail would be guessing."""
    disk, _ = journal(1)
    with pytest.raises(RuntimeError, match="read to its end"):
        JournalReader(disk).cut_torn_tail()
