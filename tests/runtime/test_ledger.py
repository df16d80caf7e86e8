"""The ledger: what it knows of orders, fills and positions, and what it calls an anomaly."""

from __future__ import annotations

import json

from market.messages import (
    BUY,
    GTC,
    LIMIT,
    MAKER,
    SELL,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    FeeTaken,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    OrderReplaced,
    PositionLiquidated,
    PositionSettled,
    ReplaceRejected,
    TradeBusted,
)
from market.order_life import CANCELLED, EXPIRED, FILLED, PARTIALLY_FILLED, REPLACE_PENDING, WORKING
from market.positions import SIZE_PARTS
from runtime.ledger import Ledger, MoneyTerms


def child(order_id: int, side: int = BUY, price: int = 100, size: int = 10, strategy_id: int = 1) -> ChildOrder:
    """An order that is asked for."""
    return ChildOrder(order_id, 0, strategy_id, 1, side, LIMIT, GTC, price, size, 0, 0, True, False, 0, 0)


def new(order_id: int) -> NewOrder:
    """The same, let through."""
    return NewOrder(order_id, 0, 1, 1, BUY, LIMIT, GTC, 100, 10, 0, 0, True, False, 0, 0)


def fill(order_id: int, trade_id: int, size: int, side: int = BUY, price: int = 100, remaining: int = 0) -> OrderFilled:
    """A fill without fee."""
    return OrderFilled(order_id, 1, 1, trade_id, side, price, size, remaining, 0, MAKER, 0)


def told(ledger: Ledger, *messages: Message) -> list[str]:
    """Show messages to a ledger; gives the anomalies."""
    return [anomaly for message in messages if (anomaly := ledger.observe(message))]


def working(ledger: Ledger, order_id: int) -> None:
    """An order that works."""
    assert told(ledger, child(order_id), new(order_id), OrderAccepted(order_id, 1, "", 0)) == []


def test_an_order_is_followed_from_its_wish_to_its_end() -> None:
    """Asked for, let through, accepted, filled in parts, gone from the open ones."""
    ledger = Ledger()
    assert told(ledger, child(1)) == []
    assert [order.order_id for order in ledger.unsent_orders()] == [1]
    assert told(ledger, new(1), OrderAccepted(1, 1, "", 0)) == []
    assert ledger.unsent_orders() == []
    assert told(ledger, fill(1, 7, 4)) == []
    order = ledger.order(1)
    assert order is not None
    assert (order.state, order.remaining) == (PARTIALLY_FILLED, 6)
    assert told(ledger, fill(1, 8, 6)) == []
    assert order.state == FILLED
    assert ledger.open_order_count() == 0
    assert ledger.order(1) is order
    assert ledger.net_size(1) == 10
    assert (ledger.orders, ledger.fills) == (1, 2)


def test_a_cancel_that_a_fill_overtook_is_no_anomaly() -> None:
    """The refusal of the cancel comes after the end."""
    ledger = Ledger()
    working(ledger, 1)
    messages = (CancelOrder(1, 1, "", 0), fill(1, 7, 10), CancelRejected(1, 1, 2, "too late"), CancelOrder(1, 1, "", 0))
    assert told(ledger, *messages) == []


def test_a_replace_changes_price_and_size_only_when_the_venue_says_so() -> None:
    """Until then the order is what it was."""
    ledger = Ledger()
    working(ledger, 1)
    assert told(ledger, ChildReplace(1, 1, 105, 8, 0)) == []
    order = ledger.order(1)
    assert order is not None
    assert (order.state, order.price, order.size) == (REPLACE_PENDING, 100, 10)
    assert told(ledger, ReplaceRejected(1, 1, 2, "no")) == []
    assert (order.state, order.price) == (WORKING, 100)
    assert told(ledger, ChildReplace(1, 1, 105, 8, 0), OrderReplaced(1, 1, 105, 8, 0)) == []
    assert (order.state, order.price, order.size) == (WORKING, 105, 8)


