"""The state directory of a system: its lock, the configuration it was begun with, its strategies' source, its journals.

A directory belongs to one configuration: a run with another one is refused by name, because a journal only means
something together with the configuration that it was written under.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.config.show import config_sha256, plain
from runtime.journal.storage import DirectoryStorage, StateLock

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint
    from runtime.config.model import SystemConfig

CONFIG_NAME = "config.json"
LANES = "lanes"
SOURCES = "sources"


class StateMismatch(Exception):
    """A state directory was begun with something else than what is to run on it now."""


class StateDirectory:
    """One directory, held by one process."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.lock = StateLock(path)

    def adopt(self, config: SystemConfig) -> bool:
        """Bind the directory to a configuration, or check that it is bound to this one; says whether it is new."""
        target = self.path / CONFIG_NAME
        sha256 = config_sha256(config)
        if not target.exists():
            document = {"sha256": sha256, "config": plain(config)}
            _write_whole(target, json.dumps(document, indent=2))
            return True
        found = json.loads(target.read_text(encoding="utf-8"))["sha256"]
        if found != sha256:
            raise StateMismatch(
                f"{self.path} was begun with another configuration (SHA-256 {found[:12]}, now {sha256[:12]}): "
                f"use the configuration it was begun with, or give this run another directory with --state"
            )
        return False

    def keep_sources(self, blueprint: Blueprint) -> list[str]:
        """Keep the source of every actor by its SHA-256; gives the SHA-256 of each."""
        folder = self.path / SOURCES
        folder.mkdir(exist_ok=True)
        found = []
        for node in blueprint.actors:
            source = inspect.getsourcefile(node.class_) or inspect.getfile(node.class_)
            path = Path(source)
            if path.suffix != ".py":
                path = path.with_name(path.name.partition(".")[0] + ".py")
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            found.append(sha256)
            if not (folder / f"{sha256}.py").exists():
                _write_whole(folder / f"{sha256}.py", data.decode("utf-8"))
        return found

    def storage(self, lane: str) -> DirectoryStorage:
        """Where the journal of a lane lies."""
        (self.path / LANES).mkdir(exist_ok=True)
        return DirectoryStorage(self.path / LANES / lane)

    def release(self) -> None:
        """Let another process have it."""
        self.lock.release()


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    unfinished = path.with_name(path.name + ".unfinished")
    with open(unfinished, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
