"""The pieces of gateways: names of orders, amounts and fees, the pace, what ccxt's errors mean, Binance's words."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import attrs
import ccxt  # type: ignore[import-untyped]
import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as draw
from trio.testing import MockClock

from market.messages import (
    BUY,
    CAUSE_REQUESTED,
    CAUSE_SELF_TRADE,
    CAUSE_TIME_IN_FORCE,
    CAUSE_VENUE,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MAKER,
    MARKET,
    REJECT_AUTHENTICATION,
    REJECT_BAD_PRICE,
    REJECT_BAD_SIZE,
    REJECT_BALANCE,
    REJECT_MINIMUM_NOTIONAL,
    REJECT_NOT_FILLABLE,
    REJECT_POST_ONLY,
    REJECT_RATE_LIMITED,
    REJECT_UNKNOWN_INSTRUMENT,
    REJECT_UNKNOWN_ORDER,
    STOP_LIMIT,
    TAKER,
    FeeTaken,
    NewOrder,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderStatus,
    OrderStatusWanted,
)
from tests.exchange.desk_of_orders import BTC_USDT, ODD_USDT
from tests.seeds import examples
from venues.ccxt_binance import OwnTrade, Row, Unsupported, facts_of, order_request, read, trade_of
from venues.ccxt_errors import CallFailed, Outcome, failure_of
from venues.gateway_money import Fee, UnreadableAmount, asset_amount, fee_of, scaled
from venues.gateway_orders import GatewayOrders, Stage, Trade
from venues.gateway_pace import Pace

ORDER_ID = (7 << 31) + 5


def new_order(**changes: Any) -> NewOrder:  # noqa: ANN401  values of fields
    """A plain limit order, but for what is said otherwise."""
    values: dict[str, Any] = {
        "order_id": ORDER_ID, "parent_id": 0, "strategy_id": 9, "instrument_id": 1, "side": BUY, "order_type": LIMIT,
        "time_in_force": GTC, "price": 6_000_000, "size": 500, "stop_price": 0, "display_size": 0, "post_only": False,
        "reduce_only": False, "expire_ns": 0, "receive_ns": 0, **changes,
    }  # fmt: skip
    return NewOrder(**values)


def trade(number: int, size: int = 100) -> Trade:
    """A trade."""
    return Trade(number, 6_000_000, size, 3, MAKER, 0)


# ---- orders


@given(draw.integers(1, 2**63 - 1))
@hypothesis_settings(max_examples=examples(50, 2_000))
def test_a_name_gives_its_order_back(order_id: int) -> None:
    """Every order has a name that venues take, and only that name means it."""
    orders = GatewayOrders()
    name = orders.name_of(order_id)
    assert len(name) <= 36
    assert orders.id_in(name) == order_id
    for other in (f"x{name}", f"{name}x", f"hft-0{order_id}", f"other-{order_id}", "", f"hft-{2**63}"):
        assert orders.id_in(other) == 0


def test_what_is_told_twice_is_reported_once() -> None:
    """Acknowledgement, trades and end, each in two ways and late: the lane hears each once, fills before the end."""
    orders = GatewayOrders()
    order = orders.begin(new_order(), 0)
    told = orders.traded(order, trade(1))
    assert [type(one) for one in told] == [OrderAccepted, OrderFilled]
    assert orders.accepted(order, "17", 0) == []
    assert orders.traded(order, trade(1)) == []
    assert [type(one) for one in orders.cancelled(order, CAUSE_REQUESTED, "")] == [OrderCancelled]
    assert orders.cancelled(order, CAUSE_REQUESTED, "") + orders.rejected(order, 0, "") + orders.expired(order) == []
    late = orders.traded(order, trade(2))
    assert [type(one) for one in late] == [OrderFilled], "a trade is money, whenever it is told"
    assert orders.find(ORDER_ID) is order


def test_a_fee_out_of_what_was_bought_is_told_once_before_its_fill() -> None:
    """The fill may end the order, so that nobody asks again: what comes before it is not lost where it stops there."""
    orders = GatewayOrders()
    order = orders.begin(new_order(), 0)
    one = attrs.evolve(trade(1), fee_parts=17)
    told = orders.traded(order, one)
    assert [type(message) for message in told] == [OrderAccepted, FeeTaken, OrderFilled]
    assert told[1] == FeeTaken(ORDER_ID, 1, 9, 1, one.price, 17, one.fee, 0)
    assert orders.traded(order, one) == []
    assert (orders.fees_elsewhere, orders.words_of_fees()) == ({}, [])


def test_fees_without_a_price_are_counted_and_said_once() -> None:
    """Of each asset: what results count is the configured rate."""
    orders = GatewayOrders()
    order = orders.begin(new_order(), 0)
    for number in range(3):
        told = orders.traded(order, attrs.evolve(trade(number), fee_asset="BNB"))
        assert FeeTaken not in [type(message) for message in told]
    assert orders.fees_elsewhere == {"BNB": 3}
    assert [words.split(",")[0] for words in orders.words_of_fees()] == ["fees are paid in BNB"]
    assert orders.words_of_fees() == []


def test_the_last_fill_is_the_end() -> None:
    """A filled order is over, and the cancel that crossed it is not."""
    orders = GatewayOrders()
    order = orders.begin(new_order(), 0)
    for number in range(1, 6):
        orders.traded(order, trade(number))
    assert (order.stage, order.remaining, orders.open) == (Stage.ENDED, 0, {})
    assert orders.cancelled(order, CAUSE_REQUESTED, "") == []


def test_a_refusal_of_what_has_worked_is_an_end() -> None:
    """An order that worked cannot be refused any more: what is left of it is cancelled."""
    orders = GatewayOrders()
    order = orders.begin(new_order(), 0)
    orders.accepted(order, "17", 0)
    assert [type(one) for one in orders.rejected(order, 0, "")] == [OrderCancelled]
    ghost = orders.begin(new_order(order_id=ORDER_ID + 1), 0)
    assert [type(one) for one in orders.never_arrived(ghost)] == [OrderRejected]
    assert orders.is_ghost(ghost)
    assert not orders.is_ghost(order)


def test_an_order_that_was_told_to_be_nowhere_is_never_sent() -> None:
    """Where a cancel has come first, or a question, the late order is over already."""
    orders = GatewayOrders()
    told = orders.nowhere(OrderStatusWanted(ORDER_ID, 1, "", 0))
    assert [type(one) for one in told] == [OrderStatus, OrderCancelled]
    known = orders.find(ORDER_ID)
    assert known is not None
    assert known.was_nowhere
    orders.early_cancels[ORDER_ID + 1] = 1
    assert [type(one) for one in orders.never_sent(new_order(order_id=ORDER_ID + 1))] == [OrderCancelled]
    assert orders.early_cancels == {}


def test_ended_orders_are_forgotten_in_time() -> None:
    """Memory is bounded: the orders that ended first go first."""
    orders = GatewayOrders(most_ended=3)
    for number in range(1, 6):
        orders.cancelled(orders.begin(new_order(order_id=number), 0), CAUSE_REQUESTED, "")
    assert list(orders.ended) == [3, 4, 5]


# ---- amounts


@given(draw.integers(0, 10**15), draw.integers(0, 3))
@hypothesis_settings(max_examples=examples(50, 2_000))
def test_amounts_are_exact(value: int, zeros: int) -> None:
    """Whatever zeros a venue writes behind a number, it is that number, and no other."""
    text = BTC_USDT.format_price(value) + "0" * zeros
    assert scaled(text, BTC_USDT.price_scale) == value
    with pytest.raises(UnreadableAmount):
        scaled(BTC_USDT.format_price(value) + "1", BTC_USDT.price_scale)


def test_fees_are_money_of_the_instrument() -> None:
    """In the quote as it is, in the base at the trade's price, in another asset by the configured rate; rounded up."""
    price, size = 6_000_000, 500
    assert fee_of(BTC_USDT, "USDT", "15", price, size, TAKER).money == 15 * 10**BTC_USDT.money_scale
    assert fee_of(BTC_USDT, "USDT", "0.000001", price, size, TAKER).money == 1
    assert fee_of(BTC_USDT, "USDT", "-0.000011", price, size, MAKER).money == -1
    base = fee_of(BTC_USDT, "BTC", "0.0005", price, size, TAKER)
    # Half a unit of size: what is taken is counted to its billionths.
    assert base == Fee(30 * 10**BTC_USDT.money_scale, size_parts=500_000_000)
    assert fee_of(BTC_USDT, "BTC", "0.0000000000001", price, size, TAKER).size_parts == 1
    assert fee_of(BTC_USDT, "BTC", "-0.001", price, size, MAKER).size_parts == -1_000_000_000
    other = fee_of(BTC_USDT, "BNB", "0.0001", price, size, TAKER)
    assert other == Fee(BTC_USDT.fee(price, size, TAKER), other_asset="BNB")
    assert fee_of(BTC_USDT, "BNB", "0", price, size, TAKER).money == 0
    assert fee_of(BTC_USDT, "", "", price, size, TAKER).money == 0
    assert asset_amount("12.5") == Fraction(25, 2) * 10**12
    for bad in ("", "x", "NaN", "1/0"):
        with pytest.raises(UnreadableAmount):
            asset_amount(bad)


