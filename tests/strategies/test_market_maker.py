"""The market maker: where it quotes, how much, when it does not, and what it says of it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from market.messages import (
    BUY,
    SELL,
    STALE,
    ActorFailed,
    ActorRestarted,
    BookStateChanged,
    FeeTaken,
    HaltReset,
    Lagging,
    Message,
    PauseQuoting,
    QuotingChanged,
    ShutdownRequested,
    TradingHalted,
)
from market.positions import SIZE_PARTS
from runtime.actor import Actor
from runtime.config.rules import DecimalText
from strategies.crossover import Crossover
from strategies.market_maker import MarketMaker
from tests.conformance.check_actor import check_declarations
from tests.strategies.maker_lane import BYSTANDER, FAIR, INSTRUMENTS, SECOND, MakerLane, instrument, settings


def test_quotes_both_sides_at_the_half_spread() -> None:
    """Two basis points of 60,000 are 12.00, on both sides of the fair value."""
    lane = MakerLane()
    lane.market()
    assert (lane.bids(), lane.asks()) == ([(59_988.0, 0.01)], [(60_012.0, 0.01)])
    assert lane.last().fair_value == 6_000_000.0


def test_bid_is_rounded_down_and_ask_up() -> None:
    """A quote is never nearer to the fair value than meant."""
    lane = MakerLane()
    lane.market(60_000.005)
    assert (lane.bids(), lane.asks()) == ([(59_988.0, 0.01)], [(60_012.01, 0.01)])


@pytest.mark.parametrize(("side", "sign"), [(BUY, -1), (SELL, 1)])
def test_inventory_moves_both_quotes_against_it(side: int, sign: int) -> None:
    """A long position lowers both quotes, a short one raises them: two basis points at the limit, in proportion."""
    lane = MakerLane(settings(requote_bps=0.0, requote_away_bps=0.0))
    lane.market()
    for step in range(1, 4):
        lane.fill(side, 0.01)
        moved = sign * 12.0 * step / 5
        assert lane.bids()[0][0] == pytest.approx(59_988.0 + moved, abs=0.02)
        assert lane.asks()[0][0] == pytest.approx(60_012.0 + moved, abs=0.02)


def test_a_fee_out_of_what_was_bought_is_none_of_its_inventory() -> None:
    """Of two that were bought one is taken: the quotes are those of somebody who has bought one."""
    lane, other = (MakerLane(settings(requote_bps=0.0, requote_away_bps=0.0)) for _ in range(2))
    for one, size in ((lane, 0.02), (other, 0.01)):
        one.market()
        one.fill(BUY, size)
    fee = round(0.01 * 10 ** INSTRUMENTS[0].size_scale) * SIZE_PARTS
    lane.take(FeeTaken(1, 1, 1, 1, round(FAIR * 10 ** INSTRUMENTS[0].price_scale), fee, 0, 0))
    assert (lane.bids(), lane.asks()) == (other.bids(), other.asks())


def test_it_leans_towards_its_target() -> None:
    """With a target of 0.02 the quotes are where they would be flat once 0.02 is held, and higher before."""
    lane = MakerLane(settings(target=DecimalText("0.02")))
    lane.market()
    assert lane.bids()[0][0] > 59_988.0
    lane.fill(BUY, 0.02)
    assert (lane.bids(), lane.asks()) == ([(59_988.0, 0.01)], [(60_012.0, 0.01)])


def test_quote_that_would_pass_the_limit_shrinks_and_goes() -> None:
    """Near the limit the quote has the size that is left, at the limit there is none; the other side stays."""
    lane = MakerLane()
    lane.market()
    lane.fill(BUY, 0.044)
    assert (lane.bids()[0][1], lane.asks()[0][1]) == (0.006, 0.01)
    lane.fill(BUY, 0.006)
    assert (lane.bids(), lane.asks()[0][1]) == ([], 0.01)
    lane.fill(BUY, 0.01)
    assert (lane.bids(), lane.asks()[0][1]) == ([], 0.01)


def test_position_counts_over_all_venues() -> None:
    """What is bought at one venue lowers the quotes at every venue, and takes room from all of them."""
    lane = MakerLane(instruments=INSTRUMENTS)
    lane.market()
    before = [lane.bids(number)[0][0] for number in (1, 2, 3)]
    lane.fill(BUY, 0.03, number=2)
    lane.market()
    after = [lane.bids(number)[0][0] for number in (1, 2, 3)]
    assert [round(old - new, 1) for old, new in zip(before, after, strict=True)] == [7.2, 7.2, 7.2]
    assert [lane.bids(number)[0][1] for number in (1, 2, 3)] == [0.00666, 0.00666666, 0.0066666]
    lane.fill(SELL, 0.03, number=3)
    lane.market()
    assert [lane.bids(number)[0] for number in (1, 2, 3)] == [(59_988.0, 0.01)] * 3


def test_all_wanted_bids_together_stay_within_the_limit() -> None:
    """If every wanted quote of a side traded at once, at all venues, the position would be at its limit."""
    lane = MakerLane(settings(levels=5), instruments=INSTRUMENTS)
    lane.market()
    assert sum(size for number in (1, 2, 3) for _, size in lane.bids(number)) == pytest.approx(0.05, abs=1e-4)
    lane.fill(BUY, 0.02, number=1)
    lane.market()
    assert sum(size for number in (1, 2, 3) for _, size in lane.bids(number)) == pytest.approx(0.03, abs=1e-4)
    assert sum(size for number in (1, 2, 3) for _, size in lane.asks(number)) == pytest.approx(0.07, abs=1e-4)


def test_fills_of_another_strategy_are_not_its_own() -> None:
    """Only its own position moves its quotes."""
    lane = MakerLane()
    lane.market()
    lane.fill(BUY, 0.03, strategy_id=7)
    assert len(lane.told) == 2
    assert lane.bids() == [(59_988.0, 0.01)]


def test_levels_have_their_spacing_and_sizes() -> None:
    """Each level is a basis point behind the one before, and larger by the step."""
    lane = MakerLane(settings(levels=3, level_spacing_bps=1.0, size_step=DecimalText("0.005")))
    lane.market()
    assert lane.bids() == [(59_988.0, 0.01), (59_982.0, 0.015), (59_976.0, 0.02)]
    assert lane.asks() == [(60_012.0, 0.01), (60_018.0, 0.015), (60_024.0, 0.02)]


def test_levels_without_spacing_are_a_tick_apart() -> None:
    """Two levels never share a price."""
    lane = MakerLane(settings(levels=3, level_spacing_bps=0.0))
    lane.market()
    assert [price for price, _ in lane.bids()] == [59_988.0, 59_987.99, 59_987.98]


def test_size_shading_makes_the_adding_side_smaller() -> None:
    """At half of the limit and a shading of one, the bid has half of its size and the ask all of it."""
    lane = MakerLane(settings(size_shading=1.0))
    lane.market()
    lane.fill(BUY, 0.025)
    assert (lane.bids()[0][1], lane.asks()[0][1]) == (0.005, 0.01)


@pytest.mark.parametrize(("fee", "moved"), [("1", 6.0), ("-1", -6.0)])
def test_fees_and_rebates_are_in_the_quotes(fee: str, moved: float) -> None:
    """A maker fee of a basis point puts both quotes that much further away, a rebate nearer."""
    lane = MakerLane(settings(fee_share=1.0), (instrument(1, "binance", "0.01", "0.00001", maker_fee_bps=fee),))
    lane.market()
    assert (lane.bids()[0][0], lane.asks()[0][0]) == (59_988.0 - moved, 60_012.0 + moved)


def test_a_rebate_never_turns_the_spread_around() -> None:
    """A rebate larger than the half spread leaves both quotes at the fair value, the ask above the bid."""
    rebated = (instrument(1, "binance", "0.01", "0.00001", maker_fee_bps="-9"),)
    lane = MakerLane(settings(fee_share=1.0), rebated)
    lane.market()
    assert (lane.bids()[0][0], lane.asks()[0][0]) == (60_000.0, 60_000.01)


def test_volatility_widens_the_quotes() -> None:
    """With a factor of one the half spread grows by one standard deviation of a second, once it is measured."""
    lane = MakerLane(settings(volatility_factor=1.0, volatility_bps=3.0, least_samples=10, volatility_half_life_s=5.0))
    lane.market()
    assert lane.bids()[0][0] == 60_000.0 - 30.0
    for second in range(1, 40):
        lane.now_ns += SECOND
        lane.market(FAIR * (1.0 + 1e-4 * (second % 2)))
    assert lane.maker.quoting[1].spread.sigma == pytest.approx(1.0, rel=1e-3)
    assert lane.bids()[0][0] == pytest.approx(FAIR * (1.0 + 1e-4) * (1.0 - 3e-4), abs=0.05)


def test_post_only_it_never_crosses_the_touch_of_its_venue() -> None:
    """With a fair value beyond the touch the quote stays one tick before it: it never takes."""
    lane = MakerLane(settings(half_spread_bps=0.1))
    lane.take(lane.top(1, 60_000.0, 2.0), lane.fair(1, 60_020.0))
    assert lane.bids()[0][0] == 60_001.0 - 0.01
    lane.take(lane.top(1, 60_000.0, 2.0), lane.fair(1, 59_980.0))
    assert lane.asks()[0][0] == 59_999.0 + 0.01


def test_a_touch_that_comes_to_a_quote_moves_it_away() -> None:
    """When the venue's ask comes down to our bid, the bid goes below it, whatever the threshold."""
    lane = MakerLane(settings(requote_bps=50.0, requote_away_bps=50.0))
    lane.market()
    lane.take(lane.top(1, 59_987.0, 2.0))
    assert lane.bids()[0][0] == 59_987.99


