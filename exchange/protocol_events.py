"""What the exchange writes to its clients: the form of every event, and how messages of the lane become events.

An event is encoded once, to bytes, however many clients receive it. Fields whose value is the default are left out.
Numbers of prices, sizes and amounts are decimal text, exactly. It knows no socket and no session.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from exchange.protocol import (
    CAUSES,
    LIQUIDITIES,
    ORDER_EVENTS,
    ORDER_TYPES,
    REJECT_CODES,
    SIDES,
    STATUSES,
    TIMES_IN_FORCE,
    Listing,
)
from exchange.records import AMOUNT_SCALE
from market.instruments import Instrument
from market.messages import (
    EVENT_CANCEL_REJECTED,
    EVENT_CANCELLED,
    EVENT_REDUCED,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    EVENT_SELF_TRADE,
    EVENT_STATE,
    EVENT_TRADED,
    BalanceReported,
    BookDelta,
    InstrumentStatus,
    OrderReported,
    PublicTrade,
    RequestAnswered,
    SessionAnswered,
    Ticker,
)
from market.numbers import format_decimal, format_decimal_short

CHECKSUM_LEVELS: Final = 10

Level = tuple[str, str]

_REFUSALS: Final = frozenset({EVENT_REJECTED, EVENT_REPLACE_REJECTED, EVENT_CANCEL_REJECTED})
_WITH_CAUSE: Final = frozenset({EVENT_CANCELLED, EVENT_REDUCED})


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """An event: `type` says which."""


class Welcome(Event, frozen=True, kw_only=True, tag="welcome"):
    """The first event of a connection."""

    protocol: int
    time_ms: int
    heartbeat_ms: int
    silence_ms: int
    most_requests: int
    messages_per_second: int
    burst: int
    most_pending: int
    most_subscriptions: int


class Answer(Event, frozen=True, kw_only=True, tag="answer"):
    """The end of the answer to a request."""

    id: int
    ok: bool
    code: str = ""
    text: str = ""
    order_id: int = 0
    client_order_id: str = ""
    affected: int = 0
    sequence: int = 0
    account: int = 0
    session: int = 0
    scopes: list[str] = []
    time_ns: int = 0


class Report(Event, frozen=True, kw_only=True, tag="report"):
    """Something has happened to an order of the account, or a row of an answer."""

    sequence: int
    event: str
    symbol: str
    order_id: int
    session: int = 0
    id: int = 0
    client_order_id: str = ""
    side: str = ""
    order_type: str = ""
    time_in_force: str = ""
    price: str = ""
    size: str = ""
    filled: str = ""
    remaining: str = ""
    turnover: str = ""
    stop_price: str = ""
    trade_id: int = 0
    trade_price: str = ""
    trade_size: str = ""
    fee: str = ""
    fee_asset: str = ""
    liquidity: str = ""
    cause: str = ""
    code: str = ""
    other_order_id: int = 0
    text: str = ""
    time_ns: int = 0


class Balance(Event, frozen=True, kw_only=True, tag="balance"):
    """What an account has of an asset."""

    sequence: int
    asset: str
    total: str
    held: str
    row: bool = False
    time_ns: int = 0


class BookEvent(Event, frozen=True, kw_only=True, tag="book"):
    """A whole book."""

    symbol: str
    sequence: int
    bids: list[Level]
    asks: list[Level]
    checksum: int = -1
    time_ns: int = 0


class Delta(Event, frozen=True, kw_only=True, tag="delta"):
    """Levels that have another size now; size 0 takes the level away."""

    symbol: str
    first_sequence: int
    sequence: int
    bids: list[Level] = []
    asks: list[Level] = []
    checksum: int = -1
    time_ns: int = 0


class Trade(Event, frozen=True, kw_only=True, tag="trade"):
    """A public trade; `side` is that of the order that came in."""

    symbol: str
    trade_id: int
    price: str
    size: str
    side: str
    time_ns: int = 0


class TickerEvent(Event, frozen=True, kw_only=True, tag="ticker"):
    """The last 24 hours of a symbol."""

    symbol: str
    last_price: str
    open_price: str
    high_price: str
    low_price: str
    volume: str
    turnover: str
    time_ns: int = 0


class Status(Event, frozen=True, kw_only=True, tag="status"):
    """How a symbol trades."""

    symbol: str
    status: str
    text: str = ""
    time_ns: int = 0


class Heartbeat(Event, frozen=True, kw_only=True, tag="heartbeat"):
    """A sign of life."""

    time_ms: int


class Missed(Event, frozen=True, kw_only=True, tag="missed"):
    """So many events of a channel were left out because the client read too slowly."""

    channel: str
    count: int


class InstrumentRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is traded: steps, minimums and fees."""

    symbol: str
    base: str
    quote: str
    kind: str
    tick: str
    lot: str
    minimum_size: str
    minimum_notional: str
    maker_fee_ppm: int
    taker_fee_ppm: int


