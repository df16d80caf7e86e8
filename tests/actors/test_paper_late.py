"""A trade that was made before an order came, and is told after, fills nothing of it, in none of the accounts."""

from __future__ import annotations

import pytest

from market.messages import BUY, LIVE, MODEL_OPTIMISTIC, MODEL_PESSIMISTIC, MODEL_QUEUE, SELL, PublicTrade, TopOfBook
from market.paper_book import PaperBook
from market.paper_queue import LINEAR, PaperOrder, QueueRules
from tests.actors.paper_lane import ASK, BID, PaperLane
from tests.actors.trading_lane import START_NS

MS = 1_000_000
MODELS = (MODEL_QUEUE, MODEL_OPTIMISTIC, MODEL_PESSIMISTIC)
# Without times of the venue, with the same time for all, and with times that tell the trade to be the older.
TIMES = [(0, 0), (5 * MS, 5 * MS), (0, 5 * MS), (5 * MS, 5 * MS + 1)]


class Late:
    """A market whose touch changes at 5 ms; an order comes at 6 ms, and what is told comes at 8 ms or when asked."""

    def __init__(self, bid: int, size: int, then: int, left: int, times: tuple[int, int]) -> None:
        self.book = PaperBook(QueueRules(LINEAR, 0, 200 * MS))
        self.trade_ns, self.book_ns = times
        self.show(bid, size, 0, min(self.book_ns, 1))
        self.show(then, left, 5 * MS, self.book_ns)

    def show(self, bid: int, size: int, now_ns: int, venue_ns: int) -> None:
        """A touch; the ask stands."""
        self.book.show(True, bid, size, 102, 10, now_ns, venue_ns)

    def rest(self, price: int, size: int = 10) -> PaperOrder:
        """A bid comes."""
        order = PaperOrder(1, 1, 1, BUY, price, size, True, 0)
        self.book.rest(order, 6 * MS)
        return order

    def trade(self, price: int, size: int, now_ns: int = 8 * MS) -> tuple[int, int, int]:
        """Somebody sold; gives what each account filled: queue, optimistic, pessimistic."""
        self.book.trade(price, size, SELL, now_ns, self.trade_ns)
        return self.filled()

    def filled(self) -> tuple[int, int, int]:
        """What each account has filled so far."""
        queue, optimistic, pessimistic = (
            sum(int(one.size) for one in self.book.fills if one.model == model) for model in MODELS
        )
        return queue, optimistic, pessimistic


@pytest.mark.parametrize("times", TIMES)
def test_trade_that_ate_the_touch_does_not_fill_who_came_to_its_price(times: tuple[int, int]) -> None:
    """100 was sold away and 99 is the touch; a bid comes to 100; then the trade at 100 is told."""
    late = Late(100, 10, 99, 50, times)
    late.rest(100)
    assert late.trade(100, 10) == (0, 0, 0)


@pytest.mark.parametrize("times", TIMES)
def test_trade_that_ate_a_part_of_the_touch_serves_nobody_again(times: tuple[int, int]) -> None:
    """Of 30 there are 5 left, a bid comes behind them; then the trade of 25 is told: 5 are still ahead."""
    late = Late(100, 30, 100, 5, times)
    order = late.rest(100)
    assert late.trade(100, 25) == (0, 0, 0)
    assert order.queue_ahead == 5
    late.trade_ns = 0
    assert late.trade(100, 8) == (3, 8, 0)


@pytest.mark.parametrize("times", TIMES)
def test_second_print_of_a_sweep_does_not_go_through_who_came_after_it(times: tuple[int, int]) -> None:
    """The touch fell from 100 to 97, a bid comes to 99; then a trade at 98 is told, where nobody is displayed."""
    late = Late(100, 30, 97, 5, times)
    order = late.rest(99)
    assert late.trade(98, 40) == (0, 0, 0)
    assert order.queue_ahead == 0


def test_trade_is_known_to_be_the_older_one_by_the_venue_times_alone() -> None:
    """At the new touch nothing else would tell; an order that came before is filled by the same trade."""
    late = Late(100, 30, 97, 5, (4 * MS, 5 * MS))
    late.rest(99)
    assert late.trade(97, 40) == (0, 0, 0)
    late.trade_ns = 5 * MS + 1
    assert late.trade(97, 4) == (4, 4, 4)
    early = Late(100, 30, 100, 30, (4 * MS, 3 * MS))
    early.rest(99)
    early.show(97, 5, 7 * MS, 5 * MS)
    assert early.trade(98, 4) == (4, 4, 4)


def test_trade_that_is_known_to_be_the_newer_one_fills() -> None:
    """The venue's times say that it was made after the market that the order met."""
    late = Late(100, 10, 99, 50, (5 * MS + 1, 5 * MS))
    late.rest(100)
    assert late.trade(100, 4)[1:] == (4, 0)
    late = Late(100, 30, 97, 5, (5 * MS + 1, 5 * MS))
    late.rest(99)
    assert late.trade(98, 4) == (4, 4, 4)


def test_trade_told_first_explains_the_shrinking_that_follows_it() -> None:
    """Then nothing is left that could be told late, and the next trade counts in full for who came after."""
    late = Late(100, 30, 100, 30, (0, 0))
    late.book.trade(100, 25, SELL, 5 * MS)
    late.show(100, 5, 6 * MS, 0)
    late.rest(100)
    assert late.trade(100, 25) == (10, 10, 0)


def test_what_no_trade_explains_in_time_was_cancelled() -> None:
    """After two stretches of pair_ms no trade is taken for an older one."""
    late = Late(100, 30, 97, 5, (0, 0))
    late.rest(99)
    assert late.trade(98, 4, 405 * MS) == (4, 4, 4)
    late = Late(100, 30, 100, 5, (0, 0))
    late.rest(100)
    assert late.trade(100, 8, 401 * MS) == (3, 8, 0)


def test_price_that_is_displayed_again_trades_again() -> None:
    """The touch fell and came back: a trade there may be a new one."""
    late = Late(100, 30, 97, 5, (0, 0))
    order = late.rest(99)
    late.show(98, 5, 7 * MS, 0)
    assert late.trade(98, 4) == (4, 4, 4)
    assert order.remaining == 6


def test_what_is_remembered_is_saved() -> None:
    """A book that was loaded judges late trades as the one that was saved."""
    for price, size, at in ((100, 10, 100), (98, 40, 99), (100, 25, 100)):
        late = Late(100, 30, 100 if size == 25 else 97, 5, (0, 0))
        other = PaperBook(QueueRules(LINEAR, 0, 200 * MS))
        other.load(late.book.save())
        assert other.save() == late.book.save()
        late.book = other
        late.rest(at)
        other = PaperBook(QueueRules(LINEAR, 0, 200 * MS))
        other.load(late.book.save())
        late.book = other
        assert late.trade(price, size) == (0, 0, 0)


def test_venue_hands_on_the_times() -> None:
    """Of touches and of trades."""
    lane = PaperLane()
    lane.take(TopOfBook(1, LIVE, BID, 5_000, ASK, 5_000, 1, START_NS + MS, START_NS))
    lane.place(1, BUY, BID + 100, 1_000)
    for number, venue_ns, filled in ((1, START_NS, []), (2, START_NS + 2 * MS, [(1, BID + 100, 1_000, 0)])):
        lane.take(PublicTrade(1, number, BID, 5_000, SELL, venue_ns, START_NS))
        assert lane.fills() == filled
