"""`hftrun check` and `hftrun graph`: what a configuration says, and what would run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from desk.loading import load_and_plan, tell_errors
from runtime.config.errors import ConfigErrors
from runtime.config.show import show_data, show_lines
from runtime.graph import as_dot, as_text


def check_config(path: Path, show: bool, as_json: bool) -> int:
    """Check a configuration and its wiring; exit code 1 when anything is wrong."""
    try:
        loaded, blueprint = load_and_plan(path)
    except ConfigErrors as errors:
        if as_json:
            rows = [error._asdict() for error in errors.errors]
            print(json.dumps({"ok": False, "errors": rows}, indent=2))
        else:
            tell_errors(errors)
        return 1
    if as_json:
        print(json.dumps({"ok": True, **show_data(loaded)}, indent=2))
        return 0
    if show:
        sys.stdout.writelines(line + "\n" for line in show_lines(loaded))
    counts = f"{len(blueprint.actors)} actors in {len(blueprint.lanes)} lanes, {len(blueprint.services)} services"
    print(f"{path}: no errors; {counts}, {len(blueprint.instrument_names)} instruments")
    return 0


def print_graph(path: Path, dot: bool) -> int:
    """Print the plan of a system."""
    try:
        _, blueprint = load_and_plan(path)
    except ConfigErrors as errors:
        tell_errors(errors)
        return 1
    sys.stdout.writelines(line + "\n" for line in (as_dot(blueprint) if dot else as_text(blueprint)))
    return 0