def test_a_fair_value_far_from_the_touch_is_not_believed() -> None:
    """Beyond the largest deviation nothing is quoted at that venue, and it is said why; elsewhere it goes on."""
    lane = MakerLane(settings(maximum_deviation_bps=10.0), INSTRUMENTS[:2])
    lane.market()
    lane.take(lane.top(1, 60_100.0), lane.fair(2, 60_001.0))
    assert (lane.bids(1), lane.asks(1)) == ([], [])
    assert lane.last(1).reason == "the fair value is further than 10 bps from the touch"
    assert lane.bids(2) != []
    lane.take(lane.top(1, 60_000.0))
    assert lane.bids(1) == [(59_988.0, 0.01)]


# ---- staying where it is


def test_noise_below_the_threshold_moves_nothing() -> None:
    """Half a basis point is 3.00: a fair value that wanders within that leaves the quotes alone."""
    lane = MakerLane()
    lane.market()
    told = len(lane.told)
    for price in (60_002.9, 59_997.1, 60_001.0):
        lane.market(price)
    assert len(lane.told) == told
    lane.market(60_003.2)
    assert len(lane.told) == told + 1
    assert lane.bids()[0][0] == 59_991.19


def test_a_quote_that_is_too_near_moves_before_one_that_is_too_far() -> None:
    """When the price rises the ask follows at its threshold of 3.00, the bid only at its own of 6.00."""
    lane = MakerLane(settings(requote_away_bps=1.0))
    lane.market()
    lane.market(60_003.5)
    assert (lane.bids()[0][0], lane.asks()[0][0]) == (59_988.0, 60_015.51)
    lane.market(60_006.5)
    assert (lane.bids()[0][0], lane.asks()[0][0]) == (59_994.49, 60_015.51)


