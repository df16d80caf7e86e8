"""What it costs to make a message, from Python and from compiled code, and to take it to bytes and back.

The messages are best bids and asks of a seeded random walk, and frames of seeded bytes, no two alike. Checksums are
taken outside the clock.
"""

from __future__ import annotations

from random import Random
from time import perf_counter_ns
from zlib import crc32

import attrs
from librt.vecs import vec
from mypy_extensions import i64

from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.message_loops import make_all
from market.messages import LIVE, RawFrame, TopOfBook, decode, encode

MESSAGES = 500
# The collector runs before each sample and empties the caches: one round would measure memory, not messages.
ROUNDS = 20
FRAME_BYTES = 400
BATCH = 20

Row = tuple[int, int, int]


@attrs.frozen
class FrozenTop:
    """The same message as a frozen attrs class, which is what one would write without this project."""

    instrument_id: int
    state: int
    bid_price: int
    bid_size: int
    ask_price: int
    ask_size: int
    update_id: int
    venue_ns: int
    receive_ns: int


def rows(seed: int = 1) -> list[Row]:
    """Best bid, best ask and receive time along a random walk."""
    random = Random(seed)
    bid, now_ns, walk = 6_500_000, 1_700_000_000_000_000_000, []
    for _ in range(MESSAGES):
        bid += random.randint(-3, 3)
        now_ns += random.randint(1_000, 1_000_000)
        walk.append((bid, bid + random.randint(1, 5), now_ns))
    return walk


def _made(kind: type[TopOfBook] | type[FrozenTop], batches: list[list[Row]]) -> Sample:
    """Made and dropped, as in a lane; the last of each batch is kept for the checksum."""
    last = []
    start_ns = perf_counter_ns()
    for batch in batches * ROUNDS:
        for bid, ask, now_ns in batch:
            top = kind(1, LIVE, bid, 250_000_000, ask, 750_000_000, 424_242, now_ns, now_ns)
        last.append(top)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / (MESSAGES * ROUNDS), sum(top.bid_price + top.receive_ns for top in last)


def _made_compiled(values: vec[i64]) -> Sample:
    checksum = 0
    start_ns = perf_counter_ns()
    for _ in range(ROUNDS):
        checksum += make_all(values)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / (MESSAGES * ROUNDS), checksum


def _frames() -> list[RawFrame]:
    random = Random(2)
    return [RawFrame(1, 0, 0, number, random.randbytes(FRAME_BYTES)) for number in range(MESSAGES)]


def encoded() -> Sample:
    """Nanoseconds to turn a frame of 400 bytes into its binary form."""
    frames = _frames()
    start_ns = perf_counter_ns()
    forms = [encode(frame) for frame in frames]
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / MESSAGES, crc32(b"".join(forms))


def decoded() -> Sample:
    """Nanoseconds to read a frame of 400 bytes from its binary form."""
    forms = [encode(frame) for frame in _frames()]
    start_ns = perf_counter_ns()
    messages = [decode(form) for form in forms]
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / MESSAGES, sum(message.receive_ns for message in messages if isinstance(message, RawFrame))


@figure(name="message.make_ns", unit="ns", limit=120)
def make(run: Run) -> Measured:
    """One message with nine fields, made by interpreted code, beside a frozen attrs class."""
    walk = rows()
    batches = [walk[start : start + BATCH] for start in range(0, MESSAGES, BATCH)]
    return run.measure(lambda: _made(TopOfBook, batches), "attrs frozen", lambda: _made(FrozenTop, batches))


@figure(name="message.make_compiled_ns", unit="ns", limit=40)
def make_compiled(run: Run) -> Measured:
    """The same message, made by compiled code."""
    values = vec[i64]([value for row in rows() for value in row])
    return run.measure(lambda: _made_compiled(values))
