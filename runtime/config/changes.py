"""One setting of an actor changed while it runs: the same checks as at the start, and a refusal in words.

An actor that takes `ConfigChanged` asks here for its settings with the change in them. Only settings that are declared
with `reload=True` change; others take effect at the next start, and that is said. Nothing here keeps anything.
"""

from __future__ import annotations

from typing import TypeVar

import attrs

from runtime.config.environment import parse_value
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, key_of
from runtime.config.structure import Refused, make_converter

T = TypeVar("T")


class ChangeRefused(ValueError):
    """A change that cannot be applied while running; the message says why and what to do."""


def can_change(params: type | None) -> bool:
    """Whether a class of settings declares any that may change while running."""
    return attrs.has(params) and any(one.metadata.get("reload") for one in attrs.fields(params)) if params else False


def key_within(actor: str, key: str) -> str:
    """The name of a setting of this actor in a key path, or an empty text when it is another's."""
    begin = f"actors.{actor}.params."
    return key[len(begin) :] if key.startswith(begin) else ""


def changed_params(params: T, key: str, value: str) -> T:
    """The settings with one of them changed to a value as TOML writes it; `ChangeRefused` when that cannot be."""
    kind = type(params)
    found = [one for one in attrs.fields(kind) if key_of(one) == key]  # type: ignore[arg-type]
    if not found:
        known = ", ".join(key_of(one) for one in attrs.fields(kind))  # type: ignore[arg-type]
        raise ChangeRefused(f"unknown key: there are {known}")
    if not found[0].metadata.get("reload"):
        raise ChangeRefused("takes effect at the next start: it cannot change while running")
    raw = {key_of(one): getattr(params, one.name) for one in attrs.fields(kind)}  # type: ignore[arg-type]
    raw[key] = parse_value(value, is_text=found[0].type in (str, "str", DecimalText, "DecimalText"))
    try:
        changed: T = make_converter(environment={}).structure(raw, kind)
    except Refused as refused:
        raise ChangeRefused("; ".join(f"expected {one.expected}, not {value}" for one in refused.problems)) from refused
    except RuleBroken as broken:
        raise ChangeRefused(f"expected {broken.expected}, not {value}") from broken
    return changed
