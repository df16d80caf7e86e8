"""Reads any spelling of OKX's frames and answers, by msgspec, to what `venues/okx_scan.py` would read.

What is no message of the venue is a `BadFrame`; nothing is read through a float, and unknown fields are passed over.
Channels that are documented and not kept are told from those that are not, which are counted and shown.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from market.dialect import BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL
from market.numbers import NumberError, TooManyDigits, parse_decimal
from venues.okx_scan import MOST_MILLISECONDS, NANOSECONDS, NO_NUMBER, OkxScan
from venues.scanning import CLOSES, LIFE, OTHER, REFUSAL, REPLY, SNAPSHOT, STRANGE, TRADES, UNKNOWN, Scan

UPGRADE_NOTICE: Final = "64008"
PONG: Final = b"pong"

_Number = Annotated[int, msgspec.Meta(ge=NO_NUMBER, le=2**63 - 1)]
_Checksum = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Digits = Annotated[str, msgspec.Meta(pattern="^(0|[1-9][0-9]{0,17})$")]
_Level = tuple[str, str, str, str]

# The venue's other channels, and the candles, whose names have a length in them.
_OTHER_CHANNELS: Final = frozenset((
    "books5", "books-l2-tbt", "books50-l2-tbt", "trades-all", "tickers", "instruments", "open-interest", "funding-rate",
    "price-limit", "opt-summary", "estimated-price", "mark-price", "index-tickers", "status", "liquidation-orders",
    "adl-warning", "option-trades", "call-auction-details", "block-tickers", "public-block-trades",
    "public-struc-block-trades", "sprd-bbo-tbt", "sprd-books5", "sprd-books-l2-tbt", "sprd-public-trades",
    "sprd-tickers", "economic-calendar",
))  # fmt: skip
_CANDLES: Final = ("candle", "mark-price-candle", "index-candle", "sprd-candle")
_OTHER_EVENTS: Final = frozenset(("channel-conn-count", "channel-conn-count-error", "notice"))


class Channel(msgspec.Struct, rename={"instrument": "instId"}):
    """What a frame is about."""

    channel: str = ""
    instrument: str = ""


class Envelope(msgspec.Struct):
    """What tells one kind of frame from another; none of it need be there."""

    arg: Channel = msgspec.field(default_factory=Channel)
    action: str = ""
    data: msgspec.Raw = msgspec.Raw()
    event: str = ""
    code: str = ""
    msg: str = ""
    id: str = ""


class Book(msgspec.Struct, rename="camel"):
    """A book or a change of one; only the stream's has a previous number."""

    asks: list[_Level]
    bids: list[_Level]
    ts: _Digits
    checksum: _Checksum = 0
    seq_id: _Number = NO_NUMBER
    prev_seq_id: _Number = NO_NUMBER


class _Trade(msgspec.Struct):
    """A public trade: one taker's order at one price."""

    instrument: str = msgspec.field(name="instId")
    trade_id: _Digits = msgspec.field(name="tradeId")
    price: str = msgspec.field(name="px")
    size: str = msgspec.field(name="sz")
    side: str
    ts: _Digits


class Answer(msgspec.Struct):
    """The answer to a request."""

    code: str
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


envelopes = msgspec.json.Decoder(Envelope)
books = msgspec.json.Decoder(tuple[Book])
_trades = msgspec.json.Decoder(list[_Trade])
_answers = msgspec.json.Decoder(Answer)


class Unusable(ValueError):
    """A frame that is well formed and still cannot be what was asked for."""


# Nesting deeper than any message is a RecursionError to msgspec, and to us one more frame that is none.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NumberError, Unusable)


def read_carefully(scan: Scan, frame: bytes) -> int:
    """Read any spelling of a stream frame into the scan and return its kind, or raise `BadFrame`."""
    assert isinstance(scan, OkxScan)
    if frame == PONG:
        scan.text = "pong"
        return LIFE
    try:
        envelope = envelopes.decode(frame)
        channel = envelope.arg.channel
        if envelope.event:
            return _fill_event(scan, envelope)
        if channel in ("books", "bbo-tbt"):
            return _fill_book(scan, envelope, frame)
        if channel == "trades":
            return _fill_trades(scan, envelope)
        if not channel:
            raise Unusable("neither a channel nor an event")
        scan.text = f"a frame of {channel}, which is not kept"
        return OTHER if channel in _OTHER_CHANNELS or channel.startswith(_CANDLES) else STRANGE
    except UNREADABLE as error:
        raise BadFrame(str(error), frame) from error


def read_answer(scan: Scan, body: bytes) -> int:
    """Read the answer to a request for a book into the scan: `SNAPSHOT` or `REFUSAL`, or raise `BadFrame`."""
    assert isinstance(scan, OkxScan)
    try:
        (book,) = books.decode(result(body))
        _fill_levels(scan, book)
        scan.is_snapshot = True
        scan.is_numbered = scan.last_update_id != NO_NUMBER
        scan.has_checksum = False
        scan.first_update_id = scan.last_update_id
    except Refused as error:
        scan.text = str(error)
        return REFUSAL
    except UNREADABLE as error:
        raise BadFrame(str(error), body) from error
    if scan.is_numbered:
        return SNAPSHOT
    scan.text = "the answer has no seqId, so that it cannot be joined to the stream"
    return REFUSAL


