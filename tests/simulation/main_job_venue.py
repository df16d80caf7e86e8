"""A venue outside the lane whose every answer comes late, for the main job under simulation.

It keeps orders, trades and the account of its only customer by itself. An order rests until the market comes to its
price or it is drawn for a fill; an order that crosses takes. Requests travel to it and answers travel back over one
line each way, each with a delay of its own, so that fills race with cancels and arrive long after the fact; a report of
a fill may come twice. It may refuse a cancel of an order that works. The true account is what the customer really has,
whatever it has heard so far.
"""

from __future__ import annotations

from collections import deque
from random import Random

import attrs

from market.instruments import Instrument, InstrumentTable
from market.messages import (
    CAUSE_REQUESTED,
    CAUSE_TIME_IN_FORCE,
    GTC,
    MAKER,
    REJECT_OTHER,
    REJECT_POST_ONLY,
    REJECT_TOO_LATE,
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
    OrderReplaced,
    ReplaceOrder,
    ReplaceRejected,
)
from tests.simulation.main_job_auditor import Account

MILLISECOND = 1_000_000


@attrs.frozen(kw_only=True)
class VenueManners:
    """How late it is, and how often it does what."""

    most_delay_ms: int = 60
    slow_share: float = 0.05
    most_slow_ms: int = 1_500
    fill_share: float = 0.05
    repeat_share: float = 0.05
    least_fill_ms: int = 0
    """No report of a fill comes sooner than this after it; what follows on the line comes no sooner either."""
    refuse_cancel_share: float = 0.0
    """Of the cancels of orders that work: they go on working."""


@attrs.define
class Working:
    """An order that rests there."""

    order: NewOrder
    price: int
    size: int
    filled: int = 0


