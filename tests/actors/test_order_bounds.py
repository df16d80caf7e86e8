"""Orders that are larger than risk lets pass become several: of the router, and to close a position."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.order_bounds import SizeBounds
from actors.order_gateways import Gateways
from actors.order_manager import OrderManager
from actors.risk import Risk
from actors.risk_params import RiskParams
from actors.router import Router
from actors.router_venues import MOST_PIECES, make_venues
from market.messages import (
    BUY,
    LIVE,
    PARENT_DONE,
    PARENT_ENDED,
    REJECT_ORDER_NOTIONAL,
    REJECT_ORDER_SIZE,
    REJECT_POSITION,
    SELL,
    BookStateChanged,
    ChildOrder,
    FlattenPosition,
    LimitChanged,
    Message,
    NewOrder,
    OperatorCommand,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    ParentProgress,
    RiskRefused,
    RouteDecided,
)
from runtime.actor import Actor
from runtime.config.rules import DecimalText
from tests.actors.test_router import STRATEGY, VENUES, RouterLane, position, target
from tests.seeds import examples


class Filling(Actor):
    """A venue that fills every order at once."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {NewOrder: "on_order"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (OrderAccepted, OrderFilled)

    def on_order(self, order: NewOrder) -> None:
        """Fill it at its price, or at 100 where it has none."""
        price = order.price or VENUES[order.instrument_id - 1].parse_price("100")
        self.emit(OrderAccepted(order.order_id, order.instrument_id, "v", self.now))
        self.emit(
            OrderFilled(
                order.order_id, order.instrument_id, order.strategy_id, order.order_id, order.side, price, order.size,
                0, 0, 1, self.now,
            )
        )  # fmt: skip


def limited(maximum_order_size: str = "1000", maximum_order_notional: str = "1000000") -> RouterLane:
    """Order manager, router, risk with these bounds on one order, and venues that fill; three deep live books."""
    params = RiskParams(
        maximum_position=DecimalText("1000"), maximum_daily_loss=DecimalText("1000000"), collar_bps=1_000,
        maximum_orders=1_000, maximum_open_orders=1_000, refuse_self_trade=False, refuse_duplicates=False,
        maximum_order_size=DecimalText(maximum_order_size),
        maximum_order_notional=DecimalText(maximum_order_notional),
    )  # fmt: skip
    lane = RouterLane(OrderManager, Router, Risk, Filling, settings={Risk: params, Filling: None})
    for number in (1, 2, 3):
        lane.take(BookStateChanged(number, LIVE, "test", 0, 0))
        lane.book(number, [("99.9", "5")], [("100.0", "5")])
    return lane


def passed(lane: RouterLane) -> list[tuple[int, int]]:
    """Instrument and size of every order that risk has passed."""
    return [(order.instrument_id, order.size) for order in lane.of(NewOrder)]


@pytest.mark.parametrize(
    "bounds", [{"maximum_order_size": "0.3"}, {"maximum_order_notional": "30"}], ids=["size", "notional"]
)
def test_a_part_that_is_too_large_for_risk_is_sent_in_pieces(bounds: dict[str, str]) -> None:
    """One refusal tells how large one may be; then all of it goes at once, in the same step and the same round."""
    lane = limited(**bounds)
    target(lane, "1")
    assert len(lane.of(RiskRefused)) == 1
    assert passed(lane) == [(3, 25_000)] * 4
    assert position(lane) == pytest.approx(1.0)
    done = lane.of(ParentProgress)[-1]
    assert (done.state, done.filled) == (PARENT_DONE, 1_000)
    assert "three 1.00000 in 4 orders up to 100.0" in lane.of(RouteDecided)[-1].reason
    lane.forget()
    target(lane, "1.5")
    assert (len(lane.of(RiskRefused)), [size for _, size in passed(lane)]) == (0, [25_000, 25_000])


def test_a_wider_limit_is_found_out() -> None:
    """What was learned is forgotten when an operator changes the limit."""
    lane = limited(maximum_order_size="0.3")
    target(lane, "1")
    lane.forget()
    lane.take(OperatorCommand("limit", "maximum_order_size=2", "ann"))
    target(lane, "2")
    assert [size for _, size in passed(lane)] == [100_000]


