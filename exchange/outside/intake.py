"""Takes whatever the exchange's lane sends to a gateway, at once and in order; never waits for a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from market.messages import Message
from runtime.service import Mailbox

LARGEST_DRAIN: Final = 512


async def take_in(mailbox: Mailbox, on_message: Callable[[Message], None], at_end: Callable[[], None]) -> None:
    """Hand on every message, and tell the end of each batch, until cancelled."""
    taken: list[Message] = []
    while True:
        mailbox.urgent.drain_into(taken, LARGEST_DRAIN)
        mailbox.inbox.drain_into(taken, LARGEST_DRAIN)
        if not taken:
            await mailbox.doorbell.wait()
            continue
        for message in taken:
            on_message(message)
        taken.clear()
        at_end()
        await trio.lowlevel.checkpoint()
