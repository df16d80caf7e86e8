"""Where journals and snapshots live: one directory of append-only files, as a small interface.

The real one stands on plain system calls; tests hand in a simulated disk that tears, loses and flips. Writing never
overwrites: a file is created, grows at its end, and may be cut. It promises nothing about durability until `sync` of
the file and `sync_directory` of its folder have returned. Errors of the system pass through as `OSError`.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from runtime.journal.errors import StateInUse
from runtime.journal.handing import DescriptorFile, sync_descriptor

LOCK_NAME = "lock"
ARCHIVE_NAME = "archive"


class SegmentFile(Protocol):
    """One open file that grows at its end."""

    def write(self, data: bytes) -> None:
        """Append all of `data`; when it raises, a part may have been written."""

    def sync(self) -> None:
        """Return when everything written so far would survive a loss of power."""

    def truncate(self, length: int) -> None:
        """Cut the file to `length` bytes."""

    def close(self) -> None:
        """Give the file back; says nothing about durability."""


class Storage(Protocol):
    """One directory of files."""

    def describe(self, name: str) -> str:
        """The name of a file as an operator finds it."""

    def list(self) -> list[str]:
        """The names of all files, sorted."""

    def size(self, name: str) -> int:
        """The length of a file in bytes."""

    def read(self, name: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`, fewer only at the end of the file."""

    def create(self, name: str) -> SegmentFile:
        """Make a new, empty file; refuses one that is there."""

    def truncate(self, name: str, length: int) -> None:
        """Cut a file to `length` bytes, durably."""

    def sync(self, name: str) -> None:
        """Return when all of a file, whoever wrote it, would survive a loss of power."""

    def remove(self, name: str) -> None:
        """Delete a file."""

    def rename(self, old: str, new: str) -> None:
        """Give a file its final name in one step, replacing what had it."""

    def archive(self, name: str) -> None:
        """Move a file out of the way into the archive folder."""

    def sync_directory(self) -> None:
        """Return when files made, renamed and removed so far would stay so after a loss of power."""


class DirectoryStorage:
    """A directory of the operating system, made when it is missing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        # The folder itself is an entry of its parent, which must last as well.
        self._sync_folder(directory.parent)

    def describe(self, name: str) -> str:
        """The path of the file."""
        return str(self._directory / name)

    def list(self) -> list[str]:
        """The names of all plain files, sorted."""
        with os.scandir(self._directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))

    def size(self, name: str) -> int:
        """The length of the file."""
        return os.stat(self._directory / name).st_size

    def read(self, name: str, start: int, length: int) -> bytes:
        """Read a part of the file."""
        descriptor = os.open(self._directory / name, os.O_RDONLY)
        try:
            data = os.pread(descriptor, length, start)
            while len(data) < length:
                more = os.pread(descriptor, length - len(data), start + len(data))
                if not more:
                    break
                data += more
            return data
        finally:
            os.close(descriptor)

    def create(self, name: str) -> SegmentFile:
        """Make a new file that only its owner can read: a journal tells what was traded."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        return DescriptorFile(os.open(self._directory / name, flags, 0o600))

    def truncate(self, name: str, length: int) -> None:
        """Cut the file and flush that."""
        descriptor = os.open(self._directory / name, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, length)
            sync_descriptor(descriptor)
        finally:
            os.close(descriptor)

    def sync(self, name: str) -> None:
        """Flush the file to the medium."""
        descriptor = os.open(self._directory / name, os.O_WRONLY)
        try:
            sync_descriptor(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Delete the file."""
        os.unlink(self._directory / name)

    def rename(self, old: str, new: str) -> None:
        """Rename in one step."""
        os.replace(self._directory / old, self._directory / new)

    def archive(self, name: str) -> None:
        """Move the file into the folder `archive`."""
        folder = self._directory / ARCHIVE_NAME
        folder.mkdir(exist_ok=True)
        os.replace(self._directory / name, folder / name)
        self._sync_folder(folder)

    def sync_directory(self) -> None:
        """Flush the directory's entries."""
        self._sync_folder(self._directory)

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class StateLock:
    """The exclusive hold of one process on a state directory; the system lets go of it when the process ends."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / LOCK_NAME
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StateInUse(
                f"{directory} is in use by process {owner}. Stop that process (it lets go by itself when it ends), "
                f"or give this run another directory with --state."
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let go of the directory."""
        if self._descriptor >= 0:
            # The file stays: removing it would let a third process lock a new file beside one that waits on the old.
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> StateLock:
        """The lock is held from its making on."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.release()
