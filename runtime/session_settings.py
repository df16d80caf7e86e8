"""The settings of a run while it goes on: sent to the actors as inputs, and kept for the next run on its state.

Every change is one numbered `ConfigChanged`, so the journal has it and a replay repeats it. What an actor refuses, such
as a limit that would be looser, counts as not in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

from market.messages import ConfigChanged, ConfigRefused, Message
from runtime.logs import adjust_logs
from runtime.reload import Change, Settings
from runtime.resume import ACTORS, keep_told

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.config.model import SystemConfig
    from runtime.logs import Logger
    from runtime.watchdog import Watchdog
    from runtime.wiring import System

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


class SessionSettings:
    """See the head of this file."""

    def __init__(
        self, system: System, in_force: Settings, due: Sequence[Change], log: Logger, path: Path | None
    ) -> None:
        self.system = system
        self.in_force = in_force
        # What the actors are to be told as soon as the lanes have started.
        self.due = list(due)
        self.log = log
        self._path = path
        self._sent: list[Change] = []

    def begin(self) -> list[Message]:
        """What every lane hears first, after the start of the run: what the file says now and did not say before."""
        self._note(self.due)
        messages: list[Message] = [ConfigChanged(one.key, one.after) for one in self.due]
        self.due = []
        return messages

    def change(self, changes: Sequence[Change], config: SystemConfig, watchdog: Watchdog | None) -> None:
        """Put changes in force: the program's own from the configuration that has them, and one input for each."""
        runtime = config.runtime
        supervisor = self.system.supervisor
        for lane in self.system.lanes:
            lane.drain.options.max_lag_ns = runtime.max_lag_ms * NANOSECONDS_PER_MILLISECOND
        supervisor.options = attrs.evolve(
            supervisor.options, shutdown_deadline_ns=runtime.shutdown_deadline_ms * NANOSECONDS_PER_MILLISECOND
        )
        if watchdog is not None:
            watchdog.limit_ns = runtime.watchdog_ms * NANOSECONDS_PER_MILLISECOND
        adjust_logs(config.log)
        self._note(changes)
        for one in changes:
            supervisor.tell_lanes(ConfigChanged(one.key, one.after))

    def _note(self, changes: Sequence[Change]) -> None:
        for one in changes:
            self.in_force[one.path] = attrs.evolve(self.in_force[one.path], text=one.after)
            # The key is in the text, for a line that repeats another is not told again.
            self.log.warning(f"{one.key} = {one.after} instead of {one.before}")
        self._sent += changes

    def keep(self) -> None:
        """The lanes have taken what was sent: remember that the actors were told."""
        sent, self._sent = self._sent, []
        if sent and self._path is not None:
            try:
                keep_told(self._path, sent)
            except OSError as error:
                self.log.error("what the actors were told of settings could not be kept", error=error.strerror or error)

    def take_refusal(self, refused: ConfigRefused) -> None:
        """An actor has not taken a change: what was in force still is, and the next reading says so again."""
        for one in [one for one in self._sent if is_meant(refused.key, one)]:
            self.in_force[one.path] = attrs.evolve(self.in_force[one.path], text=one.before)
            self._sent.remove(one)


def is_meant(key: str, change: Change) -> bool:
    """Whether an actor that refuses this key means that change: it may name the setting with what it binds."""
    return change.path[0] == ACTORS and key.partition(":")[0] in (change.key, change.path[-1])
