"""A market made up from a seed: a price that wanders, levels around it, and trades that hit the touch.

Sans-I/O: every step gives the events that a venue would send, and `bids` and `asks` hold the true book after them. The
hidden price is a random walk whose regime (calm, trending, nervous) changes now and then. A book is never crossed and
never one-sided. The same seed gives the same events, whatever the clock says.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import attrs

from market.messages import BUY, SELL

# Mean step of the hidden price in grid steps, its deviation, and how eagerly trades come.
CALM = (0.0, 0.6, 0.25)
RISING = (0.25, 0.8, 0.35)
FALLING = (-0.25, 0.8, 0.35)
NERVOUS = (0.0, 2.5, 0.5)
REGIMES = (CALM, CALM, RISING, FALLING, NERVOUS)
REGIME_CHANGE = 0.002
# Levels kept on each side, levels touched by one change, and the gap of the touch to the hidden price in grid steps.
DEPTH = 50
TOUCHED = 4
HALF_SPREAD = 1.5
MEAN_LEVEL_LOTS = 40_000
MEAN_TRADE_LOTS = 4_000


class DepthEvent(NamedTuple):
    """A change of the book: (price, size) of each level that changed, size 0 for one that is gone."""

    first_update_id: int
    last_update_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class TradeEvent(NamedTuple):
    """A public trade."""

    trade_id: int
    price: int
    size: int
    aggressor_side: int


Event = DepthEvent | TradeEvent


@attrs.frozen
class MarketShape:
    """What the market trades in: scaled integers, as the instrument says."""

    initial_price: int
    grid: int  # distance of two levels, a multiple of the tick
    lot: int


class SimulatedMarket:
    """See the head of this file."""

    def __init__(self, seed: int, shape: MarketShape) -> None:
        self._draw = random.Random(seed)
        self._shape = shape
        self._hidden = shape.initial_price / shape.grid
        self._regime = CALM
        self._changed_bids: dict[int, int] = {}
        self._changed_asks: dict[int, int] = {}
        self.update_id = 1 + self._draw.randrange(1_000_000)
        self.trade_id = 1 + self._draw.randrange(1_000_000)
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self._quote_around()
        self._changed_bids.clear()
        self._changed_asks.clear()

    @property
    def best_bid(self) -> int:
        """The highest bid."""
        return max(self.bids)

    @property
    def best_ask(self) -> int:
        """The lowest ask."""
        return min(self.asks)

    def step(self) -> list[Event]:
        """What happens next: a change of the book, now and then with a trade before it."""
        self._wander()
        events: list[Event] = []
        if self._draw.random() < self._regime[2]:
            events.append(self._trade())
        self._quote_around()
        self._restless_levels()
        events.append(self._take_changes())
        return events

    def snapshot(self) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
        """The id of the last change and both sides, each from the touch outward."""
        return self.update_id, sorted(self.bids.items(), reverse=True), sorted(self.asks.items())

    def _wander(self) -> None:
        if self._draw.random() < REGIME_CHANGE:
            self._regime = self._draw.choice(REGIMES)
        drift, deviation, _ = self._regime
        # The walk stays well above zero, however long it runs.
        self._hidden = max(1_000.0, self._hidden + self._draw.gauss(drift, deviation))

    def _trade(self) -> TradeEvent:
        """Somebody takes from the touch, up to all of it."""
        drift = self._regime[0]
        side = BUY if self._draw.random() < 0.5 + drift else SELL
        levels, price = (self.asks, self.best_ask) if side == BUY else (self.bids, self.best_bid)
        size = min(self._size(MEAN_TRADE_LOTS), levels[price])
        self._set(-side, price, levels[price] - size)
        self.trade_id += 1
        return TradeEvent(self.trade_id, price, size, side)

    def _quote_around(self) -> None:
        """Move the touch to the hidden price, and fill up behind it."""
        bid = int(self._hidden - HALF_SPREAD)
        ask = max(bid + 1, int(self._hidden + HALF_SPREAD) + 1)
        grid = self._shape.grid
        for price in [price for price in self.bids if price > bid * grid or price <= (bid - DEPTH) * grid]:
            self._set(BUY, price, 0)
        for price in [price for price in self.asks if price < ask * grid or price >= (ask + DEPTH) * grid]:
            self._set(SELL, price, 0)
        for distance in range(DEPTH):
            bid_price, ask_price = (bid - distance) * grid, (ask + distance) * grid
            if bid_price not in self.bids:
                self._set(BUY, bid_price, self._size(MEAN_LEVEL_LOTS))
            if ask_price not in self.asks:
                self._set(SELL, ask_price, self._size(MEAN_LEVEL_LOTS))

    def _restless_levels(self) -> None:
        """A few levels near the touch change their size."""
        for _ in range(self._draw.randrange(1, TOUCHED + 1)):
            away = min(DEPTH - 1, int(self._draw.expovariate(0.4))) * self._shape.grid
            if self._draw.random() < 0.5:
                self._set(BUY, self.best_bid - away, self._size(MEAN_LEVEL_LOTS))
            else:
                self._set(SELL, self.best_ask + away, self._size(MEAN_LEVEL_LOTS))

    def _size(self, mean_lots: int) -> int:
        lots = 1 + int(self._draw.expovariate(1.0 / mean_lots))
        return lots * self._shape.lot

    def _set(self, side: int, price: int, size: int) -> None:
        levels, changed = (self.bids, self._changed_bids) if side == BUY else (self.asks, self._changed_asks)
        changed[price] = size
        if size > 0:
            levels[price] = size
        else:
            levels.pop(price, None)

    def _take_changes(self) -> DepthEvent:
        bids, asks = list(self._changed_bids.items()), list(self._changed_asks.items())
        self._changed_bids.clear()
        self._changed_asks.clear()
        first = self.update_id + 1
        self.update_id += max(1, len(bids) + len(asks))
        return DepthEvent(first, self.update_id, bids, asks)
