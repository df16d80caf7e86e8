"""The order manager against a venue that is late, overtakes itself where a venue may, and loses answers.

After every step: no side has more orders that stay than levels that are wanted, nothing that is under way is forgotten,
no id is used twice, and positions are the sum of the fills. Left alone, the venue holds exactly what is wanted.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

import pytest
from librt.vecs import vec
from mypy_extensions import i64

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from market.messages import (
    BUY,
    CAUSE_KILL_SWITCH,
    CAUSE_REQUESTED,
    LIVE,
    MAKER,
    REJECT_POST_ONLY,
    REJECT_TOO_LATE,
    SELL,
    SYNCING,
    BookStateChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    HaltReset,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatusWanted,
    ReplaceOrder,
    ReplaceRejected,
    ShutdownRequested,
    WantedQuotes,
)
from market.order_life import PENDING, is_cancel_pending, is_replace_pending
from runtime.actor import Actor
from tests.actors.trading_lane import INSTRUMENT_ID, TradingLane
from tests.seeds import seeds

STRATEGY = 77
UNIT = 200_000
Levels = list[tuple[int, int]]


class Passing(Actor):
    """Stands where risk stands and passes everything."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {ChildOrder: "on_order", ChildReplace: "on_replace"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (NewOrder, ReplaceOrder)

    def on_order(self, one: ChildOrder) -> None:
        """Pass an order."""
        self.emit(
            NewOrder(
                one.order_id, one.parent_id, one.strategy_id, one.instrument_id, one.side, one.order_type,
                one.time_in_force, one.price, one.size, 0, 0, one.post_only, False, 0, one.receive_ns,
            )
        )  # fmt: skip

    def on_replace(self, one: ChildReplace) -> None:
        """Pass a change."""
        self.emit(ReplaceOrder(one.order_id, one.instrument_id, one.price, one.size, one.receive_ns))


class VenueOrder:
    """One order as the venue has it."""

    def __init__(self, order_id: int, side: int, price: int, size: int) -> None:
        self.order_id = order_id
        self.side = side
        self.price = price
        self.size = size
        self.filled = 0
        self.over: Message | None = None


