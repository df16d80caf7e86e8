"""The main job at an embedded exchange: the shipped actors in a real session, their orders at the exchange's gateway.

One venue, whose market the exchange makes: its Binance protocol brings books and trades, its native protocol takes the
orders. The test plays the other traders. Everything runs in this process, in simulated time, and follows from a seed:
trades, cut connections, failures of the gateway. At the end what our ledger and portfolio believe is compared with the
balances that the exchange's own accounts show.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final, cast

import attrs
import trio
import trio.testing

from actors.paper_venue import PaperVenue
from actors.portfolio import Portfolio
from exchange.client import ExchangeClient
from exchange.protocol import OrderForm
from exchange.protocol_events import Balance, Report
from exchange.trading_gateway import TradingGateway
from runtime.blueprint import Blueprint
from runtime.classes import params_of
from runtime.config.load import load_config
from runtime.logs import Logger
from runtime.service import ServiceSetup
from runtime.session import Session
from runtime.trial import plan_checked
from tests.data import ROOT
from tests.exchange.outside import FoundNative, World, world
from tests.exchange.watched import NearFeed
from tests.simulation.world import Silence, run_inline
from venues.dialing import Dialing, OpenTcp, Proxies

SHIPPED = ROOT / "tests" / "desk" / "one_venue.toml"
# Of the exchange's amounts.
AMOUNT_PLACES: Final = 12
MIDDLE = 60_000
HERE = "tests.simulation.main_job_at_exchange"


class NearGateway(TradingGateway):
    """A gateway whose connections are what the test hands in."""

    opener: ClassVar[OpenTcp]

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup, Dialing(proxies=Proxies(), open_tcp=type(self).opener))


def config_text(keys: Path, pauses_ms: int = 0) -> str:
    """The main job in small, without its paper venue and simulated market, at the exchange.

    `pauses_ms` is how long the gateway waits before it is started again or connects again, where that is not usual.
    """
    text = SHIPPED.read_text(encoding="utf-8")
    begin = text.index("[services.feed]")
    end = text.index("[actors.venue_book]")
    pauses = f", longest_pause_ms = {pauses_ms or 500}" + (f", first_pause_ms = {pauses_ms}" if pauses_ms else "")
    edges = f"""
