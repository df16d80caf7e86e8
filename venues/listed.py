"""Reads a venue's list of instruments row by row: an odd row is left out and told, and the others stay. Sans-I/O.

An instrument gets scales with room beyond its tick and lot, because a book goes on holding orders from the time before
either was made larger, and one number too fine would cost all of it. Nothing is read through a float.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from market.dialect import BadFrame
from market.instruments import Instrument
from market.numbers import MAX_I64, decimal_places

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SHOWN_BYTES: Final = 60
_MORE_PLACES: Final = 2
# So much room is enough: where a step has as many places already, no older one was finer.
_PRICE_PLACES: Final = 12
_SIZE_PLACES: Final = 8
# So many orders of the largest size, or times the largest price, must fit a number.
_ROOM: Final = 1_000

ReadRow = Callable[[msgspec.Raw, int], Instrument | None]


def read_rows(
    rows: Sequence[msgspec.Raw], read: ReadRow, first_id: int, left_out: list[str], body: bytes
) -> list[Instrument]:
    """What `read` makes of the rows, ids counted from `first_id`; a `BadFrame` when no row at all can be read.

    `read` returns None for what is no instrument of ours, and raises for a row that is odd, which `left_out` is told.
    """
    found: list[Instrument] = []
    unreadable = 0
    why = ""
    for row in rows:
        try:
            instrument = read(row, first_id + len(found))
        except _UNREADABLE as error:
            unreadable += 1
            why = str(error)
        except ValueError as error:  # an `InstrumentError`, or text that is no number
            why = str(error)
        else:
            if instrument is not None:
                found.append(instrument)
            continue
        left_out.append(f"{bytes(row)[:_SHOWN_BYTES].decode('utf-8', 'replace')}: {why}")
    if rows and unreadable == len(rows):
        raise BadFrame(f"none of {unreadable} instruments can be read: {why}", body)
    return found


def scale_with_room(step: str, most: str, places: int) -> int:
    """Places that hold the step, and as many more as may be written and leave room for the largest value."""
    largest = int(most.partition(".")[0] or "0") + 1
    scale = places
    while scale > 0 and largest * 10**scale > MAX_I64 // _ROOM:
        scale -= 1
    return max(scale, decimal_places(step))


def instrument_with_room(most_size: str = "", **fields: Any) -> Instrument:  # noqa: ANN401  those of `from_text`
    """An instrument whose prices and sizes may be finer than tick and lot; `most_size` is its largest order."""
    plain = Instrument.from_text(**fields)
    most = most_size if most_size.partition(".")[0].isdecimal() else ""
    tick, lot = fields["tick"], fields["lot"]
    price_scale = scale_with_room(tick, "", min(decimal_places(tick) + _MORE_PLACES, _PRICE_PLACES))
    size_scale = scale_with_room(lot, most, min(decimal_places(lot) + _MORE_PLACES, _SIZE_PLACES))
    scales = {
        "price_scale": max(plain.price_scale, price_scale),
        "size_scale": max(plain.size_scale, size_scale),
    }
    return Instrument.from_text(**(fields | scales))
