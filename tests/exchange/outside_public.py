"""The real exchange behind a gateway of public data, in memory or on a port, with a native client that trades."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlencode

import trio
import trio.testing
from trio_websocket import wrap_client_stream

from exchange.client import ExchangeClient, open_exchange_stream
from exchange.gateway_params import GatewayParams
from exchange.outside.public import PublicGateway
from exchange.protocol import Cancel, OrderForm, SideWord
from exchange.venue import ExchangeVenue
from market.instruments import InstrumentTable
from market.messages import RunStarted
from runtime.blueprint import Blueprint, Node
from runtime.build_core import build_core
from runtime.clock import TrioClock
from runtime.config.model import SystemConfig
from runtime.journal.durability import DurabilitySetting
from runtime.lane_core import LaneCore
from runtime.lane_journal import JournalOptions, LaneJournal
from runtime.service import Service, ServiceSetup
from runtime.wiring import build_system
from tests.exchange.desk_of_orders import ALICE, BOB, INSTRUMENTS
from tests.exchange.exchange_actor import settings
from tests.exchange.gateways import SECRET, START_NS
from tests.exchange.outside import Answer, FoundNative, Listener, Web
from tests.runtime.lanes import node_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.world import Silence, run_inline

if TYPE_CHECKING:
    from runtime.logs import Logger


class Running:
    """Gateways that tests find when they run."""

    gateways: ClassVar[list[PublicGateway]] = []
    nurseries: ClassVar[list[trio.Nursery]] = []


def found(kind: type[PublicGateway]) -> type[PublicGateway]:
    """The gateway, made so that a test finds it."""

    class Found(kind):  # type: ignore[valid-type,misc]
        """One that tells where it is."""

        def __init__(self, setup: ServiceSetup) -> None:
            super().__init__(setup)
            Running.gateways.append(self)

        async def run(self) -> None:
            """Run, with room for clients in memory."""
            async with trio.open_nursery() as nursery:
                Running.nurseries.append(nursery)
                nursery.start_soon(super().run)

    return Found


class PublicWorld:
    """The whole exchange."""

    def __init__(self, clock: TrioClock) -> None:
        self.clock = clock

    @property
    def gateway(self) -> Any:  # noqa: ANN401  each test knows which one it has
        """The gateway that runs now."""
        return Running.gateways[-1]

    def connect(self, address: str = "") -> trio.abc.Stream:
        """The client's end of a new connection."""
        here, there = trio.testing.memory_stream_pair()
        Running.nurseries[-1].start_soon(self.gateway.server.serve_stream, there, address)
        return here

    async def get(self, path: str, **values: object) -> Answer:
        """A question over HTTP, on a connection of its own."""
        return await Web(self.connect(), self.clock).ask("GET", path, urlencode(values))

    @asynccontextmanager
    async def listen(self, target: str) -> AsyncIterator[Listener]:
        """A client of a WebSocket."""
        async with trio.open_nursery() as nursery:
            # The library names the streams that it is used with, and takes every other one.
            stream = cast("trio.SocketStream", self.connect())
            socket = await wrap_client_stream(nursery, stream, "here", target)
            yield Listener(socket)
            with trio.move_on_after(1):
                await socket.aclose()
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def trader(self, name: str = "alice") -> AsyncIterator[Trader]:
        """A native client that has logged in."""
        gateway = FoundNative.running[-1]
        here, there = trio.testing.memory_stream_pair()
        gateway.connections.start_soon(gateway.serve_stream, there)
        now_ms = self.clock.now_ns() // 1_000_000
        async with open_exchange_stream(here, lambda: now_ms) as client:
            await client.login(name, SECRET, nonce=self.clock.now_ns() + len(gateway.hub.sessions))
            yield Trader(client)


class Trader:
    """Enters orders by the native protocol."""

    def __init__(self, client: ExchangeClient) -> None:
        self.client = client

    async def order(self, side: SideWord, price: str, size: str = "1", symbol: str = "BTCUSDT") -> int:
        """A limit order; gives its number."""
        answer = await self.client.order(OrderForm(symbol=symbol, side=side, price=price, size=size))
        assert answer.ok, answer
        return answer.order_id

    async def cancel(self, order_id: int, symbol: str = "BTCUSDT") -> None:
        """Take an order back."""
        answer = await self.client.request(Cancel(id=self.client.next_id(), symbol=symbol, order_id=order_id))
        assert answer.ok, answer


def _service(name: str, number: int, kind: type[Service], params: object) -> Node:
    return Node(
        name=name, node_id=number, kind="service", class_=kind, class_path=f"tests:{kind.__name__}",
        policy=kind.POLICY, lane="", instrument_ids=(), params=params, takes=dict.fromkeys(kind.TAKES, ""),
        gives=kind.GIVES, owns=(),
    )  # fmt: skip


@asynccontextmanager
async def public_world(
    tmp_path: Path, kind: type[PublicGateway], start_ns: int = START_NS, **changes: Any  # noqa: ANN401  any setting
) -> AsyncIterator[PublicWorld]:
    """An exchange that runs behind a gateway of public data and the native one."""
    rows = [f'[keys.{name}]\nsecret = "{SECRET}"\naccount = {account}\nscopes = ["read", "trade"]\n'
            for name, account in (("alice", ALICE), ("bob", BOB))]  # fmt: skip
    keys = tmp_path / "keys.toml"
    keys.write_text("\n".join(rows), encoding="utf-8")
    keys.chmod(0o600)
    assert kind.PARAMS is not None
    services = (
        _service("public", 9, found(kind), kind.PARAMS(**{"port": 0, **changes})),
        _service("native", 10, FoundNative, GatewayParams(port=0, keys_file=str(keys))),
    )
    names = {one.venue_symbol: one.instrument_id for one in INSTRUMENTS}
    nodes = (node_of(ExchangeVenue, 1, "exchange", params=settings()),)
    blueprint = Blueprint(SystemConfig(), InstrumentTable(INSTRUMENTS), names, nodes, services)
    clock = TrioClock(start_ns)
    options = JournalOptions(DurabilitySetting.INTERVAL, 50, 1 << 20, 400_000_000, 2, "test")

    def journal_of(core: LaneCore) -> LaneJournal:
        return LaneJournal(core, SimulatedDisk(0), clock, options, lambda: build_core(blueprint, "main"), run_inline)

    system = build_system(blueprint, clock, random.Random(0), cast("Logger", Silence()), journal_of)
    for lane in system.lanes:
        assert lane.journal is not None
        lane.journal.recover()
        lane.channels.urgent.offer(RunStarted(start_ns, 1, "", ""))
    FoundNative.running.clear()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.supervisor.run)
        await trio.testing.wait_all_tasks_blocked()
        yield PublicWorld(clock)
        system.supervisor.request_shutdown("the test is over")
