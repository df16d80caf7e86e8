"""The edges of the system whose time from socket to socket is measured: who notes what caused a command, a way out.

A command leaves in its binary form behind the frame in whose input it was decided. What no frame's input decided is
left out: orders that waited for a confirmed cancel, that follow a fill, or that a timer sent.
"""

from __future__ import annotations

import os
from typing import ClassVar, Final

import attrs
import trio

from benchmarks.system_sender import ORDER_HEAD
from market.messages import FRAME_STREAM, CancelAll, CancelOrder, Message, NewOrder, RawFrame, ReplaceOrder, encode
from runtime.actor import Actor
from runtime.config.rules import between, setting
from runtime.lane_core import LaneCore
from runtime.service import Service, ServiceSetup

Key = tuple[int, int, int]


class Causes:
    """Which frame decided which command; one process measures one system at a time."""

    core: ClassVar[LaneCore | None] = None
    # How many whole frames of each connection the lane has taken.
    taken: ClassVar[dict[int, int]] = {}
    # The connection of the newest frame, its number there, and the input that it was.
    newest: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    known: ClassVar[dict[Key, tuple[int, int]]] = {}

    @classmethod
    def watch(cls, core: LaneCore) -> None:
        """Note from here on what this lane decides."""
        cls.core = core
        cls.taken.clear()
        cls.known.clear()
        cls.newest = (0, 0, 0)
        core.on_decision = cls.decided

    @classmethod
    def decided(cls, message: Message, sequence: int) -> None:
        """A decision; only one in the input of a frame has a cause."""
        connection_id, number, of_frame = cls.newest
        if sequence == of_frame and isinstance(message, NewOrder | ReplaceOrder | CancelOrder):
            cls.known[key_of(message)] = (connection_id, number)


def key_of(message: NewOrder | ReplaceOrder | CancelOrder) -> Key:
    """What tells one command from another."""
    return message.schema_id, message.order_id, message.receive_ns


class FrameWitness(Actor):
    """Sees every frame before all others and says nothing."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {RawFrame: "see"}

    def see(self, frame: RawFrame) -> None:
        """Count it, when it is whole."""
        core = Causes.core
        if core is None or frame.kind != FRAME_STREAM:
            return
        connection_id = int(frame.connection_id)
        number = Causes.taken.get(connection_id, 0) + 1
        if frame.part == frame.parts:
            Causes.taken[connection_id] = number
        Causes.newest = (connection_id, number, int(core.sequence))


@attrs.frozen(kw_only=True)
class OrderWireParams:
    """Settings of `OrderWire`."""

    port: int = setting("Where the orders go on this machine.", rule=between(1, 65_535))


class OrderWire(Service):
    """Writes commands to a socket."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (NewOrder, ReplaceOrder, CancelOrder, CancelAll)
    PARAMS: ClassVar[type | None] = OrderWireParams

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, OrderWireParams)
        self.port: Final = setup.params.port
        self._waiting = bytearray()
        self._socket = -1

    async def run(self) -> None:
        """Write what comes: at once, as long as the socket takes it, or else when it does again."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            self._socket = stream.socket.fileno()
            self.mailbox.serve_at_once(self._write_at_once)
            while True:
                self._take()
                if self._waiting:
                    data, self._waiting = self._waiting, bytearray()
                    await stream.send_all(data)
                else:
                    await self.mailbox.wait()

    def _take(self) -> None:
        """Encode what lies in the mailbox."""
        while (message := self.mailbox.receive_nowait()) is not None:
            self._waiting += written(message)

    def _write_at_once(self) -> bool:
        """Whether the socket has taken all of it."""
        self._take()
        if self._waiting:
            try:
                del self._waiting[: os.write(self._socket, self._waiting)]
            except BlockingIOError:
                return False
        return not self._waiting


def written(message: Message) -> bytes:
    """A command that a frame caused, in the form in which it leaves."""
    if not isinstance(message, NewOrder | ReplaceOrder | CancelOrder):
        return b""
    cause = Causes.known.pop(key_of(message), None)
    if cause is None:
        return b""
    body = encode(message)
    return ORDER_HEAD.pack(*cause, len(body)) + body