def test_outer_levels_follow_later() -> None:
    """Each level behind the best may be another basis point off its target before it moves."""
    lane = MakerLane(settings(levels=3, level_spacing_bps=5.0, requote_outer_bps=1.0))
    lane.market()
    before = [price for price, _ in lane.bids()]
    moved = []
    for price in (60_004.0, 60_010.0, 60_016.0):
        lane.market(price)
        moved.append([old != new for old, (new, _) in zip(before, lane.bids(), strict=True)])
    assert moved == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_target_that_wanders_around_a_tick_does_not_flicker() -> None:
    """At a coarse tick a level stays although its target rounds to the one beside it now and then."""
    lane = MakerLane(settings(requote_bps=0.01, requote_away_bps=0.01), (instrument(1, "binance", "10", "0.00001"),))
    lane.market(60_002.5, 40.0)
    told = len(lane.told)
    for price in (60_001.97, 60_002.03, 60_007.9, 60_001.97):
        lane.market(price, 40.0)
    assert [price for price, _ in lane.bids()] == [59_990.0]
    assert len(lane.told) == told


def test_a_quote_that_is_first_in_its_queue_stays_longer() -> None:
    """At the touch, with nobody ahead, the threshold is twice as wide; with everybody ahead it is as it was."""
    for ahead, stays in ((0.0, True), (1.0, False)):
        lane = MakerLane(settings(queue_patience=1.0))
        lane.market()
        touch = lane.top(1, 60_000.0, 24.0)
        lane.take(touch)
        if ahead == 0.0:
            lane.fill(BUY, 0.00001, price=59_988.0)
            lane.fill(SELL, 0.00001, price=60_012.0)
            lane.maker.quoting[1].bids.see_trade(5_998_800, 10**9)
            lane.take(touch)
            lane.maker.quoting[1].bids.ahead[0] = 0
        lane.take(lane.fair(1, 60_004.5))
        assert (lane.bids()[0][0] == 59_988.0) is stays


