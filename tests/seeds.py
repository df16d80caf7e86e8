"""How many seeds and examples a test runs: a fixed small set by default, the full counts under `make soak`."""

from __future__ import annotations

import os

SOAK = os.environ.get("HFTRUN_SOAK") == "1"


def examples(few: int, full: int) -> int:
    """The number of generated examples a property test runs."""
    return full if SOAK else few


def seeds(few: int, full: int) -> range:
    """The seeds a seeded test runs; the small set is the beginning of the full one, so that it is fixed."""
    return range(full if SOAK else few)
