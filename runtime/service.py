"""The `Service` base: the async edges of the system, such as connections, gateways and writers.

A service has `async run()`, an inbox of the messages that it takes, and a way to send to the lanes that take what it
gives. It may wait, use the network and fail; the supervisor restarts it as its policy says. Whatever lies in its
inbox survives a restart.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import attrs
import trio

from market.messages import BatchMark, FaultInjected, Message, RawFrame, name_of, schema_id_of
from runtime.actor import RESTART
from runtime.lane_parts import InjectedFault
from runtime.metrics import MetricRegistry

if TYPE_CHECKING:
    from market.instruments import InstrumentTable
    from runtime.channels import Channel, Doorbell
    from runtime.clock import Clock
    from runtime.feed_faults import FeedFaults
    from runtime.logs import Logger

NANOSECONDS = 1_000_000_000


class ServiceError(Exception):
    """A service broke its contract; the message says which part and what to do."""


@attrs.frozen
class Delivery:
    """Where a service's messages of one type go: a channel, and the instruments that are wanted there."""

    channel: Channel
    framed: bool
    keys: frozenset[int] | None

    def wants(self, message: Message) -> bool:
        """Whether a message concerns an instrument that this receiver takes."""
        key = message.route_key()
        return self.keys is None or key == 0 or key in self.keys


@attrs.define
class Mailbox:
    """What a unit receives: an ordinary and an urgent channel behind one doorbell."""

    doorbell: Doorbell
    inbox: Channel
    urgent: Channel
    _is_waiting: bool = attrs.field(default=False, init=False)
    _is_serving: bool = attrs.field(default=False, init=False)
    _failure: Exception | None = attrs.field(default=None, init=False)

    def close(self) -> None:
        """Take nothing more."""
        self.inbox.close()
        self.urgent.close()

    def serve_at_once(self, work: Callable[[], bool]) -> None:
        """While the service waits here, let a lane that delivers call `work`, which takes what there is.

        It runs in the lane's task, between two inputs, so it must be quick and cannot wait. When it says False, or
        fails, the service's own task is woken: to do the rest, or to fail of it.
        """

        def work_at_once() -> bool:
            if not self._is_waiting:
                return False
            self._is_waiting, self._is_serving = False, True
            try:
                is_done = work() and self.inbox.core.depth == 0 and self.urgent.core.depth == 0
            except Exception as error:
                self._failure = error
                return False
            finally:
                self._is_serving = False
            self._is_waiting = is_done
            return is_done

        self._failure = None
        self.inbox.work_at_once = self.urgent.work_at_once = work_at_once

    async def wait(self) -> None:
        """Sleep until the bell has rung: something has come, or what was served at once left something to do."""
        self._is_waiting = True
        try:
            await self.doorbell.wait()
        finally:
            self._is_waiting = False
        if self._failure is not None:
            raise self._failure

    async def receive(self) -> Message:
        """The next message, urgent ones first; waits while there is none."""
        while True:
            message = self.receive_nowait()
            if message is not None:
                return message
            await self.wait()

    def receive_nowait(self) -> Message | None:
        """The next message or None."""
        taken: list[Message] = []
        if self._is_serving:
            # Whatever is left when it has served wakes the service's task: not what it takes next.
            self.urgent.take_into(taken, 1) or self.inbox.take_into(taken, 1)
        else:
            self.urgent.drain_into(taken, 1) or self.inbox.drain_into(taken, 1)
        return taken[0] if taken else None


@attrs.define
class InjectedKill:
    """Lets a service fail at every Nth batch it sends, when fault injection asks for it."""

    every: int = 0
    countdown: int = 0

    def arm(self, every: int) -> None:
        """Fail at every Nth batch from now on."""
        self.every = every
        self.countdown = every

    def count(self) -> None:
        """Note one batch."""
        if self.every:
            self.countdown -= 1
            if self.countdown <= 0:
                self.countdown = self.every
                raise InjectedFault(f"killed by fault injection (every {self.every} batches)")


class InjectedDisconnect(InjectedFault):
    """Fault injection ends the connection that the last frames came from; a service without sessions fails with it."""


@attrs.define
class FaultPort:
    """Where fault injection is put between a service and its channels."""

    faults: FeedFaults | None = None


