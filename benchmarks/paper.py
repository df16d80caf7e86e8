"""What a step of the paper venue costs: a trade at ten resting orders, judged by three models, and a quiet touch.

The trades are seeded. Most come at the price of the orders, some go through it; each moves up every order in the queue
and fills the first ones in part, in up to three accounts, with messages and exact fees. The reference is the slow
market of `benchmarks/paper_naive.py`, which takes the same trades and must fill the same.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from random import Random
from time import perf_counter_ns
from typing import Final

from actors.paper_params import PaperVenueParams
from actors.paper_venue import PaperVenue
from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.paper_loops import play_touches, play_trades
from benchmarks.paper_naive import NaiveOrder, NaivePaper
from market.instruments import Instrument, InstrumentTable
from market.messages import BUY, GTC, LIMIT, LIVE, MAX_SCHEMA_ID, SELL, NewOrder, PublicTrade, TimerFired, TopOfBook
from runtime.actor import ActorSetup, Outlet
from runtime.ledger import Ledger

ORDERS: Final = 10
TRADES: Final = 2_000
TOUCHES: Final = 20_000
BID: Final = 6_000_000
ASK: Final = 6_000_100
ORDER_SIZE: Final = 10**12
START_NS: Final = 1_700_000_000_000_000_000
STEP_NS: Final = 1_000_000
CALL_LIMIT: Final = 1_000_000

INSTRUMENT: Final = Instrument.from_text(
    instrument_id=1, symbol="BTC/USDT", venue="binance", venue_symbol="BTCUSDT", base="BTC", quote="USDT", kind="spot",
    tick="0.01", lot="0.00001", minimum_size="0.00001", maker_fee_bps="1", taker_fee_bps="5",
)  # fmt: skip


@cache
def seeded_trades() -> list[PublicTrade]:
    """Trades of sellers, a millisecond apart: at the price of the orders, one in ten through it."""
    random = Random(1)
    return [
        PublicTrade(
            1, number, BID - (10 if random.random() < 0.1 else 0), random.randint(100, 1_000), SELL, START_NS,
            START_NS + number * STEP_NS,
        )
        for number in range(1, TRADES + 1)
    ]  # fmt: skip


@cache
def quiet_touches() -> list[TopOfBook]:
    """Touches that move above the orders and below nothing of ours."""
    random = Random(2)
    return [
        TopOfBook(
            1, LIVE, BID + random.randint(10, 50), random.randint(1, 1_000_000), ASK + random.randint(10, 50),
            random.randint(1, 1_000_000), number, START_NS, START_NS + number * STEP_NS,
        )
        for number in range(1, TOUCHES + 1)
    ]  # fmt: skip


def resting_venue() -> tuple[PaperVenue, Outlet]:
    """A venue with ten orders that rest at the bid, behind one another."""
    outlet = Outlet(Ledger(), CALL_LIMIT)
    table = InstrumentTable([INSTRUMENT])
    setup = ActorSetup("paper", 1, PaperVenueParams(latency_us=0, jitter_us=0), table, [1], {}, outlet)
    setup.declared.extend([True] * (MAX_SCHEMA_ID + 1))
    venue = PaperVenue(setup)
    outlet.now_ns = START_NS
    venue.on_top_of_book(TopOfBook(1, LIVE, BID, 5_000, ASK, 5_000, 1, START_NS, START_NS))
    for number in range(1, ORDERS + 1):
        order = NewOrder(number, 0, 9, 1, BUY, LIMIT, GTC, BID, ORDER_SIZE, 0, 0, True, False, 0, START_NS)
        venue.on_order(order)
        venue.on_timer(TimerFired(1, 1, START_NS))
    outlet.queue.clear()
    outlet.timer_requests.clear()
    return venue, outlet


def resting_reference() -> NaivePaper:
    """The same orders in the slow market."""
    paper = NaivePaper("linear", Fraction(0), 200_000_000)
    paper.show(True, (BID, 5_000), (ASK, 5_000), START_NS)
    for number in range(1, ORDERS + 1):
        paper.place(NaiveOrder(number, BUY, BID, ORDER_SIZE, True), START_NS)
    return paper


def trades() -> Sample:
    """Nanoseconds a trade, messages made and read."""
    venue, outlet = resting_venue()
    todo = seeded_trades()
    start_ns = perf_counter_ns()
    checksum = play_trades(venue, todo, outlet)
    return (perf_counter_ns() - start_ns) / len(todo), checksum


def naive_trades() -> Sample:
    """The same in plain Python."""
    paper = resting_reference()
    todo = seeded_trades()
    checksum = 0
    start_ns = perf_counter_ns()
    for trade in todo:
        paper.trade(trade.price, trade.size, trade.aggressor_side, trade.receive_ns)
        for order_id, model, price, size, _, liquidity in paper.fills:
            checksum += (order_id + price + size) * (model + 1) + INSTRUMENT.fee(price, size, liquidity)
        paper.fills.clear()
    return (perf_counter_ns() - start_ns) / len(todo), checksum


def touches() -> Sample:
    """Nanoseconds a touch that touches nothing."""
    venue, outlet = resting_venue()
    todo = quiet_touches()
    start_ns = perf_counter_ns()
    told = play_touches(venue, todo, outlet)
    return (perf_counter_ns() - start_ns) / len(todo), int(told)


def naive_touches() -> Sample:
    """The same in plain Python."""
    paper = resting_reference()
    todo = quiet_touches()[: TOUCHES // 10]
    start_ns = perf_counter_ns()
    for touch in todo:
        bid, ask = (touch.bid_price, touch.bid_size), (touch.ask_price, touch.ask_size)
        paper.show(True, bid, ask, touch.receive_ns)
    return (perf_counter_ns() - start_ns) / len(todo), len(paper.fills)


def _measured(run: Run, subject: Callable[[], Sample], reference: Callable[[], Sample]) -> Measured:
    return run.measure(subject, "the slow market", reference)


@figure(name="paper.fill_step_ns", unit="ns", limit=1_000)
def fill_step(run: Run) -> Measured:
    """One trade against ten resting orders, in three models, from the message in to the messages out."""
    return _measured(run, trades, naive_trades)


@figure(name="paper.quiet_touch_ns", unit="ns", limit=150)
def quiet_touch(run: Run) -> Measured:
    """One touch that comes to no order of ours, with ten resting."""
    return _measured(run, touches, naive_touches)
