"""The portfolio: results that reconcile to the last unit, three accounts of the same orders, and what is told when."""

from __future__ import annotations

import json
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.portfolio import Portfolio
from actors.portfolio_params import PortfolioParams
from actors.risk import Risk
from market.messages import (
    BUY,
    MAKER,
    MODEL_OPTIMISTIC,
    MODEL_PESSIMISTIC,
    SELL,
    ExposureChanged,
    FundingPaid,
    LotClosed,
    OrderFilled,
    PositionChanged,
    ProfitBracket,
    ProfitChanged,
    ShadowFilled,
)
from market.positions import METHODS
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, BTC_EUR, COINBASE, EUR_USDT, KRAKEN, PAIRS, STRATEGY, RiskLane
from tests.seeds import examples

BOTH = (Risk, Portfolio)
UNIT = 10**8


def lane_with(method: str = "average") -> RiskLane:
    """Risk and portfolio with every book open."""
    params = PortfolioParams(method=method, currency="USDT", rates={"EUR": "EUR/USDT"})
    lane = RiskLane({"maximum_position": DecimalText("1000")}, classes=BOTH, portfolio=params)
    lane.open_books()
    return lane


def shadow(model: int, number: int, side: int, price: str, size: str, fee: int = 0) -> ShadowFilled:
    """What a shadow account holds to be filled."""
    one = PAIRS[number - 1]
    return ShadowFilled(
        1, number, STRATEGY, model, side, one.parse_price(price), one.parse_size(size), 0, fee, 0
    )  # fmt: skip


def exact_profit(fills: list[OrderFilled], funding: list[FundingPaid], mids: dict[int, Fraction]) -> Fraction:
    """All cash that moved and what is left at the mid, in USDT, by nothing but the definition."""
    total = Fraction(0)
    rates = {"USDT": Fraction(1), "EUR": Fraction(12, 10)}
    for fill in fills:
        one = PAIRS[fill.instrument_id - 1]
        price = Fraction(int(fill.price), 10**one.price_scale)
        size = Fraction(int(fill.side * fill.size), 10**one.size_scale)
        fee = Fraction(fill.fee, 10**one.money_scale)
        total += ((mids[one.instrument_id] - price) * size - fee) * rates[one.quote]
    for paid in funding:
        one = PAIRS[paid.instrument_id - 1]
        total += Fraction(paid.amount, 10**one.money_scale) * rates[one.quote]
    return total


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(25, 1_000), deadline=None)
def test_profit_reconciles_with_an_independent_count(method: str, seed: int) -> None:
    """By fills, fees and funding alone, over venues, currencies and flips; the parts add up to the whole."""
    draw = random.Random(seed)
    lane = lane_with(method)
    for _ in range(draw.randint(1, 30)):
        number = draw.choice((BINANCE, KRAKEN, COINBASE, BTC_EUR))
        mid = 50_000 if number == BTC_EUR else 60_000
        price, size = str(mid + draw.randint(-300, 300)), f"0.{draw.randint(1, 9999):04d}"
        lane.trade(
            number, draw.choice((BUY, SELL)), price, size, draw.randint(-(10**9), 10**9),
            strategy_id=draw.choice((STRATEGY, 91)),
        )  # fmt: skip
        if draw.random() < 0.2:
            lane.take(FundingPaid(number, STRATEGY, draw.randint(-(10**9), 10**9), 0, 0, 0))
    fills, funding = lane.of(OrderFilled), lane.of(FundingPaid)
    mids = {number: Fraction(60_000) for number in (BINANCE, KRAKEN, COINBASE)}
    exact = exact_profit(fills, funding, {**mids, BTC_EUR: Fraction(50_000)})
    account = lane.actor(Portfolio).queue
    whole = account.result(account.of(0, 0))
    # Each position is rounded down once to units of 0.00000001.
    assert exact * UNIT - len(account.holdings) < whole.profit <= exact * UNIT
    assert whole.profit == sum(account.result(account.of(strategy, 0)).profit for strategy in (STRATEGY, 91))
    assert whole.profit == sum(account.result(account.of(0, number)).profit for number in range(1, 6))
    for number in range(1, 6):
        net, _ = account.held(number)
        assert net == lane.net(number) == sum(int(f.side * f.size) for f in fills if f.instrument_id == number)
    assert lane.failures() == []


@pytest.mark.parametrize("method", METHODS)
def test_method_moves_results_between_realised_and_unrealised_only(method: str) -> None:
    """The same fills: another realised result, the same profit; a flip opens the rest at the new price."""
    lane = lane_with(method)
    lane.trade(BINANCE, BUY, "59000", "0.5")
    lane.trade(BINANCE, BUY, "61000", "0.5")
    lane.trade(BINANCE, SELL, "60500", "0.5")
    _, result = lane.actor(Portfolio).queue.held(BINANCE)
    realised = {"average": 250, "fifo": 750, "lifo": -250}[method]
    assert result.realised == realised * 10**7
    assert result.profit == (250 + 0) * 10**7
    lane.trade(BINANCE, SELL, "60500", "1")
    net, result = lane.actor(Portfolio).queue.held(BINANCE)
    assert (net, result.realised, result.unrealised) == (-50_000, 500 * 10**7, 250 * 10**7)


