"""The first pass over recordings: what they hold, before anything is verified.

It finds the instruments that are named, their scales, the snapshots that are there, and the depth that was subscribed
to. Scales come from the venue's metadata where the recording has kept it, else from the numbers themselves: as many
decimal places as the longest price and the longest size have. Where numbers need more places than the metadata says,
they have them: a venue that makes its lot larger keeps the old orders in its books.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs

from market.dialect import FOR_ONE, BadFrame, Router
from market.instruments import Instrument
from venues.facts import Venue
from venues.recordings import (
    ANSWER,
    CONNECT,
    END,
    FRAME,
    SEND,
    Record,
    RecordingDamaged,
    read_recording,
)

FROM_METADATA: Final = "metadata"
FROM_NUMBERS: Final = "numbers"
FROM_STATE: Final = "state"

# What a book's scale has when no number of it was found.
_USUAL_PLACES: Final = 8
# Whole digits and decimal places of a number must fit an i64 together, with room for arithmetic.
_MOST_DIGITS: Final = 17
# Where a price is followed by its size: as two of a list, and by their names.
_NUMBER: Final = rb'"?(\d+(?:\.\d+)?)"?'
_PAIRS: Final = (
    re.compile(rb"\[" + _NUMBER + rb"," + rb" ?" + _NUMBER + rb"[,\]]"),
    re.compile(rb'\["(?:new|change|delete)", ?' + _NUMBER + rb", ?" + _NUMBER + rb"\]"),
    re.compile(rb'"(?:p|price|price_level)": ?' + _NUMBER + rb', ?"(?:q|qty|size|amount|new_quantity)": ?' + _NUMBER),
)
# Types of messages whose numbers are none of a book's: volumes and averages have places of their own.
_WITHOUT_LEVELS: Final = ("ticker", "kline", "candle", "ohlc")
# How a subscription asks for a depth.
_DEPTHS: Final = (
    re.compile(rb'"depth": ?(\d+)'),
    re.compile(rb"orderbook\.(\d+)\."),
    re.compile(rb'"channel": ?"book".*"len": ?"?(\d+)'),
)


@attrs.frozen
class Scales:
    """The decimal places of an instrument's prices and sizes, and who says so."""

    price: int
    size: int
    source: str


class Places:
    """The longest number seen: whole digits, decimal places, and those without the zeros at the end."""

    def __init__(self) -> None:
        self.whole = 0
        self.places = 0
        self.needed = 0

    def note(self, text: bytes) -> None:
        """Measure one number."""
        whole, _, places = text.partition(b".")
        self.whole = max(self.whole, len(whole))
        self.places = max(self.places, len(places))
        self.needed = max(self.needed, len(places.rstrip(b"0")))

    def scale(self) -> int:
        """As it is spelled, where that fits: a checksum may be over the spelling."""
        if not self.whole:
            return _USUAL_PLACES
        return self.places if self.whole + self.places <= _MOST_DIGITS else self.needed


@attrs.define
class Survey:
    """What recordings hold."""

    records: int = 0
    first_ns: int = 0
    last_ns: int = 0
    damage: str = ""
    depth: int = 0
    # By connection, in the order of their first frame.
    symbols: dict[str, list[str]] = attrs.field(factory=dict)
    scales: dict[str, Scales] = attrs.field(factory=dict)
    snapshots: dict[str, int] = attrs.field(factory=dict)
    # Answers that are neither a snapshot nor metadata.
    other_answers: int = 0
    metadata: dict[str, bytes] = attrs.field(factory=dict)
    symbol_of_id: dict[int, str] = attrs.field(factory=dict)
    # The longest price and the longest size of each instrument.
    measured: dict[str, tuple[Places, Places]] = attrs.field(factory=dict)

    def all_symbols(self) -> list[str]:
        """Every instrument once."""
        return list(dict.fromkeys(symbol for symbols in self.symbols.values() for symbol in symbols))

    def measure(self, symbol: str, data: bytes) -> None:
        """Note how long the prices and sizes in a frame are."""
        prices, sizes = self.measured.setdefault(symbol, (Places(), Places()))
        for pair in _PAIRS:
            for price, size in pair.findall(data):
                prices.note(price)
                sizes.note(size)


