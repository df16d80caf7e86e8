"""What a change of 40 levels costs on Bybit and OKX: from its bytes into the book, continuity checked.

Recorded frames of one instrument, applied one after the other to the book that those before them made, again and again
from the snapshot on, timed together and normalised to 40 levels, which several frames bring together. Those of OKX are
spelled as the venue sends them now: with sequence numbers, and a checksum of 0, which is none. Without the recordings,
seeded frames of 40 levels. The reference reads the same frames with `json.loads`, keeps `Decimal` prices and sizes in a
`SortedDict` a side, and checks the same numbers. Both return a checksum of the book.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from time import perf_counter_ns
from typing import Any, Final

import attrs
from sortedcontainers import SortedDict

from benchmarks.books import checksum_of
from benchmarks.decoding_loops import apply_all
from benchmarks.figures import ChecksumMismatch, Measured, Run, Sample, figure
from benchmarks.recordings import recording
from venues.bybit import BybitLinear
from venues.facts import Venue
from venues.okx import Okx
from venues.recordings import FRAME, read_recording

MESSAGE_LEVELS: Final = 40
LIMIT_US: Final = 2.5
TIMES_SLOWER: Final = 20
ROUNDS: Final = 10
SEEDED_FRAMES: Final = 400

Wire = list[list[str]]


@attrs.frozen
class Change:
    """What a frame says, before and after the venue's spelling."""

    number: int
    previous: int
    bids: Wire
    asks: Wire


@attrs.frozen
class Traffic:
    """A snapshot and the changes that follow it, and what they are."""

    venue: Venue
    symbol: str
    price_scale: int
    size_scale: int
    frames: list[bytes]
    """The first is the snapshot."""
    levels: int
    """Of the frames behind it."""
    source: str
    read: Callable[[dict[str, Any]], Change]


def read_bybit(frame: dict[str, Any]) -> Change:
    """What a frame of Bybit says."""
    data = frame["data"]
    return Change(data["u"], data["u"] - 1, data["b"], data["a"])


def read_okx(frame: dict[str, Any]) -> Change:
    """What a frame of OKX says."""
    data = frame["data"][0]
    return Change(data["seqId"], data["prevSeqId"], data["bids"], data["asks"])


def spelled_bybit(symbol: str, change: Change) -> bytes:
    """A change, or the snapshot, which has number 1, as Bybit's linear stream writes it."""
    kind = "snapshot" if change.number == 1 else "delta"
    data = {"s": symbol, "b": change.bids, "a": change.asks, "u": change.number, "seq": change.number}
    topic = f"orderbook.200.{symbol}"
    return _spelled({"topic": topic, "type": kind, "ts": 1786310818130, "data": data, "cts": 1786310818129})


def spelled_okx(symbol: str, change: Change) -> bytes:
    """The same as OKX writes it."""
    action = "snapshot" if change.number == 1 else "update"
    bids, asks = ([[*level[:2], "0", "1"] for level in side] for side in (change.bids, change.asks))
    numbers = {"checksum": 0, "prevSeqId": change.previous if change.number > 1 else -1, "seqId": change.number}
    data = {"asks": asks, "bids": bids, "ts": "1652459225454", **numbers}
    return _spelled({"arg": {"channel": "books", "instId": symbol}, "action": action, "data": [data]})


@cache
def bybit() -> Traffic:
    """The recorded book of one contract, or a seeded one."""
    path = recording("cryptofeed/dev/BYBIT.first20s.jsonl.zst")
    symbol = "BTCUSDT"
    if path is None:
        frames = [spelled_bybit(symbol, change) for change in seeded_changes()]
        source = "seeded frames of Bybit's linear stream, seed 1"
    else:
        frames = _recorded(path, b'{"topic":"orderbook.200.BTCUSDT","type"')
        source = "recorded frames of Bybit's linear stream"
    return _traffic(BybitLinear(200), symbol, (2, 3), frames, source, read_bybit)


@cache
def okx() -> Traffic:
    """The recorded book of one pair in today's spelling, or a seeded one."""
    path = recording("cryptofeed/dev/OKX.jsonl.zst")
    symbol = "BTC-USDT"
    changes = seeded_changes()
    source = "seeded frames of OKX, seed 1"
    if path is not None:
        recorded = _recorded(path, b'{"arg":{"channel":"books","instId":"BTC-USDT"}')
        rows = [json.loads(frame)["data"][0] for frame in recorded]
        changes = [Change(place + 1, place, row["bids"], row["asks"]) for place, row in enumerate(rows)]
        source = "recorded changes of OKX, without their checksums"
    return _traffic(Okx(), symbol, (1, 8), [spelled_okx(symbol, change) for change in changes], source, read_okx)


