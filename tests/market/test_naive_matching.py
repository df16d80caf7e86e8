"""Worked examples of docs/matching.md, by hand, the same for the engine and for its reference.

Those of single orders are in matching_examples.py; here are pegged orders, replaces and groups, and the tests.
"""

from __future__ import annotations

import pytest

from market.messages import (
    BUY,
    GROUP_BRACKET,
    GROUP_OCO,
    LIMIT,
    MARKET,
    PEG_FAR,
    PEG_MID,
    PEG_NEAR,
    PEGGED,
    POST_ONLY_REPRICE,
    STOP,
)
from tests.market.matching_engines import DrivenEngine, DrivenNaive, told
from tests.market.matching_examples import PLAIN, SELF_TRADE, STOPS, Example, buy, group, sell
from tests.market.matching_streams import Cancel, Input, Replace, Submit, SubmitGroup, settings


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
