"""The sums of the ledger over open orders: whatever happens, they are what a count of all orders gives."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from market.messages import (
    BUY,
    GTC,
    LIMIT,
    MAKER,
    SELL,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
)
from market.order_life import REPLACE_PENDING, WORKING, is_final, is_replace_pending
from runtime.ledger import Ledger, LedgerOrder, MoneyTerms, OpenSide
from tests.seeds import examples

# One plain pair, one contract of 3 / 2, one inverse contract.
TERMS = {1: MoneyTerms(1, 1, False), 2: MoneyTerms(3, 2, False), 3: MoneyTerms(10**8, 1, True)}


def ledger_of_three() -> Ledger:
    """A ledger that knows how three instruments count money."""
    ledger = Ledger(ended_capacity=20)
    ledger.terms.update(TERMS)
    return ledger


def counted(orders: list[LedgerOrder], instrument_id: int, side: int) -> tuple[int, int, int]:
    """Size, money and size without a price of some orders, counted one by one by the words of the rule."""
    size = money = unpriced = 0
    terms = TERMS[instrument_id]
    for order in orders:
        if order.instrument_id != instrument_id or order.side != side:
            continue
        sizes, prices = [order.size], [order.price]
        if is_replace_pending(order.state):
            sizes.append(order.replace_size)
            prices.append(order.replace_price)
        left = max(max(sizes) - order.filled, 0)
        size += left
        if min(prices) <= 0:
            unpriced += left
        elif terms.inverse:
            money += max(-(-left * terms.multiplier // (price * terms.divisor)) for price in prices)
        else:
            money += max(-(-left * price * terms.multiplier // terms.divisor) for price in prices)
    return size, money, unpriced


def chain_of(side: OpenSide) -> list[LedgerOrder]:
    """The orders of a side as the chain has them, the same from both ends."""
    found: list[LedgerOrder] = []
    one = side.first
    while one is not None:
        assert one.earlier is (found[-1] if found else None)
        found.append(one)
        one = one.later
    assert side.last is (found[-1] if found else None)
    return found


def assert_sums(ledger: Ledger, net: dict[tuple[int, int], int]) -> None:
    """Every question that the ledger answers from its sums, against a count of all orders and fills."""
    everything = [ledger.order(order_id) for order_id in ledger.open]
    orders = [order for order in everything if order is not None]
    assert not [order for order in orders if is_final(order.state)]
    for instrument_id in TERMS:
        assert ledger.net_size(instrument_id) == sum(size for key, size in net.items() if key[1] == instrument_id)
        for strategy_id in (-1, 7, 8):
            mine = [one for one in orders if strategy_id in (-1, one.strategy_id)]
            here = [one for one in mine if one.instrument_id == instrument_id]
            assert ledger.working_orders(strategy_id, instrument_id) == here
            for side in (BUY, SELL):
                kept = ledger.open_side(instrument_id, side, strategy_id)
                assert (kept.size, kept.money, kept.unpriced) == counted(mine, instrument_id, side)
                sided = [one for one in here if one.side == side]
                assert kept.listed() == sided
                assert kept.count == len(sided)
                if strategy_id < 0:
                    assert chain_of(kept) == sided
                priced = [one.highest_price() if side == BUY else one.lowest_price() for one in sided]
                best = max if side == BUY else min
                assert kept.nearest() == best((price for price in priced if price > 0), default=0)
            if strategy_id > 0:
                assert ledger.standing(instrument_id, strategy_id).net_size == net.get((strategy_id, instrument_id), 0)


class Story:
    """A ledger that is told a random but possible story."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.ledger = ledger_of_three()
        self.net: dict[tuple[int, int], int] = {}
        self.last_id = 0
        self.trades = 0

    def step(self) -> None:
        """One more event."""
        known = [*self.ledger.open.values()]
        if not known or self.draw.random() < 0.3:
            self.ask()
        else:
            self.happen(self.draw.choice(known))

    def ask(self) -> None:
        """A new order."""
        self.last_id += 1
        price = self.draw.choice((0, 0, *range(90, 110)))
        fields: Any = (
            self.last_id, 0, self.draw.choice((7, 8)), self.draw.choice((1, 2, 3)), self.draw.choice((BUY, SELL)),
            LIMIT, GTC, price, 2 * self.draw.randint(1, 50), 0, 0, False, False, 0, 0,
        )  # fmt: skip
        self.ledger.observe(ChildOrder(*fields))
        if self.draw.random() < 0.9:
            self.ledger.observe(NewOrder(*fields))
            self.ledger.observe(OrderAccepted(self.last_id, fields[3], "", 0))
        elif self.draw.random() < 0.5:
            self.ledger.observe(OrderRejected(self.last_id, fields[3], 0, "", ""))

    def happen(self, order: LedgerOrder) -> None:
        """Something happens to an order."""
        number, instrument_id, draw = order.order_id, order.instrument_id, self.draw
        event = draw.randrange(10)
        if event < 3 and order.price > 0:
            self.fill(order)
        elif event == 3 and WORKING <= order.state <= WORKING + 1:
            price, size = draw.choice((0, *range(85, 115))), order.filled + 2 * draw.randint(0, 60)
            self.ledger.observe(ChildReplace(number, instrument_id, price, size, 0))
        elif event in (4, 5) and is_replace_pending(order.state):
            if draw.random() < 0.5:
                self.ledger.observe(
                    OrderReplaced(number, instrument_id, order.replace_price, max(order.replace_size, order.filled), 0)
                )
            else:
                self.ledger.observe(ReplaceRejected(number, instrument_id, 0, ""))
        elif event == 6:
            self.ledger.observe(CancelOrder(number, instrument_id, "", 0))
        elif event == 7:
            self.ledger.observe(CancelRejected(number, instrument_id, 0, ""))
        elif event == 8:
            ended = OrderExpired(number, instrument_id, 0)
            cancelled = OrderCancelled(number, instrument_id, 0, 0, "")
            self.ledger.observe(draw.choice((ended, cancelled)))
        elif event == 9 and order.remaining > 1:
            removed = 2 * draw.randint(1, order.remaining // 2)
            self.ledger.observe(OrderReduced(number, instrument_id, removed, order.remaining - removed, 0, 0))

    def fill(self, order: LedgerOrder) -> None:
        """An order trades, at times more than it may, and is told of twice at times."""
        size = 2 * self.draw.randint(1, max(int(order.worst_size()) // 2, 1))
        key = (int(order.strategy_id), int(order.instrument_id))
        self.net[key] = self.net.get(key, 0) + size * int(order.side)
        self.trades += 1
        for _ in range(self.draw.choice((1, 1, 2))):
            self.ledger.observe(
                OrderFilled(
                    order.order_id, order.instrument_id, order.strategy_id, self.trades, order.side,
                    int(order.price), size, 0, 0, MAKER, 0,
                )
            )  # fmt: skip


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
@settings(max_examples=examples(120, 5_000), deadline=None)
def test_sums_are_what_a_count_of_all_orders_gives(seed: int, steps: int) -> None:
    """By instrument, strategy and side, through fills, changes, refusals, ends and what is told twice."""
    story = Story(seed)
    for _ in range(steps):
        story.step()
        assert_sums(story.ledger, story.net)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(25, 1_000), deadline=None)
def test_saved_ledger_has_the_same_sums_for_those_who_hold_them(seed: int) -> None:
    """A `Standing` taken before the load shows what was loaded; what is saved again is the same."""
    story = Story(seed)
    for _ in range(50):
        story.step()
    again = ledger_of_three()
    held = {number: again.standing(number) for number in TERMS}
    again.load(json.loads(json.dumps(story.ledger.save())))
    assert again.save() == story.ledger.save()
    assert_sums(again, story.net)
    for number, standing in held.items():
        assert standing is again.standing(number)
        assert standing.longest() == story.ledger.standing(number).longest()
        assert standing.shortest() == story.ledger.standing(number).shortest()


def test_pending_change_counts_at_the_larger_of_old_and_new() -> None:
    """Size and price each at their worst, until the venue has answered."""
    ledger = ledger_of_three()
    order = (1, 0, 7, 1, BUY, LIMIT, GTC, 100, 10, 0, 0, False, False, 0, 0)
    for message in (ChildOrder(*order), NewOrder(*order), OrderAccepted(1, 1, "", 0), ChildReplace(1, 1, 90, 30, 0)):
        assert ledger.observe(message) == ""
    side = ledger.open_side(1, BUY)
    assert ledger.open[1].state == REPLACE_PENDING
    assert (side.size, side.money, side.nearest()) == (30, 3000, 100)
    assert ledger.observe(ReplaceRejected(1, 1, 0, "")) == ""
    assert (side.size, side.money) == (10, 1000)


def test_versions_tell_what_has_changed() -> None:
    """Who keeps a figure of an instrument looks at its version: it moves with its orders and no others."""
    ledger = ledger_of_three()
    first, second = ledger.standing(1), ledger.standing(2)
    before, other = first.version, second.version
    order = (1, 0, 7, 1, SELL, LIMIT, GTC, 100, 10, 0, 0, False, False, 0, 0)
    ledger.observe(ChildOrder(*order))
    assert first.version > before
    assert second.version == other
    assert (first.longest(), first.shortest()) == (0, -10)
