"""The user stream of Binance's spot protocol: listen keys, and what an account hears of its orders and balances.

An account has one listen key at a time. It ends when it is closed or not renewed in time; its clients hear that and
keep their connection. Orders are told as they are reported, balances that changed together in one message.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from exchange.outside.binance_frames import Frame, encode, milliseconds, padded, price_of, size_of
from exchange.outside.binance_orders import OrderWords, words_of
from exchange.outside.binance_streams import Stream, Streams
from exchange.outside.books import Market
from exchange.outside.mirror import AccountMirror, OrderView
from exchange.records import AMOUNT_SCALE
from market.messages import (
    EVENT_ACCEPTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REJECTED,
    EVENT_REPLACED,
    EVENT_TRADED,
    EVENT_TRIGGERED,
    MAKER,
    OrderReported,
)

KEY_BYTES: Final = 32


class ExecutionReport(
    Frame, frozen=True, kw_only=True,
    rename={
        "event": "e", "event_ms": "E", "symbol": "s", "client_order_id": "c", "side": "S", "order_type": "o",
        "time_in_force": "f", "quantity": "q", "price": "p", "stop_price": "P", "iceberg": "F", "list_id": "g",
        "original_client_order_id": "C", "execution": "x", "status": "X", "reason": "r", "order_id": "i",
        "last_quantity": "l", "filled": "z", "last_price": "L", "fee": "n", "fee_asset": "N", "transaction_ms": "T",
        "trade_id": "t", "ignored": "I", "is_working": "w", "is_maker": "m", "also_ignored": "M", "created_ms": "O",
        "quote_filled": "Z", "last_quote": "Y", "quote_quantity": "Q", "working_ms": "W", "self_trade": "V",
    },
):  # fmt: skip
    """Something has happened to an order."""

    event: str = "executionReport"
    event_ms: int
    symbol: str
    client_order_id: str
    side: str
    order_type: str
    time_in_force: str
    quantity: str
    price: str
    stop_price: str
    iceberg: str
    list_id: int = -1
    original_client_order_id: str
    execution: str
    status: str
    reason: str = "NONE"
    order_id: int
    last_quantity: str
    filled: str
    last_price: str
    fee: str
    fee_asset: str | None
    transaction_ms: int
    trade_id: int
    ignored: int
    is_working: bool
    is_maker: bool
    also_ignored: bool = False
    created_ms: int
    quote_filled: str
    last_quote: str
    quote_quantity: str = "0.00000000"
    working_ms: int | msgspec.UnsetType = msgspec.UNSET
    self_trade: str


class BalanceRow(Frame, frozen=True, kw_only=True, rename={"asset": "a", "free": "f", "locked": "l"}):
    """One balance."""

    asset: str
    free: str
    locked: str


class AccountPosition(
    Frame, frozen=True, kw_only=True, rename={"event": "e", "event_ms": "E", "updated_ms": "u", "balances": "B"}
):
    """Balances that have changed."""

    event: str = "outboundAccountPosition"
    event_ms: int
    updated_ms: int
    balances: list[BalanceRow]


class KeyExpired(Frame, frozen=True, kw_only=True, rename={"event": "e", "event_ms": "E", "key": "listenKey"}):
    """The listen key is no more."""

    event: str = "listenKeyExpired"
    event_ms: int
    key: str


EXECUTIONS: Final[dict[int, str]] = {
    EVENT_ACCEPTED: "NEW",
    EVENT_TRIGGERED: "NEW",
    EVENT_REPLACED: "REPLACED",
    EVENT_TRADED: "TRADE",
    EVENT_REJECTED: "EXPIRED",
    EVENT_EXPIRED: "EXPIRED",
}


class UserStream(Stream):
    """What the clients of one account hear; it is the account's `AccountWatcher`."""

    def __init__(
        self, key: str, mirror: AccountMirror, markets: dict[int, Market], now_ns: Callable[[], int], expires_ns: int
    ) -> None:
        super().__init__(key, None, now_ns)
        self.mirror = mirror
        self.expires_ns = expires_ns
        self._markets = markets
        self._count = 0

    def on_report(self, order: OrderView, report: OrderReported) -> None:
        """Tell it, where the venue has a word for it."""
        market = self._markets.get(report.instrument_id)
        words = words_of(order)
        execution = EXECUTIONS.get(report.event, "")
        if report.event == EVENT_CANCELLED:
            execution = words.status if words.status.startswith("EXPIRED") else "CANCELED"
            execution = "TRADE_PREVENTION" if order.met_itself else execution
        if market is not None and execution and self.members:
            self._count += 1
            self.publish(encode(_report(market, order, report, words, execution, self._now_ns(), self._count)))

    def on_balances(self, assets: Sequence[str], venue_ns: int) -> None:
        """Tell them."""
        if self.members:
            balances = self.mirror.balances
            rows = [balance_row(asset, *balances[asset]) for asset in assets]
            self.publish(
                encode(
                    AccountPosition(
                        event_ms=milliseconds(self._now_ns()), updated_ms=milliseconds(venue_ns), balances=rows
                    )
                )
            )

    def end(self) -> None:
        """Tell that the key is no more."""
        self.publish(encode(KeyExpired(event_ms=milliseconds(self._now_ns()), key=self.name)))


