"""What it costs to read a message from a WebSocket, and how many messages a second reach their book.

The sender is a process of its own on the other core. Messages of 400 bytes come over the loopback, in plain TCP, as
fast as they are taken; the reference reads the same bytes through trio-websocket, a tenth of them, since it takes so
much longer. The recorded traffic is Binance's: depth, trades and best prices as they came, with the snapshot on
request; it goes through the feed service, the lane and the venue book, as a system has them, without a journal.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, cast

import attrs
import structlog
import trio
from trio_websocket import wrap_client_stream

from actors.venue_book import VenueBook
from actors.venue_book_params import VenueBookParams
from benchmarks.books import RECORDING, checksum_of
from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.machine import TREE
from benchmarks.recordings import recording
from benchmarks.transport_sender import MESSAGES, traffic
from market.instruments import Instrument, InstrumentTable
from market.messages import LIVE
from runtime.blueprint import Blueprint, Node
from runtime.clock import LiveClock
from runtime.config.model import SystemConfig
from runtime.service import Service
from runtime.wiring import System, build_system
from venues.dialing import Dialing, Proxies
from venues.feed import Feed
from venues.feed_params import FeedParams
from venues.transport import StreamOptions, open_stream

if TYPE_CHECKING:
    from runtime.logs import Logger

REFERENCE_MESSAGES: Final = MESSAGES // 10
READ_BYTES: Final = 64 * 1024
_QUEUE: Final = 64
_PATIENCE_SECONDS: Final = 30.0
_NANOSECONDS: Final = 1_000_000_000


@contextmanager
def sender(*words: str) -> Iterator[int]:
    """A process that sends, on the cores that the reader does not have; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.transport_sender", *words],
        cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=leave_core,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate()


def leave_core() -> None:
    """Run on the cores that the reader does not have, where there are others."""
    if sys.platform == "linux":
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        if others:
            os.sched_setaffinity(0, others)


# ---- one message


def checksum(frames: list[bytes]) -> int:
    """Of the messages that both read, and their order."""
    return zlib.crc32(b"".join(frames[:REFERENCE_MESSAGES]))


def read_messages(port: int) -> Sample:
    """Microseconds a message through `open_stream`."""

    async def read() -> Sample:
        options = StreamOptions(dialing=Dialing(proxies=Proxies()))
        async with open_stream(f"ws://127.0.0.1:{port}/", options, time.time_ns) as stream:
            frames: list[bytes] = []
            began_ns = perf_counter_ns()
            while len(frames) < MESSAGES:
                _, batch = await stream.read()
                frames += batch
            taken_ns = perf_counter_ns() - began_ns
        return taken_ns / 1_000 / len(frames), checksum(frames)

    return trio.run(read)


def read_messages_elsewhere(port: int) -> Sample:
    """The same through trio-websocket."""

    async def read() -> Sample:
        wire = await trio.open_tcp_stream("127.0.0.1", port)
        async with trio.open_nursery() as nursery:
            stream = await wrap_client_stream(
                nursery, wire, "127.0.0.1", "/", message_queue_size=_QUEUE, receive_buffer_size=READ_BYTES
            )
            frames = []
            began_ns = perf_counter_ns()
            for _ in range(REFERENCE_MESSAGES):
                frames.append(await stream.get_message())
            taken_ns = perf_counter_ns() - began_ns
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(wire)
        return taken_ns / 1_000 / len(frames), checksum([str(frame).encode() for frame in frames])

    return trio.run(read)


@figure(name="transport.message_us", unit="us", limit=1.5, ratio_at_least=8, repeats=7)
def message(run: Run) -> Measured:
    """One message of 400 bytes over the loopback, from the socket to bytes in hand."""
    with sender("messages") as port:
        return run.measure(lambda: read_messages(port), "trio-websocket", lambda: read_messages_elsewhere(port))


# ---- from the socket to the book


def silence() -> Logger:
    """A log for nobody: what is told of connections does not belong among figures."""
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    return cast("Logger", structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=quiet))


def system_of(port: int) -> System:
    """A feed and a venue book, wired as a configuration would have it."""
    instrument = Instrument.from_text(
        instrument_id=1, symbol="BTC/USDT", venue="binance", venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        kind="spot", tick="0.01", lot="0.00000001", minimum_size="0.00001", minimum_notional="5", maker_fee_bps="1",
        taker_fee_bps="5",
    )  # fmt: skip
    table = InstrumentTable()
    table.add(instrument)
    params = FeedParams(
        venue="binance", url=f"ws://127.0.0.1:{port}", rest_url=f"http://127.0.0.1:{port}", snapshot_levels=1_000
    )
    book = Node(
        name="book", node_id=1, kind="actor", class_=VenueBook, class_path="actors.venue_book:VenueBook",
        policy=VenueBook.POLICY, lane="main", instrument_ids=(1,),
        params=VenueBookParams(dialect="venues.binance:BinanceSpot", max_venue_lag_ms=0),
        takes=VenueBook.HANDLERS, gives=VenueBook.GIVES, owns=VenueBook.OWNS,
    )  # fmt: skip
    feed = Node(
        name="feed", node_id=2, kind="service", class_=Feed, class_path="venues.feed:Feed", policy=Service.POLICY,
        lane="", instrument_ids=(1,), params=params, takes=dict.fromkeys(Feed.TAKES, ""), gives=Feed.GIVES, owns=(),
    )  # fmt: skip
    blueprint = Blueprint(SystemConfig(), table, {"BTC/USDT": 1}, (book,), (feed,))
    return build_system(blueprint, LiveClock(), random.Random(1), silence(), lambda core: None)


def play(port: int, count: int, last_update_id: int) -> Sample:
    """Messages a second from the socket to the updated book, until the last of the recording is in it."""

    async def run() -> Sample:
        system = system_of(port)
        book = system.lanes[0].core.slots[0].actor
        assert isinstance(book, VenueBook)
        leg = book.legs[0]
        decoder = leg.decoder
        async with trio.open_nursery() as nursery:
            nursery.start_soon(system.supervisor.run)
            with trio.fail_after(_PATIENCE_SECONDS):
                while leg.state != LIVE:
                    await trio.sleep(0.000_2)
                began_ns = perf_counter_ns()
                while decoder.update_id < last_update_id:
                    await trio.sleep(0.000_5)
            taken_ns = perf_counter_ns() - began_ns
            # At the end of the connection the book is dropped.
            found = checksum_of(decoder.book.bids.levels(), decoder.book.asks.levels())
            nursery.cancel_scope.cancel()
        return count * _NANOSECONDS / taken_ns, found

    return trio.run(run)


@figure(name="feed.end_to_end_messages_per_second", unit="1/s", limit=120_000, at_least=True, repeats=7)
def end_to_end(run: Run) -> Measured:
    """Recorded messages a second, from the socket to the updated book."""
    _, frames = traffic()
    with sender("traffic") as port:
        measured = run.measure(lambda: play(port, len(frames), last_update_id(frames)))
    kind = "recorded" if recording(RECORDING) is not None else "seeded"
    return attrs.evolve(measured, notes=(f"{len(frames):,} {kind} frames of Binance spot",))


def last_update_id(frames: list[bytes]) -> int:
    """What the last change of the book is called."""
    last = next(frame for frame in reversed(frames) if b'"depthUpdate"' in frame)
    return int(last.partition(b'"u":')[2].partition(b",")[0])
