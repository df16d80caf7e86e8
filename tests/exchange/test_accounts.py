"""Balances, holds and fees: worked examples with exact numbers, and the law that nothing appears or disappears."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.accounts import InvariantBroken
from exchange.params import ExchangeParams, MarketParams, TierParams, make_exchange
from exchange.records import ExchangeError
from market.instruments import Instrument
from market.messages import (
    BUY,
    GROUP_BRACKET,
    GROUP_OCO,
    MARKET,
    PEG_NEAR,
    PEGGED,
    REJECT_BAD_PRICE,
    REJECT_BALANCE,
    SELL,
    STOP,
    STOP_LIMIT,
    STP_DECREMENT_BOTH,
    TRAILING_STOP,
)
from tests.exchange.desk_of_orders import (
    ALICE,
    BOB,
    CAROL,
    ODD,
    UNIT,
    Desk,
    account,
    amount,
    rich,
    text,
)
from tests.exchange.storm import Storm, poor_accounts, stormy, totals
from tests.seeds import examples, seeds


def with_alice(usdt: str, btc: str, fee_in: str = "quote") -> Desk:
    """Alice with little, and Bob who can do anything."""
    return Desk({"alice": account(ALICE, 1, USDT=usdt, BTC=btc), "bob": rich(BOB, 2)}, fee_in=fee_in)


# ------------------------------------------------------------------------------------------------------------ fees


def test_taker_pays_and_maker_is_given_a_rebate_in_quote() -> None:
    """1 BTC at 100: the buyer pays 100.05, the seller has 100.01, the exchange keeps 0.04."""
    desk = with_alice("1000", "0")
    desk.enter(BOB, SELL, 10_000, 1_000)
    before = desk.balance(BOB, "USDT")[0]
    answer = desk.enter(ALICE, BUY, 10_100, 1_000)
    assert not answer.refused
    assert desk.balance(ALICE, "USDT") == (amount("899.95"), 0)
    assert desk.balance(ALICE, "BTC") == (UNIT, 0)
    assert desk.balance(BOB, "USDT")[0] - before == amount("100.01")
    assert desk.balance(0, "USDT")[0] == amount("0.04")
    assert [(fill.fee, fill.fee_asset) for fill in desk.fills(ALICE)] == [(amount("0.05"), "USDT")]
    assert [(fill.fee, fill.fee_asset) for fill in desk.fills(BOB)] == [(-amount("0.01"), "USDT")]


def test_fees_in_what_was_received() -> None:
    """The buyer gets 0.9995 BTC for 100 USDT; the seller's rebate comes out of the exchange's own account."""
    desk = with_alice("100", "0", fee_in="received")
    desk.enter(BOB, SELL, 10_000, 1_000)
    assert not desk.enter(ALICE, BUY, 10_000, 1_000).refused
    assert desk.balance(ALICE, "USDT") == (0, 0)
    assert desk.balance(ALICE, "BTC") == (amount("0.9995"), 0)
    assert desk.balance(0, "BTC")[0] == amount("0.0005")
    assert desk.balance(0, "USDT")[0] == -amount("0.01")
    assert desk.fills(ALICE)[0].fee_asset == "BTC"


def test_what_does_not_come_out_even_is_rounded_to_the_exchange() -> None:
    """A fee of 777 ppm of 21 units is one unit, one of 137 ppm too; the smallest rebate is nothing."""
    desk = Desk()
    desk.enter(BOB, SELL, 3, 7, instrument_id=ODD)
    desk.enter(ALICE, BUY, 3, 7, instrument_id=ODD)
    assert [fill.fee for fill in desk.fills(ALICE)] == [1]
    assert [fill.fee for fill in desk.fills(BOB)] == [1]
    rebate = Desk(
        {"alice": rich(ALICE), "bob": rich(BOB, tier="maker")},
        tiers={"maker": TierParams(maker_fee_bps=text("-1"))},
    )
    rebate.enter(BOB, SELL, 3, 7, instrument_id=ODD)
    rebate.enter(ALICE, BUY, 3, 7, instrument_id=ODD)
    assert [fill.fee for fill in rebate.fills(BOB)] == [0]


def test_a_tier_has_fees_of_its_own() -> None:
    """An account of a tier pays what the tier says, and what it leaves out as everybody."""
    desk = Desk(
        {"alice": rich(ALICE, tier="vip"), "bob": rich(BOB)}, tiers={"vip": TierParams(taker_fee_bps=text("2"))}
    )
    desk.enter(BOB, SELL, 10_000, 1_000)
    desk.enter(ALICE, BUY, 10_000, 1_000)
    desk.enter(ALICE, SELL, 10_000, 1_000)
    desk.enter(BOB, BUY, 10_000, 1_000)
    assert [fill.fee for fill in desk.fills(ALICE)] == [amount("0.02"), -amount("0.01")]


def test_rebates_beyond_the_fees_are_the_exchanges_own_cost() -> None:
    """The exchange's own account may begin with a deposit and fall below zero; assets are conserved all the same."""
    tiers = {"free": TierParams(taker_fee_bps=text("0"))}
    desk = Desk({"alice": rich(ALICE, tier="free"), "bob": rich(BOB)}, tiers=tiers, fee_deposits={"USDT": text("1")})
    for _ in range(150):
        desk.enter(BOB, SELL, 10_000, 1_000)
        desk.enter(ALICE, BUY, 10_000, 1_000)
    assert desk.balance(0, "USDT")[0] == -amount("0.5")


