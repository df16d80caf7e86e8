"""How a dashboard ends: what its exit code tells the trading process that started it."""

from __future__ import annotations

from typing import Final

# It heard goodbye and gave the terminal back.
ENDED: Final = 0
# The other side went away without a goodbye; the terminal is given back.
LINK_GONE: Final = 10
# A person wanted to leave while the trading process said nothing.
LEFT_BY_USER: Final = 11
# Nobody sees the screen any more.
TERMINAL_GONE: Final = 12
# Whoever ends so has given the terminal back.
GAVE_BACK: Final = frozenset({ENDED, LINK_GONE, LEFT_BY_USER, TERMINAL_GONE, 128 + 15, 128 + 1})
