"""Signals that ask for the end, held back for a while: noted now, heeded later, never lost.

Used where an end at this very moment would lose something: a process that was just started and has no name yet, or a
run that is about to begin and that trio would cancel instead of letting it end in order.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[list[int]]:
    """Within this block what asks for the end is only noted in the list that is given; afterwards all is as before."""
    came: list[int] = []
    held = [signal.SIGINT, signal.SIGTERM]
    # Under nohup the hang-up is ignored already, and stays so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        held.append(signal.SIGHUP)
    before = [signal.signal(one, lambda number, _: came.append(number)) for one in held]
    try:
        yield came
    finally:
        for one, handler in zip(held, before, strict=True):
            signal.signal(one, handler)
