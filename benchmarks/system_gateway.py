"""The edges of the system whose time from socket to socket is measured: a feed that notes its reads, a way out.

Commands leave in their binary form behind the receive time of the frame that caused them; what no frame caused, such
as an order that follows a fill, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import attrs
import trio

from benchmarks.system_sender import ORDER_HEAD
from market.messages import CancelAll, CancelOrder, Message, NewOrder, RawFrame, ReplaceOrder, encode
from runtime.config.rules import between, setting
from runtime.service import Service, ServiceSetup
from venues.feed import Feed

# Reads of the last seconds; more is never asked for.
MOST_STAMPS: Final = 100_000


class Stamps:
    """The receive times of the frames that were read; one process measures one system at a time."""

    known: ClassVar[dict[int, None]] = {}


class StampedFeed(Feed):
    """A feed that notes when it read what."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Send on, and note."""
        known = Stamps.known
        for message in messages:
            if isinstance(message, RawFrame):
                known[int(message.receive_ns)] = None
        if len(known) > MOST_STAMPS:
            known.clear()
        await super().send(messages)


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

    async def run(self) -> None:
        """Write what comes, as much as there is at once."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            while True:
                waiting: Message | None = await self.mailbox.receive()
                data = bytearray()
                while waiting is not None:
                    data += written(waiting)
                    waiting = self.mailbox.receive_nowait()
                if data:
                    await stream.send_all(data)


def written(message: Message) -> bytes:
    """A command that a frame caused, in the form in which it leaves."""
    if not isinstance(message, NewOrder | ReplaceOrder | CancelOrder) or message.receive_ns not in Stamps.known:
        return b""
    body = encode(message)
    return ORDER_HEAD.pack(message.receive_ns, len(body)) + body
