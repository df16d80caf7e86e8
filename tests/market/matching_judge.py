"""A judge of streams of events: what must hold whatever comes, checked from inputs and events alone.

The book is never crossed; every trade is with the order that has priority, at its price and in the size that it offers;
nobody trades beyond the own limit, against the own account group under self-trade prevention, or by taking with a
post-only or pegged order; fill-or-kill orders fill whole; and of every order, what was submitted is what has traded,
was reduced, was cancelled and is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from market.matching.engine import MatchingEngine
from market.matching.view import WAITS_FOR_PRICE
from market.messages import (
    BUY,
    EVENT_ACCEPTED,
    EVENT_CANCEL_REJECTED,
    EVENT_CANCELLED,
    EVENT_EXPIRED,
    EVENT_REDUCED,
    EVENT_REJECTED,
    EVENT_REPLACE_REJECTED,
    EVENT_REPLACED,
    EVENT_RESTED,
    EVENT_SELF_TRADE,
    EVENT_TRADED,
    FOK,
    GROUP_BRACKET,
    PEGGED,
    SELL,
    STP_NONE,
)
from tests.market.matching_engines import Cells
from tests.market.matching_rebuilt import RebuiltBook
from tests.market.matching_streams import Input, Order, Submit, SubmitGroup

REFUSALS = (EVENT_REJECTED, EVENT_REPLACE_REJECTED, EVENT_CANCEL_REJECTED)


@dataclass
class Bracket:
    """What the entry of a bracket has bought or sold, and how much of that its exits have given back."""

    opened: int = 0
    closed: int = 0


@dataclass
class Followed:
    """What is known of an order: its fields, its limit or bound, and where its size has gone."""

    order: Order
    price: int
    size: int
    remaining: int
    traded: int = 0
    reduced: int = 0
    opens: Bracket | None = None
    closes: Bracket | None = None

    def check(self) -> None:
        """Nothing of its size is missing; an exit lives by what its entry has traded."""
        if self.closes is None:
            assert self.size == self.traded + self.reduced + self.remaining, "a size is not conserved"
        else:
            assert self.remaining + self.closes.closed <= self.closes.opened, "exits close more than was opened"
        assert self.remaining >= 0


class Judge:
    """Follows one engine; an assertion fails at the first event that may not be."""

    def __init__(self) -> None:
        """Nothing has come."""
        self.book = RebuiltBook()
        self.followed: dict[int, Followed] = {}
        self.trade_count = 0
        self._given: dict[int, Order] = {}
        self._brackets: dict[int, Bracket] = {}
        self._entry_id = 0

    def judge(self, given: Input, events: Sequence[Cells]) -> None:
        """One input and what it gave."""
        if isinstance(given, Submit):
            self._given, self._brackets = {given.order.order_id: given.order}, {}
        elif isinstance(given, SubmitGroup):
            bracket = Bracket()
            self._given = {order.order_id: order for order in given.orders}
            self._brackets = dict.fromkeys(self._given, bracket) if given.kind == GROUP_BRACKET else {}
            self._entry_id = given.orders[0].order_id
            assert len({cells[0] for cells in events[: len(given.orders)]}) == 1, "a group was taken in part"
        for cells in events:
            self._judge_event(cells)
            self.book.apply(cells)
        if isinstance(given, Submit) and given.order.time_in_force == FOK and events[0][0] == EVENT_ACCEPTED:
            assert given.order.order_id not in self.followed, "a fill-or-kill order has something left"
            assert all(cells[0] != EVENT_CANCELLED or cells[1] != given.order.order_id for cells in events)
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        assert bid == 0 or ask == 0 or bid < ask, "the book is crossed"

    def compare(self, engine: MatchingEngine) -> None:
        """What the engine holds is what its events have told."""
        held = {order.order_id: order for order in engine.orders()}
        # An exit that has traded all that it ever will ends without an event of its own.
        for order_id in [order_id for order_id, one in self.followed.items() if one.closes and order_id not in held]:
            assert self.followed.pop(order_id).remaining == 0
        assert held.keys() == self.followed.keys()
        for order_id, order in held.items():
            one = self.followed[order_id]
            assert order.filled == one.traded
            # An exit begins to wait for its trigger without an event.
            assert order.remaining == one.remaining or (one.closes is not None and order.place == WAITS_FOR_PRICE)
            if one.closes is not None:
                assert order.remaining + one.closes.closed <= one.closes.opened
        assert engine.open_orders == len(held)
        assert engine.trade_count == self.trade_count

    def _judge_event(self, cells: Cells) -> None:
        kind, order_id = cells[0], cells[1]
        if kind == EVENT_ACCEPTED:
            self._accept(cells)
        elif kind == EVENT_TRADED:
            self._trade(cells)
        elif kind == EVENT_SELF_TRADE:
            self._self_trade(cells)
        elif order_id in self.followed and kind not in REFUSALS:
            self._change(self.followed[order_id], cells)

    def _accept(self, cells: Cells) -> None:
        order = self._given[cells[1]]
        present = self.followed.get(order.order_id)
        assert present is None or present.closes is not None, "an id was accepted twice"
        one = Followed(order, cells[4], order.size, order.size)
        bracket = self._brackets.get(order.order_id)
        if bracket is not None and order.order_id == self._entry_id:
            one.opens = bracket
        elif bracket is not None:
            one.closes, one.remaining = bracket, 0
        self.followed[order.order_id] = one

    def _self_trade(self, cells: Cells) -> None:
        first = self.book.first(-cells[3])
        assert first is not None
        assert first.order_id == cells[8], "self-trade prevention passed over the order with priority"
        assert first.remaining == cells[10]

    def _trade(self, cells: Cells) -> None:
        _, taker_id, _, side, price, size, left, _, maker_id, _, maker_left, number = cells
        first = self.book.first(-side)
        assert first is not None
        assert first.order_id == maker_id, "the order with priority was passed over"
        assert first.price == price, "a trade is not at the resting order's price"
        assert size == min(first.offered, size + left), "a trade is smaller or larger than what both offer"
        taker, maker = self.followed[taker_id], self.followed[maker_id]
        self._check_taker(taker, maker, price)
        self.trade_count += 1
        assert number == self.trade_count
        for one in (taker, maker):
            if one.opens is not None:
                one.opens.opened += size
        for one, remaining in ((taker, left), (maker, maker_left)):
            # An exit that came in with what it was owed is heard of here for the first time.
            one.remaining = remaining if one.closes is not None else one.remaining - size
            one.traded += size
            if one.closes is not None:
                one.closes.closed += size
            assert one.remaining == remaining, "a size is not conserved"
            one.check()
            if one.remaining == 0 and one.closes is None:
                del self.followed[one.order.order_id]

    def _check_taker(self, taker: Followed, maker: Followed, price: int) -> None:
        """Who takes may take, at this price and from this order."""
        order = taker.order
        assert order.order_type != PEGGED, "a pegged order has taken"
        assert order.post_only == 0, "a post-only order has taken"
        if taker.price:
            assert price * order.side <= taker.price * order.side, "a trade beyond the limit"
        if order.account_group and order.self_trade != STP_NONE:
            assert order.account_group != maker.order.account_group, "a self-trade"

    def _change(self, one: Followed, cells: Cells) -> None:
        kind, order_id, _, _, price, size, remaining, _, _, _, _, _ = cells
        if kind == EVENT_REPLACED:
            # The new total is what has traded and what is left; what was reduced before is forgotten.
            assert one.closes is not None or remaining == size - one.traded
            one.size, one.reduced, one.price, one.remaining = size, 0, price, remaining
        elif kind == EVENT_REDUCED and one.closes is None:
            one.remaining -= size
            one.reduced += size
        elif one.closes is not None:
            one.remaining = remaining
        elif kind == EVENT_RESTED and one.order.post_only:
            one.price = price
        assert one.remaining == remaining, "a size is not conserved"
        if kind in (EVENT_CANCELLED, EVENT_EXPIRED):
            del self.followed[order_id]
        else:
            one.check()
