"""Worked examples of docs/matching.md, by hand, and the same for the engine and for its reference.

Each example is a list of inputs and what the last of them gives, in the words of `told`: zero columns are left out.
Tick 5, lot 2; codes are the numbers of the page.
"""

from __future__ import annotations

import pytest

from market.messages import (
    BUY,
    DAY,
    FOK,
    GROUP_BRACKET,
    GROUP_OCO,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEG_FAR,
    PEG_MID,
    PEG_NEAR,
    PEGGED,
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
from tests.market.matching_engines import DrivenEngine, DrivenNaive, told
from tests.market.matching_streams import (
    Cancel,
    Expire,
    Input,
    Order,
    Replace,
    SetStatus,
    Submit,
    SubmitGroup,
    settings,
)


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


def peg(given: Submit, reference: int, offset: int = 0) -> Submit:
    """The same order, pegged; its price is the cap."""
    return Submit(given.order._replace(order_type=PEGGED, peg_reference=reference, offset=offset))


PEGS: dict[str, Example] = {
    "without a reference it is parked": ([peg(buy(1, 0, 4), PEG_NEAR)], ["accepted 1 size=4 left=4 code=2"]),
    "near, at an offset, no higher than the cap": (
        [buy(1, 105, 2), peg(buy(2, 95, 4), PEG_NEAR, 5)],
        ["accepted 2 price=95 size=4 left=4 code=1 number=4"],
    ),
    "the middle is rounded away from the market": (
        [buy(1, 95, 2), sell(2, 110, 2), peg(sell(3, 0, 4), PEG_MID)],
        ["accepted 3 price=105 size=4 left=4 code=1 number=4"],
    ),
    "one tick behind the other side, hidden orders included": (
        [sell(1, 110, 2), sell(2, 105, 2, display_size=-1), peg(buy(3, 0, 4), PEG_FAR)],
        ["accepted 3 price=100 size=4 left=4 code=1 number=4"],
    ),
    "it follows at the end of the input": (
        [buy(1, 95, 2), peg(buy(2, 0, 4), PEG_NEAR), buy(3, 100, 2)],
        ["accepted 3 price=100 size=2 left=2 code=1 number=2", "repriced 2 price=100 left=4 number=4"],
    ),
    "it is parked when its reference goes": (
        [buy(1, 95, 2), peg(buy(2, 0, 4), PEG_NEAR), Cancel(1)],
        ["cancelled 1 price=95 left=2", "repriced 2 left=4"],
    ),
    "those that retreat make room for those that advance": (
        [
            sell(1, 110, 2), sell(2, 120, 2), buy(3, 100, 2),
            peg(sell(4, 0, 4), PEG_MID), peg(buy(5, 0, 4), PEG_FAR, 5), Cancel(1),
        ],
        [
            "cancelled 1 price=110 left=2",
            "repriced 4 price=110 left=4 number=4",
            "repriced 5 price=105 left=4 number=4",
        ],
    ),
}  # fmt: skip

REPLACES: dict[str, Example] = {
    "smaller keeps its place": (
        [buy(1, 100, 6), Replace(1, 100, 4)],
        ["replaced 1 price=100 size=4 left=4 code=1 number=4"],
    ),
    "larger goes to the back": (
        [buy(1, 100, 6), Replace(1, 100, 8)],
        ["replaced 1 price=100 size=8 left=8", "rested 1 price=100 left=8 number=8"],
    ),
    "what has traded is part of the new size": (
        [buy(1, 100, 6), sell(2, 100, 4), Replace(1, 95, 10)],
        ["replaced 1 price=95 size=10 left=6", "rested 1 price=95 left=6 number=6"],
    ),
    "no more than what has traded": (
        [buy(1, 100, 6), sell(2, 100, 4), Replace(1, 100, 4)],
        ["replace_rejected 1 price=100 size=4 code=5"],
    ),
    "an unknown id": ([Replace(1, 100, 4)], ["replace_rejected 1 price=100 size=4 code=2"]),
    "a new price may trade": (
        [buy(1, 95, 6), sell(2, 100, 4), Replace(1, 100, 6)],
        [
            "replaced 1 price=100 size=6 left=6",
            "traded 1 price=100 size=4 left=2 other=2 number=1",
            "rested 1 price=100 left=2 number=2",
        ],
    ),
    "a post-only order may not": (
        [buy(1, 95, 6, post_only=POST_ONLY_REPRICE), sell(2, 100, 4), Replace(1, 100, 6)],
        ["replace_rejected 1 price=100 size=6 code=27"],
    ),
    "the slice becomes the smaller of slice and rest": (
        [buy(1, 100, 10, display_size=6), Replace(1, 100, 4)],
        ["replaced 1 price=100 size=4 left=4 code=1 number=4"],
    ),
    "a waiting stop keeps its rank": (
        [sell(1, 0, 4, order_type=STOP, stop_price=95), Replace(1, 90, 8)],
        ["replaced 1 price=90 size=8 left=8 code=1"],
    ),
    "a pegged order that grows goes to the back of its level; the cap works at the end": (
        [buy(1, 95, 2), peg(buy(2, 0, 4), PEG_NEAR), Replace(2, 90, 6)],
        [
            "replaced 2 price=90 size=6 left=6",
            "rested 2 price=95 left=6 number=6",
            "repriced 2 price=90 left=6 number=6",
        ],
    ),
}  # fmt: skip


def bracket(*exits: Submit, entry: Submit) -> SubmitGroup:
    """A bracket."""
    return group(GROUP_BRACKET, entry, *exits)


LONG = bracket(sell(2, 110, 8), sell(3, 0, 8, order_type=STOP, stop_price=90), entry=buy(1, 100, 8))
GROUPS: dict[str, Example] = {
    "one trades, the other loses as much": (
        [
            group(GROUP_OCO, sell(1, 105, 8), sell(2, 0, 8, order_type=STOP, stop_price=90)),
            buy(3, 105, 6),
        ],
        [
            "accepted 3 price=105 size=6 left=6",
            "traded 3 price=105 size=6 other=1 other_left=2 number=1",
            "reduced 2 size=6 left=2 code=7",
        ],
    ),
    "one is filled, the other is cancelled": (
        [
            group(GROUP_OCO, sell(1, 105, 8), sell(2, 0, 8, order_type=STOP, stop_price=90)),
            buy(3, 105, 8),
        ],
        [
            "accepted 3 price=105 size=8 left=8",
            "traded 3 price=105 size=8 other=1 number=1",
            "cancelled 2 left=8 code=7",
        ],
    ),
    "one is cancelled, the other goes as well": (
        [group(GROUP_OCO, sell(1, 105, 8), sell(2, 110, 6)), Cancel(2)],
        ["cancelled 2 price=110 left=6", "cancelled 1 price=105 left=8 code=7"],
    ),
    "a group of two sides is refused whole": (
        [group(GROUP_OCO, sell(1, 105, 8), buy(2, 90, 8))],
        ["rejected 1 price=105 size=8 code=7", "rejected 2 price=90 size=8 code=7"],
    ),
    "a group is refused whole for one that is refused": (
        [group(GROUP_OCO, sell(1, 105, 8), sell(2, 97, 8))],
        ["rejected 1 price=105 size=8", "rejected 2 price=97 size=8 code=4"],
    ),
    "a bracket: the entry enters, exits sleep": (
        [LONG],
        [
            "accepted 1 price=100 size=8 left=8 code=2",
            "accepted 2 price=110 size=8 left=8 code=2",
            "accepted 3 size=8 left=8 code=2",
            "rested 1 price=100 left=8 number=8",
        ],
    ),
    "exits come to life with what the entry has traded": (
        [LONG, sell(4, 100, 2)],
        [
            "accepted 4 price=100 size=2 left=2",
            "traded 4 price=100 size=2 other=1 other_left=6 number=1",
            "rested 2 price=110 left=2 number=2",
        ],
    ),
    "exits grow, a resting one to the back": (
        [LONG, sell(4, 100, 2), sell(5, 100, 4)],
        [
            "accepted 5 price=100 size=4 left=4",
            "traded 5 price=100 size=4 other=1 other_left=2 number=2",
            "replaced 2 price=110 size=6 left=6",
            "rested 2 price=110 left=6 number=6",
            "replaced 3 size=6 left=6 code=1",
        ],
    ),
    "an exit that has sold all that lives makes the other sleep": (
        [LONG, sell(4, 100, 2), buy(5, 110, 2)],
        [
            "accepted 5 price=110 size=2 left=2",
            "traded 5 price=110 size=2 other=2 number=2",
            "reduced 3 size=2 code=7",
        ],
    ),
    "a filled exit ends the other": (
        [LONG, sell(4, 100, 8), buy(5, 110, 8)],
        [
            "accepted 5 price=110 size=8 left=8",
            "traded 5 price=110 size=8 other=2 number=2",
            "cancelled 3 left=8 code=7",
        ],
    ),
    "an entry that ends leaves what lives": (
        [LONG, sell(4, 100, 2), Cancel(1)],
        ["cancelled 1 price=100 left=6"],
    ),
    "an entry that ends untouched takes its exits along": (
        [LONG, Cancel(1)],
        ["cancelled 1 price=100 left=8", "cancelled 2 price=110 code=7", "cancelled 3 code=7"],
    ),
    "an exit that is cancelled takes all along": (
        [LONG, sell(4, 100, 2), Cancel(3)],
        ["cancelled 3 left=2", "cancelled 1 price=100 left=6 code=7", "cancelled 2 price=110 left=2 code=7"],
    ),
    "a member is not replaced": (
        [group(GROUP_OCO, sell(1, 105, 8), sell(2, 110, 6)), Replace(1, 105, 4)],
        ["replace_rejected 1 price=105 size=4 code=7"],
    ),
}  # fmt: skip

EXAMPLES = {
    f"{part}: {name}": example
    for part, examples in {
        "plain": PLAIN, "self-trade": SELF_TRADE, "stops": STOPS, "pegs": PEGS, "replaces": REPLACES, "groups": GROUPS,
    }.items()
    for name, example in examples.items()
}  # fmt: skip
Driving = type[DrivenNaive] | type[DrivenEngine]
BOTH = pytest.mark.parametrize("driven", [DrivenNaive, DrivenEngine], ids=["reference", "engine"])


def last_of(driven: Driving, inputs: list[Input], **chosen: int) -> list[str]:
    """What the last of these inputs gives."""
    engine = driven(settings(**chosen))
    events: list[str] = []
    for given in inputs:
        events = [told(cells) for cells in engine.apply(given)]
    return events


@BOTH
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(driven: Driving, name: str) -> None:
    """Each rule of the page gives, in a book made by hand, the events that were worked out by hand."""
    inputs, expected = EXAMPLES[name]
    assert last_of(driven, inputs) == expected


@BOTH
def test_protection_band(driven: Driving) -> None:
    """A market order goes no further than its band from the best opposite price, rounded to the tick toward it."""
    book: list[Input] = [sell(1, 100, 2), sell(2, 105, 2), sell(3, 110, 2)]
    assert last_of(driven, [*book, buy(4, 0, 6, order_type=MARKET)], band_ppm=90_000) == [
        "accepted 4 size=6 left=6",
        "traded 4 price=100 size=2 left=4 other=1 number=1",
        "traded 4 price=105 size=2 left=2 other=2 number=2",
        "cancelled 4 left=2 code=12",
    ]


@BOTH
def test_limits_of_the_book(driven: Driving) -> None:
    """The number of orders, of pegged orders and the minimum notional refuse, the notional first."""
    pegged: list[Input] = [peg(buy(1, 0, 4), PEG_NEAR), peg(buy(2, 0, 4), PEG_NEAR)]
    assert last_of(driven, pegged, most_pegged=1) == ["rejected 2 size=4 code=16"]
    full: list[Input] = [buy(1, 100, 4), buy(2, 100, 2)]
    assert last_of(driven, full, most_orders=1, most_pegged=0) == ["rejected 2 price=100 size=2 code=16"]
    small = last_of(driven, full, most_orders=1, most_pegged=0, minimum_notional=201)
    assert small == ["rejected 2 price=100 size=2 code=6"]


@BOTH
def test_every_column(driven: Driving) -> None:
    """Accounts and sides stand in their columns as well, of both orders of a trade."""
    engine = driven(settings())
    engine.apply(sell(1, 100, 4, account_id=11))
    assert engine.apply(buy(2, 105, 6, account_id=12, order_type=LIMIT)) == [
        (1, 2, 12, BUY, 105, 6, 6, 0, 0, 0, 0, 0),
        (3, 2, 12, BUY, 100, 4, 2, 0, 1, 11, 0, 1),
        (5, 2, 12, BUY, 105, 0, 2, 0, 0, 0, 0, 2),
    ]
