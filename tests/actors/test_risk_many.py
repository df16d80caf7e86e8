"""Risk over many instruments: groups, exposure in one currency, rates, accounts, and orders that meet our own."""

from __future__ import annotations

import pytest

from actors.risk_params import InstrumentLimits
from market.messages import (
    BUY,
    MARKET,
    REJECT_BALANCE,
    REJECT_CONNECTION,
    REJECT_DUPLICATE,
    REJECT_GROSS_EXPOSURE,
    REJECT_HALTED,
    REJECT_NET_EXPOSURE,
    REJECT_ORDER_RATE,
    REJECT_ORDER_SIZE,
    REJECT_POSITION,
    REJECT_POSITION_COUNT,
    REJECT_PRICE_COLLAR,
    REJECT_SELF_TRADE,
    REJECT_STALE_BOOK,
    SELL,
    STALE,
    BookStateChanged,
    CancelOrder,
    ChildOrder,
    ConnectionDown,
    ConnectionUp,
    FairValue,
    OperatorCommand,
    OrderRejected,
    OrderReplaced,
    ReplaceOrder,
    ReplaceRejected,
    RiskRefused,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    TradingHalted,
)
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, BTC_EUR, COINBASE, EUR_USDT, KRAKEN, RiskLane


def lane_with(**limits: object) -> RiskLane:
    """Every book open, wide limits except these."""
    lane = RiskLane(limits)
    lane.open_books()
    return lane


def test_positions_of_all_venues_add_up_in_their_group() -> None:
    """Sizes of different scales count together; what a sale leads back at another venue is free again."""
    lane = lane_with(maximum_group_position=DecimalText("1"))
    lane.trade(BINANCE, BUY, "60000", "0.5")
    lane.ask(KRAKEN, BUY, "60000", "0.4")
    lane.ask(COINBASE, BUY, "60000", "0.10000001")
    assert lane.codes() == [REJECT_POSITION]
    (told,) = lane.of(RiskRefused)
    assert (told.limit, told.value, told.bound) == ("maximum_group_position", 100_000_001, 100_000_000)
    lane.ask(COINBASE, BUY, "60000", "0.1")
    lane.ask(COINBASE, SELL, "60000", "1")
    assert lane.codes() == [REJECT_POSITION]
    lane.ask(BTC_EUR, BUY, "50000", "0.00000001")
    assert lane.codes() == [REJECT_POSITION] * 2


def test_number_of_positions_is_limited_and_open_ones_may_be_worked() -> None:
    """An order in one more instrument is refused; orders where something is held or open are not."""
    lane = lane_with(maximum_positions=2)
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.ask(KRAKEN, SELL, "60000", "0.1")
    lane.ask(COINBASE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_POSITION_COUNT]
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_POSITION_COUNT]


def test_gross_exposure_counts_both_directions_in_the_common_currency() -> None:
    """A long and a short of 30,000 each are 60,000 gross; EUR counts at its live rate."""
    lane = lane_with(maximum_gross_exposure=DecimalText("90000"))
    lane.trade(BINANCE, BUY, "60000", "0.5")
    lane.trade(KRAKEN, SELL, "60000", "0.5")
    # 0.5 BTC at 50,000 EUR of 1.2 USDT are 30,000.
    lane.ask(BTC_EUR, BUY, "50000", "0.5")
    assert lane.codes() == []
    lane.ask(COINBASE, BUY, "60000", "0.00000001")
    assert lane.codes() == [REJECT_GROSS_EXPOSURE]
    (told,) = lane.of(RiskRefused)
    assert (told.limit, told.bound) == ("maximum_gross_exposure", 90_000 * 10**8)
    assert told.value == 90_000 * 10**8 + 60_000
    # What leads back adds nothing.
    lane.ask(BINANCE, SELL, "60000", "0.5")
    assert lane.codes() == [REJECT_GROSS_EXPOSURE]


