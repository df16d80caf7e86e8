"""The agents of a simulated market: the shape of what they make, their bounds, and that it is the same every time."""

from __future__ import annotations

import json
import statistics
from functools import cache
from itertools import pairwise

import attrs
import pytest

from exchange.agent_base import AgentsError
from exchange.agent_crowd import Crowd
from exchange.agents import MOST_TURNS
from exchange.agents_params import MarketAgentsParams, round_step
from exchange.params import AccountParams, ExchangeParams
from market.messages import (
    BUY,
    REJECT_BALANCE,
    SELL,
    STATUS_HALTED,
    STATUS_TRADING,
    ActorFailed,
    ActorRestarted,
    EntryWanted,
    RunStarted,
    StatusWanted,
    TimerFired,
)
from runtime.actor import ActorError
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText
from runtime.journal.records import RecordBuffer, RecordScanner
from runtime.replay_core import Replayer
from tests.actors.trading_lane import Spy
from tests.exchange.agents_lane import (
    FIRST_ACCOUNT,
    SECOND,
    START_NS,
    SYMBOL,
    MarketRun,
    agents_params,
    exchange_params,
    make_market,
)
from tests.seeds import seeds

WARM = 4
LONG = 64
TICK = 1


@cache
def long_run() -> MarketRun:
    """A minute of a lively market; the tests below look at it and change nothing."""
    return MarketRun(agents_params()).until(LONG)


@cache
def late_run() -> MarketRun:
    """The same hidden price at another exchange: later, with an error and agents of its own."""
    return MarketRun(agents_params(seed=2, lag_ms=150, error_ppm=100, error_seconds=8)).until(LONG)


def steady(run: MarketRun) -> tuple[int, int]:
    """A digest of all that was said, and how much it was."""
    return run.core.digest.value, run.core.digest.count


# ---- the shape


