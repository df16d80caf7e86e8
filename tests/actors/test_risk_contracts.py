"""Limits on sizes are in base, whatever a contract is: so many contracts times what each of them is."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from actors.risk import Risk
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    BUY,
    GTC,
    LIMIT,
    LIVE,
    REJECT_ORDER_SIZE,
    REJECT_POSITION,
    SELL,
    ChildOrder,
    OperatorCommand,
    RiskRefused,
    RunStarted,
    TopOfBook,
)
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import STANDARD, STRATEGY
from tests.actors.trading_lane import SESSION, START_NS, Spy, TradingLane
from tests.runtime.lanes import node_of

SMALL, LARGE, INVERSE = 1, 2, 3


def contract(number: int, symbol: str, multiplier: str, inverse: bool = False) -> Instrument:
    """A perpetual of this much base a contract, or quote where it is inverse; whole contracts are traded."""
    return Instrument.from_text(
        instrument_id=number, symbol=symbol, venue="okx", venue_symbol=symbol, base="BTC",
        quote="USD" if inverse else "USDT", kind="perpetual", tick="0.1", lot="1", multiplier=multiplier,
        inverse=inverse,
    )  # fmt: skip


CONTRACTS = (
    contract(SMALL, "BTC/USDT:USDT", "0.01"),
    contract(LARGE, "BTC/USDT:USDT-10", "10"),
    contract(INVERSE, "BTC/USD:BTC", "100", inverse=True),
)


class ContractLane(TradingLane):
    """Risk over a contract of 0.01 BTC, one of 10 BTC and an inverse one of 100 USD, at a mid of 60,000."""

    def __init__(self, **limits: str) -> None:
        texts = {"maximum_order_notional": "100000000", "maximum_order_size": "1000000", **limits}
        changed: dict[str, Any] = {name: DecimalText(text) for name, text in texts.items()}
        params = attrs.evolve(STANDARD, rates={}, parity={"BTC": DecimalText("60000")}, **changed)
        nodes = (node_of(Risk, 1, params=params), node_of(Spy, 2))
        names = {f"contract-{one.instrument_id}": one.instrument_id for one in CONTRACTS}
        self.core = build_core(Blueprint(SystemConfig(), InstrumentTable(CONTRACTS), names, nodes, ()), "main")
        self.now_ns = START_NS
        self.last_order = 0
        self.begin()

    def begin(self) -> None:
        """A run with every book open."""
        self.core.take(RunStarted(self.now_ns, SESSION, "", ""), self.now_ns, True)
        for one in CONTRACTS:
            bid, ask = one.parse_price("59999.9"), one.parse_price("60000.1")
            self.take(TopOfBook(one.instrument_id, LIVE, bid, 1, ask, 1, 1, self.now_ns, self.now_ns))

    def ask(self, number: int, side: int, contracts: int) -> str:
        """An order for so many contracts; gives why it was refused, or an empty text."""
        one = CONTRACTS[number - 1]
        self.last_order += 1
        refused = len(self.of(RiskRefused))
        self.take(
            ChildOrder(
                self.last_order, 0, STRATEGY, number, side, LIMIT, GTC, one.parse_price("60000"),
                one.parse_size(str(contracts)), 0, 0, False, False, 0, self.now_ns,
            )
        )  # fmt: skip
        assert self.failures() == []
        return "" if len(self.of(RiskRefused)) == refused else self.actor(Risk).refusals[-1].partition(": ")[2]


def test_size_of_an_order_is_counted_in_base() -> None:
    """Half a BTC is 50 contracts of 0.01, and not one of 10."""
    lane = ContractLane(maximum_order_size="0.5")
    assert lane.ask(SMALL, BUY, 50) == ""
    assert lane.ask(SMALL, BUY, 51) == "size 0.5100 BTC is above maximum_order_size 0.5000 BTC"
    assert "size 10 BTC is above maximum_order_size" in lane.ask(LARGE, BUY, 1)
    assert [one.code for one in lane.of(RiskRefused)] == [REJECT_ORDER_SIZE] * 2


def test_position_is_counted_in_base() -> None:
    """Two BTC are 200 contracts of 0.01, on either side; the refusal has value and limit in the same unit."""
    lane = ContractLane(maximum_position="2")
    assert lane.ask(SMALL, SELL, 150) == ""
    assert lane.ask(SMALL, SELL, 51) == "position -2.0100 BTC at worst is above maximum_position 2.0000 BTC"
    assert lane.ask(SMALL, SELL, 50) == ""
    (refused,) = lane.of(RiskRefused)
    assert (refused.code, refused.value, refused.bound) == (REJECT_POSITION, -20_100, 20_000)


def test_position_and_group_agree() -> None:
    """A limit of one venue and the same limit of its group refuse the very same order."""
    for limit in ("maximum_position", "maximum_group_position"):
        lane = ContractLane(**{limit: "1"}, **({} if limit == "maximum_position" else {"maximum_position": "1000"}))
        assert lane.ask(SMALL, BUY, 100) == ""
        assert limit in lane.ask(SMALL, BUY, 1)


def test_inverse_contract_is_counted_in_quote() -> None:
    """Its size is worth a fixed amount of quote and no fixed amount of base: 1,000 USD are ten contracts of 100."""
    lane = ContractLane(maximum_position="1000")
    assert lane.ask(INVERSE, BUY, 10) == ""
    assert "USD at worst is above maximum_position 1000" in lane.ask(INVERSE, BUY, 1)
    gauges = lane.actor(Risk).panel()["gauges"]
    assert isinstance(gauges, list)
    (gauge,) = [one for one in gauges if one["scope"] == "okx BTC/USD:BTC" and one["limit"] == "maximum_position"]
    assert (gauge["value"], gauge["bound"]) == ("1000 USD", "1000 USD")


@pytest.mark.parametrize(("size", "passes"), [("0.02", True), ("0.019", False)])
def test_operator_sets_a_size_in_base(size: str, passes: bool) -> None:
    """What lies between two whole contracts lets only the lower one pass."""
    lane = ContractLane()
    lane.take(OperatorCommand("limit", f"maximum_order_size:okx BTC/USDT:USDT={size}", "ann"))
    assert (lane.ask(SMALL, BUY, 2) == "") is passes
    assert lane.ask(SMALL, BUY, 1) == ""
