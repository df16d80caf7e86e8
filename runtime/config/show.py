"""The configuration in effect: values with origins, secrets masked, its hash, and what a reload would change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import attrs

from runtime.config.errors import (
    LIST_INDEX,
    MASK,
    KeyPath,
    Origin,
    names_a_secret,
    origin_of,
    render_key,
    render_text,
)
from runtime.config.load import Loaded
from runtime.config.model import SystemConfig
from runtime.config.rules import key_of
from runtime.config.secrets import Secret

DEFAULT = "default"
SHOWN_TEXT = 4_096


class Change(NamedTuple):
    """One key that differs between two configurations; values are rendered and masked, empty where there is none."""

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.key}: {self.before or 'nothing'} -> {self.after or 'nothing'}"


def show_lines(loaded: Loaded) -> list[str]:
    """One line a value: `runtime.max_lag_ms = 100  # environment HFTRUN_RUNTIME__MAX_LAG_MS`."""
    shown = [(f"{render_key(key)} = {_toml(value)}", told) for key, value, told in _rows(loaded)]
    width = min(60, max((len(text) for text, _ in shown), default=0))
    return [f"{text:<{width}}  # {told}" for text, told in shown]


def show_data(loaded: Loaded) -> dict[str, Any]:
    """The same as plain data: files in the order read, and each key with value and origin."""
    values = [{"key": render_key(key), "value": value, "origin": told} for key, value, told in _rows(loaded)]
    return {"files": list(loaded.files), "config_sha256": config_sha256(loaded.config), "values": values}


def plain(value: object, masked: bool = False) -> Any:
    """A configuration as tables, lists and plain values, with TOML names and secrets masked."""
    if attrs.has(type(value)):
        attributes = _fields(value)
        return {key_of(attribute): plain(getattr(value, attribute.name)) for attribute in attributes}
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        if not masked and set(value) in ({"env"}, {"file"}):
            return dict(value)
        return {name: plain(inner, masked) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, masked) for item in value]
    return MASK if masked else value


def config_sha256(config: SystemConfig) -> str:
    """The hash of what a configuration says, whichever files say it: secrets enter by their reference only."""
    data = _plain_system(config)
    del data["include"]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def diff_for_reload(
    old: SystemConfig, new: SystemConfig, params_classes: Mapping[tuple[str, str], type[Any]] | None = None
) -> tuple[list[Change], list[Change]]:
    """What differs: (changes that are safe while running, changes that need a restart), by key path.

    Settings of an actor or service are safe where its `PARAMS` class, given by ("actors", name), says so.
    """
    safe: list[Change] = []
    refused: list[Change] = []
    for key, before, after, reloadable in _differences(old, new, (), params_classes or {}):
        change = Change(render_key(key), _side(before, key), _side(after, key))
        (safe if reloadable else refused).append(change)
    return safe, refused


_ABSENT = object()


def _rows(loaded: Loaded) -> list[tuple[KeyPath, Any, str]]:
    data = _plain_system(loaded.config)
    for (section, name), settings in loaded.params.items():
        data[section][name]["params"] = _with_references(plain(settings), data[section][name]["params"])
    return [(key, value, _told(key, loaded.origins)) for key, value in _leaves(data, ())]


def _with_references(settings: Any, raw: Any) -> Any:
    """Structured settings, with each secret shown as the reference that was written instead of a mask."""
    if not isinstance(settings, dict) or not isinstance(raw, dict):
        return raw if settings == MASK and _is_reference(raw) else settings
    return {name: _with_references(value, raw.get(name)) for name, value in settings.items()}


def _is_reference(value: object) -> bool:
    return isinstance(value, dict) and set(value) in ({"env"}, {"file"})


def _plain_system(config: SystemConfig) -> dict[str, Any]:
    """The plain data with raw settings masked where a key's name says that it is a secret."""
    data: dict[str, Any] = plain(config)
    for section in ("actors", "services"):
        for settings in data[section].values():
            settings["params"] = _mask_raw(settings["params"])
    return data


def _mask_raw(table: dict[str, Any]) -> dict[str, Any]:
    masked: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and not _is_reference(value) and not names_a_secret((name,)):
            masked[name] = _mask_raw(value)
        elif names_a_secret((name,)) and not _is_reference(value):
            masked[name] = plain(value, masked=True)
        else:
            masked[name] = value
    return masked


def _leaves(value: Any, key: KeyPath) -> list[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value and not _is_reference(value):
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*key, name))]
    return [(key, value)]


def _told(key: KeyPath, origins: Mapping[KeyPath, Origin]) -> str:
    """The origin of a leaf: its own, or that of a list or inline table around it; a default has none."""
    if key in origins or any(origin_key[: len(key)] == key for origin_key in origins):
        return str(origin_of(origins, key))
    around = origin_of(origins, key)
    return str(around) if around is not None and around.is_environment else DEFAULT


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return render_text(value, SHOWN_TEXT)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{render_key((name,))} = {_toml(part)}" for name, part in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return str(value)


def _differences(
    old: Any, new: Any, key: KeyPath, params_classes: Mapping[tuple[str, str], type[Any]], reloadable: bool = False
) -> list[tuple[KeyPath, Any, Any, bool]]:
    if old == new:
        return []
    found: list[tuple[KeyPath, Any, Any, bool]] = []
    if attrs.has(type(old)) and type(old) is type(new):
        for attribute in _fields(old):
            inner = (*key, key_of(attribute))
            before, after = getattr(old, attribute.name), getattr(new, attribute.name)
            if attribute.name == "params" and len(key) == 2:
                found += _params_differences(before, after, inner, params_classes.get((key[0], key[1])))
            else:
                found += _differences(before, after, inner, params_classes, bool(attribute.metadata.get("reload")))
        return found
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
            found += _differences(before, after, (*key, name), params_classes, reloadable)
        return found
    return [(key, old, new, reloadable)]


def _fields(instance: Any) -> tuple[Any, ...]:
    return tuple(attrs.fields(type(instance)))


def _params_differences(
    old: Mapping[str, Any], new: Mapping[str, Any], key: KeyPath, params_class: type[Any] | None
) -> list[tuple[KeyPath, Any, Any, bool]]:
    attributes = {} if params_class is None else {key_of(one): one for one in attrs.fields(params_class)}
    found: list[tuple[KeyPath, Any, Any, bool]] = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
        if before != after:
            reloadable = name in attributes and bool(attributes[name].metadata.get("reload"))
            found.append(((*key, name), before, after, reloadable))
    return found


def _side(value: Any, key: KeyPath) -> str:
    if value is _ABSENT:
        return ""
    named = [part for part in key if not LIST_INDEX.fullmatch(part)]
    masked = names_a_secret((named[-1],)) and "params" in key and not _is_reference(value)
    return _toml(plain(value, masked))
