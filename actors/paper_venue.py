"""A venue on paper: real market data, orders that are sent nowhere, fills that could have been had.

An order or cancel arrives late, by a draw from a seed and a counter. It queues behind what is displayed at its price,
moves up by trades there and when less is displayed than was ahead, and fills in parts. A trade through its price, or a
touch that comes to its price, fills it up to the size that traded or is displayed; nothing displayed is taken twice.
Below the touch nothing is known of the queue, so an order there is behind everything that is displayed when the touch
comes to it. Fees are the instrument's, exact. The whole delay is charged on the way there; reports come at once.
`docs/main-job.md` says where this is kinder or harsher than a real venue.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from actors.paper_orders import UNKNOWN, Arrival, PaperTouch, Resting, draw, load_arrival
from actors.paper_params import PaperVenueParams
from market.messages import (
    CAUSE_EMPTY_BOOK,
    CAUSE_KILL_SWITCH,
    CAUSE_REQUESTED,
    CAUSE_TIME_IN_FORCE,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MAKER,
    MARKET,
    NO_SIDE,
    REJECT_BAD_PRICE,
    REJECT_DUPLICATE,
    REJECT_NOT_FILLABLE,
    REJECT_OTHER,
    REJECT_POST_ONLY,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNSUPPORTED,
    TAKER,
    CancelAll,
    CancelOrder,
    CancelRejected,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PublicTrade,
    TimerFired,
    TopOfBook,
)
from market.order_life import CANCEL_PENDING_UNACKNOWLEDGED, PENDING
from runtime.actor import HALT_TRADING, Actor, ActorSetup
from runtime.ledger import Ledger

NANOSECONDS_PER_MICROSECOND: Final = 1_000
TIMER: Final = 1
MOST_EARLY_CANCELS: Final = 1_024
SOURCE: Final = "paper venue"


class PaperVenue(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        NewOrder: "on_request",
        CancelOrder: "on_request",
        CancelAll: "on_request",
        TopOfBook: "on_top_of_book",
        PublicTrade: "on_trade",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        OrderAccepted,
        OrderRejected,
        OrderFilled,
        OrderCancelled,
        CancelRejected,
    )
    OWNS: ClassVar[tuple[type[Message], ...]] = (OrderAccepted, OrderFilled, OrderCancelled)
    PARAMS: ClassVar[type | None] = PaperVenueParams
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, PaperVenueParams)
        self.latency_ns: Final[int] = params.latency_us * NANOSECONDS_PER_MICROSECOND
        self.jitter_ns: Final[int] = params.jitter_us * NANOSECONDS_PER_MICROSECOND
        self.seed: Final[int] = params.seed
        self.touches: dict[int, PaperTouch] = {}
        for instrument_id in setup.instrument_ids:
            self.touches[instrument_id] = PaperTouch(setup.instruments.by_id(instrument_id))
        # By order id in the order of arrival, which is the order of time in the queue.
        self.orders: dict[int, Resting] = {}
        self.arrivals: list[Arrival] = []
        # Cancels that came before their order: where channels lie between, the urgent one is the faster.
        self.early_cancels: dict[int, bool] = {}
        self.drawn: i64 = 0
        self.accepted: i64 = 0
        self.traded: i64 = 0

    # ---- the way there

    def on_request(self, message: Message) -> None:
        """Send a request on its way; as on one connection, none overtakes another."""
        self.drawn += 1
        due_ns = self.now + self.latency_ns + draw(self.seed, self.drawn, self.jitter_ns + 1)
        if len(self.arrivals) > 0:
            last_ns: int = self.arrivals[len(self.arrivals) - 1].due_ns
            due_ns = max(due_ns, last_ns)
        self.arrivals.append(Arrival(due_ns, message))
        if len(self.arrivals) == 1:
            self.set_timer(TIMER, due_ns)

    def on_timer(self, timer: TimerFired) -> None:
        """Take what has arrived."""
        now: i64 = self.now
        arrived = 0
        while arrived < len(self.arrivals) and self.arrivals[arrived].due_ns <= now:
            message = self.arrivals[arrived].message
            arrived += 1
            if isinstance(message, NewOrder):
                self.take_order(message)
            elif isinstance(message, CancelOrder):
                self.take_cancel(message, arrived)
            elif isinstance(message, CancelAll):
                self.take_cancel_all(message)
        del self.arrivals[:arrived]
        if len(self.arrivals) > 0:
            self.set_timer(TIMER, self.arrivals[0].due_ns)

    # ---- what arrives

    def take_order(self, order: NewOrder) -> None:
        """An order has arrived: refuse it, or accept it, let it take what it may, and let the rest queue."""
        touch = self.touches.get(order.instrument_id)
        if touch is None:
            self.refuse(order, REJECT_UNKNOWN_INSTRUMENT, "no such instrument here")
            return
        if self.early_cancels.pop(order.order_id, False):
            self.emit(
                OrderCancelled(
                    order.order_id, order.instrument_id, order.size, CAUSE_REQUESTED, "its cancel came before it"
                )
            )
            return
        if self.is_refused(order, touch):
            return
        self.accepted += 1
        self.emit(OrderAccepted(order.order_id, order.instrument_id, f"paper-{self.accepted}", self.now))
        resting = Resting(
            order.order_id, order.strategy_id, order.instrument_id, order.side, order.price, order.size, UNKNOWN
        )
        if order.order_type == MARKET or touch.crosses(order.side, order.price):
            self.take_displayed(resting, touch, touch.other(order.side).price, TAKER)
        if resting.remaining == 0:
            return
        if order.order_type == MARKET or order.time_in_force != GTC:
            cause = CAUSE_EMPTY_BOOK if order.order_type == MARKET else CAUSE_TIME_IN_FORCE
            self.emit(
                OrderCancelled(order.order_id, order.instrument_id, resting.remaining, cause, "nothing more to take")
            )
            return
        resting.queue_ahead = touch.ahead_of(order.side, order.price)
        self.orders[order.order_id] = resting

    def is_refused(self, order: NewOrder, touch: PaperTouch) -> bool:
        """Refuse what the venue would not take."""
        if order.order_id in self.orders:
            self.refuse(order, REJECT_DUPLICATE, "this order id is in use")
            return True
        known_type = order.order_type == LIMIT or order.order_type == MARKET
        known_time = order.time_in_force == GTC or order.time_in_force == IOC or order.time_in_force == FOK
        if not known_type or not known_time or order.reduce_only or order.display_size != 0:
            self.refuse(order, REJECT_UNSUPPORTED, "only plain limit and market orders, GTC, IOC or FOK")
            return True
        other = touch.other(order.side)
        available: i64 = other.available if touch.live else 0
        if order.order_type == LIMIT:
            problem = touch.instrument.check_order(order.price, order.size)
            if problem is not None:
                self.refuse(order, REJECT_BAD_PRICE, problem)
                return True
            crosses = touch.crosses(order.side, order.price)
            if order.post_only and crosses:
                self.refuse(order, REJECT_POST_ONLY, "post-only, and it would have traded")
                return True
            if not crosses:
                available = 0
        if order.time_in_force == FOK and available < order.size:
            self.refuse(order, REJECT_NOT_FILLABLE, "fill or kill, and less is displayed")
            return True
        return False

    def refuse(self, order: NewOrder, code: i64, reason: str) -> None:
        """Refuse an order."""
        self.emit(OrderRejected(order.order_id, order.instrument_id, code, reason, SOURCE))

    def take_cancel(self, cancel: CancelOrder, arrived: int) -> None:
        """A cancel has arrived."""
        resting = self.orders.pop(cancel.order_id, None)
        if resting is not None:
            self.emit(
                OrderCancelled(
                    cancel.order_id, cancel.instrument_id, resting.remaining, CAUSE_REQUESTED, cancel.reason
                )
            )
        elif self.is_on_its_way(cancel.order_id, arrived) or self.ledger.order(cancel.order_id) is None:
            self.early_cancels[cancel.order_id] = True
            while len(self.early_cancels) > MOST_EARLY_CANCELS:
                del self.early_cancels[next(iter(self.early_cancels))]
        else:
            self.emit(
                CancelRejected(cancel.order_id, cancel.instrument_id, REJECT_TOO_LATE, "the order no longer works")
            )

    def is_on_its_way(self, order_id: int, arrived: int) -> bool:
        """Whether an order is among the requests that have not arrived."""
        for index in range(arrived, len(self.arrivals)):
            message = self.arrivals[index].message
            if isinstance(message, NewOrder) and message.order_id == order_id:
                return True
        return False

    def take_cancel_all(self, cancel: CancelAll) -> None:
        """The kill switch has arrived."""
        for resting in list(self.orders.values()):
            if cancel.instrument_id == 0 or cancel.instrument_id == resting.instrument_id:
                del self.orders[resting.order_id]
                self.emit(
                    OrderCancelled(
                        resting.order_id, resting.instrument_id, resting.remaining, CAUSE_KILL_SWITCH, cancel.reason
                    )
                )

    # ---- the market

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Follow the touch: it may come to an order, or show that less is ahead of one."""
        touch = self.touches.get(top.instrument_id)
        if touch is None:
            return
        touch.show(top)
        if not touch.live or len(self.orders) == 0:
            return
        for resting in list(self.orders.values()):
            if resting.instrument_id != top.instrument_id:
                continue
            if touch.crosses(resting.side, resting.price):
                self.take_displayed(resting, touch, resting.price, MAKER)
                if resting.remaining == 0:
                    del self.orders[resting.order_id]
                continue
            ahead = touch.ahead_of(resting.side, resting.price)
            if ahead != UNKNOWN and (resting.queue_ahead == UNKNOWN or ahead < resting.queue_ahead):
                resting.queue_ahead = ahead

    def on_trade(self, trade: PublicTrade) -> None:
        """A trade fills what it went through, and what stood at its price once those ahead were served."""
        if trade.aggressor_side == NO_SIDE or len(self.orders) == 0:
            return
        used: i64 = 0
        for resting in self.hit_by(trade):
            ahead: i64 = 0
            if resting.price == trade.price:
                if resting.queue_ahead == UNKNOWN:
                    continue
                ahead = resting.queue_ahead
                resting.queue_ahead = max(0, ahead - trade.size)
            size = min(resting.remaining, trade.size - ahead - used)
            if size > 0:
                used += size
                self.fill(resting, resting.price, size, MAKER)
                if resting.remaining == 0:
                    del self.orders[resting.order_id]

    def hit_by(self, trade: PublicTrade) -> list[Resting]:
        """The orders at the price of a trade or better, on the side that it hit: best price first, then by time."""
        hit: list[Resting] = []
        for resting in self.orders.values():
            side = resting.side
            if (
                resting.instrument_id == trade.instrument_id
                and side != trade.aggressor_side
                and (resting.price - trade.price) * side >= 0
            ):
                place = len(hit)
                while place > 0 and (resting.price - hit[place - 1].price) * side > 0:
                    place -= 1
                hit.insert(place, resting)
        return hit

    # ---- fills

    def take_displayed(self, resting: Resting, touch: PaperTouch, price: i64, liquidity: i64) -> None:
        """Trade with what is displayed on the other side and not taken yet."""
        other = touch.other(resting.side)
        size: i64 = min(resting.remaining, other.available if touch.live else 0)
        if size > 0:
            other.take(size)
            self.fill(resting, price, size, liquidity)

    def fill(self, resting: Resting, price: i64, size: i64, liquidity: i64) -> None:
        """Report a fill."""
        resting.remaining -= size
        self.traded += 1
        instrument = self.touches[resting.instrument_id].instrument
        self.emit(
            OrderFilled(
                resting.order_id,
                resting.instrument_id,
                resting.strategy_id,
                self.traded,
                resting.side,
                price,
                size,
                resting.remaining,
                instrument.fee(price, size, liquidity),
                liquidity,
                self.now,
            )
        )

    # ---- state

    def prime(self, ledger: Ledger) -> None:
        """Take back what the ledger says is working here, and answer what was lost on its way."""
        for order in ledger.working_orders():
            for trade_id in order.trade_ids:
                self.traded = max(self.traded, trade_id)
            if not order.sent or order.order_id in self.orders or self.is_on_its_way(order.order_id, 0):
                continue
            if order.state == PENDING or order.state == CANCEL_PENDING_UNACKNOWLEDGED:
                self.emit(
                    OrderRejected(order.order_id, order.instrument_id, REJECT_OTHER, "lost in a failure", SOURCE)
                )
            else:
                self.orders[order.order_id] = Resting(
                    order.order_id,
                    order.strategy_id,
                    order.instrument_id,
                    order.side,
                    order.price,
                    order.size - order.filled,
                    UNKNOWN,
                )
        if len(self.arrivals) > 0:
            self.set_timer(TIMER, self.arrivals[0].due_ns)

    def summary(self) -> dict[str, object]:
        """What was accepted and traded, what rests, and what is on its way."""
        return {
            "accepted": int(self.accepted),
            "fills": int(self.traded),
            "resting": len(self.orders),
            "on_the_way": len(self.arrivals),
        }

    def save(self) -> dict[str, object]:
        """Orders, touches, requests on their way, and the counters."""
        return {
            "touches": [touch.save() for touch in self.touches.values()],
            "orders": [resting.save() for resting in self.orders.values()],
            "arrivals": [arrival.save() for arrival in self.arrivals],
            "early_cancels": list(self.early_cancels),
            "counters": [int(self.drawn), int(self.accepted), int(self.traded)],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        touches = state["touches"]
        orders = state["orders"]
        arrivals = state["arrivals"]
        early_cancels = state["early_cancels"]
        counters = state["counters"]
        assert isinstance(touches, list)
        assert isinstance(orders, list)
        assert isinstance(arrivals, list)
        assert isinstance(early_cancels, list)
        assert isinstance(counters, list)
        for row in touches:
            self.touches[row[0]].load(row)
        self.orders = {row[0]: Resting(row[0], row[1], row[2], row[3], row[4], row[5], row[6]) for row in orders}
        self.arrivals = [load_arrival(row) for row in arrivals]
        self.early_cancels = {int(order_id): True for order_id in early_cancels}
        self.drawn = counters[0]
        self.accepted = counters[1]
        self.traded = counters[2]
