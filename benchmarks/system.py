"""What the whole main job does as a process: ticks a second on one core, and the time from socket to socket.

A session runs the shipped wiring with its feeds, journal, digest, histograms and paper venue, fed over loopback by a
process on the other core with the recorded traffic of three venues. `system.ticks_per_second` counts frames from the
moment when all books are LIVE until each has its last change, sent as fast as they are taken. For the time from socket
to socket, frames are sent one by one; the commands that they lead to leave, in their binary form, over a socket as soon
as the lane lets them go, and their receipt is noted by the sender, by its own clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from time import perf_counter_ns
from typing import Final

import attrs
import trio

from actors.venue_book import VenueBook
from benchmarks.echo import ANSWERS, echo, shares_of
from benchmarks.figures import ChecksumMismatch, Measured, Run, figure
from benchmarks.machine import TREE, undisturbed
from benchmarks.system_gateway import Causes, FrameWitness, OrderWire, OrderWireParams
from benchmarks.system_sender import whole_frames
from benchmarks.system_traffic import Market, Traffic, traffic
from benchmarks.tick_to_order_lane import shipped_blueprint
from benchmarks.transport import last_update_id, leave_core, silence
from market.messages import FRAME_STREAM, LIVE
from runtime.blueprint import Blueprint, Node
from runtime.clock import LiveClock
from runtime.service import Service
from runtime.session import Session
from venues.feed import Feed
from venues.feed_params import FeedParams

PAUSE_US: Final = 250
PACED_FRAMES: Final = 30_000
FEWEST_ORDERS: Final = 40
ECHOED: Final = 20_000
VENUES: Final = {
    "venues.binance:BinanceSpot": "binance",
    "venues.binance_futures:BinanceUsdm": "binance_usdm",
    "venues.binance_futures:BinanceCoinm": "binance_coinm",
}
_PATIENCE_SECONDS: Final = 120.0
_NANOSECONDS: Final = 1_000_000_000


@contextmanager
def venues(*words: str) -> Iterator[tuple[list[int], subprocess.Popen[str]]]:
    """The process that plays the venues, on the other core; gives its ports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.system_sender", *words],
        cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=leave_core,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        process.kill()
        process.communicate()


def feed_node(number: int, market: Market, port: int) -> Node:
    """The feed of one venue, connected to the process that plays it."""
    params = FeedParams(
        venue=VENUES[market.dialect], connection_id=market.connection_id, url=f"ws://127.0.0.1:{port}",
        rest_url=f"http://127.0.0.1:{port}", snapshot_levels=1_000, first_data_s=3_600.0,
    )  # fmt: skip
    return Node(
        name=f"feed_{market.instrument.venue}", node_id=number, kind="service", class_=Feed,
        class_path="venues.feed:Feed", policy=Service.POLICY, lane="",
        instrument_ids=(market.instrument.instrument_id,), params=params, takes=dict.fromkeys(Feed.TAKES, ""),
        gives=Feed.GIVES, owns=(),
    )  # fmt: skip


def whole_system(market: Traffic, ports: list[int], with_gateway: bool) -> Blueprint:
    """The shipped wiring with feeds, and a witness and a way out for commands where it is measured."""
    plan = shipped_blueprint(market)
    services = [
        feed_node(number, one, port) for number, (one, port) in enumerate(zip(market.markets, ports, strict=False), 1)
    ]
    if not with_gateway:
        return attrs.evolve(plan, services=tuple(services))
    services.append(gateway_node(len(services) + 1, ports[-1]))
    # Routes follow the order of the actors, so that it sees a frame first.
    return attrs.evolve(plan, actors=(witness_node(len(plan.actors) + 1), *plan.actors), services=tuple(services))


def witness_node(number: int) -> Node:
    """Who sees which input is a frame's."""
    return Node(
        name="frame_witness", node_id=number, kind="actor", class_=FrameWitness,
        class_path="benchmarks.system_gateway:FrameWitness", policy=FrameWitness.POLICY, lane="main",
        instrument_ids=(), params=None, takes=dict.fromkeys(FrameWitness.HANDLERS, "see"), gives=(), owns=(),
    )  # fmt: skip


def gateway_node(number: int, port: int) -> Node:
    """The way out of commands."""
    return Node(
        name="order_wire", node_id=number, kind="service", class_=OrderWire,
        class_path="benchmarks.system_gateway:OrderWire", policy=Service.POLICY, lane="", instrument_ids=(),
        params=OrderWireParams(port=port), takes=dict.fromkeys(OrderWire.TAKES, ""), gives=(), owns=(),
    )  # fmt: skip


