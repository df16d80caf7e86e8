"""What is held while its own book is not live: marked to the worst that is known, and nothing opened blindly."""

from __future__ import annotations

import pytest

from actors.risk import Risk
from actors.risk_params import RiskParams
from actors.risk_setup import RiskParts
from market.instruments import InstrumentTable
from market.messages import BUY, REJECT_STALE_BOOK, SELL, STALE, BookStateChanged, HaltReset
from runtime.actor import ActorSetup, Outlet
from runtime.config.rules import DecimalText
from runtime.ledger import Ledger
from tests.actors.risk_lane import BINANCE, BTC_EUR, COINBASE, EUR_USDT, KRAKEN, PAIRS, STANDARD, RiskLane


def lane_with(**limits: object) -> RiskLane:
    """Every book open, wide limits except these."""
    lane = RiskLane(limits)
    lane.open_books()
    return lane


def gone(lane: RiskLane, number: int) -> None:
    """A book is no longer live."""
    lane.take(BookStateChanged(number, STALE, "test", 0, lane.now_ns))


@pytest.mark.parametrize(("side", "bid", "ask"), [(BUY, "58999", "59001"), (SELL, "60999", "61001")])
def test_position_of_a_dead_book_is_marked_to_the_worst_live_one(side: int, bid: str, ask: str) -> None:
    """Two others say otherwise: the one against us counts, in the scale of each; a better one does not help."""
    lane = lane_with(maximum_daily_loss=DecimalText("99"))
    lane.trade(BINANCE, side, "60000", "0.1")
    gone(lane, BINANCE)
    lane.touch(COINBASE, "59999", "60001")
    assert not lane.core.ledger.halted
    lane.touch(KRAKEN, bid, ask)
    assert lane.core.ledger.halted
    assert "loss of the day 100" in lane.core.ledger.halt_reason


def test_live_book_of_its_own_is_what_counts() -> None:
    """Others do not matter before it is lost, nor after it is back."""
    lane = lane_with(maximum_daily_loss=DecimalText("99"))
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.touch(KRAKEN, "58999", "59001")
    assert not lane.core.ledger.halted
    gone(lane, BINANCE)
    assert lane.core.ledger.halted
    lane.touch(BINANCE, "59999", "60001")
    lane.take(HaltReset("ann"))
    lane.touch(KRAKEN, "57999", "58001")
    assert not lane.core.ledger.halted
    assert lane.risk.losses.told()["loss_of_day"] == "0"


def test_another_pair_marks_nothing() -> None:
    """BTC/EUR is no price of BTC/USDT."""
    lane = lane_with(maximum_daily_loss=DecimalText("99"))
    lane.trade(BINANCE, BUY, "60000", "0.1")
    for number in (BINANCE, KRAKEN, COINBASE):
        gone(lane, number)
    lane.touch(BTC_EUR, "39999", "40001")
    assert not lane.core.ledger.halted


def test_what_no_live_book_marks_lets_nothing_be_opened() -> None:
    """Not in any instrument: what was lost is not known. One book of the pair, or nothing held, and orders pass."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "60000", "0.1")
    for number in (BINANCE, KRAKEN, COINBASE):
        gone(lane, number)
    lane.ask(EUR_USDT, BUY, "1.2", "1")
    assert lane.codes() == [REJECT_STALE_BOOK]
    assert lane.risk.refusals[-1].endswith(
        "0.10000 is held at binance BTC/USDT, and no live book says what it is worth"
    )
    lane.touch(COINBASE, "59999", "60001")
    lane.ask(EUR_USDT, BUY, "1.2", "1")
    lane.trade(COINBASE, SELL, "60000", "0.1")
    gone(lane, COINBASE)
    lane.ask(EUR_USDT, BUY, "1.2", "0.5")
    assert lane.codes() == [REJECT_STALE_BOOK, REJECT_STALE_BOOK]
    flat = lane_with()
    for number in (BINANCE, KRAKEN, COINBASE):
        gone(flat, number)
    flat.ask(EUR_USDT, BUY, "1.2", "1")
    assert flat.codes() == []


def parts(**limits: object) -> RiskParts:
    """The parts of a risk beside two gateways, of which one carries kraken's instruments and the other coinbase's."""
    params = RiskParams(
        maximum_order_size=DecimalText("1"), maximum_order_notional=DecimalText("100000"),
        maximum_position=DecimalText("2"), maximum_daily_loss=DecimalText("100"), currency="USDT",
        rates={"EUR": "EUR/USDT"}, **limits,  # type: ignore[arg-type]
    )  # fmt: skip
    numbers = [one.instrument_id for one in PAIRS]
    setup = ActorSetup(
        "risk", 1, params, InstrumentTable(PAIRS), numbers, {"risk": 1}, Outlet(Ledger(), 1_000),
        {"at_kraken": (KRAKEN, BTC_EUR), "at_coinbase": (COINBASE,)}, {3: "at_kraken", 4: "at_coinbase"},
    )  # fmt: skip
    return RiskParts(setup, params)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"gateways": {"kraken": "at_krakn"}},
            "no service 'at_krakn' takes orders .kraken.: there are at_coinbase, at",
        ),
        ({"gateways": {"kraken": "at_coinbase"}}, "at_coinbase carries no instrument of kraken"),
        ({"connections": {"kraken": 5}}, "no gateway has connection 5 .kraken.: there are 3, 4"),
        ({"connections": {"kraken": 4}}, "at_coinbase carries no instrument of kraken"),
    ],
)
def test_road_that_leads_elsewhere_is_refused_at_the_start(limits: dict[str, object], words: str) -> None:
    """A misspelt one would never be down, and its venue never watched."""
    with pytest.raises(ValueError, match=words):
        parts(**limits)


def test_roads_that_lead_to_their_venue_are_taken() -> None:
    """And on paper, where there are none to compare with, any."""
    assert parts(gateways={"kraken": "at_kraken"}, connections={"kraken": 3, "coinbase": 4}).watched
    lane = RiskLane({"gateways": {"kraken": "gateway"}, "connections": {"kraken": 3}})
    assert isinstance(lane.risk, Risk)
    assert STANDARD.gateways == {}
