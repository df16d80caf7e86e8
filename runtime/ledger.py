"""The ledger of a lane: every order, fill and position as its messages tell them. It outlives every actor.

The lane shows it each order command and each report before any actor sees them. It never decides anything; what
contradicts the order life cycle is reported to the lane as an anomaly, and a fill counts even then, because a fill is
money. Orders that ended are kept for a while, so that late reports find them, and then forgotten.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.messages import (
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    HaltReset,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    ReplaceOrder,
    ReplaceRejected,
    TradingHalted,
)
from market.order_life import (
    ACCEPT,
    CANCEL,
    EXPIRE,
    FILL_PART,
    FILL_REST,
    PENDING,
    REJECT,
    REJECT_CANCEL,
    REJECT_REPLACE,
    REPLACE,
    REQUEST_CANCEL,
    REQUEST_REPLACE,
    TRIGGER,
    ImpossibleTransition,
    is_final,
    next_state,
)
from market.positions import AveragePosition

OBSERVED_TYPES: Final[tuple[type[Message], ...]] = (
    ChildOrder,
    NewOrder,
    CancelOrder,
    ChildReplace,
    ReplaceOrder,
    OrderAccepted,
    OrderRejected,
    OrderFilled,
    OrderCancelled,
    CancelRejected,
    OrderReplaced,
    ReplaceRejected,
    OrderExpired,
    OrderTriggered,
    TradingHalted,
    HaltReset,
)


class MoneyTerms:
    """How price times size of one instrument becomes money."""

    def __init__(self, multiplier: int, divisor: int, inverse: bool) -> None:
        self.multiplier: Final = multiplier
        self.divisor: Final = divisor
        self.inverse: Final = inverse


class LedgerOrder:
    """One order as the ledger knows it."""

    def __init__(
        self, order_id: i64, strategy_id: i64, instrument_id: i64, side: i64, price: i64, size: i64, post_only: bool
    ) -> None:
        self.order_id: Final = order_id
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        self.post_only: Final = post_only
        self.price: i64 = price
        self.size: i64 = size
        self.filled: i64 = 0
        self.state: i64 = PENDING
        self.sent: bool = False
        self.replace_price: i64 = 0
        self.replace_size: i64 = 0
        self.trade_ids: list[i64] = []

    @property
    def remaining(self) -> int:
        """What is still to be filled."""
        return self.size - self.filled

    def save(self) -> list[object]:
        """The order as plain data."""
        return [
            self.order_id,
            self.strategy_id,
            self.instrument_id,
            self.side,
            self.price,
            self.size,
            self.post_only,
            self.filled,
            self.state,
            self.sent,
            self.replace_price,
            self.replace_size,
            list(self.trade_ids),
        ]


def load_order(state: object) -> LedgerOrder:
    """The order that `save` described."""
    assert isinstance(state, list)
    order_id, strategy_id, instrument_id, side, price, size, post_only = state[:7]
    order = LedgerOrder(order_id, strategy_id, instrument_id, side, price, size, post_only)
    order.filled, order.state, order.sent, order.replace_price, order.replace_size, trade_ids = state[7:]
    order.trade_ids = list(trade_ids)
    return order


class Ledger:
    """See the head of this file."""

    def __init__(self, complete: bool = True, ended_capacity: i64 = 1024) -> None:
        # A lane that does not host the order manager sees only part of an order's life, and wonders at nothing.
        self.complete: Final = complete
        self.open: dict[int, LedgerOrder] = {}
        self.ended: dict[int, LedgerOrder] = {}
        self.positions: dict[tuple[int, int], AveragePosition] = {}
        self.terms: dict[int, MoneyTerms] = {}
        self.halted: bool = False
        self.halt_reason: str = ""
        self.closing: bool = False
        self.orders: i64 = 0
        self.fills: i64 = 0
        self.duplicates: i64 = 0
        self.rejections: i64 = 0
        self.ended_capacity: Final = ended_capacity

    # ---- questions

    def order(self, order_id: int) -> LedgerOrder | None:
        """An order that is open or ended lately."""
        found = self.open.get(order_id)
        return found if found is not None else self.ended.get(order_id)

    def open_order_count(self) -> int:
        """How many orders are not at their end."""
        return len(self.open)

    def working_orders(self, strategy_id: int = -1, instrument_id: int = 0) -> list[LedgerOrder]:
        """The orders that are not at their end, oldest first, of one strategy and one instrument where asked."""
        return [
            order
            for order in self.open.values()
            if (strategy_id < 0 or order.strategy_id == strategy_id)
            and (instrument_id == 0 or order.instrument_id == instrument_id)
        ]

    def unsent_orders(self) -> list[LedgerOrder]:
        """The orders that were asked for and that risk has not let through yet."""
        return [order for order in self.open.values() if not order.sent]

    def position(self, strategy_id: int, instrument_id: int) -> AveragePosition | None:
        """The position of one strategy in one instrument, None when it never traded it."""
        return self.positions.get((strategy_id, instrument_id))

    def net_size(self, instrument_id: int) -> int:
        """The net position of all strategies in one instrument."""
        return sum(int(p.net_size) for key, p in self.positions.items() if key[1] == instrument_id)

    # ---- what the lane shows it

    def observe(self, message: Message) -> str:
        """Take note of a message; gives what is wrong with it, or an empty text."""
        if isinstance(message, OrderFilled):
            return self.fill(message)
        if isinstance(message, ChildOrder):
            return self.add(message)
        if isinstance(message, NewOrder):
            return self.send(message)
        if isinstance(message, OrderAccepted):
            return self.move(message.order_id, ACCEPT)
        if isinstance(message, CancelOrder):
            return self.request_cancel(message.order_id)
        if isinstance(message, OrderCancelled):
            return self.move(message.order_id, CANCEL)
        if isinstance(message, OrderRejected):
            self.rejections += 1
            return self.move(message.order_id, REJECT)
        if isinstance(message, ChildReplace):
            return self.request_replace(message)
        return self.observe_rare(message)

    def observe_rare(self, message: Message) -> str:
        """The messages that come seldom."""
        if isinstance(message, OrderReplaced):
            return self.replaced(message)
        if isinstance(message, ReplaceRejected):
            return self.move(message.order_id, REJECT_REPLACE)
        if isinstance(message, CancelRejected):
            return self.move(message.order_id, REJECT_CANCEL)
        if isinstance(message, OrderExpired):
            return self.move(message.order_id, EXPIRE)
        if isinstance(message, OrderTriggered):
            return self.move(message.order_id, TRIGGER)
        if isinstance(message, TradingHalted):
            if not self.halted:
                self.halt_reason = message.reason
            self.halted = True
        elif isinstance(message, HaltReset):
            self.halted = False
            self.halt_reason = ""
        return ""

    def add(self, message: ChildOrder) -> str:
        """A new order is asked for."""
        if message.order_id in self.open or message.order_id in self.ended:
            return f"order id {message.order_id} was used twice"
        self.orders += 1
        self.open[message.order_id] = LedgerOrder(
            message.order_id,
            message.strategy_id,
            message.instrument_id,
            message.side,
            message.price,
            message.size,
            message.post_only,
        )
        return ""

    def send(self, message: NewOrder) -> str:
        """Risk has let an order through."""
        order = self.open.get(message.order_id)
        if order is None:
            if self.complete:
                return self.unknown("order to the venue", message.order_id)
            order = LedgerOrder(
                message.order_id,
                message.strategy_id,
                message.instrument_id,
                message.side,
                message.price,
                message.size,
                message.post_only,
            )
            self.orders += 1
            self.open[message.order_id] = order
        order.sent = True
        return ""

    def unknown(self, what: str, order_id: int) -> str:
        """An order that is not in the ledger: wrong where the ledger is complete, natural where it is not."""
        return f"a {what} names order {order_id}, which nobody here sent" if self.complete else ""

    def move(self, order_id: i64, event: i64) -> str:
        """Let an event happen to an order."""
        order = self.order(order_id)
        if order is None:
            return self.unknown("report", order_id)
        try:
            order.state = next_state(order.state, event)
        except ImpossibleTransition as error:
            return f"order {order_id}: {error}"
        if is_final(order.state):
            self.end(order)
        return ""

    def end(self, order: LedgerOrder) -> None:
        """Move an order that is at its end out of the way; the oldest ended ones are forgotten."""
        if self.open.pop(order.order_id, None) is None:
            return
        self.ended[order.order_id] = order
        while len(self.ended) > self.ended_capacity:
            del self.ended[next(iter(self.ended))]

    def request_cancel(self, order_id: i64) -> str:
        """A cancel is on its way; one for an order that has just ended is no mistake, the fill was faster."""
        if order_id not in self.open:
            return ""
        return self.move(order_id, REQUEST_CANCEL)

    def request_replace(self, message: ChildReplace) -> str:
        """A replace is on its way."""
        order = self.open.get(message.order_id)
        if order is None:
            return ""
        problem = self.move(message.order_id, REQUEST_REPLACE)
        if not problem:
            order.replace_price = message.price
            order.replace_size = message.size
        return problem

    def replaced(self, message: OrderReplaced) -> str:
        """The venue has replaced an order."""
        problem = self.move(message.order_id, REPLACE)
        order = self.order(message.order_id)
        if order is not None and not problem:
            order.price = message.price
            order.size = message.size
        return problem

    def fill(self, message: OrderFilled) -> str:
        """An order traded: its position moves, whatever state the order is in; a repeated report does not count."""
        order = self.order(message.order_id)
        if order is not None and message.trade_id in order.trade_ids:
            self.duplicates += 1
            return ""
        self.fills += 1
        strategy_id = order.strategy_id if order is not None else message.strategy_id
        key = (int(strategy_id), int(message.instrument_id))
        position = self.positions.get(key)
        if position is None:
            position = self.new_position(message.instrument_id)
            self.positions[key] = position
        position.apply_fill(message.side, message.price, message.size, message.fee)
        if order is None:
            return self.unknown("fill", message.order_id)
        order.trade_ids.append(message.trade_id)
        order.filled += message.size
        if order.filled > order.size:
            return f"order {order.order_id} of size {order.size} was filled for {order.filled}"
        return self.move(order.order_id, FILL_REST if order.filled == order.size else FILL_PART)

    def new_position(self, instrument_id: int) -> AveragePosition:
        """An empty position that counts money as its instrument does."""
        terms = self.terms.get(instrument_id)
        if terms is None:
            return AveragePosition()
        return AveragePosition(terms.multiplier, terms.divisor, terms.inverse)

    # ---- state

    def save(self) -> dict[str, object]:
        """Everything as plain data."""
        return {
            "open": [order.save() for order in self.open.values()],
            "ended": [order.save() for order in self.ended.values()],
            "positions": [[key[0], key[1], p.save()] for key, p in self.positions.items()],
            "halted": self.halted,
            "halt_reason": self.halt_reason,
            "closing": self.closing,
            "counts": [self.orders, self.fills, self.duplicates, self.rejections],
        }

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, dict)
        self.open = {}
        for saved in state["open"]:
            order = load_order(saved)
            self.open[order.order_id] = order
        self.ended = {}
        for saved in state["ended"]:
            order = load_order(saved)
            self.ended[order.order_id] = order
        self.positions = {}
        for strategy_id, instrument_id, saved in state["positions"]:
            position = self.new_position(instrument_id)
            position.load(saved)
            self.positions[(strategy_id, instrument_id)] = position
        self.halted = state["halted"]
        self.halt_reason = state["halt_reason"]
        self.closing = state["closing"]
        self.orders, self.fills, self.duplicates, self.rejections = state["counts"]
