"""A lane of risk and portfolio over three venues and a pair of another currency: orders, fills and touches by hand.

Instruments 1 to 3 are BTC/USDT at binance, kraken and coinbase, with scales of their own; 4 is BTC/EUR at kraken, and 5
is EUR/USDT, from which the rate of EUR comes. Prices and sizes are decimal text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from actors.portfolio import Portfolio
from actors.portfolio_params import PortfolioParams
from actors.risk import Risk
from actors.risk_params import RiskParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    GTC,
    LIMIT,
    LIVE,
    MAKER,
    ChildOrder,
    ChildReplace,
    Message,
    NewOrder,
    OperatorCommand,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    RiskRefused,
    RunStarted,
    TopOfBook,
    TradingHalted,
)
from runtime.actor import Actor
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.config.rules import DecimalText
from tests.actors.trading_lane import SESSION, START_NS, Spy, TradingLane
from tests.runtime.lanes import node_of

BINANCE, KRAKEN, COINBASE, BTC_EUR, EUR_USDT = 1, 2, 3, 4, 5
STRATEGY = 90


def spot(number: int, venue: str, base: str, quote: str, tick: str, lot: str) -> Instrument:
    """A pair with fees of 1 and 5 bps."""
    return Instrument.from_text(
        instrument_id=number, symbol=f"{base}/{quote}", venue=venue, venue_symbol=f"{base}{quote}", base=base,
        quote=quote, kind="spot", tick=tick, lot=lot, maker_fee_bps="1", taker_fee_bps="5",
    )  # fmt: skip


PAIRS = (
    spot(BINANCE, "binance", "BTC", "USDT", "0.01", "0.00001"),
    spot(KRAKEN, "kraken", "BTC", "USDT", "0.1", "0.00000001"),
    spot(COINBASE, "coinbase", "BTC", "USDT", "0.01", "0.00000001"),
    spot(BTC_EUR, "kraken", "BTC", "EUR", "0.1", "0.00000001"),
    spot(EUR_USDT, "kraken", "EUR", "USDT", "0.0001", "0.01"),
)

STANDARD = RiskParams(
    maximum_order_size=DecimalText("1"), maximum_order_notional=DecimalText("100000"),
    maximum_position=DecimalText("2"), maximum_daily_loss=DecimalText("1000000"), maximum_open_orders=1_000,
    maximum_orders=10_000, collar_bps=1_000, refuse_self_trade=False, currency="USDT", rates={"EUR": "EUR/USDT"},
)  # fmt: skip


class Together(Actor):
    """Asks for several things from one handler, as an order manager does."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {OperatorCommand: "ask"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (ChildOrder, ChildReplace, TradingHalted)
    asked: tuple[Message, ...] = ()

    def ask(self, _: OperatorCommand) -> None:
        """Say all of it."""
        for message in self.asked:
            self.emit(message)


