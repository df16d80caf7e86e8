"""One line about a running system: each instrument's book, our quotes, position and profit; then what is wrong, counts.

Everything is read from the ledgers, the supervisor and the actors' `summary()`; nothing is kept here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from desk.ledger_words import quotes
from runtime.lane import words_of

if TYPE_CHECKING:
    from runtime.lane import Lane
    from runtime.session import Session

NANOSECONDS = 1_000_000_000
# What the standard actors tell by symbol in their summaries; the desk puts it together, instrument by instrument.
BY_SYMBOL = ("books", "instruments")
WITH_TOUCH = ("LIVE", "STALE")


def status_line(session: Session) -> str:
    """One line for a terminal or a pipe."""
    lanes = session.system.lanes
    words = {slot.name: words_of(slot) for lane in lanes for slot in lane.core.slots}
    parts = [time.strftime("%H:%M:%S", time.gmtime(session.clock.now_ns() // NANOSECONDS))]
    parts += troubles(session)
    told = by_symbol(words)
    ledgers = [lane.core.ledger for lane in order_lanes(lanes)]
    for instrument in session.blueprint.instruments:
        own = " ".join(filter(None, (quotes(ledger, instrument) for ledger in ledgers)))
        parts.append(_instrument_words(instrument.symbol, told.get(instrument.symbol, {}), own))
    parts += [
        str(one["status"])
        for one in words.values()
        if one.get("status") and not any(isinstance(one.get(key), dict) for key in BY_SYMBOL)
    ]
    parts.append(_counts(session))
    return " | ".join(parts)


def by_symbol(words: dict[str, dict[str, object]]) -> dict[str, dict[str, Any]]:
    """What all actors tell of each instrument, put together."""
    told: dict[str, dict[str, Any]] = {}
    for one in words.values():
        for key in BY_SYMBOL:
            rows = one.get(key)
            for symbol, row in (rows if isinstance(rows, dict) else {}).items():
                if isinstance(row, dict):
                    told.setdefault(symbol, {}).update(row)
    return told


def order_lanes(lanes: list[Lane]) -> list[Lane]:
    """The lanes whose ledgers know every order from its birth to its end."""
    return [lane for lane in lanes if lane.core.ledger.complete]


def troubles(session: Session) -> list[str]:
    """What a person should look at: a halt, actors that are out of service, units that have failed for good."""
    system = session.system
    reasons = [lane.core.ledger.halt_reason for lane in system.lanes if lane.core.ledger.halted]
    found = [f"HALTED: {reasons[0]}"] if reasons else []
    down = {slot.name for lane in system.lanes for slot in lane.core.slots if slot.down}
    for unit in system.supervisor.units.values():
        if unit.name in down or unit.state.value in ("backing off", "failed"):
            found.append(f"{unit.name} {unit.state.value if unit.state.value != 'running' else 'down'}")
    return found


def _instrument_words(symbol: str, told: dict[str, Any], own: str) -> str:
    words = [symbol]
    if "state" in told:
        # A book that is being built has no touch to speak of.
        words.append(f"{told['state']} {told['touch']}" if told["state"] in WITH_TOUCH else told["state"])
    words.append(f"quotes {own}" if own else "no quotes")
    if "position" in told:
        words.append(f"position {told['position']} profit {told['profit']} {told['currency']}")
    return " ".join(words)


def _counts(session: Session) -> str:
    lanes = session.system.lanes
    ledgers = [lane.core.ledger for lane in order_lanes(lanes)]
    units = session.system.supervisor.units.values()
    counts = {
        "inputs": sum(int(lane.drain.inputs) for lane in lanes),
        "orders": sum(int(ledger.orders) for ledger in ledgers),
        "fills": sum(int(ledger.fills) for ledger in ledgers),
        "failures": sum(unit.failures for unit in units),
    }
    return " ".join(f"{name} {count}" for name, count in counts.items())
