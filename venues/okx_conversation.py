"""What is said on a connection to OKX: one request for each instrument, answered by its id or its arguments.

A book's snapshot comes only as the answer to a subscription: to renew it, the subscription is ended and, once that was
answered, begun again. Text frames `ping` and `pong` are the signs of life. The venue tells before it closes a
connection for an upgrade, with notice 64008.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from market.dialect import CONFIRMED, DATA, LEAVING, RECONNECT, REFUSED, Conversation
from venues.okx_reading import UPGRADE_NOTICE, Envelope, envelopes

PING: Final = b"ping"
BOOK: Final = "books"
CHANNELS: Final = (BOOK, "trades")
TOO_MANY_REQUESTS: Final = "60014"

_EVENT: Final = b'"event"'
_FIRST_BYTES: Final = 64
# An error comes soon after its request.
_MOST_REMEMBERED: Final = 1_000
# An error names what it is about in its words alone.
_INSTRUMENT: Final = re.compile(r"""instId["\s]*:\s*"?([A-Za-z0-9_-]+)""")


class OkxConversation(Conversation):
    """One connection's requests and what became of them."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self._requests = 0
        # The instrument that each request is about, and those whose book is to be begun again.
        self._symbols: dict[str, str] = {}
        self._renewed: dict[str, str] = {}

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """The book and the trades of each instrument."""
        return [self._request("subscribe", symbol, CHANNELS) for symbol in venue_symbols]

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """End what `open` began."""
        return [self._request("unsubscribe", symbol, CHANNELS) for symbol in venue_symbols]

    def renew(self, venue_symbol: str) -> list[bytes]:
        """End the book's subscription; it is begun again when that was answered."""
        request = self._request("unsubscribe", venue_symbol, (BOOK,))
        self._renewed[venue_symbol] = str(self._requests)
        return [request]

    def hear(self, frame: bytes) -> int:
        """What an event means; of data only the first bytes are looked at."""
        if frame.find(_EVENT, 0, _FIRST_BYTES) < 0:
            return DATA
        try:
            envelope = envelopes.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return DATA
        event = envelope.event
        self.venue_symbol = envelope.arg.instrument
        self.cause = f"{envelope.arg.channel} {envelope.arg.instrument}"
        if event == "subscribe":
            return CONFIRMED
        if event == "unsubscribe":
            if envelope.arg.channel == BOOK:
                self._begin_again(self.venue_symbol)
            return DATA
        self.cause = f"{envelope.code}: {envelope.msg}"
        if event == "notice":
            return LEAVING if envelope.code == UPGRADE_NOTICE else DATA
        return self._hear_error(envelope) if event == "error" else DATA

    def sign_of_life(self) -> bytes:
        """What the venue answers with `pong`."""
        return PING

    def _hear_error(self, envelope: Envelope) -> int:
        if envelope.code == TOO_MANY_REQUESTS:
            return RECONNECT
        named = _INSTRUMENT.search(envelope.msg)
        symbol = self._symbols.get(envelope.id, "") or (named.group(1) if named else "")
        self.venue_symbol = symbol
        # The end of a subscription that there was not: it can be begun as well.
        renewal = self._renewed.get(symbol)
        if renewal is not None and envelope.id in (renewal, ""):
            self._begin_again(symbol)
            return DATA
        return REFUSED

    def _begin_again(self, symbol: str) -> None:
        if self._renewed.pop(symbol, None) is not None:
            self.replies.append(self._request("subscribe", symbol, (BOOK,)))

    def _request(self, operation: str, symbol: str, channels: Sequence[str]) -> bytes:
        self._requests += 1
        number = str(self._requests)
        self._symbols[number] = symbol
        if len(self._symbols) > _MOST_REMEMBERED:
            del self._symbols[next(iter(self._symbols))]
        arguments = [{"channel": channel, "instId": symbol} for channel in channels]
        return msgspec.json.encode({"id": number, "op": operation, "args": arguments})
