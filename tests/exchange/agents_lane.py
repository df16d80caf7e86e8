"""A lane with an exchange and the agents that make its market, and a tape that measures what comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import attrs

from exchange.agents import MarketAgents
from exchange.agents_params import MarketAgentsParams
from exchange.params import AccountParams, ExchangeParams, LimitParams
from exchange.venue import ExchangeVenue
from market.instruments import Instrument, InstrumentTable
from market.messages import (
    STATUS_HALTED,
    STATUS_TRADING,
    CancelWanted,
    EntryWanted,
    Lagging,
    Message,
    PublicTrade,
    ReplaceWanted,
    RequestAnswered,
    RunStarted,
    StatusWanted,
    TimerFired,
    TopOfBook,
)
from runtime.actor import Actor
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.config.model import SystemConfig
from runtime.config.rules import DecimalText
from runtime.lane_core import LaneCore
from tests.actors.trading_lane import Spy
from tests.conformance.check_actor import Input
from tests.runtime.lanes import node_of

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND
FIRST_ACCOUNT = 101
SYMBOL = "BTC/USDT"
# Steps of the agents are one tick here.
INSTRUMENT = Instrument.from_text(
    instrument_id=1, symbol=SYMBOL, venue="hftrun", venue_symbol="BTCUSDT", base="BTC", quote="USDT", kind="spot",
    tick="1", lot="0.0001", minimum_size="0.0001", minimum_notional="5",
)  # fmt: skip


class Tape(Actor):
    """Notes what a market is measured by."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        TopOfBook: "on_top_of_book",
        PublicTrade: "on_trade",
        EntryWanted: "on_request",
        CancelWanted: "on_request",
        ReplaceWanted: "on_request",
        RequestAnswered: "on_answer",
    }
    tops: list[TopOfBook]
    trades: list[PublicTrade]
    counts: dict[str, int]
    refusals: list[RequestAnswered]

    def start(self) -> None:
        """Begin with nothing."""
        self.tops, self.trades, self.refusals = [], [], []
        self.counts = {"EntryWanted": 0, "CancelWanted": 0, "ReplaceWanted": 0}

    def on_top_of_book(self, top: TopOfBook) -> None:
        """The touch."""
        self.tops.append(top)

    def on_trade(self, trade: PublicTrade) -> None:
        """A trade."""
        self.trades.append(trade)

    def on_request(self, message: Message) -> None:
        """What an agent wants."""
        self.counts[type(message).__name__] += 1

    def on_answer(self, answer: RequestAnswered) -> None:
        """What it was refused."""
        if answer.refused:
            self.refusals.append(answer)


def agents_params(**changes: Any) -> MarketAgentsParams:  # noqa: ANN401  settings of any type, handed on
    """Settings of agents at a lively rate."""
    settings = {"first_account_id": FIRST_ACCOUNT, "initial_prices": {SYMBOL: DecimalText("50000")}}
    return MarketAgentsParams(**{**settings, "messages_per_second": 500, **changes})


def exchange_params(params: MarketAgentsParams, **changes: Any) -> ExchangeParams:  # noqa: ANN401
    """An exchange with rich accounts for these agents."""
    deposits = {"BTC": DecimalText("100000"), "USDT": DecimalText("10000000000")}
    accounts = {f"agent{number}": AccountParams(id=number, deposits=deposits) for number in params.account_ids}
    limits = LimitParams(messages=1_000_000, open_orders=10_000)
    return ExchangeParams(
        **{"exchange_id": params.exchange_id, "accounts": accounts, "limits": limits, "most_orders": 5_000, **changes}
    )


