"""Messages written without waiting: on the socket when the call returns, whole and in order where it is full."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.venues.loopback import holds_something, over_loopback, reset
from tests.venues.test_transport import AUTHORITY, echo, options, read_some, server
from venues.transport import MessageStream, StreamClosed, open_stream


def fill(stream: MessageStream) -> list[bytes]:
    """Send until the socket is full in the middle of a message; gives what was sent."""
    sent = [b"0 " + b"x" * 700]
    while stream.send_at_once(sent[-1]):
        sent.append(b"%d " % len(sent) + b"x" * 700)
    return sent


async def test_what_the_socket_takes_is_there_when_the_call_returns() -> None:
    """Before any task has had a turn; nothing is left to do."""
    async with over_loopback() as (stream, far):
        assert stream.is_direct
        assert stream.send_at_once(b"one")
        assert holds_something(far.stream)
        assert stream.is_direct
        assert not stream.is_behind
        assert stream.send_at_once(b"two")
        assert await far.hear(2) == [b"one", b"two"]


async def test_what_a_full_socket_does_not_take_goes_first() -> None:
    """Nothing is written at once any more; whoever sends next sends the rest before it, and every message is whole."""
    async with over_loopback() as (stream, far):
        sent = fill(stream)
        assert stream.is_behind
        assert not stream.is_direct
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.ping)
            await trio.testing.wait_all_tasks_blocked()
            # It has the rest in its hands, and the socket is still full.
            assert not stream.is_direct
            nursery.start_soon(stream.send, b"after the ping")
            await trio.testing.wait_all_tasks_blocked()
            heard = await far.hear(len(sent) + 2)
        assert heard == [*sent, b"", b"after the ping"]
        assert stream.is_direct
        assert stream.send_at_once(b"last")
        assert (await far.hear(len(sent) + 3))[-1] == b"last"


async def test_the_rest_can_be_sent_by_itself() -> None:
    """And only once."""
    async with over_loopback() as (stream, far):
        sent = fill(stream)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.flush)
            nursery.start_soon(stream.flush)
            assert await far.hear(len(sent)) == sent
        assert stream.is_direct


async def test_a_connection_that_dies_in_the_middle_of_a_message_is_told_by_whoever_waits() -> None:
    """Writing at once raises nothing: there is one way in which the end of a connection is told."""
    async with over_loopback() as (stream, far):
        fill(stream)
        reset(far.stream)
        with pytest.raises(StreamClosed):
            await stream.flush()
        assert not stream.send_at_once(b"too late")
        assert stream.is_behind
        with pytest.raises(StreamClosed):
            await stream.send(b"later still")
        await stream.aclose()
        assert not stream.is_direct


async def test_a_farewell_comes_after_the_rest() -> None:
    """Who closes does not leave half a message behind while the other side reads."""
    async with over_loopback() as (stream, far):
        sent = fill(stream)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.aclose)
            assert (await far.hear(len(sent) + 1))[:-1] == sent


@pytest.mark.parametrize("is_secure", [False, True])
async def test_only_a_bare_socket_is_written_at_once(tmp_path: Path, is_secure: bool) -> None:
    """TLS keeps to tasks that can wait."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = AUTHORITY.issue_cert("127.0.0.1") if is_secure else None
    found = options(ca_file=str(tmp_path / "ca.pem"))
    async with server(echo, certificate) as port:
        url = f"ws{'s' * is_secure}://127.0.0.1:{port}"
        async with open_stream(url, found, time.time_ns) as stream:
            assert stream.is_direct == (not is_secure)
            if not is_secure:
                assert stream.send_at_once(b"hello")
                assert await read_some(stream, 1) == [b"hello"]
