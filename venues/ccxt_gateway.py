"""Trades at an outside venue through ccxt, in worker threads: the way out for orders, the way in for reports.

Orders are named by our order ids. What became of them is learnt from the answers, and from asking the venue every so
often; while it cannot be asked, new orders are refused and cancels are kept. It promises what `venues/ccxt_desk.py`
promises for each order, and that a cancel of all goes on until the venue says that nothing of ours is open. It decides
nothing about the market. It trades with real money unless it is pointed at a sandbox or an exchange of this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import ClassVar, Final

import trio

from market.instruments import InstrumentKind
from market.messages import (
    REJECT_AUTHENTICATION,
    REJECT_CONNECTION,
    REJECT_DUPLICATE,
    REJECT_HALTED,
    REJECT_RATE_LIMITED,
    REJECT_TOO_LATE,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNSUPPORTED,
    STATE_BALANCES,
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
    OrderFilled,
    OrderRejected,
    OrderStatus,
    OrderStatusWanted,
    ReplaceOrder,
    ReplaceRejected,
    VenueStateComplete,
    VenueStateWanted,
)
from runtime.actor import HALT_TRADING
from runtime.backoff import BackoffOptions, RestartTracker
from runtime.service import Service, ServiceSetup
from venues.ccxt_binance import ACCOUNT, NEW_ORDER, WEIGHTS, Account, Unsupported, make_client, order_request, read
from venues.ccxt_calls import Calls, Client
from venues.ccxt_desk import CcxtDesk
from venues.ccxt_errors import CallFailed, Outcome
from venues.ccxt_params import CcxtParams
from venues.gateway_keys import KeysMissing, read_key
from venues.gateway_money import asset_amount
from venues.gateway_orders import EARLY_S, UNCLEAR, Stage, kept_orders

NANOSECONDS: Final = 1_000_000_000
FAREWELL_S: Final = 0.5
CLEARING_POLL_S: Final = 0.25
LONGEST_CLEARING_S: Final = 2.0
# So many polls in a row without an answer end the connection.
MOST_MISSES: Final = 2
_HEALTHY_NS: Final = 60 * NANOSECONDS
_UNBOUNDED: Final = 2**31
_NO_CHANGE: Final = "the venue cannot change an order through this gateway: cancel it and send a new one"


class CcxtGateway(Service):
    """See the head of this file."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (
        NewOrder, ReplaceOrder, CancelOrder, CancelAll, OrderStatusWanted, VenueStateWanted,
    )  # fmt: skip
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        OrderAccepted, OrderRejected, OrderFilled, OrderCancelled, CancelRejected, ReplaceRejected, OrderStatus,
        FeeTaken, ForeignOrder, BalanceChanged, VenueStateComplete, ConnectionUp, ConnectionDown,
    )  # fmt: skip
    OWNS: ClassVar[tuple[type[Message], ...]] = (OrderAccepted, OrderFilled, OrderCancelled)
    PARAMS: ClassVar[type | None] = CcxtParams
    POLICY: ClassVar[str] = HALT_TRADING
    REAL_MONEY: ClassVar[bool] = True
    # It changes no working order: whoever wants another one cancels it and sends a new one.
    AMENDS: ClassVar[str] = "nothing"

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, CcxtParams)
        self.params: Final = setup.params
        found = [self.instruments.by_id(number) for number in self.instrument_ids]
        for one in found:
            if one.kind is not InstrumentKind.SPOT:
                raise ValueError(f"{one.symbol} is no spot pair: this gateway trades nothing else")
        self.orders: Final = kept_orders(self.mailbox.doorbell, self.params.order_prefix)
        calls = Calls(self._client, self.params.threads)
        by_id = {one.instrument_id: one for one in found}
        self.desk: Final = CcxtDesk(self.params, self.orders, by_id, self.clock, calls, self._tell)
        self.last_error = "not connected yet"
        self.is_key_refused = False
        self._assets: Final = {asset for one in found for asset in (one.base, one.quote)}
        self._balances: dict[str, tuple[int, int]] = {}
        self._telling: Final = trio.Lock()
        self._epoch = 0
        self._clearing_s = CLEARING_POLL_S
        self._urged = trio.Event()
        """Set when a cancel came that cannot be sent yet."""
        label = {"service": self.name}
        self._losses = self.metrics.counter("gateway_losses_total", "Connections that were lost.", label)
        self.metrics.gauge(
            "gateway_connected", "Whether orders can be sent.", label, read=lambda: float(self.desk.is_up)
        )
        self.metrics.gauge(
            "gateway_fees_in_other_assets", "Trades whose fee was paid in an asset without a price.", label,
            read=lambda: float(sum(self.orders.fees_elsewhere.values())),
        )  # fmt: skip

    def _client(self) -> Client:
        place = f"services.{self.name}.params"
        key = read_key(f"{place}.api_key", self.params.api_key)
        return make_client(self.params, key, read_key(f"{place}.api_secret", self.params.api_secret))

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

    # ---- the life of the gateway

    async def run(self) -> None:
        """Be connected and take orders until cancelled."""
        # Until there is a connection nothing may pass: risk lets orders through where it has heard nothing.
        await self._tell([ConnectionDown(self.params.connection_id, 0, self.last_error)])
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._stay_connected, nursery)
                while True:
                    await self._take(await self.mailbox.receive(), nursery)
        finally:
            self.desk.calls.close()

    async def _stay_connected(self, nursery: trio.Nursery) -> None:
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
                await self._begin(nursery)
                tracker.started(self.clock.now_ns())
                await self._poll(nursery)
            except CallFailed as failure:
                reason = failure.reason
                self.is_key_refused = failure.outcome is Outcome.DENIED
            except KeysMissing as error:
                reason = str(error)
                self.is_key_refused = True
            finally:
                await self._tell_down(reason)
            wait_ns = tracker.failed(self.clock.now_ns())
            assert wait_ns is not None
            with trio.move_on_after(wait_ns / NANOSECONDS) as pause:
                await self._urged.wait()
            if not pause.cancelled_caught:
                # What has to leave the venue does not wait out a pause that grew before anybody wanted it gone.
                tracker.reset()
                await trio.sleep(CLEARING_POLL_S)
            await trio.sleep(self.desk.weight.delay_s())

    async def _begin(self, nursery: trio.Nursery) -> None:
        """Find the venue, prove who we are, and learn what is open there."""
        for order in self.orders.open.values():
            if order.stage is Stage.REQUESTED:
                order.stage = Stage.UNKNOWN
        desk = self.desk
        await desk.calls.open()
        await desk.set_clock()
        self._balances.clear()
        await self._tell_balances()
        await self._look_at_all()
        desk.is_up = True
        self.is_key_refused, self.last_error = False, ""
        self.log.info("connected", venue=self.params.venue)
        await self._tell([ConnectionUp(self.params.connection_id, self._epoch)])
        self._tend_all(nursery)

    async def _tell_down(self, reason: str) -> None:
        self._losses.add()
        self.desk.is_up = False
        self.desk.calls.close()
        if reason == self.last_error:
            return
        self.log.warning("not connected", reason=reason)
        self.last_error = reason
        with trio.move_on_after(FAREWELL_S, shield=True):
            await self._tell([ConnectionDown(self.params.connection_id, self._epoch, reason)])

    async def _poll(self, nursery: trio.Nursery) -> None:
        """Ask every so often what became of what works; ends when the venue does not answer."""
        misses = 0
        poll_s = self.params.poll_ms / 1_000
        blind_since = trio.current_time()
        while True:
            with trio.move_on_after(self._clearing_s if self.orders.clearing else poll_s):
                await self.desk.wake.wait()
                # What woke it was not answered a moment ago.
                await trio.sleep(min(poll_s, CLEARING_POLL_S))
            self.desk.wake = trio.Event()
            try:
                await self._poll_once()
                misses, blind_since = 0, trio.current_time()
            except CallFailed as failure:
                misses += failure.outcome is Outcome.UNKNOWN
                if misses >= MOST_MISSES or failure.outcome is Outcome.DENIED:
                    raise
                self._see_hold(MOST_MISSES * poll_s)
                blind_s = trio.current_time() - blind_since
                if failure.outcome is Outcome.LIMITED and blind_s > (MOST_MISSES + 1) * poll_s + CLEARING_POLL_S:
                    # Our own limit does not let it ask either: what trades is not known any more.
                    raise
            self._see_hold(MOST_MISSES * poll_s)
            self._tend_all(nursery)

    def _see_hold(self, longest_s: float) -> None:
        """A venue that wants to be left alone for long tells of no trade meanwhile: that is a lost connection."""
        held_s = self.desk.weight.held_s()
        if held_s > longest_s:
            reason = f"rate-limited for {ceil(held_s)} s"
            raise CallFailed(Outcome.LIMITED, REJECT_RATE_LIMITED, reason)

    async def _poll_once(self) -> None:
        if self.desk.ghosts:
            await self.desk.lay_ghosts()
        if self.orders.clearing:
            await self._clear()
        for instrument_id in self.desk.instruments:
            if any(order.stage is Stage.WORKING for order in self.orders.open_in(instrument_id)):
                await self.desk.look(instrument_id, tells=False)
        if self.desk.are_balances_due:
            await self._tell_balances()
        await self.desk.watch()

    async def _look_at_all(self) -> dict[int, int]:
        """Tell everything that is open; gives how many of ours the venue has, by instrument."""
        counts = {one: await self.desk.look(one, tells=True) for one in self.desk.instruments}
        count, now_ns = sum(counts.values()), self.clock.now_ns()
        await self._tell([VenueStateComplete(self.params.connection_id, STATE_OPEN_ORDERS, count, now_ns)])
        return counts

    async def _clear(self) -> None:
        """See whether a cancel of all has done its work; what an earlier run has left is meant too.

        It has once nothing is open, here and there. Until then cancels that were refused are sent again.
        """
        clearing = list(self.orders.clearing)
        counts = await self._look_at_all()
        for instrument_id in clearing:
            left = self.orders.open_in(instrument_id)
            for order in left:
                order.is_cancel_wanted = True
            if not left and not any(counts[one] for one in counts if instrument_id in (0, one)):
                self.orders.clearing.discard(instrument_id)
        self._clearing_s = min(2 * self._clearing_s, LONGEST_CLEARING_S) if self.orders.clearing else CLEARING_POLL_S

    def _tend_all(self, nursery: trio.Nursery) -> None:
        for order in self.orders.open.values():
            if order.is_cancel_wanted or order.stage is Stage.UNKNOWN:
                nursery.start_soon(self.desk.tend, order)

    async def _tell_balances(self) -> int:
        """Tell the balances that have changed; gives how many there are."""
        self.desk.are_balances_due = False
        account: Account = read(await self.desk.call(ACCOUNT, {"omitZeroBalances": "true"}), Account)
        told: list[Message] = []
        for row in account.balances:
            held = asset_amount(row.locked)
            balance = (asset_amount(row.free) + held, held)
            if row.asset in self._assets and self._balances.get(row.asset) != balance:
                self._balances[row.asset] = balance
                told.append(
                    BalanceChanged(
                        self.params.connection_id, row.asset, *balance, account.update_time * 1_000_000
                    )
                )
        await self._tell(told)
        return len(self._balances)

    # ---- commands

    async def _take(self, message: Message, nursery: trio.Nursery) -> None:
        if isinstance(message, NewOrder):
            await self._tell(self._enter(message, nursery))
        elif isinstance(message, CancelOrder):
            await self._tell(self._cancel(message, nursery))
        elif isinstance(message, CancelAll):
            for order in self.orders.open_in(message.instrument_id):
                order.is_cancel_wanted, order.cancel_reason = True, message.reason
            self.orders.clearing.add(message.instrument_id)
            self._clearing_s = CLEARING_POLL_S
            self._tend_all(nursery)
            self.desk.wake.set()
            self._urged.set()
        elif isinstance(message, ReplaceOrder):
            order_id, instrument_id = message.order_id, message.instrument_id
            await self._tell(self.orders.replace_rejected(order_id, instrument_id, REJECT_UNSUPPORTED, _NO_CHANGE))
        elif isinstance(message, OrderStatusWanted | VenueStateWanted):
            nursery.start_soon(self._answer, message)

    def _enter(self, new: NewOrder, nursery: trio.Nursery) -> Sequence[Message]:
        desk = self.desk
        instrument = desk.instruments.get(new.instrument_id)
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
        if not desk.is_up and desk.weight.held_s():
            return self.orders.refused(new, REJECT_RATE_LIMITED, f"nothing was sent: {self.last_error}")
        if not desk.is_up:
            code = REJECT_AUTHENTICATION if self.is_key_refused else REJECT_CONNECTION
            return self.orders.refused(new, code, f"no connection, nothing was sent: {self.last_error}")
        try:
            request = order_request(new, instrument, self.orders.name_of(new.order_id))
        except Unsupported as error:
            return self.orders.refused(new, error.code, error.reason)
        if not desk.weight.spend(WEIGHTS[NEW_ORDER]) or not desk.entries.spend():
            return self.orders.refused(new, REJECT_RATE_LIMITED, "the venue's limit is used up but for cancels")
        order = self.orders.begin(new, self.clock.now_ns())
        nursery.start_soon(desk.enter, order, request)
        return ()

    def _cancel(self, cancel: CancelOrder, nursery: trio.Nursery) -> Sequence[Message]:
        order_id, instrument_id = cancel.order_id, cancel.instrument_id
        order = self.orders.find(order_id)
        if order is None:
            self.orders.early_cancels[order_id] = instrument_id
            nursery.start_soon(self._cancel_unknown, cancel)
            return ()
        if not order.is_open:
            return self.orders.cancel_rejected(order_id, instrument_id, REJECT_TOO_LATE, "it has ended already")
        order.is_cancel_wanted, order.cancel_reason = True, cancel.reason
        # Without a connection it is sent as soon as there is one; while the order is on its way, once it is there.
        nursery.start_soon(self.desk.tend, order)
        self._urged.set()
        return ()

    # ---- questions

    async def _cancel_unknown(self, cancel: CancelOrder) -> None:
        """A cancel has overtaken its order, or is for one of an earlier run: then the venue's word decides."""
        order_id, instrument_id = cancel.order_id, cancel.instrument_id
        await trio.sleep(EARLY_S)
        if self.orders.early_cancels.pop(order_id, None) is None:
            return
        if not self.desk.is_up:
            reason = f"no connection: {self.last_error}"
            await self._tell(self.orders.cancel_rejected(order_id, instrument_id, REJECT_CONNECTION, reason))
            return
        await self._answer(OrderStatusWanted(order_id, instrument_id, cancel.reason, cancel.receive_ns))
        order = self.orders.find(order_id)
        if order is not None and order.is_open:
            order.is_cancel_wanted = True
            await self.desk.tend(order)

    async def _answer(self, message: OrderStatusWanted | VenueStateWanted) -> None:
        """Answer with the venue's word; what cannot be asked now is asked again by whoever needs it."""
        try:
            if not self.desk.is_up:
                return
            if isinstance(message, OrderStatusWanted):
                await self.desk.status(message)
            elif message.connection_id in (0, self.params.connection_id):
                await self._answer_state(message)
        except CallFailed as error:
            self.log.warning("a question has no answer", reason=str(error))

    async def _answer_state(self, wanted: VenueStateWanted) -> None:
        if wanted.state == STATE_OPEN_ORDERS:
            await self._look_at_all()
        elif wanted.state == STATE_BALANCES:
            self._balances.clear()
            count = await self._tell_balances()
            now_ns = self.clock.now_ns()
            await self._tell([VenueStateComplete(self.params.connection_id, STATE_BALANCES, count, now_ns)])
