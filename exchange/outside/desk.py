"""The order desk of an outside gateway: who asks, as which account, and what the exchange answers.

Each key has one session at the exchange, opened when it is first needed and closed when the gateway ends, and each
account one mirror. Requests are the exchange's own messages, so nothing that comes this way has another path into it
than the native protocol. Every question is answered, refused with a typed error, or times out. It checks no
signature, which differs from venue to venue, and writes no frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from exchange.keys import ADMIN, Key
from exchange.outside.mirror import AccountMirror, OrderView
from exchange.outside.params import OutsideParams
from exchange.protocol import Asker
from exchange.session_numbers import SessionNumbers
from market.messages import (
    EVENT_STATE,
    EVENT_TRADED,
    REJECT_AUTHENTICATION,
    STATE_BALANCES,
    STATE_FILLS,
    STATE_OPEN_ORDERS,
    AccountStateWanted,
    BalanceReported,
    Message,
    OrderReported,
    RequestAnswered,
    SessionAnswered,
    SessionClosed,
    SessionOpened,
)
from runtime.clock import Clock

MILLISECONDS: Final = 1_000
_QUESTIONS: Final = (STATE_OPEN_ORDERS, STATE_FILLS, STATE_BALANCES)


class DeskTimeout(Exception):
    """The exchange has not answered in time; what was asked may have happened or may still."""


class SeatRefused(Exception):
    """The exchange does not let the key in; the message says why."""


class Ask:
    """A request on its way: what it led to for its own orders, and the answer."""

    __slots__ = ("answer", "balances", "done", "fills", "note", "order", "rows", "state")

    def __init__(self, state: int, note: object) -> None:
        self.state = state
        self.note = note
        self.done = trio.Event()
        self.answer: RequestAnswered | SessionAnswered | None = None
        self.order: OrderView | None = None
        self.fills: list[OrderReported] = []
        self.rows: list[OrderReported] = []
        self.balances: list[BalanceReported] = []


class Seat:
    """A key's session at the exchange, and its account."""

    def __init__(self, key: Key, mirror: AccountMirror) -> None:
        self.key = key
        self.mirror = mirror
        self.session_id = 0
        self.nonce = 0
        self.is_open = False
        self.lock = trio.Lock()


