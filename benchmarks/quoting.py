"""What one requote of the shipped market maker costs: a touch and a fair value come, three levels a side leave.

Every step moves the price by more than the threshold, so every step tells both ladders anew, with their reason. The
reference is the same strategy as one would write it first: plain Python, a list of levels, a formatted text. Both give
a checksum over every price and size, which must be equal.
"""

from __future__ import annotations

from math import ceil, floor
from random import Random
from time import perf_counter_ns
from typing import Final

from benchmarks.figures import Measured, Run, Sample, figure
from market.instruments import Instrument, InstrumentTable
from market.messages import LIVE, MAX_SCHEMA_ID, FairValue, TopOfBook, WantedQuotes, schema_id_of
from runtime.actor import ActorSetup, Outlet
from runtime.config.rules import DecimalText
from runtime.ledger import Ledger
from strategies.market_maker import MarketMaker
from strategies.market_maker_params import MarketMakerParams

STEPS: Final = 5_000
# What was told is looked at, and forgotten, after so many steps; a lane forgets it after each.
TOGETHER: Final = 20
LEVELS: Final = 3
SIZE: Final = 1_000
MAXIMUM: Final = 10_000
HALF_SPREAD_BPS: Final = 2.0
SPACING_BPS: Final = 1.0
STEP_NS: Final = 1_000_000
START_NS: Final = 1_700_000_000_000_000_000

INSTRUMENT: Final = Instrument.from_text(
    instrument_id=1, symbol="BTC/USDT", venue="binance", venue_symbol="BTCUSDT", base="BTC", quote="USDT", kind="spot",
    tick="0.01", lot="0.00001", minimum_size="0.00001", minimum_notional="5", maker_fee_bps="0.1",
)  # fmt: skip
PARAMS: Final = MarketMakerParams(
    size=DecimalText("0.01"), maximum_position=DecimalText("0.1"), levels=LEVELS, half_spread_bps=HALF_SPREAD_BPS,
    level_spacing_bps=SPACING_BPS, moves_per_batch=0,
)  # fmt: skip

Step = tuple[TopOfBook, FairValue]


def seeded_steps(seed: int = 1) -> list[Step]:
    """A price that moves by one to three basis points with every step."""
    random = Random(seed)
    middle = 6_000_000.0
    steps = []
    for number in range(STEPS):
        middle *= 1.0 + random.choice((-1, 1)) * random.uniform(1e-4, 3e-4)
        bid = floor(middle) - random.randrange(1, 50)
        ask = bid + random.randrange(2, 100)
        now_ns = START_NS + number * STEP_NS
        top = TopOfBook(1, LIVE, bid, random.randrange(1, 10**6), ask, random.randrange(1, 10**6), number, 0, now_ns)
        steps.append((top, FairValue(1, (bid + ask) / 2.0, 1.0, now_ns)))
    return steps


def shipped(steps: list[Step]) -> Sample:
    """Microseconds a requote of `MarketMaker`, called from Python."""
    outlet = Outlet(Ledger(), 1_000_000)
    setup = ActorSetup("maker", 1, PARAMS, InstrumentTable([INSTRUMENT]), [1], {"maker": 1}, outlet)
    setup.declared.extend([False] * (MAX_SCHEMA_ID + 1))
    setup.declared[schema_id_of(WantedQuotes)] = True
    maker = MarketMaker(setup)
    outlet.now_ns = START_NS
    on_top, on_fair, on_end = maker.on_top_of_book, maker.on_fair_value, maker.on_batch_end
    checksum = taken_ns = 0
    for begin in range(0, len(steps), TOGETHER):
        start_ns = perf_counter_ns()
        for top, fair in steps[begin : begin + TOGETHER]:
            on_top(top)
            on_fair(fair)
            on_end()
        taken_ns += perf_counter_ns() - start_ns
        for told in outlet.queue:
            assert isinstance(told, WantedQuotes)
            for place in range(len(told.bid_prices)):
                checksum = mixed(checksum, told.bid_prices[place], told.bid_sizes[place])
                checksum = mixed(checksum, told.ask_prices[place], told.ask_sizes[place])
        outlet.queue.clear()
    return taken_ns / len(steps) / 1_000, checksum


