"""The base of services: what it sends, and what it refuses to send."""

from __future__ import annotations

import random
from typing import ClassVar

import pytest
import structlog

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


def feed_and_inbox() -> tuple[Feed, Channel]:
    """A feed wired to one lane's inbox."""
    doorbell = Doorbell()
    halt = policy_of("halt")
    mailbox = Mailbox(doorbell, *(Channel(name, 4, halt, doorbell=doorbell) for name in ("inbox", "urgent")))
    inbox = Channel("lane", 16, policy_of("block"))
    setup = ServiceSetup(
        name="feed",
        params=None,
        instruments=InstrumentTable(),
        instrument_ids=(),
        clock=ManualClock(0),
        randomness=random.Random(0),
        mailbox=mailbox,
        log=structlog.get_logger(),
        deliveries={schema_id_of(PublicTrade): [Delivery(inbox, False, None)], schema_id_of(ConnectionUp): []},
    )
    return Feed(setup), inbox


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
