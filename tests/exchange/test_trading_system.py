"""A whole trading system at the embedded exchange: feed, books, market maker, order manager, risk, and the gateway.

The exchange runs beside it in memory: its Binance protocol brings the market, its native protocol takes the orders.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, cast

import attrs
import trio
import trio.testing
from trio.testing import MockClock

from exchange.client import ExchangeClient
from exchange.protocol import OrderForm
from exchange.protocol_events import Report
from exchange.trading_gateway import TradingGateway
from market.messages import (
    CancelAll,
    ConnectionDown,
    ConnectionUp,
    HaltConfirmed,
    Message,
    OperatorCommand,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    RiskRefused,
    RunStarted,
    TradingHalted,
)
from runtime.actor import Actor, ActorSetup
from runtime.classes import params_of
from runtime.config.load import load_config
from runtime.logs import Logger
from runtime.service import ServiceSetup
from runtime.trial import plan_checked
from runtime.wiring import System, build_system
from tests.exchange.outside import FoundNative, World, world
from tests.simulation.world import Silence
from venues.dialing import Dialing, OpenTcp, Proxies
from venues.feed import Feed
from venues.gateway_lock import live_problem

CONFIG = """
name = "at-the-exchange"
[runtime]
max_lag_ms = 60000
[instruments.btc]
symbol = "BTC/USDT"
venue = "binance"
venue_symbol = "BTCUSDT"
base = "BTC"
quote = "USDT"
tick = "0.01"
lot = "0.001"
maker_fee_bps = "-1"
taker_fee_bps = "5"
[services.feed]
class = "tests.exchange.test_trading_system:NearFeed"
params = { venue = "binance", url = "ws://exchange", rest_url = "http://exchange", first_pause_ms = 50 }
[services.gateway]
class = "tests.exchange.test_trading_system:NearGateway"
params = { key = "alice", keys_file = "KEYS", url = "ws://exchange" }
[actors.book]
class = "actors.venue_book:VenueBook"
params = { dialect = "venues.binance:BinanceSpot", connection_id = 1, stale_after_ms = 60000, max_venue_lag_ms = 0 }
[actors.fair_value]
class = "actors.fair_value:FairValueActor"
[actors.order_manager]
class = "actors.order_manager:OrderManager"
params = { amend = { binance = "size" } }
[actors.risk]
class = "actors.risk:Risk"
[actors.risk.params]
maximum_order_size = "0.5"
maximum_order_notional = "100000"
collar_bps = 500
maximum_position = "1"
maximum_open_orders = 10
maximum_orders = 1000
window_ms = 1000
maximum_daily_loss = "100000"
gateways = { binance = "gateway" }
connections = { binance = 1001 }
[actors.portfolio]
class = "actors.portfolio:Portfolio"
[actors.market_maker]
class = "strategies.market_maker:MarketMaker"
[actors.market_maker.params]
size = "0.1"
maximum_position = "0.5"
half_spread_bps = 1.0
skew_bps = 1.0
requote_bps = 0.5
[actors.listener]
class = "tests.exchange.test_trading_system:Listener"
"""


class Listener(Actor):
    """Hears what becomes of orders."""

    HANDLERS: ClassVar[dict[type[Message], str]] = dict.fromkeys(
        (
            OrderAccepted, OrderRejected, OrderFilled, OrderCancelled, RiskRefused, HaltConfirmed, TradingHalted,
            CancelAll, ConnectionUp, ConnectionDown,
        ),
        "hear",
    )  # fmt: skip

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.heard: list[Message] = []

    def hear(self, message: Message) -> None:
        """Note a message."""
        self.heard.append(message)


class NearFeed(Feed):
    """A feed whose connections are what the test hands in."""

    opener: ClassVar[OpenTcp]

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup, Dialing(proxies=Proxies(), open_tcp=type(self).opener))


class NearGateway(TradingGateway):
    """A gateway whose connections are what the test hands in."""

    opener: ClassVar[OpenTcp]
    running: ClassVar[list[NearGateway]] = []

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup, Dialing(proxies=Proxies(), open_tcp=type(self).opener))
        self.running.append(self)


@attrs.define
class Desk:
    """A trading system that runs, and the exchange that it trades at."""

    system: System
    exchange: World
    bob: ExchangeClient
    is_up: bool = True
    streams: list[trio.abc.Stream] = attrs.field(factory=list)

    async def open_orders_link(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to the native gateway, while there is a network."""
        if not self.is_up:
            raise OSError("the network is down")
        here, there = trio.testing.memory_stream_pair()
        gateway = FoundNative.running[-1]
        gateway.connections.start_soon(gateway.serve_stream, there)
        self.streams.append(here)
        return here

    @property
    def heard(self) -> list[Message]:
        """Everything that was said in the lane."""
        listener = self.system.lanes[0].core.slots[-1].actor
        assert isinstance(listener, Listener)
        return listener.heard

    async def until(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for something to be so."""
        with trio.move_on_after(seconds) as patience:
            while not holds():
                await trio.sleep(0.01)
        assert not patience.cancelled_caught, [*map(repr, self.heard[-8:])]

    def tell(self, message: Message) -> None:
        """An input of an operator."""
        self.system.lanes[0].channels.urgent.offer(message)

    async def working(self) -> list[Report]:
        """What the exchange has open of the system's account."""
        async with self.exchange.native("alice") as alice:
            return [row for row in await alice.state("open_orders") if isinstance(row, Report)]

    async def quoted(self) -> None:
        """Wait for a bid and an ask that work at the exchange."""
        ledger = self.system.lanes[0].core.ledger
        await self.until(lambda: len(ledger.open) >= 2 and not ledger.halted)
        while {row.side for row in await self.working()} != {"buy", "sell"}:
            await trio.sleep(0.05)


@asynccontextmanager
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The exchange with a market of two levels, and a system that trades there."""
    async with world(tmp_path) as exchange, exchange.native("bob") as bob:
        for side, price in (("buy", "59900"), ("sell", "60100")):
            await bob.order(OrderForm(symbol="BTCUSDT", side=side, size="5", price=price))  # type: ignore[arg-type]
        path = tmp_path / "system.toml"
        path.write_text(CONFIG.replace("KEYS", str(tmp_path / "keys.toml")), encoding="utf-8")
        made = cast(Desk, None)

        async def open_feed(host: str, port: int) -> trio.abc.Stream:
            return exchange.connect()

        async def open_gateway(host: str, port: int) -> trio.abc.Stream:
            return await made.open_orders_link(host, port)

        NearFeed.opener, NearGateway.opener = staticmethod(open_feed), staticmethod(open_gateway)
        blueprint = plan_checked(load_config(path, params_of=params_of))
        assert live_problem(blueprint, False, {}) is None
        system = build_system(blueprint, exchange.clock, random.Random(1), cast(Logger, Silence()), lambda core: None)
        made = Desk(system, exchange, bob)
        system.lanes[0].channels.urgent.offer(RunStarted(exchange.clock.now_ns(), 1, "", ""))
        async with trio.open_nursery() as nursery:
            await nursery.start(system.supervisor.run)
            yield made
            system.supervisor.request_shutdown("the test is over")


async def test_quotes_work_trade_and_are_halted(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Quotes rest at the exchange, one trades, the kill switch cancels all and the exchange itself confirms it."""
    async with desk(tmp_path) as one:
        await one.quoted()
        await one.bob.order(
            OrderForm(symbol="BTCUSDT", side="sell", size="0.1", price="59900", time_in_force="ioc")
        )
        await one.until(lambda: any(isinstance(each, OrderFilled) for each in one.heard))
        ledger = one.system.lanes[0].core.ledger
        assert ledger.net_size(1) > 0
        one.tell(OperatorCommand("kill", "", "the test"))
        await one.until(lambda: any(isinstance(each, HaltConfirmed) and each.open_orders == 0 for each in one.heard))
        assert ledger.halted
        assert await one.working() == []
        assert any(isinstance(each, TradingHalted) for each in one.heard)
        assert any(isinstance(each, CancelAll) for each in one.heard)
        assert one.system.lanes[0].core.anomaly_count == 0


async def test_an_orderly_end_leaves_nothing_behind(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A shutdown cancels and waits for the exchange to say so."""
    async with desk(tmp_path) as one:
        await one.quoted()
        one.system.supervisor.request_shutdown("enough")
        await one.until(lambda: one.system.supervisor.report is not None)
        report = one.system.supervisor.report
        assert report is not None
        assert (report.flat, report.orderly) == (True, True)
        assert await one.working() == []


async def test_a_gateway_that_loses_the_exchange(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Nothing passes while it is down; quotes come back with it; positions are the sum of fills."""
    async with desk(tmp_path) as one:
        await one.quoted()
        for _ in range(3):
            one.is_up = False
            for stream in one.streams:
                await stream.aclose()
            one.streams.clear()
            await one.until(lambda: NearGateway.running[-1].link is None)
            await one.bob.order(
                OrderForm(symbol="BTCUSDT", side="sell", size="0.05", price="59900", time_in_force="ioc")
            )
            one.is_up = True
            await one.until(lambda: NearGateway.running[-1].link is not None)
            await one.quoted()
        core = one.system.lanes[0].core
        assert core.anomalies == []
        fills = [each for each in one.heard if isinstance(each, OrderFilled)]
        assert sum(each.side * each.size for each in fills) == core.ledger.net_size(1)


async def test_a_gateway_that_fails_halts_trading(autojump_clock: MockClock, tmp_path: Path) -> None:
    """It comes back with what it knew, all is cancelled and confirmed, and no report is lost or doubled."""
    async with desk(tmp_path) as one:
        await one.quoted()
        one.system.kills["gateway"].arm(3)
        for _ in range(6):
            await one.bob.order(
                OrderForm(symbol="BTCUSDT", side="sell", size="0.05", price="59900", time_in_force="ioc")
            )
            await trio.sleep(0.3)
        core = one.system.lanes[0].core
        await one.until(lambda: core.ledger.halted)
        one.system.kills["gateway"].arm(0)
        await one.until(lambda: any(isinstance(each, HaltConfirmed) and each.open_orders == 0 for each in one.heard))
        assert await one.working() == []
        assert core.anomalies == []
        assert one.system.supervisor.units["gateway"].failures > 0
        fills = [each for each in one.heard if isinstance(each, OrderFilled)]
        assert sum(each.side * each.size for each in fills) == core.ledger.net_size(1)
        assert core.ledger.duplicates == 0
