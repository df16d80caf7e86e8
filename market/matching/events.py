"""What an input has caused: events in packed rows that are used again for the next input.

Compiled code reads a cell by `kind(row)` and the other methods; Python reads `row(number)` as an object, or the four
cells that everybody needs by `head(number)`. Which cell a kind uses is in `docs/matching.md`; the others are 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

# What the code of an accepted order says.
INCOMING: Final = 0
RESTS: Final = 1
WAITS: Final = 2

_CELLS: Final = 12
_FIRST_ROWS: Final = 64
# Above this many rows the room that one huge input took is given back with the next.
_KEPT_ROWS: Final = 1 << 16


@mypyc_attr(acyclic=True, free_list_len=1)
@final
class Event:
    """One event as an object."""

    kind: Final[i64]
    order_id: Final[i64]
    account_id: Final[i64]
    side: Final[i64]
    price: Final[i64]
    size: Final[i64]
    remaining: Final[i64]
    code: Final[i64]
    other_id: Final[i64]
    other_account_id: Final[i64]
    other_remaining: Final[i64]
    number: Final[i64]

    def __init__(
        self, kind: i64, order_id: i64, account_id: i64, side: i64, price: i64, size: i64, remaining: i64, code: i64,
        other_id: i64, other_account_id: i64, other_remaining: i64, number: i64,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.order_id = order_id
        self.account_id = account_id
        self.side = side
        self.price = price
        self.size = size
        self.remaining = remaining
        self.code = code
        self.other_id = other_id
        self.other_account_id = other_account_id
        self.other_remaining = other_remaining
        self.number = number

    def cells(self) -> tuple[int, ...]:
        """All cells, in the order of the columns in `docs/matching.md`."""
        return (
            self.kind,
            self.order_id,
            self.account_id,
            self.side,
            self.price,
            self.size,
            self.remaining,
            self.code,
            self.other_id,
            self.other_account_id,
            self.other_remaining,
            self.number,
        )


@final
class EventBuffer:
    """The events of the last input, in the order in which they happened."""

    def __init__(self) -> None:
        """Begin empty."""
        self.count: i64 = 0
        self._capacity: i64 = _FIRST_ROWS
        self._rows: vec[i64] = vec[i64]([0] * (_FIRST_ROWS * _CELLS))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Event]:
        return iter([self.row(number) for number in range(self.count)])

    def clear(self) -> None:
        """Forget the events of the input before."""
        self.count = 0
        if self._capacity > _KEPT_ROWS:
            self._capacity = _FIRST_ROWS
            self._rows = vec[i64]([0] * (_FIRST_ROWS * _CELLS))

    def add(
        self,
        kind: i64,
        order_id: i64,
        account_id: i64,
        side: i64,
        price: i64,
        size: i64,
        remaining: i64,
        code: i64,
        other_id: i64,
        other_account_id: i64,
        other_remaining: i64,
        number: i64,
    ) -> None:
        """Write the next event."""
        if self.count == self._capacity:
            self._grow()
        rows = self._rows
        at = self.count * _CELLS
        self.count += 1
        rows[at] = kind
        rows[at + 1] = order_id
        rows[at + 2] = account_id
        rows[at + 3] = side
        rows[at + 4] = price
        rows[at + 5] = size
        rows[at + 6] = remaining
        rows[at + 7] = code
        rows[at + 8] = other_id
        rows[at + 9] = other_account_id
        rows[at + 10] = other_remaining
        rows[at + 11] = number

    def _grow(self) -> None:
        held = self._rows
        size = len(held)
        rows = vec[i64]([0] * (2 * size))
        position: i64 = 0
        while position < size:
            rows[position] = held[position]
            position += 1
        self._rows = rows
        self._capacity *= 2

    def row(self, number: i64) -> Event:
        """One event, as an object of its own."""
        at = self._at(number)
        rows = self._rows
        return Event(
            rows[at],
            rows[at + 1],
            rows[at + 2],
            rows[at + 3],
            rows[at + 4],
            rows[at + 5],
            rows[at + 6],
            rows[at + 7],
            rows[at + 8],
            rows[at + 9],
            rows[at + 10],
            rows[at + 11],
        )

    def head(self, number: i64) -> tuple[i64, i64, i64, i64]:
        """Kind, order id, price and size of one event: the quickest way from Python."""
        at = self._at(number)
        rows = self._rows
        return rows[at], rows[at + 1], rows[at + 4], rows[at + 5]

    def _at(self, number: i64) -> i64:
        if number < 0 or number >= self.count:
            raise IndexError(f"there are {self.count} events, and none has the number {number}")
        return number * _CELLS

    def kind(self, number: i64) -> i64:
        """What happened: one of the `EVENT_` constants."""
        return self._rows[self._at(number)]

    def order_id(self, number: i64) -> i64:
        """The order."""
        return self._rows[self._at(number) + 1]

    def account_id(self, number: i64) -> i64:
        """The account of the order."""
        return self._rows[self._at(number) + 2]

    def side(self, number: i64) -> i64:
        """The side of the order."""
        return self._rows[self._at(number) + 3]

    def price(self, number: i64) -> i64:
        """The price that the event is about."""
        return self._rows[self._at(number) + 4]

    def size(self, number: i64) -> i64:
        """The size that the event is about."""
        return self._rows[self._at(number) + 5]

    def remaining(self, number: i64) -> i64:
        """What is left of the order."""
        return self._rows[self._at(number) + 6]

    def code(self, number: i64) -> i64:
        """A cause, a reason or a mode, by the kind."""
        return self._rows[self._at(number) + 7]

    def other_id(self, number: i64) -> i64:
        """The other order of a trade or a self-trade."""
        return self._rows[self._at(number) + 8]

    def other_account_id(self, number: i64) -> i64:
        """The account of the other order."""
        return self._rows[self._at(number) + 9]

    def other_remaining(self, number: i64) -> i64:
        """What is left of the other order."""
        return self._rows[self._at(number) + 10]

    def number(self, number: i64) -> i64:
        """A shown size, a trade's id or the last price, by the kind."""
        return self._rows[self._at(number) + 11]
