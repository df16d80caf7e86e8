"""Clients that mean harm: a clear error or a cut connection, the others unharmed, and memory bounded."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio.testing

from exchange.client import ExchangeClient
from exchange.gateway_params import GatewayParams
from exchange.protocol import Cancel, Order, PingRequest
from exchange.protocol_events import Answer
from market.messages import CancelWanted, EntryWanted
from tests.exchange.gateways import SECRET, World, world
from tests.seeds import seeds

TIGHT = GatewayParams(
    port=0, messages_per_second=100, burst=50, most_faults=30, largest_frame_bytes=4_096, most_connections=4,
    most_connections_per_address=2,
)  # fmt: skip
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: exchange\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes, *, is_last: bool = True, mask: bytes | None = b"\x00\x00\x00\x00") -> bytes:
    """One frame as it lies on the wire; a mask of zeros leaves the payload readable."""
    size = len(payload)
    bit = 0x80 if mask is not None else 0
    if size < 126:
        head = struct.pack("!BB", (0x80 if is_last else 0) | opcode, bit | size)
    elif size < 65_536:
        head = struct.pack("!BBH", (0x80 if is_last else 0) | opcode, bit | 126, size)
    else:
        head = struct.pack("!BBQ", (0x80 if is_last else 0) | opcode, bit | 127, size)
    return head + (mask or b"") + payload


def order(number: int) -> Order:
    """A plain order."""
    return Order(id=number, symbol="BTCUSDT", side="buy", price="60000.01", size="0.5")


async def close_of(client: ExchangeClient) -> int:
    """The code with which the gateway ends a connection."""
    with trio.fail_after(60):
        reason = await client.wait_closed()
    assert reason is not None
    return reason.code


class RawClient:
    """Writes bytes as they are, and collects what comes back."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.received = b""
        self.is_over = trio.Event()

    async def read(self) -> None:
        """Collect until the end."""
        try:
            while data := await self.stream.receive_some():
                self.received += data
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self.is_over.set()

    async def write(self, data: bytes) -> None:
        """Write, also where nobody listens any more."""
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.is_over.set()


@asynccontextmanager
async def raw(here: World, handshake: bytes = HANDSHAKE) -> AsyncIterator[RawClient]:
    """A client that writes bytes, its handshake done."""
    async with trio.open_nursery() as nursery:
        client = RawClient(here.connect("hostile"))
        nursery.start_soon(client.read)
        await client.write(handshake)
        await trio.testing.wait_all_tasks_blocked()
        yield client
        await trio.aclose_forcefully(client.stream)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def unharmed(params: GatewayParams = TIGHT) -> AsyncIterator[World]:
    """A gateway with an honest client, which is served before and after."""
    async with world(params) as here, here.trader("other") as honest:
        assert (await honest.ask(order(1))).ok
        yield here
        with trio.fail_after(5):
            assert (await honest.ask(order(2))).ok
        with trio.fail_after(30):
            while len(here.gateway.hub.sessions) > 1:
                await pause(1)
        assert set(here.gateway.hub.sessions) == {honest.session_id}


async def pause(seconds: float) -> None:
    """Let simulated time pass."""
    with trio.move_on_after(seconds):
        await trio.Event().wait()


async def test_a_large_frame_cuts_its_connection(autojump_clock: object) -> None:
    """With the code of the standard, whole or in fragments."""
    async with unharmed() as here:
        async with here.client() as client:
            await client.send_text('"' + "x" * 5_000 + '"')
            assert await close_of(client) == 1009
        async with raw(here) as hostile:
            await hostile.write(frame(TEXT, b"x" * 3_000, is_last=False))
            await hostile.write(frame(0, b"x" * 3_000, is_last=False))
            await hostile.is_over.wait()
            assert b"\x03\xf1Exceeded maximum message size" in hostile.received


async def test_an_announced_size_alone_costs_nothing(autojump_clock: object) -> None:
    """A frame that says it has an exabyte brings no memory with it, and its connection is cut as silent."""
    async with unharmed() as here, raw(here) as hostile:
        await hostile.write(frame(TEXT, b"")[:1] + b"\xff" + struct.pack("!Q", 2**62) + b"\x00" * 4)
        with trio.fail_after(30):
            await hostile.is_over.wait()


async def test_endless_fragments_are_cut(autojump_clock: object) -> None:
    """Empty fragments never reach the largest message; what has come without one is bounded all the same."""
    async with unharmed() as here, raw(here) as hostile:
        await hostile.write(frame(TEXT, b"", is_last=False))
        with trio.fail_after(60):
            for _ in range(1_000):
                await hostile.write(frame(0, b"", is_last=False) * 100)
                await pause(0.01)
                if hostile.is_over.is_set():
                    break
        assert hostile.is_over.is_set()
        assert struct.pack("!H", 4_005) in hostile.received


