"""The split of an order over venues: optimal against brute force, within limit, lots and minimum sizes."""

from __future__ import annotations

from itertools import product
from math import ceil, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.vecs import vec
from mypy_extensions import i64

from market.messages import BUY, SELL
from market.routing import (
    MEAN_ADVERSE,
    MOST_NODES,
    RouteVenue,
    RoutingError,
    Split,
    fee_of,
    set_add_ons,
    split,
)
from tests.seeds import examples

Levels = list[tuple[int, int]]


def venue(
    levels: Levels, *, number: int = 1, fee_ppm: int = 0, lot: int = 1, lot_units: int = 1, minimum_size: int = 0,
    minimum_worth: int = 0, factor: int = 1, add_on: int = 0,
) -> RouteVenue:  # fmt: skip
    """A venue that shows these (price, size) levels, best first."""
    made = RouteVenue(number, factor, lot, lot_units, minimum_size, minimum_worth, fee_ppm)
    made.show(vec[i64]([price for price, _ in levels]), vec[i64]([size for _, size in levels]))
    made.add_on = add_on
    return made


def placed(found: Split) -> dict[int, int]:
    """Instrument to units."""
    return {int(one): int(size) for one, size in zip(found.instruments, found.units, strict=True)}


# ---- brute force, written from the rules and not from the code


