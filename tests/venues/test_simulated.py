"""The simulated feed and its market: true to its book, to its rate and to its seed."""

from __future__ import annotations

import random

import attrs
import pytest
import structlog
import trio

from market.book import Book
from market.dialect import BOOK_CHANGED, TRADED
from market.instruments import InstrumentTable
from market.messages import (
    BUY,
    FRAME_SNAPSHOT,
    BatchMark,
    ConnectionDown,
    ConnectionUp,
    Message,
    RawFrame,
    SnapshotWanted,
    schema_id_of,
)
from runtime.channels import Channel, Doorbell, policy_of
from runtime.config.rules import DecimalText
from runtime.service import Delivery, Mailbox, ServiceSetup
from tests.actors.trading_lane import INSTRUMENT
from tests.seeds import seeds
from venues import simulated_market
from venues.binance import BinanceSpot
from venues.simulated import SimulatedFeed, SimulatedFeedParams
from venues.simulated_market import DepthEvent, MarketShape, SimulatedMarket, TradeEvent

SHAPE = MarketShape(initial_price=6_000_000, grid=60, lot=1)


def applied(market: SimulatedMarket, book: Book, event: DepthEvent) -> None:
    """Apply a change to a book."""
    for price, size in event.bids:
        book.set_level(1, price, size)
    for price, size in event.asks:
        book.set_level(-1, price, size)


@pytest.mark.parametrize("seed", seeds(3, 100))
def test_events_describe_the_true_book(seed: int) -> None:
    """Whoever applies every change to the first snapshot has the true book; it is never crossed nor one-sided."""
    market = SimulatedMarket(seed, SHAPE)
    book = Book()
    reached, bids, asks = market.snapshot()
    applied(market, book, DepthEvent(0, reached, bids, asks))
    for _ in range(500):
        for event in market.step():
            if isinstance(event, DepthEvent):
                assert event.first_update_id == reached + 1
                reached = event.last_update_id
                applied(market, book, event)
            else:
                best = book.best_ask_price if event.aggressor_side == BUY else book.best_bid_price
                assert event.price == best
                assert event.size > 0
        assert book.bids.levels() == sorted(market.bids.items(), reverse=True)
        assert book.asks.levels() == sorted(market.asks.items())
        assert 0 < book.best_bid_price < book.best_ask_price
    assert reached == market.update_id


def test_the_same_seed_makes_the_same_market() -> None:
    """Events follow from the seed alone."""
    first, second, other = (SimulatedMarket(seed, SHAPE) for seed in (4, 4, 5))
    events = [first.step() for _ in range(200)]
    assert events == [second.step() for _ in range(200)]
    assert events != [other.step() for _ in range(200)]


def test_market_moves_and_trades() -> None:
    """It is alive: the price wanders, and both sides get hit."""
    market = SimulatedMarket(6, SHAPE)
    events = [event for _ in range(2_000) for event in market.step()]
    sides = {event.aggressor_side for event in events if isinstance(event, TradeEvent)}
    assert sides == {1, -1}
    assert market.best_bid != 6_000_000


@attrs.define
class FakeClock:
    """trio's time as the time of the run."""

    def now_ns(self) -> int:
        """Nanoseconds since the test's world began."""
        return round(trio.current_time() * 1e9)

    def begin_at_least(self, earliest_ns: int) -> int:
        """It stands for a clock that is never behind."""
        return 0


@attrs.define
class Wired:
    """A feed with its two ends in the test's hands."""

    feed: SimulatedFeed
    mailbox: Mailbox
    inbox: Channel

    def taken(self) -> list[Message]:
        """Everything that it has sent since the last look."""
        messages: list[Message] = []
        self.inbox.drain_into(messages, 1_000_000)
        return messages

    def ask(self) -> None:
        """Ask for a snapshot."""
        self.mailbox.inbox.offer(SnapshotWanted(1, 1, "test"))


def wired(messages_per_second: int = 50, burst_share: float = 0.2, message_limit: int = 0) -> Wired:
    """A feed of one instrument."""
    doorbell = Doorbell()
    block = policy_of("block")
    ordinary, urgent = (Channel(name, 16, block, doorbell=doorbell) for name in ("inbox", "urgent"))
    mailbox = Mailbox(doorbell, ordinary, urgent)
    inbox = Channel("lane", 100_000, block)
    setup = ServiceSetup(
        name="feed",
        params=SimulatedFeedParams(
            initial_price=DecimalText("60000"), messages_per_second=messages_per_second, burst_share=burst_share,
            message_limit=message_limit,
        ),
        instruments=InstrumentTable([INSTRUMENT]),
        instrument_ids=(1,),
        clock=FakeClock(),
        randomness=random.Random(1),
        mailbox=mailbox,
        log=structlog.get_logger(),
        deliveries={
            schema_id_of(kind): [Delivery(inbox, True, None)] for kind in (ConnectionUp, ConnectionDown, RawFrame)
        },
    )
    return Wired(SimulatedFeed(setup), mailbox, inbox)


