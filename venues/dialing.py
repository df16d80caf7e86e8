"""How a connection to a venue is made: address, proxy, TCP, TLS. Both the streams and the requests begin here.

Addresses of both families are tried in parallel (happy eyeballs), small writes go out at once (TCP_NODELAY), proxies
come from the environment, and a certificate is always checked: there is no way to turn that off, only a file of
further authorities. Whatever prevents the connection is a `DialFailed` that says what to do. It retries nothing.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs
import h11
import trio

SECURE_SCHEMES: Final = frozenset({"wss", "https"})
PLAIN_SCHEMES: Final = frozenset({"ws", "http"})
_SECURE_PORT: Final = 443
_PLAIN_PORT: Final = 80
_PROXY_PORTS: Final = {"http": 80, "https": 443}
_READ_BYTES: Final = 4_096
_MOST_HEADER_BYTES: Final = 16 * 1024

OpenTcp = Callable[[str, int], Awaitable[trio.abc.Stream]]


class DialFailed(Exception):
    """There is no connection; the message says why, and what to do where something can be done."""


class CertificateRefused(DialFailed):
    """The other side did not prove who it is. It is never talked to."""


class ProxyRefused(DialFailed):
    """The proxy that the environment names did not let the connection through."""


@attrs.frozen
class Address:
    """Where a URL leads."""

    is_secure: bool
    host: str
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _SECURE_PORT if self.is_secure else _PLAIN_PORT
        return host if self.port == usual else f"{host}:{self.port}"


def address_of(url: str) -> Address:
    """Take a ws, wss, http or https URL apart, or say what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise DialFailed(f"{url!r} is no address: {error}") from error
    if parts.scheme not in SECURE_SCHEMES | PLAIN_SCHEMES or not parts.hostname:
        raise DialFailed(f"{url!r} is no address: write wss://HOST/PATH, ws://, https:// or http://")
    is_secure = parts.scheme in SECURE_SCHEMES
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(is_secure, parts.hostname, port or (_SECURE_PORT if is_secure else _PLAIN_PORT), target)


@attrs.frozen
class Proxies:
    """The proxies that the environment names, as other programs read them: lower case first, then upper case."""

    secure: str = ""
    plain: str = ""
    bypassed: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Proxies:
        """From HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."""

        def named(name: str) -> str:
            return environment.get(name) or environment.get(name.upper()) or ""

        every = named("all_proxy")
        bypassed = tuple(one.strip().lower() for one in named("no_proxy").split(",") if one.strip())
        return cls(named("https_proxy") or every, named("http_proxy") or every, bypassed)

    def proxy_for(self, address: Address) -> str:
        """The URL of the proxy to use, empty for none."""
        host = address.host.lower()
        for one in self.bypassed:
            name, _, port = one.rpartition(":") if one.count(":") == 1 else (one, "", "")
            name = name.lstrip(".")
            is_meant = one == "*" or host == name or host.endswith("." + name)
            if is_meant and (not port or port == str(address.port)):
                return ""
        return self.secure if address.is_secure else self.plain


async def open_tcp(host: str, port: int) -> trio.abc.Stream:
    """A TCP connection to whichever address of the host answers first; trio sets TCP_NODELAY."""
    return await trio.open_tcp_stream(host, port)


@attrs.frozen(kw_only=True)
class Dialing:
    """How to connect. The opener is an argument, so that a test hands in streams of its own."""

    ca_file: str = ""
    """A file of certificates that are trusted beside the system's."""
    timeout_s: float = 10.0
    proxies: Proxies = attrs.field(factory=lambda: Proxies.of(os.environ))
    receive_buffer_bytes: int = 0
    """The kernel's buffer for what was not read yet; 0 leaves it to the kernel, which lets it grow as needed."""
    open_tcp: OpenTcp = open_tcp


