"""What keys do: pages and help here, and commands for the trading process. Pure: the time is handed in.

What cannot be taken back is asked for twice: the kill switch by the same key within three seconds, and so is the reset
of a halt. Any other key takes the question back.
"""

from __future__ import annotations

from typing import Final

import attrs

from desk.dashboard.pages import PAGES, Choice
from desk.dashboard.screen import Screen

QUESTION_SECONDS: Final = 3.0
SAID_SECONDS: Final = 4.0
LEAVE: Final = "leave"
QUESTIONS: Final = {
    "k": "KILL SWITCH: press k again within 3 s to cancel every order and halt trading",
    "r": "RESET THE HALT: press r again within 3 s, once its cause is understood",
}
COMMANDS: Final = {"k": "kill", "r": "reset_halt"}


@attrs.define
class Control:
    """See the head of this file."""

    screen: Screen
    asked: str = ""
    asked_at: float = 0.0
    said_at: float = 0.0

    def press(self, key: str, now: float) -> str:
        """A key was pressed; gives the command for the trading process, `LEAVE`, or an empty text."""
        self.tick(now)
        screen = self.screen
        asked, self.asked, screen.question = self.asked, "", ""
        if key in COMMANDS:
            return self._twice(key, asked, now)
        if key == "q":
            if screen.view.is_old(now):
                return LEAVE
            screen.quitting = True
            self.say("stopping in order: cancel, confirm, flush; q once more to hurry", now)
            return "quit"
        if key == "p":
            paused = screen.view.quotes_paused()
            self.say("quoting resumes" if paused else "quoting pauses: quotes are pulled, positions stay", now)
            return "resume" if paused else "pause"
        if key == "c":
            self.say("the configuration is read again: the log tells what changed, on page 6", now)
            return "reload"
        self._look(key)
        return ""

    def _twice(self, key: str, asked: str, now: float) -> str:
        """The first press asks, the second within the time does it."""
        if asked == key:
            self.screen.said = ""
            return COMMANDS[key]
        if key == "r" and not self.screen.view.state.get("halted"):
            self.say("trading is not halted: there is nothing to reset", now)
            return ""
        self.asked, self.asked_at = key, now
        self.screen.question = QUESTIONS[key]
        return ""

    def _look(self, key: str) -> None:
        """Keys that only change what is looked at."""
        screen = self.screen
        if key.isdigit() and 1 <= int(key) <= len(PAGES):
            screen.page, screen.help = int(key) - 1, False
        elif key in ("?", "h"):
            screen.help = not screen.help
        elif key == "escape":
            screen.help = False
        elif key in ("left", "right"):
            most = len(screen.view.books()) + len(screen.view.groups()) - 1
            shift = screen.choice.shift + (1 if key == "right" else -1)
            screen.choice = attrs.evolve(screen.choice, shift=max(0, min(most, shift)))
        elif key == "tab":
            bases = screen.view.bases()
            if len(bases) > 1:
                place = bases.index(screen.choice.base) + 1 if screen.choice.base in bases else 1
                screen.choice = Choice(bases[place % len(bases)])

    def say(self, words: str, now: float) -> None:
        """Answer a key in a line, for a while."""
        self.screen.said, self.said_at = words, now

    def tick(self, now: float) -> None:
        """Let questions and answers go when their time is over."""
        if self.asked and now - self.asked_at > QUESTION_SECONDS:
            self.asked = self.screen.question = ""
        if self.screen.said and now - self.said_at > SAID_SECONDS and not self.screen.quitting:
            self.screen.said = ""