class PlainMaker:
    """The same quotes, written plainly."""

    def __init__(self) -> None:
        self.held = 0
        self.told: list[tuple[list[tuple[int, int]], list[tuple[int, int]], str]] = []

    def requote(self, top: TopOfBook, fair: FairValue) -> None:
        """Both ladders around the fair value."""
        lean = max(-1.0, min(1.0, self.held / MAXIMUM))
        centre = fair.price * (1.0 - lean * 2.0 * 1e-4)
        fee_bps = INSTRUMENT.maker_fee_ppm / 100.0
        half = fair.price * (HALF_SPREAD_BPS + 0.0 + fee_bps) * 1e-4
        spacing = fair.price * (SPACING_BPS * 1e-4)
        bids: list[tuple[int, int]] = []
        asks: list[tuple[int, int]] = []
        bid_target, ask_target = centre - half, centre + half
        highest, lowest = top.ask_price - INSTRUMENT.tick, top.bid_price + INSTRUMENT.tick
        bid_room, ask_room = MAXIMUM - self.held, MAXIMUM + self.held
        for _ in range(LEVELS):
            bid = min(INSTRUMENT.round_price_down(floor(bid_target)), highest)
            ask = max(INSTRUMENT.round_price_up(ceil(ask_target)), lowest)
            bid_size = INSTRUMENT.round_size_down(min(SIZE, bid_room))
            ask_size = INSTRUMENT.round_size_down(min(SIZE, ask_room))
            if bid_size >= INSTRUMENT.minimum_size and bid * bid_size >= INSTRUMENT.minimum_notional:
                bids.append((bid, bid_size))
            if ask_size >= INSTRUMENT.minimum_size and ask * ask_size >= INSTRUMENT.minimum_notional:
                asks.append((ask, ask_size))
            bid_room, ask_room = bid_room - bid_size, ask_room - ask_size
            highest, lowest = bid - INSTRUMENT.tick, ask + INSTRUMENT.tick
            bid_target, ask_target = bid_target - spacing, ask_target + spacing
        reason = (
            f"fair {fair.price / 100:.2f}; half {HALF_SPREAD_BPS + fee_bps:.2f} bps = base {HALF_SPREAD_BPS:.2f} + "
            f"volatility {0.0:.2f} + fee {fee_bps:.2f}; skew {-lean * 2.0:.2f} bps; "
            f"held {INSTRUMENT.format_size(self.held)}"
        )
        self.told.append((bids, asks, reason))


def plain(steps: list[Step]) -> Sample:
    """Microseconds a requote of the reference."""
    maker = PlainMaker()
    checksum = taken_ns = 0
    for begin in range(0, len(steps), TOGETHER):
        start_ns = perf_counter_ns()
        for top, fair in steps[begin : begin + TOGETHER]:
            maker.requote(top, fair)
        taken_ns += perf_counter_ns() - start_ns
        for bids, asks, _ in maker.told:
            for (bid, bid_size), (ask, ask_size) in zip(bids, asks, strict=True):
                checksum = mixed(mixed(checksum, bid, bid_size), ask, ask_size)
        maker.told.clear()
    return taken_ns / len(steps) / 1_000, checksum


def mixed(checksum: int, price: int, size: int) -> int:
    """One level more in the checksum."""
    return (checksum * 31 + price * 7 + size) % (1 << 61)


@figure(name="strategy.quote_us", unit="us", limit=1.5)
def strategy_quote(run: Run) -> Measured:
    """A touch and a fair value in, three levels a side with their reason out."""
    steps = seeded_steps()
    return run.measure(lambda: shipped(steps), "plain Python", lambda: plain(steps))
