"""The result of a run so far, over all its lanes: what is held, what it has earned by each model of fills, its books.

It is read from ledgers and what actors tell of themselves, and adds decimal text exactly. Its keys are those of
`result` in the summary, which scripts read: `docs/command.md` lists them, and they stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from desk.told import by_instrument, order_lanes

if TYPE_CHECKING:
    from runtime.session import Session

# The models of fills, as the portfolio names them: the one that drives the strategy, and its two judges.
MODELS = ("queue", "optimistic", "pessimistic")
# What ends the name of a profit, and what the portfolio calls it.
MARKS = {"": "profit_at_mid", "_at_touch": "profit_at_touch"}
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
        "profit": profit_of(words),
        "inventory": inventory_of(session),
        "gaps": sum(int(row.get("gaps", 0)) for row in told.values()),
        "restarts": sum(int(slot.restarts) for lane in session.system.lanes for slot in lane.core.slots)
        + sum(unit.restarts for unit in units if unit.kind == "service"),
        "book_live_percent": {name: row["live_percent"] for name, row in told.items() if "live_percent" in row},
    }


def _counted(counts: object, place: int) -> int:
    assert isinstance(counts, list)
    return int(counts[place])


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


def profit_of(words: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Profit by model of fills, marked to the mid and as closed at the touch, and the bounds of all three.

    Empty where nobody tells of it, where money never had a rate, or where portfolios count in several currencies.
    """
    portfolios = [one for one in words.values() if isinstance(one.get("models"), dict)]
    currencies = {str(one.get("currency", "")) for one in portfolios}
    if len(currencies) != 1 or any(one.get("profit") == "unknown" for one in portfolios):
        return {}
    told = {"currency": currencies.pop()}
    for suffix, key in MARKS.items():
        amounts = {name: _sum(one["models"][name][key] for one in portfolios) for name in MODELS}
        told |= {name + suffix: plain_text(amount) for name, amount in amounts.items()}
        told["low" + suffix] = plain_text(min(amounts.values()))
        told["high" + suffix] = plain_text(max(amounts.values()))
    return told


def _sum(texts: Iterable[str]) -> Decimal:
    """The exact sum of decimal texts."""
    total = Decimal(0)
    for text in texts:
        total = EXACT.add(total, Decimal(text))
    return total


def plain_text(amount: Decimal) -> str:
    """An amount as the rest of the summary writes it: no exponent, no zeros at the end."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def result_words(result: Mapping[str, Any]) -> list[str]:
    """Inventory and profit for people, in a status line or at the end."""
    held = " ".join(f"{amount} {asset}" for asset, amount in result["inventory"].items())
    words = [f"position {held}"] if held else []
    profit = result["profit"]
    if profit:
        shown = {name: f"{Decimal(profit[name]):.2f}" for name in ("queue", "low", "high")}
        words.append(f"profit {shown['queue']} {profit['currency']} ({shown['low']} to {shown['high']})")
    return words