class RoughVenue:
    """Takes requests in order after a while; its reports come late, some overtake others, some never come."""

    def __init__(self, lane: TradingLane, random: Random, loss: float) -> None:
        self.lane = lane
        self.random = random
        self.loss = loss
        self.refuses = True
        self.heard = 0
        self.requests: list[Message] = []
        self.reports: list[Message] = []
        self.lost: dict[int, list[Message]] = {}
        self.orders: dict[int, VenueOrder] = {}
        self.delivered: dict[int, int] = {BUY: 0, SELL: 0}
        self.trades = 0
        self.ids: list[int] = []

    # ---- what arrives

    def listen(self) -> None:
        """Note what was asked for since the last time."""
        heard = self.lane.heard
        for message in heard[self.heard :]:
            if isinstance(message, NewOrder | ReplaceOrder | CancelOrder | CancelAll | OrderStatusWanted):
                self.requests.append(message)
            if isinstance(message, ChildOrder):
                self.ids.append(message.order_id)
        self.heard = len(heard)

    def take_one(self) -> None:
        """The next request arrives."""
        if not self.requests:
            return
        message = self.requests.pop(0)
        if isinstance(message, NewOrder):
            self.open_order(message)
        elif isinstance(message, ReplaceOrder):
            self.replace(message)
        elif isinstance(message, CancelOrder):
            self.cancel(message.order_id, CAUSE_REQUESTED)
        elif isinstance(message, CancelAll):
            for order in list(self.orders.values()):
                if order.over is None:
                    self.cancel(order.order_id, CAUSE_KILL_SWITCH)
        elif isinstance(message, OrderStatusWanted):
            # A gateway that is asked tells what had been lost, in its order.
            self.reports += self.lost.pop(message.order_id, [])

    def open_order(self, message: NewOrder) -> None:
        """A new order works, or is refused."""
        order = VenueOrder(message.order_id, message.side, message.price, message.size)
        self.orders[order.order_id] = order
        if self.refuses and self.random.random() < 0.05:
            order.over = OrderRejected(order.order_id, INSTRUMENT_ID, REJECT_POST_ONLY, "post-only", "venue")
            self.report(order.over)
            return
        self.report(OrderAccepted(order.order_id, INSTRUMENT_ID, "v", self.lane.now_ns))

    def replace(self, message: ReplaceOrder) -> None:
        """A change of an order that works; one that would leave nothing of it, or is not liked, is refused."""
        order = self.orders.get(message.order_id)
        disliked = self.refuses and self.random.random() < 0.1
        if order is None or order.over is not None or message.size <= order.filled or disliked:
            self.report(ReplaceRejected(message.order_id, INSTRUMENT_ID, REJECT_TOO_LATE, "no"))
            return
        order.price = message.price
        order.size = message.size
        self.report(OrderReplaced(order.order_id, INSTRUMENT_ID, order.price, order.size, self.lane.now_ns))

    def cancel(self, order_id: int, cause: int) -> None:
        """A cancel: of an order that is over it is refused, or its lost end is told at last."""
        order = self.orders.get(order_id)
        if order is None or order.over is not None:
            self.report(CancelRejected(order_id, INSTRUMENT_ID, REJECT_TOO_LATE, "too late"))
            return
        order.over = OrderCancelled(order_id, INSTRUMENT_ID, order.size - order.filled, cause, "cancelled")
        self.report(order.over)

    def trade(self) -> None:
        """Somebody trades with an order that works here."""
        working = [order for order in self.orders.values() if order.over is None]
        if not working:
            return
        order = self.random.choice(working)
        left = order.size - order.filled
        size = left if self.random.random() < 0.5 else self.random.randint(1, left)
        order.filled += size
        self.trades += 1
        fill = OrderFilled(
            order.order_id, INSTRUMENT_ID, STRATEGY, self.trades, order.side, order.price, size,
            order.size - order.filled, 0, MAKER, self.lane.now_ns,
        )  # fmt: skip
        if order.filled == order.size:
            order.over = fill
        self.report(fill)

    # ---- what is told

    def calm_down(self) -> None:
        """From now on nothing is lost or refused; what was lost is told, as a comparison with the venue would do."""
        self.loss = 0.0
        self.refuses = False
        for messages in self.lost.values():
            self.reports += messages
        self.lost.clear()

    def report(self, message: Message) -> None:
        """Tell it, or lose it; what is told of an order after something was lost is lost with it."""
        order_id = int(getattr(message, "order_id", 0))
        if order_id in self.lost or self.random.random() < self.loss:
            self.lost.setdefault(order_id, []).append(message)
        else:
            self.reports.append(message)

    def tell_one(self) -> None:
        """Deliver a report: the first, or one that may overtake it."""
        if not self.reports:
            return
        place = 0
        if self.random.random() < 0.3:
            place = self.random.randrange(len(self.reports))
            while place > 0 and not self.may_overtake(place):
                place -= 1
        message = self.reports.pop(place)
        if isinstance(message, OrderFilled):
            self.delivered[message.side] += message.size
        self.lane.take(message)

    def may_overtake(self, place: int) -> bool:
        """Of one order, a fill and the refusal of a cancel may overtake what answers a request; nothing else may."""
        message = self.reports[place]
        order_id = getattr(message, "order_id", 0)
        earlier = [one for one in self.reports[:place] if getattr(one, "order_id", 0) == order_id]
        if isinstance(message, OrderFilled):
            return all(isinstance(one, OrderAccepted) for one in earlier)
        return not earlier


