"""What was asked of a venue and is not answered yet: new orders, changes, cancels. None of them is ever forgotten.

Every order has at most one entry, its last request. What is not answered in time is told, its state is asked for, and
the order is cancelled; when cancels stay unanswered too, nobody knows what is at the venue: trading halts, and the
cancel is repeated at the same pace until the order is known to be gone. While the gateway is known to be away the clock
of all this stands still, and goes on when it is back. Which orders there are is the ledger's to say.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from actors.order_gateways import Gateways, Reach
from market.messages import CancelAll, CancelOrder, OrderStatusWanted, OrderTimedOut, TradingHalted
from market.order_life import PENDING, is_cancel_pending, is_final, is_replace_pending
from runtime.actor import Actor
from runtime.ledger import LedgerOrder

TIMER: Final = 1
NOT_SET: Final = -1

NEW: Final = 0
REPLACE: Final = 1
CANCEL: Final = 2
# A new order that rests nowhere: accepted is no answer, only its end is one.
TAKE: Final = 3
COMMANDS: Final = ("new", "replace", "cancel", "new")
AGAIN: Final = "asked again after the gateway was started again"


@final
class Request:
    """One request: what was asked, and until when it should have been answered."""

    def __init__(
        self,
        order_id: i64,
        strategy_id: i64,
        instrument_id: i64,
        side: i64,
        price: i64,
        size: i64,
        kind: i64,
        attempts: i64,
        asked_ns: i64,
        due_ns: i64,
    ) -> None:
        self.order_id: Final = order_id
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        # What the order has when the request succeeds.
        self.price: Final = price
        self.size: Final = size
        self.kind: Final = kind
        self.attempts: Final = attempts
        self.asked_ns: Final = asked_ns
        self.due_ns: Final = due_ns

    def save(self) -> list[int]:
        """The request as plain data."""
        return [
            int(self.order_id),
            int(self.strategy_id),
            int(self.instrument_id),
            int(self.side),
            int(self.price),
            int(self.size),
            int(self.kind),
            int(self.attempts),
            int(self.asked_ns),
            int(self.due_ns),
        ]


def load_request(row: list[int]) -> Request:
    """The request that `save` described."""
    return Request(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9])


@final
class Requests:
    """See the head of this file."""

    def __init__(self, actor: Actor, gateways: Gateways, answer_ns: i64, attempts: i64) -> None:
        self.actor: Final = actor
        self.gateways: Final = gateways
        self.answer_ns: Final[i64] = answer_ns
        self.attempts: Final[i64] = attempts
        self.open: dict[int, Request] = {}
        self.timer_due_ns: i64 = NOT_SET
        self.timed_out: i64 = 0

    # ---- asking

    def expect(
        self, order_id: i64, strategy_id: i64, instrument_id: i64, side: i64, price: i64, size: i64, kind: i64,
        attempts: i64,
    ) -> Request:  # fmt: skip
        """Note what has to be answered, and have the timer look after it."""
        now: i64 = self.actor.now
        request = Request(
            order_id, strategy_id, instrument_id, side, price, size, kind, attempts, now, now + self.answer_ns
        )
        self.open[order_id] = request
        reach = self.gateways.reaches.get(instrument_id)
        if reach is not None:
            if side > 0:
                reach.buys_asked += 1
            else:
                reach.sells_asked += 1
        self.wake(request.due_ns)
        return request

    def cancel(self, order: LedgerOrder, reason: str, receive_ns: i64) -> None:
        """Ask for a cancel; one more for an order whose last cancel was not answered."""
        self.expect_cancel(order)
        self.actor.emit(CancelOrder(order.order_id, order.instrument_id, reason, receive_ns))

    def expect_cancel(self, order: LedgerOrder) -> None:
        """A cancel of an order is on its way, by whomever it was asked."""
        before = self.open.get(order.order_id)
        attempts: i64 = 1
        if before is not None and before.kind == CANCEL:
            attempts += before.attempts
        self.expect(
            order.order_id,
            order.strategy_id,
            order.instrument_id,
            order.side,
            order.price,
            order.size,
            CANCEL,
            attempts,
        )

    def cancel_unseen(self, asked: Request, reason: str, receive_ns: i64) -> None:
        """Cancel an order that was asked for within this very step: the ledger sees it only after this."""
        self.expect(
            asked.order_id, asked.strategy_id, asked.instrument_id, asked.side, asked.price, asked.size, CANCEL, 1
        )
        self.actor.emit(CancelOrder(asked.order_id, asked.instrument_id, reason, receive_ns))

    def is_leaving(self, order_id: i64) -> bool:
        """Whether a cancel was asked for and is not answered."""
        request = self.open.get(order_id)
        return request is not None and request.kind == CANCEL

    # ---- answers

    def answered(self, order_id: i64, kind: i64) -> None:
        """A request of one kind was answered; a cancel that was asked for since is not."""
        request = self.open.get(order_id)
        if request is not None and request.kind == kind:
            del self.open[order_id]

    def ended(self, order_id: i64) -> None:
        """The order is at its end: nothing of it is due any more."""
        self.open.pop(order_id, None)

    # ---- time

    def wake(self, due_ns: i64) -> None:
        """Have the timer fire no later than this."""
        if self.timer_due_ns == NOT_SET or due_ns < self.timer_due_ns:
            self.timer_due_ns = due_ns
            self.actor.set_timer(TIMER, due_ns)

    def fired(self) -> None:
        """The timer has fired: it is set anew by those who still wait."""
        self.timer_due_ns = NOT_SET

    def chase_due(self) -> bool:
        """Look after everything that was not answered in time; says whether trading is halted now."""
        now: i64 = self.actor.now
        # The ledger hears of a halt only when this step is over.
        halted = self.actor.ledger.halted
        for request in list(self.open.values()):
            if request.due_ns <= now and not self.is_away(request):
                halted = self.chase(request, now, halted)
        return halted

    def wake_for_all(self) -> None:
        """Set the timer for whatever is due first; what waits for a gateway wakes nobody."""
        for request in self.open.values():
            if not self.is_away(request):
                self.wake(request.due_ns)

    def is_away(self, request: Request) -> bool:
        """Whether nobody can answer now, and somebody is expected to."""
        reach = self.gateways.reaches.get(request.instrument_id)
        return reach is not None and reach.is_awaited()

    def resume(self, reaches: list[Reach]) -> None:
        """These may be back: the clock goes on where it stood, and cancels that may be lost are sent again."""
        now: i64 = self.actor.now
        for reach in reaches:
            if reach.away_ns == 0 or reach.is_awaited():
                continue
            for request in list(self.open.values()):
                if request.instrument_id == reach.instrument_id:
                    self.go_on(request, now, max(reach.away_ns, request.asked_ns))
                    if reach.lost and request.kind == CANCEL:
                        self.actor.emit(CancelOrder(request.order_id, request.instrument_id, AGAIN, now))
            reach.away_ns = 0
            reach.lost = False
            reach.told = False
            reach.halt_ns = 0

    def go_on(self, request: Request, now_ns: i64, stood_ns: i64) -> None:
        """The clock of a request has stood since a time."""
        due_ns = request.due_ns + now_ns - stood_ns
        self.open[request.order_id] = Request(
            request.order_id,
            request.strategy_id,
            request.instrument_id,
            request.side,
            request.price,
            request.size,
            request.kind,
            request.attempts,
            request.asked_ns,
            due_ns,
        )
        self.wake(due_ns)

    def chase(self, request: Request, now_ns: i64, halted: bool) -> bool:
        """Tell that it took too long, ask for the state, cancel; after too many cancels halt, and go on asking.

        Says whether trading is halted now.
        """
        actor = self.actor
        order = actor.ledger.order(request.order_id)
        if order is None or is_final(order.state):
            del self.open[request.order_id]
            return halted
        self.timed_out += 1
        command = COMMANDS[request.kind]
        actor.emit(OrderTimedOut(order.order_id, order.instrument_id, command, now_ns - request.asked_ns))
        actor.emit(OrderStatusWanted(order.order_id, order.instrument_id, f"{command} not answered in time", now_ns))
        if request.kind == CANCEL and request.attempts >= self.attempts and not halted:
            self.expect_cancel(order)
            reason = f"order {order.order_id} did not answer {request.attempts} cancels"
            actor.emit(TradingHalted(reason, actor.name))
            actor.emit(CancelAll(0, reason))
            return True
        self.cancel(order, "not answered in time", now_ns)
        return halted

    # ---- state

    def adopt(self) -> None:
        """After a failure: whatever is under way by the ledger has to be answered from now on."""
        for order in list(self.actor.ledger.open.values()):
            kind: i64 = NOT_SET
            if is_cancel_pending(order.state):
                kind = CANCEL
            elif is_replace_pending(order.state):
                kind = REPLACE
            elif order.state == PENDING:
                kind = NEW
            if kind != NOT_SET and order.order_id not in self.open:
                self.expect(
                    order.order_id,
                    order.strategy_id,
                    order.instrument_id,
                    order.side,
                    order.replace_price if kind == REPLACE else order.price,
                    order.replace_size if kind == REPLACE else order.size,
                    kind,
                    1 if kind == CANCEL else 0,
                )

    def save(self) -> dict[str, object]:
        """What is open, and when the timer fires."""
        return {
            "open": [request.save() for request in self.open.values()],
            "timer_due_ns": int(self.timer_due_ns),
            "timed_out": int(self.timed_out),
        }

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, dict)
        self.open = {}
        for row in state["open"]:
            self.open[row[0]] = load_request(row)
        self.timer_due_ns = state["timer_due_ns"]
        self.timed_out = state["timed_out"]
