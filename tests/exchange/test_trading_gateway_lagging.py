"""A venue whose copies are behind each other: what one answer denies another affirms, and orders outlive their end."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from market.messages import OrderCancelled, OrderFilled
from tests.exchange.desk_of_orders import BTC
from tests.exchange.test_trading_gateway_limits import NOT_FOUND, ORDER_ID, Script, row, script, trade_row
from venues.ccxt_binance import CANCEL_ORDER, ONE_ORDER, OPEN_ORDERS, OWN_TRADES
from venues.gateway_orders import GatewayOrder

VOID_S = 7.0
"""Longer than an order may be missing before it is held for gone."""


def working(one: Script) -> GatewayOrder:
    """The order of a script, acknowledged."""
    order = one.desk.orders.open[ORDER_ID]
    one.desk.orders.accepted(order, "17", 0)
    return order


async def test_one_answer_does_not_end_an_order_that_worked(autojump_clock: MockClock) -> None:
    """A copy that is behind says that there is none: nothing is told, and the next answer counts from anew."""
    one = script(
        (OPEN_ORDERS, []), (ONE_ORDER, NOT_FOUND), (OPEN_ORDERS, [row()]),
        (OPEN_ORDERS, []), (ONE_ORDER, NOT_FOUND),
    )  # fmt: skip
    order = working(one)
    await one.desk.look(BTC, tells=False)
    await trio.sleep(VOID_S)
    await one.desk.look(BTC, tells=False)
    await one.desk.look(BTC, tells=False)
    assert (one.told, one.calls.script, order.is_open) == ([], [], True)


async def test_an_order_that_stays_away_ends_after_its_trades(autojump_clock: MockClock) -> None:
    """Missing for seconds, it is over: its trades are asked for first, and once more later."""
    one = script(
        (ONE_ORDER, NOT_FOUND), (ONE_ORDER, NOT_FOUND), (OWN_TRADES, [trade_row(1, "0.100")]),
        (ONE_ORDER, NOT_FOUND), (OWN_TRADES, [trade_row(1, "0.100"), trade_row(2, "0.200")]),
    )  # fmt: skip
    order = working(one)
    assert not await one.desk.settle(order)
    assert one.told == []
    await trio.sleep(VOID_S)
    assert await one.desk.settle(order)
    assert one.kinds() == [OrderFilled, OrderCancelled]
    await one.desk.watch()
    await trio.sleep(VOID_S)
    await one.desk.watch()
    assert one.kinds() == [OrderFilled, OrderCancelled, OrderFilled]
    assert (one.desk.orders.watched, one.calls.script) == ({}, [])


async def test_a_cancel_that_finds_nothing_does_not_end_it_either(autojump_clock: MockClock) -> None:
    """The cancel and the question both met a copy that is behind: the cancel is sent again."""
    one = script(
        (CANCEL_ORDER, NOT_FOUND), (ONE_ORDER, NOT_FOUND),
        (CANCEL_ORDER, row(status="CANCELED", executedQty="0.100")), (OWN_TRADES, [trade_row(1, "0.100")]),
    )  # fmt: skip
    order = working(one)
    order.is_cancel_wanted = True
    await one.desk.tend(order)
    assert one.kinds() == [OrderFilled, OrderCancelled]
