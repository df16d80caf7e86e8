"""The order manager: changes in place, venue limits, why quotes were pulled, and what was not answered in time."""

from __future__ import annotations

from typing import ClassVar

import attrs
import pytest
from mypy_extensions import i64

from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from actors.order_rules import AMEND_ALL, AMEND_NOTHING, AMEND_SIZE, VenueRules, amend_of
from market.instruments import Instrument
from market.messages import (
    BUY,
    CAUSE_POST_ONLY,
    LIVE,
    REJECT_POSITION,
    REJECT_TOO_LATE,
    REJECT_UNSUPPORTED,
    SELL,
    STALE,
    ActorFailed,
    ActorStopped,
    BookStateChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    HaltReset,
    Lagging,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    OrderStatusWanted,
    OrderTimedOut,
    PauseQuoting,
    QuotingChanged,
    ReplaceRejected,
    RunStarted,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    ShutdownRequested,
    TradingHalted,
)
from runtime.actor import Actor
from runtime.build_core import build_core
from tests.actors.test_order_manager import (
    FIRST_ID,
    LIVE_BOOK,
    STRATEGY,
    UNIT,
    accept,
    cancelled,
    cancels,
    filled,
    orders,
    quoting,
    wanted,
)
from tests.actors.trading_lane import INSTRUMENT, INSTRUMENT_ID, SESSION, START_NS, TradingLane, plan_of
from tests.runtime.lanes import node_of

TICK = 1


class Unchanging(Actor):
    """Stands for a gateway that changes no order."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {NewOrder: "on_order"}
    AMENDS: ClassVar[str] = "nothing"


class Taker(Actor):
    """Stands for a gateway in a plan."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {NewOrder: "on_order"}


def changing(**settings: object) -> TradingLane:
    """A bid at 99 and an ask at 101, both working, at a venue that changes orders in place."""
    params = OrderManagerParams(**{"amend": {"binance": "all"}, **settings})  # type: ignore[arg-type]
    lane = TradingLane(OrderManager, params={OrderManager: params})
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10)], [(101, 10)]))
    accept(lane)
    lane.forget()
    return lane


