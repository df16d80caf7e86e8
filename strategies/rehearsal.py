"""A strategy in the lane that it will run in, fed by hand, for tests of one's own: no clock, no task, no network.

    lane = Rehearsal(Path(__file__).with_name("my.toml"))
    lane.show(bid="60000.00", ask="60000.01")
    assert lane.orders() == [("buy", "60000.00", "0.01000"), ("sell", "60000.01", "0.01000")]

The lane has the strategy, the order manager, risk, the paper venue and the portfolio of the configuration, as a run
has them; only what the venues would send comes from the test. Time stands still until `wait` lets it pass.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Final

from market.instruments import Instrument
from market.messages import (
    BUY,
    LIVE,
    BookStateChanged,
    ConfigChanged,
    Message,
    PublicTrade,
    RunStarted,
    TimerFired,
    TopOfBook,
)
from market.order_life import is_cancel_pending
from runtime.actor import Strategy
from runtime.build_core import build_core
from runtime.classes import params_of
from runtime.config.load import load_config
from runtime.lane_core import LaneCore
from runtime.trial import plan_checked

START_NS: Final = 1_700_000_000_000_000_000
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

Order = tuple[str, str, str]
"""Side (buy or sell), price and size, as people write them."""


class Rehearsal:
    """See the head of this file."""

    def __init__(self, config: Path, lane: str = "main") -> None:
        """The lane of a configuration, at the first input of a run; the environment overrides nothing."""
        blueprint = plan_checked(load_config(config, environment={}, params_of=params_of))
        self.instruments: Final[list[Instrument]] = list(blueprint.instruments)
        self.core: Final[LaneCore] = build_core(blueprint, lane)
        self.decided: Final[list[Message]] = []
        self.core.on_decision = lambda message, _sequence: self.decided.append(message)
        self.now_ns = START_NS
        self.take(RunStarted(START_NS, 1, "", ""))

    def take(self, *messages: Message) -> None:
        """One batch of inputs; whatever an actor raised is raised here."""
        for number, message in enumerate(messages, start=1):
            self.core.take(message, self.now_ns, number == len(messages))
        for failure in self.core.reported:
            raise failure.error

    def show(
        self, bid: str, ask: str, bid_size: str = "1", ask_size: str = "1", state: int = LIVE, place: int = 0
    ) -> None:
        """A venue's touch, of the first instrument unless another place is named."""
        one = self.instruments[place]
        prices = one.parse_price(bid), one.parse_price(ask)
        sizes = one.parse_size(bid_size), one.parse_size(ask_size)
        changed = BookStateChanged(one.instrument_id, state, "rehearsed", self.now_ns, self.now_ns)
        top = TopOfBook(
            one.instrument_id, state, prices[0], sizes[0], prices[1], sizes[1], 1, self.now_ns, self.now_ns
        )
        self.take(changed, top)

    def trade(self, price: str, size: str, side: int = BUY, place: int = 0) -> None:
        """Somebody else's trade; `side` is that of who took."""
        one = self.instruments[place]
        now_ns = self.now_ns
        at, much = one.parse_price(price), one.parse_size(size)
        self.take(PublicTrade(one.instrument_id, now_ns, at, much, side, now_ns, now_ns))

    def change(self, name: str, key: str, value: str) -> bool:
        """A setting of a strategy changes while it runs, to a value as TOML writes it; says whether it was taken."""
        actor = next(slot.actor for slot in self.core.slots if slot.name == name)
        assert isinstance(actor, Strategy)
        before = len(actor.setup.changes)
        self.take(ConfigChanged(f"actors.{name}.params.{key}", value))
        return len(actor.setup.changes) > before

    def wait(self, milliseconds: float) -> None:
        """Let time pass: orders arrive at the paper venue, reports come back, timers fire."""
        end_ns = self.now_ns + round(milliseconds * NANOSECONDS_PER_MILLISECOND)
        while (first := self.core.timers.first()) is not None and first[0] <= end_ns:
            due_ns, actor_id, timer_id = first
            self.now_ns = max(self.now_ns, due_ns)
            self.take(TimerFired(actor_id, timer_id, due_ns))
        self.now_ns = end_ns

    def orders(self) -> list[Order]:
        """The orders that are open and not being cancelled, bids first, the best of each side first."""
        rows = []
        for order in self.core.ledger.working_orders():
            if is_cancel_pending(order.state):
                continue
            one = self.instrument(order.instrument_id)
            word = "buy" if order.side == BUY else "sell"
            row = (word, one.format_price(order.price), one.format_size(order.size - order.filled))
            rows.append((order.side != BUY, -order.side * Decimal(row[1]), row))
        return [row for _, _, row in sorted(rows)]

    def position(self, place: int = 0) -> str:
        """What is held of an instrument, over all strategies, as text."""
        one = self.instruments[place]
        return one.format_size(self.core.ledger.net_size(one.instrument_id))

    def instrument(self, instrument_id: int) -> Instrument:
        """An instrument by its number."""
        return next(one for one in self.instruments if one.instrument_id == instrument_id)