def test_trades_at_its_price_bring_a_quote_forward() -> None:
    """What was displayed when the touch came is ahead; trades at the price serve it, other prices do not."""
    lane = MakerLane(settings(queue_patience=1.0))
    lane.market()
    lane.take(lane.top(1, 60_000.0, 24.0, size=0.5))
    bids = lane.maker.quoting[1].bids
    assert bids.standing(0) == 0.0
    bids.see_trade(5_998_800, 25_000)
    bids.see_trade(5_998_700, 25_000)
    assert bids.standing(0) == 0.5
    lane.take(lane.top(1, 60_000.0, 24.0, size=0.125))
    assert bids.ahead[0] == 12_500


def test_an_unchanged_want_is_told_once() -> None:
    """The same batch again says nothing."""
    lane = MakerLane()
    for _ in range(5):
        lane.market()
    assert len([one for one in lane.told if one.fair_value > 0.0]) == 1


# ---- when nothing may be quoted


def test_no_quote_without_a_live_book() -> None:
    """With a fair value but no live book of that venue nothing is wanted there; the other venue goes on."""
    lane = MakerLane(instruments=INSTRUMENTS[:2])
    lane.take(lane.fair(1), lane.fair(2), lane.top(2))
    assert (lane.bids(1), lane.asks(1), lane.last(1).reason) == ([], [], "the book is not live")
    assert lane.bids(2) != []
    lane.market()
    assert lane.bids(1) != []
    lane.take(BookStateChanged(1, STALE, "silence", 0, 0), lane.top(1, state=STALE))
    assert (lane.bids(1), lane.last(1).reason) == ([], "the book is not live")
    lane.take(lane.fair(1, 60_010.0), lane.fair(2, 60_010.0))
    assert lane.bids(1) == []
    lane.market()
    assert lane.bids(1) != []


