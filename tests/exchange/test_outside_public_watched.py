"""Feed and venue book against the Kraken and Coinbase gateways: LIVE, right, and LIVE and right again after a loss."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from actors.venue_book_params import VenueBookParams
from actors.venue_book_recovery import CHECKSUM
from exchange.outside.coinbase import CoinbaseGateway
from exchange.outside.kraken import KrakenGateway
from exchange.outside.public import PublicGateway
from exchange.protocol import SideWord
from market.messages import BUY, LIVE
from tests.exchange.desk_of_orders import INSTRUMENTS
from tests.exchange.outside_public import PublicWorld, public_world
from tests.exchange.watched import Watched, watched
from tests.seeds import seeds
from venues.feed_params import FeedParams
from venues.registry import DIALECTS

VENUES: dict[str, tuple[type[PublicGateway], str, str]] = {
    "kraken": (KrakenGateway, "BTC/USDT", "ws://exchange/v2"),
    "coinbase": (CoinbaseGateway, "BTC-USDT", "ws://exchange"),
}


@asynccontextmanager
async def watcher(exchange: PublicWorld, venue: str) -> AsyncIterator[Watched]:
    """A feed and a book of one of these venues."""
    _, symbol, url = VENUES[venue]
    # Coinbase tells whole books.
    depth = 0 if venue == "coinbase" else 10
    instrument = attrs.evolve(INSTRUMENTS[0], venue=venue, venue_symbol=symbol)
    params = FeedParams(venue=venue, url=url, rest_url="http://exchange", first_pause_ms=50, depth=depth)
    told = VenueBookParams(dialect=DIALECTS[venue], max_venue_lag_ms=0, depth=depth)
    async with watched(exchange, instrument, params, told) as one:
        yield one


def agrees(one: Watched, exchange: PublicWorld, depth: int = 10) -> bool:
    """Whether the book is that of the exchange, down to the depth."""
    market = exchange.gateway.side.by_symbol["BTCUSDT"]
    found = (one.book.bids.levels()[:depth], one.book.asks.levels()[:depth])
    return bool(found == (market.bid_levels(depth), market.ask_levels(depth)))


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
                await one.until(lambda: one.leg.state == LIVE and agrees(one, here))
        assert sum(one.leg.recovery.counts) == 0
        assert one.leg.decoder.checksums_passed > 50 or venue != "kraken"


@pytest.mark.parametrize("venue", VENUES)
async def test_a_book_that_was_lost_is_live_again(autojump_clock: object, tmp_path: Path, venue: str) -> None:
    """After the network was lost, and after a book that is not what it should be, it is LIVE and right again."""
    async with public_world(tmp_path, VENUES[venue][0]) as here, here.trader() as trader, watcher(here, venue) as one:
        await trader.order("buy", "60000", "1")
        await one.until(lambda: one.leg.state == LIVE and agrees(one, here))
        await one.cut()
        await one.until(lambda: one.leg.state != LIVE)
        await trader.order("buy", "60001", "2")
        one.is_up = True
        await one.until(lambda: one.leg.state == LIVE and agrees(one, here))
        # The gateway loses its book: it tells it anew, and the client takes that for the book it is.
        market = here.gateway.side.by_symbol["BTCUSDT"]
        market.update_id -= 1
        await trader.order("buy", "60002", "3")
        await trio.sleep(3)
        await trader.order("sell", "60003", "3")
        await one.until(lambda: one.leg.state == LIVE and agrees(one, here))
        assert len(one.book.bids.levels()) == 3
        assert market.gaps == 1


async def test_a_book_whose_checksum_fails_is_taken_anew(autojump_clock: object, tmp_path: Path) -> None:
    """A client of Kraken that holds a wrong level unsubscribes, subscribes again, and is LIVE and right."""
    async with public_world(tmp_path, KrakenGateway) as here, here.trader() as trader, watcher(here, "kraken") as one:
        await trader.order("buy", "60000", "1")
        await one.until(lambda: one.leg.state == LIVE and agrees(one, here))
        connections = len(one.streams)
        one.book.set_level(BUY, 5_900_000, 7)
        await trader.order("sell", "60010", "0.5")
        await one.until(lambda: one.leg.recovery.counts[CHECKSUM] == 1 and one.leg.state == LIVE and agrees(one, here))
        assert len(one.streams) == connections
