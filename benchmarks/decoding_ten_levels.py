"""What a change of 10 levels costs on Coinbase and Deribit: from its bytes into the book, continuity checked.

Both in the venue's spelling from a seed, of 10 levels each, on a book of 500 levels a side: recorded frames of Deribit
are too few, and those of Coinbase have 5 levels on average; what they cost is told beside the figure. Coinbase's
continuity is that of the connection, so the router is part of what is timed. All are timed together and the time is
normalised to 10 levels. The reference reads the same frames with `json.loads`, checks the same numbers and keeps
`Decimal` prices and sizes in a `SortedDict` a side.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Any, Final

import attrs
from sortedcontainers import SortedDict

from benchmarks.books import checksum_of
from benchmarks.decoding_loops import apply_all, apply_routed
from benchmarks.figures import ChecksumMismatch, Measured, Run, Sample, figure
from benchmarks.recordings import recording
from venues.coinbase import Coinbase
from venues.deribit import Deribit
from venues.recordings import FRAME, read_recording

MESSAGE_LEVELS: Final = 10
LIMIT_US: Final = 2.5
TIMES_SLOWER: Final = 20
RECORDING: Final = "cryptofeed/dev/COINBASE.first12s.jsonl.zst"
PRODUCT: Final = "BTC-USD"
CONTRACT: Final = "BTC-PERPETUAL"
SEEDED_FRAMES: Final = 400
SEEDED_LEVELS: Final = 500
MIDDLE: Final = 120_000  # in half dollars

# Side 1 or -1, price, size.
Row = tuple[int, str, str]
Side = SortedDict[Decimal, Decimal]


@attrs.frozen
class Traffic:
    """A snapshot, the changes that follow it, and the count of their levels."""

    frames: list[bytes]
    levels: int
    source: str


@cache
def coinbase() -> Traffic:
    """Seeded frames in the venue's spelling, numbered from 0."""
    rows = seeded_rows()
    frames = [_coinbase_frame(number, "update" if number else "snapshot", each) for number, each in enumerate(rows)]
    return Traffic(frames, _levels_of(rows), "seeded frames of 10 levels, seed 1")


@cache
def coinbase_recorded() -> Traffic | None:
    """The recorded changes of one product, numbered from 0; they have half as many levels each."""
    path = recording(RECORDING)
    if path is None:
        return None
    frames: list[bytes] = []
    for record in read_recording(path):
        frame = record.data
        if record.kind == FRAME and frame.startswith(b'{"channel":"l2_data"') and b'"BTC-USD"' in frame[:200]:
            head, key, rest = frame.partition(b'"sequence_num":')
            frames.append(b"%b%b%d,%b" % (head, key, len(frames), rest.partition(b",")[2]))
    levels = sum(frame.count(b'"side"') for frame in frames[1:])
    source = f"{len(frames) - 1} recorded frames of {levels / (len(frames) - 1):.1f} levels on average"
    return Traffic(frames, levels, source)


@cache
def deribit() -> Traffic:
    """Seeded frames in the spelling of 2026."""
    rows = seeded_rows()
    frames = [_deribit_frame(number, each) for number, each in enumerate(rows)]
    return Traffic(frames, _levels_of(rows), "seeded frames of 10 levels, seed 1")


