"""Keeps Python's garbage collector out of the way of a run, and lets it in when it is needed after all.

At the start everything that is there is collected once and then frozen, and the collector is switched off: reference
counts alone free what a lane leaves behind, and nothing that runs in steady state makes reference cycles, which a test
watches. Should cycles grow all the same, the number of objects or the resident size passes its bound, and one
collection is made in a moment in which no lane has anything to do; it is counted and shown. `collecting_later` puts
everything back as it was.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from runtime.metrics import MetricRegistry

LOOK_SECONDS = 1.0
# Objects that a collector would look at, above those of the start or of the last collection.
MOST_OBJECTS = 1_000_000
# The same of the resident size: a cycle may hold much memory with few objects.
MOST_BYTES = 96 * 1024 * 1024
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """The resident size of this process; 0 where the system does not tell."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def tracked_objects() -> int:
    """Objects made and not freed since the last collection, of those that could be part of a cycle; costs nothing."""
    return gc.get_count()[0]


class Collector:
    """See the head of this file."""

    def __init__(
        self,
        is_idle: Callable[[], bool],
        metrics: MetricRegistry | None = None,
        most_objects: int = MOST_OBJECTS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`is_idle` says whether a stop of some ten milliseconds would keep nobody waiting."""
        self.is_idle = is_idle
        self.most_objects = most_objects
        self.most_bytes = most_bytes
        self.collections = 0
        self.found = 0
        self.put_off = 0
        self._objects_before = 0
        self._bytes_before = 0
        if metrics is not None:
            self._register(metrics)

    def _register(self, metrics: MetricRegistry) -> None:
        rows: list[tuple[str, str, Callable[[], float]]] = [
            ("collector_runs", "Collections of reference cycles that a run needed.", lambda: self.collections),
            ("collector_found", "Objects that these collections freed.", lambda: self.found),
            ("collector_put_off", "Times a collection waited for an idle moment.", lambda: self.put_off),
            ("collector_objects", "Objects made and not freed since the last collection.", tracked_objects),
            ("process_resident_bytes", "Resident size of the process.", resident_bytes),
        ]
        for name, meaning, read in rows:
            metrics.gauge(name, meaning, read=read)

    @contextmanager
    def collecting_later(self) -> Iterator[None]:
        """Within this block nothing is collected unless a bound is passed."""
        was_enabled = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()
        self._begin_anew()
        try:
            yield
        finally:
            gc.unfreeze()
            if was_enabled:
                gc.enable()

    async def run(self) -> None:
        """Look from time to time, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> bool:
        """Collect when a bound is passed and nobody waits; says whether it did."""
        if not self.is_due():
            return False
        if not self.is_idle():
            self.put_off += 1
            return False
        self.found += gc.collect()
        self.collections += 1
        self._begin_anew()
        return True

    def is_due(self) -> bool:
        """Whether more has gathered than reference counts alone should leave."""
        if tracked_objects() - self._objects_before > self.most_objects:
            return True
        return resident_bytes() - self._bytes_before > self.most_bytes

    def _begin_anew(self) -> None:
        self._objects_before = tracked_objects()
        self._bytes_before = resident_bytes()
