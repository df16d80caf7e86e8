"""Follows a trend: long while the fast average of the middle is above the slow one, short (or flat) while it is below.

The smallest complete strategy: it looks at one touch, keeps two averages, and says which position it wants to hold. The
order manager and the router bring it there and see to it that the limits are kept. It looks at the middle once a bar
(or at every change of the touch, with a bar of 0), and only while the book is live; it says nothing before both
averages have seen enough.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar, cast

import attrs

from market.messages import LIVE, Message, TargetPosition, TopOfBook
from runtime.actor import ActorSetup, Strategy
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, at_least, between, decimal, one_of, setting
from strategies.wants import held, target

NANOSECONDS_PER_MILLISECOND = 1_000_000
BASIS_POINT = 1e-4


@attrs.frozen(kw_only=True)
class CrossoverParams:
    """Settings of `Crossover`."""

    size: DecimalText = setting(
        "The position to hold, long or short.", rule=decimal(above_zero=True), unit="base", reload=True
    )
    fast: int = setting("Bars in the fast average.", default=20, rule=at_least(1), reload=True)
    slow: int = setting("Bars in the slow average.", default=60, rule=at_least(2), reload=True)
    average: str = setting(
        "sma: all bars alike; ema: the later ones more.", default="ema", rule=one_of("sma", "ema"), reload=True
    )
    bar_ms: int = setting(
        "Time between two looks at the middle; 0 looks at every change of the touch.",
        default=1_000, rule=between(0, 86_400_000), unit="ms", reload=True,
    )  # fmt: skip
    short: bool = setting("Whether it goes short below; otherwise it holds nothing there.", default=True, reload=True)
    band_bps: float = setting(
        "The averages have to be this far apart before the position changes.",
        default=0.0, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    slippage_bps: float = setting(
        "It trades no further than this beyond the touch; 0 is at any price.",
        default=5.0, rule=between(0.0, 1_000.0), unit="bps", reload=True,
    )  # fmt: skip
    retry_s: int = setting(
        "A position that was not reached is asked for again after this time.",
        default=30, rule=at_least(1), unit="s", reload=True,
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """Fast is faster than slow."""
        if self.fast >= self.slow:
            raise RuleBroken("fewer bars than slow", "make it smaller", key=("fast",), value=str(self.fast))


class Average:
    """The mean of the last bars, or one that forgets; both from one number a bar."""

    def __init__(self, kind: str, bars: int) -> None:
        self.kind = kind
        self.bars = bars
        self.seen = 0
        self.value = 0.0
        self.window: deque[float] = deque(maxlen=bars)

    def add(self, price: float) -> None:
        """One bar more."""
        self.seen += 1
        if self.kind == "sma":
            self.window.append(price)
            self.value = sum(self.window) / len(self.window)
        else:
            self.value += (price - self.value) * (2.0 / (self.bars + 1.0) if self.seen > 1 else 1.0)

    @property
    def ready(self) -> bool:
        """Whether it has seen as many bars as it is of, and still has those that it needs."""
        return (len(self.window) if self.kind == "sma" else self.seen) >= self.bars


class Crossover(Strategy):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_top_of_book"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (TargetPosition,)
    PARAMS: ClassVar[type | None] = CrossoverParams
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, CrossoverParams)
        self.params = setup.params
        self.instruments = [setup.instruments.by_id(one) for one in setup.instrument_ids]
        # It looks at the first instrument; it holds, and counts, that base at all of its venues.
        self.instrument = self.instruments[0]
        self.size = self.instrument.parse_size(self.params.size)
        self.fast = Average(self.params.average, self.params.fast)
        self.slow = Average(self.params.average, self.params.slow)
        # Bid, ask and time of receipt of a touch that no bar has seen yet.
        self.touch: list[int] = []
        self.bar_end_ns = 0
        self.wanted: int | None = None
        self.wanted_ns = 0

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Keep the newest touch of a live book; several may come in one batch."""
        if top.instrument_id == self.instrument.instrument_id:
            live = top.state == LIVE and top.bid_size > 0 and top.ask_size > 0
            self.touch = [int(top.bid_price), int(top.ask_price), int(top.receive_ns)] if live else []

    def on_batch_end(self) -> None:
        """Close a bar when its time has come, and want what the averages say."""
        if not self.touch or self.now < self.bar_end_ns:
            return
        touch, self.touch = self.touch, []
        self.bar_end_ns = self.now + self.params.bar_ms * NANOSECONDS_PER_MILLISECOND
        middle = (touch[0] + touch[1]) / 2
        self.fast.add(middle)
        self.slow.add(middle)
        if self.slow.ready:
            self.want(self.position_for(self.fast.value / self.slow.value - 1.0), touch)

    def position_for(self, gap: float) -> int:
        """Which position a gap between the averages asks for; within the band it stays what it was."""
        if abs(gap) <= self.params.band_bps * BASIS_POINT:
            # On the side where it was, with the size and the shorts that the settings have now.
            gap = float(self.wanted or 0)
            if gap == 0.0:
                return 0
        if gap > 0:
            return self.size
        return -self.size if self.params.short else 0

    def want(self, net_size: int, touch: list[int]) -> None:
        """Ask for a position when it is another one, or was not reached for a while."""
        missing = net_size - self.held()
        late = missing != 0 and self.now - self.wanted_ns >= self.params.retry_s * 1_000_000_000
        if net_size == self.wanted and not late:
            return
        # What is under way for the last position may still arrive: a change of mind trades towards the new one.
        change = missing if self.wanted is None or net_size == self.wanted else net_size - self.wanted
        self.wanted = net_size
        self.wanted_ns = self.now
        self.emit(
            target(
                self, self.instrument, net_size=net_size, reason=self.words(),
                limit_price=self.limit_price(change, touch), receive_ns=touch[2],
            )
        )  # fmt: skip

    def limit_price(self, change: int, touch: list[int]) -> int:
        """The worst price for a change of the position, so far beyond the touch; 0 for any."""
        share = self.params.slippage_bps * BASIS_POINT
        if share == 0.0:
            return 0
        if change > 0:
            return self.instrument.round_price_up(round(touch[1] * (1.0 + share)))
        return self.instrument.round_price_down(round(touch[0] * (1.0 - share)))

    def held(self) -> int:
        """What it holds, at the scale of the instrument that it looks at."""
        scale = self.instrument.size_scale
        total = 0
        for one in self.instruments:
            if one.base == self.instrument.base:
                total += held(self, one) * 10**scale // 10**one.size_scale
        return total

    def words(self) -> str:
        """The two averages, for people."""
        fast, slow = (self.instrument.format_price(round(one.value)) for one in (self.fast, self.slow))
        return f"{self.params.average} of {self.fast.bars} bars {fast}, of {self.slow.bars} {slow}"

    # ---- words and state

    def summary(self) -> dict[str, object]:
        """A word for the status line."""
        wanted = "nothing yet" if self.wanted is None else self.instrument.format_size(self.wanted)
        return {"status": f"wants {wanted}", "held": self.instrument.format_size(self.held())}

    def panel(self) -> dict[str, object]:
        """What a dashboard draws: the averages and the position."""
        ready = f"{min(self.slow.seen, self.slow.bars)} of {self.slow.bars} bars seen"
        return {
            "kind": "strategy",
            "name": self.name,
            "status": self.words() if self.slow.ready else ready,
            "quoting": False,
            "quotes": [],
            "facts": [
                ["fast", self.instrument.format_price(round(self.fast.value))],
                ["slow", self.instrument.format_price(round(self.slow.value))],
                ["wanted", "-" if self.wanted is None else self.instrument.format_size(self.wanted)],
                ["held", self.instrument.format_size(self.held())],
            ],
        }

    def save(self) -> dict[str, object]:
        """The averages, the touch that waits for its bar, and what was wanted."""
        return {
            "averages": [[one.seen, one.value, list(one.window)] for one in (self.fast, self.slow)],
            "touch": self.touch,
            "bar_end_ns": self.bar_end_ns,
            "wanted": [self.wanted, self.wanted_ns],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        rows = cast("list[tuple[int, float, list[float]]]", state["averages"])
        for one, (seen, value, window) in zip((self.fast, self.slow), rows, strict=True):
            one.seen, one.value = seen, value
            one.window.extend(window)
        self.touch = list(cast("list[int]", state["touch"]))
        self.bar_end_ns = cast(int, state["bar_end_ns"])
        self.wanted, self.wanted_ns = cast("tuple[int | None, int]", state["wanted"])
