"""Position arithmetic: not one unit of cash is lost or made, whatever the fills, the method and the contract."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from market.numbers import MAX_I64
from market.positions import (
    METHODS,
    AveragePosition,
    FifoPosition,
    LifoPosition,
    Position,
    PositionError,
    new_position,
)
from tests.generators import Fill, contracts, fills
from tests.seeds import examples

BUY, SELL = 1, -1


def state(position: Position) -> tuple[int, int, int, int, int]:
    """The numbers that a position shows."""
    return position.net_size, position.cost, position.realised, position.fees, position.funding


def fill_flow(contract: tuple[int, int, bool], side: int, price: int, size: int) -> int:
    """The cash that one fill moves, worked out without the module under test; against us where it must be rounded."""
    multiplier, divisor, inverse = contract
    if inverse:
        return floor(Fraction(side * size * multiplier, price * divisor))
    flow = Fraction(-side * price * size * multiplier, divisor)
    assert flow.denominator == 1
    return int(flow)


def marked(contract: tuple[int, int, bool], net: int, mark: int) -> int:
    """What a net size is worth at a mark, worked out without the module under test."""
    multiplier, divisor, inverse = contract
    if inverse:
        return floor(Fraction(-net * multiplier, mark * divisor))
    return int(Fraction(net * mark * multiplier, divisor))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=examples(150, 1_000), deadline=None)
@given(fills(), contracts(), st.lists(st.integers(1, 2**50), min_size=1, max_size=3), st.integers(-(10**9), 10**9))
@example([(BUY, 10, 300, 1), (SELL, 11, 700, 2), (BUY, 9, 400, 3)], (1, 1, False), [10], 5)
@example([(BUY, 3, 100, 0), (BUY, 4, 200, 0), (SELL, 5, 100, 0), (SELL, 7, 100, 0)], (7, 3, True), [3], 0)
def test_cash_and_position_are_conserved(
    method: str, some_fills: list[Fill], contract: tuple[int, int, bool], marks: list[int], funding: int
) -> None:
    """After every fill, at any mark: realised + unrealised - fees + funding is the sum of flows plus what is held."""
    position = new_position(method, *contract)
    position.apply_funding(funding)
    cash, net, realised = funding, 0, 0
    for side, price, size, fee in some_fills:
        before = position.realised
        delta = position.apply_fill(side, price, size, fee)
        realised += delta
        assert position.realised - before == delta
        cash += fill_flow(contract, side, price, size) - fee
        net += side * size
        assert position.net_size == net
        assert position.realised == realised
        for mark in marks:
            worth = marked(contract, net, mark)
            total = position.realised + position.unrealised(mark) - position.fees + position.funding
            assert total == cash + worth == position.profit(mark)
            assert position.mark_value(mark) == worth
        if net == 0:
            assert position.cost == 0
            assert position.average_price() is None
            assert position.lots() == []


class NaiveLots:
    """The definition, one unit-sized list entry a lot: signed size and price, matched from one end."""

    def __init__(self, oldest_first: bool) -> None:
        self.oldest_first = oldest_first
        self.lots: list[tuple[int, int]] = []
        self.realised = 0

    def fill(self, side: int, price: int, size: int) -> None:
        """Close lots of the other side one after the other, then open what is left."""
        while size and self.lots and (self.lots[0][0] > 0) != (side > 0):
            index = 0 if self.oldest_first else -1
            held, opened_at = self.lots[index]
            closed = min(abs(held), size)
            self.realised += closed * (price - opened_at) * -side
            size -= closed
            rest = held + side * closed
            if rest:
                self.lots[index] = (rest, opened_at)
            else:
                self.lots.pop(index)
        if size:
            self.lots.append((side * size, price))


@pytest.mark.parametrize("method", ["fifo", "lifo"])
@settings(max_examples=examples(150, 1_000), deadline=None)
@given(fills())
def test_lots_match_their_definition(method: str, some_fills: list[Fill]) -> None:
    """FIFO and LIFO realise, lot by lot, exactly what their names say, and keep exactly the lots that are open."""
    position, naive = new_position(method), NaiveLots(method == "fifo")
    for side, price, size, fee in some_fills:
        position.apply_fill(side, price, size, fee)
        naive.fill(side, price, size)
        assert position.realised == naive.realised
        kept = [(lot_size, price_) for price_, lot_size, _ in position.lots()]
        assert kept == [(abs(held), opened_at) for held, opened_at in naive.lots]
        assert position.cost == sum(held * opened_at for held, opened_at in naive.lots)


@settings(max_examples=examples(200, 1_000), deadline=None)
@given(fills())
def test_the_average_stays_within_a_unit_a_close_of_the_exact_one(some_fills: list[Fill]) -> None:
    """Against rationals: realised is never above the exact one, and less than a unit below it for every part closed."""
    position = AveragePosition()
    net, cost, realised, parts = 0, Fraction(0), Fraction(0), 0
    for side, price, size, fee in some_fills:
        position.apply_fill(side, price, size, fee)
        if net * side >= 0:
            net, cost = net + side * size, cost + side * price * size
        else:
            closed = min(size, abs(net))
            leaving = cost * closed / abs(net)
            realised += -side * price * closed - leaving
            cost, net = cost - leaving, net + side * closed
            parts += 1 if net else 0
            if size > closed:
                net, cost = side * (size - closed), Fraction(side * price * (size - closed))
        assert position.net_size == net
        assert 0 <= realised - position.realised <= parts
        if net == 0:
            assert position.realised == realised


def test_a_long_is_averaged_and_closed_in_parts() -> None:
    """Two buys share one cost; a part that closes takes its share; the rest keeps the average."""
    position = AveragePosition()
    assert position.apply_fill(BUY, 100, 3, 5) == 0
    assert position.apply_fill(BUY, 108, 1, 5) == 0
    assert position.average_price() == (408, 4)
    assert position.apply_fill(SELL, 110, 2, 7) == 16
    assert state(position) == (2, 204, 16, 17, 0)
    assert position.unrealised(105) == 6
    assert position.profit(105) == 16 + 6 - 17


def test_the_rest_of_a_share_stays_in_the_open_position() -> None:
    """A share that is no whole number is rounded up, so realised is rounded down; the last close brings it back."""
    position = AveragePosition()
    position.apply_fill(BUY, 10, 2, 0)
    position.apply_fill(BUY, 11, 1, 0)  # 31 for 3
    assert [position.apply_fill(SELL, 12, 1, 0) for _ in range(3)] == [1, 2, 2]
    assert state(position) == (0, 0, 5, 0, 0)
    short = AveragePosition()
    short.apply_fill(SELL, 10, 2, 0)
    short.apply_fill(SELL, 11, 1, 0)
    assert [short.apply_fill(BUY, 9, 1, 0) for _ in range(3)] == [1, 1, 2]
    assert state(short) == (0, 0, 4, 0, 0)


@pytest.mark.parametrize("method", METHODS)
def test_a_flip_opens_the_remainder_at_the_new_price(method: str) -> None:
    """Selling five against three closes three and opens two short at the fill's price."""
    position = new_position(method)
    position.apply_fill(BUY, 100, 3, 0)
    assert position.apply_fill(SELL, 110, 5, 1) == 30
    assert state(position) == (-2, -220, 30, 1, 0)
    assert position.average_price() == (220, 2)
    assert position.apply_fill(BUY, 90, 4, 1) == 40
    assert state(position) == (2, 180, 70, 2, 0)


