"""Worked examples of docs/matching.md, by hand: single orders, self-trade prevention and stop orders.

Each is a list of inputs and what the last of them gives, in the words of `told`. Tick 5, lot 2; codes are the numbers
of the page. The other examples, and the tests that run them, are in test_naive_matching.py.
"""

from __future__ import annotations

from market.messages import (
    BUY,
    DAY,
    FOK,
    GROUP_OCO,
    GTD,
    IOC,
    MARKET,
    POST_ONLY_REJECT,
    POST_ONLY_REPRICE,
    SELL,
    STATUS_HALTED,
    STATUS_POST_ONLY,
    STOP,
    STOP_LIMIT,
    STP_CANCEL_BOTH,
    STP_CANCEL_INCOMING,
    STP_CANCEL_RESTING,
    STP_CANCEL_SMALLEST,
    STP_DECREMENT_BOTH,
    TAKE_PROFIT,
    TRAILING_STOP,
)
from tests.market.matching_streams import Cancel, Expire, Input, Order, SetStatus, Submit, SubmitGroup


def buy(order_id: int, price: int, size: int, **fields: int) -> Submit:
    """A buy order, a limit order unless another type is named."""
    return Submit(Order(order_id, side=BUY, price=price, size=size)._replace(**fields))


def sell(order_id: int, price: int, size: int, **fields: int) -> Submit:
    """A sell order."""
    return Submit(Order(order_id, side=SELL, price=price, size=size)._replace(**fields))


def mine(given: Submit, mode: int = 0) -> Submit:
    """The same order of account group 7."""
    return Submit(given.order._replace(account_group=7, self_trade=mode))


def group(kind: int, *orders: Submit) -> SubmitGroup:
    """Orders that come as a group."""
    return SubmitGroup(kind, tuple(given.order for given in orders))


def traded_at(price: int) -> list[Input]:
    """Inputs that leave an empty book and this last price."""
    return [sell(901, price, 2), buy(902, price, 2)]


