"""How often orders reach a distance from the middle, measured on line: `A exp(-k distance)` a second. Compiled.

A trade at a distance `d` shows that an order came that reached `d`. One that would have reached less than the half
spread met nobody and is not seen; so `k` is measured from how far beyond the half spread orders reach (the maximum
likelihood of an exponential law cut off at its left), and `A` from how often they come, brought back to the middle. An
order that stops at the touch is taken to have reached half a tick more, or `k` would have no bound where all do. Prints
of one time and one side are one order: it reached as far as the farthest. Older orders fade with a half-life. A trade
costs one comparison, and the first of the next order one `exp`.
"""

from __future__ import annotations

from math import exp
from typing import Final, final

from mypy_extensions import i64

SECOND_NS: Final = 1e9
# What is seen at the half spread is brought back to the middle by no more than e to this power.
MOST_LIFT: Final = 20.0
# Orders that have faded to less than this are none: the sums are too small to be divided.
LEAST_COUNT: Final = 1e-200


@final
class ArrivalMeter:
    """The two numbers of the law; distances are in whatever unit they are given in."""

    def __init__(self, half_life_s: float) -> None:
        """Remember half for `half_life_s`."""
        if half_life_s <= 0.0:
            raise ValueError("a half-life above 0 is wanted")
        self.memory_s: Final[float] = half_life_s / 0.6931471805599453
        # The order whose prints are coming in.
        self.order_ns: i64 = 0
        self.order_side: i64 = 0
        self.reach: float = 0.0
        self.half_spread: float = 0.0
        self.half_tick: float = 0.0
        # Faded sums over the orders before it, as of `time_ns`, and the time they stand for.
        self.time_ns: i64 = 0
        self.count: float = 0.0
        self.beyond: float = 0.0
        self.spreads: float = 0.0
        self.elapsed_s: float = 0.0
        self.orders: i64 = 0

    def begin(self, now_ns: i64) -> None:
        """Watch from now on; time that nobody watched does not count."""
        self.settle()
        self.time_ns = now_ns

    def add(self, now_ns: i64, side: i64, distance: float, half_spread: float, half_tick: float) -> bool:
        """A trade's distance from the middle as it was before; says whether it began another order."""
        if now_ns == self.order_ns and side == self.order_side:
            if distance > self.reach:
                self.reach = distance
            return False
        self.settle()
        self.order_ns = now_ns
        self.order_side = side
        self.half_spread = half_spread
        self.half_tick = half_tick
        self.reach = distance if distance > half_spread else half_spread
        return True

    def settle(self) -> None:
        """Take the last order into the sums."""
        if self.order_side == 0:
            return
        self.fade(self.order_ns)
        self.count += 1.0
        self.beyond += self.reach - self.half_spread + self.half_tick
        self.spreads += self.half_spread
        self.orders += 1
        self.order_side = 0

    def fade(self, now_ns: i64) -> None:
        """Let the sums grow older."""
        if self.time_ns == 0:
            self.time_ns = now_ns
            return
        elapsed_ns = now_ns - self.time_ns
        if elapsed_ns <= 0:
            return
        passed_s = float(elapsed_ns) / SECOND_NS
        kept = exp(-passed_s / self.memory_s)
        self.count *= kept
        self.beyond *= kept
        self.spreads *= kept
        # The integral of what is left of each moment.
        self.elapsed_s = self.elapsed_s * kept + self.memory_s * (1.0 - kept)
        self.time_ns = now_ns

    def decay(self, otherwise: float, least_orders: i64 = 1) -> float:
        """k, for each unit of distance; `otherwise` before enough orders were seen."""
        if self.orders < least_orders or self.beyond <= 0.0 or self.count < LEAST_COUNT:
            return otherwise
        return self.count / self.beyond

    def rate(self, decay: float, otherwise: float, least_orders: i64 = 1) -> float:
        """A, orders a second at the middle, for this k; `otherwise` before there were enough, 0 when all have faded."""
        if self.orders < least_orders or self.elapsed_s <= 0.0:
            return otherwise
        if self.count < LEAST_COUNT:
            return 0.0
        lift = decay * self.spreads / self.count
        return self.count / self.elapsed_s * exp(lift if lift < MOST_LIFT else MOST_LIFT)

    def save(self) -> list[object]:
        """The state as plain data."""
        return [
            int(self.order_ns), int(self.order_side), self.reach, self.half_spread, self.half_tick, int(self.time_ns),
            self.count, self.beyond, self.spreads, self.elapsed_s, int(self.orders),
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        numbers: list[int] = [one for one in (state[0], state[1], state[5], state[10]) if isinstance(one, int)]
        sums: list[float] = [one for one in (*state[2:5], *state[6:10]) if isinstance(one, float)]
        assert len(numbers) == 4
        assert len(sums) == 7
        self.order_ns, self.order_side, self.time_ns, self.orders = numbers[0], numbers[1], numbers[2], numbers[3]
        self.reach, self.half_spread, self.half_tick = sums[0], sums[1], sums[2]
        self.count, self.beyond, self.spreads, self.elapsed_s = sums[3], sums[4], sums[5], sums[6]
