"""Registers what a system counts: lanes, actors, channels, ledgers, units.

Everything is read when a snapshot is taken, from the numbers that the parts keep anyway; nothing is counted twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.channels import Channel
    from runtime.lane import Lane
    from runtime.lane_parts import Port, Slot
    from runtime.metrics import MetricRegistry
    from runtime.supervisor import Unit
    from runtime.wiring import System


def register_system(registry: MetricRegistry, system: System) -> None:
    """Everything there is to see of a system."""
    for lane in system.lanes:
        _register_lane(registry, lane)
        for slot in lane.core.slots:
            _register_actor(registry, lane, slot)
        for port in lane.core.ports:
            _register_outbox(registry, lane, port)
    for channel in system.channels():
        _register_channel(registry, channel)
    for unit in system.supervisor.units.values():
        _register_unit(registry, unit)


def _register_lane(registry: MetricRegistry, lane: Lane) -> None:
    core, ledger = lane.core, lane.core.ledger
    rows: list[tuple[str, str, Callable[[], float]]] = [
        ("lane_inputs", "Inputs taken since the journal began.", lambda: int(core.sequence)),
        ("lane_dispatched", "Messages handed to handlers in this run.", lambda: int(core.dispatched)),
        ("lane_decisions", "Orders, cancels and reports in the digest.", lambda: int(core.digest.count)),
        ("lane_anomalies", "What the ledger could not explain.", lambda: int(core.anomaly_count)),
        ("lane_refused_orders", "Orders that the lane itself stopped.", lambda: int(core.refused_while_halted)),
        ("lane_undelivered", "Messages for a receiver that is gone.", lambda: lane.undelivered),
        ("lane_timers", "Timers that are set.", lambda: len(core.timers.due_of)),
        ("lane_halted", "1 while trading is halted.", lambda: int(ledger.halted)),
        ("lane_orders", "Orders asked for.", lambda: int(ledger.orders)),
        ("lane_open_orders", "Orders that are not at their end.", ledger.open_order_count),
        ("lane_fills", "Fills counted.", lambda: int(ledger.fills)),
        ("lane_duplicate_fills", "Fills reported twice and counted once.", lambda: int(ledger.duplicates)),
        ("lane_rejections", "Orders refused.", lambda: int(ledger.rejections)),
    ]
    for name, meaning, read in rows:
        registry.gauge(name, meaning, {"lane": lane.name}, read)


def _register_outbox(registry: MetricRegistry, lane: Lane, port: Port) -> None:
    labels = {"lane": lane.name, "receiver": port.name}
    registry.gauge("outbox_depth", "Messages that wait to leave the lane.", labels, lambda: int(port.depth()))
    registry.gauge("outbox_high_water", "Most that ever waited.", labels, lambda: int(port.high_water))


def _register_actor(registry: MetricRegistry, lane: Lane, slot: Slot) -> None:
    rows: list[tuple[str, str, Callable[[], float]]] = [
        ("actor_handled", "Messages handled.", lambda: int(slot.handled)),
        ("actor_emitted", "Messages emitted.", lambda: int(slot.emitted)),
        ("actor_skipped", "Messages for it while it was down.", lambda: int(slot.skipped)),
        ("actor_failures", "Failures.", lambda: int(slot.failures)),
        ("actor_restarts", "Restarts.", lambda: int(slot.restarts)),
        ("actor_down", "1 while it is out of service.", lambda: int(slot.down)),
    ]
    for name, meaning, read in rows:
        registry.gauge(name, meaning, {"lane": lane.name, "actor": slot.name}, read)


def _register_channel(registry: MetricRegistry, channel: Channel) -> None:
    core = channel.core
    rows: list[tuple[str, str, Callable[[], float]]] = [
        ("channel_depth", "Messages waiting.", lambda: int(core.depth)),
        ("channel_high_water", "Most messages that ever waited.", lambda: int(core.high_water)),
        ("channel_sent", "Messages sent.", lambda: int(core.sent)),
        ("channel_waits", "Sends that had to wait.", lambda: int(core.waits)),
        ("channel_coalesced", "Messages that a later one replaced.", lambda: int(core.coalesced)),
        ("channel_dropped", "Messages dropped.", lambda: int(core.dropped)),
        ("channel_tripped", "Times it was too full and halted trading.", lambda: int(core.tripped)),
    ]
    for name, meaning, read in rows:
        registry.gauge(name, meaning, {"channel": channel.name}, read)


def _register_unit(registry: MetricRegistry, unit: Unit) -> None:
    labels = {"unit": unit.name, "kind": unit.kind}
    registry.gauge("unit_failures", "Failures that the supervisor saw.", labels, lambda: unit.failures)
    registry.gauge("unit_restarts", "Restarts that the supervisor made.", labels, lambda: unit.restarts)
