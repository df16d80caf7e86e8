"""No limit is ever exceeded, even when every fill arrives late: random orders, changes, fills and cancels, and a venue
whose reports are on their way for any time. What is asked is not what risk believes, but what the venue could do."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from market.messages import (
    BUY,
    MAKER,
    SELL,
    CancelOrder,
    ChildReplace,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderReduced,
    OrderReplaced,
    ReplaceOrder,
    ReplaceRejected,
)
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, BTC_EUR, COINBASE, KRAKEN, PAIRS, STRATEGY, RiskLane
from tests.seeds import examples

UNIT = 10**8
LIMITS = {
    "maximum_position": DecimalText("1"), "maximum_group_position": DecimalText("1.5"),
    "maximum_gross_exposure": DecimalText("120000"), "maximum_net_exposure": DecimalText("80000"),
    "maximum_open_orders": 12, "maximum_positions": 3,
    "balances": {"binance USDT": DecimalText("90000"), "binance BTC": DecimalText("0.8")},
}  # fmt: skip
# What one BTC is worth in USDT at each of them; the mids stand still.
WORTH = {BINANCE: 60_000, KRAKEN: 60_000, COINBASE: 60_000, BTC_EUR: 60_000}


class TrueOrder:
    """An order as the venue has it."""

    def __init__(self, number: int, side: int, price: int, size: int) -> None:
        self.number = number
        self.side = side
        self.price = price
        self.size = size
        self.filled = 0
        self.wanted: tuple[int, int] | None = None
        self.cancel_wanted = False

    def worst(self) -> int:
        """The most of it that may still trade, whatever of its changes arrives."""
        size = max(self.size, self.wanted[1]) if self.wanted else self.size
        return max(size - self.filled, 0)


class LateVenue:
    """All venues together: what it does is true at once, and known when its reports arrive."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.lane = RiskLane(LIMITS)
        self.lane.open_books()
        self.orders: dict[int, TrueOrder] = {}
        self.positions = dict.fromkeys(WORTH, 0)
        self.cash = 90_000 * 10**7
        self.reports: list[Message] = []
        self.heard = 0
        self.trades = 0

    def step(self) -> None:
        """One thing happens."""
        act = self.draw.choice(
            (self.ask, self.ask, self.trade, self.trade, self.change, self.cancel, self.answer, self.reduce)
        )  # fmt: skip
        act()
        self.listen()
        for _ in range(self.draw.choice((0, 0, 0, 1, 2))):
            if self.reports:
                self.lane.take(self.reports.pop(0))
        self.listen()

    def listen(self) -> None:
        """Take what risk has let through; it counts from then on, whenever it arrives."""
        heard = self.lane.heard
        for message in heard[self.heard :]:
            if isinstance(message, NewOrder):
                self.orders[message.order_id] = TrueOrder(
                    message.instrument_id, message.side, message.price, message.size
                )
                self.reports.append(OrderAccepted(message.order_id, message.instrument_id, "", 0))
            elif isinstance(message, ReplaceOrder) and message.order_id in self.orders:
                self.orders[message.order_id].wanted = (message.price, message.size)
        self.heard = len(heard)

    # ---- what we do

    def ask(self) -> None:
        """We send an order, of any size up to the whole limit."""
        number = self.draw.choice(list(WORTH))
        mid = 50_000 if number == BTC_EUR else 60_000
        price = mid + self.draw.randint(-500, 500)
        size = f"0.{self.draw.randint(1, 99999):05d}"
        self.lane.ask(number, self.draw.choice((BUY, SELL)), str(price), size)

    def change(self) -> None:
        """We change an order that works, if there is one."""
        working = [one for one in self.lane.core.ledger.open.values() if one.state in (1, 2) and one.sent]
        if working:
            order = self.draw.choice(working)
            size = order.filled + self.draw.randint(1, 2 * int(order.size))
            lot = PAIRS[order.instrument_id - 1].lot
            self.lane.take(ChildReplace(order.order_id, order.instrument_id, order.price, size // lot * lot + lot, 0))

    def cancel(self) -> None:
        """We cancel an order; it goes on trading until the cancel arrives."""
        working = list(self.lane.core.ledger.open.values())
        if working:
            order = self.draw.choice(working)
            if order.order_id in self.orders:
                self.orders[order.order_id].cancel_wanted = True
                self.lane.take(CancelOrder(order.order_id, order.instrument_id, "test", 0))

    # ---- what the venue does

    def trade(self) -> None:
        """Some order trades, in part or whole."""
        if not self.orders:
            return
        order_id, order = self.draw.choice(list(self.orders.items()))
        lots = (order.size - order.filled) // PAIRS[order.number - 1].lot
        if lots <= 0:
            return
        size = (lots if self.draw.random() < 0.5 else self.draw.randint(1, lots)) * PAIRS[order.number - 1].lot
        fee = PAIRS[order.number - 1].fee(order.price, size, MAKER)
        order.filled += size
        self.positions[order.number] += order.side * size
        if order.number == BINANCE:
            self.cash -= order.side * order.price * size + fee
        self.trades += 1
        self.reports.append(
            OrderFilled(
                order_id, order.number, STRATEGY, self.trades, order.side, order.price, size,
                order.size - order.filled, fee, MAKER, 0,
            )
        )  # fmt: skip
        if order.filled == order.size:
            if order.wanted:
                self.reports.append(ReplaceRejected(order_id, order.number, 0, "filled"))
            del self.orders[order_id]

    def reduce(self) -> None:
        """The venue takes some of an order away without a trade, as it does where two of one account would meet."""
        for order_id, order in self.orders.items():
            left = order.size - order.filled
            lot = PAIRS[order.number - 1].lot
            if left > lot and self.draw.random() < 0.3:
                removed = self.draw.randint(1, (left - 1) // lot) * lot
                order.size -= removed
                self.reports.append(OrderReduced(order_id, order.number, removed, left - removed, 0, 0))
                return

    def answer(self) -> None:
        """The venue takes a cancel or a change, or refuses the change."""
        for order_id, order in list(self.orders.items()):
            if order.cancel_wanted:
                self.reports.append(OrderCancelled(order_id, order.number, order.size - order.filled, 0, ""))
                del self.orders[order_id]
                return
            if order.wanted:
                price, size = order.wanted
                order.wanted = None
                if size <= order.filled or self.draw.random() < 0.4:
                    self.reports.append(ReplaceRejected(order_id, order.number, 0, "test"))
                else:
                    order.price, order.size = price, size
                    self.reports.append(OrderReplaced(order_id, order.number, price, size, 0))
                return

    # ---- what must hold

    def worst(self, number: int, side: int) -> int:
        """The position in units of 0.00000001 if every order of a side that the venue may have filled."""
        scale: int = 10 ** (8 - PAIRS[number - 1].size_scale)
        open_size = sum(one.worst() for one in self.orders.values() if (one.number, one.side) == (number, side))
        return (self.positions[number] + side * open_size) * scale

    def check(self) -> None:
        """Every limit, by what is true at the venue."""
        assert self.lane.failures() == []
        assert not self.lane.core.ledger.halted, self.lane.core.anomalies
        longs = {number: self.worst(number, BUY) for number in WORTH}
        shorts = {number: self.worst(number, SELL) for number in WORTH}
        assert max(longs.values()) <= UNIT
        assert min(shorts.values()) >= -UNIT
        assert sum(longs.values()) <= 1.5 * UNIT
        assert sum(shorts.values()) >= -1.5 * UNIT
        gross = sum(max(longs[number], -shorts[number]) * WORTH[number] for number in WORTH)
        assert gross <= 120_000 * UNIT
        assert sum(longs[number] * WORTH[number] for number in WORTH) <= 80_000 * UNIT
        assert sum(shorts[number] * WORTH[number] for number in WORTH) >= -80_000 * UNIT
        assert len(self.orders) <= 12
        assert len([number for number in WORTH if longs[number] or shorts[number]]) <= 3
        self.check_account()

    def check_account(self) -> None:
        """The account at binance covers every order there, with its fee."""
        base = 80_000 + self.positions[BINANCE]
        cash = self.cash
        for one in self.orders.values():
            if one.number == BINANCE and one.side == SELL:
                base -= one.worst()
            elif one.number == BINANCE:
                price = max(one.price, one.wanted[0]) if one.wanted else one.price
                cash -= price * one.worst() * (10_000 + 1) // 10_000
        assert base >= 0
        assert cash >= 0


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(40, 2_000), deadline=None)
def test_no_limit_is_exceeded_however_late_fills_arrive(seed: int) -> None:
    """Position, group, gross, net, number of positions and orders, and accounts: at every moment, at their worst."""
    venue = LateVenue(seed)
    for _ in range(120):
        venue.step()
        venue.check()
    while venue.reports:
        venue.lane.take(venue.reports.pop(0))
        venue.listen()
        venue.check()
    for number in WORTH:
        assert venue.lane.net(number) == venue.positions[number]


def test_the_story_of_these_tests_is_not_empty() -> None:
    """Orders pass, are refused, are changed and trade, so that the property above says something."""
    counts = [0, 0, 0, 0]
    for seed in range(10):
        venue = LateVenue(seed)
        for _ in range(200):
            venue.step()
        told = (len(venue.lane.passed), len(venue.lane.codes()), len(venue.lane.of(ReplaceOrder)), venue.trades)
        counts = [total + one for total, one in zip(counts, told, strict=True)]
    assert min(counts) > 30, counts