class Desk:
    """A strategy's wants, the order manager, and the venue."""

    def __init__(self, seed: int, params: OrderManagerParams, loss: float) -> None:
        self.random = Random(seed)
        self.lane = TradingLane(OrderManager, Passing, params={OrderManager: params, Passing: None})
        self.venue = RoughVenue(self.lane, self.random, loss)
        self.manager = self.lane.actor(OrderManager)
        self.params = params
        self.bids: Levels = []
        self.asks: Levels = []
        self.lane.take(BookStateChanged(INSTRUMENT_ID, LIVE, "test", 0, 0))

    def want(self) -> None:
        """Say what is wanted."""
        self.lane.take(
            WantedQuotes(
                STRATEGY, INSTRUMENT_ID, vec[i64]([price for price, _ in self.bids]),
                vec[i64]([size for _, size in self.bids]), vec[i64]([price for price, _ in self.asks]),
                vec[i64]([size for _, size in self.asks]), 0.0, "test", self.lane.now_ns,
            )
        )  # fmt: skip

    def want_something_new(self) -> None:
        """Up to three levels a side around a price that wanders."""
        middle = 100 + self.random.randint(-3, 3)
        levels, size = self.random.randint(0, 3), self.random.choice([10, 10, 20])
        self.bids = [((middle - 1 - place) * UNIT, size) for place in range(levels)]
        self.asks = [((middle + 1 + place) * UNIT, size) for place in range(self.random.randint(0, 3))]
        self.want()

    def step(self) -> None:
        """One thing happens."""
        draw = self.random.random()
        if draw < 0.15:
            self.want_something_new()
        elif draw < 0.25:
            self.want()
        elif draw < 0.55:
            self.venue.take_one()
        elif draw < 0.62:
            self.venue.trade()
        elif draw < 0.90:
            self.venue.tell_one()
        elif draw < 0.98:
            self.lane.pass_ms(self.random.choice([1, 20, 300]))
        elif draw < 0.985:
            self.lane.take(BookStateChanged(INSTRUMENT_ID, SYNCING, "gap", 0, 0))
        else:
            self.lane.take(BookStateChanged(INSTRUMENT_ID, LIVE, "ok", 0, 0))
        self.venue.listen()
        self.check()

    def check(self) -> None:
        """What has to hold at any moment."""
        ledger = self.lane.core.ledger
        assert list(self.lane.core.anomalies) == []
        assert self.lane.failures() == []
        assert len(self.venue.ids) == len(set(self.venue.ids))
        requests = self.manager.requests.open
        for side, wanted in ((BUY, self.bids), (SELL, self.asks)):
            staying = 0
            for order in ledger.open_side(INSTRUMENT_ID, side).listed():
                if order.state == PENDING or is_cancel_pending(order.state) or is_replace_pending(order.state):
                    assert order.order_id in requests, "something under way that nobody looks after"
                leaving = is_cancel_pending(order.state) or self.manager.requests.is_leaving(order.order_id)
                staying += not leaving
            assert staying <= len(wanted), "more orders than are wanted"
            assert len(ledger.open_side(INSTRUMENT_ID, side).listed()) <= (6 if self.params.replace_at_once else 3)
        position = self.venue.delivered[BUY] - self.venue.delivered[SELL]
        assert ledger.standing(INSTRUMENT_ID, STRATEGY).net_size == position

    def settle(self) -> None:
        """The venue answers everything, time passes, the strategy goes on wanting the same."""
        self.venue.calm_down()
        for _ in range(60):
            for _ in range(40):
                self.venue.take_one()
                self.venue.tell_one()
                self.venue.listen()
            if self.lane.core.ledger.halted:
                self.lane.take(HaltReset("test"))
            self.lane.take(BookStateChanged(INSTRUMENT_ID, LIVE, "ok", 0, 0))
            self.want()
            self.venue.listen()
            self.check()
            self.lane.pass_ms(200)
            self.venue.listen()

    def working(self, side: int) -> Levels:
        """What works at the venue: price and what is left, best first."""
        orders = [order for order in self.venue.orders.values() if order.over is None and order.side == side]
        orders.sort(key=lambda order: -side * order.price)
        return [(order.price, order.size - order.filled) for order in orders]


SETTINGS = {
    "cancel and new": OrderManagerParams(answer_ms=500),
    "at once": OrderManagerParams(answer_ms=500, replace_at_once=True),
    "changes in place": OrderManagerParams(answer_ms=500, amend={"binance": "all"}),
    "smaller in place": OrderManagerParams(answer_ms=500, amend={"binance": "size"}, keep_within_ticks=UNIT),
}


@pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("seed", seeds(6, 400))
def test_nothing_is_forgotten_and_the_wants_are_reached(params: OrderManagerParams, seed: int) -> None:
    """A few hundred steps with losses; then the venue holds what is wanted and the manager waits for nothing."""
    desk = Desk(seed, params, loss=0.04)
    for _ in range(400):
        desk.step()
    desk.settle()
    near = params.keep_within_ticks
    for side, wanted in ((BUY, desk.bids), (SELL, desk.asks)):
        found = desk.working(side)
        assert len(found) == len(wanted)
        for (price, left), (wanted_price, wanted_size) in zip(found, wanted, strict=True):
            assert abs(price - wanted_price) <= near
            assert wanted_size * params.keep_size_percent <= left * 100 <= wanted_size * 100
    assert desk.manager.summary()["unanswered"] == 0


@pytest.mark.parametrize("seed", seeds(6, 400))
def test_nothing_works_after_a_shutdown(seed: int) -> None:
    """Whatever was under way, the venue is empty in the end, and nothing new was sent since."""
    desk = Desk(seed, SETTINGS["changes in place"], loss=0.04)
    for _ in range(200):
        desk.step()
    desk.bids, desk.asks = [], []
    desk.lane.take(ShutdownRequested("test", 0))
    desk.venue.listen()
    sent = len(desk.venue.ids)
    desk.venue.calm_down()
    for _ in range(600):
        desk.venue.take_one()
        desk.venue.tell_one()
        desk.lane.pass_ms(10)
        desk.venue.listen()
    assert desk.working(BUY) == []
    assert desk.working(SELL) == []
    assert len(desk.venue.ids) == sent
    assert desk.lane.core.ledger.open_order_count() == 0
