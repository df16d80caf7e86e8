"""Streams of inputs for the matching engines.

Prices lie on few levels and sizes are small, so that everything meets everything: all order types and flags, groups,
replaces, cancels of known and unknown ids, expiries, changes of status. An input is a plain tuple-like record, so that
a failing stream can be read. `stream(numbers)` makes one input of each integer: seeded loops hand in the bits of a
generator, property tests a list that hypothesis shrinks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

from market.matching.settings import MatchingSettings
from market.messages import (
    BUY,
    DAY,
    FOK,
    GROUP_BRACKET,
    GROUP_OCO,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEGGED,
    SELL,
    STATUS_HALTED,
    STATUS_POST_ONLY,
    STATUS_TRADING,
    STOP,
    STOP_LIMIT,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
)

TICK = 5
LOT = 2
LEVELS = range(90, 115, TICK)
WIDE_LEVELS = range(100, 2600, TICK)
WIDE_MAXIMUM_PRICE = 3000


class Order(NamedTuple):
    """The fields of an order, named and ordered as those of `OrderEntry`."""

    order_id: int
    account_id: int = 1
    account_group: int = 0
    side: int = BUY
    order_type: int = LIMIT
    time_in_force: int = GTC
    price: int = 0
    size: int = 0
    stop_price: int = 0
    display_size: int = 0
    post_only: int = 0
    expire_ns: int = 0
    self_trade: int = 0
    peg_reference: int = 0
    offset: int = 0

    def __repr__(self) -> str:
        """The fields that say something."""
        fields = self._asdict()
        told = [f"{name}={value}" for name, value in fields.items() if value != self._field_defaults.get(name)]
        return f"Order({', '.join(told)})"


class Submit(NamedTuple):
    """A new order."""

    order: Order
    now_ns: int = 0


class SubmitGroup(NamedTuple):
    """A group of orders."""

    kind: int
    orders: tuple[Order, ...]
    now_ns: int = 0


class Cancel(NamedTuple):
    """A cancel."""

    order_id: int
    cause: int = 0


class Replace(NamedTuple):
    """Another price and total size."""

    order_id: int
    price: int
    size: int


class Expire(NamedTuple):
    """The time that has come."""

    now_ns: int


class SetStatus(NamedTuple):
    """How the instrument trades."""

    status: int


Input = Submit | SubmitGroup | Cancel | Replace | Expire | SetStatus


def settings(
    minimum_size: int = LOT, maximum_size: int = 60, maximum_price: int = 125, minimum_notional: int = 0,
    band_ppm: int = 0, most_orders: int = 40, most_pegged: int = 6, most_slices: int = 5, most_triggers: int = 3,
    tick: int = TICK, lot: int = LOT,
) -> MatchingSettings:  # fmt: skip
    """Narrow settings, so that limits are met as well."""
    return MatchingSettings(
        tick, lot, minimum_size, maximum_size, maximum_price, minimum_notional, band_ppm, most_orders, most_pegged,
        most_slices, most_triggers,
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------- from numbers to inputs

Choice = TypeVar("Choice")
GROUP_LARGEST = 3
STEP_NS = 10
NUMBER_PARTS = 6
PART = 1 << 20  # hypothesis draws evenly below 24 bits

SINGLE_TYPES = (
    LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, MARKET, MARKET, PEGGED, PEGGED, STOP, STOP_LIMIT, TRAILING_STOP,
    TRAILING_STOP_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT,
)  # fmt: skip
GROUP_TYPES = (
    LIMIT, LIMIT, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT,
)  # fmt: skip
WITH_LIMIT = (LIMIT, STOP_LIMIT, TRAILING_STOP_LIMIT, TAKE_PROFIT_LIMIT)
WITH_STOP_PRICE = (STOP, STOP_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT)
TRAILS = (TRAILING_STOP, TRAILING_STOP_LIMIT)
# What is wrong with an order now and then, a field and its value; each is refused by some rule, or by none.
SPOILT: tuple[tuple[str, int], ...] = (
    ("side", 0), ("order_type", 0), ("order_type", 10), ("time_in_force", 0), ("time_in_force", 6), ("post_only", 3),
    ("self_trade", 6), ("peg_reference", 1), ("peg_reference", 4), ("size", 0), ("size", 3), ("size", -2), ("size", 62),
    ("display_size", -2), ("display_size", 3), ("display_size", 2), ("price", 0), ("price", 97), ("price", -5),
    ("price", 130), ("price", 125), ("stop_price", 0), ("stop_price", 97), ("stop_price", 130), ("offset", -5),
    ("offset", 0), ("offset", 3), ("offset", 130), ("expire_ns", 0), ("expire_ns", -1), ("expire_ns", 1),
    ("time_in_force", FOK),
    ("time_in_force", IOC), ("post_only", 1), ("post_only", 2), ("time_in_force", DAY), ("order_type", STOP),
    ("order_type", PEGGED), ("order_type", MARKET), ("display_size", -1), ("account_group", 0),
)  # fmt: skip


class Draws:
    """Choices out of one integer, as its digits in mixed radix; an integer of 0 makes every choice the first."""

    def __init__(self, number: int, levels: Sequence[int] = LEVELS) -> None:
        """Choices from this integer; prices are chosen from these levels."""
        self._left = number
        self.levels = levels

    def below(self, bound: int) -> int:
        """A number from 0 to the one below the bound."""
        self._left, chosen = divmod(self._left, bound)
        return chosen

    def of(self, choices: Sequence[Choice]) -> Choice:
        """One of these; the first is the simplest."""
        return choices[self.below(len(choices))]

    def once_in(self, count: int) -> bool:
        """True once in so many times."""
        return self.below(count) == count - 1


def draw_order(draws: Draws, order_id: int, now_ns: int, types: Sequence[int]) -> Order:
    """An order whose fields mostly fit together."""
    order_type = draws.of(types)
    market_like = order_type in (MARKET, STOP, TRAILING_STOP, TAKE_PROFIT)
    price = draws.of(draws.levels) if order_type in WITH_LIMIT or draws.once_in(3) else 0
    order = Order(
        order_id, draws.of((1, 2, 3)), side=draws.of((BUY, SELL)), order_type=order_type, price=price,
        size=LOT * (1 + draws.below(12)), account_group=draws.of((0, 7, 0, 8)),
    )  # fmt: skip
    if order.account_group:
        order = order._replace(self_trade=draws.below(6))
    if order_type in WITH_STOP_PRICE or (order_type in TRAILS and draws.once_in(2)):
        order = order._replace(stop_price=draws.of(draws.levels))
    if order_type in TRAILS:
        order = order._replace(offset=draws.of((TICK, 2 * TICK)))
    elif order_type == PEGGED:
        order = order._replace(peg_reference=1 + draws.below(3), offset=draws.of((0, 0, TICK, 2 * TICK)))
    elif not market_like:
        order = order._replace(post_only=draws.of((0, 0, 0, 0, 1, 2)), display_size=draws.of((0, 0, 0, LOT, 4, 6, -1)))
    time_in_force = draws.of((GTC, GTC, GTC, GTD, DAY, IOC, FOK, GTC))
    if time_in_force in (IOC, FOK) and (order.post_only or order_type == PEGGED):
        time_in_force = GTC
    if time_in_force == FOK and order_type not in (LIMIT, MARKET):
        time_in_force = GTC
    if time_in_force in (GTD, DAY) and order_type != MARKET:
        order = order._replace(expire_ns=now_ns + STEP_NS * (1 + draws.below(20)))
    elif time_in_force in (GTD, DAY):
        time_in_force = IOC
    return order._replace(time_in_force=time_in_force)


def spoil(draws: Draws, order: Order, rarely: int) -> Order:
    """The order, now and then with a field that does not fit."""
    if draws.once_in(rarely):
        name, value = draws.of(SPOILT)
        return order._replace(**{name: value})
    return order


def draw_group(draws: Draws, first_id: int, now_ns: int) -> SubmitGroup:
    """An OCO or a bracket, mostly well formed."""
    kind = draws.of((GROUP_BRACKET, GROUP_OCO)) if not draws.once_in(40) else 0
    count = 2 if kind == GROUP_OCO else 3 - draws.below(2)
    side, size = draws.of((BUY, SELL)), LOT * (1 + draws.below(8))
    account_id, account_group = draws.of((1, 2, 3)), draws.of((0, 7, 8))
    orders = []
    for number in range(count - draws.once_in(60)):
        entry = kind == GROUP_BRACKET and number == 0
        order = draw_order(draws, first_id + number, now_ns, (*GROUP_TYPES, MARKET) if entry else GROUP_TYPES)
        order = order._replace(
            account_id=account_id, account_group=account_group,
            side=side if kind == GROUP_OCO or entry else -side, display_size=0,
            time_in_force=order.time_in_force if order.expire_ns else GTC,
            size=size if kind == GROUP_BRACKET else order.size,
        )  # fmt: skip
        orders.append(spoil(draws, order, 80))
    return SubmitGroup(kind, tuple(orders), now_ns)


def draw_input(draws: Draws, position: int, trading: bool, lifetime: int) -> Input:
    """The input at a position of a stream; what it refers to came at most `lifetime` inputs before."""
    now_ns = position * STEP_NS
    if not trading and draws.once_in(6):
        return SetStatus(STATUS_TRADING)
    first_id = 1 + position * GROUP_LARGEST
    kind = draws.below(40)
    earlier = max(1, first_id - GROUP_LARGEST * (1 + draws.below(lifetime)))
    if kind >= 34 and not draws.once_in(2):
        earlier += draws.below(GROUP_LARGEST)
    if kind < 22:
        order = spoil(draws, draw_order(draws, first_id, now_ns, SINGLE_TYPES), 24)
        return Submit(order._replace(order_id=earlier) if draws.once_in(60) else order, now_ns)
    if kind < 26:
        return draw_group(draws, first_id, now_ns)
    if kind < 34:
        return Cancel(earlier, draws.of((0, 4, 13)))
    if kind < 37:
        return Replace(earlier, draws.of((*draws.levels, 0, 97)), draws.of((*range(LOT, 28, LOT), 3, 62)))
    if kind < 39:
        return Expire(now_ns)
    return SetStatus(draws.of((STATUS_TRADING, STATUS_TRADING, STATUS_TRADING, STATUS_POST_ONLY, STATUS_HALTED)))


def stream(numbers: Iterable[int], lifetime: int = 12, levels: Sequence[int] = LEVELS) -> Iterator[Input]:
    """A stream of inputs, one from each number."""
    trading = True
    for position, number in enumerate(numbers):
        given = draw_input(Draws(number, levels), position, trading, lifetime)
        if isinstance(given, SetStatus):
            trading = given.status == STATUS_TRADING
        yield given


def seeded_numbers(seed: int, count: int) -> Iterator[int]:
    """Numbers for a stream from a seed."""
    chance = Random(seed)
    return (chance.getrandbits(20 * NUMBER_PARTS) for _ in range(count))


def drawn_settings(number: int) -> MatchingSettings:
    """Settings from a number; 0 gives the plainest."""
    draws = Draws(number)
    return settings(
        band_ppm=draws.of((0, 50_000, 90_000, 30_000)), most_orders=draws.of((40, 40, 40, 40, 6)),
        most_triggers=draws.of((3, 1, 2)), minimum_notional=draws.of((0, 0, 400)), most_slices=draws.of((5, 2)),
        most_pegged=draws.of((6, 2)), maximum_price=draws.of((125, 110)),
    )  # fmt: skip


def combined(parts: tuple[int, ...]) -> int:
    """One number of several evenly drawn ones."""
    number = 0
    for part in reversed(parts):
        number = number * PART + part
    return number


def streams(longest: int = 50) -> st.SearchStrategy[list[Input]]:
    """Streams that hypothesis shrinks: to fewer inputs, and those to their plainest fields."""
    number = st.tuples(*[st.integers(0, PART - 1)] * NUMBER_PARTS).map(combined)
    return st.lists(number, min_size=1, max_size=longest).map(lambda numbers: list(stream(numbers)))


def any_settings() -> st.SearchStrategy[MatchingSettings]:
    """Settings that hypothesis shrinks to the plainest."""
    return st.integers(0, PART - 1).map(drawn_settings)
