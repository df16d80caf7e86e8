"""No loss passes its limit unseen: random fills, touches and dead books, against results counted from fills alone."""

from __future__ import annotations

import random
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from market.messages import BUY, SELL, STALE, BookStateChanged, LimitReached
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, COINBASE, KRAKEN, PAIRS, RiskLane
from tests.seeds import examples

NUMBERS = (BINANCE, KRAKEN, COINBASE)
MOST_LOST, MOST_FALLEN = 300, 400


class Told:
    """A lane, and what was told to it."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.lane = RiskLane(
            {"maximum_daily_loss": DecimalText(str(MOST_LOST)), "maximum_drawdown": DecimalText(str(MOST_FALLEN))}
        )
        self.lane.open_books()
        self.mids = dict.fromkeys(NUMBERS, 60_000)
        self.live = dict.fromkeys(NUMBERS, True)
        self.net = dict.fromkeys(NUMBERS, Fraction(0))
        self.cash = Fraction(0)
        self.peak = Fraction(0)

    def step(self) -> None:
        """A touch, a book that dies, or a fill at a venue whose book lives."""
        number, draw = self.draw.choice(NUMBERS), self.draw
        event = draw.randrange(8)
        if event < 4:
            self.mids[number] += draw.choice((-40, -10, 0, 10, 35))
            self.live[number] = True
            self.lane.touch(number, str(self.mids[number] - 1), str(self.mids[number] + 1))
        elif event == 4:
            self.live[number] = False
            self.lane.take(BookStateChanged(number, STALE, "test", 0, self.lane.now_ns))
        elif self.live[number]:
            self.trade(number, draw.choice((BUY, SELL)), draw.randint(1, 90))
        self.peak = max(self.peak, self.profit())

    def trade(self, number: int, side: int, hundredths: int) -> None:
        """A fill near the mid with a fee of one; nothing where something else is held in the dark or too much is."""
        price = self.mids[number] + self.draw.randint(-20, 20)
        passed = len(self.lane.passed)
        order_id = self.lane.ask(number, side, str(price), f"0.{hundredths:02d}")
        if len(self.lane.passed) > passed:
            self.lane.fill(order_id, fee=10 ** PAIRS[number - 1].money_scale)
            size = Fraction(side * hundredths, 100)
            self.net[number] += size
            self.cash -= size * price + 1

    def mark(self, number: int) -> int:
        """The own mid; without a live book the one that is most against us, of the last own and the others' live."""
        known = [self.mids[number]]
        if not self.live[number]:
            known += [self.mids[other] for other in NUMBERS if self.live[other]]
        return min(known) if self.net[number] > 0 else max(known)

    def profit(self) -> Fraction:
        """All cash that moved, and what is held at its mark."""
        return self.cash + sum((self.net[number] * self.mark(number) for number in NUMBERS), Fraction(0))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(60, 3_000), deadline=None)
def test_trading_halts_at_the_very_step_at_which_too_much_is_lost(seed: int) -> None:
    """Not before it and not after it: loss of the day and fall from the peak, to the last unit."""
    told = Told(seed)
    for _ in range(150):
        told.step()
        profit = told.profit()
        is_over = -profit > MOST_LOST or told.peak - profit > MOST_FALLEN
        assert told.lane.core.ledger.halted is is_over, (profit, told.peak, told.lane.core.ledger.halt_reason)
        assert told.lane.risk.losses.profit == profit * 10**8
        if is_over:
            (reached,) = [one for one in told.lane.of(LimitReached) if one.halts]
            assert reached.value in (-profit * 10**8, (told.peak - profit) * 10**8)
            return
    assert told.lane.failures() == []


def test_the_story_is_not_empty() -> None:
    """Some end by either limit, with something held in the dark on the way."""
    ends: set[str] = set()
    dark = 0
    for seed in range(40):
        told = Told(seed)
        for _ in range(150):
            told.step()
            dark += any(told.net[one] != 0 and not told.live[one] for one in NUMBERS)
            if told.lane.core.ledger.halted:
                ends.add(told.lane.core.ledger.halt_reason.split()[0])
                break
    assert ends == {"loss", "fall"}
    assert dark > 100
