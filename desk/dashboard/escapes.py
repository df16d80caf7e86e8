"""What is said to a terminal beside text: the few sequences that every terminal of the last thirty years knows."""

from __future__ import annotations

from typing import Final

# The other screen, so that what stood in the terminal comes back; no cursor; no wrapping, so that a line which is too
# long for the moment, while the terminal shrinks, scrolls nothing; an empty screen.
ENTER_SCREEN: Final = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[0m\x1b[2J"
LEAVE_SCREEN: Final = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
CLEAR: Final = "\x1b[0m\x1b[2J"


def at_row(row: int) -> str:
    """Go to the beginning of a row, counted from 0."""
    return f"\x1b[{row + 1};1H"
