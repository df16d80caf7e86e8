"""Fair value: a blend of mid and microprice, of live books only."""

from __future__ import annotations

import pytest

from actors.fair_value import FairValueActor
from actors.fair_value_params import FairValueParams
from market.messages import BROKEN, LIVE, STALE, FairValue
from tests.actors.trading_lane import TradingLane, top


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 10_050.0), (1.0, 10_075.0), (0.5, 10_062.5)])
def test_price_blends_mid_and_microprice(weight: float, expected: float) -> None:
    """The microprice leans towards the side with less size: three times the bid size moves it up by a quarter."""
    lane = TradingLane(FairValueActor, params={FairValueActor: FairValueParams(microprice_weight=weight)})
    lane.take(top(10_000, 10_100, bid_size=300, ask_size=100))
    (fair,) = lane.of(FairValue)
    assert (fair.price, fair.confidence) == (expected, 1.0)


@pytest.mark.parametrize("state", [STALE, BROKEN])
def test_withdraws_once_when_the_book_is_not_live(state: int) -> None:
    """It says once that it does not know, and then nothing until it knows again."""
    lane = TradingLane(FairValueActor)
    lane.take(top(10_000, 10_100))
    lane.take(top(10_000, 10_100, state=state))
    lane.take(top(10_001, 10_100, state=state))
    assert [fair.confidence for fair in lane.of(FairValue)] == [1.0, 0.0]
    lane.take(top(10_000, 10_100, state=LIVE))
    assert [fair.confidence for fair in lane.of(FairValue)] == [1.0, 0.0, 1.0]


def test_one_sided_book_has_no_fair_value() -> None:
    """A book without bids or without asks prices nothing."""
    lane = TradingLane(FairValueActor)
    lane.take(top(10_000, 10_100, ask_size=0))
    assert lane.of(FairValue) == []


def test_large_numbers_do_not_wrap() -> None:
    """Prices and sizes whose product passes 64 bits are priced as any other."""
    lane = TradingLane(FairValueActor, params={FairValueActor: FairValueParams(microprice_weight=1.0)})
    lane.take(top(2**60, 2**60, bid_size=2**60, ask_size=2**60))
    assert lane.of(FairValue)[0].price == float(2**60)
