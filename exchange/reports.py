"""Follows the events of an engine: keeps the open orders, books trades, and tells the accounts and the public.

Every report of an account carries the next number of that account, so that none can be missed unseen. What this
module says is a function of the events alone: it refuses nothing and decides nothing.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.accounts import Accounts, gross_of
from exchange.records import Account, Market, OpenOrder, slices_of
from exchange.wording import NO_CHANGE
from market.matching.events import RESTS, EventBuffer
from market.matching.settings import reject_text
from market.messages import (
    BUY,
    CAUSE_GROUP,
    EVENT_ACCEPTED,
    EVENT_CANCEL_REJECTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REDUCED,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    EVENT_REPLACED,
    EVENT_REPRICED,
    EVENT_RESTED,
    EVENT_SELF_TRADE,
    EVENT_TRADED,
    EVENT_TRIGGERED,
    GROUP_OCO,
    MAKER,
    PEGGED,
    REJECT_UNSUPPORTED,
    TAKER,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    UNKNOWN_LIQUIDITY,
    BalanceReported,
    Message,
    OrderReported,
    PublicTrade,
)

NO_CODE: Final = -1
EVERY_ORDER: Final[i64] = 2**62 - 1
# In place of a request's number: reports carry that of the request that brought their order.
OF_ORDER: Final[i64] = -(2**62)


class Reports:
    """See the head of this file."""

    def __init__(self, exchange_id: i64, accounts: Accounts, fills_kept: i64, ended_kept: i64) -> None:
        self.exchange_id: Final[i64] = exchange_id
        self.accounts: Final = accounts
        self.fills_kept: Final[i64] = fills_kept
        self.ended_kept: Final[i64] = ended_kept
        self.out: Final[list[Message]] = []
        self.orders: dict[int, OpenOrder] = {}
        self.now_ns: i64 = 0
        # The request that is being executed: reports on these orders of this account answer it.
        self.asker: Account = accounts.fees
        self.request_id: i64 = 0
        self.first_asked: i64 = 0
        self.last_asked: i64 = -1
        self.new_price: i64 = 0
        self.refused_code: i64 = NO_CODE

    def begin(self, asker: Account, request_id: i64, first_order: i64, last_order: i64) -> None:
        """A request begins: what happens to these orders of this account answers it."""
        self.asker = asker
        self.request_id = request_id
        self.first_asked = first_order
        self.last_asked = last_order
        self.refused_code = NO_CODE

    # ---- events

    def follow(self, market: Market) -> None:
        """Take the events of the last input of a market's engine."""
        events = market.engine.events
        count: i64 = len(events)
        row: i64 = 0
        while row < count:
            kind = events.kind(row)
            order_id = events.order_id(row)
            if kind == EVENT_TRADED:
                self.take_trade(market, events, row)
            elif kind == EVENT_SELF_TRADE:
                self.take_self_trade(market, events, row)
            elif kind != EVENT_CANCEL_REJECTED:
                order = self.orders.get(order_id)
                if order is not None:
                    self.take_event(order, events, row)
            row += 1

    def take_event(self, order: OpenOrder, events: EventBuffer, row: i64) -> None:
        """One event that concerns one order."""
        kind = events.kind(row)
        price = events.price(row)
        remaining = events.remaining(row)
        cause: i64 = 0
        code: i64 = 0
        reason = ""
        ends = False
        if kind == EVENT_ACCEPTED:
            self.open(order)
            order.price = price
            if events.code(row) == RESTS and order.order_type != PEGGED:
                order.worst_price = price
        elif kind == EVENT_RESTED:
            order.price = price
            order.remaining = remaining
            if order.order_type != PEGGED:
                order.worst_price = price
        elif kind == EVENT_REPRICED:
            order.price = price
        elif kind == EVENT_TRIGGERED:
            order.stop_price = price
        elif kind == EVENT_REDUCED:
            cause = events.code(row)
            self.reduce(order, events.size(row), remaining, cause)
        elif kind == EVENT_REPLACED:
            self.replace(order, price, events.size(row), remaining)
        elif kind == EVENT_REPLACE_REJECTED:
            code = events.code(row)
            self.refused_code = code
            reason = refused_change(order, code)
        elif kind == EVENT_REJECTED:
            self.drop(order, events.code(row))
            return
        elif kind in (EVENT_CANCELLED, EVENT_EXPIRED):
            cause = events.code(row)
            order.remaining = remaining
            ends = True
        self.accounts.note_order(order)
        self.tell(order, kind, 0, 0, 0, 0, "", UNKNOWN_LIQUIDITY, cause, code, 0, reason)
        if ends:
            self.end(order)

    def take_trade(self, market: Market, events: EventBuffer, row: i64) -> None:
        """A trade: both sides are booked and told, then the public."""
        taker = self.orders[events.order_id(row)]
        maker = self.orders[events.other_id(row)]
        price = events.price(row)
        size = events.size(row)
        trade_id = events.number(row)
        gross = gross_of(market, price, size)
        taker_fee = self.fill(taker, market, price, size, gross, events.remaining(row), False)
        maker_fee = self.fill(maker, market, price, size, gross, events.other_remaining(row), True)
        for_taker = self.fee_asset(taker, market)
        self.tell(taker, EVENT_TRADED, trade_id, price, size, taker_fee, for_taker, TAKER, 0, 0, 0, "")
        self.keep_fill(taker.account)
        for_maker = self.fee_asset(maker, market)
        self.tell(maker, EVENT_TRADED, trade_id, price, size, maker_fee, for_maker, MAKER, 0, 0, 0, "")
        self.keep_fill(maker.account)
        if taker.remaining == 0 and taker.room == 0:
            self.end(taker)
        if maker.remaining == 0 and maker.room == 0:
            self.end(maker)
        now_ns = self.now_ns
        market.statistics.take(now_ns, price, size)
        self.out.append(PublicTrade(market.instrument_id, trade_id, price, size, taker.side, now_ns, now_ns))

    def fill(
        self, order: OpenOrder, market: Market, price: i64, size: i64, gross: int, remaining: i64, makes: bool
    ) -> int:
        """Book one side of a trade; gives its fee."""
        terms = order.account.terms[market.place]
        fee = self.accounts.trade(order, gross, size, terms.maker_ppm if makes else terms.taker_ppm)
        wide_price: int = price
        wide_size: int = size
        order.filled += size
        order.turnover += wide_price * wide_size
        order.remaining = remaining
        if order.group is None:
            order.room = remaining
        else:
            self.take_room(order, size)
        order.account.day_trades += 1
        self.accounts.note_order(order)
        return fee

    def fee_asset(self, order: OpenOrder, market: Market) -> str:
        """The asset in which an order pays."""
        in_base = self.accounts.fee_in_received and order.side == BUY
        return self.accounts.assets[market.base if in_base else market.quote]

    def take_self_trade(self, market: Market, events: EventBuffer, row: i64) -> None:
        """Two orders of one group have met: both sides hear of it; what becomes of them follows."""
        incoming_id = events.order_id(row)
        resting_id = events.other_id(row)
        code = events.code(row)
        for order_id, other_id in ((incoming_id, resting_id), (resting_id, incoming_id)):
            order = self.orders[order_id]
            self.tell(order, EVENT_SELF_TRADE, 0, events.price(row), 0, 0, "", 0, 0, code, other_id, "")

    # ---- orders

    def open(self, order: OpenOrder) -> None:
        """An order was accepted."""
        account = order.account
        account.orders[order.order_id] = order
        if len(order.client_order_id) > 0:
            account.by_client[order.client_order_id] = order
        account.day_orders += 1
        order.market.open_slices += order.slices

    def drop(self, order: OpenOrder, code: i64) -> None:
        """An order was refused: it was never there."""
        del self.orders[order.order_id]
        order.refused_code = code
        order.remaining = 0
        self.tell(order, EVENT_REJECTED, 0, 0, 0, 0, "", UNKNOWN_LIQUIDITY, 0, code, 0, reject_text(code))

    def end(self, order: OpenOrder) -> None:
        """An order works no more; its ids are remembered for a while."""
        account = order.account
        order_id: int = order.order_id
        client_order_id = order.client_order_id
        self.leave_group(order)
        order.remaining = 0
        order.room = 0
        self.accounts.note_order(order)
        del self.orders[order_id]
        del account.orders[order_id]
        order.market.open_slices -= order.slices
        if len(client_order_id) > 0:
            del account.by_client[client_order_id]
        remember(account, order_id, client_order_id, self.ended_kept)

    def replace(self, order: OpenOrder, price: i64, size: i64, remaining: i64) -> None:
        """An order has another price or size; a growing exit keeps its price, and its room is known already."""
        slices = slices_of(size, order.display_size)
        order.market.open_slices += slices - order.slices
        order.slices = slices
        order.size = size
        order.remaining = remaining
        if order.group is not None:
            return
        order.room = remaining
        order.worst_price = self.new_price
        if order.order_type != PEGGED:
            order.price = price

    def reduce(self, order: OpenOrder, size: i64, remaining: i64, cause: i64) -> None:
        """An order has become smaller without trading; what a group takes from it has been counted with the trade."""
        order.remaining = remaining
        order.size = order.filled + remaining
        group = order.group
        if group is None:
            order.room = remaining
        elif cause != CAUSE_GROUP:
            order.room -= size
            if group.kind != GROUP_OCO and not order.is_exit:
                self.take_future(order, size)

    # ---- groups

    def take_room(self, order: OpenOrder, size: i64) -> None:
        """What one of a pair, or one exit, has traded is gone for the other too, but not what an entry still brings."""
        order.room -= size
        group = order.group
        if group is None or (group.kind != GROUP_OCO and not order.is_exit):
            return
        floor: i64 = 0
        for member in group.members:
            if group.kind != GROUP_OCO and not member.is_exit:
                floor = member.remaining
        for member in group.members:
            if member is not order and (group.kind == GROUP_OCO or member.is_exit):
                member.room = max(floor, member.room - size)
                self.accounts.note_order(member)

    def take_future(self, entry: OpenOrder, size: i64) -> None:
        """What an entry will not bring any more is gone for its exits."""
        group = entry.group
        assert group is not None
        for member in group.members:
            if member.is_exit:
                member.room = max(0, member.room - size)
                self.accounts.note_order(member)

    def leave_group(self, order: OpenOrder) -> None:
        """An order that ends leaves its group; an entry takes with it what it would have brought."""
        group = order.group
        if group is None:
            return
        if group.kind != GROUP_OCO and not order.is_exit and order.remaining > 0:
            self.take_future(order, order.remaining)
        group.members = [member for member in group.members if member is not order]

    # ---- telling

    def tell(
        self, order: OpenOrder, event: i64, trade_id: i64, price: i64, size: i64, fee: int, fee_asset: str,
        liquidity: i64, cause: i64, code: i64, other_order_id: i64, reason: str,
    ) -> None:  # fmt: skip
        """Report an event of an order to its account."""
        account = order.account
        account.sequence += 1
        follow_stop(order)
        request_id: i64 = 0
        if account is self.asker and self.first_asked <= order.order_id <= self.last_asked:
            request_id = order.request_id if self.request_id == OF_ORDER else self.request_id
        self.out.append(
            OrderReported(
                self.exchange_id, account.account_id, account.sequence, order.session_id,
                request_id, event, order.market.instrument_id, order.order_id,
                order.client_order_id, order.side, order.order_type, order.time_in_force, order.price, order.size,
                order.filled, order.remaining, order.turnover, order.stop_price, trade_id, price, size, fee, fee_asset,
                liquidity, cause, code, other_order_id, reason, self.now_ns,
            )
        )  # fmt: skip

    def keep_fill(self, account: Account) -> None:
        """Keep the report that was told last, which is a fill, among the last of the account."""
        report = self.out[len(self.out) - 1]
        assert isinstance(report, OrderReported)
        if i64(len(account.fills)) < self.fills_kept:
            account.fills.append(report)
            return
        dropped = account.fills[account.fills_at]
        account.fills_dropped = dropped.sequence
        account.fills[account.fills_at] = report
        account.fills_at = (account.fills_at + 1) % self.fills_kept

    def tell_balances(self) -> None:
        """Settle what is held, and report every balance that has changed."""
        accounts = self.accounts
        accounts.settle_holds()
        changed = accounts.changed_accounts
        place: i64 = 0
        while place < len(changed):
            account = changed[place]
            asset = accounts.changed_assets[place]
            account.changed[asset] = False
            accounts.check_balance(account, asset)
            account.sequence += 1
            self.out.append(self.balance(account, asset, account.sequence, 0))
            place += 1
        changed.clear()
        accounts.changed_assets.clear()

    def balance(self, account: Account, asset: i64, sequence: i64, session_id: i64) -> BalanceReported:
        """A balance as it is now."""
        return BalanceReported(
            self.exchange_id, account.account_id, sequence, session_id, self.accounts.assets[asset],
            account.total[asset], account.held[asset], self.now_ns,
        )  # fmt: skip


