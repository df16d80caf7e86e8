"""Limits over all lanes: what the keeper lends, what a holder of leases lets through, and that the sum never passes."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from librt.vecs import vec
from mypy_extensions import i64

from actors.leases import OPEN_ORDERS, Leases, exposure_limit, money_from_text, money_in_use
from actors.limit_keeper import LimitKeeper, fair_share
from actors.limit_keeper_params import LimitKeeperParams
from actors.order_manager import OrderManager
from actors.risk import Risk
from actors.risk_params import RiskParams
from market.instruments import InstrumentTable
from market.messages import (
    BUY,
    LIVE,
    MAKER,
    REJECT_NO_LEASE,
    SELL,
    ActorFailed,
    ActorRestarted,
    BookStateChanged,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    NewOrder,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    RunStarted,
    ShutdownRequested,
    WantedQuotes,
)
from runtime.build_core import make_actor
from runtime.config.rules import DecimalText
from tests.actors.trading_lane import (
    INSTRUMENT,
    INSTRUMENT_ID,
    MILLISECOND,
    STANDARD,
    TradingLane,
    child,
    plan_of,
    top,
)

# The mid is 60,000.00; a size of 1,000 is 0.01, worth 600.
BID, ASK = 5_999_900, 6_000_100
USDT = exposure_limit("USDT")
DOLLAR = 100_000_000
LEASE_MS = 5_000
HOLDER = "risk"


def keeper_lane(exposure: str = "1000", open_orders: int = 10) -> TradingLane:
    """A keeper alone."""
    params = LimitKeeperParams(maximum_exposure={"USDT": DecimalText(exposure)}, maximum_open_orders=open_orders)
    return TradingLane(LimitKeeper, params={LimitKeeper: params})


def grants(lane: TradingLane, limit: str = USDT) -> list[LeaseGranted]:
    """What was granted of a limit so far."""
    return [granted for granted in lane.of(LeaseGranted) if granted.limit == limit]


def ask(lane: TradingLane, holder: str, dollars: int) -> LeaseGranted:
    """Ask for exposure; gives the answer."""
    lane.take(LeaseWanted(holder, USDT, 0, dollars * DOLLAR))
    granted = grants(lane)[-1]
    assert granted.lane == holder
    return granted


def give_back(lane: TradingLane, granted: LeaseGranted, used: int) -> None:
    """Give a lease back of which this many dollars are in use."""
    lane.take(LeaseReturned(granted.lane, granted.lease_id, granted.amount - used * DOLLAR, "test"))


# ---- the keeper


def test_first_come_gets_what_it_asks_for() -> None:
    """While there is enough, everyone gets what it wants, until a stated time."""
    lane = keeper_lane()
    first = ask(lane, "a", 600)
    second = ask(lane, "b", 400)
    assert (first.amount, second.amount) == (600 * DOLLAR, 400 * DOLLAR)
    assert first.expire_ns == lane.now_ns + LEASE_MS * MILLISECOND
    assert second.lease_id > first.lease_id


def test_what_is_lent_is_not_lent_twice_whatever_the_clock_says() -> None:
    """A lease counts until it comes back: that it ran out does not say that it was not used."""
    lane = keeper_lane()
    first = ask(lane, "a", 1_000)
    assert ask(lane, "b", 400).amount == 0
    lane.pass_ms(10 * LEASE_MS)
    assert ask(lane, "b", 400).amount == 0
    give_back(lane, first, used=700)
    assert ask(lane, "b", 400).amount == 300 * DOLLAR


def test_a_renewal_counts_with_the_lease_that_it_replaces_until_that_comes_back() -> None:
    """A holder may use the larger of two leases until it says that it has the smaller."""
    lane = keeper_lane()
    first = ask(lane, "a", 800)
    ask(lane, "a", 300)
    assert ask(lane, "b", 900).amount == 200 * DOLLAR
    give_back(lane, first, used=100)
    assert ask(lane, "b", 900).amount == 700 * DOLLAR


def test_a_lane_that_gets_less_at_its_renewal_makes_room_for_the_other() -> None:
    """When all want more than there is, each gets an equal share as the leases of the others come back."""
    lane = keeper_lane()
    first = ask(lane, "a", 1_000)
    assert ask(lane, "b", 1_000).amount == 0
    assert ask(lane, "a", 1_000).amount == 500 * DOLLAR
    assert ask(lane, "b", 1_000).amount == 0
    give_back(lane, first, used=500)
    assert ask(lane, "b", 1_000).amount == 500 * DOLLAR


def test_a_lane_that_fell_silent_wants_nothing_more() -> None:
    """Its share goes to the others, except what it may be using."""
    lane = keeper_lane()
    ask(lane, "a", 200)
    ask(lane, "a", 1_000)
    assert ask(lane, "b", 1_000).amount == 0
    lane = keeper_lane()
    give_back(lane, ask(lane, "a", 1_000), used=100)
    assert ask(lane, "b", 1_000).amount == 500 * DOLLAR
    lane.pass_ms(LEASE_MS + 1)
    assert ask(lane, "b", 1_000).amount == 900 * DOLLAR


def test_a_lease_that_comes_back_brings_the_older_ones_along() -> None:
    """A holder that was made anew knows nothing of what its predecessor held, and that does not count for ever."""
    lane = keeper_lane()
    ask(lane, "a", 1_000)
    forgotten = ask(lane, "a", 200)
    give_back(lane, forgotten, used=50)
    assert ask(lane, "b", 800).amount == 800 * DOLLAR


def test_many_leases_out_are_counted_as_their_largest() -> None:
    """What is remembered of one holder is bounded, and nothing is forgotten of what it may use."""
    lane = keeper_lane()
    ask(lane, "a", 900)
    for _ in range(50):
        ask(lane, "a", 10)
    keeper = lane.actor(LimitKeeper)
    assert len(keeper.limits[USDT].holders["a"].leases) == 8
    assert ask(lane, "b", 1_000).amount == 100 * DOLLAR


def test_what_is_unknown_is_refused() -> None:
    """A limit that it does not keep, and a lease that was never lent, change nothing."""
    lane = keeper_lane()
    lane.take(LeaseWanted("a", "maximum_exposure.EUR", 0, 5))
    assert lane.of(LeaseGranted)[-1].amount == 0
    lane.take(LeaseReturned("a", 77, 5, "test"))
    assert ask(lane, "a", 1_000).amount == 1_000 * DOLLAR


def test_a_keeper_that_forgot_lends_nothing() -> None:
    """Made anew without a journal it does not know what is lent, and says so."""
    lane = keeper_lane()
    ask(lane, "a", 100)
    lane.take(ActorFailed(1, int(lane.core.sequence), 1, "test"))
    assert ask(lane, "b", 1).amount == 0
    assert "lends nothing" in str(lane.actor(LimitKeeper).summary()["status"])


def test_a_currency_without_a_limit_is_an_error_of_the_configuration() -> None:
    """Every instrument of the keeper has a limit in its currency."""
    params = LimitKeeperParams(maximum_exposure={"EUR": DecimalText("5")}, maximum_open_orders=1)
    blueprint = plan_of((LimitKeeper,), {LimitKeeper: params})
    assert isinstance(blueprint.instruments, InstrumentTable)
    with pytest.raises(ValueError, match="maximum_exposure names no USDT"):
        make_actor(blueprint, blueprint.actors[0])


@pytest.mark.parametrize(
    ("limit", "wants", "shares"),
    [
        (100, [30, 70], [30, 70]),
        (100, [100, 100], [50, 50]),
        (100, [10, 100, 100], [10, 45, 45]),
        (100, [40, 40, 40], [33, 33, 33]),
        (0, [5], [0]),
    ],
)
def test_fair_shares(limit: int, wants: list[int], shares: list[int]) -> None:
    """Who wants less than an equal share gets it; the rest is shared equally by the others."""
    assert [fair_share(limit, wants, mine) for mine in wants] == shares


# ---- the holder


def leased_lane(**settings: object) -> TradingLane:
    """A `Risk` that needs leases, with a live book; nobody answers its requests but the test."""
    standard = STANDARD[Risk]
    assert isinstance(standard, RiskParams)
    changed: dict[str, Any] = {"leased": True, "maximum_order_notional": DecimalText("1000"), **settings}
    lane = TradingLane(Risk, params={Risk: attrs.evolve(standard, **changed)})
    lane.take(top(BID, ASK))
    return lane


def grant(lane: TradingLane, lease_id: int, dollars: int, orders: int = 10, holder: str = HOLDER) -> None:
    """Grant both limits for the usual time."""
    expire_ns = lane.now_ns + LEASE_MS * MILLISECOND
    lane.take(LeaseGranted(holder, lease_id, USDT, 0, dollars * DOLLAR, expire_ns))
    lane.take(LeaseGranted(holder, lease_id, OPEN_ORDERS, 0, orders, expire_ns))


def wanted(lane: TradingLane, limit: str = USDT) -> list[int]:
    """The amounts that were asked for."""
    return [one.amount for one in lane.of(LeaseWanted) if one.limit == limit]


def passed(lane: TradingLane) -> list[int]:
    """The ids of the orders that left."""
    return [int(order.order_id) for order in lane.of(NewOrder)]


def filled(order_id: int, side: int, price: int, size: int) -> OrderFilled:
    """A fill."""
    return OrderFilled(order_id, INSTRUMENT_ID, 90, order_id, side, price, size, 0, 0, MAKER, 0)


def test_it_asks_at_the_start_for_the_spare_and_again_until_it_is_answered() -> None:
    """Nothing is at risk yet: four orders' worth is asked for, and asked for again."""
    lane = leased_lane()
    assert wanted(lane) == [4_000 * DOLLAR]
    assert wanted(lane, OPEN_ORDERS) == [4]
    lane.pass_ms(240)
    assert len(wanted(lane)) == 1
    lane.pass_ms(20)
    assert wanted(lane) == [4_000 * DOLLAR] * 2
    grant(lane, 1, 4_000)
    lane.pass_ms(1_000)
    assert len(wanted(lane)) == 2


