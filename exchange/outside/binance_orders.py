"""Orders between Binance's words and the exchange's messages: what is asked, and how an order is told.

Every order becomes the exchange's own `EntryWanted`; what the exchange would take and the venue would not, and what the
venue has and the exchange has not, is refused here with the venue's error.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import attrs

from exchange.outside.binance_errors import (
    BAD_COMBINATION,
    BAD_ORDER_TYPE,
    BAD_PARAMETER,
    BAD_SIDE,
    BAD_TIME_IN_FORCE,
    INVALID_MESSAGE,
    NOT_REQUIRED,
    ORDER_REJECTED,
    ApiError,
    missing,
)
from exchange.outside.binance_frames import Frame, milliseconds, padded, price_of, size_of
from exchange.outside.binance_query import CLIENT_ID, Query
from exchange.outside.books import Market
from exchange.outside.mirror import OrderView
from exchange.protocol import Asker
from exchange.records import AMOUNT_SCALE
from market.messages import (
    BUY,
    CAUSE_EMPTY_BOOK,
    CAUSE_INSTRUMENT_STATUS,
    CAUSE_POST_ONLY,
    CAUSE_PRICE_BAND,
    CAUSE_TIME_IN_FORCE,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REJECTED,
    EVENT_TRADED,
    FOK,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    PEG_NONE,
    POST_ONLY_NONE,
    POST_ONLY_REJECT,
    SELL,
    STOP,
    STOP_LIMIT,
    STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_DECREMENT_BOTH,
    STP_NONE,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    EntryWanted,
    Message,
    OrderReported,
)

LIMIT_MAKER: Final = "LIMIT_MAKER"
SIDES: Final = {"BUY": BUY, "SELL": SELL}
TYPES: Final = {
    "LIMIT": LIMIT, LIMIT_MAKER: LIMIT, "MARKET": MARKET, "STOP_LOSS": STOP, "STOP_LOSS_LIMIT": STOP_LIMIT,
    "TAKE_PROFIT": TAKE_PROFIT, "TAKE_PROFIT_LIMIT": TAKE_PROFIT_LIMIT,
}  # fmt: skip
FORCES: Final = {"GTC": GTC, "IOC": IOC, "FOK": FOK}
SELF_TRADES: Final = {
    "NONE": STP_NONE, "EXPIRE_TAKER": STP_CANCEL_INCOMING, "EXPIRE_MAKER": STP_CANCEL_RESTING,
    "EXPIRE_BOTH": STP_CANCEL_BOTH, "DECREMENT": STP_DECREMENT_BOTH,
}  # fmt: skip
RESPONSES: Final = ("ACK", "RESULT", "FULL")

_SIDE_WORDS: Final = {number: word for word, number in SIDES.items()}
_TYPE_WORDS: Final = {number: word for word, number in TYPES.items() if word != LIMIT_MAKER}
_FORCE_WORDS: Final = {number: word for word, number in FORCES.items()}
_WITH_PRICE: Final = frozenset({LIMIT, STOP_LIMIT, TAKE_PROFIT_LIMIT})
_WITH_STOP: Final = frozenset({STOP, STOP_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT})
_EXPIRES: Final = frozenset(
    {CAUSE_TIME_IN_FORCE, CAUSE_EMPTY_BOOK, CAUSE_PRICE_BAND, CAUSE_POST_ONLY, CAUSE_INSTRUMENT_STATUS}
)
_NAME_BYTES: Final = 11

ORDER_NAMES: Final = frozenset({
    "symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId", "strategyId",
    "strategyType", "stopPrice", "trailingDelta", "icebergQty", "newOrderRespType", "selfTradePreventionMode",
})  # fmt: skip


@attrs.frozen
class OrderNote:
    """What the exchange does not report of an order that came this way."""

    order_type: str
    iceberg: int
    self_trade: str


@attrs.frozen
class NewOrder:
    """An order that was asked for, with everything but who asks."""

    market: Market
    client_order_id: str
    side: int
    order_type: int
    time_in_force: int
    price: int
    size: int
    stop_price: int
    post_only: int
    note: OrderNote
    response: str

    def entry(self, asker: Asker, request_id: int, now_ns: int) -> Message:
        """The exchange's message."""
        return EntryWanted(
            asker.exchange_id, asker.session_id, asker.account_id, request_id, self.client_order_id,
            self.market.instrument_id, self.side, self.order_type, self.time_in_force, self.price, self.size,
            self.stop_price, self.note.iceberg, self.post_only, 0, SELF_TRADES[self.note.self_trade], PEG_NONE, 0, 0, 1,
            now_ns,
        )  # fmt: skip


def made_up_name() -> str:
    """A client's name of an order for a client that gives none."""
    return secrets.token_hex(_NAME_BYTES)


