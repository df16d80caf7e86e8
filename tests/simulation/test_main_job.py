"""The main job as a whole under simulated faults: three venues, late fills, dying actors, an end at any moment.

The market, what the network does, when an actor dies and how late an answer comes all follow from the seed. Every
input is judged (`main_job_auditor.py`); in the end nothing works any more, all counts agree to the last unit, and the
journal gives the same decisions and the same state again.
"""

from __future__ import annotations

import pytest

from actors.risk import Risk
from market.messages import BUY, LIVE, STALE, BookStateChanged, Message, OrderFilled, TradingHalted
from runtime.actor import Actor
from tests.actors.trading_lane import START_NS, sent
from tests.seeds import seeds
from tests.simulation.main_job_auditor import Auditor
from tests.simulation.main_job_plan import risk_params, simulated_plan
from tests.simulation.main_job_venue import VenueManners
from tests.simulation.main_job_world import MainJobWorld, Troubles
from tests.simulation.venue_truth import ALL_FAULTS, Faults

STEPS = 200
# A seed under which risk dies of the news that another actor has died.
FAILS_WITHIN_A_FAILURE = 9
TIGHT: dict[type[Actor], dict[str, object]] = {
    Risk: {
        "maximum_position": "0.02", "maximum_group_position": "0.03", "maximum_open_orders": 4, "maximum_orders": 12,
    }
}
LATE = VenueManners(most_delay_ms=300, slow_share=0.2, most_slow_ms=4_000, fill_share=0.15, repeat_share=0.2)


@pytest.mark.parametrize("seed", seeds(2, 500))
def test_on_paper_under_faults_everything_holds(seed: int) -> None:
    """Frames are lost, late, doubled and damaged, connections die: no limit is passed, no quote rests on a bad book."""
    world = MainJobWorld(seed, ALL_FAULTS)
    world.run(STEPS)
    world.settle()
    assert world.auditor.total_fills() > 0


@pytest.mark.parametrize("seed", sorted({*seeds(2, 800), FAILS_WITHIN_A_FAILURE}))
def test_any_actor_may_die_at_any_time(seed: int) -> None:
    """No order, fill or position is lost, whoever dies in the midst of whatever, and the journal repeats all of it."""
    world = MainJobWorld(seed, ALL_FAULTS, Troubles(kill=0.03))
    world.run(STEPS)
    world.settle()
    assert len(world.killed) > 0


@pytest.mark.parametrize("seed", seeds(3, 800))
def test_no_limit_is_passed_even_when_every_fill_comes_late(seed: int) -> None:
    """Answers that are seconds late, fills that race with cancels or come twice, under limits that are always near."""
    world = MainJobWorld(seed, ALL_FAULTS, Troubles(kill=0.01 if seed % 2 else 0.0), LATE, TIGHT)
    world.run(STEPS)
    world.settle()


@pytest.mark.parametrize("seed", seeds(2, 400))
def test_at_a_venue_outside_the_accounts_agree(seed: int) -> None:
    """What the lane believes to hold, have paid and have earned is what the venue's own account says."""
    world = MainJobWorld(seed, Faults(), manners=VenueManners())
    world.run(STEPS)
    world.settle()
    assert world.auditor.total_fills() > 5


@pytest.mark.parametrize("seed", seeds(4, 500))
def test_the_end_may_come_at_any_moment(seed: int) -> None:
    """Asked to end at any moment, with books broken and actors dead: in time nothing works, here or at the venue."""
    manners = VenueManners() if seed % 2 else None
    world = MainJobWorld(seed, ALL_FAULTS, Troubles(kill=0.05), manners)
    world.run(world.draw.randrange(5, STEPS // 2))
    world.shut_down()


def test_without_faults_it_makes_a_market_everywhere() -> None:
    """Books are LIVE, both sides are quoted at every venue, orders are filled, nothing is refused and nothing halts."""
    world = MainJobWorld(1, Faults())
    world.run(3 * STEPS)
    assert all(world.auditor.live.values())
    working = {(order.instrument_id, order.side) for order in world.auditor.open.values()}
    assert len({instrument_id for instrument_id, _ in working}) == 3
    assert world.auditor.total_fills() > 0
    assert world.auditor.halts == 0
    world.settle()


# ---- the auditor itself


def orders(count: int, size: int = 1_000) -> list[Message]:
    """So many bids, asked for and sent."""
    return [message for number in range(1, count + 1) for message in sent(number, BUY, 6_000_000, size)]


LARGE = simulated_plan().instruments.by_id(1).parse_size("0.05")
FILLED_BEYOND = OrderFilled(1, 1, 90, 1, BUY, 6_000_000, 1_001, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([*orders(2), BookStateChanged(1, STALE, "silence", 0, 0)], "stays on a book"),
        ([BookStateChanged(1, STALE, "silence", 0, 0), *orders(1)], "sent on a book"),
        (orders(200, 10), "orders are open"),
        (orders(60, LARGE), "at worst"),
        ([*orders(1), FILLED_BEYOND], "beyond its size"),
        ([*orders(1), TradingHalted("test", "test")], "stays while nothing"),
        ([TradingHalted("test", "test"), *orders(1)], "while trading is halted"),
        ([*orders(1), *orders(1)], "used twice"),
    ],
)
def test_the_auditor_finds_what_is_wrong(said: list[Message], found: str) -> None:
    """Too much, too many, at a bad book, while halted, filled beyond its size: each by its own count."""
    plan = simulated_plan()
    auditor = Auditor(plan.instruments, risk_params(plan), {})
    auditor.hear([BookStateChanged(1, LIVE, "", 0, 0)], START_NS)

    def audit() -> None:
        auditor.hear(said, START_NS)
        auditor.judge()

    with pytest.raises(AssertionError, match=found):
        audit()
