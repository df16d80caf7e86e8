"""The order book of one instrument at one venue: two ladders, and the questions that need both.

A book never decides whether it is right: continuity, checksums and staleness belong to the dialect and to the venue
book actor. A call that raises leaves it as it was.
"""

from __future__ import annotations

from typing import final

from librt.vecs import vec
from mypy_extensions import i64

from market.ladder import BookError, Ladder, sorted_levels
from market.messages.constants import BUY, SELL


@final
class Book:
    """Both sides of one instrument's book at one venue."""

    def __init__(self) -> None:
        """Begin with two empty sides."""
        self._bids: Ladder = Ladder(BUY)
        self._asks: Ladder = Ladder(SELL)

    @property
    def bids(self) -> Ladder:
        """The side of the buyers."""
        return self._bids

    @property
    def asks(self) -> Ladder:
        """The side of the sellers."""
        return self._asks

    def side(self, side: i64) -> Ladder:
        """The bids for `BUY`, the asks for `SELL`."""
        if side == BUY:
            return self._bids
        if side == SELL:
            return self._asks
        raise BookError(f"a side is {BUY} (bids) or {SELL} (asks), not {side}")

    def set_level(self, side: i64, price: i64, size: i64) -> None:
        """Make the size at a price what the venue says; size 0 deletes, and deleting an unknown level does nothing."""
        if side == BUY:
            self._bids.set(price, size)
        elif side == SELL:
            self._asks.set(price, size)
        else:
            raise BookError(f"a side is {BUY} (bids) or {SELL} (asks), not {side}")

    @property
    def best_bid_price(self) -> i64:
        """The highest bid, 0 when there is none."""
        return self._bids.best_price

    @property
    def best_bid_size(self) -> i64:
        """The size at the highest bid, 0 when there is none."""
        return self._bids.best_size

    @property
    def best_ask_price(self) -> i64:
        """The lowest ask, 0 when there is none."""
        return self._asks.best_price

    @property
    def best_ask_size(self) -> i64:
        """The size at the lowest ask, 0 when there is none."""
        return self._asks.best_size

    @property
    def crossed(self) -> bool:
        """Whether somebody bids at least what somebody else asks, which no venue lets stand."""
        bids = self._bids
        asks = self._asks
        return bids.count > 0 and asks.count > 0 and bids.best_price >= asks.best_price

    def clear(self) -> None:
        """Forget every level of both sides."""
        self._bids.clear()
        self._asks.clear()

    def truncate(self, levels: i64) -> None:
        """Keep the `levels` best of each side and forget the rest."""
        self._bids.truncate(levels)
        self._asks.truncate(levels)

    def replace(
        self, bid_prices: vec[i64], bid_sizes: vec[i64], ask_prices: vec[i64], ask_sizes: vec[i64]
    ) -> None:
        """Make the book what a snapshot says, in whatever order its levels stand; a level of size 0 is no level.

        A price named twice, a negative size or arrays of unequal length are refused, and the book stays as it was.
        """
        bids = sorted_levels(BUY, bid_prices, bid_sizes)
        asks = sorted_levels(SELL, ask_prices, ask_sizes)
        self._bids.adopt(bids)
        self._asks.adopt(asks)

    def save(self) -> list[list[int]]:
        """The book as plain lists: bid prices, bid sizes, ask prices, ask sizes, each from the touch outward."""
        bids = self._bids
        asks = self._asks
        return [
            list(bids.prices(bids.count)),
            list(bids.sizes(bids.count)),
            list(asks.prices(asks.count)),
            list(asks.sizes(asks.count)),
        ]

    def load(self, saved: list[list[int]]) -> None:
        """Become the book that `save` described."""
        if len(saved) != 4:
            raise BookError(f"a saved book is four lists, not {len(saved)}")
        self.replace(vec[i64](saved[0]), vec[i64](saved[1]), vec[i64](saved[2]), vec[i64](saved[3]))
