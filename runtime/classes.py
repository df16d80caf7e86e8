"""Finds the classes that a configuration names, in the project or in a file of the user's own."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.actor import Actor
from runtime.config.errors import RuleBroken
from runtime.service import Service


def load_class(class_path: str) -> type:
    """The class that `module:Class` names; the module is a dotted name, or the path of a Python file."""
    module_name, _, class_name = class_path.partition(":")
    try:
        module = _load_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
    except (ImportError, SyntaxError, OSError, NameError, AttributeError, TypeError, ValueError) as error:
        raise RuleBroken("a class that can be loaded", f"{type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise RuleBroken("a class that can be loaded", f"{module_name} has no class {class_name}")
    if not issubclass(found, Actor | Service):
        raise RuleBroken("an actor, a strategy or a service", "derive it from runtime.actor or runtime.service")
    return found


def params_of(class_path: str) -> type[Any] | None:
    """The class of the settings of an actor or service; None when it has none."""
    params: type[Any] | None = load_class(class_path).PARAMS  # type: ignore[attr-defined]
    return params


def _load_file(path: Path) -> ModuleType:
    """A module from a file outside the project; the same file is loaded once."""
    name = "hftrun_user_" + "_".join(path.resolve().with_suffix("").parts[1:])
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise ImportError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loaded = False
    try:
        spec.loader.exec_module(module)
        loaded = True
    finally:
        if not loaded:
            del sys.modules[name]
    return module
