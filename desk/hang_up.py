"""Tells the two meanings of SIGHUP apart: a terminal that has gone away, and a person who wants the files read again.

A process has a terminal of its own, or none. When it is taken away, the system says so with SIGHUP, and whoever had one
has none from then on. A SIGHUP that leaves the terminal where it is comes from a person.
"""

from __future__ import annotations

import os
from typing import Final

TERMINAL: Final = "/dev/tty"


def has_terminal() -> bool:
    """Whether this process has a terminal now."""
    try:
        descriptor = os.open(TERMINAL, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    os.close(descriptor)
    return True
