"""The gateway before the real exchange: clients trade, a gateway fails and comes back, and real sockets with TLS."""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import pytest
import trio
import trio.testing
import trustme

from exchange.client import ExchangeClient, open_exchange, open_exchange_stream
from exchange.gateway import Gateway
from exchange.gateway_params import GatewayParams
from exchange.keys import sign
from exchange.protocol import Group, Login, OrderForm, PingRequest, SideWord, Transfer
from exchange.protocol_events import Balance, BookEvent, Delta, Report, Trade
from exchange.venue import ExchangeVenue
from market.instruments import InstrumentTable
from market.messages import Message, RunStarted
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.clock import TrioClock
from runtime.config.model import SystemConfig
from runtime.journal.durability import DurabilitySetting
from runtime.lane_core import LaneCore
from runtime.lane_journal import JournalOptions, LaneJournal
from runtime.service import ServiceSetup
from runtime.wiring import System, build_system
from tests.exchange.desk_of_orders import ALICE, BOB, INSTRUMENTS
from tests.exchange.exchange_actor import settings
from tests.exchange.gateways import SECRET, START_NS, world
from tests.runtime.lanes import node_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.world import Silence, run_inline

if TYPE_CHECKING:
    from runtime.logs import Logger


class ReachableGateway(Gateway):
    """A gateway that tests find when it runs, and can make fail."""

    running: ClassVar[list[ReachableGateway]] = []

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        self.fault = trio.Event()

    async def run(self) -> None:
        """Run until it fails."""
        async with trio.open_nursery() as nursery:
            self.running.append(self)
            self.connections = nursery
            nursery.start_soon(super().run)
            await self.fault.wait()
            raise ConnectionError("the test wants it")


class Market:
    """The whole exchange in memory."""

    def __init__(self, system: System, clock: TrioClock) -> None:
        self.system = system
        self.clock = clock

    @property
    def gateway(self) -> ReachableGateway:
        """The gateway that runs now."""
        return ReachableGateway.running[-1]

    @asynccontextmanager
    async def client(self, name: str, *, cancel_on_disconnect: bool = False) -> AsyncIterator[ExchangeClient]:
        """A client that has logged in."""
        here, there = trio.testing.memory_stream_pair()
        self.gateway.connections.start_soon(self.gateway.serve_stream, there)
        now_ms = self.clock.now_ns() // 1_000_000
        async with open_exchange_stream(here, lambda: now_ms) as client:
            nonce = self.clock.now_ns() + len(self.gateway.hub.sessions)
            await client.login(name, SECRET, nonce=nonce, cancel_on_disconnect=cancel_on_disconnect)
            yield client


@asynccontextmanager
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    """An exchange that runs, with keys for two accounts."""
    rows = [f'[keys.{name}]\nsecret = "{SECRET}"\naccount = {account}\nscopes = ["read", "trade", "admin"]\n'
            for name, account in (("alice", ALICE), ("bob", BOB))]  # fmt: skip
    keys = tmp_path / "keys.toml"
    keys.write_text("\n".join(rows), encoding="utf-8")
    keys.chmod(0o600)
    params = GatewayParams(port=0, keys_file=str(keys))
    gateway = Node(
        name="gateway", node_id=9, kind="service", class_=ReachableGateway, class_path="tests:ReachableGateway",
        policy=Gateway.POLICY, lane="", instrument_ids=(), params=params, takes=dict.fromkeys(Gateway.TAKES, ""),
        gives=Gateway.GIVES, owns=(),
    )  # fmt: skip
    names = {one.venue_symbol: one.instrument_id for one in INSTRUMENTS}
    nodes = (node_of(ExchangeVenue, 1, "exchange", params=settings()),)
    blueprint = Blueprint(SystemConfig(), InstrumentTable(INSTRUMENTS), names, nodes, (gateway,))
    clock = TrioClock(START_NS)
    options = JournalOptions(DurabilitySetting.INTERVAL, 50, 1 << 20, 400_000_000, 2, "test")

    def journal_of(core: LaneCore) -> LaneJournal:
        return LaneJournal(core, SimulatedDisk(0), clock, options, lambda: build_core(blueprint, "main"), run_inline)

    system = build_system(blueprint, clock, random.Random(0), cast("Logger", Silence()), journal_of)
    for lane in system.lanes:
        assert lane.journal is not None
        lane.journal.recover()
        lane.channels.urgent.offer(RunStarted(START_NS, 1, "", ""))
    ReachableGateway.running.clear()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.supervisor.run)
        await trio.testing.wait_all_tasks_blocked()
        yield Market(system, clock)
        system.supervisor.request_shutdown("the test is over")


