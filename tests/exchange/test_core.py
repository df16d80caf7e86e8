"""What the exchange does with requests: ids, answers, limits, self-trade prevention, groups, questions, saving."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from exchange.params import LimitParams, TierParams
from exchange.records import ExchangeError
from exchange.saving import load_exchange, save_exchange
from market.messages import (
    BUY,
    CAUSE_EMPTY_BOOK,
    CAUSE_GROUP,
    CAUSE_PRICE_BAND,
    DAY,
    EVENT_ACCEPTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    EVENT_SELF_TRADE,
    EVENT_STATE,
    GROUP_BRACKET,
    GROUP_OCO,
    GTD,
    MAKER,
    MARKET,
    PEGGED,
    REJECT_AUTHENTICATION,
    REJECT_BAD_PRICE,
    REJECT_DUPLICATE,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_RATE,
    REJECT_OTHER,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
    REJECT_UNSUPPORTED,
    SELL,
    STATE_BALANCES,
    STATE_FILLS,
    STATE_OPEN_ORDERS,
    STATE_POSITIONS,
    STOP,
    STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    TAKER,
    TRAILING_STOP,
    BalanceReported,
    Digest,
    OrderReported,
    PublicTrade,
    RequestAnswered,
)
from tests.exchange.desk_of_orders import ALICE, BOB, CAROL, SECOND, UNIT, Desk, rich
from tests.exchange.storm import Storm, poor_accounts
from tests.seeds import seeds

DAY_NS = 86_400 * SECOND


def crowd(limits: LimitParams) -> Desk:
    """Alice with these limits, and Bob without."""
    return Desk({"alice": rich(ALICE, tier="tight"), "bob": rich(BOB)}, tiers={"tight": TierParams(limits=limits)})


# --------------------------------------------------------------------------------------------------------- answers


def test_a_trade_is_told_to_both_sides_and_to_the_public() -> None:
    """Each side hears its own order, its fee and its liquidity; the public hears price, size and who came."""
    desk = Desk()
    desk.enter(BOB, SELL, 10_000, 500, client_order_id="ask")
    answer = desk.enter(ALICE, BUY, 10_000, 300, client_order_id="bid")
    (taker,), (maker,) = desk.fills(ALICE), desk.fills(BOB)
    assert (taker.order_id, taker.client_order_id, taker.liquidity) == (answer.order_id, "bid", TAKER)
    assert (taker.filled, taker.remaining, taker.turnover) == (300, 0, 3_000_000)
    assert (maker.client_order_id, maker.liquidity, maker.remaining) == ("ask", MAKER, 200)
    assert (taker.request_id, maker.request_id) == (answer.request_id, 0)
    (trade,) = desk.of(PublicTrade)
    assert (trade.price, trade.size, trade.aggressor_side, trade.trade_id) == (10_000, 300, BUY, taker.trade_id)


def test_reports_of_an_account_are_numbered_without_a_gap() -> None:
    """Orders and balances share one number; the answer names the last."""
    storm = Storm(Desk(poor_accounts()), Random(3))
    accounts = storm.desk.exchange.accounts.by_id
    last = {who: int(accounts[who].sequence) for who in (ALICE, BOB, CAROL)}
    for _ in range(300):
        storm.step()
        for message in storm.last:
            if isinstance(message, OrderReported | BalanceReported):
                is_row = getattr(message, "event", 1) == EVENT_STATE or (
                    isinstance(message, BalanceReported) and message.session_id != 0
                )
                if not is_row:
                    assert message.sequence == last[message.account_id] + 1
                    last[message.account_id] = message.sequence
            elif isinstance(message, RequestAnswered):
                assert message.sequence == last[message.account_id]


def test_market_order_tells_what_it_paid() -> None:
    """The last report has the fills together: turnover over filled is the average price."""
    desk = Desk()
    desk.enter(BOB, SELL, 10_000, 100)
    desk.enter(BOB, SELL, 10_200, 300)
    desk.enter(ALICE, BUY, 0, 1_000, order_type=MARKET)
    last = desk.reports(ALICE)[-1]
    assert (last.event, last.cause) == (EVENT_CANCELLED, CAUSE_EMPTY_BOOK)
    assert (last.filled, last.remaining) == (400, 600)
    assert last.turnover == 100 * 10_000 + 300 * 10_200


def test_market_order_stops_at_its_band() -> None:
    """What is offered more than the band beyond the touch is left alone."""
    desk = Desk(band_bps=100)
    desk.enter(BOB, SELL, 10_000, 100)
    desk.enter(BOB, SELL, 10_101, 300)
    desk.enter(ALICE, BUY, 0, 200, order_type=MARKET)
    last = desk.reports(ALICE)[-1]
    assert (last.event, last.cause, last.filled) == (EVENT_CANCELLED, CAUSE_PRICE_BAND, 100)


def test_refused_orders_are_reported_and_answered() -> None:
    """An unknown instrument, a price off the tick and an unknown account each have their code and a text."""
    desk = Desk()
    assert desk.enter(ALICE, BUY, 10_000, 1, instrument_id=99).code == REJECT_UNKNOWN_INSTRUMENT
    answer = desk.enter(ALICE, BUY, -5, 1)
    assert (answer.refused, answer.code) == (True, REJECT_BAD_PRICE)
    assert answer.reason
    assert [report.event for report in desk.reports(ALICE)] == [EVENT_REJECTED, EVENT_REJECTED]
    stranger = desk.enter(77, BUY, 10_000, 1)
    assert (stranger.account_id, stranger.code) == (77, REJECT_AUTHENTICATION)
    assert desk.open_orders(ALICE) == []


# -------------------------------------------------------------------------------------------------------- client ids


def test_client_ids_are_unique_among_open_orders() -> None:
    """A second order of the id is refused while the first is open; another account may use it."""
    desk = Desk()
    desk.enter(ALICE, BUY, 9_000, 10, client_order_id="mine")
    assert desk.enter(ALICE, BUY, 9_000, 10, client_order_id="mine").code == REJECT_DUPLICATE
    assert not desk.enter(BOB, BUY, 9_000, 10, client_order_id="mine").refused
    assert not desk.cancel(ALICE, client_order_id="mine").refused
    assert not desk.enter(ALICE, BUY, 9_000, 10, client_order_id="mine").refused


@pytest.mark.parametrize("name", ["x" * 37, "a\nb", "ü", "\x00"])
def test_client_ids_are_short_and_printable(name: str) -> None:
    """Anything else is refused."""
    assert Desk().enter(ALICE, BUY, 9_000, 10, client_order_id=name).code == REJECT_UNSUPPORTED


def test_late_cancels_are_told_from_wrong_ones() -> None:
    """An order that has ended lately is too late to cancel; what nobody remembers is unknown."""
    desk = Desk(ended_kept=2)
    first = desk.enter(ALICE, BUY, 9_000, 10, client_order_id="first").order_id
    desk.cancel(ALICE, first)
    assert desk.cancel(ALICE, first).code == REJECT_TOO_LATE
    assert desk.cancel(ALICE, client_order_id="first").code == REJECT_TOO_LATE
    assert desk.replace(ALICE, first, 9_000, 20).code == REJECT_TOO_LATE
    assert desk.cancel(BOB, first).code == REJECT_UNKNOWN_ORDER
    assert desk.cancel(ALICE, 999).code == REJECT_UNKNOWN_ORDER
    for _ in range(2):
        desk.cancel(ALICE, desk.enter(ALICE, BUY, 9_000, 10).order_id)
    assert desk.cancel(ALICE, client_order_id="first").code == REJECT_UNKNOWN_ORDER


def test_nobody_reaches_another_accounts_orders() -> None:
    """Cancel and replace find the orders of the account alone."""
    desk = Desk()
    order = desk.enter(ALICE, BUY, 9_000, 10).order_id
    assert desk.cancel(BOB, order).code == REJECT_UNKNOWN_ORDER
    assert desk.replace(BOB, order, 9_000, 20).code == REJECT_UNKNOWN_ORDER
    assert desk.open_orders(ALICE) == [order]


def test_a_refused_change_leaves_the_order() -> None:
    """It is reported to the order and answered, and the order works on."""
    desk = Desk()
    order = desk.enter(ALICE, BUY, 9_000, 10).order_id
    answer = desk.replace(ALICE, order, -9_000, 10)
    assert answer.code == REJECT_BAD_PRICE
    assert desk.reports(ALICE)[-1].event == EVENT_REPLACE_REJECTED
    assert desk.open_orders(ALICE) == [order]


# ---------------------------------------------------------------------------------------------------------- limits


def test_messages_are_limited_by_a_bucket() -> None:
    """Three a second: the fourth is refused, a third of a second brings one more, and cancels always pass."""
    desk = crowd(LimitParams(messages=3, window_ms=1_000))
    orders = [desk.enter(ALICE, BUY, 9_000, 10).order_id for _ in range(3)]
    assert desk.enter(ALICE, BUY, 9_000, 10).code == REJECT_RATE_LIMITED
    assert desk.replace(ALICE, orders[0], 9_000, 5).code == REJECT_RATE_LIMITED
    for order in orders:
        assert not desk.cancel(ALICE, order).refused
    desk.now_ns += SECOND // 3
    assert desk.enter(ALICE, BUY, 9_000, 10).code == REJECT_RATE_LIMITED
    desk.now_ns += 1
    assert not desk.enter(ALICE, BUY, 9_000, 10).refused
    assert desk.enter(ALICE, BUY, 9_000, 10).code == REJECT_RATE_LIMITED
    assert not desk.enter(BOB, BUY, 9_000, 10).refused


def test_open_orders_are_limited() -> None:
    """The limit counts all instruments and the orders of a group together."""
    desk = crowd(LimitParams(open_orders=2))
    desk.enter(ALICE, BUY, 9_000, 10)
    refused = desk.send_group(
        *(desk.wanted(ALICE, SELL, price, 10, group_kind=GROUP_OCO, group_count=2) for price in (11_000, 12_000))
    )
    assert [answer.code for answer in refused] == [REJECT_OPEN_ORDERS, REJECT_OPEN_ORDERS]
    desk.enter(ALICE, BUY, 9_000, 10)
    assert desk.enter(ALICE, BUY, 9_000, 10).code == REJECT_OPEN_ORDERS
    desk.cancel_all(ALICE)
    assert not desk.enter(ALICE, BUY, 9_000, 10).refused


def test_orders_are_limited_in_proportion_to_trades() -> None:
    """Two are free, each fill allows three more, and the next day begins anew."""
    desk = crowd(LimitParams(free_orders=2, orders_per_trade=3))
    for _ in range(2):
        desk.cancel(ALICE, desk.enter(ALICE, BUY, 9_000, 10).order_id)
    assert desk.enter(ALICE, BUY, 9_000, 10).code == REJECT_ORDER_RATE
    assert not desk.enter(BOB, BUY, 9_000, 10).refused
    desk.now_ns += DAY_NS
    order = desk.enter(ALICE, BUY, 9_500, 10).order_id
    assert not desk.replace(ALICE, order, 9_500, 20).refused
    assert desk.replace(ALICE, order, 9_500, 10).code == REJECT_ORDER_RATE
    desk.enter(BOB, SELL, 9_500, 20)
    for _ in range(3):
        assert not desk.enter(ALICE, BUY, 9_000, 10).refused
    assert desk.enter(ALICE, BUY, 9_000, 10).code == REJECT_ORDER_RATE


def test_an_iceberg_counts_as_many_orders_as_it_has_slices() -> None:
    """A book takes no more slices than it may hold orders, so that one order can only cause so much."""
    desk = Desk(most_orders=20, most_slices=20)
    assert not desk.enter(ALICE, BUY, 9_000, 100, display_size=10).refused
    assert desk.enter(BOB, BUY, 9_000, 110, display_size=10).code == REJECT_OPEN_ORDERS
    assert not desk.enter(BOB, BUY, 9_000, 100, display_size=10).refused
    desk.cancel_all(ALICE)
    assert not desk.enter(BOB, BUY, 9_000, 100, display_size=10).refused


@pytest.mark.parametrize("size", [2**63 - 1, -(2**63), 0])
def test_absurd_numbers_are_refused_and_change_nothing(size: int) -> None:
    """The ends of 64 bits in every field are refused, as orders, as icebergs and as changes."""
    desk = Desk()
    order = desk.enter(ALICE, BUY, 9_000, 10, display_size=5).order_id
    for price in (9_000, 2**63 - 1, -(2**63)):
        for display_size in (0, 1, 2**63 - 1, -(2**63)):
            for side in (BUY, SELL):
                assert desk.enter(ALICE, side, price, size, display_size=display_size).refused
        assert desk.replace(ALICE, order, price, size).refused
        for order_type in (STOP, TRAILING_STOP, PEGGED):
            assert desk.enter(ALICE, BUY, 0, size, order_type=order_type, stop_price=price, offset=price).refused
    assert desk.open_orders(ALICE) == [order]


# ------------------------------------------------------------------------------------------- self-trade prevention


@pytest.mark.parametrize(
    ("mode", "ended"),
    [(STP_CANCEL_RESTING, {ALICE}), (STP_CANCEL_INCOMING, {CAROL}), (STP_CANCEL_BOTH, {ALICE, CAROL})],
)
def test_self_trade_prevention_is_told_to_both_sides(mode: int, ended: set[int]) -> None:
    """Alice and Carol are one group: both hear that they met and whom, and what has ended is cancelled."""
    desk = Desk()
    resting = desk.enter(ALICE, BUY, 10_000, 100).order_id
    incoming = desk.enter(CAROL, SELL, 10_000, 100, self_trade=mode).order_id
    for who, other in ((ALICE, incoming), (CAROL, resting)):
        (met,) = (report for report in desk.reports(who) if report.event == EVENT_SELF_TRADE)
        assert (met.other_order_id, met.code) == (other, mode)
        assert (desk.open_orders(who) == []) == (who in ended)
    assert desk.of(PublicTrade) == []


def test_accounts_of_other_groups_trade() -> None:
    """Bob is none of Alice's group."""
    desk = Desk()
    desk.enter(ALICE, BUY, 10_000, 100)
    desk.enter(BOB, SELL, 10_000, 100, self_trade=STP_CANCEL_BOTH)
    assert len(desk.of(PublicTrade)) == 1


