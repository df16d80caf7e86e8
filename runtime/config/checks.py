"""Checks between the tables of a configuration: names that must exist, things that must not be said twice.

They look at the raw tree, so that they find what they can even where other keys are wrong; a value of the wrong
type is passed over here, because structuring tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtime.config.errors import KeyPath, Problem, did_you_mean, render_text, render_value
from runtime.config.rules import NAME, NAME_EXPECTED

NAMED_TABLES = ("instruments", "actors", "services", "channels")


def check_tree(tree: dict[str, Any]) -> Iterator[Problem]:
    """Every contradiction between the tables."""
    yield from _names(tree)
    yield from _instruments_of_nodes(tree)
    yield from _instruments_twice(tree)
    if tree.get("mode") == "live" and tree.get("offline") == "simulate":
        yield Problem(
            ("offline",), '"simulate"', '"fail", because mode = "live"', "live trading never falls back to a simulation"
        )


def _names(tree: dict[str, Any]) -> Iterator[Problem]:
    for table in NAMED_TABLES:
        for name in _table(tree, table):
            if NAME.fullmatch(name) is None:
                yield Problem((table, name), render_text(name), NAME_EXPECTED, "rename it")
    for name in _table(tree, "actors"):
        if name in _table(tree, "services"):
            yield Problem(("services", name), "", "a name of its own; an actor has it already", "rename one of the two")


def _instruments_of_nodes(tree: dict[str, Any]) -> Iterator[Problem]:
    known = _table(tree, "instruments")
    for section in ("actors", "services"):
        for owner, settings in _table(tree, section).items():
            wanted = settings.get("instruments") if isinstance(settings, dict) else None
            if isinstance(wanted, list):
                yield from _instrument_names(wanted, known, (section, owner, "instruments"))


def _instrument_names(wanted: list[Any], known: dict[str, Any], key: KeyPath) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(wanted):
        if not isinstance(name, str):
            continue
        item = (*key, f"[{index}]")
        if name not in known:
            yield Problem(item, render_value(name), "the name of an instrument", did_you_mean(name, known))
        elif name in seen:
            yield Problem(item, render_value(name), "each instrument once", "remove one of the two")
        seen.add(name)


def _instruments_twice(tree: dict[str, Any]) -> Iterator[Problem]:
    owners: dict[tuple[str, str], str] = {}
    for name, settings in _table(tree, "instruments").items():
        if not isinstance(settings, dict):
            continue
        venue, symbol = settings.get("venue"), settings.get("venue_symbol")
        if not isinstance(venue, str) or not isinstance(symbol, str):
            continue
        owner = owners.setdefault((venue, symbol), name)
        if owner != name:
            yield Problem(
                ("instruments", name, "venue_symbol"), render_value(symbol),
                f"a symbol of its own; instruments.{owner} is the same one at {render_value(venue)}",
                "remove one of the two",
            )  # fmt: skip


def _table(tree: dict[str, Any], name: str) -> dict[str, Any]:
    table = tree.get(name)
    return table if isinstance(table, dict) else {}