Example = tuple[list[Input], list[str]]
PLAIN: dict[str, Example] = {
    "an order that crosses nothing rests": (
        [buy(1, 100, 10)],
        ["accepted 1 price=100 size=10 left=10 code=1 number=10"],
    ),
    "price, then time; at the resting price": (
        [sell(1, 105, 4), sell(2, 100, 4), sell(3, 100, 4), buy(4, 105, 14)],
        [
            "accepted 4 price=105 size=14 left=14",
            "traded 4 price=100 size=4 left=10 other=2 number=1",
            "traded 4 price=100 size=4 left=6 other=3 number=2",
            "traded 4 price=105 size=4 left=2 other=1 number=3",
            "rested 4 price=105 left=2 number=2",
        ],
    ),
    "hidden orders come after displayed ones": (
        [sell(1, 100, 4, display_size=-1), sell(2, 100, 4), buy(3, 100, 6)],
        [
            "accepted 3 price=100 size=6 left=6",
            "traded 3 price=100 size=4 left=2 other=2 number=1",
            "traded 3 price=100 size=2 other=1 other_left=2 number=2",
        ],
    ),
    "an iceberg goes to the back with each slice": (
        [sell(1, 100, 6, display_size=2), sell(2, 100, 2), buy(3, 100, 6)],
        [
            "accepted 3 price=100 size=6 left=6",
            "traded 3 price=100 size=2 left=4 other=1 other_left=4 number=1",
            "replenished 1 price=100 size=2 left=4",
            "traded 3 price=100 size=2 left=2 other=2 number=2",
            "traded 3 price=100 size=2 other=1 other_left=2 number=3",
            "replenished 1 price=100 size=2 left=2",
        ],
    ),
    "an incoming iceberg trades whole and shows a fresh slice": (
        [sell(1, 100, 6), buy(2, 100, 12, display_size=4)],
        [
            "accepted 2 price=100 size=12 left=12",
            "traded 2 price=100 size=6 left=6 other=1 number=1",
            "rested 2 price=100 left=6 number=4",
        ],
    ),
    "what is left of IOC is cancelled": (
        [sell(1, 100, 4), buy(2, 100, 6, time_in_force=IOC)],
        [
            "accepted 2 price=100 size=6 left=6",
            "traded 2 price=100 size=4 left=2 other=1 number=1",
            "cancelled 2 price=100 left=2 code=1",
        ],
    ),
    "FOK that cannot be filled": (
        [sell(1, 100, 4), sell(2, 110, 4), buy(3, 105, 6, time_in_force=FOK)],
        ["rejected 3 price=105 size=6 code=29"],
    ),
    "FOK counts reserves and hidden orders": (
        [sell(1, 100, 4, display_size=2), sell(2, 100, 2, display_size=-1), buy(3, 100, 6, time_in_force=FOK)],
        [
            "accepted 3 price=100 size=6 left=6",
            "traded 3 price=100 size=2 left=4 other=1 other_left=2 number=1",
            "replenished 1 price=100 size=2 left=2",
            "traded 3 price=100 size=2 left=2 other=1 number=2",
            "traded 3 price=100 size=2 other=2 number=3",
        ],
    ),
    "FOK does not count orders that its group would cancel it for": (
        [
            sell(1, 100, 4, display_size=2), mine(sell(2, 100, 2)),
            mine(buy(3, 100, 4, time_in_force=FOK), STP_CANCEL_BOTH),
        ],
        ["rejected 3 price=100 size=4 code=29"],
    ),
    "FOK looks past orders that it would cancel": (
        [
            sell(1, 100, 4, display_size=2), mine(sell(2, 100, 2)),
            mine(buy(3, 100, 4, time_in_force=FOK), STP_CANCEL_RESTING),
        ],
        [
            "accepted 3 price=100 size=4 left=4",
            "traded 3 price=100 size=2 left=2 other=1 other_left=2 number=1",
            "replenished 1 price=100 size=2 left=2",
            "self_trade 3 price=100 left=2 code=1 other=2 other_left=2",
            "cancelled 2 price=100 left=2 code=2",
            "traded 3 price=100 size=2 other=1 number=2",
        ],
    ),
    "FOK does not count the same size twice where one cancels the other": (
        [group(GROUP_OCO, sell(1, 100, 4), sell(2, 105, 4)), buy(3, 105, 6, time_in_force=FOK)],
        ["rejected 3 price=105 size=6 code=29"],
    ),
    "post-only that would trade with a hidden order": (
        [sell(1, 100, 4, display_size=-1), buy(2, 100, 2, post_only=POST_ONLY_REJECT)],
        ["rejected 2 price=100 size=2 code=27"],
    ),
    "post-only goes one tick behind": (
        [sell(1, 100, 4), buy(2, 105, 2, post_only=POST_ONLY_REPRICE)],
        ["accepted 2 price=95 size=2 left=2 code=1 number=2"],
    ),
    "a market order on an empty book": (
        [buy(1, 0, 4, order_type=MARKET)],
        ["accepted 1 size=4 left=4", "cancelled 1 left=4 code=6"],
    ),
    "a FOK market order on an empty book": (
        [buy(1, 0, 4, order_type=MARKET, time_in_force=FOK)],
        ["rejected 1 size=4 code=29"],
    ),
    "a market order takes what there is": (
        [sell(1, 100, 4), buy(2, 0, 6, order_type=MARKET)],
        ["accepted 2 size=6 left=6", "traded 2 price=100 size=4 left=2 other=1 number=1", "cancelled 2 left=2 code=6"],
    ),
    "a market order stops at its own bound": (
        [sell(1, 100, 4), sell(2, 105, 4), buy(3, 100, 6, order_type=MARKET)],
        [
            "accepted 3 price=100 size=6 left=6",
            "traded 3 price=100 size=4 left=2 other=1 number=1",
            "cancelled 3 price=100 left=2 code=12",
        ],
    ),
    "the status refuses first": (
        [SetStatus(STATUS_HALTED), buy(1, 97, 3)],
        ["rejected 1 price=97 size=3 code=37"],
    ),
    "post-only status takes what cannot take": (
        [SetStatus(STATUS_POST_ONLY), buy(1, 100, 2, post_only=POST_ONLY_REJECT)],
        ["accepted 1 price=100 size=2 left=2 code=1 number=2"],
    ),
    "an id that works": ([buy(1, 100, 2), sell(1, 97, 2)], ["rejected 1 price=97 size=2 code=3"]),
    "post-only and IOC": (
        [buy(1, 100, 3, post_only=POST_ONLY_REJECT, time_in_force=IOC)],
        ["rejected 1 price=100 size=3 code=7"],
    ),
    "size before price": ([buy(1, 97, 3)], ["rejected 1 price=97 size=3 code=5"]),
    "too many slices": ([buy(1, 100, 12, display_size=2)], ["rejected 1 price=100 size=12 code=5"]),
    "off the tick": ([buy(1, 97, 2)], ["rejected 1 price=97 size=2 code=4"]),
    "a trailing stop with nothing to begin from": (
        [sell(1, 0, 2, order_type=TRAILING_STOP, offset=5)],
        ["rejected 1 size=2 code=4"],
    ),
    "expired on arrival": (
        [Submit(Order(1, price=100, size=2, time_in_force=DAY, expire_ns=50), 50)],
        ["rejected 1 price=100 size=2 code=35"],
    ),
    "a cancel": ([buy(1, 100, 6), Cancel(1, 4)], ["cancelled 1 price=100 left=6 code=4"]),
    "a cancel of an unknown id": ([Cancel(1)], ["cancel_rejected 1 code=2"]),
    "expiry by time, then by acceptance": (
        [
            buy(1, 100, 2, time_in_force=GTD, expire_ns=30),
            buy(2, 100, 2, time_in_force=DAY, expire_ns=20),
            buy(3, 95, 2, time_in_force=GTD, expire_ns=30),
            buy(4, 95, 2, time_in_force=GTD, expire_ns=31),
            Expire(30),
        ],
        ["expired 2 price=100 left=2", "expired 1 price=100 left=2", "expired 3 price=95 left=2"],
    ),
}  # fmt: skip

