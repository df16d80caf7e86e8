"""The plan of a system: which actors and services there are, where they live, who takes what from whom.

Drawn from the configuration before anything runs, and checked: classes that cannot be loaded, handlers that do not
exist, messages that nobody gives or that nobody takes, two owners of one thing. It starts nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from market.instruments import Instrument, InstrumentTable
from market.messages import (
    GROUP_MARKET_DATA,
    GROUP_ORDERS,
    ChildOrder,
    Message,
    group_of,
    name_of,
    schema_id_of,
)
from runtime.actor import POLICIES, Actor, Strategy
from runtime.config.errors import Problem
from runtime.config.structure import ProblemCollector, structure_params
from runtime.service import Service

if TYPE_CHECKING:
    from runtime.config.model import ActorConfig, ServiceConfig, SystemConfig

OWN_LANE = "own"

# What the lane, the supervisor or a person gives, without any actor or service that lists it.
GIVEN_BY_RUNTIME = frozenset(
    {
        "RunStarted",
        "TimerFired",
        "Lagging",
        "ActorFailed",
        "ActorRestarted",
        "ActorStopped",
        "ServiceFailed",
        "ServiceRestarted",
        "TradingHalted",
        "HaltReset",
        "PauseQuoting",
        "ShutdownRequested",
        "ClockCorrected",
        "ChannelTripped",
        "FaultInjected",
        "ConfigChanged",
        "OperatorCommand",
        "CancelOrder",
        "CancelAll",
        "OrderRejected",
        "ReplaceRejected",
        "BatchMark",
    }
)


@attrs.frozen
class Node:
    """One actor or service in the plan."""

    name: str
    node_id: int
    kind: str
    class_: type
    class_path: str
    policy: str
    lane: str
    instrument_ids: tuple[int, ...]
    params: object
    takes: Mapping[type[Message], str]
    gives: tuple[type[Message], ...]
    owns: tuple[type[Message], ...]

    @property
    def is_strategy(self) -> bool:
        """Whether orders are placed in its name."""
        return issubclass(self.class_, Strategy)

    def shares_instrument(self, other: Node) -> bool:
        """Whether there is an instrument that both work on; a node without a list works on all."""
        if not self.instrument_ids or not other.instrument_ids:
            return True
        return not set(self.instrument_ids).isdisjoint(other.instrument_ids)


@attrs.frozen
class Blueprint:
    """The whole plan. Actors and services are in the order of the configuration."""

    config: SystemConfig
    instruments: InstrumentTable
    instrument_names: Mapping[str, int]
    actors: tuple[Node, ...]
    services: tuple[Node, ...]

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes in the order in which they first appear."""
        return tuple(dict.fromkeys(node.lane for node in self.actors))

    def actors_in(self, lane: str) -> list[Node]:
        """The actors of a lane in their order."""
        return [node for node in self.actors if node.lane == lane]

    def takers_of(self, message_type: type[Message]) -> list[Node]:
        """Everyone who takes a message type."""
        return [node for node in (*self.actors, *self.services) if message_type in node.takes]

    def givers_of(self, message_type: type[Message]) -> list[Node]:
        """Everyone who gives a message type."""
        return [node for node in (*self.actors, *self.services) if message_type in node.gives]

    def dependents_of(self, node: Node) -> list[Node]:
        """The actors that see the market through this one, directly or not: what fails here misleads them."""
        found: dict[str, Node] = {}
        waiting = [node]
        while waiting:
            source = waiting.pop(0)
            for message_type in source.gives:
                if group_of(schema_id_of(message_type)) != GROUP_MARKET_DATA:
                    continue
                for taker in self.actors:
                    known = taker.name in found or taker is node
                    if message_type in taker.takes and not known and source.shares_instrument(taker):
                        found[taker.name] = taker
                        waiting.append(taker)
        return [actor for actor in self.actors if actor.name in found]

    def keeps_orders(self, lane: str) -> bool:
        """Whether orders are born in this lane, so that its ledger must know all of them."""
        return any(ChildOrder in node.gives for node in self.actors_in(lane))