def changes(lane: TradingLane) -> list[tuple[int, int, int]]:
    """The changes asked for so far: order counted from the first, price, total size."""
    return [(one.order_id - FIRST_ID, one.price // UNIT, one.size) for one in lane.of(ChildReplace)]


def replaced(number: int, price: int, size: int) -> OrderReplaced:
    """The venue has changed an order."""
    return OrderReplaced(FIRST_ID + number, INSTRUMENT_ID, price * UNIT, size, START_NS)


def told(lane: TradingLane) -> list[tuple[bool, str]]:
    """What strategies were told of their quotes so far."""
    return [(one.quoting, one.reason) for one in lane.of(QuotingChanged)]


# ---- changes in place


def test_a_quote_moves_by_one_change() -> None:
    """One request instead of two, and the total counts what is filled."""
    lane = changing()
    lane.take(filled(0, BUY, 99, 4, 6))
    lane.take(wanted([(98, 10)], [(101, 10)]))
    assert (changes(lane), cancels(lane), orders(lane)) == ([(0, 98, 14)], [], [])


def test_a_smaller_size_keeps_the_price_and_the_place() -> None:
    """Only the size changes."""
    lane = changing(keep_within_ticks=UNIT)
    lane.take(wanted([(98, 6)], [(101, 10)]))
    assert changes(lane) == [(0, 99, 6)]


def test_what_moves_on_while_a_change_is_under_way_is_asked_for_after_it() -> None:
    """An order has one request at a time; the last want counts."""
    lane = changing()
    lane.take(wanted([(98, 10)], [(101, 10)]))
    lane.take(wanted([(97, 10)], [(101, 10)]))
    lane.take(wanted([(96, 10)], [(101, 10)]))
    assert changes(lane) == [(0, 98, 10)]
    lane.take(replaced(0, 98, 10))
    assert changes(lane) == [(0, 98, 10), (0, 96, 10)]
    lane.take(replaced(0, 96, 10))
    assert (len(changes(lane)), cancels(lane), orders(lane)) == (2, [], [])


def test_a_new_order_is_changed_when_it_has_been_accepted() -> None:
    """Before that there is nothing that could be changed."""
    lane = TradingLane(OrderManager, params={OrderManager: OrderManagerParams(amend={"binance": "all"})})
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    lane.take(wanted([(98, 10)], []))
    assert (changes(lane), cancels(lane)) == ([], [])
    accept(lane)
    assert changes(lane) == [(0, 98, 10)]


def test_an_order_that_nobody_wants_is_cancelled_while_its_change_is_under_way() -> None:
    """A pull never waits."""
    lane = changing()
    lane.take(wanted([(98, 10)], [(101, 10)]))
    lane.take(wanted([], [(101, 10)]))
    assert cancels(lane) == [0]
    lane.take(replaced(0, 98, 10), cancelled(0))
    assert (orders(lane), lane.core.anomalies) == ([], [])


def test_a_refused_change_cancels_the_order_and_rests_the_side() -> None:
    """It stands where nobody wants it; a change that the venue does not know is not tried again."""
    lane = changing()
    lane.take(wanted([(98, 10)], [(101, 10)]))
    lane.take(ReplaceRejected(FIRST_ID, INSTRUMENT_ID, REJECT_UNSUPPORTED, "no prices"))
    assert cancels(lane) == [0]
    lane.take(cancelled(0))
    assert orders(lane) == []
    lane.pass_ms(260)
    assert orders(lane) == [(BUY, 98, 10)]
    accept(lane)
    lane.take(wanted([(98, 10)], [(102, 10)]))
    assert len(changes(lane)) == 1


def test_a_new_order_may_go_along_with_the_cancel() -> None:
    """With `replace_at_once` the side holds both until the venue has cancelled, and never more than twice."""
    lane = TradingLane(OrderManager, params={OrderManager: OrderManagerParams(replace_at_once=True)})
    lane.take(LIVE_BOOK)
    for price in (99, 98, 97, 96):
        lane.take(wanted([(price, 10)], []))
        accept(lane)
    assert orders(lane) == [(BUY, 99, 10), (BUY, 98, 10)]
    lane.take(cancelled(0))
    assert orders(lane)[2:] == [(BUY, 96, 10)]


# ---- the venue's limits


def test_prices_are_brought_to_ticks_and_sizes_to_lots() -> None:
    """A bid goes down, an ask up, a size down; what is too small or worth too little is no quote."""
    one = Instrument.from_text(
        instrument_id=1, symbol="X/Y", venue="v", venue_symbol="XY", base="X", quote="Y", kind="spot", tick="0.05",
        lot="0.02", minimum_size="0.10", minimum_notional="10", price_scale=2, size_scale=2,
    )  # fmt: skip
    rules = VenueRules(one, AMEND_NOTHING, 0, 0.0)
    assert (rules.price(BUY, 10_007), rules.price(SELL, 10_007), rules.price(BUY, 10_010)) == (10_005, 10_010, 10_010)
    assert (rules.size(10_000, 15), rules.size(10_000, 9), rules.size(9_999, 10)) == (14, 0, 0)
    assert rules.size(5_000, 15) == 0


@pytest.mark.parametrize(
    ("venue", "settings", "gateway", "expected"),
    [
        ("binance", {}, None, AMEND_SIZE),
        ("kraken", {}, None, AMEND_ALL),
        ("coinbase", {}, None, AMEND_ALL),
        ("somewhere", {}, None, AMEND_NOTHING),
        ("binance", {"binance": "nothing"}, None, AMEND_NOTHING),
        ("somewhere", {"somewhere": "all"}, "nothing", AMEND_ALL),
        ("kraken", {"binance": "nothing"}, "size", AMEND_SIZE),
        ("kraken", {}, "nothing", AMEND_NOTHING),
        ("kraken", {}, "all", AMEND_ALL),
    ],
)
def test_the_venue_and_its_gateway_decide_what_can_be_changed(
    venue: str, settings: dict[str, str], gateway: str | None, expected: int
) -> None:
    """A setting counts before both; a venue of which nothing is known changes nothing."""
    one = attrs.evolve(INSTRUMENT, venue=venue)
    gateways: dict[str, tuple[int, ...]] = {"elsewhere": (9,)}
    amends = {"elsewhere": "nothing"}
    if gateway is not None:
        gateways["gate"] = ()
        amends["gate"] = gateway
    assert amend_of(one, settings, gateways, amends) == expected


def test_a_gateway_that_changes_nothing_is_never_asked_to() -> None:
    """The order is cancelled instead, and a new one takes its place."""
    lane = TradingLane(OrderManager)
    service = attrs.evolve(node_of(Unchanging, 1, name="gate"), kind="service")
    lane.core = build_core(attrs.evolve(plan_of((OrderManager,), {}), services=(service,)), "main")
    lane.take(RunStarted(START_NS, SESSION, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    accept(lane)
    lane.take(wanted([(99, 5)], []))
    assert (changes(lane), cancels(lane)) == ([], [0])


def test_levels_that_the_venue_would_not_take_are_left_out() -> None:
    """The others are quoted."""
    lane = TradingLane(OrderManager)
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10), (98, 1)], []))
    assert orders(lane) == [(BUY, 99, 10)]