class OrderDesk:
    """See the head of this file. `name` tells this gateway's sessions from those of others with the same keys."""

    def __init__(
        self,
        params: OutsideParams,
        name: str,
        numbers: SessionNumbers,
        clock: Clock,
        forward: Callable[[list[Message]], None],
    ) -> None:
        self.params = params
        self.name = name
        self.mirrors: dict[int, AccountMirror] = {}
        self._numbers = numbers
        self._clock = clock
        self._forward = forward
        self._seats: dict[str, Seat] = {}
        self._by_session: dict[int, Seat] = {}
        self._asks: dict[tuple[int, int], Ask] = {}
        self._last_request_id = 0

    def __len__(self) -> int:
        return len(self._asks)

    def follow(self, account_id: int) -> AccountMirror:
        """Keep an account from now on."""
        mirror = self.mirrors.get(account_id)
        if mirror is None:
            mirror = AccountMirror(account_id, self.params.orders_kept, self.params.fills_kept)
            self.mirrors[account_id] = mirror
        return mirror

    async def seat_of(self, key: Key) -> Seat:
        """The key's place, open and with everything known; raises `SeatRefused` or `DeskTimeout`."""
        seat = self._seats.get(key.key_id)
        if seat is None:
            seat = self._seats[key.key_id] = Seat(key, self.follow(key.account_id))
        if not (seat.is_open and seat.mirror.is_primed):
            async with seat.lock:
                if not seat.is_open:
                    await self._open(seat)
                if not seat.mirror.is_primed:
                    await self._prime(seat)
        return seat

    async def ask(self, seat: Seat, make: Callable[[Asker, int, int], Message], note: object = None) -> Ask:
        """Send what `make` makes of who asks, the request's number and the time; gives what came of it.

        Where the exchange has forgotten the session nothing has happened, and it is asked again from a new one.
        """
        done = await self._ask_once(seat, make, 0, note)
        answer = done.answer
        if isinstance(answer, RequestAnswered) and answer.refused and answer.code == REJECT_AUTHENTICATION:
            seat.is_open = False
            await self.seat_of(seat.key)
            done = await self._ask_once(seat, make, 0, note)
        return done

    def farewell(self) -> list[Message]:
        """What tells the exchange that all sessions are over."""
        now_ns = self._clock.now_ns()
        return [
            SessionClosed(
                self.params.exchange_id, session_id, seat.key.account_id, f"the gateway {self.name} has ended", now_ns
            )
            for session_id, seat in self._by_session.items()
        ]

    # ---- what the lane tells

    def on_message(self, message: Message) -> None:
        """Take what concerns accounts; anything else is passed over."""
        if isinstance(message, OrderReported):
            if message.exchange_id == self.params.exchange_id:
                self._on_report(message)
        elif isinstance(message, BalanceReported):
            if message.exchange_id == self.params.exchange_id:
                self._on_balance(message)
        elif isinstance(message, RequestAnswered | SessionAnswered):
            ask = self._asks.pop((message.session_id, message.request_id), None)
            if ask is not None and message.exchange_id == self.params.exchange_id:
                self._on_answer(message, ask)

    def at_end(self) -> None:
        """The end of a batch: balances that changed together are told together."""
        for mirror in self.mirrors.values():
            mirror.tell_balances()

    def _on_report(self, report: OrderReported) -> None:
        ask = self._asks.get((report.session_id, report.request_id))
        if report.event == EVENT_STATE:
            if ask is not None:
                ask.rows.append(report)
            return
        mirror = self.mirrors.get(report.account_id)
        if mirror is None:
            return
        is_new = report.order_id not in mirror.orders
        if ask is not None and ask.note is not None and report.order_id and is_new:
            # The order must know what was asked before anybody hears of it.
            mirror.notes[report.order_id] = ask.note
        order = mirror.take_report(report)
        if ask is not None and order is not None:
            ask.order = order
            if report.event == EVENT_TRADED:
                ask.fills.append(report)

    def _on_balance(self, balance: BalanceReported) -> None:
        if balance.session_id == 0:
            mirror = self.mirrors.get(balance.account_id)
            if mirror is not None:
                mirror.take_balance(balance)
            return
        # Rows do not name their request; one session asks for balances once at a time.
        for (session_id, _), ask in self._asks.items():
            if session_id == balance.session_id and ask.state == STATE_BALANCES:
                ask.balances.append(balance)
                return

    def _on_answer(self, message: RequestAnswered | SessionAnswered, ask: Ask) -> None:
        ask.answer = message
        seat = self._by_session.get(message.session_id)
        if isinstance(message, RequestAnswered) and seat is not None and not message.refused:
            if ask.state == STATE_OPEN_ORDERS:
                seat.mirror.take_open_orders(ask.rows)
            elif ask.state == STATE_FILLS:
                seat.mirror.take_fills(ask.rows)
            elif ask.state == STATE_BALANCES:
                seat.mirror.take_balances(ask.balances)
                # The last of the three questions: from here on every number must come.
                seat.mirror.begin(message.sequence)
        ask.done.set()

    # ---- sessions

    async def _ask_once(
        self, seat: Seat, make: Callable[[Asker, int, int], Message], state: int, note: object
    ) -> Ask:
        asker = Asker(self.params.exchange_id, seat.session_id, seat.key.account_id)
        self._last_request_id += 1
        number = (seat.session_id, self._last_request_id)
        message = make(asker, self._last_request_id, self._clock.now_ns())
        return await self._await(number, Ask(state, note), message)

    async def _await(self, number: tuple[int, int], ask: Ask, message: Message) -> Ask:
        self._asks[number] = ask
        try:
            self._forward([message])
            with trio.move_on_after(self.params.answer_ms / MILLISECONDS):
                await ask.done.wait()
        finally:
            self._asks.pop(number, None)
        if ask.answer is None:
            raise DeskTimeout("the exchange has not answered in time")
        return ask

    async def _open(self, seat: Seat) -> None:
        key = seat.key
        self._by_session.pop(seat.session_id, None)
        seat.session_id = self._numbers.next()
        self._by_session[seat.session_id] = seat
        self._last_request_id += 1
        now_ns = self._clock.now_ns()
        seat.nonce = max(now_ns, seat.nonce + 1)
        # Nonces are the exchange's guard against a login that is sent twice. Clients of this gateway sign every
        # request with its time instead; the name keeps its nonces apart from those of the key's own logins.
        opened = SessionOpened(
            self.params.exchange_id, seat.session_id, key.account_id, self._last_request_id,
            f"{key.key_id}@{self.name}", key.scopes & ~ADMIN, seat.nonce, False, now_ns,
        )  # fmt: skip
        done = await self._await((seat.session_id, self._last_request_id), Ask(0, None), opened)
        answer = done.answer
        if isinstance(answer, SessionAnswered) and answer.refused:
            raise SeatRefused(answer.reason)
        seat.is_open = True

    async def _prime(self, seat: Seat) -> None:
        """Ask for everything that is known of the account."""
        for state in _QUESTIONS:
            done = await self._ask_once(seat, _question(state), state, None)
            if isinstance(done.answer, RequestAnswered) and done.answer.refused:
                raise SeatRefused(done.answer.reason)


def _question(state: int) -> Callable[[Asker, int, int], Message]:
    return lambda asker, request_id, now_ns: AccountStateWanted(
        asker.exchange_id, asker.session_id, asker.account_id, request_id, state, 0, now_ns
    )
