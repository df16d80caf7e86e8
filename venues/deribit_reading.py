"""Reads any spelling of Deribit's frames, by msgspec, to what `venues/deribit_scan.py` would read of a book.

Trades, best prices, replies and signs of life are read here alone. Numbers are JSON numbers, taken as text, perhaps
with an exponent: nothing is read through a float. Unknown keys are passed over, and what is no message of the venue is
a `BadFrame`. A trade is told by its `trade_seq`: the trade's id is no number for most currencies.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from market.dialect import BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL, STATUS_CLOSED, STATUS_HALTED, STATUS_TRADING
from market.numbers import NumberError, TooManyDigits, parse_decimal
from venues.deribit_scan import MOST_MILLISECONDS, NANOSECONDS, DeribitScan
from venues.scanning import DELTA, LIFE, OTHER, QUOTE, REFUSAL, REPLY, SNAPSHOT, STRANGE, TRADES, TRADING, Scan

PLATFORM: Final = "platform_state"
_INTERVALS: Final = ("raw", "100ms", "agg2")
_NOT_KEPT: Final = (
    "ticker", "incremental_ticker", "perpetual", "chart", "estimated_expiration_price", "markprice",
    "deribit_price_index", "deribit_price_ranking", "deribit_price_statistics", "deribit_volatility_index",
    "instrument", "block_rfq", "block_trade_confirmations", "rfq",
)  # fmt: skip

_Identifier = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=MOST_MILLISECONDS)]
_Level = tuple[str, msgspec.Raw, msgspec.Raw]


class Params(msgspec.Struct):
    """What a notification is about."""

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw()
    type: str = ""


class Fault(msgspec.Struct):
    """Why a request was refused."""

    code: int = 0
    message: str = ""


class Envelope(msgspec.Struct):
    """What tells one kind of frame from another; none of it need be there."""

    method: str = ""
    params: Params = msgspec.field(default_factory=Params)
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: Fault | None = None


class _Book(msgspec.Struct):
    """A book or a change of one; only a change names the one before."""

    timestamp: _Milliseconds
    type: str
    change_id: _Identifier
    instrument_name: str
    bids: list[_Level]
    asks: list[_Level]
    prev_change_id: _Identifier | None = None


class _Trade(msgspec.Struct):
    """A public trade; the direction is the taker's."""

    timestamp: _Milliseconds
    instrument_name: str
    trade_seq: _Identifier
    price: msgspec.Raw
    amount: msgspec.Raw
    direction: str


class _Quote(msgspec.Struct):
    """Best bid and ask, null or 0 where there is none."""

    instrument_name: str
    timestamp: _Milliseconds
    best_bid_price: msgspec.Raw
    best_bid_amount: msgspec.Raw
    best_ask_price: msgspec.Raw
    best_ask_amount: msgspec.Raw


class PlatformState(msgspec.Struct):
    """Maintenance of all, or a lock on what one index prices."""

    maintenance: bool | None = None
    locked: bool | None = None
    price_index: str = ""


envelopes = msgspec.json.Decoder(Envelope)
platform_states = msgspec.json.Decoder(PlatformState)
_books = msgspec.json.Decoder(_Book)
_trades = msgspec.json.Decoder(list[_Trade])
_quotes = msgspec.json.Decoder(_Quote)


class Unusable(ValueError):
    """A frame that is well formed and still cannot be what was asked for."""


# Nesting deeper than any message is a RecursionError to msgspec, and to us one more frame that is none.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NumberError, Unusable)


def read_carefully(scan: Scan, frame: bytes) -> int:
    """Read any spelling of a frame into the scan and return its kind, or raise `BadFrame`."""
    assert isinstance(scan, DeribitScan)
    try:
        envelope = envelopes.decode(frame)
        if envelope.method == "subscription":
            return _fill_notification(scan, envelope.params)
        if envelope.method == "heartbeat":
            return LIFE
        if envelope.method:
            scan.text = f"a notification of the method {envelope.method!r}"
            return STRANGE
        if envelope.error is not None:
            scan.text = f"request {envelope.id} refused with code {envelope.error.code}: {envelope.error.message}"
            return REFUSAL
        if not bytes(envelope.result):
            raise Unusable("neither a notification, nor a reply, nor a refusal")
        scan.text = f"request {envelope.id} answered with {bytes(envelope.result).decode()}"
        return REPLY
    except UNREADABLE as error:
        raise BadFrame(str(error), frame) from error


def _fill_notification(scan: DeribitScan, params: Params) -> int:
    parts = params.channel.split(".")
    kind = parts[0]
    scan.text = f"a message of the channel {params.channel!r}"
    if kind == PLATFORM:
        return _fill_state(scan, platform_states.decode(params.data))
    if kind == "book" and len(parts) == 3 and parts[2] in _INTERVALS:
        return _fill_book(scan, parts[1], _books.decode(params.data))
    if kind == "trades" and len(parts) == 3:
        return _fill_trades(scan, _trades.decode(params.data))
    if kind == "quote" and len(parts) == 2:
        return _fill_quote(scan, _quotes.decode(params.data))
    return OTHER if kind in _NOT_KEPT or kind in ("book", "trades") else STRANGE