def test_without_a_lease_no_risk_is_opened() -> None:
    """The refusal names the limit, the value and the order."""
    lane = leased_lane()
    lane.take(child(1, BUY, BID, 1_000))
    assert passed(lane) == []
    (rejected,) = lane.of(OrderRejected)
    assert rejected.code == REJECT_NO_LEASE
    assert "order 1: maximum_exposure.USDT 599.99 with this order needs a lease, and none is held" in rejected.reason


def test_a_lease_is_kept_to_the_last_unit() -> None:
    """Orders pass while the exposure with them is within the lease, and not one unit beyond."""
    lane = leased_lane()
    lane.take(LeaseGranted(HOLDER, 1, OPEN_ORDERS, 0, 10, lane.now_ns + MILLISECOND))
    lane.take(LeaseGranted(HOLDER, 2, USDT, 0, 119_998_000_000, lane.now_ns + MILLISECOND))
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(child(2, BUY, BID, 1_000))
    lane.take(child(3, BUY, BID, 1))
    assert passed(lane) == [1, 2]
    assert "above the 1199.98 that is leased" in lane.of(OrderRejected)[0].reason


def test_both_sides_of_a_quote_count_once() -> None:
    """A buy and a sell cannot both be at risk: what counts is the worse side, and the side that opens."""
    lane = leased_lane()
    grant(lane, 1, 601)
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(child(2, SELL, ASK, 1_000))
    assert passed(lane) == [1, 2]
    lane.take(child(3, SELL, ASK, 1_000))
    assert passed(lane) == [1, 2]