class Refused(Unusable):
    """The venue's answer is that it gives none."""


def result(body: bytes) -> msgspec.Raw:
    """What an answer brings, or why it brings nothing."""
    answer = _answers.decode(body)
    if answer.code != "0":
        raise Refused(f"refused with code {answer.code}: {answer.msg}")
    return answer.data


def read_texts(scan: Scan, frame: bytes) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Bids and asks of a frame that was read: price, and the text that goes into a checksum, empty for a delete."""
    (book,) = books.decode(envelopes.decode(frame).data)
    bids, asks = ([_text(scan, level) for level in side] for side in (book.bids, book.asks))
    return bids, asks


def _text(scan: Scan, level: _Level) -> tuple[int, str]:
    price, size = level[0], level[1]
    return unsigned(price, scan.price_scale), f"{price}:{size}" if unsigned(size, scan.size_scale) else ""


def _fill_book(scan: OkxScan, envelope: Envelope, frame: bytes) -> int:
    _check_instrument(scan, envelope.arg.instrument)
    (book,) = books.decode(envelope.data)
    if envelope.arg.channel == "bbo-tbt":
        try:
            _fill_levels(scan, book)
        except TooManyDigits as error:
            # The book is told by other frames.
            scan.text = f"a best bid and ask of which a number is too fine: {error}"
            return OTHER
        kind = scan.kind_of_quote()
    else:
        _fill_levels(scan, book)
        if envelope.action not in ("snapshot", "update"):
            raise Unusable(f"a frame of the book says {envelope.action!r}")
        scan.is_snapshot = envelope.action == "snapshot"
        kind = scan.kind_of_book(frame)
    if kind == UNKNOWN:
        raise Unusable(
            "a book of which neither sequence numbers nor a checksum tell where it stands, "
            "or more levels than there can be"
        )
    return kind


def _fill_levels(scan: OkxScan, book: Book) -> None:
    scan.begin()
    _add_levels(scan, book.bids)
    scan.bid_count = scan.level_count
    _add_levels(scan, book.asks)
    scan.event_ns = _nanoseconds(book.ts)
    scan.checksum = book.checksum
    scan.last_update_id = book.seq_id
    scan.previous_update_id = book.prev_seq_id


def _fill_trades(scan: OkxScan, envelope: Envelope) -> int:
    _check_instrument(scan, envelope.arg.instrument)
    told = scan.trades_to
    told.trade_count = 0
    scan.event_ns = 0
    for trade in _trades.decode(envelope.data):
        _check_instrument(scan, trade.instrument)
        side = {"buy": BUY, "sell": SELL}.get(trade.side)
        if side is None:
            raise Unusable(f"a trade's side is {trade.side!r}")
        price = unsigned(trade.price, scan.price_scale)
        scan.event_ns = _nanoseconds(trade.ts)
        told.add_trade(int(trade.trade_id), price, unsigned(trade.size, scan.size_scale), side, scan.event_ns)
    return TRADES


def _fill_event(scan: OkxScan, envelope: Envelope) -> int:
    event = envelope.event
    about = f"{envelope.arg.channel} {envelope.arg.instrument}".strip()
    scan.text = f"{event} {about}".strip()
    if event in ("subscribe", "unsubscribe"):
        return REPLY
    if event == "error":
        scan.text = f"refused with code {envelope.code}: {envelope.msg}"
        return REFUSAL
    scan.text = f"{event} {envelope.code}: {envelope.msg}"
    if event == "notice" and envelope.code == UPGRADE_NOTICE:
        return CLOSES
    return OTHER if event in _OTHER_EVENTS else STRANGE


def _nanoseconds(milliseconds: str) -> int:
    number = int(milliseconds)
    if number > MOST_MILLISECONDS:
        raise Unusable(f"a time of {milliseconds} milliseconds")
    return number * NANOSECONDS


def _add_levels(scan: OkxScan, levels: list[_Level]) -> None:
    for price_text, size_text, _, _ in levels:
        price = unsigned(price_text, scan.price_scale)
        # Found here, so that no change of a book is refused half way.
        if price > MOST_PRICE:
            raise Unusable(f"no level can have the price {price_text!r}")
        scan.add_level(price, unsigned(size_text, scan.size_scale))


def _check_instrument(scan: OkxScan, instrument: str) -> None:
    if instrument != scan.symbol:
        raise Unusable(f"a frame of {instrument!r} came where {scan.symbol!r} is kept")


def unsigned(text: str, scale: int) -> int:
    """A price or size from its text, exactly."""
    return parse_decimal(text, scale, allow_exponent=True, allow_sign=False)
