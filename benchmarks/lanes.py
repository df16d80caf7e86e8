"""What a hop inside a lane costs, from `emit` to the next handler, beside a hop over an awaited trio channel.

A chain of several hundred messages follows from each seeded input, every message made anew from the one before. The
lane runs as in a system: every input numbered, every call counted, every route looked up; only the journal is absent,
since it sees inputs and no hops. The reference is two trio tasks that send each other the same messages, made by the
same compiled functions.
"""

from __future__ import annotations

from random import Random
from time import perf_counter_ns
from typing import ClassVar, Final

import trio

from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.lane_loops import PRIME, Answering, Asking, Fanning, book_after, take_all, trade_after
from market.instruments import InstrumentTable
from market.messages import Message, PublicTrade, TopOfBook
from runtime.actor import Actor, ActorSetup
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.lane_core import LaneCore

CHAINS: Final = 20
HOPS: Final = 500
ROUNDS: Final = 10
SEED: Final = 1


def seeded_trades(seed: int = SEED) -> list[Message]:
    """The inputs: trades whose number says how many hops follow."""
    random = Random(seed)
    return [
        PublicTrade(
            random.randint(1, 3), HOPS, random.randrange(PRIME), random.randint(1, 10**6), 1,
            random.randrange(10**9), random.randrange(10**9),
        )
        for _ in range(CHAINS)
    ]  # fmt: skip


def lane_of(*classes: type[Actor]) -> LaneCore:
    """The core of a lane with these actors, built as a system builds it."""
    nodes = tuple(
        Node(
            name=class_.__name__.lower(),
            node_id=number,
            kind="actor",
            class_=class_,
            class_path=f"{class_.__module__}:{class_.__name__}",
            policy=class_.POLICY,
            lane="main",
            instrument_ids=(),
            params=None,
            takes=class_.HANDLERS,
            gives=class_.GIVES,
            owns=class_.OWNS,
        )
        for number, class_ in enumerate(classes, start=1)
    )
    names = {f"instrument-{number}": number for number in (1, 2, 3)}
    return build_core(Blueprint(SystemConfig(), InstrumentTable(), names, nodes, ()), "main")


def hop() -> Sample:
    """Nanoseconds a hop between two compiled actors."""
    trades = seeded_trades()
    core = lane_of(Answering, Asking)
    began_ns = perf_counter_ns()
    take_all(core, trades, ROUNDS)
    taken_ns = perf_counter_ns() - began_ns
    answering = core.slots[0].actor
    assert isinstance(answering, Answering)
    # The input itself is dispatched like the hops that follow; it counts as one, here and in the reference.
    hops = CHAINS * (HOPS + 1)
    assert core.dispatched == ROUNDS * hops
    checksum, rest = divmod(int(answering.checksum), ROUNDS)
    return taken_ns / (ROUNDS * hops), checksum + rest


def trio_hop() -> Sample:
    """Nanoseconds a hop between two trio tasks over memory channels, each send and receive awaited."""
    return trio.run(_trio_hop)


async def _trio_hop() -> Sample:
    trades = seeded_trades()
    to_asking, from_answering = trio.open_memory_channel[TopOfBook](1)
    to_answering, from_asking = trio.open_memory_channel[PublicTrade](1)
    checksum = 0

    async def ask() -> None:
        async with to_answering:
            async for top in from_answering:
                await to_answering.send(trade_after(top))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        began_ns = perf_counter_ns()
        for trade in trades:
            assert isinstance(trade, PublicTrade)
            await to_answering.send(trade)
            while True:
                received = await from_asking.receive()
                if received.trade_id <= 0:
                    break
                await to_asking.send(book_after(received))
            checksum += received.price
        taken_ns = perf_counter_ns() - began_ns
        await to_asking.aclose()
    return taken_ns / (CHAINS * (HOPS + 1)), checksum


class Reading(Actor):
    """An actor as a user writes it, interpreted: takes best prices and keeps a value that depends on all of them."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_top"}

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.seen = 0

    def on_top(self, top: TopOfBook) -> None:
        """Look at one price."""
        self.seen ^= top.bid_price


def interpreted_hop() -> Sample:
    """Nanoseconds a hop from a compiled actor into an interpreted one."""
    trades = seeded_trades()
    core = lane_of(Fanning, Reading)
    began_ns = perf_counter_ns()
    take_all(core, trades, ROUNDS + 1)
    taken_ns = perf_counter_ns() - began_ns
    actor = core.slots[1].actor
    assert isinstance(actor, Reading)
    return taken_ns / ((ROUNDS + 1) * CHAINS * HOPS), actor.seen


@figure(name="lane.hop_ns", unit="ns", limit=80, ratio_at_least=30)
def lane_hop(run: Run) -> Measured:
    """From emit to handler, compiled to compiled, with sequence number and statistics."""
    return run.measure(hop, "awaited trio channel hop", trio_hop)


@figure(name="lane.hop_interpreted_ns", unit="ns", limit=200)
def lane_hop_interpreted(run: Run) -> Measured:
    """From emit in a compiled actor to the handler of a user's interpreted actor."""
    return run.measure(interpreted_hop)
