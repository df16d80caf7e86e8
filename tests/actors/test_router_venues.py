"""Router and order manager against venues that fill in part, refuse, fall silent and change their books at any time.

After every step: what is filled and what is out never passes the size of the order, nothing is beyond its limit, and
nothing goes to a venue whose book is not live. In the end every order is over, and the position is what was wanted or a
person was told.
"""

from __future__ import annotations

from random import Random

import pytest

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from actors.router import Router
from market.messages import (
    BROKEN,
    BUY,
    LIVE,
    PARENT_DONE,
    REJECT_OTHER,
    SELL,
    STALE,
    ActorRestarted,
    Alert,
    BookStateChanged,
    CancelOrder,
    ChildOrder,
    HaltReset,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    ParentProgress,
    RoutedOrder,
)
from runtime.lane_parts import InjectedFault
from tests.actors.test_router import VENUES, RouterLane, target
from tests.actors.trading_lane import START_NS
from tests.seeds import seeds

STATES = (LIVE, LIVE, LIVE, LIVE, STALE, BROKEN)


class Floor:
    """Three venues, a strategy that changes its mind, and what has to hold."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        manager = OrderManagerParams(routed=True, answer_ms=300, attempts=5, target_pause_ms=40, target_rounds=6)
        self.lane = RouterLane(OrderManager, Router, manager=manager)
        self.live = [False, False, False]
        self.checked = 0
        self.cancels = 0
        self.wanted = 0.0
        for number in (1, 2, 3):
            self.change_book(number)

    def change_book(self, number: int) -> None:
        """A venue shows another book, or stops being live."""
        state = self.random.choice(STATES)
        self.live[number - 1] = state == LIVE
        self.lane.take(BookStateChanged(number, state, "test", 0, 0))
        if state != LIVE:
            return
        middle = 100 + self.random.randint(-3, 3) / 10
        bids = [(f"{middle - 0.1 * (place + 1):.1f}", self.size()) for place in range(3)]
        asks = [(f"{middle + 0.1 * (place + 1):.1f}", self.size()) for place in range(3)]
        self.lane.book(number, bids, asks, depth=self.random.random() < 0.8)

    def size(self) -> str:
        """What a level shows."""
        return f"{self.random.randint(1, 900) / 1000:.3f}"

    def step(self) -> None:
        """One thing happens."""
        draw = self.random.random()
        if draw < 0.12:
            self.wanted = self.random.choice([-1.0, 0.0, 0.5, 1.2])
            limit = self.random.choice(["0", "0", "100.00"]) if self.wanted >= 0 else "0"
            target(self.lane, str(self.wanted), limit)
        elif draw < 0.45:
            self.change_book(self.random.randint(1, 3))
        elif draw < 0.80:
            self.answer()
        else:
            self.lane.pass_ms(self.random.choice([1, 10, 60, 400]))
        self.answer_cancels()
        self.check()

    def answer(self) -> None:
        """A venue answers one child: in whole, in part, not at all, or it refuses."""
        ledger = self.lane.core.ledger
        waiting = [one for one in self.lane.of(ChildOrder) if one.order_id in ledger.open]
        if not waiting:
            return
        order = self.random.choice(waiting)
        draw = self.random.random()
        if draw < 0.15:
            source = self.random.choice(["risk", "venue"])
            self.lane.take(OrderRejected(order.order_id, order.instrument_id, REJECT_OTHER, "no", source))
        elif draw < 0.9:
            lots = order.size // VENUES[order.instrument_id - 1].lot
            part = VENUES[order.instrument_id - 1].lot * self.random.choice([0, lots // 2, lots, lots])
            self.lane.answer(order, VENUES[order.instrument_id - 1].format_size(part))

    def answer_cancels(self) -> None:
        """What is cancelled is gone."""
        cancels = self.lane.of(CancelOrder)
        for cancel in cancels[self.cancels :]:
            if cancel.order_id in self.lane.core.ledger.open:
                self.lane.take(OrderCancelled(cancel.order_id, cancel.instrument_id, 1, 0, "asked for"))
        self.cancels = len(cancels)

    def check(self) -> None:
        """What has to hold at any moment."""
        lane = self.lane
        assert lane.core.anomalies == []
        assert lane.failures() == []
        parents = {order.order_id: order for order in lane.of(RoutedOrder)}
        children = lane.of(ChildOrder)
        for child in children[self.checked :]:
            parent = parents[child.parent_id]
            scale = VENUES[child.instrument_id - 1].price_scale
            assert parent.price == 0 or (child.price * 10 ** (2 - scale) - parent.price) * parent.side <= 0
            assert child.side == parent.side
            assert self.live[child.instrument_id - 1]
        self.checked = len(children)
        for parent in parents.values():
            own = [one for one in children if one.parent_id == parent.order_id]
            assert sum(self.exposed(one) for one in own) <= parent.size / 1000 + 1e-9

    def exposed(self, child: ChildOrder) -> float:
        """What of a child is filled or may still be, in base."""
        order = self.lane.core.ledger.order(child.order_id)
        assert order is not None
        size = order.size if child.order_id in self.lane.core.ledger.open else order.filled
        return float(VENUES[child.instrument_id - 1].format_size(size))

    def settle(self) -> None:
        """Live books that are deep enough, venues that answer, and time."""
        lane = self.lane
        for _ in range(120):
            for number in (1, 2, 3):
                self.live[number - 1] = True
                lane.take(BookStateChanged(number, LIVE, "test", 0, 0))
                lane.book(number, [("99.9", "5")], [("100.0", "5")])
            lane.answer_all()
            self.answer_cancels()
            self.check()
            lane.pass_ms(60)


@pytest.mark.parametrize("seed", seeds(8, 500))
def test_nothing_is_sent_twice_and_the_target_is_reached(seed: int) -> None:
    """A few hundred steps; then the position is the last target, unless it was given up and told."""
    floor = Floor(seed)
    for _ in range(250):
        floor.step()
    floor.settle()
    lane = floor.lane
    held = sum(float(one.format_size(lane.core.ledger.standing(one.instrument_id, 77).net_size)) for one in VENUES)
    assert abs(held - floor.wanted) < 0.001 or lane.of(Alert)
    ended = [one.parent_id for one in lane.of(ParentProgress) if one.state >= PARENT_DONE]
    assert sorted(ended) == sorted(order.order_id for order in lane.of(RoutedOrder))
    bought = {
        side: sum(fill.size / 10 ** VENUES[fill.instrument_id - 1].size_scale for fill in lane.of(OrderFilled)
                  if fill.side == side)
        for side in (BUY, SELL)
    }  # fmt: skip
    assert held == pytest.approx(bought[BUY] - bought[SELL])


def test_a_router_that_fails_is_started_again_and_the_target_goes_on() -> None:
    """Its children are looked after, its ids are new, and what is missing is asked for again."""
    lane = RouterLane(OrderManager, Router)
    for number in (1, 2, 3):
        lane.take(BookStateChanged(number, LIVE, "test", 0, 0))
        lane.book(number, [("99.9", "1")], [("100.0", "0.4")])
    target(lane, "1")
    sent = {order.order_id for order in lane.of(ChildOrder)}
    slot = next(slot for slot in lane.core.slots if isinstance(slot.actor, Router))
    slot.kill_every = 1
    slot.kill_countdown = 1
    lane.book(1, [("99.9", "1")], [("100.0", "0.4")])
    slot.kill_every = 0
    assert isinstance(lane.core.reported[0].error, InjectedFault)
    lane.answer_all("0.1")
    lane.take(ActorRestarted(slot.actor_id, 1))
    for number in (1, 2, 3):
        lane.book(number, [("99.9", "5")], [("100.0", "5")])
    for _ in range(30):
        lane.pass_ms(100)
        lane.answer_all()
    held = sum(float(one.format_size(lane.core.ledger.standing(one.instrument_id, 77).net_size)) for one in VENUES)
    assert held == pytest.approx(1.0)
    later = {order.order_id for order in lane.of(ChildOrder)} - sent
    assert later
    assert not later & sent


def test_a_halt_while_children_are_out_loses_nothing() -> None:
    """They end by the halt's cancel; after the reset a new target is worked again."""
    floor = Floor(3)
    for number in (1, 2, 3):
        floor.lane.take(BookStateChanged(number, LIVE, "test", 0, 0))
        floor.lane.book(number, [("99.9", "1")], [("100.0", "0.4")])
    target(floor.lane, "1")
    manager = floor.lane.actor(OrderManager)
    floor.lane.core.halt("test", "test")
    floor.lane.take(HaltReset("test"))
    target(floor.lane, "0.5")
    floor.lane.pass_ms(400)
    floor.answer_cancels()
    floor.live = [True, True, True]
    floor.settle()
    assert manager.summary()["unanswered"] == 0
    assert floor.lane.core.ledger.open_order_count() == 0
    assert floor.lane.now_ns > START_NS
