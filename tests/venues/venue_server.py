"""A venue made up for the feed's tests: its dialect, its server, and a network between them that can be cut.

Streams are in memory, so that time is the test's. The server speaks through trio-websocket, a second implementation
of the protocol; requests are answered in plain text over the same network.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import attrs
import structlog
import trio
import trio.testing
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_server_stream

from market.dialect import (
    BACK,
    BY_CONNECTION,
    BY_REQUEST,
    BY_SUBSCRIPTION,
    CONFIRMED,
    DATA,
    LEAVING,
    MAINTENANCE,
    RECONNECT,
    REFUSED,
    Conversation,
)
from market.instruments import Instrument, InstrumentTable
from market.messages import Message, schema_id_of
from runtime.channels import Channel, Doorbell, policy_of
from runtime.clock import TrioClock
from runtime.service import Delivery, Mailbox, ServiceSetup
from venues.dialing import Dialing, Proxies
from venues.facts import Venue, VenueFacts
from venues.feed import Feed
from venues.feed_params import FeedParams
from venues.registry import DIALECTS

START_NS = 1_700_000_000_000_000_000
WORDS = {
    b"ok ": CONFIRMED, b"no ": REFUSED, b"leaving": LEAVING, b"reconnect": RECONNECT, b"maintenance": MAINTENANCE,
    b"back": BACK,
}  # fmt: skip


class FakeConversation(Conversation):
    """Subscribes with `sub X`; a frame is `X payload`, everything else is one of the words above."""

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """One request each."""
        return [b"sub " + symbol.encode() for symbol in venue_symbols]

    def renew(self, venue_symbol: str) -> list[bytes]:
        """Off and on again."""
        return [b"unsub " + venue_symbol.encode(), b"sub " + venue_symbol.encode()]

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """One request each."""
        return [b"unsub " + symbol.encode() for symbol in venue_symbols]

    def hear(self, frame: bytes) -> int:
        """By its first word; a question is answered at once."""
        if frame.startswith(b"who"):
            self.replies.append(b"me")
            return DATA
        for word, meaning in WORDS.items():
            if frame.startswith(word):
                self.cause = frame.decode()
                self.venue_symbol = frame[len(word) :].decode() if meaning in (CONFIRMED, REFUSED) else ""
                return meaning
        return DATA

    def sign_of_life(self) -> bytes:
        """What the venue wants to hear now and then."""
        return b"alive"


FACTS = VenueFacts(
    title="Fake", docs="none", stream_url="ws://stream.fake/ws", rest_url="http://rest.fake", silence_s=8.0,
    requests=0, rest_weight=100, rest_per_s=60.0, snapshot_weight=10,
)  # fmt: skip


class FakeVenue(Venue):
    """By request, unless a subclass says otherwise."""

    facts = FACTS

    @property
    def venue(self) -> str:
        """Its name."""
        return "fake"

    def conversation(self) -> Conversation:
        """Words."""
        return FakeConversation()

    def venue_symbol(self, frame: bytes) -> str:
        """The first word."""
        word = frame.split(b" ", 1)[0]
        return word.decode() if word.isupper() else ""

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """Of a request."""
        return f"/depth?symbol={venue_symbol}&limit={levels}"

    def audit_path(self, venue_symbol: str) -> str:
        """Of an audit."""
        return f"/audit?symbol={venue_symbol}"


class FakeBySubscription(FakeVenue):
    """The stream brings the snapshot of a subscription."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION


class FakeByConnection(FakeVenue):
    """Only a new connection brings one."""

    recovery: ClassVar[int] = BY_CONNECTION


VENUES: dict[int, type[FakeVenue]] = {
    BY_REQUEST: FakeVenue, BY_SUBSCRIPTION: FakeBySubscription, BY_CONNECTION: FakeByConnection,
}  # fmt: skip


@attrs.define(eq=False)
class Client:
    """One client that the server has: what it said, and how to speak to it."""

    socket: WebSocketConnection
    number: int
    said: list[str] = attrs.field(factory=list)

    async def tell(self, *frames: str) -> None:
        """Send frames."""
        for frame in frames:
            await self.socket.send_message(frame)

    async def leave(self) -> None:
        """Close; whether the other side answers is its own affair."""
        with trio.move_on_after(0.1):
            await self.socket.aclose()

    async def heard(self, text: str, count: int = 1) -> None:
        """Wait until the client has said this so often."""
        while self.said.count(text) < count:
            await trio.sleep(0.01)


Behaviour = Callable[[Client], Awaitable[None]]


async def obedient(client: Client) -> None:
    """Answer every subscription with a confirmation and a first frame."""
    while True:
        text = await client.socket.get_message()
        client.said.append(str(text))
        if str(text).startswith("sub "):
            symbol = str(text)[4:]
            await client.tell(f"ok {symbol}", f"{symbol} snapshot {client.number}")


async def mute(client: Client) -> None:
    """Take everything and say nothing."""
    while True:
        client.said.append(str(await client.socket.get_message()))


