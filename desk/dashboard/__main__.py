"""`python -m desk.dashboard SOCKET`: a dashboard of a running system in this terminal.

The trading process starts it; a second one may be started by hand on the same socket.
"""

from __future__ import annotations

import os
import sys

# What is drawn must cost the trade nothing, also where the two share a core: from the first import on.
NICENESS = 5


def main() -> int:
    """Step back behind the trade, then begin."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m desk.dashboard SOCKET\n")
        return 2
    os.nice(NICENESS)
    from desk.dashboard.client import run

    return run(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
