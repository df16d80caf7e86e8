"""A feed and a venue book, wired as a system has them, at an exchange in memory: what a customer of it sees."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

import attrs
import trio
from trio.testing import MockClock

from actors.venue_book import VenueBook
from actors.venue_book_legs import Leg
from actors.venue_book_params import VenueBookParams
from market.book import Book
from market.instruments import Instrument, InstrumentTable
from runtime.blueprint import Blueprint, Node
from runtime.clock import Clock
from runtime.config.model import SystemConfig
from runtime.service import ServiceSetup
from runtime.wiring import System, build_system
from tests.runtime.lanes import node_of
from tests.simulation.world import Silence
from venues.dialing import Dialing, OpenTcp, Proxies
from venues.feed import Feed
from venues.feed_params import FeedParams

if TYPE_CHECKING:
    from runtime.logs import Logger


class Reachable(Protocol):
    """An exchange that gives connections, and its time."""

    @property
    def clock(self) -> Clock:
        """Its time."""

    def connect(self) -> trio.abc.Stream:
        """A connection to it."""


class NearFeed(Feed):
    """A feed whose connections are what the test hands in."""

    opener: ClassVar[OpenTcp]

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup, Dialing(proxies=Proxies(), open_tcp=type(self).opener))


@attrs.define
class Watched:
    """A system with one book, and its network."""

    system: System
    connect: Callable[[], trio.abc.Stream]
    streams: list[trio.abc.Stream] = attrs.field(factory=list)
    is_up: bool = True

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to the exchange, while there is a network."""
        if not self.is_up:
            raise OSError("the network is down")
        self.streams.append(self.connect())
        return self.streams[-1]

    async def cut(self) -> None:
        """Lose the network."""
        self.is_up = False
        for stream in self.streams:
            await stream.aclose()

    @property
    def leg(self) -> Leg:
        """The book's one connection."""
        actor = self.system.lanes[0].core.slots[0].actor
        assert isinstance(actor, VenueBook)
        return actor.legs[0]

    @property
    def book(self) -> Book:
        """The book."""
        return self.leg.decoder.book

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to be so."""
        with trio.fail_after(60):
            while not holds():
                await trio.sleep(0.01)


@asynccontextmanager
async def watched(
    exchange: Reachable, instrument: Instrument, feed_params: FeedParams, book_params: VenueBookParams
) -> AsyncIterator[Watched]:
    """The feed and the book of an instrument at an exchange, running."""
    assert isinstance(trio.lowlevel.current_clock(), MockClock)
    ids = (instrument.instrument_id,)
    feed = Node(
        name="feed", node_id=2, kind="service", class_=NearFeed, class_path="tests:NearFeed", policy=Feed.POLICY,
        lane="", instrument_ids=ids, params=feed_params, takes=dict.fromkeys(Feed.TAKES, ""), gives=Feed.GIVES,
        owns=(),
    )  # fmt: skip
    book = attrs.evolve(node_of(VenueBook, 1, "book", params=book_params), instrument_ids=ids)
    names = {instrument.symbol: instrument.instrument_id}
    blueprint = Blueprint(SystemConfig(), InstrumentTable([instrument]), names, (book,), (feed,))
    log = cast("Logger", Silence())
    system = build_system(blueprint, exchange.clock, random.Random(1), log, lambda core: None)
    made = Watched(system, exchange.connect)
    NearFeed.opener = staticmethod(made.open_tcp)
    async with trio.open_nursery() as nursery:
        await nursery.start(system.supervisor.run)
        yield made
        system.supervisor.request_shutdown("the test is over")
