"""Reads any spelling of a Kraken WebSocket v2 frame into the scan, with msgspec: the careful way, off the hot path.

Numbers are taken as the text that the frame has, exponents and all, never through a float. What is well formed and of
no documented kind is told as such; what is no frame of this venue, or one of another symbol, is a `BadFrame`.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec

from market.dialect import BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import (
    BUY,
    SELL,
    STATUS_CANCEL_ONLY,
    STATUS_HALTED,
    STATUS_POST_ONLY,
    STATUS_TRADING,
)
from market.numbers import NumberError, parse_decimal
from venues.kraken_book import MOST_CHECKSUM, KrakenScan
from venues.scanning import (
    DELTA,
    LIFE,
    OTHER,
    QUOTE,
    REFUSAL,
    REPLY,
    SNAPSHOT,
    STRANGE,
    TRADES,
    TRADING,
    Scan,
)
from venues.utc_times import utc_ns

ONLINE: Final = "online"
# What the venue says of its system, and how trading goes on then. What it may say one day means that it does not.
SYSTEM_STATUS: Final = {
    ONLINE: STATUS_TRADING,
    "limit_only": STATUS_TRADING,
    "post_only": STATUS_POST_ONLY,
    "cancel_only": STATUS_CANCEL_ONLY,
    "maintenance": STATUS_HALTED,
}
_KEPT: Final = frozenset({"book", "trade", "ticker", "status", "heartbeat"})
_NOT_KEPT: Final = frozenset({"instrument", "ohlc", "level3", "executions", "balances"})
_SIDES: Final = {"buy": BUY, "sell": SELL}

_Checksum = Annotated[int, msgspec.Meta(ge=0, le=MOST_CHECKSUM)]
_Identifier = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Item = TypeVar("Item")
_Depth = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Subscribed(msgspec.Struct):
    """What a request was answered with."""

    channel: str = ""
    symbol: str = ""
    depth: _Depth | None = None


class Envelope(msgspec.Struct):
    """What tells one kind of frame from another; none of it need be there."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()
    method: str = ""
    success: bool | None = None
    error: str = ""
    symbol: str = ""
    req_id: int | None = None
    result: Subscribed | None = None


class SystemStatus(msgspec.Struct):
    """What the venue says of itself."""

    system: str


class _Level(msgspec.Struct):
    """A level of a book; the numbers are kept as they are written."""

    price: msgspec.Raw
    qty: msgspec.Raw


class _Book(msgspec.Struct):
    """A snapshot or a change."""

    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: _Checksum | None = None
    timestamp: str | None = None


class _Trade(msgspec.Struct):
    """A public trade; `side` is the taker's."""

    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: _Identifier
    timestamp: str


class _Ticker(msgspec.Struct):
    """Of a ticker, what is best."""

    symbol: str
    bid: msgspec.Raw
    bid_qty: msgspec.Raw
    ask: msgspec.Raw
    ask_qty: msgspec.Raw
    timestamp: str | None = None


envelopes: Final = msgspec.json.Decoder(Envelope)
statuses: Final = msgspec.json.Decoder(list[SystemStatus])
_books = msgspec.json.Decoder(list[_Book])
_trades = msgspec.json.Decoder(list[_Trade])
_tickers = msgspec.json.Decoder(list[_Ticker])


class Unusable(ValueError):
    """A frame that is well formed and still cannot be what was asked for."""


# Nesting deeper than any message is a RecursionError to msgspec, and to us one more frame that is none.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NumberError, Unusable)


def read_carefully(scan: Scan, frame: bytes) -> int:
    """Read any spelling of a frame into the scan and return its kind, or raise `BadFrame`."""
    assert isinstance(scan, KrakenScan)
    try:
        envelope = envelopes.decode(frame)
        if envelope.channel in _KEPT:
            return _read_channel(scan, envelope)
        if envelope.method:
            return _read_reply(scan, envelope)
    except UNREADABLE as error:
        raise BadFrame(str(error), frame) from error
    if envelope.channel in _NOT_KEPT:
        scan.text = f"the channel {envelope.channel!r} is not kept"
        return OTHER
    if envelope.channel or envelope.error:
        scan.text = envelope.channel or envelope.error
        return STRANGE
    raise BadFrame("neither a channel's frame nor a reply", frame)


