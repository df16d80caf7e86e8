"""The words about a running or finished system: one status line, and the summary of a run.

Everything is read from the lanes' own statistics, their ledgers and the actors' `summary()`; nothing is kept here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs

import hftrun_kernel
from desk.durations import format_duration
from market.order_life import state_name

if TYPE_CHECKING:
    from runtime.histogram import Histogram
    from runtime.lane import Lane
    from runtime.session import Session
    from runtime.supervisor import ShutdownReport

PERCENTILES = (50.0, 99.0, 99.9, 99.99)


def status_line(session: Session) -> str:
    """One line for a terminal or a pipe."""
    now = time.strftime("%H:%M:%S", time.gmtime(session.clock.now_ns() // 1_000_000_000))
    lanes = session.system.lanes
    parts = [now]
    if any(lane.core.ledger.halted for lane in lanes):
        parts.append("HALTED")
    for lane in lanes:
        for slot in lane.core.slots:
            words = slot.actor.summary().get("status")
            if slot.down:
                parts.append(f"{slot.name} DOWN")
            elif isinstance(words, str) and words:
                parts.append(words)
    inputs = sum(int(lane.drain.inputs) for lane in lanes)
    orders = sum(int(lane.core.ledger.orders) for lane in lanes if lane.core.ledger.complete)
    fills = sum(int(lane.core.ledger.fills) for lane in lanes if lane.core.ledger.complete)
    failures = sum(unit.failures for unit in session.system.supervisor.units.values())
    parts.append(f"inputs {inputs}, orders {orders}, fills {fills}, failures {failures}")
    return " | ".join(parts)


def summary_of(session: Session, report: ShutdownReport) -> dict[str, Any]:
    """Everything about a run, as plain data."""
    lanes = session.system.lanes
    blueprint = session.blueprint
    names = {number: name for name, number in blueprint.instrument_names.items()}
    actors = {node.node_id: node.name for node in blueprint.actors}
    return {
        "name": blueprint.config.name,
        "mode": blueprint.config.mode,
        "modules": hftrun_kernel.mode(),
        "seconds": round((session.clock.now_ns() - session.started_ns) / 1e9, 3),
        "shutdown": {
            "reason": report.reason,
            "orderly": report.orderly,
            "flat": report.flat,
            "unfinished": list(report.unfinished),
            "fatal": report.fatal,
        },
        "halts": list(session.system.supervisor.halts),
        "lanes": {lane.name: _lane(lane, names, actors) for lane in lanes},
        "units": {
            unit.name: {
                "kind": unit.kind,
                "state": unit.state.value,
                "failures": unit.failures,
                "restarts": unit.restarts,
                "last_error": unit.last_error,
            }
            for unit in session.system.supervisor.units.values()
        },
        "actors": {
            slot.name: {key: value for key, value in slot.actor.summary().items() if key != "status"}
            for lane in lanes
            for slot in lane.core.slots
        },
        "channels": [attrs.asdict(channel.statistics()) for channel in session.system.channels()],
    }


def _lane(lane: Lane, names: dict[int, str], actors: dict[int, str]) -> dict[str, Any]:
    core = lane.core
    ledger = core.ledger
    return {
        "inputs": int(core.sequence),
        "inputs_this_run": int(lane.drain.inputs),
        "decisions": int(core.digest.count),
        "digest": f"{int(core.digest.value):016x}",
        "orders": int(ledger.orders),
        "fills": int(ledger.fills),
        "rejections": int(ledger.rejections),
        "duplicate_fills": int(ledger.duplicates),
        "halted": ledger.halted,
        "halt_reason": ledger.halt_reason,
        "anomalies": list(core.anomalies),
        "refused_while_halted": int(core.refused_while_halted),
        "open_orders": [
            {
                "order_id": int(order.order_id),
                "state": state_name(order.state),
                "side": int(order.side),
                "price": int(order.price),
                "size": int(order.size),
                "filled": int(order.filled),
            }
            for order in ledger.working_orders()
        ],
        "positions": [
            {
                "strategy": actors.get(key[0], str(key[0])),
                "instrument": names.get(key[1], str(key[1])),
                "net_size": int(position.net_size),
                "realised": int(position.realised),
                "fees": int(position.fees),
            }
            for key, position in sorted(ledger.positions.items())
        ],
        "input_ns": _percentiles(lane.drain.input_time),
        "lag_ns": _percentiles(lane.drain.lag),
    }


def _percentiles(histogram: Histogram) -> dict[str, int]:
    return {f"p{number:g}": int(histogram.percentile(number)) for number in PERCENTILES} if histogram.count else {}


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The summary for people."""
    shutdown = summary["shutdown"]
    how = "in order" if shutdown["orderly"] else "NOT in order"
    lines = ["", f"{summary['name']} ran {summary['seconds']} s and stopped {how} ({shutdown['reason']})"]
    for name, lane in summary["lanes"].items():
        lines.append(
            f"lane {name}: {lane['inputs']} inputs, {lane['decisions']} decisions, digest {lane['digest']}, "
            f"{lane['orders']} orders, {lane['fills']} fills, {lane['rejections']} rejections"
        )
        if lane["input_ns"]:
            shown = ", ".join(f"{key} {format_duration(value)}" for key, value in lane["input_ns"].items())
            lines.append(f"  time an input takes: {shown}")
        if lane["halted"]:
            lines.append(f"  trading is HALTED: {lane['halt_reason']}")
        for position in lane["positions"]:
            lines.append(f"  position {position['strategy']} {position['instrument']}: net size {position['net_size']}")
    for name, words in summary["actors"].items():
        told = ", ".join(f"{key} {value}" for key, value in words.items() if not isinstance(value, dict | list))
        if told:
            lines.append(f"{name}: {told}")
    failed = {name: unit for name, unit in summary["units"].items() if unit["failures"]}
    for name, unit in failed.items():
        lines.append(f"{unit['kind']} {name}: {unit['failures']} failures, last {unit['last_error']}, {unit['state']}")
    return lines
