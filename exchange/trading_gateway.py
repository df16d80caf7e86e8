"""Trades at an embedded exchange over its native protocol: the way out of a system for orders, the way in for reports.

Orders are named by our order ids, so that whatever was lost on the way is found again. It promises that every order
has one acknowledgement, each trade once and one end; that after a lost connection reports are taken up without a gap
and every order of which nothing is known is asked for; that a cancel is sent again until it is answered. While there
is no connection new orders are refused, and cancels are kept. It decides nothing about the market.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import ClassVar, Final

import trio

from exchange.keys import KeyFileError
from exchange.protocol import Cancel, Replace
from exchange.protocol_events import Answer, Balance, Report
from exchange.trading_desk import CANCEL, NEW, REPLACE, About, TradingDesk
from exchange.trading_gateway_params import TradingGatewayParams
from exchange.trading_link import LinkEnded, LoginRefused, TradingLink, first_reason
from exchange.trading_words import Unsupported, order_request
from market.instruments import InstrumentKind
from market.messages import (
    CAUSE_DISCONNECT,
    CAUSE_RECONCILIATION,
    REJECT_AUTHENTICATION,
    REJECT_CONNECTION,
    REJECT_DUPLICATE,
    REJECT_HALTED,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
    STATE_BALANCES,
    STATE_FILLS,
    STATE_OPEN_ORDERS,
    BalanceChanged,
    CancelAll,
    CancelOrder,
    CancelRejected,
    ConnectionDown,
    ConnectionUp,
    FeeTaken,
    ForeignOrder,
    Message,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderReduced,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderStatus,
    OrderStatusWanted,
    OrderTriggered,
    ReplaceOrder,
    ReplaceRejected,
    TradingHalted,
    VenueStateComplete,
    VenueStateWanted,
)
from runtime.actor import HALT_TRADING
from runtime.backoff import BackoffOptions, RestartTracker
from runtime.service import Service, ServiceSetup
from venues.dialing import DialFailed, Dialing
from venues.gateway_keys import KeysMissing
from venues.gateway_money import UnreadableAmount
from venues.gateway_orders import EARLY_S, UNCLEAR, Stage, kept_orders
from venues.transport import StreamOptions, TransportError, open_stream

Heard = Report | Balance | tuple[object, Answer]

NANOSECONDS: Final = 1_000_000_000
FAREWELL_S: Final = 0.5
PRESS_S: Final = 0.1
LONGEST_CLEARING_S: Final = 2.0
_HEALTHY_NS: Final = 60 * NANOSECONDS
_UNBOUNDED: Final = 2**31


class TradingGateway(Service):
    """See the head of this file."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (
        NewOrder, ReplaceOrder, CancelOrder, CancelAll, OrderStatusWanted, VenueStateWanted,
    )  # fmt: skip
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        OrderAccepted, OrderRejected, OrderFilled, OrderCancelled, OrderExpired, OrderReduced, OrderRepriced,
        OrderTriggered, CancelRejected, OrderReplaced, ReplaceRejected, OrderStatus, ForeignOrder, BalanceChanged,
        VenueStateComplete, ConnectionUp, ConnectionDown, TradingHalted, FeeTaken,
    )  # fmt: skip
    OWNS: ClassVar[tuple[type[Message], ...]] = (OrderAccepted, OrderFilled, OrderCancelled)
    PARAMS: ClassVar[type | None] = TradingGatewayParams
    POLICY: ClassVar[str] = HALT_TRADING
    REAL_MONEY: ClassVar[bool] = False

    def __init__(self, setup: ServiceSetup, dialing: Dialing | None = None) -> None:
        """Prepare; a test hands in how streams are opened."""
        super().__init__(setup)
        assert isinstance(setup.params, TradingGatewayParams)
        self.params: Final = setup.params
        found = [self.instruments.by_id(number) for number in self.instrument_ids]
        for one in found:
            if one.kind is not InstrumentKind.SPOT:
                raise ValueError(f"{one.symbol} is no spot pair: an embedded exchange trades nothing else")
        self.by_id: Final = {one.instrument_id: one for one in found}
        self.orders: Final = kept_orders(self.mailbox.doorbell, self.params.order_prefix)
        self.desk: Final = TradingDesk(self.orders, found, self.params.connection_id)
        self.dialing: Final = dialing or Dialing(
            ca_file=self.params.ca_file, timeout_s=self.params.connect_timeout_s
        )
        self.link: TradingLink | None = None
        """The connection that orders may use: logged in, and everything that was missed is known."""
        self.last_error = "not connected yet"
        self.is_key_refused = False
        self._epoch = 0
        self._nonce = 0
        self._clear_pause_s, self._clear_at = PRESS_S, 0.0
        self._urged = trio.Event()
        """Set when a cancel came that cannot be sent yet."""
        self._telling: Final = trio.Lock()
        self._is_tell_due = False
        self._held: list[Heard] | None = None
        """What was heard while older fills are still asked for."""
        label = {"service": self.name}
        self._requests = self.metrics.counter("gateway_requests_total", "Requests that were posted.", label)
        self._losses = self.metrics.counter("gateway_losses_total", "Connections that were lost.", label)
        self.metrics.gauge(
            "gateway_connected", "Whether orders can be sent.", label, read=lambda: float(self.link is not None)
        )

    # ---- the life of the gateway

    async def run(self) -> None:
        """Be connected and take orders until cancelled."""
        # Until there is a connection nothing may pass: risk lets orders through where it has heard nothing.
        await self._tell([ConnectionDown(self.params.connection_id, 0, self.last_error)])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stay_connected)
            take = partial(self._take_all, nursery)
            # While this task sleeps, a command is on the socket when the lane has delivered it.
            self.mailbox.serve_at_once(take)
            while True:
                if take():
                    await self.mailbox.wait()
                else:
                    self._is_tell_due = False
                    await self._tell(())

    async def _stay_connected(self) -> None:
        params = self.params
        options = BackoffOptions(
            params.first_pause_ms * 1_000_000, 2.0, max(params.first_pause_ms, params.longest_pause_ms) * 1_000_000,
            _HEALTHY_NS, _UNBOUNDED, 0,
        )  # fmt: skip
        tracker = RestartTracker(options, self.randomness)
        while True:
            self._epoch = max(self._epoch + 1, self.clock.now_ns())
            self._urged = trio.Event()
            reason = "the gateway stopped"
            try:
                await self._connected(tracker)
            except* (TransportError, DialFailed, KeysMissing, KeyFileError, UnreadableAmount) as group:
                reason = first_reason(group)
                self.is_key_refused = group.subgroup((LoginRefused, KeysMissing, KeyFileError)) is not None
            finally:
                await self._tell_down(reason)
            wait_ns = tracker.failed(self.clock.now_ns())
            assert wait_ns is not None
            with trio.move_on_after(wait_ns / NANOSECONDS) as pause:
                await self._urged.wait()
            if not pause.cancelled_caught:
                # What has to leave the venue does not wait out a pause that grew before anybody wanted it gone.
                tracker.reset()
                await trio.sleep(PRESS_S)

    async def _tell_down(self, reason: str) -> None:
        self._losses.add()
        self.link = None
        self.desk.cancelling.clear()
        for order in self.orders.open.values():
            if order.stage is Stage.REQUESTED:
                order.stage = Stage.UNKNOWN
        if reason == self.last_error:
            return
        self.log.warning("not connected", reason=reason)
        self.last_error = reason
        with trio.move_on_after(FAREWELL_S, shield=True):
            await self._tell([ConnectionDown(self.params.connection_id, self._epoch, reason)])

    async def _tell(self, messages: Sequence[Message]) -> None:
        """Send in the order in which things became known, whoever learnt them."""
        untold = self.orders.untold
        untold += messages
        async with self._telling:
            if untold:
                batch = list(untold)
                # What is known must not be lost when the gateway ends just now: nobody would tell it again.
                with trio.CancelScope(shield=True):
                    await self.send(batch)
                del untold[: len(batch)]
        for words in self.orders.words_of_fees():
            self.log.warning(words)

    async def _connected(self, tracker: RestartTracker) -> None:
        """One connection, from its handshake to its end, which is raised."""
        params = self.params
        secret = params.read_secret(self.name)
        options = StreamOptions(dialing=self.dialing, handshake_s=params.connect_timeout_s)
        async with open_stream(params.url, options, self.clock.now_ns) as stream, trio.open_nursery() as nursery:
            link = TradingLink(stream, self._hear, params.answer_ms / 1_000)
            for task in (link.read, link.write, link.watch):
                nursery.start_soon(task)
            try:
                await self._log_in(link, secret)
                tracker.started(self.clock.now_ns())
                while True:
                    await self._press(link)
                    await trio.sleep(PRESS_S)
            finally:
                link.end()

    async def _log_in(self, link: TradingLink, secret: str) -> None:
        """Prove who we are, learn what was missed, and let orders use the connection."""
        params = self.params
        self._nonce = max(self._nonce + 1, self.clock.now_ns())
        known, self._held = self.orders.mark, []
        answer = await link.login(
            params.key, secret, self._nonce, params.cancel_on_disconnect, params.messages_per_second
        )
        await self._catch_up(link, known, answer)
        self.link = link
        self.is_key_refused = False
        self.last_error = ""
        self.log.info("connected", account=answer.account, session=answer.session)
        await self._tell([ConnectionUp(params.connection_id, self._epoch)])

    async def _catch_up(self, link: TradingLink, known: int, answer: Answer) -> None:
        """Take up everything that was missed: fills first, then what is still open, then balances."""
        if known > answer.sequence:
            reason = "the exchange has lost reports that it had told: what was traded has to be compared by a person"
            await self._tell([TradingHalted(reason, self.name)])
        elif 0 <= known < answer.sequence:
            question = await link.state("fills", known)
            assert question.answer is not None
            if question.answer.text:
                await self._tell([TradingHalted(f"fills may be missing: {question.answer.text}", self.name)])
            await self._tell(self.desk.fills(question.rows))
        self.orders.mark = answer.sequence
        cause = CAUSE_DISCONNECT if self.params.cancel_on_disconnect else CAUSE_RECONCILIATION
        if known < 0:
            # Nobody here remembers an order: what is open is taken on before anything happens to it.
            await self._look(link, cause)
            await self._release()
        else:
            # What came meanwhile is younger than those fills, and older than what is open now.
            await self._release()
            await self._look(link, cause)
        balances = await link.state("balances")
        await self._tell([one for row in balances.rows if isinstance(row, Balance) for one in self.desk.balance(row)])

    async def _release(self) -> None:
        """Pass on what was held, and hold no more."""
        while held := self._held:
            self._held = []
            await self._pass_on(held)
        self._held = None

    async def _look(self, link: TradingLink, cause: int = CAUSE_RECONCILIATION) -> set[int]:
        """Ask what is open, and tell it; what was posted before the question is decided by the answer.

        Gives the instruments in which the exchange has orders of ours.
        """
        self.desk.is_look_wanted = False
        expected = {order.order_id: order.change for order in self.orders.open.values()}
        question = await link.state("open_orders")
        assert question.answer is not None
        fills: Sequence[Report | Balance] = ()
        if any(self.desk.is_unknown(row) for row in question.rows):
            fills = (await link.state("fills")).rows
        told, count = self.desk.open_orders(expected, question.rows, fills, cause)
        told.append(
            VenueStateComplete(self.params.connection_id, STATE_OPEN_ORDERS, count, question.answer.time_ns)
        )
        await self._tell(told)
        return self.desk.instruments_of_ours(question.rows)

    async def _hear(self, heard: Sequence[Heard]) -> None:
        """What one frame told, sent on as one batch."""
        if self._held is not None:
            self._held += heard
        else:
            await self._pass_on(heard)

    async def _pass_on(self, heard: Sequence[Heard]) -> None:
        told: list[Message] = []
        for one in heard:
            if isinstance(one, tuple):
                about, answer = one
                assert isinstance(about, About)
                told += self.desk.answered(about, answer)
            else:
                told += self.desk.heard(one)
                self.orders.mark = max(self.orders.mark, one.sequence)
        if told:
            await self._tell(told)

    async def _press(self, link: TradingLink) -> None:
        """Send the cancels that are wanted and not on their way, and look where a look is due."""
        is_round = bool(self.orders.clearing) and trio.current_time() >= self._clear_at
        clearing = list(self.orders.clearing) if is_round else []
        for instrument_id in clearing:
            for order in self.orders.open_in(instrument_id):
                # A cancel that was refused is sent again. What an earlier run has left is meant too.
                order.is_cancel_wanted = True
        for order in list(self.orders.open.values()):
            if order.is_cancel_wanted and order.order_id not in self.desk.cancelling:
                self._post_cancel(link, order.order_id, order.instrument_id)
        for order_id in list(self.desk.ghosts):
            ghost = self.orders.find(order_id)
            if ghost is not None and order_id not in self.desk.cancelling:
                self._post_cancel(link, order_id, ghost.instrument_id)
        link.let_out()
        if clearing or self.desk.is_look_wanted:
            ours = await self._look(link)
            self._see_cleared(clearing, ours)

    def _see_cleared(self, clearing: Sequence[int], ours: AbstractSet[int]) -> None:
        """A cancel of all has done its work once nothing of ours is open, here and there."""
        if not clearing:
            return
        for instrument_id in clearing:
            is_there = bool(ours) if instrument_id == 0 else instrument_id in ours
            if not is_there and not self.orders.open_in(instrument_id):
                self.orders.clearing.discard(instrument_id)
        self._clear_pause_s = min(2 * self._clear_pause_s, LONGEST_CLEARING_S) if self.orders.clearing else PRESS_S
        self._clear_at = trio.current_time() + self._clear_pause_s

    # ---- commands

    def _take_all(self, nursery: trio.Nursery) -> bool:
        """Take and send what there is; False as soon as something has to be told, which is for a task that can wait."""
        while not self._is_tell_due and (message := self.mailbox.receive_nowait()) is not None:
            told = self._take(message, nursery)
            self.orders.untold.extend(told)
            self._is_tell_due = bool(told)
        if self.link is not None:
            self.link.let_out()
        return not self._is_tell_due

    def _take(self, message: Message, nursery: trio.Nursery) -> Sequence[Message]:
        if isinstance(message, NewOrder):
            return self._enter(message)
        if isinstance(message, CancelOrder):
            return self._cancel(message, nursery)
        if isinstance(message, ReplaceOrder):
            return self._replace(message)
        if isinstance(message, CancelAll):
            self._cancel_all(message)
        elif isinstance(message, OrderStatusWanted | VenueStateWanted):
            nursery.start_soon(self._answer, message)
        return ()

    def _enter(self, new: NewOrder) -> Sequence[Message]:
        link, instrument = self.link, self.by_id.get(new.instrument_id)
        if instrument is None:
            return self.orders.refused(new, REJECT_UNKNOWN_INSTRUMENT, "this gateway does not trade its instrument")
        known = self.orders.find(new.order_id)
        if known is not None:
            reason = "an order of this id was sent before"
            return () if known.was_nowhere else self.orders.refused(new, REJECT_DUPLICATE, reason)
        if new.order_id in self.orders.early_cancels:
            return self.orders.never_sent(new)
        if not self.orders.clearing.isdisjoint((0, new.instrument_id)):
            # It may be older than that cancel, which has a faster channel.
            return self.orders.refused(new, REJECT_HALTED, UNCLEAR)
        if link is None:
            code = REJECT_AUTHENTICATION if self.is_key_refused else REJECT_CONNECTION
            return self.orders.refused(new, code, f"no connection, nothing was sent: {self.last_error}")
        try:
            request = order_request(link.next_id(), new, instrument, self.orders.name_of(new.order_id))
        except Unsupported as error:
            return self.orders.refused(new, error.code, error.reason)
        if not link.pace.spend():
            return self.orders.refused(new, REJECT_RATE_LIMITED, "the rate of requests is used up but for cancels")
        self.orders.begin(new, self.clock.now_ns())
        self._requests.add()
        link.post(request, About(NEW, new.order_id, new.instrument_id))
        return ()

    def _cancel(self, cancel: CancelOrder, nursery: trio.Nursery) -> Sequence[Message]:
        order_id, instrument_id = cancel.order_id, cancel.instrument_id
        order = self.orders.find(order_id)
        if order is not None and not order.is_open:
            reason = "it has ended already"
            return self.orders.cancel_rejected(order_id, instrument_id, REJECT_TOO_LATE, reason)
        if order is None:
            self.orders.early_cancels[order_id] = instrument_id
            nursery.start_soon(self._cancel_unknown, cancel)
            return ()
        order.is_cancel_wanted, order.cancel_reason = True, cancel.reason
        # Without a connection it is sent as soon as there is one.
        if self.link is not None and order_id not in self.desk.cancelling:
            self._post_cancel(self.link, order_id, instrument_id)
        self._urged.set()
        return ()

    async def _cancel_unknown(self, cancel: CancelOrder) -> None:
        """A cancel has overtaken its order, or is for one of an earlier run: then the exchange's word decides."""
        order_id, instrument_id = cancel.order_id, cancel.instrument_id
        await trio.sleep(EARLY_S)
        if self.orders.early_cancels.pop(order_id, None) is None:
            return
        if self.link is None:
            reason = f"no connection: {self.last_error}"
            await self._tell(self.orders.cancel_rejected(order_id, instrument_id, REJECT_CONNECTION, reason))
            return
        await self._answer(OrderStatusWanted(order_id, instrument_id, cancel.reason, cancel.receive_ns))
        order = self.orders.find(order_id)
        if order is not None and order.is_open:
            # The next look at what is wanted sends it.
            order.is_cancel_wanted = True

    def _post_cancel(self, link: TradingLink, order_id: int, instrument_id: int) -> None:
        self.desk.cancelling.add(order_id)
        self._requests.add()
        symbol, name = self.by_id[instrument_id].venue_symbol, self.orders.name_of(order_id)
        request = Cancel(id=link.next_id(), symbol=symbol, client_order_id=name)
        link.post(request, About(CANCEL, order_id, instrument_id), is_urgent=True)

    def _replace(self, change: ReplaceOrder) -> Sequence[Message]:
        order_id, instrument_id = change.order_id, change.instrument_id
        order, link = self.orders.find(order_id), self.link
        if order is None or not order.is_open:
            code = REJECT_UNKNOWN_ORDER if order is None else REJECT_TOO_LATE
            return self.orders.replace_rejected(order_id, instrument_id, code, "there is no such order any more")
        if link is None or order.stage is Stage.UNKNOWN:
            return self.orders.replace_rejected(order_id, instrument_id, REJECT_CONNECTION, "no connection")
        if not link.pace.spend():
            reason = "the rate of requests is used up but for cancels"
            return self.orders.replace_rejected(order_id, instrument_id, REJECT_RATE_LIMITED, reason)
        instrument = self.by_id[instrument_id]
        self._requests.add()
        request = Replace(
            id=link.next_id(), symbol=instrument.venue_symbol, client_order_id=order.name,
            price=instrument.format_price(change.price), size=instrument.format_size(change.size),
        )  # fmt: skip
        order.change = (change.price, change.size)
        link.post(request, About(REPLACE, order_id, instrument_id))
        return ()

    def _cancel_all(self, message: CancelAll) -> None:
        """Cancel every order of ours, until the exchange says that none is left."""
        for order in self.orders.open_in(message.instrument_id):
            order.is_cancel_wanted, order.cancel_reason = True, message.reason
            if self.link is not None and order.order_id not in self.desk.cancelling:
                self._post_cancel(self.link, order.order_id, order.instrument_id)
        self.orders.clearing.add(message.instrument_id)
        self._clear_pause_s, self._clear_at = PRESS_S, 0.0
        self._urged.set()

    # ---- questions

    async def _answer(self, message: OrderStatusWanted | VenueStateWanted) -> None:
        """Answer with the exchange's word; a question without a connection is answered by the look at the next one."""
        link = self.link
        if link is None:
            return
        try:
            if isinstance(message, OrderStatusWanted):
                working = await link.state("open_orders")
                fills = await link.state("fills")
                await self._tell(self.desk.status(message, working.rows, fills.rows))
            elif message.connection_id in (0, self.params.connection_id):
                await self._answer_state(link, message)
        except LinkEnded as error:
            self.log.warning("a question has no answer", reason=str(error))

    async def _answer_state(self, link: TradingLink, wanted: VenueStateWanted) -> None:
        connection_id = self.params.connection_id
        if wanted.state == STATE_OPEN_ORDERS:
            await self._look(link)
        elif wanted.state == STATE_BALANCES:
            question = await link.state("balances")
            assert question.answer is not None
            told = [one for row in question.rows if isinstance(row, Balance) for one in self.desk.balance(row)]
            done = VenueStateComplete(connection_id, STATE_BALANCES, len(told), question.answer.time_ns)
            await self._tell([*told, done])
        elif wanted.state == STATE_FILLS:
            question = await link.state("fills")
            assert question.answer is not None
            told = self.desk.fills([row for row in question.rows if row.time_ns >= wanted.since_ns])
            count = sum(isinstance(one, OrderFilled) for one in told)
            done = VenueStateComplete(connection_id, STATE_FILLS, count, question.answer.time_ns)
            await self._tell([*told, done])
