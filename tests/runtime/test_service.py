"""The base of services: what it sends, and what it refuses to send."""

from __future__ import annotations

import random
from typing import ClassVar

import attrs
import pytest
import structlog
import trio
import trio.testing

from market.instruments import InstrumentTable
from market.messages import BUY, ConnectionUp, Message, PublicTrade, Signal, schema_id_of
from runtime.channels import Channel, Doorbell, policy_of
from runtime.clock import ManualClock
from runtime.service import Delivery, Mailbox, Service, ServiceError, ServiceSetup


class Feed(Service):
    """Gives trades, which the lane takes, and connections, which nobody takes."""

    GIVES: ClassVar[tuple[type[Message], ...]] = (PublicTrade, ConnectionUp)

    async def run(self) -> None:
        """Nothing of its own."""


def setup_of(deliveries: dict[int, list[Delivery]] | None = None) -> ServiceSetup:
    """What a service is made from, with a mailbox of its own."""
    doorbell = Doorbell()
    halt = policy_of("halt")
    mailbox = Mailbox(doorbell, *(Channel(name, 4, halt, doorbell=doorbell) for name in ("inbox", "urgent")))
    return ServiceSetup(
        name="feed",
        params=None,
        instruments=InstrumentTable(),
        instrument_ids=(),
        clock=ManualClock(0),
        randomness=random.Random(0),
        mailbox=mailbox,
        log=structlog.get_logger(),
        deliveries=deliveries or {},
    )


def feed_and_inbox() -> tuple[Feed, Channel]:
    """A feed wired to one lane's inbox."""
    inbox = Channel("lane", 16, policy_of("block"))
    deliveries = {schema_id_of(PublicTrade): [Delivery(inbox, False, None)], schema_id_of(ConnectionUp): []}
    return Feed(setup_of(deliveries)), inbox


TRADE = PublicTrade(1, 1, 100, 1, BUY, 0, 0)


async def test_sending_what_gives_does_not_list_is_an_error() -> None:
    """The error names the service and the type and says what to do; nothing of the batch is sent."""
    feed, inbox = feed_and_inbox()
    with pytest.raises(ServiceError, match="feed sent Signal, which its GIVES does not list: add Signal to GIVES"):
        await feed.send([TRADE, Signal("fast", 1, 1.0, 1.0, 0)])
    taken: list[Message] = []
    inbox.drain_into(taken, 16)
    assert taken == []


async def test_sending_what_nobody_takes_is_fine() -> None:
    """A type that GIVES lists and nobody takes goes nowhere; the rest of the batch arrives."""
    feed, inbox = feed_and_inbox()
    await feed.send([ConnectionUp(1, 1), TRADE])
    taken: list[Message] = []
    inbox.drain_into(taken, 16)
    assert taken == [TRADE]


async def test_an_offer_goes_at_once_or_not_at_all() -> None:
    """A receiver that has kept up gets the batch without a wait; one that has not gets nothing of it."""
    feed, inbox = feed_and_inbox()
    assert feed.offer([TRADE, ConnectionUp(1, 1)])
    assert inbox.statistics().depth == 1
    assert not feed.offer([TRADE])
    assert inbox.statistics().depth == 1
    taken: list[Message] = []
    inbox.drain_into(taken, 16)
    assert taken == [TRADE]
    assert not feed.offer([TRADE] * 16), "with its mark the batch is larger than the channel"
    assert feed.offer([TRADE] * 3)


async def test_an_offer_of_what_gives_does_not_list_is_an_error() -> None:
    """As it is for `send`."""
    feed, inbox = feed_and_inbox()
    with pytest.raises(ServiceError, match="add Signal to GIVES"):
        feed.offer([TRADE, Signal("fast", 1, 1.0, 1.0, 0)])
    assert inbox.statistics().depth == 0


