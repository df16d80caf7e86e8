"""Kraken spot over WebSocket v2: what it sends and what is sent to it.

What is particular here. There are no sequence numbers: each change carries a CRC-32 of the ten best levels a side, and
that is the whole rule of continuity. The venue sends no delete for a level that falls out of the depth, so each side is
cut to the depth before the checksum is made (`venues/kraken_book.py`). Prices and sizes are JSON numbers, read from
their text; the instrument's scales must be the pair's `pair_decimals` and `lot_decimals`, or no checksum agrees. Every
symbol of a request is answered by itself, so one that is refused harms no other. A book that is lost begins anew by
ending its subscription, with the same depth, and beginning it again once that is confirmed. Update ids stay 0, and two
connections cannot be compared by them.

Frames in the venue's usual spelling are read by `venues/kraken_scan.py`, any other by `venues/kraken_reading.py` to
the same values. Not verified: that 150 connections in ten minutes are the limit, which texts refusals may have beside
`Currency pair not supported`, and whether numbers come with the zeros at their end; both are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from market.dialect import (
    BACK,
    BY_SUBSCRIPTION,
    CONFIRMED,
    DATA,
    MAINTENANCE,
    REFUSED,
    Conversation,
    Decoder,
)
from venues.facts import VenueFacts
from venues.kraken_book import KrakenDecoder
from venues.kraken_reading import UNREADABLE, Envelope, envelopes, read_carefully, statuses
from venues.kraken_requests import KrakenRequests
from venues.kraken_scan import KrakenV2Scan

DEPTHS: Final = (10, 25, 100, 500, 1000)
MOST_SYMBOLS: Final = 50
"""So many symbols are named in one request; the venue documents no limit, and each is answered by itself."""
MAINTENANCE_STATE: Final = "maintenance"
MOST_REMEMBERED: Final = 1_000
"""An answer comes soon after its request: of the subscriptions without one so many are remembered."""

# How frames of data and signs of life begin; of these the conversation makes nothing.
_SILENT: Final = (b'{"channel":"book"', b'{"channel":"heartbeat"', b'{"channel":"trade"', b'{"channel":"ticker"')
_MOST_GLANCE_BYTES: Final = 320
_MOST_FIELD_BYTES: Final = 64
_TYPE_KEY: Final = b'"type":"'
_SYMBOL_KEY: Final = b'"symbol":"'
_PAIR_NOT_SUPPORTED: Final = "Currency pair not supported "
_REFUSAL_KEY: Final = b'"error":"' + _PAIR_NOT_SUPPORTED.encode()


class KrakenConversation(Conversation):
    """Books and trades of some symbols on one connection."""

    def __init__(self, depth: int) -> None:
        """Ask for books of this depth."""
        super().__init__()
        self._depth = depth
        self._requests = 0
        # The books whose subscription is being ended so that it can begin anew, and the request that asked for that.
        self._renewing: dict[str, int] = {}
        # Of the subscriptions that are not answered for all of their symbols: what for, and how many are left.
        self._asked: dict[int, tuple[str, int]] = {}
        # The channels of each symbol that were refused, and not confirmed since.
        self._refused: dict[str, set[str]] = {}
        self._is_in_maintenance = False

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Subscribe to the books and the trades, so many symbols at a time."""
        return [
            self._request("subscribe", channel, venue_symbols[first : first + MOST_SYMBOLS])
            for first in range(0, len(venue_symbols), MOST_SYMBOLS)
            for channel in ("book", "trade")
        ]

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """End what `open` began."""
        return [
            self._request("unsubscribe", channel, venue_symbols[first : first + MOST_SYMBOLS])
            for first in range(0, len(venue_symbols), MOST_SYMBOLS)
            for channel in ("book", "trade")
        ]

    def renew(self, venue_symbol: str) -> list[bytes]:
        """End the book's subscription; what begins it again comes by `replies` once the venue has confirmed.

        All that was refused before is asked for with it.
        """
        request = self._request("unsubscribe", "book", [venue_symbol])
        self._renewing[venue_symbol] = self._requests
        return [request]

    def sign_of_life(self) -> bytes:
        """A ping, which the venue answers; it asks for none while its heartbeats flow."""
        self._requests += 1
        return msgspec.json.encode({"method": "ping", "req_id": self._requests})

    def hear(self, frame: bytes) -> int:
        """Replies and the venue's status mean something here; data does not."""
        if frame.startswith(_SILENT):
            return DATA
        try:
            envelope = envelopes.decode(frame)
            if envelope.channel == "status":
                return self._hear_status([one.system for one in statuses.decode(envelope.data)])
        except UNREADABLE:
            # The decoder tells what is wrong with it.
            return DATA
        if envelope.method == "subscribe":
            return self._hear_subscribed(envelope)
        if envelope.method == "unsubscribe":
            return self._hear_unsubscribed(envelope)
        if envelope.error:
            self.cause, self.venue_symbol = envelope.error, envelope.symbol
            return REFUSED
        return DATA

    def _hear_status(self, systems: list[str]) -> int:
        if not systems:
            return DATA
        # Where only some orders are taken, books go on all the same.
        before, self._is_in_maintenance = self._is_in_maintenance, systems[-1] == MAINTENANCE_STATE
        self.cause = f"the venue's system is {systems[-1]}"
        if self._is_in_maintenance:
            return MAINTENANCE
        return BACK if before else DATA

    def _hear_subscribed(self, reply: Envelope) -> int:
        channel = self._answered(reply.req_id)
        if reply.success and reply.result is not None:
            self._refused.get(reply.result.symbol, set()).discard(reply.result.channel)
            self.venue_symbol = reply.result.symbol
            self.cause = f"{reply.result.channel} {reply.result.symbol}"
            return CONFIRMED
        self.venue_symbol = reply.symbol
        if not self.venue_symbol and reply.error.startswith(_PAIR_NOT_SUPPORTED):
            self.venue_symbol = reply.error[len(_PAIR_NOT_SUPPORTED) :].strip()
        self.cause = reply.error
        if channel and self.venue_symbol:
            self._refused.setdefault(self.venue_symbol, set()).add(channel)
        return REFUSED

    def _answered(self, request_id: int | None) -> str:
        """The channel of a subscription, of which one more symbol was answered; empty when it is not known."""
        channel, left = self._asked.pop(request_id or 0, ("", 0))
        if left > 1:
            self._asked[request_id or 0] = (channel, left - 1)
        return channel

    def _hear_unsubscribed(self, reply: Envelope) -> int:
        """Where a book is being renewed, begin it again: whether it was ended now or, by a refusal, before."""
        symbol = reply.symbol
        if reply.result is not None:
            if reply.result.channel not in ("book", ""):
                return DATA
            symbol = reply.result.symbol or symbol
        if not symbol:
            symbol = next((name for name, number in self._renewing.items() if number == reply.req_id), "")
        if self._renewing.pop(symbol, None) is not None:
            self.replies.append(self._request("subscribe", "book", [symbol]))
            for channel in sorted(self._refused.get(symbol, set()) - {"book"}):
                self.replies.append(self._request("subscribe", channel, [symbol]))
        return DATA

    def _request(self, method: str, channel: str, venue_symbols: Sequence[str]) -> bytes:
        self._requests += 1
        params: dict[str, object] = {"channel": channel, "symbol": list(venue_symbols)}
        if channel == "book":
            params["depth"] = self._depth
        if method == "subscribe":
            self._asked[self._requests] = (channel, len(venue_symbols))
            if len(self._asked) > MOST_REMEMBERED:
                del self._asked[next(iter(self._asked))]
            params["snapshot"] = channel == "book"
        return msgspec.json.encode({"method": method, "params": params, "req_id": self._requests})


