"""One connection of a trading gateway to an embedded exchange: its login, its requests, and what comes of them.

Requests go out in the order in which they were posted: no cancel may overtake its order. They are written at once as
far as the socket takes them; in TLS, and where it is full, a task writes that can wait. It promises that every request
is answered or the connection ends, that reports and balances come without a gap or it ends, and that a silent
connection ends. Nothing here knows an order; whoever hands in `hear` gets every event once. It never reconnects.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import msgspec
import trio

from exchange.keys import sign
from exchange.protocol import AnyRequest, Login, State, StateWord
from exchange.protocol_events import Answer, AnyEvent, Balance, Report, Welcome, decode_events
from venues.gateway_pace import Pace
from venues.transport import MessageStream, TransportError

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
TICK_S: Final = 0.1
# Of what the exchange allows in a second, so much is used where the settings do not say.
SHARE_USED: Final = 0.8
SHARE_FOR_CANCELS: Final = 0.1

_encode = msgspec.json.Encoder().encode
_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_one = msgspec.json.Decoder(AnyEvent).decode


class LinkEnded(TransportError):
    """The connection is given up; the message says why."""


class LoginRefused(LinkEnded):
    """The exchange does not take our key."""


@attrs.define
class Posted:
    """A request that was posted and is not answered yet: what it was about."""

    request: AnyRequest
    about: object
    is_urgent: bool = False
    posted_at: float = attrs.field(factory=trio.current_time)


@attrs.define
class Question:
    """Somebody who waits for an answer, and the rows that came before it."""

    done: trio.Event = attrs.field(factory=trio.Event)
    rows: list[Report | Balance] = attrs.field(factory=list)
    answer: Answer | None = None


Hear = Callable[[list[Report | Balance | tuple[object, Answer]]], Awaitable[None]]


class TradingLink:
    """See the head of this file. Run `read`, `write` and `watch` beside each other; each raises at the end."""

    def __init__(self, stream: MessageStream, hear: Hear, answer_s: float) -> None:
        """Talk over this stream."""
        self.welcome: Welcome | None = None
        self.sequence = -1
        """The account's last report that was heard."""
        self.pace = Pace(0, 1.0, 0)
        self._stream = stream
        self._hear = hear
        self._answer_s = answer_s
        self._next_id = 0
        self._posted: dict[int, Posted] = {}
        self._waiting: deque[Posted] = deque()
        self._bell = trio.Event()
        self._heard_at = trio.current_time()
        self._welcomed = trio.Event()
        self._asking = trio.Lock()
        self._is_over = False

    # ---- what is said

    def next_id(self) -> int:
        """A request number that has not been used."""
        self._next_id += 1
        return self._next_id

    def post(self, request: AnyRequest, about: object, is_urgent: bool = False) -> None:
        """Send a request with the next `let_out`; its answer is heard together with what it was about."""
        posted = self._posted[request.id] = Posted(request, about, is_urgent)
        self._waiting.append(posted)

    def let_out(self) -> None:
        """Write what is posted to the socket, without waiting; `write` does what that leaves, before anything else."""
        # While the bell is rung `write` has its turn.
        while self._waiting and not self._bell.is_set():
            frame = self._next_frame() if self._stream.is_direct and not self._is_over else b""
            if not frame or not self._stream.send_at_once(frame):
                self._bell.set()

    def end(self) -> None:
        """Nothing more is said or heard: whoever waits for an answer is told so."""
        for posted in self._posted.values():
            if isinstance(posted.about, Question):
                posted.about.done.set()
        self._is_over = True

    async def ask(self, request: AnyRequest) -> Question:
        """Send a request and wait for its answer; one question at a time, since rows do not say whose they are."""
        question = Question()
        async with self._asking:
            if not self._is_over:
                self.post(request, question)
                self.let_out()
                await question.done.wait()
        if question.answer is None:
            raise LinkEnded("the connection ended before the answer")
        return question

    async def state(self, what: StateWord, since_sequence: int = 0) -> Question:
        """Ask for the open orders, fills or balances of the account; raises `LinkEnded` where that is refused."""
        question = await self.ask(State(id=self.next_id(), what=what, since_sequence=since_sequence))
        answer = question.answer
        assert answer is not None
        if not answer.ok:
            raise LinkEnded(f"the exchange does not tell its {what}: {answer.code}: {answer.text}")
        return question

    async def login(self, key_id: str, secret: str, nonce: int, cancel_on_disconnect: bool, per_s: int) -> Answer:
        """Wait for the greeting and prove that we hold the key, by the exchange's own clock."""
        await self._welcomed.wait()
        welcome = self.welcome
        assert welcome is not None
        most = min(welcome.messages_per_second, welcome.burst)
        amount = max(1, per_s or math.floor(most * SHARE_USED))
        self.pace = Pace(amount, 1.0, math.ceil(amount * SHARE_FOR_CANCELS))
        nonce = max(nonce, welcome.time_ms * NANOSECONDS_PER_MILLISECOND)
        question = await self.ask(
            Login(
                id=self.next_id(), key=key_id, time_ms=welcome.time_ms, nonce=nonce,
                signature=sign(secret, key_id, welcome.time_ms, nonce), cancel_on_disconnect=cancel_on_disconnect,
            )
        )  # fmt: skip
        answer = question.answer
        assert answer is not None
        if not answer.ok:
            raise LoginRefused(f"the exchange refuses the key {key_id}: {answer.code}: {answer.text}")
        return answer

    async def write(self) -> None:
        """Send what was posted and could not be written at once."""
        stream = self._stream
        while True:
            await self._bell.wait()
            while self._waiting or stream.is_behind:
                if frame := self._next_frame():
                    await stream.send(frame)
                elif stream.is_behind:
                    await stream.flush()
                else:
                    await trio.sleep(max(self.pace.delay_s(), 0.001))
            self._bell = trio.Event()

    def _next_frame(self) -> bytes:
        """As many requests as may go together, now; empty where there is none."""
        waiting = self._waiting
        most = self.welcome.most_requests if self.welcome is not None else 1
        batch: list[AnyRequest] = []
        # What is ordinary was paid for before it was posted.
        while waiting and len(batch) < most and (not waiting[0].is_urgent or self.pace.spend_urgently()):
            batch.append(waiting.popleft().request)
        return _encode(batch if len(batch) > 1 else batch[0]) if batch else b""

    # ---- what is heard

    async def read(self) -> None:
        """Take frames until the connection ends."""
        while True:
            _, frames = await self._stream.read()
            self._heard_at = trio.current_time()
            for frame in frames:
                heard: list[Report | Balance | tuple[object, Answer]] = []
                for event in events_of(frame):
                    self._take(event, heard)
                if heard:
                    await self._hear(heard)

    def _take(self, event: AnyEvent, heard: list[Report | Balance | tuple[object, Answer]]) -> None:
        if isinstance(event, Answer):
            posted = self._posted.pop(event.id, None)
            if posted is None:
                return
            if isinstance(posted.about, Question):
                self._settle(posted, posted.about, event)
            else:
                heard.append((posted.about, event))
        elif (isinstance(event, Report) and event.event == "state") or (isinstance(event, Balance) and event.row):
            for posted in self._posted.values():
                if isinstance(posted.about, Question) and isinstance(posted.request, State):
                    posted.about.rows.append(event)
        elif isinstance(event, Report | Balance):
            if self.sequence >= 0 and event.sequence != self.sequence + 1:
                raise LinkEnded(f"reports are missing: {event.sequence} came after {self.sequence}")
            self.sequence = event.sequence
            heard.append(event)
        elif isinstance(event, Welcome):
            self.welcome = event
            self._welcomed.set()

    def _settle(self, posted: Posted, question: Question, answer: Answer) -> None:
        question.answer = answer
        if isinstance(posted.request, Login) and answer.ok:
            # Before the next event of the same frame: it has the next number.
            self.sequence = answer.sequence
        question.done.set()

    async def watch(self) -> None:
        """End a connection that is silent, or on which a request is not answered."""
        while True:
            await trio.sleep(TICK_S)
            now = trio.current_time()
            welcome = self.welcome
            silence_s = self._answer_s if welcome is None else 2 * welcome.heartbeat_ms / 1_000
            if now - self._heard_at > silence_s:
                raise LinkEnded(f"nothing came for {now - self._heard_at:.1f} s")
            oldest = next(iter(self._posted.values()), None)
            if oldest is not None and now - oldest.posted_at > self._answer_s:
                raise LinkEnded(f"a request was not answered for {now - oldest.posted_at:.1f} s")


def first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    """What went wrong first, in words."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def events_of(frame: bytes) -> list[AnyEvent]:
    """The events of a frame, without those of a kind that is not known, as the protocol asks of a client."""
    try:
        return list(decode_events(frame))
    except msgspec.ValidationError:
        pass
    except msgspec.DecodeError as error:
        raise LinkEnded(f"the exchange has sent what is no JSON: {error}") from error
    events: list[AnyEvent] = []
    try:
        parts = _parts(frame)
    except msgspec.DecodeError as error:
        raise LinkEnded(f"the exchange has sent no list of events: {error}") from error
    for part in parts:
        try:
            events.append(_one(part))
        except msgspec.ValidationError:
            continue
    return events
