"""How much room the disk of a state has, so that a run ends in order before its journal cannot be written any more.

An order may leave only after its cause is on record, and so may a cancel: with a full disk nothing could be cancelled.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 0.25
MEBIBYTE: Final = 1024 * 1024
# Below this it is said once; below the second the run ends, which needs far less.
SCARCE_BYTES: Final = 64 * MEBIBYTE
LEAST_BYTES: Final = 8 * MEBIBYTE


def free_bytes(path: Path) -> int:
    """What may still be written to the disk of a directory."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def told_room(path: Path, free: int) -> str:
    """In words what is left."""
    return f"the disk of {path} has {free / MEBIBYTE:.1f} MiB left"
