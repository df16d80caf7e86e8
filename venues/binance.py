"""Binance spot: what it sends and what is sent to it, raw and combined streams, in both directions.

Subscribed are the changes of the book every 100 ms, every trade, and the best prices. The bytes in the venue's usual
spelling are read by `venues/binance_scan.py`; any other spelling of the same message is read by
`venues/binance_reading.py`, to the same values, and what is no message of the venue is a `BadFrame`. The book's rule is
told at the head of `venues/binance_book.py`. `docs/venues/binance.md` has limits, fees and what is not verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from market.dialect import MOST_KEPT_BYTES, PIECE_BYTES, Conversation, Decoder, Encoder
from market.instruments import Instrument
from market.numbers import format_decimal
from venues.binance_book import MOST_BUFFERED
from venues.binance_cut import cut_frame
from venues.binance_markets import SpotDecoder
from venues.binance_metadata import read_instruments
from venues.binance_reading import read_carefully, read_piece_carefully, read_snapshot_carefully, snapshot_levels
from venues.binance_scan import NANOSECONDS, FrameScan
from venues.binance_words import USUAL_BEGINNING, BinanceConversation, symbol_at_a_glance, type_at_a_glance
from venues.facts import Venue, VenueFacts, asked_symbol

# The venue writes every price and size with eight decimal places, whatever the tick.
_WIRE_PLACES: Final = 8

CHANNELS: Final = ("depth@100ms", "trade", "bookTicker")
AUDIT_LEVELS: Final = 100


def with_path(base: str, path: str) -> str:
    """An address with this path, unless it has one of a stream already."""
    base = base.rstrip("/")
    return base if base.endswith(("/stream", "/ws")) else base + path


class BinanceSpot(Venue):
    """The dialect of Binance spot."""

    usual_beginning: ClassVar[tuple[bytes, bytes]] = USUAL_BEGINNING

    facts = VenueFacts(
        title="Binance spot",
        docs="developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
        stream_url="wss://stream.binance.com:9443",
        rest_url="https://api.binance.com",
        connects=300,
        connects_per_s=300.0,
        requests=5,
        requests_per_s=1.0,
        instruments_per_connection=1024 // len(CHANNELS),
        silence_s=60.0,
        life_s=24 * 3600.0,
        rest_weight=6_000,
        rest_per_s=60.0,
        snapshot_weight=250,
        audit_weight=5,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "binance"

    def url(self, venue_symbols: Sequence[str], base: str = "") -> str:
        """The combined stream, to which the connection then subscribes; a base is scheme, host and port."""
        return with_path(base or self.facts.stream_url, "/stream")

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return BinanceConversation(CHANNELS)

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """The depth request; the venue takes 1 to 5000 levels."""
        return f"/api/v3/depth?symbol={asked_symbol(venue_symbol)}&limit={min(max(levels, 1), 5000)}"

    def metadata_paths(self) -> tuple[str, ...]:
        """One request tells all instruments."""
        return ("/api/v3/exchangeInfo",)

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """Every pair that the answer lists, with the fees of the lowest tier."""
        return read_instruments(bodies[0], self.venue, first_id, "10", "10")

    def audit_path(self, venue_symbol: str) -> str:
        """The best levels, at the lowest weight."""
        return self.snapshot_path(venue_symbol, AUDIT_LEVELS)

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of the answer, best first, or a `BadFrame`."""
        return snapshot_levels(body, price_scale, size_scale)

    def venue_symbol(self, frame: bytes) -> str:
        """The symbol, from the stream's name in a combined frame, else from the payload; empty when there is none."""
        return symbol_at_a_glance(frame)

    def message_type(self, frame: bytes) -> str:
        """The event's name; of what has none, what it looks like."""
        return type_at_a_glance(frame)

    def cut(self, frame: bytes, kind: int, most_bytes: int = PIECE_BYTES) -> list[bytes]:
        """A depth event or a snapshot in the venue's own spelling, cut between two levels."""
        return cut_frame(frame, kind, most_bytes)

    def decoder(
        self,
        venue_symbol: str,
        price_scale: int,
        size_scale: int,
        most_buffered: int = MOST_BUFFERED,
        most_kept_bytes: int = MOST_KEPT_BYTES,
    ) -> Decoder:
        """A new decoder for one symbol; so many events and bytes wait for a snapshot at most."""
        scan = FrameScan(venue_symbol, price_scale, size_scale)
        return SpotDecoder(
            scan, read_carefully, read_snapshot_carefully, read_piece_carefully, most_buffered, most_kept_bytes
        )

    def encoder(self, venue_symbol: str, price_scale: int, size_scale: int, combined: bool = True) -> Encoder:
        """A new encoder for one symbol, of combined frames unless told otherwise."""
        return BinanceEncoder(venue_symbol, price_scale, size_scale, combined)


class BinanceEncoder(Encoder):
    """Writes the frames that the venue would send for one symbol."""

    def __init__(self, venue_symbol: str, price_scale: int, size_scale: int, combined: bool) -> None:
        """Write for this symbol from integers of these scales, wrapped as the combined stream does or bare."""
        self._symbol = venue_symbol
        self._price_scale = price_scale
        self._size_scale = size_scale
        self._combined = combined

    def depth(
        self,
        event_ns: int,
        first_update_id: int,
        last_update_id: int,
        bids: Sequence[tuple[int, int]],
        asks: Sequence[tuple[int, int]],
    ) -> bytes:
        """A depthUpdate event."""
        payload = (
            f'{{"e":"depthUpdate","E":{event_ns // NANOSECONDS},"s":"{self._symbol}","U":{first_update_id},'
            f'"u":{last_update_id},"b":{self._levels(bids)},"a":{self._levels(asks)}}}'
        )
        return self._wrapped("depth@100ms", payload)

    def trade(self, event_ns: int, trade_id: int, price: int, size: int, aggressor_side: int) -> bytes:
        """A trade event; its trade time is the event's."""
        milliseconds = event_ns // NANOSECONDS
        payload = (
            f'{{"e":"trade","E":{milliseconds},"s":"{self._symbol}","t":{trade_id},'
            f'"p":"{_on_the_wire(price, self._price_scale)}","q":"{_on_the_wire(size, self._size_scale)}",'
            f'"T":{milliseconds},"m":{"true" if aggressor_side < 0 else "false"},"M":true}}'
        )
        return self._wrapped("trade", payload)

    def snapshot(
        self, update_id: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]
    ) -> bytes:
        """The body of the answer to a depth request."""
        body = f'{{"lastUpdateId":{update_id},"bids":{self._levels(bids)},"asks":{self._levels(asks)}}}'
        return body.encode()

    def _levels(self, levels: Sequence[tuple[int, int]]) -> str:
        price_scale, size_scale = self._price_scale, self._size_scale
        written = [
            f'["{_on_the_wire(price, price_scale)}","{_on_the_wire(size, size_scale)}"]' for price, size in levels
        ]
        return f"[{','.join(written)}]"

    def _wrapped(self, channel: str, payload: str) -> bytes:
        if not self._combined:
            return payload.encode()
        return f'{{"stream":"{self._symbol.lower()}@{channel}","data":{payload}}}'.encode()


def _on_the_wire(value: int, scale: int) -> str:
    if scale >= _WIRE_PLACES:
        return format_decimal(value, scale)
    return format_decimal(value * 10 ** (_WIRE_PLACES - scale), _WIRE_PLACES)
