"""The rules that values of a configuration keep, and `setting`, which declares one key of a table.

A rule is an attrs validator that says in words what it expects; the same words stand in error messages and in the
table of keys in the docs. Settings of actors and services (their `PARAMS` classes) are declared the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NewType

import attrs

from runtime.config.errors import RuleBroken

DecimalText = NewType("DecimalText", str)
"""A price, a size, a fee or an amount of money: exact decimal text in quotes, never a float."""

DECIMAL = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,18})?", re.ASCII)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
NAME_EXPECTED = "a name: a letter, then at most 63 letters, digits, _ . -"
CLASS_NAME = re.compile(
    r"([A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*|[^:]{1,1024}\.py):[A-Za-z_][A-Za-z0-9_]*", re.ASCII
)


class Rule:
    """A validator that can say what it expects."""

    def __init__(
        self, expected: str, holds: Callable[[Any], bool], remedy: str = "", item_rule: Rule | None = None
    ) -> None:
        self.expected = expected
        self.holds = holds
        self.remedy = remedy
        self.item_rule = item_rule

    def __call__(self, instance: object, attribute: object, value: Any) -> None:
        """Raise `RuleBroken` when the value breaks the rule (the signature is that of an attrs validator)."""
        if not self.holds(value):
            raise RuleBroken(self.expected, self.remedy)


def setting(
    help: str,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    rule: Rule | None = None,
    unit: str = "",
    reload: bool = False,
    key: str = "",
) -> Any:
    """Declare one key: what it is for, its default (none: the key must be given), rule, unit, safe to reload or not.

    `key` is the TOML name where it cannot be the attribute's own. Secrets are declared by the type `Secret`.
    """
    metadata = {"help": help, "unit": unit, "reload": reload, "rule": rule, "key": key}
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata, validator=rule, kw_only=True)
    return attrs.field(default=default, metadata=metadata, validator=rule, kw_only=True)


def key_of(attribute: Any) -> str:
    """The TOML name of an attribute."""
    return str(attribute.metadata.get("key") or attribute.name)


def positive() -> Rule:
    """A number above zero."""
    return Rule("a number above 0", lambda value: value > 0)


def at_least(lowest: float) -> Rule:
    """A number of at least `lowest`."""
    return Rule(f"a number of at least {lowest}", lambda value: value >= lowest)


def between(lowest: float, highest: float) -> Rule:
    """A number from `lowest` to `highest`, both included."""
    return Rule(f"a number from {lowest} to {highest}", lambda value: lowest <= value <= highest)


def one_of(*choices: str) -> Rule:
    """One of a few words; the empty one is told as `""`."""
    told = ", ".join(choice or '""' for choice in choices)
    return Rule(f"one of {told}", lambda value: value in choices)


def decimal(lowest: str = "", *, above_zero: bool = False) -> Rule:
    """Exact decimal text without exponent; at least `lowest`, or above zero."""
    if above_zero:
        return Rule('a decimal above 0 in quotes, such as "0.01"', lambda text: _is_decimal(text) and _ratio(text) > 0)
    if lowest:
        return Rule(
            f'a decimal of at least {lowest} in quotes, such as "0.01"',
            lambda text: _is_decimal(text) and compare_decimals(text, lowest) >= 0,
        )
    return Rule('a decimal in quotes, such as "0.01"', _is_decimal)


def text_of(highest_length: int = 256) -> Rule:
    """Text that is not empty and fits on a line."""
    return Rule(
        f"text of 1 to {highest_length} characters on one line",
        lambda value: 0 < len(value) <= highest_length and value.isprintable(),
    )


def name() -> Rule:
    """A name that can stand in a key path and in a metric."""
    return Rule(NAME_EXPECTED, lambda value: NAME.fullmatch(value) is not None)


def class_name() -> Rule:
    """A class as `package.module:Class`, or as `path/to/file.py:Class`."""
    return Rule(
        'a class as "package.module:Class" or "path/to/file.py:Class"',
        lambda value: CLASS_NAME.fullmatch(value) is not None,
        "name the module and the class with a colon between them",
    )


def each(rule: Rule) -> Rule:
    """A list whose items all keep a rule, or a table whose values do."""
    return Rule(
        f"{rule.expected}, for each",
        lambda values: all(rule.holds(value) for value in (values.values() if isinstance(values, dict) else values)),
        rule.remedy,
        item_rule=rule,
    )


def compare_decimals(left: str, right: str) -> int:
    """-1, 0 or 1 as the exact decimal `left` is below, equal to or above `right`."""
    difference = _ratio(left) - _ratio(right)
    return (difference > 0) - (difference < 0)


def decimals_of(text: str) -> int:
    """How many digits follow the point, without trailing zeros: the scale that a tick or a lot needs."""
    _, _, fraction = text.partition(".")
    return len(fraction.rstrip("0"))


def _is_decimal(text: str) -> bool:
    return DECIMAL.fullmatch(text) is not None


def _ratio(text: str) -> int:
    """The decimal at 18 digits after the point, as an unbounded whole number."""
    negative = text.startswith("-")
    whole, _, fraction = text.lstrip("-").partition(".")
    value = int(whole + fraction.ljust(18, "0"))
    return -value if negative else value
