"""Bitfinex: books, trades and best prices by the numbers of channels, over a connection whose frames are numbered.

What is particular: frames name a channel, not an instrument, and channels get new numbers with every subscription; the
numbers that continuity is seen by go over all channels of a connection, signs of life included, so that one missing
frame makes every book of it void; levels are JSON numbers with a count, and a count of 0 removes; there is no tick, for
prices have five digits that count. The venue keeps each side at the depth that was asked for, and sends the removals.
Trades are taken as executed (`te`); the same again (`tu`) and those of the past are not. Best prices come with sizes of
many levels together, which are left out. `docs/venues/bitfinex.md` has limits, fees and what is not verified.
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
    PIECE_BYTES,
    RECONNECT,
    REFUSED,
    BadFrame,
    Conversation,
    Decoder,
    Router,
)
from market.instruments import Instrument
from venues.bitfinex_book import BitfinexDecoder, BitfinexRouter
from venues.bitfinex_reading import (
    CHECKSUMS,
    MAINTENANCE_BEGINS,
    MAINTENANCE_ENDS,
    RESTARTING,
    SEQUENCED,
    BitfinexEvent,
    audit_levels,
    read_array,
    read_carefully,
    read_event,
)
from venues.bitfinex_scan import BitfinexScan
from venues.facts import Venue, VenueFacts, asked_symbol

FLAGS: Final = SEQUENCED + CHECKSUMS
CHANNELS: Final = ("book", "trades", "ticker")
DEPTHS: Final = (1, 25, 100, 250)
CHANNELS_PER_CONNECTION: Final = 25
# Prices have five digits that count, wherever the dot is: of the smallest prices five places are lost in zeros.
PRICE_SCALE: Final = 10
SIZE_SCALE: Final = 8
_NAME_LENGTH: Final = 3
# What the venue calls otherwise than the others.
_COMMON: Final = {"UST": "USDT"}
_LEAST_SIZE_PLACE: Final = 3

_events = msgspec.json.Decoder(BitfinexEvent)
_pair_lists = msgspec.json.Decoder(list[list[str]])
_pair_details = msgspec.json.Decoder(list[list[tuple[str, list[str | None]]]])


class BitfinexConversation(Conversation):
    """One connection's subscriptions, and the numbers that the venue gave their channels."""

    def __init__(self, depth: int) -> None:
        """Ask for books of so many levels a side."""
        super().__init__()
        self._depth = depth
        self._number_of: dict[tuple[str, str], int] = {}
        self._named: dict[int, tuple[str, str]] = {}
        # Books that are subscribed to anew once their end was confirmed.
        self._renewed: set[int] = set()

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Frames with numbers and checksums, then book, trades and best prices of every instrument."""
        requests = [msgspec.json.encode({"event": "conf", "flags": FLAGS})]
        return requests + [self._subscribe(symbol, channel) for symbol in venue_symbols for channel in CHANNELS]

    def _subscribe(self, symbol: str, channel: str) -> bytes:
        request = {"event": "subscribe", "channel": channel, "symbol": symbol}
        if channel == "book":
            request |= {"prec": "P0", "freq": "F0", "len": str(self._depth)}
        return msgspec.json.encode(request)

    def renew(self, venue_symbol: str) -> list[bytes]:
        """End the book's subscription; it is begun again when the end was confirmed."""
        number = self._number_of.get((venue_symbol, "book"))
        if number is None:
            return [self._subscribe(venue_symbol, "book")]
        if number in self._renewed:
            return []
        self._renewed.add(number)
        return [_unsubscribe(number)]

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """End every subscription of these instruments that was confirmed."""
        gone = frozenset(venue_symbols)
        return [_unsubscribe(number) for (symbol, _), number in self._number_of.items() if symbol in gone]

    def hear(self, frame: bytes) -> int:
        """What an event means for the connection; arrays are data."""
        if not frame.startswith(b"{"):
            return DATA
        try:
            event = _events.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return DATA
        self.venue_symbol = event.symbol
        if event.event == "subscribed":
            self._number_of[event.symbol, event.channel] = event.chan_id
            self._named[event.chan_id] = (event.symbol, event.channel)
            self.cause = f"{event.channel} of {event.symbol}"
            return CONFIRMED
        if event.event == "unsubscribed":
            return self._hear_end(event)
        if event.event == "error":
            self.cause = f"{event.channel} {event.symbol}: refused with code {event.code}: {event.msg}".strip()
            return REFUSED
        if event.event == "conf" and (event.status != "OK" or event.flags & SEQUENCED == 0):
            self.cause = "the venue does not number the frames of this connection"
            return RECONNECT
        return self._hear_info(event) if event.event == "info" else DATA

    def _hear_end(self, event: BitfinexEvent) -> int:
        symbol, channel = self._named.pop(event.chan_id, ("", ""))
        self._number_of.pop((symbol, channel), None)
        if event.chan_id in self._renewed:
            self._renewed.remove(event.chan_id)
            self.replies.append(self._subscribe(symbol, channel))
        return DATA

    def _hear_info(self, event: BitfinexEvent) -> int:
        if event.code == RESTARTING:
            self.cause = "the venue restarts and wants a new connection"
            return RECONNECT
        if event.code == MAINTENANCE_BEGINS or (event.platform or {}).get("status") == 0:
            self.cause = event.msg or "the venue is in maintenance"
            return MAINTENANCE
        if event.code == MAINTENANCE_ENDS:
            self.cause = event.msg or "the maintenance has ended"
            return BACK
        return DATA