def test_a_bound_below_the_least_that_a_venue_takes_is_told() -> None:
    """Nothing is sent, nobody asks without end, and the end says why."""
    lane = limited(maximum_order_size="0.0000099")
    target(lane, "0.5")
    lane.pass_ms(400)
    ended = [one for one in lane.of(ParentProgress) if one.state == PARENT_ENDED]
    assert passed(lane) == []
    assert "refused at" in ended[0].reason
    assert "maximum_order_size" in ended[0].reason or "the venue takes none so small" in ended[0].reason
    assert len(lane.of(OrderRejected)) < 40


def test_another_refusal_says_why_it_ends() -> None:
    """A position that would be too large is no question of pieces."""
    lane = RouterLane(Router)
    lane.book(1, [("99.90", "1")], [("100.00", "1")])
    lane.route(BUY, "1")
    (order,) = lane.of(ChildOrder)
    lane.take(RiskRefused(order.order_id, 1, REJECT_POSITION, "maximum_position", 9, 8, 0))
    lane.take(OrderRejected(order.order_id, 1, REJECT_POSITION, "position 9 is above 8", "risk"))
    lane.pass_ms(400)
    assert lane.of(ParentProgress)[-1].reason == "refused at one: position 9 is above 8"


@pytest.mark.parametrize("bounds", [{"maximum_order_size": "0.3"}, {"maximum_order_notional": "30"}])
def test_a_position_that_is_larger_than_one_order_may_be_is_closed(bounds: dict[str, str]) -> None:
    """In pieces, one after the other, at once."""
    lane = limited(**bounds)
    target(lane, "1")
    assert position(lane) == pytest.approx(1.0)
    lane.forget()
    lane.take(FlattenPosition(0, STRATEGY, "test", 0))
    assert position(lane) == 0
    sold = [order for order in lane.of(NewOrder) if order.side == SELL]
    assert len(sold) >= 4
    assert len(lane.of(RiskRefused)) == 1


# ---- what is learned, and how it is cut


def test_a_refusal_for_size_or_worth_tells_how_large_an_order_may_be() -> None:
    """The share of its worth that passes is the share of its size; any other refusal tells nothing."""
    bounds = SizeBounds()
    assert bounds.learn(RiskRefused(1, 4, REJECT_ORDER_SIZE, "maximum_order_size", 900, 300, 0), 900)
    assert bounds.most_size(4) == 300
    assert bounds.learn(RiskRefused(1, 4, REJECT_ORDER_NOTIONAL, "maximum_order_notional", 10**30, 10**29, 0), 55)
    assert bounds.most_size(4) == 5
    assert not bounds.learn(RiskRefused(1, 5, REJECT_POSITION, "maximum_position", 900, 300, 0), 900)
    assert bounds.most_size(5) > 10**18
    other = SizeBounds()
    other.load(bounds.save())
    assert other.most_size(4) == 5
    other.forget(LimitChanged("maximum_order_size", 5, 1, 2, "ann"))
    assert other.most_size(4) == 5
    other.forget(LimitChanged("maximum_order_size", 4, 1, 2, "ann"))
    assert other.most_size(4) > 10**18


@settings(max_examples=examples(200, 10_000), deadline=None)
@given(st.integers(1, 400), st.integers(0, 60), st.integers(0, 40))
def test_pieces_are_whole_lots_within_bound_and_minimum(lots: int, most_lots: int, least_lots: int) -> None:
    """Never more than was placed, none too large or too small, as much as fits, in as few as can be."""
    (venue,) = make_venues([VENUES[0]], Gateways([1], {}, {}))
    if lots < least_lots:
        return
    venue.route.minimum_units = least_lots * venue.lot_units
    pieces = [units // venue.lot_units for units in venue.pieces(lots * venue.lot_units, most_lots * venue.lot)]
    assert sum(pieces) <= lots
    assert all(least_lots <= one <= most_lots for one in pieces)
    reachable = [
        count * min(most_lots, lots // count)
        for count in range(1, MOST_PIECES + 1)
        if least_lots <= min(most_lots, lots // count) > 0
    ]
    if not reachable:
        assert pieces == []
        return
    assert len(pieces) <= MOST_PIECES
    assert sum(pieces) >= max(reachable)
    assert len(pieces) <= -(-lots // most_lots)
