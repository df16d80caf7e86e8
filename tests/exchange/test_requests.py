"""Requests that do not fit the order, the account or the group that they name: each is refused, and says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchange.saving import load_exchange, save_exchange
from exchange.wording import (
    EXIT_SIDE,
    EXIT_SIZE,
    NO_CHANGE,
    NO_GROUP,
    NO_ICEBERG,
    NO_MARKET,
    NO_PAIR,
    NOT_AT_ONCE,
    NOT_PEGGED,
    TWO_SIDES,
)
from market.matching.settings import reject_text
from market.messages import (
    BUY,
    EVENT_ACCEPTED,
    EVENT_SELF_TRADE,
    EVENT_STATE,
    EVENT_TRIGGERED,
    FOK,
    GROUP_BRACKET,
    GROUP_OCO,
    IOC,
    MARKET,
    PEG_NEAR,
    PEGGED,
    REJECT_OTHER,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
    SELL,
    STATE_OPEN_ORDERS,
    STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_CANCEL_SMALLEST,
    STP_DECREMENT_BOTH,
    STP_NONE,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    OrderReported,
    PublicTrade,
)
from tests.exchange.desk_of_orders import ALICE, BOB, BTC, CAROL, ODD, Desk, account, rich

OTHER = reject_text(REJECT_OTHER)

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


# ----------------------------------------------------------------------------------------------- trailing stop prices


def trade(desk: Desk, price: int) -> None:
    """Let Bob and Carol trade at a price."""
    desk.enter(BOB, SELL, price, 10)
    desk.enter(CAROL, BUY, price, 10)


def told_stops(desk: Desk, who: int) -> list[int]:
    """The stop prices of the open orders, as the answer to a question has them."""
    rows = desk.ask(who, STATE_OPEN_ORDERS)
    return [int(row.stop_price) for row in rows if isinstance(row, OrderReported)]


@pytest.mark.parametrize(("side", "stops"), [(SELL, [9_950, 10_150, 10_150]), (BUY, [10_050, 10_050, 9_950])])
@pytest.mark.parametrize("order_type", [TRAILING_STOP, TRAILING_STOP_LIMIT])
def test_the_present_stop_price_of_a_trailing_order_is_told(order_type: int, side: int, stops: list[int]) -> None:
    """`accepted` has the one that the engine set; it moves without a report, and a question tells where it is now."""
    desk = Desk()
    trade(desk, 10_000)
    price = 0 if order_type == TRAILING_STOP else 10_000
    far = {"order_type": order_type, "offset": 50}
    assert not desk.enter(ALICE, side, price, 10, **far).refused
    (accepted,) = desk.reports(ALICE)
    assert (accepted.event, accepted.stop_price) == (EVENT_ACCEPTED, stops[0])
    assert told_stops(desk, ALICE) == stops[:1]
    before = len(desk.reports(ALICE))
    trade(desk, 10_200 if side == SELL else 10_010)
    assert told_stops(desk, ALICE) == [stops[1]]
    trade(desk, 10_160 if side == SELL else 9_900)
    later = Desk()
    load_exchange(later.exchange, json.loads(json.dumps(save_exchange(desk.exchange))))
    assert told_stops(desk, ALICE) == told_stops(later, ALICE) == [stops[2]]
    assert {report.event for report in desk.reports(ALICE)[before:]} == {EVENT_STATE}


def test_a_later_report_of_a_trailing_order_has_its_present_stop_price() -> None:
    """A change of its size tells where the stop price is, and so does its trigger."""
    desk = Desk()
    trade(desk, 10_000)
    order_id = desk.enter(ALICE, SELL, 0, 10, order_type=TRAILING_STOP, offset=50).order_id
    trade(desk, 10_200)
    assert not desk.replace(ALICE, order_id, 0, 5).refused
    assert desk.reports(ALICE)[-1].stop_price == 10_150
    trade(desk, 10_220)
    trade(desk, 10_170)
    assert {int(report.stop_price) for report in desk.reports(ALICE) if report.event == EVENT_TRIGGERED} == {10_170}


def test_an_exit_that_trails_has_no_stop_price_until_it_waits() -> None:
    """In a bracket the stop price is set when the entry has traded."""
    desk = Desk()
    trade(desk, 10_000)
    group: dict[str, Any] = {"group_kind": GROUP_BRACKET, "group_count": 2}
    desk.send_group(
        desk.wanted(ALICE, BUY, 9_900, 10, **group),
        desk.wanted(ALICE, SELL, 0, 10, order_type=TRAILING_STOP, offset=50, **group),
    )
    assert told_stops(desk, ALICE) == [0, 0]
    desk.enter(BOB, SELL, 9_900, 10)
    assert told_stops(desk, ALICE) == [9_850]


# ---------------------------------------------------------------------------------------------------- shapes of groups

PAIR: dict[str, Any] = {"group_kind": GROUP_OCO, "group_count": 2}
BRACKET: dict[str, Any] = {"group_kind": GROUP_BRACKET, "group_count": 2}


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ((SELL, PAIR, {}), (BUY, PAIR, {}), (TWO_SIDES, TWO_SIDES)),
        ((BUY, BRACKET, {}), (BUY, BRACKET, {}), (EXIT_SIDE, EXIT_SIDE)),
        ((BUY, BRACKET, {}), (SELL, BRACKET, {"size": 11}), (EXIT_SIZE, EXIT_SIZE)),
        ((BUY, PAIR, {}), (BUY, PAIR, {"order_type": PEGGED, "peg_reference": PEG_NEAR}), (OTHER, NOT_PEGGED)),
        ((BUY, PAIR, {"display_size": 5}), (BUY, PAIR, {}), (NO_ICEBERG, OTHER)),
        ((BUY, PAIR, {}), (BUY, PAIR, {"time_in_force": IOC}), (OTHER, NOT_AT_ONCE)),
        ((BUY, BRACKET, {"time_in_force": FOK}), (SELL, BRACKET, {}), (NOT_AT_ONCE, OTHER)),
        ((BUY, BRACKET, {"order_type": MARKET, "time_in_force": FOK}), (SELL, BRACKET, {}), (NOT_AT_ONCE, OTHER)),
        ((BUY, BRACKET, {}), (SELL, BRACKET, {"order_type": MARKET}), (OTHER, NO_MARKET)),
    ],
)
def test_a_group_of_a_wrong_shape_is_told_what_is_wrong(
    first: tuple[int, dict[str, Any], dict[str, Any]], second: tuple[int, dict[str, Any], dict[str, Any]],
    told: tuple[str, str],
) -> None:  # fmt: skip
    """Whatever the accounts have: the report and the answer of each order name the rule, and nothing is held."""
    desk = Desk({"alice": account(ALICE, USDT="0.01"), "bob": rich(BOB)})
    entries = [
        desk.wanted(ALICE, side, price=9_000, **{"size": 10, **kind, **fields})
        for side, kind, fields in (first, second)
    ]
    answers = desk.send_group(*entries)
    assert tuple(one.reason for one in answers) == told
    assert tuple(report.reason for report in desk.reports(ALICE)) == told
    assert [one.code for one in answers] == [REJECT_OTHER if one == OTHER else REJECT_UNSUPPORTED for one in told]
    assert desk.held(ALICE, "USDT") == 0


def test_a_pair_has_two_orders() -> None:
    """A third one makes no pair, which is told with the first."""
    desk = Desk()
    (answer,) = desk.send_group(desk.wanted(ALICE, BUY, 9_000, 10, group_kind=GROUP_OCO, group_count=3))
    assert (answer.code, answer.reason) == (REJECT_UNSUPPORTED, NO_PAIR)
    (answer,) = desk.send_group(desk.wanted(ALICE, BUY, 9_000, 10, group_kind=GROUP_BRACKET, group_count=4))
    assert (answer.code, answer.reason) == (REJECT_UNSUPPORTED, NO_GROUP)


def test_a_change_of_an_order_of_a_group_is_told_what_to_do() -> None:
    """It stays as it is."""
    desk = Desk()
    pair = desk.send_group(*(desk.wanted(ALICE, BUY, price, 10, **PAIR) for price in (9_000, 8_000)))
    answer = desk.replace(ALICE, pair[0].order_id, 9_100, 10)
    assert (answer.code, answer.reason) == (REJECT_UNSUPPORTED, NO_CHANGE)
    assert desk.reports(ALICE)[-1].reason == NO_CHANGE