@pytest.mark.parametrize("method", METHODS)
def test_closing_fully_resets_the_average(method: str) -> None:
    """What is opened after a full close knows nothing of what was there before."""
    position = new_position(method)
    position.apply_fill(BUY, 100, 3, 0)
    position.apply_fill(SELL, 90, 3, 0)
    assert position.average_price() is None
    assert position.unrealised(12345) == 0
    position.apply_fill(BUY, 50, 1, 0)
    assert position.average_price() == (50, 1)


def test_the_methods_differ_only_in_when_they_realise() -> None:
    """The same fills: FIFO closes the cheap lot, LIFO the dear one, the average the middle; the total is the same."""
    positions = [AveragePosition(), FifoPosition(), LifoPosition()]
    for position in positions:
        position.apply_fill(BUY, 100, 1, 0)
        position.apply_fill(BUY, 110, 1, 0)
        position.apply_fill(SELL, 120, 1, 0)
    assert [position.realised for position in positions] == [15, 20, 10]
    assert {position.profit(130) for position in positions} == {40}
    assert positions[1].lots() == [(110, 1, 110)]
    assert positions[2].lots() == [(100, 1, 100)]


def test_an_inverse_contract_counts_in_base() -> None:
    """Ten contracts of 100 dollars, bought at 50,000 and sold at 40,000, lose 0.005 of base."""
    position = AveragePosition(100 * 10**8, 1, inverse=True)  # prices and sizes at scale 0, money at scale 8
    position.apply_fill(BUY, 50_000, 10, 0)
    assert position.cost == -2_000_000
    assert position.average_price() == (10 * 100 * 10**8, 2_000_000)
    assert position.unrealised(40_000) == -500_000
    assert position.apply_fill(SELL, 40_000, 10, 0) == -500_000
    assert state(position) == (0, 0, -500_000, 0, 0)


