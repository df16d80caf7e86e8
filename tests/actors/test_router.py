"""The router: splits by all-in price, keeps limits, routes anew what is not filled, and learns from what happens."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pytest
from librt.vecs import vec
from mypy_extensions import i64

from actors.order_gateways import Gateways
from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from actors.router import Router
from actors.router_params import RouterParams
from actors.router_venues import make_venues
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    ALGORITHM_AT_ONCE,
    ALGORITHM_TWAP,
    BUY,
    CAUSE_TIME_IN_FORCE,
    IOC,
    LIMIT,
    LIVE,
    PARENT_CANCELLED,
    PARENT_DONE,
    PARENT_ENDED,
    PARENT_WORKING,
    REJECT_POSITION,
    SELL,
    STALE,
    TAKER,
    ActorFailed,
    Alert,
    BookSnapshot,
    BookStateChanged,
    ChildOrder,
    FlattenPosition,
    Lagging,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    ParentCancel,
    ParentProgress,
    PauseQuoting,
    RouteDecided,
    RoutedOrder,
    RouteOutcome,
    RunStarted,
    TargetPosition,
    TopOfBook,
    TradingHalted,
)
from market.routing import MOST
from runtime.actor import Actor
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from tests.actors.trading_lane import SESSION, START_NS, Spy, TradingLane
from tests.runtime.lanes import node_of

STRATEGY = 77
PARENT = 9


def instrument(number: int, venue: str, tick: str, lot: str, fee_bps: str) -> Instrument:
    """BTC/USDT at one venue."""
    return Instrument.from_text(
        instrument_id=number, symbol="BTC/USDT", venue=venue, venue_symbol="BTC", base="BTC", quote="USDT",
        kind="spot", tick=tick, lot=lot, minimum_size=lot, minimum_notional="5", maker_fee_bps="0",
        taker_fee_bps=fee_bps,
    )  # fmt: skip


# One and two have the same numbers; three has a coarser tick and finer lots, so that nothing may be compared as it is.
VENUES = (
    instrument(1, "one", "0.01", "0.001", "5"),
    instrument(2, "two", "0.01", "0.001", "5"),
    instrument(3, "three", "0.1", "0.00001", "0"),
)


class RouterLane(TradingLane):
    """A lane over three venues; the test plays risk and the venues."""

    def __init__(
        self, *classes: type[Actor], manager: OrderManagerParams | None = None, services: tuple[Node, ...] = (),
        settings: Mapping[type[Actor], object] | None = None,
    ) -> None:  # fmt: skip
        params: dict[type[Actor], object] = {
            Router: RouterParams(fill_rate=1.0, latency_ms=0.0, rounds=3),
            OrderManager: manager or OrderManagerParams(routed=True, answer_ms=1_000),
            **(settings or {}),
        }
        nodes = [node_of(one, number, params=params[one]) for number, one in enumerate(classes, start=1)]
        nodes.append(node_of(Spy, len(nodes) + 1))
        names = {one.venue: one.instrument_id for one in VENUES}
        self.core = build_core(
            Blueprint(SystemConfig(), InstrumentTable(list(VENUES)), names, tuple(nodes), services), "main"
        )
        self.now_ns = START_NS
        self.trades = 0
        self.take(RunStarted(START_NS, SESSION, "", ""))

    def book(self, number: int, bids: list[tuple[str, str]], asks: list[tuple[str, str]], depth: bool = True) -> None:
        """A venue shows this, (price, size) best first."""
        one = VENUES[number - 1]
        bid = [(one.parse_price(price), one.parse_size(size)) for price, size in bids]
        ask = [(one.parse_price(price), one.parse_size(size)) for price, size in asks]
        self.take(
            TopOfBook(number, LIVE, *(bid[0] if bid else (0, 0)), *(ask[0] if ask else (0, 0)), 1, self.now_ns,
                      self.now_ns)
        )  # fmt: skip
        if depth:
            self.take(
                BookSnapshot(
                    number, 1, vec[i64]([price for price, _ in bid]), vec[i64]([size for _, size in bid]),
                    vec[i64]([price for price, _ in ask]), vec[i64]([size for _, size in ask]), self.now_ns,
                    self.now_ns,
                )
            )  # fmt: skip

    def route(self, side: int, size: str, limit: str = "0", parent: int = PARENT) -> None:
        """An order to split, in the numbers of venue one."""
        one = VENUES[0]
        self.take(
            RoutedOrder(
                parent, 0, STRATEGY, 1, side, LIMIT, IOC, one.parse_price(limit), one.parse_size(size), 0, 0, False,
                False, 0, self.now_ns,
            )
        )  # fmt: skip

    def sent(self) -> list[tuple[str, str, str]]:
        """Venue, size and price of every child."""
        found = []
        for order in self.of(ChildOrder):
            one = VENUES[order.instrument_id - 1]
            found.append((one.venue, one.format_size(order.size), one.format_price(order.price)))
        return found

    def accept(self, order: ChildOrder) -> None:
        """Risk passes a child, and its venue takes it."""
        self.take(
            NewOrder(
                order.order_id, order.parent_id, order.strategy_id, order.instrument_id, order.side, order.order_type,
                order.time_in_force, order.price, order.size, 0, 0, False, False, 0, self.now_ns,
            )
        )  # fmt: skip
        self.take(OrderAccepted(order.order_id, order.instrument_id, "v", self.now_ns))

    def answer(self, order: ChildOrder, filled: str | None = None) -> None:
        """Risk passes a child, its venue fills it in whole or in part and cancels the rest."""
        one = VENUES[order.instrument_id - 1]
        size = order.size if filled is None else one.parse_size(filled)
        self.accept(order)
        if size > 0:
            self.trades += 1
            self.take(
                OrderFilled(
                    order.order_id, order.instrument_id, order.strategy_id, self.trades, order.side,
                    order.price or one.parse_price("100"), size, order.size - size, 0, TAKER, self.now_ns,
                )
            )  # fmt: skip
        if size < order.size:
            self.take(
                OrderCancelled(order.order_id, order.instrument_id, order.size - size, CAUSE_TIME_IN_FORCE, "rest")
            )

    def answer_all(self, filled: str | None = None) -> None:
        """The same for every child that is open."""
        for order in self.of(ChildOrder):
            known = self.core.ledger.open.get(order.order_id)
            if known is not None and not known.sent:
                self.answer(order, filled)


def routing() -> RouterLane:
    """A router that sees three live books."""
    lane = RouterLane(Router)
    lane.book(1, [("99.90", "1")], [("100.00", "1"), ("100.10", "2")])
    lane.book(2, [("99.95", "1")], [("100.02", "1"), ("100.20", "2")])
    lane.book(3, [("99.7", "1")], [("100.1", "0.50000")])
    return lane


def test_parts_go_where_the_price_with_the_fee_is_best() -> None:
    """Venue three is dearer, but takes no fee: 100.1 there is cheaper than 100.10 with five basis points."""
    lane = routing()
    lane.route(BUY, "2.4")
    assert lane.sent() == [("one", "1.000", "100.00"), ("two", "1.000", "100.02"), ("three", "0.40000", "100.1")]
    assert all(order.parent_id == PARENT and order.time_in_force == IOC for order in lane.of(ChildOrder))
    assert not any(order.post_only for order in lane.of(ChildOrder))


def test_the_decision_says_why() -> None:
    """Sizes and all-in prices by venue, and in words."""
    lane = routing()
    lane.route(BUY, "1.2")
    (decided,) = lane.of(RouteDecided)
    assert list(decided.instruments) == [1, 2]
    assert (
        "buy 1.200 BTC/USDT: one 1.000 up to 100.00, all-in 100.05 (fee 5.0 bps, fills 100 %, 0 ms)" in decided.reason
    )
    assert decided.all_in_prices[0] == 10_005
    assert lane.actor(Router).panel()["routes"] == [decided.reason]


def test_limit_is_kept_and_the_rest_waits_for_another_book() -> None:
    """Two of the five cannot be had within the limit; when the rounds are used up, the order ends."""
    lane = routing()
    lane.route(BUY, "5", "100.05")
    assert lane.sent() == [("one", "1.000", "100.00"), ("two", "1.000", "100.02")]
    assert lane.of(RouteDecided)[0].unplaced == 3_000
    lane.answer_all()
    assert lane.of(ParentProgress)[-1].filled == 2_000
    lane.pass_ms(200)
    assert len(lane.sent()) == 2
    (ended,) = [one for one in lane.of(ParentProgress) if one.state == PARENT_ENDED]
    assert (ended.filled, ended.remaining) == (2_000, 3_000)


def test_what_is_not_filled_is_routed_anew_elsewhere() -> None:
    """A venue that gave nothing is left out until it shows another book."""
    lane = routing()
    lane.route(BUY, "1")
    assert lane.sent() == [("one", "1.000", "100.00")]
    lane.answer_all("0")
    assert lane.sent()[1:] == [("two", "1.000", "100.02")]
    lane.answer_all()
    done = lane.of(ParentProgress)[-1]
    assert (done.state, done.filled, done.remaining) == (PARENT_DONE, 1_000, 0)


def test_venue_that_shows_a_new_book_is_tried_again() -> None:
    """After an update its liquidity may be there again."""
    lane = routing()
    lane.route(BUY, "1")
    lane.book(1, [("99.90", "1")], [("100.01", "1")])
    lane.answer_all("0")
    assert lane.sent()[1:] == [("one", "1.000", "100.01")]


def test_only_live_books_count() -> None:
    """A venue that is stale gets nothing, and one that failed nothing until it is told again."""
    lane = routing()
    lane.take(BookStateChanged(1, STALE, "test", 0, 0))
    lane.route(BUY, "0.5")
    assert [venue for venue, _, _ in lane.sent()] == ["two"]
    lane.actor(Router).on_actor_failed(ActorFailed(1, 1, 1, "test"))
    lane.route(BUY, "0.5", parent=10)
    assert len(lane.sent()) == 1


def test_depth_that_does_not_fit_the_touch_is_not_trusted() -> None:
    """The touch alone is used when it is newer than the levels."""
    lane = routing()
    lane.book(1, [("99.90", "1")], [("99.99", "0.4")], depth=False)
    lane.route(BUY, "1")
    assert lane.sent()[0] == ("one", "0.400", "99.99")


def test_sells_go_to_the_best_bids() -> None:
    """After fees venue two brings most, then one."""
    lane = routing()
    lane.route(SELL, "1.5")
    assert lane.sent() == [("one", "0.500", "99.90"), ("two", "1.000", "99.95")]


def test_fills_latency_and_rates_are_learned() -> None:
    """Half a fill lowers the rate by its weight; the time to the first answer enters the latency."""
    lane = routing()
    lane.route(BUY, "1")
    lane.now_ns += 40_000_000
    lane.answer_all("0.5")
    (outcome,) = lane.of(RouteOutcome)
    assert (outcome.sent, outcome.filled, outcome.latency_ns) == (1_000, 500, 40_000_000)
    venue = lane.actor(Router).venues[1]
    assert venue.fill_rate == pytest.approx(0.95)
    assert venue.latency_ns == pytest.approx(4_000_000)


def test_refusal_by_risk_says_nothing_of_the_venue() -> None:
    """The venue is left out for this order, and nothing is learned."""
    lane = routing()
    lane.route(BUY, "1")
    (order,) = lane.of(ChildOrder)
    lane.take(OrderRejected(order.order_id, 1, REJECT_POSITION, "test", "risk"))
    assert lane.of(RouteOutcome) == []
    assert "one" not in [venue for venue, _, _ in lane.sent()[1:]]


def test_a_cancelled_order_is_not_routed_anew() -> None:
    """What is sent stays sent; the end is told when it has answered."""
    lane = routing()
    lane.route(BUY, "1")
    lane.take(ParentCancel(PARENT, "test", START_NS))
    assert lane.of(ParentProgress) == []
    lane.answer_all("0.5")
    last = lane.of(ParentProgress)[-1]
    assert (last.state, last.filled, last.reason) == (PARENT_CANCELLED, 500, "test")
    assert len(lane.sent()) == 1


def test_a_halt_ends_everything() -> None:
    """Nothing is routed while trading is halted."""
    lane = routing()
    lane.take(TradingHalted("test", "test"))
    lane.route(BUY, "1")
    assert lane.sent() == []
    assert lane.of(ParentProgress)[-1].state == PARENT_CANCELLED


def test_volatility_and_latency_make_a_slow_venue_dearer() -> None:
    """With a price that moves, a venue that answers after a second loses to one that answers at once."""
    lane = RouterLane(Router)
    for second in range(5):
        price = "100.00" if second % 2 else "101.00"
        lane.book(1, [("99.00", "1")], [(price, "1")])
        lane.book(2, [("99.00", "1")], [(price, "1")])
        lane.pass_ms(1_000)
    router = lane.actor(Router)
    router.venues[1].latency_ns = 1e9
    lane.book(1, [("99.00", "1")], [("100.00", "1")])
    lane.book(2, [("99.00", "1")], [("100.05", "1")])
    lane.route(BUY, "1")
    assert [venue for venue, _, _ in lane.sent()] == ["two"]


# ---- with the order manager


def managed() -> RouterLane:
    """Order manager and router over three live books."""
    lane = RouterLane(OrderManager, Router)
    for number in (1, 2, 3):
        lane.take(BookStateChanged(number, LIVE, "test", 0, 0))
    lane.book(1, [("99.90", "1")], [("100.00", "1"), ("100.10", "2")])
    lane.book(2, [("99.95", "1")], [("100.02", "1"), ("100.20", "2")])
    lane.book(3, [("99.7", "1")], [("100.1", "0.50000")])
    return lane


def target(lane: RouterLane, net: str, limit: str = "0", number: int = 1) -> None:
    """The strategy wants to hold so much."""
    one = VENUES[number - 1]
    lane.take(
        TargetPosition(
            STRATEGY, number, one.parse_size(net), one.parse_price(limit), ALGORITHM_AT_ONCE, "test", START_NS
        )
    )


def position(lane: RouterLane) -> float:
    """What the strategy holds over all venues, in base."""
    ledger = lane.core.ledger
    held = [(one, ledger.standing(one.instrument_id, STRATEGY).net_size) for one in VENUES]
    return sum((float(one.format_size(net_size)) for one, net_size in held), 0.0)


def test_a_target_is_reached_over_several_venues() -> None:
    """The difference is routed; when all parts are filled, there is nothing more to do."""
    lane = managed()
    target(lane, "1.5")
    assert [(order.side, order.size) for order in lane.of(RoutedOrder)] == [(BUY, 1_500)]
    lane.answer_all()
    assert position(lane) == pytest.approx(1.5)
    lane.pass_ms(10_000)
    assert len(lane.of(RoutedOrder)) == 1
    assert lane.actor(OrderManager).summary()["targets"] == 0


def test_a_target_counts_what_is_held_anywhere() -> None:
    """Half is held at another venue: only the rest is bought."""
    lane = managed()
    target(lane, "0.5", number=3)
    lane.answer_all()
    target(lane, "1.5")
    assert lane.of(RoutedOrder)[-1].size == 1_000


def test_a_new_target_takes_the_place_of_the_old_one() -> None:
    """The order under way ends first; then the difference to the new target is sent."""
    lane = managed()
    target(lane, "1")
    target(lane, "-1")
    assert len(lane.of(ParentCancel)) == 1
    assert len(lane.of(RoutedOrder)) == 1
    lane.answer_all("0.4")
    assert [(order.side, order.size) for order in lane.of(RoutedOrder)][1:] == [(SELL, 1_400)]


def test_a_target_that_cannot_be_reached_is_given_up_and_told() -> None:
    """After its rounds without a fill a person hears of it, and nothing more is sent."""
    lane = managed()
    target(lane, "1", "90.00")
    for _ in range(200):
        lane.pass_ms(100)
    assert lane.sent() == []
    (alert,) = lane.of(Alert)
    assert "could not buy 1.000 of BTC/USDT" in alert.title
    assert len(lane.of(RoutedOrder)) == 10


def test_a_target_waits_while_nothing_may_be_sent() -> None:
    """A halt drops it."""
    lane = managed()
    lane.take(TradingHalted("test", "test"))
    target(lane, "1")
    lane.pass_ms(1_000)
    assert lane.of(RoutedOrder) == []


def test_the_order_manager_looks_after_the_routers_children() -> None:
    """A child that is not answered is cancelled, and its strategy's target goes on when it is gone."""
    lane = managed()
    target(lane, "0.1")
    (order,) = lane.of(ChildOrder)
    lane.pass_ms(1_100)
    cancels = [message for message in lane.heard if type(message).__name__ == "CancelOrder"]
    assert [getattr(cancel, "order_id", 0) for cancel in cancels] == [order.order_id]


