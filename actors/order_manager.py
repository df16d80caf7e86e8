"""Turns the quotes that strategies want into the fewest orders and cancels that bring them about.

What is working is read from the ledger and stored nowhere else; here are only the wants, and what has been asked and
not yet answered. A quote moves by a cancel and, once the venue has confirmed that, a new order: a side never has more
open orders than wanted quotes, and no order ever has two requests on their way. An order at a wanted price stays, also
after a partial fill, for its place in the queue is worth more than its size. When anything says that quotes cannot be
trusted, the wants are dropped and the orders cancelled in the same step; the strategy has to want them again.
"""

from __future__ import annotations

from typing import ClassVar, Final

from librt.vecs import vec
from mypy_extensions import i64

from actors.order_manager_params import OrderManagerParams
from market.messages import (
    BUY,
    GTC,
    LIMIT,
    LIVE,
    SELL,
    ActorFailed,
    BookStateChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    HaltReset,
    Lagging,
    Message,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    PauseQuoting,
    RunStarted,
    ShutdownRequested,
    TimerFired,
    TradingHalted,
    WantedQuotes,
    decode,
    encode,
)
from market.order_life import is_cancel_pending, is_final
from runtime.actor import HALT_TRADING, Actor, ActorError, ActorSetup
from runtime.ledger import Ledger, LedgerOrder

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
# An order id is the session, the number of the order manager among the actors, and a counter: no run and no order
# manager ever uses an id of another.
COUNTER_BITS: Final = 24
ACTOR_BITS: Final = 7
SESSION_SHIFT: Final = COUNTER_BITS + ACTOR_BITS
MOST_ORDERS: Final = (1 << COUNTER_BITS) - 1
MOST_ACTORS: Final = (1 << ACTOR_BITS) - 1
TIMER: Final = 1
NOT_SET: Final = -1


class Request:
    """An order or a cancel that was asked for and is not answered yet."""

    def __init__(
        self,
        order_id: i64,
        strategy_id: i64,
        instrument_id: i64,
        side: i64,
        price: i64,
        size: i64,
        is_cancel: bool,
        attempts: i64,
        due_ns: i64,
    ) -> None:
        self.order_id: Final = order_id
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        self.price: Final = price
        self.size: Final = size
        self.is_cancel: Final = is_cancel
        self.attempts: Final = attempts
        self.due_ns: Final = due_ns

    def save(self) -> list[object]:
        """The request as plain data."""
        return [
            int(self.order_id),
            int(self.strategy_id),
            int(self.instrument_id),
            int(self.side),
            int(self.price),
            int(self.size),
            self.is_cancel,
            int(self.attempts),
            int(self.due_ns),
        ]


class Wanted:
    """The levels of one side that a strategy wants, and which of them an order already serves."""

    def __init__(self, prices: vec[i64], sizes: vec[i64]) -> None:
        count = len(prices) if len(prices) < len(sizes) else len(sizes)
        self.prices: Final = prices
        self.sizes: Final = sizes
        self.count: Final[i64] = count
        self.served: Final[list[bool]] = [False] * count

    def serve(self, price: i64, size: i64) -> bool:
        """Whether an order serves a level that none served before: at its price, and not larger than wanted."""
        for index in range(self.count):
            if not self.served[index] and self.prices[index] == price and size <= self.sizes[index]:
                self.served[index] = True
                return True
        return False


