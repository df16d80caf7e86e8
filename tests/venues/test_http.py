"""Requests and budgets: bounds that hold, connections that are kept, venues that are left alone when they say so."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from venues.budgets import RateBudget, shared_budget
from venues.dialing import Dialing, Proxies
from venues.http import HttpClient, HttpOptions, RequestFailed, seconds_of

Serve = Callable[[trio.abc.Stream, bytes], Awaitable[bool]]
"""Answers one request; false when the connection is to be closed."""


class Site:
    """A server in memory, and a client of it."""

    def __init__(self, nursery: trio.Nursery, serve: Serve) -> None:
        self.nursery = nursery
        self.serve = serve
        self.connections = 0
        self.requests: list[bytes] = []

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        """What the client connects with."""
        self.connections += 1
        near, far = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self._run, far)
        return near

    async def _run(self, stream: trio.abc.Stream) -> None:
        goes_on = True
        async with stream:
            while goes_on:
                head = b""
                while b"\r\n\r\n" not in head:
                    try:
                        data = await stream.receive_some(10_000)
                    except trio.BrokenResourceError:
                        return
                    if not data:
                        return
                    head += data
                self.requests.append(head)
                goes_on = await self.serve(stream, head)


@asynccontextmanager
async def site(
    serve: Serve, budget: RateBudget | None = None, most_body_bytes: int = 10_000
) -> AsyncIterator[tuple[Site, HttpClient]]:
    """A client of a server that answers so."""
    async with trio.open_nursery() as nursery:
        made = Site(nursery, serve)
        options = HttpOptions(
            dialing=Dialing(proxies=Proxies(), open_tcp=made.open_tcp), timeout_s=5.0, most_body_bytes=most_body_bytes
        )
        client = HttpClient("http://rest.example/base/", budget or RateBudget(0, 1.0), options)
        yield made, client
        await client.aclose()
        nursery.cancel_scope.cancel()


def saying(answer: bytes, goes_on: bool = True) -> Serve:
    """The same to everyone."""

    async def serve(stream: trio.abc.Stream, head: bytes) -> bool:
        await stream.send_all(answer)
        return goes_on

    return serve


def answer(body: bytes, head: bytes = b"", status: int = 200) -> bytes:
    """An answer with its length."""
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), head) + body


async def test_a_request_and_its_answer(autojump_clock: MockClock) -> None:
    """Path and query below the base, the usual headers, the body as it came; the connection is kept."""
    async with site(saying(answer(b'{"ok":1}', b"X-Other: 5\r\n"))) as (made, client):
        for _ in range(3):
            got = await client.get("/depth?symbol=BTC")
            assert (got.status, got.body, got.headers[b"x-other"]) == (200, b'{"ok":1}', b"5")
    assert made.connections == 1
    assert made.requests[0].startswith(b"GET /base/depth?symbol=BTC HTTP/1.1\r\nHost: rest.example\r\n")
    assert b"Accept-Encoding: gzip" in made.requests[0]


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
async def test_chunked_and_packed_bodies(autojump_clock: MockClock, pieces: int) -> None:
    """Both at once, in pieces of any size."""
    body = b"level " * 1_000
    packed = gzip.compress(body)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(packed[at : at + pieces]), packed[at : at + pieces])
                      for at in range(0, len(packed), pieces))  # fmt: skip
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    async with site(saying(head + chunks + b"0\r\n\r\n")) as (made, client):
        assert (await client.get("/x")).body == body
        assert (await client.get("/x")).body == body
    assert made.connections == 1


@pytest.mark.parametrize("is_packed", [False, True])
async def test_a_body_above_the_bound_is_refused(autojump_clock: MockClock, is_packed: bool) -> None:
    """Before it is taken in full, also when it is large only unpacked."""
    body = b"0" * 1_000_000
    sent = answer(gzip.compress(body), b"Content-Encoding: gzip\r\n") if is_packed else answer(body)
    async with site(saying(sent)) as (_, client):
        with pytest.raises(RequestFailed, match="more than 10,000 bytes"):
            await client.get("/x")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(b"no such symbol", status=400), "refused /x with status 400: no such symbol"),
        (b"not http at all\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "no HTTP|broke the connection"),
        (answer(b"not packed", b"Content-Encoding: gzip\r\n"), "no HTTP"),
        (answer(gzip.compress(b"x" * 100)[:-9], b"Content-Encoding: gzip\r\n"), "middle of what was packed"),
        (b"", "broke the connection"),
    ],
)
async def test_what_is_no_answer_is_told(autojump_clock: MockClock, said: bytes, words: str) -> None:
    """Each in its own words; the next request has a connection of its own."""
    async with site(saying(said, goes_on=False)) as (made, client):
        with pytest.raises(RequestFailed, match=words):
            await client.get("/x")
        made.serve = saying(answer(b"fine"))
        assert (await client.get("/x")).body == b"fine"


async def test_a_server_that_says_nothing_is_given_up(autojump_clock: MockClock) -> None:
    """After the time for one request."""

    async def silent(stream: trio.abc.Stream, head: bytes) -> bool:
        await trio.sleep_forever()
        return False

    async with site(silent) as (_, client):
        began = trio.current_time()
        with pytest.raises(RequestFailed, match=r"no answer from rest\.example in 5 s"):
            await client.get("/x")
        assert trio.current_time() - began == pytest.approx(5)


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(autojump_clock: MockClock) -> None:
    """The request is made once more, and the caller does not notice."""
    async with site(saying(answer(b"one"), goes_on=False)) as (made, client):
        assert (await client.get("/x")).body == b"one"
        await trio.sleep(1)
        assert (await client.get("/x")).body == b"one"
    assert made.connections == 2


@pytest.mark.parametrize(("status", "pause_s"), [(429, 60.0), (418, 120.0), (403, 600.0)])
async def test_a_venue_that_wants_to_be_left_alone_is(autojump_clock: MockClock, status: int, pause_s: float) -> None:
    """For as long as it says; where it does not, for as long as that status means."""
    for head, expected in ((b"Retry-After: 9\r\n", 9.0), (b"", pause_s)):
        async with site(saying(answer(b"", head, status))) as (made, client):
            with pytest.raises(RequestFailed) as told:
                await client.get("/x")
            assert told.value.status == status
            made.serve = saying(answer(b"fine"))
            began = trio.current_time()
            await client.get("/x")
            assert trio.current_time() - began == pytest.approx(expected)


@pytest.mark.parametrize("status", [429, 418, 403, 503])
@pytest.mark.parametrize("harm", ["damaged", "cut", "slow", "large"])
async def test_a_venue_is_heeded_whatever_becomes_of_its_body(
    autojump_clock: MockClock, status: int, harm: str
) -> None:
    """The head alone says that it wants to be left alone, and what it has counted."""
    asked = b"Retry-After: 90\r\nX-MBX-USED-WEIGHT-1M: 95\r\n"
    said = {
        "damaged": answer(b"not packed", asked + b"Content-Encoding: gzip\r\n", status),
        "cut": answer(b"cut short", asked, status)[:-4],
        "slow": answer(b"for ever", asked, status)[:-4],
        "large": answer(b"0" * 20_000, asked, status),
    }[harm]

    async def serve(stream: trio.abc.Stream, head: bytes) -> bool:
        await stream.send_all(said)
        if harm == "slow":
            await trio.sleep(60)
        return False

    budget = RateBudget(100, 1_000.0)
    async with site(serve, budget) as (made, client):
        began = trio.current_time()
        with pytest.raises(RequestFailed):
            await client.get("/x")
        assert budget.left == 5
        made.serve = saying(answer(b"fine"))
        await client.get("/x")
        assert trio.current_time() - began == pytest.approx(90)


async def test_a_venue_that_is_out_of_service_is_asked_when_it_says(autojump_clock: MockClock) -> None:
    """503 with Retry-After is kept to, up to a bound; without it, the pauses after failures are enough."""
    for head, expected in ((b"Retry-After: 30\r\n", 30.0), (b"Retry-After: 99999999\r\n", 600.0), (b"", 0.0)):
        async with site(saying(answer(b"", head, 503))) as (made, client):
            with pytest.raises(RequestFailed):
                await client.get("/x")
            made.serve = saying(answer(b"fine"))
            began = trio.current_time()
            await client.get("/x")
            assert trio.current_time() - began == pytest.approx(expected)


async def test_absurd_numbers_in_a_head_are_bounded(autojump_clock: MockClock) -> None:
    """A count of thousands of digits is passed over; no venue is left alone for longer than its longest ban."""
    head = b"X-MBX-USED-WEIGHT-1M: %s\r\nRetry-After: %s\r\n" % (b"9" * 5_000, b"9" * 5_000)
    async with site(saying(answer(b"", head, 429)), RateBudget(100, 60.0)) as (made, client):
        with pytest.raises(RequestFailed):
            await client.get("/x")
        made.serve = saying(answer(b"fine"))
        began = trio.current_time()
        await client.get("/x")
        assert trio.current_time() - began == pytest.approx(3 * 24 * 3_600)


async def test_the_venue_s_own_count_counts(autojump_clock: MockClock) -> None:
    """What others of this address have used is left out of our budget."""
    budget = RateBudget(100, 60.0)
    async with site(saying(answer(b"", b"X-MBX-USED-WEIGHT-1M: 95\r\n")), budget) as (_, client):
        await client.get("/x", 10)
        assert budget.left == 5
        began = trio.current_time()
        await client.get("/x", 10)
        assert trio.current_time() - began == pytest.approx(60)


async def test_a_budget_is_never_overspent(autojump_clock: MockClock) -> None:
    """In no span of its length is more spent than it holds, and who asked first is served first."""
    budget = RateBudget(10, 5.0)
    spent: list[tuple[float, int, int]] = []

    async def spender(number: int) -> None:
        for _ in range(4):
            weight = 1 + number % 4
            await budget.spend(weight)
            spent.append((trio.current_time(), weight, number))

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(spender, number)
    for at, _, _ in spent:
        assert sum(weight for other, weight, _ in spent if at <= other < at + 4.999) <= 10
    assert budget.spent_total == sum(weight for _, weight, _ in spent)


async def test_more_than_the_whole_budget_waits_for_all_of_it(autojump_clock: MockClock) -> None:
    """It is not waited for in vain."""
    budget = RateBudget(10, 5.0)
    await budget.spend(1)
    await budget.spend(50)
    assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_budgets_are_shared_by_name(autojump_clock: MockClock) -> None:
    """Within one run; the first who asks says how large it is."""
    one = shared_budget("requests venue", 5, 1.0)
    assert shared_budget("requests venue", 9, 9.0) is one
    assert shared_budget("requests other", 9, 9.0) is not one


def test_retry_after_is_seconds() -> None:
    """A date, or nothing, says nothing."""
    assert seconds_of("12") == 12.0
    assert seconds_of("") is None
    assert seconds_of("Fri, 21 Nov 2026 08:00:00 GMT") is None
