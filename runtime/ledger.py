"""The ledger of a lane: every order, fill and position as its messages tell them. It outlives every actor.

The lane shows it each order command and each report before any actor sees them. It never decides anything; what
contradicts the order life cycle is reported to the lane as an anomaly, and a fill counts even then, because a fill is
money. Orders that ended are kept for a while, so that late reports find them, and then forgotten. What may still be
filled, and what it is worth, is kept by instrument, strategy and side (`standing`), so that nobody walks all orders.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.messages import (
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    FeeTaken,
    FundingPaid,
    HaltReset,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    PositionLiquidated,
    PositionSettled,
    ReplaceOrder,
    ReplaceRejected,
    TradeBusted,
    TradingHalted,
)
from market.order_life import (
    ACCEPT,
    CANCEL,
    EXPIRE,
    FILL_PART,
    FILL_REST,
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
from market.positions import SIZE_PARTS, AveragePosition, PositionError
from runtime.ledger_orders import BUYS, LedgerOrder, MoneyTerms, OpenOrders, OpenSide, Standing, load_order, recount

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
    OrderReduced,
    OrderTriggered,
    FeeTaken,
    FundingPaid,
    TradeBusted,
    PositionSettled,
    PositionLiquidated,
    TradingHalted,
    HaltReset,
)


__all__ = ["OBSERVED_TYPES", "Ledger", "LedgerOrder", "MoneyTerms", "OpenSide", "Standing"]

PLAIN_TERMS: Final = MoneyTerms(1, 1, False)


class Ledger:
    """See the head of this file."""

    def __init__(self, complete: bool = True, ended_capacity: i64 = 1024) -> None:
        # A lane that does not host the order manager sees only part of an order's life, and wonders at nothing.
        self.complete: Final = complete
        self.open_orders: Final = OpenOrders()
        # The same orders by their ids, oldest first.
        self.open: Final[dict[int, LedgerOrder]] = self.open_orders.orders
        self.ended: dict[int, LedgerOrder] = {}
        # The ids of those, a ring: the next to go is at `ended_next`.
        self.ended_ids: list[int] = []
        self.ended_next: i64 = 0
        self.positions: dict[tuple[int, int], AveragePosition] = {}
        self.terms: dict[int, MoneyTerms] = {}
        self.halted: bool = False
        self.halt_reason: str = ""
        self.closing: bool = False
        # Whether the last fill counted: one that is told twice does not.
        self.fill_counted: bool = False
        # What the last fee that a venue took out of a position came to, in whole units, and whether it counted.
        self.fee_size: int = 0
        self.fee_counted: bool = False
        # By instrument, what was taken more than venues have, in parts of a unit: less than one, and the next fee's.
        self.fee_ahead: dict[int, int] = {}
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
        if instrument_id != 0:
            return self.standing(instrument_id, strategy_id).listed()
        return [order for order in self.open.values() if strategy_id < 0 or order.strategy_id == strategy_id]

    def standing(self, instrument_id: int, strategy_id: int = -1) -> Standing:
        """Open orders, their sums and the net size of an instrument, for all strategies or one; it stays up to date."""
        if strategy_id < 0:
            return self.open_orders.of_instrument(instrument_id)
        return self.open_orders.of_strategy(strategy_id, instrument_id)

    def open_side(self, instrument_id: int, side: int, strategy_id: int = -1) -> OpenSide:
        """The open buys or sells and their sums, for all strategies or one."""
        standing = self.standing(instrument_id, strategy_id)
        return standing.buys if side == BUYS else standing.sells

    def unsent_orders(self) -> list[LedgerOrder]:
        """The orders that were asked for and that risk has not let through yet."""
        return [order for order in self.open.values() if not order.sent]

    def position(self, strategy_id: int, instrument_id: int) -> AveragePosition | None:
        """The position of one strategy in one instrument, None when it never traded there."""
        return self.positions.get((strategy_id, instrument_id))

    def net_size(self, instrument_id: int) -> int:
        """The net position of all strategies in one instrument."""
        return self.open_orders.of_instrument(instrument_id).net_size

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
        if isinstance(message, OrderReduced):
            return self.reduce(message)
        if isinstance(message, OrderTriggered):
            return self.move(message.order_id, TRIGGER)
        if isinstance(message, (TradeBusted, PositionSettled, PositionLiquidated)):
            return uncounted(message)
        if isinstance(message, FeeTaken):
            return self.take_fee(message)
        if isinstance(message, FundingPaid):
            self.pay_funding(message)
        elif isinstance(message, TradingHalted):
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
        self.begin(message)
        return ""

    def begin(self, message: ChildOrder | NewOrder) -> LedgerOrder:
        """Keep a new order."""
        order = LedgerOrder(
            message.order_id,
            message.parent_id,
            message.strategy_id,
            message.instrument_id,
            message.side,
            message.price,
            message.size,
            message.post_only,
        )
        self.orders += 1
        self.open_orders.add(order, self.terms_of(order.instrument_id))
        return order

    def send(self, message: NewOrder) -> str:
        """Risk has let an order through."""
        order = self.open.get(message.order_id)
        if order is None:
            if self.complete:
                return self.unknown("order to the venue", message.order_id)
            order = self.begin(message)
        order.sent = True
        return ""

    def refuse_order(self, order: LedgerOrder) -> None:
        """Risk refuses an order that was asked for: it counts no longer, also before its answer is heard."""
        order.refused = True
        self.recount(order)

    def refuse_change(self, order: LedgerOrder) -> None:
        """Risk refuses a change that was asked for: the order counts as it was before."""
        order.replace_price = order.price
        order.replace_size = order.size
        self.recount(order)

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
        elif event == REJECT_REPLACE:
            self.recount(order)
        return ""

    def end(self, order: LedgerOrder) -> None:
        """Move an order that is at its end out of the way; the oldest ended ones are forgotten."""
        if not self.open_orders.remove(order):
            return
        self.ended[order.order_id] = order
        if len(self.ended_ids) < self.ended_capacity:
            self.ended_ids.append(order.order_id)
            return
        self.ended.pop(self.ended_ids[self.ended_next], None)
        self.ended_ids[self.ended_next] = order.order_id
        self.ended_next = (self.ended_next + 1) % self.ended_capacity

    def recount(self, order: LedgerOrder) -> None:
        """Count an order that has changed anew in the sums over the open ones."""
        recount(order, self.terms_of(order.instrument_id))

    def terms_of(self, instrument_id: int) -> MoneyTerms:
        """How an instrument counts money."""
        terms = self.terms.get(instrument_id)
        return PLAIN_TERMS if terms is None else terms

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
            self.recount(order)
        return problem

    def replaced(self, message: OrderReplaced) -> str:
        """The venue has replaced an order."""
        problem = self.move(message.order_id, REPLACE)
        order = self.order(message.order_id)
        if order is not None and not problem:
            order.price = message.price
            order.size = message.size
            self.recount(order)
        return problem

    def reduce(self, message: OrderReduced) -> str:
        """The venue took some of a working order away without a trade; what is left counts on."""
        order = self.open.get(message.order_id)
        if order is None:
            if message.order_id in self.ended:
                return f"order {message.order_id} is at its end and was reduced by {message.removed}"
            return self.unknown("report", message.order_id)
        left = order.size - order.filled
        if message.removed <= 0 or message.removed > left:
            return f"order {order.order_id} with {left} left was reduced by {message.removed}"
        order.size -= message.removed
        if message.removed == left:
            return self.move(order.order_id, CANCEL)
        self.recount(order)
        return ""

    def fill(self, message: OrderFilled) -> str:
        """An order traded: its position moves, whatever state the order is in; a repeated report does not count."""
        order = self.order(message.order_id)
        if order is not None and message.trade_id in order.trade_ids:
            self.duplicates += 1
            self.fill_counted = False
            return ""
        self.fill_counted = True
        self.fills += 1
        strategy_id = order.strategy_id if order is not None else message.strategy_id
        problem = self.book(strategy_id, message)
        if order is None:
            return problem or self.unknown("fill", message.order_id)
        order.trade_ids.append(message.trade_id)
        order.filled += message.size
        self.recount(order)
        if problem:
            return problem
        if order.filled > order.size:
            return f"order {order.order_id} of size {order.size} was filled for {order.filled}"
        return self.move(order.order_id, FILL_REST if order.filled == order.size else FILL_PART)

    def book(self, strategy_id: i64, message: OrderFilled) -> str:
        """Move the position; a fill that cannot be is told, and must not take the lane down."""
        try:
            position = self.held(strategy_id, message.instrument_id)
            position.apply_fill(message.side, message.price, message.size, message.fee)
        except PositionError as error:
            return f"fill {message.trade_id} of order {message.order_id} cannot be: {error}"
        self.open_orders.trade(strategy_id, message.instrument_id, message.side, message.size)
        return ""

    def take_fee(self, message: FeeTaken) -> str:
        """A venue takes its fee out of a position: once for each trade, whether or not its fill is known.

        Positions have whole units. They are rounded down, so that all of one can be sold: what was taken too much, less
        than a unit for each instrument, counts for the next fee.
        """
        self.fee_size = 0
        self.fee_counted = False
        order = self.order(message.order_id)
        seen: list[i64] | None = None if order is None else order.fee_trade_ids
        if seen is not None and message.trade_id in seen:
            return ""
        instrument_id: int = message.instrument_id
        strategy_id = order.strategy_id if order is not None else message.strategy_id
        due = message.amount - self.fee_ahead.get(instrument_id, 0)
        size = -(-due // SIZE_PARTS)
        try:
            self.held(strategy_id, instrument_id).apply_fee_taken(message.price, size, message.fee)
        except PositionError as error:
            return f"the fee of trade {message.trade_id} of order {message.order_id} cannot be: {error}"
        self.fee_ahead[instrument_id] = size * SIZE_PARTS - due
        self.fee_size = size
        self.fee_counted = True
        if seen is not None:
            seen.append(message.trade_id)
        elif order is not None:
            order.fee_trade_ids = [message.trade_id]
        self.open_orders.trade(strategy_id, instrument_id, -BUYS, size)
        return ""

    def pay_funding(self, message: FundingPaid) -> None:
        """A position was paid for, or paid."""
        position = self.held(message.strategy_id, message.instrument_id)
        position.apply_funding(message.amount)
        self.open_orders.trade(message.strategy_id, message.instrument_id, BUYS, 0)

    def held(self, strategy_id: i64, instrument_id: i64) -> AveragePosition:
        """The position of a strategy in an instrument, a flat one where there was none."""
        key = (int(strategy_id), int(instrument_id))
        position = self.positions.get(key)
        if position is None:
            position = self.new_position(instrument_id)
            self.keep_position(key, position)
        return position

    def new_position(self, instrument_id: int) -> AveragePosition:
        """An empty position that counts money as its instrument does."""
        terms = self.terms_of(instrument_id)
        return AveragePosition(terms.multiplier, terms.divisor, terms.inverse)

    def keep_position(self, key: tuple[int, int], position: AveragePosition) -> None:
        """A strategy has a position where it had none."""
        self.positions[key] = position
        self.open_orders.hold(key[0], key[1], position)

    # ---- state

    def save(self) -> dict[str, object]:
        """Everything as plain data."""
        return {
            "open": [order.save() for order in self.open.values()],
            "ended": [self.ended[order_id].save() for order_id in self.ended_in_order()],
            "positions": [[key[0], key[1], p.save()] for key, p in self.positions.items()],
            "halted": self.halted,
            "halt_reason": self.halt_reason,
            "closing": self.closing,
            "fee_ahead": [[instrument_id, parts] for instrument_id, parts in self.fee_ahead.items()],
            "counts": [self.orders, self.fills, self.duplicates, self.rejections],
        }

    def ended_in_order(self) -> list[int]:
        """The ids of the orders that ended lately, the first to be forgotten first."""
        return self.ended_ids[self.ended_next :] + self.ended_ids[: self.ended_next]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, dict)
        self.open_orders.clear()
        for saved in state["open"]:
            order = load_order(saved)
            self.open_orders.add(order, self.terms_of(order.instrument_id))
        self.ended = {}
        for saved in state["ended"]:
            order = load_order(saved)
            self.ended[order.order_id] = order
        self.ended_ids = list(self.ended)
        self.ended_next = 0
        self.positions = {}
        for strategy_id, instrument_id, saved in state["positions"]:
            position = self.new_position(instrument_id)
            position.load(saved)
            self.keep_position((strategy_id, instrument_id), position)
            signed: int = position.net_size
            if signed != 0:
                side = BUYS if signed > 0 else -BUYS
                self.open_orders.trade(strategy_id, instrument_id, side, abs(signed))
        self.halted = state["halted"]
        self.halt_reason = state["halt_reason"]
        self.closing = state["closing"]
        self.fee_ahead = dict(state["fee_ahead"])
        self.orders, self.fills, self.duplicates, self.rejections = state["counts"]


def uncounted(message: TradeBusted | PositionSettled | PositionLiquidated) -> str:
    """What moves a position and is no fill of an order of ours: nobody here counts it, so that trading has to stop."""
    remedy = "compare positions with the venue"
    if isinstance(message, TradeBusted):
        return f"the venue took trade {message.trade_id} of order {message.order_id} back: {remedy}"
    what = "settled" if isinstance(message, PositionSettled) else "liquidated"
    return f"the venue {what} {message.size} of instrument {message.instrument_id}: {remedy}"
