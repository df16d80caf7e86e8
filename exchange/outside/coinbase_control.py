"""One WebSocket client of Coinbase's protocol: what it asks for, the channels that it has, its count of frames.

Every frame that goes out has the next number of the connection, whatever its channel; an error has none. After the
snapshots of a subscription comes the list of everything that is subscribed. It waits for nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from exchange.outside.coinbase_frames import Told, encode, subscriptions_event
from exchange.outside.coinbase_params import CoinbaseParams
from exchange.outside.coinbase_streams import CHANNELS, HEARTBEATS, OF_PRODUCTS, STATUS, Streams
from exchange.outside.sockets import CLOSE_POLICY, Socket, text_frame
from runtime.clock import Clock

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
MOST_PRODUCTS: Final = 1_000
SUBSCRIPTIONS: Final = "subscriptions"

_decode: Final = msgspec.json.Decoder().decode


class Refused(Exception):
    """A request that cannot be served; the message is what the client reads."""


class CoinbaseSession:
    """See the head of this file; it is a `SocketSession`, and a `Member` of its channels."""

    def __init__(self, streams: Streams, socket: Socket, clock: Clock, params: CoinbaseParams) -> None:
        self._streams = streams
        self._socket = socket
        self._clock = clock
        self._sequence = 0
        self._names: dict[str, dict[str, None]] = {}
        # Until it has subscribed to something.
        self._until_ns = clock.now_ns() + params.subscribe_ms * NANOSECONDS_PER_MILLISECOND
        self._is_new = True
        streams.clients[self] = None

    def tell(self, told: Told) -> None:
        """Take a frame."""
        self._socket.send(text_frame(told.payload(self._sequence)))
        self._sequence += 1

    def beat(self) -> None:
        """A client that does not say what it wants does not stay."""
        if self._is_new and self._clock.now_ns() >= self._until_ns:
            self._socket.cut(CLOSE_POLICY, "subscribe within 5 seconds of connecting")

    def receive(self, text: str) -> None:
        """Answer a request."""
        try:
            kind, channel, products = self._read(text)
        except Refused as refused:
            self._socket.send_text(encode({"type": "error", "message": str(refused)}))
            return
        if kind == "subscribe":
            self._is_new = False
            self._subscribe(channel, products)
        else:
            self._unsubscribe(channel, products)
        event = subscriptions_event(self._names)
        self.tell(Told(SUBSCRIPTIONS, event, self._clock.now_ns()))

    def leave(self) -> None:
        """The connection is over."""
        for channel, names in list(self._names.items()):
            self._unsubscribe(channel, list(names))
        self._streams.clients.pop(self, None)

    # ---- requests

    def _read(self, text: str) -> tuple[str, str, list[str]]:
        """What is asked: its kind, a channel, and the products."""
        try:
            request = _decode(text)
        except (msgspec.DecodeError, RecursionError):
            raise Refused("failed to parse message: it is no JSON") from None
        kind = request.get("type") if isinstance(request, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            raise Refused("type must be subscribe or unsubscribe")
        channel = request.get("channel")
        if channel not in CHANNELS:
            raise Refused(f"channel is not valid: choose one of {', '.join(CHANNELS)}")
        if channel not in OF_PRODUCTS:
            return kind, channel, [channel]
        products = request.get("product_ids", [])
        if not isinstance(products, list) or len(products) > MOST_PRODUCTS:
            raise Refused("product_ids must be a list of products")
        known = self._streams.products
        for name in products:
            if not isinstance(name, str) or name not in known:
                raise Refused(f"product_ids has an unknown product: {str(name)[:64]}")
        return kind, channel, list(dict.fromkeys(products or known))

    def _subscribe(self, channel: str, products: list[str]) -> None:
        """Have what is new, and get its snapshots."""
        names = self._names.setdefault(channel, {})
        streams = self._streams
        new = [name for name in products if name not in names]
        names.update(dict.fromkeys(new))
        if channel == HEARTBEATS:
            streams.heartbeat_members[self] = None
        elif channel == STATUS:
            if new:
                streams.status_members[self] = None
                self.tell(streams.status())
        else:
            for name in new:
                told = streams.join((channel, name), self).snapshot()
                if told is not None:
                    self.tell(told)

    def _unsubscribe(self, channel: str, products: list[str]) -> None:
        """Give up what it has; the rest is passed over."""
        names = self._names.get(channel, {})
        for name in products:
            if name not in names:
                continue
            del names[name]
            if channel == HEARTBEATS:
                self._streams.heartbeat_members.pop(self, None)
            elif channel == STATUS:
                self._streams.status_members.pop(self, None)
            else:
                self._streams.part((channel, name), self)
        if not names:
            self._names.pop(channel, None)