def _read_channel(scan: KrakenScan, envelope: Envelope) -> int:
    if envelope.channel == "heartbeat":
        return LIFE
    if envelope.channel == "status":
        return _fill_status(scan, statuses.decode(envelope.data))
    if envelope.type not in ("snapshot", "update"):
        scan.text = f"{envelope.channel} {envelope.type}"
        return STRANGE
    if envelope.channel == "book":
        _fill_book(scan, _only(_books.decode(envelope.data)))
        return SNAPSHOT if envelope.type == "snapshot" else DELTA
    if envelope.channel == "trade":
        return _fill_trades(scan, _trades.decode(envelope.data), envelope.type == "snapshot")
    return _fill_quote(scan, _only(_tickers.decode(envelope.data)))


def _fill_book(scan: KrakenScan, book: _Book) -> None:
    check_symbol(scan, book.symbol)
    scan.begin_levels()
    for level in book.bids:
        add_level(scan, number_text(level.price), number_text(level.qty))
    scan.bid_count = scan.level_count
    for level in book.asks:
        add_level(scan, number_text(level.price), number_text(level.qty))
    scan.event_ns = 0 if book.timestamp is None else _time(book.timestamp)
    scan.has_checksum = book.checksum is not None
    scan.checksum = book.checksum or 0


def _fill_trades(scan: KrakenScan, trades: list[_Trade], are_past: bool) -> int:
    owner = scan.trades_to
    owner.trade_count = 0
    scan.event_ns = 0
    for trade in trades:
        check_symbol(scan, trade.symbol)
        side = _SIDES.get(trade.side)
        if side is None:
            raise Unusable(f"a trade's side cannot be {trade.side!r}")
        price = unsigned(number_text(trade.price), scan.price_scale)
        size = unsigned(number_text(trade.qty), scan.size_scale)
        scan.event_ns = _time(trade.timestamp)
        owner.add_trade(trade.trade_id, price, size, side, scan.event_ns)
    if are_past:
        owner.trade_count = 0
        scan.text = "trades from before the subscription"
        return OTHER
    return TRADES


def _fill_quote(scan: KrakenScan, ticker: _Ticker) -> int:
    check_symbol(scan, ticker.symbol)
    numbers = [
        unsigned(number_text(price), scan.price_scale) for price in (ticker.bid, ticker.ask)
    ] + [unsigned(number_text(size), scan.size_scale) for size in (ticker.bid_qty, ticker.ask_qty)]
    owner = scan.trades_to
    owner.quoted_update_id = 0
    owner.quoted_bid_price, owner.quoted_ask_price, owner.quoted_bid_size, owner.quoted_ask_size = numbers
    return QUOTE


def _fill_status(scan: KrakenScan, listed: list[SystemStatus]) -> int:
    system = _only(listed).system
    scan.status = SYSTEM_STATUS.get(system, STATUS_HALTED)
    scan.text = f"the venue's system is {system}"
    return TRADING


def _read_reply(scan: KrakenScan, reply: Envelope) -> int:
    result = reply.result or Subscribed()
    if reply.method == "pong":
        return LIFE
    if reply.success is False or reply.error:
        scan.text = f"{reply.method} {reply.symbol or result.symbol}".rstrip() + f" refused: {reply.error}"
        return REFUSAL
    scan.text = f"{reply.method} {result.channel} {result.symbol}".rstrip() + " confirmed"
    is_own = result.channel == "book" and result.symbol == scan.symbol
    if is_own and result.depth is not None and reply.method == "subscribe":
        scan.depth = result.depth
    return REPLY


def check_symbol(scan: Scan, symbol: str) -> None:
    """Refuse a frame of another instrument."""
    if symbol != scan.symbol:
        raise Unusable(f"a frame of {symbol!r} came where {scan.symbol!r} is kept")


def add_level(scan: Scan, price_text: str, size_text: str) -> None:
    """Put a level behind those held, or refuse it here, so that no change of a book is refused half way."""
    price = unsigned(price_text, scan.price_scale)
    if price > MOST_PRICE:
        raise Unusable(f"no level can have the price {price_text}")
    scan.add_level(price, unsigned(size_text, scan.size_scale))


def unsigned(text: str, scale: int) -> int:
    """A number without a sign, scaled exactly."""
    return parse_decimal(text, scale, allow_exponent=True, allow_sign=False)


def number_text(raw: msgspec.Raw) -> str:
    """The text of a JSON number."""
    text = bytes(raw).decode()
    if not text[:1].isdigit():
        raise Unusable(f"{text[:40]} stands where a number belongs")
    return text


def _time(text: str) -> int:
    data = text.encode()
    found: int = utc_ns(data, 0, len(data))
    if found < 0:
        raise Unusable(f"{text!r} is no time")
    return found


def _only(listed: list[Item]) -> Item:
    if len(listed) != 1:
        raise Unusable(f"{len(listed)} items where one is sent")
    return listed[0]
