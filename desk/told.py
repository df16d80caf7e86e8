"""What the actors of a system tell of each instrument, put together by instrument; and whose ledgers count.

The status line, the summary and the dashboard read it, so that all of them mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from market.instruments import Instrument
    from runtime.blueprint import Blueprint
    from runtime.lane import Lane

# The tables of summaries that have a row for each instrument.
BY_SYMBOL = ("books", "instruments")


def name_of_instrument(instrument: Instrument) -> str:
    """What the desk calls an instrument: its venue and the common symbol."""
    return f"{instrument.venue} {instrument.symbol}"


def by_symbol(instruments: Iterable[Instrument]) -> dict[str, list[Instrument]]:
    """The instruments of each common symbol."""
    found: dict[str, list[Instrument]] = {}
    for one in instruments:
        found.setdefault(one.symbol, []).append(one)
    return found


def by_instrument(blueprint: Blueprint, words: dict[str, dict[str, object]]) -> dict[str, dict[str, Any]]:
    """What all actors tell of each instrument, put together, by `name_of_instrument`.

    An actor names a row by the instrument's symbol where it has one instrument of that symbol, as a venue book has, and
    by symbol and venue otherwise.
    """
    told: dict[str, dict[str, Any]] = {}
    for node in blueprint.actors:
        one = words.get(node.name, {})
        for key in BY_SYMBOL:
            rows = one.get(key)
            if not isinstance(rows, dict):
                continue
            for instrument in blueprint.instruments:
                if not node.works_on(instrument.instrument_id):
                    continue
                name = name_of_instrument(instrument)
                row = rows.get(f"{instrument.symbol} {instrument.venue}", rows.get(instrument.symbol))
                if isinstance(row, dict):
                    told.setdefault(name, {}).update(row)
    return told


def order_lanes(lanes: list[Lane]) -> list[Lane]:
    """The lanes whose ledgers know every order from its birth to its end."""
    return [lane for lane in lanes if lane.core.ledger.complete]
