"""Binance spot as ccxt reaches it: the client, the requests, and what the venue's own rows say.

Text is exact both ways: no number of an order or a trade is ever a float. It asks nothing and remembers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import attrs
import msgspec

from market.instruments import Instrument
from market.messages import (
    BUY,
    CAUSE_REQUESTED,
    CAUSE_SELF_TRADE,
    CAUSE_TIME_IN_FORCE,
    CAUSE_VENUE,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MAKER,
    MARKET,
    REJECT_BAD_SIZE,
    REJECT_OTHER,
    REJECT_UNSUPPORTED,
    SELL,
    TAKER,
    NewOrder,
)
from runtime.config.secrets import Secret
from venues.ccxt_errors import CallFailed, Outcome
from venues.ccxt_params import CcxtParams
from venues.gateway_lock import base_of, is_loopback
from venues.gateway_money import UnreadableAmount, fee_of, scaled
from venues.gateway_orders import Trade

NEW_ORDER: Final = "private_post_order"
CANCEL_ORDER: Final = "private_delete_order"
ONE_ORDER: Final = "private_get_order"
OPEN_ORDERS: Final = "private_get_openorders"
OWN_TRADES: Final = "private_get_mytrades"
ACCOUNT: Final = "private_get_account"
CLOCK: Final = "public_get_time"
# https://developers.binance.com/docs/binance-spot-api-docs/rest-api: what each costs of the address's weight.
WEIGHTS: Final = {
    NEW_ORDER: 1, CANCEL_ORDER: 1, ONE_ORDER: 4, OPEN_ORDERS: 6, OWN_TRADES: 20, ACCOUNT: 20, CLOCK: 1,
}  # fmt: skip
MOST_TRADES: Final = 1_000
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

_SIDES: Final = {BUY: "BUY", SELL: "SELL"}
_SIDE_NUMBERS: Final = {word: number for number, word in _SIDES.items()}
_FORCES: Final = {GTC: "GTC", IOC: "IOC", FOK: "FOK"}
_WORKING: Final = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_NEW", "PENDING_CANCEL"})
_PASSING: Final = frozenset({"IOC", "FOK"})


class Unsupported(Exception):
    """An order that the venue cannot be asked for through this gateway."""

    def __init__(self, reason: str, code: int = REJECT_UNSUPPORTED) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order as the venue tells it, in the answer to a request or to a question."""

    symbol: str
    order_id: int
    client_order_id: str
    orig_client_order_id: str = ""
    price: str
    orig_qty: str
    executed_qty: str
    status: str
    time_in_force: str = ""
    type: str = ""
    side: Literal["BUY", "SELL"]
    time: int = 0
    update_time: int = 0
    transact_time: int = 0
    fills: list[Fill] = []


