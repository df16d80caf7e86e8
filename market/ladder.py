"""One side of an order book: price levels in packed arrays, best at the end.

Changes near the touch move a few elements and are found at once; deep ones take a free slot nearby. Prices and sizes
are scaled integers; sums and products are exact. An empty side has best price 0 and best size 0, and no level ever has
size 0, so a best size of 0 always means "empty". A level that no side can hold is refused and changes nothing.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from market.level_sort import FIRST_CAPACITY, SortedLevels, change_of, merged, sort_stably
from market.messages.constants import BUY, SELL
from market.numbers import MAX_I64

# Half of what an i64 holds, so that the difference of two prices cannot wrap.
MOST_PRICE: Final = 4611686018427387903

# How many passes over the array the moving of elements may cost before the levels are spread out again, which is one.
_PASSES: Final = 4
# Slots nearest the touch that are searched first.
_FIRST_STRETCH: Final = 16
# From so many changes at once on all of them are merged, which bounds what the worst of them cost; fewer cost less, and
# in recorded traffic much less, when each is set.
_FEWEST_MERGED: Final = 1_024


class BookError(ValueError):
    """A level, side or snapshot that no book can hold; the message names it."""


class NoSuchLevel(IndexError):
    """A level was asked for by a position that the side does not have; ask `count` first."""


@final
class Ladder:
    """One side of a book. A bid's key is its price, an ask's its price negated: the best key is always the largest.

    The arrays hold slots in rising order of key, the best last. A slot of size 0 is free: a deleted level leaves one
    behind, and a new level takes the nearest one, so that few elements move although most changes of a real book lie
    hundreds of levels deep. Of slots with one key only the first may be in use, and the last slot always is.
    """

    def __init__(self, side: i64) -> None:
        """Begin an empty side: `BUY` holds bids, `SELL` holds asks."""
        if side != BUY and side != SELL:
            raise BookError(f"a side is {BUY} (bids) or {SELL} (asks), not {side}")
        self._side: i64 = side
        self._count: i64 = 0
        self._end: i64 = 0
        self._moved: i64 = 0
        self._keys: vec[i64] = vec[i64]([0] * FIRST_CAPACITY)
        self._sizes: vec[i64] = vec[i64]([0] * FIRST_CAPACITY)

    @property
    def count(self) -> i64:
        """How many levels there are."""
        return self._count

    @property
    def best_price(self) -> i64:
        """The price nearest the other side, 0 when there is none."""
        end = self._end
        if end == 0:
            return 0
        return self._side * self._keys[end - 1]

    @property
    def best_size(self) -> i64:
        """The size at the best price, 0 when there is none."""
        end = self._end
        if end == 0:
            return 0
        return self._sizes[end - 1]

    def set(self, price: i64, size: i64) -> None:
        """Make the size at a price what the venue says; size 0 deletes, and deleting an unknown level does nothing."""
        if price < -MOST_PRICE or price > MOST_PRICE or size < 0 or size > MAX_I64:
            raise BookError(f"no level can have price {price} and size {size}")
        key = self._side * price
        self._put(_slot_of(self._keys, self._end, key), key, size)
        self._tidy()

    def set_many(self, prices: vec[i64], sizes: vec[i64], start: i64, end: i64) -> None:
        """Set the levels `start` to `end` of two arrays, one after the other; quickest when they come best first.

        When one of them is refused, those before it stay set. The body of `_put` is written out here, because the calls
        would cost as much as the work.
        """
        if end - start >= _FEWEST_MERGED:
            self._merge(prices, sizes, start, end)
            return
        side = self._side
        keys = self._keys
        held_sizes = self._sizes
        held_end = self._end
        count = self._count
        near = held_end
        last_key: i64 = MAX_I64
        while start < end:
            price = prices[start]
            size = sizes[start]
            start += 1
            if price < -MOST_PRICE or price > MOST_PRICE or size < 0:
                self._count = count
                self._tidy()
                raise BookError(f"no level can have price {price} and size {size}")
            key = side * price
            # Coming best first, a level lies deeper than the one before it.
            if key >= last_key or near > held_end:
                near = held_end
            slot = _slot_of(keys, near, key)
            if slot < held_end and keys[slot] == key:
                held = held_sizes[slot]
                held_sizes[slot] = size
                # Shifted, a negated size is -1 where there is one: no guess of the processor can be wrong here.
                count += ((0 - held) >> 63) - ((0 - size) >> 63)
            elif size != 0:
                count += 1
                if slot > 0 and held_sizes[slot - 1] == 0:
                    keys[slot - 1] = key
                    held_sizes[slot - 1] = size
                else:
                    self._insert(slot, key, size)
                    if self._moved > _PASSES * (self._end + FIRST_CAPACITY):
                        self._count = count
                        self._spread()
                        slot = self._end - 1
                    keys = self._keys
                    held_sizes = self._sizes
                    held_end = self._end
            near = slot + 1
            last_key = key
        self._count = count
        self._tidy()

    def _merge(self, prices: vec[i64], sizes: vec[i64], start: i64, end: i64) -> None:
        """Do what `set_many` does in one pass over the change and what is held."""
        sound = start
        while sound < end and -MOST_PRICE <= prices[sound] <= MOST_PRICE and sizes[sound] >= 0:
            sound += 1
        self.adopt(merged(self._keys, self._sizes, self._end, change_of(self._side, prices, sizes, start, sound)))
        if sound < end:
            raise BookError(f"no level can have price {prices[sound]} and size {sizes[sound]}")

    def _put(self, slot: i64, key: i64, size: i64) -> None:
        """Give a key its size, `slot` being the first whose key is not below it."""
        keys = self._keys
        sizes = self._sizes
        if slot < self._end and keys[slot] == key:
            held = sizes[slot]
            sizes[slot] = size
            if size == 0:
                if held != 0:
                    self._count -= 1
            elif held == 0:
                self._count += 1
        elif size != 0:
            if slot > 0 and sizes[slot - 1] == 0:
                keys[slot - 1] = key
                sizes[slot - 1] = size
            else:
                self._insert(slot, key, size)
            self._count += 1

    def _insert(self, slot: i64, key: i64, size: i64) -> None:
        """Move the levels from this slot on towards the nearest free one, and take the slot."""
        end = self._end
        if end == len(self._keys):
            self._keys = _doubled(self._keys)
            self._sizes = _doubled(self._sizes)
        keys = self._keys
        sizes = self._sizes
        free = slot
        while free < end and sizes[free] != 0:
            moved_key = keys[free]
            moved_size = sizes[free]
            keys[free] = key
            sizes[free] = size
            key = moved_key
            size = moved_size
            free += 1
        keys[free] = key
        sizes[free] = size
        if free == end:
            self._end = end + 1
        self._moved += free - slot

    def _tidy(self) -> None:
        """After changes: let the last slot be one in use, and lay the levels out anew when that has become worth it."""
        end = self._end
        if end > 0 and self._sizes[end - 1] == 0:
            sizes = self._sizes
            while end > 0 and sizes[end - 1] == 0:
                end -= 1
            self._end = end
        if self._moved > _PASSES * end or end > 2 * self._count + FIRST_CAPACITY:
            self._spread()

    def _spread(self) -> None:
        """Lay the levels out anew with a free slot after every second one, which makes room wherever it is needed."""
        count = self._count
        if count == 0:
            self.clear()
            return
        while len(self._keys) < 2 * count:
            self._keys = _doubled(self._keys)
            self._sizes = _doubled(self._sizes)
        keys = self._keys
        sizes = self._sizes
        _pack(keys, sizes, self._end)
        level = count - 1
        self._end = level + (level >> 1) + 1
        while level >= 0:
            slot = level + (level >> 1)
            key = keys[level]
            size = sizes[level]
            if level & 1 == 1 and level < count - 1:
                keys[slot + 1] = key
                sizes[slot + 1] = 0
            keys[slot] = key
            sizes[slot] = size
            level -= 1
        self._moved = 0

    def clear(self) -> None:
        """Forget every level."""
        self._count = 0
        self._end = 0
        self._moved = 0

    def truncate(self, levels: i64) -> None:
        """Keep the `levels` best and forget the rest."""
        if levels < 0:
            raise BookError(f"a side cannot be cut to {levels} levels")
        if levels >= self._count:
            return
        if levels == 0:
            self.clear()
            return
        # The deepest come first: a side that is cut by a few levels after every change is not laid out anew each time.
        sizes = self._sizes
        slot: i64 = 0
        surplus = self._count - levels
        while surplus > 0:
            if sizes[slot] != 0:
                sizes[slot] = 0
                surplus -= 1
            slot += 1
        self._count = levels
        self._tidy()

    def price(self, level: i64) -> i64:
        """The price of a level, counted from 0 at the touch; for many levels `prices` is quicker."""
        return self._side * self._keys[self._slot_at(level)]

    def size(self, level: i64) -> i64:
        """The size of a level, counted from 0 at the touch; for many levels `sizes` is quicker."""
        return self._sizes[self._slot_at(level)]

    def _slot_at(self, level: i64) -> i64:
        if level < 0 or level >= self._count:
            raise NoSuchLevel(f"level {level} of a side with {self._count} levels")
        sizes = self._sizes
        slot = self._end - 1
        while level > 0:
            slot -= 1
            if sizes[slot] != 0:
                level -= 1
        return slot

    def size_at(self, price: i64) -> i64:
        """The size at a price, 0 when there is no such level."""
        if price < -MOST_PRICE or price > MOST_PRICE:
            return 0
        key = self._side * price
        slot = _slot_of(self._keys, self._end, key)
        if slot < self._end and self._keys[slot] == key:
            return self._sizes[slot]
        return 0

    def prices(self, levels: i64) -> vec[i64]:
        """The prices of the first `levels` levels from the touch, or of as many as there are."""
        wanted = min(max(levels, 0), self._count)
        copied = vec[i64]([0] * wanted)
        slot = self._end
        level: i64 = 0
        while level < wanted:
            slot -= 1
            if self._sizes[slot] != 0:
                copied[level] = self._side * self._keys[slot]
                level += 1
        return copied

    def sizes(self, levels: i64) -> vec[i64]:
        """The sizes of the first `levels` levels from the touch, or of as many as there are."""
        wanted = min(max(levels, 0), self._count)
        copied = vec[i64]([0] * wanted)
        slot = self._end
        level: i64 = 0
        while level < wanted:
            slot -= 1
            size = self._sizes[slot]
            if size != 0:
                copied[level] = size
                level += 1
        return copied

    def levels(self) -> list[tuple[int, int]]:
        """Every (price, size), from the touch outward."""
        listed: list[tuple[int, int]] = []
        slot = self._end - 1
        while slot >= 0:
            if self._sizes[slot] != 0:
                listed.append((self._side * self._keys[slot], self._sizes[slot]))
            slot -= 1
        return listed

    def cumulative_size(self, levels: i64) -> int:
        """The summed size of the first `levels` levels, or of as many as there are."""
        # Compiled, an `int` plus an `i64` is an `i64` and could wrap: here and below each size is made an `int` first.
        total: int = 0
        slot = self._end - 1
        while levels > 0 and slot >= 0:
            size: int = self._sizes[slot]
            if size != 0:
                total += size
                levels -= 1
            slot -= 1
        return total

    def size_to(self, price: i64) -> int:
        """The summed size of every level at this price or better."""
        total: int = 0
        slot = _slot_of(self._keys, self._end, self._side * min(max(price, -MOST_PRICE), MOST_PRICE))
        while slot < self._end:
            size: int = self._sizes[slot]
            total += size
            slot += 1
        return total

    def price_for_size(self, size: int) -> tuple[i64, int]:
        """The price at which the summed size reaches `size`, and that sum cut to `size`.

        A second value below `size` says that the whole side holds no more; (0, 0) is an empty side or nothing wanted.
        """
        price: i64 = 0
        reached: int = 0
        slot = self._end - 1
        while slot >= 0 and reached < size:
            available: int = self._sizes[slot]
            if available != 0:
                price = self._side * self._keys[slot]
                reached += available
            slot -= 1
        return price, min(reached, max(size, 0))

    def vwap(self, size: int) -> tuple[int, int]:
        """What taking `size` from the touch costs: (sum of price times size, size that the side could fill).

        The average price is the first over the second, left undivided so that it stays exact.
        """
        cost: int = 0
        filled: int = 0
        slot = self._end - 1
        while slot >= 0 and filled < size:
            price: int = self._side * self._keys[slot]
            taken: int = self._sizes[slot]
            taken = min(taken, size - filled)
            cost += price * taken
            filled += taken
            slot -= 1
        return cost, filled

    def adopt(self, levels: SortedLevels) -> None:
        """Hold these levels instead of what was held."""
        self._keys = levels.keys
        self._sizes = levels.sizes
        self._end = levels.count
        self._count = levels.count
        self._spread()


def _slot_of(keys: vec[i64], end: i64, key: i64) -> i64:
    """The first of `end` slots whose key is not below this one."""
    # First a stretch of sixteen at the touch, or at the change before, where most changes are, then ones twice as long.
    stretch: i64 = _FIRST_STRETCH
    low = end - stretch
    while low > 0 and keys[low - 1] >= key:
        end = low
        stretch <<= 1
        low = end - stretch
    # From here on no branch depends on the order of keys: a wrong guess of the processor costs more than a step. The
    # difference of two keys fits an i64; shifted, it is -1 where the slot lies below the key, else 0.
    if low <= 0:
        low = 0
        while end > 0:
            half = (end + 1) >> 1
            low += half & ((keys[low + half - 1] - key) >> 63)
            end -= half
        return low
    while stretch > _FIRST_STRETCH:
        stretch >>= 1
        low += stretch & ((keys[low + stretch - 1] - key) >> 63)
    # Of sixteen, first which four, then how many of those lie below.
    low -= 4 * (((keys[low + 3] - key) >> 63) + ((keys[low + 7] - key) >> 63) + ((keys[low + 11] - key) >> 63))
    return low - (
        ((keys[low] - key) >> 63)
        + ((keys[low + 1] - key) >> 63)
        + ((keys[low + 2] - key) >> 63)
        + ((keys[low + 3] - key) >> 63)
    )


def _doubled(values: vec[i64]) -> vec[i64]:
    """A copy with room for twice as many."""
    size = len(values)
    larger = vec[i64]([0] * (size * 2))
    position: i64 = 0
    while position < size:
        larger[position] = values[position]
        position += 1
    return larger


def _pack(keys: vec[i64], sizes: vec[i64], end: i64) -> None:
    """Move the slots in use to the beginning of the arrays."""
    source: i64 = 0
    target: i64 = 0
    while source < end:
        size = sizes[source]
        if size != 0:
            keys[target] = keys[source]
            sizes[target] = size
            target += 1
        source += 1


def sorted_levels(side: i64, prices: vec[i64], sizes: vec[i64]) -> SortedLevels:
    """Check one side of a snapshot and put its levels in rising order of key.

    Venues send best first: that needs no sorting.
    """
    given = len(prices)
    if given != len(sizes):
        raise BookError(f"{given} prices with {len(sizes)} sizes")
    room = max(2 * given, FIRST_CAPACITY)
    keys = vec[i64]([0] * room)
    kept_sizes = vec[i64]([0] * room)
    count: i64 = 0
    in_order = True
    source = given - 1
    while source >= 0:
        price = prices[source]
        size = sizes[source]
        if price < -MOST_PRICE or price > MOST_PRICE or size < 0:
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
    return SortedLevels(keys, kept_sizes, count)


def _sort(side: i64, keys: vec[i64], sizes: vec[i64], count: i64) -> None:
    """Sort levels that came in another order, and refuse a price that came twice."""
    sort_stably(keys, sizes, count)
    position: i64 = 1
    while position < count:
        if keys[position - 1] == keys[position]:
            raise BookError(f"price {side * keys[position]} stands twice in one snapshot")
        position += 1
