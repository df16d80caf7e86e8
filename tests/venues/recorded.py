"""The records of a recording of real venues, for tests; a test that asks is skipped where there are no recordings."""

from __future__ import annotations

from functools import cache

from tests.data import recordings
from venues.recordings import ANSWER, FRAME, Record, read_recording


@cache
def recorded(name: str) -> tuple[Record, ...]:
    """Every record of a recording, named by its path below the folder of recordings, in the order of their times."""
    return tuple(read_recording(recordings() / name))


def recorded_frames(name: str) -> list[bytes]:
    """The frames that were received, over all connections."""
    return [record.data for record in recorded(name) if record.kind == FRAME]


def recorded_answer(name: str, path: str) -> bytes:
    """The body of the first answer to a request whose address has this in it."""
    return next(record.data for record in recorded(name) if record.kind == ANSWER and path in record.url)