FINE = Instrument.from_text(
    instrument_id=1, symbol="FINE/USDT", venue="embedded", venue_symbol="FINEUSDT", base="FINE", quote="USDT",
    kind="spot", tick="1", lot="0.000000000007", maker_fee_bps="1.37", taker_fee_bps="7.77",
)  # fmt: skip


def test_fees_in_coins_that_do_not_come_out_even_are_rounded_to_the_exchange() -> None:
    """Of seven units one is the fee, and of the three that a rate of 777 ppm of 3,500 units makes, three."""
    desk = Desk(
        {"alice": account(ALICE, USDT="1"), "bob": account(BOB, FINE="1")}, [FINE], fee_in="received"
    )
    for size in (7, 3_500):
        desk.enter(BOB, SELL, 5, size)
        desk.enter(ALICE, BUY, 5, size)
    assert [(fill.fee, fill.fee_asset) for fill in desk.fills(ALICE)] == [(1, "FINE"), (3, "FINE")]
    assert desk.balance(ALICE, "FINE") == (3_503, 0)


# ----------------------------------------------------------------------------------------------------------- holds


def test_a_hold_pays_for_the_rounding_of_every_fill() -> None:
    """Ten lots that are filled one by one round their fee up ten times; what was held is just enough."""
    desk = Desk({"alice": account(ALICE, USDT="0.000000000220"), "bob": rich(BOB)})
    assert not desk.enter(ALICE, BUY, 3, 70, instrument_id=ODD).refused
    assert desk.balance(ALICE, "USDT") == (220, 220)
    for left in range(9, -1, -1):
        desk.enter(BOB, SELL, 3, 7, instrument_id=ODD)
        assert desk.balance(ALICE, "USDT") == (22 * left, 22 * left)


def test_the_hold_of_a_bracket_pays_for_the_rounding_of_fees_in_coins() -> None:
    """Ten fills each take a unit of the coins that the exit will sell."""
    desk = Desk(
        {"alice": account(ALICE, USDT="1", FINE="0.00000000001"), "bob": account(BOB, USDT="1", FINE="1")}, [FINE],
        fee_in="received",
    )  # fmt: skip
    desk.send_group(
        desk.wanted(ALICE, BUY, 5, 70, group_kind=GROUP_BRACKET, group_count=2),
        desk.wanted(ALICE, SELL, 9, 70, group_kind=GROUP_BRACKET, group_count=2),
    )
    assert desk.balance(ALICE, "FINE") == (10, 10)
    for _ in range(10):
        desk.enter(BOB, SELL, 5, 7)
    assert desk.balance(ALICE, "FINE") == (70, 70)
    desk.enter(BOB, BUY, 9, 70)
    assert desk.balance(ALICE, "FINE") == (0, 0)


def test_a_bound_that_was_given_stays_through_a_replace() -> None:
    """A stop without a bound of its own that is made smaller with price 0 holds at the bound that it was given."""
    desk = with_alice("1000", "0")
    order = desk.enter(ALICE, BUY, 0, 1_000, order_type=STOP, stop_price=11_000).order_id
    assert not desk.replace(ALICE, order, 0, 500).refused
    assert desk.reports(ALICE)[-1].price == 11_550
    assert desk.held(ALICE, "USDT") == amount("57.778875")