def test_net_exposure_is_longs_less_shorts() -> None:
    """A hedged position leaves room; the side that would pass the limit is refused, the other not."""
    lane = lane_with(maximum_net_exposure=DecimalText("30000"))
    lane.trade(BINANCE, BUY, "60000", "0.5")
    lane.ask(KRAKEN, BUY, "60000", "0.00000001")
    assert lane.codes() == [REJECT_NET_EXPOSURE]
    lane.trade(KRAKEN, SELL, "60000", "1")
    lane.ask(COINBASE, BUY, "60000", "1")
    assert lane.codes() == [REJECT_NET_EXPOSURE]
    lane.ask(COINBASE, SELL, "60000", "0.00000001")
    assert lane.codes() == [REJECT_NET_EXPOSURE] * 2


def test_exposure_follows_the_market() -> None:
    """What was within the limit at one mid is above it at a higher one: the next order that adds is refused."""
    lane = lane_with(maximum_gross_exposure=DecimalText("61000"))
    lane.trade(BINANCE, BUY, "60000", "1")
    lane.touch(BINANCE, "60999", "61001")
    lane.ask(BINANCE, BUY, "60000", "0.00001")
    assert lane.codes() == [REJECT_GROSS_EXPOSURE]
    lane.touch(BINANCE, "59999", "60001")
    lane.ask(BINANCE, BUY, "60000", "0.00001")
    assert lane.codes() == [REJECT_GROSS_EXPOSURE]


def test_money_without_a_live_rate_opens_nothing() -> None:
    """Fail closed: while the rate's book is not live, what is paid in EUR has no known worth."""
    lane = lane_with(maximum_gross_exposure=DecimalText("1000000"))
    lane.take(BookStateChanged(EUR_USDT, STALE, "test", 0, 0))
    lane.ask(BTC_EUR, BUY, "50000", "0.1")
    assert lane.codes() == [REJECT_STALE_BOOK]
    assert "money in EUR has no known rate to USDT" in lane.of(OrderRejected)[0].reason
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.touch(EUR_USDT, "1.1999", "1.2001")
    lane.ask(BTC_EUR, BUY, "50000", "0.1")
    assert lane.codes() == [REJECT_STALE_BOOK]


def test_account_must_cover_everything_open_with_its_fees() -> None:
    """A buy needs its notional and the taker's fee; fills and other open orders at the venue count."""
    lane = lane_with(balances={"binance USDT": DecimalText("60030"), "binance BTC": DecimalText("0.1")})
    first = lane.ask(BINANCE, BUY, "60000", "1")
    lane.ask(BINANCE, BUY, "60000", "0.00001")
    assert lane.codes() == [REJECT_BALANCE]
    lane.accept(first)
    lane.fill(first, size="0.5")
    lane.ask(BINANCE, SELL, "60000", "0.6")
    assert lane.codes() == [REJECT_BALANCE]
    lane.ask(BINANCE, SELL, "60000", "0.00001")
    assert lane.codes() == [REJECT_BALANCE] * 2
    lane.ask(KRAKEN, BUY, "60000", "1")
    assert lane.codes() == [REJECT_BALANCE] * 2


def test_account_that_nothing_is_traded_in_is_an_error() -> None:
    """A balance in an asset that no instrument of the venue has is a mistake of the configuration."""
    with pytest.raises(ValueError, match="no spot instrument at binance"):
        RiskLane({"balances": {"binance ETH": DecimalText("1")}})


def test_order_that_could_trade_with_our_own_is_refused() -> None:
    """At one venue, at the same or a better price, or at the market; another venue is another matter."""
    lane = lane_with(refuse_self_trade=True)
    resting = lane.ask(BINANCE, SELL, "60000", "0.1")
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.ask(BINANCE, BUY, "", "0.1", order_type=MARKET)
    assert lane.codes() == [REJECT_SELF_TRADE] * 2
    lane.ask(BINANCE, BUY, "59999.99", "0.1")
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_SELF_TRADE] * 2
    # A change that is on its way counts at both of its prices.
    lane.accept(resting)
    lane.change(resting, "60010", "0.1")
    lane.ask(BINANCE, BUY, "60005", "0.1")
    lane.take(OrderReplaced(resting, BINANCE, 6_001_000, 10_000, 0))
    lane.ask(BINANCE, BUY, "60005", "0.2")
    assert lane.codes() == [REJECT_SELF_TRADE] * 3


