"""The paths of Binance's REST interface that need a key: orders, balances, own trades, and the user stream's keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exchange.keys import READ, TRADE
from exchange.outside.binance_calls import KEYED, SIGNED, Call, Endpoint, Endpoints, fixed
from exchange.outside.binance_errors import (
    BAD_LISTEN_KEY,
    CANCEL_REJECTED,
    NO_SUCH_ORDER,
    ApiError,
    missing,
    refused_cancel,
    refused_order,
    rejected_key,
    timed_out,
)
from exchange.outside.binance_frames import Frame, milliseconds, padded
from exchange.outside.binance_orders import (
    ORDER_NAMES,
    cancel_answer,
    entry_answer,
    made_up_name,
    order_row,
    own_trade,
    read_order,
)
from exchange.outside.binance_query import CLIENT_ID
from exchange.outside.books import Market
from exchange.outside.desk import Ask, DeskTimeout, Seat, SeatRefused
from exchange.outside.mirror import OrderView
from exchange.protocol import Asker
from exchange.records import AMOUNT_SCALE
from market.messages import (
    MAKER,
    REJECT_NOT_FILLABLE,
    CancelWanted,
    Message,
    OrderReported,
    RequestAnswered,
)

MOST_ROWS: Final = 1_000
MOST_MS: Final = 2**63 - 1
_BPS_PPM: Final = 100
_RATE_SCALE: Final = 6


class BalanceRow(Frame, frozen=True, kw_only=True):
    """A balance."""

    asset: str
    free: str
    locked: str


class Rates(Frame, frozen=True, kw_only=True):
    """Rates of fees, as fractions."""

    maker: str
    taker: str
    buyer: str = "0.00000000"
    seller: str = "0.00000000"


class AccountInfo(Frame, frozen=True, kw_only=True, rename="camel"):
    """An account."""

    maker_commission: int
    taker_commission: int
    buyer_commission: int = 0
    seller_commission: int = 0
    commission_rates: Rates
    can_trade: bool
    can_withdraw: bool = False
    can_deposit: bool = False
    brokered: bool = False
    require_self_trade_prevention: bool = False
    prevent_sor: bool = False
    update_time: int
    account_type: str = "SPOT"
    balances: list[BalanceRow]
    permissions: tuple[str, ...] = ("SPOT",)
    uid: int


async def enter(call: Call) -> object:
    """A new order."""
    new = read_order(call.query, call.context.markets)
    seat = await call.seat()
    done = await _ask(call, seat, new.entry, new.note)
    answer = done.answer
    assert isinstance(answer, RequestAnswered)
    if done.order is None or (answer.refused and answer.code != REJECT_NOT_FILLABLE):
        raise refused_order(answer)
    return entry_answer(new, done.order, done.fills)


async def try_order(call: Call) -> object:
    """Whether an order could be entered, as far as its form goes."""
    read_order(call.query, call.context.markets)
    return {}


async def cancel(call: Call) -> object:
    """Take an order out."""
    market = call.query.market(call.context.markets)
    order_id, name = _named(call, CANCEL_REJECTED)
    own_name = call.query.matching("newClientOrderId", CLIENT_ID, "") or made_up_name()
    seat = await call.seat()
    order = seat.mirror.find(order_id, name)
    if order is not None:
        order.cancel_name = own_name
    done = await _ask(call, seat, _cancel(market, order_id, name))
    answer = done.answer
    assert isinstance(answer, RequestAnswered)
    if answer.refused:
        raise refused_cancel(answer)
    ended = done.order or seat.mirror.find(answer.order_id, "")
    if ended is None:
        raise ApiError(CANCEL_REJECTED, "Unknown order sent.")
    return cancel_answer(market, ended, own_name)


async def cancel_all(call: Call) -> object:
    """Take all orders of a symbol out."""
    market = call.query.market(call.context.markets)
    seat = await call.seat()
    rows: list[object] = []
    found = [order for order in seat.mirror.open_orders() if order.last.instrument_id == market.instrument_id]
    if not found:
        raise ApiError(CANCEL_REJECTED, "Unknown order sent.")
    for order in found:
        order.cancel_name = made_up_name()
        done = await _ask(call, seat, _cancel(market, order.last.order_id, ""))
        answer = done.answer
        assert isinstance(answer, RequestAnswered)
        # One that has traded meanwhile is no fault of the request.
        if not answer.refused:
            rows.append(cancel_answer(market, order, order.cancel_name))
    return rows


async def query_order(call: Call) -> object:
    """One order."""
    market = call.query.market(call.context.markets)
    order_id, name = _named(call, NO_SUCH_ORDER)
    seat = await call.seat()
    order = seat.mirror.find(order_id, name)
    if order is None or order.last.instrument_id != market.instrument_id:
        raise ApiError(NO_SUCH_ORDER, "Order does not exist.")
    return order_row(market, order)


async def open_orders(call: Call) -> object:
    """All open orders, of one symbol or of all."""
    chosen = call.query.market(call.context.markets) if call.query.has("symbol") else None
    seat = await call.seat()
    by_id = _by_id(call)
    return [
        order_row(by_id[order.last.instrument_id], order)
        for order in seat.mirror.open_orders()
        if order.last.instrument_id in by_id
        and (chosen is None or order.last.instrument_id == chosen.instrument_id)
    ]


async def all_orders(call: Call) -> object:
    """Orders of a symbol, open and ended: from an id on, or the last ones."""
    query = call.query
    market = query.market(call.context.markets)
    limit, from_id = query.limit(500, MOST_ROWS), query.whole("orderId", 0)
    start_ms, end_ms = query.whole("startTime", 0), query.whole("endTime", MOST_MS)
    seat = await call.seat()
    found: list[OrderView] = sorted(
        (
            order
            for order in seat.mirror.orders.values()
            if order.last.instrument_id == market.instrument_id
            and order.last.order_id >= from_id
            and start_ms <= milliseconds(order.created_ns) <= end_ms
        ),
        key=_order_id,
    )
    return [order_row(market, order) for order in (found[:limit] if from_id or start_ms else found[-limit:])]


async def own_trades(call: Call) -> object:
    """Trades of the account in a symbol: from an id on, or the last ones."""
    query = call.query
    market = query.market(call.context.markets)
    limit, from_id = query.limit(500, MOST_ROWS), query.whole("fromId", 0)
    order_id = query.whole("orderId", 0)
    start_ms, end_ms = query.whole("startTime", 0), query.whole("endTime", MOST_MS)
    seat = await call.seat()
    found: list[OrderReported] = sorted(
        (
            fill
            for fill in seat.mirror.fills()
            if fill.instrument_id == market.instrument_id
            and fill.trade_id >= from_id
            and order_id in (0, fill.order_id)
            and start_ms <= milliseconds(fill.venue_ns) <= end_ms
        ),
        key=_trade_id,
    )
    chosen = found[:limit] if from_id or start_ms else found[-limit:]
    return [own_trade(market, fill, fill.liquidity == MAKER) for fill in chosen]


async def account(call: Call) -> object:
    """Balances and rights."""
    leaves_out_empty = call.query.text("omitZeroBalances", "false") == "true"
    seat = await call.seat()
    maker_ppm, taker_ppm = _rates(call)
    mirror = seat.mirror
    return AccountInfo(
        maker_commission=maker_ppm // _BPS_PPM,
        taker_commission=taker_ppm // _BPS_PPM,
        commission_rates=Rates(maker=padded(maker_ppm, _RATE_SCALE), taker=padded(taker_ppm, _RATE_SCALE)),
        can_trade=bool(seat.key.scopes & TRADE),
        update_time=milliseconds(mirror.updated_ns),
        balances=[
            BalanceRow(asset=asset, free=padded(total - held, AMOUNT_SCALE), locked=padded(held, AMOUNT_SCALE))
            for asset, (total, held) in sorted(mirror.balances.items())
            if total or not leaves_out_empty
        ],
        uid=mirror.account_id,
    )


async def open_stream(call: Call) -> object:
    """A listen key."""
    seat = await call.seat()
    return {"listenKey": call.context.listen_keys.open(seat.mirror)}


async def renew_stream(call: Call) -> object:
    """Let a listen key live on."""
    return _of_key(call, call.context.listen_keys.renew)


async def close_stream(call: Call) -> object:
    """End a listen key."""
    return _of_key(call, call.context.listen_keys.close)


def _of_key(call: Call, act: Callable[[str, int], bool]) -> object:
    assert call.key is not None
    if not act(call.query.text("listenKey"), call.key.account_id):
        raise ApiError(BAD_LISTEN_KEY, "This listenKey does not exist.")
    return {}


async def _ask(call: Call, seat: Seat, make: Callable[[Asker, int, int], Message], note: object = None) -> Ask:
    try:
        return await call.context.desk.ask(seat, make, note)
    except DeskTimeout:
        raise timed_out() from None
    except SeatRefused:
        raise rejected_key() from None


def _cancel(market: Market, order_id: int, name: str) -> Callable[[Asker, int, int], Message]:
    return lambda asker, request_id, now_ns: CancelWanted(
        asker.exchange_id, asker.session_id, asker.account_id, request_id, market.instrument_id, order_id, name, now_ns
    )


def _named(call: Call, code: int) -> tuple[int, str]:
    """The order that is meant: by its number, which goes first, or by the client's name."""
    query = call.query
    if query.has("orderId"):
        order_id = query.whole("orderId")
        if order_id == 0:
            raise missing("orderId")
        return order_id, ""
    if query.has("origClientOrderId"):
        return 0, query.matching("origClientOrderId", CLIENT_ID)
    raise ApiError(code, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")


def _by_id(call: Call) -> dict[int, Market]:
    return {market.instrument_id: market for market in call.context.markets.values()}


def _order_id(order: OrderView) -> int:
    return order.last.order_id


def _trade_id(fill: OrderReported) -> int:
    return fill.trade_id


def _rates(call: Call) -> tuple[int, int]:
    """The highest rates of fees of all that is traded; an account's own terms are not told by the exchange."""
    instruments = [market.instrument for market in call.context.markets.values()]
    return max(one.maker_fee_ppm for one in instruments), max(one.taker_fee_ppm for one in instruments)


_SYMBOL: Final = frozenset({"symbol"})
_ONE: Final = frozenset({"symbol", "orderId", "origClientOrderId"})
_SPAN: Final = frozenset({"startTime", "endTime", "limit"})
_LISTEN: Final = frozenset({"listenKey"})

ACCOUNT: Final[Endpoints] = {
    ("POST", "/api/v3/order"): Endpoint(enter, ORDER_NAMES, security=SIGNED, scope=TRADE),
    ("POST", "/api/v3/order/test"): Endpoint(try_order, ORDER_NAMES, security=SIGNED, scope=TRADE),
    ("DELETE", "/api/v3/order"): Endpoint(
        cancel, _ONE | {"newClientOrderId"}, security=SIGNED, scope=TRADE
    ),
    ("GET", "/api/v3/order"): Endpoint(query_order, _ONE, fixed(4), SIGNED, READ),
    ("GET", "/api/v3/openOrders"): Endpoint(
        open_orders, _SYMBOL, lambda values: 6 if "symbol" in values else 80, SIGNED, READ
    ),
    ("DELETE", "/api/v3/openOrders"): Endpoint(cancel_all, _SYMBOL, security=SIGNED, scope=TRADE),
    ("GET", "/api/v3/allOrders"): Endpoint(all_orders, _SYMBOL | _SPAN | {"orderId"}, fixed(20), SIGNED, READ),
    ("GET", "/api/v3/myTrades"): Endpoint(
        own_trades, _SYMBOL | _SPAN | {"orderId", "fromId"}, fixed(20), SIGNED, READ
    ),
    ("GET", "/api/v3/account"): Endpoint(account, frozenset({"omitZeroBalances"}), fixed(20), SIGNED, READ),
    ("POST", "/api/v3/userDataStream"): Endpoint(open_stream, frozenset(), fixed(2), KEYED, READ),
    ("PUT", "/api/v3/userDataStream"): Endpoint(renew_stream, _LISTEN, fixed(2), KEYED, READ),
    ("DELETE", "/api/v3/userDataStream"): Endpoint(close_stream, _LISTEN, fixed(2), KEYED, READ),
}
