"""The simulated world: everything that a run could draw from outside is drawn from one seed here.

trio's scheduling is made deterministic and shuffled by the seed, time is trio's MockClock with autojump, there are no
threads, and the disk is simulated. The seed of a failure is printed and repeats it. This module is the only one that
touches what trio keeps private.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio
import trio.testing
from trio._core import _run as trio_scheduler

T = TypeVar("T")

# trio calls it final and sets it itself when hypothesis is about.
ALLOW = "_ALLOW_DETERMINISTIC_SCHEDULING"


class SimulationFailed(AssertionError):
    """A simulated run failed; the message names its seed."""


class Silence:
    """A logger for runs whose failures are the point."""

    def debug(self, event: str, **fields: object) -> None:
        """Say nothing."""

    info = warning = error = critical = exception = debug

    def bind(self, **fields: object) -> Silence:
        """Of one unit, or of all: silence."""
        return self


@contextmanager
def deterministic_scheduling(seed: int) -> Iterator[None]:
    """Within this block trio picks ready tasks in an order that follows from the seed alone."""
    allowed = getattr(trio_scheduler, ALLOW)
    source = trio_scheduler._r
    setattr(trio_scheduler, ALLOW, True)
    trio_scheduler._r = random.Random(seed)
    try:
        yield
    finally:
        setattr(trio_scheduler, ALLOW, allowed)
        trio_scheduler._r = source


def simulate(seed: int, main: Callable[[random.Random], Awaitable[T]]) -> T:
    """Run `main` in a world of its own; it gets a random source that follows from the seed."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    with deterministic_scheduling(seed):
        try:
            return trio.run(main, random.Random(seed), clock=clock)
        except BaseException as error:
            raise SimulationFailed(f"seed {seed} fails; run it again with this seed") from error


async def run_inline(function: Callable[[], T], /) -> T:
    """Stands in for a thread: runs the function here, at a point of the schedule that follows from the seed."""
    await trio.lowlevel.checkpoint()
    return function()