def test_flattening_closes_at_the_venue_where_it_is_held() -> None:
    """A market order there, and none elsewhere."""
    lane = managed()
    target(lane, "1.5")
    lane.answer_all()
    lane.forget()
    lane.take(FlattenPosition(0, 0, "test", START_NS))
    held = {order.instrument_id: (order.side, order.size) for order in lane.of(ChildOrder)}
    assert held == {
        one.instrument_id: (SELL, lane.core.ledger.standing(one.instrument_id, STRATEGY).net_size)
        for one in VENUES
        if lane.core.ledger.standing(one.instrument_id, STRATEGY).net_size
    }
    lane.answer_all()
    assert position(lane) == 0
    assert lane.core.anomalies == []


def test_an_order_that_no_venue_could_count_is_too_large() -> None:
    """Its size in the numbers of the finest venue would have no room: it ends, and nothing is sent."""
    alike = [attrs.evolve(VENUES[0], size_scale=0, lot=1), attrs.evolve(VENUES[0], lot=1)]
    coarse, fine = make_venues(alike, Gateways([1], {}, {}))
    places = VENUES[0].size_scale
    assert coarse.units(7) == 7 * 10**places
    assert coarse.units(9 * 10**18) == coarse.most_units + 1
    assert fine.units(MOST) == fine.most_units == coarse.most_units == MOST
    lane = routing()
    lane.take(RoutedOrder(PARENT, 0, STRATEGY, 1, BUY, LIMIT, IOC, 0, 9 * 10**18, 0, 0, False, False, 0, lane.now_ns))
    (told,) = lane.of(ParentProgress)
    assert (told.state, told.reason) == (PARENT_ENDED, "too large")
    assert lane.sent() == []


