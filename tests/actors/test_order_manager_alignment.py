"""Which order serves which level: no other layout needs fewer requests."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.order_alignment import DROP, KEEP, MOST_LEVELS, MOVE, NONE, REDUCE, Alignment
from actors.order_rules import AMEND_ALL, AMEND_NOTHING, AMEND_SIZE
from market.messages import BUY, SELL
from tests.seeds import examples

Order = tuple[int, int, int]
Level = tuple[int, int]


def aligned(
    orders: list[Order], levels: list[Level], side: int = BUY, amend: int = AMEND_NOTHING, keep_within: int = 0
) -> Alignment:
    """Orders (price, size, filled) and levels (price, size) of one side, aligned."""
    one = Alignment(50)
    one.begin(side, amend, keep_within)
    for number, (price, size, filled) in enumerate(orders):
        assert one.add_order(number, price, size, filled, False)
    for price, size in levels:
        one.add_level(price, size)
    one.align()
    return one


def requests_of(one: Alignment) -> int:
    """How many requests an answer needs: changes, cancels, new orders."""
    changes = sum(1 for place in range(one.orders) if one.actions[place] != KEEP)
    return changes + sum(1 for place in range(one.levels) if one.order_of[place] == NONE)


def fewest(one: Alignment, order: int = 0, level: int = 0, dropped: int = 0, missing: int = 0) -> int:
    """The fewest requests of any layout in which no order that stays crosses another, by trying all.

    Where prices can be changed, what is dropped and what is missing become moves, in pairs.
    """
    if order == one.orders and level == one.levels:
        return max(dropped, missing) if one.amend == AMEND_ALL else dropped + missing
    found = []
    if order < one.orders:
        found.append(fewest(one, order + 1, level, dropped + 1, missing))
    if level < one.levels:
        found.append(fewest(one, order, level + 1, dropped, missing + 1))
    if order < one.orders and level < one.levels and one.fits(order, level) in (KEEP, REDUCE):
        found.append(fewest(one, order + 1, level + 1, dropped, missing) + (one.fits(order, level) == REDUCE))
    return min(found)


@settings(max_examples=examples(150, 5_000), deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(0, 3)), max_size=5),
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), max_size=5),
    st.sampled_from([BUY, SELL]),
    st.sampled_from([AMEND_NOTHING, AMEND_SIZE, AMEND_ALL]),
    st.integers(0, 2),
)
def test_no_layout_needs_fewer_requests(
    orders: list[Order], levels: list[Level], side: int, amend: int, keep_within: int
) -> None:
    """Against every layout there is, for any orders and levels, on both sides."""
    one = aligned([(p, s + f, f) for p, s, f in orders], levels, side, amend, keep_within)
    # An order that moves may turn out to serve its new level as it is.
    assert requests_of(one) <= fewest(one)
    assert requests_of(one) == fewest(one) or amend == AMEND_ALL
    for place in range(one.orders):
        level = one.level_of[place]
        assert (level == NONE) == (one.actions[place] == DROP)
        if level != NONE:
            assert one.order_of[level] == place
            assert one.actions[place] == one.fits(place, level)


def test_rows_stand_best_price_first() -> None:
    """Bids from the highest, asks from the lowest, whatever order they came in."""
    bids = aligned([(1, 1, 0), (3, 1, 0), (2, 1, 0)], [(2, 1), (9, 1)])
    assert [bids.prices[place] for place in range(3)] == [3, 2, 1]
    assert [bids.level_prices[place] for place in range(2)] == [9, 2]
    asks = aligned([(1, 1, 0), (3, 1, 0), (2, 1, 0)], [], side=SELL)
    assert [asks.prices[place] for place in range(3)] == [1, 2, 3]


def test_an_order_near_the_wanted_price_keeps_its_place() -> None:
    """Within the threshold nothing is asked for; beyond it the order goes."""
    assert aligned([(100, 10, 0)], [(102, 10)], keep_within=2).actions[0] == KEEP
    assert aligned([(100, 10, 0)], [(103, 10)], keep_within=2).actions[0] == DROP


def test_all_orders_shift_by_one_place_rather_than_leave() -> None:
    """Two orders one tick off serve both levels: taking the exact one first would cost two requests."""
    one = aligned([(102, 10, 0), (101, 10, 0)], [(101, 10), (100, 10)], keep_within=1)
    assert requests_of(one) == 0


def test_the_last_order_moves_to_the_front_when_all_levels_shift() -> None:
    """Two of three stay in their places: one request, not two, and not three."""
    bids = [(102, 10, 0), (101, 10, 0), (100, 10, 0)]
    one = aligned(bids, [(103, 10), (102, 10), (101, 10)], amend=AMEND_ALL)
    assert requests_of(one) == 1
    assert (one.actions[2], one.level_of[2], one.order_of[0]) == (MOVE, 0, 2)
    assert requests_of(aligned(bids, [(103, 10), (102, 10), (101, 10)])) == 2


def test_an_order_that_can_be_changed_now_moves_before_one_whose_answer_is_awaited() -> None:
    """The busy one has no level left, and goes."""
    one = Alignment(50)
    one.begin(BUY, AMEND_ALL, 0)
    one.add_order(1, 102, 10, 0, True)
    one.add_order(2, 101, 10, 0, False)
    one.add_level(90, 10)
    one.align()
    assert [one.actions[place] for place in range(2)] == [DROP, MOVE]


def test_a_smaller_want_is_a_change_that_keeps_the_place() -> None:
    """Where the venue can, the order gets smaller; where it cannot, it goes."""
    assert aligned([(100, 10, 2)], [(100, 5)], amend=AMEND_SIZE).actions[0] == REDUCE
    assert aligned([(100, 10, 2)], [(100, 5)]).actions[0] == DROP


def test_a_partly_filled_order_stays_until_less_than_its_share_is_left() -> None:
    """Half of the wanted size is enough."""
    assert aligned([(100, 10, 5)], [(100, 10)]).actions[0] == KEEP
    assert aligned([(100, 10, 6)], [(100, 10)]).actions[0] == DROP
    assert aligned([(100, 10, 6)], [(100, 10)], amend=AMEND_ALL).actions[0] == MOVE


def test_a_full_row_takes_no_more() -> None:
    """The caller hears of it; levels beyond the room are not wanted."""
    one = Alignment(50)
    one.begin(BUY, AMEND_NOTHING, 0)
    for number in range(MOST_LEVELS):
        assert one.add_order(number, number + 1, 1, 0, False)
        one.add_level(number + 1, 1)
    assert not one.add_order(99, 99, 1, 0, False)
    one.add_level(99, 1)
    assert one.levels == MOST_LEVELS
