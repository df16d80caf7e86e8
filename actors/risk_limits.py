"""The limits of `Risk` as exact integers, and who may change them.

A limit can always be made tighter. It is made looser only by an operator's command, `limit KEY=VALUE`, never by a file
that was edited: a file that asks for a looser limit than the one in force is refused with the name of that command.
A limit that was changed stays so over a restart, until the file names a tighter one.
"""

from __future__ import annotations

from typing import Final, final

from market.numbers import NumberError, decimal_places, format_decimal_short, parse_decimal

OFF: Final = "off"
COMMAND: Final = "limit"
# The largest value of a limit on a number, by a command as by the file.
MOST: Final[dict[str, int]] = {
    "collar_bps": 10_000,
    "fair_collar_bps": 10_000,
    "maximum_open_orders": 100_000,
    "maximum_orders": 1_000_000,
    "maximum_requests": 1_000_000,
    "maximum_positions": 100_000,
    "window_ms": 86_400_000,
    "maximum_book_age_ms": 86_400_000,
    "cancel_room": 1_000_000,
    "refuse_self_trade": 1,
    "refuse_duplicates": 1,
}
# What an account or the whole began with may be nothing.
MAY_BE_NOTHING: Final = ("balances", "starting_value")
# Where a file says 0, they are off.
OFF_AT_ZERO: Final = ("fair_collar_bps", "maximum_positions", "maximum_requests", "maximum_book_age_ms")
# A switch as a file writes it.
SWITCHES: Final[dict[str, str]] = {"true": "1", "false": "0"}


def scaled(text: str, scale: int) -> int:
    """An amount of the configuration as an integer at a scale, however large; digits below the scale are cut off."""
    places = decimal_places(text)
    amount: int = parse_decimal(text, places)
    if places <= scale:
        larger: int = 10 ** (scale - places)
        return amount * larger
    smaller: int = 10 ** (places - scale)
    return amount // smaller


@final
class Bound:
    """One limit: what it is now, and what the file says."""

    def __init__(self, key: str, scope: str, instrument_id: int, scale: int, text: str, floor: bool = False) -> None:
        self.key: Final = key
        # What it binds: a venue with a symbol, a base asset, or nothing for the whole.
        self.scope: Final = scope
        self.instrument_id: Final = instrument_id
        self.scale: Final = scale
        # A floor is tighter the higher it is.
        self.floor: Final = floor
        self.filed: Final = text
        # Whether a symbol has it for itself, so that what a file says for all is not meant for it.
        self.is_own: bool = False
        # Whether the file no longer has it, so that it stays as it was.
        self.left_out: bool = False
        self.on: bool = len(text) > 0
        self.value: int = scaled(text, scale) if text else 0

    @property
    def name(self) -> str:
        """Key and scope."""
        return f"{self.key}:{self.scope}" if self.scope else self.key

    def told(self, value: int) -> str:
        """A value of this limit as text."""
        return format_decimal_short(value, self.scale)

    def is_looser(self, on: bool, value: int) -> bool:
        """Whether another setting would allow more than this one."""
        if not self.on:
            return False
        if not on:
            return True
        return value < self.value if self.floor else value > self.value

    def set(self, on: bool, value: int) -> None:
        """Another value from now on."""
        self.on = on
        self.value = value if on else 0

    def save(self) -> list[object]:
        """What it is, and what the file said."""
        return [self.name, self.filed, self.on, self.value]

    def load(self, filed: str, on: bool, value: int) -> str:
        """Take back what was in force; gives why the file's own value is refused, or an empty text."""
        now_on, now_value = self.on, self.value
        self.set(on, value)
        if self.left_out:
            return f"it was left out, which is looser than the {self.told(value)} in force: write it again"
        if filed == self.filed:
            return ""
        if not self.is_looser(now_on, now_value):
            self.set(now_on, now_value)
            return ""
        asked = self.told(now_value) if now_on else OFF
        return f"{asked} is looser than the {self.told(value)} in force: start with --{COMMAND} '{self.name}={asked}'"


class LimitError(ValueError):
    """A change of a limit that cannot be made; the message says what to write instead."""


class Limits:
    """Every limit of one `Risk`, found by key and scope."""

    def __init__(self) -> None:
        self.bounds: Final[list[Bound]] = []
        # What the file asked for and does not get: key and reason.
        self.refused: list[list[str]] = []

    def add(
        self, key: str, text: str | None, scale: int, scope: str = "", instrument_id: int = 0, floor: bool = False
    ) -> Bound:
        """A limit more; without a text it is off."""
        bound = Bound(key, scope, instrument_id, scale, text or "", floor)
        self.bounds.append(bound)
        return bound

    def named(self, name: str) -> list[Bound]:
        """The limits of this key, all of them, or those of one scope or symbol; raises `LimitError`."""
        key, _, scope = name.partition(":")
        found = [one for one in self.bounds if one.key == key and (not scope or matches(one.scope, scope))]
        if found:
            return found
        keys = dict.fromkeys(one.key for one in self.bounds)
        if key not in keys:
            raise LimitError(f"there is no limit {key}: there are {', '.join(keys)}")
        scopes = [one.scope for one in self.bounds if one.key == key]
        raise LimitError(f"{key} does not bind {scope}: it binds {', '.join(scopes) if scopes[0] else 'the whole'}")

    def read(self, argument: str) -> tuple[list[Bound], str]:
        """The limits that `KEY=VALUE` names, and the value; raises `LimitError`."""
        name, equals, text = argument.partition("=")
        name, text = name.strip(), text.strip()
        if not equals or not text:
            raise LimitError(f"{argument!r} is no change of a limit: write {COMMAND} KEY=VALUE")
        bounds = self.named(name)
        for bound in bounds:
            read_value(bound, text)
        return bounds, text

    def save(self) -> list[object]:
        """All of them as plain data."""
        return [bound.save() for bound in self.bounds]

    def load(self, state: object) -> None:
        """Take back what `save` gave; what the file would loosen stays as it was, and is told in `refused`."""
        assert isinstance(state, list)
        saved = {row[0]: row for row in state}
        self.refused = []
        for bound in self.bounds:
            row = saved.get(bound.name)
            if row is None:
                continue
            problem = bound.load(row[1], row[2], row[3])
            if problem:
                self.refused.append([bound.name, problem])


def matches(scope: str, wanted: str) -> bool:
    """Whether a scope is the wanted one, or the same symbol at any venue."""
    return scope == wanted or scope.partition(" ")[2] == wanted


def read_value(bound: Bound, text: str) -> tuple[bool, int]:
    """A value for a limit, from text; raises `LimitError`."""
    if text == OFF:
        if bound.filed:
            raise LimitError(f"{bound.key} cannot be switched off: give it a value")
        return False, 0
    try:
        value = scaled(SWITCHES.get(text, text), bound.scale)
    except NumberError as error:
        raise LimitError(f"{bound.key}: {error}") from None
    may_be_zero = bound.key in MAY_BE_NOTHING or (bound.floor and bound.key != "window_ms")
    if value < 0 or (value == 0 and not may_be_zero):
        raise LimitError(f"{bound.key} cannot be {text}: give it a value above 0")
    most = MOST.get(bound.key, value)
    if value > most:
        raise LimitError(f"{bound.key} cannot be {text}: give it a value of at most {most}")
    return True, value
