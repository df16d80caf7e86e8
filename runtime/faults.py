"""Faults on request: what `--faults` and the configuration say, and how it is done to a system before its start.

`kill:NAME:every=N` lets the actor NAME fail at every Nth message that it takes, or the service NAME at every Nth
batch that it sends. `drop`, `duplicate`, `reorder`, `delay`, `corrupt`, `disconnect` and `stall` do to a feed's frames
what their names say (`runtime/feed_faults.py`). The failures go the way of real ones, so supervision, journal and
replay treat them alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from runtime.wiring import System

FORM: Final = "kill:NAME:every=N"
FEED_FORM: Final = "drop:FEED:rate=0.01"
FEED_KINDS: Final = ("drop", "duplicate", "reorder", "delay", "corrupt", "disconnect", "stall")
TIMED_KINDS: Final = ("delay", "stall")
BYTE: Final = "byte"
DIGIT: Final = "digit"
# A draw is a number below this; a fault strikes when it is below the fault's rate of it.
DRAWS: Final = 2**64

_RATE: Final = re.compile(r"(0|1|0?\.\d{1,12}|1\.0+)", re.ASCII)
_MOST_MS: Final = 86_400_000
_NANOSECONDS: Final = 1_000_000


class FaultError(ValueError):
    """A fault specification that cannot be understood or that names nothing there is."""


@attrs.frozen
class Kill:
    """Let one actor or service fail again and again."""

    target: str
    every: int


@attrs.frozen
class FeedFault:
    """Do one thing to the frames of a feed, to every Nth of them or to a share that is drawn."""

    kind: str
    target: str
    every: int = 0
    # The share times `DRAWS`, so that no draw is compared as a float.
    below: int = 0
    for_ns: int = 0
    what: str = BYTE


@attrs.frozen
class Faults:
    """All that was asked for."""

    kills: tuple[Kill, ...] = ()
    feeds: tuple[FeedFault, ...] = ()
    seed: int = 0

    def joined(self, other: Faults) -> Faults:
        """These and others; the other's seed counts where it has one."""
        return Faults(self.kills + other.kills, self.feeds + other.feeds, other.seed or self.seed)

    def targets(self) -> list[str]:
        """The feeds that something is to be done to."""
        return list(dict.fromkeys(fault.target for fault in self.feeds))


def parse_faults(text: str) -> Faults:
    """Read a specification; several are separated by commas."""
    return faults_of(text.split(","))


def faults_of(parts: Iterable[str]) -> Faults:
    """Read specifications that stand one by one, as in a configuration."""
    kills: list[Kill] = []
    feeds: list[FeedFault] = []
    seed = 0
    for part in (part.strip() for part in parts):
        if not part:
            continue
        if part.startswith("seed="):
            seed = _whole(part, "seed", part.removeprefix("seed="), 0)
        elif part.partition(":")[0] in FEED_KINDS:
            feeds.append(_parse_feed_fault(part))
        else:
            kills.append(_parse_kill(part))
    return Faults(tuple(kills), tuple(feeds), seed)


def is_fault(text: object) -> bool:
    """Whether a text is one specification that can be understood."""
    try:
        return isinstance(text, str) and bool(text.strip()) and faults_of([text]) is not None
    except FaultError:
        return False


def _parse_kill(text: str) -> Kill:
    parts = text.split(":")
    if len(parts) != 3 or parts[0] != "kill" or not parts[1] or not parts[2].startswith("every="):
        kinds = ", ".join(FEED_KINDS)
        raise FaultError(
            f"{text!r} is no fault: write {FORM}, for example kill:fair_value:every=100, or {FEED_FORM} with one of "
            f"{kinds}"
        )
    return Kill(parts[1], _whole(text, "every", parts[2].removeprefix("every="), 1))


def _parse_feed_fault(text: str) -> FeedFault:
    kind, _, rest = text.partition(":")
    target, *settings = rest.split(":")
    every = below = for_ns = 0
    what = BYTE
    for one in settings:
        key, _, value = one.partition("=")
        if key == "every":
            every = _whole(text, key, value, 1)
        elif key == "rate":
            below = _share(text, value)
        elif key == "ms" and kind in TIMED_KINDS:
            for_ns = min(_whole(text, key, value, 1), _MOST_MS) * _NANOSECONDS
        elif key == "what" and kind == "corrupt" and value in (BYTE, DIGIT):
            what = value
        else:
            raise FaultError(f"{text!r}: {one!r} is no setting of {kind}: there are {_settings_of(kind)}")
    if not target or bool(every) == bool(below):
        raise FaultError(f"{text!r} needs a feed, and either every=N or rate=SHARE: write {kind}:FEED:every=1000")
    if kind in TIMED_KINDS and not for_ns:
        raise FaultError(f"{text!r} needs ms=N: write {kind}:{target}:every=1000:ms=50")
    return FeedFault(kind, target, every, below, for_ns, what)


def _settings_of(kind: str) -> str:
    more = {"delay": ", ms=N", "stall": ", ms=N", "corrupt": f", what={BYTE} or {DIGIT}"}
    return f"every=N or rate=SHARE{more.get(kind, '')}"


def _whole(text: str, key: str, number: str, least: int) -> int:
    if not number.isascii() or not number.isdigit() or int(number) < least:
        raise FaultError(f"{text!r}: {key}={number} must be a whole number of at least {least}")
    return int(number)


def _share(text: str, value: str) -> int:
    if not _RATE.fullmatch(value) or not Decimal(value):
        raise FaultError(f"{text!r}: rate={value} must be a share above 0 and at most 1, such as 0.01")
    return int(Decimal(value) * DRAWS)


def check_targets(faults: Faults, names: Collection[str], feeds: Collection[str]) -> None:
    """Refuse a fault whose target is none of the actors and services, or no service that sends frames."""
    for fault in faults.kills:
        if fault.target not in names:
            raise FaultError(f"there is no actor or service {fault.target!r} to kill: there are {', '.join(names)}")
    for one in faults.feeds:
        if one.target not in feeds:
            there = f"there are {', '.join(feeds)}" if feeds else "there is none"
            raise FaultError(f"{one.target!r} is no feed, so there is nothing to {one.kind}: {there}")


def inject(system: System, faults: Faults) -> None:
    """Arm the faults in a system."""
    from runtime.feed_faults import FeedFaults

    slots = {slot.name: slot for lane in system.lanes for slot in lane.core.slots}
    check_targets(faults, [*slots, *system.kills], list(system.ports))
    for fault in faults.kills:
        if fault.target in slots:
            slots[fault.target].kill_every = fault.every
            slots[fault.target].kill_countdown = fault.every
        else:
            system.kills[fault.target].arm(fault.every)
    for target in faults.targets():
        system.ports[target].faults = FeedFaults(target, faults.feeds, faults.seed)

