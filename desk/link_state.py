"""What the trading process tells a dashboard of itself: a greeting with what stays, and the state with what changes.

Everything is read from ledgers, lanes, supervisor, channels and actors' `panel()`, in pieces with a turn for the
lanes in between, so that no frame waits for more than one piece. Numbers of books and orders go out as integers at
their scale: it is the dashboard that makes words of them. An actor whose panel fails costs the panel and nothing else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import trio

import hftrun_kernel
from desk.link_codec import encode
from desk.told import order_lanes
from market.messages import BUY
from market.order_life import state_name
from runtime.actor import Strategy
from runtime.histogram import Histogram
from runtime.lane import MOST_FAILURE, picture_of
from runtime.lane_parts import describe

if TYPE_CHECKING:
    from desk.link_log import LogTail
    from runtime.channels import Channel
    from runtime.lane import Lane
    from runtime.lane_parts import Slot
    from runtime.session import Session

LINK_VERSION = 1
MOST_ORDERS = 200
MOST_UNITS = 200
MOST_CHANNELS = 200
MOST_PANEL_BYTES = 128 * 1024
# Percentiles look through all buckets of a histogram: once a second is enough for eyes.
LATENCY_NS = 1_000_000_000
PERCENTILES = (50.0, 99.0, 99.9)


class StateBuilder:
    """See the head of this file."""

    def __init__(self, session: Session, tail: LogTail, operator: str, banner: str = "") -> None:
        self.session = session
        self.tail = tail
        self.operator = operator
        self.banner = banner
        self._latency: list[list[Any]] = []
        self._latency_ns = 0

    def hello(self) -> dict[str, Any]:
        """What stays as it is for the whole run."""
        blueprint = self.session.blueprint
        return {
            "t": "hello",
            "version": LINK_VERSION,
            "name": blueprint.config.name,
            "mode": blueprint.config.mode,
            "banner": self.banner,
            "modules": hftrun_kernel.mode(),
            "operator": self.operator,
            "process_id": os.getpid(),
            "started_ns": self.session.started_ns or self.session.clock.now_ns(),
            "instruments": {
                one.instrument_id: {
                    "symbol": one.symbol,
                    "venue": one.venue,
                    "base": one.base,
                    "quote": one.quote,
                    "price_scale": one.price_scale,
                    "size_scale": one.size_scale,
                }
                for one in blueprint.instruments
            },
            "actors": {node.node_id: node.name for node in blueprint.actors},
            "strategies": [node.node_id for node in blueprint.actors if issubclass(node.class_, Strategy)],
        }

    async def state(self) -> dict[str, Any]:
        """What is so now; the lanes have a turn between any two pieces."""
        session = self.session
        system = session.system
        supervisor = system.supervisor
        lanes = order_lanes(system.lanes)
        reasons = [lane.core.ledger.halt_reason for lane in system.lanes if lane.core.ledger.halted]
        state: dict[str, Any] = {
            "t": "state",
            "now_ns": session.clock.now_ns(),
            "paused": session.paused,
            "halted": bool(reasons),
            "halt_reason": reasons[0] if reasons else "",
            "closing": any(lane.core.ledger.closing for lane in system.lanes),
            "stalls": supervisor.stalls,
            "halts": supervisor.halts[-10:],
            "lanes": [_lane(lane) for lane in system.lanes],
            "log": list(self.tail.lines),
            "log_count": self.tail.count,
        }
        await trio.lowlevel.checkpoint()
        state["orders"] = _orders(lanes)
        state["positions"] = _positions(lanes)
        state["actors"] = [_actor(slot, lane.name) for lane in system.lanes for slot in lane.core.slots]
        state["units"] = [
            [unit.name, unit.kind, unit.state.value, unit.failures, unit.restarts, unit.last_error[:200]]
            for unit in list(supervisor.units.values())[:MOST_UNITS]
        ]
        await trio.lowlevel.checkpoint()
        state["channels"] = [_channel(one) for one in system.channels()[:MOST_CHANNELS]]
        await trio.lowlevel.checkpoint()
        if state["now_ns"] - self._latency_ns >= LATENCY_NS:
            self._latency_ns = state["now_ns"]
            self._latency = await self._latencies()
        state["latency"] = self._latency
        panels = []
        for lane in system.lanes:
            for slot in lane.core.slots:
                if not slot.down:
                    panel = panel_of(slot)
                    if panel is not None:
                        panels.append([slot.name, panel])
                    await trio.lowlevel.checkpoint()
        state["panels"] = panels
        return state

    async def _latencies(self) -> list[list[Any]]:
        """Each stage with count and percentiles in nanoseconds."""
        rows = [_percentiles("tick to order", self.session.tick_to_order)]
        for lane in self.session.system.lanes:
            for name, histogram in (("input", lane.drain.input_time), ("lag", lane.drain.lag)):
                await trio.lowlevel.checkpoint()
                rows.append(_percentiles(f"{name} {lane.name}", histogram))
        return rows


def panel_of(slot: Slot) -> msgspec.Raw | None:
    """What an actor shows of itself, encoded; what cannot be sent is told in its place."""
    panel: object = picture_of(slot)
    if not isinstance(panel, dict) or not panel:
        return None
    try:
        data = encode(panel)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return _failed(describe(error)[:MOST_FAILURE])
    if len(data) > MOST_PANEL_BYTES:
        return _failed(f"its panel has {len(data)} bytes")
    return msgspec.Raw(data)


def _failed(error: str) -> msgspec.Raw:
    return msgspec.Raw(encode({"kind": "failed", "error": error}))


def _orders(lanes: list[Lane]) -> list[list[Any]]:
    """The open orders, newest last: id, strategy, instrument, side, price, size, filled, state."""
    rows: list[list[Any]] = []
    for lane in lanes:
        orders = lane.core.ledger.working_orders()
        rows += [
            [
                int(one.order_id),
                int(one.strategy_id),
                int(one.instrument_id),
                "buy" if one.side == BUY else "sell",
                int(one.price),
                int(one.size),
                int(one.filled),
                state_name(one.state) if one.sent else "asked for",
            ]
            for one in orders[-MOST_ORDERS:]
        ]
    return rows


def _positions(lanes: list[Lane]) -> list[list[int]]:
    """Strategy, instrument, net size: what is held where no portfolio tells more."""
    return [
        [strategy_id, instrument_id, int(position.net_size)]
        for lane in lanes
        for (strategy_id, instrument_id), position in list(lane.core.ledger.positions.items())[:MOST_ORDERS]
    ]


def _lane(lane: Lane) -> dict[str, Any]:
    core = lane.core
    ledger = core.ledger
    return {
        "name": lane.name,
        "inputs": int(core.sequence),
        "dispatched": int(core.dispatched),
        "decisions": int(core.digest.count),
        "anomalies": int(core.anomaly_count),
        "anomaly": core.anomalies[-1] if core.anomalies else "",
        "complete": ledger.complete,
        "open_orders": ledger.open_order_count(),
        "orders": int(ledger.orders),
        "fills": int(ledger.fills),
        "rejections": int(ledger.rejections),
        "refused_while_halted": int(core.refused_while_halted),
        "undelivered": lane.undelivered,
        "halted": ledger.halted,
    }


def _actor(slot: Slot, lane: str) -> list[Any]:
    return [
        slot.name, lane, slot.down, int(slot.handled), int(slot.emitted), int(slot.skipped), int(slot.failures),
        int(slot.restarts),
    ]  # fmt: skip


def _channel(channel: Channel) -> list[Any]:
    core = channel.core
    return [
        channel.name, int(core.depth), int(core.capacity), int(core.high_water), int(core.sent), int(core.waits),
        int(core.dropped), int(core.coalesced), int(core.tripped),
    ]  # fmt: skip


def _percentiles(name: str, histogram: Histogram) -> list[Any]:
    count = int(histogram.count)
    if not count:
        return [name, 0, 0, 0, 0, 0]
    return [name, count, *(int(histogram.percentile(one)) for one in PERCENTILES), int(histogram.maximum)]
