"""A venue whose copies are behind each other: what one answer denies another affirms, and orders outlive their end."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from exchange.protocol import OrderForm
from market.messages import (
    REJECT_RATE_LIMITED,
    ConnectionDown,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    VenueStateComplete,
)
from tests.exchange.desk_of_orders import BTC
from tests.exchange.test_trading_gateway_ccxt import lots, trading
from tests.exchange.test_trading_gateway_limits import NOT_FOUND, ORDER_ID, UNKNOWN, Script, row, script, trade_row
from venues.ccxt_binance import CANCEL_ORDER, CLOCK, NEW_ORDER, ONE_ORDER, OPEN_ORDERS, OWN_TRADES
from venues.ccxt_errors import CallFailed, Outcome
from venues.gateway_orders import GatewayOrder

VOID_S = 7.0
"""Longer than an order may be missing before it is held for gone."""

OFF_CLOCK = CallFailed(Outcome.CLOCK, 1, "outside of the window")
LIMITED = CallFailed(Outcome.LIMITED, 30, "429", 60.0)
REFUSED = CallFailed(Outcome.REFUSED, 37, "market is closed")
TIME = {"serverTime": 10**12}
GONE_WITH_A_FILL = row(status="CANCELED", executedQty="0.100")


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


# ---- orders that work although they were told to be over


async def test_an_order_given_up_that_works_is_found_by_the_watch(autojump_clock: MockClock) -> None:
    """It was told to be refused; asked once more, the venue has it: it is cancelled, and its fill is told."""
    one = script(
        (ONE_ORDER, NOT_FOUND), (ONE_ORDER, row()), (CANCEL_ORDER, GONE_WITH_A_FILL),
        (OWN_TRADES, [trade_row(1, "0.100")]),
    )  # fmt: skip
    order = one.desk.orders.open[ORDER_ID]
    order.sent_ns = 0
    assert await one.desk.settle(order)
    await trio.sleep(VOID_S)
    await one.desk.watch()
    assert one.desk.ghosts == {ORDER_ID}
    await one.desk.lay_ghosts()
    assert one.kinds() == [OrderRejected, OrderFilled]
    assert (one.desk.ghosts, one.calls.script) == (set(), [])


async def test_an_answer_that_comes_after_the_end_leaves_nothing_working(autojump_clock: MockClock) -> None:
    """The order was told refused while its request was on its way: it is cancelled again and again until it is gone."""
    one = script(
        (NEW_ORDER, row()), (CANCEL_ORDER, UNKNOWN), (CANCEL_ORDER, REFUSED), (CANCEL_ORDER, NOT_FOUND),
        (ONE_ORDER, GONE_WITH_A_FILL), (OWN_TRADES, []), (CANCEL_ORDER, NOT_FOUND), (ONE_ORDER, GONE_WITH_A_FILL),
        (OWN_TRADES, [trade_row(1, "0.100")]),
    )  # fmt: skip
    order = one.desk.orders.open[ORDER_ID]
    one.desk.orders.never_arrived(order)
    await one.desk.enter(order, {})
    with pytest.raises(CallFailed):
        await one.desk.lay_ghosts()
    for _ in range(3):
        assert one.desk.ghosts == {ORDER_ID}
        await one.desk.lay_ghosts()
    assert (one.kinds(), one.desk.ghosts, one.calls.script) == ([OrderFilled], set(), [])


async def test_an_order_that_ended_is_not_sent_again(autojump_clock: MockClock) -> None:
    """It was refused for its time; while the venue's time was asked for, it was told to be over."""
    one = script((NEW_ORDER, OFF_CLOCK), (CLOCK, TIME))
    order = one.desk.orders.open[ORDER_ID]
    one.desk.orders.never_arrived(order)
    await one.desk.enter(order, {})
    assert (one.told, one.calls.script) == ([], [])


async def test_an_order_sent_again_has_all_its_time_anew(autojump_clock: MockClock) -> None:
    """What was sent later may arrive later: it is not given up by the time of the first request."""
    one = script((NEW_ORDER, OFF_CLOCK), (CLOCK, TIME), (NEW_ORDER, row(executedQty="0.100")), (OWN_TRADES, UNKNOWN))
    order = one.desk.orders.open[ORDER_ID]
    order.sent_ns = 0
    one.desk.is_up = False
    await one.desk.enter(order, {})
    assert order.sent_ns >= 10**18


async def test_what_the_venue_wants_of_a_request_made_again_is_heeded(autojump_clock: MockClock) -> None:
    """A 429 holds everything, whichever request it answers."""
    for rows in [
        ((NEW_ORDER, OFF_CLOCK), (CLOCK, TIME), (NEW_ORDER, LIMITED)),
        ((NEW_ORDER, OFF_CLOCK), (CLOCK, LIMITED)),
    ]:
        one = script(*rows)
        await one.desk.enter(one.desk.orders.open[ORDER_ID], {})
        assert one.kinds() == [OrderRejected]
        assert one.desk.weight.delay_s() > 59


# ---- a venue that wants to be left alone


async def test_a_long_hold_is_a_lost_connection(tmp_path: Path) -> None:
    """Nobody knows what trades meanwhile: the loss is told with its length, and a full look ends it."""
    async with trading(tmp_path) as (_, alice, bob):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        alice.gateway.desk.weight.hold(1.5)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000", time_in_force="ioc"))
        assert (await alice.lost()).reason == "rate-limited for 2 s"
        late = alice.order("50000")
        refused = await alice.expect(OrderRejected, late)
        assert (refused.code, "rate-limited" in refused.reason) == (REJECT_RATE_LIMITED, True)
        assert alice.filled(one) == 0
        await alice.connected(2)
        assert alice.filled(one) == lots("0.2")
        assert alice.of(VenueStateComplete)[-1].count == 1


async def test_a_short_hold_is_none(tmp_path: Path) -> None:
    """Shorter than two polls: the next one after it asks."""
    async with trading(tmp_path, poll_ms=200) as (_, alice, bob):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        alice.gateway.desk.weight.hold(0.3)
        await bob.order(OrderForm(symbol="BTCUSDT", side="sell", size="0.2", price="60000", time_in_force="ioc"))
        await alice.expect(OrderFilled, one)
        assert len(alice.of(ConnectionDown)) == 1


async def test_our_own_limit_used_up_for_long_is_a_lost_connection(tmp_path: Path) -> None:
    """Polls that find no room for their questions are blind too, whoever set the limit."""
    async with trading(tmp_path) as (_, alice, _bob):
        one = alice.order("60000", "0.5")
        await alice.expect(OrderAccepted, one)
        while alice.gateway.desk.weight.spend():
            pass
        assert "used up" in (await alice.lost()).reason
