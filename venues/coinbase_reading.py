"""Reads any spelling of a Coinbase Advanced Trade frame, by msgspec, to the values that the quick reader would find.

It is asked where `venues/coinbase_scan.py` knows no answer. Unknown keys are passed over, a channel that the venue
does not document is told as such, and what is no message of the venue is a `BadFrame`. Nothing is read through a float.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from market.dialect import BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL
from market.numbers import NumberError, TooManyDigits, parse_decimal
from venues.coinbase_scan import END, CoinbaseScan, turn_round
from venues.scanning import DELTA, LIFE, OTHER, QUOTE, REFUSAL, REPLY, SNAPSHOT, STRANGE, TRADES, Scan
from venues.utc_times import utc_ns

_UPDATES: Final = b'"updates":['
NO_NUMBER: Final = -1
# A piece that begins a frame is no JSON, and its number stands before the first list or nowhere in it.
_NUMBER_OF_PIECE: Final = re.compile(rb'\{[^\[{]*?"sequence_num"\s*:\s*([0-9]{1,19})\s*[,}]')
_NOT_KEPT: Final = ("candles", "status", "ticker_batch")


class _Update(msgspec.Struct):
    """One level."""

    side: str
    price_level: str
    new_quantity: str


class _Trade(msgspec.Struct):
    """One public trade; the side is the maker's."""

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class _Ticker(msgspec.Struct):
    """What is kept of a ticker."""

    product_id: str
    best_bid: str = ""
    best_bid_quantity: str = ""
    best_ask: str = ""
    best_ask_quantity: str = ""


class _Frame(msgspec.Struct):
    """What every frame has, or an error has instead."""

    channel: str = ""
    timestamp: str = ""
    sequence_num: int | msgspec.UnsetType = msgspec.UNSET
    events: msgspec.Raw = msgspec.Raw()
    type: str = ""
    message: str = ""


class _BookEvent(msgspec.Struct):
    """Changes of one product's book, or all of it."""

    type: str
    product_id: str
    updates: list[_Update]


class _TradesEvent(msgspec.Struct):
    """Trades, newest first."""

    type: str
    trades: list[_Trade]


class _TickerEvent(msgspec.Struct):
    """Tickers."""

    tickers: list[_Ticker]


class Subscribed(msgspec.Struct):
    """What is subscribed to: the products of each channel."""

    subscriptions: dict[str, list[str]]


class _Numbered(msgspec.Struct):
    """Of a frame only its number."""

    sequence_num: int = NO_NUMBER


frames = msgspec.json.Decoder(_Frame)
_numbered = msgspec.json.Decoder(_Numbered)
subscribed_events = msgspec.json.Decoder(list[Subscribed])
_book_events = msgspec.json.Decoder(list[_BookEvent])
_trades_events = msgspec.json.Decoder(list[_TradesEvent])
_ticker_events = msgspec.json.Decoder(list[_TickerEvent])
_updates = msgspec.json.Decoder(list[_Update])


class _Unusable(ValueError):
    """A frame that is well formed and still cannot be what was asked for."""


# Nesting deeper than any message is a RecursionError to msgspec, and to us one more frame that is none.
BAD: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NumberError, _Unusable)


def read_carefully(scan: Scan, frame: bytes) -> int:
    """Read any spelling of a frame into the scan and return its kind, or raise `BadFrame`."""
    assert isinstance(scan, CoinbaseScan)
    try:
        read = frames.decode(frame)
        channel = read.channel
        if not channel:
            if not read.type:
                raise _Unusable("neither of a channel nor an error")
            scan.text = f"{read.type}: {read.message}"
            return REFUSAL if read.type == "error" else STRANGE
        scan.text = f"a message of the channel {channel!r}"
        if channel not in ("l2_data", "market_trades", "ticker", "heartbeats", "subscriptions"):
            return OTHER if channel in _NOT_KEPT else STRANGE
        _fill_head(scan, read)
        if channel == "l2_data":
            return _fill_book(scan, _book_events.decode(read.events))
        if channel == "market_trades":
            return _fill_trades(scan, _trades_events.decode(read.events))
        if channel == "ticker":
            return _fill_quote(scan, _ticker_events.decode(read.events))
        if channel == "heartbeats":
            return LIFE
        scan.text = f"subscribed to {bytes(read.events).decode()}"
        return REPLY
    except BAD as error:
        raise BadFrame(str(error), frame) from error


def _fill_head(scan: CoinbaseScan, read: _Frame) -> None:
    number = read.sequence_num
    if number is msgspec.UNSET or not 0 <= number < 2**63:
        raise _Unusable("a frame without a sequence_num of 64 bits")
    scan.first_update_id = number
    scan.last_update_id = number
    scan.event_ns = _time_ns(read.timestamp)


def _time_ns(text: str) -> int:
    data = text.encode()
    time_ns = utc_ns(data, 0, len(data))
    if time_ns < 0:
        raise _Unusable(f"{text[:40]!r} is no time in UTC")
    return time_ns


