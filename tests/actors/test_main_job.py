"""The lane of the main job as a whole: it quotes, leans, pulls its quotes, and holds what was filled."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest

from actors.portfolio import Portfolio
from actors.risk import Risk
from actors.risk_params import RiskParams
from actors.venue_book import VenueBook
from market.messages import (
    BUY,
    FRAME_STREAM,
    MAKER,
    SELL,
    BookStateChanged,
    CancelOrder,
    HaltReset,
    Lagging,
    NewOrder,
    OrderFilled,
    PauseQuoting,
    PositionChanged,
    RawFrame,
    ShutdownRequested,
    TradingHalted,
    WantedQuotes,
)
from runtime.blueprint import draw_blueprint
from runtime.classes import params_of
from runtime.config.load import load_config
from runtime.config.rules import DecimalText
from tests.actors.trading_lane import CONNECTION, INSTRUMENT, INSTRUMENT_ID, STANDARD, SimulatedLane
from tests.data import ROOT
from tests.seeds import seeds


def working_sides(lane: SimulatedLane) -> Counter[int]:
    """How many orders are open on each side."""
    return Counter(order.side for order in lane.core.ledger.working_orders())


def test_quotes_both_sides_around_the_fair_value() -> None:
    """Soon after the first snapshot there is a bid below and an ask above the true mid."""
    lane = SimulatedLane()
    lane.run(10)
    assert working_sides(lane) == {BUY: 1, SELL: 1}
    wants = lane.of(WantedQuotes)[-1]
    assert float(wants.bid_prices[0]) < wants.fair_value < float(wants.ask_prices[0])
    assert wants.bid_prices[0] % INSTRUMENT.tick == 0
    assert lane.failures() == []


def test_gap_pulls_the_quotes_in_the_same_step_and_they_come_back() -> None:
    """A lost frame makes the book unusable: both quotes are cancelled at once, and return with the new snapshot."""
    lane = SimulatedLane()
    lane.run(20)
    lane.read(lose=True)
    lane.pass_ms(5)
    lane.forget()
    lane.answered = 0
    for frame in lane.line.step(lane.now_ns):
        lane.take(RawFrame(CONNECTION, FRAME_STREAM, INSTRUMENT_ID, lane.now_ns, frame))
    assert len(lane.of(BookStateChanged)) == 1
    assert len(lane.of(CancelOrder)) == 2
    lane.run(60)
    assert working_sides(lane) == {BUY: 1, SELL: 1}
    assert lane.core.anomalies == []


def test_silence_pulls_the_quotes() -> None:
    """A feed that says nothing for too long leaves nothing working."""
    lane = SimulatedLane()
    lane.run(20)
    lane.pass_ms(4_000)
    assert working_sides(lane) == {}
    lane.run(10)
    assert working_sides(lane) == {BUY: 1, SELL: 1}


@pytest.mark.parametrize(
    ("forbids", "allows"),
    [(Lagging(300_000_000), Lagging(0)), (PauseQuoting(True, "test"), PauseQuoting(False, "test"))],
    ids=["lagging", "paused"],
)
def test_quotes_are_pulled_while_forbidden_and_come_back(forbids: Lagging, allows: Lagging) -> None:
    """The quotes go, stay away while the market moves on, and are back soon after it may quote again."""
    lane = SimulatedLane()
    lane.run(20)
    lane.take(forbids)
    lane.run(20)
    assert working_sides(lane) == {}
    lane.take(allows)
    lane.run(10)
    assert working_sides(lane) == {BUY: 1, SELL: 1}


def test_halt_cancels_everything_and_latches() -> None:
    """After a halt nothing is working and nothing is sent until a person resets it."""
    lane = SimulatedLane()
    lane.run(20)
    lane.take(TradingHalted("test", "test"))
    lane.run(10)
    assert working_sides(lane) == {}
    lane.forget()
    lane.run(50)
    assert lane.of(NewOrder) == []
    lane.take(HaltReset("test"))
    lane.run(10)
    assert working_sides(lane) == {BUY: 1, SELL: 1}


def test_shutdown_leaves_nothing_working() -> None:
    """When it is asked to end, the quotes are cancelled and none comes back."""
    lane = SimulatedLane()
    lane.run(20)
    lane.take(ShutdownRequested("test", 0))
    lane.run(20)
    assert working_sides(lane) == {}


def test_loss_beyond_the_limit_halts() -> None:
    """The smallest limit is reached by the first fills, and the halt says by what."""
    standard = STANDARD[Risk]
    assert isinstance(standard, RiskParams)
    tight = attrs.evolve(standard, maximum_daily_loss=DecimalText("0.00001"))
    lane = SimulatedLane(params={Risk: tight})
    lane.run(1_000)
    assert lane.core.ledger.halted
    assert "maximum_daily_loss" in lane.core.ledger.halt_reason
    assert working_sides(lane) == {}


@pytest.mark.parametrize("seed", seeds(3, 50))
def test_position_is_the_sum_of_the_fills(seed: int) -> None:
    """Ledger, portfolio and the fills agree on position, cash and fees, and nothing contradicts the rules."""
    lane = SimulatedLane(seed)
    lane.run(1_500)
    fills = lane.of(OrderFilled)
    assert len(fills) > 3
    net_size = sum(fill.side * fill.size for fill in fills)
    cash = -sum(fill.side * fill.size * fill.price for fill in fills)
    fees = sum(fill.fee for fill in fills)
    assert lane.core.ledger.net_size(INSTRUMENT_ID) == net_size
    held, holding = lane.actor(Portfolio).queue.held(INSTRUMENT_ID)
    mark = lane.actor(Portfolio).marks[INSTRUMENT_ID].mid
    assert (held, holding.fees) == (net_size, fees)
    assert holding.profit == cash + net_size * mark - fees
    last = lane.of(PositionChanged)[-1]
    assert (last.net_size, last.realised, last.fees) == (net_size, holding.realised, fees)
    assert len(lane.of(PositionChanged)) == len(fills)
    assert fees == sum(INSTRUMENT.fee(fill.price, fill.size, MAKER) for fill in fills)
    assert (lane.failures(), lane.core.anomalies) == ([], [])


@pytest.mark.parametrize("seed", seeds(2, 20))
def test_limits_of_the_strategy_hold(seed: int) -> None:
    """The position never passes the strategy's limit, and never is more than one order open on a side."""
    lane = SimulatedLane(seed)
    for _ in range(1_000):
        lane.read()
        assert abs(lane.core.ledger.net_size(INSTRUMENT_ID)) <= 5_000
        assert all(count <= 1 for count in working_sides(lane).values())