# ---------------------------------------------------------------------------------------------------------- groups


def test_a_group_enters_when_it_is_whole() -> None:
    """Nothing happens until the last order is there; then each has its own answer, and its reports name its request."""
    desk = Desk()
    first = desk.wanted(ALICE, BUY, 9_000, 10, group_kind=GROUP_OCO, group_count=2)
    second = desk.wanted(ALICE, BUY, 8_000, 10, group_kind=GROUP_OCO, group_count=2)
    assert desk.send_group(first) == []
    answers = desk.send_group(second)
    assert [answer.request_id for answer in answers] == [first.request_id, second.request_id]
    accepted = [report for report in desk.reports(ALICE) if report.event == EVENT_ACCEPTED]
    assert [report.request_id for report in accepted] == [first.request_id, second.request_id]
    desk.cancel(ALICE, answers[0].order_id)
    assert desk.reports(ALICE)[-1].cause == CAUSE_GROUP
    assert desk.open_orders(ALICE) == []


def test_what_comes_between_the_orders_of_a_group_ends_it() -> None:
    """The orders that had come are refused, and what came is executed."""
    desk = Desk()
    group: dict[str, Any] = {"group_kind": GROUP_BRACKET, "group_count": 3}
    first = desk.wanted(ALICE, BUY, 9_000, 10, **group)
    desk.send_group(first)
    answers = desk.send_group(desk.wanted(ALICE, BUY, 9_000, 10))
    assert [(answer.refused, answer.code) for answer in answers] == [(True, REJECT_OTHER), (False, 0)]
    desk.send_group(desk.wanted(ALICE, BUY, 9_000, 10, **group))
    assert [answer.refused for answer in desk.send_group(desk.wanted(ALICE, BUY, 1, 10, group_kind=GROUP_OCO,
                                                                     group_count=2))] == [True]  # fmt: skip