def test_every_contradiction_is_named() -> None:
    """Unknown orders, ids used twice, fills beyond the size, reports after the end."""
    ledger = Ledger()
    working(ledger, 1)
    assert told(ledger, child(1)) == ["order id 1 was used twice"]
    assert "nobody here sent" in told(ledger, OrderAccepted(9, 1, "", 0))[0]
    assert "nobody here sent" in told(ledger, fill(9, 1, 1))[0]
    assert "filled for 11" in told(ledger, fill(1, 1, 11))[0]
    working(ledger, 2)
    assert told(ledger, OrderCancelled(2, 1, 10, 0, "")) == []
    assert "cancelled" in told(ledger, fill(2, 5, 1))[0]
    # Money is money: what was reported is in the position, whatever else is wrong.
    assert ledger.net_size(1) == 1 + 11 + 1


def test_a_ledger_that_sees_only_part_wonders_at_nothing() -> None:
    """In a lane without the order manager an unknown order is natural; its fills still count."""
    ledger = Ledger(complete=False)
    messages = (OrderAccepted(9, 1, "", 0), fill(9, 1, 4, SELL), OrderExpired(9, 1, 6), OrderRejected(8, 1, 0, "", ""))
    assert told(ledger, *messages) == []
    assert ledger.net_size(1) == -4
    assert told(ledger, new(5), OrderExpired(5, 1, 10)) == []
    order = ledger.order(5)
    assert order is not None
    assert order.state == EXPIRED


def test_ended_orders_are_forgotten_in_the_end() -> None:
    """Memory stays flat over a long run."""
    ledger = Ledger(ended_capacity=10)
    for order_id in range(1, 101):
        working(ledger, order_id)
        assert told(ledger, OrderCancelled(order_id, 1, 10, 0, "")) == []
    assert len(ledger.ended) == 10
    assert ledger.order(90) is None
    last = ledger.order(100)
    assert last is not None
    assert last.state == CANCELLED


def test_positions_count_money_as_their_instrument_does() -> None:
    """The terms of the instrument decide, also for a ledger that was loaded."""
    ledger = Ledger()
    ledger.terms[1] = MoneyTerms(100, 1, False)
    working(ledger, 1)
    assert told(ledger, fill(1, 1, 10)) == []
    position = ledger.position(1, 1)
    assert position is not None
    assert position.unrealised(103) == 3 * 10 * 100
    again = Ledger()
    again.terms[1] = ledger.terms[1]
    again.load(json.loads(json.dumps(ledger.save())))
    assert again.save() == ledger.save()
    loaded = again.position(1, 1)
    assert loaded is not None
    assert loaded.unrealised(103) == position.unrealised(103)


def test_a_fill_that_cannot_be_is_told_and_raises_nothing() -> None:
    """What a venue reports must never take the lane down: it is an anomaly, which halts trading."""
    ledger = Ledger()
    anomaly = ledger.observe(OrderFilled(1, 1, 1, 7, BUY, 100, 0, 0, 0, 0, 0))
    assert "fill 7 of order 1 cannot be" in anomaly
    assert ledger.net_size(1) == 0


def reduced(order_id: int, removed: int, remaining: int) -> OrderReduced:
    """Some of an order is taken away."""
    return OrderReduced(order_id, 1, removed, remaining, 0, 0)


def test_an_order_that_is_reduced_counts_with_what_is_left() -> None:
    """Without a trade: no position moves, what may still fill is less, and the last fill of the rest ends it."""
    ledger = Ledger()
    working(ledger, 1)
    assert told(ledger, fill(1, 7, 3), reduced(1, 4, 3)) == []
    order = ledger.open[1]
    side = ledger.open_side(1, BUY)
    assert (order.size, order.filled, order.remaining) == (6, 3, 3)
    assert (side.size, side.money, ledger.net_size(1)) == (3, 300, 3)
    assert told(ledger, fill(1, 8, 3)) == []
    assert (order.state, ledger.open_order_count(), side.size) == (FILLED, 0, 0)


def test_a_change_on_its_way_stays_at_its_worst_when_the_order_is_reduced() -> None:
    """The venue may still make it as large as was asked."""
    ledger = Ledger()
    working(ledger, 1)
    assert told(ledger, ChildReplace(1, 1, 100, 12, 0), reduced(1, 4, 6)) == []
    side = ledger.open_side(1, BUY)
    assert side.size == 12
    assert told(ledger, ReplaceRejected(1, 1, 2, "no")) == []
    assert side.size == 6


def test_an_order_that_is_reduced_to_nothing_is_over() -> None:
    """Nothing of it can fill any more."""
    ledger = Ledger()
    working(ledger, 1)
    assert told(ledger, reduced(1, 10, 0)) == []
    order = ledger.order(1)
    assert order is not None
    assert (order.state, ledger.open_order_count()) == (CANCELLED, 0)