# ---- the pace


async def test_the_last_of_the_pace_is_for_cancels(autojump_clock: MockClock) -> None:
    """What is ordinary stops before the limit, cancels go up to it, and the window moves on."""
    pace = Pace(10, 5.0, 3)
    assert [pace.spend() for _ in range(9)] == [True] * 7 + [False] * 2
    assert [pace.spend_urgently() for _ in range(4)] == [True] * 3 + [False]
    assert pace.delay_s() == pytest.approx(5.0)
    await trio.sleep(5.0)
    assert (pace.delay_s(), pace.spend()) == (0.0, True)
    pace.hold(30)
    assert (pace.spend(), pace.spend_urgently()) == (False, False)
    assert pace.delay_s() == pytest.approx(30)
    await trio.sleep(30)
    assert pace.spend()
    assert all(Pace(0, 1.0, 0).spend() for _ in range(100))


# ---- ccxt's errors


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (ccxt.InsufficientFunds("x"), Outcome.REFUSED, REJECT_BALANCE),
        (ccxt.InvalidOrder("Filter failure: PRICE_FILTER"), Outcome.REFUSED, REJECT_BAD_PRICE),
        (ccxt.InvalidOrder("Filter failure: LOT_SIZE"), Outcome.REFUSED, REJECT_BAD_SIZE),
        (ccxt.BadRequest("Filter failure: NOTIONAL"), Outcome.REFUSED, REJECT_MINIMUM_NOTIONAL),
        (ccxt.OrderImmediatelyFillable("x"), Outcome.REFUSED, REJECT_POST_ONLY),
        (ccxt.OrderNotFillable("x"), Outcome.REFUSED, REJECT_NOT_FILLABLE),
        (ccxt.BadSymbol("x"), Outcome.REFUSED, REJECT_UNKNOWN_INSTRUMENT),
        (ccxt.OrderNotFound("x"), Outcome.NOT_FOUND, REJECT_UNKNOWN_ORDER),
        (ccxt.PermissionDenied("x"), Outcome.DENIED, REJECT_AUTHENTICATION),
        (ccxt.InvalidNonce("x"), Outcome.CLOCK, REJECT_AUTHENTICATION),
        (ccxt.RateLimitExceeded("x"), Outcome.LIMITED, REJECT_RATE_LIMITED),
        (ccxt.DDoSProtection("x"), Outcome.LIMITED, REJECT_RATE_LIMITED),
        (ccxt.RequestTimeout("x"), Outcome.UNKNOWN, 0),
        (ccxt.NetworkError("x"), Outcome.UNKNOWN, 0),
        (ccxt.ExchangeNotAvailable("x"), Outcome.UNKNOWN, 0),
        (ccxt.BadResponse("x"), Outcome.UNKNOWN, 0),
        (ccxt.ExchangeError("x"), Outcome.UNKNOWN, 0),
    ],
)
def test_what_an_error_means(error: Exception, outcome: Outcome, code: int) -> None:
    """Only what a venue says no to is refused; whatever is not known for certain is unknown."""
    failure = failure_of(error, None)
    assert (failure.outcome, failure.code) == (outcome, code)


