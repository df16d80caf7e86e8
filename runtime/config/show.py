"""The configuration in effect: values with origins as TOML writes them, secrets masked, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs

from runtime.config.errors import (
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


def value_text(value: object) -> str:
    """A value as TOML writes it, with secrets masked; an empty text for one that is left out."""
    return "" if value is None else _toml(plain(value))


def setting_texts(settings: object, raw: Mapping[str, Any]) -> dict[str, str]:
    """By key the settings of a class as TOML writes them, secrets as the references that were written or masked."""
    return masked_table(_with_references(plain(settings), raw))


def masked_table(table: Mapping[str, Any]) -> dict[str, str]:
    """By key what a table holds, as TOML writes it; what is named like a secret is masked."""
    return {name: "" if value is None else _toml(value) for name, value in _mask_raw(dict(plain(table))).items()}


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


def _fields(instance: Any) -> tuple[Any, ...]:
    return tuple(attrs.fields(type(instance)))
