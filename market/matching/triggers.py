"""The orders that wait for a price: an index of stop prices in which the next to fire is found at once.

Rising orders fire when the last price is at or above their stop price, falling ones at or below it. Trailing orders
stand in a second index by the price beyond which their stop price moves, so that a trade looks only at those it moves.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64
from sortedcontainers import SortedDict

from market.matching.special import Special
from market.messages.constants import TAKE_PROFIT, TAKE_PROFIT_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT

NEVER: Final = 4611686018427387903  # 2 ** 62 - 1, beyond every price


def is_rising(sells: bool, order_type: i64) -> bool:
    """Whether the last price has to rise to the stop price."""
    takes_profit = order_type in (TAKE_PROFIT, TAKE_PROFIT_LIMIT)
    return sells == takes_profit


def is_trailing(order_type: i64) -> bool:
    """Whether the stop price follows the market."""
    return order_type in (TRAILING_STOP, TRAILING_STOP_LIMIT)


@final
class Triggers:
    """The waiting orders, by stop price and then by the order of acceptance."""

    def __init__(self) -> None:
        """Begin with none."""
        self._rising: SortedDict[tuple[int, int], Special] = SortedDict()
        self._falling: SortedDict[tuple[int, int], Special] = SortedDict()
        self._trailing_up: SortedDict[tuple[int, int], Special] = SortedDict()
        self._trailing_down: SortedDict[tuple[int, int], Special] = SortedDict()
        self.count: i64 = 0
        # The stop prices that fire next, and the prices beyond which a trailing stop moves.
        self.lowest_rising: i64 = NEVER
        self.highest_falling: i64 = -NEVER
        self.lowest_up: i64 = NEVER
        self.highest_down: i64 = -NEVER

    def add(self, special: Special, sells: bool, order_type: i64) -> None:
        """Let an order wait at its stop price."""
        self._put(special, is_rising(sells, order_type))
        if is_trailing(order_type):
            if sells:
                self._trailing_up[(special.stop_price + special.offset, special.sequence)] = special
            else:
                self._trailing_down[(special.offset - special.stop_price, special.sequence)] = special
        self.count += 1
        self._look()

    def remove(self, special: Special, sells: bool, order_type: i64) -> None:
        """Let an order wait no longer."""
        self._take(special, is_rising(sells, order_type))
        if is_trailing(order_type):
            if sells:
                del self._trailing_up[(special.stop_price + special.offset, special.sequence)]
            else:
                del self._trailing_down[(special.offset - special.stop_price, special.sequence)]
        self.count -= 1
        self._look()

    def due(self, last_price: i64) -> Special | None:
        """The order that fires next at this last price."""
        if last_price == 0:
            return None
        if last_price >= self.lowest_rising:
            rising: Special = self._rising.peekitem(0)[1]
            return rising
        if last_price <= self.highest_falling:
            falling: Special = self._falling.peekitem(0)[1]
            return falling
        return None

    def trail(self, highest: i64, lowest: i64) -> None:
        """Move the trailing stops after trades between these prices."""
        if highest <= self.lowest_up and lowest >= self.highest_down:
            return
        while len(self._trailing_up) > 0 and self._trailing_up.peekitem(0)[0][0] < highest:
            up: Special = self._trailing_up.popitem(0)[1]
            self._take(up, False)
            up.stop_price = highest - up.offset
            self._put(up, False)
            self._trailing_up[(highest, up.sequence)] = up
        while len(self._trailing_down) > 0 and self._trailing_down.peekitem(0)[0][0] < -lowest:
            down: Special = self._trailing_down.popitem(0)[1]
            self._take(down, True)
            down.stop_price = lowest + down.offset
            self._put(down, True)
            self._trailing_down[(-lowest, down.sequence)] = down
        self._look()

    def waiting(self) -> list[Special]:
        """All of them, in the order of acceptance."""
        found: dict[int, Special] = {}
        for special in self._rising.values():
            found[special.sequence] = special
        for special in self._falling.values():
            found[special.sequence] = special
        return [found[sequence] for sequence in sorted(found)]

    def _put(self, special: Special, rising: bool) -> None:
        if rising:
            self._rising[(special.stop_price, special.sequence)] = special
        else:
            self._falling[(-special.stop_price, special.sequence)] = special

    def _take(self, special: Special, rising: bool) -> None:
        if rising:
            del self._rising[(special.stop_price, special.sequence)]
        else:
            del self._falling[(-special.stop_price, special.sequence)]

    def _look(self) -> None:
        self.lowest_rising = _least(self._rising)
        self.highest_falling = -_least(self._falling)
        self.lowest_up = _least(self._trailing_up)
        self.highest_down = -_least(self._trailing_down)


def _least(index: SortedDict[tuple[int, int], Special]) -> i64:
    """The least price of an index, `NEVER` when it is empty."""
    if len(index) == 0:
        return NEVER
    key: tuple[int, int] = index.peekitem(0)[0]
    return key[0]
