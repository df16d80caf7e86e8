"""Reads any spelling of Bybit's frames, by msgspec, to what `venues/bybit_scan.py` would read.

What is no message of the venue is a `BadFrame`; nothing is read through a float, and unknown fields are passed over.
A trade's id that is an UUID is told as the number that its last 60 bits write, since the 64 of a message cannot hold
it; a number stays what it is, and any other text becomes the first 63 bits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Final

import msgspec

from market.dialect import BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL
from market.numbers import NumberError, TooManyDigits, parse_decimal
from venues.bybit_scan import MOST_MILLISECONDS, NANOSECONDS, QUOTE_DEPTH, BybitScan
from venues.scanning import LIFE, OTHER, REFUSAL, REPLY, STRANGE, TRADES, UNKNOWN, Scan

_Identifier = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=MOST_MILLISECONDS)]
_Level = tuple[str, str]

# Topics that the venue documents and that say nothing about the book or trades.
_OTHER_TOPICS: Final = frozenset(
    ("tickers", "kline", "kline_lt", "liquidation", "allLiquidation", "tickers_lt", "lt", "insurance", "priceLimit",
     "adlAlert", "system", "rpi", "orderbook_rpi")
)  # fmt: skip
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_TOLD_OF_UUID: Final = 2**60 - 1


class Envelope(msgspec.Struct):
    """What tells one kind of frame from another; none of it need be there."""

    topic: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""
    ts: _Milliseconds | None = None


class Book(msgspec.Struct):
    """What a frame of the order book holds."""

    symbol: str = msgspec.field(name="s")
    bids: list[_Level] = msgspec.field(name="b")
    asks: list[_Level] = msgspec.field(name="a")
    update_id: _Identifier = msgspec.field(name="u")


class _Trade(msgspec.Struct):
    """A public trade."""

    time: _Milliseconds = msgspec.field(name="T")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    size: str = msgspec.field(name="v")
    price: str = msgspec.field(name="p")
    identifier: str = msgspec.field(name="i")


envelopes = msgspec.json.Decoder(Envelope)
books = msgspec.json.Decoder(Book)
_trades = msgspec.json.Decoder(list[_Trade])


class Unusable(ValueError):
    """A frame that is well formed and still cannot be what was asked for."""


# Nesting deeper than any message is a RecursionError to msgspec, and to us one more frame that is none.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NumberError, Unusable)


def read_carefully(scan: Scan, frame: bytes) -> int:
    """Read any spelling of a stream frame into the scan and return its kind, or raise `BadFrame`."""
    assert isinstance(scan, BybitScan)
    try:
        envelope = envelopes.decode(frame)
        channel, _, rest = envelope.topic.partition(".")
        if channel == "orderbook":
            return _fill_book(scan, envelope, rest)
        if channel == "publicTrade":
            return _fill_trades(scan, envelope, rest)
        if channel:
            scan.text = f"a frame of {channel}, which is not kept"
            return OTHER if channel in _OTHER_TOPICS else STRANGE
        return _fill_reply(scan, envelope)
    except UNREADABLE as error:
        raise BadFrame(str(error), frame) from error


def _fill_book(scan: BybitScan, envelope: Envelope, rest: str) -> int:
    depth, _, symbol = rest.partition(".")
    if not depth.isdecimal() or not depth.isascii() or len(depth) > 9:
        scan.text = f"an order book of depth {depth!r}"
        return STRANGE
    if envelope.type not in ("snapshot", "delta"):
        raise Unusable(f"a frame of the order book is of type {envelope.type!r}")
    book = books.decode(envelope.data)
    _check_symbol(scan, symbol)
    _check_symbol(scan, book.symbol)
    scan.event_ns = _event_ns(envelope)
    scan.depth = int(depth)
    try:
        _fill_levels(scan, book)
    except TooManyDigits as error:
        if scan.depth != QUOTE_DEPTH:
            raise
        # The book is told by other frames.
        scan.text = f"a best bid and ask of which a number is too fine: {error}"
        return OTHER
    scan.first_update_id = book.update_id
    scan.last_update_id = book.update_id
    kind = scan.kind_of_book(envelope.type == "snapshot")
    if kind == UNKNOWN:
        raise Unusable("a frame of depth 1 is a change, or has more than one level on a side")
    return kind


def _fill_levels(scan: BybitScan, book: Book) -> None:
    scan.begin_levels()
    _add_levels(scan, book.bids)
    scan.bid_count = scan.level_count
    _add_levels(scan, book.asks)


def _fill_trades(scan: BybitScan, envelope: Envelope, symbol: str) -> int:
    _check_symbol(scan, symbol)
    scan.event_ns = _event_ns(envelope)
    told = scan.trades_to
    told.trade_count = 0
    for trade in _trades.decode(envelope.data):
        _check_symbol(scan, trade.symbol)
        side = {"Buy": BUY, "Sell": SELL}.get(trade.side)
        if side is None:
            raise Unusable(f"a trade's side is {trade.side!r}")
        price = unsigned(trade.price, scan.price_scale)
        size = unsigned(trade.size, scan.size_scale)
        told.add_trade(trade_number(trade.identifier), price, size, side, trade.time * NANOSECONDS)
    return TRADES


def _fill_reply(scan: BybitScan, envelope: Envelope) -> int:
    if envelope.op == "pong" or (envelope.op == "ping" and envelope.success):
        scan.text = "pong"
        return LIFE
    if not envelope.op:
        raise Unusable("neither a topic nor an answer to a request")
    scan.text = f"request {envelope.req_id!r} to {envelope.op}: {envelope.ret_msg or 'done'}"
    if envelope.success is None:
        scan.text = f"an answer to {envelope.op} that does not tell whether it was done"
        return STRANGE
    return REPLY if envelope.success else REFUSAL


def _event_ns(envelope: Envelope) -> int:
    if envelope.ts is None:
        raise Unusable("a frame without its time")
    return envelope.ts * NANOSECONDS


def _add_levels(scan: BybitScan, levels: list[_Level]) -> None:
    for price_text, size_text in levels:
        price = unsigned(price_text, scan.price_scale)
        # Found here, so that no change of a book is refused half way.
        if price > MOST_PRICE:
            raise Unusable(f"no level can have the price {price_text!r}")
        scan.add_level(price, unsigned(size_text, scan.size_scale))


def _check_symbol(scan: BybitScan, symbol: str) -> None:
    if symbol != scan.symbol:
        raise Unusable(f"a frame of {symbol!r} came where {scan.symbol!r} is kept")


def unsigned(text: str, scale: int) -> int:
    """A price or size from its text, exactly."""
    return parse_decimal(text, scale, allow_exponent=True, allow_sign=False)


def trade_number(identifier: str) -> int:
    """A trade's id as a number below 2 ** 63, as the head of this file says."""
    if _NUMBER.fullmatch(identifier) and int(identifier) < 2**63:
        return int(identifier)
    if _UUID.fullmatch(identifier):
        return int(identifier.replace("-", ""), 16) & _TOLD_OF_UUID
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "big") >> 1
