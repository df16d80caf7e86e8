"""What is said on a connection to Binance, and what a glance at a frame tells; the same for spot and the futures.

Requests name streams; an unknown stream is acknowledged like any other and stays silent, so that what is subscribed to
must come from the venue's own list of instruments. A refusal concerns a whole request. The server's pings are answered
by the transport; nothing else has to be said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from market.dialect import CONFIRMED, DATA, LEAVING, REFUSED, Conversation

# The venue ends a connection whose request is too long; its documents do not say how long that is. 100 names of
# streams are about 2,500 bytes.
MOST_STREAMS_IN_A_REQUEST: Final = 100

# A combined frame: then comes the stream's name, the symbol up to the at sign.
USUAL_BEGINNING: Final = (b'{"stream":"', b"@")

_SHUTDOWN: Final = b'"serverShutdown"'
_GLANCE: Final = 160
_EVENT: Final = re.compile(rb'"e"\s*:\s*"([A-Za-z0-9_]{1,40})"')
_DATA_BEGINNINGS: Final = (b'{"stream":', b'{"e":', b'{"u":')


class _Fault(msgspec.Struct):
    """What is wrong with a request."""

    code: int = 0
    msg: str = ""


class _Reply(msgspec.Struct):
    """The answer to a request; an event has neither of these."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    code: int | None = None
    msg: str = ""
    error: _Fault | None = None


_replies = msgspec.json.Decoder(_Reply)


class BinanceConversation(Conversation):
    """One connection's requests and what became of them."""

    def __init__(self, channels: Sequence[str]) -> None:
        """Ask for these channels of every instrument: `depth@100ms`, `trade`, `bookTicker`."""
        super().__init__()
        self._channels = tuple(channels)
        self._asked: dict[int, tuple[str, ...]] = {}
        self._requests = 0

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Subscribe to every channel of these instruments."""
        return self._ask("SUBSCRIBE", venue_symbols)

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """End every channel of these instruments."""
        return self._ask("UNSUBSCRIBE", venue_symbols)

    def _ask(self, method: str, venue_symbols: Sequence[str]) -> list[bytes]:
        in_one = max(1, MOST_STREAMS_IN_A_REQUEST // len(self._channels))
        requests = []
        for start in range(0, len(venue_symbols), in_one):
            named = tuple(venue_symbols[start : start + in_one])
            streams = [f"{symbol.lower()}@{channel}" for symbol in named for channel in self._channels]
            self._requests += 1
            self._asked[self._requests] = named
            requests.append(msgspec.json.encode({"method": method, "params": streams, "id": self._requests}))
        return requests

    def hear(self, frame: bytes) -> int:
        """Whether a request was granted or refused, or the server will end the connection; data is passed over."""
        if frame.startswith(_DATA_BEGINNINGS):
            if frame.find(_SHUTDOWN, 0, _GLANCE) >= 0:
                self.cause = "the server is about to shut down"
                return LEAVING
            return DATA
        try:
            reply = _replies.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return DATA
        named = self._asked.pop(reply.id, ()) if isinstance(reply.id, int) else ()
        told = ", ".join(named) or f"request {reply.id}"
        if reply.error is not None or reply.code is not None:
            code, text = (reply.code, reply.msg) if reply.error is None else (reply.error.code, reply.error.msg)
            self.venue_symbol = named[0] if len(named) == 1 else ""
            self.cause = f"{told}: refused with code {code}: {text}"
            return REFUSED
        if bytes(reply.result):
            self.venue_symbol = named[0] if len(named) == 1 else ""
            self.cause = told
            return CONFIRMED
        return DATA


def symbol_at_a_glance(frame: bytes) -> str:
    """The symbol, from the stream's name in a combined frame, else from the payload; empty when there is none."""
    if frame.startswith(USUAL_BEGINNING[0]):
        at = frame.find(b"@", 11, 64)
        if at < 0 or frame[11:12] == b"!":
            return ""
        return frame[11:at].decode("utf-8", "replace").upper()
    start = frame.find(b'"s":"', 0, 160)
    end = frame.find(b'"', start + 5, start + 64)
    return "" if start < 0 or end < 0 else frame[start + 5 : end].decode("utf-8", "replace")


def type_at_a_glance(frame: bytes) -> str:
    """The venue's own name of what a frame is, for counting."""
    head = frame[:_GLANCE]
    found = _EVENT.search(head)
    if found is not None:
        return found.group(1).decode()
    if b'"lastUpdateId"' in head:
        return "partial depth" if head.startswith(b'{"stream":') else "depth snapshot"
    if b'"u":' in head and b'"s":"' in head:
        return "bookTicker"
    if b'"result"' in head:
        return "reply"
    if b'"code"' in head or b'"error"' in head:
        return "error"
    return "list" if b'"data":[' in head else "unknown"
