"""Where the recordings of real venues are: `HFTRUN_DATA`, or `../shared/data` beside the clone where that exists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path | None:
    """The folder of recordings, or None when none is named and none is there; named but absent is a usage error."""
    named = os.environ.get("HFTRUN_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    if named:
        raise pytest.UsageError(f"HFTRUN_DATA={named} is not a folder: name the folder of recordings, or unset it")
    return None


def recordings() -> Path:
    """The folder of recordings; skips the calling test when there is none on this machine."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no recordings: HFTRUN_DATA is not set and ../shared/data does not exist")
    return folder
