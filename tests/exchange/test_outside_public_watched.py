"""Feed and venue book against the Kraken and Coinbase gateways: LIVE, right, and LIVE and right again after a loss."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import attrs
import pytest
import trio

from actors.venue_book import VenueBook
from actors.venue_book_legs import Leg
from actors.venue_book_params import VenueBookParams
from actors.venue_book_recovery import CHECKSUM
from exchange.outside.coinbase import CoinbaseGateway
from exchange.outside.kraken import KrakenGateway
from exchange.outside.public import PublicGateway
from exchange.protocol import SideWord
from market.instruments import InstrumentTable
from market.messages import BUY, LIVE
from runtime.blueprint import Blueprint, Node
from runtime.config.model import SystemConfig
from runtime.service import ServiceSetup
from runtime.wiring import System, build_system
from tests.exchange.desk_of_orders import INSTRUMENTS
from tests.exchange.outside_public import PublicWorld, public_world
from tests.runtime.lanes import node_of
from tests.seeds import seeds
from tests.simulation.world import Silence
from venues.dialing import Dialing, OpenTcp, Proxies
from venues.feed import Feed
from venues.feed_params import FeedParams
from venues.registry import DIALECTS

if TYPE_CHECKING:
    from runtime.logs import Logger

VENUES: dict[str, tuple[type[PublicGateway], str, str]] = {
    "kraken": (KrakenGateway, "BTC/USDT", "ws://exchange/v2"),
    "coinbase": (CoinbaseGateway, "BTC-USDT", "ws://exchange"),
}


class NearFeed(Feed):
    """A feed whose connections are what the test hands in."""

    opener: ClassVar[OpenTcp]

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup, Dialing(proxies=Proxies(), open_tcp=type(self).opener))


@attrs.define
class Watcher:
    """A system with one book, and the exchange that it is about."""

    system: System
    exchange: PublicWorld
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

    def agrees(self, depth: int) -> bool:
        """Whether the book is that of the exchange, down to the depth."""
        market = self.exchange.gateway.side.by_symbol["BTCUSDT"]
        book = self.leg.decoder.book
        found = (book.bids.levels()[:depth], book.asks.levels()[:depth])
        return bool(found == (market.bid_levels(depth), market.ask_levels(depth)))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to be so."""
        with trio.fail_after(60):
            while not holds():
                await trio.sleep(0.01)


@asynccontextmanager
async def watcher(exchange: PublicWorld, venue: str) -> AsyncIterator[Watcher]:
    """A feed and a book, wired as a system has them."""
    _, symbol, url = VENUES[venue]
    # Coinbase tells whole books.
    depth = 0 if venue == "coinbase" else 10
    instrument = attrs.evolve(INSTRUMENTS[0], venue=venue, venue_symbol=symbol)
    params = FeedParams(venue=venue, url=url, rest_url="http://exchange", first_pause_ms=50, depth=depth)
    feed = Node(
        name="feed", node_id=2, kind="service", class_=NearFeed, class_path="tests:NearFeed", policy=Feed.POLICY,
        lane="", instrument_ids=(instrument.instrument_id,), params=params,
        takes=dict.fromkeys(Feed.TAKES, ""), gives=Feed.GIVES, owns=(),
    )  # fmt: skip
    told = VenueBookParams(dialect=DIALECTS[venue], max_venue_lag_ms=0, depth=depth)
    book = attrs.evolve(node_of(VenueBook, 1, "book", params=told), instrument_ids=(instrument.instrument_id,))
    names = {instrument.symbol: instrument.instrument_id}
    blueprint = Blueprint(SystemConfig(), InstrumentTable([instrument]), names, (book,), (feed,))
    log = cast("Logger", Silence())
    system = build_system(blueprint, exchange.clock, random.Random(1), log, lambda core: None)
    made = Watcher(system, exchange)
    NearFeed.opener = staticmethod(made.open_tcp)
    async with trio.open_nursery() as nursery:
        await nursery.start(system.supervisor.run)
        yield made
        system.supervisor.request_shutdown("the test is over")


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", seeds(2, 50))
async def test_a_book_follows_the_exchange(autojump_clock: object, tmp_path: Path, venue: str, seed: int) -> None:
    """Random orders and cancels around the depth: no loss, every checksum agrees, and the book is the exchange's."""
    dice = random.Random(seed)
    async with public_world(tmp_path, VENUES[venue][0]) as here, here.trader() as trader, watcher(here, venue) as one:
        open_orders: list[int] = []
        for step in range(120):
            if open_orders and dice.random() < 0.45:
                await trader.cancel(open_orders.pop(dice.randrange(len(open_orders))))
            else:
                side: SideWord = "buy" if dice.random() < 0.5 else "sell"
                away = dice.randrange(1, 18)
                price = 60_000 - away if side == "buy" else 60_000 + away
                open_orders.append(await trader.order(side, f"{price}.{dice.randrange(2) * 5}", f"0.{away:03d}"))
            if step % 40 == 39:
                await trio.sleep(0.2)
                await one.until(lambda: one.leg.state == LIVE and one.agrees(10))
        assert sum(one.leg.recovery.counts) == 0
        assert one.leg.decoder.checksums_passed > 50 or venue != "kraken"


@pytest.mark.parametrize("venue", VENUES)
async def test_a_book_that_was_lost_is_live_again(autojump_clock: object, tmp_path: Path, venue: str) -> None:
    """After the network was lost, and after a book that is not what it should be, it is LIVE and right again."""
    async with public_world(tmp_path, VENUES[venue][0]) as here, here.trader() as trader, watcher(here, venue) as one:
        await trader.order("buy", "60000", "1")
        await one.until(lambda: one.leg.state == LIVE and one.agrees(10))
        one.is_up = False
        for stream in one.streams:
            await stream.aclose()
        await one.until(lambda: one.leg.state != LIVE)
        await trader.order("buy", "60001", "2")
        one.is_up = True
        await one.until(lambda: one.leg.state == LIVE and one.agrees(10))
        # The gateway loses its book: it tells it anew, and the client takes that for the book it is.
        market = here.gateway.side.by_symbol["BTCUSDT"]
        market.update_id -= 1
        await trader.order("buy", "60002", "3")
        await trio.sleep(3)
        await trader.order("sell", "60003", "3")
        await one.until(lambda: one.leg.state == LIVE and one.agrees(10))
        assert len(one.leg.decoder.book.bids.levels()) == 3
        assert market.gaps == 1


async def test_a_book_whose_checksum_fails_is_taken_anew(autojump_clock: object, tmp_path: Path) -> None:
    """A client of Kraken that holds a wrong level unsubscribes, subscribes again, and is LIVE and right."""
    async with public_world(tmp_path, KrakenGateway) as here, here.trader() as trader, watcher(here, "kraken") as one:
        await trader.order("buy", "60000", "1")
        await one.until(lambda: one.leg.state == LIVE and one.agrees(10))
        connections = len(one.streams)
        one.leg.decoder.book.set_level(BUY, 5_900_000, 7)
        await trader.order("sell", "60010", "0.5")
        await one.until(lambda: one.leg.recovery.counts[CHECKSUM] == 1 and one.leg.state == LIVE and one.agrees(10))
        assert len(one.streams) == connections