class Gateway(Service):
    """Takes trades, at once while it waits; it breaks at the third, and cannot end the second at once."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (PublicTrade,)

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        self.log_of_trades: list[tuple[int, str]] = []
        self.left: list[int] = []

    async def run(self) -> None:
        """End what was left, take what comes."""
        self.mailbox.serve_at_once(self.work)
        while True:
            while self.left:
                self.log_of_trades.append((self.left.pop(0), "ended"))
            message = self.mailbox.receive_nowait()
            if message is None:
                await self.mailbox.wait()
            else:
                self.note(message, "its own task")

    def work(self) -> bool:
        """Take all that there is."""
        while (message := self.mailbox.receive_nowait()) is not None:
            self.note(message, "at once")
        return not self.left

    def note(self, message: Message, where: str) -> None:
        """Keep who took it."""
        assert isinstance(message, PublicTrade)
        if message.trade_id == 3:
            raise ConnectionError("the third trade breaks it")
        self.log_of_trades.append((int(message.trade_id), where))
        if message.trade_id == 2:
            self.left.append(2)


def numbered(number: int) -> PublicTrade:
    """A trade by number."""
    return PublicTrade(1, number, 100, 1, BUY, 0, 0)


async def test_a_service_that_waits_takes_at_once_what_is_brought(autojump_clock: trio.testing.MockClock) -> None:
    """Who brings it finds it taken; what cannot be ended at once is ended by the service's own task."""
    gateway = Gateway(setup_of())
    inbox, urgent = gateway.mailbox.inbox, gateway.mailbox.urgent
    inbox.bring([numbered(1)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.run)
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.log_of_trades == [(1, "its own task")]
        urgent.bring([numbered(4)])
        inbox.bring([numbered(5)])
        assert gateway.log_of_trades[1:] == [(4, "at once"), (5, "at once")]
        inbox.bring([numbered(8), numbered(9)])
        assert gateway.log_of_trades[3:] == [(8, "at once"), (9, "at once")]
        # Nobody is woken for nothing.
        assert not gateway.mailbox.doorbell.rung
        inbox.bring([numbered(2)])
        inbox.bring([numbered(6)])
        assert gateway.log_of_trades[5:] == [(2, "at once")]
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.log_of_trades[6:] == [(2, "ended"), (6, "its own task")]
        inbox.offer(numbered(7))
        assert len(gateway.log_of_trades) == 8
        nursery.cancel_scope.cancel()


async def test_what_is_not_taken_at_once_wakes_the_service(autojump_clock: trio.testing.MockClock) -> None:
    """Whatever the work says: what lies in the mailbox is not slept upon."""
    gateway = Gateway(setup_of())
    gateway.work = lambda: gateway.mailbox.receive_nowait() is not None  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.run)
        await trio.testing.wait_all_tasks_blocked()
        gateway.mailbox.inbox.bring([numbered(4), numbered(5)])
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.log_of_trades == [(5, "its own task")]
        nursery.cancel_scope.cancel()


async def test_what_fails_at_once_fails_in_the_task_of_the_service(autojump_clock: trio.testing.MockClock) -> None:
    """Who brings it learns nothing of it, and a service that is gone takes nothing at once."""
    gateway = Gateway(setup_of())
    inbox = gateway.mailbox.inbox
    failed: list[str] = []

    async def run() -> None:
        try:
            await gateway.run()
        except ConnectionError as error:
            failed.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        assert inbox.bring([numbered(3)]) == 1
        assert failed == []
        assert inbox.bring([numbered(4)]) == 1
    assert failed == ["the third trade breaks it"]
    assert gateway.log_of_trades == []
    again = Gateway(attrs.evolve(setup_of(), mailbox=gateway.mailbox))
    inbox.bring([numbered(5)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(again.run)
        await trio.testing.wait_all_tasks_blocked()
        assert again.log_of_trades == [(4, "its own task"), (5, "its own task")]
        nursery.cancel_scope.cancel()