def test_a_buy_holds_its_price_and_the_fee_and_a_sell_its_size() -> None:
    """What is held is what the order could cost, and comes back with a cancel."""
    desk = with_alice("1000", "2")
    buy = desk.enter(ALICE, BUY, 9_900, 1_000)
    assert desk.held(ALICE, "USDT") == amount("99.0495")
    sell = desk.enter(ALICE, SELL, 10_100, 1_500)
    assert desk.held(ALICE, "BTC") == amount("1.5")
    desk.cancel(ALICE, buy.order_id)
    desk.cancel(ALICE, sell.order_id)
    assert (desk.held(ALICE, "USDT"), desk.held(ALICE, "BTC")) == (0, 0)


def test_what_cannot_be_held_is_refused() -> None:
    """An order that costs one unit more than there is does not come in; one that costs all there is does."""
    desk = with_alice("100.05", "1")
    assert desk.enter(ALICE, BUY, 10_001, 1_000).code == REJECT_BALANCE
    assert not desk.enter(ALICE, BUY, 10_000, 1_000).refused
    assert desk.enter(ALICE, BUY, 1, 1).code == REJECT_BALANCE
    assert desk.enter(ALICE, SELL, 10_100, 1_001).code == REJECT_BALANCE
    assert not desk.enter(ALICE, SELL, 10_100, 1_000).refused


def test_holds_shrink_with_partial_fills() -> None:
    """After four tenths have traded six tenths are held; a better price gives the difference back."""
    desk = with_alice("1000", "0")
    desk.enter(ALICE, BUY, 10_000, 1_000)
    desk.enter(BOB, SELL, 9_000, 400)
    assert desk.held(ALICE, "USDT") == amount("60.03")
    assert desk.balance(ALICE, "USDT")[0] == amount("960.004")
    desk.enter(BOB, SELL, 20_000, 1_000)
    desk.enter(ALICE, BUY, 30_000, 100)
    assert desk.held(ALICE, "USDT") == amount("60.03")


def test_holds_move_with_a_replace() -> None:
    """A dearer or larger order holds more, where there is more; otherwise it stays as it was."""
    desk = with_alice("150", "0")
    order = desk.enter(ALICE, BUY, 10_000, 1_000).order_id
    assert not desk.replace(ALICE, order, 10_000, 500).refused
    assert desk.held(ALICE, "USDT") == amount("50.025")
    assert not desk.replace(ALICE, order, 14_000, 1_000).refused
    assert desk.held(ALICE, "USDT") == amount("140.07")
    answer = desk.replace(ALICE, order, 16_000, 1_000)
    assert answer.refused
    assert answer.code == REJECT_BALANCE
    assert desk.held(ALICE, "USDT") == amount("140.07")


def test_a_replaced_order_counts_what_it_has_traded() -> None:
    """The new size includes what has traded: only what is left is held."""
    desk = with_alice("150", "0")
    order = desk.enter(ALICE, BUY, 10_000, 1_000).order_id
    desk.enter(BOB, SELL, 10_000, 600)
    desk.replace(ALICE, order, 10_000, 800)
    assert desk.held(ALICE, "USDT") == amount("20.01")


def test_self_trade_prevention_that_decrements_gives_back() -> None:
    """Both orders shrink without a trade, and so does what is held for them."""
    desk = Desk({"alice": account(ALICE, 7, USDT="1000"), "carol": account(CAROL, 7, BTC="10")})
    desk.enter(ALICE, BUY, 10_000, 1_000)
    desk.enter(CAROL, SELL, 10_000, 400, self_trade=STP_DECREMENT_BOTH)
    assert desk.held(ALICE, "USDT") == amount("60.03")
    assert desk.held(CAROL, "BTC") == 0
    assert desk.fills(ALICE) == []
    assert desk.balance(ALICE, "USDT")[0] == amount("1000")


def test_market_buy_holds_at_the_protection_band() -> None:
    """With a band of 5 % a buy of what 100 would pay needs 105 and the fee; without an offer it needs nothing."""
    desk = with_alice("105.0525", "0")
    assert not desk.enter(ALICE, BUY, 0, 1_000, order_type=MARKET).refused
    desk.enter(BOB, SELL, 10_000, 2_000)
    assert desk.enter(ALICE, BUY, 0, 1_001, order_type=MARKET).code == REJECT_BALANCE
    assert not desk.enter(ALICE, BUY, 0, 1_000, order_type=MARKET).refused
    assert desk.balance(ALICE, "USDT") == (amount("5.0025"), 0)


def test_market_buy_with_a_bound_holds_at_the_bound() -> None:
    """A bound of 101 needs less than the band."""
    desk = with_alice("101.0505", "0")
    desk.enter(BOB, SELL, 10_000, 2_000)
    assert not desk.enter(ALICE, BUY, 10_100, 1_000, order_type=MARKET).refused


