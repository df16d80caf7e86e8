"""The last 24 hours of one instrument in ninety-six quarters of an hour, for its ticker. Exact and bounded."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.messages import Ticker

QUARTER_NS: Final[i64] = 900_000_000_000
QUARTERS: Final = 96
MOST_VOLUME: Final = 2**63 - 1


class Statistics:
    """Quarters of an hour that had trades, each as its number, first, high, low and last price, volume, turnover."""

    def __init__(self) -> None:
        self.quarters: list[list[int]] = []
        self.untold: bool = False

    def take(self, now_ns: i64, price: i64, size: i64) -> None:
        """Count a trade."""
        self.untold = True
        number = now_ns // QUARTER_NS
        wide_price: int = price
        wide_size: int = size
        turnover = wide_price * wide_size
        if len(self.quarters) > 0:
            last = self.quarters[len(self.quarters) - 1]
            if last[0] == number:
                if last[2] < price:
                    last[2] = price
                if last[3] > price:
                    last[3] = price
                last[4] = price
                last[5] += wide_size
                last[6] += turnover
                return
        self.quarters.append([number, price, price, price, price, size, turnover])
        self.forget(number)

    def forget(self, number: i64) -> None:
        """Forget what is older than a day."""
        while len(self.quarters) > 0 and self.quarters[0][0] <= number - QUARTERS:
            del self.quarters[0]

    def ticker(self, instrument_id: i64, now_ns: i64) -> Ticker | None:
        """The day that ends now; None where nothing has traded in it."""
        self.untold = False
        self.forget(now_ns // QUARTER_NS)
        if len(self.quarters) == 0:
            return None
        high = self.quarters[0][2]
        low = self.quarters[0][3]
        volume = 0
        turnover = 0
        for quarter in self.quarters:
            high = max(high, quarter[2])
            low = min(low, quarter[3])
            volume += quarter[5]
            turnover += quarter[6]
        last = self.quarters[len(self.quarters) - 1][4]
        return Ticker(
            instrument_id, last, self.quarters[0][1], high, low, min(volume, MOST_VOLUME), turnover, now_ns, now_ns
        )

    def save(self) -> list[list[int]]:
        """As plain lists, and behind them whether a trade was not told yet."""
        return [*([*quarter] for quarter in self.quarters), [1 if self.untold else 0]]

    def load(self, saved: list[list[int]]) -> None:
        """Take back what `save` gave."""
        self.quarters = [[*quarter] for quarter in saved[:-1]]
        self.untold = saved[-1][0] == 1
