"""Streams over real sockets on the loopback, against a second implementation: TLS, proxies, compression, endings."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.server import ServerProtocol

from venues.dialing import (
    CertificateRefused,
    DialFailed,
    Dialing,
    Proxies,
    ProxyRefused,
    address_of,
    tls_context,
)
from venues.transport import HandshakeRefused, MessageStream, StreamClosed, StreamOptions, open_stream

Serve = Callable[[WebSocketConnection], Awaitable[None]]
PATIENCE_SECONDS = 10
AUTHORITY = trustme.CA()


def options(proxies: Proxies | None = None, compression: bool = False, ca_file: str = "") -> StreamOptions:
    """Without the proxies of whoever runs the tests."""
    dialing = Dialing(proxies=proxies or Proxies(), ca_file=ca_file, timeout_s=PATIENCE_SECONDS)
    return StreamOptions(dialing=dialing, compression=compression, most_message_bytes=1_000_000)


@asynccontextmanager
async def server(serve: Serve, certificate: trustme.LeafCert | None = None) -> AsyncIterator[int]:
    """A WebSocket server on a free port."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)

    async def accept(request: WebSocketRequest) -> None:
        with contextlib.suppress(ConnectionClosed):
            await serve(await request.accept())

    async def listen(task_status: trio.TaskStatus[int]) -> None:
        # A client that refuses the certificate ends the handshake, which the library raises.
        async with trio.open_nursery() as handlers:
            made = await handlers.start(partial(serve_websocket, accept, "127.0.0.1", 0, context))
            task_status.started(made.port)

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(listen)
            nursery.cancel_scope.cancel()


async def echo(socket: WebSocketConnection) -> None:
    """Say everything again."""
    while True:
        await socket.send_message(await socket.get_message())


async def read_some(stream: MessageStream, count: int) -> list[bytes]:
    """So many messages at least."""
    frames: list[bytes] = []
    while len(frames) < count:
        _, batch = await stream.read()
        frames += batch
    return frames


async def test_messages_go_and_come_with_the_time_of_the_read() -> None:
    """Both directions, small and large; several messages of one read share one time."""
    texts = [b"a", b"b" * 200, b"c" * 70_000, "gr\u00fc\u00df".encode()]
    async with server(echo) as port, open_stream(f"ws://127.0.0.1:{port}/path?x=1", options(), time.time_ns) as stream:
        before_ns = time.time_ns()
        for text in texts:
            await stream.send(text)
        frames: list[bytes] = []
        while len(frames) < len(texts):
            receive_ns, batch = await stream.read()
            assert before_ns <= receive_ns <= time.time_ns()
            frames += batch
    assert frames == texts


async def test_pings_are_answered_and_counted() -> None:
    """The server's ping gets its pong while we read; ours gets the server's."""

    async def pinging(socket: WebSocketConnection) -> None:
        await socket.ping(b"are you there")
        await socket.send_message("yes")
        await trio.Event().wait()

    async with server(pinging) as port, open_stream(f"ws://127.0.0.1:{port}", options(), time.time_ns) as stream:
        assert await read_some(stream, 1) == [b"yes"]
        await stream.ping()
        while stream.controls < 2:
            assert (await stream.read())[1] == []


async def test_the_venue_s_closing_is_told() -> None:
    """What came before it is given first, then its code and reason."""

    async def leaving(socket: WebSocketConnection) -> None:
        await socket.send_message("last")
        await socket.aclose(1001, "maintenance")

    async with server(leaving) as port, open_stream(f"ws://127.0.0.1:{port}", options(), time.time_ns) as stream:
        assert await read_some(stream, 1) == [b"last"]
        with pytest.raises(StreamClosed, match="1001: maintenance") as told:
            await read_some(stream, 1)
        assert told.value.code == 1001
        with pytest.raises(StreamClosed):
            await stream.send(b"too late")


