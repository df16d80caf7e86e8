"""Faults on request: what `--faults` says, and how it is done to a system that is built and not yet started.

`kill:NAME:every=N` lets the actor NAME fail at every Nth message that it takes, or the service NAME at every Nth
batch that it sends. The failures go the way of real ones, so supervision, journal and replay treat them alike.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from runtime.wiring import System

FORM = "kill:NAME:every=N"


class FaultError(ValueError):
    """A fault specification that cannot be understood or that names nothing there is."""


@attrs.frozen
class Kill:
    """Let one actor or service fail again and again."""

    target: str
    every: int


def parse_faults(text: str) -> list[Kill]:
    """Read a specification; several are separated by commas."""
    return [_parse_one(part.strip()) for part in text.split(",") if part.strip()]


def _parse_one(text: str) -> Kill:
    parts = text.split(":")
    if len(parts) != 3 or parts[0] != "kill" or not parts[2].startswith("every="):
        raise FaultError(f"{text!r} is no fault: write {FORM}, for example kill:fair_value:every=100")
    number = parts[2].removeprefix("every=")
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise FaultError(f"{text!r}: every={number} must be a whole number of at least 1")
    return Kill(parts[1], int(number))


def check_targets(faults: list[Kill], names: Collection[str]) -> None:
    """Refuse a fault whose target is none of the actors and services."""
    for fault in faults:
        if fault.target not in names:
            raise FaultError(f"there is no actor or service {fault.target!r} to kill: there are {', '.join(names)}")


def inject(system: System, faults: list[Kill]) -> None:
    """Arm the faults in a system."""
    slots = {slot.name: slot for lane in system.lanes for slot in lane.core.slots}
    check_targets(faults, [*slots, *system.kills])
    for fault in faults:
        if fault.target in slots:
            slots[fault.target].kill_every = fault.every
            slots[fault.target].kill_countdown = fault.every
        else:
            system.kills[fault.target].arm(fault.every)
