"""Which trades of an instrument were told: each is told once, where the venue numbers them upward. Compiled.

A venue that sends trades of the past at the beginning of a subscription, or a trade again, tells nothing new with them.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from market.dialect import Decoder


@final
class ToldTrades:
    """See the head of this file."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self.last_id: i64 = -1
        # How many numbers lie between what was told and the first new trade of the last frame.
        self.skipped: i64 = 0

    def keep_new(self, decoder: Decoder, are_past: bool) -> bool:
        """Of the trades in the decoder leave those that are to be told, oldest first; whether there are any."""
        count = decoder.trade_count
        last_id = self.last_id
        self.skipped = 0
        kept: i64 = 0
        place: i64 = 0
        while place < count:
            trade_id = decoder.trade_ids[place]
            if trade_id > last_id:
                if kept == 0 and last_id >= 0:
                    self.skipped = trade_id - last_id - 1
                last_id = trade_id
                if not are_past:
                    decoder.trade_ids[kept] = trade_id
                    decoder.trade_prices[kept] = decoder.trade_prices[place]
                    decoder.trade_sizes[kept] = decoder.trade_sizes[place]
                    decoder.trade_sides[kept] = decoder.trade_sides[place]
                    decoder.trade_times_ns[kept] = decoder.trade_times_ns[place]
                    kept += 1
            place += 1
        self.last_id = last_id
        decoder.trade_count = kept
        return kept > 0
