"""What differs between the settings in force and those of files that were read again: what may change now, what not.

A setting is one key of the program's tables, or of the settings of an actor's class; its value is the text that TOML
has for it, with secrets masked, so that it may be shown, kept and sent. Nothing here reads a file or changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from market.messages import ConfigChanged
from runtime.blueprint import Blueprint, Node
from runtime.config.errors import KeyPath, render_key
from runtime.config.rules import key_of
from runtime.config.show import masked_table, setting_texts, value_text

AT_START: Final = "it takes effect at the next start"
LEFT_OUT: Final = "it was left out, and while running only a value can take the place of a value"
RESTART: Final = "restart, where there is a --state with another directory: a state keeps what it was begun with"
WRITE_IT: Final = "write the value that it shall have"
# Tables by name: what is in one of them is there or not as a whole.
NAMED: Final = ("instruments", "actors", "services", "channels")
# Where others are said; what they say is compared.
PLACES: Final = "include"


@attrs.frozen
class Setting:
    """One setting of a configuration, and why it may not change while running, or an empty text."""

    path: KeyPath
    text: str
    fixed: str = ""

    @property
    def key(self) -> str:
        """Its key as TOML writes it."""
        return render_key(self.path)


@attrs.frozen
class Change:
    """A setting that may change while running: what is in force, and what shall be."""

    path: KeyPath
    before: str
    after: str

    @property
    def key(self) -> str:
        """Its key as TOML writes it."""
        return render_key(self.path)


@attrs.frozen
class Refused:
    """A difference that does not take effect: an empty text stands for nothing there."""

    path: KeyPath
    before: str
    after: str
    why: str
    remedy: str

    def __str__(self) -> str:
        found = f"{self.after or 'nothing'} instead of {self.before or 'nothing'}, which stays in force"
        return f"{render_key(self.path)}: {found}: {self.why}; {self.remedy}"


Settings = dict[KeyPath, Setting]


def settings_of(blueprint: Blueprint) -> Settings:
    """Every setting of a plan, with what its classes have for those that were not written."""
    found: Settings = {}
    config = blueprint.config
    for attribute in fields_of(config):
        name, value = key_of(attribute), getattr(config, attribute.name)
        if name in NAMED:
            for item, table in value.items():
                _put_table(found, (name, item), table)
        elif attrs.has(type(value)):
            _put_table(found, (name,), value)
        elif name != PLACES:
            _put(found, (name,), value_text(value), attribute.metadata.get("reload"))
    for node in blueprint.actors:
        # An actor that no table names was put there by code: no file can change it.
        if attrs.has(type(node.params)) and node.name in config.actors:
            _put_params(found, node, config.actors[node.name].params)
    return found


def _put_table(found: Settings, place: KeyPath, table: object) -> None:
    for attribute in fields_of(table):
        name, value = key_of(attribute), getattr(table, attribute.name)
        if name != "params":
            _put(found, (*place, name), value_text(value), attribute.metadata.get("reload"))
        elif place[0] != "actors":
            for key, text in masked_table(value).items():
                _put(found, (*place, name, key), text, False)


def _put_params(found: Settings, node: Node, raw: Mapping[str, Any]) -> None:
    texts = setting_texts(node.params, raw)
    heeded = ConfigChanged in node.takes
    for attribute in fields_of(node.params):
        key = key_of(attribute)
        _put(found, ("actors", node.name, "params", key), texts[key], heeded and attribute.metadata.get("reload"))


def fields_of(instance: object) -> tuple[Any, ...]:
    """The attributes of an instance of an attrs class."""
    return tuple(attrs.fields(type(instance)))  # type: ignore[arg-type]


def _put(found: Settings, path: KeyPath, text: str, may_change: object) -> None:
    found[path] = Setting(path, text, "" if may_change else AT_START)


def compare(old: Settings, new: Settings) -> tuple[list[Change], list[Refused]]:
    """What differs: changes that may take effect while running, and what does not, with why."""
    changes: list[Change] = []
    refused: list[Refused] = []
    for table in sorted(tables_of(old) ^ tables_of(new)):
        words = ("", "a new table") if table in tables_of(new) else ("a table", "")
        refused.append(Refused(table, *words, AT_START, RESTART))
    both = tables_of(old) & tables_of(new)
    for path in dict.fromkeys([*old, *new]):
        if path[0] in NAMED and path[:2] not in both:
            continue
        before, after = old.get(path, Setting(path, "")), new.get(path, Setting(path, ""))
        if before.text == after.text:
            continue
        fixed = before.fixed or after.fixed
        if fixed:
            refused.append(Refused(path, before.text, after.text, fixed, RESTART))
        elif not after.text:
            refused.append(Refused(path, before.text, "", LEFT_OUT, WRITE_IT))
        else:
            changes.append(Change(path, before.text, after.text))
    return changes, refused


def tables_of(settings: Settings) -> set[KeyPath]:
    """The instruments, actors, services and channels that there are."""
    return {path[:2] for path in settings if path[0] in NAMED}