def test_open_orders_of_an_instrument_are_bounded() -> None:
    """What is beyond waits until there is room."""
    lane = TradingLane(OrderManager, params={OrderManager: OrderManagerParams(maximum_open_orders=3)})
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10), (98, 10)], [(101, 10), (102, 10)]))
    assert orders(lane) == [(BUY, 99, 10), (BUY, 98, 10), (SELL, 101, 10)]


def test_wants_twice_in_one_step_do_not_open_twice() -> None:
    """What was asked for and not yet seen by the ledger counts."""
    lane = TradingLane(OrderManager)
    lane.take(LIVE_BOOK)
    manager = lane.actor(OrderManager)
    manager.on_wanted_quotes(wanted([(99, 10)], []))
    manager.on_wanted_quotes(wanted([(99, 10)], []))
    manager.on_wanted_quotes(wanted([(98, 10)], []))
    lane.take(PauseQuoting(False, "test"))
    assert (orders(lane), cancels(lane)) == ([(BUY, 99, 10)], [0])


def test_a_side_that_was_filled_waits_for_the_strategy() -> None:
    """A want from before a fill never opens an order again."""
    lane = quoting()
    lane.take(filled(0, BUY, 99, 10, 0))
    lane.take(wanted([(99, 10)], [(101, 10)]))
    assert orders(lane) == [(BUY, 99, 10)]
    accept(lane)
    lane.take(filled(2, BUY, 99, 10, 0), BookStateChanged(INSTRUMENT_ID, LIVE, "again", 0, 0))
    lane.pass_ms(5_000)
    assert len(orders(lane)) == 1


def test_an_order_that_the_venue_ends_by_itself_rests_its_side() -> None:
    """A post-only order that would have traded is not sent again at once."""
    lane = quoting()
    lane.take(OrderCancelled(FIRST_ID, INSTRUMENT_ID, 10, CAUSE_POST_ONLY, "would have traded"))
    assert orders(lane) == []
    lane.pass_ms(260)
    assert orders(lane) == [(BUY, 99, 10)]


# ---- why quotes were pulled