[services.feed]
class = "tests.exchange.watched:NearFeed"
params = {{ venue = "binance", url = "ws://exchange", rest_url = "http://exchange", first_pause_ms = 50 }}
[services.gateway]
class = "{HERE}:NearGateway"
params = {{ key = "alice", keys_file = "{keys}", url = "ws://exchange"{pauses} }}
"""
    text = text[:begin] + edges + text[end:]
    begin, end = text.index("[actors.paper_venue]"), text.index("[actors.portfolio]")
    text = text[:begin] + text[end:]
    # With eight places of size a fee of the exchange has no fraction of our smallest unit of money.
    for old, new in (
        ('lot = "0.00001"', 'lot = "0.001"\nsize_places = 8'), ('minimum_size = "0.00001"', 'minimum_size = "0.001"'),
        ('maker_fee_bps = "0"', 'maker_fee_bps = "-1"'), ("max_venue_lag_ms = 1000", "max_venue_lag_ms = 0"),
        ("stale_after_ms = 3000", "stale_after_ms = 60000"),
        ("maximum_book_age_ms = 5000", "maximum_book_age_ms = 60000"),
        ("max_lag_ms = 250", "max_lag_ms = 60000"),
        ("confirm_ms = 500", 'confirm_ms = 500\ngateways = { binance = "gateway" }\nconnections = { binance = 1001 }'),
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new, 1)
    assert "[restart]" not in text
    # However often it fails it is not given up.
    text += "\n[restart]\nintensity = 10000\n"
    return text + (f"initial_ms = {pauses_ms}\nmaximum_ms = {pauses_ms}\n" if pauses_ms else "")


@attrs.define
class AtExchange:
    """The session, the exchange that it trades at, and another trader there."""

    session: Session
    exchange: World
    bob: ExchangeClient
    draw: random.Random
    is_up: bool = True
    streams: list[trio.abc.Stream] = attrs.field(factory=list)
    before: dict[str, int] = attrs.field(factory=dict)
    resting: list[str] = attrs.field(factory=list)

    async def open_orders_link(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to the native gateway, while there is a network."""
        if not self.is_up:
            raise OSError("the network is down")
        here, there = trio.testing.memory_stream_pair()
        gateway = FoundNative.running[-1]
        gateway.connections.start_soon(gateway.serve_stream, there)
        self.streams.append(here)
        return here

    async def cut(self, for_s: float) -> None:
        """Cut the connection of the orders, for so long."""
        self.is_up = False
        streams, self.streams = self.streams, []
        for stream in streams:
            await stream.aclose()
        await trio.sleep(for_s)
        self.is_up = True

    async def until(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for something to be so."""
        with trio.fail_after(seconds):
            while not holds():
                await trio.sleep(0.01)

    async def asked(self, what: str) -> list[object]:
        """What the exchange says of our account."""
        # A login is refused in the same instant as the last one of its key.
        await trio.sleep(0.01)
        async with self.exchange.native("alice") as alice:
            return list(await alice.state(what))  # type: ignore[arg-type]

    async def balances(self) -> dict[str, int]:
        """What our account has."""
        return {row.asset: exact(row.total) for row in await self.asked("balances") if isinstance(row, Balance)}

    async def working(self) -> list[Report]:
        """What is open of our account."""
        return [row for row in await self.asked("open_orders") if isinstance(row, Report)]

    async def trade(self) -> None:
        """The other trader takes what is best, of whosever quotes."""
        side = self.draw.choice(("buy", "sell"))
        price = MIDDLE + (400 if side == "buy" else -400)
        size = f"0.0{self.draw.randrange(1, 30):02d}"
        await self.bob.order(
            OrderForm(symbol="BTCUSDT", side=side, size=size, price=str(price), time_in_force="ioc")  # type: ignore[arg-type]
        )

    async def trouble(self) -> None:
        """One thing of those that go wrong."""
        drawn = self.draw.random()
        if self.session.system.lanes[0].core.ledger.halted and drawn < 0.5:
            self.calm()
        elif drawn < 0.15:
            await self.cut(self.draw.uniform(0.05, 2.0))
        elif drawn < 0.25:
            self.session.system.kills["gateway"].arm(self.draw.randrange(1, 6))

    def calm(self) -> None:
        """No failure is due any more, and a person lets trading go on."""
        self.session.system.kills["gateway"].arm(0)
        self.session.reset_halt("the operator")

    async def compare(self) -> int:
        """Positions and money are the exchange's to the last unit; gives how many fills there were."""
        core = self.session.system.lanes[0].core
        ledger = core.ledger
        instrument = self.session.blueprint.instruments.by_id(1)
        now = await self.balances()
        base = (now["BTC"] - self.before["BTC"]) * 10**instrument.size_scale
        assert base == int(ledger.net_size(1)) * 10**AMOUNT_PLACES
        # What it cost is in the balance of the quote: worth nothing, what is held leaves the money alone.
        money = (now["USDT"] - self.before["USDT"]) * 10**instrument.money_scale
        positions = [one for (_, number), one in ledger.positions.items() if number == 1]
        assert money == sum(one.profit(0) for one in positions) * 10**AMOUNT_PLACES
        portfolio = next(slot.actor for slot in core.slots if isinstance(slot.actor, Portfolio))
        told = cast("dict[str, dict[str, str]]", portfolio.summary()["instruments"])
        if row := told.get(instrument.symbol):
            held, paid = (Decimal(now[asset] - self.before[asset]).scaleb(-AMOUNT_PLACES) for asset in ("BTC", "USDT"))
            assert Decimal(row["position"]) == held
            # Before there was a book nothing was worth anything, and nothing was bought.
            assert held == 0 or row["mark"]
            assert Decimal(row["profit"]) == paid + (held * Decimal(row["mark"]) if held else 0)
        assert core.anomalies == []
        assert int(ledger.duplicates) == 0
        fills: int = ledger.fills
        return int(fills)


def exact(text: str) -> int:
    """An amount of the exchange in its smallest units."""
    whole, _, fraction = text.partition(".")
    assert len(fraction) <= AMOUNT_PLACES
    return int(whole + fraction.ljust(AMOUNT_PLACES, "0"))


def planned(folder: Path, pauses_ms: int = 0) -> Blueprint:
    """The plan at the exchange whose keys are in this folder."""
    path = folder / "main-job.toml"
    path.write_text(config_text(folder / "keys.toml", pauses_ms), encoding="utf-8")
    blueprint = plan_checked(load_config(path, params_of=params_of))
    assert not any(issubclass(node.class_, PaperVenue) for node in blueprint.actors)
    return blueprint


@asynccontextmanager
async def at_exchange(
    clock: trio.testing.MockClock, folder: Path, seed: int, pauses_ms: int = 0
) -> AsyncIterator[AtExchange]:
    """The exchange with a market of many levels, and a session that trades there, in the time of this clock."""
    assert trio.lowlevel.current_clock() is clock
    async with world(folder) as exchange, exchange.native("bob") as bob:
        for step in range(1, 30):
            for side, price in (("buy", MIDDLE - 10 * step), ("sell", MIDDLE + 10 * step)):
                await bob.order(OrderForm(symbol="BTCUSDT", side=side, size="0.5", price=str(price)))  # type: ignore[arg-type]
        made = cast("AtExchange", None)

        async def open_feed(host: str, port: int) -> trio.abc.Stream:
            return exchange.connect()

        async def open_gateway(host: str, port: int) -> trio.abc.Stream:
            return await made.open_orders_link(host, port)

        NearFeed.opener, NearGateway.opener = staticmethod(open_feed), staticmethod(open_gateway)
        log = cast("Logger", Silence())
        state = folder / "state"
        with Session(planned(folder, pauses_ms), exchange.clock, log, state, None, run_inline) as session:
            made = AtExchange(session, exchange, bob, random.Random(seed))
            made.before = await made.balances()
            if pauses_ms:
                # The gateway's first login must not meet the last one of its key: it would wait too long.
                await trio.sleep(0.01)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.run)
                yield made
                if session.system.supervisor.report is None:
                    session.request_shutdown("the test is over")
