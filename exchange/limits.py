"""Limits of an account: messages in a window, open orders, and orders in proportion to trades.

Exact integers and the time of the input, no clock. Cancels pass all of them; what floods a connection with cancels is
the gateway's to cut. `docs/exchange.md` states the rules.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.records import Account
from market.calendar import SessionCalendar


class LimitRules:
    """What the accounts of one tier may do."""

    def __init__(
        self, messages: i64, window_ns: i64, open_orders: i64, free_orders: i64, orders_per_trade: i64
    ) -> None:
        # The bucket counts in window nanoseconds: a message takes one window, and each nanosecond brings `messages`.
        # Ten million messages in a minute stay below 2^60.
        assert 0 < messages <= 10_000_000
        assert 0 < window_ns <= 60_000_000_000
        self.messages: Final[i64] = messages
        self.window_ns: Final[i64] = window_ns
        self.open_orders: Final[i64] = open_orders
        # 0 for no limit on the proportion.
        self.orders_per_trade: Final[i64] = orders_per_trade
        self.free_orders: Final[i64] = free_orders

    def take_message(self, account: Account, now_ns: i64) -> bool:
        """Count a message; says whether it may pass. The bucket begins full and holds one window's messages."""
        full = self.messages * self.window_ns
        tokens = account.tokens
        if tokens < 0:
            tokens = full
        else:
            passed = now_ns - account.tokens_ns
            if passed >= self.window_ns:
                tokens = full
            else:
                tokens = min(full, tokens + passed * self.messages)
        account.tokens_ns = now_ns
        if tokens < self.window_ns:
            account.tokens = tokens
            return False
        account.tokens = tokens - self.window_ns
        return True

    def begin_day(self, account: Account, now_ns: i64, calendar: SessionCalendar) -> None:
        """Where the account's day is over, begin the next one with nothing counted."""
        if now_ns >= account.day_end_ns:
            account.day_end_ns = calendar.session_end_ns(now_ns)
            account.day_orders = 0
            account.day_trades = 0

    def keeps_proportion(self, account: Account, more: i64) -> bool:
        """Whether so many more orders are within the free ones and those that the trades of the day allow."""
        if self.orders_per_trade == 0:
            return True
        return account.day_orders + more <= self.free_orders + self.orders_per_trade * account.day_trades

    def may_open(self, account: Account, more: i64) -> bool:
        """Whether so many more orders may be open."""
        return i64(len(account.orders)) + more <= self.open_orders