def read_order(query: Query, markets: dict[str, Market]) -> NewOrder:
    """The order that a request asks for."""
    market = query.market(markets)
    side = SIDES.get(query.text("side"))
    if side is None:
        raise ApiError(BAD_SIDE, "Invalid side.")
    type_word = query.text("type")
    order_type = TYPES.get(type_word)
    if order_type is None:
        raise ApiError(BAD_ORDER_TYPE, "Invalid orderType.")
    if query.has("quoteOrderQty"):
        raise ApiError(INVALID_MESSAGE, "Quote order qty market orders are not support for this symbol.")
    if query.has("trailingDelta"):
        raise ApiError(INVALID_MESSAGE, "Trailing stop orders are not supported for this symbol.")
    instrument = market.instrument
    size = query.amount("quantity", instrument.size_scale)
    price = _wanted(query, "price", order_type in _WITH_PRICE, instrument.price_scale)
    stop_price = _wanted(query, "stopPrice", order_type in _WITH_STOP, instrument.price_scale)
    response = query.text("newOrderRespType", "FULL" if order_type in (LIMIT, MARKET) else "ACK")
    if type_word == LIMIT_MAKER and not query.has("newOrderRespType"):
        response = "ACK"
    if response not in RESPONSES:
        raise ApiError(BAD_PARAMETER, "Data sent for parameter 'newOrderRespType' is not valid.")
    self_trade = query.text("selfTradePreventionMode", "NONE")
    if self_trade not in SELF_TRADES:
        raise ApiError(BAD_PARAMETER, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
    force = _force(query, type_word, order_type)
    iceberg = query.amount("icebergQty", instrument.size_scale, "0")
    if iceberg and (force != GTC or order_type not in _WITH_PRICE):
        raise ApiError(BAD_COMBINATION, "Combination of optional parameters invalid.")
    if iceberg > size:
        raise ApiError(ORDER_REJECTED, "IcebergQty exceeds QTY.")
    return NewOrder(
        market, query.matching("newClientOrderId", CLIENT_ID, "") or made_up_name(), side, order_type, force, price,
        size, stop_price, POST_ONLY_REJECT if type_word == LIMIT_MAKER else POST_ONLY_NONE,
        OrderNote(type_word, iceberg, self_trade), response,
    )  # fmt: skip


def _wanted(query: Query, name: str, is_needed: bool, scale: int) -> int:
    """A price that orders of a type must have, and others must not."""
    if not is_needed:
        if query.has(name):
            raise ApiError(NOT_REQUIRED, f"Parameter '{name}' sent when not required.")
        return 0
    if not query.has(name):
        raise missing(name)
    return query.amount(name, scale)


def _force(query: Query, type_word: str, order_type: int) -> int:
    """The time in force, which orders with a price must name; a post-only order has none of its own."""
    if type_word == LIMIT_MAKER or order_type not in _WITH_PRICE:
        if query.has("timeInForce"):
            raise ApiError(NOT_REQUIRED, "Parameter 'timeInForce' sent when not required.")
        return GTC
    force = FORCES.get(query.text("timeInForce"))
    if force is None:
        raise ApiError(BAD_TIME_IN_FORCE, "Invalid timeInForce.")
    return force


# ---- how an order is told


@attrs.frozen
class OrderWords:
    """The venue's words for an order; `price` is 0 where the client gave none."""

    side: str
    order_type: str
    time_in_force: str
    status: str
    price: int
    iceberg: int
    self_trade: str


def words_of(order: OrderView) -> OrderWords:
    """An order in the venue's words. Of one from elsewhere what the exchange reports is told: post-only is not."""
    last = order.last
    note = order.note if isinstance(order.note, OrderNote) else None
    return OrderWords(
        side=_SIDE_WORDS[last.side],
        order_type=_TYPE_WORDS.get(last.order_type, "LIMIT") if note is None else note.order_type,
        time_in_force=_FORCE_WORDS.get(last.time_in_force, "GTC"),
        status=status_of(order),
        price=last.price if last.order_type in _WITH_PRICE or last.order_type not in _TYPE_WORDS else 0,
        iceberg=0 if note is None else note.iceberg,
        self_trade="NONE" if note is None else note.self_trade,
    )


def status_of(order: OrderView) -> str:
    """Where an order stands."""
    if order.end_event == EVENT_TRADED:
        return "FILLED"
    if order.end_event in (EVENT_EXPIRED, EVENT_REJECTED):
        # Of refused orders only a fill-or-kill one that found too little is known as an order.
        return "EXPIRED"
    if order.end_event == EVENT_CANCELLED:
        if order.met_itself:
            return "EXPIRED_IN_MATCH"
        return "EXPIRED" if order.end_cause in _EXPIRES else "CANCELED"
    return "PARTIALLY_FILLED" if order.filled else "NEW"


class OrderRow(Frame, frozen=True, kw_only=True, rename="camel"):
    """An order as `GET order`, `openOrders` and `allOrders` tell it."""

    symbol: str
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    price: str
    orig_qty: str
    executed_qty: str
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: str
    iceberg_qty: str
    time: int
    update_time: int
    is_working: bool
    working_time: int
    orig_quote_order_qty: str = "0.00000000"
    self_trade_prevention_mode: str


def order_row(market: Market, order: OrderView) -> OrderRow:
    """An order."""
    last, words = order.last, words_of(order)
    return OrderRow(
        symbol=market.symbol,
        order_id=last.order_id,
        client_order_id=last.client_order_id,
        price=price_of(market, words.price),
        orig_qty=size_of(market, last.size),
        executed_qty=size_of(market, order.filled),
        cummulative_quote_qty=padded(order.turnover, market.instrument.money_scale),
        status=words.status,
        time_in_force=words.time_in_force,
        type=words.order_type,
        side=words.side,
        stop_price=price_of(market, last.stop_price),
        iceberg_qty=size_of(market, words.iceberg),
        time=milliseconds(order.created_ns),
        update_time=milliseconds(last.venue_ns),
        is_working=order.is_working or not order.is_open,
        working_time=milliseconds(order.working_ns) if order.is_working else -1,
        self_trade_prevention_mode=words.self_trade,
    )


class Acknowledgement(Frame, frozen=True, kw_only=True, rename="camel"):
    """That an order was taken, and no more."""

    symbol: str
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    transact_time: int


class FillRow(Frame, frozen=True, kw_only=True, rename="camel"):
    """A trade within the answer to an order."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class OrderResult(Frame, frozen=True, kw_only=True, rename="camel"):
    """What has become of an order by the time of the answer; `fills` of a full one."""

    symbol: str
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    transact_time: int
    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str = "0.00000000"
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    working_time: int
    self_trade_prevention_mode: str


class FullResult(OrderResult, frozen=True, kw_only=True, rename="camel"):
    """The same with its trades."""

    fills: list[FillRow]


class CancelResult(Frame, frozen=True, kw_only=True, rename="camel"):
    """A cancelled order; `client_order_id` is the cancel's own name."""

    symbol: str
    orig_client_order_id: str
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    transact_time: int
    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str = "0.00000000"
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    self_trade_prevention_mode: str


class OwnTrade(Frame, frozen=True, kw_only=True, rename="camel"):
    """A trade of the account."""

    symbol: str
    id: int
    order_id: int
    order_list_id: int = -1
    price: str
    qty: str
    quote_qty: str
    commission: str
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool = True


def entry_answer(new: NewOrder, order: OrderView, fills: list[OrderReported]) -> Frame:
    """The answer to an order, as large as it was asked for."""
    row = order_row(new.market, order)
    transact_ms = row.update_time
    if new.response == "ACK":
        return Acknowledgement(
            symbol=row.symbol, order_id=row.order_id, client_order_id=row.client_order_id, transact_time=transact_ms
        )
    make: Callable[..., OrderResult] = OrderResult
    more: dict[str, object] = {}
    if new.response == "FULL":
        make = FullResult
        more["fills"] = [fill_row(new.market, fill) for fill in fills]
    return make(
        symbol=row.symbol, order_id=row.order_id, client_order_id=row.client_order_id, transact_time=transact_ms,
        price=row.price, orig_qty=row.orig_qty, executed_qty=row.executed_qty,
        cummulative_quote_qty=row.cummulative_quote_qty, status=row.status, time_in_force=row.time_in_force,
        type=row.type, side=row.side, working_time=row.working_time,
        self_trade_prevention_mode=row.self_trade_prevention_mode, **more,
    )  # fmt: skip


def fill_row(market: Market, fill: OrderReported) -> FillRow:
    """A trade of an order."""
    return FillRow(
        price=price_of(market, fill.trade_price),
        qty=size_of(market, fill.trade_size),
        commission=padded(fill.fee, AMOUNT_SCALE),
        commission_asset=fill.fee_asset,
        trade_id=fill.trade_id,
    )


def cancel_answer(market: Market, order: OrderView, name: str) -> CancelResult:
    """The answer to a cancel."""
    row = order_row(market, order)
    return CancelResult(
        symbol=row.symbol, orig_client_order_id=row.client_order_id, order_id=row.order_id, client_order_id=name,
        transact_time=row.update_time, price=row.price, orig_qty=row.orig_qty, executed_qty=row.executed_qty,
        cummulative_quote_qty=row.cummulative_quote_qty, status=row.status, time_in_force=row.time_in_force,
        type=row.type, side=row.side, self_trade_prevention_mode=row.self_trade_prevention_mode,
    )  # fmt: skip


def own_trade(market: Market, fill: OrderReported, is_maker: bool) -> OwnTrade:
    """A trade of the account."""
    return OwnTrade(
        symbol=market.symbol,
        id=fill.trade_id,
        order_id=fill.order_id,
        price=price_of(market, fill.trade_price),
        qty=size_of(market, fill.trade_size),
        quote_qty=padded(int(fill.trade_price) * int(fill.trade_size), market.instrument.money_scale),
        commission=padded(fill.fee, AMOUNT_SCALE),
        commission_asset=fill.fee_asset,
        time=milliseconds(fill.venue_ns),
        is_buyer=fill.side == BUY,
        is_maker=is_maker,
    )
