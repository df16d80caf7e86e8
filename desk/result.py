"""The result of a run so far, over all its lanes: what is held, what it has earned by each model of fills, its books.

It is read from ledgers, actors' panels and summaries, and adds decimal text exactly. Its keys are those of `result` in
the summary, which scripts read: `docs/command.md` lists them, and they stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from desk.link_state import panel_of
from desk.told import by_instrument, order_lanes

if TYPE_CHECKING:
    from runtime.session import Session

# The models of fills, as the portfolio names them: the one that drives the strategy, and its two judges.
MODELS = ("queue", "optimistic", "pessimistic")
BOUNDS = ("low", "high")
# Sums of decimal text are exact: no amount has so many digits.
EXACT = Context(prec=100)


def result_of(session: Session, words: dict[str, dict[str, object]]) -> dict[str, Any]:
    """Everything that a script wants to know of a run at its end, in one place."""
    told = by_instrument(session.blueprint, words)
    lanes = order_lanes(session.system.lanes)
    ledgers = [(lane.core.ledger, session.ledgers_found[lane.name]["counts"]) for lane in lanes]
    units = session.system.supervisor.units.values()
    return {
        "orders": sum(int(ledger.orders) - _counted(before, 0) for ledger, before in ledgers),
        "fills": sum(int(ledger.fills) - _counted(before, 1) for ledger, before in ledgers),
        "profit": profit_of(session, told),
        "inventory": inventory_of(session),
        "gaps": sum(int(row.get("gaps", 0)) for row in told.values()),
        "restarts": sum(int(slot.restarts) for lane in session.system.lanes for slot in lane.core.slots)
        + sum(unit.restarts for unit in units if unit.kind == "service"),
        "book_live_percent": {name: row["live_percent"] for name, row in told.items() if "live_percent" in row},
    }


def _counted(counts: object, place: int) -> int:
    assert isinstance(counts, list)
    return int(counts[place])


def panels_of(session: Session, kind: str) -> list[dict[str, Any]]:
    """The panels of a kind, of all lanes, as plain data."""
    found = []
    for lane in session.system.lanes:
        for slot in lane.core.slots:
            raw = None if slot.down else panel_of(slot)
            panel = msgspec.msgpack.decode(raw) if raw is not None else None
            if isinstance(panel, dict) and panel.get("kind") == kind:
                found.append(panel)
    return found


def inventory_of(session: Session) -> dict[str, str]:
    """What is held of each asset that is traded, over all strategies and venues."""
    lanes = order_lanes(session.system.lanes)
    held = {one.base: Decimal(0) for one in session.blueprint.instruments} if lanes else {}
    for lane in lanes:
        for (_, instrument_id), position in lane.core.ledger.positions.items():
            instrument = session.blueprint.instruments.by_id(instrument_id)
            size = Decimal(instrument.format_size(int(position.net_size)))
            held[instrument.base] = EXACT.add(held[instrument.base], size)
    return {asset: plain_text(amount) for asset, amount in held.items()}


def profit_of(session: Session, told: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Profit by model with its bracket; where no portfolio tells of models, that of the orders alone, as `queue`."""
    panels = [panel for panel in panels_of(session, "portfolio") if isinstance(panel.get("bracket"), dict)]
    currencies = {str(panel.get("currency", "")) for panel in panels}
    if len(currencies) == 1:
        sums = {key: _sum(panel["bracket"].get(key) for panel in panels) for key in (*MODELS, *BOUNDS)}
        shown = {key: amount for key, amount in sums.items() if amount is not None}
        return {"currency": currencies.pop(), **shown}
    rows = [row for row in told.values() if "profit" in row]
    currencies = {str(row.get("currency", "")) for row in rows}
    total = _sum(row["profit"] for row in rows) if len(currencies) == 1 else None
    return {} if total is None else {"currency": currencies.pop(), "queue": total}


def _sum(texts: Iterable[object]) -> str | None:
    """The exact sum of decimal texts; None where one of them is no number."""
    total = Decimal(0)
    for text in texts:
        try:
            total = EXACT.add(total, Decimal(str(text)))
        except InvalidOperation:
            return None
    return plain_text(total) if total.is_finite() else None


def plain_text(amount: Decimal) -> str:
    """An amount as the rest of the summary writes it: no exponent, no zeros at the end."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def result_words(result: Mapping[str, Any]) -> list[str]:
    """Inventory and profit for people, in a status line or at the end."""
    words = [f"position {amount} {asset}" for asset, amount in result["inventory"].items()]
    profit = result["profit"]
    if "queue" in profit:
        text = f"profit {profit['queue']} {profit['currency']}"
        if all(bound in profit for bound in BOUNDS):
            text += f" ({profit['low']} to {profit['high']})"
        words.append(text)
    return words
