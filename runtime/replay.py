"""Replays the state directory of a run offline: the same configuration, the same actors, every decision compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

import attrs

from market.messages import Message
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.classes import params_of
from runtime.config.load import load_tree
from runtime.journal.errors import JournalError
from runtime.journal.reader import TornTail
from runtime.journal.snapshots import SnapshotStore
from runtime.journal.storage import DirectoryStorage
from runtime.lane_core import LaneCore
from runtime.lane_journal import LAST, rebuilder, replay_into
from runtime.lane_parts import ReplayDiverged
from runtime.state import CONFIG_NAME, LANES, changed_actors, explain_divergence, read_document
from runtime.trial import plan_checked


@attrs.frozen
class LaneReplay:
    """What the replay of one lane gave; `core` is as far as it came."""

    lane: str
    records: int
    decisions: int
    digest: int
    seconds: float
    torn: TornTail | None
    divergence: str
    damage: str
    core: LaneCore

    @property
    def agrees(self) -> bool:
        """Whether the whole journal could be read and every decision was the recorded one."""
        return not self.divergence and not self.damage


def open_state(path: Path) -> Blueprint:
    """The plan that a state directory was begun with."""
    _, tree = read_document(path)
    return plan_checked(load_tree(tree, str(path / CONFIG_NAME), params_of))


# What is told of each input after it was replayed: the message, its number, its time.
Taken = Callable[[Message, int, int], None]


def replay_state(path: Path, reader: Callable[[Blueprint, LaneCore], Taken] | None = None) -> list[LaneReplay]:
    """Replay every lane from its first record; changes nothing in the directory. A reader looks on in each lane."""
    blueprint = open_state(path)
    changed = changed_actors(path, blueprint)
    return [_replay_lane(blueprint, lane, path / LANES / lane, changed, reader) for lane in blueprint.lanes]


def _replay_lane(
    blueprint: Blueprint,
    lane: str,
    directory: Path,
    changed: list[str],
    reader: Callable[[Blueprint, LaneCore], Taken] | None,
) -> LaneReplay:
    core = build_core(blueprint, lane)
    taken = reader(blueprint, core) if reader is not None else None
    torn: TornTail | None = None
    divergence = damage = ""
    began_ns = perf_counter_ns()
    try:
        # A run that was killed while it started has not made the folder yet; a replay makes nothing.
        if directory.is_dir():
            torn = _replay_into(core, blueprint, lane, DirectoryStorage(directory), taken)
    except ReplayDiverged as error:
        divergence = explain_divergence(lane, error, changed)
    except JournalError as error:
        damage = str(error)
    except OSError as error:
        damage = f"the journal of lane {lane} cannot be read: {error.filename}: {error.strerror or error}"
    seconds = (perf_counter_ns() - began_ns) / 1e9
    return LaneReplay(
        lane,
        int(core.sequence),
        int(core.digest.count),
        int(core.digest.value),
        seconds,
        torn,
        divergence,
        damage,
        core,
    )


def _replay_into(
    core: LaneCore, blueprint: Blueprint, lane: str, storage: DirectoryStorage, taken: Taken | None
) -> TornTail | None:
    def build() -> LaneCore:
        return build_core(blueprint, lane)

    # From the first record on: a snapshot would hide what came before it.
    no_snapshots: SnapshotStore | None = None
    replayed = replay_into(core, storage, no_snapshots, rebuilder(build, storage, no_snapshots), LAST, taken)
    replayed.replayer.finish()
    end = replayed.reader.end
    return end.torn if end is not None else None
