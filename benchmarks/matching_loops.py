"""The compiled loops behind the figures of matching: a whole stream in one call, a book filled, a sweep.

They promise to hand every order in as it is and to read every event's kind, order, price and size.
"""

from __future__ import annotations

from librt.vecs import vec
from mypy_extensions import i64

from market.matching.engine import MatchingEngine
from market.matching.entry import OrderEntry


def play(engine: MatchingEngine, entries: list[OrderEntry], numbers: vec[i64]) -> i64:
    """The checksum of all events: a number of 0 or more is an entry's, any other the negated id of a cancel."""
    events = engine.events
    checksum: i64 = 0
    step: i64 = 0
    steps: i64 = len(numbers)
    while step < steps:
        number = numbers[step]
        step += 1
        if number >= 0:
            count = engine.submit(entries[number], 0)
        else:
            count = engine.cancel(-number, 0)
        row: i64 = 0
        while row < count:
            checksum += events.kind(row) + events.size(row) + (events.price(row) ^ events.order_id(row))
            row += 1
    return checksum


def fill(engine: MatchingEngine, entry: OrderEntry, orders: i64, levels: i64, best: i64) -> None:
    """Let so many orders rest, one after the other over the levels, from one entry that is changed for each."""
    number: i64 = 0
    side = entry.side
    while number < orders:
        number += 1
        entry.order_id = number
        entry.account_id = number % 1_000
        entry.price = best - side * engine.settings.tick * (number % levels)
        engine.submit(entry, 0)


def read_all(engine: MatchingEngine) -> i64:
    """The checksum of the events of the last input."""
    events = engine.events
    checksum: i64 = 0
    row: i64 = 0
    while row < events.count:
        checksum += events.kind(row) + events.size(row) + (events.price(row) ^ events.order_id(row))
        row += 1
    return checksum
