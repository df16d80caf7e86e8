"""Coinbase Advanced Trade: what it sends, what is said to it, its products.

What is particular here. Every frame of a connection is counted, over all channels, in `sequence_num`: when one is
missing, all books of the connection are void, and a new connection brings new snapshots (`venues/coinbase_book.py`).
Nothing else tells whether a book is right: there is no checksum, and a change does not say what it follows. A snapshot
is the whole book, 5 MB for BTC-USD. Sides are `bid` and `offer`; a size of zero, in any spelling, ends a level. The
side of a trade is the maker's, trades come newest first, and a subscription begins with trades of the past, which are
never told as new. The time of a frame is `timestamp`, when the venue sent it; those of the single levels are not kept.

A product in USDC that is an alias has no book of its own: what is subscribed to as BTC-USDC comes as BTC-USD, so that
aliases are no instruments here.

Not verified: the texts of errors; 10 public REST requests a second; the fees, which are the announced ones of
2026-09-16 for the lowest tier in the United States.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from market.dialect import (
    BY_CONNECTION,
    CONFIRMED,
    DATA,
    PIECE_BYTES,
    REFUSED,
    BadFrame,
    Conversation,
    Decoder,
    Router,
)
from market.instruments import Instrument
from venues.coinbase_book import MOST_FRAME_BYTES, CoinbaseDecoder, CoinbaseRouter
from venues.coinbase_reading import (
    BAD,
    frames,
    number_of,
    read_carefully,
    read_piece_carefully,
    subscribed_events,
    unsigned,
)
from venues.coinbase_scan import BOOK_HEAD, END, CoinbaseScan
from venues.facts import Venue, VenueFacts, asked_symbol
from venues.listed import instrument_with_room, read_rows

CHANNELS: Final = ("heartbeats", "market_trades", "ticker", "level2")
_FIRST_UPDATE: Final = b'"updates":[{'
_BETWEEN: Final = b"},{"
_PRODUCT: Final = b'"product_id":"'
# The first event's levels begin here at the latest.
_MOST_HEAD_BYTES: Final = 512


class _Product(msgspec.Struct):
    """A product of the venue's list."""

    product_id: str
    base_currency_id: str
    quote_currency_id: str
    product_type: str
    base_increment: str | None = None
    price_increment: str | None = None
    base_min_size: str | None = None
    base_max_size: str | None = None
    quote_min_size: str | None = None
    alias: str | None = None
    status: str = ""
    is_disabled: bool = False
    trading_disabled: bool = False

    @property
    def trades(self) -> bool:
        """Whether it is a spot product that trades and has a book of its own."""
        off = self.is_disabled or self.trading_disabled
        return self.product_type == "SPOT" and self.status == "online" and not self.alias and not off


class _Products(msgspec.Struct):
    """The list of products."""

    products: list[msgspec.Raw]


class _Level(msgspec.Struct):
    """A level of a requested book."""

    price: str
    size: str


class _RequestedBook(msgspec.Struct):
    """Both sides of a requested book."""

    bids: list[_Level]
    asks: list[_Level]


class _BookAnswer(msgspec.Struct):
    """The answer to a request for a book."""

    pricebook: _RequestedBook


_lists = msgspec.json.Decoder(_Products)
_products = msgspec.json.Decoder(_Product)
_book_answers = msgspec.json.Decoder(_BookAnswer)


