"""Splits an order over venues by all-in price, sends at once, routes anew what is not filled, and learns from it.

It keeps the latest book of every venue and what was learned of it: how its orders fill and how fast it answers. A
routed order (`RoutedOrder`) becomes one order a venue, all immediate-or-cancel, and each goes through risk. When all
have answered, what is left is routed anew, at venues that have shown a new book since, until it is filled or the
rounds are used up; `ParentProgress` tells the end, `RouteDecided` why it was split so. `docs/router.md` says more.
A part that risk finds too large becomes several. It never sends to a venue whose book is not live or whose gateway is
away, never while the lane lags or quoting is paused, and never beyond the limit price.
"""

from __future__ import annotations

from typing import ClassVar, Final

from librt.vecs import append, vec
from mypy_extensions import i64

from actors.order_ids import OrderIds
from actors.router_market import RouterMarket, is_of_venue
from actors.router_params import RouterParams
from actors.router_parents import RoutedChild, RoutedParent, load_child, load_parent, parent_of, progress_of
from actors.router_venues import RouterVenue
from market.messages import (
    BUY,
    IOC,
    LIMIT,
    PARENT_CANCELLED,
    PARENT_DONE,
    PARENT_ENDED,
    PARENT_WORKING,
    ActorFailed,
    BookSnapshot,
    BookStateChanged,
    ChildOrder,
    ConnectionDown,
    ConnectionUp,
    Lagging,
    LimitChanged,
    Message,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    ParentCancel,
    ParentProgress,
    PauseQuoting,
    RiskRefused,
    RouteDecided,
    RoutedOrder,
    RouteOutcome,
    RunStarted,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    ShutdownRequested,
    TimerFired,
    TopOfBook,
    TradingHalted,
)
from market.order_life import is_final
from market.routing import Split, set_add_ons, split
from runtime.actor import RESTART, ActorSetup
from runtime.ledger import Ledger

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
NANOSECONDS_PER_SECOND: Final = 1e9
MOST_CUTS: Final = 8
TIMER: Final = 1
NOT_SET: Final = -1
MOST_ROUTES: Final = 10


