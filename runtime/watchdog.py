"""The watchdog: a daemon thread that names a handler that does not return, with the stack where it stands.

It reads what lanes show (`busy_since_ns`, `current_label`), reports each stall once when it passes the limit and once
more when it ends. It promises never to touch what it watches, nor to stop it: a handler is synchronous and cannot be
interrupted safely. Its limit: it is a thread of the same process. A compiled loop that never releases the interpreter
lock stops the watchdog too; only something outside the process, the guardian, can see that.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

LOOKS_PER_LIMIT = 4
SHORTEST_LOOK_NS = 10_000_000


class Watched(Protocol):
    """What a lane shows to the watchdog."""

    @property
    def busy_since_ns(self) -> int:
        """When the work at hand began, by the watchdog's clock; 0 when idle."""

    def current_label(self) -> str:
        """The lane and the actor at work."""


@attrs.frozen
class Stall:
    """A handler that has not returned in time, or, with `ended`, one that has at last.

    `duration_ns` is the time so far; of an ended stall, up to the look that found it ended.
    """

    label: str
    since_ns: int
    duration_ns: int
    stack: str
    ended: bool = False


class Watchdog:
    """See the head of this file."""

    def __init__(
        self,
        watched: Sequence[Watched],
        limit_ns: int,
        on_stall: Callable[[Stall], None],
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Watch lanes of one thread; `on_stall` is called in the watchdog's thread.

        `wait` sleeps so many seconds and returns whether to stop; tests hand in their own.
        """
        self.watched = watched
        self.limit_ns = limit_ns
        self.on_stall = on_stall
        self._clock_ns = clock_ns
        self._stopping = threading.Event()
        self._wait = self._stopping.wait if wait is None else wait
        self._reported: dict[int, Stall] = {}
        self._watched_thread_id = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch; called in the thread that runs the lanes. A limit of 0 switches the watchdog off."""
        if self.limit_ns <= 0 or self._thread is not None:
            return
        self._watched_thread_id = threading.get_ident()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for the thread to end."""
        thread = self._thread
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._thread = None

    def look(self) -> None:
        """Look once at every lane and report what changed."""
        now_ns = self._clock_ns()
        for place, watched in enumerate(self.watched):
            since_ns = watched.busy_since_ns
            reported = self._reported.get(place)
            if reported is not None and reported.since_ns != since_ns:
                del self._reported[place]
                self.on_stall(attrs.evolve(reported, duration_ns=now_ns - reported.since_ns, ended=True))
                reported = None
            if reported is None and since_ns and now_ns - since_ns >= self.limit_ns:
                stall = Stall(watched.current_label(), since_ns, now_ns - since_ns, self._stack())
                self._reported[place] = stall
                self.on_stall(stall)

    def _run(self) -> None:
        # The limit may change while it watches.
        while not self._wait(max(SHORTEST_LOOK_NS, self.limit_ns // LOOKS_PER_LIMIT) / 1_000_000_000):
            self.look()

    def _stack(self) -> str:
        """Where the watched thread stands; compiled functions leave no frame of their own."""
        frame = sys._current_frames().get(self._watched_thread_id)
        return "" if frame is None else "".join(traceback.format_stack(frame))
