"""`hftrun check` and `hftrun graph`: what a configuration says, and what would run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from desk.exits import EXIT_OK, EXIT_USAGE
from desk.loading import load_and_plan, tell_errors
from market.messages import name_of, schema_id_of
from runtime.config.errors import ConfigErrors
from runtime.config.show import show_data, show_lines
from runtime.graph import as_dot, as_text
from venues.gateway_lock import mode_problem

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint
    from runtime.config.load import Loaded


def check_config(path: Path, show: bool, as_json: bool) -> int:
    """Check a configuration and its wiring; exit code 2 when anything is wrong."""
    try:
        loaded, blueprint = load_and_plan(path)
        _check_mode(loaded, blueprint)
    except ConfigErrors as errors:
        if as_json:
            rows = [error._asdict() for error in errors.errors]
            print(json.dumps({"ok": False, "errors": rows}, indent=2))
        else:
            tell_errors(errors)
        return EXIT_USAGE
    notes = _notes(blueprint)
    if as_json:
        print(json.dumps({"ok": True, "notes": notes, **show_data(loaded)}, indent=2))
        return EXIT_OK
    if show:
        sys.stdout.writelines(line + "\n" for line in show_lines(loaded))
    sys.stdout.writelines(f"note: {note}\n" for note in notes)
    counts = ", ".join(
        (
            f"{_count(len(blueprint.actors), 'actor')} in {_count(len(blueprint.lanes), 'lane')}",
            _count(len(blueprint.services), "service"),
            _count(len(blueprint.instrument_names), "instrument"),
        )
    )
    print(f"{path}: no errors; {counts}")
    return EXIT_OK


def print_graph(path: Path, dot: bool) -> int:
    """Print the plan of a system."""
    try:
        _, blueprint = load_and_plan(path)
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    sys.stdout.writelines(line + "\n" for line in (as_dot(blueprint) if dot else as_text(blueprint)))
    return EXIT_OK


def _check_mode(loaded: Loaded, blueprint: Blueprint) -> None:
    """What a run would refuse whatever its command says is an error here as well."""
    problem = mode_problem(blueprint)
    if problem is not None:
        collector = loaded.collector()
        collector.add(("mode",), "", *problem)
        collector.raise_if_any()


def _notes(blueprint: Blueprint) -> list[str]:
    """What is no error, and still worth knowing: news that nobody reads."""
    notes = []
    for message_type, givers in blueprint.unheard():
        names = ", ".join(giver.name for giver in givers)
        verb = "gives" if len(givers) == 1 else "give"
        notes.append(f"{names} {verb} {name_of(schema_id_of(message_type))}, which nobody takes")
    return notes


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
