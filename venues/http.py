"""One small HTTP client: GET, over connections that are kept, within a venue's budget of weight.

h11 reads and writes the protocol, `venues/dialing.py` makes the connections. It promises a bound on time and on size
for every answer, and that a venue which asks to be left alone is: after 429, 418 or 403, or a 503 that says how long,
nobody of the process asks it again before its time, whatever becomes of the answer's body. Every failure is a
`RequestFailed`; it retries nothing but a request on a kept connection that the other side had closed meanwhile, of
which nothing was answered.
"""

from __future__ import annotations

import zlib
from typing import Final

import attrs
import h11
import trio

from venues.budgets import RateBudget
from venues.dialing import REQUEST_SCHEMES, Address, DialFailed, Dialing, address_of, dial

_READ_BYTES: Final = 64 * 1024
_MOST_HEADER_BYTES: Final = 64 * 1024
_SHOWN_BYTES: Final = 200
_GZIP_BITS: Final = 31
# How long a venue is left alone that says "too much" without saying how long.
PAUSES_S: Final = {429: 60.0, 418: 120.0, 403: 600.0}
_UNAVAILABLE: Final = 503
# However long a venue says: one that is out of service is asked again at last, and no ban is longer than three days.
_LONGEST_UNAVAILABLE_S: Final = 600.0
_LONGEST_PAUSE_S: Final = 3 * 24 * 3_600.0
_MOST_DIGITS: Final = 18
_USED_HEADERS: Final = (b"x-mbx-used-weight-1m",)


class RequestFailed(Exception):
    """A request without a usable answer; the message says why. `status` is 0 where there was no answer at all."""

    def __init__(self, reason: str, status: int = 0, body: bytes = b"") -> None:
        """Keep the status and the body of a refusal."""
        super().__init__(reason)
        self.status = status
        self.body = body


@attrs.frozen
class HttpAnswer:
    """The answer to a request."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


@attrs.frozen(kw_only=True)
class HttpOptions:
    """How requests are made."""

    dialing: Dialing = attrs.field(factory=Dialing)
    timeout_s: float = 10.0
    """For one request, from the connection to the last byte of the answer."""
    most_body_bytes: int = 64 * 1024 * 1024
    most_kept: int = 4
    """Connections that are kept for the next request."""


class _Stale(Exception):
    """A kept connection was closed by the other side before it answered."""


class _Wire:
    """One connection and what h11 knows of it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADER_BYTES)
        self.is_used = False

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """The next thing that the other side said."""
        while (event := self.talk.next_event()) is h11.NEED_DATA:
            data = bytes(await self.stream.receive_some(_READ_BYTES))
            if not data and self.talk.their_state is h11.SEND_RESPONSE and not self.talk.trailing_data[0]:
                raise _Stale("closed before an answer")
            self.talk.receive_data(data)
        assert event is not h11.NEED_DATA
        return event  # type: ignore[return-value]


