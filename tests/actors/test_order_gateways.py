"""A gateway that is away: what was asked there waits and is not forgotten, and nothing new is sent there."""

from __future__ import annotations

from typing import ClassVar

import attrs
import pytest

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from actors.router import Router
from market.messages import (
    BUY,
    LIVE,
    PARENT_ENDED,
    REJECT_CONNECTION,
    SELL,
    Alert,
    BookStateChanged,
    CancelOrder,
    ChildOrder,
    ConnectionDown,
    ConnectionUp,
    FlattenPosition,
    HaltReset,
    Message,
    NewOrder,
    OrderRejected,
    OrderTimedOut,
    ParentProgress,
    RoutedOrder,
    RunStarted,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    TradingHalted,
)
from runtime.actor import Actor
from runtime.blueprint import Node
from runtime.build_core import build_core
from tests.actors.test_order_manager import LIVE_BOOK, accept, cancelled, cancels, orders, wanted
from tests.actors.test_router import STRATEGY, RouterLane, position, target
from tests.actors.trading_lane import SESSION, START_NS, TradingLane, plan_of
from tests.runtime.lanes import node_of

CONNECTION = 7
DOWN = ConnectionDown(CONNECTION, 1, "the line is cut")
UP = ConnectionUp(CONNECTION, 1)