@lru_cache(maxsize=8)
def tls_context(ca_file: str) -> ssl.SSLContext:
    """Certificates and host names are checked against the system's authorities, and those of the file."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise DialFailed(f"ca_file {ca_file!r} holds no certificates that can be read: {error}") from error
    return context


async def dial(address: Address, dialing: Dialing) -> trio.abc.Stream:
    """A stream to the address, through the proxy if there is one, in TLS where the scheme asks for it."""
    proxy = dialing.proxies.proxy_for(address)
    try:
        with trio.fail_after(dialing.timeout_s):
            if proxy:
                stream = await _dial_proxy(address, proxy, dialing)
            else:
                stream = await _connect(address.host, address.port, dialing)
            async with closed_on_failure(stream):
                return await _in_tls(stream, address.host, dialing.ca_file) if address.is_secure else stream
    except trio.TooSlowError as error:
        raise DialFailed(f"{address.authority} did not answer in {dialing.timeout_s:g} s") from error


@asynccontextmanager
async def closed_on_failure(stream: trio.abc.Stream) -> AsyncIterator[None]:
    """Close a stream unless the block comes to its end."""
    is_done = False
    try:
        yield
        is_done = True
    finally:
        if not is_done:
            await trio.aclose_forcefully(stream)


async def _connect(host: str, port: int, dialing: Dialing) -> trio.abc.Stream:
    try:
        stream = await dialing.open_tcp(host, port)
    except OSError as error:
        raise DialFailed(f"no connection to {host}:{port}: {error}") from error
    if dialing.receive_buffer_bytes and isinstance(stream, trio.SocketStream):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, dialing.receive_buffer_bytes)
    return stream


async def _in_tls(stream: trio.abc.Stream, host: str, ca_file: str) -> trio.abc.Stream:
    """The same stream in TLS, once the certificate was found to be that of the host."""
    # Servers end a connection without a farewell of TLS, as HTTP allows them to.
    secure: trio.SSLStream[trio.abc.Stream] = trio.SSLStream(
        stream, tls_context(ca_file), server_hostname=host, https_compatible=True
    )
    try:
        await secure.do_handshake()
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise CertificateRefused(
                f"the certificate of {host} is refused: {cause.verify_message}; check the address, the machine's clock,"
                " and whether a proxy stands in between: its authority can be named as ca_file"
            ) from error
        raise DialFailed(f"no TLS with {host}: {cause or error}") from error
    return secure


async def _dial_proxy(address: Address, proxy: str, dialing: Dialing) -> trio.abc.Stream:
    """A tunnel through a proxy."""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme not in _PROXY_PORTS or not parts.hostname:
        raise ProxyRefused(f"the proxy {parts.scheme}://{parts.hostname} cannot be used: name one of http:// or https://")
    stream = await _connect(parts.hostname, parts.port or _PROXY_PORTS[parts.scheme], dialing)
    async with closed_on_failure(stream):
        if parts.scheme == "https":
            stream = await _in_tls(stream, parts.hostname, dialing.ca_file)
        headers = [("Host", f"{address.host}:{address.port}")]
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers.append(("Proxy-Authorization", "Basic " + base64.b64encode(words.encode()).decode()))
        return await _tunnel(stream, f"{address.host}:{address.port}", headers, parts.hostname)


async def _tunnel(
    stream: trio.abc.Stream, target: str, headers: list[tuple[str, str]], proxy_host: str
) -> trio.abc.Stream:
    """Ask a proxy to connect, and give the stream once it has."""
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADER_BYTES)
    asked = talk.send(h11.Request(method="CONNECT", target=target, headers=headers))
    assert asked is not None
    try:
        await stream.send_all(asked)
        while True:
            event = talk.next_event()
            if event is h11.NEED_DATA:
                talk.receive_data(bytes(await stream.receive_some(_READ_BYTES)))
            elif isinstance(event, h11.Response):
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise ProxyRefused(f"the proxy {proxy_host} closed the connection")
    except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
        raise ProxyRefused(f"the proxy {proxy_host} gave no answer that could be understood: {error}") from error
    if not 200 <= event.status_code < 300:
        raise ProxyRefused(f"the proxy {proxy_host} refuses {target} with status {event.status_code}")
    return stream