def test_the_touch_is_a_few_ticks_wide_and_has_two_sides() -> None:
    """Nearly always both sides are there; the spread is a few ticks in the mean and never wide for long."""
    run = long_run()
    tops = [top for top in run.tape.tops if top.receive_ns >= START_NS + WARM * SECOND]
    pairs = [(top, after) for top, after in pairwise(tops) if 0 in (top.bid_size, top.ask_size)]
    missing = sum(after.receive_ns - top.receive_ns for top, after in pairs)
    assert missing < (LONG - WARM) * SECOND // 100
    spreads = [int(top.ask_price - top.bid_price) // TICK for top in run.touches(WARM, LONG, 0.1)]
    assert 1.3 < statistics.mean(spreads) < 5
    assert sorted(spreads)[len(spreads) * 95 // 100] <= 10


def test_depth_rises_from_the_touch_and_then_falls() -> None:
    """Some levels away more is offered than at the touch, and far away less."""
    levels = [0] * 40
    run = MarketRun(agents_params())
    for number in range(20):
        engine = run.until(WARM + number).venue.exchange.markets[0].engine
        for side, best in ((BUY, engine.best_bid), (SELL, engine.best_ask)):
            for price, size in engine.depth(side, 100):
                away = (best - price) * side // TICK
                if away < len(levels):
                    levels[away] += size
    near, hump, far = sum(levels[:2]) / 2, sum(levels[4:10]) / 6, sum(levels[25:40]) / 15
    assert hump > 1.5 * near
    assert hump > 3 * far
    assert far > 0


def test_messages_and_trades_come_at_their_rates() -> None:
    """About as many messages as were set, few of them trades, most of them changes of mind."""
    run = long_run()
    counts = run.tape.counts
    assert 0.8 < sum(counts.values()) / LONG / 500 < 1.15
    takers = len({(trade.receive_ns, trade.aggressor_side) for trade in run.tape.trades})
    assert 0.02 < takers / sum(counts.values()) < 0.07
    trades = len(run.tape.trades)
    assert 10 * LONG < trades < 60 * LONG
    assert (counts["CancelWanted"] + counts["ReplaceWanted"]) / trades > 5
    assert counts["CancelWanted"] / trades > 3


def test_sizes_are_skewed_and_sides_are_even() -> None:
    """Most trades are small, some are many times larger; buyers and sellers take about equally often."""
    trades = long_run().tape.trades
    sizes = sorted(int(trade.size) for trade in trades)
    assert statistics.mean(sizes) > 1.2 * sizes[len(sizes) // 2]
    assert sizes[len(sizes) * 99 // 100] > 4 * sizes[len(sizes) // 2]
    bought = sum(trade.aggressor_side == BUY for trade in trades)
    assert 0.35 < bought / len(trades) < 0.65


def test_the_price_moves_as_the_hidden_one() -> None:
    """Over seconds the middle has the hidden price's volatility and goes where it goes; it never leaves it for long."""
    run = long_run()
    found, hidden = run.mids(WARM, LONG, 0.1), run.hidden(WARM, LONG, 0.1)
    for every, lowest, highest in ((20, 0.7, 1.35), (50, 0.75, 1.35)):
        ratio = statistics.pstdev(moves(found, every)) / statistics.pstdev(moves(hidden, every))
        assert lowest < ratio < highest
    assert statistics.correlation(moves(found, 50), moves(hidden, 50)) > 0.8
    assert max(abs(one - other) for one, other in zip(found, hidden, strict=True)) < 1e-3


def test_short_moves_have_fat_tails() -> None:
    """In a tenth of a second mostly little happens, and now and then much."""
    short = moves(long_run().mids(WARM, LONG, 0.1), 1)
    assert sum(move**4 for move in short) / len(short) > 4 * statistics.pvariance(short) ** 2


def moves(path: list[float], every: int) -> list[float]:
    """What a path moves over so many of its points, from every point."""
    return [after - before for before, after in zip(path, path[every:], strict=False)]


# ---- several exchanges


def test_spreads_between_exchanges_open_and_close() -> None:
    """Two exchanges that share the hidden price stay near each other, now one above, now the other, and come back."""
    here, there = (run.mids(WARM, LONG, 0.1) for run in (long_run(), late_run()))
    apart = [(one - other) * 1e6 for one, other in zip(here, there, strict=True)]
    assert max(apart) > 40
    assert min(apart) < -40
    assert max(map(abs, apart)) < 1_000
    assert sum(before * after < 0 for before, after in pairwise(apart)) > 10
    assert statistics.correlation(moves(here, 50), moves(there, 50)) > 0.7
    # It comes back: what it is now says little of what it is ten seconds later.
    assert statistics.correlation(apart[:-100], apart[100:]) < 0.5


def test_the_lag_shows() -> None:
    """The exchange that is late follows the other, not the other way round."""
    here = moves(MarketRun(agents_params(error_ppm=0)).until(30).mids(WARM, 30, 0.05), 10)
    late = MarketRun(agents_params(error_ppm=0, seed=2, lag_ms=800)).until(30)
    there = moves(late.mids(WARM, 30, 0.05), 10)
    shift = 16
    following = statistics.correlation(here[:-shift], there[shift:])
    leading = statistics.correlation(there[:-shift], here[shift:])
    assert following > leading + 0.2


# ---- the same every time


@pytest.mark.parametrize("seed", seeds(1, 8))
def test_the_same_seed_makes_the_same_market(seed: int) -> None:
    """To the last message; another seed makes another."""
    first = MarketRun(agents_params(seed=seed)).until(3)
    assert steady(MarketRun(agents_params(seed=seed)).until(3)) == steady(first)
    assert steady(MarketRun(agents_params(seed=seed + 100)).until(3)) != steady(first)


def test_a_replay_says_the_same() -> None:
    """The recorded inputs of a run, fed to a fresh lane, lead to the same digest and the same state."""
    recorded = make_market(agents_params())
    recorded.records = RecordBuffer(1, 64 * 1024 * 1024)
    recorded.take(RunStarted(START_NS, 1, "", ""), START_NS, True)
    while (first := recorded.timers.first()) is not None and first[0] <= START_NS + 4 * SECOND:
        recorded.take(TimerFired(first[1], first[2], first[0]), first[0], True)
    scanner = RecordScanner(1)
    scanner.feed(recorded.records.take())
    again = make_market(agents_params())
    replayer = Replayer(again)
    replayer.scan(scanner)
    replayer.finish()
    assert again.digest.count > 2_000
    assert (again.digest.value, again.digest.count) == (recorded.digest.value, recorded.digest.count)
    for old, new in zip(recorded.slots[:2], again.slots[:2], strict=True):
        assert new.actor.save() == old.actor.save()


def test_a_snapshot_and_what_follows_say_the_same() -> None:
    """Exchange and agents, saved together and loaded into a fresh lane, go on as those that were never stopped."""
    run = MarketRun(agents_params()).until(3)
    fresh = MarketRun(agents_params())
    for old, new in zip(run.core.slots[:2], fresh.core.slots[:2], strict=True):
        new.actor.load(json.loads(json.dumps(old.actor.save())))
    fresh.core.timers.load(run.core.timers.save())
    before = len(run.tape.trades)
    run.until(6)
    fresh.until(6)
    assert fresh.tape.trades == run.tape.trades[before:]
    assert fresh.agents.save() == run.agents.save()


# ---- bounds and trouble


def test_orders_and_holdings_are_bounded() -> None:
    """No agent has more orders than it may, and what it holds turns back before it is much beyond what it likes."""
    run = MarketRun(agents_params(resting_orders=40, most_held_orders=10))
    for second in range(2, 24, 2):
        agents = run.until(second).agents.agents
        for agent in agents:
            assert abs(int(agent.held)) <= 4 * agent.most_held
        crowd = next(agent for agent in agents if isinstance(agent, Crowd))
        assert len(crowd.orders) <= 80
        assert len(run.agents.desk.working) <= 80 + 4 * 2 * 6 * 2
        assert len(run.agents.desk.asked) == 0
        run.venue.exchange.check_invariants()


def test_agents_know_what_the_exchange_has() -> None:
    """Every order that they believe in is in the book as they believe, and no other of theirs."""
    run = long_run()
    orders = run.venue.exchange.reports.orders
    known = run.agents.desk.working
    assert set(known) == set(orders)
    for order_id, order in known.items():
        assert (order.side, order.remaining) == (orders[order_id].side, orders[order_id].remaining)


def test_they_stop_while_trading_is_halted() -> None:
    """Nothing is asked for while the instrument is halted, and all goes on afterwards without a rush."""
    run = MarketRun(agents_params())
    run.take(status(STATUS_HALTED), 3)
    asked = run.agents.desk.requests
    run.until(8)
    assert run.agents.desk.requests == asked
    run.take(status(STATUS_TRADING), 8)
    run.until(9)
    assert 200 < run.agents.desk.requests - asked < 1_000


def status(value: int) -> StatusWanted:
    """An administrator's wish."""
    return StatusWanted(1, 1, FIRST_ACCOUNT, 1, 1, value, START_NS)


def test_a_pause_is_not_made_up_for() -> None:
    """After an hour of sleep each agent has one turn, and goes on at its rate."""
    run = MarketRun(agents_params()).until(2)
    first = run.core.timers.first()
    assert first is not None
    asked = run.agents.desk.requests
    run.core.take(TimerFired(first[1], first[2], first[0]), START_NS + 3_600 * SECOND, True)
    assert run.agents.desk.requests - asked <= 6 * MOST_TURNS
    run.until(3_602)
    assert run.agents.desk.requests - asked < 3 * 500


def test_those_without_money_wait_and_try_again() -> None:
    """An account that has nothing is refused; its agent rests a second each time, and the others go on."""
    params = agents_params()
    full = exchange_params(params)
    poor = AccountParams(id=FIRST_ACCOUNT, deposits={"USDT": DecimalText("100")})
    run = MarketRun(params, attrs.evolve(full, accounts={**full.accounts, f"agent{FIRST_ACCOUNT}": poor})).until(10)
    refused = [answer for answer in run.tape.refusals if answer.code == REJECT_BALANCE]
    assert {int(answer.account_id) for answer in refused} == {FIRST_ACCOUNT}
    assert 5 < run.agents.agents[0].refused <= 11 * 6
    assert len(run.tape.trades) > 100


def test_what_is_never_answered_is_given_up() -> None:
    """Without an exchange the agents ask, give up after some seconds, and never ask without bound."""
    params = agents_params(messages_per_second=100, exchange_id=2)
    run = MarketRun(params, ExchangeParams(exchange_id=1, most_orders=1_000)).until(20)
    summary = run.agents.summary()
    assert isinstance(summary["given_up"], int)
    assert summary["given_up"] > 100
    assert len(run.agents.desk.asked) < 600


def test_agents_without_an_account_fail_and_say_what_to_add() -> None:
    """A wrong `first_account_id` is told with the account and the exchange; nothing runs silently without a market."""
    params = agents_params()
    venue = exchange_params(agents_params(first_account_id=FIRST_ACCOUNT + 1))
    run = MarketRun(params, venue)
    while not run.core.reported:
        due_ns, actor_id, timer_id = run.core.timers.first() or (0, 0, 0)
        run.core.take(TimerFired(actor_id, timer_id, due_ns), due_ns, True)
    (failure,) = run.core.reported
    assert isinstance(failure.error, ActorError)
    assert f"exchange 1 has no account {FIRST_ACCOUNT}, in which" in str(failure.error)
    assert f"accounts.NAME = {{ id = {FIRST_ACCOUNT}, deposits = ... }}" in str(failure.error)
    assert f"from {FIRST_ACCOUNT} to {FIRST_ACCOUNT + 9}" in str(failure.error)


def test_a_restarted_market_begins_anew() -> None:
    """After a failure a fresh instance takes away what the one before had in the book, and makes a market again."""
    run = MarketRun(agents_params()).until(3)
    run.take(ActorFailed(2, run.core.sequence, 1, "test"), 3)
    run.take(ActorRestarted(2, 1), 3.1)
    assert run.venue.exchange.markets[0].engine.open_orders == 0
    run.until(5)
    assert run.venue.exchange.markets[0].engine.open_orders > 50
    assert set(run.agents.desk.working) == set(run.venue.exchange.reports.orders)


def test_they_come_as_clients_do() -> None:
    """In a session of their own, with the accounts that the settings say, one for each agent."""
    run = MarketRun(agents_params(session_id=-7), listener=Spy).until(2)
    spy = run.core.slots[2].actor
    assert isinstance(spy, Spy)
    entries = [message for message in spy.heard if isinstance(message, EntryWanted)]
    assert {int(entry.session_id) for entry in entries} == {-7}
    assert [int(agent.account_id) for agent in run.agents.agents] == run.params.account_ids
    assert {int(entry.account_id) for entry in entries} <= set(run.params.account_ids)
    assert len(run.params.account_ids) == 10


# ---- settings


def test_settings_that_cannot_work_are_refused() -> None:
    """Shares that leave nothing to the crowd, and an instrument without a price."""
    with pytest.raises(RuleBroken, match="crowd"):
        agents_params(maker_percent=90, informed_percent=20)
    with pytest.raises(AgentsError, match="no price for BTC/USDT"):
        MarketRun(MarketAgentsParams(first_account_id=1, initial_prices={"ETH/USDT": DecimalText("1")}))


@pytest.mark.parametrize(
    ("wanted", "tick", "step"), [(0, 1, 1), (1, 1, 1), (3, 1, 2), (9, 1, 5), (120, 1, 100), (30, 25, 25), (99, 25, 50)]
)
def test_steps_are_round(wanted: int, tick: int, step: int) -> None:
    """One, two or five times a power of ten ticks, no more than is wanted, but a tick."""
    assert round_step(wanted, tick) == step


def test_prices_of_others_change_nothing() -> None:
    """A price that is given for an instrument which is not traded here matters to nobody."""
    first = MarketRun(agents_params(initial_prices={SYMBOL: DecimalText("50000"), "ETH/USDT": DecimalText("3000")}))
    assert steady(first.until(2)) == steady(MarketRun(agents_params()).until(2))
