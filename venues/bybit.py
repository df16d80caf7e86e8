"""Bybit v5, spot and linear: what it sends and what is asked of it. Public streams, no key.

What is particular. Every instrument has a stream `orderbook.{depth}.{symbol}` of a snapshot and changes, numbered one
by one for each depth; a gap is mended by unsubscribing and subscribing. There is no checksum: a wrong digit in a level
cannot be seen before the audit. Depth 1 is sent at least every three seconds and shows that the venue is alive.
Trade ids are numbers on spot and UUIDs on linear; an UUID is told as the number that its last 60 bits write, any other
text as the first 63 bits of its SHA-256. A request with one topic that the venue does not know fails as a whole, see
`venues/bybit_conversation.py`. `ts` is taken as the venue's time of a frame.

Frames in the venue's usual spelling are read by `venues/bybit_scan.py`, any other here, by msgspec, to the same values.
Not verified: that the JSON stream never skips an update id (measured, and written for another encoding), whether two
connections number alike (so the dialect says that they do not), error texts, and the fees of linear contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote

import attrs
import msgspec

from market.dialect import BY_SUBSCRIPTION, BadFrame, Conversation, Decoder
from market.instruments import Instrument
from venues.bybit_book import BybitDecoder
from venues.bybit_conversation import BybitConversation
from venues.bybit_reading import UNREADABLE, Unusable, books, envelopes, read_carefully, unsigned
from venues.bybit_scan import NANOSECONDS, BybitScan
from venues.facts import Venue, VenueFacts, asked_symbol
from venues.listed import instrument_with_room, read_rows

_MOST_AUDITED: Final = {"spot": 200, "linear": 500}
_FEES_BPS: Final = {"spot": ("10", "10"), "linear": ("2", "5.5")}


class _Answer(msgspec.Struct, rename="camel"):
    """The answer to a request."""

    ret_code: int
    ret_msg: str = ""
    result: msgspec.Raw = msgspec.Raw()


class _PriceFilter(msgspec.Struct, rename="camel"):
    """The rules for prices."""

    tick_size: str


class _SizeFilter(msgspec.Struct, rename="camel"):
    """The rules for sizes; spot and linear name them differently."""

    min_order_qty: str
    max_order_qty: str = ""
    max_limit_order_qty: str = ""
    base_precision: str = ""
    min_order_amt: str = "0"
    qty_step: str = ""
    min_notional_value: str = "0"


class _Listed(msgspec.Struct, rename="camel"):
    """An instrument as the venue describes it."""

    symbol: str
    status: str
    base_coin: str
    quote_coin: str
    price_filter: _PriceFilter
    lot_size_filter: _SizeFilter
    contract_type: str = ""
    delivery_time: str = "0"


class _Page(msgspec.Struct, rename="camel"):
    """One page of the instruments."""

    listed: list[msgspec.Raw] = msgspec.field(name="list")
    next_page_cursor: str = ""


class _Topic(msgspec.Struct):
    """Of a frame only its topic."""

    topic: str = ""


_answers = msgspec.json.Decoder(_Answer)
_pages = msgspec.json.Decoder(_Page)
_listings = msgspec.json.Decoder(_Listed)
_topics = msgspec.json.Decoder(_Topic)


class BybitVenue(Venue):
    """What both categories share."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
    is_numbered_by_book: ClassVar[bool] = False
    default_depth: ClassVar[int] = 50
    depths: ClassVar[tuple[int, ...]] = (50, 200, 1000)
    category: ClassVar[str]
    most_topics: ClassVar[int]
    """A request has at most so many topics, three for each instrument."""

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return BybitConversation(self.depth, self.most_topics)

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """None: the stream brings the snapshots."""
        return ""

    def audit_path(self, venue_symbol: str) -> str:
        """The order book, as deep as what is kept where the venue tells so much."""
        limit = min(self.depth, _MOST_AUDITED[self.category])
        return f"/v5/market/orderbook?category={self.category}&symbol={asked_symbol(venue_symbol)}&limit={limit}"

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of the answer, best first, or a `BadFrame`."""
        try:
            book = books.decode(_result(body))
            bids, asks = (
                [(unsigned(price, price_scale), unsigned(size, size_scale)) for price, size in side]
                for side in (book.bids, book.asks)
            )
        except UNREADABLE as error:
            raise BadFrame(str(error), body) from error
        return bids, asks

    def venue_symbol(self, frame: bytes) -> str:
        """The last part of the frame's topic; empty where there is none."""
        topic = _topic(frame)
        return topic.rpartition(".")[2]

    def message_type(self, frame: bytes) -> str:
        """The topic without its symbol and the type, or the operation that an answer is for."""
        topic = _topic(frame)
        try:
            envelope = envelopes.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return topic.rpartition(".")[0] or "unreadable"
        if topic:
            return f"{topic.rpartition('.')[0]} {envelope.type}"
        return f"answer to {envelope.op}" if envelope.op else "nameless"

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one symbol. Its book is of the depth of the first snapshot."""
        return BybitDecoder(BybitScan(venue_symbol, price_scale, size_scale), read_carefully)

    def metadata_paths(self) -> tuple[str, ...]:
        """All instruments of the category; there is more behind the first thousand."""
        return (f"/v5/market/instruments-info?category={self.category}&limit=1000",)

    def next_metadata_path(self, path: str, body: bytes) -> str:
        """The page behind the one that the answer holds."""
        try:
            cursor = _pages.decode(_result(body)).next_page_cursor
        except UNREADABLE:
            return ""
        return f"{self.metadata_paths()[0]}&cursor={quote(cursor, safe='%')}" if cursor else ""

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """The instruments that are traded; one that cannot be described is left out."""
        self.left_out = []
        found: list[Instrument] = []
        for body in bodies:
            try:
                listed = _pages.decode(_result(body)).listed
            except UNREADABLE as error:
                raise BadFrame(str(error), body) from error
            found += read_rows(listed, self._read_row, first_id + len(found), self.left_out, body)
        return found

    def _read_row(self, row: msgspec.Raw, instrument_id: int) -> Instrument | None:
        return _instrument(_listings.decode(row), self.venue, instrument_id)


class Bybit(BybitVenue):
    """Spot."""

    category: ClassVar[str] = "spot"
    # The venue takes ten topics in a request here.
    most_topics: ClassVar[int] = 9
    facts = VenueFacts(
        title="Bybit spot",
        docs="bybit-exchange.github.io/docs/v5",
        stream_url="wss://stream.bybit.com/v5/public/spot",
        rest_url="https://api.bybit.com",
        connects=500,
        connects_per_s=300.0,
        instruments_per_connection=200,
        ping_every_s=20.0,
        rest_weight=600,
        rest_per_s=5.0,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "bybit"


class BybitLinear(BybitVenue):
    """Linear contracts: perpetuals and futures, in the base asset, paid in USDT or USDC."""

    category: ClassVar[str] = "linear"
    most_topics: ClassVar[int] = 60
    facts = attrs.evolve(
        Bybit.facts, title="Bybit linear contracts", stream_url="wss://stream.bybit.com/v5/public/linear"
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "bybit_linear"


def _topic(frame: bytes) -> str:
    """The topic of a frame, in any spelling; empty when there is none."""
    start = frame.find(b'"topic":"', 0, 64)
    end = frame.find(b'"', start + 9, start + 73)
    if start >= 0 and end >= 0:
        return frame[start + 9 : end].decode("utf-8", "replace")
    try:
        return _topics.decode(frame).topic
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _result(body: bytes) -> msgspec.Raw:
    """What an answer brings, or why it brings nothing."""
    answer = _answers.decode(body)
    if answer.ret_code != 0:
        raise Unusable(f"refused with code {answer.ret_code}: {answer.ret_msg}")
    return answer.result


def _instrument(one: _Listed, venue: str, instrument_id: int) -> Instrument | None:
    """What the venue lists as an instrument of ours; None when it is not traded."""
    if one.status != "Trading":
        return None
    size = one.lot_size_filter
    common: dict[str, Any] = {
        "instrument_id": instrument_id, "symbol": f"{one.base_coin}/{one.quote_coin}", "venue": venue,
        "venue_symbol": one.symbol, "base": one.base_coin, "quote": one.quote_coin,
        "tick": one.price_filter.tick_size, "minimum_size": size.min_order_qty,
        "most_size": size.max_limit_order_qty or size.max_order_qty,
    }  # fmt: skip
    is_linear = bool(one.contract_type)
    maker, taker = _FEES_BPS["linear" if is_linear else "spot"]
    common |= {"maker_fee_bps": maker, "taker_fee_bps": taker}
    if not is_linear:
        return instrument_with_room(
            kind="spot", lot=size.base_precision, minimum_notional=size.min_order_amt, **common
        )
    common |= {"lot": size.qty_step, "minimum_notional": size.min_notional_value}
    if one.contract_type == "LinearPerpetual":
        return instrument_with_room(kind="perpetual", **common)
    return instrument_with_room(kind="future", expiry_ns=int(one.delivery_time) * NANOSECONDS, **common)
