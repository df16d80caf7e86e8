"""Those of a simulated market who take: the informed, who know the hidden price, and the followers of trends.

The informed see the hidden price without lag and take what is offered too cheap or sought too dear, no further than
pays. Followers buy when the last trades stand above those before, and go when that has turned or has lasted. Neither
ever rests an order, and neither holds more than it likes: beyond that it only reduces.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.agent_base import SECOND_NS, Agent, Desk, Sight
from exchange.latent import FINE
from market.messages import BUY, IOC, LIMIT, MARKET, POST_ONLY_NONE, SELL

SIZE_DEVIATION: Final = 600
LARGEST: Final = 20
# A follower stays no longer than this.
HOLDS_NS: Final = 20_000_000_000
# An informed agent that holds so many percent of the most gives some back, on so many of a thousand turns.
MUCH: Final = 50
GIVES_BACK: Final = 20


class Informed(Agent):
    """Takes what the hidden price says is wrong by more than its threshold."""

    def __init__(
        self, number: i64, account_id: i64, key: i64, sight: Sight, desk: Desk, most_held: i64, lots: i64,
        turns_milli: i64, threshold_permille: i64,
    ) -> None:  # fmt: skip
        super().__init__(number, account_id, key, sight, desk, most_held)
        self.median: Final[i64] = lots
        self.turns_milli: Final[i64] = turns_milli
        # In thousandths of a step.
        self.threshold: Final[i64] = threshold_permille * sight.step * FINE // 1_000

    def mean_wait_ns(self) -> i64:
        """The time between two looks at the book."""
        return SECOND_NS * 1_000 // self.turns_milli

    def act(self, now_ns: i64) -> None:
        """Compare the touch with what it knows."""
        sight = self.sight
        step = sight.step
        fair = sight.fair_of_all(now_ns)
        most = (fair - self.threshold) // (FINE * step) * step
        least = -((-fair - self.threshold) // (FINE * step)) * step
        if 0 < sight.ask <= most and self.held < self.most_held:
            size = self.size(1 + (most - sight.ask) // step)
            self.desk.enter(self, BUY, LIMIT, IOC, most, size, POST_ONLY_NONE)
        elif sight.bid >= least and self.held > -self.most_held:
            size = self.size(1 + (sight.bid - least) // step)
            self.desk.enter(self, SELL, LIMIT, IOC, least, size, POST_ONLY_NONE)
        elif self.holds_much() and self.chance.below(1_000) < GIVES_BACK:
            side: i64 = SELL if self.held > 0 else BUY
            self.desk.enter(self, side, MARKET, IOC, 0, self.size(1), POST_ONLY_NONE)

    def holds_much(self) -> bool:
        """Whether it is time to give some back."""
        held = self.held if self.held >= 0 else -self.held
        return held * 100 > self.most_held * MUCH

    def size(self, steps: i64) -> i64:
        """What it takes at most, by how many steps the touch is wrong."""
        return self.lots(self.median * (1 + min(steps, 6)), SIZE_DEVIATION, self.median * LARGEST)


class Follower(Agent):
    """Goes with the trend of the trades."""

    def __init__(
        self, number: i64, account_id: i64, key: i64, sight: Sight, desk: Desk, most_held: i64, lots: i64,
        turns_milli: i64, threshold_permille: i64,
    ) -> None:  # fmt: skip
        super().__init__(number, account_id, key, sight, desk, most_held)
        self.median: Final[i64] = lots
        self.turns_milli: Final[i64] = turns_milli
        self.threshold: Final[i64] = threshold_permille * sight.step * FINE // 1_000
        self.since_ns: i64 = 0

    def mean_wait_ns(self) -> i64:
        """The time between two looks at the trades."""
        return SECOND_NS * 1_000 // self.turns_milli

    def act(self, now_ns: i64) -> None:
        """Go in with a trend; go out when it has turned, or after some time."""
        sight = self.sight
        trend = sight.fast - sight.slow
        side: i64 = 0
        if trend > self.threshold:
            side = BUY
        elif trend < -self.threshold:
            side = SELL
        held = self.held
        if held != 0 and (side * held < 0 or now_ns - self.since_ns > HOLDS_NS):
            out: i64 = held if held > 0 else -held
            most = self.median * LARGEST * sight.lot
            self.desk.enter(self, SELL if held > 0 else BUY, MARKET, IOC, 0, min(out, most), POST_ONLY_NONE)
        elif side != 0 and held * side < self.most_held:
            self.since_ns = now_ns
            size = self.lots(self.median, SIZE_DEVIATION, self.median * LARGEST)
            self.desk.enter(self, side, MARKET, IOC, 0, size, POST_ONLY_NONE)

    def save_own(self) -> list[int]:
        """Since when it is in."""
        return [self.since_ns]

    def load_own(self, row: list[int]) -> None:
        """Take back what `save_own` gave."""
        self.since_ns = row[0]
