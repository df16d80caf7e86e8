"""Channels: each policy at capacity, with slow, dead and cancelled receivers, and the conservation law throughout."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing

from market.messages import FairValue, Signal
from market.messages.base import Message
from runtime.channels import (
    ACCEPTED,
    BLOCK,
    COALESCE,
    COALESCED,
    DROP_OLDEST,
    DROPPED_OLDEST,
    FULL,
    HALT,
    TRIPPED,
    Channel,
    ChannelClosed,
    ChannelSetupError,
    Doorbell,
    policy_of,
)
from tests.seeds import seeds

POLICIES = [BLOCK, COALESCE, DROP_OLDEST, HALT]


def numbered(number: int, key: int = 1) -> FairValue:
    """A message that carries its number in `receive_ns`, for the instrument `key`."""
    return FairValue(key, 1.0, 1.0, number)


def numbers_of(messages: list[Message]) -> list[int]:
    """The numbers of messages that `numbered` made."""
    return [message.receive_ns for message in messages if isinstance(message, FairValue)]


def drained(channel: Channel, limit: int = -1) -> list[int]:
    """Drain the channel and return the numbers."""
    target: list[Message] = []
    channel.drain_into(target, limit)
    return numbers_of(target)


def assert_conserved(channel: Channel) -> None:
    """Every message that was taken is received, dropped, coalesced away or still there, and the bound holds."""
    now = channel.statistics()
    assert now.sent == now.received + now.dropped + now.coalesced + now.depth
    assert 0 <= now.depth <= now.high_water <= now.capacity + now.reserve


class TestWithoutWaiting:
    """`offer` and `drain_into`, with no task around."""

    def test_block_refuses_when_full(self) -> None:
        """A full `block` channel answers FULL, takes nothing, and counts the wait."""
        channel = Channel("frames", 3, BLOCK)
        assert [channel.offer(numbered(number)) for number in range(4)] == [ACCEPTED, ACCEPTED, ACCEPTED, FULL]
        assert channel.statistics().waits == 1
        assert drained(channel) == [0, 1, 2]
        assert_conserved(channel)

    def test_coalesce_keeps_the_latest_in_the_first_ones_place(self) -> None:
        """The latest message of a key takes the place in the queue that the first one had."""
        channel = Channel("tops", 3, COALESCE)
        results = [channel.offer(numbered(number, key)) for number, key in [(1, 1), (2, 2), (3, 1), (4, 3)]]
        assert results == [ACCEPTED, ACCEPTED, COALESCED, ACCEPTED]
        assert channel.offer(numbered(5, 4)) == FULL, "a fourth key has no room and must not push out another's state"
        assert channel.offer(numbered(6, 2)) == COALESCED, "a known key needs no room"
        assert drained(channel) == [3, 6, 4]
        assert_conserved(channel)

    def test_coalesce_forgets_a_key_once_drained(self) -> None:
        """After a partial drain, a drained key is new again and a remaining one still coalesces in place."""
        channel = Channel("tops", 4, COALESCE)
        for key in (1, 2, 3):
            channel.offer(numbered(key, key))
        assert drained(channel, 2) == [1, 2]
        assert channel.offer(numbered(10, 1)) == ACCEPTED
        assert channel.offer(numbered(30, 3)) == COALESCED
        assert drained(channel) == [30, 10]

    def test_coalesce_tells_types_and_negative_keys_apart(self) -> None:
        """Two types with one route key never replace each other, nor do extreme route keys."""
        channel = Channel("tops", 8, COALESCE)
        keys = [0, -1, 1, 2**63 - 1, -(2**63)]
        assert all(channel.offer(numbered(0, key)) == ACCEPTED for key in keys)
        assert channel.offer(Signal("alpha", 1, 1.0, 1.0, 1)) == ACCEPTED
        assert channel.offer(Signal("alpha", 1, 2.0, 1.0, 2)) == COALESCED

    def test_drop_oldest_counts_what_it_drops(self) -> None:
        """A full `drop_oldest` channel makes room by dropping its oldest message, and counts it."""
        channel = Channel("display", 2, DROP_OLDEST)
        results = [channel.offer(numbered(number)) for number in range(4)]
        assert results == [ACCEPTED, ACCEPTED, DROPPED_OLDEST, DROPPED_OLDEST]
        assert channel.statistics().dropped == 2
        assert drained(channel) == [2, 3]
        assert_conserved(channel)

    def test_halt_takes_what_tripped_it_and_calls_once(self) -> None:
        """A full `halt` channel keeps the message in its reserve, calls `on_trip` once, and loses nothing."""
        trips: list[tuple[str, int]] = []
        channel = Channel("orders", 2, HALT, reserve=3, on_trip=lambda c: trips.append((c.name, c.core.depth)))
        results = [channel.offer(numbered(number)) for number in range(6)]
        assert results == [ACCEPTED, ACCEPTED, TRIPPED, TRIPPED, TRIPPED, FULL]
        assert trips == [("orders", 3)], "called once, after the message was taken"
        assert channel.is_tripped
        assert drained(channel) == [0, 1, 2, 3, 4]
        assert_conserved(channel)

    def test_halt_is_armed_again_only_by_reset(self) -> None:
        """After a trip, the callback stays silent until `reset_trip`."""
        trips: list[str] = []
        channel = Channel("orders", 1, HALT, on_trip=lambda c: trips.append(c.name))
        for _ in range(2):
            channel.offer(numbered(1))
            channel.offer(numbered(2))
            drained(channel)
        assert trips == ["orders"]
        channel.reset_trip()
        assert channel.offer_batch([numbered(1), numbered(2)]) == 2
        assert trips == ["orders", "orders"]

    @pytest.mark.parametrize("policy", POLICIES)
    def test_bad_declarations_are_typed_errors(self, policy: int) -> None:
        """No capacity, an unknown policy, or a reserve where there is none, is refused by name."""
        with pytest.raises(ChannelSetupError, match="capacity"):
            Channel("orders", 0, policy)
        with pytest.raises(ChannelSetupError, match="policy"):
            Channel("orders", 1, policy + 4)
        with pytest.raises(ChannelSetupError, match="reserve"):
            Channel("orders", 1, policy, reserve=0 if policy == HALT else 1)
        assert policy_of(Channel("orders", 1, policy).statistics().policy) == policy

    def test_an_unknown_policy_name_lists_the_known_ones(self) -> None:
        """A policy name that does not exist is answered with those that do."""
        with pytest.raises(ChannelSetupError, match="block, coalesce, drop_oldest, halt"):
            policy_of("drop")

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("seed", seeds(10, 500))
    def test_conservation_and_order_against_a_naive_queue(self, policy: int, seed: int) -> None:
        """Any sequence of offers and partial drains equals a plain list with the same policy."""
        rng = random.Random(seed)
        capacity = rng.randint(1, 5)
        channel = Channel("any", capacity, policy)
        naive: list[FairValue] = []
        for number in range(200):
            if rng.random() < 0.7:
                message = numbered(number, rng.randint(1, 7))
                naive_offer(naive, message, policy, capacity, channel.offer(message))
            else:
                limit = rng.choice([-1, 0, 1, 2, 3])
                count = len(naive) if limit < 0 else min(limit, len(naive))
                assert drained(channel, limit) == numbers_of(list(naive[:count]))
                del naive[:count]
            assert_conserved(channel)
            assert channel.core.depth == len(naive)


def naive_offer(queue: list[FairValue], message: FairValue, policy: int, capacity: int, result: int) -> None:
    """Do what the policy says to a plain list, and check that `result` says the same."""
    same_key = [index for index, queued in enumerate(queue) if queued.instrument_id == message.instrument_id]
    if policy == COALESCE and same_key:
        assert result == COALESCED
        queue[same_key[0]] = message
    elif len(queue) < capacity:
        assert result == ACCEPTED
        queue.append(message)
    elif policy == DROP_OLDEST:
        assert result == DROPPED_OLDEST
        del queue[0]
        queue.append(message)
    elif policy == HALT and len(queue) < 2 * capacity:
        assert result == TRIPPED
        queue.append(message)
    else:
        assert result == FULL


class TestWaiting:
    """Senders that wait for room, and the receiver that waits for messages."""

    async def test_senders_are_served_in_order(self, autojump_clock: trio.testing.MockClock) -> None:
        """Waiting senders get in strictly in the order in which they began to wait, and none is overtaken."""
        channel = Channel("frames", 1, BLOCK)
        received: list[int] = []
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(channel.send, numbered(number))
                await trio.testing.wait_all_tasks_blocked()
            assert channel.statistics().waiting == 5
            while len(received) < 6:
                assert channel.offer(numbered(99)) == FULL, "nobody overtakes those who wait"
                received += drained(channel)
                await trio.testing.wait_all_tasks_blocked()
        assert received == list(range(6))
        assert_conserved(channel)

    async def test_a_cancelled_send_was_not_sent(self, autojump_clock: trio.testing.MockClock) -> None:
        """A send that is cancelled while it waits leaves no trace, and the senders behind it move up."""
        channel = Channel("frames", 1, BLOCK)
        await channel.send(numbered(0))
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def cancelled_send() -> None:
                with scope:
                    await channel.send(numbered(1))

            nursery.start_soon(cancelled_send)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(channel.send, numbered(2))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert scope.cancelled_caught
            assert drained(channel) == [0]
        assert drained(channel) == [2]
        assert_conserved(channel)

    async def test_a_send_cancelled_after_it_was_taken_counts_as_sent(self) -> None:
        """When room came first and the cancellation second, the send returns normally: neither lost nor doubled."""
        channel = Channel("frames", 1, BLOCK)
        await channel.send(numbered(0))
        returned: list[int] = []
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def send() -> None:
                with scope:
                    await channel.send(numbered(1))
                    returned.append(1)

            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            assert drained(channel) == [0]
            scope.cancel()
        assert returned == [1]
        assert drained(channel) == [1]

    async def test_an_already_cancelled_send_takes_nothing(self) -> None:
        """A send in a cancelled scope raises before it touches the channel, with room or without."""
        channel = Channel("frames", 1, BLOCK)
        with trio.CancelScope() as scope:
            scope.cancel()
            await channel.send(numbered(0))
        assert scope.cancelled_caught
        assert channel.statistics().sent == 0

    async def test_a_batch_keeps_exactly_what_was_not_sent(self, autojump_clock: trio.testing.MockClock) -> None:
        """A cancelled batch leaves in the caller's list the messages that were not taken, in order."""
        channel = Channel("frames", 2, BLOCK)
        batch: list[Message] = [numbered(number) for number in range(8)]
        received: list[int] = []
        async with trio.open_nursery() as nursery:

            async def receive_slowly() -> None:
                for _ in range(2):
                    await trio.sleep(1)
                    received.extend(drained(channel, 1))

            nursery.start_soon(receive_slowly)
            with trio.move_on_after(5):
                await channel.send_batch(batch)
        received += drained(channel)
        assert received == [0, 1, 2, 3]
        assert numbers_of(batch) == [4, 5, 6, 7]
        assert_conserved(channel)

    async def test_a_batch_larger_than_the_channel_arrives_whole(self) -> None:
        """A batch that exceeds the capacity is delivered in order as the receiver drains, and the list is emptied."""
        channel = Channel("frames", 3, BLOCK)
        batch: list[Message] = [numbered(number) for number in range(100)]
        received: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.send_batch, batch)
            while len(received) < 100:
                await channel.doorbell.wait()
                received += drained(channel)
        assert received == list(range(100))
        assert batch == []

    @pytest.mark.parametrize("policy", POLICIES)
    async def test_a_dead_receiver_is_visible_and_bounded(
        self, policy: int, autojump_clock: trio.testing.MockClock
    ) -> None:
        """With nobody draining, nothing grows past the bound; depth stays and waits or drops tell of it."""
        channel = Channel("dead", 4, policy)
        with trio.move_on_after(10) as scope:
            for number in range(50):
                await channel.send(numbered(number, number))
        now = channel.statistics()
        assert scope.cancelled_caught == (policy != DROP_OLDEST)
        assert now.depth == (8 if policy == HALT else 4)
        assert now.waits + now.dropped > 0
        assert now.waiting == 0, "the cancelled sender left"
        assert_conserved(channel)

    async def test_a_cancelled_receiver_leaves_everything_for_the_next(self) -> None:
        """A receiver cancelled while it waits takes nothing with it, and the bell rings for its successor."""
        channel = Channel("frames", 4, BLOCK)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.doorbell.wait)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        channel.offer(numbered(1))
        with trio.CancelScope() as scope:
            scope.cancel()
            await channel.doorbell.wait()
        with trio.fail_after(1):
            await channel.doorbell.wait()
        assert drained(channel) == [1]

    async def test_closing_wakes_senders_and_keeps_what_is_there(self) -> None:
        """Close gives waiting and later senders ChannelClosed; the receiver is woken and drains the rest."""
        channel = Channel("frames", 1, BLOCK)
        batch: list[Message] = [numbered(number) for number in range(3)]
        refused: list[str] = []

        async def send() -> None:
            try:
                await channel.send_batch(batch)
            except ChannelClosed as error:
                refused.append(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            await channel.doorbell.wait()
            channel.close()
            channel.close()
            await channel.doorbell.wait()
        assert len(refused) == 1
        assert "'frames'" in refused[0]
        assert numbers_of(batch) == [1, 2]
        assert drained(channel) == [0]
        with pytest.raises(ChannelClosed):
            channel.offer(numbered(9))
        with pytest.raises(ChannelClosed):
            await channel.send(numbered(9))
        with pytest.raises(ChannelClosed):
            channel.offer_batch([numbered(9)])
        assert_conserved(channel)


class TestDoorbell:
    """One bell for several channels."""

    async def test_any_channel_wakes_the_one_receiver(self) -> None:
        """A task that waits on a shared bell wakes for whichever channel rings."""
        bell = Doorbell()
        channels = [Channel(f"inbox {index}", 4, BLOCK, doorbell=bell) for index in range(3)]
        for channel in channels:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bell.wait)
                await trio.testing.wait_all_tasks_blocked()
                channel.offer(numbered(1))
            assert drained(channel) == [1]

    async def test_ringing_twice_wakes_once(self) -> None:
        """A rung bell rung again is one wake-up; after it, the bell is silent."""
        bell = Doorbell()
        bell.ring()
        bell.ring()
        await bell.wait()
        with trio.move_on_after(0) as scope:
            await bell.wait()
        assert scope.cancelled_caught

    async def test_a_partial_drain_rings_again(self) -> None:
        """A receiver that takes only a part cannot fall asleep on the rest."""
        channel = Channel("frames", 4, BLOCK)
        channel.offer_batch([numbered(1), numbered(2)])
        await channel.doorbell.wait()
        assert drained(channel, 1) == [1]
        with trio.fail_after(1):
            await channel.doorbell.wait()
        assert drained(channel) == [2]

    async def test_worker_threads_send_and_are_held_back(self) -> None:
        """A worker thread offers with an answer, and its send waits for room."""
        channel = Channel("executions", 1, BLOCK)
        token = trio.lowlevel.current_trio_token()
        answers: list[int] = []

        def work() -> None:
            answers.append(channel.offer_from_thread(numbered(0), token))
            answers.append(channel.offer_from_thread(numbered(1), token))
            channel.send_from_thread(numbered(2), token)

        received: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, work)
            while len(received) < 2:
                await channel.doorbell.wait()
                while not channel.statistics().waiting and not received:
                    await trio.lowlevel.checkpoint()
                received += drained(channel)
        assert answers == [ACCEPTED, FULL]
        assert received == [0, 2]


