"""Looks at every order before it leaves: what passes becomes a `NewOrder`, what does not an `OrderRejected`.

A refusal names the limit, the value and the order. Everything is counted in exact integers. It fails closed: without a
live book there is no reference and no order passes. Positions and open orders are read from the ledger, with every
open order of one side counted as filled. A loss beyond the day's limit halts trading until a person resets it. Cancels
do not come by here: they are never refused.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from actors.leases import Leases
from actors.risk_params import RiskParams
from market.instruments import Instrument
from market.messages import (
    BUY,
    LIMIT,
    LIVE,
    REJECT_BAD_SIZE,
    REJECT_DAILY_LOSS,
    REJECT_HALTED,
    REJECT_NO_LEASE,
    REJECT_OPEN_ORDERS,
    REJECT_ORDER_NOTIONAL,
    REJECT_ORDER_RATE,
    REJECT_ORDER_SIZE,
    REJECT_POSITION,
    REJECT_PRICE_COLLAR,
    REJECT_STALE_BOOK,
    REJECT_UNKNOWN_INSTRUMENT,
    ActorFailed,
    BookStateChanged,
    CancelAll,
    ChildOrder,
    HaltReset,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    Message,
    NewOrder,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    RunStarted,
    TimerFired,
    TopOfBook,
    TradingHalted,
)
from market.numbers import decimal_places, parse_decimal
from runtime.actor import HALT_TRADING, Actor, ActorSetup
from runtime.ledger import Ledger

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
NANOSECONDS_PER_DAY: Final = 86_400_000_000_000
BASIS_POINTS: Final = 10_000
SOURCE: Final = "risk"


def scaled(text: str, scale: int) -> int:
    """An amount of the configuration as an integer at a scale, however large; digits below the scale are cut off."""
    places = decimal_places(text)
    amount: int = parse_decimal(text, places)
    if places <= scale:
        larger: int = 10 ** (scale - places)
        return amount * larger
    smaller: int = 10 ** (places - scale)
    return amount // smaller


class Watched:
    """One instrument: its limits as integers, its reference, and the result with which its day began."""

    def __init__(self, instrument: Instrument, params: RiskParams) -> None:
        self.instrument: Final = instrument
        self.maximum_order_size: Final = scaled(params.maximum_order_size, instrument.size_scale)
        self.maximum_order_notional: Final = scaled(params.maximum_order_notional, instrument.money_scale)
        self.maximum_position: Final = scaled(params.maximum_position, instrument.size_scale)
        self.maximum_daily_loss: Final = scaled(params.maximum_daily_loss, instrument.money_scale)
        # Twice the mid, so that it stays a whole number; 0 while there is no live book with two sides.
        self.double_mid: int = 0
        self.day: int = -1
        self.day_began_with: int = 0

    def save(self) -> list[object]:
        """Reference and day as plain data."""
        return [self.instrument.instrument_id, self.double_mid, self.day, self.day_began_with]

    def load(self, row: list[object]) -> None:
        """Take back what `save` gave."""
        double_mid, day, day_began_with = row[1], row[2], row[3]
        assert isinstance(double_mid, int)
        assert isinstance(day, int)
        assert isinstance(day_began_with, int)
        self.double_mid = double_mid
        self.day = day
        self.day_began_with = day_began_with


class Risk(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        ChildOrder: "on_order",
        TopOfBook: "on_top_of_book",
        BookStateChanged: "on_book_state",
        OrderFilled: "on_filled",
        # Nothing is done with these; but in a lane of its own the ledger hears only what an actor there takes.
        OrderCancelled: "on_report",
        OrderRejected: "on_report",
        ActorFailed: "on_actor_failed",
        HaltReset: "on_halt_reset",
        RunStarted: "on_run_started",
        LeaseGranted: "on_lease_granted",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        NewOrder, OrderRejected, TradingHalted, CancelAll, LeaseWanted, LeaseReturned,
    )  # fmt: skip
    OWNS: ClassVar[tuple[type[Message], ...]] = (NewOrder,)
    PARAMS: ClassVar[type | None] = RiskParams
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, RiskParams)
        self.collar_bps: Final[int] = params.collar_bps
        self.maximum_open_orders: Final[int] = params.maximum_open_orders
        self.maximum_orders: Final[int] = params.maximum_orders
        self.window_ns: Final[int] = params.window_ms * NANOSECONDS_PER_MILLISECOND
        self.watched: dict[int, Watched] = {}
        for instrument_id in setup.instrument_ids:
            self.watched[instrument_id] = Watched(setup.instruments.by_id(instrument_id), params)
        # Limits of the whole system, where there are such.
        self.leases: Leases | None = None
        if params.leased:
            instruments = {number: watched.instrument for number, watched in self.watched.items()}
            self.leases = Leases(self, instruments, params)
        # When the orders of the window passed, oldest first.
        self.passed_ns: list[int] = []
        # A halt of our own that the ledger hears of when this step is over; it ends with the reset.
        self.halting: bool = False
        self.passed: i64 = 0
        self.refused: i64 = 0
        self.last_refusal: str = ""

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """Without leases it speaks to no keeper of them."""
        if isinstance(params, RiskParams) and params.leased:
            return ()
        return (RunStarted, LeaseGranted, LeaseWanted, LeaseReturned)

    # ---- orders

    def on_order(self, order: ChildOrder) -> None:
        """Pass an order on, or refuse it."""
        watched = self.watched.get(order.instrument_id)
        if watched is None:
            self.refuse(order, REJECT_UNKNOWN_INSTRUMENT, "its instrument is not watched by risk")
            return
        if (
            self.is_forbidden(order, watched)
            or self.is_too_large(order, watched)
            or self.is_too_far(order, watched)
            or self.is_too_much(order, watched)
            or self.is_not_leased(order, watched)
        ):
            return
        self.passed += 1
        self.passed_ns.append(self.now)
        self.emit(
            NewOrder(
                order.order_id,
                order.parent_id,
                order.strategy_id,
                order.instrument_id,
                order.side,
                order.order_type,
                order.time_in_force,
                order.price,
                order.size,
                order.stop_price,
                order.display_size,
                order.post_only,
                order.reduce_only,
                order.expire_ns,
                order.receive_ns,
                order.group_id,
                order.self_trade,
                order.peg_reference,
                order.offset,
            )
        )

    def refuse(self, order: ChildOrder, code: i64, reason: str) -> None:
        """Answer an order that does not pass."""
        self.refused += 1
        if self.leases is not None:
            self.leases.leave_out(order.order_id)
        self.last_refusal = f"order {order.order_id}: {reason}"
        self.emit(OrderRejected(order.order_id, order.instrument_id, code, self.last_refusal, SOURCE))

    def is_forbidden(self, order: ChildOrder, watched: Watched) -> bool:
        """Whether no order at all may leave now."""
        if self.ledger.halted or self.halting:
            self.refuse(order, REJECT_HALTED, f"trading is halted ({self.ledger.halt_reason})")
            return True
        if watched.double_mid == 0:
            self.refuse(order, REJECT_STALE_BOOK, f"the book of {watched.instrument.symbol} is not live with two sides")
            return True
        self.check_loss(watched)
        if self.halting:
            self.refuse(order, REJECT_DAILY_LOSS, "the loss of the day has reached its limit")
            return True
        return False

    def is_too_large(self, order: ChildOrder, watched: Watched) -> bool:
        """Whether the order itself is above a limit."""
        instrument = watched.instrument
        order_size: int = order.size
        if order_size <= 0:
            self.refuse(order, REJECT_BAD_SIZE, f"size {instrument.format_size(order_size)} is not above 0")
            return True
        if order_size > watched.maximum_order_size:
            limit = instrument.format_size(watched.maximum_order_size)
            value = instrument.format_size(order_size)
            self.refuse(order, REJECT_ORDER_SIZE, f"size {value} is above maximum_order_size {limit}")
            return True
        # An order without a price of its own is taken at the mid, rounded up.
        price: int = order.price
        if price <= 0:
            price = (watched.double_mid + 1) // 2
        notional = instrument.notional(price, order_size)
        if notional > watched.maximum_order_notional:
            limit = instrument.format_money(watched.maximum_order_notional)
            value = instrument.format_money(notional)
            self.refuse(order, REJECT_ORDER_NOTIONAL, f"notional {value} is above maximum_order_notional {limit}")
            return True
        return False

    def is_too_far(self, order: ChildOrder, watched: Watched) -> bool:
        """Whether a limit price lies outside the collar around the mid."""
        if order.order_type != LIMIT and order.price == 0:
            return False
        price: int = order.price
        distance = abs(2 * price - watched.double_mid)
        if distance * BASIS_POINTS <= self.collar_bps * watched.double_mid:
            return False
        instrument = watched.instrument
        away_bps = distance * BASIS_POINTS // watched.double_mid
        value = f"price {instrument.format_price(price)} at {away_bps} bps from the mid"
        self.refuse(order, REJECT_PRICE_COLLAR, f"{value} is outside collar_bps {self.collar_bps}")
        return True

    def is_too_much(self, order: ChildOrder, watched: Watched) -> bool:
        """Whether the order is one too many, in number, in rate, or for the position."""
        open_orders = self.ledger.open_order_count()
        if open_orders > self.maximum_open_orders:
            reason = f"open orders {open_orders} with this one are above maximum_open_orders {self.maximum_open_orders}"
            self.refuse(order, REJECT_OPEN_ORDERS, reason)
            return True
        self.forget_passed()
        in_window = len(self.passed_ns) + 1
        if in_window > self.maximum_orders:
            window_ms = self.window_ns // NANOSECONDS_PER_MILLISECOND
            reason = f"orders {in_window} within {window_ms} ms are above maximum_orders {self.maximum_orders}"
            self.refuse(order, REJECT_ORDER_RATE, reason)
            return True
        worst = self.worst_position(order)
        if abs(worst) > watched.maximum_position:
            limit = watched.instrument.format_size(watched.maximum_position)
            value = watched.instrument.format_size(worst)
            self.refuse(order, REJECT_POSITION, f"position {value} at worst is above maximum_position {limit}")
            return True
        return False

    def is_not_leased(self, order: ChildOrder, watched: Watched) -> bool:
        """Whether the order opens risk for which there is no lease."""
        if self.leases is None:
            return False
        reason = self.leases.refusal(order, (watched.double_mid + 1) // 2)
        if len(reason) == 0:
            return False
        self.refuse(order, REJECT_NO_LEASE, reason)
        return True

    def forget_passed(self) -> None:
        """Forget the orders that have left the window."""
        begin_ns = self.now - self.window_ns
        gone = 0
        while gone < len(self.passed_ns) and self.passed_ns[gone] <= begin_ns:
            gone += 1
        if gone > 0:
            del self.passed_ns[:gone]

    def worst_position(self, order: ChildOrder) -> int:
        """The position if every open order on the side of this one filled; the ledger holds this one already.

        An order that makes the position smaller without turning it over its other limit is never too much.
        """
        position = self.ledger.net_size(order.instrument_id)
        open_size: int = 0
        for one in self.ledger.working_orders(-1, order.instrument_id):
            if one.side == order.side:
                open_size += one.remaining
        if order.side == BUY:
            return max(position + open_size, 0)
        return min(position - open_size, 0)

    # ---- what is known

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Take the reference, and look at what the position is worth by it."""
        watched = self.watched.get(top.instrument_id)
        if watched is None:
            return
        if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0:
            bid_price: int = top.bid_price
            ask_price: int = top.ask_price
            watched.double_mid = bid_price + ask_price
            self.check_loss(watched)
        else:
            watched.double_mid = 0

    def on_book_state(self, book: BookStateChanged) -> None:
        """A book that is not live is no reference."""
        watched = self.watched.get(book.instrument_id)
        if watched is not None and book.state != LIVE:
            watched.double_mid = 0

    def on_filled(self, fill: OrderFilled) -> None:
        """A fill changes the result of the day: its fee at least."""
        watched = self.watched.get(fill.instrument_id)
        if watched is not None and watched.double_mid > 0:
            self.check_loss(watched)

    def on_report(self, _: Message) -> None:
        """The ledger has taken note of it."""

    def on_actor_failed(self, _: ActorFailed) -> None:
        """It may have been the one that keeps the books: wait until they are told again."""
        for watched in self.watched.values():
            watched.double_mid = 0

    # ---- the loss of the day

    def check_loss(self, watched: Watched) -> None:
        """Halt trading when the day has lost more in this instrument than it may."""
        profit = self.profit(watched)
        day = self.now // NANOSECONDS_PER_DAY
        if day != watched.day:
            watched.day = day
            watched.day_began_with = profit
        loss = watched.day_began_with - profit
        if loss <= watched.maximum_daily_loss or self.halting or self.ledger.halted:
            return
        instrument = watched.instrument
        reason = (
            f"{instrument.symbol}: loss of the day {instrument.format_money(loss)} is above "
            f"maximum_daily_loss {instrument.format_money(watched.maximum_daily_loss)}"
        )
        self.halting = True
        self.emit(TradingHalted(reason, SOURCE))
        self.emit(CancelAll(0, reason))

    def profit(self, watched: Watched) -> int:
        """Realised and unrealised at the mid, less fees, of all strategies."""
        total: int = 0
        instrument_id = watched.instrument.instrument_id
        mark = watched.double_mid // 2
        for key, position in self.ledger.positions.items():
            if key[1] == instrument_id:
                total += position.profit(mark)
        return total

    def on_halt_reset(self, _: HaltReset) -> None:
        """A person has looked at it: the loss of the day counts anew from here."""
        self.halting = False
        for watched in self.watched.values():
            watched.day = -1

    # ---- leases

    def on_run_started(self, _: RunStarted) -> None:
        """Leases of an earlier run have run out: ask anew."""
        self.look_after_leases()

    def prime(self, ledger: Ledger) -> None:
        """The timers are gone: look what is due."""
        self.look_after_leases()

    def on_timer(self, timer: TimerFired) -> None:
        """A lease is to be renewed, or has run out."""
        self.look_after_leases()

    def look_after_leases(self) -> None:
        """Renew, ask again, give back."""
        if self.leases is not None:
            self.leases.look()

    def on_lease_granted(self, granted: LeaseGranted) -> None:
        """A part of a limit, to this lane or to another."""
        if self.leases is not None:
            self.leases.take(granted)

    # ---- state

    def summary(self) -> dict[str, object]:
        """How many orders passed, why the last one did not, and what is leased."""
        told = {"passed": int(self.passed), "refused": int(self.refused), "last_refusal": self.last_refusal}
        return told if self.leases is None else {**told, "leased": self.leases.summary()}

    def save(self) -> dict[str, object]:
        """References, days, and the orders of the window."""
        return {
            "counts": [int(self.passed), int(self.refused), self.last_refusal],
            "watched": [watched.save() for watched in self.watched.values()],
            "passed_ns": list(self.passed_ns),
            "halting": self.halting,
            "leases": None if self.leases is None else self.leases.save(),
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        rows = state["watched"]
        passed_ns = state["passed_ns"]
        halting = state["halting"]
        counts = state["counts"]
        assert isinstance(counts, list)
        assert isinstance(rows, list)
        assert isinstance(passed_ns, list)
        assert isinstance(halting, bool)
        for row in rows:
            self.watched[row[0]].load(row)
        self.passed_ns = [int(one) for one in passed_ns]
        self.halting = halting
        self.passed = counts[0]
        self.refused = counts[1]
        self.last_refusal = counts[2]
        if self.leases is not None:
            self.leases.load(state["leases"])
