"""OKX v5: what it sends and what is asked of it. Spot, swaps and futures, public channels, no key.

What is particular. Channel `books` has 400 levels, every 100 ms what changed, each change chained to the one before it
(`venues/okx_book.py` tells the rule). Since June 2026 the checksum is always 0, which means none: from then on a wrong
digit in a level cannot be seen before the audit; what carries a checksum is checked. The snapshot comes in answer to a
subscription, and the venue has announced that it may stop sending it: after three seconds without one the same book is
asked for by request and joined to the stream. The sizes of contracts are numbers of contracts: an instrument's
multiplier is the contract's value times `ctMult`, in the base, or in the quote where the contract is inverse.
`trades` tells one row for each taker's order and price. `bbo-tbt` is read where it is sent, and not subscribed to.

Frames in the venue's usual spelling are read by `venues/okx_scan.py`, any other by `venues/okx_reading.py`.
Not verified: that port 8443 is retired (443 is used), the end of the snapshot in the stream, the fees of contracts and
of regions, the texts of errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import msgspec

from market.dialect import BY_SUBSCRIPTION, BadFrame, Conversation, Decoder
from market.instruments import Instrument
from market.numbers import decimal_places, format_decimal_short, parse_decimal
from venues.facts import Venue, VenueFacts, asked_symbol
from venues.listed import instrument_with_room, read_rows
from venues.okx_book import OkxDecoder
from venues.okx_conversation import OkxConversation
from venues.okx_reading import (
    PONG,
    UNREADABLE,
    Envelope,
    books,
    envelopes,
    read_answer,
    read_carefully,
    read_texts,
    result,
    unsigned,
)
from venues.okx_scan import NANOSECONDS, OkxScan

_MOST_LEVELS: Final = 400
_KINDS: Final = {"SPOT": "spot", "SWAP": "perpetual", "FUTURES": "future"}
_FEES_BPS: Final = {"SPOT": ("8", "10"), "SWAP": ("2", "5"), "FUTURES": ("2", "5")}


class _Listed(msgspec.Struct, rename="camel"):
    """An instrument as the venue describes it."""

    inst_type: str
    inst_id: str
    state: str
    tick_sz: str
    lot_sz: str
    min_sz: str
    base_ccy: str = ""
    quote_ccy: str = ""
    settle_ccy: str = ""
    uly: str = ""
    ct_type: str = ""
    ct_val: str = ""
    ct_mult: str = ""
    exp_time: str = ""
    max_lmt_sz: str = ""


_lists = msgspec.json.Decoder(list[msgspec.Raw])
_listings = msgspec.json.Decoder(_Listed)


class Okx(Venue):
    """See the head of this file."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
    usual_beginning: ClassVar[tuple[bytes, bytes]] = (b'{"arg":{"channel":"books","instId":"', b'"')
    default_depth: ClassVar[int] = _MOST_LEVELS
    depths: ClassVar[tuple[int, ...]] = (_MOST_LEVELS,)
    facts = VenueFacts(
        title="OKX",
        docs="www.okx.com/docs-v5",
        stream_url="wss://ws.okx.com/ws/v5/public",
        rest_url="https://www.okx.com",
        connects=3,
        connects_per_s=1.0,
        requests=480,
        requests_per_s=3600.0,
        # Fewer than 30 deep books on a connection are advised.
        instruments_per_connection=29,
        ping_every_s=20.0,
        # The venue ends a connection that was silent for 30 s; a ping is answered well before.
        silence_s=30.0,
        # 40 requests for a book in two seconds.
        rest_weight=40,
        rest_per_s=2.0,
        snapshot_after_s=3.0,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "okx"

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return OkxConversation()

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """The book by request, which `apply_snapshot` joins to the stream where that brought no snapshot."""
        return f"/api/v5/market/books?instId={asked_symbol(venue_symbol)}&sz={min(max(levels, 1), _MOST_LEVELS)}"

    def audit_path(self, venue_symbol: str) -> str:
        """The same."""
        return self.snapshot_path(venue_symbol, _MOST_LEVELS)

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of the answer, best first, or a `BadFrame`."""
        try:
            (book,) = books.decode(result(body))
            bids, asks = (
                [(unsigned(level[0], price_scale), unsigned(level[1], size_scale)) for level in side]
                for side in (book.bids, book.asks)
            )
        except UNREADABLE as error:
            raise BadFrame(str(error), body) from error
        return bids, asks

    def venue_symbol(self, frame: bytes) -> str:
        """The instrument that the frame's argument names; empty where there is none."""
        start = frame.find(b'"instId":"', 0, 96)
        end = frame.find(b'"', start + 10, start + 74)
        if start >= 0 and end >= 0 and frame.startswith((b'{"arg":{', b'{"event":"subscribe","arg":{')):
            return frame[start + 10 : end].decode("utf-8", "replace")
        return _envelope(frame).arg.instrument

    def message_type(self, frame: bytes) -> str:
        """Channel and action, or the event."""
        if frame == PONG:
            return "pong"
        envelope = _envelope(frame)
        if envelope.event:
            return f"event {envelope.event}"
        return f"{envelope.arg.channel} {envelope.action}".strip() or "unreadable"

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one instrument."""
        return OkxDecoder(OkxScan(venue_symbol, price_scale, size_scale), read_carefully, read_answer, read_texts)

    def metadata_paths(self) -> tuple[str, ...]:
        """Spot pairs, swaps and futures; options are no part of this dialect."""
        return tuple(f"/api/v5/public/instruments?instType={kind}" for kind in _KINDS)

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """The instruments that are traded; one that cannot be described is left out."""
        self.left_out = []
        found: list[Instrument] = []
        for body in bodies:
            try:
                listed = _lists.decode(result(body))
            except UNREADABLE as error:
                raise BadFrame(str(error), body) from error
            found += read_rows(listed, _read_row, first_id + len(found), self.left_out, body)
        return found


def _envelope(frame: bytes) -> Envelope:
    """What kind of frame it is, empty where it cannot be read."""
    try:
        return envelopes.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Envelope()


def _read_row(row: msgspec.Raw, instrument_id: int) -> Instrument | None:
    one = _listings.decode(row)
    return _instrument(one, instrument_id) if one.state == "live" else None


def _instrument(one: _Listed, instrument_id: int) -> Instrument | None:
    """What the venue lists as an instrument of ours; None when it is no such thing."""
    kind = _KINDS.get(one.inst_type)
    if kind is None:
        return None
    maker, taker = _FEES_BPS[one.inst_type]
    base, quote = one.base_ccy, one.quote_ccy
    contract: dict[str, Any] = {}
    if kind != "spot":
        base, _, quote = one.uly.partition("-")
        contract = {"inverse": one.ct_type == "inverse"}
    if kind != "spot":
        contract["multiplier"] = _product(one.ct_val, one.ct_mult or "1")
    if kind == "future":
        contract["expiry_ns"] = int(one.exp_time) * NANOSECONDS
    return instrument_with_room(
        instrument_id=instrument_id, symbol=f"{base}/{quote}", venue="okx", venue_symbol=one.inst_id, base=base,
        quote=quote, kind=kind, tick=one.tick_sz, lot=one.lot_sz, minimum_size=one.min_sz, maker_fee_bps=maker,
        taker_fee_bps=taker, most_size=one.max_lmt_sz, **contract,
    )  # fmt: skip


def _product(first: str, second: str) -> str:
    """Two decimal texts multiplied exactly."""
    first_places, second_places = decimal_places(first), decimal_places(second)
    product = parse_decimal(first, first_places) * parse_decimal(second, second_places)
    return format_decimal_short(product, first_places + second_places)