@pytest.mark.parametrize(("kind", "count"), [(GROUP_OCO, 1), (GROUP_OCO, 4), (GROUP_BRACKET, 0), (9, 2)])
def test_impossible_groups_are_refused_at_once(kind: int, count: int) -> None:
    """There is no group of one, of four, or of an unknown kind."""
    desk = Desk()
    (answer,) = desk.send_group(desk.wanted(ALICE, BUY, 9_000, 10, group_kind=kind, group_count=count))
    assert answer.code == REJECT_UNSUPPORTED


def test_a_group_is_refused_as_a_whole() -> None:
    """One bad order refuses all; the others are told that it was not their fault."""
    desk = Desk()
    group: dict[str, Any] = {"group_kind": GROUP_OCO, "group_count": 2}
    answers = desk.send_group(desk.wanted(ALICE, BUY, 9_000, 10, **group), desk.wanted(ALICE, BUY, -1, 10, **group))
    assert [answer.code for answer in answers] == [REJECT_OTHER, REJECT_BAD_PRICE]
    twice = desk.send_group(
        *(desk.wanted(ALICE, BUY, 9_000, 10, client_order_id="x", **group) for _ in range(2))
    )
    assert [answer.code for answer in twice] == [REJECT_OTHER, REJECT_DUPLICATE]
    assert desk.open_orders(ALICE) == []
    assert desk.held(ALICE, "USDT") == 0