class TestInterleavings:
    """Random senders, receivers and cancellations from a seed."""

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("seed", seeds(8, 300))
    def test_nothing_is_lost_or_doubled(self, policy: int, seed: int) -> None:
        """Whatever is cancelled when, each message is accounted for once and each sender's order is kept."""
        story = Interleaving(policy, random.Random(seed))
        trio.run(story.run, clock=trio.testing.MockClock(autojump_threshold=0))
        story.check()


class Interleaving:
    """Several senders, one slow and sometimes cancelled receiver, on one channel."""

    def __init__(self, policy: int, rng: random.Random) -> None:
        self.policy = policy
        self.rng = rng
        self.channel = Channel("any", rng.randint(1, 4), policy)
        self.confirmed: list[tuple[int, int]] = []
        self.unsent: list[tuple[int, int]] = []
        self.received: list[tuple[int, int]] = []
        self.senders_left = 4

    async def run(self) -> None:
        """Run the senders to their end with a receiver that is restarted whenever it is cancelled."""
        async with trio.open_nursery() as nursery:
            for key in range(self.senders_left):
                nursery.start_soon(self.send, key)
            while self.senders_left or self.channel.core.depth:
                with trio.move_on_after(self.rng.uniform(0, 5)):
                    await self.receive()
                assert_conserved(self.channel)

    async def send(self, key: int) -> None:
        """Send numbered batches, each with a random deadline, noting which messages were sent and which not."""
        number = 0
        for _ in range(15):
            size = self.rng.randint(1, 5)
            batch: list[Message] = [numbered(number + index, key) for index in range(size)]
            every = [(key, number + index) for index in range(size)]
            number += size
            with trio.move_on_after(self.rng.choice([0.5, 2, 1000])):
                await self.channel.send_batch(batch)
            left = len(batch)
            self.confirmed += every[: size - left]
            self.unsent += every[size - left :]
            await trio.sleep(self.rng.uniform(0, 1))
        self.senders_left -= 1

    async def receive(self) -> None:
        """Take a few at a time, now and then asleep."""
        target: list[Message] = []
        while self.senders_left or self.channel.core.depth:
            if not self.channel.core.depth:
                await self.channel.doorbell.wait()
            target.clear()
            self.channel.drain_into(target, self.rng.choice([-1, 1, 2]))
            self.received += [(m.instrument_id, m.receive_ns) for m in target if isinstance(m, FairValue)]
            await trio.sleep(self.rng.uniform(0, 2))

    def check(self) -> None:
        """Compare what was received with what was confirmed as sent."""
        now = self.channel.statistics()
        assert_conserved(self.channel)
        assert now.depth == 0
        assert now.waiting == 0
        assert now.sent == len(self.confirmed)
        assert len(self.received) == len(set(self.received)), "a message was doubled"
        assert not set(self.received) & set(self.unsent), "a message that was reported as not sent arrived"
        for key in range(4):
            mine = [number for owner, number in self.received if owner == key]
            assert mine == sorted(mine), "one sender's messages were reordered"
        if self.policy in (BLOCK, HALT):
            assert sorted(self.received) == sorted(self.confirmed), "a message was lost"
        if self.policy == COALESCE:
            for key in range(4):
                last = max(number for owner, number in self.confirmed if owner == key)
                assert (key, last) in self.received, "the latest state of a key was lost"
