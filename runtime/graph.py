"""The plan of a system as text, and as Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.messages import Message, name_of, schema_id_of

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint, Node


def edges(blueprint: Blueprint) -> list[tuple[Node, Node, list[str]]]:
    """Who gives what to whom: giver, taker, names of the message types."""
    nodes = (*blueprint.services, *blueprint.actors)
    found = []
    for giver in nodes:
        for taker in nodes:
            if giver is taker or not giver.shares_instrument(taker):
                continue
            names = [_name(one) for one in giver.gives if one in taker.takes]
            if names:
                found.append((giver, taker, names))
    return found


def as_text(blueprint: Blueprint) -> list[str]:
    """The plan for a terminal."""
    lines = [f"system {blueprint.config.name}"]
    for service in blueprint.services:
        lines += ["", f"service {service.name}  ({service.class_path}, {service.policy})"]
        lines += _gives(blueprint, service)
    for lane in blueprint.lanes:
        lines += ["", f"lane {lane}"]
        for actor in blueprint.actors_in(lane):
            lines.append(f"  actor {actor.name}  ({actor.class_path}, {actor.policy})")
            lines += ["  " + line for line in _gives(blueprint, actor)]
    return lines


def as_dot(blueprint: Blueprint) -> list[str]:
    """The plan for Graphviz."""
    lines = [f'digraph "{blueprint.config.name}" {{', "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for service in blueprint.services:
        lines.append(f'  "{service.name}" [shape=cds];')
    for number, lane in enumerate(blueprint.lanes):
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f'    label="lane {lane}";')
        lines += [f'    "{actor.name}";' for actor in blueprint.actors_in(lane)]
        lines.append("  }")
    for giver, taker, names in edges(blueprint):
        label = "\\n".join(names)
        lines.append(f'  "{giver.name}" -> "{taker.name}" [label="{label}"];')
    lines.append("}")
    return lines


def _gives(blueprint: Blueprint, node: Node) -> list[str]:
    lines = []
    for message_type in node.gives:
        takers = [one.name for one in blueprint.takers_of(message_type) if one.shares_instrument(node)]
        arrow = ", ".join(takers) if takers else "(nobody)"
        lines.append(f"    {_name(message_type)} -> {arrow}")
    return lines


def _name(message_type: type[Message]) -> str:
    return name_of(schema_id_of(message_type))