def _fill_book(scan: CoinbaseScan, events: list[_BookEvent]) -> int:
    """The levels of this product's events together, those of a side in their order."""
    kind = OTHER
    sides: dict[str, list[tuple[int, int]]] = {"bid": [], "offer": []}
    for event in events:
        if event.type not in ("snapshot", "update"):
            raise _Unusable(f"an event of the type {event.type!r} in a book's channel")
        if event.product_id != scan.symbol:
            continue
        if event.type == "snapshot":
            kind = SNAPSHOT
            sides = {"bid": [], "offer": []}
        elif kind == OTHER:
            kind = DELTA
        for update in event.updates:
            level = _level(scan, update)
            held = sides[update.side]
            if kind == SNAPSHOT and event.type == "update":
                held[:] = [one for one in held if one[0] != level[0]]
            held.append(level)
    if kind == OTHER:
        scan.text = "a change of other products"
        return OTHER
    scan.begin_levels()
    for price, size in sides["bid"]:
        scan.add_level(price, size)
    scan.bid_count = scan.level_count
    for price, size in sides["offer"]:
        scan.add_level(price, size)
    scan.bids_open = not sides["offer"]
    scan.kind = kind
    return kind


def _level(scan: CoinbaseScan, update: _Update) -> tuple[int, int]:
    if update.side not in ("bid", "offer"):
        raise _Unusable(f"a level of the side {update.side!r}")
    price = unsigned(update.price_level, scan.price_scale)
    # Found here, so that no change of a book is refused half way.
    if price > MOST_PRICE:
        raise _Unusable(f"no level can have the price {update.price_level!r}")
    return price, unsigned(update.new_quantity, scan.size_scale)


def _fill_trades(scan: CoinbaseScan, events: list[_TradesEvent]) -> int:
    owner = scan.trades_to
    owner.trade_count = 0
    # Only when all of them are of the past nothing is told.
    scan.are_past = all(event.type == "snapshot" for event in events)
    for event in events:
        if event.type not in ("snapshot", "update"):
            raise _Unusable(f"an event of the type {event.type!r} in a channel of trades")
        start = owner.trade_count
        for trade in event.trades:
            if trade.product_id == scan.symbol and (scan.are_past or event.type == "update"):
                if trade.side not in ("BUY", "SELL"):
                    raise _Unusable(f"a trade of the side {trade.side!r}")
                owner.add_trade(
                    _trade_id(trade.trade_id),
                    unsigned(trade.price, scan.price_scale),
                    unsigned(trade.size, scan.size_scale),
                    SELL if trade.side == "BUY" else BUY,
                    _time_ns(trade.time),
                )
        turn_round(owner, start)
    return TRADES


def _trade_id(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _Unusable(f"{text[:40]!r} is no trade's id")
    return int(text)


def _fill_quote(scan: CoinbaseScan, events: list[_TickerEvent]) -> int:
    kind = OTHER
    owner = scan.trades_to
    for event in events:
        for ticker in event.tickers:
            if ticker.product_id != scan.symbol:
                continue
            try:
                bid = unsigned(ticker.best_bid or "0", scan.price_scale)
                bid_size = unsigned(ticker.best_bid_quantity or "0", scan.size_scale)
                ask = unsigned(ticker.best_ask or "0", scan.price_scale)
                ask_size = unsigned(ticker.best_ask_quantity or "0", scan.size_scale)
            except TooManyDigits as error:
                # The book is told by other frames.
                scan.text = f"a best bid and ask of which a number is too fine: {error}"
                continue
            owner.quoted_update_id = 0
            owner.quoted_bid_price, owner.quoted_bid_size = bid, bid_size
            owner.quoted_ask_price, owner.quoted_ask_size = ask, ask_size
            kind = QUOTE
    return kind


def number_of(frame: bytes) -> int:
    """The `sequence_num` of a frame in any spelling, or of its first piece; `NO_NUMBER` where it has none."""
    try:
        number = _numbered.decode(frame).sequence_num
    except BAD:
        found = _NUMBER_OF_PIECE.match(frame)
        number = NO_NUMBER if found is None else int(found.group(1))
    return number if 0 <= number < 2**63 else NO_NUMBER


def read_piece_carefully(scan: CoinbaseScan, piece: bytes, part: int, parts: int) -> bool:
    """Read a piece as `CoinbaseScan.scan_piece` does, whatever the spelling of its levels.

    False when the pieces of its frame must be read together, and a `BadFrame` when its levels are none.
    """
    try:
        body = piece
        if part == 1:
            head, found, body = piece.partition(_UPDATES)
            if not found or _fill_first(scan, head + found) == OTHER:
                return False
        elif not piece.startswith(b",{"):
            return False
        else:
            body = piece[1:]
        if part == parts:
            if not body.endswith(END):
                return False
            body = body[: -len(END)]
        for update in _updates.decode(b"[" + body + b"]"):
            price, size = _level(scan, update)
            if update.side == "bid" and not scan.bids_open:
                return False
            if update.side == "offer" and scan.bids_open:
                scan.bids_open = False
                scan.bid_count = scan.level_count
            scan.add_level(price, size)
    except BAD as error:
        raise BadFrame(str(error), piece) from error
    return True


def _fill_first(scan: CoinbaseScan, head: bytes) -> int:
    """Read a first piece up to its levels, made whole with an empty list."""
    read = frames.decode(head + END)
    if read.channel != "l2_data":
        return OTHER
    _fill_head(scan, read)
    kind = _fill_book(scan, _book_events.decode(read.events))
    scan.begin_pieces()
    return kind


def unsigned(text: str, scale: int) -> int:
    """A number without sign, scaled exactly, or a `NumberError`."""
    return parse_decimal(text, scale, allow_exponent=True, allow_sign=False)