def test_a_venue_that_wants_to_be_left_alone_is() -> None:
    """Retry-After is heeded where it is given, and of new orders alone where they are what is too many."""
    failure = failure_of(ccxt.DDoSProtection('429 {"code":-1003}'), {"Retry-After": "7"})
    assert (failure.pause_s, failure.is_of_orders) == (7.0, False)
    assert failure_of(ccxt.DDoSProtection('429 {"code":-1015}'), {"Retry-After": "3"}).is_of_orders
    assert failure_of(ccxt.DDoSProtection("418"), {}).pause_s > 0
    assert failure_of(ccxt.NetworkError("x"), {"Retry-After": "7"}).pause_s == 0


def test_no_signature_is_shown() -> None:
    """The addresses that ccxt quotes are cut before the question mark."""
    text = "binance GET https://api/v3/order?timestamp=1&signature=abc"
    assert failure_of(ccxt.NetworkError(text), None).reason == "NetworkError: binance GET https://api/v3/order"


# ---- Binance's words


def test_orders_in_the_venues_words() -> None:
    """Types, times in force and amounts as exact text; what has no words is refused before it is sent."""
    plain = order_request(new_order(), BTC_USDT, "hft-1")
    assert plain == {
        "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.500", "newClientOrderId": "hft-1",
        "newOrderRespType": "FULL", "price": "60000.00", "type": "LIMIT", "timeInForce": "GTC",
    }  # fmt: skip
    assert order_request(new_order(time_in_force=IOC), BTC_USDT, "a")["timeInForce"] == "IOC"
    maker = order_request(new_order(post_only=True), BTC_USDT, "a")
    assert (maker["type"], "timeInForce" in maker) == ("LIMIT_MAKER", False)
    market = order_request(new_order(order_type=MARKET, price=0), BTC_USDT, "a")
    assert (market["type"], "price" in market) == ("MARKET", False)
    assert order_request(new_order(display_size=100), BTC_USDT, "a")["icebergQty"] == "0.100"
    for changes in (
        {"order_type": STOP_LIMIT}, {"stop_price": 1}, {"reduce_only": True}, {"group_id": 1}, {"time_in_force": GTD},
        {"size": 0}, {"display_size": -1}, {"post_only": True, "time_in_force": IOC}, {"self_trade": 1},
    ):  # fmt: skip
        with pytest.raises(Unsupported):
            order_request(new_order(**changes), BTC_USDT, "a")