def test_closed_lots_are_told_one_by_one() -> None:
    """With the prices and times of their opening and closing; their results add up to the realised one."""
    lane = lane_with("fifo")
    lane.trade(BINANCE, BUY, "59000", "0.5")
    opened_ns = lane.now_ns
    lane.pass_ms(1_000)
    lane.trade(BINANCE, BUY, "61000", "0.5")
    lane.pass_ms(1_000)
    lane.trade(BINANCE, SELL, "60500", "0.7")
    first, second = lane.of(LotClosed)
    assert (first.size, first.open_price, first.close_price, first.open_ns) == (50_000, 5_900_000, 6_050_000, opened_ns)
    assert (second.size, second.open_price) == (20_000, 6_100_000)
    assert first.close_ns == second.close_ns == lane.now_ns
    assert first.realised + second.realised == lane.of(PositionChanged)[-1].realised


def test_fill_that_is_told_twice_counts_once() -> None:
    """As in the ledger."""
    lane = lane_with()
    order_id = lane.ask(BINANCE, BUY, "60000", "0.2")
    lane.fill(order_id, size="0.1")
    lane.take(lane.of(OrderFilled)[0])
    assert lane.actor(Portfolio).queue.held(BINANCE)[0] == lane.net(BINANCE) == 10_000
    assert len(lane.of(PositionChanged)) == 1


