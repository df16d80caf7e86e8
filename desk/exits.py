"""The exit codes of the command, in one place; `docs/command.md` says when each is given."""

from __future__ import annotations

from typing import Final

EXIT_OK: Final = 0
# What was looked at is not as it should be, the run did not end in order, or it ended halted.
EXIT_WRONG: Final = 1
# What was asked for cannot be done: the command, the configuration, the state directory.
EXIT_USAGE: Final = 2
# The run failed on its way, or the command itself did.
EXIT_FAILED: Final = 3
# No public feed can be reached, and nothing may stand in for them.
EXIT_OFFLINE: Final = 4
# Ctrl-C before or after the run; during a run Ctrl-C is how it is meant to end.
EXIT_INTERRUPTED: Final = 130