def test_inverse_fills_round_against_us() -> None:
    """A round trip at one price, where the base amount is no whole number, costs the rounding of both fills."""
    position = AveragePosition(10, 1, inverse=True)
    position.apply_fill(BUY, 3, 1, 0)
    assert position.cost == -3  # of 3.33 gained
    assert position.apply_fill(SELL, 3, 1, 0) == -1  # 4 of 3.33 paid


def test_average_price_is_exact_for_contracts() -> None:
    """With a multiplier of 1/100 the average is still a price, not an amount of money."""
    position = AveragePosition(1, 100)
    position.apply_fill(SELL, 500, 300, 0)
    assert position.cost == -1500
    numerator, denominator = position.average_price() or (0, 0)
    assert denominator > 0
    assert Fraction(numerator, denominator) == 500


@pytest.mark.parametrize("method", METHODS)
def test_prices_at_and_below_zero_are_taken_by_linear_contracts(method: str) -> None:
    """Some futures have traded below zero; the arithmetic does not care."""
    position = new_position(method)
    position.apply_fill(BUY, -37, 2, 0)
    assert position.apply_fill(SELL, 0, 1, 0) == 37
    assert position.unrealised(-40) == -3


@pytest.mark.parametrize("method", METHODS)
def test_the_widest_numbers_do_not_wrap(method: str) -> None:
    """At the edge of 64 bits money goes on exactly, past 2 ** 126."""
    position = new_position(method)
    position.apply_fill(BUY, MAX_I64, MAX_I64, 2**200)
    assert position.cost == MAX_I64 * MAX_I64
    assert position.apply_fill(SELL, 1, MAX_I64 - 1, 0) == (MAX_I64 - 1) * (1 - MAX_I64)
    assert position.unrealised(MAX_I64) == 0
    assert position.fees == 2**200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "fill", [(0, 1, 1), (2, 1, 1), (BUY, 1, 0), (BUY, 1, -5), (BUY, 1, MAX_I64), (BUY, 2**63, 1), (BUY, 1, 2**63)]
)
def test_an_impossible_fill_changes_nothing(method: str, fill: tuple[int, int, int]) -> None:
    """A wrong side or size, or a number past 64 bits, is refused and leaves the position as it was."""
    position = new_position(method)
    position.apply_fill(BUY, 7, 3, 1)
    before = position.save()
    with pytest.raises((PositionError, TypeError)):  # compiled, what is no i64 does not get past the call itself
        position.apply_fill(*fill, 9)
    assert position.save() == before


@pytest.mark.parametrize("method", METHODS)
def test_what_a_contract_cannot_value_changes_nothing(method: str) -> None:
    """An inverse contract has no value at zero, and money that is no whole number of units is refused, not rounded."""
    inverse = new_position(method, 10, 1, inverse=True)
    inverse.apply_fill(BUY, 7, 3, 1)
    linear = new_position(method, 1, 100)
    linear.apply_fill(BUY, 7, 300, 1)
    for position, side, price, size, message in (
        (inverse, BUY, 0, 1, "no value"),
        (inverse, SELL, -1, 5, "no value"),
        (linear, BUY, 1, 50, "whole lots"),
        (linear, SELL, 1, 350, "whole lots"),
    ):
        before = position.save()
        with pytest.raises(PositionError, match=message):
            position.apply_fill(side, price, size, 9)
        assert position.save() == before
    with pytest.raises(PositionError, match="no value"):
        inverse.unrealised(0)


def test_positions_are_made_by_name() -> None:
    """The three names give the three classes; another name, or a senseless multiplier, is refused."""
    assert [type(new_position(method)) for method in METHODS] == [AveragePosition, FifoPosition, LifoPosition]
    with pytest.raises(PositionError, match="average, fifo, lifo"):
        new_position("median")
    for multiplier, divisor in ((0, 1), (1, 0), (-1, -1)):
        with pytest.raises(PositionError, match="not positive"):
            AveragePosition(multiplier, divisor)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=examples(60, 1_000), deadline=None)
