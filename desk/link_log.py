"""Keeps the last lines of the log for a screen, where lines in the terminal would tear the drawing.

Give it to `configure_logs` as the stream. What it takes also goes to another stream where there is one to take it,
such as an error stream that leads to a file. It never blocks on a reader and never grows.
"""

from __future__ import annotations

import io
from collections import deque
from typing import TextIO

SHOWN_LINES = 40
LONGEST_LINE = 400
MOST_BEGUN = 4 * LONGEST_LINE


class LogTail(io.TextIOBase):
    """See the head of this file."""

    def __init__(self, also: TextIO | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=SHOWN_LINES)
        self.also = also
        # How many lines there were in all, by which a reader sees that there are new ones.
        self.count = 0
        self._begun = ""

    def write(self, text: str) -> int:
        """Take a part of a line, or several lines."""
        *whole, begun = (self._begun + text).split("\n")
        self._begun = begun[:MOST_BEGUN]
        for line in whole:
            if line:
                self.count += 1
                self.lines.append(line[:LONGEST_LINE])
        if self.also is not None:
            self.also.write(text)
        return len(text)

    def flush(self) -> None:
        """Let the other stream have it."""
        if self.also is not None:
            self.also.flush()

    def isatty(self) -> bool:
        """It takes no colours."""
        return False
