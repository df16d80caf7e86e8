"""Binance spot: what it sends and what is sent to it, raw and combined streams, in both directions.

The bytes of depth, trade and snapshot frames in the venue's usual spelling are read by `venues/binance_scan.py`; any
other spelling of the same message is read here, by msgspec, to the same values, and what is no message of the venue is
a `BadFrame`. Nothing is read through a float. Streams that are not asked for are told from bad ones, and ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from market.dialect import MOST_KEPT_BYTES, PIECE_BYTES, BadFrame, Decoder, Dialect, Encoder
from market.ladder import MOST_PRICE
from market.numbers import NumberError, format_decimal, parse_decimal
from venues.binance_book import MOST_BUFFERED, BinanceDecoder
from venues.binance_cut import COMBINED, cut_frame, list_keys
from venues.binance_scan import (
    DEPTH,
    MOST_MILLISECONDS,
    OTHER,
    REFUSAL,
    REPLY,
    SHUTDOWN,
    SNAPSHOT,
    TRADE,
    FrameScan,
    ends_like_a_piece,
)

# The venue writes every price and size with eight decimal places, whatever the tick.
_WIRE_PLACES: Final = 8
_NANOSECONDS: Final = 1_000_000  # in a millisecond

_Identifier = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=MOST_MILLISECONDS)]
_Level = tuple[str, str]


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


class _Trade(msgspec.Struct):
    """A public trade."""

    event_time: _Milliseconds = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    trade_id: _Identifier = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    trade_time: _Milliseconds = msgspec.field(name="T")
    buyer_was_maker: bool = msgspec.field(name="m")


class _Snapshot(msgspec.Struct, rename="camel"):
    """The answer to a depth request."""

    last_update_id: _Identifier
    bids: list[_Level]
    asks: list[_Level]


class _Reply(msgspec.Struct):
    """The answer to a request, or a refusal with its code."""

    result: msgspec.Raw = msgspec.Raw()
    code: int | msgspec.UnsetType = msgspec.UNSET
    msg: str = ""
    id: int | str | None = None


_envelopes = msgspec.json.Decoder(_Envelope)
_depths = msgspec.json.Decoder(_Depth)
_trades = msgspec.json.Decoder(_Trade)
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
        if bytes(envelope.data):
            payload = bytes(envelope.data)
            if payload.startswith(b"["):
                scan.text = "a list of a stream that is not kept"
                return OTHER
            envelope = _envelopes.decode(payload)
        if envelope.event == "depthUpdate":
            return _fill_depth(scan, _depths.decode(payload))
        if envelope.event == "trade":
            return _fill_trade(scan, _trades.decode(payload))
        if envelope.event == "serverShutdown":
            scan.text = "the server is about to shut down"
            return SHUTDOWN
        # Best prices and partial depth have no event name; only a reply has neither symbol nor snapshot id.
        if envelope.event or envelope.symbol or envelope.snapshot_id is not None or payload is not frame:
            scan.text = f"a {envelope.event or 'nameless'} event of a stream that is not kept"
            return OTHER
        return _fill_reply(scan, _replies.decode(payload))
    except _REFUSED as error:
        raise BadFrame(str(error), frame) from error


def read_snapshot_carefully(scan: FrameScan, frame: bytes) -> int:
    """Read any spelling of the answer to a depth request into the scan, or raise `BadFrame`."""
    try:
        reply = _replies.decode(frame)
        if reply.code is not msgspec.UNSET:
            return _fill_reply(scan, reply)
        snapshot = _snapshots.decode(frame)
        _fill_levels(scan, snapshot.bids, snapshot.asks)
    except _REFUSED as error:
        raise BadFrame(str(error), frame) from error
    scan.last_update_id = snapshot.last_update_id
    return SNAPSHOT


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
        price = _unsigned(price_text, scan.price_form.scale)
        # Found here, so that no change of a book is refused half way.
        if price > MOST_PRICE:
            raise _Unusable(f"no level can have the price {price_text!r}")
        scan.add_level(price, _unsigned(size_text, scan.size_form.scale))


def _fill_depth(scan: FrameScan, depth: _Depth) -> int:
    _check_symbol(scan, depth.symbol)
    if depth.first_update_id > depth.last_update_id:
        raise _Unusable(f"an event cannot begin at {depth.first_update_id} and end at {depth.last_update_id}")
    _fill_levels(scan, depth.bids, depth.asks)
    scan.event_milliseconds = depth.event_time
    scan.first_update_id = depth.first_update_id
    scan.last_update_id = depth.last_update_id
    return DEPTH


def _fill_trade(scan: FrameScan, trade: _Trade) -> int:
    _check_symbol(scan, trade.symbol)
    scan.trade_price = _unsigned(trade.price, scan.price_form.scale)
    scan.trade_size = _unsigned(trade.size, scan.size_form.scale)
    scan.event_milliseconds = trade.event_time
    scan.trade_id = trade.trade_id
    scan.trade_milliseconds = trade.trade_time
    scan.buyer_was_maker = trade.buyer_was_maker
    return TRADE


def _fill_levels(scan: FrameScan, bids: list[_Level], asks: list[_Level]) -> None:
    scan.begin_levels()
    _add_levels(scan, bids)
    scan.bid_count = scan.level_count
    _add_levels(scan, asks)


def _fill_reply(scan: FrameScan, reply: _Reply) -> int:
    if reply.code is not msgspec.UNSET:
        scan.text = f"refused with code {reply.code}: {reply.msg}"
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


class BinanceSpot(Dialect):
    """The dialect of Binance spot."""

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "binance"

    def subscribe(self, venue_symbols: Sequence[str], request_id: int) -> list[bytes]:
        """One request for the 100 ms depth and the trades of every symbol."""
        return [_request("SUBSCRIBE", venue_symbols, request_id)]

    def unsubscribe(self, venue_symbols: Sequence[str], request_id: int) -> list[bytes]:
        """One request to end what `subscribe` began."""
        return [_request("UNSUBSCRIBE", venue_symbols, request_id)]

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """The depth request; the venue takes 1 to 5000 levels."""
        return f"/api/v3/depth?symbol={venue_symbol}&limit={min(max(levels, 1), 5000)}"

    def venue_symbol(self, frame: bytes) -> str:
        """The symbol, from the stream's name in a combined frame, else from the payload; empty when there is none."""
        if frame.startswith(b'{"stream":"'):
            at = frame.find(b"@", 11, 64)
            return "" if at < 0 else frame[11:at].decode("utf-8", "replace").upper()
        start = frame.find(b'"s":"', 0, 96)
        end = frame.find(b'"', start + 5, start + 64)
        return "" if start < 0 or end < 0 else frame[start + 5 : end].decode("utf-8", "replace")

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
        return BinanceDecoder(
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
            f'{{"e":"depthUpdate","E":{event_ns // _NANOSECONDS},"s":"{self._symbol}","U":{first_update_id},'
            f'"u":{last_update_id},"b":{self._levels(bids)},"a":{self._levels(asks)}}}'
        )
        return self._wrapped("depth@100ms", payload)

    def trade(self, event_ns: int, trade_id: int, price: int, size: int, aggressor_side: int) -> bytes:
        """A trade event; its trade time is the event's."""
        milliseconds = event_ns // _NANOSECONDS
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


def _request(method: str, venue_symbols: Sequence[str], request_id: int) -> bytes:
    streams = [
        f"{symbol.lower()}@{channel}" for symbol in venue_symbols for channel in ("depth@100ms", "trade")
    ]
    return msgspec.json.encode({"method": method, "params": streams, "id": request_id})


def _on_the_wire(value: int, scale: int) -> str:
    if scale >= _WIRE_PLACES:
        return format_decimal(value, scale)
    return format_decimal(value * 10 ** (_WIRE_PLACES - scale), _WIRE_PLACES)
