"""A lane's ledger in the words of people: decimal prices and sizes, names instead of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from market.messages import BUY
from market.order_life import state_name

if TYPE_CHECKING:
    from market.instruments import Instrument
    from runtime.blueprint import Blueprint
    from runtime.ledger import Ledger


def open_orders(ledger: Ledger, blueprint: Blueprint) -> list[dict[str, Any]]:
    """The orders that are not at their end, oldest first."""
    strategies = {node.node_id: node.name for node in blueprint.actors}
    rows = []
    for order in ledger.working_orders():
        instrument = blueprint.instruments.by_id(int(order.instrument_id))
        rows.append(
            {
                "order_id": int(order.order_id),
                "strategy": strategies.get(int(order.strategy_id), str(order.strategy_id)),
                "symbol": instrument.symbol,
                "state": state_name(order.state),
                "side": "buy" if order.side == BUY else "sell",
                "price": instrument.format_price(int(order.price)),
                "size": instrument.format_size(int(order.size)),
                "filled": instrument.format_size(int(order.filled)),
            }
        )
    return rows


def positions(ledger: Ledger, blueprint: Blueprint) -> list[dict[str, Any]]:
    """What each strategy holds, and what it has earned without what is still open."""
    strategies = {node.node_id: node.name for node in blueprint.actors}
    rows = []
    for (strategy_id, instrument_id), position in sorted(ledger.positions.items()):
        instrument = blueprint.instruments.by_id(instrument_id)
        rows.append(
            {
                "strategy": strategies.get(strategy_id, str(strategy_id)),
                "symbol": instrument.symbol,
                "position": instrument.format_size(int(position.net_size)),
                "realised": instrument.format_money(int(position.realised)),
                "fees": instrument.format_money(int(position.fees)),
                "currency": instrument.money_asset,
            }
        )
    return rows


def quotes(ledger: Ledger, instrument: Instrument) -> str:
    """Our best bid and ask in an instrument, as `bid/ask` with a dash where there is none; empty without any order."""
    orders = ledger.working_orders(-1, instrument.instrument_id)
    bids = [int(order.price) for order in orders if order.side == BUY]
    asks = [int(order.price) for order in orders if order.side != BUY]
    if not orders:
        return ""
    bid = instrument.format_price(max(bids)) if bids else "-"
    ask = instrument.format_price(min(asks)) if asks else "-"
    return f"{bid}/{ask}"