def test_refused_side_of_a_quote_does_not_keep_the_other_side_from_passing() -> None:
    """Both come in one step, and the ledger hears of the refusal only after the second was looked at."""
    standard = STANDARD[Risk]
    assert isinstance(standard, RiskParams)
    leased = attrs.evolve(standard, leased=True)
    lane = TradingLane(OrderManager, Risk, params={Risk: leased})
    lane.take(BookStateChanged(INSTRUMENT_ID, LIVE, "test", 0, 0))
    lane.take(top(BID, ASK))
    grant(lane, 1, 1_000)
    quotes = WantedQuotes(
        90, INSTRUMENT_ID, vec[i64]([BID]), vec[i64]([2_000]), vec[i64]([ASK]), vec[i64]([1_000]), 0.0, "test", 0
    )
    lane.take(quotes)
    assert [(order.side, order.size) for order in lane.of(NewOrder)] == [(SELL, 1_000)]
    assert [int(one.code) for one in lane.of(OrderRejected)] == [REJECT_NO_LEASE]


def test_what_adds_nothing_passes_within_a_lease_that_became_too_small() -> None:
    """After its lease was cut a lane may still quote the side that leads back, beyond its position."""
    lane = leased_lane()
    grant(lane, 1, 3_000)
    lane.take(child(1, BUY, BID, 1_000), filled(1, BUY, BID, 1_000))
    grant(lane, 2, 100)
    lane.take(child(2, SELL, ASK, 1_600))
    lane.take(child(3, SELL, ASK, 500))
    lane.take(child(4, BUY, BID, 1))
    assert passed(lane) == [1, 2]


