"""What a change of 40 levels costs on Kraken, from its bytes into the book, and what the checksum of a book costs.

The frames are seeded, in the spelling of WebSocket v2, on a book of 100 levels a side: about 35 levels each, timed
together and normalised to 40. They carry no checksum, which is a figure of its own. The notes tell the same of the
recorded frames of WebSocket v1, which have one level each and their checksums. The references are `json.loads`,
`Decimal` and `SortedDict` with the same cut, and `zlib.crc32` over a text that is there already.
"""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from functools import cache
from time import perf_counter_ns
from typing import Any, Final

import attrs
from sortedcontainers import SortedDict

from benchmarks.books import checksum_of
from benchmarks.decoding_loops import apply_all
from benchmarks.figures import ChecksumMismatch, Measured, Run, Sample, figure
from benchmarks.kraken_frames import PRICE_PLACES, SIZE_PLACES, SYMBOL, KrakenMarket
from benchmarks.recordings import recording
from market.dialect import Decoder
from venues.kraken import Kraken
from venues.kraken_checksum import book_checksum, checksum_text
from venues.kraken_v1 import KrakenV1
from venues.recordings import ANSWER, FRAME, read_recording

RECORDING: Final = "cryptofeed/dev/KRAKEN.jsonl.zst"
SEED: Final = 1
DEPTH: Final = 100
FRAMES: Final = 400
CHANGED: Final = 70  # a side; about 17 of these can be seen in the end
MESSAGE_LEVELS: Final = 40
CHECKSUMS: Final = 2_000


@cache
def seeded_frames() -> tuple[bytes, list[bytes], int]:
    """A snapshot, the changes behind it, and the count of their levels."""
    market = KrakenMarket(SEED, DEPTH, checksums=False)
    snapshot = market.snapshot()
    frames = [market.change(CHANGED) for _ in range(FRAMES)]
    return snapshot, frames, sum(frame.count(b'"qty"') for frame in frames)


def apply_changes() -> Sample:
    """Microseconds for 40 levels, from bytes into the book, cut to its depth."""
    snapshot, frames, levels = seeded_frames()
    decoder = Kraken(DEPTH).decoder(SYMBOL, PRICE_PLACES, SIZE_PLACES)
    decoder.apply(snapshot)
    taken_ns = _time_frames(decoder, frames)
    book = decoder.book
    return taken_ns * MESSAGE_LEVELS / levels / 1_000, checksum_of(book.bids.levels(), book.asks.levels())


def _time_frames(decoder: Decoder, frames: list[bytes]) -> int:
    start_ns = perf_counter_ns()
    changed = apply_all(decoder, frames)
    taken_ns = perf_counter_ns() - start_ns
    if changed != len(frames):
        raise ChecksumMismatch(f"a frame did not follow: {decoder.cause}")
    return taken_ns


def apply_changes_sorted() -> Sample:
    """The same with `json.loads`, `Decimal` and a `SortedDict` a side."""
    snapshot, frames, levels = seeded_frames()
    bids: SortedDict[Decimal, Decimal] = SortedDict()
    asks: SortedDict[Decimal, Decimal] = SortedDict()
    _set_all(snapshot, bids, asks)
    start_ns = perf_counter_ns()
    for frame in frames:
        _set_all(frame, bids, asks)
    taken_ns = perf_counter_ns() - start_ns
    sides = [[(_scaled(p, PRICE_PLACES), _scaled(s, SIZE_PLACES)) for p, s in side.items()] for side in (bids, asks)]
    return taken_ns * MESSAGE_LEVELS / levels / 1_000, checksum_of(sides[0][::-1], sides[1])


def _set_all(frame: bytes, bids: SortedDict[Decimal, Decimal], asks: SortedDict[Decimal, Decimal]) -> None:
    data: dict[str, Any] = json.loads(frame, parse_float=Decimal, parse_int=Decimal)["data"][0]
    for side, name, worst in ((bids, "bids", 0), (asks, "asks", -1)):
        for level in data[name]:
            if level["qty"]:
                side[level["price"]] = level["qty"]
            else:
                side.pop(level["price"], None)
        while len(side) > DEPTH:
            side.popitem(worst)


def _scaled(number: Decimal, places: int) -> int:
    return int(number.scaleb(places))


def make_checksums() -> Sample:
    """Microseconds for the checksum of ten levels a side, of books as they come."""
    decoder = _checked_book()
    book = decoder.book
    start_ns = perf_counter_ns()
    for _ in range(CHECKSUMS):
        found = book_checksum(book)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / CHECKSUMS / 1_000, found


def make_checksums_of_text() -> Sample:
    """The same when the text is there already."""
    text = checksum_text(_checked_book().book)
    start_ns = perf_counter_ns()
    for _ in range(CHECKSUMS):
        found = zlib.crc32(text)
    taken_ns = perf_counter_ns() - start_ns
    return taken_ns / CHECKSUMS / 1_000, found


def _checked_book() -> Decoder:
    market = KrakenMarket(SEED, DEPTH)
    decoder = Kraken(DEPTH).decoder(SYMBOL, PRICE_PLACES, SIZE_PLACES)
    decoder.apply(market.snapshot())
    return decoder


def recorded_note() -> str:
    """What a recorded frame of v1 costs, its checksum with it."""
    path = recording(RECORDING)
    if path is None:
        return "no recording of v1 here"
    records = list(read_recording(path))
    venue = KrakenV1(1_000)
    pairs = {one.venue_symbol: one for one in venue.instruments([next(r.data for r in records if r.kind == ANSWER)])}
    by_pair: dict[str, list[bytes]] = {}
    for record in records:
        if record.kind == FRAME and b'"book-' in record.data and record.data.startswith(b"["):
            by_pair.setdefault(venue.venue_symbol(record.data), []).append(record.data)
    taken_ns = count = 0
    for symbol, frames in by_pair.items():
        decoder = venue.decoder(symbol, pairs[symbol].price_scale, pairs[symbol].size_scale)
        decoder.apply(frames[0])
        taken_ns += _time_frames(decoder, frames[1:])
        count += decoder.checksums_passed
    return f"{count:,} recorded v1 frames of one level: {taken_ns / count / 1_000:.2f} us each with their checksums"


@figure(name="decode.kraken_us", unit="us", limit=2.5, ratio_at_least=20, repeats=11)
def kraken(run: Run) -> Measured:
    """A change of 40 levels, from its bytes into the book."""
    measured = run.measure(apply_changes, "json.loads, Decimal and SortedDict", apply_changes_sorted)
    _, frames, levels = seeded_frames()
    source = f"{FRAMES} seeded v2 frames of {levels / len(frames):.0f} levels, seed {SEED}, depth {DEPTH}"
    return attrs.evolve(measured, notes=(source, recorded_note()))


@figure(name="decode.checksum_us", unit="us", limit=4, repeats=11)
def checksum(run: Run) -> Measured:
    """The checksum of ten levels a side, digits and CRC-32."""
    measured = run.measure(make_checksums, "zlib.crc32 over the text alone", make_checksums_of_text)
    times = measured.value / measured.reference_value
    return attrs.evolve(measured, notes=(f"{times:.0f} times what zlib.crc32 over the text alone takes",))
