"""Levels in rising order of key: sorted in place, and merged with those that a ladder holds, in one pass over both.

Both take a time that depends on how many levels there are, and hardly on their order: no branch of the sort depends on
a key. Keys are prices or negated prices of at most `MOST_PRICE`, so that the difference of two of them fits an i64.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

# A ladder's arrays have at least this many slots.
FIRST_CAPACITY: Final = 64


@final
class SortedLevels:
    """The levels of one side, in rising order of key, in arrays with room for a ladder's free slots."""

    def __init__(self, keys: vec[i64], sizes: vec[i64], count: i64) -> None:
        """Hold these arrays, of which the first `count` elements are levels."""
        self.keys: vec[i64] = keys
        self.sizes: vec[i64] = sizes
        self.count: i64 = count


def sort_stably(keys: vec[i64], sizes: vec[i64], count: i64) -> None:
    """Put levels in rising order of key; of equal keys the one that came first stays first."""
    other_keys = vec[i64]([0] * count)
    other_sizes = vec[i64]([0] * count)
    from_keys, from_sizes, to_keys, to_sizes = keys, sizes, other_keys, other_sizes
    swapped = False
    width: i64 = 1
    while width < count:
        start: i64 = 0
        while start < count:
            middle = min(start + width, count)
            end = min(middle + width, count)
            _merge_runs(from_keys, from_sizes, to_keys, to_sizes, start, middle, end)
            start = end
        from_keys, to_keys = to_keys, from_keys
        from_sizes, to_sizes = to_sizes, from_sizes
        swapped = not swapped
        width *= 2
    if swapped:
        _copy(other_keys, keys, 0, count)
        _copy(other_sizes, sizes, 0, count)


def _merge_runs(
    from_keys: vec[i64],
    from_sizes: vec[i64],
    to_keys: vec[i64],
    to_sizes: vec[i64],
    start: i64,
    middle: i64,
    end: i64,
) -> None:
    """Merge two neighbouring runs into the other arrays."""
    left = start
    right = middle
    target = start
    # What is in order already, as most of what venues send, is copied.
    if middle == end or from_keys[middle - 1] <= from_keys[middle]:
        _copy(from_keys, to_keys, start, end)
        _copy(from_sizes, to_sizes, start, end)
        return
    while left < middle and right < end:
        # 1 where the right one is smaller, else 0: the processor has nothing to guess.
        from_right = 0 - ((from_keys[right] - from_keys[left]) >> 63)
        source = left + from_right * (right - left)
        to_keys[target] = from_keys[source]
        to_sizes[target] = from_sizes[source]
        left += 1 - from_right
        right += from_right
        target += 1
    while left < middle:
        to_keys[target] = from_keys[left]
        to_sizes[target] = from_sizes[left]
        left += 1
        target += 1
    while right < end:
        to_keys[target] = from_keys[right]
        to_sizes[target] = from_sizes[right]
        right += 1
        target += 1


def _copy(source: vec[i64], target: vec[i64], start: i64, end: i64) -> None:
    while start < end:
        target[start] = source[start]
        start += 1


def change_of(side: i64, prices: vec[i64], sizes: vec[i64], start: i64, end: i64) -> SortedLevels:
    """The levels `start` to `end` of a change, sorted; of those with one price the last that was named stands first."""
    count = end - start
    keys = vec[i64]([0] * count)
    new_sizes = vec[i64]([0] * count)
    in_order = True
    place: i64 = 0
    # Backwards, since venues send best first; and so the last of one price comes before the others.
    while place < count:
        end -= 1
        key = side * prices[end]
        if place > 0 and keys[place - 1] > key:
            in_order = False
        keys[place] = key
        new_sizes[place] = sizes[end]
        place += 1
    if not in_order:
        sort_stably(keys, new_sizes, count)
    return SortedLevels(keys, new_sizes, count)


def merged(held_keys: vec[i64], held_sizes: vec[i64], held_end: i64, change: SortedLevels) -> SortedLevels:
    """The levels that are held, in slots of which those of size 0 are free, once a change of them was made."""
    room = max(2 * (held_end + change.count), FIRST_CAPACITY)
    keys = vec[i64]([0] * room)
    sizes = vec[i64]([0] * room)
    new_keys = change.keys
    new_sizes = change.sizes
    slot: i64 = 0
    count: i64 = 0
    place: i64 = 0
    while place < change.count:
        key = new_keys[place]
        while slot < held_end and held_keys[slot] < key:
            keys[count] = held_keys[slot]
            sizes[count] = held_sizes[slot]
            # A free slot is written over by the next one.
            count -= (0 - held_sizes[slot]) >> 63
            slot += 1
        while slot < held_end and held_keys[slot] == key:
            slot += 1
        keys[count] = key
        sizes[count] = new_sizes[place]
        count -= (0 - new_sizes[place]) >> 63
        place += 1
        while place < change.count and new_keys[place] == key:
            place += 1
    while slot < held_end:
        keys[count] = held_keys[slot]
        sizes[count] = held_sizes[slot]
        count -= (0 - held_sizes[slot]) >> 63
        slot += 1
    return SortedLevels(keys, sizes, count)
