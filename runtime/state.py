"""The state directory of a system: its lock, the configuration it was begun with, its strategies' source, its journals.

A directory belongs to one configuration: a run with another one is refused by name, because a journal only means
something together with the configuration that it was written under. What may change all the same is in `resume`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.config.show import config_sha256, plain
from runtime.journal.storage import DirectoryStorage, StateLock

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint, Node
    from runtime.config.model import SystemConfig

CONFIG_NAME = "config.json"
LANES = "lanes"
SOURCES = "sources"


class StateError(Exception):
    """A state directory cannot be used; the message names it and says what to do."""


class StateUnusable(StateError):
    """What is named is no state directory, or cannot be read or written."""


class StateMismatch(StateError):
    """A state directory was begun with something else than what is to run on it now."""


class StateDiverged(StateError):
    """The actors decide otherwise than their journal says they did, so nobody can go on from it."""


class StateDirectory:
    """One directory, held by one process."""

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.lock = StateLock(path)
        except OSError as error:
            why = error.strerror or error
            raise StateUnusable(
                f"{path} cannot hold a state: {why}. Name a directory that can be made and written with --state"
            ) from error
        self.path = path

    def adopt(self, config: SystemConfig) -> bool:
        """Bind the directory to a configuration, or check that it is bound to this one; says whether it is new."""
        target = self.path / CONFIG_NAME
        sha256 = config_sha256(config)
        if not target.exists():
            document = {"sha256": sha256, "config": plain(config)}
            write_whole(target, json.dumps(document, indent=2))
            return True
        found, _ = read_document(self.path)
        if found != sha256:
            raise StateMismatch(
                f"{self.path} was begun with another configuration (SHA-256 {found[:12]}, now {sha256[:12]}): "
                f"use the configuration it was begun with, or give this run another directory with --state, where "
                "nothing is known of the positions, changed limits and halt of this one"
            )
        return False

    def keep_sources(self, blueprint: Blueprint) -> str:
        """Keep the source of every actor by its SHA-256, and the list of them by its own, which is given."""
        folder = self.path / SOURCES
        folder.mkdir(exist_ok=True)
        listed = {}
        for node in blueprint.actors:
            data = _source_of(node)
            listed[node.name] = sha256 = hashlib.sha256(data).hexdigest()
            if not (folder / f"{sha256}.py").exists():
                write_whole(folder / f"{sha256}.py", data.decode("utf-8"))
        text = json.dumps(listed, indent=2)
        list_sha256 = hashlib.sha256(text.encode("utf-8")).hexdigest()
        if not (folder / f"{list_sha256}.json").exists():
            write_whole(folder / f"{list_sha256}.json", text)
        return list_sha256

    def storage(self, lane: str) -> DirectoryStorage:
        """Where the journal of a lane lies."""
        (self.path / LANES).mkdir(exist_ok=True)
        return DirectoryStorage(self.path / LANES / lane)

    def release(self) -> None:
        """Let another process have it."""
        self.lock.release()


def read_document(path: Path) -> tuple[str, dict[str, Any]]:
    """The hash and the tables of the configuration that a state directory was begun with."""
    target = path / CONFIG_NAME
    try:
        document = json.loads(target.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StateUnusable(f"{path} is no state directory: it has no {CONFIG_NAME} (--state makes one)") from None
    except OSError as error:
        raise StateUnusable(f"{target} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise StateUnusable(f"{target} is damaged ({error}): restore it from a copy") from error
    sha256, config = (document.get("sha256"), document.get("config")) if isinstance(document, dict) else (None, None)
    if not isinstance(sha256, str) or not isinstance(config, dict):
        raise StateUnusable(f"{target} is damaged (it holds no configuration): restore it from a copy")
    return sha256, config


def changed_actors(path: Path, blueprint: Blueprint) -> list[str]:
    """The actors whose source is none of those that ever ran on this state; every one of them may decide otherwise."""
    folder = path / SOURCES
    if not folder.is_dir():
        return []
    return [
        node.name
        for node in blueprint.actors
        if not (folder / f"{hashlib.sha256(_source_of(node)).hexdigest()}.py").exists()
    ]


def explain_divergence(lane: str, error: object, changed: list[str]) -> str:
    """What a divergence means to a person, with the likely cause where one is known."""
    text = f"lane {lane} does not decide what its journal says it decided: {error}"
    if changed:
        return f"{text}. Since then the source of {', '.join(changed)} has changed; what ran is kept under {SOURCES}/"
    return text


def _source_of(node: Node) -> bytes:
    """The Python source of an actor, compiled or not."""
    path = Path(inspect.getsourcefile(node.class_) or inspect.getfile(node.class_))
    if path.suffix != ".py":
        path = path.with_name(path.name.partition(".")[0] + ".py")
    return path.read_bytes()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    unfinished = path.with_name(path.name + ".unfinished")
    with open(unfinished, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
