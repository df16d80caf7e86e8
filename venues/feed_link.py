"""One connection of a feed, from its handshake to its end.

Four tasks share it: one reads, one writes at the pace that the venue allows, one watches the time, and whoever owns it
waits for `turning`. It is WAITING until its session makes it the one that is heard: what comes until then is kept. It
ends once, with a reason; every trouble of the network ends it, nothing else of it fails. It knows no other connection.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

from market.dialect import (
    BACK,
    CONFIRMED,
    DATA,
    FOR_ONE,
    LEAVING,
    MAINTENANCE,
    RECONNECT,
    REFUSED,
    Conversation,
    Router,
)
from venues.budgets import RateBudget
from venues.transport import MessageStream, TransportError, open_stream

if TYPE_CHECKING:
    from venues.feed_session import Session

# What becomes of the frames of a link.
WAITING: Final = 0
HEARD: Final = 1
PASSED_OVER: Final = 2

_QUEUE: Final = 4_096
_MOST_WAITING_BYTES: Final = 64 * 1024 * 1024
_TICK_SECONDS: Final = 1.0
# A connection is replaced when this share of its life is over, drawn anew for each, so that not all go at once.
_LIFE_SHARE: Final = (0.90, 0.97)
_MOST_PATIENCE: Final = 64
# What may be an instrument's name in a request; between them stand what JSON is made of, and the ends of topics.
_NAME: Final = re.compile(rb'[^\s",@.\[\]{}]+')


class Awaited:
    """An instrument of which nothing has come since it was subscribed to."""

    def __init__(self, wait_s: float, rounds: int = 0) -> None:
        """It has so long from when its request is sent; it was asked for anew so often."""
        self.until = math.inf
        self.wait_s = wait_s
        self.rounds = rounds

    def begin(self, now: float) -> None:
        """Its request was sent: nothing is wrong for a while from now on."""
        self.until = now + self.wait_s


class Link:
    """See the head of this file."""

    def __init__(self, session: Session, epoch: int) -> None:
        """A connection that is to be made."""
        self.session: Final = session
        self.epoch: Final = epoch
        self.phase = WAITING
        self.reason = ""
        self.turning = trio.Event()
        """It is over, or it wants a successor: somebody must do something."""
        self.ready = trio.Event()
        """Every instrument has brought something, or nothing more can be waited for."""
        self.waiting: deque[tuple[int, list[bytes]]] = deque()
        self.awaited: dict[str, Awaited] = {}
        self.subscribed_at: dict[str, float] = {}
        self.is_over = False
        self.is_leaving = False
        self.scope = trio.CancelScope()
        self._waiting_bytes = 0
        self._has_data = False
        self._controls = 0
        self._conversation: Conversation = session.conversation()
        self._router: Router = session.router()
        # A router that numbers the frames must see all of them; another is asked only while somebody is waited for.
        self._is_numbered: Final = type(self._router) is not Router
        self._symbol_of: Final = {symbol.lower().encode(): symbol for symbol in session.symbols}
        # Answers and signs of life, which go first, and requests, each with those whose time begins when it is sent.
        self._prompt: deque[bytes | None] = deque()
        self._requests: deque[tuple[bytes, Sequence[str]]] = deque()
        self._has_words = trio.Event()
        self._heard_at = self._framed_at = self._sent_at = self._opened_at = trio.current_time()
        self._is_pinged = False

    # ---- its life

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Connect, tell that it is connected, and work until the end; raises only what prevents the connection."""
        session = self.session
        try:
            with self.scope:
                async with open_stream(session.url(), session.stream_options, session.now_ns) as stream:
                    self._begin()
                    task_status.started()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._read, stream)
                        nursery.start_soon(self._write, stream)
                        nursery.start_soon(self._watch)
            self.is_over = True
            await session.on_over(self)
        finally:
            self.is_over = True
            self.ready.set()
            self.turning.set()

    def _begin(self) -> None:
        """Subscribe; the requests go out when their turn comes."""
        self._heard_at = self._framed_at = self._sent_at = self._opened_at = trio.current_time()
        session = self.session
        for symbol in session.symbols:
            self.awaited[symbol] = Awaited(session.patience_s)
        requests = [(text, self._named(text)) for text in self._conversation.open(session.symbols)]
        # What no request names in a way that can be seen is subscribed to with the last one.
        unnamed = [*set(session.symbols).difference(*(named for _, named in requests))]
        for text, named in requests[:-1]:
            self.request(text, named)
        for text, named in requests[-1:]:
            self.request(text, named + unnamed)
        if not requests:
            self._note_subscribed(unnamed)

    def end(self, reason: str) -> None:
        """Be over, for this reason unless there was one before."""
        self.reason = self.reason or reason
        self.is_over = True
        self.scope.cancel()

    def leave(self, reason: str) -> None:
        """Ask for another connection in the place of this one, which goes on until then."""
        if not self.is_leaving and not self.is_over:
            self.is_leaving = True
            self.session.log.info("the connection will be replaced", reason=reason, **self.session.words)
            self.turning.set()

    # ---- what is said

    def request(self, text: bytes, symbols: Sequence[str] = ()) -> None:
        """Send a request when its turn comes; these instruments are subscribed to by it."""
        self._requests.append((text, symbols))
        self._wake_writer()

    def answer(self, text: bytes | None) -> None:
        """Send an answer or a sign of life before every request; None is a ping of the WebSocket."""
        self._prompt.append(text)
        self._wake_writer()

    def _wake_writer(self) -> None:
        self._has_words.set()
        if len(self._requests) + len(self._prompt) > _QUEUE:
            self.end("more is to be said than the venue takes")

    def renew(self, symbol: str) -> bool:
        """Ask for a new snapshot of one instrument in the stream; False when the venue has no words for that."""
        requests = self._conversation.renew(symbol)
        if not requests:
            return False
        before = self.awaited.get(symbol, Awaited(self.session.patience_s))
        self.awaited[symbol] = Awaited(before.wait_s, before.rounds)
        self.subscribed_at[symbol] = trio.current_time()
        for text in requests[:-1]:
            self.request(text)
        self.request(requests[-1], (symbol,))
        return True

    def is_queued(self, symbol: str) -> bool:
        """Whether a request for the instrument waits to be sent."""
        return any(symbol in symbols for _, symbols in self._requests)

    def _named(self, text: bytes) -> list[str]:
        """The instruments that a request names: a glance, for the clock alone."""
        words = set(_NAME.findall(text.lower()))
        return [self._symbol_of[word] for word in words & self._symbol_of.keys()]

    def _note_subscribed(self, symbols: Sequence[str]) -> None:
        """A request for them was sent: from now on they have their time to bring something."""
        now = trio.current_time()
        for symbol in symbols:
            self.subscribed_at[symbol] = now
            if symbol in self.awaited:
                self.awaited[symbol].begin(now)

    async def _write(self, stream: MessageStream) -> None:
        """Send what is to be said, within the venue's limit for one connection."""
        facts = self.session.facts
        # Pongs count too where messages are counted: one in each span is left to them.
        pace = RateBudget(max(1, facts.requests - 1) if facts.requests else 0, facts.requests_per_s)
        try:
            while True:
                while not self._prompt and not self._requests:
                    self._has_words = trio.Event()
                    await self._has_words.wait()
                await pace.spend()
                await self._send_next(stream)
        except TransportError as error:
            # The reader may still find the venue's own reason.
            self.session.log.debug("a request could not be sent", error=str(error), **self.session.words)

    async def _send_next(self, stream: MessageStream) -> None:
        """Send the first answer, or else the first request; what was sent names those whose time begins."""
        if self._prompt:
            text = self._prompt.popleft()
            await (stream.ping() if text is None else stream.send(text))
            # What begins a subscription anew once its end was confirmed is an answer too.
            symbols: Sequence[str] = self._named(text) if text and self.awaited else ()
        else:
            text, symbols = self._requests[0]
            await stream.send(text)
            self._requests.popleft()
        self._sent_at = trio.current_time()
        self._note_subscribed(symbols)

    # ---- what is heard

    async def _read(self, stream: MessageStream) -> None:
        session = self.session
        hear = self._conversation.hear
        replies = self._conversation.replies
        try:
            while True:
                receive_ns, frames = await stream.read()
                self._heard_at = trio.current_time()
                self._is_pinged = False
                if not frames:
                    if stream.controls != self._controls:
                        self._controls = stream.controls
                        await session.on_sign_of_life(self, stream.controls, receive_ns)
                    continue
                self._framed_at = self._heard_at
                for frame in frames:
                    meaning = hear(frame)
                    if self.awaited or self._is_numbered:
                        # What is answered is no data: the end of a subscription names its instrument too.
                        self._follow(frame, meaning == DATA and not replies)
                    if meaning != DATA:
                        self._act(meaning)
                    if replies:
                        for text in replies:
                            self.answer(text)
                        replies.clear()
                await self._pass_on(receive_ns, frames)
                if self.is_over:
                    return
        except TransportError as error:
            self.end(str(error))

    async def _pass_on(self, receive_ns: int, frames: list[bytes]) -> None:
        """To whoever takes frames, or aside until this link is the one that is heard."""
        if self.phase == HEARD:
            await self.session.send_frames(self, receive_ns, frames)
        elif self.phase == WAITING:
            self.waiting.append((receive_ns, frames))
            self._waiting_bytes += sum(map(len, frames))
            if self._waiting_bytes > _MOST_WAITING_BYTES:
                self.end("too much came before the connection could be moved over to")

    def _act(self, meaning: int) -> None:
        """Do what the venue's words ask of the connection."""
        conversation = self._conversation
        cause = conversation.cause
        session = self.session
        if meaning == CONFIRMED:
            session.on_subscription(conversation.venue_symbol, True, cause)
        elif meaning == REFUSED:
            session.note_trouble(f"a request was refused: {cause}")
            session.on_subscription(conversation.venue_symbol, False, cause)
        elif meaning == LEAVING:
            self.leave(cause)
        elif meaning == RECONNECT:
            self.end(f"the venue asks for a new connection: {cause}")
        elif meaning == MAINTENANCE:
            session.on_maintenance(self, cause)
        elif meaning == BACK:
            self.end(f"the venue works again: {cause}")

    def _follow(self, frame: bytes, is_data: bool) -> None:
        """Count the frame as the lane does, and see whether an instrument that is waited for has brought something."""
        router = self._router
        if router.route(frame) != FOR_ONE or not is_data:
            return
        awaited = self.awaited.pop(router.symbol, None)
        if awaited is None:
            return
        self._has_data = True
        if awaited.rounds:
            self.session.on_subscription(router.symbol, True, "data has come")
        if not self.awaited:
            self.session.be_patient()
        self._see_whether_ready()

    def _see_whether_ready(self) -> None:
        """Whoever waits to move over has those that speak, once all others have had their time."""
        if all(awaited.rounds for awaited in self.awaited.values()):
            self.ready.set()

    # ---- the time

    async def _watch(self) -> None:
        """Look at everything that has its time: silence, signs of life of ours, first data, age, a sleep."""
        session = self.session
        facts = session.facts
        life_s = session.life_s * session.randomness.uniform(*_LIFE_SHARE) if session.life_s else math.inf
        while True:
            planned = min(
                self._heard_at + (session.silence_s if self._is_pinged else session.silence_s / 2),
                self._framed_at + session.stall_s,
                self._sent_at + facts.ping_every_s if facts.ping_every_s else math.inf,
                *(awaited.until for awaited in self.awaited.values()),
                self._opened_at + life_s, trio.current_time() + _TICK_SECONDS,
            )  # fmt: skip
            awake, slept_from = session.awake_seconds(), trio.current_time()
            await trio.sleep_until(planned)
            now = trio.current_time()
            missed_s = session.awake_seconds() - awake - (now - slept_from)
            if missed_s > session.silence_s:
                self.end(f"the machine slept for {missed_s:.0f} s")
                return
            self._look(now)
            await session.send_announced()
            if now >= self._opened_at + life_s:
                self.leave("it is nearly as old as the venue lets a connection be")
                life_s = math.inf

    def _look(self, now: float) -> None:
        session = self.session
        facts = session.facts
        # The sums are those that `_watch` has slept until: a difference could be the least bit smaller.
        if now >= self._heard_at + session.silence_s:
            self.end(f"nothing came for {now - self._heard_at:.1f} s")
        elif now >= self._framed_at + session.stall_s:
            self.end(f"the connection is open and no frame came for {now - self._framed_at:.1f} s")
        elif now >= self._heard_at + session.silence_s / 2 and not self._is_pinged:
            # A quiet market is told from a dead connection: every server answers a ping.
            self._is_pinged = True
            self.answer(None)
        if facts.ping_every_s and now >= self._sent_at + facts.ping_every_s:
            self._sent_at = now
            text = self._conversation.sign_of_life()
            if text:
                self.answer(text)
        if self.awaited:
            self._look_for_data(now)

    def _look_for_data(self, now: float) -> None:
        """Tell which instruments stay silent, and subscribe to them again; all of them: the connection is useless."""
        late = [symbol for symbol, awaited in self.awaited.items() if now >= awaited.until]
        if not late:
            return
        session = self.session
        if not self._has_data and all(
            symbol in late or (symbol in self.awaited and self.awaited[symbol].rounds) for symbol in session.symbols
        ):
            session.lose_patience()
            self.end(f"no data came of any of {', '.join(session.symbols)}")
            return
        session.note_trouble(f"nothing came of {', '.join(late)}")
        for symbol in late:
            awaited = self.awaited[symbol]
            awaited.rounds += 1
            if awaited.rounds == 1:
                session.on_subscription(symbol, False, f"no data came for {awaited.wait_s:g} s")
            awaited.wait_s = session.patience_s * min(2**awaited.rounds, _MOST_PATIENCE)
            if not self.renew(symbol):
                awaited.begin(now)
        self._see_whether_ready()
