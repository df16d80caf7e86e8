"""What venues send, written from their documents for tests: the other side of each dialect's wire.

Each speaker writes one instrument's frames on one connection from the true book. None of it shares code with the
dialects, except for Binance, whose encoder is a part of its dialect.
"""

from __future__ import annotations

from random import Random

from tests.simulation.venue_truth import Levels, Sides
from venues.binance import BinanceSpot
from venues.simulated_market import DepthEvent, TradeEvent

PRICE_SCALE = 2
SIZE_SCALE = 5
NANOSECONDS = 1_000_000


def broken(frame: bytes, draw: Random) -> bytes:
    """One byte is no part of any message any more: venues without a checksum can show no other damage."""
    place = draw.randrange(len(frame))
    return frame[:place] + b"?" + frame[place + 1 :]


class BinanceSpeaker:
    """Binance spot: numbered events, snapshots by request."""

    dialect = "venues.binance:BinanceSpot"
    venue_symbol = "BTCUSDT"
    depth = 0
    numbered = True

    def __init__(self) -> None:
        self.encoder = BinanceSpot().encoder(self.venue_symbol, PRICE_SCALE, SIZE_SCALE)

    def opened(self) -> list[bytes]:
        """The reply to the subscription."""
        return [b'{"result":null,"id":1}']

    def subscribed(self, now_ns: int, update_id: int, sides: Sides) -> list[bytes]:
        """Nothing: snapshots come by request."""
        return []

    def changed(self, now_ns: int, event: DepthEvent, sides: Sides) -> list[bytes]:
        """A depthUpdate."""
        return [self.encoder.depth(now_ns, event.first_update_id, event.last_update_id, event.bids, event.asks)]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A trade."""
        return [self.encoder.trade(now_ns, trade.trade_id, trade.price, trade.size, trade.aggressor_side)]

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The answer to a depth request."""
        return self.encoder.snapshot(update_id, *sides)

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """A byte that no message has."""
        return broken(frame, draw)


def touched(event: DepthEvent) -> tuple[Levels, Levels]:
    """The levels of a change."""
    return list(event.bids), list(event.asks)
