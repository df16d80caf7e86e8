"""Changes of limits while the system runs: by an operator's command, or by a file that was edited.

Both may make a limit tighter; only the command may make it looser. What is refused is told with what to do instead.
"""

from __future__ import annotations

from typing import Final

from actors.risk_balances import Balances
from actors.risk_checks import RiskChecks
from actors.risk_limits import COMMAND, LimitError, Limits, read_value
from market.messages import ConfigChanged, ConfigRefused, LimitChanged
from runtime.actor import Actor

FILE: Final = "configuration"


class LimitChanges:
    """See the head of this file."""

    def __init__(self, actor: Actor, limits: Limits, checks: RiskChecks, balances: Balances) -> None:
        self.actor: Final = actor
        self.limits: Final = limits
        self.checks: Final = checks
        self.balances: Final = balances

    def take_file(self, changed: ConfigChanged) -> None:
        """A setting of a file was changed; it may be a limit of ours."""
        begin = f"actors.{self.actor.name}.params."
        if changed.key.startswith(begin):
            text = changed.value.strip('"')
            self.change(f"{changed.key[len(begin) :]}={text}", FILE, False)

    def change(self, argument: str, operator: str, may_loosen: bool) -> None:
        """Make the limits that `KEY=VALUE` names tighter, or looser where the one who asks may."""
        try:
            bounds, text = self.limits.read(argument)
        except LimitError as error:
            self.actor.emit(ConfigRefused(argument.partition("=")[0], str(error)))
            return
        for bound in bounds:
            on, value = read_value(bound, text)
            if bound.is_looser(on, value) and not may_loosen:
                now = bound.told(bound.value)
                reason = f"{text} is looser than the {now} in force: use the command {COMMAND} {bound.name}={text}"
                self.actor.emit(ConfigRefused(bound.name, reason))
                continue
            previous = bound.value
            bound.set(on, value)
            self.actor.emit(LimitChanged(bound.name, bound.instrument_id, previous, bound.value, operator))
        self.checks.aim()
        self.balances.aim()

    def tell_refused(self) -> None:
        """Say what the file asked for at the start and did not get."""
        for name, reason in self.limits.refused:
            self.actor.emit(ConfigRefused(name, reason))
