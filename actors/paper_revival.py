"""How a venue on paper goes on after a failure: it agrees with the ledger on what works here.

It comes back either fresh or as it was before the input in which it failed. The ledger has the last word on every
report that it was shown, this venue on what is on its way back. What was asked in that input and got lost is answered:
an order is refused, a change too, and a cancel is done. A failure halts trading: every order is cancelled soon after.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.paper_desk import SOURCE, PaperDesk
from actors.paper_lines import Line
from market.messages import (
    CAUSE_REQUESTED,
    REJECT_OTHER,
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
    ReplaceOrder,
    ReplaceRejected,
)
from market.order_life import CANCEL_PENDING_UNACKNOWLEDGED, PENDING, is_cancel_pending, is_final, is_replace_pending
from market.paper_queue import PaperOrder
from runtime.ledger import Ledger, LedgerOrder

LOST: Final = "lost in a failure"


class PaperRevival(PaperDesk):
    """See the head of this file."""

    def prime(self, ledger: Ledger) -> None:
        """Agree with the ledger on every order, then go on."""
        for line in self.lines:
            drop_what_was_told(line, ledger, self.outlet.now_ns)
            drop_what_is_known(line, ledger)
        self.drop_what_ended(ledger)
        over = self.ends_on_the_way()
        for known in (*ledger.working_orders(), *ledger.ended.values()):
            for trade_id in known.trade_ids:
                self.traded = max(self.traded, trade_id)
        for order in ledger.working_orders():
            if not order.sent or order.instrument_id not in self.markets or order.order_id in over:
                continue
            resting = self.orders.get(order.order_id)
            if order.state == PENDING or order.state == CANCEL_PENDING_UNACKNOWLEDGED:
                if resting is None:
                    self.answer_unarrived(order)
            elif resting is None:
                self.take_back(order)
            else:
                self.agree(order, resting)
        self.set_timers()
        self.expire()
        for market in self.markets.values():
            self.tell(market)

    def answer_unarrived(self, order: LedgerOrder) -> None:
        """An order that has not arrived is on its way, perhaps without the cancel that followed it, or lost."""
        if not self.is_on_its_way(order.order_id):
            self.emit(OrderRejected(order.order_id, order.instrument_id, REJECT_OTHER, LOST, SOURCE))
        elif is_cancel_pending(order.state) and not self.is_asked(order, CancelOrder):
            self.early_cancels[order.order_id] = True

    def take_back(self, order: LedgerOrder) -> None:
        """Let an order of the ledger rest again, at a place that is not known."""
        if is_cancel_pending(order.state):
            left = order.size - order.filled
            words = f"its cancel was {LOST}"
            self.emit(OrderCancelled(order.order_id, order.instrument_id, left, CAUSE_REQUESTED, words))
            return
        resting = PaperOrder(
            order.order_id, order.strategy_id, order.instrument_id, order.side, order.price, order.size,
            order.post_only, 0,
        )  # fmt: skip
        left = order.size - order.filled
        resting.remaining = left
        resting.optimistic = left
        resting.pessimistic = left
        self.orders[order.order_id] = resting
        self.rest_again(resting)
        if is_replace_pending(order.state) and not self.is_asked(order, ReplaceOrder):
            self.emit(ReplaceRejected(order.order_id, order.instrument_id, REJECT_OTHER, LOST))

    def agree(self, order: LedgerOrder, resting: PaperOrder) -> None:
        """What of an order was filled or changed in the step that failed is so; what was asked in it is answered."""
        told = self.told_on_the_way(order.order_id)
        missing = order.filled - resting.filled
        if missing > 0:
            resting.remaining -= missing
            resting.optimistic = min(resting.optimistic, resting.remaining)
        changing = is_replace_pending(order.state)
        if not changing and (order.price != resting.price or order.size != resting.size):
            self.markets[order.instrument_id].book.leave(resting, self.outlet.now_ns)
            resting.price = order.price
            resting.resize(order.size)
            self.rest_again(resting)
        if is_cancel_pending(order.state) and not self.is_asked(order, CancelOrder):
            self.end(self.line_of(order.instrument_id), resting, CAUSE_REQUESTED, f"its cancel was {LOST}")
        elif changing and not told and not self.is_asked(order, ReplaceOrder):
            self.emit(ReplaceRejected(order.order_id, order.instrument_id, REJECT_OTHER, LOST))

    def rest_again(self, resting: PaperOrder) -> None:
        """Queue; an order that was judged when it came is not judged again."""
        book = self.markets[resting.instrument_id].book
        book.rest(resting, self.outlet.now_ns)
        book.count_as_judged(resting)

    # ---- what is on its way

    def is_asked(self, order: LedgerOrder, kind: type[Message]) -> bool:
        """Whether a request after an order is on its way there."""
        for request in self.line_of(order.instrument_id).requests:
            message = request.message
            if isinstance(message, (CancelOrder, ReplaceOrder)) and message.order_id == order.order_id:
                if type(message) is kind:
                    return True
            elif isinstance(message, CancelAll) and kind is CancelOrder:
                return True
        return False

    def told_on_the_way(self, order_id: i64) -> bool:
        """Whether the answer to a change of an order is on its way back."""
        for report in self.all_reports():
            message = report.message
            if isinstance(message, (OrderReplaced, ReplaceRejected)) and message.order_id == order_id:
                return True
        return False

    def ends_on_the_way(self) -> dict[int, bool]:
        """The orders whose last report is on its way back."""
        found: dict[int, bool] = {}
        for report in self.all_reports():
            message = report.message
            if isinstance(message, (OrderCancelled, OrderExpired, OrderRejected)) or (
                isinstance(message, OrderFilled) and message.remaining == 0
            ):
                found[message.order_id] = True
        return found

    def drop_what_ended(self, ledger: Ledger) -> None:
        """Forget the orders that the ledger knows to be over."""
        for order in list(self.orders.values()):
            known = ledger.order(order.order_id)
            if known is None or is_final(known.state):
                del self.orders[order.order_id]
                self.markets[order.instrument_id].book.leave(order, self.outlet.now_ns)


def drop_what_is_known(line: Line, ledger: Ledger) -> None:
    """Forget the orders on their way that the ledger knows to have arrived."""
    kept = []
    for request in line.requests:
        message = request.message
        if isinstance(message, NewOrder):
            known = ledger.order(message.order_id)
            if known is None or (known.state != PENDING and known.state != CANCEL_PENDING_UNACKNOWLEDGED):
                continue
        kept.append(request)
    line.requests = kept


def drop_what_was_told(line: Line, ledger: Ledger, now_ns: i64) -> None:
    """Forget the reports that had come back in the input that failed: all that were due, or none of them."""
    due = [report.message for report in line.reports if report.due_ns <= now_ns]
    for message in due:
        if has_seen(ledger, message):
            line.reports = line.reports[len(due) :]
            return


def has_seen(ledger: Ledger, message: Message) -> bool:
    """Whether the ledger was shown this report; false of one that leaves no trace in it."""
    if isinstance(message, OrderFilled):
        filled = ledger.order(message.order_id)
        return filled is not None and message.trade_id in filled.trade_ids
    if isinstance(message, OrderAccepted):
        accepted = ledger.order(message.order_id)
        return accepted is not None and accepted.state not in (PENDING, CANCEL_PENDING_UNACKNOWLEDGED)
    if isinstance(message, (OrderCancelled, OrderExpired, OrderRejected)):
        ended = ledger.order(message.order_id)
        return ended is not None and is_final(ended.state)
    if isinstance(message, (OrderReplaced, ReplaceRejected)):
        changed = ledger.order(message.order_id)
        return changed is not None and not is_replace_pending(changed.state)
    if isinstance(message, CancelRejected):
        kept = ledger.order(message.order_id)
        return kept is not None and not is_cancel_pending(kept.state)
    return False
