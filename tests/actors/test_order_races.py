"""One quote's life in every order in which things can happen: requests, fills, reports, their loss, and time.

A strategy quotes, moves the quote and takes it back. At each moment the next thing may be any that can be: the strategy
goes on, the venue takes a request, trades a part or all of an order, a report arrives, overtakes another where a venue
lets it, gets lost, or the time for an answer runs out. All paths up to a length are walked, each to its settled end.
After every step nothing under way is forgotten; in the end the books of venue, ledger and strategy are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from actors.order_manager_params import OrderManagerParams
from market.messages import (
    LIVE,
    MAKER,
    BookStateChanged,
    CancelRejected,
    HaltReset,
    Message,
    OrderFilled,
    OrderReplaced,
    ReplaceRejected,
)
from tests.actors.test_order_manager_venue import STRATEGY, UNIT, Desk, Levels, RoughVenue, VenueOrder
from tests.actors.trading_lane import INSTRUMENT_ID, TradingLane
from tests.seeds import examples

SIZE = 10
WANTS: tuple[Levels, ...] = ([(99 * UNIT, SIZE)], [(98 * UNIT, SIZE)], [])
SMALLER: tuple[Levels, ...] = ([(99 * UNIT, SIZE)], [(99 * UNIT, SIZE // 2)], [])
ANSWER_MS = 500
MOST_TIMEOUTS = 2
LONGEST = 60


class ExactVenue(RoughVenue):
    """Does what it is told to do, and nothing by chance."""

    def __init__(self, lane: TradingLane) -> None:
        super().__init__(lane, Random(0), 0.0)
        self.refuses = False

    def report(self, message: Message) -> None:
        """Tell it, unless something of the same order is lost already."""
        order_id = int(getattr(message, "order_id", 0))
        if order_id in self.lost:
            self.lost[order_id].append(message)
        else:
            self.reports.append(message)

    def working_orders(self) -> list[VenueOrder]:
        """What works here."""
        return [order for order in self.orders.values() if order.over is None]

    def fill(self, size: int) -> None:
        """Somebody trades with the order that works here."""
        (order,) = self.working_orders()[:1]
        order.filled += size
        self.trades += 1
        fill = OrderFilled(
            order.order_id, INSTRUMENT_ID, STRATEGY, self.trades, order.side, order.price, size,
            order.size - order.filled, 0, MAKER, self.lane.now_ns,
        )  # fmt: skip
        if order.filled == order.size:
            order.over = fill
        self.report(fill)

    def tell(self, place: int) -> None:
        """A report arrives."""
        message = self.reports.pop(place)
        if isinstance(message, OrderFilled):
            self.delivered[message.side] += message.size
        self.lane.take(message)

    def lose(self) -> None:
        """The next report never arrives, nor does what is told of that order later, until somebody asks."""
        order_id = int(getattr(self.reports[0], "order_id", 0))
        self.lost[order_id] = [one for one in self.reports if getattr(one, "order_id", 0) == order_id]
        self.reports = [one for one in self.reports if getattr(one, "order_id", 0) != order_id]


class Life(Desk):
    """One quote from its want to its end, again and again."""

    def __init__(self, params: OrderManagerParams, wants: tuple[Levels, ...]) -> None:
        super().__init__(0, params, 0.0)
        self.wants = wants
        self.told = 0
        self.timeouts = 0
        self.market = ExactVenue(self.lane)
        self.venue = self.market

    def begin(self) -> None:
        """The first want of a new life."""
        self.lane.forget()
        self.market.heard = 0
        self.timeouts = 0
        self.told = 0
        self.go_on()
        self.market.listen()

    def go_on(self) -> None:
        """The strategy says its next want."""
        self.bids = list(self.wants[self.told])
        self.told += 1
        self.want()

    def moves(self) -> list[str]:
        """What can happen next."""
        found = []
        if self.told < len(self.wants):
            found.append("want")
        if self.market.requests:
            found.append("take")
        for order in self.market.working_orders()[:1]:
            found += ["fill"] if order.size - order.filled < 2 else ["part", "fill"]
        if self.market.reports:
            found += ["tell", "lose"]
        if len(self.market.reports) > 1 and self.market.may_overtake(1):
            found.append("overtake")
        if self.timeouts < MOST_TIMEOUTS and self.manager.requests.open:
            found.append("time")
        return found

    def happen(self, move: str) -> None:
        """One thing happens, and everything still holds."""
        if move == "want":
            self.go_on()
        elif move == "take":
            self.market.take_one()
        elif move in ("part", "fill"):
            order = self.market.working_orders()[0]
            left = order.size - order.filled
            self.market.fill(left if move == "fill" else left // 2)
        elif move == "time":
            self.timeouts += 1
            self.lane.pass_ms(ANSWER_MS)
        elif move == "lose":
            self.market.lose()
        else:
            self.market.tell(1 if move == "overtake" else 0)
        self.market.listen()
        self.check()

    def end(self) -> None:
        """Everything is answered and the last want is nothing: nothing works, and everybody knows the same."""
        self.told = len(self.wants) - 1
        self.go_on()
        for _ in range(LONGEST):
            self.market.listen()
            self.market.calm_down()
            while self.market.requests or self.market.reports:
                self.happen("take" if self.market.requests else "tell")
            if self.lane.core.ledger.halted:
                self.lane.take(HaltReset("test"))
            self.lane.take(BookStateChanged(INSTRUMENT_ID, LIVE, "ok", 0, 0))
            if not self.manager.requests.open:
                break
            self.lane.pass_ms(ANSWER_MS)
        self.market.listen()
        assert not self.manager.requests.open, "something is still waited for"
        assert self.lane.core.ledger.open_order_count() == 0
        assert self.market.working_orders() == []
        filled = sum(order.filled for order in self.market.orders.values())
        assert self.lane.core.ledger.standing(INSTRUMENT_ID, STRATEGY).net_size == filled, "a fill is lost or doubled"
        # A refusal lets the side rest: the next life begins after that.
        self.lane.pass_ms(ANSWER_MS)


def live(life: Life, choices: list[int]) -> tuple[list[int], tuple[str, ...]]:
    """One life by these choices, the first possible where there are none; how many there were at each step, and it."""
    life.begin()
    widths: list[int] = []
    moves: list[str] = []
    for choice in choices:
        possible = life.moves()
        if not possible:
            break
        widths.append(len(possible))
        moves.append(possible[choice % len(possible)])
        life.happen(moves[-1])
    life.end()
    return widths, tuple(moves)


def every(life: Life, length: int) -> Iterator[tuple[str, ...]]:
    """Every path of so many moves."""
    choices = [0] * length
    while True:
        widths, moves = live(life, choices)
        yield moves
        place = len(widths) - 1
        while place >= 0 and choices[place] + 1 >= widths[place]:
            place -= 1
        if place < 0:
            return
        choices = [*choices[:place], choices[place] + 1, *[0] * (length - place - 1)]


LIVES = {
    "cancel and new": (OrderManagerParams(answer_ms=ANSWER_MS, amend={"binance": "nothing"}), WANTS),
    "moved in place": (OrderManagerParams(answer_ms=ANSWER_MS, amend={"binance": "all"}), WANTS),
    "smaller in place": (OrderManagerParams(answer_ms=ANSWER_MS), SMALLER),
    "at once": (
        OrderManagerParams(answer_ms=ANSWER_MS, amend={"binance": "nothing"}, replace_at_once=True),
        WANTS,
    ),
}


@pytest.mark.parametrize("name", LIVES)
def test_on_every_short_path_nothing_is_lost(name: str) -> None:
    """Whatever the first moves of a life are: in the end venue, ledger and strategy agree."""
    life = Life(*LIVES[name])
    paths = list(every(life, examples(5, 6)))
    assert len(paths) == len(set(paths))
    assert len(paths) > 100


@pytest.mark.parametrize("name", LIVES)
def test_fills_cancels_changes_and_lost_reports_race_and_nothing_is_lost(name: str) -> None:
    """The same on long paths, drawn from all of them."""
    life = Life(*LIVES[name])
    random = Random(1)
    count = examples(300, 4_000)
    paths = [live(life, [random.randrange(840) for _ in range(14)])[1] for _ in range(count)]
    assert len(set(paths)) > count * 9 // 10
    happened = {move for path in paths for move in path}
    assert happened == {"want", "take", "fill", "part", "tell", "overtake", "lose", "time"}


def test_the_races_that_matter_are_among_them() -> None:
    """A fill that is faster than a cancel, a change that comes too late, a cancel whose answer is lost."""
    life = Life(*LIVES["moved in place"])
    life.begin()
    for move in ("take", "tell", "want", "fill", "take", "want", "take", "tell", "tell", "tell"):
        life.happen(move)
    heard = {type(message) for message in life.lane.heard}
    assert {OrderFilled, ReplaceRejected, CancelRejected} <= heard
    life.end()
    life.begin()
    for move in ("take", "tell", "want", "take", "part", "tell", "want", "take", "lose", "time"):
        life.happen(move)
    assert any(isinstance(message, OrderReplaced) for message in life.lane.heard)
    life.end()
