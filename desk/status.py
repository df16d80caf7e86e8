"""One line about a running system: each symbol's books, our quotes, position and profit; then what is wrong, counts.

Everything is read from the ledgers, the supervisor and the actors' `summary()` and `panel()`; nothing is kept here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from desk.ledger_words import quotes
from desk.result import result_of, result_words
from desk.told import BY_SYMBOL, by_instrument, by_symbol, name_of_instrument, order_lanes
from runtime.lane import words_of

if TYPE_CHECKING:
    from runtime.session import Session

NANOSECONDS = 1_000_000_000
SIMULATED = "simulated"
# Tables of which a status line has its own words, or none: what an actor says of them besides is left out.
TOLD_OTHERWISE = (*BY_SYMBOL, "groups")
WITH_TOUCH = ("LIVE", "STALE")


def status_line(session: Session) -> str:
    """One line for a terminal or a pipe."""
    lanes = session.system.lanes
    words = {slot.name: words_of(slot) for lane in lanes for slot in lane.core.slots}
    parts = [time.strftime("%H:%M:%S", time.gmtime(session.clock.now_ns() // NANOSECONDS))]
    if session.market == SIMULATED:
        parts.append("SIMULATED MARKET")
    parts += troubles(session)
    told = by_instrument(session.blueprint, words)
    ledgers = [lane.core.ledger for lane in order_lanes(lanes)]
    for symbol, instruments in by_symbol(session.blueprint.instruments).items():
        parts.append(symbol)
        for one in instruments:
            own = " ".join(filter(None, (quotes(ledger, one) for ledger in ledgers)))
            place = f"{one.venue} " if len(instruments) > 1 else ""
            parts.append(place + _book_words(told.get(name_of_instrument(one), {}), own))
    if ledgers:
        parts.append(" ".join(result_words(result_of(session, words))))
    parts += [
        str(one["status"])
        for one in words.values()
        if one.get("status") and not any(isinstance(one.get(key), dict) for key in TOLD_OTHERWISE)
    ]
    parts.append(_counts(session))
    return " | ".join(parts)


def troubles(session: Session) -> list[str]:
    """What a person should look at: a halt, a pause, actors out of service, units that have failed for good."""
    system = session.system
    reasons = [lane.core.ledger.halt_reason for lane in system.lanes if lane.core.ledger.halted]
    found = [f"HALTED: {reasons[0]}"] if reasons else []
    if session.paused:
        found.append("QUOTING PAUSED")
    down = {slot.name for lane in system.lanes for slot in lane.core.slots if slot.down}
    for unit in system.supervisor.units.values():
        if unit.name in down or unit.state.value in ("backing off", "failed"):
            found.append(f"{unit.name} {unit.state.value if unit.state.value != 'running' else 'down'}")
    return found


def _book_words(told: dict[str, Any], own: str) -> str:
    words = []
    if "state" in told:
        # A book that is being built has no touch to speak of.
        words.append(f"{told['state']} {told['touch']}" if told["state"] in WITH_TOUCH else told["state"])
    words.append(f"quotes {own}" if own else "no quotes")
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
