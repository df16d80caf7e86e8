"""How much a price moves, measured on line: the variance of its returns, by time, with an exponential memory. Compiled.

A price is looked at once a sample, so that its jitter from tick to tick does not count as movement. Each return adds
its square over the time it took, with the weight of that time: a busy minute and a quiet one weigh the same. After a
gap, when the price was unknown for longer than is taken for one return, it begins again at the new price and counts no
return. One update costs a few multiplications and one `exp`, and nothing is kept but five numbers.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import Final, final

from mypy_extensions import i64

SECOND_NS: Final = 1e9
BASIS_POINTS: Final = 1e4


@final
class VolatilityMeter:
    """The standard deviation of returns over one second, in basis points."""

    def __init__(self, half_life_s: float, sample_ns: i64, longest_ns: i64) -> None:
        """Remember half for `half_life_s`; take a return every `sample_ns`, and none over more than `longest_ns`."""
        if half_life_s <= 0.0 or sample_ns <= 0 or longest_ns < sample_ns:
            raise ValueError("a half-life and a sample above 0 are wanted, and no longest return below the sample")
        # After this time e to the power of -1 is left.
        self.memory_s: Final[float] = half_life_s / 0.6931471805599453
        self.sample_ns: Final[i64] = sample_ns
        self.longest_ns: Final[i64] = longest_ns
        self.price: float = 0.0
        self.time_ns: i64 = 0
        # The variance a second as far as it is known, and how much of the whole weight that is.
        self.total: float = 0.0
        self.weight: float = 0.0
        self.samples: i64 = 0

    def add(self, price: float, now_ns: i64) -> bool:
        """The price now; says whether the measure changed."""
        elapsed_ns = now_ns - self.time_ns
        if self.price > 0.0 and elapsed_ns < self.sample_ns:
            return False
        before = self.price
        if price <= 0.0:
            return False
        self.price = price
        self.time_ns = now_ns
        if before <= 0.0 or elapsed_ns > self.longest_ns:
            return False
        elapsed_s = float(elapsed_ns) / SECOND_NS
        move = (price / before - 1.0) * BASIS_POINTS
        kept = exp(-elapsed_s / self.memory_s)
        self.total = self.total * kept + move * move / elapsed_s * (1.0 - kept)
        self.weight = self.weight * kept + (1.0 - kept)
        self.samples += 1
        return True

    def gap(self) -> None:
        """The price is not known from now on: the next one begins anew, and what was measured stays."""
        self.price = 0.0

    def volatility_bps(self, otherwise: float, least_samples: i64 = 1) -> float:
        """What was measured, corrected for a memory that is not full yet; `otherwise` before there are enough."""
        if self.samples < least_samples or self.weight <= 0.0:
            return otherwise
        return sqrt(self.total / self.weight)

    def save(self) -> list[object]:
        """The state as plain data."""
        return [self.price, int(self.time_ns), self.total, self.weight, int(self.samples)]

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        price, time_ns, total, weight, samples = state
        assert isinstance(price, float)
        assert isinstance(time_ns, int)
        assert isinstance(total, float)
        assert isinstance(weight, float)
        assert isinstance(samples, int)
        self.price = price
        self.time_ns = time_ns
        self.total = total
        self.weight = weight
        self.samples = samples