SELF_TRADE: dict[str, Example] = {
    "the resting order is cancelled": (
        [mine(sell(1, 100, 6)), sell(2, 100, 4), mine(buy(3, 100, 4), STP_CANCEL_RESTING)],
        [
            "accepted 3 price=100 size=4 left=4",
            "self_trade 3 price=100 left=4 code=1 other=1 other_left=6",
            "cancelled 1 price=100 left=6 code=2",
            "traded 3 price=100 size=4 other=2 number=1",
        ],
    ),
    "the incoming order is cancelled": (
        [mine(sell(1, 100, 6)), mine(buy(3, 100, 4), STP_CANCEL_INCOMING)],
        [
            "accepted 3 price=100 size=4 left=4",
            "self_trade 3 price=100 left=4 code=2 other=1 other_left=6",
            "cancelled 3 price=100 left=4 code=2",
        ],
    ),
    "both are cancelled": (
        [mine(sell(1, 100, 6)), mine(buy(3, 100, 4), STP_CANCEL_BOTH)],
        [
            "accepted 3 price=100 size=4 left=4",
            "self_trade 3 price=100 left=4 code=3 other=1 other_left=6",
            "cancelled 1 price=100 left=6 code=2",
            "cancelled 3 price=100 left=4 code=2",
        ],
    ),
    "the smaller is cancelled": (
        [mine(sell(1, 100, 2)), mine(sell(2, 100, 6)), mine(buy(3, 100, 4), STP_CANCEL_SMALLEST)],
        [
            "accepted 3 price=100 size=4 left=4",
            "self_trade 3 price=100 left=4 code=4 other=1 other_left=2",
            "cancelled 1 price=100 left=2 code=2",
            "self_trade 3 price=100 left=4 code=4 other=2 other_left=6",
            "cancelled 3 price=100 left=4 code=2",
        ],
    ),
    "both are reduced; the slice of an iceberg becomes what is left": (
        [mine(sell(1, 100, 10, display_size=8)), mine(buy(3, 100, 4), STP_DECREMENT_BOTH)],
        [
            "accepted 3 price=100 size=4 left=4",
            "self_trade 3 price=100 left=4 code=5 other=1 other_left=10",
            "reduced 1 price=100 size=4 left=6 code=2 number=6",
            "cancelled 3 price=100 left=4 code=2",
        ],
    ),
    "what is left after a reduction rests": (
        [mine(sell(1, 100, 4)), mine(buy(3, 100, 10), STP_DECREMENT_BOTH)],
        [
            "accepted 3 price=100 size=10 left=10",
            "self_trade 3 price=100 left=10 code=5 other=1 other_left=4",
            "cancelled 1 price=100 left=4 code=2",
            "reduced 3 price=100 size=4 left=6 code=2",
            "rested 3 price=100 left=6 number=6",
        ],
    ),
    "the mode of the incoming order counts, and no group is no group": (
        [mine(sell(1, 100, 4), STP_CANCEL_BOTH), mine(buy(3, 100, 4))],
        ["accepted 3 price=100 size=4 left=4", "traded 3 price=100 size=4 other=1 number=1"],
    ),
}  # fmt: skip