def books_of(session: Session) -> list[VenueBook]:
    """The venue books of a session."""
    return [slot.actor for slot in session.system.lanes[0].core.slots if isinstance(slot.actor, VenueBook)]


def take_all(market: Traffic, ports: list[int], last_ids: list[int]) -> tuple[int, str]:
    """Nanoseconds until every book has its last change, and what happened meanwhile."""

    async def main() -> tuple[int, str]:
        with Session(whole_system(market, ports, False), LiveClock(), silence()) as session:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.run)
                legs = [book.legs[0] for book in books_of(session)]
                core = session.system.lanes[0].core
                with trio.fail_after(_PATIENCE_SECONDS):
                    while not all(leg.state == LIVE for leg in legs):
                        await trio.sleep(0.000_2)
                    before, began_ns = int(core.sequence), perf_counter_ns()
                    while not all(
                        int(leg.decoder.update_id) >= last for leg, last in zip(legs, last_ids, strict=True)
                    ):
                        await trio.sleep(0.002)
                    taken_ns = perf_counter_ns() - began_ns
                ledger = core.ledger
                told = (
                    f"{int(core.sequence) - before:,} inputs, {int(ledger.orders):,} orders and "
                    f"{int(ledger.fills):,} fills on the way"
                )
                failed = [slot.name for slot in core.slots if slot.failures]
                if failed or ledger.halted:
                    raise ChecksumMismatch(f"it did not work: {failed} {ledger.halt_reason}")
                nursery.cancel_scope.cancel()
        return taken_ns, told

    return trio.run(main)


def last_ids_of(market: Traffic) -> list[int]:
    """What the last change of each book is called."""
    frames = whole_frames(market)
    return [
        last_update_id([data for number, kind, data in frames if number == one.connection_id and kind == FRAME_STREAM])
        for one in market.markets
    ]


@figure(name="system.ticks_per_second", unit="1/s", limit=50_000, at_least=True, repeats=3)
def ticks_per_second(run: Run) -> Measured:
    """Frames a second through the whole main job on one core, journal and all."""
    market = traffic()
    count, last_ids = len(whole_frames(market)), last_ids_of(market)
    values, told = [], ""
    for _ in range(run.repeats):
        with venues("fast") as (ports, _):
            taken_ns, told = take_all(market, ports, last_ids)
        values.append(count * _NANOSECONDS / taken_ns)
    return Measured(values, None, (market.source, told))


# ---- from socket to socket


@attrs.frozen
class Trips:
    """What was found: median and 99th percentile of each run, and how many times they are of; notes for people."""

    shares: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]


@cache
def trips(repeats: int) -> Trips:
    """The times from a frame's leave to its first order, in microseconds; beside them what the machine gives."""
    found = []
    market = traffic()
    with undisturbed() as is_undisturbed:
        for _ in range(repeats):
            with venues("paced", str(PAUSE_US), str(PACED_FRAMES)) as (ports, process):
                times = trio.run(_run_until_told, market, ports, process)
            if len(times) < FEWEST_ORDERS:
                raise ChecksumMismatch(f"only {len(times)} frames led to orders: there is nothing to measure")
            found.append(shares_of(times))
        echoes = [(name, echo(PAUSE_US, ECHOED, answer)) for name, answer in ANSWERS.items()]
    notes = (
        f"{PACED_FRAMES:,} frames, one every {PAUSE_US} us, of which {len(times):,} led to commands; "
        f"{'with' if is_undisturbed else 'without'} real-time priority",
        *(f"{name} that answers: {half:,.0f} us, the 99th of a hundred {most:,.0f}" for name, (half, most) in echoes),
    )
    return Trips(tuple(found), notes)


async def _run_until_told(market: Traffic, ports: list[int], process: subprocess.Popen[str]) -> list[int]:
    with Session(whole_system(market, ports, True), LiveClock(), silence()) as session:
        Causes.watch(session.system.lanes[0].core)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run)
            assert process.stdout is not None
            with trio.fail_after(_PATIENCE_SECONDS):
                line = await trio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
    times: list[int] = json.loads(line)
    return times


def wire(run: Run, place: int) -> Measured:
    """One of the percentiles of `trips`."""
    found = trips(run.repeats)
    return Measured([one[place] for one in found.shares], None, found.notes)


@figure(name="tick_to_order.wire_p50_us", unit="us", limit=120, repeats=1)
def wire_median(run: Run) -> Measured:
    """From the leave of a frame to the receipt of its first order, over loopback, half of them."""
    return wire(run, 0)


@figure(name="tick_to_order.wire_p99_us", unit="us", limit=500, repeats=1)
def wire_slow(run: Run) -> Measured:
    """Ninety-nine of a hundred."""
    return wire(run, 1)
