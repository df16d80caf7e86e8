"""The terminal: taken over with care, drawn to line by line where something changed, and given back whatever happens.

Keys come one by one and unechoed, Ctrl-C stays a signal, and neither Ctrl-S nor Ctrl-Z can stop what is drawn. Only
rows that differ from what stands there are written, in one piece, so that nothing flickers.
"""

from __future__ import annotations

import os
import signal
import termios
from types import FrameType
from typing import Any

from desk.dashboard.escapes import CLEAR, ENTER_SCREEN, LEAVE_SCREEN, at_row
from desk.dashboard.text import Block, Line
from desk.dashboard.theme import Theme

READ_BYTES = 1024
USUAL_SIZE = (80, 24)

# What a terminal sends for keys that are no characters.
ESCAPED = {
    b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left", b"\x1bOC": "right", b"\x1bOD": "left",
    b"\x1bOA": "up", b"\x1bOB": "down",
}  # fmt: skip
NAMED = {"\t": "tab", "\r": "enter", "\n": "enter", "\x1b": "escape", "\x0c": "redraw"}


class TerminalGone(Exception):
    """Nobody sees the screen any more."""


def keys_of(data: bytes) -> list[str]:
    """The keys in what was read: characters as they are, others by name, unknown sequences left out."""
    keys = []
    place = 0
    while place < len(data):
        if data[place] == 0x1B and data[place + 1 : place + 2] in (b"[", b"O"):
            end = place + 2
            # A sequence ends with a letter or a tilde.
            while end < len(data) and not 0x40 <= data[end] <= 0x7E:
                end += 1
            name = ESCAPED.get(data[place : end + 1])
            if name:
                keys.append(name)
            place = end + 1
            continue
        one = chr(data[place])
        if one in NAMED:
            keys.append(NAMED[one])
        elif one.isascii() and one.isprintable():
            keys.append(one)
        place += 1
    return keys


class Terminal:
    """See the head of this file. Use it as a context manager."""

    def __init__(self, theme: Theme, keyboard: int = 0, display: int = 1) -> None:
        self.theme = theme
        self.keyboard = keyboard
        self.display = display
        self.size = USUAL_SIZE
        self.bytes_written = 0
        self._settings: list[Any] | None = None
        self._shown: Block = []

    def __enter__(self) -> Terminal:
        """Take the terminal."""
        # Whoever started us may be gone when it is given back: then we are in the background, and must not be stopped.
        for number in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        try:
            self._settings = termios.tcgetattr(self.keyboard)
            termios.tcsetattr(self.keyboard, termios.TCSANOW, _one_by_one(self._settings))
            # What was typed before anything was to be seen was not meant for this screen.
            termios.tcflush(self.keyboard, termios.TCIFLUSH)
        except termios.error as error:
            raise TerminalGone(str(error)) from error
        self.measure()
        self._write(ENTER_SCREEN)
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back as it was; keys that nobody read are not left to the shell."""
        try:
            self._write(LEAVE_SCREEN)
            if self._settings is not None:
                termios.tcflush(self.keyboard, termios.TCIFLUSH)
                termios.tcsetattr(self.keyboard, termios.TCSANOW, self._settings)
        except (TerminalGone, termios.error):
            return

    def measure(self) -> tuple[int, int]:
        """Its columns and rows now; a change of them means that nothing of what stands there counts."""
        try:
            size = os.get_terminal_size(self.display)
            found = (size.columns or USUAL_SIZE[0], size.lines or USUAL_SIZE[1])
        except OSError:
            found = USUAL_SIZE
        if found != self.size:
            self.size = found
            self._shown = []
        return self.size

    def forget(self) -> None:
        """Write every row anew the next time: somebody else may have written over what stands there."""
        self._shown = [[("", "")] for _ in self._shown]

    def draw(self, lines: Block) -> int:
        """Write the rows that differ from what stands there; gives how many."""
        parts = [] if self._shown else [CLEAR]
        shown = self._shown or [[] for _ in lines]
        rows = 0
        for row, line in enumerate(lines):
            if row >= len(shown) or line != shown[row]:
                parts.append(at_row(row) + self.theme.paint(line))
                rows += 1
        if rows:
            self._write("".join(parts).encode("utf-8", "replace"))
        self._shown = lines
        return rows

    def read_keys(self) -> list[str]:
        """What was pressed; call it when there is something to read."""
        try:
            data = os.read(self.keyboard, READ_BYTES)
        except InterruptedError:
            return []
        except OSError as error:
            raise TerminalGone(str(error)) from error
        if not data:
            raise TerminalGone("the terminal was closed")
        return keys_of(data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                written = os.write(self.display, view)
            except OSError as error:
                raise TerminalGone(str(error)) from error
            self.bytes_written += written
            view = view[written:]


def _one_by_one(settings: list[Any]) -> list[Any]:
    """The same settings, but keys at once and unseen, and without the keys that stop a terminal or a process."""
    changed = [*settings[:6], list(settings[6])]
    changed[0] &= ~termios.IXON
    changed[3] &= ~(termios.ICANON | termios.ECHO)
    changed[6][termios.VMIN] = 1
    changed[6][termios.VTIME] = 0
    for key in (termios.VSUSP, termios.VQUIT):
        changed[6][key] = b"\x00"
    return changed


def line_text(line: Line) -> str:
    """A line without its styles."""
    return "".join(text for text, _ in line)


def no_op(_: int, __: FrameType | None) -> None:
    """A signal that only has to wake the loop."""