# ------------------------------------------------------------------------------------------------------------ time


def test_orders_run_out() -> None:
    """GTD at its time, DAY at the end of the day, which by default is midnight UTC."""
    desk = Desk()
    midnight = desk.now_ns - desk.now_ns % DAY_NS + DAY_NS
    short = desk.enter(ALICE, BUY, 9_000, 10, time_in_force=GTD, expire_ns=desk.now_ns + SECOND).order_id
    day = desk.enter(ALICE, BUY, 9_000, 10, time_in_force=DAY).order_id
    assert desk.hours.next_expiry_ns() == desk.now_ns + SECOND
    desk.expire(desk.now_ns + SECOND)
    assert desk.open_orders(ALICE) == [day]
    assert desk.hours.next_expiry_ns() == midnight
    desk.expire(midnight - 1)
    assert desk.open_orders(ALICE) == [day]
    desk.expire(midnight)
    expired = [report.order_id for report in desk.reports(ALICE) if report.event == EVENT_EXPIRED]
    assert expired == [short, day]
    assert desk.held(ALICE, "USDT") == 0


# ------------------------------------------------------------------------------------------------------- questions


def test_questions_are_answered_by_rows() -> None:
    """Open orders, fills and balances come as rows for the session that asked, and the answer counts them."""
    desk = Desk()
    desk.enter(BOB, SELL, 10_000, 100)
    desk.enter(ALICE, BUY, 10_000, 300, client_order_id="bid")
    fill = desk.fills(ALICE)[0]
    *rows, answer = desk.ask(ALICE, STATE_OPEN_ORDERS)
    assert isinstance(answer, RequestAnswered)
    assert answer.affected == 1
    (row,) = rows
    assert isinstance(row, OrderReported)
    assert (row.event, row.client_order_id, row.filled, row.remaining) == (EVENT_STATE, "bid", 100, 200)
    assert (row.session_id, row.sequence) == (9, answer.sequence)
    *fills, _ = desk.ask(ALICE, STATE_FILLS)
    assert [(one.event, one.sequence, one.trade_id, one.fee) for one in fills if isinstance(one, OrderReported)] == [
        (EVENT_STATE, fill.sequence, fill.trade_id, fill.fee)
    ]
    assert len(desk.ask(ALICE, STATE_FILLS, fill.sequence)) == 1
    balances = desk.ask(BOB, STATE_BALANCES)[:-1]
    assert [one.asset for one in balances if isinstance(one, BalanceReported)] == ["BTC", "ODD", "USDT"]
    refused = desk.ask(BOB, STATE_POSITIONS)[-1]
    assert isinstance(refused, RequestAnswered)
    assert refused.code == REJECT_UNSUPPORTED


