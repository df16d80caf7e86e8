"""The order book of one instrument at one venue: price levels in packed arrays, best at the end of each array.

A `Ladder` is one side, a `Book` is two of them. Changes near the touch, which are nearly all changes, move a few
elements and are found by a short walk from the end. Prices and sizes are scaled integers; sums and products are exact.
An empty side has best price 0 and best size 0, and no level ever has size 0, so a best size of 0 always means "empty".
A call that raises leaves the book as it was. A book never decides whether it is right: continuity, checksums and
staleness belong to the dialect and to the venue book actor.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from market.numbers import MAX_I64

BUY: Final = 1
SELL: Final = -1

_FIRST_CAPACITY: Final = 64
# Levels walked one by one from the touch before the search halves the rest; most changes are nearer than that.
_WALKED: Final = 12


class BookError(ValueError):
    """A level, side or snapshot that no book can hold; the message names it."""


class NoSuchLevel(IndexError):
    """A level was asked for by a position that the side does not have; ask `count` first."""


@final
class Ladder:
    """One side of a book. A bid's key is its price, an ask's its price negated: the best key is always the largest."""

    def __init__(self, side: i64) -> None:
        """Begin an empty side: `BUY` holds bids, `SELL` holds asks."""
        if side != BUY and side != SELL:
            raise BookError(f"a side is {BUY} (bids) or {SELL} (asks), not {side}")
        self._side: i64 = side
        self._count: i64 = 0
        self._keys: vec[i64] = vec[i64]([0] * _FIRST_CAPACITY)
        self._sizes: vec[i64] = vec[i64]([0] * _FIRST_CAPACITY)

    @property
    def count(self) -> i64:
        """How many levels there are."""
        return self._count

    @property
    def best_price(self) -> i64:
        """The price nearest the other side, 0 when there is none."""
        count = self._count
        if count == 0:
            return 0
        return self._side * self._keys[count - 1]

    @property
    def best_size(self) -> i64:
        """The size at the best price, 0 when there is none."""
        count = self._count
        if count == 0:
            return 0
        return self._sizes[count - 1]

    def set(self, price: i64, size: i64) -> None:
        """Make the size at a price what the venue says; size 0 deletes, and deleting an unknown level does nothing."""
        if price < -MAX_I64 or price > MAX_I64 or size < 0 or size > MAX_I64:
            raise BookError(f"no level can have price {price} and size {size}")
        key = self._side * price
        count = self._count
        keys = self._keys
        position = _position(keys, count, key)
        if position < count and keys[position] == key:
            if size == 0:
                self._remove(position)
            else:
                self._sizes[position] = size
        elif size != 0:
            self._insert(position, key, size)

    def _remove(self, position: i64) -> None:
        keys = self._keys
        sizes = self._sizes
        last = self._count - 1
        while position < last:
            following = position + 1
            keys[position] = keys[following]
            sizes[position] = sizes[following]
            position = following
        self._count = last

    def _insert(self, position: i64, key: i64, size: i64) -> None:
        free = self._count
        if free == len(self._keys):
            self._keys = _doubled(self._keys)
            self._sizes = _doubled(self._sizes)
        keys = self._keys
        sizes = self._sizes
        self._count = free + 1
        while free > position:
            previous = free - 1
            keys[free] = keys[previous]
            sizes[free] = sizes[previous]
            free = previous
        keys[position] = key
        sizes[position] = size

    def clear(self) -> None:
        """Forget every level."""
        self._count = 0

    def truncate(self, levels: i64) -> None:
        """Keep the `levels` best and forget the rest."""
        if levels < 0:
            raise BookError(f"a side cannot be cut to {levels} levels")
        surplus = self._count - levels
        if surplus <= 0:
            return
        keys = self._keys
        sizes = self._sizes
        position: i64 = 0
        while position < levels:
            keys[position] = keys[position + surplus]
            sizes[position] = sizes[position + surplus]
            position += 1
        self._count = levels

    def price(self, level: i64) -> i64:
        """The price of a level, counted from 0 at the touch."""
        return self._side * self._keys[self._from_touch(level)]

    def size(self, level: i64) -> i64:
        """The size of a level, counted from 0 at the touch."""
        return self._sizes[self._from_touch(level)]

    def _from_touch(self, level: i64) -> i64:
        count = self._count
        if level < 0 or level >= count:
            raise NoSuchLevel(f"level {level} of a side with {count} levels")
        return count - 1 - level

    def size_at(self, price: i64) -> i64:
        """The size at a price, 0 when there is no such level."""
        key = self._side * price
        position = _position(self._keys, self._count, key)
        if position < self._count and self._keys[position] == key:
            return self._sizes[position]
        return 0

    def prices(self, levels: i64) -> vec[i64]:
        """The prices of the first `levels` levels from the touch, or of as many as there are."""
        wanted = min(max(levels, 0), self._count)
        copied = vec[i64]([0] * wanted)
        level: i64 = 0
        while level < wanted:
            copied[level] = self.price(level)
            level += 1
        return copied

    def sizes(self, levels: i64) -> vec[i64]:
        """The sizes of the first `levels` levels from the touch, or of as many as there are."""
        wanted = min(max(levels, 0), self._count)
        copied = vec[i64]([0] * wanted)
        level: i64 = 0
        while level < wanted:
            copied[level] = self.size(level)
            level += 1
        return copied

    def levels(self) -> list[tuple[int, int]]:
        """Every (price, size), from the touch outward."""
        listed: list[tuple[int, int]] = []
        level: i64 = 0
        while level < self._count:
            listed.append((self.price(level), self.size(level)))
            level += 1
        return listed

    def cumulative_size(self, levels: i64) -> int:
        """The summed size of the first `levels` levels, or of as many as there are."""
        # Compiled, a sum of an `int` and an `i64` is an `i64` and could wrap: here and below each size is made an `int`.
        total: int = 0
        level: i64 = 0
        while level < levels and level < self._count:
            size: int = self.size(level)
            total += size
            level += 1
        return total

    def size_to(self, price: i64) -> int:
        """The summed size of every level at this price or better."""
        total: int = 0
        position = _position(self._keys, self._count, self._side * price)
        while position < self._count:
            size: int = self._sizes[position]
            total += size
            position += 1
        return total

    def price_for_size(self, size: int) -> tuple[i64, int]:
        """The price at which the summed size reaches `size`, and that sum cut to `size`.

        A second value below `size` says that the whole side holds no more; (0, 0) is an empty side or nothing wanted.
        """
        price: i64 = 0
        reached: int = 0
        level: i64 = 0
        while level < self._count and reached < size:
            price = self.price(level)
            available: int = self.size(level)
            reached += available
            level += 1
        return price, min(reached, max(size, 0))

    def vwap(self, size: int) -> tuple[int, int]:
        """What taking `size` from the touch costs: (sum of price times size, size that the side could fill).

        The average price is the first over the second, left undivided so that it stays exact.
        """
        cost: int = 0
        filled: int = 0
        level: i64 = 0
        while level < self._count and filled < size:
            price: int = self.price(level)
            taken: int = self.size(level)
            taken = min(taken, size - filled)
            cost += price * taken
            filled += taken
            level += 1
        return cost, filled

    def _adopt(self, keys: vec[i64], sizes: vec[i64], count: i64) -> None:
        self._keys = keys
        self._sizes = sizes
        self._count = count


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
        return bids._count > 0 and asks._count > 0 and bids.best_price >= asks.best_price

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
        bid_keys = _sorted_keys(BUY, bid_prices, bid_sizes)
        ask_keys = _sorted_keys(SELL, ask_prices, ask_sizes)
        self._bids._adopt(bid_keys.keys, bid_keys.sizes, bid_keys.count)
        self._asks._adopt(ask_keys.keys, ask_keys.sizes, ask_keys.count)

    def save(self) -> list[list[int]]:
        """The book as plain lists: bid prices, bid sizes, ask prices, ask sizes, each from the touch outward."""
        bids = self._bids
        asks = self._asks
        return [
            list(bids.prices(bids._count)),
            list(bids.sizes(bids._count)),
            list(asks.prices(asks._count)),
            list(asks.sizes(asks._count)),
        ]

    def load(self, saved: list[list[int]]) -> None:
        """Become the book that `save` described."""
        if len(saved) != 4:
            raise BookError(f"a saved book is four lists, not {len(saved)}")
        self.replace(vec[i64](saved[0]), vec[i64](saved[1]), vec[i64](saved[2]), vec[i64](saved[3]))


@final
class _SortedLevels:
    """The levels of one side of a snapshot, in the order in which a ladder keeps them."""

    def __init__(self, keys: vec[i64], sizes: vec[i64], count: i64) -> None:
        self.keys: vec[i64] = keys
        self.sizes: vec[i64] = sizes
        self.count: i64 = count


def _position(keys: vec[i64], count: i64, key: i64) -> i64:
    """Where a key stands or would stand: the first position whose key is not below it."""
    high = count
    walked_to = count - _WALKED
    if walked_to < 0:
        walked_to = 0
    while high > walked_to:
        if keys[high - 1] < key:
            return high
        high -= 1
    low: i64 = 0
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


def _doubled(values: vec[i64]) -> vec[i64]:
    """A copy with room for twice as many."""
    size = len(values)
    larger = vec[i64]([0] * (size * 2))
    position: i64 = 0
    while position < size:
        larger[position] = values[position]
        position += 1
    return larger


def _sorted_keys(side: i64, prices: vec[i64], sizes: vec[i64]) -> _SortedLevels:
    """Check one side of a snapshot and put it in a ladder's order. Venues send best first: that needs no sorting."""
    given = len(prices)
    if given != len(sizes):
        raise BookError(f"{given} prices with {len(sizes)} sizes")
    room = max(given, _FIRST_CAPACITY)
    keys = vec[i64]([0] * room)
    kept_sizes = vec[i64]([0] * room)
    count: i64 = 0
    in_order = True
    source = given - 1
    while source >= 0:
        price = prices[source]
        size = sizes[source]
        if price < -MAX_I64 or size < 0:
            raise BookError(f"no level can have price {price} and size {size}")
        if size != 0:
            key = side * price
            if count > 0 and keys[count - 1] >= key:
                in_order = False
            keys[count] = key
            kept_sizes[count] = size
            count += 1
        source -= 1
    if not in_order:
        _sort(side, keys, kept_sizes, count)
    return _SortedLevels(keys, kept_sizes, count)


def _sort(side: i64, keys: vec[i64], sizes: vec[i64], count: i64) -> None:
    """Sort levels that came in another order, and refuse a price that came twice."""
    pairs: list[tuple[int, int]] = []
    position: i64 = 0
    while position < count:
        pairs.append((keys[position], sizes[position]))
        position += 1
    pairs.sort()
    position = 0
    while position < count:
        key, size = pairs[position]
        if position > 0 and keys[position - 1] == key:
            raise BookError(f"price {side * key} stands twice in one snapshot")
        keys[position] = key
        sizes[position] = size
        position += 1
