"""Where orders live: rows of eight words in one packed array, a list of free rows, and an index of order ids.

No order is an object. A row's number, its slot, stays the same as long as the order does; slot 0 is no order. Links are
two slots in one word, the next in the upper half. The index probes linearly and closes the gap that a deletion leaves,
so that it never holds dead entries. What few orders have is in `special.py`.
"""

from __future__ import annotations

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i32, i64

# The words of a row.
ORDER_ID: Final = 0
ACCOUNT: Final = 1
ACCOUNT_GROUP: Final = 2
PRICE: Final = 3
REMAINING: Final = 4
FILLED: Final = 5
LINKS: Final = 6
STATE: Final = 7
WORDS: Final = 8

# The lower half of the state; the upper half is the number of the level.
SELLS: Final = 1
TYPE_SHIFT: Final = 1
TYPE_MASK: Final = 15
FORCE_SHIFT: Final = 5
FORCE_MASK: Final = 7
POST_ONLY_SHIFT: Final = 8
POST_ONLY_MASK: Final = 3
SELF_TRADE_SHIFT: Final = 10
SELF_TRADE_MASK: Final = 7
HIDDEN: Final = 1 << 13
ICEBERG: Final = 1 << 14
SPECIAL: Final = 1 << 15
GROUPED: Final = 1 << 16
IS_PEGGED: Final = 1 << 17
BOOKED: Final = 1 << 18
LOWER: Final = 0xFFFFFFFF
HALF: Final = 32

_FIRST_SLOTS: Final = 256
# Up to here the room doubles; above it grows by a quarter, so that little of it lies idle.
_DOUBLING_SLOTS: Final = 1 << 16

_LOW_BITS: Final = 0x7FFFFFFF
# The golden ratio of 2 ** 32: ids that follow one another come to lie far apart, so that no long run of taken places
# forms through which a probe or a deletion would have to go.
_SCATTER: Final = 0x9E3779B1
_SCATTER_SHIFT: Final = 20


def _home(order_id: i64, mask: i64) -> i64:
    """The place of an id in an index; the product stays below 2 ** 63."""
    return ((((order_id >> 31) ^ order_id) & _LOW_BITS) * _SCATTER >> _SCATTER_SHIFT) & mask


@final
class OrderStore:
    """The rows of all orders, and where each order id is."""

    def __init__(self) -> None:
        """Begin empty."""
        self.rows: vec[i64] = vec[i64]([0] * (_FIRST_SLOTS * WORDS))
        self.count: i64 = 0
        self._slots: i64 = _FIRST_SLOTS
        self._end: i64 = 1
        self._free: i64 = 0
        self._index: vec[i32] = vec[i32]([0] * (2 * _FIRST_SLOTS))
        self._mask: i64 = 2 * _FIRST_SLOTS - 1

    def find(self, order_id: i64) -> i64:
        """The slot of an order, 0 for none."""
        rows = self.rows
        index = self._index
        mask = self._mask
        position = _home(order_id, mask)
        slot: i64 = i64(index[position])
        while slot != 0 and rows[slot * WORDS] != order_id:
            position = (position + 1) & mask
            slot = i64(index[position])
        return slot

    def add(self, order_id: i64, account_id: i64, account_group: i64, price: i64, remaining: i64, state: i64) -> i64:
        """Give an order that is not there a row, in no queue; the arrays may move."""
        slot = self._free
        if slot != 0:
            self._free = self.rows[slot * WORDS + LINKS]
        else:
            slot = self._end
            if slot == self._slots:
                self._grow()
            self._end = slot + 1
        count = self.count + 1
        self.count = count
        if 2 * count > self._mask:
            self._widen()
        rows = self.rows
        at = slot * WORDS
        rows[at] = order_id
        rows[at + ACCOUNT] = account_id
        rows[at + ACCOUNT_GROUP] = account_group
        rows[at + PRICE] = price
        rows[at + REMAINING] = remaining
        rows[at + FILLED] = 0
        rows[at + LINKS] = 0
        rows[at + STATE] = state
        index = self._index
        mask = self._mask
        position = _home(order_id, mask)
        while index[position] != 0:
            position = (position + 1) & mask
        index[position] = i32(slot)
        return slot

    def remove(self, slot: i64) -> None:
        """Forget an order that is in no queue."""
        rows = self.rows
        index = self._index
        mask = self._mask
        at = slot * WORDS
        order_id = rows[at]
        hole = _home(order_id, mask)
        while i64(index[hole]) != slot:
            hole = (hole + 1) & mask
        position = hole
        while True:
            position = (position + 1) & mask
            other = i64(index[position])
            if other == 0:
                break
            other_id = rows[other * WORDS]
            home = _home(other_id, mask)
            # It may move back into the hole unless it would then lie before its home.
            if ((position - home) & mask) >= ((position - hole) & mask):
                index[hole] = i32(other)
                hole = position
        index[hole] = 0
        rows[at] = 0
        rows[at + STATE] = 0
        rows[at + LINKS] = self._free
        self._free = slot
        self.count -= 1

    def _grow(self) -> None:
        """Make room for more rows."""
        slots = self._slots
        larger = slots * 2 if slots < _DOUBLING_SLOTS else slots + slots // 4
        held = self.rows
        rows = vec[i64]([0] * (larger * WORDS))
        end = slots * WORDS
        position: i64 = 0
        while position < end:
            rows[position] = held[position]
            position += 1
        self.rows = rows
        self._slots = larger

    def _widen(self) -> None:
        """Double the index."""
        size = 2 * (self._mask + 1)
        mask = size - 1
        index = vec[i32]([0] * size)
        held = self._index
        rows = self.rows
        place: i64 = 0
        end = len(held)
        while place < end:
            slot = i64(held[place])
            place += 1
            if slot != 0:
                order_id = rows[slot * WORDS]
                position = _home(order_id, mask)
                while index[position] != 0:
                    position = (position + 1) & mask
                index[position] = i32(slot)
        self._index = index
        self._mask = mask