class RiskLane(TradingLane):
    """See the head of this file."""

    def __init__(
        self, limits: Mapping[str, object] | None = None, classes: tuple[type[Actor], ...] = (Risk,),
        portfolio: PortfolioParams | None = None,
    ) -> None:  # fmt: skip
        changed: dict[str, Any] = dict(limits or {})
        params: dict[type[Actor], object] = {
            Risk: attrs.evolve(STANDARD, **changed),
            Portfolio: portfolio or PortfolioParams(currency="USDT", rates={"EUR": "EUR/USDT"}),
        }
        nodes = [node_of(one, number, params=params.get(one)) for number, one in enumerate(classes, start=1)]
        nodes.append(node_of(Spy, len(nodes) + 1))
        names = {f"pair-{one.instrument_id}": one.instrument_id for one in PAIRS}
        plan = Blueprint(SystemConfig(), InstrumentTable(PAIRS), names, tuple(nodes), ())
        self.core = build_core(plan, "main")
        self.now_ns = START_NS
        self.last_order = 0
        self.last_trade = 0
        self.run_began(SESSION)

    def run_began(self, session: int) -> None:
        """The first input of a run."""
        self.core.take(RunStarted(self.now_ns, session, "", ""), self.now_ns, True)

    # ---- what tests say

    def touch(self, number: int, bid: str, ask: str, state: int = LIVE) -> None:
        """A touch of one instrument, with enough on both sides."""
        one = PAIRS[number - 1]
        self.take(
            TopOfBook(
                number, state, one.parse_price(bid), one.lot, one.parse_price(ask), one.lot, 1, self.now_ns, self.now_ns
            )
        )  # fmt: skip

    def open_books(self) -> None:
        """Every venue at 59,999 to 60,001; EUR at 1.2 USDT."""
        for number in (BINANCE, KRAKEN, COINBASE):
            self.touch(number, "59999", "60001")
        self.touch(BTC_EUR, "49999", "50001")
        self.touch(EUR_USDT, "1.1999", "1.2001")

    def ask(
        self, number: int, side: int, price: str, size: str, order_type: int = LIMIT, strategy_id: int = STRATEGY
    ) -> int:
        """An order on its way to risk; gives its id."""
        self.take(self.wanted(number, side, price, size, order_type, strategy_id))
        return self.last_order

    def wanted(
        self, number: int, side: int, price: str, size: str, order_type: int = LIMIT, strategy_id: int = STRATEGY
    ) -> ChildOrder:
        """An order with the next id, as it is asked for."""
        one = PAIRS[number - 1]
        self.last_order += 1
        at = one.parse_price(price) if price else 0
        return ChildOrder(
            self.last_order, 0, strategy_id, number, side, order_type, GTC, at, one.parse_size(size), 0, 0, False,
            False, 0, self.now_ns,
        )  # fmt: skip

    def ask_together(self, *asked: Message) -> None:
        """All of it in one step; the lane has `Together`."""
        self.actor(Together).asked = asked
        self.take(OperatorCommand("ask", "", "test"))

    def change(self, order_id: int, price: str, size: str) -> None:
        """A change of an order on its way to risk."""
        order = self.core.ledger.open[order_id]
        one = PAIRS[order.instrument_id - 1]
        self.take(
            ChildReplace(order_id, one.instrument_id, one.parse_price(price), one.parse_size(size), self.now_ns)
        )

    def accept(self, order_id: int) -> None:
        """The venue takes an order."""
        self.take(OrderAccepted(order_id, self.core.ledger.open[order_id].instrument_id, "", self.now_ns))

    def fill(self, order_id: int, size: str = "", price: str = "", fee: int = 0, liquidity: int = MAKER) -> None:
        """An order trades: all that is left of it at its price, or as said."""
        order = self.core.ledger.open[order_id]
        one = PAIRS[order.instrument_id - 1]
        filled = one.parse_size(size) if size else order.remaining
        at = one.parse_price(price) if price else int(order.price)
        self.last_trade += 1
        self.take(
            OrderFilled(
                order_id, one.instrument_id, order.strategy_id, self.last_trade, order.side, at, filled,
                order.remaining - filled, fee, liquidity, self.now_ns,
            )
        )  # fmt: skip

    def trade(
        self, number: int, side: int, price: str, size: str, fee: int = 0, liquidity: int = MAKER,
        strategy_id: int = STRATEGY,
    ) -> None:  # fmt: skip
        """An order that passes and fills at once."""
        refused = len(self.codes())
        order_id = self.ask(number, side, price, size, strategy_id=strategy_id)
        assert len(self.codes()) == refused, self.of(OrderRejected)
        self.fill(order_id, fee=fee, liquidity=liquidity)

    def cancelled(self, order_id: int) -> None:
        """The venue says that an order is gone."""
        self.take(OrderCancelled(order_id, self.core.ledger.open[order_id].instrument_id, 0, 0, "test"))

    # ---- what tests ask

    @property
    def risk(self) -> Risk:
        """The actor."""
        return self.actor(Risk)

    @property
    def passed(self) -> list[int]:
        """The ids of the orders that passed."""
        return [order.order_id for order in self.of(NewOrder)]

    def codes(self) -> list[int]:
        """Why orders were refused so far."""
        assert self.failures() == []
        return [refused.code for refused in self.of(RiskRefused)]

    def net(self, number: int) -> int:
        """The position in an instrument."""
        return self.core.ledger.net_size(number)
