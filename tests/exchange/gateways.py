"""A gateway with a lane that is played by the test: it checks nonces and accepts every order. Streams are in memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import attrs
import trio
import trio.testing
from librt.vecs import vec
from mypy_extensions import i64

from exchange.client import ExchangeClient, open_exchange_stream
from exchange.gateway import Gateway
from exchange.gateway_params import GatewayParams
from exchange.keys import ADMIN, READ, TRADE, Key, KeyRing
from exchange.sessions import Connection
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    EVENT_ACCEPTED,
    EVENT_STATE,
    REJECT_AUTHENTICATION,
    AccountStateWanted,
    BalanceReported,
    BookDelta,
    BookSnapshot,
    EntryWanted,
    Message,
    OrderReported,
    RequestAnswered,
    SessionAnswered,
    SessionClosed,
    SessionOpened,
    SnapshotWanted,
    schema_id_of,
)
from runtime.channels import BLOCK, Channel, Doorbell, policy_of
from runtime.clock import TrioClock
from runtime.config.secrets import Secret
from runtime.service import Delivery, Mailbox, ServiceSetup
from tests.simulation.world import Silence

if TYPE_CHECKING:
    from runtime.logs import Logger

START_NS = 1_700_000_000_000_000_000
SECRET = "5e1f" * 16
BITCOIN = Instrument.from_text(
    instrument_id=1, symbol="BTC/USDT", venue="exchange", venue_symbol="BTCUSDT", base="BTC", quote="USDT", kind="spot",
    tick="0.01", lot="0.00001", minimum_size="0.00001", minimum_notional="5", maker_fee_bps="1", taker_fee_bps="5",
)  # fmt: skip
KEYS = (
    Key("trader", Secret(SECRET, "test"), 7, READ | TRADE),
    Key("other", Secret(SECRET, "test"), 8, READ | TRADE),
    Key("reader", Secret(SECRET, "test"), 7, READ),
    Key("admin", Secret(SECRET, "test"), 7, ADMIN),
)


def numbers(values: Sequence[int]) -> vec[i64]:
    """A packed column."""
    return vec[i64](values)


def delta(first: int, last: int, bids: dict[int, int], asks: dict[int, int], venue_ns: int = 0) -> BookDelta:
    """A change of the book of instrument 1."""
    columns = [numbers(list(part)) for side in (bids, asks) for part in (side.keys(), side.values())]
    return BookDelta(1, first, last, columns[0], columns[1], columns[2], columns[3], venue_ns, 0)


def snapshot(update_id: int, bids: dict[int, int], asks: dict[int, int]) -> BookSnapshot:
    """The whole book of instrument 1."""
    columns = [numbers(list(part)) for side in (bids, asks) for part in (side.keys(), side.values())]
    return BookSnapshot(1, update_id, columns[0], columns[1], columns[2], columns[3], 0, 0)


def report(account_id: int, sequence: int, event: int = EVENT_ACCEPTED, session_id: int = 0) -> OrderReported:
    """Something has happened to an order of an account."""
    return OrderReported(
        1, account_id, sequence, session_id, 0, event, 1, 100 + sequence, "", 1, 1, 1, 6_000_000, 50_000, 0, 50_000, 0,
        0, 0, 0, 0, 0, "", 0, 0, 0, 0, "", START_NS,
    )  # fmt: skip


@attrs.define
class PlayedLane:
    """Answers as the exchange's lane does, as far as a gateway needs it."""

    inbox: Channel
    answer: Callable[[Sequence[Message]], None]
    taken: list[Message] = attrs.field(factory=list)
    nonces: dict[str, int] = attrs.field(factory=dict)
    sequences: dict[int, int] = attrs.field(factory=dict)
    book: BookSnapshot = attrs.field(factory=lambda: snapshot(10, {6_000_000: 100_000}, {6_000_100: 200_000}))
    is_silent: bool = False

    async def run(self) -> None:
        """Take and answer until cancelled."""
        while True:
            await self.inbox.doorbell.wait()
            messages: list[Message] = []
            self.inbox.drain_into(messages)
            for message in messages:
                self.taken.append(message)
                if not self.is_silent:
                    self.answer(self._answers(message))

    def _answers(self, message: Message) -> list[Message]:
        if isinstance(message, SessionOpened):
            return [self._opened(message)]
        if isinstance(message, EntryWanted):
            sequence = self.sequences[message.account_id] = self.sequences.get(message.account_id, 0) + 1
            return [
                OrderReported(
                    1, message.account_id, sequence, message.session_id, message.request_id, EVENT_ACCEPTED,
                    message.instrument_id, 1_000 + sequence, message.client_order_id, message.side, message.order_type,
                    message.time_in_force, message.price, message.size, 0, message.size, 0, message.stop_price, 0, 0,
                    0, 0, "", 0, 0, 0, 0, "", START_NS,
                ),
                RequestAnswered(
                    1, message.session_id, message.account_id, message.request_id, False, 0, "", 1_000 + sequence,
                    message.client_order_id, 1, sequence, START_NS,
                ),
            ]  # fmt: skip
        if isinstance(message, AccountStateWanted):
            who = (message.session_id, message.account_id)
            return [
                report(who[1], 3, EVENT_STATE, who[0]),
                BalanceReported(1, who[1], 3, who[0], "USDT", 5 * 10**12, 10**12, START_NS),
                RequestAnswered(1, *who, message.request_id, False, 0, "", 0, "", 2, 3, START_NS),
            ]
        if isinstance(message, SnapshotWanted):
            return [self.book]
        if isinstance(message, SessionClosed):
            return []
        asked = (message.session_id, message.account_id, message.request_id)  # type: ignore[attr-defined]
        return [RequestAnswered(1, *asked, False, 0, "", 0, "", 1, 0, START_NS)]

    def _opened(self, message: SessionOpened) -> SessionAnswered:
        is_old = message.nonce <= self.nonces.get(message.key_id, 0)
        self.nonces[message.key_id] = max(message.nonce, self.nonces.get(message.key_id, 0))
        code, reason = (REJECT_AUTHENTICATION, "the nonce was used before") if is_old else (0, "")
        sequence = self.sequences.get(message.account_id, 0)
        who = (message.session_id, message.account_id, message.request_id)
        return SessionAnswered(1, *who, is_old, code, reason, sequence, START_NS)

    def taken_of(self, kind: type[Message]) -> list[Message]:
        """What came of one type."""
        return [message for message in self.taken if type(message) is kind]


