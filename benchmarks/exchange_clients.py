"""Clients that put load on an exchange's gateway, in a process of their own: `benchmarks.exchange_gateway` starts it.

Prints one line of JSON. `load` counts orders and cancels that were acknowledged in a stretch of steady work, `trips`
measures single ones from the call to the answer. They are drawn from a named seed, and each client keeps a window of
requests under way.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


def order_of(draw: Random, number: int, distance: int) -> dict[str, object]:
    """An order near the touch; some take what is there and no more."""
    side = draw.choice(("buy", "sell"))
    takes = draw.random() < TAKES
    away = draw.randrange(1, SPREAD_TICKS)
    ticks = MIDDLE + (away if (side == "sell") != takes else -away) + distance
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


def events_of(frame: bytes) -> list[dict[str, Any]]:
    """The events of a frame."""
    events = _decode(frame)
    return events if isinstance(events, list) else [events]


class Wire:
    """A WebSocket on the sans-I/O core of `websockets`: what waits to be sent leaves in one write."""

    def __init__(self, stream: trio.SocketStream, url: str) -> None:
        self.stream = stream
        self.protocol = ClientProtocol(parse_uri(url), max_size=1 << 26)
        self.frames: deque[bytes] = deque()

    async def open(self) -> None:
        """Shake hands."""
        self.protocol.send_request(self.protocol.connect())
        await self.flush()
        while self.protocol.state is State.CONNECTING:
            self.protocol.receive_data(await self.stream.receive_some(READ_BYTES))
            self.take()

    def put(self, request: dict[str, object]) -> None:
        """One request, in a frame of its own."""
        self.protocol.send_text(_encode(request))

    async def flush(self) -> None:
        """Write what waits."""
        data = b"".join(self.protocol.data_to_send())
        if data:
            await self.stream.send_all(data)

    def take(self) -> None:
        """Keep the texts that have come whole; the server joins events, and does not cut frames."""
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.frames.append(bytes(event.data))

    async def frame(self) -> bytes:
        """The next text."""
        while not self.frames:
            data = await self.stream.receive_some(READ_BYTES)
            if not data:
                raise SystemExit("the exchange has closed the connection")
            self.protocol.receive_data(data)
            self.take()
            await self.flush()
        return self.frames.popleft()


class Client:
    """One connection that is logged in."""

    def __init__(self, socket: Wire, seed: int) -> None:
        self.socket = socket
        self.draw = Random(seed)
        self.next_id = 1
        self.working: deque[int] = deque()
        self.under_way = 0
        self.accepted = 0
        self.refused = 0
        self.room = trio.Event()

    async def login(self, key: str, secret: str) -> None:
        """Prove that it holds the key."""
        now_ms, nonce = time_ns() // NANOSECONDS_PER_MILLISECOND, time_ns()
        signature = sign(secret, key, now_ms, nonce)
        request = {
            "type": "login", "id": 1, "key": key, "time_ms": now_ms, "nonce": nonce, "signature": signature,
            "cancel_on_disconnect": True,
        }  # fmt: skip
        await self.send(request)
        answer = await self.answer()
        if not answer["ok"]:
            raise SystemExit(f"the login was refused: {answer}")

    async def answer(self) -> dict[str, Any]:
        """The next answer."""
        while True:
            for event in events_of(await self.socket.frame()):
                if event["type"] == "answer":
                    return event

    async def send(self, request: dict[str, object]) -> None:
        """Send one request in a frame of its own."""
        self.socket.put(request)
        await self.socket.flush()

    def order(self) -> dict[str, object]:
        """The next order."""
        self.next_id += 1
        return order_of(self.draw, self.next_id, 0)

    def cancel(self, number: int) -> dict[str, object]:
        """The cancel of an order."""
        self.next_id += 1
        return {"type": "cancel", "id": self.next_id, "symbol": SYMBOL, "client_order_id": f"b{number}"}

    # ---- load

    async def write(self, until_ns: int) -> None:
        """Keep the window full."""
        while perf_counter_ns() < until_ns:
            if self.under_way >= WINDOW:
                self.room = trio.Event()
                await self.room.wait()
            while self.under_way < WINDOW:
                if self.working and (self.draw.random() < CANCELS or len(self.working) > MOST_WORKING):
                    self.put(self.cancel(self.working.popleft()))
                    continue
                order = self.order()
                self.put(order)
                if order["time_in_force"] == "gtc":
                    self.working.append(self.next_id)
            await self.socket.flush()

    def put(self, request: dict[str, object]) -> None:
        """One request more under way."""
        self.under_way += 1
        self.socket.put(request)

    async def read(self) -> None:
        """Count what is answered."""
        while True:
            for event in events_of(await self.socket.frame()):
                if event["type"] == "answer":
                    self.under_way -= 1
                    if event["ok"]:
                        self.accepted += 1
                    # The order of a cancel may have traded; anything else is a fault of the benchmark.
                    elif event["code"] != "too_late":
                        self.refused += 1
            self.room.set()


@asynccontextmanager
async def connected(url: str, keys: Path, number: int) -> AsyncIterator[Client]:
    """A client that is logged in, once the exchange listens."""
    secret = secrets_of(keys)[f"demo-{number}"]
    address = urlsplit(url)
    stream = await trio.open_tcp_stream(str(address.hostname), int(address.port or 0))
    async with stream:
        wire = Wire(stream, url)
        await wire.open()
        client = Client(wire, number)
        await client.login(f"demo-{number}", secret)
        yield client


async def load(url: str, keys: Path, seconds: float) -> dict[str, float]:
    """Acknowledged orders and cancels a second, of all clients, after a warm-up of a quarter of the time."""
    async with trio.open_nursery() as nursery:
        clients: list[Client] = []
        until_ns = perf_counter_ns() + int(seconds * 1.25e9)

        async def run(number: int) -> None:
            async with connected(url, keys, number) as client, trio.open_nursery() as inner:
                clients.append(client)
                inner.start_soon(client.read)
                await client.write(until_ns)
                inner.cancel_scope.cancel()

        for number in range(1, CLIENTS + 1):
            nursery.start_soon(run, number)
        await trio.sleep(seconds * 0.25)
        before, began_ns = sum(one.accepted for one in clients), perf_counter_ns()
        await trio.sleep(seconds * 0.9)
        after, ended_ns = sum(one.accepted for one in clients), perf_counter_ns()
    refused = sum(one.refused for one in clients)
    if refused:
        raise SystemExit(f"{refused} orders were refused")
    return {"orders_per_second": (after - before) * 1e9 / (ended_ns - began_ns)}


async def trips(url: str, keys: Path, count: int) -> dict[str, float]:
    """Microseconds from the call to the answer, orders and their cancels taking turns."""
    async with connected(url, keys, 1) as client:
        taken: list[int] = []
        for number in range(count):
            request = client.order() if number % 2 == 0 else client.cancel(client.next_id)
            began_ns = perf_counter_ns()
            await client.send(request)
            answer = await client.answer()
            taken.append(perf_counter_ns() - began_ns)
            if not answer["ok"] and number % 2 == 0:
                raise SystemExit(f"an order was refused: {answer}")
    taken = sorted(taken[count // 10 :])
    return {"p50_us": taken[len(taken) // 2] / 1e3, "p99_us": taken[len(taken) * 99 // 100] / 1e3}


def main() -> None:
    """`load URL KEYS SECONDS` or `trips URL KEYS COUNT`."""
    work, url, keys, amount = sys.argv[1:]
    if work == "load":
        print(json.dumps(trio.run(load, url, Path(keys), float(amount))))
    else:
        print(json.dumps(trio.run(trips, url, Path(keys), int(amount))))


if __name__ == "__main__":
    main()