@given(fills(), fills(), contracts())
def test_save_load_and_go_on_equals_going_on(
    method: str, first: list[Fill], then: list[Fill], contract: tuple[int, int, bool]
) -> None:
    """A saved position, written as JSON and loaded into a new one, answers every later fill as the first would."""
    position = new_position(method, *contract)
    position.apply_funding(-3)
    for fill in first:
        position.apply_fill(*fill)
    loaded = new_position(method, *contract)
    loaded.apply_fill(BUY, 1, 100 if contract[2] else 700, 1)  # what was there before is replaced
    loaded.load(json.loads(json.dumps(position.save())))
    assert loaded.save() == position.save()
    for fill in then:
        assert loaded.apply_fill(*fill) == position.apply_fill(*fill)
    assert loaded.save() == position.save()


def test_a_saved_state_that_does_not_fit_is_refused() -> None:
    """Another method or contract, missing fields, and lots that do not add up are told; nothing is taken over."""
    saved = FifoPosition()
    saved.apply_fill(BUY, 100, 3, 1)
    saved.apply_fill(BUY, 110, 2, 1)
    good = saved.save()
    changes: tuple[dict[str, object], ...] = (
        {"method": "lifo"}, {"multiplier": 5}, {"divisor": 5}, {"inverse": True}, {"net_size": "5"}, {"cost": None},
        {"net_size": True}, {"net_size": 2**63}, {"net_size": 0}, {"net_size": 4}, {"cost": 521}, {"lots": None},
        {"lots": [[100, 3]]}, {"lots": [[100, 3, "300"], [110, 2, 220]]}, {"lots": []}, {"realised": 0.5},
        {"lots": [[100, 6, 300], [110, -1, 220]]}, {"fees": "1"}, {"funding": []},
    )  # fmt: skip
    for change in changes:
        position = FifoPosition()
        with pytest.raises(PositionError):
            position.load({**good, **change})
        assert state(position) == (0, 0, 0, 0, 0)
    average = AveragePosition()
    with pytest.raises(PositionError, match="lots"):
        average.load({**good, "method": "average"})
    with pytest.raises(PositionError):
        average.load({})


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=examples(100, 1_000), deadline=None)
@given(fills(), st.data(), st.integers(1, 2**50))
def test_fees_out_of_what_is_held_move_no_cash(
    method: str, some_fills: list[Fill], data: st.DataObject, mark: int
) -> None:
    """Size leaves, or comes as a rebate; the cash is that of the fills without their fees, to the last unit."""
    position = new_position(method)
    cash, net = 0, 0
    for side, price, size, fee in some_fills:
        taken, comes_first = data.draw(st.integers(-3, 5), "taken"), data.draw(st.booleans(), "comes first")
        if comes_first:
            position.apply_fee_taken(price, taken, fee)
        position.apply_fill(side, price, size, fee)
        if not comes_first:
            position.apply_fee_taken(price, taken, fee)
        cash -= side * price * size
        net += side * size - taken
        assert (position.net_size, position.profit(mark)) == (net, cash + net * mark)
        assert net != 0 or position.cost == 0


def test_a_fee_that_is_less_than_a_unit_is_realised_until_it_is_one() -> None:
    """What a fee is more than the size that it takes, or less, is in the realised result; one that cannot be is not."""
    position = FifoPosition()
    position.apply_fill(BUY, 100, 10, 30)
    position.apply_fee_taken(100, 0, 30)
    assert state(position) == (10, 1_000, 30, 30, 0)
    position.apply_fill(BUY, 200, 10, 60)
    position.apply_fee_taken(200, 1, 60)
    assert state(position) == (19, 2_900, 30 + 100 + 60 - 200, 90, 0)
    assert [lot.size for lot in position.closed] == [1]
    position.apply_fee_taken(200, 0, 0)
    assert position.closed == []
    before = state(position)
    for size in (MAX_I64 + 1, -MAX_I64):
        with pytest.raises(PositionError):
            position.apply_fee_taken(200, size, 0)
        assert state(position) == before


def test_many_lots_are_kept_in_order_and_cut() -> None:
    """A FIFO position that rolls through thousands of lots keeps only the open ones."""
    position = FifoPosition()
    for price in range(1, 11):
        position.apply_fill(BUY, price, 1, 0)
    for price in range(11, 5_001):
        position.apply_fill(SELL, price, 1, 0)
        position.apply_fill(BUY, price, 1, 0)
    assert position.lots() == [(price, 1, price) for price in range(4_991, 5_001)]
    assert position.realised == 10 * 4_990
    assert ceil(position.unrealised(5_000)) == 45