def test_number_of_open_orders_is_leased_as_well() -> None:
    """The order that would be one too many over all lanes is refused by name."""
    lane = leased_lane()
    grant(lane, 1, 5_000, orders=1)
    lane.take(child(1, BUY, BID, 100))
    lane.take(child(2, BUY, BID, 100))
    assert passed(lane) == [1]
    assert "maximum_open_orders 2 with this order is above the 1 that is leased" in lane.of(OrderRejected)[0].reason


def test_what_reduces_passes_without_a_lease() -> None:
    """With a position and no lease, orders that only make it smaller pass; one that could turn it over does not."""
    lane = leased_lane()
    grant(lane, 1, 1_000)
    lane.take(child(1, BUY, BID, 1_000))
    lane.take(filled(1, BUY, BID, 1_000))
    lane.pass_ms(LEASE_MS)
    assert [one.reason for one in lane.of(LeaseReturned)] == ["it ran out"] * 2
    lane.take(child(2, BUY, BID, 100))
    lane.take(child(3, SELL, ASK, 600))
    lane.take(child(4, SELL, ASK, 400))
    lane.take(child(5, SELL, ASK, 1))
    assert passed(lane) == [1, 3, 4]
    assert [int(one.code) for one in lane.of(OrderRejected)] == [REJECT_NO_LEASE] * 2


def test_a_lease_runs_out_at_its_time_and_a_new_one_opens_again() -> None:
    """To the nanosecond of the lane's own time, also when the timer is late."""
    lane = leased_lane()
    grant(lane, 1, 3_000)
    lane.now_ns += LEASE_MS * MILLISECOND - 1
    lane.take(child(1, BUY, BID, 100))
    lane.now_ns += 1
    lane.take(child(2, BUY, BID, 100))
    assert "lease 1 has run out" in lane.of(OrderRejected)[0].reason
    lane.pass_ms(0)
    grant(lane, 2, 3_000)
    lane.take(child(3, BUY, BID, 100))
    assert passed(lane) == [1, 3]


def test_it_renews_at_half_time_and_gives_the_old_lease_back() -> None:
    """It asks for what is in use and the spare, and says of the old lease how much was not used."""
    lane = leased_lane()
    grant(lane, 1, 4_000)
    lane.take(child(1, BUY, BID, 1_000))
    lane.pass_ms(LEASE_MS / 2)
    assert wanted(lane) == [4_000 * DOLLAR, 4_000 * DOLLAR + 59_999_000_000]
    grant(lane, 2, 4_500)
    returned = [one for one in lane.of(LeaseReturned) if one.lane == HOLDER]
    assert (returned[0].lease_id, returned[0].unused) == (1, 4_000 * DOLLAR - 59_999_000_000)
    lane.pass_ms(LEASE_MS / 2 + 100)
    lane.take(child(2, BUY, BID, 1_000))
    assert passed(lane) == [1, 2]


def test_it_asks_for_more_before_the_lease_is_used_up() -> None:
    """When half of the spare is in use it asks, in the same step, and only once until it is answered."""
    lane = leased_lane()
    grant(lane, 1, 4_000)
    for order_id in range(1, 5):
        lane.take(child(order_id, BUY, BID, 1_000))
    assert wanted(lane)[1:] == [4_000 * DOLLAR + 4 * 59_999_000_000]
    lane.take(child(5, BUY, BID, 1_000))
    assert len(wanted(lane)) == 2
    assert len(passed(lane)) == 5


def test_who_got_less_than_asked_for_does_not_ask_at_every_order() -> None:
    """It asks again after the stated time."""
    lane = leased_lane()
    grant(lane, 1, 500)
    for order_id in range(1, 9):
        lane.take(child(order_id, BUY, BID, 1_000))
    assert len(wanted(lane)) == 1
    lane.pass_ms(260)
    assert len(wanted(lane)) == 2


