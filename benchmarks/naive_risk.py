"""The risk checks as one would write them down: `Decimal`, dictionaries and a walk over all orders for every question.

It takes the same limits as texts and knows the same orders and positions; it says by which check an order is refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs

from market.instruments import Instrument
from market.messages import (
    BUY,
    REJECT_BALANCE,
    REJECT_DUPLICATE,
    REJECT_GROSS_EXPOSURE,
    REJECT_NET_EXPOSURE,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_NOTIONAL,
    REJECT_ORDER_RATE,
    REJECT_ORDER_SIZE,
    REJECT_POSITION,
    REJECT_POSITION_COUNT,
    REJECT_PRICE_COLLAR,
    REJECT_SELF_TRADE,
    REJECT_STALE_BOOK,
    SELL,
)

PASSED: Final = -1
SECOND: Final = 1_000_000_000


@attrs.define
class NaiveOrder:
    """An open order."""

    order_id: int
    strategy_id: int
    instrument_id: int
    side: int
    price: Decimal
    size: Decimal


@attrs.frozen
class NaiveLimits:
    """Every limit, as an amount."""

    order_size: Decimal
    order_notional: Decimal
    collar_bps: Decimal
    fair_collar_bps: Decimal
    position: Decimal
    group_position: Decimal
    positions: int
    gross: Decimal
    net: Decimal
    open_orders: int
    orders: int
    requests: int
    book_age_ns: int


class NaiveRisk:
    """See the head of this file."""

    def __init__(self, instruments: list[Instrument], limits: NaiveLimits) -> None:
        self.instruments = {one.instrument_id: one for one in instruments}
        self.limits = limits
        self.orders: list[NaiveOrder] = []
        self.positions: dict[int, Decimal] = {one.instrument_id: Decimal(0) for one in instruments}
        self.mids: dict[int, Decimal] = {}
        self.fairs: dict[int, Decimal] = {}
        self.told_ns: dict[int, int] = {}
        self.balances: dict[tuple[str, str], Decimal] = {}
        self.sent_ns: list[int] = []

    def verdict(self, order: NaiveOrder, price: Decimal, size: Decimal, now_ns: int) -> int:
        """Why an order of this price and size is refused, or that it passes."""
        code = self.alone(order, price, size, now_ns)
        if code == PASSED:
            code = self.together(order)
        if code == PASSED:
            self.sent_ns.append(now_ns)
        return code

    def alone(self, order: NaiveOrder, price: Decimal, size: Decimal, now_ns: int) -> int:
        """The order by itself, and beside others of its instrument."""
        limits, number = self.limits, order.instrument_id
        mid, fair = self.mids.get(number), self.fairs.get(number)
        if mid is None or fair is None or now_ns - self.told_ns[number] > limits.book_age_ns:
            return REJECT_STALE_BOOK
        if size > limits.order_size:
            return REJECT_ORDER_SIZE
        if price * size > limits.order_notional:
            return REJECT_ORDER_NOTIONAL
        if abs(price - mid) * 10_000 > limits.collar_bps * mid:
            return REJECT_PRICE_COLLAR
        if abs(price - fair) * 10_000 > limits.fair_collar_bps * fair:
            return REJECT_PRICE_COLLAR
        for one in self.orders:
            crosses = price >= one.price if order.side == BUY else price <= one.price
            if one.instrument_id == number and one.side != order.side and crosses:
                return REJECT_SELF_TRADE
        for one in self.orders:
            same = (one.instrument_id, one.strategy_id, one.side, one.price, one.size)
            if one.order_id != order.order_id and same == (number, order.strategy_id, order.side, price, size):
                return REJECT_DUPLICATE
        if len(self.orders) > limits.open_orders:
            return REJECT_OPEN_ORDERS
        self.sent_ns = [sent_ns for sent_ns in self.sent_ns if sent_ns > now_ns - SECOND]
        if len(self.sent_ns) >= limits.orders or len(self.sent_ns) >= limits.requests:
            return REJECT_ORDER_RATE
        return PASSED

    def together(self, order: NaiveOrder) -> int:
        """What would be held if everything open filled."""
        limits, side = self.limits, order.side
        if side * self.worst(order.instrument_id, side) > limits.position:
            return REJECT_POSITION
        base = self.instruments[order.instrument_id].base
        group = [number for number, one in self.instruments.items() if one.base == base]
        if side * sum(self.worst(number, side) for number in group) > limits.group_position:
            return REJECT_POSITION
        active = [number for number in self.instruments if self.worst(number, BUY) or self.worst(number, SELL)]
        if len(active) > limits.positions:
            return REJECT_POSITION_COUNT
        gross = sum(
            max(abs(self.worst(number, BUY)), abs(self.worst(number, SELL))) * self.mids[number]
            for number in self.instruments
        )
        if gross > limits.gross:
            return REJECT_GROSS_EXPOSURE
        if side * sum(self.worst(number, side) * self.mids[number] for number in self.instruments) > limits.net:
            return REJECT_NET_EXPOSURE
        return PASSED if self.is_covered(order) else REJECT_BALANCE

    def worst(self, number: int, side: int) -> Decimal:
        """The position in an instrument if every open order of a side filled."""
        total = self.positions[number]
        for one in self.orders:
            if one.instrument_id == number and one.side == side:
                total += one.size * side
        return total

    def is_covered(self, order: NaiveOrder) -> bool:
        """Whether the account at the venue covers everything open there."""
        instrument = self.instruments[order.instrument_id]
        venue = instrument.venue
        needed = Decimal(0)
        for one in self.orders:
            at = self.instruments[one.instrument_id]
            if at.venue == venue and one.side == order.side:
                fee = Decimal(at.taker_fee_ppm) / 1_000_000
                needed += one.price * one.size * (1 + fee) if order.side == BUY else one.size
        asset = instrument.quote if order.side == BUY else instrument.base
        return needed <= self.balances[(venue, asset)]
