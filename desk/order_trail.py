"""Why each order is where it is, from the journal: a replay makes the wants of strategies again, and this reads them.

It hears what the actors of a lane emit while its journal is replayed, and tells each order, change, cancel and refusal
with the reason that its strategy gave for that price. It decides nothing and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from market.messages import (
    BUY,
    IOC,
    CancelAll,
    CancelOrder,
    ChildOrder,
    ChildReplace,
    FlattenPosition,
    Message,
    OrderRejected,
    ReplaceRejected,
    RouteDecided,
    TargetPosition,
    WantedQuotes,
    schema_id_of,
)
from runtime.lane_parts import Port, RemoteTaker

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint
    from runtime.lane_core import LaneCore

NANOSECONDS: Final = 1_000_000_000
NANOSECONDS_PER_MICROSECOND: Final = 1000
HEARD: Final = (
    WantedQuotes, TargetPosition, FlattenPosition, RouteDecided, ChildOrder, ChildReplace, CancelOrder, CancelAll,
    OrderRejected, ReplaceRejected,
)  # fmt: skip

Row = dict[str, Any]


class Quoted:
    """What a strategy wants at one venue: the newest reason, and the one that each price was first wanted for."""

    def __init__(self) -> None:
        self.reason = ""
        self.by_price: dict[tuple[bool, int], str] = {}

    def want(self, quotes: WantedQuotes) -> None:
        """A price that was wanted before keeps its reason: it stays for that one."""
        self.reason = quotes.reason
        levels = [(True, int(price)) for price in quotes.bid_prices]
        levels += [(False, int(price)) for price in quotes.ask_prices]
        self.by_price = {level: self.by_price.get(level, quotes.reason) for level in levels}

    def why(self, is_buy: bool, price: int) -> str:
        """Why there is an order at a price."""
        return self.by_price.get((is_buy, price), self.reason)


class OrderTrail:
    """See the head of this file. One for each lane; `taken` is called after each input that was replayed."""

    def __init__(self, blueprint: Blueprint, core: LaneCore, tell: Callable[[Row], None]) -> None:
        self.instruments: Final = blueprint.instruments
        self.names: Final = {node.node_id: node.name for node in blueprint.actors}
        self.tell: Final = tell
        self.port: Final = Port("orders", False)
        self.quoted: dict[tuple[int, int], Quoted] = {}
        # By strategy and base: why a position is wanted. By parent: why it was split as it was.
        self.wanted: dict[tuple[int, str], str] = {}
        self.routed: dict[int, str] = {}
        # Of each order: its strategy, and whether it buys.
        self.orders: dict[int, tuple[int, bool]] = {}
        for message_type in HEARD:
            core.routes[schema_id_of(message_type)].remote.append(RemoteTaker(self.port, False, []))

    def taken(self, message: Message, sequence: int, time_ns: int) -> None:
        """Read what one input has led to; from a strategy in another lane the input itself is what is wanted."""
        self._wants(message)
        for one in self.port.pending:
            if self._wants(one):
                continue
            row = self._row(one)
            if row:
                self.tell({"input": sequence, "time_ns": time_ns, **row})
        self.port.pending.clear()

    def _wants(self, message: Message) -> bool:
        """Keep what somebody wants; says whether that is what it was."""
        if isinstance(message, WantedQuotes):
            key = (int(message.strategy_id), int(message.instrument_id))
            self.quoted.setdefault(key, Quoted()).want(message)
        elif isinstance(message, (TargetPosition, FlattenPosition)):
            base = self.instruments.by_id(int(message.instrument_id)).base
            self.wanted[int(message.strategy_id), base] = message.reason
        elif isinstance(message, RouteDecided):
            self.routed[int(message.parent_id)] = message.reason
        else:
            return False
        return True

    def _row(self, message: Message) -> Row:
        if isinstance(message, ChildOrder):
            self.orders[int(message.order_id)] = (int(message.strategy_id), message.side == BUY)
            return self._order("new", message, self._why(message))
        if isinstance(message, ChildReplace):
            strategy_id, is_buy = self.orders.get(int(message.order_id), (0, True))
            quoted = self.quoted.get((strategy_id, int(message.instrument_id)), Quoted())
            return self._order("change", message, quoted.why(is_buy, int(message.price)))
        if isinstance(message, (CancelOrder, OrderRejected, ReplaceRejected)):
            what = "cancel" if isinstance(message, CancelOrder) else "refused"
            return {**self._named(what, int(message.order_id), int(message.instrument_id)), "reason": message.reason}
        if isinstance(message, CancelAll):
            return {"what": "cancel all", "reason": message.reason}
        return {}

    def _order(self, what: str, message: ChildOrder | ChildReplace, reason: str) -> Row:
        instrument = self.instruments.by_id(int(message.instrument_id))
        row = self._named(what, int(message.order_id), instrument.instrument_id)
        row["size"] = instrument.format_size(int(message.size))
        row["price"] = instrument.format_price(int(message.price)) if message.price else ""
        return {**row, "reason": reason}

    def _named(self, what: str, order_id: int, instrument_id: int) -> Row:
        instrument = self.instruments.by_id(instrument_id)
        strategy_id, is_buy = self.orders.get(order_id, (0, True))
        side = ("buy" if is_buy else "sell") if order_id in self.orders else ""
        return {
            "what": what,
            "order_id": order_id,
            "strategy": self.names.get(strategy_id, ""),
            "venue": instrument.venue,
            "symbol": instrument.symbol,
            "side": side,
        }

    def _why(self, order: ChildOrder) -> str:
        """Its parent's reason and way, or what is quoted there."""
        strategy_id, instrument_id = int(order.strategy_id), int(order.instrument_id)
        if order.time_in_force != IOC:
            return self.quoted.get((strategy_id, instrument_id), Quoted()).why(order.side == BUY, int(order.price))
        reason = self.wanted.get((strategy_id, self.instruments.by_id(instrument_id).base), "")
        routed = self.routed.get(int(order.parent_id), "")
        return "; ".join(filter(None, (reason, f"routed: {routed}" if routed else "")))


def words_of_row(row: Row) -> str:
    """A row as a line: when, what, where, why."""
    seconds, rest = divmod(int(row["time_ns"]), NANOSECONDS)
    clock = f"{time.strftime('%H:%M:%S', time.gmtime(seconds))}.{rest // NANOSECONDS_PER_MICROSECOND:06d}"
    where = " ".join(str(row[key]) for key in ("venue", "symbol", "side", "size") if row.get(key))
    price = f"at {row['price']}" if row.get("price") else ""
    who = f"{row['order_id']} {row['strategy']}".rstrip() if "order_id" in row else ""
    words = " ".join(filter(None, (row["what"], who, where, price)))
    return f"{clock} input {row['input']} {words}: {row['reason']}"
