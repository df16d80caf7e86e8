"""Reads any spelling of Binance's messages, spot and futures, by msgspec, to what the quick scan would read.

What is no message of the venue is a `BadFrame`; nothing is read through a float. Unknown fields are passed over. Events
that are documented and not kept are told from those that are not documented, which are counted and shown.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from market.dialect import BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL
from market.numbers import NumberError, parse_decimal
from venues.binance_cut import list_keys
from venues.binance_scan import COMBINED, MOST_MILLISECONDS, NANOSECONDS, FrameScan, ends_like_a_piece
from venues.scanning import CLOSES, DELTA, OTHER, QUOTE, REFUSAL, REPLY, SNAPSHOT, STRANGE, TRADES

_Identifier = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=MOST_MILLISECONDS)]
_Level = tuple[str, str]

_PARTIAL_DEPTH: Final = re.compile(r"@depth(5|10|20)")
# The venue's other events, of spot and of the futures: known, and nothing to us.
_NOT_KEPT: Final = frozenset({
    "kline", "continuous_kline", "indexPrice_kline", "markPrice_kline", "24hrTicker", "24hrMiniTicker", "1hTicker",
    "4hTicker", "1dTicker", "avgPrice", "markPriceUpdate", "indexPriceUpdate", "forceOrder", "compositeIndex",
    "contractInfo", "assetIndexUpdate", "tradingSession", "blockTrade", "referencePrice",
})  # fmt: skip


class _Envelope(msgspec.Struct):
    """What tells one kind of frame from another; none of it need be there."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    event: str = msgspec.field(name="e", default="")
    symbol: str = msgspec.field(name="s", default="")
    snapshot_id: int | None = msgspec.field(name="lastUpdateId", default=None)


class _Depth(msgspec.Struct):
    """A change of the book."""

    event_time: _Milliseconds = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    first_update_id: _Identifier = msgspec.field(name="U")
    last_update_id: _Identifier = msgspec.field(name="u")
    bids: list[_Level] = msgspec.field(name="b")
    asks: list[_Level] = msgspec.field(name="a")
    previous_update_id: _Identifier | None = msgspec.field(name="pu", default=None)


class _Trade(msgspec.Struct):
    """A public trade, or several of one order at one price."""

    event_time: _Milliseconds = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    trade_time: _Milliseconds = msgspec.field(name="T")
    buyer_was_maker: bool = msgspec.field(name="m")
    trade_id: _Identifier | None = msgspec.field(name="t", default=None)
    aggregate_id: _Identifier | None = msgspec.field(name="a", default=None)


class _Quote(msgspec.Struct):
    """A best bid and ask; spot tells no time."""

    update_id: _Identifier = msgspec.field(name="u")
    symbol: str = msgspec.field(name="s")
    bid_price: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")
    ask_price: str = msgspec.field(name="a")
    ask_size: str = msgspec.field(name="A")
    event_time: _Milliseconds | None = msgspec.field(name="E", default=None)


class _Snapshot(msgspec.Struct, rename="camel"):
    """The answer to a depth request."""

    last_update_id: _Identifier
    bids: list[_Level]
    asks: list[_Level]
    symbol: str | None = None


class _Fault(msgspec.Struct):
    """What is wrong with a request."""

    code: int = 0
    msg: str = ""


class _Reply(msgspec.Struct):
    """The answer to a request, or a refusal with its code."""

    result: msgspec.Raw = msgspec.Raw()
    code: int | msgspec.UnsetType = msgspec.UNSET
    msg: str = ""
    error: _Fault | None = None
    id: int | str | None = None


_envelopes = msgspec.json.Decoder(_Envelope)
_depths = msgspec.json.Decoder(_Depth)
_trades = msgspec.json.Decoder(_Trade)
_quotes = msgspec.json.Decoder(_Quote)
_snapshots = msgspec.json.Decoder(_Snapshot)
_replies = msgspec.json.Decoder(_Reply)
_levels = msgspec.json.Decoder(list[_Level])


class _Unusable(ValueError):
    """A frame that is well formed and still cannot be what was asked for."""


# Nesting deeper than any message is a RecursionError to msgspec, and to us one more frame that is none.
_REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NumberError, _Unusable)


