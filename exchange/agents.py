"""A market to trade against: many seeded agents that live as one actor beside the exchange.

On its timer it gives those whose turn has come their turn, and sends what they want as any client would, in a session
of its own. It knows the book by its touch, the trades, and the reports on its own orders. The same inputs give the same
orders. All is bounded: the turns of one firing, the orders of each agent, what may be unanswered. It stops while
an instrument does not trade and goes on when it does; what was missed in a pause is not made up for.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from exchange.agent_base import GIVE_UP_NS, Agent, AgentOrder, Desk, Sight, load_order
from exchange.agents_params import MarketAgentsParams, make_agents, make_sight
from market.messages import (
    EVENT_ACCEPTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REDUCED,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    EVENT_REPLACED,
    EVENT_REPRICED,
    EVENT_RESTED,
    EVENT_TRADED,
    REJECT_AUTHENTICATION,
    REJECT_BALANCE,
    REJECT_HALTED,
    REJECT_INSTRUMENT_STATUS,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_RATE,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_ORDER,
    STATUS_TRADING,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    InstrumentStatus,
    Message,
    OrderReported,
    PublicTrade,
    ReplaceWanted,
    RequestAnswered,
    TimerFired,
    TopOfBook,
)
from runtime.actor import Actor, ActorError, ActorSetup
from runtime.ledger import Ledger

TIMER: Final = 1
# Turns are gathered to whole milliseconds, so that a lively market does not need a firing for each.
QUANTUM_NS: Final = 1_000_000
MOST_TURNS: Final = 64
LASTING: Final = (
    REJECT_BALANCE,
    REJECT_HALTED,
    REJECT_INSTRUMENT_STATUS,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_RATE,
    REJECT_RATE_LIMITED,
)


class MarketAgents(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        OrderReported: "on_report",
        RequestAnswered: "on_answer",
        TopOfBook: "on_top_of_book",
        PublicTrade: "on_trade",
        InstrumentStatus: "on_status",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (EntryWanted, CancelWanted, ReplaceWanted, CancelAllWanted)
    PARAMS: ClassVar[type | None] = MarketAgentsParams

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, MarketAgentsParams)
        self.exchange_id: Final[i64] = params.exchange_id
        self.session_id: Final[i64] = params.session_id
        self.desk: Final = Desk(params.exchange_id, params.session_id)
        self.account_ids: Final[list[int]] = params.account_ids
        self.sights: Final[dict[int, Sight]] = {}
        self.agents: Final[list[Agent]] = []
        count = len(setup.instrument_ids)
        for instrument_id in setup.instrument_ids:
            instrument = setup.instruments.by_id(instrument_id)
            sight = make_sight(params, instrument)
            self.sights[instrument_id] = sight
            self.agents.extend(make_agents(params, instrument, sight, self.desk, len(self.agents), count))
        self.trades: i64 = 0
        self.given_up: i64 = 0

    # ---- turns

    def start(self) -> None:
        """The first turns."""
        self.plan_all()

    def prime(self, ledger: Ledger) -> None:
        """What the one before had in the book is unknown here: take it away, and begin anew."""
        for account_id in self.account_ids:
            self.emit(CancelAllWanted(self.exchange_id, self.session_id, account_id, 0, 0, self.now))
        self.plan_all()

    def plan_all(self) -> None:
        """Give every agent a first turn."""
        now_ns: i64 = self.now
        for agent in self.agents:
            agent.next_ns = now_ns
            agent.plan(now_ns)
        self.set_next(now_ns)

    def on_timer(self, timer: TimerFired) -> None:
        """Give those who are due their turn, and send what they want."""
        now_ns: i64 = self.now
        desk = self.desk
        desk.now_ns = now_ns
        self.give_up(now_ns)
        turns: i64 = 0
        while turns < MOST_TURNS:
            agent = self.first()
            if agent is None or agent.next_ns > now_ns:
                break
            sight = agent.sight
            if sight.trading and agent.resting_until_ns <= now_ns:
                sight.look(now_ns)
                agent.act(now_ns)
            agent.plan(now_ns)
            turns += 1
        self.send()
        self.set_next(now_ns)

    def first(self) -> Agent | None:
        """Whose turn is next; of equal ones the first."""
        found: Agent | None = None
        first_ns: i64 = 0
        for agent in self.agents:
            if found is None or agent.next_ns < first_ns:
                found = agent
                first_ns = agent.next_ns
        return found

    def set_next(self, now_ns: i64) -> None:
        """Fire again when the next turn is due."""
        agent = self.first()
        if agent is None:
            return
        due_ns = (agent.next_ns + QUANTUM_NS - 1) // QUANTUM_NS * QUANTUM_NS
        self.set_timer(TIMER, max(due_ns, now_ns + 1))

    def send(self) -> None:
        """Send what the agents asked for."""
        out = self.desk.out
        for message in out:
            self.emit(message)
        out.clear()

    def give_up(self, now_ns: i64) -> None:
        """Where the exchange has not answered for long, it never will: it was down, or elsewhere."""
        asked = self.desk.asked
        while len(asked) > 0:
            oldest = next(iter(asked.values()))
            if oldest.born_ns > now_ns - GIVE_UP_NS:
                return
            del asked[oldest.request_id]
            self.given_up += 1
            self.agents[oldest.agent].gone(oldest)

    # ---- what the exchange says

    def on_report(self, report: OrderReported) -> None:
        """Something has happened to an order; only those of this session matter here."""
        if report.session_id != self.session_id or report.exchange_id != self.exchange_id:
            return
        event = report.event
        if event == EVENT_ACCEPTED:
            self.take_accepted(report)
            return
        order = self.desk.working.get(report.order_id)
        if order is None:
            return
        agent = self.agents[order.agent]
        if event == EVENT_TRADED:
            order.remaining = report.remaining
            agent.traded(order, report.trade_size)
            if report.remaining == 0:
                self.forget(order)
        elif event in (EVENT_CANCELLED, EVENT_EXPIRED, EVENT_REJECTED):
            self.forget(order)
        elif event == EVENT_REPLACE_REJECTED:
            order.price = report.price
            order.stuck = True
        elif event in (EVENT_RESTED, EVENT_REPLACED, EVENT_REPRICED, EVENT_REDUCED):
            order.price = report.price
            order.size = report.size
            order.remaining = report.remaining

    def take_accepted(self, report: OrderReported) -> None:
        """An order is in the book, or about to trade. One that was given up is taken back at once."""
        order = self.desk.asked.pop(report.request_id, None)
        if order is None:
            self.emit(
                CancelWanted(
                    self.exchange_id, self.session_id, report.account_id, 0, report.instrument_id, report.order_id, "",
                    self.now,
                )
            )  # fmt: skip
            return
        order.order_id = report.order_id
        order.price = report.price
        self.desk.working[report.order_id] = order
        self.agents[order.agent].accepted(order)

    def on_answer(self, answer: RequestAnswered) -> None:
        """A request was refused: the order never was, or is no more, or the agent has to wait."""
        if not answer.refused or answer.session_id != self.session_id or answer.exchange_id != self.exchange_id:
            return
        if answer.code == REJECT_AUTHENTICATION:
            raise ActorError(self.missing_account(answer.account_id))
        order = self.desk.asked.pop(answer.request_id, None)
        if order is not None:
            agent = self.agents[order.agent]
            agent.gone(order)
        else:
            order = self.desk.working.get(answer.order_id)
            if order is None:
                return
            agent = self.agents[order.agent]
            if answer.code == REJECT_UNKNOWN_ORDER or answer.code == REJECT_TOO_LATE:
                self.forget(order)
            order.leaving = False
        if answer.code in LASTING:
            agent.refuse(self.now)

    def missing_account(self, account_id: i64) -> str:
        """What to do when the exchange does not know an account: a session of an actor needs nothing else."""
        ids = self.account_ids
        return (
            f"exchange {self.exchange_id} has no account {account_id}, in which {self.name} trades: add"
            f" accounts.NAME = {{ id = {account_id}, deposits = ... }} to the params of the exchange, and likewise for"
            f" every id from {ids[0]} to {ids[-1]}, or set first_account_id of {self.name} to the first that is there"
        )

    def forget(self, order: AgentOrder) -> None:
        """An order is no more."""
        del self.desk.working[order.order_id]
        self.agents[order.agent].gone(order)

    def on_top_of_book(self, top: TopOfBook) -> None:
        """The touch has changed."""
        sight = self.sights.get(top.instrument_id)
        if sight is not None:
            sight.show(top.bid_price if top.bid_size > 0 else 0, top.ask_price if top.ask_size > 0 else 0)

    def on_trade(self, trade: PublicTrade) -> None:
        """Somebody has traded."""
        sight = self.sights.get(trade.instrument_id)
        if sight is not None:
            self.trades += 1
            sight.take_trade(trade.price)

    def on_status(self, status: InstrumentStatus) -> None:
        """An instrument stops trading, or goes on."""
        sight = self.sights.get(status.instrument_id)
        if sight is not None:
            sight.trading = status.status == STATUS_TRADING

    # ---- for people and snapshots

    def summary(self) -> dict[str, object]:
        """What they did so far."""
        return {
            "asked": int(self.desk.requests),
            "orders": len(self.desk.working),
            "trades": int(self.trades),
            "refused": sum([int(agent.refused) for agent in self.agents]),
            "given_up": int(self.given_up),
        }

    def save(self) -> dict[str, object]:
        """All agents and orders; the hidden price follows from the time."""
        desk = self.desk
        return {
            "counts": [int(desk.requests), int(self.trades), int(self.given_up)],
            "sights": [sight.save() for sight in self.sights.values()],
            "agents": [agent.save() for agent in self.agents],
            "orders": [order.save() for order in [*desk.asked.values(), *desk.working.values()]],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        counts, sights, agents, orders = state["counts"], state["sights"], state["agents"], state["orders"]
        assert isinstance(counts, list)
        assert isinstance(sights, list)
        assert isinstance(agents, list)
        assert isinstance(orders, list)
        desk = self.desk
        desk.requests, self.trades, self.given_up = counts
        for sight, row in zip(self.sights.values(), sights, strict=True):
            sight.load(row)
        for agent, row in zip(self.agents, agents, strict=True):
            agent.load(row)
        desk.asked.clear()
        desk.working.clear()
        for row in orders:
            order = load_order(row)
            if order.order_id == 0:
                desk.asked[order.request_id] = order
            else:
                desk.working[order.order_id] = order
            self.agents[order.agent].adopt(order)
