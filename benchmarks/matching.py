"""What matching costs: one operation called from Python, its slowest ones, a whole stream, a resting order, a sweep.

The stream is seeded: 45 % cancels of orders that rest, 7 % marketable orders, the rest limit orders a few levels from
the touch, all with account, account group and self-trade prevention. Each operation's events are read from Python,
kind, order, price and size of every one. The reference is the slow engine of the tests, which takes the same stream.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.machine import TREE
from benchmarks.matching_loops import fill, play, read_all
from benchmarks.naive_matching import NaiveEngine
from market.matching.engine import MatchingEngine
from market.matching.entry import OrderEntry
from market.matching.events import RESTS
from market.matching.settings import MatchingSettings
from market.messages import (
    BUY,
    EVENT_ACCEPTED,
    EVENT_RESTED,
    EVENT_TRADED,
    GTC,
    IOC,
    LIMIT,
    SELL,
    STP_CANCEL_RESTING,
)

RESTING: Final = 1_000
OPERATIONS: Final = 10_000
MIDDLE: Final = 1_000_000
CANCELS: Final = 0.45
MARKETABLE: Final = 0.07
ORDERS: Final = 1_000_000
ORDER_LEVELS: Final = 1_000
SWEPT: Final = 1_000
SWEEPS: Final = 5
# A pass of the stream takes a few milliseconds: of several, the middle one counts, so that a moment in which the system
# gives the core to somebody else does not stand for the whole sample.
PASSES: Final = 5

# An order to hand in, or None and the id of one to cancel.
Operation = tuple[OrderEntry | None, int]


def settings() -> MatchingSettings:
    """An instrument with a tick, a lot and bounds that are looked at."""
    return MatchingSettings(tick=5, lot=10, minimum_size=10, maximum_size=1_000_000, band_ppm=50_000)


class StreamMaker:
    """Makes the stream beside an engine that takes it, so that cancels name orders that rest."""

    def __init__(self, seed: int) -> None:
        """Begin with an empty book."""
        self._random = Random(seed)
        self._engine = MatchingEngine(settings())
        self._last_id = 0
        self._resting: list[int] = []
        self._places: dict[int, int] = {}

    def order(self, marketable: bool) -> OrderEntry:
        """A new order, taken by the engine."""
        random = self._random
        side = random.choice((BUY, SELL))
        opposite = self._engine.best_ask if side == BUY else self._engine.best_bid
        best = opposite or MIDDLE + side * 5
        self._last_id += 1
        account = random.randrange(1, 1_000)
        price = best if marketable else best - side * 5 * (1 + int(random.expovariate(1 / 10)))
        entry = OrderEntry(
            self._last_id, account, account, side, LIMIT, IOC if marketable and random.random() < 0.5 else GTC, price,
            10 * random.randrange(1, 60 if marketable else 100), 0, 0, 0, 0, STP_CANCEL_RESTING, 0, 0,
        )  # fmt: skip
        self._engine.submit(entry, 0)
        self._follow()
        return entry

    def cancelled(self) -> int:
        """The id of a resting order, which the engine has cancelled."""
        order_id = self._random.choice(self._resting)
        self._engine.cancel(order_id, 0)
        self._drop(order_id)
        return order_id

    def _follow(self) -> None:
        """Keep the list of resting orders by what the events say."""
        for event in self._engine.events:
            if event.kind == EVENT_RESTED or (event.kind == EVENT_ACCEPTED and event.code == RESTS):
                self._places[event.order_id] = len(self._resting)
                self._resting.append(event.order_id)
            elif event.kind == EVENT_TRADED and event.other_remaining == 0:
                self._drop(event.other_id)

    def _drop(self, order_id: int) -> None:
        place = self._places.pop(order_id)
        last = self._resting.pop()
        if last != order_id:
            self._resting[place] = last
            self._places[last] = place

    def operation(self) -> Operation:
        """The next operation of the stream."""
        chosen = self._random.random()
        if chosen < CANCELS:
            return None, self.cancelled()
        return self.order(chosen < CANCELS + MARKETABLE), 0


@cache
def stream(seed: int = 1) -> tuple[list[OrderEntry], list[Operation]]:
    """The orders that rest beforehand, and the operations that are measured."""
    maker = StreamMaker(seed)
    before = [maker.order(False) for _ in range(RESTING)]
    return before, [maker.operation() for _ in range(OPERATIONS)]


def filled_engine() -> MatchingEngine:
    """An engine with the orders that rest beforehand."""
    engine = MatchingEngine(settings())
    for entry in stream()[0]:
        engine.submit(entry, 0)
    return engine


def middle_of(one_pass: Callable[[], Sample]) -> Sample:
    """The middle one of several passes; all have the same checksum, or the sample has one of its own."""
    passes = [one_pass() for _ in range(PASSES)]
    checksums = {checksum for _, checksum in passes}
    return median(value for value, _ in passes), sum(checksums)


def operations() -> Sample:
    """Nanoseconds an operation, called from Python and its events read there."""
    engine = filled_engine()
    submit, cancel, head = engine.submit, engine.cancel, engine.events.head
    todo = stream()[1]
    checksum = 0
    start_ns = perf_counter_ns()
    for entry, cancelled in todo:
        count = cancel(cancelled, 0) if entry is None else submit(entry, 0)
        kind, order_id, price, size = head(0)
        checksum += kind + size + (price ^ order_id)
        if count > 1:
            for row in range(1, count):
                kind, order_id, price, size = head(row)
                checksum += kind + size + (price ^ order_id)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / OPERATIONS, checksum


def operations_naive() -> Sample:
    """The same with the engine of the tests."""
    before, todo = stream()
    engine = NaiveEngine(settings())
    for entry in before:
        engine.submit(entry, 0)
    submit, cancel = engine.submit, engine.cancel
    checksum = 0
    start_ns = perf_counter_ns()
    for one, cancelled in todo:
        if one is None:
            cancel(cancelled, 0)
        else:
            submit(one, 0)
        for event in engine.events:
            checksum += event[0] + event[5] + (event[4] ^ event[1])
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / OPERATIONS, checksum


def percentile(parts: int) -> Sample:
    """Nanoseconds of the operation that one in so many exceeds; each is timed by itself, reading included."""
    engine = filled_engine()
    submit, cancel, head = engine.submit, engine.cancel, engine.events.head
    checksum = 0
    taken_ns = []
    for entry, cancelled in stream()[1]:
        start_ns = perf_counter_ns()
        count = cancel(cancelled, 0) if entry is None else submit(entry, 0)
        kind, order_id, price, size = head(0)
        checksum += kind + size + (price ^ order_id)
        if count > 1:
            for row in range(1, count):
                kind, order_id, price, size = head(row)
                checksum += kind + size + (price ^ order_id)
        taken_ns.append(perf_counter_ns() - start_ns)
    taken_ns.sort()
    return float(taken_ns[-1 - len(taken_ns) // parts]), checksum


def whole_stream() -> Sample:
    """Operations a second when one call hands in the stream and reads all events compiled."""
    engine = filled_engine()
    entries: list[OrderEntry] = []
    numbers: list[int] = []
    for entry, cancelled in stream()[1]:
        if entry is None:
            numbers.append(-cancelled)
        else:
            numbers.append(len(entries))
            entries.append(entry)
    packed = vec[i64](numbers)
    start_ns = perf_counter_ns()
    checksum = play(engine, entries, packed)
    taken_ns = perf_counter_ns() - start_ns
    return OPERATIONS * 1e9 / taken_ns, checksum


def sweep() -> Sample:
    """Nanoseconds a fill, when one order sweeps levels of one order each."""
    checksum = 0
    taken_ns = []
    for _ in range(SWEEPS):
        engine = MatchingEngine(settings())
        resting = OrderEntry(0, 0, 0, SELL, LIMIT, GTC, 0, 100)
        for number in range(SWEPT):
            resting.order_id = number + 1
            resting.price = MIDDLE + 5 * number
            engine.submit(resting, 0)
        sweeping = OrderEntry(SWEPT + 1, 1, 1, BUY, LIMIT, GTC, MIDDLE + 5 * SWEPT, 100 * SWEPT)
        start_ns = perf_counter_ns()
        engine.submit(sweeping, 0)
        taken_ns.append(perf_counter_ns() - start_ns)
        checksum += read_all(engine)
    return median(taken_ns) / SWEPT, checksum


def sweep_naive() -> Sample:
    """The same with the engine of the tests."""
    checksum = 0
    taken_ns = 0
    for _ in range(SWEEPS):
        engine = NaiveEngine(settings())
        for number in range(SWEPT):
            engine.submit(OrderEntry(number + 1, 0, 0, SELL, LIMIT, GTC, MIDDLE + 5 * number, 100), 0)
        sweeping = OrderEntry(SWEPT + 1, 1, 1, BUY, LIMIT, GTC, MIDDLE + 5 * SWEPT, 100 * SWEPT)
        start_ns = perf_counter_ns()
        engine.submit(sweeping, 0)
        taken_ns += perf_counter_ns() - start_ns
        checksum += sum(event[0] + event[5] + (event[4] ^ event[1]) for event in engine.events)
    return taken_ns / (SWEEPS * SWEPT), checksum


def resident_bytes() -> int:
    """The memory of this process that is in use."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Print by how many megabytes this process grows with a million resting orders, and how many rest."""
    engine = MatchingEngine(settings())
    before = resident_bytes()
    fill(engine, OrderEntry(0, 0, 0, BUY, LIMIT, GTC, 0, 100), ORDERS, ORDER_LEVELS, MIDDLE)
    print((resident_bytes() - before) / 1e6, engine.open_orders)


