"""Deribit: what it sends, what is said to it, its instruments. JSON-RPC 2.0, public streams, no key.

What is particular here. Every change of a book names the one before it (`venues/deribit_book.py`); a snapshot comes in
the stream and names none. The interval is 100 ms: the raw one needs a login. Amounts are in USD for inverse perpetuals
and futures, else in the base coin; prices of inverse options are in the coin. There is no checksum, so that a wrong
digit in a level is seen by nothing but the audit. Trades are numbered in a row by `trade_seq`, which shows lost ones.

The venue asks whether we live (`test_request`) once `public/set_heartbeat` was said, and ends a connection that does
not answer at once. The answer to a subscription lists only the channels that were accepted and says nothing of the
others; so each instrument is subscribed to by a request of its own, and what is not in the answer counts as refused.

Not verified: 32 connections for an address; that all currencies can be listed at once (`currency=any`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from market.dialect import (
    BACK,
    BY_SUBSCRIPTION,
    CONFIRMED,
    DATA,
    MAINTENANCE,
    PIECE_BYTES,
    REFUSED,
    BadFrame,
    Conversation,
    Decoder,
)
from market.instruments import Instrument
from market.numbers import decimal_places, format_decimal, parse_decimal
from venues.deribit_book import DeribitDecoder
from venues.deribit_reading import PLATFORM, UNREADABLE, Envelope, envelopes, platform_states, read_carefully, unsigned
from venues.deribit_scan import NANOSECONDS, DeribitScan
from venues.facts import Venue, VenueFacts, asked_symbol
from venues.listed import instrument_with_room, read_rows

HEARTBEAT_S: Final = 30
_NOTIFICATION: Final = b'{"jsonrpc":"2.0","method":"subscription"'
_PLATFORM_CHANNEL: Final = b'"channel":"platform_state"'
_CHANNEL: Final = b'"channel":"'
_GLANCE_BYTES: Final = 128
_PPM_PLACES: Final = 6
_SHARE_PLACES: Final = 15
_KINDS: Final = ("future", "option", "spot")
# An answer comes soon after its request; of those that never come only so many are waited for.
_MOST_REMEMBERED: Final = 1_000


class _Listed(msgspec.Struct):
    """An instrument as the venue describes it; what is missing was not told when older recordings were made."""

    instrument_name: str
    kind: str
    base_currency: str
    quote_currency: str
    tick_size: msgspec.Raw
    min_trade_amount: msgspec.Raw
    contract_size: msgspec.Raw
    maker_commission: msgspec.Raw
    taker_commission: msgspec.Raw
    settlement_period: str | None = None
    expiration_timestamp: int = 0
    is_active: bool = True
    instrument_type: str | None = None
    future_type: str | None = None
    option_type: str | None = None
    strike: msgspec.Raw = msgspec.Raw(b"0")
    block_trade_tick_size: msgspec.Raw = msgspec.Raw(b"0")

    @property
    def is_inverse(self) -> bool:
        """Whether its amounts are in USD and its money in the coin."""
        told = self.instrument_type or self.future_type
        return self.kind == "future" and (told == "reversed" or (not told and self.quote_currency == "USD"))


class _ListAnswer(msgspec.Struct):
    """The answer to a request for instruments."""

    result: list[msgspec.Raw]


class _RequestedBook(msgspec.Struct):
    """Both sides of a requested book."""

    bids: list[tuple[msgspec.Raw, msgspec.Raw]]
    asks: list[tuple[msgspec.Raw, msgspec.Raw]]


class _BookAnswer(msgspec.Struct):
    """The answer to a request for a book."""

    result: _RequestedBook


_list_answers = msgspec.json.Decoder(_ListAnswer)
_listings = msgspec.json.Decoder(_Listed)
_book_answers = msgspec.json.Decoder(_BookAnswer)
_channel_lists = msgspec.json.Decoder(list[str])


class DeribitConversation(Conversation):
    """Numbers its requests, and compares each answer with what was asked for."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self._last_id = 0
        # Of the requests that wait for an answer: what for, for which instrument, and with which channels.
        self._asked: dict[int, tuple[str, str, list[str]]] = {}
        # The channels of each instrument that were refused, and not accepted since.
        self._refused: dict[str, set[str]] = {}
        self._is_in_maintenance = False

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Signs of life, the venue's own state, and then each instrument."""
        self._asked.clear()
        self._refused.clear()
        return [
            self._request("public/set_heartbeat", {"interval": HEARTBEAT_S}),
            self._ask("subscribe", "", [PLATFORM]),
            *(self._ask("subscribe", symbol, channels_of(symbol)) for symbol in venue_symbols),
        ]

    def renew(self, venue_symbol: str) -> list[bytes]:
        """End the subscription to a book; with the answer it is begun anew, and with it all that was refused before."""
        # One that was never answered is forgotten: its answer, should it still come, must not begin the book twice.
        for number in [number for number, asked in self._asked.items() if asked[:2] == ("renew", venue_symbol)]:
            del self._asked[number]
        return [self._ask("unsubscribe", venue_symbol, channels_of(venue_symbol)[:1], "renew")]

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """One request for each instrument, as they were begun."""
        return [self._ask("unsubscribe", symbol, channels_of(symbol)) for symbol in venue_symbols]

    def hear(self, frame: bytes) -> int:
        """Answer what the venue asks, and follow the answers to what was asked."""
        if frame.startswith(_NOTIFICATION) and _PLATFORM_CHANNEL not in frame[:_GLANCE_BYTES]:
            return DATA
        if len(frame) > PIECE_BYTES:
            return DATA
        try:
            envelope = envelopes.decode(frame)
            if envelope.method == "heartbeat":
                if envelope.params.type == "test_request":
                    self.replies.append(self._request("public/test", {}))
                return DATA
            if envelope.method == "subscription" and envelope.params.channel == PLATFORM:
                return self._hear_state(envelope)
            if envelope.method:
                return DATA
            return self._hear_answer(envelope)
        except UNREADABLE:
            # The decoders are given it too, and tell what is wrong with it.
            return DATA

    def _hear_state(self, envelope: Envelope) -> int:
        state = platform_states.decode(envelope.params.data)
        if state.maintenance is None:
            return DATA
        was_in_maintenance, self._is_in_maintenance = self._is_in_maintenance, state.maintenance
        if state.maintenance:
            self.cause = "the venue says that it is in maintenance"
            return MAINTENANCE
        # It may well tell at first that all is as it should be.
        self.cause = "the maintenance is over" if was_in_maintenance else "the venue says that it works"
        return BACK if was_in_maintenance else DATA

    def _hear_answer(self, envelope: Envelope) -> int:
        request_id = envelope.id if isinstance(envelope.id, int) else 0
        purpose, symbol, channels = self._asked.pop(request_id, ("request", "", []))
        self.venue_symbol = symbol
        refused = self._refused.setdefault(symbol, set()) if purpose == "subscribe" else set()
        if envelope.error is not None:
            refused.update(channels)
            self.cause = f"{purpose} refused: {envelope.error.message} (code {envelope.error.code})"
            return REFUSED
        if purpose == "renew":
            lacking = self._refused.get(symbol, set()).difference(channels)
            again = [*channels, *(channel for channel in channels_of(symbol) if channel in lacking)]
            self.replies.append(self._ask("subscribe", symbol, again))
            return DATA
        if purpose != "subscribe":
            return DATA
        accepted = _channel_lists.decode(envelope.result)
        missing = [channel for channel in channels if channel not in accepted]
        refused.difference_update(accepted)
        refused.update(missing)
        if missing:
            self.cause = f"the venue did not accept {', '.join(missing)}"
            return REFUSED
        self.cause = ", ".join(accepted)
        return CONFIRMED

    def _ask(self, verb: str, symbol: str, channels: list[str], purpose: str = "") -> bytes:
        """A request with channels, whose answer is compared with it."""
        request = self._request(f"public/{verb}", {"channels": channels})
        self._asked[self._last_id] = (purpose or verb, symbol, channels)
        if len(self._asked) > _MOST_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return request

    def _request(self, method: str, params: dict[str, object]) -> bytes:
        self._last_id += 1
        return msgspec.json.encode({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})


