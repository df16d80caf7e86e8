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
from urllib.parse import SplitResult, unquote, urlsplit

import attrs
import h11
import trio

SECURE_SCHEMES: Final = frozenset({"wss", "https"})
PLAIN_SCHEMES: Final = frozenset({"ws", "http"})
STREAM_SCHEMES: Final = frozenset({"ws", "wss"})
REQUEST_SCHEMES: Final = frozenset({"http", "https"})
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
    def with_port(self) -> str:
        """Host and port as a proxy is asked for them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them."""
        usual = _SECURE_PORT if self.is_secure else _PLAIN_PORT
        return self.with_port.removesuffix(f":{usual}") if self.port == usual else self.with_port


def address_of(url: str, schemes: frozenset[str] = SECURE_SCHEMES | PLAIN_SCHEMES) -> Address:
    """Take a ws, wss, http or https URL apart, or say what is wrong with it; others are none of these schemes."""
    try:
        parts = urlsplit(url)
        host, port = _host_and_port(parts)
    except ValueError as error:
        raise DialFailed(f"{url!r} is no address: {error}") from error
    if parts.scheme not in schemes or not host:
        choices = ", ".join(f"{scheme}://HOST/PATH" for scheme in sorted(schemes))
        raise DialFailed(f"{url!r} is no address: write one of {choices}")
    is_secure = parts.scheme in SECURE_SCHEMES
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(is_secure, host, port or (_SECURE_PORT if is_secure else _PLAIN_PORT), target)


def _host_and_port(parts: SplitResult) -> tuple[str, int]:
    """The host as the network writes it, and the port, 0 where none is named; `ValueError` if there are no such."""
    host = parts.hostname or ""
    if any(not letter.isprintable() or letter == " " for letter in host):
        raise ValueError(f"the host {host!r} has characters that no host has")
    # The resolver would refuse the same, later and in other words.
    host = host.encode("idna").decode("ascii")
    if parts.port == 0:
        raise ValueError("there is no port 0")
    return host, parts.port or 0


@attrs.frozen
class Proxies:
    """The proxies that the environment names, as other programs read them: lower case first, then upper case."""

    secure: str = ""
    plain: str = ""
    bypassed: tuple[str, ...] = ()
    secure_name: str = "HTTPS_PROXY"
    """The variable that named it, for whoever has to mend it."""
    plain_name: str = "HTTP_PROXY"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Proxies:
        """From HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."""

        def named(*names: str) -> tuple[str, str]:
            """The first of these variables that says something, with what it says."""
            spelled = [one for name in names for one in (name, name.upper())]
            return next(((one, environment[one]) for one in spelled if environment.get(one)), (spelled[1], ""))

        secure_name, secure = named("https_proxy", "all_proxy")
        plain_name, plain = named("http_proxy", "all_proxy")
        bypassed = tuple(one.strip().lower() for one in named("no_proxy")[1].split(",") if one.strip())
        return cls(secure, plain, bypassed, secure_name, plain_name)

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
    except (OSError, UnicodeError) as error:
        # A host that cannot be written in letters of the network is no OSError.
        raise DialFailed(f"no connection to {host}:{port}: {error}") from error
    if dialing.receive_buffer_bytes and isinstance(stream, trio.SocketStream):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, dialing.receive_buffer_bytes)
    return stream


async def _in_tls(stream: trio.abc.Stream, host: str, ca_file: str) -> trio.abc.Stream:
    """The same stream in TLS, once the certificate was found to be that of the host."""
    context = tls_context(ca_file)
    try:
        # Servers end a connection without a farewell of TLS, as HTTP allows them to.
        secure: trio.SSLStream[trio.abc.Stream] = trio.SSLStream(
            stream, context, server_hostname=host, https_compatible=True
        )
        await secure.do_handshake()
    except ValueError as error:
        raise DialFailed(f"no certificate can be of the host {host!r}: {error}") from error
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
    name = dialing.proxies.secure_name if address.is_secure else dialing.proxies.plain_name
    # What is wrong with it is not told in more words: they could hold a part of its password.
    refusal = f"the variable {name} names no proxy that can be used: write http://HOST:PORT or https://HOST:PORT"
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = _host_and_port(parts)
    except ValueError:
        raise ProxyRefused(refusal) from None
    if parts.scheme not in _PROXY_PORTS or not host:
        raise ProxyRefused(refusal)
    stream = await _connect(host, port or _PROXY_PORTS[parts.scheme], dialing)
    async with closed_on_failure(stream):
        if parts.scheme == "https":
            stream = await _in_tls(stream, host, dialing.ca_file)
        headers = [("Host", address.with_port)]
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            # The environment's bytes that are no UTF-8 go out as they came.
            secret = base64.b64encode(words.encode(errors="surrogateescape")).decode()
            headers.append(("Proxy-Authorization", f"Basic {secret}"))
        return await _tunnel(stream, address.with_port, headers, host)


async def _tunnel(
    stream: trio.abc.Stream, target: str, headers: list[tuple[str, str]], proxy_host: str
) -> trio.abc.Stream:
    """Ask a proxy to connect, and give the stream once it has."""
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADER_BYTES)
    try:
        asked = talk.send(h11.Request(method="CONNECT", target=target, headers=headers))
    except (h11.LocalProtocolError, UnicodeError) as error:
        raise DialFailed(f"no proxy can be asked for {target!r}: {error}") from error
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
