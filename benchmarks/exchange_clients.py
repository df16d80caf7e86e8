"""Clients that put load on an exchange's gateway, in a process of their own: `benchmarks.exchange_gateway` starts it.

Prints one line of JSON. `load` counts orders and cancels that were acknowledged in a stretch of steady work, `trips`
measures single ones from the call to the answer. They are drawn from a named seed, and each client keeps a window of
requests under way.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import deque
from pathlib import Path
from random import Random
from time import perf_counter_ns, time_ns
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import tomli
import trio
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from exchange.keys import sign

CLIENTS: Final = 4
WINDOW: Final = 256
SYMBOL: Final = "BTCUSDT"
MIDDLE: Final = 6_000_000
SPREAD_TICKS: Final = 2_000
# The stream of all figures of the exchange: 45 in 100 cancel, 7 take, the rest goes near the touch.
CANCELS: Final = 0.45
TAKES: Final = 0.07 / 0.55
MOST_WORKING: Final = 500
READ_BYTES: Final = 65_536
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def secrets_of(path: Path) -> dict[str, str]:
    """The secrets in a file of keys."""
    tables = tomli.loads(path.read_text(encoding="utf-8"))
    return {name: row["secret"] for name, row in tables["keys"].items()}


def login_of(keys: Path, number: int) -> dict[str, object]:
    """The login of a client; its orders end with its connection."""
    key = f"demo-{number}"
    now_ms, nonce = time_ns() // NANOSECONDS_PER_MILLISECOND, time_ns()
    signature = sign(secrets_of(keys)[key], key, now_ms, nonce)
    return {
        "type": "login", "id": 1, "key": key, "time_ms": now_ms, "nonce": nonce, "signature": signature,
        "cancel_on_disconnect": True,
    }  # fmt: skip


def order_of(draw: Random, number: int) -> dict[str, object]:
    """An order near the touch; some take what is there and no more."""
    side = draw.choice(("buy", "sell"))
    takes = draw.random() < TAKES
    away = draw.randrange(1, SPREAD_TICKS)
    ticks = MIDDLE + (away if (side == "sell") != takes else -away)
    return {
        "type": "order",
        "id": number,
        "symbol": SYMBOL,
        "side": side,
        "size": f"0.{draw.randrange(10, 1000):05d}",
        "price": f"{ticks // 100}.{ticks % 100:02d}",
        "time_in_force": "ioc" if takes else "gtc",
        "client_order_id": f"b{number}",
    }


class Wire:
    """A WebSocket on the sans-I/O core of `websockets`, logged in or on its way there."""

    def __init__(self, url: str) -> None:
        self.protocol = ClientProtocol(parse_uri(url), max_size=1 << 26)
        self.protocol.send_request(self.protocol.connect())
        self.events: deque[dict[str, Any]] = deque()

    @property
    def is_open(self) -> bool:
        """Whether hands were shaken."""
        return self.protocol.state is not State.CONNECTING

    def put(self, request: dict[str, object]) -> None:
        """One request, in a frame of its own."""
        self.protocol.send_text(_encode(request))

    def outgoing(self) -> bytes:
        """What is to be written."""
        return b"".join(self.protocol.data_to_send())

    def feed(self, data: bytes) -> None:
        """What was read; the exchange joins events to frames, and does not cut frames."""
        if not data:
            raise SystemExit("the exchange has closed the connection")
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.events.extend(_decode(event.data))

    def answer(self) -> dict[str, Any] | None:
        """The next answer that has come; other events are left out."""
        while self.events:
            event = self.events.popleft()
            if event["type"] == "answer":
                return event
        return None


class Orders:
    """The requests of one client, drawn from its seed."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.next_id = 1

    def order(self) -> dict[str, object]:
        """The next order."""
        self.next_id += 1
        return order_of(self.draw, self.next_id)

    def cancel(self, number: int) -> dict[str, object]:
        """The cancel of an order."""
        self.next_id += 1
        return {"type": "cancel", "id": self.next_id, "symbol": SYMBOL, "client_order_id": f"b{number}"}


