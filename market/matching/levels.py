"""The price levels of one side: a sorted array of prices, best at the end, and a row of eight words for each level.

A level keeps its number as long as it is listed. One that has become empty stays listed until its place is wanted or
there are too many such: levels near the touch come and go all the time, and are found again without moving anything.
The last listed level always has an order. Level 0 is no level.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i32, i64

# The words of a level.
LEVEL_PRICE: Final = 0
SHOWN: Final = 1
FIRST: Final = 2
LAST: Final = 3
HIDDEN_FIRST: Final = 4
HIDDEN_LAST: Final = 5
PEGGED_SHOWN: Final = 6
MARK: Final = 7
WORDS: Final = 8

_FIRST_LEVELS: Final = 64
# Levels nearest the touch that are searched first.
_FIRST_STRETCH: Final = 8


@final
class LevelSide:
    """The levels of one side. A bid's key is its price, an ask's its price negated: the best key is the largest."""

    def __init__(self, side: i64) -> None:
        """Begin an empty side: `BUY` or `SELL`."""
        self.side: i64 = side
        self.end: i64 = 0
        self.keys: vec[i64] = vec[i64]([0] * _FIRST_LEVELS)
        self.numbers: vec[i32] = vec[i32]([0] * _FIRST_LEVELS)
        self.cells: vec[i64] = vec[i64]([0] * (_FIRST_LEVELS * WORDS))
        self._empty: i64 = 0
        self._levels: i64 = _FIRST_LEVELS
        self._made: i64 = 1
        self._free: i64 = 0

    def best_price(self) -> i64:
        """The best price of any order, hidden ones included; 0 when there is none."""
        end = self.end
        if end == 0:
            return 0
        return self.side * self.keys[end - 1]

    def best_shown_price(self) -> i64:
        """The best price at which something is displayed, 0 when there is none."""
        place = self.end - 1
        while place >= 0:
            if self.cells[i64(self.numbers[place]) * WORDS + SHOWN] != 0:
                return self.side * self.keys[place]
            place -= 1
        return 0

    def level_at(self, price: i64) -> i64:
        """The level of a price, perhaps an empty one; 0 when none is listed."""
        key = self.side * price
        place = self._place_of(key)
        if place < self.end and self.keys[place] == key:
            return i64(self.numbers[place])
        return 0

    def shown_at(self, price: i64) -> i64:
        """What a price shows, 0 when nothing is there."""
        number = self.level_at(price)
        if number == 0:
            return 0
        return self.cells[number * WORDS + SHOWN]

    def _place_of(self, key: i64) -> i64:
        """The first place whose key is not below this one."""
        keys = self.keys
        high = self.end
        stretch: i64 = _FIRST_STRETCH
        low = high - stretch
        while low > 0 and keys[low - 1] >= key:
            high = low
            stretch <<= 1
            low = high - stretch
        if low < 0:
            low = 0
        while low < high:
            middle = (low + high) >> 1
            if keys[middle] < key:
                low = middle + 1
            else:
                high = middle
        return low

    def level_for(self, price: i64) -> i64:
        """The level of a price, listed now if it was not; the caller puts an order into it."""
        key = self.side * price
        end = self.end
        if end > 0 and self.keys[end - 1] == key:
            return i64(self.numbers[end - 1])
        place = self._place_of(key)
        if place < end:
            number = i64(self.numbers[place])
            if self.keys[place] == key:
                if self.is_empty(number):
                    self._empty -= 1
                return number
            if self.is_empty(number):
                return self._retake(place, key, price)
        if place > 0 and self.is_empty(i64(self.numbers[place - 1])):
            return self._retake(place - 1, key, price)
        return self._insert(place, key, price)

    def is_empty(self, number: i64) -> bool:
        """Whether no order is in a level."""
        at = number * WORDS
        return self.cells[at + FIRST] == 0 and self.cells[at + HIDDEN_FIRST] == 0

    def _retake(self, place: i64, key: i64, price: i64) -> i64:
        """Give the place of an empty level to another price between its neighbours'."""
        number = i64(self.numbers[place])
        at = number * WORDS
        self.keys[place] = key
        self.cells[at + LEVEL_PRICE] = price
        self.cells[at + MARK] = 0
        self._empty -= 1
        return number

    def _insert(self, place: i64, key: i64, price: i64) -> i64:
        """List a new level, and move those behind it up to the next empty one."""
        number = self._new_level(price)
        end = self.end
        if end == len(self.keys):
            self._lengthen()
        keys = self.keys
        numbers = self.numbers
        cells = self.cells
        carried: i64 = number
        while place < end:
            there = i64(numbers[place])
            there_key = keys[place]
            keys[place] = key
            numbers[place] = i32(carried)
            if cells[there * WORDS + FIRST] == 0 and cells[there * WORDS + HIDDEN_FIRST] == 0:
                self._drop(there)
                self._empty -= 1
                return number
            key = there_key
            carried = there
            place += 1
        keys[end] = key
        numbers[end] = i32(carried)
        self.end = end + 1
        return number

    def emptied(self, number: i64) -> None:
        """A level has lost its last order: take it off if it is the best, else leave it listed for a while."""
        numbers = self.numbers
        cells = self.cells
        end = self.end
        self._empty += 1
        if i64(numbers[end - 1]) != number:
            if self._empty > 64 and 2 * self._empty > end:
                self._pack()
            return
        while end > 0:
            last = i64(numbers[end - 1])
            if cells[last * WORDS + FIRST] != 0 or cells[last * WORDS + HIDDEN_FIRST] != 0:
                break
            self._drop(last)
            self._empty -= 1
            end -= 1
        self.end = end

    def _pack(self) -> None:
        """Take every empty level off the list."""
        keys = self.keys
        numbers = self.numbers
        end = self.end
        source: i64 = 0
        target: i64 = 0
        while source < end:
            number = i64(numbers[source])
            if self.is_empty(number):
                self._drop(number)
            else:
                keys[target] = keys[source]
                numbers[target] = i32(number)
                target += 1
            source += 1
        self.end = target
        self._empty = 0

    def _new_level(self, price: i64) -> i64:
        number = self._free
        if number != 0:
            self._free = self.cells[number * WORDS + SHOWN]
        else:
            number = self._made
            if number == self._levels:
                self.cells = longer(self.cells, 2 * number * WORDS)
                self._levels = 2 * number
            self._made = number + 1
        at = number * WORDS
        cells = self.cells
        cells[at + LEVEL_PRICE] = price
        cells[at + SHOWN] = 0
        cells[at + FIRST] = 0
        cells[at + LAST] = 0
        cells[at + HIDDEN_FIRST] = 0
        cells[at + HIDDEN_LAST] = 0
        cells[at + PEGGED_SHOWN] = 0
        cells[at + MARK] = 0
        return number

    def _drop(self, number: i64) -> None:
        self.cells[number * WORDS + SHOWN] = self._free
        self._free = number

    def _lengthen(self) -> None:
        size = len(self.keys)
        self.keys = longer(self.keys, 2 * size)
        held = self.numbers
        numbers = vec[i32]([0] * (2 * size))
        place: i64 = 0
        while place < size:
            numbers[place] = held[place]
            place += 1
        self.numbers = numbers


def longer(held: vec[i64], size: i64) -> vec[i64]:
    """A copy with more room."""
    values = vec[i64]([0] * size)
    end = len(held)
    position: i64 = 0
    while position < end:
        values[position] = held[position]
        position += 1
    return values