def test_fills_that_are_no_longer_kept_are_admitted() -> None:
    """Only the last ones are kept; who knows less than those is told so."""
    desk = Desk(fills_kept=3)
    for _ in range(5):
        desk.enter(BOB, SELL, 10_000, 100)
        desk.enter(ALICE, BUY, 10_000, 100)
    told = desk.fills(ALICE)
    *rows, answer = desk.ask(ALICE, STATE_FILLS)
    assert [one.sequence for one in rows if isinstance(one, OrderReported)] == [one.sequence for one in told[2:]]
    assert isinstance(answer, RequestAnswered)
    assert str(told[1].sequence) in answer.reason
    *_, enough = desk.ask(ALICE, STATE_FILLS, told[1].sequence)
    assert isinstance(enough, RequestAnswered)
    assert enough.reason == ""


# ---------------------------------------------------------------------------------------------------------- saving


@pytest.mark.parametrize("seed", seeds(3, 100))
def test_save_load_and_go_on_equals_going_on(seed: int) -> None:
    """A loaded exchange says the same as the one that was saved, whatever comes, and saves the same."""
    going_on = Storm(Desk(poor_accounts()), Random(seed))
    for _ in range(150):
        going_on.step()
    desk = going_on.desk
    state = json.dumps(save_exchange(desk.exchange))
    other = Desk(poor_accounts())
    load_exchange(other.exchange, json.loads(state))
    assert json.dumps(save_exchange(other.exchange)) == state
    other.now_ns, other.requests = desk.now_ns, desk.requests
    loaded = Storm(other, Random())
    loaded.random.setstate(going_on.random.getstate())
    for _ in range(100):
        assert said(going_on) == said(loaded)


def said(storm: Storm) -> tuple[int, int]:
    """What one more request leads to, as a digest."""
    digest = Digest()
    storm.step()
    for message in storm.last:
        digest.mix_message(message)
    return digest.value, digest.count


def test_a_state_with_an_account_that_is_gone_is_refused() -> None:
    """The message names the account."""
    state = save_exchange(Desk().exchange)
    with pytest.raises(ExchangeError, match="account 3"):
        load_exchange(Desk({"alice": rich(ALICE), "bob": rich(BOB)}).exchange, state)


def test_turnover_beyond_64_bits_is_saved() -> None:
    """What has traded at its prices is exact however large it is."""
    desk = Desk({"alice": rich(ALICE), "bob": rich(BOB)})
    order = desk.enter(ALICE, BUY, 9_000, 1_000).order_id
    desk.exchange.reports.orders[order].turnover = 7 * UNIT**2 + 3
    other = Desk({"alice": rich(ALICE), "bob": rich(BOB)})
    load_exchange(other.exchange, json.loads(json.dumps(save_exchange(desk.exchange))))
    assert other.exchange.reports.orders[order].turnover == 7 * UNIT**2 + 3