def memory() -> Sample:
    """Megabytes, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.matching"], cwd=TREE, capture_output=True, check=True, text=True
    )
    grown, resting = done.stdout.split()
    return float(grown), int(resting)


@figure(name="matching.op_ns", unit="ns", limit=320, ratio_at_least=10, repeats=9)
def operation(run: Run) -> Measured:
    """One order or cancel, called from Python, its events read there."""
    return run.measure(lambda: middle_of(operations), "naive engine", operations_naive)


@figure(name="matching.op_p99_ns", unit="ns", limit=1_000)
def operation_p99(run: Run) -> Measured:
    """The operation that one in a hundred exceeds, its clock readings included."""
    return run.measure(lambda: middle_of(lambda: percentile(100)))


@figure(name="matching.op_p999_ns", unit="ns", limit=3_000)
def operation_p999(run: Run) -> Measured:
    """The operation that one in a thousand exceeds, its clock readings included."""
    return run.measure(lambda: middle_of(lambda: percentile(1_000)))


@figure(name="matching.orders_per_second", unit="1/s", limit=3_000_000, at_least=True)
def orders_per_second(run: Run) -> Measured:
    """Orders and cancels a second on one core, the whole stream handed in by one call."""
    return run.measure(lambda: middle_of(whole_stream))


@figure(name="matching.memory_mb", unit="MB", limit=100, repeats=3)
def memory_grown(run: Run) -> Measured:
    """What a million resting orders take."""
    return run.measure(memory)


@figure(name="matching.sweep_ns", unit="ns", limit=150, repeats=9)
def sweep_fill(run: Run) -> Measured:
    """One fill of an order that sweeps a thousand levels."""
    return run.measure(sweep, "naive engine", sweep_naive)


if __name__ == "__main__":
    main()