class LateVenue:
    """See the head of this file."""

    def __init__(self, instruments: InstrumentTable, seed: int, manners: VenueManners) -> None:
        self.instruments = instruments
        self.draw = Random(seed)
        self.manners = manners
        self.working: dict[int, Working] = {}
        self.accounts: dict[int, Account] = {one.instrument_id: Account() for one in instruments}
        self.requests: deque[tuple[int, Message]] = deque()
        self.answers: deque[tuple[int, Message]] = deque()
        self.trades = 0
        self.is_calm = False

    # ---- the lines

    def take(self, message: Message, now_ns: int) -> None:
        """A request leaves the customer."""
        if isinstance(message, NewOrder | CancelOrder | CancelAll | ReplaceOrder):
            self.requests.append((self.due(self.requests, now_ns), message))

    def due(self, line: deque[tuple[int, Message]], now_ns: int) -> int:
        """When something that is sent now arrives; nothing overtakes on one line."""
        most = self.manners.most_delay_ms
        if not self.is_calm and self.draw.random() < self.manners.slow_share:
            most = self.manners.most_slow_ms
        due_ns = now_ns + self.draw.randrange(1, most + 1) * MILLISECOND
        return max(due_ns, line[-1][0]) if line else due_ns

    def answer(self, message: Message, now_ns: int) -> None:
        """An answer leaves the venue; that of a fill may leave twice."""
        due_ns = self.due(self.answers, now_ns)
        if isinstance(message, OrderFilled):
            due_ns = max(due_ns, now_ns + self.manners.least_fill_ms * MILLISECOND)
        self.answers.append((due_ns, message))
        if isinstance(message, OrderFilled) and self.draw.random() < self.manners.repeat_share:
            self.answers.append((self.due(self.answers, now_ns), message))

    def next_due_ns(self) -> int | None:
        """When the next request or answer arrives."""
        dues = [line[0][0] for line in (self.requests, self.answers) if line]
        return min(dues, default=None)

    def arrived(self, now_ns: int, touches: dict[int, tuple[int, int]]) -> list[Message]:
        """Let requests arrive that are due, and give the answers that are."""
        while self.requests and self.requests[0][0] <= now_ns:
            due_ns, message = self.requests.popleft()
            self.handle(message, due_ns, touches)
        found = []
        while self.answers and self.answers[0][0] <= now_ns:
            found.append(self.answers.popleft()[1])
        return found

    # ---- what it does

    def handle(self, message: Message, now_ns: int, touches: dict[int, tuple[int, int]]) -> None:
        """A request has arrived."""
        if isinstance(message, NewOrder):
            self.take_order(message, now_ns, touches)
        elif isinstance(message, ReplaceOrder):
            self.take_replace(message, now_ns, touches)
        elif isinstance(message, CancelOrder):
            self.take_cancel(int(message.order_id), int(message.instrument_id), now_ns, message.reason)
        elif isinstance(message, CancelAll):
            for one in list(self.working.values()):
                if message.instrument_id in (0, one.order.instrument_id):
                    self.take_cancel(int(one.order.order_id), int(one.order.instrument_id), now_ns, message.reason)

    def take_order(self, order: NewOrder, now_ns: int, touches: dict[int, tuple[int, int]]) -> None:
        """Accept it, let it take what it may, and let the rest rest."""
        instrument = self.instruments.by_id(order.instrument_id)
        assert instrument.check_order(order.price, order.size) is None, "it breaks the venue's rules"
        crosses = self.crosses(order.side, int(order.price), touches[int(order.instrument_id)])
        if order.post_only and crosses:
            self.answer(
                OrderRejected(order.order_id, order.instrument_id, REJECT_POST_ONLY, "it would trade", "venue"), now_ns
            )
            return
        one = Working(order, int(order.price), int(order.size))
        self.answer(OrderAccepted(order.order_id, order.instrument_id, f"late-{order.order_id}", now_ns), now_ns)
        self.working[int(order.order_id)] = one
        if crosses:
            self.fill(one, one.size if self.draw.random() < 0.5 else self.part(one), TAKER, now_ns)
        if order.time_in_force != GTC and int(order.order_id) in self.working:
            self.end(one, CAUSE_TIME_IN_FORCE, "it does not wait", now_ns)

    def take_replace(self, change: ReplaceOrder, now_ns: int, touches: dict[int, tuple[int, int]]) -> None:
        """Another price or size, unless it would trade or is too late."""
        one = self.working.get(int(change.order_id))
        if one is None:
            reason = "it no longer works"
        elif change.size <= one.filled:
            reason = "more is filled"
        elif self.crosses(one.order.side, int(change.price), touches[int(change.instrument_id)]):
            reason = "it would trade"
        else:
            one.price, one.size = int(change.price), int(change.size)
            self.answer(OrderReplaced(change.order_id, change.instrument_id, change.price, change.size, now_ns), now_ns)
            return
        self.answer(ReplaceRejected(change.order_id, change.instrument_id, REJECT_TOO_LATE, reason), now_ns)

    def take_cancel(self, order_id: int, instrument_id: int, now_ns: int, reason: str) -> None:
        """Cancel it, unless it is too late."""
        one = self.working.get(order_id)
        refuse_share = self.manners.refuse_cancel_share
        if one is None:
            self.answer(CancelRejected(order_id, instrument_id, REJECT_TOO_LATE, "it no longer works"), now_ns)
        elif refuse_share and not self.is_calm and self.draw.random() < refuse_share:
            self.answer(CancelRejected(order_id, instrument_id, REJECT_OTHER, "not now"), now_ns)
        else:
            self.end(one, CAUSE_REQUESTED, reason, now_ns)

    def end(self, one: Working, cause: int, reason: str, now_ns: int) -> None:
        """It works no longer."""
        del self.working[int(one.order.order_id)]
        left = one.size - one.filled
        self.answer(OrderCancelled(one.order.order_id, one.order.instrument_id, left, cause, reason), now_ns)

    def crosses(self, side: int, price: int, touch: tuple[int, int]) -> bool:
        """Whether an order would trade with what is there."""
        bid, ask = touch
        return price >= ask if side > 0 else price <= bid

    def part(self, one: Working) -> int:
        """A part of what is left, or all of it."""
        instrument = self.instruments.by_id(one.order.instrument_id)
        left = one.size - one.filled
        part = int(instrument.round_size_down(self.draw.randrange(1, left + 1)))
        return part if part > 0 else left

    def fill(self, one: Working, size: int, liquidity: int, now_ns: int) -> None:
        """A trade of it: the account moves now, the report comes later."""
        order = one.order
        instrument: Instrument = self.instruments.by_id(order.instrument_id)
        self.trades += 1
        one.filled += size
        fee = instrument.fee(one.price, size, liquidity)
        account = self.accounts[int(order.instrument_id)]
        account.net_size += int(order.side) * size
        account.cash -= int(order.side) * size * one.price
        account.fees += fee
        account.fills += 1
        if one.filled >= one.size:
            del self.working[int(order.order_id)]
        report = OrderFilled(
            order.order_id, order.instrument_id, order.strategy_id, self.trades, order.side, one.price, size,
            one.size - one.filled, fee, liquidity, now_ns,
        )  # fmt: skip
        self.answer(report, now_ns)

    def trade(self, now_ns: int, touches: dict[int, tuple[int, int]]) -> None:
        """The market has moved: it comes to some orders, others are drawn."""
        if self.is_calm:
            return
        for one in list(self.working.values()):
            comes = self.crosses(one.order.side, one.price, touches[int(one.order.instrument_id)])
            if comes or self.draw.random() < self.manners.fill_share:
                self.fill(one, self.part(one), MAKER, now_ns)