@pytest.mark.parametrize("venues", [1, 2, 3])
def test_enough_venues_have_to_be_live(venues: int) -> None:
    """With fewer live venues than wanted there are no quotes anywhere."""
    lane = MakerLane(settings(min_live_venues=2), INSTRUMENTS)
    for number in (1, 2, 3):
        lane.take(*((lane.top(number),) if number <= venues else ()), lane.fair(number))
    assert (lane.bids(1) != []) == (venues >= 2)
    if venues == 1:
        assert lane.maker.quoting[1].reason == "only 1 of 3 venues live"


@pytest.mark.parametrize(
    ("confidence", "reason"), [(0.0, "no fair value"), (0.4, "the fair value's confidence of 0.40 is below 0.50")]
)
def test_an_unsure_fair_value_is_not_trusted(confidence: float, reason: str) -> None:
    """Below the least confidence the quotes go, and say so."""
    lane = MakerLane()
    lane.market()
    lane.take(lane.fair(1, FAIR, confidence))
    assert (lane.bids(), lane.last().reason) == ([], reason)


@pytest.mark.parametrize(
    ("forbids", "allows", "reason"),
    [
        (Lagging(300_000_000), Lagging(0), "lagging"),
        (PauseQuoting(True, "me"), PauseQuoting(False, "me"), "paused"),
        (TradingHalted("loss", "risk"), HaltReset("me"), "trading is halted"),
    ],
)
def test_what_forbids_quotes_and_allows_them_again(forbids: Message, allows: Message, reason: str) -> None:
    """The quotes go in the same step with the reason, and are wanted again as soon as they may be."""
    lane = MakerLane()
    lane.market()
    lane.take(forbids)
    assert (lane.bids(), lane.asks(), lane.last().reason) == ([], [], reason)
    lane.market(60_100.0)
    assert lane.bids() == []
    lane.take(allows)
    assert lane.bids() != []


def test_it_quotes_again_when_the_order_manager_would_take_it() -> None:
    """Wants that were dropped are said again, although nothing else has changed; others' news is not its own."""
    lane = MakerLane()
    lane.market()
    told = len(lane.told)
    lane.take(QuotingChanged(7, 1, True, "another strategy", 0), QuotingChanged(1, 1, False, "pulled", 0))
    assert len(lane.told) == told
    lane.take(QuotingChanged(1, 1, True, "it may again", 0))
    assert lane.told[told:] == [lane.told[told - 1]]


def test_a_shutdown_ends_it() -> None:
    """Nothing is wanted after it was asked to stop."""
    lane = MakerLane()
    lane.market()
    lane.take(ShutdownRequested("done", 0))
    lane.market(60_100.0)
    assert (lane.bids(), lane.last().reason) == ([], "shutting down")


def test_after_a_failure_it_waits_for_new_books_and_prices() -> None:
    """Whoever failed may have made what it believed: nothing until both were told again."""
    lane = MakerLane()
    lane.market()
    lane.take(ActorFailed(BYSTANDER, 1, 1, "test"))
    assert lane.bids() == []
    lane.take(ActorRestarted(BYSTANDER, 1))
    lane.take(lane.fair())
    assert lane.bids() == []
    lane.take(lane.top())
    assert lane.bids() == [(59_988.0, 0.01)]


# ---- what it says


def test_every_quote_says_why() -> None:
    """The reason has the fair value, the parts of the half spread, the skew and the position."""
    fees = (instrument(1, "binance", "0.01", "0.00001", maker_fee_bps="0.5"),)
    lane = MakerLane(settings(fee_share=1.0, volatility_factor=2.0, volatility_bps=0.25), fees)
    lane.market()
    lane.fill(BUY, 0.01)
    assert lane.last().reason == (
        "fair 60000.00; half 3.00 bps = base 2.00 + volatility 0.50 + fee 0.50; skew -0.40 bps; held 0.01000"
    )