STOPS: dict[str, Example] = {
    "a stop waits": (
        [sell(1, 0, 4, order_type=STOP, stop_price=95)],
        ["accepted 1 size=4 left=4 code=2"],
    ),
    "a stop whose condition holds fires at once": (
        [*traded_at(95), buy(3, 90, 2), sell(1, 0, 4, order_type=STOP, stop_price=95)],
        [
            "accepted 1 size=4 left=4 code=2",
            "triggered 1 price=95 left=4 number=95",
            "traded 1 price=90 size=2 left=2 other=3 number=2",
            "cancelled 1 left=2 code=6",
        ],
    ),
    "rising ones from below, then falling ones from above, then by time": (
        [
            sell(1, 100, 2, order_type=STOP_LIMIT, stop_price=100),
            sell(2, 100, 2, order_type=STOP_LIMIT, stop_price=105),
            buy(3, 95, 2, order_type=STOP_LIMIT, stop_price=100),
            buy(4, 95, 2, order_type=STOP_LIMIT, stop_price=95),
            buy(5, 95, 2, order_type=STOP_LIMIT, stop_price=95),
            sell(6, 100, 2, order_type=STOP_LIMIT, stop_price=95),
            *traded_at(100),
        ],
        [
            "accepted 902 price=100 size=2 left=2",
            "traded 902 price=100 size=2 other=901 number=1",
            "triggered 4 price=95 left=2 number=100",
            "rested 4 price=95 left=2 number=2",
            "triggered 5 price=95 left=2 number=100",
            "rested 5 price=95 left=2 number=2",
            "triggered 3 price=100 left=2 number=100",
            "rested 3 price=95 left=2 number=2",
        ],
    ),
    "those beyond the most that fire in one input fire with the next": (
        [
            *[sell(number, 100, 2, order_type=STOP_LIMIT, stop_price=100) for number in (1, 2, 3, 4)],
            *traded_at(100),
            Cancel(77),
        ],
        ["cancel_rejected 77 code=2", "triggered 4 price=100 left=2 number=100", "rested 4 price=100 left=2 number=2"],
    ),
    "a trailing stop follows the market one way": (
        [
            *traded_at(100), sell(1, 0, 2, order_type=TRAILING_STOP, offset=5), sell(3, 110, 2), buy(4, 110, 2),
            buy(5, 105, 4), sell(6, 105, 2),
        ],
        [
            "accepted 6 price=105 size=2 left=2",
            "traded 6 price=105 size=2 other=5 other_left=2 number=3",
            "triggered 1 price=105 left=2 number=105",
            "traded 1 price=105 size=2 other=5 number=4",
        ],
    ),
    "take profit fires the other way": (
        [*traded_at(100), buy(3, 95, 2), sell(1, 0, 2, order_type=TAKE_PROFIT, stop_price=100)],
        [
            "accepted 1 size=2 left=2 code=2",
            "triggered 1 price=100 left=2 number=100",
            "traded 1 price=95 size=2 other=3 number=2",
        ],
    ),
    "a triggered post-only order that would trade is cancelled": (
        [
            *traded_at(100), buy(3, 95, 2),
            sell(1, 95, 2, order_type=STOP_LIMIT, stop_price=100, post_only=POST_ONLY_REJECT),
        ],
        [
            "accepted 1 price=95 size=2 left=2 code=2",
            "triggered 1 price=100 left=2 number=100",
            "cancelled 1 price=95 left=2 code=11",
        ],
    ),
    "a triggered post-only order is repriced": (
        [
            *traded_at(100), buy(3, 95, 2),
            sell(1, 95, 2, order_type=STOP_LIMIT, stop_price=100, post_only=POST_ONLY_REPRICE),
        ],
        [
            "accepted 1 price=95 size=2 left=2 code=2",
            "triggered 1 price=100 left=2 number=100",
            "rested 1 price=100 left=2 number=2",
        ],
    ),
}  # fmt: skip