def test_a_reduction_that_cannot_be_is_named() -> None:
    """More than is left, nothing at all, of an order that is over or that nobody sent."""
    ledger = Ledger()
    working(ledger, 1)
    assert told(ledger, reduced(1, 11, 0)) == ["order 1 with 10 left was reduced by 11"]
    assert told(ledger, reduced(1, 0, 10)) == ["order 1 with 10 left was reduced by 0"]
    assert told(ledger, OrderCancelled(1, 1, 10, 0, ""), reduced(1, 4, 6)) == [
        "order 1 is at its end and was reduced by 4"
    ]
    assert "nobody here sent" in told(ledger, reduced(9, 4, 6))[0]
    assert told(Ledger(complete=False), reduced(9, 4, 6)) == []


def test_what_nobody_counts_is_told_so_that_trading_stops() -> None:
    """A trade that is taken back, a settlement and a liquidation move a position without a fill of ours."""
    ledger = Ledger(complete=False)
    found = told(
        ledger, TradeBusted(1, 1, 7, "error", 0), PositionSettled(1, 1, -5, 100, 0, 0, "expiry", 0),
        PositionLiquidated(1, 1, BUY, 100, 5, 0, 0),
    )  # fmt: skip
    assert found == [
        "the venue took trade 7 of order 1 back: compare positions with the venue",
        "the venue settled -5 of instrument 1: compare positions with the venue",
        "the venue liquidated 5 of instrument 1: compare positions with the venue",
    ]


def taken(order_id: int, trade_id: int, tenths: int, fee: int = 0) -> FeeTaken:
    """A fee out of what was bought, in tenths of a unit of size."""
    return FeeTaken(order_id, 1, 1, trade_id, 100, tenths * SIZE_PARTS // 10, fee, 0)


def test_fees_out_of_what_was_bought_come_to_whole_units() -> None:
    """The position is what the account has, rounded down: what was taken too much counts for the next fee."""
    ledger = Ledger()
    working(ledger, 1)
    sizes = []
    for trade_id, tenths in enumerate((3, 5, 2, 1, 20, -4, -25), start=1):
        assert told(ledger, taken(1, trade_id, tenths)) == []
        assert ledger.fee_counted
        sizes.append(ledger.fee_size)
    assert sizes == [1, 0, 0, 1, 2, -1, -2]
    # All of it together is two tenths.
    assert (ledger.net_size(1), ledger.standing(1, 1).net_size) == (-1, -1)
    assert ledger.fee_ahead == {1: 8 * SIZE_PARTS // 10}
    assert (ledger.fills, ledger.duplicates) == (0, 0)


def test_a_fee_counts_once_for_each_trade_and_moves_no_cash() -> None:
    """Whether its fill is there or not; told again, by a gateway that was made anew, it counts for nothing."""
    ledger = Ledger()
    working(ledger, 1)
    whole = (taken(1, 7, 4, 40), OrderFilled(1, 1, 1, 7, BUY, 100, 10, 0, 40, MAKER, 0))
    assert told(ledger, whole[0]) == []
    again = Ledger()
    again.load(json.loads(json.dumps(ledger.save())))
    assert told(again, *whole) == []
    assert told(again, *whole) == []
    assert (again.fee_counted, again.fee_size, again.net_size(1), again.duplicates) == (False, 0, 9, 1)
    position = again.position(1, 1)
    assert position is not None
    assert position.realised - position.cost - position.fees == -1_000
    final = Ledger()
    final.load(json.loads(json.dumps(again.save())))
    assert told(final, whole[0]) == []
    assert final.save() == again.save()


def test_a_fee_of_an_order_that_nobody_knows_counts() -> None:
    """It is money, as its fill is, and the fill says what is wrong; one that cannot be is an anomaly and no failure."""
    ledger = Ledger()
    assert told(ledger, taken(9, 1, 10)) == []
    assert (ledger.net_size(1), ledger.fee_counted) == (-1, True)
    before = ledger.save()
    (problem,) = told(ledger, FeeTaken(9, 1, 1, 2, 100, 2**63 * SIZE_PARTS, 0, 0))
    assert "fee of trade 2 of order 9 cannot be" in problem
    assert ledger.save() == before
