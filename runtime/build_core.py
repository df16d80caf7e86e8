"""Builds the core of one lane from the plan of a system: fresh actors, connected to one another and to nothing outside.

It can be built alone, again and again, from the same plan: so a replay, a recovery and a rebuild of one actor use
exactly what a live run uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from market.messages import (
    MAX_SCHEMA_ID,
    BalanceReported,
    NewOrder,
    OrderAccepted,
    OrderReported,
    ReplaceOrder,
    RequestAnswered,
    SessionAnswered,
    schema_id_of,
)
from runtime.actor import Actor, ActorSetup, Outlet, Strategy
from runtime.lane_core import LaneCore
from runtime.lane_parts import Handler, RosterEntry, Slot
from runtime.ledger import OBSERVED_TYPES, Ledger, MoneyTerms

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint, Node

# What an exchange decides. No ledger keeps it, but it is part of the digest, as the reports of a trading lane are.
EXCHANGE_REPORTS = (SessionAnswered, RequestAnswered, OrderReported, BalanceReported)


def build_core(blueprint: Blueprint, lane: str) -> LaneCore:
    """The core of one lane with fresh actors, connected among themselves and to nothing outside."""
    outlet = Outlet(Ledger(blueprint.keeps_orders(lane)), blueprint.config.runtime.dispatch_limit)
    for instrument in blueprint.instruments:
        outlet.ledger.terms[instrument.instrument_id] = MoneyTerms(
            instrument.money_multiplier, instrument.money_divisor, instrument.inverse
        )
    core = LaneCore(lane, outlet, blueprint.config.runtime.dispatch_limit)
    for message_type in (*OBSERVED_TYPES, *EXCHANGE_REPORTS):
        core.observed[schema_id_of(message_type)] = True
    nodes = blueprint.actors_in(lane)
    dependents = {node.node_id: blueprint.dependents_of(node) for node in blueprint.actors}
    hit = {
        node.node_id: tuple(one.node_id for one in (node, *dependents[node.node_id]) if one.is_strategy)
        for node in blueprint.actors
    }
    for node in nodes:
        slot = Slot(node.name, node.node_id, node.policy, _maker(blueprint, node, outlet, hit))
        if isinstance(slot.actor, Strategy):
            slot.actor.setup.put_in_place = slot.replace_actor
        slot.passes_orders = NewOrder in node.gives
        slot.accepts_orders = OrderAccepted in node.gives
        core.slots.append(slot)
        core.slot_of[node.node_id] = slot
        if node.class_.AT_BATCH_END:  # type: ignore[attr-defined]
            core.batch_end_slots.append(slot)
    for node in blueprint.actors:
        core.roster[node.node_id] = RosterEntry(
            node.name,
            node.policy,
            list(hit[node.node_id]),
            [core.slot_of[one.node_id] for one in dependents[node.node_id] if one.lane == lane],
        )
    _connect(blueprint, core, nodes)
    return core


def make_actor(blueprint: Blueprint, node: Node) -> Actor:
    """One actor, alone, with a ledger of its own; to see whether it can be made."""
    return _maker(blueprint, node, Outlet(Ledger(), blueprint.config.runtime.dispatch_limit), {})()


def _maker(
    blueprint: Blueprint, node: Node, outlet: Outlet, strategies_hit: dict[int, tuple[int, ...]]
) -> Callable[[], Actor]:
    gateways = [one for one in blueprint.services if NewOrder in one.takes]
    setup = ActorSetup(
        node.name,
        node.node_id,
        node.params,
        blueprint.instruments,
        list(node.instrument_ids) or sorted(blueprint.instrument_names.values()),
        {one.name: one.node_id for one in blueprint.actors},
        outlet,
        {one.name: one.instrument_ids for one in gateways},
        {number: one.name for one in gateways if (number := getattr(one.params, "connection_id", 0))},
        strategies_hit,
    )
    setup.amends = {one.name: _amends(one) for one in gateways}
    setup.declared.extend([False] * (MAX_SCHEMA_ID + 1))
    for message_type in node.gives:
        setup.declared[schema_id_of(message_type)] = True
    class_ = node.class_

    def make() -> Actor:
        actor = class_(setup)
        assert isinstance(actor, Actor)
        return actor

    return make


def _amends(gateway: Node) -> str:
    """What a gateway can change of a working order: what its class says, else everything where it takes changes."""
    return str(getattr(gateway.class_, "AMENDS", "all" if ReplaceOrder in gateway.takes else "nothing"))


def _connect(blueprint: Blueprint, core: LaneCore, nodes: list[Node]) -> None:
    """Fill the routes in the order of the configuration, so that it alone decides who hears a message first."""
    keyed: set[int] = set()
    rows: dict[int, list[tuple[Node, Handler]]] = {}
    for node in nodes:
        slot = core.slot_of[node.node_id]
        for message_type, method in node.takes.items():
            schema_id = schema_id_of(message_type)
            rows.setdefault(schema_id, []).append((node, Handler(slot, method)))
            if node.instrument_ids:
                keyed.add(schema_id)
    highest = max(blueprint.instrument_names.values(), default=0)
    for schema_id, row in rows.items():
        route = core.routes[schema_id]
        route.everyone.extend(handler for _, handler in row)
        if schema_id in keyed:
            for key in range(highest + 1):
                route.keyed.append([handler for node, handler in row if key == 0 or node.works_on(key)])