def form(side: SideWord, price: str, size: str) -> OrderForm:
    """An order for bitcoin."""
    return OrderForm(symbol="BTCUSDT", side=side, price=price, size=size)


async def reports_of(client: ExchangeClient, count: int) -> list[Report | Balance]:
    """The next private events."""
    events = [await client.next_event((Report, Balance)) for _ in range(count)]
    return [event for event in events if isinstance(event, Report | Balance)]


async def test_two_clients_trade(autojump_clock: object, tmp_path: Path) -> None:
    """Orders, fills, balances, book and trades, each as the page says, with sequences that have no gap."""
    async with market(tmp_path) as here, here.client("alice") as alice, here.client("bob") as bob:
        await alice.subscribe("book.BTCUSDT", "trades.BTCUSDT", checksum=True)
        book = await alice.next_event(BookEvent)
        assert isinstance(book, BookEvent)
        assert (book.bids, book.asks) == ([], [])
        before = await alice.state("balances")
        answer = await bob.order(form("sell", "60000.00", "0.5"))
        assert answer.ok
        delta = await alice.next_event(Delta)
        assert isinstance(delta, Delta)
        assert (delta.first_sequence, delta.asks) == (book.sequence + 1, [("60000.00", "0.500")])
        taken = await alice.order(form("buy", "60000.00", "0.2"))
        events = [await alice.next_event() for _ in range(5)]
        (trade,) = [event for event in events if isinstance(event, Trade)]
        assert (trade.price, trade.size, trade.side) == ("60000.00", "0.200", "buy")
        fills = await bob.state("fills")
        assert [row.trade_id for row in fills if isinstance(row, Report)] == [trade.trade_id]
        (order,) = await bob.state("open_orders")
        assert isinstance(order, Report)
        assert (order.order_id, order.filled, order.remaining) == (answer.order_id, "0.200", "0.300")
        told = await reports_of(bob, 4)
        assert [event.sequence for event in told] == list(range(told[0].sequence, told[0].sequence + 4))
        traded = next(event for event in told if isinstance(event, Report) and event.event == "traded")
        assert (traded.liquidity, traded.fee, traded.turnover) == ("maker", "-1.2", "12000")
        after = await alice.state("balances")
        money = {row.asset: row.total for row in after if isinstance(row, Balance)}
        had = {row.asset: row.total for row in before if isinstance(row, Balance)}
        assert (had["USDT"], money["USDT"], money["BTC"]) == ("10000000", "9987994", "1000.2")
        assert taken.sequence < alice.next_id() + 10_000


async def test_groups_transfers_and_refusals(autojump_clock: object, tmp_path: Path) -> None:
    """A group has one answer, an administrator moves money, and the engine's refusals arrive with their codes."""
    async with market(tmp_path) as here, here.client("alice") as alice:
        legs = [form("sell", "61000", "0.1"), OrderForm(
            symbol="BTCUSDT", side="sell", size="0.1", order_type="stop", stop_price="59000"
        )]  # fmt: skip
        assert (await alice.ask(Group(id=900, kind="oco", orders=legs))).affected == 2
        assert len(await alice.state("open_orders")) == 2
        bad = await alice.ask(Group(id=901, kind="oco", orders=[legs[0], form("sell", "61000", "0.0001")]))
        assert (bad.ok, bad.code) == (False, "malformed")
        worse = await alice.ask(Group(id=902, kind="oco", orders=[legs[0], form("sell", "0", "0.1")]))
        assert (worse.ok, worse.code) == (False, "bad_price")
        assert (await alice.ask(Transfer(id=903, account=BOB, asset="USDT", amount="1.5"))).ok
        refused = await alice.ask(Transfer(id=904, account=BOB, asset="USDT", amount="-99999999999"))
        assert (refused.ok, refused.code) == (False, "balance")


