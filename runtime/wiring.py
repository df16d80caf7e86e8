"""Builds what a blueprint plans: lanes with their actors, services, channels between them, and the supervisor."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from market.messages import (
    ActorFailed,
    CancelAll,
    CancelOrder,
    ChildOrder,
    HaltReset,
    Lagging,
    Message,
    RawFrame,
    TradingHalted,
    schema_id_of,
)
from runtime.backoff import BackoffOptions
from runtime.build_core import build_core
from runtime.channels import Channel, Doorbell, policy_of
from runtime.lane import Lane, LaneChannels, LaneLink, Target
from runtime.lane_core import LaneCore
from runtime.lane_drain import LaneOptions
from runtime.lane_parts import Port, RemoteTaker
from runtime.ledger import OBSERVED_TYPES
from runtime.metrics import MetricRegistry
from runtime.service import Delivery, FaultPort, InjectedKill, Mailbox, Service, ServiceSetup
from runtime.supervisor import ServiceEntry, Supervisor, SupervisorOptions
from runtime.system_metrics import register_system

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint, Node
    from runtime.clock import Clock
    from runtime.config.model import SystemConfig
    from runtime.lane_journal import LaneJournal
    from runtime.logs import Logger

NANOSECONDS_PER_MILLISECOND = 1_000_000
LANES_CAPACITY_FACTOR = 16

# What overtakes everything else, in a channel that nothing else fills.
URGENT_TYPES = frozenset({CancelOrder, CancelAll, TradingHalted, HaltReset, ActorFailed, Lagging})
# What every lane has to know of the others.
LANE_WIDE_TYPES = (TradingHalted, HaltReset, ActorFailed, Lagging)


@attrs.define
class System:
    """A system that is built and not yet started."""

    blueprint: Blueprint
    lanes: list[Lane]
    mailboxes: dict[str, Mailbox]
    kills: dict[str, InjectedKill]
    ports: dict[str, FaultPort]
    supervisor: Supervisor
    metrics: MetricRegistry

    def lane(self, name: str) -> Lane:
        """A lane by name."""
        return next(lane for lane in self.lanes if lane.name == name)

    def settle_after_recovery(self) -> list[str]:
        """Keep for delivery what a lane had sent and another had not taken when the process died.

        Gives what does not fit: after a loss of power one journal may have lost what another one built on.
        """
        wrong = []
        for lane in self.lanes:
            for target in lane.targets:
                if target.receiver is None:
                    # A service begins anew and asks for what it needs.
                    target.port.clear()
                else:
                    told = target.port.keep_missed(*target.received())
                    if told:
                        wrong.append(f"lane {lane.name}: {told}")
                        target.port.clear()
        return wrong

    def channels(self) -> list[Channel]:
        """Every channel there is, for its statistics."""
        found = []
        for lane in self.lanes:
            found += lane.channels.all()
        for mailbox in self.mailboxes.values():
            found += [mailbox.urgent, mailbox.inbox]
        return found


# ---- the whole system


def build_system(
    blueprint: Blueprint,
    clock: Clock,
    randomness: random.Random,
    log: Logger,
    journal_of: Callable[[LaneCore], LaneJournal | None],
) -> System:
    """Everything a blueprint plans, ready to be started."""
    config = blueprint.config
    runtime = config.runtime
    options = LaneOptions(
        runtime.max_lag_ms * NANOSECONDS_PER_MILLISECOND, runtime.batch_limit, runtime.outbox_capacity
    )
    metrics = MetricRegistry()
    lanes = []
    for name in blueprint.lanes:
        core = build_core(blueprint, name)
        lanes.append(Lane(core, _lane_channels(blueprint, name), clock, options, metrics, journal_of(core)))
    mailboxes = {node.name: _mailbox(config, node.name) for node in blueprint.services}
    _connect_lanes(blueprint, lanes, mailboxes)
    kills = {node.name: InjectedKill() for node in blueprint.services}
    ports = {node.name: FaultPort() for node in blueprint.services if RawFrame in node.gives}
    edges = Edges(blueprint, lanes, mailboxes, kills, ports, clock, randomness, log, metrics)
    services = [
        ServiceEntry(node.name, node.policy, _service_maker(edges, node), mailboxes[node.name])
        for node in _in_order_of_start(blueprint)
    ]
    supervisor = Supervisor(lanes, services, clock, randomness, _supervisor_options(config), log)
    for channel in _all_channels(lanes, mailboxes):
        channel.on_trip = supervisor.channel_tripped
    system = System(blueprint, lanes, mailboxes, kills, ports, supervisor, metrics)
    register_system(metrics, system)
    return system


def _supervisor_options(config: SystemConfig) -> SupervisorOptions:
    restart = config.restart
    backoff = BackoffOptions(
        initial_ns=restart.initial_ms * NANOSECONDS_PER_MILLISECOND,
        factor=restart.factor,
        maximum_ns=restart.maximum_ms * NANOSECONDS_PER_MILLISECOND,
        healthy_ns=restart.healthy_ms * NANOSECONDS_PER_MILLISECOND,
        intensity=restart.intensity,
        window_ns=restart.window_ms * NANOSECONDS_PER_MILLISECOND,
    )
    return SupervisorOptions(backoff, config.runtime.shutdown_deadline_ms * NANOSECONDS_PER_MILLISECOND)


def _channel(
    config: SystemConfig, name: str, capacity: int, policy: str, doorbell: Doorbell, source: str = ""
) -> Channel:
    """A channel, by its configured capacity and policy where there are such."""
    own = config.channels.get(name)
    if own is not None:
        capacity = own.capacity or capacity
        policy = own.policy or policy
    return Channel(f"{name}.{source}" if source else name, capacity, policy_of(policy), doorbell=doorbell)


def _lane_channels(blueprint: Blueprint, lane: str) -> LaneChannels:
    config = blueprint.config
    doorbell = Doorbell()
    runtime = config.runtime
    # Lanes never wait for each other, or two that send to one another could wait for ever: theirs halts instead.
    between = runtime.inbox_capacity * LANES_CAPACITY_FACTOR
    links = {
        source: LaneLink(
            number,
            _channel(config, f"{lane}.lanes", between, "halt", doorbell, source),
            _channel(config, f"{lane}.urgent", runtime.urgent_capacity, "halt", doorbell, source),
        )
        for number, source in enumerate(blueprint.lanes, start=1)
        if source != lane
    }
    return LaneChannels(
        doorbell,
        _channel(config, f"{lane}.inbox", runtime.inbox_capacity, "block", doorbell),
        _channel(config, f"{lane}.urgent", runtime.urgent_capacity, "halt", doorbell),
        links,
    )


def _mailbox(config: SystemConfig, service: str) -> Mailbox:
    doorbell = Doorbell()
    runtime = config.runtime
    return Mailbox(
        doorbell,
        _channel(config, f"{service}.inbox", runtime.inbox_capacity, "halt", doorbell),
        _channel(config, f"{service}.urgent", runtime.urgent_capacity, "halt", doorbell),
    )


def _all_channels(lanes: list[Lane], mailboxes: dict[str, Mailbox]) -> Iterable[Channel]:
    for lane in lanes:
        yield from lane.channels.all()
    for mailbox in mailboxes.values():
        yield from (mailbox.inbox, mailbox.urgent)


def _in_order_of_start(blueprint: Blueprint) -> list[Node]:
    """Those that take orders first, those that only give come last: nothing arrives before its taker is there."""
    return sorted(blueprint.services, key=lambda node: not node.takes)


def _connect_lanes(blueprint: Blueprint, lanes: list[Lane], mailboxes: dict[str, Mailbox]) -> None:
    for lane in lanes:
        for other in lanes:
            if other is not lane:
                port = Port(other.name, framed=True)
                always = _always(blueprint, lane.name, other.name)
                _connect_port(blueprint, lane, blueprint.actors_in(other.name), port, always)
                lane.core.ports.append(port)
                link = other.channels.lanes[lane.name]
                lane.targets.append(Target(port, link.ordinary, link.urgent, other.core, link.number))
        for service in blueprint.services:
            if service.takes:
                mailbox = mailboxes[service.name]
                port = Port(service.name, framed=False)
                _connect_port(blueprint, lane, [service], port, ())
                lane.core.ports.append(port)
                lane.targets.append(Target(port, mailbox.inbox, mailbox.urgent))


def _always(blueprint: Blueprint, lane: str, other: str) -> tuple[type[Message], ...]:
    """What one lane sends another whether or not an actor there takes it."""
    if not blueprint.keeps_orders(other):
        return LANE_WIDE_TYPES
    # The ledger there must see the whole life of its orders.
    observed = [one for one in OBSERVED_TYPES if one not in LANE_WIDE_TYPES and _can_leave(blueprint, lane, one)]
    return (*LANE_WIDE_TYPES, *observed)


def _connect_port(
    blueprint: Blueprint, lane: Lane, takers: list[Node], port: Port, always: tuple[type[Message], ...]
) -> None:
    """Send through a port what its takers take, and what every lane has to know."""
    wanted = dict.fromkeys(always)
    wanted.update(dict.fromkeys(message_type for node in takers for message_type in node.takes))
    for message_type in wanted:
        if message_type not in always and not _can_leave(blueprint, lane.name, message_type):
            continue
        keys = None
        if message_type not in LANE_WIDE_TYPES:
            keys = _wanted_keys(takers, message_type, _born(takers) if message_type in always else [])
        row: list[bool] = []
        if keys is not None:
            row = [key in keys for key in range(max(keys, default=0) + 1)]
        taker = RemoteTaker(port, message_type in URGENT_TYPES, row)
        lane.core.routes[schema_id_of(message_type)].remote.append(taker)


def _born(nodes: list[Node]) -> list[Node]:
    """Those whose orders the ledger beside them must follow: in their instruments, not in those of others."""
    return [node for node in nodes if ChildOrder in node.gives]


def _can_leave(blueprint: Blueprint, lane: str, message_type: type[Message]) -> bool:
    """Whether a lane itself, or an actor in it, gives a message type."""
    own = {schema_id_of(one) for one in (*URGENT_TYPES, *OBSERVED_TYPES)}
    return schema_id_of(message_type) in own or any(message_type in node.gives for node in blueprint.actors_in(lane))


def _wanted_keys(
    takers: list[Node], message_type: type[Message], also: Iterable[Node] = ()
) -> frozenset[int] | None:
    """The instruments for which somebody there takes a type, or one of `also` is there; None for all."""
    keys: set[int] = set()
    for node in (*(one for one in takers if message_type in one.takes), *also):
        if not node.instrument_ids:
            return None
        keys.update(node.instrument_ids)
    return frozenset(keys)


@attrs.frozen
class Edges:
    """What the services of a system share."""

    blueprint: Blueprint
    lanes: list[Lane]
    mailboxes: dict[str, Mailbox]
    kills: dict[str, InjectedKill]
    ports: dict[str, FaultPort]
    clock: Clock
    randomness: random.Random
    log: Logger
    metrics: MetricRegistry


def _service_maker(edges: Edges, node: Node) -> Callable[[], Callable[[], Awaitable[None]]]:
    blueprint = edges.blueprint
    setup = ServiceSetup(
        name=node.name,
        params=node.params,
        instruments=blueprint.instruments,
        instrument_ids=node.instrument_ids or tuple(sorted(blueprint.instrument_names.values())),
        clock=edges.clock,
        # Each service draws from its own stream, so that one more draw in one changes nothing in another.
        randomness=random.Random(edges.randomness.getrandbits(64)),
        mailbox=edges.mailboxes[node.name],
        log=edges.log.bind(service=node.name),
        kill=edges.kills[node.name],
        port=edges.ports.get(node.name, FaultPort()),
        deliveries=_deliveries(blueprint, node, edges.lanes, edges.mailboxes),
        metrics=edges.metrics,
        number=blueprint.services.index(node),
    )
    class_ = node.class_

    def make() -> Callable[[], Awaitable[None]]:
        service = class_(setup)
        assert isinstance(service, Service)
        return service.run

    return make


def _deliveries(
    blueprint: Blueprint, node: Node, lanes: list[Lane], mailboxes: dict[str, Mailbox]
) -> dict[int, list[Delivery]]:
    found: dict[int, list[Delivery]] = {}
    for message_type in node.gives:
        row = found.setdefault(schema_id_of(message_type), [])
        for lane in lanes:
            takers = blueprint.actors_in(lane.name)
            observed = message_type in OBSERVED_TYPES and blueprint.keeps_orders(lane.name)
            if observed:
                keys = _wanted_keys(takers, message_type, _born(takers))
                row.append(Delivery(lane.channels.inbox, True, keys))
            elif any(message_type in taker.takes for taker in takers):
                keys = _wanted_keys(takers, message_type)
                row.append(Delivery(lane.channels.inbox, True, keys))
        for other in blueprint.services:
            if other is not node and message_type in other.takes:
                keys = _wanted_keys([other], message_type)
                row.append(Delivery(mailboxes[other.name].inbox, False, keys))
    return found
