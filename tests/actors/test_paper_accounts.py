"""The three accounts of the paper venue: which event fills in which, what it costs, and how they end together."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.instruments import Instrument
from market.messages import (
    BUY,
    MAKER,
    MODEL_OPTIMISTIC,
    MODEL_PESSIMISTIC,
    MODEL_QUEUE,
    SELL,
    STALE,
    TAKER,
    OrderFilled,
    ShadowFilled,
)
from market.numbers import MAX_I64
from market.paper_terms import FINE, PaperTerms
from tests.actors.paper_lane import ASK, BID, STRATEGY, PaperLane
from tests.actors.trading_lane import INSTRUMENT
from tests.generators import instruments
from tests.seeds import examples

MODELS = (MODEL_QUEUE, MODEL_OPTIMISTIC, MODEL_PESSIMISTIC)


def resting(size: int = 1_000) -> PaperLane:
    """A bid behind 5,000."""
    lane = PaperLane()
    lane.top(BID, 5_000, ASK, 5_000)
    lane.place(1, BUY, BID, size)
    return lane


def filled(lane: PaperLane) -> tuple[int, int, int]:
    """What each account has filled: queue, optimistic, pessimistic."""
    queue, optimistic, pessimistic = (sum(size for _, _, size, _ in lane.fills(model)) for model in MODELS)
    return queue, optimistic, pessimistic


def test_trade_at_the_price_fills_the_optimist_first() -> None:
    """Being there is enough for it; the queue fills once those ahead are served; the pessimist does not fill."""
    lane = resting()
    lane.trade(BID, 300, SELL)
    assert filled(lane) == (0, 300, 0)
    lane.trade(BID, 4_900, SELL)
    assert filled(lane) == (200, 1_000, 0)


def test_trade_through_fills_all_three() -> None:
    """Up to its size, each account what it has left."""
    lane = resting()
    lane.trade(BID, 5_400, SELL)
    lane.trade(BID - 100, 300, SELL)
    assert filled(lane) == (700, 1_000, 300)


def test_touch_that_comes_fills_all_but_the_pessimist() -> None:
    """A seller who asks our price would have traded with us; nobody did trade."""
    lane = resting()
    lane.top(BID - 200, 5_000, BID, 400)
    assert filled(lane) == (400, 400, 0)


def test_taking_is_the_same_in_all_three() -> None:
    """What is displayed is there for whoever takes it, whichever account; the fee is the taker's."""
    lane = PaperLane()
    lane.top(BID, 5_000, ASK, 5_000)
    lane.place(1, BUY, ASK, 700)
    assert filled(lane) == (700, 700, 700)
    fee = INSTRUMENT.fee(ASK, 700, TAKER)
    assert [one.fee for one in lane.of(OrderFilled)] == [fee]
    assert [one.fee for one in lane.of(ShadowFilled)] == [fee, fee]


def test_shadows_end_with_the_order() -> None:
    """After the end of the driving order, filled or cancelled, no account fills."""
    lane = resting()
    lane.trade(BID, 6_000, SELL)
    lane.trade(BID - 100, 9_000, SELL)
    assert filled(lane) == (1_000, 1_000, 0)
    lane.place(2, BUY, BID, 1_000)
    lane.cancel(2)
    lane.trade(BID - 100, 9_000, SELL)
    assert filled(lane) == (1_000, 1_000, 0)


def test_shadow_fills_say_whose_and_what_is_left() -> None:
    """Order, strategy, side, price, and what is left by their own rule; they follow the driving fill."""
    lane = resting()
    lane.trade(BID - 100, 400, SELL)
    told = [one for one in lane.heard if isinstance(one, (OrderFilled, ShadowFilled))]
    assert [type(one) for one in told] == [OrderFilled, ShadowFilled, ShadowFilled]
    shadow = told[1]
    assert isinstance(shadow, ShadowFilled)
    assert (shadow.strategy_id, shadow.side, shadow.price, shadow.remaining) == (STRATEGY, BUY, BID, 600)
    assert shadow.fee == INSTRUMENT.fee(BID, 400, MAKER)


def test_change_of_size_is_a_change_for_all_three() -> None:
    """Each account keeps what it filled; one that filled more than the new size has nothing left until it is passed."""
    lane = resting()
    lane.trade(BID, 800, SELL)
    lane.replace(1, BID, 600)
    lane.trade(BID, 500, SELL)
    assert filled(lane) == (0, 800, 0)
    lane.replace(1, BID, 900)
    lane.trade(BID, 500, SELL)
    assert filled(lane) == (0, 900, 0)
    lane.trade(BID - 100, 900, SELL)
    assert filled(lane) == (900, 900, 900)


def test_while_the_book_is_not_live_only_a_trade_through_fills() -> None:
    """It proves that the price was passed. A trade at the price serves those ahead and fills nobody."""
    lane = resting()
    lane.top(BID, 5_000, ASK, 5_000, STALE)
    lane.top(BID - 300, 5_000, BID - 200, 5_000, STALE)
    lane.trade(BID, 4_900, SELL)
    assert filled(lane) == (0, 0, 0)
    lane.trade(BID - 100, 100, SELL)
    assert filled(lane) == (100, 100, 100)


