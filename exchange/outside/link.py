"""The way from a gateway to the exchange's lane: what is asked goes out at once or in order behind what waits.

How much can wait is bounded by those who ask: each client waits for an answer before it asks again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from market.messages import Message
from runtime.channels import Doorbell


class LaneLink:
    """See the head of this file. `offer` and `send` are those of the service."""

    def __init__(
        self, offer: Callable[[Sequence[Message]], bool], send: Callable[[Sequence[Message]], Awaitable[None]]
    ) -> None:
        self._offer = offer
        self._send = send
        self._waiting: list[Message] = []
        self._bell = Doorbell()
        self._is_sending = False

    def forward(self, messages: list[Message]) -> None:
        """Send to the lane, now where it has kept up; nothing overtakes what waits."""
        if self._waiting or self._is_sending or not self._offer(messages):
            self._waiting += messages
            self._bell.ring()

    async def run(self) -> None:
        """Send what had to wait, until cancelled."""
        while True:
            await self._bell.wait()
            batch, self._waiting = self._waiting, []
            self._is_sending = True
            await self._send(batch)
            self._is_sending = False
