"""Signals that ask for the end are never lost: held back for a while and heeded later, or raised once more.

They are held back where an end at this very moment would lose something: a process that was just started and has no
name yet, or a run that is about to begin and that trio would cancel instead of letting it end in order. They are raised
once more where Python could not pass on the exception of the first time.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Long enough for what was interrupted to be over, and too short for a person to notice.
AGAIN_AFTER_S: Final = 0.01


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


def raise_lost_interrupts_again() -> None:
    """Once for the whole process: a `KeyboardInterrupt` that came within a destructor or a callback comes once more.

    Python prints what is raised there and goes on. For an interruption that would mean to run on, though a person or a
    service manager asked for the end.
    """
    if sys.unraisablehook is not sys.__unraisablehook__:
        return

    def hook(lost: UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(lost)
            return
        import threading  # only where it is needed

        # Raised here and now, it would be lost like the first one. A signal to the thread wakes it where it waits.
        again = threading.Timer(AGAIN_AFTER_S, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