def test_leases_of_others_and_old_ones_are_nothing() -> None:
    """What was granted to another, and what is older than what is known, changes nothing."""
    lane = leased_lane()
    grant(lane, 9, 5_000, holder="another")
    lane.take(child(1, BUY, BID, 1_000))
    grant(lane, 5, 1_000)
    grant(lane, 4, 5_000)
    lane.take(child(2, BUY, BID, 1_000))
    lane.take(child(3, BUY, BID, 1_000))
    assert passed(lane) == [2]


def test_a_risk_that_is_made_anew_asks_anew() -> None:
    """After a failure without a journal it knows the ledger and no lease."""
    lane = leased_lane()
    grant(lane, 1, 4_000)
    lane.take(child(1, BUY, BID, 1_000))
    lane.forget()
    lane.take(ActorFailed(1, int(lane.core.sequence), 1, "test"))
    assert wanted(lane) == [4_000 * DOLLAR + 59_999_000_000]
    lane.pass_ms(300)
    assert len(wanted(lane)) == 2


def test_a_new_run_gives_back_what_ran_out_and_asks() -> None:
    """Leases do not outlive the time that they were given for; a shutdown ends the asking."""
    lane = leased_lane()
    grant(lane, 1, 4_000)
    lane.take(ShutdownRequested("test", 0))
    lane.forget()
    lane.pass_ms(3 * LEASE_MS)
    assert lane.of(LeaseWanted) == []
    lane.take(RunStarted(lane.now_ns, 2, "", ""))
    assert {one.reason for one in lane.of(LeaseReturned)} == {"it ran out"}
    assert wanted(lane) == [4_000 * DOLLAR]


def test_without_the_setting_nothing_is_asked_and_nothing_needed() -> None:
    """A `Risk` without leases is what it was."""
    lane = TradingLane(Risk)
    lane.take(top(BID, ASK), child(1, BUY, BID, 1_000))
    assert lane.of(LeaseWanted) == []
    assert passed(lane) == [1]
    assert "leased" not in lane.actor(Risk).summary()


def test_exposure_does_not_move_with_the_market() -> None:
    """A position counts at what it cost, an order at its price, one without a price at the mid when it was checked."""
    lane = leased_lane()
    grant(lane, 1, 5_000)
    lane.take(child(1, BUY, BID, 1_000), filled(1, BUY, BID, 1_000))
    leases = lane.actor(Risk).leases
    assert isinstance(leases, Leases)
    before = leases.in_use()[USDT]
    lane.take(top(BID + 10_000, ASK + 10_000))
    assert leases.in_use()[USDT] == before == 59_999_000_000


def test_part_that_opens_counts_at_its_dearest() -> None:
    """Of orders against a position only what goes beyond it counts, at the price of the dearest of them."""
    lane = leased_lane()
    grant(lane, 1, 5_000)
    leases = lane.actor(Risk).leases
    assert isinstance(leases, Leases)
    lane.take(child(1, BUY, BID, 1_000), filled(1, BUY, BID, 1_000))
    lane.take(child(2, SELL, ASK, 1_500), child(3, SELL, ASK + 100, 1_500))
    assert leases.in_use()[USDT] == (ASK + 100) * 2_000 * 10
    lane.take(OrderCancelled(2, INSTRUMENT_ID, 1_500, 0, "test"))
    assert leases.in_use()[USDT] == 59_999_000_000


def test_amounts_of_leases_are_exact() -> None:
    """What is in use is rounded up to the scale of leases, what is configured is cut off."""
    assert money_in_use(1, 10) == 1
    assert money_in_use(100, 10) == 1
    assert money_in_use(101, 10) == 2
    assert money_in_use(7, 2) == 7_000_000
    assert money_from_text("1.5") == 150_000_000
    assert money_from_text("0.0000000199") == 1
    assert INSTRUMENT.money_scale == 7


def test_restart_of_another_actor_is_nothing_to_it() -> None:
    """Leases stay while others fail."""
    lane = leased_lane()
    grant(lane, 1, 4_000)
    lane.take(ActorRestarted(77, 1))
    lane.take(top(BID, ASK), child(1, BUY, BID, 1_000))
    assert passed(lane) == [1]
