"""The main job as a whole under simulated faults: three venues, late fills, dying actors, an end at any moment.

The market, what the network does, when an actor dies and how late an answer comes all follow from the seed. Every
input is judged (`main_job_auditor.py`); in the end nothing works any more, all counts agree to the last unit, and the
journal gives the same decisions and the same state again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import pytest

from actors.risk import Risk
from market.messages import (
    BUY,
    LIVE,
    SELL,
    STALE,
    BookStateChanged,
    CancelOrder,
    CancelRejected,
    Message,
    OrderFilled,
    TopOfBook,
    TradingHalted,
)
from runtime.actor import Actor
from tests.actors.trading_lane import MILLISECOND, START_NS, sent
from tests.seeds import seeds
from tests.simulation.main_job_auditor import AGAIN_NS, Auditor
from tests.simulation.main_job_plan import risk_params, simulated_plan
from tests.simulation.main_job_venue import VenueManners
from tests.simulation.main_job_world import MainJobWorld, Troubles
from tests.simulation.venue_truth import ALL_FAULTS, Faults

STEPS = 200
# A seed under which risk dies of the news that another actor has died.
FAILS_WITHIN_A_FAILURE = 9
TIGHT: dict[type[Actor], dict[str, object]] = {
    Risk: {
        "maximum_position": "0.03", "maximum_group_position": "0.05", "maximum_open_orders": 8, "maximum_orders": 12,
        "maximum_requests": 30, "cancel_room": 10, "maximum_gross_exposure": "4000", "maximum_net_exposure": "2400",
    }
}  # fmt: skip
LEAST_FILL_MS = 400
LATE = VenueManners(
    most_delay_ms=300, slow_share=0.08, most_slow_ms=3_000, fill_share=0.1, repeat_share=0.2,
    least_fill_ms=LEAST_FILL_MS, refuse_cancel_share=0.1,
)  # fmt: skip
ACTORS = [node.name for node in simulated_plan(is_mixed=True).actors][:-1]


def on_paper(seed: int) -> MainJobWorld:
    """The shipped main job, and with every second seed a mixed one, with faults of the network."""
    return MainJobWorld(seed, ALL_FAULTS, is_mixed=seed % 2 == 1)


def dying(seed: int) -> MainJobWorld:
    """The same where actors die."""
    return MainJobWorld(seed, ALL_FAULTS, Troubles(kill=0.03), is_mixed=seed % 2 == 1)


def late(seed: int) -> MainJobWorld:
    """At a venue outside that tells every fill late, under limits that are always near."""
    troubles = Troubles(kill=0.01 if seed % 4 >= 2 else 0.0)
    return MainJobWorld(seed, ALL_FAULTS, troubles, LATE, TIGHT, is_mixed=seed % 2 == 1)


def outside(seed: int) -> MainJobWorld:
    """At a venue outside, without faults."""
    return MainJobWorld(seed, Faults(), manners=VenueManners(), is_mixed=seed % 2 == 1)


def ending(seed: int) -> MainJobWorld:
    """A world at the moment in which its end is asked for: between steps or in the midst of one."""
    manners = VenueManners(refuse_cancel_share=0.02) if seed % 2 else None
    world = MainJobWorld(seed, ALL_FAULTS, Troubles(kill=0.05), manners, is_mixed=seed % 4 >= 2)
    world.run(world.draw.randrange(6) if seed % 3 == 0 else world.draw.randrange(STEPS // 2))
    world.run_part(world.draw.randrange(8))
    return world


@pytest.mark.parametrize("seed", seeds(2, 500))
def test_on_paper_under_faults_everything_holds(seed: int) -> None:
    """Frames are lost, late, doubled and damaged, connections die: no limit is passed, no quote rests on a bad book."""
    world = on_paper(seed)
    world.run(STEPS)
    world.settle()
    assert world.auditor.total_fills() > 0


@pytest.mark.parametrize("seed", sorted({*seeds(2, 800), FAILS_WITHIN_A_FAILURE}))
def test_any_actor_may_die_at_any_time(seed: int) -> None:
    """No order, fill or position is lost, whoever dies in the midst of whatever, and the journal repeats all of it."""
    world = dying(seed)
    world.run(STEPS)
    world.settle()


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("seed", seeds(1, 40))
def test_each_actor_may_die_at_any_time(name: str, seed: int) -> None:
    """The same for each by its name, again and again, at a venue outside where it is not the venue."""
    manners = None if name == "paper_venue" else VenueManners()
    world = MainJobWorld(seed, ALL_FAULTS, Troubles(kill=0.1, victim=name), manners, is_mixed=True)
    world.run(STEPS // 2)
    world.settle()
    assert set(world.died) == {name}


@pytest.mark.parametrize("seed", seeds(3, 800))
def test_no_limit_is_passed_even_when_every_fill_comes_late(seed: int) -> None:
    """Answers that are seconds late, fills that race with cancels or come twice, under limits that are always near."""
    world = late(seed)
    world.run(STEPS)
    world.settle()
    assert all(delay_ns >= LEAST_FILL_MS * MILLISECOND for delay_ns in world.auditor.fill_delays_ns)


@pytest.mark.parametrize("seed", seeds(2, 400))
def test_at_a_venue_outside_the_accounts_agree(seed: int) -> None:
    """What the lane believes to hold, have paid and have earned is what the venue's own account says."""
    world = outside(seed)
    world.run(STEPS)
    world.settle()
    assert world.auditor.total_fills() > 5


