"""The real exchange with a gateway of an outside venue's protocol, in memory or on a port, and its clients."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlencode

import attrs
import h11
import msgspec
import trio
import trio.testing
from trio_websocket import WebSocketConnection, wrap_client_stream

from exchange.client import ExchangeClient, open_exchange_stream
from exchange.gateway import Gateway
from exchange.gateway_params import GatewayParams
from exchange.outside.binance import BinanceGateway
from exchange.outside.binance_params import BinanceParams
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
from tests.runtime.lanes import node_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.world import Silence, run_inline

if TYPE_CHECKING:
    from runtime.logs import Logger


class FoundGateway(BinanceGateway):
    """A gateway that tests find when it runs."""

    running: ClassVar[list[FoundGateway]] = []

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


class FoundNative(Gateway):
    """The native gateway beside it."""

    running: ClassVar[list[FoundNative]] = []

    async def run(self) -> None:
        """Run."""
        async with trio.open_nursery() as nursery:
            self.running.append(self)
            self.connections = nursery
            nursery.start_soon(super().run)


@attrs.frozen
class Answer:
    """What came of an HTTP request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:  # noqa: ANN401  JSON is anything
        """The body, read."""
        return msgspec.json.decode(self.body)


class Web:
    """A client of HTTP on one connection."""

    def __init__(self, stream: trio.abc.Stream, clock: TrioClock) -> None:
        self.stream = stream
        self.clock = clock
        self.http = h11.Connection(h11.CLIENT)

    async def ask(
        self, method: str, path: str, query: str = "", body: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """Send a request and wait for the answer."""
        target = f"{path}?{query}" if query else path
        sent = [("host", "here"), ("content-length", str(len(body.encode()))), *headers]
        data = self.http.send(h11.Request(method=method, target=target, headers=sent)) or b""
        data += self.http.send(h11.Data(data=body.encode())) or b""
        data += self.http.send(h11.EndOfMessage()) or b""
        await self.stream.send_all(data)
        return await self.answer()

    async def answer(self) -> Answer:
        """The next answer."""
        head: h11.Response | None = None
        found = bytearray()
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(bytes(await self.stream.receive_some()))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                found += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(event)
        assert head is not None
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Answer(head.status_code, headers, bytes(found))

    async def get(self, path: str, **values: object) -> Answer:
        """A public question."""
        return await self.ask("GET", f"/api/v3/{path}", urlencode(values))

    async def signed(
        self, method: str, path: str, key: str = "alice", secret: str = SECRET, in_body: bool = False,
        **values: Any,  # noqa: ANN401  values of any type
    ) -> Answer:  # fmt: skip
        """A signed request."""
        values.setdefault("timestamp", self.clock.now_ns() // 1_000_000)
        payload = urlencode(values)
        digest = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        whole = f"{payload}&signature={digest}"
        headers = [("X-MBX-APIKEY", key)]
        if in_body:
            headers.append(("content-type", "application/x-www-form-urlencoded"))
            return await self.ask(method, f"/api/v3/{path}", "", whole, headers)
        return await self.ask(method, f"/api/v3/{path}", whole, "", headers)

    async def order(self, key: str = "alice", **values: Any) -> Answer:  # noqa: ANN401  values of any type
        """A new limit order, but for what is said otherwise."""
        plain: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        wanted = {name: value for name, value in {**plain, **values}.items() if value is not None}
        return await self.signed("POST", "order", key, SECRET, True, **wanted)


class Listener:
    """A client of a WebSocket."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket

    async def next(self) -> Any:  # noqa: ANN401  JSON is anything
        """The next message, read."""
        return msgspec.json.decode(await self.raw())

    async def raw(self) -> str:
        """The next message."""
        message = await self.socket.get_message()
        assert isinstance(message, str)
        return message

    async def ask(self, **request: object) -> Any:  # noqa: ANN401  JSON is anything
        """Send a request and give the next message."""
        await self.socket.send_message(msgspec.json.encode(request).decode())
        return await self.next()


class World:
    """The whole exchange."""

    def __init__(self, clock: TrioClock) -> None:
        self.clock = clock

    @property
    def gateway(self) -> FoundGateway:
        """The gateway that runs now."""
        return FoundGateway.running[-1]

    def connect(self, address: str = "", *, is_narrow: bool = False) -> trio.abc.Stream:
        """The client's end of a new connection; a narrow one holds nothing between the two ends."""
        here, there = trio.testing.lockstep_stream_pair() if is_narrow else trio.testing.memory_stream_pair()
        self.gateway.connections.start_soon(self.gateway.server.serve_stream, there, address)
        return here

    def web(self, address: str = "") -> Web:
        """A client of HTTP."""
        return Web(self.connect(address), self.clock)

    @asynccontextmanager
    async def listen(self, target: str, stream: trio.abc.Stream | None = None) -> AsyncIterator[Listener]:
        """A client of a WebSocket."""
        async with trio.open_nursery() as nursery:
            # The library names the streams that it is used with, and takes every other one.
            any_stream = cast("trio.SocketStream", stream or self.connect())
            socket = await wrap_client_stream(nursery, any_stream, "here", target)
            yield Listener(socket)
            with trio.move_on_after(1):
                await socket.aclose()
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def native(self, name: str) -> AsyncIterator[ExchangeClient]:
        """A client of the native protocol that has logged in."""
        gateway = FoundNative.running[-1]
        here, there = trio.testing.memory_stream_pair()
        gateway.connections.start_soon(gateway.serve_stream, there)
        now_ms = self.clock.now_ns() // 1_000_000
        async with open_exchange_stream(here, lambda: now_ms) as client:
            await client.login(name, SECRET, nonce=self.clock.now_ns() + len(gateway.hub.sessions))
            yield client


def _service(name: str, number: int, kind: type[Service], params: object) -> Node:
    return Node(
        name=name, node_id=number, kind="service", class_=kind, class_path=f"tests:{kind.__name__}",
        policy=kind.POLICY, lane="", instrument_ids=(), params=params, takes=dict.fromkeys(kind.TAKES, ""),
        gives=kind.GIVES, owns=(),
    )  # fmt: skip


@asynccontextmanager
async def world(
    tmp_path: Path, start_ns: int = START_NS, **changes: Any  # noqa: ANN401
) -> AsyncIterator[World]:
    """An exchange that runs behind both protocols, with keys for two accounts and one that may only read.

    `fee_in` is the exchange's; all other changes are settings of its gateway.
    """
    fee_in = changes.pop("fee_in", "quote")
    rows = [f'[keys.{name}]\nsecret = "{SECRET}"\naccount = {account}\nscopes = [{scopes}]\n'
            for name, account, scopes in (
                ("alice", ALICE, '"read", "trade", "admin"'), ("bob", BOB, '"read", "trade", "admin"'),
                ("reader", ALICE, '"read"'),
            )]  # fmt: skip
    keys = tmp_path / "keys.toml"
    keys.write_text("\n".join(rows), encoding="utf-8")
    keys.chmod(0o600)
    params = BinanceParams(**{"port": 0, "keys_file": str(keys), **changes})
    services = (
        _service("binance", 9, FoundGateway, params),
        _service("native", 10, FoundNative, GatewayParams(port=0, keys_file=str(keys))),
    )
    names = {one.venue_symbol: one.instrument_id for one in INSTRUMENTS}
    nodes = (node_of(ExchangeVenue, 1, "exchange", params=settings(fee_in=fee_in)),)
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
    FoundGateway.running.clear()
    FoundNative.running.clear()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.supervisor.run)
        await trio.testing.wait_all_tasks_blocked()
        yield World(clock)
        system.supervisor.request_shutdown("the test is over")