# ---- what holds everything


@pytest.mark.parametrize(
    ("holds", "over"),
    [(PauseQuoting(True, "ada"), PauseQuoting(False, "ada")), (Lagging(300_000_000), Lagging(0))],
    ids=["paused", "lagging"],
)
def test_nothing_is_routed_anew_while_quoting_is_paused_or_the_lane_lags(holds: Message, over: Message) -> None:
    """What was not filled waits, however long, without losing a round; then it goes on."""
    lane = routing()
    lane.route(BUY, "1")
    lane.take(holds)
    lane.answer_all("0")
    lane.pass_ms(10_000)
    assert len(lane.sent()) == 1
    assert [one.state for one in lane.of(ParentProgress)] == [PARENT_WORKING]
    lane.take(over)
    lane.pass_ms(60)
    assert lane.sent()[1:] == [("two", "1.000", "100.02")]


def test_a_target_that_nobody_here_can_work_is_refused_and_told_once() -> None:
    """Another algorithm than at once is no order at once: nothing is sent, and the one before it ends."""
    lane = managed()
    target(lane, "1")
    slowly = TargetPosition(STRATEGY, 1, 2_000, 0, ALGORITHM_TWAP, "slowly", START_NS)
    lane.take(slowly)
    lane.take(slowly)
    assert len(lane.of(ParentCancel)) == 1
    assert [one.title for one in lane.of(Alert)] == [f"no order is worked by algorithm {ALGORITHM_TWAP}"]
    lane.answer_all("0")
    lane.pass_ms(1_000)
    assert (len(lane.of(RoutedOrder)), lane.actor(OrderManager).summary()["targets"]) == (1, 0)
    target(lane, "1")
    assert len(lane.of(RoutedOrder)) == 2