def test_panel_has_every_quote_with_its_reason() -> None:
    """What a dashboard draws: each level as text, why it is there, and what the quotes are made of."""
    lane = MakerLane(settings(levels=2), INSTRUMENTS[:2])
    lane.market()
    panel = lane.maker.panel()
    quotes = panel["quotes"]
    assert isinstance(quotes, list)
    assert len(quotes) == 8
    assert quotes[0]["instrument_id"] == 1
    assert (quotes[0]["side"], quotes[0]["price"], quotes[0]["size"]) == ("buy", "59988.00", "0.01000")
    assert "half 2.00 bps" in quotes[0]["why"]
    assert (panel["kind"], panel["quoting"], panel["status"]) == ("strategy", True, "quoting")
    lane.take(PauseQuoting(True, "me"))
    assert lane.maker.panel()["status"] == "kraken: paused"
    assert lane.maker.panel()["quoting"] is False


@pytest.mark.parametrize("class_", [MarketMaker, Crossover], ids=lambda class_: class_.__name__)
def test_declarations_are_true(class_: type[Actor]) -> None:
    """Handlers exist, and state that is saved can be loaded."""
    check_declarations(class_)


def test_an_inverse_contract_is_refused() -> None:
    """A position in base that changes with the price is not added up; the message says what to do."""
    from market.instruments import Instrument

    inverse = Instrument.from_text(
        instrument_id=1, symbol="BTC/USD", venue="binance", venue_symbol="BTCUSD_PERP", base="BTC", quote="USD",
        kind="perpetual", inverse=True, tick="0.1", lot="1", multiplier="100",
    )  # fmt: skip
    with pytest.raises(ValueError, match="is an inverse contract"):
        MakerLane(instruments=(inverse,))


@pytest.mark.parametrize("mode", ["avellaneda_stoikov", "glft"])
def test_the_models_quote_and_lean(mode: str) -> None:
    """Both models quote around the fair value, at least the least half spread away, and lean against the inventory."""
    lane = MakerLane(settings(mode=mode, half_spread_bps=0.5, risk_aversion=0.2, volatility_bps=1.0))
    lane.market()
    flat = (lane.bids()[0][0], lane.asks()[0][0])
    assert flat[0] <= FAIR - 3.0 < FAIR + 3.0 <= flat[1]
    lane.fill(BUY, 0.02)
    assert lane.bids()[0][0] < flat[0]
    assert lane.asks()[0][0] < flat[1]


def test_avellaneda_stoikov_without_a_horizon_keeps_to_its_limit() -> None:
    """The formula without a horizon leans harder the nearer the limit is, and both quotes stay numbers at it."""
    moving = {"requote_bps": 0.0, "requote_away_bps": 0.0}
    lane = MakerLane(settings(mode="avellaneda_stoikov", horizon_s=0.0, risk_aversion=0.2, **moving))
    lane.market(width=200.0)
    asks = [lane.asks()[0][0]]
    for _ in range(5):
        lane.fill(BUY, 0.01)
        asks.append(lane.asks()[0][0])
    assert all(later < earlier for earlier, later in pairwise(asks))
    assert lane.bids() == []


@pytest.mark.parametrize("volatility", [0.0, 5e-324, 1e-160, 1_000.0])
@pytest.mark.parametrize("gamma", [0.0, 1e-300, 1_000.0])
@pytest.mark.parametrize(
    ("mode", "horizon"), [("avellaneda_stoikov", 0.0), ("avellaneda_stoikov", 60.0), ("glft", 1.0)]
)
def test_no_setting_makes_a_model_speechless(mode: str, horizon: float, gamma: float, volatility: float) -> None:
    """A market that stands still, or storms, and an aversion of nothing, or of all: the quotes stay prices."""
    extreme = settings(mode=mode, horizon_s=horizon, risk_aversion=gamma, volatility_bps=volatility)
    lane = MakerLane(extreme)
    lane.market(width=10_000.0)
    lane.fill(BUY, 0.04)
    assert 0.0 < lane.bids()[0][0] < lane.asks()[0][0] < 2.0 * FAIR