async def test_endless_pings_are_cut(autojump_clock: object) -> None:
    """Control frames are answered by the library; a flood of them ends as well."""
    async with unharmed() as here, raw(here) as hostile:
        with trio.fail_after(60):
            for _ in range(1_000):
                await hostile.write(frame(PING, b"x") * 100)
                await pause(0.01)
                if hostile.is_over.is_set():
                    break
        assert hostile.is_over.is_set()


async def test_requests_in_fragments_are_requests(autojump_clock: object) -> None:
    """Fragmentation is no offence."""
    async with unharmed() as here, raw(here) as hostile:
        text = b'{"type":"ping","id":77}'
        for place in range(len(text)):
            await hostile.write(frame(0 if place else TEXT, text[place : place + 1], is_last=place == len(text) - 1))
        await trio.testing.wait_all_tasks_blocked()
        assert b'"id":77,"ok":true' in hostile.received


async def test_binary_frames_are_cut(autojump_clock: object) -> None:
    """The protocol is text."""
    async with unharmed() as here, here.client() as client:
        await client.send_text(b'{"type":"ping","id":1}')
        assert await close_of(client) == 1003


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"\xff\xfe\xff"),
        frame(TEXT, b'{"type":"ping","id":1}', mask=None),
        frame(3, b"reserved"),
        frame(PING, b"x" * 126),
        frame(0, b"no beginning"),
        frame(CLOSE, b"\x00"),
        frame(CLOSE, struct.pack("!H", 7)),
        frame(TEXT, b"a", is_last=False) + frame(TEXT, b"b"),
        b"\xf1\x80\x00\x00\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(256)) * 4,
    ],
)
async def test_what_is_no_websocket_ends(autojump_clock: object, data: bytes) -> None:
    """Whatever breaks the standard ends its connection and no other."""
    async with unharmed() as here, raw(here) as hostile:
        await hostile.write(data)
        with trio.fail_after(60):
            await hostile.is_over.wait()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
        HANDSHAKE.replace(b"Version: 13", b"Version: 7"),
        HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        HANDSHAKE.replace(b"websocket", b"telnet"),
        HANDSHAKE[:-2],
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
        b"\x00" * 1_000,
        b"\r\n" * 50_000,
    ],
)
async def test_handshakes_that_are_none_end(autojump_clock: object, data: bytes) -> None:
    """Who does not open a WebSocket in time is closed, whatever was sent instead."""
    async with unharmed() as here, raw(here, data) as hostile:
        with trio.fail_after(30):
            await hostile.is_over.wait()


@pytest.mark.parametrize("data", [b"", HANDSHAKE[:20], HANDSHAKE[:-2], b"no handshake\r\n\r\n", HANDSHAKE])
@pytest.mark.parametrize("is_forced", [False, True])
async def test_who_leaves_before_the_handshake_gives_its_slot_back(
    autojump_clock: object, data: bytes, is_forced: bool
) -> None:
    """A connection that ends before it is a WebSocket holds no place, not even for the time of a handshake."""
    async with unharmed() as here:
        for _ in range(3 * TIGHT.most_connections):
            stream = here.connect("hostile")
            if data:
                await stream.send_all(data)
            if is_forced:
                await trio.aclose_forcefully(stream)
            else:
                await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert len(here.gateway.hub.sessions) == 1
        before = here.gateway.refused_connections
        async with here.client("hostile") as first, here.client("hostile") as second:
            assert (await first.ask(PingRequest(id=1))).ok
            assert (await second.ask(PingRequest(id=1))).ok
        assert here.gateway.refused_connections == before


@pytest.mark.parametrize("seed", seeds(60, 20_000))
async def test_no_bytes_bring_the_gateway_down(autojump_clock: object, seed: int) -> None:
    """Right and wrong frames, cut and mixed by chance, before and after the handshake."""
    draw = random.Random(seed)
    pieces = [
        HANDSHAKE, frame(TEXT, b'{"type":"ping","id":1}'), frame(TEXT, b'{"type":"order"}'), frame(TEXT, b"[[["),
        frame(PING, b"a"), frame(PONG, b"b"), frame(CLOSE, b"\x03\xe8"), frame(BINARY, b"x"), frame(0, b"y"),
        frame(TEXT, b"a", is_last=False), b"\x81\xfe", b"\r\n\r\n",
        frame(TEXT, b'{"type":"subscribe","id":2,"channels":["book.BTCUSDT","status"]}'),
    ]  # fmt: skip
    async with unharmed() as here, raw(here, HANDSHAKE if draw.random() < 0.8 else b"") as hostile:
        for _ in range(draw.randrange(1, 12)):
            data = draw.choice(pieces)
            if draw.random() < 0.3:
                data = data[: draw.randrange(len(data))]
            if draw.random() < 0.2:
                place = draw.randrange(len(data) + 1)
                data = data[:place] + draw.randbytes(3) + data[place:]
            await hostile.write(data)
            if draw.random() < 0.5:
                await trio.testing.wait_all_tasks_blocked()


