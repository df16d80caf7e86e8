"""Feed, lane and venue book against the embedded exchange that speaks Binance: LIVE, lost, and LIVE again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.venue_book import VenueBook
from actors.venue_book_legs import Leg
from actors.venue_book_params import VenueBookParams
from actors.venue_book_recovery import GAPPED
from market.book import Book
from market.instruments import InstrumentTable
from market.messages import LIVE
from runtime.blueprint import Blueprint, Node
from runtime.config.model import SystemConfig
from runtime.logs import Logger
from runtime.service import ServiceSetup
from runtime.wiring import System, build_system
from tests.exchange.desk_of_orders import INSTRUMENTS
from tests.exchange.outside import World, world
from tests.runtime.lanes import node_of
from tests.simulation.world import Silence
from venues.dialing import Dialing, OpenTcp, Proxies
from venues.feed import Feed
from venues.feed_params import FeedParams

BITCOIN = INSTRUMENTS[0]


class NearFeed(Feed):
    """A feed whose connections are what the test hands in."""

    opener: ClassVar[OpenTcp]

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup, Dialing(proxies=Proxies(), open_tcp=type(self).opener))


@attrs.define
class Trader:
    """A system with one book, and the exchange that it is about."""

    system: System
    exchange: World
    streams: list[trio.abc.Stream] = attrs.field(factory=list)
    is_up: bool = True

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """A connection to the exchange, while there is a network."""
        if not self.is_up:
            raise OSError("the network is down")
        self.streams.append(self.exchange.connect())
        return self.streams[-1]

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
async def trader(exchange: World) -> AsyncIterator[Trader]:
    """A feed and a book, wired as a system has them."""
    instrument = attrs.evolve(BITCOIN, venue="binance")
    feed = Node(
        name="feed", node_id=2, kind="service", class_=NearFeed, class_path="tests:NearFeed", policy=Feed.POLICY,
        lane="", instrument_ids=(instrument.instrument_id,),
        params=FeedParams(venue="binance", url="ws://exchange", rest_url="http://exchange", first_pause_ms=50),
        takes=dict.fromkeys(Feed.TAKES, ""), gives=Feed.GIVES, owns=(),
    )  # fmt: skip
    params = VenueBookParams(dialect="venues.binance:BinanceSpot", max_venue_lag_ms=0)
    book = attrs.evolve(node_of(VenueBook, 1, "book", params=params), instrument_ids=(instrument.instrument_id,))
    names = {instrument.symbol: instrument.instrument_id}
    blueprint = Blueprint(SystemConfig(), InstrumentTable([instrument]), names, (book,), (feed,))
    log = cast(Logger, Silence())
    system = build_system(blueprint, exchange.clock, random.Random(1), log, lambda core: None)
    made = Trader(system, exchange)
    NearFeed.opener = staticmethod(made.open_tcp)
    async with trio.open_nursery() as nursery:
        await nursery.start(system.supervisor.run)
        yield made
        system.supervisor.request_shutdown("the test is over")


@pytest.mark.parametrize("loss", ["network", "gap"])
async def test_a_book_that_was_lost_is_live_again(autojump_clock: MockClock, tmp_path: Path, loss: str) -> None:
    """Snapshot and stream make a LIVE book; after the network or a frame was lost it is LIVE and right again."""
    async with world(tmp_path) as exchange, trader(exchange) as one:
        web = exchange.web()
        await web.order(price="60000", quantity="1")
        await one.until(lambda: one.leg.state == LIVE and one.book.best_bid_price != 0)
        assert one.book.bids.levels() == [(6_000_000, BITCOIN.parse_size("1"))]
        if loss == "network":
            one.is_up = False
            for stream in one.streams:
                await stream.aclose()
            await one.until(lambda: one.leg.state != LIVE)
            await web.order(price="60001", quantity="2")
            await trio.sleep(10)
            assert one.book.best_bid_price == 0
            one.is_up = True
        else:
            # The book misses an event: the next one does not follow it.
            one.leg.decoder.update_id -= 5
            await web.order(price="60001", quantity="2")
        await one.until(lambda: one.leg.state == LIVE and one.book.best_bid_price == 6_000_100)
        assert len(one.book.bids.levels()) == 2
        assert one.leg.recovery.counts[GAPPED] == (loss == "gap")
