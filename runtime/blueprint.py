"""The plan of a system: which actors and services there are, where they live, who takes what from whom.

Drawn from the configuration before anything runs, and checked: classes that cannot be loaded, handlers that do not
exist, messages that nobody gives or that nobody takes, two owners of one thing. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from market.instruments import Instrument, InstrumentTable
from market.messages import (
    GROUP_EXECUTIONS,
    GROUP_MARKET_DATA,
    GROUP_ORDERS,
    ActorFailed,
    ChildOrder,
    HaltReset,
    LeaseGranted,
    Message,
    NewOrder,
    TradingHalted,
    group_of,
    name_of,
    schema_id_of,
)
from runtime.actor import HALT_TRADING, POLICIES, RESTART_WITH_DEPENDENTS, Actor, Strategy
from runtime.classes import load_class
from runtime.config.errors import Problem, RuleBroken, render_value
from runtime.config.model import CHANNEL_POLICIES
from runtime.ledger import OBSERVED_TYPES
from runtime.service import Service

if TYPE_CHECKING:
    from runtime.config.load import Loaded
    from runtime.config.model import SystemConfig

OWN_LANE = "own"
LANE_CHANNELS = ("inbox", "lanes", "urgent")
SERVICE_CHANNELS = ("inbox", "urgent")

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
        "OperatorCommand",
        "ShutdownRequested",
        "ClockCorrected",
        "ChannelTripped",
        "CancelOrder",
        "CancelAll",
        "OrderRejected",
        "ReplaceRejected",
        "BatchMark",
    }
)

# What people and strategies may wish for, what not every venue tells, and what a venue can be asked and nobody asks:
# without a giver the wiring is whole.
NEEDS_NO_GIVER = frozenset(
    {
        "WantedQuotes",
        "TargetPosition",
        "FlattenPosition",
        "ParentCancel",
        "BookSnapshot",
        "ChildReplace",
        "ConfigChanged",
        "FeeTaken",
        "FundingPaid",
        "OrderReplaced",
        "OrderExpired",
        "OrderReduced",
        "TradeBusted",
        "PositionSettled",
        "PositionLiquidated",
        "ReplaceOrder",
        "OrderStatusWanted",
        "VenueStateWanted",
        "ServiceStopped",
        "ShadowFilled",
        "VenueStateComplete",
    }
)

# Questions, and what was decided: where nobody takes them, nothing gets lost.
NEEDS_NO_TAKER = frozenset({"OrderStatusWanted", "VenueStateWanted", "RouteDecided"})

# What the lanes themselves hear, whether or not an actor takes it.
TAKEN_BY_RUNTIME = frozenset({*OBSERVED_TYPES, TradingHalted, HaltReset, ActorFailed})


@attrs.frozen
class ChannelRule:
    """Which policies a channel may be configured to have, and why no others."""

    policies: tuple[str, ...]
    why: str


URGENT_RULE = ChannelRule(("halt",), "cancels and halts must neither be lost nor wait")
ORDERS_RULE = ChannelRule(("halt",), "orders and reports must not be lost")
ANY_RULE = ChannelRule(CHANNEL_POLICIES, "")
LANE_CHANNEL_RULES = {
    "inbox": ChannelRule(("block", "halt"), "what a lane is sent must not be lost"),
    "lanes": ChannelRule(("halt",), "lanes that wait for one another would wait for ever, and nothing may be lost"),
    "urgent": URGENT_RULE,
}


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

    def works_on(self, instrument_id: int) -> bool:
        """Whether an instrument is its business."""
        return not self.instrument_ids or instrument_id in self.instrument_ids

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

    def unheard(self) -> list[tuple[type[Message], list[Node]]]:
        """Each message type that somebody gives and nobody takes for its instruments, with its givers."""
        found: dict[type[Message], list[Node]] = {}
        for node in (*self.actors, *self.services):
            for message_type in node.gives:
                heard = any(taker.shares_instrument(node) for taker in self.takers_of(message_type))
                if not heard and message_type not in TAKEN_BY_RUNTIME:
                    found.setdefault(message_type, []).append(node)
        return list(found.items())

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


def draw_blueprint(loaded: Loaded) -> tuple[Blueprint, list[Problem]]:
    """Plan a system; everything that is wrong comes back at once, and the plan then holds only what could be loaded."""
    config = loaded.config
    problems = PlanProblems()
    table, instrument_names = _instruments(config, problems)
    actors = _nodes(loaded, "actors", Actor, instrument_names, problems)
    services = _nodes(loaded, "services", Service, instrument_names, problems)
    blueprint = Blueprint(config, table, instrument_names, tuple(actors), tuple(services))
    if not problems.problems:
        _check(blueprint, problems)
    return blueprint, problems.problems


# ---- loading


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
                    price_scale=None if one.price_places < 0 else one.price_places,
                    size_scale=None if one.size_places < 0 else one.size_places,
                )
            )
        except ValueError as error:
            problems.add(("instruments", name), "", str(error))
        names[name] = number
    return table, names


def _nodes(
    loaded: Loaded, section: str, base: type, instruments: Mapping[str, int], problems: PlanProblems
) -> list[Node]:
    found = []
    for number, (name, one) in enumerate(getattr(loaded.config, section).items(), start=1):
        key = (section, name)
        class_ = _load_subclass(one.class_, base, key, problems)
        if class_ is None:
            continue
        is_actor = section == "actors"
        lane = getattr(one, "lane", "")
        params = loaded.params_of(section, name)
        unused = class_.unused(params) if is_actor else ()
        takes = _handlers(class_, one.class_, key, problems) if is_actor else dict.fromkeys(class_.TAKES, "run")
        found.append(
            Node(
                name=name,
                node_id=number,
                kind="actor" if is_actor else "service",
                class_=class_,
                class_path=one.class_,
                policy=_policy(one.policy or class_.POLICY, class_, key, problems),
                lane=name if lane == OWN_LANE else lane,
                instrument_ids=_instrument_ids(one.instruments, instruments, key, problems),
                params=params,
                takes={message_type: method for message_type, method in takes.items() if message_type not in unused},
                gives=tuple(message_type for message_type in class_.GIVES if message_type not in unused),
                owns=class_.OWNS,
            )
        )
    return found


def _handlers(
    class_: type[Any], class_path: str, key: tuple[str, ...], problems: PlanProblems
) -> dict[type[Message], str]:
    takes = {}
    for message_type, method in class_.HANDLERS.items():
        if callable(getattr(class_, method, None)):
            takes[message_type] = method
        else:
            problems.add((*key, "class"), class_path, f"a method {method}, which its HANDLERS names", "add the method")
    return takes


def _load_subclass(class_path: str, base: type, key: tuple[str, ...], problems: PlanProblems) -> type[Any] | None:
    try:
        class_ = load_class(class_path)
    except RuleBroken as broken:
        problems.add((*key, "class"), class_path, broken.expected, broken.remedy)
        return None
    if not issubclass(class_, base):
        other = "services" if base is Actor else "actors"
        problems.add((*key, "class"), class_path, f"a subclass of {base.__name__}", f"move it to [{other}]")
        return None
    return class_


def _policy(policy: str, class_: type[Any], key: tuple[str, ...], problems: PlanProblems) -> str:
    """A policy that the unit may have: a configuration may make it more careful than its class, never less."""
    place = (*key, "policy")
    if policy not in POLICIES:
        problems.add(place, policy, "one of " + ", ".join(POLICIES))
    elif class_.POLICY == HALT_TRADING and policy != HALT_TRADING:
        expected = f"{HALT_TRADING}, as {class_.__name__} says: nothing may trade while it is down"
        problems.add(place, render_value(policy), expected, "remove this policy")
    elif policy == RESTART_WITH_DEPENDENTS and issubclass(class_, Service):
        remedy = "a service has no dependents in a lane; use restart or halt_trading"
        problems.add(place, render_value(policy), "a policy of services", remedy)
    return policy


def _instrument_ids(
    names: tuple[str, ...], known: Mapping[str, int], key: tuple[str, ...], problems: PlanProblems
) -> tuple[int, ...]:
    for name in names:
        if name not in known:
            problems.add((*key, "instruments"), name, "one of " + ", ".join(known), "add it under [instruments]")
    return tuple(known[name] for name in names if name in known)


# ---- checking


def _check(blueprint: Blueprint, problems: PlanProblems) -> None:
    for node in (*blueprint.actors, *blueprint.services):
        key = (_section(node), node.name)
        for message_type in node.takes:
            _check_given(blueprint, node, message_type, key, problems)
        for message_type in node.gives:
            _check_taken(blueprint, node, message_type, key, problems)
    _check_owners(blueprint, problems)
    _check_leases(blueprint, problems)
    _check_channels(blueprint, problems)


def _check_given(
    blueprint: Blueprint, node: Node, message_type: type[Message], key: tuple[str, ...], problems: PlanProblems
) -> None:
    name = name_of(schema_id_of(message_type))
    if name in GIVEN_BY_RUNTIME or name in NEEDS_NO_GIVER:
        return
    givers = blueprint.givers_of(message_type)
    if any(giver.shares_instrument(node) for giver in givers):
        return
    # A service may wait for what somebody who is there could give, and whose settings say that there is no need for it.
    is_service = node.kind == "service"
    could = [one for one in blueprint.actors if issubclass(one.class_, Actor) and message_type in one.class_.GIVES]
    if is_service and any(one.shares_instrument(node) for one in could):
        return
    if givers:
        remedy = f"name the same instruments there and at {_names(givers)}"
        problems.add(key, "", f"takes {name}, which nobody gives for its instruments", remedy)
    else:
        problems.add(key, "", f"takes {name}, which nobody gives", f"add an actor or service that gives {name}")


def _check_taken(
    blueprint: Blueprint, node: Node, message_type: type[Message], key: tuple[str, ...], problems: PlanProblems
) -> None:
    """A command that nobody takes is an order that gets lost; news that nobody reads is no error."""
    name = name_of(schema_id_of(message_type))
    if group_of(schema_id_of(message_type)) != GROUP_ORDERS or name in NEEDS_NO_TAKER:
        return
    takers = blueprint.takers_of(message_type)
    if any(taker.shares_instrument(node) for taker in takers):
        return
    if takers:
        remedy = f"name the same instruments there and at {_names(takers)}"
        problems.add(key, "", f"gives {name}, which nobody takes for its instruments", remedy)
    else:
        problems.add(key, "", f"gives {name}, which nobody takes", f"add an actor or service that takes {name}")


def _check_owners(blueprint: Blueprint, problems: PlanProblems) -> None:
    nodes = (*blueprint.actors, *blueprint.services)
    for index, node in enumerate(nodes):
        for other in nodes[index + 1 :]:
            both = [name_of(schema_id_of(one)) for one in node.owns if one in other.owns]
            if both and node.shares_instrument(other):
                problems.add(
                    (_section(other), other.name),
                    "",
                    f"owns {', '.join(both)}, and for an instrument of its own {node.name} owns "
                    f"{'it' if len(both) == 1 else 'them'} already",
                    f"name different instruments at {node.name} and {other.name}, or remove one of them; two markets "
                    "of one symbol are two tables under [instruments], each with a venue of its own",
                )


def _check_leases(blueprint: Blueprint, problems: PlanProblems) -> None:
    """Where limits are lent, whoever lets orders out takes them: one that does not would break a limit of all."""
    for node in (*blueprint.actors, *blueprint.services):
        keepers = [keeper for keeper in blueprint.givers_of(LeaseGranted) if keeper.shares_instrument(node)]
        if NewOrder not in node.owns or LeaseGranted in node.takes or not keepers:
            continue
        section = _section(node)
        place = f"{section}.{node.name}"
        could = LeaseGranted in getattr(node.class_, "HANDLERS", ())
        remedy = f"set leased = true in {place}.params" if could else f"give {place} a class that takes LeaseGranted"
        problems.add(
            (section, node.name, "params", "leased") if could else (section, node.name),
            "",
            f"lets orders out without a lease, and {_names(keepers)} lends the limits of all who do",
            f"{remedy}, or remove {_names(keepers)}",
        )


def _section(node: Node) -> str:
    return "actors" if node.kind == "actor" else "services"


def _names(nodes: list[Node]) -> str:
    return ", ".join(node.name for node in nodes)


def _check_channels(blueprint: Blueprint, problems: PlanProblems) -> None:
    rules = [(f"{lane}.{kind}", LANE_CHANNEL_RULES[kind]) for lane in blueprint.lanes for kind in LANE_CHANNELS]
    rules += [
        (f"{node.name}.{kind}", _service_channel_rule(node, kind))
        for node in blueprint.services
        for kind in SERVICE_CHANNELS
    ]
    known = dict.fromkeys(name for name, _ in rules)
    for name, one in blueprint.config.channels.items():
        if name not in known:
            problems.add(("channels", name), "", "the name of a channel", "there are " + ", ".join(known))
        # A service and a lane of one name have channels of one name, so there may be two rules.
        for rule_name, rule in rules:
            if rule_name == name and one.policy and one.policy not in rule.policies:
                expected = f"{' or '.join(rule.policies)}: {rule.why}"
                remedy = "remove this policy, or give the channel a larger capacity"
                problems.add(("channels", name, "policy"), render_value(one.policy), expected, remedy)


def _service_channel_rule(node: Node, kind: str) -> ChannelRule:
    if kind == "urgent":
        return URGENT_RULE
    groups = {group_of(schema_id_of(message_type)) for message_type in node.takes}
    return ORDERS_RULE if groups & {GROUP_ORDERS, GROUP_EXECUTIONS} else ANY_RULE