def seeded_changes() -> list[Change]:
    """A snapshot and changes of 40 levels near the touch."""
    random = Random(1)

    def level(side: int, distance: int, size: int) -> list[str]:
        return [str(Decimal(600_000 - side * distance) / 10), str(Decimal(size) / 1_000)]

    whole = [[level(side, distance, 5) for distance in range(1, 401)] for side in (1, -1)]
    changes = [Change(1, 0, whole[0], whole[1])]
    for number in range(2, SEEDED_FRAMES):
        sides = []
        for side in (1, -1):
            distances = sorted({min(400, 1 + int(random.expovariate(1 / 60))) for _ in range(24)})[:20]
            sides.append([level(side, each, random.choice((0, random.randrange(1, 10**6)))) for each in distances])
        changes.append(Change(number, number - 1, sides[0], sides[1]))
    return changes


def _recorded(path: Path, beginning: bytes) -> list[bytes]:
    return [
        record.data for record in read_recording(path) if record.kind == FRAME and record.data.startswith(beginning)
    ]


def _traffic(
    venue: Venue,
    symbol: str,
    scales: tuple[int, int],
    frames: list[bytes],
    source: str,
    read: Callable[[dict[str, Any]], Change],
) -> Traffic:
    changes = [read(json.loads(frame)) for frame in frames[1:]]
    levels = sum(len(change.bids) + len(change.asks) for change in changes)
    told = f"{len(changes):,} {source}, {levels / len(changes):.0f} levels on average"
    return Traffic(venue, symbol, scales[0], scales[1], frames, levels, told, read)


def _spelled(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def decoded(told: Traffic) -> Sample:
    """Microseconds a change of 40 levels."""
    decoder = told.venue.decoder(told.symbol, told.price_scale, told.size_scale)
    snapshot, *changes = told.frames
    taken_ns = 0
    for _ in range(ROUNDS):
        decoder.reset()
        decoder.apply(snapshot)
        start_ns = perf_counter_ns()
        changed = apply_all(decoder, changes)
        taken_ns += perf_counter_ns() - start_ns
        if changed != len(changes):
            raise ChecksumMismatch(f"not every frame followed: {decoder.cause}")
    book = decoder.book
    found = checksum_of(book.bids.levels(), book.asks.levels())
    return taken_ns / ROUNDS / 1_000 * MESSAGE_LEVELS / told.levels, found


def decoded_plainly(told: Traffic) -> Sample:
    """The same with `json.loads`, `Decimal` and a `SortedDict` a side."""
    bids: SortedDict[Decimal, Decimal] = SortedDict()
    asks: SortedDict[Decimal, Decimal] = SortedDict()
    read = told.read
    snapshot = read(json.loads(told.frames[0]))
    _set_all(bids, snapshot.bids)
    _set_all(asks, snapshot.asks)
    reached = snapshot.number
    start_ns = perf_counter_ns()
    for frame in told.frames[1:]:
        change = read(json.loads(frame))
        if change.previous != reached:
            raise ChecksumMismatch("a gap")
        reached = change.number
        _set_all(bids, change.bids)
        _set_all(asks, change.asks)
    taken_ns = perf_counter_ns() - start_ns
    levels = [
        [(int(price.scaleb(told.price_scale)), int(size.scaleb(told.size_scale))) for price, size in side]
        for side in (reversed(bids.items()), asks.items())
    ]
    return taken_ns / 1_000 * MESSAGE_LEVELS / told.levels, checksum_of(levels[0], levels[1])


def _set_all(side: SortedDict[Decimal, Decimal], levels: Wire) -> None:
    for level in levels:
        size = Decimal(level[1])
        if size:
            side[Decimal(level[0])] = size
        else:
            side.pop(Decimal(level[0]), None)


def _measured(run: Run, told: Traffic) -> Measured:
    measured = run.measure(lambda: decoded(told), "json.loads, Decimal and SortedDict", lambda: decoded_plainly(told))
    return attrs.evolve(measured, notes=(told.source,))


@figure(name="decode.bybit_us", unit="us", limit=LIMIT_US, ratio_at_least=TIMES_SLOWER, repeats=7)
def decode_bybit(run: Run) -> Measured:
    """A change of 40 levels of Bybit's linear contracts, from its bytes into the book."""
    return _measured(run, bybit())


@figure(name="decode.okx_us", unit="us", limit=LIMIT_US, ratio_at_least=TIMES_SLOWER, repeats=7)
def decode_okx(run: Run) -> Measured:
    """A change of 40 levels of OKX, from its bytes into the book, where there is no checksum."""
    return _measured(run, okx())