async def test_a_handshake_with_a_byte_that_is_no_text_ends(autojump_clock: object) -> None:
    """Wherever in the request it stands, it ends its connection at most, and nobody else's."""
    async with unharmed() as here:
        for place in range(len(HANDSHAKE)):
            async with raw(here, b"") as hostile:
                await hostile.write(HANDSHAKE[:place] + b"\xd8" + HANDSHAKE[place:])
                await trio.testing.wait_all_tasks_blocked()


async def test_a_flood_is_refused_then_cut(autojump_clock: object) -> None:
    """Past the rate requests are refused with what to do; who goes on is cut, and nothing of it reaches the lane."""
    async with unharmed() as here, here.trader() as client:
        reached = len(here.lane.taken_of(EntryWanted))
        for first in range(100, 260, 20):
            await client.send([order(number) for number in range(first, first + 20)])
        assert await close_of(client) == 4002
        codes = [event.code async for event in client.events() if isinstance(event, Answer)]
        assert codes.count("rate_limited") == 31
        assert len(here.lane.taken_of(EntryWanted)) - reached <= 50


async def test_cancels_pass_when_orders_no_longer_do(autojump_clock: object) -> None:
    """A tenth of the burst is for cancels alone, and time gives everything back."""
    async with unharmed() as here, here.trader() as client:
        for first in range(100, 160, 20):
            await client.send([order(number) for number in range(first, first + 20)])
        await client.send([Cancel(id=200, symbol="BTCUSDT", order_id=1)])
        await trio.testing.wait_all_tasks_blocked()
        assert len(here.lane.taken_of(CancelWanted)) == 1
        await pause(1)
        assert (await client.ask(order(300))).ok


async def test_a_flood_of_nonsense_is_cut(autojump_clock: object) -> None:
    """Every bad frame is answered, until there are too many in a row."""
    async with unharmed() as here, here.client() as client:
        for _ in range(40):
            await client.send_text('{"type":')
            await trio.testing.wait_all_tasks_blocked()
            if client.socket.closed is not None:
                break
        assert await close_of(client) == 4002
        answer = await client.next_event(Answer)
        assert isinstance(answer, Answer)
        assert (answer.id, answer.code) == (0, "malformed")


async def test_guessing_a_secret_is_cut_and_tells_nothing(autojump_clock: object) -> None:
    """A few attempts a connection, all of them answered alike."""
    async with unharmed() as here, here.client() as client:
        texts = set()
        for number in range(5):
            request = {"type": "login", "id": number + 1, "key": ("trader", "nobody")[number % 2],
                       "time_ms": here.now_ms(), "nonce": 1, "signature": f"{number:064x}"}  # fmt: skip
            await client.send_text(msgspec.json.encode(request).decode())
            answer = await client.next_event(Answer)
            assert isinstance(answer, Answer)
            texts.add((answer.code, answer.text))
        assert len(texts) == 1
        assert await close_of(client) == 4001


async def test_connections_are_bounded(autojump_clock: object) -> None:
    """By address and in all; past it there is an HTTP status, far past it nothing, and the others stay."""
    async with unharmed() as here:
        async with raw(here), raw(here):
            async with raw(here) as third:
                await third.is_over.wait()
                assert third.received.startswith(b"HTTP/1.1 503")
            async with here.client("elsewhere") as fourth:
                assert (await fourth.ask(PingRequest(id=1))).ok
                async with raw(here) as fifth:
                    await fifth.is_over.wait()
                    assert fifth.received.startswith(b"HTTP/1.1 503")
        async with raw(here) as again:
            assert again.received.startswith(b"HTTP/1.1 101")
        streams = [here.connect(f"address {number}") for number in range(40)]
        await trio.testing.wait_all_tasks_blocked()
        assert here.gateway.refused_connections >= 2 + 40 - 3 - 16
        for stream in streams:
            await trio.aclose_forcefully(stream)


async def test_the_memory_of_hostile_clients_is_bounded(autojump_clock: object) -> None:
    """Connections that come, ask for much, read nothing and go leave nothing behind."""
    params = GatewayParams(port=0, public_queue_bytes=8_192, private_queue_bytes=16_384)

    async def round_of(here: World) -> None:
        async with here.client(stream=here.connect("hostile", is_narrow=True)) as client:
            await client.login("trader", SECRET)
            await client.subscribe("book.BTCUSDT", "trades.BTCUSDT", "ticker.BTCUSDT", "status")
            for number in range(100, 200):
                await client.send([order(number), Cancel(id=number + 1_000, symbol="BTCUSDT", order_id=number)])
            await client.send_text("[" * 10_000)
            await trio.aclose_forcefully(client.socket._stream)
        await trio.testing.wait_all_tasks_blocked()

    async with unharmed(params) as here:
        for _ in range(3):
            await round_of(here)
            here.lane.taken.clear()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(10):
                await round_of(here)
                here.lane.taken.clear()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 400_000
        assert len(here.gateway.hub.accounts) == 1
