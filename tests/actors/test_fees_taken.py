"""Fees that a venue takes out of what was bought: positions, results and balances are those of the account."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.portfolio import Portfolio
from actors.portfolio_params import PortfolioParams
from actors.risk import Risk
from market.messages import BUY, SELL, FeeTaken, LimitReached, LotClosed, OrderFilled, PositionChanged
from market.positions import METHODS, SIZE_PARTS
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, PAIRS, RiskLane
from tests.seeds import examples

PAIR = PAIRS[BINANCE - 1]
START = {"binance USDT": DecimalText("1000000"), "binance BTC": DecimalText("100")}


def lane_with(method: str = "average", **limits: object) -> RiskLane:
    """Risk and portfolio with every book open, and an account that is watched."""
    params = PortfolioParams(method=method, currency="USDT", rates={"EUR": "EUR/USDT"})
    wide = {"maximum_position": DecimalText("1000"), "balances": START}
    lane = RiskLane({**wide, **limits}, classes=(Risk, Portfolio), portfolio=params)
    lane.open_books()
    return lane


def take_fee(lane: RiskLane, fill: OrderFilled, parts: int) -> FeeTaken:
    """What a gateway tells beside a fill."""
    taken = FeeTaken(fill.order_id, BINANCE, fill.strategy_id, fill.trade_id, fill.price, parts, fill.fee, 0)
    lane.take(taken)
    return taken


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(15, 500), deadline=None)
def test_everything_is_that_of_the_account(method: str, seed: int) -> None:
    """Ledger, portfolio and balances have what the account has, rounded down to a unit; no cash is lost or made."""
    draw = random.Random(seed)
    lane = lane_with(method)
    cash, parts = 0, 0
    for _ in range(draw.randint(1, 25)):
        side, size = draw.choice((BUY, SELL)), f"0.{draw.randint(1, 9999):05d}"
        fee = draw.randint(-(10**5), 10**9)
        lane.trade(BINANCE, side, str(60_000 + draw.randint(-300, 300)), size, fee)
        fill = lane.of(OrderFilled)[-1]
        cash -= fill.side * fill.price * fill.size
        parts += fill.side * fill.size * SIZE_PARTS
        if draw.random() < 0.7:
            taken = draw.randint(-SIZE_PARTS // 2, 5 * SIZE_PARTS)
            parts -= taken
            told = take_fee(lane, fill, taken)
            if draw.random() < 0.3:
                lane.take(told, fill)
        else:
            cash -= fee
    held, result = lane.actor(Portfolio).queue.held(BINANCE)
    (ledgers,) = lane.core.ledger.positions.values()
    assert lane.net(BINANCE) == held == ledgers.net_size == parts // SIZE_PARTS
    mid = 6_000_000
    assert result.profit == ledgers.profit(mid) == cash + held * mid
    balances = {name: one.total for name, one in lane.risk.balances.balances.items()}
    lane.risk.balances.recount()
    assert balances == {name: one.total for name, one in lane.risk.balances.balances.items()}
    assert balances["binance BTC"] - 100 * 10**PAIR.size_scale == held
    assert lane.failures() == []


def test_what_is_left_is_told_and_saved() -> None:
    """The position after the fee; with lots, the part that left; a lane that was loaded counts the next fee alike."""
    lane = lane_with("fifo")
    lane.trade(BINANCE, BUY, "60000", "0.5", 30 * 10**7)
    fill = lane.of(OrderFilled)[-1]
    take_fee(lane, fill, 50 * SIZE_PARTS + 1)
    assert lane.of(PositionChanged)[-1].net_size == 50_000 - 51
    assert [lot.size for lot in lane.of(LotClosed)] == [51]
    saved = json.loads(json.dumps(lane.core.save()))
    again = lane_with("fifo")
    again.core.load(saved)
    again.last_order, again.last_trade, again.now_ns = lane.last_order, lane.last_trade, lane.now_ns
    for one in (lane, again):
        one.trade(BINANCE, BUY, "60000", "0.5", 30 * 10**7)
        take_fee(one, one.of(OrderFilled)[-1], SIZE_PARTS)
        assert one.net(BINANCE) == one.actor(Portfolio).queue.held(BINANCE)[0] == 100_000 - 52
    assert again.core.save() == lane.core.save()


def test_a_fee_is_a_loss_of_the_day() -> None:
    """What the account has less is lost like a fee in money, once."""
    lane = lane_with(maximum_daily_loss=DecimalText("59"))
    lane.trade(BINANCE, BUY, "60000", "1", 60 * 10**7)
    assert [one.value for one in lane.of(LimitReached) if one.halts] == [60_00000000]
    kinder = lane_with(maximum_daily_loss=DecimalText("61"))
    kinder.trade(BINANCE, BUY, "60000", "1", 60 * 10**7)
    take_fee(kinder, kinder.of(OrderFilled)[-1], 100 * SIZE_PARTS)
    assert [one for one in kinder.of(LimitReached) if one.halts] == []
    assert kinder.risk.losses.loss_of_day() == 60_00000000