class CoinbaseConversation(Conversation):
    """One request for each channel; the venue answers each with all that is subscribed to by then."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self._wanted: list[str] = []

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """The signs of life first: the venue closes a connection without a request after 5 s."""
        self._wanted = list(venue_symbols)
        return [_request("subscribe", channel, venue_symbols) for channel in CHANNELS]

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """The requests that end the subscriptions of these products; the signs of life go on."""
        self._wanted = [symbol for symbol in self._wanted if symbol not in venue_symbols]
        return [_request("unsubscribe", channel, venue_symbols) for channel in CHANNELS if channel != "heartbeats"]

    def hear(self, frame: bytes) -> int:
        """A list of subscriptions confirms, or shows that a product was left out; an error refuses."""
        if frame.startswith(b'{"channel":"') and not frame.startswith(b'{"channel":"subscriptions"'):
            return DATA
        if len(frame) > PIECE_BYTES:
            return DATA
        try:
            read = frames.decode(frame)
            if read.type == "error":
                self.cause = read.message or "an error without a text"
                self.venue_symbol = next((symbol for symbol in self._wanted if symbol in self.cause), "")
                return REFUSED
            if read.channel != "subscriptions":
                return DATA
            listed: dict[str, list[str]] = {}
            for event in subscribed_events.decode(read.events):
                listed.update(event.subscriptions)
        except BAD:
            # The decoders are given it too, and tell what is wrong with it.
            return DATA
        return self._compare(listed)

    def _compare(self, listed: dict[str, list[str]]) -> int:
        """Whether each channel that is listed has every product that is wanted."""
        for channel, symbols in listed.items():
            if channel == "heartbeats":
                continue
            for symbol in self._wanted:
                if symbol not in symbols and symbol.removesuffix("C") not in symbols:
                    self.cause = f"the subscription to {channel} leaves {symbol} out"
                    self.venue_symbol = symbol
                    return REFUSED
        self.cause = "; ".join(f"{channel}: {', '.join(symbols)}" for channel, symbols in listed.items())
        self.venue_symbol = ""
        return CONFIRMED


def _request(verb: str, channel: str, venue_symbols: Sequence[str]) -> bytes:
    if channel == "heartbeats":
        return msgspec.json.encode({"type": verb, "channel": channel})
    return msgspec.json.encode({"type": verb, "product_ids": list(venue_symbols), "channel": channel})


class Coinbase(Venue):
    """The dialect of Coinbase Advanced Trade."""

    recovery: ClassVar[int] = BY_CONNECTION
    is_numbered_by_book: ClassVar[bool] = False
    most_frame_bytes: ClassVar[int] = MOST_FRAME_BYTES
    facts = VenueFacts(
        title="Coinbase Advanced Trade",
        docs="docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview",
        stream_url="wss://advanced-trade-ws.coinbase.com",
        rest_url="https://api.coinbase.com",
        connects=8,
        connects_per_s=1.0,
        requests=8,
        requests_per_s=1.0,
        # A snapshot of megabytes for each delays what comes behind it.
        instruments_per_connection=4,
        silence_s=5.0,
        compression=True,
        most_message_bytes=MOST_FRAME_BYTES,
        rest_weight=10,
        rest_per_s=1.0,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "coinbase"

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return CoinbaseConversation()

    def router(self) -> Router:
        """Who the frames of a new connection are for, and whether one is missing."""
        return CoinbaseRouter(self, number_of)

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """None: the stream brings it."""
        return ""

    def venue_symbol(self, frame: bytes) -> str:
        """The product that the frame names first, empty when it names none."""
        start = frame.find(_PRODUCT, 0, _MOST_HEAD_BYTES)
        end = frame.find(b'"', start + len(_PRODUCT), start + len(_PRODUCT) + 64)
        return "" if start < 0 or end < 0 else frame[start + len(_PRODUCT) : end].decode("utf-8", "replace")

    def message_type(self, frame: bytes) -> str:
        """The channel, with the type of its first event; `error` for an error."""
        start = frame.find(b'"channel":"', 0, _MOST_HEAD_BYTES)
        if start < 0:
            return "error" if b'"type":"error"' in frame[:_MOST_HEAD_BYTES] else "unknown"
        channel = _text_at(frame, start + 11)
        event = frame.find(b'"events":[{"type":"', start, _MOST_HEAD_BYTES)
        return channel if event < 0 else f"{channel} {_text_at(frame, event + 19)}"

    def cut(self, frame: bytes, kind: int, most_bytes: int = PIECE_BYTES) -> list[bytes]:
        """A book's frame of one event between two levels; any other one anywhere, but for behind a closing brace.

        So the end of the first piece tells the decoder, and the router, which of the two it is.
        """
        if self._is_of_one_event(frame):
            pieces = _cut_between_levels(frame, most_bytes)
            if pieces:
                return pieces
        pieces = []
        start = 0
        while start < len(frame):
            end = min(start + most_bytes, len(frame))
            while end < len(frame) and end > start + 1 and frame[end - 1 : end] == b"}":
                end -= 1
            pieces.append(frame[start:end])
            start = end
        return pieces

    @staticmethod
    def _is_of_one_event(frame: bytes) -> bool:
        return (
            frame.startswith(BOOK_HEAD)
            and frame.endswith(b"}" + END)
            and frame.find(_FIRST_UPDATE, 0, _MOST_HEAD_BYTES) >= 0
            and frame.find(b"]") == len(frame) - len(END)
        )

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one product."""
        return CoinbaseDecoder(
            CoinbaseScan(venue_symbol, price_scale, size_scale),
            CoinbaseScan(venue_symbol, price_scale, size_scale),
            read_carefully,
            read_piece_carefully,
        )

    def metadata_paths(self) -> tuple[str, ...]:
        """One request tells all products."""
        return ("/api/v3/brokerage/market/products",)

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """The spot products that trade and have a book of their own, ids counted from `first_id`."""
        self.left_out = []
        found: list[Instrument] = []
        for body in bodies:
            try:
                rows = _lists.decode(body).products
            except BAD as error:
                raise BadFrame(f"the list of products: {error}", body) from error
            found += read_rows(rows, _read_row, first_id + len(found), self.left_out, body)
        return found

    def audit_path(self, venue_symbol: str) -> str:
        """The whole book, as it was up to a second ago."""
        return f"/api/v3/brokerage/market/product_book?product_id={asked_symbol(venue_symbol)}"

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of a requested book, best first, or a `BadFrame`."""
        try:
            book = _book_answers.decode(body).pricebook
            bids = [(unsigned(one.price, price_scale), unsigned(one.size, size_scale)) for one in book.bids]
            asks = [(unsigned(one.price, price_scale), unsigned(one.size, size_scale)) for one in book.asks]
        except BAD as error:
            raise BadFrame(str(error), body) from error
        return bids, asks


def _text_at(frame: bytes, start: int) -> str:
    end = frame.find(b'"', start, start + 64)
    return "unknown" if end < 0 else frame[start:end].decode("utf-8", "replace")


def _cut_between_levels(frame: bytes, most_bytes: int) -> list[bytes]:
    """Pieces that end behind a level's brace, so that the comma begins the next one; none when a level is too large."""
    pieces: list[bytes] = []
    start = 0
    while len(frame) - start > most_bytes:
        place = frame.rfind(_BETWEEN, start + 1, start + most_bytes + len(_BETWEEN) - 1)
        if place < 0:
            return []
        pieces.append(frame[start : place + 1])
        start = place + 1
    pieces.append(frame[start:])
    return pieces


def _read_row(row: msgspec.Raw, instrument_id: int) -> Instrument | None:
    product = _products.decode(row)
    return _instrument(product, instrument_id) if product.trades else None


def _instrument(product: _Product, instrument_id: int) -> Instrument:
    return instrument_with_room(
        instrument_id=instrument_id,
        symbol=f"{product.base_currency_id}/{product.quote_currency_id}",
        venue="coinbase",
        venue_symbol=product.product_id,
        base=product.base_currency_id,
        quote=product.quote_currency_id,
        kind="spot",
        tick=product.price_increment or "",
        lot=product.base_increment or "",
        minimum_size=product.base_min_size or "",
        most_size=product.base_max_size or "",
        minimum_notional=product.quote_min_size or "",
        maker_fee_bps="50",
        taker_fee_bps="90",
    )
