"""Requests through ccxt in worker threads: who may ask when, and what became of it.

Each thread has a client of its own, for ccxt's are not made to be shared. One of them is for cancels alone, so that
none waits behind a slow order. Every way in which a request fails is a `CallFailed`. ccxt is imported when the first
client is made, and in a thread. Numbers are never taken from ccxt's unified rows, which are floats: requests and
answers are the venue's own, in text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import trio

from venues.ccxt_errors import CallFailed, Outcome, failure_of

Client = Any
"""ccxt has no types that would hold."""


class Calls:
    """See the head of this file. Begin with `open`, end with `close`."""

    def __init__(self, make: Callable[[], Client], threads: int) -> None:
        """Ask through so many clients."""
        self._make: Final = make
        self._threads: Final = threads
        self._idle: list[Client] = []
        self._all: list[Client] = []
        self._any: Final = trio.Semaphore(threads)
        self._ordinary: Final = trio.Semaphore(threads - 1)
        self._limiter: Final = trio.CapacityLimiter(threads)

    async def open(self) -> None:
        """Make the clients."""
        self._all = await self._in_thread(self._make_all)
        self._idle = list(self._all)

    def close(self) -> None:
        """Let go of their connections."""
        for client in self._all:
            client.session.close()
        self._all, self._idle = [], []

    def set_clock(self, ahead_ms: int) -> None:
        """So far is our clock ahead of the venue's."""
        for client in self._all:
            client.options["timeDifference"] = ahead_ms

    async def call(
        self, method: str, request: Mapping[str, str], *, is_urgent: bool = False, patience_s: float = 600.0
    ) -> Any:  # noqa: ANN401  the venue's answer, as JSON has it
        """The answer to a request; `CallFailed` where there is none, LIMITED where no client was free in time."""
        held: list[trio.Semaphore] = []
        try:
            with trio.move_on_after(patience_s) as patience:
                if not is_urgent:
                    await self._ordinary.acquire()
                    held.append(self._ordinary)
                await self._any.acquire()
                held.append(self._any)
            if patience.cancelled_caught:
                raise CallFailed(Outcome.LIMITED, 0, "no connection was free in time; nothing was sent")
            if not self._idle:
                raise CallFailed(Outcome.LIMITED, 0, "there is no connection; nothing was sent")
            client = self._idle.pop()
            try:
                return await self._in_thread(_ask, client, method, dict(request))
            finally:
                if any(client is one for one in self._all):
                    self._idle.append(client)
        finally:
            for semaphore in held:
                semaphore.release()

    async def clock_ahead_ms(self, method: str) -> int:
        """How far our clock is ahead of the venue's, as far as half a round trip tells."""
        before_ns = time.time_ns()
        answer = await self.call(method, {})
        now_ms = (before_ns + time.time_ns()) // 2_000_000
        return now_ms - int(answer["serverTime"])

    def _make_all(self) -> list[Client]:
        return [self._make() for _ in range(self._threads)]

    async def _in_thread(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401  as above
        # A thread that hangs in a request ends by the request's own timeout; nobody waits for it at the end.
        return await trio.to_thread.run_sync(function, *arguments, abandon_on_cancel=True, limiter=self._limiter)


def _ask(client: Client, method: str, request: dict[str, str]) -> Any:  # noqa: ANN401  as above
    import ccxt  # type: ignore[import-untyped]

    client.last_response_headers = None
    try:
        return getattr(client, method)(request)
    except ccxt.BaseError as error:
        raise failure_of(error, client.last_response_headers) from None
