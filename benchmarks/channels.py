"""What a message costs from one lane's task to another's, in batches of 64, beside an awaited trio channel.

Both send the same seeded messages between two tasks of one trio run, through the same capacity, and return nanoseconds
a message and a checksum over what was received, in its order.
"""

from __future__ import annotations

from random import Random
from time import perf_counter_ns
from typing import Final

import trio

from benchmarks.figures import Measured, Run, Sample, figure
from market.messages import FairValue
from market.messages.base import Message
from runtime.channels import BLOCK, Channel

BATCH: Final = 64
CAPACITY: Final = 256
BATCHES: Final = 500
REFERENCE_BATCHES: Final = 100
_PRIME: Final = 2_147_483_647


def seeded_messages(seed: int = 1) -> list[Message]:
    """One batch of messages for several instruments."""
    random = Random(seed)
    return [FairValue(random.randrange(16), random.uniform(1, 2), 1.0, random.randrange(10**9)) for _ in range(BATCH)]


def checksum_of(received: list[Message]) -> int:
    """A checksum that tells order and content apart; of the first batches, so that any number of them compares."""
    checksum = 0
    for message in received[: REFERENCE_BATCHES * BATCH]:
        assert isinstance(message, FairValue)
        checksum = (checksum * 31 + message.receive_ns) % _PRIME
    return checksum


def subject() -> Sample:
    """Nanoseconds a message through a `Channel`, sent and drained in batches."""
    return trio.run(_through_channel)


def reference() -> Sample:
    """Nanoseconds a message through a trio memory channel, each send and receive awaited."""
    return trio.run(_through_trio)


async def _through_channel() -> Sample:
    messages = seeded_messages()
    channel = Channel("bench", CAPACITY, BLOCK)
    received: list[Message] = []

    async def send() -> None:
        for _ in range(BATCHES):
            await channel.send_batch(list(messages))

    async with trio.open_nursery() as nursery:
        start_ns = perf_counter_ns()
        nursery.start_soon(send)
        while len(received) < BATCHES * BATCH:
            await channel.doorbell.wait()
            channel.drain_into(received)
        taken_ns = perf_counter_ns() - start_ns
    return taken_ns / len(received), checksum_of(received)


async def _through_trio() -> Sample:
    messages = seeded_messages()
    sender, receiver = trio.open_memory_channel[Message](CAPACITY)
    received: list[Message] = []

    async def send() -> None:
        for _ in range(REFERENCE_BATCHES):
            for message in messages:
                await sender.send(message)

    async with trio.open_nursery() as nursery:
        start_ns = perf_counter_ns()
        nursery.start_soon(send)
        while len(received) < REFERENCE_BATCHES * BATCH:
            received.append(await receiver.receive())
        taken_ns = perf_counter_ns() - start_ns
    return taken_ns / len(received), checksum_of(received)


@figure(name="channel.message_ns", unit="ns", limit=600)
def channel_message(run: Run) -> Measured:
    """One message between two tasks, sent and drained in batches of 64."""
    return run.measure(subject, "awaited trio channel", reference)