class OrderManager(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        WantedQuotes: "on_wanted_quotes",
        OrderAccepted: "on_accepted",
        OrderRejected: "on_rejected",
        OrderFilled: "on_filled",
        OrderCancelled: "on_cancelled",
        CancelRejected: "on_cancel_rejected",
        BookStateChanged: "on_book_state",
        Lagging: "on_lagging",
        PauseQuoting: "on_pause",
        CancelOrder: "on_cancel_order",
        ActorFailed: "on_actor_failed",
        TradingHalted: "on_halted",
        HaltReset: "on_halt_reset",
        ShutdownRequested: "on_shutdown",
        RunStarted: "on_run_started",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (ChildOrder, CancelOrder, CancelAll, TradingHalted)
    OWNS: ClassVar[tuple[type[Message], ...]] = (ChildOrder,)
    PARAMS: ClassVar[type | None] = OrderManagerParams
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, OrderManagerParams)
        self.answer_ns: Final[i64] = params.answer_ms * NANOSECONDS_PER_MILLISECOND
        self.attempts: Final[i64] = params.attempts
        self.refusal_pause_ns: Final[i64] = params.refusal_pause_ms * NANOSECONDS_PER_MILLISECOND
        if self.actor_id > MOST_ACTORS:
            raise ActorError(f"{self.name} is actor {self.actor_id}: place it among the first {MOST_ACTORS} actors")
        self.place: Final[i64] = self.actor_id << COUNTER_BITS
        self.session: i64 = 0
        self.counter: i64 = 0
        self.lagging: bool = False
        self.paused: bool = False
        self.stopping: bool = False
        self.wants: dict[tuple[int, int], WantedQuotes] = {}
        self.requests: dict[int, Request] = {}
        self.refused_until: dict[tuple[int, int, int], int] = {}
        self.timer_due_ns: i64 = NOT_SET

    # ---- wants

    def on_wanted_quotes(self, quotes: WantedQuotes) -> None:
        """Take what a strategy wants, and bring it about as far as it may be."""
        key = (int(quotes.strategy_id), int(quotes.instrument_id))
        if len(quotes.bid_prices) + len(quotes.ask_prices) == 0 or self.may_not_quote():
            self.wants.pop(key, None)
        else:
            self.wants[key] = quotes
        self.reconcile(key, quotes.reason, quotes.receive_ns)

    def may_not_quote(self) -> bool:
        """Whether something forbids every quote now."""
        return self.lagging or self.paused or self.stopping or self.ledger.halted

    def reconcile(self, key: tuple[int, int], reason: str, receive_ns: i64) -> None:
        """Bring what works towards what is wanted, side by side."""
        nothing = vec[i64]()
        quotes = self.wants.get(key)
        if quotes is None:
            self.reconcile_side(key, BUY, Wanted(nothing, nothing), reason, receive_ns)
            self.reconcile_side(key, SELL, Wanted(nothing, nothing), reason, receive_ns)
        else:
            bids = Wanted(quotes.bid_prices, quotes.bid_sizes)
            asks = Wanted(quotes.ask_prices, quotes.ask_sizes)
            self.reconcile_side(key, BUY, bids, reason, receive_ns)
            self.reconcile_side(key, SELL, asks, reason, receive_ns)

    def reconcile_side(self, key: tuple[int, int], side: i64, wanted: Wanted, reason: str, receive_ns: i64) -> None:
        """Cancel what serves no wanted level; send what is missing as far as there is room."""
        strategy_id, instrument_id = key
        open_count: i64 = 0
        for order in self.ledger.working_orders(strategy_id, instrument_id):
            if order.side != side:
                continue
            open_count += 1
            if not self.is_leaving(order) and not wanted.serve(order.price, order.size - order.filled):
                self.cancel(order, reason, receive_ns)
        for request in self.requests.values():
            # Asked for within this very step: the ledger sees it when this handler has returned.
            if (
                request.side == side
                and request.strategy_id == strategy_id
                and request.instrument_id == instrument_id
                and self.ledger.order(request.order_id) is None
            ):
                open_count += 1
                wanted.serve(request.price, request.size)
        if wanted.count == 0 or self.is_refused(strategy_id, instrument_id, side):
            return
        for index in range(wanted.count):
            if not wanted.served[index] and open_count < wanted.count:
                open_count += 1
                self.send(key, side, wanted.prices[index], wanted.sizes[index], receive_ns)

    def is_leaving(self, order: LedgerOrder) -> bool:
        """Whether a cancel of the order is on its way."""
        request = self.requests.get(order.order_id)
        return is_cancel_pending(order.state) or (request is not None and request.is_cancel)

    def is_refused(self, strategy_id: int, instrument_id: int, side: int) -> bool:
        """Whether a side rests because an order of it was refused a moment ago."""
        return self.refused_until.get((strategy_id, instrument_id, side), 0) > self.now

    # ---- requests

    def send(self, key: tuple[int, int], side: i64, price: i64, size: i64, receive_ns: i64) -> None:
        """Ask for a new order."""
        strategy_id, instrument_id = key
        order_id = self.next_order_id()
        self.expect(Request(order_id, strategy_id, instrument_id, side, price, size, False, 0, self.due()))
        self.emit(
            ChildOrder(
                order_id, 0, strategy_id, instrument_id, side, LIMIT, GTC, price, size, 0, 0, True, False, 0, receive_ns
            )
        )

    def cancel(self, order: LedgerOrder, reason: str, receive_ns: i64) -> None:
        """Ask for a cancel; one more for an order whose last cancel was not answered."""
        before = self.requests.get(order.order_id)
        attempts: i64 = 1
        if before is not None and before.is_cancel:
            attempts += before.attempts
        self.expect(self.cancel_request(order, attempts))
        self.emit(CancelOrder(order.order_id, order.instrument_id, reason, receive_ns))

    def cancel_request(self, order: LedgerOrder, attempts: i64) -> Request:
        """A cancel as something to be answered."""
        return Request(
            order.order_id,
            order.strategy_id,
            order.instrument_id,
            order.side,
            order.price,
            order.size,
            True,
            attempts,
            self.due(),
        )

    def next_order_id(self) -> i64:
        """An id that no order of this or any other run has."""
        self.counter += 1
        if self.counter > MOST_ORDERS:
            raise ActorError(f"{self.name} has used all {MOST_ORDERS} order ids of this run: start a new one")
        return (self.session << SESSION_SHIFT) | self.place | self.counter

    def due(self) -> i64:
        """When a request of now should have been answered."""
        now: i64 = self.now
        return now + self.answer_ns

    def expect(self, request: Request) -> None:
        """Note what has to be answered, and have the timer look after it."""
        self.requests[request.order_id] = request
        self.wake(request.due_ns)

    def wake(self, due_ns: i64) -> None:
        """Have the timer fire no later than this."""
        if self.timer_due_ns == NOT_SET or due_ns < self.timer_due_ns:
            self.timer_due_ns = due_ns
            self.set_timer(TIMER, due_ns)

    # ---- reports

    def on_accepted(self, accepted: OrderAccepted) -> None:
        """The order works; a cancel of it may still be on its way."""
        request = self.requests.get(accepted.order_id)
        if request is not None and not request.is_cancel:
            del self.requests[accepted.order_id]

    def on_rejected(self, rejected: OrderRejected) -> None:
        """The order is gone. Its side rests for a while, or it would be refused again without end."""
        self.requests.pop(rejected.order_id, None)
        order = self.ledger.order(rejected.order_id)
        if order is not None:
            until_ns = self.now + self.refusal_pause_ns
            self.refused_until[(int(order.strategy_id), int(order.instrument_id), int(order.side))] = until_ns
            self.wake(until_ns)

    def on_filled(self, fill: OrderFilled) -> None:
        """What a fill leaves wanting is the strategy's to say; a filled order only has nothing more to answer."""
        if fill.remaining == 0:
            self.requests.pop(fill.order_id, None)

    def on_cancelled(self, cancelled: OrderCancelled) -> None:
        """There is room for the order that takes the place of this one."""
        self.requests.pop(cancelled.order_id, None)
        order = self.ledger.order(cancelled.order_id)
        if order is not None:
            self.reconcile((int(order.strategy_id), int(order.instrument_id)), "room after a cancel", self.now)

    def on_cancel_order(self, cancel: CancelOrder) -> None:
        """A cancel that the lane asked for is looked after like one of our own."""
        request = self.requests.get(cancel.order_id)
        if request is None or not request.is_cancel:
            order = self.ledger.order(cancel.order_id)
            if order is not None and not is_final(order.state):
                self.expect(self.cancel_request(order, 1))

    def on_cancel_rejected(self, rejected: CancelRejected) -> None:
        """Usually a fill was faster. An order that is still open is looked at again when its time is up."""
        order = self.ledger.order(rejected.order_id)
        if order is None or is_final(order.state):
            self.requests.pop(rejected.order_id, None)

    # ---- what forbids quotes

    def on_book_state(self, book: BookStateChanged) -> None:
        """No quotes on a book that is not live."""
        if book.state != LIVE:
            self.drop(f"the book is not live: {book.cause}", book.instrument_id, book.receive_ns)

    def on_lagging(self, lagging: Lagging) -> None:
        """No quotes on what is old."""
        self.lagging = lagging.lag_ns > 0
        if self.lagging:
            self.drop(f"lagging by {lagging.lag_ns // NANOSECONDS_PER_MILLISECOND} ms", 0, self.now)

    def on_pause(self, pause: PauseQuoting) -> None:
        """An operator pulls the quotes."""
        self.paused = pause.paused
        if self.paused:
            self.drop(f"paused by {pause.operator}", 0, self.now)

    def on_actor_failed(self, _: ActorFailed) -> None:
        """Whoever failed may have been what a quote was built on: all have to want anew.

        The lane cancels the orders of the strategies that hang on the failed actor, in this same step.
        """
        self.wants.clear()

    def on_halted(self, _: TradingHalted) -> None:
        """Whoever halts trading also cancels everything."""
        self.wants.clear()

    def on_halt_reset(self, _: HaltReset) -> None:
        """A new beginning: what was refused may be tried again."""
        self.refused_until.clear()

    def on_shutdown(self, shutdown: ShutdownRequested) -> None:
        """Leave nothing working behind."""
        self.stopping = True
        self.drop(f"shutdown: {shutdown.reason}", 0, self.now)

    def on_run_started(self, started: RunStarted) -> None:
        """A new run numbers its orders anew; a run within the same second goes on counting."""
        self.stopping = False
        self.lagging = False
        if started.session > self.session:
            self.session = started.session
            self.counter = 0

    def drop(self, reason: str, instrument_id: i64, receive_ns: i64) -> None:
        """Forget the wants for an instrument, or for all, and cancel the orders."""
        for key in list(self.wants):
            if instrument_id == 0 or key[1] == instrument_id:
                del self.wants[key]
        for order in self.ledger.working_orders(-1, instrument_id):
            if not self.is_leaving(order):
                self.cancel(order, reason, receive_ns)

    # ---- time

    def on_timer(self, timer: TimerFired) -> None:
        """Look after what was not answered in time, and try again what rested after a refusal."""
        now: i64 = self.now
        for request in list(self.requests.values()):
            if request.due_ns <= now:
                self.chase(request)
        for key, until_ns in list(self.refused_until.items()):
            if until_ns <= now:
                del self.refused_until[key]
                self.reconcile((key[0], key[1]), "the pause after a refusal is over", now)
        self.wake_for_all()

    def wake_for_all(self) -> None:
        """Set the timer anew for whatever comes first."""
        self.timer_due_ns = NOT_SET
        for request in self.requests.values():
            self.wake(request.due_ns)
        for until_ns in self.refused_until.values():
            self.wake(until_ns)

    def chase(self, request: Request) -> None:
        """Cancel what was not answered; when that is not answered either, nobody knows what is at the venue: halt."""
        order = self.ledger.order(request.order_id)
        if order is None or is_final(order.state):
            del self.requests[request.order_id]
        elif request.attempts >= self.attempts:
            del self.requests[request.order_id]
            reason = f"order {request.order_id} did not answer {request.attempts} cancels"
            self.emit(TradingHalted(reason, self.name))
            self.emit(CancelAll(0, reason))
        else:
            self.cancel(order, "not answered in time", self.now)

    # ---- state

    def prime(self, ledger: Ledger) -> None:
        """Begin without wants, with ids above all that the ledger knows; what works is cancelled by the halt."""
        highest: i64 = 0
        for order_id in list(ledger.open) + list(ledger.ended):
            if order_id > highest and (order_id >> COUNTER_BITS) & MOST_ACTORS == self.actor_id:
                highest = order_id
        if highest > (self.session << SESSION_SHIFT) | self.place | self.counter:
            self.session = highest >> SESSION_SHIFT
            self.counter = highest & MOST_ORDERS
        self.wants.clear()
        self.wake_for_all()

    def summary(self) -> dict[str, object]:
        """What it asked for in this run, and what is not answered."""
        return {"orders_sent": int(self.counter), "unanswered": len(self.requests), "wants": len(self.wants)}

    def save(self) -> dict[str, object]:
        """The wants and the open requests."""
        return {
            "session": int(self.session),
            "counter": int(self.counter),
            "flags": [self.lagging, self.paused, self.stopping],
            "wants": [encode(quotes).hex() for quotes in self.wants.values()],
            "requests": [request.save() for request in self.requests.values()],
            "refused_until": [[key[0], key[1], key[2], due] for key, due in self.refused_until.items()],
            "timer_due_ns": int(self.timer_due_ns),
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        session = state["session"]
        counter = state["counter"]
        flags = state["flags"]
        wants = state["wants"]
        requests = state["requests"]
        refused_until = state["refused_until"]
        timer_due_ns = state["timer_due_ns"]
        assert isinstance(session, int)
        assert isinstance(counter, int)
        assert isinstance(flags, list)
        assert isinstance(wants, list)
        assert isinstance(requests, list)
        assert isinstance(refused_until, list)
        assert isinstance(timer_due_ns, int)
        self.session = session
        self.counter = counter
        self.lagging = flags[0]
        self.paused = flags[1]
        self.stopping = flags[2]
        self.wants = {}
        for text in wants:
            quotes = decode(bytes.fromhex(text))
            assert isinstance(quotes, WantedQuotes)
            self.wants[(int(quotes.strategy_id), int(quotes.instrument_id))] = quotes
        self.requests = {}
        for row in requests:
            self.requests[row[0]] = Request(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8])
        self.refused_until = {(row[0], row[1], row[2]): row[3] for row in refused_until}
        self.timer_due_ns = timer_due_ns