def refused_change(order: OpenOrder, code: i64) -> str:
    """Why the engine refused a change; empty where it did not."""
    if code == NO_CODE:
        return ""
    return NO_CHANGE if code == REJECT_UNSUPPORTED and order.group is not None else reject_text(code)


def follow_stop(order: OpenOrder) -> None:
    """Note the stop price of a trailing order as it is now: the engine sets and moves it without an event."""
    if order.order_type != TRAILING_STOP and order.order_type != TRAILING_STOP_LIMIT:
        return
    found = order.market.engine.order(order.order_id)
    if found is not None and found.stop_price != 0:
        order.stop_price = found.stop_price


def remember(account: Account, order_id: int, client_order_id: str, kept: i64) -> None:
    """Remember an order that has ended in place of the one that ended longest ago."""
    if i64(len(account.ended)) < kept:
        account.ended.append(order_id)
        account.ended_clients.append(client_order_id)
    else:
        place = account.ended_at
        old = account.ended[place]
        old_client = account.ended_clients[place]
        del account.ended_orders[old]
        if len(old_client) > 0 and account.ended_by_client.get(old_client, 0) == old:
            del account.ended_by_client[old_client]
        account.ended[place] = order_id
        account.ended_clients[place] = client_order_id
        account.ended_at = (place + 1) % kept
    account.ended_orders[order_id] = True
    if len(client_order_id) > 0:
        account.ended_by_client[client_order_id] = order_id