def read_carefully(scan: FrameScan, frame: bytes) -> int:
    """Read any spelling of a stream frame into the scan and return its kind, or raise `BadFrame`."""
    try:
        envelope = _envelopes.decode(frame)
        payload = frame
        stream = envelope.stream
        if bytes(envelope.data):
            payload = bytes(envelope.data)
            if payload.startswith(b"["):
                scan.text = "a list of a stream that is not kept"
                return OTHER
            envelope = _envelopes.decode(payload)
        if _PARTIAL_DEPTH.search(stream):
            scan.text = "a partial depth"
            return OTHER
        if envelope.event or envelope.symbol:
            return _read_event(scan, envelope, payload)
        # Partial depth has no event name; only a reply has neither symbol nor snapshot id.
        if envelope.snapshot_id is not None:
            scan.text = "a partial depth"
            return OTHER
        if payload is not frame:
            scan.text = f"a nameless event of the stream {stream!r}"
            return STRANGE
        return _fill_reply(scan, _replies.decode(payload))
    except _REFUSED as error:
        raise BadFrame(str(error), frame) from error


def _read_event(scan: FrameScan, envelope: _Envelope, payload: bytes) -> int:
    """Read an event by its name; of spot's best prices that is none."""
    event = envelope.event
    if event == "depthUpdate":
        return _fill_depth(scan, _depths.decode(payload))
    if event in ("trade", "aggTrade"):
        return _fill_trade(scan, event, _trades.decode(payload))
    if event == "bookTicker" or not event:
        return _fill_quote(scan, _quotes.decode(payload))
    if event == "serverShutdown":
        scan.text = "the server is about to shut down"
        return CLOSES
    scan.text = f"a {event} event"
    return OTHER if event in _NOT_KEPT else STRANGE


def read_snapshot_carefully(scan: FrameScan, frame: bytes) -> int:
    """Read any spelling of the answer to a depth request into the scan, or raise `BadFrame`."""
    try:
        reply = _replies.decode(frame)
        if reply.code is not msgspec.UNSET:
            return _fill_reply(scan, reply)
        snapshot = _snapshots.decode(frame)
        if snapshot.symbol is not None:
            _check_symbol(scan, snapshot.symbol)
        _fill_levels(scan, snapshot.bids, snapshot.asks)
    except _REFUSED as error:
        raise BadFrame(str(error), frame) from error
    scan.last_update_id = snapshot.last_update_id
    return SNAPSHOT