def seeded_rows() -> list[list[Row]]:
    """A book, and changes near its touch, two in five a delete; bids come first, each side from the touch outward."""
    random = Random(1)
    rows: list[list[Row]] = []
    for number in range(SEEDED_FRAMES + 1):
        row: list[Row] = []
        for side in (1, -1):
            distances: list[int] = list(range(1, SEEDED_LEVELS + 1))
            if number:
                chosen: set[int] = set()
                while len(chosen) < MESSAGE_LEVELS // 2:
                    chosen.add(min(SEEDED_LEVELS, 1 + int(random.expovariate(1 / 40))))
                distances = sorted(chosen)
            for distance in distances:
                size = 0 if number and random.random() < 0.4 else random.randrange(1, 30_000) * 10
                halves = MIDDLE - side * distance
                row.append((side, f"{halves // 2}.5" if halves % 2 else str(halves // 2), str(size)))
        rows.append(row)
    return rows


def _levels_of(rows: list[list[Row]]) -> int:
    return sum(len(row) for row in rows[1:])


def _coinbase_frame(number: int, kind: str, rows: list[Row]) -> bytes:
    time = "2026-08-09T21:05:48.228568804Z"
    sides = {1: "bid", -1: "offer"}
    updates = [
        {"side": sides[side], "event_time": time[:-4] + "Z", "price_level": price, "new_quantity": size}
        for side, price, size in rows
    ]
    events = [{"type": kind, "product_id": PRODUCT, "updates": updates}]
    message = {"channel": "l2_data", "timestamp": time, "sequence_num": number, "events": events}
    return json.dumps(message, separators=(",", ":")).encode()


def _deribit_frame(number: int, rows: list[Row]) -> bytes:
    """Change ids rise by 7, and numbers stand without quotes."""
    sides = []
    for wanted in (1, -1):
        levels = [
            f'["{"new" if not number else "change" if size != "0" else "delete"}",{price},{size}]'
            for side, price, size in rows
            if side == wanted
        ]
        sides.append(f"[{','.join(levels)}]")
    previous = f',"prev_change_id":{1_000 + 7 * (number - 1)}' if number else ""
    return (
        f'{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"book.{CONTRACT}.100ms","data":{{'
        f'"timestamp":1786563085228,"type":"{"change" if number else "snapshot"}","change_id":{1_000 + 7 * number},'
        f'"instrument_name":"{CONTRACT}","bids":{sides[0]},"asks":{sides[1]}{previous}}}}}}}'
    ).encode()


def apply_coinbase() -> Sample:
    """Microseconds for 10 levels, through the router into the book."""
    return _apply_coinbase(coinbase())


def _apply_coinbase(traffic: Traffic) -> Sample:
    decoder = Coinbase().decoder(PRODUCT, 2, 8)
    router = Coinbase().router()
    apply_routed(router, decoder, traffic.frames[:1])
    frames = traffic.frames[1:]
    start_ns = perf_counter_ns()
    changed = apply_routed(router, decoder, frames)
    taken_ns = perf_counter_ns() - start_ns
    if changed != len(frames):
        raise ChecksumMismatch(f"a frame did not follow: {decoder.cause or router.cause}")
    book = decoder.book
    checksum = checksum_of(book.bids.levels()[:1_000], book.asks.levels()[:1_000])
    return taken_ns * MESSAGE_LEVELS / traffic.levels / 1_000, checksum


def apply_deribit() -> Sample:
    """Microseconds for 10 levels."""
    traffic = deribit()
    decoder = Deribit().decoder(CONTRACT, 2, 8)
    decoder.apply(traffic.frames[0])
    frames = traffic.frames[1:]
    start_ns = perf_counter_ns()
    changed = apply_all(decoder, frames)
    taken_ns = perf_counter_ns() - start_ns
    if changed != len(frames):
        raise ChecksumMismatch(f"a frame did not follow: {decoder.cause}")
    book = decoder.book
    checksum = checksum_of(book.bids.levels()[:1_000], book.asks.levels()[:1_000])
    return taken_ns * MESSAGE_LEVELS / traffic.levels / 1_000, checksum


def _set_coinbase(message: dict[str, Any], reached: int, bids: Side, asks: Side) -> int:
    """Apply a frame that follows the one before; gives its number."""
    number: int = message["sequence_num"]
    if number != reached + 1:
        raise ChecksumMismatch(f"frame {number} does not follow {reached}")
    for event in message["events"]:
        for update in event["updates"]:
            side = bids if update["side"] == "bid" else asks
            price, size = Decimal(update["price_level"]), Decimal(update["new_quantity"])
            if size:
                side[price] = size
            else:
                side.pop(price, None)
    return number


def _set_deribit(message: dict[str, Any], reached: int, bids: Side, asks: Side) -> int:
    data = message["params"]["data"]
    if data.get("prev_change_id", -1) != reached:
        raise ChecksumMismatch(f"{data['change_id']} does not follow {reached}")
    for side, levels in ((bids, data["bids"]), (asks, data["asks"])):
        for action, price, amount in levels:
            if action == "delete" or not amount:
                side.pop(Decimal(price), None)
            else:
                side[Decimal(price)] = Decimal(amount)
    number: int = data["change_id"]
    return number


def _sorted_sample(traffic: Traffic, set_all: Callable[[dict[str, Any], int, Side, Side], int]) -> Sample:
    bids: Side = SortedDict()
    asks: Side = SortedDict()

    def loads(frame: bytes) -> Any:  # noqa: ANN401  it is the parsed JSON of either venue
        return json.loads(frame, parse_float=Decimal)

    reached = set_all(loads(traffic.frames[0]), -1, bids, asks)
    frames = traffic.frames[1:]
    start_ns = perf_counter_ns()
    for frame in frames:
        reached = set_all(loads(frame), reached, bids, asks)
    taken_ns = perf_counter_ns() - start_ns
    sides = [
        [(int(price * 100), int(size * 10**8)) for price, size in side]
        for side in (list(reversed(bids.items()))[:1_000], list(asks.items())[:1_000])
    ]
    return taken_ns * MESSAGE_LEVELS / traffic.levels / 1_000, checksum_of(*sides)


def apply_coinbase_sorted() -> Sample:
    """The reference."""
    return _sorted_sample(coinbase(), _set_coinbase)


def apply_deribit_sorted() -> Sample:
    """The reference."""
    return _sorted_sample(deribit(), _set_deribit)


REFERENCE: Final = "json.loads, Decimal and SortedDict"


@figure(name="decode.coinbase_us", unit="us", limit=LIMIT_US, ratio_at_least=TIMES_SLOWER, repeats=11)
def decode_coinbase(run: Run) -> Measured:
    """10 levels of Coinbase, from their bytes into the book, the connection's numbering checked."""
    measured = run.measure(apply_coinbase, REFERENCE, apply_coinbase_sorted)
    notes = [coinbase().source]
    recorded = coinbase_recorded()
    if recorded is not None:
        ours = median(_apply_coinbase(recorded)[0] for _ in range(run.repeats))
        theirs = median(_sorted_sample(recorded, _set_coinbase)[0] for _ in range(3))
        notes.append(f"{recorded.source}: {ours:.1f} us for 10 levels, the reference {theirs / ours:.1f} times as long")
    return attrs.evolve(measured, notes=tuple(notes))


@figure(name="decode.deribit_us", unit="us", limit=LIMIT_US, ratio_at_least=TIMES_SLOWER)
def decode_deribit(run: Run) -> Measured:
    """10 levels of Deribit, from their bytes into the book, the chain of changes checked."""
    return attrs.evolve(run.measure(apply_deribit, REFERENCE, apply_deribit_sorted), notes=(deribit().source,))
