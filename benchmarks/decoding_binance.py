"""What a change of 40 levels costs on Binance, spot and futures: from its bytes into the book, continuity checked.

Recorded frames, each applied to the book that those before it made, timed together and normalised to 40 levels;
without the recordings, seeded ones in the venue's spelling. The reference reads the same frames with `json.loads`,
keeps `Decimal` prices and sizes in a `SortedDict` a side, and checks the same ids. Both return a checksum of the book.
"""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from functools import cache
from random import Random
from time import perf_counter_ns
from typing import Final

import attrs
from sortedcontainers import SortedDict

from benchmarks.books import checksum_of
from benchmarks.decoding_loops import apply_all
from benchmarks.figures import ChecksumMismatch, Measured, Run, Sample, figure
from benchmarks.recordings import recording
from venues.binance import BinanceSpot
from venues.binance_futures import BinanceCoinm, BinanceUsdm
from venues.facts import Venue

MESSAGE_LEVELS: Final = 40
MOST_FRAMES: Final = 3_000
FOLDER: Final = "binance_hftbacktest/dev"
LIMIT_US: Final = 2.5
TIMES_SLOWER: Final = 20


@attrs.frozen
class Traffic:
    """A snapshot and the changes that follow it, and what they are."""

    venue: Venue
    symbol: str
    price_scale: int
    size_scale: int
    snapshot: bytes
    frames: list[bytes]
    levels: int
    source: str


@cache
def traffic(market: str) -> Traffic:
    """The recorded changes of a market, or seeded ones."""
    venue, symbol, price_scale, size_scale, name = {
        "spot": (BinanceSpot(), "BTCUSDT", 2, 8, "spot_btcusdt_20240808.gz"),
        "usdm": (BinanceUsdm(), "BTCUSDT", 1, 3, "usdm_btcusdt_20240808.gz"),
        "coinm": (BinanceCoinm(), "BTCUSD_PERP", 1, 0, "cm_btcusd_perp_20240808.gz"),
    }[market]
    path = recording(f"{FOLDER}/{name}")
    snapshot = b""
    events: list[bytes] = []
    if path is None:
        snapshot, events = seeded(symbol, price_scale, size_scale, market == "spot")
        source = "seeded frames of 40 levels, seed 1"
    else:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                frame = line.split(b" ", 1)[1].rstrip()
                if frame.startswith(b'{"lastUpdateId"'):
                    snapshot = frame
                elif b"@depth" in frame[:40]:
                    events.append(frame)
        source = f"recorded frames of {name}"
    reached = json.loads(snapshot)["lastUpdateId"]
    following = [frame for frame in events if json.loads(frame)["data"]["u"] > reached][:MOST_FRAMES]
    levels = sum(len(change["b"]) + len(change["a"]) for change in (json.loads(frame)["data"] for frame in following))
    told = f"{len(following):,} {source}, {levels / len(following):.0f} levels on average"
    return Traffic(venue, symbol, price_scale, size_scale, snapshot, following, levels, told)


def seeded(symbol: str, price_scale: int, size_scale: int, is_spot: bool) -> tuple[bytes, list[bytes]]:
    """A snapshot and changes of 40 levels near the touch, as the venue spells them."""
    random = Random(1)

    def number(value: int, scale: int) -> str:
        places = 8 if is_spot else scale
        return str(Decimal(value).scaleb(-scale).quantize(Decimal(1).scaleb(-places)))

    def level(side: int, distance: int, size: int) -> list[str]:
        return [number(600_000 - side * distance, price_scale), number(size, size_scale)]

    whole = [[level(side, distance, 5) for distance in range(1, 1_001)] for side in (1, -1)]
    snapshot = json.dumps({"lastUpdateId": 1, "bids": whole[0], "asks": whole[1]}, separators=(",", ":")).encode()
    frames = []
    for update_id in range(2, MOST_FRAMES):
        sides = []
        for side in (1, -1):
            distances = sorted({min(1_000, 1 + int(random.expovariate(1 / 60))) for _ in range(24)})[:20]
            sides.append([level(side, each, random.choice((0, random.randrange(1, 10**6)))) for each in distances])
        event: dict[str, object] = {"e": "depthUpdate", "E": 1}
        event |= {"s": symbol} if is_spot else {"T": 1, "s": symbol}
        event |= {"U": update_id, "u": update_id} | ({} if is_spot else {"pu": update_id - 1})
        event |= {"b": sides[0], "a": sides[1]}
        combined = {"stream": f"{symbol.lower()}@depth@100ms", "data": event}
        frames.append(json.dumps(combined, separators=(",", ":")).encode())
    return snapshot, frames