class Answers:
    """Tells what an answer is, by its address and by what the venue's own requests look like."""

    def __init__(self, venue: Venue) -> None:
        self._metadata_paths = {urlsplit(path).path for path in venue.metadata_paths()}
        snapshot = urlsplit(venue.snapshot_path("SYMBOL", 1))
        self._snapshot_path = snapshot.path
        self._symbol_key = next((key for key, value in parse_qsl(snapshot.query) if value == "SYMBOL"), "")

    def is_metadata(self, record: Record) -> bool:
        """Whether it tells the venue's instruments."""
        path = urlsplit(record.url).path
        return bool(path) and any(path.endswith(known) for known in self._metadata_paths)

    def is_snapshot(self, record: Record) -> bool:
        """Whether it is a book. An answer without an address is one: nothing else is recorded so."""
        path = urlsplit(record.url).path
        return not record.url or (bool(self._snapshot_path) and path.endswith(self._snapshot_path))

    def symbol(self, record: Record) -> str:
        """The instrument that its request named; empty where it is not kept."""
        query = dict(parse_qsl(urlsplit(record.url).query))
        return query.get(self._symbol_key, "").upper()


def read_all(paths: Iterable[Path]) -> Iterator[tuple[Path, Record]]:
    """The records of recordings that continue each other."""
    for path in paths:
        for record in read_recording(path):
            yield path, record


def survey(
    venue: Venue,
    paths: Sequence[Path],
    known: Sequence[Instrument] = (),
    progress: Callable[[int], None] = lambda count: None,
) -> Survey:
    """Look through recordings once."""
    found = Survey(symbol_of_id={one.instrument_id: one.venue_symbol for one in known})
    answers = Answers(venue)
    routers: dict[str, Router] = {}
    nameless: list[bytes] = []
    try:
        for _, record in read_all(paths):
            found.records += 1
            found.first_ns = found.first_ns or record.receive_ns
            found.last_ns = record.receive_ns
            progress(found.records)
            if record.kind == FRAME:
                _note_frame(venue, routers, record, found)
            elif record.kind in (CONNECT, END):
                if record.connection in routers:
                    routers[record.connection].begin()
            elif record.kind == SEND:
                _note_depth(record.data, found)
            elif record.kind == ANSWER:
                _note_answer(answers, record, found, nameless)
    except RecordingDamaged as error:
        found.damage = str(error)
    symbols = found.all_symbols()
    if nameless and len(symbols) == 1:
        found.snapshots[symbols[0]] = found.snapshots.get(symbols[0], 0) + len(nameless)
        for body in nameless:
            found.measure(symbols[0], body)
    _find_scales(venue, known, found)
    return found


def _note_frame(venue: Venue, routers: dict[str, Router], record: Record, found: Survey) -> None:
    router = routers.get(record.connection)
    if router is None:
        router = routers[record.connection] = venue.router()
    symbols = found.symbols.setdefault(record.connection, [])
    if router.route(record.data) != FOR_ONE:
        return
    symbol = found.symbol_of_id.get(record.instrument_id, "") or router.symbol
    if symbol not in symbols:
        symbols.append(symbol)
    if not any(kind in venue.message_type(record.data) for kind in _WITHOUT_LEVELS):
        found.measure(symbol, record.data)


def _note_depth(sent: bytes, found: Survey) -> None:
    for form in _DEPTHS:
        for match in form.finditer(sent):
            found.depth = max(found.depth, int(match[1]))


def _note_answer(answers: Answers, record: Record, found: Survey, nameless: list[bytes]) -> None:
    """Note an answer; a snapshot that names no instrument is kept for the only one there may be."""
    if answers.is_metadata(record):
        found.metadata[record.url] = record.data
    elif not answers.is_snapshot(record):
        found.other_answers += 1
    elif symbol := answers.symbol(record) or found.symbol_of_id.get(record.instrument_id, ""):
        found.snapshots[symbol] = found.snapshots.get(symbol, 0) + 1
        found.measure(symbol, record.data)
    else:
        nameless.append(record.data)


# ---- scales


def _find_scales(venue: Venue, known: Sequence[Instrument], found: Survey) -> None:
    told = [(one, FROM_METADATA) for one in _instruments(venue, found.metadata)] + [(one, FROM_STATE) for one in known]
    for instrument, source in told:
        found.scales[instrument.venue_symbol] = Scales(instrument.price_scale, instrument.size_scale, source)
    for symbol, (prices, sizes) in found.measured.items():
        scales = found.scales.get(symbol)
        if scales is None:
            found.scales[symbol] = Scales(prices.scale(), sizes.scale(), FROM_NUMBERS)
        elif prices.needed > scales.price or sizes.needed > scales.size:
            found.scales[symbol] = Scales(
                max(prices.needed, scales.price), max(sizes.needed, scales.size), f"{scales.source} and {FROM_NUMBERS}"
            )


def _instruments(venue: Venue, bodies: dict[str, bytes]) -> list[Instrument]:
    """What the metadata tells; bodies that do not belong together, or that are not understood, tell nothing."""
    if not bodies:
        return []
    try:
        return venue.instruments(list(bodies.values()))
    except BadFrame:
        pass
    told = []
    for body in bodies.values():
        try:
            told += venue.instruments([body])
        except BadFrame:
            continue
    return told
