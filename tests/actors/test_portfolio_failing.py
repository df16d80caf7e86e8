"""A portfolio, or a risk, that fails on a fill: it comes back with what the ledger counts, and says so."""

from __future__ import annotations

import pytest

from actors.portfolio import Portfolio
from actors.portfolio_params import PortfolioParams
from actors.risk import Risk
from market.messages import BUY, SELL, HaltReset, PositionChanged
from runtime.actor import Actor
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, RiskLane


def killed_by_a_fill(lane: RiskLane, class_: type[Actor]) -> None:
    """A fill of half a bitcoin, then one of a quarter that kills an actor, which is made anew; trading goes on."""
    lane.open_books()
    lane.trade(BINANCE, BUY, "60000", "0.5", fee=10**9)
    order_id = lane.ask(BINANCE, BUY, "59000", "0.25")
    slot = next(one for one in lane.core.slots if isinstance(one.actor, class_))
    slot.kill_every, slot.kill_countdown = 10**6, 1
    lane.fill(order_id, fee=5 * 10**8)
    slot.kill_every = 0
    assert slot.failures == 1
    lane.take(HaltReset("test"))
    lane.open_books()


@pytest.mark.parametrize("method", ["average", "fifo", "lifo"])
def test_portfolio_that_fails_on_a_fill_holds_what_the_ledger_holds(method: str) -> None:
    """Size, cost, fees and results, from that moment on and after everything was closed."""
    params = PortfolioParams(method=method, currency="USDT", rates={"EUR": "EUR/USDT"})
    lane = RiskLane(classes=(Risk, Portfolio), portfolio=params)
    killed_by_a_fill(lane, Portfolio)
    told = lane.of(PositionChanged)[-1]
    assert (told.net_size, told.fees) == (75_000, 15 * 10**8)
    lane.fill(lane.ask(BINANCE, SELL, "60000", "0.75"))
    ours = lane.actor(Portfolio).queue.held(BINANCE)
    (ledgers,) = lane.core.ledger.positions.values()
    assert (ours[0], ours[1].profit) == (0, ledgers.realised - ledgers.fees)
    assert ours[1].realised == 250 * 10**7


def test_accounts_of_a_risk_that_fails_on_a_fill_are_counted_anew() -> None:
    """What was paid and what was bought, with the fees."""
    accounts = {"binance USDT": DecimalText("100000"), "binance BTC": DecimalText("1")}
    lane = RiskLane({"balances": accounts})
    killed_by_a_fill(lane, Risk)
    totals = {name: one.total for name, one in lane.risk.balances.balances.items()}
    assert totals == {"binance USDT": (100_000 - 44_750 - 150) * 10**7, "binance BTC": 175_000}
