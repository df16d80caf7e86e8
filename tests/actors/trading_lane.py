"""A lane of trading actors without clock, task or file: tests hand it inputs at stated times and look at what was said.

`TradingLane(Risk, PaperVenue)` is a lane of just these; `simulated_lane()` is the main job's whole lane with the market
of a seed before it. Timers fire as their time comes, before the input of that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from actors.fair_value import FairValueActor
from actors.fair_value_params import FairValueParams
from actors.limit_keeper import LimitKeeper
from actors.limit_keeper_params import LimitKeeperParams
from actors.order_manager import OrderManager
from actors.order_manager_params import OrderManagerParams
from actors.paper_params import PaperVenueParams
from actors.paper_venue import PaperVenue
from actors.portfolio import Portfolio
from actors.risk import Risk
from actors.risk_params import RiskParams
from actors.venue_book import VenueBook
from actors.venue_book_params import VenueBookParams
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    GTC,
    LIMIT,
    LIVE,
    MESSAGE_TYPES,
    BatchMark,
    ChildOrder,
    ConnectionUp,
    Message,
    NewOrder,
    RawFrame,
    RunStarted,
    SnapshotWanted,
    TimerFired,
    TopOfBook,
)
from runtime.actor import Actor
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.config.rules import DecimalText
from strategies.market_maker import MarketMaker
from strategies.market_maker_params import MarketMakerParams
from tests.runtime.lanes import node_of
from venues.binance import BinanceSpot
from venues.simulated import Line
from venues.simulated_market import MarketShape, SimulatedMarket

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
START_NS = 1_700_000_000 * SECOND
SESSION = 5
CONNECTION = 1
INSTRUMENT_ID = 1

INSTRUMENT = Instrument.from_text(
    instrument_id=INSTRUMENT_ID, symbol="BTC/USDT", venue="binance", venue_symbol="BTCUSDT", base="BTC", quote="USDT",
    kind="spot", tick="0.01", lot="0.00001", minimum_size="0.00001", minimum_notional="5", maker_fee_bps="1",
    taker_fee_bps="5",
)  # fmt: skip

STANDARD: dict[type[Actor], object] = {
    VenueBook: VenueBookParams(dialect="venues.binance:BinanceSpot"),
    FairValueActor: FairValueParams(),
    OrderManager: OrderManagerParams(),
    Risk: RiskParams(
        maximum_order_size=DecimalText("0.05"), maximum_order_notional=DecimalText("10000"),
        maximum_position=DecimalText("0.1"), maximum_daily_loss=DecimalText("1000"),
    ),
    LimitKeeper: LimitKeeperParams(maximum_exposure={"USDT": DecimalText("5000")}, maximum_open_orders=20),
    PaperVenue: PaperVenueParams(),
    Portfolio: None,
    MarketMaker: MarketMakerParams(
        size=DecimalText("0.01"), maximum_position=DecimalText("0.05"), half_spread_bps=0.4, skew_bps=0.5,
        requote_bps=0.25, fee_share=0.0,
    ),
}  # fmt: skip

M = TypeVar("M", bound=Message)
A = TypeVar("A", bound=Actor)


class Spy(Actor):
    """Hears everything and says nothing."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        message_type: "hear" for message_type in MESSAGE_TYPES.values() if message_type is not BatchMark
    }
    heard: list[Message]

    def hear(self, message: Message) -> None:
        """Note a message."""
        if not hasattr(self, "heard"):
            self.heard = []
        self.heard.append(message)


def plan_of(classes: tuple[type[Actor], ...], params: Mapping[type[Actor], object]) -> Blueprint:
    """A plan of one lane with these actors, the standard settings except those given, and a spy at its end."""
    chosen = {**STANDARD, **params}
    nodes = [node_of(one, number, params=chosen[one]) for number, one in enumerate(classes, start=1)]
    nodes.append(node_of(Spy, len(nodes) + 1))
    return Blueprint(SystemConfig(), InstrumentTable([INSTRUMENT]), {"btc": INSTRUMENT_ID}, tuple(nodes), ())