async def test_cancel_on_disconnect(autojump_clock: object, tmp_path: Path) -> None:
    """Orders of the session that asked for it are gone with it, others stay."""
    async with market(tmp_path) as here, here.client("alice") as watcher:
        await watcher.order(form("buy", "50000", "0.1"))
        async with here.client("alice", cancel_on_disconnect=True) as brief:
            await brief.order(form("buy", "50001", "0.1"))
            assert len(await watcher.state("open_orders")) == 2
        await trio.testing.wait_all_tasks_blocked()
        (order,) = await watcher.state("open_orders")
        assert isinstance(order, Report)
        assert order.price == "50000.00"


async def test_a_gateway_that_fails_comes_back(autojump_clock: object, tmp_path: Path) -> None:
    """Clients are cut, sessions end at the exchange, books are asked for again, and nobody loses an order."""
    async with market(tmp_path) as here:
        async with here.client("alice", cancel_on_disconnect=True) as first, here.client("bob") as second:
            await first.order(form("buy", "50000", "0.1"))
            await second.order(form("sell", "60000", "0.1"))
            failed = here.gateway
            failed.fault.set()
            assert await first.wait_closed() is not None
            assert await second.wait_closed() is not None
        with trio.fail_after(60):
            while here.gateway is failed:
                await trio.sleep(0.1)
        await trio.testing.wait_all_tasks_blocked()
        async with here.client("alice") as alice, here.client("bob") as bob:
            assert alice.session_id > first.session_id
            assert await alice.state("open_orders") == []
            assert len(await bob.state("open_orders")) == 1
            await alice.subscribe("book.BTCUSDT")
            book = await alice.next_event(BookEvent)
            assert isinstance(book, BookEvent)
            assert (book.bids, book.asks) == ([], [("60000.00", "0.100")])


async def test_a_nonce_outlives_the_gateway(autojump_clock: object, tmp_path: Path) -> None:
    """The exchange remembers nonces, so that a restart of the gateway opens no door."""
    async with market(tmp_path) as here:
        async with here.client("alice") as client:
            answer = await client.ask(PingRequest(id=500))
            assert answer.ok
        nonce = here.clock.now_ns()
        failed = here.gateway
        failed.fault.set()
        with trio.fail_after(60):
            while here.gateway is failed:
                await trio.sleep(0.1)
        here_end, there = trio.testing.memory_stream_pair()
        here.gateway.connections.start_soon(here.gateway.serve_stream, there)
        now_ms = here.clock.now_ns() // 1_000_000
        async with open_exchange_stream(here_end) as thief:
            signature = sign(SECRET, "alice", now_ms, nonce)
            login = Login(id=1, key="alice", time_ms=now_ms, nonce=nonce, signature=signature)
            answer = await thief.ask(login)
            assert (answer.ok, answer.code) == (False, "authentication")


@pytest.mark.parametrize("is_secure", [False, True])
async def test_real_sockets(tmp_path: Path, is_secure: bool) -> None:
    """Over loopback, plain and with TLS: the same protocol, and an orderly end."""
    params, context = GatewayParams(port=0), None
    if is_secure:
        authority = trustme.CA()
        chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(str(key))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(chain), append=True)
        params = GatewayParams(port=0, certificate_file=str(chain), certificate_key_file=str(key))
        context = ssl.create_default_context()
        authority.configure_trust(context)
    async with world(params) as here:
        with trio.fail_after(20):
            while not here.gateway.port:
                await trio.lowlevel.checkpoint()
            url = f"{'wss' if is_secure else 'ws'}://127.0.0.1:{here.gateway.port}"
            async with open_exchange(url, context, here.now_ms) as client:
                await client.login("trader", SECRET)
                requests = [PingRequest(id=number) for number in range(100, 150)]
                assert all(answer.ok for answer in await client.ask_all(requests))
                assert (await client.order(form("buy", "60000.01", "0.5"))).ok
                here.scope.cancel()
                reason = await client.wait_closed()
            assert reason is not None
            assert reason.code == 1001


def test_the_gateway_takes_and_gives_what_the_exchange_gives_and_takes() -> None:
    """Nothing that a client is told or asks falls between the two."""
    given: set[type[Message]] = set(ExchangeVenue.GIVES)
    assert set(Gateway.TAKES) <= given
    assert set(Gateway.GIVES) <= set(ExchangeVenue.HANDLERS)
