"""Every actor of the house through the conformance check, over a simulated run with its accidents."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from actors.limit_keeper import LimitKeeper
from actors.limit_keeper_params import LimitKeeperParams
from actors.paper_params import PaperVenueParams
from actors.paper_venue import PaperVenue
from actors.risk import Risk
from actors.risk_params import RiskParams
from actors.venue_book import VenueBook
from actors.venue_book_params import VenueBookParams
from exchange.agents import MarketAgents
from market.messages import (
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    REJECT_NO_LEASE,
    STALE,
    SYNCING,
    BookStateChanged,
    CancelOrder,
    ConnectionDown,
    ConnectionUp,
    HaltReset,
    Lagging,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    Message,
    OrderFilled,
    OrderRejected,
    PauseQuoting,
    RawFrame,
    RunStarted,
    SnapshotWanted,
    TradingHalted,
)
from runtime.actor import Actor
from runtime.build_core import build_core
from runtime.config.rules import DecimalText
from runtime.lane_core import LaneCore
from strategies.market_maker import MarketMaker
from tests.actors.trading_lane import (
    CONNECTION,
    INSTRUMENT_ID,
    MILLISECOND,
    STANDARD,
    START_NS,
    SimulatedLane,
    Spy,
    plan_of,
    simulated_line,
)
from tests.conformance.check_actor import Input, Listener, check_declarations, check_save_and_load
from tests.exchange.agents_lane import make_conformance_core, market_inputs
from tests.seeds import seeds

ACTORS = SimulatedLane.CLASSES
SILENCE_NS = 4_000 * MILLISECOND
LOST = {200}
SNAPSHOTS = {3, 220, 250}
ACCIDENTS: dict[int, Message] = {
    0: ConnectionUp(CONNECTION, 1),
    40: RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, START_NS, b"{"),
    60: Lagging(300_000_000),
    70: Lagging(0),
    90: PauseQuoting(True, "test"),
    100: PauseQuoting(False, "test"),
    130: TradingHalted("test", "test"),
    150: HaltReset("test"),
    240: ConnectionDown(CONNECTION, 1, "test"),
    245: ConnectionUp(CONNECTION, 2),
}


def make_core() -> LaneCore:
    """The lane of the main job, fresh, with a spy at its end."""
    return build_core(plan_of(ACTORS, {}), "main")


def inputs_with_accidents(seed: int) -> Iterator[Input]:
    """A run in which everything happens once that an actor may have to remember.

    A frame is malformed, one is lost and the snapshot comes late, the lane lags, quoting is paused, trading is halted,
    the feed falls silent, the connection is lost.
    """
    line = simulated_line(seed)
    now_ns = START_NS
    yield RunStarted(now_ns, 1, "", ""), now_ns, True
    for read in range(300):
        now_ns += SILENCE_NS if read == 270 else 5 * MILLISECOND
        if read in ACCIDENTS:
            yield ACCIDENTS[read], now_ns, False
        for number, data in enumerate(frames := line.step(now_ns), start=1):
            if read not in LOST:
                yield RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, now_ns, data), now_ns, number == len(frames)
        if read in SNAPSHOTS:
            yield RawFrame(CONNECTION, FRAME_SNAPSHOT, INSTRUMENT_ID, now_ns, line.snapshot()), now_ns, True


def make_leased_core() -> LaneCore:
    """The same with limits that are leased, and too small for what the strategy wants."""
    standard = STANDARD[Risk]
    assert isinstance(standard, RiskParams)
    leased = attrs.evolve(standard, leased=True, maximum_order_notional=DecimalText("700"), lease_orders=2)
    tight = LimitKeeperParams(
        maximum_exposure={"USDT": DecimalText("900")}, maximum_open_orders=3, lease_ms=SILENCE_NS // 2 // MILLISECOND
    )
    return build_core(plan_of((LimitKeeper, *ACTORS), {Risk: leased, LimitKeeper: tight}), "main")


def make_delayed_core() -> LaneCore:
    """The same with depth, reports that come back late, and delays from a measured distribution."""
    deep = VenueBookParams(dialect="venues.binance:BinanceSpot", depth_levels=5)
    late = PaperVenueParams(
        quantiles_us=(200, 1_000, 9_000), report_latency_us=1_000, report_jitter_us=3_000, cancels_ahead="squared",
        pair_ms=20,
    )  # fmt: skip
    return build_core(plan_of(ACTORS, {VenueBook: deep, PaperVenue: late}), "main")


@pytest.mark.parametrize("class_", [*ACTORS, LimitKeeper, Spy], ids=lambda class_: class_.__name__)
def test_declarations_are_true(class_: type[Actor]) -> None:
    """Handlers exist, what is owned is given, state that is saved can be loaded."""
    check_declarations(class_)


@pytest.mark.parametrize("class_", ACTORS, ids=lambda class_: class_.__name__)
@pytest.mark.parametrize("seed", seeds(1, 10))
def test_save_load_and_go_on_equals_going_on(class_: type[Actor], seed: int) -> None:
    """Wherever an actor is stopped and taken up again, it goes on as if nothing had happened."""
    inputs = list(inputs_with_accidents(seed))
    check_save_and_load(make_core, class_, inputs, range(0, len(inputs), 23))


@pytest.mark.parametrize("class_", [LimitKeeper, Risk], ids=lambda class_: class_.__name__)
@pytest.mark.parametrize("seed", seeds(1, 10))
def test_leases_are_saved_and_loaded(class_: type[Actor], seed: int) -> None:
    """What is lent and what is held, asked for and refused goes on as if nothing had happened."""
    inputs = list(inputs_with_accidents(seed))
    check_save_and_load(make_leased_core, class_, inputs, range(0, len(inputs), 71))


@pytest.mark.parametrize("seed", seeds(1, 10))
def test_a_paper_venue_with_late_reports_goes_on_the_same(seed: int) -> None:
    """What is on its way there and back, levels behind the touch and places in queues are saved and loaded."""
    inputs = list(inputs_with_accidents(seed))
    check_save_and_load(make_delayed_core, PaperVenue, inputs, range(0, len(inputs), 37))


def test_the_leased_run_is_worth_checking() -> None:
    """Leases are asked for, granted, given back, and missing when an order would need one."""
    listener = Listener(make_leased_core())
    for one in inputs_with_accidents(0):
        listener.take(one)
    heard = getattr(listener.core.slots[-1].actor, "heard", [])
    assert {LeaseWanted, LeaseGranted, LeaseReturned, OrderFilled} <= {type(message) for message in heard}
    assert REJECT_NO_LEASE in {message.code for message in heard if isinstance(message, OrderRejected)}


def test_the_run_is_worth_checking() -> None:
    """The recorded run has what it takes: fills, cancels, states that change, snapshots asked for."""
    listener = Listener(make_core())
    for one in inputs_with_accidents(0):
        listener.take(one)
    heard = getattr(listener.core.slots[-1].actor, "heard", [])
    kinds = {type(message) for message in heard}
    states = {message.state for message in heard if isinstance(message, BookStateChanged)}
    assert {SYNCING, LIVE, STALE} <= states
    assert {OrderFilled, CancelOrder, BookStateChanged, SnapshotWanted, TradingHalted} <= kinds


def test_the_agents_of_a_market_go_on_too() -> None:
    """The same for the agents of a simulated market, across a halt."""
    check_declarations(MarketAgents)
    inputs = list(market_inputs())
    check_save_and_load(make_conformance_core, MarketAgents, inputs, range(1, len(inputs), 3))


class Forgetful(MarketMaker):
    """Forgets, when it is saved, that it was paused."""

    def save(self) -> dict[str, object]:
        """Everything but what forbids quotes."""
        return {**super().save(), "flags": [False, False, False]}


def test_a_forgetful_actor_would_be_found() -> None:
    """The check sees state that is not saved."""
    classes = tuple(Forgetful if one is MarketMaker else one for one in ACTORS)
    inputs = list(inputs_with_accidents(0))
    with pytest.raises(AssertionError, match="goes on differently"):
        check_save_and_load(
            lambda: build_core(plan_of(classes, {Forgetful: STANDARD[MarketMaker]}), "main"),
            Forgetful,
            inputs,
            range(100, 160, 5),
        )
