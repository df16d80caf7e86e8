"""What changes of 40 levels cost on Bitfinex, where each is a frame: numbers checked, routed, and into the book.

The recorded frames of the busiest book of one session, numbered anew as if its connection had no other, applied one
after the other to the book that those before them made, again and again from the snapshot on; without the recording,
seeded ones. A frame passes the router, which checks its number, and then the decoder. The reference reads the same
frames with `json.loads` to `Decimal`, keeps a `SortedDict` a side and checks the same numbers. Both return a checksum
of the book.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from functools import cache
from random import Random
from time import perf_counter_ns
from typing import Final

import attrs
from sortedcontainers import SortedDict

from benchmarks.books import checksum_of
from benchmarks.decoding_loops import apply_routed
from benchmarks.figures import ChecksumMismatch, Measured, Run, Sample, figure
from benchmarks.recordings import recording
from venues.bitfinex import PRICE_SCALE, SIZE_SCALE, Bitfinex
from venues.recordings import FRAME, read_recording

MESSAGE_LEVELS: Final = 40
ROUNDS: Final = 10
SEEDED_FRAMES: Final = 800
SESSION: Final = "cryptofeed/dev/BITFINEX.jsonl.zst"
SYMBOL: Final = "tBTCUSD"
CHANNEL: Final = 232955
EVENTS: Final = (
    b'{"event":"conf","status":"OK","flags":196608}',
    b'{"event":"subscribed","channel":"book","chanId":232955,"symbol":"tBTCUSD"}',
)


@cache
def frames() -> list[bytes]:
    """A snapshot and the changes that follow it."""
    path = recording(SESSION)
    if path is None:
        return seeded_frames()
    arrays = [record.data for record in read_recording(path) if record.kind == FRAME and record.data.startswith(b"[")]
    # A change has two commas in its inner list, as has the first level of a book; a trade has three.
    books = [frame for frame in arrays if frame.partition(b"]")[0].count(b",") == 3 and b'"' not in frame]
    busiest = Counter(frame.partition(b",")[0] for frame in books).most_common(1)[0][0]
    chosen = [frame for frame in books if frame.startswith(busiest + b",")]
    return [
        b"[%d,%b,%d]" % (CHANNEL, frame.partition(b",")[2].rpartition(b",")[0], number)
        for number, frame in enumerate(chosen, 1)
    ]


def seeded_frames() -> list[bytes]:
    """Changes near the touch, as the venue spells them."""
    random = Random(1)
    levels = [f"[{10_000 - side * distance},1,{side * 1.5}]" for side in (1, -1) for distance in range(1, 101)]
    told = [f"[{CHANNEL},[{','.join(levels)}],1]"]
    for number in range(2, SEEDED_FRAMES):
        side = random.choice((1, -1))
        price = 10_000 - side * min(100, 1 + int(random.expovariate(1 / 20)))
        size = random.randrange(1, 10**8) / 10**4
        told.append(f"[{CHANNEL},[{price},{random.choice((0, 1, 2))},{side * size}],{number}]")
    return [text.encode() for text in told]


def decoded() -> Sample:
    """Microseconds for 40 changes."""
    told = frames()
    venue = Bitfinex()
    taken_ns = 0
    for _ in range(ROUNDS):
        router = venue.router()
        decoder = venue.decoder(SYMBOL, PRICE_SCALE, SIZE_SCALE)
        for event in EVENTS:
            router.route(event)
            decoder.apply(event)
        router.route(told[0])
        decoder.apply(told[0])
        changes = told[1:]
        start_ns = perf_counter_ns()
        changed = apply_routed(router, decoder, changes)
        taken_ns += perf_counter_ns() - start_ns
        if changed != len(changes):
            raise ChecksumMismatch(f"not every frame followed: {decoder.cause}")
    book = decoder.book
    return _per_message(taken_ns), checksum_of(book.bids.levels(), book.asks.levels())


def decoded_plainly() -> Sample:
    """The same with `json.loads`, `Decimal` and a `SortedDict` a side."""
    told = frames()
    taken_ns = 0
    for _ in range(ROUNDS):
        bids: SortedDict[Decimal, Decimal] = SortedDict()
        asks: SortedDict[Decimal, Decimal] = SortedDict()
        for level in json.loads(told[0], parse_float=Decimal)[1]:
            _set(bids, asks, level)
        last = 1
        changes = told[1:]
        start_ns = perf_counter_ns()
        for frame in changes:
            channel, level, number = json.loads(frame, parse_float=Decimal)
            if number != last + 1 or channel != CHANNEL:
                raise ChecksumMismatch("a gap")
            last = number
            _set(bids, asks, level)
        taken_ns += perf_counter_ns() - start_ns
    levels = [
        [(int(price.scaleb(PRICE_SCALE)), int(size.scaleb(SIZE_SCALE))) for price, size in side]
        for side in (reversed(bids.items()), asks.items())
    ]
    return _per_message(taken_ns), checksum_of(levels[0], levels[1])


def _set(bids: SortedDict[Decimal, Decimal], asks: SortedDict[Decimal, Decimal], level: list[Decimal]) -> None:
    price, count, amount = level
    side = bids if amount > 0 else asks
    if count > 0:
        side[Decimal(price)] = abs(Decimal(amount))
    else:
        side.pop(Decimal(price), None)


def _per_message(taken_ns: int) -> float:
    return taken_ns / 1_000 / (ROUNDS * (len(frames()) - 1)) * MESSAGE_LEVELS


@figure(name="decode.bitfinex_us", unit="us", limit=2.5, ratio_at_least=20, repeats=7)
def decode_bitfinex(run: Run) -> Measured:
    """40 changes of a level on Bitfinex, each a frame, from their bytes into the book."""
    measured = run.measure(decoded, "json.loads, Decimal and SortedDict", decoded_plainly)
    count = len(frames()) - 1
    source = "seeded frames, seed 1" if recording(SESSION) is None else "recorded frames of one book"
    return attrs.evolve(measured, notes=(f"{count:,} {source}, each of one level",))
