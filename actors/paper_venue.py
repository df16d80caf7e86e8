"""A venue on paper: real market data, orders that are sent nowhere, fills that could have been had.

A request arrives late, and a report may come back late; at one venue none overtakes another. What an order then meets
is in `market/paper_book.py`: a place in the queue, fills in parts, and two shadow accounts that judge the same orders
more kindly and more harshly. Fees are the instrument's, exact. It never fills by what it cannot vouch for: while a book
is not LIVE only a trade through an order's price fills it. `docs/paper.md` says where this is kinder or harsher than a
real venue.
"""

from __future__ import annotations

from typing import ClassVar, Final

from actors.paper_revival import PaperRevival
from actors.paper_ways import EXPIRY, FIRST_OF_LINES, Question
from market.messages import (
    LIVE,
    ActorFailed,
    BookSnapshot,
    CancelAll,
    CancelOrder,
    CancelRejected,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatus,
    OrderStatusWanted,
    PublicTrade,
    QueuePosition,
    ReplaceOrder,
    ReplaceRejected,
    ShadowFilled,
    TimerFired,
    TopOfBook,
    VenueStateComplete,
    VenueStateWanted,
)
from market.paper_queue import UNKNOWN, PaperOrder
from runtime.actor import HALT_TRADING

MOST_SHOWN: Final = 40


