"""Which trades of an instrument were told: each is told once, where the venue numbers them upward. Compiled.

A venue that sends trades of the past at the beginning of a subscription, or a trade again, tells nothing new with them.
A number that is more than `MOST_JUMP` away from the last one, above or below, may be wrong: its trade is told, and what
was reached stays as it is. When a trade with a number close above it follows, the venue did begin to number there.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from market.dialect import Decoder

MOST_JUMP: Final = 10_000_000
"""More trades than any instrument has in a day."""
_NOTHING: Final = -1


@final
class ToldTrades:
    """See the head of this file."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self.last_id: i64 = _NOTHING
        # The number that was too far away, until one close above it is told.
        self._far_id: i64 = _NOTHING
        # How many numbers lie between what was told and the first new trade of the last frame.
        self.skipped: i64 = 0

    def keep_new(self, decoder: Decoder, are_past: bool) -> bool:
        """Of the trades in the decoder leave those that are to be told, oldest first; whether there are any."""
        count = decoder.trade_count
        self.skipped = 0
        kept: i64 = 0
        place: i64 = 0
        while place < count:
            trade_id = decoder.trade_ids[place]
            before = self.last_id
            if self._is_new(trade_id):
                if kept == 0 and before >= 0 and self.last_id == trade_id and 0 < trade_id - before <= MOST_JUMP:
                    self.skipped = trade_id - before - 1
                if not are_past:
                    decoder.trade_ids[kept] = trade_id
                    decoder.trade_prices[kept] = decoder.trade_prices[place]
                    decoder.trade_sizes[kept] = decoder.trade_sizes[place]
                    decoder.trade_sides[kept] = decoder.trade_sides[place]
                    decoder.trade_times_ns[kept] = decoder.trade_times_ns[place]
                    kept += 1
            place += 1
        decoder.trade_count = kept
        return kept > 0

    def _is_new(self, trade_id: i64) -> bool:
        """Whether a trade of this number was not told; notes what was reached with it."""
        last = self.last_id
        if last < 0:
            self.last_id = trade_id
            return True
        if last - MOST_JUMP <= trade_id <= last:
            return False
        if trade_id > last and trade_id - last <= MOST_JUMP:
            self.last_id = trade_id
            return True
        far = self._far_id
        if far >= 0 and far - MOST_JUMP <= trade_id <= far:
            return False
        if far >= 0 and trade_id > far and trade_id - far <= MOST_JUMP:
            self.last_id = trade_id
            self._far_id = _NOTHING
            return True
        self._far_id = trade_id
        return True

    def reset(self) -> None:
        """Nothing was told yet."""
        self.last_id = _NOTHING
        self._far_id = _NOTHING
        self.skipped = 0

    def save(self) -> list[int]:
        """What is needed to go on, as plain data."""
        return [int(self.last_id), int(self._far_id)]

    def load(self, saved: list[int]) -> None:
        """Go on from what `save` returned."""
        self.last_id = saved[0]
        self._far_id = saved[1]