class TradingLane:
    """See the head of this file."""

    def __init__(self, *classes: type[Actor], params: Mapping[type[Actor], object] | None = None) -> None:
        self.core = build_core(plan_of(classes, params or {}), "main")
        self.now_ns = START_NS
        self.core.take(RunStarted(START_NS, SESSION, "", ""), START_NS, True)

    @property
    def heard(self) -> list[Message]:
        """Everything that was said so far, in order."""
        return getattr(self.core.slots[-1].actor, "heard", [])

    def of(self, message_type: type[M]) -> list[M]:
        """Everything of one type that was said so far."""
        return [message for message in self.heard if isinstance(message, message_type)]

    def forget(self) -> None:
        """Begin a new protocol."""
        self.heard.clear()

    def actor(self, class_: type[A]) -> A:
        """The actor of a class."""
        found = next(slot.actor for slot in self.core.slots if isinstance(slot.actor, class_))
        assert isinstance(found, class_)
        return found

    def take(self, *messages: Message) -> None:
        """One batch of inputs now."""
        for number, message in enumerate(messages, start=1):
            self.core.take(message, self.now_ns, number == len(messages))

    def pass_ms(self, milliseconds: float) -> None:
        """Let time pass; timers fire as they come due."""
        end_ns = self.now_ns + round(milliseconds * MILLISECOND)
        while (first := self.core.timers.first()) is not None and first[0] <= end_ns:
            due_ns, actor_id, timer_id = first
            self.now_ns = max(self.now_ns, due_ns)
            self.core.take(TimerFired(actor_id, timer_id, due_ns), self.now_ns, True)
        self.now_ns = end_ns

    def failures(self) -> list[str]:
        """What failed so far."""
        return [f"{failure.slot.name}: {failure.error!r}" for failure in self.core.reported]


class SimulatedLane(TradingLane):
    """The whole lane of the main job behind the market of a seed."""

    CLASSES: ClassVar[tuple[type[Actor], ...]] = (
        VenueBook, FairValueActor, OrderManager, Risk, PaperVenue, Portfolio, MarketMaker,
    )  # fmt: skip

    def __init__(self, seed: int = 1, params: Mapping[type[Actor], object] | None = None) -> None:
        super().__init__(*self.CLASSES, params=params)
        self.line = simulated_line(seed)
        self.answered = 0
        self.take(ConnectionUp(CONNECTION, 1))
        self.answer()

    def answer(self) -> None:
        """Send the snapshots that were asked for."""
        asked = len(self.of(SnapshotWanted))
        if asked > self.answered:
            self.answered = asked
            self.take(RawFrame(CONNECTION, FRAME_SNAPSHOT, INSTRUMENT_ID, self.now_ns, self.line.snapshot()))

    def read(self, lose: bool = False) -> None:
        """The next read of the feed, five milliseconds later; it may get lost."""
        self.pass_ms(5)
        frames = self.line.step(self.now_ns)
        if not lose:
            self.take(*(RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, self.now_ns, data) for data in frames))
        self.answer()

    def run(self, reads: int) -> None:
        """Many reads."""
        for _ in range(reads):
            self.read()


def simulated_line(seed: int) -> Line:
    """The market of a seed and its encoder."""
    shape = MarketShape(initial_price=6_000_000, grid=60, lot=1)
    encoder = BinanceSpot().encoder("BTCUSDT", INSTRUMENT.price_scale, INSTRUMENT.size_scale)
    return Line(INSTRUMENT_ID, SimulatedMarket(seed, shape), encoder)


def top(bid: int, ask: int, bid_size: int = 100_000, ask_size: int = 100_000, state: int = LIVE) -> TopOfBook:
    """A touch in ticks of 0.01 and lots of 0.00001."""
    return TopOfBook(INSTRUMENT_ID, state, bid, bid_size, ask, ask_size, 1, START_NS, START_NS)


def child(order_id: int, side: int, price: int, size: int, strategy_id: int = 90) -> ChildOrder:
    """A post-only limit order on its way to risk."""
    return ChildOrder(
        order_id, 0, strategy_id, INSTRUMENT_ID, side, LIMIT, GTC, price, size, 0, 0, True, False, 0, START_NS
    )


def sent(
    order_id: int, side: int, price: int, size: int, *, time_in_force: int = GTC, post_only: bool = False,
    order_type: int = LIMIT,
) -> tuple[ChildOrder, NewOrder]:  # fmt: skip
    """An order that risk has passed: what the ledger wants to have seen before, and what the venue takes."""
    fields = (
        order_id, 0, 90, INSTRUMENT_ID, side, order_type, time_in_force, price, size, 0, 0, post_only, False, 0,
        START_NS,
    )  # fmt: skip
    return ChildOrder(*fields), NewOrder(*fields)