@attrs.define(eq=False)
class Server:
    """The venue's side, and the network."""

    nursery: trio.Nursery
    behaviour: Behaviour = obedient
    is_up: bool = True
    clients: list[Client] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    answers: list[tuple[int, str, bytes]] = attrs.field(factory=list)
    """Status, further headers and body of the next answers to requests; when there are none left, 200."""
    connects: list[float] = attrs.field(factory=list)
    streams: list[trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]] = attrs.field(
        factory=list
    )

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """What the feed connects with."""
        if not self.is_up:
            raise OSError("the network is down")
        near, far = trio.testing.memory_stream_pair()
        self.streams.append(far)
        if host.startswith("rest"):
            self.nursery.start_soon(self._answer, far)
        else:
            self.connects.append(trio.current_time())
            self.nursery.start_soon(self._serve, far)
        return near

    @property
    def client(self) -> Client:
        """The latest client."""
        return self.clients[-1]

    async def connected(self, count: int) -> Client:
        """Wait for the client of this number, from 1."""
        while len(self.clients) < count:
            await trio.sleep(0.01)
        return self.clients[count - 1]

    async def cut(self) -> None:
        """The network goes, with everything that was open."""
        self.is_up = False
        for stream in self.streams:
            await stream.aclose()
        self.streams.clear()

    def fall_silent(self) -> None:
        """Everything that is open stays so, and nothing comes of it any more: a connection that is half open."""
        for stream in self.streams:
            stream.send_stream.send_all_hook = trio.sleep_forever

    async def _serve(self, stream: trio.abc.Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream_accepted(nursery, stream)
                client = Client(request, len(self.clients) + 1)
                self.clients.append(client)
                await self.behaviour(client)
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, HandshakeError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.abc.Stream) -> None:
        head = b""
        try:
            while True:
                data = await stream.receive_some(4_096)
                if not data:
                    return
                head += data
                while b"\r\n\r\n" in head:
                    request, _, head = head.partition(b"\r\n\r\n")
                    path = request.split(b" ")[1].decode()
                    self.asked.append(path)
                    status, headers, body = self.answers.pop(0) if self.answers else (200, "", path.encode())
                    words = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
                    await stream.send_all(words.encode() + body)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


async def wrap_server_stream_accepted(nursery: trio.Nursery, stream: trio.abc.Stream) -> WebSocketConnection:
    """A WebSocket of the server's end of a stream."""
    request = await wrap_server_stream(nursery, stream)
    return await request.accept()


@attrs.define
class Rig:
    """A feed that runs against the server."""

    feed: Feed
    server: Server
    mailbox: Mailbox
    inbox: Channel
    taken: list[Message] = attrs.field(factory=list)

    def messages(self) -> list[Message]:
        """Everything that was sent so far."""
        self.inbox.drain_into(self.taken, 1_000_000)
        return self.taken

    def of(self, kind: type[Message]) -> list[Message]:
        """Messages of one type."""
        return [message for message in self.messages() if type(message) is kind]

    async def until(self, kind: type[Message], count: int = 1) -> Message:
        """Wait for so many messages of a type, and give the last of them."""
        while len(found := self.of(kind)) < count:
            await trio.sleep(0.01)
        return found[count - 1]


def instruments(count: int) -> InstrumentTable:
    """AAA, BBB and so on."""
    table = InstrumentTable()
    for number in range(count):
        symbol = chr(65 + number) * 3
        table.add(
            Instrument.from_text(
                instrument_id=number + 1, symbol=f"{symbol}/USD", venue="fake", venue_symbol=symbol, base=symbol,
                quote="USD", kind="spot", tick="0.01", lot="0.00001", minimum_size="0.00001", minimum_notional="5",
                maker_fee_bps="1", taker_fee_bps="5",
            )
        )
    return table


def make_feed(server: Server, params: FeedParams, count: int = 2, seed: int = 1, capacity: int = 100_000) -> Rig:
    """A feed that is wired to the test."""
    doorbell = Doorbell()
    policy = policy_of("block")
    mailbox = Mailbox(doorbell, *(Channel(name, 64, policy, doorbell=doorbell) for name in ("inbox", "urgent")))
    inbox = Channel("lane", capacity, policy)
    setup = ServiceSetup(
        name="feed", params=params, instruments=instruments(count), instrument_ids=tuple(range(1, count + 1)),
        clock=TrioClock(START_NS), randomness=random.Random(seed), mailbox=mailbox, log=structlog.get_logger(),
        deliveries={schema_id_of(kind): [Delivery(inbox, False, None)] for kind in Feed.GIVES},
    )  # fmt: skip
    feed = Feed(setup, Dialing(proxies=Proxies(), open_tcp=server.open_tcp, timeout_s=params.connect_timeout_s))
    return Rig(feed, server, mailbox, inbox)


@asynccontextmanager
async def running(
    params: FeedParams | None = None,
    behaviour: Behaviour = obedient,
    count: int = 2,
    seed: int = 1,
    is_up: bool = True,
) -> AsyncIterator[Rig]:
    """A feed at work."""
    async with trio.open_nursery() as servers:
        server = Server(servers, behaviour)
        server.is_up = is_up
        rig = make_feed(server, params or FeedParams(venue="fake"), count, seed)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.feed.run)
            yield rig
            nursery.cancel_scope.cancel()
        servers.cancel_scope.cancel()


def register(recovery: int = BY_REQUEST, facts: VenueFacts = FACTS) -> dict[str, str]:
    """The registry with the fake venue, of these facts."""
    found = VENUES[recovery]
    found.facts = facts
    return {**DIALECTS, "fake": f"{__name__}:{found.__name__}"}
