"""Loads and plans a configuration for a command, and says everything that is wrong with it on the error stream."""

from __future__ import annotations

import sys
from pathlib import Path

from runtime.blueprint import Blueprint, draw_blueprint
from runtime.classes import params_of
from runtime.config.errors import ConfigErrors
from runtime.config.load import Loaded, load_config


def load_and_plan(path: Path) -> tuple[Loaded, Blueprint]:
    """The configuration and its plan; raises `ConfigErrors` with everything that is wrong with either."""
    loaded = load_config(path, params_of=params_of)
    blueprint, problems = draw_blueprint(loaded)
    collector = loaded.collector()
    for problem in problems:
        collector.add_problem(problem)
    collector.raise_if_any()
    return loaded, blueprint


def tell_errors(errors: ConfigErrors) -> None:
    """Print the report of a configuration that cannot be used."""
    for line in errors.lines():
        sys.stderr.write(line + "\n")
