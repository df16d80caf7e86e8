"""The loop of the dashboard process: takes states and keys, draws, and sends commands.

It waits for the socket, the keyboard and signals at once, draws when something came and once a second otherwise. It
always gives the terminal back; when the trading process is gone it says so and ends.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

from desk.dashboard.control import LEAVE, Control
from desk.dashboard.exits import ENDED, LEFT_BY_USER, LINK_GONE, TERMINAL_GONE
from desk.dashboard.screen import Screen
from desk.dashboard.terminal import Terminal, TerminalGone, no_op
from desk.dashboard.theme import Theme
from desk.link_codec import MOST_STATE_BYTES, FrameReader, LinkError, framed

READ_BYTES = 256 * 1024
IDLE_SECONDS = 1.0
# What another process writes into the terminal stands there for no longer than this.
REPAINT_SECONDS = 5.0
# Signals that end it, after the terminal was given back. Ctrl-C is for the trading process, which says goodbye then.
ENDING = (signal.SIGTERM, signal.SIGHUP)
IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE)


class Ended(Exception):
    """The dashboard is over: with this exit code, and this to say."""

    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def run(path: str) -> int:
    """Connect, draw until the end, and give the exit code."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.connect(path)
    except OSError as error:
        sys.stderr.write(f"hftrun dashboard: nothing answers at {path}: {error.strerror or error}\n")
        return LINK_GONE
    ended = Ended(TERMINAL_GONE)
    try:
        with Terminal(Theme.of(os.environ)) as terminal:
            try:
                Client(link, terminal).loop()
            except Ended as reason:
                ended = reason
    except TerminalGone as gone:
        ended = Ended(TERMINAL_GONE, f"the terminal is gone: {gone}")
    finally:
        link.close()
    if ended.words and ended.code != TERMINAL_GONE:
        sys.stdout.write(f"hftrun: {ended.words}\n")
        sys.stdout.flush()
    return ended.code


class Client:
    """See the head of this file."""

    def __init__(self, link: socket.socket, terminal: Terminal) -> None:
        self.link = link
        self.terminal = terminal
        self.screen = Screen()
        self.control = Control(self.screen)
        self.reader = FrameReader(MOST_STATE_BYTES)
        self.repainted_at = 0.0
        link.setblocking(False)

    def loop(self) -> None:
        """Until `Ended`."""
        wake, woken = os.pipe()
        for descriptor in (wake, woken):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for number in (signal.SIGWINCH, *ENDING):
            signal.signal(number, no_op)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        selector = selectors.DefaultSelector()
        selector.register(self.link, selectors.EVENT_READ, self._take_states)
        selector.register(self.terminal.keyboard, selectors.EVENT_READ, self._take_keys)
        selector.register(wake, selectors.EVENT_READ, lambda: self._take_signals(wake))
        self.draw()
        while True:
            for key, _ in selector.select(IDLE_SECONDS):
                key.data()
            self.draw()

    def draw(self) -> None:
        """Show what is so now."""
        now = time.monotonic()
        self.control.tick(now)
        if now - self.repainted_at >= REPAINT_SECONDS:
            self.repainted_at = now
            self.terminal.forget()
        self.terminal.draw(self.screen.lines(*self.terminal.measure(), now))

    def _take_states(self) -> None:
        """Take all that has come; only the last state is drawn."""
        now = time.monotonic()
        while True:
            try:
                data = self.link.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                raise Ended(LINK_GONE, f"the trading process is gone: {error.strerror or error}") from error
            if not data:
                raise Ended(LINK_GONE, "the trading process is gone without a goodbye: look after open orders")
            try:
                messages = self.reader.feed(data)
            except LinkError as error:
                raise Ended(LINK_GONE, str(error)) from error
            for message in messages:
                self._take(message, now)

    def _take(self, message: dict[str, Any], now: float) -> None:
        match message["t"]:
            case "hello":
                self.screen.view.greet(message, now)
            case "state":
                self.screen.view.update(message, now)
            case "goodbye":
                raise Ended(ENDED)

    def _take_keys(self) -> None:
        for key in self.terminal.read_keys():
            if key == "redraw":
                self.repainted_at = 0.0
                continue
            command = self.control.press(key, time.monotonic())
            if command == LEAVE:
                raise Ended(LEFT_BY_USER, "left while the trading process said nothing")
            if command:
                self._send(command)

    def _send(self, command: str) -> None:
        """A command is some bytes: where even they do not fit, the trading process has not read for long."""
        try:
            self.link.sendall(framed({"t": "command", "command": command}))
        except BlockingIOError:
            self.control.say("the trading process takes no commands", time.monotonic())
        except OSError as error:
            raise Ended(LINK_GONE, f"the trading process is gone: {error.strerror or error}") from error

    def _take_signals(self, wake: int) -> None:
        numbers = os.read(wake, 64)
        for number in ENDING:
            if number in numbers:
                raise Ended(128 + number, "")
        # What remains is a change of size, which `draw` sees.
