"""What a gateway knows of one account: its orders, its fills, its balances, as the exchange has reported them.

It is kept from the account's numbered reports; a missing number is noticed, and the account is asked for again before
the next question is answered. Orders that have ended are kept up to a stated number, and so are fills. Those from
before the gateway's start are known as far as the exchange tells them: open orders whole, ended ones by their fills.
It decides nothing and knows no venue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from market.messages import (
    CAUSE_SELF_TRADE,
    EVENT_CANCEL_REJECTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    EVENT_STATE,
    EVENT_TRADED,
    EVENT_TRIGGERED,
    REJECT_NOT_FILLABLE,
    STOP,
    STOP_LIMIT,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    BalanceReported,
    OrderReported,
)

WAITING_TYPES: Final = frozenset(
    {STOP, STOP_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT}
)
"""Orders that wait for a price before they work."""

_REFUSALS: Final = frozenset({EVENT_CANCEL_REJECTED, EVENT_REPLACE_REJECTED})


class OrderView:
    """One order as it was last reported; `end_event` and `end_cause` say how it ended, 0 while it is open."""

    def __init__(self, report: OrderReported) -> None:
        self.last = report
        self.note: object = None
        """What the gateway that entered it wants to remember of the request."""
        self.cancel_name = ""
        """The client's name of the cancel that is on its way."""
        self.created_ns = report.venue_ns
        self.working_ns = 0
        self.end_event = 0
        self.end_cause = 0
        self.met_itself = False
        self.filled = 0
        self.turnover = 0

    @property
    def is_open(self) -> bool:
        """Whether it still works or waits."""
        return self.end_event == 0

    @property
    def is_working(self) -> bool:
        """Whether it can trade: it waits for no price."""
        return self.working_ns != 0

    def take(self, report: OrderReported) -> None:
        """Become what a report says."""
        if report.event in _REFUSALS or report.sequence < self.last.sequence:
            return
        self.last = report
        self.filled = max(self.filled, report.filled)
        self.turnover = max(self.turnover, report.turnover)
        waits = report.order_type in WAITING_TYPES and report.filled == 0 and report.event != EVENT_TRIGGERED
        if self.working_ns == 0 and not waits:
            self.working_ns = report.venue_ns
        if report.event in (EVENT_CANCELLED, EVENT_EXPIRED, EVENT_REJECTED):
            self.end_event = report.event
            self.end_cause = report.cause
            self.met_itself = report.cause == CAUSE_SELF_TRADE
        elif report.filled >= report.size > 0:
            self.end_event = EVENT_TRADED


class AccountWatcher(Protocol):
    """Who hears of everything that happens in an account, in order."""

    def on_report(self, order: OrderView, report: OrderReported) -> None:
        """Something has happened to an order, which knows it already."""

    def on_balances(self, assets: Sequence[str], venue_ns: int) -> None:
        """These balances have changed."""


