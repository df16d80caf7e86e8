"""The largest order that risk lets pass in each instrument, as far as its refusals have told.

The limits are risk's alone and stand nowhere else. An order that is refused for its size or its worth tells how large
one may be; who had asked for it cuts what it sends there from then on, and asks again. A changed limit is forgotten,
for it may be wider. It never knows a limit that nobody ran into.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.messages import REJECT_ORDER_NOTIONAL, REJECT_ORDER_SIZE, LimitChanged, RiskRefused
from market.routing import MOST


@final
class SizeBounds:
    """See the head of this file."""

    def __init__(self) -> None:
        self.most: dict[int, int] = {}

    def most_size(self, instrument_id: i64) -> i64:
        """The largest size of one order there, as far as is known."""
        return self.most.get(instrument_id, MOST)

    def learn(self, refused: RiskRefused, asked: i64) -> bool:
        """An order of this size was refused; says whether it was for its size, so that a smaller one may pass."""
        if refused.code != REJECT_ORDER_SIZE and refused.code != REJECT_ORDER_NOTIONAL:
            return False
        if not 0 <= refused.bound < refused.value:
            return False
        # What an order is worth goes with its size, rounded up: the same share of both passes.
        size: int = asked
        self.most[refused.instrument_id] = size * refused.bound // refused.value
        return True

    def forget(self, changed: LimitChanged) -> None:
        """Another limit is in force: the next refusal will tell."""
        if changed.instrument_id == 0:
            self.most.clear()
        else:
            self.most.pop(changed.instrument_id, None)

    def save(self) -> list[list[int]]:
        """What is known, by instrument."""
        return [[instrument_id, size] for instrument_id, size in self.most.items()]

    def load(self, rows: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(rows, list)
        self.most = {row[0]: row[1] for row in rows}
