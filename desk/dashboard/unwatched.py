"""A dashboard in a terminal of its own that nobody looks at: `python -m desk.dashboard.unwatched SOCKET`.

The process becomes the dashboard, so that whoever stops or kills it meets the dashboard itself; a child takes what is
drawn. Both run on the cores that the trade does not have.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from typing import Final

from benchmarks.transport import leave_core

COLUMNS: Final = 80
ROWS: Final = 24
_READ_BYTES: Final = 65_536


def main(path: str) -> None:
    """Make the terminal, leave its other end to a child, and become the dashboard."""
    leave_core()
    screen, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
    if os.fork() == 0:
        os.close(terminal)
        take_all(screen)
    os.close(screen)
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1):
        os.dup2(terminal, descriptor)
    os.execve(
        sys.executable,
        [sys.executable, "-P", "-m", "desk.dashboard", path],
        {**os.environ, "TERM": "xterm-256color"},
    )


def take_all(screen: int) -> None:
    """Take what is drawn until the terminal is gone."""
    try:
        while os.read(screen, _READ_BYTES):
            pass
    except OSError:
        pass  # how a terminal tells that nobody has its other end any more
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