def decoded(market: str) -> Sample:
    """Microseconds a change of 40 levels."""
    told = traffic(market)
    decoder = told.venue.decoder(told.symbol, told.price_scale, told.size_scale)
    decoder.apply_snapshot(told.snapshot)
    start_ns = perf_counter_ns()
    changed = apply_all(decoder, told.frames)
    taken_ns = perf_counter_ns() - start_ns
    if changed != len(told.frames):
        raise ChecksumMismatch(f"not every frame followed: {decoder.cause}")
    book = decoder.book
    return taken_ns / 1_000 * MESSAGE_LEVELS / told.levels, checksum_of(book.bids.levels(), book.asks.levels())


def decoded_plainly(market: str) -> Sample:
    """The same with `json.loads`, `Decimal` and a `SortedDict` a side."""
    told = traffic(market)
    bids: SortedDict[Decimal, Decimal] = SortedDict()
    asks: SortedDict[Decimal, Decimal] = SortedDict()
    whole = json.loads(told.snapshot)
    _set_all(bids, whole["bids"])
    _set_all(asks, whole["asks"])
    reached = whole["lastUpdateId"]
    joined = False
    start_ns = perf_counter_ns()
    for frame in told.frames:
        event = json.loads(frame)["data"]
        if joined and (event["pu"] != reached if "pu" in event else event["U"] != reached + 1):
            raise ChecksumMismatch("a gap")
        joined = True
        reached = event["u"]
        _set_all(bids, event["b"])
        _set_all(asks, event["a"])
    taken_ns = perf_counter_ns() - start_ns
    scales = told.price_scale, told.size_scale
    levels = [
        [(int(price.scaleb(scales[0])), int(size.scaleb(scales[1]))) for price, size in side]
        for side in (reversed(bids.items()), asks.items())
    ]
    return taken_ns / 1_000 * MESSAGE_LEVELS / told.levels, checksum_of(levels[0], levels[1])


def _set_all(side: SortedDict[Decimal, Decimal], levels: list[list[str]]) -> None:
    for price, size_text in levels:
        size = Decimal(size_text)
        if size:
            side[Decimal(price)] = size
        else:
            side.pop(Decimal(price), None)


def _measured(run: Run, market: str) -> Measured:
    measured = run.measure(
        lambda: decoded(market), "json.loads, Decimal and SortedDict", lambda: decoded_plainly(market)
    )
    return attrs.evolve(measured, notes=(traffic(market).source,))


@figure(name="decode.binance_us", unit="us", limit=LIMIT_US, ratio_at_least=TIMES_SLOWER, repeats=7)
def decode_spot(run: Run) -> Measured:
    """A change of 40 levels of Binance spot, from its bytes into the book."""
    return _measured(run, "spot")


@figure(name="decode.binance_usdm_us", unit="us", limit=LIMIT_US, ratio_at_least=TIMES_SLOWER, repeats=7)
def decode_usdm(run: Run) -> Measured:
    """A change of 40 levels of Binance USD-M futures, from its bytes into the book."""
    return _measured(run, "usdm")


@figure(name="decode.binance_coinm_us", unit="us", limit=LIMIT_US, ratio_at_least=TIMES_SLOWER, repeats=7)
def decode_coinm(run: Run) -> Measured:
    """A change of 40 levels of Binance COIN-M futures, from its bytes into the book."""
    return _measured(run, "coinm")
