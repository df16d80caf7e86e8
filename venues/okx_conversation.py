"""What is said on a connection to OKX: one request for each instrument, answered by its id or its arguments.

A book's snapshot comes only as the answer to a subscription: to renew it, the subscription is ended and, once that was
answered, begun again, with all that was refused before. Text frames `ping` and `pong` are the signs of life. The venue
tells before it closes a connection for an upgrade, with notice 64008.
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
_CHANNEL: Final = re.compile(r"""channel["\s]*:\s*"?([A-Za-z0-9_-]+)""")


class OkxConversation(Conversation):
    """One connection's requests and what became of them."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self._requests = 0
        # Of each request: the instrument, and what it subscribes to, as far as that is not confirmed.
        self._asked: dict[str, tuple[str, tuple[str, ...]]] = {}
        # The channels of each instrument that were refused, and not confirmed since.
        self._refused: dict[str, set[str]] = {}
        # The request by which the book of an instrument is ended, to be begun again.
        self._renewed: dict[str, str] = {}

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """The book and the trades of each instrument."""
        return [self._request("subscribe", symbol, CHANNELS) for symbol in venue_symbols]

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """End what `open` began."""
        return [self._request("unsubscribe", symbol, CHANNELS) for symbol in venue_symbols]

    def renew(self, venue_symbol: str) -> list[bytes]:
        """End the book's subscription; it is begun again when that was answered, with all that was refused before."""
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
            self._confirm(envelope)
            return CONFIRMED
        if event == "unsubscribe":
            self._asked.pop(envelope.id, None)
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

    def _confirm(self, envelope: Envelope) -> None:
        channel = envelope.arg.channel
        self._refused.get(envelope.arg.instrument, set()).discard(channel)
        symbol, channels = self._asked.pop(envelope.id, ("", ()))
        left = tuple(one for one in channels if one != channel)
        if left:
            self._asked[envelope.id] = (symbol, left)

    def _hear_error(self, envelope: Envelope) -> int:
        if envelope.code == TOO_MANY_REQUESTS:
            return RECONNECT
        named = _INSTRUMENT.search(envelope.msg)
        symbol, channels = self._asked.get(envelope.id, ("", CHANNELS))
        symbol = symbol or (named.group(1) if named else "")
        self.venue_symbol = symbol
        # The end of a subscription that there was not: it can be begun as well.
        renewal = self._renewed.get(symbol)
        if renewal is not None and envelope.id in (renewal, ""):
            self._begin_again(symbol)
            return DATA
        if symbol:
            told = _CHANNEL.search(envelope.msg)
            refused = {told.group(1)} if told else set(channels)
            self._refused.setdefault(symbol, set()).update(refused.intersection(channels))
        return REFUSED

    def _begin_again(self, symbol: str) -> None:
        if self._renewed.pop(symbol, None) is not None:
            lacking = self._refused.get(symbol, set())
            wanted = [channel for channel in CHANNELS if channel == BOOK or channel in lacking]
            # Each by itself: what is refused must not take the others with it.
            self.replies += [self._request("subscribe", symbol, (channel,)) for channel in wanted]

    def _request(self, operation: str, symbol: str, channels: Sequence[str]) -> bytes:
        self._requests += 1
        number = str(self._requests)
        self._asked[number] = (symbol, tuple(channels) if operation == "subscribe" else ())
        if len(self._asked) > _MOST_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        arguments = [{"channel": channel, "instId": symbol} for channel in channels]
        return msgspec.json.encode({"id": number, "op": operation, "args": arguments})