def snapshot_levels(
    frame: bytes, price_scale: int, size_scale: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Bids and asks of the answer to a depth request, as it lists them, or a `BadFrame`."""
    scan = FrameScan("", price_scale, size_scale)
    try:
        snapshot = _snapshots.decode(frame)
        _fill_levels(scan, snapshot.bids, snapshot.asks)
    except _REFUSED as error:
        raise BadFrame(str(error), frame) from error
    levels = list(zip(scan.level_prices[: scan.level_count], scan.level_sizes[: scan.level_count], strict=True))
    return levels[: scan.bid_count], levels[scan.bid_count :]


def read_piece_carefully(scan: FrameScan, piece: bytes, part: int, parts: int, kind: int) -> None:
    """Read a piece as `FrameScan.scan_piece` does, whatever the spelling of its levels, or raise `BadFrame`."""
    bids_key, asks_key = list_keys(kind == SNAPSHOT)
    is_last = part == parts
    try:
        if not ends_like_a_piece(piece, is_last):
            raise _Unusable("a piece that does not end with a level, or a frame without its brace")
        body = piece
        if part == 1:
            head, found, body = piece.partition(bids_key)
            _fill_head(scan, head + found + b"]" + asks_key + b"]}", kind)
        elif piece.startswith(b",["):
            body = piece[1:]
        else:
            raise _Unusable("a piece that does not begin with a level")
        if is_last:
            closing = b"]}}" if scan.wrapped else b"]}"
            if not body.endswith(closing):
                raise _Unusable("a last piece that does not end its lists")
            body = body[: -len(closing)]
        if scan.bids_open:
            bids, found, body = body.partition(b"]" + asks_key)
            _add_levels(scan, _levels_between(bids))
            scan.bids_open = not found
            scan.bid_count = scan.level_count
        _add_levels(scan, _levels_between(body))
        if is_last and scan.bids_open:
            raise _Unusable("a frame without asks")
    except _REFUSED as error:
        raise BadFrame(str(error), piece) from error


def _fill_head(scan: FrameScan, frame: bytes, kind: int) -> None:
    """Read a first piece up to its levels, made whole with two empty lists."""
    scan.wrapped = frame.startswith(COMBINED)
    scan.bids_open = True
    if kind == SNAPSHOT:
        found = read_snapshot_carefully(scan, frame)
    else:
        found = read_carefully(scan, frame + b"}" if scan.wrapped else frame)
    if found != kind:
        raise _Unusable("a first piece of another frame")


def _levels_between(text: bytes) -> list[_Level]:
    """The levels that stand between the brackets of a list."""
    return _levels.decode(b"[" + text + b"]")


def _add_levels(scan: FrameScan, levels: list[_Level]) -> None:
    for price_text, size_text in levels:
        price = _unsigned(price_text, scan.price_scale)
        # Found here, so that no change of a book is refused half way.
        if price > MOST_PRICE:
            raise _Unusable(f"no level can have the price {price_text!r}")
        scan.add_level(price, _unsigned(size_text, scan.size_scale))


def _fill_depth(scan: FrameScan, depth: _Depth) -> int:
    _check_symbol(scan, depth.symbol)
    if depth.first_update_id > depth.last_update_id:
        raise _Unusable(f"an event cannot begin at {depth.first_update_id} and end at {depth.last_update_id}")
    if scan.futures:
        if depth.previous_update_id is None:
            raise _Unusable("an event of the futures without the id of the one before it")
        scan.previous_update_id = depth.previous_update_id
    _fill_levels(scan, depth.bids, depth.asks)
    scan.event_ns = depth.event_time * NANOSECONDS
    scan.first_update_id = depth.first_update_id
    scan.last_update_id = depth.last_update_id
    return DELTA


def _fill_trade(scan: FrameScan, event: str, trade: _Trade) -> int:
    _check_symbol(scan, trade.symbol)
    trade_id = trade.trade_id if event == "trade" else trade.aggregate_id
    if trade_id is None:
        raise _Unusable(f"a {event} without its id")
    price, size = _unsigned(trade.price, scan.price_scale), _unsigned(trade.size, scan.size_scale)
    if size == 0:
        scan.text = "a trade of nothing"
        return OTHER
    scan.event_ns = trade.event_time * NANOSECONDS
    scan.trades_to.trade_count = 0
    # "m" says that the buyer was the maker, so then it was the seller who came to trade.
    side = SELL if trade.buyer_was_maker else BUY
    scan.trades_to.add_trade(trade_id, price, size, side, trade.trade_time * NANOSECONDS)
    return TRADES


def _fill_quote(scan: FrameScan, quote: _Quote) -> int:
    _check_symbol(scan, quote.symbol)
    bid_price, bid_size = _unsigned(quote.bid_price, scan.price_scale), _unsigned(quote.bid_size, scan.size_scale)
    ask_price, ask_size = _unsigned(quote.ask_price, scan.price_scale), _unsigned(quote.ask_size, scan.size_scale)
    if quote.event_time is not None:
        scan.event_ns = quote.event_time * NANOSECONDS
    owner = scan.trades_to
    owner.quoted_update_id = quote.update_id
    owner.quoted_bid_price, owner.quoted_bid_size = bid_price, bid_size
    owner.quoted_ask_price, owner.quoted_ask_size = ask_price, ask_size
    return QUOTE


def _fill_levels(scan: FrameScan, bids: list[_Level], asks: list[_Level]) -> None:
    scan.begin_levels()
    _add_levels(scan, bids)
    scan.bid_count = scan.level_count
    _add_levels(scan, asks)


def _fill_reply(scan: FrameScan, reply: _Reply) -> int:
    if reply.code is not msgspec.UNSET or reply.error is not None:
        code, text = (reply.error.code, reply.error.msg) if reply.error is not None else (reply.code, reply.msg)
        scan.text = f"refused with code {code}: {text}"
        return REFUSAL
    if not bytes(reply.result):
        raise _Unusable("neither an event, nor a reply, nor a refusal")
    scan.text = f"request {reply.id} answered with {bytes(reply.result).decode()}"
    return REPLY


def _check_symbol(scan: FrameScan, symbol: str) -> None:
    if symbol != scan.symbol:
        raise _Unusable(f"a frame of {symbol!r} came where {scan.symbol!r} is kept")


def _unsigned(text: str, scale: int) -> int:
    return parse_decimal(text, scale, allow_exponent=True, allow_sign=False)
