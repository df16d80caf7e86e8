"""An exchange as an actor in a lane, without gateway: tests hand it messages and look at what was said."""

from __future__ import annotations

from typing import Any

from exchange.params import ExchangeParams
from exchange.venue import ExchangeVenue
from market.instruments import InstrumentTable
from market.messages import Message, RunStarted, SessionOpened
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.lane_core import LaneCore
from tests.actors.trading_lane import Spy, TradingLane
from tests.exchange.desk_of_orders import ALICE, BOB, CAROL, EXCHANGE_ID, INSTRUMENTS, START_NS, rich
from tests.runtime.lanes import node_of


def settings(**changes: Any) -> ExchangeParams:  # noqa: ANN401  settings of any type, handed on
    """Settings of an exchange of three accounts."""
    accounts = {"alice": rich(ALICE, 1), "bob": rich(BOB, 2), "carol": rich(CAROL, 1)}
    return ExchangeParams(**{"accounts": accounts, "most_orders": 1_000, **changes})


def plan_of_exchange(params: ExchangeParams, config: SystemConfig | None = None) -> Blueprint:
    """A plan of one lane with an exchange and a spy behind it."""
    nodes = (node_of(ExchangeVenue, 1, params=params), node_of(Spy, 2))
    names = {one.venue_symbol: one.instrument_id for one in INSTRUMENTS}
    return Blueprint(config or SystemConfig(), InstrumentTable(INSTRUMENTS), names, nodes, ())


def make_core(params: ExchangeParams) -> LaneCore:
    """The lane of an exchange, fresh."""
    return build_core(plan_of_exchange(params), "main")


class ExchangeLane(TradingLane):
    """See the head of this file."""

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401  settings of any type, handed on
        self.core = make_core(settings(**changes))
        self.now_ns = START_NS
        self.nonce = 0
        self.core.take(RunStarted(START_NS, 1, "", ""), START_NS, True)

    @property
    def venue(self) -> ExchangeVenue:
        """The exchange."""
        return self.actor(ExchangeVenue)

    def ask(self, *messages: Message) -> list[Message]:
        """Send a batch; gives what was said of it, and checks everything."""
        before = len(self.heard)
        self.take(*messages)
        assert self.failures() == []
        self.venue.exchange.check_invariants()
        return [message for message in self.heard[before:] if message not in messages]

    def log_in(self, session_id: int, who: int, cancel_on_disconnect: bool = False) -> None:
        """Open a session."""
        self.nonce += 1
        self.ask(
            SessionOpened(
                EXCHANGE_ID, session_id, who, 1, f"key-{who}", 3, self.nonce, cancel_on_disconnect, self.now_ns
            )
        )