ROW: dict[str, Any] = {
    "symbol": "ODDUSDT", "orderId": 17, "clientOrderId": "hft-1", "price": "0.30000300", "origQty": "7.00000000",
    "executedQty": "0.00000700", "status": "PARTIALLY_FILLED", "side": "BUY", "updateTime": 1_700_000_000_000,
}  # fmt: skip


def test_a_row_is_read_exactly() -> None:
    """Numbers come from text; a JSON number, or more places than the instrument has, is no answer at all."""
    facts = facts_of(read(ROW, Row), ODD_USDT)
    assert (facts.price, facts.size, facts.filled) == (300_003, 7_000_000, 7)
    assert (facts.is_working, facts.venue_ns) == (True, 1_700_000_000 * 10**9)
    for changes in ({"price": 0.300003}, {"side": "BOTH"}, {"orderId": "17"}):
        with pytest.raises(CallFailed) as caught:
            read({**ROW, **changes}, Row)
        assert caught.value.outcome is Outcome.UNKNOWN
    with pytest.raises(CallFailed):
        facts_of(read({**ROW, "price": "0.3000035"}, Row), ODD_USDT)


@pytest.mark.parametrize(
    ("status", "changes", "cause"),
    [
        ("CANCELED", {}, CAUSE_REQUESTED),
        ("EXPIRED", {"timeInForce": "IOC"}, CAUSE_TIME_IN_FORCE),
        ("EXPIRED", {"type": "MARKET"}, CAUSE_TIME_IN_FORCE),
        ("EXPIRED", {"timeInForce": "GTC"}, CAUSE_VENUE),
        ("EXPIRED_IN_MATCH", {}, CAUSE_SELF_TRADE),
    ],
)
def test_why_an_order_is_over(status: str, changes: dict[str, str], cause: int) -> None:
    """The venue's words for an end have ours."""
    facts = facts_of(read({**ROW, "status": status, **changes}, Row), ODD_USDT)
    assert (facts.is_working, facts.cause) == (False, cause)


def test_a_trade_of_the_account() -> None:
    """Price, size, fee and side of a trade, exactly."""
    row = OwnTrade(
        id=5, order_id=17, price="60000.00", qty="0.500", commission="15.00000000", commission_asset="USDT", time=1,
        is_maker=False,
    )  # fmt: skip
    expected = Trade(5, 6_000_000, 500, 15 * 10**BTC_USDT.money_scale, TAKER, 1_000_000)
    assert trade_of(row, BTC_USDT) == expected
    taken = trade_of(msgspec.structs.replace(row, commission="0.00025", commission_asset="BTC"), BTC_USDT)
    assert taken == attrs.evolve(expected, fee_parts=250_000_000)
    assert attrs.asdict(expected)["liquidity"] == TAKER
