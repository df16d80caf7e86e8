"""The kill switch: it cancels, cancels again, asks the venues, says when nothing is open, and holds until a reset."""

from __future__ import annotations

import json

from market.messages import (
    BUY,
    MAKER,
    REJECT_HALTED,
    STATE_FILLS,
    STATE_OPEN_ORDERS,
    CancelAll,
    ConnectionUp,
    HaltConfirmed,
    HaltReset,
    OperatorCommand,
    OrderFilled,
    TradingHalted,
    VenueStateComplete,
    VenueStateWanted,
)
from tests.actors.risk_lane import BINANCE, KRAKEN, STRATEGY, RiskLane

KILL = OperatorCommand("kill", "", "test")


def lane_with(**limits: object) -> RiskLane:
    """Every book open and an order that works at two venues."""
    lane = RiskLane(limits)
    lane.take(ConnectionUp(11, 1), ConnectionUp(12, 1))
    lane.open_books()
    for number in (BINANCE, KRAKEN):
        lane.accept(lane.ask(number, BUY, "60000", "0.1"))
    return lane


def confirmed(lane: RiskLane) -> list[tuple[int, int]]:
    """Connections and what they said, so far."""
    assert lane.failures() == []
    return [(one.connection_id, one.open_orders) for one in lane.of(HaltConfirmed)]


def test_kill_halts_cancels_and_confirms_when_the_last_order_is_gone() -> None:
    """Without a connection to ask, the ledger alone confirms, as soon as nothing is open."""
    lane = lane_with()
    lane.take(KILL)
    (halted,) = lane.of(TradingHalted)
    assert (halted.reason, halted.source) == ("kill switch, by test", "operator")
    assert len(lane.of(CancelAll)) >= 1
    lane.cancelled(1)
    assert confirmed(lane) == []
    assert lane.risk.panel()["confirmed"] is False
    lane.fill(2)
    assert confirmed(lane) == [(0, 0)]
    assert lane.risk.panel()["confirmed"] is True
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_HALTED]


def test_orders_that_stay_open_are_cancelled_again_and_again() -> None:
    """Until they are gone, at the interval of the configuration."""
    lane = lane_with(confirm_ms=100)
    lane.take(KILL)
    before = len(lane.of(CancelAll))
    lane.pass_ms(350)
    assert len(lane.of(CancelAll)) == before + 3
    lane.cancelled(1)
    lane.cancelled(2)
    told = lane.of(HaltConfirmed)
    assert [(one.open_orders, one.asked) for one in told] == [(0, 3)]
    lane.pass_ms(1_000)
    assert len(lane.of(CancelAll)) == before + 3


def test_venues_have_the_last_word() -> None:
    """Each connection is asked until it says that nothing is open; what it still has is cancelled again."""
    lane = lane_with(connections={"binance": 11, "kraken": 12}, confirm_ms=100)
    lane.take(KILL)
    lane.cancelled(1)
    lane.cancelled(2)
    assert [one.connection_id for one in lane.of(VenueStateWanted)] == [11, 12]
    lane.take(VenueStateComplete(11, STATE_OPEN_ORDERS, 0, 0))
    lane.take(VenueStateComplete(12, STATE_FILLS, 0, 0))
    before = len(lane.of(CancelAll))
    lane.take(VenueStateComplete(12, STATE_OPEN_ORDERS, 1, 0))
    assert len(lane.of(CancelAll)) == before + 1
    assert confirmed(lane) == [(11, 0), (12, 1)]
    assert lane.risk.panel()["confirmed"] is False
    lane.pass_ms(100)
    assert [one.connection_id for one in lane.of(VenueStateWanted)] == [11, 12, 12]
    lane.take(VenueStateComplete(12, STATE_OPEN_ORDERS, 0, 0))
    assert confirmed(lane)[2:] == [(12, 0)]
    lane.pass_ms(1_000)
    assert len(lane.of(VenueStateWanted)) == 3


