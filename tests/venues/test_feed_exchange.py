"""Feed, lane and venue book against the embedded exchange that speaks Binance: LIVE, lost, and LIVE again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.venue_book_params import VenueBookParams
from actors.venue_book_recovery import GAPPED
from market.messages import LIVE
from tests.exchange.desk_of_orders import INSTRUMENTS
from tests.exchange.outside import World, world
from tests.exchange.watched import Watched, watched
from venues.feed_params import FeedParams

BITCOIN = INSTRUMENTS[0]


@asynccontextmanager
async def trader(exchange: World) -> AsyncIterator[Watched]:
    """A feed and a book of its Binance protocol."""
    told = VenueBookParams(dialect="venues.binance:BinanceSpot", max_venue_lag_ms=0)
    params = FeedParams(venue="binance", url="ws://exchange", rest_url="http://exchange", first_pause_ms=50)
    async with watched(exchange, attrs.evolve(BITCOIN, venue="binance"), params, told) as one:
        yield one


@pytest.mark.parametrize("loss", ["network", "gap"])
async def test_a_book_that_was_lost_is_live_again(autojump_clock: MockClock, tmp_path: Path, loss: str) -> None:
    """Snapshot and stream make a LIVE book; after the network or a frame was lost it is LIVE and right again."""
    async with world(tmp_path) as exchange, trader(exchange) as one:
        web = exchange.web()
        await web.order(price="60000", quantity="1")
        await one.until(lambda: one.leg.state == LIVE and one.book.best_bid_price != 0)
        assert one.book.bids.levels() == [(6_000_000, BITCOIN.parse_size("1"))]
        if loss == "network":
            await one.cut()
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