def test_stop_buy_without_a_bound_is_given_one() -> None:
    """A stop at 110 is bounded at 115.50, which is reported as its price and held for."""
    desk = with_alice("1000", "0")
    desk.enter(ALICE, BUY, 0, 1_000, order_type=STOP, stop_price=11_000)
    assert desk.reports(ALICE)[0].price == 11_550
    assert desk.held(ALICE, "USDT") == amount("115.55775")


def test_stop_buy_holds_until_it_has_fired_and_traded() -> None:
    """What it held pays for what it took; the rest comes back."""
    desk = with_alice("200", "0")
    desk.enter(ALICE, BUY, 11_500, 1_000, order_type=STOP_LIMIT, stop_price=11_000)
    assert desk.held(ALICE, "USDT") == amount("115.0575")
    desk.enter(BOB, SELL, 11_000, 100)
    desk.enter(BOB, BUY, 11_000, 100)
    assert desk.held(ALICE, "USDT") == amount("115.0575")
    desk.enter(BOB, SELL, 11_200, 1_000)
    assert desk.balance(ALICE, "BTC") == (UNIT, 0)
    # It rested when it had fired at once, and was given the better price's difference: it made the market.
    assert desk.balance(ALICE, "USDT") == (amount("200") - amount("115") + amount("0.0115"), 0)


def test_trailing_stop_buy_is_bounded_from_where_it_begins() -> None:
    """It only ever falls, so the bound of its first stop price is enough."""
    desk = with_alice("1000", "0")
    desk.enter(BOB, SELL, 10_000, 100)
    desk.enter(BOB, BUY, 10_000, 100)
    desk.enter(ALICE, BUY, 0, 1_000, order_type=TRAILING_STOP, offset=500)
    assert desk.held(ALICE, "USDT") == amount("110.305125")


def test_pegged_buy_needs_a_cap_or_an_offer() -> None:
    """Without a cap it gets the protection band of now as one; without an offer it is refused."""
    desk = with_alice("1000", "0")
    pegged = {"order_type": PEGGED, "peg_reference": PEG_NEAR}
    assert desk.enter(ALICE, BUY, 0, 1_000, **pegged).code == REJECT_BAD_PRICE
    assert not desk.enter(ALICE, BUY, 9_000, 1_000, **pegged).refused
    assert desk.held(ALICE, "USDT") == amount("90.045")
    desk.enter(BOB, SELL, 10_000, 100)
    assert not desk.enter(ALICE, BUY, 0, 1_000, **pegged).refused
    assert desk.held(ALICE, "USDT") == amount("90.045") + amount("105.0525")


# ---------------------------------------------------------------------------------------------------------- groups


def pair(desk: Desk, who: int, side: int, first: dict[str, Any], second: dict[str, Any]) -> None:
    """A pair of orders, as price, size and type each."""
    desk.send_group(
        *(desk.wanted(who, side, group_kind=GROUP_OCO, group_count=2, **one) for one in (first, second))
    )


def test_a_pair_that_sells_holds_its_size_once() -> None:
    """A take profit and a stop for one coin need one coin."""
    desk = with_alice("0", "1")
    pair(desk, ALICE, SELL, {"price": 12_000, "size": 1_000},
         {"price": 0, "size": 1_000, "order_type": STOP, "stop_price": 9_000})  # fmt: skip
    assert len(desk.open_orders(ALICE)) == 2
    assert desk.held(ALICE, "BTC") == UNIT
    desk.enter(BOB, BUY, 12_000, 400)
    assert desk.held(ALICE, "BTC") == amount("0.6")
    desk.enter(BOB, BUY, 12_000, 600)
    assert desk.open_orders(ALICE) == []
    assert desk.balance(ALICE, "BTC") == (0, 0)


def test_a_pair_that_buys_holds_for_the_dearer_and_what_the_other_has_beyond() -> None:
    """1 at 90 and 1.5 at 120, stop: at worst 1.5 at 120; 1.5 at 90 and 1 at 120: at worst 1 at 120 and 0.5 at 90."""
    for cheap, dear, needed in ((1_000, 1_500, "180.09"), (1_500, 1_000, "165.0825")):
        desk = with_alice("1000", "0")
        pair(desk, ALICE, BUY, {"price": 9_000, "size": cheap},
             {"price": 12_000, "size": dear, "order_type": STOP_LIMIT, "stop_price": 11_000})  # fmt: skip
        assert desk.held(ALICE, "USDT") == amount(needed)