class InstrumentsEvent(Event, frozen=True, kw_only=True, tag="instruments"):
    """All that is traded here."""

    instruments: list[InstrumentRow]


AnyEvent = (
    Welcome
    | Answer
    | Report
    | Balance
    | BookEvent
    | Delta
    | Trade
    | TickerEvent
    | Status
    | Heartbeat
    | Missed
    | InstrumentsEvent
)

encode: Final = msgspec.json.Encoder().encode
decode_events: Final = msgspec.json.Decoder(list[AnyEvent]).decode


def listing_of(instrument: Instrument) -> Listing:
    """An instrument as requests and events need it."""
    return Listing(
        instrument.instrument_id,
        instrument.venue_symbol,
        instrument.price_scale,
        instrument.size_scale,
        instrument.money_scale,
    )


def instrument_row(instrument: Instrument) -> InstrumentRow:
    """An instrument as clients see it."""
    return InstrumentRow(
        symbol=instrument.venue_symbol,
        base=instrument.base,
        quote=instrument.quote,
        kind=str(instrument.kind),
        tick=instrument.format_price(instrument.tick),
        lot=instrument.format_size(instrument.lot),
        minimum_size=instrument.format_size(instrument.minimum_size),
        minimum_notional=instrument.format_money(instrument.minimum_notional),
        maker_fee_ppm=instrument.maker_fee_ppm,
        taker_fee_ppm=instrument.taker_fee_ppm,
    )


def levels_of(prices: Iterable[int], sizes: Iterable[int], listing: Listing) -> list[Level]:
    """Price levels as text."""
    price_scale = listing.price_scale
    size_scale = listing.size_scale
    return [
        (format_decimal(price, price_scale), format_decimal(size, size_scale))
        for price, size in zip(prices, sizes, strict=True)
    ]


def checksum_of(bids: Iterable[Level], asks: Iterable[Level]) -> int:
    """CRC-32 over the best levels, bids first: `price:size|price:size|...`, each side from the touch outward."""
    return zlib.crc32("|".join(f"{price}:{size}" for side in (bids, asks) for price, size in side).encode())