async def test_keeps_to_its_rate(autojump_clock: trio.testing.MockClock) -> None:
    """Over ten seconds it sends what was asked for, give or take a read."""
    line = wired(messages_per_second=200)
    with trio.move_on_after(10):
        await line.feed.run()
    frames = [message for message in line.taken() if isinstance(message, RawFrame)]
    assert 1_990 <= len(frames) <= 2_020


async def test_frames_of_one_read_are_one_batch_with_one_time(autojump_clock: trio.testing.MockClock) -> None:
    """Several frames come with a mark that says how many, and all bear the time of the read."""
    line = wired(messages_per_second=1_000, burst_share=0.5, message_limit=500)
    await line.feed.run()
    messages = line.taken()
    marks = [index for index, message in enumerate(messages) if isinstance(message, BatchMark)]
    assert len(marks) > 20
    for index in marks:
        mark = messages[index]
        assert isinstance(mark, BatchMark)
        batch = messages[index + 1 : index + 1 + mark.count]
        assert len({message.receive_ns for message in batch if isinstance(message, RawFrame)}) == 1


async def test_connection_begins_and_ends_with_the_same_epoch(autojump_clock: trio.testing.MockClock) -> None:
    """It says that it is up before the first frame and down after the last; a later start has a later epoch."""
    line = wired(message_limit=10)
    await line.feed.run()
    messages = line.taken()
    up, down = messages[0], messages[-1]
    assert isinstance(up, ConnectionUp)
    assert isinstance(down, ConnectionDown)
    assert up.epoch == down.epoch
    await trio.sleep(1)
    assert wired().feed.epoch > up.epoch


async def test_snapshot_is_answered_at_once_and_fits_the_stream(autojump_clock: trio.testing.MockClock) -> None:
    """A snapshot that is asked for in between joins the frames before and after it without a gap."""
    line = wired(messages_per_second=10, message_limit=100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.feed.run)
        await trio.sleep(3.05)
        line.ask()
        await trio.sleep(0.01)
        assert any(isinstance(message, RawFrame) and message.kind == FRAME_SNAPSHOT for message in line.taken())
        await trio.sleep(1)
        line.taken()
        line.ask()
    decoder = BinanceSpot().decoder("BTCUSDT", INSTRUMENT.price_scale, INSTRUMENT.size_scale)
    outcomes = set()
    for message in line.taken():
        if isinstance(message, RawFrame):
            snapshot = message.kind == FRAME_SNAPSHOT
            outcomes.add(decoder.apply_snapshot(message.data) if snapshot else decoder.apply(message.data))
    assert outcomes <= {BOOK_CHANGED, TRADED}
    market = line.feed.lines[0].market
    assert (decoder.book.best_bid_price, decoder.book.best_ask_price) == (market.best_bid, market.best_ask)


async def test_a_large_snapshot_is_sent_in_pieces(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A book of many levels comes cut, each piece a batch of its own, and the pieces are the snapshot."""
    monkeypatch.setattr(simulated_market, "DEPTH", 1_000)
    line = wired(messages_per_second=10, message_limit=20)
    line.ask()
    await line.feed.run()
    messages = line.taken()
    pieces = [message for message in messages if isinstance(message, RawFrame) and message.kind == FRAME_SNAPSHOT]
    assert [piece.part for piece in pieces] == list(range(1, pieces[0].parts + 1))
    assert len(pieces) > 3
    for place, message in enumerate(messages):
        if isinstance(message, BatchMark):
            batch = messages[place + 1 : place + 1 + message.count]
            assert all(isinstance(frame, RawFrame) and frame.parts == 1 for frame in batch)
    decoder = BinanceSpot().decoder("BTCUSDT", INSTRUMENT.price_scale, INSTRUMENT.size_scale)
    for piece in pieces:
        outcome = decoder.apply_snapshot_piece(piece.data, piece.part, piece.parts, piece.checksum)
    assert outcome == BOOK_CHANGED
    assert decoder.book.bids.count == 1_000


async def test_a_feed_that_dies_takes_its_connection_down(autojump_clock: trio.testing.MockClock) -> None:
    """Whoever built a book on it must know at once, however it ended."""
    line = wired()
    with trio.move_on_after(1):
        await line.feed.run()
    last = line.taken()[-1]
    assert isinstance(last, ConnectionDown)
    assert last.reason == "the feed stopped"
