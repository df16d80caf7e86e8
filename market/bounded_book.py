"""A book that holds a bounded number of levels, and knows how far from the touch it can be vouched for.

A side that grows beyond `MOST_LEVELS` is cut to its `KEPT_LEVELS` best. From then on it knows nothing of the prices
beyond the last one kept: what a change says of them is passed over, so that no level is shown behind one that may be
missing. When so many of the kept ones went that fewer than `FEWEST_LEVELS` are left, the book says that it is not
enough any more, and a snapshot must begin it anew. A side that was never cut holds all that it was told.

For the audit it notes, while it is asked to, every price that a change names: of any other price it can be said that
its size was one and the same all the while. A snapshot ends the noting, for it may change anything.
"""

from __future__ import annotations

from typing import Final, cast, final

from librt.vecs import vec
from mypy_extensions import i64

from market.book import Book
from market.ladder import MOST_PRICE, Ladder

MOST_LEVELS: Final = 10_000
"""A side with more levels is cut."""
KEPT_LEVELS: Final = 6_000
"""To how many: more than the largest snapshot of a venue holds, which is 5,000."""
FEWEST_LEVELS: Final = 1_000
"""A side that was cut is not enough with fewer."""
MOST_NOTED: Final = 100_000
"""With more prices than these the noting ends: nothing would be left to compare."""


@final
class BoundedBook:
    """See the head of this file."""

    def __init__(self, most: int = MOST_LEVELS, kept: int = KEPT_LEVELS, fewest: int = FEWEST_LEVELS) -> None:
        """Begin without levels; the bounds are those above unless told otherwise."""
        self.book: Final[Book] = Book()
        self._most: i64 = most
        self._kept: i64 = kept
        self._fewest: i64 = fewest
        self._bids: Final[Ladder] = self.book.bids
        self._asks: Final[Ladder] = self.book.asks
        self.is_cut: bool = False
        self._lowest_bid: i64 = -MOST_PRICE
        self._highest_ask: i64 = MOST_PRICE
        self.is_noting: bool = False
        self.noted: Final[set[int]] = set()

    @property
    def is_enough(self) -> bool:
        """Whether no side was cut and has hardly anything left of it."""
        book = self.book
        return (self._lowest_bid == -MOST_PRICE or book.bids.count >= self._fewest) and (
            self._highest_ask == MOST_PRICE or book.asks.count >= self._fewest
        )

    def replace(self, prices: vec[i64], sizes: vec[i64], bids: i64, levels: i64) -> None:
        """Hold a snapshot: of these `levels` the first `bids` are bids. One that is refused changes nothing."""
        self.book.replace(prices[:bids], sizes[:bids], prices[bids:levels], sizes[bids:levels])
        self.end_noting()
        self._begin()
        self._cut()

    def change(self, prices: vec[i64], sizes: vec[i64], bids: i64, levels: i64) -> None:
        """Set the levels of a change; of the arrays, what lies beyond a cut may be written over."""
        bids_end = bids
        if self.is_cut:
            bids_end = _within(prices, sizes, 0, bids, self._lowest_bid, MOST_PRICE)
            levels = _within(prices, sizes, bids, levels, -MOST_PRICE, self._highest_ask)
        if self.is_noting:
            self._note(prices, 0, bids_end)
            self._note(prices, bids, levels)
        if bids_end > 0:
            self._bids.set_many(prices, sizes, 0, bids_end)
        if levels > bids:
            self._asks.set_many(prices, sizes, bids, levels)
        if self._bids.count > self._most or self._asks.count > self._most:
            self._cut()

    def _cut(self) -> None:
        bids = self._bids
        if bids.count > self._most:
            bids.truncate(self._kept)
            self._lowest_bid = bids.price(bids.count - 1)
            self.is_cut = True
        asks = self._asks
        if asks.count > self._most:
            asks.truncate(self._kept)
            self._highest_ask = asks.price(asks.count - 1)
            self.is_cut = True

    def clear(self) -> None:
        """Forget every level, and that any was cut off."""
        self.book.clear()
        self.end_noting()
        self._begin()

    def begin_noting(self) -> None:
        """From now on `noted` holds the prices that changed, on either side."""
        self.noted.clear()
        self.is_noting = True

    def end_noting(self) -> None:
        """Note nothing any more, and forget what was noted."""
        self.is_noting = False
        self.noted.clear()

    def _note(self, prices: vec[i64], start: i64, end: i64) -> None:
        noted = self.noted
        while start < end:
            noted.add(prices[start])
            start += 1
        if len(noted) > MOST_NOTED:
            self.end_noting()

    def differences(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> tuple[int, int]:
        """Compare with the levels of another source, best first: (levels compared, levels that differ).

        Compared is as deep as both know each side; prices that changed since `begin_noting` are left out. A side of
        which one of the two knows nothing is as deep as the other, and every level of it a difference.
        """
        compared, different = self._side_differences(self._bids, bids)
        more, more_different = self._side_differences(self._asks, asks)
        return compared + more, different + more_different

    def _side_differences(self, side: Ladder, levels: list[tuple[int, int]]) -> tuple[int, int]:
        kept = side.levels()
        if levels and kept:
            end_of_kept = kept[len(kept) - 1][0]
            end_of_given = levels[len(levels) - 1][0]
            # A bid is deeper when it is lower, an ask when it is higher.
            if side is self._bids:
                last = max(end_of_kept, end_of_given)
                kept = [one for one in kept if one[0] >= last]
                levels = [one for one in levels if one[0] >= last]
            else:
                last = min(end_of_kept, end_of_given)
                kept = [one for one in kept if one[0] <= last]
                levels = [one for one in levels if one[0] <= last]
        sizes: dict[int, int] = {}
        for price, size in kept:
            sizes[price] = size
        noted = self.noted
        compared = 0
        different = 0
        for price, size in levels:
            held = sizes.pop(price, 0)
            if price not in noted:
                compared += 1
                if held != size:
                    different += 1
        for price in sizes:
            if price not in noted:
                compared += 1
                different += 1
        return compared, different

    def _begin(self) -> None:
        """Know every price again."""
        self.is_cut = False
        self._lowest_bid = -MOST_PRICE
        self._highest_ask = MOST_PRICE

    def save(self) -> dict[str, object]:
        """The book as plain data."""
        return {
            "levels": self.book.save(),
            "known": [int(self._lowest_bid), int(self._highest_ask)],
            "noted": sorted(self.noted) if self.is_noting else None,
        }

    def load(self, saved: dict[str, object]) -> None:
        """Become the book that `save` described."""
        self.book.load(cast("list[list[int]]", saved["levels"]))
        self._lowest_bid, self._highest_ask = cast("list[int]", saved["known"])
        self.is_cut = self._lowest_bid != -MOST_PRICE or self._highest_ask != MOST_PRICE
        self.end_noting()
        noted = cast("list[int] | None", saved.get("noted"))
        if noted is not None:
            self.is_noting = True
            self.noted.update(noted)


def _within(prices: vec[i64], sizes: vec[i64], start: i64, end: i64, lowest: i64, highest: i64) -> i64:
    """Move the levels between these prices to the front of their part of the arrays; gives where they end."""
    target = start
    while start < end:
        price = prices[start]
        if lowest <= price <= highest:
            prices[target] = price
            sizes[target] = sizes[start]
            target += 1
        start += 1
    return target