@pytest.mark.parametrize("seed", seeds(4, 500))
def test_the_end_may_come_at_any_moment(seed: int) -> None:
    """Asked to end at any moment, with books broken and actors dead: in time nothing works, here or at the venue.

    One in three comes in the first moments, before there is a connection, a book or an order.
    """
    world = ending(seed)
    world.shut_down()


def test_these_worlds_have_what_they_are_for() -> None:
    """Orders are changed in place and routed, cancels of working orders refused, ends come before there is a book.

    One world in some hundreds may have none of something, by its draw; several together have all of it.
    """
    worlds = [late(seed) for seed in range(4)]
    for world in worlds:
        world.run(STEPS)
    auditors = [world.auditor for world in worlds]
    assert max(delay_ns for one in auditors for delay_ns in one.fill_delays_ns) > 1_000 * MILLISECOND
    assert sum(one.replaced for one in auditors) > 3
    assert sum(one.routed for one in auditors) > 3
    assert sum(one.cancels_refused for one in auditors) > 3
    # Every limit that can be near is reached.
    assert set().union(*(one.refused_by for one in auditors)) >= {*TIGHT[Risk]} - {"cancel_room", "maximum_requests"}
    deaths = [dying(seed) for seed in range(3)]
    for world in deaths:
        world.run(STEPS)
    assert all(len(world.died) > 0 for world in deaths)
    ends = [ending(seed) for seed in range(12)]
    assert {any(one.auditor.live.values()) for one in ends} == {False, True}
    assert {bool(one.auditor.open) for one in ends} == {False, True}


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
SILENT = BookStateChanged(1, STALE, "silence", 0, 0)
CANCEL = CancelOrder(1, 1, "test", 0)
# At most so many orders, and no bound of what they come to together.
MANY: dict[str, object] = {"maximum_net_exposure": None, "maximum_gross_exposure": None, "maximum_requests": 0}


@pytest.mark.parametrize(
    ("said", "limits", "found"),
    [
        ([*orders(2), SILENT], {}, "stays on a book"),
        ([SILENT, *orders(1)], {}, "sent on a book"),
        (orders(200, 10), {}, "orders are open"),
        (orders(60, LARGE), MANY, "at worst, 200000000 is the limit"),
        (orders(60, LARGE), {}, "net at worst"),
        (orders(150, LARGE), {**MANY, "maximum_gross_exposure": "400000"}, "gross at worst"),
        ([*orders(1), FILLED_BEYOND], {}, "beyond its size"),
        ([*orders(1), TradingHalted("test", "test")], {}, "stays while nothing"),
        ([TradingHalted("test", "test"), *orders(1)], {}, "while trading is halted"),
        ([*orders(1), *orders(1)], {}, "used twice"),
        (sent(1, BUY, 6_040_000, 1_000), {}, "the mid is 6000000"),
        ([*orders(1), *sent(2, SELL, 6_000_000, 1_000)], {}, "meets order 1 of ours"),
        (
            [*orders(1), *[CANCEL] * 25, *sent(2, BUY, 6_000_000, 9)],
            {"maximum_requests": 30, "cancel_room": 5},
            "keep 25",
        ),
        ([*orders(1), CANCEL, SILENT, CancelRejected(1, 1, 0, "no")], {}, "stays on a book"),
    ],
)
def test_the_auditor_finds_what_is_wrong(said: Sequence[Message], limits: Mapping[str, object], found: str) -> None:
    """Too much, too many, at a bad book or price, while halted, left alone after a refusal: each by its own count."""
    plan = simulated_plan()
    auditor = Auditor(plan.instruments, attrs.evolve(risk_params(plan), **limits), {})  # type: ignore[arg-type]
    touch = TopOfBook(1, LIVE, 5_999_900, 1, 6_000_100, 1, 0, 0, 0)
    auditor.hear([BookStateChanged(1, LIVE, "", 0, 0), touch], START_NS)

    def audit() -> None:
        auditor.hear(said, START_NS)
        auditor.judge()
        auditor.hear([], START_NS + AGAIN_NS)
        auditor.judge()

    with pytest.raises(AssertionError, match=found):
        audit()
