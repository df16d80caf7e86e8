"""Replays the state directory of a run offline: the same configuration, the same actors, every decision compared."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter_ns

import attrs

from runtime.blueprint import Blueprint, draw_blueprint
from runtime.build_core import build_core
from runtime.classes import params_of
from runtime.config.load import load_tree
from runtime.journal.reader import TornTail
from runtime.journal.snapshots import SnapshotStore
from runtime.journal.storage import DirectoryStorage
from runtime.lane_core import LaneCore
from runtime.lane_journal import LAST, Replayed, rebuilder, replay_into
from runtime.lane_parts import ReplayDiverged
from runtime.state import CONFIG_NAME, LANES, StateMismatch


@attrs.frozen
class LaneReplay:
    """What the replay of one lane gave."""

    lane: str
    records: int
    decisions: int
    digest: int
    seconds: float
    torn: TornTail | None
    divergence: str
    core: LaneCore


def open_state(path: Path) -> Blueprint:
    """The plan that a state directory was begun with."""
    document = path / CONFIG_NAME
    if not document.is_file():
        raise StateMismatch(f"{path} is no state directory: there is no {CONFIG_NAME} in it (--state made it?)")
    tree = json.loads(document.read_text(encoding="utf-8"))["config"]
    loaded = load_tree(tree, str(document), params_of)
    blueprint, problems = draw_blueprint(loaded)
    collector = loaded.collector()
    for problem in problems:
        collector.add_problem(problem)
    collector.raise_if_any()
    return blueprint


def replay_state(path: Path) -> list[LaneReplay]:
    """Replay every lane from its first record; changes nothing in the directory."""
    blueprint = open_state(path)
    return [_replay_lane(blueprint, lane, path / LANES / lane) for lane in blueprint.lanes]


def _replay_lane(blueprint: Blueprint, lane: str, directory: Path) -> LaneReplay:
    core = build_core(blueprint, lane)
    storage = DirectoryStorage(directory)
    divergence = ""
    replayed: Replayed | None = None
    began_ns = perf_counter_ns()

    def build() -> LaneCore:
        return build_core(blueprint, lane)

    # From the first record on: a snapshot would hide what came before it.
    no_snapshots: SnapshotStore | None = None
    try:
        replayed = replay_into(core, storage, no_snapshots, rebuilder(build, storage, no_snapshots), LAST)
        replayed.replayer.finish()
    except ReplayDiverged as error:
        divergence = str(error)
    seconds = (perf_counter_ns() - began_ns) / 1e9
    end = replayed.reader.end if replayed is not None else None
    return LaneReplay(
        lane,
        int(core.sequence),
        int(core.digest.count),
        int(core.digest.value),
        seconds,
        end.torn if end is not None else None,
        divergence,
        core,
    )