def balance_row(asset: str, total: int, held: int) -> BalanceRow:
    """A balance as the venue tells it: what is free, and what is locked."""
    return BalanceRow(asset=asset, free=padded(total - held, AMOUNT_SCALE), locked=padded(held, AMOUNT_SCALE))


def _report(
    market: Market, order: OrderView, report: OrderReported, words: OrderWords, execution: str, now_ns: int, count: int
) -> ExecutionReport:
    traded = report.event == EVENT_TRADED
    # A cancel is told by its own name first; what the exchange does of itself has none.
    is_cancelled = execution == "CANCELED" and order.cancel_name != ""
    scale = market.instrument.money_scale
    return ExecutionReport(
        event_ms=milliseconds(now_ns),
        symbol=market.symbol,
        client_order_id=order.cancel_name if is_cancelled else report.client_order_id,
        side=words.side,
        order_type=words.order_type,
        time_in_force=words.time_in_force,
        quantity=size_of(market, report.size),
        price=price_of(market, words.price),
        stop_price=price_of(market, report.stop_price),
        iceberg=size_of(market, words.iceberg),
        original_client_order_id=report.client_order_id if is_cancelled else "",
        execution=execution,
        status=words.status,
        order_id=report.order_id,
        last_quantity=size_of(market, report.trade_size if traded else 0),
        filled=size_of(market, report.filled),
        last_price=price_of(market, report.trade_price if traded else 0),
        fee=padded(report.fee, AMOUNT_SCALE) if traded else "0",
        fee_asset=report.fee_asset if traded else None,
        transaction_ms=milliseconds(report.venue_ns),
        trade_id=report.trade_id if traded else -1,
        ignored=count,
        is_working=order.is_open and order.is_working,
        is_maker=traded and report.liquidity == MAKER,
        created_ms=milliseconds(order.created_ns),
        quote_filled=padded(report.turnover, scale),
        last_quote=padded(int(report.trade_price) * int(report.trade_size) if traded else 0, scale),
        working_ms=milliseconds(order.working_ns) if order.is_working else msgspec.UNSET,
        self_trade=words.self_trade,
    )


class ListenKeys:
    """The listen keys that live."""

    def __init__(self, streams: Streams, now_ns: Callable[[], int], life_ns: int) -> None:
        self.markets: dict[int, Market] = {}
        self._streams = streams
        self._now_ns = now_ns
        self._life_ns = life_ns
        self._by_account: dict[int, UserStream] = {}

    def open(self, mirror: AccountMirror) -> str:
        """The account's key, renewed, or a new one."""
        self.expire()
        user = self._by_account.get(mirror.account_id)
        if user is None:
            key = secrets.token_hex(KEY_BYTES)
            user = UserStream(key, mirror, self.markets, self._now_ns, 0)
            self._by_account[mirror.account_id] = user
            self._streams.private[key] = user
            mirror.watchers[user] = None
        user.expires_ns = self._now_ns() + self._life_ns
        return user.name

    def renew(self, key: str, account_id: int) -> bool:
        """Let it live on; False where the account has no such key."""
        self.expire()
        user = self._by_account.get(account_id)
        if user is None or user.name != key:
            return False
        user.expires_ns = self._now_ns() + self._life_ns
        return True

    def close(self, key: str, account_id: int) -> bool:
        """End it; False where the account has no such key."""
        self.expire()
        user = self._by_account.get(account_id)
        if user is None or user.name != key:
            return False
        self._end(user)
        return True

    def expire(self) -> None:
        """End those whose time is over."""
        now_ns = self._now_ns()
        for user in list(self._by_account.values()):
            if user.expires_ns <= now_ns:
                self._end(user)

    def _end(self, user: UserStream) -> None:
        user.end()
        del self._by_account[user.mirror.account_id]
        del self._streams.private[user.name]
        user.mirror.watchers.pop(user, None)
