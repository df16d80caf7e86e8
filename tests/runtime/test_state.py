"""The state directory: whose it is, what it was begun with, and what is said when it cannot be used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import cast

import pytest

from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.clock import ManualClock
from runtime.config.load import load_config
from runtime.config.model import RuntimeConfig, SystemConfig
from runtime.journal.errors import StateInUse
from runtime.logs import Logger
from runtime.session import Session
from runtime.state import (
    CONFIG_NAME,
    StateDirectory,
    StateDiverged,
    StateMismatch,
    StateUnusable,
    changed_actors,
    explain_divergence,
    read_document,
)
from runtime.trial import plan_checked
from tests.data import ROOT
from tests.simulation.world import Silence

START_NS = 1_700_000_000_000_000_000


def main_job() -> Blueprint:
    """The plan of the main job in small."""
    return plan_checked(load_config(ROOT / "tests" / "desk" / "one_venue.toml", {}, params_of))


def session_on(path: Path | None, blueprint: Blueprint | None = None) -> Session:
    """A session that is built and not run."""
    return Session(blueprint or main_job(), ManualClock(START_NS), cast("Logger", Silence()), path)


def test_a_state_belongs_to_one_configuration(tmp_path: Path) -> None:
    """The first run binds it; the same configuration is let in again, another one is refused by both hashes."""
    state = StateDirectory(tmp_path / "state")
    assert state.adopt(SystemConfig())
    assert not state.adopt(SystemConfig())
    other = SystemConfig(runtime=RuntimeConfig(seed=5))
    with pytest.raises(StateMismatch, match=r"another configuration \(SHA-256 \w{12}, now \w{12}\).*--state"):
        state.adopt(other)
    state.release()


def test_a_state_has_one_process(tmp_path: Path) -> None:
    """While it is held nobody else gets it, and the message names the holder; let go, it is free."""
    first = StateDirectory(tmp_path)
    with pytest.raises(StateInUse, match="in use by process"):
        StateDirectory(tmp_path)
    first.release()
    StateDirectory(tmp_path).release()


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    """A file where the directory should be is told with its path and the system's reason."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StateUnusable, match=r"file.* cannot hold a state: "):
            StateDirectory(path)


def test_a_directory_without_state_is_told(tmp_path: Path) -> None:
    """Whoever asks for the state of a directory that holds none hears so."""
    with pytest.raises(StateUnusable, match=r"is no state directory: it has no config\.json"):
        read_document(tmp_path)
    with pytest.raises(StateUnusable, match="is no state directory"):
        read_document(tmp_path / "gone")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"sha256": 1, "config": {}}', b'{"sha256": "x"}', b"7"]
)
def test_a_damaged_document_is_told(tmp_path: Path, data: bytes) -> None:
    """Whatever stands in the file instead of the configuration is damage with a remedy, never a traceback."""
    (tmp_path / CONFIG_NAME).write_bytes(data)
    with pytest.raises(StateUnusable, match=r"config\.json is damaged .*restore it from a copy"):
        read_document(tmp_path)
    state = StateDirectory(tmp_path)
    with pytest.raises(StateUnusable, match="is damaged"):
        state.adopt(SystemConfig())
    state.release()


def test_a_session_that_cannot_be_built_lets_go(tmp_path: Path) -> None:
    """After a refusal the directory is free again."""
    session_on(tmp_path).close()
    document = json.loads((tmp_path / CONFIG_NAME).read_text(encoding="utf-8"))
    document["config"]["runtime"]["seed"] = 99
    (tmp_path / CONFIG_NAME).write_text(json.dumps({**document, "sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(StateMismatch, match=r"another configuration.*What differs: runtime\.seed"):
        session_on(tmp_path)
    StateDirectory(tmp_path).release()


def test_a_temporary_state_is_removed() -> None:
    """Without a directory of its own a session makes one and leaves none."""
    with session_on(None) as session:
        path = session.state.path
        assert (path / CONFIG_NAME).is_file()
    assert not path.exists()


def test_sources_are_kept_and_a_changed_one_is_noticed(tmp_path: Path) -> None:
    """The source of every actor that ran is in the state, listed by actor; an actor whose source is not is named."""
    blueprint = main_job()
    assert changed_actors(tmp_path, blueprint) == []
    session = session_on(tmp_path, blueprint)
    session.close()
    kept = sorted((tmp_path / "sources").glob("*.py"))
    assert len(kept) == len(blueprint.actors)
    text = (tmp_path / "sources" / f"{session.sources_sha256}.json").read_bytes()
    assert hashlib.sha256(text).hexdigest() == session.sources_sha256
    listed = json.loads(text)
    assert set(listed) == {node.name for node in blueprint.actors}
    assert {path.stem for path in kept} == set(listed.values())
    assert changed_actors(tmp_path, blueprint) == []
    for path in kept:
        if b"class Portfolio(" in path.read_bytes():
            path.unlink()
    assert changed_actors(tmp_path, blueprint) == ["portfolio"]


def test_a_divergence_names_the_likely_cause() -> None:
    """Where the source of an actor has changed, that is said; where not, nothing is guessed."""
    assert explain_divergence("main", "x", []) == "lane main does not decide what its journal says it decided: x"
    assert "the source of risk, portfolio has changed" in explain_divergence("main", "x", ["risk", "portfolio"])
    assert issubclass(StateDiverged, Exception)