class Blocking:
    """A client that asks and waits, with nothing between it and the socket: what it times is the exchange."""

    def __init__(self, url: str, keys: Path, number: int) -> None:
        address = urlsplit(url)
        self.socket = socket.create_connection((address.hostname, address.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = Wire(url)
        while not self.wire.is_open:
            self.socket.sendall(self.wire.outgoing())
            self.wire.feed(self.socket.recv(READ_BYTES))
        self.ask(login_of(keys, number))

    def ask(self, request: dict[str, object]) -> dict[str, Any]:
        """The answer to a request."""
        self.wire.put(request)
        self.socket.sendall(self.wire.outgoing())
        while (answer := self.wire.answer()) is None:
            self.wire.feed(self.socket.recv(READ_BYTES))
            reply = self.wire.outgoing()
            if reply:
                self.socket.sendall(reply)
        return answer


class Client:
    """A client that keeps a window of requests under way."""

    def __init__(self, stream: trio.SocketStream, wire: Wire, orders: Orders) -> None:
        self.stream = stream
        self.wire = wire
        self.orders = orders
        self.working: deque[int] = deque()
        self.under_way = 0
        self.acknowledged = 0
        self.refused = 0
        self.room = trio.Event()

    async def write(self, until_ns: int) -> None:
        """Keep the window full."""
        while perf_counter_ns() < until_ns:
            if self.under_way >= WINDOW:
                self.room = trio.Event()
                await self.room.wait()
            while self.under_way < WINDOW:
                self.wire.put(self.next_request())
                self.under_way += 1
            await self.stream.send_all(self.wire.outgoing())

    def next_request(self) -> dict[str, object]:
        """A cancel of the oldest order, or an order."""
        if self.working and (self.orders.draw.random() < CANCELS or len(self.working) > MOST_WORKING):
            return self.orders.cancel(self.working.popleft())
        order = self.orders.order()
        if order["time_in_force"] == "gtc":
            self.working.append(self.orders.next_id)
        return order

    async def read(self) -> None:
        """Count what is answered."""
        while True:
            self.wire.feed(await self.stream.receive_some(READ_BYTES))
            while (answer := self.wire.answer()) is not None:
                self.under_way -= 1
                if answer["ok"]:
                    self.acknowledged += 1
                # The order of a cancel may have traded; anything else is a fault of the benchmark.
                elif answer["code"] != "too_late":
                    self.refused += 1
            self.room.set()


async def connected(url: str, keys: Path, number: int) -> Client:
    """A client that is logged in."""
    address = urlsplit(url)
    stream = await trio.open_tcp_stream(str(address.hostname), int(address.port or 0))
    wire = Wire(url)
    while not wire.is_open:
        await stream.send_all(wire.outgoing())
        wire.feed(await stream.receive_some(READ_BYTES))
    wire.put(login_of(keys, number))
    await stream.send_all(wire.outgoing())
    while (answer := wire.answer()) is None:
        wire.feed(await stream.receive_some(READ_BYTES))
    if not answer["ok"]:
        raise SystemExit(f"the login was refused: {answer}")
    return Client(stream, wire, Orders(number))


async def load(url: str, keys: Path, seconds: float) -> dict[str, float]:
    """Acknowledged orders and cancels a second, of all clients, after a warm-up of a quarter of the time."""
    clients = [await connected(url, keys, number) for number in range(1, CLIENTS + 1)]
    until_ns = perf_counter_ns() + int(seconds * 1.5e9)
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(client.read)
            nursery.start_soon(client.write, until_ns)
        await trio.sleep(seconds * 0.25)
        before, began_ns = sum(one.acknowledged for one in clients), perf_counter_ns()
        await trio.sleep(seconds)
        after, ended_ns = sum(one.acknowledged for one in clients), perf_counter_ns()
        nursery.cancel_scope.cancel()
    refused = sum(one.refused for one in clients)
    if refused:
        raise SystemExit(f"{refused} orders were refused")
    return {"orders_per_second": (after - before) * 1e9 / (ended_ns - began_ns)}


def trips(url: str, keys: Path, count: int) -> dict[str, float]:
    """Microseconds from the call to the answer, orders and their cancels taking turns."""
    client, orders = Blocking(url, keys, 1), Orders(1)
    taken: list[int] = []
    for number in range(count):
        request = orders.order() if number % 2 == 0 else orders.cancel(orders.next_id)
        began_ns = perf_counter_ns()
        answer = client.ask(request)
        taken.append(perf_counter_ns() - began_ns)
        if not answer["ok"] and number % 2 == 0:
            raise SystemExit(f"an order was refused: {answer}")
    # The first tenth warms up.
    taken = sorted(taken[count // 10 :])
    return {"p50_us": taken[len(taken) // 2] / 1e3, "p99_us": taken[len(taken) * 99 // 100] / 1e3}


def main() -> None:
    """`load URL KEYS SECONDS` or `trips URL KEYS COUNT`."""
    work, url, keys, amount = sys.argv[1:]
    if work == "load":
        print(json.dumps(trio.run(load, url, Path(keys), float(amount))))
    else:
        print(json.dumps(trips(url, Path(keys), int(amount))))


if __name__ == "__main__":
    main()