class FrozenStream(trio.abc.Stream):
    """A stream whose reader stops when it is told to, as behind a cable that was cut."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.is_frozen = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What comes, while it is not frozen."""
        data = await self._stream.receive_some(max_bytes)
        if self.is_frozen:
            await trio.Event().wait()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there may be room."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()


@attrs.define
class World:
    """A gateway that runs, with its lane."""

    gateway: Gateway
    lane: PlayedLane
    mailbox: Mailbox
    nursery: trio.Nursery
    clock: TrioClock
    scope: trio.CancelScope

    def tell(self, *messages: Message) -> None:
        """Send from the lane to the gateway."""
        assert self.mailbox.inbox.offer_batch(list(messages)) == len(messages)

    def now_ms(self) -> int:
        """The time of the world."""
        return self.clock.now_ns() // 1_000_000

    def connect(self, address: str = "", *, is_narrow: bool = False) -> trio.abc.Stream:
        """The client's end of a new connection; a narrow one holds nothing between the two ends."""
        here, there = trio.testing.lockstep_stream_pair() if is_narrow else trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.gateway.serve_stream, there, address)
        return here

    @asynccontextmanager
    async def client(self, address: str = "", stream: trio.abc.Stream | None = None) -> AsyncIterator[ExchangeClient]:
        """A client, greeted."""
        async with open_exchange_stream(stream or self.connect(address), self.now_ms) as client:
            await client.next_event()
            yield client

    def connection(self) -> Connection:
        """The gateway's side of the newest connection."""
        return self.gateway.hub.sessions[max(self.gateway.hub.sessions)]

    async def until_left(self, connection: Connection) -> int:
        """Wait until the gateway has given a connection up; gives the code."""
        while connection.session_id in self.gateway.hub.sessions:
            with trio.move_on_after(0.05):
                await trio.Event().wait()
        return connection.close_code

    @asynccontextmanager
    async def trader(self, key_id: str = "trader", nonce: int = 0) -> AsyncIterator[ExchangeClient]:
        """A client that has logged in."""
        async with self.client() as client:
            await client.login(key_id, SECRET, nonce=nonce)
            yield client


@asynccontextmanager
async def world(
    params: GatewayParams | None = None, capacity: int = 4_096, *, number: int = 0, log: object = None
) -> AsyncIterator[World]:
    """A gateway that serves no port, with a lane that answers."""
    clock = TrioClock(START_NS)
    bell, lane_bell = Doorbell(), Doorbell()
    halt = policy_of("halt")
    mailbox = Mailbox(bell, *(Channel(name, capacity, halt, doorbell=bell) for name in ("inbox", "urgent")))
    inbox = Channel("lane", capacity, BLOCK, doorbell=lane_bell)
    setup = ServiceSetup(
        name="gateway",
        params=params or GatewayParams(port=0),
        instruments=InstrumentTable([BITCOIN]),
        instrument_ids=(1,),
        clock=clock,
        randomness=random.Random(0),
        mailbox=mailbox,
        log=cast("Logger", log or Silence()),
        number=number,
        deliveries={schema_id_of(kind): [Delivery(inbox, False, None)] for kind in Gateway.GIVES},
    )
    gateway = Gateway(setup)
    gateway.hub.keys = KeyRing(KEYS)

    def answer(messages: Sequence[Message]) -> None:
        assert mailbox.inbox.offer_batch(list(messages)) == len(messages)

    lane = PlayedLane(inbox, answer)
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)

        async def run(task_status: trio.TaskStatus[trio.Nursery]) -> None:
            # Connections end with the gateway, as they do behind its own listeners.
            with scope:
                async with trio.open_nursery() as connections:
                    task_status.started(connections)
                    await gateway.run()

        connections = await nursery.start(run)
        yield World(gateway, lane, mailbox, connections, clock, scope)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
