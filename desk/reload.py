"""Reads the files of a run again while it goes on, puts in force what may change, and names everything else.

The loader is that of the start, with the same environment. A file with errors changes nothing. What `--limit` said at
the start stands above the file here, too. Files are read in a thread, so that no lane waits for a disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from desk.loading import load_and_plan
from runtime.config.errors import ConfigErrors, origin_of
from runtime.logs import get_logger
from runtime.reload import Change, Refused, compare, settings_of

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint
    from runtime.config.load import Loaded
    from runtime.session import Session

BY_COMMAND: Final = "the command line says it with --limit"
# So long lanes are given to take what was sent.
ANSWER_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.01
WITHOUT: Final = "restart without that --limit"


class Reloader:
    """See the head of this file."""

    def __init__(self, session: Session, path: Path, limits: Sequence[str] = ()) -> None:
        self.session = session
        self.path = path
        self._limits = {limit.partition("=")[0].partition(":")[0].strip() for limit in limits}
        self._log = get_logger("desk.reload")
        self._wanted = trio.Event()
        self._operator = ""

    def ask(self, operator: str) -> None:
        """Read the files again soon; asked for several times meanwhile, once."""
        self._operator = operator
        self._wanted.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            await self.read()

    async def read(self) -> None:
        """Read the files, change what may change, and tell everything that came of it."""
        try:
            loaded, blueprint = await trio.to_thread.run_sync(load_and_plan, self.path)
        except ConfigErrors as errors:
            for line in errors.lines():
                self._log.error(line.strip())
            self._log.error(f"{self.path} cannot be used as it is now: nothing is changed")
            return
        await self._use(loaded, blueprint)

    async def _use(self, loaded: Loaded, blueprint: Blueprint) -> None:
        if self.session.is_ending:
            self._log.warning(f"{self.path} is not read again: the run is ending")
            return
        changes, refused = compare(self.session.settings.in_force, settings_of(blueprint))
        above = [one for one in changes if self._is_above(one)]
        changes = [one for one in changes if one not in above]
        refused += [Refused(one.path, one.before, one.after, BY_COMMAND, WITHOUT) for one in above]
        for one in refused:
            self._log.warning(f"{origin_of(loaded.origins, one.path) or self.path}: {one}")
        taken = 0
        if changes:
            self.session.change_settings(changes, blueprint.config)
            await self._answered()
            in_force = self.session.settings.in_force
            taken = sum(in_force[one.path].text == one.after for one in changes)
        untaken = len(refused) + len(changes) - taken
        words = f"{self.path} was read again, as {self._operator} asked"
        self._log.warning(f"{words}: {_counted(taken, 'setting')} changed, {untaken} refused")

    async def _answered(self) -> None:
        """Wait until the actors have taken what was sent, and tell what they refuse; no lane is awaited for long."""
        lanes = self.session.system.lanes
        with trio.move_on_after(ANSWER_SECONDS):
            while any(lane.drain.is_urgent_waiting() for lane in lanes):
                await trio.sleep(LOOK_SECONDS)
        self.session.notices.tell()

    def _is_above(self, change: Change) -> bool:
        """Whether the command line has said this limit."""
        return change.path[0] == "actors" and change.path[-1] in self._limits


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
