"""A feed without a venue: a market made up from a seed, sent as the frames that Binance would send.

It stands in for a venue's connection until there is one: the same messages, the same bytes, the same snapshot on
request, several frames a read now and then. Every start is a new connection with a new epoch. It keeps to its rate by
the injected clock: what is due is sent, in batches, and nothing is made up to catch up faster than that.
"""

from __future__ import annotations

import random
from typing import ClassVar

import attrs
import trio

from market.dialect import Encoder
from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    ConnectionDown,
    ConnectionUp,
    Message,
    RawFrame,
    SnapshotWanted,
)
from runtime.config.rules import DecimalText, at_least, between, decimal, setting
from runtime.service import Service, ServiceSetup
from venues.binance import BinanceSpot
from venues.framing import batches_of, frames_of
from venues.simulated_market import DepthEvent, MarketShape, SimulatedMarket, TradeEvent

NANOSECONDS = 1_000_000_000
BASIS_POINTS = 10_000
# A full inbox must not keep it from ending.
FAREWELL_SECONDS = 0.5
LARGEST_READ = 16


@attrs.frozen(kw_only=True)
class SimulatedFeedParams:
    """Settings of `SimulatedFeed`."""

    seed: int = setting("Seed of the market.", default=1, rule=between(0, 2**63 - 1))
    connection_id: int = setting("The number that its frames carry.", default=1, rule=at_least(1))
    messages_per_second: int = setting("Frames a second, on average.", default=50, rule=between(1, 1_000_000))
    burst_share: float = setting(
        "Share of the reads that bring several frames at once.", default=0.2, rule=between(0.0, 1.0)
    )
    grid_bps: float = setting(
        "Distance of two levels, to which spread and movement are in proportion.",
        default=0.1, rule=between(0.0001, 1_000.0), unit="bps",
    )  # fmt: skip
    message_limit: int = setting("It falls silent after this many frames; 0 never does.", default=0, rule=at_least(0))
    initial_price: DecimalText = setting("The price at which the market begins.", rule=decimal(above_zero=True))


class Line:
    """One instrument of the feed: its market and the venue's way of writing it."""

    def __init__(self, instrument_id: int, market: SimulatedMarket, encoder: Encoder) -> None:
        self.instrument_id = instrument_id
        self.market = market
        self.encoder = encoder

    def step(self, event_ns: int) -> list[bytes]:
        """The frames of what happens next."""
        return [self._written(event, event_ns) for event in self.market.step()]

    def snapshot(self) -> bytes:
        """The whole book as the answer to a request."""
        return self.encoder.snapshot(*self.market.snapshot())

    def _written(self, event: DepthEvent | TradeEvent, event_ns: int) -> bytes:
        if isinstance(event, TradeEvent):
            return self.encoder.trade(event_ns, event.trade_id, event.price, event.size, event.aggressor_side)
        return self.encoder.depth(event_ns, event.first_update_id, event.last_update_id, event.bids, event.asks)


class SimulatedFeed(Service):
    """See the head of this file."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (SnapshotWanted,)
    GIVES: ClassVar[tuple[type[Message], ...]] = (ConnectionUp, ConnectionDown, RawFrame)
    PARAMS: ClassVar[type | None] = SimulatedFeedParams

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, SimulatedFeedParams)
        self.params = setup.params
        self.dialect = BinanceSpot()
        # The time of the start tells epochs apart, over restarts and over runs.
        self.epoch = self.clock.now_ns()
        self.reads = random.Random(self.params.seed)
        self.lines = [self._line(instrument_id) for instrument_id in self.instrument_ids]
        self.sent = 0

    def _line(self, instrument_id: int) -> Line:
        instrument = self.instruments.by_id(instrument_id)
        price = instrument.round_price_nearest(instrument.parse_price(self.params.initial_price))
        grid = max(instrument.tick, instrument.round_price_nearest(round(price * self.params.grid_bps / BASIS_POINTS)))
        shape = MarketShape(price, grid, instrument.lot)
        encoder = self.dialect.encoder(instrument.venue_symbol, instrument.price_scale, instrument.size_scale)
        # Each instrument has a stream of draws of its own, so that one more changes nothing in the others.
        return Line(instrument_id, SimulatedMarket(self.params.seed + 1_000_003 * instrument_id, shape), encoder)

    async def run(self) -> None:
        """Be connected, and send until cancelled or until the limit; however it ends, whoever trusts it is told."""
        reason = "the feed stopped"
        try:
            await self._stream()
            reason = "the limit of messages is reached"
        finally:
            with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                await self.send([ConnectionDown(self.params.connection_id, self.epoch, reason)])

    async def _stream(self) -> None:
        await self.send([ConnectionUp(self.params.connection_id, self.epoch)])
        began_ns = self.clock.now_ns()
        while not self._is_over():
            await self._answer()
            due = self._due(self.clock.now_ns() - began_ns) - self.sent
            if due <= 0:
                await self._pause(began_ns)
            else:
                await self._read(due)

    def _is_over(self) -> bool:
        return 0 < self.params.message_limit <= self.sent

    def _due(self, elapsed_ns: int) -> int:
        return 1 + elapsed_ns * self.params.messages_per_second // NANOSECONDS

    async def _pause(self, began_ns: int) -> None:
        """Sleep until the next frame is due, or until somebody asks for something."""
        next_ns = began_ns + -(-self.sent * NANOSECONDS // self.params.messages_per_second)
        with trio.move_on_after(max(0, next_ns - self.clock.now_ns()) / NANOSECONDS):
            await self.mailbox.doorbell.wait()

    async def _read(self, due: int) -> None:
        """Send what one read of a socket would have brought."""
        now_ns = self.clock.now_ns()
        wanted = self.reads.randrange(2, LARGEST_READ) if self.reads.random() < self.params.burst_share else 1
        if due > LARGEST_READ:
            wanted = LARGEST_READ
        frames: list[list[RawFrame]] = []
        while len(frames) < wanted:
            line = self.lines[self.reads.randrange(len(self.lines))]
            frames += [self._frame(line, FRAME_STREAM, data, now_ns) for data in line.step(now_ns)]
        self.sent += len(frames)
        await self._send_read(frames)

    async def _answer(self) -> None:
        """Send the snapshots that were asked for."""
        while (message := self.mailbox.receive_nowait()) is not None:
            if isinstance(message, SnapshotWanted) and message.connection_id == self.params.connection_id:
                now_ns = self.clock.now_ns()
                await self._send_read(
                    [
                        self._frame(line, FRAME_SNAPSHOT, line.snapshot(), now_ns)
                        for line in self.lines
                        if line.instrument_id == message.instrument_id
                    ]
                )

    async def _send_read(self, frames: list[list[RawFrame]]) -> None:
        for batch in batches_of(frames):
            await self.send(batch)

    def _frame(self, line: Line, kind: int, data: bytes, now_ns: int) -> list[RawFrame]:
        return frames_of(self.dialect, self.params.connection_id, kind, line.instrument_id, now_ns, data)