def test_same_order_twice_is_refused_while_the_first_works() -> None:
    """Same strategy, side, price and size; one that is being cancelled no longer counts."""
    lane = lane_with(refuse_duplicates=True)
    first = lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_DUPLICATE]
    lane.ask(BINANCE, BUY, "60000", "0.2")
    lane.ask(BINANCE, SELL, "60000", "0.1")
    lane.ask(BINANCE, BUY, "60000", "0.1", strategy_id=91)
    lane.take(CancelOrder(first, BINANCE, "test", 0))
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_DUPLICATE]


def test_order_id_that_was_used_before_is_told_but_not_answered() -> None:
    """An answer would be taken for one to the order that has the id; the ledger halts trading for it."""
    lane = lane_with()
    order_id = lane.ask(BINANCE, BUY, "60000", "0.1")
    again = lane.of(ChildOrder)[-1]
    lane.take(again)
    assert lane.codes() == [REJECT_DUPLICATE]
    assert lane.of(OrderRejected) == []
    assert lane.core.ledger.open[order_id].sent
    assert len(lane.of(TradingHalted)) == 1


def test_cancels_keep_room_among_the_requests() -> None:
    """Orders are refused before the last requests of the window are used up; cancels are not refused."""
    lane = lane_with(maximum_requests=4, cancel_room=2, window_ms=100)
    first = lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.take(CancelOrder(first, BINANCE, "test", 0))
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_ORDER_RATE]
    lane.pass_ms(101)
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_ORDER_RATE]


def test_touch_that_is_too_old_is_no_reference() -> None:
    """Even while the book is LIVE."""
    lane = lane_with(maximum_book_age_ms=50)
    lane.pass_ms(50)
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.pass_ms(1)
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_STALE_BOOK]
    lane.touch(BINANCE, "59999", "60001")
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_STALE_BOOK]


def test_book_of_another_venue_is_no_reference() -> None:
    """The collar is around the mid of the instrument's own book, and each book is live for itself."""
    lane = lane_with(collar_bps=10)
    lane.touch(KRAKEN, "61999", "62001")
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_PRICE_COLLAR]
    lane.take(BookStateChanged(COINBASE, STALE, "test", 0, 0))
    lane.ask(COINBASE, BUY, "60000", "0.1")
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_PRICE_COLLAR, REJECT_STALE_BOOK]


def test_collar_around_the_fair_value_needs_one() -> None:
    """Without a fair value nothing passes; without confidence there is none."""
    lane = lane_with(fair_collar_bps=10)
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.take(FairValue(BINANCE, 5_990_000.0, 1.0, 0))
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.ask(BINANCE, BUY, "59950", "0.1")
    lane.take(FairValue(BINANCE, 5_990_000.0, 0.0, 0))
    lane.ask(BINANCE, BUY, "59950", "0.1")
    assert lane.codes() == [REJECT_PRICE_COLLAR] * 3
    assert lane.passed == [3]


@pytest.mark.parametrize(
    ("down", "up"),
    [
        (ServiceFailed("gate", "test", 1), ServiceRestarted("gate", 1)),
        (ServiceStopped("gate", "test"), ServiceRestarted("gate", 1)),
        (ConnectionDown(11, 1, "test"), ConnectionUp(11, 2)),
    ],
)
def test_nothing_passes_to_a_venue_whose_gateway_is_down(
    down: ServiceFailed | ServiceStopped | ConnectionDown, up: ServiceRestarted | ConnectionUp
) -> None:
    """Other venues go on; when it is back, so does this one."""
    lane = lane_with(gateways={"kraken": "gate"}, connections={"kraken": 11})
    lane.take(ConnectionUp(11, 1))
    lane.take(down)
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_CONNECTION]
    lane.take(up)
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_CONNECTION]


def test_connection_is_down_until_it_was_told_to_be_up() -> None:
    """In every run anew; a service that is back does not bring a connection back."""
    lane = lane_with(gateways={"kraken": "gate"}, connections={"kraken": 11})
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_CONNECTION]
    lane.take(ConnectionUp(11, 1), ConnectionDown(11, 1, "test"))
    lane.take(ServiceFailed("gate", "test", 1), ServiceRestarted("gate", 1))
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_CONNECTION] * 2
    lane.take(ConnectionUp(11, 2))
    last = lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.passed == [last]
    lane.run_began(6)
    lane.open_books()
    lane.ask(KRAKEN, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_CONNECTION] * 3