def test_the_same_inputs_give_the_same_digest() -> None:
    """Two runs over one seed decide the same; another seed does not."""
    digests = []
    for seed in (1, 1, 2):
        lane = SimulatedLane(seed)
        lane.run(400)
        digests.append((lane.core.digest.value, lane.core.digest.count))
    assert digests[0] == digests[1] != digests[2]


def test_shipped_configuration_is_planned_without_a_problem() -> None:
    """Every class loads, every setting is known, everything that is said is heard by somebody who should."""
    loaded = load_config(ROOT / "configs" / "mm.toml", {}, params_of)
    blueprint, problems = draw_blueprint(loaded)
    assert problems == []
    classes = [node.class_ for node in blueprint.actors]
    assert [one for one in dict.fromkeys(classes) if one in SimulatedLane.CLASSES] == list(SimulatedLane.CLASSES)
    assert len(set(classes)) == len([one for one in classes if one is not VenueBook]) + 1


@pytest.mark.parametrize("name", ["mm.toml", "standard-actors.toml"])
def test_every_setting_of_the_shipped_configuration_is_explained(name: str) -> None:
    """Every value has a comment beside it that says what it does; the name of a class speaks for itself."""
    silent = [
        line
        for line in (ROOT / "configs" / name).read_text(encoding="utf-8").splitlines()
        if "=" in line and "#" not in line and not line.startswith("class =")
    ]
    assert silent == []


def test_summary_tells_the_result_in_words() -> None:
    """The summary is plain data with exact amounts as text."""
    lane = SimulatedLane()
    lane.run(500)
    summary = lane.actor(Portfolio).summary()
    instruments = summary["instruments"]
    assert isinstance(instruments, dict)
    assert instruments["BTC/USDT"]["fills"] == len(lane.of(OrderFilled))
    assert "profit" in str(summary["status"])