def test_a_bracket_that_buys_first_needs_no_coins() -> None:
    """Its exits sell what its entry has bought: they hold that much, and no more."""
    desk = with_alice("101", "0")
    desk.send_group(
        desk.wanted(ALICE, BUY, 10_000, 1_000, group_kind=GROUP_BRACKET, group_count=3),
        desk.wanted(ALICE, SELL, 12_000, 1_000, group_kind=GROUP_BRACKET, group_count=3),
        desk.wanted(ALICE, SELL, 0, 1_000, order_type=STOP, stop_price=9_000, group_kind=GROUP_BRACKET, group_count=3),
    )
    assert (desk.held(ALICE, "USDT"), desk.held(ALICE, "BTC")) == (amount("100.05"), 0)
    desk.enter(BOB, SELL, 10_000, 400)
    assert desk.balance(ALICE, "BTC") == (amount("0.4"), amount("0.4"))
    desk.enter(BOB, BUY, 12_000, 100)
    assert desk.balance(ALICE, "BTC") == (amount("0.3"), amount("0.3"))
    desk.cancel_all(ALICE)
    assert (desk.held(ALICE, "USDT"), desk.held(ALICE, "BTC")) == (0, 0)


def test_a_bracket_whose_entry_pays_its_fee_in_coins_holds_the_fee() -> None:
    """Its exits sell the whole size, of which the entry brings a little less."""
    desk = with_alice("101", "0.0005", fee_in="received")
    desk.send_group(
        desk.wanted(ALICE, BUY, 10_000, 1_000, group_kind=GROUP_BRACKET, group_count=2),
        desk.wanted(ALICE, SELL, 12_000, 1_000, group_kind=GROUP_BRACKET, group_count=2),
    )
    assert desk.held(ALICE, "BTC") == amount("0.0005")
    desk.enter(BOB, SELL, 10_000, 1_000)
    desk.enter(BOB, BUY, 12_000, 1_000)
    assert desk.open_orders(ALICE) == []
    assert desk.balance(ALICE, "BTC") == (amount("0.0006"), 0)


def test_a_bracket_that_sells_first_holds_for_its_exits_from_the_start() -> None:
    """What its entry brings is not counted on."""
    desk = with_alice("120.06", "1")
    desk.send_group(
        desk.wanted(ALICE, SELL, 10_000, 1_000, group_kind=GROUP_BRACKET, group_count=2),
        desk.wanted(ALICE, BUY, 12_000, 1_000, order_type=STOP_LIMIT, stop_price=11_000, group_kind=GROUP_BRACKET,
                    group_count=2),
    )  # fmt: skip
    assert (desk.held(ALICE, "USDT"), desk.held(ALICE, "BTC")) == (amount("120.06"), UNIT)


def test_an_entry_that_is_decremented_brings_less_to_its_exits() -> None:
    """What self-trade prevention takes from the entry is not sold by the exits either."""
    desk = Desk({"alice": account(ALICE, 7, USDT="101"), "carol": rich(CAROL, 7), "bob": rich(BOB)})
    desk.send_group(
        desk.wanted(ALICE, BUY, 10_000, 1_000, group_kind=GROUP_BRACKET, group_count=2),
        desk.wanted(ALICE, SELL, 12_000, 1_000, group_kind=GROUP_BRACKET, group_count=2),
    )
    desk.enter(CAROL, SELL, 10_000, 400, self_trade=STP_DECREMENT_BOTH)
    assert (desk.held(ALICE, "USDT"), desk.held(ALICE, "BTC")) == (amount("60.03"), 0)
    desk.enter(BOB, SELL, 10_000, 600)
    assert desk.balance(ALICE, "BTC") == (amount("0.6"), amount("0.6"))


def test_an_exit_that_has_nothing_live_still_holds_for_what_its_entry_may_bring() -> None:
    """Decremented and traded down to nothing, the dearer exit can still buy all that the entry is going to sell."""
    desk = Desk({"alice": account(ALICE, 7, USDT="1000", BTC="1"), "carol": rich(CAROL, 7), "bob": rich(BOB)})
    group: dict[str, Any] = {"group_kind": GROUP_BRACKET, "group_count": 3}
    desk.send_group(
        desk.wanted(ALICE, SELL, 10_000, 1_000, **group),
        desk.wanted(ALICE, BUY, 9_000, 1_000, **group),
        desk.wanted(ALICE, BUY, 9_500, 1_000, **group),
    )
    desk.enter(BOB, BUY, 10_000, 500)
    desk.enter(CAROL, SELL, 9_500, 400, self_trade=STP_DECREMENT_BOTH)
    desk.enter(BOB, SELL, 9_000, 400)
    # Half a coin at 95, and a tenth of one more at 90, with the fee.
    assert desk.held(ALICE, "USDT") == amount("56.52825")


