"""Lines for whoever watches a command, written so that a reader who leaves stops nothing in the middle of its work.

A line is out when `say` returns. A reader that is gone (`| head`, a closed terminal) is noted once and then spared;
an output that takes nothing for now, such as a file on a full disk, is tried again with the next line.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from typing import TextIO

GONE = frozenset({errno.EPIPE, errno.EIO, errno.ENXIO, errno.EBADF})


class Output:
    """One stream of lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_gone = False
        self.failure = ""

    def say(self, *lines: str) -> bool:
        """Write lines; False when nobody reads them any more."""
        return self.say_all(lines)

    def say_all(self, lines: Iterable[str]) -> bool:
        """Write lines; False when nobody reads them any more."""
        if self.is_gone:
            return False
        try:
            self._stream.write("".join(line + "\n" for line in lines))
            self._stream.flush()
        except OSError as error:
            self.failure = error.strerror or str(error)
            self.is_gone = error.errno in GONE
        return not self.is_gone


def abandon(stream: TextIO) -> None:
    """Let what is still to be written go nowhere, so that the interpreter's own last flush cannot fail."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def open_missing_streams() -> None:
    """Let a stream that the shell has closed (`>&-`) lead nowhere, before a journal gets its descriptor."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w"))  # noqa: SIM115  lives to the end
