"""Losses of all lanes together: what portfolios tell adds up, and one limit stops every lane."""

from __future__ import annotations

import json

from actors.limit_keeper import LimitKeeper
from actors.limit_keeper_params import LimitKeeperParams
from market.messages import (
    HaltReset,
    LeaseGranted,
    LeaseReturned,
    LeaseWanted,
    LimitReached,
    ProfitChanged,
    TradingHalted,
)
from runtime.config.rules import DecimalText
from tests.actors.trading_lane import TradingLane

UNIT = 100_000_000
DAY_MS = 86_400_000


def keeper(**limits: str) -> TradingLane:
    """A keeper with these limits on losses."""
    params = LimitKeeperParams(
        maximum_exposure={"USDT": DecimalText("1000")}, maximum_open_orders=10,
        **{name: DecimalText(text) for name, text in limits.items()},  # type: ignore[arg-type]
    )  # fmt: skip
    return TradingLane(LimitKeeper, params={LimitKeeper: params})


def earned(lane: TradingLane, strategy_id: int, profit: int, fees: int = 0, instrument_id: int = 1) -> None:
    """A portfolio tells what a strategy has earned in an instrument, and the sums that it belongs to."""
    for strategy, instrument in ((strategy_id, instrument_id), (strategy_id, 0), (0, 0)):
        lane.take(ProfitChanged(strategy, instrument, 0, profit * UNIT, fees * UNIT, 0, lane.now_ns))


def halts(lane: TradingLane) -> list[str]:
    """Why the keeper halted so far."""
    assert lane.failures() == []
    return [one.reason for one in lane.of(TradingHalted)]


def test_losses_of_all_lanes_add_up() -> None:
    """No lane has lost too much by itself; what they have lost together halts, once, and is told with its limit."""
    lane = keeper(maximum_daily_loss="100")
    earned(lane, 7, -60, fees=10)
    earned(lane, 8, -30)
    assert halts(lane) == []
    earned(lane, 8, -31)
    assert halts(lane) == ["loss of the day of all lanes together 101 is above maximum_daily_loss 100"]
    (reached,) = lane.of(LimitReached)
    assert (reached.limit, reached.value, reached.bound, reached.halts) == (
        "maximum_daily_loss", 101 * UNIT, 100 * UNIT, True,
    )  # fmt: skip
    earned(lane, 8, -90)
    assert len(halts(lane)) == 1


def test_gain_of_one_lane_makes_up_for_the_loss_of_another() -> None:
    """It is the sum that counts; its fall from the highest is another limit."""
    lane = keeper(maximum_daily_loss="100", maximum_drawdown="50")
    earned(lane, 7, 80)
    earned(lane, 8, -49)
    assert halts(lane) == []
    earned(lane, 8, -52)
    assert halts(lane) == ["fall from the highest value of all lanes together 52 is above maximum_drawdown 50"]


def test_day_and_a_person_begin_anew() -> None:
    """What was lost on the day before does not count, nor what somebody has looked at."""
    lane = keeper(maximum_daily_loss="100")
    earned(lane, 7, -90)
    lane.pass_ms(DAY_MS)
    earned(lane, 7, -100)
    assert halts(lane) == []
    earned(lane, 7, -195)
    assert len(halts(lane)) == 1
    lane.take(HaltReset("ann"))
    earned(lane, 7, -290)
    assert len(halts(lane)) == 1
    earned(lane, 7, -296)
    assert len(halts(lane)) == 2


def test_losses_outlive_a_restart() -> None:
    """The state has what was told; one that was begun without it takes the first word of each as its beginning."""
    lane = keeper(maximum_daily_loss="100")
    earned(lane, 7, -90)
    again = keeper(maximum_daily_loss="100")
    again.core.load(json.loads(json.dumps(lane.core.save())))
    earned(again, 8, -11)
    assert len(halts(again)) == 1
    summary = again.actor(LimitKeeper).summary()
    assert (summary["loss_of_day"], summary["fall_from_peak"]) == ("101", "101")


def test_without_a_limit_on_losses_it_hears_of_none() -> None:
    """It lends, and that is all."""
    params = LimitKeeperParams(maximum_exposure={"USDT": DecimalText("1")}, maximum_open_orders=1)
    unused = LimitKeeper.unused(params)
    assert set(LimitKeeper.HANDLERS) - set(unused) == {LeaseWanted, LeaseReturned}
    assert set(LimitKeeper.GIVES) - set(unused) == {LeaseGranted}
    lane = keeper()
    earned(lane, 7, -(10**9))
    assert halts(lane) == []
