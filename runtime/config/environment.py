"""Overrides from the environment: `HFTRUN_RUNTIME__MAX_LAG_MS=100` sets `runtime.max_lag_ms`.

The parts of the key path are joined by two underscores, in capitals, with an underscore for every character that a
variable's name cannot hold. The value is read as TOML, and as plain text where it is not TOML. An override names a
key that exists; a name that nothing knows is an error, so that no misspelt override is lost silently.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from typing import Any

import attrs
import tomli

from runtime.config.errors import ErrorCollector, KeyPath, Origin, did_you_mean
from runtime.config.files import Tree, keys_of, problems_of
from runtime.config.rules import DecimalText, key_of
from runtime.config.structure import MAPPINGS

PREFIX = "HFTRUN_"
RESERVED = frozenset({"HFTRUN_PURE", "HFTRUN_DATA", "HFTRUN_SOAK"})
"""Variables that the program itself reads; they are no overrides."""

MAX_TEXT_CHARACTERS = 65_536


class _Unknown(Exception):
    """An override that names no key: what is wrong, and what to do."""


def apply_overrides(
    tree: Tree,
    origins: dict[KeyPath, Origin],
    environment: Mapping[str, str],
    model: type[Any],
    collector: ErrorCollector,
) -> None:
    """Set in the tree what the environment says, and note the origin; `model` is the class of the whole."""
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable in RESERVED:
            continue
        try:
            key, kind = _locate(variable[len(PREFIX) :].split("__"), model, tree)
        except _Unknown as unknown:
            collector.add_at(variable, str(unknown.args[0]), str(unknown.args[1]))
            continue
        value = parse_value(environment[variable], is_text=kind in (str, DecimalText))
        problems = problems_of(value, key)
        for expected, inner, _ in problems:
            collector.add_at(variable, f"{expected}, in {'.'.join(inner)}")
        if not problems:
            _set(tree, origins, key, value, Origin(variable, is_environment=True))


def parse_value(text: str, *, is_text: bool = False) -> object:
    """A variable's text as the TOML value that it is, or as text; where text is wanted, quotes may be left away."""
    if is_text and text[:1] not in ('"', "'"):
        return text
    if len(text) > MAX_TEXT_CHARACTERS:
        return text
    try:
        document = tomli.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if len(document) == 1 else text


def variable_name(key: KeyPath) -> str:
    """The variable that overrides a key."""
    return PREFIX + "__".join(_capitals(part) for part in key)


def _capitals(part: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", part.upper())


def _locate(parts: list[str], model: type[Any], tree: Tree) -> tuple[KeyPath, Any]:
    """The key that the parts name and its type, found by the classes and, for named tables, by what the files hold."""
    key: KeyPath = ()
    kind: Any = model
    node: object = tree
    for part in parts:
        held = node if isinstance(node, dict) else {}
        if attrs.has(kind):
            attributes = {key_of(attribute): attribute for attribute in attrs.fields(attrs.resolve_types(kind))}
            name = _match(part, attributes)
            kind = attributes[name].type
        elif kind is Any:
            name = _match(part, held, may_be_new=True)
        elif _is_table(kind):
            kind = typing.get_args(kind)[1]
            name = _match(part, held, may_be_new=not attrs.has(kind))
        else:
            raise _Unknown(f"{'.'.join(key)} has no keys inside", f"set {variable_name(key)}")
        key = (*key, name)
        node = held.get(name)
    if attrs.has(kind) or _is_table(kind):
        raise _Unknown(f"{'.'.join(key)} is a table", f"name one of its keys: {variable_name(key)}__...")
    if key == ("include",):
        raise _Unknown("include is for files only", "set the keys themselves")
    return key, kind


def _match(part: str, names: Mapping[str, Any], *, may_be_new: bool = False) -> str:
    found = [name for name in names if _capitals(name) == part]
    if len(found) == 1:
        return found[0]
    if found:
        raise _Unknown(f"{part} may mean {' or '.join(sorted(found))}", "rename one of them")
    if may_be_new and re.fullmatch(r"[A-Z0-9_]+", part):
        return part.lower()
    raise _Unknown(
        f"no such key: {part[:64]}" if part else "a name is missing between the underscores",
        did_you_mean(part, [_capitals(name) for name in names]),
    )


def _is_table(kind: Any) -> bool:
    return typing.get_origin(kind) in MAPPINGS


def _set(tree: Tree, origins: dict[KeyPath, Origin], key: KeyPath, value: object, origin: Origin) -> None:
    node = tree
    for part in key[:-1]:
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            return  # the file holds something else here, which is told as an error of the file
        node = inner
    for stale in keys_of(node.get(key[-1]), key):
        origins.pop(stale, None)
    node[key[-1]] = value
    origins[key] = origin
