"""Requests that do not fit the order, the account or the group that they name: each is refused, and says why."""

from __future__ import annotations

from market.messages import BUY, REJECT_UNKNOWN_ORDER
from tests.exchange.desk_of_orders import ALICE, BTC, ODD, Desk

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
