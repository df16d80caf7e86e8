"""Where the recordings of real venues are: `HFTRUN_DATA`, or `../shared/data` beside the tree where that exists.

Figures that want recorded frames ask here, and draw from a named seed when there are none.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.machine import TREE


class RecordingsAbsent(Exception):
    """`HFTRUN_DATA` names a folder that is not there."""


def recording(name: str) -> Path | None:
    """A recording by its path below the folder; None when there is no such recording on this machine."""
    named = os.environ.get("HFTRUN_DATA")
    folder = Path(named) if named else TREE.parent / "shared" / "data"
    if named and not folder.is_dir():
        raise RecordingsAbsent(f"HFTRUN_DATA={named} is not a folder: name the folder of recordings, or unset it")
    path = folder / name
    return path if path.is_file() else None