class Fill(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A trade within the answer to an order."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class OwnTrade(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A trade as the list of own trades has it."""

    id: int
    order_id: int
    price: str
    qty: str
    commission: str
    commission_asset: str
    time: int
    is_maker: bool


class BalanceRow(msgspec.Struct, frozen=True):
    """A balance."""

    asset: str
    free: str
    locked: str


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """An account, as far as it is needed."""

    balances: list[BalanceRow]
    update_time: int = 0


@attrs.frozen
class OrderFacts:
    """What a row says of an order, in the numbers of its instrument."""

    name: str
    venue_order_id: str
    side: int
    price: int
    size: int
    filled: int
    is_working: bool
    is_refused: bool
    cause: int
    status: str
    venue_ns: int
    trades: list[Trade]


def make_client(params: CcxtParams, key: Secret, secret: Secret) -> Any:  # noqa: ANN401  ccxt has no types that hold
    """A client of ccxt, pointed at the venue, its test net, or an exchange of this machine."""
    import ccxt  # type: ignore[import-untyped]

    client = ccxt.binance(
        {
            "apiKey": key.reveal(),
            "secret": secret.reveal(),
            "timeout": params.timeout_ms,
            "enableRateLimit": True,
            "requests_trust_env": not is_loopback(params.url),
            "options": {"recvWindow": params.window_ms, "fetchCurrencies": False, "fetchMargins": False},
        }
    )
    if params.sandbox:
        client.set_sandbox_mode(True)
    if params.url:
        base = f"{base_of(params.url)}/api/v3"
        client.urls["api"].update(public=base, private=base)
    if params.ca_file:
        client.verify = params.ca_file
    return client


# ---- requests


def order_request(new: NewOrder, instrument: Instrument, name: str) -> dict[str, str]:
    """The parameters of a new order; raises `Unsupported` for what this gateway has no words for."""
    if new.reduce_only or new.group_id or new.self_trade or new.stop_price or new.peg_reference:
        raise Unsupported("this gateway sends plain limit and market orders alone")
    if new.size <= 0:
        raise Unsupported(f"a size of {new.size} is not above 0", REJECT_BAD_SIZE)
    request = {
        "symbol": instrument.venue_symbol, "side": _SIDES[new.side], "quantity": instrument.format_size(new.size),
        "newClientOrderId": name, "newOrderRespType": "FULL",
    }  # fmt: skip
    if new.order_type == MARKET:
        return {**request, "type": "MARKET"}
    if new.order_type != LIMIT or new.display_size < 0:
        raise Unsupported("this gateway sends plain limit and market orders alone")
    request["price"] = instrument.format_price(new.price)
    if new.post_only:
        if new.time_in_force != GTC:
            raise Unsupported("a post-only order stays until it is cancelled: use GTC")
        return {**request, "type": "LIMIT_MAKER"}
    if new.time_in_force not in _FORCES:
        raise Unsupported("the venue has GTC, IOC and FOK")
    if new.display_size:
        request["icebergQty"] = instrument.format_size(new.display_size)
    return {**request, "type": "LIMIT", "timeInForce": _FORCES[new.time_in_force]}


def named(instrument: Instrument, name: str) -> dict[str, str]:
    """The parameters that mean one order."""
    return {"symbol": instrument.venue_symbol, "origClientOrderId": name}


def trades_of_order(instrument: Instrument, venue_order_id: str) -> dict[str, str]:
    """The parameters of the question for an order's trades."""
    return {"symbol": instrument.venue_symbol, "orderId": venue_order_id, "limit": str(MOST_TRADES)}


# ---- answers


@contextmanager
def _readable() -> Iterator[None]:
    """What cannot be read is as good as no answer: the outcome is not known, and the venue is asked again."""
    try:
        yield
    except (msgspec.ValidationError, UnreadableAmount) as error:
        reason = f"the venue's answer has another form than it should: {error}"
        raise CallFailed(Outcome.UNKNOWN, REJECT_OTHER, reason) from error


def read(raw: object, kind: type[Any]) -> Any:  # noqa: ANN401  of the type that was asked for
    """An answer in its form; one that has another, such as a number for a text, is a `CallFailed`."""
    with _readable():
        return msgspec.convert(raw, kind)


def facts_of(row: Row, instrument: Instrument) -> OrderFacts:
    """What a row says; one that cannot be is a `CallFailed`."""
    with _readable():
        return _facts(row, instrument)


def _facts(row: Row, instrument: Instrument) -> OrderFacts:
    venue_ns = max(row.update_time, row.transact_time, row.time) * NANOSECONDS_PER_MILLISECOND
    return OrderFacts(
        name=row.orig_client_order_id or row.client_order_id,
        venue_order_id=str(row.order_id),
        side=_SIDE_NUMBERS[row.side],
        price=scaled(row.price, instrument.price_scale),
        size=scaled(row.orig_qty, instrument.size_scale),
        filled=scaled(row.executed_qty, instrument.size_scale),
        is_working=row.status in _WORKING,
        is_refused=row.status == "REJECTED",
        cause=_cause(row),
        status=row.status,
        venue_ns=venue_ns,
        trades=[_trade(fill, instrument, venue_ns) for fill in row.fills],
    )


def _cause(row: Row) -> int:
    if row.status == "CANCELED":
        return CAUSE_REQUESTED
    if row.status == "EXPIRED_IN_MATCH":
        return CAUSE_SELF_TRADE
    if row.status == "EXPIRED" and (row.time_in_force in _PASSING or row.type == "MARKET"):
        return CAUSE_TIME_IN_FORCE
    return CAUSE_VENUE


def _trade(fill: Fill, instrument: Instrument, venue_ns: int) -> Trade:
    """A trade that an order made as it came in."""
    price, size = scaled(fill.price, instrument.price_scale), scaled(fill.qty, instrument.size_scale)
    fee = fee_of(instrument, fill.commission_asset, fill.commission, price, size, TAKER)
    return Trade(fill.trade_id, price, size, fee.money, TAKER, venue_ns, fee.other_asset, fee.size_parts)


def trade_of(row: OwnTrade, instrument: Instrument) -> Trade:
    """A trade of the account; one that cannot be is a `CallFailed`."""
    liquidity = MAKER if row.is_maker else TAKER
    with _readable():
        price, size = scaled(row.price, instrument.price_scale), scaled(row.qty, instrument.size_scale)
        fee = fee_of(instrument, row.commission_asset, row.commission, price, size, liquidity)
    venue_ns = row.time * NANOSECONDS_PER_MILLISECOND
    return Trade(row.id, price, size, fee.money, liquidity, venue_ns, fee.other_asset, fee.size_parts)
