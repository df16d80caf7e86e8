"""What the order book costs: one level set from Python, and a whole depth message from its bytes.

Levels are set in a book of a thousand levels a side, seeded, near the touch. Messages are recorded frames of Binance
spot, a whole stream of them in its order, each applied to the book that the ones before it made; they are timed
together and the time is normalised to 40 levels, which is about what they have on average. Without the recording the
frames are seeded, of 40 levels each. The references do the same with `SortedDict`, and `json.loads` for the messages;
all return a checksum of the book.
"""

from __future__ import annotations

import gzip
import json
from bisect import insort
from functools import cache
from random import Random
from time import perf_counter_ns
from typing import Final

import attrs
from librt.vecs import vec
from mypy_extensions import i64
from sortedcontainers import SortedDict

from benchmarks.figures import ChecksumMismatch, Measured, Run, Sample, figure
from benchmarks.recordings import recording
from market.book import Book
from market.dialect import BOOK_CHANGED
from market.messages.constants import BUY, SELL
from venues.binance import BinanceSpot

UPDATES: Final = 20_000
LEVELS: Final = 1_000
MIDDLE: Final = 6_000_000
RECORDING: Final = "binance_hftbacktest/dev/spot_btcusdt_20240808.gz"
MESSAGE_LEVELS: Final = 40
PLACES: Final = 8  # both sides keep the venue's eight places, so that they keep the same integers

Levels = list[tuple[int, int]]
Side = SortedDict[int, int]


def seeded_updates(seed: int = 1, count: int = UPDATES) -> list[tuple[int, int, int]]:
    """Side, price and size: a dozen levels from the touch on average, two in five a delete."""
    random = Random(seed)
    updates = []
    for _ in range(count):
        side = random.choice((BUY, SELL))
        distance = min(LEVELS, 1 + int(random.expovariate(1 / 12)))
        size = 0 if random.random() < 0.4 else random.randrange(1, 10**8)
        updates.append((side, MIDDLE - side * distance, size))
    return updates


def set_level() -> Sample:
    """Nanoseconds to set a level and read best bid and ask, called from Python."""
    updates = seeded_updates()
    book = Book()
    sizes = vec[i64]([5] * LEVELS)
    bid_prices = vec[i64]([MIDDLE - 1 - level for level in range(LEVELS)])
    book.replace(bid_prices, sizes, vec[i64]([MIDDLE + 1 + level for level in range(LEVELS)]), sizes)
    set_one = book.set_level
    best_bid = best_ask = 0
    start_ns = perf_counter_ns()
    for side, price, size in updates:
        set_one(side, price, size)
        best_bid = book.best_bid_price
        best_ask = book.best_ask_price
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / len(updates), checksum_of(book.bids.levels(), book.asks.levels()) + best_bid + best_ask


def set_level_sorted() -> Sample:
    """The same with a `SortedDict` a side."""
    updates = seeded_updates()
    bids: Side = SortedDict({MIDDLE - 1 - level: 5 for level in range(LEVELS)})
    asks: Side = SortedDict({MIDDLE + 1 + level: 5 for level in range(LEVELS)})
    best_bid = best_ask = 0
    start_ns = perf_counter_ns()
    for side, price, size in updates:
        levels = bids if side == BUY else asks
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)
        best_bid = bids.peekitem(-1)[0]
        best_ask = asks.peekitem(0)[0]
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / len(updates), checksum_of(list(reversed(bids.items())), list(asks.items())) + best_bid + best_ask


def apply_depth() -> Sample:
    """Nanoseconds a message of 40 levels, from bytes into the book."""
    snapshot, frames, levels = depth_frames()
    decoder = BinanceSpot().decoder("BTCUSDT", PLACES, PLACES)
    decoder.apply_snapshot(snapshot)
    apply = decoder.apply
    start_ns = perf_counter_ns()
    outcomes = [apply(frame) for frame in frames]
    taken_ns = perf_counter_ns() - start_ns
    followed = outcomes.count(BOOK_CHANGED)
    if followed != len(frames):
        raise ChecksumMismatch(f"{len(frames) - followed} frames did not follow: {decoder.cause}")
    book = decoder.book
    return taken_ns * MESSAGE_LEVELS / levels, checksum_of(book.bids.levels(), book.asks.levels())


def apply_depth_sorted() -> Sample:
    """The same with `json.loads` and a `SortedDict` a side, prices and sizes as integers of eight places."""
    snapshot, frames, levels = depth_frames()
    bids: Side = SortedDict()
    asks: Side = SortedDict()
    whole = json.loads(snapshot)
    _set_all(bids, whole["bids"])
    _set_all(asks, whole["asks"])
    start_ns = perf_counter_ns()
    for frame in frames:
        event = json.loads(frame)["data"]
        _set_all(bids, event["b"])
        _set_all(asks, event["a"])
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns * MESSAGE_LEVELS / levels, checksum_of(list(reversed(bids.items())), list(asks.items()))


