"""Looks after orders at a venue that is asked by requests: enters, cancels, asks, until the state of each is known.

It promises that nothing is left untracked: an order whose request had no answer is asked for by its name until the
venue tells of it, or until it can no longer arrive; a cancel is sent again until the order is over; an end is told
only once all the fills before it are. It keeps the venue's limits and leaves it alone when it wants that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import trio

from market.instruments import Instrument
from market.messages import (
    CAUSE_RECONCILIATION,
    REJECT_OTHER,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    VENUE_CANCELLED,
    VENUE_FILLED,
    VENUE_UNKNOWN,
    VENUE_WORKING,
    ForeignOrder,
    Message,
    OrderStatusWanted,
)
from runtime.clock import Clock
from venues.ccxt_binance import (
    CANCEL_ORDER,
    CLOCK,
    NEW_ORDER,
    ONE_ORDER,
    OPEN_ORDERS,
    OWN_TRADES,
    WEIGHTS,
    OrderFacts,
    OwnTrade,
    Row,
    facts_of,
    named,
    read,
    trade_of,
    trades_of_order,
)
from venues.ccxt_calls import Calls
from venues.ccxt_errors import CallFailed, Outcome
from venues.ccxt_params import CcxtParams
from venues.gateway_orders import GatewayOrder, GatewayOrders, Stage, Trade
from venues.gateway_pace import Pace

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
# Beyond window and patience: clocks are known to half a round trip.
MARGIN_MS: Final = 1_000
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
SHARE_FOR_CANCELS: Final = 10

Tell = Callable[[Sequence[Message]], Awaitable[None]]


class CcxtDesk:
    """See the head of this file."""

    def __init__(
        self, params: CcxtParams, orders: GatewayOrders, instruments: Mapping[int, Instrument], clock: Clock,
        calls: Calls, tell: Tell,
    ) -> None:  # fmt: skip
        """Look after these orders."""
        self.params: Final = params
        self.orders: Final = orders
        self.instruments: Final = instruments
        self.calls: Final = calls
        self.is_up = False
        self.weight: Final = Pace(params.weight_per_minute, 60.0, params.weight_per_minute // SHARE_FOR_CANCELS)
        self.entries: Final = Pace(params.orders_per_10_seconds, 10.0, 0)
        self.wake = trio.Event()
        """Set when the venue should be asked soon."""
        self.are_balances_due = True
        self._clock = clock
        self._tell = tell
        self.ghosts: Final[set[int]] = set()
        """Orders that were told to be over and work after all: they are cancelled, whoever wants them."""
        self._tended: Final[set[int]] = set()
        patience_ms = params.patience_ms + params.window_ms + MARGIN_MS
        self._void_ns: Final = patience_ms * NANOSECONDS_PER_MILLISECOND

    # ---- requests

    async def call(
        self, method: str, request: Mapping[str, str], *, is_urgent: bool = False, is_paid: bool = False,
        patience_s: float = 600.0, sends: GatewayOrder | None = None,
    ) -> Any:  # noqa: ANN401  the venue's answer, as JSON has it; fmt: skip
        """Ask within the limits; a question for which there is no room now fails, a cancel waits for its turn.

        A request that sends a new order is made once more only while that order is open.
        """
        weight = WEIGHTS[method]
        while is_urgent and not self.weight.spend_urgently(weight):
            await trio.sleep(max(self.weight.delay_s(), FIRST_PAUSE_S))
        if not is_urgent and not is_paid and not self.weight.spend(weight):
            raise CallFailed(Outcome.LIMITED, REJECT_RATE_LIMITED, "the weight of requests is used up but for cancels")
        try:
            return await self._heeded(method, request, is_urgent, patience_s)
        except CallFailed as failure:
            if failure.outcome is not Outcome.CLOCK:
                raise
        # Refused for its time alone: it has not happened.
        await self.set_clock()
        if sends is not None:
            if not sends.is_open:
                raise CallFailed(Outcome.REFUSED, 0, "it was told to be over before it could be sent again")
            sends.sent_ns = self._clock.now_ns()
        return await self._heeded(method, request, is_urgent, patience_s)

    async def set_clock(self) -> None:
        """Learn the venue's time."""
        self.weight.spend_urgently(WEIGHTS[CLOCK])
        try:
            self.calls.set_clock(await self.calls.clock_ahead_ms(CLOCK))
        except CallFailed as failure:
            self._heed(failure)
            raise

    async def _heeded(
        self, method: str, request: Mapping[str, str], is_urgent: bool, patience_s: float
    ) -> Any:  # noqa: ANN401  as above
        """One request; what the venue wants of all is kept."""
        try:
            return await self.calls.call(method, request, is_urgent=is_urgent, patience_s=patience_s)
        except CallFailed as failure:
            self._heed(failure)
            raise

    def _heed(self, failure: CallFailed) -> None:
        if failure.pause_s:
            (self.entries if failure.is_of_orders else self.weight).hold(failure.pause_s)
        if failure.outcome is Outcome.UNKNOWN:
            self.wake.set()

    # ---- one order

    async def enter(self, order: GatewayOrder, request: Mapping[str, str]) -> None:
        """Send a new order, and find out what became of it."""
        self._tended.add(order.order_id)
        try:
            patience_s = self.params.patience_ms / 1_000
            answer = await self.call(NEW_ORDER, request, is_paid=True, patience_s=patience_s, sends=order)
            await self.apply(order, self._facts(answer, order))
        except CallFailed as failure:
            if not order.is_open:
                # It was told to be over while this request was on its way.
                self.orders.watched[order.order_id] = self._clock.now_ns()
            elif failure.outcome not in (Outcome.UNKNOWN, Outcome.NOT_FOUND, Outcome.CLOCK):
                await self._tell(self.orders.rejected(order, failure.code or REJECT_RATE_LIMITED, failure.reason))
        finally:
            # A question may have found it meanwhile: it was told to be accepted, and is not told so twice.
            if order.stage is Stage.REQUESTED:
                order.stage = Stage.UNKNOWN
            self._tended.discard(order.order_id)
        await self.tend(order)

    async def tend(self, order: GatewayOrder) -> None:
        """Do what an order needs, again and again, until its state is known and a cancel of it has done its work."""
        if order.order_id in self._tended:
            return
        self._tended.add(order.order_id)
        pause_s = FIRST_PAUSE_S
        try:
            while self.is_up and order.is_open and (order.is_cancel_wanted or order.stage is Stage.UNKNOWN):
                is_done = await (self._cancel(order) if order.is_cancel_wanted else self._asked_for(order))
                if not is_done:
                    await trio.sleep(max(pause_s, self.weight.delay_s()))
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            self._tended.discard(order.order_id)

    async def _cancel(self, order: GatewayOrder) -> bool:
        """Ask for a cancel; says whether that was answered."""
        request = named(self.instruments[order.instrument_id], order.name)
        try:
            answer = await self.call(CANCEL_ORDER, request, is_urgent=True)
        except CallFailed as failure:
            if failure.outcome is Outcome.NOT_FOUND:
                return await self._cancel_not_found(order)
            if failure.outcome in (Outcome.REFUSED, Outcome.DENIED):
                told = self.orders.cancel_rejected(order.order_id, order.instrument_id, failure.code, failure.reason)
                await self._tell(told)
                return True
            return False
        return await self._applied(order, self._facts(answer, order))

    async def _cancel_not_found(self, order: GatewayOrder) -> bool:
        """The venue has no such order to cancel: it is over, or it has not arrived yet."""
        fills = len(order.trade_ids)
        is_known = await self._asked_for(order)
        if is_known and not order.is_open and len(order.trade_ids) > fills and order.remaining == 0:
            reason = "a fill was faster"
            await self._tell(
                self.orders.cancel_rejected(order.order_id, order.instrument_id, REJECT_TOO_LATE, reason)
            )
        return is_known and not order.is_open

    async def _asked_for(self, order: GatewayOrder) -> bool:
        """Ask for an order by its name; says whether its state is known now."""
        try:
            await self.settle(order)
        except CallFailed:
            return False
        return order.stage is not Stage.UNKNOWN

    async def settle(self, order: GatewayOrder) -> bool:
        """Take the venue's word on an order; says whether everything that belongs to it was told."""
        facts = await self.question(order.instrument_id, order.name)
        if facts is not None:
            return await self.apply(order, facts)
        now_ns = self._clock.now_ns()
        if order.stage is Stage.WORKING:
            return await self._missing(order, now_ns)
        if now_ns - order.sent_ns < self._void_ns:
            # It may still be on its way.
            return False
        self.orders.watched[order.order_id] = now_ns
        await self._tell(self.orders.never_arrived(order))
        return True

    async def _missing(self, order: GatewayOrder, now_ns: int) -> bool:
        """The venue has no order that worked: one answer may come from a copy that is behind, so it is asked again."""
        order.missing_ns = order.missing_ns or now_ns
        if now_ns - order.missing_ns < self._void_ns:
            return False
        await self._tell_fills(self.orders.all_traded(order, await self._all_trades(order)))
        if order.is_open:
            self.orders.watched[order.order_id] = now_ns
            await self._tell(self.orders.cancelled(order, CAUSE_RECONCILIATION, "it was found gone at the venue"))
        return True

    async def watch(self) -> None:
        """Ask once more of orders that were told to be over because the venue did not have them."""
        for order_id, since_ns in list(self.orders.watched.items()):
            if self._clock.now_ns() - since_ns < self._void_ns:
                continue
            order = self.orders.find(order_id)
            if order is not None:
                facts = await self.question(order.instrument_id, order.name)
                if facts is not None:
                    await self.apply(order, facts)
                else:
                    await self._tell_fills(self.orders.all_traded(order, await self._all_trades(order)))
            self.orders.watched.pop(order_id, None)

    async def _all_trades(self, order: GatewayOrder) -> list[Trade]:
        """What the venue's list of trades has of an order; nothing where the venue never named the order."""
        return await self._trades(order.instrument_id, order.venue_order_id) if order.venue_order_id else []

    async def question(self, instrument_id: int, name: str) -> OrderFacts | None:
        """What the venue says of an order; None where it has none of this name."""
        instrument = self.instruments[instrument_id]
        try:
            answer = await self.call(ONE_ORDER, named(instrument, name))
        except CallFailed as failure:
            if failure.outcome is Outcome.NOT_FOUND:
                return None
            raise
        return facts_of(read(answer, Row), instrument)

    async def _applied(self, order: GatewayOrder, facts: OrderFacts) -> bool:
        """The same as `apply`, where a question in between may fail."""
        try:
            return await self.apply(order, facts)
        except CallFailed:
            return False

    async def apply(self, order: GatewayOrder, facts: OrderFacts) -> bool:
        """Tell what follows from the venue's word on an order: its fills first, then its end.

        False where the venue's list of trades is behind; then it has to be asked again.
        """
        order.missing_ns = 0
        if order.was_nowhere and not order.size:
            # Nothing was known of it when it was told to be nowhere.
            order.side, order.price, order.size = facts.side, facts.price, facts.size
        self._see_ghost(order, facts)
        told = self.orders.accepted(order, facts.venue_order_id, facts.venue_ns)
        for trade in facts.trades:
            told += self.orders.traded(order, trade)
        await self._tell_fills(told)
        if facts.filled > order.filled:
            trades = await self._trades(order.instrument_id, facts.venue_order_id)
            await self._tell_fills([one for trade in trades for one in self.orders.traded(order, trade)])
        if facts.filled > order.filled:
            self.wake.set()
            return False
        if facts.is_refused:
            await self._tell(self.orders.rejected(order, REJECT_OTHER, "the venue says that it is refused"))
        elif not facts.is_working and order.is_open:
            await self._tell(self.orders.cancelled(order, facts.cause, f"the venue says {facts.status}"))
        return True

    def _see_ghost(self, order: GatewayOrder, facts: OrderFacts) -> None:
        """Note whether an order works at the venue that has ended here."""
        if not facts.is_working:
            self.ghosts.discard(order.order_id)
        elif not order.is_open and order.filled < facts.size:
            self.ghosts.add(order.order_id)
            self.wake.set()

    async def _tell_fills(self, told: Sequence[Message]) -> None:
        if told:
            self.are_balances_due = True
            await self._tell(told)

    async def _trades(self, instrument_id: int, venue_order_id: str) -> list[Trade]:
        instrument = self.instruments[instrument_id]
        answer = await self.call(OWN_TRADES, trades_of_order(instrument, venue_order_id))
        rows: list[OwnTrade] = read(answer, list[OwnTrade])
        return [trade_of(row, instrument) for row in rows]

    def _facts(self, answer: object, order: GatewayOrder) -> OrderFacts:
        return facts_of(read(answer, Row), self.instruments[order.instrument_id])

    # ---- what is open

    async def look(self, instrument_id: int, *, tells: bool) -> int:
        """Compare our open orders of an instrument with the venue's; tells all of them where asked.

        Gives how many of ours the venue has.
        Nothing that was sent while the question was on its way is decided by its answer.
        """
        instrument = self.instruments[instrument_id]
        expected = [one for one in self.orders.open_in(instrument_id) if one.stage is Stage.WORKING]
        answer = await self.call(OPEN_ORDERS, {"symbol": instrument.venue_symbol})
        rows: list[Row] = read(answer, list[Row])
        found: set[str] = set()
        for facts in [facts_of(row, instrument) for row in rows]:
            found.add(facts.name)
            await self._compare(instrument_id, facts, tells)
        for order in expected:
            if order.is_open and order.name not in found and order.order_id not in self._tended:
                await self.settle(order)
        return sum(self.orders.id_in(name) > 0 for name in found)

    async def _compare(self, instrument_id: int, facts: OrderFacts, tells: bool) -> None:
        """One order of the venue's list."""
        order_id = self.orders.id_in(facts.name)
        order = self.orders.find(order_id)
        if not order_id:
            if tells:
                await self._tell([self._foreign(instrument_id, facts)])
            return
        is_new = order is None
        if order is None:
            order = await self._adopt(order_id, instrument_id, facts)
        order.missing_ns = 0
        is_behind = order.order_id not in self._tended and facts.filled != order.filled
        if is_behind or not order.is_open:
            await self.apply(order, facts)
        if (is_new or tells) and order.is_open:
            await self._tell(self.orders.status(order, VENUE_WORKING, facts.venue_ns))

    async def _adopt(self, order_id: int, instrument_id: int, facts: OrderFacts) -> GatewayOrder:
        """An order that an earlier run has left: all its trades are told, the ledger knows which of them it has."""
        trades = await self._trades(instrument_id, facts.venue_order_id) if facts.filled else []
        order = self.orders.find(order_id) or self.orders.adopt(
            order_id, instrument_id, facts.side, facts.price, facts.size, facts.venue_order_id
        )
        await self._tell_fills(self.orders.all_traded(order, trades))
        return order

    async def lay_ghosts(self) -> None:
        """Cancel what was told to be over and works: nobody wants it any more. Each is tried until it is gone."""
        for order_id in list(self.ghosts):
            order = self.orders.find(order_id)
            if order is None:
                # Too long ago: the next look takes it for one of an earlier run.
                self.ghosts.discard(order_id)
            else:
                await self._lay(order)

    async def _lay(self, order: GatewayOrder) -> None:
        if self.weight.delay_s():
            # Whoever looks after all orders does not wait for one cancel.
            raise CallFailed(Outcome.LIMITED, REJECT_RATE_LIMITED, "there is no room for a cancel now")
        try:
            answer = await self.call(
                CANCEL_ORDER, named(self.instruments[order.instrument_id], order.name), is_urgent=True
            )
            facts: OrderFacts | None = self._facts(answer, order)
        except CallFailed as failure:
            if failure.outcome is Outcome.REFUSED:
                return
            if failure.outcome is not Outcome.NOT_FOUND:
                raise
            facts = await self.question(order.instrument_id, order.name)
        if facts is not None:
            # Its last fills are told with its end: where their list is behind, it stays a ghost.
            if not await self.apply(order, facts):
                self.ghosts.add(order.order_id)
            return
        self.ghosts.discard(order.order_id)
        self.orders.watched[order.order_id] = self._clock.now_ns()

    def _foreign(self, instrument_id: int, facts: OrderFacts) -> Message:
        return ForeignOrder(
            self.params.connection_id, instrument_id, facts.venue_order_id, facts.name, facts.side, facts.price,
            facts.size - facts.filled, facts.venue_ns,
        )  # fmt: skip

    # ---- questions about one order

    async def status(self, wanted: OrderStatusWanted) -> None:
        """Tell where an order stands, with all its trades before it, by the venue's word."""
        if wanted.instrument_id not in self.instruments:
            return
        facts = await self.question(wanted.instrument_id, self.orders.name_of(wanted.order_id))
        order = self.orders.find(wanted.order_id)
        if facts is None:
            if order is None:
                await self._tell(self.orders.nowhere(wanted))
            elif not order.is_open or await self.settle(order):
                await self._tell(self.orders.status(order, VENUE_UNKNOWN, 0))
            return
        if order is None:
            order = await self._adopt(wanted.order_id, wanted.instrument_id, facts)
        if await self.apply(order, facts):
            ended = VENUE_FILLED if order.filled >= order.size else VENUE_CANCELLED
            status = VENUE_WORKING if facts.is_working else ended
            await self._tell(self.orders.status(order, status, facts.venue_ns))