class Bitfinex(Venue):
    """The dialect of Bitfinex."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
    is_numbered_by_book: ClassVar[bool] = False
    default_depth: ClassVar[int] = 100

    facts = VenueFacts(
        title="Bitfinex",
        docs="docs.bitfinex.com/docs/ws-general",
        stream_url="wss://api-pub.bitfinex.com/ws/2",
        rest_url="https://api-pub.bitfinex.com/v2",
        connects=20,
        connects_per_s=60.0,
        instruments_per_connection=CHANNELS_PER_CONNECTION // len(CHANNELS),
        # A channel without news says so every 15 seconds.
        silence_s=40.0,
        rest_weight=30,
        rest_per_s=60.0,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "bitfinex"

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return BitfinexConversation(next((depth for depth in DEPTHS if depth >= self.depth), DEPTHS[-1]))

    def router(self) -> Router:
        """Who the frames of a new connection are for, and whether one is missing."""
        return BitfinexRouter(self, read_event, read_array)

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """The stream itself brings snapshots."""
        return ""

    def venue_symbol(self, frame: bytes) -> str:
        """Only events name an instrument; of the rest the router knows whose they are."""
        if not frame.startswith(b"{"):
            return ""
        return read_event(frame)[2]

    def message_type(self, frame: bytes) -> str:
        """The event's name, or what the array's form says it is."""
        if frame.startswith(b"{"):
            return read_event(frame)[0] or "unknown"
        head = frame[:80].replace(b" ", b"")
        _, _, body = head.partition(b",")
        if not head.startswith(b"[") or not body:
            return "unknown"
        if body.startswith(b'"'):
            return body[1:].partition(b'"')[0].decode("ascii", "replace")
        commas = body.lstrip(b"[").partition(b"]")[0].count(b",")
        if body.startswith(b"[["):
            return "book snapshot" if commas == 2 else "trades snapshot"
        if body.startswith(b"["):
            return "book" if commas == 2 else "ticker"
        return "unknown"

    def cut(self, frame: bytes, kind: int, most_bytes: int = PIECE_BYTES) -> list[bytes]:
        """Nothing: the number of a frame is at its end, and the largest book fits what is taken whole."""
        return []

    def metadata_paths(self) -> tuple[str, ...]:
        """The pairs that are traded, and the smallest order of each."""
        return ("/conf/pub:list:pair:exchange", "/conf/pub:info:pair")

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """Every spot pair of the list, without fees; of the details, where they are given, the smallest order."""
        try:
            pairs = _pair_lists.decode(bodies[0])[0]
            details = _pair_details.decode(bodies[1])[0] if len(bodies) > 1 else []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
            raise BadFrame(f"no list of pairs: {error}", bodies[0] if bodies else b"") from error
        least = {pair: rules[_LEAST_SIZE_PLACE] for pair, rules in details if len(rules) > _LEAST_SIZE_PLACE}
        found: list[Instrument] = []
        for pair in pairs:
            base, quote = _split(pair)
            if not base or not quote:
                continue
            try:
                found.append(_instrument(pair, base, quote, first_id + len(found), least.get(pair) or "0"))
            except ValueError:  # an `InstrumentError`, or text that is no number
                continue
        return found

    def audit_path(self, venue_symbol: str) -> str:
        """The best 25 levels a side."""
        return f"/book/{asked_symbol(venue_symbol)}/P0?len=25"

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of the answer, best first, or a `BadFrame`."""
        return audit_levels(body, price_scale, size_scale)

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one symbol."""
        return BitfinexDecoder(BitfinexScan(venue_symbol, price_scale, size_scale), read_carefully)


def _unsubscribe(number: int) -> bytes:
    return msgspec.json.encode({"event": "unsubscribe", "chanId": number})


def _split(pair: str) -> tuple[str, str]:
    """Base and quote: three letters each, or parted by a colon."""
    base, colon, quote = pair.partition(":")
    if not colon:
        base, quote = pair[:_NAME_LENGTH], pair[_NAME_LENGTH:]
    return _COMMON.get(base, base), _COMMON.get(quote, quote)


def _instrument(pair: str, base: str, quote: str, instrument_id: int, minimum_size: str) -> Instrument:
    """A pair; without a tick of the venue's its tick is the smallest number that its prices may have."""
    return Instrument.from_text(
        instrument_id=instrument_id,
        symbol=f"{base}/{quote}",
        venue="bitfinex",
        venue_symbol=f"t{pair}",
        base=base,
        quote=quote,
        kind="spot",
        tick="0.0000000001",
        lot="0.00000001",
        minimum_size=minimum_size,
        price_scale=PRICE_SCALE,
        size_scale=SIZE_SCALE,
    )
