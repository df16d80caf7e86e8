"""A side that is as wanted is not looked at again, and nothing that is asked for differs by that."""

from __future__ import annotations

import pytest

from actors.order_manager import OrderManager
from actors.order_quotes import NOT_SETTLED
from market.messages import (
    BUY,
    SELL,
    CancelOrder,
    ChildOrder,
    ChildReplace,
    Message,
    OrderCancelled,
    QuotingChanged,
    ShutdownRequested,
)
from tests.actors.test_order_manager import FIRST_ID, filled, quoting, wanted
from tests.actors.test_order_manager_venue import SETTINGS, Desk
from tests.actors.trading_lane import INSTRUMENT_ID, TradingLane
from tests.seeds import seeds

NOT_BEGUN = 77


class ForgetfulDesk(Desk):
    """The same, but before every step the order manager forgets which sides are as wanted: it walks all of them."""

    def step(self) -> None:
        """One thing happens."""
        forget(self.lane)
        super().step()


def forget(lane: TradingLane) -> None:
    """No side is known to be as wanted, and none knows what it was told."""
    for quoted in lane.actor(OrderManager).quotes.all():
        for side in (quoted.bids, quoted.asks):
            side.settled_version = NOT_SETTLED
            side.told_prices = side.prices
            side.told_sizes = side.sizes


def asked(lane: TradingLane) -> list[Message]:
    """Everything that was asked for and told so far."""
    return [one for one in lane.heard if isinstance(one, ChildOrder | ChildReplace | CancelOrder | QuotingChanged)]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seed", seeds(4, 300))
def test_nothing_is_asked_for_that_a_walk_over_everything_would_not_ask(name: str, seed: int) -> None:
    """Two order managers before the same venue, strategy and losses: one remembers what is settled, one does not."""
    one = Desk(seed, SETTINGS[name], loss=0.04)
    other = ForgetfulDesk(seed, SETTINGS[name], loss=0.04)
    for step in range(300):
        one.step()
        other.step()
        assert len(one.lane.heard) == len(other.lane.heard), f"step {step}"
    assert asked(one.lane) == asked(other.lane)
    for desk in (one, other):
        desk.lane.take(ShutdownRequested("test", 0))
    assert asked(one.lane) == asked(other.lane)


def is_walked(lane: TradingLane, *messages: Message) -> bool:
    """Whether these inputs have the order manager compare anything."""
    alignment = lane.actor(OrderManager).quotes.alignment
    alignment.orders = NOT_BEGUN
    lane.take(*messages)
    return alignment.orders != NOT_BEGUN


def settled() -> TradingLane:
    """Two quotes that work as they are wanted."""
    lane = quoting()
    lane.take(wanted([(99, 10)], [(101, 10)]))
    return lane


def test_the_same_want_is_compared_with_nothing() -> None:
    """Nothing has changed, so nothing is looked at."""
    lane = settled()
    assert not is_walked(lane, wanted([(99, 10)], [(101, 10)]))
    assert lane.heard[-1] == wanted([(99, 10)], [(101, 10)])


@pytest.mark.parametrize(
    "news",
    [
        wanted([(98, 10)], [(101, 10)]),
        wanted([(99, 11)], [(101, 10)]),
        wanted([(99, 10)], []),
        wanted([(99, 10), (98, 10)], [(101, 10)]),
    ],
)
def test_another_want_is_compared(news: Message) -> None:
    """A price, a size, or the number of levels."""
    assert is_walked(settled(), news)


def test_a_fill_an_end_and_a_request_have_the_next_want_compared() -> None:
    """Whatever happens to an order of the side."""
    for news in (filled(0, BUY, 99, 4, 6), OrderCancelled(FIRST_ID, INSTRUMENT_ID, 10, 0, "venue")):
        lane = settled()
        lane.take(news)
        assert is_walked(lane, wanted([(99, 10)], [(101, 10)])), news
    lane = settled()
    lane.take(CancelOrder(FIRST_ID, INSTRUMENT_ID, "somebody", 0))
    assert is_walked(lane, wanted([(99, 10)], [(101, 10)]))


def test_what_happens_on_one_side_leaves_the_other_alone() -> None:
    """A fill of the ask changes nothing for the bids."""
    lane = settled()
    lane.take(filled(1, SELL, 101, 4, 6))
    bids = lane.actor(OrderManager).quotes.all()[0].bids
    assert bids.is_settled()
    lane.take(wanted([(99, 10)], [(102, 10)]))
    assert bids.is_settled()