@pytest.mark.parametrize(
    ("news", "reason"),
    [
        (BookStateChanged(INSTRUMENT_ID, STALE, "silence", 0, 0), "the book is not live: silence"),
        (Lagging(300_000_000), "lagging by 300 ms"),
        (PauseQuoting(True, "ada"), "paused by ada"),
        (ShutdownRequested("test", 0), "shutdown: test"),
        (TradingHalted("test", "test"), "trading is halted: test"),
        (ActorFailed(STRATEGY, 1, 1, "test"), "an actor failed"),
        (ActorStopped(STRATEGY, "too many failures"), "the strategy has stopped: too many failures"),
        (
            CancelRejected(FIRST_ID, INSTRUMENT_ID, REJECT_TOO_LATE, "test"),
            f"the cancel of order {FIRST_ID} was refused",
        ),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Message) else "",
)
def test_what_pulls_quotes_is_told_once_in_the_same_step(news: Message, reason: str) -> None:
    """The strategy hears why, and the panel shows it."""
    lane = quoting()
    if isinstance(news, ActorFailed):
        lane.actor(OrderManager).on_actor_failed(news)
        lane.take(PauseQuoting(False, "test"))
        assert told(lane)[0] == (False, reason)
        return
    lane.take(news)
    lane.take(wanted([(99, 10)], [(101, 10)]))
    assert told(lane)[0] == (False, reason)
    assert [quotes for quotes, _ in told(lane)].count(False) == 1
    if not isinstance(news, ActorStopped):
        rows = lane.actor(OrderManager).panel()["why_pulled"]
        assert isinstance(rows, list)
        assert [row["instrument_id"] for row in rows] == [INSTRUMENT_ID]
    assert orders(lane) == []


@pytest.mark.parametrize(
    ("forbids", "allows"),
    [
        (BookStateChanged(INSTRUMENT_ID, STALE, "silence", 0, 0), LIVE_BOOK),
        (Lagging(300_000_000), Lagging(0)),
        (PauseQuoting(True, "ada"), PauseQuoting(False, "ada")),
        (TradingHalted("test", "test"), HaltReset("ada")),
    ],
    ids=lambda one: type(one).__name__,
)
def test_when_quotes_may_work_again_the_strategy_hears_it(forbids: Message, allows: Message) -> None:
    """And has to want again."""
    lane = quoting()
    lane.take(forbids)
    lane.take(cancelled(0))
    lane.take(cancelled(1))
    lane.take(allows)
    assert [quotes for quotes, _ in told(lane)] == [False, True]
    assert orders(lane) == []
    lane.take(wanted([(99, 10)], [(101, 10)]))
    assert len(orders(lane)) == 2


def test_a_refused_cancel_ends_when_the_order_is_gone() -> None:
    """Until it is known to be gone nothing is quoted there."""
    lane = quoting()
    lane.take(wanted([], [(101, 10)]))
    lane.take(CancelRejected(FIRST_ID, INSTRUMENT_ID, REJECT_TOO_LATE, "test"))
    assert cancels(lane) == [0, 1]
    lane.take(filled(0, BUY, 99, 10, 0))
    assert [quotes for quotes, _ in told(lane)] == [False, True]


def test_a_dead_gateway_pulls_the_quotes_it_brings() -> None:
    """Another service is no concern; when it is back, quotes may work again."""
    lane = TradingLane(OrderManager)
    plan = plan_of((OrderManager,), {})
    service = attrs.evolve(node_of(Taker, 1, name="gate"), kind="service")
    lane.core = build_core(attrs.evolve(plan, services=(service,)), "main")
    lane.take(RunStarted(START_NS, SESSION, "", ""), LIVE_BOOK)
    lane.take(wanted([(99, 10)], [(101, 10)]))
    accept(lane)
    lane.forget()
    lane.take(ServiceFailed("feed", "test", 1))
    assert told(lane) == []
    lane.take(ServiceFailed("gate", "test", 1))
    assert (cancels(lane), told(lane)) == ([0, 1], [(False, "gate is down")])
    lane.take(ServiceRestarted("gate", 1))
    assert told(lane)[1:] == [(True, "gate was started again")]
    lane.take(cancelled(0), cancelled(1))
    lane.take(wanted([(99, 10)], []))
    accept(lane)
    lane.take(ServiceStopped("gate", "test"))
    assert told(lane)[-1] == (False, "gate is down")


# ---- what is not answered


def test_what_is_not_answered_is_told_and_asked_for() -> None:
    """The command, how long it waited, a question to the venue, and a cancel."""
    lane = TradingLane(OrderManager, params={OrderManager: OrderManagerParams(answer_ms=1_000)})
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    lane.pass_ms(1_000)
    (timed_out,) = lane.of(OrderTimedOut)
    assert (timed_out.order_id, timed_out.command, timed_out.waited_ns) == (FIRST_ID, "new", 1_000_000_000)
    assert [one.order_id for one in lane.of(OrderStatusWanted)] == [FIRST_ID]
    assert cancels(lane) == [0]


