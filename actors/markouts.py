"""How the market moved after each fill: 1, 10 and 60 seconds later, in basis points, in our favour above zero.

A fill is compared with the price that held at the horizon, of a live book or a fair value that was known just then;
without one it is left out and counted. Makers and takers are kept apart. What waits is a ring of a fixed size: memory
does not grow, and what had to go early is counted. The price before a change must be looked at before the change.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.messages import MAKER, Markout

SECOND_NS: Final = 1_000_000_000
HORIZONS_NS: Final = (SECOND_NS, 10 * SECOND_NS, 60 * SECOND_NS)
NEVER: Final[i64] = 9223372036854775807
# Sums are kept in millionths of a basis point.
MICRO_BPS: Final = 10_000 * 1_000_000


class Waiting:
    """A fill that waits for its horizons."""

    def __init__(
        self, order_id: i64, instrument_id: i64, strategy_id: i64, trade_id: i64, side: i64, liquidity: i64,
        price: i64, time_ns: i64,
    ) -> None:  # fmt: skip
        self.order_id: Final = order_id
        self.instrument_id: Final = instrument_id
        self.strategy_id: Final = strategy_id
        self.trade_id: Final = trade_id
        self.side: Final = side
        self.liquidity: Final = liquidity
        self.price: Final = price
        self.time_ns: Final = time_ns

    def save(self) -> list[int]:
        """The fill as plain data."""
        return [
            self.order_id, self.instrument_id, self.strategy_id, self.trade_id, self.side, self.liquidity, self.price,
            self.time_ns,
        ]  # fmt: skip


class Horizon:
    """One horizon: which fill it looks at next, and what came out so far."""

    def __init__(self, length_ns: i64) -> None:
        self.length_ns: Final = length_ns
        # Counts all fills from the first on.
        self.next: i64 = 0
        self.maker_count: i64 = 0
        self.maker_sum: int = 0
        self.taker_count: i64 = 0
        self.taker_sum: int = 0
        self.left_out: i64 = 0

    def add(self, liquidity: i64, micro_bps: int) -> None:
        """One markout."""
        if liquidity == MAKER:
            self.maker_count += 1
            self.maker_sum += micro_bps
        else:
            self.taker_count += 1
            self.taker_sum += micro_bps

    def save(self) -> list[int]:
        """Everything as plain data."""
        return [
            self.next, self.maker_count, self.maker_sum, self.taker_count, self.taker_sum, self.left_out,
        ]  # fmt: skip

    def load(self, row: list[int]) -> None:
        """Take back what `save` gave."""
        self.next, self.maker_count, self.maker_sum = row[0], row[1], row[2]
        self.taker_count, self.taker_sum, self.left_out = row[3], row[4], row[5]


class Markouts:
    """See the head of this file."""

    def __init__(self, capacity: i64) -> None:
        self.capacity: Final = capacity
        self.horizons: Final = [Horizon(length_ns) for length_ns in HORIZONS_NS]
        self.ring: list[Waiting | None] = [None] * capacity
        self.added: i64 = 0
        # Nothing is due before.
        self.next_ns: i64 = NEVER
        # Twice the price that a fill is compared with now, by instrument; none without a live book.
        self.double_prices: Final[dict[int, int]] = {}

    def add(self, waiting: Waiting) -> None:
        """A fill more; where there is no room the oldest one goes."""
        for horizon in self.horizons:
            if self.added - horizon.next >= self.capacity:
                horizon.next += 1
                horizon.left_out += 1
        self.ring[self.added % self.capacity] = waiting
        self.added += 1
        due_ns: i64 = waiting.time_ns + self.horizons[0].length_ns
        if due_ns < self.next_ns:
            self.next_ns = due_ns

    def waits(self) -> bool:
        """Whether a fill still waits for a horizon."""
        return self.horizons[len(self.horizons) - 1].next < self.added

    def look(self, now_ns: i64) -> list[Markout]:
        """The markouts that are due by now, at the prices that have held until now."""
        found: list[Markout] = []
        if now_ns < self.next_ns:
            return found
        next_ns: i64 = NEVER
        for horizon in self.horizons:
            while horizon.next < self.added:
                waiting = self.ring[horizon.next % self.capacity]
                assert waiting is not None
                due_ns: i64 = waiting.time_ns + horizon.length_ns
                if due_ns > now_ns:
                    if due_ns < next_ns:
                        next_ns = due_ns
                    break
                horizon.next += 1
                self.mark(horizon, waiting, now_ns, found)
        self.next_ns = next_ns
        return found

    def mark(self, horizon: Horizon, waiting: Waiting, now_ns: i64, found: list[Markout]) -> None:
        """Compare one fill with the price of now."""
        double = self.double_prices.get(waiting.instrument_id, 0)
        price: int = waiting.price
        if double <= 0 or price <= 0:
            horizon.left_out += 1
            return
        side: int = waiting.side
        micro_bps = (double - 2 * price) * side * MICRO_BPS // (2 * price)
        horizon.add(waiting.liquidity, micro_bps)
        found.append(
            Markout(
                waiting.order_id, waiting.instrument_id, waiting.strategy_id, waiting.trade_id, waiting.side,
                waiting.liquidity, horizon.length_ns, waiting.price, double / 2.0, micro_bps / 1e6, now_ns,
            )
        )  # fmt: skip

    # ---- what is told, and state

    def told(self) -> list[dict[str, object]]:
        """Mean markouts in basis points, as text, by horizon."""
        return [
            {
                "horizon_s": int(one.length_ns // SECOND_NS),
                "maker_bps": mean_bps(one.maker_sum, one.maker_count),
                "taker_bps": mean_bps(one.taker_sum, one.taker_count),
                "count": int(one.maker_count + one.taker_count),
                "left_out": int(one.left_out),
            }
            for one in self.horizons
        ]

    def save(self) -> dict[str, object]:
        """Fills that wait, prices and sums as plain data."""
        oldest: i64 = self.horizons[len(self.horizons) - 1].next
        waiting: list[object] = []
        index: i64 = oldest
        while index < self.added:
            one = self.ring[index % self.capacity]
            assert one is not None
            waiting.append(one.save())
            index += 1
        return {
            "added": int(self.added),
            "oldest": int(oldest),
            "next_ns": int(self.next_ns),
            "waiting": waiting,
            "horizons": [one.save() for one in self.horizons],
            "prices": [[number, double] for number, double in self.double_prices.items()],
        }

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, dict)
        for horizon, row in zip(self.horizons, state["horizons"], strict=True):
            horizon.load(row)
        self.added = state["added"]
        index: i64 = state["oldest"]
        for row in state["waiting"]:
            self.ring[index % self.capacity] = Waiting(
                row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]
            )  # fmt: skip
            index += 1
        self.next_ns = state["next_ns"]
        self.double_prices.clear()
        for number, double in state["prices"]:
            self.double_prices[number] = double


def mean_bps(total: int, count: int) -> str:
    """The mean of a sum of millionths of a basis point with two decimals; empty when there is none."""
    if count == 0:
        return ""
    hundredths = total // (count * 10_000)
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"
