"""Changes of limits while the system runs: by an operator's command, or by a file that was edited.

Both may make a limit tighter; only the command may make it looser. What is refused is told with what to do instead.
"""

from __future__ import annotations

from typing import Final

from actors.risk_balances import Balances
from actors.risk_checks import RiskChecks
from actors.risk_limits import COMMAND, OFF, OFF_AT_ZERO, LimitError, Limits, read_value
from actors.risk_losses import Losses
from market.messages import ConfigChanged, ConfigRefused, LimitChanged
from runtime.actor import Actor

FILE: Final = "configuration"
FAIR_COLLAR: Final = "fair_collar_bps"
NO_FAIR_VALUE: Final = "no fair value is heard where a state was begun without this collar: begin another one with it"


class LimitChanges:
    """See the head of this file."""

    def __init__(self, actor: Actor, limits: Limits, checks: RiskChecks, balances: Balances, losses: Losses) -> None:
        self.actor: Final = actor
        self.limits: Final = limits
        self.checks: Final = checks
        self.balances: Final = balances
        self.losses: Final = losses

    def take_file(self, changed: ConfigChanged) -> None:
        """A setting of a file was changed; it may be a limit of ours."""
        begin = f"actors.{self.actor.name}.params."
        if not changed.key.startswith(begin):
            return
        name = changed.key[len(begin) :]
        if any(one.key == name for one in self.limits.bounds):
            text = changed.value.strip('"')
            self.change(f"{name}={OFF if text == '0' and name in OFF_AT_ZERO else text}", FILE, False)
            return
        reason = f"it is read when a state is begun: begin another one with it, or start with --{COMMAND} KEY=VALUE"
        self.actor.emit(ConfigRefused(name, reason))

    def change(self, argument: str, operator: str, may_loosen: bool) -> None:
        """Make the limits that `KEY=VALUE` names tighter, or looser where the one who asks may."""
        try:
            bounds, text = self.limits.read(argument)
        except LimitError as error:
            self.actor.emit(ConfigRefused(argument.partition("=")[0], str(error)))
            return
        if bounds[0].key == FAIR_COLLAR and not bounds[0].filed:
            self.actor.emit(ConfigRefused(FAIR_COLLAR, NO_FAIR_VALUE))
            return
        for bound in bounds:
            if bound.is_own and not may_loosen:
                # A file has spoken of all, and this symbol has its own.
                continue
            on, value = read_value(bound, text)
            if bound.is_looser(on, value) and not may_loosen:
                now = bound.told(bound.value)
                reason = f"{text} is looser than the {now} in force: start with --{COMMAND} '{bound.name}={text}'"
                self.actor.emit(ConfigRefused(bound.name, reason))
                continue
            previous = bound.value
            bound.set(on, value)
            self.actor.emit(LimitChanged(bound.name, bound.instrument_id, previous, bound.value, operator))
        self.checks.aim()
        self.balances.aim()
        self.losses.aim()

    def tell_refused(self, unsettled: list[list[str]]) -> str:
        """Say what the file asked for at the start and did not get, or gets only with a person's word.

        Gives why trading has to wait for that word, or an empty text.
        """
        for name, reason in self.limits.refused:
            self.actor.emit(ConfigRefused(name, reason))
        for name, reason in unsettled:
            self.actor.emit(ConfigRefused(name, f"{reason}: look at it, and end the halt by --reset-halt"))
        if len(unsettled) == 0:
            return ""
        name, reason = unsettled[0]
        unsettled.clear()
        return f"the file was edited since the last run: {name}: {reason}"
