"""Goes on from a state with a file that was edited since: what may change while running may change between two runs.

The actors of a state are built with the settings that it was begun with, and hear of every later change as an input, so
that its journal means the same whenever it is replayed. Beside the journal lies a list of what they were told last.
It is written after the journal has the input: what is told once more after a crash is the value that is in force.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from runtime.blueprint import Blueprint
from runtime.config.errors import ConfigErrors
from runtime.reload import Change, Settings, compare, settings_of
from runtime.replay import open_state
from runtime.state import StateDirectory, StateMismatch, StateUnusable, write_whole

TOLD_NAME: Final = "settings.json"
ACTORS: Final = "actors"
# So many differences are named where a state does not fit a configuration.
MOST_NAMED: Final = 8


@attrs.frozen
class Resumed:
    """The plan as the state was begun with, the settings in force in it, and what the actors are to be told first."""

    blueprint: Blueprint
    in_force: Settings
    due: tuple[Change, ...] = ()


def resume(state: StateDirectory, blueprint: Blueprint) -> Resumed:
    """Bind a new state to a plan, or go on with it; raises `StateError` where what differs cannot change."""
    wanted = settings_of(blueprint)
    told = read_told(state.path)
    mismatch: StateMismatch | None = None
    try:
        state.adopt(blueprint.config)
    except StateMismatch as error:
        mismatch = error
    if mismatch is None and not told:
        return Resumed(blueprint, wanted)
    try:
        begun = open_state(state.path)
    except ConfigErrors as errors:
        words = f"the configuration that {state.path} was begun with can no longer be planned: {errors.errors[0]}"
        raise mismatch or StateUnusable(words) from errors
    in_force = with_told(settings_of(begun), told)
    changes, refused = compare(in_force, wanted)
    if mismatch is not None and refused:
        named = "; ".join(str(one).partition(": ")[0] for one in refused[:MOST_NAMED])
        raise StateMismatch(f"{mismatch}. What differs: {named}{'; ...' * (len(refused) > MOST_NAMED)}") from mismatch
    due = [one for one in changes if one.path[0] == ACTORS]
    # What is not an actor's takes effect by being read.
    in_force = with_told(wanted, {one.key: one.before for one in due})
    return Resumed(_as_begun(blueprint, begun), in_force, tuple(due))


def _as_begun(blueprint: Blueprint, begun: Blueprint) -> Blueprint:
    """The plan with every actor's settings as the state was begun with."""
    before = {node.name: node for node in begun.actors}
    actors = [
        attrs.evolve(node, params=old.params, takes=old.takes, gives=old.gives)
        for node in blueprint.actors
        for old in (before[node.name],)
    ]
    return attrs.evolve(blueprint, actors=tuple(actors))


def with_told(settings: Settings, told: dict[str, str]) -> Settings:
    """Settings with other values for some of them, by key."""
    return {path: attrs.evolve(one, text=told.get(one.key, one.text)) for path, one in settings.items()}


def read_told(path: Path) -> dict[str, str]:
    """What the actors of a state were told of their settings since it was begun, by key."""
    target = path / TOLD_NAME
    try:
        document = json.loads(target.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StateUnusable(f"{target} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise StateUnusable(f"{target} is damaged ({error}): restore it from a copy") from error
    if not isinstance(document, dict) or not all(isinstance(text, str) for text in document.values()):
        raise StateUnusable(f"{target} is damaged (it holds no settings): restore it from a copy")
    return document


def keep_told(path: Path, settings: Iterable[Change]) -> None:
    """Remember what the actors were told, beside what they were told before."""
    told = {one.key: one.after for one in settings if one.path[0] == ACTORS}
    if told:
        write_whole(path / TOLD_NAME, json.dumps({**read_told(path), **told}, indent=2))