async def test_a_message_above_the_limit_ends_the_connection() -> None:
    """With code 1009, before it is read in full."""

    async def boundless(socket: WebSocketConnection) -> None:
        await socket.send_message("x" * 1_000_001)
        await trio.Event().wait()

    async with server(boundless) as port, open_stream(f"ws://127.0.0.1:{port}", options(), time.time_ns) as stream:
        with pytest.raises(StreamClosed) as told:
            await read_some(stream, 1)
        assert told.value.code == 1009


async def test_a_certificate_of_a_known_authority_is_taken(tmp_path: Path) -> None:
    """The file of authorities adds to the system's."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    found = options(ca_file=str(tmp_path / "ca.pem"))
    async with (
        server(echo, AUTHORITY.issue_cert("127.0.0.1")) as port,
        open_stream(f"wss://127.0.0.1:{port}", found, time.time_ns) as stream,
    ):
        await stream.send(b"secret")
        assert await read_some(stream, 1) == [b"secret"]


@pytest.mark.parametrize("wrong", ["authority", "host"])
async def test_a_wrong_certificate_is_refused(tmp_path: Path, wrong: str) -> None:
    """One of an authority that nobody knows, and one of another host; nothing is said to such a server."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = AUTHORITY.issue_cert("127.0.0.1" if wrong == "authority" else "elsewhere.example")
    found = options(ca_file="" if wrong == "authority" else str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    heard: list[bytes] = []

    async def talk(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            heard.append(bytes(await stream.receive_some(100)))

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_ssl_over_tcp, talk, 0, context, host="127.0.0.1"))
            port = listeners[0].transport_listener.socket.getsockname()[1]
            with pytest.raises(CertificateRefused, match=r"refused: .*; check the address"):
                async with open_stream(f"wss://127.0.0.1:{port}", found, time.time_ns):
                    pytest.fail("a connection to a server that nobody knows")
            nursery.cancel_scope.cancel()
    assert not any(heard)


def test_certificates_are_always_checked() -> None:
    """There is no context without checks; a file without certificates is an error that names it."""
    context = tls_context("")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    with pytest.raises(DialFailed, match="'/no/such/file' holds no certificates"):
        tls_context("/no/such/file")


async def answer_once(answer: bytes, stream: trio.SocketStream) -> None:
    """A server that says the same to everyone."""
    await stream.receive_some(10_000)
    await stream.send_all(answer)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nslow", 429, "status 429: slow"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "status 200"),
        (b"what is this\r\n\r\n", 0, "no|invalid"),
        (b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n", 0, "handshake"),
        (b"", 0, "handshake"),
    ],
)
async def test_what_is_no_handshake_is_refused(answer: bytes, status: int, words: str) -> None:
    """With the status, and how long to wait where that is said."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(answer_once, answer), 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with trio.fail_after(PATIENCE_SECONDS), pytest.raises(HandshakeRefused, match=words) as told:
            async with open_stream(f"ws://127.0.0.1:{port}", options(), time.time_ns):
                pytest.fail("a connection to what is no venue")
        nursery.cancel_scope.cancel()
    assert told.value.status == status
    assert told.value.retry_after == ("7" if status == 429 else "")


async def test_compression_is_used_where_it_is_offered() -> None:
    """The server's compressed messages come out as they were, whatever came in the read of the handshake."""
    texts = [b"compress me " * 100, b"small", b"again " * 5_000]

    async def compressing(stream: trio.SocketStream) -> None:
        protocol = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
        while not (events := protocol.events_received()):
            protocol.receive_data(bytes(await stream.receive_some(10_000)))
        protocol.send_response(protocol.accept(events[0]))  # type: ignore[arg-type]
        assert protocol.extensions
        for text in texts:
            protocol.send_text(text)
        await stream.send_all(b"".join(protocol.data_to_send()))
        await trio.Event().wait()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, compressing, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with trio.fail_after(PATIENCE_SECONDS):
            async with open_stream(f"ws://127.0.0.1:{port}", options(compression=True), time.time_ns) as stream:
                assert await read_some(stream, 3) == texts
        nursery.cancel_scope.cancel()