def _fill_book(scan: DeribitScan, name: str, book: _Book) -> int:
    _check_name(scan, name)
    _check_name(scan, book.instrument_name)
    if book.type not in ("snapshot", "change"):
        raise Unusable(f"a book of the type {book.type!r}")
    scan.begin_levels()
    _add_levels(scan, book.bids)
    scan.bid_count = scan.level_count
    _add_levels(scan, book.asks)
    scan.event_ns = book.timestamp * NANOSECONDS
    scan.last_update_id = book.change_id
    if book.type == "snapshot":
        scan.previous_update_id = 0
        scan.first_update_id = book.change_id
        return SNAPSHOT
    if book.prev_change_id is None:
        raise Unusable("a change that does not name the one before it")
    scan.previous_update_id = book.prev_change_id
    scan.first_update_id = book.prev_change_id + 1
    return DELTA


def _add_levels(scan: DeribitScan, levels: list[_Level]) -> None:
    for action, price_text, amount_text in levels:
        if action not in ("new", "change", "delete"):
            raise Unusable(f"a level with the action {action!r}")
        price = unsigned(price_text, scan.price_scale)
        # Found here, so that no change of a book is refused half way.
        if price > MOST_PRICE:
            raise Unusable(f"no level can have the price {bytes(price_text).decode()}")
        amount = unsigned(amount_text, scan.size_scale)
        scan.add_level(price, 0 if action == "delete" else amount)


def _fill_trades(scan: DeribitScan, trades: list[_Trade]) -> int:
    owner = scan.trades_to
    owner.trade_count = 0
    scan.event_ns = 0
    for trade in sorted(trades, key=lambda trade: trade.trade_seq):
        _check_name(scan, trade.instrument_name)
        if trade.direction not in ("buy", "sell"):
            raise Unusable(f"a trade of the direction {trade.direction!r}")
        time_ns = trade.timestamp * NANOSECONDS
        price = unsigned(trade.price, scan.price_scale)
        size = unsigned(trade.amount, scan.size_scale)
        owner.add_trade(trade.trade_seq, price, size, BUY if trade.direction == "buy" else SELL, time_ns)
        scan.event_ns = max(scan.event_ns, time_ns)
    return TRADES


def _fill_quote(scan: DeribitScan, quote: _Quote) -> int:
    _check_name(scan, quote.instrument_name)
    try:
        prices = [_or_none(text, scan.price_scale) for text in (quote.best_bid_price, quote.best_ask_price)]
        sizes = [_or_none(text, scan.size_scale) for text in (quote.best_bid_amount, quote.best_ask_amount)]
    except TooManyDigits as error:
        # The book is told by other frames.
        scan.text = f"a best bid and ask of which a number is too fine: {error}"
        return OTHER
    owner = scan.trades_to
    owner.quoted_update_id = 0
    owner.quoted_bid_price, owner.quoted_ask_price = prices
    owner.quoted_bid_size, owner.quoted_ask_size = sizes
    return QUOTE


def _fill_state(scan: DeribitScan, state: PlatformState) -> int:
    if state.maintenance is not None:
        scan.status = STATUS_CLOSED if state.maintenance else STATUS_TRADING
        scan.text = "the venue is in maintenance" if state.maintenance else "the maintenance is over"
        return TRADING
    if state.locked is None or state.price_index != index_of(scan.symbol):
        return OTHER
    scan.status = STATUS_HALTED if state.locked else STATUS_TRADING
    scan.text = f"what {state.price_index} prices is {'locked' if state.locked else 'open'}"
    return TRADING


def index_of(symbol: str) -> str:
    """The index that prices an instrument: btc_usd for BTC-PERPETUAL, sol_usdc for SOL_USDC-PERPETUAL."""
    pair = symbol.partition("-")[0].lower()
    return pair if "_" in pair else f"{pair}_usd"


def _check_name(scan: DeribitScan, name: str) -> None:
    if name != scan.symbol:
        raise Unusable(f"a frame of {name!r} came where {scan.symbol!r} is kept")


def _or_none(text: msgspec.Raw, scale: int) -> int:
    return 0 if bytes(text) == b"null" else unsigned(text, scale)


def unsigned(text: msgspec.Raw, scale: int) -> int:
    """A JSON number without sign, scaled exactly, or a `NumberError`."""
    # What is no number, as a string with its quotes, is refused there.
    return parse_decimal(bytes(text).decode(), scale, allow_exponent=True, allow_sign=False)