def cost_of(one: RouteVenue, side: int, limit: int, units: int) -> int | None:
    """What so many units cost at one venue, None when it cannot or may not take them."""
    if units == 0:
        return 0
    usable = [
        (price, size) for price, size in zip(one.prices, one.sizes, strict=True)
        if limit == 0 or (price * one.price_factor - limit) * side <= 0
    ]  # fmt: skip
    if units % one.lot_units or not usable:
        return None
    lots = units // one.lot_units
    lowest = min(price for price, _ in usable) if side < 0 else one.prices[0]
    if lots * one.lot < one.minimum_size or lots * one.lot * lowest < one.minimum_worth:
        return None
    total = 0
    for price, size in usable:
        here = min(size // one.lot, lots)
        fine = price * one.price_factor
        fee = -(-fine * one.fee_ppm // 1_000_000)
        total += here * one.lot_units * (side * fine + fee + one.add_on)
        lots -= here
    return total if lots == 0 else None


def brute_force(venues: list[RouteVenue], side: int, units: int, limit: int) -> tuple[int, int]:
    """The least that stays unplaced, and the least cost of what is placed then."""
    best: tuple[int, int] | None = None
    for sizes in product(*(range(0, units + 1) for _ in venues)):
        if sum(sizes) > units:
            continue
        costs = [cost_of(one, side, limit, size) for one, size in zip(venues, sizes, strict=True)]
        if any(cost is None for cost in costs):
            continue
        answer = (units - sum(sizes), sum(cost for cost in costs if cost is not None))
        if best is None or answer < best:
            best = answer
    assert best is not None
    return best


@st.composite
def splits(draw: st.DrawFn) -> tuple[list[RouteVenue], int, int, int]:
    """Two or three venues with lots, minimums and fees of their own, and an order that is small enough to try all."""
    side = draw(st.sampled_from([BUY, SELL]))
    venues = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        first = draw(st.integers(95, 105))
        steps = draw(st.lists(st.integers(1, 4), min_size=0, max_size=3))
        prices = [first]
        for step in steps:
            prices.append(prices[-1] + side * step)
        lot = draw(st.sampled_from([1, 1, 2, 3]))
        levels = [(price, draw(st.integers(0, 9))) for price in prices]
        venues.append(
            venue(
                levels, number=number, fee_ppm=draw(st.sampled_from([-2000, 0, 1000, 25_000])), lot=lot,
                lot_units=lot * draw(st.sampled_from([1, 1, 2])), minimum_size=draw(st.sampled_from([0, 0, 2, 5])),
                minimum_worth=draw(st.sampled_from([0, 0, 450])), factor=10, add_on=draw(st.integers(0, 30)),
            )
        )  # fmt: skip
    limit = draw(st.sampled_from([0, 0, 980, 1000, 1020]))
    return venues, side, draw(st.integers(1, 16)), limit


@settings(max_examples=examples(150, 5_000), deadline=None)
@given(splits())
def test_no_other_split_places_more_or_costs_less(case: tuple[list[RouteVenue], int, int, int]) -> None:
    """Against every split there is: as much as possible is placed, and it costs the least."""
    venues, side, units, limit = case
    found = split(venues, side, units, limit)
    sizes = placed(found)
    cost = 0
    for one in venues:
        part = cost_of(one, side, limit, sizes.get(one.instrument_id, 0))
        assert part is not None, "a venue got what it does not take"
        cost += part
    assert found.unplaced == units - sum(sizes.values())
    assert (found.unplaced, cost) == brute_force(venues, side, units, limit)


@settings(max_examples=examples(60, 2_000), deadline=None)
@given(splits())
def test_prices_are_those_of_the_last_level_taken_and_keep_the_limit(
    case: tuple[list[RouteVenue], int, int, int],
) -> None:
    """An order at its price can trade all that it was given, and never beyond the limit."""
    venues, side, units, limit = case
    found = split(venues, side, units, limit)
    by_id = {int(one.instrument_id): one for one in venues}
    for instrument_id, size, price in zip(found.instruments, found.units, found.prices, strict=True):
        one = by_id[int(instrument_id)]
        assert limit == 0 or (price * one.price_factor - limit) * side <= 0
        shown = sum(
            level // one.lot * one.lot_units
            for own, level in zip(one.prices, one.sizes, strict=True)
            if (own - price) * side <= 0
        )
        assert size <= shown


def test_the_cheaper_venue_after_fees_comes_first() -> None:
    """A better price with a higher fee is no better price."""
    dear = venue([(1000, 10)], number=1, fee_ppm=10_000)
    cheap = venue([(1005, 10)], number=2, fee_ppm=1_000)
    assert placed(split([dear, cheap], BUY, 10, 0)) == {2: 10}


def test_a_rebate_makes_a_worse_price_the_better_one() -> None:
    """A fee below zero lowers the cost."""
    plain = venue([(1000, 10)], number=1)
    rebate = venue([(1001, 10)], number=2, fee_ppm=-2_000)
    assert placed(split([plain, rebate], BUY, 10, 0)) == {2: 10}


def test_a_sale_goes_where_it_brings_most() -> None:
    """Bids are taken from the highest down, after fees."""
    found = split([venue([(999, 5), (990, 5)], number=1), venue([(998, 5)], number=2)], SELL, 12, 0)
    assert placed(found) == {1: 7, 2: 5}
    assert list(found.prices) == [990, 998]


def test_what_is_beyond_the_limit_stays_unplaced() -> None:
    """The limit is a price at the venue, before fees."""
    found = split([venue([(100, 5), (101, 5), (102, 5)])], BUY, 20, 101)
    assert (placed(found), found.unplaced) == ({1: 10}, 10)


def test_a_minimum_size_is_kept_by_leaving_out_or_by_giving_more() -> None:
    """The cheapest venue has one unit but takes no less than four: it is left out, or gets its minimum elsewhere's."""
    picky = venue([(100, 1), (110, 10)], number=1, minimum_size=4)
    other = venue([(101, 20)], number=2)
    assert placed(split([picky, other], BUY, 8, 0)) == {2: 8}
    deep = venue([(100, 3), (101, 10)], number=1, minimum_size=4)
    assert placed(split([deep, venue([(102, 20)], number=2)], BUY, 4, 0)) == {1: 4}


def test_a_coarse_lot_gets_room_from_a_finer_one() -> None:
    """Fifteen units: eight at the cheaper venue would leave no room for a lot of ten at the other."""
    fine = venue([(100, 8)], number=1)
    coarse = venue([(101, 40)], number=2, lot=10, lot_units=10)
    found = split([fine, coarse], BUY, 15, 0)
    assert (placed(found), found.unplaced) == ({1: 5, 2: 10}, 0)


def test_nothing_shown_places_nothing() -> None:
    """Empty venues and venues beyond the limit leave everything unplaced."""
    found = split([venue([]), venue([(100, 5)], number=2)], BUY, 5, 99)
    assert (placed(found), found.unplaced) == ({}, 5)


def test_all_in_price_is_the_mean_with_fee_and_add_on() -> None:
    """Two at 100 and two at 102, one per cent fee, five on top."""
    found = split([venue([(100, 2), (102, 2)], fee_ppm=10_000, factor=1000, add_on=5)], BUY, 4, 0)
    assert list(found.all_in) == [102_015]
    assert list(split([venue([(100, 4)], fee_ppm=10_000, factor=1000, add_on=5)], SELL, 4, 0).all_in) == [98_995]


def test_an_order_that_cannot_be_split_is_refused() -> None:
    """No size, no side, or a limit below zero is an error of the caller."""
    for side, units, limit in ((BUY, 0, 0), (0, 5, 0), (BUY, 5, -1)):
        with pytest.raises(RoutingError, match="cannot be split"):
            split([venue([(100, 5)])], side, units, limit)
    with pytest.raises(RoutingError, match="lot 0"):
        venue([], lot=0)


def test_fees_round_up_and_do_not_wrap() -> None:
    """A fee of the largest price is exact; a rebate shrinks."""
    assert fee_of(4 * 10**18, 500_000) == 2 * 10**18
    assert (fee_of(3, 500_000), fee_of(3, -500_000)) == (2, -1)


def test_huge_sizes_and_prices_do_not_wrap() -> None:
    """What two venues show in the largest sizes is still split in the right order."""
    found = split([venue([(10**6, 2**62)], number=1), venue([(999_999, 10**18)], number=2)], BUY, 2 * 10**18, 0)
    assert placed(found) == {1: 10**18, 2: 10**18}


def test_slippage_latency_and_a_missed_fill_are_prices() -> None:
    """The formulas of docs/router.md, worked by hand."""
    quick = venue([(10_000, 5), (10_010, 5)], number=1)
    slow = venue([(10_004, 5)], number=2)
    slow.latency_ns = 40_000_000
    quick.fill_ppm = 750_000
    set_add_ons([quick, slow], BUY, 100.0, 0.5)
    move = 100.0 * sqrt(0.04)
    assert slow.add_on == ceil(MEAN_ADVERSE * move + 0.5 * move)
    assert quick.add_on == 1  # a quarter of the four that the next venue is dearer
    alone = venue([(10_000, 5), (10_010, 5)])
    alone.fill_ppm = 500_000
    set_add_ons([alone], BUY, 0.0, 0.0)
    assert alone.add_on == 5  # half of the way to its own next level


def test_the_search_ends() -> None:
    """Lots and minimums that fit badly cost a bounded number of steps, and the answer is one that is allowed."""
    lots = [7, 11, 13, 17, 19, 23, 29, 31]
    venues = [
        venue([(100 + place, 10**6)], number=place + 1, lot=lot, lot_units=lot, minimum_size=lot * 3)
        for place, lot in enumerate(lots)
    ]
    found = split(venues, BUY, 9_999, 0)
    assert found.nodes <= MOST_NODES
    assert found.unplaced == 9_999 - sum(placed(found).values()) >= 0