def test_an_unanswered_change_is_cancelled() -> None:
    """Nobody knows at what price it works."""
    lane = changing(answer_ms=1_000)
    lane.take(wanted([(98, 10)], [(101, 10)]))
    lane.pass_ms(1_000)
    assert [one.command for one in lane.of(OrderTimedOut)] == ["replace"]
    assert cancels(lane) == [0]


def test_after_the_halt_it_goes_on_asking() -> None:
    """A cancel that stays unanswered halts once, and is repeated until the order is known to be gone."""
    lane = TradingLane(OrderManager, params={OrderManager: OrderManagerParams(answer_ms=1_000, attempts=2)})
    lane.take(LIVE_BOOK)
    lane.take(wanted([(99, 10)], []))
    lane.pass_ms(10_000)
    assert len(lane.of(TradingHalted)) == 1
    assert len(cancels(lane)) >= 7
    lane.take(cancelled(0))
    lane.pass_ms(10_000)
    assert lane.actor(OrderManager).summary()["unanswered"] == 0


def test_every_order_has_to_answer_a_cancel_of_all() -> None:
    """One that does not is cancelled by itself."""
    lane = quoting()
    lane.take(CancelAll(0, "test"))
    lane.take(cancelled(0))
    lane.pass_ms(2_000)
    assert cancels(lane) == [1]


def test_orders_of_others_are_looked_after() -> None:
    """An order that somebody else sent is cancelled when it is not answered."""
    lane = TradingLane(OrderManager)
    lane.take(LIVE_BOOK)
    lane.take(ChildOrder(5, 4, STRATEGY, INSTRUMENT_ID, BUY, 1, 2, UNIT, 10, 0, 0, False, False, 0, START_NS))
    lane.take(NewOrder(5, 4, STRATEGY, INSTRUMENT_ID, BUY, 1, 2, UNIT, 10, 0, 0, False, False, 0, START_NS))
    lane.pass_ms(2_000)
    assert [cancel.order_id for cancel in lane.of(CancelOrder)] == [5]
    lane.take(OrderAccepted(5, INSTRUMENT_ID, "v", START_NS), OrderCancelled(5, INSTRUMENT_ID, 10, 0, "test"))
    assert lane.actor(OrderManager).summary()["unanswered"] == 0


def test_quotes_are_not_confused_with_orders_of_the_router() -> None:
    """A taking order of the same strategy serves no level and is not cancelled as a quote."""
    lane = quoting()
    lane.take(ChildOrder(5, 4, STRATEGY, INSTRUMENT_ID, BUY, 1, 2, 99 * UNIT, 10, 0, 0, False, False, 0, START_NS))
    lane.take(wanted([(99, 10)], [(101, 10)]))
    lane.take(BookStateChanged(INSTRUMENT_ID, STALE, "test", 0, 0))
    assert cancels(lane) == [0, 1]


def test_risk_refusing_a_change_leaves_nothing_behind() -> None:
    """The order that was to be changed is cancelled, and the side rests."""
    lane = changing()
    lane.take(wanted([(98, 20)], [(101, 10)]))
    lane.take(ReplaceRejected(FIRST_ID, INSTRUMENT_ID, REJECT_POSITION, "position"))
    lane.take(cancelled(0))
    lane.take(wanted([(98, 20)], [(101, 10)]))
    assert orders(lane) == []


def test_instruments_of_no_concern_are_left_alone() -> None:
    """A want for an instrument that it does not work on opens nothing."""
    lane = TradingLane(OrderManager)
    one = wanted([(99, 10)], [])
    other = type(one)(
        STRATEGY, i64(99), one.bid_prices, one.bid_sizes, one.ask_prices, one.ask_sizes, 0.0, "test", START_NS
    )
    lane.actor(OrderManager).on_wanted_quotes(other)
    assert orders(lane) == []
    assert INSTRUMENT.tick == TICK
