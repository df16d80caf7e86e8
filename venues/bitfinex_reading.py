"""Reads any spelling of Bitfinex's messages, by msgspec, to what the quick scan would read.

What is no message of the venue is a `BadFrame`; nothing is read through a float. Arrays may grow at their end: data is
taken by its place from the left. What a frame is, is told by its form, as `venues/bitfinex_scan.py` says; an empty list
is an empty book only on the book's own channel.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import msgspec

from market.dialect import BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL, STATUS_HALTED, STATUS_TRADING
from market.numbers import NumberError, parse_decimal
from venues.bitfinex_scan import MOST_CHECKSUM, MOST_MILLISECONDS, BitfinexScan
from venues.scanning import (
    CLOSES,
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

SEQUENCED: Final = 65_536
CHECKSUMS: Final = 131_072
RESTARTING: Final = 20_051
MAINTENANCE_BEGINS: Final = 20_060
MAINTENANCE_ENDS: Final = 20_061

_NANOSECONDS: Final = 1_000_000  # in a millisecond
_LEVEL_FIELDS: Final = 3
_TRADE_FIELDS: Final = 4
_TICKER_FIELDS: Final = 10


class BitfinexEvent(msgspec.Struct, rename="camel"):
    """An event, with what any of them may say."""

    event: str = ""
    channel: str = ""
    chan_id: int = 0
    symbol: str = ""
    status: str = ""
    flags: int = 0
    code: int = 0
    msg: str = ""
    version: int = 0
    platform: dict[str, int] | None = None


_events = msgspec.json.Decoder(BitfinexEvent)
_arrays = msgspec.json.Decoder(list[msgspec.Raw])
_integers = msgspec.json.Decoder(int)


class _Unusable(ValueError):
    """A frame that is well formed and still cannot be what was asked for."""


_FAULTY: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_REFUSED: Final = (*_FAULTY, NumberError, _Unusable)


def read_event(frame: bytes) -> tuple[str, int, str, bool]:
    """What a router needs of an event: its name, channel and symbol, and whether frames are numbered; never raises."""
    try:
        event = _events.decode(frame)
    except _FAULTY:
        return "", 0, "", False
    numbered = event.event == "conf" and event.status == "OK" and event.flags & SEQUENCED != 0
    return event.event, event.chan_id, event.symbol, numbered


def read_array(frame: bytes) -> tuple[int, int, bool]:
    """The channel of an array, its last number or -1, and whether it changes a level; (-1, -1, False) if it is none."""
    try:
        parts = _arrays.decode(frame)
        channel = _integers.decode(parts[0]) if parts else -1
    except _FAULTY:
        return -1, -1, False
    number = -1
    is_change = False
    with suppress(*_FAULTY):
        if len(parts) > 1 and bytes(parts[1]).startswith(b"["):
            items = _arrays.decode(parts[1])
            is_change = len(items) == _LEVEL_FIELDS and not bytes(items[0]).startswith(b"[")
        if len(parts) > 2:
            number = _integers.decode(parts[-1])
    return max(channel, -1), max(number, -1), is_change


def read_carefully(scan: Scan, frame: bytes) -> int:
    """Read any spelling of a frame into the scan and return its kind, or raise `BadFrame`."""
    assert isinstance(scan, BitfinexScan)
    try:
        if frame.lstrip()[:1] == b"{":
            return _read_event(scan, _events.decode(frame))
        parts = _arrays.decode(frame)
        if len(parts) < 2:
            raise _Unusable("an array of a channel without a message")
        channel = _integer(parts[0])
        scan.event_ns = 0
        scan.first_update_id = 0
        body = bytes(parts[1])
        if body.startswith(b'"'):
            return _read_named(scan, msgspec.json.decode(body, type=str), parts)
        kind = _read_list(scan, channel, _arrays.decode(body))
        scan.last_update_id = _number_of(parts, 2)
        return kind
    except _REFUSED as error:
        raise BadFrame(str(error), frame) from error


def _read_event(scan: BitfinexScan, event: BitfinexEvent) -> int:
    name = event.event
    if name == "subscribed":
        if event.symbol == scan.symbol and event.channel == "book":
            scan.book_channel = event.chan_id
        scan.text = f"{event.channel} of {event.symbol} subscribed as channel {event.chan_id}"
        return REPLY
    if name in ("unsubscribed", "conf", "pong"):
        scan.text = f"{name} {event.status}".strip()
        return REPLY
    if name == "error":
        scan.text = f"refused with code {event.code}: {event.msg}"
        return REFUSAL
    if name == "info":
        return _read_info(scan, event)
    if not name:
        raise _Unusable("an object that is no event")
    scan.text = f"a {name} event"
    return STRANGE


def _read_info(scan: BitfinexScan, event: BitfinexEvent) -> int:
    scan.text = event.msg or "the venue tells of itself"
    if event.code == RESTARTING:
        scan.text = "the venue restarts and wants a new connection"
        return CLOSES
    if event.code in (MAINTENANCE_BEGINS, MAINTENANCE_ENDS):
        is_begun = event.code == MAINTENANCE_BEGINS
        scan.status = STATUS_HALTED if is_begun else STATUS_TRADING
        scan.text = "a maintenance begins" if is_begun else "a maintenance has ended"
        return TRADING
    if event.code == 0 and event.platform is not None:
        is_working = event.platform.get("status") == 1
        scan.text = "the venue works" if is_working else "the venue is in maintenance"
        if is_working:
            return OTHER
        scan.status = STATUS_HALTED
        return TRADING
    return OTHER if event.code == 0 else STRANGE


def _read_named(scan: BitfinexScan, name: str, parts: list[msgspec.Raw]) -> int:
    """A frame that says what it is."""
    if name == "hb":
        scan.last_update_id = _number_of(parts, 2)
        return LIFE
    if name == "cs" and len(parts) > 2:
        checksum = _integers.decode(parts[2])
        if abs(checksum) > MOST_CHECKSUM + 1:
            raise _Unusable(f"{checksum} is no checksum")
        scan.checksum = checksum
        scan.has_checksum = True
        scan.begin_levels()
        scan.last_update_id = _number_of(parts, 3)
        return DELTA
    if name == "te" and len(parts) > 2:
        kind = _read_trade(scan, _arrays.decode(parts[2]))
        scan.last_update_id = _number_of(parts, 3)
        return kind
    scan.text = f"a frame of type {name}"
    return OTHER if name == "tu" else STRANGE


def _read_list(scan: BitfinexScan, channel: int, items: list[msgspec.Raw]) -> int:
    """A change, a whole book, or what other channels send."""
    scan.has_checksum = False
    if not items:
        if channel != scan.book_channel:
            scan.text = "an empty list"
            return OTHER
        scan.begin_levels()
        return SNAPSHOT
    if bytes(items[0]).startswith(b"["):
        rows = [_arrays.decode(item) for item in items]
        if len(rows[0]) == _LEVEL_FIELDS:
            _check_channel(scan, channel)
            _fill_levels(scan, rows)
            return SNAPSHOT
        scan.text = "trades of the past" if len(rows[0]) == _TRADE_FIELDS else "a list of another form"
        return OTHER if len(rows[0]) == _TRADE_FIELDS else STRANGE
    if len(items) == _LEVEL_FIELDS:
        _check_channel(scan, channel)
        _fill_levels(scan, [items])
        return DELTA
    if len(items) >= _TICKER_FIELDS:
        owner = scan.trades_to
        bid, ask = _price(scan, items[0]), _price(scan, items[2])
        # Its sizes are those of many levels together, and say nothing of the best.
        owner.quoted_update_id = 0
        owner.quoted_bid_price, owner.quoted_bid_size = bid, 0
        owner.quoted_ask_price, owner.quoted_ask_size = ask, 0
        return QUOTE
    scan.text = f"a list of {len(items)} numbers"
    return STRANGE


def _check_channel(scan: BitfinexScan, channel: int) -> None:
    if scan.book_channel not in (0, channel):
        raise _Unusable(f"a book of channel {channel} came where channel {scan.book_channel} is the book's")


def _fill_levels(scan: BitfinexScan, rows: list[list[msgspec.Raw]]) -> None:
    bids: list[tuple[int, int]] = []
    asks: list[tuple[int, int]] = []
    for row in rows:
        if len(row) != _LEVEL_FIELDS:
            raise _Unusable(f"a level of {len(row)} numbers")
        price, count, (size, is_ask) = _price(scan, row[0]), _integer(row[1]), _amount(scan, row[2])
        (asks if is_ask else bids).append((price, size if count > 0 else 0))
    scan.begin_levels()
    for price, size in bids:
        scan.add_level(price, size)
    scan.bid_count = len(bids)
    for price, size in asks:
        scan.add_level(price, size)


def _read_trade(scan: BitfinexScan, fields: list[msgspec.Raw]) -> int:
    if len(fields) < _TRADE_FIELDS:
        raise _Unusable(f"a trade of {len(fields)} numbers")
    trade_id, milliseconds = _integer(fields[0]), _integer(fields[1])
    if milliseconds > MOST_MILLISECONDS:
        raise _Unusable(f"{milliseconds} is no time in milliseconds")
    (size, was_sold), price = _amount(scan, fields[2]), _price(scan, fields[3])
    scan.event_ns = milliseconds * _NANOSECONDS
    scan.trades_to.trade_count = 0
    scan.trades_to.add_trade(trade_id, price, size, SELL if was_sold else BUY, scan.event_ns)
    return TRADES


def _number_of(parts: list[msgspec.Raw], least: int) -> int:
    """The number of the frame, its last part, where there are more than so many."""
    return _integer(parts[-1]) if len(parts) > least else 0


def _integer(raw: msgspec.Raw) -> int:
    value = _integers.decode(raw)
    if not 0 <= value < 2**63:
        raise _Unusable(f"{value} is negative or too large")
    return value


def _price(scan: BitfinexScan, raw: msgspec.Raw) -> int:
    price = _decimal(raw, scan.price_scale)
    if not 0 <= price <= MOST_PRICE:
        raise _Unusable(f"no level can have the price {bytes(raw).decode()}")
    return price


def _amount(scan: BitfinexScan, raw: msgspec.Raw) -> tuple[int, bool]:
    """An amount without its sign, and whether it was negative: an ask, or a trade that was a sale."""
    amount = _decimal(raw, scan.size_scale)
    if amount == 0:
        raise _Unusable("an amount of nothing, which has no side")
    return abs(amount), amount < 0


def _decimal(raw: msgspec.Raw, scale: int) -> int:
    text = bytes(raw).strip()
    if not text or text[:1] not in b"-0123456789":
        raise _Unusable(f"{text[:40]!r} is no number")
    return parse_decimal(text.decode(), scale, allow_exponent=True)


def audit_levels(
    body: bytes, price_scale: int, size_scale: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Bids and asks of the answer to a request for a book, as it lists them, or a `BadFrame`."""
    scan = BitfinexScan("", price_scale, size_scale)
    try:
        _fill_levels(scan, [_arrays.decode(item) for item in _arrays.decode(body)])
    except _REFUSED as error:
        raise BadFrame(str(error), body) from error
    levels = list(zip(scan.level_prices[: scan.level_count], scan.level_sizes[: scan.level_count], strict=True))
    return levels[: scan.bid_count], levels[scan.bid_count :]