class PaperVenue(PaperRevival):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        NewOrder: "on_order",
        ReplaceOrder: "on_replace",
        CancelOrder: "on_cancel",
        CancelAll: "on_cancel_all",
        OrderStatusWanted: "on_status_wanted",
        VenueStateWanted: "on_state_wanted",
        TopOfBook: "on_top_of_book",
        BookSnapshot: "on_depth",
        PublicTrade: "on_trade",
        ActorFailed: "on_actor_failed",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        OrderAccepted,
        OrderRejected,
        OrderFilled,
        OrderCancelled,
        OrderExpired,
        OrderReplaced,
        CancelRejected,
        ReplaceRejected,
        OrderStatus,
        VenueStateComplete,
        ShadowFilled,
        QueuePosition,
    )
    OWNS: ClassVar[tuple[type[Message], ...]] = (OrderAccepted, OrderFilled, OrderCancelled)
    POLICY: ClassVar[str] = HALT_TRADING

    # ---- the market

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Follow the touch: it may come to an order, or show what is ahead of one."""
        market = self.markets.get(top.instrument_id)
        if market is None:
            return
        book = market.book
        book.show(
            top.state == LIVE, top.bid_price, top.bid_size, top.ask_price, top.ask_size, self.outlet.now_ns,
            top.venue_ns,
        )  # fmt: skip
        if book.has_news():
            self.tell(market)

    def on_depth(self, depth: BookSnapshot) -> None:
        """Follow the levels behind the touch."""
        market = self.markets.get(depth.instrument_id)
        if market is None:
            return
        book = market.book
        book.show_deep(
            depth.bid_prices, depth.bid_sizes, depth.ask_prices, depth.ask_sizes, self.outlet.now_ns, depth.venue_ns
        )
        if book.has_news():
            self.tell(market)

    def on_trade(self, trade: PublicTrade) -> None:
        """A trade fills what it went through, and what stood at its price once those ahead were served."""
        market = self.markets.get(trade.instrument_id)
        if market is None:
            return
        book = market.book
        book.trade(trade.price, trade.size, trade.aggressor_side, self.outlet.now_ns, trade.venue_ns)
        if book.has_news():
            self.tell(market)

    def on_actor_failed(self, _: ActorFailed) -> None:
        """It may have been the one that keeps the books: nothing is taken from what nobody vouches for."""
        for market in self.markets.values():
            market.book.show(False, 0, 0, 0, 0, self.outlet.now_ns)

    # ---- what comes due

    def on_timer(self, timer: TimerFired) -> None:
        """Take what has arrived, hand out what has come back, end what has run out."""
        if timer.timer_id == EXPIRY:
            self.expire()
            return
        number = timer.timer_id - FIRST_OF_LINES
        line = self.lines[number // 2]
        if number % 2 == 1:
            self.bring_back(line)
            return
        now_ns = self.outlet.now_ns
        request = line.arrived(now_ns)
        while request is not None:
            message = request.message
            if isinstance(message, NewOrder):
                self.take_order(line, message)
            elif isinstance(message, CancelOrder):
                self.take_cancel(line, message)
            elif isinstance(message, ReplaceOrder):
                self.take_replace(line, message)
            elif isinstance(message, CancelAll):
                self.take_cancel_all(line, message)
            elif isinstance(message, OrderStatusWanted):
                self.take_status_wanted(line, message)
            elif isinstance(message, VenueStateWanted):
                self.take_state_wanted(line, message, request.question)
            request = line.arrived(now_ns)
        if len(line.requests) > 0:
            self.set_timer(FIRST_OF_LINES + 2 * line.number, line.requests[0].due_ns)

    # ---- what people see

    def panel(self) -> dict[str, object]:
        """The place of each order in its queue; UNKNOWN is an empty text."""
        orders: list[object] = []
        for order in self.orders.values():
            if len(orders) == MOST_SHOWN:
                break
            market = self.markets[order.instrument_id]
            instrument = market.instrument
            ahead = order.queue_ahead
            orders.append(
                {
                    "order_id": int(order.order_id),
                    "instrument_id": int(order.instrument_id),
                    "queue_ahead": "" if ahead == UNKNOWN else instrument.format_size(ahead),
                    "level_size": instrument.format_size(market.book.level_size(order)),
                }
            )
        return {"kind": "paper", "orders": orders, "latency_us": self.mean_delay_us()}

    def mean_delay_us(self) -> str:
        """How long requests were on their way, on the average, in microseconds; empty before the first."""
        sent = 0
        delayed_ns = 0
        for line in self.lines:
            sent += line.sent
            delayed_ns += line.delayed_ns
        return "" if sent == 0 else str(delayed_ns // sent // 1_000)

    def summary(self) -> dict[str, object]:
        """What was accepted and traded, what rests, and what is on its way."""
        return {
            "accepted": int(self.accepted),
            "refused": int(self.refused),
            "fills": int(self.traded),
            "shadow_fills": int(self.shadow_fills),
            "resting": len(self.orders),
            "on_the_way": len(self.all_requests()),
            "mean_delay_us": self.mean_delay_us(),
        }

    # ---- state

    def save(self) -> dict[str, object]:
        """Books with their orders, what is on its way, questions, and the counters."""
        return {
            "markets": [[instrument_id, market.book.save()] for instrument_id, market in self.markets.items()],
            "orders": list(self.orders),
            "lines": [line.save() for line in self.lines],
            "early_cancels": list(self.early_cancels),
            "questions": [[number, one.lines_left, one.told] for number, one in self.questions.items()],
            "counters": [
                int(self.accepted), int(self.refused), int(self.traded), int(self.shadow_fills), int(self.asked),
                int(self.expiry_ns),
            ],
        }  # fmt: skip

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        markets = state["markets"]
        orders = state["orders"]
        lines = state["lines"]
        early_cancels = state["early_cancels"]
        questions = state["questions"]
        counters = state["counters"]
        assert isinstance(markets, list)
        assert isinstance(orders, list)
        assert isinstance(lines, list)
        assert isinstance(early_cancels, list)
        assert isinstance(questions, list)
        assert isinstance(counters, list)
        by_id: dict[int, PaperOrder] = {}
        for row in markets:
            book = self.markets[row[0]].book
            book.load(row[1])
            for order in book.orders():
                by_id[order.order_id] = order
        self.orders = {int(order_id): by_id[int(order_id)] for order_id in orders}
        for line, row in zip(self.lines, lines, strict=True):
            line.load(row)
        self.early_cancels = {int(order_id): True for order_id in early_cancels}
        self.questions = {row[0]: Question(row[1], row[2]) for row in questions}
        self.accepted = counters[0]
        self.refused = counters[1]
        self.traded = counters[2]
        self.shadow_fills = counters[3]
        self.asked = counters[4]
        self.expiry_ns = counters[5]