def test_references_of_an_earlier_run_are_forgotten() -> None:
    """A new run knows no book until it is told."""
    lane = lane_with()
    lane.run_began(6)
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.codes() == [REJECT_STALE_BOOK]


def test_symbol_may_have_limits_of_its_own() -> None:
    """They stand in place of those for all."""
    own = InstrumentLimits(maximum_order_size=DecimalText("0.2"), maximum_position=DecimalText("0.3"))
    lane = lane_with(limits={"BTC/EUR": own})
    lane.ask(BTC_EUR, BUY, "50000", "0.21")
    lane.ask(BTC_EUR, BUY, "50000", "0.2")
    lane.ask(BTC_EUR, BUY, "50000", "0.2")
    lane.ask(BINANCE, BUY, "60000", "0.5")
    assert lane.codes() == [REJECT_ORDER_SIZE, REJECT_POSITION]


def test_smallest_limit_of_a_group_holds() -> None:
    """Where two symbols of one base asset name one each, neither is passed."""
    small = InstrumentLimits(maximum_group_position=DecimalText("0.5"))
    large = InstrumentLimits(maximum_group_position=DecimalText("5"))
    lane = lane_with(maximum_group_position=DecimalText("10"), limits={"BTC/USDT": large, "BTC/EUR": small})
    lane.ask(BTC_EUR, BUY, "50000", "0.51")
    lane.ask(BINANCE, BUY, "60000", "0.51")
    assert lane.codes() == [REJECT_POSITION] * 2


def test_change_passes_the_same_checks() -> None:
    """It leaves as a `ReplaceOrder`, or is answered with limit and value; until the answer both versions count."""
    lane = lane_with(maximum_position=DecimalText("1"))
    order_id = lane.ask(BINANCE, BUY, "60000", "0.5")
    lane.accept(order_id)
    lane.change(order_id, "60001", "0.9")
    (left,) = lane.of(ReplaceOrder)
    assert (left.order_id, left.price, left.size) == (order_id, 6_000_100, 90_000)
    lane.ask(BINANCE, BUY, "60000", "0.2")
    assert lane.codes() == [REJECT_POSITION]
    lane.take(OrderReplaced(order_id, BINANCE, 6_000_100, 90_000, 0))
    lane.change(order_id, "60001", "1")
    lane.take(OrderReplaced(order_id, BINANCE, 6_000_100, 100_000, 0))
    lane.change(order_id, "60001", "1.00001")
    assert lane.codes() == [REJECT_POSITION, REJECT_ORDER_SIZE]
    (rejected,) = lane.of(ReplaceRejected)
    assert rejected.code == REJECT_ORDER_SIZE
    assert lane.core.ledger.standing(BINANCE).longest() == 100_000


def test_change_that_adds_nothing_passes_beyond_the_limit() -> None:
    """A limit that became tighter stands in the way of nobody who becomes smaller."""
    lane = lane_with()
    order_id = lane.ask(BINANCE, BUY, "60000", "1")
    lane.accept(order_id)
    lane.take(OperatorCommand("limit", "maximum_position=0.1", "test"))
    lane.change(order_id, "59990", "0.9")
    assert lane.codes() == []
    lane.take(OrderReplaced(order_id, BINANCE, 5_999_000, 90_000, 0))
    lane.change(order_id, "59990", "0.95")
    assert lane.codes() == [REJECT_POSITION]


def test_nothing_passes_while_trading_is_halted() -> None:
    """Neither orders nor changes."""
    lane = lane_with()
    order_id = lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.accept(order_id)
    lane.take(TradingHalted("test", "test"))
    lane.ask(BINANCE, BUY, "60000", "0.1")
    lane.change(order_id, "60000", "0.2")
    assert lane.codes() == [REJECT_HALTED] * 2
    assert len(lane.of(ReplaceRejected)) == 1
