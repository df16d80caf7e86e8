"""Hostile clients of an outside gateway: bad HTTP, slow requests, floods, readers that stop; nobody else suffers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed
from wsproto import ConnectionType, WSConnection
from wsproto.events import BytesMessage, Event, Ping, Request, TextMessage

from tests.exchange.gateways import FrozenStream
from tests.exchange.outside import Listener, World, world
from tests.seeds import examples, seeds

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@asynccontextmanager
async def guarded(tmp_path: Path, **changes: int) -> AsyncIterator[World]:
    """An exchange whose gateway must be the same one, with nobody connected, when the test is over."""
    async with world(tmp_path, **changes) as here:
        gateway = here.gateway
        yield here
        with trio.move_on_after(120):
            while gateway.server.connections:
                with trio.move_on_after(1):
                    await trio.Event().wait()
        assert here.gateway is gateway
        assert gateway.server.connections == 0
        assert (await here.web().get("ping")).status == 200


async def said(stream: trio.abc.Stream, data: bytes, seconds: float = 100) -> bytes:
    """Everything that comes after these bytes, until the gateway ends it."""
    found = bytearray()
    with trio.move_on_after(seconds):
        try:
            await stream.send_all(data)
            while some := await stream.receive_some():
                found += some
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
    return bytes(found)


async def until_closed(one: Listener) -> None:
    """Read until the gateway ends it."""
    try:
        while True:
            await one.raw()
    except ConnectionClosed:
        return


async def trickle(stream: trio.abc.Stream, data: bytes) -> None:
    """Send byte by byte, until the gateway has enough of it."""
    try:
        for byte in data:
            await stream.send_all(bytes((byte,)))
            with trio.move_on_after(0.1):
                await trio.Event().wait()
    except trio.BrokenResourceError:
        return


async def test_bad_http_is_answered_and_closed(autojump_clock: object, tmp_path: Path) -> None:
    """With a status and an error in the venue's form, whatever is wrong."""
    async with guarded(tmp_path) as here:
        for data, status in (
            (b"nonsense\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\n\r\n", b"400"),
            (b"GET /ws HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"400"),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"y" * 100_000, b"413"),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
            (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", b"408"),
            (b"GET / HT", b"408"),
            (UPGRADE.replace(b"Version: 13", b"Version: 7"), b"400"),
            (UPGRADE.replace(b"Sec-WebSocket-Key", b"Other"), b"400"),
            (UPGRADE.replace(b"Host: here", b"Host: here\r\nSec-WebSocket-Protocol: \xff"), b"400"),
        ):
            answer = await said(here.connect(), data)
            assert answer.startswith(b"HTTP/1.1 " + status), (data[:60], answer[:200])
            assert b'{"code":-1000,"msg":"' in answer


async def test_slow_and_silent_clients_are_closed(autojump_clock: object, tmp_path: Path) -> None:
    """One that sends nothing is closed after the idle time, one that trickles after the time of a request."""
    async with guarded(tmp_path) as here:
        began = trio.current_time()
        assert await said(here.connect(), b"") == b""
        assert 59 < trio.current_time() - began < 61
        began = trio.current_time()
        await trickle(here.connect(), b"GET /api/v3/ping HTTP/1.1\r\nHost: here\r\n" * 10)
        assert 4 < trio.current_time() - began < 6


async def test_requests_that_come_at_once_are_answered_in_order(autojump_clock: object, tmp_path: Path) -> None:
    """Pipelined requests, a WebSocket behind them, and its first frame with it."""
    async with guarded(tmp_path) as here:
        client = WSConnection(ConnectionType.CLIENT)
        opening = client.send(Request(host="here", target="/ws"))
        stream = here.connect()
        await stream.send_all(b"GET /api/v3/ping HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + opening)
        found = bytearray()
        while b"101" not in found or not found.endswith(b"\r\n\r\n"):
            found += await stream.receive_some()
        plain, _, switched = bytes(found).partition(b"HTTP/1.1 101")
        assert plain.count(b"200 OK") == 3
        client.receive_data(b"HTTP/1.1 101" + switched)
        list(client.events())
        await stream.send_all(client.send(TextMessage('{"method":"LIST_SUBSCRIPTIONS","id":1}')))
        client.receive_data(bytes(await stream.receive_some()))
        assert [event.data for event in client.events() if isinstance(event, TextMessage)] == ['{"result":[],"id":1}']
        await stream.aclose()


async def test_clients_that_break_the_rules_of_a_websocket(autojump_clock: object, tmp_path: Path) -> None:
    """Too many frames, too large ones, bytes instead of text, no UTF-8, no frames at all: each is cut with its code."""
    async with guarded(tmp_path) as here:
        for messages, code in (
            ([TextMessage("{}")] * 30, 1008),
            ([Ping(b"x")] * 30, 1008),
            ([TextMessage("", message_finished=False)] * 30, 1008),
            ([TextMessage("x" * 70_000)], 1009),
            ([BytesMessage(b"x")], 1003),
        ):
            sent: list[Event] = list(messages)
            async with here.listen("/ws") as one:
                # Below the library, so that it is no part of it.
                data = b"".join(one.socket._wsproto.send(message) for message in sent)
                await one.socket._stream.send_all(data)
                await until_closed(one)
                assert one.socket.closed is not None
                assert one.socket.closed.code == code
        for raw in (b"\x81\x84\x00\x00\x00\x00\xff\xff\xff\xff", b"\xff" * 50, b"\x81\x05hello"):
            answer = await said(here.connect(), UPGRADE + raw, 20)
            assert answer.startswith(b"HTTP/1.1 101")
            assert b"\x88" in answer[-125:]


async def test_too_many_connections_and_streams(autojump_clock: object, tmp_path: Path) -> None:
    """Beyond the limits a client is told, and room that becomes free is given again."""
    async with guarded(
        tmp_path, most_connections_per_address=2, sockets_per_5_minutes=4, most_streams=3, frames_burst=100
    ) as here:
        async with here.listen("/ws"), here.listen("/ws") as one:
            busy = await here.web().get("ping")
            assert (busy.status, busy.data["code"]) == (503, -1000)
            assert (await here.web("elsewhere").get("ping")).status == 200
            answer = await one.ask(method="SUBSCRIBE", params=["a", "b", "c", "d"], id=1)
            assert (answer["code"], answer["id"]) == (2, 1)
            assert (await one.ask(method="LIST_SUBSCRIPTIONS", id=1))["result"] == []
        many = await said(here.connect(), UPGRADE.replace(b"/ws", b"/stream?streams=a/b/c/d"), 20)
        assert many.startswith(b"HTTP/1.1 400")
        async with here.listen("/ws/a/b/c") as one:
            assert (await one.ask(method="LIST_SUBSCRIPTIONS", id=1))["result"] == ["a", "b", "c"]
        more = await said(here.connect(), UPGRADE, 20)
        assert more.startswith(b"HTTP/1.1 429")
        assert b"retry-after: " in more


async def test_a_reader_that_stops_is_cut_and_slows_nobody(autojump_clock: object, tmp_path: Path) -> None:
    """What waits for it is bounded; another client has every frame meanwhile."""
    async with guarded(tmp_path, queue_bytes=20_000, orders_per_10_seconds=10**9, stall_ms=600_000) as here:
        frozen = FrozenStream(here.connect(is_narrow=True))
        async with here.listen("/ws/btcusdt@trade") as good, here.listen("/ws/btcusdt@trade", frozen):
            frozen.is_frozen = True
            web = here.web()
            await web.order(side="SELL", price="60000", quantity="50")
            buyer = here.web()
            for count in range(300):
                assert (await buyer.order("bob", price="60000", quantity="0.1")).status == 200
                assert (await good.next())["t"] == count + 1
            with trio.move_on_after(2):
                await trio.Event().wait()
            assert here.gateway.server.connections == 3


async def test_a_reader_that_takes_nothing_is_cut(autojump_clock: object, tmp_path: Path) -> None:
    """Although little waits for it, after the time in which a write must go out."""
    async with guarded(tmp_path, stall_ms=1_000) as here:
        frozen = FrozenStream(here.connect(is_narrow=True))
        async with here.listen("/ws/btcusdt@depth5@100ms", frozen):
            frozen.is_frozen = True
            web = here.web()
            for _ in range(10):
                await web.order(price="50000", quantity="0.1")
                with trio.move_on_after(0.5):
                    await trio.Event().wait()
            assert here.gateway.server.connections == 1


@pytest.mark.parametrize("seed", seeds(3, 100))
async def test_bytes_of_every_kind(autojump_clock: object, tmp_path: Path, seed: int) -> None:
    """Noise, alone, behind a request and behind the opening of a WebSocket, ends no more than its own connection."""
    chance = random.Random(seed)
    async with guarded(tmp_path, sockets_per_5_minutes=10**6) as here:
        post, get = (b"%s HTTP/1.1\r\nHost: a\r\n" % one for one in (b"POST /api/v3/order", b"GET /api/v3/ping"))
        heads = (b"", UPGRADE, get + b"\r\n", post)
        for _ in range(examples(40, 400)):
            stream = here.connect()
            data = bytearray(chance.choice(heads) + chance.randbytes(chance.randrange(200)))
            if data and chance.random() < 0.5:
                data[chance.randrange(len(data)) : len(data)] = b""
            with trio.move_on_after(0.5):
                await said(stream, bytes(data), 0.5)
            await stream.aclose()