async def proxy(seen: list[bytes], refuses: bool, stream: trio.SocketStream) -> None:
    """A proxy that knows CONNECT."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive_some(1_000)
    seen.append(head)
    if refuses:
        await stream.send_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        return
    port = int(head.split(b" ")[1].rsplit(b":", 1)[1])
    far = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(b"HTTP/1.1 200 Go\r\n\r\n")

    async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)
            await sink.send_eof()

    async with far, trio.open_nursery() as nursery:
        nursery.start_soon(pump, stream, far)
        nursery.start_soon(pump, far, stream)


@pytest.mark.parametrize("is_secure", [False, True])
async def test_a_connection_goes_through_the_proxy(tmp_path: Path, is_secure: bool) -> None:
    """By CONNECT, with the proxy's password; TLS is with the venue, inside the tunnel."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    seen: list[bytes] = []
    certificate = AUTHORITY.issue_cert("127.0.0.1") if is_secure else None
    async with server(echo, certificate) as port, trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(proxy, seen, False), 0, host="127.0.0.1"))
        proxies = Proxies.of({"all_proxy": f"http://me:pass@127.0.0.1:{listeners[0].socket.getsockname()[1]}"})
        found = options(proxies, ca_file=str(tmp_path / "ca.pem"))
        async with open_stream(f"ws{'s' * is_secure}://127.0.0.1:{port}", found, time.time_ns) as stream:
            await stream.send(b"through")
            assert await read_some(stream, 1) == [b"through"]
        nursery.cancel_scope.cancel()
    assert seen[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % port)
    assert b"Basic bWU6cGFzcw==" in seen[0]


async def test_a_proxy_that_refuses_is_named() -> None:
    """With its status, and without its password."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(proxy, [], True), 0, host="127.0.0.1"))
        found = options(Proxies(plain=f"http://me:pass@127.0.0.1:{listeners[0].socket.getsockname()[1]}"))
        with trio.fail_after(PATIENCE_SECONDS), pytest.raises(ProxyRefused, match="status 407") as told:
            async with open_stream("ws://venue.example", found, time.time_ns):
                pytest.fail("a connection through a proxy that refused it")
        nursery.cancel_scope.cancel()
    assert "pass" not in str(told.value)


def test_the_environment_names_proxies() -> None:
    """Secure and plain addresses apart, one for all, and hosts that none is used for."""
    proxies = Proxies.of(
        {"HTTPS_PROXY": "http://s:1", "http_proxy": "http://p:2", "NO_PROXY": "localhost, .inner.example,other:8080"}
    )
    assert proxies.proxy_for(address_of("wss://venue.example/ws")) == "http://s:1"
    assert proxies.proxy_for(address_of("http://venue.example/")) == "http://p:2"
    for bypassed in ("ws://localhost:8080", "wss://a.inner.example", "wss://inner.example", "http://other:8080"):
        assert proxies.proxy_for(address_of(bypassed)) == ""
    assert proxies.proxy_for(address_of("http://other:80")) == "http://p:2"
    assert Proxies.of({"ALL_PROXY": "x:1", "NO_PROXY": "*"}).proxy_for(address_of("ws://any")) == ""
    assert Proxies.of({}).proxy_for(address_of("wss://any")) == ""


@pytest.mark.parametrize("url", ["ftp://venue.example", "venue.example", "ws://", "wss://venue:port"])
def test_what_is_no_address_is_told(url: str) -> None:
    """With what an address looks like."""
    with pytest.raises(DialFailed, match="is no address"):
        address_of(url)


async def test_nobody_there_is_told() -> None:
    """A refused connection names where it was tried."""
    with pytest.raises(DialFailed, match=r"no connection to 127\.0\.0\.1:1"):
        async with open_stream("ws://127.0.0.1:1", options(), time.time_ns):
            pytest.fail("a connection to nobody")


def test_addresses_are_taken_apart() -> None:
    """With the usual ports, the query, and hosts of either family."""
    address = address_of("wss://stream.example:9443/stream?streams=a/b")
    assert (address.host, address.port, address.target) == ("stream.example", 9443, "/stream?streams=a/b")
    assert address.authority == "stream.example:9443"
    assert address_of("https://rest.example").authority == "rest.example"
    assert address_of("ws://[::1]:80/").authority == "[::1]"
