"""`python -m desk.dashboard SOCKET`: a dashboard of a running system in this terminal.

The trading process starts it; a second one may be started by hand on the same socket.
"""

from __future__ import annotations

import sys

from desk.dashboard.client import run

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m desk.dashboard SOCKET")
    sys.exit(run(sys.argv[1]))
