"""The order manager when something else fails: whose quotes are pulled, whose stay, and when they may work again."""

from __future__ import annotations

from typing import ClassVar

import attrs

from actors.order_manager import OrderManager
from market.messages import (
    BUY,
    ActorFailed,
    ActorStopped,
    ConnectionDown,
    ConnectionUp,
    Message,
    NewOrder,
    RunStarted,
    TopOfBook,
)
from runtime.actor import Actor, Strategy
from runtime.build_core import build_core
from tests.actors.test_order_manager import LIVE_BOOK, STRATEGY, accept, cancelled, cancels, orders, wanted
from tests.actors.test_order_manager_rules import told
from tests.actors.trading_lane import SESSION, START_NS, TradingLane, plan_of
from tests.runtime.lanes import node_of


class Prices(Actor):
    """Stands for a book in a plan."""

    GIVES: ClassVar[tuple[type[Message], ...]] = (TopOfBook,)


class Follower(Strategy):
    """A strategy that sees the market through it."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_top"}

    def on_top(self, _: Message) -> None:
        """Nothing to do."""


@attrs.frozen
class Linked:
    """The settings of a gateway that has a connection."""

    connection_id: int = 1002


class Taker(Actor):
    """Stands for a gateway in a plan."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {NewOrder: "on_order"}


def test_who_does_not_hang_on_what_failed_keeps_quoting() -> None:
    """The strategy that sees the market through it is pulled and its orders are cancelled; a bystander hits nobody."""
    lane = TradingLane(OrderManager)
    manager, spy = plan_of((OrderManager,), {}).actors
    actors = (manager, node_of(Prices, 3), node_of(Follower, STRATEGY), spy)
    lane.core = build_core(attrs.evolve(plan_of((OrderManager,), {}), actors=actors), "main")
    lane.take(RunStarted(START_NS, SESSION, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10)], [(101, 10)]))
    accept(lane)
    lane.forget()
    manager_actor = lane.actor(OrderManager)
    manager_actor.on_actor_failed(ActorFailed(spy.node_id, 1, 1, "boom"))
    manager_actor.on_actor_stopped(ActorStopped(spy.node_id, "too many failures"))
    assert manager_actor.quotes.all()[0].wants_something()
    assert (cancels(lane), told(lane)) == ([], [])
    lane.take(ActorFailed(3, 1, 1, "boom"))
    assert (cancels(lane), told(lane)) == ([0, 1], [(False, "prices failed")])
    lane.take(ActorStopped(3, "too many failures"))
    assert told(lane)[1:] == [(True, "prices has stopped")]
    assert orders(lane) == []


def test_a_gateway_without_a_connection_pulls_the_quotes_it_brings() -> None:
    """They are cancelled in the same step, nothing is sent while it lasts, and a feed's connection is no concern."""
    lane = TradingLane(OrderManager)
    gate = attrs.evolve(node_of(Taker, 1, name="gate"), kind="service", params=Linked())
    lane.core = build_core(attrs.evolve(plan_of((OrderManager,), {}), services=(gate,)), "main")
    lane.take(RunStarted(START_NS, SESSION, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10)], [(101, 10)]))
    accept(lane)
    lane.forget()
    lane.take(ConnectionDown(1, 5, "the network is down"))
    assert told(lane) == []
    lane.take(ConnectionDown(1002, 5, "the network is down"))
    assert (cancels(lane), told(lane)) == ([0, 1], [(False, "gate is not connected: the network is down")])
    saved = lane.actor(OrderManager).save()
    lane.actor(OrderManager).load(saved)
    for _ in range(3):
        lane.take(LIVE_BOOK)
        lane.take(wanted([(99, 10)], [(101, 10)]))
        lane.pass_ms(300)
    assert (cancels(lane), orders(lane), len(told(lane))) == ([0, 1], [], 1)
    lane.take(ConnectionUp(1002, 6))
    assert told(lane)[1:] == [(True, "gate is connected")]
    lane.take(cancelled(0), cancelled(1))
    lane.take(wanted([(99, 10)], []))
    assert orders(lane) == [(BUY, 99, 10)]