class HttpClient:
    """See the head of this file. One for a venue's address; close it at the end."""

    def __init__(self, base_url: str, budget: RateBudget, options: HttpOptions | None = None) -> None:
        """Ask below this address, within this budget."""
        self.base_url: Final = base_url.rstrip("/")
        self.budget: Final = budget
        self.options: Final = options or HttpOptions()
        self._kept: list[_Wire] = []

    async def get(self, path: str, weight: int = 1) -> HttpAnswer:
        """The answer to a request for a path and query, once the budget allows it; `RequestFailed` if there is none.

        An answer other than 200 is a failure too, with its status and body. Nothing else is ever raised.
        """
        try:
            address = address_of(self.base_url + path, REQUEST_SCHEMES)
        except DialFailed as error:
            raise RequestFailed(str(error)) from error
        await self.budget.spend(weight)
        options = self.options
        try:
            with trio.fail_after(options.timeout_s):
                answer = await self._ask(address)
        except trio.TooSlowError as error:
            raise RequestFailed(f"no answer from {address.authority} in {options.timeout_s:g} s") from error
        except DialFailed as error:
            raise RequestFailed(str(error)) from error
        except (trio.BrokenResourceError, trio.ClosedResourceError, _Stale) as error:
            raise RequestFailed(f"{address.authority} broke the connection: {error.__cause__ or error}") from error
        except (h11.RemoteProtocolError, zlib.error) as error:
            raise RequestFailed(f"{address.authority} answered what is no HTTP: {error}") from error
        except (h11.LocalProtocolError, UnicodeError) as error:
            raise RequestFailed(f"{path!r} cannot be asked for: {error}") from error
        if answer.status != 200:
            shown = answer.body[:_SHOWN_BYTES].decode(errors="replace").strip()
            text = f"{address.authority} refused {path} with status {answer.status}{f': {shown}' if shown else ''}"
            raise RequestFailed(text, answer.status, answer.body)
        return answer

    async def aclose(self) -> None:
        """Let go of every connection."""
        while self._kept:
            await trio.aclose_forcefully(self._kept.pop().stream)

    # ---- one request

    async def _ask(self, address: Address) -> HttpAnswer:
        while self._kept:
            try:
                return await self._ask_on(self._kept.pop(), address)
            except _Stale:
                continue
        return await self._ask_on(_Wire(await dial(address, self.options.dialing)), address)

    async def _ask_on(self, wire: _Wire, address: Address) -> HttpAnswer:
        is_kept = False
        try:
            await self._write(wire, address)
            response = await self._head(wire)
            headers = {bytes(name): bytes(value) for name, value in response.headers}
            # Before the body, which may be damaged, cut short or endless.
            self._heed(response.status_code, headers)
            body = await self._body(wire, headers)
            if wire.talk.our_state is h11.DONE and wire.talk.their_state is h11.DONE:
                wire.talk.start_next_cycle()
                wire.is_used = True
                is_kept = len(self._kept) < self.options.most_kept
            return HttpAnswer(response.status_code, headers, body)
        finally:
            if is_kept:
                self._kept.append(wire)
            else:
                await trio.aclose_forcefully(wire.stream)

    async def _write(self, wire: _Wire, address: Address) -> None:
        headers = [
            ("Host", address.authority), ("User-Agent", "hftrun"), ("Accept", "*/*"), ("Accept-Encoding", "gzip"),
        ]  # fmt: skip
        asked = wire.talk.send(h11.Request(method="GET", target=address.target, headers=headers))
        ended = wire.talk.send(h11.EndOfMessage())
        try:
            await wire.stream.send_all((asked or b"") + (ended or b""))
        except trio.BrokenResourceError as error:
            if wire.is_used:
                raise _Stale from error
            raise

    async def _head(self, wire: _Wire) -> h11.Response:
        while True:
            try:
                event = await wire.next_event()
            except trio.BrokenResourceError as error:
                if wire.is_used and not wire.talk.trailing_data[0]:
                    raise _Stale from error
                raise
            if isinstance(event, h11.Response):
                return event

    async def _body(self, wire: _Wire, headers: dict[bytes, bytes]) -> bytes:
        """All of the body, unpacked; bounded before and after."""
        most_bytes = self.options.most_body_bytes
        unpacker = zlib.decompressobj(_GZIP_BITS) if headers.get(b"content-encoding", b"").lower() == b"gzip" else None
        body = bytearray()
        while True:
            event = await wire.next_event()
            if isinstance(event, h11.EndOfMessage):
                if unpacker is not None and not unpacker.eof and body:
                    raise RequestFailed("the answer ends in the middle of what was packed")
                return bytes(body)
            if not isinstance(event, h11.Data):
                continue
            data = bytes(event.data)
            body += unpacker.decompress(data, most_bytes + 1 - len(body)) if unpacker is not None else data
            if len(body) > most_bytes:
                raise RequestFailed(f"the answer has more than {most_bytes:,} bytes, which is what is taken at most")

    def _heed(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep to what the venue says about its limits."""
        for name in _USED_HEADERS:
            used = headers.get(name, b"")
            if used.isdigit() and len(used) <= _MOST_DIGITS:
                self.budget.note_used(int(used))
        pause_s = PAUSES_S.get(status)
        asked_s = seconds_of(headers.get(b"retry-after", b"").decode("latin-1"))
        if pause_s is not None:
            self.budget.hold(pause_s if asked_s is None else min(asked_s, _LONGEST_PAUSE_S))
        elif status == _UNAVAILABLE and asked_s is not None:
            self.budget.hold(min(asked_s, _LONGEST_UNAVAILABLE_S))


def seconds_of(retry_after: str) -> float | None:
    """What a Retry-After header says in seconds; None where it says nothing or names a date."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
