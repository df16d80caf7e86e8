"""Requests that do not fit the order, the account or the group that they name: each is refused, and says why."""

from __future__ import annotations

import json

import pytest

from exchange.saving import load_exchange, save_exchange
from market.messages import (
    BUY,
    EVENT_SELF_TRADE,
    REJECT_UNKNOWN_ORDER,
    SELL,
    STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_CANCEL_SMALLEST,
    STP_DECREMENT_BOTH,
    STP_NONE,
    PublicTrade,
)
from tests.exchange.desk_of_orders import ALICE, BOB, BTC, ODD, Desk, rich

# ------------------------------------------------------------------------------------------------- other instruments


def test_a_request_that_names_another_instrument_finds_no_order() -> None:
    """Its price and size are in the steps of that instrument; the order stays as it was, by either name."""
    desk = Desk()
    order_id = desk.enter(ALICE, BUY, 9_000, 10, client_order_id="mine").order_id
    answers = [
        desk.replace(ALICE, order_id, 8_000, 7, instrument_id=ODD),
        desk.replace(ALICE, 0, 8_000, 7, "mine", instrument_id=ODD),
        desk.cancel(ALICE, order_id, instrument_id=ODD),
        desk.cancel(ALICE, 0, "mine", instrument_id=ODD),
        desk.cancel(ALICE, order_id, instrument_id=77),
    ]
    assert [(one.refused, one.code) for one in answers] == [(True, REJECT_UNKNOWN_ORDER)] * 5
    assert {one.reason for one in answers} == {"the account has no such order in this instrument"}
    order = desk.exchange.reports.orders[order_id]
    assert (order.price, order.size) == (9_000, 10)
    assert not desk.replace(ALICE, order_id, 8_000, 7, instrument_id=BTC).refused
    assert not desk.cancel(ALICE, 0, "mine", instrument_id=BTC).refused


# -------------------------------------------------------------------------------------------- accounts without a group


def alone() -> Desk:
    """Alice and Bob, neither of them in a group."""
    return Desk({"alice": rich(ALICE), "bob": rich(BOB)})


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        (STP_CANCEL_RESTING, [40]),
        (STP_CANCEL_INCOMING, [100]),
        (STP_CANCEL_BOTH, []),
        (STP_CANCEL_SMALLEST, [100]),
        (STP_DECREMENT_BOTH, [60]),
    ],
)
def test_an_account_without_a_group_is_kept_from_trading_with_itself(mode: int, left: list[int]) -> None:
    """Every mode works without a group, also for orders that were loaded from a saved state."""
    desk, later = alone(), alone()
    desk.enter(ALICE, BUY, 10_000, 100)
    load_exchange(later.exchange, json.loads(json.dumps(save_exchange(desk.exchange))))
    for one in (desk, later):
        one.enter(ALICE, SELL, 10_000, 40, self_trade=mode)
        assert one.of(PublicTrade) == []
        assert len([report for report in one.reports(ALICE) if report.event == EVENT_SELF_TRADE]) == 2
        orders = one.exchange.reports.orders
        assert [int(orders[order_id].remaining) for order_id in one.open_orders(ALICE)] == left


def test_accounts_without_a_group_trade_with_each_other() -> None:
    """Each is a group by itself; and who asks for no prevention trades with itself."""
    desk = alone()
    desk.enter(ALICE, BUY, 10_000, 100)
    desk.enter(BOB, SELL, 10_000, 40, self_trade=STP_CANCEL_BOTH)
    desk.enter(ALICE, SELL, 10_000, 60, self_trade=STP_NONE)
    assert [int(trade.size) for trade in desk.of(PublicTrade)] == [40, 60]