def test_trade_and_shrinking_of_its_level_count_once_in_either_order() -> None:
    """Whether the book or the trade is told first, those ahead are served once."""
    for book_first in (False, True):
        lane = resting()
        if book_first:
            lane.top(BID, 2_000, ASK, 5_000)
        lane.trade(BID, 3_000, SELL)
        if not book_first:
            lane.top(BID, 2_000, ASK, 5_000)
        lane.pass_ms(1_000)
        lane.trade(BID, 1_900, SELL)
        assert filled(lane)[0] == 0
        lane.trade(BID, 200, SELL)
        assert filled(lane)[0] == 100


@pytest.mark.parametrize(
    ("cancels_ahead", "share", "ahead"),
    [("fixed", "0", 3_000), ("fixed", "0.25", 2_500), ("fixed", "1", 1_000), ("linear", "0", 2_143),
     ("squared", "0", 2_280)],
)  # fmt: skip
def test_share_of_cancels_ahead_is_as_stated(cancels_ahead: str, share: str, ahead: int) -> None:
    """Of 3,000 ahead and 4,000 behind, 2,000 were cancelled: the share moves the order up, rounded against us."""
    lane = PaperLane(cancels_ahead=cancels_ahead, cancels_ahead_share=share)
    lane.top(BID, 3_000, ASK, 5_000)
    lane.place(1, BUY, BID, 100)
    lane.top(BID, 7_000, ASK, 5_000)
    lane.top(BID, 5_000, ASK, 5_000)
    lane.pass_ms(1_000)
    lane.trade(BID, 1, SELL)
    assert lane.venue.orders[1].ahead == ahead - 1


@pytest.mark.parametrize("cancels_ahead", ["linear", "squared", "fixed"])
def test_every_fill_is_a_whole_number_of_lots(cancels_ahead: str) -> None:
    """Of a contract with a lot of 10,000 in its scale, whatever shares and sizes of others come to."""
    contract = attrs.evolve(INSTRUMENT, lot=10_000, minimum_size=10_000)
    lane = PaperLane(cancels_ahead=cancels_ahead, cancels_ahead_share="0.333", instrument=contract)
    lane.top(BID, 35_001, ASK, 33_333)
    lane.place(1, BUY, BID, 100_000)
    lane.place(2, BUY, BID, 50_000)
    lane.place(3, BUY, ASK, 40_000)
    lane.top(BID, 21_117, ASK, 70_000)
    lane.pass_ms(1_000)
    for size in (17_003, 9_999, 26_001, 15_500):
        lane.trade(BID, size, SELL)
    lane.trade(BID - 100, 27_777, SELL)
    lane.top(BID - 200, 5_000, BID, 33_331)
    sizes = [size for model in MODELS for _, _, size, _ in lane.fills(model)]
    assert all(filled(lane))
    assert [size for size in sizes if size % 10_000 != 0] == []
    assert [left for model in MODELS for _, _, _, left in lane.fills(model) if left % 10_000 != 0] == []


def test_two_orders_share_one_trade_in_each_account() -> None:
    """No account fills more than traded, over all orders of ours together."""
    lane = resting(600)
    lane.place(2, BUY, BID, 600)
    lane.trade(BID, 5_700, SELL)
    assert lane.fills() == [(1, BID, 600, 0), (2, BID, 100, 500)]
    lane.trade(BID - 100, 300, SELL)
    assert filled(lane) == (1_000, 1_200, 300)


@pytest.mark.parametrize(
    ("drive", "traded", "met"),
    [
        ("queue", (700, 1_000, 300), (800, 1_000, 300)),
        ("optimistic", (1_000, 1_000, 1_000), (1_000, 1_000, 1_000)),
        ("pessimistic", (300, 300, 300), (300, 300, 300)),
    ],
)
def test_another_model_may_drive(drive: str, traded: tuple[int, int, int], met: tuple[int, int, int]) -> None:
    """Then all three accounts follow it, and the bracket is one number; the order lives by it too."""
    lane = PaperLane(drive=drive)
    lane.top(BID, 5_000, ASK, 5_000)
    lane.place(1, BUY, BID, 1_000)
    lane.trade(BID, 5_400, SELL)
    lane.top(BID - 100, 5_000, BID + 100, 5_000)
    lane.trade(BID - 100, 300, SELL)
    assert filled(lane) == traded
    lane.top(BID - 200, 5_000, BID - 100, 100)
    assert filled(lane) == met


@settings(max_examples=examples(200, 20_000))
@given(instruments(), st.integers(1, 2**40), st.integers(1, 2**40), st.sampled_from([MAKER, TAKER]))
def test_fee_is_that_of_the_instrument(instrument: Instrument, price: int, lots: int, liquidity: int) -> None:
    """Exact, rounded once, up, also for inverse contracts and rebates."""
    terms = PaperTerms(instrument)
    # No larger than any size can be.
    size = min(lots, MAX_I64 // instrument.lot) * instrument.lot
    assert terms.fee(price, size, liquidity) == instrument.fee(price, size, liquidity)


@settings(max_examples=examples(200, 20_000))
@given(instruments(), st.integers(-5, 2_000_000), st.integers(-5, 2_000_000))
def test_an_order_is_refused_when_the_instrument_forbids_it(instrument: Instrument, price: int, size: int) -> None:
    """With a code for programs, where the instrument has words."""
    problem = PaperTerms(instrument).problem_of(price, size)
    assert (problem == FINE) == (instrument.check_order(price, size) is None)