def channels_of(symbol: str) -> list[str]:
    """What is subscribed to for an instrument, its book first."""
    return [f"book.{symbol}.100ms", f"trades.{symbol}.100ms", f"quote.{symbol}"]


class Deribit(Venue):
    """The dialect of Deribit."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
    facts = VenueFacts(
        title="Deribit",
        docs="docs.deribit.com",
        stream_url="wss://www.deribit.com/ws/api/v2",
        rest_url="https://www.deribit.com",
        connects=32,
        requests=3,
        requests_per_s=1.0,
        instruments_per_connection=100,
        # The venue asks for a sign of life in every `HEARTBEAT_S`, and sends one itself.
        silence_s=HEARTBEAT_S + 10.0,
        compression=True,
        rest_weight=20,
        rest_per_s=1.0,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "deribit"

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return DeribitConversation()

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """None: the stream brings it."""
        return ""

    def venue_symbol(self, frame: bytes) -> str:
        """The second part of the channel; empty where there is none."""
        parts = _channel_of(frame).split(".")
        return parts[1] if len(parts) > 1 else ""

    def message_type(self, frame: bytes) -> str:
        """The channel's first part, with the type of a book; else what a frame without a channel is."""
        channel = _channel_of(frame)
        if channel:
            kind = channel.partition(".")[0]
            head = frame[: 2 * _GLANCE_BYTES]
            types = [name for name in ("snapshot", "change") if f'"type":"{name}"'.encode() in head]
            return f"{kind} {types[0]}" if kind == "book" and types else kind
        for mark, name in ((b'"method":"heartbeat"', "heartbeat"), (b'"error":', "error"), (b'"result":', "reply")):
            if mark in frame[: 2 * _GLANCE_BYTES]:
                return name
        return "unknown"

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one instrument."""
        return DeribitDecoder(DeribitScan(venue_symbol, price_scale, size_scale), read_carefully)

    def metadata_paths(self) -> tuple[str, ...]:
        """One request tells all instruments that did not expire."""
        return ("/api/v2/public/get_instruments?currency=any&expired=false",)

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """Spot pairs, perpetuals, futures and options that are active; no combinations, whose prices go below zero."""
        self.left_out = []
        found: list[Instrument] = []
        for body in bodies:
            try:
                rows = _list_answers.decode(body).result
            except UNREADABLE as error:
                raise BadFrame(f"the list of instruments: {error}", body) from error
            found += read_rows(rows, _read_row, first_id + len(found), self.left_out, body)
        return found

    def audit_path(self, venue_symbol: str) -> str:
        """The whole book."""
        return f"/api/v2/public/get_order_book?instrument_name={asked_symbol(venue_symbol)}&depth=10000"

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of a requested book, best first, or a `BadFrame`."""
        try:
            book = _book_answers.decode(body).result
            bids, asks = (
                [(unsigned(price, price_scale), unsigned(amount, size_scale)) for price, amount in side]
                for side in (book.bids, book.asks)
            )
        except UNREADABLE as error:
            raise BadFrame(str(error), body) from error
        return bids, asks


