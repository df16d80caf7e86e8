"""The main job's lane as a figure needs it: the shipped wiring, fed with the traffic of three venues, orders led out.

Actors, their order and their settings are those of `configs/mm.toml`; instruments and venue books are those of the
traffic. The lane keeps its journal in files, its digest and its histograms, as a run does. What would leave for a
gateway is led out through a port beside the paper venue, which answers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Final

import attrs

from actors.venue_book import VenueBook
from actors.venue_book_params import VenueBookParams
from benchmarks.machine import TREE
from benchmarks.system_traffic import Market, Traffic
from benchmarks.tick_to_order_loops import Tally
from market.messages import (
    CancelAll,
    CancelOrder,
    ConnectionUp,
    NewOrder,
    ReplaceOrder,
    RunStarted,
    schema_id_of,
)
from runtime.blueprint import Blueprint, Node, draw_blueprint
from runtime.build_core import build_core
from runtime.channels import Channel, policy_of
from runtime.classes import params_of
from runtime.config.load import load_config
from runtime.histogram import Histogram
from runtime.journal.storage import DirectoryStorage, Storage
from runtime.journal.writer import JournalWriter
from runtime.lane_drain import Inlet, LaneDrain, LaneOptions
from runtime.lane_parts import Port, RemoteTaker

CONFIG: Final = TREE / "configs" / "mm.toml"
COMMANDS: Final = (NewOrder, ReplaceOrder, CancelOrder, CancelAll)
SESSION: Final = 1
_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


def shipped_blueprint(traffic: Traffic) -> Blueprint:
    """The shipped plan with the instruments of a traffic, its venue books, and no services."""
    plan, _ = draw_blueprint(load_config(CONFIG, {}, params_of))
    book = next(node for node in plan.actors if issubclass(node.class_, VenueBook))
    nodes = [book_of(book, market) for market in traffic.markets]
    nodes += [
        attrs.evolve(node, instrument_ids=()) for node in plan.actors if not issubclass(node.class_, VenueBook)
    ]
    numbered = tuple(attrs.evolve(node, node_id=number) for number, node in enumerate(nodes, start=1))
    names = {market.instrument.venue: market.instrument.instrument_id for market in traffic.markets}
    return Blueprint(plan.config, traffic.table(), names, numbered, ())


def book_of(shipped: Node, market: Market) -> Node:
    """The venue book of one market, with the shipped settings."""
    params = shipped.params
    assert isinstance(params, VenueBookParams)
    own = attrs.evolve(
        params, dialect=market.dialect, connection_id=market.connection_id, connections=(), trade_connections=()
    )
    instrument = market.instrument
    return attrs.evolve(
        shipped, name=f"{instrument.venue}_book", params=own, instrument_ids=(instrument.instrument_id,)
    )


class OrderLane:
    """See the head of this file."""

    def __init__(self, blueprint: Blueprint, traffic: Traffic, storage: Storage) -> None:
        self.core: Final = build_core(blueprint, blueprint.lanes[0])
        self.tally: Final = Tally()
        self.tick_to_order: Final = Histogram()
        self.port: Final = Port("gateway", framed=False)
        self.core.ports.append(self.port)
        for message_type in COMMANDS:
            urgent = message_type in (CancelOrder, CancelAll)
            self.core.routes[schema_id_of(message_type)].remote.append(RemoteTaker(self.port, urgent, []))
        self.writer: Final = JournalWriter(
            storage, lane="main", schema_fingerprint="", build="", next_sequence=1, clock=perf_counter_ns
        )
        self.core.records = self.writer.buffer
        self.core.order_time, self.core.clock = self.tick_to_order, perf_counter_ns
        runtime = blueprint.config.runtime
        self.channel: Final = Channel("main.inbox", runtime.inbox_capacity, policy_of("block"))
        options = LaneOptions(
            runtime.max_lag_ms * _NANOSECONDS_PER_MILLISECOND, runtime.batch_limit, runtime.outbox_capacity
        )
        inlet = Inlet(self.channel.core, self.channel.drain_into, 0, self.channel.senders)
        self.drain: Final = LaneDrain(self.core, [], [inlet], options, Histogram(), Histogram())
        start_ns = traffic.frames[0].receive_ns
        self.core.take(RunStarted(start_ns, SESSION, "", ""), start_ns, True)
        for market in traffic.markets:
            self.core.take(ConnectionUp(market.connection_id, 1), start_ns, True)


@contextmanager
def order_lane(traffic: Traffic) -> Iterator[OrderLane]:
    """A lane that has heard nothing, with its journal in a folder that goes at the end."""
    with TemporaryDirectory(prefix="hftrun-bench-") as folder:
        lane = OrderLane(shipped_blueprint(traffic), traffic, DirectoryStorage(Path(folder)))
        yield lane
        lane.writer.close_files()
