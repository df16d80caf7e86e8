"""A small client of the exchange's protocol, on trio-websocket: for tests, benchmarks, and as an example to read.

It numbers requests, matches answers to them, and hands every other event to whoever iterates over `events`. It keeps
no book and no orders: `docs/exchange-protocol.md` says how a client does that.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast
from urllib.parse import urlsplit

import attrs
import msgspec
import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import LocalProtocolError

from exchange.keys import sign
from exchange.metered import EndToldStream
from exchange.protocol import AnyRequest, Login, Order, OrderForm, State, StateWord, Subscribe, Unsubscribe
from exchange.protocol_events import Answer, AnyEvent, Balance, Report, decode_events

LARGEST_FRAME_BYTES: Final = 64 * 1024 * 1024
FRAME_QUEUE: Final = 64
READ_BYTES: Final = 64 * 1024
EVENT_QUEUE: Final = 100_000

_encode = msgspec.json.Encoder().encode


class RequestFailed(Exception):
    """The exchange refused a request; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.code}: {answer.text}")
        self.answer = answer


@attrs.define
class _Waiter:
    """Somebody who waits for an answer."""

    event: trio.Event = attrs.field(factory=trio.Event)
    answer: Answer | None = None


class ExchangeClient:
    """One connection to an exchange; made by `open_exchange` or `open_exchange_stream`."""

    def __init__(self, socket: WebSocketConnection, now_ms: Callable[[], int]) -> None:
        self.socket = socket
        self.account_id = 0
        self.session_id = 0
        self.rows: list[Report | Balance] = []
        """The rows of the last state that was asked for."""
        self._now_ms = now_ms
        self._next_id = 0
        self._waiters: dict[int, _Waiter] = {}
        self._sender, self._receiver = trio.open_memory_channel[AnyEvent](EVENT_QUEUE)
        self._is_over = trio.Event()

    # ---- what is asked

    def next_id(self) -> int:
        """A request number that has not been used."""
        self._next_id += 1
        return self._next_id

    async def login(self, key_id: str, secret: str, *, nonce: int = 0, cancel_on_disconnect: bool = False) -> Answer:
        """Prove that the client holds a key."""
        time_ms = self._now_ms()
        nonce = nonce or time.time_ns()
        signature = sign(secret, key_id, time_ms, nonce)
        answer = await self.request(
            Login(
                id=self.next_id(),
                key=key_id,
                time_ms=time_ms,
                nonce=nonce,
                signature=signature,
                cancel_on_disconnect=cancel_on_disconnect,
            )
        )
        self.account_id = answer.account
        self.session_id = answer.session
        return answer

    async def order(self, form: OrderForm) -> Answer:
        """Put an order in."""
        return await self.request(Order(id=self.next_id(), **msgspec.structs.asdict(form)))

    async def subscribe(self, *channels: str, checksum: bool = False) -> Answer:
        """Begin to receive public channels."""
        return await self.request(Subscribe(id=self.next_id(), channels=list(channels), checksum=checksum))

    async def unsubscribe(self, *channels: str) -> Answer:
        """Receive public channels no longer."""
        return await self.request(Unsubscribe(id=self.next_id(), channels=list(channels)))

    async def state(self, what: StateWord, since_sequence: int = 0) -> list[Report | Balance]:
        """The open orders, fills or balances of the account; one question at a time."""
        self.rows = []
        await self.request(State(id=self.next_id(), what=what, since_sequence=since_sequence))
        return self.rows

    async def request(self, request: AnyRequest) -> Answer:
        """Send a request and wait for its answer; a refusal is raised as `RequestFailed`."""
        answer = await self.ask(request)
        if not answer.ok:
            raise RequestFailed(answer)
        return answer

    async def ask(self, request: AnyRequest) -> Answer:
        """Send a request and wait for its answer, whatever it is."""
        return (await self.ask_all([request]))[0]

    async def ask_all(self, requests: Sequence[AnyRequest]) -> list[Answer]:
        """Send requests in one frame and wait for all of their answers."""
        waiters = [_Waiter() for _ in requests]
        for request, waiter in zip(requests, waiters, strict=True):
            self._waiters[request.id] = waiter
        try:
            await self.send(requests)
            for waiter in waiters:
                await waiter.event.wait()
        finally:
            for request in requests:
                self._waiters.pop(request.id, None)
        answers = [waiter.answer for waiter in waiters]
        if None in answers:
            raise ConnectionClosed(self.socket.closed)
        return [answer for answer in answers if answer is not None]

    async def send(self, requests: Sequence[AnyRequest]) -> None:
        """Send requests in one frame and do not wait; their answers come as events."""
        await self.send_text(_encode(requests if len(requests) != 1 else requests[0]).decode())

    async def send_text(self, text: str | bytes) -> None:
        """Send whatever it is as one frame."""
        await self.socket.send_message(text)

    # ---- what is told

    async def events(self) -> AsyncIterator[AnyEvent]:
        """Every event that is no answer to somebody who waits, in order; ends with the connection."""
        async for event in self._receiver:
            yield event

    def take_events(self) -> list[AnyEvent]:
        """What has come and was not taken yet, without waiting."""
        taken: list[AnyEvent] = []
        while True:
            try:
                taken.append(self._receiver.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                return taken

    async def next_event(self, kind: type | tuple[type, ...] | None = None) -> AnyEvent:
        """The next event, of a kind if one is given; earlier ones of other kinds are thrown away."""
        async for event in self._receiver:
            if kind is None or isinstance(event, kind):
                return event
        raise ConnectionClosed(self.socket.closed)

    async def wait_closed(self) -> CloseReason | None:
        """Wait for the end of the connection; gives the code and the reason."""
        await self._is_over.wait()
        return self.socket.closed

    async def read(self) -> None:
        """Take frames until the connection ends; runs beside whoever uses the client."""
        try:
            while True:
                frame = await self.socket.get_message()
                for event in decode_events(frame):
                    await self._take(event)
        except ConnectionClosed:
            pass
        finally:
            self._is_over.set()
            self._sender.close()
            for waiter in self._waiters.values():
                waiter.event.set()

    async def _take(self, event: AnyEvent) -> None:
        if isinstance(event, Answer):
            waiter = self._waiters.get(event.id)
            if waiter is not None:
                waiter.answer = event
                waiter.event.set()
                return
        elif (isinstance(event, Report) and event.event == "state") or (isinstance(event, Balance) and event.row):
            self.rows.append(event)
            return
        try:
            self._sender.send_nowait(event)
        except trio.WouldBlock:
            await self._sender.send(event)


def wall_ms() -> int:
    """The wall time."""
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def open_exchange(
    url: str, ssl_context: ssl.SSLContext | None = None, now_ms: Callable[[], int] = wall_ms
) -> AsyncIterator[ExchangeClient]:
    """A connection to an exchange at a `ws://` or `wss://` address."""
    address = urlsplit(url)
    host = address.hostname or ""
    is_secure = address.scheme == "wss"
    stream: trio.abc.Stream = await trio.open_tcp_stream(host, address.port or (443 if is_secure else 80))
    if is_secure:
        context = ssl_context or ssl.create_default_context()
        stream = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    async with open_exchange_stream(stream, now_ms, address.netloc, address.path or "/") as client:
        yield client


@asynccontextmanager
async def open_exchange_stream(
    stream: trio.abc.Stream, now_ms: Callable[[], int] = wall_ms, host: str = "exchange", path: str = "/"
) -> AsyncIterator[ExchangeClient]:
    """The same over a stream that is there already, such as one in memory; it is closed at the end.

    Raises `ConnectionError` where the other side is gone before hands were shaken.
    """
    handshake = trio.CancelScope()
    # The library takes any stream; its annotation names two.
    ended = cast(trio.SocketStream, EndToldStream(stream, handshake.cancel))
    socket: WebSocketConnection | None = None
    is_done = False
    try:
        async with trio.open_nursery() as nursery:
            with handshake:
                socket = await wrap_client_stream(
                    nursery, ended, host, path, message_queue_size=FRAME_QUEUE,
                    max_message_size=LARGEST_FRAME_BYTES, receive_buffer_size=READ_BYTES,
                )  # fmt: skip
            if socket is None:
                raise ConnectionError("the exchange has closed the connection before the handshake")
            client = ExchangeClient(socket, now_ms)
            nursery.start_soon(client.read)
            yield client
            is_done = True
            with trio.move_on_after(1):
                await socket.aclose()
            nursery.cancel_scope.cancel()
    except* LocalProtocolError:
        # The library answers a ping that crosses the closing frame, and fails; who has closed does not care.
        if not is_done:
            raise
    finally:
        await trio.aclose_forcefully(stream)