def test_bracket_is_of_the_same_orders_by_three_models() -> None:
    """Lowest and highest of the three, at the mid and as closed at the touch, told at most once a second."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "59990", "0.1")
    lane.take(shadow(MODEL_OPTIMISTIC, BINANCE, BUY, "59990", "0.1"))
    lane.take(shadow(MODEL_OPTIMISTIC, BINANCE, SELL, "60010", "0.1"))
    assert lane.of(ProfitBracket) == []
    lane.pass_ms(1_000)
    told = lane.of(ProfitBracket)[-1]
    assert told.strategy_id == 0
    assert (told.queue_at_mid, told.queue_at_touch) == (1 * UNIT, UNIT * 9 // 10)
    assert (told.optimistic_at_mid, told.optimistic_at_touch) == (2 * UNIT, 2 * UNIT)
    assert (told.pessimistic_at_mid, told.pessimistic_at_touch) == (0, 0)
    summary = lane.actor(Portfolio).summary()
    assert summary["bracket"] == {
        "label": "same orders", "low": "0.00", "high": "2.00", "low_at_touch": "0.00", "high_at_touch": "2.00",
        "queue": "1.00", "queue_at_touch": "0.90", "optimistic": "2.00", "optimistic_at_touch": "2.00",
        "pessimistic": "0.00", "pessimistic_at_touch": "0.00",
    }  # fmt: skip
    count = len(lane.of(ProfitBracket))
    lane.pass_ms(5_000)
    assert len(lane.of(ProfitBracket)) == count


def test_results_are_told_once_a_second_and_only_when_they_changed() -> None:
    """By strategy and instrument, by strategy, and for all; a mark that moves is news, one that stands is not."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "60000", "0.1", fee=6 * 10**6)
    for bid in range(59_999, 60_019):
        lane.touch(BINANCE, str(bid), str(bid + 2))
    lane.pass_ms(1_000)
    told = [(one.strategy_id, one.instrument_id) for one in lane.of(ProfitChanged)]
    assert told == [(STRATEGY, BINANCE), (STRATEGY, 0), (0, 0)]
    last = lane.of(ProfitChanged)[-1]
    assert (last.realised, last.unrealised, last.fees) == (0, 1_9 * UNIT // 10, 6 * 10**7)
    lane.pass_ms(3_000)
    assert len(lane.of(ProfitChanged)) == 3
    lane.touch(BINANCE, "60029", "60031")
    lane.pass_ms(1_000)
    assert len(lane.of(ProfitChanged)) == 6


def test_exposure_counts_working_orders_at_their_worst() -> None:
    """Gross and net of what is held, and what open orders could add, with value and peak."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "60000", "0.5")
    lane.trade(KRAKEN, SELL, "60000", "0.2")
    lane.ask(COINBASE, BUY, "60000", "0.1")
    lane.ask(BINANCE, SELL, "60000", "0.6")
    lane.pass_ms(1_000)
    told = lane.of(ExposureChanged)[-1]
    assert (told.gross, told.net, told.working) == (42_000 * UNIT, 18_000 * UNIT, 6_000 * UNIT)
    assert (told.portfolio_value, told.peak_value) == (0, 0)


def test_other_money_is_counted_at_its_rate() -> None:
    """A profit of 100 EUR is 120 USDT; without a live rate it stays at the last one."""
    lane = lane_with()
    lane.trade(BTC_EUR, BUY, "49900", "1")
    account = lane.actor(Portfolio).queue
    assert account.result(account.of(0, 0)).profit == 120 * UNIT
    lane.touch(EUR_USDT, "1.2999", "1.3001", state=2)
    assert account.result(account.of(0, 0)).profit == 120 * UNIT
    lane.touch(EUR_USDT, "1.2999", "1.3001")
    assert account.result(account.of(0, 0)).profit == 130 * UNIT


def test_money_without_a_road_to_the_currency_is_an_error() -> None:
    """Neither is a guess made which currency is meant."""
    with pytest.raises(ValueError, match="say in which to count"):
        RiskLane(classes=(Portfolio,), portfolio=PortfolioParams())
    with pytest.raises(ValueError, match="money in EUR has no rate to USDT"):
        RiskLane(classes=(Portfolio,), portfolio=PortfolioParams(currency="USDT"))
    with pytest.raises(RuleBroken):
        PortfolioParams(currency="USDT", rates={"EUR": "EUR/USDT"}, parity={"EUR": DecimalText("1")})


def test_parity_counts_as_stated() -> None:
    """Without a book."""
    lane = RiskLane(
        classes=BOTH, portfolio=PortfolioParams(currency="USDT", parity={"EUR": DecimalText("1.1")})
    )
    lane.open_books()
    lane.trade(BTC_EUR, BUY, "49900", "1")
    account = lane.actor(Portfolio).queue
    assert account.result(account.of(0, 0)).profit == 110 * UNIT


def test_summary_has_every_view() -> None:
    """By instrument with its venue, by strategy, venue, group and model, as exact decimal text."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "59990", "0.1", fee=10**6)
    lane.trade(KRAKEN, SELL, "60010", "0.05", liquidity=MAKER)
    told = json.loads(json.dumps(lane.actor(Portfolio).summary()))
    assert told["instruments"]["BTC/USDT binance"]["position"] == "0.10000"
    assert told["instruments"]["BTC/USDT binance"]["profit"] == "0.9"
    assert told["instruments"]["BTC/USDT kraken"]["maker_fills"] == 1
    assert told["strategies"][str(STRATEGY)]["profit"] == told["profit"] == "1.4"
    assert told["venues"]["kraken"]["profit"] == "0.5"
    assert told["groups"]["BTC"]["position"] == "0.05"
    assert told["models"]["queue"] == {
        "profit_at_mid": "1.4", "profit_at_touch": "1.25", "fees": "0.1", "fills": 2, "inventory": {"BTC": "0.05"},
    }  # fmt: skip
    assert told["status"].startswith("profit 1.40 USDT")


def test_panel_is_bounded_and_plain() -> None:
    """Fifty fills at most, newest last, everything but the history as text."""
    lane = lane_with()
    for number in range(60):
        lane.trade(BINANCE, BUY if number % 2 else SELL, "60000", f"0.{number + 1:03d}")
    lane.pass_ms(1_000)
    panel = json.loads(json.dumps(lane.actor(Portfolio).panel()))
    assert len(panel["fills"]) == 50
    assert panel["fills"][-1] == {
        "time_ns": lane.now_ns - 1_000_000_000, "venue": "binance", "symbol": "BTC/USDT", "side": "buy",
        "price": "60000.00", "size": "0.06000", "liquidity": "maker", "fee": "0",
    }  # fmt: skip
    (row,) = panel["positions"]
    assert (row["strategy"], row["venue"], row["net"]) == (str(STRATEGY), "binance", "0.03000")
    assert panel["profit_history"] == [0.0]


def test_saved_portfolio_goes_on_as_it_was() -> None:
    """Accounts, lots, markouts and what was told."""
    lane = lane_with("lifo")
    lane.trade(BINANCE, BUY, "59990", "0.1")
    lane.take(shadow(MODEL_PESSIMISTIC, BINANCE, BUY, "59990", "0.05"))
    lane.pass_ms(1_500)
    again = lane_with("lifo")
    again.core.load(json.loads(json.dumps(lane.core.save())))
    again.now_ns, again.last_order, again.last_trade = lane.now_ns, lane.last_order, lane.last_trade
    again.forget()
    lane.forget()
    for one in (lane, again):
        one.trade(BINANCE, SELL, "60010", "0.2")
        one.pass_ms(70_000)
    assert [repr(message) for message in again.heard] == [repr(message) for message in lane.heard]
    assert again.actor(Portfolio).summary() == lane.actor(Portfolio).summary()


def test_shadow_accounts_are_paid_funding_for_what_they_hold() -> None:
    """Half the position, half the funding; one that holds nothing pays nothing."""
    lane = lane_with("average")
    one = PAIRS[BINANCE - 1]
    lane.trade(BINANCE, BUY, "60000", "1")
    size = one.parse_size("0.5")
    price = one.parse_price("60000")
    lane.take(ShadowFilled(1, BINANCE, STRATEGY, MODEL_OPTIMISTIC, BUY, price, size, 0, 0, 0))
    lane.take(FundingPaid(BINANCE, STRATEGY, -100 * 10**7, 0, one.parse_size("1"), 0))
    portfolio = lane.actor(Portfolio)
    paid = [account.result(account.of(0, 0)).funding for account in (
        portfolio.queue, portfolio.optimistic, portfolio.pessimistic
    )]  # fmt: skip
    assert paid == [-100 * UNIT, -50 * UNIT, 0]
