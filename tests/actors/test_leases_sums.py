"""What is in use of a lease, kept up to date order by order, against a count of all orders and positions."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.leases import OPEN_ORDERS, Leases, exposure_limit, money_in_use, open_size, opened
from market.messages import BUY, MARKET, SELL, LeaseGranted
from market.order_life import PENDING, WORKING
from runtime.ledger_orders import LedgerOrder
from tests.actors.risk_lane import BINANCE, BTC_EUR, COINBASE, KRAKEN, PAIRS, RiskLane
from tests.seeds import examples

STRATEGIES = (90, 91)
NUMBERS = (BINANCE, KRAKEN, COINBASE, BTC_EUR)


def counted(lane: RiskLane, leases: Leases) -> dict[str, int]:
    """What is in use, counted from every open order and every position."""
    ledger = lane.core.ledger
    used = dict.fromkeys(leases.held, 0)
    used[OPEN_ORDERS] = len(ledger.open)
    keys = {(one.strategy_id, one.instrument_id) for one in ledger.open.values()} | set(ledger.positions)
    for strategy_id, number in keys:
        one = PAIRS[number - 1]
        sides: dict[int, list[LedgerOrder]] = {BUY: [], SELL: []}
        for order in ledger.open.values():
            if (order.strategy_id, order.instrument_id) == (strategy_id, number):
                sides[order.side].append(order)
        position = ledger.positions.get((strategy_id, number))
        net, cost = (0, 0) if position is None else (int(position.net_size), abs(position.cost))
        reference = leases.references.get(number, 0)
        long = opened(sides[BUY], open_size(sides[BUY]) + min(net, 0), one, reference) + (cost if net > 0 else 0)
        short = opened(sides[SELL], open_size(sides[SELL]) - max(net, 0), one, reference) + (cost if net < 0 else 0)
        used[exposure_limit(one.money_asset)] += money_in_use(max(cost, long, short), one.money_scale)
    return used


def leased_lane() -> tuple[RiskLane, Leases]:
    """Every book open, and leases for more than there can be."""
    lane = RiskLane({"leased": True})
    lane.open_books()
    leases = lane.risk.leases
    assert leases is not None
    for number, limit in enumerate(leases.held, start=1):
        lane.take(LeaseGranted(lane.risk.name, number, limit, 0, 10**15, lane.now_ns + 10**15))
    return lane, leases


def step(lane: RiskLane, draw: random.Random) -> None:
    """One more order, touch, acknowledgement, change, fill or end."""
    known = list(lane.core.ledger.open.values())
    event = draw.randrange(8)
    if event < 3 or not known:
        number, side, strategy_id = draw.choice(NUMBERS), draw.choice((BUY, SELL)), draw.choice(STRATEGIES)
        size = f"0.{draw.randint(1, 300):05d}"
        if draw.random() < 0.3:
            lane.ask(number, side, "", size, MARKET, strategy_id)
        else:
            price = (50_000 if number == BTC_EUR else 60_000) + draw.randint(-500, 500)
            lane.ask(number, side, str(price), size, strategy_id=strategy_id)
        return
    order = draw.choice(known)
    if event == 3:
        number = draw.choice((BINANCE, KRAKEN, COINBASE))
        middle = 60_000 + draw.randint(-50, 50)
        lane.touch(number, str(middle - 1), str(middle + 1))
    elif event == 4 and order.state == PENDING:
        lane.accept(order.order_id)
    elif event == 5 and order.state == WORKING and order.price > 0:
        lane.change(order.order_id, "60000" if order.instrument_id != BTC_EUR else "50000", "0.00300")
    elif event == 6:
        lane.fill(order.order_id, price="" if order.price > 0 else "60000")
    elif event == 7:
        lane.cancelled(order.order_id)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(25, 1_500), deadline=None)
def test_use_of_a_lease_is_what_a_count_of_all_orders_gives(seed: int) -> None:
    """After every step, through refusals, changes, fills that turn a position over, and orders without a price."""
    lane, leases = leased_lane()
    draw = random.Random(seed)
    for _ in range(60):
        step(lane, draw)
        assert leases.in_use() == counted(lane, leases)
    assert lane.failures() == []


def test_order_counts_only_what_its_own_strategy_has_open() -> None:
    """What was counted of the others stays, so that the cost of a check does not grow with all open orders."""
    lane, leases = leased_lane()
    for strategy_id in range(100, 110):
        lane.ask(BINANCE, BUY, "60000", "0.01", strategy_id=strategy_id)
    before = {one.standing.strategy_id: one.version for one in leases.exposed}
    lane.ask(BINANCE, BUY, "60000", "0.02", strategy_id=105)
    changed = [one.standing.strategy_id for one in leases.exposed if before[one.standing.strategy_id] != one.version]
    assert changed == [105]
