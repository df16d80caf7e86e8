"""Loads and plans a configuration for a command, and says everything that is wrong with it on the error stream."""

from __future__ import annotations

import sys
from pathlib import Path

from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.config.errors import ConfigError, ConfigErrors
from runtime.config.load import Loaded, load_config
from runtime.trial import plan_checked


def load_and_plan(path: Path) -> tuple[Loaded, Blueprint]:
    """The configuration and its plan; raises `ConfigErrors` with everything that is wrong with either."""
    loaded = load_config(path, params_of=params_of)
    if not loaded.config.actors and not loaded.config.services:
        remedy = "begin with a copy of configs/mm.toml, or with what `hftrun new strategy NAME` writes"
        raise ConfigErrors([ConfigError(loaded.path, 0, 0, "actors", "", "at least one actor or service", remedy)])
    return loaded, plan_checked(loaded)


def tell_errors(errors: ConfigErrors) -> None:
    """Print the report of a configuration that cannot be used."""
    for line in errors.lines():
        sys.stderr.write(line + "\n")