class Taker(Actor):
    """Stands for a gateway in a plan."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {NewOrder: "on_order"}


@attrs.frozen
class TakerParams:
    """The settings of a gateway."""

    connection_id: int = CONNECTION


def gate(*instrument_ids: int) -> Node:
    """A gateway of these instruments; none named means all."""
    node = node_of(Taker, 1, name="gate", params=TakerParams(), instrument_ids=instrument_ids)
    return attrs.evolve(node, kind="service")


def leaving(attempts: int = 2) -> TradingLane:
    """A bid that works through a gateway and whose cancel was just asked for; an answer may take a second."""
    lane = TradingLane(OrderManager)
    params = OrderManagerParams(answer_ms=1_000, attempts=attempts, away_ms=0)
    plan = plan_of((OrderManager,), {OrderManager: params})
    lane.core = build_core(attrs.evolve(plan, services=(gate(),)), "main")
    lane.take(RunStarted(START_NS, SESSION, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    accept(lane)
    lane.take(wanted([], []))
    assert cancels(lane) == [0]
    lane.forget()
    return lane


# ---- what was asked


@pytest.mark.parametrize(
    ("away", "back"),
    [(DOWN, UP), (ServiceFailed("gate", "test", 1), ServiceRestarted("gate", 1))],
    ids=["not connected", "failed"],
)
def test_the_clock_of_a_cancel_stands_while_the_gateway_is_away(away: Message, back: Message) -> None:
    """However long it is away nothing times out and nothing halts; once it is back the rest of the time counts."""
    lane = leaving()
    lane.pass_ms(600)
    lane.take(away)
    lane.pass_ms(3_600_000)
    assert (lane.of(OrderTimedOut), lane.of(TradingHalted), cancels(lane)) == ([], [], [])
    lane.take(back)
    lost = [0] if isinstance(back, ServiceRestarted) else []
    assert cancels(lane) == lost, "what a gateway that failed had taken is sent again, and counts as no attempt"
    lane.pass_ms(399)
    assert lane.of(OrderTimedOut) == []
    lane.pass_ms(1)
    assert [one.command for one in lane.of(OrderTimedOut)] == ["cancel"]
    assert (cancels(lane), lane.of(TradingHalted)) == ([*lost, 0], [])
    lane.pass_ms(1_000)
    assert "did not answer 2 cancels" in lane.of(TradingHalted)[0].reason


def test_what_is_asked_while_the_gateway_is_away_has_its_whole_time_from_its_return() -> None:
    """A cancel that waits at the gateway is not late before it can be sent."""
    lane = leaving()
    lane.take(cancelled(0))
    lane.take(wanted([(99, 10)], []))
    accept(lane)
    lane.forget()
    lane.take(DOWN)
    assert cancels(lane) == [1], "the quotes are pulled"
    lane.pass_ms(10_000)
    lane.take(UP)
    lane.pass_ms(999)
    assert lane.of(OrderTimedOut) == []
    lane.pass_ms(1)
    assert len(lane.of(OrderTimedOut)) == 1


def test_nothing_that_waits_for_a_gateway_is_forgotten() -> None:
    """It comes and goes several times, the state is saved and loaded; the attempts add up and the halt comes."""
    lane = leaving(attempts=3)
    for _ in range(2):
        lane.pass_ms(500)
        lane.take(DOWN)
        lane.pass_ms(5_000)
        manager = lane.actor(OrderManager)
        state = manager.save()
        assert manager.summary()["unanswered"] == 1
        manager.load(state)
        assert manager.save() == state
        lane.take(UP)
        lane.pass_ms(500)
    assert len(lane.of(OrderTimedOut)) == 2
    assert lane.of(TradingHalted) == []
    lane.pass_ms(1_000)
    assert len(lane.of(TradingHalted)) == 1


def test_an_answer_while_the_gateway_is_away_is_one() -> None:
    """The order is over; nothing is left to wait for."""
    lane = leaving()
    lane.take(DOWN)
    lane.take(cancelled(0))
    lane.take(UP)
    lane.pass_ms(10_000)
    assert (cancels(lane), lane.actor(OrderManager).summary()["unanswered"]) == ([], 0)


def test_a_gateway_that_has_stopped_is_not_waited_for() -> None:
    """Nobody will answer: it halts like any other silence."""
    lane = leaving()
    lane.take(DOWN)
    lane.take(ServiceStopped("gate", "test"))
    lane.pass_ms(2_500)
    assert len(lane.of(TradingHalted)) == 1


def test_a_gateway_that_is_started_again_without_a_connection_is_still_away() -> None:
    """Both have to be over."""
    lane = leaving()
    lane.take(DOWN, ServiceFailed("gate", "test", 1), ServiceRestarted("gate", 1))
    lane.pass_ms(10_000)
    assert lane.of(OrderTimedOut) == []
    lane.take(UP)
    assert cancels(lane) == [0]
    lane.take(cancelled(0))
    lane.take(wanted([(99, 10)], []))
    assert len(orders(lane)) == 1


def test_a_new_run_takes_the_clock_up_again() -> None:
    """What the last run heard of its gateways says nothing of those of this one."""
    lane = leaving()
    lane.take(DOWN)
    lane.pass_ms(10_000)
    lane.take(RunStarted(START_NS, SESSION + 1, "", ""))
    lane.pass_ms(1_000)
    assert len(lane.of(OrderTimedOut)) == 1


# ---- what is wanted


def three_venues(*reached: int) -> RouterLane:
    """Order manager and router over three live books; a gateway brings orders to some of them."""
    lane = RouterLane(OrderManager, Router, services=(gate(*reached),))
    for number in (1, 2, 3):
        lane.take(BookStateChanged(number, LIVE, "test", 0, 0))
        lane.book(number, [("99.9", "5")], [(f"100.{number}", "5")])
    return lane


def test_the_router_goes_round_a_gateway_that_is_away() -> None:
    """Its venue is the cheapest and gets nothing, until it is back."""
    lane = three_venues(1)
    lane.take(DOWN)
    target(lane, "1")
    assert [order.instrument_id for order in lane.of(ChildOrder)] == [2], "the next cheapest"
    lane.answer_all()
    lane.take(UP)
    target(lane, "2")
    assert [order.instrument_id for order in lane.of(ChildOrder)][1:] == [1]


def test_a_target_waits_while_no_gateway_takes_orders() -> None:
    """It is not given up however long that is, and nothing is asked of the router; then it is reached."""
    lane = three_venues()
    lane.take(DOWN)
    target(lane, "1")
    lane.pass_ms(600_000)
    assert (lane.of(RoutedOrder), lane.of(Alert)) == ([], [])
    lane.take(UP)
    lane.pass_ms(300)
    lane.answer_all()
    assert position(lane) == pytest.approx(1.0)


def test_an_order_that_waits_at_the_router_says_why() -> None:
    """All gateways go while it is being routed: when its rounds are used up it names the one that is away."""
    lane = three_venues()
    target(lane, "1", "100.10")
    lane.take(DOWN)
    lane.answer_all("0.5")
    lane.pass_ms(200)
    (ended,) = [one for one in lane.of(ParentProgress) if one.state == PARENT_ENDED]
    assert ended.reason == "gate is not connected: the line is cut"


def test_nothing_is_learned_of_a_venue_whose_gateway_was_away() -> None:
    """An answer that had to wait for the gateway is no latency of the venue, and what it refused no missed fill."""
    lane = three_venues()
    router = lane.actor(Router)
    target(lane, "1")
    (order,) = lane.of(ChildOrder)
    lane.take(DOWN)
    lane.pass_ms(20_000)
    lane.take(UP)
    lane.answer(order)
    assert (router.venues[1].latency_ns, router.venues[1].fill_rate, router.venues[1].outcomes) == (0.0, 1.0, 0)
    target(lane, "2")
    second = lane.of(ChildOrder)[1]
    lane.take(OrderRejected(second.order_id, second.instrument_id, REJECT_CONNECTION, "not connected", "gate"))
    assert router.venues[second.instrument_id].outcomes == 0
    third = lane.of(ChildOrder)[2]
    lane.answer(third)
    assert router.venues[third.instrument_id].outcomes == 1


def test_a_position_is_closed_when_its_gateway_is_back() -> None:
    """No market order goes where nobody takes it."""
    lane = three_venues()
    target(lane, "1")
    lane.answer_all()
    lane.take(DOWN)
    lane.forget()
    lane.take(FlattenPosition(0, STRATEGY, "test", START_NS))
    lane.pass_ms(10_000)
    assert lane.of(ChildOrder) == []
    lane.take(UP)
    lane.pass_ms(300)
    assert [(order.side, order.size) for order in lane.of(ChildOrder)] == [(SELL, 1_000)]
    lane.answer_all()
    assert position(lane) == 0


def test_an_order_that_rests_nowhere_has_to_end() -> None:
    """Accepted and then silent: it is asked for and cancelled like one that was not answered."""
    lane = three_venues()
    target(lane, "1")
    (order,) = lane.of(ChildOrder)
    lane.answer(order, "0.5")
    assert lane.of(OrderTimedOut) == []
    lane = three_venues()
    target(lane, "1")
    (order,) = lane.of(ChildOrder)
    assert order.side == BUY
    lane.accept(order)
    lane.pass_ms(1_000)
    assert [one.order_id for one in lane.of(CancelOrder)] == [order.order_id]


# ---- how long that may last


def behind(away_ms: int = 60_000) -> TradingLane:
    """A bid that works behind a gateway that is not connected any more."""
    lane = TradingLane(OrderManager)
    params = OrderManagerParams(answer_ms=1_000, away_ms=away_ms)
    plan = plan_of((OrderManager,), {OrderManager: params})
    lane.core = build_core(attrs.evolve(plan, services=(gate(),)), "main")
    lane.take(RunStarted(START_NS, SESSION, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    accept(lane)
    lane.forget()
    lane.take(DOWN)
    return lane


def test_orders_behind_a_gateway_that_is_away_are_told_once_and_halt_after_a_time() -> None:
    """A person hears at once that they are open there; when that lasts, trading halts."""
    lane = behind()
    lane.take(ConnectionDown(CONNECTION, 2, "still cut"))
    (alert,) = lane.of(Alert)
    assert (alert.key, alert.title) == ("gateway gate", "1 orders are open where nobody reaches them")
    lane.pass_ms(59_999)
    assert lane.of(TradingHalted) == []
    lane.pass_ms(1)
    (halted,) = lane.of(TradingHalted)
    assert halted.reason == "orders are open where nobody reached them for 60000 ms: gate is not connected: still cut"
    lane.pass_ms(600_000)
    assert len(lane.of(TradingHalted)) == 1
    lane.take(HaltReset("ada"))
    lane.pass_ms(59_999)
    assert len(lane.of(TradingHalted)) == 1, "a person who resets it has the same time again"
    lane.pass_ms(1)
    assert len(lane.of(TradingHalted)) == 2


def test_a_gateway_that_is_back_in_time_or_has_nothing_open_halts_nothing() -> None:
    """Its return is told to whom its loss was."""
    lane = behind()
    lane.pass_ms(30_000)
    lane.take(UP)
    lane.take(cancelled(0))
    lane.take(DOWN)
    lane.pass_ms(600_000)
    assert lane.of(TradingHalted) == []
    assert [one.resolved for one in lane.of(Alert)] == [False, True]
    lane = behind()
    lane.take(cancelled(0))
    lane.pass_ms(600_000)
    assert lane.of(TradingHalted) == []


def test_the_bound_can_be_switched_off() -> None:
    """Then it is the person's to look."""
    lane = behind(away_ms=0)
    lane.pass_ms(3_600_000)
    assert lane.of(TradingHalted) == []
    assert len(lane.of(Alert)) == 1
