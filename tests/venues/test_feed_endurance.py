"""A thousand reconnects of every kind: no task, no memory and no file descriptor is left behind by any of them."""

from __future__ import annotations

import gc
import os
import random

import pytest
import trio
from trio.testing import MockClock

from market.messages import ConnectionDown, ConnectionUp, Message, RawFrame
from tests.seeds import SOAK
from tests.venues.test_transport import echo, options, server
from tests.venues.venue_server import Client, Rig, mute, obedient, register, running
from venues import registry
from venues.feed_params import FeedParams
from venues.transport import open_stream

RECONNECTS = 1_000 if SOAK else 60
WARMING_UP = 15
# What the interpreter itself keeps, such as caches that grow to their size.
SPARE_OBJECTS = 400


async def misbehave(client: Client) -> None:
    """One of the ways in which a connection ends."""
    chance = random.Random(client.number)
    kind = chance.randrange(7)
    if kind == 0:
        return
    if kind == 1:
        await client.socket.aclose(1009, "too big")
        return
    if kind == 2:
        await mute(client)
        return
    await client.tell("AAA 1", "BBB 1")
    await trio.sleep(chance.uniform(0, 3))
    if kind == 3:
        await client.tell("leaving soon", "AAA 2")
        await obedient(client)
    elif kind == 4:
        await client.tell("reconnect")
    elif kind == 5:
        await client.tell("maintenance")
    await trio.sleep(chance.uniform(0, 3))


async def reconnected(rig: Rig, count: int) -> None:
    """Wait for so many connections, and throw away what they brought."""
    target = len(rig.server.clients) + count
    while len(rig.server.clients) < target:
        await trio.sleep(1)
        rig.messages()


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue of these tests is among those that configurations name."""
    monkeypatch.setattr(registry, "DIALECTS", register())


def check_order(messages: list[Message]) -> None:
    """Connections are told up and down in turn, with epochs that grow; no frame comes while none is up."""
    epoch = 0
    is_up = False
    for message in messages:
        if type(message) is ConnectionUp:
            assert message.epoch > epoch
            epoch = message.epoch
            is_up = True
        elif type(message) is ConnectionDown:
            assert is_up
            assert message.epoch == epoch
            is_up = False
        elif type(message) is RawFrame:
            assert is_up


async def test_a_thousand_reconnects_leave_nothing_behind(autojump_clock: MockClock) -> None:
    """Servers that close, fall silent, leave, ask for another connection, in all orders: tasks and objects stay few."""
    params = FeedParams(venue="fake", first_pause_ms=10, longest_pause_ms=50)
    async with running(params, misbehave) as rig:
        await reconnected(rig, WARMING_UP)
        check_order(rig.messages())
        rig.taken.clear()
        for client in rig.server.clients:
            client.said.clear()
        gc.collect()
        tasks, objects = trio.lowlevel.current_statistics().tasks_living, len(gc.get_objects())
        await reconnected(rig, RECONNECTS)
        assert len(rig.of(ConnectionUp)) > RECONNECTS / 3
        rig.taken.clear()
        rig.server.streams.clear()
        rig.server.connects.clear()
        del rig.server.clients[:-2]
        await trio.sleep(0)
        gc.collect()
        assert trio.lowlevel.current_statistics().tasks_living <= tasks + 20
        assert len(gc.get_objects()) < objects + SPARE_OBJECTS
        rig.server.behaviour = obedient
        await rig.until(RawFrame, 4)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="file descriptors are counted in /proc")
async def test_sockets_are_given_back() -> None:
    """Connections that are made and ended over the loopback leave no file descriptor, however they end."""
    async with server(echo) as port:

        async def once(number: int) -> None:
            with trio.move_on_after(0 if number % 5 == 4 else 10):
                async with open_stream(f"ws://127.0.0.1:{port}", options(), lambda: 0) as stream:
                    await stream.send(b"x")
                    if number % 2:
                        await stream.read()

        for number in range(5):
            await once(number)
        await trio.testing.wait_all_tasks_blocked(0.05)
        before = len(os.listdir("/proc/self/fd"))
        for number in range(RECONNECTS):
            await once(number)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(os.listdir("/proc/self/fd")) <= before + 2