class Router(RouterMarket):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        RoutedOrder: "on_routed_order",
        ParentCancel: "on_parent_cancel",
        TopOfBook: "on_top_of_book",
        BookSnapshot: "on_depth",
        BookStateChanged: "on_book_state",
        OrderAccepted: "on_accepted",
        OrderFilled: "on_filled",
        OrderCancelled: "on_cancelled",
        OrderExpired: "on_expired",
        OrderReduced: "on_reduced",
        RiskRefused: "on_risk_refused",
        OrderRejected: "on_rejected",
        LimitChanged: "on_limit_changed",
        ServiceFailed: "on_service_failed",
        ServiceStopped: "on_service_stopped",
        ServiceRestarted: "on_service_restarted",
        ConnectionDown: "on_connection_down",
        ConnectionUp: "on_connection_up",
        Lagging: "on_lagging",
        PauseQuoting: "on_pause",
        ActorFailed: "on_actor_failed",
        TradingHalted: "on_halted",
        ShutdownRequested: "on_shutdown",
        RunStarted: "on_run_started",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (ChildOrder, RouteDecided, RouteOutcome, ParentProgress)
    PARAMS: ClassVar[type | None] = RouterParams
    POLICY: ClassVar[str] = RESTART

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, RouterParams)
        self.rounds: Final[i64] = params.rounds
        self.pause_ns: Final[i64] = params.reroute_pause_ms * NANOSECONDS_PER_MILLISECOND
        self.learning_weight: Final[float] = params.learning_weight
        self.latency_weight: Final[float] = params.latency_weight
        self.ids: Final = OrderIds(self.name, self.actor_id)
        self.parents: dict[int, RoutedParent] = {}
        self.children: dict[int, RoutedChild] = {}
        self.timer_due_ns: i64 = NOT_SET
        self.routed: i64 = 0
        self.sent: i64 = 0
        self.stopping: bool = False
        # The last decisions, in words.
        self.told: list[str] = []

    # ---- the run

    def on_run_started(self, started: RunStarted) -> None:
        """A new run numbers its orders anew, and knows of no book; what was routed in another is over."""
        self.stopping = False
        self.lagging = False
        self.ids.begin(started.session)
        self.gateways.forget()
        for venue in self.venues.values():
            venue.forget_book()
        self.end_all("a new run")

    # ---- orders

    def on_routed_order(self, order: RoutedOrder) -> None:
        """A new order to split."""
        venue = self.venues.get(order.instrument_id)
        units: i64 = 0 if venue is None else venue.units(order.size)
        parent = parent_of(order, units)
        self.parents[parent.order_id] = parent
        self.routed += 1
        if venue is None or units <= 0:
            self.finish(parent, PARENT_ENDED, "no venue here takes it")
            return
        if units > venue.most_units:
            self.finish(parent, PARENT_ENDED, "too large")
            return
        parent.arrival_price = self.middle(venue)
        self.route(parent)

    def on_parent_cancel(self, cancel: ParentCancel) -> None:
        """What is sent is sent; nothing more follows."""
        parent = self.parents.get(cancel.parent_id)
        if parent is not None:
            self.end(parent, cancel.reason)

    def end(self, parent: RoutedParent, reason: str) -> None:
        """Route no more; the end is told when the last child has answered."""
        if not parent.ended:
            parent.ended = reason
        if parent.open_children == 0:
            self.finish(parent, PARENT_CANCELLED, parent.ended)

    def end_all(self, reason: str) -> None:
        """Route nothing more."""
        for parent in list(self.parents.values()):
            self.end(parent, reason)

    def on_halted(self, halted: TradingHalted) -> None:
        """Nothing new is sent."""
        self.end_all(f"trading is halted: {halted.reason}")

    def on_shutdown(self, shutdown: ShutdownRequested) -> None:
        """Nothing new is sent."""
        self.stopping = True
        self.end_all(f"shutdown: {shutdown.reason}")

    # ---- the split

    def route(self, parent: RoutedParent) -> None:
        """Split what is left of an order, and send the parts at once."""
        if self.ledger.halted or self.stopping:
            self.end(parent, "nothing may be sent")
            return
        if self.lagging or self.paused:
            # Nothing is counted: it goes on when this is over.
            self.wait(parent)
            return
        parent.due_ns = 0
        parent.rounds += 1
        group = self.group_of[parent.instrument_id]
        venues = [venue for venue in group if self.may_take(venue, parent)]
        deviation: float = 0.0
        for venue in venues:
            venue.prepare(parent.side)
            deviation += venue.deviation()
        if len(venues) == 0:
            self.wait_or_end(parent, self.why_none(group, parent))
            return
        routes = [venue.route for venue in venues]
        set_add_ons(routes, parent.side, deviation / len(venues), self.latency_weight)
        own = self.venues[parent.instrument_id]
        found = split(routes, parent.side, parent.left, parent.limit_price * own.price_factor)
        self.tell(parent, own, found)
        if len(found.instruments) == 0:
            self.wait_or_end(parent, "no venue takes so little, or at this limit")
            return
        for place in range(len(found.instruments)):
            self.send_part(parent, found.instruments[place], found.units[place], found.prices[place])
        if parent.open_children == 0:
            self.wait_or_end(parent, self.why_none(group, parent))

    def send_part(self, parent: RoutedParent, instrument_id: i64, units: i64, price: i64) -> None:
        """What one venue is to get, in as many orders as risk's bound on one makes it."""
        venue = self.venues[instrument_id]
        most_size = self.bounds.most_size(instrument_id)
        pieces = venue.pieces(units, most_size)
        if len(pieces) == 0:
            most: int = most_size
            told = venue.instrument.format_size(most)
            parent.refused[instrument_id] = f"risk lets no order above {told} pass, the venue takes none so small"
        for place in range(len(pieces)):
            self.send(parent, venue, pieces[place], price)

    def send(self, parent: RoutedParent, venue: RouterVenue, units: i64, price: i64) -> None:
        """One order to one venue."""
        instrument_id = venue.instrument_id
        size = venue.size(units)
        order_id = self.ids.next()
        now: i64 = self.now
        self.children[order_id] = RoutedChild(order_id, parent.order_id, instrument_id, size, now)
        parent.open_children += 1
        parent.tried[instrument_id] = venue.updates
        self.sent += 1
        self.emit(
            ChildOrder(
                order_id,
                parent.order_id,
                parent.strategy_id,
                instrument_id,
                parent.side,
                LIMIT,
                IOC,
                price,
                size,
                0,
                0,
                False,
                False,
                0,
                parent.receive_ns,
            )
        )

    def wait_or_end(self, parent: RoutedParent, reason: str) -> None:
        """Look again after a pause, as long as there are rounds."""
        if parent.rounds >= self.rounds:
            self.finish(parent, PARENT_ENDED, reason)
            return
        self.wait(parent)

    def wait(self, parent: RoutedParent) -> None:
        """Look at it again after a pause."""
        now: i64 = self.now
        parent.due_ns = now + self.pause_ns
        self.wake(parent.due_ns)

    def tell(self, parent: RoutedParent, own: RouterVenue, found: Split) -> None:
        """Say how the order was split, and why."""
        sizes = vec[i64]()
        prices = vec[i64]()
        words = []
        for place in range(len(found.instruments)):
            venue = self.venues[found.instruments[place]]
            size = venue.size(found.units[place])
            # Rounded against us, as costs are.
            all_in = found.all_in[place] // venue.price_factor
            if parent.side == BUY:
                all_in = -(-found.all_in[place] // venue.price_factor)
            sizes = append(sizes, size)
            prices = append(prices, all_in)
            count = len(venue.pieces(found.units[place], self.bounds.most_size(venue.instrument_id)))
            words.append(venue.words(size, found.prices[place], all_in, count))
        unplaced = own.size(found.unplaced)
        side = "buy" if parent.side == BUY else "sell"
        total = own.instrument.format_size(own.size(parent.left))
        rest = f"; {own.instrument.format_size(unplaced)} not placed" if unplaced > 0 else ""
        reason = f"{side} {total} {own.instrument.symbol}: {', '.join(words) if words else 'nothing'}{rest}"
        self.told = [*self.told[-(MOST_ROUTES - 1) :], reason]
        self.emit(RouteDecided(parent.order_id, found.instruments, sizes, prices, unplaced, reason, parent.receive_ns))

    # ---- reports

    def on_accepted(self, accepted: OrderAccepted) -> None:
        """The venue has answered."""
        child = self.children.get(accepted.order_id)
        if child is not None and child.answered_ns == 0:
            child.answered_ns = self.now

    def on_filled(self, fill: OrderFilled) -> None:
        """A part traded; the ledger has sorted out what was reported twice."""
        child = self.children.get(fill.order_id)
        if child is None:
            return
        if child.answered_ns == 0:
            child.answered_ns = self.now
        parent = self.parents.get(child.parent_id)
        order = self.ledger.order(fill.order_id)
        if parent is None or order is None:
            return
        venue = self.venues[child.instrument_id]
        own = self.venues[parent.instrument_id]
        news = order.filled - child.filled
        child.filled = order.filled
        units = venue.units(news)
        parent.filled += units
        # The price in units of the parent's instrument, against us where it is finer there.
        fine: int = fill.price * venue.price_factor
        factor: int = own.price_factor
        price = -(-fine // factor) if parent.side == BUY else fine // factor
        size: int = own.size(units)
        parent.notional += price * size
        if is_final(order.state):
            self.end_child(child, True)

    def on_cancelled(self, cancelled: OrderCancelled) -> None:
        """What did not trade at once is gone."""
        child = self.children.get(cancelled.order_id)
        if child is not None:
            self.end_child(child, True)

    def on_expired(self, expired: OrderExpired) -> None:
        """The same, by time."""
        child = self.children.get(expired.order_id)
        if child is not None:
            self.end_child(child, True)

    def on_reduced(self, reduced: OrderReduced) -> None:
        """The venue took some of a part away: it is over when nothing is left of it."""
        child = self.children.get(reduced.order_id)
        order = self.ledger.order(reduced.order_id)
        if child is not None and order is not None and is_final(order.state):
            self.end_child(child, True)

    def on_risk_refused(self, refused: RiskRefused) -> None:
        """Risk says why, before the refusal: a part that was too large is cut from now on."""
        child = self.children.get(refused.order_id)
        if child is not None and self.bounds.learn(refused, child.sent):
            child.is_cut = True

    def on_rejected(self, rejected: OrderRejected) -> None:
        """Refused: not tried there again for this order, unless smaller ones may pass.

        What risk refused says nothing of the venue.
        """
        child = self.children.get(rejected.order_id)
        if child is None:
            return
        parent = self.parents.get(child.parent_id)
        if parent is not None:
            if child.is_cut and parent.cuts < MOST_CUTS:
                parent.is_cut = True
                parent.tried.pop(child.instrument_id, None)
            else:
                parent.refused[child.instrument_id] = rejected.reason
        self.end_child(child, is_of_venue(rejected))

    def end_child(self, child: RoutedChild, is_told_by_venue: bool) -> None:
        """A part is over: learn from it, and go on when it was the last."""
        del self.children[child.order_id]
        now: i64 = self.now
        if is_told_by_venue and not self.was_away(child):
            answered_ns = child.answered_ns if child.answered_ns > 0 else now
            latency_ns = answered_ns - child.sent_ns
            self.venues[child.instrument_id].learn(child.sent, child.filled, latency_ns, self.learning_weight)
            self.emit(
                RouteOutcome(
                    child.order_id, child.parent_id, child.instrument_id, child.sent, child.filled, latency_ns, now
                )
            )
        parent = self.parents.get(child.parent_id)
        if parent is None:
            return
        parent.open_children -= 1
        if parent.open_children > 0:
            return
        if parent.left <= 0:
            self.finish(parent, PARENT_DONE, "filled")
        elif parent.ended:
            self.finish(parent, PARENT_CANCELLED, parent.ended)
        elif parent.is_cut:
            # What was too large was never sent: the round is repeated.
            parent.is_cut = False
            parent.cuts += 1
            parent.rounds -= 1
            self.route(parent)
        elif parent.rounds >= self.rounds:
            self.finish(parent, PARENT_ENDED, f"not filled in {self.rounds} rounds")
        else:
            self.progress(parent, PARENT_WORKING, "routed anew")
            self.route(parent)

    def finish(self, parent: RoutedParent, state: i64, reason: str) -> None:
        """The order is over."""
        del self.parents[parent.order_id]
        self.progress(parent, state, reason)

    def progress(self, parent: RoutedParent, state: i64, reason: str) -> None:
        """Tell how far an order has come."""
        own = self.venues.get(parent.instrument_id)
        filled: i64 = 0 if own is None else own.size(parent.filled)
        left: i64 = 0 if own is None else own.size(parent.left)
        self.emit(progress_of(parent, filled, left, state, reason))

    # ---- time

    def wake(self, due_ns: i64) -> None:
        """Have the timer fire no later than this."""
        if self.timer_due_ns == NOT_SET or due_ns < self.timer_due_ns:
            self.timer_due_ns = due_ns
            self.set_timer(TIMER, due_ns)

    def on_timer(self, timer: TimerFired) -> None:
        """Route what has waited."""
        now: i64 = self.now
        self.timer_due_ns = NOT_SET
        for parent in list(self.parents.values()):
            if 0 < parent.due_ns <= now:
                self.route(parent)
            elif parent.due_ns > now:
                self.wake(parent.due_ns)

    # ---- state

    def prime(self, ledger: Ledger) -> None:
        """Begin anew: its children are looked after by the order manager, and their orders are not routed again."""
        self.ids.prime(ledger, self.now)

    def summary(self) -> dict[str, object]:
        """What it routed, and what is open."""
        return {"routed": int(self.routed), "sent": int(self.sent), "open": len(self.parents)}

    def panel(self) -> dict[str, object]:
        """The last decisions, and what was learned of the venues."""
        return {
            "kind": "router",
            "routes": list(self.told),
            "venues": [venue.panel() for venue in self.venues.values()],
        }

    def save(self) -> dict[str, object]:
        """Books, what was learned, and what is open."""
        return {
            "ids": self.ids.save(),
            "venues": [venue.save() for venue in self.venues.values()],
            "parents": [parent.save() for parent in self.parents.values()],
            "children": [child.save() for child in self.children.values()],
            "bounds": self.bounds.save(),
            "timer_due_ns": int(self.timer_due_ns),
            "counts": [int(self.routed), int(self.sent)],
            "flags": [self.stopping, self.lagging, self.paused],
            "told": list(self.told),
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        venues, parents, children = state["venues"], state["parents"], state["children"]
        timer_due_ns, counts = state["timer_due_ns"], state["counts"]
        flags, told = state["flags"], state["told"]
        assert isinstance(venues, list)
        assert isinstance(parents, list)
        assert isinstance(children, list)
        assert isinstance(timer_due_ns, int)
        assert isinstance(counts, list)
        assert isinstance(flags, list)
        assert isinstance(told, list)
        self.ids.load(state["ids"])
        for row in venues:
            self.venues[row[0]].load(row)
        self.parents = {}
        for row in parents:
            self.parents[row[0]] = load_parent(row)
        self.children = {}
        for row in children:
            self.children[row[0]] = load_child(row)
        self.bounds.load(state["bounds"])
        self.timer_due_ns = timer_due_ns
        self.routed, self.sent = counts
        self.stopping, self.lagging, self.paused = flags
        self.told = [str(one) for one in told]
