"""Builds lanes for tests straight from actor classes, without a configuration file."""

from __future__ import annotations

from market.instruments import InstrumentTable
from runtime.actor import Actor
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.lane_core import LaneCore


def node_of(
    class_: type[Actor],
    number: int,
    name: str = "",
    lane: str = "main",
    policy: str = "",
    instrument_ids: tuple[int, ...] = (),
    params: object = None,
) -> Node:
    """An actor in a plan."""
    return Node(
        name=name or class_.__name__.lower(),
        node_id=number,
        kind="actor",
        class_=class_,
        class_path=f"tests:{class_.__name__}",
        policy=policy or class_.POLICY,
        lane=lane,
        instrument_ids=instrument_ids,
        params=params,
        takes=class_.HANDLERS,
        gives=class_.GIVES,
        owns=class_.OWNS,
    )


def plan(
    *actors: Node, services: tuple[Node, ...] = (), config: SystemConfig | None = None, instruments: int = 3
) -> Blueprint:
    """A plan of these actors over a few nameless instruments."""
    names = {f"instrument-{number}": number for number in range(1, instruments + 1)}
    return Blueprint(config or SystemConfig(), InstrumentTable(), names, actors, services)


def core_of(*classes: type[Actor] | Node, lane: str = "main", config: SystemConfig | None = None) -> LaneCore:
    """The core of one lane with these actors."""
    nodes = [one if isinstance(one, Node) else node_of(one, number) for number, one in enumerate(classes, start=1)]
    return build_core(plan(*nodes, config=config), lane)
