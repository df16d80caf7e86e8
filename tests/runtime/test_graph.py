"""The plan as text and as Graphviz: every edge there is, none that is not, and nothing that Graphviz chokes on."""

from __future__ import annotations

import re

from market.messages import FairValue, PublicTrade, Signal
from runtime.actor import Actor, Strategy
from runtime.blueprint import Node
from runtime.graph import as_dot, as_text, edges
from tests.runtime.lanes import node_of, plan
from tests.simulation.factory import Feed, Plan, Sink, service_of


class Pricer(Actor):
    """Takes trades and gives fair values."""

    HANDLERS = {PublicTrade: "on_message"}  # noqa: RUF012  as users write it
    GIVES = (FairValue,)

    def on_message(self, message: object) -> None:
        """Do nothing."""


class Signaller(Strategy):
    """Takes fair values and gives signals."""

    HANDLERS = {FairValue: "on_message"}  # noqa: RUF012  as users write it
    GIVES = (Signal,)

    def on_message(self, message: object) -> None:
        """Do nothing."""


def nodes() -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Actors in two lanes and two services; the second pricer works on another instrument than the signaller."""
    actors = (
        node_of(Pricer, 1, "pricer", instrument_ids=(1,)),
        node_of(Pricer, 2, "other", instrument_ids=(2,)),
        node_of(Signaller, 3, "signaller", lane="fast", instrument_ids=(1,)),
    )
    return actors, (service_of(Feed, 1, Plan(1)), service_of(Sink, 2, Plan(1)))


def test_edges_join_types_and_instruments() -> None:
    """Who gives a type is joined to who takes it, where they share an instrument."""
    actors, services = nodes()
    found = {(giver.name, taker.name): names for giver, taker, names in edges(plan(*actors, services=services))}
    assert found == {
        ("feed", "pricer"): ["PublicTrade"],
        ("feed", "other"): ["PublicTrade"],
        ("pricer", "signaller"): ["FairValue"],
        ("signaller", "sink"): ["Signal"],
    }


def test_text_tells_lanes_and_takers() -> None:
    """Every service and every actor stands in its place with what it gives; who is unheard is told."""
    actors, services = nodes()
    assert as_text(plan(*actors, services=services)) == [
        "system hftrun",
        "",
        "service feed  (tests:Feed, restart)",
        "    PublicTrade -> pricer, other",
        "",
        "service sink  (tests:Sink, restart)",
        "",
        "lane main",
        "  actor pricer  (tests:Pricer, restart)",
        "      FairValue -> signaller",
        "  actor other  (tests:Pricer, restart)",
        "      FairValue -> (nobody)",
        "",
        "lane fast",
        "  actor signaller  (tests:Signaller, restart)",
        "      Signal -> sink",
    ]


def test_dot_is_well_formed() -> None:
    """Brackets pair up, every name is quoted, each lane is a cluster and every edge is there once."""
    actors, services = nodes()
    lines = as_dot(plan(*actors, services=services))
    text = "\n".join(lines)
    assert text.count("{") == text.count("}") == 3
    assert text.startswith('digraph "hftrun" {')
    assert 'label="lane fast";' in text
    drawn = re.findall(r'"(\w+)" -> "(\w+)" \[label="(\w+)"\];', text)
    assert len(drawn) == len(edges(plan(*actors, services=services))) == 4
    assert all(line.count('"') % 2 == 0 for line in lines)