def make_market(
    params: MarketAgentsParams, listener: type[Actor] = Tape, venue: ExchangeParams | None = None
) -> LaneCore:
    """A lane of an exchange, its agents, and a listener."""
    config = SystemConfig()
    config = attrs.evolve(config, runtime=attrs.evolve(config.runtime, dispatch_limit=100_000))
    nodes = (
        node_of(ExchangeVenue, 1, instrument_ids=(1,), params=venue or exchange_params(params)),
        node_of(MarketAgents, 2, instrument_ids=(1,), params=params),
        node_of(listener, 3),
    )
    return build_core(Blueprint(config, InstrumentTable([INSTRUMENT]), {"BTCUSDT": 1}, nodes, ()), "main")


def make_conformance_core() -> LaneCore:
    """A lane with a spy, for the conformance check."""
    return make_market(agents_params(messages_per_second=300, resting_orders=60), Spy)


def market_inputs() -> Iterator[Input]:
    """A run of two seconds with an administrator's halt; the timers fire between."""
    yield RunStarted(START_NS, 1, "", ""), START_NS, True
    now_ns = START_NS
    for number in range(20):
        now_ns += SECOND // 10
        status = {6: STATUS_HALTED, 8: STATUS_TRADING}.get(number)
        if status is None:
            yield Lagging(0), now_ns, True
        else:
            yield StatusWanted(1, 1, FIRST_ACCOUNT, 1, 1, status, now_ns), now_ns, True


class MarketRun:
    """A market that runs; `until` lets its timers fire up to a second after the start."""

    def __init__(
        self, params: MarketAgentsParams, venue: ExchangeParams | None = None, listener: type[Actor] = Tape
    ) -> None:
        self.params = params
        self.core = make_market(params, listener, venue)
        self.core.take(RunStarted(START_NS, 1, "", ""), START_NS, True)

    def until(self, seconds: float) -> MarketRun:
        """Go on; nothing may fail."""
        end_ns = START_NS + int(seconds * SECOND)
        while (first := self.core.timers.first()) is not None and first[0] <= end_ns:
            due_ns, actor_id, timer_id = first
            self.core.take(TimerFired(actor_id, timer_id, due_ns), due_ns, True)
        assert [f"{failure.slot.name}: {failure.error!r}" for failure in self.core.reported] == []
        return self

    def take(self, message: Message, seconds: float) -> None:
        """Take a message at a time."""
        self.until(seconds)
        self.core.take(message, START_NS + int(seconds * SECOND), True)

    @property
    def venue(self) -> ExchangeVenue:
        """The exchange."""
        actor = self.core.slots[0].actor
        assert isinstance(actor, ExchangeVenue)
        return actor

    @property
    def agents(self) -> MarketAgents:
        """The agents."""
        actor = self.core.slots[1].actor
        assert isinstance(actor, MarketAgents)
        return actor

    @property
    def tape(self) -> Tape:
        """What was measured."""
        actor = self.core.slots[2].actor
        assert isinstance(actor, Tape)
        return actor

    def mids(self, first: float, last: float, every: float) -> list[float]:
        """The logarithm of the middle of the touch, at even times."""
        return [math.log((top.bid_price + top.ask_price) / 2) for top in self.touches(first, last, every)]

    def hidden(self, first: float, last: float, every: float) -> list[float]:
        """The logarithm of the hidden price, at the same times."""
        latent = self.agents.agents[0].sight.latent
        return [math.log(latent.fine_at(at_ns) / 256) for at_ns in moments(first, last, every)]

    def touches(self, first: float, last: float, every: float) -> Iterator[TopOfBook]:
        """The touch at even times, as far as it has two sides."""
        place = 0
        latest: TopOfBook | None = None
        tops = self.tape.tops
        for at_ns in moments(first, last, every):
            while place < len(tops) and tops[place].receive_ns <= at_ns:
                if tops[place].bid_size > 0 and tops[place].ask_size > 0:
                    latest = tops[place]
                place += 1
            assert latest is not None
            yield latest


def moments(first: float, last: float, every: float) -> list[int]:
    """Even times in nanoseconds."""
    count = round((last - first) / every)
    return [START_NS + int((first + number * every) * SECOND) for number in range(count)]
