"""What the exchange says, as reports for the lane: live events, answers, and the rows of its state.

It keeps our view of the orders right and gives what follows from each word; it sends nothing and waits for nothing.
What has to be done at the exchange because of a word (a cancel once more, a look at the state) it notes as a wish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from exchange.protocol_events import Answer, Balance, Report
from exchange.trading_words import cause_of, code_of, price_in, side_of, size_in, trade_of
from market.instruments import Instrument
from market.messages import (
    CAUSE_RECONCILIATION,
    REJECT_CONNECTION,
    REJECT_TOO_LATE,
    VENUE_CANCELLED,
    VENUE_FILLED,
    VENUE_UNKNOWN,
    VENUE_WORKING,
    BalanceChanged,
    ForeignOrder,
    Message,
    OrderReduced,
    OrderRepriced,
    OrderStatusWanted,
    OrderTriggered,
)
from venues.gateway_money import asset_amount
from venues.gateway_orders import GatewayOrder, GatewayOrders, Stage, Trade

NEW: Final = "new"
CANCEL: Final = "cancel"
REPLACE: Final = "replace"
# The request never reached the order: it may be sent again.
_AGAIN: Final = frozenset({"rate_limited", "too_many_pending", "duplicate_id"})
# Nobody knows what came of the request.
_UNKNOWN: Final = frozenset({"timeout"})
_GONE: Final = frozenset({"unknown_order", "too_late"})


@attrs.frozen
class About:
    """What a request was about."""

    kind: str
    order_id: int
    instrument_id: int


class TradingDesk:
    """See the head of this file."""

    def __init__(self, orders: GatewayOrders, instruments: Sequence[Instrument], connection_id: int) -> None:
        """Follow the orders in these instruments."""
        self.orders: Final = orders
        self.connection_id: Final = connection_id
        self.by_symbol: Final = {one.venue_symbol: one for one in instruments}
        self.cancelling: Final[set[int]] = set()
        """Orders of which a cancel is on its way."""
        self.ghosts: Final[set[int]] = set()
        """Orders that were told to be over and work after all: they are cancelled, whoever wants them."""
        self.is_look_wanted = False
        """Whether the exchange's state has to be asked for."""
        self.strangers = 0
        """Reports of orders that are not ours."""

    # ---- live events

    def heard(self, event: Report | Balance) -> list[Message]:
        """Something has happened."""
        if isinstance(event, Balance):
            return self.balance(event)
        instrument = self.by_symbol.get(event.symbol)
        order = None if instrument is None else self._order_of(event, instrument)
        if instrument is None or order is None:
            self.strangers += 1
            return []
        if self.orders.is_ghost(order) and event.event in ("accepted", "traded", "rested", "triggered"):
            # It was given up for lost, and works after all: nobody wants it any more.
            self.ghosts.add(order.order_id)
        return self._happened(event, order, instrument)

    def balance(self, event: Balance) -> list[Message]:
        """A balance."""
        total, held = asset_amount(event.total), asset_amount(event.held)
        return [BalanceChanged(self.connection_id, event.asset, total, held, event.time_ns)]

    def _order_of(self, report: Report, instrument: Instrument) -> GatewayOrder | None:
        """The order of a report; one of ours that nobody remembers is taken on."""
        order_id = self.orders.id_in(report.client_order_id)
        order = self.orders.find(order_id)
        if order is None and order_id and report.order_id:
            order = self.orders.adopt(
                order_id, instrument.instrument_id, side_of(report.side), price_in(report, instrument),
                size_in(report.size, instrument), str(report.order_id),
            )  # fmt: skip
        return order

    def is_unknown(self, row: Report | Balance) -> bool:
        """Whether a row is of an order of ours that nobody here remembers."""
        order_id = self.orders.id_in(row.client_order_id) if isinstance(row, Report) else 0
        return order_id > 0 and self.orders.find(order_id) is None

    def _happened(self, report: Report, order: GatewayOrder, instrument: Instrument) -> list[Message]:
        orders, now_ns = self.orders, report.time_ns
        match report.event:
            case "accepted":
                return orders.accepted(order, str(report.order_id), now_ns)
            case "traded":
                order.venue_order_id = str(report.order_id)
                return orders.traded(order, trade_of(report, instrument))
            case "cancelled":
                return self._gone(order, cause_of(report.cause), report.text or report.cause)
            case "expired":
                return orders.accepted(order, str(report.order_id), now_ns) + orders.expired(order)
            case "replaced":
                return orders.replaced(order, price_in(report, instrument), size_in(report.size, instrument), now_ns)
            case "reduced":
                size = size_in(report.size, instrument)
                removed, order.size = order.size - size, size
                told = OrderReduced(
                    order.order_id, order.instrument_id, removed, order.remaining, cause_of(report.cause), now_ns
                )
                return [told]
            case "repriced":
                order.price = price_in(report, instrument)
                return [OrderRepriced(order.order_id, order.instrument_id, order.price, report.text, now_ns)]
            case "triggered":
                stop_price = price_in(report, instrument)
                return [OrderTriggered(order.order_id, order.instrument_id, stop_price, now_ns)]
        # What was refused is told in the answer to the request, which always comes or the connection ends.
        return []

    def _gone(self, order: GatewayOrder, cause: int, reason: str) -> list[Message]:
        """An order that is out of the book; one that was never acknowledged came and went."""
        self.ghosts.discard(order.order_id)
        return self.orders.accepted(order, order.venue_order_id, 0) + self.orders.cancelled(order, cause, reason)

    # ---- answers

    def answered(self, about: About, answer: Answer) -> list[Message]:
        """The answer to a request of ours; what a request did is told by the reports before it."""
        order = self.orders.find(about.order_id)
        if about.kind == CANCEL:
            self.cancelling.discard(about.order_id)
        if answer.ok:
            return []
        reason = f"{answer.code}: {answer.text}" if answer.text else answer.code
        if answer.code in _UNKNOWN:
            self.is_look_wanted = True
            if order is not None and about.kind == NEW and order.stage is Stage.REQUESTED:
                order.stage = Stage.UNKNOWN
            return [] if about.kind != REPLACE else self._unreplaced(about, answer, reason)
        if about.kind == NEW:
            return [] if order is None else self.orders.rejected(order, code_of(answer.code), reason)
        if about.kind == REPLACE:
            return self._unreplaced(about, answer, reason)
        if answer.code in _AGAIN:
            return []
        if answer.code in _GONE:
            self.ghosts.discard(about.order_id)
        is_open = order is not None and order.is_open
        if is_open and answer.code in _GONE:
            # The two do not agree on what exists.
            self.is_look_wanted = True
        code = REJECT_TOO_LATE if order is not None and not is_open else code_of(answer.code)
        return self.orders.cancel_rejected(about.order_id, about.instrument_id, code, reason)

    def _unreplaced(self, about: About, answer: Answer, reason: str) -> list[Message]:
        return self.orders.replace_rejected(about.order_id, about.instrument_id, code_of(answer.code), reason)

    # ---- the state of the exchange

    def fills(self, rows: Sequence[Report | Balance]) -> list[Message]:
        """Fills that may have been missed."""
        told: list[Message] = []
        for row in rows:
            if isinstance(row, Report) and (instrument := self.by_symbol.get(row.symbol)) is not None:
                order = self.orders.named(row.client_order_id)
                if order is not None:
                    order.venue_order_id = order.venue_order_id or str(row.order_id)
                    told += self._followed(order, row, instrument)
                    told += self.orders.traded(order, trade_of(row, instrument))
        return told

    def _followed(self, order: GatewayOrder, row: Report, instrument: Instrument) -> list[Message]:
        """A change whose report was missed is seen by what the order is now."""
        price, size = price_in(row, instrument), size_in(row.size, instrument)
        return self.orders.replaced(order, price, size, row.time_ns) if order.change == (price, size) else []

    def open_orders(
        self, expected: Mapping[int, tuple[int, int] | None], rows: Sequence[Report | Balance],
        fills: Sequence[Report | Balance], cause: int,
    ) -> tuple[list[Message], int]:  # fmt: skip
        """What works there, and what became of those that were expected to; and how many of ours work.

        The expected orders come with the changes that were on their way when the question was asked; where the rows
        hold orders that nobody here remembers, all fills have to be there.
        Ours are told as `OrderStatus`, others as `ForeignOrder`. One that is expected and not there is gone.
        """
        told: list[Message] = []
        found: set[int] = set()
        count = 0
        for row in rows:
            if not isinstance(row, Report) or (instrument := self.by_symbol.get(row.symbol)) is None:
                continue
            is_unknown = self.is_unknown(row)
            order = self._order_of(row, instrument)
            if order is None:
                told.append(self._foreign(row, instrument))
                continue
            count += 1
            if is_unknown:
                told += self.orders.all_traded(order, self._trades_in(fills, order.name, instrument))
            found.add(order.order_id)
            if not order.is_open:
                self.ghosts.add(order.order_id)
                continue
            told += self.orders.accepted(order, str(row.order_id), row.time_ns)
            told += self._followed(order, row, instrument)
            told += self.orders.status(order, VENUE_WORKING, row.time_ns)
        for order_id, change in expected.items():
            order = self.orders.open.get(order_id)
            if order is not None and order_id not in found:
                told += self.lost(order, cause)
            elif order is not None and change is not None and order.change is change:
                reason = "it was lost on the way"
                told += self.orders.replace_rejected(order_id, order.instrument_id, REJECT_CONNECTION, reason)
        return told, count

    def instruments_of_ours(self, rows: Sequence[Report | Balance]) -> set[int]:
        """The instruments of those rows that are orders of ours."""
        return {
            self.by_symbol[row.symbol].instrument_id for row in rows
            if isinstance(row, Report) and row.symbol in self.by_symbol and self.orders.id_in(row.client_order_id)
        }  # fmt: skip

    def lost(self, order: GatewayOrder, cause: int) -> list[Message]:
        """An open order of ours that is not at the exchange, all its trades known."""
        if order.stage is Stage.WORKING:
            return self.orders.cancelled(order, cause, "it was found gone at the exchange")
        return self.orders.never_arrived(order)

    def _foreign(self, row: Report, instrument: Instrument) -> Message:
        return ForeignOrder(
            self.connection_id, instrument.instrument_id, str(row.order_id), row.client_order_id, side_of(row.side),
            price_in(row, instrument), size_in(row.remaining, instrument), row.time_ns,
        )  # fmt: skip

    # ---- one order

    def status(
        self, wanted: OrderStatusWanted, open_rows: Sequence[Report | Balance], fill_rows: Sequence[Report | Balance]
    ) -> list[Message]:
        """Where one order stands, with all its trades before it, by the exchange's word."""
        name = self.orders.name_of(wanted.order_id)
        working = [row for row in open_rows if isinstance(row, Report) and row.client_order_id == name]
        fills = [row for row in fill_rows if isinstance(row, Report) and row.client_order_id == name]
        # The last row has the order as it was last seen.
        row = next(iter(working), None) or max(fills, key=_sequence, default=None)
        instrument = None if row is None else self.by_symbol.get(row.symbol)
        order = self.orders.find(wanted.order_id)
        if order is None and row is not None and instrument is not None:
            order = self._order_of(row, instrument)
        if order is None:
            return self.orders.nowhere(wanted)
        was_open = order.is_open
        told: list[Message] = []
        if instrument is not None:
            told += self.orders.all_traded(order, self._trades_in(fills, name, instrument))
        if working:
            told += self.orders.accepted(order, order.venue_order_id, working[0].time_ns)
            return told + self.orders.status(order, VENUE_WORKING, working[0].time_ns)
        if was_open and order.is_open:
            told += self.lost(order, CAUSE_RECONCILIATION)
        status = VENUE_FILLED if order.size and order.filled >= order.size else VENUE_CANCELLED
        return told + self.orders.status(order, VENUE_UNKNOWN if order.was_refused else status, 0)

    def _trades_in(self, rows: Sequence[Report | Balance], name: str, instrument: Instrument) -> list[Trade]:
        """The trades of one order among rows of fills."""
        return [trade_of(row, instrument) for row in rows if isinstance(row, Report) and row.client_order_id == name]


def _sequence(report: Report) -> int:
    return report.sequence
