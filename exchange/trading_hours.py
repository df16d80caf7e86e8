"""When instruments trade: the calendar, what administrators want, halts, and orders whose time runs out."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.core import Exchange
from exchange.records import Market
from market.messages import (
    CAUSE_INSTRUMENT_STATUS,
    STATUS_CANCEL_ONLY,
    STATUS_CLOSED,
    STATUS_DELISTED,
    STATUS_HALTED,
    STATUS_POST_ONLY,
    STATUS_TRADING,
)

KNOWN: Final = (
    STATUS_CLOSED, STATUS_TRADING, STATUS_HALTED, STATUS_CANCEL_ONLY, STATUS_POST_ONLY, STATUS_DELISTED,
)  # fmt: skip


class TradingHours:
    """See the head of this file."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange: Final = exchange

    def apply(self, market: Market, now_ns: i64, halted: bool) -> bool:
        """Give a market the status that it should have now; says whether that is another one.

        While the system is halted nothing may trade, stop orders that wait included; what was wanted is not forgotten.
        """
        status = market.wanted_status
        if status != STATUS_DELISTED:
            if not self.exchange.calendar.is_open(now_ns):
                status = STATUS_CLOSED
            elif halted:
                status = STATUS_HALTED
        if status == market.status:
            return False
        market.status = status
        market.engine.set_status(status)
        self.follow(market, now_ns)
        return True

    def follow(self, market: Market, now_ns: i64) -> None:
        """Tell what an engine did by itself; nobody has asked for it."""
        reports = self.exchange.reports
        reports.now_ns = now_ns
        reports.begin(self.exchange.accounts.fees, 0, 0, -1)
        reports.follow(market)
        reports.tell_balances()

    def may_become(self, market: Market, status: i64) -> bool:
        """Whether an administrator may ask for a status: one that is known, and none after the end."""
        return status in KNOWN and (market.wanted_status != STATUS_DELISTED or status == STATUS_DELISTED)

    def leave_if_delisted(self, market: Market, now_ns: i64) -> i64:
        """An instrument that never trades again has no orders any more; gives how many it had."""
        if market.wanted_status != STATUS_DELISTED:
            return 0
        reports = self.exchange.reports
        # Nothing may fire or trade while its orders go.
        market.engine.set_status(STATUS_CANCEL_ONLY)
        self.follow(market, now_ns)
        found = [reports.orders[order_id] for order_id in sorted(reports.orders)]
        here = [order for order in found if order.market is market]
        return self.exchange.cancel_these(here, CAUSE_INSTRUMENT_STATUS)

    def next_expiry_ns(self) -> i64:
        """When the next order of any instrument runs out; 0 for never."""
        first: i64 = 0
        for market in self.exchange.markets:
            expiry_ns = market.engine.next_expiry_ns()
            if expiry_ns > 0 and (first == 0 or expiry_ns < first):
                first = expiry_ns
        return first

    def expire(self, now_ns: i64) -> None:
        """End the orders whose time has run out."""
        reports = self.exchange.reports
        reports.now_ns = now_ns
        reports.begin(self.exchange.accounts.fees, 0, 0, -1)
        for market in self.exchange.markets:
            expiry_ns = market.engine.next_expiry_ns()
            if 0 < expiry_ns <= now_ns:
                market.engine.expire(now_ns)
                reports.follow(market)
        reports.tell_balances()
