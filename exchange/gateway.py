"""The gateway of the exchange: a WebSocket server between clients and the exchange's lane.

It promises: what the lane sends is taken at once, whatever clients do; every client has a queue and a task of its own
for what it is sent, so that a slow one slows no other; every request gets one answer or the connection ends; every
session that was opened is closed, whatever ends it, this service's failure too. It decides nothing about orders and
keeps nothing that must outlive it.
"""

from __future__ import annotations

import os
from functools import partial
from typing import ClassVar, Final

import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, WebSocketRequest, wrap_server_stream
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from exchange.certificates import certificate_context
from exchange.gateway_params import GatewayParams
from exchange.keys import KeyRing, create_demo_keys, read_keys
from exchange.metered import MeteredStream
from exchange.session_numbers import SessionNumbers
from exchange.sessions import (
    CLOSE_GOING_AWAY,
    CLOSE_SILENT,
    CLOSE_SLOW,
    CLOSE_UNFINISHED,
    Connection,
    Hub,
)
from market.messages import (
    EVENT_STATE,
    AccountStateWanted,
    BalanceReported,
    BookDelta,
    BookSnapshot,
    CancelAllWanted,
    CancelWanted,
    EntryWanted,
    InstrumentStatus,
    Message,
    OrderReported,
    PublicTrade,
    ReplaceWanted,
    RequestAnswered,
    SessionAnswered,
    SessionClosed,
    SessionOpened,
    SnapshotWanted,
    StatusWanted,
    Ticker,
    TransferWanted,
)
from runtime.channels import Doorbell
from runtime.service import Service, ServiceSetup

MILLISECONDS: Final = 1_000
NANOSECONDS: Final = 1_000_000_000
# Frames that wait between the WebSocket and the session, and bytes of one read.
FRAME_QUEUE: Final = 16
READ_BYTES: Final = 16 * 1024
# What a client may send without a complete message beside the largest frame, and what is forgiven each heartbeat.
SPARE_BYTES: Final = 64 * 1024
FORGIVEN_BYTES: Final = 256
# Handshakes beyond the limit of connections that still get an HTTP answer.
POLITE_REFUSALS: Final = 16
FAREWELL_SECONDS: Final = 0.5
# Requests that follow each other by more than this do not wait for others to go with.
SINGLE_NS: Final = 150_000
SNAPSHOT_RETRY_SECONDS: Final = 1.0
# So many questions for a book without an answer are told, and not again for this long.
UNANSWERED_ROUNDS: Final = 3
WARNING_PAUSE_SECONDS: Final = 60.0
LARGEST_DRAIN: Final = 512


