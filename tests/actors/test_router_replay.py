"""Order manager and router go on after save and load as if nothing had happened, and do the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import ClassVar

import pytest
from librt.vecs import vec
from mypy_extensions import i64

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from actors.router import Router
from actors.router_params import RouterParams
from market.instruments import InstrumentTable
from market.messages import (
    ALGORITHM_AT_ONCE,
    CAUSE_REQUESTED,
    CAUSE_TIME_IN_FORCE,
    GTC,
    LIVE,
    MAKER,
    REJECT_OTHER,
    REJECT_TOO_LATE,
    STALE,
    TAKER,
    BookSnapshot,
    BookStateChanged,
    CancelOrder,
    CancelRejected,
    ChildReplace,
    FlattenPosition,
    HaltReset,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTimedOut,
    ParentCancel,
    ParentProgress,
    PauseQuoting,
    ReplaceOrder,
    ReplaceRejected,
    RouteDecided,
    RouteOutcome,
    RunStarted,
    TargetPosition,
    TopOfBook,
    TradingHalted,
    WantedQuotes,
)
from runtime.actor import Actor, ActorSetup
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.lane_core import LaneCore
from tests.actors.test_order_manager_venue import Passing
from tests.actors.test_router import VENUES
from tests.actors.trading_lane import START_NS, Spy
from tests.conformance.check_actor import Input, Listener, check_declarations, check_save_and_load
from tests.runtime.lanes import node_of
from tests.seeds import seeds

STRATEGY = 77
MILLISECOND = 1_000_000


class Answering(Actor):
    """A venue in the lane: it answers by a count, fills some orders, refuses some, and forgets to answer a few.

    It goes by what it told itself, never by the ledger, which hears its answers later: what it has ended stays ended.
    A cancel may overtake its order, which has to pass risk; then the order is over when it comes, as at every gateway.
    """

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        NewOrder: "on_order",
        ReplaceOrder: "on_replace",
        CancelOrder: "on_cancel",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        OrderAccepted,
        OrderRejected,
        OrderFilled,
        OrderCancelled,
        OrderReplaced,
        ReplaceRejected,
        CancelRejected,
    )

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.count = 0
        # By order: how much of it is open and how much is filled; a closed one has nothing open.
        self.orders: dict[int, tuple[int, int]] = {}
        self.early_cancels: set[int] = set()

    def on_order(self, order: NewOrder) -> None:
        """An order: over already, refused, taken without a word, or accepted and perhaps filled."""
        self.count += 1
        draw = self.count * 7919 % 23
        self.orders[order.order_id] = (0, 0)
        if order.order_id in self.early_cancels:
            self.early_cancels.remove(order.order_id)
            self.tell_cancelled(order.order_id, order.instrument_id, order.size, CAUSE_REQUESTED)
            return
        if 0 < draw < 3:
            self.emit(OrderRejected(order.order_id, order.instrument_id, REJECT_OTHER, "no", "venue"))
            return
        self.orders[order.order_id] = (order.size, 0)
        if draw == 0:
            return
        self.emit(OrderAccepted(order.order_id, order.instrument_id, "v", self.now))
        taking = order.time_in_force != GTC
        size = order.size if draw % 2 else order.size // 2
        if size > 0 and ((taking and draw > 5) or draw > 20):
            self.orders[order.order_id] = (order.size - size, size)
            self.emit(
                OrderFilled(
                    order.order_id, order.instrument_id, order.strategy_id, self.count, order.side,
                    order.price or 10_000, size, order.size - size, 0, TAKER if taking else MAKER, self.now,
                )
            )  # fmt: skip
        left, filled = self.orders[order.order_id]
        if taking and left > 0:
            self.orders[order.order_id] = (0, filled)
            self.tell_cancelled(order.order_id, order.instrument_id, left, CAUSE_TIME_IN_FORCE)

    def on_replace(self, change: ReplaceOrder) -> None:
        """A change: done or refused."""
        self.count += 1
        left, filled = self.orders.get(change.order_id, (0, 0))
        if self.count % 5 and left > 0 and change.size > filled:
            self.orders[change.order_id] = (change.size - filled, filled)
            self.emit(OrderReplaced(change.order_id, change.instrument_id, change.price, change.size, self.now))
        else:
            self.emit(ReplaceRejected(change.order_id, change.instrument_id, REJECT_TOO_LATE, "no"))

    def on_cancel(self, cancel: CancelOrder) -> None:
        """A cancel: done, kept for its order, forgotten, or refused."""
        self.count += 1
        left, filled = self.orders.get(cancel.order_id, (0, 0))
        is_known = cancel.order_id in self.orders
        if (is_known and left == 0) or self.count % 7 == 0:
            self.emit(CancelRejected(cancel.order_id, cancel.instrument_id, REJECT_TOO_LATE, "no"))
        elif self.count % 6 and is_known:
            self.orders[cancel.order_id] = (0, filled)
            self.tell_cancelled(cancel.order_id, cancel.instrument_id, left, CAUSE_REQUESTED)
        elif self.count % 6:
            self.early_cancels.add(cancel.order_id)

    def tell_cancelled(self, order_id: int, instrument_id: int, left: int, cause: int) -> None:
        """Say that an order is over, with what was left of it."""
        self.emit(OrderCancelled(order_id, instrument_id, left, cause, "cancelled"))

    def save(self) -> dict[str, object]:
        """The count, and what it knows of each order."""
        orders = [[order_id, left, filled] for order_id, (left, filled) in self.orders.items()]
        return {"count": self.count, "orders": orders, "early_cancels": sorted(self.early_cancels)}

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        count, orders, early_cancels = state["count"], state["orders"], state["early_cancels"]
        assert isinstance(count, int)
        assert isinstance(orders, list)
        assert isinstance(early_cancels, list)
        self.count = count
        self.orders = {order_id: (left, filled) for order_id, left, filled in orders}
        self.early_cancels = set(early_cancels)


def make_core() -> LaneCore:
    """Order manager, router, everything passes, a venue that answers by a count, and a spy."""
    params: dict[type[Actor], object] = {
        OrderManager: OrderManagerParams(
            routed=True, answer_ms=300, attempts=4, amend={"one": "all", "two": "size"}, target_pause_ms=40
        ),
        Router: RouterParams(rounds=3, reroute_pause_ms=15),
    }
    classes: tuple[type[Actor], ...] = (OrderManager, Router, Passing, Answering, Spy)
    nodes = [node_of(one, number, params=params.get(one)) for number, one in enumerate(classes, start=1)]
    names = {one.venue: one.instrument_id for one in VENUES}
    return build_core(Blueprint(SystemConfig(), InstrumentTable(list(VENUES)), names, tuple(nodes), ()), "main")


def inputs(seed: int) -> Iterator[Input]:
    """Books that move, quotes and targets that change, and now and then what forbids them."""
    random = Random(seed)
    now_ns = START_NS
    yield RunStarted(now_ns, 1, "", ""), now_ns, True
    for one in VENUES:
        yield BookStateChanged(one.instrument_id, LIVE, "test", now_ns, now_ns), now_ns, True
    for step in range(260):
        now_ns += random.randint(1, 60) * MILLISECOND
        one = random.choice(VENUES)
        yield from books(random, one.instrument_id, 10 if one.venue == "three" else 1, now_ns)
        draw = random.random()
        if draw < 0.3:
            yield quotes(random, now_ns), now_ns, True
        elif draw < 0.5:
            size = random.choice([0, 500, 1_000, -700])
            target = TargetPosition(STRATEGY, 1, size, 0, ALGORITHM_AT_ONCE, "test", now_ns)
            yield target, now_ns, True
        if step in ACCIDENTS:
            yield ACCIDENTS[step], now_ns, True


ACCIDENTS: dict[int, Message] = {
    60: BookStateChanged(1, STALE, "silence", 0, 0),
    70: BookStateChanged(1, LIVE, "ok", 0, 0),
    100: PauseQuoting(True, "test"),
    110: PauseQuoting(False, "test"),
    140: TradingHalted("test", "test"),
    150: HaltReset("test"),
    190: FlattenPosition(0, 0, "test", 0),
}


def books(random: Random, number: int, tick: int, now_ns: int) -> Iterator[Input]:
    """One venue shows a new touch, and mostly the levels behind it."""
    middle = 10_000 // tick + random.randint(-5, 5)
    bids = [(middle - 1 - place, random.randint(100, 900)) for place in range(3)]
    asks = [(middle + 1 + place, random.randint(100, 900)) for place in range(3)]
    yield TopOfBook(number, LIVE, *bids[0], *asks[0], 1, now_ns, now_ns), now_ns, False
    if random.random() < 0.8:
        yield (
            BookSnapshot(
                number, 1, vec[i64]([price for price, _ in bids]), vec[i64]([size for _, size in bids]),
                vec[i64]([price for price, _ in asks]), vec[i64]([size for _, size in asks]), now_ns, now_ns,
            ),
            now_ns,
            True,
        )  # fmt: skip


def quotes(random: Random, now_ns: int) -> WantedQuotes:
    """Two levels a side at one of the venues that know them."""
    middle, levels = 10_000 + random.randint(-9, 9), range(random.randint(0, 2))
    return WantedQuotes(
        STRATEGY, random.choice([1, 2]), vec[i64]([middle - 3 - place for place in levels]),
        vec[i64]([600 for _ in levels]), vec[i64]([middle + 3 + place for place in levels]),
        vec[i64]([600 for _ in levels]), 0.0, "test", now_ns,
    )  # fmt: skip


@pytest.mark.parametrize("class_", [OrderManager, Router], ids=lambda class_: class_.__name__)
@pytest.mark.parametrize("seed", seeds(1, 20))
def test_save_load_and_go_on_equals_going_on(class_: type[Actor], seed: int) -> None:
    """Wherever one of them is stopped and taken up again."""
    check_declarations(class_)
    check_save_and_load(make_core, class_, inputs(seed), range(5, 600, 53))


def test_the_run_is_worth_checking() -> None:
    """Everything that they can do happens in it."""
    listener = Listener(make_core())
    for one in inputs(0):
        listener.take(one)
    heard = {type(message) for message in getattr(listener.core.slots[-1].actor, "heard", [])}
    assert {ChildReplace, OrderTimedOut, ParentCancel, ParentProgress, RouteDecided, RouteOutcome} <= heard
    assert {OrderFilled, OrderRejected, ReplaceRejected, CancelRejected, TargetPosition} <= heard


def test_a_cancel_overtakes_its_order_and_the_two_agree() -> None:
    """Quotes pulled in the step that asks for them: the cancel comes first, the order never works, nobody wonders."""
    listener = Listener(make_core())
    for one in islice(inputs(10), 60):
        listener.take(one)
    told: dict[int, list[type[Message]]] = {}
    for message in getattr(listener.core.slots[-1].actor, "heard", []):
        if isinstance(message, NewOrder | CancelOrder | OrderAccepted | OrderFilled | OrderCancelled):
            told.setdefault(message.order_id, []).append(type(message))
    overtaken = [lives for lives in told.values() if lives[0] is CancelOrder]
    assert [CancelOrder, NewOrder, OrderCancelled] in overtaken
    assert list(listener.core.anomalies) == []
