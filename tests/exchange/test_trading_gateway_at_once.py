"""Commands on a real socket: there when the lane has delivered them, in their order, whatever the socket does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import trio
import trio.testing
from trio.testing import MockClock

from exchange.protocol import Cancel
from exchange.trading_link import TradingLink
from market.messages import (
    REJECT_UNKNOWN_INSTRUMENT,
    CancelOrder,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
)
from tests.exchange.desk_of_orders import BTC
from tests.exchange.gateways import FrozenStream
from tests.exchange.outside import FoundNative
from tests.exchange.played_trader import Trader
from tests.exchange.test_trading_gateway import Wire, trading
from tests.venues.loopback import FarEnd, holds_something, over_loopback, reset, small_pair
from tests.venues.test_gateway_pieces import new_order
from venues.gateway_pace import Pace

ENOUGH = 200


class HeldStream(FrozenStream):
    """The exchange's end, which reads nothing while it is held."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.is_free = trio.Event()
        self.is_free.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What comes, once it may be read."""
        await self.is_free.wait()
        return await self._stream.receive_some(max_bytes)


@attrs.define
class SocketWire(Wire):
    """The network of this machine."""

    far_ends: list[trio.SocketStream] = attrs.field(factory=list)
    held: list[HeldStream] = attrs.field(factory=list)

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to the exchange's native gateway."""
        self.attempts += 1
        here, there = await small_pair()
        held = HeldStream(there)
        gateway = FoundNative.running[-1]
        gateway.connections.start_soon(gateway.serve_stream, held)
        self.far_ends.append(there)
        self.held.append(held)
        return here


@asynccontextmanager
async def trading_here(tmp_path: Path) -> AsyncIterator[tuple[SocketWire, Trader]]:
    """The exchange, and alice's gateway to it over the loopback, in real time."""
    async with trading(tmp_path, SocketWire) as (_, wire, alice):
        assert isinstance(wire, SocketWire)
        yield wire, alice


async def until_full(alice: Trader) -> list[int]:
    """Send orders until the socket takes no more; gives them."""
    sent: list[int] = []
    while not alice.gateway.link._stream.is_behind:
        assert len(sent) < ENOUGH
        sent.append(alice.order("50000", "0.001"))
    return sent


async def test_a_command_is_on_the_socket_when_it_is_delivered(tmp_path: Path) -> None:
    """Before any task has had a turn: several of one delivery in one frame, and a cancel as well."""
    async with trading_here(tmp_path) as (wire, alice):
        mailbox, requests = alice.setup.mailbox, alice.gateway._requests
        first, second = alice.held("50000"), alice.held("50001")
        assert not holds_something(wire.far_ends[0], 0)
        assert mailbox.inbox.bring([first, second]) == 2
        assert holds_something(wire.far_ends[0])
        assert not mailbox.doorbell.rung
        await alice.expect(OrderAccepted, count=2)
        assert [one.order_id for one in alice.of(OrderAccepted)] == [first.order_id, second.order_id]
        assert mailbox.urgent.bring([CancelOrder(first.order_id, BTC, "", 0)]) == 1
        assert holds_something(wire.far_ends[0])
        await alice.expect(OrderCancelled, first.order_id)
        assert requests.value == 3


async def test_what_has_to_be_told_is_told_by_the_task(tmp_path: Path) -> None:
    """A lane that delivers an order is not told in the same breath that it is refused; the next one goes as usual."""
    async with trading_here(tmp_path) as (wire, alice):
        wanted = alice.held("50000")
        alice.know_less()
        inbox = alice.setup.mailbox.inbox
        assert inbox.bring([new_order(order_id=901, instrument_id=99)]) == 1
        assert alice.of(OrderRejected) == []
        assert (await alice.expect(OrderRejected, 901)).code == REJECT_UNKNOWN_INSTRUMENT
        assert inbox.bring([new_order(order_id=902, instrument_id=99), wanted]) == 2
        assert not holds_something(wire.far_ends[0], 0)
        await alice.expect(OrderRejected, 902)
        await alice.expect(OrderAccepted, wanted.order_id)
        alice.anomalies.clear()


