"""Looks at every order and every change of one before it leaves, and at what may be lost; halts, and sees it through.

What passes becomes a `NewOrder` or a `ReplaceOrder`; what does not is answered with limit, value and order. Everything
is counted in exact integers, from the ledger, with every open order at its worst. It fails closed: without a live book,
a known rate or a gateway that is up no order passes. Cancels are never refused. docs/risk.md has every limit.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from actors.leases import LEASE_TIMER, Leases
from actors.risk_changes import LimitChanges
from actors.risk_gateways import Gateways
from actors.risk_halt import CONFIRM_TIMER, HaltWatch
from actors.risk_limits import COMMAND
from actors.risk_losses import Earned
from actors.risk_orders import new_order
from actors.risk_params import RiskParams
from actors.risk_reasons import reason_of
from actors.risk_setup import NANOSECONDS_PER_MILLISECOND, RiskParts
from actors.risk_watched import Watched
from actors.risk_words import date_of, panel_of
from market.messages import (
    LIMIT,
    LIVE,
    REJECT_DUPLICATE,
    REJECT_HALTED,
    REJECT_NO_LEASE,
    REJECT_PENDING,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
    ActorFailed,
    BookStateChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    ConfigChanged,
    ConfigRefused,
    ConnectionDown,
    ConnectionUp,
    DayBegan,
    FairValue,
    FeeTaken,
    FundingPaid,
    HaltConfirmed,
    HaltReset,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    LimitChanged,
    LimitReached,
    Message,
    NewOrder,
    OperatorCommand,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    OrderReplaced,
    PositionLiquidated,
    PositionSettled,
    ReplaceOrder,
    ReplaceRejected,
    RiskRefused,
    RunStarted,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    TimerFired,
    TopOfBook,
    TradeBusted,
    TradingHalted,
    VenueStateComplete,
    VenueStateWanted,
)
from market.order_life import is_replace_pending
from runtime.actor import HALT_TRADING, Actor, ActorSetup
from runtime.ledger import Ledger
from runtime.ledger_orders import LedgerOrder

SOURCE: Final = "risk"
DAY_TIMER: Final = 3
REFUSALS_KEPT: Final = 10


class Risk(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        ChildOrder: "on_order",
        ChildReplace: "on_replace",
        CancelOrder: "on_cancel",
        TopOfBook: "on_top_of_book",
        FairValue: "on_fair_value",
        BookStateChanged: "on_book_state",
        OrderFilled: "on_filled",
        FeeTaken: "on_cash",
        FundingPaid: "on_cash",
        OrderCancelled: "on_end_of_order",
        OrderRejected: "on_end_of_order",
        OrderExpired: "on_end_of_order",
        # In a lane of its own the ledger hears only what an actor there takes: all that moves an order.
        OrderAccepted: "on_order_life",
        CancelRejected: "on_end_of_order",
        OrderReplaced: "on_end_of_order",
        OrderReduced: "on_end_of_order",
        # The ledger halts at these.
        TradeBusted: "on_end_of_order",
        PositionSettled: "on_end_of_order",
        PositionLiquidated: "on_end_of_order",
        ReplaceRejected: "on_end_of_order",
        ActorFailed: "on_actor_failed",
        TradingHalted: "on_halted",
        HaltReset: "on_halt_reset",
        VenueStateComplete: "on_venue_state",
        OperatorCommand: "on_command",
        ConfigChanged: "on_config",
        ServiceFailed: "on_service",
        ServiceStopped: "on_service",
        ServiceRestarted: "on_service",
        ConnectionDown: "on_connection",
        ConnectionUp: "on_connection",
        RunStarted: "on_run_started",
        LeaseGranted: "on_lease_granted",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        NewOrder, ReplaceOrder, OrderRejected, ReplaceRejected, RiskRefused, TradingHalted, CancelAll, HaltConfirmed,
        VenueStateWanted, LimitReached, LimitChanged, ConfigRefused, DayBegan, LeaseWanted, LeaseReturned,
    )  # fmt: skip
    OWNS: ClassVar[tuple[type[Message], ...]] = (NewOrder, ReplaceOrder)
    PARAMS: ClassVar[type | None] = RiskParams
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, RiskParams)
        parts = RiskParts(setup, params)
        self.parts: Final = parts
        self.limits: Final = parts.limits
        self.rates: Final = parts.rates
        self.watched: Final = parts.watched
        self.groups: Final = parts.groups
        self.balances: Final = parts.balances
        self.checks: Final = parts.checks
        self.losses: Final = parts.losses
        self.changes: Final = LimitChanges(self, self.limits, self.checks, self.balances, self.losses)
        connections = sorted(set(params.connections.values()))
        self.halt_watch: Final = HaltWatch(self, connections, params.confirm_ms * NANOSECONDS_PER_MILLISECOND)
        self.gateways: Final = Gateways(list(self.watched.values()), params.gateways, params.connections)
        # Limits of the whole system, where there are such.
        self.leases: Leases | None = None
        if params.leased:
            self.leases = Leases(self, {number: one.instrument for number, one in self.watched.items()}, params)
        self.lease_reason: str = ""
        # A halt of our own that the ledger hears of when this step is over; it ends with the reset.
        self.halting: bool = False
        self.passed: i64 = 0
        self.refused: i64 = 0
        self.refusals: list[str] = []

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Without leases it speaks to no keeper of them; without a collar around it, it needs no fair value."""
        found: list[type[Message]] = []
        if isinstance(params, RiskParams):
            if not params.leased:
                found += [LeaseGranted, LeaseWanted, LeaseReturned]
            if params.fair_collar_bps == 0:
                found.append(FairValue)
            if not params.connections:
                found += [ConnectionUp, ConnectionDown, VenueStateComplete, VenueStateWanted]
        return tuple(found)

    # ---- orders

    def on_order(self, order: ChildOrder) -> None:
        """Pass an order on, or refuse it."""
        watched = self.watched.get(order.instrument_id)
        known = self.ledger.open.get(order.order_id)
        if known is None or known.sent:
            # An answer by its id would be taken for one to the order that has it: only tell.
            self.checks.refuse(None, REJECT_DUPLICATE, "order_id", order.order_id, 0)
            self.tell_refusal(order.order_id, order.instrument_id, REJECT_DUPLICATE, order.receive_ns)
            return
        code = self.judge(watched, known, order.order_type, order.price, order.size, True)
        if code >= 0:
            self.refuse(order, known, code)
            return
        self.passed += 1
        self.checks.note_sent(self.now)
        self.emit(new_order(order))

    def on_replace(self, change: ChildReplace) -> None:
        """Pass a change on, or refuse it."""
        known = self.ledger.open.get(change.order_id)
        checks = self.checks
        watched = self.watched.get(change.instrument_id)
        if known is None:
            checks.refuse(None, REJECT_UNKNOWN_ORDER, "order_id", change.order_id, 0)
        elif not is_replace_pending(known.state):
            checks.refuse(None, REJECT_PENDING, "order_id", change.order_id, 0)
        elif self.judge(watched, known, LIMIT, change.price, change.size, False) < 0:
            self.passed += 1
            checks.note_sent(self.now)
            self.emit(ReplaceOrder(change.order_id, change.instrument_id, change.price, change.size, change.receive_ns))
            return
        code = checks.code
        if known is not None and is_replace_pending(known.state):
            self.ledger.refuse_change(known)
        self.tell_refusal(change.order_id, change.instrument_id, code, change.receive_ns)
        self.emit(ReplaceRejected(change.order_id, change.instrument_id, code, self.refusals[-1]))

    def judge(
        self, watched: Watched | None, order: LedgerOrder, order_type: i64, price: i64, size: i64, is_new: bool
    ) -> i64:
        """The code by which an order or a change is refused, with the reason in the checks; -1 when it passes."""
        checks = self.checks
        if watched is None:
            checks.refuse(None, REJECT_UNKNOWN_INSTRUMENT, "instruments", 0, 0)
            return checks.code
        if self.ledger.halted or self.halting:
            checks.refuse(watched, REJECT_HALTED, "halt", 1, 0)
            return checks.code
        if not checks.passes(watched, order, order.side, order_type, price, size, self.outlet.now_ns, is_new):
            return checks.code
        if self.leases is not None:
            self.lease_reason = self.leases.refusal(order, watched.reference())
            if len(self.lease_reason) > 0:
                checks.refuse(watched, REJECT_NO_LEASE, "lease", 0, 0)
                return checks.code
        return -1

    def refuse(self, order: ChildOrder, known: LedgerOrder, code: i64) -> None:
        """Answer an order that does not pass; what was asked for in the same step is judged without it."""
        self.ledger.refuse_order(known)
        if self.leases is not None:
            self.leases.leave_out(order.order_id)
        self.tell_refusal(order.order_id, order.instrument_id, code, order.receive_ns)
        self.emit(OrderRejected(order.order_id, order.instrument_id, code, self.refusals[-1], SOURCE))

    def tell_refusal(self, order_id: i64, instrument_id: i64, code: i64, receive_ns: i64) -> None:
        """Say which limit refused which order with which value."""
        checks = self.checks
        self.refused += 1
        reason = self.lease_reason if code == REJECT_NO_LEASE else reason_of(checks)
        self.refusals = [*self.refusals[1 - REFUSALS_KEPT :], f"order {order_id}: {reason}"]
        self.emit(RiskRefused(order_id, instrument_id, code, checks.limit, checks.value, checks.bound, receive_ns))

    def on_cancel(self, _: CancelOrder) -> None:
        """A cancel is never refused; but it counts as a request."""
        self.checks.note_cancel(self.now)

    # ---- what is known

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Take the reference, and look at what the positions are worth by it."""
        is_rate = len(self.rates.source_of) > 0 and self.rates.on_top_of_book(top)
        earned = self.losses.earned.get(top.instrument_id)
        if earned is not None:
            if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0:
                earned.watched.set_reference(int(top.bid_price) + int(top.ask_price), self.outlet.now_ns)
            else:
                earned.watched.set_reference(0, 0)
        if is_rate and self.losses.count_all():
            self.judge_all()
        if earned is not None:
            self.mark(earned)

    def mark(self, earned: Earned) -> None:
        """Count what an instrument has earned, and what is marked to it, and halt trading when a limit is reached."""
        losses, watched = self.losses, earned.watched
        if losses.begin_day(self.outlet.now_ns):
            self.tell_day()
        changed, hangs_on_it = losses.recount(earned), False
        for peer in watched.peers:
            if peer.collar.double == 0 and peer.standing.net_size != 0:
                hangs_on_it = losses.recount(losses.earned[peer.instrument_id]) or hangs_on_it
        if changed or hangs_on_it:
            losses.see_peak()
            self.judge_losses(watched.instrument_id)
        if hangs_on_it:
            self.judge_all()

    def on_fair_value(self, fair: FairValue) -> None:
        """What the instrument is held to be worth; without confidence it is nothing."""
        watched = self.watched.get(fair.instrument_id)
        if watched is not None:
            watched.fair_collar.set(int(fair.price * 2) if fair.confidence > 0 else 0)

    def on_book_state(self, book: BookStateChanged) -> None:
        """A book that is not live is no reference."""
        if book.state == LIVE:
            return
        self.rates.forget(book.instrument_id)
        earned = self.losses.earned.get(book.instrument_id)
        if earned is not None:
            earned.watched.set_reference(0, 0)
            self.mark(earned)

    def on_filled(self, fill: OrderFilled) -> None:
        """A fill changes the results and the balances."""
        earned = self.losses.earned.get(fill.instrument_id)
        if earned is not None:
            if self.ledger.fill_counted:
                self.balances.fill(earned.watched, fill.side, fill.price, fill.size, fill.fee)
            self.mark(earned)
        if self.ledger.fill_counted:
            self.halt_watch.on_life()

    def on_cash(self, moved: FundingPaid | FeeTaken) -> None:
        """Funding changes the results, and so does a fee that was taken out of a position, with the balances."""
        earned = self.losses.earned.get(moved.instrument_id)
        if earned is not None:
            if isinstance(moved, FeeTaken) and self.ledger.fee_counted:
                self.balances.take_fee(earned.watched, self.ledger.fee_size, moved.fee)
            self.mark(earned)

    def on_order_life(self, _: OrderAccepted) -> None:
        """An order works: after a halt that was confirmed, none should."""
        if self.ledger.open_order_count() > 0:
            self.halt_watch.on_life()

    def on_end_of_order(self, _: Message) -> None:
        """The ledger has taken note of it; after a halt it may have been the last one open."""
        self.halt_watch.on_end_of_order()

    def on_actor_failed(self, _: ActorFailed | RunStarted) -> None:
        """It may have been the one that keeps the books: no book is known to be live until it is told again."""
        self.rates.forget(0)
        for watched in self.watched.values():
            watched.set_reference(0, 0)
            watched.fair_collar.set(0)

    # ---- gateways

    def on_service(self, told: ServiceFailed | ServiceStopped | ServiceRestarted) -> None:
        """A gateway may be down: nothing passes to its venue until it is back."""
        self.gateways.service(told.service, not isinstance(told, ServiceRestarted))

    def on_connection(self, told: ConnectionDown | ConnectionUp) -> None:
        """The connection that carries orders may be down, or back."""
        self.gateways.connection(told.connection_id, isinstance(told, ConnectionDown))

    # ---- losses and halts

    def judge_losses(self, instrument_id: i64) -> None:
        """Halt trading when a limit is reached; an instrument's own, too, unless it is 0."""
        if self.halting or self.ledger.halted:
            return
        reached = self.losses.reached(instrument_id)
        if reached is None:
            return
        bound = reached.bound
        self.emit(LimitReached(bound.key, 0, reached.instrument_id, reached.value, bound.value, reached.halts))
        if reached.halts:
            self.halt(reached.reason, SOURCE)

    def judge_all(self) -> None:
        """A limit has changed: what was lost before may be above it."""
        for instrument_id in self.watched:
            self.judge_losses(instrument_id)

    def halt(self, reason: str, source: str) -> None:
        """Trip the kill switch."""
        self.halting = True
        self.emit(TradingHalted(reason, source))
        self.emit(CancelAll(0, reason))

    def tell_day(self) -> None:
        """A new day has begun."""
        start_ns = self.losses.day_start_ns()
        self.emit(DayBegan(start_ns, date_of(start_ns)))
        self.set_timer(DAY_TIMER, self.losses.next_day_ns)

    def on_halted(self, _: TradingHalted) -> None:
        """Trading was halted, by whomever: see to it that nothing stays open."""
        self.halt_watch.begin()

    def on_halt_reset(self, _: HaltReset) -> None:
        """A person has looked at it: losses count anew from here."""
        self.halting = False
        self.losses.forgive()
        self.halt_watch.end()

    def on_venue_state(self, state: VenueStateComplete) -> None:
        """A venue has said what is open there."""
        self.halt_watch.answer(state)

    # ---- what an operator may do

    def on_command(self, command: OperatorCommand) -> None:
        """The kill switch, or another limit."""
        words = f"{command.command} {command.argument}".strip()
        name, _, argument = words.partition(" ")
        if name == "kill":
            if self.ledger.halted:
                self.emit(CancelAll(0, f"kill switch, by {command.operator}"))
                self.halt_watch.begin()
            else:
                self.halt(f"kill switch, by {command.operator}", "operator")
        elif name == COMMAND:
            self.changes.change(argument, command.operator, True)
            self.judge_all()

    def on_config(self, changed: ConfigChanged) -> None:
        """A file was edited: it may make a limit tighter, not looser."""
        self.changes.take_file(changed)
        self.judge_all()

    # ---- leases, runs and timers

    def on_run_started(self, run: RunStarted) -> None:
        """Nothing that was known of books and connections holds; a halt of an earlier run does."""
        self.on_actor_failed(run)
        self.gateways.begin()
        edited = self.changes.tell_refused(self.parts.unsettled)
        if len(edited) > 0 and not self.ledger.halted:
            self.halt(edited, SOURCE)
        self.losses.begin_day(self.outlet.now_ns)
        self.set_timer(DAY_TIMER, self.losses.next_day_ns)
        if self.ledger.halted:
            self.halt_watch.begin()
        self.look_after_leases()

    def prime(self, ledger: Ledger) -> None:
        """The timers are gone: look what is due. A fill that failed here is in the ledger."""
        self.balances.recount()
        self.set_timer(DAY_TIMER, self.losses.next_day_ns)
        if ledger.halted:
            self.halt_watch.begin()
        self.look_after_leases()

    def on_timer(self, timer: TimerFired) -> None:
        """A lease is to be renewed, a halt to be seen through, or a day begins."""
        if timer.timer_id == CONFIRM_TIMER:
            self.halt_watch.look(True)
        elif timer.timer_id == DAY_TIMER:
            if self.losses.begin_day(self.outlet.now_ns):
                self.tell_day()
            else:
                self.set_timer(DAY_TIMER, self.losses.next_day_ns)
        elif timer.timer_id == LEASE_TIMER:
            self.look_after_leases()

    def look_after_leases(self) -> None:
        """Renew, ask again, give back."""
        if self.leases is not None:
            self.leases.look()

    def on_lease_granted(self, granted: LeaseGranted) -> None:
        """A part of a limit, to this lane or to another."""
        if self.leases is not None:
            self.leases.take(granted)

    # ---- what is told, and state

    def summary(self) -> dict[str, object]:
        """How many orders passed, why the last one did not, what was lost, and what is leased."""
        told: dict[str, object] = {
            "passed": int(self.passed), "refused": int(self.refused),
            "last_refusal": self.refusals[-1] if self.refusals else "",
            **self.losses.told(),
        }
        return told if self.leases is None else {**told, "leased": self.leases.summary()}

    def panel(self) -> dict[str, object]:
        """What a dashboard draws: the halt, how much of each limit is used, and the last refusals."""
        now_ns = self.outlet.now_ns
        return panel_of(self.checks, self.losses, self.groups, self.halt_watch.confirmed, self.refusals, now_ns)

    def save(self) -> dict[str, object]:
        """References, days, limits, and the orders of the window."""
        return {
            "counts": [int(self.passed), int(self.refused), list(self.refusals)],
            "parts": self.parts.save(),
            "halt": [self.halting, *self.halt_watch.save()],
            "gateways": self.gateways.save(),
            "leases": None if self.leases is None else self.leases.save(),
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        counts, halt = state["counts"], state["halt"]
        assert isinstance(counts, list)
        assert isinstance(halt, list)
        self.parts.load(state["parts"])
        self.halting = halt[0]
        self.halt_watch.load(halt[1:])
        self.passed, self.refused, self.refusals = counts
        self.gateways.load(state["gateways"])
        if self.leases is not None:
            self.leases.load(state["leases"])
