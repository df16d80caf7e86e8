"""The settings of a run while it goes on: sent to the actors as inputs, kept, and what the actors say of them told.

Every change is one numbered `ConfigChanged`, so the journal has it and a replay repeats it. What an actor refuses, such
as a limit that would be looser, is told in the log and counts as not in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs
import trio

from market.messages import ConfigChanged, ConfigRefused, LimitChanged, Message, schema_id_of
from runtime.lane_parts import Port, RemoteTaker
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
LOOK_SECONDS: Final = 0.25


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
        self._ports = [Port("settings", False) for _ in system.lanes]
        for lane, port in zip(system.lanes, self._ports, strict=True):
            for message_type in (ConfigRefused, LimitChanged):
                lane.core.routes[schema_id_of(message_type)].remote.append(RemoteTaker(port, False, []))

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

    async def run(self) -> None:
        """Tell what the actors say, and keep what they were told, until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            if not any(lane.drain.is_urgent_waiting() for lane in self.system.lanes):
                self.settle()

    def settle(self) -> None:
        """Take what the actors have said of what they were told, and remember that they were told."""
        sent, self._sent = self._sent, []
        for port in self._ports:
            for message in port.pending:
                self._hear(message, sent)
            port.clear()
        if sent and self._path is not None:
            try:
                keep_told(self._path, sent)
            except OSError as error:
                self.log.error("what the actors were told of settings could not be kept", error=error.strerror or error)

    def _hear(self, message: Message, sent: list[Change]) -> None:
        if isinstance(message, ConfigRefused):
            self.log.warning(f"{message.key} is not changed: {message.reason}")
            for one in [one for one in sent if is_meant(message.key, one)]:
                self.in_force[one.path] = attrs.evolve(self.in_force[one.path], text=one.before)
                sent.remove(one)
        elif isinstance(message, LimitChanged) and message.previous != message.bound:
            self.log.warning(f"limit {message.limit} changed, by {message.operator}")


def is_meant(key: str, change: Change) -> bool:
    """Whether an actor that refuses this key means that change: it may name the setting with what it binds."""
    return change.path[0] == ACTORS and key.partition(":")[0] in (change.key, change.path[-1])
