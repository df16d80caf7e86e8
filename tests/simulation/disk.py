"""A disk in memory that behaves as badly as a real one may, decided by a seed.

It keeps for every file what has been made durable and what has only been written, and for the directory which entries
last. `kill` is the death of the process (the last write may be half done), `power_loss` takes any part of what was not
flushed: all of it, an end, single pages, or leaves zeros in its place. Writes can hit a full disk, an fsync can fail,
and bits can flip. It implements `runtime.journal.storage.Storage` and never raises anything but `OSError`.
"""

from __future__ import annotations

import errno
import random

PAGE_BYTES = 512


class _File:
    def __init__(self) -> None:
        self.data = bytearray()
        self.durable = b""
        # Where the last write began: the death of the process can cut there and after.
        self.last_write = 0


class SimulatedFile:
    """One open file of the simulated disk."""

    def __init__(self, disk: SimulatedDisk, name: str, file: _File) -> None:
        self._disk = disk
        self._name = name
        self._file = file
        self._open = True

    def write(self, data: bytes) -> None:
        """Append, as far as the disk has room."""
        self._check_open()
        room = self._disk.room_bytes()
        self._disk.note_write(self._file)
        self._file.data += data[: max(0, room)]
        self._disk.writes += 1
        if self._disk.failing_writes:
            self._disk.failing_writes -= 1
            raise OSError(errno.EIO, "simulated write error", self._name)
        if len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device", self._name)

    def sync(self) -> None:
        """Make what was written last, unless the disk was told to fail."""
        self._check_open()
        self._disk.syncs += 1
        if self._disk.failing_syncs:
            self._disk.failing_syncs -= 1
            raise OSError(errno.EIO, "simulated fsync error", self._name)
        self._file.durable = bytes(self._file.data)

    def truncate(self, length: int) -> None:
        """Cut the file."""
        self._check_open()
        del self._file.data[length:]
        self._file.last_write = min(self._file.last_write, length)

    def close(self) -> None:
        """Close it; every later use is an error of the user."""
        self._check_open()
        self._open = False
        self._disk.open_files -= 1

    def _check_open(self) -> None:
        if not self._open:
            raise OSError(errno.EBADF, "used after it was closed", self._name)


class SimulatedDisk:
    """One directory on a simulated disk."""

    def __init__(self, seed: int, *, capacity_bytes: int | None = None) -> None:
        self.random = random.Random(seed)
        self.capacity_bytes = capacity_bytes
        self.failing_syncs = 0
        self.failing_writes = 0
        self.writes = 0
        self.syncs = 0
        self.open_files = 0
        self.archived: dict[str, bytes] = {}
        self._files: dict[str, _File] = {}
        self._durable_entries: dict[str, _File] = {}
        self._last_written: _File | None = None

    def describe(self, name: str) -> str:
        """The name itself: there is no path."""
        return name

    def list(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(self._files)

    def size(self, name: str) -> int:
        """The length of a file."""
        return len(self._find(name).data)

    def read(self, name: str, start: int, length: int) -> bytes:
        """Read a part of a file."""
        return bytes(self._find(name).data[start : start + length])

    def create(self, name: str) -> SimulatedFile:
        """Make a new file."""
        if name in self._files:
            raise OSError(errno.EEXIST, "File exists", name)
        file = self._files[name] = _File()
        self.open_files += 1
        return SimulatedFile(self, name, file)

    def truncate(self, name: str, length: int) -> None:
        """Cut a file, durably."""
        file = self._find(name)
        del file.data[length:]
        file.durable = bytes(file.data)

    def remove(self, name: str) -> None:
        """Delete a file; lasts after `sync_directory`."""
        self._find(name)
        del self._files[name]

    def rename(self, old: str, new: str) -> None:
        """Rename a file; lasts after `sync_directory`."""
        self._files[new] = self._find(old)
        del self._files[old]

    def archive(self, name: str) -> None:
        """Move a file out of the way."""
        self.archived[name] = bytes(self._find(name).data)
        self.remove(name)

    def sync_directory(self) -> None:
        """Make the entries last."""
        self._durable_entries = dict(self._files)

    def sync(self, name: str) -> None:
        """Make what was written to a file last, whoever wrote it."""
        file = self._find(name)
        file.durable = bytes(file.data)

    def note_write(self, file: _File) -> None:
        """Remember where the last write of all begins."""
        file.last_write = len(file.data)
        self._last_written = file

    def room_bytes(self) -> int:
        """How much the disk still takes."""
        if self.capacity_bytes is None:
            return 1 << 60
        return self.capacity_bytes - sum(len(file.data) for file in self._files.values())

    def kill(self) -> None:
        """The process dies, perhaps in the middle of its last write; the kernel keeps all it has."""
        file = self._last_written
        if file is not None and len(file.data) > len(file.durable) and self.random.random() < 0.5:
            begin = max(file.last_write, len(file.durable))
            del file.data[self.random.randint(begin, len(file.data)) :]
        self._last_written = None
        self.open_files = 0

    def power_loss(self, *, holes: bool = True) -> None:
        """The machine dies: what was not flushed stays, goes, or is torn; with `holes` page by page as well."""
        entries: dict[str, _File] = {}
        for name in sorted({*self._files, *self._durable_entries}):
            now, lasting = self._files.get(name), self._durable_entries.get(name)
            file = now if now is lasting or self.random.random() < 0.5 else lasting
            if file is not None:
                entries[name] = file
        for file in {id(file): file for file in entries.values()}.values():
            self._tear(file, holes)
        self._files = entries
        self._durable_entries = dict(entries)
        self.open_files = 0

    def flip_bit(self, name: str, bit: int) -> None:
        """Flip one bit of a file, as rotting media do."""
        file = self._find(name)
        file.data[bit // 8] ^= 1 << (bit % 8)
        file.durable = bytes(file.data)

    def replace(self, name: str, data: bytes) -> None:
        """Put these very bytes into a file, made if it is missing."""
        file = self._files.setdefault(name, _File())
        file.data = bytearray(data)
        file.durable = bytes(data)

    def _tear(self, file: _File, holes: bool) -> None:
        kept = len(file.durable)
        length = len(file.data)
        if length > kept:
            way = self.random.choice(("all", "none", "prefix", "zeros", "pages" if holes else "prefix"))
            if way == "none":
                del file.data[kept:]
            elif way == "prefix":
                del file.data[self.random.randint(kept, length) :]
            elif way == "zeros":
                begin = self.random.randint(kept, length)
                file.data[begin:] = bytes(length - begin)
            elif way == "pages":
                for page in range(kept, length, PAGE_BYTES):
                    if self.random.random() < 0.5:
                        end = min(length, page + PAGE_BYTES)
                        file.data[page:end] = bytes(end - page)
        elif length < kept:
            # A cut that was not flushed may not have happened.
            file.data = bytearray(file.durable)
        file.durable = bytes(file.data)

    def _find(self, name: str) -> _File:
        if name not in self._files:
            raise OSError(errno.ENOENT, "No such file or directory", name)
        return self._files[name]