class AccountMirror:
    """See the head of this file. A balance is total and held, at 10^-12 of the asset."""

    def __init__(self, account_id: int, orders_kept: int, fills_kept: int) -> None:
        self.account_id = account_id
        self.is_primed = False
        self.gaps = 0
        self.balances: dict[str, tuple[int, int]] = {}
        self.updated_ns = 0
        self.orders: dict[int, OrderView] = {}
        self.watchers: dict[AccountWatcher, None] = {}
        # What is to be remembered of orders that are about to be reported for the first time.
        self.notes: dict[int, object] = {}
        self._open: dict[int, OrderView] = {}
        self._by_client: dict[str, OrderView] = {}
        self._fills: dict[tuple[int, int], OrderReported] = {}
        self._ended: dict[int, None] = {}
        self._orders_kept = orders_kept
        self._fills_kept = fills_kept
        self._sequence = 0
        self._changed: dict[str, None] = {}

    # ---- questions

    def open_orders(self) -> list[OrderView]:
        """All that work or wait, the oldest first."""
        return list(self._open.values())

    def find(self, order_id: int, client_order_id: str) -> OrderView | None:
        """An order by its number, or the last one of a client's name."""
        return self.orders.get(order_id) if order_id else self._by_client.get(client_order_id)

    def fills(self) -> Iterable[OrderReported]:
        """All fills that are known, the oldest first."""
        return self._fills.values()

    # ---- reports

    def take_report(self, report: OrderReported) -> OrderView | None:
        """A report that is news; gives the order, None for a refusal: what was refused never was one.

        Only a fill-or-kill order that found too little counts as one that was there for a moment.
        """
        self._follow(report.sequence)
        self.tell_balances()
        if report.order_id == 0 or (report.event == EVENT_REJECTED and report.code != REJECT_NOT_FILLABLE):
            return None
        order = self._note(report)
        for watcher in list(self.watchers):
            watcher.on_report(order, report)
        return order

    def take_balance(self, balance: BalanceReported) -> None:
        """A balance that is news; watchers hear of it with the others that changed with it."""
        self._follow(balance.sequence)
        self.balances[balance.asset] = (balance.total, balance.held)
        self.updated_ns = balance.venue_ns
        self._changed[balance.asset] = None

    def tell_balances(self) -> None:
        """Tell the watchers what has changed since the last time."""
        if self._changed:
            assets = list(self._changed)
            self._changed.clear()
            for watcher in list(self.watchers):
                watcher.on_balances(assets, self.updated_ns)

    # ---- rows of answers

    def take_open_orders(self, rows: Sequence[OrderReported]) -> None:
        """All open orders: an order that was thought to be open and is not among them has ended unheard."""
        named = {row.order_id for row in rows}
        for order_id, order in list(self._open.items()):
            if order_id not in named:
                order.end_event = EVENT_CANCELLED
                self._end(order)
        for row in rows:
            self._note(row)

    def take_fills(self, rows: Sequence[OrderReported]) -> None:
        """The last fills, after the open orders: what only its fills tell of, and is not whole, has been cancelled."""
        unknown = {row.order_id for row in rows if row.order_id not in self.orders}
        for row in rows:
            self._note(row)
        for order_id in unknown:
            order = self.orders.get(order_id)
            if order is not None and order.is_open:
                order.end_event = EVENT_CANCELLED
                self._end(order)

    def take_balances(self, rows: Sequence[BalanceReported]) -> None:
        """All balances."""
        for row in rows:
            self.balances[row.asset] = (row.total, row.held)
            self.updated_ns = row.venue_ns

    def begin(self, sequence: int) -> None:
        """Everything up to this number is known now."""
        self._sequence = max(self._sequence, sequence)
        self.is_primed = True

    # ---- keeping

    def _follow(self, sequence: int) -> None:
        if self.is_primed and sequence > self._sequence + 1:
            self.gaps += 1
            self.is_primed = False
        self._sequence = max(self._sequence, sequence)

    def _note(self, report: OrderReported) -> OrderView:
        order = self.orders.get(report.order_id)
        if order is None:
            order = self.orders[report.order_id] = OrderView(report)
            order.note = self.notes.pop(report.order_id, None)
            named = self._by_client.get(report.client_order_id)
            if report.client_order_id and (named is None or named.last.order_id < report.order_id):
                self._by_client[report.client_order_id] = order
            self._open[report.order_id] = order
        was_open = order.is_open
        order.take(report)
        if report.trade_id and report.event in (EVENT_TRADED, EVENT_STATE):
            self._fills[(report.order_id, report.trade_id)] = report
            if len(self._fills) > self._fills_kept:
                del self._fills[next(iter(self._fills))]
        if was_open and not order.is_open:
            self._end(order)
        return order

    def _end(self, order: OrderView) -> None:
        order_id = order.last.order_id
        self._open.pop(order_id, None)
        self._ended[order_id] = None
        if len(self._ended) > self._orders_kept:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            gone = self.orders.pop(oldest)
            if self._by_client.get(gone.last.client_order_id) is gone:
                del self._by_client[gone.last.client_order_id]
