"""Turns what strategies want into the fewest orders, changes and cancels, and looks after every order there is.

Wanted quotes are compared with what works (`order_quotes.py`); target positions become orders for the router
(`order_targets.py`); every request, also of the router's children, has to be answered (`order_requests.py`). When
anything says that quotes cannot be trusted, they are pulled in the same step, `QuotingChanged` says why, and the
strategy has to want them again. What is working is read from the ledger and stored nowhere else. `docs/orders.md` has
the rules. It never looks at a price but the wanted one, and never decides what is wanted.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from actors.order_guard import QuoteGuard
from actors.order_manager_params import OrderManagerParams
from actors.order_quotes import Quoted
from actors.order_requests import NEW, REPLACE, TAKE
from market.messages import (
    CAUSE_REQUESTED,
    FOK,
    IOC,
    PARENT_DONE,
    REJECT_UNSUPPORTED,
    ActorFailed,
    ActorRestarted,
    ActorStopped,
    Alert,
    BookStateChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ChildOrder,
    ChildReplace,
    ConnectionDown,
    ConnectionUp,
    FeeTaken,
    FlattenPosition,
    HaltReset,
    Lagging,
    LimitChanged,
    Message,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    OrderReplaced,
    OrderStatusWanted,
    OrderTimedOut,
    ParentCancel,
    ParentProgress,
    PauseQuoting,
    QuotingChanged,
    ReplaceRejected,
    RiskRefused,
    RoutedOrder,
    RunStarted,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    ShutdownRequested,
    TargetPosition,
    TimerFired,
    TradingHalted,
    WantedQuotes,
)
from market.order_life import is_final
from runtime.actor import HALT_TRADING
from runtime.ledger import Ledger

MOST_TOLD: Final = 20


class OrderManager(QuoteGuard):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        WantedQuotes: "on_wanted_quotes",
        TargetPosition: "on_target",
        FlattenPosition: "on_flatten",
        ChildOrder: "on_child_order",
        OrderAccepted: "on_accepted",
        OrderRejected: "on_rejected",
        OrderFilled: "on_filled",
        FeeTaken: "on_fee_taken",
        OrderCancelled: "on_cancelled",
        OrderExpired: "on_expired",
        OrderReplaced: "on_replaced",
        OrderReduced: "on_reduced",
        ReplaceRejected: "on_replace_rejected",
        CancelRejected: "on_cancel_rejected",
        ParentProgress: "on_parent_progress",
        RiskRefused: "on_risk_refused",
        LimitChanged: "on_limit_changed",
        BookStateChanged: "on_book_state",
        Lagging: "on_lagging",
        PauseQuoting: "on_pause",
        CancelOrder: "on_cancel_order",
        CancelAll: "on_cancel_all",
        ActorFailed: "on_actor_failed",
        ActorRestarted: "on_actor_restarted",
        ActorStopped: "on_actor_stopped",
        ServiceFailed: "on_service_failed",
        ServiceStopped: "on_service_stopped",
        ServiceRestarted: "on_service_restarted",
        ConnectionDown: "on_connection_down",
        ConnectionUp: "on_connection_up",
        TradingHalted: "on_halted",
        HaltReset: "on_halt_reset",
        ShutdownRequested: "on_shutdown",
        RunStarted: "on_run_started",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        ChildOrder,
        ChildReplace,
        CancelOrder,
        CancelAll,
        TradingHalted,
        RoutedOrder,
        ParentCancel,
        OrderTimedOut,
        OrderStatusWanted,
        QuotingChanged,
        Alert,
    )
    OWNS: ClassVar[tuple[type[Message], ...]] = (ChildOrder,)
    PARAMS: ClassVar[type | None] = OrderManagerParams
    POLICY: ClassVar[str] = HALT_TRADING

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Without a router there are no targets."""
        if isinstance(params, OrderManagerParams) and not params.routed:
            return (TargetPosition, RoutedOrder, ParentCancel, ParentProgress)
        return ()

    # ---- wants

    def on_wanted_quotes(self, wanted: WantedQuotes) -> None:
        """Take what a strategy wants, and bring it about as far as it may be."""
        gate = self.gates.get(wanted.instrument_id)
        if gate is None:
            return
        quoted = self.quotes.quoted(wanted.strategy_id, gate)
        self.quotes.take(quoted, wanted)
        if quoted.wants_something():
            blocked = self.blocked(gate)
            if blocked:
                self.pull(quoted, blocked, wanted.receive_ns)
                return
            if quoted.pulled:
                self.allow(quoted, "wanted again", wanted.receive_ns)
        self.quotes.reconcile(quoted, wanted.reason, wanted.receive_ns)

    def on_target(self, wanted: TargetPosition) -> None:
        """A position that a strategy wants to hold."""
        self.targets.want(wanted, self.forbidden())

    def on_flatten(self, flatten: FlattenPosition) -> None:
        """Close positions, of one strategy and instrument or of all; the quotes there are pulled."""
        for key, position in list(self.ledger.positions.items()):
            strategy_id, instrument_id = key
            if flatten.strategy_id not in (0, strategy_id) or flatten.instrument_id not in (0, instrument_id):
                continue
            quoted = self.quotes.find(strategy_id, instrument_id)
            if quoted is not None:
                self.pull(quoted, f"flattened: {flatten.reason}", flatten.receive_ns)
            if position.net_size != 0:
                self.targets.flatten(strategy_id, instrument_id, flatten.reason, flatten.receive_ns, self.forbidden())

    # ---- reports

    def on_child_order(self, order: ChildOrder) -> None:
        """An order that somebody else asked for, such as the router, is looked after like one of our own."""
        if not self.ids.is_own(order.order_id):
            takes = order.time_in_force == IOC or order.time_in_force == FOK
            self.requests.expect(
                order.order_id,
                order.strategy_id,
                order.instrument_id,
                order.side,
                order.price,
                order.size,
                TAKE if takes else NEW,
                0,
            )

    def on_accepted(self, accepted: OrderAccepted) -> None:
        """The order works; a cancel of it may still be on its way, and one that takes has to end too."""
        self.requests.answered(accepted.order_id, NEW)
        self.change_waiting(accepted.order_id)

    def on_replaced(self, replaced: OrderReplaced) -> None:
        """The order works as it was wanted when the change was asked for."""
        self.requests.answered(replaced.order_id, REPLACE)
        self.change_waiting(replaced.order_id)

    def change_waiting(self, order_id: i64) -> None:
        """An order was answered: what could not be asked meanwhile is asked now."""
        order = self.ledger.order(order_id)
        if order is None or not order.post_only:
            return
        quoted = self.quotes.find(order.strategy_id, order.instrument_id)
        if quoted is not None and quoted.side(order.side).waiting:
            self.quotes.reconcile_side(quoted, quoted.side(order.side), "the wants have moved on", self.now)

    def on_replace_rejected(self, rejected: ReplaceRejected) -> None:
        """The order is as it was, at a price that nobody wants: cancel it, and let its side rest."""
        self.requests.answered(rejected.order_id, REPLACE)
        order = self.ledger.order(rejected.order_id)
        if order is None or is_final(order.state):
            return
        gate = self.gates.get(order.instrument_id)
        if rejected.code == REJECT_UNSUPPORTED and gate is not None:
            self.quotes.cannot_amend(gate.rules)
        quoted = self.quotes.find(order.strategy_id, order.instrument_id)
        if quoted is not None:
            self.quotes.rest(quoted.side(order.side))
        if not self.requests.is_leaving(order.order_id):
            self.requests.cancel(order, f"its change was refused: {rejected.reason}", self.now)

    def on_rejected(self, rejected: OrderRejected) -> None:
        """The order is gone. Its side rests for a while, or it would be refused again without end."""
        self.ended(rejected.order_id, True)

    def on_filled(self, fill: OrderFilled) -> None:
        """What a fill leaves wanting is the strategy's to say; a filled order has nothing more to answer."""
        order = self.ledger.order(fill.order_id)
        if order is None:
            return
        if order.post_only and order.parent_id == 0:
            quoted = self.quotes.find(order.strategy_id, order.instrument_id)
            if quoted is not None:
                quoted.side(order.side).held = True
        if is_final(order.state):
            self.ended(fill.order_id, False)
        else:
            self.requests.answered(fill.order_id, NEW)

    def on_fee_taken(self, _: FeeTaken) -> None:
        """The ledger has taken note of it: targets are reached, and positions closed, by what is left."""

    def on_cancelled(self, cancelled: OrderCancelled) -> None:
        """There is room for the order that takes its place. One that nobody wanted cancelled was refused."""
        asked = self.requests.is_leaving(cancelled.order_id) or cancelled.cause == CAUSE_REQUESTED
        self.ended(cancelled.order_id, not asked)

    def on_reduced(self, reduced: OrderReduced) -> None:
        """The venue took some of an order away: all of it is an end; what is missing else the next want sees."""
        order = self.ledger.order(reduced.order_id)
        if order is not None and is_final(order.state):
            self.ended(reduced.order_id, True)

    def on_expired(self, expired: OrderExpired) -> None:
        """The same, by time."""
        self.ended(expired.order_id, False)

    def ended(self, order_id: i64, refused: bool) -> None:
        """An order is at its end: nothing of it is due, its side has room, a target may go on."""
        self.requests.ended(order_id)
        order = self.ledger.order(order_id)
        if order is None:
            return
        gate = self.gates.get(order.instrument_id)
        if gate is not None and gate.doubts.pop(order_id, False) and len(gate.doubts) == 0:
            self.look_again("the order whose cancel was refused is gone")
        if len(self.targets.open) > 0:
            self.targets.over(order_id, self.forbidden())
        if not order.post_only or order.parent_id != 0:
            return
        quoted = self.quotes.find(order.strategy_id, order.instrument_id)
        if quoted is None:
            return
        wanted = quoted.side(order.side)
        if refused:
            self.quotes.rest(wanted)
        elif len(wanted.prices) > 0:
            self.quotes.reconcile_side(quoted, wanted, "room after an order has ended", self.now)

    def on_cancel_order(self, cancel: CancelOrder) -> None:
        """A cancel that the lane asked for is looked after like one of our own, which are known already."""
        if self.requests.is_leaving(cancel.order_id):
            return
        order = self.ledger.order(cancel.order_id)
        if order is not None and not is_final(order.state):
            self.requests.expect_cancel(order)

    def on_cancel_all(self, cancel: CancelAll) -> None:
        """Nothing is wanted any more where everything is cancelled, and every order there has to answer."""
        for quoted in self.quotes.all():
            if cancel.instrument_id in (0, quoted.instrument_id) and quoted.wants_something():
                quoted.bids.clear()
                quoted.asks.clear()
                self.tell_pulled(quoted, f"everything is cancelled: {cancel.reason}", self.now)
        for order in self.ledger.working_orders(-1, cancel.instrument_id):
            if not self.requests.is_leaving(order.order_id):
                self.requests.expect_cancel(order)

    def on_cancel_rejected(self, rejected: CancelRejected) -> None:
        """Usually a fill was faster. Of an order that is still open nobody knows: pull the quotes there."""
        order = self.ledger.order(rejected.order_id)
        if order is None or is_final(order.state):
            self.requests.ended(rejected.order_id)
            return
        gate = self.gates.get(order.instrument_id)
        if gate is not None:
            gate.doubts[order.order_id] = True
            self.pull_everywhere(gate.reason(), order.instrument_id, self.now)

    def on_parent_progress(self, progress: ParentProgress) -> None:
        """The router has ended an order of a target."""
        if progress.state >= PARENT_DONE:
            self.targets.over(progress.parent_id, self.forbidden())

    def on_risk_refused(self, refused: RiskRefused) -> None:
        """An order that closes a position is cut where it is too large for risk."""
        self.targets.refused(refused)

    def on_limit_changed(self, changed: LimitChanged) -> None:
        """Another limit may let larger orders pass."""
        self.targets.bounds.forget(changed)

    # ---- time

    def on_timer(self, timer: TimerFired) -> None:
        """Look after what was not answered in time, and try again what rested after a refusal."""
        self.requests.fired()
        if not self.requests.chase_due():
            self.look_at_gateways()
        self.quotes.wake_rested("the pause after a refusal is over")
        self.targets.look(self.forbidden())
        self.requests.wake_for_all()

    # ---- state

    def prime(self, ledger: Ledger) -> None:
        """Begin without wants, with ids above all that the ledger knows; what is under way has to be answered."""
        self.ids.prime(ledger, self.now)
        for gate in self.gates.values():
            # Books tell when they stop being live; until then risk refuses what has no live book.
            gate.live = True
        self.requests.adopt()
        self.requests.fired()
        self.requests.wake_for_all()
        self.targets.wake_for_all()
        for quoted in self.quotes.all():
            quoted.bids.clear()
            quoted.asks.clear()

    def pulled(self) -> list[Quoted]:
        """Where quotes were pulled."""
        return [quoted for quoted in self.quotes.all() if quoted.pulled]

    def summary(self) -> dict[str, object]:
        """What it asked for in this run, and what is not answered."""
        return {
            "orders_sent": int(self.ids.counter),
            "unanswered": len(self.requests.open),
            "timed_out": int(self.requests.timed_out),
            "wants": sum(1 for quoted in self.quotes.all() if quoted.wants_something()),
            "pulled": len(self.pulled()),
            "targets": len(self.targets.open),
            "targets_given_up": int(self.targets.given_up),
        }

    def panel(self) -> dict[str, object]:
        """What is not answered, and why quotes were pulled."""
        return {
            "kind": "orders",
            "paused": self.paused,
            "unanswered": len(self.requests.open),
            "why_pulled": [
                {
                    "strategy": self.names.get(quoted.strategy_id, str(quoted.strategy_id)),
                    "instrument_id": int(quoted.instrument_id),
                    "reason": quoted.pulled,
                }
                for quoted in self.pulled()[:MOST_TOLD]
            ],
        }

    def save(self) -> dict[str, object]:
        """The wants and the open requests."""
        return {
            "ids": self.ids.save(),
            "flags": [self.lagging, self.paused, self.stopping],
            "gates": [gate.save() for gate in self.gates.values()],
            "quotes": self.quotes.save(),
            "requests": self.requests.save(),
            "targets": self.targets.save(),
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        flags = state["flags"]
        gates = state["gates"]
        assert isinstance(flags, list)
        assert isinstance(gates, list)
        self.ids.load(state["ids"])
        self.lagging, self.paused, self.stopping = flags
        for row in gates:
            self.gates[row[0]].load(row)
        self.quotes.load(state["quotes"], self.gates)
        self.requests.load(state["requests"])
        self.targets.load(state["targets"])
