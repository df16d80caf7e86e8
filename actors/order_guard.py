"""Whether quotes may work, and pulling them in the same step when they may not. The base of `OrderManager`.

It knows what forbids quotes everywhere (a lag, a pause, a halt, a shutdown) and in one instrument (a book that is not
live, a gateway that is down, a cancel that was refused). Quotes that are pulled are forgotten: the strategy hears
`QuotingChanged` with the reason, hears it again when the reason is gone, and has to want anew. Nothing is live before
its book has said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mypy_extensions import i64

from actors.order_gateways import Gateways, Reach
from actors.order_ids import OrderIds
from actors.order_manager_params import OrderManagerParams
from actors.order_quotes import Gate, Quoted, Quotes
from actors.order_requests import Requests
from actors.order_rules import VenueRules, amend_of
from actors.order_targets import Targets
from market.messages import (
    LIVE,
    SEVERITY_INFO,
    SEVERITY_WARNING,
    ActorFailed,
    ActorRestarted,
    ActorStopped,
    Alert,
    BookStateChanged,
    CancelAll,
    ConnectionDown,
    ConnectionUp,
    HaltReset,
    Lagging,
    PauseQuoting,
    QuotingChanged,
    RunStarted,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    ShutdownRequested,
    TradingHalted,
)
from runtime.actor import Actor, ActorSetup

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


class QuoteGuard(Actor):
    """See the head of this file."""

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, OrderManagerParams)
        self.ids: Final = OrderIds(self.name, self.actor_id)
        instruments = [setup.instruments.by_id(one) for one in setup.instrument_ids if one in setup.instruments]
        self.gateways: Final = Gateways([one.instrument_id for one in instruments], setup.gateways, setup.connections)
        self.requests: Final = Requests(
            self, self.gateways, params.answer_ms * NANOSECONDS_PER_MILLISECOND, params.attempts
        )
        self.quotes: Final = Quotes(
            self,
            self.ids,
            self.requests,
            params.maximum_open_orders,
            params.keep_size_percent,
            params.replace_at_once,
            params.refusal_pause_ms * NANOSECONDS_PER_MILLISECOND,
        )
        self.targets: Final = Targets(
            self,
            self.ids,
            self.requests,
            self.gateways,
            instruments,
            params.target_pause_ms * NANOSECONDS_PER_MILLISECOND,
            params.target_rounds,
        )
        self.gates: Final[dict[int, Gate]] = {}
        for one in instruments:
            amend = amend_of(one, params.amend, setup.gateways, setup.amends)
            rules = VenueRules(one, amend, params.keep_within_ticks, params.keep_within_bps)
            reach = self.gateways.reaches[one.instrument_id]
            self.gates[one.instrument_id] = Gate(rules, self.ledger.standing(one.instrument_id), reach)
        self.strategies_hit: Final[Mapping[int, tuple[int, ...]]] = setup.strategies_hit
        self.names: Final[dict[int, str]] = {number: name for name, number in setup.actor_ids.items()}
        self.away_ns: Final[i64] = params.away_ms * NANOSECONDS_PER_MILLISECOND
        self.lagging: bool = False
        self.paused: bool = False
        self.stopping: bool = False

    # ---- pulling

    def forbidden(self) -> str:
        """Why nothing new may be sent anywhere; empty when it may."""
        if self.stopping:
            return "the system is shutting down"
        if self.ledger.halted:
            return f"trading is halted: {self.ledger.halt_reason}"
        if self.paused:
            return "quoting is paused"
        if self.lagging:
            return "the lane lags"
        return ""

    def blocked(self, gate: Gate) -> str:
        """Why no quote may work in an instrument; empty when they may."""
        if self.stopping or self.paused or self.lagging or self.ledger.halted:
            return self.forbidden()
        return gate.reason()

    def pull(self, quoted: Quoted, reason: str, receive_ns: i64) -> None:
        """Forget the wants of a strategy in an instrument, cancel its quotes, and say why."""
        if self.quotes.cancel_all(quoted, reason, receive_ns) or quoted.pulled:
            self.tell_pulled(quoted, reason, receive_ns)

    def tell_pulled(self, quoted: Quoted, reason: str, receive_ns: i64) -> None:
        """Say that quotes were pulled, once."""
        told = len(quoted.pulled) > 0
        quoted.pulled = reason
        if not told:
            self.emit(QuotingChanged(quoted.strategy_id, quoted.instrument_id, False, reason, receive_ns))

    def allow(self, quoted: Quoted, reason: str, receive_ns: i64) -> None:
        """Say that quotes may work again."""
        quoted.pulled = ""
        self.emit(QuotingChanged(quoted.strategy_id, quoted.instrument_id, True, reason, receive_ns))

    def pull_everywhere(self, reason: str, instrument_id: i64, receive_ns: i64) -> None:
        """Pull all quotes of an instrument, or all (0)."""
        for quoted in self.quotes.all():
            if instrument_id == 0 or quoted.instrument_id == instrument_id:
                self.pull(quoted, reason, receive_ns)

    def look_again(self, reason: str) -> None:
        """Something that forbade quotes may be over."""
        for quoted in self.quotes.all():
            if quoted.pulled and not self.blocked(quoted.gate):
                self.allow(quoted, reason, self.now)

    # ---- what forbids quotes

    def on_book_state(self, book: BookStateChanged) -> None:
        """No quotes on a book that is not live."""
        gate = self.gates.get(book.instrument_id)
        if gate is None:
            return
        gate.live = book.state == LIVE
        gate.cause = book.cause
        if gate.live:
            self.look_again("the book is live")
        else:
            self.pull_everywhere(gate.reason(), book.instrument_id, book.receive_ns)

    def on_lagging(self, lagging: Lagging) -> None:
        """No quotes on what is old."""
        self.lagging = lagging.lag_ns > 0
        if self.lagging:
            self.pull_everywhere(f"lagging by {lagging.lag_ns // NANOSECONDS_PER_MILLISECOND} ms", 0, self.now)
        else:
            self.look_again("the lane does not lag any more")

    def on_pause(self, pause: PauseQuoting) -> None:
        """An operator pulls the quotes, or lets them work again."""
        self.paused = pause.paused
        if self.paused:
            self.pull_everywhere(f"paused by {pause.operator}", 0, self.now)
        else:
            self.look_again(f"resumed by {pause.operator}")

    def on_actor_failed(self, failed: ActorFailed) -> None:
        """The strategies that hang on the failed actor have to want anew; the quotes of the others stay as they are.

        The lane cancels the orders of those strategies in this same step.
        """
        reason = f"{self.names.get(failed.actor_id, 'an actor')} failed"
        hit = self.strategies_hit.get(failed.actor_id, ())
        for quoted in self.quotes.all():
            if quoted.strategy_id != failed.actor_id and quoted.strategy_id not in hit:
                continue
            if quoted.wants_something():
                quoted.bids.clear()
                quoted.asks.clear()
                self.tell_pulled(quoted, reason, self.now)
        self.targets.drop_all(failed.actor_id, reason)

    def on_actor_restarted(self, _: ActorRestarted) -> None:
        """Quotes may be wanted again."""
        self.look_again("what had failed was started again")

    def on_actor_stopped(self, stopped: ActorStopped) -> None:
        """A strategy that is gone wants nothing any more; the others may go on without what has stopped."""
        for quoted in self.quotes.all():
            if quoted.strategy_id == stopped.actor_id:
                self.pull(quoted, f"the strategy has stopped: {stopped.reason}", self.now)
        self.targets.drop_all(stopped.actor_id, stopped.reason)
        for quoted in self.quotes.all():
            if quoted.strategy_id != stopped.actor_id and quoted.pulled and not self.blocked(quoted.gate):
                self.allow(quoted, f"{self.names.get(stopped.actor_id, 'an actor')} has stopped", self.now)

    def on_service_failed(self, failed: ServiceFailed) -> None:
        """A gateway is down: no quotes where it brings them."""
        self.pull_unreached(failed.service, self.gateways.failed(failed, self.now))

    def on_service_stopped(self, stopped: ServiceStopped) -> None:
        """A gateway is gone: what was asked there is looked after again, for nothing else will answer."""
        found = self.gateways.stopped(stopped, self.now)
        self.pull_unreached(stopped.service, found)
        self.requests.resume(found)

    def pull_unreached(self, service: str, reaches: list[Reach]) -> None:
        """Pull the quotes that no gateway brings, and tell a person when orders are open there."""
        orders: i64 = 0
        for reach in reaches:
            self.pull_everywhere(reach.reason(), reach.instrument_id, self.now)
            if not reach.told:
                orders += self.gates[reach.instrument_id].standing.count()
        if orders == 0:
            return
        for reach in reaches:
            if not reach.told:
                reach.told = True
                self.bound(reach)
        reason = reaches[0].reason()
        self.emit(
            Alert(
                SEVERITY_WARNING,
                f"gateway {service}",
                f"{orders} orders are open where nobody reaches them",
                f"{reason}: what it was asked waits until it is back; cancel there by hand what must not rest",
                False,
            )
        )

    def bound(self, reach: Reach) -> None:
        """From now on orders may be open for so long where nobody reaches them."""
        if self.away_ns > 0:
            now: i64 = self.now
            reach.halt_ns = now + self.away_ns
            self.requests.wake(reach.halt_ns)

    def look_at_gateways(self) -> None:
        """Halt when orders were open for too long where nobody reaches them; have the timer fire for the others."""
        now: i64 = self.now
        for gate in self.gates.values():
            reach = gate.reach
            if reach.halt_ns == 0 or not reach.is_awaited() or self.ledger.halted:
                continue
            if reach.halt_ns > now:
                self.requests.wake(reach.halt_ns)
            elif gate.standing.count() > 0:
                away_ms = (now - reach.away_ns) // NANOSECONDS_PER_MILLISECOND
                reason = f"orders are open where nobody reached them for {away_ms} ms: {reach.reason()}"
                self.emit(TradingHalted(reason, self.name))
                self.emit(CancelAll(0, reason))
                return

    def on_service_restarted(self, restarted: ServiceRestarted) -> None:
        """A gateway is back."""
        self.resume(restarted.service, self.gateways.restarted(restarted))
        self.look_again(f"{restarted.service} was started again")

    def on_connection_down(self, down: ConnectionDown) -> None:
        """A gateway runs and reaches nobody; it keeps the cancels for when it does."""
        found = self.gateways.disconnected(down, self.now)
        self.pull_unreached(self.gateways.service_of(down.connection_id), found)

    def on_connection_up(self, up: ConnectionUp) -> None:
        """A gateway reaches its venue again."""
        found = self.gateways.connected(up)
        if len(found) > 0:
            service = self.gateways.service_of(up.connection_id)
            self.resume(service, found)
            self.look_again(f"{service} is connected")

    def resume(self, service: str, reaches: list[Reach]) -> None:
        """Go on where a gateway is back, and tell whom it was told that it is."""
        for reach in reaches:
            if reach.told and reach.is_open():
                details = "what waited there goes on"
                self.emit(Alert(SEVERITY_INFO, f"gateway {service}", f"{service} is back", details, True))
                break
        self.requests.resume(reaches)

    def on_halted(self, halted: TradingHalted) -> None:
        """Whoever halts trading also cancels everything; nothing is wanted any more."""
        for quoted in self.quotes.all():
            if quoted.wants_something() or len(quoted.bids.open_side.orders) + len(quoted.asks.open_side.orders) > 0:
                quoted.bids.clear()
                quoted.asks.clear()
                self.tell_pulled(quoted, f"trading is halted: {halted.reason}", self.now)
        self.targets.drop_all(-1, halted.reason)

    def on_halt_reset(self, reset: HaltReset) -> None:
        """A new beginning: what was refused may be tried again."""
        for quoted in self.quotes.all():
            quoted.bids.rest_until_ns = 0
            quoted.asks.rest_until_ns = 0
        for gate in self.gates.values():
            gate.rules.amend = gate.rules.configured_amend
            if gate.reach.told:
                self.bound(gate.reach)
        self.look_again(f"the halt was ended by {reset.operator}")

    def on_shutdown(self, shutdown: ShutdownRequested) -> None:
        """Leave nothing working behind."""
        self.stopping = True
        reason = f"shutdown: {shutdown.reason}"
        self.pull_everywhere(reason, 0, self.now)
        self.targets.drop_all(-1, reason)
        for order in self.ledger.working_orders():
            if not self.requests.is_leaving(order.order_id):
                self.requests.cancel(order, reason, self.now)

    def on_run_started(self, started: RunStarted) -> None:
        """A new run numbers its orders anew, and knows of no book."""
        self.stopping = False
        self.lagging = False
        self.ids.begin(started.session)
        self.gateways.forget()
        self.requests.resume(list(self.gateways.reaches.values()))
        for gate in self.gates.values():
            gate.live = False
            gate.cause = "a new run"
            for order_id in list(gate.doubts):
                if order_id not in self.ledger.open:
                    del gate.doubts[order_id]
        self.pull_everywhere("a new run", 0, self.now)