def _channel_of(frame: bytes) -> str:
    start = frame.find(_CHANNEL, 0, _GLANCE_BYTES)
    end = frame.find(b'"', start + len(_CHANNEL), start + len(_CHANNEL) + _GLANCE_BYTES)
    return "" if start < 0 or end < 0 else frame[start + len(_CHANNEL) : end].decode("utf-8", "replace")


def _plain(number: msgspec.Raw) -> str:
    """A JSON number without exponent."""
    text = bytes(number).decode()
    places = decimal_places(text, allow_exponent=True)
    return format_decimal(parse_decimal(text, places, allow_exponent=True), places)


def _bps(commission: msgspec.Raw) -> str:
    """A share of the trade in basis points, of two places: where it is finer, costs grow and rebates shrink."""
    share = parse_decimal(bytes(commission).decode(), _SHARE_PLACES, allow_exponent=True)
    return format_decimal(-(-share // 10 ** (_SHARE_PLACES - _PPM_PLACES)), 2)


def _read_row(row: msgspec.Raw, instrument_id: int) -> Instrument | None:
    listed = _listings.decode(row)
    return _instrument(listed, instrument_id) if listed.is_active and listed.kind in _KINDS else None


def _instrument(listed: _Listed, instrument_id: int) -> Instrument:
    is_perpetual = listed.settlement_period == "perpetual"
    is_option = listed.kind == "option"
    is_dated = listed.kind != "spot" and not is_perpetual
    pair = f"{listed.base_currency}/{listed.quote_currency}"
    tick, strike = _plain(listed.tick_size), _plain(listed.strike)
    # Block trades may have finer prices than orders.
    places = max(decimal_places(text) for text in (tick, strike, _plain(listed.block_trade_tick_size)))
    lot, contract = _plain(listed.min_trade_amount), _plain(listed.contract_size)
    finer = max(decimal_places(lot), decimal_places(contract))
    return instrument_with_room(
        instrument_id=instrument_id,
        symbol=pair + listed.instrument_name[listed.instrument_name.find("-") :] if is_dated else pair,
        venue="deribit",
        venue_symbol=listed.instrument_name,
        base=listed.base_currency,
        quote=listed.quote_currency,
        kind="perpetual" if is_perpetual else listed.kind,
        inverse=listed.is_inverse,
        tick=tick,
        lot=min(lot, contract, key=lambda text: parse_decimal(text, finer)),
        minimum_size=lot,
        maker_fee_bps=_bps(listed.maker_commission),
        taker_fee_bps=_bps(listed.taker_commission),
        expiry_ns=listed.expiration_timestamp * NANOSECONDS if is_dated else None,
        strike=strike if is_option else None,
        option_side=(listed.option_type or "") if is_option else None,
        price_scale=places,
    )
