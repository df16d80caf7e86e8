"""Loads a configuration: files, includes and environment into one frozen `SystemConfig`, or every error at once.

Whatever the files hold, the outcome is a `Loaded` system or `ConfigErrors`, never another exception.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from runtime.config.checks import check_tree
from runtime.config.environment import apply_overrides
from runtime.config.errors import ErrorCollector, KeyPath, Origin, RuleBroken, render_value
from runtime.config.files import ConfigFiles
from runtime.config.model import SystemConfig
from runtime.config.structure import make_converter, structure, structure_params

ParamsOf = Callable[[str], "type[Any] | None"]
"""From a class as `package.module:Class` to its `PARAMS` class, None when it has none; raises `RuleBroken` when there
is no such class."""


@attrs.frozen(kw_only=True)
class Loaded:
    """A configuration with where everything in it was said."""

    config: SystemConfig
    path: str
    files: tuple[str, ...]
    origins: Mapping[KeyPath, Origin]
    params: Mapping[tuple[str, str], Any]
    """By ("actors" or "services", name): the settings as an instance of the class's `PARAMS`, where it has one."""

    def params_of(self, section: str, name: str) -> Any:
        """The structured settings of an actor or a service; None where its class declares none."""
        return self.params.get((section, name))

    def collector(self) -> ErrorCollector:
        """A collector for problems that are found later, by the wiring, told at the same places."""
        return ErrorCollector(self.path, self.origins)


def load_config(
    path: str | os.PathLike[str], environment: Mapping[str, str] | None = None, params_of: ParamsOf | None = None
) -> Loaded:
    """Load a configuration file with its includes and the overrides of the environment (by default the real one).

    With `params_of` the settings of every actor and service are structured and checked too; without it they stay raw.
    """
    name = os.fspath(path)
    variables = os.environ if environment is None else environment
    collector = ErrorCollector(name)
    files = ConfigFiles(collector)
    files.read(name)
    collector.raise_if_any()

    collector.origins = files.origins
    apply_overrides(files.tree, files.origins, variables, SystemConfig, collector)
    return _finish(files.tree, name, tuple(files.files), collector, variables, params_of)


def load_tree(tree: dict[str, Any], source: str, params_of: ParamsOf | None = None) -> Loaded:
    """A configuration from plain tables, such as a state directory keeps; neither includes nor overrides apply."""
    collector = ErrorCollector(source)
    return _finish({**tree, "include": []}, source, (source,), collector, os.environ, params_of)


def _finish(
    tree: dict[str, Any],
    name: str,
    files: tuple[str, ...],
    collector: ErrorCollector,
    variables: Mapping[str, str],
    params_of: ParamsOf | None,
) -> Loaded:
    directory = os.path.dirname(name)
    _locate_classes(tree, directory)
    config = structure(tree, SystemConfig, (), collector, make_converter(directory, variables))
    for problem in check_tree(tree):
        collector.add_problem(problem)
    params = _structure_all(tree, params_of, collector, directory, variables) if params_of else {}
    collector.raise_if_any()
    assert config is not None, "without a configuration there is an error"
    return Loaded(config=config, path=name, files=files, origins=collector.origins, params=params)


def _locate_classes(tree: dict[str, Any], directory: str) -> None:
    """A class in a file, `my_strategy.py:Class`, is looked for beside the configuration, as an include is."""
    for section in ("actors", "services"):
        table = tree.get(section)
        for settings in (table if isinstance(table, dict) else {}).values():
            class_path = settings.get("class") if isinstance(settings, dict) else None
            if isinstance(class_path, str) and ".py:" in class_path and "\0" not in class_path:
                path, _, name = class_path.rpartition(":")
                settings["class"] = f"{os.path.abspath(os.path.join(directory, path))}:{name}"


def _structure_all(
    tree: dict[str, Any], params_of: ParamsOf, collector: ErrorCollector, directory: str, environment: Mapping[str, str]
) -> dict[tuple[str, str], Any]:
    """The settings of all actors and services, from the raw tree, so that they are checked whatever else is wrong."""
    structured: dict[tuple[str, str], Any] = {}
    for section in ("actors", "services"):
        table = tree.get(section)
        for name, settings in (table if isinstance(table, dict) else {}).items():
            if not isinstance(settings, dict) or not isinstance(settings.get("class"), str):
                continue
            raw = settings.get("params", {})
            try:
                params_class = params_of(settings["class"])
            except RuleBroken as broken:
                shown = render_value(settings["class"])
                collector.add((section, name, "class"), shown, broken.expected, broken.remedy)
                continue
            key = (section, name, "params")
            if not isinstance(raw, dict):
                continue
            if params_class is None:
                for unknown in raw:
                    collector.add((*key, unknown), "", "no settings: the class declares none", "remove it")
                continue
            structured[section, name] = structure_params(
                raw, params_class, key, collector, directory=directory, environment=environment
            )
    return structured