# ------------------------------------------------------------------------------------------------------- transfers


def test_a_withdrawal_leaves_what_is_held() -> None:
    """What is held for orders cannot leave; the rest can, to the last unit."""
    desk = with_alice("1000", "0")
    desk.enter(ALICE, BUY, 10_000, 1_000)
    accounts = desk.exchange.accounts
    usdt = accounts.place_of["USDT"]
    alice = accounts.by_id[ALICE]
    free = amount("1000") - amount("100.05")
    assert "held" in accounts.transfer(alice, usdt, -free - 1)
    assert accounts.transfer(alice, usdt, -free) == ""
    assert "zero or too large" in accounts.transfer(alice, usdt, 0)
    assert "zero or too large" in accounts.transfer(alice, usdt, 10**40)
    accounts.check_invariants()


# ---------------------------------------------------------------------------------------------------- the whole law


@given(random=st.randoms(use_true_random=False), fee_in=st.sampled_from(["quote", "received"]))
@settings(max_examples=examples(25, 2_000), deadline=None)
def test_assets_are_conserved_and_holds_are_enough(random: Random, fee_in: str) -> None:
    """Whatever few accounts do to each other: after every request balances, holds, orders and engine agree."""
    desk = Desk(poor_accounts(), fee_in=fee_in, most_triggers=2, fills_kept=5, ended_kept=5)
    began = totals(desk)
    storm = Storm(desk, random)
    for _ in range(40):
        storm.step()
    storm.check_reports(began)


@pytest.mark.parametrize("seed", seeds(2, 20))
@pytest.mark.parametrize("fee_in", ["quote", "received"])
def test_storm(seed: int, fee_in: str) -> None:
    """A long seeded storm with every invariant on: 1,000,000 requests in the full counts."""
    stormy(seed, examples(1_000, 25_000), fee_in)


def test_broken_books_would_be_found() -> None:
    """The check sees a unit that appears, a hold that is forgotten and one that is too large."""
    desk = with_alice("1000", "0")
    desk.enter(ALICE, BUY, 10_000, 1_000)
    accounts = desk.exchange.accounts
    alice = accounts.by_id[ALICE]
    usdt = accounts.place_of["USDT"]
    alice.total[usdt] += 1
    with pytest.raises(InvariantBroken, match="deposited"):
        accounts.check_invariants()
    alice.total[usdt] -= 1
    alice.held[usdt] -= 1
    with pytest.raises(InvariantBroken, match="needs"):
        accounts.check_invariants()
    alice.held[usdt] = alice.total[usdt] + 1
    with pytest.raises(InvariantBroken, match="holds"):
        accounts.check_balance(alice, usdt)


# --------------------------------------------------------------------------------------------------- configuration


def other(**changes: object) -> Instrument:
    """BTC/USDT but for some fields."""
    fields: dict[str, object] = {
        "instrument_id": 9, "symbol": "X/Y", "venue": "embedded", "venue_symbol": "XY", "base": "X", "quote": "Y",
        "kind": "spot", "tick": "0.01", "lot": "0.001",
    }  # fmt: skip
    return Instrument.from_text(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("instrument", "told"),
    [
        (other(kind="perpetual"), "spot pairs only"),
        (other(tick="0.0000001", lot="0.000001"), "larger tick or lot"),
        (other(base="Y"), "another quote"),
    ],
)
def test_instruments_that_it_cannot_trade_are_refused(instrument: Instrument, told: str) -> None:
    """Other kinds than spot, too many decimal places and a pair of one asset are told with what to change."""
    with pytest.raises(ExchangeError, match=told):
        make_exchange(ExchangeParams(), [instrument])


def test_settings_that_contradict_are_refused() -> None:
    """A table for an instrument that is not there, and deposits finer than balances are."""
    with pytest.raises(ExchangeError, match="venue symbol"):
        Desk(markets={"ETHUSDT": MarketParams()})
    with pytest.raises(ExchangeError, match="decimal places"):
        Desk({"alice": account(ALICE, USDT="0.0000000000001")})