async def test_a_full_socket_keeps_the_order_of_commands(tmp_path: Path) -> None:
    """The rest of what it did not take goes first, then what came meanwhile; every order arrives once."""
    async with trading_here(tmp_path) as (wire, alice):
        wire.held[0].is_free = trio.Event()
        sent = await until_full(alice)
        later = [alice.order("50001", "0.001") for _ in range(5)]
        alice.cancel(sent[-1])
        alice.cancel(later[-1])
        assert alice.of(OrderAccepted) == []
        wire.held[0].is_free.set()
        await alice.expect(OrderAccepted, count=len(sent) + len(later))
        assert [one.order_id for one in alice.of(OrderAccepted)] == [*sent, *later]
        await alice.expect(OrderCancelled, count=2)
        after = alice.held("50002")
        assert alice.setup.mailbox.inbox.bring([after]) == 1
        assert holds_something(wire.far_ends[0])
        await alice.expect(OrderAccepted, after.order_id)
        assert wire.attempts == 1


async def test_a_connection_that_dies_in_the_middle_of_a_command(tmp_path: Path) -> None:
    """It is told as any loss is; what came of each order is asked for, and trading goes on over a new connection."""
    async with trading_here(tmp_path) as (wire, alice):
        works = alice.order("49000")
        await alice.expect(OrderAccepted, works)
        wire.held[0].is_free = trio.Event()
        sent = await until_full(alice)
        reset(wire.far_ends[0])
        # On a socket that is gone already, before the gateway has learnt it.
        sent.append(alice.order("50000", "0.001"))
        assert not alice.setup.mailbox.doorbell.rung
        await alice.lost()
        await alice.connected(2)
        await alice.until(lambda: all(alice.is_over(one) for one in sent))
        # The exchange cancels with the connection, as it was asked to.
        await alice.expect(OrderCancelled, works)
        again = alice.order("50001")
        await alice.expect(OrderAccepted, again)
        assert wire.attempts == 2


# ---- one connection


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[TradingLink, FarEnd]]:
    """A connection whose far end is the test."""

    async def hear(heard: object) -> None:
        raise AssertionError(f"nobody says anything: {heard}")

    async with over_loopback() as (stream, far), trio.open_nursery() as nursery:
        link = TradingLink(stream, hear, 5.0)
        nursery.start_soon(link.write)
        await trio.testing.wait_all_tasks_blocked()
        yield link, far
        nursery.cancel_scope.cancel()


def cancel(link: TradingLink, name: str) -> Cancel:
    """A request of this name."""
    return Cancel(id=link.next_id(), symbol="BTCUSDT", client_order_id=name)


def post(link: TradingLink, name: str, is_urgent: bool = False) -> None:
    """Post a request of this name and let it out."""
    link.post(cancel(link, name), None, is_urgent)
    link.let_out()


def names(frames: list[bytes]) -> list[str]:
    """What the requests of these frames are called."""
    return [msgspec.json.decode(frame)["client_order_id"] for frame in frames]


async def test_nothing_overtakes_a_cancel_that_waits_for_its_turn(autojump_clock: MockClock) -> None:
    """A cancel that has no room in the limit goes as soon as it has; what was posted later stays behind it."""
    async with linked() as (link, far):
        link.pace = Pace(2, 1.0, 1)
        assert link.pace.spend()
        post(link, "order")
        post(link, "first", is_urgent=True)
        assert names(await far.hear(2)) == ["order", "first"]
        began = trio.current_time()
        post(link, "second", is_urgent=True)
        post(link, "later")
        assert names(await far.hear(4))[2:] == ["second", "later"]
        assert trio.current_time() - began >= 1.0
        await trio.testing.wait_all_tasks_blocked()
        post(link, "third", is_urgent=True)
        assert not link._bell.is_set()
        assert names(await far.hear(5))[4:] == ["third"]


async def test_all_that_is_posted_is_let_out() -> None:
    """In as many frames as the exchange asks for; before it has said how much it takes, in one for each."""
    async with linked() as (link, far):
        for name in ("one", "two", "three"):
            link.post(cancel(link, name), None)
        link.let_out()
        assert not link._bell.is_set()
        assert names(await far.hear(3)) == ["one", "two", "three"]


async def test_what_the_socket_left_is_sent_by_itself() -> None:
    """Nothing else has to be posted for it."""
    async with linked() as (link, far):
        sent = [str(number) * 100 for number in range(ENOUGH)]
        count = 0
        while not link._bell.is_set():
            post(link, sent[count])
            count += 1
        assert not link._waiting
        assert names(await far.hear(count)) == sent[:count]


async def test_a_connection_that_is_given_up_is_not_written_to() -> None:
    """Orders that come before the gateway knows are asked for over the next one."""
    async with linked() as (link, far):
        post(link, "before")
        assert names(await far.hear(1)) == ["before"]
        link.end()
        post(link, "after")
        assert not holds_something(far.stream, 0)
