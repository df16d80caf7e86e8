"""Answers a client's question for its open orders, its fills or its balances: rows, then the end of the answer."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.core import Exchange
from exchange.records import Account
from exchange.reports import NO_CODE, follow_stop
from exchange.saving import oldest_first
from market.messages import (
    EVENT_STATE,
    REJECT_AUTHENTICATION,
    REJECT_RATE_LIMITED,
    REJECT_UNSUPPORTED,
    STATE_BALANCES,
    STATE_FILLS,
    STATE_OPEN_ORDERS,
    AccountStateWanted,
    OrderReported,
)

TEXTS: Final[dict[int, str]] = {
    REJECT_AUTHENTICATION: "there is no such account",
    REJECT_RATE_LIMITED: "too many messages in the window",
    REJECT_UNSUPPORTED: "ask for open orders, fills or balances",
}


def answer_question(exchange: Exchange, question: AccountStateWanted, now_ns: i64) -> None:
    """Say what is asked. Rows carry the number that their account has reached; those of fills the fill's own."""
    exchange.reports.now_ns = now_ns
    account = exchange.accounts.by_id.get(question.account_id)
    code: i64 = NO_CODE
    if account is None:
        code = REJECT_AUTHENTICATION
    elif not exchange.rules[question.account_id].take_message(account, now_ns):
        code = REJECT_RATE_LIMITED
    elif question.state not in (STATE_OPEN_ORDERS, STATE_FILLS, STATE_BALANCES):
        code = REJECT_UNSUPPORTED
    if code != NO_CODE or account is None:
        exchange.answer(
            question.session_id, account, question.request_id, code, TEXTS[code], 0, "", 0, question.account_id
        )
        return
    reason = ""
    before: i64 = len(exchange.out)
    if question.state == STATE_OPEN_ORDERS:
        tell_open_orders(exchange, account, question)
    elif question.state == STATE_FILLS:
        tell_fills(exchange, account, question)
        if question.since_sequence < account.fills_dropped:
            reason = f"fills up to report {account.fills_dropped} are no longer kept"
    else:
        for place in range(len(exchange.accounts.assets)):
            exchange.out.append(
                exchange.reports.balance(account, place, account.sequence, question.session_id)
            )
    exchange.answer(
        question.session_id, account, question.request_id, NO_CODE, reason, 0, "", i64(len(exchange.out)) - before
    )


def tell_open_orders(exchange: Exchange, account: Account, question: AccountStateWanted) -> None:
    """A row for every open order, in the order in which they were accepted."""
    for order in account.orders.values():
        follow_stop(order)
        exchange.out.append(
            OrderReported(
                exchange.exchange_id, account.account_id, account.sequence, question.session_id, question.request_id,
                EVENT_STATE, order.market.instrument_id, order.order_id, order.client_order_id, order.side,
                order.order_type, order.time_in_force, order.price, order.size, order.filled, order.remaining,
                order.turnover, order.stop_price, 0, 0, 0, 0, "", 0, 0, 0, 0, "", exchange.reports.now_ns,
            )
        )  # fmt: skip


def tell_fills(exchange: Exchange, account: Account, question: AccountStateWanted) -> None:
    """A row for every fill that is kept and was reported after the number that the client knows."""
    for fill in oldest_first(account):
        if fill.sequence > question.since_sequence:
            exchange.out.append(
                OrderReported(
                    fill.exchange_id, fill.account_id, fill.sequence, question.session_id, question.request_id,
                    EVENT_STATE, fill.instrument_id, fill.order_id, fill.client_order_id, fill.side, fill.order_type,
                    fill.time_in_force, fill.price, fill.size, fill.filled, fill.remaining, fill.turnover,
                    fill.stop_price, fill.trade_id, fill.trade_price, fill.trade_size, fill.fee, fill.fee_asset,
                    fill.liquidity, fill.cause, fill.code, fill.other_order_id, fill.reason, fill.venue_ns,
                )
            )  # fmt: skip
