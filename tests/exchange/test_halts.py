"""The exchange fails closed: in a halt of the system nothing trades, cancels pass, and what was wanted comes back."""

from __future__ import annotations

import json

from exchange.params import CalendarParams
from market.messages import (
    BUY,
    GTC,
    REJECT_HALTED,
    REJECT_INSTRUMENT_STATUS,
    SELL,
    STATUS_CANCEL_ONLY,
    STATUS_CLOSED,
    STATUS_DELISTED,
    STATUS_HALTED,
    STATUS_POST_ONLY,
    STATUS_TRADING,
    STOP,
    ActorFailed,
    CancelAllWanted,
    EntryWanted,
    HaltReset,
    InstrumentStatus,
    Message,
    RunStarted,
    StatusWanted,
    TradingHalted,
)
from tests.exchange.desk_of_orders import ALICE, BOB, BTC, EXCHANGE_ID, ODD, START_NS
from tests.exchange.exchange_actor import ExchangeLane, make_core, settings
from tests.exchange.test_venue import answers, order

HOUR_MS = 3_600_000
HALTED = TradingHalted("the cable", "test")
RESET = HaltReset("somebody")


def statuses(said: list[Message]) -> list[tuple[int, int]]:
    """Which instruments trade otherwise now, and how."""
    return [(int(one.instrument_id), int(one.status)) for one in said if isinstance(one, InstrumentStatus)]


def become(status: int, instrument_id: int = BTC) -> StatusWanted:
    """An administrator wants an instrument to trade like this."""
    return StatusWanted(EXCHANGE_ID, 3, BOB, 1, instrument_id, status, START_NS)


def kept(lane: ExchangeLane) -> list[int]:
    """How the engines of all instruments trade."""
    return [int(market.engine.status) for market in lane.venue.exchange.markets]


def test_a_halt_of_the_system_halts_every_instrument_until_it_is_reset() -> None:
    """All are told to be halted, once; the reset brings back what the administrators have wanted, also meanwhile."""
    lane = ExchangeLane()
    lane.ask(become(STATUS_CANCEL_ONLY, ODD))
    said = lane.ask(HALTED)
    assert statuses(said) == [(BTC, STATUS_HALTED), (ODD, STATUS_HALTED)]
    assert {one.reason for one in said if isinstance(one, InstrumentStatus)} == {"the system is halted: the cable"}
    assert statuses(lane.ask(HALTED)) == []
    assert kept(lane) == [STATUS_HALTED, STATUS_HALTED]
    said = lane.ask(become(STATUS_POST_ONLY))
    assert (answers(said), statuses(said)) == ([(False, 0)], [])
    assert statuses(lane.ask(RESET)) == [(BTC, STATUS_POST_ONLY), (ODD, STATUS_CANCEL_ONLY)]
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(True, REJECT_INSTRUMENT_STATUS)]
    lane.ask(become(STATUS_TRADING))
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(False, 0)]


def test_a_delisted_instrument_is_not_halted() -> None:
    """It never trades again, whatever is reset."""
    lane = ExchangeLane()
    lane.ask(become(STATUS_DELISTED))
    assert statuses(lane.ask(HALTED)) == [(ODD, STATUS_HALTED)]
    assert statuses(lane.ask(RESET)) == [(ODD, STATUS_TRADING)]


def test_what_opens_during_a_halt_opens_halted() -> None:
    """Also after a start from a snapshot that was taken meanwhile; a reset lets it trade."""
    calendar = CalendarParams(open="09:00", close="17:00")
    # It begins on a Tuesday at 22:13:20 UTC.
    lane = ExchangeLane(calendar=calendar)
    assert statuses(lane.ask(HALTED)) == []
    assert kept(lane) == [STATUS_CLOSED, STATUS_CLOSED]
    saved = json.loads(json.dumps(lane.core.save()))
    lane.core = make_core(settings(calendar=calendar))
    lane.core.load(saved)
    lane.pass_ms(11 * HOUR_MS)
    assert kept(lane) == [STATUS_HALTED, STATUS_HALTED]
    lane.ask(RunStarted(lane.now_ns, 2, "", ""))
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(True, REJECT_HALTED)]
    assert statuses(lane.ask(RESET)) == [(BTC, STATUS_TRADING), (ODD, STATUS_TRADING)]
    assert answers(lane.ask(order(ALICE, BUY, 9_000, 10))) == [(False, 0)]


def test_stop_orders_wait_through_a_halt_and_can_be_cancelled() -> None:
    """None comes in; one that waits stays, and a cancel of it passes."""
    lane = ExchangeLane()
    engine = lane.venue.exchange.markets[0].engine
    lane.ask(order(BOB, SELL, 10_000, 10), order(ALICE, BUY, 10_000, 10))
    stop = EntryWanted(1, -1, ALICE, 1, "", BTC, BUY, STOP, GTC, 0, 10, 10_001, 0, 0, 0, 0, 0, 0, 0, 0, START_NS)
    assert answers(lane.ask(stop)) == [(False, 0)]
    lane.ask(HALTED)
    assert answers(lane.ask(stop)) == [(True, REJECT_HALTED)]
    assert engine.waiting_orders == 1
    assert answers(lane.ask(CancelAllWanted(1, -1, ALICE, 1, 0, START_NS))) == [(False, 0)]
    assert engine.waiting_orders == 0


def test_a_fault_of_the_exchange_halts_its_instruments() -> None:
    """The one that was made anew is halted, and says so to the public."""
    lane = ExchangeLane()
    before = len(lane.heard)
    lane.take(ActorFailed(1, lane.core.sequence, 1, "test"))
    assert statuses(lane.heard[before:]) == [(BTC, STATUS_HALTED), (ODD, STATUS_HALTED)]
    assert kept(lane) == [STATUS_HALTED, STATUS_HALTED]