class Gateway(Service):
    """See the head of this file."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (
        SessionAnswered,
        RequestAnswered,
        OrderReported,
        BalanceReported,
        BookDelta,
        BookSnapshot,
        PublicTrade,
        Ticker,
        InstrumentStatus,
    )
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        SessionOpened,
        SessionClosed,
        EntryWanted,
        CancelWanted,
        ReplaceWanted,
        CancelAllWanted,
        AccountStateWanted,
        TransferWanted,
        StatusWanted,
        SnapshotWanted,
    )
    PARAMS: ClassVar[type | None] = GatewayParams

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, GatewayParams)
        self.params = setup.params
        self.hub = Hub(
            self.params,
            KeyRing() if self._lacks_keys() else read_keys(self.params.keys_file),
            [self.instruments.by_id(instrument_id) for instrument_id in self.instrument_ids],
            self._forward,
        )
        self.port = 0
        self.refused_connections = 0
        self._certificate = certificate_context(self.params)
        self._session_numbers = SessionNumbers(setup.number, self.clock.now_ns())
        self._wanted: list[Message] = []
        self._wanted_bell = Doorbell()
        self._is_passing = False
        self._forwarded_ns = 0
        # Sessions of which the lane may know, until it has been told of their end.
        self._opened: dict[int, int] = {}
        self._by_address: dict[str, int] = {}
        self._connections = 0
        self._connected = self.metrics.gauge(
            "gateway_connections", "Clients that are connected.", {"service": self.name}
        )

    def _lacks_keys(self) -> bool:
        """Whether there is no file of keys to read, and rightly so: none is named, or the first start makes it."""
        path = self.params.keys_file
        return not path or (bool(self.params.demo_accounts) and not os.path.exists(path))

    def _make_demo_keys(self) -> None:
        """At the very first start; whoever runs the exchange finds the secrets in the file and nowhere else."""
        path = self.params.keys_file
        if path and self._lacks_keys() and create_demo_keys(path, self.params.demo_accounts):
            self.log.info("demo keys made", file=path, accounts=list(self.params.demo_accounts))
            self.hub.keys = read_keys(path)

    async def run(self) -> None:
        """Serve until cancelled; however it ends, the lane learns that all sessions are over."""
        self._make_demo_keys()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._dispatch)
                nursery.start_soon(self._pass_on)
                nursery.start_soon(self._keep_books)
                listeners = await self._listen()
                await trio.serve_listeners(self.serve_stream, listeners, handler_nursery=nursery)
        finally:
            with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                await self.send([self._closed(one, "the gateway has ended") for one in list(self._opened)])

    async def _listen(self) -> list[trio.abc.Listener[trio.abc.Stream]]:
        params = self.params
        plain = await trio.open_tcp_listeners(params.port, host=params.host)
        self.port = plain[0].socket.getsockname()[1]
        listeners: list[trio.abc.Listener[trio.abc.Stream]] = [*plain]
        certificate = self._certificate
        if certificate is not None:
            listeners = [trio.SSLListener(one, certificate, https_compatible=True) for one in plain]
        scheme = "ws" if certificate is None else "wss"
        self.log.info("exchange gateway listens", url=f"{scheme}://{params.host}:{self.port}", keys=len(self.hub.keys))
        return listeners

    # ---- from the lane to the clients

    async def _dispatch(self) -> None:
        """Take whatever the lane sends; never waits for a client."""
        mailbox = self.mailbox
        taken: list[Message] = []
        while True:
            mailbox.urgent.drain_into(taken, LARGEST_DRAIN)
            mailbox.inbox.drain_into(taken, LARGEST_DRAIN)
            if not taken:
                await mailbox.doorbell.wait()
                continue
            for message in taken:
                self._relay(message)
            taken.clear()
            await trio.lowlevel.checkpoint()

    def _relay(self, message: Message) -> None:
        hub = self.hub
        if isinstance(message, OrderReported):
            if message.exchange_id == self.params.exchange_id:
                self._report(message)
        elif isinstance(message, RequestAnswered):
            session = hub.sessions.get(message.session_id)
            if session is not None and message.exchange_id == self.params.exchange_id:
                session.on_answered(message)
        elif isinstance(message, BalanceReported):
            if message.exchange_id == self.params.exchange_id:
                self._balance(message)
        elif isinstance(message, SessionAnswered):
            session = hub.sessions.get(message.session_id)
            if session is not None and message.exchange_id == self.params.exchange_id:
                session.on_session_answered(message)
        else:
            cause = hub.public.on_message(message)
            if cause:
                self._want_snapshot(message.route_key(), cause)

    def _report(self, message: OrderReported) -> None:
        hub = self.hub
        if message.event == EVENT_STATE:
            session = hub.sessions.get(message.session_id)
            if session is not None:
                session.tell(hub.writer.report(message))
            return
        members = hub.accounts.get(message.account_id)
        if members:
            event = hub.writer.report(message)
            for member in members:
                member.tell(event)

    def _balance(self, message: BalanceReported) -> None:
        hub = self.hub
        if message.session_id != 0:
            session = hub.sessions.get(message.session_id)
            if session is not None:
                session.tell(hub.writer.balance(message))
            return
        members = hub.accounts.get(message.account_id)
        if members:
            event = hub.writer.balance(message)
            for member in members:
                member.tell(event)

    # ---- from the clients to the lane

    def _forward(self, messages: list[Message]) -> None:
        """To the lane: at once where requests come singly, with whatever else comes meanwhile where many do.

        The first costs the fewest turns of the scheduler for the client that waits, the second the least work for
        each request. How much can wait is bounded by the pending requests of all connections.
        """
        self._note_opened(messages)
        now_ns = self.clock.now_ns()
        comes_singly = now_ns - self._forwarded_ns > SINGLE_NS and not self._wanted and not self._is_passing
        self._forwarded_ns = now_ns
        if comes_singly and self.offer(messages):
            self._note_closed(messages)
        else:
            self._wanted += messages
            self._wanted_bell.ring()

    async def _pass_on(self) -> None:
        """Send what had to wait; nothing overtakes it."""
        while True:
            await self._wanted_bell.wait()
            batch, self._wanted = self._wanted, []
            self._is_passing = True
            await self.send(batch)
            self._is_passing = False
            self._note_closed(batch)

    def _note_opened(self, messages: list[Message]) -> None:
        for message in messages:
            if isinstance(message, SessionOpened):
                self._opened[message.session_id] = message.account_id

    def _note_closed(self, messages: list[Message]) -> None:
        for message in messages:
            if isinstance(message, SessionClosed):
                self._opened.pop(message.session_id, None)

    def _closed(self, session_id: int, reason: str) -> SessionClosed:
        account_id = self._opened.get(session_id, 0)
        return SessionClosed(self.params.exchange_id, session_id, account_id, reason, self.clock.now_ns())

    # ---- books

    def _want_snapshot(self, instrument_id: int, cause: str) -> None:
        self._forward([SnapshotWanted(self.params.exchange_id, instrument_id, cause)])

    async def _keep_books(self) -> None:
        """Ask for the books at the start, and again for those that have not come."""
        cause = "the gateway has started"
        rounds = 0
        quiet_until = trio.current_time()
        while True:
            missing = [book for book in self.hub.public.books.values() if not book.is_synced]
            for book in missing:
                self._want_snapshot(book.listing.instrument_id, cause)
            rounds = rounds + 1 if missing else 0
            is_unanswered = rounds > UNANSWERED_ROUNDS or self.hub.unanswered_logins > 0
            if is_unanswered and trio.current_time() >= quiet_until:
                quiet_until = trio.current_time() + WARNING_PAUSE_SECONDS
                self._warn_unanswered([book.listing.symbol for book in missing])
            cause = "no snapshot has come"
            await trio.sleep(SNAPSHOT_RETRY_SECONDS)

    def _warn_unanswered(self, symbols: list[str]) -> None:
        self.log.warning(
            "the exchange does not answer the gateway: give both the same exchange_id and the same instruments",
            exchange_id=self.params.exchange_id, books_missing=symbols, logins=self.hub.unanswered_logins,
        )  # fmt: skip
        self.hub.unanswered_logins = 0

    # ---- one client

    async def serve_stream(self, stream: trio.abc.Stream, address: str = "") -> None:
        """Serve one client from its first byte to its last; whatever it does ends here."""
        address = address or _address_of(stream)
        params = self.params
        held = self._by_address.get(address, 0)
        if self._connections >= params.most_connections + POLITE_REFUSALS:
            self.refused_connections += 1
            await trio.aclose_forcefully(stream)
            return
        is_crowded = self._connections >= params.most_connections or held >= params.most_connections_per_address
        self._connections += 1
        self._connected.set(self._connections)
        self._by_address[address] = held + 1
        try:
            await self._serve_client(stream, address, is_crowded)
        except* (
            HandshakeError,
            ConnectionClosed,
            LocalProtocolError,
            RemoteProtocolError,
            # What the library makes of a request's header that is no ASCII.
            UnicodeDecodeError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            OSError,
        ) as group:
            self.log.debug("connection failed", address=address, error=repr(group.exceptions[0]))
        finally:
            self._connections -= 1
            self._connected.set(self._connections)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            await trio.aclose_forcefully(stream)

    async def _serve_client(self, stream: trio.abc.Stream, address: str, is_crowded: bool) -> None:
        async with trio.open_nursery() as nursery:
            bell = Doorbell()
            work = trio.CancelScope()
            params = self.params
            opening = trio.CancelScope(deadline=trio.current_time() + params.handshake_ms / MILLISECONDS)
            metered = MeteredStream(
                stream,
                params.largest_frame_bytes + SPARE_BYTES,
                params.stall_ms / MILLISECONDS,
                lambda: connection.cut(CLOSE_UNFINISHED, "no message comes"),
                lambda: connection.cut(CLOSE_SLOW, f"a frame was not taken in {params.stall_ms} ms: read faster"),
                opening.cancel,
            )
            connection = Connection(self.hub, self._session_numbers.next(), address, bell.ring, work.cancel)
            try:
                socket = await self._shake_hands(nursery, opening, metered, is_crowded)
                if socket is not None:
                    await self._serve_socket(socket, connection, metered, bell, work)
            finally:
                connection.leave()
                if connection.has_asked_to_open:
                    reason = connection.close_reason or "the connection has ended"
                    self._opened.setdefault(connection.session_id, connection.account_id)
                    self._forward([self._closed(connection.session_id, reason)])
                nursery.cancel_scope.cancel()

    async def _shake_hands(
        self, nursery: trio.Nursery, opening: trio.CancelScope, stream: trio.abc.Stream, is_crowded: bool
    ) -> WebSocketConnection | None:
        """Open the WebSocket, or refuse with an HTTP status; None where nobody is there after it, or in the middle."""
        with opening:
            request: WebSocketRequest = await wrap_server_stream(
                nursery, stream, FRAME_QUEUE, self.params.largest_frame_bytes, READ_BYTES
            )
            if is_crowded:
                self.refused_connections += 1
                await request.reject(503, body=b"too many connections: close some, or try again later\n")
                return None
            return await request.accept()
        return None

    async def _serve_socket(
        self,
        socket: WebSocketConnection,
        connection: Connection,
        metered: MeteredStream,
        bell: Doorbell,
        work: trio.CancelScope,
    ) -> None:
        is_over = False
        try:
            connection.greet(self.clock.now_ns())
            with work:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(self._write, socket, connection, metered, bell))
                    nursery.start_soon(partial(self._keep, socket, connection, metered, bell))
                    await self._read(socket, connection, metered)
                    nursery.cancel_scope.cancel()
            is_over = True
        finally:
            if not is_over:
                connection.cut(CLOSE_GOING_AWAY, "the gateway ends")
            # Into the middle of a frame nothing can be sent: such a connection ends without a closing frame.
            if not metered.is_torn:
                with trio.move_on_after(self.params.close_ms / MILLISECONDS, shield=True):
                    await self._send_rest(socket, connection)
                    await socket.aclose(connection.close_code, connection.close_reason or None)

    async def _send_rest(self, socket: WebSocketConnection, connection: Connection) -> None:
        """What a client was told before it is cut, so that it learns why."""
        while socket.closed is None:
            frame = connection.outbox.take()
            if frame is None:
                return
            await socket.send_message(frame)

    async def _read(self, socket: WebSocketConnection, connection: Connection, metered: MeteredStream) -> None:
        """Take frames until the client ends the connection."""
        clock = self.clock
        while True:
            try:
                frame = await socket.get_message()
            except ConnectionClosed:
                return
            metered.account()
            connection.receive(frame, clock.now_ns())

    async def _write(
        self, socket: WebSocketConnection, connection: Connection, metered: MeteredStream, bell: Doorbell
    ) -> None:
        """Send what waits, one frame after the other, until the end is near."""
        outbox = connection.outbox
        # What was taken is sent whole, or the stream tells that its time is over: `_keep` ends this, nothing else.
        with trio.CancelScope(shield=True):
            while not metered.is_hurried:
                frame = outbox.take()
                if frame is None:
                    await bell.wait()
                    continue
                try:
                    await socket.send_message(frame)
                except ConnectionClosed:
                    return

    async def _keep(
        self, socket: WebSocketConnection, connection: Connection, metered: MeteredStream, bell: Doorbell
    ) -> None:
        """Heartbeats, and the end of a client that gives no sign of life."""
        params = self.params
        try:
            while True:
                await trio.sleep(params.heartbeat_ms / MILLISECONDS)
                metered.forgive(FORGIVEN_BYTES)
                connection.beat(self.clock.now_ns())
                with trio.move_on_after(params.silence_ms / MILLISECONDS) as scope:
                    await socket.ping()
                if scope.cancelled_caught:
                    connection.cut(CLOSE_SILENT, f"no answer to a ping in {params.silence_ms} ms")
        except ConnectionClosed:
            return
        finally:
            metered.hurry(params.close_ms / MILLISECONDS)
            bell.ring()


def _address_of(stream: trio.abc.Stream) -> str:
    """Where a client comes from; limits are held by it."""
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if isinstance(stream, trio.SocketStream):
        return str(stream.socket.getpeername()[0])
    return "memory"