@attrs.frozen
class ServiceSetup:
    """Everything a service is made from."""

    name: str
    params: object
    instruments: InstrumentTable
    instrument_ids: tuple[int, ...]
    clock: Clock
    randomness: random.Random
    mailbox: Mailbox
    log: Logger
    kill: InjectedKill = attrs.field(factory=InjectedKill)
    port: FaultPort = attrs.field(factory=FaultPort)
    deliveries: dict[int, list[Delivery]] = attrs.field(factory=dict)
    metrics: MetricRegistry = attrs.field(factory=MetricRegistry)
    # Its place among the services of the system: no other has it.
    number: int = 0


class Service(ABC):
    """Subclass it once, declare what it takes and gives, write `run`."""

    TAKES: ClassVar[tuple[type[Message], ...]] = ()
    GIVES: ClassVar[tuple[type[Message], ...]] = ()
    OWNS: ClassVar[tuple[type[Message], ...]] = ()
    PARAMS: ClassVar[type | None] = None
    POLICY: ClassVar[str] = RESTART

    def __init__(self, setup: ServiceSetup) -> None:
        self.name = setup.name
        self.clock = setup.clock
        self.randomness = setup.randomness
        self.mailbox = setup.mailbox
        self.instruments = setup.instruments
        self.instrument_ids = setup.instrument_ids
        self.log = setup.log
        self.metrics = setup.metrics
        self.number = setup.number
        self._deliveries = setup.deliveries
        self._kill = setup.kill
        self._port = setup.port

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled, or return when there is nothing left to do."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Send messages as one batch to everyone who takes them; waits where a channel's policy says so.

        What `GIVES` lists and nobody takes goes nowhere. What it does not list is a `ServiceError`: the wiring could
        not know of it, and it would be lost in silence. Nothing of such a batch is sent.
        """
        self._kill.count()
        faults = self._port.faults
        if faults is None:
            await self._send_on(messages)
            return
        messages = faults.apply(messages, self.clock.now_ns())
        # It is the last to know: another task may send before this one has waited.
        stall_ns, disconnects = faults.stall_ns, faults.disconnects
        if stall_ns:
            await trio.sleep(stall_ns / NANOSECONDS)
        await self._send_on(messages)
        if disconnects:
            raise InjectedDisconnect("disconnected by fault injection")

    async def _send_on(self, messages: Sequence[Message]) -> None:
        for channel, framed, batch in self._sort(messages):
            if framed and len(batch) > 1:
                batch.insert(0, BatchMark(len(batch)))
            await channel.send_batch(batch)

    def offer(self, messages: Sequence[Message]) -> bool:
        """Send messages as `send` does, at once, to receivers that have kept up; False otherwise, and nothing is sent.

        It saves the turns of the scheduler that `send` takes, for a service that answers somebody who waits.
        """
        if self._port.faults is not None:
            # Only `send` can wait, as a fault may ask for.
            return False
        rows = self._sort(messages)
        if not all(channel.is_idle() and len(batch) < channel.core.capacity for channel, _, batch in rows):
            return False
        self._kill.count()
        for channel, framed, batch in rows:
            if framed and len(batch) > 1:
                batch.insert(0, BatchMark(len(batch)))
            channel.bring(batch)
        return True

    def _sort(self, messages: Sequence[Message]) -> list[tuple[Channel, bool, list[Message]]]:
        by_channel: dict[int, tuple[Channel, bool, list[Message]]] = {}
        for message in messages:
            deliveries = self._deliveries.get(message.schema_id)
            if deliveries is None and isinstance(message, FaultInjected):
                # It goes where the frames go that it is done to.
                deliveries = self._deliveries.get(schema_id_of(RawFrame))
            if deliveries is None:
                self._check_declared(message)
                continue
            for delivery in deliveries:
                if delivery.wants(message):
                    row = by_channel.setdefault(id(delivery.channel), (delivery.channel, delivery.framed, []))
                    row[2].append(message)
        return list(by_channel.values())

    def _check_declared(self, message: Message) -> None:
        if type(message) not in self.GIVES:
            name = name_of(message.schema_id)
            raise ServiceError(f"{self.name} sent {name}, which its GIVES does not list: add {name} to GIVES")