class Kraken(KrakenRequests):
    """Kraken spot, WebSocket v2."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
    sees_missing: ClassVar[bool] = False
    beside_books: ClassVar[tuple[str, ...]] = (
        "heartbeat", "status", "instrument", "trade", "ticker", "ohlc", "subscribe", "unsubscribe", "pong",
    )  # fmt: skip
    is_numbered_by_book: ClassVar[bool] = False
    usual_beginning: ClassVar[tuple[bytes, bytes]] = (b'{"channel":"book","type":"update","data":[{"symbol":"', b'"')
    default_depth: ClassVar[int] = 100
    depths: ClassVar[tuple[int, ...]] = DEPTHS

    facts = VenueFacts(
        title="Kraken spot (WebSocket v2)",
        docs="docs.kraken.com/api/docs/websocket-v2/book",
        stream_url="wss://ws.kraken.com/v2",
        rest_url="https://api.kraken.com",
        connects=150,
        connects_per_s=600.0,
        silence_s=5.0,
        rest_weight=1,
        rest_per_s=1.0,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "kraken"

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return KrakenConversation(self.depth)

    def venue_symbol(self, frame: bytes) -> str:
        """The symbol of a book, trade, ticker, reply or refusal; empty when there is none near the beginning."""
        if frame.startswith((b'{"channel":"instrument"', b'{"channel":"status"')):
            return ""
        return _field(frame, _SYMBOL_KEY, _MOST_GLANCE_BYTES) or _field(frame, _REFUSAL_KEY, _MOST_GLANCE_BYTES)

    def message_type(self, frame: bytes) -> str:
        """The channel and the type, such as `book update`, or the method of a reply."""
        channel = _field(frame, b'"channel":"', 24)
        method = _field(frame, b'"method":"', _MOST_GLANCE_BYTES)
        if channel and not method:
            kind = _field(frame, _TYPE_KEY, 64)
            return f"{channel} {kind}".rstrip()
        return method or "unknown"

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one symbol; the scales must be the pair's `pair_decimals` and `lot_decimals`."""
        return KrakenDecoder(KrakenV2Scan(venue_symbol, price_scale, size_scale, self.depth), read_carefully)


def _field(frame: bytes, key: bytes, most_bytes: int) -> str:
    """The text behind a key near the beginning, empty when it is not there."""
    start = frame.find(key, 0, most_bytes)
    end = frame.find(b'"', start + len(key), start + len(key) + _MOST_FIELD_BYTES)
    return "" if start < 0 or end < 0 else frame[start + len(key) : end].decode("utf-8", "replace")
