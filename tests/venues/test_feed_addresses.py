"""Addresses, symbols and proxies that no connection can be made with: each is a typed error, and none ends a feed."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from runtime.config.errors import RuleBroken
from tests.venues.test_http import answer, saying, site
from venues.budgets import RateBudget
from venues.dialing import DialFailed, Dialing, Proxies, ProxyRefused, address_of, dial
from venues.feed_params import FeedParams
from venues.http import HttpClient, HttpOptions, RequestFailed
from venues.registry import DIALECTS, venue_named
from venues.transport import StreamOptions, open_stream

_STRANGE = "\u5e01\u5b89 &\u20ac"
"""A symbol that no request may hold as it stands."""
_PATIENCE_SECONDS = 10


async def nobody(host: str, port: int) -> trio.abc.Stream:
    """An opener that must not be asked."""
    raise AssertionError(f"connected to {host}:{port}")


async def refusing(host: str, port: int) -> trio.abc.Stream:
    """What idna says of a host, from within the resolver."""
    raise UnicodeError("label empty or too long")


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_symbols_of_any_script_are_asked_for(autojump_clock: MockClock, name: str) -> None:
    """Each venue's requests carry them percent-encoded, so that nothing of a symbol is taken for the request's own."""
    venue = venue_named(name)
    async with site(saying(answer(b"fine"))) as (made, client):
        for path in (venue.snapshot_path(_STRANGE, 10), venue.audit_path(_STRANGE)):
            if path:
                assert (await client.get(path)).body == b"fine"
                assert b"%E5%B8%81%E5%AE%89%20%26%E2%82%AC" in made.requests[-1]


@pytest.mark.parametrize("path", ["/depth?symbol=\u5e01", "/depth?symbol=A B", "/depth?symbol=\ud800"])
async def test_a_path_that_cannot_be_written_is_a_failed_request(autojump_clock: MockClock, path: str) -> None:
    """Of whichever kind; the next request is made."""
    async with site(saying(answer(b"fine"))) as (_, client):
        with pytest.raises(RequestFailed):
            await client.get(path)
        assert (await client.get("/x")).body == b"fine"


@pytest.mark.parametrize(
    "base",
    [
        "http://127.0.0.1:99999", "http://127.0.0.1:0", "ftp://127.0.0.1", "http://[::1", "http://a..b:1",
        "http://a b/", "",
    ],
)  # fmt: skip
async def test_a_bad_rest_address_is_a_failed_request(base: str) -> None:
    """It says that this is no address."""
    client = HttpClient(base, RateBudget(0, 1.0), HttpOptions(dialing=Dialing(proxies=Proxies(), open_tcp=nobody)))
    with pytest.raises(RequestFailed, match="is no address"):
        await client.get("/x")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "ws://me@127.0.0.1:1", "ws://a..b:1"])
async def test_a_stream_goes_to_addresses_of_streams_alone(url: str) -> None:
    """Others are refused before anything is connected."""
    options = StreamOptions(dialing=Dialing(proxies=Proxies(), open_tcp=nobody))
    with pytest.raises(DialFailed, match="is no address"):
        async with open_stream(url, options, lambda: 0):
            pytest.fail("a stream from what is no address of one")


@pytest.mark.parametrize(
    ("url", "rest_url"),
    [
        ("http://h", ""), ("ws://h:0", ""), ("ws://h:99999", ""), ("ws://", ""), ("h:80", ""), ("wss://a..b", ""),
        ("", "ws://h"), ("", "ftp://h"), ("", "http://h:0"), ("", "http://[::1"),
    ],
)  # fmt: skip
def test_settings_with_a_bad_address_are_refused(url: str, rest_url: str) -> None:
    """At the configuration, with what is expected."""
    with pytest.raises(RuleBroken, match="ws://HOST" if url else "http://HOST"):
        FeedParams(venue="binance", url=url, rest_url=rest_url)


def test_settings_with_good_addresses_are_taken() -> None:
    """Of both kinds, with or without TLS, of either family."""
    for secure in ("", "s"):
        FeedParams(venue="binance", url=f"ws{secure}://[::1]:8443", rest_url=f"http{secure}://rest.example/base")


async def test_a_host_that_the_resolver_cannot_write_is_told() -> None:
    """Whatever finds it out; a proxy's host as well."""
    for proxies in (Proxies(), Proxies(plain="http://proxy.example:1")):
        with pytest.raises(DialFailed, match="label empty or too long"):
            await dial(address_of("http://venue.example"), Dialing(proxies=proxies, open_tcp=refusing))


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value", ["http://me:secret@127.0.0.1:notaport", "127.0.0.1:0", "http://[::1", "socks5://h:1", "http://a..b:1"]
)
async def test_a_malformed_proxy_is_told_by_its_variable(name: str, value: str) -> None:
    """With the variable to mend, and without the password in it."""
    proxies = Proxies.of({name: value})
    with pytest.raises(ProxyRefused, match=f"{name} ") as told:
        await dial(address_of("http://venue.example"), Dialing(proxies=proxies, open_tcp=nobody))
    assert "secret" not in str(told.value)


async def test_a_proxy_is_asked_for_addresses_of_the_sixth_version_in_brackets() -> None:
    """As the target and as the Host header."""
    heard = b""

    async def listen(stream: trio.SocketStream) -> None:
        nonlocal heard
        while b"\r\n\r\n" not in heard:
            heard += await stream.receive_some(1_000)
        await stream.send_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")

    with trio.fail_after(_PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, listen, 0, host="127.0.0.1"))
            proxies = Proxies(plain=f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}")
            with pytest.raises(ProxyRefused, match=r"refuses \[::1\]:8443"):
                await dial(address_of("ws://[::1]:8443"), Dialing(proxies=proxies))
            nursery.cancel_scope.cancel()
    assert heard.startswith(b"CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n")


def test_port_0_is_no_port() -> None:
    """It is refused rather than taken for the usual one."""
    with pytest.raises(DialFailed, match="is no address"):
        address_of("http://h:0/")
