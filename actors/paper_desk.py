"""What a venue on paper does with a request that has arrived, and how it tells what became of orders.

An order is refused, or accepted; it takes what it may, and what is left rests or is cancelled. A change that only makes
an order smaller keeps its place; any other loses it. A cancel is final: no account fills after it. Every fill is told
with its exact fee, those of the shadow accounts as `ShadowFilled`, right after the driving one.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.paper_lines import Line
from actors.paper_ways import EXPIRY, Market, PaperWays, Question
from market.messages import (
    CAUSE_EMPTY_BOOK,
    CAUSE_KILL_SWITCH,
    CAUSE_POST_ONLY,
    CAUSE_REQUESTED,
    CAUSE_TIME_IN_FORCE,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    MODEL_QUEUE,
    REJECT_DUPLICATE,
    REJECT_EXPIRED,
    REJECT_NOT_FILLABLE,
    REJECT_POST_ONLY,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNSUPPORTED,
    STATE_OPEN_ORDERS,
    VENUE_CANCELLED,
    VENUE_EXPIRED,
    VENUE_FILLED,
    VENUE_REJECTED,
    VENUE_UNKNOWN,
    VENUE_WORKING,
    CancelAll,
    CancelOrder,
    CancelRejected,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatus,
    OrderStatusWanted,
    QueuePosition,
    ReplaceOrder,
    ReplaceRejected,
    ShadowFilled,
    VenueStateComplete,
    VenueStateWanted,
)
from market.order_life import CANCELLED, EXPIRED, FILLED, REJECTED
from market.paper_book import PaperFill
from market.paper_queue import UNKNOWN, PaperOrder
from market.paper_side import NO_LIMIT
from market.paper_terms import FINE
from runtime.actor import ActorSetup

SOURCE: Final = "paper venue"
MOST_EARLY_CANCELS: Final = 1_024
OVER: Final = "the order no longer works"
ENDS: Final[dict[int, int]] = {
    FILLED: VENUE_FILLED,
    CANCELLED: VENUE_CANCELLED,
    REJECTED: VENUE_REJECTED,
    EXPIRED: VENUE_EXPIRED,
}


class PaperDesk(PaperWays):
    """See the head of this file."""

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        # Cancels that came before their order: where channels lie between, the urgent one is the faster.
        self.early_cancels: dict[int, bool] = {}
        self.accepted: i64 = 0
        self.refused: i64 = 0
        self.traded: i64 = 0
        self.shadow_fills: i64 = 0
        # When the first order ends whose time runs out; 0 when none does.
        self.expiry_ns: i64 = 0

    # ---- new orders

    def take_order(self, line: Line, order: NewOrder) -> None:
        """An order has arrived: refuse it, or accept it, let it take what it may, and let the rest queue."""
        market = self.markets.get(order.instrument_id)
        if market is None:
            self.refuse(line, order, REJECT_UNKNOWN_INSTRUMENT, "no such instrument here")
            return
        if self.early_cancels.pop(order.order_id, False):
            self.reply(line, OrderCancelled(
                order.order_id, order.instrument_id, order.size, CAUSE_REQUESTED, "its cancel came before it"
            ))  # fmt: skip
            return
        if self.is_refused(line, order, market):
            return
        now_ns = self.outlet.now_ns
        self.accepted += 1
        self.reply(line, OrderAccepted(order.order_id, order.instrument_id, f"paper-{order.order_id}", now_ns))
        expire_ns = order.expire_ns if order.time_in_force == GTD else 0
        resting = PaperOrder(
            order.order_id, order.strategy_id, order.instrument_id, order.side, order.price, order.size,
            order.post_only, expire_ns,
        )  # fmt: skip
        is_market = order.order_type == MARKET
        market.book.take(resting, NO_LIMIT if is_market else order.price)
        self.tell(market)
        if resting.remaining == 0:
            return
        if is_market or order.time_in_force == IOC or order.time_in_force == FOK:
            cause = CAUSE_EMPTY_BOOK if is_market else CAUSE_TIME_IN_FORCE
            self.reply(line, OrderCancelled(
                order.order_id, order.instrument_id, resting.remaining, cause, "nothing more to take"
            ))  # fmt: skip
            return
        self.orders[order.order_id] = resting
        market.book.rest(resting, self.outlet.now_ns)
        self.tell(market)
        if expire_ns != 0 and (self.expiry_ns == 0 or expire_ns < self.expiry_ns):
            self.expiry_ns = expire_ns
            self.set_timer(EXPIRY, expire_ns)

    def is_refused(self, line: Line, order: NewOrder, market: Market) -> bool:
        """Refuse what the venue would not take."""
        if order.order_id in self.orders:
            self.refuse(line, order, REJECT_DUPLICATE, "this order id is in use")
            return True
        unsupported = unsupported_part(order)
        if unsupported:
            self.refuse(line, order, REJECT_UNSUPPORTED, unsupported)
            return True
        if order.time_in_force == GTD and order.expire_ns <= self.outlet.now_ns:
            self.refuse(line, order, REJECT_EXPIRED, "its time was over when it arrived")
            return True
        limit = NO_LIMIT
        if order.order_type == LIMIT:
            limit = order.price
            problem = market.terms.problem_of(order.price, order.size)
            if problem != FINE:
                self.refuse(line, order, problem, market.terms.words_of(order.price, order.size))
                return True
            if order.post_only and market.book.crosses(order.side, order.price):
                self.refuse(line, order, REJECT_POST_ONLY, "post-only, and it would have traded")
                return True
        else:
            problem = market.terms.problem_of_size(order.size)
            if problem != FINE:
                self.refuse(line, order, problem, market.terms.words_of_size(order.size))
                return True
        if order.time_in_force == FOK and market.book.available(order.side, limit) < order.size:
            self.refuse(line, order, REJECT_NOT_FILLABLE, "fill or kill, and less is displayed")
            return True
        return False

    def refuse(self, line: Line, order: NewOrder, code: i64, reason: str) -> None:
        """Refuse an order."""
        self.refused += 1
        self.reply(line, OrderRejected(order.order_id, order.instrument_id, code, reason, SOURCE))

    # ---- changes

    def take_replace(self, line: Line, change: ReplaceOrder) -> None:
        """A change has arrived. One that is refused leaves the order as it is."""
        order = self.orders.get(change.order_id)
        market = self.markets.get(change.instrument_id)
        if order is None or market is None or order.instrument_id != change.instrument_id:
            self.refuse_replace(line, change, REJECT_TOO_LATE, OVER)
            return
        problem = market.terms.problem_of(change.price, change.size)
        if problem != FINE:
            self.refuse_replace(line, change, problem, market.terms.words_of(change.price, change.size))
            return
        if change.size <= order.filled:
            self.refuse_replace(line, change, REJECT_TOO_LATE, "as much has traded already")
            return
        replaced = OrderReplaced(
            change.order_id, change.instrument_id, change.price, change.size, self.outlet.now_ns
        )
        if change.price == order.price and change.size <= order.size:
            order.resize(change.size)
            self.reply(line, replaced)
            return
        book = market.book
        if order.post_only and book.crosses(order.side, change.price):
            self.refuse_replace(line, change, REJECT_POST_ONLY, "post-only, and it would have traded")
            return
        book.leave(order, self.outlet.now_ns)
        order.price = change.price
        order.resize(change.size)
        self.reply(line, replaced)
        book.take(order, order.price)
        self.tell(market)
        if order.remaining > 0:
            book.rest(order, self.outlet.now_ns)
            self.tell(market)

    def refuse_replace(self, line: Line, change: ReplaceOrder, code: i64, reason: str) -> None:
        """Refuse a change."""
        self.reply(line, ReplaceRejected(change.order_id, change.instrument_id, code, reason))

    # ---- cancels

    def take_cancel(self, line: Line, cancel: CancelOrder) -> None:
        """A cancel has arrived."""
        order = self.orders.get(cancel.order_id)
        if order is not None:
            self.end(line, order, CAUSE_REQUESTED, cancel.reason)
        elif self.is_on_its_way(cancel.order_id) or self.ledger.order(cancel.order_id) is None:
            self.early_cancels[cancel.order_id] = True
            while len(self.early_cancels) > MOST_EARLY_CANCELS:
                del self.early_cancels[next(iter(self.early_cancels))]
        else:
            self.reply(line, CancelRejected(cancel.order_id, cancel.instrument_id, REJECT_TOO_LATE, OVER))

    def end(self, line: Line, order: PaperOrder, cause: i64, reason: str) -> None:
        """An order ends, with it what the shadow accounts have left of it."""
        del self.orders[order.order_id]
        market = self.markets[order.instrument_id]
        market.book.leave(order, self.outlet.now_ns)
        self.reply(line, OrderCancelled(order.order_id, order.instrument_id, order.remaining, cause, reason))
        self.tell(market)

    def is_on_its_way(self, order_id: int) -> bool:
        """Whether an order is among the requests that have not arrived."""
        for request in self.all_requests():
            message = request.message
            if isinstance(message, NewOrder) and message.order_id == order_id:
                return True
        return False

    def take_cancel_all(self, line: Line, cancel: CancelAll) -> None:
        """The kill switch has arrived at one venue."""
        for order in list(self.orders.values()):
            if self.markets[order.instrument_id].line is line and cancel.instrument_id in (0, order.instrument_id):
                self.end(line, order, CAUSE_KILL_SWITCH, cancel.reason)

    def expire(self) -> None:
        """End the orders whose time has run out."""
        now_ns = self.outlet.now_ns
        following: i64 = 0
        for order in list(self.orders.values()):
            if order.expire_ns == 0:
                continue
            if order.expire_ns <= now_ns:
                del self.orders[order.order_id]
                market = self.markets[order.instrument_id]
                market.book.leave(order, self.outlet.now_ns)
                self.reply(market.line, OrderExpired(order.order_id, order.instrument_id, order.remaining))
                self.tell(market)
            elif following == 0 or order.expire_ns < following:
                following = order.expire_ns
        self.expiry_ns = following
        if following != 0:
            self.set_timer(EXPIRY, following)

    # ---- questions

    def take_status_wanted(self, line: Line, wanted: OrderStatusWanted) -> None:
        """A question after one order has arrived."""
        order = self.orders.get(wanted.order_id)
        if order is not None:
            self.reply(line, self.status_of(order))
            return
        status = VENUE_UNKNOWN
        price: i64 = 0
        size: i64 = 0
        filled: i64 = 0
        known = self.ledger.order(wanted.order_id)
        if known is not None:
            # What is over is remembered by the ledger; of what is not, its last report may be on the way.
            status = ENDS.get(int(known.state), VENUE_UNKNOWN)
            price, size, filled = known.price, known.size, known.filled
            for report in line.reports:
                message = report.message
                if isinstance(message, OrderFilled) and message.order_id == wanted.order_id:
                    filled += message.size
                    if message.remaining == 0:
                        status = VENUE_FILLED
                elif isinstance(message, OrderCancelled) and message.order_id == wanted.order_id:
                    status = VENUE_CANCELLED
                elif isinstance(message, OrderExpired) and message.order_id == wanted.order_id:
                    status = VENUE_EXPIRED
                elif isinstance(message, OrderRejected) and message.order_id == wanted.order_id:
                    status = VENUE_REJECTED
        self.reply(line, OrderStatus(
            wanted.order_id, wanted.instrument_id, "", status, price, size, filled, self.outlet.now_ns
        ))  # fmt: skip

    def status_of(self, order: PaperOrder) -> OrderStatus:
        """What is known of an order that rests."""
        return OrderStatus(
            order.order_id, order.instrument_id, f"paper-{order.order_id}", VENUE_WORKING, order.price, order.size,
            order.filled, self.outlet.now_ns,
        )  # fmt: skip

    def take_state_wanted(self, line: Line, wanted: VenueStateWanted, number: i64) -> None:
        """A question after open orders has arrived at one venue; the last one says that all have answered."""
        question = self.questions.get(number, Question(1, 0))
        for order in self.orders.values():
            if self.markets[order.instrument_id].line is line:
                question.told += 1
                self.reply(line, self.status_of(order))
        question.lines_left -= 1
        if question.lines_left == 0:
            self.questions.pop(number, None)
            self.reply_last(line, VenueStateComplete(
                wanted.connection_id, STATE_OPEN_ORDERS, question.told, self.outlet.now_ns
            ))  # fmt: skip

    # ---- what is told of a market

    def tell(self, market: Market) -> None:
        """Tell what the last change of a market brought: fills, orders refused late, places in queues.

        Nothing of it waits for the next input: what is saved between two knows nothing of it.
        """
        book = market.book
        if len(book.fills) > 0:
            fills = book.fills
            book.fills = []
            for fill in fills:
                self.tell_fill(market, fill)
        if len(book.refused) > 0:
            refused = book.refused
            book.refused = []
            for order in refused:
                del self.orders[order.order_id]
                self.reply(market.line, OrderCancelled(
                    order.order_id, order.instrument_id, order.remaining, CAUSE_POST_ONLY,
                    "post-only, and it would have traded",
                ))  # fmt: skip
        if len(book.bids.moved) > 0:
            self.tell_places(market, book.bids.moved)
        if len(book.asks.moved) > 0:
            self.tell_places(market, book.asks.moved)

    def tell_fill(self, market: Market, fill: PaperFill) -> None:
        """Tell one fill of one account."""
        order = fill.order
        fee = market.terms.fee(fill.price, fill.size, fill.liquidity)
        now_ns = self.outlet.now_ns
        if fill.model != MODEL_QUEUE:
            self.shadow_fills += 1
            self.reply(market.line, ShadowFilled(
                order.order_id, order.instrument_id, order.strategy_id, fill.model, order.side, fill.price, fill.size,
                fill.remaining, fee, now_ns,
            ))  # fmt: skip
            return
        self.traded += 1
        if fill.remaining == 0:
            self.orders.pop(order.order_id, None)
        self.reply(market.line, OrderFilled(
            order.order_id, order.instrument_id, order.strategy_id, self.traded, order.side, fill.price, fill.size,
            fill.remaining, fee, fill.liquidity, now_ns,
        ))  # fmt: skip

    def tell_places(self, market: Market, moved: list[PaperOrder]) -> None:
        """Tell places in the queue that are news; nobody at a venue tells this, so it takes no time."""
        for order in moved:
            if order.order_id in self.orders and order.ahead != UNKNOWN:
                displayed = market.book.level_size(order)
                self.emit(QueuePosition(
                    order.order_id, order.instrument_id, order.queue_ahead, displayed, self.outlet.now_ns
                ))  # fmt: skip
        moved.clear()


def unsupported_part(order: NewOrder) -> str:
    """What of an order no venue on paper takes; empty when there is nothing."""
    if order.order_type != LIMIT and order.order_type != MARKET:
        return "only limit and market orders"
    if order.time_in_force not in (GTC, IOC, FOK, GTD):
        return "only GTC, IOC, FOK and GTD"
    if order.post_only and (order.order_type == MARKET or order.time_in_force in (IOC, FOK)):
        return "a post-only order can only rest"
    if order.reduce_only or order.display_size != 0 or order.group_id != 0:
        return "no reduce-only, hidden, iceberg or grouped orders"
    return ""