class EventWriter:
    """Turns messages of the lane into encoded events."""

    def __init__(self, listings: Mapping[int, Listing]) -> None:
        self.listings = listings

    def report(self, message: OrderReported) -> bytes:
        """What has happened to an order."""
        listing = self.listings[message.instrument_id]
        price_scale = listing.price_scale
        size_scale = listing.size_scale
        event = message.event
        traded = event == EVENT_TRADED or (event == EVENT_STATE and message.trade_id != 0)
        return encode(
            Report(
                sequence=message.sequence,
                event=ORDER_EVENTS[event],
                symbol=listing.symbol,
                order_id=message.order_id,
                session=max(message.session_id, 0),
                id=max(message.request_id, 0),
                client_order_id=message.client_order_id,
                side=SIDES[message.side],
                order_type=ORDER_TYPES.get(message.order_type, ""),
                time_in_force=TIMES_IN_FORCE.get(message.time_in_force, ""),
                price=format_decimal(message.price, price_scale),
                size=format_decimal(message.size, size_scale),
                filled=format_decimal(message.filled, size_scale),
                remaining=format_decimal(message.remaining, size_scale),
                turnover=format_decimal_short(message.turnover, listing.money_scale) if message.turnover else "",
                stop_price=format_decimal(message.stop_price, price_scale) if message.stop_price else "",
                trade_id=message.trade_id,
                trade_price=format_decimal(message.trade_price, price_scale) if traded else "",
                trade_size=format_decimal(message.trade_size, size_scale) if traded else "",
                fee=amount_text(message.fee) if traded else "",
                fee_asset=message.fee_asset if traded else "",
                liquidity=LIQUIDITIES[message.liquidity] if traded else "",
                cause=CAUSES[message.cause] if event in _WITH_CAUSE else "",
                code=REJECT_CODES[message.code] if event in _REFUSALS else "",
                other_order_id=message.other_order_id if event == EVENT_SELF_TRADE else 0,
                text=message.reason,
                time_ns=message.venue_ns,
            )
        )

    def balance(self, message: BalanceReported) -> bytes:
        """What an account has of an asset."""
        return encode(
            Balance(
                sequence=message.sequence,
                asset=message.asset,
                total=amount_text(message.total),
                held=amount_text(message.held),
                row=message.session_id != 0,
                time_ns=message.venue_ns,
            )
        )

    def answer(self, message: RequestAnswered, affected: int) -> bytes:
        """The end of the answer to a request."""
        return encode(
            Answer(
                id=message.request_id,
                ok=not message.refused,
                code=REJECT_CODES[message.code] if message.refused else "",
                text=message.reason,
                order_id=message.order_id,
                client_order_id=message.client_order_id,
                affected=affected,
                sequence=message.sequence,
                time_ns=message.venue_ns,
            )
        )

    def trade(self, message: PublicTrade) -> bytes:
        """A public trade."""
        listing = self.listings[message.instrument_id]
        return encode(
            Trade(
                symbol=listing.symbol,
                trade_id=message.trade_id,
                price=format_decimal(message.price, listing.price_scale),
                size=format_decimal(message.size, listing.size_scale),
                side=SIDES[message.aggressor_side],
                time_ns=message.venue_ns,
            )
        )

    def ticker(self, message: Ticker) -> bytes:
        """The last 24 hours of a symbol."""
        listing = self.listings[message.instrument_id]
        scale = listing.price_scale
        return encode(
            TickerEvent(
                symbol=listing.symbol,
                last_price=format_decimal(message.last_price, scale),
                open_price=format_decimal(message.open_price, scale),
                high_price=format_decimal(message.high_price, scale),
                low_price=format_decimal(message.low_price, scale),
                volume=format_decimal(message.volume, listing.size_scale),
                turnover=format_decimal_short(message.turnover, listing.money_scale),
                time_ns=message.venue_ns,
            )
        )

    def status(self, message: InstrumentStatus) -> bytes:
        """How a symbol trades."""
        listing = self.listings[message.instrument_id]
        return encode(
            Status(
                symbol=listing.symbol,
                status=STATUSES.get(message.status, str(message.status)),
                text=message.reason,
                time_ns=message.venue_ns,
            )
        )

    def delta(self, message: BookDelta, checksum: int = -1) -> bytes:
        """Levels that have another size now."""
        listing = self.listings[message.instrument_id]
        return encode(
            Delta(
                symbol=listing.symbol,
                first_sequence=message.first_update_id,
                sequence=message.update_id,
                bids=levels_of(message.bid_prices, message.bid_sizes, listing),
                asks=levels_of(message.ask_prices, message.ask_sizes, listing),
                checksum=checksum,
                time_ns=message.venue_ns,
            )
        )


def amount_text(amount: int) -> str:
    """An amount of an asset, as the exchange keeps it, as text."""
    return format_decimal_short(amount, AMOUNT_SCALE)


def refusal(request_id: int, code: str, text: str) -> bytes:
    """The answer to a request that the gateway does not serve."""
    return encode(Answer(id=request_id, ok=False, code=code, text=text))


def login_answer(message: SessionAnswered, scopes: list[str]) -> bytes:
    """The answer to a login."""
    if message.refused:
        return encode(
            Answer(id=message.request_id, ok=False, code=REJECT_CODES[message.code], text=message.reason)
        )
    return encode(
        Answer(
            id=message.request_id,
            ok=True,
            account=message.account_id,
            session=message.session_id,
            scopes=scopes,
            sequence=message.sequence,
            time_ns=message.venue_ns,
        )
    )
