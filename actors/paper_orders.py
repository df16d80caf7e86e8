"""What the paper venue keeps: orders that rest there, the touch they rest in, and requests that are on their way.

`PaperTouch` remembers what has been taken of each displayed level, so that nothing is ever taken twice. `queue_ahead`
of a resting order is what is displayed before it; it is `UNKNOWN` while its price has not been seen at the touch.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.instruments import Instrument
from market.messages import BUY, LIVE, CancelAll, CancelOrder, Message, NewOrder, TopOfBook, decode, encode

UNKNOWN: Final[i64] = -1

_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15
_FIRST_FACTOR: Final = 0xBF58476D1CE4E5B9
_SECOND_FACTOR: Final = 0x94D049BB133111EB


def draw(seed: int, counter: int, below: int) -> int:
    """A number from 0 to below `below` that follows from seed and counter alone (the SplitMix64 finaliser)."""
    mixed = (seed + counter * _STEP) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * _FIRST_FACTOR) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _SECOND_FACTOR) & _MASK
    return (mixed ^ (mixed >> 31)) % below


class Resting:
    """One order that rests at the paper venue."""

    def __init__(
        self, order_id: i64, strategy_id: i64, instrument_id: i64, side: i64, price: i64, remaining: i64, ahead: i64
    ) -> None:
        self.order_id: Final = order_id
        self.strategy_id: Final = strategy_id
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        self.price: Final = price
        self.remaining: i64 = remaining
        self.queue_ahead: i64 = ahead

    def save(self) -> list[int]:
        """The order as plain data."""
        return [
            int(self.order_id),
            int(self.strategy_id),
            int(self.instrument_id),
            int(self.side),
            int(self.price),
            int(self.remaining),
            int(self.queue_ahead),
        ]


class DisplayedSide:
    """The best level of one side, and how much of each level the paper orders have taken."""

    def __init__(self, side: i64) -> None:
        self.side: Final = side
        self.price: i64 = 0
        self.size: i64 = 0
        self.taken: dict[int, int] = {}

    @property
    def available(self) -> i64:
        """What is displayed at the best price and not taken."""
        left: i64 = self.size - self.taken.get(self.price, 0)
        return left if left > 0 else 0

    def show(self, price: i64, size: i64) -> None:
        """Follow the venue. A level that is known to be gone is forgotten; if it comes back, it is new."""
        self.price = price
        self.size = size
        if len(self.taken) == 0:
            return
        if size == 0:
            self.taken.clear()
            return
        for level in list(self.taken):
            if (level - price) * self.side > 0:
                del self.taken[level]
        taken = self.taken.get(price, 0)
        if taken > size:
            self.taken[price] = size

    def take(self, size: i64) -> None:
        """Take from the best level."""
        self.taken[self.price] = self.taken.get(self.price, 0) + size

    def save(self) -> list[object]:
        """The level and what was taken, as plain data."""
        return [int(self.price), int(self.size), [[level, taken] for level, taken in self.taken.items()]]

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        price, size, taken = state[0], state[1], state[2]
        assert isinstance(price, int)
        assert isinstance(size, int)
        assert isinstance(taken, list)
        self.price = price
        self.size = size
        self.taken = {row[0]: row[1] for row in taken}


class PaperTouch:
    """Both displayed sides of one instrument, and whether they can be trusted."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument: Final = instrument
        self.live: bool = False
        self.bids: Final = DisplayedSide(1)
        self.asks: Final = DisplayedSide(-1)

    def show(self, top: TopOfBook) -> None:
        """Follow the venue; while the book is not live nothing is known to be displayed."""
        self.live = top.state == LIVE
        if self.live:
            self.bids.show(top.bid_price, top.bid_size)
            self.asks.show(top.ask_price, top.ask_size)

    def own(self, side: i64) -> DisplayedSide:
        """The displayed side that an order of this side would join."""
        return self.bids if side == BUY else self.asks

    def other(self, side: i64) -> DisplayedSide:
        """The displayed side that an order of this side would take from."""
        return self.asks if side == BUY else self.bids

    def crosses(self, side: i64, price: i64) -> bool:
        """Whether an order at this price would trade with what is displayed."""
        other = self.other(side)
        return self.live and other.size > 0 and (price - other.price) * side >= 0

    def ahead_of(self, side: i64, price: i64) -> i64:
        """What is displayed before a new order at this price."""
        own = self.own(side)
        if not self.live:
            return UNKNOWN
        if own.size == 0 or (price - own.price) * side > 0:
            return 0
        return own.size if price == own.price else UNKNOWN

    def save(self) -> list[object]:
        """Both sides as plain data."""
        return [self.instrument.instrument_id, self.live, self.bids.save(), self.asks.save()]

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        live, bids, asks = state[1], state[2], state[3]
        assert isinstance(live, bool)
        assert isinstance(bids, list)
        assert isinstance(asks, list)
        self.live = live
        self.bids.load(bids)
        self.asks.load(asks)


class Arrival:
    """A request on its way to the venue."""

    def __init__(self, due_ns: i64, message: Message) -> None:
        self.due_ns: Final = due_ns
        self.message: Final = message

    def save(self) -> list[object]:
        """The request as plain data."""
        return [int(self.due_ns), encode(self.message).hex()]


def load_arrival(state: list[object]) -> Arrival:
    """The request that `save` described."""
    due_ns, text = state[0], state[1]
    assert isinstance(due_ns, int)
    assert isinstance(text, str)
    message = decode(bytes.fromhex(text))
    assert isinstance(message, (NewOrder, CancelOrder, CancelAll))
    return Arrival(due_ns, message)