class PlanProblems:
    """Collects what is wrong with a plan."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, key: tuple[str, ...], value: str, expected: str, remedy: str = "") -> None:
        """Note one problem."""
        self.problems.append(Problem(key, value, expected, remedy))


def draw_blueprint(config: SystemConfig) -> tuple[Blueprint, list[Problem]]:
    """Plan a system; everything that is wrong comes back at once, and the plan then holds only what could be loaded."""
    problems = PlanProblems()
    table, instrument_names = _instruments(config, problems)
    actors = [
        node
        for number, (name, actor) in enumerate(config.actors.items(), start=1)
        for node in _actor_node(name, number, actor, instrument_names, problems)
    ]
    services = [
        node
        for number, (name, service) in enumerate(config.services.items(), start=1)
        for node in _service_node(name, number, service, instrument_names, problems)
    ]
    blueprint = Blueprint(config, table, instrument_names, tuple(actors), tuple(services))
    if not problems.problems:
        _check(blueprint, problems)
    return blueprint, problems.problems


# ---- loading


def load_class(class_path: str) -> type:
    """The class that `module:Class` names; the module is a dotted name, or the path of a file outside the project."""
    module_name, _, class_name = class_path.partition(":")
    module = _load_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise ImportError(f"{module_name} has no class {class_name}")
    return found


def _load_file(path: Path) -> Any:
    name = f"hftrun_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise ImportError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _instruments(config: SystemConfig, problems: PlanProblems) -> tuple[InstrumentTable, dict[str, int]]:
    table = InstrumentTable()
    names: dict[str, int] = {}
    for number, (name, one) in enumerate(config.instruments.items(), start=1):
        try:
            table.add(
                Instrument.from_text(
                    instrument_id=number,
                    symbol=one.symbol,
                    venue=one.venue,
                    venue_symbol=one.venue_symbol,
                    base=one.base,
                    quote=one.quote,
                    kind=one.kind,
                    inverse=one.inverse,
                    tick=str(one.tick),
                    lot=str(one.lot),
                    minimum_size=str(one.minimum_size),
                    minimum_notional=str(one.minimum_notional),
                    maker_fee_bps=str(one.maker_fee_bps),
                    taker_fee_bps=str(one.taker_fee_bps),
                    multiplier=str(one.multiplier),
                )
            )
        except ValueError as error:
            problems.add(("instruments", name), "", str(error))
        names[name] = number
    return table, names


def _actor_node(
    name: str, number: int, actor: ActorConfig, instruments: Mapping[str, int], problems: PlanProblems
) -> Iterator[Node]:
    key = ("actors", name)
    class_ = _load_subclass(actor.class_, Actor, key, problems)
    if class_ is None:
        return
    takes = {}
    for message_type, method in class_.HANDLERS.items():
        if callable(getattr(class_, method, None)):
            takes[message_type] = method
        else:
            problems.add((*key, "class"), actor.class_, f"a method {method}, which its HANDLERS names", "add the method")
    yield Node(
        name=name,
        node_id=number,
        kind="actor",
        class_=class_,
        class_path=actor.class_,
        policy=_policy(actor.policy or class_.POLICY, key, problems),
        lane=name if actor.lane == OWN_LANE else actor.lane,
        instrument_ids=_instrument_ids(actor.instruments, instruments, key, problems),
        params=_params(actor.params, class_.PARAMS, key, problems),
        takes=takes,
        gives=class_.GIVES,
        owns=class_.OWNS,
    )


def _service_node(
    name: str, number: int, service: ServiceConfig, instruments: Mapping[str, int], problems: PlanProblems
) -> Iterator[Node]:
    key = ("services", name)
    class_ = _load_subclass(service.class_, Service, key, problems)
    if class_ is None:
        return
    yield Node(
        name=name,
        node_id=number,
        kind="service",
        class_=class_,
        class_path=service.class_,
        policy=_policy(service.policy or class_.POLICY, key, problems),
        lane="",
        instrument_ids=_instrument_ids(service.instruments, instruments, key, problems),
        params=_params(service.params, class_.PARAMS, key, problems),
        takes=dict.fromkeys(class_.TAKES, "run"),
        gives=class_.GIVES,
        owns=class_.OWNS,
    )


def _load_subclass(class_path: str, base: type, key: tuple[str, ...], problems: PlanProblems) -> Any:
    expected = f"a class that can be loaded and subclasses {base.__name__}"
    try:
        class_ = load_class(class_path)
    except (ImportError, SyntaxError, OSError) as error:
        problems.add((*key, "class"), class_path, expected, f"{type(error).__name__}: {error}")
        return None
    if not issubclass(class_, base):
        problems.add((*key, "class"), class_path, expected, f"derive it from runtime.{base.__name__.lower()}")
        return None
    return class_


def _policy(policy: str, key: tuple[str, ...], problems: PlanProblems) -> str:
    if policy not in POLICIES:
        problems.add((*key, "policy"), policy, "one of " + ", ".join(POLICIES))
    return policy


def _instrument_ids(
    names: tuple[str, ...], known: Mapping[str, int], key: tuple[str, ...], problems: PlanProblems
) -> tuple[int, ...]:
    for name in names:
        if name not in known:
            problems.add((*key, "instruments"), name, "one of " + ", ".join(known), "add it under [instruments]")
    return tuple(known[name] for name in names if name in known)


def _params(
    raw: Mapping[str, Any], params_class: type | None, key: tuple[str, ...], problems: PlanProblems
) -> object:
    if params_class is None:
        for name in raw:
            problems.add((*key, "params", name), str(raw[name]), "no settings: its class has none", "remove it")
        return None
    collector = ProblemCollector()
    params = structure_params(raw, params_class, (*key, "params"), collector)
    problems.problems.extend(collector.problems)
    return params


# ---- checking


def _check(blueprint: Blueprint, problems: PlanProblems) -> None:
    for node in (*blueprint.actors, *blueprint.services):
        section = "actors" if node.kind == "actor" else "services"
        for message_type in node.takes:
            _check_given(blueprint, node, message_type, (section, node.name), problems)
        for message_type in node.gives:
            _check_taken(blueprint, node, message_type, (section, node.name), problems)
    _check_owners(blueprint, problems)


def _check_given(
    blueprint: Blueprint, node: Node, message_type: type[Message], key: tuple[str, ...], problems: PlanProblems
) -> None:
    name = name_of(schema_id_of(message_type))
    if name in GIVEN_BY_RUNTIME:
        return
    if not any(giver.shares_instrument(node) for giver in blueprint.givers_of(message_type)):
        problems.add(key, name, f"somebody who gives {name}, which it takes", f"add an actor or service giving {name}")


def _check_taken(
    blueprint: Blueprint, node: Node, message_type: type[Message], key: tuple[str, ...], problems: PlanProblems
) -> None:
    """A command that nobody takes is an order that gets lost; news that nobody reads is no error."""
    name = name_of(schema_id_of(message_type))
    if group_of(schema_id_of(message_type)) != GROUP_ORDERS:
        return
    if not any(taker.shares_instrument(node) for taker in blueprint.takers_of(message_type)):
        problems.add(key, name, f"somebody who takes {name}, which it gives", f"add an actor or service taking {name}")


def _check_owners(blueprint: Blueprint, problems: PlanProblems) -> None:
    nodes = (*blueprint.actors, *blueprint.services)
    for index, node in enumerate(nodes):
        for other in nodes[index + 1 :]:
            for message_type in node.owns:
                if message_type in other.owns and node.shares_instrument(other):
                    name = name_of(schema_id_of(message_type))
                    problems.add(
                        ("actors", other.name),
                        name,
                        f"one owner of {name} for an instrument, and {node.name} is it already",
                        "give the two different instruments, or remove one",
                    )