def test_a_venue_that_says_nothing_is_open_before_it_was_asked_confirms_nothing() -> None:
    """An order that is on its way to the venue is not there yet; it is cancelled until its end is known."""
    lane = RiskLane({"connections": {"binance": 11}, "confirm_ms": 100})
    lane.take(ConnectionUp(11, 1))
    lane.open_books()
    order_id = lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.take(KILL)
    lane.take(VenueStateComplete(11, STATE_OPEN_ORDERS, 0, 0))
    assert confirmed(lane) == []
    lane.accept(order_id)
    before = len(lane.of(CancelAll))
    lane.pass_ms(250)
    assert len(lane.of(CancelAll)) == before + 2
    lane.take(VenueStateComplete(11, STATE_OPEN_ORDERS, 0, 0))
    assert confirmed(lane) == []
    lane.cancelled(order_id)
    assert len(lane.of(VenueStateWanted)) == 1
    lane.take(VenueStateComplete(11, STATE_OPEN_ORDERS, 0, 0))
    assert confirmed(lane) == [(11, 0)]


def test_an_order_that_shows_itself_after_the_confirmation_begins_it_anew() -> None:
    """A fill of an order that had ended tells that the venue was not empty: it is cancelled and asked again."""
    lane = lane_with(connections={"binance": 11}, confirm_ms=100)
    lane.take(KILL)
    lane.cancelled(1)
    lane.cancelled(2)
    lane.take(VenueStateComplete(11, STATE_OPEN_ORDERS, 0, 0))
    assert lane.risk.panel()["confirmed"] is True
    before = len(lane.of(CancelAll))
    lane.take(OrderFilled(2, KRAKEN, STRATEGY, 77, BUY, 600_000, 1_000, 0, 0, MAKER, 0))
    assert lane.risk.panel()["confirmed"] is False
    assert len(lane.of(CancelAll)) == before + 1
    assert len(lane.of(VenueStateWanted)) == 2
    lane.take(VenueStateComplete(11, STATE_OPEN_ORDERS, 0, 0))
    assert lane.risk.panel()["confirmed"] is True


def test_halt_of_anyone_is_seen_through() -> None:
    """The lane, a limit, another lane: whoever halts, nothing stays open."""
    lane = lane_with()
    lane.take(TradingHalted("channel full", "lane"))
    lane.cancelled(1)
    lane.cancelled(2)
    assert confirmed(lane) == [(0, 0)]
    assert lane.risk.panel()["reason"] == "channel full"


def test_halt_latches_over_a_restart_and_ends_only_by_a_reset() -> None:
    """The next run goes on cancelling and confirms anew; a person's reset lets orders pass again."""
    lane = lane_with()
    lane.take(KILL)
    again = RiskLane()
    again.core.load(json.loads(json.dumps(lane.core.save())))
    again.now_ns = lane.now_ns
    again.last_order = lane.last_order
    again.run_began(6)
    assert again.core.ledger.halted
    again.pass_ms(500)
    assert len(again.of(CancelAll)) == 1
    again.cancelled(1)
    again.cancelled(2)
    assert confirmed(again) == [(0, 0)]
    again.ask(BINANCE, BUY, "60000", "0.1")
    assert again.codes() == [REJECT_HALTED]
    again.take(HaltReset("test"))
    assert again.risk.panel()["confirmed"] is None
    again.open_books()
    last = again.ask(BINANCE, BUY, "60000", "0.1")
    assert again.passed == [last]


def test_kill_while_halted_begins_anew() -> None:
    """A person who presses again wants to see it again: everything is cancelled and confirmed once more."""
    lane = lane_with()
    lane.take(KILL)
    lane.cancelled(1)
    lane.cancelled(2)
    before = len(lane.of(CancelAll))
    lane.take(KILL)
    assert len(lane.of(TradingHalted)) == 1
    assert len(lane.of(CancelAll)) == before + 1
    assert confirmed(lane) == [(0, 0), (0, 0)]