def _set_all(side: Side, levels: list[list[str]]) -> None:
    for price_text, size_text in levels:
        price = int(price_text.replace(".", ""))
        size = int(size_text.replace(".", ""))
        if size:
            side[price] = size
        else:
            side.pop(price, None)


def checksum_of(bids: Levels, asks: Levels) -> int:
    """A number that depends on every level and its place."""
    checksum = 0
    for price, size in bids + asks:
        checksum = (checksum * 1_000_003 + price * 31 + size) % (2**61 - 1)
    return checksum


@cache
def depth_frames() -> tuple[bytes, list[bytes], int]:
    """A snapshot, the depth frames after it and the count of their levels: recorded ones, or seeded ones."""
    path = recording(RECORDING)
    if path is None:
        return seeded_frames()
    snapshot = b""
    events: list[tuple[int, bytes, int]] = []
    with gzip.open(path, "rb") as lines:
        for line in lines:
            frame = line.split(b" ", 1)[1].rstrip()
            if frame.startswith(b'{"lastUpdateId"'):
                snapshot = frame
            elif b"@depth" in frame[:40]:
                event = json.loads(frame)["data"]
                events.append((event["u"], frame, len(event["b"]) + len(event["a"])))
    # The stream may run ahead of the snapshot: what ends at or before it is dropped, wherever it stands.
    reached = json.loads(snapshot)["lastUpdateId"]
    following = [(frame, levels) for last, frame, levels in events if last > reached]
    return snapshot, [frame for frame, _ in following], sum(levels for _, levels in following)


def source() -> str:
    """Which messages are measured, in words."""
    if recording(RECORDING) is None:
        return "seeded frames of 40 levels, seed 1"
    _, frames, levels = depth_frames()
    return f"{len(frames):,} recorded Binance spot frames of {levels / len(frames):.0f} levels on average"


def seeded_frames(seed: int = 1, count: int = 400) -> tuple[bytes, list[bytes], int]:
    """Frames of 20 levels a side that change a book as recorded ones do: new and deleted levels, seldom an old one."""
    random = Random(seed)
    encoder = BinanceSpot().encoder("BTCUSDT", PLACES, PLACES)
    tick = 10 ** (PLACES - 2)
    # Each side as distances from the middle, in ticks, nearest first.
    held = {side: list(range(1, 7 * LEVELS, 7)) for side in (BUY, SELL)}

    def level(side: int, distance: int, size: int) -> tuple[int, int]:
        return (MIDDLE - side * distance) * tick, size

    snapshot = encoder.snapshot(
        0, *([level(side, distance, random.randrange(1, 10**9)) for distance in held[side]] for side in (BUY, SELL))
    )
    frames = []
    for number in range(1, count + 1):
        changed: dict[int, Levels] = {}
        for side in (BUY, SELL):
            changes: dict[int, int] = {}
            while len(changes) < MESSAGE_LEVELS // 2:
                distance, size = _change(random, held[side])
                changes[distance] = size
            changed[side] = [level(side, distance, changes[distance]) for distance in sorted(changes)]
        frames.append(encoder.depth(0, number, number, changed[BUY], changed[SELL]))
    return snapshot, frames, count * MESSAGE_LEVELS


def _change(random: Random, held: list[int]) -> tuple[int, int]:
    """One change of a side, evenly spread over the powers of ten of its levels, in the shares of the recordings."""
    place = min(int(10 ** random.uniform(0, 3)), len(held)) - 1
    near = held[place]
    kind = random.random()
    if kind < 0.40:
        del held[place]
        return near, 0
    if kind < 0.48:
        return near + 3, 0
    size = random.randrange(1, 10**9)
    if kind < 0.60:
        return near, size
    new = near + random.randint(1, 6)
    if new not in held:
        insort(held, new)
    return new, size


@figure(name="book.level_update_ns", unit="ns", limit=150, ratio_at_least=5)
def level_update(run: Run) -> Measured:
    """One level set and best bid and ask read, called from Python."""
    return run.measure(set_level, "SortedDict", set_level_sorted)


@figure(name="book.depth_message_ns", unit="ns", limit=2_000, ratio_at_least=20, repeats=11)
def depth_message(run: Run) -> Measured:
    """One depth message of 40 levels, from its bytes into the book."""
    measured = run.measure(apply_depth, "json.loads and SortedDict", apply_depth_sorted)
    return attrs.evolve(measured, notes=(source(),))
